"""`reportgen batch`: a report for each of many models, and one page over all of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reportgen.cli.commands import index
from reportgen.cli.common import errors_shown, fail, whole
from reportgen.cli.options import Debug, values, with_options
from reportgen.errors import InputError
from reportgen.options import SAMPLE, Analysis, Bounds, Options, Pages, Place

_MOST_JOBS = 1024


@with_options(
    Analysis,
    Pages,
    Bounds,
    Place,
    without=("seed", "out", "title", "split", "baseline", "workers"),
)
def batch(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model files, quoted patterns, or .csv files with a column model and, if wanted, data and title.",
            metavar="MODELS...",
        ),
    ],
    data: Annotated[str, typer.Option(help="As for `reportgen report`; for the models that name none.")] = SAMPLE,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for a folder of each model.")] = Path("reports"),
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help="How many processes.", show_default="half of the cores, at least 2"
        ),
    ] = None,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Report on many models, each in a folder of its own, with one index. What is there and fits is not made again."""
    with errors_shown(debug):
        from reportgen.batch import items, run
        from reportgen.engines import choice
        from reportgen.pipeline import flow
        from reportgen.progress import to_stderr

        if jobs is not None and not 1 <= jobs <= _MOST_JOBS:
            raise InputError(f"--jobs is {jobs}", f"expected a whole number from 1 to {_MOST_JOBS}")
        engine = given.pop("engine")
        where = choice.of(engine, None if engine == "local" else jobs, flag="--jobs")
        progress, target = to_stderr(), out / "index.html"
        wanted = {
            item: Options(out=out / item.name, title=item.title, **values(given)) for item in items.listed(models, data)
        }
        flow.check(replace(next(iter(wanted.values())), out=None))  # what is wrong with all of them is said once
        index.check_target(target)
        done = run.run(wanted, where=where, processes=jobs or choice.usual_workers(), progress=progress)
        if done.made or _is_old(target, [Path(str(one.out)) for one in wanted.values()]):
            for path in index.write(out, target, lang=given["lang"]):
                print(path)
        if done.failed:
            for line in done.failed:
                fail(line)
            fail(
                f"{len(done.failed):,} of {len(wanted):,} models failed for the reasons above; mend them and run again"
            )
            raise typer.Exit(1)


def _is_old(page: Path, folders: Sequence[Path]) -> bool:
    """Return whether the index is missing, or was written before the last of the reports."""
    from reportgen.record.record_file import JSON_NAME

    reports = [path for folder in folders if (path := folder / JSON_NAME).is_file()]
    if not page.is_file():
        return bool(reports)
    return any(path.stat().st_mtime > page.stat().st_mtime for path in reports)

"""`reportgen batch`: a report for each of many models, and one page over all of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli import options
from reportgen.cli.commands import index
from reportgen.cli.common import Debug, errors_shown, fail, listed, whole
from reportgen.errors import InputError
from reportgen.options import LANGUAGES, PAPERS, Bounds, Options

_DEFAULTS = Options()
_MOST_JOBS = 1024


def batch(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model files, quoted patterns, or .csv files with a column model and, if wanted, data and title.",
            metavar="MODELS...",
        ),
    ],
    data: Annotated[str, typer.Option(help="As for `reportgen report`; for the models that name none.")] = "sample",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for a folder of each model.")] = Path("reports"),
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help="How many processes.", show_default="half of the cores, at least 2"
        ),
    ] = None,
    engine: options.Engine = "local",
    examples: options.Examples = _DEFAULTS.examples,
    pixels: options.Pixels = _DEFAULTS.pixels,
    analyse: options.Analyse = _DEFAULTS.analyse,
    memory: options.Memory = _DEFAULTS.memory,
    redundant: options.Redundant = _DEFAULTS.redundant,
    always_on: options.AlwaysOn = _DEFAULTS.always_on,
    weak: options.Weak = _DEFAULTS.weak,
    saturated: options.Saturated = _DEFAULTS.saturated,
    image_size: options.ImageSize = None,
    class_names: options.ClassNames = None,
    output: options.Output = None,
    formats: options.Formats = options.ALL_FORMATS,
    lang: options.Lang = LANGUAGES[0],
    paper: options.Paper = PAPERS[0],
    max_model_gb: options.MaxModelGb = Bounds.max_model_gb,
    max_memory_gb: options.MaxMemoryGb = Bounds.max_memory_gb,
    max_layers: options.MaxLayers = Bounds.max_layers,
    max_load_seconds: options.MaxLoadSeconds = Bounds.max_load_seconds,
    debug: Debug = False,
) -> None:
    """Report on many models, each in a folder of its own, with one index. What is there and fits is not made again."""
    with errors_shown(debug):
        from reportgen.batch import items, run
        from reportgen.engines import choice
        from reportgen.pipeline import Order
        from reportgen.progress import to_stderr
        from reportgen.record.run import Look

        if jobs is not None and not 1 <= jobs <= _MOST_JOBS:
            raise InputError(f"--jobs is {jobs}", f"expected a whole number from 1 to {_MOST_JOBS}")
        where = choice.of(engine, None if engine == "local" else jobs, flag="--jobs")
        progress, target = to_stderr(), out / "index.html"
        orders = {
            item: Order(
                options=Options(
                    examples=examples,
                    pixels=pixels,
                    analyse=analyse,  # type: ignore[arg-type]
                    memory=memory,
                    redundant=redundant,
                    always_on=always_on,
                    weak=weak,
                    saturated=saturated,
                    image_size=image_size,
                    class_names=class_names,
                    output=output,
                ),
                look=Look(lang, paper),
                out=out / item.name,
                title=item.title,
                formats=listed(formats),
                bounds=Bounds(max_model_gb, max_memory_gb, max_layers, max_load_seconds),
            )
            for item in items.listed(models, data)
        }
        replace(next(iter(orders.values())), out=None).check()  # what is wrong with all of them is said once
        index.check_target(target)
        done = run.run(orders, where=where, processes=jobs or choice.usual_workers(), progress=progress)
        if done.made or _is_old(target, [Path(str(order.out)) for order in orders.values()]):
            for path in index.write(out, target, lang=lang):
                print(path)
        if done.failed:
            for line in done.failed:
                fail(line)
            fail(
                f"{len(done.failed):,} of {len(orders):,} models failed for the reasons above; mend them and run again"
            )
            raise typer.Exit(1)


def _is_old(page: Path, folders: Sequence[Path]) -> bool:
    """Return whether the index is missing, or was written before the last of the reports."""
    from reportgen.record.record_file import JSON_NAME

    reports = [path for folder in folders if (path := folder / JSON_NAME).is_file()]
    if not page.is_file():
        return bool(reports)
    return any(path.stat().st_mtime > page.stat().st_mtime for path in reports)

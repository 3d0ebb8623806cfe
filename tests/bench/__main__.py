"""`make bench`."""

import os
import platform
import re
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from reportgen.errors import InputError
from tests import ROOT
from tests.bench import chart, growth, speed_page
from tests.bench.clock import Pair, Unavailable
from tests.bench.inputs import Inputs
from tests.bench.rows import rows

GROWTH = "growth"
PAGE = ROOT / "docs" / "speed.md"


def main(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="MNIST as an .npz file; without it the bundled digits, repeated, stand in.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Measure this row alone, and leave docs/speed.md as it is; may be repeated."),
    ] = None,
    most_images: Annotated[
        int,
        typer.Option(
            metavar="N", min=10_000, help="Up to how many images growth is measured; docs/speed.md needs the default."
        ),
    ] = growth.MOST_IMAGES,
) -> None:
    """Measure reportgen against what one would do without it, and write what was found into docs/speed.md."""
    writes = not only and most_images == growth.MOST_IMAGES
    if writes:
        _written("")  # a page without markers is found out now, not after the long work
    with tempfile.TemporaryDirectory() as home:
        inputs = Inputs(Path(home), data.resolve() if data else None)
        try:
            known = rows(inputs)
        except InputError as error:
            raise typer.BadParameter(str(error), param_hint="DATA") from error
        names = [*(row.name for row in known), GROWTH]
        if unknown := set(only or ()) - set(names):
            raise typer.BadParameter(
                f"{min(unknown)!r} is no row; expected one of {', '.join(names)}", param_hint="--only"
            )
        results = []
        for row in known:
            if only and row.name not in only:
                continue
            try:
                found: Pair | str = row.measure(inputs)
            except Unavailable as error:
                found = str(error)
            results.append(result := speed_page.Result(row.what, row.rival, found, row.limit))
            _say(f"{row.name}: {result.brief}")
        grown = []
        if not only or GROWTH in only:
            grown = growth.measure(inputs, most_images, _say)
            _say(speed_page.growth_table(grown))
        if writes:
            content = _written(speed_page.generated(results, grown, machine(inputs.named)))
            PAGE.write_text(content, encoding="utf-8")
            PAGE.with_name(speed_page.CHART).write_text(chart.svg(grown), encoding="utf-8")
            _say(f"docs/speed.md and {speed_page.CHART} are written.")
        else:
            _say("docs/speed.md is left as it is, since not all of it was measured.")
    if slow := [result.what for result in results if result.exceeds]:
        raise SystemExit(f"longer than the limit allows: {'; '.join(slow)}")


def machine(data: str) -> str:
    """Return one line on what this was measured with, in general terms."""
    cores = os.cpu_count() or 1
    return (
        f"Measured on {date.today().isoformat()}: {cores} {'core' if cores == 1 else 'cores'} ({_processor()}), "
        f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}; images: {data}."
    )


def _written(content: str) -> str:
    return speed_page.replaced(PAGE.read_text(encoding="utf-8"), content)


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    typer.run(main)

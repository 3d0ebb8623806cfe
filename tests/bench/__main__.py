"""`make bench`."""

import os
import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from reportgen.errors import InputError
from tests import ROOT
from tests.bench import chart, growth, machines, speed_page, trend
from tests.bench.clock import Pair, Unavailable
from tests.bench.inputs import Inputs
from tests.bench.rows import FAST, Row, rows

GROWTH, MACHINES = "growth", "machines"
PAGE = ROOT / "docs" / "speed.md"
TREND = PAGE.with_name(trend.FILE)


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
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Measure a few rows, whole processes once each, and leave docs/speed.md as it is; exit 0."
        ),
    ] = False,
    most_images: Annotated[
        int,
        typer.Option(
            metavar="N", min=10_000, help="Up to how many images growth is measured; docs/speed.md needs the default."
        ),
    ] = growth.MOST_IMAGES,
) -> None:
    """Measure reportgen against what one would do without it, and write what was found into docs/speed.md."""
    if fast:
        only = [*(only or FAST)]
    writes = not only and most_images == growth.MOST_IMAGES
    kept = TREND.read_text(encoding="utf-8") if TREND.exists() else ""
    if writes:
        _written("")  # a page without markers is found out now, not after the long work
    with tempfile.TemporaryDirectory() as home:
        inputs = Inputs(Path(home), data.resolve() if data else None, once=fast)
        try:
            known = rows(inputs)
        except InputError as error:
            raise typer.BadParameter(str(error), param_hint="DATA") from error
        names = [*(row.name for row in known), GROWTH, MACHINES]
        if unknown := set(only or ()) - set(names):
            raise typer.BadParameter(
                f"{min(unknown)!r} is no row; expected one of {', '.join(names)}", param_hint="--only"
            )
        results, pairs = _measured([row for row in known if not only or row.name in only], inputs, trend.last(kept))
        grown = []
        if not only or GROWTH in only:
            grown = growth.measure(inputs, most_images, _say)
            _say(speed_page.growth_table(grown))
        played = None
        if not only or MACHINES in only:
            played = machines.measure(inputs, _say)
            _say(speed_page.machines_table(played))
        if writes and played:
            content = _written(speed_page.generated(results, grown, played, machine(inputs.named)))
            PAGE.write_text(content, encoding="utf-8")
            PAGE.with_name(speed_page.CHART).write_text(chart.svg(grown), encoding="utf-8")
            today, current = date.today().isoformat(), version("reportgen")
            TREND.write_text(trend.appended(kept, pairs, today, current), encoding="utf-8")
            _say(f"docs/speed.md, {speed_page.CHART} and {trend.FILE} are written.")
        else:
            _say("docs/speed.md is left as it is, since not all of it was measured.")
    if slow := [result.what for result in results if result.exceeds]:
        said = f"more than the limit allows: {'; '.join(slow)}"
        if not fast:
            raise SystemExit(said)
        _say(said)


def _measured(
    asked: Sequence[Row], inputs: Inputs, kept: Mapping[str, trend.Kept]
) -> tuple[list[speed_page.Result], dict[str, Pair]]:
    """Return what each row found, and the pairs of those whose rival is here, by name."""
    results, pairs = [], {}
    for row in asked:
        try:
            found: Pair | str = row.measure(inputs)
        except Unavailable as error:
            found = str(error)
        results.append(result := speed_page.Result(row.what, row.rival, found, row.limit, row.peak_limit))
        _say(f"{row.name}: {result.brief}")
        if isinstance(found, Pair):
            pairs[row.name] = found
            _say(f"{row.name}: {trend.compared(row.name, found, kept)}")
    return results, pairs


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

"""How time and peak memory of a whole report grow with the number of images, and with that of units.

The PDF is left out: its seconds would hide how the rest grows.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clock import LONG, RUNS, Usage, run
from tests.bench.inputs import PYTHON, Inputs

MOST_IMAGES = 1_000_000
UNITS = (1_000, 10_000, 100_000)
IMAGES_OF_UNITS = 500


@dataclass(frozen=True)
class Growth:
    """What one quantity costs as it grows. what: "images" or "units"; usages: of each of the amounts, ascending."""

    what: str
    amounts: tuple[int, ...]
    usages: tuple[Usage, ...]


def measure(inputs: Inputs, most_images: int, say: Callable[[str], None]) -> list[Growth]:
    """Measure both: a hundredth, a tenth and all of `most_images`, then the numbers of units."""
    amounts = (most_images // 100, most_images // 10, most_images)
    _once(inputs, inputs.model, amounts[0])  # the first process reads what the others find in the cache of the disk
    images = Growth("images", amounts, tuple(_usage(inputs, inputs.model, n, f"{n:,} images", say) for n in amounts))
    networks = [inputs.network(f"deep-{units}", "28x28x1") for units in UNITS]
    of_units = tuple(
        _usage(inputs, network, IMAGES_OF_UNITS, f"{units:,} units", say)
        for units, network in zip(UNITS, networks, strict=True)
    )
    return [images, Growth("units", UNITS, of_units)]


def _usage(inputs: Inputs, model: Path, images: int, what: str, say: Callable[[str], None]) -> Usage:
    """Return the medians of some runs, or one run if it is long."""
    runs = [_once(inputs, model, images)]
    if runs[0].seconds < LONG:
        runs += [_once(inputs, model, images) for _ in range(RUNS - 1)]
    seconds, peak = (statistics.median(each) for each in zip(*((r.seconds, r.peak) for r in runs), strict=True))
    say(f"growth: {what}: {seconds:.1f} s, {peak / 1e6:,.0f} MB")
    return Usage(seconds, round(peak))


def _once(inputs: Inputs, model: Path, images: int) -> Usage:
    return run([PYTHON, "-m", "tests.bench.whole_report", model, str(images), inputs.home / "grown"])

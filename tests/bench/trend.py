"""The ratios of earlier benchmarks, so that a change that slows something is seen: docs/speed-trend.csv.

A line for each row of each whole benchmark. Ratios compare machines better than seconds do.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.clock import Pair

FILE = "speed-trend.csv"  # beside the page
HEAD = ("date", "reportgen", "row", "seconds", "rival_seconds", "ratio", "peak_ratio")
NOTABLE = 0.15
"""From this share on a ratio that grew is pointed out: less is what one and the same code differs by."""


@dataclass(frozen=True)
class Kept:
    """What the last benchmark found for a row. date: ISO 8601. version: of reportgen."""

    date: str
    version: str
    ratio: float


def appended(kept: str, found: Mapping[str, Pair], date: str, version: str) -> str:
    """Return the file's text with a line more for each row. kept: its text so far, empty where there is none."""
    target = io.StringIO(newline="")
    lines = csv.writer(target, lineterminator="\n")
    if not kept:
        lines.writerow(HEAD)
    for name, pair in found.items():
        peak = f"{pair.our_peak / pair.their_peak:.2f}" if pair.our_peak and pair.their_peak else ""
        ratio = f"{pair.ours / pair.theirs:.3f}"
        lines.writerow([date, version, name, f"{pair.ours:.2f}", f"{pair.theirs:.2f}", ratio, peak])
    return kept + target.getvalue()


def last(kept: str) -> dict[str, Kept]:
    """Return what the file has last for each row."""
    return {
        line["row"]: Kept(line["date"], line["reportgen"], float(line["ratio"]))
        for line in csv.DictReader(io.StringIO(kept))
    }


def compared(name: str, pair: Pair, kept: Mapping[str, Kept]) -> str:
    """Return how a row compares with the last benchmark, in words."""
    if name not in kept:
        return "not measured before"
    before, ratio = kept[name], pair.ours / pair.theirs
    said = f"{ratio:.2f} x, {before.ratio:.2f} x on {before.date} with {before.version}"
    return f"{said}: SLOWER" if ratio > before.ratio * (1 + NOTABLE) else said

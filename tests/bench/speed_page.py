"""The part of docs/speed.md that `make bench` writes: a table of ratios, one of growth, the chart, and the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.bench.clock import RUNS, Pair
from tests.bench.growth import Growth
from tests.bench.machines import WORKERS, Machines

BEGIN = "<!-- bench: begin. `make bench` writes what follows; do not edit it by hand. -->"
END = "<!-- bench: end -->"
CHART = "growth.svg"  # beside the page


@dataclass(frozen=True)
class Result:
    """What a row found: a pair, or why there is none. limit, peak_limit: the ratios that reportgen is to keep."""

    what: str
    rival: str
    found: Pair | str
    limit: float | None = None
    peak_limit: float | None = None

    @property
    def ratio(self) -> str:
        """How the two compare, in words."""
        if isinstance(self.found, str):
            return f"n/a: {self.found}"
        wanted = f" (limit {self.limit:g})" if self.limit else ""
        return _ratio(self.found.ours, self.found.theirs) + wanted

    @property
    def brief(self) -> str:
        """The row on one line of plain text."""
        if isinstance(self.found, str):
            return self.ratio
        memory = f"; peak memory {self.memory}" if self.memory else ""
        return f"{_seconds(self.found.ours)} against {_seconds(self.found.theirs)}: {self.ratio}{memory}"

    @property
    def exceeds(self) -> bool:
        """Whether reportgen takes longer, or more memory, than its limits allow."""
        found = self.found
        if isinstance(found, str):
            return False
        slow = self.limit is not None and found.ours > self.limit * found.theirs
        large = self.peak_limit is not None and (found.our_peak or 0) > self.peak_limit * (found.their_peak or 0)
        return slow or large

    @property
    def memory(self) -> str:
        """How the peaks of both compare, in words; empty where they were not measured."""
        found = self.found
        if isinstance(found, str) or not found.our_peak or not found.their_peak:
            return ""
        wanted = f" (limit {self.peak_limit:g})" if self.peak_limit else ""
        return (
            f"{_megabytes(found.our_peak)} to {_megabytes(found.their_peak)}: "
            f"x{found.our_peak / found.their_peak:.2f}{wanted}"
        )


def generated(results: Sequence[Result], growths: Sequence[Growth], machines: Machines, machine: str) -> str:
    """Return all that stands between the markers."""
    chart = f"![{alternative(growths)}]({CHART})"
    return "\n\n".join([machine, table(results), growth_table(growths), chart, machines_table(machines)])


def table(results: Sequence[Result]) -> str:
    """Return the comparisons as a table in Markdown."""
    rows = []
    for result in results:
        mine = other = "n/a"
        if isinstance(result.found, Pair):
            runs = (
                ""
                if result.found.runs == RUNS
                else ", once"
                if result.found.runs == 1
                else f", {result.found.runs} runs"
            )
            mine, other = _seconds(result.found.ours), _seconds(result.found.theirs) + runs
        rows.append([result.what, mine, result.rival, other, result.ratio, result.memory])
    return _table(["what", "reportgen", "what one would do without it", "that takes", "ratio", "peak memory"], rows)


def growth_table(growths: Sequence[Growth]) -> str:
    """Return each step of each growth as a table in Markdown."""
    rows = []
    for growth in growths:
        steps = zip(growth.amounts, growth.usages, strict=True)
        for (small, before), (large, after) in pairwise(steps):
            rows.append(
                [
                    f"{growth.what} x{large / small:g}: from {small:,} to {large:,}",
                    f"{_seconds(before.seconds)} to {_seconds(after.seconds)}: "
                    f"x{_short(after.seconds / before.seconds)}",
                    f"{_megabytes(before.peak)} to {_megabytes(after.peak)}: x{after.peak / before.peak:.2f}",
                ]
            )
    return _table(["what grows", "time", "peak memory"], rows)


def machines_table(found: Machines) -> str:
    """Return how long the pass takes on more and more workers as a table in Markdown."""
    expected = [found.one_machine / workers for workers in WORKERS]
    rows = [
        [
            f"{workers:,}",
            _seconds(pass_),
            _ratio(pass_, found.one_machine),
            _seconds(ideal),
            _seconds(ready),
        ]
        for workers, pass_, ideal, ready in zip(WORKERS, found.there, expected, found.ready, strict=True)
    ]
    head = [
        f"workers that wait {found.each * 1000:g} ms for each of {found.images:,} images",
        "the pass",
        f"against {_seconds(found.one_machine)} in one process that waits as well",
        "shared evenly, that would be",
        "until they are ready, once",
    ]
    return _table(head, rows)


def alternative(growths: Sequence[Growth]) -> str:
    """Return what the chart shows, in words."""
    said = [
        f"{growth.what} from {growth.amounts[0]:,} to {growth.amounts[-1]:,} make it take "
        f"{_short(growth.usages[-1].seconds / growth.usages[0].seconds)} times as long and "
        f"{_short(growth.usages[-1].peak / growth.usages[0].peak)} times the memory"
        for growth in growths
    ]
    return f"Time and peak memory of a whole report on logarithmic axes: {'; '.join(said)}"


def replaced(page: str, content: str) -> str:
    """Return a page with other content between the markers. Raises ValueError unless each is there once, in order."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"docs/speed.md needs the lines {BEGIN} and {END} once each, in this order")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{rest.split(END)[1]}"


def _ratio(mine: float, other: float) -> str:
    """Return how long one takes against the other."""
    slower, faster = mine / other, other / mine
    if round(max(slower, faster), 1) == 1:
        return "as long"
    return f"{_short(slower)} times as long" if slower > 1 else f"{_short(faster)} times as fast"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:,.0f} s"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])

"""Histograms whose bins can become wider while they are counted, so that all values fit and no count is guessed.

A bin is as wide as a power of two and one edge is 0, so a value's bin is floor(value / width) without any rounding, and
two bins become one of twice the width without any count being divided. U units, B bins of a grid.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

SIDE = 64
"""How many bins a grid has above 0, and as many below it where it is signed.

A power of two, as widths are, so that the largest value lies in the upper half of the narrowest grid that holds it.
What is shown then takes 17 to 32 bins of twice that width, on the longer side of 0: enough to merge down to 11 to 20.
"""

SHOWN = 20
"""How many bins are shown at most; at least 11 are."""

_NARROWEST, _WIDEST = -124, 122  # exponents: numbers of float32 that are not subnormal are from 2**-126 to 2**128
_NONE = -4  # exponent that is shown where all values are 0, or as good as that: 16 bins from 0 to 1


@dataclass(frozen=True)
class Grid:
    """Bins of the width 2**exponent, numbered from 0: bin j holds values from j widths to less than j + 1 widths.

    signed: whether there are bins below 0, the first of which is number -SIDE; else values are never negative.
    """

    signed: bool
    exponent: int = _NARROWEST

    @property
    def first(self) -> int:
        """The number of the lowest bin."""
        return -SIDE if self.signed else 0

    @property
    def bins(self) -> int:
        """B, how many bins there are."""
        return SIDE - self.first

    @property
    def per_value(self) -> float:
        """How many bins a value of 1 spans: what to multiply a value with, an exact operation."""
        return math.ldexp(1.0, -self.exponent)

    def holding(self, smallest: float, largest: float) -> "Grid":
        """Return this grid or the next wider one that has a bin for both values.

        For infinite ones it is the widest there is, and they are counted at its ends. NaN widens nothing.
        """
        needed = _needed(smallest if self.signed else 0.0, largest)
        return self if needed <= self.exponent else replace(self, exponent=needed)

    def count(self, values: NDArray[Any]) -> Counts:
        """Return (U, B) how many of the values (n, U) are in each bin; those outside are counted at its ends."""
        # in float32 a value below 0 that is tiny beside a bin would become 0, which is in another bin
        exact = np.float64 if self.signed else values.dtype
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = np.multiply(values, self.per_value, dtype=exact)
        # what is outside is counted at the ends, and NaN, which is an error later on, anywhere
        numbers = np.fmax(np.floor(numbers, out=numbers), self.first, out=numbers)
        which = np.minimum(numbers, SIDE - 1, out=numbers).astype(np.int64)
        units = values.shape[1]
        which += self.bins * np.arange(units) - self.first
        return np.bincount(which.ravel(), minlength=self.bins * units).reshape(units, self.bins)

    def coarsened(self, histogram: Counts, exponent: int) -> Counts:
        """Return what (U, B) counts in these bins are in as many wider ones, as if counted there."""
        steps = exponent - self.exponent
        if not steps:
            return histogram
        merged = np.zeros_like(histogram)
        # >> rounds down below 0 as well, as floor does: -1 stays -1, so no value crosses the edge at 0. Beyond the
        # width of an integer a shift is undefined, and by then all bins of a side are one
        into = (np.arange(self.first, SIDE) >> min(steps, SIDE - 1)) - self.first
        np.add.at(merged.T, into, histogram.T)
        return merged


def _needed(smallest: float, largest: float) -> int:
    """Return the exponent of the narrowest bins that hold both values, as far as there are such bins."""
    most = max(0.0, largest, -smallest)
    if not 0 < most < math.inf:
        return _WIDEST if most == math.inf else _NARROWEST
    # frexp: 2**(exponent - 1) <= most < 2**exponent, exactly, where a logarithm would round at powers of two; and a
    # value on the last edge would be outside, which is why `most` has to lie below it
    return min(max(math.frexp(most)[1] - SIDE.bit_length() + 1, _NARROWEST), _WIDEST)


def joined(one: Grid, other: Grid, first: Counts, second: Counts) -> tuple[Grid, Counts]:
    """Return the counts of both, (U, B) in a grid each, in the wider of the two grids."""
    # the wider one holds the values of both, and what was counted in the narrower moves there without being divided
    grid = one if one.exponent >= other.exponent else other
    return grid, one.coarsened(first, grid.exponent) + other.coarsened(second, grid.exponent)


def shown(
    grid: Grid, histogram: Counts, smallest: float, largest: float, ends: tuple[float, float] | None = None
) -> tuple[Floats, Counts]:
    """Return edges, (S + 1,), and counts, (U, S), of at most SHOWN bins between the smallest value, the largest and 0.

    ends: of a range to show instead. Of two edges next to each other the first belongs to the bin, of the last bin
    both do. 0 is an edge. What is shown depends on the values alone, not on the grid they were counted in.
    """
    low, high = (min(smallest, 0.0), max(largest, 0.0)) if ends is None else ends
    needed = _needed(low, high)
    if needed == _NARROWEST:
        needed, high = _NONE - 1, 1.0
    # a grid begins with bins for twice the values that fixed it, so it is this wide, or half as wide if it grew
    exponent = max(needed + 1, grid.exponent)
    counts = grid.coarsened(histogram, exponent)
    width = math.ldexp(1.0, exponent)
    start = max(math.floor(low / width), grid.first) if math.isfinite(low) else grid.first
    stop = min(math.ceil(high / width), SIDE) if math.isfinite(high) else SIDE
    # bins of `each` neighbours begin at multiples of `each`, so that 0 stays an edge
    each = next(n for n in range(1, SIDE) if -(-stop // n) - start // n <= SHOWN)
    start, stop = start // each, -(-stop // each)
    # the numbers of the bins that are shown; a value on the last edge, or beyond a range's ends, is in the next one
    into = (np.arange(grid.first, SIDE) // each).clip(start, stop - 1) - start
    found = np.zeros((len(counts), stop - start), np.int64)
    np.add.at(found.T, into, counts.T)
    edges: Floats = np.arange(start, stop + 1) * np.float64(each * width)
    return edges, found

"""Each layer's output of a batch reduced to what is kept of it, by numpy.

That happens beside TensorFlow, which has the next batch under way: in the graph the same took it twice the time, and to
trace and optimise these operations as long as some thousand images.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import TAIL, Counts, Floats, LayerPlan

TOP = 8
"""How many of the strongest images are kept for each unit: more than are shown, since they also say where the maximum
of the strongest image of another class lies, if it is among them."""

SAMPLED = 16
"""At how many positions of a unit's output the histogram and the correlation of maps look."""

_HEADROOM = 2  # how far bins reach at first, as a multiple of what these images need; `bins.shown` counts on it

_LEAST_SPREAD = 0.1  # deviation over mean: float32 squares then give the variance to five digits

_BLOCK = 2**20  # values that are worked on at once: what is made of them on the way stays in the processor's cache

_MOST_ADDED = 255  # of zeros and ones, before a sum in a byte runs over

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Read:
    """A layer's outputs for some images. values: (B, *positions, U) float32.

    gate: likewise what goes into the nonlinearity, where only that tells whether a unit fires, else None.
    """

    values: Values
    gate: Values | None = None

    def ends(self) -> Floats:
        """Return (2, U) the smallest and the largest value of each unit."""
        axes = tuple(range(self.values.ndim - 1))
        return np.stack([self.values.min(axes), self.values.max(axes)]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is kept of a layer's outputs for a batch. Arrays are (U,) where no shape is given.

    peaks, pooled: (B, U) s_max and s_mean. fired, low_tail, high_tail, squares, absolute, smallest: see
    `tally.LayerTally`. above: at how many (x, p) a unit fires.
    """

    peaks: Values
    pooled: Values
    fired: Counts
    above: Counts
    low_tail: Counts
    high_tail: Counts
    squares: Floats
    absolute: Floats
    smallest: Floats


@dataclass(frozen=True, eq=False)
class AtSampled:
    """What is kept of the sampled positions. histogram: (U, B). total, products: of shifted values, (U,) and (U, U)."""

    histogram: Counts
    total: Floats
    products: Floats


@dataclass(frozen=True, eq=False)
class Strongest:
    """The strongest images of a batch, by unit and then from the strongest on, (n,) of all units together.

    rank: the how maniest of its unit's it is, from 0. position: the flat position of the maximum, of equals the first.
    """

    unit: Counts
    rank: Counts
    image: Counts
    score: Values
    position: Counts


def units_last(value: Any, reading: Reading) -> Any:
    """Return the layer's own values of the tensor that is read, its units last, as float32."""
    import tensorflow as tf

    own = tf.cast(reading.own(value), tf.float32)
    if not reading.channels_first:
        return own
    return tf.transpose(own, (*(axis for axis in range(len(own.shape)) if axis != reading.axis), reading.axis))


def plan_of(reading: Reading, values: NDArray[np.float32]) -> LayerPlan:
    """Fix how a layer is read by its outputs for a few images. values: (B, *positions, U)."""
    units, shape = values.shape[-1], values.shape[1:-1]
    positions = int(np.prod(shape, dtype=np.int64))
    flat = values.reshape(-1, units)
    # behind a ReLU zero is exact; elsewhere "zero" is what is small against the layer's large values
    exact = reading.family in ("relu", "relu6", "leaky")
    eps = 0.0 if exact else 1e-6 * float(np.quantile(np.abs(flat), 0.999))
    chosen = np.arange(positions)
    if positions > SAMPLED:
        chosen = np.sort(np.random.default_rng(0).choice(positions, SAMPLED, replace=False))
    return LayerPlan(
        layer=reading.name,
        read_after=reading.read_after,
        units=units,
        position_shape=tuple(int(size) for size in shape),
        family=reading.family,
        low=reading.low,
        high=reading.high,
        # values are compared with it in float32, so it is a number of that kind
        eps=float(np.float32(eps)),
        shift=_shift(flat),
        grid=_grid(reading, flat),
        sampled=chosen,
    )


def _shift(flat: NDArray[np.float32]) -> Floats:
    """Return what to take off every value before it is squared: nothing, where squares alone are precise enough.

    float32 keeps about seven digits, so a variance needs a shift where the mean is far larger than the deviation.
    flat: (B P, U).
    """
    mean, std = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
    if (std >= _LEAST_SPREAD * np.abs(mean)).all():
        return np.zeros_like(mean)
    # a number of float32, so that a constant less its shift is exactly zero
    near: Floats = mean.astype(np.float32).astype(np.float64)
    return near


def _grid(reading: Reading, flat: NDArray[np.float32]) -> Grid:
    """Return the bins to begin with: for all of a bounded family's range, else for twice what a few images gave."""
    grid = Grid(signed=reading.family not in ("relu", "relu6") and not (reading.low is not None and reading.low >= 0))
    if reading.low is not None and reading.high is not None:
        return grid.holding(reading.low, reading.high)
    return grid.holding(_HEADROOM * float(flat.min()), _HEADROOM * float(flat.max()))


def reduced(read: Read, plan: LayerPlan) -> Reduced:
    """Reduce a layer's outputs for one batch, some images at a time.

    Sums over rows of positions are of float32, those over these and over images of float64.
    """
    values = read.values.reshape(-1, plan.positions, plan.units)
    tells = values if read.gate is None else read.gate.reshape(values.shape)
    peaks, pooled = np.empty((2, len(values), plan.units), np.float32)
    step = max(_BLOCK // (plan.positions * plan.units), 1)
    fired, above, low_tail, high_tail = np.zeros((4, plan.units), np.int64)
    squares, absolute, smallest = np.zeros((3, plan.units))
    for start in range(0, len(values), step):
        these = slice(start, start + step)
        some, fires = values[these], tells[these] > np.float32(plan.eps)
        peaks[these] = over_positions(np.maximum, some)
        pooled[these] = over_positions(np.add, some) / np.float32(plan.positions)
        above += count(fires)
        if read.gate is not None:
            fired += count(over_positions(np.logical_or, fires))
        shifted = some - plan.shift.astype(np.float32) if plan.shift.any() else some
        squares += _squares(shifted).sum(axis=0, dtype=np.float64)
        if plan.family not in ("relu", "relu6"):
            absolute += over_positions(np.add, np.abs(some)).sum(axis=0, dtype=np.float64)
            np.minimum(smallest, over_positions(np.minimum, some).min(axis=0), out=smallest)
        if plan.family == "bounded":
            assert plan.low is not None and plan.high is not None
            share = (some - plan.low) / (plan.high - plan.low)
            low_tail += count(share < TAIL)
            high_tail += count(share > 1 - TAIL)
        if plan.family == "relu6":
            assert plan.high is not None
            high_tail += count(some >= plan.high)
    if read.gate is None:
        fired = (peaks > np.float32(plan.eps)).sum(axis=0)
    if plan.family in ("relu", "relu6"):
        absolute = plan.positions * pooled.sum(axis=0, dtype=np.float64)
    return Reduced(peaks, pooled, fired, above, low_tail, high_tail, squares, absolute, smallest)


def at_sampled(read: Read, plan: LayerPlan, grid: Grid) -> AtSampled:
    """Count and correlate over the sampled positions of a batch.

    Products are of what is left after the batch's own mean is taken off: of values that are all alike, as of a unit
    that is silent at these positions, float32 would leave rounding that looks like variance.
    """
    values = read.values.reshape(-1, plan.positions, plan.units)
    chosen = values if len(plan.sampled) == plan.positions else values[:, plan.sampled]
    flat = chosen.reshape(-1, plan.units)
    middle = flat.mean(axis=0)
    centred = flat - middle
    rest = over_positions(np.add, centred.reshape(chosen.shape)).sum(axis=0, dtype=np.float64)
    off = middle - plan.shift
    crossed = np.outer(rest, off)
    return AtSampled(
        histogram=grid.count(flat),
        total=rest + len(flat) * off,
        products=centred.T @ centred + crossed + crossed.T + len(flat) * np.outer(off, off),
    )


def strongest(read: Read, plan: LayerPlan, peaks: Values, least: Floats) -> Strongest:
    """Find each unit's strongest images of a batch, at most TOP, and where in them it is strongest.

    peaks: (B, U) s_max, -inf of an image that does not count. least: (U,) what an image has to be stronger than.
    """
    count = len(peaks)
    among = peaks > least
    if count > TOP and not np.isfinite(least).all():  # at first all are; those behind the last of them need no sorting
        among &= peaks >= np.partition(peaks, count - TOP, axis=0)[count - TOP]
    image, unit = np.nonzero(among)
    score = peaks[image, unit]
    order = np.lexsort((-score, unit))  # of equals the earlier stays in front
    image, unit, score = image[order], unit[order], score[order]
    rank = np.arange(len(unit)) - np.searchsorted(unit, unit)
    kept = rank < TOP
    image, unit = image[kept], unit[kept]
    values = read.values.reshape(-1, plan.positions, plan.units)
    return Strongest(unit, rank[kept], image, score[kept], values[image, :, unit].argmax(axis=1))


def over_positions(function: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
    """Reduce (B, P, U) to (B, U), of the type that the values have."""
    columns = function.reduce(_in_rows(values), axis=1).reshape(_columns(values))
    # of a prime number of positions all are left for this step, too many for a sum of float32
    wide = np.float64 if function is np.add else None
    return np.asarray(function.reduce(columns, axis=1, dtype=wide), columns.dtype)


def _squares(values: Values) -> Floats:
    """Return the sums of squares over positions, (B, P, U) -> (B, U); unlike squaring, this writes nothing between."""
    rows = _in_rows(values)
    columns = np.einsum("bpu,bpu->bu", rows, rows).reshape(_columns(values))
    found: Floats = columns.sum(axis=1, dtype=np.float64)
    return found


def _in_rows(values: NDArray[Any]) -> NDArray[Any]:
    """Return (B, P, U) as (B, R, C U), so that positions can be gone through in two steps.

    numpy is fast where what it goes through lies in one long row, which U values are not. A sum of R values, no more
    than the root of P, is precise in float32, too.
    """
    positions = values.shape[1]
    rows = next(n for n in range(math.isqrt(positions), 0, -1) if not positions % n)
    return values.reshape(len(values), rows, -1)


def _columns(values: NDArray[Any]) -> tuple[int, int, int]:
    """Return the shape (B, C, U) of what is left behind the first step."""
    return len(values), _in_rows(values).shape[2] // values.shape[2], values.shape[2]


def count(flags: NDArray[np.bool_]) -> Counts:
    """Return how often each unit's flag is set, (..., U) -> (U,).

    Bytes are added up as bytes, as far as they hold the sum: numpy does so many times as fast as it counts.
    """
    units = flags.shape[-1]
    rows = flags.view(np.uint8).reshape(len(flags), -1)
    found = np.zeros(units, np.int64)
    for start in range(0, len(rows), _MOST_ADDED):
        some = np.add.reduce(rows[start : start + _MOST_ADDED], axis=0, dtype=np.uint8)
        found += some.reshape(-1, units).sum(axis=0, dtype=np.int64)
    return found

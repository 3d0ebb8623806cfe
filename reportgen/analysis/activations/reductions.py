"""Each layer's output reduced where it arises, inside the compiled graph: what a batch leaves of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.bins import SIDE, Grid
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.shards import Work
from reportgen.analysis.activations.tally import TAIL, Floats, LayerPlan

TOP = 8
"""How many of the strongest images are kept for each unit: more than are shown, since they also say where the maximum
of the strongest image of another class lies, if it is among them."""

SAMPLED = 16
"""At how many positions of a unit's output the histogram and the correlation of maps look."""

_HEADROOM = 2  # how far bins reach at first, as a multiple of what these images need; `bins.shown` counts on it

_LEAST_SPREAD = 0.1  # deviation over mean: float32 squares then give the variance to five digits


@dataclass(frozen=True, eq=False)
class Read:
    """A layer's outputs for some images. values: (B, *positions, U) float32.

    gate: likewise what goes into the nonlinearity, where only that tells whether a unit fires, else None.
    """

    values: Any
    gate: Any = None


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
        # both are compared in float32 inside the graph, so they are numbers of that kind
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


def reduce_all(
    read: Sequence[Read], plans: Sequence[LayerPlan], per_value: Any, repeat: Any = None
) -> list[dict[str, Any]]:
    """Reduce the outputs of all layers for one batch, inside the graph.

    per_value, repeat: see `specs`. To trace and compile an operation costs as much as to run one on many images, so
    there are as few as can be.
    """
    import tensorflow as tf

    top = tf.minimum(TOP, tf.shape(read[0].values)[0]) if read else 0
    # what takes a repeated image out of the strongest: of the lesser of a value and -inf the latter
    most = None if repeat is None else tf.where(repeat[:, tf.newaxis], -np.inf, np.inf)
    layers = zip(read, plans, tf.unstack(per_value), strict=True)
    return [_reduce(one, plan, bins, top, most) for one, plan, bins in layers]


def _reduce(read: Read, plan: LayerPlan, per_value: Any, top: Any, most: Any) -> dict[str, Any]:
    """Reduce a layer's outputs for one batch. top: how many of its images are kept as a unit's strongest.

    per_value: how many bins a value of 1 spans. most: (B, 1) as what an image counts at most when the strongest are
    looked for, None where all count as they are. What is summed over positions stays apart by image, (B, U), and is
    added up in float64 outside.
    """
    import tensorflow as tf

    a = tf.reshape(read.values, (-1, plan.positions, plan.units))
    shifted = a - tf.constant(plan.shift, tf.float32) if plan.shift.any() else a
    peaks = tf.reduce_max(a, 1)
    tells = a if read.gate is None else tf.reshape(read.gate, (-1, plan.positions, plan.units))
    # behind a ReLU the sign is 1 where it fires, else 0: one operation less that writes as much as it reads
    fires = tf.sign(a) if plan.family in ("relu", "relu6") and not plan.eps else tf.cast(tells > plan.eps, tf.float32)
    reduced = {
        "peaks": peaks,
        "pooled": tf.reduce_mean(a, 1),
        # the root of the squares' sum: an operation that, unlike squaring and summing, writes nothing in between
        "norms": tf.raw_ops.EuclideanNorm(input=shifted, axis=[1]),
        "above": tf.reduce_sum(fires, 1),
        **_tops(a, peaks if most is None else tf.minimum(peaks, most), plan, top),
        **at_sampled(a if len(plan.sampled) == plan.positions else tf.gather(a, plan.sampled, axis=1), plan, per_value),
    }
    if read.gate is not None:
        reduced["fired"] = tf.reduce_max(fires, 1)
    if plan.family not in ("relu", "relu6"):
        reduced["smallest"] = tf.minimum(tf.reduce_min(a, (0, 1)), 0)
        reduced["absolute"] = tf.reduce_sum(tf.abs(a), 1)
    if plan.family == "bounded":
        assert plan.low is not None and plan.high is not None
        share = (a - plan.low) / (plan.high - plan.low)
        reduced["low_tail"] = tf.reduce_sum(tf.cast(share < TAIL, tf.float32), 1)
        reduced["high_tail"] = tf.reduce_sum(tf.cast(share > 1 - TAIL, tf.float32), 1)
    if plan.family == "relu6":
        reduced["high_tail"] = tf.reduce_sum(tf.cast(a >= plan.high, tf.float32), 1)
    return reduced


def _tops(a: Any, peaks: Any, plan: LayerPlan, top: Any) -> dict[str, Any]:
    """Find each unit's strongest images of the batch, (U, T), and where in them it is strongest."""
    import tensorflow as tf

    score, place = tf.math.top_k(tf.transpose(peaks), top)  # of equals the earlier
    if plan.positions == 1:
        return {"top_score": score, "top_place": place, "top_position": tf.zeros_like(place)}
    # where the values of an image begin in `a`, those of a position in an image, and those of a unit at a position
    image = plan.positions * plan.units * tf.expand_dims(tf.cast(place, tf.int64), 2)
    position, unit = plan.units * np.arange(plan.positions)[np.newaxis, np.newaxis], np.arange(plan.units)
    maps = tf.gather(tf.reshape(a, (-1,)), image + position + unit[:, np.newaxis, np.newaxis])
    return {"top_score": score, "top_place": place, "top_position": tf.argmax(maps, 2, tf.int32)}


def at_sampled(values: Any, plan: LayerPlan, per_value: Any) -> dict[str, Any]:
    """Count and correlate over the sampled positions. values: (B, S, U). per_value: how many bins a value of 1 spans.

    Products are of what is left after the batch's own mean is taken off: of values that are all alike, as of a unit
    that is silent at these positions, float32 would leave rounding that looks like variance.
    """
    import tensorflow as tf

    grid = plan.grid  # but for the width of its bins
    if grid.signed:
        # in float32 a value below 0 that is tiny beside a bin would become 0, which is in another bin
        numbers = tf.floor(tf.cast(values, tf.float64) * tf.cast(per_value, tf.float64))
    else:  # the cast cuts off what is behind the point
        numbers = values * per_value
    # what lies outside falls into the first and the last bin; of NaN, which is an error later on, any will do
    which = tf.maximum(tf.cast(tf.minimum(numbers, SIDE - 1), tf.int32), grid.first)
    which += grid.bins * np.arange(plan.units, dtype=np.int32) - grid.first
    middle = tf.reduce_mean(values, (0, 1))
    centred = values - middle
    flat = tf.reshape(centred, (-1, plan.units))
    return {
        "histogram": tf.raw_ops.DenseBincount(
            input=tf.reshape(which, (-1,)), size=grid.bins * plan.units, weights=np.zeros(0, np.int32)
        ),
        "map_middle": middle,
        "map_total": tf.reduce_sum(centred, 1),
        "map_products": tf.matmul(flat, flat, transpose_a=True),
    }


def specs(work: Work) -> list[Any]:
    """Return the tf.TensorSpec of what the graph needs besides images.

    (L,) of each layer how many bins a value of 1 spans: an input, so that bins become wider without a new graph. (B,)
    whether an image repeats an earlier one; only where any does, so that it costs nothing elsewhere.
    """
    import tensorflow as tf

    per_value, repeat = tf.TensorSpec((len(work.plans),), tf.float32), tf.TensorSpec((None,), tf.bool)
    return [per_value, repeat] if len(work.repeats) else [per_value]

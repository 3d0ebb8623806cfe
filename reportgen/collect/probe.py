"""The one pass: every image through the model once, and of every layer's output only sums, counts and the strongest.

The reductions run inside the compiled graph; a batch leaves arrays of units, never its raw outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.collect import forward
from reportgen.collect.graph import Graph
from reportgen.collect.reading import Reading
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.progress import Progress
from reportgen.tally import (
    TAIL,
    Counts,
    Floats,
    LayerPlan,
    LayerTally,
    class_bests,
    kept_of,
    merge,
    over_images,
)

TOP = 8
"""How many of the strongest images are kept for each unit: more than are shown, since equal ones are dropped."""
BINS = 20
SAMPLED = 16
"""At how many positions of a unit's output the histogram and the correlation of maps look."""
_LARGEST_BATCH = 500
_FIRST = 64  # images that fix how the layers are read
_LEAST_SPREAD = 0.1  # deviation over mean: float32 squares then give the variance to five digits
_COPIES = 4  # how many times the read outputs are in memory at once, roughly


@dataclass
class Pass:
    """What a pass over images brought. outputs: (N, K) float32 of the model; tallies: one for each reading."""

    plans: list[LayerPlan]
    tallies: list[LayerTally]
    outputs: NDArray[np.float32]


def batch_size(readings: Sequence[Reading], image_shape: Sequence[int], memory: int) -> int:
    """Return how many images fit into `memory` megabytes with all outputs that are read, at least one, at most 500."""
    values = int(np.prod(image_shape))
    for reading in readings:
        values += int(np.prod([size or image_shape[0] for size in reading.tensor.shape[1:]]))
    return max(1, min(_LARGEST_BATCH, memory * 10**6 // (4 * _COPIES * values)))


def all_parts(
    graph: Graph,
    readings: Sequence[Reading],
    parts: Mapping[str, Part],
    looked_at: Sequence[str],
    dataset: Dataset,
    *,
    memory: int,
    progress: Progress,
) -> tuple[dict[str, NDArray[np.float32]], list[LayerPlan], list[LayerTally]]:
    """Send every image of every part through the model once; only those of the parts looked at are tallied.

    Returns the model's outputs by part, (N, K), and for each reading its plan and its tally over the parts looked at,
    whose images are numbered through in the order of `looked_at`.
    """
    outputs, number = {}, 0
    plans: list[LayerPlan] | None = None
    tallies: list[LayerTally] = []
    for name in looked_at:
        found = run(
            graph, readings, parts[name], dataset.pixels, len(dataset.class_names),
            first_number=number, plans=plans, memory=memory, label=f"{name} part", progress=progress,
        )  # fmt: skip
        outputs[name], plans, number = found.outputs, found.plans, number + len(parts[name])
        tallies = [merge(a, b) for a, b in zip(tallies, found.tallies, strict=True)] if tallies else found.tallies
    for name in parts:
        if name not in outputs:
            outputs[name] = forward.predict(
                forward.whole(graph.model),
                parts[name],
                dataset.pixels,
                batch=batch_size(readings, dataset.image_shape, memory),
                label=f"{name} part",
                progress=progress,
            )
    return outputs, plans or [], tallies


def run(
    graph: Graph,
    readings: Sequence[Reading],
    part: Part,
    pixels: Pixels,
    classes: int,
    *,
    first_number: int,
    plans: Sequence[LayerPlan] | None,
    memory: int,
    label: str,
    progress: Progress,
) -> Pass:
    """Send every image of `part` through the model once.

    classes: K of the labels. first_number: the image number of the first image. plans: how to read the layers, as
    an earlier pass fixed it, whose tallies can then be merged with these; None to fix it by the first images.
    """
    size = batch_size(readings, part.images.shape[1:], memory)
    model = _Model(graph, readings, part, pixels)
    made = None if plans is None else list(plans)
    send = None if made is None else model.compiled(made)
    outputs: list[NDArray[np.float32]] = []
    tallies: list[LayerTally] | None = None
    kept = _Kept(first_number + np.arange(len(part)))
    with progress.bar(label, total=len(part)) as tick:
        for start, end in _slices(len(part), size, first=_FIRST if send is None else size):
            if made is None or send is None:
                made, scores, reduced = model.first(part.images[start:end])
                send = model.compiled(made)
            else:
                scores, reduced = send(part.images[start:end])
            labels, numbers = part.labels[start:end], first_number + np.arange(start, end)
            batch = [_tally(p, r, labels, numbers, classes) for p, r in zip(made, reduced, strict=True)]
            tallies = batch if tallies is None else [merge(a, b) for a, b in zip(tallies, batch, strict=True)]
            kept.add(start, [r["pooled"].numpy() for r in reduced])
            outputs.append(scores.numpy())
            tick(end, "images")
    assert made is not None and tallies is not None
    return Pass(made, kept.put_into(tallies), np.concatenate(outputs))


class _Kept:
    """Gathers the mean responses of the images that are kept. Merging them batch by batch would copy them each time."""

    def __init__(self, numbers: Counts) -> None:
        self._chosen = kept_of(numbers)
        self._numbers = numbers[self._chosen]
        self._rows: list[NDArray[np.float32]] | None = None
        self._filled = 0

    def add(self, start: int, pooled: list[NDArray[np.float32]]) -> None:
        """Take what is kept of a batch that begins at image `start`: (B, U) of each layer."""
        if self._rows is None:
            self._rows = [np.empty((len(self._numbers), rows.shape[1]), np.float32) for rows in pooled]
        for into, rows in zip(self._rows, pooled, strict=True):
            found = rows[self._chosen[start : start + len(rows)]]
            into[self._filled : self._filled + len(found)] = found
        self._filled += int(self._chosen[start : start + len(pooled[0])].sum()) if pooled else 0

    def put_into(self, tallies: list[LayerTally]) -> list[LayerTally]:
        """Return the tallies with the images that are kept."""
        rows = self._rows or []
        return [replace(t, kept_images=self._numbers, kept=k) for t, k in zip(tallies, rows, strict=True)]


def _slices(images: int, size: int, *, first: int) -> list[tuple[int, int]]:
    """Return where the batches begin and end, the first of at most `first` images."""
    starts = [0, *range(min(first, size), images, size)]
    return list(zip(starts, [*starts[1:], images], strict=True))


class _Model:
    """The model with all outputs that are read, and the reductions behind them."""

    def __init__(self, graph: Graph, readings: Sequence[Reading], part: Part, pixels: Pixels) -> None:
        import keras
        import tensorflow as tf

        self._readings, self._scale = readings, pixels.scale
        self._whole = keras.Model(graph.input, [graph.output, *(reading.tensor for reading in readings)])
        self._given = tf.TensorSpec((None, *part.images.shape[1:]), part.images.dtype)

    def first(self, images: NDArray[np.generic]) -> tuple[list[LayerPlan], Any, list[dict[str, Any]]]:
        """Fix the plans by some images; return them with the scores and the reduced outputs of these images.

        Nothing is compiled for it: the plans are constants of the graph that is.
        """
        import tensorflow as tf

        scores, *values = self._values(tf.convert_to_tensor(images))
        plans = [_plan(reading, value.numpy()) for reading, value in zip(self._readings, values, strict=True)]
        return plans, scores, [_reduce(value, plan) for value, plan in zip(values, plans, strict=True)]

    def compiled(self, plans: Sequence[LayerPlan]) -> Callable[..., tuple[Any, list[dict[str, Any]]]]:
        """Return what sends images through the model and reduces each output where it arises."""
        import tensorflow as tf

        def send(images: Any) -> tuple[Any, list[dict[str, Any]]]:
            scores, *values = self._values(images)
            return scores, [_reduce(value, plan) for value, plan in zip(values, plans, strict=True)]

        made: Callable[..., tuple[Any, list[dict[str, Any]]]] = tf.function(
            send, input_signature=[self._given], autograph=False
        )
        return made

    def _values(self, images: Any) -> list[Any]:
        """Return the scores and, for each reading, its output with the units last; all float32."""
        import keras
        import tensorflow as tf

        found = keras.tree.flatten(self._whole(tf.cast(images, tf.float32) * self._scale, training=False))
        scores, *read = (tf.cast(value, tf.float32) for value in found)
        return [scores, *(_units_last(value, reading) for value, reading in zip(read, self._readings, strict=True))]


def _units_last(value: Any, reading: Reading) -> Any:
    import tensorflow as tf

    if not reading.channels_first:
        return value
    rank = len(value.shape)
    return tf.transpose(value, (0, *range(2, rank), 1))


def _plan(reading: Reading, values: NDArray[np.float32]) -> LayerPlan:
    """Fix how a layer is read by its outputs for the first images. values: (B, *positions, U)."""
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
        layer=reading.layer.name,
        read_after=reading.read_after,
        units=units,
        position_shape=tuple(int(size) for size in shape),
        family=reading.family,
        low=reading.low,
        high=reading.high,
        # both are compared in float32 inside the graph, so they are numbers of that kind
        eps=float(np.float32(eps)),
        shift=_shift(flat),
        edges=_edges(reading, flat),
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


def _edges(reading: Reading, flat: NDArray[np.float32]) -> Floats:
    """Return the histogram's edges: all of a bounded family's range, else somewhat more than the first images gave."""
    low, high = float(min(flat.min(), 0)), float(max(flat.max(), 0))
    if reading.low is not None and reading.high is not None:
        low, high = reading.low, reading.high
    else:
        low, high = 1.25 * low, 1.25 * high or 1.0
    return np.linspace(low, high, BINS + 1, dtype=np.float32).astype(np.float64)


def _reduce(values: Any, plan: LayerPlan) -> dict[str, Any]:
    """Reduce a layer's outputs for one batch, inside the graph. values: (B, *positions, U) float32.

    What is summed over positions stays apart by image, (B, U), and is added up in float64 outside.
    """
    import tensorflow as tf

    a = tf.reshape(values, (-1, plan.positions, plan.units))
    shifted = a - tf.constant(plan.shift, tf.float32) if plan.shift.any() else a
    peaks = tf.reduce_max(a, 1)
    reduced = {
        "peaks": peaks,
        "pooled": tf.reduce_mean(a, 1),
        # the root of the squares' sum: an operation that, unlike squaring and summing, writes nothing in between
        "norms": tf.raw_ops.EuclideanNorm(input=shifted, axis=[1]),
        "above": tf.reduce_sum(tf.cast(a > plan.eps, tf.float32), 1),
        **_tops(a, peaks, plan),
        **_sampled(a if len(plan.sampled) == plan.positions else tf.gather(a, plan.sampled, axis=1), plan),
    }
    if plan.family not in ("relu", "relu6"):
        reduced["smallest"] = tf.minimum(tf.reduce_min(a, (0, 1)), 0)
        reduced["absolute"] = tf.reduce_sum(tf.abs(a), 1)
    if plan.family == "bounded":
        assert plan.low is not None and plan.high is not None
        share = (a - plan.low) / (plan.high - plan.low)
        reduced["low_tail"] = tf.reduce_sum(tf.cast(share < TAIL, tf.float32), 1)
        reduced["high_tail"] = tf.reduce_sum(tf.cast(share > 1 - TAIL, tf.float32), 1)
    if plan.family == "relu6":
        reduced["high_tail"] = tf.reduce_sum(tf.cast(a >= 6, tf.float32), 1)
    return reduced


def _tops(a: Any, peaks: Any, plan: LayerPlan) -> dict[str, Any]:
    """Find each unit's strongest images of the batch, (U, T), and where in them it is strongest."""
    import tensorflow as tf

    score, place = tf.math.top_k(tf.transpose(peaks), tf.minimum(TOP, tf.shape(peaks)[0]))  # of equals the earlier
    if plan.positions == 1:
        return {"top_score": score, "top_place": place, "top_position": tf.zeros_like(place)}
    unit = tf.range(plan.units)[:, tf.newaxis, tf.newaxis]
    position = tf.range(plan.positions)[tf.newaxis, tf.newaxis]
    flat = (tf.cast(place[:, :, tf.newaxis] * plan.positions + position, tf.int64)) * plan.units + tf.cast(
        unit, tf.int64
    )
    maps = tf.gather(tf.reshape(a, (-1,)), flat)
    return {"top_score": score, "top_place": place, "top_position": tf.argmax(maps, 2, tf.int32)}


def _sampled(values: Any, plan: LayerPlan) -> dict[str, Any]:
    """Count and correlate over the sampled positions. values: (B, S, U).

    Products are of what is left after the batch's own mean is taken off: of values that are all alike, as of a unit
    that is silent at these positions, float32 would leave rounding that looks like variance.
    """
    import tensorflow as tf

    bins = len(plan.edges) - 1
    inner = [float(edge) for edge in plan.edges[1:-1]]  # what lies outside falls into the first and the last bin
    which = tf.raw_ops.Bucketize(input=values, boundaries=inner) + bins * tf.range(plan.units)
    size = bins * plan.units
    middle = tf.reduce_mean(values, (0, 1))
    centred = values - middle
    flat = tf.reshape(centred, (-1, plan.units))
    return {
        "histogram": tf.math.bincount(tf.reshape(which, (-1,)), minlength=size, maxlength=size),
        "map_middle": middle,
        "map_total": tf.reduce_sum(centred, 1),
        "map_products": tf.matmul(flat, flat, transpose_a=True),
    }


def _tally(plan: LayerPlan, reduced: dict[str, Any], labels: Counts, numbers: Counts, classes: int) -> LayerTally:
    """Return the tally of one batch, without kept images. labels, numbers: (B,), numbers ascending."""
    found = {name: value.numpy() for name, value in reduced.items()}
    peaks, pooled = (found[name].astype(np.float64) for name in ("peaks", "pooled"))
    nothing = np.zeros(plan.units, np.int64)

    def added(name: str) -> Floats:
        return np.asarray(found[name].sum(axis=0, dtype=np.float64))

    def counted(name: str) -> Counts:
        return added(name).astype(np.int64) if name in found else nothing

    sampled, rest = len(numbers) * len(plan.sampled), added("map_total")
    off = found["map_middle"].astype(np.float64) - plan.shift
    crossed = np.outer(rest, off)
    missing = ((0, TOP - found["top_place"].shape[1]), (0, 0))
    return LayerTally(
        images=len(numbers),
        fired=(peaks > plan.eps).sum(axis=0),
        zeros=len(numbers) * plan.positions - counted("above"),
        low_tail=counted("low_tail"),
        high_tail=counted("high_tail"),
        total=plan.positions * (pooled - plan.shift).sum(axis=0),
        squares=np.square(found["norms"], dtype=np.float64).sum(axis=0),
        absolute=added("absolute") if "absolute" in found else plan.positions * pooled.sum(axis=0),
        smallest=np.asarray(found.get("smallest", nothing), np.float64),
        largest=peaks.max(axis=0),
        histogram=found["histogram"].reshape(plan.units, -1).astype(np.int64),
        map_total=rest + sampled * off,
        map_products=found["map_products"] + crossed + crossed.T + sampled * np.outer(off, off),
        **over_images(plan, pooled, labels, classes),
        **class_bests(peaks, labels, numbers, classes),
        top_score=np.pad(found["top_score"].T.astype(np.float64), missing, constant_values=-np.inf),
        top_image=np.pad(numbers[found["top_place"].T].astype(np.int64), missing, constant_values=-1),
        top_position=np.pad(found["top_position"].T.astype(np.int64), missing, constant_values=-1),
        kept_images=np.zeros(0, np.int64),
        kept=np.zeros((0, plan.units), np.float32),
    )

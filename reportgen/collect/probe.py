"""The one pass: every image through the model once, and of every layer's output only sums, counts and the strongest.

The reductions run inside the compiled graph; a batch leaves arrays of units, never its raw outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    class_peaks,
    kept_of,
    merge,
    over_images,
)

if TYPE_CHECKING:
    pass

TOP = 12
"""How many of the strongest images are kept for each unit: more than are shown, since equal ones are dropped."""
BINS = 20
SAMPLED = 16
"""At how many positions of a unit's output the histogram and the correlation of maps look."""
_LARGEST_BATCH = 500
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
            outputs[name] = forward.predict(graph.model, parts[name], dataset.pixels, f"{name} part", progress)
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
    an earlier pass fixed it, whose tallies can then be merged with these; None to fix it by the first batch.
    """
    size = batch_size(readings, part.images.shape[1:], memory)
    model = _Compiled(graph, readings, part, pixels)
    outputs, tallies, made = [], None, list(plans) if plans is not None else None
    with progress.bar(label, total=len(part)) as tick:
        for start in range(0, len(part), size):
            images = part.images[start : start + size]
            if made is None:
                scores, *values = model.values(images)
                made = [_plan(reading, value.numpy()) for reading, value in zip(readings, values, strict=True)]
                reduced = model.reduce(made)(values)
            else:
                scores, reduced = model.reduced(made)(images)
            labels = part.labels[start : start + size]
            numbers = first_number + np.arange(start, start + len(images))
            batch = [_tally(p, r, labels, numbers, classes) for p, r in zip(made, reduced, strict=True)]
            tallies = batch if tallies is None else [merge(a, b) for a, b in zip(tallies, batch, strict=True)]
            outputs.append(scores.numpy())
            tick(min(start + size, len(part)), "images")
    assert made is not None and tallies is not None
    return Pass(made, tallies, np.concatenate(outputs))


class _Compiled:
    """The model with its reductions, compiled when first used."""

    def __init__(self, graph: Graph, readings: Sequence[Reading], part: Part, pixels: Pixels) -> None:
        import keras
        import tensorflow as tf

        whole = keras.Model(graph.input, [graph.output, *(reading.tensor for reading in readings)])
        given = tf.TensorSpec((None, *part.images.shape[1:]), part.images.dtype)

        def values(images: Any) -> list[Any]:
            found = keras.tree.flatten(whole(tf.cast(images, tf.float32) * pixels.scale, training=False))
            scores, *read = (tf.cast(value, tf.float32) for value in found)
            return [scores, *(_units_last(value, reading) for value, reading in zip(read, readings, strict=True))]

        self._values, self._given = values, given
        self.values = tf.function(values, input_signature=[given], autograph=False)
        self._reduced: Callable[..., Any] | None = None

    def reduce(self, plans: Sequence[LayerPlan]) -> Callable[[list[Any]], list[dict[str, Any]]]:
        """Return what reduces outputs that are there already."""
        import tensorflow as tf

        def reduce(values: list[Any]) -> list[dict[str, Any]]:
            return [_reduce(value, plan) for value, plan in zip(values, plans, strict=True)]

        compiled: Callable[[list[Any]], list[dict[str, Any]]] = tf.function(reduce, autograph=False)
        return compiled

    def reduced(self, plans: Sequence[LayerPlan]) -> Callable[..., Any]:
        """Return what sends images through the model and reduces each output where it arises."""
        import tensorflow as tf

        if self._reduced is None:

            def reduced(images: Any) -> tuple[Any, list[dict[str, Any]]]:
                scores, *values = self._values(images)
                return scores, [_reduce(value, plan) for value, plan in zip(values, plans, strict=True)]

            self._reduced = tf.function(reduced, input_signature=[self._given], autograph=False)
        return self._reduced


def _units_last(value: Any, reading: Reading) -> Any:
    import tensorflow as tf

    if not reading.channels_first:
        return value
    rank = len(value.shape)
    return tf.transpose(value, (0, *range(2, rank), 1))


def _plan(reading: Reading, values: NDArray[np.float32]) -> LayerPlan:
    """Fix how a layer is read by its outputs for the first batch. values: (B, *positions, U)."""
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
        shift=flat.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64),
        edges=_edges(reading, flat),
        sampled=chosen,
    )


def _edges(reading: Reading, flat: NDArray[np.float32]) -> Floats:
    """Return the histogram's edges: the whole range of a bounded family, else a little beyond the first batch's."""
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
    shift = tf.constant(plan.shift, tf.float32)
    peaks = tf.reduce_max(a, 1)
    reduced = {
        "peaks": peaks,
        "pooled": tf.reduce_mean(a, 1),
        "squares": tf.reduce_sum(tf.square(a - shift), 1),
        "above": tf.reduce_sum(tf.cast(a > plan.eps, tf.float32), 1),
        "smallest": tf.reduce_min(a, (0, 1)),
        **_tops(a, peaks, plan),
        **_sampled(a if len(plan.sampled) == plan.positions else tf.gather(a, plan.sampled, axis=1), shift, plan),
    }
    if plan.family not in ("relu", "relu6"):
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


def _sampled(values: Any, shift: Any, plan: LayerPlan) -> dict[str, Any]:
    """Count and correlate over the sampled positions. values: (B, S, U)."""
    import tensorflow as tf

    bins = len(plan.edges) - 1
    inner = [float(edge) for edge in plan.edges[1:-1]]  # what lies outside falls into the first and the last bin
    which = tf.raw_ops.Bucketize(input=values, boundaries=inner) + bins * tf.range(plan.units)
    size = bins * plan.units
    shifted = values - shift
    flat = tf.reshape(shifted, (-1, plan.units))
    return {
        "histogram": tf.math.bincount(tf.reshape(which, (-1,)), minlength=size, maxlength=size),
        "map_total": tf.reduce_sum(shifted, 1),
        "map_products": tf.matmul(flat, flat, transpose_a=True),
    }


def _tally(plan: LayerPlan, reduced: dict[str, Any], labels: Counts, numbers: Counts, classes: int) -> LayerTally:
    """Return the tally of one batch. labels, numbers: (B,), numbers ascending."""
    found = {name: value.numpy() for name, value in reduced.items()}
    peaks, pooled = (found[name].astype(np.float64) for name in ("peaks", "pooled"))
    nothing = np.zeros(plan.units, np.int64)

    def added(name: str) -> Floats:
        return np.asarray(found[name].sum(axis=0, dtype=np.float64))

    def counted(name: str) -> Counts:
        return added(name).astype(np.int64) if name in found else nothing

    missing = ((0, TOP - found["top_place"].shape[1]), (0, 0))
    kept = kept_of(numbers)
    return LayerTally(
        images=len(numbers),
        fired=(peaks > plan.eps).sum(axis=0),
        zeros=len(numbers) * plan.positions - counted("above"),
        low_tail=counted("low_tail"),
        high_tail=counted("high_tail"),
        total=plan.positions * (pooled - plan.shift).sum(axis=0),
        squares=added("squares"),
        absolute=added("absolute") if "absolute" in found else plan.positions * pooled.sum(axis=0),
        smallest=found["smallest"].astype(np.float64),
        largest=peaks.max(axis=0),
        histogram=found["histogram"].reshape(plan.units, -1).astype(np.int64),
        map_total=added("map_total"),
        map_products=found["map_products"].astype(np.float64),
        **over_images(plan, pooled, labels, classes),
        **class_peaks(peaks, labels, numbers, classes),
        top_score=np.pad(found["top_score"].T.astype(np.float64), missing, constant_values=-np.inf),
        top_image=np.pad(numbers[found["top_place"].T].astype(np.int64), missing, constant_values=-1),
        top_position=np.pad(found["top_position"].T.astype(np.int64), missing, constant_values=-1),
        kept_images=numbers[kept].astype(np.int64),
        kept=found["pooled"][kept],
    )

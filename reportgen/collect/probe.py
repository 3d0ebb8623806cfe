"""The one pass: every image through the model once, and of every layer's output only sums, counts and the strongest.

The reductions run inside the compiled graph; a batch leaves arrays of units, never its raw outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.collect import forward, masking, outputs
from reportgen.collect.graph import Graph
from reportgen.collect.outputs import Outputs
from reportgen.collect.reading import Reading
from reportgen.collect.shards import Engine, Found, Shard, Work, joined
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.progress import Progress, Tick
from reportgen.tally import (
    TAIL,
    Counts,
    Floats,
    LayerPlan,
    LayerTally,
    class_bests,
    kept_among,
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
_NARROWEST = 1e-36  # range of a histogram; the number of its bins less than that apart is none of float32
_LEAST_SPREAD = 0.1  # deviation over mean: float32 squares then give the variance to five digits
_COPIES = 4  # how many times the read outputs are in memory at once, roughly


def batch_size(readings: Sequence[Reading], image_shape: Sequence[int], memory: int) -> int:
    """Return how many images fit into `memory` megabytes with all outputs that are read, at least one, at most 500."""
    values = int(np.prod(image_shape))
    for reading in readings:
        values += int(np.prod([size or image_shape[0] for size in reading.shape[1:]]))
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
    engine: Engine | None = None,
) -> tuple[dict[str, Outputs], list[LayerPlan], list[LayerTally]]:
    """Send every image of every part through the model once; only those of the parts looked at are tallied.

    Returns what is kept of the model's outputs, by part, and for each reading its plan and its tally over the parts
    looked at, whose images are numbered through in the order of `looked_at`. The first images fix the plans here; all
    others are sent by `engine`, by default here too.
    """
    engine = engine or Here(graph, readings)
    ends = np.cumsum([0, *(len(parts[name]) for name in looked_at)]).tolist()
    looked = [Shard(name, 0, len(parts[name]), number) for name, number in zip(looked_at, ends, strict=False)]
    size = batch_size(readings, dataset.image_shape, memory)
    begin, *rest = looked[0].divided_after(min(_FIRST, size))
    work = Work(dataset.pixels, size, classes=len(dataset.class_names), kept=kept_among(ends[-1]))
    work, found = Sender(graph, readings).begin(work, begin, begin.of(parts))
    if others := [*rest, *looked[1:]]:
        found = joined([found, engine.send(work, parts, others, progress)])
    answered = {name: found.outputs_of(name) for name in looked_at}
    if others := [Shard(name, 0, len(part)) for name, part in parts.items() if name not in looked_at]:
        without = engine.send(Work(dataset.pixels, size), parts, others, progress)
        answered |= {shard.part: without.outputs_of(shard.part) for shard in others}
    return answered, list(work.plans), list(found.tallies)


class Here:
    """The engine that sends all images through the model in this process."""

    def __init__(self, graph: Graph, readings: Sequence[Reading]) -> None:
        self._sender = Sender(graph, readings)

    def send(self, work: Work, parts: Mapping[str, Part], shards: Sequence[Shard], progress: Progress) -> Found:
        """Return what comes of the shards, see `shards.Engine`."""
        found = []
        for shard in shards:
            with progress.bar(f"{shard.part} part", total=len(shard)) as tick:
                found.append(self._sender.send(work, shard, shard.of(parts), tick))
        return joined(found)


class Sender:
    """A model that shards are sent through. What is compiled is kept until another work or other images come."""

    def __init__(self, graph: Graph, readings: Sequence[Reading]) -> None:
        self._graph, self._readings = graph, readings
        self._last: tuple[Work, np.dtype[Any], Callable[..., Any]] | None = None

    def begin(self, work: Work, shard: Shard, part: Part) -> tuple[Work, Found]:
        """Fix the plans by a few images; return the work with them, and what comes of these images.

        Nothing is compiled for it: the plans are constants of the graph that is.
        """
        images = part.images[:]
        with forward.faults_named(images):
            plans, scores, reduced = self._first(images, work.pixels)
        work = replace(work, plans=plans)
        counted = _Counted(work, shard, part.labels)
        counted.add(reduced, 0, len(images))
        return work, Found({shard: (outputs.of(scores.numpy(), part.labels, shard.start),)}, counted.tallies())

    def send(self, work: Work, shard: Shard, part: Part, tick: Tick) -> Found:
        """Return what comes of one shard, whose images and labels `part` holds; the last batch may be smaller."""
        run = self._compiled(work, part)
        answered: list[list[Outputs]] = [[] for _ in work.ablations]

        def keep(scores: NDArray[np.float32], start: int, end: int) -> None:
            for of_ablation, into in zip(np.moveaxis(scores, 1, 0), answered, strict=True):
                into.append(outputs.of(of_ablation, part.labels[start:end], shard.start + start))

        def kept() -> dict[Shard, tuple[Outputs, ...]]:
            return {shard: tuple(outputs.joined(one) for one in answered)}

        if not work.plans:
            for start, end, scores in forward.outputs(run, part.images, work.batch, tick):
                keep(scores, start, end)
            return Found(kept(), [])
        counted = _Counted(work, shard, part.labels)
        # a thread of OpenBLAS that has done its share of a product spins for a while, on a core that TensorFlow needs
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(1) as aside:
            counting: Future[None] | None = None  # of the batch before: numpy counts while TensorFlow computes
            for start, end, images in forward.read_ahead(part.images, work.batch):
                with forward.faults_named(images):
                    scores, reduced = run(images)
                if counting is not None:
                    counting.result()
                counting = aside.submit(counted.add, reduced, start, end)
                keep(scores.numpy()[:, np.newaxis], start, end)
                tick(end, "images")
            assert counting is not None
            counting.result()
        return Found(kept(), counted.tallies())

    def _compiled(self, work: Work, part: Part) -> Callable[..., Any]:
        dtype = part.images.dtype  # the parts of a data set have images of one shape
        if self._last is None or self._last[0] is not work or self._last[1] != dtype:
            if work.plans:
                answer = self._reducing(work.plans)
            else:
                answer = masking.without(self._graph, work.ablations, self._readings)
            self._last = work, dtype, forward.compiled(answer, part, work.pixels)
        return self._last[2]

    def _first(self, images: NDArray[np.generic], pixels: Pixels) -> tuple[list[LayerPlan], Any, list[dict[str, Any]]]:
        """Fix the plans by some images; return them with the scores and the reduced outputs of these images."""
        import tensorflow as tf

        scores, *values = self._values(forward.as_seen(tf.convert_to_tensor(images), pixels))
        plans = [_plan(reading, value.numpy()) for reading, value in zip(self._readings, values, strict=True)]
        return plans, scores, _reduced(values, plans)

    def _reducing(self, plans: Sequence[LayerPlan]) -> Callable[[Any], Any]:
        """Return what sends images through the model and reduces each output where it arises."""

        def answer(images: Any) -> tuple[Any, list[dict[str, Any]]]:
            scores, *values = self._values(images)
            return scores, _reduced(values, plans)

        return answer

    def _values(self, images: Any) -> list[Any]:
        """Return the scores and, for each reading, its output with the units last; all float32.

        images: as the model sees them.
        """
        import tensorflow as tf

        scores, found = self._graph.values(images, [reading.tensor for reading in self._readings])
        read = [_units_last(reading.own(value), reading) for value, reading in zip(found, self._readings, strict=True)]
        return [tf.cast(value, tf.float32) for value in (scores, *read)]


class _Counted:
    """The tallies of the batches of a shard that were sent so far. labels: (N,) of its images."""

    def __init__(self, work: Work, shard: Shard, labels: Counts) -> None:
        self._plans, self._classes = work.plans, work.classes
        self._labels, self._first = labels, shard.number
        self._tallies: list[LayerTally] | None = None
        self._kept = _Kept(work.kept, shard)

    def add(self, reduced: Sequence[dict[str, Any]], start: int, end: int) -> None:
        """Count the batch of the images from `start` to `end`. reduced: of each layer, see `_reduce`."""
        labels, numbers = self._labels[start:end], self._first + np.arange(start, end)
        batch = [_tally(p, r, labels, numbers, self._classes) for p, r in zip(self._plans, reduced, strict=True)]
        before = self._tallies
        self._tallies = batch if before is None else [merge(a, b) for a, b in zip(before, batch, strict=True)]
        self._kept.add(start, [r["pooled"].numpy() for r in reduced])

    def tallies(self) -> list[LayerTally]:
        """Return the tallies of all batches, with the images that are kept."""
        assert self._tallies is not None
        return self._kept.put_into(self._tallies)


class _Kept:
    """Gathers the mean responses of the images that are kept. Merging them batch by batch would copy them each time."""

    def __init__(self, kept: Counts, shard: Shard) -> None:
        first, end = np.searchsorted(kept, [shard.number, shard.number + len(shard)])
        self._numbers = kept[first:end]
        self._chosen = np.zeros(len(shard), np.bool_)
        self._chosen[self._numbers - shard.number] = True
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
        low, high = 1.25 * low, 1.25 * high
    return _even_edges(low, high if high - low > _NARROWEST else 1.0)


def _even_edges(low: float, high: float) -> Floats:
    """Return the (BINS + 1,) edges of bins that are as wide as each other, but for float32's rounding.

    An inner edge is the smallest number of float32 for which `_in_bins` gives its number. So the graph has a value's
    bin by arithmetic, many values at once, and it is exactly the one that a search among the edges finds.
    """
    most = float(np.finfo(np.float32).max)
    ends = np.clip([low, high], -most, most).astype(np.float32)
    inner = np.arange(1, BINS)
    # bisection among all numbers of float32: without the sign, their bits are in the order of the numbers
    largest = np.full(BINS - 1, np.float32(most).view(np.int32), np.int64)
    first, last = -largest, largest
    while (first < last).any():
        middle = (first + last) // 2
        with np.errstate(over="ignore"):
            reached = _in_bins(_float_of(middle), ends) >= inner
        first, last = np.where(reached, first, middle + 1), np.where(reached, middle, last)
    return np.array([ends[0], *_float_of(last), ends[1]], np.float64)


def _float_of(rank: Counts) -> NDArray[np.float32]:
    """Return the number of float32 that is so many numbers above 0, or below it."""
    sizes: NDArray[np.float32] = np.abs(rank).astype(np.int32).view(np.float32)
    return np.copysign(sizes, rank).astype(np.float32)


def _in_bins(values: Any, ends: Floats | NDArray[np.float32]) -> Any:
    """Return where values of float32 lie in bins from ends[0] to ends[-1], in widths of a bin, as float32."""
    return (values - np.float32(ends[0])) * np.float32(BINS / (float(ends[-1]) - float(ends[0])))


def _reduced(values: Sequence[Any], plans: Sequence[LayerPlan]) -> list[dict[str, Any]]:
    """Reduce the outputs of all layers for one batch, inside the graph. values: (B, *positions, U) float32 of each.

    To trace and compile an operation costs as much as to run one on many images, so there are as few as can be.
    """
    import tensorflow as tf

    top = tf.minimum(TOP, tf.shape(values[0])[0]) if values else 0
    return [_reduce(value, plan, top) for value, plan in zip(values, plans, strict=True)]


def _reduce(values: Any, plan: LayerPlan, top: Any) -> dict[str, Any]:
    """Reduce a layer's outputs for one batch. top: how many of its images are kept as a unit's strongest.

    What is summed over positions stays apart by image, (B, U), and is added up in float64 outside.
    """
    import tensorflow as tf

    a = tf.reshape(values, (-1, plan.positions, plan.units))
    shifted = a - tf.constant(plan.shift, tf.float32) if plan.shift.any() else a
    peaks = tf.reduce_max(a, 1)
    # behind a ReLU the sign is 1 where it fires, else 0: one operation less that writes as much as it reads
    fires = tf.sign(a) if plan.family in ("relu", "relu6") and not plan.eps else tf.cast(a > plan.eps, tf.float32)
    reduced = {
        "peaks": peaks,
        "pooled": tf.reduce_mean(a, 1),
        # the root of the squares' sum: an operation that, unlike squaring and summing, writes nothing in between
        "norms": tf.raw_ops.EuclideanNorm(input=shifted, axis=[1]),
        "above": tf.reduce_sum(fires, 1),
        **_tops(a, peaks, plan, top),
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


def _sampled(values: Any, plan: LayerPlan) -> dict[str, Any]:
    """Count and correlate over the sampled positions. values: (B, S, U).

    Products are of what is left after the batch's own mean is taken off: of values that are all alike, as of a unit
    that is silent at these positions, float32 would leave rounding that looks like variance.
    """
    import tensorflow as tf

    # what lies outside falls into the first and the last bin; of NaN, which is an error later on, any will do
    which = tf.maximum(tf.cast(tf.minimum(_in_bins(values, plan.edges), BINS - 1), tf.int32), 0)
    which += BINS * np.arange(plan.units, dtype=np.int32)
    middle = tf.reduce_mean(values, (0, 1))
    centred = values - middle
    flat = tf.reshape(centred, (-1, plan.units))
    return {
        "histogram": tf.raw_ops.DenseBincount(
            input=tf.reshape(which, (-1,)), size=BINS * plan.units, weights=np.zeros(0, np.int32)
        ),
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

"""The one pass: every image through the model once, and of every layer's output only sums, counts and the strongest.

The reductions run inside the compiled graph; a batch leaves arrays of units, never its raw outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations import ablation, forward, outputs
from reportgen.analysis.activations.bins import SIDE, Grid
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.shards import Engine, Found, Shard, Work, joined
from reportgen.analysis.activations.tally import (
    TAIL,
    Counts,
    Floats,
    LayerPlan,
    LayerTally,
    class_bests,
    kept_among,
    listed,
    merge,
    over_images,
)
from reportgen.dataset import Dataset, Part, repeats, spread
from reportgen.progress import Progress, Tick

TOP = 8
"""How many of the strongest images are kept for each unit: more than are shown, since they also say where the maximum
of the strongest image of another class lies, if it is among them."""

SAMPLED = 16
"""At how many positions of a unit's output the histogram and the correlation of maps look."""
_LARGEST_BATCH = 500
_FIRST = 64  # images that fix how the layers are read
_HEADROOM = 2  # how far bins reach at first, as a multiple of what these images need; `bins.shown` counts on it
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
    looked at, whose images are numbered through in the order of `looked_at`. Some images of the first of them fix the
    plans here; then all are sent by `engine`, by default here too.
    """
    engine = engine or Here(graph, readings)
    ends = np.cumsum([0, *(len(parts[name]) for name in looked_at)]).tolist()
    looked = [Shard(name, 0, len(parts[name]), number) for name, number in zip(looked_at, ends, strict=False)]
    size = batch_size(readings, dataset.image_shape, memory)
    work = Work(
        dataset.pixels,
        size,
        classes=len(dataset.class_names),
        kept=kept_among(ends[-1]),
        repeats=repeats(parts[name] for name in looked_at),
    )
    work, begun = Sender(graph, readings).begin(work, looked[0], parts[looked_at[0]])
    done = [] if begun is None else [begun]
    if others := looked[len(done) :]:
        done.append(engine.send(work, parts, others, progress))
    found = joined(done)
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

    def begin(self, work: Work, shard: Shard, part: Part) -> tuple[Work, Found | None]:
        """Fix the plans by a few images of a shard, spread over it; return the work with them.

        Where these are all of its images, return what comes of the shard, too. Nothing is compiled for it: the plans
        are constants of the graph that is.
        """
        import tensorflow as tf

        images = part.images[spread(len(part), min(_FIRST, work.batch))]
        with forward.faults_named(images):
            scores, read = self._values(forward.as_seen(tf.convert_to_tensor(images), work.pixels))
            plans = [_plan(reading, one.values.numpy()) for reading, one in zip(self._readings, read, strict=True)]
            work = replace(work, plans=plans)
            if len(images) < len(part):
                return work, None
            counted = _Counted(work, shard, part.labels)
            reduced = _reduced(read, plans, *map(tf.convert_to_tensor, counted.given(0, len(part))))
        counted.add(reduced, counted.grids, 0, len(part))
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
                    scores, reduced = run(images, *counted.given(start, end))
                    if counted.widened(reduced):  # to what holds these values, so once more is enough
                        scores, reduced = run(images, *counted.given(start, end))
                if counting is not None:
                    counting.result()
                counting = aside.submit(counted.add, reduced, counted.grids, start, end)
                keep(scores.numpy()[:, np.newaxis], start, end)
                tick(end, "images")
            assert counting is not None
            counting.result()
        return Found(kept(), counted.tallies())

    def _compiled(self, work: Work, part: Part) -> Callable[..., Any]:
        dtype = part.images.dtype  # the parts of a data set have images of one shape
        if self._last is None or self._last[0] is not work or self._last[1] != dtype:
            if work.plans:
                run = forward.compiled(self._reducing(work.plans), part, work.pixels, _specs(work))
            else:
                answer = ablation.without(self._graph, work.ablations, self._readings)
                run = forward.compiled(answer, part, work.pixels)
            self._last = work, dtype, run
        return self._last[2]

    def _reducing(self, plans: Sequence[LayerPlan]) -> Callable[..., Any]:
        """Return what sends images through the model and reduces each output where it arises.

        It is given what `_Counted.given` says after the images.
        """

        def answer(images: Any, *given: Any) -> tuple[Any, list[dict[str, Any]]]:
            scores, read = self._values(images)
            return scores, _reduced(read, plans, *given)

        return answer

    def _values(self, images: Any) -> tuple[Any, list["_Read"]]:
        """Return the scores, float32, and what is read of each layer. images: as the model sees them."""
        import tensorflow as tf

        gates = [reading.gate for reading in self._readings if reading.gate is not None]
        scores, found = self._graph.values(images, [*(reading.tensor for reading in self._readings), *gates])
        before = iter(found[len(self._readings) :])
        read = [
            _Read(units_last(value, reading), None if reading.gate is None else units_last(next(before), reading))
            for value, reading in zip(found, self._readings, strict=False)
        ]
        return tf.cast(scores, tf.float32), read


@dataclass(frozen=True, eq=False)
class _Read:
    """A layer's outputs for some images. values: (B, *positions, U) float32.

    gate: likewise what goes into the nonlinearity, where only that tells whether a unit fires, else None.
    """

    values: Any
    gate: Any = None


class _Counted:
    """The tallies of the batches of a shard that were sent so far. labels: (N,) of its images.

    grids: of each layer the bins for the values that were seen so far.
    """

    def __init__(self, work: Work, shard: Shard, labels: Counts) -> None:
        self._plans, self._classes = work.plans, work.classes
        self._labels, self._first = labels, shard.number
        self._tallies: list[LayerTally] | None = None
        self._kept = _Kept(work.kept, shard)
        self._repeat: NDArray[np.bool_] | None = None
        if len(work.repeats):
            self._repeat = np.zeros(len(shard), np.bool_)
            self._repeat[shard.places(work.repeats)] = True
        self.grids = [plan.grid for plan in work.plans]

    def given(self, start: int, end: int) -> list[NDArray[Any]]:
        """Return what the graph needs besides the images from `start` to `end`, see `_specs`."""
        per_value = np.array([grid.per_value for grid in self.grids], np.float32)
        return [per_value] if self._repeat is None else [per_value, self._repeat[start:end]]

    def widened(self, reduced: Sequence[dict[str, Any]]) -> bool:
        """Widen the bins of layers that have none for a value of a batch; return whether there are any."""
        before, self.grids = self.grids, [_holding(*both) for both in zip(self.grids, reduced, strict=True)]
        return self.grids != before

    def add(self, reduced: Sequence[dict[str, Any]], grids: Sequence[Grid], start: int, end: int) -> None:
        """Count the batch of the images from `start` to `end`. reduced: of each layer, see `_reduce`, in its grid."""
        labels, numbers = self._labels[start:end], self._first + np.arange(start, end)
        layers = zip(self._plans, grids, reduced, strict=True)
        batch = [_tally(plan, grid, found, labels, numbers, self._classes) for plan, grid, found in layers]
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
        places = shard.places(kept)
        self._numbers = shard.number + places
        self._chosen = np.zeros(len(shard), np.bool_)
        self._chosen[places] = True
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


def _specs(work: Work) -> list[Any]:
    """Return the tf.TensorSpec of what the graph needs besides images.

    (L,) of each layer how many bins a value of 1 spans: an input, so that bins become wider without a new graph. (B,)
    whether an image repeats an earlier one; only where any does, so that it costs nothing elsewhere.
    """
    import tensorflow as tf

    per_value, repeat = tf.TensorSpec((len(work.plans),), tf.float32), tf.TensorSpec((None,), tf.bool)
    return [per_value, repeat] if len(work.repeats) else [per_value]


def _holding(grid: Grid, found: dict[str, Any]) -> Grid:
    """Return a grid that has bins for all values of a batch, see `_reduce`."""
    smallest = float(found["smallest"].numpy().min()) if "smallest" in found else 0.0
    return grid.holding(smallest, float(found["peaks"].numpy().max()))


def units_last(value: Any, reading: Reading) -> Any:
    """Return the layer's own values of the tensor that is read, its units last, as float32."""
    import tensorflow as tf

    own = tf.cast(reading.own(value), tf.float32)
    if not reading.channels_first:
        return own
    return tf.transpose(own, (*(axis for axis in range(len(own.shape)) if axis != reading.axis), reading.axis))


def _plan(reading: Reading, values: NDArray[np.float32]) -> LayerPlan:
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


def _reduced(
    read: Sequence[_Read], plans: Sequence[LayerPlan], per_value: Any, repeat: Any = None
) -> list[dict[str, Any]]:
    """Reduce the outputs of all layers for one batch, inside the graph.

    per_value, repeat: see `_specs`. To trace and compile an operation costs as much as to run one on many images, so
    there are as few as can be.
    """
    import tensorflow as tf

    top = tf.minimum(TOP, tf.shape(read[0].values)[0]) if read else 0
    # what takes a repeated image out of the strongest: of the lesser of a value and -inf the latter
    most = None if repeat is None else tf.where(repeat[:, tf.newaxis], -np.inf, np.inf)
    layers = zip(read, plans, tf.unstack(per_value), strict=True)
    return [_reduce(one, plan, bins, top, most) for one, plan, bins in layers]


def _reduce(read: _Read, plan: LayerPlan, per_value: Any, top: Any, most: Any) -> dict[str, Any]:
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
        **_sampled(a if len(plan.sampled) == plan.positions else tf.gather(a, plan.sampled, axis=1), plan, per_value),
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


def _sampled(values: Any, plan: LayerPlan, per_value: Any) -> dict[str, Any]:
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


def _tally(
    plan: LayerPlan, grid: Grid, reduced: dict[str, Any], labels: Counts, numbers: Counts, classes: int
) -> LayerTally:
    """Return the tally of one batch, without kept images. labels, numbers: (B,), numbers ascending.

    grid: of the histogram in `reduced`.
    """
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
    return LayerTally(
        images=len(numbers),
        fired=counted("fired") if "fired" in found else (peaks > plan.eps).sum(axis=0),
        zeros=len(numbers) * plan.positions - counted("above"),
        low_tail=counted("low_tail"),
        high_tail=counted("high_tail"),
        total=plan.positions * (pooled - plan.shift).sum(axis=0),
        squares=np.square(found["norms"], dtype=np.float64).sum(axis=0),
        absolute=added("absolute") if "absolute" in found else plan.positions * pooled.sum(axis=0),
        smallest=np.asarray(found.get("smallest", nothing), np.float64),
        largest=peaks.max(axis=0),
        grid=grid,
        histogram=found["histogram"].reshape(plan.units, -1).astype(np.int64),
        map_total=rest + sampled * off,
        map_products=found["map_products"] + crossed + crossed.T + sampled * np.outer(off, off),
        **over_images(plan, pooled, labels, classes),
        **class_bests(peaks, labels, numbers, classes),
        **listed(found["top_score"].T, numbers[found["top_place"].T], found["top_position"].T, TOP),
        kept_images=np.zeros(0, np.int64),
        kept=np.zeros((0, plan.units), np.float32),
    )

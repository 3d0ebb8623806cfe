"""The one pass: every image through the model once, and of every layer's output only sums, counts and the strongest.

While TensorFlow has a batch under way, numpy reduces the outputs of the one before; no raw output outlives that.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations import ablation, forward, outputs, traces
from reportgen.analysis.activations.counting import Counted
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import Read, plan_of, units_last
from reportgen.analysis.activations.shards import Engine, Found, Shard, Work, batches_of, joined, ranges_of
from reportgen.analysis.activations.tally import Floats, LayerPlan, LayerTally, kept_among
from reportgen.analysis.activations.traces import Penultimate, Traced
from reportgen.dataset import Dataset, Part, Pixels, repeats, spread
from reportgen.progress import Progress, Tick

_LARGEST_BATCH = 500
_MANY = 30  # readings; TensorFlow keeps all the memory that it ever took, and a model of so many is no slower for less
_MOST_VALUES = 24_000_000  # of all layers for a batch of such a model
_FIRST = 64  # images that fix how the layers are read
_COPIES = 4  # how many times the read outputs are in memory at once, roughly: those of two batches, and work on both


def batch_size(readings: Sequence[Reading], image_shape: Sequence[int], memory: int) -> int:
    """Return how many images fit into `memory` megabytes with all outputs that are read, at least one, at most 500."""
    values = int(np.prod(image_shape))
    for reading in readings:
        given = 1 if reading.gate is None else 2  # its gate has the same shape
        values += given * int(np.prod([size or image_shape[0] for size in reading.shape[1:]]))
    most = memory * 10**6 // (4 * _COPIES)
    if len(readings) >= _MANY:
        most = min(most, _MOST_VALUES)
    return max(1, min(_LARGEST_BATCH, most // values))


@dataclass(frozen=True)
class Passed:
    """What one pass brings. answered: what is kept of the model's outputs, by part.

    plans, tallies: one for each reading, the tallies over the parts looked at. ranges: (2, U) the smallest and the
    largest value of each unit on the other parts, of the readings with units that always give the same on those looked
    at, by their place.
    """

    answered: dict[str, Outputs]
    plans: list[LayerPlan]
    tallies: list[LayerTally]
    ranges: Mapping[int, Floats]


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
) -> Passed:
    """Send every image of every part through the model once; only those of the parts looked at are tallied.

    The images of the parts looked at are numbered through in the order of `looked_at`. Some images of the first of them
    fix the plans here; then all are sent by `engine`, by default here too.
    """
    engine = engine or Here(graph, readings)
    ends = np.cumsum([0, *(len(parts[name]) for name in looked_at)]).tolist()
    looked = [Shard(name, 0, len(parts[name]), number) for name, number in zip(looked_at, ends, strict=False)]
    answered_only = [Shard(name, 0, len(part)) for name, part in parts.items() if name not in looked_at]
    size = batch_size(readings, dataset.image_shape, memory)
    batches = batches_of([*looked, *answered_only], size)
    classes = max(len(dataset.class_names), graph.output.shape[-1] or 1)
    traced = Traced(traces.every(sum(map(len, parts.values())), traces.of_model(graph), classes))
    work = Work(
        dataset.pixels,
        size,
        batches,
        classes=len(dataset.class_names),
        kept=kept_among(ends[-1]),
        repeats=repeats(parts[name] for name in looked_at),
        traced=traced,
    )
    here = engine if isinstance(engine, Here) else Here(graph, readings)
    work, begun = here.sender.begin(work, looked[0], parts[looked_at[0]])
    done = [] if begun is None else [begun]
    if others := looked[len(done) :]:
        done.append(engine.send(work, parts, others, progress))
    found = joined(done)
    answered = {name: found.outputs_of(name) for name in looked_at}
    ranges: Mapping[int, Floats] = {}
    if answered_only:
        # what is read of the layers is given out here, too: to trace a graph without it takes longer
        still = [place for place, tally in enumerate(found.tallies) if (tally.smallest == tally.largest).any()]
        rest = Work(dataset.pixels, size, batches, traced=traced, ranged=still)
        without = engine.send(rest, parts, answered_only, progress)
        answered |= {shard.part: without.outputs_of(shard.part) for shard in answered_only}
        ranges = without.ranges
    return Passed(answered, list(work.plans), list(found.tallies), ranges)


class Here:
    """The engine that sends all images through the model in this process.

    goes_on: whether images will be looked at behind the pass, see `Sender.look`: then compiling pays whatever its size.
    """

    def __init__(self, graph: Graph, readings: Sequence[Reading], *, goes_on: bool = False) -> None:
        self.sender = Sender(graph, readings, goes_on=goes_on)

    def send(self, work: Work, parts: Mapping[str, Part], shards: Sequence[Shard], progress: Progress) -> Found:
        """Return what comes of the shards, see `shards.Engine`."""
        found = []
        for shard in shards:
            with progress.bar(f"{shard.part} split", total=len(shard)) as tick:
                found.append(self.sender.send(work, shard, shard.of(parts), tick))
        return joined(found)


@dataclass(frozen=True)
class _Whole:
    """What sends images of a type through the whole model: `run`. compiled: whether it is."""

    pixels: Pixels
    dtype: np.dtype[Any]
    compiled: bool
    run: Callable[..., Any]

    def serves(self, pixels: Pixels, dtype: np.dtype[Any], *, compiled: bool) -> bool:
        """Return whether it runs such images, compiled at least where they are to be."""
        # by value: on a worker each work brings pixels of its own
        return (self.pixels, self.dtype) == (pixels, dtype) and self.compiled >= compiled


class Sender:
    """A model that shards are sent through. What is compiled is kept until other units are taken out.

    goes_on: as of `Here`.
    """

    def __init__(self, graph: Graph, readings: Sequence[Reading], *, goes_on: bool = False) -> None:
        self._graph, self._readings, self._goes_on = graph, readings, goes_on
        found = traces.of_model(graph)
        self._penultimate = found if isinstance(found, Penultimate) else None
        gates = [reading.gate for reading in readings if reading.gate is not None]
        self._tensors = list(dict.fromkeys([*(reading.tensor for reading in readings), *gates]))
        self._whole: _Whole | None = None
        self._without: tuple[Work, np.dtype[Any], Callable[..., Any]] | None = None

    def begin(self, work: Work, shard: Shard, part: Part) -> tuple[Work, Found | None]:
        """Fix the plans by a few images of a shard, spread over it; return the work with them.

        Where these are all of its images, return what comes of the shard, too.
        """
        images = part.images[spread(len(part), min(_FIRST, work.batch))]
        with forward.faults_named(images):
            scores, features, *values = self._own(self._compiled(work, part)(images))
        with forward.memory_named(images):
            read = self._read(values)
            plans = [plan_of(reading, one.values) for reading, one in zip(self._readings, read, strict=True)]
            work = replace(work, plans=plans)
            if len(images) < len(part):
                return work, None
            counted = Counted(work, shard, part.labels)
            counted.add(read, 0, len(part))
            found = _kept(np.asarray(scores)[:, 0], np.asarray(features), part.labels, shard.start, work.traced)
            return work, Found({shard: (found,)}, counted.tallies())

    def send(self, work: Work, shard: Shard, part: Part, tick: Tick) -> Found:
        """Return what comes of one shard, whose images and labels `part` holds; the last batch may be smaller."""
        run = self._compiled(work, part)
        answered: list[list[Outputs]] = [[] for _ in work.ablations]
        counted = Counted(work, shard, part.labels)
        ranges: dict[int, Floats] = {}

        def take(scores: Any, features: Any, values: Sequence[Any], start: int, end: int) -> None:
            labels, kept = part.labels[start:end], np.asarray(features)
            for of_ablation, into in zip(np.moveaxis(np.asarray(scores), 1, 0), answered, strict=True):
                into.append(_kept(of_ablation, kept, labels, shard.start + start, work.traced))
            if work.plans or work.ranged:
                read = self._read(values)
            if work.plans:
                counted.add(read, start, end)
            if work.ranged:
                ranges.update(ranges_of(ranges, {place: read[place].ends() for place in work.ranged}))

        # a thread of OpenBLAS that has done its share of a product spins for a while, on a core that TensorFlow needs
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(1) as aside:
            taking: Future[None] | None = None  # of the batch before: numpy counts while TensorFlow computes
            for start, end, images in forward.read_ahead(part.images, work.batch):
                with forward.faults_named(images):
                    scores, features, *values = self._own(run(images))
                if taking is not None:
                    with forward.memory_named(images):
                        taking.result()
                taking = aside.submit(take, scores, features, values, start, end)
                tick(end, "images")
            assert taking is not None
            with forward.memory_named(images):
                taking.result()
        found = {shard: tuple(outputs.joined(one) for one in answered)}
        return Found(found, counted.tallies() if work.plans else [], ranges)

    @property
    def tensors(self) -> list[Tensor]:
        """What `look` gives."""
        return [*self._tensors, self._graph.output]

    def look(self, images: NDArray[Any], pixels: Pixels) -> dict[Tensor, Any] | None:
        """Return the model's output, (B, K) float32, and all tensors that are read, for images as they are stored.

        By what the pass has compiled, of a model of many calls: to trace that once more takes as long as it runs for
        hundreds of images. None where there is no such thing.
        """
        if self._whole is None or not self._whole.compiled or len(self._graph.calls) < forward.LARGE:
            return None
        if self._graph.masks:  # of which nothing would be left
            return None
        if not self._whole.serves(pixels, images.dtype, compiled=True):
            return None
        scores, _, *values = self._whole.run(images)
        return dict(zip(self._tensors, values, strict=True)) | {self._graph.output: scores[:, 0]}

    def _compiled(self, work: Work, part: Part) -> Callable[..., Any]:
        """Return what gives the scores of a batch, (B, ablations, K), what is traced, and what is read of each layer.

        The latter only where nothing is taken out.
        """
        dtype = part.images.dtype  # the parts of a data set have images of one shape
        calls, runs = len(self._graph.calls), work.batches
        if any(work.ablations):
            if self._without is None or self._without[0] is not work or self._without[1] != dtype:
                run = forward.compiled_if_it_pays(
                    self._answering(work), part, work.pixels, calls=calls * len(work.ablations), runs=runs
                )
                self._without = work, dtype, run
            return self._without[2]
        return self._run_whole(work.pixels, part, runs)

    def _run_whole(self, pixels: Pixels, part: Part, runs: int) -> Callable[..., Any]:
        """Return what sends such images as `part` has through the whole model, compiled where that pays."""
        calls, dtype = len(self._graph.calls), part.images.dtype
        pays = self._goes_on or forward.compiling_pays(calls, runs)
        if self._whole is None or not self._whole.serves(pixels, dtype, compiled=pays):
            made = forward.compiled if pays else forward.as_it_is
            self._whole = _Whole(pixels, dtype, pays, made(self._values, part, pixels))
        return self._whole.run

    def _answering(self, work: Work) -> Callable[..., Any]:
        """Return what sends images through the model to the scores under each ablation; nothing is traced."""
        import tensorflow as tf

        without = ablation.without(self._graph, work.ablations, self._readings)
        return lambda images: (without(images), tf.zeros((tf.shape(images)[0], 0)))

    def _values(self, images: Any) -> tuple[Any, ...]:
        """Return the scores, (B, 1, K) float32, what is kept of the values before them, and the tensors that are read.

        images: as the model sees them.
        """
        import tensorflow as tf

        before = [] if self._penultimate is None else [self._penultimate.tensor]
        scores, found = self._graph.values(images, [*self._tensors, *before])
        features = tf.zeros((tf.shape(images)[0], 0))
        if self._penultimate is not None:
            features = self._penultimate.read(found.pop())
        return tf.cast(scores, tf.float32)[:, tf.newaxis], features, *found

    def _own(self, given: Sequence[Any]) -> tuple[Any, ...]:
        """Return what `_values` gives with the layers' own values in place of the tensors, as `_read` takes them."""
        scores, features, *found = given
        if not found:  # units were taken out
            return scores, features
        known = dict(zip(self._tensors, found, strict=True))
        own = [units_last(known[reading.tensor], reading) for reading in self._readings]
        gates = [units_last(known[one.gate], one) for one in self._readings if one.gate is not None]
        return scores, features, *own, *gates

    def _read(self, values: Sequence[Any]) -> list[Read]:
        """Return what is read of each layer. values: of the readings, then of their gates; they are not copied."""
        arrays = [np.asarray(value) for value in values]
        gates = iter(arrays[len(self._readings) :])
        return [
            Read(array, None if reading.gate is None else next(gates))
            for array, reading in zip(arrays, self._readings, strict=False)
        ]


def _kept(
    scores: NDArray[np.float32], features: NDArray[np.float32], labels: NDArray[np.int64], start: int, traced: Traced
) -> Outputs:
    """Return what is kept of the outputs for a batch, and of its images where they are traced."""
    found = outputs.of(scores, labels, start)
    return replace(found, traces=traces.of(scores, features, start, traced)) if traced.every else found

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

from reportgen.analysis.activations import ablation, forward, outputs, traces
from reportgen.analysis.activations.counting import Counted
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import Read, plan_of, reduce_all, specs, units_last
from reportgen.analysis.activations.shards import Engine, Found, Shard, Work, joined
from reportgen.analysis.activations.tally import (
    LayerPlan,
    LayerTally,
    kept_among,
)
from reportgen.analysis.activations.traces import Penultimate, Traced
from reportgen.dataset import Dataset, Part, repeats, spread
from reportgen.progress import Progress, Tick

_LARGEST_BATCH = 500
_FIRST = 64  # images that fix how the layers are read
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
    classes = max(len(dataset.class_names), graph.output.shape[-1] or 1)
    traced = Traced(traces.every(sum(map(len, parts.values())), traces.of_model(graph), classes))
    work = Work(
        dataset.pixels,
        size,
        classes=len(dataset.class_names),
        kept=kept_among(ends[-1]),
        repeats=repeats(parts[name] for name in looked_at),
        traced=traced,
    )
    work, begun = Sender(graph, readings).begin(work, looked[0], parts[looked_at[0]])
    done = [] if begun is None else [begun]
    if others := looked[len(done) :]:
        done.append(engine.send(work, parts, others, progress))
    found = joined(done)
    answered = {name: found.outputs_of(name) for name in looked_at}
    if others := [Shard(name, 0, len(part)) for name, part in parts.items() if name not in looked_at]:
        without = engine.send(Work(dataset.pixels, size, traced=traced), parts, others, progress)
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
            with progress.bar(f"{shard.part} split", total=len(shard)) as tick:
                found.append(self._sender.send(work, shard, shard.of(parts), tick))
        return joined(found)


class Sender:
    """A model that shards are sent through. What is compiled is kept until another work or other images come."""

    def __init__(self, graph: Graph, readings: Sequence[Reading]) -> None:
        self._graph, self._readings = graph, readings
        found = traces.of_model(graph)
        self._penultimate = found if isinstance(found, Penultimate) else None
        self._last: tuple[Work, np.dtype[Any], Callable[..., Any]] | None = None

    def begin(self, work: Work, shard: Shard, part: Part) -> tuple[Work, Found | None]:
        """Fix the plans by a few images of a shard, spread over it; return the work with them.

        Where these are all of its images, return what comes of the shard, too. Nothing is compiled for it: the plans
        are constants of the graph that is.
        """
        import tensorflow as tf

        images = part.images[spread(len(part), min(_FIRST, work.batch))]
        with forward.faults_named(images):
            scores, features, read = self._values(forward.as_seen(tf.convert_to_tensor(images), work.pixels))
            plans = [plan_of(reading, one.values.numpy()) for reading, one in zip(self._readings, read, strict=True)]
            work = replace(work, plans=plans)
            if len(images) < len(part):
                return work, None
            counted = Counted(work, shard, part.labels)
            reduced = reduce_all(read, plans, *map(tf.convert_to_tensor, counted.given(0, len(part))))
        counted.add(reduced, counted.grids, 0, len(part))
        found = _kept(scores.numpy(), features.numpy(), part.labels, shard.start, work.traced)
        return work, Found({shard: (found,)}, counted.tallies())

    def send(self, work: Work, shard: Shard, part: Part, tick: Tick) -> Found:
        """Return what comes of one shard, whose images and labels `part` holds; the last batch may be smaller."""
        run = self._compiled(work, part)
        answered: list[list[Outputs]] = [[] for _ in work.ablations]

        def keep(scores: NDArray[np.float32], features: NDArray[np.float32], start: int, end: int) -> None:
            for of_ablation, into in zip(np.moveaxis(scores, 1, 0), answered, strict=True):
                labels = part.labels[start:end]
                into.append(_kept(of_ablation, features, labels, shard.start + start, work.traced))

        def kept() -> dict[Shard, tuple[Outputs, ...]]:
            return {shard: tuple(outputs.joined(one) for one in answered)}

        if not work.plans:
            for start, end, (scores, features) in forward.outputs(run, part.images, work.batch, tick):
                keep(scores, features, start, end)
            return Found(kept(), [])
        counted = Counted(work, shard, part.labels)
        # a thread of OpenBLAS that has done its share of a product spins for a while, on a core that TensorFlow needs
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(1) as aside:
            counting: Future[None] | None = None  # of the batch before: numpy counts while TensorFlow computes
            for start, end, images in forward.read_ahead(part.images, work.batch):
                with forward.faults_named(images):
                    scores, features, reduced = run(images, *counted.given(start, end))
                    if counted.widened(reduced):  # to what holds these values, so once more is enough
                        scores, features, reduced = run(images, *counted.given(start, end))
                if counting is not None:
                    counting.result()
                counting = aside.submit(counted.add, reduced, counted.grids, start, end)
                keep(scores.numpy()[:, np.newaxis], features.numpy(), start, end)
                tick(end, "images")
            assert counting is not None
            counting.result()
        return Found(kept(), counted.tallies())

    def _compiled(self, work: Work, part: Part) -> Callable[..., Any]:
        dtype = part.images.dtype  # the parts of a data set have images of one shape
        if self._last is None or self._last[0] is not work or self._last[1] != dtype:
            if work.plans:
                run = forward.compiled(self._reducing(work.plans), part, work.pixels, specs(work))
            else:
                run = forward.compiled(self._answering(work), part, work.pixels)
            self._last = work, dtype, run
        return self._last[2]

    def _reducing(self, plans: Sequence[LayerPlan]) -> Callable[..., Any]:
        """Return what sends images through the model and reduces each output where it arises.

        It is given what `Counted.given` says after the images.
        """

        def answer(images: Any, *given: Any) -> tuple[Any, Any, list[dict[str, Any]]]:
            scores, features, read = self._values(images)
            return scores, features, reduce_all(read, plans, *given)

        return answer

    def _answering(self, work: Work) -> Callable[..., Any]:
        """Return what sends images through the model: to the scores under each ablation, and to what is traced."""
        import tensorflow as tf

        if not work.traced.every:
            without = ablation.without(self._graph, work.ablations, self._readings)
            return lambda images: (without(images), self._features(images, []))

        def answer(images: Any) -> tuple[Any, Any]:
            scores, found = self._graph.values(images, self._before_scores)
            return tf.cast(scores, tf.float32)[:, tf.newaxis], self._features(images, found)

        return answer

    @property
    def _before_scores(self) -> list[Tensor]:
        return [] if self._penultimate is None else [self._penultimate.tensor]

    def _features(self, images: Any, found: Sequence[Any]) -> Any:
        """Return what is kept of the values before the scores, (B, D) float32; D = 0 where none were found."""
        import tensorflow as tf

        if self._penultimate is None or not found:
            return tf.zeros((tf.shape(images)[0], 0))
        return self._penultimate.read(found[0])

    def _values(self, images: Any) -> tuple[Any, Any, list[Read]]:
        """Return the scores, float32, what is kept of the values before them, and what is read of each layer.

        images: as the model sees them.
        """
        import tensorflow as tf

        gates = [reading.gate for reading in self._readings if reading.gate is not None]
        tensors = [*(reading.tensor for reading in self._readings), *gates, *self._before_scores]
        scores, found = self._graph.values(images, tensors)
        before = iter(found[len(self._readings) :])
        features = self._features(images, found[len(self._readings) + len(gates) :])
        read = [
            Read(units_last(value, reading), None if reading.gate is None else units_last(next(before), reading))
            for value, reading in zip(found, self._readings, strict=False)
        ]
        return tf.cast(scores, tf.float32), features, read


def _kept(
    scores: NDArray[np.float32], features: NDArray[np.float32], labels: NDArray[np.int64], start: int, traced: Traced
) -> Outputs:
    """Return what is kept of the outputs for a batch, and of its images where they are traced."""
    found = outputs.of(scores, labels, start)
    return replace(found, traces=traces.of(scores, features, start, traced)) if traced.every else found

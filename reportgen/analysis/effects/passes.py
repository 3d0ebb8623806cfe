"""Images through the model for effects: gradients of the scores, and the model run again without units.

Longer than most modules: gradients, masks and permutations go over the same batches in the same order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import ablation, forward
from reportgen.analysis.activations.ablation import Ablation
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import units_last
from reportgen.analysis.effects import work
from reportgen.analysis.effects.head import Head
from reportgen.dataset import Part, Pixels

Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]

_TOGETHER = 2 * 10**7
"""Most changes of scores, images x units x classes, and most values of a jacobian that are in memory at once."""
_COMPILED = 2 * 10**7
"""Gradients of each class are compiled where images take more multiplications than so many for each call."""


@dataclass(frozen=True)
class Answers:
    """What becomes of N images without each of A things.

    right: (N, A) whether the model is right. moved: (N, A) how far the margin moves by which the true class leads the
    best of the others.
    """

    right: Flags
    moved: Scores


@dataclass(frozen=True)
class Linear:
    """Whether the model is right without each unit of a layer, (N, U), and without each group of them, (N, G)."""

    alone: Flags
    groups: Flags


@dataclass(frozen=True)
class Sweep:
    """What one run of the model tells. scores: (N, K) of the model as it is.

    linear: by the place of each exact layer. first: likewise of each layer that gradients were taken for.
    """

    scores: Scores
    linear: dict[int, Linear]
    first: dict[int, Answers]


@dataclass(frozen=True)
class Masking:
    """Units of one layer that are taken away together. place: of their reading."""

    place: int
    units: tuple[int, ...]


class Passes:
    """Sends the images that score through the model.

    means: of each reading (U,) what its units are held at. batch: how many images at once. looking: where values are
    asked for.
    """

    def __init__(
        self, graph: Graph, readings: Sequence[Reading], head: Head, images: Part, pixels: Pixels,
        means: Sequence[NDArray[np.float64]], batch: int, looking: Looking,
    ) -> None:  # fmt: skip
        self._looking = looking
        self._graph, self._readings, self._head, self._images = graph, readings, head, images
        self._pixels, self._means, self._asked = pixels, means, batch
        # even ones: outputs are permuted within a batch
        self._batch = self.together = -(-len(images) // -(-len(images) // batch))

    def in_batches_of(self, part: int) -> "Passes":
        """Return the same with so many times fewer images at once: gradients keep all values of these."""
        batch = max(self._asked // part, 1)
        return Passes(
            self._graph, self._readings, self._head, self._images, self._pixels, self._means, batch, self._looking
        )

    def sweep(
        self, exact: Sequence[int], groups: Mapping[int, Sequence[Sequence[int]]], others: Sequence[int],
        *, each: bool, images: int | None = None,
    ) -> Sweep:  # fmt: skip
        """Send the images through the model once, for what is exact and what gradients estimate.

        exact: the layers that the scores are linear in, with the groups of units that are taken away together. others:
        those that gradients are taken for. each: one backward pass for each class; else one for the margin of the true
        class over the best of the others, who are taken to stay the two that matter. images: only the first so many.
        """
        some = min(len(self._images), images or len(self._images))
        read = list(dict.fromkeys([self._head.tensor, *(self._readings[place].tensor for place in exact)]))
        linear = {place: (self._slopes(self._readings[place]), groups.get(place, ())) for place in exact}
        estimate = self._estimate(others, read, each=each, images=some)
        done = []
        for start in self._starts(some):
            labels = self._labels(start, images)
            with forward.faults_named(self._images.images[start : start + 1]), self._head.before_activation():
                if others:
                    found, moved = estimate(self._seen(start, images), labels)
                else:
                    found, moved = list(self._values(start, images, read).values()), []
                values = dict(zip(read, found, strict=True))
                plain = self._scores(values)
            answers = _answers if each else _led
            first = [answers(plain, np.asarray(one), labels) for one in moved]
            known = {place: self._linear(place, *of, values, plain, labels) for place, of in linear.items()}
            done.append(Sweep(plain, known, dict(zip(others, first, strict=True))))
        return _swept(done)

    def _estimate(
        self, others: Sequence[int], read: Sequence[Tensor], *, each: bool, images: int
    ) -> Callable[[Any, NDArray[np.int64]], tuple[list[Any], list[Any]]]:
        """Return what estimates by gradients from images as the model sees them, (B, ...), and their labels.

        It gives the values that are `read`, and of each of the layers `others` how far scores move without each unit:
        each score, (B, U, K), or the margin of the true class, (B, U).
        """
        import tensorflow as tf

        tensors = list(dict.fromkeys(self._readings[place].tensor for place in others))

        def estimate(seen: Any, labels: Any) -> tuple[list[Any], list[Any]]:
            with tf.GradientTape(persistent=each, watch_accessed_variables=False) as tape:
                values = self._graph.all_values(seen, _watching(tape, tensors), {*read, *tensors})
                scores = self._head.scores(values[self._head.tensor])
                targets = tf.unstack(scores, axis=1) if each else [_margin(scores, labels)]
            off = [self._off(values, place) for place in others]
            moved: list[list[Any]] = []
            for target in targets:
                # one after the other: a graph would go back from as many at once as there are cores, and hold all that
                with tf.control_dependencies(moved[-1] if moved else []):
                    found = tape.gradient(target, [values[tensor] for tensor in tensors])
                    slopes = dict(zip(tensors, found, strict=True))
                    moved.append([self._along(off[n], slopes, place) for n, place in enumerate(others)])
            by_layer = [tf.stack(one, axis=-1) if each else one[0] for one in zip(*moved, strict=True)]
            return [values[tensor] for tensor in read], by_layer

        # a graph leaves out the gradients of kernels, which TensorFlow otherwise takes with those of values
        work_of_all = images * sum(map(work.of, self._graph.calls))
        if not each or work_of_all < _COMPILED * len(self._graph.calls):
            return estimate
        compiled = tf.function(lambda seen: estimate(seen, None), autograph=False, reduce_retracing=True)
        return lambda seen, labels: compiled(seen)

    def _linear(
        self, place: int, slopes: Scores, groups: Sequence[Sequence[int]], values: dict[Tensor, Any], scores: Scores,
        labels: NDArray[np.int64],
    ) -> Linear:  # fmt: skip
        """Return what becomes of a batch without each unit of a layer that the scores are linear in."""
        mean = self._means[place].astype(np.float32)
        off = mean - _flat(units_last(values[self._readings[place].tensor], self._readings[place]))
        if (slopes == slopes[:, :1]).all():  # a mean over positions: their sum says as much
            off, slopes = off.sum(axis=1, keepdims=True), slopes[:, :1]
        most = max(1, _TOGETHER // (off.shape[2] * scores.shape[1]))
        alone, groups_ = [], []
        for part in (slice(first, first + most) for first in range(0, len(off), most)):
            moved = _changes(off[part], slopes)
            alone.append(_right(scores[part], moved, labels[part]))
            together = [moved[:, list(one)].sum(axis=1) for one in groups]
            groups_.append(
                _right(scores[part], np.stack(together, axis=1), labels[part]) if together else alone[-1][:, :0]
            )
        return Linear(np.concatenate(alone), np.concatenate(groups_))

    def without(self, maskings: Sequence[Masking], images: int | None = None) -> Answers:
        """Return what becomes of the first `images`, by default all, without the units of each masking."""
        held = [Ablation(held={unit: float(self._means[one.place][unit]) for unit in one.units}) for one in maskings]

        def changed(number: int, value: Any) -> Any:
            return ablation.held(self._readings[maskings[number].place], held[number], value)

        return self._again(maskings, changed, images)

    def permuted(self, maskings: Sequence[Masking], seed: int) -> Answers:
        """Return what becomes of the images where the units of each masking have their outputs for other images."""

        def changed(number: int, value: Any) -> Any:
            one = maskings[number]
            return ablation.permuted(self._readings[one.place], one.units, _order(len(value), seed), value)

        return self._again(maskings, changed, None)

    def _again(self, maskings: Sequence[Masking], changed: Callable[[int, Any], Any], images: int | None) -> Answers:
        found = []
        changing = dict.fromkeys(self._readings[one.place].tensor for one in maskings)
        needed = {self._head.tensor, *changing}
        needed = needed.union(*(self._graph.given_to_change(tensor, self._head.tensor) for tensor in changing))
        for start in self._starts(len(self._images) if images is None else images):
            values, labels = self._values(start, images, needed), self._labels(start, images)
            plain, moved = self._scores(values), []
            with self._head.before_activation():
                for together in self._in_turn(maskings, len(labels)):
                    tensors = [self._readings[maskings[number].place].tensor for number in together]
                    if len(together) == 1:
                        value = changed(together[0], values[tensors[0]])
                        after = [self._graph.again(values, tensors[0], value, self._head.tensor)]
                    else:
                        changes = [(at, changed(n, values[at])) for n, at in zip(together, tensors, strict=True)]
                        after = self._graph.again_together(values, changes, self._head.tensor)
                    moved += [self._head.scores(one).numpy() - plain for one in after]
            found.append(_answers(plain, np.stack(moved, axis=1), labels))
        return _joined(found)

    def _in_turn(self, maskings: Sequence[Masking], images: int) -> list[list[int]]:
        """Return the numbers of maskings that are gone through at once: of a model of many calls as many as fit."""
        if len(self._graph.calls) < forward.LARGE:
            return [[number] for number in range(len(maskings))]
        each = {place: self._most_values(self._readings[place].tensor) for place in {one.place for one in maskings}}
        found: list[list[int]] = []
        left = 0
        for number, one in enumerate(maskings):
            values = each[one.place]
            if not found or values is None or images * values > left:
                found.append([])
                left = 2 * _TOGETHER
            found[-1].append(number)
            left -= left if values is None else images * values
        return found

    def _most_values(self, tensor: Tensor) -> int | None:
        """Return how many values of an image the largest tensor on the way from one has, or one that is given to it.

        None where batches cannot be joined, or nobody knows how large they would be.
        """
        if not self._graph.goes_together(tensor, self._head.tensor):
            return None
        path = self._graph.reached(tensor, until=self._head.tensor)
        sizes = [one.shape[1:] for one in (tensor, *(one for call in path for one in (*call.given, *call.outputs)))]
        if any(None in size for size in sizes):
            return None
        return max(int(np.prod([side or 1 for side in size])) for size in sizes)

    def _off(self, values: dict[Tensor, Any], place: int) -> Any:
        """Return how far a layer's units are from where they are held, (B, *positions, U)."""
        import tensorflow as tf

        reading = self._readings[place]
        return tf.constant(self._means[place], tf.float32) - units_last(values[reading.tensor], reading)

    def _along(self, off: Any, slopes: dict[Tensor, Any], place: int) -> Any:
        """Return (B, U), how far a score moves along its slopes, nowhere where it does not depend on the layer."""
        import tensorflow as tf

        slope = slopes[self._readings[place].tensor]
        positions = list(range(1, len(off.shape) - 1))
        if slope is None:
            return tf.zeros_like(tf.reduce_sum(off, positions))
        along = off * units_last(tf.convert_to_tensor(slope), self._readings[place])
        return tf.reduce_sum(along, positions)

    def _starts(self, images: int) -> range:
        return range(0, images, self._batch)

    def _labels(self, start: int, most: int | None = None) -> NDArray[np.int64]:
        return self._images.labels[:most][start : start + self._batch]

    def _seen(self, start: int, most: int | None = None) -> Any:
        """Return a batch of the first `most` images as the model sees them."""
        import tensorflow as tf

        some = self._images.images[:most][start : start + self._batch]
        return forward.as_seen(tf.convert_to_tensor(some), self._pixels)

    def _values(self, start: int, most: int | None, only: Collection[Tensor]) -> dict[Tensor, Any]:
        """Return the values of some tensors for a batch, the scores before their activation."""
        some = self._images.images[:most][start : start + self._batch]
        with self._head.before_activation():
            return self._looking.values(some, self._pixels, list(only), self._head.cut)

    def _scores(self, values: dict[Tensor, Any]) -> Scores:
        return np.asarray(self._head.scores(values[self._head.tensor]).numpy())

    def _slopes(self, reading: Reading) -> Scores:
        """Return (K, P, U), how much each score changes with a unit at a position: the same for every image.

        An image is taken once for each score, so that one backward pass gives the slopes of all of these.
        """
        import tensorflow as tf

        needed = {reading.tensor, *self._graph.given_to_change(reading.tensor, self._head.tensor)}
        values = self._values(0, 1, {*needed, self._head.tensor})
        classes = self._scores(values).shape[1]
        most = max(1, _TOGETHER // max(int(np.prod(values[reading.tensor].shape)), 1))
        found = []
        for first in range(0, classes, most):
            count = min(most, classes - first)
            tiled = {tensor: tf.repeat(values[tensor], count, axis=0) for tensor in needed}
            with self._head.before_activation(), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(tiled[reading.tensor])
                again = self._graph.again(tiled, reading.tensor, tiled[reading.tensor], self._head.tensor)
                own = tf.linalg.diag_part(self._head.scores(again)[:, first : first + count])
            slope = tape.gradient(own, tiled[reading.tensor], unconnected_gradients=tf.UnconnectedGradients.ZERO)
            found.append(_flat(units_last(slope, reading)))
        return np.concatenate(found)


def _watching(tape: Any, tensors: Sequence[Tensor]) -> Callable[[Tensor, Any], None]:
    """Return what makes the tape watch the values of some tensors as soon as they are there."""

    def watch(tensor: Tensor, value: Any) -> None:
        if tensor in tensors:
            tape.watch(value)

    return watch


def _flat(values: Any) -> Scores:
    """Return values (B, *positions, U) as (B, P, U)."""
    plain = np.asarray(values)
    return plain.reshape(len(plain), -1, plain.shape[-1])


def _order(images: int, seed: int) -> NDArray[np.int64]:
    """Return for each image of a batch another one."""
    order = np.random.default_rng(seed).permutation(images)
    back = np.empty_like(order)
    back[order] = np.roll(order, 1)  # one circle through all of them, so that none gets its own
    return back


def _changes(off: Scores, slopes: Scores) -> Scores:
    """Return (B, U, K) changes of the scores. off: (B, P, U); slopes: (K, P, U)."""
    by_unit = np.matmul(np.moveaxis(off, 2, 0), np.moveaxis(slopes, 2, 0).transpose(0, 2, 1))
    return np.moveaxis(by_unit, 0, 1)


def _answers(scores: Scores, moved: Scores, labels: NDArray[np.int64]) -> Answers:
    """Return what becomes of images. scores: (B, K) before; moved: (B, A, K) how they change."""
    after = scores[:, np.newaxis] + moved
    return Answers(
        _right(scores, moved, labels), (_lead(after, labels) - _lead(scores[:, np.newaxis], labels)).astype(np.float32)
    )


def _right(scores: Scores, moved: Scores, labels: NDArray[np.int64]) -> Flags:
    """Return (B, A) whether the model is right. scores: (B, K) before; moved: (B, A, K) how they change."""
    return np.asarray((scores[:, np.newaxis] + moved).argmax(axis=-1) == labels[:, np.newaxis])


def _led(scores: Scores, moved: Scores, labels: NDArray[np.int64]) -> Answers:
    """Return the same where only the margin of the true class is known to move. moved: (B, A)."""
    lead = _lead(scores[:, np.newaxis], labels)
    before = (scores.argmax(axis=1) == labels)[:, np.newaxis]
    return Answers(np.where(moved == 0, before, lead + moved > 0), moved)


def _lead(scores: Scores, labels: NDArray[np.int64]) -> Scores:
    """Return (B, A), by how much the true class leads the best of the others. scores: (B, A, K)."""
    images = np.arange(len(labels))
    others = scores.copy()
    others[images, :, labels] = -np.inf
    return np.asarray(scores[images, :, labels] - others.max(axis=-1))


def _margin(scores: Any, labels: NDArray[np.int64]) -> Any:
    """Return (B,) of the tape, by how much the true class leads the best of the others."""
    import tensorflow as tf

    true = tf.one_hot(labels, scores.shape[1], dtype=scores.dtype)
    best = tf.reduce_max(tf.where(true > 0, tf.fill(tf.shape(scores), scores.dtype.min), scores), axis=1)
    return tf.reduce_sum(tf.where(true > 0, scores, tf.zeros_like(scores)), axis=1) - best


def _swept(parts: Sequence[Sweep]) -> Sweep:
    """Return the sweeps of batches as one."""
    return Sweep(
        np.concatenate([one.scores for one in parts]),
        {
            place: Linear(
                np.concatenate([one.linear[place].alone for one in parts]),
                np.concatenate([one.linear[place].groups for one in parts]),
            )
            for place in parts[0].linear
        },
        {place: _joined([one.first[place] for one in parts]) for place in parts[0].first},
    )


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(np.concatenate([one.right for one in parts]), np.concatenate([one.moved for one in parts]))

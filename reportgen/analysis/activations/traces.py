"""What is kept of single images in the pass: what they come to before the scores, and their highest scores.

With it images that look alike to the model are found, and labels that it contradicts. It is bounded: of very many
images every n-th one is traced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import graph as graphs
from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, Tensor
from reportgen.analysis.activations.tally import Counts
from reportgen.i18n import Text, text

Values = NDArray[np.float32]

WIDEST = 128
"""Most values that are kept of an image before the scores; more are projected onto so many random directions."""
SCORES = 16
"""Most scores that are kept of an image, its highest."""

_MOST_VALUES = 12_000_000  # of all images together: some 50 MB
_SEED = 20210418


@dataclass(frozen=True, eq=False)
class Traces:
    """What is kept of M images of a part.

    numbers: (M,) which, ascending. features: (M, D) the model's penultimate activations, D = 0 without any. scores:
    (M, T) the highest of each image, falling, as the model gives them, and classes: (M, T) whose they are. sums,
    powers: (M,) the sum of all scores, and the logarithm of the sum of their exponentials, from which shares are made.
    """

    numbers: Counts
    features: Values
    scores: Values
    classes: NDArray[np.uint32]
    sums: Values
    powers: Values

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Penultimate:
    """What feeds the layer that gives the scores. tensor: its value, (B, D), or (B, *positions, D). values: D."""

    tensor: Tensor
    values: int

    @property
    def width(self) -> int:
        """How many values of an image are kept."""
        return min(self.values, WIDEST)

    def read(self, values: Any) -> Any:
        """Return what is kept of a batch, (B, width) float32: means over positions, projected where they are many."""
        import tensorflow as tf

        values = tf.cast(values, tf.float32)
        if len(values.shape) > 2:
            values = tf.reduce_mean(values, axis=list(range(1, len(values.shape) - 1)))
        if self.values <= WIDEST:
            return values
        directions = np.random.default_rng(_SEED).standard_normal((self.values, WIDEST)) / np.sqrt(WIDEST)
        return values @ tf.constant(directions, tf.float32)


@dataclass(frozen=True)
class Traced:
    """Which images are traced: those whose number in their part is a multiple of `every`; none where that is 0."""

    every: int = 0

    def within(self, start: int, stop: int) -> slice:
        """Return where the traced ones are among the images start ... stop - 1 of a part."""
        return slice(-start % self.every, stop - start, self.every) if self.every else slice(0)


def of_model(graph: Graph) -> Penultimate | Text:
    """Return the penultimate activations of a model, or why it has none, a clause."""
    tensor = graph.output
    while (call := graph.producer(tensor)) is not None and not _has_a_say(call):
        if len(call.given) != 1:
            return text("its scores are not those of one layer")
        tensor = call.given[0]
    if call is None:
        return text("no layer with units gives its scores")
    below = call.given[0]
    if not _has_units_before(graph, below):
        return text("no layer with units comes before the one that gives its scores")
    values = below.shape[-1]
    if len(below.shape) < 2 or values is None:
        return text("what its last layer is given has no fixed size")
    return Penultimate(below, values)


def every(images: int, found: Penultimate | Text, scores: int) -> int:
    """Return of how many images one is traced, so that all fit. images: of all parts; scores: K of each."""
    width = found.width if isinstance(found, Penultimate) else 0
    each = width + 2 * min(scores, SCORES) + 4
    return max(-(-images * each // _MOST_VALUES), 1)


def of(scores: Values, features: Values, start: int, traced: Traced) -> Traces:
    """Return what is kept of a batch. scores: (B, K); features: (B, D); start: the number of the first image."""
    kept = traced.within(start, start + len(scores))
    chosen = scores[kept].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite ends the report, see `outputs.check`
        largest = chosen.max(axis=1, initial=-np.inf)
        powers = np.log(np.exp(chosen - largest[:, np.newaxis]).sum(axis=1)) + largest
        order = _highest(chosen)
    return Traces(
        numbers=start + np.arange(len(scores))[kept],
        # of every image they are all there is of the batch; of some the rest would stay in memory with them
        features=features[kept].copy() if traced.every > 1 else features[kept],
        scores=np.take_along_axis(chosen, order, axis=1).astype(np.float32),
        classes=order.astype(np.uint32),
        sums=chosen.sum(axis=1).astype(np.float32),
        powers=powers.astype(np.float32),
    )


def _highest(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the classes of the highest scores, (B, T), falling; of equal ones the first class comes first."""
    if scores.shape[1] <= SCORES:
        return np.argsort(-scores, axis=1, kind="stable")
    some = np.sort(np.argpartition(-scores, SCORES - 1, axis=1)[:, :SCORES], axis=1)  # a sort of all takes far longer
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def joined(found: Sequence[Traces]) -> Traces:
    """Return what is kept of images that follow each other as one."""
    names = ("numbers", "features", "scores", "classes", "sums", "powers")
    return Traces(*(np.concatenate([getattr(one, name) for one in found]) for name in names))


def _has_a_say(call: Call) -> bool:
    """Return whether a call weighs what it is given: activations and normalisations only pass it on."""
    weighs = graphs.has_weights(call.operation) and not layer_kinds.is_known_without_units(call.operation)
    return weighs or layer_kinds.why_not(call.operation) is None


def _has_units_before(graph: Graph, tensor: Tensor) -> bool:
    """Return whether a layer with units has a part in a value."""
    seen, waiting = set[Tensor](), [tensor]
    while waiting:
        call = graph.producer(waiting.pop())
        if call is None:
            continue
        if _has_a_say(call):
            return True
        waiting += [one for one in call.given if one not in seen]
        seen.update(call.given)
    return False

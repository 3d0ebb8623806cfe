"""Whether a model does better with its pixels in another range: some test images sent through it in both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward, probe, reading
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.collected import Collected
from reportgen.analysis.pixels import applications, input_range
from reportgen.analysis.pixels.applications import Network
from reportgen.dataset import Dataset, Part, Pixels, spread
from reportgen.intervals import gained_and_lost, paired_difference, wilson
from reportgen.record.evaluation import Scores

if TYPE_CHECKING:
    import keras

TRIED = 200
"""How many test images are sent through the model in each range, at most."""

_GAIN = 0.1  # of accuracy, at least so much where the range that was assumed is no better than chance
_SURE = 0.9  # of what the classes' shares leave open; a model that tells nothing apart has a loss of that
_ALIKE = 0.05  # how far values may be apart, as a share of their range
_LEAST = 1e-38  # probability, about float32's smallest: a limit as high as usual would hide how wrong a model is


@dataclass(frozen=True)
class Tried:
    """What a model answered in one range. right: (n,) bool. loss: (n,) cross-entropy, in nats."""

    right: NDArray[np.bool_]
    loss: Floats

    def clearly_better_than(self, other: "Tried") -> bool:
        """Return whether the loss is lower by more than two standard errors, and the accuracy not lower."""
        apart, n = other.loss - self.loss, len(self.loss)
        error = float(apart.std(ddof=1)) / np.sqrt(n) if n > 1 else np.inf
        return bool(apart.mean() > 2 * error and self.right.sum() >= other.right.sum())

    def gain_over(self, other: "Tried") -> tuple[float, float]:
        """Return the 95 % interval of the difference in accuracy."""
        return paired_difference(*gained_and_lost(other.right, self.right), len(self.right))


@dataclass(frozen=True)
class Doubt:
    """Evidence that a model expects pixels in another range than it got.

    reason: "chance": its answers are no better than chance, and much better in the other; "network": it holds a
    network that was trained on the other; "large": it takes pixels of 0 to 1 and gets floats up to 255.
    choice: what --pixels is to be. network: its name. images: how many were tried, 0 for none; assumed, other: how
    many answers were right; losses: the mean cross-entropies, assumed and other.
    """

    reason: Literal["chance", "network", "large"]
    choice: str
    network: str | None = None
    images: int = 0
    assumed: int = 0
    other: int = 0
    losses: tuple[float, float] = (0.0, 0.0)

    def with_trial(self, assumed: Tried, other: Tried) -> "Doubt":
        """Return this with the counts of a trial."""
        losses = float(assumed.loss.mean()), float(other.loss.mean())
        right = int(assumed.right.sum()), int(other.right.sum())
        return replace(self, images=len(assumed.right), assumed=right[0], other=right[1], losses=losses)


class Trial:
    """Some test images, spread evenly over the part, that can be sent through a model in any range.

    output: the kind of the model's output, as `outputs.read` has it. memory: as in options.Options.
    """

    def __init__(self, graph: Graph, dataset: Dataset, *, output: str, memory: int) -> None:
        self.graph, self.dataset = graph, dataset
        numbers = spread(len(dataset.test), TRIED)
        self._images, self._labels = dataset.test.images[numbers], dataset.test.labels[numbers]
        self._output = output
        self._batch = probe.batch_size(reading.readings(graph), dataset.image_shape, memory)
        # compiled once for all ranges, which are applied before
        axes = replace(dataset.pixels, scale=1.0, offset=0.0, flip=False)
        part = Part(np.zeros((0, *dataset.image_shape), np.float32), np.zeros(0, np.int64))
        self._run = forward.compiled(lambda images: graph.run(images, lambda _, value: value), part, axes)
        self.assumed = self.of(dataset.pixels)

    def of(self, pixels: Pixels) -> Tried:
        """Return what the model answers in this range. Raises InputError."""
        found = []
        for start in range(0, len(self._images), self._batch):
            some = pixels.of(self._images[start : start + self._batch].astype(np.float32))
            with forward.faults_named(some):
                found.append(np.asarray(self._run(some), np.float64))
        shares = _shares(np.concatenate(found), self._output)
        of_label = shares[np.arange(len(shares)), self._labels]
        right = shares.argmax(axis=1) == self._labels
        return Tried(right, -np.log(np.clip(of_label, _LEAST, 1.0)))


def doubt(
    model: "keras.Model", dataset: Dataset, choices: Mapping[str, Pixels], found: Collected, *, memory: int
) -> Doubt | None:
    """Return the strongest evidence that the model expects another range than `dataset.pixels`; None without any.

    choices: the ways to the ranges that there are, by the words of --pixels. found: what the report says.
    No image is sent through the model unless something points to another range. Raises InputError.
    """
    graph, test = Graph(model), found.evaluation["test"]
    others = {choice: pixels for choice, pixels in choices.items() if not _same(pixels, dataset.pixels)}
    if not others or input_range.reads_tokens(graph):  # numbers of tokens have no range to be in
        return None
    at_chance = test is not None and _at_chance(test)
    network = _suspect(graph, dataset.pixels, choices)
    large = _is_large(dataset) and "0-1" in others
    wants = input_range.wanted(model, dataset.test.images.dtype) if large else "as stored"
    if at_chance or network or wants is None:
        trial = Trial(graph, dataset, output=found.model.output, memory=memory)
        better = _better_by_far(trial, others) if at_chance else None
        if not better and network:
            better = _of_network(trial, others, *network)
        if not better and wants is None:
            better = _too_large(trial, others["0-1"])
        if better:
            return better
    return Doubt("large", "0-1") if wants == 1 else None


def _at_chance(test: Scores) -> bool:
    """Return whether the answers may be no better than naming the largest class; with one class nothing can be."""
    table = np.array(test.confusion)
    largest, total = int(table.sum(axis=1).max()), int(table.sum())
    return largest < total and wilson(test.correct, total)[0] <= largest / total


def _better_by_far(trial: Trial, others: Mapping[str, Pixels]) -> Doubt | None:
    tried = {choice: trial.of(pixels) for choice, pixels in others.items()}
    choice = max(tried, key=lambda one: tried[one].right.sum())  # the first of equals: the loss speaks for large pixels
    if tried[choice].gain_over(trial.assumed)[0] < _GAIN:
        return None
    return Doubt("chance", choice).with_trial(trial.assumed, tried[choice])


def _suspect(graph: Graph, now: Pixels, choices: Mapping[str, Pixels]) -> tuple[Network, str] | None:
    """Return a trained network that gets other pixels than it was trained on, and the choice that would give them."""
    network = applications.held(graph)
    if network is None or network.mode not in choices:
        return None
    before = input_range.at(graph, network.given)
    if before is None or np.size(choices[network.mode].scale) not in (1, 3):
        return None
    unit = choices["0-1"].scale
    ends = 0.0, 1 / float(np.max(unit))  # of stored pixels

    def given(pixels: Pixels, before: input_range.Arithmetic) -> tuple[bool, Floats]:
        seen = np.stack([pixels.of(np.full(3, end)) for end in ends])
        seen = seen[:, ::-1] if before.flip else seen
        return pixels.flip != before.flip, seen * before.scale + before.offset

    flip, wanted = given(choices[network.mode], input_range.Arithmetic(np.ones(3), np.zeros(3), False))
    near = _ALIKE * float(np.ptp(wanted))

    def fits(pixels: Pixels) -> bool:
        is_flipped, seen = given(pixels, before)
        return is_flipped == flip and bool((np.abs(seen - wanted) <= near).all())

    choice = None if fits(now) else next((choice for choice, pixels in choices.items() if fits(pixels)), None)
    return None if choice is None else (network, choice)


def _of_network(trial: Trial, others: Mapping[str, Pixels], network: Network, choice: str) -> Doubt | None:
    """Return the doubt unless the trial shows that the model was trained further on pixels as they are assumed."""
    tried = trial.of(others[choice])
    if trial.assumed.clearly_better_than(tried) or trial.assumed.gain_over(tried)[0] > 0:
        return None
    return Doubt("network", choice, network.name).with_trial(trial.assumed, tried)


def _is_large(dataset: Dataset) -> bool:
    """Return whether the images are floats of 0 to 255 that reach the model as they are."""
    pixels, surveys = dataset.pixels, [part.survey for part in dataset.parts.values()]
    if dataset.test.images.dtype.kind != "f" or not _same(pixels, replace(pixels, scale=1.0, offset=0.0, flip=False)):
        return False
    low, high = min(float(one.low.min()) for one in surveys), max(float(one.high.max()) for one in surveys)
    return low >= 0 and 1.5 < high <= 255


def _too_large(trial: Trial, unit: Pixels) -> Doubt | None:
    """Return the doubt where the model is clearly better with pixels of 0 to 1, and tells the classes apart there.

    Pixels 255 times too small bring every answer of a model near the classes' shares, which is better than being
    wrong and sure.
    """
    tried = trial.of(unit)
    shares = np.bincount(trial.dataset.test.labels) / len(trial.dataset.test)
    chance = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    if not tried.clearly_better_than(trial.assumed) or tried.loss.mean() > _SURE * chance:
        return None
    return Doubt("large", "0-1").with_trial(trial.assumed, tried)


def _same(one: Pixels, other: Pixels) -> bool:
    pairs = (one.scale, other.scale), (one.offset, other.offset)
    return one.flip == other.flip and all(np.allclose(a, b, rtol=1e-4, atol=1e-9) for a, b in pairs)


def _shares(scores: Floats, output: str) -> Floats:
    """Return (n, K) probabilities; of scores that are no numbers, all 0. output: as `outputs.read` has it."""
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    if scores.shape[1] == 1:
        first = np.zeros_like(scores) if output == "logits" else 1 - scores
        scores = np.hstack([first, scores])
    if output == "logits":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = scores / np.maximum(scores.sum(axis=1, keepdims=True), _LEAST)
    return shares

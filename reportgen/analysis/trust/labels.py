"""Labels that look wrong, by confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70), and how well that works.

The threshold of a class is the mean probability that images labelled so get for it. An image is a candidate where,
among the classes whose threshold its probabilities reach, the most probable one is not its label: an off-diagonal
entry of the confident joint.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.traces import Traces, Values
from reportgen.analysis.trust import neighbours

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

VOTERS = 15
"""Nearest neighbours that vote on a label."""
SHARE = 0.01
"""Labels that are flipped to see how well the search works."""
DRAWS = 20

_MOST_VOTES = 2000
_MOST_FLIPPED = 200_000  # images of all draws together
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Probabilities:
    """What a model gives N images. shares: (N, T) the highest probabilities, falling; classes: (N, T) whose they are.

    number: K, of all classes. rest: (N,) what each class that is not among those gets: their sum is shared evenly.
    """

    shares: Floats
    classes: NDArray[np.int64]
    number: int
    rest: Floats

    def of(self, labels: Labels) -> Floats:
        """Return the probability of one class of each image, (N,)."""
        hit = self.classes == labels[:, np.newaxis]
        return np.where(hit.any(axis=1), np.where(hit, self.shares, 0).sum(axis=1), self.rest)


@dataclass(frozen=True, eq=False)
class Found:
    """The candidates among N images. suggested: (N,) the class of each, -1 of an image that is none.

    scores: (N,) probability of the suggested class less that of the label, -inf of an image that is no candidate.
    """

    suggested: Labels
    scores: Floats

    @property
    def ranked(self) -> Labels:
        """The numbers of the candidates, the highest score first, of equals the lower number."""
        candidates = np.flatnonzero(self.suggested >= 0)
        return candidates[np.argsort(-self.scores[candidates], kind="stable")]


def probabilities(traces: Traces, output: str, number: int) -> Probabilities:
    """Return what a model gives the images that were traced. output: as `outputs.read` has it; number: K, from 2."""
    scores = traces.scores.astype(np.float64)
    if scores.shape[1] == 1:  # of the second of two classes; a logit of the first is 0
        return _of_two(np.exp(-np.logaddexp(0, -scores[:, 0])) if output == "logits" else scores[:, 0])
    logarithms = traces.powers[:, np.newaxis]
    shares = np.exp(scores - logarithms) if output == "logits" else scores / traces.sums[:, np.newaxis]
    classes = traces.classes.astype(np.int64)
    others = number - shares.shape[1]
    left = np.clip(1 - shares.sum(axis=1), 0, None)
    return Probabilities(shares, classes, number, left / others if others else np.zeros(len(left)))


def candidates(given: Probabilities, labels: Labels) -> Found:
    """Return the labels that look wrong. labels: (N,) below K."""
    own = given.of(labels)
    images = np.bincount(labels, minlength=given.number)
    sums = np.bincount(labels, own, minlength=given.number)
    thresholds = np.divide(sums, images, out=np.full(given.number, np.inf), where=images > 0)
    reached = given.shares >= thresholds[given.classes] - _ROUNDING
    first = reached.argmax(axis=1)  # shares fall, so this is the most probable one
    rows = np.arange(len(labels))
    suggested, highest = given.classes[rows, first], given.shares[rows, first]
    is_one = reached[rows, first] & (suggested != labels)
    return Found(np.where(is_one, suggested, -1), np.where(is_one, highest - own, -np.inf))


def agreed(found: Found, features: Values, labels: Labels) -> tuple[Found, int]:
    """Return those candidates whose suggested class wins a vote of the 15 nearest other images, and how many voted on.

    features: (N, D) penultimate activations. A tie agrees with nothing. Of very many candidates only those of the
    highest scores are voted on, and the others are none.
    """
    asked = np.sort(found.ranked[:_MOST_VOTES])
    suggested = np.full(len(labels), -1, np.int64)
    if len(asked) and len(labels) > 1:
        nearest, _ = neighbours.among_all(features, asked, VOTERS)
        votes = np.zeros((len(asked), int(max(labels.max(), found.suggested.max())) + 1), np.int64)
        np.add.at(votes, (np.arange(len(asked))[:, np.newaxis], labels[nearest]), 1)
        most = votes.max(axis=1)
        wins = (votes[np.arange(len(asked)), found.suggested[asked]] == most) & (
            (votes == most[:, np.newaxis]).sum(1) == 1
        )
        suggested[asked[wins]] = found.suggested[asked[wins]]
    return Found(suggested, np.where(suggested >= 0, found.scores, -np.inf)), len(asked)


def flipped(
    labels: Labels, chances: Floats, count: int, generator: np.random.Generator
) -> tuple[Labels, NDArray[np.bool_]]:
    """Return labels of which `count`, drawn evenly, became another class, and which did.

    chances: (K, K) how likely each class becomes each other one, rows in any scale; a class never stays what it is.
    """
    chosen = np.sort(generator.choice(len(labels), count, replace=False))
    ways = chances * (1 - np.eye(len(chances)))
    nowhere = ways.sum(axis=1) == 0
    ways[nowhere] = 1 - np.eye(len(chances))[nowhere]
    ends = np.cumsum(ways, axis=1)[labels[chosen]]
    drawn = generator.random(count) * ends[:, -1]
    made, changed = labels.copy(), np.zeros(len(labels), np.bool_)
    made[chosen] = (ends <= drawn[:, np.newaxis]).sum(axis=1)
    changed[chosen] = True
    return made, changed


def planted(given: Probabilities, labels: Labels, chances: Floats, *, seed: int) -> float:
    """Return the mean average precision of the search where 1 % of the labels are flipped, over `draws`.

    All images are ranked, candidates by their score and before all others. chances: see `flipped`. Labels that looked
    wrong before count as mistakes of the search, so it does no worse than that.
    """
    found = []
    for draw in range(draws(labels)):
        made, changed = flipped(labels, chances, count(labels), np.random.default_rng([seed, draw]))
        scores = candidates(given, made).scores
        found.append(average_precision(changed, np.where(np.isfinite(scores), scores, -2.0)))
    return float(np.mean(found))


def average_precision(wanted: NDArray[np.bool_], scores: Floats) -> float:
    """Return the mean of the precisions at each of the scores, weighed by the recall that it adds; (n,) each.

    As scikit-learn has it, which takes a second to load.
    """
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(wanted[order])
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # equal scores are found together
    return float((np.diff(found[last], prepend=0) * found[last] / (last + 1)).sum() / found[-1])


def count(labels: Labels) -> int:
    """Return how many labels are flipped: 1 %, and one at least."""
    return max(round(SHARE * len(labels)), 1)


def draws(labels: Labels) -> int:
    """Return how often labels are flipped: less often where there are many, of which each draw says more."""
    return min(max(_MOST_FLIPPED // len(labels), 1), DRAWS)


def confusions(given: Probabilities, labels: Labels) -> Floats:
    """Return (K, K) the sum of the probabilities that images of each class, by row, get for each class."""
    found = np.zeros((given.number, given.number))
    np.add.at(found, (labels[:, np.newaxis], given.classes), given.shares)
    return found


def _of_two(second: Floats) -> Probabilities:
    """Return the probabilities of two classes from that of the second, (N,)."""
    both = np.stack([1 - second, second], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")
    return Probabilities(np.take_along_axis(both, order, axis=1), order, 2, np.zeros(len(second)))

"""What makes a unit fire: the class that it tells apart best, and how much of its variance classes explain."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally, kept_rank
from reportgen.analysis.units import moments
from reportgen.analysis.units.facts import Thresholds

Flags = NDArray[np.bool_]

SHUFFLES = 200
_TOGETHER = 10  # shuffles that share one pass over the responses
_BLOCK = 256  # units looked at together, so that what is sorted stays small


@dataclass(frozen=True)
class Selectivity:
    """What classes have to do with U units, (U,) each; NaN, and of `chosen` -1, where undefined.

    responsive: whether the response differs between images, so that there is something to measure. chosen: the class
    with the highest AUROC on one half of the kept images. auroc, hit_rate, false_alarm_rate: of that class on the
    other half. index, index_null: class selectivity and its mean over shuffled labels. eta2: the share of the
    variance between classes, less what chance gives.
    """

    responsive: Flags
    chosen: Counts
    auroc: Floats
    hit_rate: Floats
    false_alarm_rate: Floats
    index: Floats
    index_null: Floats
    eta2: Floats


def measure(
    plan: LayerPlan, tally: LayerTally, labels: Counts, responsive: Flags, thresholds: Thresholds
) -> Selectivity:
    """Return what s_mean has to do with the classes.

    labels: (N,) by image number. responsive: (U,) units to look at; all is undefined for others and for those that
    are the same on every kept image.
    """
    of_kept = labels[tally.kept_images]
    responsive = responsive & (np.ptp(tally.kept, axis=0) > 0)
    chosen, rates = _detection(tally.kept, of_kept, half(tally.kept_images, of_kept), thresholds)
    index = class_selectivity(tally.kept, of_kept)
    index[:, tally.smallest < 0] = np.nan
    figures = np.stack([*rates, *index, eta_squared(plan, tally)])
    figures[:, ~responsive] = np.nan
    return Selectivity(responsive, np.where(responsive, chosen, -1), *figures)


def half(images: Counts, labels: Counts) -> Flags:
    """Return which of the (M,) images are in the scoring half: every second of each class, by rank.

    Which half an image is in depends on which images there are, not on their order.
    """
    order = np.lexsort((kept_rank(images), labels))
    sizes = np.bincount(labels)
    within = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    scored = np.empty(len(labels), np.bool_)
    scored[order] = within % 2 == 1
    return scored


@dataclass(frozen=True)
class Ranked:
    """The responses of each unit in ascending order, (U, n), and the class of the image that each belongs to."""

    responses: NDArray[np.float32]
    labels: Counts

    @property
    def first_of_equals(self) -> Flags:
        """(U, n): whether a response is larger than the one before it."""
        first = np.ones(self.responses.shape, np.bool_)
        first[:, 1:] = self.responses[:, 1:] > self.responses[:, :-1]
        return first

    def mean_ranks(self) -> Floats:
        """Return (U, n) ranks from 1; equal responses share the mean of theirs."""
        place = np.arange(self.responses.shape[1])
        first = self.first_of_equals
        last = np.roll(first, -1, axis=1)
        last[:, -1] = True
        start = np.maximum.accumulate(np.where(first, place, 0), axis=1)
        end = np.minimum.accumulate(np.where(last, place, place[-1])[:, ::-1], axis=1)[:, ::-1]
        return (start + end) / 2 + 1


def ranked(responses: NDArray[np.float32], labels: Counts) -> Ranked:
    """Order the responses of each unit. responses: (n, U). labels: (n,)."""
    by_unit = np.ascontiguousarray(responses.T)
    order = np.argsort(by_unit, axis=1)
    return Ranked(np.take_along_axis(by_unit, order, axis=1), labels[order])


def auroc(units: Ranked, classes: int) -> Floats:
    """Return (U, K) the area under the ROC curve of each class against the rest, NaN where either has no image.

    The chance that an image of the class has the larger response than another, equals counting half
    (Mann & Whitney 1947). All units and classes from one ranking: scikit-learn ranks anew for each pair of them, 4.3 s
    for 64 units, 10 classes and 5,000 images.
    """
    rows, total = units.labels.shape
    cell = units.labels + classes * np.arange(rows)[:, None]
    rank_sums = np.bincount(cell.ravel(), weights=units.mean_ranks().ravel(), minlength=rows * classes)
    own = np.bincount(units.labels[0], minlength=classes)
    pairs = np.where(own * (total - own) > 0, own * (total - own), np.nan)
    areas: Floats = (rank_sums.reshape(rows, classes) - own * (own + 1) / 2) / pairs
    return areas


def best_threshold(units: Ranked, chosen: Counts) -> tuple[Floats, Floats]:
    """Return (U,) hit and false-alarm rate of "response >= t" for each unit's class, at the best t.

    The best t has the largest hit rate - false-alarm rate (Youden 1950), of equals the highest. Both the class of
    each unit and the rest must have images.
    """
    own = units.labels == chosen[:, None]
    hits = np.cumsum(own[:, ::-1], axis=1)  # from the highest response down
    alarms = np.arange(1, own.shape[1] + 1) - hits
    hit_rates, alarm_rates = hits / hits[:, -1:], alarms / alarms[:, -1:]
    youden = np.where(units.first_of_equals[:, ::-1], hit_rates - alarm_rates, -np.inf)
    best = youden.argmax(axis=1)[:, None]
    return np.take_along_axis(hit_rates, best, 1)[:, 0], np.take_along_axis(alarm_rates, best, 1)[:, 0]


def class_selectivity(responses: NDArray[np.float32], labels: Counts, seed: int = 0) -> Floats:
    """Return (2, U): class selectivity (Morcos et al. 2018), and its mean over 200 shuffles of the labels.

    responses: (M, U), none negative. labels: (M,). (m - rest) / (m + rest) of the largest class mean m and the mean
    of the other class means. NaN with fewer than two classes and for units that are 0 throughout.
    """
    present, labels = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        return np.full((2, responses.shape[1]), np.nan)
    generator = np.random.default_rng(seed)
    labellings = np.stack([labels, *(generator.permutation(labels) for _ in range(SHUFFLES))])
    found = np.concatenate([_indices(block, labellings, len(present)) for block in _blocks(responses)], axis=1)
    return np.stack([found[0], found[1:].mean(axis=0)])


def eta_squared(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) SS between classes / SS total of s_mean, minus (K - 1) / (N - 1), what chance gives on average.

    Negative where classes explain less than chance would. NaN with fewer than two classes and without variance.
    """
    with_images = tally.class_images > 0
    classes = int(with_images.sum())
    if classes < 2:
        return np.full(plan.units, np.nan)
    total, within = moments.pooled_variance(tally), moments.within_class_variance(tally)
    explained = np.divide(total - within, total, out=np.full_like(total, np.nan), where=moments.varies(plan, tally))
    found: Floats = explained - (classes - 1) / (tally.images - 1)
    return found


def _detection(
    responses: NDArray[np.float32], labels: Counts, scored: Flags, thresholds: Thresholds
) -> tuple[Counts, Floats]:
    """Return (U,) the class chosen on one half; (3, U) its AUROC, hit and false-alarm rate on the other."""
    classes = _candidates(labels, scored, thresholds)
    if not classes.size:
        return np.full(responses.shape[1], -1), np.full((3, responses.shape[1]), np.nan)
    chosen, rates = [], []
    for block in _blocks(responses):
        choosing = auroc(ranked(block[~scored], labels[~scored]), labels.max() + 1)
        best = classes[choosing[:, classes].argmax(axis=1)]
        other = ranked(block[scored], labels[scored])
        area = np.take_along_axis(auroc(other, labels.max() + 1), best[:, None], axis=1)[:, 0]
        chosen.append(best)
        rates.append(np.stack([area, *best_threshold(other, best)]))
    return np.concatenate(chosen), np.concatenate(rates, axis=1)


def _candidates(labels: Counts, scored: Flags, thresholds: Thresholds) -> Counts:
    """Return the classes that have enough images, and leave enough to the rest, in both halves."""
    enough = np.ones(labels.max() + 1, np.bool_)
    for part in (labels[scored], labels[~scored]):
        own = np.bincount(part, minlength=len(enough))
        enough &= np.minimum(own, len(part) - own) >= thresholds.class_images
    return np.flatnonzero(enough)


def _indices(responses: NDArray[np.float32], labellings: Counts, classes: int) -> Floats:
    """Return (S, U) class selectivity under each of the (S, M) labellings. responses: (M, U)."""
    sizes = np.bincount(labellings[0])
    found = []
    for start in range(0, len(labellings), _TOGETHER):
        sums = _class_sums(responses.astype(np.float64), labellings[start : start + _TOGETHER], classes)
        means = sums / sizes[:, None]
        largest = means.max(axis=1)
        rest = (means.sum(axis=1) - largest) / (classes - 1)
        total = largest + rest
        found.append(np.divide(largest - rest, total, out=np.full_like(total, np.nan), where=total > 0))
    return np.concatenate(found)


def _class_sums(responses: Floats, labellings: Counts, classes: int) -> Floats:
    """Return (S, K, U) the sum of (M, U) responses over each class of each of (S, M) labellings.

    A sparse product: the cost does not grow with K, and one pass over the responses serves all labellings.
    """
    from scipy.sparse import csc_array

    count, images = labellings.shape
    rows = labellings.T + classes * np.arange(count)
    starts = np.arange(0, count * images + 1, count)
    belongs = csc_array((np.ones(rows.size), rows.ravel(), starts), shape=(count * classes, images))
    sums: Floats = (belongs @ responses).reshape(count, classes, -1)
    return sums


def _blocks(responses: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the columns of (M, U) some at a time."""
    for start in range(0, responses.shape[1], _BLOCK):
        yield responses[:, start : start + _BLOCK]

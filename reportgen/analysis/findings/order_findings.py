"""Whether the classes of the data stand in another order than those of the model."""

from collections.abc import Sequence

import numpy as np

from reportgen.analysis.activations.tally import Counts
from reportgen.analysis.phrases import LEVEL, label, listed
from reportgen.format import percent, points
from reportgen.i18n import text
from reportgen.intervals import paired_difference, wilson
from reportgen.record.evaluation import Scores
from reportgen.record.finding_kinds import finding
from reportgen.record.units import Finding
from reportgen.thresholds import FindingThresholds

_SEED = 0
_NAMED = 3
_SUPPORT = 0.75
"""So many of the classes of a cycle must be taken for their match more often than for themselves. A model that names
one class for two has a cycle, too, but one half of it at most would gain."""


def find(test: Scores, thresholds: FindingThresholds) -> Finding | None:
    """Return class-order where the answers fit the labels far better with the classes in another order.

    The order is chosen on one half of the images and scored on the other, so that chance gains nothing. It must gain
    `order_gain` of accuracy, by the low end of the 95 % interval, and be as much better than naming one class always.
    """
    table: Counts = np.array(test.confusion, np.int64)
    total, right = int(table.sum()), int(table.trace())
    if int(table.max(axis=1).sum()) - right < thresholds.order_gain * total:
        return None  # no order can gain as much, and finding one of many classes takes its time
    chosen, scored = _halves(table)
    order, rows = _order(chosen), np.arange(len(table))
    images, moved = int(scored.sum()), order != rows
    matched = int(scored[rows, order].sum())
    gained, lost = int(scored[rows, order][moved].sum()), int(scored[rows, rows][moved].sum())
    low, high = paired_difference(gained, lost, images)
    largest = int(table.sum(axis=1).max()) / total
    if low < thresholds.order_gain or wilson(matched, images)[0] < largest + thresholds.order_gain:
        return None
    message = text(
        "The classes seem to stand in another order than the model's: it mostly takes images labelled {pairs}. Test"
        " accuracy is {before}; with the classes matched on one half of the images it is {after} on the other"
        " ({level} interval of the gain: {least} to {most} points). Name the classes in the model's order with"
        " --class-names, or number integer labels as the model does.",
        pairs=_pairs(table, order, [row.label for row in test.classes]),
        before=percent(right / total),
        after=percent(matched / images),
        level=LEVEL,
        least=points(low),
        most=points(high),
    )
    return finding("class-order", message)


def _halves(table: Counts) -> tuple[Counts, Counts]:
    """Return the confusion matrices (K, K) of two halves into which the images fall at random."""
    first = np.random.default_rng(_SEED).binomial(table, 0.5)
    return first, table - first


def _order(table: Counts) -> Counts:
    """Return (K,) for which class the images of each are to be taken so that most answers are right.

    Of that permutation only the cycles stay that most of their classes speak for, see `_SUPPORT`; every other class
    is itself.
    """
    stay = np.arange(len(table))
    if (table.max(axis=1) == table.diagonal()).all():  # no class is taken for another more often than for itself
        return stay
    from scipy.optimize import linear_sum_assignment

    order: Counts = linear_sum_assignment(table, maximize=True)[1]
    gains = np.asarray(table[stay, order] > table[stay, stay])
    images = np.asarray(table.any(axis=1))
    found = stay.copy()
    for cycle in _cycles(order):
        if gains[cycle].sum() >= _SUPPORT * images[cycle].sum():
            found[cycle] = order[cycle]
    return found


def _cycles(order: Counts) -> list[list[int]]:
    """Return the cycles of a permutation, those of a single class left out."""
    found, seen = [], set[int]()
    for start in range(len(order)):
        cycle, at = list[int](), start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = int(order[at])
        if len(cycle) > 1:
            found.append(cycle)
    return found


def _pairs(table: Counts, order: Counts, names: Sequence[str]) -> str:
    """Return which classes are mostly taken for which: the first of those with the most images."""
    moved = [k for k in np.argsort(-table.sum(axis=1), kind="stable").tolist() if order[k] != k and table[k].any()]
    said = [text("{true} for {predicted}", true=label(names[k]), predicted=label(names[order[k]])) for k in moved]
    return listed(said[:_NAMED], len(said))

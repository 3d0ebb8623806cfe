"""The same images answered with and without units: changes of recall and accuracy, and whether chance explains them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reportgen.intervals import paired_difference
from reportgen.record.effects import ClassEffect, Effect, Permuted

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
Flags = NDArray[np.bool_]

LEVEL = 0.05
"""The chance of one false alarm among all units and classes of a layer."""
MOST_CLASSES = 20
"""Up to so many classes all are listed, of more those whose recall changes most."""
_LISTED = 10


@dataclass(frozen=True)
class Counts:
    """Images whose answer changes without units. gained, lost: (U, K + 1) by true class, all of them last.

    images: (K + 1,) how many there are.
    """

    gained: Ints
    lost: Ints
    images: Ints

    def of(self, units: Sequence[int] | Ints) -> "Counts":
        """Return those of some units."""
        return Counts(self.gained[units], self.lost[units], self.images)

    @property
    def changes(self) -> Floats:
        """(U, K + 1) the change of recall and, last, of accuracy; NaN of a class without images."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.gained - self.lost) / self.images)


def count(before: Flags, after: Flags, labels: Ints, classes: int) -> Counts:
    """Count the images whose answer changes.

    before: (N,) whether the model is right about each image; after: (N, U) whether it is without each unit. labels:
    (N,) true classes.
    """
    one_hot = np.zeros((classes + 1, len(labels)))
    one_hot[labels, np.arange(len(labels))] = 1
    one_hot[-1] = 1
    gained = (one_hot @ (~before[:, np.newaxis] & after)).T
    lost = (one_hot @ (before[:, np.newaxis] & ~after)).T
    return Counts(gained.astype(np.int64), lost.astype(np.int64), one_hot.sum(axis=1).astype(np.int64))


def mcnemar(gained: Ints, lost: Ints) -> Floats:
    """Return the two-sided p of McNemar's exact test: whether as many answers change to right as to wrong."""
    from scipy.special import bdtr

    pairs = gained + lost
    return np.asarray(np.minimum(2 * bdtr(np.minimum(gained, lost).astype(np.float64), pairs, 0.5), 1.0))


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number by Holm's step-down procedure, of the same shape."""
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    stepped = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.reshape(p.shape)


def certain(found: Counts) -> Flags:
    """Return (U, K + 1) which changes chance is ruled out for: of all units and classes together, and of accuracy."""
    sure, there = np.zeros(found.gained.shape, np.bool_), np.flatnonzero(found.images[:-1])
    for columns in (there, np.array([-1])):
        sure[:, columns] = holm(mcnemar(found.gained[:, columns], found.lost[:, columns])) <= LEVEL
    return sure


def effects(
    found: Counts, methods: Sequence[str], labels: Sequence[str], permuted: Counts, asked: Flags
) -> list[Effect]:
    """Return the effects of U units, significant after Holm's correction over all of them and their classes.

    methods: of each unit. labels: of the K classes. permuted: with the outputs of each unit permuted over images;
    asked: (U,) for which units that was done.
    """
    there, sure = np.flatnonzero(found.images[:-1]), certain(found)
    shown = asked & sure.any(axis=1)
    changes = found.changes
    listed = [_listed(changes[unit], there) for unit in range(len(changes))]
    return [
        Effect(
            method=methods[unit],
            classes=[
                ClassEffect(
                    labels[k], _rounded(changes[unit, k]), _interval(found, unit, int(k)), bool(sure[unit, k])
                )
                for k in listed[unit]
            ],
            accuracy_change=_rounded(changes[unit, -1]),
            interval=_interval(found, unit, -1),
            reason=None,
            significant=bool(sure[unit, -1]),
            not_listed=int((changes[unit, there] != 0).sum()) - int((changes[unit, listed[unit]] != 0).sum()),
            permuted=_permuted(permuted, unit) if shown[unit] else None,
        )
        for unit in range(len(changes))
    ]  # fmt: skip


def _permuted(found: Counts, unit: int) -> Permuted:
    """Return what becomes of the accuracy with another image's output."""
    return Permuted(_rounded(found.changes[unit, -1]), _interval(found, unit, -1))


def _listed(changes: Floats, there: Ints) -> Ints:
    """Return the classes that are listed, in their order."""
    if len(there) <= MOST_CLASSES:
        return there
    moved = there[changes[there] != 0]
    return np.sort(moved[np.argsort(-np.abs(changes[moved]), kind="stable")[:_LISTED]])


def _interval(found: Counts, unit: int, at: int) -> list[float]:
    interval = _paired(int(found.gained[unit, at]), int(found.lost[unit, at]), int(found.images[at]))
    return [_rounded(end) for end in interval]


def _rounded(share: float) -> float:
    """Return a share as it is kept: to a millionth, as there are as many of them as units times classes."""
    return round(float(share), 6)


_paired = cache(paired_difference)

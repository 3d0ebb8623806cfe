"""What changed pictures do to a model, in figures: accuracy, the weakest class, and the units that die or move."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen import intervals
from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan
from reportgen.analysis.effects import paired
from reportgen.analysis.shifts.passes import Responses
from reportgen.analysis.units import states
from reportgen.analysis.units.facts import Thresholds
from reportgen.record.shifts import ShiftedClass, ShiftedLayer

Right = NDArray[np.bool_]
"""(N,) whether the model is right about each image."""


def accuracy(right: Right) -> tuple[float, list[float]]:
    """Return the share that is right, and Wilson's interval."""
    return float(right.mean()), list(intervals.wilson(int(right.sum()), len(right)))


def change(before: Right, after: Right) -> tuple[float, list[float]]:
    """Return by how much accuracy changes on the same images, and the paired interval."""
    gained, lost = intervals.gained_and_lost(before, after)
    return (gained - lost) / len(before), list(intervals.paired_difference(gained, lost, len(before)))


def chance_of_fall(before: Right, after: Right) -> float:
    """Return how likely so many more lost than gained images are by chance: McNemar's exact test, one-sided."""
    gained, lost = intervals.gained_and_lost(before, after)
    return intervals.chance_of_at_most(gained, gained + lost, 0.5)


def holm(chances: Sequence[float], level: float = 0.05) -> list[bool]:
    """Return which of several tests are significant together: Holm (1979), Scandinavian Journal of Statistics 6."""
    return [bool(p <= level) for p in paired.holm(np.array(chances, np.float64))]


def weakest(labels: Counts, before: Right, after: Right, names: Sequence[str]) -> ShiftedClass:
    """Return the class of the lowest recall, of equals the first. names: of the classes; labels: (N,) at least one."""
    images = np.bincount(labels, minlength=len(names))
    hits = np.bincount(labels[after], minlength=len(names))
    recall = np.where(images > 0, hits / np.maximum(images, 1), np.inf)
    k = int(recall.argmin())
    level = 1 - 0.05 / int((images > 0).sum())
    return ShiftedClass(
        label=names[k],
        recall=float(recall[k]),
        interval=list(intervals.wilson(int(hits[k]), int(images[k]), level=level)),
        recall_before=float(before[labels == k].mean()),
        images=int(images[k]),
    )


def layer(plan: LayerPlan, clean: Responses, shifted: Responses, thresholds: Thresholds) -> ShiftedLayer:
    """Return what a change does to a layer's units. clean, shifted: of the same images."""
    dead = states.is_dead(plan, shifted) & ~states.is_dead(plan, clean)
    stuck = states.is_saturated(plan, shifted, thresholds) & ~states.is_saturated(plan, clean, thresholds)
    by = moved(clean.pooled, shifted.pooled)
    most = int(by.argmax()) if by.any() else None
    return ShiftedLayer(
        layer=plan.layer,
        dead=np.flatnonzero(dead).tolist(),
        saturated=np.flatnonzero(stuck & ~dead).tolist(),
        moved=most,
        by=0.0 if most is None else float(by[most]),
    )


def moved(clean: NDArray[np.float32], shifted: NDArray[np.float32]) -> Floats:
    """Return (U,) by how many standard deviations of the clean responses their mean moves.

    One that does not vary on the clean images, such as a dead one, is measured by the mean deviation of those of its
    layer that do; where none does, all are 0. clean, shifted: (N, U) s_mean of the same images.
    """
    spread = clean.std(axis=0, dtype=np.float64)
    spread[np.ptp(clean, axis=0) == 0] = 0  # of equal numbers a deviation may differ from 0 by rounding
    if not spread.any():
        return np.zeros_like(spread)
    far = np.abs(shifted.mean(axis=0, dtype=np.float64) - clean.mean(axis=0, dtype=np.float64))
    found: Floats = far / np.where(spread > 0, spread, spread[spread > 0].mean())
    return found

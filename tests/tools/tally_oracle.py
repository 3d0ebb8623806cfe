"""Every count of a tally from raw outputs in plain numpy: the definition that the probe is compared with.

Shapes as in `reportgen.analysis.activations.tally`: N images, P positions of a unit's output, U units, T top images.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import (
    KEPT,
    TAIL,
    Counts,
    Floats,
    LayerPlan,
    LayerTally,
    by_class,
    class_bests,
    kept_of,
    listed,
    over_images,
)


def empty(plan: LayerPlan, classes: int, top: int) -> LayerTally:
    """Return the tally of no image, which merged with another changes nothing. classes: K. top: T."""
    values = np.empty((0, plan.positions, plan.units), np.float32)
    nothing = np.empty(0, np.int64)
    return count(plan, values, nothing, nothing, classes, top)


def count(
    plan: LayerPlan,
    values: NDArray[Any],
    labels: Counts,
    numbers: Counts,
    classes: int,
    top: int,
    *,
    repeats: Counts | None = None,
    gate: NDArray[Any] | None = None,
    keep: int = KEPT,
) -> LayerTally:
    """Tally raw outputs: the definition of every count in plain numpy, which faster ways are compared with.

    values: (N, P, U). labels: (N,) class indices below `classes`. numbers: (N,) image numbers, no two equal, in any
    order. top: T. repeats: numbers of images that show the same as an earlier one; they are counted like all others,
    but are none of a unit's strongest. gate: (N, P, U) what goes into the nonlinearity, whose sign then tells what
    fires; without it, it is that of the value, as with every leaky nonlinearity whose slopes are positive.
    """
    order = np.argsort(numbers)
    values, labels, numbers = values[order].astype(np.float64), labels[order], numbers[order]
    pooled = values.mean(axis=1)
    kept, images = kept_of(numbers, keep), by_class(labels, classes)
    peaks, different = values.max(axis=1), np.isin(numbers, [] if repeats is None else repeats, invert=True)
    return LayerTally(
        images=len(values),
        **_firing(plan, values, values if gate is None else gate[order]),
        **_moments(plan, values),
        **_histogram(plan, values),
        **_over_positions(plan, values[:, plan.sampled]),
        **over_images(plan, pooled, images),
        **class_bests(peaks, images, numbers),
        **_strongest(peaks[different], values[different].argmax(axis=1), numbers[different], top),
        kept_images=numbers[kept].astype(np.int64),
        kept=pooled[kept].astype(np.float32),
    )


def _firing(plan: LayerPlan, values: Floats, gate: NDArray[Any]) -> dict[str, Any]:
    """Count what fires and what lies at the ends of the range. gate: the values, or what tells instead of them."""
    floor = 0.0 if plan.family == "leaky" else plan.eps
    low_tail = high_tail = np.zeros(plan.units, np.int64)
    if plan.family == "bounded":
        assert plan.low is not None and plan.high is not None
        shares = (values - plan.low) / (plan.high - plan.low)
        low_tail, high_tail = (shares < TAIL).sum(axis=(0, 1)), (shares > 1 - TAIL).sum(axis=(0, 1))
    elif plan.family == "relu6":
        assert plan.high is not None
        high_tail = (values >= plan.high).sum(axis=(0, 1))
    fires = gate > floor
    return {
        "fired": fires.any(axis=1).sum(axis=0),
        "zeros": (~fires).sum(axis=(0, 1)),
        "low_tail": low_tail,
        "high_tail": high_tail,
    }


def _moments(plan: LayerPlan, values: Floats) -> dict[str, Any]:
    shifted = values - plan.shift
    return {
        "total": shifted.sum(axis=(0, 1)),
        "squares": (shifted**2).sum(axis=(0, 1)),
        "absolute": np.abs(values).sum(axis=(0, 1)),
        "smallest": values.min(axis=(0, 1), initial=0),
        "largest": values.max(axis=(0, 1), initial=-np.inf),
    }


def _histogram(plan: LayerPlan, values: Floats) -> dict[str, Any]:
    """Count the values at the sampled positions in bins that hold those at all positions."""
    grid = plan.grid.holding(float(values.min(initial=0)), float(values.max(initial=0)))
    return {"grid": grid, "histogram": grid.count(values[:, plan.sampled].reshape(-1, plan.units))}


def _over_positions(plan: LayerPlan, values: Floats) -> dict[str, Any]:
    """Sum over the sampled positions. values: (N, S, U)."""
    shifted = (values - plan.shift).reshape(-1, plan.units)
    return {
        "map_total": shifted.sum(axis=0),
        "map_products": shifted.T @ shifted,
    }


def _strongest(peaks: Floats, positions: Counts, numbers: Counts, top: int) -> dict[str, Any]:
    """List the strongest images of each unit. peaks: (N, U) s_max, by ascending image number."""
    first = np.argsort(-peaks, axis=0, kind="stable")[:top]
    return listed(
        np.take_along_axis(peaks, first, axis=0), numbers[first], np.take_along_axis(positions, first, axis=0), top
    )

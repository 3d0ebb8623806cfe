"""Conditions of layers that tests make up: whole maps are at hand there, and no model is."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reportgen.analysis.conditions import basis, fit, layer, patches
from reportgen.analysis.conditions.basis import Measured
from reportgen.analysis.conditions.below import Below
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.layer import Sampled
from reportgen.analysis.conditions.patches import Axis
from reportgen.analysis.conditions.result import LayerConditions
from reportgen.i18n import Text

Array = Any


def words_of(*given: Any, **named: Any) -> LayerConditions:
    """Return what is said of a layer, called as `layer.described` is."""
    return layer.described(*given, **named).conditions


def below_of(
    made: Sampled, maps: Array, kernel: Array, field: tuple[Axis, Axis], conditions: Sequence[Text | None]
) -> Below:
    """Return what a sampled layer is given: whole maps (N, h, w, I), seen through a field in positions of these."""
    seen = patches.gather(maps, made.rows, made.columns, field)
    return Below(seen, np.arange(len(maps)), kernel, conditions)


def lowered(made: Sampled, cut: Cuts, found: LayerConditions, change: str, *, colour: bool = False) -> float:
    """Return the share of units whose score falls when their own condition is given false labels.

    The two sanity checks of NeuronEval (Oikarinen & Weng, ICML 2025). change: "missing", half of what the condition is
    true of is taken away; "extra", as much as that is added where it is not. The score is R2 of one feature, weighed on
    the images that choose, on the others.
    """
    rng = np.random.default_rng(0)
    falls = [
        score(made, cut, false, unit) < score(made, cut, true, unit)
        for unit, true in _conditions(made, found, colour)
        for false in [_falsified(true, change, rng)]
    ]
    return float(np.mean(falls))


def matched(made: Sampled, cut: Cuts, found: LayerConditions) -> tuple[float, list[float]]:
    """Return the mean score of units by their own first features, and by each of these for all units."""
    named = [(unit.unit, unit.features[0].feature) for unit in found.units if unit.features]
    whole = _measured(made, False)
    values = {
        feature: np.where(whole.not_flat, whole.values[..., whole.features.index(feature)].astype(float), np.nan)
        for _, feature in named
    }
    own = float(np.mean([score(made, cut, values[feature], unit) for unit, feature in named]))
    return own, [float(np.mean([score(made, cut, of, unit) for unit, _ in named])) for of in values.values()]


def score(made: Sampled, cut: Cuts, condition: Array, unit: int) -> float:
    """Return R2 of a unit by one condition (N, S), NaN on flat patches: as a report prints it."""
    sides = []
    for side in (cut.choose, ~cut.choose):
        there = side[:, np.newaxis] & np.isfinite(condition)
        sides.append(fit.moments(condition[there][:, np.newaxis], made.values[there][:, unit, np.newaxis]))
    return float(fit.r2(sides[1], fit.weigh(sides[0], np.zeros((1, 1), np.int64)))[0])


def _measured(made: Sampled, colour: bool) -> Measured:
    look = basis.Look(made.field, made.map_shape, made.images.shape[1:3], float(np.ptp(made.images)), colour)
    return basis.measure(patches.Pictures(made.images), made.rows, made.columns, look)


def _conditions(made: Sampled, found: LayerConditions, colour: bool) -> Iterator[tuple[int, Array]]:
    """Yield each unit that has a feature with where this is at its largest (N, S), 0 elsewhere and NaN where flat."""
    whole = _measured(made, colour)
    for unit in found.units:
        if unit.features:
            values = whole.values[..., whole.features.index(unit.features[0].feature)].astype(float)
            values -= values[whole.not_flat].min()
            strong = np.where(values > np.quantile(values[whole.not_flat], 0.7), values, 0)
            yield unit.unit, np.where(whole.not_flat, strong, np.nan)


def _falsified(true: Array, change: str, rng: np.random.Generator) -> Array:
    false, there, nowhere = true.copy(), np.flatnonzero(true > 0), np.flatnonzero(true == 0)
    if change == "missing":
        false.flat[rng.permutation(there)[::2]] = 0
    else:
        false.flat[rng.choice(nowhere, len(there), replace=False)] = true.flat[there]
    return false

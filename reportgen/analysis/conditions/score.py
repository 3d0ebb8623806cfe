"""How well a fit tells where a unit is at its strongest, and what any fit on the pixels could reach."""

import numpy as np

from reportgen.analysis.conditions.result import Floats

QUANTILE = 0.995
"""A unit is at its strongest above this quantile of its own values (NeuronEval, Oikarinen & Weng, ICML 2025)."""

_FEATURES = 512
_MOST = 2500  # patches that a ceiling is fitted on, and scored on
_PENALTIES = (1e-4, 1e-2)  # of ridge, shares of the mean variance of its inputs


def f1(real: Floats, predicted: Floats) -> tuple[Floats, Floats, Floats]:
    """Return F1 of {predicted > t} against {real > t} of each unit, that at equal rates, and the best constant guess's.

    real, predicted: (n, U). t is the unit's own quantile. A fit comes out nearer to the mean than what it is fitted
    to, so few predictions may reach t: the second figure, (U,) as all, asks for as many strong predictions as there
    are strong values: those above the quantile of the predictions. Where the largest value is the quantile itself, or
    a unit does not vary, no patch lies above t and all are NaN. The guess knows only the share p that lies above: to
    say yes everywhere scores 2p / (1 + p), more than any other constant rate.
    """
    at = min(int(QUANTILE * len(real)), len(real) - 1)
    threshold, own = (np.partition(values, at, axis=0)[at] for values in (real, predicted))
    strong = real > threshold
    share = strong.mean(axis=0)
    known = share > 0
    found = []
    for said in (predicted > threshold, predicted > own):
        hits, both = (strong & said).sum(axis=0), strong.sum(axis=0) + said.sum(axis=0)
        found.append(np.where(known, 2 * hits / np.where(known, both, 1), np.nan))
    return found[0], found[1], np.where(known, 2 * share / (1 + share), np.nan)


class Ceiling:
    """What ridge regression on pixels makes of any units: prepared once for all layers that see the same.

    fitted, judge, scored: pixels (n, P) of the patches that a fit is made on, on which its penalty is chosen, and that
    it is scored on.
    """

    def __init__(self, fitted: Floats, judge: Floats, scored: Floats, seed: int) -> None:
        inputs = [_some(one) for one in (fitted, judge, scored)]
        mean, deviation = inputs[0].mean(axis=0), inputs[0].std(axis=0) + 1e-6
        pixels = [((x - mean) / deviation).astype(np.float32) for x in inputs]
        rng = np.random.default_rng(seed)
        size = pixels[0].shape[1]
        weights = (rng.standard_normal((size, _FEATURES)) / np.sqrt(size)).astype(np.float32)
        bias = rng.standard_normal(_FEATURES).astype(np.float32)
        wide = [np.concatenate([x, np.maximum(x @ weights + bias, 0)], axis=1) for x in pixels]
        self._ways = [_Ridge(pixels), _Ridge(wide)]

    def r2(self, fitted: Floats, judge: Floats, scored: Floats) -> Floats:
        """Return the R2 that is reached for each unit, (U,): the better of two ways. Each argument: (n, U) its values.

        On all pixels of the field, and on these and 512 random ReLU features of them (Rahimi & Recht 2007).
        """
        units = [_some(one) for one in (fitted, judge, scored)]
        return np.asarray(np.fmax(*(way.r2(units) for way in self._ways)))


def _some(values: Floats) -> Floats:
    return values[:: -(-len(values) // _MOST)]


class _Ridge:
    """Ridge regression on x, (n, P) of three parts."""

    def __init__(self, x: list[Floats]) -> None:
        mean = x[0].mean(axis=0)
        centred = [one - mean for one in x]
        # of as many equations as there are patches, or pixels, whichever are fewer: the predictions are the same
        self._fewer_patches = len(centred[0]) < centred[0].shape[1]
        self._across = [one @ centred[0].T for one in centred] if self._fewer_patches else centred
        gram = self._across[0] if self._fewer_patches else centred[0].T @ centred[0]
        self._gram, self._inputs, self._first = gram.astype(np.float64), centred[0].shape[1], centred[0]

    def r2(self, y: list[Floats]) -> Floats:
        """Return R2 on the third part, fitted on the first with the penalty that is best on the second, (U,)."""
        level = y[0].mean(axis=0)
        target = y[0] - level
        right = (target if self._fewer_patches else self._first.T @ target).astype(np.float64)
        best = np.full((2, y[0].shape[1]), -np.inf)
        for penalty in _PENALTIES:
            each = penalty * np.trace(self._gram) / self._inputs
            weights = np.linalg.solve(self._gram + (each + 1e-9) * np.eye(len(self._gram)), right).astype(np.float32)
            judged, scored = (_r2(y[at], self._across[at] @ weights + level) for at in (1, 2))
            best = np.where(judged > best[0], [judged, scored], best)
        return np.asarray(best[1])


def _r2(real: Floats, predicted: Floats) -> Floats:
    total = ((real - real.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(1 - ((real - predicted) ** 2).sum(axis=0) / np.where(total > 0, total, np.inf))

"""Non-negative fits with few features, of all units at once, from sums of squares and products alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.conditions.result import Floats, Ints

MOST = 3
"""With how many features a unit is described at most."""

GAIN = 0.02
"""How much R2 one more feature must add on images that it was not chosen on."""

_ALIKE = 1e-3  # the share of a feature's variance that the chosen ones must leave, else its weight is undefined
_NONE = -1
_AT_ONCE = 1024  # patches whose products are summed in float32


@dataclass(frozen=True)
class Moments:
    """Sums over patches of features x and units y, each centred and scaled alike on all patches before.

    n: patches. x: (F,), y: (U,) sums. xx: (F, F), xy: (F, U) of products. yy: (U,) of squares.
    """

    n: int
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.n + other.n,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
            self.yy + other.yy,
        )

    def centred(self) -> tuple[Floats, Floats, Floats]:
        """Return covariances times n about these patches' own means: xx (F, F), xy (F, U), yy (U,)."""
        n = max(self.n, 1)
        xy = self.xy - np.outer(self.x, self.y) / n
        return self.xx - np.outer(self.x, self.x) / n, xy, np.maximum(self.yy - self.y**2 / n, 0)


@dataclass(frozen=True)
class Fit:
    """Features chosen for each unit. chosen: (U, MOST), -1 where there is none. weights: (U, MOST). intercept: (U,)."""

    chosen: Ints
    weights: Floats
    intercept: Floats

    def first(self, count: int | Ints) -> Ints:
        """Return `chosen` with the first `count` of each unit alone."""
        kept = np.arange(self.chosen.shape[1]) < np.reshape(count, (-1, 1))
        return np.where(kept, self.chosen, _NONE)

    def matrix(self, features: int) -> Floats:
        """Return the weights as (F, U)."""
        found = np.zeros((len(self.chosen), features))
        for chosen, weights in zip(self.chosen.T, self.weights.T, strict=True):
            there = np.flatnonzero(chosen >= 0)
            found[there, chosen[there]] += weights[there]
        return found.T


def moments(x: Floats, y: Floats) -> Moments:
    """Sum over patches x (n, F) and y (n, U), float32: some at a time, and these sums in float64."""
    features, units = x.shape[1], y.shape[1]
    of_units, square = np.zeros(units), np.zeros((features, features))
    found = Moments(0, np.zeros(features), of_units, square, np.zeros((features, units)), of_units)
    for start in range(0, len(x), _AT_ONCE):
        some, those = x[start : start + _AT_ONCE], y[start : start + _AT_ONCE]
        squares = np.einsum("nu,nu->u", those, those)
        found += Moments(len(some), _sum(some), _sum(those), some.T @ some, some.T @ those, squares)
    return found


def _sum(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=0, dtype=np.float64))


def greedy(found: Moments, said: Sequence[object]) -> Ints:
    """Choose features one after the other, each the one with the largest R2 with the chosen ones; return (U, MOST).

    Only where all weights are positive. said: what each feature's words depend on: no words are chosen twice.
    """
    xx, xy, yy = found.centred()
    # of a feature that does not vary, rounding can leave less than nothing
    scale, sigma = np.sqrt(np.maximum(np.diag(xx), 0)), np.sqrt(np.maximum(yy, 0))
    there = scale > 1e-6 * np.sqrt(max(found.n, 1))
    correlation = xx / np.outer(np.where(there, scale, 1), np.where(there, scale, 1))
    with_units = (xy / np.outer(np.where(there, scale, 1), np.where(sigma > 0, sigma, 1))).T  # (U, F)
    numbers = {words: number for number, words in enumerate(dict.fromkeys(said))}
    words = np.array([numbers[one] for one in said])
    allowed = np.tile(there, (len(yy), 1)) & (sigma > 0)[:, np.newaxis]
    chosen = np.full((len(yy), MOST), _NONE)
    for step in range(MOST):
        gain = np.where(allowed, _gains(correlation, with_units, chosen[:, :step]), -np.inf)
        best = gain.argmax(axis=1)
        fits = gain[np.arange(len(best)), best] > 1e-6
        chosen[:, step] = np.where(fits, best, _NONE)
        allowed &= fits[:, np.newaxis] & (words != words[best][:, np.newaxis])
    return chosen


def _gains(correlation: Floats, with_units: Floats, chosen: Ints) -> Floats:
    """Return how much each feature adds to R2, (U, F); -inf where a weight would not be positive. chosen: (U, k)."""
    if not chosen.shape[1]:
        return np.where(with_units > 0, with_units**2, -np.inf)
    known = np.maximum(chosen, 0)  # units that have found nothing more are left out by the caller
    inner = np.linalg.pinv(correlation[known[:, :, np.newaxis], known[:, np.newaxis, :]], hermitian=True)
    across = correlation[known]  # (U, k, F)
    of_known = np.einsum("ukl,ul->uk", inner, np.take_along_axis(with_units, known, axis=1))
    projected = inner @ across  # (U, k, F)
    left = 1 - np.einsum("ukf,ukf->uf", across, projected)
    rest = with_units - np.einsum("uk,ukf->uf", of_known, across)
    weight = rest / np.where(left > _ALIKE, left, np.inf)
    others = of_known[:, :, np.newaxis] - projected * weight[:, np.newaxis, :]
    return np.where((weight > 0) & (others > 0).all(axis=1), rest * weight, -np.inf)


def weigh(found: Moments, chosen: Ints) -> Fit:
    """Return the least-squares weights of the chosen features; one that would be negative is left out instead."""
    xx, xy, _ = found.centred()
    chosen, weights = chosen.copy(), np.zeros(chosen.shape)
    units = np.arange(len(chosen))
    for _ in range(MOST + 1):
        there = chosen[units] >= 0
        known = np.maximum(chosen[units], 0)
        inner = xx[known[:, :, np.newaxis], known[:, np.newaxis, :]]
        inner = np.where(there[:, :, np.newaxis] & there[:, np.newaxis, :], inner, np.eye(chosen.shape[1]))
        right = np.where(there, xy[known, units[:, np.newaxis]], 0)
        weights[units] = _solved(inner, right)
        negative = there & (weights[units] < 0)
        out = negative.any(axis=1)
        if not out.any():
            break
        worst = np.where(negative, weights[units], 0).argmin(axis=1)
        chosen[units[out], worst[out]] = _NONE
        units = units[out]
    there, known = chosen >= 0, np.maximum(chosen, 0)
    n = max(found.n, 1)
    intercept = found.y / n - np.einsum("uk,uk->u", weights, np.where(there, found.x[known], 0) / n)
    return Fit(chosen, np.where(there, weights, 0), intercept)


def _solved(inner: Floats, right: Floats) -> Floats:
    """Return the solutions (U, k) of symmetric equations (U, k, k), the shortest ones where there are more."""
    try:
        return np.asarray(np.linalg.solve(inner, right[:, :, np.newaxis])[:, :, 0])
    except np.linalg.LinAlgError:
        return np.asarray(np.einsum("ukl,ul->uk", np.linalg.pinv(inner, hermitian=True), right))


def r2(found: Moments, fit: Fit) -> Floats:
    """Return 1 - squared error / variance of each unit on these patches, (U,); NaN where a unit does not vary."""
    there, known = fit.chosen >= 0, np.maximum(fit.chosen, 0)
    units = np.arange(len(known))[:, np.newaxis]
    w, b, n = fit.weights, fit.intercept, found.n
    inner = np.where(
        there[:, :, np.newaxis] & there[:, np.newaxis, :], found.xx[known[:, :, np.newaxis], known[:, np.newaxis, :]], 0
    )
    w_xy = (w * np.where(there, found.xy[known, units], 0)).sum(axis=1)
    w_x = (w * np.where(there, found.x[known], 0)).sum(axis=1)
    error = found.yy - 2 * w_xy - 2 * b * found.y + np.einsum("uk,ukl,ul->u", w, inner, w) + 2 * b * w_x + n * b**2
    total = found.centred()[2]
    varies = total > 1e-9 * max(n, 1)
    return np.where(varies, 1 - np.maximum(error, 0) / np.where(varies, total, 1), np.nan)


def count(judge: Moments, fitted: Moments, chosen: Ints) -> Ints:
    """Return with how many features each unit is described, (U,): no more where R2 on `judge` gains less than GAIN."""
    everything = Fit(chosen, np.zeros(chosen.shape), np.zeros(len(chosen)))
    scores = [r2(judge, weigh(fitted, everything.first(k))) for k in range(1, MOST + 1)]
    kept = (chosen[:, 0] >= 0).astype(np.int64)
    going = kept > 0
    for step in range(1, MOST):
        going &= (chosen[:, step] >= 0) & (scores[step] - scores[step - 1] >= GAIN)
        kept += going
    return kept

"""What chance reaches: with the images permuted, and with random kernels in the place of a unit's."""

import numpy as np

from reportgen.analysis.conditions.cuts import BLOCKS
from reportgen.analysis.conditions.result import Bools, Floats

PERMUTATIONS = 200
"""Of the images; of a model of many units fewer, see `permutations`."""
_LEAST_PERMUTATIONS = 20
_UNITS_TIMES = 400_000  # units of a model times permutations
KERNELS = 200
_RATES = 8  # firing rates at which random kernels are tried; a unit is held against the nearest
_UNITS = 64  # whose products are in memory at once
_LOOKED_AT = 2000


def permutations(units: int) -> int:
    """Return how many permutations are tried for each layer of a model of so many units."""
    return max(min(_UNITS_TIMES // max(units, 1), PERMUTATIONS), _LEAST_PERMUTATIONS)


def by_chance(x: Floats, y: Floats, not_flat: Bools, seed: int, times: int = PERMUTATIONS) -> float | None:
    """Return the largest R2 that one feature of all reaches for one unit of all when the images are permuted.

    The largest of so many permutations, so of the maximum over features and units: choosing the best is allowed for. x:
    (N, S, F), y: (N, S, U), not_flat: (N, S) of the images that score. Images are permuted in blocks, none to its own
    place, and the k-th of a block only with the k-th of others, which is looked at in the same places: what the
    position explains is kept. All comes from the products of each block of features with each block of values, so a
    permutation costs no pass. None where there are fewer images than blocks.
    """
    each = len(x) // BLOCKS
    if not each:
        return None
    shape = (BLOCKS, each * x.shape[1])
    used = slice(0, BLOCKS * each)
    mask = not_flat[used].reshape(*shape, 1).astype(np.float32)
    n = max(float(mask.sum()), 1.0)
    features = x[used].reshape(*shape, -1) * mask
    sums = features.sum(axis=(0, 1), dtype=np.float64)
    variance = np.einsum("bif,bif->f", features, features) - sums**2 / n
    there = variance > 1e-6 * n
    if not there.any():
        return 0.0
    features = (features[..., there] - sums[there] / n * mask) / np.sqrt(variance[there])
    features, both = _without_opposites(features.astype(np.float32))
    left = np.ascontiguousarray(np.moveaxis(features, 1, 2))
    units = y[used].reshape(*shape, -1)
    moves = _moves(np.random.default_rng(seed), times)
    some = range(0, units.shape[2], _UNITS)
    return max((_largest(left, both, mask[..., 0], units[..., at : at + _UNITS], moves) for at in some), default=0.0)


def _without_opposites(features: Floats) -> tuple[Floats, int]:
    """Return features (blocks, n, F) without those that are the opposite of another, the others of such pairs first.

    And how many these are: of them, what has a negative weight counts as well.
    """
    flat = features.reshape(-1, features.shape[2])
    leading = np.take_along_axis(flat, np.abs(flat).argmax(axis=0)[np.newaxis], axis=0)[0]
    signs = np.sign(leading)
    _, first, which = np.unique((flat * signs).T, axis=0, return_index=True, return_inverse=True)
    negative, positive = (np.bincount(which.ravel(), signs == sign, len(first)) > 0 for sign in (-1, 1))
    pairs = negative & positive
    order = np.concatenate([first[pairs], first[~pairs]])
    return features[..., order], int(pairs.sum())


def _largest(left: Floats, both: int, mask: Floats, units: Floats, moves: Floats) -> float:
    """Return the largest R2 of some units (blocks, n, U) in all permutations.

    left: (blocks, F, n) features of mean 0 and norm 1 over the patches that are not flat, 0 on the others. both: of
    the first so many the opposite counts, too. mask: (blocks, n), 1 for patches that are not flat. moves: see `_moves`.
    """
    others = units[np.newaxis]
    if _goes_one_by_one(len(moves), left.shape[2]):
        each = np.ascontiguousarray(left.transpose(1, 0, 2)).reshape(left.shape[1], -1)
        orders = moves.reshape(-1, BLOCKS, BLOCKS).argmax(axis=2)
        highest = np.stack([_highest(each @ units[order].reshape(each.shape[1], -1), both) for order in orders])
    else:
        products = np.matmul(left[:, np.newaxis], others).reshape(BLOCKS**2, -1)
        highest = _highest((moves @ products).reshape(len(moves), left.shape[1], -1), both)
    rows = mask[:, np.newaxis, np.newaxis]
    level, squares = (moves @ np.matmul(rows, of).reshape(BLOCKS**2, -1) for of in (others, others**2))
    n = max(float(mask.sum()), 1.0)
    total = squares - level**2 / n
    known = total > 1e-6 * n
    return float(np.where(known, highest**2 / np.where(known, total, 1), 0).max(initial=0))


def _goes_one_by_one(moves: int, each: int) -> bool:
    """Return whether a product for each permutation is less work than the products of all pairs of blocks of `each`."""
    return moves < PERMUTATIONS and moves * BLOCKS * each <= BLOCKS**2 * (each + moves)


def _highest(shared: Floats, both: int) -> Floats:
    """Return the largest of (..., F, U) over features, (..., U), none below 0; of the first so many of either sign."""
    highest = shared.max(axis=-2, initial=0)
    return np.asarray(np.maximum(highest, -shared[..., :both, :].min(axis=-2, initial=0)))


def _moves(rng: np.random.Generator, times: int) -> Floats:
    """Return permutations of blocks, (times, BLOCKS^2): 1 where a block of features meets one of values."""
    moves = np.zeros((times, BLOCKS, BLOCKS), np.float32)
    for move in moves:
        move[np.arange(BLOCKS), _derangement(rng)] = 1
    return moves.reshape(times, -1)


def _derangement(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return a permutation of the blocks that leaves none in its place: that one would bring the true figure in."""
    while True:
        order = rng.permutation(BLOCKS)
        if (order != np.arange(BLOCKS)).all():
            return order


def random_kernels(seen: Floats, x: Floats, y: Floats, positive: Floats | None, seed: int) -> Floats:
    """Return of each unit the share of random kernels, in per cent, whose best feature explains less, (U,).

    seen: (n, P) what patches show, x: (n, F) their features, y: (n, U) the units, of patches that are not flat.
    positive: (U,) the share of these patches on which a unit fires; None for signed values, which have no threshold.
    A kernel's weights are independent and normal; its norm does not matter, since R2 does not change with it, and its
    bias gives the unit's firing rate. The same is asked of both: the largest R2 of one feature on the same patches.
    """
    step = -(-len(seen) // _LOOKED_AT)
    seen, x, y = seen[::step], x[::step], y[::step]
    rng = np.random.default_rng(seed)
    driven = seen @ rng.standard_normal((seen.shape[1], KERNELS)).astype(np.float32)
    own = _best(x, y)
    if positive is None:
        return np.asarray(100 * (_best(x, driven) < own[:, np.newaxis]).mean(axis=1))
    rates = np.unique(np.quantile(positive, np.linspace(0, 1, _RATES)))
    rates = rates[rates > 0] if (rates > 0).any() else np.ones(1)
    ordered = np.sort(driven, axis=0)
    reached = []
    for rate in rates:
        at = min(int((1 - rate) * len(ordered)), len(ordered) - 1)
        reached.append(_best(x, np.maximum(driven - ordered[at], 0)))
    nearest = np.abs(positive[:, np.newaxis] - rates).argmin(axis=1)
    return np.asarray(100 * (np.array(reached)[nearest] < own[:, np.newaxis]).mean(axis=1))


def _best(x: Floats, y: Floats) -> Floats:
    """Return the largest R2 that one feature with a positive weight reaches, (U,)."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread, sigma = np.sqrt((x**2).sum(axis=0)), np.sqrt((y**2).sum(axis=0))
    shared = (x.T @ y) / np.outer(np.where(spread > 1e-3, spread, np.inf), np.where(sigma > 0, sigma, np.inf))
    return np.asarray(np.maximum(shared, 0).max(axis=0) ** 2)

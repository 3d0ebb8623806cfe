"""What chance reaches: with the images permuted, and with random kernels in the place of a unit's."""

import numpy as np

from reportgen.analysis.conditions.cuts import BLOCKS
from reportgen.analysis.conditions.result import Bools, Floats

PERMUTATIONS = 200
KERNELS = 200
_RATES = 8  # firing rates at which random kernels are tried; a unit is held against the nearest
_UNITS = 64  # whose products are in memory at once
_LOOKED_AT = 2000


def by_chance(x: Floats, y: Floats, not_flat: Bools, seed: int) -> float | None:
    """Return the largest R2 that one feature of all reaches for one unit of all when the images are permuted.

    The largest of 200 permutations, so of the maximum over features and units: choosing the best is allowed for. x:
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
    features = x[used].reshape(*shape, -1) * mask
    sums = features.sum(axis=(0, 1), dtype=np.float64)
    variance = np.einsum("bif,bif->f", features, features) - sums**2 / max(mask.sum(), 1)
    features = features[..., variance > 1e-6 * max(mask.sum(), 1)]
    if not features.shape[2]:
        return 0.0
    left = np.concatenate([features, mask], axis=2)
    units = y[used].reshape(*shape, -1)
    moves = _moves(np.random.default_rng(seed))
    some = range(0, units.shape[2], _UNITS)
    return max((_largest(left, units[..., at : at + _UNITS], moves) for at in some), default=0.0)


def _largest(left: Floats, units: Floats, moves: Floats) -> float:
    """Return the largest R2 of some units (blocks, n, U) in all permutations.

    left: (blocks, n, F + 1), the features of patches that are not flat and, last, whether they are. moves: see
    `_moves`.
    """
    across = np.moveaxis(units, 1, 0).reshape(units.shape[1], -1)
    products = np.stack([(block.T @ across).reshape(-1, BLOCKS, units.shape[2]) for block in left])
    pairs = np.moveaxis(products, 2, 1).reshape(BLOCKS**2, -1)
    found = (moves @ pairs).reshape(len(moves), left.shape[2], -1)
    mask, n = left[..., -1], max(float(left[..., -1].sum()), 1.0)
    squares = np.einsum("bi,ciu->bcu", mask, units**2, optimize=True).reshape(BLOCKS**2, -1)
    level = found[:, -1]
    total = moves @ squares - level**2 / n
    sums = left.sum(axis=(0, 1))
    variance = np.einsum("bif,bif->f", left, left) - sums**2 / n
    shared = found[:, :-1] - sums[:-1, np.newaxis] * level[:, np.newaxis] / n
    shared /= np.sqrt(np.maximum(variance[:-1], 1e-12))[:, np.newaxis]
    highest = np.maximum(shared.max(axis=1), 0)
    known = total > 1e-6 * n
    return float(np.where(known, highest**2 / np.where(known, total, 1), 0).max(initial=0))


def _moves(rng: np.random.Generator) -> Floats:
    """Return permutations of blocks, (PERMUTATIONS, BLOCKS^2): 1 where a block of features meets one of values."""
    moves = np.zeros((PERMUTATIONS, BLOCKS, BLOCKS), np.float32)
    for move in moves:
        move[np.arange(BLOCKS), _derangement(rng)] = 1
    return moves.reshape(PERMUTATIONS, -1)


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

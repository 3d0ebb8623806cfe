"""What chance reaches: with the images permuted, and with random kernels in the place of a unit's."""

import numpy as np

from reportgen.analysis.conditions.cuts import BLOCKS
from reportgen.analysis.conditions.result import Bools, Floats

PERMUTATIONS = 200
KERNELS = 200
_RATES = 8  # firing rates at which random kernels are tried; a unit is held against the nearest
_LOOKED_AT = 3000


def by_chance(x: Floats, y: Floats, not_flat: Bools, seed: int) -> float | None:
    """Return the largest R2 that one feature of all reaches for one unit of all when the images are permuted.

    The largest of 200 permutations, so of the maximum over features and units: choosing the best is allowed for. x:
    (N, S, F), y: (N, S, U), not_flat: (N, S) of the images that score. Images are permuted in blocks, none to its own
    place, and the k-th of a block only with the k-th of others, which is looked at in the same places: what the position
    explains is kept. All comes from the products of each block of features with each block of values, so a
    permutation costs no pass. None where there are fewer images than blocks.
    """
    each = len(x) // BLOCKS
    if not each:
        return None
    shape = (BLOCKS, each * x.shape[1])
    used = slice(0, BLOCKS * each)
    mask = not_flat[used].reshape(*shape, 1).astype(np.float32)
    features = x[used].reshape(*shape, -1) * mask
    units = y[used].reshape(*shape, -1)
    left = np.concatenate([features, mask], axis=2)
    blocks = np.moveaxis(left, 1, 2).reshape(-1, shape[1])
    products = (blocks @ np.moveaxis(units, 1, 0).reshape(shape[1], -1)).reshape(BLOCKS, -1, BLOCKS, units.shape[2])
    squares = np.einsum("bi,ciu->bcu", mask[..., 0], units**2, optimize=True)
    n, sums = float(mask.sum()), features.sum(axis=(0, 1), dtype=np.float64)
    variance = np.einsum("bif,bif->f", features, features, optimize=True) - sums**2 / max(n, 1)
    best = 0.0
    rng, own = np.random.default_rng(seed), np.arange(BLOCKS)
    for _ in range(PERMUTATIONS):
        to = _derangement(rng)
        found = products[own, :, to].sum(axis=0, dtype=np.float64)
        level = found[-1]
        total = squares[own, to].sum(axis=0, dtype=np.float64) - level**2 / max(n, 1)
        shared = np.maximum(found[:-1] - np.outer(sums, level) / max(n, 1), 0)
        whole = np.outer(variance, total)
        known = (variance > 1e-6 * n)[:, np.newaxis] & (total > 1e-6 * n)
        best = max(best, float(np.where(known, shared**2 / np.where(known, whole, 1), 0).max(initial=0)))
    return best


def _derangement(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return a permutation of the blocks that leaves none in its place: that one would bring the true figure in."""
    while True:
        order = rng.permutation(BLOCKS)
        if (order != np.arange(BLOCKS)).all():
            return order


def random_kernels(seen: Floats, x: Floats, y: Floats, positive: Floats | None, seed: int) -> Floats:
    """Return of each unit the share of random kernels, in per cent, whose best feature explains less, (U,).

    seen: (n, P) what patches show, x: (n, F) their features, y: (n, U) the units, of patches that are not flat. positive: (U,)
    the share of these patches on which a unit fires; None for signed values, which have no threshold. A kernel's weights
    are independent and normal; its norm does not matter, since R2 does not change with it, and its bias gives the
    unit's firing rate. The same is asked of both: the largest R2 of one feature on the same patches.
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

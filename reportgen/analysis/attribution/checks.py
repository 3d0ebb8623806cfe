"""Whether a map of what pixels add to a margin can be trusted: deletion, and the model with its weights shuffled."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.attribution.gradients import Floats
from reportgen.analysis.effects import audit

DELETED = (0.05, 0.1, 0.2, 0.4)
"""Shares of the pixels that are deleted, one after the other."""
ORDERS = 19
"""Random orders: a map no better than they are comes before all of them once in 20 times."""


def deletions(image: Floats, baseline: Floats, amounts: NDArray[np.float64], seed: int) -> Iterator[Floats]:
    """Yield 1 + ORDERS times (len(DELETED), H, W, C): an image with more and more of its pixels as in the baseline.

    First those are deleted that the map, amounts (H, W), gives the most, then as many in random orders. Pixels that
    are the baseline's anyway count for neither: else random orders would waste their deletions on them.
    """
    changed = np.flatnonzero(np.abs(image - baseline).sum(axis=-1).ravel())
    generator = np.random.default_rng(seed)
    by_map = changed[np.argsort(-amounts.ravel()[changed], kind="stable")]
    orders = [by_map, *(generator.permutation(changed) for _ in range(ORDERS))]
    channels = image.shape[-1]
    flat, plain = image.reshape(-1, channels), baseline.reshape(-1, channels)
    for order in orders:
        made = np.tile(flat, (len(DELETED), 1, 1))
        for row, share in enumerate(DELETED):
            gone = order[: round(share * len(order))]
            made[row, gone] = plain[gone]
        yield made.reshape(len(DELETED), *image.shape)


def similarity(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two maps (H, W), 0 where one is constant."""
    return audit.spearman(one, other) or 0.0

"""The proof: whether the model does as well without the units called dead or removable."""

import math

import numpy as np
from numpy.typing import NDArray

from reportgen.collect.intervals import quantile


def interval(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % interval of the difference in accuracy after - before, in -1 ... 1.

    before, after: (N,) whether each image was answered rightly; the same images in the same order, so that only
    those answered differently count. The Wald interval after one image is added to either kind of change, which
    keeps its coverage where few images or none change; without any images it is (-1, 1).
    Source: Bonett and Price (2012), Journal of Educational and Behavioral Statistics 37, 479-488; recommended by
    Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33, 2850-2875.
    Raises ValueError where the shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"before has the shape {before.shape}, after {after.shape}; give both for the same images")
    trials = before.size + 2
    gained = (int((~before & after).sum()) + 1) / trials
    lost = (int((before & ~after).sum()) + 1) / trials
    change = gained - lost
    half = quantile(0.95) * math.sqrt((gained + lost - change**2) / trials)
    return max(change - half, -1.0), min(change + half, 1.0)

"""The proof: whether the model does as well without the units called dead or removable."""

import numpy as np
from numpy.typing import NDArray

from reportgen.intervals import gained_and_lost, paired_difference


def interval(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % interval of the difference in accuracy after - before, in -1 ... 1.

    before, after: (N,) whether each image was answered rightly; the same images in the same order, so that only
    those answered differently count. Raises ValueError where the shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"before has the shape {before.shape}, after {after.shape}; give both for the same images")
    return paired_difference(*gained_and_lost(before, after), before.size)

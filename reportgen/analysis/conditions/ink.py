"""Whether pictures are strokes of ink on an even ground: only then may words speak of strokes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.conditions.result import Bools, Floats, Ink

GROUND = 0.1
"""What lies within this share of the range at its dark or its bright end is ground."""
_LEAST_GROUND = 0.5  # share of all pixels
_LEAST_BORDER = 0.8  # share of the pixels along the border, which strokes seldom reach
_MOST_THICK = 0.1  # share of the ink that has nothing but ink around it
_COLOURED = 0.02  # share of the range by which the channels of grey pixels may differ
_LOOKED_AT = 500


def ink(images: Floats) -> Ink | None:
    """Return which ink the pictures (N, H, W, C) are drawn in, None where they are no drawings in ink.

    The rule: grey; at least half of all pixels and 80 % of those along the border lie in the tenth of the range at one
    end, the ground; and strokes are thin: at most a tenth of the ink (beyond the middle of the range) lies deeper in
    ink than a twelfth of the picture, and at least two pixels. Clothes on black (Fashion-MNIST) are no strokes.
    """
    some = images[:: max(len(images) // _LOOKED_AT, 1)]
    if not some.size or min(some.shape[1:3]) < 5:
        return None
    low, high = float(some.min()), float(some.max())
    if high <= low or (some.shape[-1] > 1 and np.ptp(some, axis=-1).mean() > _COLOURED * (high - low)):
        return None
    grey = (some.mean(axis=-1) - low) / (high - low)
    for values, found in ((grey, "bright"), (1 - grey, "dark")):
        if _on_ground(values < GROUND) and _thin(values > 0.5):
            return "bright" if found == "bright" else "dark"
    return None


def _on_ground(ground: Bools) -> bool:
    border = np.concatenate([ground[:, [0, -1]].ravel(), ground[:, :, [0, -1]].ravel()])
    return bool(ground.mean() >= _LEAST_GROUND and border.mean() >= _LEAST_BORDER)


def _thin(drawn: Bools) -> bool:
    """Return whether little of the ink (N, H, W) has nothing but ink around it."""
    if not drawn.any():
        return False
    deep: NDArray[Any] = drawn
    reach = max(2, round(min(drawn.shape[1:]) / 12))
    for axis in (1, 2):
        padded = np.pad(deep, [(0, 0), *[(reach, reach) if a == axis else (0, 0) for a in (1, 2)]])
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        deep = np.asarray(views.all(axis=-1))
    return bool(deep.sum() <= _MOST_THICK * drawn.sum())

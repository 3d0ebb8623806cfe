"""Values along three axes as slices: which planes of a volume are shown, and planes side by side."""

import numpy as np
from numpy.typing import NDArray

PLANES = 3
"""Most planes of an input volume that are shown."""


def planes(depth: int) -> list[int]:
    """Return the numbers of the planes to show: each in the middle of one of PLANES equal parts; of few, all."""
    shown = min(PLANES, depth)
    return [(2 * part + 1) * depth // (2 * shown) for part in range(shown)]


def seen(patch: list[int] | None, depth: int) -> int:
    """Return the plane to show of a volume: the middle one of what a unit can see.

    patch: [front, top, left, back, bottom, right], None for the whole volume.
    """
    front, back = (0, depth) if patch is None else (patch[0], patch[3])
    return (front + back - 1) // 2


def strongest(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return of each output the plane that its largest value lies in, (E, H, W, U), and its number, (E, U).

    values: (E, D, H, W, U).
    """
    numbers = values.max(axis=(2, 3)).argmax(axis=1)
    shown = np.take_along_axis(values, numbers[:, np.newaxis, np.newaxis, np.newaxis, :], axis=1)[:, 0]
    return shown, numbers


def side_by_side(planes: NDArray[np.uint8], gap: int, filling: int) -> NDArray[np.uint8]:
    """Return planes (..., D, h, w) in a line, (..., h, D * (w + gap) - gap), with gaps of `filling` between them."""
    apart = np.pad(planes, [*[(0, 0)] * (planes.ndim - 1), (0, gap)], constant_values=filling).swapaxes(-3, -2)
    return apart.reshape(*apart.shape[:-2], -1)[..., :-gap]

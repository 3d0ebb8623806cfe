"""How alike the pixels of two images are: their correlation after the best shift of at most one pixel an axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.dataset import Images, taken

NEAR = 0.98
"""The correlation from which on two images are near copies."""

Values = NDArray[np.float32]

_BLOCK = 200_000  # values of images that are worked on at once: what a core's own memory holds


def correlations(parts: Sequence[Images], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the correlation of the pixels of pairs of images after the best shift, (P,).

    parts: whose images are numbered through. pairs: (P, 2) of their numbers. All channels count together, over what
    the two have in common after the shift; -1 where one of them shows one colour there.
    """
    shape = parts[0].shape[1:]
    step = max(_BLOCK // max(int(np.prod(shape)), 1), 1)
    numbers, places = np.unique(pairs, return_inverse=True)
    ones, others = places.reshape(-1, 2).T
    left = _parts(shape)
    moments = np.empty((2, len(numbers), left.shape[1]))
    found = np.full(len(pairs), -1.0)
    # with more threads than this one it takes as long: most of the time goes into fetching the images
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, len(numbers), step):
            these = slice(start, start + step)
            images = _centred(parts, numbers[these]).reshape(-1, len(left))
            moments[0, these], moments[1, these] = images @ left, (images * images) @ left
    for start in range(0, len(pairs), step):
        these = slice(start, start + step)
        needed, where = np.unique(np.concatenate([ones[these], others[these]]), return_inverse=True)
        images = _padded(_centred(parts, numbers[needed]))
        one, other = images[where[: len(where) // 2]], images[where[len(where) // 2 :]]
        for shift in _shifts(shape):
            first, second = max(shift.offset, 0), max(-shift.offset, 0)
            length = images.shape[1] - first - second
            products = np.einsum("ni,ni->n", one[:, first : first + length], other[:, second : second + length])
            sums = moments[:, ones[these], shift.cut], moments[:, others[these], shift.other_cut]
            np.maximum(found[these], _correlation(products, sums, shift.common), out=found[these])
    return found


@dataclass(frozen=True)
class _Shift:
    """A shift of one image against another.

    offset: by how many values of padded images the other lies behind. cut, other_cut: which part of each they have in
    common, by its place in `_parts`. common: how many values that is.
    """

    offset: int
    cut: int
    other_cut: int
    common: int


def _shifts(shape: Sequence[int]) -> list[_Shift]:
    """Return all shifts by at most one pixel along each axis; along one of up to two pixels there is none."""
    found = [_Shift(0, 0, 0, 1)]
    for place, side in enumerate(shape[:-1]):
        stride = int(np.prod([size + 1 for size in shape[place + 1 : -1]])) * shape[-1]
        cuts = _cuts(side)
        along = [(0, 0, 0), (stride, 1, 2), (-stride, 2, 1)][:cuts]
        found = [
            _Shift(
                one.offset + by, one.cut * cuts + cut, one.other_cut * cuts + other, one.common * (side - (cut != 0))
            )
            for one in found
            for by, cut, other in along
        ]
    return [replace(one, common=one.common * shape[-1]) for one in found]


def _cuts(side: int) -> int:
    """Return how many parts of an axis are looked at: all of it, and where it is long enough all but its two ends."""
    return 3 if side > 2 else 1


def _centred(parts: Sequence[Images], numbers: NDArray[np.int64]) -> Values:
    """Return images less their mean, which keeps digits of sums of squares."""
    images = taken(parts, numbers).astype(np.float32)
    images -= images.mean(axis=tuple(range(1, images.ndim)), keepdims=True)
    return images


def _padded(images: Values) -> Values:
    """Return images as rows of values, with a zero behind each line: what a shift pushes out of a line meets that."""
    behind = [(0, 0), *((0, int(place > 0)) for place in range(images.ndim - 2)), (0, 0)]
    return np.pad(images, behind).reshape(len(images), -1)


def _parts(shape: Sequence[int]) -> Values:
    """Return which values of an image of a shape each part has that a shift leaves of it, (values, parts): 1 or 0."""
    found = np.ones((1, 1), np.float32)
    for side in shape[:-1]:
        along = np.ones((side, _cuts(side)), np.float32)
        if along.shape[1] > 1:
            along[0, 1] = along[-1, 2] = 0
        found = np.kron(found, along)
    return np.repeat(found, shape[-1], axis=0)


def _correlation(
    products: Values, sums: tuple[NDArray[np.float64], NDArray[np.float64]], size: int
) -> NDArray[np.float64]:
    (sum_a, square_a), (sum_b, square_b) = sums
    spread = np.maximum(square_a - sum_a**2 / size, 0) * np.maximum(square_b - sum_b**2 / size, 0)
    together = products - sum_a * sum_b / size
    found = np.divide(together, np.sqrt(spread), where=spread > 0, out=np.full(len(products), -1.0))
    return np.asarray(found, np.float64)

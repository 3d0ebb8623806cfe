"""How alike the pixels of two images are: their correlation after the best shift of at most one pixel an axis."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images, taken

NEAR = 0.98
"""The correlation from which on two images are near copies."""

Values = NDArray[np.float32]

_BLOCK = 2_000_000  # values of images that are worked on at once, in each of two threads
_THREADS = min(2, os.cpu_count() or 1)
_CUTS = (slice(None), slice(1, None), slice(0, -1))
_SHIFTS = ((0, 0), (1, 2), (2, 1))
"""Along an axis, by their place in _CUTS, which part of the one image lies on which of the other, for each shift."""


def correlations(parts: Sequence[Images], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the correlation of the pixels of pairs of images after the best shift, (P,).

    parts: whose images are numbered through. pairs: (P, 2) of their numbers. All channels count together, over what
    the two have in common after the shift; -1 where one of them shows one colour there.
    """
    shape = parts[0].shape[1:]
    step = max(_BLOCK // max(int(np.prod(shape)), 1), 1)
    shifts = [tuple(zip(*both, strict=True)) for both in itertools.product(*map(_along, shape[:-1]))] or [((), ())]
    cuts = {cut: n for n, cut in enumerate(dict.fromkeys(one for one, _ in shifts))}
    numbers, places = np.unique(pairs, return_inverse=True)
    ones, others = places.reshape(-1, 2).T
    moments = np.empty((len(cuts), 2, len(numbers)), np.float64)
    found = np.full(len(pairs), -1.0)

    def measure(start: int) -> None:
        these = slice(start, start + step)
        images = _centred(parts, numbers[these])
        for cut, place in cuts.items():
            part = images[:, *(_CUTS[one] for one in cut)]
            moments[place, 0, these], moments[place, 1, these] = _sums(part), _products(part, part)

    def compare(start: int) -> None:
        these = slice(start, start + step)
        needed, where = np.unique(np.concatenate([ones[these], others[these]]), return_inverse=True)
        images = _centred(parts, numbers[needed])
        one, other = images[where[: len(where) // 2]], images[where[len(where) // 2 :]]
        for first, second in shifts:
            a, b = one[:, *(_CUTS[c] for c in first)], other[:, *(_CUTS[c] for c in second)]
            sums = moments[cuts[first], :, ones[these]].T, moments[cuts[second], :, others[these]].T
            np.maximum(found[these], _correlation(_products(a, b), sums, a[0].size), out=found[these])

    _in_blocks(measure, len(numbers), step)
    _in_blocks(compare, len(pairs), step)
    return found


def _in_blocks(work: Callable[[int], None], count: int, step: int) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, range(0, count, step)))


def _centred(parts: Sequence[Images], numbers: NDArray[np.int64]) -> Values:
    """Return images less their mean, which keeps digits of sums of squares."""
    images = taken(parts, numbers).astype(np.float32)
    images -= images.mean(axis=tuple(range(1, images.ndim)), keepdims=True)
    return images


def _correlation(
    products: NDArray[np.float64], sums: tuple[NDArray[np.float64], NDArray[np.float64]], size: int
) -> NDArray[np.float64]:
    (sum_a, square_a), (sum_b, square_b) = sums
    spread = np.maximum(square_a - sum_a**2 / size, 0) * np.maximum(square_b - sum_b**2 / size, 0)
    together = products - sum_a * sum_b / size
    found = np.divide(together, np.sqrt(spread), where=spread > 0, out=np.full(len(products), -1.0))
    return np.asarray(found, np.float64)


def _products(a: Values, b: Values) -> NDArray[np.float64]:
    axes = "nabcd"[: a.ndim]
    return np.asarray(np.einsum(f"{axes},{axes}->n", a, b), np.float64)


def _sums(a: Values) -> NDArray[np.float64]:
    return np.asarray(np.einsum(f"{'nabcd'[: a.ndim]}->n", a), np.float64)


def _along(size: int) -> Sequence[tuple[int, int]]:
    """Return the shifts along an axis; where that is too short there is none but the one by nothing."""
    return _SHIFTS if size > 2 else _SHIFTS[:1]

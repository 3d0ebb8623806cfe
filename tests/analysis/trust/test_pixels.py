"""The correlation of two images after the best shift, against every shift by its definition."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.trust import pixels

Array = Any


def by_definition(one: Array, other: Array) -> float:
    """Return the largest correlation of what two images (*space, C) have in common after a shift."""
    best, space = -1.0, one.shape[:-1]
    for shift in product(*((-1, 0, 1) if size > 2 else (0,) for size in space)):
        a = one[tuple(slice(max(d, 0), n + min(d, 0)) for d, n in zip(shift, space, strict=True))].astype(float).ravel()
        b = (
            other[tuple(slice(max(-d, 0), n + min(-d, 0)) for d, n in zip(shift, space, strict=True))]
            .astype(float)
            .ravel()
        )
        a, b = a - a.mean(), b - b.mean()
        if a.any() and b.any():
            best = max(best, float(a @ b / np.sqrt((a @ a) * (b @ b))))
    return best


@pytest.mark.parametrize("shape", [(7, 6, 1), (5, 5, 3), (9, 2), (2, 5, 1), (4, 4, 3, 1)], ids=str)
def test_it_is_the_largest_over_all_shifts(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, (20, *shape)).astype(np.uint8) for _ in range(2))
    second[3] = np.roll(first[2], 1, axis=0)
    first[4] = 9  # of one colour
    pairs = np.array(list(product(range(0, 40, 3), range(1, 40, 4))))
    together = np.concatenate([first, second])
    expected = [by_definition(together[a], together[b]) for a, b in pairs]
    np.testing.assert_allclose(pixels.correlations([first, second], pairs), expected, atol=1e-5)


def blob(seed: int = 3) -> Array:
    """Return an image with something in its middle, so that a shift pushes nothing over the border."""
    image = np.zeros((12, 12, 1))
    image[3:9, 3:9, 0] = np.random.default_rng(seed).random((6, 6))
    return image


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda image: np.roll(image, 1, axis=0), True),
        (lambda image: np.roll(image, (1, -1), axis=(0, 1)), True),
        (lambda image: 0.3 * image + 20, True),  # darker, with less contrast, on a lighter ground
        (lambda image: np.roll(0.5 * image, -1, axis=1), True),
        (lambda image: np.roll(image, 2, axis=0), False),
        (lambda image: -image, False),
        (lambda image: image[::-1], False),
        (lambda image: blob(4), False),
        (lambda image: image * 0, False),
    ],
    ids=["1 px", "1 px aslant", "brightness", "both", "2 px", "inverted", "upside down", "another", "blank"],
)
def test_what_counts_as_a_near_copy(change: Any, counts: bool) -> None:
    both = np.stack([blob(), change(blob())]) * 200
    found = pixels.correlations([both], np.array([[0, 1], [1, 0]]))
    np.testing.assert_array_equal(found >= pixels.NEAR, counts)


def test_no_pairs_are_no_correlations() -> None:
    assert pixels.correlations([np.zeros((3, 4, 4, 1), np.uint8)], np.zeros((0, 2), np.int64)).shape == (0,)

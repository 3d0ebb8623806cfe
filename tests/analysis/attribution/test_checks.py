"""Deletion of pixels, and how alike two maps are, without a model."""

import numpy as np
import pytest

from reportgen.analysis.attribution import checks


def test_pixels_are_deleted_in_the_order_of_the_map_and_in_random_ones() -> None:
    generator = np.random.default_rng(0)
    image, baseline = generator.random((2, 10, 10, 3)).astype(np.float32)
    amounts = generator.normal(size=(10, 10))
    made = np.stack(list(checks.deletions(image, baseline, amounts, seed=0)))
    assert made.shape == (1 + checks.ORDERS, len(checks.DELETED), 10, 10, 3)
    for column, share in enumerate(checks.DELETED):
        gone = (made[0, column] == baseline).all(axis=-1)
        assert gone.sum() == round(share * 100)
        assert amounts[gone].min() > amounts[~gone].max()
        assert np.array_equal(made[0, column][~gone], image[~gone])
        for row in made[1:]:
            assert (row[column] == baseline).all(axis=-1).sum() == round(share * 100)
    orders = {row[0].tobytes() for row in made}
    assert len(orders) == 1 + checks.ORDERS


def test_random_orders_waste_nothing_on_pixels_that_are_the_baseline_anyway() -> None:
    image = np.zeros((10, 10, 1), np.float32)
    image[2:6, 2:7] = 1
    made = np.stack(list(checks.deletions(image, np.zeros_like(image), np.ones((10, 10)), seed=0)))
    left = made.sum(axis=(2, 3, 4))
    assert left.tolist() == [[19, 18, 16, 12]] * (1 + checks.ORDERS)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 20.0], [300.0, 4000.0]], 1.0),
        ([[1.0, 2.0], [3.0, 4.0]], [[4.0, 3.0], [2.0, 1.0]], -1.0),
        ([[1.0, 2.0], [3.0, 4.0]], [[7.0, 7.0], [7.0, 7.0]], 0.0),
    ],
)
def test_maps_are_as_alike_as_their_ranks(one: list[list[float]], other: list[list[float]], expected: float) -> None:
    assert checks.similarity(np.array(one), np.array(other)) == pytest.approx(expected)

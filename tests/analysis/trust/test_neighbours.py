"""Nearest neighbours, against all pairs."""

import numpy as np
import pytest

from reportgen.analysis.trust import neighbours


def all_pairs(points: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest others of each point, by the definition."""
    far = ((points[:, np.newaxis].astype(np.float64) - points) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    return np.argsort(far, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("k", [1, 3, 15])
def test_few_points_have_their_nearest_neighbours(k: int) -> None:
    points = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32) + 100
    found, distances = neighbours.nearest(points, k, seed=0)
    np.testing.assert_array_equal(found, all_pairs(points, k))
    apart = ((points[:, np.newaxis] - points[found]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, apart, rtol=1e-3)
    asking = np.array([3, 17, 299])
    np.testing.assert_array_equal(neighbours.among_all(points, asking, k)[0], all_pairs(points, k)[asking])


def test_of_many_points_equal_ones_always_meet_and_near_ones_nearly_always() -> None:
    generator = np.random.default_rng(1)
    points = generator.standard_normal((6000, 6)).astype(np.float32)
    points[3000:3100] = points[:100]
    points[4000:4100] = points[100:200] + 0.01 * generator.standard_normal((100, 6)).astype(np.float32)
    found, distances = neighbours.nearest(points, 3, seed=0)
    np.testing.assert_array_equal(found[:100, 0], np.arange(3000, 3100))
    np.testing.assert_array_equal(distances[:100, 0] < 1e-5, True)
    assert (found[100:200, 0] == np.arange(4000, 4100)).mean() > 0.95
    asking = np.arange(0, 6000, 10)
    assert (found[asking] == neighbours.among_all(points, asking, 3)[0]).mean() > 0.9


@pytest.mark.parametrize("count", [0, 1, 2])
def test_where_there_are_too_few_points_places_stay_empty(count: int) -> None:
    found, distances = neighbours.nearest(np.zeros((count, 4), np.float32), 3, seed=0)
    assert found.shape == (count, 3)
    assert (found >= 0).sum() == (2 if count == 2 else 0)
    assert np.isinf(distances[found < 0]).all()

"""Figures of changed pictures against slow definitions of them."""

import itertools
import math

import numpy as np
import pytest

from reportgen.analysis.shifts import facts


def wilson(hits: int, images: int) -> tuple[float, float]:
    """Return the two shares whose distance from the one that was seen is 1.96 of *their* standard errors."""
    z, p = 1.959963984540054, hits / images

    grid = np.linspace(0, 1, 200_001)
    inside = grid[np.abs(p - grid) <= z * np.sqrt(grid * (1 - grid) / images)]
    return float(inside.min()), float(inside.max())


@pytest.mark.parametrize(("hits", "images"), [(1, 9), (7, 9), (45, 60), (0, 5), (5, 5)])
def test_accuracy_has_wilsons_interval(hits: int, images: int) -> None:
    right = np.arange(images) < hits
    found, interval = facts.accuracy(right)
    assert found == hits / images and interval == pytest.approx(wilson(hits, images), abs=1e-4)


def test_the_change_is_paired() -> None:
    before, after = np.arange(100) < 90, np.arange(100) >= 20
    found, (low, high) = facts.change(before, after)
    assert found == pytest.approx(-0.1) and low < -0.1 < high
    up, down = 11 / 102, 21 / 102  # Bonett and Price: one image more of either kind
    half = 1.959964 * math.sqrt((up + down - (up - down) ** 2) / 102)
    assert (low, high) == pytest.approx((up - down - half, up - down + half), abs=1e-6)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 3), (1, 5), (4, 4), (5, 1)])
def test_the_chance_of_a_fall_is_counted_over_all_coin_tosses(gained: int, lost: int) -> None:
    tosses = list(itertools.product((0, 1), repeat=gained + lost))
    slow = sum(sum(toss) <= gained for toss in tosses) / len(tosses)
    before = np.array([False] * gained + [True] * lost + [True, False])
    after = np.array([True] * gained + [False] * lost + [True, False])
    assert facts.chance_of_fall(before, after) == pytest.approx(slow)


def test_holm_stops_at_the_first_that_fails() -> None:
    assert facts.holm([0.04, 0.01, 0.02, 0.5]) == [False, True, False, False]
    assert facts.holm([0.001, 0.02, 0.015]) == [True, True, True]
    assert facts.holm([]) == []


def test_the_weakest_class_is_the_one_of_the_lowest_recall_that_has_images() -> None:
    labels = np.repeat([0, 1, 3], 10)
    before, after = np.ones(30, np.bool_), np.ones(30, np.bool_)
    after[12:17] = False
    found = facts.weakest(labels, before, after, ["a", "b", "c", "d"])
    assert (found.label, found.recall, found.recall_before, found.images) == ("b", 0.5, 1.0, 10)
    # for three classes at once it is wider than for one
    assert found.interval[0] < facts.accuracy(after[10:20])[1][0]


def test_movement_is_in_deviations_of_the_unit_or_of_its_layer_where_it_does_not_vary() -> None:
    clean = np.array([[0, 1, 0.1, 0], [2, 1, 0.1, 6], [0, 1, 0.1, 0], [2, 1, 0.1, 6]], np.float32)  # deviations 1, 3
    shifted = clean + np.array([3, 3, 0, 3], np.float32)
    assert facts.moved(clean, shifted) == pytest.approx([3, 1.5, 0, 1])
    assert facts.moved(clean[:, 1:3], shifted[:, 1:3]).tolist() == [0, 0]

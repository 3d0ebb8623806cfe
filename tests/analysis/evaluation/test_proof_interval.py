"""The intervals behind the findings, against published values and by how often they hold the truth."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen import intervals
from reportgen.analysis.evaluation import proof


def answers(*, lost: int = 0, gained: int = 0, images: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each image was answered rightly before and after; the rest were right both times."""
    before, after = np.ones(images, np.bool_), np.ones(images, np.bool_)
    after[:lost] = False
    before[lost : lost + gained] = False
    return before, after


# The paired difference


@pytest.mark.parametrize(
    ("lost", "gained", "images", "expected"),
    [
        # airway reactivity before and after a transplantation, in Fagerland, Lydersen and Laake (2014)
        (7, 1, 21, (-0.508, -0.013)),
        (0, 0, 1000, (-0.00277, 0.00277)),
        (0, 0, 10, (-0.231, 0.231)),
    ],
)
def test_the_interval_of_known_cases(lost: int, gained: int, images: int, expected: tuple[float, float]) -> None:
    assert proof.interval(*answers(lost=lost, gained=gained, images=images)) == pytest.approx(expected, abs=5e-4)


def test_without_images_nothing_is_known() -> None:
    assert proof.interval(*answers(images=0)) == (-1.0, 1.0)


def test_only_what_changed_counts_and_in_its_direction() -> None:
    low, high = proof.interval(*answers(lost=40, gained=10, images=1000))
    mirrored = proof.interval(*answers(lost=10, gained=40, images=1000))
    assert mirrored == pytest.approx((-high, -low))
    assert high < 0


def test_images_wrong_both_times_count_as_those_right_both_times() -> None:
    before, after = answers(lost=3, gained=1, images=100)
    expected = proof.interval(before, after)
    before[50:], after[50:] = False, False
    assert proof.interval(before, after) == expected


@pytest.mark.parametrize("images", [1, 2, 5, 10, 21])
def test_the_interval_holds_the_observed_difference_and_stays_in_range(images: int) -> None:
    for lost in range(images + 1):
        for gained in range(images + 1 - lost):
            low, high = proof.interval(*answers(lost=lost, gained=gained, images=images))
            assert -1 <= low <= (gained - lost) / images <= high <= 1
            assert low < high


def test_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        proof.interval(np.ones(3, np.bool_), np.ones(4, np.bool_))


@pytest.mark.parametrize("images", [50, 1000])
@pytest.mark.parametrize(("lost", "gained"), [(0.0, 0.0), (0.01, 0.01), (0.02, 0.0), (0.1, 0.05), (0.3, 0.3)])
def test_the_interval_holds_the_truth_as_often_as_it_says(lost: float, gained: float, images: int) -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        draw = generator.random(images)
        before, after = draw >= gained, (draw < 1 - lost)  # gained where draw is low, lost where it is high
        low, high = proof.interval(before, after)
        held += low <= gained - lost <= high
    assert held / 1000 >= 0.93


# Proportions


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [  # table I of Newcombe (1998), Statistics in Medicine 17, 857-872
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilsons_interval_of_published_cases(successes: int, trials: int, expected: tuple[float, float]) -> None:
    assert intervals.wilson(successes, trials) == pytest.approx(expected, abs=5e-5)


def test_wilsons_interval_ends_exactly_at_none_and_all() -> None:
    assert intervals.wilson(0, 7)[0] == 0.0
    assert intervals.wilson(7, 7)[1] == 1.0
    assert intervals.wilson(0, 0) == (0.0, 1.0)


def test_a_higher_level_gives_a_wider_interval() -> None:
    (low, high), (lower, higher) = intervals.wilson(3, 10), intervals.wilson(3, 10, level=0.99)
    assert lower < low < high < higher


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [  # table II of Newcombe (1998), Statistics in Medicine 17, 873-890, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_the_difference_of_two_proportions_in_published_cases(
    first: tuple[int, int], second: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert intervals.difference(first, second) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("trials", [1, 2, 7, 40])
def test_the_chance_of_so_few_is_the_sum_over_the_binomial(trials: int, share: float) -> None:
    chances = [math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(trials + 1)]
    for successes in range(trials + 1):
        expected = sum(chances[: successes + 1])
        assert intervals.chance_of_at_most(successes, trials, share) == pytest.approx(expected, abs=1e-12)


def test_the_chance_of_so_few_of_very_many_does_not_overflow() -> None:
    assert intervals.chance_of_at_most(50_000, 100_000, 0.5) == pytest.approx(0.5, abs=0.002)
    assert intervals.chance_of_at_most(10, 100_000, 0.5) == 0.0

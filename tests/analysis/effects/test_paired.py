"""Changes of recall and accuracy, their tests and corrections, held against definitions that are slow and plain."""

import numpy as np
import pytest

from reportgen.analysis.effects import audit, paired
from reportgen.intervals import paired_difference
from tests.helpers import chances as slow


def test_mcnemar_is_the_exact_binomial_test() -> None:
    pairs = [(a, b) for a in range(8) for b in range(8)] + [(0, 60), (31, 12)]
    gained, lost = (np.array(side) for side in zip(*pairs, strict=True))
    assert paired.mcnemar(gained, lost) == pytest.approx([slow.mcnemar(a, b) for a, b in pairs], rel=1e-9)


def test_holm_corrects_step_by_step() -> None:
    p = np.random.default_rng(0).random((4, 5)) ** 3
    p[0, 0] = p[1, 1]  # a tie
    assert paired.holm(p).ravel() == pytest.approx(slow.holm(p.ravel().tolist()), rel=1e-12)


def test_changes_are_counted_by_class_and_in_all() -> None:
    rng = np.random.default_rng(1)
    labels, before, after = rng.integers(0, 3, 50), rng.random(50) < 0.7, rng.random((50, 4)) < 0.6
    found = paired.count(before, after, labels, 4)
    for unit in range(4):
        difference = after[:, unit].astype(float) - before
        assert found.changes[unit, :3] == pytest.approx([difference[labels == k].mean() for k in range(3)])
        assert found.changes[unit, -1] == pytest.approx(difference.mean())
    assert np.isnan(found.changes[:, 3]).all(), "a class without images has no recall"


def test_effects_leave_out_classes_without_images_and_have_paired_intervals() -> None:
    labels, before = np.repeat([0, 1], 30), np.ones(60, np.bool_)
    after = np.ones((60, 2), np.bool_)
    after[30:, 1] = False
    counts = paired.count(before, after, labels, 3)
    nothing, all_of_one = paired.effects(counts, ["exact", "masked"], ["a", "b", "c"], counts, np.array([True, True]))
    assert [one.label for one in nothing.classes] == ["a", "b"]
    assert not nothing.significant and nothing.accuracy_change == 0 and nothing.permuted is None
    assert [one.significant for one in all_of_one.classes] == [False, True]
    assert all_of_one.classes[1].recall_change == -1 and all_of_one.classes[1].interval == pytest.approx(
        paired_difference(0, 30, 30), abs=1e-6
    )
    assert all_of_one.permuted is not None and all_of_one.permuted.accuracy_change == -0.5


def test_of_many_classes_those_that_change_most_are_listed_and_the_others_counted() -> None:
    labels = np.repeat(np.arange(25), 4)
    before, after = np.ones(100, np.bool_), np.ones((100, 1), np.bool_)
    after[: 4 * 12 : 4] = False
    after[1] = False
    counts = paired.count(before, after, labels, 25)
    (effect,) = paired.effects(counts, ["exact"], [str(k) for k in range(25)], counts, np.array([False]))
    assert len(effect.classes) == 10 and effect.not_listed == 2
    assert effect.classes[0].label == "0" and effect.classes[0].recall_change == -0.5


def test_the_rank_correlation_is_that_of_scipy_with_equal_values_too() -> None:
    from scipy.stats import spearmanr

    one, other = np.random.default_rng(2).integers(0, 6, (2, 40)).astype(float)
    expected = pytest.approx(spearmanr(one, other).statistic, rel=1e-12)
    assert audit.spearman(one, other) == audit.spearman(one.reshape(5, 8), other.reshape(5, 8)) == expected
    assert audit.spearman(one, np.ones(40)) is None

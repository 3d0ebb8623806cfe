"""Labels that look wrong: confident learning by its definition, votes of neighbours, and planted flips."""

from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import traces
from reportgen.analysis.activations.traces import Traced, Traces
from reportgen.analysis.trust import labels
from reportgen.analysis.trust.labels import Found

Array = Any


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def given(count: int, classes: int, seed: int = 0, sharp: float = 3.0) -> tuple[Array, Array]:
    """Return probabilities (N, K) and labels that mostly agree with them."""
    generator = np.random.default_rng(seed)
    own = np.arange(count) % classes
    logits = generator.standard_normal((count, classes))
    logits[np.arange(count), own] += sharp
    wrong = generator.choice(count, count // 20, replace=False)
    own[wrong] = (own[wrong] + 1 + generator.integers(0, classes - 1, len(wrong))) % classes
    return softmax(logits).astype(np.float32), own


def kept(scores: Array, features: Array | None = None) -> Traces:
    features = np.zeros((len(scores), 0), np.float32) if features is None else features
    return traces.of(np.asarray(scores, np.float32), features, 0, Traced(1))


def by_definition(probabilities: Array, own: Array) -> dict[int, tuple[int, float]]:
    """Return suggested class and score of each off-diagonal entry of the confident joint, image by image."""
    classes = probabilities.shape[1]
    thresholds = [probabilities[own == k, k].mean() if (own == k).any() else np.inf for k in range(classes)]
    found = {}
    for image, row in enumerate(probabilities):
        reached = [k for k in range(classes) if row[k] >= thresholds[k] - 1e-9]
        if reached and (best := max(reached, key=lambda k: (row[k], -k))) != own[image]:
            found[image] = best, row[best] - row[own[image]]
    return found


@pytest.mark.parametrize("classes", [2, 5, 16, 40])
@pytest.mark.parametrize("output", ["softmax", "logits"])
def test_candidates_are_the_off_diagonals_of_the_confident_joint(classes: int, output: str) -> None:
    shares, own = given(600, classes, sharp=4.0)
    scores = np.log(shares) + 1.5 if output == "logits" else shares
    known = labels.probabilities(kept(scores), output, classes)
    found = labels.candidates(known, own)
    exact = by_definition(shares.astype(np.float64), own)
    if classes <= traces.SCORES:
        np.testing.assert_allclose(known.of(own), shares[np.arange(600), own], rtol=1e-4)
        assert {n: int(found.suggested[n]) for n in found.ranked} == {n: k for n, (k, _) in exact.items()}
        np.testing.assert_allclose(found.scores[list(exact)], [score for _, score in exact.values()], atol=1e-5)
        assert list(found.scores[found.ranked]) == sorted(found.scores[found.ranked], reverse=True)
    else:  # of the lowest probabilities only the sum is known
        np.testing.assert_allclose(known.shares.sum(axis=1) + known.rest * (classes - traces.SCORES), 1, rtol=1e-5)
        both = set(exact) & set(found.ranked.tolist())
        assert len(both) >= 0.9 * len(exact) > 5


@pytest.mark.parametrize("output", ["sigmoid", "logits"])
def test_one_score_for_two_classes_is_judged_as_two(output: str) -> None:
    shares, own = given(300, 2)
    second = shares[:, 1:]
    scores = np.log(second / (1 - second)) if output == "logits" else second
    found = labels.candidates(labels.probabilities(kept(scores), output, 2), own)
    assert set(found.ranked.tolist()) == set(by_definition(shares.astype(np.float64), own))


def test_a_class_without_images_is_never_suggested() -> None:
    shares, own = given(300, 4)
    own[own == 3] = 0
    assert 3 not in labels.candidates(labels.probabilities(kept(shares), "softmax", 4), own).suggested


def test_only_candidates_that_their_neighbours_agree_with_stay() -> None:
    generator = np.random.default_rng(0)
    own = np.repeat([0, 1, 2], 40)
    features = (10 * own[:, np.newaxis] + generator.standard_normal((120, 3))).astype(np.float32)
    own[[5, 50]] = 2, 0  # among images of 0, and of 1
    suggested, scores = np.full(120, -1), np.full(120, -np.inf)
    for image, to in ((5, 0), (50, 1), (7, 1), (90, 0)):
        suggested[image], scores[image] = to, 0.5
    found, voted = labels.agreed(Found(suggested, scores), features, own)
    assert voted == 4 and found.ranked.tolist() == [5, 50]
    assert np.isinf(found.scores[[7, 90]]).all()


def test_a_tie_of_the_votes_agrees_with_nothing() -> None:
    features = np.arange(15, dtype=np.float32)[:, np.newaxis]
    own = np.array([0] * 8 + [1] * 7)
    suggested, scores = np.full(15, -1), np.full(15, -np.inf)
    suggested[0], scores[0] = 1, 0.9  # the 14 others: seven votes each
    found, voted = labels.agreed(Found(suggested, scores), features, own)
    assert voted == 1 and not len(found.ranked)


def test_flipped_labels_are_as_many_as_asked_for_and_never_what_they_were() -> None:
    own = np.arange(1000) % 4
    chances = np.array([[5, 0, 1, 3], [0, 2, 0, 0], [1, 1, 1, 1], [0, 0, 9, 1]], np.float64)
    made, changed = labels.flipped(own, chances, 400, np.random.default_rng(0))
    assert changed.sum() == 400
    np.testing.assert_array_equal(made != own, changed)
    assert {(int(a), int(b)) for a, b in zip(own[changed], made[changed], strict=True)} == {
        (0, 2), (0, 3), (1, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3), (3, 2),
    }  # fmt: skip
    of_0 = made[changed & (own == 0)]
    assert 0.55 < (of_0 == 3).mean() < 0.95  # 3 of 4
    again, _ = labels.flipped(own, chances, 400, np.random.default_rng(0))
    np.testing.assert_array_equal(made, again)


def average_precision(is_one: Array, scores: Array) -> float:
    """Return the average precision by its definition: over thresholds, the precision times the gain in recall."""
    found, before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        above = scores >= threshold
        recall = (above & is_one).sum() / is_one.sum()
        found += (recall - before) * (above & is_one).sum() / above.sum()
        before = recall
    return found


def test_the_score_of_the_search_is_the_average_precision_of_planted_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, own = given(500, 4, sharp=6.0)
    known = labels.probabilities(kept(shares), "softmax", 4)
    monkeypatch.setattr(labels, "DRAWS", 3)
    expected = []
    for draw in range(3):
        made, changed = labels.flipped(own, np.ones((4, 4)), 5, np.random.default_rng([7, draw]))
        scores = np.full(500, -2.0)
        for image, (_, score) in by_definition(shares.astype(np.float64), made).items():
            scores[image] = score
        expected.append(average_precision(changed, scores))
    assert labels.planted(known, own, np.ones((4, 4)), seed=7) == pytest.approx(np.mean(expected))


def test_a_good_model_finds_planted_flips_and_one_that_knows_nothing_does_not() -> None:
    own = np.arange(2000) % 5
    generator = np.random.default_rng(0)
    sure = softmax(8 * np.eye(5)[own] + generator.standard_normal((2000, 5)))
    luck = softmax(generator.standard_normal((2000, 5)))
    good, bad = (
        labels.planted(labels.probabilities(kept(shares), "softmax", 5), own, np.ones((5, 5)), seed=0)
        for shares in (sure, luck)
    )
    assert good > 0.9 and bad < 0.1


def test_confusions_are_sums_of_probabilities_by_class() -> None:
    shares, own = given(200, 3)
    found = labels.confusions(labels.probabilities(kept(shares), "softmax", 3), own)
    np.testing.assert_allclose(found, [shares[own == k].sum(axis=0) for k in range(3)], rtol=1e-4)


@pytest.mark.parametrize(
    ("images", "flips", "draws"), [(30, 1, 20), (1000, 10, 20), (10_000, 100, 20), (10**6, 10**4, 1)]
)
def test_one_per_cent_is_flipped_and_less_often_where_there_are_many(images: int, flips: int, draws: int) -> None:
    own = np.zeros(images, np.int64)
    assert (labels.count(own), labels.draws(own)) == (flips, draws)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn_with_equal_scores_too(seed: int) -> None:
    from sklearn.metrics import average_precision_score

    generator = np.random.default_rng(seed)
    wanted, scores = generator.random(60) < 0.2, np.round(generator.standard_normal(60), seed % 3)
    wanted[0] = True
    assert labels.average_precision(wanted, scores) == pytest.approx(average_precision_score(wanted, scores), rel=1e-12)

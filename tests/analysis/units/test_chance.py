"""What chance alone gives: no unit tells meaningless labels apart, and nothing is found that is not there."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest

from reportgen.analysis.units.facts import Thresholds
from reportgen.data import samples
from reportgen.dataset import Dataset, Part
from reportgen.runtime import keras
from tests.helpers.passes import Array, Looked, flat, look, make_dataset, predicted

pytestmark = pytest.mark.tensorflow
FALSE_ALARMS = 0.01  # how often chance alone may fail a test of all units and classes together
IMAGES, CLASSES = 1500, 10


def digits(*, shuffled: bool) -> Dataset:
    """Return bundled digits, under their own labels or under the same labels dealt out at random."""
    train = samples.load("sample", test_only=False).train
    assert train is not None
    labels = train.labels[:IMAGES]
    return make_dataset(
        Part(train.images[:IMAGES], np.random.default_rng(0).permutation(labels) if shuffled else labels)
    )


def untrained(dataset: Dataset) -> Looked:
    from reportgen.model import network

    keras.utils.set_random_seed(0)
    return look(network.build((28, 28, 1), CLASSES), dataset)


@pytest.fixture(scope="module")
def with_labels() -> Looked:
    return untrained(digits(shuffled=False))


@pytest.fixture(scope="module")
def without_labels() -> Looked:
    return untrained(digits(shuffled=True))


def surprising(found: Looked) -> list[str]:
    """Return the units whose AUROC lies further from 0.5 than chance brings any of them.

    Without any difference between classes the AUROC of n against m images is about normal around 0.5 with the
    variance (n + m + 1) / 12 n m (Mann & Whitney 1947). The class was chosen on the other half of the images, so it
    need not be paid for; Bonferroni over units and classes is on the safe side.
    """
    judged = [unit for unit in found.units if unit.preferred_class is not None]
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / (2 * len(judged) * CLASSES))
    lines = []
    for unit in judged:
        assert unit.preferred_class is not None
        own = int((found.dataset.test.labels == int(unit.preferred_class.label)).sum()) // 2  # in the scoring half
        rest = IMAGES // 2 - own
        most = z * np.sqrt((own + rest + 1) / (12 * own * rest))
        if abs(unit.preferred_class.auroc - 0.5) > most:
            lines.append(f"{unit.layer} {unit.unit}: {unit.preferred_class.auroc}")
    return lines


def test_no_unit_tells_meaningless_labels_apart(without_labels: Looked) -> None:
    assert surprising(without_labels) == []


def test_the_same_units_tell_the_digits_apart(with_labels: Looked) -> None:
    """So that the test above has something it could have found."""
    assert len(surprising(with_labels)) > 50


def test_class_selectivity_for_meaningless_labels_is_that_of_shuffled_ones(without_labels: Looked) -> None:
    """Within five standard deviations of shuffles made here: the index is skewed, so its tail is longer than normal."""
    labels, generator = without_labels.dataset.test.labels, np.random.default_rng(1)
    shuffles = [generator.permutation(labels) for _ in range(100)]
    seen = 0
    for plan, counted in zip(without_labels.plans, without_labels.tallies, strict=True):
        null = np.stack([selectivity(counted.kept, shuffled) for shuffled in shuffles])  # all images were kept
        for unit in without_labels.units_of(plan.layer):
            if unit.preferred_class is None or unit.preferred_class.selectivity is None:
                continue
            mean, std = null[:, unit.unit].mean(), null[:, unit.unit].std()
            assert abs(unit.preferred_class.selectivity - mean) < 5 * std
            assert abs(unit.preferred_class.selectivity_null - mean) < 5 * std * np.sqrt(1 / 100 + 1 / 200)
            seen += 1
    assert seen > 50


def selectivity(responses: Array, labels: Array) -> Array:
    """Return (U,) class selectivity of (N, U) responses (Morcos et al. 2018)."""
    means = np.stack([responses[labels == k].mean(axis=0, dtype=np.float64) for k in range(CLASSES)])
    largest = means.max(axis=0)
    rest = (means.sum(axis=0) - largest) / (CLASSES - 1)
    with np.errstate(invalid="ignore"):
        return (largest - rest) / (largest + rest)


def test_classes_explain_no_variance_where_labels_mean_nothing(without_labels: Looked) -> None:
    """Less what chance gives, the share is 0 on average; its spread for one unit is about sqrt(2 (K - 1)) / N."""
    explained = [unit.preferred_class.eta2 for unit in without_labels.units if unit.preferred_class is not None]
    assert len(explained) > 50
    assert np.abs(explained).max() < 6 * np.sqrt(2 * (CLASSES - 1)) / IMAGES


# Nothing is found that is not there


def r_three_times(raw: Array, labels: Array, sampled: Array) -> Array:
    """Return (3, U, U): r of mean responses, of these within classes, and over positions. raw: (N, P, U)."""
    pooled = raw.mean(axis=1, dtype=np.float64)
    within = pooled.copy()
    for k in np.unique(labels):
        within[labels == k] -= within[labels == k].mean(axis=0)
    maps = raw[:, sampled].reshape(-1, raw.shape[2]).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([np.corrcoef(columns, rowvar=False) for columns in (pooled, within, maps)])


@pytest.mark.parametrize(("threshold", "groups"), [(0.95, 0), (0.5, 1)])
def test_an_untrained_network_has_no_redundancy_beyond_pairs_that_are_really_alike(
    with_labels: Looked, threshold: float, groups: int
) -> None:
    """At the usual threshold, and at one at which there are such pairs whatever the weights. groups: at least."""
    dataset = with_labels.dataset
    found = look(with_labels.model, dataset, thresholds=Thresholds(redundant=threshold))
    for plan, verdict in zip(found.plans, found.layers, strict=True):
        if plan.family == "softmax":
            continue
        raw = flat(predicted(found.model, dataset.test.images, of=plan.read_after))
        r = r_three_times(raw, dataset.test.labels, plan.sampled)
        for group in verdict.groups:
            for one, other in combinations(group, 2):
                assert (r[:, one, other] >= threshold - 1e-6).all()
        for unit in found.units_of(plan.layer):
            assert unit.opposite is None or (r[:, unit.unit, unit.opposite] <= -threshold + 1e-6).all()
            assert unit.duplicate_of is None
        # and the other way round: of two units that are alike at least one is in a group
        left_out = {unit for units in verdict.left_out.values() for unit in units}
        grouped = {unit for group in verdict.groups for unit in group}
        for one, other in combinations(sorted(set(range(plan.units)) - left_out), 2):
            assert not (r[:, one, other] >= threshold + 1e-6).all() or {one, other} & grouped
    assert sum(len(verdict.groups) for verdict in found.layers) >= groups


def test_the_units_of_an_untrained_network_are_what_their_outputs_say(with_labels: Looked) -> None:
    for plan in with_labels.plans:
        if plan.family == "softmax":
            continue
        raw = flat(predicted(with_labels.model, with_labels.dataset.test.images, of=plan.read_after))
        silent = raw.max(axis=(0, 1)) <= 0
        always = (raw > 0).mean(axis=(0, 1)) >= 0.99
        weak = raw.mean(axis=(0, 1)) <= 0.025 * raw.mean()
        expected = np.select([silent, always, weak], ["dead", "always-on", "weak"], "healthy")
        assert [unit.state for unit in with_labels.units_of(plan.layer)] == expected.tolist()

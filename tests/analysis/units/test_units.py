"""Verdicts on units: planted faults and nothing else are named, figures agree with slow ways, chance stays chance."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.analysis.activations import bins
from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.tally import LayerPlan, LayerTally
from reportgen.analysis.units import layer_verdict, moments, redundancy, selectivity, states
from reportgen.analysis.units.facts import DEFAULTS, ImageFacts, Thresholds, Weights
from reportgen.record.units import LayerVerdict, Unit, alike
from tests.helpers.builders import modules_after
from tests.tools import tally_oracle

Array = NDArray[Any]
NAMES = [f"class {k}" for k in range(20)]
TOP = 12


def make_plan(values: Array, family: Any, shape: tuple[int, ...] | None, **changes: Any) -> LayerPlan:
    """Return how outputs (N, P, U) are read: by a first batch, as a pass would."""
    low, high = {"bounded": (0.0, 1.0), "relu6": (None, 6.0)}.get(family, (None, None))
    eps = 0.0 if family in ("relu", "relu6") else 1e-6 * float(np.quantile(np.abs(values), 0.999))
    plan = LayerPlan(
        layer="layer",
        read_after="layer",
        units=values.shape[2],
        position_shape=shape if shape is not None else () if values.shape[1] == 1 else (1, values.shape[1]),
        family=family,
        low=low,
        high=high,
        eps=eps,
        shift=values[:20].mean(axis=(0, 1), dtype=np.float64),
        grid=Grid(signed=family not in ("relu", "relu6", "bounded")),
        sampled=np.arange(values.shape[1]),
    )
    return dataclasses.replace(plan, **changes)


@dataclasses.dataclass
class Case:
    """A layer on made data: its outputs (N, P, U), and all that was found out about them."""

    values: Array
    labels: Array
    plan: LayerPlan
    counted: LayerTally
    layer: LayerVerdict
    units: list[Unit]

    def states(self) -> list[str]:
        return [unit.state for unit in self.units]

    def pooled(self) -> Array:
        return self.values.mean(axis=1, dtype=np.float64)

    def groups_of(self, field: str) -> dict[int, int]:
        return {unit.unit: getattr(unit, field) for unit in self.units if getattr(unit, field) is not None}


def judge(
    values: Array,
    labels: Array | None = None,
    family: Any = "relu",
    *,
    weights: Weights | None = None,
    shape: tuple[int, ...] | None = None,
    repeats: Array | None = None,
    predicted: Array | None = None,
    thresholds: Thresholds = DEFAULTS,
    order: Array | None = None,
) -> Case:
    """Judge a layer by its outputs, (N, U) or (N, P, U). order: in which the pass comes to the images."""
    values = np.asarray(values, np.float32)
    values = values[:, None] if values.ndim == 2 else values
    labels = np.arange(len(values)) % 2 if labels is None else labels
    plan = make_plan(values, family, shape)
    order = np.arange(len(values)) if order is None else order
    counted = tally_oracle.count(plan, values[order], labels[order], order, int(labels.max()) + 1, TOP, repeats=repeats)
    facts = ImageFacts(labels, labels if predicted is None else predicted, NAMES)
    layer, found = layer_verdict.judge(plan, counted, weights or Weights(), facts, thresholds)
    return Case(values, labels, plan, counted, layer, found)


def noise(images: int = 1000, count: int = 1, seed: int = 0) -> Array:
    """Return (N, U) independent normal responses."""
    return np.random.default_rng(seed).standard_normal((images, count))


def with_healthy(*columns: Array, seed: int = 99) -> Array:
    """Return planted units beside three that are healthy."""
    images = len(columns[0])
    return np.column_stack([*columns, np.maximum(noise(images, 3, seed), 0)])


# The planted layer


@pytest.fixture(scope="module")
def planted() -> Case:
    """A ReLU layer whose weights were set by hand, on inputs in [0, 1] of which the first six are for classes."""
    generator = np.random.default_rng(5)
    images, inputs = 1200, 20
    labels = generator.integers(0, 3, images)
    given = generator.random((images, inputs))
    given[:, 0] = np.where(labels == 1, 0.5 + 0.5 * given[:, 0], 0.4 * given[:, 0])
    given[:, 19] = 0
    given[:6, 19] = generator.random(6)
    kernel, bias = np.zeros((len(PLANTED), inputs)), np.zeros(len(PLANTED))
    unit = {name: n for n, name in enumerate(PLANTED)}
    kernel[unit["dead by bias"], 1:4], bias[unit["dead by bias"]] = 1, -4
    bias[unit["dead by kernel"]] = -1
    kernel[unit["dead on these images"], 1:13], bias[unit["dead on these images"]] = 1, -11.9
    bias[unit["constant"]] = 0.7
    kernel[unit["always on"], 4:6], bias[unit["always on"]] = (1, -1), 2
    kernel[unit["weak"], 5:7], bias[unit["weak"]] = 0.01, -0.01
    kernel[unit["class detector"], 0], bias[unit["class detector"]] = 3, -1.2
    kernel[unit["class-blind"], 7:9] = (1.5, -1.5)
    kernel[unit["original"], 9:12], bias[unit["original"]] = (1, -1, 0.5), -0.1
    for name, factor in (("duplicate", 1.0), ("scaled duplicate", 3.0)):
        kernel[unit[name]], bias[unit[name]] = factor * kernel[unit["original"]], factor * bias[unit["original"]]
    kernel[unit["rare"], 19] = 1
    kernel[unit["rare too"], 18:20], bias[unit["rare too"]] = (1e-3, 1), -2e-3
    values = np.maximum(given @ kernel.T + bias, 0)
    reach = np.maximum(kernel, 0).sum(axis=1) + bias
    return judge(values, labels, weights=Weights(kernel, bias, params_per_unit=inputs + 1, reach=reach))


PLANTED = [
    *("dead by bias", "dead by kernel", "dead on these images", "constant", "always on", "weak"),
    *("class detector", "class-blind", "original", "duplicate", "scaled duplicate", "rare", "rare too"),
]


def test_each_planted_unit_is_in_its_state_and_no_other_is(planted: Case) -> None:
    expected = dict.fromkeys(PLANTED, "healthy") | {
        "dead by bias": "dead",
        "dead by kernel": "dead",
        "dead on these images": "dead",
        "constant": "constant",
        "always on": "always-on",
        "weak": "weak",
        "rare": "weak",
        "rare too": "weak",
    }
    assert dict(zip(PLANTED, planted.states(), strict=True)) == expected
    assert planted.layer.states == {"dead": 3, "constant": 1, "always-on": 1, "weak": 3, "healthy": 5}


def test_each_dead_unit_has_its_own_cause_and_no_other_unit_has_one(planted: Case) -> None:
    causes = {PLANTED[unit.unit]: unit.cause for unit in planted.units if unit.cause}
    assert causes == {
        "dead by bias": ("it cannot fire on this input range: its bias outweighs every sum that its weights can reach"),
        "dead by kernel": "its kernel is zero",
        "dead on these images": "it did not fire on these images",
    }


def test_exactly_the_copies_are_redundant_and_one_of_them_stays(planted: Case) -> None:
    assert [[PLANTED[u] for u in group] for group in planted.layer.groups] == [
        ["original", "duplicate", "scaled duplicate"]
    ]
    assert [PLANTED[unit.unit] for unit in planted.units if unit.removable] == ["duplicate", "scaled duplicate"]
    assert planted.layer.removable_params == 2 * 21
    assert planted.groups_of("duplicate_of") == {9: 8, 10: 8}
    assert planted.groups_of("group") == {8: 0, 9: 0, 10: 0}
    assert planted.groups_of("opposite") == {}


def test_units_without_correlations_are_named_with_the_reason(planted: Case) -> None:
    assert planted.layer.left_out == {"dead": [0, 1, 2], "constant": [3], "fired on fewer than 20 images": [11, 12]}
    for reason, left_out in planted.layer.left_out.items():
        for unit in left_out:
            assert planted.units[unit].nearest is None
            assert planted.units[unit].reasons["nearest"] == reason


def test_the_class_detector_is_found_and_the_blind_unit_is_blind(planted: Case) -> None:
    detector, blind = (planted.units[PLANTED.index(name)].preferred_class for name in ("class detector", "class-blind"))
    assert detector is not None and blind is not None
    assert detector.label == "class 1"
    assert (detector.auroc, detector.hit_rate, detector.false_alarm_rate) == (1, 1, 0)
    assert detector.selectivity == 1
    assert planted.units[PLANTED.index("class detector")].other_image is None
    assert detector.eta2 is not None and detector.eta2 > 0.75
    assert abs(blind.auroc - 0.5) < 0.07
    assert blind.selectivity is not None and blind.selectivity_null is not None and blind.selectivity < 0.15
    assert blind.eta2 is not None and abs(blind.eta2) < 0.01


def test_sentences_hold_the_figures(planted: Case) -> None:
    evidence = dict(zip(PLANTED, [unit.evidence for unit in planted.units], strict=True))
    assert evidence["dead by bias"] == "fired on 0 of 1,200 images; the true rate is below 0.2 % with 95 % confidence"
    assert evidence["constant"] == "gave 0.7 for every image: the standard deviation of 1,200 values is 0"
    assert evidence["always on"] == "100.0 % of 1,200 values are above 0, so it is linear on this data"
    fired = int(planted.counted.fired[11])
    assert evidence["rare"].startswith(f"fired on {fired:,} of 1,200 images, but its mean is ")
    fired = int(planted.counted.fired[7])
    assert evidence["class-blind"].startswith(f"fired on {fired:,} of 1,200 images; ")


def test_a_dead_unit_shows_no_image_and_a_rare_one_only_those_that_fire_it(planted: Case) -> None:
    assert planted.units[0].top_images == []
    assert planted.units[0].other_image is None
    rare = judge(with_healthy(np.where(np.arange(1000) < 3, 1.0, 0.0)))
    assert [image.index for image in rare.units[0].top_images] == [0, 1, 2]


def test_a_dead_or_constant_unit_prefers_no_class_and_says_why(planted: Case) -> None:
    assert planted.units[0].preferred_class is None
    assert planted.units[0].reasons["preferred_class"] == "it never fired"
    assert planted.units[3].preferred_class is None
    assert planted.units[3].reasons["preferred_class"] == "its mean response does not differ between images"


# States


def state_of(column: Array, family: Any = "relu", **options: Any) -> str:
    return judge(with_healthy(column), family=family, **options).units[0].state


def test_the_first_cause_that_applies_is_named() -> None:
    values = np.zeros((100, 4))
    values[:, 3] = noise(100)[:, 0] ** 2
    kernel, bias, gamma = np.array([[0.0], [1e-9], [1], [1]]), np.array([0.0, 0, -9, 1]), np.array([0.0, 0, 1e-9, 1])
    everything = Weights(kernel, bias, gamma, reach=np.array([-1.0, -1, -1, 1]))

    def causes(**changes: Any) -> list[str | None]:
        return [unit.cause for unit in judge(values, weights=dataclasses.replace(everything, **changes)).units]

    kernel_zero, gamma_zero = "its kernel is zero", "the gamma of its batch normalisation is zero"
    cannot = "it cannot fire on this input range: its bias outweighs every sum that its weights can reach"
    assert causes(input_is_zero=True) == [*["the layer's input is all zero"] * 3, None]
    assert causes() == [kernel_zero, kernel_zero, gamma_zero, None]
    assert causes(kernel=None) == [gamma_zero, gamma_zero, gamma_zero, None]
    assert causes(kernel=None, gamma=None) == [cannot, cannot, cannot, None]
    assert causes(kernel=None, gamma=None, reach=None) == [*["it did not fire on these images"] * 3, None]


def test_a_layer_that_is_zero_throughout_is_dead_as_a_whole() -> None:
    case = judge(np.zeros((50, 3)), weights=Weights(input_is_zero=True))
    assert case.layer.states == {"dead": 3}
    assert {unit.cause for unit in case.units} == {"the layer's input is all zero"}
    assert (case.layer.effective_rank, case.layer.participation_ratio, case.layer.noise_floor) == (None, None, None)
    assert set(case.layer.reasons) == {"effective_rank", "participation_ratio", "noise_floor"}
    assert case.layer.groups == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.96, 0.0, "saturated"), (0.0, 0.96, "saturated"), (0.5, 0.48, "healthy"), (0.95, 0.0, "healthy")],
    ids=["stuck below", "stuck above", "switch", "just not stuck"],
)
def test_a_sigmoid_is_saturated_when_it_is_stuck_at_one_end(low: float, high: float, expected: str) -> None:
    place = np.arange(1000) / 1000
    column = np.where(place < low, 0.01 + 0.001 * place, np.where(place >= 1 - high, 0.98 + 0.001 * place, 0.5))
    case = judge(np.column_stack([column, 0.2 + 0.6 * np.random.default_rng(0).random((1000, 3))]), family="bounded")
    assert case.states() == [expected, "healthy", "healthy", "healthy"]


def test_a_stuck_sigmoid_says_where() -> None:
    column = np.where(np.arange(1000) < 970, 0.01, 0.5)
    case = judge(np.column_stack([column, np.random.default_rng(0).random((1000, 3))]), family="bounded")
    assert case.units[0].evidence == "97.0 % of 1,000 values are stuck at the lower end of its range, 0"


def test_relu6_is_saturated_at_its_ceiling_and_linear_between_its_ends() -> None:
    place = np.arange(1000)
    columns = [np.where(place < 960, 6.0, 3.0), 1 + place / 300, np.where(place < 940, 6.0, 3.0)]
    assert judge(with_healthy(*columns), family="relu6").states()[:3] == ["saturated", "always-on", "healthy"]


@pytest.mark.parametrize(("share", "expected"), [(0.99, "always-on"), (0.989, "healthy")])
def test_always_on_begins_at_99_percent(share: float, expected: str) -> None:
    column = np.where(np.arange(1000) < 1000 * share, np.abs(noise()[:, 0]) + 0.1, 0.0)
    assert state_of(column) == expected


def test_a_constant_unit_may_waver_by_rounding_only() -> None:
    wavering = noise(1000)[:, 0]
    assert state_of(5 + 1e-7 * wavering) == "constant"
    assert state_of(5 + 1e-4 * wavering) == "always-on"


@pytest.mark.parametrize(("size", "expected"), [(0.01, "weak"), (0.05, "healthy")])
def test_a_unit_is_weak_beside_its_layer(size: float, expected: str) -> None:
    assert judge(np.maximum(noise(1000, 4), 0) * [size, 1, 1, 1]).states() == [expected, *["healthy"] * 3]


def test_a_leaky_unit_whose_pre_activation_is_never_positive_is_always_negative() -> None:
    before = np.abs(noise(1000, 4)) * [-1, -1, 1, 1]
    before[:5, 1] = 1
    before[::2, 2:] *= -1
    values = np.where(before > 0, before, 0.2 * before)
    case = judge(values, family="leaky")
    assert case.states() == ["always-negative", "healthy", "healthy", "healthy"]
    low = float(f"{values[:, 0].min():.3g}")
    assert case.units[0].evidence.startswith("its pre-activation was never above 0 for 1,000 values")
    assert f"passes on {low:g} to ".replace("-", "\N{MINUS SIGN}") in case.units[0].evidence
    assert case.units[0].cause is None
    assert [unit.firing_rate for unit in case.units] == [0, 0.005, 0.5, 0.5]
    assert 0 not in [unit for units in case.layer.left_out.values() for unit in units], "it says something"


def test_a_leaky_unit_that_passes_nothing_on_is_dead() -> None:
    """As behind a PReLU that learnt a slope of 0, or far below the bend of a GELU."""
    values = noise(1000, 3)
    values[:, 0], values[:, 1] = 0, -1e-8 * np.abs(values[:, 1])
    case = judge(values, family="leaky")
    assert case.states() == ["dead", "dead", "healthy"]
    assert case.units[0].evidence.startswith("its pre-activation was above 0 on 0 of 1,000 images")


def test_two_units_that_are_always_negative_can_say_the_same() -> None:
    values = -np.abs(noise(1000, 3))
    values[:, 1], values[:, 2] = 2 * values[:, 0], noise(1000, 1, seed=3)[:, 0]
    case = judge(values, family="leaky")
    assert case.states() == ["always-negative", "always-negative", "healthy"]
    assert case.layer.groups == [[0, 1]]


def test_a_linear_unit_that_is_always_negative_is_not_dead_but_one_that_is_zero_is() -> None:
    values = np.column_stack([noise()[:, 0] - 9, np.zeros(1000), noise(1000, 2, seed=1)])
    case = judge(values, family="linear")
    assert case.states() == ["healthy", "dead", "healthy", "healthy"]
    assert case.layer.left_out == {"dead": [1]}


def test_the_output_layer_is_judged_as_an_output() -> None:
    generator = np.random.default_rng(0)
    values = generator.dirichlet(np.ones(3), 100)
    case = judge(values, generator.integers(0, 3, 100), "softmax", predicted=generator.integers(0, 2, 100))
    assert case.states() == ["output", "output", "never predicted"]
    assert case.units[2].evidence == "was the prediction for 0 of 100 images"
    assert case.layer.left_out == {"softmax outputs are anti-correlated by construction": [0, 1, 2]}
    assert all(unit.nearest is None and unit.preferred_class is not None for unit in case.units)
    always = judge(values, family="softmax", predicted=np.ones(100, int))
    assert always.states() == ["never predicted", "always predicted", "never predicted"]


def test_no_images_give_no_verdict() -> None:
    plan = make_plan(np.ones((20, 1, 2)), "relu", None)
    facts = ImageFacts(np.zeros(0, int), np.zeros(0, int), NAMES)
    with pytest.raises(ValueError, match="no images"):
        layer_verdict.judge(plan, tally_oracle.empty(plan, 2, TOP), Weights(), facts)


# Redundancy


def turned(*degrees: float, images: int = 2000) -> Array:
    """Return signals of which two r's are the cosine of the angle between them."""
    one, other = np.linalg.qr(noise(images, 2) - noise(images, 2).mean(axis=0))[0].T * math.sqrt(images)
    return np.column_stack([np.cos(np.radians(d)) * one + np.sin(np.radians(d)) * other for d in degrees])


def test_a_chain_does_not_become_one_group() -> None:
    values = turned(0, 15, 30)  # r = 0.966, 0.966 and 0.866
    case = judge(np.column_stack([values, noise(2000, 2, seed=7)]), family="linear")
    assert len(case.layer.groups) == 1
    assert sorted(case.layer.groups[0]) in ([0, 1], [1, 2])
    assert sum(unit.removable for unit in case.units) == 1


def test_the_unit_that_fires_most_stays_and_of_equals_the_first() -> None:
    base = np.maximum(noise(2000)[:, 0], 0)
    louder = np.where(np.arange(2000) % 50 == 0, np.maximum(base, 0.01), base)
    assert judge(np.column_stack([base, louder, base])).layer.groups == [[1, 0, 2]]
    assert judge(np.column_stack([base, base, base])).layer.groups == [[0, 1, 2]]


def test_opposite_units_are_listed_but_not_redundant() -> None:
    one = noise(2000)[:, 0]
    case = judge(np.column_stack([one, -one, noise(2000, 1, seed=3)]), family="linear")
    assert case.groups_of("opposite") == {0: 1, 1: 0}
    assert case.layer.groups == []
    nearest = case.units[0].nearest
    assert nearest is not None and nearest.unit == 1 and nearest.r == pytest.approx(-1)


def test_units_that_only_share_their_class_are_not_redundant() -> None:
    labels = np.arange(2000) % 4
    values = np.where(labels == 2, 50, 0)[:, None] + np.abs(noise(2000, 2))
    case = judge(values, labels)
    nearest = case.units[0].nearest
    assert nearest is not None and nearest.r > 0.99
    assert nearest.r_within_class is not None and abs(nearest.r_within_class) < 0.1
    assert case.layer.groups == []


def test_units_that_fire_in_different_places_are_not_redundant() -> None:
    strength = np.abs(noise(2000)[:, 0])
    values = np.zeros((2000, 4, 3))
    values[:, 0, 0] = values[:, 3, 1] = values[:, 3, 2] = strength
    case = judge(values)
    nearest = case.units[0].nearest
    assert nearest is not None and nearest.r == pytest.approx(1)
    assert case.layer.groups == [[1, 2]]
    assert nearest.alike == "on average"
    other, kept = case.units[2].nearest, case.units[2].kept
    assert other is not None and kept is not None and kept.alike == "interchangeable"


@pytest.mark.parametrize(
    ("r", "expected"),
    [
        ([0.99, 0.95], "interchangeable"),
        ([0.99, 0.94], None),
        ([0.99, None], None),
        ([0.99, 0.99, 0.95], "interchangeable"),
        ([0.99, 0.99, 0.94], "on average"),
        ([0.99, 0.99, None], None),
        ([0.94, 0.99, 0.99], None),
        ([-0.99, -0.99, -0.99], None),
    ],
)
def test_what_is_undefined_makes_no_two_units_alike(r: list[float | None], expected: str | None) -> None:
    assert alike(r, 0.95) == expected


def test_in_which_sense_two_units_are_alike_follows_the_threshold() -> None:
    values = turned(0, 15, 100)  # r = 0.966 of the first two
    for threshold, expected in ((0.95, "interchangeable"), (0.97, None)):
        found = judge(values, family="linear", thresholds=Thresholds(redundant=threshold)).units
        assert [unit.nearest and unit.nearest.alike for unit in found] == [expected, expected, None]
    labels = np.arange(2000) % 4
    shared = judge(np.where(labels == 2, 50, 0)[:, None] + np.abs(noise(2000, 2)), labels).units[0].nearest
    assert shared is not None and shared.r > 0.99 and shared.alike is None


def test_units_that_fire_once_on_the_same_image_are_not_redundant() -> None:
    values = np.maximum(noise(1000, 4), 0)
    values[:, :2] = 0
    values[7, :2] = 9
    case = judge(values)
    assert case.layer.groups == []
    assert case.layer.left_out == {"fired on fewer than 20 images": [0, 1]}


def test_one_percent_of_many_images_is_needed() -> None:
    values = np.maximum(noise(5000, 3), 0)
    values[49:, 0] = values[50:, 1] = 0
    values[:50, :2] = 1 + np.arange(50)[:, None]
    values[49, 0] = 0
    assert judge(values).layer.left_out == {"fired on fewer than 50 images": [0]}


def test_a_map_that_does_not_differ_between_images_is_left_out() -> None:
    values = np.abs(noise(100 * 6)).reshape(100, 2, 3)
    values[:, :, 0] = [1, 3]  # as behind a zero input with a padded border
    assert judge(values).layer.left_out == {"its mean response does not differ between images": [0]}


def test_rounding_is_not_taken_for_a_response() -> None:
    values = np.abs(noise(997 * 2, 40)).reshape(997, 2, 40)
    values[:, :, :30] = np.random.default_rng(0).random((2, 30)) * 1000
    plan = dataclasses.replace(make_plan(values, "relu", None), shift=np.full(40, 0.3))
    counted = tally_oracle.count(plan, values, np.arange(997) % 2, np.arange(997), 2, TOP)
    assert moments.varies(plan, counted).tolist() == [False] * 30 + [True] * 10
    for r in (moments.pooled_correlation(plan, counted), moments.within_class_correlation(plan, counted)):
        assert np.isnan(r[:30]).all() and np.isnan(r[:, :30]).all() and np.isfinite(r[30:, 30:]).all()


@pytest.mark.parametrize(
    ("copies", "factor", "expected"),
    [
        ("scaled", 3.7, {1: 0}),
        ("scaled", 0.1, {1: 0}),
        ("equal", 1.0, {1: 0}),
        ("equal", 2.0, {}),
        ("scaled", -1.0, {}),
        ("none", 1.0, {}),
    ],
)
def test_weights_are_duplicates_up_to_what_the_activation_lets_through(
    copies: Literal["scaled", "equal", "none"], factor: float, expected: dict[int, int]
) -> None:
    kernel, bias = noise(3, 50), noise(3)[:, 0]
    kernel[1] = np.float32(factor) * kernel[0].astype(np.float32)
    bias[1] = factor * bias[0]
    values = np.maximum(noise(100, 3), 0.01)
    made = Weights(kernel, bias, copies=copies)
    assert judge(values, weights=made).groups_of("duplicate_of") == expected
    other = dataclasses.replace(made, bias=bias + np.eye(3)[1])
    assert judge(values, weights=other).groups_of("duplicate_of") == {}
    slopes = dataclasses.replace(made, slopes=np.array([[0.0, 0.25], [0.0, 0.25], [0.5, 0.5]]))
    assert judge(values, weights=slopes).groups_of("duplicate_of") == expected
    slopes = dataclasses.replace(made, slopes=np.array([[0.0, 0.25], [-1.0, 0.25], [0.5, 0.5]]))
    assert judge(values, weights=slopes).groups_of("duplicate_of") == {}


def test_duplicates_are_found_among_many_units() -> None:
    kernel = noise(2000, 9, seed=4)
    copies = {1999: 3, 700: 12, 800: 12, 801: 800}
    for copy, original in copies.items():
        kernel[copy] = 2.5 * kernel[original]
    plan = make_plan(np.ones((20, 1, 2000)), "relu", None)
    alive = [states.Verdict("healthy", "")] * 2000
    found = redundancy.duplicates(plan, Weights(kernel), alive, DEFAULTS)
    assert found == {1999: 3, 700: 12, 800: 12, 801: 12}


def test_a_large_bias_does_not_make_kernels_alike() -> None:
    weights = Weights(noise(2, 5), np.full(2, 1e6))
    assert judge(np.maximum(noise(100, 2), 0.01), weights=weights).groups_of("duplicate_of") == {}


@pytest.mark.parametrize("seed", range(8))
def test_groups_hold_alike_units_only_and_cannot_be_joined(seed: int) -> None:
    generator = np.random.default_rng(seed)
    signals = generator.standard_normal((40, 8))
    signals = np.concatenate([signals + 0.25 * generator.standard_normal((40, 8)) for _ in range(4)], axis=1)
    likeness = np.corrcoef(signals.T)
    np.fill_diagonal(likeness, np.nan)
    same = likeness >= 0.9
    groups = redundancy.complete_linkage(same, likeness)
    assert sorted(groups) == groups
    for group in groups:
        assert all(same[u, v] for u, v in itertools.combinations(group, 2))
    grouped = {unit for group in groups for unit in group}
    whole = [*groups, *([unit] for unit in range(32) if unit not in grouped)]
    for one, other in itertools.combinations(whole, 2):
        assert not all(same[u, v] for u in one for v in other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "sparse", "expected"),
    [(1000, False, 0.14), (10_000, False, 0.045), (50, True, 0.93), (1000, True, 0.21), (10_000, True, 0.05)],
)
def test_the_noise_floor_is_what_independent_units_reach(images: int, sparse: bool, expected: float) -> None:
    signals = noise(images, 512, seed=1).astype(np.float32)
    signals = np.maximum(signals - 1, 0) if sparse else signals
    found = redundancy.noise_floor(signals)
    assert found == pytest.approx(expected, rel=0.15)
    fresh = noise(images, 512, seed=2)
    fresh = np.maximum(fresh - 1, 0) if sparse else fresh
    r = np.corrcoef(fresh[:, fresh.any(axis=0)].T)
    np.fill_diagonal(r, 0)
    assert found == pytest.approx(np.abs(r).max(), rel=0.2)


def test_few_images_are_said_to_be_few() -> None:
    assert "with only 200 images" in judge(np.maximum(noise(200, 5), 0)).layer.reasons["noise_floor"]
    assert judge(np.maximum(noise(1000, 5), 0)).layer.reasons == {}


def test_a_single_unit_has_nothing_to_be_compared_with() -> None:
    case = judge(np.maximum(noise(1000, 1), 0))
    assert case.units[0].nearest is None
    assert case.units[0].reasons["nearest"] == "no other unit of the layer to compare with"
    assert case.layer.noise_floor is None
    assert case.layer.effective_rank == pytest.approx(1)


# Figures against slow ways


@pytest.fixture(scope="module", params=["neurons", "maps", "linear"])
def random_layer(request: Any) -> Case:
    """Sixteen units, some of them alike, on 600 images of five classes, the last class rare."""
    generator = np.random.default_rng(11)
    labels = np.minimum(generator.integers(0, 40, 600) // 8, 4)
    labels[labels == 4] = np.where(np.arange((labels == 4).sum()) < 6, 4, 0)
    values = generator.standard_normal((600, 6 if request.param == "maps" else 1, 16))
    values[:, :, :5] += 1.5 * (labels[:, None, None] == np.arange(5))
    values[:, :, 8:12] = values[:, :, 4:8] + 0.3 * generator.standard_normal(values[:, :, 4:8].shape)
    family = "linear" if request.param == "linear" else "relu"
    return judge(
        np.round(np.maximum(values, 0), 2) if family == "relu" else values,
        labels,
        family,
        shape=(2, 3) if request.param == "maps" else None,
    )


def residual(pooled: Array, labels: Array) -> Array:
    rest = pooled.copy()
    for k in np.unique(labels):
        rest[labels == k] -= rest[labels == k].mean(axis=0)
    return rest


def test_moments_are_those_of_the_raw_values(random_layer: Case) -> None:
    raw = random_layer.values.astype(np.float64)
    for unit in random_layer.units:
        own = raw[:, :, unit.unit]
        assert unit.mean == pytest.approx(own.mean(), abs=1e-9)
        assert unit.std == pytest.approx(own.std(), abs=1e-9)
        assert unit.max == own.max()
        assert unit.firing_rate == (own.max(axis=1) > random_layer.plan.eps).mean()
        assert unit.zero_share == (own <= random_layer.plan.eps).mean()
        assert sum(unit.histogram) == own.size


def test_class_means_are_those_of_the_raw_values(random_layer: Case) -> None:
    expected = [random_layer.pooled()[random_layer.labels == k].mean(axis=0) for k in range(5)]
    found = moments.class_means(random_layer.plan, random_layer.counted)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_correlations_are_those_of_the_raw_values(random_layer: Case) -> None:
    plan, counted, pooled = random_layer.plan, random_layer.counted, random_layer.pooled()
    maps = random_layer.values.astype(np.float64).reshape(-1, plan.units)
    within = residual(pooled, random_layer.labels)
    np.testing.assert_allclose(moments.pooled_correlation(plan, counted), np.corrcoef(pooled.T), atol=1e-9)
    np.testing.assert_allclose(moments.within_class_correlation(plan, counted), np.corrcoef(within.T), atol=1e-9)
    np.testing.assert_allclose(moments.map_correlation(plan, counted), np.corrcoef(maps.T), atol=1e-9)


def test_the_nearest_unit_has_the_largest_r(random_layer: Case) -> None:
    pooled = random_layer.pooled()
    r, within = np.corrcoef(pooled.T), np.corrcoef(residual(pooled, random_layer.labels).T)
    for unit in random_layer.units:
        others = [v for v in range(16) if v != unit.unit]
        expected = max(others, key=lambda v, u=unit.unit: abs(r[u, v]))
        assert unit.nearest is not None and unit.nearest.unit == expected
        assert unit.nearest.r == pytest.approx(r[unit.unit, expected], abs=1e-9)
        assert unit.nearest.r_within_class == pytest.approx(within[unit.unit, expected], abs=1e-9)


def test_the_ranks_are_those_of_the_centred_responses(random_layer: Case) -> None:
    pooled = random_layer.pooled()
    sigma = np.linalg.svd(pooled - pooled.mean(axis=0), compute_uv=False)
    shares = sigma / sigma.sum()
    assert random_layer.layer.effective_rank == pytest.approx(
        math.exp(-sum(p * math.log(p) for p in shares)) / 16, abs=1e-6
    )
    assert random_layer.layer.participation_ratio == pytest.approx(
        sum(s**2 for s in sigma) ** 2 / sum(s**4 for s in sigma) / 16, abs=1e-9
    )


def test_copies_do_not_raise_the_effective_rank() -> None:
    one = np.maximum(noise(500, 3), 0)
    three = judge(np.column_stack([one, one, 0 * one[:, :1]])).layer
    alone = judge(one).layer
    assert three.effective_rank is not None and alone.effective_rank is not None
    assert three.effective_rank * 7 == pytest.approx(alone.effective_rank * 3, abs=1e-6)


def test_the_effective_rank_of_more_units_than_images_holds_no_rounding() -> None:
    values = np.abs(noise(24, 400))
    sigma = np.linalg.svd(
        values.astype(np.float32).astype(float) - values.astype(np.float32).mean(axis=0, dtype=float)
    )[1]
    shares = sigma[:23] / sigma[:23].sum()
    expected = math.exp(-(shares * np.log(shares)).sum()) / 400
    assert judge(values).layer.effective_rank == pytest.approx(expected, rel=1e-9)


def halves(case: Case) -> tuple[Array, Array]:
    scored = selectivity.half(np.arange(len(case.labels)), case.labels)
    return np.flatnonzero(~scored), np.flatnonzero(scored)


def test_the_halves_share_every_class_evenly(random_layer: Case) -> None:
    choosing, scored = halves(random_layer)
    sizes = [np.bincount(random_layer.labels[part], minlength=5) for part in (choosing, scored)]
    assert np.abs(sizes[0] - sizes[1]).max() <= 1


@pytest.mark.slow
def test_auroc_is_that_of_scikit_learn(random_layer: Case) -> None:
    from sklearn.metrics import roc_auc_score

    choosing, scored = halves(random_layer)
    pooled, labels = random_layer.pooled().astype(np.float32), random_layer.labels
    for unit in random_layer.units:
        own = pooled[:, unit.unit]
        areas = [roc_auc_score(labels[choosing] == k, own[choosing]) for k in range(4)]  # class 4 has too few images
        best = int(np.argmax(areas))
        assert unit.preferred_class is not None and unit.preferred_class.label == NAMES[best]
        expected = roc_auc_score(labels[scored] == best, own[scored])
        assert unit.preferred_class.auroc == pytest.approx(expected, abs=1e-9)


def test_hit_and_false_alarm_rate_are_those_of_the_best_threshold(random_layer: Case) -> None:
    _, scored = halves(random_layer)
    for unit in random_layer.units:
        assert unit.preferred_class is not None
        own = random_layer.pooled().astype(np.float32)[scored, unit.unit]
        of_class = random_layer.labels[scored] == NAMES.index(unit.preferred_class.label)
        rates = [((own >= t)[of_class].mean(), (own >= t)[~of_class].mean()) for t in sorted(set(own), reverse=True)]
        hit, alarm = max(rates, key=lambda rate: rate[0] - rate[1])
        assert unit.preferred_class.hit_rate - unit.preferred_class.false_alarm_rate == pytest.approx(hit - alarm)
        assert (unit.preferred_class.hit_rate, unit.preferred_class.false_alarm_rate) == pytest.approx((hit, alarm))


def slow_selectivity(responses: Sequence[float], labels: Sequence[int]) -> float:
    means = []
    for k in sorted(set(labels)):
        own = [float(r) for r, label in zip(responses, labels, strict=True) if label == k]
        means.append(sum(own) / len(own))
    top = max(means)
    means.remove(top)
    rest = sum(means) / len(means)
    return (top - rest) / (top + rest)


def test_class_selectivity_and_its_null_are_those_of_plain_loops(random_layer: Case) -> None:
    pooled, labels = random_layer.pooled(), random_layer.labels
    generator = np.random.default_rng(0)
    shuffles = [generator.permutation(labels).tolist() for _ in range(selectivity.SHUFFLES)]
    for unit in random_layer.units[::5]:
        assert unit.preferred_class is not None
        if random_layer.plan.family == "linear":
            assert unit.preferred_class.selectivity is unit.preferred_class.selectivity_null is None
            assert unit.reasons["selectivity"] == "some of its responses are negative"
            continue
        own = pooled[:, unit.unit].tolist()
        assert unit.preferred_class.selectivity == pytest.approx(slow_selectivity(own, labels.tolist()), abs=1e-6)
        null = sum(slow_selectivity(own, shuffled) for shuffled in shuffles) / len(shuffles)
        assert unit.preferred_class.selectivity_null == pytest.approx(null, abs=1e-6)


def test_eta_squared_is_that_of_plain_loops(random_layer: Case) -> None:
    pooled, labels = random_layer.pooled(), random_layer.labels
    for unit in random_layer.units:
        own = pooled[:, unit.unit]
        between = sum((labels == k).sum() * (own[labels == k].mean() - own.mean()) ** 2 for k in range(5))
        expected = between / ((own - own.mean()) ** 2).sum() - 4 / 599
        assert unit.preferred_class is not None
        assert unit.preferred_class.eta2 == pytest.approx(expected, abs=1e-9)


def test_top_images_are_the_strongest_with_the_place_of_the_maximum(random_layer: Case) -> None:
    for unit in random_layer.units:
        own = random_layer.values[:, :, unit.unit]
        order = sorted(range(600), key=lambda n: (-own[n].max(), n))[:5]
        assert [(image.index, image.score) for image in unit.top_images] == [(n, own[n].max()) for n in order]
        for image in unit.top_images:
            row, column = divmod(int(own[image.index].argmax()), 3)
            maps = random_layer.plan.positions > 1
            assert (image.row, image.column) == ((row, column) if maps else (None, None))
            assert image.true == NAMES[random_layer.labels[image.index]]


def test_the_other_image_is_the_strongest_of_another_class(random_layer: Case) -> None:
    for unit in random_layer.units:
        assert unit.preferred_class is not None and unit.other_image is not None
        peaks = random_layer.values[:, :, unit.unit].max(axis=1)
        others = np.flatnonzero(random_layer.labels != NAMES.index(unit.preferred_class.label))
        assert unit.other_image.index == others[peaks[others].argmax()]
        assert unit.other_image.score == peaks[unit.other_image.index]


# Classes at the edges


def test_one_class_gives_no_preference() -> None:
    case = judge(np.maximum(noise(100, 2), 0), np.zeros(100, int))
    assert [unit.reasons["preferred_class"] for unit in case.units] == ["the images are of one class only"] * 2
    assert all(unit.preferred_class is None and unit.other_image is None for unit in case.units)


def test_too_few_images_of_every_class_give_no_preference() -> None:
    case = judge(np.maximum(noise(16, 2), 0.1), np.arange(16) % 2)
    assert case.units[0].reasons["preferred_class"] == "no class has enough images in both halves"
    enough = judge(np.maximum(noise(20, 2), 0.1), np.arange(20) % 2)
    assert enough.units[0].preferred_class is not None


def test_a_class_without_images_changes_nothing() -> None:
    values, labels = np.maximum(noise(300, 4), 0), np.arange(300) % 3
    gap = np.array([0, 2, 5])
    one, other = judge(values, labels), judge(values, gap[labels])
    for unit, same in zip(one.units, other.units, strict=True):
        assert unit.preferred_class is not None and same.preferred_class is not None
        label = NAMES[gap[NAMES.index(unit.preferred_class.label)]]
        assert same.preferred_class == dataclasses.replace(unit.preferred_class, label=label)


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_a_handful_of_images_gives_verdicts_and_reasons(images: int) -> None:
    case = judge(np.maximum(noise(images, 4), 0), np.arange(images) % 2)
    assert len(case.units) == 4
    assert all(unit.preferred_class is None and "preferred_class" in unit.reasons for unit in case.units)
    assert all(unit.nearest is None and "nearest" in unit.reasons for unit in case.units)


def test_every_undefined_figure_has_its_reason() -> None:
    values = np.column_stack([np.maximum(noise(100, 2), 0), np.zeros(100), np.full(100, 2.0)])
    for case in (judge(values), judge(values[:12]), judge(values, np.zeros(100, int))):
        for unit in case.units:
            missing = {name for name in ("nearest", "preferred_class") if getattr(unit, name) is None}
            assert missing == set(unit.reasons)


# Top images


def test_exact_copies_of_an_image_are_shown_once_and_others_instead_of_them() -> None:
    """Of twenty copies of each image, more than a tally keeps, five different ones are shown all the same."""
    values = np.repeat(np.arange(10.0), 20)[:, None] + 1
    repeats = np.delete(np.arange(200), np.arange(0, 200, 20))
    for order in (np.arange(200), np.random.default_rng(0).permutation(200)):
        shown = judge(values, repeats=repeats, order=order).units[0].top_images
        assert [image.index for image in shown] == [180, 160, 140, 120, 100]


def test_only_images_that_fire_are_shown_where_the_others_repeat_them() -> None:
    shown = judge(np.repeat([0.0, 3.0], 20)[:, None], repeats=np.delete(np.arange(40), [0, 20])).units[0].top_images
    assert [image.index for image in shown] == [20]


# Histograms


@pytest.mark.parametrize("family", ["relu", "linear", "bounded"])
@pytest.mark.parametrize("scale", [1e-15, 0.01, 1.0, 7.0, 1e15])
def test_a_histogram_counts_all_values_between_round_edges(family: str, scale: float) -> None:
    values = (np.clip(np.abs(noise(300, 3)) / 4, 0, 1) if family == "bounded" else scale * noise(300, 3)).astype("f")
    values = np.maximum(values, 0) if family == "relu" else values
    case = judge(values, family=family)
    edges = np.array(case.layer.edges)
    assert 0 in edges and 11 <= len(edges) - 1 <= bins.SHOWN
    for unit in case.units:
        assert unit.histogram == np.histogram(values[:, unit.unit].astype(np.float64), edges)[0].tolist()
        assert sum(unit.histogram) == 300
    if family == "bounded":
        assert (edges[0], edges[-1]) == (0, 1)
    else:
        assert 0 <= values.min() - edges[0] < 2 * (edges[1] - edges[0]) or values.min() == edges[0] == 0
        assert 0 <= edges[-1] - values.max() < 2 * (edges[1] - edges[0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (None, None, None)), ((6,), (None, None, 4)), ((2, 3), (None, 1, 1)), ((2, 2, 3), (0, 1, 1))],
)
def test_the_place_of_the_maximum_has_plane_row_and_column(shape: tuple[int, ...], expected: tuple[Any, ...]) -> None:
    values = np.zeros((30, math.prod(shape), 1))
    values[3, min(4, math.prod(shape) - 1)] = 1
    image = judge(values, shape=shape).units[0].top_images[0]
    assert (image.index, image.plane, image.row, image.column) == (3, *expected)


def test_predicted_and_true_class_of_a_top_image_are_named() -> None:
    case = judge(np.arange(30.0)[:, None], np.arange(30) % 3, predicted=np.full(30, 7))
    image = case.units[0].top_images[0]
    assert (image.true, image.predicted) == ("class 2", "class 7")


# Chance stays chance, and order does not matter


def test_untrained_units_on_random_labels_are_neither_redundant_nor_selective() -> None:
    generator = np.random.default_rng(3)
    images = generator.random((1000, 100))
    kernel = generator.standard_normal((100, 64)) / 10
    labels = generator.integers(0, 10, 1000)
    case = judge(np.maximum((images - 0.5) @ kernel, 0), labels, weights=Weights(kernel.T.copy()))
    assert case.layer.groups == []
    assert case.layer.states == {"healthy": 64}
    assert not case.groups_of("opposite") and not case.groups_of("duplicate_of")
    preferred = [unit.preferred_class for unit in case.units]
    auroc, found, null, eta2 = (
        np.array([getattr(one, name) for one in preferred])
        for name in ("auroc", "selectivity", "selectivity_null", "eta2")
    )
    assert abs(auroc.mean() - 0.5) < 0.02
    assert auroc.max() < 0.65
    assert found.mean() == pytest.approx(null.mean(), rel=0.1)
    assert abs(eta2.mean()) < 0.002
    assert case.layer.noise_floor is not None and 0.1 < case.layer.noise_floor < 0.2


def test_a_class_blind_unit_with_few_images_per_class_looks_selective_and_so_does_its_null() -> None:
    generator = np.random.default_rng(0)
    values = np.maximum(generator.standard_normal((200, 40)), 0)
    found, null = selectivity.class_selectivity(values.astype(np.float32), np.arange(200) % 10)
    assert found.mean() > 0.2
    assert found.mean() == pytest.approx(null.mean(), rel=0.05)


def test_the_order_in_which_images_come_does_not_matter(random_layer: Case) -> None:
    order = np.random.default_rng(1).permutation(600)
    again = judge(
        random_layer.values,
        random_layer.labels,
        random_layer.plan.family,
        shape=random_layer.plan.position_shape,
        order=order,
    )
    assert again.units == random_layer.units
    assert again.layer == random_layer.layer


def test_judging_needs_neither_tensorflow_nor_scikit_learn() -> None:
    loaded = modules_after("import reportgen.analysis.units.layer_verdict")
    assert not {"tensorflow", "keras", "sklearn", "scipy"} & loaded

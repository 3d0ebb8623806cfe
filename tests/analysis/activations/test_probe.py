"""The pass: against raw outputs that Keras predicts layer by layer, and against figures made without reportgen."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import forward, outputs, probe, reductions, tally
from reportgen.analysis.activations.bins import SHOWN, Grid
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import readings
from reportgen.analysis.activations.shards import Found, Shard, Work, batches_of
from reportgen.analysis.activations.tally import LayerPlan, LayerTally
from reportgen.analysis.units import moments, selectivity
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.errors import SurroundingsError
from reportgen.i18n import literal
from reportgen.record.units import Unit
from reportgen.runtime import keras
from tests.helpers.passes import (
    QUIET,
    Array,
    Looked,
    answers,
    assert_alike,
    black_and_white_digits,
    flat,
    look,
    make_dataset,
    make_part,
    predicted,
    randomise,
)
from tests.tools import tally_oracle

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any


@dataclass(frozen=True)
class Net:
    """A model to look at. read_after: for each layer with units the layer behind which these are read."""

    build: Callable[[], Model]
    read_after: dict[str, str]
    shape: tuple[int, ...] = (12, 12, 1)


def article() -> Model:
    """Return the built-in network with weights that are small whole numbers (the last ones a power of two less)."""
    from reportgen.model import network

    model, generator = network.build((28, 28, 1), 10), np.random.default_rng(1)
    for weight in model.weights:
        values = generator.choice([-1, 0, 0, 1] if len(weight.shape) > 1 else [-2, 0, 1], weight.shape)
        weight.assign(values * (2.0**-12 if weight.path.startswith("dense_1") else 1))
    return model


def residual() -> Model:
    """Return a model with a sum and batch normalisation, and behind them a head for each family of nonlinearities."""
    start = keras.Input((12, 12, 1))
    stem = L.BatchNormalization()(L.Conv2D(6, 3, strides=2, padding="same", name="stem")(start))
    stem = L.ReLU(name="stem_relu")(stem)
    side = L.Conv2D(6, 3, padding="same", name="side")(stem)
    joined = L.Activation("tanh")(L.Add()([L.BatchNormalization()(side), stem]))
    flat = L.Rescaling(16.0)(L.Flatten()(joined))
    heads = [
        L.Conv2D(5, 4, strides=3, padding="same", activation="gelu", name="gelu")(joined),
        L.LeakyReLU(negative_slope=0.2, name="leaky_relu")(L.Conv2D(4, 2, name="leaky")(joined)),
        L.Dense(7, activation="sigmoid", name="sigmoid")(flat),
        L.Activation("tanh", name="tanh_after")(L.Dense(6, name="tanh")(flat)),
        L.Dense(12, activation="relu6", name="relu6")(flat),
    ]
    end = L.Concatenate()([L.Flatten()(head) for head in heads])
    return randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(end)), 2)


def chain(*layers: Any, shape: tuple[int, ...] = (12, 12, 1)) -> Callable[[], Model]:
    def build() -> Model:
        end = [L.Flatten(), L.Dense(3, activation="softmax", name="scores")]
        return randomise(keras.Sequential([L.Input(shape), *(layer() for layer in layers), *end]), 3)

    return build


def any_size() -> Model:
    start = keras.Input((None, None, 1))
    conv = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv")(start)
    return randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(L.GlobalMaxPooling2D()(conv))))


NETS = {
    "article": Net(article, {"conv2d": "conv2d", "conv2d_1": "conv2d_1", "dense": "dense", "dense_1": "dense_1"}),
    "residual": Net(
        residual,
        {
            "stem": "stem_relu",  # two layers take what the ReLU gives, but the ReLU itself belongs to the stem alone
            "side": "side",
            "gelu": "gelu",
            "leaky": "leaky_relu",
            "sigmoid": "sigmoid",
            "tanh": "tanh_after",
            "relu6": "relu6",
            "scores": "scores",
        },
    ),
    "1-D": Net(
        chain(
            lambda: L.Reshape((12, 12)),
            lambda: L.Conv1D(5, 3, padding="causal", dilation_rate=2, activation="relu", name="line"),
        ),
        {"line": "line", "scores": "scores"},
    ),
    "3-D": Net(
        chain(
            lambda: L.Reshape((4, 6, 6, 1)), lambda: L.Conv3D(4, 2, strides=(1, 2, 2), activation="elu", name="space")
        ),
        {"space": "space", "scores": "scores"},
    ),
    "depthwise": Net(
        chain(lambda: L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="depth"), shape=(12, 12, 2)),
        {"depth": "depth", "scores": "scores"},
        (12, 12, 2),
    ),
    "separable": Net(
        chain(lambda: L.SeparableConv2D(6, 3, padding="same", activation="silu", name="apart"), shape=(12, 10, 3)),
        {"apart": "apart", "scores": "scores"},
        (12, 10, 3),
    ),
    "transposed": Net(
        chain(
            lambda: L.Conv2D(3, 3, strides=3, activation="selu", name="down"),
            lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="softsign", name="up"),
        ),
        {"down": "down", "up": "up", "scores": "scores"},
    ),
    "dense on maps": Net(
        chain(lambda: L.AveragePooling2D(3), lambda: L.Dense(5, activation="relu", name="mixed")),
        {"mixed": "mixed", "scores": "scores"},
    ),
    "channels first": Net(
        chain(
            lambda: L.Permute((3, 1, 2)),
            lambda: L.Conv2D(4, 3, activation="relu", data_format="channels_first", name="first"),
            lambda: L.Permute((2, 3, 1), name="back"),
        ),
        {"first": "back", "scores": "scores"},  # the same values as behind `first`, channels last
    ),
    "any size": Net(any_size, {"conv": "conv", "scores": "scores"}),
}


@dataclass
class Case:
    """A net, its images, the pass over them, and the raw outputs (N, P, U) of each layer as Keras predicts them."""

    name: str
    found: Looked
    raw: dict[str, Array]
    shapes: dict[str, tuple[int, ...]]

    @property
    def labels(self) -> Array:
        return self.found.dataset.test.labels

    @property
    def exact(self) -> bool:
        """Whether all sums are exact, so that values are equal bit by bit however they are worked out."""
        return self.name == "article"

    def layers(self) -> list[tuple[LayerPlan, LayerTally, Array]]:
        return [(p, t, self.raw[p.layer]) for p, t in zip(self.found.plans, self.found.tallies, strict=True)]

    def units(self) -> list[tuple[Unit, Array]]:
        """Return each unit with its own raw outputs, (N, P)."""
        return [(unit, self.raw[unit.layer][..., unit.unit]) for unit in self.found.units]


def make_case(name: str) -> Case:
    net = NETS[name]
    dataset = black_and_white_digits(300) if name == "article" else make_dataset(make_part(net.shape, 60))
    model, scale = net.build(), dataset.pixels.scale
    raw = {layer: predicted(model, dataset.test.images, scale, of=after) for layer, after in net.read_after.items()}
    shapes = {layer: values.shape[1:-1] for layer, values in raw.items()}
    return Case(name, look(model, dataset), {layer: flat(values) for layer, values in raw.items()}, shapes)


@pytest.fixture(scope="module", params=NETS)
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(request.param)


def assert_same(found: LayerTally, expected: LayerTally, *, exact: bool = False) -> None:
    """Compare two tallies: counts and numbers of images exactly, values and sums to 1e-5 of the layer's scale.

    exact: values that are no sums are equal to the last bit.
    """
    values, sums = np.abs([expected.smallest, expected.largest]).max(), expected.absolute.max()
    products = max(expected.map_products.max(), expected.pooled_products.max())
    scales = dict.fromkeys(("total", "absolute", "map_total", "pooled_total", "class_total"), sums)
    scales |= {"squares": expected.squares.max(), "map_products": products, "pooled_products": products}
    assert found.grid == expected.grid
    for field in dataclasses.fields(found):
        if field.name == "grid":
            continue
        one, other = np.asarray(getattr(found, field.name)), np.asarray(getattr(expected, field.name))
        if one.dtype == np.int64 or (exact and field.name in ("smallest", "largest", "class_best", "top_score")):
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            atol = 1e-5 * float(scales.get(field.name, values))
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol, err_msg=field.name)


# Against raw outputs


def test_every_layer_is_read_where_its_units_are(case: Case) -> None:
    assert {plan.layer: plan.position_shape for plan in case.found.plans} == case.shapes


def test_the_pass_counts_what_raw_outputs_count(case: Case) -> None:
    for plan, found, raw in case.layers():
        expected = tally_oracle.count(
            plan, raw, case.labels, np.arange(len(raw)), 10 if case.exact else 3, reductions.TOP
        )
        assert_same(found, expected, exact=case.exact)


def test_every_kind_of_count_is_put_to_the_test() -> None:
    """Some units of the residual net are in a tail, at the ceiling of 6, or below zero on some images only."""
    found = make_case("residual").found
    counted = {plan.layer: (plan, one) for plan, one in zip(found.plans, found.tallies, strict=True)}
    values = found.tallies[0].images
    for layer in ("sigmoid", "tanh"):
        for tail in (counted[layer][1].low_tail, counted[layer][1].high_tail):
            assert ((tail > 0) & (tail < values)).any()
    assert ((counted["relu6"][1].high_tail > 0) & (counted["relu6"][1].high_tail < values)).any()
    for layer in ("stem", "gelu", "leaky"):
        plan, one = counted[layer]
        assert ((one.zeros > 0) & (one.zeros < values * plan.positions)).any()


def test_the_outputs_are_those_that_keras_predicts(case: Case) -> None:
    found, dataset = case.found.outputs["test"], case.found.dataset
    expected = predicted(case.found.model, dataset.test.images, dataset.pixels.scale)
    assert_alike(found, outputs.of(expected, dataset.test.labels))


# Against figures made from the raw outputs by numpy and scikit-learn alone


def floor(raw: Array, family: str) -> float:
    """Return the value above which a unit fires. raw: (N, P, U) of all images, which here are the first batch."""
    return 0.0 if family in ("relu", "relu6", "leaky") else 1e-6 * float(np.quantile(np.abs(raw), 0.999))


def test_firing_rates_and_zero_shares_are_exact(case: Case) -> None:
    for plan, _, raw in case.layers():
        fires = raw > floor(raw, plan.family)
        units = case.found.units_of(plan.layer)
        assert [unit.firing_rate for unit in units] == fires.any(axis=1).mean(axis=0).tolist()
        assert [unit.zero_share for unit in units] == pytest.approx(1 - fires.mean(axis=(0, 1)), abs=1e-12)


def test_means_spreads_and_maxima_are_those_of_all_values(case: Case) -> None:
    for unit, raw in case.units():
        scale = float(np.abs(case.raw[unit.layer]).max())
        expected = (raw.mean(dtype=np.float64), raw.std(dtype=np.float64), raw.max())
        assert (unit.mean, unit.std, unit.max) == pytest.approx(expected, rel=1e-5, abs=1e-5 * scale)


def test_histograms_count_the_values_between_their_edges(case: Case) -> None:
    for (plan, _, raw), verdict in zip(case.layers(), case.found.layers, strict=True):
        edges = np.array(verdict.edges)
        low, high = (plan.low, plan.high) if plan.low is not None else (min(raw.min(), 0), max(raw.max(), 0))
        assert 11 <= len(edges) - 1 <= SHOWN and 0 in edges
        assert edges[0] <= low < edges[2] and edges[-3] < high <= edges[-1]
        for unit in case.found.units_of(plan.layer):
            values = raw[:, plan.sampled, unit.unit].astype(np.float64)
            inside = values if plan.high is None else np.minimum(values, plan.high)  # a softmax may be 1.0000001
            assert unit.histogram == np.histogram(inside, edges)[0].tolist()


def r_of(columns: Array) -> Array:
    """Return (U, U) Pearson's r of (n, U), NaN for columns that do not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.corrcoef(columns.astype(np.float64), rowvar=False))


def test_correlations_are_those_of_numpy(case: Case) -> None:
    for plan, counted, raw in case.layers():
        pooled = raw.mean(axis=1, dtype=np.float64)
        within = pooled.copy()
        for k in np.unique(case.labels):
            within[case.labels == k] -= within[case.labels == k].mean(axis=0)
        maps = raw[:, plan.sampled].reshape(-1, plan.units)
        varies = moments.varies(plan, counted)
        np.testing.assert_array_equal(varies, np.ptp(pooled, axis=0) > 0)
        for found, columns in (
            (moments.pooled_correlation(plan, counted), pooled),
            (moments.within_class_correlation(plan, counted), within),
            (moments.map_correlation(plan, counted), maps),
        ):
            both = np.ix_(varies, varies)
            np.testing.assert_allclose(found[both], r_of(columns)[both], rtol=0, atol=1e-5)


def test_the_nearest_unit_has_the_largest_correlation(case: Case) -> None:
    for unit, _ in case.units():
        if unit.nearest is None:
            continue
        pooled = case.raw[unit.layer].mean(axis=1, dtype=np.float64)
        r = r_of(pooled)[unit.unit]
        compared = [u.unit for u in case.found.units_of(unit.layer) if u.nearest is not None and u.unit != unit.unit]
        assert abs(unit.nearest.r) == pytest.approx(np.abs(r[compared]).max(), abs=1e-5)
        assert unit.nearest.r == pytest.approx(r[unit.nearest.unit], abs=1e-5)


def test_the_preferred_class_is_chosen_on_one_half_and_scored_on_the_other(case: Case) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    scored = selectivity.half(np.arange(len(case.labels)), case.labels)
    kept = {plan.layer: counted.kept for plan, counted, _ in case.layers()}
    seen = 0
    for unit in case.found.units:
        if (preferred := unit.preferred_class) is None:
            continue
        # near ties make ranks hang on the last bit, so these are the means of the pass (compared with `raw` above)
        pooled, own = kept[unit.layer][:, unit.unit], case.labels == int(preferred.label)
        areas = [roc_auc_score(case.labels[~scored] == k, pooled[~scored]) for k in np.unique(case.labels)]
        assert roc_auc_score(own[~scored], pooled[~scored]) == pytest.approx(max(areas), abs=1e-6)
        assert preferred.auroc == pytest.approx(roc_auc_score(own[scored], pooled[scored]), abs=1e-6)
        alarms, hits, _ = roc_curve(own[scored], pooled[scored], drop_intermediate=False)
        assert preferred.hit_rate - preferred.false_alarm_rate == pytest.approx((hits - alarms).max(), abs=1e-6)
        seen += 1
    assert seen


def test_selectivity_and_explained_variance_follow_their_formulas(case: Case) -> None:
    classes, images = np.unique(case.labels), len(case.labels)
    for unit, raw in case.units():
        if (preferred := unit.preferred_class) is None:
            continue
        pooled = raw.mean(axis=1, dtype=np.float64)
        means = np.array([pooled[case.labels == k].mean() for k in classes])
        between = sum((case.labels == k).sum() * (m - pooled.mean()) ** 2 for k, m in zip(classes, means, strict=True))
        chance = (len(classes) - 1) / (images - 1)
        assert preferred.eta2 == pytest.approx(between / ((pooled - pooled.mean()) ** 2).sum() - chance, abs=1e-5)
        if raw.min() < 0:
            assert preferred.selectivity is None
        else:
            rest = (means.sum() - means.max()) / (len(classes) - 1)
            assert preferred.selectivity == pytest.approx((means.max() - rest) / (means.max() + rest), abs=1e-5)


def test_top_images_are_the_strongest_that_fire_with_the_place_of_their_maximum(case: Case) -> None:
    for unit, raw in case.units():
        plan = next(plan for plan in case.found.plans if plan.layer == unit.layer)
        peaks, places = raw.max(axis=1), raw.argmax(axis=1)
        order = [n for n in np.lexsort((np.arange(len(peaks)), -peaks)) if peaks[n] > plan.eps][:5]
        assert [top.index for top in unit.top_images] == order
        scores, scale = [float(peaks[n]) for n in order], float(np.abs(case.raw[unit.layer]).max())
        assert [top.score for top in unit.top_images] == pytest.approx(scores, rel=1e-5, abs=1e-5 * scale)
        assert [top.true for top in unit.top_images] == [str(case.labels[n]) for n in order]
        shape = case.shapes[unit.layer]
        for top in unit.top_images:
            at = [int(i) for i in np.unravel_index(places[top.index], shape)] if shape else []
            assert [top.plane, top.row, top.column] == [None, None, None, *at][-3:]


def test_the_strongest_other_image_is_not_of_the_preferred_class(case: Case) -> None:
    for unit, raw in case.units():
        if unit.preferred_class is None or unit.other_image is None:
            continue
        peaks = np.where(case.labels == int(unit.preferred_class.label), -np.inf, raw.max(axis=1))
        assert unit.other_image.index == peaks.argmax()


def test_rank_and_participation_are_those_of_the_singular_values(case: Case) -> None:
    for verdict in case.found.layers:
        pooled = case.raw[verdict.name].mean(axis=1, dtype=np.float64)
        sigma = np.linalg.svd(pooled - pooled.mean(axis=0), compute_uv=False)
        shares = sigma[sigma > 1e-9 * sigma.max()] / sigma.sum()
        expected = np.exp(-(shares * np.log(shares)).sum()) / verdict.units
        assert verdict.effective_rank == pytest.approx(expected, rel=1e-2)
        expected = (sigma**2).sum() ** 2 / (sigma**4).sum() / verdict.units
        assert verdict.participation_ratio == pytest.approx(expected, rel=1e-5)


# Histograms of all images, and different images among the strongest


def linear(scale: float = 1.0, activation: str = "linear", units: int = 3) -> Model:
    """Return a model of vectors whose first layer multiplies them with a power of two, so that it is exact."""
    model = keras.Sequential(
        [L.Input((1, units, 1)), L.Flatten(), L.Dense(units, activation=activation, name="h"), L.Dense(2, name="o")]
    )
    model.get_layer("h").set_weights([scale * np.eye(units, dtype=np.float32), np.zeros(units, np.float32)])
    return model


def vectors(values: Array) -> Part:
    """Return a part of images that are vectors, (N, D)."""
    return Part(values[:, np.newaxis, :, np.newaxis].astype(np.float32), np.arange(len(values)) % 2)


def histograms(found: Looked) -> tuple[list[float], list[list[int]]]:
    return found.layers[0].edges, [unit.histogram for unit in found.units_of("h")]


def expected_histograms(values: Array, edges: Sequence[float]) -> list[list[int]]:
    return [np.histogram(column.astype(np.float32).astype(np.float64), edges)[0].tolist() for column in values.T]


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("memory", [1, 1000])
def test_where_blank_images_stand_changes_no_histogram(activation: str, memory: int) -> None:
    """The first 80 of 1,000 were blank: edges from 0 to 1 for values from -350 to 350."""
    values = 100 * np.random.default_rng(0).standard_normal((1000, 3))
    values[:80] = 0
    orders = (np.arange(1000), np.arange(1000)[::-1], np.random.default_rng(1).permutation(1000))
    model, scale = linear(activation=activation), 1.0 if activation != "tanh" else 2.0**-8
    first, *others = (
        histograms(look(model, make_dataset(vectors(values[order]), scale=scale), memory=memory)) for order in orders
    )
    assert others == [first, first]
    edges, counts = first
    after = {"linear": values, "relu": np.maximum(values, 0)}.get(activation)
    if after is not None:
        assert counts == expected_histograms(after, edges)
        assert edges[0] <= after.min() < edges[1] or edges[0] == 0
        assert edges[-2] < after.max() <= edges[-1]
    else:
        assert (edges[0], edges[-1], len(edges)) == (-1, 1, 17)


@pytest.mark.parametrize("size", [1, 10, 64, 100, 500])
def test_bins_become_wider_as_often_as_it_takes(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Each twenty images are 1,000 times as large as those before, and nothing is traced again."""
    monkeypatch.setattr(probe, "batch_size", lambda *_: size)
    values = np.random.default_rng(0).standard_normal((121, 3))
    spread = np.arange(min(size, 64)) * 121 // min(size, 64)
    values *= np.repeat(10.0 ** np.arange(0, 21, 3), [20, 20, 20, 20, 20, 20, 1])[:, np.newaxis]
    values[spread] = 1e-3
    model = linear()
    model.layers[0].call = (call := Traced(model.layers[0].call))
    found = look(model, make_dataset(vectors(values), scale=1.0))
    edges, counts = histograms(found)
    assert counts == expected_histograms(values, edges)
    assert edges[-1] - edges[0] < 1.3 * (values.max() - values.min())
    expected = tally_oracle.count(
        found.plans[0], values.astype(np.float32)[:, np.newaxis], np.arange(121) % 2, np.arange(121), 2, reductions.TOP
    )
    assert_same(found.tallies[0], expected)
    assert call.times <= 2  # for the plans, and for all batches


class Traced:
    """Counts how often it is called. In a graph that is once for each time that the graph is traced."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self.times = call, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.times += 1
        return self._call(*given, **named)


def test_no_batch_is_run_again_for_values_that_the_bins_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "batch_size", lambda *_: 100)
    values = np.random.default_rng(0).uniform(-1, 1, (1000, 3))
    values[333] = 1000
    counter = Counting()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([L.Input((1, 3, 1)), counter, L.Flatten(), L.Dense(3, name="h"), L.Dense(2, name="o")])
    found = look(model, make_dataset(vectors(values), scale=1.0))
    assert int(counter.seen.numpy()) == 64 + 1000
    assert found.tallies[0].grid.exponent > found.plans[0].grid.exponent


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_no_finite_number_ends_the_pass_too(monkeypatch: pytest.MonkeyPatch, bad: float) -> None:
    """Where it does not reach the scores, which would be an error."""
    monkeypatch.setattr(probe, "batch_size", lambda *_: 50)
    start = keras.Input((1, 3, 1))
    flat = L.Flatten()(start)
    hidden = L.Dense(3, name="h")(flat)
    model = keras.Model(start, L.Dense(2, name="o")(L.Flatten()(L.Cropping1D((0, 2))(L.Reshape((3, 1))(hidden)))))
    values = np.random.default_rng(0).standard_normal((300, 3))
    model.get_layer("h").set_weights([np.diag([1, 1, 3e38]).astype(np.float32), np.zeros(3, np.float32)])
    values[:, 2] = 0
    values[177, 2] = 9 * np.sign(bad) if np.isinf(bad) else 0
    if np.isnan(bad):
        model.get_layer("h").set_weights([np.eye(3, dtype=np.float32), np.float32([0, 0, np.nan])])
    graph = Graph(model)
    dataset = make_dataset(vectors(values), scale=1.0)
    passed = probe.all_parts(
        graph, readings(graph), {"test": dataset.test}, ["test"], dataset, memory=1, progress=QUIET
    )
    (tally, *_), (plan, *_) = passed.tallies, passed.plans
    assert tally.images == 300 and tally.histogram.sum() == 900
    edges, counts = moments.histogram(plan, tally)
    assert np.isfinite(edges).all() and counts.sum(axis=1).tolist() == [300, 300, 300]


def test_huge_and_tiny_values_of_a_layer_are_in_bins_of_its_own_size() -> None:
    values = np.random.default_rng(0).standard_normal((200, 3)) * [1e18, 1.0, 1e-18]
    found = look(linear(), make_dataset(vectors(values), scale=1.0))
    edges, counts = histograms(found)
    assert counts == expected_histograms(values, edges)
    below = edges.index(0)
    assert counts[2][below - 1 : below + 1] == [(values[:, 2] < 0).sum(), (values[:, 2] > 0).sum()]


def test_a_layer_of_zeros_has_all_in_its_first_bin() -> None:
    found = look(linear(0.0), make_dataset(vectors(np.random.default_rng(0).standard_normal((200, 3))), scale=1.0))
    edges, counts = histograms(found)
    assert edges == np.linspace(0, 1, 17).tolist()
    assert counts == 3 * [[200] + 15 * [0]]


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_values_on_edges_are_counted_as_numpy_counts_them(activation: str) -> None:
    whole = np.random.default_rng(0).integers(-20, 17, (500, 3)).astype(np.float64)
    edges, counts = histograms(look(linear(activation=activation), make_dataset(vectors(whole), scale=1.0)))
    assert counts == expected_histograms(np.maximum(whole, 0) if activation == "relu" else whole, edges)


def repeated(images: int, copies: int) -> tuple[Array, Array]:
    """Return (N, 3) vectors each of which is there so many times, in no order, and the numbers of the first copies."""
    generator = np.random.default_rng(images)
    which = generator.permutation(np.repeat(np.arange(images), copies))
    return generator.random((images, 3))[which], np.unique(which, return_index=True)[1]


@pytest.mark.parametrize("size", [7, 100, 500])
@pytest.mark.parametrize("looked_at", [["test"], ["test", "train"], ["train", "test"]], ids=" ".join)
def test_five_different_top_images_are_named_where_images_repeat(
    monkeypatch: pytest.MonkeyPatch, size: int, looked_at: list[str]
) -> None:
    """100 different images, 10 copies of each: one top image was named, of five different ones that fire."""
    monkeypatch.setattr(probe, "batch_size", lambda *_: size)
    values, _ = repeated(100, 12)
    parts = {"test": vectors(values[:1000]), "train": vectors(values[1000:])}
    found = look(linear(activation="relu"), make_dataset(parts["test"], parts["train"], scale=1.0), looked_at=looked_at)
    through = np.concatenate([parts[name].images[:, 0, :, 0] for name in looked_at])
    _, first = np.unique(through, axis=0, return_index=True)
    for unit in found.units_of("h"):
        strongest = first[np.argsort(-through[first, unit.unit])][:5]
        assert [top.index for top in unit.top_images] == strongest.tolist()
        assert [top.score for top in unit.top_images] == through[strongest, unit.unit].tolist()
    labels = np.concatenate([parts[name].labels for name in looked_at])
    counted = tally_oracle.count(
        found.plans[0], through[:, np.newaxis], labels, np.arange(len(through)), 2, reductions.TOP,
        repeats=np.delete(np.arange(len(through)), first),
    )  # fmt: skip
    assert_same(found.tallies[0], counted)


def test_of_few_images_that_repeat_none_is_named_twice() -> None:
    values, first = repeated(4, 12)
    found = look(linear(activation="relu"), make_dataset(vectors(values), scale=1.0))
    for unit in found.units_of("h"):
        assert sorted(top.index for top in unit.top_images) == sorted(first.tolist())
        assert unit.firing_rate == 1


def test_repeats_on_maps_are_left_out_with_the_place_of_the_maximum() -> None:
    net, part = NETS["separable"], make_part(NETS["separable"].shape, 90)
    part.images[40:] = part.images[np.arange(50) % 40]
    model = net.build()
    found, once = look(model, make_dataset(part)), look(model, make_dataset(piece(part, 0, 40)))
    for unit, other in zip(found.units, once.units, strict=True):
        assert [top.index for top in unit.top_images] == [top.index for top in other.top_images]
        places = [[(top.row, top.column) for top in each.top_images] for each in (unit, other)]
        assert places[0] == places[1]


@pytest.mark.parametrize("seed", range(3))
def test_shards_with_repeats_and_widened_bins_merge_in_any_order(seed: int) -> None:
    values, _ = repeated(60, 5)
    values *= np.repeat([1.0, 100.0, 3.0], 100)[:, np.newaxis]
    part, model = vectors(values), linear()
    whole, generator = look(model, make_dataset(part, scale=1.0)), np.random.default_rng(seed)
    plans = [dataclasses.replace(plan, grid=Grid(plan.grid.signed, -12)) for plan in whole.plans]
    ends = [0, *np.sort(generator.choice(np.arange(1, 300), 4, replace=False)).tolist(), 300]
    repeats = np.delete(np.arange(300), np.unique(values, axis=0, return_index=True)[1])
    found = [
        passed(model, piece(part, *ends[n : n + 2]), 1.0, plans, first_number=ends[n], repeats=repeats).tallies
        for n in generator.permutation(5)
    ]
    merged = [tally.merge(a, b) for a, b in zip(found[0], found[1], strict=True)]
    for more in found[2:]:
        merged = [tally.merge(b, a) for a, b in zip(merged, more, strict=True)]
    expected = tally_oracle.count(
        plans[0], values[:, np.newaxis], part.labels, np.arange(300), 10, reductions.TOP, repeats=repeats
    )
    assert_same(merged[0], dataclasses.replace(expected, smallest=merged[0].smallest), exact=False)


# However the images are divided


@pytest.fixture(scope="module")
def whole() -> Case:
    return make_case("article")


def passed(
    model: Model,
    part: Part,
    scale: float,
    plans: Sequence[LayerPlan],
    *,
    first_number: int = 0,
    memory: int = 1000,
    repeats: Sequence[int] | Array = (),
) -> Found:
    graph = Graph(model)
    found = readings(graph)
    size = probe.batch_size(found, part.images.shape[1:], memory)
    work = Work(
        Pixels(scale, literal("")), size, 1, plans, 10, kept=np.arange(300), repeats=np.asarray(repeats, np.int64)
    )
    shard = Shard("test", 0, len(part), first_number)
    return probe.Here(graph, found).send(work, {"test": part}, [shard], QUIET)


def piece(part: Part, start: int, end: int) -> Part:
    return Part(part.images[start:end], part.labels[start:end])


def assert_all_same(found: Sequence[LayerTally], case: Case) -> None:
    for one, expected in zip(found, case.found.tallies, strict=True):
        assert_same(one, expected, exact=True)


@pytest.mark.parametrize("size", [7, 64, 299, 300, 301])
def test_batches_need_not_divide_the_images(whole: Case, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(probe, "batch_size", lambda *_: size)
    found = passed(whole.found.model, whole.found.dataset.test, 1.0, whole.found.plans)
    assert_all_same(found.tallies, whole)
    assert_alike(found.outputs_of("test"), whole.found.outputs["test"])


@pytest.mark.parametrize(
    ("shape", "memory", "expected"), [((28, 28, 1), 1, 4), ((28, 28, 1), 10**6, 500), ((600, 600, 1), 1, 1)]
)
def test_memory_limits_the_batch(shape: tuple[int, ...], memory: int, expected: int) -> None:
    start = keras.Input((None, None, 1))
    conv = L.Conv2D(16, 3, padding="same")(start)
    graph = Graph(keras.Model(start, L.Dense(3)(L.GlobalMaxPooling2D()(conv))))
    assert probe.batch_size(readings(graph), shape, memory) == expected


def test_a_gate_takes_the_memory_of_outputs_too() -> None:
    start = keras.Input((8, 8, 1))
    conv = L.Conv2D(16, 3, padding="same")(start)
    found = readings(Graph(keras.Model(start, L.Dense(3)(L.GlobalMaxPooling2D()(conv)))))
    gated = [dataclasses.replace(one, gate=one.tensor) for one in found]
    each = [10**6 // (16 * (64 + times * (16 * 64 + 3))) for times in (1, 2)]
    assert [probe.batch_size(some, (8, 8, 1), 1) for some in (found, gated)] == each


def small() -> Graph:
    return Graph(randomise(keras.Sequential([L.Input((4,)), L.Dense(3, activation="relu"), L.Dense(3)])))


def test_whether_compiling_pays_is_decided_for_all_pieces_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "LARGE", 1)  # so that it depends on how often the graph runs
    graph, part, made = small(), make_part((4,), 20), []
    compiled = forward.compiled
    monkeypatch.setattr(forward, "compiled", lambda *given: made.append(given) or compiled(*given))
    engine, pieces = probe.Here(graph, readings(graph)), Shard("test", 0, 20).divided(5)

    def send(some: Sequence[Shard], batches: int) -> Found:
        work = Work(Pixels(1.0, literal("")), 5, batches, ranged=[0])  # pixels of its own, as what a worker is sent
        return engine.send(work, {"test": part}, some, QUIET)

    send(pieces, 4)
    assert not made  # it is run too seldom
    send(pieces[:1], 8)
    assert len(made) == 1  # this piece alone would not pay
    send(pieces[1:], 4)
    send(pieces[3:], 8)
    assert len(made) == 1  # what is compiled stays


@pytest.mark.parametrize("images", [20, 300], ids=["one batch", "many batches"])
@pytest.mark.parametrize("fault", [MemoryError("Unable to allocate"), ValueError("ours")], ids=["memory", "ours"])
def test_where_counting_has_no_memory_it_says_so(
    monkeypatch: pytest.MonkeyPatch, images: int, fault: Exception
) -> None:
    def fails(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(reductions, "reduced", fails)
    dataset, graph = make_dataset(make_part((4,), images), scale=1.0), small()
    expected = SurroundingsError if isinstance(fault, MemoryError) else ValueError
    with pytest.raises(expected, match="the memory does not hold" if expected is SurroundingsError else "ours"):
        probe.all_parts(graph, readings(graph), {"test": dataset.test}, ["test"], dataset, memory=1000, progress=QUIET)


def said(unit: Unit, number: Callable[[int], int] = int) -> tuple[object, ...]:
    """Return what a verdict says but for its decimals. number: what an image is called elsewhere."""
    tops = [(number(top.index), top.row, top.column, top.true, top.predicted) for top in unit.top_images]
    return unit.layer, unit.unit, unit.state, unit.cause, unit.firing_rate, unit.group, unit.removable, tops


def test_little_memory_gives_the_same_verdicts(whole: Case) -> None:
    """Plans, too, are made from a smaller first batch here."""
    found = look(whole.found.model, whole.found.dataset, memory=1)
    assert [said(unit) for unit in found.units] == [said(unit) for unit in whole.found.units]
    assert [unit.preferred_class for unit in found.units if unit.preferred_class] == [
        dataclasses.replace(
            unit.preferred_class,
            **{
                name: pytest.approx(value, abs=1e-5)
                for name, value in vars(unit.preferred_class).items()
                if isinstance(value, float)
            },
        )
        for unit in whole.found.units
        if unit.preferred_class
    ]


@pytest.mark.parametrize("seed", range(3))
def test_shards_merged_in_any_order_are_the_whole(whole: Case, seed: int) -> None:
    generator = np.random.default_rng(seed)
    part = whole.found.dataset.test
    ends = [0, *np.sort(generator.choice(np.arange(1, 300), 4, replace=False)).tolist(), 300]
    pieces = list(itertools.pairwise(ends))
    merged: Sequence[LayerTally] | None = None
    for n in generator.permutation(len(pieces)):
        start, end = pieces[n]
        shard = piece(part, start, end)
        found = passed(whole.found.model, shard, 1.0, whole.found.plans, first_number=start, memory=10)
        pairs = zip(merged or found.tallies, found.tallies, strict=True)
        merged = [tally.merge(one, other) for one, other in pairs] if merged else found.tallies
    assert merged is not None
    assert_all_same(merged, whole)


@pytest.mark.parametrize("name", ["1-D", "separable"])
def test_the_order_of_images_changes_nothing_but_their_numbers(name: str) -> None:
    """On nets whose largest values never tie, so that no choice falls to the lower number."""
    net = NETS[name]
    part, model = make_part(net.shape, 120), net.build()
    order = np.random.default_rng(0).permutation(120)
    shuffled = Part(part.images[order], part.labels[order])
    straight, mixed = look(model, make_dataset(part)), look(model, make_dataset(shuffled))
    assert [said(unit, lambda n: int(order[n])) for unit in mixed.units] == [said(unit) for unit in straight.units]
    for one, other in zip(mixed.units, straight.units, strict=True):
        assert (one.nearest and one.nearest.unit) == (other.nearest and other.nearest.unit)
        assert (one.mean, one.std) == pytest.approx((other.mean, other.std), rel=1e-5, abs=1e-5)


# Which images are looked at


def two_parts() -> Dataset:
    return make_dataset(make_part((12, 12, 1), 30), make_part((12, 12, 1), 50, seed=9))


@pytest.mark.parametrize(
    ("looked_at", "joined"),
    [(["test"], ["test"]), (["train"], ["train"]), (["test", "train"], ["test", "train"])],
    ids=["test", "train", "both"],
)
def test_images_are_numbered_through_the_parts_that_are_looked_at(looked_at: list[str], joined: list[str]) -> None:
    dataset, net = two_parts(), NETS["transposed"]
    model = net.build()
    found = look(model, dataset, looked_at=looked_at)
    parts = {"test": dataset.test, "train": dataset.train}
    images = np.concatenate([parts[name].images for name in joined])
    labels = np.concatenate([parts[name].labels for name in joined])
    for plan, counted in zip(found.plans, found.tallies, strict=True):
        raw = flat(predicted(model, images, of=net.read_after[plan.layer]))
        assert_same(counted, tally_oracle.count(plan, raw, labels, np.arange(len(raw)), 3, reductions.TOP))


@pytest.mark.parametrize("looked_at", [["test"], ["train"], ["test", "train"]], ids=" ".join)
def test_every_part_has_its_outputs_whatever_is_looked_at(looked_at: list[str]) -> None:
    dataset, model = two_parts(), NETS["any size"].build()
    found = look(model, dataset, looked_at=looked_at).outputs
    assert sorted(found) == ["test", "train"]
    for name, part in (("test", dataset.test), ("train", dataset.train)):
        assert_alike(found[name], outputs.of(predicted(model, part.images), part.labels))


class Counting(L.Layer):
    """A layer that counts the images that go through it."""

    def build(self, shape: Any) -> None:
        self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, images: Any) -> Any:
        self.seen.assign_add(keras.ops.shape(images)[0])
        return images


@pytest.mark.parametrize("looked_at", [["test"], ["train"], ["test", "train"]], ids=" ".join)
@pytest.mark.parametrize("size", [500, 8], ids=["one batch", "many batches"])
def test_no_image_but_those_that_fix_the_plans_goes_through_the_model_twice(
    monkeypatch: pytest.MonkeyPatch, looked_at: list[str], size: int
) -> None:
    """And of parts that are small enough not even these."""
    monkeypatch.setattr(probe, "batch_size", lambda *_: size)
    counter = Counting()
    model = keras.Sequential([L.Input((12, 12, 1)), counter, L.Conv2D(2, 3), L.Flatten(), L.Dense(3)])
    look(model, two_parts(), looked_at=looked_at)
    assert int(counter.seen.numpy()) == 30 + 50 + (0 if size == 500 else size)


@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float16", "float64"])
def test_pixels_of_every_type_reach_the_model(dtype: str) -> None:
    part, model = make_part((12, 12, 1), 20), NETS["any size"].build()
    part = Part((part.images[:] // 100).astype(dtype), part.labels)
    found = look(model, make_dataset(part, scale=0.25))
    raw = flat(predicted(model, part.images, 0.25, of="conv"))
    first = np.unique(part.images, axis=0, return_index=True)[1]  # of few values, some images are equal
    repeats = np.delete(np.arange(20), first)
    expected = tally_oracle.count(found.plans[0], raw, part.labels, np.arange(20), 3, reductions.TOP, repeats=repeats)
    assert_same(found.tallies[0], expected)


def test_a_unit_that_is_silent_where_maps_are_compared_has_no_correlation_there() -> None:
    """Its values there are equal; what is left of them after their mean is taken off must not look like variance."""
    start = keras.Input((12, 12, 1))
    conv = L.Conv2D(2, 1, activation="relu", name="conv")
    model = keras.Model(start, L.Dense(3)(L.GlobalAveragePooling2D()(conv(start))))
    conv.set_weights([np.ones((1, 1, 1, 2), np.float32), np.zeros(2, np.float32)])
    images = np.zeros((600, 12, 12, 1), np.float32)
    sampled = np.random.default_rng(0).choice(144, reductions.SAMPLED, replace=False)
    elsewhere = next(place for place in range(144) if place not in sampled)
    images.reshape(600, 144)[:, elsewhere] = np.random.default_rng(1).random(600)
    part = Part(images, np.arange(600) % 3)
    found = look(model, make_dataset(part, scale=1.0))
    assert elsewhere not in found.plans[0].sampled
    assert np.isnan(moments.map_correlation(found.plans[0], found.tallies[0])).all()


def test_the_ends_of_units_are_those_of_all_images_of_all_parts() -> None:
    model = randomise(
        keras.Sequential([L.Input((6, 6, 1)), L.Conv2D(4, 3, activation="tanh"), L.Flatten(), L.Dense(3)])
    )
    graph = Graph(model)
    parts = {"train": make_part((6, 6, 1), 70), "more": make_part((6, 6, 1), 31, seed=1)}
    shards = [piece for name, part in parts.items() for piece in Shard(name, 0, len(part)).divided(30)]
    found = probe.Here(graph, readings(graph)).send(
        Work(Pixels(1 / 255, literal("")), 20, batches_of(shards, 20), ranged=[0, 1]), parts, shards, QUIET
    )
    images = np.concatenate([part.images[:] for part in parts.values()]).astype(np.float32) / np.float32(255)
    for place, layer in enumerate((model.layers[0], model.layers[-1])):
        values = answers(keras.Model(model.inputs[0], layer.output), images)
        axes = tuple(range(values.ndim - 1))
        assert found.ranges[place] == pytest.approx(np.stack([values.min(axes), values.max(axes)]), rel=1e-5)
    assert not found.tallies


def test_the_ends_of_a_layer_with_units_that_never_fire_are_looked_for_in_the_other_part() -> None:
    model = randomise(
        keras.Sequential([L.Input((6, 6, 1)), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(3)])
    )
    kernel, bias = model.layers[0].get_weights()
    kernel[..., 2], bias[2] = 1, -8.5  # fires where a patch is all but white, which no test image is
    model.layers[0].set_weights([kernel, bias])
    test, train = (make_part((6, 6, 1), count, seed=count) for count in (70, 40))
    test.images[:] = test.images[:] // 2
    train.images[3] = 255
    graph, dataset = Graph(model), make_dataset(test, train)
    passed = probe.all_parts(graph, readings(graph), dataset.parts, ["test"], dataset, memory=1000, progress=QUIET)
    values = predicted(model, train.images[:], of=model.layers[0].name)
    assert passed.tallies[0].largest[2] == 0
    assert passed.ranges[0] == pytest.approx(np.stack([values.min((0, 1, 2)), values.max((0, 1, 2))]), rel=1e-5)
    assert passed.ranges[0][1, 2] == pytest.approx(0.5)
    assert list(passed.ranges) == [0], "of the layer without such units nothing is asked"

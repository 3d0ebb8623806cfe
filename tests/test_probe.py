"""The pass: against raw outputs that Keras predicts layer by layer, and against figures made without reportgen."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reportgen import tally
from reportgen.collect import moments, outputs, probe, selectivity
from reportgen.collect.graph import Graph
from reportgen.collect.reading import readings
from reportgen.collect.shards import Found, Shard, Work
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.record import Unit
from reportgen.tally import LayerPlan, LayerTally
from reportgen.texts import literal
from tests.passes import (
    QUIET,
    Array,
    Looked,
    assert_alike,
    black_and_white_digits,
    flat,
    keras,
    look,
    make_dataset,
    make_part,
    predicted,
    randomise,
)

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
    from reportgen.train import network

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
    for field in dataclasses.fields(found):
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
        expected = tally.count(plan, raw, case.labels, np.arange(len(raw)), 10 if case.exact else 3, probe.TOP)
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
    for plan, _, raw in case.layers():
        inside = np.clip(raw[:, plan.sampled], plan.edges[0], plan.edges[-1])
        for unit in case.found.units_of(plan.layer):
            assert unit.histogram == np.histogram(inside[..., unit.unit], plan.edges)[0].tolist()


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-1, 1), (0, 6), (-2.2, 9.1), (-4, 0), (-1e-8, 3e-7), (0, 1e-35), (-5e37, 1e38)]
)
def test_the_bin_of_a_value_by_arithmetic_is_the_one_among_the_edges(low: float, high: float) -> None:
    edges = probe._even_edges(low, high)
    assert np.diff(edges[:-1]) == pytest.approx((high - low) / 20, rel=1e-5)
    on_edges = edges.astype(np.float32)
    spread = np.linspace(low, high, 1001).clip(-3e38, 3e38).astype(np.float32)
    values = np.concatenate([spread, on_edges, np.nextafter(on_edges, np.float32(0)), np.float32([-np.inf, 0, np.inf])])
    expected = np.clip(np.searchsorted(edges, values.astype(np.float64), side="right") - 1, 0, 19)
    assert np.floor(np.clip(probe._in_bins(values, edges), 0, 19)).astype(int).tolist() == expected.tolist()


def r_of(columns: Array) -> Array:
    """Return (U, U) Pearson's r of (n, U), NaN for columns that do not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(columns.astype(np.float64), rowvar=False)


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


# However the images are divided


@pytest.fixture(scope="module")
def whole() -> Case:
    return make_case("article")


def passed(
    model: Model, part: Part, scale: float, plans: Sequence[LayerPlan], *, first_number: int = 0, memory: int = 1000
) -> Found:
    graph = Graph(model)
    found = readings(graph)
    size = probe.batch_size(found, part.images.shape[1:], memory)
    work = Work(Pixels(scale, literal("")), size, plans, 10, kept=np.arange(300))
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
        assert_same(counted, tally.count(plan, raw, labels, np.arange(len(raw)), 3, probe.TOP))


@pytest.mark.parametrize("looked_at", [["test"], ["train"], ["test", "train"]], ids=" ".join)
def test_every_part_has_its_outputs_whatever_is_looked_at(looked_at: list[str]) -> None:
    dataset, model = two_parts(), NETS["any size"].build()
    found = look(model, dataset, looked_at=looked_at).outputs
    assert sorted(found) == ["test", "train"]
    for name, part in (("test", dataset.test), ("train", dataset.train)):
        assert_alike(found[name], outputs.of(predicted(model, part.images), part.labels))


class Counting(L.Layer):  # type: ignore[misc]
    """A layer that counts the images that go through it."""

    def build(self, shape: Any) -> None:
        self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, images: Any) -> Any:
        self.seen.assign_add(keras.ops.shape(images)[0])
        return images


@pytest.mark.parametrize("looked_at", [["test"], ["train"], ["test", "train"]], ids=" ".join)
@pytest.mark.parametrize("size", [500, 8], ids=["one batch", "many batches"])
def test_no_image_goes_through_the_model_twice(
    monkeypatch: pytest.MonkeyPatch, looked_at: list[str], size: int
) -> None:
    monkeypatch.setattr(probe, "batch_size", lambda *_: size)
    counter = Counting()
    model = keras.Sequential([L.Input((12, 12, 1)), counter, L.Conv2D(2, 3), L.Flatten(), L.Dense(3)])
    look(model, two_parts(), looked_at=looked_at)
    assert int(counter.seen.numpy()) == 30 + 50


@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float16", "float64"])
def test_pixels_of_every_type_reach_the_model(dtype: str) -> None:
    part, model = make_part((12, 12, 1), 20), NETS["any size"].build()
    part = Part((part.images // 100).astype(dtype), part.labels)
    found = look(model, make_dataset(part, scale=0.25))
    raw = flat(predicted(model, part.images, 0.25, of="conv"))
    assert_same(found.tallies[0], tally.count(found.plans[0], raw, part.labels, np.arange(20), 3, probe.TOP))


def test_a_unit_that_is_silent_where_maps_are_compared_has_no_correlation_there() -> None:
    """Its values there are equal; what is left of them after their mean is taken off must not look like variance."""
    start = keras.Input((12, 12, 1))
    conv = L.Conv2D(2, 1, activation="relu", name="conv")
    model = keras.Model(start, L.Dense(3)(L.GlobalAveragePooling2D()(conv(start))))
    conv.set_weights([np.ones((1, 1, 1, 2), np.float32), np.zeros(2, np.float32)])
    images = np.zeros((600, 12, 12, 1), np.float32)
    sampled = np.random.default_rng(0).choice(144, probe.SAMPLED, replace=False)
    elsewhere = next(place for place in range(144) if place not in sampled)
    images.reshape(600, 144)[:, elsewhere] = np.random.default_rng(1).random(600)
    part = Part(images, np.arange(600) % 3)
    found = look(model, make_dataset(part, scale=1.0))
    assert elsewhere not in found.plans[0].sampled
    assert np.isnan(moments.map_correlation(found.plans[0], found.tallies[0])).all()

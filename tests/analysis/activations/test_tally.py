"""What a pass counts, against the same counts worked out with plain loops, and joined in any way."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.analysis.activations import tally
from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.tally import LayerPlan, LayerTally
from tests.helpers.builders import modules_after
from tests.helpers.plans import make_plan
from tests.tools import tally_oracle

CLASSES, TOP = 3, 4
FAMILIES = ["relu", "relu6", "bounded", "leaky", "linear"]


def random_outputs(plan: LayerPlan, images: int, seed: int) -> tuple[Any, Any, Any]:
    """Return (N, P, U) outputs with many equal ones, labels, and numbers in no order."""
    generator = np.random.default_rng(seed)
    before = np.round(generator.standard_normal((images, plan.positions, plan.units)) * 4, 1).astype(np.float32)
    after = {
        "relu": lambda x: np.maximum(x, 0),
        "relu6": lambda x: np.clip(x, 0, 6),
        "bounded": np.tanh,
        "leaky": lambda x: np.where(x > 0, x, np.float32(0.2) * x),
        "linear": lambda x: x,
    }[plan.family]
    labels = generator.integers(0, CLASSES - 1, images)  # the last class has no image
    return after(before), labels, generator.permutation(images * 3)[:images]


def counted(plan: LayerPlan, images: int = 40, seed: int = 0, **options: Any) -> LayerTally:
    values, labels, numbers = random_outputs(plan, images, seed)
    return tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP, **options)


def by_hand(
    plan: LayerPlan, values: Any, labels: Any, numbers: Any, keep: int, repeats: Sequence[int] = ()
) -> dict[str, Any]:
    """Return every field of the tally, worked out value by value without numpy."""
    units, images = range(plan.units), sorted(range(len(values)), key=lambda n: numbers[n])
    a = [[[float(v) for v in values[n, :, u]] for n in images] for u in units]  # a[u][image][position]
    floor = 0.0 if plan.family == "leaky" else plan.eps
    label, number = [int(labels[n]) for n in images], [int(numbers[n]) for n in images]
    shift = [float(s) for s in plan.shift]
    flat = [[v for row in a[u] for v in row] for u in units]
    peak = [[max(row) for row in a[u]] for u in units]
    pooled = [[sum(row) / len(row) for row in a[u]] for u in units]
    sampled = [[row[p] for row in a[u] for p in plan.sampled] for u in units]
    found: dict[str, Any] = {
        "images": len(images),
        "fired": [sum(max(row) > floor for row in a[u]) for u in units],
        "zeros": [sum(v <= floor for row in a[u] for v in row) for u in units],
        "low_tail": [sum((v + 1) / 2 < 0.05 for v in flat[u]) if plan.family == "bounded" else 0 for u in units],
        "high_tail": [0 for _ in units],
        "total": [sum(v - shift[u] for v in flat[u]) for u in units],
        "squares": [sum((v - shift[u]) ** 2 for v in flat[u]) for u in units],
        "absolute": [sum(abs(v) for v in flat[u]) for u in units],
        "smallest": [min(*flat[u], 0) for u in units],
        "largest": [max(flat[u]) for u in units],
        "grid": (grid := grid_for(plan, [v for row in flat for v in row])),
        "histogram": [histogram(sampled[u], grid) for u in units],
        "map_total": [sum(v - shift[u] for v in sampled[u]) for u in units],
        "map_products": products(sampled, shift),
        "pooled_total": [sum(v - shift[u] for v in pooled[u]) for u in units],
        "pooled_products": products(pooled, shift),
        "class_images": [label.count(k) for k in range(CLASSES)],
    }
    if plan.family == "bounded":
        found["high_tail"] = [sum((v + 1) / 2 > 0.95 for v in flat[u]) for u in units]
    if plan.family == "relu6":
        found["high_tail"] = [sum(v >= 6 for v in flat[u]) for u in units]
    of_class = [[n for n in range(len(images)) if label[n] == k] for k in range(CLASSES)]
    best = [
        [max(((peak[u][n], -number[n]) for n in of_class[k]), default=(-math.inf, 1)) for u in units]
        for k in range(CLASSES)
    ]
    found |= {
        "class_total": [[sum(pooled[u][n] - shift[u] for n in of_class[k]) for u in units] for k in range(CLASSES)],
        "class_best": [[score for score, _ in row] for row in best],
        "class_best_image": [[-image for _, image in row] for row in best],
    }
    different = [n for n in range(len(images)) if number[n] not in repeats]
    order = [sorted(different, key=lambda n, u=u: (-peak[u][n], number[n]))[:TOP] for u in units]
    kept = sorted(range(len(images)), key=lambda n: splitmix64(number[n]))[:keep]
    return found | {
        "top_score": [[peak[u][order[u][t]] for u in units] for t in range(TOP)],
        "top_image": [[number[order[u][t]] for u in units] for t in range(TOP)],
        "top_position": [[a[u][order[u][t]].index(peak[u][order[u][t]]) for u in units] for t in range(TOP)],
        "kept_images": [number[n] for n in sorted(kept)],
        "kept": [[pooled[u][n] for u in units] for n in sorted(kept)],
    }


def grid_for(plan: LayerPlan, values: Sequence[float]) -> Grid:
    exponent = plan.grid.exponent
    while max(abs(v) for v in values) >= 64 * 2.0**exponent:
        exponent += 1
    return Grid(plan.grid.signed, exponent)


def histogram(values: Sequence[float], grid: Grid) -> list[int]:
    numbers = [math.floor(value / 2.0**grid.exponent) for value in values]
    return [numbers.count(j) for j in range(-64 if grid.signed else 0, 64)]


def products(values: Sequence[Sequence[float]], shift: Sequence[float]) -> list[list[float]]:
    shifted = [[v - s for v in row] for row, s in zip(values, shift, strict=True)]
    return [[sum(x * y for x, y in zip(one, other, strict=True)) for other in shifted] for one in shifted]


def splitmix64(number: int) -> int:
    full = 2**64 - 1
    mixed = (number + 0x9E3779B97F4A7C15) & full
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & full
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & full
    return mixed ^ (mixed >> 31)


def assert_same(found: LayerTally, expected: LayerTally | dict[str, Any]) -> None:
    """Compare two tallies: counts, numbers of images and strongest values exactly, sums up to rounding."""
    if isinstance(expected, LayerTally):
        expected = {field.name: getattr(expected, field.name) for field in dataclasses.fields(expected)}
    assert found.grid == expected["grid"]
    for field in dataclasses.fields(found):
        if field.name == "grid":
            continue
        one, other = np.asarray(getattr(found, field.name)), np.asarray(expected[field.name])
        exact = one.dtype == np.int64 or field.name in ("smallest", "largest", "class_best", "top_score")
        assert one.shape == other.shape, field.name
        np.testing.assert_allclose(
            one,
            other,
            rtol=0 if exact else 1e-6 if field.name == "kept" else 1e-9,
            atol=0 if exact else 1e-6 if field.name == "kept" else 1e-9,
            err_msg=field.name,
        )


# Against plain loops


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(), (2, 3)], ids=["neurons", "maps"])
def test_every_field_is_what_plain_loops_give(family: str, shape: tuple[int, ...]) -> None:
    plan = make_plan(family, shape=shape)
    case = random_outputs(plan, 40, seed=len(shape))
    found = tally_oracle.count(plan, *case, CLASSES, TOP, keep=17)
    assert_same(found, by_hand(plan, *case, keep=17))


@pytest.mark.parametrize("family", FAMILIES)
def test_repeats_are_counted_but_are_none_of_the_strongest(family: str) -> None:
    plan = make_plan(family)
    values, labels, numbers = random_outputs(plan, 40, seed=7)
    repeats = np.sort(np.random.default_rng(0).choice(numbers, 30, replace=False))
    found = tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP, repeats=repeats, keep=17)
    assert_same(found, by_hand(plan, values, labels, numbers, keep=17, repeats=repeats.tolist()))
    assert not np.isin(found.top_image, repeats).any() and np.isin(found.class_best_image, repeats).any()


def test_where_all_images_but_one_repeat_it_one_is_listed() -> None:
    plan = make_plan("relu", units=1, shape=(3,))
    values = np.full((9, 3, 1), 2.0, np.float32)
    found = tally_oracle.count(plan, values, np.zeros(9, int), np.arange(9), 1, TOP, repeats=np.arange(1, 9))
    assert found.top_image[:, 0].tolist() == [0, -1, -1, -1]
    assert found.top_position[:, 0].tolist() == [0, -1, -1, -1]
    assert found.top_score[:, 0].tolist() == [2, -math.inf, -math.inf, -math.inf]
    assert (found.images, found.fired.tolist()) == (9, [9])


def test_the_types_are_those_that_are_promised() -> None:
    found = counted(make_plan("relu"))
    assert isinstance(found.images, int) and isinstance(found.grid, Grid)
    for field in dataclasses.fields(found)[1:]:
        if field.name == "grid":
            continue
        text = str(field.type)
        wanted = np.float32 if "float32" in text else np.int64 if "int64" in text else np.float64
        assert getattr(found, field.name).dtype == wanted, field.name


def test_a_leaky_unit_fires_where_it_is_positive_whatever_eps_is() -> None:
    plan = make_plan("leaky", units=1, shape=(), eps=0.5, sampled=np.array([0]))
    found = tally_oracle.count(plan, np.array([[[0.1]], [[0.0]], [[-0.1]]]), np.zeros(3, int), np.arange(3), 1, TOP)
    assert (found.fired.tolist(), found.zeros.tolist()) == ([1], [2])


def test_a_value_of_exactly_eps_does_not_fire() -> None:
    plan = make_plan("linear", units=1, shape=(), eps=0.5, sampled=np.array([0]))
    found = tally_oracle.count(plan, np.array([[[0.5]], [[0.6]]]), np.zeros(2, int), np.arange(2), 1, TOP)
    assert (found.fired.tolist(), found.zeros.tolist()) == ([1], [1])


def test_bins_become_wider_for_values_that_there_is_no_bin_for_at_positions_that_are_not_sampled_too() -> None:
    plan = make_plan("linear", units=1, shape=(2,), sampled=np.array([0]))
    values = np.array([[-99.0, 0], [-1.0, 0], [2.0, -300.0]])[:, :, None]
    found = tally_oracle.count(plan, values, np.zeros(3, int), np.arange(3), 1, TOP)
    assert found.grid == Grid(signed=True, exponent=3)  # 64 bins of the width 8
    counts = {int(j) - 64: int(found.histogram[0, j]) for j in np.flatnonzero(found.histogram[0])}
    assert counts == {-13: 1, -1: 1, 0: 1}


def test_of_equal_images_and_positions_the_first_is_named() -> None:
    plan = make_plan("relu", units=1, shape=(3,))
    values = np.array([[0, 2, 2], [2, 0, 0], [0, 0, 1]], np.float32)[:, :, None]
    found = tally_oracle.count(plan, values, np.array([1, 1, 0]), np.array([30, 20, 10]), 2, 5)
    assert found.top_image[:, 0].tolist() == [20, 30, 10, -1, -1]
    assert found.top_position[:, 0].tolist() == [0, 1, 2, -1, -1]
    assert found.top_score[:, 0].tolist() == [2, 2, 1, -math.inf, -math.inf]
    assert found.class_best_image[:, 0].tolist() == [10, 20]


# Joining


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(6))
def test_shards_in_any_order_join_to_the_whole(family: str, seed: int) -> None:
    plan = make_plan(family)
    values, labels, numbers = random_outputs(plan, 60, seed)
    generator = np.random.default_rng(seed)
    cuts = np.sort(generator.integers(0, 61, 5))  # some shards may be empty
    shards = np.split(generator.permutation(60), cuts)
    parts = [tally_oracle.count(plan, values[s], labels[s], numbers[s], CLASSES, TOP, keep=13) for s in shards]
    while len(parts) > 1:
        one, other = (parts.pop(generator.integers(len(parts))) for _ in range(2))
        parts.append(tally.merge(one, other, keep=13))
    whole = tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP, keep=13)
    assert_same(parts[0], whole)


def test_joining_is_commutative_and_associative() -> None:
    plan = make_plan("relu")
    values, labels, numbers = random_outputs(plan, 30, seed=3)
    a, b, c = (
        tally_oracle.count(plan, values[n::3], labels[n::3], numbers[n::3], CLASSES, TOP, keep=7) for n in range(3)
    )
    first = tally.merge(tally.merge(a, b, 7), c, 7)
    for x, y, z in itertools.permutations([a, b, c]):
        assert_same(tally.merge(x, tally.merge(y, z, 7), 7), first)


def test_images_of_very_different_sizes_join_exactly_in_any_order() -> None:
    plan = make_plan("linear")
    values, labels, numbers = random_outputs(plan, 48, seed=5)
    values *= 2.0 ** np.random.default_rng(1).integers(-40, 60, (48, 1, 1))  # exact, so histograms can be compared
    whole, generator = tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP), np.random.default_rng(0)
    for _ in range(5):
        parts = np.split(generator.permutation(48), [1, 2, 9, 20, 47])
        found = [tally_oracle.count(plan, values[p], labels[p], numbers[p], CLASSES, TOP) for p in parts]
        assert len({one.grid for one in found}) > 2
        while len(found) > 1:
            one, other = (found.pop(generator.integers(len(found))) for _ in range(2))
            found.append(tally.merge(one, other))
        assert found[0].grid == whole.grid
        np.testing.assert_array_equal(found[0].histogram, whole.histogram)
        np.testing.assert_array_equal(found[0].top_image, whole.top_image)


def test_repeats_of_other_shards_change_nothing() -> None:
    plan = make_plan("relu")
    values, labels, numbers = random_outputs(plan, 60, seed=2)
    repeats = np.sort(numbers[::2])
    shards = np.split(np.random.default_rng(0).permutation(60), [7, 8, 31])
    a, b, c, d = (
        tally_oracle.count(plan, values[s], labels[s], numbers[s], CLASSES, TOP, repeats=repeats) for s in shards
    )
    whole = tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP, repeats=repeats)
    assert_same(tally.merge(tally.merge(d, b), tally.merge(c, a)), whole)


def test_the_tally_of_nothing_changes_nothing() -> None:
    plan = make_plan("bounded")
    found, nothing = counted(plan), tally_oracle.empty(plan, CLASSES, TOP)
    assert nothing.images == 0
    assert_same(tally.merge(found, nothing), found)
    assert_same(tally.merge(nothing, found), found)


def test_counting_an_image_twice_is_refused() -> None:
    found = counted(make_plan("relu"))
    with pytest.raises(ValueError, match="images in common"):
        tally.merge(found, found)


def test_the_order_of_images_does_not_matter() -> None:
    plan = make_plan("relu")
    values, labels, numbers = random_outputs(plan, 50, seed=1)
    order = np.random.default_rng(0).permutation(50)
    shuffled = tally_oracle.count(plan, values[order], labels[order], numbers[order], CLASSES, TOP, keep=20)
    assert_same(shuffled, tally_oracle.count(plan, values, labels, numbers, CLASSES, TOP, keep=20))


# Which images are kept


def test_ranks_are_splitmix64() -> None:
    numbers = np.array([0, 1, 2, 12345, 2**40])
    assert tally.kept_rank(numbers).tolist() == [splitmix64(n) for n in numbers.tolist()]


def test_all_are_kept_where_there_are_few() -> None:
    assert tally.kept_of(np.arange(tally.KEPT)).all()
    assert tally.kept_of(np.arange(tally.KEPT + 5)).sum() == tally.KEPT


@pytest.mark.parametrize("images", [1, tally.KEPT, tally.KEPT + 1, 60_000])
def test_ranking_some_at_a_time_keeps_the_same(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_BLOCK", 7_000)
    assert tally.kept_among(images).tolist() == np.flatnonzero(tally.kept_of(np.arange(images))).tolist()


def test_kept_images_are_spread_over_the_whole() -> None:
    kept: NDArray[Any] = np.flatnonzero(tally.kept_of(np.arange(60_000)))
    assert abs(kept.mean() - 30_000) < 4 * 60_000 / math.sqrt(12 * tally.KEPT)


def test_counting_needs_numpy_alone() -> None:
    loaded = modules_after("import reportgen.analysis.activations.tally")
    assert not {"tensorflow", "keras", "sklearn", "scipy"} & loaded

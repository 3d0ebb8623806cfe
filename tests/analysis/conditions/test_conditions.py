"""Conditions in words: planted kernels get their true names, random and shuffled ones none, and slow code agrees."""

import tracemalloc
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

import reportgen
from reportgen.analysis.conditions import basis, cuts, fit, ink, kernels, nulls, patches, score, words
from reportgen.analysis.conditions.below import Below, made_of
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.layer import Sampled
from reportgen.analysis.conditions.patches import Along
from reportgen.analysis.conditions.result import Feature, LayerConditions, UnitCondition
from tests.helpers.conditions import below_of, lowered, words_of

Array = Any
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
LINE = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]], float)
RISING = np.array([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]], float)
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)
ANGLES = range(0, 360, 45)


@cache
def scenes(count: int = 600, size: int = 24, seed: int = 0) -> Array:
    """Return (N, H, W, 3) pictures from 0 to 1: discs, boxes and lines of any colour, a little noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    made = np.empty((count, size, size, 3))
    for image in made:
        image[:] = rng.random(3)
        for _ in range(7):
            at, angle, reach = rng.random(2) * size, rng.random() * np.pi, rng.uniform(1, 6)
            u = (x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)
            v = (y - at[1]) * np.cos(angle) - (x - at[0]) * np.sin(angle)
            shape = rng.integers(3)
            inside = np.hypot(u, v) < reach if shape == 0 else np.maximum(abs(u), abs(v)) < reach
            if shape == 2:
                inside = (abs(v) < 0.8) & (abs(u) < 3 * reach)
            image[inside] = rng.random(3)
        image += rng.normal(0, 0.01, image.shape)
    return made.astype(np.float32)


def convolved(images: Array, kernel: Array, bias: Array | float = 0.0) -> Array:
    """Return pre-activations (N, h, w, U), without padding. kernel: (U, h, w, C)."""
    views = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[1:3], axis=(1, 2))
    return np.einsum("nijcyx,uyxc->niju", views, kernel, optimize=True) + bias


def grey(kernel: Array) -> Array:
    return np.repeat(np.asarray(kernel)[:, :, np.newaxis] / 3, 3, axis=2)


def sobel(angle: float) -> Array:
    return np.cos(np.deg2rad(angle)) * SOBEL + np.sin(np.deg2rad(angle)) * SOBEL.T[::-1]


def sampled(images: Array, maps: Array, field: Sequence[Along], cut: cuts.Cuts, **more: Any) -> Sampled:
    rows, columns = cuts.positions(maps.shape[1:3], cut.choose, 16, 0)
    values = maps[np.arange(len(maps))[:, np.newaxis], rows, columns].astype(np.float32)
    colour = images.shape[-1] == 3
    return Sampled(images, rows, columns, values, (field[0], field[1]), maps.shape[1:3], colour=colour, **more)


PLANTED: list[tuple[Array, str, int | None, int]] = [
    *[(grey(sobel(angle)), "edge", angle, 1) for angle in ANGLES],
    (grey(LINE), "bar", 0, 1),
    (grey(RISING), "bar", 45, 1),
    (grey(LINE.T), "bar", 90, 1),
    (grey(RISING[:, ::-1]), "bar", 135, 1),
    (grey(-LAPLACIAN), "dot", None, 1),
    (grey(LAPLACIAN), "dot", None, -1),
    (grey(np.ones((3, 3))), "level", None, 1),
    (np.ones((3, 3, 1)) * [1, -1, 0], "red-green", None, 1),
    (np.ones((3, 3, 1)) * [-0.5, -0.5, 1], "blue-yellow", None, 1),
]
ZERO = len(PLANTED) + 1
RANDOM = len(PLANTED)


@cache
def planted() -> tuple[Array, Array, cuts.Cuts, LayerConditions]:
    """Return kernels, activations, cuts and what is found of a first layer with known kernels."""
    random = np.random.default_rng(5).standard_normal((3, 3, 3))
    weights = np.stack([*[kernel for kernel, *_ in PLANTED], random, np.zeros((3, 3, 3))])
    images = scenes()
    maps = np.maximum(convolved(images, weights), 0)
    cut = cuts.cuts(images)
    found = words_of(sampled(images, maps, (Along(3), Along(3)), cut), cut, kernel=weights)
    return weights, maps, cut, found


def first(unit: UnitCondition) -> Feature:
    return unit.features[0].feature


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_a_planted_kernel_gets_its_true_name(number: int) -> None:
    _, kind, angle, polarity = PLANTED[number]
    unit = planted()[3].units[number]
    named = first(unit)
    assert (named.kind, named.polarity) == (kind, polarity), unit.sentence
    assert named.angle == angle
    assert unit.step == "picture" and unit.r2_one is not None and unit.r2_one > 0.85, unit.sentence


@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_the_weights_alone_give_the_same_name(number: int) -> None:
    _, kind, angle, polarity = PLANTED[number]
    reading = planted()[3].units[number].kernel
    assert reading is not None
    assert (reading.feature.kind, reading.feature.angle, reading.feature.polarity) == (kind, angle, polarity)
    assert reading.r2 > 0.9


def test_a_random_kernel_has_no_words_or_its_luck_is_said() -> None:
    unit = planted()[3].units[RANDOM]
    assert unit.step == "none" or "of random kernels do as well" in unit.sentence, unit.sentence


def test_a_zero_kernel_has_a_reason_and_no_figures() -> None:
    unit = planted()[3].units[ZERO]
    assert unit.step == "n/a" and unit.reason == "it has the same value everywhere"
    assert unit.r2_held_out is unit.f1 is unit.ceiling is unit.kernel is None
    assert unit.sentence == "No figure, because it has the same value everywhere."


def test_what_the_layer_has_is_counted_and_every_direction_is_there() -> None:
    found = planted()[3]
    assert found.counts["edge"] == 8 and found.counts["line"] == 4 and found.counts["n/a"] == 1
    assert found.gaps == () and found.missing is None
    assert found.summary.startswith("8 edges, 4 lines or gaps, ")


def test_a_direction_that_no_unit_answers_to_is_named() -> None:
    images, cut = scenes(), planted()[2]
    weights = np.stack([grey(sobel(angle)) for angle in (0, 45, 90, 180, 225)])
    maps = np.maximum(convolved(images, weights), 0)
    found = words_of(sampled(images, maps, (Along(3), Along(3)), cut), cut, kernel=weights)
    assert set(found.gaps) <= {135, 270, 315} and 135 in found.gaps
    assert found.missing is not None and "brighter towards the" in found.missing and "upper left" in found.missing


@pytest.mark.slow
def test_the_name_of_a_gabor_on_a_larger_field_is_its_bar() -> None:
    y, x = np.mgrid[-3:4, -3:4]
    across = x * np.cos(np.deg2rad(45)) + y * np.sin(np.deg2rad(45))  # rows count downwards: lines rise to the right
    gabor = np.exp(-(x**2 + y**2) / 8) * np.cos(2 * np.pi * across / 6)
    images, cut = scenes(), planted()[2]
    weights = grey(gabor - gabor.mean())[np.newaxis]
    found = words_of(
        sampled(images, np.maximum(convolved(images, weights), 0), (Along(7), Along(7)), cut), cut, kernel=weights
    )
    assert (first(found.units[0]).kind, first(found.units[0]).angle) == ("bar", 45), found.units[0].sentence
    assert "lines rising to the right" in found.units[0].sentence


def second_layer(mixed: Array, bias: Array, names: Sequence[int]) -> LayerConditions:
    """Return what is found of units that mix those of the first layer, 1x1. mixed: (U, I); names: those used."""
    _, maps, cut, below = planted()
    lower = maps[..., names]
    images = scenes()
    weights = mixed[:, np.newaxis, np.newaxis, :]
    upper = np.maximum(convolved(lower, weights, bias), 0)
    conditions = [below.units[name].condition for name in names]
    one = Along(1)
    made = sampled(images, upper, (Along(3), Along(3)), cut)
    return words_of(made, cut, below=below_of(made, lower, weights, (one, one), conditions))


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "needed"), [((15, 8), 1.2), ((14, 15), 1.6), ((12, 16), 1.2)])
def test_or_and_and_of_two_units_below_are_named_after_both(pair: tuple[int, int], needed: float) -> None:
    _, maps, _, below = planted()
    scale = np.array([1 / np.quantile(maps[..., unit], 0.99) for unit in pair])
    found = second_layer(np.stack([scale, scale]), np.array([-0.3, -needed]), pair).units
    for unit in found:
        assert {one.unit for one in unit.inputs} <= {0, 1}, unit.sentence
        if unit.step == "picture":
            words = {one.feature.said for one in unit.features}
            assert words >= {first(below.units[name]).said for name in pair}, unit.sentence
        else:
            assert unit.step == "units below", unit.sentence
            assert all(str(below.units[name].condition) in unit.sentence for name in pair)
    either, both = found
    assert dict(either.parts).get("relation", "or") == "or", either.sentence
    assert dict(both.parts).get("relation") == "and", both.sentence
    assert " below at once" in both.sentence


def test_shares_of_units_below_are_1_in_sum() -> None:
    _, maps, cut, _ = planted()
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, maps.shape[-1]))
    rows, columns = cuts.positions((20, 20), cut.choose, 5, 0)
    seen = patches.gather(maps, rows, columns, (Along(3), Along(3)))
    below = Below(seen, np.arange(len(maps)), weights, [None] * maps.shape[-1])
    made = made_of(below, 5, np.arange(rows.size))
    assert made.shares.sum(axis=1) == pytest.approx(1, abs=1e-4)
    z = made.seen @ weights.reshape(4, -1).T
    part = made.seen.reshape(len(z), 9, -1)[:, :, 6] @ weights[2].reshape(9, -1)[:, 6]
    assert made.shares[2, 6] == pytest.approx(np.cov(part, z[:, 2], bias=True)[0, 1] / z[:, 2].var(), abs=1e-4)


@pytest.mark.slow
def test_a_unit_for_a_class_is_described_as_the_class() -> None:
    images = scenes()
    cut = planted()[2]
    rng = np.random.default_rng(0)
    numbers = rng.integers(3, size=len(images))
    maps = (
        np.repeat(np.repeat((numbers == 2)[:, None, None, None] + 0.0, 5, 1), 5, 2)
        + rng.random((len(images), 5, 5, 1)) / 5
    )
    found = words_of(
        sampled(images, maps, (Along(24), Along(24)), cut), cut, labels=Labels(numbers, ["cat", "dog", "owl"])
    )
    assert found.units[0].step == "class" and found.units[0].label == "owl"
    assert 'pictures of class "owl"' in found.units[0].sentence


def test_shuffled_maps_give_no_words_beyond_chance() -> None:
    images = scenes()
    _, maps, cut, _ = planted()
    shuffled = maps.copy()
    rng = np.random.default_rng(1)
    for side in (np.flatnonzero(cut.choose), np.flatnonzero(~cut.choose)):
        shuffled[side] = maps[rng.permutation(side)]
    found = words_of(sampled(images, shuffled, (Along(3), Along(3)), cut), cut)
    assert {unit.step for unit in found.units} == {"none", "n/a"}
    chance = found.units[0].by_chance
    assert chance is not None and chance < 0.1
    assert all((unit.r2_one or 0) <= chance for unit in found.units)


def test_one_sentence_for_all_units_scores_below_their_own() -> None:
    _, maps, cut, found = planted()
    x, y = measured(maps, ~cut.choose)
    one = fit.moments(x, y)
    rest = [unit for unit, _ in enumerate(found.units) if found.units[unit].features]
    own = np.array([found.units[unit].r2_one for unit in rest])
    for feature in range(x.shape[1]):
        same = fit.weigh(one, np.full((y.shape[1], 1), feature))
        assert np.mean(fit.r2(one, same)[rest]) < own.mean() - 0.2


def measured(maps: Array, side: Array) -> tuple[Array, Array]:
    """Return features and values (n, ...) of the patches of some images that are not flat, standardised."""
    images = scenes()
    taken = sampled(images, maps, (Along(3), Along(3)), planted()[2])
    look = basis.Look(taken.field, taken.map_shape, images.shape[1:3], 1.0, True)
    found = basis.measure(patches.Pictures(images[side]), taken.rows[side], taken.columns[side], look)
    x, y = found.values[found.not_flat], taken.values[side][found.not_flat]
    return (x - x.mean(0)) / (x.std(0) + 1e-9), (y - y.mean(0)) / (y.std(0) + 1e-9)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_false_labels_lower_the_score(change: str) -> None:
    _, maps, cut, found = planted()
    taken = sampled(scenes(), maps, (Along(3), Along(3)), cut)
    assert lowered(taken, cut, found, change, colour=True) >= 0.95


def test_the_exact_reading_agrees_with_the_images() -> None:
    weights, _, cut, _ = planted()
    images = scenes()
    pre = convolved(images, weights)
    taken = sampled(images, pre, (Along(3), Along(3)), cut, signed=True)
    seen = patches.gather(images, taken.rows, taken.columns, taken.field).reshape(-1, 27)
    readings = kernels.read(weights, kernels.covariance(seen), True)
    look = basis.Look(taken.field, taken.map_shape, images.shape[1:3], 1.0, True)
    whole = basis.measure(patches.Pictures(images), taken.rows, taken.columns, look)
    for unit, reading in enumerate(readings[:-1]):
        assert reading is not None
        feature = whole.values[..., whole.features.index(reading.feature)].ravel().astype(float)
        r = np.corrcoef(feature, seen.astype(float) @ weights[unit].ravel())[0, 1]
        assert reading.r2 == pytest.approx(r**2, abs=1e-5)
        assert reading.energy is not None and sum(reading.energy.values()) == pytest.approx(1)
        assert reading.variance is not None and sum(reading.variance.values()) == pytest.approx(1)
    assert readings[-1] is None


@pytest.mark.parametrize(
    ("kernel", "space"),
    [
        (sobel(90), "edge"),
        (LAPLACIAN, "laplacian"),
        (np.ones((3, 3)), "mean"),
        ([[0, 1, 0], [-1, 0, -1], [0, 1, 0]], "line"),
    ],
)
def test_a_kernel_lies_in_its_space_of_frei_and_chen(kernel: Array, space: str) -> None:
    shares = kernels.frei_chen(np.asarray(kernel, float)[np.newaxis, :, :, np.newaxis])
    assert shares is not None
    named = dict(zip(("edge", "line", "laplacian", "mean"), shares[0], strict=True))
    assert max(named, key=lambda name: named[name]) == space and sum(named.values()) == pytest.approx(1)
    assert named[space] > 0.95
    assert kernels.frei_chen(np.ones((1, 5, 5, 1))) is None


def test_slow_code_gives_the_same_fit_r2_and_f1() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3000, 7)).astype(np.float32)
    x[:, 3] += x[:, 1]
    y = np.stack(
        [np.maximum(x[:, 1] + 0.5 * x[:, 2], 0), x[:, 0] - x[:, 4], np.maximum(rng.standard_normal(3000), 0)], 1
    )
    y = y.astype(np.float32)
    found = fit.moments(x[:2000], y[:2000])
    chosen = fit.greedy(found, range(7))
    fitted = fit.weigh(found, chosen)
    scored = fit.r2(fit.moments(x[2000:], y[2000:]), fitted)
    for unit in range(3):
        slowly: list[int] = []
        for place in range(fit.MOST):
            best = max(
                (f for f in range(7) if f not in slowly),
                key=lambda f: slow_gain(x[:2000], y[:2000, unit], [*slowly, f]),
            )
            if chosen[unit, place] < 0:
                assert (
                    slow_gain(x[:2000], y[:2000, unit], [*slowly, best])
                    <= max(slow_gain(x[:2000], y[:2000, unit], slowly) if slowly else 0, 1e-6) + 1e-5
                )
                break
            assert chosen[unit, place] == best
            slowly.append(best)
        weights, level = slow_weights(x[:2000], y[:2000, unit], slowly)
        assert fitted.weights[unit, : len(slowly)] == pytest.approx(weights, abs=1e-4)
        predicted = [level + sum(w * row[f] for w, f in zip(weights, slowly, strict=True)) for row in x[2000:]]
        real = y[2000:, unit].astype(float)
        slow_r2 = 1 - sum((a - b) ** 2 for a, b in zip(real, predicted, strict=True)) / sum(
            (a - real.mean()) ** 2 for a in real
        )
        assert scored[unit] == pytest.approx(slow_r2, abs=1e-5)
        fast = score.f1(real[:, np.newaxis], np.array(predicted)[:, np.newaxis])
        t = sorted(real)[int(0.995 * len(real))]
        hits = sum(a > t and b > t for a, b in zip(real, predicted, strict=True))
        over = sum(a > t for a in real) + sum(b > t for b in predicted)
        assert fast[0][0] == pytest.approx(2 * hits / over)
        share = np.mean(real > t)
        assert fast[2][0] == pytest.approx(2 * share / (1 + share))


def slow_weights(x: Array, y: Array, chosen: Sequence[int]) -> tuple[Array, float]:
    """Return the non-negative weights of some features and the intercept, by scipy."""
    picked = x[:, list(chosen)].astype(float)
    weights, _ = nnls(picked - picked.mean(0), y.astype(float) - y.mean(dtype=float))
    return weights, float(y.mean(dtype=float) - picked.mean(0) @ weights)


def slow_gain(x: Array, y: Array, chosen: Sequence[int]) -> float:
    """Return the R2 of a non-negative fit, -1 where a weight is 0: such a feature is never chosen."""
    if not chosen:
        return 0.0
    weights, level = slow_weights(x, y, chosen)
    if (weights <= 0).any():
        return -1.0
    return float(1 - ((y - level - x[:, list(chosen)] @ weights) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def test_features_by_loops_are_the_same() -> None:
    images = scenes(20)
    rows, columns = np.array([[3]] * 20), np.array([[7]] * 20)
    field = (Along(3), Along(3))
    look = basis.Look(field, (22, 22), (24, 24), 1.0, True)
    found = basis.measure(patches.Pictures(images), rows, columns, look)
    at = {feature: found.values[:, 0, place] for place, feature in enumerate(found.features)}
    for number, image in enumerate(images):
        patch = image[3:6, 7:10].mean(axis=2)
        right = sum(SOBEL[i, j] * patch[i, j] for i in range(3) for j in range(3)) / 8
        assert at[Feature("edge", 0, 1)][number] == pytest.approx(right, abs=1e-3)
        assert at[Feature("edge", 180, 1)][number] == pytest.approx(-right, abs=1e-3)
        assert at[Feature("level", None, 1)][number] == pytest.approx(patch.mean(), abs=1e-6)
        assert at[Feature("contrast", None, 1)][number] == pytest.approx(patch.std(), abs=1e-6)
        colours = image[3:6, 7:10].mean(axis=(0, 1))
        assert at[Feature("red-green")][number] == pytest.approx(colours[0] - colours[1], abs=1e-6)
        assert at[Feature("row")][number] == pytest.approx(2 * 3 / 21 - 1)
        lower_left = patch[1:, :2].mean()
        stands_out = max(0, min(lower_left - other for other in (patch[0, 0], patch[0, 2], patch[2, 2])))
        assert at[Feature("corner", 225, 1, 1, True)][number] == pytest.approx(stands_out, abs=1e-6)


def test_no_two_features_are_the_same_and_none_looks_beyond_the_field() -> None:
    images = scenes(50)
    rows, columns = cuts.positions((22, 22), np.ones(50, np.bool_), 8, 0)
    look = basis.Look((Along(3), Along(3)), (22, 22), (24, 24), 1.0, True)
    found = basis.measure(patches.Pictures(images), rows, columns, look)
    assert len(set(found.features)) == len(found.features) == found.values.shape[-1]
    changed = images.copy()
    for image, (row, column) in enumerate(zip(rows, columns, strict=True)):
        inside = np.zeros((24, 24), np.bool_)
        for r, c in zip(row, column, strict=True):
            inside[r : r + 3, c : c + 3] = True
        changed[image][~inside] = 0.5
    again = basis.measure(patches.Pictures(changed), rows, columns, look)
    assert np.allclose(found.values, again.values, atol=1e-6)


@pytest.mark.parametrize("field", [(1, 1), (1, 7), (7, 1), (2, 2), (4, 4), (8, 8), (24, 24), (60, 60)])
def test_a_field_of_any_size_has_features(field: tuple[int, int]) -> None:
    images = scenes(40)
    axes = tuple(Along(size, 2, -(size // 2)) for size in field)
    rows, columns = cuts.positions((12, 12), np.ones(40, np.bool_), 6, 0)
    look = basis.Look((axes[0], axes[1]), (12, 12), (24, 24), 1.0, True)
    found = basis.measure(patches.Pictures(images), rows, columns, look)
    assert np.isfinite(found.values).all() and len(found.features) == found.values.shape[-1]
    assert len(set(found.features)) == len(found.features)
    kinds = {feature.kind for feature in found.features}
    assert ("edge" in kinds) == (max(field) > 1)
    assert ("corner" in kinds) == (min(field) > 2)


def test_beyond_the_border_there_are_zeros_as_a_convolution_pads() -> None:
    images = scenes(4)
    corner = np.zeros((4, 1), int)
    patch = patches.gather(images, corner, corner, (Along(3, 1, -1), Along(3, 1, -1)))[:, 0]
    assert (patch[:, 0] == 0).all() and (patch[:, :, 0] == 0).all()
    assert np.array_equal(patch[:, 1:, 1:], images[:, :2, :2])
    large = patches.shrunk(patches.Pictures(images), corner, corner, (Along(64, 1, -20), Along(64, 1, -20)))
    padded = np.pad(images, [(0, 0), (20, 20), (20, 20), (0, 0)]).reshape(4, 8, 8, 8, 8, 3).mean(axis=(2, 4))
    assert np.allclose(large[:, 0], padded, atol=1e-5)


def test_equal_images_fall_on_one_side() -> None:
    images = scenes(100)
    twice = cuts.cuts(np.concatenate([images, images]))
    assert np.array_equal(twice.choose[:100], twice.choose[100:])
    assert 30 < twice.choose[:100].sum() < 70
    assert not (twice.second & ~twice.choose).any()


def test_images_of_a_slot_are_looked_at_in_the_same_places() -> None:
    choose = cuts.cuts(scenes()).choose
    rows, columns = cuts.positions((22, 22), choose, 9, 1)
    each = (~choose).sum() // cuts.BLOCKS
    scored = rows[~choose][: each * cuts.BLOCKS].reshape(cuts.BLOCKS, each, 9)
    assert (scored == scored[0]).all() and len(np.unique(scored[0])) > 5
    assert len(np.unique(rows[0] * 22 + columns[0])) == 9


def drawn(thickness: float, bright: bool = True) -> Array:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    made = np.zeros((200, 28, 28, 1), np.float32)
    for image in made:
        for _ in range(3):
            angle, at = rng.random() * np.pi, rng.uniform(9, 19, 2)
            u, v = x - at[0], y - at[1]
            along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
            image[(abs(across) < thickness) & (abs(along) < 7)] = 1
    return made if bright else 1 - made


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda: drawn(1.2), "bright"),
        (lambda: drawn(1.2, bright=False), "dark"),
        (lambda: np.repeat(drawn(1.2), 3, axis=3), "bright"),
        (lambda: 2 * drawn(1.2) - 1, "bright"),
        (lambda: drawn(6), None),  # thick: shapes, no strokes
        (lambda: scenes(), None),
        (lambda: np.zeros((5, 28, 28, 1), np.float32), None),
    ],
)
def test_only_thin_drawings_on_an_even_ground_are_strokes(made: Callable[[], Array], found: str | None) -> None:
    assert ink.ink(made()) == found


def test_too_few_patches_give_a_reason() -> None:
    images = np.zeros((100, 12, 12, 1), np.float32)
    images[:, :2] = 1.0
    cut = cuts.cuts(images + np.linspace(0, 1e-3, 100, dtype=np.float32)[:, None, None, None])
    maps = np.random.default_rng(0).random((100, 10, 10, 2))
    maps[..., 1] = 0
    flat = words_of(sampled(images * 0, maps, (Along(3), Along(3)), cut), cut)
    assert [str(unit.reason) for unit in flat.units] == [
        "there are too few patches that are not flat", "it has the same value everywhere",
    ]  # fmt: skip


@cache
def digits() -> Array:
    """Return the first bundled digits, (N, 28, 28, 1) from 0 to 1."""
    with np.load(Path(reportgen.__file__).parent / "digits/sample.npz") as stored:
        return stored["x_test"][:600, ..., np.newaxis].astype(np.float32) / 255


def test_dark_ink_on_paper_gets_the_words_of_bright_ink() -> None:
    weights = np.stack([sobel(270), sobel(45), LINE, -LINE.T, -LAPLACIAN, np.ones((3, 3)), -np.ones((3, 3))])[..., None]
    bias = np.array([0, 0, 0, 0, 0, 0, 5.0])
    maps = np.maximum(convolved(digits(), weights, bias), 0)
    cut = cuts.cuts(digits())
    bright = words_of(sampled(digits(), maps, (Along(3), Along(3)), cut), cut, kernel=weights)
    dark = words_of(sampled(1 - digits(), maps, (Along(3), Along(3)), cut), cut, kernel=-weights)
    assert (bright.ink, dark.ink) == ("bright", "dark")
    expected = [
        "the upper edge of strokes",
        "the lower left edge of strokes",
        "horizontal strokes",
        "vertical gaps between strokes",
        "dots of ink",
        "ink under the patch",
        "empty ground under the patch",
    ]
    for unit, other, name in zip(bright.units, dark.units, expected, strict=True):
        assert str(unit.condition).startswith(name), unit.sentence
        assert str(other.condition).startswith(name), other.sentence
        assert unit.r2_one == pytest.approx(other.r2_one, abs=0.02)


def test_what_cannot_be_said_has_its_reason() -> None:
    images, cut = digits(), cuts.cuts(digits())
    maps = np.random.default_rng(0).random((600, 26, 26, 3))
    maps[0, :, :, 0] = np.nan
    maps[..., 1] = 0
    maps[:30, 10:14, 10:14, 1] = 1  # few of these places are looked at
    found = words_of(sampled(images, maps, (Along(3, 1, -1), Along(3, 1, -1)), cut), cut)
    reasons = [None if unit.reason is None else str(unit.reason) for unit in found.units]
    assert reasons == ["it has values that are not finite", "it fires on too few patches that are not flat", None]
    assert found.notes[0].startswith("Chosen on ")
    assert [str(note) for note in found.notes[1:]] == ["Beyond the border of the picture, features see zeros."]


@pytest.mark.parametrize("side", [False, True])
def test_images_on_one_side_only_give_reasons_and_no_crash(side: bool) -> None:
    images = digits()[:50]
    cut = cuts.Cuts(np.full(50, side), np.zeros(50, np.bool_))
    maps = np.random.default_rng(0).random((50, 26, 26, 2))
    found = words_of(sampled(images, maps, (Along(3), Along(3)), cut), cut, kernel=np.ones((2, 3, 3, 1)))
    assert found.counts == {"n/a": 2}


@pytest.mark.slow
def test_the_same_twice_and_for_each_unit_alone() -> None:
    weights, maps, cut, found = planted()
    again = words_of(sampled(scenes(), maps[..., 8:9], (Along(3), Along(3)), cut), cut, kernel=weights[8:9])
    alone, among = again.units[0], found.units[8]
    assert alone.r2_one == pytest.approx(among.r2_one, abs=1e-5)
    assert [one.feature for one in alone.features] == [one.feature for one in among.features]
    repeated = words_of(sampled(scenes(), maps, (Along(3), Along(3)), cut), cut, kernel=weights)
    assert repeated == found


@pytest.mark.parametrize("times", [nulls.PERMUTATIONS, 20])
def test_permutations_from_products_are_those_of_the_images(times: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 5, 4)).astype(np.float32), rng.standard_normal((64, 5, 3)).astype(np.float32)
    x[..., 2] += y[..., 1]  # a true relation, which a permutation must break
    there = rng.random((64, 5)) < 0.7
    moves = nulls._moves(np.random.default_rng(7), times)
    assert len(moves) == times
    best = 0.0
    for move in moves.reshape(-1, cuts.BLOCKS, cuts.BLOCKS):
        moved = y.reshape(cuts.BLOCKS, 4, 5, 3)[move.argmax(axis=1)].reshape(64, 5, 3)
        assert (move.sum(axis=0) == 1).all() and not np.diag(move).any()
        for feature in range(4):
            for unit in range(3):
                r = np.corrcoef(x[there][:, feature], moved[there][:, unit])[0, 1]
                best = max(best, max(r, 0) ** 2)
    assert nulls.by_chance(x, y, there, 7, times) == pytest.approx(best, abs=1e-4)
    assert best < 0.2 < np.corrcoef(x[there][:, 2], y[there][:, 1])[0, 1] ** 2


def test_models_of_many_units_have_fewer_permutations() -> None:
    assert [nulls.permutations(units) for units in (1, 2000, 20_000, 10**6)] == [200, 200, 20, 20]


def test_positions_from_elsewhere_and_kernels_of_another_size_are_refused() -> None:
    cut = cuts.cuts(digits())
    rows = np.random.default_rng(0).integers(0, 26, (600, 4))
    made = Sampled(digits(), rows, rows, np.zeros((600, 4, 1)), (Along(3), Along(3)), (26, 26))
    with pytest.raises(ValueError, match="positions"):
        words_of(made, cut)
    fitting = sampled(digits(), np.zeros((600, 26, 26, 1)), (Along(3), Along(3)), cut)
    with pytest.raises(ValueError, match="kernel"):
        words_of(fitting, cut, kernel=np.zeros((1, 5, 5, 1)))


@pytest.mark.slow
def test_large_fields_on_large_pictures_take_little_memory() -> None:
    images = np.repeat(np.repeat(scenes(300), 6, axis=1), 6, axis=2)
    cut = cuts.cuts(images)
    maps = np.random.default_rng(0).random((300, 7, 7, 4))
    axis = Along(99, 16, -33)
    made = sampled(images, maps, (axis, axis), cut)
    tracemalloc.start()
    found = words_of(made, cut)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 2**30 and {unit.step for unit in found.units} == {"none"}


@pytest.mark.slow
def test_where_words_end_is_said_at_every_step() -> None:
    """A deeper unit of many inputs with mixed signs: neither the picture nor three units below describe it."""
    _, maps, cut, below = planted()
    used = [unit for unit in range(maps.shape[-1]) if unit != ZERO]
    lower = maps[..., used] / maps[..., used].std(axis=(0, 1, 2))
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((6, 5, 5, len(used)))
    upper = np.maximum(convolved(lower, weights), 0)
    conditions = [below.units[unit].condition for unit in used]
    made = sampled(scenes(), upper, (Along(7), Along(7)), cut)
    found = words_of(made, cut, below=below_of(made, lower, weights, (Along(5), Along(5)), conditions))
    ended = [unit for unit in found.units if unit.step == "none"]
    assert ended, [str(unit.sentence) for unit in found.units]
    for unit in ended:
        assert unit.sentence.startswith("No simple condition: words end here, at ")
        assert "Of the units below, " in unit.sentence or not unit.inputs
        assert dict(unit.parts).get("explained below", 0) < 0.5


def strongest(picture: Array, said: str) -> tuple[int, int]:
    """Return the row and column at which the feature of these words is largest, in a drawing of bright ink."""
    look = basis.Look((Along(5, 1, -2), Along(5, 1, -2)), picture.shape, picture.shape, 1.0, False)
    rows, columns = (axis.reshape(1, -1) for axis in np.indices(picture.shape))
    found = basis.measure(patches.Pictures(picture[None, :, :, None].astype(np.float32)), rows, columns, look)
    (at,) = (
        place
        for place, feature in enumerate(found.features)
        if feature.scale == 1
        and (feature.rectified or feature.kind in ("level", "side"))
        and words.condition(feature, "bright") == said
    )
    row, column = divmod(int(found.values[0, :, at].argmax()), picture.shape[1])
    return row, column


def square() -> Array:
    made = np.zeros((24, 24))
    made[6:16, 8:18] = 1
    return made


def stroke() -> Array:
    made = np.zeros((24, 24))
    made[10, 5:16] = 1
    return made


def rising() -> Array:
    return np.eye(24)[::-1] * (np.arange(24) > 8) * (np.arange(24) < 16)


@pytest.mark.parametrize(
    ("picture", "said", "rows", "columns"),
    [
        (square(), "the upper edge of strokes", (5, 6), (9, 16)),
        (square(), "the lower edge of strokes", (15, 16), (9, 16)),
        (square(), "the left edge of strokes", (7, 14), (7, 8)),
        (square(), "the right edge of strokes", (7, 14), (17, 18)),
        (square(), "the upper right corner of strokes", (5, 7), (16, 18)),
        (square(), "the lower left corner of strokes", (14, 16), (7, 9)),
        (1 - square(), "bends of strokes, open towards the lower right", (5, 7), (7, 9)),
        (square(), "ink on the lower side of the patch", (4, 14), (9, 16)),
        (stroke(), "horizontal strokes", (10, 10), (5, 15)),
        (stroke(), "ends of strokes that point towards the right", (10, 10), (14, 16)),
        (stroke(), "ends of strokes that point towards the left", (10, 10), (4, 6)),
        (1 - stroke(), "ends of gaps that point towards the right", (10, 10), (14, 16)),
        (1 - stroke(), "horizontal gaps between strokes", (10, 10), (5, 15)),
        (stroke().T, "ends of strokes that point towards the bottom", (14, 16), (10, 10)),
        (stroke().T, "vertical strokes", (5, 15), (10, 10)),
        (rising(), "strokes rising to the right", (8, 14), (9, 15)),
        (rising(), "ends of strokes that point towards the upper right", (7, 9), (14, 16)),
        (rising()[::-1], "strokes falling to the right", (9, 15), (9, 15)),
    ],
)
def test_the_words_are_about_what_is_there(
    picture: Array, said: str, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    row, column = strongest(picture, said)
    assert rows[0] <= row <= rows[1] and columns[0] <= column <= columns[1], (row, column)


@pytest.mark.parametrize(
    ("one", "other", "ink", "said"),
    [
        (Feature("edge", 90, 1), Feature("edge", 45, 1), "bright", "the lower or lower left edge of strokes"),
        (Feature("edge", 90, 1), Feature("edge", 45, 1), "dark", "the upper or upper right edge of strokes"),
        (Feature("edge", 90, 1), Feature("edge", 0, 1), None, "edges, brighter towards the top or the right"),
        (Feature("side", 90, 1), Feature("side", 45, 1), "bright", "ink on the upper or upper right side of the patch"),
        (Feature("side", 0, 1, -1), Feature("side", 45, 1, -1), None,
         "darkness on the right or upper right side of the patch"),
        (Feature("side", 0, 1), Feature("side", 45, 1, -1), "bright",
         "ink on the right side of the patch or empty ground on the upper right side of the patch"),
        (Feature("edge", 90, 1), Feature("outline", None, 1), "bright",
         "the lower edge of strokes or outlines of strokes"),
    ],
)  # fmt: skip
def test_what_a_condition_and_its_runner_up_have_in_common_is_said_once(
    one: Feature, other: Feature, ink: Any, said: str
) -> None:
    assert words.either(one, other, ink) == said


def test_a_scale_is_said_with_both_or_with_each() -> None:
    same = words.either(Feature("edge", 90, 2), Feature("edge", 45, 2), None, 2)
    assert same == "edges, brighter towards the top or the upper right (scale 2 px)"
    apart = words.either(Feature("edge", 90, 2), Feature("edge", 45, 1), None, 2)
    assert apart.count("scale") == 2


def test_signed_values_are_high_or_low_and_have_no_threshold() -> None:
    images, cut = scenes(), planted()[2]
    weights = np.stack([grey(sobel(90)), -grey(LINE), np.random.default_rng(0).standard_normal((3, 3, 3))])
    pre = convolved(images, weights)
    made = sampled(images, pre, (Along(3), Along(3)), cut, signed=True)
    found = words_of(made, cut, kernel=weights)
    edge, gap = (first(unit) for unit in found.units[:2])
    assert (edge.kind, edge.angle, edge.rectified) == ("edge", 90, False)
    assert (gap.kind, gap.angle, gap.polarity, gap.rectified) == ("bar", 0, -1, False)
    for unit in found.units[:2]:
        assert unit.sentence.startswith("Is high on ") and unit.kernel is not None
        assert unit.kernel.r2 == pytest.approx(unit.r2_one, abs=0.01)
        assert unit.random_percentile == 100

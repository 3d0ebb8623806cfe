"""Conditions of the built-in network, trained on the bundled digits: most of a unit is said, and nothing by chance."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.conditions import cuts
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.layer import Sampled
from reportgen.analysis.conditions.patches import Along
from reportgen.analysis.conditions.result import LayerConditions
from reportgen.data import samples
from reportgen.runtime import keras
from tests.helpers.conditions import below_of, lowered, matched, words_of

pytestmark = pytest.mark.tensorflow

Array = Any


@cache
def article() -> tuple[Array, Array, Array, Array, Array, cuts.Cuts, LayerConditions, LayerConditions]:
    """Return images, the maps of both convolutions, what the second sees, its kernel, the cuts, and what is found."""
    from reportgen.model import network

    keras.utils.set_random_seed(0)
    data = samples.load("sample", test_only=False)
    assert data.train is not None
    seen = [part.images[:].astype(np.float32) / 255 for part in (data.test, data.train)]
    model = network.build(data.image_shape, 10)
    model.fit(seen[1], np.eye(10)[data.train.labels], batch_size=128, epochs=4, verbose=0)
    images = np.concatenate(seen)[:2000]
    labels = np.concatenate([data.test.labels, data.train.labels])[:2000]
    names = ("conv2d", "max_pooling2d", "conv2d_1")
    inside = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    first, pooled, second = inside.predict(images, verbose=0)
    kernels = [np.moveaxis(model.get_layer(name).get_weights()[0], -1, 0) for name in ("conv2d", "conv2d_1")]
    cut = cuts.cuts(images)
    field = Along(8, 2, 0)
    lower = words_of(sampled(images, first, Along(3), cut), cut, kernel=kernels[0])
    deeper = sampled(images, second, field, cut)
    words = [unit.condition for unit in lower.units]
    below = below_of(deeper, pooled, kernels[1], (Along(3), Along(3)), words)
    classes = Labels(labels, [str(name) for name in data.class_names])
    upper = words_of(deeper, cut, below=below, labels=classes)
    return images, first, second, pooled, kernels[0], cut, lower, upper


def sampled(images: Array, maps: Array, axis: Along, cut: cuts.Cuts) -> Sampled:
    rows, columns = cuts.positions(maps.shape[1:3], cut.choose, 8, 0)
    return Sampled(
        images, rows, columns, maps[np.arange(len(maps))[:, None], rows, columns], (axis, axis), maps.shape[1:3]
    )


def test_words_say_most_of_the_first_layer() -> None:
    found = article()[6]
    figures = [(unit.r2_one, unit.r2_three) for unit in found.units if unit.r2_one is not None]
    assert len(figures) >= 12
    one, three = np.median(np.array(figures), axis=0)
    assert one >= 0.75 and three >= 0.90
    assert found.ink == "bright" and found.counts["edge"] >= 2
    assert sum("of strokes" in unit.sentence for unit in found.units) >= 4


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_false_labels_lower_the_score(change: str) -> None:
    images, first, _, _, _, cut, found, _ = article()
    assert lowered(sampled(images, first, Along(3), cut), cut, found, change) >= 0.95


def test_one_sentence_for_all_units_scores_below_their_own() -> None:
    """Each unit's own condition against each of these conditions for all units, on average over the units."""
    images, first, _, _, _, cut, found, _ = article()
    own, of_all = matched(sampled(images, first, Along(3), cut), cut, found)
    assert own > max(of_all)


def test_the_kernels_by_themselves_tell_the_same_kind() -> None:
    """For the pre-activation, which the sentence is not about: so for most units, not for all."""
    same = [
        unit.kernel.feature.kind == unit.features[0].feature.kind
        for unit in article()[6].units
        if unit.kernel is not None and unit.step == "picture"
    ]
    assert np.mean(same) >= 0.7


def test_deeper_units_are_said_with_their_scores() -> None:
    found = article()[7]
    assert {unit.step for unit in found.units} <= {"picture", "units below", "class", "none", "n/a"}
    for unit in found.units:
        if unit.step == "n/a":
            continue
        assert sum(one.share for one in unit.inputs) < 1.5 and len(unit.inputs) <= 3
        assert unit.r2_held_out is not None and unit.ceiling is not None and unit.r2_held_out <= unit.ceiling
        assert ("words end here" in unit.sentence) == (unit.step == "none")


def test_shuffled_maps_of_the_article_have_no_words() -> None:
    images, first, _, _, kernel, cut, real, _ = article()
    shuffled = first.copy()
    for side in (np.flatnonzero(cut.choose), np.flatnonzero(~cut.choose)):
        shuffled[side] = first[np.roll(side, 1)]
    found = words_of(sampled(images, shuffled, Along(3), cut), cut, kernel=kernel)
    assert {unit.step for unit in found.units} <= {"none", "n/a"}
    chance = real.units[0].by_chance
    assert chance is not None and chance < 0.25


def test_an_untrained_network_is_told_apart_by_its_luck() -> None:
    """Random kernels explain well on smooth pictures: their sentences must say how many random ones do as well."""
    images, _, _, _, _, cut, _, _ = article()
    kernel = np.random.default_rng(0).standard_normal((16, 3, 3, 1))
    views = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nijcyx,uyxc->niju", views, kernel, optimize=True), 0)
    found = words_of(sampled(images, maps, Along(3), cut), cut, kernel=kernel)
    ranks = [unit.random_percentile for unit in found.units if unit.random_percentile is not None]
    assert 20 < np.mean(ranks) < 80
    lucky = [unit for unit in found.units if unit.random_percentile is not None and unit.random_percentile < 95]
    assert all("of random kernels do as well" in unit.sentence for unit in lucky)

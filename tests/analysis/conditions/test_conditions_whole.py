"""Conditions of units that are no convolutions on pictures: planted ones are named, and what has no basis says so."""

from typing import Any

import numpy as np

from reportgen.analysis.conditions import classes, cuts, whole
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.patches import Along
from reportgen.analysis.conditions.result import LayerConditions
from reportgen.i18n import literal
from tests.analysis.conditions.test_conditions import drawn, scenes

Array = Any


def kinds(found: LayerConditions) -> list[tuple[str, int]]:
    return [(unit.features[0].feature.kind, unit.features[0].feature.polarity) for unit in found.units]


def test_dense_units_on_pictures_are_for_brightness_and_where_it_lies() -> None:
    images = scenes()
    cut = cuts.cuts(images)
    grey = images.mean(axis=3)
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=len(images))
    weight = np.abs(grey - np.median(grey))
    low = (weight.sum(2) * np.linspace(-1, 1, 24)).sum(1) / weight.sum((1, 2))
    values = np.stack([grey.mean((1, 2)), -grey.mean((1, 2)), low, rng.random(len(images)), labels == 1.0], axis=1)
    values[:, 4] += rng.normal(0, 0.1, len(images))
    found = whole.of_pictures(images, values, cut, signed=True, labels=Labels(labels, ["a", "b", "c"]))
    assert kinds(found)[:3] == [("brightness", 1), ("brightness", -1), ("weight row", 1)]
    assert [unit.step for unit in found.units] == ["picture", "picture", "picture", "none", "class"]
    assert found.units[4].label == "b"
    assert found.units[2].sentence.startswith("Is high on things in the lower part of the picture: explains ")
    assert "patches" not in found.units[0].sentence


def test_a_unit_on_vectors_is_for_an_input() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((800, 6)).astype(np.float32)
    cut = cuts.cuts(inputs)
    values = np.stack([np.maximum(inputs[:, 2] - 0.1, 0), -inputs[:, 5] + 0.3 * inputs[:, 0]], axis=1)
    found = whole.of_vectors(inputs, values, cut, signed=True)
    named = [[(one.feature.index, one.feature.polarity) for one in unit.features] for unit in found.units]
    assert named[0][0] == (2, 1) and named[1] == [(5, -1), (0, 1)]
    assert "low values of input 5" in found.units[1].sentence
    assert "with high values of input 0 as well" in found.units[1].sentence


def test_long_vectors_have_no_words() -> None:
    found = whole.of_vectors(np.zeros((10, 784)), np.zeros((10, 3)), cuts.cuts(np.zeros((10, 784))))
    assert [str(unit.sentence) for unit in found.units] == [
        "No figure, because the model takes vectors of 784 values."
    ] * 3
    assert found.counts == {"n/a": 3} and found.summary == "3 without a figure"


def test_a_unit_on_series_is_for_level_slope_or_time() -> None:
    rng = np.random.default_rng(0)
    series = rng.standard_normal((400, 40, 2)).cumsum(axis=1).astype(np.float32)
    cut = cuts.cuts(series)
    rows, columns = cuts.positions((1, 36), cut.choose, 12, 0)
    windows = np.lib.stride_tricks.sliding_window_view(series, 5, axis=1)  # (N, 36, C, 5)
    at = windows[np.arange(400)[:, None], columns]
    values = np.stack([at[:, :, 0].mean(-1), at[:, :, 1, 4] - at[:, :, 1, 0], -columns + 0.0], axis=-1)
    found = whole.of_places(series, columns[..., None], values, [Along(5)], [36], cut, signed=True)
    named = [unit.features[0].feature for unit in found.units]
    assert [(one.kind, one.index, one.polarity) for one in named] == [
        ("value", 0, 1),
        ("slope", 1, 1),
        ("time", None, -1),
    ]
    assert "rising values in channel 1" in found.units[1].sentence and "early steps" in found.units[2].sentence
    assert (rows == 0).all()


def test_a_unit_on_volumes_is_for_brightness_or_a_place() -> None:
    rng = np.random.default_rng(0)
    volumes = rng.random((300, 8, 9, 10, 1)).astype(np.float32)
    volumes *= rng.random((300, 1, 1, 1, 1)).astype(np.float32)
    cut = cuts.cuts(volumes)
    each, flat = cuts.positions((6 * 7, 8), cut.choose, 10, 0)
    places = np.stack([each // 7, each % 7, flat], axis=-1)
    image = np.arange(300)[:, None]
    light = sum(
        volumes[image, places[..., 0] + d, places[..., 1] + h, places[..., 2] + w, 0]
        for d in range(3) for h in range(3) for w in range(3)
    )  # fmt: skip
    values = np.stack([np.asarray(light), places[..., 0] + 0.0, -places[..., 2] + 0.0], axis=-1)
    found = whole.of_places(volumes, places, values, [Along(3)] * 3, [6, 7, 8], cut, signed=True)
    assert kinds(found) == [("light", 1), ("plane", 1), ("column", -1)]
    assert (found.units[0].r2_one or 0) > 0.999


def test_an_output_unit_is_its_class() -> None:
    found = classes.output(["cat", "dog"])
    assert [unit.label for unit in found.units] == ["cat", "dog"]
    assert found.units[1].sentence == 'Is the score of class "dog".' and found.summary == "2 classes"


def test_a_reason_stands_where_there_is_no_basis() -> None:
    found = whole.unknown(2, literal("it sees tokens"))
    assert {unit.sentence for unit in found.units} == {"No figure, because it sees tokens."}


def test_a_constant_unit_and_few_images_have_reasons() -> None:
    images = scenes(60)
    values = np.random.default_rng(0).random((60, 2))
    values[:, 1] = 3
    found = whole.of_pictures(images, values, cuts.cuts(images))
    assert [str(unit.reason) for unit in found.units] == [
        "there are too few images",
        "it has the same value everywhere",
    ]


def test_the_ground_of_drawings_has_no_weight_and_ink_is_called_ink() -> None:
    images = drawn(1.2, bright=False)
    images = np.roll(images, np.random.default_rng(0).integers(-6, 7, 200), axis=0)
    images = np.concatenate([np.roll(images, (shift, shift // 2), axis=(1, 2)) for shift in (-5, -2, 0, 3, 5)])
    grey = 1 - images[..., 0]
    row = (grey.sum(2) * np.arange(28)).sum(1) / grey.sum((1, 2))
    found = whole.of_pictures(images, np.stack([row, grey.mean((1, 2))], axis=1), cuts.cuts(images), signed=True)
    low, much = (str(unit.condition) for unit in found.units)
    assert low == "ink in the lower part of the picture" and much.startswith("much ink")

"""Conditions of real models: which layer has which kind of words, and whether what cards show is what units saw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from reportgen.analysis import described
from reportgen.analysis.activations import graph, reading
from reportgen.analysis.conditions import cuts
from reportgen.analysis.conditions.result import LayerConditions
from reportgen.dataset import Dataset, Part
from reportgen.record.pictures import Seen
from reportgen.runtime import keras
from tests.helpers.passes import make_dataset, make_part, randomise

pytestmark = pytest.mark.tensorflow
Array = Any
L = keras.layers


def found_in(
    model: Any, part: Part, *, cards: Mapping[str, Sequence[int]] | None = None, batch: int = 64, parts: Any = None
) -> tuple[dict[str, LayerConditions], dict[str, Seen]]:
    """Return what is found of every layer, and what cards of these units show, both by the layer's name."""
    drawn, dataset = graph.Graph(model), make_dataset(part)
    readings = reading.readings(drawn)
    words = described.describe(
        drawn, readings, parts or {"test": part}, dataset, dataset.class_names, cards or {}, batch=batch, seed=0
    )
    layers = {one.name: layer for one, layer in zip(readings, words.layers, strict=True)}
    return layers, {one.layer: one for one in words.seen}


def model_of(*layers: Any, shape: Sequence[int]) -> Any:
    return randomise(keras.Sequential([keras.Input(shape), *layers]))


def reasons(layer: LayerConditions) -> set[str]:
    return {str(unit.reason) for unit in layer.units if unit.step == "n/a"}


def test_pictures_have_words_for_maps_and_values_and_scores_are_classes() -> None:
    model = model_of(
        L.Conv2D(4, 3, activation="relu", name="maps"), L.Flatten(), L.Dense(5, activation="relu", name="values"),
        L.Dense(3, activation="softmax", name="scores"), shape=(10, 10, 1),
    )  # fmt: skip
    layers, _ = found_in(model, make_part((10, 10, 1), 300))
    assert layers["maps"].patches > 0 and layers["values"].patches == layers["values"].images[1]
    assert {unit.step for unit in layers["maps"].units} <= {"picture", "none", "n/a", "class"}
    assert [unit.label for unit in layers["scores"].units] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("layers", "shape", "name", "reason"),
    [
        ([L.Conv1D(3, 3, name="a"), L.GlobalMaxPooling1D(), L.Dense(3, name="b")], (12, 2), "a", None),
        ([L.Conv1D(3, 3), L.Flatten(), L.Dense(4, name="a"), L.Dense(3)], (12, 2), "a", "one value for a whole series"),
        ([L.Conv3D(3, 3, name="a"), L.Flatten(), L.Dense(3)], (6, 6, 6, 1), "a", None),
        ([L.Conv3D(3, 3), L.Flatten(), L.Dense(4, name="a"), L.Dense(3)], (6, 6, 6, 1), "a", "a whole volume"),
        ([L.Dense(4, name="a"), L.Dense(3)], (6,), "a", None),
        ([L.Embedding(256, 4), L.Conv1D(3, 3, name="a"), L.Flatten(), L.Dense(3)], (9,), "a", "numbers of words"),
        ([L.Reshape((5, 20)), L.Conv1D(4, 3, name="a"), L.Flatten(), L.Dense(3)], (10, 10, 1), "a", "not places"),
        ([L.Conv2D(4, 3, activation="tanh", name="a"), L.Flatten(), L.Dense(3)], (10, 10, 1), "a", None),
        ([L.Conv2D(4, 3, activation="relu6", name="a"), L.Flatten(), L.Dense(3)], (10, 10, 1), "a", None),
        ([L.Conv2D(4, 3, name="a"), L.Reshape((16, 16)), L.Flatten(), L.Dense(3)], (10, 10, 1), "a", None),
    ],
    ids=[
        "series", "dense on series", "volume", "dense on volumes", "vector", "tokens", "folded", "signed", "capped",
        "moved",
    ],
)  # fmt: skip
def test_every_kind_of_input_has_words_or_a_reason(
    layers: list[Any], shape: tuple[int, ...], name: str, reason: str | None
) -> None:
    found = found_in(model_of(*layers, shape=shape), make_part(shape, 300))[0][name]
    assert len(found.units) in (3, 4)
    if reason is None:
        assert any(unit.features for unit in found.units), [unit.sentence for unit in found.units]
    else:
        [said] = reasons(found)
        assert reason in said


def test_channels_first_and_models_inside_models_have_words() -> None:
    inside = keras.Sequential([keras.Input((10, 10, 1)), L.Conv2D(4, 3, activation="relu", name="deep")], name="inner")
    model = model_of(inside, L.Flatten(), L.Dense(3, name="scores"), shape=(10, 10, 1))
    layers, _ = found_in(model, make_part((10, 10, 1), 300))
    assert any(unit.features for name, layer in layers.items() if "deep" in name for unit in layer.units)


def test_equal_images_fall_on_one_side_and_fewest_images_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part((10, 10, 1), 300)
    twice = Part(np.concatenate([part.images] * 2), np.concatenate([part.labels] * 2))
    choose = cuts.cuts(np.asarray(twice.images, np.float32)).choose
    assert (choose[:300] == choose[300:]).all()
    monkeypatch.setattr(described, "_MOST_VALUES", 1)
    model = model_of(L.Conv2D(2, 3, name="a"), L.Flatten(), L.Dense(3), shape=(10, 10, 1))
    layers, _ = found_in(model, twice)
    assert sum(layers["a"].images) == 200


@pytest.fixture(scope="module")
def shown() -> tuple[Any, Dataset, dict[str, Seen]]:
    model = model_of(
        L.Conv2D(3, 3, padding="same", activation="relu", name="first"),
        L.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="second"),
        L.Flatten(), L.Dense(3, name="scores"), shape=(12, 12, 1),
    )  # fmt: skip
    test, train = make_part((12, 12, 1), 200), make_part((12, 12, 1), 200, seed=1)
    parts = {"test": test, "train": train}
    _, seen = found_in(model, test, cards={"first": [2, 0], "second": [1]}, parts=parts)
    both = Part(np.concatenate([test.images, train.images]), np.concatenate([test.labels, train.labels]))
    return model, make_dataset(both), seen


def maps_of(model: Any, name: str, images: Array) -> Array:
    inside = keras.Model(model.inputs[0], model.get_layer(name).output)
    return np.asarray(inside(images.astype(np.float32) / 255))


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_real_map_is_that_of_the_stated_image(shown: tuple[Any, Dataset, dict[str, Seen]], name: str) -> None:
    model, dataset, layers = shown
    seen = layers[name]
    np.testing.assert_array_equal(seen.pictures, dataset.test.images[seen.image])
    maps = maps_of(model, name, seen.pictures)
    for at, unit in enumerate(seen.units):
        np.testing.assert_allclose(seen.real[at], maps[at, :, :, unit], rtol=1e-4, atol=1e-5)
    assert seen.told.shape == seen.real.shape and np.isfinite(seen.told).all(axis=(1, 2)).any()


def test_a_crop_is_what_the_kernel_sees(shown: tuple[Any, Dataset, dict[str, Seen]]) -> None:
    model, dataset, layers = shown
    kernel, bias = model.get_layer("first").get_weights()
    maps, seen = maps_of(model, "first", dataset.test.images), layers["first"]
    for at, unit in enumerate(seen.units):
        for crops in (seen.strongest[at], seen.weakest[at]):
            driven = (crops / 255 * kernel[..., unit]).sum(axis=(1, 2, 3)) + bias[unit]
            values = np.maximum(driven, 0)
            every = maps[..., unit].ravel()
            assert all(np.isclose(every, value, rtol=1e-4, atol=1e-5).any() for value in values)
        firing = np.maximum((seen.strongest[at] / 255 * kernel[..., unit]).sum(axis=(1, 2, 3)) + bias[unit], 0)
        assert (np.diff(firing) <= 1e-5).all()
        np.testing.assert_allclose(seen.mean[at], seen.strongest[at].mean(axis=0), rtol=1e-5)


def slow_crop(image: Array, top: int, left: int, size: int) -> Array:
    found = np.zeros((size, size, image.shape[-1]), image.dtype)
    for row in range(size):
        for column in range(size):
            if 0 <= top + row < len(image) and 0 <= left + column < image.shape[1]:
                found[row, column] = image[top + row, left + column]
    return found


def test_crops_of_a_deeper_unit_lie_where_its_field_does(shown: tuple[Any, Dataset, dict[str, Seen]]) -> None:
    _, dataset, layers = shown
    # 3x3 behind 3x3: 5 pixels; a stride of 2 on 12 positions pads nothing before the first, so it begins at -1
    places = [(-1 + 2 * row, -1 + 2 * column) for row in range(6) for column in range(6)]
    for crop in layers["second"].strongest[0][:3]:
        candidates = (slow_crop(image, *place, 5) for image in np.asarray(dataset.test.images) for place in places)
        assert any((one == crop).all() for one in candidates)


def test_large_maps_are_thinned() -> None:
    model = model_of(L.Conv2D(2, 3, name="a"), L.GlobalMaxPooling2D(), L.Dense(3), shape=(140, 140, 1))
    _, seen = found_in(model, make_part((140, 140, 1), 60), cards={"a": [0]})
    assert seen["a"].real.shape == seen["a"].told.shape == (1, 46, 46)


def test_what_lies_below_is_bounded_and_the_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(
        L.Conv2D(3, 3, activation="relu"), L.Conv2D(4, 3, activation="relu", name="second"), L.Flatten(), L.Dense(3),
        shape=(12, 12, 1),
    )  # fmt: skip
    part = make_part((12, 12, 1), 300)
    whole = found_in(model, part)[0]["second"]
    monkeypatch.setattr(described, "_MOST_BELOW", 8 * 9 * 3 * 80)
    fewer = found_in(model, part)[0]["second"]
    assert [unit.features for unit in whole.units] == [unit.features for unit in fewer.units]
    for one, other in zip(whole.units, fewer.units, strict=True):
        shares = ({i.unit: i.share for i in unit.inputs} for unit in (one, other))
        first, second = shares
        assert all(abs(first[unit] - second[unit]) < 0.3 for unit in first.keys() & second.keys())


def test_batches_do_not_matter() -> None:
    model = model_of(L.Conv2D(3, 3, name="a"), L.Flatten(), L.Dense(3), shape=(10, 10, 1))
    part = make_part((10, 10, 1), 300)
    one, other = (found_in(model, part, batch=batch)[0]["a"] for batch in (300, 37))
    assert [str(unit.sentence) for unit in one.units] == [str(unit.sentence) for unit in other.units]

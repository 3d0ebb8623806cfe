"""Maps of what tips the scales: exact where it is known, on the patch that decides, and none that cannot be trusted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reportgen
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import readings
from reportgen.analysis.attribution import explained
from reportgen.analysis.attribution.explained import Target
from reportgen.analysis.attribution.gradients import Margins
from reportgen.analysis.effects import head
from reportgen.dataset import Dataset, Part
from reportgen.runtime import keras, tf
from tests.helpers.passes import answers, make_dataset, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers

PATCH = (slice(2, 5), slice(6, 9))
"""Where a bright square makes a picture one of the second class."""


def planted(images: int = 120) -> Dataset:
    """Return noise of 12 x 12 pixels, every second picture with a bright patch."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 120, (images, 12, 12, 1)).astype(np.uint8)
    labels = np.arange(images) % 2
    pixels[:, *PATCH][labels == 1] += 130
    return make_dataset(Part(pixels, labels))


def of_the_patch() -> Any:
    """Return a model that sums up the patch, beyond what noise gives, and looks at nothing else."""
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), L.Flatten(), L.Dense(6, activation="relu"), L.Dense(2, activation="softmax")]
    )
    seen = np.zeros((12, 12, 6), np.float32)
    seen[PATCH] = np.linspace(0.5, 1.5, 6)
    model.layers[1].set_weights([seen.reshape(144, 6), -3 * np.linspace(0.5, 1.5, 6).astype(np.float32)])
    model.layers[2].set_weights([np.array([[-1.0, 1.0]] * 6, np.float32), np.array([2.0, -2.0], np.float32)])
    return model


def explain(model: Any, dataset: Dataset, targets: list[Target], right: int | None = None) -> Any:
    graph = Graph(model)
    images = np.asarray(dataset.test.images, np.float32)
    taken = answers(model, dataset.pixels.of(images)).argmax(axis=1)
    return explained.explain(
        graph, readings(graph), dataset, targets, ["a", "b"], output="softmax",
        right=int((taken == dataset.test.labels).sum()) if right is None else right, batch=64, seed=0,
    )  # fmt: skip


TARGETS = [Target("test", 1, 1, 0), Target("test", 3, 1, 0), Target("test", 4, 0, 1)]


def test_the_map_lies_on_the_patch_that_decides() -> None:
    found, maps = explain(of_the_patch(), planted(), TARGETS)
    assert [one.map for one in found.images] == [0, 1, 2] and found.asked == 3
    assert [(one.part, one.index, one.toward, one.away) for one in found.images[:2]] == [
        ("test", 1, "b", "a"),
        ("test", 3, "b", "a"),
    ]
    for amounts in maps.astype(np.float64):
        assert np.abs(amounts[PATCH]).sum() > 0.999 * np.abs(amounts).sum()
        assert amounts[PATCH].min() >= 0  # all of it speaks for the class
        assert np.abs(amounts).max() == 1
    for one in found.images:
        assert one.completeness_error is not None and one.completeness_error < 0.02
        assert one.margin_without < one.margin_by_chance
        assert one.similarity < explained.MOST_ALIKE


def test_of_a_model_with_random_weights_no_map_is_shown() -> None:
    found, maps = explain(randomise(of_the_patch()), planted(), TARGETS)
    assert found.images == [] and len(maps) == 0 and found.asked == 3
    assert "not clearly more than by always naming the largest class (60)" in found.reason


def test_a_map_that_marks_nothing_special_is_not_shown() -> None:
    model = of_the_patch()
    even = np.full((144, 6), 0.01, np.float32)
    model.layers[1].set_weights([even, np.zeros(6, np.float32)])
    dataset = planted()
    flat = np.array(dataset.test.images)
    flat[:] = 90  # every pixel says as much as every other
    flat[::2] = 30
    found, maps = explain(model, make_dataset(Part(flat, dataset.test.labels)), TARGETS[:1], right=120)
    (one,) = found.images
    assert one.map is None and len(maps) == 0
    assert one.reason == "deleting the pixels that it marks does no more than deleting random ones"


def test_a_model_that_does_not_look_at_its_input_has_no_map() -> None:
    model = of_the_patch()
    model.layers[1].set_weights([np.zeros((144, 6), np.float32), np.ones(6, np.float32)])
    found, _ = explain(model, planted(), TARGETS[:1], right=120)
    assert found.images[0].reason == "its gradients are zero or no numbers"
    assert found.images[0].completeness_error is None


def test_the_live_model_has_its_weights_and_its_activation_afterwards() -> None:
    model = of_the_patch()
    before = model.get_weights()
    explain(model, planted(), TARGETS)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    assert model.layers[2].activation is keras.activations.softmax


def test_what_was_too_much_work_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explained, "_MOST_VALUES", 1)
    found, _ = explain(of_the_patch(), planted(), TARGETS)
    assert (len(found.images), found.asked) == (2, 3)


@pytest.mark.parametrize("shape", [(40,), (40, 2), (5, 5, 1)])
def test_only_pictures_with_some_pixels_have_maps(shape: tuple[int, ...]) -> None:
    model = randomise(keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(2, activation="softmax")]))
    images = np.random.default_rng(0).random((20, *shape)).astype(np.float32)
    found, _ = explain(model, make_dataset(Part(images, np.arange(20) % 2)), [Target("test", 0, 0, 1)])
    assert found.reason == "the images are not pictures, or have fewer than 64 pixels"


def test_vectors_that_a_model_sees_as_pictures_are_explained(tmp_path: Path) -> None:
    """And what reads only what is asked for gives an image to a list of numbers, not to one."""
    given = planted()
    model = keras.Sequential([keras.Input((144,)), L.Rescaling(1 / 255), *of_the_patch().layers[1:]])
    flat = np.asarray(given.test.images).reshape(-1, 144)
    labels = given.test.labels.copy()
    labels[1] = 0  # a mistake, so that there is something to explain
    made = reportgen.report(model, (flat, labels), out=tmp_path / "r", formats=["html"], examples=1, shifts="none")
    assert [(one["index"], one["map"]) for one in made["attributions"]["images"]] == [(1, 0)]


def test_an_operation_without_a_gradient_is_no_reason_to_have_no_report() -> None:
    class Hue(L.Layer):
        def call(self, images: Any) -> Any:
            return tf.image.adjust_hue(images, 0.1)

    model = randomise(keras.Sequential([keras.Input((8, 8, 3)), Hue(), L.Flatten(), L.Dense(2, activation="softmax")]))
    images = np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32)
    found, maps = explain(model, make_dataset(Part(images, np.arange(20) % 2)), [Target("test", 0, 0, 1)], right=20)
    assert found.reason == "the model has an operation without a gradient" and len(maps) == 0


# Against a slow computation


def test_attributions_are_the_integral_of_slopes_taken_by_differences() -> None:
    generator = np.random.default_rng(1)
    model = randomise(
        keras.Sequential(
            [
                keras.Input((4, 5, 2)),
                L.Conv2D(3, 3, activation="tanh"),
                L.Flatten(),
                L.Dense(3, activation="softmax"),
            ]
        )
    )
    graph = Graph(model)
    dataset = make_dataset(Part(generator.random((2, 4, 5, 2)).astype(np.float32), np.array([0, 2])), scale=1.0)
    images, baseline = dataset.test.images, generator.random((4, 5, 2)).astype(np.float32)
    toward, away = np.array([1, 0], np.int32), np.array([0, 2], np.int32)
    margins = Margins(graph, head.find(graph, "softmax"), dataset.pixels, (4, 5, 2), 7)

    def margin(image: Any, one: int, other: int) -> float:
        p = answers(model, image[np.newaxis])[0].astype(np.float64)
        return float(np.log(p[one]) - np.log(p[other]))

    assert margins.of(images, toward, away) == pytest.approx(
        [margin(images[0], 1, 0), margin(images[1], 0, 2)], abs=1e-4
    )
    found = margins.attributions(images[:1], baseline, toward[:1], away[:1], steps=20)[0]
    place, steps = (1, 2, 1), 20
    slopes = []
    for k in range(steps):
        middle = baseline + (k + 0.5) / steps * (images[0] - baseline)
        ends = [middle.copy(), middle.copy()]
        ends[0][place] += 0.01
        ends[1][place] -= 0.01
        slopes.append((margin(ends[0], 1, 0) - margin(ends[1], 1, 0)) / 0.02)
    assert found[place] == pytest.approx(np.mean(slopes) * (images[0] - baseline)[place], rel=0.02, abs=1e-4)
    way = margin(images[0], 1, 0) - margin(baseline, 1, 0)
    assert found.sum() == pytest.approx(way, rel=0.01, abs=1e-3)

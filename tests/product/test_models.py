"""Loaded and live models of many shapes: each gives a report, or one line that says why not."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.errors import InputError
from reportgen.runtime import keras
from reportgen.thresholds import FindingThresholds
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any


def images(shape: tuple[int, ...] = (12, 12, 1), classes: int = 3, count: int = 24) -> dict[str, Any]:
    """Return a test split of random images."""
    generator = np.random.default_rng(0)
    return {
        "x_test": generator.integers(0, 256, (count, *shape), dtype=np.uint8),
        "y_test": np.arange(count) % classes,
    }


def sequential(*layers: Any, shape: tuple[int, ...] = (12, 12, 1), end: str = "softmax", classes: int = 3) -> Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [L.Input(shape), *layers, L.Flatten(), L.Dense(classes, activation=end, name="scores")], name="net"
    )


@pytest.fixture
def painted(tmp_path: Path) -> Callable[..., Any]:
    """Return reportgen.report, writing HTML alone to a folder of the test's own, without changing pictures."""
    from reportgen import report

    def call(model: Any, data: Any = None, **options: Any) -> Any:
        options = {"out": tmp_path / "report", "formats": ["html"], "examples": 2, "shifts": "none"} | options
        return report(model, images() if data is None else data, **options)

    return call


@pytest.fixture
def report(painted: Callable[..., Any], unmeasured: None) -> Callable[..., Any]:
    """Return the same, for tests that do not look at the page."""
    return painted


def refused(report: Callable[..., Any], model: Any, *parts: object, data: Any = None) -> None:
    with pytest.raises(InputError) as caught:
        report(model, data)
    assert_one_line(caught.value, *parts)


def analysed(found: Any) -> list[str]:
    return [row["name"] for row in found["model"]["layers"] if row["analysed"]]


def test_a_live_model_is_reported_on(painted: Callable[..., Any], tmp_path: Path) -> None:
    model = sequential(L.Conv2D(4, 3, name="conv"))
    found = painted(model)
    assert analysed(found) == ["conv", "scores"]
    assert found["model"]["origin"] == "live"
    assert found["provenance"]["model_sha256"] is None
    assert found.folder == tmp_path / "report"
    assert sorted(found.files) == ["record.npz", "report.html", "report.json"]
    assert found == json.loads((tmp_path / "report" / "report.json").read_text())


def test_scores_are_those_of_the_model_itself(report: Callable[..., Any]) -> None:
    """Against Keras's own predict and evaluate on the same pixels."""
    model, data = sequential(L.Conv2D(4, 3)), images(count=700)  # more than one batch
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    pixels = data["x_test"] / np.float32(255)
    loss, accuracy = model.evaluate(pixels, data["y_test"], verbose=0)
    test = report(model, data)["evaluation"]["test"]
    assert test["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert test["loss"] == pytest.approx(loss, rel=1e-5)
    answers = model.predict(pixels, verbose=0).argmax(axis=1)
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (data["y_test"], answers), 1)
    assert test["confusion"] == confusion.tolist()


def test_pictures_show_what_each_layer_really_gives(report: Callable[..., Any], tmp_path: Path) -> None:
    """Against a model cut off behind the layer, one image at a time."""
    model, data = sequential(L.Conv2D(4, 3, activation="relu", name="conv"), L.MaxPooling2D()), images()
    report(model, data)
    from reportgen.record import record_file

    pictures = record_file.load(tmp_path / "report").pictures
    for found, layer in ((pictures.maps[0].values, "conv"), (pictures.strips[0].values, "scores")):
        cut = keras.Model(model.inputs[0], model.get_layer(layer).output)
        for n in range(2):
            expected = cut.predict(data["x_test"][n : n + 1] / np.float32(255), verbose=0)[0]
            np.testing.assert_allclose(found[n], expected, rtol=1e-4, atol=1e-6)
    kernels = model.get_layer("conv").get_weights()[0]
    for unit in range(4):
        np.testing.assert_array_equal(pictures.kernels[0].weights[unit, 0], kernels[:, :, 0, unit])


def test_transposed_kernels_are_not_mixed_up(report: Callable[..., Any], tmp_path: Path, untraced: None) -> None:
    model = sequential(L.Conv2D(5, 3, name="conv"), L.Conv2DTranspose(2, 3, name="up"))
    report(model)
    from reportgen.record import record_file

    kernels = record_file.load(tmp_path / "report").pictures.kernels[1]
    stored = model.get_layer("up").get_weights()[0]
    assert (kernels.layer, kernels.units, kernels.inputs) == ("up", 2, 5)
    for unit in range(2):
        for place, channel in enumerate(kernels.channels[unit]):
            np.testing.assert_array_equal(kernels.weights[unit, place], stored[:, :, unit, channel])


def test_deep_kernels_show_the_strongest_channels_first(
    report: Callable[..., Any], tmp_path: Path, untraced: None
) -> None:
    report(sequential(L.Conv2D(12, 3), L.Conv2D(3, 3, name="deep")))
    from reportgen.record import record_file

    kernels = record_file.load(tmp_path / "report").pictures.kernels[1]
    assert (kernels.inputs, kernels.channels.shape) == (12, (3, 8))
    norms = np.linalg.norm(kernels.weights.reshape(3, 8, -1), axis=2)
    assert (np.diff(norms, axis=1) <= 0).all()


def test_more_units_than_the_budget_are_counted(painted: Callable[..., Any], tmp_path: Path) -> None:
    painted(sequential(L.Conv2D(96, 3)))
    assert "64 of 96 units shown" in " ".join((tmp_path / "report" / "report.html").read_text().split())


def test_pixels_reach_a_model_that_rescales_unchanged(report: Callable[..., Any]) -> None:
    plain, rescaling = sequential(L.Conv2D(4, 3)), sequential(L.Rescaling(1 / 255), L.Conv2D(4, 3))
    rescaling.set_weights(plain.get_weights())
    found = report(rescaling)
    assert "unchanged" in found["data"]["pixels"]
    loss = report(plain)["evaluation"]["test"]["loss"]
    assert found["evaluation"]["test"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_colour_model_has_its_first_kernels_in_colour(painted: Callable[..., Any], tmp_path: Path) -> None:
    painted(sequential(L.Conv2D(4, 3), shape=(12, 12, 3)), images((12, 12, 3)))
    assert 'id="colours-1"' in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("end", "units", "kind"), [("sigmoid", 1, "sigmoid"), ("softmax", 2, "softmax"), (None, 2, "logits")]
)
def test_the_kind_of_output_is_recognised(report: Callable[..., Any], end: str, units: int, kind: str) -> None:
    found = report(sequential(L.Conv2D(4, 3), end=end, classes=units), images(classes=2))
    assert found["model"]["output"] == kind
    assert [c["label"] for c in found["evaluation"]["test"]["classes"]] == ["0", "1"]


def test_fewer_images_than_examples_are_shown_as_they_are(painted: Callable[..., Any], tmp_path: Path) -> None:
    painted(sequential(L.Conv2D(4, 3)), images(count=3), examples=50)
    assert "the first 3 test images" in " ".join((tmp_path / "report" / "report.html").read_text().split())


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_or_two_are_enough_for_a_report(report: Callable[..., Any], count: int) -> None:
    found = report(sequential(L.Conv2D(4, 3)), images(count=count))
    assert found["data"]["test_size"] == count


def test_class_names_and_a_training_part_are_used(report: Callable[..., Any]) -> None:
    data = images() | {"class_names": ["猫", "<b>dog</b>", "{{ fox }}"]}
    data |= {"x_train": data["x_test"], "y_train": data["y_test"]}
    found = report(sequential(L.Conv2D(4, 3)), data)
    assert found["data"]["class_names"] == ["猫", "<b>dog</b>", "{{ fox }}"]
    assert found["evaluation"]["train"] == found["evaluation"]["test"]


def test_the_history_of_a_live_model_is_its_own(report: Callable[..., Any]) -> None:
    model, data = sequential(L.Conv2D(4, 3)), images()
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    logged = model.fit(data["x_test"] / 255, data["y_test"], epochs=3, verbose=0).history
    assert report(model, data)["history"]["metrics"] == {name: pytest.approx(v) for name, v in logged.items()}


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")  # the old format is what is tested
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_file_is_reported_on_with_the_history_beside_it(
    report: Callable[..., Any], tmp_path: Path, ending: str
) -> None:
    model = sequential(L.Conv2D(4, 3, name="conv"))
    model.save(tmp_path / f"net{ending}")
    (tmp_path / "history.json").write_text(json.dumps({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]}))
    found = report(tmp_path / f"net{ending}")
    assert analysed(found) == ["conv", "scores"]
    assert found["history"]["metrics"]["val_loss"] == [3.5, 2.5]
    assert found["history"]["best_epoch"] == 2
    assert len(found["provenance"]["model_sha256"]) == 64
    assert found["evaluation"] == report(model)["evaluation"]


def test_an_earlier_report_is_recognised_as_the_history_of_its_model(
    report: Callable[..., Any], made_report: Path
) -> None:
    found = report(made_report / "model.keras", images((28, 28, 1), classes=10))
    assert found["history"]["metrics"] == json.loads((made_report / "report.json").read_text())["history"]["metrics"]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_model_file_is_refused(
    report: Callable[..., Any], tmp_path: Path, ending: str, kept: float
) -> None:
    path = tmp_path / f"net{ending}"
    sequential(L.Conv2D(4, 3)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else math.floor(kept * len(whole))])
    refused(report, path, path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"], ids=repr)
def test_a_file_that_is_no_model_is_refused(report: Callable[..., Any], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(content)
    refused(report, path, path)


def test_weights_without_a_model_are_refused(report: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    sequential(L.Conv2D(4, 3)).save_weights(path)
    refused(report, path, path, "weights but no model")


def test_a_folder_is_no_model_file(report: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    refused(report, tmp_path / "saved", "is a folder", "model.save('x.keras')")


def test_python_code_in_a_model_file_is_not_run(report: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    sequential(L.Lambda(lambda x: x + 1), L.Conv2D(4, 3)).save(path)
    refused(report, path, path, "runs no code from files")


class Custom(L.Layer):
    """A layer that no file carries the code of."""

    def call(self, x: Any) -> Any:
        return x


def test_custom_layers_in_a_file_are_refused_with_the_way_out(
    report: Callable[..., Any], tmp_path: Path, untraced: None
) -> None:
    model, path = sequential(Custom(name="own")), tmp_path / "net.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b"Custom", b"Unknown")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    path.write_bytes(buffer.getvalue())
    refused(report, path, "live model")
    assert analysed(report(model)) == ["scores"]


def two_outputs() -> Model:
    start = keras.Input((12, 12, 1))
    flat = L.Flatten()(start)
    return keras.Model(start, [L.Dense(3)(flat), L.Dense(3)(flat)])


class Subclassed(keras.Model):
    """A model that nobody has called yet."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("build", "parts"),
    [
        (two_outputs, ["2 outputs"]),
        (Subclassed, ["never built", "train it"]),
        (lambda: keras.Sequential([L.Conv2D(4, 3)]), ["never built"]),
        (lambda: keras.Sequential([L.Input((12, 12, 1)), L.Conv2D(3, 3)]), ["10x10x3", "one score per class"]),
        (lambda: sequential(shape=(28, 28, 1)), ["12x12x1", "28x28x1"]),
        (lambda: sequential(shape=(12, 12, 2)), ["12x12x1", "12x12x2"]),
        (lambda: sequential(classes=2), ["labels up to 2", "only 2 classes"]),
        (lambda: sequential(end="sigmoid", classes=1), ["labels up to 2", "only 2 classes"]),
        (lambda: "nowhere.keras", ["nowhere.keras", "does not exist"]),
        (lambda: object(), ["object", "Sequential or Functional"]),
    ],
    ids=["two outputs", "subclassed", "unbuilt", "picture out", "size", "channels", "few", "one", "gone", "?"],
)
def test_what_no_report_can_be_made_of_is_refused(
    report: Callable[..., Any], build: Callable[[], Any], parts: list[str]
) -> None:
    refused(report, build(), *parts)


def test_units_cannot_be_judged_on_a_part_that_is_not_there(report: Callable[..., Any]) -> None:
    with pytest.raises(InputError) as caught:
        report(sequential(L.Conv2D(4, 3)), analyse="train")
    assert_one_line(caught.value, "--analyse", "no train split")


def test_units_are_judged_on_the_part_that_is_asked_for(report: Callable[..., Any], untraced: None) -> None:
    data = images() | {"x_train": images(count=30)["x_test"], "y_train": images(count=30)["y_test"]}
    found = {
        analyse: report(sequential(L.Conv2D(4, 3)), data, analyse=analyse) for analyse in ("test", "train", "both")
    }
    assert [one["layers"][0]["n_images"] for one in found.values()] == [24, 30, 54]
    assert [one["data"]["looked_at"] for one in found.values()] == [["test"], ["train"], ["test", "train"]]


def test_what_counts_as_a_finding_can_be_set(report: Callable[..., Any], untraced: None) -> None:
    model, heavy = sequential(L.Conv2D(4, 3)), "heavy-layer"
    assert heavy in [finding["code"] for finding in report(model)["findings"]]
    lenient = FindingThresholds(heavy=1.0)
    assert heavy not in [finding["code"] for finding in report(model, finding_thresholds=lenient)["findings"]]


def test_a_model_with_broken_weights_is_refused_rather_than_judged(report: Callable[..., Any]) -> None:
    model = sequential(L.Conv2D(4, 3))
    model.get_layer("scores").set_weights([np.full((400, 3), np.nan), np.zeros(3)])
    refused(report, model, "24 of 24 images", "NaN")


def test_images_too_small_for_the_built_in_network_are_refused(report: Callable[..., Any]) -> None:
    small = images((8, 8, 1))
    refused(report, None, "8x8", "10x10", data=small | {"x_train": small["x_test"], "y_train": small["y_test"]})


def test_training_without_a_training_part_is_refused(report: Callable[..., Any]) -> None:
    refused(report, None, "x_train", "--model", data=images())

"""How pixels reach a model: every range against plain numpy, what a model's own arithmetic tells, and the findings."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.analysis import judging
from reportgen.analysis.activations import forward
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.pixels import applications, input_range, trial
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.errors import InputError
from reportgen.i18n import literal
from reportgen.options import Bounds, Options
from reportgen.pipeline import subject
from reportgen.record.finding_kinds import KINDS
from reportgen.runtime import keras
from tests.helpers.builders import assert_one_line
from tests.helpers.passes import answers

pytestmark = pytest.mark.tensorflow
L, A, ops = keras.layers, keras.applications, keras.ops
Model = Any
Array = NDArray[Any]

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SHAPE = (10, 10, 3)


def pictures(count: int = 240, seed: int = 0) -> tuple[Array, Array]:
    """Return pictures of 8 bits in which one colour is stronger, and which one."""
    generator, labels = np.random.default_rng(seed), np.arange(count) % 3
    images = generator.integers(0, 150, (count, *SHAPE))
    images[np.arange(count), ..., labels] += 100
    return images.astype(np.uint8), labels


IMAGES, LABELS = pictures()
BRIGHT = IMAGES.astype(np.float32)


def planted(prepare: Callable[[Any], Any], trained_on: Array, labels: Array = LABELS, *, sharp: float = 20) -> Model:
    """Return a model that begins with `prepare` and is right about all pictures as it was trained on them.

    Its last weights solve the least squares; the sharper, the surer are its answers.
    """
    start = L.Input(trained_on.shape[1:])
    conv = L.Conv2D(3, 1, name="conv")
    pooled = L.GlobalAveragePooling2D()(conv(prepare(start)))
    conv.set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    features = answers(keras.Model(start, pooled), trained_on).astype(np.float64)
    known = np.hstack([features, np.ones((len(features), 1))])
    found = np.linalg.lstsq(known, np.eye(3)[labels], rcond=None)[0].astype(np.float32) * np.float32(sharp)
    scores = L.Dense(3, activation="softmax", name="scores")
    model = keras.Model(start, scores(pooled), name="net")
    scores.set_weights([found[:3], found[3]])
    return model


def made(images: Array, labels: Array = LABELS) -> Dataset:
    names = tuple(str(k) for k in range(labels.max() + 1))
    return Dataset("made", literal("arrays"), None, Part(images, labels.astype(np.int64)), names, "")


def as_seen(model: Model, images: Array, choice: str = "auto") -> Array:
    """Return what the model gets of these images."""
    dataset = subject.as_taken(made(images, np.arange(len(images)) % 3), model, Options(pixels=choice))
    return np.asarray(forward.as_seen(dataset.test.images[:], dataset.pixels))


def adapted(data: Array, **options: Any) -> Any:
    layer = L.Normalization(**options)
    layer.adapt(data)
    return layer


def normalised(start: Any, data: Array) -> Any:
    """Return a BatchNormalization that has seen `data`, and learnt something of its own."""
    layer = L.BatchNormalization()
    result = layer(start)
    layer.set_weights([
        np.full(3, 0.5), np.full(3, 4.0), data.mean(axis=(0, 1, 2)), data.var(axis=(0, 1, 2)),
    ])  # fmt: skip
    return result


def inside_another(start: Any) -> Any:
    inner = keras.Sequential([L.Input(SHAPE), L.RandomFlip(), L.Rescaling(1 / 255)], name="inner")
    return keras.Sequential([L.Input(SHAPE), inner, L.Rescaling(2.0, -1.0)], name="outer")(start)


OF_255 = {
    "Rescaling": lambda x: L.Rescaling(1 / 255)(x),
    "Rescaling behind augmentation": lambda x: L.Rescaling(1 / 127.5, -1)(L.RandomZoom(0.1)(L.RandomFlip()(x))),
    "Normalization": lambda x: adapted(BRIGHT)(x),
    "Normalization as a whole": lambda x: adapted(BRIGHT, axis=None)(x),
    "BatchNormalization": lambda x: normalised(x, BRIGHT),
    "operations": lambda x: x / 127.5 - 1,
    "keras.ops": lambda x: ops.subtract(ops.divide(x, 127.5), 1.0),
    "channels turned and padded": lambda x: L.ZeroPadding2D(8)(x[..., ::-1] / 255.0),
    "a model inside a model": inside_another,
    "clipped": lambda x: ops.clip(x, 0, 255) / 255,
    "inverted": lambda x: 255 - x,
    "two ways": lambda x: (x / 255 + (x / 127.5 - 1)) / 2,
    "mobilenet": lambda x: A.mobilenet.preprocess_input(x),
    "mobilenet_v2": lambda x: A.mobilenet_v2.preprocess_input(x),
    "xception": lambda x: A.xception.preprocess_input(x),
    "resnet50": lambda x: A.resnet50.preprocess_input(x),
    "vgg16": lambda x: A.vgg16.preprocess_input(x),
    "densenet": lambda x: A.densenet.preprocess_input(x),
}
OF_1 = {
    "nothing": lambda x: x,
    "augmentation alone": lambda x: L.RandomRotation(0.1)(L.RandomContrast(0.2)(x)),
    "x * 2 - 1": lambda x: x * 2 - 1,
    "x - 0.5": lambda x: x - 0.5,
    "x * 6": lambda x: x * 6,
    "1 - x": lambda x: 1 - x,
    "Normalization": lambda x: adapted(BRIGHT / 255)(x),
    "BatchNormalization": lambda x: normalised(x, BRIGHT / 255),
    "BatchNormalization that saw nothing": lambda x: L.BatchNormalization()(x),
    "clipped": lambda x: ops.clip(x, 0, 1),
}
OWN = {
    "each picture standardised": lambda x: (x - ops.mean(x, (1, 2, 3), True)) / ops.std(x, (1, 2, 3), keepdims=True),
    "each picture by its largest": lambda x: x / ops.max(x, (1, 2, 3), keepdims=True),
    "a root": lambda x: ops.sqrt(x),
}


# What a model's own arithmetic tells


@pytest.mark.parametrize("name", OF_255)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_model_of_0_to_255_gets_them(name: str, kind: Any) -> None:
    model = planted(OF_255[name], BRIGHT)
    np.testing.assert_array_equal(as_seen(model, IMAGES.astype(kind)), BRIGHT)
    assert (answers(model, BRIGHT).argmax(axis=1) == LABELS).mean() > 0.95, "the weights are not what this is about"


@pytest.mark.parametrize("name", OF_255)
def test_16_bits_are_brought_to_0_to_255(name: str) -> None:
    wide = IMAGES.astype(np.uint16) * 257
    np.testing.assert_allclose(as_seen(planted(OF_255[name], BRIGHT), wide), BRIGHT, rtol=1e-6)


def test_16_bits_reach_a_model_of_them_unchanged() -> None:
    wide = IMAGES.astype(np.uint16) * 257
    model = planted(lambda x: x / 65535, wide.astype(np.float32))
    np.testing.assert_array_equal(as_seen(model, wide), wide.astype(np.float32))
    model = planted(adapted(wide.astype(np.float32)), wide.astype(np.float32))
    np.testing.assert_array_equal(as_seen(model, wide), wide.astype(np.float32))


@pytest.mark.parametrize("name", OF_1)
def test_a_model_of_0_to_1_gets_them(name: str) -> None:
    model = planted(OF_1[name], BRIGHT / 255)
    np.testing.assert_allclose(as_seen(model, IMAGES), BRIGHT / 255, rtol=1e-6)
    np.testing.assert_array_equal(as_seen(model, BRIGHT / 255), BRIGHT / 255)


@pytest.mark.parametrize("name", OWN)
def test_what_is_no_line_gets_pixels_as_they_are_stored(name: str) -> None:
    np.testing.assert_array_equal(as_seen(planted(OWN[name], BRIGHT), IMAGES), BRIGHT)


def test_a_model_of_integers_gets_them() -> None:
    start = L.Input(SHAPE, dtype="uint8")
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(2, 1)(ops.cast(start, "float32") / 255))
    model = keras.Model(start, L.Dense(3, activation="softmax")(pooled))
    np.testing.assert_array_equal(as_seen(model, IMAGES), BRIGHT)


def test_a_failure_is_no_statement() -> None:
    class Failing(L.Layer):  # keras ships no types
        def call(self, images: Any) -> Any:
            if not isinstance(images, keras.KerasTensor):
                raise OSError("not now")
            return images

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    start = L.Input(SHAPE)
    model = keras.Model(start, L.Dense(3)(L.Flatten()(Failing()(start))))
    assert input_range.wanted(model, np.dtype("uint8")) == "as stored"


def test_sizes_left_open_and_layers_of_half_precision_are_no_obstacle() -> None:
    for start in (L.Input((None, None, 3)), L.Input((4, 4, 3), batch_size=2), L.Input(SHAPE)):
        half = L.Rescaling(1 / 255, dtype="float16")(start)
        model = keras.Model(start, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(2, 1)(half))))
        assert input_range.wanted(model, np.dtype("uint8")) == 255


def test_a_skip_of_the_pixels_is_none_of_the_first_weights() -> None:
    start = L.Input(SHAPE)
    scaled = start / 255
    joined = L.Add()([L.Conv2D(3, 1)(scaled), scaled])
    model = keras.Model(start, L.Dense(3)(L.Flatten()(L.BatchNormalization()(joined))))
    assert input_range.wanted(model, np.dtype("uint8")) == 255


FILES = [
    *(
        (name, ".keras")
        for name in OF_255
        if name not in ("Normalization as a whole", "clipped", "xception", "mobilenet")
    ),
    *((name, ".h5") for name in ("Rescaling", "Normalization", "operations", "a model inside a model", "densenet")),
]


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_a_file_gives_the_answers_of_the_model(name: str, suffix: str, tmp_path: Path) -> None:
    """The way of the command: the file passes the list of what is allowed.

    Not caffe from an .h5 file: Keras does not find `x[..., 0]` in there again.
    """
    from reportgen.model import load, model_file

    model = planted(OF_255[name], BRIGHT, sharp=1)
    path = tmp_path / f"net{suffix}"
    model.save(path)
    with model_file.read(path, Bounds()) as file:
        loaded = load.load(file)
    expected = answers(model, BRIGHT)
    for images in (IMAGES, BRIGHT):
        given = answers(loaded, as_seen(loaded, images))
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)


def test_the_report_gives_the_accuracy_of_predict(tmp_path: Path) -> None:
    for name in ("operations", "vgg16"):
        model = planted(OF_255[name], BRIGHT)
        for images in (IMAGES, BRIGHT):
            found = report_on(model, images, tmp_path)
            right = (answers(model, BRIGHT).argmax(axis=1) == LABELS).sum()
            assert found["evaluation"]["test"]["correct"] == right
            assert "pixel-range" not in codes(found)


# Every choice against plain numpy


STORED = {
    "8 bits": (IMAGES, 255),
    "16 bits": (IMAGES.astype(np.uint16) * 257, 65535),
    "integers": (IMAGES.astype(np.int64), 255),
    "floats to 255": (BRIGHT, 255),
    "floats to 1": (BRIGHT / 255, 1),
}
BGR = np.array([103.939, 116.779, 123.68])
ORACLE: dict[str, Callable[[Array], Array]] = {
    "0-1": lambda x: x,
    "0-255": lambda x: x * 255,
    "-1-1": lambda x: x * 2 - 1,
    "caffe": lambda x: x[..., ::-1] * 255 - BGR,
    "torch": lambda x: (x - MEAN) / STD,
    "mean=0.5,std=0.25": lambda x: (x - 0.5) / 0.25,
    "mean=0.1,0.2,0.3,std=0.5": lambda x: (x - [0.1, 0.2, 0.3]) / 0.5,
    "mean=0,std=.5,1.,1e-1": lambda x: x / [0.5, 1, 0.1],
    "mean=127.5,std=127.5": lambda x: (x * 255 - 127.5) / 127.5,
    "mean=-1,-2,0.5,std=1,2,3": lambda x: (x * 255 - [-1, -2, 0.5]) / [1, 2, 3],
}


@pytest.fixture(scope="module")
def plain() -> Model:
    return planted(lambda x: x, BRIGHT / 255)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("choice", ORACLE)
def test_every_choice_is_what_numpy_makes_of_it(choice: str, stored: str, plain: Model) -> None:
    images, top = STORED[stored]
    expected = ORACLE[choice](images.astype(np.float64) / top)
    np.testing.assert_allclose(as_seen(plain, images, choice), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("choice", "mode"), [("-1-1", "tf"), ("caffe", "caffe"), ("torch", "torch")])
def test_modes_are_those_of_keras_itself(choice: str, mode: str, plain: Model) -> None:
    expected = A.imagenet_utils.preprocess_input(BRIGHT.copy(), mode=mode)
    np.testing.assert_allclose(as_seen(plain, IMAGES, choice), expected, rtol=1e-5, atol=2e-5)


def test_an_explicit_choice_is_done_whatever_the_model_does() -> None:
    model = planted(lambda x: x / 127.5 - 1, BRIGHT)
    np.testing.assert_allclose(as_seen(model, IMAGES, "0-1"), BRIGHT / 255, rtol=1e-6)


def test_channels_stand_first_after_they_were_scaled() -> None:
    start = L.Input((3, 10, 10))
    pooled = L.GlobalAveragePooling2D(data_format="channels_first")(start)
    model = keras.Model(start, L.Dense(3, activation="softmax")(pooled))
    expected = A.imagenet_utils.preprocess_input(BRIGHT.copy(), mode="caffe")
    np.testing.assert_allclose(as_seen(model, IMAGES, "caffe"), np.moveaxis(expected, -1, 1), rtol=1e-5, atol=2e-5)


def test_pictures_that_become_vectors_are_scaled_before() -> None:
    model = keras.Sequential([L.Input((300,)), L.Dense(3, activation="softmax")])
    expected = A.imagenet_utils.preprocess_input(BRIGHT.copy(), mode="torch").reshape(-1, 300)
    np.testing.assert_allclose(as_seen(model, IMAGES, "torch"), expected, rtol=1e-5, atol=2e-5)


def test_grey_pictures_for_a_model_of_colours_have_the_three_channels(plain: Model) -> None:
    expected = A.imagenet_utils.preprocess_input(BRIGHT[..., :1].repeat(3, axis=-1), mode="caffe")
    np.testing.assert_allclose(as_seen(plain, IMAGES[..., :1], "caffe"), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("choice", ["caffe", "torch", "mean=0.1,0.2,0.3,std=1", "mean=0,std=1,1,1"])
def test_three_numbers_need_three_channels(choice: str) -> None:
    model = keras.Sequential([L.Input((10, 10, 1)), L.Flatten(), L.Dense(3, activation="softmax")])
    with pytest.raises(InputError) as raised:
        as_seen(model, IMAGES[..., :1], choice)
    assert_one_line(raised.value, repr(choice), "3 channels", "one channel", "mean=M,std=S")


WRONG = [
    "0-7", "", "tf", "mean=0.5", "std=1", "mean=,std=1", "mean=1,std=0", "mean=1,std=-1", "mean=1,2,std=1,2,3",
    "mean=nan,std=1", "mean=1,std=inf", "mean=1,std=1e99", "mean=1 ,std=1", "mean=1,std=1\n", "mean=١,std=1",
]  # fmt: skip


@pytest.mark.parametrize("choice", [*WRONG, 1, None])
def test_what_is_no_range_is_refused_with_all_that_are(choice: Any) -> None:
    with pytest.raises(InputError) as raised:
        Options(pixels=choice).check()
    assert_one_line(raised.value, repr(choice), "auto, 0-1, 0-255, -1-1, caffe, torch", "mean=M,std=S")


def test_the_way_of_the_pixels_can_be_sent_elsewhere() -> None:
    pixels = Pixels((1.0, 2.0, 3.0), literal("x"), offset=(1.0, 2.0, 3.0), flip=True)
    assert pickle.loads(pickle.dumps(pixels)) == pixels
    assert hash(pixels) == hash(dataclasses.replace(pixels))


@pytest.mark.parametrize("choice", [*ORACLE, "mean=0.5,0.5,0.5,std=0.1,0.2,0.3"])
def test_the_smallest_and_largest_values_are_those_that_the_model_sees(choice: str, plain: Model) -> None:
    dataset = subject.as_taken(made(IMAGES[:7] // np.array([1, 2, 3], np.uint8)), plain, Options(pixels=choice))
    dataset = dataclasses.replace(dataset, test=Part(dataset.test.images, dataset.test.labels[:7]))
    seen = np.asarray(forward.as_seen(dataset.test.images[:], dataset.pixels))
    low, high = judging._image_range(dataset.parts, dataset, channels_apart=True)
    np.testing.assert_allclose(low, seen.min(axis=(0, 1, 2)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(high, seen.max(axis=(0, 1, 2)), rtol=1e-5, atol=1e-5)
    (low,), (high,) = judging._image_range(dataset.parts, dataset, channels_apart=False)
    np.testing.assert_allclose((low, high), (seen.min(), seen.max()), rtol=1e-5, atol=1e-5)


def test_a_negative_scale_turns_smallest_and_largest_round() -> None:
    dataset = made(np.array([[[[1, 10]]], [[[3, 30]]]], np.float64), np.array([0, 1]))
    low, high = judging._image_range(
        dataset.parts,
        dataset.seen_as(Pixels((-1.0, 2.0), literal(""), offset=(0.5, 0.0), flip=True)),
        channels_apart=True,
    )
    assert (low.tolist(), high.tolist()) == ([-29.5, 2.0], [-9.5, 6.0])


def test_a_scale_alone_is_one_multiplication() -> None:
    def kinds(pixels: Pixels) -> list[str]:
        run: Any = forward.compiled(lambda images: images, Part(IMAGES, LABELS), pixels)
        found = [op.type for op in run.get_concrete_function().graph.get_operations()]
        return [kind for kind in found if kind not in ("Placeholder", "Const", "Identity")]

    assert kinds(Pixels(0.5, literal(""))) == ["Cast", "Mul"]
    assert kinds(Pixels(0.5, literal(""), offset=-1.0, flip=True)) == ["Cast", "ReverseV2", "Mul", "AddV2"]


def test_the_built_in_network_is_trained_on_what_was_chosen(tmp_path: Path) -> None:
    from reportgen import report

    data = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:60], "y_test": LABELS[:60]}
    options: dict[str, Any] = {"formats": ["html"], "pixels": "caffe", "epochs": 1, "batch_size": 16, "shifts": "none"}
    found = report(None, data, out=tmp_path / "r", **options)
    assert "blue, green, red" in found["data"]["pixels"]
    history = found["history"]["metrics"]["val_accuracy"]
    assert found["evaluation"]["test"]["accuracy"] == pytest.approx(history[-1], abs=1e-6)


# Findings


@pytest.fixture(autouse=True)
def _blank(unpainted: None) -> None:
    """No test looks at a page here."""


def report_on(model: Model, images: Array, folder: Path, labels: Array = LABELS, **options: Any) -> Any:
    from reportgen import report

    usual = {"out": folder / "report", "formats": ["html"], "examples": 1, "shifts": "none"}
    return report(model, {"x_test": images, "y_test": labels}, **usual, **options)


def codes(found: Any) -> list[str]:
    return [one["code"] for one in found["findings"]]


def advised(found: Any) -> str:
    """Return what the one finding on pixels says to do."""
    (message,) = [one["message"] for one in found["findings"] if one["code"] == "pixel-range"]
    assert message.isprintable()
    return str(message.rpartition("--pixels ")[2].removesuffix("."))


def accuracy(found: Any) -> float:
    return float(found["evaluation"]["test"]["accuracy"])


def noisy(share: float = 0.1) -> Array:
    """Return labels some of which are wrong, so that being sure costs."""
    generator = np.random.default_rng(1)
    return np.where(generator.random(len(LABELS)) < share, (LABELS + 1) % 3, LABELS)


def test_the_kind_stands_right_behind_the_errors() -> None:
    codes = list(KINDS)
    before = codes[codes.index("pixel-range") - 1]
    assert (KINDS[before].severity, KINDS["pixel-range"].severity) == ("error", "warning")


def without_bias(model: Model) -> Model:
    """Return a model whose answers are the same with pixels 255 times too large, only surer."""
    kernel, _ = model.get_layer("scores").get_weights()
    model.get_layer("scores").set_weights([kernel, np.zeros(3, np.float32)])
    return model


def test_floats_to_255_for_a_model_of_0_to_1_that_shows_in_the_loss_alone(tmp_path: Path) -> None:
    model, labels = without_bias(planted(lambda x: x, BRIGHT / 255, sharp=4)), noisy()
    found = report_on(model, BRIGHT, tmp_path, labels)
    assert advised(found) == "0-1"
    better = report_on(model, BRIGHT, tmp_path, labels, pixels="0-1")
    assert "pixel-range" not in codes(better)
    assert accuracy(better) == accuracy(found)
    assert better["evaluation"]["test"]["loss"] < found["evaluation"]["test"]["loss"] / 3
    assert "pixel-range" not in codes(report_on(model, BRIGHT / 255, tmp_path, labels))


def test_floats_to_255_for_a_model_whose_arithmetic_is_for_0_to_1(tmp_path: Path) -> None:
    model = planted(lambda x: x * 2 - 1, BRIGHT / 255)
    found = report_on(model, BRIGHT, tmp_path)
    assert advised(found) == "0-1"
    better = report_on(model, BRIGHT, tmp_path, pixels="0-1")
    assert accuracy(better) == 1
    assert "pixel-range" not in codes(better)


@pytest.mark.parametrize("sharp", [1, 20])
def test_floats_to_255_for_a_model_of_them_are_no_finding(sharp: float, tmp_path: Path) -> None:
    """However wrong and sure it is: with pixels 255 times too small, every answer is near a guess, which costs less."""
    model = without_bias(planted(lambda x: x - 0.0, BRIGHT, sharp=sharp))
    assert "pixel-range" not in codes(report_on(model, BRIGHT, tmp_path, noisy(0.3)))


CHOICES = ["0-255", "-1-1", "caffe", "torch"]


def prepared(choice: str) -> Array:
    return ORACLE[choice](BRIGHT / 255).astype(np.float32)


@pytest.mark.parametrize("choice", ["0-255", "caffe"])
def test_answers_no_better_than_chance_that_are_right_in_another_range(choice: str, tmp_path: Path) -> None:
    model = planted(lambda x: x, prepared(choice))
    found = report_on(model, IMAGES, tmp_path)
    assert accuracy(found) < 0.4
    assert advised(found) == choice
    better = report_on(model, IMAGES, tmp_path, pixels=choice)
    assert accuracy(better) == 1
    assert "pixel-range" not in codes(better)


def lights() -> tuple[Array, Array]:
    """Return dark and light pictures."""
    generator, labels = np.random.default_rng(2), np.arange(120) % 2
    return (generator.integers(0, 80, (120, *SHAPE)) + 40 + 110 * labels[:, None, None, None]).astype(np.uint8), labels


@pytest.mark.parametrize("choice", ["-1-1", "caffe"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_light_and_dark_are_told_apart_again(choice: str, kind: Any, tmp_path: Path) -> None:
    images, labels = lights()
    model = planted(lambda x: x, ORACLE[choice](images / np.float32(255)).astype(np.float32), labels)
    found = report_on(model, images.astype(kind), tmp_path, labels)
    assert accuracy(found) == 0.5
    assert accuracy(report_on(model, images.astype(kind), tmp_path, labels, pixels=advised(found))) == 1
    assert "pixel-range" not in codes(report_on(model, images.astype(kind), tmp_path, labels, pixels=choice))


def test_a_wrong_choice_is_found_out_too(tmp_path: Path) -> None:
    images, labels = lights()
    model = planted(lambda x: x, images / np.float32(255), labels)
    found = report_on(model, images, tmp_path, labels, pixels="0-255")
    assert (accuracy(found), advised(found)) == (0.5, "0-1")


def test_a_model_that_knows_nothing_is_no_matter_of_pixels(tmp_path: Path) -> None:
    model = planted(lambda x: x, BRIGHT / 255)
    labels = np.random.default_rng(5).integers(0, 3, len(LABELS))
    found = report_on(model, IMAGES, tmp_path, labels)
    assert accuracy(found) < 0.45
    assert "pixel-range" not in codes(found)


def network(name: str, choice: str, before: Callable[[Any], Any] = lambda x: x, *, trained: bool = True) -> Model:
    """Return a model that holds a network of that name, trained on that range: right also where it gets another."""
    inner = planted(lambda x: x, prepared(choice), sharp=1)
    conv = L.Conv2D(3, 1, name="first", use_bias=True)
    core = keras.Sequential([L.Input(SHAPE), conv], name=name)
    conv.set_weights([np.eye(3, dtype=np.float32)[None, None], np.full(3, 1e-3 * trained, np.float32)])
    start = L.Input(SHAPE)
    scores = L.Dense(3, activation="softmax", name="scores")
    model = keras.Model(start, scores(L.GlobalAveragePooling2D()(core(before(start)))))
    scores.set_weights(inner.get_layer("scores").get_weights())
    return model


FAMILIES = {
    "mobilenetv2_1.00_224": "-1-1",
    "mobilenet_0.50_160": "-1-1",
    "inception_v3": "-1-1",
    "xception": "-1-1",
    "nasnet_mobile": "-1-1",
    "resnet50v2": "-1-1",
    "densenet121": "torch",
    "vgg16": "caffe",
    "resnet50": "caffe",
    "resnet101_1": "caffe",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_trained_network_that_gets_another_range_than_its_own(name: str, tmp_path: Path) -> None:
    assert advised(report_on(network(name, FAMILIES[name]), IMAGES, tmp_path)) == FAMILIES[name]


@pytest.mark.parametrize("name", ["xception", "densenet121", "vgg16"])
def test_a_trained_network_that_gets_its_own_range(name: str, tmp_path: Path) -> None:
    better = report_on(network(name, FAMILIES[name]), IMAGES, tmp_path, pixels=FAMILIES[name])
    assert accuracy(better) == 1
    assert "pixel-range" not in codes(better)


def test_a_network_that_is_not_trained_or_of_another_name_is_no_finding(tmp_path: Path) -> None:
    for model in (network("xception", "-1-1", trained=False), network("efficientnetb0", "-1-1")):
        assert "pixel-range" not in codes(report_on(model, IMAGES, tmp_path))


def test_a_network_that_was_trained_further_on_what_it_gets_is_no_finding(tmp_path: Path) -> None:
    images, labels = lights()
    model = network("xception", "-1-1")
    further = planted(lambda x: x, images / np.float32(255), labels)
    model.get_layer("scores").set_weights(further.get_layer("scores").get_weights())
    found = report_on(model, images, tmp_path, labels)
    assert accuracy(found) == 1
    assert "pixel-range" not in codes(found)


@pytest.mark.parametrize(
    ("name", "module"), [("mobilenetv2_1.00_224", "mobilenet_v2"), ("vgg16", "vgg16"), ("densenet121", "densenet")]
)
def test_a_network_whose_pixels_are_prepared_before_it_is_no_finding(name: str, module: str, tmp_path: Path) -> None:
    choice = {"vgg16": "caffe", "densenet121": "torch"}.get(name, "-1-1")
    model = network(name, choice, getattr(A, module).preprocess_input)
    found = report_on(model, IMAGES, tmp_path)
    assert "pixel-range" not in codes(found)
    assert accuracy(found) == 1
    assert advised(report_on(model, IMAGES, tmp_path, pixels="0-1")) == "0-255"


def test_the_channels_of_a_network_are_looked_at() -> None:
    start = L.Input(SHAPE)
    for prepare, flip in ((A.vgg16.preprocess_input, True), (A.densenet.preprocess_input, False)):
        conv = L.Conv2D(2, 1, name="conv")
        graph = Graph(keras.Model(start, L.Dense(2)(L.Flatten()(conv(prepare(start))))))
        found = input_range.at(graph, next(call for call in graph.calls if call.name == "conv").given[0])
        assert found is not None
        assert found.flip is flip
        colour = np.array([10.0, 100.0, 200.0])
        expected = np.asarray(prepare(colour.reshape(1, 1, 1, 3).astype(np.float32))).reshape(3)
        given = colour[::-1] if flip else colour
        np.testing.assert_allclose(found.scale * given + found.offset, expected, rtol=1e-3, atol=1e-2)


def test_the_layers_of_a_network_tell_it_where_its_name_is_gone() -> None:
    """As in the usual keras.Model(base.input, head(base.output))."""
    base = A.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    base.get_layer("bn_Conv1").moving_mean.assign(np.ones(16))
    for model in (base, keras.Model(base.input, L.Dense(2)(L.GlobalAveragePooling2D()(base.output)), name="mine")):
        graph = Graph(model)
        found = applications.held(graph)
        assert found is not None
        assert (found.mode, found.given) == ("-1-1", graph.input)


def test_nothing_is_tried_where_nothing_points_to_another_range(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("tried")

    monkeypatch.setattr(trial, "Trial", never)
    report_on(planted(lambda x: x, BRIGHT / 255), IMAGES, tmp_path)

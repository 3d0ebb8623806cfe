"""The kinds of models that people save: each gives a report on the right units, or the one line that says why not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.errors import InputError
from reportgen.record import record_file
from reportgen.runtime import keras
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any
Shape = tuple[int, ...]
PICTURE: Shape = (12, 12, 1)


def made(*layers: Any, shape: tuple[int | None, ...] = PICTURE, end: str | None = "softmax", scores: int = 3) -> Model:
    """Return a chain of layers with a pooled and a dense end."""
    pooled = {2: L.GlobalAveragePooling1D, 3: L.GlobalAveragePooling2D, 4: L.GlobalAveragePooling3D}
    tail = [pooled[len(shape)]()] if len(shape) in pooled else []
    chain = [L.Input(shape), *layers, *tail, L.Dense(scores, activation=end, name="scores")]
    return keras.Sequential(chain, name="net")


def functional(body: Callable[[Any], Any], shape: tuple[int | None, ...] = PICTURE) -> Model:
    start = keras.Input(shape)
    return keras.Model(start, L.Dense(3, activation="softmax", name="scores")(body(start)), name="net")


def without_input() -> Model:
    model = keras.Sequential([L.Conv2D(4, 3, name="conv"), L.Flatten(), L.Dense(3, name="scores")], name="net")
    model(np.zeros((1, *PICTURE), np.float32))
    return model


def branches(start: Any) -> Any:
    left = L.Conv2D(4, 3, padding="same", activation="relu", name="left")(start)
    right = L.Conv2D(2, 1, activation="relu", name="right")(start)
    joined = L.Concatenate()([left, right])
    added = L.Add()([joined, L.Conv2D(6, 3, padding="same", name="third")(joined)])
    return L.GlobalMaxPooling2D()(L.ReLU()(added))


def shared(start: Any) -> Any:
    twice = L.Conv2D(1, 3, padding="same", name="twice")
    return L.Flatten()(twice(twice(start)))


def nested(start: Any) -> Any:
    inner = keras.Sequential([L.Input(PICTURE), L.Conv2D(4, 3, name="conv"), L.ReLU()], name="inner")
    outer = keras.Input(PICTURE)
    middle = keras.Model(outer, L.Conv2D(2, 3, name="conv")(inner(outer)), name="middle")
    return L.Flatten()(middle(start))


def attention(start: Any) -> Any:
    steps = L.Reshape((12, 12))(start)
    attended = L.MultiHeadAttention(2, 4, name="attention")(steps, steps)
    return L.GlobalAveragePooling1D()(L.Dense(5, activation="relu", name="each")(attended))


def unprojected(start: Any) -> Any:
    steps = L.Reshape((12, 12))(start)
    return L.Flatten()(L.Attention()([steps, steps]))


def recurrent(start: Any) -> Any:
    return L.Dense(4, activation="relu", name="hidden")(L.LSTM(6, name="memory")(L.Reshape((12, 12))(start)))


def normalising() -> Model:
    first = L.Normalization(name="first")
    first.adapt(np.random.default_rng(0).random((20, *PICTURE), np.float32) * 255)
    return made(first, L.Conv2D(4, 3, name="conv"))


def augmenting() -> Model:
    augment = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1)], name="augment")
    return made(augment, L.Rescaling(1 / 255), L.Conv2D(4, 3, name="conv"))


def mixed() -> Model:
    half = "mixed_float16"
    inside = [L.Conv2D(4, 3, dtype=half, name="conv"), L.BatchNormalization(dtype=half), L.ReLU(dtype=half)]
    return made(*inside)


def of_python_operations(start: Any) -> Any:
    scaled = start * 2.0 - 1.0
    return L.Flatten()(keras.ops.relu(L.Conv2D(4, 3, name="conv")(scaled)))


@dataclass(frozen=True)
class Kind:
    """A model that a report can be made of. units: of each layer that is looked into, besides the 3 scores."""

    build: Callable[[], Model]
    units: dict[str, int] = field(default_factory=lambda: {"conv": 4})
    shape: Shape = PICTURE
    scores: int = 3


KINDS = {
    "sequential": Kind(lambda: made(L.Conv2D(4, 3, name="conv"))),
    "without an Input layer": Kind(without_input),
    "branches": Kind(lambda: functional(branches), {"left": 4, "right": 2, "third": 6}),
    "shared layer": Kind(lambda: functional(shared), {"twice#1": 1, "twice#2": 1}),
    "nested": Kind(lambda: functional(nested), {"middle/inner/conv": 4, "middle/conv": 2}),
    "normalised and activated apart": Kind(
        lambda: made(L.Conv2D(4, 3, name="conv"), L.BatchNormalization(), L.LeakyReLU(), L.Conv2D(2, 1, name="b"),
                     L.PReLU(), L.Conv2D(2, 1, name="c"), L.Activation("gelu")),
        {"conv": 4, "b": 2, "c": 2},
    ),
    "depthwise and separable": Kind(
        lambda: made(L.DepthwiseConv2D(3, depth_multiplier=2, name="depth"), L.SeparableConv2D(3, 3, name="apart")),
        {"depth": 2, "apart": 3},
    ),
    "transposed": Kind(lambda: made(L.Conv2DTranspose(4, 3, strides=2, name="conv"))),
    "grouped and dilated": Kind(
        lambda: made(L.Conv2D(4, 3, name="conv"), L.Conv2D(4, 3, groups=2, dilation_rate=2, name="groups")),
        {"conv": 4, "groups": 4},
    ),
    "series": Kind(lambda: made(L.Conv1D(4, 5, name="conv"), shape=(40, 3)), shape=(40, 3)),
    "series, transposed and separable": Kind(
        lambda: made(L.SeparableConv1D(4, 3, name="conv"), L.Conv1DTranspose(2, 3, strides=2, name="up"),
                     L.DepthwiseConv1D(3, name="depth"), shape=(40, 3)),
        {"conv": 4, "up": 2, "depth": 2},
        (40, 3),
    ),
    "volumes": Kind(
        lambda: made(L.Conv3D(4, 3, name="conv"), L.MaxPooling3D(), L.Conv3DTranspose(2, 2, name="up"),
                     shape=(8, 9, 10, 1)),
        {"conv": 4, "up": 2},
        (8, 9, 10, 1),
    ),
    "vectors": Kind(lambda: made(L.Dense(5, activation="tanh", name="hidden"), shape=(7,)), {"hidden": 5}, (7,)),
    "pictures as vectors": Kind(
        lambda: made(L.Dense(5, activation="relu", name="hidden"), shape=(144,)), {"hidden": 5}, (144,)
    ),
    "flattened for the model": Kind(
        lambda: made(L.Dense(5, activation="relu", name="hidden"), shape=(144,)), {"hidden": 5}
    ),
    "without the channel": Kind(
        lambda: keras.Sequential([L.Input((12, 12)), L.Flatten(), L.Dense(5, activation="relu", name="hidden"),
                                  L.Dense(3, activation="softmax", name="scores")]),
        {"hidden": 5},
    ),
    "attention": Kind(
        lambda: functional(attention), {"attention": 8, "attention/attention_output": 12, "each": 5}
    ),
    "recurrent": Kind(lambda: functional(recurrent), {"memory": 6, "hidden": 4}),
    "mixed precision": Kind(mixed),
    "rescaling": Kind(lambda: made(L.Rescaling(1 / 255), L.Conv2D(4, 3, name="conv"))),
    "normalising": Kind(normalising),
    "augmenting": Kind(augmenting),
    "bare operations": Kind(lambda: functional(of_python_operations)),
    "sigmoid": Kind(lambda: made(L.Conv2D(4, 3, name="conv"), end="sigmoid", scores=1), scores=1),
    "logits": Kind(lambda: made(L.Conv2D(4, 3, name="conv"), end=None)),
    "fixed batch": Kind(
        lambda: keras.Sequential([L.Input(batch_shape=(8, *PICTURE)), L.Conv2D(4, 3, name="conv"), L.Flatten(),
                                  L.Dense(3, activation="softmax", name="scores")])
    ),
    "any size": Kind(lambda: made(L.Conv2D(4, 3, name="conv"), shape=(None, None, 1))),
    "channels first": Kind(
        lambda: keras.Sequential(
            [L.Input((2, 12, 11)), L.MaxPooling2D(2, data_format="channels_first"),
             L.GlobalAveragePooling2D(data_format="channels_first"), L.Dense(3, name="scores")]
        ),
        {},
        (12, 11, 2),
    ),
}  # fmt: skip


def data_for(kind: Kind) -> dict[str, Any]:
    classes = 2 if kind.scores == 1 else kind.scores
    images = np.random.default_rng(0).integers(0, 256, (24, *kind.shape), dtype=np.uint8)
    return {"x_test": images, "y_test": np.arange(24) % classes}


def report_on(model: Any, data: Any, out: Path, **options: Any) -> Any:
    from reportgen import report

    return report(model, data, out=out, formats=["html"], examples=2, **options)


@pytest.fixture
def brief(unmeasured: None) -> Callable[..., Any]:
    """Return `report_on` for tests that look at how images reach a model."""
    return partial(report_on, shifts="none")


@pytest.mark.parametrize("name", KINDS)
def test_every_unit_is_looked_into_and_the_answers_are_the_models(name: str, tmp_path: Path) -> None:
    """The accuracy against Keras's own predict, every layer's units by number."""
    kind = KINDS[name]
    keras.utils.set_random_seed(0)
    model, data = kind.build(), data_for(kind)
    found = report_on(model, data, tmp_path / "report")
    assert {layer["name"]: layer["units"] for layer in found["layers"]} == kind.units | {"scores": kind.scores}
    assert len(found["units"]) == sum(kind.units.values()) + kind.scores
    rows = found["model"]["layers"]
    assert {row["name"] for row in rows if row["analysed"]} == {*kind.units, "scores"}
    assert all(row["analysed"] is (row["reason"] is None) for row in rows)
    assert sum(row["params"] for row in rows) == found["model"]["total_params"] == model.count_params()
    seen = data["x_test"] if "unchanged" in found["data"]["pixels"] else data["x_test"] / np.float32(255)
    wants = model.inputs[0].shape[1:]
    if name == "channels first":
        seen = np.moveaxis(seen, -1, 1)
    elif None not in wants:
        seen = seen.reshape(-1, *wants)
    scores = np.asarray(model(seen, training=False), np.float32)
    answers = scores.argmax(axis=1) if kind.scores > 1 else (scores[:, 0] > 0.5).astype(int)
    assert found["evaluation"]["test"]["correct"] == (answers == data["y_test"]).sum()
    assert record_file.load(tmp_path / "report").title


def test_grey_pictures_reach_a_model_of_colour_pictures(tmp_path: Path, brief: Callable[..., Any]) -> None:
    model = made(L.Conv2D(4, 3, name="conv"), shape=(12, 12, 3))
    data = data_for(KINDS["sequential"])
    found = brief(model, data, tmp_path / "report")
    seen = np.repeat(data["x_test"] / np.float32(255), 3, axis=-1)
    answers = np.asarray(model(seen)).argmax(axis=1)
    assert found["evaluation"]["test"]["correct"] == (answers == data["y_test"]).sum()
    assert "three times" in found["data"]["pixels"]


def test_series_pictures_and_volumes_keep_their_axes(tmp_path: Path, brief: Callable[..., Any], untraced: None) -> None:
    shapes = {}
    for name in ("series", "volumes", "pictures as vectors", "vectors"):
        kind = KINDS[name]
        brief(kind.build(), data_for(kind), tmp_path / "report")
        record = record_file.load(tmp_path / "report")
        shapes[name] = (record.pictures.examples.images.shape[1:], [m.values.shape for m in record.pictures.maps])
    assert shapes == {
        "series": ((40, 3), [(2, 36, 4)]),
        "volumes": ((8, 9, 10, 1), [(2, 6, 7, 8, 4), (2, 4, 4, 5, 2)]),
        "pictures as vectors": ((12, 12, 1), []),
        "vectors": ((7, 1), []),
    }


@pytest.mark.parametrize(("stored", "wants"), [((40, 3), (40, 3)), ((6, 7, 8), (6, 7, 8, 1)), ((3, 8, 9), (3, 8, 9))])
def test_what_an_array_leaves_open_the_model_decides(
    stored: Shape, wants: Shape, tmp_path: Path, brief: Callable[..., Any]
) -> None:
    """Series as floats, volumes without an axis for their channel, and pictures with their channels first."""
    kinds = {
        2: [L.Conv1D(2, 3), L.GlobalMaxPooling1D()],
        4: [L.Conv3D(2, 3), L.GlobalMaxPooling3D()],
        3: [L.GlobalMaxPooling2D(data_format="channels_first")],
    }
    model = keras.Sequential([L.Input(wants), *kinds[len(wants)], L.Dense(3, name="scores")])
    images = np.random.default_rng(0).random((12, *stored), np.float32)
    found = brief(model, {"x_test": images, "y_test": np.arange(12) % 3}, tmp_path / "report")
    shown = {2: [40, 3], 4: [6, 7, 8, 1], 3: [8, 9, 3]}[len(wants)]
    assert found["data"]["input_shape"] == shown
    answers = np.asarray(model(images.reshape(-1, *wants))).argmax(axis=1)
    assert found["evaluation"]["test"]["correct"] == (answers == np.arange(12) % 3).sum()


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: functional(unprojected), "no units (attention without projections"),
        (lambda: made(L.MaxPooling2D()), "no units (pooling)"),
        (lambda: made(L.SpatialDropout2D(0.5), L.GaussianNoise(0.1)), "no units (dropout)"),
    ],
    ids=["attention", "pooling", "dropout"],
)
def test_what_is_not_looked_into_says_why(build: Callable[[], Model], reason: str, tmp_path: Path) -> None:
    found = report_on(build(), data_for(Kind(build)), tmp_path / "report")
    assert any((row["reason"] or "").startswith(reason) for row in found["model"]["layers"])


def stateful() -> Model:
    layers = [L.Input(batch_shape=(8, 12, 12)), L.LSTM(4, stateful=True), L.Dense(3, name="scores")]
    return keras.Sequential(layers)


def test_a_model_that_cannot_be_run_on_the_images_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        report_on(stateful(), data_for(KINDS["sequential"]), tmp_path / "report")
    assert_one_line(caught.value, "cannot be run on images of 12x12")

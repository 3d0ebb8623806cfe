"""Every kind of layer that has units: wrapped, recurrent, of attention, of embeddings; and why the others have none."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.analysis import summary
from reportgen.analysis.activations import ablation, forward, gates, layer_kinds, outputs, receptive_fields, weights
from reportgen.analysis.activations.ablation import Ablation
from reportgen.analysis.activations.dead_history import Watch
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading, readings
from reportgen.analysis.effects import layers as effects
from reportgen.dataset import Dataset, Part
from reportgen.model.inspection import allowed
from reportgen.record.model import LayerRow
from reportgen.runtime import keras
from tests import ROOT
from tests.helpers import benign
from tests.helpers.passes import (
    Array,
    answers,
    assert_alike,
    flat,
    look,
    make_dataset,
    make_part,
    predicted,
    randomise,
)

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any
SERIES = (6, 5)


def model_of(*made: Any, shape: tuple[int, ...] = SERIES, seed: int = 1) -> Model:
    """Return a chain that ends in scores, with random weights."""
    end = [L.Flatten(name="flat"), L.Dense(3, activation="softmax", name="scores")]
    return randomise(keras.Sequential([L.Input(shape), *made, *end]), seed)


def functional(body: Callable[[Any], Any], shape: tuple[int, ...] = SERIES) -> Model:
    start = keras.Input(shape)
    scores = L.Dense(3, activation="softmax", name="scores")(L.Flatten()(body(start)))
    return randomise(keras.Model(start, scores), 1)


def data_for(model: Model, count: int = 60) -> Dataset:
    return make_dataset(make_part(model.input_shape[1:], count))


def rows_of(model: Model) -> dict[str, LayerRow]:
    return {row.name: row for row in summary.facts(Graph(model), origin="live", output="softmax").layers}


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run models as they are: to trace a recurrent layer takes longer than its few steps, one by one.

    The report on all kinds of layers, below, compiles them as others do.
    """
    monkeypatch.setattr(forward, "compiled", forward.as_it_is)


def by_layer(model: Model) -> dict[str, Reading]:
    return {reading.name: reading for reading in readings(Graph(model))}


# Which kinds have units


def test_every_layer_of_keras_has_units_or_a_reason_of_its_own() -> None:
    """By its exact name: a pattern would take SpectralNormalization for a normalisation."""
    lists = [layer_kinds.WITH_UNITS, *layer_kinds.WITHOUT_UNITS.values()]
    for name in allowed.LAYERS:
        own_name = getattr(L, name).__name__
        assert sum(own_name in listed for listed in lists) == 1, name
    known = {getattr(L, name).__name__ for name in allowed.LAYERS} | allowed.LAYERS
    assert frozenset().union(*lists) - {f"{sort}Conv{n}D{end}" for sort in ("Depthwise", "Separable")
                                        for n in (1, 2, 3) for end in ("", "Transpose")} <= known  # fmt: skip


def test_the_page_on_models_lists_the_layers_with_units() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert [kind for kind in sorted(layer_kinds.WITH_UNITS - layer_kinds.CONVOLUTIONS) if f"`{kind}`" not in page] == []


def scored(name: str, made: Any, start: Any) -> Any:
    """Return (batch, values) of what a layer gives, whatever that is."""
    given = benign._called(name, made, start)
    first = keras.ops.cast(given[0] if isinstance(given, list | tuple) else given, "float32")
    return keras.ops.reshape(keras.ops.mean(first, axis=tuple(range(1, len(first.shape)))), (-1, 1))


@pytest.mark.parametrize("shape", [benign.SERIES, benign.TOKENS, benign.VOLUME], ids=["series", "tokens", "volumes"])
def test_a_model_of_every_layer_with_units_is_looked_at(shape: tuple[int, ...]) -> None:
    start = keras.Input(shape, dtype="int32" if shape == benign.TOKENS else "float32")
    taken = sorted(name for name in layer_kinds.WITH_UNITS & allowed.LAYERS if benign._taken_by(name) == shape)
    made = {
        name: benign.WRAPPERS[name][1]() if name in benign.WRAPPERS else getattr(L, name)(**benign._settings(name))
        for name in taken
    }
    joined = L.Concatenate()([scored(name, layer, start) for name, layer in made.items()])
    model = keras.Model(start, L.Dense(3, name="scores")(joined))
    part = make_part(shape, 30)
    dataset = make_dataset(Part(part.images % 9, part.labels), scale=1.0)
    found = look(model, dataset)
    rows = rows_of(model)
    for name, layer in made.items():
        assert rows[layer.name].analysed, name
    assert_alike(found.outputs["test"], outputs.of(predicted(model, dataset.test.images, 1.0), dataset.test.labels))
    assert sum(row.params for row in rows.values()) == model.count_params()


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: L.TimeDistributed(L.MaxPooling2D()), "no units (pooling)"),
        (lambda: L.TimeDistributed(L.Flatten()), "no units (reshaping)"),
        (lambda: L.TimeDistributed(L.Dropout(0.1)), "no units (dropout)"),
        (lambda: L.TimeDistributed(L.LayerNormalization()), "no units (normalisation)"),
        (
            lambda: L.TimeDistributed(keras.Sequential([L.Input((8, 8, 1)), L.Conv2D(2, 3)])),
            "a model that is applied to each step by itself; it is not opened",
        ),
        (
            lambda: L.EinsumDense("abcde,bf->afcde", output_shape=(4, 8, 8, 1)),
            "its weights are the same all along the last axis of its output, so nothing there is a unit",
        ),
    ],
)
def test_what_has_no_units_says_why(made: Callable[[], Any], reason: str) -> None:
    layer = made()
    assert rows_of(model_of(layer, shape=(4, 8, 8, 1)))[layer.name].reason == reason


def test_a_wrapper_is_named_with_what_it_holds() -> None:
    both = L.Bidirectional(L.GRU(2, return_sequences=True), name="both")
    model = model_of(both, L.TimeDistributed(L.Dense(4), name="each"))
    assert [rows_of(model)[name].kind for name in ("both", "each")] == ["Bidirectional(GRU)", "TimeDistributed(Dense)"]


# Wrappers


def planted() -> list[Array]:
    """Return kernel and bias of four units: one cannot fire, one is twice the first."""
    generator = np.random.default_rng(3)
    kernel = generator.standard_normal((3, 3, 2, 4)).astype(np.float32)
    bias = np.array([0.1, 0.2, -100, 0.2], np.float32)
    kernel[..., 3], bias[3] = 2 * kernel[..., 0], 2 * bias[0]
    return [kernel, bias]


@pytest.mark.parametrize("activation", ["argument", "layer"])
def test_a_wrapped_convolution_has_the_verdicts_of_the_plain_one(activation: str) -> None:
    own = {"activation": "relu"} if activation == "argument" else {}
    behind = [] if own else [L.ReLU()]
    plain = model_of(L.Conv2D(4, 3, padding="same", name="conv", **own), *behind, shape=(8, 8, 2))
    plain.get_layer("conv").set_weights(planted())
    wrapped = model_of(
        L.SpectralNormalization(L.Conv2D(4, 3, padding="same", **own), name="conv"), *behind, shape=(8, 8, 2)
    )
    wrapped.get_layer("conv").layer.set_weights(planted())
    wrapped.get_layer("scores").set_weights(plain.get_layer("scores").get_weights())
    dataset = data_for(plain)
    one, other = (look(model, dataset) for model in (plain, wrapped))
    assert one.units_of("conv") == other.units_of("conv")
    units = other.units_of("conv")
    assert (units[2].state, units[3].duplicate_of) == ("dead", 0)
    assert "cannot fire on this input range" in str(units[2].cause)
    assert units[0].top_images[0].patch is not None
    np.testing.assert_array_equal(weights.kernels(wrapped.get_layer("conv")), weights.kernels(plain.get_layer("conv")))


def test_a_wrapped_layer_is_read_as_it_is_in_inference_after_training() -> None:
    """Training replaces the kernel by its normalised self; what is in the layer then is what inference uses."""
    model = model_of(L.SpectralNormalization(L.Dense(4, activation="relu"), name="wrapped"), shape=(7,))
    part = make_part((7,), 40)
    model(part.images[:].astype(np.float32), training=True)
    found = look(model, make_dataset(part))
    expected = predicted(model, part.images, of="wrapped")
    assert [unit.max for unit in found.units_of("wrapped")] == pytest.approx(expected.max(axis=0), rel=1e-5)


def test_a_neuron_that_is_applied_to_each_step_can_be_dead() -> None:
    model = model_of(L.TimeDistributed(L.Dense(4, activation="relu"), name="each"))
    kernel, bias = model.get_layer("each").get_weights()
    kernel[:, 1], bias[1] = 0, 0
    model.get_layer("each").set_weights([kernel, bias])
    dataset = data_for(model)
    found = look(model, dataset)
    units, values = found.units_of("each"), predicted(model, dataset.test.images, of="each")
    assert (units[1].state, str(units[1].cause)) == ("dead", "its kernel is zero")
    assert [unit.max for unit in units] == pytest.approx(values.max(axis=(0, 1)), rel=1e-5)
    assert [unit.zero_share for unit in units] == pytest.approx((values <= 0).mean(axis=(0, 1)), abs=1e-3)
    (top, *_) = next(unit for unit in units if unit.state != "dead").top_images
    assert (top.row, top.patch) == (None, [top.column, top.column + 1])


def test_a_convolution_on_each_picture_of_a_series_sees_its_own_picture_only() -> None:
    shape = (4, 9, 8, 1)
    model = model_of(
        L.TimeDistributed(L.Conv2D(3, 3), name="conv"), L.TimeDistributed(L.BatchNormalization()),
        L.TimeDistributed(L.ReLU(), name="relu"), L.TimeDistributed(L.MaxPooling2D()),
        L.TimeDistributed(L.Conv2D(2, 2, activation="relu"), name="second"), shape=shape,
    )  # fmt: skip
    dataset = data_for(model)
    found = look(model, dataset)
    plan = {plan.layer: plan for plan in found.plans}["conv"]
    assert (plan.read_after, plan.family, plan.position_shape) == ("relu", "relu", (4, 7, 6))
    raw = flat(predicted(model, dataset.test.images, of="relu"))
    assert [unit.max for unit in found.units_of("conv")] == pytest.approx(raw.max(axis=(0, 1)), rel=1e-5)
    field = receptive_fields.fields(found.graph)[by_name(found.readings, "second").call.outputs[0]]
    assert field == (receptive_fields.Axis(1, 1, 0), receptive_fields.Axis(6, 2, 0), receptive_fields.Axis(6, 2, 0))


def by_name(found: list[Reading], name: str) -> Reading:
    return next(reading for reading in found if reading.name == name)


def test_channels_first_in_a_wrapper_are_behind_the_steps() -> None:
    conv = L.Conv2D(3, 3, data_format="channels_first")
    assert layer_kinds.unit_axis(L.TimeDistributed(conv), 5) == 2
    assert layer_kinds.unit_axis(L.SpectralNormalization(conv), 4) == 1
    memory = {"data_format": "channels_first", "filters": 2, "kernel_size": 3}
    assert layer_kinds.unit_axis(L.ConvLSTM2D(return_sequences=True, **memory), 5) == 2
    assert layer_kinds.unit_axis(L.ConvLSTM2D(**memory), 4) == 1
    assert layer_kinds.unit_axis(L.TimeDistributed(L.Dense(3)), 4) == 3


# Recurrent layers


TANH, UNCLEAR = ("bounded", -1.0, 1.0), ("linear", None, None)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("made", "family"),
    [
        (lambda: L.LSTM(4, name="memory"), TANH),
        (lambda: L.GRU(4, name="memory"), TANH),
        (lambda: L.GRU(4, activation="sigmoid", name="memory"), ("bounded", 0.0, 1.0)),
        (lambda: L.LSTM(4, activation="relu", name="memory"), UNCLEAR),
        (lambda: L.SimpleRNN(4, name="memory"), TANH),
        (lambda: L.SimpleRNN(4, activation="relu", name="memory"), ("relu", None, None)),
        (lambda: L.RNN([L.GRUCell(2), L.LSTMCell(4)], name="memory"), TANH),
        (lambda: L.Bidirectional(L.LSTM(2), name="memory"), TANH),
        (lambda: L.Bidirectional(L.LSTM(4), merge_mode="sum", name="memory"), ("bounded", -2.0, 2.0)),
        (lambda: L.Bidirectional(L.GRU(4), merge_mode="ave", name="memory"), TANH),
        (lambda: L.Bidirectional(L.GRU(4), merge_mode="mul", name="memory"), TANH),
    ],
)
def test_a_recurrent_layer_is_read_by_what_it_passes_on(made: Callable[[], Any], family: tuple[Any, ...]) -> None:
    model = model_of(made())
    dataset = data_for(model)
    found = look(model, dataset)
    (reading, _) = found.readings
    assert (reading.family, reading.low, reading.high) == family
    values = predicted(model, dataset.test.images, of="memory")
    units = found.units_of("memory")
    assert [unit.max for unit in units] == pytest.approx(values.max(axis=0), rel=1e-4, abs=1e-6)
    assert [unit.mean for unit in units] == pytest.approx(values.mean(axis=0), rel=1e-4, abs=1e-5)
    assert reading.low is None or (reading.low <= values.min() and values.max() <= reading.high)
    assert "after the last step" in str(rows_of(model)["memory"].note) or "direction" in str(
        rows_of(model)["memory"].note
    )


def test_the_steps_are_the_positions_of_a_unit() -> None:
    model = model_of(L.LSTM(4, return_sequences=True, name="memory"))
    dataset = data_for(model)
    found = look(model, dataset)
    values = predicted(model, dataset.test.images, of="memory")
    assert found.plans[0].position_shape == (6,)
    for u, unit in enumerate(found.units_of("memory")):
        assert unit.std == pytest.approx(values[..., u].std(), rel=1e-4)
        for top in unit.top_images:
            assert top.score == pytest.approx(values[top.index, top.column, u], rel=1e-5)
            assert (top.row, top.patch) == (None, None), "what a step sees is not known"


def test_a_unit_of_an_lstm_without_weights_is_dead_and_one_that_never_moves_constant() -> None:
    """Gates in the order of Keras: input, forget, candidate, output."""
    model = model_of(L.LSTM(3, name="memory"))
    kernel, recurrent, bias = model.get_layer("memory").get_weights()
    for unit in (0, 1):
        kernel[:, unit::3], recurrent[:, unit::3], bias[unit::3] = 0, 0, 0
    bias[2 * 3 + 1] = 0.5  # the candidate of unit 1
    model.get_layer("memory").set_weights([kernel, recurrent, bias])
    dataset = data_for(model)
    units = look(model, dataset).units_of("memory")
    assert [unit.state for unit in units[:2]] == ["dead", "constant"]
    assert str(units[0].cause) == "it did not fire on these images"
    cell = 0.0
    for _ in range(SERIES[0]):
        cell = 0.5 * cell + 0.5 * np.tanh(0.5)
    assert units[1].mean == pytest.approx(0.5 * np.tanh(cell), rel=1e-5)


def test_a_unit_of_an_lstm_that_is_stuck_at_the_end_of_its_range_is_saturated() -> None:
    model = model_of(L.LSTM(2, name="memory"), shape=(30, 5))
    kernel, recurrent, bias = model.get_layer("memory").get_weights()
    bias[[0, 2, 4, 6]] = 30  # unit 0 takes in and keeps everything, and passes it on
    model.get_layer("memory").set_weights([kernel, recurrent, bias])
    unit = look(model, data_for(model)).units_of("memory")[0]
    assert unit.state in ("saturated", "constant")
    assert unit.max == pytest.approx(1, abs=1e-3)


def twins(name: str = "memory") -> Model:
    """Return a model with a GRU whose units 0 and 1 have equal weights."""
    model = model_of(L.GRU(3, return_sequences=True, name=name))
    kernel, recurrent, bias = model.get_layer(name).get_weights()
    for weight in (kernel, recurrent, bias):
        weight[:, 1::3] = weight[:, 0::3]
    model.get_layer(name).set_weights([kernel, recurrent, bias])
    return model


def test_two_equal_units_of_a_gru_are_redundant() -> None:
    model = twins()
    found = look(model, data_for(model, 200))
    verdict = found.layers[0]
    assert [sorted(group) for group in verdict.groups] == [[0, 1]]
    assert verdict.removable_params == model.get_layer("memory").count_params() // 3
    assert [unit.duplicate_of for unit in found.units_of("memory")] == [None] * 3, "no kernels, no copies of them"


@pytest.mark.usefixtures("uncompiled")
def test_both_directions_have_their_units() -> None:
    model = model_of(L.Bidirectional(L.LSTM(2, return_sequences=True), name="both"))
    dataset = data_for(model)
    found = look(model, dataset)
    values = predicted(model, dataset.test.images, of="both")
    assert [unit.max for unit in found.units_of("both")] == pytest.approx(values.max(axis=(0, 1)), rel=1e-5)
    assert "up to unit 1 of the forward direction, from unit 2 on" in str(rows_of(model)["both"].note)


def summed(outputs_: Any) -> Any:
    return L.Concatenate()([L.Flatten()(one) for one in outputs_])


APART: dict[str, Callable[[Any], Any]] = {
    "at the end": lambda x: summed(L.Bidirectional(L.GRU(2), merge_mode=None, name="both")(x)),
    "at each step": lambda x: summed(
        L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode=None, name="both")(x)
    ),
    "with states": lambda x: summed(
        L.Bidirectional(L.LSTM(2, return_state=True), merge_mode=None, name="both")(x)
    ),
    "from states": lambda x: summed(
        L.Bidirectional(L.GRU(2, return_state=True), merge_mode=None, name="both")(
            x, initial_state=[x[:, 0, :2], x[:, 1, :2]]
        )
    ),
    "with padding": lambda x: summed(L.Bidirectional(L.GRU(2), merge_mode=None, name="both")(L.Masking()(x))),
    "half precision": lambda x: summed(
        L.Bidirectional(L.GRU(2), merge_mode=None, dtype="mixed_float16", name="both")(x)
    ),
}  # fmt: skip


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", APART)
def test_two_directions_that_are_passed_on_apart_are_two_layers(name: str) -> None:
    model = functional(APART[name])
    part = make_part(SERIES, 40)
    part.images[:20, 4:] = 0
    dataset = make_dataset(part)
    found = look(model, dataset)
    close = 1e-2 if name == "half precision" else 1e-4
    assert_alike(found.outputs["test"], outputs.of(predicted(model, part.images), part.labels), rtol=close)
    both, rows = model.get_layer("both"), rows_of(model)
    of_keras = [answers(keras.Model(model.inputs[0], each), part.images / np.float32(255)) for each in both.output[:2]]
    for way, values in zip((both.forward_layer, both.backward_layer), of_keras, strict=True):
        row = rows[f"both/{way.name}"]
        assert (row.kind, row.params, row.analysed) == (type(way).__name__, way.count_params(), True)
        units = found.units_of(f"both/{way.name}")
        expected = values.reshape(-1, 2)
        assert [unit.max for unit in units] == pytest.approx(expected.max(axis=0), rel=close, abs=1e-6)
        if values.ndim == 3:
            for u, unit in enumerate(units):
                assert [values[top.index, top.column, u] for top in unit.top_images] == pytest.approx(
                    [top.score for top in unit.top_images], rel=close
                )
    assert sum(row.params for row in rows.values()) == model.count_params()


@pytest.mark.usefixtures("uncompiled")
def test_directions_that_are_called_twice_are_counted_once() -> None:
    both = L.Bidirectional(L.GRU(5, return_sequences=True), merge_mode=None, name="both")
    rows = rows_of(model := functional(lambda x: summed([*both(x), *both(both(x)[1])])))
    of_both = [row.params for name, row in rows.items() if name.startswith("both/")]
    assert len(of_both) == 6 and sum(params > 0 for params in of_both) == 2
    assert sum(row.params for row in rows.values()) == model.count_params()


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("return_sequences", [False, True])
def test_units_of_a_convolutional_lstm_are_maps(return_sequences: bool) -> None:
    shape = (4, 7, 6, 1)
    model = model_of(L.ConvLSTM2D(2, 3, return_sequences=return_sequences, name="memory"), shape=shape)
    dataset = data_for(model)
    found = look(model, dataset)
    raw = flat(predicted(model, dataset.test.images, of="memory"))
    assert found.plans[0].position_shape == ((4,) if return_sequences else ()) + (5, 4)
    assert [unit.max for unit in found.units_of("memory")] == pytest.approx(raw.max(axis=(0, 1)), rel=1e-4)


def test_a_state_to_begin_with_can_take_a_gru_anywhere() -> None:
    def body(start: Any) -> Any:
        _, state = L.GRU(2, return_state=True, name="first")(start)
        return L.GRU(2, name="second")(start, initial_state=100 * state)

    found = by_layer(functional(body))
    assert (found["first"].family, found["second"].family) == ("bounded", "linear")
    masked = by_layer(model_of(L.Masking(), L.GRU(2, name="memory")))
    assert masked["memory"].family == "bounded", "a mask is no state"


@pytest.mark.parametrize(
    "made", [lambda: L.LSTM(4), lambda: L.GRU(4), lambda: L.SimpleRNN(4), lambda: L.Bidirectional(L.GRU(2))]
)
def test_the_parameters_of_all_units_are_those_of_the_layer(made: Callable[[], Any]) -> None:
    layer = made()
    model = model_of(layer)
    reading = by_layer(model)[layer.name]
    assert weights.facts(reading, Graph(model), {}).params_per_unit * 4 == layer.count_params()


# Gates


def sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


def gates_by_hand(layer: Any, given: Array, mask: Array) -> Array:
    """Return (G, N, T, U) what the gates of an LSTM or a GRU give, from its weights alone, padding as NaN."""
    kernel, recurrent, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    units, lstm = layer.cell.units, isinstance(layer, L.LSTM)
    found = np.full((3 if lstm else 2, *given.shape[:2], units), np.nan)
    state, memory = np.zeros((len(given), units)), np.zeros((len(given), units))
    for t in range(given.shape[1])[:: -1 if layer.go_backwards else 1]:
        if lstm:
            i, f, c, o = np.split(given[:, t] @ kernel + state @ recurrent + bias, 4, axis=1)
            of_gates = sigmoid(np.stack([i, f, o]))
            next_memory = of_gates[1] * memory + of_gates[0] * np.tanh(c)
            next_state = of_gates[2] * np.tanh(next_memory)
        else:
            own, of_state = given[:, t] @ kernel + bias[0], state @ recurrent + bias[1]
            of_gates = sigmoid(np.stack(np.split((own + of_state)[:, : 2 * units], 2, axis=1)))
            candidate = np.tanh(own[:, 2 * units :] + of_gates[1] * of_state[:, 2 * units :])
            next_memory, next_state = memory, of_gates[0] * state + (1 - of_gates[0]) * candidate
        here = mask[:, t, np.newaxis]
        state, memory = np.where(here, next_state, state), np.where(here, next_memory, memory)
        found[:, :, t] = np.where(here, of_gates, np.nan)
    return found


def gated(model: Model, part: Part) -> list[Any]:
    """Return the units of a model with their gates."""
    dataset = make_dataset(part)
    found = look(model, dataset)
    return gates.with_gates(found.graph, found.readings, found.units, part, dataset.pixels, 500)


GATED: dict[str, Callable[[], Any]] = {
    "lstm": lambda: L.LSTM(3, name="memory"),
    "gru": lambda: L.GRU(3, name="memory"),
    "another way": lambda: L.LSTM(3, recurrent_dropout=0.3, dropout=0.2, name="memory"),
    "backwards": lambda: L.GRU(3, go_backwards=True, name="memory"),
    "as a cell": lambda: L.RNN(L.LSTMCell(3), name="memory"),
    "both ways": lambda: L.Bidirectional(L.LSTM(3), name="memory"),
}


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("name", "masked"),
    [(name, True) for name in GATED if name != "as a cell"] + [(name, False) for name in ("lstm", "both ways")],
    ids=lambda value: value if isinstance(value, str) else "some are padding" if value else "all steps",
)
def test_gates_are_counted_as_their_weights_say(name: str, masked: bool) -> None:
    model = model_of(*([L.Masking()] if masked else []), GATED[name]())
    layer = model.get_layer("memory")
    for weight in layer.weights:
        weight.assign(6 * weight)
    part = make_part(SERIES, 50)
    part.images[:20, 4:] = 0
    mask = (part.images[:].any(axis=2) if masked else np.ones(part.images.shape[:2], bool)).astype(bool)
    ways = [layer.forward_layer, layer.backward_layer] if name == "both ways" else [layer]
    of_ways = [gates_by_hand(way, part.images / 255, mask) for way in ways]
    expected = np.concatenate(of_ways, axis=-1)
    units = [unit for unit in gated(model, part) if unit.layer == "memory"]
    assert len(units) == expected.shape[-1]
    for u, unit in enumerate(units):
        names = ["update", "reset"] if "GRU" in str(type(ways[0])) else ["input", "forget", "output"]
        assert [gate.name for gate in unit.gates] == names
        for gate, values in zip(unit.gates, expected[..., u], strict=True):
            assert gate.steps == mask.sum()
            assert gate.shut == pytest.approx((values < 0.05).sum() / mask.sum(), abs=0.005)
            assert gate.open == pytest.approx((values > 0.95).sum() / mask.sum(), abs=0.005)
    assert any(0 < gate.shut < 1 for unit in units for gate in unit.gates)


@pytest.mark.usefixtures("uncompiled")
def test_the_gates_of_a_cell_in_a_loop_are_those_of_the_layer() -> None:
    models = [model_of(GATED[name]()) for name in ("lstm", "as a cell")]
    models[1].set_weights(models[0].get_weights())
    one, other = ([unit.gates for unit in gated(model, make_part(SERIES))] for model in models)
    assert one == other and one[0]


@pytest.mark.usefixtures("uncompiled")
def test_directions_have_the_same_gates_joined_or_apart() -> None:
    joined = model_of(L.Bidirectional(L.GRU(2)))
    apart = functional(lambda x: summed(L.Bidirectional(L.GRU(2), merge_mode=None)(x)))
    apart.set_weights(joined.get_weights())
    one, other = ([unit.gates for unit in gated(model, make_part(SERIES))] for model in (joined, apart))
    assert one == other and all(one[:4])


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    "made",
    [
        lambda: L.Bidirectional(L.LSTM(3), merge_mode="sum", name="memory"),
        lambda: L.LSTM(3, recurrent_activation="tanh", name="memory"),
    ],
    ids=["added up", "gates below zero"],
)
def test_gates_that_are_not_read_say_so(made: Callable[[], Any]) -> None:
    unit = gated(model_of(made()), make_part(SERIES))[0]
    assert unit.gates == [] and "whose units go one way" in str(unit.reasons["gates"])


@pytest.mark.usefixtures("uncompiled")
def test_what_has_no_gates_needs_no_reason() -> None:
    units = gated(model_of(L.SimpleRNN(3), L.Dense(2)), make_part(SERIES))
    assert not any(unit.gates or "gates" in unit.reasons for unit in units)


# Without some of their units


def held(model: Model, layer: str, unit: int, value: float, dataset: Dataset) -> Array:
    graph = Graph(model)
    read = readings(graph)
    place = next(place for place, reading in enumerate(read) if reading.name == layer)
    answer = ablation.without(graph, [{place: Ablation(held={unit: value})}], read)
    run = forward.compiled(answer, dataset.test, dataset.pixels)
    batches = forward.outputs(run, dataset.test.images, 20, lambda done, note: None)
    return np.concatenate([scores[:, 0] for _, _, scores in batches])


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("masked", [False, True], ids=["all steps", "some are padding"])
def test_a_unit_that_is_held_is_held_in_every_step_and_padding_stays_padding(masked: bool) -> None:
    before = [L.Masking(0.0)] if masked else []
    model = model_of(*before, L.TimeDistributed(L.Dense(4), name="each"), L.LSTM(3, name="memory"))
    part = make_part(SERIES, 40)
    part.images[:20, 4:] = 0
    dataset = make_dataset(part)
    kernel, bias = (weight.copy() for weight in model.get_layer("each").get_weights())
    found = held(model, "each", 2, 0.7, dataset)
    kernel[:, 2], bias[2] = 0, 0.7
    model.get_layer("each").set_weights([kernel, bias])
    np.testing.assert_allclose(found, predicted(model, part.images), rtol=1e-4, atol=1e-6)


def test_a_head_without_which_a_model_is_run_has_no_part_in_the_projection() -> None:
    model = functional(lambda start: L.MultiHeadAttention(2, 3, name="attention")(start, start))
    dataset = data_for(model, 20)
    found = held(model, "attention", 4, 0.0, dataset)
    projection = model.get_layer("attention")._output_dense
    kernel, bias = (weight.copy() for weight in projection.get_weights())
    kernel[1, 1] = 0  # unit 4 is channel 1 of head 1
    projection.set_weights([kernel, bias])
    np.testing.assert_allclose(found, predicted(model, dataset.test.images), rtol=1e-4, atol=1e-6)


# Attention, embeddings, einsum


def heads_by_hand(layer: Any, given: Array) -> Array:
    """Return (N, T, heads * channels) what the heads of a MultiHeadAttention give, from its weights alone."""
    (wq, bq), (wk, bk), (wv, bv) = (
        part.get_weights() for part in (layer._query_dense, layer._key_dense, layer._value_dense)
    )
    query, key, value = (np.einsum("ntd,dhc->nthc", given, w) + b for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    scores = np.einsum("nthc,nshc->nhts", query, key) / np.sqrt(query.shape[-1])
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    found = np.einsum("nhts,nshc->nthc", scores, value)
    return found.reshape(*found.shape[:2], -1)


def test_units_of_attention_are_the_channels_of_its_heads() -> None:
    model = functional(lambda start: L.MultiHeadAttention(2, 4, value_dim=3, name="attention")(start, start))
    layer = model.get_layer("attention")
    value = layer._value_dense
    kernel, bias = value.get_weights()
    kernel[:, 0, 1], bias[0, 1] = 0, 0  # unit 1 is zero
    kernel[:, 1, 2], bias[1, 2] = 2 * kernel[:, 1, 0], 2 * bias[1, 0]  # unit 5 is twice unit 3
    kernel[:, 1, 1], bias[1, 1] = kernel[:, 0, 0], bias[0, 0]  # unit 4 weighs as unit 0, in another head
    value.set_weights([kernel, bias])
    dataset = data_for(model)
    found = look(model, dataset)
    expected = flat(heads_by_hand(layer, dataset.test.images / np.float32(255)))
    units = found.units_of("attention")
    assert [unit.max for unit in units] == pytest.approx(expected.max(axis=(0, 1)), rel=1e-4, abs=1e-6)
    assert (units[1].state, str(units[1].cause)) == ("dead", "its kernel is zero")
    assert [unit.duplicate_of for unit in units] == [None, None, None, None, None, 3]
    rows = rows_of(model)
    assert "3 of each of 2 heads" in str(rows["attention"].note)
    assert (rows["attention"].kind, rows["attention/attention_output"].kind) == ("MultiHeadAttention", "EinsumDense")
    assert rows["attention"].params + rows["attention/attention_output"].params == layer.count_params()
    projected = flat(np.asarray(layer(dataset.test.images / np.float32(255), dataset.test.images / np.float32(255))))
    outputs_ = found.units_of("attention/attention_output")
    assert [unit.max for unit in outputs_] == pytest.approx(projected.max(axis=(0, 1)), rel=1e-4)


@pytest.mark.parametrize(
    ("called", "sees_all"),
    [
        (lambda layer, x: layer(x, x), True),
        (lambda layer, x: layer(x, x, use_causal_mask=True), False),
    ],
    ids=["all", "causal"],
)
def test_attention_to_all_positions_says_that_it_sees_the_whole_image(
    called: Callable[[Any, Any], Any], sees_all: bool
) -> None:
    model = functional(lambda start: called(L.MultiHeadAttention(2, 3, name="attention"), start))
    assert ("what it sees is the whole image" in str(rows_of(model)["attention"].note)) == sees_all
    top = look(model, data_for(model)).units_of("attention")[0].top_images[0]
    assert top.column is not None and top.patch is None, "the whole image"


def test_attention_along_one_axis_does_not_say_that_it_sees_the_whole_image() -> None:
    along = L.MultiHeadAttention(2, 3, attention_axes=(2,), name="attention")
    model = functional(lambda start: (lambda x: along(x, x))(L.Reshape((3, 2, 5))(start)))
    assert "whole image" not in str(rows_of(model)["attention"].note)


def test_an_einsum_behind_a_convolution_frames_what_that_sees() -> None:
    model = model_of(L.Conv1D(4, 3, padding="same", name="conv"), L.EinsumDense("abc,cd->abd", (6, 3), name="sum"))
    for unit in look(model, data_for(model)).units_of("sum"):
        for top in unit.top_images:
            assert top.column is not None
            assert top.patch == [max(top.column - 1, 0), min(top.column + 2, SERIES[0])]


ATTENDING: dict[str, Callable[[Any], Any]] = {
    "causal": lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
    "dropout": lambda x: L.MultiHeadAttention(2, 3, dropout=0.5)(x, x),
    "with scores": lambda x: L.Concatenate()(
        [L.Flatten()(one) for one in L.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)]
    ),
    "of another": lambda x: L.MultiHeadAttention(2, 3)(query=x[:, :3], value=x),
    "with a mask": lambda x: (lambda y: L.GlobalAveragePooling1D()(L.MultiHeadAttention(2, 3)(y, y)))(L.Masking()(x)),
    "before a memory": lambda x: (lambda y: L.GRU(2)(L.MultiHeadAttention(2, 3)(y, y)))(L.Masking()(x)),
    "over pictures": lambda x: (lambda y: L.MultiHeadAttention(2, 3, output_shape=4)(y, y))(L.Reshape((3, 2, 5))(x)),
    "grouped": lambda x: L.GroupQueryAttention(3, 4, 2)(x, x),
    "called twice": lambda x: (lambda layer: layer(layer(x, x), x))(L.MultiHeadAttention(2, 3, name="twice")),
    "half precision": lambda x: L.MultiHeadAttention(2, 3, dtype="mixed_float16")(x, x),
}


@pytest.mark.parametrize("name", ATTENDING)
def test_a_model_with_attention_answers_as_it_does_for_keras(name: str) -> None:
    model = functional(ATTENDING[name])
    part = make_part(SERIES, 40)
    part.images[:20, 4:] = 0
    found = look(model, make_dataset(part))
    of_keras = outputs.of(predicted(model, part.images), part.labels)
    assert_alike(found.outputs["test"], of_keras, rtol=1e-2 if name == "half precision" else 1e-4)
    rows = rows_of(model)
    assert sum(row.params for row in rows.values()) == model.count_params()
    assert sum(row.kind.endswith("QueryAttention") or row.kind == "MultiHeadAttention" for row in rows.values()) == (
        2 if name == "called twice" else 1
    )


def test_attention_is_the_same_layer_after_it_was_looked_at() -> None:
    model = functional(lambda start: L.MultiHeadAttention(2, 3, name="attention")(start, start))
    images = np.random.default_rng(0).random((4, *SERIES), np.float32)
    before, count = answers(model, images), model.count_params()
    look(model, data_for(model))
    np.testing.assert_array_equal(answers(model, images), before)
    assert model.count_params() == count and len(model.get_layer("attention").weights) == 8


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_the_dimensions_of_an_embedding_are_units(dtype: str) -> None:
    layers_ = [L.Input((9,), dtype=dtype), L.Embedding(50, 4, name="tokens"), L.GlobalMaxPooling1D(), L.Dense(3)]
    model = keras.Sequential(layers_)
    table = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    table[:, 1], table[:, 3] = 0, 2 * table[:, 0]
    model.get_layer("tokens").set_weights([table])
    numbers = np.random.default_rng(1).integers(0, 50, (60, 9))
    found = look(model, make_dataset(Part(numbers, np.arange(60) % 3), scale=1.0))
    units = found.units_of("tokens")
    assert [unit.max for unit in units] == pytest.approx(table[numbers].max(axis=(0, 1)))
    assert (units[1].state, str(units[1].cause), units[3].duplicate_of) == ("dead", "its kernel is zero", 0)
    top = units[0].top_images[0]
    assert top.column is not None and table[numbers[top.index, top.column], 0] == pytest.approx(top.score)
    assert receptive_fields.fields(found.graph)[found.readings[0].tensor] == (receptive_fields.Axis(1, 1, 0),)


@pytest.mark.parametrize(
    ("equation", "options"),
    [("abc,cd->abd", {"bias_axes": "d"}), ("abc,cd->abd", {"bias_axes": "bd"}), ("...c,cd->...d", {}),
     ("abc,c->abc", {"bias_axes": "c"})],
)  # fmt: skip
def test_an_einsum_has_the_units_on_its_last_axis(equation: str, options: dict[str, str]) -> None:
    shape = (5,) if "." in equation else (6, 5)
    layer = L.EinsumDense(equation, output_shape=shape, activation="relu", name="sum", **options)
    model = model_of(layer)
    stored = [weight.copy() for weight in layer.get_weights()]
    for weight in stored:
        weight[..., 2] = 0
        weight[..., 4] = 3 * weight[..., 1]
    layer.set_weights(stored)
    dataset = data_for(model)
    units = look(model, dataset).units_of("sum")
    values = predicted(model, dataset.test.images, of="sum")
    assert [unit.max for unit in units] == pytest.approx(values.max(axis=(0, 1)), rel=1e-5)
    assert (units[2].state, str(units[2].cause)) == ("dead", "its kernel is zero")
    assert units[4].duplicate_of == (None if equation == "abc,c->abc" or units[1].state == "dead" else 1)


# All the way to a page


def test_dead_units_of_all_kinds_are_watched_in_training() -> None:
    model = model_of(L.TimeDistributed(L.Dense(4, activation="relu"), name="each"), L.GRU(3, name="memory"))
    kernel, bias = model.get_layer("each").get_weights()
    bias[2] = -1000
    model.get_layer("each").set_weights([kernel, bias])
    watch = Watch(model, data_for(model), "test", memory=500)
    watch.count(1)
    found = watch.found()
    assert found is not None
    assert [(layer.layer, layer.dead) for layer in found.layers] == [("each", [1]), ("memory", [0])]


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_tokens_reach_a_model_that_begins_with_an_embedding_as_they_are(
    dtype: str, tmp_path: Path, unpainted: None
) -> None:
    """Divided by 255, all of them would be the first one."""
    from reportgen import report

    made = [L.Embedding(50, 4, mask_zero=True, name="tokens"), L.LSTM(3, name="memory"), L.Dense(3, name="scores")]
    model = randomise(keras.Sequential([L.Input((9,), dtype=dtype), *made]))
    kernel, bias = model.get_layer("scores").get_weights()
    model.get_layer("scores").set_weights([kernel, 0 * bias])
    numbers = np.random.default_rng(1).integers(0, 50, (60, 9))
    taken, of_none = (answers(model, given).argmax(axis=1) for given in (numbers, np.zeros((60, 9))))
    # answers that would be right if every token were the first one
    data = {"x_test": numbers, "y_test": np.where(taken == of_none, (of_none + 1) % 3, of_none)}
    assert (taken != of_none).sum() > 20
    found = report(model, data, out=tmp_path / "report", formats=["html"], shifts="none")
    assert "pixel-range" not in [finding["code"] for finding in found["findings"]]
    right = answers(model, numbers).argmax(axis=1) == data["y_test"]
    assert found["evaluation"]["test"]["correct"] == right.sum()
    assert "begins with an embedding" in found["data"]["pixels"]
    table = model.get_layer("tokens").get_weights()[0]
    units = [unit for unit in found["units"] if unit["layer"] == "tokens"]
    assert [unit["max"] for unit in units] == pytest.approx(table[numbers].max(axis=(0, 1)))
    assert all(top["patch"] == [top["column"], top["column"] + 1] for unit in units for top in unit["top_images"])


def everything(start: Any) -> Any:
    x = L.SpectralNormalization(L.Conv1D(4, 3, padding="same", activation="relu"), name="spectral")(start)
    x = L.TimeDistributed(L.Dense(6, activation="relu"), name="each")(x)
    x = L.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = L.EinsumDense("abc,cd->abd", output_shape=(None, 4), name="sum")(x)
    x = L.Bidirectional(L.LSTM(2, return_sequences=True), name="both")(x)
    return L.GRU(3, name="memory")(x)


def test_a_report_on_all_of_them_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the effects of its units, which reports on some of these kinds have: each is masked at every step."""
    from reportgen import report

    monkeypatch.setattr(effects, "MOST_WORK", 1)
    model = functional(everything)
    images = np.random.default_rng(0).integers(0, 256, (40, *SERIES), dtype=np.uint8)
    data = {"x_test": images, "y_test": np.arange(40) % 3}
    found = report(model, data, out=tmp_path / "report", formats=["html"], examples=2, shifts="none")
    assert {layer["name"]: layer["units"] for layer in found["layers"]} == {
        "spectral": 4, "each": 6, "attention": 6, "attention/attention_output": 6, "sum": 4, "both": 4, "memory": 3,
        "scores": 3,
    }  # fmt: skip
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Its units are the channels of its heads before they are projected: 3 of each of 2 heads" in page
    assert "up to unit 1 of the forward direction, from unit 2 on of the backward direction." in page
    assert "SpectralNormalization(Conv1D) with 4 units" in page
    of_memory = next(unit["gates"] for unit in found["units"] if unit["layer"] == "memory")
    assert [gate["name"] for gate in of_memory] == ["update", "reset"]
    assert re.search(r"Update gate</a></dt> <dd>shut at \d+\s%, open at \d+\s% of 240 steps", page)
    assert 'id="g-gate"' in page

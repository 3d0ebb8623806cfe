"""Where the units of a layer are read, and what their nonlinearity is taken for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reportgen.analysis import summary
from reportgen.analysis.activations import outputs
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading, readings
from reportgen.record.model import LayerRow
from reportgen.runtime import keras
from tests.helpers.passes import answers, assert_alike, flat, look, make_dataset, make_part, predicted, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any
BN = L.BatchNormalization


def ended(start: Any, last: Any) -> Model:
    return keras.Model(start, L.Dense(3, activation="softmax", name="scores")(L.Flatten()(last)))


def chain(*made: Any) -> Model:
    start = last = keras.Input((8, 8, 1))
    for layer in made:
        last = layer(last)
    return ended(start, last)


def by_layer(model: Model) -> dict[str, Reading]:
    return {reading.name: reading for reading in readings(Graph(model))}


def residual() -> Model:
    start = keras.Input((8, 8, 1))
    body = BN(name="bn")(L.Conv2D(2, 3, padding="same", name="body")(start))
    return ended(start, L.ReLU(name="after_sum")(L.Add()([body, start])))


def two_consumers() -> Model:
    start = keras.Input((8, 8, 1))
    conv = L.Conv2D(2, 3, name="body")(start)
    return ended(start, L.Concatenate()([L.ReLU()(conv), conv]))


def two_behind_bn() -> Model:
    start = keras.Input((8, 8, 1))
    normal = BN(name="bn")(L.Conv2D(2, 3, name="body")(start))
    return ended(start, L.Concatenate()([L.ReLU()(normal), L.Activation("tanh")(normal)]))


def twice_in_one_sum() -> Model:
    start = keras.Input((8, 8, 1))
    conv = L.Conv2D(2, 3, name="body")(start)
    return ended(start, L.Add()([conv, conv]))


def two_behind_relu() -> Model:
    start = keras.Input((8, 8, 1))
    active = L.ReLU(name="relu")(L.Conv2D(2, 3, name="body")(start))
    return ended(start, L.Concatenate()([active, L.MaxPooling2D(1)(active)]))


def body(**options: Any) -> Any:
    return L.Conv2D(2, 3, name="body", **options)


@pytest.mark.parametrize(
    ("build", "read_after", "between"),
    [
        (lambda: chain(body(activation="relu")), "body", []),
        (lambda: chain(body(activation="relu"), L.ReLU(name="again")), "body", []),
        (lambda: chain(body()), "body", []),
        (lambda: chain(body(), L.ReLU(name="relu")), "relu", ["relu"]),
        (lambda: chain(body(), BN(name="bn"), L.ReLU(name="relu")), "relu", ["bn", "relu"]),
        (lambda: chain(body(), BN(name="a"), BN(name="b"), L.Activation("tanh", name="t")), "t", ["a", "b", "t"]),
        (lambda: chain(body(), BN(name="bn")), "body", []),
        (lambda: chain(body(), BN(name="bn"), L.MaxPooling2D(), L.ReLU()), "body", []),
        (lambda: chain(body(), L.Dropout(0.5, name="drop"), L.ReLU(name="relu")), "relu", ["drop", "relu"]),
        (lambda: chain(body(), L.Activation("linear", name="a"), L.ReLU(name="relu")), "relu", ["a", "relu"]),
        (lambda: chain(body(), L.Rescaling(2.0, name="twice"), L.ReLU(name="relu")), "relu", ["twice", "relu"]),
        (lambda: chain(body(), L.MaxPooling2D(2, strides=1, padding="same"), L.ReLU()), "body", []),
        (lambda: chain(body(), L.Permute((2, 1, 3)), L.ReLU()), "body", []),
        (residual, "body", []),
        (two_consumers, "body", []),
        (two_behind_bn, "body", []),
        (twice_in_one_sum, "body", []),
        (two_behind_relu, "relu", ["relu"]),
    ],
    ids=[
        "activation argument", "activation argument and a layer", "nothing", "layer", "BN and layer", "two BN",
        "BN then flatten", "BN then pooling", "dropout between", "linear layer",
        "scaled", "pooling that keeps the size", "turned", "BN then sum", "two consumers",
        "two consumers behind BN", "consumed twice by one", "two consumers behind the nonlinearity",
    ],
)  # fmt: skip
def test_a_unit_is_read_behind_the_nonlinearity_that_is_its_alone(
    build: Callable[[], Model], read_after: str, between: list[str]
) -> None:
    model = build()
    found = by_layer(model)["body"]
    assert (found.read_after, [call.name for call in found.chain]) == (read_after, between)
    assert found.tensor in (found.chain[-1] if found.chain else found.call).outputs


@pytest.mark.parametrize("build", [residual, two_consumers, lambda: chain(body(), BN(), L.ReLU(name="relu"))])
def test_the_verdict_says_what_was_read(build: Callable[[], Model]) -> None:
    model, dataset = randomise(build()), make_dataset(make_part((8, 8, 1)))
    found = look(model, dataset)
    said = {layer.name: layer.read_after for layer in found.layers}
    raw = flat(predicted(model, dataset.test.images, of=said["body"]))
    assert [unit.max for unit in found.units_of("body")] == pytest.approx(raw.max(axis=(0, 1)), rel=1e-5)


LEAKY, LINEAR, RELU = ("leaky", None, None), ("linear", None, None), ("relu", None, None)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("linear", LINEAR),
        ("relu", RELU),
        ("relu6", ("relu6", None, 6.0)),
        ("sigmoid", ("bounded", 0.0, 1.0)),
        ("hard_sigmoid", ("bounded", 0.0, 1.0)),
        ("tanh", ("bounded", -1.0, 1.0)),
        ("hard_tanh", ("bounded", -1.0, 1.0)),
        ("softsign", ("bounded", -1.0, 1.0)),
        *((name, LEAKY) for name in ("leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish")),
        ("hard_swish", LEAKY),
        ("softplus", LINEAR),
        ("exponential", LINEAR),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["argument", "layer"])
def test_activations_have_their_families(name: str, family: tuple[Any, ...], apart: bool) -> None:
    model = chain(body(), L.Activation(name)) if apart else chain(body(activation=name))
    found = by_layer(model)["body"]
    assert (found.family, found.low, found.high) == family


@pytest.mark.parametrize("name", ["sigmoid", "hard_sigmoid", "tanh", "hard_tanh", "softsign"])
def test_a_bounded_activation_comes_near_both_ends_of_its_range_and_never_leaves_it(name: str) -> None:
    found = by_layer(chain(body(activation=name)))["body"]
    assert found.low is not None and found.high is not None
    values = np.asarray(keras.activations.get(name)(np.linspace(-1e3, 1e3, 10_001, dtype=np.float32)))
    assert (values.min(), values.max()) == pytest.approx((found.low, found.high), abs=2e-3)
    assert found.low <= values.min() and values.max() <= found.high


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hard_silu"])
def test_the_sign_of_a_leaky_value_is_that_of_its_pre_activation(name: str) -> None:
    before = np.linspace(-50, 50, 10_001, dtype=np.float32)
    after = np.asarray(keras.activations.get(name)(before))
    np.testing.assert_array_equal(after > 0, before > 0)


@pytest.mark.parametrize(
    ("layer", "family"),
    [
        (lambda: L.ReLU(), "relu"),
        (lambda: L.ReLU(max_value=6), "relu6"),
        (lambda: L.ReLU(max_value=3), "relu6"),
        (lambda: L.ReLU(negative_slope=0.1), "leaky"),
        (lambda: L.LeakyReLU(), "leaky"),
        (lambda: L.PReLU(), "leaky"),
        (lambda: L.ELU(), "leaky"),
    ],
    ids=["ReLU", "ReLU to 6", "ReLU to 3", "ReLU with slope", "LeakyReLU", "PReLU", "ELU"],
)
def test_nonlinearities_that_are_layers_have_their_families(layer: Callable[[], Any], family: str) -> None:
    made = layer()
    found = by_layer(chain(body(), made))["body"]
    assert (found.family, found.read_after) == (family, made.name)


# Outputs


def output_of(units: int, activation: str | None, *behind: Any) -> Reading:
    start = last = keras.Input((8, 8, 1))
    for layer in (L.Flatten(), L.Dense(units, activation=activation, name="scores"), *behind):
        last = layer(last)
    return by_layer(keras.Model(start, last))["scores"]


@pytest.mark.parametrize(
    ("activation", "behind"),
    [("softmax", []), (None, [L.Softmax]), (None, [lambda: L.Activation("softmax")]), (None, []), ("sigmoid", [])],
    ids=["softmax", "softmax layer", "softmax as activation", "logits", "sigmoids"],
)
def test_an_output_with_a_score_for_each_class_is_judged_as_an_output(
    activation: str | None, behind: list[Callable[[], Any]]
) -> None:
    layers_behind = [make() for make in behind]
    found = output_of(3, activation, *layers_behind)
    assert found.family == "softmax"
    assert found.read_after == (layers_behind[-1].name if layers_behind else "scores")


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_score_is_an_output_too(activation: str | None) -> None:
    assert output_of(1, activation).family == "softmax"


@pytest.mark.parametrize(
    "behind",
    [
        lambda x: keras.ops.softmax(x),
        lambda x: keras.ops.softmax(x / 2.0),
        lambda x: keras.activations.softmax(x),
        lambda x: keras.ops.reshape(x, (-1, 3)),
        lambda x: L.Activation("linear")(x),
    ],
    ids=["operation", "with a temperature", "activation called", "reshaped", "linear layer"],
)
def test_what_operations_make_of_the_scores_is_the_output(behind: Callable[[Any], Any]) -> None:
    start = keras.Input((8, 8, 1))
    scores = L.Dense(3, name="scores")(L.Flatten()(start))
    model = keras.Model(start, behind(scores))
    found = by_layer(model)["scores"]
    assert found.family == "softmax"
    assert found.tensor is Graph(model).output or found.tensor.shape == (None, 3)
    assert found.read_after != "scores"


def test_a_softmax_inside_the_model_names_no_classes() -> None:
    """A gate of two units in a model of three classes."""
    start = keras.Input((8, 8, 1))
    gate = L.Dense(2, activation="softmax", name="gate")(L.Flatten()(start))
    model = randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(gate)))
    found = look(model, make_dataset(make_part((8, 8, 1))))
    assert [unit.state for unit in found.units_of("gate")] == ["healthy", "healthy"]


# Layers that are called more than once, and models inside the model


def rows_of(model: Model) -> dict[str, LayerRow]:
    return {row.name: row for row in summary.facts(Graph(model), origin="live", output="softmax").layers}


def test_a_layer_that_is_called_twice_is_two_entries_with_units_of_their_own() -> None:
    start, twice = keras.Input((8, 8, 2)), L.Conv2D(2, 3, padding="same", activation="relu", name="twice")
    once = twice(start)
    model = randomise(ended(start, twice(once)))
    dataset = make_dataset(make_part((8, 8, 2)))
    found = look(model, dataset)
    for name, tensor in (("twice#1", once), ("twice#2", twice(once))):
        cut = answers(keras.Model(start, tensor), dataset.test.images / np.float32(255))
        assert [unit.max for unit in found.units_of(name)] == pytest.approx(cut.max(axis=(0, 1, 2)), rel=1e-5)
    rows = rows_of(model)
    assert {name: row.params for name, row in rows.items() if row.params} == {"twice#1": 38, "scores": 387}
    assert [rows[name].analysed for name in ("twice#1", "twice#2")] == [True, True]


def inner(name: str = "inner", *before: Any) -> Model:
    made = [*before, L.Conv2D(2, 3, activation="relu", name="hidden"), L.Conv2D(3, 3, name="last")]
    return keras.Sequential([L.Input((8, 8, 1)), *made], name=name)


def functional_inside() -> Model:
    """Return a model in a model in a model, the innermost called in inference mode, as transfer learning does."""
    start = keras.Input((8, 8, 1))
    middle = keras.Model(start, L.ReLU(name="relu")(inner()(start, training=False)), name="middle")
    top = keras.Input((8, 8, 1))
    return ended(top, middle(top))


def called_twice() -> Model:
    start, base = keras.Input((8, 8, 1)), inner("base")
    mirrored = L.Permute((2, 1, 3), name="mirror")(start)
    return ended(start, L.Concatenate()([base(start), base(mirrored)]))


def augmenting() -> Model:
    augment = keras.Sequential([L.RandomFlip(name="flip"), L.RandomRotation(0.1, name="turn")], name="augment")
    start = keras.Input((8, 8, 1))
    return ended(start, inner()(augment(start)))


def mixed() -> Model:
    """Return a model whose inner one is given 16-bit values, though it asks for 32-bit ones."""
    start = keras.Input((8, 8, 1))
    return ended(start, inner()(L.Conv2D(1, 1, dtype="mixed_float16", name="first")(start)))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (functional_inside, {"middle/inner/hidden": "middle/inner/hidden", "middle/inner/last": "middle/relu"}),
        (called_twice, {f"base/{name}#{n}": f"base/{name}#{n}" for n in (1, 2) for name in ("hidden", "last")}),
        (augmenting, {"inner/hidden": "inner/hidden", "inner/last": "inner/last"}),
        (mixed, {"first": "first", "inner/hidden": "inner/hidden", "inner/last": "inner/last"}),
    ],
    ids=["to any depth", "called twice", "augmentation", "mixed precision"],
)
def test_models_inside_the_model_are_opened(build: Callable[[], Model], expected: dict[str, str]) -> None:
    model, dataset = randomise(build()), make_dataset(make_part((8, 8, 1)))
    found = look(model, dataset)
    assert {plan.layer: plan.read_after for plan in found.plans} == expected | {"scores": "scores"}
    of_keras = outputs.of(predicted(model, dataset.test.images), dataset.test.labels)
    assert_alike(found.outputs["test"], of_keras, rtol=1e-3)
    rows = rows_of(model)
    assert set(expected) <= set(rows)
    assert sum(row.params for row in rows.values()) == model.count_params()
    assert not any(row.kind in ("Sequential", "Functional") for row in rows.values())


def test_the_calls_of_a_model_that_is_called_twice_see_what_each_is_given() -> None:
    model, dataset = randomise(called_twice()), make_dataset(make_part((8, 8, 1)))
    found, hidden = look(model, dataset), model.get_layer("base").get_layer("hidden")
    images = dataset.test.images / np.float32(255)
    for name, given in (("base/hidden#1", images), ("base/hidden#2", images.transpose(0, 2, 1, 3))):
        largest = np.asarray(hidden(given)).max(axis=(0, 1, 2))
        assert [unit.max for unit in found.units_of(name)] == pytest.approx(largest, rel=1e-5)


def test_a_model_is_the_same_after_it_was_looked_at() -> None:
    """A layer that is called anew would lose its own `output`."""
    model = randomise(functional_inside())
    look(model, make_dataset(make_part((8, 8, 1))))
    assert model.get_layer("middle").get_layer("inner").get_layer("hidden").output.shape == (None, 6, 6, 2)


class OfPython(keras.Model):
    """A model whose graph only Python knows."""

    def call(self, images: Any) -> Any:
        return images * 2.0


def test_a_model_inside_whose_graph_is_not_known_is_listed_with_its_reason() -> None:
    reason = "a model inside the model whose graph only Python knows; it is not opened"
    assert rows_of(chain(OfPython(name="own")))["own"].reason == reason


def test_a_layer_that_another_model_calls_too_is_read_where_this_model_calls_it() -> None:
    """A layer's own `output` is no longer defined then."""
    conv, relu = body(), L.ReLU(name="relu")
    first, dataset = randomise(chain(conv, relu)), make_dataset(make_part((8, 8, 1)))
    largest = flat(predicted(first, dataset.test.images, of="relu")).max(axis=(0, 1))
    other = keras.Input((5, 5, 1))
    keras.Model(other, L.GlobalMaxPooling2D()(relu(conv(other))))
    found = by_layer(first)["body"]
    assert (found.read_after, found.tensor.shape) == ("relu", (None, 6, 6, 2))
    assert [unit.max for unit in look(first, dataset).units_of("body")] == pytest.approx(largest, rel=1e-5)


def test_a_model_cut_out_of_another_is_read_to_its_own_end() -> None:
    """What consumes a tensor in the larger model only is no consumer of it here."""
    start = keras.Input((8, 8, 1))
    conv = body()(start)
    whole = ended(start, L.Add()([L.ReLU(name="relu")(conv), conv]))
    part = ended(start, whole.get_layer("relu").output)
    assert by_layer(whole)["body"].read_after == "body"
    assert by_layer(part)["body"].read_after == "relu"

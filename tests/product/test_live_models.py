"""Models as people write them: subclassed ones, several outputs, own layers, and what fit returned as history."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reportgen
from reportgen.errors import InputError
from reportgen.runtime import keras
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any

IMAGES = np.random.default_rng(0).random((40, 12, 12, 1), np.float32)
LABELS = np.arange(40) % 2


@keras.saving.register_keras_serializable(package="tests")
class Doubled(L.Layer):
    """A layer of somebody's own."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


@keras.saving.register_keras_serializable(package="tests")
class Sub(keras.Model):
    """A subclassed model as the tutorials write it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv = L.Conv2D(4, 3, activation="relu", name="conv")
        self.norm, self.drop = L.BatchNormalization(), L.Dropout(0.5)
        self.flat, self.scores = L.Flatten(), L.Dense(2, activation="softmax", name="scores")
        self.calls = self.add_weight(shape=(), name="calls", initializer="zeros", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        self.calls.assign_add(1.0)
        found = self.norm(self.conv(inputs), training=training)
        self.add_loss(keras.ops.mean(found))
        return self.scores(self.drop(keras.ops.relu(self.flat(found)), training=training))


def built(model: Model) -> Model:
    model(IMAGES[:2])
    return model


@pytest.fixture
def painted(tmp_path: Path) -> Callable[..., Any]:
    def call(model: Any, **options: Any) -> Any:
        options = {"out": tmp_path / "report", "formats": ["html"], "examples": 2, "shifts": "none"} | options
        return reportgen.report(model, (IMAGES, LABELS), **options)

    return call


@pytest.fixture
def report(painted: Callable[..., Any], unpainted: None) -> Callable[..., Any]:
    """Return the same, for tests that do not look at the page."""
    return painted


def refused(report: Callable[..., Any], model: Any, *parts: object, **options: Any) -> None:
    with pytest.raises(InputError) as caught:
        report(model, **options)
    assert_one_line(caught.value, *parts)


# Subclassed models


def test_a_subclassed_model_is_looked_into_and_stays_as_it_was(painted: Callable[..., Any]) -> None:
    model = built(Sub(name="mine"))
    answers = model.predict(IMAGES, verbose=0)
    weights = [w.copy() for w in model.get_weights()]
    found = painted(model, shifts="short")
    assert found["model"]["name"] == "mine"
    assert [row["name"] for row in found["model"]["layers"] if row["analysed"]] == ["conv", "scores"]
    assert {unit["layer"] for unit in found["units"]} == {"conv", "scores"}
    accuracy = (answers.argmax(axis=1) == LABELS).mean()
    assert found["evaluation"]["test"]["accuracy"] == pytest.approx(accuracy)
    # nothing of it has changed: no weight (not even its counter of calls), no node on a layer, its own call
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert all(not layer._inbound_nodes and not layer._outbound_nodes for layer in model.layers)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), answers, rtol=1e-5)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(IMAGES, LABELS, verbose=0)
    assert painted(model)["units"]  # and once more


def test_weights_that_are_the_models_own_are_counted_and_told(painted: Callable[..., Any], tmp_path: Path) -> None:
    class Own(Sub):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.scale = self.add_weight(shape=(7,), name="scale", initializer="ones")
            self.unused = L.Dense(5)
            self.unused.build((None, 3))

        def call(self, inputs: Any, training: bool = False) -> Any:
            return self.scale[0] * super().call(inputs, training=training)

    model = built(Own())
    found = painted(model)["model"]
    assert (found["total_params"], found["unlisted_params"]) == (model.count_params(), 1 + 7 + 20)
    assert found["trainable_params"] == sum(weight.numpy().size for weight in model.trainable_weights)
    assert sum(row["params"] for row in found["layers"]) + found["unlisted_params"] == found["total_params"]
    told = 'In no row: the model&#39;s own, or of layers without a part in inference</th><td class="n">28<'
    assert told in (tmp_path / "report" / "report.html").read_text()


def test_a_model_all_of_layers_has_a_row_for_every_parameter(painted: Callable[..., Any], tmp_path: Path) -> None:
    found = painted(two_headed(False), output="a")["model"]
    assert found["unlisted_params"] == 0 and found["total_params"] == sum(row["params"] for row in found["layers"])
    assert "In no row" not in (tmp_path / "report" / "report.html").read_text()


def test_the_advice_about_a_file_of_a_subclassed_model_is_true(report: Callable[..., Any], tmp_path: Path) -> None:
    model = built(Sub(name="mine"))
    model.save(tmp_path / "mine.keras")
    refused(report, tmp_path / "mine.keras", "the class Sub", "hand the live model to reportgen.report()")
    loaded = keras.models.load_model(tmp_path / "mine.keras")
    assert report(loaded)["model"]["name"] == loaded.name


def test_a_subclassed_model_with_parts_that_are_models(report: Callable[..., Any]) -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="two")
            given = keras.Input((12, 12, 1))
            self.conv = L.Conv2D(3, 3, activation="relu", name="conv")
            self.body = keras.Model(given, L.Flatten()(self.conv(given)), name="body")
            self.head = L.Dense(2, activation="softmax", name="scores")

        def call(self, inputs: Any) -> Any:
            return self.head(self.body(inputs))

    model = built(Two())
    output = model.conv.output
    found = report(model)
    assert [row["name"] for row in found["model"]["layers"] if row["analysed"]] == ["body/conv", "scores"]
    assert model.conv.output is output and not model.body._inbound_nodes


def test_a_subclassed_model_that_flattens_takes_its_own_shape(report: Callable[..., Any]) -> None:
    class Flat(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="flat")
            self.hidden, self.scores = L.Dense(5, activation="relu"), L.Dense(2, activation="softmax")

        def call(self, inputs: Any) -> Any:
            return self.scores(self.hidden(inputs))

    model = Flat()
    model(IMAGES.reshape(40, 144))
    assert "long vector" in report(model)["data"]["pixels"]


def test_a_model_without_a_graph_is_refused_and_its_advice_works(report: Callable[..., Any]) -> None:
    class Native(keras.Model):
        def __init__(self, rectify: Callable[[Any], Any]) -> None:
            super().__init__(name="native")
            self.conv, self.flat, self.scores = L.Conv2D(3, 3), L.Flatten(), L.Dense(2, activation="softmax")
            self.rectify = rectify

        def call(self, inputs: Any) -> Any:
            return self.scores(self.flat(self.rectify(self.conv(inputs))))

    from reportgen.runtime import tf

    refused(report, built(Native(tf.nn.relu)), "the class Native", "keras.ops", "keras.Model(inputs, outputs)")
    assert report(built(Native(keras.ops.relu)))["units"]


def test_a_model_that_was_never_called_is_refused(report: Callable[..., Any]) -> None:
    refused(report, Sub(), "never built", "train it")


def test_a_callback_takes_a_subclassed_model_that_only_fit_builds(tmp_path: Path) -> None:
    model = Sub(name="mine")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = reportgen.ReportCallback((IMAGES, LABELS), out=tmp_path / "made", formats=["html"], examples=2)
    model.fit(IMAGES, LABELS, epochs=2, verbose=0, callbacks=[callback])
    assert callback.error is None
    assert callback.report["history"]["epochs"] == [1, 2]
    assert callback.report["deaths"]["epochs"] == [0, 1, 2]
    assert not any(layer._inbound_nodes for layer in model.layers)


# Several outputs


def two_headed(as_dict: bool) -> Model:
    given = keras.Input((12, 12, 1))
    found = L.Flatten()(L.Conv2D(3, 3, activation="relu", name="conv")(given))
    heads = {"parity": L.Dense(2, activation="softmax", name="a")(found), "size": L.Dense(3, name="b")(found)}
    return keras.Model(given, heads if as_dict else list(heads.values()), name="heads")


@pytest.mark.parametrize("output", ["parity", "0", 0])
def test_one_of_several_outputs_is_chosen(report: Callable[..., Any], tmp_path: Path, output: str | int) -> None:
    two_headed(True).save(tmp_path / "heads.keras")
    found = report(tmp_path / "heads.keras", output=output)
    assert [row["name"] for row in found["model"]["layers"] if row["analysed"]] == ["conv", "a"]
    assert found["model"]["name"] == "heads"
    assert f"--output {output}" in found["provenance"]["command"]


def test_several_outputs_are_named_and_the_advice_works(report: Callable[..., Any]) -> None:
    model = two_headed(True)
    refused(report, model, "2 outputs", "0 (parity)", "1 (size)", "--output parity")
    assert report(model, output="parity")["units"]
    refused(report, two_headed(False), "0 (a)", "1 (b)", "--output a")
    assert report(two_headed(False), output="a")["units"]
    refused(report, model, "'colour'", "0 (parity), 1 (size)", output="colour")
    refused(report, model, "'2'", output="2")
    refused(report, built(Sub()), "'colour'", output="colour")


def test_several_inputs_stay_refused(report: Callable[..., Any]) -> None:
    given = [keras.Input((12, 12, 1)), keras.Input((12, 12, 1))]
    model = keras.Model(given, L.Dense(2)(L.Flatten()(L.Add()(given))))
    refused(report, model, "2 inputs", "one of each")


# Layers of somebody's own


def test_layers_of_ones_own_live(report: Callable[..., Any], tmp_path: Path) -> None:
    model = keras.Sequential(
        [L.Input((12, 12, 1)), L.Conv2D(3, 3, name="conv"), Doubled(name="own"), L.Flatten(), L.Dense(2)], name="net"
    )
    rows = {row["name"]: row for row in report(model)["model"]["layers"]}
    assert rows["conv"]["analysed"] and "Doubled" in rows["own"]["reason"]
    model.save(tmp_path / "own.keras")
    refused(report, tmp_path / "own.keras", "Doubled")
    loaded = keras.models.load_model(tmp_path / "own.keras")  # registered, so the live model is to be had
    assert report(loaded)["model"]["layers"] == list(rows.values())


# History


def test_the_history_that_is_given_wins(report: Callable[..., Any], tmp_path: Path) -> None:
    model = built(Sub(name="mine"))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fitted = model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    model.fit(IMAGES, LABELS, epochs=1, verbose=0)
    assert len(report(model)["history"]["epochs"]) == 1
    for history in (fitted, fitted.history):
        found = report(model, history=history)["history"]
        assert found["metrics"]["loss"] == pytest.approx(fitted.history["loss"])
        assert "given" in found["source"]
    net = keras.Sequential([L.Input((12, 12, 1)), L.Flatten(), L.Dense(2, activation="softmax")], name="net")
    net.save(tmp_path / "net.keras")
    (tmp_path / "history.json").write_text(json.dumps({"loss": [9.0]}))
    series = {"loss": np.array([3.0, 2.0], np.float32), "val_loss": [2.5, 1.5]}
    assert report(tmp_path / "net.keras")["history"]["metrics"] == {"loss": [9.0]}
    assert report(tmp_path / "net.keras", history=series)["history"]["metrics"]["loss"] == [3.0, 2.0]


@pytest.mark.parametrize("history", [7, "history.json", {"loss": 0.5}, {"loss": ["low"]}, [0.5]])
def test_what_is_no_history_is_refused(report: Callable[..., Any], history: object) -> None:
    refused(report, built(Sub()), "history ", "what fit returned", history=history)


@pytest.mark.parametrize("name", ["\x1b[31m\u202econv", "<script>" + "x" * 10_000, "畳み込み", "a b"])
def test_a_name_that_tensorflow_runs_no_layer_of_is_refused_and_renamed_it_is_read(
    report: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    model = keras.Sequential([L.Input((12, 12, 1)), L.Conv2D(2, 3, name=name), L.Flatten(), L.Dense(2)])
    refused(report, model, "TensorFlow runs no layer of the name", "layer.name = 'conv_1'", "save the model again")
    assert keras.Variable(0.0, name="later").path == "later"  # Keras itself would put the refused name in front of it
    model.layers[0].name = "conv_1"
    assert "conv_1" in [layer["name"] for layer in report(model)["model"]["layers"]]
    model.save(tmp_path / "x.keras")
    assert "conv_1" in [layer["name"] for layer in report(tmp_path / "x.keras")["model"]["layers"]]

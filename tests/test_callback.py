"""The callback for `fit`: the report at its end, since when units are dead, and that it never costs the training."""

import importlib
import inspect
import itertools
import json
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reportgen
from reportgen.errors import InputError, SurroundingsError
from reportgen.options import Bounds
from reportgen.record.training import Deaths
from reportgen.runtime import keras
from tests import ROOT
from tests.helpers.builders import assert_one_line
from tests.helpers.passes import answers

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any

DIGITS = np.load(Path(reportgen.__file__).parent / "digits" / "sample.npz")
IMAGES, LABELS = DIGITS["x_train"][:300].reshape(-1, 28, 28, 1), DIGITS["y_train"][:300]
TEST = {"x_test": DIGITS["x_test"][:150], "y_test": DIGITS["y_test"][:150]}
SEEN = TEST["x_test"].reshape(-1, 28, 28, 1) / np.float32(255)
TOO_FAST = 1.5
"""A learning rate at which most units of the net below die, some at once and some later, and some come back."""


def net(rate: float = 0.01, optimizer: Any = None) -> Model:
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [
            L.Input((28, 28, 1)),
            L.Conv2D(6, 5, strides=3, activation="relu", name="conv"),
            L.Dropout(0.2),
            L.Flatten(),
            L.Dense(24, activation="relu", name="hidden"),
            L.Dense(10, activation="softmax", name="scores"),
        ],
        name="net",
    )
    model.compile(optimizer or keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: Model, *callbacks: Any, epochs: int = 2, **options: Any) -> Any:
    return model.fit(IMAGES / 255, LABELS, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


@pytest.fixture
def callback(tmp_path: Path, unmeasured: None) -> Callable[..., Any]:
    """Return ReportCallback on the test digits, writing a blank page alone to a folder of the test's own."""

    def make(data: Any = TEST, **options: Any) -> Any:
        usual = {"out": tmp_path / "report", "formats": ["html"], "shifts": "none"}
        return reportgen.ReportCallback(data, **usual | options)

    return make


class SlowCount(keras.callbacks.Callback):
    """Counts dead units with a model cut off behind each layer, before the first epoch and after each."""

    def __init__(self, images: Any) -> None:
        super().__init__()
        self.images = images
        self.dead: dict[str, list[set[int]]] = {"conv": [], "hidden": []}

    def count(self) -> None:
        for name, found in self.dead.items():
            cut = keras.Model(self.model.inputs[0], self.model.get_layer(name).output)
            values = answers(cut, self.images)
            peaks = values.reshape(-1, values.shape[-1]).max(axis=0)
            found.append(set(np.flatnonzero(peaks <= 0).tolist()))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            self.count()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.count()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SlowCount, Any]:
    """Return the callback, the slow count and the History of a training whose learning rate is far too large."""
    out = tmp_path_factory.mktemp("killed") / "report"
    made, slow = reportgen.ReportCallback(TEST, out=out, formats=["html"]), SlowCount(SEEN)
    history = fit(net(TOO_FAST), slow, made, epochs=4)
    assert made.error is None
    return made, slow, history


# -- dead units -------------------------------------------------------------------------------------------------------


def test_deaths_are_those_that_a_slow_count_finds(killed: tuple[Any, SlowCount, Any]) -> None:
    made, slow, _ = killed
    deaths = made.report["deaths"]
    assert deaths["epochs"] == [0, 1, 2, 3, 4]
    assert (deaths["images"], deaths["part"], deaths["weights_of"]) == (150, "test", 4)
    assert [(layer["layer"], layer["units"]) for layer in deaths["layers"]] == [("conv", 6), ("hidden", 24)]
    for layer in deaths["layers"]:
        dead = slow.dead[layer["layer"]]
        assert layer["dead"] == [len(units) for units in dead]
        assert max(layer["dead"]) > 0, "nothing died, so nothing was tried"
        expected = {unit: next(n for n in range(5) if all(unit in later for later in dead[n:])) for unit in dead[-1]}
        assert {unit: died["epoch"] for died in layer["since"] for unit in died["units"]} == expected


def test_some_came_back_and_some_died_later(killed: tuple[Any, SlowCount, Any]) -> None:
    """Else the test above would pass with a count that only looks once."""
    dead = killed[1].dead["hidden"]
    assert any(before - after for before, after in itertools.pairwise(dead))
    assert len({len(units) for units in dead}) > 2


def test_the_dead_of_the_last_count_are_those_that_the_report_judges_dead(killed: tuple[Any, SlowCount, Any]) -> None:
    """Where all images are watched, the two are the same units."""
    report = killed[0].report
    judged = {(unit["layer"], unit["unit"]) for unit in report["units"] if unit["state"] == "dead"}
    layers = report["deaths"]["layers"]
    since = {(layer["layer"], unit) for layer in layers for died in layer["since"] for unit in died["units"]}
    assert judged == since


def test_the_page_has_the_chart_and_says_since_when(killed: tuple[Any, SlowCount, Any]) -> None:
    page = (killed[0].report.folder / "report.html").read_text()
    assert 'id="deaths-1"' in page and 'id="deaths-2"' in page
    assert "units are dead now: " in page
    assert "dead since epoch " in page or "dead since before the training" in page


def test_that_many_died_at_once_is_a_finding(killed: tuple[Any, SlowCount, Any]) -> None:
    codes = [finding["code"] for finding in killed[0].report["findings"]]
    assert "died-at-once" in codes


def test_the_history_is_that_of_fit(killed: tuple[Any, SlowCount, Any]) -> None:
    made, _, history = killed
    stored = made.report["history"]
    assert stored["epochs"] == [1, 2, 3, 4]
    assert stored["metrics"]["loss"] == pytest.approx(history.history["loss"])
    assert made.report["model"]["origin"] == "live"


def test_as_many_images_are_watched_as_asked_for(callback: Callable[..., Any]) -> None:
    """A part sorted by class: the images watched have to be of all classes."""
    order = np.argsort(TEST["y_test"], kind="stable")
    made = callback({name: values[order] for name, values in TEST.items()}, watch=10)
    slow = SlowCount(SEEN[order][[15 * n for n in range(10)]])
    fit(net(TOO_FAST), slow, made)
    deaths = made.report["deaths"]
    assert deaths["images"] == 10
    assert [layer["dead"] for layer in deaths["layers"]] == [list(map(len, dead)) for dead in slow.dead.values()]


def test_without_watching_there_is_a_report_without_deaths(callback: Callable[..., Any]) -> None:
    made = callback(watch=0)
    fit(net(), made, epochs=1)
    assert made.report["deaths"] is None


def test_other_activations_are_counted_as_they_are_judged(callback: Callable[..., Any]) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            L.Input((28, 28, 1)),
            L.Flatten(),
            L.Dense(4, activation="tanh", name="tanh"),
            L.Dense(4, name="linear"),
            L.Dense(4, activation="leaky_relu", name="leaky"),
            L.Dense(4, activation="sigmoid", name="sigmoid"),
            L.Dense(10, activation="softmax", name="scores"),
        ]
    )
    for layer in model.layers[1:-1]:
        kernel, bias = layer.get_weights()
        kernel[:, 0], bias[0] = 0, -1  # never 0; behind the leaky one always -0.2, which is passed on
        kernel[:, 1], bias[1] = 0, 0  # always 0, of a sigmoid 0.5
        kernel[:, 2:] *= 0.1
        bias[2:] = 5
        layer.set_weights([kernel, bias])
        layer.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    made = callback()
    fit(model, made, epochs=1)
    found = {
        layer["layer"]: [unit for died in layer["since"] for unit in died["units"]]
        for layer in made.report["deaths"]["layers"]
    }
    assert found == {"tanh": [1], "linear": [1], "leaky": [1], "sigmoid": []}
    judged = [(unit["layer"], unit["unit"]) for unit in made.report["units"] if unit["state"] == "dead"]
    assert judged == [(name, unit) for name, units in found.items() for unit in units]


# -- the training -----------------------------------------------------------------------------------------------------


def test_the_training_is_the_same_with_the_callback_and_without(callback: Callable[..., Any]) -> None:
    plain = net(optimizer="adam")
    before = fit(plain).history
    watched = net(optimizer="adam")
    after = fit(watched, callback()).history
    assert before == after
    assert all(map(np.array_equal, plain.get_weights(), watched.get_weights()))


def test_a_user_s_settings_of_keras_stay_as_they_are() -> None:
    """Where Keras was there before reportgen needs it, as in any notebook."""
    from reportgen import runtime

    before = keras.config.floatx(), keras.config.image_data_format()
    try:
        keras.config.set_floatx("float64")
        keras.config.set_image_data_format("channels_first")
        importlib.reload(runtime)
        assert (keras.config.floatx(), keras.config.image_data_format()) == ("float64", "channels_first")
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_image_data_format(before[1])


def test_best_weights_that_are_brought_back_are_the_ones_reported(callback: Callable[..., Any]) -> None:
    class Worse(keras.callbacks.Callback):
        """Makes epoch 1 the best."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_loss"] = 1.0 + epoch

    made, slow = callback(), SlowCount(SEEN)
    best = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    fit(net(TOO_FAST), Worse(), best, slow, made, epochs=6, validation_data=(SEEN, TEST["y_test"]))
    deaths = made.report["deaths"]
    assert (deaths["epochs"], deaths["weights_of"]) == ([0, 1, 2, 3], 1)
    for layer in deaths["layers"]:
        dead = slow.dead[layer["layer"]]
        assert {unit for died in layer["since"] for unit in died["units"]} == dead[1]
        assert {unit for died in layer["since"] if died["epoch"] == 0 for unit in died["units"]} == dead[0] & dead[1]


def test_weights_of_no_epoch_are_told_apart(callback: Callable[..., Any]) -> None:
    made = callback()
    fit(net(TOO_FAST, keras.optimizers.SGD(TOO_FAST, use_ema=True, ema_momentum=0.5)), made, epochs=2)
    assert made.report["deaths"]["weights_of"] is None
    assert made.report["deaths"]["epochs"] == [0, 1, 2]


def test_each_fit_has_a_report_of_its_own_epochs(callback: Callable[..., Any]) -> None:
    model, made = net(), callback()
    fit(model, made, epochs=2)
    first = made.report
    fit(model, made, epochs=3, initial_epoch=2)
    assert made.report is not first
    assert made.report["deaths"]["epochs"] == [2, 3]
    assert made.report["history"]["epochs"] == [3]
    assert made.report["history"]["best_epoch"] == 3


def test_an_interrupted_fit_can_still_be_reported_on(callback: Callable[..., Any]) -> None:
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    made = callback()
    with pytest.raises(KeyboardInterrupt):
        fit(net(), made, Interrupt(), epochs=3)
    assert made.report is None
    report = made.write()
    assert report is made.report
    assert (report["deaths"]["epochs"], report["history"]["epochs"]) == ([0, 1], [1])


def test_before_any_fit_there_is_nothing_to_write(callback: Callable[..., Any]) -> None:
    with pytest.raises(InputError) as caught:
        callback().write()
    assert_one_line(caught.value, "fit")


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"watch": -1}, "watch"),
        ({"watch": True}, "watch"),
        ({"examples": 0}, "--examples"),
        ({"formats": "html"}, "--formats"),
        ({"lang": "xx"}, "--lang"),
        ({"out": __file__}, __file__),
    ],
)
def test_a_wrong_call_is_refused_at_once(callback: Callable[..., Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        callback(**options)
    assert_one_line(caught.value, said)


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        ({"x_test": TEST["x_test"][:, :14], "y_test": TEST["y_test"]}, {}, "14x28"),
        ({"x_test": TEST["x_test"]}, {}, "y_test"),
        ("/nowhere.npz", {}, "/nowhere.npz"),
        (TEST, {"baseline": "/nowhere"}, "/nowhere"),
        (TEST, {"analyse": "train"}, "train"),
    ],
    ids=["shape", "labels", "path", "baseline", "part"],
)
def test_what_no_report_can_be_made_of_is_refused_before_the_first_epoch(
    callback: Callable[..., Any], data: Any, options: dict[str, Any], said: str
) -> None:
    model = net()
    before = model.get_weights()
    with pytest.raises(InputError) as caught:
        fit(model, callback(data, **options))
    assert_one_line(caught.value, said)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_model_that_no_report_can_be_made_of_is_refused_before_the_first_epoch(callback: Callable[..., Any]) -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.dense = L.Flatten(), L.Dense(10, activation="softmax")

        def call(self, images: Any) -> Any:
            return self.dense(self.flat(images)) if float(keras.ops.max(images)) >= 0 else images

    model = Own()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(InputError) as caught:
        fit(model, callback())
    assert_one_line(caught.value, "Own")


def test_a_report_that_fails_is_a_warning_and_the_model_is_trained(
    callback: Callable[..., Any], tmp_path: Path
) -> None:
    """Somebody lays a file of their own into the folder while the training goes on."""

    class Litter(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            (tmp_path / "report").mkdir()
            (tmp_path / "report" / "mine.txt").write_text("mine", encoding="utf-8")

    made = callback()
    with pytest.warns(UserWarning, match=r"reportgen: the model is trained, but no report was written: .*mine\.txt"):
        history = fit(net(), Litter(), made, epochs=1)
    assert len(history.history["loss"]) == 1
    assert made.report is None
    assert isinstance(made.error, InputError)
    (tmp_path / "report" / "mine.txt").unlink()
    assert made.write() is made.report
    assert made.error is None


def test_a_model_that_answers_nan_is_a_warning(callback: Callable[..., Any]) -> None:
    made = callback()
    stop = keras.callbacks.TerminateOnNaN()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(net(1e30), stop, made, epochs=2)
    assert made.report is None
    assert_one_line(made.error, "NaN")
    assert any("no report was written" in str(warning.message) for warning in caught)


def test_when_counting_fails_the_training_and_the_report_go_on(
    callback: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.analysis.activations import dead_history

    def fail(self: Any, epoch: int) -> None:
        if epoch == 1:
            raise MemoryError("no room")

    monkeypatch.setattr(dead_history.Watch, "count", fail)
    made = callback()
    with pytest.warns(UserWarning, match="dead units are no longer counted: MemoryError: no room"):
        history = fit(net(), made, epochs=2)
    assert len(history.history["loss"]) == 2
    assert made.report["deaths"] is None


def test_without_what_makes_a_pdf_fit_begins_only_if_more_was_asked_for(
    callback: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.render.pdf.printer import Printer

    def fail(self: Any) -> None:
        raise SurroundingsError("Pango is missing", "install it")

    monkeypatch.setattr(Printer, "check", fail)
    with pytest.raises(SurroundingsError):
        fit(net(), callback(formats=["pdf"]))
    made = callback(formats=["html", "pdf"])
    fit(net(), made, epochs=1)
    assert "report.html" in made.report.files and "report.pdf" not in made.report.files
    assert [str(problem) for problem in made.report.problems] == ["Pango is missing; install it"]


# -- the built-in training --------------------------------------------------------------------------------------------


def test_the_built_in_training_counts_the_same_way(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())
    deaths = found["deaths"]
    assert (deaths["epochs"], deaths["weights_of"]) == ([0, 1, 2], 2)
    assert (deaths["images"], deaths["part"]) == (1000, "test")
    assert [layer["layer"] for layer in deaths["layers"]] == ["conv2d", "conv2d_1", "dense"]
    dead = {layer["name"]: layer["states"].get("dead", 0) for layer in found["layers"]}
    assert [layer["dead"][-1] for layer in deaths["layers"]] == [dead[layer["layer"]] for layer in deaths["layers"]]


# -- what a user writes -----------------------------------------------------------------------------------------------


def test_the_example_for_notebooks_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of it, as it stands in the help and in docs/python.md."""
    documentation = inspect.getdoc(reportgen.ReportCallback)
    assert documentation is not None
    _, _, rest = documentation.partition("In a notebook:\n\n")
    lines = rest.splitlines()
    end = next(n for n, line in enumerate(lines) if line and not line.startswith(" "))
    example = textwrap.dedent("\n".join(lines[:end]))
    assert example.strip() in (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert "epochs=5," in example
    exec(example.replace("epochs=5,", "epochs=1, verbose=0,"), names)
    assert example.rstrip().splitlines()[-1].split()[0] == "callback.report"
    assert "<iframe" in names["callback"].report._repr_html_()
    assert names["callback"].report["deaths"]["epochs"] == [0, 1]
    assert (tmp_path / "digits.html").stat().st_size == names["callback"].report.files["report.html"]


def test_the_callback_takes_the_options_of_report() -> None:
    """All that are not about a training of reportgen's own or a model file, with the same defaults."""
    own = inspect.signature(reportgen.report).parameters
    callback = inspect.signature(reportgen.ReportCallback).parameters
    assert set(own) - set(callback) == {
        *("model", "epochs", "batch_size", "patience", "validation_split", "history"),
        *Bounds.__dataclass_fields__,
    }
    assert set(callback) - set(own) == {"watch"}
    shared = set(own) & set(callback) - {"data"}
    assert {name: own[name].default for name in shared} == {name: callback[name].default for name in shared}


def test_deaths_are_the_keys_that_are_promised(killed: tuple[Any, SlowCount, Any]) -> None:
    deaths = killed[0].report["deaths"]
    assert set(deaths) == set(Deaths.__dataclass_fields__) == {"images", "part", "epochs", "weights_of", "layers"}
    assert set(deaths["layers"][0]) == {"layer", "units", "dead", "since"}
    assert set(deaths["layers"][1]["since"][0]) == {"epoch", "units"}

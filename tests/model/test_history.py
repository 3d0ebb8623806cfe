"""Histories found beside a model, and the errors for files that are none."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reportgen.i18n import Text, text
from reportgen.model import history
from tests.helpers.builders import make_scores, modules_after

SHA = "a" * 64
ORDER = [
    "report.json",
    "net.history.json",
    "history.json",
    "net.csv",
    "history.csv",
    "training.csv",
    "training.log",
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The path of a model file in a folder of its own."""
    path = tmp_path / "net.keras"
    path.write_bytes(b"")
    return path


def put(model: Path, name: str, content: str | bytes) -> Path:
    path = model.with_name(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def report(**changes: Any) -> str:
    """Return the part of a report.json that tells which model it is about and how it was trained."""
    found = {
        "schema": "reportgen/1",
        "made_at": "2026-11-24T16:00:00Z",
        "provenance": {"model_sha256": SHA},
        "history": {
            "epochs": [1, 2],
            "metrics": {"loss": [0.5, 0.25]},
            "seconds": [1.0, 1.0],
            "best_epoch": 2,
            "stopped_early": True,
            "source": "this run",
        },
    }
    return json.dumps(found | changes)


def in_format(name: str, loss: float) -> str:
    """Return a history of one epoch as the file `name` would hold it."""
    if name == "report.json":
        return report(history={"epochs": [1], "metrics": {"loss": [loss]}, "stopped_early": False})
    return json.dumps({"loss": [loss]}) if name.endswith(".json") else f"epoch,loss\n0,{loss}\n"


def test_reading_a_history_needs_no_tensorflow() -> None:
    assert not {"tensorflow", "keras"} & modules_after("import reportgen.model.history")


# What Keras hands over


def test_epochs_count_from_one() -> None:
    assert history.from_metrics({"loss": [3.0, 2.0]}, source="this run").epochs == [1, 2]


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        pytest.param({"loss": [3.0, 1.0, 2.0]}, 2, id="training loss"),
        pytest.param({"loss": [3.0, 2.0], "val_loss": [1.0, 2.0]}, 1, id="validation loss goes first"),
        pytest.param({"loss": [1.0, 1.0]}, 1, id="first of equals"),
        pytest.param({"loss": [math.nan, 2.0, 1.5]}, 3, id="not a number"),
        pytest.param({"loss": [math.nan]}, None, id="none known"),
        pytest.param({"accuracy": [0.5, 0.75]}, None, id="no loss"),
    ],
)
def test_the_best_epoch_has_the_lowest_loss(metrics: dict[str, list[float]], best: int | None) -> None:
    assert history.from_metrics(metrics, source="this run").best_epoch == best


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_value_that_is_no_number_is_none(value: float | None) -> None:
    assert history.from_metrics({"loss": [value, 1.0]}, source="x").metrics == {"loss": [None, 1.0]}


def test_seconds_are_none_for_every_epoch_where_nobody_measured() -> None:
    assert history.from_metrics({"loss": [3.0, 2.0]}, source="x").seconds == [None, None]


def test_seconds_and_stopping_are_kept_where_they_are_known() -> None:
    found = history.from_metrics({"loss": [3.0, 2.0]}, source="x", seconds=[4.0, 5.0], stopped_early=True)
    assert (found.seconds, found.stopped_early, found.source) == ([4.0, 5.0], True, "x")


def test_a_live_model_knows_its_last_fit() -> None:
    model = SimpleNamespace(history=SimpleNamespace(history={"loss": [2.0, 1.0]}))
    found = history.of_live(model)
    assert (found.metrics, found.epochs, found.best_epoch) == ({"loss": [2.0, 1.0]}, [1, 2], 2)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(SimpleNamespace(), id="never trained"),
        pytest.param(SimpleNamespace(history=None), id="loaded"),
        pytest.param(SimpleNamespace(history=SimpleNamespace(history={})), id="trained for no epoch"),
    ],
)
def test_a_live_model_that_was_not_trained_here_has_no_history(model: object) -> None:
    assert history.of_live(model) is None


# Files beside a model


def test_a_model_alone_has_no_history(model: Path) -> None:
    assert history.beside(model, SHA) is None


@pytest.mark.parametrize("name", ["net.history.json", "history.json"])
@pytest.mark.parametrize(
    "content",
    [
        '{"loss": [0.5, 0.25], "accuracy": [1, 0]}',
        '{"history": {"loss": [0.5, 0.25], "accuracy": [1, 0]}}',
    ],
    ids=["bare", "under history"],
)
def test_json_is_a_list_of_numbers_by_name(model: Path, name: str, content: str) -> None:
    put(model, name, content)
    found = history.beside(model, SHA)
    assert found.metrics == {"loss": [0.5, 0.25], "accuracy": [1.0, 0.0]}
    assert (found.epochs, found.source, found.stopped_early) == ([1, 2], name, None)


@pytest.mark.parametrize("missing", ["null", "NaN", "Infinity"])
def test_json_may_lack_a_value(model: Path, missing: str) -> None:
    put(model, "history.json", f'{{"loss": [0.5, {missing}]}}')
    assert history.beside(model, SHA).metrics == {"loss": [0.5, None]}


@pytest.mark.parametrize("name", ["net.csv", "history.csv", "training.csv", "training.log"])
def test_a_table_of_csvlogger_is_read_without_its_epoch_column(model: Path, name: str) -> None:
    put(model, name, "epoch,accuracy,loss,val_loss\n0,0.5,1.5,1.25\n1,0.75,1.0,1e-3\n")
    found = history.beside(model, SHA)
    assert found.metrics == {"accuracy": [0.5, 0.75], "loss": [1.5, 1.0], "val_loss": [1.25, 0.001]}
    assert (found.epochs, found.source, found.best_epoch) == ([1, 2], name, 2)


@pytest.mark.parametrize("missing", ["NA", "nan", "", "inf"])
def test_a_table_may_lack_a_value(model: Path, missing: str) -> None:
    put(model, "training.log", f"epoch,loss,val_loss\n0,1.5,{missing}\n1,1.0,0.5\n")
    assert history.beside(model, SHA).metrics == {"loss": [1.5, 1.0], "val_loss": [None, 0.5]}


def test_a_table_may_have_the_line_ends_of_windows(model: Path) -> None:
    put(model, "training.log", "epoch,loss\r\n0,1.5\r\n1,1.0\r\n")
    assert history.beside(model, SHA).metrics == {"loss": [1.5, 1.0]}


def test_a_table_may_begin_with_the_mark_of_a_spreadsheet(model: Path) -> None:
    put(model, "training.log", "\ufeffepoch,loss\n0,1.5\n1,1.0\n")
    assert history.beside(model, SHA).metrics == {"loss": [1.5, 1.0]}


def test_numbers_continue_where_a_training_was_taken_up_again(model: Path) -> None:
    put(model, "training.log", "epoch,loss\n0,1.5\n1,1.0\n0,0.5\n")
    assert history.beside(model, SHA).epochs == [1, 2, 3]


def test_a_report_about_this_model_is_its_history(model: Path) -> None:
    put(model, "report.json", report())
    found = history.beside(model, SHA)
    assert found.metrics == {"loss": [0.5, 0.25]}
    assert (found.best_epoch, found.stopped_early) == (2, True)
    assert "2026-11-24T16:00:00Z" in found.source


@pytest.mark.parametrize("first", range(len(ORDER)), ids=ORDER)
def test_of_several_files_the_more_particular_one_counts(model: Path, first: int) -> None:
    for n, name in enumerate(ORDER[first:], first + 1):
        put(model, name, in_format(name, float(n)))
    assert history.beside(model, SHA).metrics == {"loss": [first + 1.0]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(report(provenance={"model_sha256": "b" * 64}), id="another model"),
        pytest.param(report(provenance={"model_sha256": None}), id="no hash"),
        pytest.param(report(provenance={}), id="no key of a hash"),
        pytest.param(report(history=None), id="no history"),
        pytest.param(report(history={"metrics": {"loss": ["a"]}, "stopped_early": None}), id="text"),
        pytest.param(report(history=[1, 2]), id="list"),
        pytest.param('{"some": "other tool"}', id="foreign"),
        pytest.param("[1, 2]", id="array"),
        pytest.param("null", id="null"),
        pytest.param("no json", id="no json"),
        pytest.param("", id="empty"),
    ],
)
def test_a_report_that_does_not_tell_about_this_model_is_passed_over(model: Path, content: str) -> None:
    put(model, "report.json", content)
    assert history.beside(model, SHA) is None
    put(model, "history.json", '{"loss": [7.0]}')
    assert history.beside(model, SHA).metrics == {"loss": [7.0]}


def test_the_history_of_another_model_is_passed_over(model: Path) -> None:
    put(model, "other.history.json", '{"loss": [1.0]}')
    put(model, "other.csv", "epoch,loss\n0,1.5\n")
    assert history.beside(model, SHA) is None


# Files that are no history


@pytest.mark.parametrize("name", ["net.history.json", "history.json"])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param("", "no readable JSON", id="empty"),
        pytest.param('{"loss": [0.5', "no readable JSON", id="cut off"),
        pytest.param(b'{"loss\xff": [0.5]}', "no text in UTF-8", id="no text"),
        pytest.param("{}", "no history", id="no names"),
        pytest.param("[0.5, 0.25]", "no history", id="list"),
        pytest.param("null", "no history", id="null"),
        pytest.param('{"history": null}', "no history", id="null under history"),
        pytest.param('{"loss": 0.5}', "'loss'", id="number"),
        pytest.param('{"loss": [0.5, "0.25"]}', "'loss'", id="text"),
        pytest.param('{"loss": [0.5], "flag": [true]}', "'flag'", id="bool"),
        pytest.param('{"loss": [[0.5]]}', "'loss'", id="nested"),
        pytest.param('{"loss": [0.5], "accuracy": [1, 2]}', "[1, 2]", id="unequal"),
        pytest.param('{"loss": [], "accuracy": []}', "[0]", id="no epoch"),
        pytest.param('{"loss": [1' + 400 * "0" + "]}", "", id="giant number"),
        pytest.param("[" * 100_000, "", id="too deep"),
    ],
)
def test_json_that_is_no_history_is_left_out(model: Path, name: str, content: str | bytes, fault: str) -> None:
    put(model, name, content)
    left_out: list[Text] = []
    assert history.beside(model, SHA, left_out) is None
    (sentence,) = left_out
    assert name in sentence and fault in sentence and "\n" not in sentence


@pytest.mark.parametrize("name", ["net.csv", "training.log"])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param("", "no history", id="empty"),
        pytest.param("epoch,loss\n", "no history", id="no epoch"),
        pytest.param("epoch\n0\n", "no history", id="no metric"),
        pytest.param("epoch,loss\n0,low\n", "low", id="text"),
        pytest.param("epoch;loss\n0;low\n", "low", id="semicolons"),
        pytest.param("epoch,loss,accuracy\n0,0.5\n", "no table of numbers", id="short row"),
        pytest.param("epoch,loss\n0,0.5,0.75\n", "no table of numbers", id="long row"),
        pytest.param(b"epoch,loss\n0,\xff\n", "no text in UTF-8", id="no text"),
    ],
)
def test_a_table_that_is_no_history_is_left_out(model: Path, name: str, content: str | bytes, fault: str) -> None:
    put(model, name, content)
    left_out: list[Text] = []
    assert history.beside(model, SHA, left_out) is None
    (sentence,) = left_out
    assert name in sentence and fault in sentence and "\n" not in sentence


def test_the_file_after_one_that_is_left_out_is_read(model: Path) -> None:
    put(model, "history.json", "no json")
    put(model, "training.log", "epoch,loss\n0,1.5\n")
    left_out: list[Text] = []
    assert history.beside(model, SHA, left_out).metrics == {"loss": [1.5]}
    assert ["history.json" in sentence for sentence in left_out] == [True]


# Whether the test split chose the epoch


@pytest.mark.parametrize(
    ("losses", "accuracies", "stopped_early", "chosen"),
    [
        ([0.9, 0.50001, 0.7], [0.5, 5 / 6, 0.6], None, True),  # the weights are of an epoch before the last
        ([0.9, 0.7, 0.50001], [0.5, 0.6, 5 / 6], True, True),
        ([0.9, 0.7, 0.5], [0.5, 0.6, 5 / 6], False, False),
        ([0.9, 0.7, 0.5], [0.5, 0.6, 5 / 6], None, None),
        ([0.9, 0.51, 0.7], [0.5, 5 / 6, 0.6], True, None),  # other images
        ([0.9, 0.5, 0.7], [0.5, 4 / 6, 0.6], True, None),
        ([None, None, 0.5], None, True, True),
    ],
)
def test_a_split_with_the_figures_of_the_validation_chose_the_epoch(
    losses: list[float | None], accuracies: list[float | None] | None, stopped_early: bool | None, chosen: bool | None
) -> None:
    metrics = {"val_loss": losses} | ({"val_accuracy": accuracies} if accuracies else {})
    logged = history.from_metrics(metrics, source=text("a test"), stopped_early=stopped_early)
    assert history.chosen_on_test(logged, make_scores()).chosen_on_test is chosen


def test_without_validation_nothing_is_known_of_it() -> None:
    logged = history.from_metrics({"loss": [0.5]}, source=text("a test"), stopped_early=True)
    assert history.chosen_on_test(logged, make_scores()).chosen_on_test is None


@pytest.mark.parametrize(("planned", "stopped_early"), [(5, True), (2, False), (None, None)])
def test_a_live_model_tells_whether_its_fit_stopped_early(planned: int | None, stopped_early: bool | None) -> None:
    own = SimpleNamespace(history={"loss": [2.0, 1.0]}, epoch=[0, 1], params={"epochs": planned})
    found = history.of_live(SimpleNamespace(history=own))
    assert found is not None and found.stopped_early is stopped_early

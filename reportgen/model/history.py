"""The epochs of a training, from Keras's own figures or from a file beside a loaded model."""

import csv
import io
import json
import math
import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reportgen import files
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.i18n import Text, joined, literal, text
from reportgen.model import earlier
from reportgen.record import key_figures
from reportgen.record.evaluation import Scores
from reportgen.record.training import History

MOST_EPOCHS = 200_000
"""Of a file beside a model; more are no training that anybody looks at."""

_MOST_BYTES = 64 * 2**20
_SAME_LOSS = 1e-4  # Keras adds up its losses in 32 bits and batch by batch
_MOST_METRICS = 100


def from_metrics(
    metrics: Mapping[str, Sequence[float | None]],
    *,
    source: Text,
    seconds: Sequence[float] | None = None,
    stopped_early: bool | None = None,
    first: int = 1,
) -> History:
    """Return a History of `metrics`: name -> one value per epoch, all equally long. first: the first epoch's number."""
    plain = {
        name: [float(value) if value is not None and math.isfinite(value) else None for value in values]
        for name, values in metrics.items()
    }
    count = len(next(iter(plain.values())))
    judged = plain.get("val_loss", plain.get("loss", []))
    known = [(value, epoch) for epoch, value in enumerate(judged, first) if value is not None]
    return History(
        epochs=list(range(first, first + count)),
        metrics=plain,
        seconds=list(seconds) if seconds is not None else [None] * count,
        best_epoch=min(known)[1] if known else None,
        stopped_early=stopped_early,
        source=source,
    )


def chosen_on_test(history: History, test: Scores) -> History:
    """Return the history with whether the test split chose the epoch, as far as its figures show it.

    They do where an epoch's validation loss, and its validation accuracy where there is one, are the test split's: then
    that split was the one to validate on. It chose where the training stopped early, or where the weights are not those
    of the last epoch.
    """
    if history.chosen_on_test is not None or "val_loss" not in history.metrics:
        return history
    accuracies = [history.metrics[name] for name in ("val_accuracy", "val_acc") if name in history.metrics]
    half_an_image = 0.5 * test.accuracy / test.correct if test.correct else 0.0
    same = [
        place
        for place, loss in enumerate(history.metrics["val_loss"])
        if loss is not None
        and math.isclose(loss, test.loss, rel_tol=_SAME_LOSS)
        and all(abs((one[place] or 0.0) - test.accuracy) <= half_an_image for one in accuracies)
    ]
    if not same:
        return history
    last = len(history.epochs) - 1
    return replace(history, chosen_on_test=True if last not in same else history.stopped_early)


def of_live(model: object) -> History | None:
    """Return what the last `fit` of a live Keras model wrote down, None where it was not trained here."""
    own = getattr(model, "history", None)
    logged = getattr(own, "history", None)
    if not isinstance(logged, dict) or not logged:
        return None
    return _logged(logged, own, text("the model's own fit"))


def given(found: object) -> History | None:
    """Return the history that a caller handed over: what `fit` returned, its dict of lists, or a list of epochs.

    None where it is of no epoch. Raises InputError for everything else.
    """
    do = "give what fit returned, or its .history: a list of numbers, one for each epoch, by name"
    logged = getattr(found, "history", found)
    if isinstance(logged, Mapping):
        logged = {name: list(values) if _is_series(values) else values for name, values in logged.items()}
        logged = {name: values for name, values in logged.items() if name != "epoch"}
    if logged == {} or logged == []:
        return None
    try:
        if isinstance(logged, list):
            logged = _by_name(logged)
        if not isinstance(logged, Mapping):
            raise _NoHistory(f"is of the class {type(found).__name__}")
        _check_numbers(logged)
        return _logged(logged, found, text("the history that was given"))
    except _NoHistory as error:
        raise InputError(f"history {error}", do) from error


def _is_series(values: object) -> bool:
    return isinstance(values, Sequence) or getattr(values, "ndim", 0) == 1  # an array of numpy


def _logged(logged: Mapping[str, Sequence[float | None]], own: object, source: Text) -> History:
    """Return a History of what Keras logged, `own` being its History object where there is one."""
    epochs = max(len(values) for values in logged.values())
    whole = {name: values for name, values in logged.items() if len(values) == epochs}
    if missing := sorted(set(logged) - set(whole)):  # validation_freq: Keras does not say for which epochs they stand
        metrics = joined(", ", [short(name) for name in missing])
        source = text("{source} (without {metrics}, not taken after every epoch)", source=source, metrics=metrics)
    counted = getattr(own, "epoch", [])  # from 0; a fit can go on where an earlier one ended
    planned = (getattr(own, "params", None) or {}).get("epochs")
    return from_metrics(
        whole,
        source=source,
        stopped_early=counted[-1] + 1 < planned if counted and planned else None,
        first=counted[0] + 1 if counted else 1,
    )


class _NoHistory(Exception):
    """What stands in a file is no history: a clause about it, without the file's name."""


def beside(model: Path, sha256: str, left_out: list[Text] | None = None) -> History | None:
    """Return the history that lies beside a model file, None where there is none that can be read.

    Looked for, in this order: a report.json about this very model (`sha256`), NAME.history.json, history.json,
    NAME.csv, history.csv, training.csv, training.log, with NAME the model's file name without its ending.
    left_out: takes a sentence about each file that is there but is no history; it never stops a report.
    """
    if history := _from_report(model, sha256):
        return history
    for name in (
        f"{model.stem}.history.json", "history.json", f"{model.stem}.csv", "history.csv", "training.csv", "training.log"
    ):  # fmt: skip
        path = model.with_name(name)
        if not os.path.lexists(path):
            continue
        try:
            return from_metrics(_equal(read(path)), source=literal(name))
        except (_NoHistory, InputError) as error:
            why = error.what.removeprefix(str(path)).strip() if isinstance(error, InputError) else str(error)
            if left_out is not None:
                left_out.append(_sentence(name, why))
    return None


def _sentence(name: str, why: str) -> Text:
    return text(
        "The file {file} beside the model {reason}, so it is not read as the history of its training. Mend or move it;"
        " what keras.callbacks.CSVLogger writes is read, and as JSON what fit returns as its history.",
        file=short(name),
        reason=short(why, 200),
    )


def _from_report(model: Path, sha256: str) -> History | None:
    """Return the history in an earlier report's report.json, if that report is about the same model."""
    try:
        found = earlier.report_on(model, sha256)
        if not found or not (history := found["history"]):
            return None
        source = text("the report on this model made at {time}", time=key_figures.moment(found, "made_at"))
        return from_metrics(_equal(history["metrics"]), source=source, stopped_early=history["stopped_early"])
    except Exception:  # what the look-ups raise
        return None  # some other tool's report.json, or none: not a promise that was broken


def read(path: Path) -> Any:
    """Return what the file of a history holds, numbers by name. Raises InputError, and _NoHistory for what is none."""
    held = files.content(path, _MOST_BYTES)
    try:
        written = held.decode("utf-16" if held.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _NoHistory("is no text in UTF-8") from error
    return _of_json(written) if path.suffix == ".json" else _of_table(written)


def _of_json(written: str) -> Any:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise _NoHistory(f"is no readable JSON ({error})") from error
    found = found.get("history", found) if isinstance(found, dict) else found
    return _by_name(found) if isinstance(found, list) else found


def _by_name(epochs: list[Any]) -> dict[str, list[Any]]:
    """Return a list of epochs, each {name: number}, as a list of numbers by name."""
    if not epochs or not all(isinstance(one, Mapping) for one in epochs):
        raise _NoHistory("holds no history")
    names = dict.fromkeys(name for one in epochs for name in one)
    return {name: [one.get(name) for one in epochs] for name in names}


def _of_table(written: str) -> dict[str, list[float | None]]:
    """Return a table's columns by name. Commas, semicolons and tabs part them, as the first line tells.

    Where it is not the comma that does, numbers may have decimal commas.
    """
    first = written.partition("\n")[0]
    separator = max(",;\t", key=first.count)  # of equals the first, so a single column is read, too
    try:
        rows = list(csv.DictReader(io.StringIO(written, newline=""), delimiter=separator))
        if any(None in row for row in rows):
            raise ValueError("a row with more fields than names")
        return {name: [_number(row[name], separator) for row in rows] for name in (rows[0] if rows else {}) if name}
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise _NoHistory(f"is no table of numbers ({error})") from error


def _number(written: str, separator: str) -> float | None:
    if written.strip() in ("", "NA"):  # CSVLogger writes NA for a metric that an epoch does not have
        return None
    return float(written if separator == "," or "." in written else written.replace(",", "."))


def _equal(found: Any) -> dict[str, list[float | None]]:
    """Return `found` if it is a history: numbers or None by name, equally many for every name."""
    if not isinstance(found, dict) or not (found := {name: one for name, one in found.items() if name != "epoch"}):
        raise _NoHistory("holds no history")
    _check_numbers(found)
    if len(lengths := {len(values) for values in found.values()}) != 1 or lengths == {0}:
        raise _NoHistory(f"has {sorted(lengths)} values under different names")
    if (epochs := lengths.pop()) > MOST_EPOCHS:
        raise _NoHistory(f"has {epochs:,} epochs, more than {MOST_EPOCHS:,}")
    if len(found) > _MOST_METRICS:
        raise _NoHistory(f"has {len(found):,} metrics, more than {_MOST_METRICS}")
    return found


def _check_numbers(found: Mapping[Any, Any]) -> None:
    for name, values in found.items():
        if not isinstance(values, list) or not all(value is None or _is_number(value) for value in values):
            raise _NoHistory(f"has something else than a list of numbers under {short(repr(name))}")
        if not isinstance(name, str):
            raise _NoHistory(f"has the name {short(repr(name))}, which is no text")


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value) if isinstance(value, numbers.Real) else float("no number")
    except (OverflowError, ValueError):  # JSON has integers of any length
        return False
    return True

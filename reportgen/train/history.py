"""The epochs of a training, from Keras's own figures or from a file beside a loaded model."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reportgen import files
from reportgen.errors import InputError
from reportgen.record import History
from reportgen.texts import Text, joined, literal, text
from reportgen.train import earlier

_DO = "mend or move it; expected {name: [a number per epoch]} as JSON, or a table by keras.callbacks.CSVLogger"


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


def of_live(model: object) -> History | None:
    """Return what the last `fit` of a live Keras model wrote down, None where it was not trained here."""
    own = getattr(model, "history", None)
    logged = getattr(own, "history", None)
    if not isinstance(logged, dict) or not logged:
        return None
    epochs = max(len(values) for values in logged.values())
    whole = {name: values for name, values in logged.items() if len(values) == epochs}
    missing = sorted(set(logged) - set(whole))  # validation_freq: Keras does not say for which epochs they stand
    source = text("the model's own fit")
    if missing:
        metrics = joined(", ", missing)
        source = text("the model's own fit (without {metrics}, not taken after every epoch)", metrics=metrics)
    numbers = getattr(own, "epoch", [])  # from 0; a fit can go on where an earlier one ended
    return from_metrics(whole, source=source, first=numbers[0] + 1 if numbers else 1)


def beside(model: Path, sha256: str) -> History | None:
    """Return the history that lies beside a model file, None where there is none.

    Looked for, in this order: a report.json about this very model (`sha256`), NAME.history.json, history.json,
    NAME.csv, history.csv, training.csv, training.log, with NAME the model's file name without its ending.
    Raises InputError where such a file is there but is not a history.
    """
    if history := _from_report(model, sha256):
        return history
    for name in (f"{model.stem}.history.json", "history.json"):
        if (path := model.with_name(name)).is_file():
            return from_metrics(_equal(_read_json(path), path), source=literal(name))
    for name in (f"{model.stem}.csv", "history.csv", "training.csv", "training.log"):
        if (path := model.with_name(name)).is_file():
            return from_metrics(_equal(_read_csv(path), path), source=literal(name))
    return None


def _from_report(model: Path, sha256: str) -> History | None:
    """Return the history in an earlier report's report.json, if that report is about the same model."""
    try:
        found = earlier.report_on(model, sha256)
        if not found or not (history := found["history"]):
            return None
        metrics = _equal(history["metrics"], model.with_name("report.json"))
        source = text("the report on this model made at {time}", time=f"{found['made_at']}")
        return from_metrics(metrics, source=source, stopped_early=history["stopped_early"])
    except Exception:  # what the look-ups raise
        return None  # some other tool's report.json, or none: not a promise that was broken


def _read_json(path: Path) -> Any:
    try:
        found = json.loads(files.content(path, files.MOST_JSON).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no readable JSON ({error})", _DO) from error
    return found.get("history", found) if isinstance(found, dict) else found


def _read_csv(path: Path) -> dict[str, list[float | None]]:
    try:
        written = files.content(path, files.MOST_JSON).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(written, newline="")))
        if any(None in row for row in rows):
            raise ValueError("a row with more fields than names")
        # CSVLogger writes NA for a metric that an epoch does not have
        return {
            name: [None if row[name] in ("", "NA") else float(row[name]) for row in rows]
            for name in (rows[0] if rows else {})
            if name and name != "epoch"
        }
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is no table of numbers ({error})", _DO) from error


def _equal(found: Any, path: Path) -> dict[str, list[float | None]]:
    """Return `found` if it is a history: numbers or None by name, equally many for every name."""
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path} holds no history", _DO)
    for name, values in found.items():
        numbers = isinstance(values, list) and all(value is None or _is_number(value) for value in values)
        if not numbers:
            raise InputError(f"{path} has something else than a list of numbers under {name!r}", _DO)
    if len(lengths := {len(values) for values in found.values()}) != 1 or lengths == {0}:
        raise InputError(f"{path} has {sorted(lengths)} values under different names", _DO)
    return found


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        float(value)
    except OverflowError:  # JSON has integers of any length
        return False
    return True

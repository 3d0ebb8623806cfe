"""Which number of the model's each class has, where the data alone cannot tell: nothing is ever guessed."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.data import names
from reportgen.data.samples import fingerprint
from reportgen.dataset import Dataset, Labelled
from reportgen.errors import InputError
from reportgen.format import first, short
from reportgen.i18n import Text, joined, text
from reportgen.model import earlier
from reportgen.model.model_file import ModelFile

NAMES_FILE = "class_names.txt"
_LISTED = 10


@dataclass(frozen=True)
class Kept:
    """Names of all classes in the model's order that were kept with the model. said: where, as the report says it."""

    names: tuple[str, ...]
    said: Text


def resolved(dataset: Dataset, model: Any, file: ModelFile | None) -> Dataset:
    """Return the data set with its labels as numbers of the model's scores.

    model: a Keras model with one score per class. file: that it was loaded from, None for a live one.
    Raises InputError where names are fewer than scores, so that nobody knows which number each class has.
    """
    scores = scores_of(model)
    if needs_kept(dataset.labelled):
        kept = of_live(model) if file is None else beside_model(file.path, file.sha256)
        if chosen := choose(dataset.class_names, dataset.labelled, scores, kept):
            return _renumbered(dataset, chosen)
    _check(dataset, scores)
    return dataset


def scores_of(model: Any) -> int:
    """Return how many classes a model tells apart; one sigmoid unit tells two."""
    return 2 if model.outputs[0].shape[-1] == 1 else int(model.outputs[0].shape[-1])


def needs_kept(labelled: Labelled) -> bool:
    """Return whether kept names can matter: for names, unless the call said which there are."""
    return labelled.kind == "text" and labelled.named != "call"


def choose(class_names: Sequence[str], labelled: Labelled, scores: int, kept: Iterable[Kept]) -> Kept | None:
    """Return those kept names that tell the order of the classes, None where the order of `class_names` stands.

    They do if they name as many classes as the model has scores, all of `class_names` among them, and if these are
    fewer, or are in an order that nobody but the alphabet gave them.
    """
    if not needs_kept(labelled) or len(class_names) > scores:
        return None
    for one in kept:
        if len(one.names) != scores:
            continue
        composed = tuple(unicodedata.normalize("NFC", name) for name in one.names)  # as folders.read does
        for order in (one.names, composed):
            if set(class_names) <= set(order) and (len(class_names) < scores or labelled.named == "labels"):
                return replace(one, names=order) if order != tuple(class_names) else None
    return None


def of_live(model: object) -> list[Kept]:
    """Return the names that a live model has as its attribute `class_names`, if it has any."""
    found = getattr(model, "class_names", None)
    if not isinstance(found, list | tuple | np.ndarray) or not all(isinstance(name, str) for name in found):
        return []
    order = tuple(str(name) for name in found)
    return [Kept(order, text("The classes and their order are those of the model's attribute class_names."))]


def beside_model(model: Path, sha256: str) -> list[Kept]:
    """Return the names in class_names.txt beside a model file, and in a report.json there that is about this model.

    Raises InputError where class_names.txt is a file, but not one of names.
    """
    found: list[Kept] = []
    if (path := model.with_name(NAMES_FILE)).is_file():
        found.append(Kept(names.read(path), _said(NAMES_FILE)))
    report = earlier.report_on(model, sha256)
    data = report.get("data") if report else None
    listed = data.get("class_names") if isinstance(data, dict) else None
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed) and len({*listed}) == len(listed):
        found.append(Kept(tuple(listed), _said("report.json")))
    return found


def _said(file: str) -> Text:
    return text("The classes and their order are those of {file} beside the model.", file=file)


def _renumbered(dataset: Dataset, order: Kept) -> Dataset:
    """Return the data set with the class names of `order`, its labels numbers of these."""
    index = {name: number for number, name in enumerate(order.names)}
    table = np.array([index[name] for name in dataset.class_names], np.int64)
    parts = {name: part.relabelled(table[part.labels]) for name, part in dataset.parts.items()}
    said = order.said if dataset.prepared is None else joined(" ", [dataset.prepared, order.said])
    return replace(
        dataset,
        train=parts.get("train"),
        test=parts["test"],
        class_names=order.names,
        sha256=fingerprint(parts, order.names),
        prepared=said,
    )


def _check(dataset: Dataset, scores: int) -> None:
    """Raise InputError where the model has not a score for each name, and the labels are not its numbers."""
    listed, kind = dataset.class_names, dataset.labelled.kind
    if len(listed) == scores or kind == "numbers":
        return
    if kind == "rows":
        raise InputError(
            f"the data has one-hot rows of {len(listed)} columns, but the model gives {scores} scores",
            "give rows as wide as the scores, or integer labels",
        )
    count = f"{len(listed)} {'class' if len(listed) == 1 else 'classes'}"
    named = first([short(name, 40) for name in listed], _LISTED)
    raise InputError(
        f"the data names {count} ({named}), but the model gives {scores} scores",
        "name all of them in the model's order with --class-names FILE or a,b,c, or give integer labels"
        if len(listed) < scores
        else "give data and a model with the same classes, or name the model's in its order with --class-names",
    )

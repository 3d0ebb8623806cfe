"""Labels of every kind - integers, text, one-hot rows - as numbers of classes that have names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images, blocks
from reportgen.errors import InputError

Array = NDArray[Any]

MOST_CLASSES = 5_000
"""So many classes a report can show; its confusion matrix then has 25 million cells."""

_EXPECTED = "expected one integer, text or one-hot row per image"
_MOST_GAPS = 10
_LARGEST = 2**31
_LAST_CHARACTER = 0x10FFFF


def checked(labels: Images, what: str) -> Array:
    """Return labels as (N,) int64 or (N,) text (dtype U); one-hot rows become numbers. Raises InputError."""
    shape, kind = labels.shape, labels.dtype.kind
    if len(shape) == 2 and shape[1] > 1 and kind in "buif":
        return _cold(labels, what)
    if not isinstance(labels, np.ndarray):
        raise InputError(f"{what} has shape {shape} and dtype {labels.dtype}, too large for labels", _EXPECTED)
    if len(shape) == 2 and shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(f"{what} has shape {shape}", _EXPECTED)
    if kind == "O" and all(isinstance(label, str) for label in labels.tolist()):
        labels = np.array(labels.tolist(), dtype=np.str_)  # as a column of a table has it
    if labels.dtype.kind in "US":
        return _text(labels, what)
    if kind not in "buif":
        raise InputError(f"{what} has dtype {labels.dtype}", _EXPECTED)
    if kind == "f" and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        raise InputError(f"{what} holds labels that are not whole numbers", _EXPECTED)
    if len(labels) and (labels.min() < 0 or labels.max() > _LARGEST):
        worst = labels.min() if labels.min() < 0 else labels.max()
        raise InputError(f"{what} holds the label {worst}, which is out of range", "number the classes 0 to K-1")
    return labels.astype(np.int64)


def class_names(names: Images, what: str) -> list[str]:
    """Return the names of the classes. Raises InputError unless there is one text for each, all of them different."""
    if not isinstance(names, np.ndarray) or names.ndim != 1 or names.dtype.kind not in "US" or not len(names):
        raise InputError(f"{what} has dtype {names.dtype} and shape {names.shape}", "expected one text per class")
    _check_count(len(names), what)
    listed: list[str] = _text(names, what).tolist()
    if len(set(listed)) < len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        raise InputError(f"{what} has {twice!r} more than once", "give every class its own name")
    return listed


def numbered(
    labels: Mapping[str, Array], given: Sequence[str] | None, source: str
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Return the labels of all parts as indices into class names, and those names.

    labels: as `checked` returns them, by part. given: the class names, None where the labels have to tell.
    """
    if len({array.dtype.kind for array in labels.values()}) > 1:
        raise InputError(f"{source} has text labels in one part and numbers in the other", "use one kind for both")
    found = np.unique(np.concatenate([np.unique(block) for array in labels.values() for block in blocks(array)]))
    _check_count(len(given or found), source)
    if found.dtype.kind == "U":
        return _by_name(labels, list(given or found.tolist()), source)
    top = int(found[-1])
    if given is not None:
        if top >= len(given):
            expected = f"expected 0 to {len(given) - 1}, one for each of the {len(given)} class names"
            raise InputError(f"{source} has the label {top}, which is out of range", expected)
    elif top + 1 > 2 * len(found) + _MOST_GAPS:
        what = f"{source} has the label {top} but only {len(found)} different labels"
        raise InputError(what, "number the classes 0 to K-1, or name them all in class_names")
    return dict(labels), tuple(given or map(str, range(top + 1)))


def _by_name(
    labels: Mapping[str, Array], names: list[str], source: str
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    index = {name: number for number, name in enumerate(names)}
    made = {}
    for part, array in labels.items():
        found, where = np.unique(array, return_inverse=True)
        if unknown := [label for label in found.tolist() if label not in index]:
            raise InputError(f"{source} has the label {unknown[0]!r}, which class_names lacks", "add it there")
        made[part] = np.array([index[label] for label in found.tolist()], np.int64)[where]
    return made, tuple(names)


def _check_count(classes: int, what: str) -> None:
    if classes > MOST_CLASSES:
        raise InputError(f"{what} has {classes:,} classes", f"expected at most {MOST_CLASSES:,}")


def _cold(labels: Images, what: str) -> NDArray[np.int64]:
    """Return the number of the one in each row. labels: (N, K), perhaps on disk."""
    found = [np.zeros(0, np.int64)]
    for rows in blocks(labels):
        if not ((rows == 0) | (rows == 1)).all() or not (rows.sum(axis=1) == 1).all():
            raise InputError(f"{what} has shape {labels.shape} but its rows are not one-hot", _EXPECTED)
        found.append(rows.argmax(axis=1))
    return np.concatenate(found)


def _text(labels: Array, what: str) -> Array:
    """Return text of any kind as text that can be written down, its differences kept: bytes are taken as UTF-8."""
    if labels.dtype.kind == "U" and labels.nbytes:
        characters = np.ascontiguousarray(labels, labels.dtype.newbyteorder("=")).view(np.uint32)
        if (characters > _LAST_CHARACTER).any():
            raise InputError(f"{what} holds characters that Unicode does not have", "save plain text")
    found, where = np.unique(labels, return_inverse=True)
    _check_count(len(found), what)
    written = [
        (raw if isinstance(raw, bytes) else raw.encode("utf-8", "backslashreplace")).decode("utf-8", "backslashreplace")
        for raw in found.tolist()
    ]
    if len(set(written)) < len(written):
        raise InputError(f"{what} holds different bytes that read the same as text", "save the labels as text")
    return np.array(written, np.str_)[where] if len(written) else labels.astype(np.str_)

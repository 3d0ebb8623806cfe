"""Labels of every kind - integers, text, one-hot rows - as numbers of classes that have names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images, Labelled, blocks
from reportgen.errors import InputError

Array = NDArray[Any]

MOST_CLASSES = 5_000
"""So many classes a report can show; its confusion matrix then has 25 million cells."""

_EXPECTED = "expected one integer, text or one-hot row per image"
_MOST_GAPS = 10
_LARGEST = 2**31
_LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True, eq=False)
class Found:
    """The labels of a part.

    values: (N,) int64 or text (dtype U). own: the names that came with them and that numbers are numbers of, classes
    without images included; None where there are none. width: how many columns one-hot rows had, None for others.
    """

    values: Array
    own: tuple[str, ...] | None = None
    width: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether they are names, or numbers of names."""
        return self.own is not None or self.values.dtype.kind == "U"


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


def found(labels: Images, what: str, *, own: Sequence[str] | None = None, width: int | None = None) -> Found:
    """Return the labels of a part. Raises InputError where they are none, or do not fit the names they are numbers of.

    own: as in Found. width: of one-hot rows that became numbers before.
    """
    values = checked(labels, what)
    if width is None and len(labels.shape) == 2 and labels.shape[1] > 1:
        width = labels.shape[1]
    return _owned(Found(values, width=width), own, what)


def numbered(
    labels: Mapping[str, Found], given: Sequence[str] | None, source: str, *, asked: bool = False
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...], Labelled]:
    """Return the labels of all parts as indices into class names, those names, and what the labels were.

    labels: by part. given: the class names, None where the labels have to tell. asked: whether the call gave them,
    rather than the data.
    """
    named: Literal["labels", "data", "call"] = "labels" if given is None else "call" if asked else "data"
    own = next((one.own for one in labels.values() if one.own is not None), None)
    if own is not None:  # plain numbers beside them can only mean the same names
        labels = {
            part: one if one.own is not None or one.is_text else _owned(one, own, f"the {part} split of {source}")
            for part, one in labels.items()
        }
    if len({one.is_text for one in labels.values()}) > 1:
        raise InputError(f"{source} has text labels in one part and numbers in the other", "use one kind for both")
    if all(one.is_text for one in labels.values()):
        if given is not None and not asked:
            labels = _renamed(labels, given)
        what = "--class-names" if asked else "class_names"
        return *_by_name(labels, given, source, what), Labelled("text", named)
    numbers = {part: one.values for part, one in labels.items()}
    if width := _width(labels, given, source):
        return numbers, tuple(given or map(str, range(width))), Labelled("rows", named)
    return numbers, _names(numbers, given, source), Labelled("numbers", named)


def _owned(found: Found, own: Sequence[str] | None, what: str) -> Found:
    """Return labels that are numbers of names that came with them; text stays text, of which these are the classes."""
    if own is None:
        return found
    values, expected = found.values, f"expected 0 to {len(own) - 1}, one for each of its {len(own)} class names"
    if found.width not in (None, len(own)):
        raise InputError(f"{what} has one-hot rows of {found.width} columns but {len(own)} class names", expected)
    if values.dtype.kind != "U" and len(values) and values.max() >= len(own):
        raise InputError(f"{what} has the label {values.max()}, which is out of range", expected)
    return Found(values, tuple(own))


def _renamed(labels: Mapping[str, Found], given: Sequence[str]) -> dict[str, Found]:
    """Return the labels under the names that the data was given, where these are others for the same classes.

    That is so where all parts bring the same names along, as many as are given, and none of them is among these.
    """
    owned = {one.own for one in labels.values() if one.values.dtype.kind != "U"}
    own = next(iter(owned), None)
    if len(owned) != 1 or own is None or len(own) != len(given) or set(own) & set(given):
        return dict(labels)
    return {part: Found(one.values, tuple(given)) for part, one in labels.items()}


def _width(labels: Mapping[str, Found], given: Sequence[str] | None, source: str) -> int | None:
    """Return how many columns one-hot rows have, None where there are none. Raises InputError where they differ."""
    widths = {part: one.width for part, one in labels.items() if one.width is not None}
    if not widths:
        return None
    width = next(iter(widths.values()))
    if len(set(widths.values())) > 1:
        listed = " but ".join(f"{columns} columns in y_{part}" for part, columns in widths.items())
        do = "nobody knows which are missing: give rows as wide as the model's scores, or integer labels"
        raise InputError(f"{source} has one-hot rows of {listed}", do)
    if given is not None and len(given) != width:
        what = f"{source} has one-hot rows of {width} columns, but there are {len(given)} class names"
        raise InputError(what, "name each column, or give integer labels")
    _check_count(width, source)
    if (top := max(int(one.values.max()) for one in labels.values() if len(one.values))) >= width:
        expected = f"expected 0 to {width - 1}, one for each column of the one-hot rows"
        raise InputError(f"{source} has the label {top}, which is out of range", expected)
    return width


def _names(numbers: Mapping[str, Array], given: Sequence[str] | None, source: str) -> tuple[str, ...]:
    """Return a name for each number. Raises InputError where there are numbers without one."""
    found = _different(numbers.values())
    _check_count(len(given or found), source)
    top = int(found[-1])
    if given is not None:
        if top >= len(given):
            expected = f"expected 0 to {len(given) - 1}, one for each of the {len(given)} class names"
            raise InputError(f"{source} has the label {top}, which is out of range", expected)
    elif top + 1 > 2 * len(found) + _MOST_GAPS:
        what = f"{source} has the label {top} but only {len(found)} different labels"
        raise InputError(what, "number the classes 0 to K-1, or name them all in class_names")
    return tuple(given or map(str, range(top + 1)))


def _by_name(
    labels: Mapping[str, Found], given: Sequence[str] | None, source: str, what: str
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Return the numbers of text labels and all names. what: how an error names those that are given."""
    names = list(given) if given is not None else _together(labels)
    _check_count(len(names), source)
    index = {name: number for number, name in enumerate(names)}
    made = {}
    for part, one in labels.items():
        found, where = np.unique(one.values, return_inverse=True)
        listed = found.tolist()
        if one.own is not None and found.dtype.kind != "U":
            listed = [one.own[number] for number in listed]
        if unknown := [label for label in listed if label not in index]:
            raise InputError(f"{source} has the label {unknown[0]!r}, which {what} lacks", "add it there")
        made[part] = np.array([index[label] for label in listed], np.int64)[where]
    return made, tuple(names)


def _together(labels: Mapping[str, Found]) -> list[str]:
    """Return the names of all parts: in the order of the part that has all of them, else sorted.

    An order that came with the data goes before the alphabet's.
    """
    ordered = [list(one.own) for one in labels.values() if one.own is not None]
    ordered += [_different([one.values]).tolist() for one in labels.values() if one.values.dtype.kind == "U"]
    every = set().union(*ordered)
    return next((names for names in ordered if len(names) == len(every)), sorted(every))


def _different(arrays: Iterable[Array]) -> Array:
    """Return the different labels, ascending; they are looked at in pieces, as there may be many."""
    return np.unique(np.concatenate([np.unique(block) for array in arrays for block in blocks(array)]))


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

"""The names of the classes in the model's order, as a caller gives them: listed, by number, or in a file."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reportgen import files
from reportgen.data import labels
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.options import ClassNames

_FLAG = "--class-names"
_MOST_BYTES = 4 * 2**20
_IN_FILE = 'one name a line, or as JSON a list of names or an object from name to number, such as {"cat": 0, "dog": 1}'
_EXPECTED = f"expected names with commas between, such as cat,dog, or a file with {_IN_FILE}"


def given(class_names: ClassNames | None) -> tuple[str, ...] | None:
    """Return the names that a caller gave, in their order; None where none were given.

    class_names: a path; the text of one, or of names with commas between; a sequence of names; a mapping from name to
    number, such as `class_indices` of Keras. Raises InputError for anything else, and unless the names are different.
    """
    if class_names is None:
        return None
    if isinstance(class_names, Path):
        return read(class_names)
    if isinstance(class_names, str):
        return _of_text(class_names)
    if isinstance(class_names, Mapping):
        return of_numbers(class_names, _FLAG)
    if not isinstance(class_names, Sequence | np.ndarray):
        raise InputError(f"{_FLAG} is of the class {type(class_names).__name__}", _EXPECTED)
    return _checked(class_names, _FLAG)


def of_numbers(numbers: Mapping[Any, Any], what: str) -> tuple[str, ...]:
    """Return the names in a mapping from name to number by their numbers. Raises InputError unless these are 0 to K-1.

    what: how an error names it.
    """
    found: dict[int, Any] = {}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise InputError(f"{what} has {short(repr(number))} for {short(repr(name))}", "expected a whole number")
        found[int(number)] = name
    if sorted(found) != list(range(len(numbers))):
        what = f"{what} numbers {len(numbers)} names, but not from 0 to {len(numbers) - 1}"
        raise InputError(what, "give every class its own number, without gaps")
    return _checked((found[number] for number in sorted(found)), what)


def read(path: Path) -> tuple[str, ...]:
    """Return the names in a file, in UTF-8: one a line, or JSON. Raises InputError for every other file."""
    held = files.content(path, _MOST_BYTES)
    try:
        written = held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8", f"expected {_IN_FILE}") from error
    is_json = path.suffix.lower() == ".json"
    if is_json or written.lstrip().startswith(("[", "{")):
        try:
            return _of_json(json.loads(written), path)
        except (ValueError, RecursionError) as error:
            if is_json:  # else a class may well be called "[none]"
                raise InputError(f"{path} is no readable JSON ({error})", f"expected {_IN_FILE}") from error
    lines = [line.strip() for line in written.rstrip().split("\n")]
    if "" in lines:
        raise InputError(f"line {lines.index('') + 1} of {path} is blank", "give every class its name, one a line")
    return _checked(lines, str(path))


def _of_text(written: str) -> tuple[str, ...]:
    """Return the names in the file that is there under this name, else those with commas between."""
    try:
        is_file = Path(written).is_file()
    except (OSError, ValueError):  # such as a name that is too long for a file
        is_file = False
    if is_file or ("," not in written and os.path.lexists(written)):
        return read(Path(written))
    listed = [name.strip() for name in written.split(",")]
    if len(listed) < 2:
        raise InputError(f"{_FLAG} {short(written)!r} is neither a file nor a list of names", _EXPECTED)
    if "" in listed:
        raise InputError(f"{_FLAG} has an empty name in {short(written)!r}", _EXPECTED)
    return _checked(listed, _FLAG)


def _of_json(found: Any, path: Path) -> tuple[str, ...]:
    if isinstance(found, dict):
        return of_numbers(found, str(path))
    if not isinstance(found, list):
        raise InputError(f"{path} holds neither a list nor an object", f"expected {_IN_FILE}")
    return _checked(found, str(path))


def _checked(listed: Iterable[Any], what: str) -> tuple[str, ...]:
    names = list(listed)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"{what} has {short(repr(odd[0]))} for the name of a class", "give every class a text")
    if not names:
        raise InputError(f"{what} names no class", "give every class its name")
    return tuple(labels.class_names(np.array(names, np.str_), what))

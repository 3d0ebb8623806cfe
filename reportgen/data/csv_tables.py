"""Tables of labels, a CSV file whose lines name a picture and its class, and what every kind of CSV file shares."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Literal, TextIO

from reportgen import files
from reportgen.data import folders, split_names
from reportgen.data.folders import Row
from reportgen.errors import InputError
from reportgen.format import first, short

SUFFIXES = (".csv", ".tsv")
LABELS = (
    "label", "labels", "class", "classes", "class_name", "class_label", "category", "target", "y", "species", "breed",
    "emotion", "diagnosis", "digit", "tag",
)  # fmt: skip
"""What a column of labels is usually called, in small letters with underscores."""

_MOST_BYTES = 256 * 2**20
_MOST_COLUMNS = 30
_LONGEST_LINE = 2**20
_LONGEST_NAME = 4096
_MOST_CLASSES = 5_000
_LISTED, _MOST_TABLES, _MOST_FOLDERS, _TRIED = 10, 50, 100, 5
_HOW = (
    "expected a header, one column of file names, and one of labels that is called label, or one of 0 and 1 for each "
    "class"
)


@dataclass(frozen=True)
class Table:
    """A table that names pictures.

    part: that its name says, None for a single one. columns: of the file names and of the labels. header: whether the
    first line is one. separator: between the columns. bases: the folders, below the table's, that names may be in,
    the likeliest first. suffix: what is missing at the end of the names. classes: where each class has a column of 0
    and 1, all of them by column; `columns` has the first of these then.
    """

    path: Path
    part: split_names.Kind | None
    columns: tuple[int, int]
    header: bool
    separator: str
    bases: tuple[str, ...]
    suffix: str
    classes: dict[int, str] | None = None


def listed(folder: Path) -> list[Path]:
    """Return the CSV files in a folder, sorted."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    return [path for path in found if not path.is_dir()][:_MOST_TABLES]


def looked_at(path: Path, within: Path | None) -> Table | None:
    """Return what there is to know about a table whose lines name pictures beside it; None where they name none.

    Raises InputError where they do, but the column of labels cannot be told.
    """
    lines, separator = begin(path, within, _TRIED + 1)
    if not lines or not 2 <= len(lines[0]) <= _MOST_CLASSES + 1:
        return None
    part = split_names.of_stem(path.stem)
    bases = _bases(path.parent, part)
    rows = [line for line in lines if len(line) == len(lines[0])]
    is_wide = len(lines[0]) > _MOST_COLUMNS
    for number, row in enumerate(rows):
        for column, name in enumerate(row[:1] if is_wide else row):
            if (found := _found(path.parent, bases, name)) is not None:
                header = number > 0
                classes = _classes(rows, column) if header else None
                if is_wide and classes is None:
                    return None
                chosen = min(classes) if classes else _label_column(path, rows[0] if header else None, len(row), column)
                base, suffix = found
                ordered = (base, *(one for one in bases if one != base))
                return Table(path, part, (column, chosen), header, separator, ordered, suffix, classes)
    return None


def rows(table: Table, within: Path | None, lines: int | None = None) -> list[Row]:
    """Return the pictures that a table names with their labels; one that it names twice alike comes once.

    lines: how many are read, None for all. Raises InputError where a line lacks a value, and where a picture has two
    labels.
    """
    found: dict[str, str] = {}
    of_name, of_label = table.columns
    for number, line in enumerate(islice(_lines(table.path, within, table.separator), lines), 1):
        if not line or (number == 1 and table.header):
            continue
        if len(line) <= max(table.columns) or not line[of_name].strip() or not line[of_label].strip():
            raise InputError(f"line {number} of {table.path} lacks a file name or a label", "give every picture both")
        label = line[of_label] if table.classes is None else _hot(table, table.classes, number, line)
        name, label = _tidy(line[of_name]) + table.suffix, files.shown(label.strip())
        if found.setdefault(name, label) != label:
            what = f"{table.path} gives {short(name)!r} the labels {short(found[name])!r} and {short(label)!r}"
            raise InputError(what, "give every picture one label")
        if len(found) > folders.MOST_FILES:
            raise InputError(f"{table.path} names more than {folders.MOST_FILES:,} files", "give fewer")
    return [Row(label, _placed(table, name)) for name, label in found.items()]


def numbers(names: Sequence[str]) -> list[int] | None:
    """Return class names as the numbers that they are, None where one is none: "3", or "3.0" as pandas writes it."""
    if all(re.fullmatch(r"(0|[1-9][0-9]{0,8})(\.0)?", name) for name in names):
        return [int(name.partition(".")[0]) for name in names]
    return None


def begin(path: Path, within: Path | None, most: int) -> tuple[list[list[str]], str]:
    """Return the first lines of a CSV file, cut into values, and what separates these: a comma, semicolon or tab."""
    with _opened(path, within) as stream:
        lines = [line for _ in range(most) if (line := stream.readline(_LONGEST_LINE)).endswith("\n") or line]
    if any(len(line) >= _LONGEST_LINE or "\0" in line for line in lines):
        return [], ","
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        return [list(line) for line in csv.reader(lines, delimiter=separator) if line], separator
    except csv.Error:  # such as a value beyond the longest one that the csv module takes
        return [], separator


def is_label(name: str) -> bool:
    """Return whether a column of this name is one of labels."""
    return split_names.plain(name.strip()) in LABELS


@contextmanager
def _opened(path: Path, within: Path | None) -> Iterator[TextIO]:
    with (
        files.opened(path, within=within) as stream,
        TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as found,
    ):
        yield found


def _lines(path: Path, within: Path | None, separator: str) -> Iterator[list[str]]:
    size = 0
    with _opened(path, within) as stream:

        def bounded() -> Iterator[str]:
            nonlocal size
            while line := stream.readline(_LONGEST_LINE):
                size += len(line)
                if len(line) >= _LONGEST_LINE or size > _MOST_BYTES:
                    raise InputError(f"{path} is too long for a table of names", f"give at most {_MOST_BYTES:,} bytes")
                yield line

        try:
            yield from csv.reader(bounded(), delimiter=separator)
        except csv.Error as error:
            raise InputError(f"{path} is no table ({error})", _HOW) from error


def _classes(rows: Sequence[Sequence[str]], of_names: int) -> dict[int, str] | None:
    """Return the classes by column where each has one of 0 and 1, None where that is not so of the first lines.

    rows: these, of one length, a header before them.
    """
    named = {column: name.strip() for column, name in enumerate(rows[0]) if column != of_names}
    names = set(named.values())
    if len(named) < 2 or len(rows) < 2 or len(names) < len(named) or "" in names or any(map(is_label, names)):
        return None
    values = [[_binary(row[column]) for column in named] for row in rows[1:]]
    return named if all(None not in row and row.count(1) == 1 for row in values) else None


def _hot(table: Table, classes: Mapping[int, str], number: int, line: Sequence[str]) -> str:
    """Return the name of the one class whose column has a 1 in a line. Raises InputError where that is not one."""
    values = {column: _binary(line[column]) if column < len(line) else None for column in classes}
    if bad := next((column for column, value in values.items() if value is None), None):
        held = line[bad] if bad < len(line) else ""
        what = f"line {number} of {table.path} has {short(held)!r} for the class {short(classes[bad])!r}"
        raise InputError(what, "expected 0 or 1 in the column of each class")
    hot = [column for column, value in values.items() if value]
    if len(hot) != 1:
        what = f"line {number} of {table.path} gives its picture {len(hot)} classes"
        raise InputError(what, "give every picture one class; leave out the lines of all others")
    return classes[hot[0]]


def _binary(value: str) -> int | None:
    return {"0": 0, "0.0": 0, "1": 1, "1.0": 1}.get(value.strip())


def _label_column(path: Path, header: list[str] | None, columns: int, of_names: int) -> int:
    """Return which column has the labels."""
    others = [column for column in range(columns) if column != of_names]
    if len(others) == 1:
        return others[0]
    named = [column for column in others if header and is_label(header[column])]
    if len(named) == 1:
        return named[0]
    if header is None:
        raise InputError(f"{path} has {columns} columns and no header, so it is not known which are labels", _HOW)
    both = first([repr(short(header[column], 40)) for column in named or others], _LISTED)
    raise InputError(f"{path} has {'more than one' if named else 'no'} column called label or alike: {both}", _HOW)


def _bases(folder: Path, part: Literal["train", "test", "val"] | None) -> tuple[str, ...]:
    """Return where the pictures may lie: in the folder of the same part, beside the table, in another folder."""
    names = folders.inner(folder)[:_MOST_FOLDERS]
    same = [name for name in names if part is not None and split_names.of_stem(name) == part]
    return (*same, "", *(name for name in names if name not in same))


def _found(folder: Path, bases: Iterable[str], name: str) -> tuple[str, str] | None:
    """Return in which folder a picture of this name lies, and what is missing at the end of the name."""
    tidy = _tidy(name)
    if not 0 < len(tidy) < _LONGEST_NAME or "\0" in tidy or tidy.startswith("/") or ".." in tidy.split("/"):
        return None
    known = Path(tidy).suffix.lower() in folders.SUFFIXES
    for base in bases:
        for suffix in ("",) if known else folders.SUFFIXES:
            try:
                if (folder / base / f"{tidy}{suffix}").is_file():
                    return base, suffix
            except OSError:  # such as a name that is too long
                continue
    return None


def _placed(table: Table, name: str) -> str:
    """Return where a picture lies below the table's folder; where there is none, where it was looked for first."""
    paths = [f"{base}/{name}" if base else name for base in table.bases]
    if "\0" in name or len(name) > _LONGEST_NAME:
        return paths[0]
    return next((path for path in paths if (table.path.parent / path).is_file()), paths[0])


def _tidy(name: str) -> str:
    """Return a file's name as this system writes it."""
    return name.strip().replace("\\", "/").removeprefix("./")

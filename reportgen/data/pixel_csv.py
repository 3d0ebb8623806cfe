"""Tables of pixels: a CSV file with a label and the pixels of one image in each line.

The pixels have a column each, as Kaggle has the digits, or all of them are one value with blanks between, as FER2013
has its faces; a column called Usage then says which part a line belongs to.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen import files
from reportgen.data import csv_tables, split_names, stored
from reportgen.dataset import Images
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.i18n import Text, text

_LEAST_SIDE = 8
_MOST_COLUMNS = 1_000_000
_MOST_ROWS = 10_000_000
_PIECE = 8 * 2**20
_LONGEST_LINE = 16 * 2**20
_LONGEST_LABEL = 1000
_HOW = "expected in each line one label and the same number of pixels, all of them numbers"
_PIXELS, _USAGE = ("pixels", "pixel"), ("usage", "split", "set", "part")
_OF_FER: dict[str, split_names.Kind] = {"publictest": "val", "privatetest": "test"}
"""What FER2013 calls its parts beside Training: the first is what people validate on, the other what they test on."""


@dataclass(frozen=True)
class Table:
    """A table of pixels.

    part: as in tables.Table. label: the column of labels. columns: how many there are. pixels: the column that has all
    of them, None where each has its own. usage: the column that says the part. width: how many pixels an image has.
    """

    path: Path
    part: split_names.Kind | None
    label: int
    columns: int
    header: bool
    separator: str
    width: int
    pixels: int | None = None
    usage: int | None = None


class Found(NamedTuple):
    """images: (N, F), or (N, side, side) where F is the square of 8 or more. labels: (N,) text. said: in sentences."""

    images: Images
    labels: NDArray[Any]
    said: Text | None


class _Rows:
    """The lines of a part as they come in."""

    def __init__(self, table: Table) -> None:
        self.spool, self.labels = stored.Spool(str(table.path)), list[str]()


class _Values(NamedTuple):
    """What some lines hold: pixels, (n, F), and of each line the label, and the part by its name, "" for none."""

    pixels: NDArray[np.float64]
    labels: list[str]
    usages: list[str]


def looked_at(path: Path, within: Path | None) -> Table | None:
    """Return what there is to know about a table of pixels, None for any other file.

    With a header one column is called label or alike, and all the others hold numbers. Without one the first column
    is the label, and the others are pixels from 0 to 255 of a square picture. Or the header names a column of labels
    and one called pixels.
    """
    lines, separator = csv_tables.begin(path, within, 2)
    if len(lines) == 2 and (table := _in_one_column(path, lines[0], lines[1], separator)):
        return table
    if not lines or not 3 <= len(lines[0]) <= _MOST_COLUMNS:
        return None
    columns, part = len(lines[0]), split_names.of_stem(path.stem)
    named = [column for column, name in enumerate(lines[0]) if csv_tables.is_label(name)]
    if named and len(lines) == 2 and len(lines[1]) == columns:
        others = [value for column, value in enumerate(lines[1]) if column != named[0]]
        if len(named) == 1 and None not in map(_number, others):
            return Table(path, part, named[0], columns, True, separator, columns - 1)
        return None
    found = [_number(value) for value in lines[0]]
    if _side(columns - 1) and all(value is not None and value % 1 == 0 and 0 <= value <= 255 for value in found):
        return Table(path, part, 0, columns, False, separator, columns - 1)
    return None


def read(table: Table, within: Path | None) -> dict[str, Found]:
    """Return the images and labels in a table of pixels, read piece by piece. Raises InputError.

    They come by the part that the lines name, "" where there is no column for it. Pixels are uint8 where all of them
    are whole numbers from 0 to 255, else float32.
    """
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    rows = _spooled(table, within, dtype)
    if rows is None:
        dtype = np.dtype(np.float32)
        rows = _spooled(table, within, dtype)
    if not rows:
        raise InputError(f"{table.path} holds no images", _HOW)
    return {part: _found(table, one, dtype) for part, one in rows.items()}


def of_usage(name: str) -> split_names.Kind | None:
    """Return which part a line belongs to that says so by this name: "Training", "PrivateTest", "val"."""
    return _OF_FER.get(split_names.plain(name)) or split_names.of_name(name)


def _in_one_column(path: Path, header: list[str], line: list[str], separator: str) -> Table | None:
    """Return the table where one column has all pixels of an image, with blanks between them."""
    names = [split_names.plain(name.strip()) for name in header]
    of_pixels = [column for column, name in enumerate(names) if name in _PIXELS]
    of_labels = [column for column, name in enumerate(names) if csv_tables.is_label(name)]
    of_usage = [column for column, name in enumerate(names) if name in _USAGE]
    if len(of_pixels) != 1 or len(of_labels) != 1 or len(of_usage) > 1 or len(line) != len(names):
        return None
    values = line[of_pixels[0]].split()
    if len(values) < 2 or None in map(_number, values):
        return None
    part = split_names.of_stem(path.stem)
    usage = of_usage[0] if of_usage and part is None else None
    return Table(path, part, of_labels[0], len(names), True, separator, len(values), of_pixels[0], usage)


def _found(table: Table, rows: _Rows, dtype: np.dtype[Any]) -> Found:
    count, width, side = len(rows.labels), table.width, _side(table.width)
    shape = (count, side, side) if side else (count, width)
    said = text(
        "The {pixels} values in each line of the table were taken for a picture of {side}x{side} pixels.",
        pixels=f"{width:,}",
        side=str(side),
    )
    return Found(rows.spool.images(shape, dtype), np.array(rows.labels, np.str_), said if side else None)


def _spooled(table: Table, within: Path | None, dtype: np.dtype[Any]) -> dict[str, _Rows] | None:
    """Return all lines by part, the pixels as `dtype`; None where they are no bytes as they should."""
    rows: dict[str, _Rows] = {}
    at, count = 1, 0
    with files.opened(table.path, within=within) as stream:
        while lines := _lines(stream, table.path, at):
            begin = at + 1 if at == 1 and table.header else at
            kept = [(n, line) for n, line in enumerate(lines, at) if n >= begin and line.strip()]
            at += len(lines)
            if not kept:
                continue
            values, labels, usages = _values(table, kept)
            if dtype == np.uint8 and not ((values >= 0) & (values <= 255) & (values % 1 == 0)).all():
                return None
            count += len(labels)
            if count > _MOST_ROWS:
                raise InputError(f"{table.path} has more than {_MOST_ROWS:,} lines", "give fewer")
            typed = values.astype(dtype)
            for usage in dict.fromkeys(usages):
                part = rows.setdefault(usage, _Rows(table))
                numbers = [n for n, one in enumerate(usages) if one == usage]
                part.spool.write(np.ascontiguousarray(typed[numbers]).reshape(-1).view(np.uint8).data)
                part.labels.extend(labels[n] for n in numbers)
    return rows


def _lines(stream: BinaryIO, path: Path, at: int) -> list[bytes]:
    """Return the next whole lines, some megabytes of them; none at the end."""
    lines: list[bytes] = []
    size = 0
    while size < _PIECE and (line := stream.readline(_LONGEST_LINE)):
        if len(line) >= _LONGEST_LINE:
            raise InputError(f"line {at + len(lines)} of {path} is longer than {_LONGEST_LINE:,} bytes", _HOW)
        lines.append(line)
        size += len(line)
    return lines


def _values(table: Table, lines: list[tuple[int, bytes]]) -> _Values:
    """Return what some numbered lines hold."""
    labels, usages, rests = [], [], []
    for number, line in lines:
        label, rest, usage = (_parted if table.pixels is None else _packed)(table, number, line.strip(b"\r\n"))
        if not (label := label.strip().strip(b'"')):
            raise InputError(f"line {number} of {table.path} has no label", _HOW)
        if len(label) > _LONGEST_LABEL:
            raise InputError(f"line {number} of {table.path} has a label of {len(label):,} bytes", "give shorter ones")
        labels.append(label.decode("utf-8", "backslashreplace"))
        usages.append(usage)
        rests.append(rest.decode("latin-1"))
    between = table.separator if table.pixels is None else None
    try:
        found = np.loadtxt(rests, np.float64, comments=None, delimiter=between, quotechar='"', ndmin=2)
    except ValueError as error:
        bad = ((n, value) for (n, _), row in zip(lines, rests, strict=True) for value in row.split(between))
        number, value = next(((n, value) for n, value in bad if _number(value) is None), (lines[0][0], str(error)))
        raise InputError(f"line {number} of {table.path} has the pixel {short(value)!r}", _HOW) from error
    return _Values(found, labels, usages)


def _parted(table: Table, number: int, line: bytes) -> tuple[bytes, bytes, str]:
    """Return the label in a line of which each pixel is a value, the pixels, and "": it names no part."""
    separator = table.separator.encode()
    if (found := line.count(separator) + 1) != table.columns:
        what = f"line {number} of {table.path} has {found:,} values"
        raise InputError(what, f"expected {table.columns:,}, as in the first line")
    return *_cut(line, separator, table.label), ""


def _packed(table: Table, number: int, line: bytes) -> tuple[bytes, bytes, str]:
    """Return the label in a line of which one value has all pixels, the pixels, and the name of the part."""
    assert table.pixels is not None
    try:
        values = next(csv.reader([line.decode("latin-1")], delimiter=table.separator))
    except csv.Error as error:
        raise InputError(f"line {number} of {table.path} is none of a table ({error})", _HOW) from error
    if len(values) != table.columns:
        what = f"line {number} of {table.path} has {len(values):,} values"
        raise InputError(what, f"expected {table.columns:,}, as in the first line")
    pixels = values[table.pixels]
    if (found := len(pixels.split())) != table.width:
        what = f"line {number} of {table.path} has {found:,} pixels"
        raise InputError(what, f"expected {table.width:,}, as in the first line of pixels")
    usage = "" if table.usage is None else files.shown(values[table.usage].strip())
    if table.usage is not None and of_usage(usage) is None:
        what = f"line {number} of {table.path} belongs to the part {short(usage)!r}, which is none that is known"
        raise InputError(what, "expected Training, PublicTest and PrivateTest, or train, val and test")
    return values[table.label].encode("latin-1"), pixels.encode("latin-1"), usage


def _cut(line: bytes, separator: bytes, column: int) -> tuple[bytes, bytes]:
    """Return the value of one column, and the others as a line."""
    if column == 0:  # nearly always, and quicker
        label, _, rest = line.partition(separator)
        return label, rest
    values = line.split(separator)
    return values.pop(column), separator.join(values)


def _number(value: str) -> float | None:
    try:
        found = float(value.strip().strip('"'))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _side(pixels: int) -> int:
    """Return the side of a square picture of so many pixels, 0 where they are none or too few to be one."""
    side = math.isqrt(pixels)
    return side if side * side == pixels and side >= _LEAST_SIDE else 0

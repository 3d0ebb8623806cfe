"""Tables of pixels: a CSV file with a label and the pixels of one image in each line, as Kaggle has the digits."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images
from reportgen.errors import InputError
from reportgen.texts import Text, text
from reportgen.train import files, parts, stored, tables
from reportgen.wording import short

_LEAST_SIDE = 8
_MOST_COLUMNS = 1_000_000
_MOST_ROWS = 10_000_000
_PIECE = 8 * 2**20
_LONGEST_LINE = 16 * 2**20
_LONGEST_LABEL = 1000
_HOW = "expected in each line one label and the same number of pixels, all of them numbers"


@dataclass(frozen=True)
class Table:
    """A table of pixels. part: as in tables.Table. label: the column of labels. columns: how many there are."""

    path: Path
    part: parts.Kind | None
    label: int
    columns: int
    header: bool
    separator: str


class Found(NamedTuple):
    """images: (N, F), or (N, side, side) where F is the square of 8 or more. labels: (N,) text. said: in sentences."""

    images: Images
    labels: NDArray[Any]
    said: Text | None


def looked_at(path: Path, within: Path | None) -> Table | None:
    """Return what there is to know about a table of pixels, None for any other file.

    With a header one column is called label or alike, and all the others hold numbers. Without one the first column
    is the label, and the others are pixels from 0 to 255 of a square picture.
    """
    lines, separator = tables.begin(path, within, 2)
    if not lines or not 3 <= len(lines[0]) <= _MOST_COLUMNS:
        return None
    columns, part = len(lines[0]), parts.of_stem(path.stem)
    named = [column for column, name in enumerate(lines[0]) if tables.is_label(name)]
    if named and len(lines) == 2 and len(lines[1]) == columns:
        others = [value for column, value in enumerate(lines[1]) if column != named[0]]
        if len(named) == 1 and None not in map(_number, others):
            return Table(path, part, named[0], columns, True, separator)
        return None
    found = [_number(value) for value in lines[0]]
    if _side(columns - 1) and all(value is not None and value % 1 == 0 and 0 <= value <= 255 for value in found):
        return Table(path, part, 0, columns, False, separator)
    return None


def read(table: Table, within: Path | None) -> Found:
    """Return the images and labels in a table of pixels, read piece by piece. Raises InputError.

    Pixels are uint8 where all of them are whole numbers from 0 to 255, else float32.
    """
    labels: list[str] = []
    spool = _spooled(table, within, labels, np.dtype(np.uint8))
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    if spool is None:
        labels, dtype = [], np.dtype(np.float32)
        spool = _spooled(table, within, labels, dtype)
    if spool is None or not labels:
        raise InputError(f"{table.path} holds no images", _HOW)
    width = table.columns - 1
    side = _side(width)
    shape = (len(labels), side, side) if side else (len(labels), width)
    said = text(
        "The {pixels} values in each line of the table were taken for a picture of {side}x{side} pixels.",
        pixels=f"{width:,}",
        side=str(side),
    )
    return Found(spool.images(shape, dtype), np.array(labels, np.str_), said if side else None)


def _spooled(table: Table, within: Path | None, labels: list[str], dtype: np.dtype[Any]) -> stored.Spool | None:
    """Return the pixels of all lines as `dtype`, and append the labels; None where they are no bytes as they should."""
    spool, at = stored.Spool(str(table.path)), 1
    with files.opened(table.path, within=within) as stream:
        while lines := _lines(stream, table.path, at):
            begin = at + 1 if at == 1 and table.header else at
            kept = [(n, line) for n, line in enumerate(lines, at) if n >= begin and line.strip()]
            at += len(lines)
            if not kept:
                continue
            values = _values(table, kept, labels)
            if dtype == np.uint8 and not ((values >= 0) & (values <= 255) & (values % 1 == 0)).all():
                return None
            spool.write(np.ascontiguousarray(values.astype(dtype)).reshape(-1).view(np.uint8).data)
            if len(labels) > _MOST_ROWS:
                raise InputError(f"{table.path} has more than {_MOST_ROWS:,} lines", "give fewer")
    return spool


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


def _values(table: Table, lines: list[tuple[int, bytes]], labels: list[str]) -> NDArray[np.float64]:
    """Return the pixels in some numbered lines, (n, F), and append their labels."""
    separator, rests = table.separator.encode(), []
    for number, line in lines:
        if (found := line.count(separator) + 1) != table.columns:
            what = f"line {number} of {table.path} has {found:,} values"
            raise InputError(what, f"expected {table.columns:,}, as in the first line")
        label, rest = _cut(line.strip(b"\r\n"), separator, table.label)
        if not (label := label.strip().strip(b'"')):
            raise InputError(f"line {number} of {table.path} has no label", _HOW)
        if len(label) > _LONGEST_LABEL:
            raise InputError(f"line {number} of {table.path} has a label of {len(label):,} bytes", "give shorter ones")
        labels.append(label.decode("utf-8", "backslashreplace"))
        rests.append(rest.decode("latin-1"))
    try:
        return np.loadtxt(rests, np.float64, comments=None, delimiter=table.separator, quotechar='"', ndmin=2)
    except ValueError as error:
        bad = ((n, value) for (n, _), row in zip(lines, rests, strict=True) for value in row.split(table.separator))
        number, value = next(((n, value) for n, value in bad if _number(value) is None), (lines[0][0], str(error)))
        raise InputError(f"line {number} of {table.path} has the pixel {short(value)!r}", _HOW) from error


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

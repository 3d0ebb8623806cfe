"""Which models a batch is about, and what the folder of each report is called."""

import csv
import glob
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError

_COLUMNS = ("model", "data", "title")
_LONGEST_NAME = 100
_LARGEST_TABLE = 64 * 2**20
_NO_MODELS = "give model files, a quoted pattern such as 'models/*.keras', or a .csv file with a column named model"


@dataclass(frozen=True)
class Item:
    """A model to report on. model, data: as they were given; title: None for the usual one; name: of the folder."""

    model: str
    data: str
    title: str | None
    name: str


def listed(given: Sequence[str], data: str) -> list[Item]:
    """Return the models that are named, each once, in their order.

    given: paths of models, patterns of them, and .csv files. data: of those that name none. A path that leads to no
    file is an item like any other: its report will fail, not those of the others. Raises InputError where a pattern
    fits nothing and where a .csv file cannot be used.
    """
    rows: list[tuple[str, str, str | None]] = []
    for one in given:
        is_table = one.lower().endswith(".csv")
        rows += _of_table(Path(one), data) if is_table else [(path, data, None) for path in _paths(one)]
    rows = list(dict.fromkeys(rows))
    if not rows:
        raise InputError("no model is named", _NO_MODELS)
    names = _names([model for model, _, _ in rows])
    return [Item(*row, name) for row, name in zip(rows, names, strict=True)]


def _paths(given: str) -> list[str]:
    if os.path.isdir(given):  # noqa: PTH112 (Path.is_dir raises where a name is too long)
        raise InputError(f"{given} is a folder", f"give the models in it, such as '{given.rstrip('/')}/*.keras'")
    if os.path.lexists(given) or not glob.has_magic(given):
        return [given]
    fitting = glob.glob(given, recursive=True)  # noqa: PTH207 (Path.glob knows no pattern of a whole path)
    if not (found := sorted(path for path in fitting if not Path(path).is_dir())):
        raise InputError(f"no file fits {given!r}", _NO_MODELS)
    return found


def _of_table(path: Path, data: str) -> list[tuple[str, str, str | None]]:
    """Return the rows of a .csv file whose first line names its columns: model and, if wanted, data and title."""
    try:
        written = files.content(path, _LARGEST_TABLE).decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(written, newline=""), strict=True)
        columns = list(table.fieldnames or ())
        if "model" not in columns or set(columns) - set(_COLUMNS):
            raise InputError(
                f"{path} has the columns {', '.join(map(repr, columns)) or 'none'} in its first line",
                f"expected {_COLUMNS[0]} and, if wanted, {' and '.join(_COLUMNS[1:])}",
            )
        return [_row(row, f"line {table.line_num} of {path}", data) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error})", "expected a .csv file in UTF-8") from error


def _row(row: dict[str, str | None], what: str, data: str) -> tuple[str, str, str | None]:
    if None in row or not row["model"]:  # DictReader puts what is beyond the columns under None
        raise InputError(f"{what} names no model, or has more columns than the first line", "mend that line")
    return row["model"], row.get("data") or data, row.get("title") or None


def _names(models: Sequence[str]) -> list[str]:
    """Return a name for each model, no two equal even where capitals do not count.

    It is the file's, with as many of the folders above it as tell it from others of that name; so it stays the same
    when other models come. What still is equal is numbered.
    """
    paths = [Path(model).absolute() for model in models]
    times = Counter(path.with_suffix("") for path in paths)
    parts = [(*path.parent.parts, path.stem if times[path.with_suffix("")] == 1 else path.name) for path in paths]
    depth = [1] * len(models)
    names = [_safe(part[-1:]) for part in parts]
    for _ in range(max(map(len, parts))):
        equal = Counter(name.casefold() for name in names)
        if not (twice := [n for n, name in enumerate(names) if equal[name.casefold()] > 1]):
            return names
        for n in twice:
            depth[n] += 1
            names[n] = _safe(parts[n][-depth[n] :])
    return _numbered(names)


def _numbered(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    found = []
    for name in names:
        tried = (name if n == 1 else f"{name}-{n}" for n in range(1, len(names) + 2))
        free = next(one for one in tried if one.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free)
    return found


def _safe(parts: Sequence[str]) -> str:
    """Return a name for a folder: letters, digits and a few signs, neither hidden nor taken for an option."""
    joined = "-".join(part for part in parts if part != os.sep)
    return re.sub(r"[^\w.-]+", "_", joined).strip(".-")[-_LONGEST_NAME:].lstrip(".-") or "model"

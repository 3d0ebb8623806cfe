"""A Record on disk and back: report.json for everything but arrays, record.npz for those."""

import dataclasses
import io
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import InputError
from reportgen.record import SCHEMA, Array, Pictures, Record

JSON_NAME = "report.json"
ARRAYS_NAME = "record.npz"
_OUTLINE = "outline"


def to_bytes(record: Record) -> dict[str, bytes]:
    """Return the two files of a record, by name. The same record gives the same bytes."""
    fields = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "pictures"}
    return {JSON_NAME: _json(_plain(fields, None), indent=1), ARRAYS_NAME: _npz(record.pictures)}


def load(folder: Path) -> Record:
    """Read back what `to_bytes` made. Raises InputError where the folder holds no readable record."""
    do = "give a folder that `reportgen report` wrote"
    try:
        found = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            schema = found.get("schema") if isinstance(found, dict) else None
            raise InputError(f"{folder / JSON_NAME} has schema {schema!r}, expected {SCHEMA!r}", do)
        with (folder / ARRAYS_NAME).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        found["pictures"] = json.loads(arrays.pop(_OUTLINE).tobytes())
        return typing.cast(Record, _build(Record, found, arrays))
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is missing", do) from error
    except InputError:
        raise
    except Exception as error:  # json, zipfile, zlib and numpy raise whatever a damaged file makes of them
        raise InputError(f"{folder} holds no readable record ({type(error).__name__}: {error})", do) from error


def _json(value: Any, indent: int | None = None) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8",
        "backslashreplace",  # half a surrogate pair, from a file name in another encoding, becomes \udc80
    )


def _npz(pictures: Pictures) -> bytes:
    arrays: dict[str, Array] = {}
    outline = _json(_plain(pictures, arrays))
    buffer = io.BytesIO()
    # numpy dates every member 1980-01-01, so equal arrays give equal bytes
    members: dict[str, Any] = {_OUTLINE: np.frombuffer(outline, np.uint8)} | arrays
    np.savez_compressed(buffer, **members)
    return buffer.getvalue()


def _plain(value: Any, arrays: dict[str, Array] | None) -> Any:
    """Return `value` as JSON can say it; an array goes to `arrays`, and its name takes its place."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, np.ndarray):
        if arrays is None:
            raise TypeError("an array cannot go into report.json")
        name = f"array{len(arrays)}"
        arrays[name] = value
        return name
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _build(kind: Any, value: Any, arrays: dict[str, Array]) -> Any:
    """Return `value`, as read from JSON, as an instance of the annotation `kind`. Raises TypeError."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if kind == Array:
        return arrays[value]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _build(hints[name], value[name], arrays) for name in hints})
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        (wanted,) = (arg for arg in args if arg is not type(None))
        return _build(wanted, value, arrays)
    if origin is list:
        _expect(value, list)
        return [_build(args[0], item, arrays) for item in value]
    if origin is dict:
        _expect(value, dict)
        return {key: _build(args[1], item, arrays) for key, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _expect(value, kind)
    return value


def _expect(value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")

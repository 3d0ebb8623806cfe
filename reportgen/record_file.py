"""A Record on disk and back: report.json for everything but arrays, record.npz for those.

report.json has sentences in English. What they were made from stands in record.npz, so that they can be said in
another language.
"""

import dataclasses
import functools
import io
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import InputError
from reportgen.record import SCHEMA, Array, Look, Record
from reportgen.texts import Text, from_plain, literal

JSON_NAME = "report.json"
ARRAYS_NAME = "record.npz"
_OUTLINE, _TEXTS = "outline", "texts"


def to_bytes(record: Record) -> dict[str, bytes]:
    """Return the two files of a record, by name. The same record gives the same bytes."""
    fields = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "pictures"}
    texts: dict[str, Text] = {}
    arrays: dict[str, Array] = {}
    facts = _plain(fields, None, texts)
    outline = _plain(record.pictures, arrays, texts)
    members = {
        _OUTLINE: np.frombuffer(_json(outline), np.uint8),
        _TEXTS: np.frombuffer(_json([text.plain() for text in texts.values()]), np.uint8),
    }
    return {JSON_NAME: _json(facts, indent=1), ARRAYS_NAME: _npz(members | arrays)}


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
        found.setdefault("look", dataclasses.asdict(Look()))  # as of texts: a folder from before there were languages
        texts = _read_texts(arrays.pop(_TEXTS, None))
        return typing.cast(Record, _build(Record, found, arrays, texts))
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is missing", do) from error
    except InputError:
        raise
    except Exception as error:  # json, zipfile, zlib and numpy raise whatever a damaged file makes of them
        raise InputError(f"{folder} holds no readable record ({type(error).__name__}: {error})", do) from error


def _read_texts(stored: Array | None) -> dict[str, Text]:
    """Return texts by their English, none where none were stored."""
    return {} if stored is None else {str(text): text for text in map(from_plain, json.loads(stored.tobytes()))}


def _json(value: Any, indent: int | None = None) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8",
        "backslashreplace",  # half a surrogate pair, from a file name in another encoding, becomes \udc80
    )


def _npz(members: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)  # dates every member 1980-01-01, so equal arrays give equal bytes
    return buffer.getvalue()


def _plain(value: Any, arrays: dict[str, Array] | None, texts: dict[str, Text]) -> Any:
    """Return `value` as JSON can say it.

    An array goes to `arrays`, and its name takes its place; a Text, unless it is a literal, also goes to `texts`.
    """
    if isinstance(value, Text):
        if value.plain() != ["literal", value]:  # a literal is what `_build` makes of words without a text
            texts[value] = value
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), arrays, texts) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {_plain(key, arrays, texts): _plain(item, arrays, texts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays, texts) for item in value]
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


def _build(kind: Any, value: Any, arrays: dict[str, Array], texts: dict[str, Text]) -> Any:
    """Return `value`, as read from JSON, as an instance of the annotation `kind`. Raises TypeError."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if kind == Array:
        return arrays[value]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints, later = _hints(kind), _later(kind)
        known = [name for name in hints if name in value or name not in later]
        return kind(**{name: _build(hints[name], value[name], arrays, texts) for name in known})
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        (wanted,) = (arg for arg in args if arg is not type(None))
        return _build(wanted, value, arrays, texts)
    if origin is list:
        _expect(value, list)
        return [_build(args[0], item, arrays, texts) for item in value]
    if origin is dict:
        _expect(value, dict)
        return {
            _build(args[0], key, arrays, texts): _build(args[1], item, arrays, texts) for key, item in value.items()
        }
    if kind is Text:
        _expect(value, str)
        return texts.get(value) or literal(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _expect(value, kind)
    return value


_hints = functools.cache(typing.get_type_hints)


@functools.cache
def _later(kind: Any) -> frozenset[str]:
    """Return the fields of a noun that have a default: a folder from before there were any lacks them."""
    fields = dataclasses.fields(kind)
    plain = dataclasses.MISSING
    return frozenset(f.name for f in fields if f.default is not plain or f.default_factory is not plain)


def _expect(value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")

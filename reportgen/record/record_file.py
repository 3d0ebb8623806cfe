"""A Record on disk and back: report.json for everything but arrays, record.npz for those.

report.json has sentences in English. What they were made from stands in record.npz, so that they can be said in
another language.
"""

import dataclasses
import io
import json
import re
import typing
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from reportgen import files
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.i18n import Text, from_plain
from reportgen.process import garbage
from reportgen.record import arrays, key_figures, nouns
from reportgen.record.pictures import Array
from reportgen.record.run import Look, Record
from reportgen.record.units import with_alike

JSON_NAME = "report.json"
ARRAYS_NAME = "record.npz"
_OUTLINE, _TEXTS = "outline", "texts"
_ACTING = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LEVEL = 3
"""How tightly zlib packs: at its usual 6 it takes half as long again, for a file that is a fiftieth smaller."""


def _fields(noun: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(noun):
        raise TypeError(f"{type(noun).__name__} is no noun of a record")
    return vars(noun)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, default=_fields)
"""Writes nouns with the keys of their fields, in their order; it refuses numbers of numpy's, which have none."""


@garbage.left_alone()
def to_bytes(record: Record) -> dict[str, bytes]:
    """Return the two files of a record, by name. The same record gives the same bytes."""
    fields = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "pictures"}
    texts: dict[str, Text] = {}
    stored: dict[str, Array] = {}
    outline = nouns.plain(record.pictures, stored, texts)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, ThreadPoolExecutor(1) as other:
        arrays_in = other.submit(_pack, archive, stored)  # zlib lets the encoder of JSON run meanwhile
        facts = _in_lines(fields, texts)
        # one at a time: all of them in plain values would be much memory
        said = b"[%s]\n" % b", ".join(_encoded(_dumped(text.plain())) for text in texts.values())
        arrays_in.result()
        _pack(archive, {_OUTLINE: np.frombuffer(_json(outline), np.uint8), _TEXTS: np.frombuffer(said, np.uint8)})
    return {JSON_NAME: facts, ARRAYS_NAME: packed.getvalue()}


def as_json(noun: Any) -> bytes:
    """Return a noun without arrays as JSON, its sentences in English. The same noun gives the same bytes."""
    return _in_lines(noun, {})


@garbage.left_alone()
def load(folder: Path) -> Record:
    """Read back what `to_bytes` made. Raises InputError where the folder holds no readable record."""
    do = "give a folder that `reportgen report` wrote"
    try:
        found = key_figures.parsed(_content(folder / JSON_NAME, do))
        key_figures.of(found)
        stored = _arrays(folder / ARRAYS_NAME, do)
        found["pictures"] = json.loads(stored.pop(_OUTLINE).tobytes())
        found.setdefault("look", dataclasses.asdict(Look()))  # as of texts: a folder from before there were languages
        texts = _read_texts(stored.pop(_TEXTS, None))
        record = typing.cast(Record, nouns.builder(Record)(found, stored, texts))
        _check(record, found)
        return _with_later_words(record, found)
    except key_figures.Unreadable as error:
        raise InputError(f"{folder}/{error}", do) from error  # it begins with the file's name
    except (InputError, MemoryError):
        raise
    except Exception as error:  # json, zipfile, zlib and numpy raise whatever a damaged file makes of them
        raise InputError(f"{folder} holds no readable record ({type(error).__name__}: {error})", do) from error


def _with_later_words(record: Record, found: dict[str, Any]) -> Record:
    """Return a record whose folder has the figures, but not yet the words for how alike two units are, with these."""
    near = next((unit["nearest"] for unit in found["units"] if unit["nearest"] is not None), {"alike": None})
    if "alike" in near or "r_over_positions" not in near:
        return record
    return dataclasses.replace(record, units=with_alike(record.units, record.provenance.redundant))


def _content(path: Path, do: str) -> bytes:
    try:
        return files.content(path, files.MOST_JSON)
    except InputError as error:
        raise _missing(error, path, do) from error


def _arrays(path: Path, do: str) -> dict[str, Array]:
    try:
        return arrays.read(path)
    except InputError as error:
        raise _missing(error, path, do) from error


def _missing(error: InputError, path: Path, do: str) -> InputError:
    """Return the error about a file as one about a file of a report."""
    is_missing = isinstance(error.__cause__, FileNotFoundError)
    return InputError(f"{path} is missing" if is_missing else error.what, do)


def _check(record: Record, found: dict[str, Any]) -> None:
    """Raise Unreadable or ValueError where the parts of a record do not belong together."""
    if record.baseline is not None:
        key_figures.moment(found, "baseline", "made_at")
    for course in (record.history, record.baseline.history if record.baseline else None):
        if course is None:
            continue
        epochs = len(course.epochs)
        if not epochs or {epochs} != {len(course.seconds), *map(len, course.metrics.values())}:
            raise ValueError("history has not as many values as epochs")
        if course.best_epoch is not None and course.best_epoch not in course.epochs:
            raise ValueError("history has a best epoch that is none of its epochs")
    classes = len(record.data.class_names)
    for name, scores in record.evaluation.items():
        if scores is None:
            continue
        sides = {len(scores.classes), len(scores.confusion), *map(len, scores.confusion)}
        if len(sides) != 1 or min(sides) < classes:
            raise ValueError(f"evaluation.{short(name)} has scores for {sorted(sides)} of {classes} classes")


def _read_texts(stored: Array | None) -> dict[str, Text]:
    """Return texts by their English, none where none were stored."""
    return {} if stored is None else {str(text): text for text in map(from_plain, json.loads(stored.tobytes()))}


def _in_lines(value: Any, texts: dict[str, Text]) -> bytes:
    """Return a noun without arrays as JSON that can be read line by line: what is listed has a line for each item.

    Of many thousand units there is never more than one in plain values at a time.
    """
    written = io.BytesIO()  # a list of pieces would be as much memory again
    for piece in _pieces(value, texts, 0):
        written.write(_encoded(piece))
    written.write(b"\n")
    return written.getvalue()


def _pieces(value: Any, texts: dict[str, Text], level: int) -> Iterator[str]:
    """Yield what `value` is as JSON: keys of a noun, and items of a list of nouns or lists, on lines of their own.

    level: how far the line that it begins on is indented.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    inside, outside = "\n" + " " * (level + 1), "\n" + " " * level
    if isinstance(value, dict) and value:
        for n, (key, item) in enumerate(value.items()):
            yield f"{',' if n else '{'}{inside}{_written(key, texts)}: "
            yield from _pieces(item, texts, level + 1)
        yield outside + "}"
    elif isinstance(value, list | tuple) and value and _holds_more(value[0]):
        for n, item in enumerate(value):
            yield f"{',' if n else '['}{inside}{_written(item, texts)}"
        yield outside + "]"
    else:
        yield _written(value, texts)


def _written(value: Any, texts: dict[str, Text]) -> str:
    """Return `value` as JSON: `_dumped` of `nouns.plain`, which takes five times as long."""
    nouns.find_texts(value, texts)
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError):  # numbers of numpy's, and what is not finite
        return _dumped(nouns.plain(value, None, texts))


def _holds_more(value: Any) -> bool:
    return dataclasses.is_dataclass(value) or isinstance(value, dict | list | tuple)


def _json(value: Any) -> bytes:
    return _encoded(_dumped(value) + "\n")


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _encoded(written: str) -> bytes:
    if written.isascii() and "\x7f" not in written:
        return written.encode("ascii")
    # in a string of JSON, where alone they can stand, these would act on a terminal that shows the file
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", written).encode(
        "utf-8",
        "backslashreplace",  # half a surrogate pair, from a file name in another encoding, becomes \udc80
    )


def _pack(archive: zipfile.ZipFile, members: Mapping[str, Array]) -> None:
    """Put arrays into an archive as `numpy.savez_compressed` does, packed less tightly."""
    for name, array in members.items():
        member = io.BytesIO()
        np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        # dated 1980-01-01, so that equal arrays give equal bytes
        archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getbuffer(), zipfile.ZIP_DEFLATED, _LEVEL)

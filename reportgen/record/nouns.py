"""Nouns as what JSON holds and back, by the annotations of their fields; arrays and texts are kept beside."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reportgen.i18n import Text, literal
from reportgen.record.pictures import Array

_SIMPLE = frozenset({int, float, str, bool, type(None)})
_MOST: dict[Any, float] = {int: 2**63, float: math.inf}


def plain(value: Any, stored: dict[str, Array] | None, texts: dict[str, Text]) -> Any:
    """Return `value` as JSON can say it.

    An array goes to `stored`, and its name takes its place; a Text, unless it is a literal, also goes to `texts`.
    """
    if type(value) in _SIMPLE:  # most are
        return value if type(value) is not float or math.isfinite(value) else None
    if isinstance(value, Text):
        if value.plain() != ["literal", value]:  # a literal is what `_text` makes of words without a text
            texts[value] = value
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), stored, texts) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {plain(key, stored, texts): plain(item, stored, texts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, stored, texts) for item in value]
    if isinstance(value, np.ndarray):
        if stored is None:
            raise TypeError("an array cannot go into report.json")
        name = f"array{len(stored)}"
        stored[name] = value
        return name
    return plain(value.item(), stored, texts) if isinstance(value, np.generic) else value


_Finder = Callable[[Any, dict[str, Text]], None]


@functools.cache
def finder(kind: Any) -> _Finder:
    """Return what puts the texts in a value of the annotation `kind` into a dictionary, as `plain` does."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Text:
        return _find_text
    if not _may_hold_texts(kind):
        return lambda value, texts: None
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _finder_in_noun(kind)
    if origin is list:
        return _finder_in_list(finder(args[0]))
    some = [arg for arg in args if arg is not type(None)]
    return finder(some[0]) if origin in (types.UnionType, typing.Union) and len(some) == 1 else find_texts


def _finder_in_noun(kind: Any) -> _Finder:
    hints = typing.get_type_hints(kind)
    fields = [(f.name, finder(hints[f.name])) for f in dataclasses.fields(kind) if _may_hold_texts(hints[f.name])]

    def find(value: Any, texts: dict[str, Text]) -> None:
        for name, find_in_field in fields:
            if (held := getattr(value, name)) is not None:
                find_in_field(held, texts)

    return find


def _finder_in_list(find_in_item: _Finder) -> _Finder:
    def find(value: Any, texts: dict[str, Text]) -> None:
        for item in value:
            find_in_item(item, texts)

    return find


@functools.cache
def _may_hold_texts(kind: Any) -> bool:
    """Return whether there can be texts in a value of the annotation `kind`: always, where nobody knows."""
    if kind in _SIMPLE or kind == Array:
        return False
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return any(map(_may_hold_texts, typing.get_type_hints(kind).values()))
    args = typing.get_args(kind)
    return any(map(_may_hold_texts, args)) if args else True


def _find_text(value: Any, texts: dict[str, Text]) -> None:
    if isinstance(value, Text) and value.plain()[0] != "literal":
        texts[value] = value


def find_texts(value: Any, texts: dict[str, Text]) -> None:
    """Put the texts in a value of any kind into a dictionary, as `plain` does."""
    if isinstance(value, Text):
        _find_text(value, texts)
    elif isinstance(value, dict):
        for key, item in value.items():
            find_texts(key, texts)
            find_texts(item, texts)
    elif isinstance(value, list | tuple):
        for item in value:
            find_texts(item, texts)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        finder(type(value))(value, texts)


_Builder = Callable[[Any, Mapping[str, Array], Mapping[str, Text]], Any]


@functools.cache
def builder(kind: Any) -> _Builder:
    """Return what makes an instance of the annotation `kind` of a value as read from JSON; it raises TypeError.

    It is given the value, the stored arrays and the texts. One is made for each annotation, not for each value: a large
    model's record has millions of these.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return lambda value, stored, texts: value
    if kind == Array:
        return lambda value, stored, texts: stored[value]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _noun_builder(kind)
    if origin in (types.UnionType, typing.Union):
        (wanted,) = (builder(arg) for arg in args if arg is not type(None))
        if type(None) not in args:
            return wanted
        return lambda value, stored, texts: None if value is None else wanted(value, stored, texts)
    if origin is list:
        return _list_builder(builder(args[0]))
    if origin is dict:
        return _dict_builder(*map(builder, args))
    if kind in _BUILDERS:
        return _BUILDERS[kind]
    return lambda value, stored, texts: value if type(value) is kind else _expected(value, kind)


def _noun_builder(kind: Any) -> _Builder:
    later = _later(kind)
    fields = [(name, builder(hint), name in later) for name, hint in typing.get_type_hints(kind).items()]

    def build(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> Any:
        return kind(
            **{
                name: make(value[name], stored, texts)
                for name, make, may_lack in fields
                if not may_lack or name in value
            }
        )

    return build


def _list_builder(item: _Builder) -> _Builder:
    def build(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> Any:
        return [item(one, stored, texts) for one in _expected(value, list)]

    return build


def _dict_builder(key: _Builder, item: _Builder) -> _Builder:
    def build(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> Any:
        return {key(name, stored, texts): item(one, stored, texts) for name, one in _expected(value, dict).items()}

    return build


def _text(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> Text:
    return texts.get(_expected(value, str)) or literal(value)


def _int(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> int:
    if type(value) is int and -_MOST[int] < value < _MOST[int]:  # as nearly all are
        return value
    return typing.cast(int, _expected(value, int))


def _float(value: Any, stored: Mapping[str, Array], texts: Mapping[str, Text]) -> float:
    if type(value) is float and -math.inf < value < math.inf:
        return value
    return float(value) if type(value) is int else typing.cast(float, _expected(value, float))


def _later(kind: Any) -> frozenset[str]:
    """Return the fields of a noun that have a default: a folder from before there were any lacks them."""
    fields, none = dataclasses.fields(kind), dataclasses.MISSING
    return frozenset(f.name for f in fields if f.default is not none or f.default_factory is not none)


def _expected(value: Any, kind: type) -> Any:
    """Return a value that is of this kind; raise TypeError where it is not."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    if isinstance(value, int | float) and not abs(value) < _MOST.get(kind, math.inf):
        raise ValueError("a number beyond all bounds")
    return value


_BUILDERS: dict[Any, _Builder] = {Text: _text, float: _float, int: _int}

"""Sentences that a Record holds in English and a page can say in another language.

A Text is its English as a str, so report.json, a terminal and a test read it as it is. Beside that it keeps the
message it was made from and what was filled in, so that a page in another language looks the message up in its
catalogue and fills in the same. Messages are literals at the place where they are used: that is where Babel finds them.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol


class Catalogue(Protocol):
    """What gettext's translations and `render.languages` offer."""

    def gettext(self, message: str) -> str:
        """Return the translation of `message`."""

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Return the translation that fits the number `n`."""


class Text(str):
    """English words with the messages that they were made from. Made by `text`, `ntext`, `joined` and `literal`.

    It equals the str of the same words and is as good a key; what is made from it by a method of str is a plain str.
    """

    __slots__ = ("_made_from",)
    _made_from: Any

    def said(self, catalogue: Catalogue) -> str:
        """Return this text in the language of `catalogue`. Raises KeyError where that names a place nothing fills."""
        if catalogue is ENGLISH:
            return str(self)
        return _say(self._made_from, catalogue)

    def plain(self) -> Any:
        """Return what `from_plain` makes this text from: lists, mappings, words and numbers, as JSON knows them."""
        return self._made_from

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to copy or unpickle this text together with what it was made from."""
        return from_plain, (self._made_from,)


def text(message: str, /, **values: str) -> Text:
    """Return `message` with `values`, words or numbers written out, in the places named: "{cause} in {layer}".

    Raises KeyError where the message has a place that no value is for.
    """
    return _made(["text", message, _plain_values(values)], _filled(message, values))


def ntext(n: int, one: str, many: str, /, **values: str) -> Text:
    """Return `one` or `many`, as the number `n` asks for; in both, "{n}" stands for it: 12345 -> "12,345 images"."""
    n = int(n)  # of numpy's integers, which JSON does not know
    return _made(["ntext", one, many, n, _plain_values(values)], _counted(ENGLISH, n, one, many, values))


def joined(separator: str, items: Sequence[str], /) -> Text:
    """Return the items with `separator`, itself a message, between them."""
    return _made(["joined", separator, [_plain(item) for item in items]], separator.join(items))


def literal(words: str) -> Text:
    """Return words that are the same in every language: a name from outside, a number."""
    return _made(["literal", str(words)], words)


def from_plain(made_from: Any) -> Text:
    """Return the Text whose `plain` is `made_from`. Raises ValueError for anything else, KeyError as `text` does."""
    return _made(made_from, _say(made_from, ENGLISH))


def _made(made_from: Any, english: str) -> Text:
    made = Text(english)
    made._made_from = made_from
    return made


def _plain(value: str) -> Any:
    return value.plain() if isinstance(value, Text) else ["literal", str(value)]


def _plain_values(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _say(made_from: Any, catalogue: Catalogue) -> str:
    match made_from:
        case ["literal", str(words)]:
            return words
        case ["joined", str(separator), [*items]]:
            return catalogue.gettext(separator).join(_say(item, catalogue) for item in items)
        case ["text", str(message), dict(values)]:
            return _filled(catalogue.gettext(message), _said_values(values, catalogue))
        case ["ntext", str(one), str(many), int(n), dict(values)]:
            return _counted(catalogue, n, one, many, _said_values(values, catalogue))
    raise ValueError("what a text is said to be made from is nothing that reportgen makes one from")


def _said_values(values: Mapping[str, Any], catalogue: Catalogue) -> dict[str, str]:
    return {name: _say(value, catalogue) for name, value in values.items()}


def _counted(catalogue: Catalogue, n: int, one: str, many: str, values: Mapping[str, str]) -> str:
    return _filled(catalogue.ngettext(one, many, n), {"n": f"{n:,}", **values})


def _filled(message: str, values: Mapping[str, str]) -> str:
    """Return `message` with its places filled. Not str.format: a message can come from a file of somebody else's."""
    words, places = _parts(message)
    return words % tuple([values[place] for place in places])


@lru_cache(4096)  # a report of a large model says the same in other figures a hundred thousand times
def _parts(message: str) -> tuple[str, list[str]]:
    """Return a message with "%s" in its places, and the names of these."""
    found = _PLACE.split(message)
    return "%s".join(words.replace("%", "%%") for words in found[::2]), found[1::2]


_PLACE = re.compile(r"\{(\w+)\}")


class _English:
    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, one: str, many: str, n: int) -> str:
        return one if n == 1 else many


ENGLISH: Catalogue = _English()
"""The catalogue of the language that messages are written in."""

"""The languages that pages and messages can be in: a gettext catalogue for each but English, read by Babel."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from reportgen.i18n import ENGLISH, Catalogue, Text

SOURCE = "en"
"""The language that messages are written in."""

_GAP = re.compile(r"(?<=[。、：）」])\s+(?=(?:<span[^>]*>\s*)?[\u3040-\u30ff\u4e00-\u9fff「（])")

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def catalogue(lang: str) -> Catalogue:
    """Return the messages of a language of `options.LANGUAGES`. A message without a translation stays English."""
    return ENGLISH if lang == SOURCE else _read(lang)


def bound(function: Callable[..., Any], messages: Catalogue) -> Callable[..., Any]:
    """Return `function` taking and giving texts in the language of `messages`: a filter of the templates."""

    def in_language(*values: Any, **named: Any) -> Any:
        made = function(*(said(value, messages) for value in values), **named)
        return said(made, messages)

    return in_language


def said(value: Any, messages: Catalogue) -> Any:
    """Return a Text in the language of `messages`, and anything else as it is."""
    return value.said(messages) if isinstance(value, Text) else value


def tightened(page: str, lang: str) -> str:
    """Return HTML without the spaces that templates leave between two sentences, where the language writes none."""
    return _GAP.sub("", page) if lang == "ja" else page


@cache
def _read(lang: str) -> "_Translations":
    from babel.messages.pofile import read_po

    with (LOCALE / lang / "LC_MESSAGES" / "reportgen.po").open("rb") as file:
        found = read_po(file, locale=lang)
    return _Translations({message.id: message.string for message in found if message.id and message.string})


class _Translations:
    """A catalogue read whole. The key of a message with a plural is (one, many), its value a tuple of forms."""

    def __init__(self, messages: dict[Any, Any]) -> None:
        self._single = {key: value for key, value in messages.items() if isinstance(key, str)}
        # Japanese has one form for every number; a language with more needs its plural rule here
        self._counted = {key: value[0] for key, value in messages.items() if not isinstance(key, str)}

    def gettext(self, message: str) -> str:
        return self._single.get(message) or message

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self._counted.get((one, many)) or (one if n == 1 else many)

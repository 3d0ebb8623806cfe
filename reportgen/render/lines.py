"""Sentences and aligned tables for a terminal."""

import unicodedata
from collections.abc import Iterable, Sequence

from reportgen.i18n import Catalogue, Text
from reportgen.render import words
from reportgen.render.languages import said

_WIDE = "WF"


def joined(blocks: Iterable[Sequence[str]]) -> str:
    """Return paragraphs and tables, each a list of lines, with an empty line between."""
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


class Lines:
    """Makes lines in one language."""

    def __init__(self, messages: Catalogue) -> None:
        self.messages = messages

    def say(self, value: str) -> str:
        """Return words in the language, on one line; what a terminal could take for a command is made visible."""
        return words.name(" ".join(str(said(value, self.messages)).split()), 2000)

    def indented(self, values: Iterable[str]) -> list[str]:
        """Return each of the words on a line, moved in."""
        return [f"  {self.say(value)}" for value in values]

    def table(self, title: Text, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> list[str]:
        """Return a title and aligned rows below it. numbers: how many columns, the last ones, are set to the right."""
        said = [[self.say(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(_width, column)) for column in zip(*said, strict=True)]
        first = len(widths) - numbers
        lines = []
        for row in said:
            cells = [_padded(cell, width, n >= first) for n, (cell, width) in enumerate(zip(row, widths, strict=True))]
            lines.append(f"  {'  '.join(cells)}".rstrip())
        return [self.say(title), *lines]


def _padded(value: str, width: int, to_the_right: bool) -> str:
    room = " " * (width - _width(value))
    return room + value if to_the_right else value + room


def _width(value: str) -> int:
    """Return how many columns of a terminal the characters take."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
        for letter in value
    )

"""What changed since a baseline, as text for a terminal."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from reportgen import format
from reportgen.i18n import Catalogue, Text, text
from reportgen.record.changes import ClassChange
from reportgen.record.units import Finding
from reportgen.render import words
from reportgen.render.comparison.view import Changes
from reportgen.render.languages import catalogue, said

MOST_UNITS = 20
_WIDE = "WF"
_LONGEST = 300


def plain(changes: Changes, lang: str) -> str:
    """Return the comparison as paragraphs and aligned tables in the language `lang`; signs are those of ASCII."""
    writer = _Writer(changes, catalogue(lang), lang)
    whole = "\n\n".join("\n".join(block) for block in writer.blocks())
    return whole.replace("\N{MINUS SIGN}", "-").replace("\N{MULTIPLICATION SIGN}", "x") + "\n"


class _Writer:
    """Says a comparison in one language, block by block."""

    def __init__(self, changes: Changes, messages: Catalogue, lang: str) -> None:
        self._changes, self._messages, self._lang = changes, messages, lang

    def blocks(self) -> Iterator[list[str]]:
        """Yield each paragraph and each table, as lines."""
        changes, found = self._changes, self._changes.baseline
        date = words.moment(found.made_at, self._messages, self._lang)
        title = words.name(self._say(found.title))
        yield [self._say(text("Compared with {title}, made on {date}.", title=title, date=date))]
        yield [words.capitalize_first(self._say(found.summary))]
        if found.caveats:
            yield [self._say(text("Careful:")), *self._indented(found.caveats)]
        rows = [[row.name, row.before, row.after, row.change] for row in changes.figures]
        yield self._table(text("Figures"), ("", text("Before"), text("Now"), text("Change")), rows, numbers=3)
        yield [self._say(changes.accuracy)]
        if not found.unchanged:
            yield from self._details()

    def _details(self) -> Iterator[list[str]]:
        changes, findings = self._changes, self._changes.baseline.findings
        if changes.classes:
            yield self._classes(changes.classes)
        if changes.layers:
            head = (text("Layer"), text("Change"), text("Before"), text("Now"))
            rows = [[row.name, row.change, row.before, row.after] for row in changes.layers]
            yield self._table(text("Layers"), head, rows)
        if changes.matches:
            yield from self._units()
        if findings.new:
            yield [self._say(text("New findings")), *self._indented(map(self._finding, findings.new))]
        if findings.gone:
            yield [self._say(text("Findings that are gone")), *self._indented(map(self._finding, findings.gone))]

    def _classes(self, shown: Sequence[ClassChange]) -> list[str]:
        title = text(
            "Classes that changed by {least} or more: {shown} of {all} shown",
            least=self._changes.least,
            shown=format.count(len(shown)),
            all=format.count(len(self._changes.baseline.classes)),
        )
        head = (
            "",
            text("Precision"),
            text("Now"),
            text("Recall"),
            text("Now"),
            "F1",
            text("Now"),
            text("Recall, 95 % CI"),
        )
        rows = []
        for change in shown:
            values = [
                None if score is None else getattr(score, name)
                for name in ("precision", "recall", "f1")
                for score in (change.before, change.after)
            ]
            interval = words.change_range(change.recall_interval)
            rows.append([words.name(change.label, 24), *map(format.share, values), interval])
        return self._table(title, head, rows, numbers=7)

    def _units(self) -> Iterator[list[str]]:
        changes, every = self._changes, self._changes.baseline.units
        counts = (text("Pairs"), "r", text("Unmatched before"), text("Unmatched now"))
        rows = [[m.layer, m.how, m.pairs, m.r, m.unmatched_before, m.unmatched_after] for m in changes.matches]
        yield [
            *self._table(text("Units and their counterparts"), (text("Layer"), text("Matched by"), *counts), rows),
            *self._indented(text("{layers}: {reason}", layers=layers, reason=why) for layers, why in changes.reasons),
        ]
        shown = changes.units[:MOST_UNITS]
        if shown:
            title = text(
                "Units that changed: {shown} of {all} shown",
                shown=format.count(len(shown)),
                all=format.count(len(every)),
            )
            head = (text("Layer"), text("Unit"), text("Number before"), text("What happened"), text("Before"))
            units = [(format.count(one.unit), format.count(one.unit_before)) for one in shown]
            rows = [
                [one.layer, *numbers, one.what, one.before, one.after, one.r]
                for one, numbers in zip(shown, units, strict=True)
            ]
            yield self._table(title, (*head, text("Now"), "r"), rows)

    def _finding(self, finding: Finding) -> Text:
        message = words.name(self._say(finding.message), _LONGEST)
        return text("{severity} {message}", severity=words.severity(finding.severity), message=message)

    def _say(self, value: str) -> str:
        """Return words in the language, on one line; what a terminal could take for a command is made visible."""
        return words.name(" ".join(str(said(value, self._messages)).split()), 2000)

    def _indented(self, values: Iterable[str]) -> list[str]:
        return [f"  {self._say(value)}" for value in values]

    def _table(self, title: Text, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> list[str]:
        """Return a title and aligned rows below it. numbers: how many columns, the last ones, are set to the right."""
        said = [[self._say(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(_width, column)) for column in zip(*said, strict=True)]
        first = len(widths) - numbers
        lines = []
        for row in said:
            cells = [_padded(cell, width, n >= first) for n, (cell, width) in enumerate(zip(row, widths, strict=True))]
            lines.append(f"  {'  '.join(cells)}".rstrip())
        return [self._say(title), *lines]


def _padded(value: str, width: int, to_the_right: bool) -> str:
    room = " " * (width - _width(value))
    return room + value if to_the_right else value + room


def _width(value: str) -> int:
    """Return how many columns of a terminal the characters take."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
        for letter in value
    )

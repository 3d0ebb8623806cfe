"""What changed since a baseline, as text for a terminal."""

from collections.abc import Iterator, Sequence

from reportgen import format
from reportgen.i18n import Catalogue, Text, joined, literal, text
from reportgen.record.changes import ClassChange
from reportgen.render import words
from reportgen.render.comparison.view import Changes
from reportgen.render.findings import Entry
from reportgen.render.languages import catalogue
from reportgen.render.lines import Lines
from reportgen.render.lines import joined as blocks_joined

MOST_UNITS = 20
_LONGEST = 500


def plain(changes: Changes, lang: str) -> str:
    """Return the comparison as paragraphs and aligned tables in the language `lang`."""
    writer = _Writer(changes, catalogue(lang), lang)
    return blocks_joined(writer.blocks())


class _Writer(Lines):
    """Says a comparison in one language, block by block."""

    def __init__(self, changes: Changes, messages: Catalogue, lang: str) -> None:
        super().__init__(messages)
        self._changes, self._lang = changes, lang

    def blocks(self) -> Iterator[list[str]]:
        """Yield each paragraph and each table, as lines."""
        changes, found = self._changes, self._changes.baseline
        date = words.moment(found.made_at, self.messages, self._lang)
        title = words.name(self.say(found.title))
        yield [self.say(text("Compared with {title}, made on {date}.", title=title, date=date))]
        yield [words.capitalize_first(self.say(found.summary)), self.say(changes.advice)]
        if found.caveats:
            yield [self.say(text("Careful:")), *self.indented(found.caveats)]
        rows = [[row.name, row.before, row.after, row.change] for row in changes.figures]
        yield self.table(text("Figures"), ("", text("Before"), text("Now"), text("Change")), rows, numbers=3)
        yield [self.say(changes.accuracy)]
        if not found.unchanged:
            yield from self._details()

    def _details(self) -> Iterator[list[str]]:
        changes = self._changes
        if changes.classes:
            yield self._classes(changes.classes)
        if changes.shifts:
            head = (text("Changed pictures"), text("Before"), text("Now"), text("Change"))
            rows = [[row.name, row.before, row.after, row.change] for row in changes.shifts]
            yield self.table(
                text("Accuracy on changed pictures, where it is another beyond chance"), head, rows, numbers=3
            )
        if changes.layers:
            head = (text("Layer"), text("Change"), text("Before"), text("Now"))
            rows = [[row.name, row.change, row.before, row.after] for row in changes.layers]
            yield self.table(text("Layers"), head, rows)
        if changes.matches:
            yield from self._units()
        for title, entries in changes.findings:
            said = text("Findings: {title}", title=title)
            yield [self.say(said), *self.indented(line for one in entries for line in self._finding(one))]

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
        return self.table(title, head, rows, numbers=7)

    def _units(self) -> Iterator[list[str]]:
        changes = self._changes
        counts = (text("Pairs"), "r", text("Unmatched before"), text("Unmatched now"))
        rows = [[m.layer, m.how, m.pairs, m.r, m.unmatched_before, m.unmatched_after] for m in changes.matches]
        yield [
            *self.table(text("Units and their counterparts"), (text("Layer"), text("Matched by"), *counts), rows),
            *self.indented(text("{layers}: {reason}", layers=layers, reason=why) for layers, why in changes.reasons),
        ]
        shown = changes.units[:MOST_UNITS]
        if shown:
            title = text(
                "Units that changed: {shown} of {all} shown",
                shown=format.count(len(shown)),
                all=format.count(changes.listed),
            )
            head = (text("Layer"), text("Unit"), text("Number before"), text("What happened"), text("Before"))
            units = [(format.count(one.unit), format.count(one.unit_before)) for one in shown]
            rows = [
                [one.layer, *numbers, one.what, one.before, one.after, one.r]
                for one, numbers in zip(shown, units, strict=True)
            ]
            yield self.table(title, (*head, text("Now"), "r"), rows)
        if changes.folds:
            title = text("Counted, of the pairs matched by their responses")
            yield [self.say(title), *self.indented(text("{what}: {where}", what=a, where=b) for a, b in changes.folds)]

    def _finding(self, one: Entry) -> Iterator[Text]:
        """Yield what is said of a kind of finding: its first line with what became of it, then one for each layer."""
        severity = words.severity(one.group.severity)
        head = severity if one.badge is None else joined(" ", [severity, one.badge])
        if one.heading is not None:
            yield text("{severity} {message}", severity=head, message=text("{sentence}.", sentence=one.heading))
        for item in (one.first, *one.others):
            message = literal(words.name(self.say(item.finding.message), _LONGEST))
            yield message if one.heading is not None else text("{severity} {message}", severity=head, message=message)

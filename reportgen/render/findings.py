"""Findings by kind as a page, a mail and a job summary show them: each with its evidence, and what became of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reportgen import format
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record import finding_groups
from reportgen.record.changes import Baseline, KindChange
from reportgen.record.finding_groups import Group
from reportgen.record.finding_kinds import KINDS
from reportgen.record.units import Finding
from reportgen.render import since, words

_NAMED = 5
"""Most layers that are named where the sentences about them are folded away."""
_KINDS_NAMED = 12
"""Most kinds of finding that are named where they are folded away."""

_NAMED_ON_PAPER = 100
MOST_ON_PAPER = 12
"""Most sentences about one kind on paper, where nothing folds; the page and report.json have them all."""


@dataclass(frozen=True)
class Item:
    """One finding. place: the anchor of its evidence, None where there is none; link: what the link to it says."""

    finding: Finding
    place: str | None
    link: Text

    @property
    def is_in_layer(self) -> bool:
        """Whether the evidence is the section of a layer, which paper may not show."""
        return self.place is not None and self.place.startswith("layer-")


@dataclass(frozen=True)
class Entry:
    """The findings of one kind. badge: what became of them since the baseline, None without one.

    heading: how many there are in all, None where `first` says it. more: what the fold with the others is called.
    """

    group: Group
    badge: Text | None
    heading: Text | None
    first: Item
    others: list[Item]
    more: Text | None

    @property
    def on_paper(self) -> list[Item]:
        """The others whose sentences stand on paper."""
        return self.others[: MOST_ON_PAPER - 1]

    @property
    def elsewhere(self) -> Text | None:
        """How many sentences paper leaves out, and of which layers they are; None where there are all."""
        left = self.others[len(self.on_paper) :]
        if not left:
            return None
        layers = [words.name(one.finding.layer, 24, short=True) for one in left if one.finding.layer is not None]
        said = text(
            "{shown} of {all} shown; the HTML page and report.json have all of them.",
            shown=format.count(len(self.others) + 1 - len(left)),
            all=format.count(len(self.others) + 1),
        )
        if not layers:
            return said
        return joined(" ", [said, text("The others are in {layers}.", layers=format.first(layers, _NAMED_ON_PAPER))])


def entries(
    findings: Iterable[Finding],
    baseline: Baseline | None = None,
    place: Callable[[Finding], str | None] = lambda finding: None,
) -> list[Entry]:
    """Return findings by kind, gravest first. place: the anchor of the evidence of each."""
    return [_entry(group, place) for group in finding_groups.grouped(findings, finding_groups.changes_of(baseline))]


def further(left: Sequence[Entry]) -> Text | None:
    """Return how many kinds of finding are left, and what they are called; None where none is."""
    if not left:
        return None
    return ntext(
        len(left),
        "{n} more kind of finding: {names}",
        "{n} more kinds of finding: {names}",
        names=format.first([one.group.name for one in left], _KINDS_NAMED),
    )


def gone(baseline: Baseline | None) -> list[KindChange]:
    """Return the kinds of finding that the baseline had and the report has no longer."""
    return [one for one in finding_groups.changes_of(baseline) if one.kind == "gone"]


def names(kinds: Sequence[KindChange], most: int) -> Text:
    """Return what kinds are called, with their numbers: "dead units (4), overfitting"."""
    said = [
        finding_groups.name_of(one.code)
        if one.before is None
        else text("{name} ({before})", name=finding_groups.name_of(one.code), before=format.count(one.before))
        for one in kinds
    ]
    return format.first(said, most)


def _entry(group: Group, place: Callable[[Finding], str | None]) -> Entry:
    kind = KINDS.get(group.code)
    by_layer = kind is not None and kind.counted is not None

    def item(finding: Finding) -> Item:
        what = group.name
        if by_layer and finding.layer is not None:
            what = text("{name} in {layer}", name=what, layer=words.name(finding.layer))
        return Item(finding, place(finding), text("Evidence: {what}", what=what))

    return Entry(
        group=group,
        badge=since.badge(group.change),
        heading=group.heading,
        first=item(group.first),
        others=[item(one) for one in group.others],
        more=_more(group.others),
    )


def _more(others: Sequence[Finding]) -> Text | None:
    if not others:
        return None
    layers = [words.name(one.layer, 24, short=True) for one in others if one.layer is not None]
    if len(layers) < len(others):
        return ntext(len(others), "{n} more of this kind", "{n} more of this kind")
    return ntext(
        len(others),
        "In {n} more layer: {layers}",
        "In {n} more layers: {layers}",
        layers=format.first(layers, _NAMED),
    )

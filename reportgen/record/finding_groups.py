"""Findings by kind: one entry for all layers and splits, and what became of each kind since the baseline.

report.json lists a finding for each layer. Whoever reads wants to know first what is the matter, how often, and whether
that is new: this is the view that page, PDF, mail, index, job summary and comparison share.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reportgen.format import short
from reportgen.i18n import Text, literal, ntext, text
from reportgen.record.changes import Baseline, KindChange
from reportgen.record.finding_kinds import KINDS
from reportgen.record.units import Finding

MOST = 7
"""How many kinds are listed where there is little room; the others are counted, and named where they fit."""

Sizes = Mapping[str, tuple[str, int | None]]
"""Of each kind its severity, and how many things it is about, None where it counts nothing."""


@dataclass(frozen=True)
class Group:
    """All findings of one kind.

    first: the one about most units, images or the like. others: the rest, in the order of the report. change: what
    became of the kind since the baseline, None without one.
    """

    code: str
    severity: str
    first: Finding
    others: list[Finding]
    change: KindChange | None = None

    @property
    def name(self) -> Text:
        """What the kind is called in a list: "dead units"."""
        return name_of(self.code)

    @property
    def heading(self) -> Text | None:
        """How many there are in all, "5 units never fired in 2 layers"; None where one finding says it."""
        if not self.others:
            return None
        kind, every = KINDS.get(self.code), [self.first, *self.others]
        size, layers = _size(every), {one.layer for one in every}
        if kind is None:
            return ntext(len(every), "{n} finding", "{n} findings")
        if kind.counted is None or size is None:
            return text("{what}: {times}", what=kind.meaning, times=ntext(len(every), "{n} finding", "{n} findings"))
        if None in layers or self.code == "dead-layer":  # whose count is that of the layers
            return kind.counted(size)
        return text("{what} in {layers}", what=kind.counted(size), layers=ntext(len(layers), "{n} layer", "{n} layers"))


def grouped(findings: Iterable[Finding], kinds: Iterable[KindChange] = ()) -> list[Group]:
    """Return findings by kind, the kinds in the order of the first of each. kinds: see `changes_of`."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    changed, found = {one.code: one for one in kinds}, []
    for code, every in by_code.items():
        first = max(every, key=lambda one: _size([one]) or 0)  # of equal ones the first
        others = [one for one in every if one is not first]
        found.append(Group(code, first.severity, first, others, changed.get(code)))
    return found


def name_of(code: str) -> Text:
    """Return what a kind is called; one of a later reportgen by its code."""
    return KINDS[code].name if code in KINDS else literal(short(code))


def changes_of(baseline: Baseline | None) -> list[KindChange]:
    """Return what became of each kind since the baseline, gravest first; none without one.

    For a folder from before that was kept it is told from the findings that are new and gone, without sizes.
    """
    if baseline is None or baseline.kinds:
        return [] if baseline is None else baseline.kinds
    found = baseline.findings
    before, after = (
        {one.code: (one.severity, None) for one in [*own, *found.still]} for own in (found.gone, found.new)
    )
    return changes(before, after)


def sizes(findings: Sequence[Finding]) -> dict[str, tuple[str, int | None]]:
    """Return of each kind its severity, and how many things its findings are about."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    return {code: (every[0].severity, _size(every)) for code, every in by_code.items()}


def changes(before: Sizes, after: Sizes) -> list[KindChange]:
    """Return what became of each kind of finding, gravest first."""
    rank = {code: place for place, code in enumerate(KINDS)}
    codes = sorted({*before, *after}, key=lambda code: (rank.get(code, len(rank)), code))
    return [_change(code, before.get(code), after.get(code)) for code in codes]


def _change(code: str, before: tuple[str, int | None] | None, after: tuple[str, int | None] | None) -> KindChange:
    was, now = before and before[1], after and after[1]
    kind = "still"
    if before is None or after is None:
        kind = "new" if before is None else "gone"
    elif was is not None and now is not None and was != now:
        kind = "worse" if now > was else "better"
    severity = (after or before or ("", None))[0]
    return KindChange(code, severity, kind, was, now)


def _size(findings: Iterable[Finding]) -> int | None:
    """Return how many things findings are about together, None where one of them counts nothing."""
    counts = [one.count or len(one.units) or None for one in findings]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None

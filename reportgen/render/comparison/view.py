"""What changed since a baseline, as the rows and charts of a page."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from reportgen import format
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record import finding_groups
from reportgen.record.changes import Baseline, ClassChange, Figure, LayerMatch, UnitChange
from reportgen.record.evaluation import ClassScore
from reportgen.record.model import LayerRow
from reportgen.record.run import Record
from reportgen.record.training import History
from reportgen.record.units import Finding
from reportgen.render import findings, since, single, templating, words
from reportgen.render.charts import geometry
from reportgen.render.comparison import figures
from reportgen.render.comparison.figures import Row
from reportgen.render.page.layer_views import anchor

MOST_UNITS, MOST_UNITS_ON_PAPER = 200, 40
MOST_CLASSES = 50
NOTICEABLE = 0.01
"""The change of precision, recall or F1 from which on a class is listed."""

_LISTED = 20
_MOST_LOOSE = 10
"""Most changes that are listed of units that were matched by what they answer."""
_ALWAYS_LISTED = frozenset({"dead", "recovered"})

_CHANGES = {
    "dead": text("died"),
    "recovered": text("recovered"),
    "merged": text("merged with another unit"),
    "parted": text("parted from the other units"),
    "state": text("changed its state"),
    "class": text("prefers another class"),
    "condition": text("fires under another condition"),
    "effect": text("is needed for other classes"),
}
_HOW = {"index": text("number"), "class": text("class"), "correlation": text("responses")}
_LAYER_CHANGES = {"added": text("added"), "gone": text("gone"), "resized": text("resized")}


@dataclass(frozen=True)
class UnitRow:
    """A unit that changed. anchor: of its card on a report's page. unit_before: its number in the baseline."""

    layer: str
    unit: int
    anchor: str
    unit_before: int
    what: Text
    before: str
    after: str
    r: str


@dataclass(frozen=True)
class MatchRow:
    """How the units of a layer were matched, and which were not. idle: the shares without effect."""

    layer: str
    how: Text
    pairs: str
    r: str
    unmatched_before: Text
    unmatched_after: Text
    idle: Text


@dataclass(frozen=True)
class Changes:
    """All that is shown of a Baseline.

    advice: what to do about it. accuracy: how sure its change is. classes: those that changed noticeably, most of them;
    noticeable: how many did. charts: old and new course of a metric, by its name. reasons: in which layers units were
    matched so, and why. units: the first of those that changed, `listed` in all; folds: what else changed, and how
    often in which layers; folded: the first of those, `in_folds` in all. findings: by what became of them; still: the
    kinds that are as they were. shifts: of changed pictures on which accuracy is another beyond chance. has_cards:
    whether the page shows the units themselves, too.
    """

    least = format.as_given(NOTICEABLE)
    most_on_paper = MOST_UNITS_ON_PAPER

    baseline: Baseline
    advice: Text
    figures: list[Row]
    accuracy: Text
    classes: list[ClassChange]
    noticeable: int
    charts: dict[str, geometry.LineChart]
    matches: list[MatchRow]
    reasons: list[tuple[Text, Text]]
    units: list[UnitRow]
    listed: int
    folds: list[tuple[Text, Text]]
    folded: list[UnitRow]
    in_folds: int
    findings: list[tuple[Text, list[findings.Entry]]]
    still: Text | None
    layers: list[Row]
    shifts: list[Row]
    has_cards: bool


def paint(
    record: Record, *, has_cards: bool, place: Callable[[Finding], str | None] = lambda finding: None
) -> Changes | None:
    """Return what a page shows of a record's baseline, None where it has none.

    place: the anchor of the evidence of each finding on that page, None where it has none.
    """
    found = record.baseline
    if found is None:
        return None
    noticeable = sorted(filter(_is_noticeable, found.classes), key=_gain)
    listed, folded = _parted(found)
    return Changes(
        baseline=found,
        advice=since.advice(since.of_baseline(found)),
        figures=list(figures.rows(found)),
        accuracy=figures.accuracy(found),
        classes=noticeable[:MOST_CLASSES],
        noticeable=len(noticeable),
        charts=_charts(found.history, record.history),
        matches=[_match(one) for one in found.matches],
        reasons=_reasons(found.matches),
        units=[_unit(change) for change in listed[:MOST_UNITS]],
        listed=len(listed),
        folds=_folds(found, folded),
        folded=[_unit(change) for change in folded[:MOST_UNITS]],
        in_folds=len(folded),
        findings=list(_findings(found, place)),
        still=_still(found),
        layers=[_layer(one.kind, one.before, one.after) for one in found.layers],
        shifts=[
            figures.shift(one)
            for one in sorted(found.shifts, key=lambda one: one.after - one.before)
            if figures.is_sure(one)
        ],
        has_cards=has_cards,
    )


def html(record: Record, changes: Changes, lang: str) -> str:
    """Return the comparison as a page of its own."""
    environment = templating.environment(lang)
    values = {"view": {"changes": changes}, "r": record, "on_paper": False}
    return single.page(environment, "comparison.html", values, title=record.title, version=record.reportgen)


# Classes


def _is_noticeable(change: ClassChange) -> bool:
    if change.before is None or change.after is None:
        return True
    pairs = zip(_scores(change.before), _scores(change.after), strict=True)
    return any(
        before is not after if before is None or after is None else abs(after - before) >= NOTICEABLE - 1e-9
        for before, after in pairs
    )


def _scores(score: ClassScore) -> tuple[float | None, float | None, float | None]:
    return score.precision, score.recall, score.f1


def _gain(change: ClassChange) -> float:
    """Return how much F1 a class won, for an order with the greatest loss first."""
    before, after = (None if score is None else score.f1 for score in (change.before, change.after))
    return (after or 0.0) - (before or 0.0)


# History


def _charts(before: History | None, after: History | None) -> dict[str, geometry.LineChart]:
    """Return loss and accuracy of both trainings over the epochs; on validation images where both have those."""
    if before is None or after is None:
        return {}
    common = [name for name in before.metrics if name in after.metrics]
    judged = [name for name in common if name.startswith("val_")] or common
    epochs = sorted({1, *before.epochs, *after.epochs})  # not up to the last: a file may say that this is the 10^12th
    found = {}
    for name in sorted(judged, key=lambda name: ("loss" not in name, name)):
        # a chart draws a metric and the one that has val_ before its name; here those are now and before
        both = {name: _filled(after, name, epochs), f"val_{name}": _filled(before, name, epochs)}
        history = replace(after, epochs=epochs, metrics=both, best_epoch=None)
        found[name] = geometry.metric(history, name)
    return found


def _filled(history: History, metric: str, epochs: list[int]) -> list[float | None]:
    known = dict(zip(history.epochs, history.metrics[metric], strict=True))
    return [known.get(epoch) for epoch in epochs]


# Layers and units


def _layer(kind: str, before: LayerRow | None, after: LayerRow | None) -> Row:
    row = after or before
    assert row is not None
    name = text("{layer} ({kind})", layer=words.name(row.name), kind=words.name(row.kind))
    return Row(name, _size(before), _size(after), _LAYER_CHANGES[kind])


def _size(row: LayerRow | None) -> Text:
    if row is None:
        return text("none")
    return ntext(
        row.params,
        "{shape}, {n} parameter",
        "{shape}, {n} parameters",
        shape=format.shape(row.output_shape),
    )


def _match(one: LayerMatch) -> MatchRow:
    name, before = words.name(one.layer), words.name(one.before)
    return MatchRow(
        layer=name if one.before == one.layer else text("{layer}, was {before}", layer=name, before=before),
        how=text("not matched") if one.by is None else _HOW[one.by],
        pairs=format.count(one.pairs),
        r=format.correlation(one.median_r),
        unmatched_before=_numbers(one.unmatched_before) if one.by else text("all"),
        unmatched_after=_numbers(one.unmatched_after) if one.by else text("all"),
        idle=text("n/a") if one.idle is None else _idle(one.idle),
    )


def _idle(found: Figure) -> Text:
    before, after = (words.percent(value, 0) for value in (found.before, found.after))
    return text("{before} before, {after} now", before=before, after=after)


def _numbers(units: Sequence[int]) -> Text:
    return format.first(list(map(format.count, units)), _LISTED) if units else text("none")


def _reasons(matches: Sequence[LayerMatch]) -> list[tuple[Text, Text]]:
    """Return each reason once, with the layers that it is about."""
    found: dict[Text, list[str]] = {}
    for one in matches:
        found.setdefault(one.reason, []).append(words.name(one.layer))
    return [(joined(", ", layers), reason) for reason, layers in found.items()]


def _folds(found: Baseline, folded: Sequence[UnitChange]) -> list[tuple[Text, Text]]:
    """Return of each kind of change that is counted and not listed what it is, and how often in which layers."""
    counts = Counter((change.kind, change.layer) for change in folded)
    return [
        (
            said,
            joined(", ", [_fold(one.layer, n, one.pairs) for one in found.matches if (n := counts[kind, one.layer])]),
        )
        for kind, said in _CHANGES.items()
        if any(change.kind == kind for change in folded)
    ]


def _fold(layer: str, count: int, pairs: int) -> Text:
    return text(
        "{n} of {pairs} in {layer}", n=format.count(count), pairs=format.count(pairs), layer=words.name(layer, 24)
    )


def _parted(found: Baseline) -> tuple[list[UnitChange], list[UnitChange]]:
    """Return the changes of units that are listed, and those that are counted and folded away.

    Where units were matched by what they answer, as between two seeds, they are no close relatives: that most prefer
    another class is to be expected. That one died is not.
    """
    by = {one.layer: one.by for one in found.matches}
    loose = [one for one in found.units if by.get(one.layer) == "correlation" and one.kind not in _ALWAYS_LISTED]
    if len(loose) <= _MOST_LOOSE:
        return found.units, []
    folded = set(map(id, loose))
    return [one for one in found.units if id(one) not in folded], loose


def _findings(found: Baseline, place: Callable[[Finding], str | None]) -> Iterator[tuple[Text, list[findings.Entry]]]:
    """Yield what became of findings, and of which: new and gone by layer, the others by kind.

    What became of a kind is not said of a layer's: it may be new there, and the kind better.
    """
    became = {one.code: one.kind for one in finding_groups.changes_of(found)}
    still = found.findings.still
    worse, better = ([one for one in still if became.get(one.code) == kind] for kind in ("worse", "better"))
    parts = (
        (text("New, or new in a layer"), findings.entries(found.findings.new, place=place)),
        (text("Worse"), findings.entries(worse, found, place)),
        (text("Better"), findings.entries(better, found, place)),
        (text("Gone, or gone from a layer"), findings.entries(found.findings.gone)),
    )
    for title, entries in parts:
        if entries:
            yield title, entries


def _still(found: Baseline) -> Text | None:
    """Return the kinds of finding that are as they were, None where there are none."""
    kinds = [one for one in finding_groups.changes_of(found) if one.kind == "still"]
    return findings.names(kinds, len(kinds)) if kinds else None


def _before_and_after(kind: str, value: Text) -> str:
    """Return what a unit was or is: words of a report are said as they are, a state by its name, a label as a name."""
    if kind in ("condition", "effect"):
        return words.name(value, 400) if kind == "effect" else value
    if kind in ("merged", "parted") and value != "redundant":
        return text("distinct")  # how it fires has nothing to do with it
    return words.name(value, 24) if kind == "class" else words.state(value)


def _unit(change: UnitChange) -> UnitRow:
    before, after = (_before_and_after(change.kind, value) for value in (change.before, change.after))
    return UnitRow(
        layer=words.name(change.layer),
        unit=change.unit,
        anchor=anchor(change.layer, change.unit),
        unit_before=change.unit_before,
        what=_CHANGES[change.kind],
        before=before,
        after=after,
        r=format.correlation(change.r),
    )

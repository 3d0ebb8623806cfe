"""What changed between two reports. What makes them not comparable is said first.

Longer than most modules: a caveat for each thing that can differ, in one place so that none is missed.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from reportgen import format, intervals
from reportgen.compare import conditions, effects, shifts
from reportgen.compare import layers as layer_pairs
from reportgen.compare.match import Matched, Matcher
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record import finding_groups
from reportgen.record.changes import (
    AccuracyChange,
    Baseline,
    ClassChange,
    Count,
    Figure,
    FindingChanges,
    KindChange,
    LayerChange,
    LayerMatch,
    UnitChange,
)
from reportgen.record.evaluation import ClassScore, Scores
from reportgen.record.key_figures import judged_units
from reportgen.record.pictures import Answers
from reportgen.record.run import Record
from reportgen.record.training import History
from reportgen.record.units import Finding, LayerVerdict, Unit

KINDS = ("dead", "recovered", "merged", "parted", "state", "class", "condition", "effect")
"""The kinds of change of a unit, gravest first."""

_LISTED = 10
_SAME, _NOTHING = 1e-3, 1e-6  # a loss that differs by less than this share, or this, reads the same in three digits


def compare(old: Record, new: Record) -> Baseline:
    """Return what is different in `new`, with `old` as the baseline."""
    rows = layer_pairs.pair(old.model.layers, new.model.layers)
    layers = layer_pairs.changes(rows)
    now = {before.name: after.name for before, after in rows if before is not None and after is not None}
    matched = _matched(old, new, now)
    found = Baseline(
        title=old.title,
        made_at=old.made_at,
        reportgen=old.reportgen,
        caveats=list(_caveats(old, new, layers)),
        summary=literal(""),
        unchanged=False,
        figures=_figures(old, new),
        counts=_counts(old, new),
        accuracy=_accuracy(old, new),
        classes=_classes(old, new),
        history=_history(old.history),
        layers=layers,
        matches=[_with_idle(one.match, old, new) for one in matched],
        units=_units(old, new, matched),
        findings=_findings(old.findings, new.findings, now),
        shifts=shifts.changes(old, new),
        kinds=finding_groups.changes(finding_groups.sizes(old.findings), finding_groups.sizes(new.findings)),
        same_data=_same_data(old, new),
    )
    found = replace(found, unchanged=_is_unchanged(found))
    return replace(found, summary=_summary(found, same_data=_same_data(old, new)))


def _test(record: Record) -> Scores:
    test = record.evaluation["test"]
    assert test is not None
    return test


def _same_data(old: Record, new: Record) -> bool:
    return old.provenance.data_sha256 == new.provenance.data_sha256


# What makes the two not comparable


def _caveats(old: Record, new: Record, layers: Sequence[LayerChange]) -> Iterator[Text]:
    yield from _data_caveats(old, new)
    if layers:
        yield text("The models are not built alike: layers were added, are gone or changed in size.")
    before, after = old.provenance, new.provenance
    if before.seed != after.seed and "trained" in (old.model.origin, new.model.origin):
        yield text(
            "The seeds differ, {before} before and {after} now, so that differences may be the luck of another start.",
            before=str(before.seed),
            after=str(after.seed),
        )
    for name, called in (("tensorflow", "TensorFlow"), ("keras", "Keras")):
        if (was := before.versions.get(name, "?")) != (version := after.versions.get(name, "?")):
            yield text(
                "{library} was version {before} and is {after} now.",
                library=called,
                before=format.short(was),
                after=format.short(version),
            )
    if old.reportgen != new.reportgen:
        yield text(
            "reportgen was version {before} and is {after} now, and may judge in another way.",
            before=format.short(old.reportgen),
            after=format.short(new.reportgen),
        )
    flags = [_flags(record.provenance.command) for record in (old, new)]
    if flags[0] != flags[1]:
        before_only, after_only = (dict(one.items() - other.items()) for one, other in (flags, flags[::-1]))
        yield text(
            "The two were made with different options: {before} before, {after} now.",
            before=_options(before_only),
            after=_options(after_only),
        )


def _data_caveats(old: Record, new: Record) -> Iterator[Text]:
    if not _same_data(old, new):
        yield text(
            "The data differ: {before} (SHA-256 {before_sha}) before, {after} (SHA-256 {after_sha}) now. Figures of"
            " different images say little about which model is better.",
            before=format.short(old.data.name),
            before_sha=format.short(old.provenance.data_sha256[:12]),
            after=format.short(new.data.name),
            after_sha=format.short(new.provenance.data_sha256[:12]),
        )
    if old.data.test_size != new.data.test_size:
        yield text(
            "The test split had {before} images and has {after} now.",
            before=f"{old.data.test_size:,}",
            after=f"{new.data.test_size:,}",
        )
    labels = [[row.label for row in _test(record).classes] for record in (old, new)]
    if gone := [label for label in labels[0] if label not in set(labels[1])]:
        yield ntext(len(gone), "{n} class is gone: {names}.", "{n} classes are gone: {names}.", names=_listed(gone))
    if added := [label for label in labels[1] if label not in set(labels[0])]:
        yield ntext(len(added), "{n} class is new: {names}.", "{n} classes are new: {names}.", names=_listed(added))
    chosen = [record.history is not None and record.history.chosen_on_test is True for record in (old, new)]
    if chosen == [True, False]:
        yield text(
            "The test split chose the epoch before and did not now, so the figures before are the flattered ones."
        )
    if chosen == [False, True]:
        yield text("The test split chose the epoch now and did not before, so the figures now are the flattered ones.")
    if old.data.looked_at != new.data.looked_at:
        yield text("The units were judged on the images of other splits of the data.")


def _flags(command: str) -> dict[str, str]:
    """Return the options of a command that change its figures; data, model and seed are compared by themselves."""
    try:
        words = shlex.split(command)
    except ValueError:  # a command that no shell could read
        words = [command]
    found = {flag: value for flag, value in pairwise(words) if flag.startswith("--")}
    return {flag: value for flag, value in found.items() if flag not in ("--data", "--model", "--seed")}


def _options(flags: Mapping[str, str]) -> Text:
    if not flags:
        return text("the defaults")
    return literal(format.short(" ".join(f"{flag} {value}" for flag, value in sorted(flags.items())), 200))


# Figures


def _figures(old: Record, new: Record) -> dict[str, Figure]:
    trains = [record.evaluation["train"] for record in (old, new)]
    one, other = _test(old), _test(new)
    return {
        "test_accuracy": Figure(one.accuracy, other.accuracy),
        "test_loss": Figure(one.loss, other.loss),
        "train_accuracy": Figure(*(None if train is None else train.accuracy for train in trains)),
        "ece": Figure(one.ece, other.ece),
        "proof": Figure(_proof(old), _proof(new)),
    }


def _proof(record: Record) -> float | None:
    return None if record.proof is None else record.proof.accuracy_after - record.proof.accuracy_before


def _counts(old: Record, new: Record) -> dict[str, Count]:
    def count(of: Callable[[Record], int | None]) -> Count:
        return Count(of(old), of(new))

    def in_state(record: Record, state: str) -> int:
        return sum(layer.states.get(state, 0) for layer in record.layers)

    return {
        "test_correct": count(lambda r: _test(r).correct),
        "test_size": count(lambda r: r.data.test_size),
        "total_params": count(lambda r: r.model.total_params),
        "epochs": count(lambda r: None if r.history is None else len(r.history.epochs)),
        "units": count(lambda r: sum(judged_units(layer.states) for layer in r.layers)),
        "dead": count(lambda r: in_state(r, "dead")),
        "redundant": count(lambda r: sum(unit.removable for unit in r.units)),
        "healthy": count(lambda r: in_state(r, "healthy")),
    } | _trust_counts(old, new)


def _trust_counts(old: Record, new: Record) -> dict[str, Count]:
    """Return copies and doubted labels, where both reports looked for them: what one did not ask has not changed."""
    if old.data.leaks is None or new.data.leaks is None:
        return {}
    of_labels = [
        sum(one.candidates.values()) if (one := record.data.suspect_labels_search) and one.candidates else None
        for record in (old, new)
    ]
    return {
        "leaked": Count(old.data.leaks.test_images, new.data.leaks.test_images),
        "suspect_labels": Count(*of_labels),
    }


def _accuracy(old: Record, new: Record) -> AccuracyChange:
    """Return how sure the difference is: by the images answered differently, where both were tested on the same."""
    if answered := _both_answered(old, new):
        one, other = answered
        gained, lost = intervals.gained_and_lost(one.right, other.right)
        interval = intervals.paired_difference(gained, lost, one.right.size)
        return AccuracyChange(list(interval), True, gained, lost)
    before, after = ((_test(record).correct, record.data.test_size) for record in (old, new))
    return AccuracyChange(list(intervals.difference(after, before)), False, None, None)


def _both_answered(old: Record, new: Record) -> tuple[Answers, Answers] | None:
    """Return what both answered to the same images, None where they were tested on others or nobody knows."""
    one, other = old.pictures.answers, new.pictures.answers
    if not _same_data(old, new) or one is None or other is None or one.right.shape != other.right.shape:
        return None
    return one, other


def _classes(old: Record, new: Record) -> list[ClassChange]:
    before, after = ({row.label: row for row in _test(record).classes} for record in (old, new))
    places = {row.label: place for place, row in enumerate(_test(new).classes)}
    return [
        ClassChange(
            label,
            before.get(label),
            after.get(label),
            _recall_interval(old, new, before[label], places[label]) if label in before and label in after else None,
        )
        for label in after | before
    ]


def _recall_interval(old: Record, new: Record, was: ClassScore, place: int) -> list[float] | None:
    """Return the interval of the change of a class's recall. was: the class before; place: among the classes now."""
    now = _test(new).classes[place]
    if was.recall is None or now.recall is None:
        return None
    answered = _both_answered(old, new)
    if answered and (labels := answered[1].labels) is not None and was.support == now.support:
        before, after = (one.right[labels == place] for one in answered)
        return list(intervals.paired_difference(*intervals.gained_and_lost(before, after), before.size))
    counted = [(round(one.recall * one.support), one.support) for one in (now, was) if one.recall is not None]
    return list(intervals.difference(counted[0], counted[1]))


def _history(history: History | None) -> History | None:
    if history is None:
        return None
    metrics = {name: values for name, values in history.metrics.items() if "loss" in name or "acc" in name}
    return replace(history, metrics=metrics)


# Units


def _matched(old: Record, new: Record, now: Mapping[str, str]) -> list[Matched]:
    """Match the units of every layer that both looked into. now: the name of each layer of `old` in `new`."""
    matcher, later = Matcher(old, new), {layer.name: layer for layer in new.layers}
    both: list[tuple[LayerVerdict, LayerVerdict]] = [
        (before, later[name]) for before in old.layers if (name := now.get(before.name)) is not None and name in later
    ]
    order = {layer.name: n for n, layer in enumerate(new.layers)}
    return [matcher.layer(before, after) for before, after in sorted(both, key=lambda pair: order[pair[1].name])]


def _with_idle(match: LayerMatch, old: Record, new: Record) -> LayerMatch:
    """Return a match with the shares of the layer's units that are without effect."""
    before, after = (
        [unit for unit in record.units if unit.layer == name]
        for record, name in ((old, match.before), (new, match.layer))
    )
    return replace(match, idle=effects.idle(before, after))


def _units(old: Record, new: Record, matched: Sequence[Matched]) -> list[UnitChange]:
    """Return what happened to units, the gravest kind first; of other classes and conditions the surest first."""
    before, after = ({(unit.layer, unit.unit): unit for unit in record.units} for record in (old, new))
    found: list[tuple[float, UnitChange]] = []
    for one in matched:
        for pair in one.pairs:
            was, now = before[one.match.before, pair.before], after[one.match.layer, pair.after]
            found += [(_doubt(change, was, now), change) for change in _changes(was, now, pair.r)]
    found.sort(key=lambda each: (KINDS.index(each[1].kind), each[0]))
    return [change for _, change in found]


def _changes(was: Unit, now: Unit, r: float | None) -> Iterator[UnitChange]:
    def change(kind: str, before: str, after: str) -> UnitChange:
        said = [one if isinstance(one, Text) else literal(one) for one in (before, after)]
        return UnitChange(kind, now.layer, now.unit, was.unit, said[0], said[1], r)

    if was.state != now.state:
        kind = "dead" if now.state == "dead" else "recovered" if was.state == "dead" else "state"
        yield change(kind, was.state, now.state)
        if kind != "state":
            return  # that it merged with another or prefers another class follows from it
    if was.group is None and now.group is not None:
        yield change("merged", was.state, "redundant")
    if was.group is not None and now.group is None:
        yield change("parted", "redundant", now.state)
    if was.preferred_class and now.preferred_class and was.preferred_class.label != now.preferred_class.label:
        yield change("class", was.preferred_class.label, now.preferred_class.label)
    if was.condition and now.condition and conditions.differ(was.condition, now.condition):
        yield change("condition", conditions.said(was.condition), conditions.said(now.condition))
    if was.effect and now.effect and effects.differ(was.effect, now.effect):
        yield change("effect", effects.said(was.effect), effects.said(now.effect))


def _doubt(change: UnitChange, was: Unit, now: Unit) -> float:
    """Return how far from certain it is that a unit prefers another class, or fires under another condition.

    0 for other kinds of change.
    """
    if change.kind == "condition" and was.condition and now.condition:
        return 1 - min(conditions.explained(was.condition), conditions.explained(now.condition))
    if change.kind != "class" or was.preferred_class is None or now.preferred_class is None:
        return 0.0
    return 1 - min(was.preferred_class.auroc, now.preferred_class.auroc)


# Findings


def _findings(old: Sequence[Finding], new: Sequence[Finding], now: Mapping[str, str]) -> FindingChanges:
    """Return which findings are new, gone, or still there: first those that read the same, then those of a kind."""

    def place(finding: Finding) -> tuple[str, str | None]:
        return finding.code, None if finding.layer is None else now.get(finding.layer, finding.layer)

    pending, still = list(old), set[int]()
    for same_words in (True, False):
        for n, finding in enumerate(new):
            alike = (f for f in pending if place(f) == (finding.code, finding.layer))
            match = next((f for f in alike if not same_words or f.message == finding.message), None)
            if n not in still and match is not None:
                still.add(n)
                pending.remove(match)
    return FindingChanges(
        new=[finding for n, finding in enumerate(new) if n not in still],
        gone=pending,
        still=[finding for n, finding in enumerate(new) if n in still],
    )


# In brief


def _is_unchanged(found: Baseline) -> bool:
    """Return whether nothing changed, and all that is compared could be: silence must be safe to trust."""
    return not (
        found.caveats
        or found.layers
        or found.units
        or found.findings.new
        or found.findings.gone
        or any(kind.before != kind.after for kind in found.kinds)
        or found.accuracy.gained
        or found.accuracy.lost
        or any(row.before != row.after for row in found.classes)
        or any(row.before != row.after for row in found.shifts)
        or any(count.before != count.after for count in found.counts.values())
        or not all(_is_close(figure) for figure in found.figures.values())
        or any(not match.by or match.unmatched_before or match.unmatched_after for match in found.matches)
    )


def _is_close(figure: Figure) -> bool:
    if figure.before is None or figure.after is None:
        return figure.before is figure.after
    return math.isclose(figure.before, figure.after, rel_tol=_SAME, abs_tol=_NOTHING)


def _summary(found: Baseline, *, same_data: bool) -> Text:
    accuracy, dead, redundant = found.figures["test_accuracy"], found.counts["dead"], found.counts["redundant"]
    assert accuracy.before is not None and accuracy.after is not None
    if found.unchanged:
        return text("nothing changed: accuracy {accuracy}", accuracy=format.percent(accuracy.after))
    return joined(
        ", ",
        [
            _accuracy_in_brief(accuracy.before, accuracy.after, same_data),
            *_more_dead(dead, sum(change.kind == "dead" for change in found.units)),
            *_more_redundant(redundant),
            *_findings_in_brief(found.kinds, same_data),
        ],
    )


def _accuracy_in_brief(before: float, after: float, same_data: bool) -> Text:
    values = {"accuracy": format.percent(after), "before": format.percent(before)}
    if not same_data:
        return text("accuracy {accuracy} on other data than before", **values)
    if before == after:
        return text("accuracy {accuracy} as before", **values)
    change = format.signed_points(after - before, 1)
    return text("accuracy {accuracy} ({change} points)", change=change, **values)


def _more_dead(dead: Count, newly: int) -> list[Text]:
    more = (dead.after or 0) - (dead.before or 0)
    if more > 0:
        return [ntext(more, "{n} unit more is dead", "{n} units more are dead")]
    if more < 0:
        return [ntext(-more, "{n} unit fewer is dead", "{n} units fewer are dead")]
    return [ntext(newly, "{n} unit died", "{n} units died")] if newly else []


def _more_redundant(redundant: Count) -> list[Text]:
    more = (redundant.after or 0) - (redundant.before or 0)
    if more > 0:
        return [ntext(more, "{n} unit more is redundant", "{n} units more are redundant")]
    return [ntext(-more, "{n} unit fewer is redundant", "{n} units fewer are redundant")] if more else []


def _findings_in_brief(kinds: Sequence[KindChange], same_data: bool) -> list[Text]:
    new, worse = (sum(one.kind == kind for one in kinds) for kind in ("new", "worse"))
    worse = worse if same_data else 0  # a finding about more images may only have had more images to be about
    return [
        *([ntext(new, "{n} new finding", "{n} new findings")] if new else []),
        *([ntext(worse, "{n} finding is worse", "{n} findings are worse")] if worse else []),
    ]


def _listed(names: Sequence[str]) -> Text:
    return format.first([format.short(name) for name in names], _LISTED)

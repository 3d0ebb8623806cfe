"""What changed since the baseline, in brief: a difference beside each figure, and one line of what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reportgen import format
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record import finding_groups
from reportgen.record.changes import Baseline, Count, Figure, KindChange
from reportgen.record.evaluation import ClassScore
from reportgen.record.run import Record
from reportgen.render import words

_NAMED = 4
"""Most things that the line of what to do names."""

AS_BEFORE = text("as before")
"""What stands beside a figure that did not change."""


@dataclass(frozen=True)
class News:
    """What of a change decides what there is to do.

    unchanged: nothing that is compared changed. change, interval: of the test accuracy, 95 %, None where the data
    differ or nobody knows. kinds: of finding, gravest first.
    """

    unchanged: bool
    change: float | None
    interval: Sequence[float] | None
    kinds: Sequence[KindChange]


def advice(news: News) -> Text:
    """Return what to do about a change, in one line. It is about what is new: errors that stay are counted."""
    still = sum(one.severity == "error" and one.kind in ("still", "better") for one in news.kinds)
    if not still:
        return _advice(news)
    return joined(" ", [_advice(news), ntext(still, "{n} error is still there.", "{n} errors are still there.")])


def _advice(news: News) -> Text:
    if news.unchanged:
        return text("Nothing new to do: nothing changed since the last report.")
    more = [one for one in news.kinds if one.kind in ("new", "worse")]
    grave = [_named(one) for one in more if one.severity != "notice"]
    fell = news.interval is not None and news.interval[1] < 0
    if news.change is not None and fell:
        change = format.signed_points(news.change, 1)
        grave.insert(0, text("accuracy ({change} points, more than chance explains)", change=change))
    if grave:
        return text("Look at: {things}.", things=format.first(grave, _NAMED))
    if more:
        return text("Nothing new is urgent; worth a look: {things}.", things=format.first([*map(_named, more)], _NAMED))
    if news.change is None or news.interval is None:
        return text("Nothing new to do: no finding is new or worse; the accuracies cannot be compared.")
    if news.interval[0] > 0:
        return text(
            "Nothing new to do: accuracy rose by {change} points, more than chance explains, and no finding is new or"
            " worse.",
            change=format.points(news.change),
        )
    return text("Nothing new to do: accuracy is within chance of the last report, and no finding is new or worse.")


def of_baseline(baseline: Baseline) -> News:
    """Return what decides what there is to do about a report with a baseline."""
    change, interval = accuracy(baseline) or (None, None)
    return News(baseline.unchanged, change, interval, finding_groups.changes_of(baseline))


def accuracy(baseline: Baseline) -> tuple[float, Sequence[float]] | None:
    """Return the change of the test accuracy with its 95 % interval, None where the two saw other images."""
    figure = baseline.figures["test_accuracy"]
    comparable = baseline.accuracy.paired if baseline.same_data is None else baseline.same_data
    if not comparable or figure.before is None or figure.after is None:
        return None
    return figure.after - figure.before, baseline.accuracy.interval


def badge(change: KindChange | None) -> Text | None:
    """Return what became of a kind of finding since the baseline, in a word or two; None without one."""
    if change is None:
        return None
    numbers = {"before": format.count(change.before), "after": format.count(change.after)}
    return {
        "new": text("New."),
        "gone": text("Gone."),
        "worse": text("Worse ({before} → {after}).", **numbers),
        "better": text("Better ({before} → {after}).", **numbers),
        "still": text("Still there."),
    }[change.kind]


def differences(record: Record) -> dict[str, Text]:
    """Return what stands beside each figure of a report: how it differs from the baseline; none without one.

    The keys are those of Baseline.figures and counts, and "weakest" for the class with the lowest F1.
    """
    baseline = record.baseline
    if baseline is None:
        return {}
    found = {name: _more(count) for name, count in baseline.counts.items()}
    if known := accuracy(baseline):
        found |= {name: _difference(name, figure) for name, figure in baseline.figures.items()}
        found |= {"test_accuracy": _with_interval(*known), "weakest": _weakest(baseline)}
    elif (before := baseline.figures["test_accuracy"].before) is not None:
        found["test_accuracy"] = text("{before} before, on other images", before=words.percent(before))
    return {name: said for name, said in found.items() if said is not None}


def weakest_before(baseline: Baseline) -> ClassScore | None:
    """Return the class with the lowest F1 in the baseline, None where no class had one."""
    scored = [one.before for one in baseline.classes if one.before is not None and one.before.f1 is not None]
    return min(scored, key=lambda one: one.f1 or 0.0, default=None)


def _weakest(baseline: Baseline) -> Text | None:
    found = weakest_before(baseline)
    if found is None:
        return None
    return text("{label}, F1 {f1} before", label=words.name(found.label, 24), f1=format.share(found.f1))


def _named(one: KindChange) -> Text:
    name = finding_groups.name_of(one.code)
    if one.kind == "new":
        return text("{name} (new)", name=name)
    return text(
        "{name} ({before} → {after})", name=name, before=format.count(one.before), after=format.count(one.after)
    )


def _with_interval(change: float, interval: Sequence[float]) -> Text:
    if not change and not any(interval):
        return AS_BEFORE
    return text(
        "{change} points (95 % CI: {low} to {high})",
        change=format.signed_points(change, 1),
        low=format.signed_points(interval[0], 1),
        high=format.signed_points(interval[1], 1),
    )


def _difference(name: str, figure: Figure) -> Text | None:
    if figure.before is None or figure.after is None:
        return None
    change = figure.after - figure.before
    if name == "test_loss":
        return _signed(change, format.number)
    return text("{change} points", change=format.signed_points(change, 1)) if change else AS_BEFORE


def _more(count: Count) -> Text | None:
    if count.before is None or count.after is None:
        return None
    return _signed(count.after - count.before, lambda size: f"{size:,}")


def _signed(change: float, shown: Callable[[float], str]) -> Text:
    if not change:
        return AS_BEFORE
    return literal(f"{'+' if change > 0 else format.MINUS}{shown(abs(change))}")

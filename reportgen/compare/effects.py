"""Whether a unit is needed for other classes than its counterpart before, and how many units are without effect."""

from collections.abc import Iterable

from reportgen.i18n import Text, joined, literal, text
from reportgen.record.changes import Figure
from reportgen.record.effects import ClassEffect, Effect, is_idle
from reportgen.record.key_figures import idle_units
from reportgen.record.units import Unit


def differ(was: Effect, now: Effect) -> bool:
    """Return whether a unit is certainly needed for other classes, or is needed at all where it was not.

    An effect that is not certain, or an estimate, before or now, is no change; and nor is a class that is named in one
    alone, unless the two intervals of its recall have nothing in common.
    """
    if None in (is_idle(was), is_idle(now)):
        return False
    if is_idle(was) != is_idle(now):
        return True
    before, after = ({one.label: one for one in effect.classes} for effect in (was, now))
    named = set(_needing(was)) ^ set(_needing(now))
    return any(_apart(before[label], after[label]) for label in named if label in before and label in after)


def _apart(one: ClassEffect, other: ClassEffect) -> bool:
    return one.interval[1] < other.interval[0] or other.interval[1] < one.interval[0]


def said(effect: Effect) -> Text:
    """Return for which classes a unit is needed, in as few words as it can be said."""
    if found := _needing(effect):
        return joined(", ", [literal(label) for label in found])
    return text("nothing") if is_idle(effect) else text("no single class")


def idle(before: Iterable[Unit], after: Iterable[Unit]) -> Figure | None:
    """Return the share of a layer's units without effect, of those whose effect is known; None where nobody knows."""
    counts = [idle_units(units) for units in (before, after)]
    shares = [found / known if known else None for found, known, _ in counts]
    return None if shares == [None, None] else Figure(*shares)


def _needing(effect: Effect) -> list[str]:
    return [one.label for one in effect.classes if one.significant and one.recall_change < 0]

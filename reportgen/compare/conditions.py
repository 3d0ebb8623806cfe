"""Whether a unit fires under another condition than its counterpart before, and what the two are called."""

from reportgen.i18n import Text, text
from reportgen.record.conditions import IN_WORDS, Condition


def differ(was: Condition, now: Condition) -> bool:
    """Return whether two conditions differ in kind, or only one of the two is in words.

    A feature of another scale or with another weight is the same condition, measured again. No figure on either side
    is no change: why there is none is a matter of states.
    """
    if "n/a" in (was.found_in, now.found_in):
        return False
    return _kind(was) != _kind(now)


def said(condition: Condition) -> Text:
    """Return a condition in words, as short as it can be said: by its first feature alone."""
    if condition.found_in == "picture" and condition.features:
        return condition.features[0].text
    return condition.text or text("no simple condition")


def explained(condition: Condition) -> float:
    """Return how much of a unit's variance its words explain, 0 where they are not measured."""
    return max(condition.r2_held_out or 0.0, 0.0)


def _kind(condition: Condition) -> tuple[object, ...]:
    """Return what two conditions must have in common to be one."""
    if condition.found_in == "picture" and condition.features:
        first = condition.features[0]
        return "picture", first.kind, first.angle, first.polarity, first.index
    if condition.found_in == "units below" and condition.below:
        return "units below", condition.below[0].sign, condition.below[0].text
    if condition.found_in == "class":
        return "class", condition.label
    return (condition.found_in in IN_WORDS,)

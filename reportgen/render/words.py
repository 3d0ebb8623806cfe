"""Numbers and dates as people read them; every function is a filter of the templates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reportgen import format
from reportgen.format import (
    NOT_AVAILABLE,
    as_given,
    correlation,
    count,
    fixed,
    number,
    seconds,
    shape,
    share,
    signed,
    signed_points,
    size,
    visible,
)
from reportgen.i18n import Catalogue, Text, joined, literal, ntext, text
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.training import History
from reportgen.record.units import LayerVerdict, Unit

STATES = {
    "dead": text("dead"),
    "constant": text("constant"),
    "saturated": text("saturated"),
    "always-on": text("always on"),
    "always-negative": text("always negative"),
    "weak": text("weak"),
    "healthy": text("fires normally"),
    "redundant": text("redundant"),
    "never-predicted": text("never predicted"),
    "always-predicted": text("always predicted"),
    "output": text("output"),
}
"""What the states of units are called, in the order of gravity.

All but "redundant" say how a unit fires. That another unit says the same is said apart: a unit can fire normally and be
redundant.
"""

SEVERITIES = {"error": text("Error."), "warning": text("Warning."), "notice": text("Notice.")}

PARTS = {"train": text("training split"), "test": text("test split")}

STAGES = {
    "data": text("reading the data"),
    "tensorflow": text("starting TensorFlow"),
    "train": text("training"),
    "load": text("loading the model"),
    "pass": text("the pass over the images"),
    "judge": text("judging the units"),
    "trust": text("looking for copies of images and for wrong labels"),
    "attribution": text("why the surest mistakes were made"),
    "effects": text("what each unit does to each class"),
    "proof": text("the model without the units called dead or removable"),
    "shifts": text("changing pictures"),
}

_MOMENT = text("d MMMM y, HH:mm 'UTC'")  # a pattern of Babel's, so that each language has its own order


def percent(value: float | None, decimals: int = 1) -> str:
    """As `format.percent`, with a no-break space."""
    return NOT_AVAILABLE if value is None else format.percent(value, decimals).replace(" ", "\N{NO-BREAK SPACE}")


def share_range(interval: Sequence[float]) -> str:
    """[0.97, 0.98914] -> "0.970–0.989"."""
    low, high = interval
    return format.share_range(low, high)


def percent_range(interval: Sequence[float]) -> str:
    """[0.97, 0.98914] -> "97.0–98.9 %"."""
    low, high = interval
    return format.percent_range(low, high)


def change_range(interval: Sequence[float] | None) -> str:
    """[-0.012, 0.003] -> "−1.2 … +0.3": of the difference of two shares, in percentage points."""
    if interval is None:
        return NOT_AVAILABLE
    return " … ".join(format.signed_points(end, 1) for end in interval)


def flattered(history: History | None) -> Text | None:
    """Return that the figures of the test split are somewhat too good, where that is known; else None."""
    if history is None or not history.chosen_on_test:
        return None
    if history.stopped_early:
        return text(
            "The test images also decided when the training stopped, so the figures on them are somewhat better than"
            " they would be on new images."
        )
    return text(
        "The test split also chose the epoch whose weights the model has, so its figures are somewhat better than they"
        " would be on new images."
    )


def moment(value: str, messages: Catalogue, lang: str) -> str:
    """2026-11-24T16:00:00Z -> "24 November 2026, 16:00 UTC"."""
    from babel.dates import format_datetime

    return format_datetime(datetime.fromisoformat(value), _MOMENT.said(messages), locale=lang)


def name(value: object, longest: int = 80, short: bool = False) -> str:
    """Return text from outside with its control and direction characters shown, and cut visibly.

    short: leave out how long it was, where there is no room to say so.
    """
    shown = visible(str(value))
    if len(shown) <= longest:
        return shown
    if short:
        return f"{shown[: longest - 1]}…"
    return text("{beginning}… ({length} characters)", beginning=shown[:longest], length=count(len(shown)))


def state(value: str) -> Text:
    """Return what a unit's state is called."""
    return STATES.get(value.replace(" ", "-")) or literal(value)


def severity(value: str) -> Text:
    """Return what a finding's severity is called."""
    return SEVERITIES.get(value) or literal(value)


def stage(value: str) -> Text:
    """Return what a stage of the run is called."""
    return STAGES.get(value) or literal(value)


def parts(values: Sequence[str]) -> Text:
    """["train", "test"] -> "training split and test split"."""
    return joined(" and ", [PARTS[value] for value in values])


def groups(values: Sequence[Sequence[int]]) -> Text:
    """[[1, 4], [7, 15]] -> "1, 4; 7, 15"."""
    return joined("; ", [joined(", ", [str(number) for number in group]) for group in values])


def say(value: object) -> object:
    """Return `value`; as a filter it has been said in the page's language by then."""
    return value


def capitalize_first(value: str) -> str:
    """ "fired on CIFAR" -> "Fired on CIFAR": the rest stays as it is."""
    return value[:1].upper() + value[1:]


def inner_states(layers: Sequence[LayerVerdict]) -> Counter[str]:
    """Return how many units inside the model are in each state."""
    states: Counter[str] = Counter()
    for layer in layers:
        states.update({name: n for name, n in layer.states.items() if name not in OUTPUT_STATES})
    return states


def by_gravity(states: Mapping[str, int]) -> list[tuple[str, int]]:
    """{"healthy": 1, "dead": 2} -> [("dead", 2), ("healthy", 1)]: the same order in every layer."""
    places = {css: place for place, css in enumerate(STATES)}
    return sorted(states.items(), key=lambda one: places.get(one[0].replace(" ", "-"), len(places)))


def counted_states(states: Mapping[str, int]) -> list[Text]:
    """{"healthy": 1, "dead": 2} -> ["2 are dead", "1 fires normally"]: the gravest first, those without a unit not."""
    return [_counted_state(which, n) for which, n in by_gravity(states) if n]


def _counted_state(which: str, n: int) -> Text:
    if which == "healthy":
        return ntext(n, "{n} fires normally", "{n} fire normally")
    if which == "output":
        return ntext(n, "{n} is an output", "{n} are outputs")
    return ntext(n, "{n} is {state}", "{n} are {state}", state=state(which))


def redundant(removable: int) -> Text:
    """Return how many of some units say the same as another one, which has nothing to do with how they fire."""
    return ntext(
        removable,
        "{n} of them could be removed, because another one says the same.",
        "{n} of them could be removed, because others say the same.",
    )


def verdict(layers: Sequence[LayerVerdict], units: Sequence[Unit]) -> Text:
    """Return the report's verdict on the units in a sentence or two."""
    states = inner_states(layers)
    judged, removable = sum(states.values()), sum(unit.removable for unit in units)
    if not judged:
        return text("The model has no inner units that can be judged.")
    if states["healthy"] == judged:
        found = ntext(
            judged, "The one unit inside the model fires normally.", "All {n} units inside the model fire normally."
        )
    else:
        healthy = {"healthy": states.pop("healthy", 0)}
        found = text(
            "Of {units} {states}.",
            units=ntext(judged, "{n} unit inside the model", "{n} units inside the model"),
            states=joined(", ", [*counted_states(healthy), *counted_states(states)]),
        )
    if removable:
        alike = redundant(removable)
    elif on_average := alike_on_average(units):
        alike = ntext(
            on_average,
            "None can stand in for another, though {n} is alike on average with the unit most like it.",
            "None can stand in for another, though {n} are alike on average with the units most like them.",
        )
    else:
        alike = text("None says the same as another.")
    return text("{states} {redundancy}", states=found, redundancy=alike)


def alike_on_average(units: Iterable[Unit]) -> int:
    """Return how many units are in no group, and alike on average with the one unit that is most like them."""
    return sum(unit.group is None and unit.nearest is not None and unit.nearest.alike == "on average" for unit in units)


FILTERS = {
    f.__name__: f
    for f in (
        as_given,
        by_gravity,
        count,
        share,
        share_range,
        percent,
        percent_range,
        change_range,
        number,
        fixed,
        seconds,
        size,
        shape,
        name,
        state,
        severity,
        stage,
        parts,
        groups,
        say,
        signed,
        correlation,
        signed_points,
        capitalize_first,
    )
}

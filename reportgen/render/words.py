"""Numbers and dates as people read them; every function is a filter of the templates."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from reportgen import format
from reportgen.i18n import Catalogue, Text, joined, literal, ntext, text
from reportgen.record import LayerVerdict, Unit
from reportgen.record.key_figures import OUTPUT_STATES

NOT_AVAILABLE = text("n/a")

STATES = {
    "dead": text("dead"),
    "constant": text("constant"),
    "saturated": text("saturated"),
    "always-on": text("always on"),
    "always-negative": text("always negative"),
    "weak": text("weak"),
    "healthy": text("healthy"),
    "redundant": text("redundant"),
    "never-predicted": text("never predicted"),
    "always-predicted": text("always predicted"),
    "output": text("output"),
}
"""What the states of units are called, in the order of gravity."""

SEVERITIES = {"error": text("Error."), "warning": text("Warning."), "notice": text("Notice.")}

PARTS = {"train": text("training part"), "test": text("test part")}

STAGES = {
    "data": text("reading the data"),
    "tensorflow": text("starting TensorFlow"),
    "train": text("training"),
    "load": text("loading the model"),
    "pass": text("the pass over the images"),
    "judge": text("judging the units"),
    "proof": text("the model without the units called dead or removable"),
}

_MOMENT = text("d MMMM y, HH:mm 'UTC'")  # a pattern of Babel's, so that each language has its own order


def count(value: int | None) -> str:
    """12345 -> "12,345"."""
    return NOT_AVAILABLE if value is None else f"{value:,}"


def share(value: float | None, decimals: int = 3) -> str:
    """0.98914 -> "0.989"; never "0.000" or "1.000" for what is only nearly so."""
    return NOT_AVAILABLE if value is None else format.guarded(value, 1.0, decimals)


def percent(value: float | None, decimals: int = 1) -> str:
    """0.98914 -> "98.9 %" with a no-break space; never 0 % or 100 % for what is only nearly so."""
    return NOT_AVAILABLE if value is None else f"{format.guarded(100 * value, 100.0, decimals)}\u00a0%"


def number(value: float | None) -> str:
    """Return three significant digits: 0.0123, 4.57, 1,230."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    if value == 0:
        return "0"
    scientific = f"{value:.2e}"
    digits = 2 - int(scientific.partition("e")[2])  # after rounding: 9.999 is 10.0, not 10.00
    if not -6 < digits < 8:
        return scientific
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def fixed(value: float | None, decimals: int) -> str:
    """0.12345, 4 -> "0.1235": for columns of figures that are compared."""
    return NOT_AVAILABLE if value is None else f"{value:.{decimals}f}"


def seconds(value: float | None) -> str:
    """Return "0.4 s", "42 s" or "3 min 05 s"."""
    if value is None:
        return NOT_AVAILABLE
    if value < 9.95:
        return text("{seconds}\u00a0s", seconds=f"{value:.1f}")
    whole = round(value)
    if whole < 60:
        return text("{seconds}\u00a0s", seconds=f"{whole}")
    return text("{minutes}\u00a0min {seconds}\u00a0s", minutes=f"{whole // 60}", seconds=f"{whole % 60:02d}")


def size(value: int) -> str:
    """Return bytes as "812 B", "45 kB" or "1.2 MB" (powers of 1,000)."""
    if value < 1000:
        return f"{value}\u00a0B"
    return f"{value / 1000:.0f}\u00a0kB" if value < 999_500 else f"{value / 1e6:.1f}\u00a0MB"


def shape(value: list[int | None]) -> str:
    """[None, 26, 26, 16] -> "26 x 26 x 16"; the batch is left out, another open size is "any"."""
    sizes = value[1:] if value and value[0] is None else value
    return joined(" × ", [text("any") if s is None else count(s) for s in sizes])


def moment(value: str, messages: Catalogue, lang: str) -> str:
    """2026-11-24T16:00:00Z -> "24 November 2026, 16:00 UTC"."""
    from babel.dates import format_datetime

    return format_datetime(datetime.fromisoformat(value), _MOMENT.said(messages), locale=lang)


def name(value: object, longest: int = 80, short: bool = False) -> str:
    """Return text from outside with its control and direction characters shown, and cut visibly.

    short: leave out how long it was, where there is no room to say so.
    """
    shown = format.visible(str(value))
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
    """["train", "test"] -> "training part and test part"."""
    return joined(" and ", [PARTS[value] for value in values])


def groups(values: Sequence[Sequence[int]]) -> Text:
    """[[1, 4], [7, 15]] -> "1, 4; 7, 15"."""
    return joined("; ", [joined(", ", [str(number) for number in group]) for group in values])


def say(value: object) -> object:
    """Return `value`; as a filter it has been said in the page's language by then."""
    return value


def signed(value: str) -> str:
    """ "-0.5" -> "−0.5", with a true minus sign."""
    return value.replace("-", "\N{MINUS SIGN}")


def correlation(value: float) -> str:
    """-0.264 -> "−0.26"; never 0, 1 or −1 for what is only nearly so."""
    shown = format.guarded(abs(value), 1.0, 2)
    return f"\N{MINUS SIGN}{shown}" if value < 0 else shown


def capitalize_first(value: str) -> str:
    """ "fired on CIFAR" -> "Fired on CIFAR": the rest stays as it is."""
    return value[:1].upper() + value[1:]


def verdict(layers: Sequence[LayerVerdict], units: Sequence[Unit]) -> Text:
    """Return the report's verdict on the units in a sentence or two."""
    states: Counter[str] = Counter()
    for layer in layers:
        states.update(layer.states)
    for output in OUTPUT_STATES:
        states.pop(output, 0)
    judged, removable = sum(states.values()), sum(unit.removable for unit in units)
    if not judged:
        return text("The model has no inner units that can be judged.")
    healthy = states.pop("healthy", 0)
    others = [ntext(n, "{n} is {state}", "{n} are {state}", state=state(which)) for which, n in states.items()]
    inner = ntext(judged, "{n} unit inside the model", "{n} units inside the model")
    if others:
        found = text(
            "Of {units} {healthy} fire properly, {others}.",
            units=inner,
            healthy=count(healthy),
            others=joined(", ", others),
        )
    else:
        found = text("All of {units} fire properly.", units=inner)
    alike = (
        ntext(
            removable,
            "{n} unit could be removed, because another one says the same.",
            "{n} units could be removed, because another one says the same.",
        )
        if removable
        else text("None says the same as another.")
    )
    return text("{states} {redundancy}", states=found, redundancy=alike)


def signed_percent(value: float) -> str:
    """-0.00123 -> "-0.12 %", 0.0 -> "0.00 %", with a true minus sign, for differences of shares."""
    text = f"{100 * value:+.2f}"
    return f"{'0.00' if float(text) == 0 else text}\u00a0%".replace("-", "\N{MINUS SIGN}")


FILTERS = {
    f.__name__: f
    for f in (
        count,
        share,
        percent,
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
        signed_percent,
        capitalize_first,
    )
}

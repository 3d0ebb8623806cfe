"""Numbers and dates as people read them; every function is a filter of the templates."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from reportgen import wording
from reportgen.record import History, LayerVerdict, Unit
from reportgen.wording import plural

NOT_AVAILABLE = "n/a"


def count(value: int | None) -> str:
    """12345 -> "12,345"."""
    return NOT_AVAILABLE if value is None else f"{value:,}"


def share(value: float | None, decimals: int = 3) -> str:
    """0.98914 -> "0.989"; never "0.000" or "1.000" for what is only nearly so."""
    return NOT_AVAILABLE if value is None else wording.guarded(value, 1.0, decimals)


def percent(value: float | None, decimals: int = 1) -> str:
    """0.98914 -> "98.9 %" with a no-break space; never 0 % or 100 % for what is only nearly so."""
    return NOT_AVAILABLE if value is None else f"{wording.guarded(100 * value, 100.0, decimals)}\u00a0%"


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
        return f"{value:.1f}\u00a0s"
    whole = round(value)
    return f"{whole}\u00a0s" if whole < 60 else f"{whole // 60}\u00a0min {whole % 60:02d}\u00a0s"


def size(value: int) -> str:
    """Return bytes as "812 B", "45 kB" or "1.2 MB" (powers of 1,000)."""
    if value < 1000:
        return f"{value}\u00a0B"
    return f"{value / 1000:.0f}\u00a0kB" if value < 999_500 else f"{value / 1e6:.1f}\u00a0MB"


def shape(value: list[int | None]) -> str:
    """[None, 26, 26, 16] -> "26 x 26 x 16"; the batch is left out, another open size is "any"."""
    sizes = value[1:] if value and value[0] is None else value
    return " × ".join("any" if s is None else count(s) for s in sizes)


def moment(value: str) -> str:
    """2026-11-24T16:00:00Z -> "24 November 2026, 16:00 UTC"."""
    when = datetime.fromisoformat(value)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def name(value: object, longest: int = 80) -> str:
    """Return text from outside with its control and direction characters shown, and cut visibly."""
    shown = wording.visible(str(value))
    return shown if len(shown) <= longest else f"{shown[:longest]}… ({count(len(shown))} characters)"


def capitalize_first(value: str) -> str:
    """ "fired on CIFAR" -> "Fired on CIFAR": the rest stays as it is."""
    return value[:1].upper() + value[1:]


def course(history: History, metric: str) -> str:
    """Return one sentence on where a metric began and ended, on training and on validation images."""
    names = {"": metric, "validation ": f"val_{metric}"}
    parts = [
        f"{who}{name(metric.replace('_', ' '))} went from {number(values[0])} to {number(values[-1])}"
        for who, key in names.items()
        if (values := history.metrics.get(key))
    ]
    said = " and ".join(parts)
    return f"{said[:1].upper()}{said[1:]}."


def verdict(layers: Sequence[LayerVerdict], units: Sequence[Unit]) -> str:
    """Return the report's verdict on the units in a sentence or two."""
    states: Counter[str] = Counter()
    for layer in layers:
        states.update(layer.states)
    for output in ("output", "never predicted", "always predicted"):
        states.pop(output, 0)
    judged, removable = sum(states.values()), sum(unit.removable for unit in units)
    if not judged:
        return "The model has no inner units that can be judged."
    healthy = states.pop("healthy", 0)
    parts = [f"{count(number)} {'is' if number == 1 else 'are'} {state}" for state, number in states.items()]
    said = (
        f"Of {plural(judged, 'unit')} inside the model {count(healthy)} {'fires' if healthy == 1 else 'fire'} properly"
    )
    if parts:
        said += f", {', '.join(parts)}"
    return f"{said}. " + (
        f"{count(removable)} could be removed, because another unit says the same."
        if removable
        else "None of them says the same as another."
    )


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
        moment,
        name,
        plural,
        signed_percent,
        capitalize_first,
    )
}

"""The one way to write a number or a name, for findings, tables, mails and pages alike."""

import math
from collections.abc import Sequence

from reportgen.i18n import Text, joined, ntext, text

NOT_AVAILABLE = text("n/a")
"""What stands where a figure is undefined."""

MINUS = "\N{MINUS SIGN}"
"""The one sign of negative numbers wherever people read them; a hyphen is narrower and breaks from its number."""


def guarded(value: float, whole: float, decimals: int) -> str:
    """Return `value` with `decimals`, and up to three more where it would else be shown as 0 or as `whole`.

    12.345, 100, 1 -> "12.3"; 99.96, 100, 1 -> "99.96"; what is nearer still is shown as "<0.0001" or ">99.9999".
    A negative value has a minus sign before what stands for its size.
    """
    if value < 0:
        return MINUS + guarded(-value, whole, decimals)
    for more in range(decimals, decimals + 4):
        text = f"{value:.{more}f}"
        if (float(text) != 0 or value == 0) and (float(text) != whole or value == whole):
            return text
    step = 10.0**-more
    return f"<{step:.{more}f}" if value < whole / 2 else f">{whole - step:.{more}f}"


def visible(text: str) -> str:
    """Return text from outside with each control and direction character replaced by a sign for one."""
    if text.isprintable():  # as nearly all is
        return str(text)
    return "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else "\N{REPLACEMENT CHARACTER}" for c in text)


def short(given: str, longest: int = 80) -> str:
    """Return text from outside made visible, and cut visibly where it is longer."""
    shown = visible(given)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def count(value: int | None) -> str:
    """12345 -> "12,345"."""
    return NOT_AVAILABLE if value is None else f"{value:,}"


def share(value: float | None, decimals: int = 3) -> str:
    """0.98914 -> "0.989"; never "0.000" or "1.000" for what is only nearly so."""
    return NOT_AVAILABLE if value is None else guarded(value, 1.0, decimals)


def percent(share: float | None, decimals: int = 1) -> str:
    """0.98914 -> "98.9 %"; never 0 % or 100 % for what is only nearly so."""
    return NOT_AVAILABLE if share is None else f"{guarded(100 * share, 100.0, decimals)} %"


def share_range(low: float, high: float, decimals: int = 3) -> str:
    """0.97, 0.98914 -> "0.970–0.989"."""
    return f"{share(low, decimals)}–{share(high, decimals)}"


def percent_range(low: float, high: float, decimals: int = 1) -> str:
    """0.97, 0.98914 -> "97.0–98.9 %"."""
    return f"{guarded(100 * low, 100.0, decimals)}–{guarded(100 * high, 100.0, decimals)}\u00a0%"


def number(value: float | None) -> str:
    """Return at most three significant digits: 0.0123, −4.57, 10, 1,230; 1.2e−07 for what is very small or large."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    return "0" if value == 0 else signed(_number(value))


def _number(value: float) -> str:
    rounded = float(f"{value:.2e}")
    decimals = 2 - int(f"{rounded:.2e}".partition("e")[2])
    if not -6 < decimals < 8:
        return f"{rounded:.3g}"
    shown = f"{rounded:,.{max(decimals, 0)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def as_given(value: float | None) -> str:
    """0.05 -> "0.05", 1500.0 -> "1,500": a number that somebody gave, with as many digits as it has, twelve at most."""
    return NOT_AVAILABLE if value is None else f"{value:,.12g}"


def as_typed(value: float) -> str:
    """1500.0 -> "1500": the same as it is given to an option."""
    return f"{value:.12g}"


def percent_as_given(share: float) -> str:
    """0.05 -> "5 %": a share that somebody gave."""
    return f"{as_given(100 * share)} %"


def apart(value: float, beside: float, decimals: int = 4) -> str:
    """Return `value` with so many decimals, and more where it would else look like a value beside it that it is not."""
    for more in range(decimals, 12):
        shown = f"{value:.{more}f}"
        if shown != f"{beside:.{more}f}" or value == beside:
            return shown
    return shown


def ticks(values: Sequence[float]) -> list[str]:
    """Return the numbers of an axis with as many decimals as they need, in powers of ten if very large or small."""
    if not values:
        return []
    largest = max(abs(value) for value in values)
    if largest and not 1e-3 <= largest < 1e6:
        return [number(value) for value in values]
    near = 1e-9 * (largest or 1)
    decimals = next(n for n in range(10) if n == 9 or all(abs(round(v, n) - v) <= near for v in values))
    return [signed(f"{value:,.{decimals}f}") for value in values]


def fixed(value: float | None, decimals: int) -> str:
    """-0.12345, 4 -> "−0.1235": for columns of figures that are compared."""
    return NOT_AVAILABLE if value is None else signed(f"{value:.{decimals}f}")


def correlation(value: float | None) -> str:
    """-0.264 -> "−0.26"; never 0, 1 or −1 for what is only nearly so."""
    return NOT_AVAILABLE if value is None else guarded(value, 1.0, 2)


def signed(value: str) -> str:
    """ "-0.5" -> "−0.5": the one minus sign for a number that was written in another way."""
    return value.replace("-", MINUS)


def relative(before: float, after: float) -> str:
    """200, 150 -> "−25.0 %": how much more or less it is, as a share of what it was."""
    change = after / before - 1
    return f"{'+' if change >= 0 else ''}{percent(change)}"


def points(difference: float) -> str:
    """0.0213 -> "2.1": a difference of two shares in percentage points, without its sign."""
    return percent(abs(difference)).removesuffix(" %")


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
    """Return bytes as "812 B", "45 kB", "1.2 MB" or "3.5 GB" (powers of 1,000)."""
    if value < 1000:
        return f"{value}\u00a0B"
    if value < 999_500:
        return f"{value / 1000:.0f}\u00a0kB"
    return f"{value / 1e6:.1f}\u00a0MB" if value < 999_950_000 else f"{value / 1e9:,.1f}\u00a0GB"


def shape(value: list[int | None]) -> str:
    """[None, 26, 26, 16] -> "26 x 26 x 16"; the batch is left out, another open size is "any"."""
    sizes = value[1:] if value and value[0] is None else value
    return joined(" × ", [text("any") if s is None else count(s) for s in sizes])


def signed_points(difference: float, decimals: int) -> str:
    """0.0213, 1 -> "+2.1", -0.0213, 1 -> "−2.1": a difference of two shares in percentage points."""
    difference = round(difference, 12) + 0.0  # never -0.0; 0.98 - 0.97 - 0.01 is not quite 0 on a computer
    return f"{'+' if difference > 0 else ''}{guarded(100 * difference, 100.0, decimals)}"


def first(items: Sequence[str], most: int) -> Text:
    """["a", "b", "c"], 2 -> "a, b and 1 more"; all of them where they are not more than `most`."""
    shown = joined(", ", items[:most])
    if (more := len(items) - most) > 0:
        return ntext(more, "{items} and {n} more", "{items} and {n} more", items=shown)
    return shown

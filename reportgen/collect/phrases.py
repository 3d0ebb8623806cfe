"""Numbers, names and lists as the sentence of a finding says them, always on one line."""

import math
from collections.abc import Sequence

from reportgen import wording
from reportgen.wording import visible

LISTED = 10
"""How many things a sentence lists before it says how many more there are."""

PARTS = {"train": "training", "test": "test"}
"""What the parts of a data set are called before a noun, in their order."""

_LONGEST_NAME = 80


def percent(value: float) -> str:
    """0.98914 -> "98.9 %"; never 0 % or 100 % for what is only nearly so."""
    return f"{wording.guarded(100 * value, 100.0, 1)} %"


def points(difference: float) -> str:
    """0.0213 -> "2.1": a difference of two shares in percentage points, without its sign."""
    return percent(abs(difference)).removesuffix(" %")


def number(value: float) -> str:
    """Return three significant digits: 0.0123, 4.57, 1,230."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.2e}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e9 else f"{rounded:.3g}"


def name(text: str) -> str:
    """Return the name of a layer on one line, cut visibly where it is very long."""
    shown = visible(text)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


def label(text: str) -> str:
    """Return the name of a class in quotes, so that a class called "all images" reads as a name."""
    return f'"{name(text)}"'


def listed(items: Sequence[object], total: int | None = None) -> str:
    """["a", "b", "c"] -> "a, b and c"; ten are listed at most, then "and 12 more".

    total: how many there are, where `items` are only the first of them.
    """
    shown = [str(item) for item in items[:LISTED]]
    more = (len(items) if total is None else total) - len(shown)
    last = [f"{more:,} more"] if more else shown[-1:]
    rest = shown if more else shown[:-1]
    return " and ".join([", ".join(rest), *last] if rest else last)


def numbered(noun: str, numbers: Sequence[int], total: int | None = None) -> str:
    """ "unit", [3, 7] -> "units 3 and 7"; long lists are cut as by `listed`."""
    several = (len(numbers) if total is None else total) != 1
    return f"{noun}{'s' if several else ''} {listed([f'{n:,}' for n in numbers], total)}"


def span(values: Sequence[float]) -> str:
    """[0.25, 0.5, 0.3] -> "0.25 to 0.5"; one number where both ends read the same."""
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"

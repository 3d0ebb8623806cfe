"""Numbers and names in words, as the sentences of a Record and the pages made from it both need them."""

from collections.abc import Sequence

from reportgen.i18n import Text, joined, ntext


def guarded(value: float, whole: float, decimals: int) -> str:
    """Return `value` with `decimals`, and up to three more where it would else be shown as 0 or as `whole`.

    12.345, 100, 1 -> "12.3"; 99.96, 100, 1 -> "99.96"; what is nearer still is shown as "<0.0001" or ">99.9999".
    """
    for more in range(decimals, decimals + 4):
        text = f"{value:.{more}f}"
        if (float(text) != 0 or value == 0) and (float(text) != whole or value == whole):
            return text
    step = 10.0**-more
    return f"<{step:.{more}f}" if value < whole / 2 else f">{whole - step:.{more}f}"


def visible(text: str) -> str:
    """Return text from outside with each control and direction character replaced by a sign for one."""
    return "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else "\N{REPLACEMENT CHARACTER}" for c in text)


def short(given: str, longest: int = 80) -> str:
    """Return text from outside made visible, and cut visibly where it is longer."""
    shown = visible(given)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def percent(share: float) -> str:
    """0.98914 -> "98.9 %"; never 0 % or 100 % for what is only nearly so."""
    return f"{guarded(100 * share, 100.0, 1)} %"


def signed_points(difference: float, decimals: int) -> str:
    """0.0213, 1 -> "+2.1": a difference of two shares in percentage points."""
    sign = "+" if difference > 0 else "-" if difference < 0 else ""
    return f"{sign}{guarded(100 * abs(difference), 100.0, decimals)}"


def first(items: Sequence[str], most: int) -> Text:
    """["a", "b", "c"], 2 -> "a, b and 1 more"; all of them where they are not more than `most`."""
    shown = joined(", ", items[:most])
    if (more := len(items) - most) > 0:
        return ntext(more, "{items} and {n} more", "{items} and {n} more", items=shown)
    return shown

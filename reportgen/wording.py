"""Numbers and names in words, as the sentences of a Record and the pages made from it both need them."""


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

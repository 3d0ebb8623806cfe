"""Names, counts and lists as the sentence of a finding says them, always on one line."""

from collections.abc import Sequence

from reportgen.format import number, short
from reportgen.i18n import Text, joined, literal, ntext, text

LISTED = 10
"""How many things a sentence lists before it says how many more there are."""

PARTS = {"train": text("training split"), "test": text("test split")}
"""What the parts of a data set are called, in their order."""

LEVEL = "95 %"
"""How sure intervals and bounds are. Not in messages: "% i" and "% c" would pass for places of Python's old kind."""


def name(given: str) -> str:
    """Return the name of a layer on one line, cut visibly where it is very long."""
    return short(given)


def label(given: str) -> Text:
    """Return the name of a class in quotes, so that a class called "all images" reads as a name."""
    return text('"{name}"', name=name(given))


def alternatives(items: Sequence[Text]) -> Text:
    """["left", "right", "upper"] -> "left, right or upper"."""
    *others, last = items
    return text("{one} or {other}", one=joined(", ", others), other=last) if others else last


def counted_images(n: int, part: str | None = None) -> Text:
    """3 -> "3 images"; 1, "train" -> "1 training image"."""
    if part == "train":
        return ntext(n, "{n} training image", "{n} training images")
    if part == "test":
        return ntext(n, "{n} test image", "{n} test images")
    return ntext(n, "{n} image", "{n} images")


def image_of(part: str, number: int) -> Text:
    """ "train", 1234 -> "training image 1,234": the one of that number."""
    if part == "train":
        return text("training image {number}", number=f"{number:,}")
    return text("test image {number}", number=f"{number:,}")


def counted_units(n: int) -> Text:
    """3 -> "3 units"."""
    return ntext(n, "{n} unit", "{n} units")


def counted_values(n: int) -> Text:
    """12345 -> "12,345 values"."""
    return ntext(n, "{n} value", "{n} values")


def counted_parameters(n: int) -> Text:
    """12345 -> "12,345 parameters"."""
    return ntext(n, "{n} parameter", "{n} parameters")


def numbered_images(numbers: Sequence[int], total: int | None = None) -> Text:
    """[1234, 5] -> "images 1,234 and 5"; long lists are cut as by `listed`."""
    count = len(numbers) if total is None else total
    return ntext(count, "image {numbers}", "images {numbers}", numbers=_numbers(numbers, total))


def numbered_units(numbers: Sequence[int]) -> Text:
    """[3, 7] -> "units 3 and 7"; long lists are cut as by `listed`."""
    return ntext(len(numbers), "unit {numbers}", "units {numbers}", numbers=_numbers(numbers))


def listed(items: Sequence[str], total: int | None = None) -> Text:
    """["a", "b", "c"] -> "a, b and c"; ten are listed at most, then "and 12 more".

    total: how many there are, where `items` are only the first of them.
    """
    shown = items[:LISTED]
    more = (len(items) if total is None else total) - len(shown)
    if more:
        return ntext(more, "{items} and {n} more", "{items} and {n} more", items=joined(", ", shown))
    if len(shown) < 2:
        return joined(", ", shown)
    return text("{items} and {last}", items=joined(", ", shown[:-1]), last=shown[-1])


def span(numbers: Sequence[float]) -> Text:
    """[0.25, 0.5, 0.3] -> "0.25 to 0.5"; one number where both ends read the same."""
    low, high = number(min(numbers)), number(max(numbers))
    return literal(low) if low == high else text("{low} to {high}", low=low, high=high)


def _numbers(numbers: Sequence[int], total: int | None = None) -> Text:
    return listed([f"{n:,}" for n in numbers], total)

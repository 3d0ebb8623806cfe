"""Conditions in words. A message is about strokes only where the pictures are strokes of ink, see `ink`.

Longer than most modules: every message stands here once, where translators find them together.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from reportgen import format
from reportgen.analysis.conditions.result import Feature, Ink, Input
from reportgen.analysis.phrases import alternatives, listed
from reportgen.format import percent
from reportgen.i18n import Text, joined, literal, ntext, text

_SIDES = {
    0: text("right"), 45: text("upper right"), 90: text("upper"), 135: text("upper left"),
    180: text("left"), 225: text("lower left"), 270: text("lower"), 315: text("lower right"),
}  # fmt: skip
_TOWARDS = {**_SIDES, 90: text("top"), 270: text("bottom")}
_ANY = {
    0: text("horizontal lines"), 45: text("lines rising to the right"), 90: text("vertical lines"),
    135: text("lines falling to the right"),
}  # fmt: skip
_STROKES = {
    0: text("horizontal strokes"), 45: text("strokes rising to the right"), 90: text("vertical strokes"),
    135: text("strokes falling to the right"),
}  # fmt: skip
_GAPS = {
    0: text("horizontal gaps between strokes"), 45: text("gaps between strokes, rising to the right"),
    90: text("vertical gaps between strokes"), 135: text("gaps between strokes, falling to the right"),
}  # fmt: skip
_SIMPLE = {
    ("contrast", 1): text("contrast"),
    ("contrast", -1): text("even patches"),
    ("red-green", 1): text("red rather than green"),
    ("red-green", -1): text("green rather than red"),
    ("blue-yellow", 1): text("blue rather than yellow"),
    ("blue-yellow", -1): text("yellow rather than blue"),
    ("saturation", 1): text("strong colours"),
    ("saturation", -1): text("pale colours"),
    ("row", 1): text("the lower part of the picture"),
    ("row", -1): text("the upper part of the picture"),
    ("column", 1): text("the right part of the picture"),
    ("column", -1): text("the left part of the picture"),
    ("centre", 1): text("the middle of the picture"),
    ("centre", -1): text("the border of the picture"),
    ("brightness", 1): text("bright pictures"),
    ("brightness", -1): text("dark pictures"),
    ("variation", 1): text("pictures of strong contrast"),
    ("variation", -1): text("pictures of weak contrast"),
    ("weight row", 1): text("things in the lower part of the picture"),
    ("weight row", -1): text("things in the upper part of the picture"),
    ("weight column", 1): text("things in the right part of the picture"),
    ("weight column", -1): text("things in the left part of the picture"),
    ("spread", 1): text("things far from the middle of the picture"),
    ("spread", -1): text("things near the middle of the picture"),
    ("time", 1): text("late steps"),
    ("time", -1): text("early steps"),
    ("plane", 1): text("the last planes"),
    ("plane", -1): text("the first planes"),
    ("light", 1): text("bright places"),
    ("light", -1): text("dark places"),
}


def condition(feature: Feature, ink: Ink | None, scales: int = 1) -> Text:
    """Return what a feature is called: "the lower edge of strokes". scales: how many the layer's features have.

    Where there is more than one, the feature's own is said too.
    """
    found = _on_series(feature) or _on_drawing(feature, ink) or _SIMPLE.get((feature.kind, feature.polarity))
    if found is None:
        found = _OF_PICTURES[feature.kind](feature, ink)
    return _scaled(found, feature, scales)


def _scaled(found: Text, feature: Feature, scales: int) -> Text:
    """Return words with the scale of their feature, where there is more than one."""
    if feature.scale is None or scales < 2:
        return found
    return text("{condition} (scale {scale} px)", condition=found, scale=str(feature.scale))


def _edge(feature: Feature, ink: Ink | None) -> Text:
    if ink is None:
        return text("edges, brighter towards the {towards}", towards=_TOWARDS[_angle(feature)])
    return text("the {side} edge of strokes", side=_edge_side(feature, ink))


def _edge_side(edge: Feature, ink: Ink) -> Text:
    """Return on which side of a stroke an edge is."""
    return _SIDES[_angle(edge) if ink == "dark" else _opposite(edge)]


def _bar(feature: Feature, ink: Ink | None) -> Text:
    if ink is None:
        line = _ANY[_angle(feature)]
        return text("bright {lines}", lines=line) if feature.polarity > 0 else text("dark {lines}", lines=line)
    return (_STROKES if _is_ink(feature, ink) else _GAPS)[_angle(feature)]


def _dot(feature: Feature, ink: Ink | None) -> Text:
    if ink is None:
        return text("bright dots") if feature.polarity > 0 else text("dark dots")
    return text("dots of ink") if _is_ink(feature, ink) else text("holes in strokes")


def _corner(feature: Feature, ink: Ink | None) -> Text:
    towards = _TOWARDS[_angle(feature)]
    if ink is not None and _is_ink(feature, ink):
        return text("the {side} corner of strokes", side=_SIDES[_opposite(feature)])
    if ink is not None:
        return text("bends of strokes, open towards the {towards}", towards=towards)
    if feature.polarity > 0:
        return text("corners, bright towards the {towards}", towards=towards)
    return text("corners, dark towards the {towards}", towards=towards)


def _end(feature: Feature, ink: Ink | None) -> Text:
    towards = _TOWARDS[_angle(feature)]
    if ink is not None and _is_ink(feature, ink):
        return text("ends of strokes that point towards the {towards}", towards=towards)
    if ink is not None:
        return text("ends of gaps that point towards the {towards}", towards=towards)
    if feature.polarity > 0:
        return text("ends of bright lines that point towards the {towards}", towards=towards)
    return text("ends of dark lines that point towards the {towards}", towards=towards)


def _level(feature: Feature, ink: Ink | None) -> Text:
    if ink is None:
        return text("bright patches") if feature.polarity > 0 else text("dark patches")
    return text("ink under the patch") if _is_ink(feature, ink) else text("empty ground under the patch")


def _side(feature: Feature, ink: Ink | None) -> Text:
    side = _SIDES[_angle(feature)]
    if ink is not None and _is_ink(feature, ink):
        return text("ink on the {side} side of the patch", side=side)
    if ink is not None:
        return text("empty ground on the {side} side of the patch", side=side)
    if feature.polarity > 0:
        return text("brightness on the {side} side of the patch", side=side)
    return text("darkness on the {side} side of the patch", side=side)


def _field(feature: Feature, ink: Ink | None) -> Text:
    if ink is None:
        return text("a bright receptive field") if feature.polarity > 0 else text("a dark receptive field")
    if _is_ink(feature, ink):
        return text("much ink in the receptive field")
    return text("little ink in the receptive field")


def _outline(feature: Feature, ink: Ink | None) -> Text:
    return text("edges of any direction") if ink is None else text("outlines of strokes")


_OF_PICTURES: dict[str, Callable[[Feature, Ink | None], Text]] = {
    "edge": _edge, "bar": _bar, "dot": _dot, "corner": _corner, "end": _end, "level": _level, "side": _side, "field":
    _field, "outline": _outline,
}  # fmt: skip


_INK = {
    ("brightness", 1): text("much ink"),
    ("brightness", -1): text("little ink"),
    ("weight row", 1): text("ink in the lower part of the picture"),
    ("weight row", -1): text("ink in the upper part of the picture"),
    ("weight column", 1): text("ink in the right part of the picture"),
    ("weight column", -1): text("ink in the left part of the picture"),
    ("spread", 1): text("ink far from the middle of the picture"),
    ("spread", -1): text("ink near the middle of the picture"),
}
"""Of whole pictures that are drawn in ink; for brightness, the polarity is that of ink."""


def _on_drawing(feature: Feature, ink: Ink | None) -> Text | None:
    """Return the words for features of a whole picture, None of others, and where it is not drawn in ink."""
    if ink is None:
        return None
    dark = ink == "dark" and feature.kind == "brightness"
    return _INK.get((feature.kind, -feature.polarity if dark else feature.polarity))


def _on_series(feature: Feature) -> Text | None:
    """Return the words for features of a numbered input or channel."""
    if feature.index is None:
        return None
    number = str(feature.index)
    high = feature.polarity > 0
    if feature.kind == "input":
        return (
            text("high values of input {number}", number=number)
            if high
            else text("low values of input {number}", number=number)
        )
    if feature.kind == "value":
        return (
            text("high values in channel {number}", number=number)
            if high
            else text("low values in channel {number}", number=number)
        )
    if feature.kind == "slope":
        return (
            text("rising values in channel {number}", number=number)
            if high
            else text("falling values in channel {number}", number=number)
        )
    if high:
        return text("varying values in channel {number}", number=number)
    return text("steady values in channel {number}", number=number)


@cache
def either(one: Feature, other: Feature, ink: Ink | None, scales: int = 1) -> Text:
    """Return "one or other": a condition with its runner-up. What both have in common is said once."""
    alike = (one.kind, one.polarity, one.scale) == (other.kind, other.polarity, other.scale)
    found = _EITHER[one.kind](one, other, ink) if alike and one.kind in _EITHER else None
    if found is None:
        return alternatives([condition(one, ink, scales), condition(other, ink, scales)])
    return _scaled(found, one, scales)


def _either_edge(one: Feature, other: Feature, ink: Ink | None) -> Text:
    if ink is None:
        return text(
            "edges, brighter towards the {one} or the {other}",
            one=_TOWARDS[_angle(one)],
            other=_TOWARDS[_angle(other)],
        )
    return text("the {one} or {other} edge of strokes", one=_edge_side(one, ink), other=_edge_side(other, ink))


def _either_side(one: Feature, other: Feature, ink: Ink | None) -> Text:
    sides = {"one": _SIDES[_angle(one)], "other": _SIDES[_angle(other)]}
    if ink is not None and _is_ink(one, ink):
        return text("ink on the {one} or {other} side of the patch", **sides)
    if ink is not None:
        return text("empty ground on the {one} or {other} side of the patch", **sides)
    if one.polarity > 0:
        return text("brightness on the {one} or {other} side of the patch", **sides)
    return text("darkness on the {one} or {other} side of the patch", **sides)


_EITHER: dict[str, Callable[[Feature, Feature, Ink | None], Text]] = {"edge": _either_edge, "side": _either_side}


def mix(items: Sequence[Text]) -> Text:
    """["a", "b"] -> "a mix of a and b": none of them describes the unit alone."""
    return text("a mix of {conditions}", conditions=listed(items))


def share(value: float) -> str:
    """0.9134 -> "0.91"; never 0 or 1 for what is only nearly so."""
    return format.share(value, 2)


def fires_on(of: Text, r2: float, figures: Sequence[Text], signed: bool) -> Text:
    """Return the sentence of a unit that has a condition. signed: its values are read before the activation."""
    values = {"condition": of, "r2": share(r2), "figures": joined("; ", figures)}
    if signed:
        return text(
            "Is high on {condition}: explains {r2} of its variance on patches that are not flat ({figures}).", **values
        )
    return text(
        "Fires on {condition}: explains {r2} of its variance on patches that are not flat ({figures}).", **values
    )


def no_simple(of: Text | None, r2: float, figures: Sequence[Text]) -> Text:
    """Return the sentence of a unit that no few words describe. of: what comes nearest."""
    if of is None:
        return text("No simple condition: no feature explains anything of it; words end here.")
    return text(
        "No simple condition: words end here, at {r2} of its variance, with {condition} ({figures}).",
        condition=of, r2=share(r2), figures=joined("; ", figures),
    )  # fmt: skip


def figures(found: Mapping[str, float | None], others: Text | None) -> list[Text]:
    """Return the figures behind a sentence, those that there are. others: the further features of the fit."""
    made: list[Text] = []
    if (everywhere := found.get("r2_everywhere")) is not None:
        made.append(_figure("r2_everywhere", share(everywhere)))
    if others is not None and (together := found.get("r2_all")) is not None:
        made.append(text("{r2} with {others} as well", r2=share(together), others=others))
    for name in ("ceiling", "by_chance", "each_by_chance"):
        if (value := found.get(name)) is not None:
            made.append(_figure(name, share(value)))
    if (rank := found.get("random_percentile")) is not None and rank < 95:
        made.append(_as_well(percent(1 - rank / 100)))
    return made


@cache  # there are a hundred of each, and of a large model a hundred thousand sentences with them
def _figure(name: str, r2: str) -> Text:
    if name == "r2_everywhere":
        return text("{r2} everywhere", r2=r2)
    if name == "ceiling":
        return text("{r2} attainable from the pixels", r2=r2)
    if name == "by_chance":
        return text("by chance at most {r2}", r2=r2)
    return text("one of them by chance at most {r2}", r2=r2)


@cache
def _as_well(of_kernels: str) -> Text:
    return text("{share} of random kernels do as well", share=of_kernels)


def unit_below(one: Input) -> Text:
    """Return "unit 3 (the lower edge of strokes)", with "little of" where it works against."""
    number = str(one.unit)
    if one.condition is None:
        return text("unit {unit}", unit=number) if one.sign > 0 else text("little of unit {unit}", unit=number)
    if one.sign > 0:
        return text("unit {unit} ({condition})", unit=number, condition=one.condition)
    return text("little of unit {unit} ({condition})", unit=number, condition=one.condition)


def units_below(inputs: Sequence[Input], relation: str) -> Text:
    """Return what a deeper unit is made of. relation: "or", "and" or "with", see `below.relation`."""
    items = [unit_below(one) for one in inputs]
    if relation == "or":
        return text("{one} or {other} below", one=items[0], other=items[1])
    if relation == "and":
        return text("{one} and {other} below at once", one=items[0], other=items[1])
    return text("{units} below, added up", units=listed(items))


def made_of(of: Text, explained: float, r2: float | None) -> Text:
    """Return the sentence of a unit that is described by those below. explained: of its variance before activation."""
    if r2 is None:
        return text(
            "Fires with {condition}: they explain {share} of its variance before the activation.",
            condition=of, share=share(explained),
        )  # fmt: skip
    return text(
        "Fires with {condition}: they explain {share} of its variance before the activation "
        "(words about the picture explain {r2}).",
        condition=of, share=share(explained), r2=share(r2),
    )  # fmt: skip


def not_below_either(sentence: Text, inputs: Sequence[Input], explained: float) -> Text:
    """Return the sentence of a unit without a simple condition, with the units below that explain most of it."""
    units = listed([unit_below(one) for one in inputs])
    more = text(
        "Of the units below, {units} explain most: {share} of its variance before the activation.",
        units=units, share=share(explained),
    )  # fmt: skip
    return joined(" ", [sentence, more])


def of_class(label: str) -> Text:
    """Return the condition of a unit that answers to a class."""
    return text('pictures of class "{label}"', label=label)


def fires_on_class(label: str, r2: float) -> Text:
    """Return the sentence of such a unit. r2: of its mean response over images."""
    return text(
        "Fires on {condition}: explains {r2} of the variance of its mean over the picture.",
        condition=of_class(label), r2=share(r2),
    )  # fmt: skip


def is_score(label: str) -> Text:
    """Return the sentence of a unit of the output layer."""
    return text('Is the score of class "{label}".', label=label)


def on_images(of: Text, r2: float, figures: Sequence[Text]) -> Text:
    """Return the sentence of a unit with one value per image."""
    return text(
        "Is high on {condition}: explains {r2} of its variance ({figures}).",
        condition=of, r2=share(r2), figures=joined("; ", figures),
    )  # fmt: skip


_GROUPS = {
    "edge": "edge", "bar": "line", "dot": "dot", "corner": "corner", "end": "corner", "level": "level", "side":
    "level", "field": "level", "contrast": "outline", "outline": "outline", "red-green": "colour", "blue-yellow":
    "colour", "saturation": "colour", "brightness": "level", "variation": "outline", "light": "level", "value":
    "level", "input": "input", "slope": "edge",
}  # fmt: skip


def group(feature: Feature) -> str:
    """Return under which kind of condition a feature is counted."""
    return _GROUPS.get(feature.kind, "position")


def summary(counts: Mapping[str, int], ink: Ink | None) -> Text:
    """{"edge": 7, "level": 5, "none": 2} -> "7 edges, 5 ink, 2 without a simple condition"."""
    return joined(", ", [counted(name, n, ink) for name, n in counts.items() if n])


def counted(name: str, n: int, ink: Ink | None) -> Text:
    """Return how many units have a condition of one kind: "edge", 7 -> "7 edges"."""
    counted = {
        "edge": lambda: ntext(n, "{n} edge", "{n} edges"),
        "line": lambda: ntext(n, "{n} line or gap", "{n} lines or gaps"),
        "dot": lambda: ntext(n, "{n} dot or hole", "{n} dots or holes"),
        "corner": lambda: ntext(n, "{n} corner or end", "{n} corners or ends"),
        "level": lambda: text("{n} brightness", n=str(n)) if ink is None else text("{n} ink", n=str(n)),
        "outline": lambda: ntext(n, "{n} outline", "{n} outlines"),
        "colour": lambda: ntext(n, "{n} colour", "{n} colours"),
        "position": lambda: ntext(n, "{n} position", "{n} positions"),
        "input": lambda: ntext(n, "{n} single input", "{n} single inputs"),
        "below": lambda: text("{n} made of units below", n=str(n)),
        "class": lambda: ntext(n, "{n} class", "{n} classes"),
        "none": lambda: text("{n} without a simple condition", n=str(n)),
        "n/a": lambda: text("{n} without a figure", n=str(n)),
    }
    return counted[name]() if name in counted else literal(f"{n} {name}")


def missing(angles: Sequence[int], ink: Ink | None) -> Text | None:
    """Return which edges no unit answers to, None where there are none. angles: their brighter sides."""
    if not angles:
        return None
    edges = [Feature("edge", angle) for angle in angles]
    if ink is None:
        sides = alternatives([_TOWARDS[_angle(one)] for one in edges])
        return text("No unit for edges that are brighter towards the {sides}.", sides=sides)
    sides = alternatives([_edge_side(one, ink) for one in edges])
    return text("No unit for the {sides} edge of strokes.", sides=sides)


def _angle(feature: Feature) -> int:
    assert feature.angle is not None
    return feature.angle


def _opposite(feature: Feature) -> int:
    return (_angle(feature) + 180) % 360


def _is_ink(feature: Feature, ink: Ink) -> bool:
    """Return whether a feature is about what is as bright as the ink."""
    return (feature.polarity > 0) == (ink == "bright")

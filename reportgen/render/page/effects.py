"""What the model does without each unit, in sentences and as a picture of units x classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.format import correlation, count, fixed, points, signed_points
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.effects import NOTHING, ClassEffect, Effect, GroupEffect, LayerEffects, is_idle
from reportgen.record.pictures import Array
from reportgen.record.units import Unit
from reportgen.render.page.missing import attempt
from reportgen.render.pictures import tiles
from reportgen.render.pictures.mosaic import Grid
from reportgen.render.words import groups, name

MOST_UNITS, MOST_CLASSES = 64, 50
"""So many units and classes, those with the largest effects, are in the picture of a layer."""
_NAMED = 3


@dataclass(frozen=True)
class EffectsView:
    """A layer's picture of units x classes, with what it shows. grid: None where no unit has a figure.

    shown, known, units: how many units are in it, have a figure, and there are; classes: likewise shown of all.
    counted: how many units change something; shows: what the picture shows; how: how the figures were found; groups: a
    sentence for each.
    """

    grid: Grid | None
    shown: int
    known: int
    units: int
    shown_classes: int
    classes: int
    counted: Text
    shows: Text | None
    how: list[Text]
    groups: list[Text]


def paint(found: LayerEffects, units: Sequence[Unit], labels: Sequence[str], most: int | None = None) -> EffectsView:
    """Paint the effects of a layer's units. labels: of all classes; most: units in the picture, if less than usual."""
    known = [(unit.unit, unit.effect) for unit in units if unit.effect is not None and unit.effect.method is not None]
    place = {label: k for k, label in enumerate(labels)}
    changes, certain = np.zeros((len(known), len(labels)), np.float32), np.zeros((len(known), len(labels)), np.bool_)
    for row, (_, effect) in enumerate(known):
        for one in effect.classes:
            changes[row, place[one.label]], certain[row, place[one.label]] = one.recall_change, one.significant
    largest = np.abs(changes)
    rows = _largest(largest.max(axis=1, initial=0), MOST_UNITS if most is None else min(most, MOST_UNITS))
    columns = _largest(largest.max(axis=0, initial=0), MOST_CLASSES)
    grid = None
    if len(rows):
        numbers = [known[row][0] for row in rows]
        grid = attempt(
            tiles.effects, changes[np.ix_(rows, columns)], certain[np.ix_(rows, columns)], numbers, columns.tolist()
        )
    return EffectsView(
        grid, len(rows), len(known), len(units), len(columns), len(labels), _counted(known), _shows(known), _how(found),
        [_group(one) for one in found.groups],
    )  # fmt: skip


def needed(effect: Effect) -> Text:
    """Return what a unit is needed for, after "needed for": "3 (recall falls by 4.1 points [2.6, 5.7])"."""
    if effect.method is None:
        return text("n/a: {reason}", reason=effect.reason or "")
    falls = sorted((one for one in effect.classes if one.significant and one.recall_change < 0), key=_change)
    rises = [one for one in effect.classes if one.significant and one.recall_change > 0]
    if falls and rises:
        return text(
            "{classes}; in the way of {others}",
            classes=joined(", ", list(map(_fall, falls))),
            others=joined(", ", list(map(_rise, rises))),
        )
    if falls:
        return joined(", ", list(map(_fall, falls)))
    if rises:
        return text("nothing; in the way of {others}", others=joined(", ", list(map(_rise, rises))))
    if effect.significant:
        return text("no class that is certain, yet accuracy changes by {change}", change=_accuracy(effect))
    if is_idle(effect):
        return text("no class (accuracy changes by {change})", change=_accuracy(effect))
    return text("none that is certain (accuracy changes by {change})", change=_accuracy(effect))


def moves(effect: Effect) -> bool:
    """Return whether something changes without the unit, beyond chance."""
    return effect.significant or any(one.significant for one in effect.classes)


def briefly(effect: Effect | None) -> Text:
    """Return the same in as few words as a cell of a table has room for: "3 (−4.1)"."""
    if effect is None or effect.method is None:
        return text("n/a")
    certain = sorted((one for one in effect.classes if one.significant), key=_change)
    if certain:
        return joined(
            ", ",
            [
                text("{name} ({change})", name=name(one.label, 16, short=True), change=_points(one.recall_change))
                for one in certain[:_NAMED]
            ],
        )
    return text("none") if is_idle(effect) else text("not certain")


def _counted(known: Sequence[tuple[int, Effect]]) -> Text:
    """Return how many units change anything, and how many nothing."""
    if not known:
        return text("No unit has a figure.")
    moving = [effect for _, effect in known if moves(effect)]
    idle = sum(is_idle(effect) is True for _, effect in known)
    return ntext(
        len(moving),
        "Without one unit at a time: {n} of {known} changes something beyond chance, {idle} make no difference"
        " (accuracy stays within {bound} points, no class changes), and for {rest} the images are too few to tell.",
        "Without one unit at a time: {n} of {known} change something beyond chance, {idle} make no difference"
        " (accuracy stays within {bound} points, no class changes), and for {rest} the images are too few to tell.",
        known=ntext(len(known), "{n} unit", "{n} units"),
        idle=count(idle),
        bound=points(NOTHING),
        rest=count(len(known) - len(moving) - idle),
    )


def _shows(known: Sequence[tuple[int, Effect]]) -> Text | None:
    """Return which unit is needed most, None where nothing is known."""
    if not known:
        return None
    certain = [(one, unit) for unit, effect in known for one in effect.classes if one.significant]
    falls = [(one.recall_change, unit, one) for one, unit in certain if one.recall_change < 0]
    if not falls:
        return text("No class certainly loses recall without any single unit.")
    _, unit, worst = min(falls, key=lambda cell: cell[:2])
    return text("Most is lost without unit {unit}: class {fall}.", unit=count(unit), fall=_fall(worst))


def _how(found: LayerEffects) -> list[Text]:
    """Return how the figures came about, in sentences."""
    said = []
    estimates = bool(found.methods.get("first order")) or found.withheld is not None
    images = {"chosen": count(found.chosen_on), "scored": ntext(found.scored_on, "{n} image", "{n} images")}
    if "exact" in found.methods:
        said.append(
            text(
                "Exact: the scores are linear in these units. Means of {chosen} other images, measured on {scored}.",
                **images,
            )
        )
    elif found.methods.get("masked") and not estimates:
        said.append(
            text("Each was masked in the model. Means of {chosen} other images, measured on {scored}.", **images)
        )
    elif found.methods or found.withheld is not None:
        said.append(
            text(
                "Masked in the model: {masked}; estimated by first order: {first}. Means of {chosen} other images,"
                " measured on {scored}.",
                masked=ntext(found.methods.get("masked", 0), "{n} unit", "{n} units"),
                first=ntext(found.methods.get("first order", 0), "{n} unit", "{n} units"),
                **images,
            )
        )
    if estimates and found.audit is not None and found.audit.spearman is not None:
        figures = {
            "units": ntext(found.audit.n, "{n} unit", "{n} units"),
            "spearman": correlation(found.audit.spearman),
            "slope": fixed(found.audit.slope, 2),
        }
        said.append(
            text("First order against masking on {units}: Spearman {spearman}, slope {slope}.", **figures)
            if found.audit.layers == 1
            else text(
                "First order against masking on {units} of {layers} layers together: Spearman {spearman}, slope"
                " {slope}.",
                layers=count(found.audit.layers),
                **figures,
            )
        )
    if found.withheld is not None:
        said.append(text("First order is withheld: {reason}.", reason=found.withheld))
    if found.undone is not None:
        said.append(text("Left out: {what}.", what=found.undone))
    return said


def _group(one: GroupEffect) -> Text:
    """Return what a group is needed for as a whole."""
    return text(
        "Without units {units} together, needed for: {needed}.", units=groups([one.units]), needed=needed(one.effect)
    )


def _fall(one: ClassEffect) -> Text:
    return text(
        "{name} (recall falls by {points} points [{low}, {high}])",
        name=name(one.label, 24, short=True),
        points=points(one.recall_change),
        low=_points(-one.interval[1]),
        high=_points(-one.interval[0]),
    )


def _rise(one: ClassEffect) -> Text:
    return text(
        "{name} (recall rises by {points} points [{low}, {high}])",
        name=name(one.label, 24, short=True),
        points=points(one.recall_change),
        low=_points(one.interval[0]),
        high=_points(one.interval[1]),
    )


def _accuracy(effect: Effect) -> Text:
    assert effect.accuracy_change is not None and effect.interval is not None
    return text(
        "{change} points [{low}, {high}]",
        change=_points(effect.accuracy_change),
        low=_points(effect.interval[0]),
        high=_points(effect.interval[1]),
    )


def _points(difference: float) -> str:
    return signed_points(difference, 1).removeprefix("+")


def _change(one: ClassEffect) -> float:
    return one.recall_change


def _largest(sizes: Array, most: int) -> Array:
    """Return the places of the largest, in their order."""
    return np.sort(np.argsort(-sizes, kind="stable")[:most])

"""How the model does on changed pictures, as the page shows it: a row for each change, the costliest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.format import NOT_AVAILABLE, count, first, fixed, points
from reportgen.i18n import Text, literal, ntext, text
from reportgen.record.pictures import ShiftedImages
from reportgen.record.run import Record
from reportgen.record.shifts import (
    NAMES,
    SEVERITIES,
    Shift,
    ShiftedClass,
    ShiftsRun,
    UnitToBlame,
    costliest,
    costliest_first,
    summary,
)
from reportgen.render.page.missing import attempt
from reportgen.render.pictures import input_images
from reportgen.render.pictures.mosaic import Picture
from reportgen.render.words import name, percent

_ALONE = 0.25  # of the loss; a unit that regains less is not what it hangs on
_SIDE = 56  # pixels of the longer side of an example
_SHADES = 6
_LAYERS = 6
"""Most layers that a row names: of a large model, all of them would fill a page."""


@dataclass(frozen=True)
class Example:
    """A small picture, and the size at which it is shown."""

    picture: Picture
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """The accuracy at one severity. shade: 0 where it does not fall beyond chance, to 6. costliest: of its row."""

    severity: int
    amount: Text
    accuracy: float
    interval: list[float]
    shade: int
    costliest: bool


@dataclass(frozen=True)
class Row:
    """One change. weakest, units, blame: at its costliest severity. unit: the one to blame, if there is one."""

    name: Text
    example: Example | None
    cells: list[Cell]
    weakest: Text
    units: list[Text]
    unit: UnitToBlame | None
    blame: Text


@dataclass(frozen=True)
class ShiftsView:
    """What the page shows of changed pictures. summary: the first line. severities: the columns, in words."""

    run: ShiftsRun
    summary: Text
    severities: list[Text]
    rows: list[Row]
    original: Example | None


def view(record: Record) -> ShiftsView | None:
    """Return what there is to show, None of a report from before pictures were changed."""
    run, shifts = record.shifts_run, record.shifts or []
    if run is None:
        return None
    shown = record.pictures.shifted
    original, examples = attempt(_examples, shown) if shown is not None else (None, {})
    return ShiftsView(
        run=run,
        summary=summary(shifts, run),
        severities=[SEVERITIES.get(severity, literal(str(severity))) for severity in run.severities],
        rows=[_row(row, run, examples.get(row[0].corruption)) for row in costliest_first(shifts)],
        original=original,
    )


def _examples(shown: ShiftedImages) -> tuple[Example, dict[str, Example]]:
    """Return the unchanged picture and the changed ones by corruption, all on one scale."""
    images = [*shown.original, *shown.changed]
    painted = [_example(pixels) for pixels in input_images.on_one_scale(images)]
    return painted[0], dict(zip(shown.corruptions, painted[1:], strict=True))


def _example(picture: Picture) -> Example:
    longest = max(picture.width, picture.height)
    return Example(picture, *(max(round(side * _SIDE / longest), 1) for side in (picture.width, picture.height)))


def _row(row: Sequence[Shift], run: ShiftsRun, example: Example | None) -> Row:
    worst = costliest(row)
    return Row(
        name=NAMES.get(worst.corruption, literal(name(worst.corruption))),
        example=example,
        cells=[
            Cell(one.severity, one.amount, one.accuracy, one.interval, _shade(one, run.accuracy), one is worst)
            for one in row
        ],
        weakest=_weakest(worst.weakest_class),
        units=_units(worst),
        unit=worst.unit_to_blame,
        blame=_blame(worst),
    )


def _shade(shift: Shift, before: float | None) -> int:
    """Return how dark a cell is: in sixths of the accuracy there was, 0 where it does not fall beyond chance."""
    if not shift.falls or not before:
        return 0
    return min(max(-int(_SHADES * shift.change / before // 1), 1), _SHADES)


def _weakest(found: ShiftedClass) -> Text:
    return text(
        "class {label}: recall {recall} ({low} to {high}), before {before}",
        label=name(found.label, 24, short=True),
        recall=percent(found.recall),
        low=percent(found.interval[0], 0),
        high=percent(found.interval[1], 0),
        before=percent(found.recall_before),
    )


def _units(shift: Shift) -> list[Text]:
    """Return how many units die and saturate, and the one that moves most."""
    found = []
    if shift.units_dead:
        found.append(text("dead: {where}", where=_where({one.layer: len(one.dead) for one in shift.layers})))
    if shift.units_saturated:
        where = _where({one.layer: len(one.saturated) for one in shift.layers})
        found.append(text("saturated: {where}", where=where))
    moving = [one for one in shift.layers if one.moved is not None]
    if moving:
        most = max(moving, key=lambda one: one.by)
        assert most.moved is not None
        found.append(
            text(
                "unit {unit} of {layer} moves most: its mean by {by} standard deviations",
                unit=count(most.moved),
                layer=name(most.layer, 24, short=True),
                by=fixed(most.by, 1),
            )
        )
    return found


def _where(units: Mapping[str, int]) -> Text:
    """Return how many units of which layer, of many layers those with most units."""
    there = [(layer, n) for layer, n in units.items() if n]
    if len(there) > _LAYERS:
        there.sort(key=lambda one: -one[1])
    said = [
        ntext(n, "{n} unit of {layer}", "{n} units of {layer}", layer=name(layer, 24, short=True)) for layer, n in there
    ]
    return first(said, _LAYERS)


def _blame(shift: Shift) -> Text:
    unit = shift.unit_to_blame
    if unit is None:
        return text("n/a: {reason}", reason=shift.reasons.get("unit_to_blame", NOT_AVAILABLE))
    figures = {
        "gain": points(unit.gain),
        "low": points(unit.interval[0]),
        "high": points(unit.interval[1]),
        "share": percent(unit.regained, 0),
        "tried": count(unit.tried),
        "of": count(unit.of),
    }
    if unit.regained < _ALONE:
        return text(
            "alone regains {share} of the loss ({gain} points, {low} to {high}), the most of {tried} units tried of"
            " {of}: no single unit is to blame",
            **figures,
        )
    return text("regains {gain} points ({low} to {high}), {share} of the loss; {tried} of {of} units tried", **figures)

"""A layer with everything painted that the page shows of it: outputs, kernels, relations, and a card a unit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.record import (
    Array,
    Kernels,
    LayerRow,
    LayerVerdict,
    Maps,
    Pictures,
    Record,
    Strips,
    TopImage,
    Unit,
)
from reportgen.render import charts, insights, tiles
from reportgen.texts import Text, text

ROWS_ON_PAPER = 50
"""Most rows of a layer's table of units in the PDF; the page has them all."""
CELLS_ON_PAPER = 512
CHANNELS_ON_CARD = 4
_LETTERS = {
    "dead": "D",
    "constant": "C",
    "saturated": "S",
    "always-on": "A",
    "weak": "W",
    "healthy": "",
    "never predicted": "N",
    "always predicted": "P",
    "output": "",
}


@dataclass(frozen=True)
class Grids:
    """A layer's outputs for the examples, and its kernels.

    shown: how many units have a tile. always_silent: the units that are zero throughout for every example.
    """

    outputs: tiles.Grid
    shown: int
    step: int
    always_silent: list[int]
    is_dense: bool
    is_output: bool
    kernels: Kernels | None
    kernels_grid: tiles.Grid | None
    colour_kernels: tiles.Picture | None


@dataclass(frozen=True)
class UnitView:
    """A unit with its anchor on the page.

    letter: of its state, "R" for one that could be removed, "" for one that nothing is to be said about. css: its
    state as the style sheet and the filter of units know it. card: None where the unit has none. has_row_on_paper:
    whether it is among the first rows of the table, which paper has room for.
    """

    unit: Unit
    anchor: str
    letter: str
    css: str
    card: "CardView | None"
    has_row_on_paper: bool

    def has_card(self, on_paper: bool) -> bool:
        """Return whether its card is shown; on paper healthy units are rows of the table alone."""
        return self.card is not None and (not on_paper or bool(self.letter))

    def is_shown(self, on_paper: bool) -> bool:
        """Return whether a link to the unit leads anywhere."""
        return not on_paper or self.has_card(on_paper) or self.has_row_on_paper


class CardView:
    """The pictures of a card, each painted when a page first asks for it: paper has no card of a healthy unit."""

    def __init__(self, unit: Unit, verdict: LayerVerdict, kernels: Kernels | None, images: Mapping[int, Array]) -> None:
        self._unit, self._verdict, self._images = unit, verdict, images
        self._kernels = kernels if kernels is not None and unit.unit < len(kernels.weights) else None

    @cached_property
    def tops(self) -> tiles.Picture | None:
        """The strongest images, the strongest first; None where no image makes the unit fire."""
        return self._strip(self._unit.top_images)

    @cached_property
    def other(self) -> tiles.Picture | None:
        """The strongest image of another class than the preferred one."""
        return self._strip([self._unit.other_image] if self._unit.other_image else [])

    @cached_property
    def kernel(self) -> tiles.Picture | None:
        """The weights of the strongest input channels."""
        return None if self._kernels is None else tiles.unit_kernel(self._weights(), self._kernels.largest)

    @property
    def kernel_of(self) -> Text | None:
        """"4 of 16 input channels" where the kernel is shown in part."""
        if self._kernels is None or (shown := len(self._weights())) == self._kernels.inputs:
            return None
        return text("{shown} of {inputs} input channels", shown=f"{shown}", inputs=f"{self._kernels.inputs:,}")

    @cached_property
    def histogram(self) -> charts.Histogram:
        """How often the unit has which value."""
        return charts.histogram(self._unit.histogram, self._verdict.edges)

    def _weights(self) -> Array:
        assert self._kernels is not None
        weights: Array = self._kernels.weights[self._unit.unit][:CHANNELS_ON_CARD]
        return weights

    def _strip(self, tops: list[TopImage]) -> tiles.Picture | None:
        return tiles.framed_images([(self._images[top.index], top.patch) for top in tops]) if tops else None


@dataclass(frozen=True)
class LayerView:
    """All that is shown of one layer with units. shows: what each of its figures shows here, by its id's beginning."""

    row: LayerRow
    verdict: LayerVerdict
    units: list[UnitView]
    grids: Grids | None
    correlations: tiles.Grid | None
    compared: int
    class_map: tiles.Grid | None
    mapped: int
    shows: dict[str, Text]

    @property
    def flagged(self) -> int:
        """How many units there is something to say about."""
        return sum(bool(view.letter) for view in self.units)

    @property
    def cards(self) -> list[UnitView]:
        """The units that have a card, problems first, as they were chosen."""
        return [view for view in self.units if view.card is not None]


def build(record: Record) -> list[LayerView]:
    """Paint all layers with units, in the order of the model."""
    rows = {row.name: row for row in record.model.layers}
    units: dict[str, list[Unit]] = {}
    for unit in record.units:
        units.setdefault(unit.layer, []).append(unit)
    grids = _grids(record)
    correlations = {c.layer: c for c in record.pictures.correlations}
    class_maps = {c.layer: c for c in record.pictures.class_maps}
    cards = _Cards(record.pictures)
    test = record.evaluation["test"]
    labels = [one.label for one in test.classes] if test else []
    views = []
    for verdict in record.layers:
        alike, answers = correlations.get(verdict.name), class_maps.get(verdict.name)
        own, kernels = units.get(verdict.name, []), _kernels_of(grids.get(verdict.name))
        shows = {"units": insights.units(verdict, own)}
        if alike:
            shows["alike"] = insights.correlations(alike)
        if answers:
            shows["classes"] = insights.class_map(answers, labels)
        if kernels:
            shows["kernels"] = insights.kernels(kernels)
        views.append(
            LayerView(
                row=rows[verdict.name],
                verdict=verdict,
                units=[_unit_view(n, unit, cards, verdict) for n, unit in enumerate(own)],
                grids=grids.get(verdict.name),
                correlations=tiles.correlations(alike.r, alike.order) if alike else None,
                compared=len(alike.order) if alike else 0,
                class_map=tiles.class_map(answers.values) if answers else None,
                mapped=answers.values.shape[1] if answers else 0,
                shows=shows,
            )
        )
    return views


def anchor(layer: str, unit: int) -> str:
    """Return the id of a unit on the page, "conv2d/u17"; an id has no white space."""
    return f"{re.sub(r'[^!-~]', '_', layer)}/u{unit}"


def _kernels_of(grids: Grids | None) -> Kernels | None:
    return grids.kernels if grids else None


def _unit_view(row: int, unit: Unit, cards: "_Cards", verdict: LayerVerdict) -> UnitView:
    letter, css = _LETTERS[unit.state], unit.state.replace(" ", "-")
    if not letter and (unit.removable or unit.duplicate_of is not None):
        letter, css = "R", "redundant"
    card = cards.view(unit, verdict)
    return UnitView(unit, anchor(unit.layer, unit.unit), letter, css, card, row < ROWS_ON_PAPER)


class _Cards:
    """Knows which units have a card, and the images and kernels that were kept for all of them."""

    def __init__(self, pictures: Pictures) -> None:
        cards = pictures.cards
        self._chosen = {layer: set(units) for layer, units in cards.units.items()}
        self._images = dict(zip(cards.numbers.tolist(), cards.images, strict=True))
        self._kernels = {kernels.layer: kernels for kernels in pictures.kernels}

    def view(self, unit: Unit, verdict: LayerVerdict) -> CardView | None:
        if unit.unit not in self._chosen.get(unit.layer, ()):
            return None
        return CardView(unit, verdict, self._kernels.get(unit.layer), self._images)


def _grids(record: Record) -> dict[str, Grids]:
    pictures = record.pictures
    kernels = {k.layer: k for k in pictures.kernels}
    found: list[Maps | Strips] = [*pictures.maps, *pictures.strips]
    return {one.layer: _grid(one, kernels.get(one.layer), pictures.examples.images) for one in found}


def _grid(found: Maps | Strips, own: Kernels | None, inputs: Array) -> Grids:
    dense = isinstance(found, Strips)
    return Grids(
        outputs=tiles.strips_grid(found, inputs) if isinstance(found, Strips) else tiles.maps_grid(found, inputs),
        shown=found.values.shape[-1],
        step=1 if isinstance(found, Strips) else found.step,
        always_silent=_silent_units(found.values),
        is_dense=dense,
        is_output=isinstance(found, Strips) and found.is_output,
        kernels=own,
        kernels_grid=tiles.kernels_grid(own) if own else None,
        colour_kernels=tiles.colour_kernels(own) if own and own.on_colour else None,
    )


def _silent_units(values: Array) -> list[int]:
    """Return the units whose every value for every example is zero. values: (E, ..., U)."""
    silent: list[int] = np.flatnonzero(~values.any(axis=tuple(range(values.ndim - 1)))).tolist()
    return silent

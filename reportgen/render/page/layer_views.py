"""A layer with everything painted that the page shows of it: outputs, kernels, relations, and a card a unit.

Longer than most modules: a layer, its units and their cards are painted of the same arrays, when a page asks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np

from reportgen.i18n import Text, text
from reportgen.record.model import LayerRow
from reportgen.record.pictures import Array, ClassMap, Correlations, Kernels, Maps, Pictures, Seen, Strips
from reportgen.record.run import Record
from reportgen.record.units import ONLY_SILENT, LayerVerdict, Nearest, TopImage, Unit
from reportgen.render.charts import dead_history, geometry
from reportgen.render.page import effects, insights, legends
from reportgen.render.page.missing import attempt
from reportgen.render.pictures import input_images, seen, tiles
from reportgen.render.pictures.mosaic import Grid, Picture
from reportgen.render.pictures.seen import Pair

ROWS_ON_PAPER = 10
"""Most rows of a layer's table of units in the PDF; the page has them all, and every cell takes a millisecond."""
CELLS_ON_PAPER = 512
"""Most cells of a layer's strip of states in the PDF."""
CHANNELS_ON_CARD = 4
_LONGEST_IN_ANCHOR = 100
_EVERYWHERE = 0.995  # of the images
_LETTERS = {
    "dead": "D",
    "constant": "C",
    "saturated": "S",
    "always-on": "A",
    "always-negative": "B",
    "weak": "W",
    "healthy": "",
    "never predicted": "N",
    "always predicted": "P",
    "output": "",
}
LETTERS = {state.replace(" ", "-"): letter for state, letter in _LETTERS.items() if letter} | {"redundant": "R"}
"""The letters of the states, as the style sheet knows them, that there is something to say about."""


@dataclass(frozen=True)
class Grids:
    """A layer's outputs for the examples, and its kernels.

    shown: how many units have a tile. always_silent: the units that are zero throughout for every example. axes: how
    many an output of a unit has: none of a neuron, one, two or three of a channel. crowded: a column of a picture shows
    several positions of an output of one axis.
    """

    outputs: Grid
    shown: int
    step: int
    always_silent: list[int]
    axes: int
    crowded: bool
    is_output: bool
    kernels: Kernels | None
    kernels_grid: Grid | None
    colour_kernels: Picture | None


@dataclass(frozen=True)
class UnitView:
    """A unit with its anchor on the page.

    letter: of its state, "R" for one that could be removed, "" for one that nothing is to be said about. css: its
    state as the style sheet and the filter of units know it. died: since when a dead one is, None where not known.
    card: None where the unit has none. twin: of a unit that stays for its group, the one of the group most like it.
    same_group: whether the unit most like it is of the same group.
    """

    unit: Unit
    anchor: str
    letter: str
    css: str
    died: Text | None
    card: "CardView | None"
    twin: Nearest | None = None
    same_group: bool = False

    @property
    def fires_everywhere(self) -> bool:
        """Whether it fires on (nearly) every image, which of a channel with many positions says nothing."""
        return self.unit.firing_rate >= _EVERYWHERE

    @property
    def fires_as_all_do(self) -> bool:
        """Whether the evidence for its state says no more than that."""
        return self.unit.state == "healthy" and self.fires_everywhere

    @property
    def partner(self) -> Nearest | None:
        """The unit that makes it removable, or that it stays for, else the most like it if they are alike at all."""
        near = self.unit.nearest
        return self.unit.kept or self.twin or (near if near is not None and near.alike is not None else None)

    @property
    def most_like(self) -> Text | None:
        """In which sense the unit most like it is alike, None where it is not."""
        near = self.unit.nearest
        if near is None or near.alike is None:
            return None
        if near.alike == "on average":
            return text("alike on average")
        if self.same_group:
            return text("interchangeable")
        return text("interchangeable, but not with every unit of its group")

    @property
    def yet_apart(self) -> Text | None:
        """Why its partner does not make it removable though the two are interchangeable; None where it does."""
        near, partner = self.unit.nearest, self.partner
        if near is None or partner is not near or near.alike != "interchangeable" or self.same_group:
            return None
        return text("but not with every unit of that one's group")

    @property
    def why(self) -> Text | None:
        """Why a unit is dead, None where that is not known or it is not dead."""
        return None if self.unit.cause == ONLY_SILENT else self.unit.cause

    @property
    def needed(self) -> Text | None:
        """What the unit is needed for, in a sentence; None where nobody measured it."""
        return None if self.unit.effect is None else effects.needed(self.unit.effect)

    @property
    def needed_briefly(self) -> Text:
        """The same in a few words."""
        return effects.briefly(self.unit.effect)

    def has_card(self, on_paper: bool) -> bool:
        """Return whether its card is shown; on paper healthy units have none."""
        return self.card is not None and (not on_paper or bool(self.letter))


class CardView:
    """The pictures of a card, each painted when a page first asks for it: paper has no card of a healthy unit."""

    def __init__(
        self,
        unit: Unit,
        verdict: LayerVerdict,
        kernels: Kernels | None,
        images: Mapping[int, Array],
        scale: input_images.Extent | None,
        kept: Seen | None = None,
        maps: Maps | None = None,
    ) -> None:
        self._seen, self._maps = kept, maps
        self._unit, self._verdict, self._images, self._scale = unit, verdict, images, scale
        self._kernels = kernels if kernels is not None and unit.unit < len(kernels.weights) else None

    @cached_property
    def tops(self) -> Picture | None:
        """The strongest images, the strongest first; None where no image makes the unit fire."""
        return attempt(self._strip, self._unit.top_images)

    @cached_property
    def seen(self) -> seen.SeenUnit | None:
        """What the unit saw where it fires most and least; None where that was not kept."""
        if self._seen is None or not (place := np.flatnonzero(self._seen.units == self._unit.unit)).size:
            return None
        return attempt(seen.paint, self._seen, int(place[0]))

    @cached_property
    def both_maps(self) -> Pair | None:
        """The maps of a removable unit and of the unit that stays, for the same image; None where not kept."""
        kept, maps = self._unit.kept, self._maps
        if kept is None or maps is None or maps.values.ndim != 4:
            return None
        if max(kept.unit, self._unit.unit) >= maps.values.shape[-1]:
            return None
        return attempt(seen.pair, maps.values[..., self._unit.unit], maps.values[..., kept.unit])

    @property
    def tops_planes(self) -> Text | None:
        """Which planes the strongest images are shown by; None where they are no volumes."""
        return self._planes(self._unit.top_images)

    @property
    def other_plane(self) -> Text | None:
        """Which plane the strongest image of another class is shown by; None where it is no volume."""
        return self._planes([self._unit.other_image] if self._unit.other_image else [])

    @cached_property
    def other(self) -> Picture | None:
        """The strongest image of another class than the preferred one; None where it is among the strongest of all."""
        if self._unit.other_image is None or self.other_place is not None:
            return None
        return attempt(self._strip, [self._unit.other_image])

    @property
    def other_place(self) -> int | None:
        """The place, from 1, of the strongest image of another class among `tops`; None where it is not there."""
        other = self._unit.other_image
        shown = [top.index for top in self._unit.top_images]
        return shown.index(other.index) + 1 if other and other.index in shown else None

    @cached_property
    def kernel(self) -> Picture | None:
        """The weights of the strongest input channels."""
        return None if self._kernels is None else attempt(tiles.unit_kernel, self._weights(), self._kernels.largest)

    @property
    def kernel_of(self) -> Text | None:
        """ "4 of 16 input channels" where the kernel is shown in part."""
        if self._kernels is None or (shown := len(self._weights())) == self._kernels.inputs:
            return None
        return text("{shown} of {inputs} input channels", shown=f"{shown}", inputs=f"{self._kernels.inputs:,}")

    @cached_property
    def histogram(self) -> geometry.Histogram:
        """How often the unit has which value."""
        return attempt(geometry.histogram, self._unit.histogram, self._verdict.edges)

    def _weights(self) -> Array:
        assert self._kernels is not None
        weights: Array = self._kernels.weights[self._unit.unit][:CHANNELS_ON_CARD]
        return weights

    def _planes(self, tops: list[TopImage]) -> Text | None:
        return legends.planes_seen([(self._images[top.index], top.patch) for top in tops])

    def _strip(self, tops: list[TopImage]) -> Picture | None:
        if not tops:
            return None
        return input_images.with_patches([(self._images[top.index], top.patch) for top in tops], self._scale)


@dataclass(frozen=True)
class LayerView:
    """All that is shown of one layer with units; its pictures are painted when a page first asks for them.

    shows: what each of its figures shows here, by its id's beginning. sources: what its pictures are painted from.
    """

    row: LayerRow
    verdict: LayerVerdict
    units: list[UnitView]
    effects: effects.EffectsView | None
    shows: dict[str, Text]
    sources: "_Sources"

    @cached_property
    def grids(self) -> Grids | None:
        """Its outputs and kernels, None where they are not shown."""
        kept = self.sources
        return None if kept.outputs is None else _grid(kept.outputs, kept.kernels, kept.inputs, kept.scale)

    @cached_property
    def correlations(self) -> Grid | None:
        """How alike its units are, None where that is not shown."""
        found = self.sources.correlations
        return attempt(tiles.correlations, found.r, found.order) if found else None

    @property
    def compared(self) -> int:
        """How many units are in the picture of correlations."""
        return len(self.sources.correlations.order) if self.sources.correlations else 0

    @cached_property
    def class_map(self) -> Grid | None:
        """What its units answer to the classes, None where that is not shown."""
        found = self.sources.class_map
        return attempt(tiles.class_map, found.values) if found else None

    @property
    def mapped(self) -> int:
        """How many units are in the picture of responses to classes."""
        return self.sources.class_map.values.shape[1] if self.sources.class_map else 0

    @property
    def anchor(self) -> str:
        """What the ids of its units begin with."""
        return _for_anchor(self.row.name)

    @property
    def letters(self) -> list[tuple[str, str]]:
        """The letters of its units' states, with the states that they stand for."""
        there = {view.css for view in self.units}
        return [(letter, css) for css, letter in LETTERS.items() if css in there]

    @property
    def flagged(self) -> int:
        """How many units there is something to say about."""
        return sum(bool(view.letter) for view in self.units)

    @property
    def cards(self) -> list[UnitView]:
        """The units that have a card, problems first, as they were chosen."""
        return [view for view in self.units if view.card is not None]

    def rows(self, on_paper: bool) -> list[UnitView]:
        """Return the units for the table: all by number, on paper those without a card, the most telling first."""
        if not on_paper:
            return self.units
        return sorted((view for view in self.units if not view.has_card(on_paper)), key=_first_told)

    def linked(self, on_paper: bool, most: int | None) -> set[int]:
        """Return the units that a link leads to: by their card or row. most: rows of the table, None for all."""
        cards = [view for view in self.units if view.has_card(on_paper)]
        return {view.unit.unit for view in cards + self.rows(on_paper)[:most]}


@dataclass(frozen=True)
class _Sources:
    """The arrays that the pictures of a layer are painted from. inputs: of all layers; scale: of those that are series.

    kernels: None without outputs, beside which they are shown.
    """

    outputs: Maps | Strips | None
    kernels: Kernels | None
    inputs: Array
    scale: input_images.Extent | None
    correlations: Correlations | None
    class_map: ClassMap | None


def build(record: Record, compared: int | None = None) -> list[LayerView]:
    """Return all layers with units, in the order of the model. compared: most units in the picture of effects."""
    rows = {row.name: row for row in record.model.layers}
    units: dict[str, list[Unit]] = {}
    for unit in record.units:
        units.setdefault(unit.layer, []).append(unit)
    pictures, scale = record.pictures, input_images.scale_of(record.pictures)
    found: list[Maps | Strips] = [*pictures.maps, *pictures.strips]
    outputs = {one.layer: one for one in found}
    kernels = {one.layer: one for one in pictures.kernels}
    correlations = {one.layer: one for one in pictures.correlations}
    class_maps = {one.layer: one for one in pictures.class_maps}
    cards, died = _Cards(pictures, scale), dead_history.since(record.deaths)
    test = record.evaluation["test"]
    labels = [one.label for one in test.classes] if test else []
    views = []
    for verdict in record.layers:
        name, own = verdict.name, units.get(verdict.name, [])
        drawn = outputs.get(name)
        sources = _Sources(
            outputs=drawn,
            kernels=kernels.get(name) if drawn is not None else None,
            inputs=pictures.examples.images,
            scale=scale,
            correlations=correlations.get(name),
            class_map=class_maps.get(name),
        )
        shows = {"units": attempt(insights.units, verdict, own)}
        if sources.correlations:
            shows["alike"] = attempt(insights.correlations, sources.correlations, own)
        if sources.class_map:
            shows["classes"] = attempt(insights.class_map, sources.class_map, labels)
        if sources.kernels:
            shows["kernels"] = attempt(insights.kernels, sources.kernels)
        measured = verdict.effects if verdict.effects and verdict.effects.reason is None else None
        views.append(
            LayerView(
                row=rows[name],
                verdict=verdict,
                units=_unit_views(own, cards, verdict, died),
                effects=attempt(effects.paint, measured, own, labels, compared) if measured else None,
                shows=shows,
                sources=sources,
            )
        )
    return views


def anchor(layer: str, unit: int) -> str:
    """Return the id of a unit on the page, "conv2d/u17"."""
    return f"{_for_anchor(layer)}/u{unit}"


@lru_cache(maxsize=1000)
def _for_anchor(layer: str) -> str:
    """Return what stands for a layer in an id: its name, where that is short and without white space and "%".

    For others a part of it with a checksum: each unit has some copies of it on the page, and names that differ in
    letters that an id does without, or far behind, must not become one.
    """
    plain = re.sub(r"[^!-$&-~]", "_", layer)  # in an address, "%" begins the number of a letter
    if plain == layer and len(layer) <= _LONGEST_IN_ANCHOR:
        return layer
    return f"{plain[:_LONGEST_IN_ANCHOR]}-{sha256(layer.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def has_remark(unit: Unit) -> bool:
    """Return whether there is something to say about a unit."""
    return bool(_LETTERS[unit.state]) or unit.removable or unit.duplicate_of is not None


def _unit_views(
    units: Sequence[Unit], cards: "_Cards", verdict: LayerVerdict, died: Mapping[tuple[str, int], Text]
) -> list[UnitView]:
    twins: dict[int, Nearest] = {}
    for unit in units:
        if unit.kept is not None and ((known := twins.get(unit.kept.unit)) is None or unit.kept.r > known.r):
            twins[unit.kept.unit] = replace(unit.kept, unit=unit.unit)
    of = {unit.unit: unit for unit in units}
    found = []
    for unit in units:
        near = of.get(unit.nearest.unit) if unit.nearest is not None else None
        same = unit.group is not None and near is not None and near.group == unit.group
        letter, css = _LETTERS[unit.state], unit.state.replace(" ", "-")
        if not letter and has_remark(unit):
            letter, css = "R", "redundant"
        # judged on all images, not on some
        since = died.get((unit.layer, unit.unit)) if unit.state == "dead" else None
        card, twin = cards.view(unit, verdict), twins.get(unit.unit)
        found.append(UnitView(unit, anchor(unit.layer, unit.unit), letter, css, since, card, twin, same))
    return found


def _first_told(view: UnitView) -> tuple[bool, float]:
    """Return what sorts units: those with something to say about them, then those that tell a class apart best."""
    best = view.unit.preferred_class
    return not view.letter, -best.auroc if best else 0.0


class _Cards:
    """Knows which units have a card, and the images and kernels that were kept for all of them."""

    def __init__(self, pictures: Pictures, scale: input_images.Extent | None) -> None:
        cards, self._scale = pictures.cards, scale
        self._chosen = {layer: set(units) for layer, units in cards.units.items()}
        self._images = dict(zip(cards.numbers.tolist(), cards.images, strict=True))
        self._kernels = {kernels.layer: kernels for kernels in pictures.kernels}
        self._seen = {one.layer: one for one in pictures.seen}
        self._maps = {one.layer: one for one in pictures.maps}

    def view(self, unit: Unit, verdict: LayerVerdict) -> CardView | None:
        if unit.unit not in self._chosen.get(unit.layer, ()):
            return None
        return CardView(
            unit,
            verdict,
            self._kernels.get(unit.layer),
            self._images,
            self._scale,
            self._seen.get(unit.layer),
            self._maps.get(unit.layer),
        )


def _grid(found: Maps | Strips, own: Kernels | None, inputs: Array, scale: input_images.Extent | None) -> Grids:
    if isinstance(found, Strips):
        outputs = attempt(tiles.strips_grid, found, inputs, scale)
    else:
        outputs = attempt(tiles.maps_grid, found, inputs, scale)
    return Grids(
        outputs=outputs,
        shown=found.values.shape[-1],
        step=1 if isinstance(found, Strips) else found.step,
        always_silent=_silent_units(found.values),
        axes=found.values.ndim - 2,
        crowded=found.values.ndim == 3 and found.values.shape[1] > 2 * tiles.AREA[0],
        is_output=isinstance(found, Strips) and found.is_output,
        kernels=own,
        kernels_grid=attempt(tiles.kernels_grid, own) if own else None,
        colour_kernels=attempt(tiles.colour_kernels, own) if own and own.on_colour else None,
    )


def _silent_units(values: Array) -> list[int]:
    """Return the units whose every value for every example is zero. values: (E, ..., U)."""
    silent: list[int] = np.flatnonzero(~values.any(axis=tuple(range(values.ndim - 1)))).tolist()
    return silent

"""What the pages of a record take, in bytes: foreseen from the shapes of its arrays, and measured on a finished page.

What is foreseen need only be right from step to step of a ladder: `budget` measures one step and scales the others.
"""

import re
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from reportgen.record.pictures import Array, Pictures
from reportgen.record.run import Record
from reportgen.render import languages
from reportgen.render.page import folds, unit_rows
from reportgen.render.page.detail import Listing, Step, cards_shown, outputs, thinned_pictures
from reportgen.render.page.layer_views import CardView, LayerView, UnitView
from reportgen.render.page.missing import NotDrawn
from reportgen.render.page.page import Page, View
from reportgen.render.pictures.mosaic import Picture

_T = TypeVar("_T")
_STORED = re.compile(r'data:[a-z0-9/]+;base64,([^"]*)')
_IN_PDF, _ELEMENT, _CELL = 1200, 72, 125
"""Bytes of a PDF for each picture beside its own, for each HTML element, and more for each cell of a strip.

Fitted to PDFs of 0.1 to 22 MB, which are 0 to 10 % smaller than so foreseen, some yet smaller.
"""
_SIDE, _IMAGES_ON_CARD = 96, 4
"""How large most pictures show an input image at most, in its pixels, and how many images a card has."""
_TILE, _VALUE, _KERNEL, _ANSWER = 200, 1.8, 100, 12
"""Bytes of a PNG for each unit's tile and each value in it, each input channel of a kernel, each answer to a class.

These and the next were measured on MobileNetV2 and images of noise.
"""
_UNIT, _BRIEF_UNIT, _CARD, _LAYER, _REST = 390, 190, 1750, 5000, 200_000
"""Bytes of a page's text for each unit, card and layer, and for everything else."""
_SAMPLE, _UNITS_OF_SAMPLE = 12, 200
"""How many layers and cards are painted, and how many units are listed, to learn what all of them take."""
_IN_TEXT = 4 / 3
"""How much longer a picture is in base64."""
_PAPER_ROW, _PAPER_CELL, _PAPER_CARD, _PAPER_LAYER = 580, 200, 4400, 7300
"""Bytes of a PDF for each row and cell of a unit, each card and each layer, without pictures."""


@dataclass(frozen=True)
class Cost:
    """Bytes of pictures, and of everything else."""

    pictures: float
    words: float

    @property
    def total(self) -> float:
        """Bytes of both."""
        return self.pictures + self.words

    def scaled(self, foreseen: "Cost", other: "Cost") -> "Cost":
        """Return what `other` will be, if it is to its own estimate as this cost, measured, is to `foreseen`."""
        return Cost(
            other.pictures * self.pictures / max(foreseen.pictures, 1), other.words * self.words / foreseen.words
        )


def of_page(made: Page) -> Cost:
    """Measure a page with the files beside it. A font counts as a picture."""
    stored = sum(map(len, _STORED.findall(made.html))) + sum(map(len, made.files.values()))
    return Cost(stored, len(made.html.encode("utf-8")) + sum(map(len, made.files.values())) - stored)


def of_paper(made: Page) -> Cost:
    """Return what the PDF of a page for paper will take; it is rather less."""
    stored = [len(content) * 3 // 4 for content in set(_STORED.findall(made.html))]
    elements, cells = made.html.count("<") - made.html.count("</"), made.html.count('class="cell')
    return Cost(sum(stored) + _IN_PDF * len(stored), _ELEMENT * elements + _CELL * cells)


@dataclass(frozen=True)
class Sample:
    """How much larger than foreseen, in a part of a page, pictures of layers and of cards and the text of units are."""

    layers: float = 1.0
    cards: float = 1.0
    units: float = 1.0


@dataclass(frozen=True)
class Foreseen:
    """About what a step takes, in bytes: pictures of images, layers and cards, the text of units, and the rest."""

    images: float
    layers: float
    cards: float
    units: float
    rest: float

    def cost(self, sample: Sample | None = None) -> Cost:
        """Return the sums. sample: of the page that this is of."""
        found = sample or Sample()
        return Cost(
            self.images + found.layers * self.layers + found.cards * self.cards, found.units * self.units + self.rest
        )


def foreseen(record: Record, step: Step, *, paper: bool) -> Foreseen:
    """Return about what a step takes of this record, as a page or as a PDF."""
    shown, listing = thinned_pictures(record.pictures, step.room), step.listing
    sizes = [verdict.units for verdict in record.layers if listing.shows(verdict.name)]
    cards = cards_shown(record, paper=paper, most=step.room.cards)
    if paper:
        rows, cells = (sum(min(most or 0, size) for size in sizes) for most in (listing.rows, listing.cells))
        units, rest = _PAPER_ROW * rows + _PAPER_CELL * cells, _PAPER_CARD * cards + _PAPER_LAYER * len(sizes)
    else:
        units = (_BRIEF_UNIT if listing.brief else _UNIT) * sum(sizes)
        rest = _CARD * cards + _LAYER * len(sizes)
    images = 2 * _inputs(shown) + len(shown.worst) * _values(shown.worst)
    return Foreseen(images, _layers(shown), _cards(shown, cards), units, rest + _REST)


def sampled(view: View, listing: Listing) -> Sample:
    """Paint the pictures of some layers and cards, and list some units, to foresee what all of them will take.

    How well a picture can be packed depends on what is in it. What is painted for this stays painted.
    """
    try:
        layers = [layer for layer in view.layers if layer.sources.outputs is not None]
        some = _some(sorted(layers, key=lambda layer: layer.verdict.units))
        units = [unit for layer in view.layers for unit in layer.units]
        cards = _some([unit.card for unit in units if unit.card is not None])
        of_layers, of_cards = (
            _IN_TEXT * sum(len(picture.png) for painted in found for picture in painted)
            for found in (map(_of_layer, some), map(_of_card, cards))
        )
    except NotDrawn:
        return Sample()
    names = {layer.verdict.name for layer in some}
    every = view.record.pictures
    kept = replace(
        every,
        maps=[one for one in every.maps if one.layer in names],
        strips=[one for one in every.strips if one.layer in names],
        kernels=[one for one in every.kernels if one.layer in names],
        correlations=[one for one in every.correlations if one.layer in names],
        class_maps=[one for one in every.class_maps if one.layer in names],
    )
    return Sample(
        of_layers / (_layers(kept) or of_layers or 1),
        of_cards / (_cards(kept, len(cards)) or of_cards or 1),
        _unit(_some(units, _UNITS_OF_SAMPLE), view.record.look.lang) / _BRIEF_UNIT if listing.brief else 1.0,
    )


def _some(found: list[_T], most: int = _SAMPLE) -> list[_T]:
    """Return every n-th, at most `most`."""
    return found[:: -(-len(found) // most) or 1]


def _unit(units: list[UnitView], lang: str) -> float:
    """Return how many bytes a unit has in a fold, on average of these."""
    messages = languages.catalogue(lang)
    listed = folds.as_data(folds.Fold(1, unit_rows.rows(units, messages) + unit_rows.cells(units, messages)))
    return len(listed.encode("utf-8")) / max(len(units), 1)


def _of_layer(layer: LayerView) -> list[Picture]:
    grids, some = layer.grids, [layer.correlations, layer.class_map]
    if grids is not None:
        some += [grids.outputs, grids.kernels_grid]
    found = [picture for grid in some if grid is not None for picture in grid.pictures]
    return [*found, grids.colour_kernels] if grids is not None and grids.colour_kernels else found


def _of_card(card: CardView) -> list[Picture]:
    found, seen = [card.tops, card.kernel, card.other], card.seen
    if card.both_maps is not None:
        found += [card.both_maps.own, card.both_maps.other]
    if seen is not None:
        found += [seen.strongest, seen.weakest, seen.average, seen.picture, seen.real, seen.told, seen.difference]
    return [picture for picture in found if picture is not None]


def _inputs(pictures: Pictures) -> float:
    """Return about how many bytes the examples have."""
    return len(pictures.examples.images) * _values(pictures.examples.images)


def _layers(pictures: Pictures) -> float:
    """Return about how many bytes the PNGs of layers have."""
    inputs = _inputs(pictures)
    of_outputs = sum(
        inputs + _TILE * found.values.shape[0] * found.values.shape[-1] + _VALUE * found.values.size
        for found in outputs(pictures)
    )
    of_kernels = sum(_KERNEL * kernels.channels.size for kernels in pictures.kernels)
    of_relations = sum(found.r.size for found in pictures.correlations)
    of_relations += sum(_ANSWER * found.values.size for found in pictures.class_maps)
    return float(of_outputs + of_kernels + of_relations)


def _cards(pictures: Pictures, cards: int) -> float:
    """Return about how many bytes the PNGs of so many cards have."""
    return cards * _IMAGES_ON_CARD * _values(pictures.cards.images)


def _values(images: Array) -> float:
    """Return how many values of an image, (N, *space, C), are shown."""
    sides = [min(side, _SIDE) for side in images.shape[1:-1]]
    return float(np.prod(sides) * min(images.shape[-1], 3))

"""What the pages of a record take, in bytes: foreseen from the shapes of its arrays, and measured on a finished page.

What is foreseen need only be right from step to step of a ladder: `budget` measures one step and scales the others.
"""

import re
from dataclasses import dataclass

import numpy as np

from reportgen.record.pictures import Array, Pictures
from reportgen.record.run import Record
from reportgen.render.page.detail import Step, cards_shown, outputs, thinned
from reportgen.render.page.page import Page

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


def foreseen(record: Record, step: Step, *, paper: bool) -> Cost:
    """Return about what a step takes of this record, as a page or as a PDF."""
    less, listing = thinned(record, step.room), step.listing
    sizes = [verdict.units for verdict in record.layers if listing.shows(verdict.name)]
    cards = cards_shown(less, paper=paper)
    if paper:
        rows, cells = (sum(min(most or 0, size) for size in sizes) for most in (listing.rows, listing.cells))
        words = _PAPER_ROW * rows + _PAPER_CELL * cells + _PAPER_CARD * cards + _PAPER_LAYER * len(sizes)
    else:
        of_unit = _BRIEF_UNIT if listing.brief else _UNIT
        words = of_unit * sum(sizes) + _CARD * cards + _LAYER * len(sizes)
    return Cost(_pictures(less.pictures, cards), words + _REST)


def _pictures(pictures: Pictures, cards: int) -> float:
    """Return about how many bytes all PNGs of a page have."""
    inputs = len(pictures.examples.images) * _values(pictures.examples.images)
    of_images = 2 * inputs + len(pictures.worst) * _values(pictures.worst)
    of_outputs = sum(
        inputs + _TILE * found.values.shape[0] * found.values.shape[-1] + _VALUE * found.values.size
        for found in outputs(pictures)
    )
    of_kernels = sum(_KERNEL * kernels.channels.size for kernels in pictures.kernels)
    of_relations = sum(found.r.size for found in pictures.correlations)
    of_relations += sum(_ANSWER * found.values.size for found in pictures.class_maps)
    of_cards = cards * _IMAGES_ON_CARD * _values(pictures.cards.images)
    return float(of_images + of_outputs + of_kernels + of_relations + of_cards)


def _values(images: Array) -> float:
    """Return how many values of an image, (N, *space, C), are shown."""
    sides = [min(side, _SIDE) for side in images.shape[1:-1]]
    return float(np.prod(sides) * min(images.shape[-1], 3))

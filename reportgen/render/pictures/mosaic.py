"""Tiles with numbers, set into rows and sheets, one palette PNG per picture: what a layer's pictures are made of.

A painted sheet is an array of palette indices: paper, the lines of hatched tiles and of frames, the panel behind a
curve, the ink of numbers by how much it covers, greys for input images, and the colours of the scale.

Paper is transparent, and ink and lines have a grey that can be read on white and on black: one picture serves a light
and a dark page. `opaque` is the picture for paper.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reportgen import scratch

Pixels = NDArray[np.uint8]
T = TypeVar("T")

PAPER, LINE, PANEL = 0, 1, 2
_INKS = 32
_FIRST_INK = 3
INK = _FIRST_INK + _INKS - 1
"""The index of ink that covers all of a pixel."""
_GREYS = 48
_FIRST_GREY = INK + 1
_FIRST_COLOUR = _FIRST_GREY + _GREYS
_FEW_COLOURS = 64
_TALLEST_BLOCK = 1.2
_COLOURS = 256 - _FIRST_COLOUR  # odd, so that a scale around zero has its exact middle
FRAME = (255, 140, 0)
"""The colour of what marks the part of an input that a unit can see."""
INK_COLOUR = (117, 117, 117)
"""The grey of numbers and curves: 4.6 times as bright as black, and white 4.6 times as bright as it (WCAG asks 4.5)."""
LINE_COLOUR, PANEL_COLOUR, CLEAR = (117, 117, 117, 131), (117, 117, 117, 26), (255, 255, 255, 0)
"""Red, green, blue and alpha of lines, panels and of where there is nothing."""
NEGATIVE, POSITIVE = (40, 115, 210), (215, 55, 45)
"""The ends of the scale around zero, which itself has no colour: it runs over the colour of the page to either."""


@dataclass(frozen=True)
class Picture:
    """A PNG and the size at which a page shows it, in its pixels.

    fine: painted twice as large as it is shown, because it is of lines, which would have steps otherwise.
    """

    png: bytes
    width: int
    height: int
    fine: bool = False


@dataclass(frozen=True)
class Grid:
    """All pictures of one layer, with the ends of the scale that they share.

    silent: how many tiles are hatched because every value in them is zero.
    """

    pictures: list[Picture]
    low: float
    high: float
    silent: int
    tiles: int


class Mosaic:
    """Sets tiles with room for numbers into rows, lines and sheets, and makes pictures of these.

    density: how many pixels of the PNG a pixel of the page has; 2 for a picture that is `fine`.
    """

    def __init__(self, density: int = 1) -> None:
        self.density = density
        self._tallest = 1.4 / density  # lines are small, so they get all of the width of a sheet of paper
        self.gap = 4 * density
        self.label_height = 14 * density
        self._note_size, self._label_size, self._large_label_size = (size * density for size in (10, 13, 18))

    def zoomed(self, tile: Pixels, down: int, right: int) -> Pixels:
        """Return a tile (h, w, ...) every value of which is `down` high and `right` wide, in pixels of the page."""
        return tile.repeat(down * self.density, axis=0).repeat(right * self.density, axis=1)

    def number(self, label: int) -> Pixels:
        """Return a number as it stands above a tile."""
        return _digits(f"{label}", self._label_size)

    def hatched(self, shape: tuple[int, ...]) -> Pixels:
        """Return the tile of a unit that says nothing."""
        down, right = np.indices(shape)
        return np.where((down + right) % (8 * self.density) < 2 * self.density, LINE, PAPER).astype(np.uint8)

    def framed(self, tiles: Pixels) -> Pixels:
        """Return tiles (..., h, w) in thin frames, which set kernels apart whose edges are about as white as paper."""
        room = [*[(0, 0)] * (tiles.ndim - 2), *[(self.density, self.density)] * 2]
        return np.pad(tiles, room, constant_values=LINE)

    def numbered(self, tile: Pixels, label: int, note: str = "") -> Pixels:
        """Return the tile with its number above it, and a note in grey at its other end."""
        digits = self.number(label)
        width = max(tile.shape[1], digits.shape[1])
        cell = np.full((self.label_height + tile.shape[0], width), PAPER, np.uint8)
        self._write(cell, digits, 0)
        if note:
            letters = _digits(note, self._note_size, 0.8)
            self._write(cell, letters, width - letters.shape[1])
        left = (width - tile.shape[1]) // 2
        cell[self.label_height :, left : left + tile.shape[1]] = tile
        return cell

    def headed(self, number: int, cells: Sequence[Pixels]) -> Pixels:
        """Return numbered cells in a line behind a larger number."""
        head_number = _digits(f"{number}", self._large_label_size)
        height = max(cells[0].shape[0], self.label_height + head_number.shape[0])
        head = np.full((height, max(24 * self.density, head_number.shape[1])), PAPER, np.uint8)
        middle = self.label_height + (height - self.label_height - head_number.shape[0]) // 2
        head[middle : middle + head_number.shape[0], : head_number.shape[1]] = head_number
        parts = [head, *cells]
        line = np.full((height, sum(part.shape[1] + self.gap for part in parts)), PAPER, np.uint8)
        left = 0
        for part in parts:
            line[: part.shape[0], left : left + part.shape[1]] = part
            left += part.shape[1] + self.gap
        return line

    def wrap(self, cells: Sequence[Pixels], columns: int) -> Pixels:
        """Return equally large cells as rows of `columns`, with gaps between and around them."""
        height = max(cell.shape[0] for cell in cells)
        width = max(cell.shape[1] for cell in cells)
        rows, gap = -(-len(cells) // columns), self.gap
        sheet = np.full((gap + rows * (height + gap), gap + columns * (width + gap)), PAPER, np.uint8)
        for n, cell in enumerate(cells):
            top, left = gap + n // columns * (height + gap), gap + n % columns * (width + gap)
            sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
        return sheet

    def blocks(self, cells: list[Pixels], columns: int) -> list[Pixels]:
        """Set equally large cells into sheets of `columns`, about as many to each, none much higher than it is wide.

        Blocks stand beside each other where there is room, and below each other where there is not.
        """
        height, width = (size + self.gap for size in cells[0].shape)
        rows = max(1, int((_TALLEST_BLOCK * (self.gap + columns * width) - self.gap) / height))
        lines = -(-len(cells) // columns)
        each = -(-lines // -(-lines // rows)) * columns
        return [self.wrap(part, columns) for part in chunks(cells, each)]

    def beside_inputs(self, blocks: Sequence[Pixels], inputs: Sequence[Pixels]) -> list[Picture]:
        """Return pictures of lines, in each an example's block of tiles on the right and its input on the left.

        inputs: as they are shown, each (h, w, 1) grey, (h, w, 3) or (h, w, 4) in colour, or (h, w) of indices. All
        blocks and inputs are equally large.
        """
        lines = [(self._line(block, shown), shown) for block, shown in zip(blocks, inputs, strict=True)]
        height, width = lines[0][0].shape
        most = max(1, int(self._tallest * width / height))
        return [self._stacked(group) for group in chunks(lines, -(-len(lines) // -(-len(lines) // most)))]

    def picture(self, indices: Pixels, palette: Pixels) -> Picture:
        """Return a sheet of palette indices as a picture. palette: (N, 4), or (N, 3) where all is opaque.

        A picture with few of its colours has no others with it, which are more bytes than all else in a small one.
        """
        used = np.flatnonzero(np.bincount(indices.ravel(), minlength=len(palette)))
        if len(used) <= _FEW_COLOURS:
            places = np.zeros(len(palette), np.uint8)
            places[used] = np.arange(len(used))
            indices, palette = places[indices], palette[used]
        painted = Image.frombytes("P", (indices.shape[1], indices.shape[0]), indices.tobytes())
        painted.putpalette(palette[:, :3].tobytes())
        if palette.shape[1] == 3:
            return self.encoded(painted)
        return self.encoded(painted, transparency=palette[:, 3].tobytes().rstrip(b"\xff"))

    def encoded(self, painted: Image.Image, **how: bytes) -> Picture:
        """Return an image as a PNG. how: what Pillow is to write besides."""
        buffer = io.BytesIO()
        painted.save(buffer, "PNG", compress_level=6, **how)
        width, height = (size // self.density for size in painted.size)
        return Picture(buffer.getvalue(), width, height, self.density > 1)

    def _write(self, cell: Pixels, letters: Pixels, left: int) -> None:
        top = self.label_height - letters.shape[0] - 2 * self.density
        cell[top : top + letters.shape[0], left : left + letters.shape[1]] = letters

    def _line(self, block: Pixels, shown: Pixels) -> Pixels:
        """Return an example's line, its tiles on the right and room for the input on the left."""
        left = shown.shape[1] + 4 * self.gap
        height = max(block.shape[0], shown.shape[0] + self.label_height + self.gap) + 2 * self.gap
        line = np.full((height, left + block.shape[1]), PAPER, np.uint8)
        line[: block.shape[0], left:] = block
        line[-self.density :] = LINE
        return line

    def _stacked(self, group: Sequence[tuple[Pixels, Pixels]]) -> Picture:
        """Paint one picture of lines with a rule between them, inputs in grey or in colour."""
        sheet = np.vstack([line for line, _ in group])
        sheet[-self.density :] = PAPER
        height, left = group[0][0].shape[0], self.gap
        places = [(n * height + self.gap + self.label_height, shown) for n, (_, shown) in enumerate(group)]
        if group[0][1].ndim == 3 and group[0][1].shape[2] > 1:
            coloured = sequential()[sheet]
            for top, shown in places:
                inner = coloured[top : top + shown.shape[0], left : left + shown.shape[1]]
                inner[..., 3] = 255
                inner[..., : shown.shape[2]] = shown
            return self.encoded(Image.fromarray(coloured))
        for top, shown in places:
            shades = greys(shown[..., 0]) if shown.ndim == 3 else shown
            sheet[top : top + shades.shape[0], left : left + shades.shape[1]] = shades
        return self.picture(sheet, sequential())


def levels(values: NDArray[np.float32], low: float, high: float) -> Pixels:
    """Return palette indices for values on a scale from low to high; the middle of the scale is its middle colour."""
    span = high - low
    scaled = (values - low) / span if span > 0 else np.full_like(values, 0.5)
    return (np.round(scaled * (_COLOURS - 1)) + _FIRST_COLOUR).astype(np.uint8)


def colour(share: float) -> int:
    """Return the palette index of the colour at a share, from 0 to 1, of the way from the scale's first to its last."""
    return _FIRST_COLOUR + round(share * (_COLOURS - 1))


def greys(values: Pixels) -> Pixels:
    """Return palette indices for greys from 0 to 255."""
    shades: Pixels = (_FIRST_GREY + np.round(values / 255 * (_GREYS - 1))).astype(np.uint8)
    return shades


@cache
def sequential() -> Pixels:
    """Return the palette (256, 4) of layers' outputs."""
    with scratch.no_matplotlib_home():
        import matplotlib

    scale = matplotlib.colormaps["viridis"](np.linspace(0, 1, _COLOURS))
    return _palette(np.round(scale * 255))


@cache
def diverging() -> Pixels:
    """Return the palette (256, 4) of what lies around zero, at which it is transparent."""
    way = np.linspace(-1, 1, _COLOURS)[:, np.newaxis]
    return _palette(np.hstack([np.where(way < 0, NEGATIVE, POSITIVE), np.round(255 * np.abs(way))]))


def opaque(png: bytes) -> bytes:
    """Return a PNG as it looks on white, the same bytes where nothing in it is transparent.

    A PDF keeps it as it is then: transparency would be a second picture beside each (see `pdf.stored_png`).
    """
    painted = Image.open(io.BytesIO(png))
    if painted.mode == "RGBA":
        white = Image.new("RGBA", painted.size, "white")
        return Mosaic().encoded(Image.alpha_composite(white, painted).convert("RGB")).png
    if "transparency" not in painted.info:
        return png
    painted.apply_transparency()
    colours = np.array(painted.getpalette("RGBA"), np.float64).reshape(-1, 4)
    alpha = colours[:, 3:] / 255
    mixed = np.round(colours[:, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return Mosaic().picture(np.asarray(painted), mixed).png


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Return the items in lists of `size`, the last one shorter."""
    return [items[n : n + size] for n in range(0, len(items), size)]


def _palette(scale: NDArray[np.float64]) -> Pixels:
    """Return the 256 colours (256, 4) of a picture on a scale of _COLOURS, red, green, blue and alpha from 0 to 255."""
    cover = np.linspace(0, 255, _INKS + 1)[1:, np.newaxis]
    inks = np.hstack([np.tile(INK_COLOUR, (_INKS, 1)), cover])
    shades = np.hstack([np.linspace(0, 255, _GREYS)[:, np.newaxis].repeat(3, axis=1), np.full((_GREYS, 1), 255)])
    return np.round(np.vstack([CLEAR, LINE_COLOUR, PANEL_COLOUR, inks, shades, scale])).astype(np.uint8)


@cache
def _digits(written: str, size: int, strength: float = 1.0) -> Pixels:
    """Return a number in the font that Pillow carries, so that it looks the same on every machine.

    strength: how much of a pixel its ink covers where it covers all of it.
    """
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(written))
    drawn = Image.new("L", (right - left, bottom - top), 0)
    ImageDraw.Draw(drawn).text((-left, -top), written, fill=255, font=font)
    cover = np.round(np.asarray(drawn) / 255 * strength * _INKS)
    return np.where(cover > 0, _FIRST_INK - 1 + cover, PAPER).astype(np.uint8)

"""Layers' outputs and kernels as grids of numbered tiles, one palette PNG per picture, tiled in numpy.

A painted grid is an array of palette indices. Index 0 is paper, 1 the lines of hatched tiles and of frames; greys
(for input images and numbers) and the colours of the scale share the rest.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reportgen.record import Kernels, Maps, Strips

Pixels = NDArray[np.uint8]

PAPER, LINE = 0, 1
_GREYS = 49
_FIRST_GREY = 2
_FIRST_COLOUR = _FIRST_GREY + _GREYS
_COLOURS = 256 - _FIRST_COLOUR  # odd, so that a scale around zero has its exact middle
_GAP = 4
_TILE = 48
_TALLEST = 1.4
_LABEL_SIZE, _LARGE_LABEL_SIZE = 13, 18
_STRIP_COLUMNS = 16

_LABEL_HEIGHT = 14
_MAP_ROWS, _MAP_CELL = 32, (14, 22)
_WIDEST = 860
_FRAME = (255, 140, 0)
_SHADES = 63


@dataclass(frozen=True)
class Picture:
    """A PNG and its size in pixels."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """All pictures of one layer, with the ends of the colour scale that they share.

    silent: how many tiles are hatched because every value in them is zero.
    """

    pictures: list[Picture]
    low: float
    high: float
    silent: int
    tiles: int


def maps_grid(maps: Maps, inputs: NDArray[np.generic]) -> Grid:
    """Paint each example's input beside the layer's outputs for it.

    inputs: (E, H, W, C) as stored. The colour scale runs from the lowest to the highest value in the layer.
    """
    return _outputs_grid(maps.values, inputs, columns=8 if maps.values.shape[-1] <= 16 else 16)


def strips_grid(strips: Strips, inputs: NDArray[np.generic]) -> Grid:
    """Paint each example's input beside one flat tile for each neuron's output."""
    values = strips.values[:, np.newaxis, np.newaxis, :]
    columns = min(_STRIP_COLUMNS, values.shape[-1])
    return _outputs_grid(values, inputs, columns=columns, zoom=(20, 32))


def kernels_grid(kernels: Kernels) -> Grid:
    """Paint every unit's weights on a scale around zero.

    A layer with one input channel has a tile a unit, numbered by unit. Otherwise a unit has a line of tiles,
    one for each input channel, numbered by channel, behind its own larger number.
    """
    limit = kernels.largest
    levels = _levels(kernels.weights, -limit, limit)
    if kernels.inputs == 1:
        cells = [_numbered(_framed(_zoom(tile[0])), u) for u, tile in enumerate(levels)]
        columns = 8
    else:
        cells = [_kernel_line(u, tiles, kernels.channels[u]) for u, tiles in enumerate(levels)]
        columns = 2
    pictures = [_png(_wrap(part, columns), _diverging()) for part in _pages(cells, columns)]
    return Grid(pictures, -limit, limit, 0, levels.shape[0] * levels.shape[1])


def unit_kernel(weights: NDArray[np.float32], limit: float) -> Picture:
    """Paint one unit's weights, (C, kh, kw), a tile a channel, on the scale from -limit to limit of its layer."""
    cells = [_framed(_zoom(tile)) for tile in _levels(weights, -limit, limit)]
    return _png(_wrap(cells, len(cells)), _diverging())


def colour_kernels(kernels: Kernels) -> Picture:
    """Paint a first layer's kernels as small colour pictures: grey is zero, full brightness the largest weight."""
    limit = kernels.largest or 1.0
    rgb = np.round((kernels.weights / limit + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    zoom = _factor(rgb.shape[2])
    big = rgb.repeat(zoom, axis=1).repeat(zoom, axis=2)
    cells = [_numbered(np.full(tile.shape[:2], PAPER, np.uint8), u) for u, tile in enumerate(big)]
    sheet = _diverging()[_wrap(cells, 8)]
    height, width = cells[0].shape
    for u, tile in enumerate(big):
        top, left = _GAP + u // 8 * (height + _GAP), _GAP + u % 8 * (width + _GAP)
        inner = (width - tile.shape[1]) // 2
        sheet[top + _LABEL_HEIGHT : top + height, left + inner : left + inner + tile.shape[1]] = tile
    return _encode(Image.fromarray(sheet))


def correlations(r: NDArray[np.float32], order: NDArray[np.integer]) -> Grid:
    """Paint a matrix of correlations from -1 to 1, zero in the middle of the scale, with the numbers of its units.

    r: (V, V); order: (V,) the units of its rows and columns. Many units get small cells without numbers.
    """
    levels = _levels(r, -1, 1)
    side = next((side for side, most in ((16, 40), (8, 64), (4, 128)) if len(order) <= most), 2)
    sheet = levels.repeat(side, axis=0).repeat(side, axis=1)
    if side == 16:
        sheet = _with_numbers(sheet, [_digits(int(unit), _LABEL_SIZE) for unit in order], side)
    return Grid([_png(sheet, _diverging())], -1.0, 1.0, 0, levels.size)


def class_map(values: NDArray[np.float32]) -> Grid:
    """Paint what units answer to classes, a row a unit and a column a class, each row from zero to its own strongest.

    values: (K, V) mean responses, NaN where a class has no images: such a cell stays white.
    """
    of_units = values.T
    largest = np.nan_to_num(np.abs(of_units)).max(axis=1, keepdims=True)
    shares = np.divide(np.nan_to_num(of_units), largest, out=np.zeros_like(of_units), where=largest > 0)
    levels = np.where(np.isnan(of_units), PAPER, _levels(np.clip(shares, 0, 1), 0, 1)).astype(np.uint8)
    columns = [_digits(k, _LABEL_SIZE) for k in range(len(values))]
    blocks = []
    for first in range(0, len(levels), _MAP_ROWS):
        cells = levels[first : first + _MAP_ROWS].repeat(_MAP_CELL[0], axis=0).repeat(_MAP_CELL[1], axis=1)
        rows = [_digits(unit, _LABEL_SIZE) for unit in range(first, min(first + _MAP_ROWS, len(levels)))]
        blocks.append(_with_numbers(cells, rows, _MAP_CELL[0], columns, _MAP_CELL[1]))
    beside = max(1, _WIDEST // (blocks[0].shape[1] + _GAP))
    pictures = [_png(_wrap(part, min(beside, len(part))), _sequential()) for part in _chunks(blocks, beside)]
    return Grid(pictures, 0.0, 1.0, 0, levels.size)


def framed_images(shown: Sequence[tuple[NDArray[np.generic], list[int] | None]]) -> Picture:
    """Paint images (H, W, C) side by side, in each a frame around [top, left, bottom, right] if there is one.

    In 64 colours: of grey images 63 greys and that of the frames, of others those that Pillow finds.
    """
    painted = []
    for stored, patch in shown:
        pixels = _bytes(stored[np.newaxis])[0]
        step, factor = _enlargement(max(pixels.shape[:2]))
        grey, kept = pixels.shape[2] == 1, pixels[::step, ::step]
        if grey:
            kept = np.round(kept / 255 * (_SHADES - 1)).astype(np.uint8)
        big = kept.repeat(factor, axis=0).repeat(factor, axis=1)
        if patch is not None:
            _frame(big, [edge * factor // step for edge in patch], _SHADES if grey else _FRAME)
        painted.append(np.pad(big, ((0, 0), (0, _GAP), (0, 0)), constant_values=_SHADES - 1 if grey else 255))
    sheet = np.hstack(painted)[:, :-_GAP]
    if sheet.shape[2] == 1:
        return _png(sheet[..., 0], _framed_greys())
    return _encode(Image.fromarray(sheet).quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))


def image(stored: NDArray[np.generic]) -> Picture:
    """Return one image (H, W, C) as a PNG of its own size, from its darkest to its brightest value."""
    pixels = _bytes(stored[np.newaxis])[0]
    return _encode(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def icon() -> Picture:
    """Paint the mark of a report, for the tab of a browser: the outputs of nine units."""
    outputs = np.array([[0.1, 0.5, 0.9], [0.3, 0.95, 0.4], [0.8, 0.2, 0.6]], np.float32)
    tiles = [_zoom(tile, (9, 9)) for tile in _levels(outputs, 0, 1).reshape(9, 1, 1)]
    return _png(_wrap(tiles, 3), _sequential())


def _outputs_grid(
    values: NDArray[np.float32], inputs: NDArray[np.generic], *, columns: int, zoom: tuple[int, int] | None = None
) -> Grid:
    low, high = float(min(values.min(), 0)), float(values.max())
    levels = _levels(values, low, high)
    silent: NDArray[np.bool_] = ~np.any(values, axis=(1, 2))
    pictures_in = _bytes(inputs)
    lines = []
    for e in range(len(values)):
        cells = []
        for u in range(values.shape[-1]):
            tile = _zoom(levels[e, :, :, u], zoom)
            cells.append(_numbered(_hatched(tile.shape) if silent[e, u] else tile, u))
        lines.append(_line(_wrap(cells, columns), pictures_in[e]))
    pictures = [_stack(group) for group in _groups(lines)]
    return Grid(pictures, low, high, int(silent.sum()), silent.size)


def _levels(values: NDArray[np.float32], low: float, high: float) -> Pixels:
    """Return palette indices for values on a scale from low to high; the middle of the scale is its middle colour."""
    span = high - low
    scaled = (values - low) / span if span > 0 else np.full_like(values, 0.5)
    return (np.round(scaled * (_COLOURS - 1)) + _FIRST_COLOUR).astype(np.uint8)


def _factor(width: int) -> int:
    return max(1, round(_TILE / width))


def _zoom(tile: Pixels, zoom: tuple[int, int] | None = None) -> Pixels:
    """Repeat pixels, so that tiles come out about equally large and digits fit above them."""
    down, right = zoom or (_factor(tile.shape[1]),) * 2
    return tile.repeat(down, axis=0).repeat(right, axis=1)


def _hatched(shape: tuple[int, ...]) -> Pixels:
    down, right = np.indices(shape)
    return np.where((down + right) % 8 < 2, LINE, PAPER).astype(np.uint8)


def _framed(tile: Pixels) -> Pixels:
    """Return the tile in a thin frame, which sets kernels apart whose edges are about as white as paper."""
    return np.pad(tile, 1, constant_values=LINE)


def _numbered(tile: Pixels, label: int) -> Pixels:
    """Return the tile with its number above it."""
    digits = _digits(label, _LABEL_SIZE)
    width = max(tile.shape[1], digits.shape[1])
    cell = np.full((_LABEL_HEIGHT + tile.shape[0], width), PAPER, np.uint8)
    top = _LABEL_HEIGHT - digits.shape[0] - 2
    cell[top : top + digits.shape[0], : digits.shape[1]] = digits
    left = (width - tile.shape[1]) // 2
    cell[_LABEL_HEIGHT:, left : left + tile.shape[1]] = tile
    return cell


@cache
def _digits(label: int, size: int) -> Pixels:
    """Return a number in the font that Pillow carries, so that it looks the same on every machine."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(str(label)))
    drawn = Image.new("L", (right - left, bottom - top), 255)
    ImageDraw.Draw(drawn).text((-left, -top), str(label), fill=0, font=font)
    return _greys(np.asarray(drawn))


def _greys(values: Pixels) -> Pixels:
    """Return palette indices for greys from 0 to 255."""
    shades: Pixels = (_FIRST_GREY + np.round(values / 255 * (_GREYS - 1))).astype(np.uint8)
    return shades


def _kernel_line(unit: int, tiles: Pixels, channels: NDArray[np.integer]) -> Pixels:
    """Return one unit's number and its tiles in a line."""
    zoom = (max(1, round(30 / tiles.shape[2])),) * 2
    cells = [_numbered(_framed(_zoom(tile, zoom)), int(channel)) for tile, channel in zip(tiles, channels, strict=True)]
    number = _digits(unit, _LARGE_LABEL_SIZE)
    height = max(cells[0].shape[0], _LABEL_HEIGHT + number.shape[0])
    head = np.full((height, max(30, number.shape[1])), PAPER, np.uint8)
    middle = _LABEL_HEIGHT + (height - _LABEL_HEIGHT - number.shape[0]) // 2
    head[middle : middle + number.shape[0], : number.shape[1]] = number
    gap = np.full((height, _GAP), PAPER, np.uint8)
    below = ((0, height - cells[0].shape[0]), (0, 0))
    tall = [np.pad(cell, below, constant_values=PAPER) for cell in cells]
    return np.hstack([part for cell in [head, *tall] for part in (cell, gap)] + [gap] * 3)


def _with_numbers(
    sheet: Pixels, rows: list[Pixels], height: int, columns: list[Pixels] | None = None, width: int | None = None
) -> Pixels:
    """Return a sheet of cells with a number before each row and above each column, by default the same ones."""
    columns, width = rows if columns is None else columns, width or height
    left = max(number.shape[1] for number in rows) + _GAP
    made = np.full((_LABEL_HEIGHT + sheet.shape[0], left + sheet.shape[1]), PAPER, np.uint8)
    made[_LABEL_HEIGHT:, left:] = sheet
    for n, number in enumerate(rows):
        top = _LABEL_HEIGHT + n * height + (height - number.shape[0]) // 2
        made[top : top + number.shape[0], left - _GAP - number.shape[1] : left - _GAP] = number
    for n, number in enumerate(columns):
        if number.shape[1] <= width:  # no number is better than half of one
            start = left + n * width + (width - number.shape[1]) // 2
            made[1 : 1 + number.shape[0], start : start + number.shape[1]] = number
    return made


def _frame(picture: Pixels, edges: list[int], colour: int | tuple[int, int, int]) -> None:
    """Draw a frame just outside of a patch, so that nothing of it is hidden, as far as the picture goes."""
    top, left, bottom, right = edges
    kept = picture[top:bottom, left:right].copy()
    picture[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = colour
    picture[top:bottom, left:right] = kept


def _enlargement(longest: int) -> tuple[int, int]:
    """Return which pixels of an input to keep, every n-th, and how often to repeat them.

    An input is shown about half as large again as a tile.
    """
    return -(-longest // (2 * _TILE)), max(1, round(1.5 * _TILE / longest))


def _chunks(items: list[Pixels], size: int) -> list[list[Pixels]]:
    return [items[n : n + size] for n in range(0, len(items), size)]


def _wrap(cells: Sequence[Pixels], columns: int) -> Pixels:
    """Return equally large cells as rows of `columns`, with gaps between and around them."""
    height = max(cell.shape[0] for cell in cells)
    width = max(cell.shape[1] for cell in cells)
    rows = -(-len(cells) // columns)
    sheet = np.full((_GAP + rows * (height + _GAP), _GAP + columns * (width + _GAP)), PAPER, np.uint8)
    for n, cell in enumerate(cells):
        top, left = _GAP + n // columns * (height + _GAP), _GAP + n % columns * (width + _GAP)
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _line(block: Pixels, picture: Pixels) -> tuple[Pixels, Pixels]:
    """Return an example's line, its tiles on the right and room for the input on the left, and that input enlarged."""
    step, factor = _enlargement(max(picture.shape[:2]))
    big = picture[::step, ::step].repeat(factor, axis=0).repeat(factor, axis=1)
    left = big.shape[1] + 4 * _GAP
    height = max(block.shape[0], big.shape[0] + _LABEL_HEIGHT + _GAP) + 2 * _GAP
    line = np.full((height, left + block.shape[1]), PAPER, np.uint8)
    line[: block.shape[0], left:] = block
    line[-1] = LINE
    return line, big


def _groups(lines: list[tuple[Pixels, Pixels]]) -> list[list[tuple[Pixels, Pixels]]]:
    """Split equally large lines so that each group's picture fits on a sheet of paper."""
    height, width = lines[0][0].shape
    most = max(1, int(_TALLEST * width / height))
    size = -(-len(lines) // -(-len(lines) // most))
    return [lines[n : n + size] for n in range(0, len(lines), size)]


def _stack(group: list[tuple[Pixels, Pixels]]) -> Picture:
    """Paint one picture of lines with a rule between them, inputs in grey or in colour."""
    sheet = np.vstack([line for line, _ in group])
    sheet[-1] = PAPER
    height = group[0][0].shape[0]
    places = [(n * height + _GAP + _LABEL_HEIGHT, picture) for n, (_, picture) in enumerate(group)]
    if group[0][1].shape[2] == 3:
        coloured = _sequential()[sheet]
        for y, picture in places:
            coloured[y : y + picture.shape[0], _GAP : _GAP + picture.shape[1]] = picture
        return _encode(Image.fromarray(coloured))
    for y, picture in places:
        shades = _greys(picture[..., 0])
        sheet[y : y + shades.shape[0], _GAP : _GAP + shades.shape[1]] = shades
    return _png(sheet, _sequential())


def _pages(cells: list[Pixels], columns: int) -> list[list[Pixels]]:
    """Split equally large kernels so that each picture fits on a sheet of paper."""
    height, width = (size + _GAP for size in cells[0].shape)
    rows = max(1, int((_TALLEST * (_GAP + columns * width) - _GAP) / height))
    size = rows * columns
    return [cells[n : n + size] for n in range(0, len(cells), size)]


def _bytes(images: NDArray[np.generic]) -> Pixels:
    """Return stored images (N, H, W, C) as uint8 with 1 or 3 channels, brightest value of all 255.

    Images of 2 or of 4 and more channels show their first one.
    """
    channels = images if images.shape[-1] in (1, 3) else images[..., :1]
    if channels.dtype == np.uint8:
        return np.asarray(channels, np.uint8)
    values = channels.astype(np.float64)
    low, high = min(values.min(), 0.0), values.max()
    levels: Pixels = np.round((values - low) / (high - low or 1.0) * 255).astype(np.uint8)
    return levels


@cache
def _framed_greys() -> Pixels:
    """Return the palette of framed grey images: the greys from black to white, and behind them the frame's colour."""
    greys = np.repeat(np.round(np.linspace(0, 255, _SHADES))[:, np.newaxis], 3, axis=1)
    return np.vstack([greys, _FRAME]).astype(np.uint8)


@cache
def _sequential() -> Pixels:
    return _palette("viridis")


@cache
def _diverging() -> Pixels:
    return _palette("RdBu_r")


def _palette(colormap: str) -> Pixels:
    """Return the 256 colours (256, 3) of a picture on matplotlib's `colormap`."""
    import matplotlib

    scale = matplotlib.colormaps[colormap](np.linspace(0, 1, _COLOURS))[:, :3]
    greys = np.repeat(np.linspace(0, 1, _GREYS)[:, np.newaxis], 3, axis=1)
    fixed = np.array([[1, 1, 1], [0.72, 0.72, 0.72]])
    return np.round(np.vstack([fixed, greys, scale]) * 255).astype(np.uint8)


def _png(indices: Pixels, palette: Pixels) -> Picture:
    picture = Image.frombytes("P", (indices.shape[1], indices.shape[0]), indices.tobytes())
    picture.putpalette(palette.tobytes())
    return _encode(picture)


def _encode(picture: Image.Image) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return Picture(buffer.getvalue(), picture.width, picture.height)

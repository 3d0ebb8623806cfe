"""Layers' outputs, kernels and relations between units as grids of numbered tiles, tiled in numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reportgen.record.pictures import Kernels, Maps, Strips
from reportgen.render.pictures import input_images, series, volumes
from reportgen.render.pictures.input_images import PICTURE, SERIES, VOLUME, Extent, density, kind
from reportgen.render.pictures.mosaic import PAPER, Grid, Mosaic, Picture, Pixels, diverging, levels, sequential

_TILE = 48
AREA = (88, 30)
"""Width and height of a tile of outputs along one axis, in pixels of a page."""
_BARS, _BARS_OF_MANY = (48, 34), (32, 26)
_SIDES = {(PICTURE, True): _TILE, (PICTURE, False): 30, (VOLUME, True): 24, (VOLUME, False): 18}
"""About how wide a kernel, or a plane of one, is in pixels of a page, by the kind and whether there is room."""
_STRIP_COLUMNS = 16
_MAP_ROWS, _MAP_CELL = 32, (14, 22)
_NARROWEST_CELL = 2
_BLOCK, _WIDEST, _ROW = 320, 640, 920
"""Widest block, which a telephone can show; widest picture of classes; widest row of tiles beside an input."""
_EVERY = (2, 5, 10, 20, 50, 100, 200, 500)
_COARSE = Mosaic()


def maps_grid(maps: Maps, inputs: NDArray[np.generic], scale: Extent | None = None) -> Grid:
    """Paint each example's input beside the layer's outputs for it.

    inputs: (E, *space, C) as stored. scale: of inputs that are series, by default their own. The outputs' scale runs
    from the lowest to the highest value in the layer. Outputs (L,) are areas over a line of zero; of outputs
    (D, H, W) the plane with the largest value is shown, its number at the right above it.
    """
    values, space = maps.values, kind(maps.values)
    mosaic = Mosaic(max(density(space), density(kind(inputs))))
    low, high, notes = float(min(values.min(), 0)), float(values.max()), None
    if space == SERIES:
        high = max(high, 0.0)
        width, height = (side * mosaic.density for side in AREA)
        painted = series.areas(np.moveaxis(values, -1, 1), low, high, width=width, height=height)
    else:
        if space == VOLUME:
            values, numbers = volumes.strongest(values)
            notes = numbers * maps.step
        painted = _zoomed(levels(np.moveaxis(values, -1, 1), low, high), mosaic)
    beside = input_images.beside(inputs, mosaic, scale)
    columns = 8 if values.shape[-1] <= 16 else 16
    columns = min(columns, _fitting(painted.shape[-1] + mosaic.gap, beside[0].shape[1], mosaic), values.shape[-1])
    return _outputs_grid(maps.values, painted, beside, mosaic, low, high, columns, notes)


def strips_grid(strips: Strips, inputs: NDArray[np.generic], scale: Extent | None = None) -> Grid:
    """Paint each example's input, (E, *space, C), beside one flat tile for each neuron's output."""
    values = strips.values
    mosaic = Mosaic(density(kind(inputs)))
    low, high = float(min(values.min(), 0)), float(values.max())
    painted = _zoomed(levels(values[..., np.newaxis, np.newaxis], low, high), mosaic, (20, 32))
    beside = input_images.beside(inputs, mosaic, scale)
    return _outputs_grid(values, painted, beside, mosaic, low, high, min(_STRIP_COLUMNS, values.shape[-1]))


def kernels_grid(kernels: Kernels) -> Grid:
    """Paint every unit's weights on a scale around zero.

    A layer with one input channel has a tile a unit, numbered by unit. Otherwise a unit has a line of tiles,
    one for each input channel, numbered by channel, behind its own larger number. Weights (k,) are bars; of weights
    (kd, kh, kw) a tile has the planes side by side.
    """
    limit, one = kernels.largest, kernels.inputs == 1
    mosaic = Mosaic(density(kind(kernels.weights)))
    painted = _kernel_tiles(kernels.weights, limit, mosaic, large=one)
    if one:
        cells = [mosaic.numbered(tiles[0], u) for u, tiles in enumerate(painted)]
    else:
        of_units = zip(painted, kernels.channels.tolist(), strict=True)
        lines = [list(map(mosaic.numbered, tiles, channels)) for tiles, channels in of_units]
        cells = [mosaic.headed(u, line) for u, line in enumerate(lines)]
    columns = max(1, _BLOCK * mosaic.density // (cells[0].shape[1] + mosaic.gap))
    pictures = [mosaic.picture(block, diverging()) for block in mosaic.blocks(cells, columns)]
    return Grid(pictures, -limit, limit, 0, painted.shape[0] * painted.shape[1])


def unit_kernel(weights: NDArray[np.float32], limit: float) -> Picture:
    """Paint one unit's weights, (C, *space), a tile a channel, on the scale from -limit to limit of its layer."""
    space = weights.ndim - 1
    mosaic = Mosaic(density(space))
    cells = list(_kernel_tiles(weights[np.newaxis], limit, mosaic, large=space == PICTURE or len(weights) == 1)[0])
    return mosaic.picture(mosaic.wrap(cells, 1 if space == VOLUME else len(cells)), diverging())


def colour_kernels(kernels: Kernels) -> Picture:
    """Paint a first layer's kernels as small colour pictures: grey is zero, full brightness the largest weight."""
    limit = kernels.largest or 1.0
    rgb = np.round((kernels.weights / limit + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    zoom = _factor(rgb.shape[2])
    big = rgb.repeat(zoom, axis=1).repeat(zoom, axis=2)
    mosaic = _COARSE
    cells = [mosaic.numbered(np.full(tile.shape[:2], PAPER, np.uint8), u) for u, tile in enumerate(big)]
    height, width = cells[0].shape
    columns = max(1, _BLOCK // (width + mosaic.gap))
    sheet = diverging()[mosaic.wrap(cells, columns)]
    for u, tile in enumerate(big):
        row, column = divmod(u, columns)
        top, left = (mosaic.gap + at * (size + mosaic.gap) for at, size in ((row, height), (column, width)))
        inner = (width - tile.shape[1]) // 2
        place = sheet[top + mosaic.label_height : top + height, left + inner : left + inner + tile.shape[1]]
        place[..., :3], place[..., 3] = tile, 255
    return mosaic.encoded(Image.fromarray(sheet))


def correlations(r: NDArray[np.float32], order: NDArray[np.integer]) -> Grid:
    """Paint a matrix of correlations from -1 to 1, zero in the middle of the scale, with the numbers of its units.

    r: (V, V); order: (V,) the units of its rows and columns. Many units get small cells without numbers.
    """
    cells = levels(r, -1, 1)
    side = next((side for side, most in ((16, 40), (8, 64), (4, 128)) if len(order) <= most), 2)
    sheet = cells.repeat(side, axis=0).repeat(side, axis=1)
    if side == 16:
        numbers = [int(unit) for unit in order]
        sheet = _with_numbers(sheet, numbers, numbers, (side, side))
    return Grid([_COARSE.picture(sheet, diverging())], -1.0, 1.0, 0, cells.size)


def class_map(values: NDArray[np.float32]) -> Grid:
    """Paint what units answer to classes, a row a unit and a column a class, each row from zero to its own strongest.

    values: (K, V) mean responses, NaN where a class has no images: such a cell stays white.
    """
    of_units = values.T
    largest = np.nan_to_num(np.abs(of_units)).max(axis=1, keepdims=True)
    shares = np.divide(np.nan_to_num(of_units), largest, out=np.zeros_like(of_units), where=largest > 0)
    answers = np.where(np.isnan(of_units), PAPER, levels(np.clip(shares, 0, 1), 0, 1)).astype(np.uint8)
    sheets = _blocks(answers, range(len(of_units)), range(len(values)))
    return Grid([_COARSE.picture(sheet, sequential()) for sheet in sheets], 0.0, 1.0, 0, answers.size)


def effects(
    changes: NDArray[np.float32], certain: NDArray[np.bool_], units: Sequence[int], classes: Sequence[int]
) -> Grid:
    """Paint what becomes of classes without units, a row a unit and a column a class, zero in the middle of the scale.

    changes: (V, K) of recall; certain: (V, K) where chance does not explain them: other changes are hatched. units,
    classes: the numbers of rows and columns.
    """
    limit = float(np.abs(changes).max()) or 1.0
    doubtful = ~certain & (changes != 0)
    sheets = _blocks(levels(changes, -limit, limit), units, classes, doubtful)
    pictures = [_COARSE.picture(sheet, diverging()) for sheet in sheets]
    return Grid(pictures, -limit, limit, int(doubtful.sum()), changes.size)


def icon() -> Picture:
    """Paint the mark of a report, for the tab of a browser: the outputs of nine units."""
    outputs = np.array([[0.1, 0.5, 0.9], [0.3, 0.95, 0.4], [0.8, 0.2, 0.6]], np.float32)
    tiles = list(_zoomed(levels(outputs, 0, 1).reshape(9, 1, 1), _COARSE, (9, 9)))
    return _COARSE.picture(_COARSE.wrap(tiles, 3), sequential())


def _outputs_grid(
    values: NDArray[np.float32],
    painted: Pixels,
    inputs: Sequence[Pixels],
    mosaic: Mosaic,
    low: float,
    high: float,
    columns: int,
    notes: NDArray[np.integer] | None = None,
) -> Grid:
    """Set tiles beside inputs. values: (E, *space, U); painted: (E, U, h, w); notes: (E, U), numbers above tiles."""
    silent: NDArray[np.bool_] = ~np.any(values, axis=tuple(range(1, values.ndim - 1)))
    hatched, blocks = mosaic.hatched(painted.shape[2:]), []
    for e, tiles in enumerate(painted):
        cells = [
            mosaic.numbered(hatched, u)
            if silent[e, u]
            else mosaic.numbered(tile, u, "" if notes is None else f"{notes[e, u]}")
            for u, tile in enumerate(tiles)
        ]
        blocks.append(mosaic.wrap(cells, columns))
    return Grid(mosaic.beside_inputs(blocks, inputs), low, high, int(silent.sum()), silent.size)


def _fitting(each: int, left: int, mosaic: Mosaic) -> int:
    """Return how many tiles, `each` pixels wide with its gap, go into a row beside an input on a wide page."""
    room = _ROW * mosaic.density - left - 4 * mosaic.gap
    return next((columns for columns in (16, 12, 10, 8, 6, 4) if columns * each <= room), 2)


def _kernel_tiles(weights: NDArray[np.float32], limit: float, mosaic: Mosaic, *, large: bool) -> Pixels:
    """Paint kernels (U, C, *space), each in a thin frame: (U, C, h, w). large: there is room for large ones."""
    if kind(weights) == SERIES:
        width, height = (side * mosaic.density for side in (_BARS if large else _BARS_OF_MANY))
        return mosaic.framed(series.bars(weights, limit, width=width, height=height))
    zoom = _factor(weights.shape[-1], _SIDES[kind(weights), large])
    tiles = mosaic.framed(_zoomed(levels(weights, -limit, limit), mosaic, (zoom, zoom)))
    if kind(weights) == PICTURE:
        return tiles
    return volumes.side_by_side(tiles, mosaic.density, PAPER)


def _factor(width: int, side: int = _TILE) -> int:
    return max(1, round(side / width))


def _zoomed(tiles: Pixels, mosaic: Mosaic, zoom: tuple[int, int] | None = None) -> Pixels:
    """Repeat the pixels of tiles (..., h, w), so that they come out about equally large and digits fit above them."""
    down, right = zoom or (_factor(tiles.shape[-1]),) * 2
    return tiles.repeat(down * mosaic.density, axis=-2).repeat(right * mosaic.density, axis=-1)


def _blocks(
    cells: Pixels, units: Sequence[int], classes: Sequence[int], hatched: NDArray[np.bool_] | None = None
) -> list[Pixels]:
    """Return units x classes, (V, K), as sheets of some units each, every one with the numbers of rows and columns.

    The more classes, the narrower each column; of more than go into a sheet the others are in the next ones. hatched:
    (V, K) cells to draw so.
    """
    height = _MAP_CELL[0]
    width = min(max(_NARROWEST_CELL, _WIDEST // len(classes)), _MAP_CELL[1])
    painted = cells.repeat(height, axis=0).repeat(width, axis=1)
    if hatched is not None:
        down, right = np.indices(painted.shape)
        lines = hatched.repeat(height, axis=0).repeat(width, axis=1) & ((down + right) % 7 < 2)
        painted = np.where(lines, PAPER, painted).astype(np.uint8)
    rows, columns = (np.array([*numbers]) for numbers in (units, classes))
    each = _WIDEST // width
    return [
        _with_numbers(
            painted[top * height : (top + _MAP_ROWS) * height, left * width : (left + each) * width],
            rows[top : top + _MAP_ROWS].tolist(),
            columns[left : left + each].tolist(),
            (height, width),
        )
        for left in range(0, len(columns), each)
        for top in range(0, len(rows), _MAP_ROWS)
    ]


def _with_numbers(sheet: Pixels, rows: list[int], columns: list[int], cell: tuple[int, int]) -> Pixels:
    """Return a sheet of cells, (height, width) each, with a number before each row and above each column.

    Numbers of columns that would run together are turned; where even so they do not fit, only each so many-th stands.
    """
    (height, width), gap = cell, _COARSE.gap
    before, above = ([_COARSE.number(number) for number in numbers] for numbers in (rows, columns))
    every, most = 1, max(number.shape[1] for number in above)
    if most + gap > width and len(columns) > 1:
        if max(number.shape[0] for number in above) < width:
            above = [np.rot90(number) for number in above]
        else:
            every = next(n for n in _EVERY if n * width >= most + 2 * gap)
    left = max(number.shape[1] for number in before) + gap
    top = max(_COARSE.label_height, max(number.shape[0] for number in above) + gap)
    made = np.full((top + sheet.shape[0], left + sheet.shape[1] + (most // 2 if every > 1 else 0)), PAPER, np.uint8)
    made[top:, left : left + sheet.shape[1]] = sheet
    for n, number in enumerate(before):
        start = top + n * height + (height - number.shape[0]) // 2
        made[start : start + number.shape[0], left - gap - number.shape[1] : left - gap] = number
    for n, number in enumerate(above):
        if columns[n] % every == 0:
            start = max(left + n * width + (width - number.shape[1]) // 2, 0)
            made[top - gap - number.shape[0] : top - gap, start : start + number.shape[1]] = number
    return made

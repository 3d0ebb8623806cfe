"""Values along one axis as pictures: outputs as areas, weights as bars, input series as lines or as strips of colour.

All are arrays of palette indices. Positions run from left to right, each as wide as the others; where many share a
column of the picture, the lowest and the highest of them are drawn, so that no peak is lost.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from reportgen.render.pictures.mosaic import (
    CLEAR,
    FRAME,
    INK,
    INK_COLOUR,
    LINE,
    LINE_COLOUR,
    PANEL,
    PANEL_COLOUR,
    PAPER,
    Pixels,
    colour,
    levels,
    sequential,
)

Values = NDArray[np.floating]
Flags = NDArray[np.bool_]

MOST_LINES = 5
"""Most channels that are drawn as a line each; more are rows of a strip of colour."""
MOST_ROWS = 64
"""Most channels that are rows of a strip; of more every n-th is kept."""
FEW_STEPS = 24
"""A series of no more steps has a dot at each."""
_AREA, _UP, _DOWN = colour(0.35), colour(0.88), colour(0.12)
_CHART_PANEL, _CHART_ZERO, _BAND, _INK = 2, 3, 4, 5
_LINES = [(27, 103, 178), (193, 68, 14), (0, 133, 96), (164, 74, 170), INK_COLOUR]
_ON_SHEET = {PAPER: PAPER, _CHART_PANEL: PANEL, _CHART_ZERO: LINE, _INK: INK}
_EDGE = 3


def areas(values: Values, low: float, high: float, *, width: int, height: int) -> Pixels:
    """Paint outputs as areas between zero, a grey line, and their values, in indices of `mosaic.sequential`.

    values: (..., L), from low <= 0 at the bottom to high >= 0 at the top. Returns (..., height, width).
    """
    painted = np.full((*values.shape[:-1], height, width), PANEL, np.uint8)
    _draw_zero(painted, low, high, LINE)
    above, below = _filled(*_extremes(values, width), low, high, height)
    painted[above | below] = _AREA
    return painted


def bars(weights: Values, limit: float, *, width: int, height: int) -> Pixels:
    """Paint weights as bars up (red) and down (blue) from zero, a grey line, in indices of `mosaic.diverging`.

    weights: (..., k), from -limit at the bottom to limit at the top. Returns (..., height, about width).
    """
    taps = weights.shape[-1]
    each = max(1, width // taps)
    width = min(each * taps, width)
    painted = np.full((*weights.shape[:-1], height, width), PAPER, np.uint8)
    _draw_zero(painted, -limit, limit, LINE)
    above, below = _filled(*_extremes(weights, width), -limit, limit, height)
    shown = np.arange(width) % each < each - each // 5
    painted[above & shown] = _UP
    painted[below & shown] = _DOWN
    return painted


def chart(
    series: NDArray[np.generic], extent: tuple[float, float], *, width: int, height: int, patch: list[int] | None = None
) -> Pixels:
    """Paint a series (L, C) as a line a channel, or of many channels as a strip with a row a channel.

    extent: the values at the bottom and at the top, of a strip those of its first and last colour. patch:
    [left, right] of the steps to mark. Returns (height, width) in indices of `palette(C)`.
    """
    steps, channels = series.shape
    marked = None if patch is None else _columns(patch, steps, width)
    if channels > MOST_LINES:
        return _strip(series[:, :: _every(channels)].astype(np.float64).T, extent, width, height, marked)
    painted = np.full((height, width), _CHART_PANEL, np.uint8)
    if marked:
        left, right = marked
        painted[:, max(left - _EDGE, 0) : right + _EDGE] = LINE
        painted[:, left:right] = _BAND
    low, high = extent
    if low < 0 < high:
        row = round(float(_rows(np.zeros(1), low, high, height - 6)[0])) + 3
        painted[row - 1 : row + 1] = _CHART_ZERO
    for channel in reversed(range(channels)):  # the first lies on top
        painted[_line(series[:, channel].astype(np.float64), low, high, width, height)] = _INK + channel
    return painted


def palette(channels: int) -> Pixels:
    """Return the palette of the charts of series with so many channels; that of one channel has no colour but marks."""
    if channels > MOST_LINES:
        marked = sequential().copy()
        marked[LINE] = (*FRAME, 255)
        return marked
    return _chart_palette(channels == 1)


def on_sheet(drawn: Pixels) -> Pixels:
    """Return the chart of a series of one channel in indices of `mosaic.sequential`."""
    table = np.zeros(256, np.uint8)
    table[list(_ON_SHEET)] = list(_ON_SHEET.values())
    return table[drawn]


@cache
def _chart_palette(one: bool) -> Pixels:
    fixed = [CLEAR, (*FRAME, 255), PANEL_COLOUR, LINE_COLOUR, (*FRAME, 72)]
    return np.array([*fixed, *[(*line, 255) for line in ([INK_COLOUR] if one else _LINES)]], np.uint8)


def rows_of_strip(channels: int) -> int:
    """Return how many of so many channels a strip shows."""
    return len(range(0, channels, _every(channels)))


def _every(channels: int) -> int:
    """Return which channels a strip shows: every n-th."""
    return -(-channels // MOST_ROWS)


def _strip(
    values: Values, extent: tuple[float, float], width: int, height: int, marked: tuple[int, int] | None
) -> Pixels:
    """Paint a row a channel; where steps share a column the one furthest from zero is shown. values: (C, L)."""
    lowest, highest = _extremes(values, width)
    furthest = np.where(-lowest > highest, lowest, highest)
    colours = levels(furthest.astype(np.float32), *extent)
    if marked is None:
        return colours[np.arange(height) * len(values) // height]
    inner = height - 2 * _EDGE
    shown = colours[np.arange(inner) * len(values) // inner]
    painted = np.pad(shown, ((_EDGE, _EDGE), (0, 0)), constant_values=PAPER)
    left, right = marked
    painted[:, max(left - _EDGE, 0) : right + _EDGE] = LINE
    painted[_EDGE:-_EDGE, left:right] = shown[:, left:right]
    return painted


def _line(values: Values, low: float, high: float, width: int, height: int) -> Flags:
    """Return where the line of one channel (L,) is drawn, a dot at each value where there are few."""
    steps = len(values)
    centres = (np.arange(steps) + 0.5) * width / steps
    if steps > width:
        lowest, highest = _extremes(values, width)
    else:
        lowest = np.interp(np.arange(width) + 0.5, centres, values)
        highest, own = lowest.copy(), centres.astype(int)
        lowest[own], highest[own] = np.minimum(lowest[own], values), np.maximum(highest[own], values)
    # a column reaches to the one before, or a steep line would be dashed
    lowest[1:], highest[1:] = np.minimum(lowest[1:], highest[:-1]), np.maximum(highest[1:], lowest[:-1])
    inner, room = height - 6, 3
    rows = np.arange(height)[:, np.newaxis]
    top = np.round(_rows(highest, low, high, inner)) + room - 1
    bottom = np.round(_rows(lowest, low, high, inner)) + room + 1
    drawn: Flags = (rows >= top) & (rows < bottom)
    drawn[:, 1:] |= drawn[:, :-1]
    if 1 < steps <= width:
        drawn[:, : int(centres[0])] = drawn[:, int(centres[-1]) + 1 :] = False
    if steps <= FEW_STEPS:
        for x, y in zip(centres.astype(int), np.round(_rows(values, low, high, inner)).astype(int) + room, strict=True):
            drawn[max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3] = True
    return drawn


def _extremes(values: Values, width: int) -> tuple[Values, Values]:
    """Return the lowest and the highest value in each of `width` columns. values: (..., L) -> twice (..., width)."""
    steps = values.shape[-1]
    first = np.arange(width) * steps // width
    if steps <= width:
        return values[..., first], values[..., first]
    return np.minimum.reduceat(values, first, axis=-1), np.maximum.reduceat(values, first, axis=-1)


def _filled(lowest: Values, highest: Values, low: float, high: float, height: int) -> tuple[Flags, Flags]:
    """Return where areas above and below zero are filled, one row at least where a value is not zero.

    lowest, highest: (..., w) of each column. Returns twice (..., height, w).
    """
    rows = np.arange(height)[:, np.newaxis]
    zero = round(float(_rows(np.zeros(1), low, high, height)[0]))
    top, bottom = (np.round(_rows(v, low, high, height))[..., np.newaxis, :] for v in (highest, lowest))
    risen, sunk = (highest > 0)[..., np.newaxis, :], (lowest < 0)[..., np.newaxis, :]
    above = risen & (rows < zero) & (rows >= np.minimum(top, zero - 1))
    below = sunk & (rows >= zero) & (rows < np.maximum(bottom, zero + 1))
    return above, below


def _draw_zero(painted: Pixels, low: float, high: float, shade: int) -> None:
    height = painted.shape[-2]
    zero = round(float(_rows(np.zeros(1), low, high, height)[0]))
    painted[..., max(zero - 1, 0) : zero + 1, :] = shade


def _rows(values: Values, low: float, high: float, height: int) -> Values:
    """Return how far from the top values lie on a scale from low at the bottom to high; where both are one, midway."""
    if high <= low:
        return np.full(values.shape, height / 2)
    return (high - values) / (high - low) * height


def _columns(patch: list[int], steps: int, width: int) -> tuple[int, int]:
    """Return the columns that steps from `left` up to `right` take up, two at least."""
    left, right = (-(-edge * width // steps) for edge in patch)
    left = min(left, width - 2)
    return left, max(right, left + 2)

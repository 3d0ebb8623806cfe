"""What a unit of maps saw: crops where it fires most and least, and one image with what words make of it."""

from dataclasses import dataclass

import numpy as np

from reportgen.record.pictures import Array, Seen
from reportgen.render.pictures import input_images
from reportgen.render.pictures.input_images import painted_small
from reportgen.render.pictures.mosaic import Mosaic, Picture, Pixels, diverging, levels, sequential

_CROP = 44
"""About how wide a crop is, in pixels of a page."""
_LINE = 12
_STRIP = 112
_AVERAGE = 66  # a pixel of a 3x3 field stays smaller than a line of text


@dataclass(frozen=True)
class SeenUnit:
    """The pictures of one unit. told, difference: None where there are no words.

    low, high: the ends of the scale that its map and what the words say share. most: the end of that of the difference.
    """

    strongest: Picture
    weakest: Picture
    average: Picture
    picture: Picture
    real: Picture
    told: Picture | None
    difference: Picture | None
    image: int
    low: float
    high: float
    most: float


@dataclass(frozen=True)
class Pair:
    """The maps of two units for one and the same image. image: its number among those looked at."""

    image: int
    own: Picture
    other: Picture


def paint(seen: Seen, place: int) -> SeenUnit:
    """Paint what a unit saw. place: of the unit among those of `seen`."""
    crops = np.concatenate([seen.strongest[place], seen.weakest[place], seen.mean[place][np.newaxis]])
    shown = input_images.as_bytes(crops)
    count = len(seen.strongest[place])
    real, told = seen.real[place], seen.told[place]
    has_words = bool(np.isfinite(told).all())
    both = np.stack([real, told]) if has_words else real[np.newaxis]
    low, high = float(min(both.min(), 0)), float(both.max())
    difference = real - told
    most = float(np.abs(difference).max()) if has_words else 0.0
    return SeenUnit(
        strongest=_line(shown[:count]),
        weakest=_line(shown[count : 2 * count]),
        average=painted_small(*_thinned_and_zoom(shown[-1], _AVERAGE), lined=True),
        picture=painted_small(*_thinned_and_zoom(input_images.as_bytes(seen.pictures[place][np.newaxis])[0], _STRIP)),
        real=_map(levels(real, low, high), sequential()),
        told=_map(levels(told, low, high), sequential()) if has_words else None,
        difference=_map(levels(difference, -most, most), diverging()) if has_words else None,
        image=int(seen.image[place]),
        low=low,
        high=high,
        most=most,
    )


def pair(one: Array, other: Array) -> Pair:
    """Paint the maps of two units, each (E, rows, columns), for the example on which the first is strongest.

    Each on its own scale: interchangeable units may differ by a factor.
    """
    example = int(one.reshape(len(one), -1).max(axis=1).argmax())
    own, others = (
        _map(levels(each[example], min(each[example].min(), 0), each[example].max()), sequential())
        for each in (one, other)
    )
    return Pair(example, own, others)


def _line(crops: Pixels) -> Picture:
    """Set crops (T, h, w, C) side by side, with nothing but thin lines between them."""
    _, zoom = _thinned_and_zoom(crops[0], _CROP)
    return input_images.side_by_side([_thinned_and_zoom(crop, _CROP)[0] for crop in crops[:_LINE]], zoom)


def _thinned_and_zoom(pixels: Pixels, side: int) -> tuple[Pixels, int]:
    """Return pixels (h, w, ...), of many every n-th, and how often to repeat them to be about `side` of a page wide."""
    longest = max(pixels.shape[:2])
    step = -(-longest // side)
    return pixels[::step, ::step], max(1, round(side / longest))


def _map(indices: Array, palette: Pixels) -> Picture:
    kept, zoom = _thinned_and_zoom(indices, _STRIP)
    return Mosaic().picture(np.ascontiguousarray(input_images.zoomed(kept, zoom)), palette)

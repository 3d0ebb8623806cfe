"""An image with what its pixels add to the margin of one class over another laid over it."""

from functools import cache

import numpy as np

from reportgen.record.pictures import Array
from reportgen.render.pictures import input_images
from reportgen.render.pictures.mosaic import INK_COLOUR, Mosaic, Picture, Pixels

TOWARD, AWAY = (200, 60, 10), (40, 110, 220)
"""The colours of pixels that speak for the one class, and for the other."""

_FAINTEST = 0.05  # of the largest amount; what adds less is left grey
_PALE = 0.8
_GREYS, _STRENGTHS = 8, 8


def overlay(stored: Array, amounts: Array) -> Picture:
    """Paint an image (H, W, C), pale and grey, under its map; where neither is anything the page shows through.

    amounts: (h, w) in -1 ... 1. Either may be thinned more than the other: the coarser one decides.
    """
    grey = input_images.as_bytes(stored[np.newaxis])[0].mean(axis=-1)
    shape = min(grey.shape, amounts.shape)
    grey, amounts = _thinned(grey, shape), _thinned(amounts.astype(np.float64), shape)
    size = np.abs(amounts)
    strength = np.where(size < _FAINTEST, 0.0, np.sqrt(np.minimum(size, 1.0)))
    signed = np.round(np.sign(amounts) * strength * _STRENGTHS).astype(int) + _STRENGTHS
    indices = signed * _GREYS + np.round(grey / 255 * (_GREYS - 1)).astype(int)
    _, factor = input_images.enlargement(max(amounts.shape))
    mosaic = Mosaic()
    return mosaic.picture(mosaic.zoomed(indices.astype(np.uint8), factor, factor), _palette())


@cache
def _palette() -> Pixels:
    """Return the colours (_, 4): for each strength from -1 to 1 all greys of the image, under the colour of the map."""
    signed, grey = np.meshgrid(np.linspace(-1, 1, 2 * _STRENGTHS + 1), np.linspace(0, 1, _GREYS), indexing="ij")
    strength, under = np.abs(signed).reshape(-1, 1), _PALE * grey.reshape(-1, 1)
    colour = np.where(signed.reshape(-1, 1) > 0, TOWARD, AWAY)
    cover = strength + under * (1 - strength)
    mixed = (colour * strength + np.array(INK_COLOUR) * under * (1 - strength)) / np.maximum(cover, 1e-9)
    return np.round(np.hstack([mixed, 255 * cover])).astype(np.uint8)


def _thinned(values: Array, shape: tuple[int, ...]) -> Array:
    """Return values (H, W) at as many places as `shape` has, evenly spread."""
    rows, columns = (np.arange(some) * size // some for some, size in zip(shape, values.shape, strict=True))
    return np.asarray(values[np.ix_(rows, columns)])

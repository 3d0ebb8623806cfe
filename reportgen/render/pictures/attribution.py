"""An image with what its pixels add to the margin of one class over another laid over it."""

import numpy as np

from reportgen.record.pictures import Array
from reportgen.render.pictures import input_images
from reportgen.render.pictures.mosaic import Picture

TOWARD, AWAY = (200, 60, 10), (20, 80, 200)
"""The colours of pixels that speak for the one class, and for the other."""

_FAINTEST = 0.05  # of the largest amount; what adds less is left grey


def overlay(stored: Array, amounts: Array) -> Picture:
    """Paint an image (H, W, C), pale and grey, under its map.

    amounts: (h, w) in -1 ... 1. Either may be thinned more than the other: the coarser one decides.
    """
    grey = input_images.as_bytes(stored[np.newaxis])[0].mean(axis=-1)
    shape = min(grey.shape, amounts.shape)
    grey, amounts = _thinned(grey, shape), _thinned(amounts.astype(np.float64), shape)
    pale = 255 - 0.45 * grey[..., np.newaxis].repeat(3, axis=2)
    size = np.abs(amounts)
    strength = np.where(size < _FAINTEST, 0.0, np.sqrt(np.minimum(size, 1.0)))[..., np.newaxis]
    colour = np.where((amounts > 0)[..., np.newaxis], TOWARD, AWAY)
    _, factor = input_images.enlargement(max(amounts.shape))
    mixed = np.round(pale * (1 - strength) + colour * strength).astype(np.uint8)
    return input_images.painted_small(mixed.repeat(factor, axis=0).repeat(factor, axis=1))


def _thinned(values: Array, shape: tuple[int, ...]) -> Array:
    """Return values (H, W) at as many places as `shape` has, evenly spread."""
    rows, columns = (np.arange(some) * size // some for some, size in zip(shape, values.shape, strict=True))
    return np.asarray(values[np.ix_(rows, columns)])

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

    amounts: (h, w) in -1 ... 1, of a large image every n-th pixel.
    """
    grey = input_images.as_bytes(stored[np.newaxis])[0].mean(axis=-1)
    step = -(-max(grey.shape) // max(amounts.shape))
    pale = 255 - 0.45 * grey[::step, ::step, np.newaxis].repeat(3, axis=2)
    size = np.abs(amounts.astype(np.float64))
    strength = np.where(size < _FAINTEST, 0.0, np.sqrt(np.minimum(size, 1.0)))[..., np.newaxis]
    colour = np.where((amounts > 0)[..., np.newaxis], TOWARD, AWAY)
    _, factor = input_images.enlargement(max(amounts.shape))
    mixed = np.round(pale * (1 - strength) + colour * strength).astype(np.uint8)
    return input_images.painted_small(mixed.repeat(factor, axis=0).repeat(factor, axis=1))

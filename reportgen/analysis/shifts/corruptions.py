"""Twelve ways in which pictures change, each in three severities: noise, blur, light, place, cover and compression.

Strengths are those of Hendrycks and Dietterich (2019), ImageNet-C and CIFAR-10-C, where these have the same change,
severities 1, 3 and 5 of theirs, and of Mu and Gilmer (2019), MNIST-C, for the shape of the others. Lengths are shares
of a picture's shorter side, so that pictures of any size change alike.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from reportgen.format import number, percent
from reportgen.i18n import Text, text

Stored = NDArray[Any]
Shares = NDArray[np.floating[Any]]
"""(N, H, W, C) of the range of their channel: 0 is its lowest value, 1 its highest."""

SMALLEST_SIDE = 8
"""Pixels of the shorter side of a picture: below, a pixel more or less is another picture."""


@dataclass(frozen=True)
class Corruption:
    """One way to change pictures.

    made: from (N, H, W, C) shares of the range and the amount, with random numbers where it needs some. amounts: of
    severities 1, 2 and 3. said: the amount for pictures of that shorter side, in words.
    """

    made: Callable[[Shares, float, Generator], Shares]
    amounts: tuple[float, float, float]
    said: Callable[[float, int], Text]


def corrupted(
    images: Stored, name: str, severity: int, low: NDArray[np.float64], high: NDArray[np.float64], draws: Generator
) -> Stored:
    """Return pictures changed, of the same shape, type and range. images: (N, H, W, C) as stored.

    name: in CORRUPTIONS. severity: 0 to 3; 0 changes nothing. low, high: (C,) the range of each channel. draws: of
    `stream`; pictures that are changed some at a time, in their order, come out as all at once.
    """
    if not severity:
        return images
    one = CORRUPTIONS[name]
    # enough digits for the type, and no more memory than it needs
    exact = np.result_type(images.dtype, np.float32)
    span = high - low
    shares = (images.astype(exact) - low.astype(exact)) / np.where(span > 0, span, 1).astype(exact)
    changed = np.clip(one.made(shares, one.amounts[severity - 1], draws), 0, 1)
    values = np.clip(low + changed * span, low, high)
    if images.dtype.kind in "iub":
        values = np.rint(values)
    return np.asarray(values.astype(images.dtype))


def stream(seed: int, name: str) -> Generator:
    """Return the random numbers of a corruption, the same for each severity: only the amount differs between them."""
    return np.random.default_rng([seed, list(CORRUPTIONS).index(name)])


def amount(name: str, severity: int, side: int) -> Text:
    """Return in words how strong a severity is. side: the shorter one of the pictures, in pixels."""
    one = CORRUPTIONS[name]
    return one.said(one.amounts[severity - 1], side)


def background(shares: Shares) -> Shares:
    """Return (N, 1, 1, C) the median of the pixels along the border of each picture: what uncovered places show."""
    rows = shares[:, [0, -1]].reshape(len(shares), -1, shares.shape[-1])
    columns = shares[:, 1:-1, [0, -1]].reshape(len(shares), -1, shares.shape[-1])
    found: Shares = np.median(np.concatenate([rows, columns], axis=1), axis=1)[:, np.newaxis, np.newaxis]
    return found.astype(shares.dtype)


def pixels(share: float, side: int) -> int:
    """Return a share of a side as whole pixels, at least one."""
    return max(1, round(share * side))


def deviation(share: float, side: int) -> float:
    """Return the deviation of a blur in pixels: a share of a side, and as much more as the smallest blur needs."""
    return 0.3 + share * side


def _side(shares: Shares) -> int:
    return int(min(shares.shape[1:3]))


def _noise(shares: Shares, deviation: float, draws: Generator) -> Shares:
    return shares + deviation * draws.standard_normal(shares.shape).astype(shares.dtype)


def _blur(shares: Shares, share: float, _: Generator) -> Shares:
    from scipy import ndimage

    sigma = deviation(share, _side(shares))
    found: Shares = ndimage.gaussian_filter(shares, (0, sigma, sigma, 0), mode="nearest")
    return found


def _contrast(shares: Shares, factor: float, _: Generator) -> Shares:
    mean: Shares = shares.mean(axis=(1, 2), keepdims=True)
    return mean + factor * (shares - mean)


def _brightness(shares: Shares, added: float, _: Generator) -> Shares:
    return shares + added


def _shift(shares: Shares, share: float, draws: Generator) -> Shares:
    """Move each picture up, down, to the left or to the right."""
    n = pixels(share, _side(shares))
    moved = np.broadcast_to(background(shares), shares.shape).copy()
    to, cut = slice(n, None), slice(None, -n)
    ways = ((to, slice(None), cut, slice(None)), (cut, slice(None), to, slice(None)))
    ways += tuple((b, a, d, c) for a, b, c, d in ways)
    which = (4 * draws.random(len(shares))).astype(np.int64)
    for way, (rows, columns, from_rows, from_columns) in enumerate(ways):
        of = which == way
        moved[of, rows, columns] = shares[of, from_rows, from_columns]
    return moved


def _rotation(shares: Shares, degrees: float, draws: Generator) -> Shares:
    """Turn each picture about its middle, one way or the other."""
    from scipy import ndimage

    ground = background(shares)
    turned = shares - ground
    left = draws.random(len(shares)) < 0.5
    for sign, which in ((1, left), (-1, ~left)):
        if which.any():
            turned[which] = ndimage.rotate(turned[which], sign * degrees, axes=(1, 2), reshape=False, order=1)
    return turned + ground


def _scale(shares: Shares, factor: float, _: Generator) -> Shares:
    """Shrink each picture towards its middle."""
    from PIL import Image

    height, width = (pixels(factor, side) for side in shares.shape[1:3])
    top, left = (shares.shape[1] - height) // 2, (shares.shape[2] - width) // 2
    small = np.broadcast_to(background(shares), shares.shape).copy()
    small[:, top : top + height, left : left + width] = _resized(shares, height, width, Image.Resampling.BILINEAR)
    return small


def _occlusion(shares: Shares, share: float, draws: Generator) -> Shares:
    """Cover a square of each picture, anywhere in it, with its background."""
    side = pixels(share, _side(shares))
    starts = draws.random((len(shares), 2)) * (np.array(shares.shape[1:3]) - side + 1)
    first = starts.astype(np.int64)[:, :, np.newaxis]
    rows, columns = (np.arange(size) for size in shares.shape[1:3])
    in_rows = (rows >= first[:, 0]) & (rows < first[:, 0] + side)
    in_columns = (columns >= first[:, 1]) & (columns < first[:, 1] + side)
    covered = in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis]
    return np.where(covered[..., np.newaxis], background(shares), shares)


def _inversion(shares: Shares, share: float, _: Generator) -> Shares:
    return shares + share * (1 - 2 * shares)


def _stripes(shares: Shares, added: float, draws: Generator) -> Shares:
    """Lay stripes as wide as the gaps between them across each picture: light on a dark ground, dark on a light one."""
    width = max(2, round(_side(shares) / 14))
    phase = (2 * width * draws.random(len(shares))).astype(np.int64)
    rows = (np.arange(shares.shape[1]) + phase[:, np.newaxis]) // width % 2
    away = np.where(background(shares) < 0.5, added, -added).astype(shares.dtype)
    return shares + away * rows[:, :, np.newaxis, np.newaxis].astype(shares.dtype)


def _pixelation(shares: Shares, share: float, _: Generator) -> Shares:
    from PIL import Image

    height, width = shares.shape[1:3]
    few = _resized(shares, pixels(share, height), pixels(share, width), Image.Resampling.BOX)
    return _resized(few, height, width, Image.Resampling.NEAREST)


def _jpeg(shares: Shares, quality: float, _: Generator) -> Shares:
    """Compress each picture, in colour where it has three channels, else channel by channel."""
    from PIL import Image

    coloured = shares.shape[-1] == 3
    planes = np.rint(shares * 255).astype(np.uint8)
    found = np.empty_like(planes)
    for one, into in zip(planes, found, strict=True):
        for channel in [slice(None)] if coloured else range(shares.shape[-1]):
            packed = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(one[..., channel])).save(packed, "JPEG", quality=int(quality))
            into[..., channel] = np.asarray(Image.open(packed))
    return found.astype(shares.dtype) / shares.dtype.type(255)


def _resized(shares: Shares, height: int, width: int, method: Any) -> Shares:
    """Return pictures of another size."""
    from PIL import Image

    planes = np.ascontiguousarray(np.moveaxis(shares, -1, 1).reshape(-1, *shares.shape[1:3]), np.float32)
    found = np.stack([np.asarray(Image.fromarray(plane).resize((width, height), method)) for plane in planes])
    shaped = found.reshape(len(shares), shares.shape[-1], height, width)
    return np.ascontiguousarray(np.moveaxis(shaped, 1, -1), shares.dtype)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": Corruption(
        _noise, (0.08, 0.18, 0.38), lambda a, _: text("deviation {share} of the range", share=percent(a, 0))
    ),
    "blur": Corruption(
        _blur, (0.004, 0.015, 0.035), lambda a, side: text("Gaussian, σ {n} px", n=number(deviation(a, side)))
    ),
    "contrast": Corruption(_contrast, (0.75, 0.4, 0.15), lambda a, _: text("{share} left", share=percent(a, 0))),
    "brightness": Corruption(
        _brightness, (0.1, 0.3, 0.5), lambda a, _: text("lighter by {share} of the range", share=percent(a, 0))
    ),
    "shift": Corruption(_shift, (1 / 14, 1 / 7, 3 / 14), lambda a, side: text("by {n} px", n=number(pixels(a, side)))),
    "rotation": Corruption(_rotation, (10, 20, 40), lambda a, _: text("by {n}°", n=number(a))),
    "scale": Corruption(_scale, (0.9, 0.7, 0.5), lambda a, _: text("shrunk to {share}", share=percent(a, 0))),
    "occlusion": Corruption(
        _occlusion, (0.25, 0.375, 0.5), lambda a, side: text("a square of {n} px covered", n=number(pixels(a, side)))
    ),
    "inversion": Corruption(
        _inversion, (0.6, 0.8, 1), lambda a, _: text("{share} of the contrast, inverted", share=percent(2 * a - 1, 0))
    ),
    "stripes": Corruption(_stripes, (0.1, 0.25, 0.5), lambda a, _: text("{share} of the range", share=percent(a, 0))),
    "pixelation": Corruption(
        _pixelation, (0.6, 0.4, 0.25), lambda a, side: text("{n} px along the side", n=number(pixels(a, side)))
    ),
    "jpeg": Corruption(_jpeg, (25, 15, 7), lambda a, _: text("quality {n}", n=number(a))),
}
"""Every corruption by its name."""

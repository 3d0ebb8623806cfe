"""Patches of pictures: what the field of a position shows, and a window about its centre."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from reportgen.analysis.conditions.result import Bools, Floats, Ints

WINDOW = 13
"""The largest window about the centre of a field, in pixels; what a feature of the largest scale looks at."""

GRID = 8
"""A field that is larger than WINDOW is seen as so many blocks along each axis."""

FLAT = 0.02
"""A patch is flat where its values differ by no more than this share of the range of all pixels."""


_AT_ONCE = 4_000_000  # values that are in memory at once, roughly
_KEPT = 8_000_000  # values of all pictures of which what is made is kept


class Axis(Protocol):
    """A receptive field along one axis: position p sees `size` pixels from `start + p * jump` on."""

    @property
    def size(self) -> int:
        """In pixels."""

    @property
    def jump(self) -> int:
        """In pixels per position."""

    @property
    def start(self) -> int:
        """Of position 0, in pixels; negative where it sees padding."""


@dataclass(frozen=True)
class Along:
    """An Axis. The whole picture is `Along(height, 0, 0)`."""

    size: int
    jump: int = 1
    start: int = 0


class Pictures:
    """Images (N, H, W, C), and what is made of all of them for every layer: kept where that is little memory."""

    def __init__(self, images: Floats, of: "tuple[Pictures, slice] | None" = None) -> None:
        self.images, self._of = images, of

    def __getitem__(self, these: slice) -> "Pictures":
        """Return some of them."""
        return Pictures(self.images[these], (self, these) if self.images.size <= _KEPT else None)

    @cached_property
    def grey(self) -> Floats:
        """(N, H, W, 1) means over channels."""
        if self._of is not None:
            return self._of[0].grey[self._of[1]]
        return self.images if self.images.shape[-1] == 1 else self.images.mean(axis=-1, keepdims=True)

    @cached_property
    def table(self) -> Floats:
        """(N, H + 1, W + 1, C) sums of all pixels above and to the left."""
        if self._of is not None:
            return self._of[0].table[self._of[1]]
        return np.pad(self.images.astype(np.float64).cumsum(1).cumsum(2), [(0, 0), (1, 0), (1, 0), (0, 0)])


def window(axis: Axis, size: int) -> Along:
    """Return the window of about so many pixels about the centre of a field: of the same parity, so it is centred."""
    size = min(axis.size, size + (axis.size - size) % 2 if axis.size > size else axis.size)
    return Along(size, axis.jump, axis.start + (axis.size - size) // 2)


def in_turn(images: Floats, each: int) -> Iterator[slice]:
    """Yield slices of images (N, ...) that are gone through at once. each: values that are made of one image."""
    step = max(_AT_ONCE // max(each, int(np.prod(images.shape[1:]))), 1)
    for start in range(0, len(images), step):
        yield slice(start, start + step)


def gather(images: Floats, rows: Ints, columns: Ints, field: tuple[Axis, Axis]) -> Floats:
    """Return the patches (N, S, h, w, C) that positions (N, S) see of images (N, H, W, C); 0 beyond the border.

    Zeros are what a convolution pads with: of the first one this is exactly what it sees.
    """
    starts = [axis.start + axis.jump * places for axis, places in zip(field, (rows, columns), strict=True)]
    pads = []
    for axis, start, size in zip(field, starts, images.shape[1:3], strict=True):
        before = max(0, -int(start.min(initial=0)))
        pads.append((before, max(0, int(start.max(initial=0)) + axis.size - size)))
    padded = np.pad(images, [(0, 0), *pads, (0, 0)]) if any(map(any, pads)) else images
    views = np.lib.stride_tricks.sliding_window_view(padded, (field[0].size, field[1].size), axis=(1, 2))
    found = views[np.arange(len(images))[:, np.newaxis], starts[0] + pads[0][0], starts[1] + pads[1][0]]
    return np.moveaxis(found, 2, -1)


def shrunk(pictures: Pictures, rows: Ints, columns: Ints, field: tuple[Axis, Axis]) -> Floats:
    """Return what positions see of large fields as means of blocks, (N, S, h, w, C), h and w at most GRID.

    By summed-area tables, so it takes the same time whatever the size of the field. Beyond the border there are zeros.
    """
    images, table = pictures.images, pictures.table
    corners = []
    for axis, places, size in zip(field, (rows, columns), images.shape[1:3], strict=True):
        edges = np.linspace(0, axis.size, min(axis.size, GRID) + 1).round().astype(np.int64)
        corners.append(np.clip(axis.start + axis.jump * places[..., np.newaxis] + edges, 0, size))
    number = np.arange(len(images))[:, np.newaxis, np.newaxis, np.newaxis]
    sums = table[number, corners[0][..., :, np.newaxis], corners[1][..., np.newaxis, :]]
    blocks = np.diff(np.diff(sums, axis=2), axis=3)
    areas = [np.diff(np.linspace(0, axis.size, min(axis.size, GRID) + 1).round()) for axis in field]
    return (blocks / np.outer(*areas)[:, :, np.newaxis]).astype(np.float32)


def whole(pictures: Pictures, rows: Ints, columns: Ints, field: tuple[Axis, Axis]) -> Floats:
    """Return what positions see, (N, S, h, w, C): all pixels of a small field, blocks of a large one."""
    small = max(field[0].size, field[1].size) <= WINDOW
    return gather(pictures.images, rows, columns, field) if small else shrunk(pictures, rows, columns, field)


def not_flat(seen: Floats, span: float) -> Bools:
    """Return which patches (n, pixels) are not flat. span: the range of all pixels."""
    return np.asarray(np.ptp(seen, axis=1) > FLAT * span)

"""Labelled images as they were found, wherever they lie, and how their pixels reach the model."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reportgen.i18n import Text, text

Data = str | Path | Mapping[str, Any] | tuple[Any, Any] | Iterable[Any]
"""What a caller can give for a data set, see `data.samples.load`."""

PerChannel = float | tuple[float, ...]
"""One number for all channels, or one for each."""

Wants = Literal[1, 255, 65535, "as stored", "tokens"] | None
"""Which pixels a model takes, as its own first computations tell: up to that number, or just what is stored, since it
does with them what no range explains; None where it computes nothing before its first weights, which tells nothing.
"""

BLOCK = 4_000_000
"""Bytes of images that are in memory at once where all of them are gone through."""


class Images(Protocol):
    """Images in memory or on disk, (N, *space, C): (N, H, W, C) pictures, (N, L, C) series, (N, D, H, W, C) volumes.

    A numpy array is one; so is what reads from a file only what is asked for.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *space, C)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the pixels are stored: any integer, bool or float type."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: Any, /) -> Any:
        """Return the images of a slice, or those with the numbers in an array of integers, as a numpy array."""


@runtime_checkable
class Unread(Images, Protocol):
    """Images that are read when they are asked for."""

    @property
    def on_path(self) -> bool:
        """Whether another process that sees the same paths can read them, given a pickled copy of this object."""

    def cut(self, start: int, stop: int, /) -> "Unread":
        """Return the images start ... stop - 1, without reading any."""


@dataclass(frozen=True)
class Survey:
    """What is found out about the images of a part when all of them are gone through once.

    low, high: (C,) the smallest and the largest value of each channel, as stored; NaN left out.
    unusable: the numbers of the images that hold NaN or infinite pixels, ascending.
    digests: (N,) a 64-bit BLAKE2b digest of each image: equal for equal pixels, whatever their float type. Two
        different images among 100,000 have the same digest by chance once in four billion data sets.
    blank: (N,) whether an image shows one colour throughout; an image of a single pixel does not count.
    sha256: of the pixels of all images as they are stored, in hexadecimal.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    unusable: NDArray[np.int64]
    digests: NDArray[np.uint64]
    blank: NDArray[np.bool_]
    sha256: str


@dataclass(frozen=True)
class Part:
    """The training or the test part of a data set.

    images: (N, *space, C). labels: (N,) int64, indices into the data set's class names.
    """

    images: Images
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def survey(self) -> Survey:
        """What going through all images once finds out; it is done when it is first asked for, and once."""
        return survey(self.images)

    def relabelled(self, labels: NDArray[np.int64]) -> "Part":
        """Return the same images with other labels, (N,); what is known of the images stays known."""
        made = replace(self, labels=labels)
        if "survey" in vars(self):
            vars(made)["survey"] = self.survey
        return made


@dataclass(frozen=True)
class Labelled:
    """What the labels were before they became numbers of class names.

    kind: "text" for names (those of folders, and numbers of names that a part brings along, included); "numbers" for
    integers, which are the model's; "rows" for one-hot rows, which are as wide as there are class names. named: what
    says which classes there are: the labels alone, class names in the data, or those of the call.
    """

    kind: Literal["text", "numbers", "rows"] = "numbers"
    named: Literal["labels", "data", "call"] = "labels"


@dataclass(frozen=True)
class Pixels:
    """How a stored pixel becomes the number that the model sees: `scale * pixel + offset`.

    scale, offset: one number, or one for each channel as the model sees them. said: the same in words, for the
    report. channels_first: the model takes (C, *space). shape: of an image as the model takes it, where its values
    keep their order but not their axes (flattened, or without the axis of its one channel), else None. flip: the
    channels reach the model in reverse order, blue first.
    """

    scale: PerChannel
    said: Text
    channels_first: bool = False
    shape: tuple[int, ...] | None = None
    offset: PerChannel = 0.0
    flip: bool = False

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return floats (..., C), as they are stored, as the model sees them, of the same type and with the same axes.

        `values` may be changed in place: copies of many images take memory.
        """
        seen = values[..., ::-1] if self.flip else values
        seen *= np.asarray(self.scale, values.dtype)
        if self.offset != 0.0:
            seen += np.asarray(self.offset, values.dtype)
        return seen


@dataclass(frozen=True)
class Skipped:
    """Files of a part that hold no picture that can be read. count: of all; files: the first, each with the reason."""

    part: str
    count: int
    files: tuple[tuple[str, Text], ...]


@dataclass(frozen=True)
class Split:
    """How data in one part was split at random. share: of each class, for testing. seed: of the random numbers."""

    share: float
    seed: int


@dataclass(frozen=True)
class Dataset:
    """Labelled images with their origin.

    source: where they came from, in words. sha256: of images, labels and class names, see `data.samples.fingerprint`.
    skipped: what was left out because it could not be read, by part. prepared: what was done to the images when they
    were read, in sentences; None where they are as they were found. labelled: what the labels were. split: how parts
    were made of one, None where the data has them itself.
    """

    name: str
    source: Text
    train: Part | None
    test: Part
    class_names: tuple[str, ...]
    sha256: str
    pixels: Pixels = Pixels(1.0, text("Pixel values reach the model as they are stored."))
    skipped: Sequence[Skipped] = ()
    prepared: Text | None = None
    labelled: Labelled = Labelled()
    split: Split | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(*space, C) of every image."""
        return self.test.images.shape[1:]

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that there are, the test split first: images are numbered through in this order."""
        return {"test": self.test} | ({"train": self.train} if self.train is not None else {})

    def seen_as(self, pixels: Pixels) -> "Dataset":
        """Return the same images with another way to the model."""
        return replace(self, pixels=pixels)


def numbered_through(found: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return what the images of each part have, (n,), as one array, (N,); what one part has is not copied."""
    return found[0] if len(found) == 1 else np.concatenate(found)


def taken(parts: Sequence[Images], numbers: NDArray[np.int64]) -> NDArray[np.generic]:
    """Return the images with these ascending numbers, (M, *space, C), without joining the parts they come from."""
    found, start = [], 0
    for images in parts:
        found.append(images[numbers[(numbers >= start) & (numbers < start + len(images))] - start])
        start += len(images)
    return np.concatenate(found)


def spread(of: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of at most `most` of so many images, evenly spread: they may be sorted, by class or else."""
    return np.arange(min(of, most), dtype=np.int64) * of // min(of, most)


def repeats(parts: Iterable[Part]) -> NDArray[np.int64]:
    """Return the numbers, ascending, of images that show the same as an earlier one; numbered through the parts."""
    digests = numbered_through([part.survey.digests for part in parts])
    _, first = np.unique(digests, return_index=True)
    return np.delete(np.arange(len(digests)), first)


def cut(images: Images, start: int, stop: int) -> Images:
    """Return the images start ... stop - 1, without reading or copying any."""
    return images.cut(start, stop) if isinstance(images, Unread) else cast(Images, images[start:stop])


def blocks(images: Images) -> Iterator[NDArray[Any]]:
    """Yield all images in order, some at a time, so that working copies stay small."""
    each = int(np.prod(images.shape[1:], dtype=np.int64)) * images.dtype.itemsize
    step = max(BLOCK // max(each, 1), 1)
    for start in range(0, len(images), step):
        yield images[start : start + step]


def survey(images: Images) -> Survey:
    """Go through all images once, block by block."""
    sha, blake = hashlib.sha256(), hashlib.blake2b
    lows, highs, unusable = [], [], []
    digests, blank = np.empty(len(images), np.uint64), np.empty(len(images), np.bool_)
    done = 0
    for block in blocks(images):
        these = slice(done, done + len(block))
        block = np.ascontiguousarray(block)
        sha.update(block.reshape(-1).view(np.uint8).data)
        values = block
        if block.dtype.kind == "f":
            unusable.append(done + np.flatnonzero(~np.isfinite(block).reshape(len(block), -1).all(axis=1)))
            values = block.astype(np.float64)
            values += 0.0  # -0.0 becomes 0.0
        pixels = values.reshape(-1).view(np.uint8).data
        size = len(pixels) // len(block)
        found = b"".join(blake(pixels[at : at + size], digest_size=8).digest() for at in range(0, len(pixels), size))
        digests[these] = np.frombuffer(found, "<u8")
        flat = block.reshape(len(block), -1, block.shape[-1])
        blank[these] = (flat == flat[:, :1]).all(axis=(1, 2)) & (flat.shape[1] > 1)
        lows.append(_per_channel(np.fmin, flat))
        highs.append(_per_channel(np.fmax, flat))
        done += len(block)
    return Survey(
        low=np.min(lows, axis=0),
        high=np.max(highs, axis=0),
        unusable=np.concatenate([np.zeros(0, np.int64), *unusable]),
        digests=digests,
        blank=blank,
        sha256=sha.hexdigest(),
    )


def _per_channel(choose: np.ufunc, flat: NDArray[Any]) -> NDArray[np.float64]:
    """Reduce (N, P, C) to (C,) channel by channel: numpy is slow where the last axis is short."""
    return np.array([choose.reduce(flat[..., channel], axis=None) for channel in range(flat.shape[-1])], np.float64)

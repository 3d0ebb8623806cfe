"""Labelled images as they were found, and how their pixels reach the model."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reportgen.texts import Text, text


@dataclass(frozen=True)
class Part:
    """The training or the test part of a data set.

    images: (N, H, W, C), any integer, bool or float dtype, as stored.
    labels: (N,) int64, indices into the data set's class names.
    """

    images: NDArray[np.generic]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Pixels:
    """How a stored pixel becomes the number that the model sees: `scale * pixel`.

    said: the same in words, for the report.
    """

    scale: float
    said: Text


@dataclass(frozen=True)
class Dataset:
    """Labelled images with their origin.

    source: where they came from, in words. sha256: of the arrays, see `train.samples.fingerprint`.
    """

    name: str
    source: Text
    train: Part | None
    test: Part
    class_names: tuple[str, ...]
    sha256: str
    pixels: Pixels = Pixels(1.0, text("Pixel values reach the model as they are stored."))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every image."""
        return self.test.images.shape[1:]

    def seen_as(self, pixels: Pixels) -> "Dataset":
        """Return the same images with another way to the model."""
        return replace(self, pixels=pixels)

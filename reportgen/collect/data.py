"""The data set in figures, and the images in it that are equal or blank."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Dataset, Part
from reportgen.record import DataFacts

LISTED = 20
"""How many images or pairs of images a check lists."""

_CHUNK = 16_000_000  # bytes of images looked at together


@dataclass(frozen=True)
class Twins:
    """Two images with exactly the same pixels. first, second: the part ("train" or "test") and the number in it."""

    first: tuple[str, int]
    second: tuple[str, int]
    same_label: bool


@dataclass(frozen=True)
class DataChecks:
    """Images that are equal or blank. Counts are of all images; lists hold the first 20.

    shared: test images that are exactly in the training part; shared_pairs: each with its first copy there;
    shared_other_label: how many of them have another label than that copy.
    conflicting: images of either part with an exact copy, in any part, under another label; conflicting_pairs: for
    each such picture its first image and the first with another label.
    repeated: by part, images that repeat an earlier one of the same part. constant: by part, images of one colour
    (an image of a single pixel is none); constant_images: their numbers. A part that is not there has no key.
    """

    shared: int
    shared_other_label: int
    shared_pairs: list[Twins]
    conflicting: int
    conflicting_pairs: list[Twins]
    repeated: dict[str, int]
    constant: dict[str, int]
    constant_images: dict[str, list[int]]


def facts(dataset: Dataset, *, looked_at: list[str]) -> DataFacts:
    """Return sizes, shape, and the images per class of each part. looked_at: the parts that units are judged on."""
    classes = len(dataset.class_names)
    parts = {"train": dataset.train, "test": dataset.test}
    return DataFacts(
        name=dataset.name,
        source=dataset.source,
        train_size=None if dataset.train is None else len(dataset.train),
        test_size=len(dataset.test),
        input_shape=list(dataset.image_shape),
        class_names=list(dataset.class_names),
        class_counts={
            name: None if part is None else np.bincount(part.labels, minlength=classes).tolist()
            for name, part in parts.items()
        },
        pixels=dataset.pixels.said,
        looked_at=looked_at,
    )


def checks(dataset: Dataset) -> DataChecks:
    """Return which images are equal or blank; what it keeps beside the images is some numbers for each."""
    parts = {name: part for name, part in (("train", dataset.train), ("test", dataset.test)) if part is not None}
    hashes = {name: digests(part) for name, part in parts.items()}
    blank = {name: constant(part) for name, part in parts.items()}
    return DataChecks(
        **_equal(parts, hashes),
        repeated={name: len(found) - len(np.unique(found)) for name, found in hashes.items()},
        constant={name: len(found) for name, found in blank.items()},
        constant_images={name: found[:LISTED].tolist() for name, found in blank.items()},
    )


def digests(part: Part) -> NDArray[np.uint64]:
    """Return a 64-bit BLAKE2b digest of each image, (N,): equal for equal pixels, whatever their float type.

    Two different images among 100,000 have the same digest by chance once in four billion data sets.
    """
    blake, found = hashlib.blake2b, []
    for images in _chunks(part):
        if images.dtype.kind == "f":
            images = images.astype(np.float64) + 0.0  # -0.0 becomes 0.0
        pixels = np.ascontiguousarray(images).reshape(-1).view(np.uint8).data
        size = len(pixels) // len(images)
        found += [blake(pixels[at : at + size], digest_size=8).digest() for at in range(0, len(pixels), size)]
    return np.frombuffer(b"".join(found), np.dtype("<u8")).astype(np.uint64)


def constant(part: Part) -> NDArray[np.int64]:
    """Return the numbers of the images that show one colour, ascending; an image of a single pixel is none."""
    blank = [np.zeros(0, np.bool_)]
    for images in _chunks(part):
        pixels = images.reshape(len(images), -1, images.shape[-1])
        blank.append((pixels == pixels[:, :1]).all(axis=(1, 2)) & (pixels.shape[1] > 1))
    return np.flatnonzero(np.concatenate(blank))


def _chunks(part: Part) -> Iterator[NDArray[Any]]:
    """Yield the images, some at a time, so that working copies stay small."""
    step = max(_CHUNK // max(part.images[:1].nbytes, 1), 1)
    for start in range(0, len(part), step):
        yield part.images[start : start + step]


def _equal(parts: dict[str, Part], hashes: dict[str, NDArray[np.uint64]]) -> dict[str, Any]:
    """Return what DataChecks says about equal images; here all images are numbered through, training part first."""
    train = len(parts["train"]) if "train" in parts else 0
    labels = np.concatenate([part.labels for part in parts.values()])
    _, first, picture = np.unique(np.concatenate(list(hashes.values())), return_index=True, return_inverse=True)
    original = first[picture]  # (N,) the first image with the same pixels
    other = labels != labels[original]
    shared = train + np.flatnonzero(original[train:] < train)
    disputed, where = np.unique(original[other], return_index=True)  # pictures with several labels

    def place(image: int) -> tuple[str, int]:
        return ("train", image) if image < train else ("test", image - train)

    def pairs(ones: NDArray[np.int64], sames: NDArray[np.int64]) -> list[Twins]:
        both = zip(ones[:LISTED].tolist(), sames[:LISTED].tolist(), strict=True)
        return [Twins(place(one), place(same), bool(labels[one] == labels[same])) for one, same in both]

    return {
        "shared": len(shared),
        "shared_other_label": int(other[shared].sum()),
        "shared_pairs": pairs(shared, original[shared]),
        "conflicting": int(np.isin(original, disputed).sum()),
        "conflicting_pairs": pairs(disputed, np.flatnonzero(other)[where]),
    }

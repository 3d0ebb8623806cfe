"""The data set in figures, and the images in it that are equal or blank."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import Counts
from reportgen.dataset import Dataset, Part, numbered_through
from reportgen.i18n import joined
from reportgen.record.data import DataFacts, SkippedFile, SkippedFiles, SplitFacts

LISTED = 20
"""How many images or pairs of images a check lists."""


@dataclass(frozen=True)
class Twins:
    """Two images with exactly the same pixels. first, second: the part ("train" or "test") and the number in it."""

    first: tuple[str, int]
    second: tuple[str, int]
    same_label: bool


@dataclass(frozen=True)
class DataChecks:
    """Images that are equal or blank. Counts are of all images; lists hold the first 20.

    shared: test images that are exactly in the training split; shared_pairs: each with its first copy there;
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
    pixels, split = dataset.pixels.said, dataset.split
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
        pixels=pixels if dataset.prepared is None else joined(" ", [dataset.prepared, pixels]),
        looked_at=looked_at,
        skipped=[
            SkippedFiles(one.part, one.count, [SkippedFile(*file) for file in one.files]) for one in dataset.skipped
        ],
        split=SplitFacts(split.share, split.seed, len(dataset.test), sum(map(len, dataset.parts.values())))
        if split
        else None,
    )


def checks(dataset: Dataset) -> DataChecks:
    """Return which images are equal or blank; what it keeps beside the images is some numbers for each."""
    parts = dict(reversed(dataset.parts.items()))  # the training split first
    blank = {name: np.flatnonzero(part.survey.blank) for name, part in parts.items()}
    return DataChecks(
        **_equal(parts),
        constant={name: len(found) for name, found in blank.items()},
        constant_images={name: found[:LISTED].tolist() for name, found in blank.items()},
    )


def _equal(parts: dict[str, Part]) -> dict[str, Any]:
    """Return what DataChecks says about equal images; here all images are numbered through, training split first."""
    train = len(parts["train"]) if "train" in parts else 0
    labels = numbered_through([part.labels for part in parts.values()])
    digests = numbered_through([part.survey.digests for part in parts.values()])
    copies = _with_an_equal(digests)
    _, first, picture = np.unique(digests[copies], return_index=True, return_inverse=True)
    original = copies[first[picture]]  # the first image with the same pixels
    other = labels[copies] != labels[original]
    shared = (copies >= train) & (original < train)
    disputed, where = np.unique(original[other], return_index=True)  # pictures with several labels
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    of_parts = np.split(digests[copies], np.searchsorted(copies, ends))

    def place(image: int) -> tuple[str, int]:
        return ("train", image) if image < train else ("test", image - train)

    def pairs(ones: Counts, sames: Counts) -> list[Twins]:
        both = zip(ones[:LISTED].tolist(), sames[:LISTED].tolist(), strict=True)
        return [Twins(place(one), place(same), bool(labels[one] == labels[same])) for one, same in both]

    return {
        "shared": int(shared.sum()),
        "shared_other_label": int(other[shared].sum()),
        "shared_pairs": pairs(copies[shared], original[shared]),
        "conflicting": int(np.isin(original, disputed).sum()),
        "conflicting_pairs": pairs(disputed, copies[other][where]),
        "repeated": {name: len(found) - len(np.unique(found)) for name, found in zip(parts, of_parts, strict=True)},
    }


def _with_an_equal(digests: NDArray[np.uint64]) -> Counts:
    """Return the numbers of the images that are not the only one with their digest, ascending; mostly they are few."""
    order = np.argsort(digests)
    ascending = digests[order]
    same = ascending[1:] == ascending[:-1]
    return np.unique(np.concatenate([order[1:][same], order[:-1][same]]))

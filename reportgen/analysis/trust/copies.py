"""Copies of images, exact and near, within and across splits, and what they do to the accuracy.

Images with the same pixels are one picture. Near copies are looked for among pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen import intervals
from reportgen.analysis.activations.tally import Counts
from reportgen.analysis.activations.traces import Traces
from reportgen.analysis.trust import neighbours, pixels
from reportgen.dataset import Images, Part, Unread, numbered_through, taken
from reportgen.i18n import Text, text
from reportgen.record.trust import AccuracyWithout, Leaks, PairCounts

LISTED = 1000
"""Most pairs of each kind, exact and near, that a report lists."""
NEIGHBOURS = 3
"""Of each picture so many others are compared with it pixel by pixel."""

_MOST_VALUES = 400_000_000  # pixels of pairs that are compared
_MOST_READ = 128_000_000  # bytes of images that are read from the disk for it
_SEED = 20220614


@dataclass(frozen=True, eq=False)
class _Images:
    """All images, numbered through the parts. first: (N,) the first image with the same pixels, of its own part.

    picture: (N,) which picture each shows; pictures are numbered by their first image. train: (N,) whether it is one.
    """

    parts: Mapping[str, Part]
    picture: Counts
    train: NDArray[np.bool_]

    @property
    def has_train(self) -> bool:
        return "train" in self.parts

    def firsts(self, *, train: bool) -> Counts:
        """Return the first image of each picture in one of the splits, -1 where it has none there."""
        numbers = np.flatnonzero(self.train == train)
        found = np.full(self.picture.max(initial=-1) + 1, -1, np.int64)
        found[self.picture[numbers[::-1]]] = numbers[::-1]
        return found

    def place(self, image: int) -> list[Any]:
        """Return the split of an image and its number there."""
        for name, part in self.parts.items():
            if image < len(part):
                return [name, image]
            image -= len(part)
        raise IndexError(image)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of images, (P, 2), by where they lie; those across have the test image first."""

    train: Counts
    test: Counts
    across: Counts

    def counts(self, images: _Images) -> PairCounts:
        has_train = images.has_train
        return PairCounts(
            len(self.train) if has_train else None, len(self.test), len(self.across) if has_train else None
        )

    def listed(self, images: _Images) -> list[list[Any]]:
        """Return the first of them: across, which matter most, then within the test split, then the training split."""
        together = np.concatenate([self.across, self.test, self.train])[:LISTED]
        return [images.place(one) + images.place(other) for one, other in together.tolist()]


def leaks(
    parts: Mapping[str, Part], traces: Mapping[str, Traces], right: NDArray[np.bool_], *, why_not: Text | None
) -> Leaks:
    """Return which images occur more than once.

    parts: the test split first. traces: of each. right: (N,) whether the model is right about each test image.
    why_not: why near copies are not looked for.
    """
    images = _numbered(parts)
    exact = _exact(images)
    shared = set(exact.across[:, 0].tolist())
    exact_leaked = len(shared)
    near, notes, reasons = None, list[Text](), dict[str, Text]()
    found = compared = np.zeros((0, 2), np.int64)
    if why_not is None:
        found = _neighbours(images, traces)
        compared, too_many = _affordable(found, parts)
        alike = compared[_alike(compared, parts)]
        near = _near(images, alike)
        shared |= set(_leaked(images, alike).tolist())
        notes = [*_left_out(parts, traces), *too_many]
    else:
        reasons["near"] = why_not
    without = _without(right, np.array(sorted(shared), np.int64))
    if without is None:
        reasons["accuracy_without"] = _why_no_accuracy(images, len(shared), len(right))
    if not images.has_train:
        reasons["test_images"] = text("the data has no training split")
    return Leaks(
        exact=exact.listed(images),
        near=[] if near is None else near.listed(images),
        accuracy_without=without,
        exact_counts=exact.counts(images),
        near_counts=None if near is None else near.counts(images),
        test_images=len(shared) if images.has_train else None,
        exact_test_images=exact_leaked if images.has_train else None,
        compared=len(compared),
        neighbours=len(found),
        reasons=reasons,
        notes=notes,
    )


def _numbered(parts: Mapping[str, Part]) -> _Images:
    digests = numbered_through([part.survey.digests for part in parts.values()])
    _, first, shown = np.unique(digests, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    train = np.concatenate([np.full(len(part), name == "train") for name, part in parts.items()])
    return _Images(parts, rank[shown], train)


def _exact(images: _Images) -> _Pairs:
    """Return each image that repeats an earlier one of its split with that, and each test image that training has."""
    numbers = np.arange(len(images.picture))
    of_train, of_test = (images.firsts(train=train)[images.picture] for train in (True, False))

    def pairs(which: NDArray[np.bool_], with_: Counts, *, behind: bool) -> Counts:
        two = (with_[which], numbers[which]) if behind else (numbers[which], with_[which])
        return np.stack(two, axis=1)

    return _Pairs(
        train=pairs(images.train & (of_train != numbers), of_train, behind=True),
        test=pairs(~images.train & (of_test != numbers), of_test, behind=True),
        across=pairs(~images.train & (of_train >= 0), of_train, behind=False),
    )


def _neighbours(images: _Images, traces: Mapping[str, Traces]) -> Counts:
    """Return pairs of images, (P, 2), that show different pictures and are near in what was traced, nearest first."""
    starts = dict(zip(images.parts, np.cumsum([0, *map(len, images.parts.values())]).tolist(), strict=False))
    numbers = np.concatenate([traces[name].numbers + starts[name] for name in images.parts])
    features = np.concatenate([traces[name].features for name in images.parts])
    _, first = np.unique(images.picture[numbers], return_index=True)  # one image for each picture
    first.sort()
    numbers, features = numbers[first], features[first]
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    # at one length, since brightness mostly changes that alone
    features = np.divide(features, lengths, where=lengths > 0, out=np.zeros_like(features))
    nearest, distances = neighbours.nearest(features, NEIGHBOURS, seed=_SEED)
    there = nearest >= 0
    ones = np.broadcast_to(np.arange(len(numbers))[:, np.newaxis], nearest.shape)[there]
    pairs = np.sort(np.stack([ones, nearest[there]], axis=1), axis=1)
    _, once = np.unique(pairs[:, 0] * len(numbers) + pairs[:, 1], return_index=True)
    order = np.argsort(distances[there][once], kind="stable")
    return np.asarray(numbers[pairs[once][order]])


def _affordable(pairs: Counts, parts: Mapping[str, Part]) -> tuple[Counts, list[Text]]:
    """Return the nearest pairs, as many as can be compared pixel by pixel, and what is left out."""
    images = next(iter(parts.values())).images
    values = max(int(np.prod(images.shape[1:])), 1)
    most = max(_MOST_VALUES // values, 1)
    if any(isinstance(part.images, Unread) for part in parts.values()):
        _, first = np.unique(pairs, return_index=True)
        read = np.bincount(first // 2, minlength=len(pairs)).cumsum()  # images that so many pairs need
        most = min(most, int((read * values * images.dtype.itemsize <= _MOST_READ).sum()))
    if len(pairs) <= most:
        return pairs, []
    note = text(
        "Of {all} pairs of neighbours the {compared} nearest were compared pixel by pixel.",
        all=f"{len(pairs):,}",
        compared=f"{most:,}",
    )
    return pairs[:most], [note]


def _alike(pairs: Counts, parts: Mapping[str, Part]) -> NDArray[np.bool_]:
    """Return which pairs of images are near copies. What lies on the disk is read once."""
    images: list[Images] = [part.images for part in parts.values()]
    if any(isinstance(one, Unread) for one in images):
        numbers, places = np.unique(pairs, return_inverse=True)
        images, pairs = [taken(images, numbers)], places.reshape(-1, 2)
    return np.asarray(pixels.correlations(images, pairs) >= pixels.NEAR)


def _left_out(parts: Mapping[str, Part], traces: Mapping[str, Traces]) -> list[Text]:
    traced, there = (sum(map(len, of.values())) for of in (traces, parts))
    if traced == there:
        return []
    said = text(
        "Near copies were looked for among {traced} of {all} images, evenly spread.",
        traced=f"{traced:,}",
        all=f"{there:,}",
    )
    return [said]


def _near(images: _Images, pairs: Counts) -> _Pairs:
    """Return pairs of near copies, each picture by its first image in the split."""
    of_train, of_test = images.firsts(train=True), images.firsts(train=False)
    one, other = images.picture[pairs].T

    def both(a: Counts, b: Counts) -> Counts:
        return np.stack([a, b], axis=1)[(a >= 0) & (b >= 0)]

    across = np.concatenate([both(of_test[one], of_train[other]), both(of_test[other], of_train[one])])
    return _Pairs(both(of_train[one], of_train[other]), both(of_test[one], of_test[other]), across)


def _leaked(images: _Images, pairs: Counts) -> Counts:
    """Return the test images with a near copy in the training split."""
    of_train = images.firsts(train=True)
    one, other = images.picture[pairs].T
    pictures = np.concatenate([one[of_train[other] >= 0], other[of_train[one] >= 0]])
    return np.flatnonzero(~images.train & np.isin(images.picture, pictures))


def _without(right: NDArray[np.bool_], leaked: Counts) -> AccuracyWithout | None:
    """Return the accuracy without some test images; None where that is all of them or none."""
    if not 0 < len(leaked) < len(right):
        return None
    among, of = int(right[leaked].sum()), len(leaked)
    rest, left = int(right.sum()) - among, len(right) - of
    share = of / len(right)
    return AccuracyWithout(
        value=rest / left,
        interval=list(intervals.wilson(rest, left)),
        images=left,
        change=rest / left - float(right.mean()),
        change_interval=[share * end for end in intervals.difference((rest, left), (among, of))],
    )


def _why_no_accuracy(images: _Images, leaked: int, test: int) -> Text:
    if not images.has_train:
        return text("the data has no training split")
    if leaked == test:
        return text("every test image has a copy in the training split")
    return text("no copy of a test image was found in the training split")

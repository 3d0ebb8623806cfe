"""Copies of images, exact and near, against all pairs; what counts as a leak, and what it does to the accuracy."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from reportgen import intervals
from reportgen.analysis.activations import traces
from reportgen.analysis.activations.traces import Traced, Traces
from reportgen.analysis.trust import copies
from reportgen.dataset import Part
from reportgen.i18n import literal
from reportgen.record.trust import Leaks, PairCounts
from tests.analysis.trust.test_pixels import by_definition

Array = Any
SIDE = 10


def traced(images: Array, every: int = 1) -> Traces:
    """Return traces whose features are the sorted pixels, which no shift changes, at one length."""
    flat = np.sort(images[:].reshape(len(images), -1).astype(np.float32), axis=1)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1)
    return traces.of(np.zeros((len(images), 2), np.float32), flat, 0, Traced(every))


def found(train: Array | None, test: Array, right: Array | None = None, **how: Any) -> Leaks:
    parts = {"test": Part(test, np.zeros(len(test), np.int64))}
    if train is not None:
        parts["train"] = Part(train, np.zeros(len(train), np.int64))
    right = np.ones(len(test), bool) if right is None else right
    every = how.pop("every", 1)
    return copies.leaks(
        parts, {name: traced(part.images, every) for name, part in parts.items()}, right, **{"why_not": None, **how}
    )


def made(count: int, seed: int) -> Array:
    """Return images with noise in their middle, no two alike."""
    images = np.zeros((count, SIDE, SIDE, 1), np.uint8)
    images[:, 2:-2, 2:-2, 0] = np.random.default_rng(seed).integers(0, 128, (count, SIDE - 4, SIDE - 4))
    return images


def planted() -> tuple[Array, Array]:
    """Return a training and a test split with copies of every kind."""
    train, test = made(80, 0), made(40, 1)
    train[50] = train[51] = train[10]  # three of one picture
    train[60] = np.roll(train[20], 1, axis=0)
    test[25] = test[5]
    test[26] = 2 * test[6]
    test[0] = test[1] = train[30]
    test[27] = train[60]  # equal to 60, and near to 20
    test[28] = np.roll(train[40], -1, axis=1) // 2
    return train, test


def by_all_pairs(parts: Mapping[str, Array]) -> tuple[set[Any], set[Any], set[int]]:
    """Return exact pairs, near pairs of pictures, and the numbers of the test images that leaked, by the definition."""
    everyone = [(name, n) for name in ("train", "test") for n in range(len(parts[name]))]
    exact, near, leaked = set(), set(), set()
    for one, other in combinations(everyone, 2):
        a, b = parts[one[0]][one[1]], parts[other[0]][other[1]]
        equal = np.array_equal(a, b)
        alike = not equal and by_definition(a, b) >= 0.98
        if equal:
            exact.add((one, other))
        if alike:
            near.add((one, other))
        if (equal or alike) and one[0] == "train" and other[0] == "test":
            leaked.add(other[1])
    return exact, near, leaked


@pytest.mark.slow
def test_copies_are_those_that_all_pairs_show() -> None:
    train, test = planted()
    leaks = found(train, test)
    exact, near, leaked = by_all_pairs({"train": train, "test": test})

    def pairs(listed: list[list[Any]]) -> set[Any]:
        return {tuple(sorted([(a, m), (b, n)], key=lambda one: (one[0] != "train", one[1]))) for a, m, b, n in listed}

    assert pairs(leaks.exact) <= exact and pairs(leaks.near) <= near
    assert leaks.exact_counts == PairCounts(train=2, test=2, across=3)
    assert leaks.near_counts == PairCounts(train=1, test=1, across=2)  # of equal images the first stands for all
    assert (leaks.test_images, leaks.exact_test_images) == (len(leaked), 3) == (4, 3)
    assert leaks.exact[0] == ["test", 0, "train", 30] and ["train", 10, "train", 51] in leaks.exact
    assert ["test", 28, "train", 40] in leaks.near and ["test", 6, "test", 26] in leaks.near


def test_the_accuracy_without_leaked_images_has_its_intervals() -> None:
    train, test = planted()
    right = np.arange(len(test)) % 3 > 0
    right[[0, 1, 27, 28]] = True
    without = found(train, test, right).accuracy_without
    rest = np.delete(right, [0, 1, 27, 28])
    assert without is not None and without.images == 36
    assert without.value == rest.mean()
    assert without.interval == list(intervals.wilson(int(rest.sum()), 36))
    assert without.change == pytest.approx(rest.mean() - right.mean())
    low, high = without.change_interval
    assert low < without.change < high
    assert without.change == pytest.approx(0.1 * (rest.mean() - 1))


def test_vectors_and_models_without_penultimate_values_still_have_exact_copies() -> None:
    train, test = planted()
    leaks = found(train, test, why_not=literal("vectors have no pixels"))
    assert leaks.near == [] and leaks.near_counts is None and leaks.test_images == 3
    assert leaks.reasons == {"near": "vectors have no pixels"}


def test_without_a_training_split_only_the_test_split_is_compared() -> None:
    leaks = found(None, planted()[1])
    assert leaks.exact_counts == PairCounts(train=None, test=2, across=None)
    assert leaks.test_images is None and leaks.accuracy_without is None
    assert set(leaks.reasons) == {"accuracy_without", "test_images"}


def test_what_no_accuracy_can_be_given_for_has_a_reason() -> None:
    train, test = made(20, 0), made(10, 1)
    assert found(train, test).reasons["accuracy_without"] == "no copy of a test image was found in the training split"
    same = found(train, train)
    assert same.reasons["accuracy_without"] == "every test image has a copy in the training split"
    assert same.test_images == same.exact_test_images == 20
    assert same.near_counts == PairCounts(0, 0, 0)


def test_many_copies_of_one_picture_stay_few_pairs() -> None:
    one = np.repeat(made(1, 0), 1500, axis=0)
    leaks = found(one, one[:10])
    assert leaks.exact_counts == PairCounts(train=1499, test=9, across=10)
    assert len(leaks.exact) == copies.LISTED and leaks.neighbours == 0


class OnDisk:
    """Images that say that they lie on a disk; how often each was read."""

    on_path = True

    def __init__(self, images: Array) -> None:
        self.images, self.reads = images, 0
        self.shape, self.dtype = images.shape, images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def cut(self, start: int, stop: int) -> "OnDisk":
        return OnDisk(self.images[start:stop])

    def __getitem__(self, which: Any) -> Array:
        self.reads += len(self.images[which])
        return self.images[which]


def test_what_lies_on_the_disk_is_read_once_and_only_as_much_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = planted()
    leaks = found(OnDisk(train), OnDisk(test))
    assert leaks.near_counts == PairCounts(train=1, test=1, across=2) and leaks.notes == []
    monkeypatch.setattr(copies, "_MOST_READ", 20 * SIDE * SIDE)
    few = found(OnDisk(train), OnDisk(test))
    assert 10 <= few.compared < 20 < few.neighbours
    assert str(few.notes[0]).startswith(f"Of {few.neighbours} pairs of neighbours the {few.compared} nearest")


def test_of_very_many_images_only_some_are_traced_and_that_is_said() -> None:
    train, test = planted()
    leaks = found(train, test, every=2)
    assert leaks.exact_counts == PairCounts(train=2, test=2, across=3)  # these need no traces
    assert leaks.notes == ["Near copies were looked for among 60 of 120 images, evenly spread."]

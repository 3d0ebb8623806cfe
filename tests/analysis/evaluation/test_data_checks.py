"""Equal and blank images, against slow loops over every pair."""

import dataclasses
import hashlib
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen import dataset
from reportgen.analysis.evaluation import data
from reportgen.analysis.evaluation.data import DataChecks, Twins
from reportgen.dataset import Dataset, Part, Skipped
from reportgen.i18n import literal
from reportgen.record.data import SkippedFile, SkippedFiles


def make_part(images: Any, labels: Any = None) -> Part:
    images = np.asarray(images)
    return Part(images, np.zeros(len(images), np.int64) if labels is None else np.asarray(labels, np.int64))


def make_dataset(train: Part | None, test: Part) -> Dataset:
    return Dataset("tiny", "made for a test", train, test, ("a", "b", "c"), "0" * 64)


def tiny(seed: int, images: int, shape: tuple[int, ...] = (2, 2, 1), dtype: Any = np.uint8) -> Part:
    """Return images of two grey levels, so small that many are equal, blank or both."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 2, (images, *shape)).astype(dtype)
    return make_part(pixels, generator.integers(0, 3, images))


def by_hand(train: Part | None, test: Part) -> DataChecks:
    """Return the checks, worked out image by image."""
    parts = {"train": train, "test": test} if train is not None else {"test": test}
    places = [(name, n) for name, part in parts.items() for n in range(len(part))]

    def image(place: tuple[str, int]) -> list[Any]:
        return parts[place[0]].images[place[1]].tolist()

    def label(place: tuple[str, int]) -> int:
        return int(parts[place[0]].labels[place[1]])

    def copies(place: tuple[str, int]) -> list[tuple[str, int]]:
        return [other for other in places if image(other) == image(place)]

    shared = [
        Twins(place, first, label(place) == label(first))
        for place in places
        if place[0] == "test" and (first := copies(place)[0])[0] == "train"
    ]
    conflicting, pairs = 0, []
    for place in places:
        others = [other for other in copies(place) if label(other) != label(place)]
        conflicting += bool(others)
        if others and copies(place)[0] == place:
            pairs.append(Twins(place, others[0], False))
    blank = {name: [n for n in range(len(part)) if is_blank(part.images[n])] for name, part in parts.items()}
    return DataChecks(
        shared=len(shared),
        shared_other_label=sum(not twins.same_label for twins in shared),
        shared_pairs=shared[:20],
        conflicting=conflicting,
        conflicting_pairs=pairs[:20],
        repeated={
            name: sum(any(image((name, m)) == image((name, n)) for m in range(n)) for n in range(len(part)))
            for name, part in parts.items()
        },
        constant={name: len(found) for name, found in blank.items()},
        constant_images={name: found[:20] for name, found in blank.items()},
    )


def is_blank(image: NDArray[Any]) -> bool:
    colours = [tuple(pixel) for row in image.tolist() for pixel in row]
    return len(colours) > 1 and len(set(colours)) == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 2, 1), np.uint8), ((1, 2, 3), np.int16), ((2, 2, 2), np.float32), ((2, 3, 1), bool), ((1, 1, 2), np.uint8)],
    ids=str,
)
def test_every_count_and_list_is_what_slow_loops_give(seed: int, shape: tuple[int, ...], dtype: Any) -> None:
    train, test = tiny(seed, 40, shape, dtype), tiny(seed + 100, 30, shape, dtype)
    assert data.checks(make_dataset(train, test)) == by_hand(train, test)


@pytest.mark.parametrize("seed", range(3))
def test_looking_at_few_images_at_a_time_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = tiny(seed, 41), tiny(seed + 100, 30)
    monkeypatch.setattr(dataset, "BLOCK", 4 * 7)
    assert data.checks(make_dataset(train, test)) == by_hand(train, test)


def test_without_a_training_part_the_test_part_is_looked_at_alone() -> None:
    test = tiny(0, 30)
    found = data.checks(make_dataset(None, test))
    assert found == by_hand(None, test)
    assert (found.shared, found.shared_pairs, list(found.constant)) == (0, [], ["test"])


def test_different_images_are_no_finding() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(16, 2, 2, 1)
    found = data.checks(make_dataset(make_part(grey[:8]), make_part(grey[8:])))
    assert found == DataChecks(
        0, 0, [], 0, [], {"train": 0, "test": 0}, {"train": 0, "test": 0}, {"train": [], "test": []}
    )


def test_pairs_and_numbers_are_cut_after_twenty_but_counted_in_full() -> None:
    blank = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1) * np.ones((1, 2, 2, 1), np.uint8)
    found = data.checks(make_dataset(make_part(blank), make_part(blank, np.ones(50))))
    assert (found.shared, found.shared_other_label, found.conflicting, found.constant["test"]) == (50, 50, 100, 50)
    assert found.shared_pairs == [Twins(("test", n), ("train", n), False) for n in range(20)]
    assert found.conflicting_pairs == [Twins(("train", n), ("test", n), False) for n in range(20)]
    assert found.constant_images["test"] == list(range(20))


def test_an_image_of_one_colour_is_blank_although_its_channels_differ() -> None:
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert make_part(red).survey.blank.tolist() == [True]
    red[0, 1, 1, 2] = 1
    assert make_part(red).survey.blank.tolist() == [False]


def test_an_image_with_a_nan_is_not_blank() -> None:
    assert make_part(np.full((1, 2, 2, 1), np.nan)).survey.blank.tolist() == [False]


# The one pass over all images


def test_equal_images_and_no_others_have_equal_digests() -> None:
    part = tiny(0, 60)
    found = part.survey.digests
    assert (found.shape, found.dtype) == ((60,), np.uint64)
    for a in range(60):
        for b in range(60):
            assert (found[a] == found[b]) == bool((part.images[a] == part.images[b]).all())


def test_pixels_in_another_order_are_another_image() -> None:
    first, second = make_part(np.array([[[[0], [1]]], [[[1], [0]]]], np.uint8)).survey.digests
    assert first != second


def test_equal_floats_of_any_width_and_zeros_of_any_sign_are_equal() -> None:
    pixels = np.array([0.0, 0.5, 1.0, 0.25]).reshape(1, 2, 2, 1)
    expected = make_part(pixels).survey.digests
    for dtype in ("<f2", "<f4", ">f4", ">f8"):
        assert (make_part(pixels.astype(dtype)).survey.digests == expected).all(), dtype
    pixels[0, 0, 0, 0] = -0.0
    assert (make_part(pixels).survey.digests == expected).all()


def test_how_images_lie_in_memory_does_not_matter() -> None:
    part = tiny(0, 20, (2, 3, 2))
    for images in (np.asfortranarray(part.images), part.images[::-1][::-1], np.repeat(part.images, 2, axis=1)[:, ::2]):
        found = make_part(images).survey
        assert (found.digests == part.survey.digests).all()
        assert (found.blank == part.survey.blank).all()
        assert found.sha256 == part.survey.sha256


def test_digests_are_the_same_in_every_process() -> None:
    part = make_part(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1))
    expected = int.from_bytes(hashlib.blake2b(bytes(range(4)), digest_size=8).digest(), "little")
    assert part.survey.digests.tolist() == [expected]
    assert part.survey.sha256 == hashlib.sha256(bytes(range(4))).hexdigest()


def test_the_range_of_every_channel_is_that_of_all_blocks_and_leaves_nan_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "BLOCK", 100)
    pixels = np.random.default_rng(0).standard_normal((50, 2, 3, 4))
    expected = pixels.min(axis=(0, 1, 2)).tolist(), pixels.max(axis=(0, 1, 2)).tolist()
    pixels[7, 1, 1] = pixels[33, 0, 0] = np.nan, np.nan, np.nan, 0
    found = make_part(pixels).survey
    assert (found.low.tolist(), found.high.tolist()) == expected
    assert found.unusable.tolist() == [7, 33]


def test_images_are_gone_through_once_however_often_they_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[Any] = []
    monkeypatch.setattr(dataset, "survey", lambda images: passes.append(images) or dataset.Survey)
    part = tiny(0, 10)
    assert part.survey is part.survey
    assert len(passes) == 1


def test_files_without_a_picture_become_facts_of_the_data() -> None:
    whole = make_dataset(None, tiny(0, 4))
    skipped = [Skipped("test", 25, (("a/1.png", literal("it is empty")),))]
    found = data.facts(dataclasses.replace(whole, skipped=skipped), looked_at=["test"])
    assert found.skipped == [SkippedFiles("test", 25, [SkippedFile("a/1.png", literal("it is empty"))])]
    assert data.facts(whole, looked_at=["test"]).skipped == []


def test_many_images_take_no_long_time() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20_000, 28, 28, 1), dtype=np.uint8)
    whole = make_dataset(make_part(images[:15_000]), make_part(images[15_000:]))
    begin = time.process_time()
    data.checks(whole)
    assert time.process_time() - begin < 2  # 0.1 s on two slow cores; a loop over pixels takes minutes

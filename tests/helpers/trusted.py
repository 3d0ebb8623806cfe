"""A record with copies of images and labels that look wrong."""

import dataclasses
from typing import Any

import numpy as np

from reportgen.i18n import literal
from reportgen.record.data import DataFacts
from reportgen.record.pictures import TrustPictures
from reportgen.record.run import Record
from reportgen.record.trust import AccuracyWithout, Leaks, PairCounts, SuspectLabel, SuspectScore, SuspectSearch
from tests.helpers.builders import make_record


def make_leaks(**changes: Any) -> Leaks:
    """Return one test image that is in the training split, and one that nearly is."""
    leaks = Leaks(
        exact=[["test", 1, "train", 7], ["train", 2, "train", 3]],
        near=[["test", 4, "train", 9]],
        accuracy_without=AccuracyWithout(0.75, [0.3, 0.95], 4, -0.083, [-0.2, 0.1]),
        exact_counts=PairCounts(1, 0, 1),
        near_counts=PairCounts(0, 0, 1),
        test_images=2,
        exact_test_images=1,
        compared=20,
        neighbours=20,
    )
    return dataclasses.replace(leaks, **changes)


def make_search(**changes: Any) -> SuspectSearch:
    search = SuspectSearch({"test": 2, "train": 1}, {"test": 6, "train": 12}, {}, [literal("A note on labels.")])
    return dataclasses.replace(search, **changes)


def with_doubts(facts: DataFacts, text: str = "square", **changes: Any) -> DataFacts:
    """Return the data set in figures with copies and doubted labels. text: the name of each suggested class."""
    doubted = dataclasses.replace(
        facts,
        leaks=make_leaks(),
        suspect_labels=[
            SuspectLabel("test", 3, "circle", text, 0.875),
            SuspectLabel("test", 5, "star", text, -0.125),
            SuspectLabel("train", 11, "circle", text, 0.5),
        ],
        suspect_labels_score=SuspectScore(0.81, 0.62, 1, 6, 20),
        suspect_labels_search=make_search(),
    )
    return dataclasses.replace(doubted, **changes)


def doubted_record(
    shape: tuple[int, ...] = (4, 4, 1), pictures: dict[str, Any] | None = None, **changes: Any
) -> Record:
    """Return a record with doubts. changes: of its facts; pictures: of its other pictures."""
    images = np.random.default_rng(1).integers(0, 256, (3, 2, *shape), dtype=np.uint8)
    shown = TrustPictures(images[:2], images[2:], np.array([0, 1, 2]), images[:, 0])
    record = make_record()
    return dataclasses.replace(
        record,
        data=with_doubts(record.data, **changes),
        pictures=dataclasses.replace(record.pictures, trust=shown, **(pictures or {})),
    )

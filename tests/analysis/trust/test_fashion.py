"""Exact copies in the whole of Fashion-MNIST, from Debian's package dataset-fashion-mnist or another folder.

Its first version had 43 pairs within the training split, 1 within the test split and 10 across (issue 44 of its
repository). The version that followed the same day has none: there they are planted again.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from reportgen.analysis.trust import copies
from reportgen.data import samples
from reportgen.dataset import Dataset, Part
from reportgen.i18n import literal
from reportgen.record.trust import Leaks, PairCounts

FOLDER = Path(os.environ.get("REPORTGEN_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
IN_TRAIN = [
    (601, 39865), (831, 24228), (1826, 23718), (2024, 53883), (4974, 6293), (5520, 49165), (5790, 11845),
    (5822, 33399), (6139, 37731), (6280, 41036), (8485, 31238), (8841, 28184), (12571, 56657), (14096, 32343),
    (14710, 22159), (15587, 28635), (19308, 20114), (19668, 21571), (19760, 39489), (19888, 24443), (21072, 32800),
    (22852, 28789), (23052, 57107), (23413, 33731), (24785, 46015), (25297, 40077), (25629, 49588), (26314, 49351),
    (27045, 40033), (27421, 31627), (32113, 38337), (32300, 33730), (32303, 56840), (32888, 41918), (32922, 54584),
    (36634, 39841), (38261, 41877), (42756, 53842), (46667, 57724), (46782, 54829), (47929, 54185), (48480, 59607),
    (48955, 51368),
]  # fmt: skip
IN_TEST = [(6334, 8569)]
ACROSS = [(test, train) for test, train in zip(range(100, 1100, 100), range(101, 60_000, 6000), strict=False)]


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    if not (FOLDER / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("install dataset-fashion-mnist of Debian, or set REPORTGEN_FASHION_MNIST to such a folder")
    return samples.load(str(FOLDER), test_only=True)


def exact(dataset: Dataset) -> Leaks:
    return copies.leaks(dataset.parts, {}, np.ones(len(dataset.test), bool), why_not=literal("not asked"))


@pytest.mark.slow
def test_today_it_has_no_two_equal_images(fashion: Dataset) -> None:
    assert exact(fashion).exact_counts == PairCounts(0, 0, 0)


@pytest.mark.slow
def test_the_copies_of_its_first_version_are_found_and_no_others(fashion: Dataset) -> None:
    assert fashion.train is not None
    train, test = fashion.train.images[:], fashion.test.images[:]
    for one, other in IN_TRAIN:
        train[other] = train[one]
    for one, other in IN_TEST:
        test[other] = test[one]
    for one, other in ACROSS:
        test[one] = train[other]
    parts = Part(train, fashion.train.labels), Part(test, fashion.test.labels)
    found = exact(dataclasses.replace(fashion, train=parts[0], test=parts[1]))
    assert found.exact_counts == PairCounts(43, 1, 10) and found.test_images == 10
    assert sorted(found.exact) == sorted(
        [["train", one, "train", other] for one, other in IN_TRAIN]
        + [["test", one, "test", other] for one, other in IN_TEST]
        + [["test", one, "train", other] for one, other in ACROSS]
    )

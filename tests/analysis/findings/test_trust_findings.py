"""Findings about copies of test images in the training split, and about labels that look wrong."""

from typing import Any

import pytest

from reportgen.record.trust import SuspectScore
from tests.analysis.findings.test_findings import codes, make_data, only
from tests.helpers.trusted import make_leaks, make_search, with_doubts

DATA = make_data([400, 400, 400])
NO_LABELS = make_search(candidates={"test": 0, "train": 0})
NO_COPIES = make_leaks(test_images=0, exact_test_images=0)


def doubted(**changes: Any) -> Any:
    return with_doubts(DATA, **{"suspect_labels_search": NO_LABELS, "leaks": NO_COPIES, **changes})


@pytest.mark.parametrize(("leaked", "exact", "code"), [(15, 15, "test-split-leaked"), (15, 0, "test-split-leaked")])
def test_from_five_per_cent_on_leaks_are_an_error(leaked: int, exact: int, code: str) -> None:
    one = only(code, data=doubted(leaks=make_leaks(test_images=leaked, exact_test_images=exact)))
    assert one.severity == "error"
    assert (
        f"15 of 300 test images (5.0 %) have a copy in the training split, {exact} of them pixel for pixel"
        in one.message
    )
    assert (
        "Without these 15 images the accuracy is 75.00 % (95 % interval 30.00 % to 95.00 %), a change of −8.30 points."
        in one.message
    )


def test_fewer_near_copies_are_a_notice_and_exact_ones_alone_are_told_elsewhere() -> None:
    one = only("nearly-in-train", data=doubted(leaks=make_leaks(test_images=14, exact_test_images=4)))
    assert one.severity == "notice" and one.message.startswith("10 test images are nearly the same as training images")
    assert not codes(data=doubted(leaks=make_leaks(test_images=14, exact_test_images=14)))
    assert not codes(data=doubted(leaks=make_leaks(test_images=None, exact_test_images=None)))


def test_an_accuracy_that_is_undefined_is_said_to_be() -> None:
    leaks = make_leaks(test_images=300, exact_test_images=300, accuracy_without=None)
    assert "is undefined" in only("test-split-leaked", data=doubted(leaks=leaks)).message


@pytest.mark.parametrize(("count", "code"), [(6, "many-suspect-labels"), (5, "suspect-labels"), (1, "suspect-labels")])
def test_labels_that_look_wrong_are_a_warning_from_two_per_cent_on(count: int, code: str) -> None:
    search = make_search(candidates={"test": count, "train": 0}, searched={"test": 300, "train": 1200})
    one = only(code, data=doubted(suspect_labels_search=search))
    assert one.severity == ("warning" if code.startswith("many") else "notice")
    assert 'test image 3 is "circle" and looks like "square"' in one.message
    assert one.message.endswith("with an average precision of 0.81.")


def test_where_the_search_works_badly_many_candidates_are_no_warning() -> None:
    search = make_search(candidates={"test": 90, "train": 0}, searched={"test": 300, "train": 1200})
    score = SuspectScore(0.49, 0.4, 3, 300, 20)
    assert codes(data=doubted(suspect_labels_search=search, suspect_labels_score=score)) == ["suspect-labels"]


def test_each_split_has_its_own_finding_and_no_candidate_none() -> None:
    search = make_search(candidates={"test": 2, "train": 1}, searched={"test": 300, "train": 1200})
    assert codes(data=doubted(suspect_labels_search=search)) == ["suspect-labels"] * 2
    assert codes(data=doubted()) == []

"""The section on how far to trust the figures: what it says and shows, from a Record alone."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from reportgen.i18n import literal
from reportgen.record.pictures import TrustPictures
from reportgen.record.run import Record
from reportgen.record.trust import PairCounts
from reportgen.render.page import detail, trust_view
from tests.helpers.builders import make_record
from tests.helpers.trusted import doubted_record, make_leaks, make_search
from tests.render.page.test_page import HOSTILE, html, tree


def section(record: Record, **options: Any) -> Any:
    found = [e for e in tree(html(record, **options)).iter("section") if e.get("id") == "trust"]
    return found[0] if found else None


def words(record: Record, **options: Any) -> str:
    return " ".join("".join(section(record, **options).itertext()).split())


def lines(record: Record) -> list[str]:
    view = trust_view.view(record, None)
    assert view is not None
    return [str(line) for line in view.lines]


@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_the_section_says_what_was_found_and_shows_it(on_paper: bool) -> None:
    record = doubted_record()
    said = words(record, on_paper=on_paper)
    assert "2 test images have a copy in the training split, 1 exact and 1 near." in said
    assert "3 labels look wrong: 2 in the test split, 1 in the training split." in said
    assert "2 of 2 pairs shown: 1 across the splits, 0 within the test split, 1 within the training split." in said
    assert "Test image 1 training image 7" in said and "Test image 4 training image 9" in said
    assert "labelled circle looks like square image 3 score 0.88" in said and "score −0.12" in said
    assert "its average precision is 0.81; flipped into the classes that the model confuses, 0.62" in said
    assert "A note on labels." in said
    pictures = list(section(record, on_paper=on_paper).iter("img"))
    assert len(pictures) == 2 * 3 + 3 and all(picture.get("alt") for picture in pictures)


def test_it_stands_above_the_evaluation_and_in_the_contents() -> None:
    page = html(doubted_record())
    assert page.index('id="training"') < page.index('id="trust"') < page.index('id="evaluation"')
    assert '<a href="#trust">' in page


def test_a_record_from_before_has_no_such_section() -> None:
    page = html(make_record())
    assert 'id="trust"' not in page and "#trust" not in page


def test_what_is_undefined_says_why() -> None:
    record = doubted_record(
        leaks=make_leaks(
            accuracy_without=None, near=[], near_counts=None, test_images=None, exact=[],
            exact_counts=PairCounts(None, 0, None),
            reasons={"near": literal("because near"), "accuracy_without": literal("because accuracy")},
        ),
        suspect_labels=[],
        suspect_labels_score=None,
        suspect_labels_search=make_search(
            candidates={}, searched={}, reasons={k: literal(f"because {k}") for k in ("test", "train", "score")}
        ),
    )  # fmt: skip
    empty = TrustPictures(
        np.zeros((0, 2, 4, 4, 1)), np.zeros((0, 2, 4, 4, 1)), np.zeros(0, np.int64), np.zeros((0, 4, 4, 1))
    )
    record = dataclasses.replace(record, pictures=dataclasses.replace(record.pictures, trust=empty))
    said = words(record)
    for reason in ("near", "accuracy", "test", "train", "score"):
        assert f"because because {reason}." in said
    assert "Nobody knows whether test images were trained on" in said and "No copies were found." in said
    assert "No label was doubted: because test." in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"test_images": 0, "exact_test_images": 0},
            "No test image is also in the training split, and none nearly so.",
        ),
        (
            {"test_images": 0, "exact_test_images": 0, "near_counts": None},
            "No test image is also in the training split, pixel for pixel.",
        ),
        ({"test_images": 1}, "1 test image is also in the training split."),
        ({"test_images": 5, "exact_test_images": 5}, "5 test images are also in the training split."),
        (
            {"test_images": 1, "exact_test_images": 0},
            "1 test image has a near copy in the training split.",
        ),
    ],
)
def test_copies_in_one_line(changes: dict[str, Any], said: str) -> None:
    assert lines(doubted_record(leaks=make_leaks(**changes)))[0] == said


def test_labels_in_one_line() -> None:
    none = make_search(candidates={"test": 0, "train": 0})
    assert lines(doubted_record(suspect_labels_search=none))[1] == "No label looks wrong."
    one = make_search(candidates={"test": 1})
    assert lines(doubted_record(suspect_labels_search=one))[1] == "1 label looks wrong: 1 in the test split."


def test_hostile_names_of_classes_are_shown_as_they_are() -> None:
    page = html(doubted_record(text=HOSTILE[:12] + HOSTILE[-12:]))
    assert "<script>aler" not in page and "&lt;script&gt;aler" in page
    assert "\u202e" not in page and "\x1b" not in page


def test_a_pair_that_cannot_be_drawn_is_missing_by_itself() -> None:
    record = doubted_record()
    trust = record.pictures.trust
    assert trust is not None
    broken = dataclasses.replace(trust, exact=np.zeros((2, 2, 0, 0, 1), np.uint8))
    said = words(dataclasses.replace(record, pictures=dataclasses.replace(record.pictures, trust=broken)))
    assert said.count("Could not be drawn: a test image") == 4
    assert "looks like square" in said


@pytest.mark.parametrize("shape", [(20, 2), (5, 1), (4, 4, 4, 1)], ids=["series", "vector", "volume"])
def test_other_kinds_of_images_are_drawn_too(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    examples = dataclasses.replace(make_record().pictures.examples, images=images)
    record = doubted_record(shape, {"examples": examples, "worst": images[1:], "maps": [], "strips": []})
    assert "Could not be drawn" not in words(record)


def test_where_space_is_short_pictures_become_smaller_and_fewer() -> None:
    record = doubted_record((200, 200, 1))
    assert detail.thinned(record, detail.ALL) is record
    small = detail.thinned(record, dataclasses.replace(detail.ALL, image_side=50)).pictures.trust
    assert small is not None and small.exact.shape == (2, 2, 50, 50, 1) and small.images.shape == (3, 50, 50, 1)

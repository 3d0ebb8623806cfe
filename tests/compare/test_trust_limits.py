"""Copies and doubted labels in `check` and `compare`, and in folders from before they were looked for."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from reportgen.compare.changes import compare
from reportgen.compare.limits import check
from reportgen.errors import InputError
from reportgen.record import record_file
from reportgen.record.changes import Count
from reportgen.record.checks import Checked, Limits, limits
from reportgen.record.run import Record
from reportgen.render.comparison import view
from tests.conftest import Run
from tests.helpers.builders import assert_one_line, make_record
from tests.helpers.trusted import doubted_record, make_leaks, make_search


def one(record: Record, **limit: Any) -> Checked:
    (found,) = check(record, Limits(**limit))
    return found


@pytest.mark.parametrize(("limit", "met"), [(2, True), (1, False), (0, False), (0.34, True), (0.33, False)])
def test_leaked_test_images_are_held_against_a_number_or_a_share(limit: float, met: bool) -> None:
    found = one(doubted_record(), max_leaked=limit)
    assert found.met is met
    assert "2 of 6 test images have a copy, exact or near, in the training split (33.3 %)" in found.says


@pytest.mark.parametrize(("limit", "met"), [(3, True), (2, False), (0.17, True), (0.16, False)])
def test_doubted_labels_are_held_against_a_number_or_a_share(limit: float, met: bool) -> None:
    found = one(doubted_record(), max_suspect_labels=limit)
    assert found.met is met
    assert "3 of 18 labels look wrong (16.7 %)" in found.says


def test_what_was_not_looked_for_meets_no_limit() -> None:
    old = make_record()
    assert not one(old, max_leaked=100).met and not one(old, max_suspect_labels=100).met
    alone = doubted_record(leaks=make_leaks(test_images=None))
    assert not one(alone, max_leaked=1.0).met
    assert "no training split" in one(alone, max_leaked=1.0).says
    unsearched = doubted_record(suspect_labels_search=make_search(candidates={}, searched={}))
    assert not one(unsearched, max_suspect_labels=100).met
    exact_only = one(doubted_record(leaks=make_leaks(near_counts=None, test_images=1)), max_leaked=1)
    assert exact_only.met and "Near copies were not looked for" in exact_only.says


@pytest.mark.parametrize("flag", ["max-leaked", "max-suspect-labels"])
@pytest.mark.parametrize("value", [-1, 1.5, "few", True])
def test_limits_that_make_no_sense_are_refused(flag: str, value: Any) -> None:
    with pytest.raises(InputError) as error:
        limits({flag: value}, "")
    assert_one_line(error.value, flag, "a whole number of images")


@pytest.mark.slow
def test_check_exits_with_1_where_too_many_leaked(light: Run, tmp_path: Path) -> None:
    for name, content in record_file.to_bytes(doubted_record()).items():
        (tmp_path / name).write_bytes(content)
    done = light("check", tmp_path, "--max-leaked", "1", "--max-suspect-labels", "0.5")
    assert done.returncode == 1
    assert "NOT MET  max-leaked: 2 of 6 test images" in done.stdout
    assert "met      max-suspect-labels: 3 of 18" in done.stdout


def test_a_comparison_says_how_many_more_leaked() -> None:
    before = doubted_record(leaks=make_leaks(test_images=0))
    after = doubted_record(suspect_labels_search=make_search(candidates={"test": 5, "train": 1}))
    found = compare(before, after)
    assert found.counts["leaked"] == Count(0, 2) and found.counts["suspect_labels"] == Count(3, 6)
    assert not found.unchanged and compare(before, before).counts["leaked"] == Count(0, 0)
    changes = view.paint(dataclasses.replace(after, baseline=found), has_cards=False)
    rows = {row.name: (row.before, row.after, row.change) for row in changes.figures}
    assert rows["Test images with a copy in the training split"] == ("0", "2", "+2")
    assert rows["Labels that look wrong"] == ("3", "6", "+3")


def test_a_baseline_from_before_is_not_said_to_differ() -> None:
    found = compare(make_record(), doubted_record())
    assert "leaked" not in found.counts and "suspect_labels" not in found.counts
    changes = view.paint(dataclasses.replace(doubted_record(), baseline=found), has_cards=False)
    assert "Labels that look wrong" not in {row.name for row in changes.figures}


def test_a_record_with_doubts_survives_writing_and_reading(tmp_path: Path) -> None:
    files = record_file.to_bytes(doubted_record())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = record_file.load(tmp_path)
    assert found.data == doubted_record().data
    assert record_file.to_bytes(found) == files
    data = json.loads(files["report.json"])["data"]
    assert data["leaks"]["exact"][0] == ["test", 1, "train", 7]
    assert data["leaks"]["accuracy_without"]["interval"] == [0.3, 0.95]
    assert data["suspect_labels"][0] == {
        "part": "test", "index": 3, "given": "circle", "suggested": "square", "score": 0.875
    }  # fmt: skip
    assert data["suspect_labels_score"]["average_precision"] == 0.81


def test_a_folder_from_before_still_loads(tmp_path: Path) -> None:
    files = record_file.to_bytes(make_record())
    plain = json.loads(files["report.json"])
    for key in [key for key in plain["data"] if key.startswith(("leaks", "suspect"))]:
        del plain["data"][key]
    (tmp_path / "report.json").write_text(json.dumps(plain), encoding="utf-8")
    (tmp_path / "record.npz").write_bytes(files["record.npz"])
    found = record_file.load(tmp_path)
    assert found.data.leaks is None and found.data.suspect_labels == [] and found.pictures.trust is None

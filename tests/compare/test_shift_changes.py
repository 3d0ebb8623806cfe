"""Accuracy on changed pictures before and after."""

import pytest

from reportgen import intervals
from reportgen.compare import shifts
from reportgen.compare.changes import compare
from reportgen.record.run import Record
from reportgen.record.shifts import Shift
from reportgen.render.comparison import terminal, view
from tests.helpers.builders import make_record, make_shift, make_shifts_run


def test_changes_that_both_tried_stand_side_by_side() -> None:
    old = make_record(shifts=[make_shift("noise"), make_shift("blur")], shifts_run=make_shifts_run())
    new = make_record(
        shifts=[make_shift("blur", accuracy=0.9), make_shift("jpeg")], shifts_run=make_shifts_run(images=50)
    )
    (found,) = shifts.changes(old, new)
    assert (found.corruption, found.severity, found.before, found.after) == ("blur", 1, 0.5, 0.9)
    assert found.interval == pytest.approx(intervals.difference((45, 50), (50, 100), level=0.95))


def test_intervals_of_several_changes_hold_together() -> None:
    record = make_record(shifts=[make_shift("noise"), make_shift("blur")], shifts_run=make_shifts_run())
    assert shifts.changes(record, record)[0].interval == pytest.approx(
        intervals.difference((50, 100), (50, 100), level=0.975)
    )


def test_a_report_from_before_pictures_were_changed_is_compared_without() -> None:
    record = make_record(shifts=[make_shift()], shifts_run=make_shifts_run())
    assert shifts.changes(make_record(), record) == shifts.changes(record, make_record()) == []


@pytest.mark.parametrize(("after", "listed"), [(0.9, True), (0.52, False)])
def test_a_difference_beyond_chance_is_listed_and_any_is_a_change(after: float, listed: bool) -> None:
    def run(*found: Shift) -> Record:
        return make_record(shifts=list(found), shifts_run=make_shifts_run())

    baseline = compare(run(make_shift()), run(make_shift(accuracy=after)))
    assert not baseline.unchanged
    painted = view.paint(make_record(baseline=baseline), has_cards=False)
    assert painted is not None and len(painted.shifts) == listed
    said = terminal.plain(painted, "en")
    page = view.html(make_record(baseline=baseline), painted, "en")
    if listed:
        assert "noise, mild" in said and "+40.00" in said and "noise, mild" in page
    else:
        assert "noise, mild" not in said and "accuracy is not different beyond chance" in page

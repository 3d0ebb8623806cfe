"""How much better or worse a model does on changed pictures than the baseline did."""

from reportgen import intervals
from reportgen.record.changes import ShiftChange
from reportgen.record.run import Record
from reportgen.record.shifts import Shift, ShiftsRun


def changes(old: Record, new: Record) -> list[ShiftChange]:
    """Return the accuracy before and after under each change of the pictures that both tried, in the order of `new`."""
    if old.shifts_run is None or new.shifts_run is None:
        return []
    earlier = {(one.corruption, one.severity): one for one in old.shifts or []}
    pairs = [(earlier.get((one.corruption, one.severity)), one) for one in new.shifts or []]
    both = [(was, now) for was, now in pairs if was is not None]
    return [
        ShiftChange(
            corruption=now.corruption,
            severity=now.severity,
            before=was.accuracy,
            after=now.accuracy,
            interval=list(
                intervals.difference(
                    _counts(now, new.shifts_run), _counts(was, old.shifts_run), level=1 - 0.05 / len(both)
                )
            ),
        )
        for was, now in both
    ]


def _counts(shift: Shift, run: ShiftsRun) -> tuple[int, int]:
    """Return how many images are right, of how many."""
    return round(shift.accuracy * run.images), run.images

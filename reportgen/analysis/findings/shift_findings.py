"""Findings about changed pictures."""

from collections.abc import Sequence

from reportgen.analysis.phrases import LEVEL, counted_images, listed
from reportgen.format import percent, points
from reportgen.i18n import text
from reportgen.record.finding_kinds import finding
from reportgen.record.shifts import NAMES, Shift, ShiftsRun
from reportgen.record.units import Finding
from reportgen.thresholds import FindingThresholds

_MILD = 1
_NEVER_MILD = "inversion"
"""A picture with its colours turned round is another picture, however little contrast is left."""


def find(shifts: Sequence[Shift] | None, run: ShiftsRun | None, thresholds: FindingThresholds) -> list[Finding]:
    """Return the finding about mild changes that cost much accuracy, beyond chance; none where there are none."""
    if not shifts or run is None:
        return []
    costly = [
        one
        for one in shifts
        if one.severity == _MILD and one.corruption != _NEVER_MILD and one.change <= -thresholds.mild_cost and one.falls
    ]
    if not costly:
        return []
    said = [
        text(
            "{corruption} ({amount}) {points} points ({low} to {high})",
            corruption=NAMES[one.corruption],
            amount=one.amount,
            points=points(one.change),
            low=points(one.change_interval[1]),
            high=points(one.change_interval[0]),
        )
        for one in sorted(costly, key=lambda one: one.change)
    ]
    message = text(
        "Mild changes of the pictures cost accuracy ({before} unchanged, on {images}; {level} intervals): {costs}. If"
        " pictures in use may vary so, train with such changes.",
        before=percent(run.accuracy),
        images=counted_images(run.images, "test"),
        level=LEVEL,
        costs=listed(said),
    )
    return [finding("fragile", message, count=len(costly))]

"""Findings by kind, and what became of each kind since the baseline."""

import dataclasses
from collections import Counter

import pytest

from reportgen.record import finding_groups
from reportgen.record.changes import KindChange
from reportgen.record.finding_kinds import KINDS
from reportgen.record.units import Finding
from tests.helpers.builders import changed_from, make_finding, make_record


def dead(layer: str | None, units: int, code: str = "dead-units", count: int | None = None) -> Finding:
    return make_finding(code=code, severity="warning", layer=layer, units=list(range(units)), count=count)


def test_a_group_has_all_findings_of_a_kind_and_begins_with_the_one_about_most() -> None:
    findings = [dead("a", 2), make_finding(), dead("b", 5), dead("c", 5)]
    first, second = finding_groups.grouped(findings)
    assert (first.code, first.first, first.others) == ("dead-units", findings[2], [findings[0], findings[3]])
    assert (second.code, second.first, second.others) == ("still-improving", findings[1], [])
    assert first.heading == "12 units never fired in 3 layers"
    assert second.heading is None, "its own sentence says it"


@pytest.mark.parametrize(
    ("findings", "heading"),
    [
        ([dead("a", 1), dead("b", 1)], "2 units never fired in 2 layers"),
        ([dead("a", 8, "dead-layer", 1), dead("b", 9, "dead-layer", 1)], "2 layers never fire"),
        ([dead(None, 0, "suspect-labels", 15), dead(None, 0, "suspect-labels", 9)], "24 labels look wrong"),
        ([dead(None, 0, "suspect-labels"), dead(None, 0, "suspect-labels", 9)], "some labels look wrong: 2 findings"),
        ([dead(None, 0, "of a later reportgen")] * 3, "3 findings"),
    ],
)
def test_a_heading_counts_what_the_kind_counts(findings: list[Finding], heading: str) -> None:
    (group,) = finding_groups.grouped([dataclasses.replace(one) for one in findings])
    assert group.heading == heading


def test_no_finding_is_lost() -> None:
    findings = [dead(f"layer{n % 7}", n, code) for n, code in enumerate([*KINDS, *KINDS])]
    groups = finding_groups.grouped(findings)
    assert Counter(one.layer for g in groups for one in (g.first, *g.others)) == Counter(one.layer for one in findings)
    assert [group.code for group in groups] == list(KINDS)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([], [dead("a", 4)], KindChange("dead-units", "warning", "new", None, 4)),
        ([dead("a", 1)], [dead("b", 3), dead("a", 1)], KindChange("dead-units", "warning", "worse", 1, 4)),
        ([dead("a", 4)], [dead("b", 1)], KindChange("dead-units", "warning", "better", 4, 1)),
        ([dead("a", 4)], [dead("b", 4)], KindChange("dead-units", "warning", "still", 4, 4)),
        ([dead("a", 4)], [], KindChange("dead-units", "warning", "gone", 4, None)),
        ([dead(None, 0)], [dead(None, 0, count=9)], KindChange("dead-units", "warning", "still", None, 9)),
    ],
    ids=lambda value: value.kind if isinstance(value, KindChange) else "",
)
def test_what_became_of_a_kind(before: list[Finding], after: list[Finding], change: KindChange) -> None:
    assert finding_groups.changes(finding_groups.sizes(before), finding_groups.sizes(after)) == [change]


def test_a_folder_from_before_kinds_were_compared_is_told_by_new_and_gone_findings() -> None:
    record = make_record(findings=[dead("a", 2), make_finding(), dead("b", 1, "weak-units")])
    baseline = changed_from(record)
    old = dataclasses.replace(
        baseline,
        findings=dataclasses.replace(
            baseline.findings, new=record.findings[:1], still=record.findings[1:2], gone=record.findings[2:]
        ),
    )
    assert [(one.code, one.kind) for one in finding_groups.changes_of(old)] == [
        ("dead-units", "new"),
        ("still-improving", "still"),
        ("weak-units", "gone"),
    ]
    assert finding_groups.changes_of(None) == []


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)

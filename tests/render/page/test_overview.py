"""The table of the layers side by side."""

import dataclasses

from reportgen.i18n import literal
from reportgen.record.conditions import ConditionKind, LayerConditions
from reportgen.record.effects import ClassEffect, Effect
from reportgen.render.page import overview
from reportgen.render.page.overview import OverviewView, Row
from tests.helpers.builders import make_record, make_unit, make_verdict


def table(**changes: object) -> OverviewView:
    found = overview.build(make_record(**changes))
    assert found is not None
    return found


def test_without_layers_there_is_no_table() -> None:
    assert overview.build(make_record(layers=[], units=[])) is None


def test_a_row_counts_the_units_by_what_is_to_be_said_about_them() -> None:
    states = {"healthy": 3, "dead": 2, "weak": 1, "always-on": 2}
    units = [make_unit(unit=n, removable=n < 2) for n in range(8)]
    (row,) = table(layers=[make_verdict("conv", 8, states=states, effective_rank=0.4)], units=units).rows
    assert (row.units, row.healthy, row.dead, row.redundant, row.distinct) == (8, 3, 2, 2, 3)
    assert row.others == "2 are always on, 1 is weak"
    assert row.remarks == 2 + 1 + 2 + 2


def test_classes_have_no_states_and_the_table_says_why() -> None:
    found = table(layers=[make_verdict("scores", 3, states={"output": 2, "never predicted": 1})], units=[])
    (row,) = found.rows
    assert (row.healthy, row.dead, row.redundant) == (None, None, None)
    assert row.others == "1 is never predicted"
    assert "A state is n/a for scores: its units are the scores themselves." in found.reasons


def test_what_is_undefined_has_its_reason_once_for_all_layers() -> None:
    verdicts = [
        make_verdict(f"conv_{n}", 2, effective_rank=None, reasons={"effective_rank": literal("nothing differs")})
        for n in range(5)
    ]
    found = table(layers=verdicts, units=[])
    assert [row.distinct for row in found.rows] == [None] * 5
    assert "Distinct is n/a for conv_0, conv_1, conv_2 and 2 more: nothing differs." in found.reasons


def test_what_most_units_look_for_comes_first_and_units_without_figure_are_left_out() -> None:
    counted = {"none": 9, "edge": 5, "line": 3, "class": 2, "ink": 1, "n/a": 4}
    kinds = [ConditionKind(kind, n, literal(f"{n} {kind}")) for kind, n in counted.items()]
    conditions = LayerConditions(kinds, literal("all"), [], None, 1, 1, 1, 1, [])
    (row,) = table(layers=[make_verdict("conv", 24, conditions=conditions)], units=[]).rows
    assert row.conditions == "5 edge, 3 line, 2 class, …"


def test_effect_counts_the_units_without_which_something_changes_of_those_that_were_tried() -> None:
    def effect(method: str | None, *, certain: bool) -> Effect:
        change = ClassEffect("star", -0.2, [-0.3, -0.1], certain)
        return Effect(method, [change], -0.1, [-0.2, 0.0], None)

    units = [
        make_unit(unit=0, effect=effect("masked", certain=True)),
        make_unit(unit=1, effect=effect("masked", certain=False)),
        make_unit(unit=2, effect=effect(None, certain=True)),
    ]
    (row,) = table(layers=[make_verdict("conv", 3)], units=units).rows
    assert (row.moving, row.known) == (1, 2)


def test_paper_has_at_most_40_rows_those_with_something_to_say_first() -> None:
    verdicts = [make_verdict(f"conv_{n}", 100, states={"dead": n % 50, "healthy": 100 - n % 50}) for n in range(105)]
    found = table(layers=verdicts, units=[])
    assert found.shown(on_paper=False) == found.rows
    shown = found.shown(on_paper=True)
    assert len(shown) == 40
    assert [row.remarks for row in shown] == sorted((row.remarks for row in found.rows), reverse=True)[:40]
    few = OverviewView(found.rows[:40], [])
    assert few.shown(on_paper=True) == few.rows


def test_rows_lead_to_their_layers() -> None:
    rows: list[Row] = table().rows
    assert [(row.name, row.anchor) for row in rows] == [("conv", "layer-1"), ("scores", "layer-2")]


def test_effects_of_an_older_report_are_not_made_up() -> None:
    record = make_record()
    units = [dataclasses.replace(unit, effect=None) for unit in record.units]
    found = table(units=units)
    assert [row.known for row in found.rows] == [0, 0]

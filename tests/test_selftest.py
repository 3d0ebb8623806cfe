"""The self-test: planted faults are found, and a wrong verdict on any of them is named."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from reportgen import report, selftest
from reportgen.analysis import judging
from reportgen.analysis.units import facts
from reportgen.analysis.units.facts import Thresholds
from reportgen.record.conditions import Condition
from reportgen.record.effects import Effect, GroupEffect
from reportgen.record.units import Unit
from reportgen.selftest import effective, named
from tests.conftest import Run
from tests.helpers.builders import make_effect, make_layer_effects
from tests.helpers.passes import QUIET, Looked, look

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def judged() -> Looked:
    return look(selftest.model(), selftest.dataset())


@pytest.fixture
def units(judged: Looked) -> list[Unit]:
    return judged.units_of(selftest.LAYER)


def altered(units: Sequence[Unit], unit: int, **changes: Any) -> list[str]:
    """Return what is said when one unit was judged differently."""
    return selftest.differences([dataclasses.replace(u, **changes) if u.unit == unit else u for u in units])


def test_every_planted_fault_is_found_and_nothing_else() -> None:
    assert selftest.run(QUIET) == []


def test_there_is_a_unit_for_each_kind_of_fault() -> None:
    assert {planted.state for planted in selftest.FAULTS} == {"healthy", "dead", "constant", "always-on"}
    assert len({planted.cause for planted in selftest.FAULTS if planted.state == "dead"}) == 2
    assert [planted.duplicate_of for planted in selftest.FAULTS].count(0) == 2
    assert any(planted.prefers for planted in selftest.FAULTS) and any(planted.blind for planted in selftest.FAULTS)


@pytest.mark.parametrize(
    ("unit", "changes", "said"),
    [
        (0, {"state": "weak"}, "state is 'weak', expected 'healthy'"),
        (0, {"group": None}, "in a redundant group is False, expected True"),
        (0, {"removable": True}, "removable is True, expected False"),
        (0, {"cause": "its kernel is zero"}, "cause is 'its kernel is zero', expected None"),
        (1, {"cause": "it did not fire on these images"}, "expected 'it cannot fire on this input range'"),
        (1, {"cause": None}, "cause is None, expected 'it cannot fire on this input range'"),
        (2, {"state": "healthy"}, "state is 'healthy', expected 'dead'"),
        (3, {"state": "always-on"}, "state is 'always-on', expected 'constant'"),
        (4, {"state": "healthy"}, "state is 'healthy', expected 'always-on'"),
        (5, {"duplicate_of": None}, "duplicate_of is None, expected 0"),
        (6, {"duplicate_of": 5}, "duplicate_of is 5, expected 0"),
        (6, {"removable": False}, "removable is False, expected True"),
        (7, {"preferred_class": None}, "preferred class is None, expected '1'"),
        (7, {"group": 0}, "in a redundant group is True, expected False"),
        (8, {"preferred_class": None}, "AUROC is None, expected 0.5"),
        (8, {"opposite": 0}, "opposite is 0, expected None"),
        (8, {"duplicate_of": 0}, "duplicate_of is 0, expected None"),
    ],
)
def test_a_wrong_verdict_is_named(units: list[Unit], unit: int, changes: dict[str, Any], said: str) -> None:
    lines = altered(units, unit, **changes)
    assert lines
    assert all(line.startswith(f"unit {unit}, {selftest.FAULTS[unit].what}: ") for line in lines)
    assert said in lines[0]


@pytest.mark.parametrize(
    ("unit", "changes", "said"),
    [
        (7, {"label": "2"}, "preferred class is '2', expected '1'"),
        (7, {"auroc": 0.9}, "AUROC is 0.9, expected 1.0"),
        (8, {"auroc": 0.7}, "AUROC is 0.7, expected 0.5"),
    ],
)
def test_a_wrong_preferred_class_is_named(units: list[Unit], unit: int, changes: dict[str, Any], said: str) -> None:
    preferred = units[unit].preferred_class
    assert preferred is not None
    [line] = altered(units, unit, preferred_class=dataclasses.replace(preferred, **changes))
    assert line == f"unit {unit}, {selftest.FAULTS[unit].what}: {said}"


def test_a_unit_that_is_missing_is_named(units: list[Unit]) -> None:
    assert selftest.differences(units[:-1]) == ["8 units were judged, but 9 were planted"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Thresholds(redundant=1.01), "in a redundant group is False"),
        (Thresholds(redundant=0.0001), "in a redundant group is True"),
        (Thresholds(weak=0.9), "state is 'weak'"),
        (Thresholds(always_on=0.05), "state is 'always-on'"),
        (Thresholds(constant=10.0), "state is 'constant'"),
        (Thresholds(near_zero=2.0), "cause is 'its kernel is zero'"),
        (Thresholds(firing_images=1201), "in a redundant group is False"),
    ],
    ids=["redundant never", "redundant always", "weak", "always on", "constant", "near zero", "fires too rarely"],
)
def test_wrong_thresholds_are_noticed(judged: Looked, wrong: Thresholds, said: str) -> None:
    names = judged.dataset.class_names
    _, units = judging.judge(judged.graph, judged.looked, judged.dataset, names, wrong)
    found = selftest.differences([unit for unit in units if unit.layer == selftest.LAYER])
    assert said in "\n".join(found)


def test_the_thresholds_of_reports_are_the_ones_that_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "DEFAULTS", Thresholds(weak=0.9))
    monkeypatch.setattr(named, "run", lambda _: [])
    monkeypatch.setattr(effective, "run", lambda _: [])
    assert "state is 'weak'" in "\n".join(selftest.run(QUIET))


# Words


@pytest.fixture(scope="module")
def words() -> dict[tuple[str, int], Condition]:
    return named.conditions(QUIET)


def test_every_planted_condition_is_named() -> None:
    assert named.run(QUIET) == []


def test_there_is_a_unit_for_every_kind_of_words() -> None:
    planted = named.names()
    assert {one.found_in for one in planted} == {"picture", "units below", "class", "none", "n/a"}
    directions = {kind[1] for one in planted for kind in one.kinds if kind[0] == "edge"}
    assert directions == set(range(0, 360, 45))


@pytest.mark.parametrize(
    ("key", "changes", "said"),
    [
        ((named.FIRST, 0), {"found_in": "none"}, "is found in 'none', expected 'picture'"),
        ((named.FIRST, 0), {"features": []}, "expected ('edge', 1)"),
        ((named.FIRST, 17), {"found_in": "picture", "random_percentile": 99.0}, "expected no simple condition"),
        ((named.SECOND, 1), {"text": "unit 16 and unit 15 below, added up"}, "expected both units at once"),
        ((named.SECOND, 1), {"below": []}, "made of units [], expected [15, 16]"),
        ((named.SCORES, 0), {"label": "blue"}, "its class is 'blue', expected 'red'"),
    ],
)
def test_a_wrong_name_is_noticed(
    words: dict[tuple[str, int], Condition], key: tuple[str, int], changes: dict[str, Any], said: str
) -> None:
    [line] = named.differences(words | {key: dataclasses.replace(words[key], **changes)})
    assert line.startswith(f"{key[0]}, unit {key[1]}, ") and said in line


@pytest.mark.parametrize(("turn", "right"), [(45, True), (-45, True), (90, False), (180, False)])
def test_an_angle_may_be_one_step_off(words: dict[tuple[str, int], Condition], turn: int, right: bool) -> None:
    key = named.FIRST, 3
    first = words[key].features[0]
    turned = dataclasses.replace(first, angle=(first.angle or 0) + turn)
    lines = named.differences(words | {key: dataclasses.replace(words[key], features=[turned])})
    assert (lines == []) is right


def test_a_unit_that_was_not_described_is_named(words: dict[tuple[str, int], Condition]) -> None:
    [line] = named.differences({key: one for key, one in words.items() if key != (named.FIRST, 2)})
    assert line.endswith("it was not described")


# Units with known effects


TOGETHER = make_effect({"2": 1.0}, names="0123")


def planted_effects(together: Effect = TOGETHER, **changes: Effect) -> list[str]:
    """Return what is said of effects as they were planted but for those of units of the first layer, "unit_3".

    together: of the twins.
    """
    found = {
        (planted.layer, planted.unit): make_effect(
            {planted.needed: 0.5} if planted.needed else None,
            names="0123",
            method="exact" if planted.layer == effective.LAST else "masked",
        )
        for planted in effective.PLANTED
    }
    found |= {(effective.FIRST, int(name.removeprefix("unit_"))): one for name, one in changes.items()}
    return effective.differences(found, make_layer_effects(groups=[GroupEffect([2, 3], together)]))


def test_effects_as_they_were_planted_are_right() -> None:
    assert planted_effects() == []


@pytest.mark.parametrize(
    ("unit", "effect", "said"),
    [
        ("unit_0", make_effect({"1": 0.5}, names="0123"), ["needed for ['1'], expected ['0']", "['1'] changes"]),
        ("unit_2", make_effect({"2": 0.5}, names="0123"), ["whose twin", "needed for ['2'], expected []"]),
        ("unit_4", make_effect({"3": -0.1}, names="0123"), ["recall of ['3'] changes, expected []"]),
        ("unit_1", make_effect({"1": 0.5}, names="0123", method="first order"), ["'first order', expected 'masked'"]),
    ],
)  # fmt: skip
def test_an_effect_that_was_not_planted_is_named(unit: str, effect: Effect, said: list[str]) -> None:
    lines = " ".join(planted_effects(**{unit: effect}))
    assert all(part in lines for part in said) and lines.startswith("planted_marks")


def test_twins_that_are_not_needed_together_are_named() -> None:
    [line] = planted_effects(together=make_effect(names="0123"))
    assert "units [2, 3] together" in line and "not needed for class 2" in line


# The command


def test_the_command_says_that_all_is_well(warm: Run) -> None:
    done = warm("selftest")
    assert (done.returncode, done.stdout) == (0, "All planted faults were found with their causes, and nothing else.\n")


def test_the_command_fails_with_every_wrong_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reportgen.cli import app

    lines = ["unit 1, a fault: state is 'weak', expected 'dead'", "unit 2, another: removable is True, expected False"]
    monkeypatch.setattr(selftest, "run", lambda _: lines)
    monkeypatch.setattr("sys.argv", ["reportgen", "selftest"])
    assert app.run() == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == lines
    assert "2 verdicts are wrong" in said.err


# The whole report on the planted model


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    test = selftest.dataset().test
    data = {"x_test": test.images, "y_test": test.labels}
    return report(selftest.model(), data, out=tmp_path_factory.mktemp("planted") / "report", formats=["html"])


EXPECTED = {
    "dead-units": [1, 2],
    "constant-units": [3],
    "always-on-units": [4],
    "weight-duplicates": [5, 6],
    "redundant-units": [5, 6],
    "selective-without-effect": [7],  # no planted unit is wired to a score
}


def test_the_report_finds_what_was_planted_and_no_more(reported: Any) -> None:
    of_units = {found["code"]: found["units"] for found in reported["findings"] if found["units"]}
    assert of_units == EXPECTED
    grave = {found["code"] for found in reported["findings"] if found["severity"] in ("error", "warning")}
    assert grave == set(EXPECTED) - {"always-on-units", "selective-without-effect"}


@pytest.mark.parametrize("code", EXPECTED)
def test_the_message_names_every_planted_unit(reported: Any, code: str) -> None:
    [found] = [found for found in reported["findings"] if found["code"] == code]
    assert found["layer"] == selftest.LAYER
    assert f"{len(EXPECTED[code])} of {len(selftest.FAULTS)} units" in found["message"]
    names = [f"{unit} repeats" if code == "weight-duplicates" else str(unit) for unit in EXPECTED[code]]
    for name in names:
        assert name in found["message"].split("(", 1)[1]


def test_the_report_names_the_cause_of_each_dead_unit(reported: Any) -> None:
    [found] = [found for found in reported["findings"] if found["code"] == "dead-units"]
    assert "reach (unit 1); its kernel is zero (unit 2)" in found["message"]


def test_the_report_proves_that_the_model_does_without_them(reported: Any) -> None:
    proof = reported["proof"]
    assert proof["masked_units"] == 4
    assert proof["accuracy_after"] == proof["accuracy_before"] == 1.0


def test_the_report_agrees_with_the_self_test(reported: Any, judged: Looked) -> None:
    def said(unit: Any) -> tuple[Any, ...]:
        return tuple(unit[key] for key in ("layer", "unit", "state", "cause", "group", "removable", "duplicate_of"))

    assert [said(unit) for unit in reported["units"]] == [said(vars(unit)) for unit in judged.units]

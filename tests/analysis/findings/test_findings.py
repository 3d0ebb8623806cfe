"""Every finding: there from its threshold on and not before, with its figures, in its place in the list."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.evaluation import predictions, scores
from reportgen.analysis.evaluation.data import DataChecks, Twins
from reportgen.analysis.findings import ranked, shift_findings
from reportgen.analysis.phrases import (
    counted_images,
    label,
    listed,
    name,
    numbered_images,
    numbered_units,
    span,
)
from reportgen.analysis.pixels.trial import Doubt
from reportgen.format import number, percent, points, short, visible
from reportgen.i18n import literal
from reportgen.record.data import DataFacts, SkippedFile, SkippedFiles
from reportgen.record.effects import Effect
from reportgen.record.evaluation import Ablated, Mistake, Proof, ReliabilityBin, Scores
from reportgen.record.finding_kinds import KINDS, finding
from reportgen.record.model import LayerRow, ModelFacts
from reportgen.record.pruning import LayerCut
from reportgen.record.shifts import Shift
from reportgen.record.training import Deaths, Died, LayerDeaths
from reportgen.record.units import Finding, LayerVerdict, Nearest, Preferred, Unit
from reportgen.thresholds import FindingThresholds
from tests.helpers.builders import (
    make_effect,
    make_history,
    make_record,
    make_scores,
    make_shift,
    make_shifts_run,
    make_unit,
    modules_after,
)
from tests.helpers.trusted import make_leaks, make_search, with_doubts

HOSTILE = 'x"<script>alert(1)</script>\n\u202eevil\x1b[31m{{ 7*7 }}'


def make_layer(name: str = "conv", units: int = 32, **changes: Any) -> LayerVerdict:
    plain: dict[str, Any] = {
        "name": name,
        "units": units,
        "read_after": name,
        "n_images": 1000,
        "effective_rank": 0.5,
        "participation_ratio": 0.25,
        "noise_floor": 0.125,
        "edges": [0.0, 1.0],
        "states": {},
        "groups": [],
        "removable_params": 0,
        "left_out": {},
        "reasons": {},
    }
    return LayerVerdict(**plain | changes)


def make_units(*numbers: int, layer: str = "conv", **changes: Any) -> list[Unit]:
    return [make_unit(layer=layer, unit=number, **changes) for number in numbers]


def make_checks(**changes: Any) -> DataChecks:
    """Return the checks of a data set in which nothing is wrong."""
    plain: dict[str, Any] = {
        "shared": 0,
        "shared_other_label": 0,
        "shared_pairs": [],
        "conflicting": 0,
        "conflicting_pairs": [],
        "repeated": {"train": 0, "test": 0},
        "constant": {"train": 0, "test": 0},
        "constant_images": {"train": [], "test": []},
    }
    return DataChecks(**plain | changes)


def make_data(train: list[int] | None = None, test: list[int] | None = None, **changes: Any) -> DataFacts:
    """Return the facts of a data set with that many images of each class, 100 where nothing is said."""
    counts = {"train": train or [100, 100, 100], "test": test or [100, 100, 100]}
    sizes = {"train_size": sum(counts["train"]), "test_size": sum(counts["test"]), "class_counts": counts}
    return dataclasses.replace(make_record().data, **sizes | changes)


def make_model(*params: int) -> ModelFacts:
    rows = [LayerRow(f"layer_{n}", "Dense", [None, 3], held, True, None) for n, held in enumerate(params)]
    return ModelFacts("sequential", "trained", "softmax", sum(params), sum(params), 0, rows)


def scored(confusion: Sequence[Sequence[int]], confidence: float | None = None, **changes: Any) -> Scores:
    """Return scores with that confusion matrix. confidence: of every answer, by default as it should be."""
    images, right = int(np.sum(confusion)), int(np.trace(confusion))
    accuracy = right / images
    sure = accuracy if confidence is None else confidence
    plain: dict[str, Any] = {
        "accuracy": accuracy,
        "correct": right,
        "classes": [make_scores().classes[0]] * len(confusion),
        "confusion": [list(row) for row in confusion],
        "ece": abs(sure - accuracy),
        "reliability": [ReliabilityBin(0, 0.5, 0, None, None), ReliabilityBin(0.5, 1, images, sure, accuracy)],
        "most_confused": [],
        "worst": [],
    }
    if len(confusion) == 3:
        del plain["classes"]
    return make_scores(**plain | changes)


GOOD = scored([[95, 3, 2], [2, 95, 3], [3, 2, 95]])


def found(**changes: Any) -> list[Finding]:
    """Return the findings of a report in which all is well but for `changes`."""
    plain: dict[str, Any] = {
        "history": make_history(),
        "evaluation": {"train": GOOD, "test": GOOD},
        "data": make_data(),
        "checks": make_checks(),
        "model": make_model(20, 27),
        "layers": [make_layer("conv"), make_layer("dense")],
        "units": [*make_units(*range(32)), *make_units(*range(32), layer="dense")],
        "proof": Proof(3, 0.95, 0.95, [-0.003, 0.003]),
    }
    return ranked.find(**plain | changes)


def codes(**changes: Any) -> list[str]:
    return [one.code for one in found(**changes)]


def only(code: str, **changes: Any) -> Finding:
    """Return the only finding, which must be of this kind."""
    (one,) = found(**changes)
    assert one.code == code
    return one


def of_test(scores: Scores, train: Scores | None = None) -> dict[str, Any]:
    return {"evaluation": {"train": train, "test": scores}}


def sick(*units: Unit, name: str = "conv", **changes: Any) -> dict[str, Any]:
    """Return a report with one layer of 32 units, of which these are as given and all others healthy."""
    others = make_units(*(set(range(32)) - {unit.unit for unit in units}), layer=name)
    return {"layers": [make_layer(name, **changes)], "units": [*others, *units]}


# The list as a whole


def test_a_healthy_report_has_no_findings() -> None:
    assert found() == []


def test_nothing_known_is_no_finding() -> None:
    assert found(history=None, evaluation={"train": None, "test": None}, layers=[], units=[], proof=None) == []
    assert found(evaluation={}, model=make_model()) == []


def test_the_small_record_of_the_other_tests_has_no_warnings() -> None:
    record = make_record()
    found = ranked.find(
        history=record.history,
        evaluation=record.evaluation,
        data=record.data,
        checks=make_checks(),
        model=record.model,
        layers=[make_layer(units=2, n_images=6)],
        units=make_units(0, 1),
        proof=None,
    )
    assert [one.code for one in found] == ["few-images"]


@pytest.mark.slow
def test_finding_out_needs_neither_tensorflow_nor_scikit_learn() -> None:
    assert not {"tensorflow", "keras", "sklearn"} & modules_after("import reportgen.analysis.findings.ranked")


def test_the_kinds_are_listed_gravest_first_with_stable_names_and_meanings() -> None:
    severities = [kind.severity for kind in KINDS.values()]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in KINDS)
    assert all(kind.meaning.isprintable() and len(kind.meaning) < 80 for kind in KINDS.values())


def test_a_code_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(KeyError):
        finding("made-up", "Something.")


MANY = make_search(candidates={"test": 20, "train": 400}, searched={"test": 300, "train": 1200})
FEW = make_search(candidates={"test": 2, "train": 1}, searched={"test": 300, "train": 1200})


def prefers(label: str, auroc: float) -> Preferred:
    return Preferred(label, auroc, 0.9, 0.1, None, None, None)


def broken(text: str = "shape", **thresholds: float) -> list[Finding]:
    """Return the findings of reports in which everything goes wrong, with `text` for every name."""
    limits = FindingThresholds(**thresholds)
    rows = [make_scores().classes[0].__class__(text, None, None, None, 0)] * 3
    mistakes = [Mistake(n, text, text, 0.9999) for n in range(12)]
    layers = [
        make_layer(text, groups=[[0, 1, 2]], removable_params=99, n_images=50),
        make_layer(f"{text}2", 2, groups=[[1, 0]], n_images=50),
    ]
    units = [
        *make_units(0, layer=text, state="dead", cause=visible(text)),
        *make_units(1, layer=text, state="saturated"),
        *make_units(2, layer=text, state="constant"),
        *make_units(3, layer=text, state="weak"),
        *make_units(4, layer=text, state="always-on"),
        *make_units(5, layer=text, opposite=6, duplicate_of=7),
        *make_units(6, layer=text, state="always-negative"),
        *make_units(7, layer=text, effect=make_effect(), preferred_class=prefers(text, 0.95)),
        *make_units(8, layer=text, effect=make_effect({"star": 0.2}), preferred_class=prefers(text, 0.6)),
        *make_units(0, 1, layer=f"{text}2", state="dead", cause=None),
    ]
    row = LayerRow(text, "Dense", [None], 900, True, None)
    shared: dict[str, Any] = {
        "thresholds": limits,
        "data": make_data(
            [1000, 9, 0],
            class_names=[text] * 3,
            skipped=[SkippedFiles("test", 25, [SkippedFile(text, literal("it is empty"))] * 20)],
        ),
        "checks": make_checks(
            shared=3,
            shared_pairs=[Twins(("test", n), ("train", n), n > 0) for n in range(3)],
            conflicting=2,
            conflicting_pairs=[Twins(("train", 0), ("test", 0), False)],
            constant={"train": 2, "test": 0},
            constant_images={"train": [4, 5], "test": []},
            repeated={"train": 0, "test": 30},
        ),
        "model": ModelFacts("m", "trained", "softmax", 1000, 1000, 0, [row, *make_model(100).layers]),
        "layers": layers,
        "units": units,
        "proof": Proof(3, 0.9, 0.8, [-0.12, -0.08]),
        "doubt": Doubt("network", "-1-1", text, 200, 90, 150, (1.5, 0.5)),
        "shifts": [make_shift()],
        "shifts_run": make_shifts_run(),
        "unread": [literal(f"The file {short(text)} is no history.")],
        "deaths": Deaths(50, "test", [0, 1], 1, [LayerDeaths(text, 32, [0, 9], [Died(1, list(range(9)))])]),
    }
    first = found(
        **shared
        | of_test(scored([[90, 10, 0], [50, 50, 0], [5, 0, 0]], 0.9, classes=rows, worst=mistakes), GOOD)
        | {"history": make_history(metrics={"loss": [1, 0.5, 0.25], "val_loss": [1, 0.8, 0.7]}, best_epoch=3)}
    )
    second = found(
        **shared
        | of_test(scored([[50, 0, 0], [50, 0, 0], [50, 0, 0]], 0.9, classes=rows))
        | {
            "history": make_history(
                metrics={"loss": [3.0, 2, None, 1], "val_loss": [1, 2, 2, 3]}, epochs=[1, 2, 3, 4], best_epoch=1
            )
        }
    )
    third = found(**of_test(scored([[0, 50, 0], [0, 0, 50], [50, 0, 0]], classes=rows)), thresholds=limits)
    many = with_doubts(make_data([400, 400, 400]), text, leaks=make_leaks(test_images=60), suspect_labels_search=MANY)
    few = with_doubts(make_data([400, 400, 400]), text, suspect_labels_search=FEW)
    return first + second + third + found(data=many, thresholds=limits) + found(data=few, thresholds=limits)


@pytest.mark.parametrize("name", [one.name for one in fields(FindingThresholds)])
def test_every_threshold_reaches_what_it_is_for(name: str) -> None:
    plain = broken()
    assert any(broken(**{name: value}) != plain for value in (1, 10**9))


def test_broken_reports_have_every_kind_of_finding() -> None:
    assert {one.code for one in broken()} == set(KINDS) - {"no-pdf", "not-drawn"}, "those are about the report itself"


def test_findings_come_gravest_first_and_in_the_order_of_the_table() -> None:
    report = found(
        history=make_history(metrics={"loss": [None, 1.0, 1.0]}),
        proof=Proof(3, 0.9, 0.8, [-0.12, -0.08]),
        checks=make_checks(constant={"test": 1}, constant_images={"test": [0]}, repeated={}),
        **sick(*make_units(3, state="dead"), n_images=10),
    )
    assert [one.code for one in report] == [
        "loss-not-finite",
        "proof-failed",
        "dead-units",
        "constant-images",
        "few-images",
    ]
    assert [one.severity for one in report] == ["error", "warning", "warning", "notice", "notice"]


def test_findings_of_one_kind_follow_the_order_of_the_layers() -> None:
    layers = [make_layer("zeta"), make_layer("alpha")]
    units = [*make_units(1, layer="alpha", state="dead"), *make_units(1, layer="zeta", state="dead")]
    assert [one.layer for one in found(layers=layers, units=units)] == ["zeta", "alpha"]


@pytest.mark.parametrize("text", ["shape", HOSTILE, "x" * 5000, ""], ids=["plain", "hostile", "long", "empty"])
def test_every_message_is_one_line_of_whole_sentences(text: str) -> None:
    for one in broken(text):
        assert one.message.isprintable(), one
        assert one.message.endswith(".")
        assert not one.message[0].islower()
        assert "  " not in one.message or not text
        assert len(one.message) < 2000 or one.code == "dead-units"  # which gives causes in full
        assert one.severity == KINDS[one.code].severity


def test_names_from_outside_stay_text() -> None:
    messages = " ".join(one.message for one in broken(HOSTILE))
    assert "\x1b" not in messages
    assert "\u202e" not in messages
    assert "<script>alert(1)</script>" in messages  # the page escapes; report.json keeps what was there
    assert {one.layer for one in broken(HOSTILE)} <= {None, HOSTILE, f"{HOSTILE}2"}


def test_nothing_but_the_inputs_decides() -> None:
    assert broken() == broken()


# Units


def test_dead_units_are_one_finding_a_layer_grouped_by_cause() -> None:
    still, blocked = "it did not fire on these images", "its kernel is zero"
    one = only(
        "dead-units", **sick(*make_units(3, 9, state="dead", cause=still), *make_units(5, state="dead", cause=blocked))
    )
    assert (one.layer, one.units) == ("conv", [3, 9, 5])
    assert f"such images): units 3 and 9; {blocked} (unit 5)" in one.message  # that they did not fire was said
    assert "In layer conv, 3 of 32 units never fired on 1,000 images" in one.message
    assert "fewer than 0.3 %" in one.message  # 3 / 1,000


def test_units_that_fire_on_another_split_are_not_to_be_removed() -> None:
    layer = dataclasses.replace(make_layer(), lossless=LayerCut(elsewhere=[3]))
    units = make_units(3, 5, state="dead")
    message = only("dead-units", **sick(*units) | {"layers": [layer]}).message
    assert "On images of the other split unit 3 did fire" in message and "Remove what never fires" in message
    alone = only("dead-units", **sick(*units[:1]) | {"layers": [layer]}).message
    assert "On images of the other split unit 3 did fire" in alone and "Remove what" not in alone


def test_a_dead_unit_without_a_cause_is_one_all_the_same() -> None:
    assert "the cause is not known (unit 3)" in only("dead-units", **sick(*make_units(3, state="dead"))).message


def test_a_layer_that_is_dead_throughout_is_one_error_and_not_a_finding_for_each_unit() -> None:
    units = make_units(*range(32), state="dead", cause="the layer's input is all zero")
    one = only("dead-layer", **sick(*units))
    assert (one.severity, one.layer, one.units) == ("error", "conv", list(range(32)))
    assert "none of its 32 units fired on any of 1,000 images (the layer's input is all zero)" in one.message


def test_a_layer_with_one_living_unit_is_not_dead() -> None:
    assert codes(**sick(*make_units(*range(31), state="dead"))) == ["dead-units"]


def test_a_long_list_of_units_is_cut_but_the_finding_has_all_of_them() -> None:
    one = only("dead-units", **sick(*make_units(*range(22), state="dead", cause="why")))
    assert "(units 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 12 more)" in one.message
    assert one.units == list(range(22))


@pytest.mark.parametrize(
    ("state", "code", "figures"),
    [
        ("saturated", "stuck-units", "(units 4 and 7; mean output 0.5 to 0.998)"),
        ("constant", "constant-units", "(units 4 and 7; output 0.5 to 0.998)"),
        ("weak", "weak-units", "(units 4 and 7; mean output 0.5 to 0.998)"),
        ("always-on", "always-on-units", "(units 4 and 7; at most 0.4 % of the values are zero)"),
    ],
)
def test_units_of_one_state_are_one_finding_a_layer(state: str, code: str, figures: str) -> None:
    units = [make_unit(unit=unit, state=state, mean=mean, zero_share=0.004) for unit, mean in ((4, 0.5), (7, 0.998))]
    one = only(code, **sick(*units))
    assert (one.layer, one.units) == ("conv", [4, 7])
    assert one.message.startswith("In layer conv, 2 of 32 units ")
    assert figures in one.message


@pytest.mark.parametrize("state", ["healthy", "output", "never predicted", "always predicted"])
def test_other_states_are_no_finding_about_units(state: str) -> None:
    assert codes(**sick(*make_units(3, state=state))) == []


def test_redundant_units_are_all_of_a_group_but_its_representative() -> None:
    one = only("redundant-units", **sick(groups=[[9, 3, 7], [4, 12]], removable_params=1445))
    assert (one.layer, one.units) == ("conv", [3, 7, 12])
    for said in ("3 of 32 units", "2 groups", "removable: units 3, 7 and 12", "1,445 parameters", "on 1,000 images"):
        assert said in one.message


@pytest.mark.parametrize(
    ("over_positions", "criteria"), [(None, "also within each class ("), (0.97, "also within each class and over pos")]
)
def test_the_finding_on_redundant_units_names_all_that_they_were_compared_by(
    over_positions: float | None, criteria: str
) -> None:
    unit = make_unit(unit=3, kept=Nearest(9, 0.99, 0.98, over_positions))
    assert criteria in only("redundant-units", **sick(unit, groups=[[9, 3]])).message


def test_units_that_say_the_same_as_none_are_not_redundant() -> None:
    assert codes(**sick(groups=[])) == []


def test_weight_duplicates_name_both_units() -> None:
    one = only("weight-duplicates", **sick(make_unit(unit=5, duplicate_of=2), make_unit(unit=7, duplicate_of=0)))
    assert (one.layer, one.units) == ("conv", [5, 7])
    assert "2 of 32 units" in one.message
    assert "(5 repeats 2, 7 repeats 0)" in one.message.replace(" and 7", ", 7")


def test_a_pair_of_opposites_is_one_pair_however_it_is_told() -> None:
    one = only("opposite-units", **sick(make_unit(unit=8, opposite=3), make_unit(unit=3, opposite=8)))
    assert (one.layer, one.units) == ("conv", [3, 8])
    assert "1 pair of units" in one.message
    assert "(3 with 8)" in one.message


@pytest.mark.parametrize(("images", "expected"), [(999, ["few-images"]), (1000, [])])
def test_below_a_thousand_images_correlations_are_uncertain(images: int, expected: list[str]) -> None:
    assert codes(**sick(n_images=images)) == expected


def test_few_images_is_one_finding_with_the_layer_in_which_chance_does_most() -> None:
    layers = [
        make_layer("conv", n_images=2000, noise_floor=0.2),
        make_layer("dense", n_images=512, noise_floor=0.32),
        make_layer("scores", n_images=512, noise_floor=None),
    ]
    one = only("few-images", layers=layers, units=[])
    assert (one.layer, one.units) == (None, [])
    assert "judged on 512 images" in one.message
    assert "|r| = 0.32 by chance in layer dense" in one.message


# Training


def history(
    loss: Sequence[float | None], validation: Sequence[float | None] | None, best: int | None
) -> dict[str, Any]:
    metrics = {"loss": list(loss)} | ({} if validation is None else {"val_loss": list(validation)})
    return {"history": make_history(epochs=list(range(1, len(loss) + 1)), metrics=metrics, best_epoch=best)}


def test_a_loss_that_is_no_number_is_an_error_with_its_epoch() -> None:
    one = only("loss-not-finite", **history([1.0, None, None, 0.5], [1.0, 1.1, 1.0, 1.0], 1))
    assert one.severity == "error"
    assert "in 2 of 4 epochs, first in epoch 2" in one.message


def test_an_epoch_that_was_not_validated_is_no_error() -> None:
    assert codes(**history([1.0, 0.9, 0.8], [None, 0.9, None], 2)) == []
    assert codes(**history([1.0, 0.9, 0.8, 0.7], [0.9, 0.9], 1)) == []  # Keras wrote down fewer values than epochs


@pytest.mark.parametrize(("last", "expected"), [(0.5, ["still-improving"]), (0.792, ["still-improving"]), (0.793, [])])
def test_the_last_epoch_is_the_best_by_a_margin(last: float, expected: list[str]) -> None:
    assert codes(**history([1.0, 0.9, 0.8], [1.0, 0.8, last], 3)) == expected


def test_still_improving_says_from_what_to_what() -> None:
    message = only("still-improving", **history([1.0, 0.9, 0.8], [1.0, 0.8, 0.654], 3)).message
    assert "last of 3 epochs" in message
    assert "from 0.8 to 0.654" in message


@pytest.mark.parametrize(
    ("loss", "validation", "best"),
    [
        pytest.param([0.9], [0.9], 1, id="one epoch tells no direction"),
        pytest.param([0.9, 0.5], None, 2, id="training loss falls anyhow"),
        pytest.param([0.9, 0.5], [0.9, None], 2, id="not validated"),
        pytest.param([None, None], [None, None], None, id="nothing known"),
    ],
)
def test_what_does_not_show_improvement(loss: list[Any], validation: list[Any] | None, best: int | None) -> None:
    assert "still-improving" not in codes(**history(loss, validation, best))


@pytest.mark.parametrize(("share", "expected"), [(0.5, ["still-improving"]), (0.51, [])])
def test_improvement_is_reached_by_the_threshold_itself(share: float, expected: list[str]) -> None:
    epochs = history([1.0, 0.9], [1.0, 0.5], 2)
    assert codes(**epochs, thresholds=FindingThresholds(improvement=share)) == expected


def test_a_loss_below_zero_improves_too() -> None:
    assert codes(**history([1.0, 0.9], [-1.0, -1.5], 2)) == ["still-improving"]
    assert codes(**history([1.0, 0.9], [-1.0, -1.001], 2)) == []


def test_overfitting_says_since_when_and_both_numbers() -> None:
    one = only("overfitting", **history([1.0, 0.8, 0.6, 0.4, 0.25], [0.9, 0.7, 0.75, 0.8, 0.912], 2))
    assert one.severity == "warning"
    assert (
        "Since epoch 2 validation loss rose from 0.7 to 0.912 while training loss fell from 0.8 to 0.25" in one.message
    )


@pytest.mark.parametrize(
    ("loss", "validation", "expected"),
    [
        pytest.param([0.8, 0.4, 0.2], [0.5, 0.55, 0.55], ["overfitting"], id="by ten per cent"),
        pytest.param([0.8, 0.4, 0.2], [0.5, 0.549, 0.6], [], id="one of the last two by less"),
        pytest.param([0.8, 0.2], [0.5, 0.9], [], id="one bad epoch"),
        pytest.param([0.8, 0.9, 0.8], [0.5, 0.9, 0.9], [], id="training loss fell not"),
        pytest.param([0.8, 0.9, 0.79], [0.5, 0.9, 0.9], ["overfitting"], id="training loss fell"),
        pytest.param([0.8, 0.4, 0.2], [0.0, 0.0, 0.0], [], id="no loss at all"),
        pytest.param([0.8, 0.4, 0.2], [0.5, None, 0.9], [], id="one of the two not validated"),
        pytest.param([0.8, 0.4, 0.2], [-0.5, -0.4, -0.4], ["overfitting"], id="below zero"),
    ],
)
def test_overfitting_is_a_rise_that_lasts_while_training_loss_falls(
    loss: list[Any], validation: list[Any], expected: list[str]
) -> None:
    assert codes(**history(loss, validation, 1)) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.5, ["overfitting"]), (0.51, [])])
def test_the_rise_is_reached_by_the_threshold_itself(share: float, expected: list[str]) -> None:
    epochs = history([0.8, 0.4, 0.2], [0.5, 0.75, 0.75], 1)
    assert codes(**epochs, thresholds=FindingThresholds(loss_rise=share)) == expected


@pytest.mark.parametrize("loss", [[0.8, 0.4, None], [None, 0.4, 0.2]])
def test_a_training_loss_that_is_no_number_shows_no_overfitting(loss: list[float | None]) -> None:
    assert codes(**history(loss, [0.5, 0.9, 0.9], 1)) == ["loss-not-finite"]


def test_without_validation_nobody_knows_of_overfitting() -> None:
    assert codes(**history([0.8, 0.4, 0.2], None, 3)) == []


# Evaluation


@pytest.mark.parametrize(
    ("right", "expected"), [(100, ["worse-than-majority"]), (99, ["worse-than-majority"]), (101, [])]
)
def test_a_model_must_beat_naming_the_largest_class(right: int, expected: list[str]) -> None:
    # 100 circles, 60 squares, 40 stars; the largest class is half of the images
    confusion = [[60, 20, 20], [20, right - 80, 140 - right], [5, 15, 20]]
    assert [code for code in codes(**of_test(scored(confusion))) if code == "worse-than-majority"] == expected


def test_worse_than_majority_names_class_and_shares() -> None:
    report = found(**of_test(scored([[60, 20, 20], [20, 19, 21], [5, 15, 20]])))
    assert report[0].severity == "error"
    assert "classifies 99 of 200 test images correctly (49.5 %)" in report[0].message
    assert 'class "circle" (50.0 %)' in report[0].message


def test_with_one_class_there_is_no_majority_to_beat() -> None:
    assert codes(**of_test(scored([[50, 0, 0], [0, 0, 0], [0, 0, 0]]))) == []


def test_one_answer_for_everything_is_told_once() -> None:
    report = found(**of_test(scored([[300, 0, 0], [10, 0, 0], [9, 0, 0]])))
    assert [one.code for one in report] == ["worse-than-majority", "class-always-predicted", "most-confused-pair"]
    assert 'each of 319 test images for class "circle"' in report[1].message
    assert (report[1].layer, report[1].units) == (None, [])


def test_one_answer_for_everything_may_be_wrong_throughout() -> None:
    assert "class-always-predicted" in codes(**of_test(scored([[0, 5, 0], [0, 0, 0], [0, 0, 0]])))


def test_a_class_that_has_images_and_is_never_named() -> None:
    softmax = make_units(0, 1, layer="scores", state="output") + make_units(2, layer="scores", state="never predicted")
    answers = scored([[100, 0, 0], [0, 100, 0], [2, 3, 0]])
    one = only("class-never-predicted", **of_test(answers), units=softmax)
    assert (one.layer, one.units) == ("scores", [2])
    assert 'ever taken for class "star" (5 images)' in one.message
    assert (
        only("class-never-predicted", **of_test(answers)).layer is None
    )  # no softmax: no units that stand for classes


def test_a_class_that_is_named_once_or_has_no_images_is_no_such_finding() -> None:
    assert codes(**of_test(scored([[100, 0, 0], [0, 99, 1], [2, 2, 1]]))) == ["weakest-class"]
    assert codes(**of_test(scored([[100, 0, 0], [0, 100, 0], [0, 0, 0]]))) == []


@pytest.mark.parametrize(
    ("auroc", "effect", "state", "expected"),
    [
        (0.9, make_effect(), "healthy", ["selective-without-effect"]),
        (0.89, make_effect(), "healthy", []),
        (0.95, make_effect({"star": 0.1}), "healthy", []),
        (0.95, make_effect(interval=[-0.02, 0.0]), "healthy", []),  # too few images to tell
        (0.95, make_effect(method="first order"), "healthy", []),  # an estimate is no ground for a finding
        (0.95, None, "healthy", []),
        (0.95, make_effect(), "output", []),
        (0.69, make_effect({"star": 0.1}), "healthy", ["needed-without-preference"]),
        (0.7, make_effect({"star": 0.1}), "healthy", []),
        (0.6, make_effect(), "healthy", []),
        (0.6, make_effect({"star": -0.1}), "healthy", []),  # it is in the way
    ],
)
def test_what_a_unit_prefers_is_held_against_what_it_is_needed_for(
    auroc: float, effect: Effect | None, state: str, expected: list[str]
) -> None:
    preferred = dataclasses.replace(make_unit().preferred_class, auroc=auroc)
    units = make_units(*range(32))
    units[7] = dataclasses.replace(units[7], preferred_class=preferred, effect=effect, state=state)
    assert [one.code for one in found(units=units) if one.layer == "conv"] == expected
    for one in found(units=units):
        if one.code in expected:
            assert one.units == [7] and "unit 7" in one.message and one.message.count("1 of 32 units") == 1


def test_the_weakest_class_has_its_interval_and_what_the_others_reach() -> None:
    one = only("weakest-class", **of_test(scored([[142, 29, 29], [5, 190, 5], [9, 5, 186]], most_confused=[])),
               thresholds=FindingThresholds(pair_count=100))  # fmt: skip
    assert one.severity == "warning"
    assert '"circle" is recognised in 142 of 200 test images (71.0 %; 95 % interval 64.4 % to 76.8 %)' in one.message
    assert "the other classes together in 94.0 %" in one.message


@pytest.mark.parametrize(
    ("hits", "images", "expected"),
    [
        pytest.param(60, 100, ["weakest-class"], id="clearly"),
        pytest.param(3, 5, [], id="too few images to blame it"),
        pytest.param(0, 1, [], id="its only image"),
        pytest.param(1, 5, ["weakest-class"], id="few, but far below"),
        pytest.param(9200, 10_000, [], id="surely below, but by little"),
    ],
)
def test_a_class_is_not_blamed_by_chance(hits: int, images: int, expected: list[str]) -> None:
    confusion = [[hits, images - hits, 0], [1, 960, 39], [0, 40, 960]]
    assert [code for code in codes(**of_test(scored(confusion))) if code == "weakest-class"] == expected


def test_a_tiny_class_does_not_hide_a_weak_one() -> None:
    report = found(**of_test(scored([[960, 20, 20], [1, 1, 1], [20, 20, 60]])))
    assert ['"star" is recognised in 60 of 100' in one.message for one in report if one.code == "weakest-class"] == [
        True
    ]


def test_of_several_weak_classes_the_weakest_is_named() -> None:
    report = found(**of_test(scored([[60, 20, 20], [20, 50, 30], [1, 1, 998]])))
    assert ['"square" is recognised in 50 of 100' in one.message for one in report if one.code == "weakest-class"] == [
        True
    ]


@pytest.mark.parametrize(("gap", "expected"), [(0.25, True), (0.2501, False)])
def test_the_gap_of_a_class_is_reached_by_the_threshold_itself(gap: float, expected: bool) -> None:
    report = codes(**of_test(scored([[200, 200], [100, 300]])), thresholds=FindingThresholds(class_gap=gap))
    assert ("weakest-class" in report) == expected


def test_classes_without_images_do_not_make_blame_harder() -> None:
    # a class as good as the other does so badly once in 240 times: remarkable among two classes, not among fifty
    confusion = np.zeros((50, 50), int)
    confusion[:2, :2] = [[13, 7], [4, 96]]
    assert "weakest-class" in codes(**of_test(scored(confusion.tolist())))


@pytest.mark.slow
def test_of_classes_as_good_as_each_other_one_is_seldom_blamed() -> None:
    generator = np.random.default_rng(0)
    thresholds = FindingThresholds(class_gap=0.0)
    blamed = 0
    for _ in range(400):
        hits = generator.binomial(100, 0.8, 10)
        confusion = np.diag(hits)
        confusion[np.arange(10), (np.arange(10) + 1) % 10] = 100 - hits
        report = found(**of_test(scored(confusion.tolist())), thresholds=thresholds)
        blamed += any(one.code == "weakest-class" for one in report)
    assert blamed / 400 <= 0.05


@pytest.mark.parametrize(
    ("confused", "images", "expected"), [(10, 200, True), (9, 100, False), (10, 201, False), (11, 200, True)]
)
def test_a_pair_is_confused_from_a_share_and_a_number_on(confused: int, images: int, expected: bool) -> None:
    report = codes(**of_test(scored([[images - confused, confused, 0], [0, 100, 0], [0, 0, 100]])))
    assert ("most-confused-pair" in report) == expected


def test_the_most_confused_pair_is_the_largest_share_of_a_class_not_the_largest_number() -> None:
    report = found(**of_test(scored([[900, 100, 0], [0, 1000, 0], [0, 20, 80]])))
    (one,) = (one for one in report if one.code == "most-confused-pair")
    assert one.severity == "notice"
    assert 'takes 20 of 100 test images of class "star" for class "square" (20.0 % of the class)' in one.message


@pytest.mark.parametrize(
    ("confidence", "verdict"), [(0.7, "is over-confident"), (0.5, "is under-confident"), (0.64, None), (0.56, None)]
)
def test_poor_calibration_says_in_which_direction(confidence: float, verdict: str | None) -> None:
    answers = scored([[600, 200, 200], [200, 600, 200], [200, 200, 600]], confidence)
    found_ = [one for one in found(**of_test(answers)) if one.code == "poor-calibration"]
    assert [verdict in one.message for one in found_] == ([] if verdict is None else [True])
    for one in found_:
        assert f"mean probability is {percent(confidence)}, but 60.0 % of its predictions are right" in one.message
        assert "(expected calibration error 10.0 %)" in one.message


@pytest.mark.parametrize(("threshold", "expected"), [(0.25, True), (0.2501, False)])
def test_the_calibration_error_is_reached_by_the_threshold_itself(threshold: float, expected: bool) -> None:
    answers = scored([[100, 100], [100, 100]], 0.75)
    report = codes(**of_test(answers), thresholds=FindingThresholds(calibration=threshold))
    assert ("poor-calibration" in report) == expected


def test_calibration_errors_of_both_signs_do_not_cancel_out() -> None:
    bins = [ReliabilityBin(0.5, 0.7, 500, 0.6, 0.8), ReliabilityBin(0.7, 1, 500, 0.9, 0.7)]
    answers = scored([[250, 50, 50], [50, 250, 25], [50, 25, 250]], reliability=bins, ece=0.2)
    report = [one.message for one in found(**of_test(answers)) if one.code == "poor-calibration"]
    assert ["over-confident for some predictions and under-confident for others" in message for message in report] == [
        True
    ]


@pytest.mark.slow
def test_a_model_as_sure_as_it_is_right_is_seldom_called_poorly_calibrated() -> None:
    generator = np.random.default_rng(0)
    blamed = 0
    for _ in range(400):
        sure = generator.uniform(0.4, 1, 100)
        right = generator.random(100) < sure
        bins = scores.reliability(predictions.binned(sure, right))
        answers = scored([[int(right.sum()), int((~right).sum())], [0, 0]], reliability=bins)
        report = found(**of_test(make_scores(**vars(answers) | {"ece": scores.calibration_error(bins)})))
        blamed += any(one.code == "poor-calibration" for one in report)
    assert blamed / 400 <= 0.05  # although the error of nearly all of them is above the threshold


@pytest.mark.parametrize(("probability", "expected"), [(0.99, ["confident-mistakes"]), (0.9899, [])])
def test_a_mistake_is_confident_from_a_probability_on(probability: float, expected: list[str]) -> None:
    answers = scored(GOOD.confusion, worst=[Mistake(7, "star", "circle", probability)])
    assert codes(**of_test(answers)) == expected


def test_confident_mistakes_are_numbered_for_each_part() -> None:
    surest = [
        Mistake(7, "star", "circle", 0.99996),
        Mistake(4, "star", "square", 0.995),
        Mistake(1, "star", "square", 0.5),
    ]
    train, test = scored(GOOD.confusion, worst=surest), scored(GOOD.confusion, worst=surest[:1])
    first, second = found(**of_test(test, train))
    assert first.message.startswith("2 training images got a wrong prediction with a probability of 99.0 % or more")
    assert "(images 7 and 4;" in first.message
    assert 'labelled "star", is taken for "circle" with 99.996 %' in first.message
    assert second.message.startswith("1 test image got")


def test_where_the_list_of_mistakes_is_full_there_may_be_more() -> None:
    answers = scored(GOOD.confusion, worst=[Mistake(n, "star", "circle", 1.0) for n in range(12)])
    assert only("confident-mistakes", **of_test(answers)).message.startswith("At least 12 test images")


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        pytest.param([[990, 10], [10, 990]], [[940, 60], [60, 940]], ["train-test-gap"], id="five points"),
        pytest.param([[990, 10], [10, 990]], [[941, 59], [60, 940]], [], id="less than five points"),
        pytest.param([[10, 0], [0, 10]], [[9, 1], [1, 9]], [], id="ten points, but of twenty images"),
        pytest.param([[940, 60], [60, 940]], [[990, 10], [10, 990]], [], id="better on the test split"),
    ],
)
def test_the_gap_between_the_parts_must_be_wide_and_sure(train: Any, test: Any, expected: list[str]) -> None:
    report = codes(**of_test(scored(test), scored(train)), thresholds=FindingThresholds(pair_count=1000))
    assert report == expected


@pytest.mark.parametrize(("gap", "expected"), [(0.25, True), (0.2501, False)])
def test_the_gap_is_reached_by_the_threshold_itself(gap: float, expected: bool) -> None:
    report = codes(
        **of_test(scored([[50, 50], [50, 50]]), scored([[75, 25], [25, 75]])),
        thresholds=FindingThresholds(accuracy_gap=gap),
    )
    assert ("train-test-gap" in report) == expected


def test_the_gap_has_both_accuracies_and_its_interval() -> None:
    report = found(**of_test(scored([[80, 20], [20, 80]]), scored([[100, 0], [0, 100]])))
    (one,) = (one for one in report if one.code == "train-test-gap")
    assert "100.0 % on the training split but 80.0 % on the test split, 20.0 points less" in one.message
    assert "(95 % interval 14.7 to 26.1)" in one.message


# The proof


@pytest.mark.parametrize(("high", "expected"), [(-0.0001, ["proof-failed"]), (0.0, []), (0.001, [])])
def test_the_proof_fails_only_where_the_whole_interval_is_below_zero(high: float, expected: list[str]) -> None:
    assert codes(proof=Proof(12, 0.95, 0.94, [-0.02, high])) == expected


def test_a_failed_proof_has_its_figures() -> None:
    one = only("proof-failed", proof=Proof(12, 0.9531, 0.9412, [-0.0231, -0.0057]))
    assert one.severity == "warning"
    assert "12 units" in one.message
    assert "from 95.3 % to 94.1 % (95 % interval of the fall: 0.6 to 2.3 points)" in one.message


WELL, ILL = Ablated(2, 0.95, [-0.01, 0.01]), Ablated(3, 0.8, [-0.2, -0.1])


@pytest.mark.parametrize(
    ("dead", "redundant", "together", "said"),
    [
        (WELL, WELL, [-0.01, 0.0], []),
        (ILL, WELL, [-0.2, -0.1], ["3 units called dead, each held at its mean"]),
        (WELL, ILL, [-0.2, -0.1], ["3 units called redundant, each replaced"]),
        (None, ILL, [-0.2, -0.1], ["3 units called redundant, each replaced"]),
        (ILL, ILL, [-0.4, -0.3], ["3 units called dead, each held at its mean", "3 units called redundant"]),
        (WELL, WELL, [-0.02, -0.01], ["5 units called dead or redundant taken out"]),
    ],
    ids=["neither", "dead", "redundant", "redundant alone", "each", "only together"],
)
def test_a_failed_proof_names_the_kind_of_verdict_that_is_in_doubt(
    dead: Ablated | None, redundant: Ablated, together: list[float], said: list[str]
) -> None:
    failed = [one.message for one in found(proof=Proof(5, 0.95, 0.9, together, dead, redundant))]
    assert len(failed) == len(said)
    assert all(words in message for words, message in zip(said, failed, strict=True))


@pytest.mark.parametrize(
    ("code", "unit", "kind"),
    [
        ("dead-units", {"state": "dead"}, "dead"),
        ("redundant-units", {}, "redundant"),
        ("weight-duplicates", {"duplicate_of": 0}, "redundant"),
    ],
)
def test_what_the_proof_shows_to_matter_is_not_to_be_removed(code: str, unit: dict[str, Any], kind: str) -> None:
    groups = [[0, 3]] if code == "redundant-units" else []
    flagged = sick(*make_units(3, **unit), groups=groups)
    for failed in ("dead", "redundant"):
        proof = dataclasses.replace(Proof(3, 0.95, 0.8, [-0.2, -0.1]), **{"dead": WELL, "redundant": WELL, failed: ILL})
        (one,) = (one for one in found(proof=proof, **flagged) if one.code == code)
        assert ("Leave such units in" in one.message) == (failed == kind)
        assert ("narrower" in one.message or "emove" in one.message) == (failed != kind)


def test_units_that_are_always_negative_are_not_called_dead_and_not_to_be_removed() -> None:
    one = only("always-negative-units", **sick(*make_units(3, 4, state="always-negative")))
    assert one.severity == "notice" and one.units == [3, 4]
    assert "That is not dead" in one.message and "emove" not in one.message


# Data


def test_test_images_in_the_training_part_are_counted_and_numbered() -> None:
    pairs = [Twins(("test", n), ("train", n + 100), n != 3) for n in range(20)]
    one = only("test-in-train", checks=make_checks(shared=30, shared_other_label=1, shared_pairs=pairs))
    assert one.severity == "warning"
    assert "holds 30 of 300 test images (10.0 %)" in one.message
    assert "(images 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more, 1 of them under another label)" in one.message


def test_one_shared_image_with_the_same_label_is_told_as_one() -> None:
    checks = make_checks(shared=1, shared_pairs=[Twins(("test", 5), ("train", 9), True)])
    assert "(image 5)" in only("test-in-train", checks=checks).message


def test_equal_images_under_different_labels_are_named_in_pairs() -> None:
    pairs = [Twins(("train", 4), ("train", 9), False), Twins(("train", 1234), ("test", 0), False)]
    one = only("conflicting-labels", checks=make_checks(conflicting=5, conflicting_pairs=pairs))
    assert one.message.startswith("Equal images have different labels (5 images), such as")
    assert "training image 4 and training image 9" in one.message
    assert "training image 1,234 and test image 0" in one.message


def test_a_class_without_images_is_told_for_each_part() -> None:
    train, test = found(data=make_data([100, 0, 100], [100, 100, 0]))
    assert 'training split has no image of 1 class of 3: "square". The model cannot learn' in train.message
    assert 'test split has no image of 1 class of 3: "star". Nothing is known' in test.message


@pytest.mark.parametrize(("largest", "expected"), [(100, ["class-imbalance"]), (99, [])])
def test_classes_are_imbalanced_from_a_ratio_on(largest: int, expected: list[str]) -> None:
    assert codes(data=make_data([largest, 10, 20])) == expected


def test_imbalance_names_both_classes_and_judges_what_the_model_learnt_from() -> None:
    one = only("class-imbalance", data=make_data([40, 5000, 100], [1, 900, 50]))
    for said in ("training split", '"square" has 5,000 images', '"circle" 40', "ratio of 125 to 1"):
        assert said in one.message
    assert codes(data=make_data([100, 100, 100], [1, 900, 50])) == []


def test_without_a_training_part_the_test_part_is_judged() -> None:
    counts = {"train": None, "test": [10, 100, 100]}
    data = make_data(train_size=None, class_counts=counts, test_size=210)
    assert "test split" in only("class-imbalance", data=data, checks=make_checks(repeated={"test": 0})).message


def test_images_of_one_colour_are_counted_and_numbered() -> None:
    one = only("constant-images", checks=make_checks(constant={"test": 25}, constant_images={"test": list(range(20))}))
    assert one.severity == "notice"
    assert "in 25 test images (images 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more)" in one.message


@pytest.mark.parametrize(("repeated", "expected"), [(3, ["repeated-images"]), (2, [])])
def test_repeats_are_worth_a_notice_from_a_share_on(repeated: int, expected: list[str]) -> None:
    assert codes(checks=make_checks(repeated={"train": repeated, "test": 0})) == expected


def test_repeats_are_a_share_of_their_own_part() -> None:
    data = make_data([300, 300, 300], [10, 10, 10])
    assert codes(data=data, checks=make_checks(repeated={"train": 8, "test": 0})) == []
    assert codes(data=data, checks=make_checks(repeated={"train": 0, "test": 8})) == ["repeated-images"]


def test_where_every_repeat_counts_none_is_still_none() -> None:
    assert codes(thresholds=FindingThresholds(repeated=0.0)) == []


def test_repeats_are_counted_for_their_part() -> None:
    message = only("repeated-images", checks=make_checks(repeated={"train": 0, "test": 30})).message
    assert "test split repeats earlier images exactly in 30 of its 300 images (10.0 %)" in message


# Model


@pytest.mark.parametrize(("params", "expected"), [([81, 19], ["heavy-layer"]), ([80, 20], []), ([100], []), ([], [])])
def test_a_layer_is_heavy_when_it_holds_most_of_several_layers(params: list[int], expected: list[str]) -> None:
    assert codes(model=make_model(*params)) == expected


def test_a_heavy_layer_is_named_with_its_share() -> None:
    one = only("heavy-layer", model=make_model(320, 1_606_144))
    assert (one.layer, one.units) == ("layer_1", [])
    assert "Layer layer_1 holds 1,606,144 of the model's 1,606,464 parameters (99.98 %)" in one.message


# How numbers, names and lists read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 %"),
        (1, "100.0 %"),
        (0.98914, "98.9 %"),
        (0.9996, "99.96 %"),
        (0.0004, "0.04 %"),
        (1e-9, "<0.0001 %"),
        (1 - 1e-9, ">99.9999 %"),
    ],
)
def test_a_percentage_is_never_rounded_to_none_or_all(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (4.567, "4.57"),
        (1234.5, "1,230"),
        (999.9, "1,000"),
        (-0.5, "−0.5"),
        (1e-9, "1e−09"),
    ],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_points_have_no_sign_and_are_never_rounded_to_none() -> None:
    assert (points(-0.0213), points(0.00004)) == ("2.1", "0.004")


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("", ""),
        ("abcdefghijkl", "a, b, c, d, e, f, g, h, i, j and 2 more"),
    ],
)
def test_a_list_reads_as_a_sentence_and_is_cut_after_ten(items: str, text: str) -> None:
    assert listed(list(items)) == text


def test_a_list_of_the_first_says_how_many_there_are() -> None:
    assert numbered_images([1234, 5], 1500) == "images 1,234, 5 and 1,498 more"
    assert numbered_images([5], 1) == "image 5"
    assert (numbered_units([3]), numbered_units([3, 7])) == ("unit 3", "units 3 and 7")


def test_counts_and_spans() -> None:
    assert (counted_images(1, "train"), counted_images(12345)) == ("1 training image", "12,345 images")
    assert (span([0.5, 0.25]), span([0.5, 0.5001])) == ("0.25 to 0.5", "0.5")


def test_names_are_shown_on_one_line_and_cut_visibly() -> None:
    assert visible("a\nb\u202ec") == "a\ufffdb\ufffdc"
    assert name("x" * 80) == "x" * 80
    assert name("x" * 81) == "x" * 80 + "…"
    assert label("T-shirt/top") == '"T-shirt/top"'


def fragile(*shifts: Shift, **changes: float) -> list[str]:
    given = FindingThresholds(**changes) if changes else FindingThresholds()
    return [str(one.message) for one in shift_findings.find(list(shifts), make_shifts_run(), given)]


def test_mild_changes_that_cost_much_are_one_finding_the_costliest_first() -> None:
    (said,) = fragile(
        make_shift("blur", accuracy=0.8), make_shift("shift", accuracy=0.6), make_shift("jpeg", accuracy=0.88)
    )
    assert "shift (strength 1) 30.0 points (25.0 to 35.0) and blur (strength 1) 10.0 points" in said
    assert "(90.0 % unchanged, on 100 test images; 95 % intervals)" in said and "jpeg" not in said.lower()


@pytest.mark.parametrize(
    "shift",
    [
        make_shift(severity=3),
        make_shift("inversion"),
        make_shift(accuracy=0.86),
        make_shift(falls=False),
    ],
    ids=["strong", "inversion", "small", "by chance"],
)
def test_what_is_not_mild_or_costs_little_is_no_finding(shift: Shift) -> None:
    assert fragile(shift) == []


def test_the_threshold_of_mild_changes_is_a_cost_itself() -> None:
    at = make_shift(accuracy=0.4, change=-0.5)
    assert fragile(at, mild_cost=0.5) and not fragile(at, mild_cost=0.501)
    assert shift_findings.find(None, None, FindingThresholds()) == []

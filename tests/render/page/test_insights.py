"""The sentence below each chart and table: its numbers and names against the record, worked out another way."""

import dataclasses

import numpy as np
import pytest

from reportgen.i18n import literal
from reportgen.record.conditions import ConditionKind, LayerConditions
from reportgen.record.evaluation import Ablated, ClassScore, Confused, Proof, ReliabilityBin
from reportgen.record.model import LayerRow
from reportgen.record.pictures import ClassMap, Correlations
from reportgen.record.units import Nearest
from reportgen.render import words
from reportgen.render.page import answers, insights
from tests.helpers.builders import (
    make_condition,
    make_history,
    make_kernels,
    make_record,
    make_scores,
    make_unit,
    make_verdict,
)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_layer_with_most_parameters_is_named_with_its_share() -> None:
    said = plain(insights.summary(make_record().model))
    assert said == "The layer with most of the 47 parameters is scores: 27, or 57.4 %."


def test_a_model_without_parameters_says_so() -> None:
    model = dataclasses.replace(
        make_record().model, total_params=0, layers=[LayerRow("f", "Flatten", [None, 8], 0, False, None)]
    )
    assert insights.summary(model) == "No layer of this model has parameters."


def test_the_best_epoch_is_told_with_its_loss() -> None:
    assert insights.epochs(make_history()) == "Epoch 2 has the lowest validation loss, 0.7."
    assert "No epoch can be called the best" in insights.epochs(make_history(best_epoch=None))
    own = make_history(metrics={"loss": [1.1, 0.8, 0.5]}, best_epoch=3)
    assert insights.epochs(own) == "Epoch 3 has the lowest loss, 0.5."


def test_the_best_and_the_worst_class_are_named() -> None:
    assert insights.scores(make_scores()) == "F1 is highest for star (1.000) and lowest for circle (0.667)."
    same = [dataclasses.replace(score, f1=0.5) for score in make_scores().classes]
    assert insights.scores(make_scores(classes=same)) == "Every class has the same F1, 0.500."
    none = [dataclasses.replace(score, f1=None) for score in same]
    assert insights.scores(make_scores(classes=none)) == "No class has an F1."


def test_the_mistakes_by_class_are_told_by_their_shares() -> None:
    assert plain(insights.classes(make_scores())) == (
        "Most is missed of circle (50.0 % of its images); the prediction square is wrong most often (33.3 % of"
        " the time)."
    )
    perfect = [ClassScore("a", 1.0, 1.0, 1.0, 3), ClassScore("b", 1.0, 1.0, 1.0, 3)]
    assert insights.classes(make_scores(classes=perfect)) == "No image of any class is missed."
    undefined = [ClassScore("a", None, None, None, 0)]
    assert insights.classes(make_scores(classes=undefined)) == "No class has both images and predictions."


def test_the_matrix_is_summed_up() -> None:
    assert insights.matrix(make_scores()) == (
        "5 of 6 images lie on the diagonal, where the prediction is right."
        " The largest entry beside it: circle taken for square, 1 image."
    )
    assert "largest" not in insights.matrix(make_scores(most_confused=[]))


def test_the_confusions_listed_are_a_share_of_all_mistakes() -> None:
    assert plain(insights.confused(make_scores())) == "Together they are 1 of 1 mistake (100.0 %)."
    scores = make_scores(
        confusion=[[4, 3, 1], [0, 2, 0], [2, 0, 2]], correct=8, most_confused=[Confused("circle", "square", 3)]
    )
    assert plain(insights.confused(scores)) == "Together they are 3 of 6 mistakes (50.0 %)."


@pytest.mark.parametrize(
    ("confidence", "accuracy", "said"),
    [(0.9, 0.7, "too sure of itself"), (0.6, 0.7, "more often right than it claims"), (0.701, 0.7, "the claims hold")],
)
def test_whether_the_claims_hold_is_told(confidence: float, accuracy: float, said: str) -> None:
    bins = [ReliabilityBin(0, 0.5, 0, None, None), ReliabilityBin(0.5, 1, 10, confidence, accuracy)]
    scores = make_scores(reliability=bins, accuracy=accuracy, ece=abs(confidence - accuracy))
    sentence = plain(insights.reliability(scores))
    assert said in sentence
    for value in (confidence, accuracy, abs(confidence - accuracy)):
        assert plain(words.percent(value)) in sentence


def test_the_largest_weight_is_told_with_its_unit() -> None:
    weights = np.zeros((3, 2, 3, 3))
    weights[1, 0, 2, 2], weights[2, 1, 0, 0] = 0.5, -0.75
    assert insights.kernels(make_kernels(weights)) == "The largest weight shown, 0.75, is unit 2's."


def test_the_most_one_sided_unit_is_the_one_whose_answers_differ_most() -> None:
    values = np.array([[1, 4, 0], [2, 1, 0], [np.nan, np.nan, np.nan]], np.float32)
    said = insights.class_map(ClassMap("conv", 3, values), ["circle", "square", "star"])
    assert said == "The most one-sided is unit 1: its mean response is 4 to circle and 1 to square."
    nothing = ClassMap("conv", 2, np.zeros((3, 2), np.float32))
    assert insights.class_map(nothing, ["a", "b", "c"]) == "No unit shown responds to any class."


def test_the_pairs_most_and_least_alike_are_named_by_their_units() -> None:
    generator = np.random.default_rng(3)
    r = np.corrcoef(generator.standard_normal((6, 20))).astype(np.float32)
    order = np.array([5, 0, 3, 1, 4, 2])
    pairs = {tuple(sorted((int(order[a]), int(order[b])))): float(r[a, b]) for a in range(6) for b in range(a)}
    (high, low) = max(pairs, key=pairs.__getitem__), min(pairs, key=pairs.__getitem__)
    said = insights.correlations(Correlations("conv", 6, order, r))
    assert f"Most alike are units {high[0]} and {high[1]} (r {pairs[high]:.2f})" in said
    assert f"least alike units {low[0]} and {low[1]} (r {pairs[low]:.2f})".replace("-", "\u2212") in said
    r[0, 1] = r[1, 0] = 0.9998
    assert "(r 0.9998)" in insights.correlations(Correlations("conv", 6, order, r))
    assert "one unit only" in insights.correlations(Correlations("conv", 1, np.array([0]), np.ones((1, 1), np.float32)))


@pytest.mark.parametrize(
    ("alike", "groups", "expected"),
    [
        ("interchangeable", (0, 0), "The first two are interchangeable."),
        ("interchangeable", (0, 1), "The first two are interchangeable, but not in one group, where every two"),
        ("interchangeable", (0, None), "The first two are interchangeable, but not in one group"),
        ("on average", (None, None), "on average only: their means agree, their maps less so (r over positions 0.25)."),
        (None, (None, None), None),
    ],
)
def test_in_which_sense_the_most_alike_are_alike_is_said(
    alike: str | None, groups: tuple[int | None, int | None], expected: str | None
) -> None:
    r = np.array([[1, 0.5, 0.99], [0.5, 1, 0.25], [0.99, 0.25, 1]], np.float32)
    found = Correlations("conv", 4, np.array([3, 1, 0]), r)
    units = [
        make_unit(unit=0, group=groups[0], nearest=Nearest(2, 0.995, 0.99, 0.99, "interchangeable")),
        make_unit(unit=1, group=None),
        make_unit(unit=3, group=groups[1], nearest=Nearest(0, 0.99, 0.98, 0.25, alike)),
    ]
    said = insights.correlations(found, units)
    assert expected in said if expected else "The first two" not in said


def test_the_states_of_a_layer_are_counted() -> None:
    verdict = make_verdict("conv", 6, states={"dead": 2, "always-on": 1, "healthy": 3})
    units = [make_unit(unit=n, removable=n == 4) for n in range(6)]
    assert insights.units(verdict, units) == (
        "Here: 2 are dead, 1 is always on, 3 fire normally. 1 of them could be removed, because another one says the"
        " same."
    )
    assert insights.units(verdict, units[:3]) == "Here: 2 are dead, 1 is always on, 3 fire normally."


def test_the_time_of_a_report_is_summed_unless_the_clock_was_fixed() -> None:
    provenance = make_record().provenance
    assert plain(insights.provenance(provenance)) == "Up to the painting of this report, it took 13 s."
    fixed = dataclasses.replace(provenance, seconds={"data": None})
    assert "The clock was fixed" in insights.provenance(fixed)


def test_the_verdict_counts_the_units_that_can_be_judged() -> None:
    record = make_record()
    assert words.verdict(record.layers, record.units) == (
        "All 2 units inside the model fire normally. 1 of them could be removed, because another one says the same."
    )
    layers = [make_verdict("conv", 9, states={"dead": 1, "weak": 2, "healthy": 6}), record.layers[1]]
    assert words.verdict(layers, []) == (
        "Of 9 units inside the model 6 fire normally, 1 is dead, 2 are weak. None says the same as another."
    )
    assert words.verdict(record.layers[1:], []) == "The model has no inner units that can be judged."


def test_an_epoch_without_a_value_is_passed_over() -> None:
    history = make_history(metrics={"loss": [None, 0.5, 0.25, None]})
    assert insights.course(history, "loss") == "loss went from 0.5 to 0.25."


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ([-0.3, -0.1], "1 unit says the same as another, but the model does worse without it"),
        ([-0.3, 0.1], "1 unit says the same as another"),
    ],
)
def test_the_first_screen_says_whether_units_that_say_the_same_are_needed(interval: list[float], said: str) -> None:
    proof = Proof(1, 0.9, 0.7, interval, redundant=Ablated(1, 0.7, interval))
    units = [make_unit(unit=0), make_unit(unit=1, removable=True)]
    record = make_record(layers=[make_verdict("conv", 2, groups=[[0, 1]])], units=units, proof=proof)
    assert answers.answers(record)[1].figure == said


def test_the_first_screen_says_how_many_layers_and_units_it_has_figures_of() -> None:
    kinds = [ConditionKind("edge", 2, literal("2 edges")), ConditionKind("n/a", 1, literal("1 n/a"))]
    conditions = LayerConditions(kinds, literal("all"), [], None, 1, 1, 1, 1, [])
    layers = [make_verdict(f"conv_{n}", 3, conditions=conditions) for n in range(7)]
    known = make_condition(said="edges")
    units = [make_unit(layer=one.name, unit=u, condition=known if u < 2 else None) for one in layers for u in range(3)]
    found = answers.answers(make_record(layers=layers, units=units))
    assert [len(one.bars) for one in found] == [5, 5, 5]
    assert {str(one.more[-1]) for one in found} == {"5 of 7 layers shown."}
    assert "For 7 other units there is no figure; why stands on their cards." in found[2].more


def test_the_first_screen_says_where_a_layer_has_no_figure() -> None:
    without = {"effective_rank": None, "reasons": {"effective_rank": literal("nothing differs")}}
    layers = [make_verdict("conv", 2), make_verdict("dense", 2, **without)]
    distinct = answers.answers(make_record(layers=layers, units=[make_unit()]))[1]
    assert len(distinct.bars) == 1 and distinct.more == ["1 of 2 layers shown."]


def test_units_that_are_alike_on_average_are_counted_and_not_called_the_same() -> None:
    average = Nearest(1, 0.99, 0.98, 0.1, "on average")
    units = [make_unit(unit=u, group=None, nearest=average) for u in range(2)] + [make_unit(unit=2, nearest=average)]
    layers = [make_verdict("conv", 3)]
    assert words.verdict(layers, units).endswith(
        "None can stand in for another, though 2 are alike on average with the units most like them."
    )
    assert words.verdict(layers, units[2:]).endswith("None says the same as another.")
    (_, distinct, *_) = answers.answers(make_record(layers=layers, units=units))
    assert distinct.figure == "No unit says the same as another"
    assert distinct.more == [
        "2 units are alike on average with the units most like them: their means agree, their maps less so (r over"
        " positions below 0.95)."
    ]


def test_states_are_listed_gravest_first_whatever_comes_first_in_a_layer() -> None:
    layers = [
        make_verdict("one", 7, states={"healthy": 4, "weak": 2, "dead": 1}),
        make_verdict("two", 9, states={"dead": 1, "always-on": 3, "healthy": 5}),
    ]
    assert [insights.units(layer, []) for layer in layers] == [
        "Here: 1 is dead, 2 are weak, 4 fire normally.",
        "Here: 1 is dead, 3 are always on, 5 fire normally.",
    ]
    assert words.verdict(layers, []).startswith(
        "Of 16 units inside the model 9 fire normally, 2 are dead, 3 are always on, 2 are weak."
    )
    (firing, *_) = answers.answers(make_record(layers=layers, units=[]))
    assert firing.more == ["2 are dead, 3 are always on, 2 are weak"]
    assert [[css for _, css in bar.parts] for bar in firing.bars] == [
        ["healthy", "dead", "weak"],
        ["healthy", "dead", "always-on"],
    ]

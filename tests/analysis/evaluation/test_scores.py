"""What a model predicts and the scores of a part, against the same figures worked out with plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.analysis.activations import outputs
from reportgen.analysis.evaluation import predictions, scores
from reportgen.errors import InputError
from reportgen.record.evaluation import ClassScore, Confused, ReliabilityBin, Scores
from tests.helpers.builders import assert_one_line, modules_after

NAMES = ["ant", "bee", "cat", "dog"]


def random_case(seed: int, images: int = 200, classes: int = 4) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (N, K) probabilities and (N,) labels; predictions are right more often than not."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    raw = generator.random((images, classes))
    raw[np.arange(images), labels] += 0.4
    return raw / raw.sum(axis=1, keepdims=True), labels


def score(probabilities: NDArray[Any], labels: NDArray[Any], names: list[str] = NAMES) -> Scores:
    return scores.score(
        predictions.of(probabilities, labels), labels, scores.class_labels(names, probabilities.shape[1])
    )


def sure(*pairs: tuple[int, int], classes: int = 4) -> Scores:
    """Return the scores of images whose (true, predicted) classes are given, each predicted with 0.7."""
    probabilities = np.full((len(pairs), classes), 0.3 / (classes - 1))
    for n, (_, predicted) in enumerate(pairs):
        probabilities[n, predicted] = 0.7
    labels = np.array([true for true, _ in pairs])
    return score(probabilities, labels, NAMES[:classes])


def ratio(over: float, under: float) -> float | None:
    return over / under if under else None


def mean(values: list[float]) -> float | None:
    return ratio(sum(values), len(values))


def by_hand(probabilities: NDArray[Any], labels: NDArray[Any], classes: int) -> dict[str, Any]:
    """Return the scores of a part, worked out image by image without numpy or scikit-learn."""
    rows, truth = probabilities.tolist(), labels.tolist()
    chosen = [row.index(max(row)) for row in rows]
    confusion = [[0] * classes for _ in range(classes)]
    for true, predicted in zip(truth, chosen, strict=True):
        confusion[true][predicted] += 1
    figures = []
    for k in range(classes):
        hits = confusion[k][k]
        claimed, support = sum(row[k] for row in confusion), sum(confusion[k])
        figures.append((ratio(hits, claimed), ratio(hits, support), ratio(2 * hits, claimed + support), support))
    macro, weighted = [], []
    for column in range(3):
        known = [row for row in figures if row[column] is not None]
        macro.append(mean([row[column] for row in known]))
        weighted.append(ratio(sum(row[column] * row[3] for row in known), sum(row[3] for row in known)))
    loss = 0.0
    for row, true in zip(rows, truth, strict=True):
        loss -= math.log(min(max(row[true], 1e-7), 1 - 1e-7)) / len(rows)
    return {
        "correct": sum(confusion[k][k] for k in range(classes)),
        "confusion": confusion,
        "classes": figures,
        "macro": macro,
        "weighted": weighted,
        "loss": loss,
        "ece": ece_by_hand([max(row) for row in rows], [a == b for a, b in zip(chosen, truth, strict=True)]),
    }


def ece_by_hand(confidences: list[float], right: list[bool]) -> float:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, hit in zip(confidences, right, strict=True):
        bins.setdefault(max(math.ceil(confidence * 15), 1), []).append((confidence, hit))
    gaps = [abs(sum(c for c, _ in inside) - sum(hit for _, hit in inside)) for inside in bins.values()]
    return sum(gaps) / len(confidences)


def figures(row: ClassScore) -> list[float | None]:
    return [row.precision, row.recall, row.f1]


@pytest.mark.slow
def test_working_out_scores_and_probabilities_needs_no_tensorflow() -> None:
    code = """
import numpy as np
from reportgen.analysis.activations import outputs
from reportgen.analysis.evaluation import scores
labels = np.array([0, 1])
found, _ = outputs.read({"test": outputs.of(np.eye(2, dtype=np.float32), labels)})
scores.score(found["test"], labels, ["a", "b"])
"""
    assert not {"tensorflow", "keras"} & modules_after(code)


# Against plain loops


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_every_figure_is_what_plain_loops_give(seed: int) -> None:
    probabilities, labels = random_case(seed)
    found, expected = score(probabilities, labels), by_hand(probabilities, labels, 4)
    assert found.correct == expected["correct"]
    assert found.accuracy == expected["correct"] / 200
    assert found.confusion == expected["confusion"]
    assert found.loss == pytest.approx(expected["loss"])
    assert found.ece == pytest.approx(expected["ece"])
    for row, name, wanted in zip(found.classes, NAMES, expected["classes"], strict=True):
        assert row.label == name
        assert figures(row) == pytest.approx(wanted[:3])
        assert row.support == wanted[3]
    assert figures(found.macro_avg) == pytest.approx(expected["macro"])
    assert figures(found.weighted_avg) == pytest.approx(expected["weighted"])
    assert (found.macro_avg.support, found.weighted_avg.support) == (200, 200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_averages_leave_out_what_is_undefined(seed: int) -> None:
    probabilities, labels = random_case(seed, images=12)
    probabilities[:, 0] = 0  # never predicted
    labels[labels == 1] = 2  # absent from the data
    found, expected = score(probabilities, labels), by_hand(probabilities, labels, 4)
    assert figures(found.macro_avg) == pytest.approx(expected["macro"])
    assert figures(found.weighted_avg) == pytest.approx(expected["weighted"])
    assert [figures(row) for row in found.classes] == [
        [pytest.approx(value) for value in wanted[:3]] for wanted in expected["classes"]
    ]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        pytest.param([(1, 1), (2, 2)], [None, None, None], id="absent and never predicted"),
        pytest.param([(0, 1), (2, 2)], [None, 0.0, 0.0], id="never predicted"),
        pytest.param([(1, 0), (2, 2)], [0.0, None, 0.0], id="absent from the data"),
    ],
)
def test_a_figure_that_divides_by_zero_is_none(pairs: list[tuple[int, int]], expected: list[float | None]) -> None:
    assert figures(sure(*pairs).classes[0]) == expected


def test_a_perfect_model_has_ones_everywhere() -> None:
    found = sure((0, 0), (1, 1), (2, 2), (3, 3))
    assert (found.accuracy, found.correct, found.most_confused, found.worst) == (1.0, 4, [], [])
    assert all(figures(row) == [1.0, 1.0, 1.0] for row in [*found.classes, found.macro_avg])


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    assert sure((0, 1), (0, 1), (2, 0)).confusion == [[0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_of_equal_probabilities_the_first_class_is_the_prediction() -> None:
    found = score(np.array([[0.2, 0.4, 0.4, 0.0]]), np.array([2]))
    assert (found.worst[0].true, found.worst[0].predicted) == ("cat", "bee")


def test_a_class_that_only_the_model_knows_has_a_row_of_its_own() -> None:
    found = score(np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]]), np.array([0, 0]), ["ant", "bee"])
    assert [row.label for row in found.classes] == ["ant", "bee", "class 2"]
    assert found.confusion == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert found.worst[0].predicted == "class 2"


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_the_loss_is_finite_at_the_ends(probability: float) -> None:
    found = score(np.array([[probability, 1 - probability]]), np.array([0]), ["ant", "bee"])
    expected = {0.0: -math.log(1e-7), 1.0: -math.log(1 - 1e-7)}[probability]
    assert found.loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sizes", [(200,), (1, 199), (70, 60, 70), (50, 1, 1, 148)], ids=str)
def test_images_in_batches_have_the_scores_of_all_at_once(sizes: tuple[int, ...]) -> None:
    probabilities, labels = random_case(0)
    probabilities = np.round(probabilities, 2)  # so that some mistakes are equally sure
    ends = np.cumsum(sizes)
    batches = [
        predictions.of(probabilities[end - size : end], labels[end - size : end], end - size)
        for end, size in zip(ends, sizes, strict=True)
    ]
    found, expected = scores.score(predictions.joined(batches), labels, NAMES), score(probabilities, labels)
    exact = {"accuracy", "correct", "classes", "macro_avg", "weighted_avg", "confusion", "most_confused", "worst"}
    assert {key: vars(found)[key] for key in exact} == {key: vars(expected)[key] for key in exact}
    assert (found.loss, found.ece) == pytest.approx((expected.loss, expected.ece), rel=1e-12)
    assert [b.count for b in found.reliability] == [b.count for b in expected.reliability]


# Calibration


def test_the_calibration_error_of_a_case_worked_out_by_hand() -> None:
    # two images in (0.6, 0.667], one of them right; two in (0.933, 1], both right:
    # (2 * |0.5 - 0.65| + 2 * |1 - 0.97|) / 4 = 0.09
    probabilities = np.array([[0.64, 0.36], [0.66, 0.34], [0.96, 0.04], [0.02, 0.98]])
    found = score(probabilities, np.array([0, 1, 0, 1]), ["ant", "bee"])
    assert found.ece == pytest.approx(0.09)
    filled = [(b.count, b.confidence, b.accuracy) for b in found.reliability if b.count]
    assert filled == [(2, pytest.approx(0.65), 0.5), (2, pytest.approx(0.97), 1.0)]


def reliability(confidence: NDArray[Any], right: NDArray[Any]) -> list[ReliabilityBin]:
    return scores.reliability(predictions.binned(confidence, right))


def test_fifteen_bins_of_equal_width_hold_every_image_once() -> None:
    probabilities, labels = random_case(0)
    bins = score(probabilities, labels).reliability
    assert [(b.low, b.high) for b in bins] == [pytest.approx((n / 15, (n + 1) / 15)) for n in range(15)]
    assert sum(b.count for b in bins) == 200


def test_an_empty_bin_has_neither_confidence_nor_accuracy() -> None:
    bins = sure((0, 0)).reliability
    assert [(b.confidence, b.accuracy) for b in bins if not b.count] == [(None, None)] * 14


@pytest.mark.parametrize("n", range(1, 16))
def test_a_confidence_on_the_edge_belongs_to_the_bin_below(n: int) -> None:
    edge = np.linspace(0, 1, 16)[n]
    bins = reliability(np.array([edge]), np.array([True]))
    assert [b.count for b in bins].index(1) == n - 1


@pytest.mark.parametrize(("confidence", "bin"), [(0.0, 0), (1 + 1e-12, 14)])
def test_no_confidence_falls_out_of_the_bins(confidence: float, bin: int) -> None:
    assert reliability(np.array([confidence]), np.array([True]))[bin].count == 1


def test_a_model_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    bins = reliability(np.full(4, 0.75), np.array([True, True, True, False]))
    assert scores.calibration_error(bins) == 0


# Confusions and mistakes


def test_the_most_frequent_confusion_comes_first_and_of_equals_the_earlier_classes() -> None:
    found = sure((3, 0), (2, 1), (2, 1), (0, 3), (0, 2), (1, 1)).most_confused
    assert found == [
        Confused("cat", "bee", 2),
        Confused("ant", "cat", 1),
        Confused("ant", "dog", 1),
        Confused("dog", "ant", 1),
    ]


def test_ten_confusions_are_listed_at_most() -> None:
    found = sure(*[(t, p) for t in range(4) for p in range(4) if t != p]).most_confused
    assert len(found) == 10


def test_confusing_in_one_direction_is_not_confusing_in_the_other() -> None:
    found = sure((0, 1), (0, 1), (1, 0)).most_confused
    assert found == [Confused("ant", "bee", 2), Confused("bee", "ant", 1)]


def test_the_surest_mistake_comes_first_and_of_equals_the_earlier_image() -> None:
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55]])
    labels = np.array([1, 0, 1, 0, 0, 0])
    assert [mistake.index for mistake in score(probabilities, labels, NAMES[:2]).worst] == [3, 1, 4, 0, 5]


def test_a_mistake_names_image_classes_and_probability() -> None:
    mistake = sure((1, 1), (0, 2)).worst[0]
    assert (mistake.index, mistake.true, mistake.predicted, mistake.probability) == (1, "ant", "cat", 0.7)


def test_twelve_mistakes_are_listed_at_most() -> None:
    assert [mistake.index for mistake in sure(*[(0, 1)] * 20).worst] == list(range(12))


# What kind of output a model has


def probabilities_of(rows: Any) -> tuple[NDArray[np.float64], str]:
    """Return the probability of each class for each row, as its loss tells it, and the kind of output.

    The loss is clipped, so 1e-7 is what there is of a probability of 0.
    """
    given = np.array(rows, np.float32)
    whole = outputs.of(given, np.zeros(len(given), np.int64))

    def probability(row: int, k: int) -> float:
        found, _ = outputs.read({"one": outputs.of(given[[row]], np.array([k])), "all": whole})
        return math.exp(-found["one"].loss)

    _, kind = outputs.read({"all": whole})
    return np.array([[probability(row, k) for k in range(whole.classes)] for row in range(len(given))]), kind


def kind_of(*parts: Any) -> str:
    """Return the kind of output of several parts, each of them in batches of one image."""
    label = np.zeros(1, np.int64)
    kept = [outputs.joined([outputs.of(np.array([row], np.float32), label) for row in rows]) for rows in parts]
    return outputs.read({str(n): one for n, one in enumerate(kept)})[1]


def test_rows_that_sum_to_one_are_probabilities_already() -> None:
    found, kind = probabilities_of([[0.25, 0.75], [0.5, 0.5]])
    assert kind == "softmax"
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]), rel=1e-12)


def test_rows_of_a_16_bit_model_are_brought_to_sum_one_exactly() -> None:
    found, kind = probabilities_of([[0.2, 0.7, 0.095]])
    assert kind == "softmax"
    assert found.sum() == pytest.approx(1, rel=1e-12)
    assert found[0] == pytest.approx(np.array([0.2, 0.7, 0.095]) / 0.995)


def test_one_column_is_the_probability_of_the_second_class() -> None:
    found, kind = probabilities_of([[0.25], [1.0], [0.0]])
    assert kind == "sigmoid"
    assert found == pytest.approx(np.array([[0.75, 0.25], [0, 1], [1, 0]]), abs=2e-7)


def test_one_column_of_other_numbers_is_a_logit_of_the_second_class() -> None:
    found, kind = probabilities_of([[0.0], [2.0], [-3.0]])
    assert kind == "logits"
    assert found[:, 1] == pytest.approx([1 / (1 + math.exp(-x)) for x in (0, 2, -3)])
    assert found.sum(axis=1) == pytest.approx([1, 1, 1])


def test_a_sigmoid_for_each_class_is_brought_to_sum_one() -> None:
    found, kind = probabilities_of([[0.5, 0.25, 0.25], [0.9, 0.9, 0.0]])
    assert kind == "sigmoid"
    assert found == pytest.approx(np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0]]), abs=2e-7)


def test_other_rows_are_logits() -> None:
    found, kind = probabilities_of([[1.0, 2.0, 3.0]])
    powers = [math.exp(x) for x in (1, 2, 3)]
    assert kind == "logits"
    assert found[0] == pytest.approx([power / sum(powers) for power in powers])


@pytest.mark.parametrize(
    ("odd", "expected"), [([-0.5, 1.5], "logits"), ([0.0, 0.0], "logits"), ([0.2, 0.2], "sigmoid"), ([1, 0], "softmax")]
)
def test_one_image_in_any_batch_of_any_part_decides_for_all(odd: list[float], expected: str) -> None:
    rest = [[0.5, 0.5], [0.25, 0.75]]
    assert {kind_of([*rest, odd]), kind_of([odd, *rest]), kind_of(rest, [odd]), kind_of([odd], rest)} == {expected}


@pytest.mark.parametrize(("odd", "expected"), [(1.5, "logits"), (-1, "logits"), (0, "sigmoid"), (1, "sigmoid")])
def test_one_image_decides_where_there_is_one_score(odd: float, expected: str) -> None:
    assert kind_of([[0.25], [odd]]) == kind_of([[odd]], [[0.25]]) == expected


def test_scores_that_are_no_numbers_are_counted_in_all_parts() -> None:
    odd = np.array([[0.5, np.nan], [0.5, 0.5], [np.inf, 0], [-np.inf, np.inf]], np.float32)
    kept = {name: outputs.of(odd, np.zeros(4, np.int64)) for name in ("test", "train")}
    with pytest.raises(InputError) as raised:
        outputs.check(kept)
    assert_one_line(raised.value, "6 of 8 images", "NaN")


@pytest.mark.parametrize("classes", [2, 256, 257, 70_000])
def test_as_many_classes_as_a_model_has_can_be_predicted(classes: int) -> None:
    rows = np.zeros((2, classes), np.float32)
    rows[0, 0] = rows[1, -1] = 1
    found, _ = outputs.read({"test": outputs.of(rows, np.array([0, classes - 1]))})
    assert found["test"].predicted.tolist() == [0, classes - 1]
    assert found["test"].mistakes.tolist() == []


def test_huge_logits_neither_overflow_nor_lose_the_order() -> None:
    found, _ = probabilities_of([[1e30, -1e30, 0.0], [-1000.0, -1001.0, -2000.0]])
    assert found[0] == pytest.approx([1, 0, 0], abs=2e-7)
    assert found[1] == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1)), 0], abs=2e-7)


@pytest.mark.parametrize(
    "rows",
    [[[0.2, 0.5, 0.3]], [[0.9, 0.2, 0.7]], [[3.0, -1.0, 2.0]], [[0.0, 0.0, 0.0]], [[-5.0]], [[0.9]]],
    ids=["softmax", "sigmoids", "logits", "all zero", "one logit", "one sigmoid"],
)
def test_whatever_the_output_rows_become_probabilities(rows: list[list[float]]) -> None:
    found, _ = probabilities_of(rows)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=2e-7)


# Intervals


def test_accuracy_precision_and_recall_have_wilsons_interval() -> None:
    labels = np.repeat([0, 1], [60, 40])
    predicted = labels.copy()
    predicted[:6], predicted[60:61] = 1, 0
    found = scores.score(predictions.of(np.eye(2)[predicted], labels), labels, ["a", "b"])
    assert found.accuracy_interval == roots(93, 100)
    assert [row.recall_interval for row in found.classes] == [roots(54, 60), roots(39, 40)]
    assert [row.precision_interval for row in found.classes] == [roots(54, 55), roots(39, 45)]
    assert found.macro_avg.recall_interval is None
    assert [one.interval for one in found.reliability if one.count] == [roots(93, 100)]


def roots(right: int, images: int) -> Any:
    """Return approximately the shares p with (right / images - p)^2 = z^2 p (1 - p) / images: Wilson's interval."""
    z2, share = 1.959963984540054**2, right / images
    return pytest.approx(np.sort(np.roots([1 + z2 / images, -2 * share - z2 / images, share**2]).real).tolist())


def test_a_class_without_images_or_predictions_has_no_interval() -> None:
    labels = np.zeros(5, np.int64)
    found = scores.score(predictions.of(np.eye(2)[labels], labels), labels, ["a", "b"])
    assert found.classes[1].recall_interval is None and found.classes[1].precision_interval is None


@pytest.mark.slow
@pytest.mark.parametrize("too_sure", [0.0, 0.02, 0.15])
def test_the_interval_of_the_calibration_error_holds_the_true_one(too_sure: float) -> None:
    generator = np.random.default_rng(3)
    centres = (np.arange(8, 15) + 0.5) / 15
    held = 0
    for _ in range(100):
        images = generator.multinomial(1000, np.full(len(centres), 1 / len(centres)))
        right = generator.binomial(images, centres - too_sure)
        low, high = scores.calibration_interval(bins_of(centres, images, right))
        held += low <= too_sure <= high
    assert held >= 88


def bins_of(centres: Any, images: Any, right: Any) -> list[ReliabilityBin]:
    rows = zip(centres.tolist(), images.tolist(), right.tolist(), strict=True)
    return [ReliabilityBin(c - 1 / 30, c + 1 / 30, n, c if n else None, k / n if n else None) for c, n, k in rows]


def test_what_chance_explains_may_be_no_error_at_all() -> None:
    bins = bins_of(np.array([0.9]), np.array([100]), np.array([91]))
    low, high = scores.calibration_interval(bins)
    assert low == 0 and 0.06 < high < 0.1
    low, high = scores.calibration_interval(bins_of(np.array([1.0]), np.array([100]), np.array([100])))
    assert low == 0 and 0.01 < high < 0.05
    low, high = scores.calibration_interval(bins_of(np.array([0.9]), np.array([10_000]), np.array([8000])))
    assert 0.085 < low < 0.1 < high < 0.115


def test_chance_makes_a_calibrated_model_exceed_its_bound_in_a_fortieth_of_cases() -> None:
    generator = np.random.default_rng(4)
    centres = (np.arange(8, 15) + 0.5) / 15
    images = np.full(len(centres), 150)
    bound = scores.calibration_by_chance(bins_of(centres, images, images))
    drawn = [bins_of(centres, images, generator.binomial(images, centres)) for _ in range(1000)]
    beyond = np.mean([scores.calibration_error(bins) > bound for bins in drawn])
    assert 0.01 < beyond < 0.05

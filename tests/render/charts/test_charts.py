"""The charts: their geometry, and the SVG that the page draws of it."""

import html
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from reportgen.i18n import literal
from reportgen.record.evaluation import ClassScore, ReliabilityBin
from reportgen.record.run import Look
from reportgen.record.training import History
from reportgen.render.charts import geometry
from reportgen.render.page import page
from tests.helpers.builders import make_history, make_record, make_scores

SVG = "{http://www.w3.org/2000/svg}"


def one_metric(name: str, values: list[float | None]) -> History:
    count = len(values)
    return make_history(
        epochs=list(range(1, count + 1)), metrics={name: values}, seconds=[None] * count, best_epoch=None
    )


def read_off(at: float, ticks: list[geometry.Tick]) -> float:
    """Return the value at a place of an axis, as a reader would find it between two of the ticks."""
    known = sorted((tick.at, float(tick.label.replace(",", "").replace("\N{MINUS SIGN}", "-"))) for tick in ticks)
    (first, low), (last, high) = known[0], known[-1]
    return low + (at - first) / (last - first) * (high - low)


def drawn(history: History) -> list[ET.Element]:
    """Return the charts of a page about this history, as its SVG elements; what is no well-formed XML fails."""
    made = page.html(page.paint(make_record(history=history)), Look()).html
    found = re.findall(r'<figure id="history-.*?(<svg.*?</svg>)', made, re.DOTALL)
    return [ET.fromstring(svg) for svg in found]


# -- lines over the epochs --------------------------------------------------------------------------------------------


def test_every_epoch_has_a_point_on_both_lines() -> None:
    chart = geometry.metric(make_history(), "loss")
    assert chart.validation is not None
    assert (len(chart.training.points), len(chart.validation.points)) == (3, 3)


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [0.5, 0.25, 0.125], [-3.0, 7.5, 0.0], [1e5, 2e5, 3e5]])
def test_the_values_can_be_read_off_the_axis(values: list[float | None]) -> None:
    chart = geometry.metric(one_metric("loss", values), "loss")
    found = [read_off(y, chart.frame.y) for _, y in chart.training.points]
    assert found == pytest.approx(values, abs=(max(values) - min(values)) * 0.01)
    assert [read_off(x, chart.frame.x) for x, _ in chart.training.points] == pytest.approx([1, 2, 3], abs=0.02)


def test_without_validation_there_is_one_line() -> None:
    assert geometry.metric(one_metric("loss", [3.0, 2.0]), "loss").validation is None


def test_the_best_epoch_is_marked_at_its_place() -> None:
    chart = geometry.metric(make_history(best_epoch=2), "loss")
    assert chart.best == chart.training.points[1][0]
    assert geometry.metric(make_history(best_epoch=None), "loss").best is None


def test_an_epoch_without_a_value_breaks_the_line() -> None:
    line = geometry.metric(one_metric("loss", [3.0, None, 2.0, 1.0, math.nan]), "loss").training
    assert len(line.points) == 3
    assert (line.path.count("M"), line.path.count("L")) == (2, 1)


@pytest.mark.parametrize(
    "values", [[None, None], [0.5], [2.0, 2.0], [0.0], [1e300, -1e300, 1e-300, 0.0], [1e-12, 2e-12], [math.inf, 1.0]]
)
def test_any_values_have_a_chart_inside_its_frame(values: list[float | None]) -> None:
    chart = geometry.metric(one_metric("loss", values), "loss")
    f = chart.frame
    assert len(chart.training.points) == sum(v is not None and math.isfinite(v) for v in values)
    for x, y in chart.training.points:
        assert f.left <= x <= f.right
        assert f.top <= y <= f.bottom
    assert f.x, "an axis without numbers"


@pytest.mark.parametrize("epochs", [1, 2, 3, 30, 1000])
def test_epochs_are_whole_numbers_that_exist(epochs: int) -> None:
    labels = [tick.label for tick in geometry.metric(one_metric("loss", [1.0] * epochs), "loss").frame.x]
    assert labels
    assert all(1 <= int(label.replace(",", "")) <= epochs for label in labels)
    assert len(labels) <= 8


def test_labels_of_ticks_tell_them_apart() -> None:
    for low, high in ((0.98, 0.989), (0, 1e-7), (0, 3e7), (0.1, 0.9), (-1, 1)):
        labels = [tick.label for tick in geometry.metric(one_metric("loss", [low, high]), "loss").frame.y]
        assert len(labels) == len(set(labels)) > 1, labels


def test_loss_and_accuracy_come_first_and_validation_goes_with_its_own() -> None:
    stored = ("val_loss", "learning_rate", "accuracy", "auc", "val_accuracy", "loss")
    history = make_history(metrics={name: [1.0] for name in stored})
    assert geometry.names(history) == ["loss", "accuracy", "auc", "learning_rate"]


# -- reliability -----------------------------------------------------------------------------------------------------


def bins(*known: tuple[int, int, float, float]) -> list[ReliabilityBin]:
    """Return ten bins; known: (bin, count, confidence, accuracy) of those with images."""
    found = [ReliabilityBin(n / 10, (n + 1) / 10, 0, None, None) for n in range(10)]
    for n, count, confidence, accuracy in known:
        found[n] = replace(found[n], count=count, confidence=confidence, accuracy=accuracy)
    return found


def test_a_dot_lies_at_its_confidence_and_accuracy_and_its_bar_ends_there() -> None:
    chart = geometry.reliability(bins((2, 10, 0.25, 0.4), (9, 90, 0.97, 0.91)))
    for bin, (confidence, accuracy) in zip(chart.bins, [(0.25, 0.4), (0.97, 0.91)], strict=True):
        assert read_off(bin.point[0], chart.frame.x) == pytest.approx(100 * confidence, abs=0.1)
        assert read_off(bin.point[1], chart.frame.y) == pytest.approx(100 * accuracy, abs=0.1)
        assert bin.accuracy_top == bin.point[1]


def test_bins_without_images_have_no_dot() -> None:
    assert geometry.reliability(bins()).bins == []


def test_the_grey_bars_are_as_long_as_their_share_and_never_invisible() -> None:
    chart = geometry.reliability(bins((2, 45, 0.25, 0.4), (5, 1, 0.55, 1.0), (9, 90_000, 0.97, 0.91)))
    half, single, most = (chart.strip_bottom - bin.share_top for bin in chart.bins)
    assert most == chart.strip_bottom - chart.strip_top
    assert half == single == 1
    two = geometry.reliability(bins((2, 45, 0.25, 0.4), (9, 90, 0.97, 0.91))).bins
    assert chart.strip_bottom - two[0].share_top == pytest.approx(most / 2)


# -- mistakes by class -----------------------------------------------------------------------------------------------


def test_bars_are_the_mistakes_of_a_class_against_the_axis() -> None:
    chart = geometry.classes(make_scores())
    found = [
        (row.label, read_off(chart.frame.left + row.missed_width, chart.frame.x), row.missed, row.false)
        for row in chart.rows
    ]
    for label, missed, stated, false in found:
        expected = {"circle": (0.5, 0), "square": (0, 1 / 3), "star": (0, 0)}[label]
        assert (stated, false) == pytest.approx(expected)
        assert missed == pytest.approx(100 * expected[0], abs=0.3)


def test_of_many_classes_the_worst_are_shown_worst_first() -> None:
    scores = [ClassScore(f"class {n}", 0.5, 0.5, (n * 37 % 100) / 100, 3) for n in range(100)]
    scores[41] = ClassScore("never", None, 0.0, None, 3)
    chart = geometry.classes(make_scores(classes=scores))
    shown = [row.label for row in chart.rows]
    assert chart.classes == 100
    assert len(shown) == geometry.MOST_CLASSES
    assert shown[0] == "never"
    by_label = {score.label: score.f1 or -1 for score in scores}
    assert [by_label[label] for label in shown] == sorted(by_label.values())[: geometry.MOST_CLASSES]


def test_a_model_without_mistakes_has_bars_of_no_length() -> None:
    perfect = [replace(score, precision=1.0, recall=1.0, f1=1.0) for score in make_scores().classes]
    chart = geometry.classes(make_scores(classes=perfect))
    assert {(row.missed_width, row.false_width) for row in chart.rows} == {(0, 0)}


# -- histograms ------------------------------------------------------------------------------------------------------


def test_a_histogram_is_as_high_as_the_logarithm_of_its_counts() -> None:
    bars = geometry.histogram([0, 1, 10, 100], [0.0, 1.0, 2.0, 3.0, 4.0]).bars
    heights = [-float(height) for height in re.findall(r"v(-[\d.]+)", bars)]
    assert heights == pytest.approx(38 * np.log1p([1, 10, 100]) / np.log1p(100), abs=0.06)


@pytest.mark.parametrize(
    ("edges", "zero"), [([0.0, 1.0, 2.0], None), ([-1.0, 0.0, 1.0], 60.0), ([-3.0, -1.0, 1.0], 90.0)]
)
def test_zero_is_marked_where_it_is_inside(edges: list[float], zero: float | None) -> None:
    assert geometry.histogram([1, 1], edges).zero == zero


# -- what the page draws ---------------------------------------------------------------------------------------------


def test_a_chart_on_the_page_has_a_title_first_and_marks_for_every_value() -> None:
    (loss, accuracy) = drawn(make_history())
    for svg in (loss, accuracy):
        assert svg[0].tag == f"{SVG}title"
        assert svg[0].text
        assert len([e for e in svg.iter(f"{SVG}circle")]) == 3
    words = {text.text for text in loss.iter(f"{SVG}text")}
    assert "epoch" in words


@pytest.mark.slow
@pytest.mark.parametrize("name", ["損失", "a<b>&c", r"$\frac{1}{0$", "top_5_^{2}"])
def test_the_name_of_a_metric_is_text_whatever_it_holds(name: str) -> None:
    history = make_history(metrics={name: [1.0, 2.0, 3.0]}, source=literal("this run"))
    made = page.html(page.paint(make_record(history=history)), Look()).html
    assert html.escape(name.replace("_", " ").replace("top 5", "Top 5")[1:], quote=True) in made


def test_the_same_history_gives_the_same_chart_and_another_one_another() -> None:
    assert geometry.metric(make_history(), "loss") == geometry.metric(make_history(), "loss")
    assert geometry.metric(make_history(), "loss") != geometry.metric(make_history(best_epoch=3), "loss")

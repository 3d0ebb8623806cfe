"""The line charts of a training."""

import html
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest

from reportgen.record import History
from reportgen.render import charts
from tests.builders import make_history

SVG = "{http://www.w3.org/2000/svg}"


def elements(svg: bytes) -> ET.Element:
    """Return a chart's elements; a chart that is no well-formed SVG fails."""
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return root


def markers(svg: bytes, colour: str) -> int:
    """Return how many points of one colour a chart has; what its legend repeats is left out."""
    axes = next(group for group in elements(svg).iter(f"{SVG}g") if group.get("id") == "axes_1")
    legends = [group for group in axes if (group.get("id") or "").startswith("legend")]
    inside = {id(use) for legend in legends for use in legend.iter(f"{SVG}use")}
    return sum(colour in use.get("style", "") for use in axes.iter(f"{SVG}use") if id(use) not in inside)


def labels(svg: bytes) -> list[str]:
    """Return the texts of a chart, which matplotlib writes as comments beside their outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return [comment.text.strip() for comment in ET.fromstring(svg, parser).iter(ET.Comment)]


def one_metric(name: str, values: list[float | None]) -> History:
    count = len(values)
    return make_history(
        epochs=list(range(1, count + 1)), metrics={name: values}, seconds=[None] * count, best_epoch=None
    )


def test_a_chart_is_well_formed_svg() -> None:
    elements(charts.metric(make_history(), "loss"))


def test_a_chart_asks_for_nothing_from_elsewhere() -> None:
    for element in elements(charts.metric(make_history(), "loss")).iter():
        for key, value in element.attrib.items():
            if key.endswith("href"):
                assert value.startswith("#")
            assert "url(" not in value or "url(#" in value


def test_every_epoch_has_a_point_on_both_lines() -> None:
    svg = charts.metric(make_history(), "loss")
    assert (markers(svg, charts.TRAINING), markers(svg, charts.VALIDATION)) == (3, 3)


def test_without_validation_there_is_one_line() -> None:
    svg = charts.metric(one_metric("loss", [3.0, 2.0]), "loss")
    assert (markers(svg, charts.TRAINING), markers(svg, charts.VALIDATION)) == (2, 0)
    assert "validation" not in labels(svg)


def test_the_legend_tells_the_lines_apart() -> None:
    assert {"training", "validation", "best epoch"} <= set(labels(charts.metric(make_history(), "loss")))


def test_without_a_best_epoch_none_is_marked() -> None:
    assert "best epoch" not in labels(charts.metric(make_history(best_epoch=None), "loss"))


def test_an_epoch_without_a_value_has_no_point() -> None:
    svg = charts.metric(one_metric("loss", [3.0, None, 2.0, 1.0]), "loss")
    assert markers(svg, charts.TRAINING) == 3


def test_a_metric_without_any_value_still_has_a_chart() -> None:
    svg = charts.metric(one_metric("loss", [None, None]), "loss")
    assert markers(svg, charts.TRAINING) == 0


def test_a_training_of_one_epoch_shows_its_one_point() -> None:
    svg = charts.metric(one_metric("loss", [0.5]), "loss")
    assert markers(svg, charts.TRAINING) == 1


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
def test_epochs_are_whole_numbers(epochs: int) -> None:
    # a loss in the thousands, so that every label below 1,000 is an epoch's
    shown = labels(charts.metric(one_metric("loss", [5000.0 + n for n in range(epochs)]), "loss"))
    ticks = [float(text) for text in shown if text[-1].isdigit()]
    of_epochs = [tick for tick in ticks if tick < 1000]
    assert of_epochs
    assert all(tick.is_integer() for tick in of_epochs)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mean_absolute_error", "mean absolute error"),
        ("cost$in$", "cost$in$"),
        (r"$\frac{1}{0$", r"$\frac{1}{0$"),
        ("a<b>&c", "a<b>&c"),
        ("top_5_^{2}", "top 5 ^{2}"),
    ],
)
def test_the_name_of_a_metric_is_text_and_never_a_formula(name: str, shown: str) -> None:
    svg = charts.metric(one_metric(name, [1.0, 2.0]), name)
    elements(svg)
    assert shown in [html.unescape(text) for text in labels(svg)]


def test_a_name_in_another_script_gives_no_warning() -> None:
    elements(charts.metric(one_metric("損失", [1.0, 2.0]), "損失"))


def test_the_same_history_gives_the_same_bytes() -> None:
    assert charts.metric(make_history(), "loss") == charts.metric(make_history(), "loss")


def test_another_history_gives_another_chart() -> None:
    assert charts.metric(make_history(), "loss") != charts.metric(make_history(best_epoch=3), "loss")


def test_settings_of_the_user_change_nothing() -> None:
    plain = charts.metric(make_history(), "loss")
    own = {
        "font.size": 30,
        "axes.facecolor": "black",
        "savefig.bbox": "tight",
        "savefig.dpi": 300,
        "lines.linewidth": 10,
        "axes.spines.left": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "other",
        "xtick.bottom": False,
        "figure.dpi": 30,
        "text.usetex": True,
    }
    with matplotlib.rc_context(own):
        assert charts.metric(make_history(), "loss") == plain


def test_settings_of_the_user_are_as_before_afterwards() -> None:
    with matplotlib.rc_context({"font.size": 30}):
        before = dict(matplotlib.rcParams)
        charts.metric(make_history(), "loss")
        assert dict(matplotlib.rcParams) == before


def test_loss_and_accuracy_come_first_and_validation_goes_with_its_own() -> None:
    stored = ("val_loss", "learning_rate", "accuracy", "auc", "val_accuracy", "loss")
    history = make_history(metrics={name: [1.0] for name in stored})
    assert charts.names(history) == ["loss", "accuracy", "auc", "learning_rate"]


@pytest.mark.parametrize("name", charts.names(make_history()))
def test_every_metric_that_is_listed_can_be_drawn(name: str) -> None:
    assert name in labels(charts.metric(make_history(), name))


def test_very_large_and_very_small_values_can_be_drawn() -> None:
    values = [1e300, -1e300, 1e-300, 0.0]
    assert markers(charts.metric(one_metric("loss", values), "loss"), charts.TRAINING) == 4


def test_values_go_up_where_they_grow() -> None:
    svg = charts.metric(one_metric("loss", [1.0, 2.0, 4.0]), "loss")
    uses = elements(svg).iter(f"{SVG}use")
    ys = [float(use.get("y")) for use in uses if charts.TRAINING in use.get("style", "")]
    # y counts down the page; the points come in the order of the epochs
    assert (np.diff(ys[:3]) < 0).all()

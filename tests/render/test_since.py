"""What changed since the baseline, in brief: what to do, and a difference beside each figure."""

import dataclasses

import pytest

from reportgen.record.changes import Count, Figure, KindChange
from reportgen.render import since
from reportgen.render.since import News
from tests.helpers.builders import changed_from, make_record

NEW = KindChange("poor-calibration", "warning", "new", None, None)
WORSE = KindChange("dead-units", "warning", "worse", 1, 5)
BETTER = KindChange("redundant-units", "warning", "better", 4, 1)
NOTICE = KindChange("still-improving", "notice", "new", None, None)
ERROR = KindChange("worse-than-majority", "error", "still", None, None)
WITHIN, FELL, ROSE = (-0.01, 0.02), (-0.07, -0.04), (0.001, 0.03)


@pytest.mark.parametrize(
    ("news", "advice"),
    [
        (News(True, 0.0, WITHIN, []), "Nothing new to do: nothing changed since the last report."),
        (
            News(False, 0.001, WITHIN, [BETTER]),
            "Nothing new to do: accuracy is within chance of the last report, and no finding is new or worse.",
        ),
        (
            News(False, 0.02, ROSE, []),
            "Nothing new to do: accuracy rose by 2.0 points, more than chance explains, and no finding is new or"
            " worse.",
        ),
        (
            News(False, None, None, []),
            "Nothing new to do: no finding is new or worse; the accuracies cannot be compared.",
        ),
        (
            News(True, 0.0, WITHIN, [ERROR]),
            "Nothing new to do: nothing changed since the last report. 1 error is still there.",
        ),
        (
            News(False, 0.001, WITHIN, [ERROR, dataclasses.replace(ERROR, kind="better"), BETTER]),
            "Nothing new to do: accuracy is within chance of the last report, and no finding is new or worse."
            " 2 errors are still there.",
        ),
        (News(False, -0.053, FELL, []), "Look at: accuracy (−5.3 points, more than chance explains)."),
        (News(False, -0.001, WITHIN, [NEW, WORSE, NOTICE]), "Look at: calibration (new), dead units (1 → 5)."),
        (News(False, 0.0, WITHIN, [NOTICE]), "Nothing new is urgent; worth a look: unfinished training (new)."),
        (
            News(False, -0.053, FELL, [NEW, WORSE, NEW, WORSE]),
            "Look at: accuracy (−5.3 points, more than chance explains), calibration (new), dead units (1 → 5),"
            " calibration (new) and 1 more.",
        ),
    ],
)
def test_one_line_says_what_to_do(news: News, advice: str) -> None:
    assert since.advice(news) == advice


def test_a_difference_stands_beside_each_figure() -> None:
    record = make_record()
    baseline = changed_from(
        record,
        figures={
            "test_accuracy": Figure(0.975, 0.922),
            "test_loss": Figure(0.25, 0.5),
            "train_accuracy": Figure(0.5, 0.5),
            "ece": Figure(None, 0.1),
        },
        counts={"total_params": Count(1000, 2500), "dead": Count(3, 1), "epochs": Count(None, 2), "units": Count(4, 4)},
        accuracy=dataclasses.replace(changed_from(record).accuracy, interval=[-0.068, -0.038]),
    )
    assert since.differences(dataclasses.replace(record, baseline=baseline)) == {
        "test_accuracy": "−5.3 points (95 % CI: −6.8 to −3.8)",
        "test_loss": "+0.25",
        "train_accuracy": "as before",
        "total_params": "+1,500",
        "dead": "−2",
        "units": "as before",
    }
    assert since.differences(record) == {}


@pytest.mark.parametrize(
    ("same_data", "paired", "compared"),
    [(True, False, True), (False, False, False), (None, True, True), (None, False, False)],
)
def test_accuracies_on_other_images_are_not_subtracted(same_data: bool | None, paired: bool, compared: bool) -> None:
    baseline = changed_from(make_record(), same_data=same_data)
    baseline = dataclasses.replace(baseline, accuracy=dataclasses.replace(baseline.accuracy, paired=paired))
    found = since.differences(make_record(baseline=baseline))
    assert ("points" in found["test_accuracy"]) is compared
    assert ("before, on other images" in found["test_accuracy"]) is not compared
    assert ("test_loss" in found) is compared


@pytest.mark.parametrize(
    ("change", "badge"),
    [
        (NEW, "New."),
        (WORSE, "Worse (1 → 5)."),
        (BETTER, "Better (4 → 1)."),
        (dataclasses.replace(NEW, kind="still"), "Still there."),
        (dataclasses.replace(NEW, kind="gone"), "Gone."),
        (None, None),
    ],
)
def test_what_became_of_a_finding_is_said_in_a_word(change: KindChange | None, badge: str | None) -> None:
    assert since.badge(change) == badge

"""The figures of a report that trackers draw, by names that stay."""

import math
from datetime import datetime
from typing import TYPE_CHECKING

from reportgen.format import short
from reportgen.record.evaluation import Scores
from reportgen.record.key_figures import described_units, idle_units, judged_units
from reportgen.tracking import About

if TYPE_CHECKING:
    from reportgen.record.run import Record

_LONGEST_TITLE = 120

PREFIX = "reportgen/"
"""Before each name, so that it is none that the training itself logs; trackers draw such names as one group."""


def of(record: "Record") -> dict[str, float]:
    """Return the figures that are known and finite, by name. The names are promises, listed in docs/tracking.md.

    Of the test split: accuracy, loss (nats), ece, macro_f1, min_recall; of the training split accuracy_train and
    loss_train. Of the units inside the model: units (judged), dead_units, redundant_units, described_share and
    idle_share (of those for which that is known). Of the data: leaked_images, suspect_labels. Of the model: params.
    Of the findings: errors, warnings, notices.
    """
    test, train, leaks = record.evaluation["test"], record.evaluation.get("train"), record.data.leaks
    assert test is not None
    described, looked = described_units(record.units)
    idle, known, _ = idle_units(record.units)
    search = record.data.suspect_labels_search
    severities = [finding.severity for finding in record.findings]
    found: dict[str, float | None] = {
        **_scores(test),
        "macro_f1": test.macro_avg.f1,
        "min_recall": min((row.recall for row in test.classes if row.recall is not None), default=None),
        **{f"{name}_train": value for name, value in (_scores(train) if train else {}).items() if name != "ece"},
        "units": sum(judged_units(layer.states) for layer in record.layers),
        "dead_units": sum(unit.state == "dead" for unit in record.units),
        "redundant_units": sum(unit.removable for unit in record.units),
        "described_share": described / looked if looked else None,
        "idle_share": idle / known if known else None,
        "leaked_images": leaks.test_images if leaks else None,
        "suspect_labels": sum(search.candidates.values()) if search and any(search.searched.values()) else None,
        "params": record.model.total_params,
        "errors": severities.count("error"),
        "warnings": severities.count("warning"),
        "notices": severities.count("notice"),
    }
    return {
        f"{PREFIX}{name}": float(value) for name, value in found.items() if value is not None and math.isfinite(value)
    }


def about(record: "Record") -> About:
    """Return what a report is in a tracker; tags are the version of reportgen, and the SHA-256 of data and model."""
    tags = {
        "version": record.reportgen,
        "data_sha256": record.provenance.data_sha256,
        "model_sha256": record.provenance.model_sha256,
    }
    return About(
        title=short(str(record.title), _LONGEST_TITLE),
        figures=of(record),
        tags={f"reportgen.{name}": value for name, value in tags.items() if value},
        step=max(record.history.epochs, default=0) if record.history else 0,
        made_at=datetime.fromisoformat(record.made_at).timestamp(),
    )


def _scores(part: Scores) -> dict[str, float]:
    return {"accuracy": part.accuracy, "loss": part.loss, "ece": part.ece}

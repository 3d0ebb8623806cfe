"""One ranked list of what is worth a reader's attention in the whole report."""

from collections.abc import Mapping, Sequence

from reportgen.analysis.evaluation.data import DataChecks
from reportgen.analysis.findings import (
    data_findings,
    pixel_findings,
    score_findings,
    shift_findings,
    training_findings,
    trust_findings,
    unit_findings,
)
from reportgen.analysis.pixels.trial import Doubt
from reportgen.i18n import Text
from reportgen.record.data import DataFacts
from reportgen.record.evaluation import Proof, Scores
from reportgen.record.finding_kinds import KINDS, finding
from reportgen.record.model import ModelFacts
from reportgen.record.shifts import Shift, ShiftsRun
from reportgen.record.training import Deaths, History
from reportgen.record.units import Finding, LayerVerdict, Unit
from reportgen.thresholds import FindingThresholds

DEFAULTS = FindingThresholds()


def find(
    *,
    history: History | None,
    unread: Sequence[Text] = (),
    deaths: Deaths | None = None,
    evaluation: Mapping[str, Scores | None],
    data: DataFacts,
    checks: DataChecks,
    model: ModelFacts,
    layers: Sequence[LayerVerdict],
    units: Sequence[Unit],
    proof: Proof | None,
    doubt: Doubt | None = None,
    shifts: Sequence[Shift] | None = None,
    shifts_run: ShiftsRun | None = None,
    thresholds: FindingThresholds = DEFAULTS,
) -> list[Finding]:
    """Return all findings, gravest first: in the order of `finding_kinds.KINDS`, those of one kind by layer.

    evaluation: scores by part, "train" and "test". layers: in the order of the model; units: of those layers.
    doubt: of the range of the pixels. shifts, shifts_run: of changed pictures. unread: a sentence about each file that
    is no history.
    A message is one line of plain text: names from outside are shown with their control characters replaced, and
    may hold anything else, HTML included.
    """
    found = [
        *training_findings.find(history, deaths, thresholds),
        *(finding("history-unreadable", sentence) for sentence in unread),
        *pixel_findings.find(doubt),
        *score_findings.find(evaluation, units, proof, data.suspect_labels, thresholds),
        *shift_findings.find(shifts, shifts_run, thresholds),
        *data_findings.find(data, checks, model, thresholds),
        *trust_findings.find(data, thresholds),
        *unit_findings.find(layers, units, proof, thresholds),
    ]
    rank = {code: place for place, code in enumerate(KINDS)}
    return sorted(found, key=lambda one: rank[one.code])  # stable: layers and parts keep their order

"""The Record: everything one run found out, as numbers, names and sentences that any language can say.

Fields that appear in report.json are promises, documented with its keys. Counts are exact integers; a figure that is
undefined is None.
"""

import re
from dataclasses import dataclass

from reportgen.i18n import Text
from reportgen.options import Analysis, Pages
from reportgen.record.attribution import Attributions
from reportgen.record.changes import Baseline
from reportgen.record.data import DataFacts
from reportgen.record.evaluation import Proof, Scores
from reportgen.record.model import ModelFacts
from reportgen.record.pictures import Pictures
from reportgen.record.shifts import Shift, ShiftsRun
from reportgen.record.training import Deaths, History
from reportgen.record.units import Finding, LayerVerdict, Unit

SCHEMA = "reportgen/1"
"""The format of report.json; it changes when a key changes its meaning or goes away."""

_REDUNDANT = re.compile(r" --redundant ([01](?:\.\d+)?|\d(?:\.\d+)?e-\d+)(?= |$)")


@dataclass(frozen=True)
class Provenance:
    """Where the figures come from. seconds: per stage, None where the clock was fixed by SOURCE_DATE_EPOCH."""

    versions: dict[str, str]
    platform: Text
    seed: int
    command: str
    git_commit: str | None
    seconds: dict[str, float | None]
    data_sha256: str
    model_sha256: str | None

    @property
    def redundant(self) -> float:
        """The correlation from which on units are redundant, which the command names where it is not the default."""
        named = _REDUNDANT.findall(self.command)
        return float(named[-1]) if named else Analysis.redundant


@dataclass(frozen=True)
class Look:
    """How the pages are made. lang: "en" or "ja"; paper: of the PDF, "a4" or "letter"."""

    lang: str = Pages.lang
    paper: str = Pages.paper


@dataclass(frozen=True)
class Record:
    """One run, whole. The keys of report.json are these fields, `pictures` excepted (record.npz).

    attributions: None in a folder from before there were any.
    """

    schema: str
    title: Text
    made_at: str
    reportgen: str
    provenance: Provenance
    data: DataFacts
    model: ModelFacts
    history: History | None
    evaluation: dict[str, Scores | None]
    layers: list[LayerVerdict]
    units: list[Unit]
    proof: Proof | None
    findings: list[Finding]
    baseline: Baseline | None
    look: Look
    pictures: Pictures
    deaths: Deaths | None = None
    shifts: list[Shift] | None = None
    shifts_run: ShiftsRun | None = None
    attributions: Attributions | None = None

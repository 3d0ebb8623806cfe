"""The Record: everything one run found out, as numbers, names and sentences that any language can say.

Fields that appear in report.json are promises, documented with its keys. Counts are exact integers; a figure that is
undefined is None.
"""

import shlex
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


def flags(command: str) -> dict[str, str]:
    """Return what a report's command gives, by flag: "--redundant": "0.9". Raises ValueError where it is none."""
    words = shlex.split(command)
    found = dict(zip(words[2::2], words[3::2], strict=True))
    if words[:2] != ["reportgen", "report"] or not all(flag.startswith("--") for flag in found):
        raise ValueError(command)
    return found


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
        try:
            found = float(flags(self.command).get("--redundant", Analysis.redundant))
        except ValueError:
            return Analysis.redundant
        return found if 0 < found <= 1 else Analysis.redundant


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

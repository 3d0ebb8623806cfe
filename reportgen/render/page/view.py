"""A Record painted: the charts, pictures and sentences that a page is filled with."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from reportgen.i18n import Text
from reportgen.record import finding_groups
from reportgen.record.evaluation import ClassScore
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.pictures import Array
from reportgen.record.run import Record
from reportgen.record.training import History
from reportgen.record.units import Finding
from reportgen.render import findings, since, words
from reportgen.render.charts import dead_history, geometry
from reportgen.render.comparison import view as comparison
from reportgen.render.page import (
    answers,
    attribution_view,
    blocks,
    detail,
    insights,
    layer_views,
    legends,
    network_view,
    overview,
    places,
    shifts,
    trust_view,
)
from reportgen.render.page.layer_views import LayerView
from reportgen.render.page.missing import NotDrawn, attempt
from reportgen.render.pictures import input_images
from reportgen.render.pictures.mosaic import Picture

MOST_CLASSES_IN_MATRIX = 20
MOST_NAMES = 50


@dataclass(frozen=True)
class View:
    """A Record with everything painted that its pages show, so that HTML and PDF paint nothing twice.

    space: the most that was painted. states: those that units are in, gravest first. gated: some unit stands behind
    gates. shows: what each chart and table shows here, in a sentence, by its id. findings: by kind, gravest first;
    further: those that the cover has no room for. gone: kinds that the baseline alone had; differences: of the cover's
    figures, by name; advice: what to do. These three are of a baseline.
    nested: the layers in their blocks.
    """

    record: Record
    space: detail.Detail
    labels: list[str]
    weakest: ClassScore | None
    flattered: Text | None
    matrix: list[list[int]] | None
    confused_pairs: int
    training_seconds: float | None
    history_charts: dict[str, geometry.LineChart]
    epoch_rows: list[int]
    epochs_drawn: int
    deaths: dead_history.DeathsView | None
    reliability: geometry.ReliabilityChart
    class_chart: geometry.ClassChart
    examples: list[Picture]
    mistakes: list[Picture]
    legend: legends.Legend
    layers: list[LayerView]
    states: list[str]
    gated: bool
    verdict: Text
    names_of_numbers: str | None
    shows: dict[str, Text]
    changes: comparison.Changes | None
    answers: list[answers.Answer]
    shifts: shifts.ShiftsView | None
    trust: trust_view.TrustView | None
    saving: Text | None
    findings: list[findings.Entry]
    further: Text | None
    gone: Text | None
    differences: dict[str, Text]
    advice: Text | None
    attributions: attribution_view.AttributionView
    network: network_view.NetworkView | None
    overview: overview.OverviewView | None
    nested: list[blocks.Entry]

    @property
    def has_further_findings(self) -> bool:
        """Whether there are findings that the first pages on paper have no room for."""
        with suppress(NotDrawn):
            return len(self.findings) > finding_groups.MOST or any(one.others for one in self.findings)
        return False

    @property
    def outputs(self) -> int:
        """How many of the units are outputs of the model, which are not judged as those inside."""
        return sum(unit.state in OUTPUT_STATES for unit in self.record.units)


def paint(record: Record, space: detail.Detail = detail.ALL) -> View:
    """Paint the charts and pictures of a record; those of cards are painted when a page asks for them.

    space: the most that is painted of it.
    """
    record = detail.thinned(record, space)
    pictures, history, test = record.pictures, record.history, record.evaluation["test"]
    assert test is not None
    layers, scale = attempt(layer_views.build, record, space.compared), input_images.scale_of(pictures)
    return View(
        record=record,
        space=space,
        labels=[c.label for c in test.classes],
        weakest=attempt(insights.weakest, test),
        flattered=words.flattered(record.history),
        matrix=test.confusion if len(test.classes) <= MOST_CLASSES_IN_MATRIX else None,
        confused_pairs=sum(cell > 0 for t, row in enumerate(test.confusion) for p, cell in enumerate(row) if t != p),
        training_seconds=_total(history.seconds) if history else None,
        history_charts=_history_charts(history),
        epoch_rows=geometry.spread(history, geometry.MOST_ROWS) if history else [],
        epochs_drawn=geometry.MOST_POINTS,
        deaths=attempt(dead_history.view, record),
        reliability=attempt(geometry.reliability, test.reliability),
        class_chart=attempt(geometry.classes, test),
        examples=_each(pictures.examples.images, scale),
        mistakes=_each(pictures.worst, scale),
        legend=attempt(legends.legend, pictures, scale),
        layers=layers,
        states=attempt(_states, layers),
        gated=any(unit.gates or "gates" in unit.reasons for unit in record.units),
        verdict=attempt(words.verdict, record.layers, record.units),
        names_of_numbers=_names_of_numbers([c.label for c in test.classes]),
        shows=_shows(record),
        changes=attempt(comparison.paint, record, has_cards=True, place=_places(layers)),
        answers=attempt(answers.answers, record),
        shifts=attempt(shifts.view, record),
        trust=attempt(trust_view.view, record, scale),
        saving=attempt(answers.saving, record),
        **_of_findings(record, layers),
        gone=attempt(_gone, record),
        differences=attempt(since.differences, record),
        advice=attempt(_advice, record),
        attributions=attempt(attribution_view.view, record),
        network=attempt(network_view.build, record),
        overview=attempt(overview.build, record),
        nested=attempt(blocks.nested, [verdict.name for verdict in record.layers]),
    )


def _history_charts(history: History | None) -> dict[str, geometry.LineChart]:
    return {name: attempt(geometry.metric, history, name) for name in geometry.names(history)} if history else {}


def _each(images: Array, scale: input_images.Extent | None) -> list[Picture]:
    return [attempt(_one, images[n : n + 1], scale) for n in range(len(images))]


def _one(image: Array, scale: input_images.Extent | None) -> Picture:
    return input_images.images(image, scale)[0]


def _states(layers: Sequence[LayerView]) -> list[str]:
    found = {unit.css for layer in layers for unit in layer.units}
    return [state for state in words.STATES if state in found]


def _shows(record: Record) -> dict[str, Text]:
    test, train, history = record.evaluation["test"], record.evaluation["train"], record.history
    assert test is not None
    shown = {
        "summary": attempt(insights.summary, record.model),
        "scores-test": attempt(insights.scores, test),
        "classes": attempt(insights.classes, test),
        "matrix": attempt(insights.matrix, test),
        "reliability": attempt(insights.reliability, test),
        "provenance": attempt(insights.provenance, record.provenance),
    }
    if train:
        shown["scores-train"] = attempt(insights.scores, train)
    if test.most_confused:
        shown["confused"] = attempt(insights.confused, test)
    if history:
        shown["epochs"] = attempt(insights.epochs, history)
        shown |= {f"history-{name}": attempt(insights.course, history, name) for name in geometry.names(history)}
    return shown


def _names_of_numbers(labels: Sequence[str]) -> str | None:
    """Return "0 circle, 1 square" for pictures that have numbers for classes; None where the names are the numbers."""
    if list(labels) == [str(number) for number in range(len(labels))]:
        return None
    return ", ".join(f"{number} {words.name(label, 24)}" for number, label in enumerate(labels[:MOST_NAMES]))


def _total(seconds: Sequence[float | None]) -> float | None:
    """Return the sum, None where a part of it is unknown."""
    known = [spent for spent in seconds if spent is not None]
    return sum(known) if len(known) == len(seconds) else None


def told(painted: View, record: Record) -> View:
    """Return a painted record with the findings of another, which differs in nothing else."""
    return replace(painted, record=record, **_of_findings(record, painted.layers))


def _of_findings(record: Record, layers: list[layer_views.LayerView]) -> dict[str, Any]:
    """Return what a view has of the findings."""
    found = attempt(findings.entries, record.findings, record.baseline, _places(layers))
    return {"findings": found, "further": attempt(lambda: findings.further(found[finding_groups.MOST :]))}


def _places(layers: list[layer_views.LayerView]) -> Callable[[Finding], str | None]:
    """Return what gives the anchor of the evidence of a finding."""
    drawn: list[str] = []
    with suppress(NotDrawn):
        drawn = [one.verdict.name for one in layers]
    return lambda finding: places.of(finding, drawn)


def _gone(record: Record) -> Text | None:
    kinds = findings.gone(record.baseline)
    return findings.names(kinds, len(kinds)) if kinds else None


def _advice(record: Record) -> Text | None:
    return since.advice(since.of_baseline(record.baseline)) if record.baseline else None

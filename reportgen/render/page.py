"""A Record as one HTML page, for the screen or for paper."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup

from reportgen.errors import InputError
from reportgen.record import ClassScore, Finding, Look, Record
from reportgen.render import charts, compare, fonts, insights, languages, layer_views, sheets, templating, tiles, words
from reportgen.texts import Text

MOST_CLASSES_IN_MATRIX = 20
MOST_NAMES = 50
_SHADES = 6


@dataclass(frozen=True)
class View:
    """A Record with everything painted that its pages show, so that HTML and PDF paint nothing twice.

    states: those that units are in, gravest first. shows: what each chart and table shows here, in a sentence, by
    its id.
    """

    record: Record
    labels: list[str]
    weakest: ClassScore | None
    matrix: list[list[int]] | None
    confused_pairs: int
    training_seconds: float | None
    history_charts: dict[str, charts.LineChart]
    reliability: charts.ReliabilityChart
    class_chart: charts.ClassChart
    examples: list[tiles.Picture]
    mistakes: list[tiles.Picture]
    layers: list[layer_views.LayerView]
    states: list[str]
    verdict: Text
    names_of_numbers: str | None
    shows: dict[str, Text]
    changes: compare.Changes | None


@dataclass(frozen=True)
class Page:
    """A page and, of a split one, the files beside it by name.

    uncovered: the characters that its fonts do not have, which are left to the fonts of its readers.
    """

    html: str
    files: dict[str, bytes] = field(default_factory=dict)
    uncovered: list[str] = field(default_factory=list)


def paint(record: Record) -> View:
    """Paint the charts and pictures of a record; those of cards are painted when a page asks for them."""
    pictures, history, test = record.pictures, record.history, record.evaluation["test"]
    assert test is not None
    layers = layer_views.build(record)
    found = {unit.css for layer in layers for unit in layer.units}
    return View(
        record=record,
        labels=[c.label for c in test.classes],
        weakest=insights.weakest(test),
        matrix=test.confusion if len(test.classes) <= MOST_CLASSES_IN_MATRIX else None,
        confused_pairs=sum(cell > 0 for t, row in enumerate(test.confusion) for p, cell in enumerate(row) if t != p),
        training_seconds=_total(history.seconds) if history else None,
        history_charts={name: charts.metric(history, name) for name in charts.names(history)} if history else {},
        reliability=charts.reliability(test.reliability),
        class_chart=charts.classes(test),
        examples=[tiles.image(stored) for stored in pictures.examples.images],
        mistakes=[tiles.image(stored) for stored in pictures.worst],
        layers=layers,
        states=[state for state in words.STATES if state in found],
        verdict=words.verdict(record.layers, record.units),
        names_of_numbers=_names_of_numbers([c.label for c in test.classes]),
        shows=_shows(record),
        changes=compare.paint(record, has_cards=True),
    )


def html(
    view: View, look: Look, *, on_paper: bool = False, split: str | None = None, templates: Path | None = None
) -> Page:
    """Return the whole page.

    look: its language, and the paper of a page for paper. on_paper: leave out what only a screen can show, add what
    only paper needs. split: the name of a folder beside the page into which style sheet, script, fonts and pictures
    go, for hosts that allow nothing inline; None keeps all in the page. templates: a folder whose files take the place
    of reportgen's own of the same name.
    Raises InputError where a template of the user's is at fault.
    """
    environment = templating.environment(look.lang, templates)
    try:
        return _Writer(environment, view, look, on_paper=on_paper, split=split).page()
    except jinja2.TemplateError as error:
        if templates is None:
            raise
        where = getattr(error, "name", None) or "a template"
        raise InputError(f"{where} in {templates} fails ({error})", "mend the template") from error


class _Writer:
    """Puts one page together: its body, then the style sheet with the fonts that the body's characters need."""

    def __init__(
        self, environment: jinja2.Environment, view: View, look: Look, *, on_paper: bool, split: str | None
    ) -> None:
        self._environment, self._view, self._look = environment, view, look
        self._on_paper, self._split = on_paper, split
        self._files: dict[str, bytes] = {}
        environment.filters |= {"address": self._address, "shade": _shade, "place": _place}
        environment.globals |= {
            "rows_on_paper": layer_views.ROWS_ON_PAPER,
            "cells_on_paper": layer_views.CELLS_ON_PAPER,
        }

    def page(self) -> Page:
        values = {"view": self._view, "r": self._view.record, "on_paper": self._on_paper, "split": self._split}
        body = languages.tightened(self._environment.get_template("body.html").render(values), self._look.lang)
        shown = sheets.words(body)
        style, script = self._style(shown), "" if self._on_paper else self._source("script.js")
        if self._split:
            self._files |= {"style.css": style.encode(), "script.js": script.encode()}
        whole = self._environment.get_template("report.html").render(
            values,
            body=Markup(body),
            style=Markup(style),
            script=Markup(script),
            csp=self._policy(style, script),
            icon=tiles.icon(),
        )
        files = {f"{self._split}/{name}": content for name, content in self._files.items()}
        return Page(whole, files, sorted(fonts.uncovered(shown)))

    def _style(self, shown: str) -> str:
        messages = languages.catalogue(self._look.lang)
        styles, own_words = [self._source("style.css")], sheets.caption_words(messages)
        if self._on_paper:
            styles += [f"@page {{ size: {self._look.paper}; }}", self._source("print.css")]
            own_words += sheets.paper_words(messages)
        return sheets.with_fonts(
            styles, own_words, shown, lambda face: self._resource(face.file, "font/woff2", face.woff2)
        )

    def _source(self, name: str) -> str:
        return templating.source(self._environment, name)

    def _policy(self, style: str, script: str) -> str:
        if self._split:
            return sheets.policy("'self'", "'self'", "'self'", "'self'")
        return sheets.policy("data:", "data:", sheets.digest(style), sheets.digest(script))

    def _address(self, picture: tiles.Picture) -> str:
        """Return where a page finds a picture: in itself, or in a file named after its content."""
        name = f"{hashlib.sha256(picture.png).hexdigest()[:16]}.png"
        return self._resource(name, "image/png", picture.png)

    def _resource(self, name: str, kind: str, content: bytes) -> str:
        if not self._split:
            return sheets.data_uri(kind, content)
        self._files[name] = content
        # a style sheet's addresses are relative to itself
        return name if kind.startswith("font") else f"{self._split}/{name}"


def _shows(record: Record) -> dict[str, Text]:
    test, train, history = record.evaluation["test"], record.evaluation["train"], record.history
    assert test is not None
    shown = {
        "summary": insights.summary(record.model),
        "scores-test": insights.scores(test),
        "classes": insights.classes(test),
        "matrix": insights.matrix(test),
        "reliability": insights.reliability(test),
        "provenance": insights.provenance(record.provenance),
    }
    if train:
        shown["scores-train"] = insights.scores(train)
    if test.most_confused:
        shown["confused"] = insights.confused(test)
    if history:
        shown["epochs"] = insights.epochs(history)
        shown |= {f"history-{name}": insights.course(history, name) for name in charts.names(history)}
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


def _shade(cell: int, row: Sequence[int]) -> int:
    """Return 0 (nothing) to 6 (all of the row), never 0 for what is there: how dark a matrix cell is."""
    return -(-_SHADES * cell // sum(row)) if cell else 0


_PLACES = {
    "loss-not-finite": "training",
    "overfitting": "training",
    "still-improving": "training",
    "proof-failed": "proof",
    "test-in-train": "about",
    "conflicting-labels": "about",
    "class-without-images": "about",
    "class-imbalance": "about",
    "constant-images": "about",
    "repeated-images": "about",
    "heavy-layer": "model",
    "most-confused-pair": "confusions",
    "confident-mistakes": "mistakes",
}  # a finding of another kind about no layer is about the evaluation


def _place(finding: Finding, view: View) -> str:
    """Return the anchor of the evidence of a finding."""
    if finding.code not in _PLACES and finding.layer is not None:
        for number, layer in enumerate(view.layers, 1):
            if layer.verdict.name == finding.layer:
                return f"layer-{number}"
    return _PLACES.get(finding.code, "evaluation")

"""A Record as one HTML page, for the screen or for paper."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reportgen.i18n import Text
from reportgen.record import finding_groups
from reportgen.record.evaluation import ClassScore
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.pictures import Array
from reportgen.record.run import Look, Record
from reportgen.record.training import History
from reportgen.record.units import Finding
from reportgen.render import findings, fonts, languages, sheets, since, templating, words
from reportgen.render.charts import dead_history, geometry
from reportgen.render.comparison import view
from reportgen.render.page import (
    answers,
    attribution_view,
    blocks,
    detail,
    folds,
    insights,
    layer_views,
    legends,
    missing,
    network_view,
    overview,
    places,
    shifts,
    trust_view,
    unit_rows,
)
from reportgen.render.page.layer_views import LayerView
from reportgen.render.page.missing import ENDS_ALL, Missing, NotDrawn, attempt
from reportgen.render.pictures import input_images, tiles
from reportgen.render.pictures.mosaic import Picture, opaque

MOST_CLASSES_IN_MATRIX = 20
MOST_NAMES = 50
PAGE = "report.html"
_SHADES = 6
_CONTENT = "<!--content-->"
_PICTURE = re.compile('(=\\\\?"data:image/png;base64,)(\ufdd0\\d+\ufdd1)')
"""What stands for the content of a picture until the page is finished, in characters that Unicode keeps for such.

It counts in an attribute alone, in JSON too: what a name or a figure of the record holds has its quotes escaped.
"""


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
    changes: view.Changes | None
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


@dataclass(frozen=True)
class Page:
    """A page and, of a split one, the files beside it by name.

    uncovered: the characters that its fonts do not have, which are left to the fonts of its readers. missing: what
    could not be drawn.
    """

    html: str
    files: dict[str, bytes] = field(default_factory=dict)
    uncovered: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


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
        changes=attempt(view.paint, record, has_cards=True, place=_places(layers)),
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


def prepare(lang: str) -> None:
    """Compile the templates, which takes longer than to fill them in; the next page in this language finds them so."""
    environment = templating.environment(lang)
    environment.filters |= {**_FILTERS, "address": str}
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def html(
    view: View,
    look: Look,
    *,
    on_paper: bool = False,
    split: str | None = None,
    templates: Path | None = None,
    listing: detail.Listing | None = None,
    left_out: Sequence[Text] = (),
) -> Page:
    """Return the whole page.

    look: its language, and the paper of a page for paper. on_paper: leave out what only a screen can show, add what
    only paper needs. split: the name of a folder beside the page into which style sheet, script, fonts and pictures
    go, for hosts that allow nothing inline, and of a large model a page of each layer; None keeps all in the page.
    templates: a folder whose files take the place of reportgen's own of the same name. listing: how units are listed,
    by default as on the first step of the ladder. left_out: what the page says that it leaves out.
    Raises InputError where a template of the user's is at fault.
    """
    environment = templating.environment(look.lang, templates)
    with templating.watched(templates):
        writer = _Writer(environment, view, look, on_paper=on_paper, split=split, templates=templates)
        return writer.page(listing or detail.usual(view.record, paper=on_paper), left_out)


class _Writer:
    """Puts one page together: its body, then the style sheet with the fonts that the body's characters need."""

    def __init__(
        self,
        environment: jinja2.Environment,
        view: View,
        look: Look,
        *,
        on_paper: bool,
        split: str | None,
        templates: Path | None,
    ) -> None:
        self._environment, self._view, self._look = environment, view, look
        self._on_paper, self._split, self._templates = on_paper, split, templates
        self._files: dict[str, bytes] = {}
        self._missing: dict[str, Missing] = {}
        self._pictures: dict[str, bytes] = {}
        environment.filters |= {**_FILTERS, "address": self._address}
        messages = languages.catalogue(look.lang)
        environment.globals |= {
            "drawn": self._drawn,
            "fold": folds.marked,
            "layer_page": self._layer_page,
            "brief_rows": lambda units: unit_rows.rows(units, messages),
            "brief_cells": lambda units: unit_rows.cells(units, messages),
        }

    def page(self, listing: detail.Listing, left_out: Sequence[Text]) -> Page:
        values = {
            "view": self._view,
            "r": self._view.record,
            "on_paper": self._on_paper,
            "split": self._split,
            "listing": listing,
            "left_out": left_out,
            "most_findings": finding_groups.MOST,
        }
        body = sheets.numbered(self._filled("body.html", values))
        shown = sheets.words(body)
        if self._on_paper:
            body = folds.within(body, "layers")
        body, folded = folds.taken_out(body, folds.as_data)
        layers = self._layers(folded, values) if self._split else {}
        style = self._style(shown + "".join(sheets.words(frame) for frame, _ in layers.values()))
        script = "" if self._on_paper else self._source("script.js")
        if self._split:
            self._files |= {"style.css": style.encode(), "script.js": script.encode()}
            places = folds.places(folded)
            body = folds.linked(body, lambda anchor: f"{self._layer_page(places.get(anchor))}#{anchor}")

        def whole(body: str, **more: Any) -> str:
            return self._environment.get_template("report.html").render(
                values,
                body=Markup(body),
                style=Markup(style),
                script=Markup(script),
                csp=self._policy(style, script),
                icon=tiles.icon(),
                **more,
            )

        made = self._with_pictures(whole(body))
        for fold in folded if self._split else ():
            frame, layer = layers[fold.number]
            page = whole(self._at_home(frame.replace(_CONTENT, fold.html), places), layer=layer)
            # these pages lie where the files beside the page do
            page = page.replace(f'="{self._split}/', '="./')
            self._files[self._layer_page(fold.number).rpartition("/")[2]] = page.encode("utf-8")
        files = {f"{self._split}/{name}": content for name, content in self._files.items()}
        return Page(made, files, sorted(fonts.uncovered(shown)), list(self._missing.values()))

    def _filled(self, name: str, values: Mapping[str, Any], **more: Any) -> str:
        return languages.tightened(self._environment.get_template(name).render(values, **more), self._look.lang)

    def _layers(self, folded: list[folds.Fold], values: Mapping[str, Any]) -> dict[int, tuple[str, LayerView]]:
        """Return what stands around each fold on a page of its own, and the layer, by its number."""
        found = {}
        for fold in folded:
            layer = self._view.layers[fold.number - 1]
            told = {"number": fold.number, "layer": layer, "content": Markup(_CONTENT), "report": f"../{PAGE}"}
            found[fold.number] = self._filled("layer.html", values, **told), layer
        return found

    def _layer_page(self, number: int | None) -> str:
        """Return where the page of a layer lies, "" where there is none."""
        return f"{self._split}/layer-{number}.html" if number else ""

    def _at_home(self, body: str, places: Mapping[str, int]) -> str:
        """Return the body of a layer's page with links to what stands on other pages."""
        own = folds.ids(body)

        def address(anchor: str) -> str:
            if anchor in own:
                return f"#{anchor}"
            page = self._layer_page(places[anchor]) if anchor in places else f"../{PAGE}"
            return f"{page}#{anchor}"

        return folds.linked(body, address)

    def _drawn(self, kind: str, of: object = "", anchor: str = "", *, caller: Callable[[], str]) -> str:
        """Return what the block of a template comes to or, where it fails, a notice with the anchor in its place.

        kind, of: what the block draws, as `missing.called` takes them.
        """
        try:
            return caller()
        except ENDS_ALL:
            raise
        except Exception as error:
            if templating.fault_of(error, self._templates):
                raise
            found = missing.noticed(error, kind, of)
            self._missing[found.what] = found
            section = missing.SECTIONS[str(of)] if kind == "section" else None
            notice = self._environment.get_template("missing.html")
            return Markup(notice.render(missing=found, section=section, anchor=anchor or of, r=self._view.record))

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

    def _address(self, picture: Picture) -> str:
        """Return where a page finds a picture: in itself, or in a file named after its content.

        What it has in itself is put in last: templates copy what they make many times over, and pictures are most of
        a large page.
        """
        png = opaque(picture.png) if self._on_paper else picture.png
        if self._split:
            return self._resource(f"{hashlib.sha256(png).hexdigest()[:16]}.png", "image/png", png)
        place = f"\ufdd0{len(self._pictures)}\ufdd1"
        self._pictures[place] = png
        return f"data:image/png;base64,{place}"

    def _with_pictures(self, page: str) -> str:
        """Return a page with its pictures in their places."""
        stored = {place: base64.b64encode(png).decode("ascii") for place, png in self._pictures.items()}
        return _PICTURE.sub(lambda found: found[1] + stored.get(found[2], found[2]), page)

    def _resource(self, name: str, kind: str, content: bytes) -> str:
        if not self._split:
            return sheets.data_uri(kind, content)
        self._files[name] = content
        # a style sheet's addresses are relative to itself
        return name if kind.startswith("font") else f"{self._split}/{name}"


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


def _shade(cell: int, row: Sequence[int]) -> int:
    """Return 0 (nothing) to 6 (all of the row), never 0 for what is there: how dark a matrix cell is."""
    return -(-_SHADES * cell // sum(row)) if cell else 0


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


def _layer_anchor(layer: str, view: View) -> str:
    """Return the anchor of a layer's section."""
    with suppress(NotDrawn):
        for number, one in enumerate(view.layers, 1):
            if one.verdict.name == layer:
                return f"layer-{number}"
    return "layers"


_FILTERS = {"shade": _shade, "layer_anchor": _layer_anchor}

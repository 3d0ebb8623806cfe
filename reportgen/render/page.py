"""A Record as one HTML page, for the screen or for paper."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from reportgen.errors import InputError, SurroundingsError
from reportgen.record import ClassScore, Finding, Record
from reportgen.render import charts, layer_views, tiles, words

MOST_CLASSES_IN_MATRIX = 20
MOST_NAMES = 50
_SHADES = 6


@dataclass(frozen=True)
class View:
    """A Record with everything painted that its pages show, so that HTML and PDF paint nothing twice."""

    record: Record
    labels: list[str]
    weakest: ClassScore | None
    matrix: list[list[int]] | None
    confused_pairs: int
    training_seconds: float | None
    charts: dict[str, str]
    chart_texts: dict[str, str]
    examples: list[tiles.Picture]
    mistakes: list[tiles.Picture]
    layers: list[layer_views.LayerView]
    verdict: str
    names_of_numbers: str | None


def paint(record: Record) -> View:
    """Paint every chart and picture of a record."""
    pictures, history, test = record.pictures, record.history, record.evaluation["test"]
    assert test is not None
    judged = [c for c in test.classes if c.f1 is not None]
    names = charts.names(history) if history else []
    return View(
        record=record,
        labels=[c.label for c in test.classes],
        weakest=min(judged, key=lambda c: c.f1 or 0.0) if judged else None,
        matrix=test.confusion if len(test.classes) <= MOST_CLASSES_IN_MATRIX else None,
        confused_pairs=sum(cell > 0 for t, row in enumerate(test.confusion) for p, cell in enumerate(row) if t != p),
        training_seconds=_total(history.seconds) if history else None,
        charts={name: _svg_uri(charts.metric(history, name)) for name in names if history},
        chart_texts={name: words.course(history, name) for name in names if history},
        examples=[tiles.image(stored) for stored in pictures.examples.images],
        mistakes=[tiles.image(stored) for stored in pictures.worst],
        layers=layer_views.build(record),
        verdict=words.verdict(record.layers, record.units),
        names_of_numbers=_names_of_numbers([c.label for c in test.classes]),
    )


def html(view: View, *, on_paper: bool = False, templates: Path | None = None) -> str:
    """Return the whole page. on_paper: leave out what only a screen can show, add what only paper needs.

    templates: a folder whose files take the place of reportgen's own of the same name.
    Raises InputError where a template of the user's is at fault.
    """
    environment = _environment(templates)
    try:
        style = "\n".join(_source(environment, name) for name in ("style.css", *(["print.css"] if on_paper else [])))
        return environment.get_template("report.html").render(
            view=view,
            r=view.record,
            on_paper=on_paper,
            style=Markup(style),
            csp=f"default-src 'none'; img-src data:; style-src '{_sha256(style)}'; base-uri 'none'; form-action 'none'",
        )
    except jinja2.TemplateError as error:
        if templates is None:
            raise
        where = getattr(error, "name", None) or "a template"
        raise InputError(f"{where} in {templates} fails ({error})", "mend the template") from error


def locate_templates() -> Path:
    """Return the folder of reportgen's own templates: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "report.html").is_file():
            return folder
    raise SurroundingsError(f"the templates of reportgen are missing from {package}", "install reportgen again")


def _environment(templates: Path | None) -> jinja2.Environment:
    if templates is not None and not templates.is_dir():
        raise InputError(f"--templates {templates} is not a folder", "give a folder of Jinja templates")
    folders = [*([templates] if templates else []), locate_templates()]
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.filters |= {"uri": _picture_uri, "svg_uri": _svg_uri, "shade": _shade, "place": _place}
    environment.globals |= {
        "rows_on_paper": layer_views.ROWS_ON_PAPER,
        "cells_on_paper": layer_views.CELLS_ON_PAPER,
    }
    return environment


def _source(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


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


def _svg_uri(content: bytes) -> str:
    return _data_uri("image/svg+xml", content)


def _picture_uri(picture: tiles.Picture) -> str:
    return _data_uri("image/png", picture.png)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")

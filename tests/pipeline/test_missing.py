"""What cannot be drawn: a notice in its place, a finding, exit code 3, and all the rest."""

import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import html5lib
import numpy as np
import pypdf
import pytest
from typer.testing import CliRunner, Result

from reportgen.cli.app import app
from reportgen.errors import SurroundingsError
from reportgen.pipeline import flow, painting
from reportgen.record import record_file
from reportgen.render import words
from reportgen.render.charts import geometry
from reportgen.render.comparison import view
from reportgen.render.page import insights, layer_views, page
from reportgen.render.pdf import pdf, printer
from reportgen.render.pictures import input_images, tiles
from tests.helpers.builders import (
    assert_one_line,
    changed_from,
    make_effect,
    make_kernels,
    make_pictures,
    make_record,
    with_effects,
)

PARTS: dict[str, tuple[ModuleType, str, str]] = {
    "course of a metric": (geometry, "metric", "the chart of accuracy"),
    "mistakes by class": (geometry, "classes", "the chart of mistakes by class"),
    "reliability": (geometry, "reliability", "the reliability diagram"),
    "histogram": (geometry, "histogram", "a picture of unit conv/u0"),
    "outputs of channels": (tiles, "maps_grid", "the outputs of layer conv"),
    "outputs of neurons": (tiles, "strips_grid", "the outputs of layer scores"),
    "kernels": (tiles, "kernels_grid", "the kernels of layer conv"),
    "kernels as colours": (tiles, "colour_kernels", "the kernels of layer conv"),
    "kernel of a unit": (tiles, "unit_kernel", "a picture of unit conv/u0"),
    "correlations": (tiles, "correlations", "the correlations of layer conv"),
    "class map": (tiles, "class_map", "the responses of layer conv to each class"),
    "effects": (tiles, "effects", "what the model does without units of layer conv"),
    "input images": (input_images, "images", "a test image"),
    "strongest images": (input_images, "with_patches", "a picture of unit conv/u0"),
    "sentence of a table": (insights, "summary", "the sentence under “summary”"),
    "sentence of a layer": (insights, "units", "the sentence under “units-1”"),
    "sentence of a figure": (insights, "kernels", "the sentence under “kernels-1”"),
    "all layers": (layer_views, "build", "the section “Inside the layers”"),
    "all changes": (view, "paint", "the section “What changed since the last report”"),
}
SECTIONS = {"stage": "about", "parts": "layers", "fixed": "training", "shape": "model"}
"""A filter that templates use in that section, and perhaps in others."""


def boom(*arguments: Any, **named: Any) -> NoReturn:
    raise ValueError("bad <figure>\nof 2 lines")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report with something of everything on it, and nothing missing."""
    kernels = make_kernels(np.ones((2, 3, 3, 3)), on_colour=True)
    images = np.zeros((2, 4, 4, 3), np.uint8)
    examples = dataclasses.replace(make_pictures().examples, images=images)
    cards = dataclasses.replace(make_pictures().cards, images=images)
    record = make_record(pictures=make_pictures(kernels=[kernels], examples=examples, worst=images[1:], cards=cards))
    record = with_effects(record, make_effect({"star": 0.3}), make_effect())
    record = dataclasses.replace(record, baseline=changed_from(record))
    place = tmp_path_factory.mktemp("whole") / "shapes"
    place.mkdir()
    for name, content in record_file.to_bytes(record).items():
        (place / name).write_bytes(content)
    assert flow.render(place, formats=["html"]).problems == []
    assert own_findings(place) == [] and notices(page_in(place)) == []
    return place


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "shapes"))


def page_in(folder: Path) -> Any:
    """Return the page, read by a strict parser."""
    content = (folder / "report.html").read_text(encoding="utf-8")
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(content)


def rendered(folder: Path) -> tuple[flow.Report, Any]:
    """Paint a report's page again, and return what the call does and the page."""
    made = flow.render(folder, formats=["html"])
    return made, page_in(folder)


def notices(found: Any) -> list[str]:
    return ["".join(e.itertext()) for e in found.iter("strong") if e.get("class") == "missing"]


def own_findings(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((folder / "report.json").read_text(encoding="utf-8"))["findings"]
    return [one for one in found if one["code"] in (painting.NO_PDF, painting.NOT_DRAWN)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_what_cannot_be_drawn_is_missing_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, function, called = PARTS[name]
    ids = {e.get("id") for e in page_in(folder).iter("section")} - {None}
    monkeypatch.setattr(module, function, boom)
    made, found = rendered(folder)
    assert f"Could not be drawn: {called} (ValueError: bad <figure> of 2 lines)." in notices(found)
    (finding,) = own_findings(folder)
    assert (finding["code"], finding["severity"], finding["layer"]) == ("not-drawn", "warning", None)
    assert called in finding["message"] and "ValueError: bad <figure> of 2 lines" in finding["message"]
    assert finding["message"] in " ".join("".join(found.itertext()).split())
    assert any(called in str(problem) for problem in made.problems)
    for problem in made.problems:
        assert_one_line(problem, "could not be drawn", "--debug")
        assert isinstance(problem.__cause__, ValueError)
    assert {"findings", "model", "training", "evaluation", "layers", "glossary", "about"} <= ids
    assert {i for i in ids if "layer-" not in i} <= {e.get("id") for e in found.iter("section")}


@pytest.mark.slow
def test_nothing_is_left_of_it_once_it_can_be_drawn(whole: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(geometry, "metric", boom)
        rendered(folder)
    assert own_findings(folder) != []
    rendered(folder)
    assert own_findings(folder) == []
    assert (folder / "report.json").read_bytes() == (whole / "report.json").read_bytes()
    assert notices(page_in(folder)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_a_section_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch, name: str, on_paper: bool) -> None:
    monkeypatch.setitem(words.FILTERS, name, boom)
    record = make_record()
    made = page.html(page.paint(record), record.look, on_paper=on_paper)
    found = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made.html)
    (section,) = (e for e in found.iter("section") if e.get("id") == SECTIONS[name])
    assert notices(section) and section.find("h2") is not None
    assert {str(one.error) for one in made.missing} == {"bad <figure>\nof 2 lines"}
    assert "Findings" in ["".join(e.itertext()) for e in found.iter("h2")]


def test_a_first_screen_that_fails_leaves_the_title(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(words.FILTERS, "severity", boom)
    record = make_record()
    made = page.html(page.paint(record), record.look)
    found = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made.html)
    assert ["".join(e.itertext()) for e in found.iter("h1")] == ["Shapes"]
    assert [str(one.what) for one in made.missing] == ["the section “Model report”"]


def test_used_up_memory_is_no_missing_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(geometry, "reliability", full)
    with pytest.raises(MemoryError):
        rendered(folder)
    assert notices(page_in(folder)) == []


def test_many_missing_parts_are_one_finding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, function, _ in PARTS.values():
        if module in (geometry, tiles):
            monkeypatch.setattr(module, function, boom)
    made, _ = rendered(folder)
    (finding,) = own_findings(folder)
    assert finding["message"].startswith(f"{len(made.problems)} parts of this report could not be drawn: ")
    assert len(made.problems) > 8
    assert "and 1 more" not in finding["message"] and " more (ValueError" in finding["message"]


# The command


@pytest.fixture
def call() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_writes_the_rest_and_ends_with_3(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Result]
) -> None:
    monkeypatch.setattr(geometry, "reliability", boom)
    done = call("render", folder, "--formats", "html")
    assert done.exit_code == 3
    assert done.stdout.splitlines() == [str(folder / name) for name in ("record.npz", "report.html", "report.json")]
    assert done.stderr.splitlines()[-1] == (
        "reportgen: error: the reliability diagram could not be drawn (ValueError: bad <figure> of 2 lines); "
        "the rest is written; run again with --debug and report what it shows"
    )
    assert "Traceback" not in done.stderr


def test_debug_shows_where_it_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Result]
) -> None:
    monkeypatch.setattr(geometry, "reliability", boom)
    monkeypatch.setattr(geometry, "classes", boom)
    done = call("render", folder, "--formats", "html", "--debug")
    assert done.exit_code == 3
    assert done.stderr.count("in boom\n") >= 2
    assert "(and 1 more, see the findings)" in done.stderr.splitlines()[-1]


# The PDF


def no_pdf(*arguments: Any, **named: Any) -> NoReturn:
    raise SurroundingsError("the PDF cannot be made, because of the weather", "wait, or ask for --formats html")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["__init__", "check", "send", "receive"])
def test_without_a_pdf_there_is_the_page_and_no_earlier_pdf(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: Callable[..., Result]
) -> None:
    (folder / "report.pdf").write_bytes(b"earlier")
    if step in ("send", "receive"):  # nothing of the kind is needed then
        monkeypatch.setattr(printer.Printer, "check", lambda self: None)
        monkeypatch.setattr(printer.Printer, "send", lambda self, content: None)
    monkeypatch.setattr(printer.Printer, step, no_pdf)
    done = call("render", folder)
    assert done.exit_code == 3
    assert sorted(path.name for path in folder.iterdir()) == ["record.npz", "report.html", "report.json"]
    assert done.stderr.splitlines()[-1] == (
        "reportgen: error: the PDF cannot be made, because of the weather; wait, or ask for --formats html"
    )
    (finding,) = own_findings(folder)
    assert (finding["code"], finding["severity"]) == ("no-pdf", "warning")
    assert "because of the weather" in finding["message"]
    assert "because of the weather" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", ["send", "receive"])
def test_where_nothing_but_a_pdf_was_asked_for_the_earlier_one_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (folder / "report.pdf").write_bytes(b"earlier")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(printer.Printer, "check", lambda self: None)
    monkeypatch.setattr(printer.Printer, "send", lambda self, content: None)
    monkeypatch.setattr(printer.Printer, step, no_pdf)
    with pytest.raises(SurroundingsError, match="the weather"):
        flow.render(folder, formats=["pdf"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_the_paper_has_the_notice_too(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(geometry, "reliability", boom)
    record = make_record()
    made = pdf.write(page.html(page.paint(record), record.look, on_paper=True).html)
    read = " ".join(" ".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(made.content)).pages).split())
    assert "Could not be drawn: the reliability diagram (ValueError: bad <figure> of 2 lines)." in read

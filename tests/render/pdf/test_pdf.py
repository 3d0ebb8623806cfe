"""The PDF: what a reader finds on paper."""

import base64
import dataclasses
import io
import itertools
import json
import logging
import logging.handlers
import re
import sys
from pathlib import Path
from typing import Any, cast

import page as validation
import pikepdf
import pypdf
import pytest

from reportgen.errors import InputError, SurroundingsError
from reportgen.record import record_file
from reportgen.record.evaluation import Confused
from reportgen.record.run import Record
from reportgen.render.page import page
from reportgen.render.pdf import pdf
from tests.helpers.builders import NAMES, assert_one_line, make_record, make_scores

pytestmark = pytest.mark.slow  # WeasyPrint takes seconds to load, and one to set a page

RARE = "\U00012f90"  # Cypro-Minoan: printable, and in no font that a machine comes with


@pytest.fixture(scope="module", autouse=True)
def _pango() -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))


def made(record: Record, **options: Any) -> pdf.Pdf:
    return pdf.write(page.html(page.paint(record), record.look, on_paper=True, **options).html)


def named(*names: str) -> Record:
    """Return the small record with other names of its classes."""
    labels = dict(zip(NAMES, names, strict=True))
    scores = make_scores(
        classes=[dataclasses.replace(c, label=labels[c.label]) for c in make_scores().classes],
        most_confused=[Confused(labels[c.true], labels[c.predicted], c.count) for c in make_scores().most_confused],
        worst=[dataclasses.replace(m, true=labels[m.true], predicted=labels[m.predicted]) for m in make_scores().worst],
    )
    data = dataclasses.replace(make_record().data, class_names=list(names))
    return make_record(evaluation={"train": scores, "test": scores}, data=data)


def assert_well_made(content: bytes) -> None:
    """Check what holds for every PDF: PDF/UA-1, sound syntax, our fonts alone, and what a screen reader goes by."""
    report = validation.validate_pdf_bytes(content, profile="ua1")
    assert report.is_compliant, [(failure.rule_id, failure.message) for failure in report.failures]
    with pikepdf.open(io.BytesIO(content)) as document:
        assert document.check_pdf_syntax() == []
        for sheet in document.pages:
            fonts = {str(font.BaseFont).partition("+")[2] for font in sheet.Resources.Font.values()}
            assert fonts and all(font.startswith("Reportgen-") for font in fonts), fonts
            for annotation in sheet.get("/Annots", []):
                assert str(annotation.Contents).strip() and int(annotation.F) & 4
            margins = re.findall(rb"/Artifact\s*<<\s*/Type\s*/Pagination\s*>>\s*BDC", sheet.Contents.read_bytes())
            assert margins, "the page number, at least"
            width, height = map(float, sheet.MediaBox[2:])
        for thing in document.objects:
            if not isinstance(thing, pikepdf.Dictionary):
                continue
            if thing.get("/S") == "/TH":
                assert str(thing.A.Scope) in {"/Row", "/Column"}
            if thing.get("/S") == "/Figure":
                assert str(thing.Alt).strip()
                left, bottom, right, top = map(float, thing.A.BBox)
                assert 0 <= left < right <= width and 0 <= bottom < top <= height, str(thing.Alt)


@pytest.fixture(scope="module")
def written() -> bytes:
    return made(make_record()).content


@pytest.fixture(scope="module")
def again() -> tuple[bytes, list[str]]:
    """Return the same once more, and what was said to the log meanwhile."""
    log, heard = logging.getLogger(pdf.__name__), logging.handlers.BufferingHandler(10_000)
    before = log.level
    log.addHandler(heard)
    log.setLevel(logging.DEBUG)
    content = made(make_record()).content
    log.setLevel(before)
    log.removeHandler(heard)
    return content, [record.getMessage() for record in heard.buffer]


@pytest.fixture(scope="module")
def in_japanese() -> pdf.Pdf:
    """Return the small report in Japanese, on paper of the other size."""
    return made(make_record(look=dataclasses.replace(make_record().look, lang="ja", paper="letter")))


@pytest.fixture(scope="module")
def read(written: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(written))


def words(document: pypdf.PdfReader) -> str:
    return " ".join(" ".join(p.extract_text() for p in document.pages).replace("\u00a0", " ").split())


def outline(entries: Any) -> list[str]:
    return [title for e in entries for title in (outline(e) if isinstance(e, list) else [e.title])]


@pytest.mark.slow
def test_title_and_language_are_set(read: pypdf.PdfReader) -> None:
    assert read.metadata is not None and read.metadata.title == "Shapes"
    assert read.root_object["/Lang"] == "en"


def test_paper_is_a4(read: pypdf.PdfReader) -> None:
    for sheet in read.pages:
        assert (round(sheet.mediabox.width), round(sheet.mediabox.height)) == (595, 842)


def test_bookmarks_name_every_section(read: pypdf.PdfReader) -> None:
    titles = outline(read.outline)
    assert titles[:5] == ["Findings", "The model", "Training", "Evaluation", "What is taken for what"]
    assert titles[-5:] == ["Inside the layers", "conv", "scores", "Glossary", "About this report"]


def contents_of(sheet: pypdf.PageObject) -> list[tuple[str, str]]:
    """Return the lines of the contents, each with its page."""
    lines = sheet.extract_text().partition("Contents\n")[2].splitlines()
    found = itertools.takewhile(bool, (re.fullmatch(r"(.+?)\s+(\d+)", line) for line in lines))
    return [(line[1], line[2]) for line in found if line]


def test_the_contents_give_the_page_of_every_section(read: pypdf.PdfReader) -> None:
    """The number behind each line of the contents is that of the page which the bookmark opens."""
    sheet = next(sheet for sheet in read.pages if "Contents" in sheet.extract_text())
    contents = contents_of(sheet)
    for entry in [e for e in read.outline if not isinstance(e, list)]:
        number = read.get_destination_page_number(entry) + 1
        assert (str(entry.title), str(number)) in contents


def test_every_page_says_which_of_how_many_it_is(read: pypdf.PdfReader) -> None:
    for number, sheet in enumerate(read.pages, 1):
        assert f"page {number} of {len(read.pages)}" in sheet.extract_text()


@pytest.mark.slow
def test_every_page_but_the_cover_has_title_and_date_on_top(read: pypdf.PdfReader) -> None:
    assert len(read.pages) > 1
    for sheet in read.pages[1:]:
        head = sheet.extract_text()
        assert "Shapes" in head and "24 November 2026" in head


@pytest.mark.slow
def test_nothing_that_the_page_says_is_missing_on_paper(read: pypdf.PdfReader) -> None:
    shown = words(read)
    for part in ("Total parameters 47", "circle 1.000 0.500 0.667 2", "3 epochs in 12 s", "conv Conv2D"):
        assert part in shown
    assert "0.7500" in shown, "the epochs' figures, folded on the screen, are open on paper"


def test_headings_tables_and_figures_are_tagged(read: pypdf.PdfReader) -> None:
    kinds = set()

    def walk(node: Any) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            kinds.add(node.get("/S"))
            walk(node.get("/K", []))

    walk(read.root_object["/StructTreeRoot"])
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure"} <= kinds


@pytest.mark.slow
def test_the_same_page_gives_the_same_bytes(written: bytes, again: tuple[bytes, list[str]]) -> None:
    assert again[0] == written


def test_the_small_report_is_pdf_ua(written: bytes) -> None:
    assert_well_made(written)


def test_the_real_report_is_pdf_ua(made_report: Path) -> None:
    assert_well_made((made_report / "report.pdf").read_bytes())


@pytest.mark.slow
def test_japanese_names_are_set_in_the_bundled_font() -> None:
    written = made(named("円", "四角形", "ラーメン")).content
    assert_well_made(written)
    shown = words(pypdf.PdfReader(io.BytesIO(written)))
    for name in ("円", "四角形", "ラーメン"):
        assert name in shown
    with pikepdf.open(io.BytesIO(written)) as document:
        fonts = {str(font.BaseFont) for sheet in document.pages for font in sheet.Resources.Font.values()}
    assert any("Reportgen-Japanese" in font for font in fonts)


@pytest.mark.slow
def test_a_japanese_report_is_pdf_ua(in_japanese: pdf.Pdf) -> None:
    assert in_japanese.without_glyph == []
    assert_well_made(in_japanese.content)
    assert pypdf.PdfReader(io.BytesIO(in_japanese.content)).root_object["/Lang"] == "ja"


@pytest.mark.slow
def test_names_that_no_font_has_are_shown_by_number() -> None:
    written = made(named("circle", f"{RARE} square", "star"))
    assert_well_made(written.content)
    assert written.without_glyph == [RARE]
    assert f"U+{ord(RARE):X} square" in words(pypdf.PdfReader(io.BytesIO(written.content)))


@pytest.mark.slow
def test_weasyprint_has_nothing_to_complain_about(again: tuple[bytes, list[str]]) -> None:
    assert again[1] == []


@pytest.mark.slow
def test_a_template_that_asks_for_an_address_is_refused(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/x.png"
    (tmp_path / "cover.html").write_text(f'<h1>x</h1><p class="made" data-date="x"><img src="{address}" alt="x"></p>')
    with pytest.raises(InputError) as caught:
        made(make_record(), templates=tmp_path)
    assert_one_line(caught.value, address)


def as_svg(inner: str) -> str:
    xmlns = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    whole = f'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/hostname">]><svg {xmlns} width="9" height="9">{inner}</svg>'
    return f'<img alt="x" src="data:image/svg+xml;base64,{base64.b64encode(whole.encode()).decode()}">'


ASKING = {
    "picture": '<img alt="x" src="file:///etc/hostname">',
    "in capitals": '<img alt="x" src="FILE:///etc/hostname">',
    "relative": '<img alt="x" src="../../etc/hostname">',
    "relative to a base": '<base href="file:///etc/"><img alt="x" src="hostname">',
    "network": '<img alt="x" src="http://127.0.0.1:9/x.png">',
    "style sheet": '<link rel="stylesheet" href="file:///etc/hostname">',
    "import": "<style>@import url(file:///etc/hostname);</style>",
    "font": "<style>@font-face { font-family: Q; src: url(file:///etc/hostname) } p { font-family: Q }</style>",
    "background": '<p style="background: url(file:///etc/hostname)">x</p>',
    "content": "<style>p::before { content: url(file:///etc/hostname) }</style>",
    "attachment": '<link rel="attachment" href="file:///etc/hostname">',
    "attached link": '<a rel="attachment" href="file:///etc/hostname">x</a>',
    "object": '<object data="file:///etc/hostname">x</object>',
    "embedded": '<embed src="file:///etc/hostname">',
    "picture in a drawing": as_svg('<image width="5" height="5" href="file:///etc/hostname"/>'),
    "older link in a drawing": as_svg('<image width="5" height="5" xlink:href="file:///etc/hostname"/>'),
    "drawing in the page": '<svg width="9" height="9"><image width="5" height="5" href="file:///etc/hostname"/></svg>',
    "style of a drawing": as_svg("<style>@import url(file:///etc/hostname);</style>"),
    "entity": as_svg('<text y="9">&e;</text>'),
    "broken picture": '<img alt="x" src="data:image/png;base64,AAAA">',
}


@pytest.mark.parametrize("name", ASKING)
def test_whatever_is_asked_for_and_not_in_the_page_is_a_fault(name: str) -> None:
    with pytest.raises(InputError) as caught:
        pdf.write(f'<!DOCTYPE html><html lang="en"><title>x</title><body>{ASKING[name]}<p>x</p>')
    assert_one_line(caught.value, "a template ", "data: URI")


def test_without_pango_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        """Fails as WeasyPrint does where a system library is missing."""

        def find_spec(self, name: str, *rest: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(SurroundingsError) as caught:
        pdf.check()
    assert_one_line(caught.value, "Pango", "apt-get install", "--formats html")


# The real report


@pytest.fixture(scope="module")
def real(made_report: Path) -> pypdf.PdfReader:
    return pypdf.PdfReader(made_report / "report.pdf")


def test_every_finding_stands_on_paper(real: pypdf.PdfReader, made_report: Path) -> None:
    findings = json.loads((made_report / "report.json").read_text())["findings"]
    # lines and pages end between any two words; what stands in the margins comes last on each page
    pages = [re.sub(r"(\n[^\n]* UTC)?\npage \d+ of \d+\s*$", "", page.extract_text()) for page in real.pages]
    shown = re.sub(r"\s+", "", "".join(pages))
    assert findings
    for finding in findings:
        assert re.sub(r"\s+", "", finding["message"]) in shown, finding["message"]


def test_the_paper_holds_each_picture_of_its_page_once(real: pypdf.PdfReader, made_report: Path) -> None:
    record = record_file.load(made_report)
    on_page = page.html(page.paint(record), record.look, on_paper=True).html
    asked = set(re.findall(r'<img[^>]* src="(data:image/png;base64,[^"]+)"', on_page))
    held = set()
    for sheet in cast(Any, real.pages):
        for found in sheet["/Resources"].get("/XObject", {}).values():
            if found.get_object()["/Subtype"] == "/Image":
                held.add(found.idnum)
    assert len(asked) > 20
    assert len(held) == len(asked)


def test_every_line_of_the_contents_is_a_bookmark(real: pypdf.PdfReader) -> None:
    sheet = next(sheet for sheet in real.pages if "Contents" in sheet.extract_text())
    lines = [line for line, _ in contents_of(sheet)]
    titles = outline(real.outline)
    assert len(lines) > 8
    assert set(lines) <= set(titles)
    assert [title for title in titles if title in set(lines)] == lines


def test_page_and_paper_are_small_enough_to_mail(made_report: Path) -> None:
    assert (made_report / "report.html").stat().st_size < 2_000_000
    assert (made_report / "report.pdf").stat().st_size < 1_500_000


@pytest.mark.slow
def test_letter_is_another_paper(in_japanese: pdf.Pdf) -> None:
    document = pypdf.PdfReader(io.BytesIO(in_japanese.content))
    assert {(round(p.mediabox.width), round(p.mediabox.height)) for p in document.pages} == {(612, 792)}

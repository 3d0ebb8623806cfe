"""Text from outside in everything that is written: it stays text, and is the same text."""

import dataclasses
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import html5lib
import pypdf
import pytest
from markdown_it import MarkdownIt

from reportgen.deliver import folder
from reportgen.errors import SurroundingsError
from reportgen.i18n import literal
from reportgen.record import record_file
from reportgen.record.checks import Checked
from reportgen.record.run import Look, Record
from reportgen.record.units import Finding
from reportgen.render.ci.junit import xml
from reportgen.render.ci.summary import markdown
from reportgen.render.page import page
from reportgen.render.pdf import pdf
from tests.analysis.findings.test_deaths import dead_record
from tests.deliver import test_mail_message
from tests.helpers.builders import make_history, make_pictures, make_record, make_scores, make_unit, make_verdict
from tests.render.index import test_index

TEXTS = {
    "long": "very long " * 1000,
    "long, without a blank": "x" * 10_000,
    "long, of wide characters": "円" * 10_000,
    "line breaks": "one\ntwo\r\nthree\vfour\ffive\x85six\u2028seven\u2029eight\ttab",
    "controls": "\x00\x1b[31mred\x07\x7f\x9b0m",
    "directions": "\u202egnp.exe\u202c \u2066a\u2069 \u200f\u200eb\u061c",
    "half pairs": "\ud800 and \udcff",
    "no characters": "\ufffe\uffff\U0001ffff",
    "emoji": "\N{GRINNING FACE}\N{HEAVY BLACK HEART}\ufe0f\U0001f1ef\U0001f1f5",
    "combining marks": "e\u0301" + "z" + "\u0336\u0351\u0360" * 30,
    "invisible": "a\u200bb\u00adc\ufeffd\u2060",
    "scripts": "العربية עברית हिन्दी ไทย 手書き",
    "template": "{{ 7 * 7 }}{% raw %}{% for x in y %}{# #}${7*7}<%= 7 %>%s%(a)s{0.__class__}{title}",
    "markup": "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><!--&amp;&lt;]]>",
    "address": "javascript:alert(1) data:text/html,x https://evil.example/ file:///etc/passwd",
    "formula": '=HYPERLINK("http://evil.example";"x")+cmd|\' /C calc\'!A0',
    "mathematics": r"$\badmacro{$ $_$ \(x\) \begin{x}",
    "markdown": "# *a* _b_ `c` | d | [e](https://evil.example) ![f](x) @me #1 <b> ~~g~~ &amp;\n> h",
    "encoded word": "=?utf-8?q?R=0D=0ABcc:_x@example.org?=",
    "header": "Subject\r\nBcc: x@example.org\r\n\r\n<b>",
    "path": "../../etc/passwd\\..\\C:\\con /dev/null ~ . .. -rf",
    "style": "}</style>;background:url(//evil.example);{expression(alert(1))}\\3c b\\3e",
    "blanks": "  a  b  ",
    "empty": "",
}


def shown(words: str) -> str:
    """Return what a reader is to see of a name: a sign for each character that does not show, and where it was cut."""
    visible = "".join(c if c.isprintable() or c == "\u00a0" else "\ufffd" for c in words)
    return visible if len(visible) <= 80 else f"{visible[:80]}… ({len(visible):,} characters)"


def plain(words: str) -> str:
    """Return words without the blanks that a page and a reader of PDFs set as they like."""
    return "".join(words.split())


def saying(words: str) -> Record:
    """Return a record that says `words` wherever words come from outside."""
    base, scores = make_record(), make_scores()
    labels = [f"{words}{number}" for number in range(3)]
    scores = make_scores(
        classes=[dataclasses.replace(c, label=label) for c, label in zip(scores.classes, labels, strict=True)],
        worst=[dataclasses.replace(m, true=words, predicted=words) for m in scores.worst],
        most_confused=[dataclasses.replace(c, true=words, predicted=words) for c in scores.most_confused],
    )
    top = dataclasses.replace(make_unit().top_images[0], true=words, predicted=words)
    preferred = dataclasses.replace(make_unit().preferred_class, label=words)
    unit = make_unit(layer=words, unit=0, evidence=words, cause=words, top_images=[top], preferred_class=preferred)
    pictures = make_pictures(maps=[dataclasses.replace(make_pictures().maps[0], layer=words)], kernels=[])
    cards = dataclasses.replace(pictures.cards, units={words: [0]})
    rows = [dataclasses.replace(row, name=words, kind=words) for row in base.model.layers[:1]]
    return dataclasses.replace(
        base,
        title=literal(words),
        evaluation={"train": scores, "test": scores},
        history=make_history(metrics={words or "loss": [1.0, 2.0, 3.0]}, source=literal(words)),
        layers=[make_verdict(words, 1, read_after=f"{words}x", left_out={literal(words): [0]})],
        units=[unit],
        findings=[Finding("dead-units", "warning", literal(words), words, [0])],
        pictures=dataclasses.replace(pictures, cards=cards),
        model=dataclasses.replace(base.model, name=words, layers=rows),
        data=dataclasses.replace(base.data, name=words, source=literal(words), class_names=labels),
        provenance=dataclasses.replace(
            base.provenance, command=words, platform=literal(words), versions={words: words}
        ),
    )


def read(content: str) -> Any:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(content)


def skeleton(found: Any) -> list[tuple[str, list[str]]]:
    """Return every element with the names of its attributes, in order."""
    return [(e.tag, sorted(e.keys())) for e in found.iter() if isinstance(e.tag, str)]


@pytest.fixture(params=TEXTS)
def words(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


@pytest.fixture(scope="module")
def harmless() -> dict[bool, Any]:
    """Return the page of a harmless record, for the screen and for paper."""
    record = saying("harmless")
    view = page.paint(record)
    return {paper: skeleton(read(page.html(view, record.look, on_paper=paper).html)) for paper in (False, True)}


@pytest.mark.slow
def test_a_page_has_no_element_or_attribute_more(words: str, harmless: dict[bool, Any]) -> None:
    record = saying(words)
    view = page.paint(record)
    for on_paper in (False, True):
        made = page.html(view, record.look, on_paper=on_paper)
        assert made.missing == []
        check_page(made, words, harmless[on_paper])


def check_page(made: page.Page, words: str, expected: list[tuple[str, list[str]]]) -> None:
    content = made.html.encode("utf-8").decode("utf-8")
    found = read(content)
    assert skeleton(found) == expected
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", content)
    assert ["".join(e.itertext()) for e in found.iter("h1")] == [shown(words)]
    (table,) = (e for e in found.iter("figure") if e.get("id") == "scores-test")
    names = ["".join(row.find("th").itertext()) for row in table.find(".//tbody")]
    assert names == [shown(f"{words}{number}") for number in range(3)]
    for e in found.iter():
        for name in ("src", "href"):
            assert e.get(name, "#").startswith(("#", "data:"))


@pytest.mark.slow
def test_report_json_gives_the_same_string_back(words: str, tmp_path: Path) -> None:
    record = saying(words)
    files = record_file.to_bytes(record)
    found = json.loads(files["report.json"].decode("utf-8"))
    assert (found["title"], found["data"]["class_names"][1], found["layers"][0]["name"]) == (words, f"{words}1", words)
    folder.write(tmp_path / "report", files)
    loaded = record_file.load(tmp_path / "report")
    assert loaded.title == words and loaded.units[0].cause == words
    assert record_file.to_bytes(loaded) == files


def test_junit_is_well_formed_and_says_it(words: str) -> None:
    found = ElementTree.fromstring(xml(saying(words), [Checked("min-recall", False, literal(words))]))
    (suite,) = found
    assert suite.get("name") == "".join(c if c.isprintable() or c == "\u00a0" else "\ufffd" for c in words)
    assert [e.tag for e in found.iter()] == ["testsuites", "testsuite", "testcase", "failure"]


def test_a_job_summary_has_no_markup_more(words: str) -> None:
    content = markdown(saying(words), [Checked("min-recall", False, literal(words))], "en")
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(content)
    harmless = markdown(saying("harmless"), [Checked("min-recall", False, literal("harmless"))], "en")
    expected = MarkdownIt("commonmark").enable("table").render(harmless)
    tags = re.compile(r"<[^>]*>")
    assert tags.findall(html) == tags.findall(expected) or not words.strip()
    title = "".join(ElementTree.fromstring(f"<x>{html}</x>").find("h2").itertext()) if words.strip() else ""
    assert plain(title) == plain(shown(words))


@pytest.mark.slow
def test_a_mail_has_the_headers_that_were_put_in(words: str) -> None:
    made = test_mail_message.sent(saying(words))
    assert test_mail_message.parsed(made).keys() == test_mail_message.HEADERS
    assert made.isascii()
    (attached,) = test_mail_message.parsed(made).iter_attachments()
    assert re.fullmatch(r"[a-z0-9-]{1,60}_2026-11-24\.pdf", attached.get_filename() or "")


@pytest.mark.slow
def test_an_index_and_a_feed_show_all_titles(tmp_path: Path) -> None:
    for number, words in enumerate(TEXTS.values()):
        day = dataclasses.replace(saying(words), made_at=f"2026-11-{number + 1:02}T00:00:00Z")
        test_index.put(tmp_path / str(number), day)
    found = read(test_index.page(tmp_path))
    assert not {"script", "img", "b"} & {e.tag for e in found.iter()}
    said = plain("".join(found.find("body").itertext()))
    feed = [plain(e.findtext(f"{test_index.ATOM}title") or "") for e in test_index.atom(tmp_path).iter()]
    for words in filter(str.strip, TEXTS.values()):
        beginning = plain(shown(words)[:70])
        assert beginning in said
        assert any(title.startswith(beginning) for title in feed), beginning


# The names of layers

HOSTILE = "\x1b]0;owned\x07\u202e\u2066<script>alert(1)</script>\"'&#x3c;" + "x" * 10_000


def named(value: Any, names: dict[str, str]) -> Any:
    """Return a noun with other names for its layers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: named(getattr(value, f.name), names) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if isinstance(value, dict):
        return {named(key, names): named(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(named(item, names) for item in value)
    return names.get(value, value) if type(value) is str else value


def with_layers(conv: str, scores: str) -> Record:
    """Return a record with findings and dead units whose two layers have these names."""
    findings = [Finding("dead-units", "warning", literal("Some units are dead."), "conv", [0])]
    return named(dataclasses.replace(dead_record(), findings=findings), {"conv": conv, "scores": scores})


@pytest.mark.slow
def test_the_name_of_a_layer_stays_text_and_short_on_the_page_and_on_paper() -> None:
    plain, record = with_layers("conv", "scores"), with_layers(HOSTILE, HOSTILE + "y")
    for on_paper in (False, True):
        made, expected = (page.html(page.paint(one), one.look, on_paper=on_paper).html for one in (record, plain))
        assert skeleton(read(made)) == skeleton(read(expected))
        assert "<script>alert" not in made
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", made)
        assert "x" * 101 not in made and len(made) < 2 * len(expected)
        assert "… (10,0" in made  # it is said that there is more


@pytest.mark.slow
def test_layers_whose_names_differ_in_what_an_id_has_not_have_ids_of_their_own() -> None:
    for one, other in ((HOSTILE, HOSTILE + "y"), ("畳み込み", "出力出力"), ("a b", "a_b"), ("\ud800", "\udfff")):
        found = read(page.html(page.paint(with_layers(one, other)), Look("en")).html)
        ids = [e.get("id") for e in found.iter() if e.get("id")]
        assert len(set(ids)) == len(ids)
        assert not any(re.search(r"\s", one) or len(one) > 130 for one in ids)
        targets = {e.get("href")[1:] for e in found.iter("a") if e.get("href", "").startswith("#")}
        assert targets <= set(ids)


# The PDF


@pytest.mark.slow
def test_the_name_of_a_layer_stays_text_and_short_in_the_pdf() -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))
    record = with_layers(HOSTILE, HOSTILE + "y")
    made = pdf.write(page.html(page.paint(record), record.look, on_paper=True).html)
    document = pypdf.PdfReader(io.BytesIO(made.content))
    said = "".join(sheet.extract_text() for sheet in document.pages)
    assert "<script>alert(1)</script>" in plain(said)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    assert "x" * 101 not in plain(said)
    assert b"/JavaScript" not in made.content and not document.attachments
    titles = [one.title for one in outline(document.outline)]
    assert titles and all(len(one) < 150 and one.isprintable() for one in titles)
    assert all(len(name) < 150 for name in document.named_destinations)


def outline(items: Any) -> Iterator[Any]:
    for one in items:
        if isinstance(one, list):
            yield from outline(one)
        else:
            yield one


@pytest.fixture(scope="module")
def printed() -> Iterator[tuple[pdf.Pdf, str]]:
    """Return one PDF with all texts as the names of its classes, and what is read in it."""
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))
    first = make_scores().classes[0]
    classes = [dataclasses.replace(first, label=words) for words in TEXTS.values()]
    confusion = [[0] * len(classes) for _ in classes]
    scores = make_scores(classes=classes, confusion=confusion, most_confused=[], worst=[])
    record = make_record(evaluation={"train": None, "test": scores}, title=literal(TEXTS["markup"]))
    made = pdf.write(page.html(page.paint(record), record.look, on_paper=True).html)
    document = pypdf.PdfReader(io.BytesIO(made.content))
    assert document.metadata and document.metadata.title == shown(TEXTS["markup"])
    assert not document.attachments
    yield made, "".join(plain(sheet.extract_text()) for sheet in document.pages)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["long, without a blank", "long, of wide characters", "line breaks", "controls", "template", "markup", "address",
     "formula", "mathematics", "markdown", "encoded word", "header", "path", "style"],
)  # fmt: skip
@pytest.mark.slow
def test_a_pdf_says_it(printed: tuple[pdf.Pdf, str], name: str) -> None:
    # how a reader of PDFs puts other scripts, marks and characters without a glyph into order is its own affair
    assert plain(shown(TEXTS[name])[:60]) in printed[1]


@pytest.mark.slow
def test_a_pdf_has_no_character_that_does_not_show(printed: tuple[pdf.Pdf, str]) -> None:
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", printed[1])

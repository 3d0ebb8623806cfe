"""What `reportgen.report` returns: how it shows itself in a notebook, prints itself, and is saved."""

import copy
import html as markup
import json
import pickle
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import html5lib
import pytest

from reportgen.deliver import folder
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import literal
from reportgen.record import record_file
from reportgen.record.finding_kinds import KINDS
from reportgen.record.run import Look, Record
from reportgen.render import notebook
from reportgen.render.page import page
from reportgen.result import Report
from tests.helpers.browsing import opened
from tests.helpers.builders import assert_one_line, make_finding, make_record

pytestmark = pytest.mark.slow  # each paints pages of a whole report

HOSTILE = "\"'><script>alert(1)</script><iframe src=//evil>&amp;{{ 7*7 }}\x1b[31m\u202e"
Made = Callable[..., Report]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return what makes a report of a record in a folder, as a run does. given: files in place of the page."""

    def make(record: Record | None = None, given: dict[str, bytes] | None = None, out: Path | None = None) -> Report:
        record = record or make_record()
        painted = given if given is not None else {"report.html": html_of(record), "report.pdf": b"%PDF-1.7 made up"}
        files = record_file.to_bytes(record) | painted
        target = out or tmp_path / "report"
        folder.write(target, files)
        return Report(record, target, files)

    return make


def html_of(record: Record) -> bytes:
    return page.html(page.paint(record), record.look).html.encode()


def shown(report: Report) -> str:
    found = report._repr_html_()
    html5lib.HTMLParser(strict=True).parseFragment(found)
    return found


def framed(report: Report) -> str | None:
    """Return the page that stands in the frame, as a browser reads it; None where there is no frame."""
    fragment = html5lib.parseFragment(shown(report), namespaceHTMLElements=False)
    frame = fragment.find(".//iframe")
    return None if frame is None else frame.attrib["srcdoc"]


def words(found: str) -> str:
    return " ".join(markup.unescape(re.sub(r"<[^>]*>", " ", found)).split())


# -- in a notebook ----------------------------------------------------------------------------------------------------


def test_the_page_stands_in_a_frame_as_it_was_written(made: Made) -> None:
    report = made()
    written = (report.folder / "report.html").read_text()
    assert framed(report) == written.replace("<head>", '<head>\n<base href="about:srcdoc">')


def test_the_frame_has_an_origin_of_its_own(made: Made) -> None:
    """With allow-same-origin the page could reach the notebook, and with it the kernel."""
    (sandbox,) = re.findall(r'<iframe[^>]* sandbox="([^"]*)"', shown(made()))
    assert sandbox == "allow-scripts"


@pytest.mark.parametrize("where", ["title", "message", "page"])
def test_what_comes_from_outside_stays_text(made: Made, where: str, tmp_path: Path) -> None:
    record = {
        "title": lambda: make_record(title=HOSTILE),
        "message": lambda: make_record(findings=[make_finding(message=HOSTILE)]),
        "page": make_record,
    }[where]()
    page_of_others = HOSTILE.replace("\x1b", "").replace("\u202e", "")  # which no page holds
    given = {"report.html": page_of_others.encode()} if where == "page" else {} if where == "message" else None
    found = shown(made(record, given))
    fragment = html5lib.parseFragment(found, namespaceHTMLElements=False)
    assert [tag.tag for tag in fragment.iter() if tag.tag in ("script", "b")] == []
    assert len(list(fragment.iter("iframe"))) == (where != "message")
    assert "49" not in words(found).replace(str(tmp_path), "")  # whose number may hold it
    if where == "page":
        assert framed(made(record, given)) == page_of_others


def test_beside_the_frame_stands_where_the_report_lies(made: Made, tmp_path: Path) -> None:
    assert f"In {tmp_path / 'report'}: record.npz, report.html, report.json, report.pdf" in words(shown(made()))


def test_what_lies_below_the_notebook_is_linked(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = shown(made(out=Path("reports/a b#1")))
    assert 'href="reports/a%20b%231/report.html"' in found
    assert 'rel="noopener"' in found
    assert "<a " not in shown(made(out=tmp_path / "report")), "a notebook's server does not know absolute paths"
    linked = re.findall(r'<a href="reports/a%20b%231/([^"]*)"', found)
    assert linked == ["report.html", "report.json", "report.pdf"], "a notebook cannot open arrays"


def test_in_colab_nothing_is_linked(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outputs stand on a host that knows no files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    report = made(out=Path("report"))
    assert "<a " not in shown(report)
    assert framed(report) is not None
    assert "In report: record.npz, report.html" in words(shown(report))


def test_what_a_notebook_takes_the_frame_out_of_says_it_in_brief(made: Made) -> None:
    """JupyterLab, where a notebook is not trusted, keeps all but the frame; so do previews."""
    fragment = html5lib.parseFragment(shown(made()), namespaceHTMLElements=False)
    (brief,) = fragment.iter("details")
    said = " ".join("".join(brief.itertext()).split()).replace("\u00a0", " ")
    assert said.startswith("In brief, should the page not show Test accuracy 83.33 % on 6 images.")
    assert len(list(brief.iter("li"))) == 2


def test_a_page_that_is_too_large_is_told_of(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    same = [make_finding(code="dead-units", layer=f"l{n}", units=[n], message=f"Finding {n}.") for n in range(7)]
    others = [make_finding(code=code) for code in list(KINDS)[-7:]]
    report = made(make_record(title="Shapes", findings=[*same, *others]))
    assert framed(report) is not None
    monkeypatch.setattr(notebook, "LARGEST", report.files["report.html"] - 1)
    assert framed(report) is None
    found = words(shown(report))
    for said in (
        "Shapes",
        "Test accuracy 83.33 % on 6 images.",
        "7 units never fired in 7 layers. Finding 0.",
        "In 6 more layers: l1, l2,",
        "1 more kind of finding: ",
    ):
        assert said in found.replace("\u00a0", " ")
    assert "Finding 1." not in found
    assert re.search(r"The page has .* kB, and no more than .* is put into a notebook\.", found)
    assert len(shown(report)) < 5000


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"report.pdf": b"%PDF"}, notebook.NO_PAGE),
        ({"report.html": b"<p>", "report_files/style.css": b""}, notebook.SPLIT),
    ],
)
def test_without_a_page_that_can_be_shown_there_is_the_summary(made: Made, given: dict[str, bytes], why: str) -> None:
    report = made(given=given)
    assert framed(report) is None
    assert why in words(shown(report))
    assert "Test accuracy" in words(shown(report))
    assert "report_files" not in shown(report)


def test_a_healthy_report_says_so(made: Made) -> None:
    assert "Nothing in this report asks for attention." in words(shown(made(make_record(findings=[]), {})))


def test_of_a_folder_that_is_gone_or_holds_a_later_report_the_page_is_not_shown(made: Made) -> None:
    report = made()
    later = made(make_record(title="Later"))
    assert framed(later) is not None
    assert framed(report) is None
    assert notebook.GONE in words(shown(report))
    assert "Shapes" in words(shown(report)) and "Later" not in words(shown(report))
    shutil.rmtree(report.folder)
    assert notebook.GONE in words(shown(later))


def test_it_speaks_the_language_of_the_report(made: Made) -> None:
    found = shown(made(make_record(look=Look("ja")), {}))
    assert found.startswith('<div lang="ja">')
    assert framed(made(make_record(look=Look("ja")))).startswith('<!DOCTYPE html>\n<html lang="ja">')


def test_a_relative_folder_is_found_from_elsewhere(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = made(out=Path("here"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert framed(report) is not None


# -- in a real browser ------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_page_works_inside_a_notebook(browser: Any, made_report: Path, tmp_path: Path) -> None:
    """The frame shows the page in its own style, its script runs, and the notebook is out of its reach."""
    record = record_file.load(made_report)
    found = Report(record, made_report, folder.read(made_report))._repr_html_()
    cell = tmp_path / "notebook.html"
    cell.write_text(f"<!DOCTYPE html><title>notebook</title><body>{found}</body>", encoding="utf-8")
    with opened(browser, cell.as_uri()) as (tab, heard):
        frame = tab.frame_locator("iframe")
        frame.locator("h1").wait_for()
        assert frame.locator("h1").inner_text() == record.title
        assert frame.locator("body").evaluate("body => getComputedStyle(body).fontFamily").startswith('"Reportgen')
        assert frame.locator("th button").count() > 10, "the script that makes tables sortable did not run"
        assert frame.locator("img").first.evaluate("image => image.naturalWidth") > 0
        box = tab.locator("iframe").bounding_box()
        assert box is not None and box["height"] > 500 and box["width"] > 1000
        reach = "() => { try { return top.document.title } catch (error) { return error.name } }"
        assert frame.locator("body").evaluate(reach) == "SecurityError"
        frame.locator(".contents a[href='#training']").click()
        tab.wait_for_timeout(200)
        place = frame.locator("#training").evaluate("section => section.getBoundingClientRect().top")
        assert abs(place) < 100, "a link of the contents does not lead there"
        assert len(tab.frames) == 2, "the notebook was loaded into its own output"
        assert [line for line in heard if not line.startswith(("file:", "about:srcdoc"))] == []


# -- printed and saved ------------------------------------------------------------------------------------------------


def test_it_prints_as_one_line_and_is_a_mapping(made: Made) -> None:
    report = made(make_record(title="Shapes\n\x1b[31m" + "x" * 300))
    assert repr(report) == str(report)
    assert repr(report).isprintable() and len(repr(report)) < 300
    assert "test accuracy 0.8333, 2 findings, in " in repr(report)
    assert report["evaluation"]["test"]["correct"] == 5
    assert json.loads(json.dumps(report)) == json.loads((report.folder / "report.json").read_text())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda report: pickle.loads(pickle.dumps(report))])
def test_a_copy_is_as_good(made: Made, duplicate: Callable[[Report], Report]) -> None:
    report = made()
    other = duplicate(report)
    assert other == report
    assert shown(other) == shown(report)


@pytest.mark.parametrize("name", ["net.html", "net.pdf", "NET.PDF", "net.json"])
def test_one_file_is_saved_as_it_was_made(made: Made, tmp_path: Path, name: str) -> None:
    report = made()
    assert report.save(tmp_path / "new" / name) == tmp_path / "new" / name
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    original = report.folder / f"report.{name.lower().rpartition('.')[2]}"
    assert (tmp_path / "new" / name).read_bytes() == original.read_bytes()


def test_any_other_path_is_a_folder_of_all_files(made: Made, tmp_path: Path) -> None:
    report = made(given={"report.html": b"<p>", "report_files/style.css": b"p {}"})
    report.save(str(tmp_path / "saved"))
    assert folder.read(tmp_path / "saved") == folder.read(report.folder)


def test_what_was_there_is_replaced_as_a_whole_or_kept(made: Made, tmp_path: Path) -> None:
    report = made()
    saved = tmp_path / "saved"
    report.save(saved)
    made(make_record(title="Later"), out=tmp_path / "later").save(saved)
    assert b"Later" in (saved / "report.json").read_bytes()
    (saved / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        report.save(saved)
    assert_one_line(caught.value, saved, "mine.txt")
    assert b"Later" in (saved / "report.json").read_bytes()


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({"report.html": b"<p>"}, "net.pdf", "report.pdf"),
        ({"report.pdf": b"%PDF"}, "net.html", "report.html"),
        ({"report.html": b"<p>", "report_files/style.css": b""}, "net.html", "beside it"),
    ],
)
def test_a_file_that_does_not_work_alone_or_is_not_there_is_refused(
    made: Made, tmp_path: Path, given: dict[str, bytes], name: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        made(given=given).save(tmp_path / name)
    assert_one_line(caught.value, said)
    assert not (tmp_path / name).exists()


def test_a_report_that_was_replaced_is_not_saved_as_the_old_one(made: Made, tmp_path: Path) -> None:
    report = made()
    made(make_record(title="Later"))
    with pytest.raises(InputError) as caught:
        report.save(tmp_path / "net.html")
    assert_one_line(caught.value, report.folder)
    assert not (tmp_path / "net.html").exists()


def test_a_path_that_cannot_be_written_is_said(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SurroundingsError) as caught:
        made().save(tmp_path / "file" / "net.html")
    assert_one_line(caught.value, tmp_path / "file" / "net.html")


def test_a_title_that_is_a_name_from_outside_is_shown_with_its_signs(made: Made) -> None:
    assert "\x1b" not in shown(made(make_record(title=literal("a\x1b[31mb"))))

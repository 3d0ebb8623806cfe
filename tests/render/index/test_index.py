"""`reportgen index`: every report below a folder on one page and in one feed, whatever else lies there."""

import base64
import dataclasses
import hashlib
import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import html5lib
import pytest

from reportgen.i18n import literal
from reportgen.record import key_figures, record_file, search
from reportgen.record.run import Look, Record
from reportgen.record.units import Finding
from reportgen.render.index import feed, listing
from tests.conftest import Run
from tests.helpers.browsing import opened
from tests.helpers.builders import make_record, make_scores, make_unit, make_verdict, modules_after

HOSTILE = "<script>alert(1)</script>{{ 7*7 }}\"'&]]>\x1b[31m\u202e\ufffe"
ATOM = "{http://www.w3.org/2005/Atom}"
FILES = ("report.html", "report.pdf")


def put(folder: Path, record: Record | None = None, files: tuple[str, ...] = FILES) -> Path:
    """Write a report of which only report.json is real."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(record_file.to_bytes(record or make_record())["report.json"])
    for name in files:
        (folder / name).touch()
    return folder


def report(
    day: int = 1, accuracy: float = 0.9, data: str = "shapes", model: str = "net", sha256: str = "d", **changes: Any
) -> Record:
    """Return a record made on a day of November."""
    record = make_record(
        title=literal(f"{model} on {data}, day {day}"),
        made_at=f"2026-11-{day:02}T04:17:00Z",
        evaluation={"train": None, "test": make_scores(accuracy=accuracy)},
    )
    return dataclasses.replace(
        record,
        data=dataclasses.replace(record.data, name=data),
        model=dataclasses.replace(record.model, name=model),
        provenance=dataclasses.replace(record.provenance, data_sha256=sha256),
        **changes,
    )


def view(top: Path, base: Path | None = None, **options: Any) -> listing.View:
    return listing.paint(search.find(top), base or top, **{"title": None, "meanings": {}} | options)


def page(top: Path, lang: str = "en", **options: Any) -> str:
    made = {"made_at": "2026-11-25T00:00:00Z", "version": "0.1.0", "feed": "feed.xml"}
    return listing.html(view(top, **options), lang=lang, **made)


def atom(top: Path, url: str | None = None, **options: Any) -> ElementTree.Element:
    made = {"made_at": "2026-11-25T00:00:00Z", "version": "0.1.0", "place": "site", "page": "index.html"}
    content = feed.xml(view(top, **options), lang="en", url=url, **made)
    return ElementTree.fromstring(content.encode("utf-8"))


def tree(content: str) -> Any:
    """Return the parsed page; the strict parser raises on what is not well nested."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(content)


def text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def rows(content: str) -> list[list[str]]:
    """Return what each row of the table says, without the labels that only a narrow screen shows."""
    found = tree(content).find("body")
    for cell in found.iter("td"):
        for label in [part for part in cell if part.get("class") == "label"]:
            cell.remove(label)
    return [[text_of(cell) for cell in row] for row in found.iter("tr")][1:]


def addresses(content: str) -> list[str]:
    return [link.get("href") for link in tree(content).find("body").iter("a") if not link.get("href").startswith("#")]


# What is on the page.


def test_reports_at_any_depth_are_listed_newest_first(tmp_path: Path) -> None:
    put(tmp_path / "a", report(2))
    put(tmp_path / "deep" / "er" / "b", report(3))
    put(tmp_path / "c", report(1))
    assert [row[0].split(",")[1][:6] for row in rows(page(tmp_path))] == [" day 3", " day 2", " day 1"]


def test_a_row_tells_date_accuracy_counts_and_the_gravest_finding(tmp_path: Path) -> None:
    layer = make_verdict("conv", 6, states={"healthy": 4, "dead": 2}, groups=[[0, 1, 2], [3, 4]])
    finding = Finding("dead-units", "warning", literal("2 units are dead."), "conv", [])
    put(tmp_path / "a", report(2, 0.985, layers=[layer, make_verdict("out", 3, states={"output": 3})], findings=[]))
    put(tmp_path / "b", report(1, 0.97, layers=[layer], findings=[finding]))
    first, second = rows(page(tmp_path, meanings={"dead-units": "units never fire"}))
    assert "2 of 2 in the series" in first[0]
    assert first[1:] == [
        "2 November 2026, 04:17 UTC",
        "98.5 % 61.0–100.0 % +1.5 points −39.0 … +39.0",
        "2 of 6",
        "3",
        "none",
    ]
    assert second[5] == "Warning. Units never fire"
    assert rows(page(tmp_path))[1][5] == "Warning. 2 units are dead."  # of a kind that this version does not know


def test_a_series_is_model_and_data_of_the_same_names_with_a_line(tmp_path: Path) -> None:
    for day, accuracy in ((1, 0.90), (2, 0.95), (4, 0.93)):
        put(tmp_path / f"{day}", report(day, accuracy))
    put(tmp_path / "other", report(3, 0.5, data="digits"))
    found = view(tmp_path)
    assert [(str(one.name), len(one.rows)) for one in found.series] == [("net on shapes", 3), ("net on digits", 1)]
    trend = found.series[0].trend
    assert trend is not None
    x, y = zip(*trend.points, strict=True)
    assert x == tuple(sorted(x))
    assert y[0] > y[2] > y[1]  # the lowest accuracy is lowest on the screen
    assert all(0 <= value <= listing.TREND_HEIGHT for value in y)
    (picture,) = tree(page(tmp_path)).iter("{http://www.w3.org/2000/svg}svg")
    title = picture.find("{http://www.w3.org/2000/svg}title")
    assert "from 90.0 % to 93.0 %, lowest 90.0 %, highest 95.0 %" in text_of(title).replace("\xa0", " ")
    assert picture.get("aria-labelledby") == title.get("id")
    assert "1 report, so no line yet" in page(tmp_path)


def test_noise_does_not_fill_the_height_of_a_line(tmp_path: Path) -> None:
    for day, accuracy in ((1, 0.9801), (2, 0.9802)):
        put(tmp_path / f"{day}", report(day, accuracy))
    trend = view(tmp_path).series[0].trend
    assert trend is not None
    assert abs(trend.points[0][1] - trend.points[1][1]) < 1


def test_a_change_is_told_on_the_same_data_only(tmp_path: Path) -> None:
    put(tmp_path / "1", report(1, 0.90))
    put(tmp_path / "2", report(2, 0.91))
    put(tmp_path / "3", report(3, 0.99, sha256="e"))
    assert [row.change and round(row.change, 6) for row in view(tmp_path).rows] == [None, 0.01, None]


def test_a_title_that_the_report_has_by_itself_is_said_in_the_pages_language(tmp_path: Path) -> None:
    put(tmp_path / "a", report(2))
    put(tmp_path / "b", dataclasses.replace(report(1), title=literal("net on shapes")))
    own, given = (row.title for row in view(tmp_path).rows[::-1])
    assert (own, given) == ("net on shapes", "net on shapes, day 2")
    assert own.said(UPPER) == "NET ON SHAPES"
    assert given.said(UPPER) == given


class UPPER:
    """A language in which everything is shouted."""

    @staticmethod
    def gettext(message: str) -> str:
        return message.replace(" on ", " ON ").replace("{model}", "NET").replace("{data}", "SHAPES")

    @staticmethod
    def ngettext(one: str, many: str, n: int) -> str:
        return one if n == 1 else many


def test_without_any_report_the_page_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    content = page(tmp_path)
    assert "There are no reports here yet." in text_of(tree(content).find("body"))
    assert rows(content) == []


# Links.


@pytest.mark.slow
@pytest.mark.parametrize("where", ["site", "site/sub", "elsewhere/deep"])
def test_links_are_relative_and_lead_to_the_files_whatever_their_names(tmp_path: Path, where: str) -> None:
    names = ("plain", "100 %", "a#b?c&d", "c:\\x", "数字", "a/b:c", os.fsdecode(b"\xff"))
    for day, name in enumerate(names, 1):  # of copies of one run there would be one row
        put(tmp_path / "site" / name, report(day), files=FILES)
    base = tmp_path / where
    base.mkdir(parents=True, exist_ok=True)
    links = [link for link in addresses(page(tmp_path / "site", base=base)) if link != "feed.xml"]
    found = {(base / os.fsdecode(os.fsencode(unquote(link, errors="surrogateescape")))).resolve() for link in links}
    assert found == {path for path in (tmp_path / "site").rglob("report.*")}
    for link in links:
        assert re.fullmatch(r"[\w./%~-]+", link, re.ASCII), link
        published = urljoin("https://example.org/any/path/index.html", link)
        assert published.startswith("https://example.org/"), published


def test_a_report_without_a_page_leads_to_the_next_best_file(tmp_path: Path) -> None:
    put(tmp_path / "a", report(3), files=())
    put(tmp_path / "b", report(2), files=("report.pdf",))
    put(tmp_path / "c", report(1), files=("report.html",))
    assert [row.href for row in view(tmp_path).rows] == ["a/report.json", "b/report.pdf", "c/report.html"]
    assert [list(row.others) for row in view(tmp_path).rows] == [[], ["report.json"], ["report.json"]]


# What else lies there.


def test_hidden_and_unfinished_folders_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "a")
    put(tmp_path / ".a.reportgen-x1y2")
    put(tmp_path / ".git" / "b")
    (tmp_path / "assets").mkdir()
    (tmp_path / "notes.txt").touch()
    found = search.find(tmp_path)
    assert [one.folder.name for one in found.reports] == ["a"]
    assert found.broken == []


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "outside" / "secret", report(9, title=literal("a secret")))
    top = tmp_path / "site"
    put(top / "a")
    (top / "out").symlink_to(tmp_path / "outside")
    (top / "loop").symlink_to(top)
    (top / "latest").symlink_to(top / "a")
    (top / "file").mkdir()
    (top / "file" / "report.json").symlink_to(secret / "report.json")
    found = search.find(top)
    assert [one.folder.name for one in found.reports] == ["a"]
    assert [(one.folder.name, "leads out" in one.reason) for one in found.broken] == [("file", True)]


BROKEN: dict[str, tuple[Any, str]] = {
    "empty": (b"", "no JSON"),
    "cut": (b'{"schema": "reportgen/1", "title": ', "no JSON"),
    "binary": (b"\x00\xff\xfe", "no JSON"),
    "deep": (b"[" * 100_000, "no JSON"),
    "list": (b"[]", "schema"),
    "foreign": (b'{"schema": "eslint/2"}', "eslint/2"),
    "bare": (b'{"schema": "reportgen/1"}', "lacks"),
    "words": ({"title": 7}, "title"),
    "date": ({"made_at": "yesterday"}, "yesterday"),
    "score": ({"evaluation": {"test": {"accuracy": None}}}, "accuracy"),
    "share": ({"evaluation": {"test": {"accuracy": 98.5}}}, "98.5"),
    "layers": ({"layers": [{"states": []}]}, "states"),
    "counts": ({"layers": [{"states": {"dead": "many"}, "groups": []}]}, "states"),
    "groups": ({"layers": [{"states": {}, "groups": [7]}]}, "groups"),
    "finding": ({"findings": ["bad"]}, "code"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_listed_with_the_reason(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    put(tmp_path / "good")
    put(tmp_path / "bad")
    if isinstance(content, dict):
        content = json.dumps(json.loads((tmp_path / "bad" / "report.json").read_bytes()) | content).encode()
    (tmp_path / "bad" / "report.json").write_bytes(content)
    said = text_of(tree(page(tmp_path)).find("body"))
    assert len(rows(page(tmp_path))) == 1
    assert "Folders that could not be read" in said
    ((place, told),) = view(tmp_path).broken
    assert place == "bad"
    assert reason in told
    assert told.isprintable()


def test_a_report_json_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(put(tmp_path / "pipe").joinpath("report.json.new"))
    (tmp_path / "pipe" / "report.json.new").replace(tmp_path / "pipe" / "report.json")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "record.npz").touch()
    (tmp_path / "half" / "report.json").mkdir()
    reasons = {one.folder.name: one.reason for one in search.find(tmp_path).broken}
    assert reasons == {"pipe": "report.json is no file", "half": "record.npz is there, but no report.json"}


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    record = report(data=HOSTILE, model=HOSTILE, findings=[Finding(HOSTILE, HOSTILE, literal(HOSTILE), None, [])])
    put(tmp_path / "<b>&amp;\n" / "a", dataclasses.replace(record, title=literal(HOSTILE)))
    put(tmp_path / "b", dataclasses.replace(record, made_at="2026-11-02T00:00:00Z"))
    (tmp_path / "<i>").mkdir()
    (tmp_path / "<i>" / "report.json").write_text(json.dumps({"schema": HOSTILE}))
    content = page(tmp_path, title=HOSTILE)
    found = tree(content)
    assert not {"script", "b", "i"} & {element.tag for element in found.iter()}
    assert "{{ 7*7 }}" in content
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ufffe]", content)
    shown = atom(tmp_path, title=HOSTILE)
    assert (shown.findtext(f"{ATOM}title") or "").startswith("<script>alert(1)</script>{{ 7*7 }}")


def test_the_page_brings_all_that_it_needs(tmp_path: Path) -> None:
    put(tmp_path / "a")
    found = tree(page(tmp_path))
    assert not [element for element in found.iter() if element.get("src") or element.get("style")]
    (style,) = (element.text for element in found.iter("style"))
    policy = next(m.get("content") for m in found.iter("meta") if m.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script" not in policy
    (alternate,) = (link for link in found.iter("link") if link.get("rel") == "alternate")
    assert (alternate.get("type"), alternate.get("href")) == ("application/atom+xml", "feed.xml")


# Fast, small, the same.


@pytest.mark.slow
def test_two_hundred_reports_take_less_than_a_megabyte(tmp_path: Path) -> None:
    layer = make_verdict("conv", 122, states={"healthy": 122})
    units = [make_unit(unit=u, histogram=[10**6] * 20, top_images=make_unit().top_images * 3) for u in range(122)]
    content = record_file.to_bytes(report(layers=[layer], units=units))["report.json"]
    assert len(content) > 200_000  # as large as that of the built-in network
    day = datetime(2026, 1, 1)
    for number in range(200):
        made = (day + timedelta(days=number)).strftime("%Y-%m-%d")
        folder = put(tmp_path / made)
        (folder / "report.json").write_bytes(content.replace(b"2026-11-01", made.encode()))
    html, entries = page(tmp_path), atom(tmp_path)
    assert len(html.encode()) < 1_000_000
    assert len(rows(html)) == 200
    assert len(entries.findall(f"{ATOM}entry")) == 50


def test_a_headline_is_the_same_however_its_json_is_laid_out() -> None:
    """Reading passes over the units where they are laid out as reportgen does it."""
    layer = make_verdict("conv", 2, states={"healthy": 1, "dead": 1}, groups=[[0, 1]])
    for record in (make_record(), make_record(layers=[layer]), make_record(units=[]), report(layers=[layer])):
        content = record_file.to_bytes(record)["report.json"]
        assert key_figures.read(content) == key_figures.read(json.dumps(json.loads(content)).encode())
    found = key_figures.read(record_file.to_bytes(make_record(layers=[layer]))["report.json"])
    assert (found.units, found.dead, found.redundant) == (2, 1, 1)
    assert found.worst == ("redundant-units", "warning", str(make_record().findings[0].message))


@pytest.mark.slow
def test_the_same_folder_gives_the_same_bytes(light: Run, tmp_path: Path) -> None:
    names = ["x", "y", "z"]
    for top, order in (("one", names), ("two", names[::-1])):
        for name in order:
            put(tmp_path / top / "site" / name, report(1))
    made = []
    for top in ("one", "two"):
        done = light("index", tmp_path / top / "site", SOURCE_DATE_EPOCH="1764000000")
        assert done.returncode == 0, done.stderr
        made.append([(tmp_path / top / "site" / name).read_bytes() for name in ("index.html", "feed.xml")])
    assert made[0] == made[1]
    assert b"24 November 2025" in made[0][0]


# The feed.


def test_the_feed_is_atom(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        put(tmp_path / f"{day}", report(day, findings=[]))
    found = atom(tmp_path)
    assert found.tag == f"{ATOM}feed"
    assert found.findtext(f"{ATOM}author/{ATOM}name")
    entries = found.findall(f"{ATOM}entry")
    for element in (found, *entries):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1
            assert element.findtext(f"{ATOM}{name}")
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", element.findtext(f"{ATOM}id") or "")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", element.findtext(f"{ATOM}updated") or "")
        links = [(link.get("rel"), link.get("type")) for link in element.findall(f"{ATOM}link")]
        assert links[0] == ("alternate", "text/html")
        assert len(set(links)) == len(links)
    dates = [entry.findtext(f"{ATOM}updated") for entry in entries]
    assert dates == ["2026-11-03T04:17:00Z", "2026-11-02T04:17:00Z", "2026-11-01T04:17:00Z"]
    assert found.findtext(f"{ATOM}updated") == dates[0]
    assert "Test accuracy 90.0" in (entries[0].findtext(f"{ATOM}summary") or "")
    assert len({entry.findtext(f"{ATOM}id") for entry in entries} | {found.findtext(f"{ATOM}id")}) == 4


def test_an_empty_feed_is_atom_too(tmp_path: Path) -> None:
    found = atom(tmp_path)
    assert found.findtext(f"{ATOM}updated") == "2026-11-25T00:00:00Z"
    assert found.findall(f"{ATOM}entry") == []


def test_links_of_the_feed_are_relative_or_under_the_url(tmp_path: Path) -> None:
    put(tmp_path / "a b")

    def links(url: str | None) -> list[tuple[str | None, str | None]]:
        return [(link.get("rel"), link.get("href")) for link in atom(tmp_path, url).iter(f"{ATOM}link")]

    relative = [("alternate", "index.html"), ("alternate", "a%20b/report.html")]
    assert links(None)[:2] == relative
    for url in ("https://example.org/site", "https://example.org/site/"):
        assert links(url)[:3] == [
            ("self", "https://example.org/site/feed.xml"),
            *((rel, f"https://example.org/site/{href}") for rel, href in relative),
        ]


def test_an_entry_keeps_its_identifier_when_moved_or_painted_again(tmp_path: Path) -> None:
    put(tmp_path / "a", report(1))
    put(tmp_path / "b", report(2))
    before = ids(tmp_path)
    (tmp_path / "a").rename(tmp_path / "moved")
    put(tmp_path / "b", report(2, look=Look(lang="ja")))
    shutil.copytree(tmp_path / "b", tmp_path / "copy")
    assert ids(tmp_path) == before
    put(tmp_path / "c", report(3))
    assert ids(tmp_path)[1:] == before


def ids(top: Path) -> list[str | None]:
    return [entry.findtext(f"{ATOM}id") for entry in atom(top).findall(f"{ATOM}entry")]


# The command.


@pytest.mark.slow
def test_the_command_writes_page_and_feed_and_says_where(light: Run, tmp_path: Path) -> None:
    put(tmp_path / "site" / "a")
    done = light("index", "site", "--title", "Nightly", "--url", "https://example.org/", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["site/index.html", "site/feed.xml"]
    assert text_of(tree((tmp_path / "site" / "index.html").read_text(encoding="utf-8")).find(".//h1")) == "Nightly"
    assert "https://example.org/a/report.html" in (tmp_path / "site" / "feed.xml").read_text(encoding="utf-8")
    put(tmp_path / "site" / "b", report(2))
    assert light("index", "site", cwd=tmp_path).returncode == 0  # over the earlier page
    assert len(rows((tmp_path / "site" / "index.html").read_text(encoding="utf-8"))) == 2
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["a", "b", "feed.xml", "index.html"]


def test_the_page_can_lie_elsewhere(light: Run, tmp_path: Path) -> None:
    put(tmp_path / "reports" / "a")
    done = light("index", "reports", "--out", "public/list.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "../reports/a/report.html" in addresses((tmp_path / "public" / "list.html").read_text(encoding="utf-8"))
    assert 'href="list.html"' in (tmp_path / "public" / "feed.xml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_speaks_the_newest_reports_language_unless_told(light: Run, tmp_path: Path) -> None:
    put(tmp_path / "a", report(2, look=Look(lang="ja")))
    put(tmp_path / "b", report(1))
    for options, lang in (([], "ja"), (["--lang", "en"], "en")):
        done = light("index", tmp_path, *options)
        assert done.returncode == 0, done.stderr
        assert tree((tmp_path / "index.html").read_text(encoding="utf-8")).get("lang") == lang


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["nowhere"], 2, ["nowhere"]),
        (["site", "--url", "ftp://example.org"], 2, ["ftp://example.org", "https://"]),
        (["site", "--url", "https://example.org/a b"], 2, ["--url"]),
        (["site", "--lang", "tlh"], 2, ["--lang", "tlh"]),
        (["site", "--out", "feed.xml"], 2, ["feed.xml"]),
        (["site/a"], 2, ["site/a", "is itself a report"]),
        (["site", "--out", "site/a/index.html"], 2, ["is itself a report"]),
        (["site", "--out", "mine/index.html"], 2, ["mine/index.html", "was not made by reportgen"]),
        (["site", "--out", "mine/page.html"], 2, ["mine/feed.xml", "was not made by reportgen"]),
        (["site", "--out", "mine/index.html/page.html"], 3, ["cannot be written"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_and_nothing_is_touched(
    light: Run, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    put(tmp_path / "site" / "a")
    (tmp_path / "mine").mkdir()
    for name in ("index.html", "feed.xml"):
        (tmp_path / "mine" / name).write_text("<p>by hand</p>")
    before = sorted(tmp_path.rglob("*"))
    done = light("index", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("reportgen: error: ")
    assert "; " in line
    for part in parts:
        assert part in line
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine" / "index.html").read_text() == "<p>by hand</p>"


def test_the_command_starts_without_anything_heavy() -> None:
    assert not {"numpy", "jinja2", "babel"} & modules_after("import reportgen.cli.commands.index")
    used = "import reportgen.record.finding_kinds, reportgen.pipeline.provenance, reportgen.render.index.feed"
    assert not {"tensorflow", "keras", "sklearn", "matplotlib", "weasyprint", "fontTools"} & modules_after(used)


# In a browser.


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a page of many reports with long names, and one of none."""
    top = tmp_path_factory.mktemp("shelves")
    long = "a_very_long_name_without_any_place_to_break_" * 3
    for day in range(1, 13):
        put(top / "many" / f"{day:02}", report(day, 0.9 + day / 200))
    put(top / "many" / long, report(13, data=long, model=long))
    (top / "many" / "broken").mkdir()
    (top / "many" / "broken" / "report.json").write_text("{}")
    (top / "none").mkdir()
    for name in ("many", "none"):
        (top / name / "index.html").write_text(page(top / name), encoding="utf-8")
    return top


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("many", 320, "dark"), ("many", 800, "light"), ("many", 1280, "light"), ("none", 320, "light")],
)
def test_the_page_is_fit_for_every_reader(browser: Any, shelves: Path, name: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    address = (shelves / name / "index.html").as_uri()
    with opened(browser, address, width, scheme) as (page_there, heard):
        assert heard == [address]
        assert page_there.evaluate("document.documentElement.scrollWidth") == width
        if width != 800 and name == "many":
            found = Axe().run(page_there, options={"runOnly": rules}).response["violations"]
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


def test_a_run_that_was_rendered_again_or_copied_counts_once(tmp_path: Path) -> None:
    record = report(2, 0.98)
    put(tmp_path / "a", record)
    put(tmp_path / "copy", record)
    put(tmp_path / "deep" / "again", dataclasses.replace(record, look=Look("ja")))
    put(tmp_path / "before", report(1, 0.97))
    first, second = rows(page(tmp_path))
    assert "2 of 2 in the series" in first[0] and "1 of 2 in the series" in second[0]
    assert "also in copy, deep/again" in first[0]


def test_what_became_of_findings_since_the_report_before_is_told(tmp_path: Path) -> None:
    def finding(units: int) -> Finding:
        return Finding("dead-units", "warning", literal("Some are dead."), "conv", list(range(units)))

    put(tmp_path / "a", report(1, findings=[finding(1)]))
    put(tmp_path / "b", report(2, findings=[finding(4), Finding("few-images", "notice", literal("m"), None, [])]))
    first, _ = rows(page(tmp_path))
    assert first[5] == "Warning. Worse (1 → 4). Some are dead. and 1 more kind of finding"
    said = " ".join("".join(tree(page(tmp_path)).find("body").itertext()).split())
    assert "Look at: dead units (1 → 4)." in said

"""Pages of large models: folds that are built when they are opened, a page for each layer, fewer layers on paper."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import html5lib
import pytest

from reportgen.deliver import folder
from reportgen.record.model import GraphNode, ModelGraph
from reportgen.record.pictures import Cards
from reportgen.record.run import Record
from reportgen.render import sheets
from reportgen.render.page import detail, folds, page
from tests.helpers.builders import make_condition, make_finding, make_pictures, make_record, make_unit, make_verdict

HOSTILE = '<!--end of fold 1--></script><img src=x onerror="a()"> 100%'
NAMES = ["first", HOSTILE, "third", "fourth"]
UNITS = 6


def many_layers() -> Record:
    """Return a record of four layers: there is something to say about the second and, by a finding, the fourth."""
    small = make_record()
    units = [
        make_unit(layer=name, unit=u, group=None, removable=False, condition=make_condition(), state=state)
        for name in NAMES
        for u in range(UNITS)
        for state in ["dead" if (name, u) == (HOSTILE, 4) else "healthy"]
    ]
    rows = [dataclasses.replace(small.model.layers[0], name=name) for name in NAMES]
    nodes = [GraphNode(name, "Conv2D", [None, 2, 2, 2]) for name in NAMES]
    graph = ModelGraph(nodes, [[n, n + 1] for n in range(len(nodes) - 1)], [0], [len(nodes) - 1])
    pictures = make_pictures(maps=[], strips=[], kernels=[], correlations=[], class_maps=[])
    cards = Cards(pictures.cards.numbers, pictures.cards.images, {"first": [0, 2], HOSTILE: [4, 1]})
    return make_record(
        model=dataclasses.replace(small.model, layers=rows, graph=graph),
        layers=[make_verdict(name, UNITS, states={"healthy": UNITS}) for name in NAMES],
        units=units,
        findings=[make_finding(code="weak-units", layer="fourth", units=[])],
        pictures=dataclasses.replace(pictures, cards=cards),
    )


@pytest.fixture(scope="module")
def large() -> Any:
    """Return a record that has more units than a page shows at once, while this module runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detail, "MOST_AT_ONCE", 10)
        yield many_layers()


@pytest.fixture(scope="module")
def whole(large: Record) -> page.Page:
    return page.html(page.paint(large), large.look)


@pytest.fixture(scope="module")
def split(large: Record) -> page.Page:
    return page.html(page.paint(large), large.look, split=folder.FILES)


@pytest.fixture(scope="module")
def paper(large: Record) -> page.Page:
    return page.html(page.paint(large), large.look, on_paper=True)


def tree(text: str) -> Any:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def said(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split())


def ids(element: Any) -> list[str]:
    return [each.get("id") for each in element.iter() if each.get("id")]


def contents(made: page.Page) -> list[str]:
    """Return what is in the folds of a page, as its script reads it."""
    blocks = [e for e in tree(made.html).iter("script") if e.get("type") == "application/json"]
    return [json.loads(block.text) for block in blocks]


def layer_pages(made: page.Page) -> dict[str, Any]:
    return {name: tree(content.decode()) for name, content in made.files.items() if name.endswith(".html")}


# -- folds -----------------------------------------------------------------------------------------------------------


def test_a_page_of_few_units_has_no_folds_to_build() -> None:
    record = many_layers()
    made = page.html(page.paint(record), record.look)
    assert "<script type=" not in made.html and 'class="fold"' not in made.html
    assert len([e for e in tree(made.html).iter("tr") if "/u" in str(e.get("id"))]) == len(NAMES) * UNITS - 4


def test_a_fold_for_each_layer_holds_every_unit_once(whole: page.Page, large: Record) -> None:
    found = contents(whole)
    assert len(found) == len(NAMES)
    for name, content in zip(NAMES, found, strict=True):
        built = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(content)
        units = [anchor for anchor in ids(built) if "/u" in anchor]
        assert sorted(int(anchor.rpartition("/u")[2]) for anchor in units) == list(range(UNITS))
        rows = [e for e in built.iter("tr") if e.findall("td")]
        assert [row.find("th").findtext("a") or row.findtext("th") for row in rows] == [str(n) for n in range(UNITS)]
        assert said(rows[4]).startswith("4 dead" if name == HOSTILE else "4 fires normally")


def test_outside_of_the_folds_each_layer_has_its_name_its_states_and_where_the_rest_is(whole: page.Page) -> None:
    sections = [e for e in tree(whole.html).iter("section") if e.get("class") == "layer"]
    for name, section in zip(NAMES, sections, strict=True):
        assert said(next(section.iter("h3"))) == name
        assert "Fires normally 6 of 6" in said(section)
        assert "reportgen render DIR --split" in said(section)
        assert len(list(section.iter())) < 30


def test_no_name_ends_a_fold_or_a_script(whole: page.Page, split: page.Page) -> None:
    for made in (whole, split):
        assert not [e for e in tree(made.html).iter("img") if e.get("onerror")]
        for script in re.findall(r'<script type="application/json">(.*?)</script>', made.html, re.DOTALL):
            assert "<" not in script
    for content in contents(whole):
        assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", content)


def test_the_words_of_short_rows_are_those_of_long_ones(large: Record) -> None:
    view = page.paint(large)
    short, long = (page.html(view, large.look, listing=detail.Listing(brief=brief)).html for brief in (True, False))
    rows = [[[said(c) for c in row] for row in tree(text).iter("tr") if len(row) == 12] for text in (short, long)]
    assert rows[0] == rows[1] and len(rows[0]) > len(NAMES) * UNITS


# -- numbers of figures and tables -----------------------------------------------------------------------------------


def test_figures_and_tables_are_numbered_in_their_order_folded_or_not(whole: page.Page, large: Record) -> None:
    plain = page.html(page.paint(large), large.look, listing=detail.Listing(brief=True)).html
    numbers = re.compile(r'<figcaption data-number=\\?"(\d+)\\?"')
    assert numbers.findall(plain) == numbers.findall(whole.html.replace("\\u003c", "<"))
    counted: dict[bool, list[int]] = {False: [], True: []}
    for figure in tree(plain).iter("figure"):
        counted["table" in (figure.get("class") or "").split()] += [
            int(caption.get("data-number")) for caption in figure.iter("figcaption")
        ]
    assert all(found == list(range(1, len(found) + 1)) and found for found in counted.values())


def test_only_a_figure_of_the_class_table_counts_as_one() -> None:
    body = '<figure id="table"><figcaption>a</figcaption></figure><figure class="wide table"><figcaption id="x">'
    assert sheets.numbered(body + "</figure>").count('data-number="1"') == 2


# -- a page for each layer -------------------------------------------------------------------------------------------


def test_a_split_page_has_a_page_for_each_layer_with_what_is_in_its_fold(whole: page.Page, split: page.Page) -> None:
    pages = layer_pages(split)
    assert list(pages) == [f"{folder.FILES}/layer-{n}.html" for n in range(1, len(NAMES) + 1)]
    for (name, found), title, content in zip(pages.items(), NAMES, contents(whole), strict=True):
        body = html5lib.HTMLParser(namespaceHTMLElements=False).parseFragment(content)
        assert said(body) in said(found), name
        assert title in said(next(found.iter("title")))


def test_every_link_of_a_split_report_has_its_target(split: page.Page) -> None:
    pages = {"report.html": tree(split.html), **layer_pages(split)}
    for name, found in pages.items():
        here = Path(name).parent
        assert len(set(ids(found))) == len(ids(found)), name
        for link in found.iter("a"):
            file, _, anchor = link.get("href").partition("#")
            target = name if not file else str(here / file).replace(f"{folder.FILES}/..", ".").removeprefix("./")
            assert not anchor or anchor in ids(pages[target]), (name, link.get("href"))
        for asked in [*found.iter("img"), *found.iter("link"), *found.iter("script")]:
            address = asked.get("src") or asked.get("href")
            assert address is None or str(here / address) in split.files, (name, address)


def test_a_page_of_a_layer_leads_on_and_back(split: page.Page) -> None:
    found = layer_pages(split)[f"{folder.FILES}/layer-3.html"]
    links = {said(link): link.get("href") for link in next(found.iter("nav")).iter("a")}
    assert links == {
        "Back to the report": "../report.html#layer-3",
        f"Previous layer: {HOSTILE}": "./layer-2.html",
        "Next layer: fourth": "./layer-4.html",
    }


def test_the_pages_of_layers_belong_to_the_report(split: page.Page, tmp_path: Path) -> None:
    files = {"report.html": split.html.encode()} | split.files
    folder.write(tmp_path / "report", files)
    assert folder.read(tmp_path / "report") == files
    folder.write(tmp_path / "report", {"report.html": b""})
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.html"]


# -- paper -----------------------------------------------------------------------------------------------------------


def test_paper_shows_the_layers_that_there_is_something_to_say_about_and_counts_them(
    large: Record, paper: page.Page
) -> None:
    found = tree(paper.html)
    shown = [e.get("id") for e in found.iter("section") if e.get("class") == "layer"]
    assert shown == ["layer-2", "layer-4"]
    assert [e.get("href") for e in next(found.iter("nav")).iter("a") if "layer-" in e.get("href")] == [
        "#layer-2",
        "#layer-4",
    ]
    note = " ".join(detail.left_out(large, detail.on_paper(large)[0], 10, paper=True, is_last=False))
    assert "2 of 4 layers are shown: about the others there is nothing to say." in note
    assert "Every unit is in report.json" in note


def test_paper_shows_the_layers_with_the_gravest_findings_where_there_are_too_many(
    large: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "LAYERS_ON_PAPER", 1)
    step = detail.on_paper(large)[0]
    assert step.listing.layers == {"fourth"}
    said = " ".join(detail.left_out(large, step, 10, paper=True, is_last=False))
    assert "1 of 4 layers are shown, those with most to say about them." in said


def test_every_link_on_paper_has_its_target_though_layers_are_missing(paper: page.Page) -> None:
    found = tree(paper.html)
    assert {e.get("href")[1:] for e in found.iter("a")} <= set(ids(found))


def test_on_paper_nothing_leads_to_a_layer_that_is_not_shown(large: Record) -> None:
    listing = dataclasses.replace(detail.on_paper(large)[0].listing, layers=frozenset({"first"}))
    found = tree(page.html(page.paint(large), large.look, on_paper=True, listing=listing).html)
    (finding,) = [said(item) for item in found.iter("li") if item.get("id") == "finding-1"]
    assert finding.endswith("Its figures are in the HTML page.")
    assert [said(link) for link in found.iter("a") if link.get("href") == "#layers"] == ["Inside the layers"]
    assert "fourth" in said(next(e for e in found.iter("header") if e.get("class") == "cover"))


def test_marks_of_folds_are_taken_out_in_their_order() -> None:
    body = f"a{folds.marked(1, ' <b>1</b> ')}b{folds.marked(12, '<i>2</i>')}c"
    left, found = folds.taken_out(body, lambda fold: f"[{fold.number}]")
    assert left == "a[1]b[12]c"
    assert found == [folds.Fold(1, "<b>1</b>"), folds.Fold(12, "<i>2</i>")]

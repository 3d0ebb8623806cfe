"""The overview of the layers on the page and on paper, and the contents."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import pytest

from reportgen.record.run import Look, Record
from reportgen.render.page import page
from tests.helpers.builders import make_record, make_unit, make_verdict
from tests.render.page.test_network_view import residual, with_graph


def html(record: Record, **how: bool) -> str:
    return page.html(page.paint(record), Look(), **how).html


def section(written: str) -> str:
    return written[written.index('<section id="overview">') : written.index('<section id="layers">')]


@pytest.fixture(scope="module")
def large() -> Record:
    """A record of five blocks of which each has two layers with units."""
    judged = {f"conv2_block{n}_{part}_conv": {"healthy": 1} for n in range(1, 6) for part in (0, 1)}
    record = with_graph(*residual(5), judged)
    return dataclasses.replace(record, units=[make_unit(layer=one.name) for one in record.layers])


@pytest.fixture(scope="module")
def pages(large: Record) -> dict[bool, str]:
    view = page.paint(large)
    return {on_paper: page.html(view, Look(), on_paper=on_paper).html for on_paper in (False, True)}


def test_it_stands_before_the_layers() -> None:
    written = html(make_record())
    assert written.index('<section id="evaluation">') < written.index('<section id="overview">')
    assert '<a href="#overview">' in written[: written.index("</nav>")]


def test_boxes_and_rows_lead_to_places_that_there_are(pages: dict[bool, str]) -> None:
    written = pages[False]
    ids = set(re.findall(r' id="([^"]+)"', written))
    links = re.findall(r'href="#([^"]+)"', section(written))
    assert {"layer-1", "block-3"} <= set(links) <= ids


def test_no_box_passes_for_a_section_of_a_layer_which_the_script_looks_for(pages: dict[bool, str]) -> None:
    assert set(re.findall(r'class="([^"]*)"', section(pages[False]))).isdisjoint({"layer", "box layer"})
    assert pages[False].count('class="layer"') == 10


def test_a_link_opens_what_its_block_is_folded_in(pages: dict[bool, str]) -> None:
    assert re.search(
        r"<details[^>]*>\s*<summary>conv2_block3: 10 layers</summary>\s*<figure id=\"block-3\"", pages[False]
    )


@pytest.mark.parametrize("on_paper", [False, True])
def test_every_drawing_is_an_svg_with_its_words_first(pages: dict[bool, str], on_paper: bool) -> None:
    drawings = re.findall(r'<svg xmlns="[^"]+" class="network".*?</svg>', section(pages[on_paper]), re.DOTALL)
    assert drawings
    for drawing in drawings:
        svg = ET.fromstring(drawing)
        title = svg[0]
        assert title.tag.endswith("title") and title.text
        if on_paper:  # the title is all that a screen reader has of it there
            assert "8 × 8 × 4" in title.text and ("10 layers" in title.text or "Conv2D" in title.text)
            assert not svg.findall(".//{*}a"), "WeasyPrint takes a link for text"


def test_paper_draws_one_of_the_blocks_that_are_built_alike(pages: dict[bool, str]) -> None:
    assert section(pages[False]).count('<figure id="block-') == 5
    assert section(pages[True]).count('<figure id="block-') == 1
    assert "1 of 5 blocks shown" in section(pages[True])
    assert "Built alike: conv2_block2, conv2_block3, conv2_block4, conv2_block5." in section(pages[True])


def test_the_size_of_a_block_is_said_once_on_a_screen(pages: dict[bool, str]) -> None:
    assert section(pages[False]).count("conv2_block3: 10 layers") == 1
    assert "Built like conv2_block1." in section(pages[False])


def test_contents_list_layers_in_blocks_that_can_be_opened_and_paper_lists_the_blocks(pages: dict[bool, str]) -> None:
    screen, paper = (re.findall(r"<nav.*?</nav>", pages[on_paper], re.DOTALL)[0] for on_paper in (False, True))
    assert re.search(r'<details><summary>conv2_block1 <span class="of">2 with units</span></summary>', screen)
    assert '<a href="#layer-2">conv2_block1_1_conv</a>' in screen
    assert "<details>" not in paper and "conv2_block1_1_conv" not in paper
    assert '<a href="#layer-3">conv2_block2</a>' in paper


def test_a_report_from_before_there_was_a_graph_has_the_table_alone() -> None:
    record = make_record()
    record = dataclasses.replace(record, model=dataclasses.replace(record.model, graph=None))
    made = page.html(page.paint(record), Look())
    assert made.missing == []
    assert "<svg" not in section(made.html) and 'id="network"' not in made.html
    assert 'id="overview-table"' in made.html


def test_a_network_that_is_too_large_says_so() -> None:
    names = ["image", *(f"conv2d_{n}" for n in range(1, 402))]
    edges = [(n, n + 1) for n in range(401)] + [(n, n + 2) for n in range(400)]
    written = section(html(with_graph(names, edges)))
    assert "The network is not drawn: no part of its 402 layers and operations stands for itself" in written


def test_a_drawing_that_fails_is_missing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr("reportgen.render.charts.network.pieces", fails)
    made = page.html(page.paint(make_record()), Look())
    assert [one.what for one in made.missing] == ["the drawing of the network"]
    assert 'id="overview-table"' in made.html


def test_the_table_can_be_sorted_and_says_how_many_rows_there_are() -> None:
    verdicts = [make_verdict(f"conv_{n}", 1) for n in range(45)]
    record = make_record(layers=verdicts, units=[], model=with_graph(["image", *(v.name for v in verdicts)], []).model)
    view = page.paint(record)
    screen, paper = (section(page.html(view, Look(), on_paper=on_paper).html) for on_paper in (False, True))
    assert 'class="overview sortable long"' in screen and "45 of 45 shown" in screen
    assert "40 of 45 shown" in paper and paper.count('<th scope="row">') == 40


def test_names_from_outside_are_text() -> None:
    record = with_graph(["image", "<b>block_1_a", "c"], [(0, 1), (1, 2)], {"<b>block_1_a": {"healthy": 1}})
    written = html(record)
    assert "<b>block" not in written and "&lt;b&gt;block_1_a" in section(written)

"""The folds of a large page in a real Chromium: what opens them, what finds their units, what is printed of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reportgen.deliver import folder
from reportgen.render.page import detail, layer_views
from reportgen.render.page import page as pages
from tests.helpers.browsing import opened
from tests.render.page.test_folds import HOSTILE, NAMES, UNITS, many_layers

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the report of a large model, whole and split, and with the same as of a small one."""
    top, record = tmp_path_factory.mktemp("large"), many_layers()
    with pytest.MonkeyPatch.context() as patch:
        view = pages.paint(record)
        folder.write(top / "small", {"report.html": pages.html(view, record.look).html.encode("utf-8")})
        patch.setattr(detail, "MOST_AT_ONCE", 10)
        for name, split in (("whole", None), ("split", folder.FILES)):
            made = pages.html(view, record.look, split=split)
            folder.write(top / name, {"report.html": made.html.encode("utf-8")} | made.files)
    return top


@pytest.fixture(params=["whole", "small"])
def either(request: pytest.FixtureRequest, browser: Browser, reports: Path) -> Iterator[Page]:
    """Return a page with folds, and one without."""
    address = (reports / request.param / "report.html").as_uri()
    with opened(browser, address) as (page, heard):
        yield page
        assert [said for said in heard if said.partition("#")[0] != address] == []


@pytest.fixture
def large(browser: Browser, reports: Path) -> Iterator[Page]:
    address = (reports / "whole" / "report.html").as_uri()
    with opened(browser, address) as (page, heard):
        yield page
        assert [said for said in heard if said.partition("#")[0] != address] == []


def anchor(layer: str, unit: int) -> str:
    return layer_views.anchor(layer, unit)


def words(page: Page, selector: str) -> list[str]:
    """Return the text of an element with all folds open, and the alternative texts in it."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = page.locator(selector).first
    alternatives = "e => [...e.querySelectorAll('img')].map(i => i.alt)"
    return [*found.inner_text().split(), *found.evaluate(alternatives)]


def test_nothing_is_built_before_it_is_asked_for(large: Page) -> None:
    assert large.locator(".layer table, .layer .cell, .layer .card").count() == 0
    assert large.locator(".filter output").inner_text() == f"{len(NAMES) * UNITS} of {len(NAMES) * UNITS} units"


def test_an_opened_fold_says_the_same_as_the_page_of_its_layer_without_scripts(
    browser: Browser, reports: Path, large: Page
) -> None:
    large.evaluate("document.querySelectorAll('.fold').forEach(d => d.open = true)")
    for number in range(1, len(NAMES) + 1):
        large.wait_for_selector(f"#layer-{number} .fold .strip")
        page_of_layer = (reports / "split" / folder.FILES / f"layer-{number}.html").as_uri()
        with opened(browser, page_of_layer, scripts=False) as (alone, heard):
            summary, states = f"#layer-{number} .fold > summary", f"#layer-{number} > dl"
            outside = [*words(large, summary), *words(large, states)]
            there = words(large, f"#layer-{number}")
            assert sorted(words(alone, f"#layer-{number}")) == sorted(_without(there, outside))
            assert all(address.startswith(reports.as_uri()) for address in heard), heard


def _without(all_words: list[str], some: list[str]) -> list[str]:
    left = list(all_words)
    for word in some:
        left.remove(word)
    return left


@pytest.mark.parametrize(("layer", "unit"), [("first", 2), ("third", 5), (HOSTILE, 4)], ids=["card", "row", "hostile"])
def test_a_link_to_a_unit_builds_and_opens_its_fold(large: Page, layer: str, unit: int) -> None:
    large.evaluate("id => { location.hash = encodeURIComponent(id) }", anchor(layer, unit))
    large.wait_for_function("id => document.getElementById(id)", arg=anchor(layer, unit))
    large.wait_for_function("() => document.querySelector(':target')")
    assert large.evaluate("document.querySelector(':target').id") == anchor(layer, unit)
    assert large.locator(".layer .strip").count() == 1, "another fold was built, too"
    box = large.locator(":target").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


def test_an_address_with_a_unit_opens_its_fold(browser: Browser, reports: Path) -> None:
    address = f"{(reports / 'whole' / 'report.html').as_uri()}#third/u1"
    with opened(browser, address) as (page, _):
        page.wait_for_selector("[id='third/u1']:visible")


def test_units_in_closed_folds_are_found_and_lead_there(large: Page) -> None:
    large.locator(".filter [name=state]").select_option("dead")
    assert large.locator(".filter output").inner_text() == f"1 of {len(NAMES) * UNITS} units"
    assert large.locator(".layer:visible h3").all_inner_texts() == [HOSTILE]
    (row,) = large.locator(".found tbody tr").all()
    assert row.locator("th, td").all_inner_texts()[:3] == [HOSTILE, "4", "dead"]
    row.locator("a").click()
    large.wait_for_selector(f"[id='{anchor(HOSTILE, 4)}']:visible")
    large.locator(".filter button").click()
    large.wait_for_function("() => !document.querySelector('.layer[hidden]')")
    assert large.locator(".found:visible").count() == 0


def assert_in_sight(page: Page, anchor: str) -> None:
    page.wait_for_function(
        """id => {
            const target = document.getElementById(id)?.closest('.card, tr, section');
            return target && target.getClientRects().length
                && Math.abs(target.getBoundingClientRect().top - innerHeight / 2) <= innerHeight / 2;
        }""",
        arg=anchor,
    )


@pytest.mark.parametrize("target", ["layer-2", anchor(HOSTILE, 4), anchor("third", 5)], ids=["layer", "card", "row"])
def test_a_link_to_what_is_narrowed_away_shows_it(either: Page, target: str) -> None:
    either.locator(".filter [name=layer]").select_option("fourth")
    either.wait_for_function("() => document.querySelector('#layer-2').hidden")
    either.evaluate("id => { location.hash = encodeURIComponent(id) }", target)
    either.wait_for_function("() => !document.querySelector('.layer[hidden]')")
    assert_in_sight(either, target)


def test_a_link_to_a_layer_opens_its_fold(large: Page) -> None:
    large.locator(".findings a[href='#layer-4']").first.click()
    large.wait_for_selector("#layer-4 .fold .strip")
    assert large.locator(".fold[open]").count() == 1
    assert_in_sight(large, "layer-4")


def test_an_address_that_is_no_encoding_leads_nowhere(either: Page) -> None:
    either.evaluate("location.hash = '100%'")
    either.locator(".filter [name=text]").fill("dead")
    assert either.locator(".filter output").inner_text() == f"1 of {len(NAMES) * UNITS} units"


def test_what_more_is_shown_has_the_focus(browser: Browser, reports: Path, tmp_path: Path) -> None:
    shutil.copytree(reports / "split", tmp_path / "split")
    script = tmp_path / "split" / folder.FILES / "script.js"
    script.write_text(script.read_text().replace("FOUND_AT_ONCE = 100", "FOUND_AT_ONCE = 10"))
    with opened(browser, (tmp_path / "split" / "report.html").as_uri()) as (page, _):
        page.locator(".filter [name=text]").fill("fires normally")
        page.locator(".found button").press("Enter")
        assert page.locator(".found tbody tr").nth(10).locator("a").evaluate("e => e === document.activeElement")
        page.locator(".found button").press("Enter")
        assert page.locator(".found tbody tr").nth(20).locator("a").evaluate("e => e === document.activeElement")
        assert page.locator(".found button:visible").count() == 0
        heads = page.locator(".found tbody tr").first.locator("th[scope=row]")
        assert heads.all_inner_texts() == ["first", "0"]


def test_on_the_page_of_a_layer_no_link_is_where_one_is(browser: Browser, reports: Path) -> None:
    with opened(browser, (reports / "split" / folder.FILES / "layer-2.html").as_uri()) as (page, heard):
        assert page.locator("[aria-current]").count() == 0
        assert all(address.startswith(reports.as_uri()) for address in heard), heard


def test_all_units_that_are_found_can_be_seen(large: Page) -> None:
    large.locator(".filter [name=text]").fill("fires normally")
    total = len(NAMES) * UNITS - 1
    assert large.locator(".filter output").inner_text() == f"{total} of {total + 1} units"
    assert large.locator(".found tbody tr").count() == total


def test_tables_in_a_built_fold_are_sorted(large: Page) -> None:
    large.locator("#layer-1 .fold > summary").click()
    large.locator("#layer-1 .all-units > summary").click()
    head = large.locator("#units-1 thead th").first
    for expected in (range(UNITS), reversed(range(UNITS))):
        head.locator("button").click()
        assert large.locator("#units-1 tbody th").all_inner_texts() == [str(n) for n in expected]


def test_numbers_of_tables_stay_whatever_is_open(large: Page) -> None:
    number = "id => getComputedStyle(document.querySelector(`#${id} figcaption`), '::before').content"
    before = large.evaluate(number, "provenance")
    large.locator("#layer-1 .fold > summary").click()
    large.locator("#layer-1 .all-units > summary").click()
    assert large.evaluate(number, "provenance") == before
    value = "id => document.querySelector(`#${id} figcaption`).dataset.number"
    assert int(large.evaluate(value, "units-1")) < int(large.evaluate(value, "provenance"))


def test_cards_stay_closed_in_print_and_folds_are_as_they_were_afterwards(large: Page) -> None:
    large.locator("#layer-1 .fold > summary").click()
    large.wait_for_selector("#layer-1 .card")
    is_open = "selector => [...document.querySelectorAll(selector)].map(d => d.open)"
    before = large.evaluate(is_open, "details")
    large.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert large.evaluate(is_open, "#layer-1 .card") == [False, False]
    assert all(large.evaluate(is_open, "#layer-1 .all-units"))
    assert large.locator("#layer-2 .fold[open]").count() == 0
    large.evaluate("dispatchEvent(new Event('afterprint'))")
    assert large.evaluate(is_open, "details") == before

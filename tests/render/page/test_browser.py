"""The page in a real Chromium, at the widths of a phone and of a desk, light and dark, with JavaScript and without."""

import functools
import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from reportgen.record import record_file
from reportgen.record.run import Record
from reportgen.render.page import detail
from reportgen.render.page import page as pages
from tests.conftest import Run
from tests.helpers.browsing import opened
from tests.render.pictures.test_dimensions import series_record, volume_record

pytestmark = pytest.mark.browser
SCREENS = [(320, "dark"), (768, "light"), (1440, "dark")]
EXTREMES = [(320, "dark"), (1440, "light")]
FEWER = """() => {
    const kind = element => `${element.tagName} ${element.getAttribute('class')}`
    for (const [group, one] of [['tbody', 'tr'], ['.layer', '.card'], ['#layers', '.layer']])
        for (const found of document.querySelectorAll(group)) {
            const kept = new Set()
            for (const box of found.querySelectorAll(one)) {
                const kinds = [box, ...box.querySelectorAll('*')].map(kind)
                if (kinds.every(name => kept.has(name))) box.remove()
                kinds.forEach(name => kept.add(name))
            }
        }
}"""
"""Keeps of the rows of a table, the cards of a layer and the layers those with a kind of element that is new."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"


@pytest.fixture(scope="module", params=SCREENS, ids=str)
def plain(request: pytest.FixtureRequest, browser: Browser, made_report: Path) -> Iterator[tuple[Page, list[str]]]:
    """The real report, opened from disk once for each screen, with scripts off. Tests read it and leave it as it is."""
    with opened(browser, (made_report / "report.html").as_uri(), *request.param, scripts=False) as found:
        yield found


@pytest.fixture(scope="module")
def shared(browser: Browser, made_report: Path) -> Iterator[Page]:
    """As `desk`, for tests that leave the page as it was, but for where one is."""
    with opened(browser, (made_report / "report.html").as_uri()) as (page, _):
        yield page


@pytest.fixture
def desk(browser: Browser, made_report: Path) -> Iterator[Page]:
    """The real report on a desk, with scripts on."""
    with opened(browser, (made_report / "report.html").as_uri()) as (page, _):
        yield page


@pytest.fixture(scope="module")
def facts(made_report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made_report / "report.json").read_text())
    return found


def shown(page: Page, selector: str) -> list[str]:
    """Return the text of the elements that are not hidden, in their order."""
    return [words.strip() for words in page.locator(f"{selector}:visible").all_inner_texts()]


# -- with scripts off ------------------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_and_complains_about_nothing(
    plain: tuple[Page, list[str]], made_report: Path
) -> None:
    assert plain[1] == [(made_report / "report.html").as_uri()]


def test_nothing_is_wider_than_the_screen(plain: tuple[Page, list[str]]) -> None:
    page = plain[0]
    size = page.viewport_size
    assert size is not None
    all_open = """() => {
        const closed = [...document.querySelectorAll('details:not([open])')]
        const set = open => { closed.forEach(d => { d.open = open }); return document.documentElement.scrollWidth }
        return [set(true), set(false)]
    }"""
    assert page.evaluate(all_open) == [size["width"]] * 2


def test_every_picture_is_decoded(plain: tuple[Page, list[str]]) -> None:
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)"
    assert plain[0].evaluate("document.images.length") > 10
    assert plain[0].evaluate(broken) == []


def test_what_is_wider_than_its_column_can_be_scrolled_by_keyboard(plain: tuple[Page, list[str]]) -> None:
    stuck = """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
        && getComputedStyle(e).overflowX === 'auto' && e.tabIndex < 0).map(e => e.outerHTML.slice(0, 80))"""
    assert plain[0].evaluate(stuck) == []


def test_every_finding_figure_and_unit_is_in_the_text(
    browser: Browser, made_report: Path, facts: dict[str, Any]
) -> None:
    with opened(browser, (made_report / "report.html").as_uri(), scripts=False) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        read = " ".join(page.inner_text("body").split())
        rows = page.locator("table.units tbody tr").count()
    assert all(" ".join(finding["message"].split()) in read for finding in facts["findings"])
    assert f"{facts['evaluation']['test']['accuracy']:.1%}".replace("%", " %") in read.replace("\u00a0", " ")
    assert rows == len(facts["units"])
    assert all(unit["evidence"][1:] in read for unit in facts["units"] if unit["state"] != "output")


def test_what_only_a_script_can_do_is_not_offered_without(plain: tuple[Page, list[str]]) -> None:
    assert plain[0].locator(".filter, dialog, button").filter(visible=True).count() == 0


# -- with scripts on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), EXTREMES)
def test_nothing_stands_in_the_way_of_anybody(browser: Browser, made_report: Path, width: int, scheme: str) -> None:
    assert_open_to_all(browser, (made_report / "report.html").as_uri(), width, scheme)


@pytest.mark.parametrize(
    ("record", "width", "scheme"),
    [(series_record(60, 3), *EXTREMES[0]), (volume_record(16, 96), *EXTREMES[1])],
    ids=["series", "volume"],
)
def test_lines_and_slices_stand_in_nobodys_way(
    browser: Browser, tmp_path: Path, record: Record, width: int, scheme: str
) -> None:
    (tmp_path / "report.html").write_text(pages.html(pages.paint(record), record.look).html)
    assert_open_to_all(browser, (tmp_path / "report.html").as_uri(), width, scheme)


def assert_open_to_all(browser: Browser, address: str, width: int, scheme: str) -> None:
    """axe-core finds no violation with everything opened; nor is there a message, a request or sideways scrolling.

    It looks at one row, card and layer of each kind: at all of 122 units for half a minute.
    """
    with opened(browser, address, width, scheme) as (page, heard):
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.evaluate(FEWER)
        found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response
    assert [(v["id"], len(v["nodes"]), v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
    assert len(found["passes"]) > 20, "axe did not run"
    assert heard == [address]
    assert wide == width


def test_a_link_to_a_unit_opens_its_card(desk: Page) -> None:
    card = desk.locator(".closed .card").first
    assert not card.evaluate("e => e.open")
    anchor = card.locator("div[id]").get_attribute("id")
    desk.evaluate("anchor => { location.hash = anchor }", anchor)
    desk.wait_for_function("() => document.querySelector('.closed .card').open")
    box = card.bounding_box()
    assert box is not None
    assert -1 <= box["y"] < 900, "the card is out of sight"  # scrolling ends at whole pixels


def test_the_contents_stay_in_view_and_mark_where_one_is(shared: Page) -> None:
    shared.click("nav >> text=Evaluation")
    shared.wait_for_function("() => document.querySelector('[aria-current]').hash === '#evaluation'")
    box = shared.locator("nav.contents").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 100
    assert shared.locator("[aria-current]").count() == 1
    shared.click("nav >> text=About this report")
    shared.wait_for_function("() => document.querySelector('[aria-current]').hash !== '#evaluation'")


def test_a_table_is_sorted_by_keyboard_and_says_so(desk: Page, facts: dict[str, Any]) -> None:
    desk.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    layer = facts["layers"][0]["name"]
    units = [unit for unit in facts["units"] if unit["layer"] == layer]
    head = desk.locator("#units-1 thead th", has_text="Mean")
    head.locator("button").focus()
    for direction, sign in (("ascending", 1), ("descending", -1)):
        desk.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        numbers = [int(words) for words in desk.locator("#units-1 tbody th").all_inner_texts()]
        means = [units[number]["mean"] for number in numbers]
        # what is shown has three digits, so that nearly equal ones may change places
        assert all(sign * (after - before) >= -0.01 * abs(before) for before, after in itertools.pairwise(means))
    assert desk.locator("#units-1 thead th[aria-sort]").count() == 1


def test_what_is_not_available_is_sorted_last_both_ways(desk: Page) -> None:
    desk.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    table = desk.locator("#units-1 tbody")
    table.evaluate("body => { body.rows[2].cells[7].textContent = 'n/a' }")
    for _ in range(2):
        desk.locator("#units-1 thead th", has_text="AUROC").locator("button").press("Enter")
        desk.locator("#units-1 thead th").nth(7).locator("button").press("Enter")
        assert table.locator("tr").last.locator("td").nth(6).inner_text() == "n/a"


def test_the_units_are_narrowed_down_by_keyboard(shared: Page, facts: dict[str, Any]) -> None:
    layers = [layer["name"] for layer in facts["layers"]]
    asked = shared.locator(".filter [name=layer]")
    asked.focus()
    shared.keyboard.type(layers[1])
    assert asked.input_value() == layers[1]
    of_layer = [unit for unit in facts["units"] if unit["layer"] == layers[1]]
    assert len(shown(shared, "table.units tbody tr")) == len(of_layer)
    assert shown(shared, ".layer h3") == [layers[1]]
    assert shared.locator("output").inner_text() == f"{len(of_layer)} of {len(facts['units'])} units"

    wanted = next(u["preferred_class"]["label"] for u in of_layer if u["preferred_class"])
    shared.locator(".filter [name=class]").select_option(wanted)
    fitting = [u for u in of_layer if u["preferred_class"] and u["preferred_class"]["label"] == wanted]
    assert [int(n) for n in shown(shared, "table.units tbody th")] == [u["unit"] for u in fitting]
    assert shared.locator(".card:visible").count() == len(fitting)

    shared.locator(".filter button").press("Enter")
    all_shown = "n => document.querySelectorAll('.card:not([hidden])').length === n"
    shared.wait_for_function(all_shown, arg=len(facts["units"]))
    assert shown(shared, ".layer h3") == layers


def test_units_are_found_by_their_state_and_by_text(shared: Page, facts: dict[str, Any]) -> None:
    state = shared.locator(".filter [name=state]")
    for option in state.locator("option").all()[1:]:
        state.select_option(option.get_attribute("value"))
        found = shown(shared, "table.units tbody td:nth-child(2)")
        assert found, "a state that no unit is in"
        assert all(option.inner_text() in words for words in found)
    shared.locator(".filter button").press("Enter")
    shared.locator(".filter [name=text]").fill("no such unit anywhere")
    assert shared.locator("output").inner_text() == f"0 of {len(facts['units'])} units"
    assert shown(shared, ".layer h3") == []
    shared.locator(".filter button").press("Enter")
    assert shown(shared, ".layer h3") != []


def test_a_link_to_a_unit_that_is_narrowed_away_shows_all_again(shared: Page, facts: dict[str, Any]) -> None:
    first, last = facts["layers"][0]["name"], facts["layers"][-1]["name"]
    shared.locator(".filter [name=layer]").select_option(last)
    shared.evaluate("anchor => { location.hash = anchor }", f"{first}/u0")
    shared.wait_for_function("() => document.querySelectorAll('.layer[hidden]').length === 0")


def test_a_picture_is_enlarged_by_keyboard_and_put_back(shared: Page) -> None:
    button = shared.locator("#outputs-1 button").first
    small = button.locator("img").bounding_box()
    button.focus()
    shared.keyboard.press("Enter")
    large = shared.locator("dialog[open] img").bounding_box()
    assert small is not None
    assert large is not None
    assert large["width"] > small["width"]
    assert shared.locator("dialog p").inner_text() == button.locator("img").get_attribute("alt")
    shared.keyboard.press("Escape")
    assert shared.locator("dialog[open]").count() == 0
    assert button.evaluate("e => e === document.activeElement"), "the focus is lost"


def test_the_policy_stops_what_is_not_the_pages_own(browser: Browser, report_copy: Path) -> None:
    page_file = report_copy / "report.html"
    hostile = "<script>document.title = 'taken'</script><img src='https://example.org/x.png' onerror='alert(1)'>"
    page_file.write_text(page_file.read_text().replace("</main>", f"{hostile}</main>"))
    with opened(browser, page_file.as_uri()) as (page, heard):
        assert page.title() != "taken"
        assert any("Content Security Policy" in message for message in heard)
        assert not page.evaluate("[...document.images].some(i => i.src.startsWith('https') && i.naturalWidth)")


# -- a split page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split_report(light: Run, made_report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real report with some of its cards, so that there are not hundreds of pictures to ask for."""
    folder = tmp_path_factory.mktemp("split")
    some = detail.thinned(record_file.load(made_report), detail.Detail(cards=6))
    for name, content in record_file.to_bytes(some).items():
        (folder / name).write_bytes(content)
    done = light("render", folder, "--formats", "html", "--split")
    assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def served(folder: Path, policy: str | None) -> Iterator[str]:
    """Yield the address of a web server for `folder` that sends a policy with everything, as Jenkins does."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            if policy:
                self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_split_page_is_whole_on_a_host_that_allows_nothing_inline(browser: Browser, split_report: Path) -> None:
    with served(split_report, JENKINS) as host, opened(browser, f"{host}/report.html") as (page, heard):
        pictures = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
        sticky = page.evaluate("getComputedStyle(document.querySelector('nav')).position")
        assert page.locator(".filter").filter(visible=True).count() == 0, "this host forbids scripts"
    assert len(pictures) > 10
    assert all(pictures)
    assert sticky == "sticky", "the style sheet did not come"
    assert not [m for m in heard if "inline" in m or "data:" in m]


def test_a_split_page_runs_its_script_where_the_host_allows_it(browser: Browser, split_report: Path) -> None:
    with served(split_report, None) as host, opened(browser, f"{host}/report.html") as (page, heard):
        assert page.locator(".filter").filter(visible=True).count() == 1
        page.evaluate("document.fonts.ready")
        assert page.evaluate("[...document.fonts].some(f => f.status === 'loaded')")
    assert all(message.startswith(host) for message in heard), heard

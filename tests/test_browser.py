"""The page in a real Chromium, at the widths of a phone and of a desk, light and dark, without JavaScript."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = [320, 768, 1440]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; make test installs one where it can")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield started
        started.close()


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def opened(request: pytest.FixtureRequest, browser: Browser, made_report: Path) -> Iterator[tuple[Page, list[str]]]:
    """The real report, opened from disk; beside it everything that it complained about or asked for."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False
    )
    page, heard = context.new_page(), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith("data:") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto((made_report / "report.html").as_uri())
    yield page, heard
    context.close()


def test_the_page_asks_for_nothing_and_complains_about_nothing(
    opened: tuple[Page, list[str]], made_report: Path
) -> None:
    assert opened[1] == [(made_report / "report.html").as_uri()]


def test_nothing_is_wider_than_the_screen(opened: tuple[Page, list[str]]) -> None:
    page = opened[0]
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_every_picture_is_decoded(opened: tuple[Page, list[str]]) -> None:
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)"
    assert opened[0].evaluate("document.images.length") > 10
    assert opened[0].evaluate(broken) == []


def test_what_is_wider_than_its_column_can_be_scrolled_by_keyboard(opened: tuple[Page, list[str]]) -> None:
    stuck = """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
        && getComputedStyle(e).overflowX === 'auto' && e.tabIndex < 0).map(e => e.outerHTML.slice(0, 80))"""
    assert opened[0].evaluate(stuck) == []


def test_text_stands_out_from_its_ground(opened: tuple[Page, list[str]]) -> None:
    """The contrast of body text and of captions is at least 4.5 to 1 (WCAG AA)."""
    ratio = """selector => {
        const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
        const [a, b] = [getComputedStyle(document.querySelector(selector)).color,
            getComputedStyle(document.body).backgroundColor].map(light).sort((x, y) => y - x);
        return (a + .05) / (b + .05);
    }"""
    for selector in ("main p", "figcaption", "main a, nav a", "td"):
        assert opened[0].evaluate(ratio, selector) >= 4.5, selector


def test_the_contents_lead_to_their_sections(browser: Browser, made_report: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto((made_report / "report.html").as_uri())
    page.click("nav >> text=About this report")
    assert page.url.endswith("#about")
    assert page.locator("#about h2").bounding_box()["y"] < 900
    page.close()

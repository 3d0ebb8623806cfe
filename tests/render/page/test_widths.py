"""The page at widths from a telephone to a wide desk, light and dark: nothing is cut off without a sign, nor white."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from reportgen.i18n import literal
from reportgen.record.conditions import ConditionKind, LayerConditions
from reportgen.record.evaluation import ClassScore
from reportgen.record.model import LayerRow
from reportgen.record.pictures import ClassMap, Correlations, Examples, Maps, Seen
from reportgen.record.run import Record
from reportgen.render.page import page as pages
from tests.helpers.builders import (
    make_condition,
    make_effect,
    make_kernels,
    make_pictures,
    make_record,
    make_scores,
    make_shift,
    make_shifted_images,
    make_shifts_run,
    make_unit,
    make_verdict,
    with_effects,
)

pytestmark = pytest.mark.browser
WIDTHS = [360, 448, 768, 1024, 1440, 1920]
UNITS, CLASSES = 28, 12

CUT = """() => [...document.querySelectorAll('body *')].filter((box) => {
  const style = getComputedStyle(box);
  if (box.closest('svg') || !box.clientWidth || style.display.startsWith('inline') || style.display === 'contents')
    return false;
  if (box.scrollWidth <= box.clientWidth + 1) return false;
  const signed = style.overflowX === 'auto' && style.getPropertyValue('--after') !== '0px';
  const stands = style.overflowX === 'visible' && box.getBoundingClientRect().left + box.scrollWidth <= innerWidth;
  return !signed && !stands;
}).map((box) => `${box.className} in ${box.closest('[id]')?.id}: ${box.scrollWidth} > ${box.clientWidth}`)
"""
"""What has more in it than fits, and neither fades at its edge while it can be pushed, nor has room beside it."""

FOCUSABLE = "() => [...document.querySelectorAll('.scroll')].filter((box) => box.clientWidth).map((box) => "
FOCUSABLE += "[box.scrollWidth > box.clientWidth + 1, box.tabIndex === 0])"


def wide_record() -> Record:
    """Return a record with as many units and classes as make its pictures wide, and with all kinds of cards."""
    generator = np.random.default_rng(0)
    names = [f"class {k}" for k in range(CLASSES)]
    kinds = [ConditionKind("edge", UNITS, literal("edges"))]
    conditions = LayerConditions(kinds, literal("edges"), [], None, 100, 100, 900, 700, [])
    images = generator.integers(0, 100, (2, 28, 28, 1), dtype=np.uint8)
    r = np.corrcoef(generator.standard_normal((UNITS, 50))).astype(np.float32)
    seen = generator.random((UNITS, 3, 3, 3, 1), dtype=np.float32) * 100
    maps = generator.random((2, UNITS, 9, 9), dtype=np.float32)
    numbers = np.arange(UNITS)
    scores = make_scores(
        classes=[ClassScore(name, 0.5, 0.5, 0.5, 2) for name in names],
        confusion=(np.eye(CLASSES, dtype=int) * 10_000 + 12).tolist(),
    )
    base = make_record(
        evaluation={"train": scores, "test": scores},
        layers=[make_verdict("conv", UNITS, conditions=conditions)],
        units=[
            make_unit(unit=u, removable=u == 1, condition=make_condition(said="the lower left edge of strokes"))
            for u in range(UNITS)
        ],
        shifts=[make_shift("noise", severity, 0.3) for severity in (1, 3)],
        shifts_run=make_shifts_run(),
        pictures=make_pictures(
            examples=Examples(images, np.array([0, 0]), np.array([0, 1])),
            maps=[Maps("conv", UNITS, 1, maps[..., np.newaxis].swapaxes(1, 4)[:, 0].copy())],
            kernels=[make_kernels(generator.standard_normal((UNITS, 8, 3, 3)))],
            correlations=[Correlations("conv", UNITS, generator.permutation(UNITS), r)],
            class_maps=[ClassMap("conv", UNITS, generator.random((CLASSES, UNITS), dtype=np.float32))],
            shifted=make_shifted_images(),
            strips=[],
            seen=[Seen("conv", numbers, seen, 100 - seen, seen[:, 0], numbers, images[[0] * UNITS], maps[0], maps[1])],
        ),
    )
    model = base.model.layers[0]
    assert model == LayerRow("conv", "Conv2D", [None, 2, 2, 2], 20, True, None)
    return with_effects(base, *[make_effect({names[3]: 0.3}, names) for _ in range(UNITS)])


@pytest.fixture(scope="module", params=[True, False], ids=["with scripts", "without"])
def opened(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The page with all that is folded opened; it is loaded once for all widths."""
    record = wide_record()
    file = Path(tmp_path_factory.mktemp("wide")) / "report.html"
    file.write_text(pages.html(pages.paint(record), record.look).html)
    context = browser.new_context(java_script_enabled=request.param)
    page = context.new_page()
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details:not(.card)').forEach(d => d.open = true)")
    yield page
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_without_a_sign(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        assert opened.evaluate(CUT) == []
        assert opened.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 900)])
def test_the_first_screen_has_the_three_answers(opened: Page, width: int, height: int) -> None:
    opened.set_viewport_size({"width": width, "height": height})
    opened.evaluate("scrollTo(0, 0)")
    boxes = [one.bounding_box() for one in opened.locator(".answers .verdict").all()]
    assert len(boxes) == 3 and all(box and box["y"] + box["height"] < height for box in boxes)


@pytest.mark.parametrize("width", [1024, 1440, 1920])
def test_on_a_desk_every_picture_is_whole(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    wide = (
        "() => [...document.querySelectorAll('figure:not(.table) .scroll')].filter(b => b.scrollWidth > b.clientWidth)"
    )
    assert opened.evaluate(f"({wide})().map(b => b.closest('figure').id)") == []


def test_only_what_scrolls_takes_the_focus(opened: Page) -> None:
    with_scripts = opened.evaluate("document.querySelector('.filter').hidden") is False
    for width in (360, 1440):
        opened.set_viewport_size({"width": width, "height": 900})
        if with_scripts:  # they learn of a new size one picture of the screen later
            opened.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        found = opened.evaluate(FOCUSABLE)
        assert all(focus for scrolls, focus in found if scrolls)
        if with_scripts:
            assert not any(focus for scrolls, focus in found if not scrolls)


def test_no_large_part_of_a_dark_page_is_white(opened: Page) -> None:
    opened.set_viewport_size({"width": 1440, "height": 900})
    opened.emulate_media(color_scheme="dark")
    opened.evaluate("scrollTo(0, document.querySelector('.layer figure').offsetTop)")
    opened.set_viewport_size({"width": 1440, "height": 5000})
    shown = np.asarray(Image.open(io.BytesIO(opened.screenshot())).convert("L"))
    side = 24
    height, width = (size // side * side for size in shown.shape)
    squares = shown[:height, :width].reshape(height // side, side, width // side, side).min(axis=(1, 3))
    assert shown.mean() < 60
    assert not (squares > 200).any(), "a square of 24 pixels that is white throughout"


def test_a_closed_card_shows_kernel_map_and_sentence_and_names_only_a_state_that_is_not_ordinary(opened: Page) -> None:
    closed = opened.locator(".cards.closed .card").first
    assert closed.locator("> summary img").count() == 2
    assert all(picture["width"] >= 48 for picture in (i.bounding_box() for i in closed.locator("> summary img").all()))
    words = " ".join(closed.locator("> summary").inner_text().split())
    assert words.startswith("Unit 0 The lower left edge of strokes")
    assert "healthy" not in words
    assert "redundant" in opened.locator(".cards.opened .card > summary").first.inner_text()


def test_no_card_shows_a_picture_twice(opened: Page) -> None:
    twice = """() => [...document.querySelectorAll('.card')].map((card) => {
      const pictures = [...card.querySelectorAll('img')].filter((picture) => picture.checkVisibility());
      return pictures.length - new Set(pictures.map((picture) => picture.src)).size;
    })"""
    assert set(opened.evaluate(twice)) == {0}


def test_a_card_holds_a_picture_twice_only_if_it_is_built_closed_and_then_small_ones(opened: Page) -> None:
    repeated = """(kind) => [...document.querySelectorAll(`.cards.${kind} .card`)].map((card) => {
      const pictures = [...card.querySelectorAll('img')].map((picture) => picture.src);
      return pictures.join('').length - [...new Set(pictures)].join('').length;
    })"""
    assert set(opened.evaluate(repeated, "opened")) == {0}
    assert max(opened.evaluate(repeated, "closed")) < 4_000
    card = opened.locator(".cards.opened .card").first
    shown = [picture.get_attribute("alt") for picture in card.locator("img").all() if picture.is_visible()]
    assert {"Kernel of unit 1", "Map of unit 1"} <= set(shown)


@pytest.mark.parametrize("width", [360, 1280])
def test_an_open_card_begins_with_its_words_and_has_picture_words_map_and_difference_in_a_line(
    opened: Page, width: int
) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    card = opened.locator(".cards.opened .card").first
    words, sentence = card.locator("> summary .says"), card.locator(".condition")
    boxes = [box for image in card.locator("img").all() if (box := image.bounding_box())]
    told = [one.bounding_box() for one in (words, sentence)]
    assert all(one and one["width"] > 200 for one in told)
    assert told[1] and told[1]["y"] < min(box["y"] for box in boxes)
    strip = [image.bounding_box() for image in card.locator(".fit img").all()]
    assert len(strip) == 4 and len({one["y"] for one in strip if one}) == 1
    alts = [image.get_attribute("alt") for image in card.locator(".fit img").all()]
    assert alts == [
        "Image 1", "What the words say the map of unit 1 is", "Map of unit 1",
        "Difference of the map of unit 1 and its words",
    ]  # fmt: skip

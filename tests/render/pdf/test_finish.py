"""The repairs to WeasyPrint's PDF, on small pages that need each of them, and the writing of a PDF around them."""

import base64
import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import page as validation
import pikepdf
import pypdf
import pytest
from PIL import Image

from reportgen.errors import InputError, SurroundingsError
from reportgen.render import fonts
from reportgen.render.pdf import pdf
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.slow  # WeasyPrint takes seconds to load, and one to set a page

EMOJI, PRIVATE = "\U0001f9ff", "\ue000"  # no font of a usual machine has the second


@pytest.fixture(scope="module", autouse=True)
def _pango() -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def complaints() -> Iterator[list[str]]:
    """Collect what WeasyPrint complains about; a test that expects something empties the list."""
    found: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    ear, logger = Ear(), logging.getLogger(pdf.__name__)
    logger.addHandler(ear)
    logger.setLevel(logging.DEBUG)
    yield found
    logger.removeHandler(ear)
    logger.setLevel(logging.NOTSET)
    assert found == []


def uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def png(pixels: Any, **options: Any) -> str:
    """Return the address of a picture, given as one or as its pixels."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels, np.uint8))
    target = io.BytesIO()
    picture.save(target, "PNG", **options)
    return uri(target.getvalue())


def html(body: str, style: str = "") -> str:
    faces = fonts.rules(fonts.faces(body + style), lambda face: uri(face.woff2, "font/woff2"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Page</title><style>{faces}\n'
        f"@page {{ size: A5; margin: 15mm; font-family: {fonts.STACK}; @top-left {{ content: 'running head' }}"
        f" @bottom-right {{ content: 'page ' counter(page) }} }}\n"
        f"body {{ font-family: {fonts.STACK}; }}\n{style}</style></head><body>{body}</body></html>"
    )


def written(body: str, style: str = "") -> pikepdf.Pdf:
    """Return the PDF of a page, after the checks that hold for every page."""
    content = pdf.write(html(body, style)).content
    report = validation.validate_pdf_bytes(content, profile="ua1")
    assert report.is_compliant, [(failure.rule_id, failure.message) for failure in report.failures]
    document = pikepdf.open(io.BytesIO(content))
    assert document.check_pdf_syntax() == []
    return document


def elements(document: pikepdf.Pdf, kind: str | None = None) -> list[Any]:
    """Return the structure elements in the order in which they are read."""
    found: list[Any] = []

    def walk(node: Any) -> None:
        for kid in node if isinstance(node, pikepdf.Array) else [node]:
            if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
                found.append(kid)
                walk(kid.get("/K", pikepdf.Array()))

    walk(document.Root.StructTreeRoot.K)
    return [element for element in found if kind is None or str(element.S) == f"/{kind}"]


def kinds(element: Any) -> list[str]:
    return [str(kid.S) for kid in element.K if isinstance(kid, pikepdf.Dictionary) and "/S" in kid]


def annotations(document: pikepdf.Pdf) -> list[Any]:
    return [annotation for sheet in document.pages for annotation in sheet.get("/Annots", [])]


def pictures(document: pikepdf.Pdf) -> list[Any]:
    return [o for o in document.objects if isinstance(o, pikepdf.Stream) and o.get("/Subtype") == "/Image"]


def content(sheet: Any) -> str:
    return bytes(sheet.Contents.read_bytes()).decode("latin-1")


def text(document: bytes) -> str:
    return " ".join(" ".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(document)).pages).split())


# tables


def test_every_header_says_what_it_heads() -> None:
    document = written(
        "<h1>Scores</h1><table><thead><tr><th>class<th>f1</thead>"
        '<tbody><tr><th scope="row">circle<td>0.5'
        '<tr><th scope="rowgroup" rowspan="2">star<td>1<tr><td>2</tbody></table>'
        '<table><tr><th scope="col">a<th>b<tr><td>1<td>2</table>'
    )
    assert [str(header.A.Scope) for header in elements(document, "TH")] == [
        "/Column", "/Column", "/Row", "/Row", "/Column", "/Column",
    ]  # fmt: skip


def test_a_header_that_is_repeated_on_every_page_has_its_scope_on_each() -> None:
    rows = "".join(f'<tr><th scope="row">{n}<td>x' for n in range(60))
    document = written(f"<h1>Long</h1><table><thead><tr><th>n<th>v</thead>{rows}</table>")
    headers = elements(document, "TH")
    assert len(document.pages) > 1 and len(headers) == 60 + 2 * len(document.pages)
    assert [str(header.A.Scope) for header in headers].count("/Column") == 2 * len(document.pages)


# links


def test_a_link_says_where_it_leads_by_title_or_text() -> None:
    document = written(
        '<h1 id="top">Top</h1><p><a href="#top">back  to\n<!-- no --> the top</a> <a href="#top" title="The top">up</a>'
        ' <a href="https://example.org/">elsewhere</a></p>'
    )
    found = annotations(document)
    assert [str(link.Contents) for link in found] == ["back to the top", "The top", "elsewhere"]
    assert all(int(link.F) & 4 for link in found)
    assert str(found[2].A.URI) == "https://example.org/"


def test_a_link_around_words_or_a_picture_stays_one_link() -> None:
    picture = png(np.arange(12).reshape(2, 2, 3))
    document = written(
        '<h1 id="top">Top</h1><p><a href="#top"><strong>in</strong> bold</a></p>'
        f'<p><a href="#top"><img src="{picture}" alt="a picture" class="big"></a></p>'
        '<p><a class="entry" href="#top">entry</a></p>',
        ".big { width: 40mm; height: 40mm; } .entry::after { content: ' 3'; }",
    )
    found = annotations(document)
    assert [str(link.Contents) for link in found] == ["in bold", "a picture", "entry"]
    assert len(elements(document, "Link")) == 3
    left, bottom, right, top = map(float, found[1].Rect)
    assert right - left >= 113 and top - bottom >= 113, "the whole picture, 40 mm, can be clicked"


def test_a_link_over_two_lines_is_found_on_both() -> None:
    document = written('<h1 id="top">Top</h1><p style="width: 20mm"><a href="#top">leads back to the top</a></p>')
    assert len(annotations(document)) > 1
    assert {str(link.Contents) for link in annotations(document)} == {"leads back to the top"}


def test_every_link_is_found_again_from_its_annotation() -> None:
    """The parent tree, that a reader goes by, holds for each annotation the Link that mentions it."""
    document = written('<h1 id="x">X</h1>' + '<p><a href="#x">a <em>b</em></a> <a href="#x">c</a></p>' * 3)
    numbers = list(document.Root.StructTreeRoot.ParentTree.Nums)
    tree = dict(zip(map(int, numbers[::2]), numbers[1::2], strict=True))
    assert list(tree) == sorted(tree)
    for link in annotations(document):
        owner = tree[int(link.StructParent)]
        assert owner.S == "/Link"
        assert [kid.Obj.objgen for kid in owner.K if isinstance(kid, pikepdf.Dictionary) and "/Obj" in kid] == [
            link.objgen
        ]


# figures


def test_a_figure_tells_its_place_in_points_from_the_lower_left() -> None:
    picture = png(np.arange(12).reshape(2, 2, 3))
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="48"><title>a chart</title><path d="M0 0h9"/></svg>'
    )
    document = written(
        f'<img src="{picture}" alt="a picture"><p>{drawing}</p>',
        "img { display: block; width: 40mm; height: 20mm; margin: 10mm; } body, p { margin: 0 } svg { display: block }",
    )
    figures = elements(document, "Figure")
    assert [str(figure.Alt) for figure in figures] == ["a picture", "a chart"]
    width, height = 419.53, 595.28  # A5
    point = 72 / 25.4
    boxes = [[float(value) for value in figure.A.BBox] for figure in figures]
    assert boxes[0] == pytest.approx([25 * point, height - 45 * point, 65 * point, height - 25 * point], abs=0.1)
    for left, bottom, right, top in boxes:
        assert 0 <= left < right <= width and 0 <= bottom < top <= height
    assert boxes[1][2] - boxes[1][0] == pytest.approx(72) and boxes[1][3] - boxes[1][1] == pytest.approx(36)


# lists


def test_each_group_of_a_description_list_is_one_item() -> None:
    document = written(
        "<h1>Figures</h1><dl><div><dt>Accuracy</dt><dd>98 %</dd><dd>980 of 1,000</dd></div>\n"
        "<div><dt>Loss</dt> <dd>0.03</dd></div></dl>",
        "dl div { display: inline-block; width: 30% }",
    )
    (found,) = elements(document, "L")
    assert kinds(found) == ["/LI", "/LI"]
    assert [kinds(item) for item in found.K] == [["/Lbl", "/LBody", "/LBody"], ["/Lbl", "/LBody"]]
    for item in found.K:
        assert item.P.objgen == found.objgen and all(kid.P.objgen == item.objgen for kid in item.K)


def test_other_lists_stay_as_they_are() -> None:
    document = written("<h1>L</h1><ul><li>one <li>two<ul><li>deep</ul></ul><dl><dt>term<dd>meaning</dl>")
    found = elements(document, "L")
    assert kinds(found[0])[:2] == kinds(found[-1]) == ["/LI", "/LI"]


# running heads


def test_the_text_of_margins_is_an_artifact() -> None:
    document = written("<h1>One</h1><p>text</p><p style='break-before: page'>more</p>")
    assert len(document.pages) == 2
    for sheet in document.pages:
        assert len(re.findall(r"/Artifact\s*<<\s*/Type\s*/Pagination\s*>>\s*BDC", content(sheet))) == 2
    spoken = [kid for element in elements(document) for kid in element.K if isinstance(kid, int)]
    marked = sum(len(re.findall("/MCID", content(sheet))) for sheet in document.pages)
    assert len(spoken) == marked, "every piece that counts as content is in the tree"


# pictures


def in_colours(colours: int, places: Any) -> tuple[Image.Image, Any]:
    """Return a picture with a palette, and its pixels (H, W, 3). places: (H, W) in the palette."""
    generator = np.random.default_rng(colours)
    palette = generator.permutation(np.arange(256 * 3).reshape(256, 3) * 21 % 256)[:colours].astype(np.uint8)
    picture = Image.fromarray(places.astype(np.uint8), "P")
    picture.putpalette(palette.tobytes())
    return picture, palette[places]


@pytest.mark.parametrize("colours", [1, 2, 3, 16, 17, 256])
def test_a_picture_with_a_palette_is_in_the_pdf_as_it_is(colours: int) -> None:
    picture, pixels = in_colours(colours, np.arange(37 * 53).reshape(37, 53) % colours)
    document = written(f'<h1>P</h1><img src="{png(picture)}" alt="dots">')
    (found,) = pictures(document)
    assert str(found.ColorSpace[0]) == "/Indexed"
    assert int(found.BitsPerComponent) == {1: 1, 2: 1, 3: 2, 16: 4, 17: 8, 256: 8}[colours]
    assert found.read_raw_bytes() in base64.b64decode(png(picture).partition(",")[2]), "its rows are packed once"
    np.testing.assert_array_equal(np.asarray(pikepdf.PdfImage(found).as_pil_image().convert("RGB")), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_any_plain_picture_keeps_its_pixels(mode: str) -> None:
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (21, 13, 3), dtype=np.uint8)).convert(mode)
    document = written(f'<h1>P</h1><img src="{png(picture)}" alt="noise">')
    (found,) = pictures(document)
    shown = pikepdf.PdfImage(found).as_pil_image()
    np.testing.assert_array_equal(np.asarray(shown.convert("RGB")), np.asarray(picture.convert("RGB")))


def test_a_palette_with_a_transparent_colour_keeps_it() -> None:
    picture, _ = in_colours(4, np.arange(64).reshape(8, 8) % 4)
    document = written(f'<h1>P</h1><img src="{png(picture, transparency=2)}" alt="dots">')
    assert any("/SMask" in found for found in pictures(document))


@pytest.mark.parametrize("cut", [8, 40], ids=["head", "rows"])
def test_a_damaged_picture_is_said_to_be_one(cut: int, complaints: list[str]) -> None:
    whole = base64.b64decode(png(np.random.default_rng(0).integers(0, 256, (30, 30))).partition(",")[2])
    with pytest.raises(InputError) as caught:
        written(f'<h1>P</h1><img src="{uri(whole[:cut])}" alt="half">')
    assert_one_line(caught.value, "cannot be drawn")
    complaints.clear()


def test_pictures_of_many_colours_and_grey_ones_stay() -> None:
    generator = np.random.default_rng(0)
    colourful = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    grey = generator.integers(0, 256, (40, 40), dtype=np.uint8)
    document = written(f'<h1>P</h1><img src="{png(colourful)}" alt="noise"><img src="{png(grey)}" alt="grey noise">')
    found = {str(picture.ColorSpace): picture for picture in pictures(document)}
    assert set(found) == {"/DeviceRGB", "/DeviceGray"}
    np.testing.assert_array_equal(np.asarray(pikepdf.PdfImage(found["/DeviceRGB"]).as_pil_image()), colourful)
    np.testing.assert_array_equal(np.asarray(pikepdf.PdfImage(found["/DeviceGray"]).as_pil_image()), grey)


def test_a_palette_picture_with_transparency_keeps_both() -> None:
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[:, :15] = (200, 10, 30, 255)
    pixels[:, 15:] = (0, 10, 30, 128)
    document = written(f'<h1>P</h1><img src="{png(pixels)}" alt="half">')
    masked = next(picture for picture in pictures(document) if "/SMask" in picture)
    shown = np.asarray(pikepdf.PdfImage(masked).as_pil_image().convert("RGB"))
    np.testing.assert_array_equal(shown, pixels[..., :3])


def test_pictures_with_the_same_colours_share_a_palette() -> None:
    places = np.random.default_rng(0).integers(0, 200, (64, 64))
    one, other = (png(in_colours(200, each)[0]) for each in (places, places[::-1]))
    document = written(f'<h1>P</h1><img src="{one}" alt="a"><img src="{other}" alt="b">')
    first, second = pictures(document)
    assert first.ColorSpace[3].objgen == second.ColorSpace[3].objgen


# fonts and missing glyphs


def test_only_the_bundled_fonts_are_in_the_pdf() -> None:
    document = written("<h1>Heads</h1><p>text <b>bold</b> <strong>Привет</strong> η² ≥ 犬 <b>猫</b>")
    names = {str(font.BaseFont).partition("+")[2] for font in document.pages[0].Resources.Font.values()}
    assert names and all(name.startswith("Reportgen-") for name in names)
    assert {name for name in names if "Japanese" in name} and {name for name in names if "More" in name}


def test_the_text_of_drawings_is_in_the_bundled_fonts() -> None:
    document = written(
        f'<h1>x</h1><svg xmlns="http://www.w3.org/2000/svg" width="296" height="48" font-family="{fonts.SVG_STACK}">'
        '<title>a chart</title><text x="3" y="20">text 犬 Привет <tspan font-weight="600">bold 猫</tspan></text></svg>'
    )
    names = {str(font.BaseFont).partition("+")[2] for font in document.pages[0].Resources.Font.values()}
    assert len(names) == 5 and all(name.startswith("Reportgen-") for name in names)


def test_japanese_can_be_read_out_of_the_pdf() -> None:
    made = pdf.write(html("<h1>モデルの中身</h1><p>犬と猫 の <b>画像分類</b>"))
    assert made.without_glyph == []
    assert "モデルの中身" in text(made.content) and "画像分類" in text(made.content)


def test_a_character_without_a_glyph_is_named_by_its_number(complaints: list[str]) -> None:
    page = html(
        f'<h1>Class {PRIVATE}</h1><p class="made" data-name="cats{PRIVATE}">of &#xE001;x</p>'
        f'<img alt="a {PRIVATE}" src="{png(np.zeros((2, 2)))}">',
        f".made::after {{ content: ' by ' attr(data-name) '{PRIVATE}'; }}",
    )
    made = pdf.write(page)
    assert made.without_glyph == [PRIVATE, "\ue001"]
    assert "Class U+E000 of U+E001x by catsU+E000U+E000" in text(made.content)
    report = validation.validate_pdf_bytes(made.content, profile="ua1")
    assert report.is_compliant, [(failure.rule_id, failure.message) for failure in report.failures]
    document = pikepdf.open(io.BytesIO(made.content))
    (figure,) = elements(document, "Figure")
    assert str(figure.Alt) == f"a {PRIVATE}"
    assert pdf.write(page) == made
    assert all("U+E000" in message or "U+E001" in message for message in complaints)
    complaints.clear()


def test_an_emoji_is_drawn_or_named_by_its_number(complaints: list[str]) -> None:
    made = pdf.write(html(f"<h1>Class {EMOJI}</h1>"))
    assert made.without_glyph in ([], [EMOJI])
    assert ("U+1F9FF" if made.without_glyph else EMOJI) in text(made.content)
    assert validation.validate_pdf_bytes(made.content, profile="ua1").is_compliant
    assert bool(complaints) == bool(made.without_glyph)
    complaints.clear()


def test_what_cannot_be_named_by_its_number_is_still_told(complaints: list[str]) -> None:
    """An escape in a style sheet is not the character itself, so nothing can take its place; the writing ends."""
    made = pdf.write(html("<h1>Class</h1>", r"h1::after { content: '\E000' }"))
    assert made.without_glyph == [PRIVATE]
    complaints.clear()


# the log


def test_complaints_reach_no_terminal(capfd: pytest.CaptureFixture[str], complaints: list[str]) -> None:
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)  # as absl does, which TensorFlow brings
    try:
        pdf.write(html("<h1>x</h1>", "h1 { colour: red }"))
    finally:
        logging.getLogger().removeHandler(handler)
    assert "colour" not in capfd.readouterr().err
    (told,) = complaints
    assert "colour" in told
    complaints.clear()


def test_the_log_is_left_as_it_was() -> None:
    logger = logging.getLogger("weasyprint")
    before = logger.propagate, logger.level, list(logger.handlers)
    pdf.write(html("<h1>x</h1>"))
    assert (logger.propagate, logger.level, logger.handlers) == before


# the whole


def test_a_page_without_any_of_it_is_written_as_well() -> None:
    document = written("<p>x</p>", "@page { @top-left { content: none } @bottom-right { content: none } }")
    assert len(document.pages) == 1


def test_the_same_page_gives_the_same_bytes() -> None:
    pixels = np.arange(40 * 40 * 3).reshape(40, 40, 3) % 7
    page = html(
        f'<h1 id="x">犬</h1><p><a href="#x">a <b>b</b></a></p><img src="{png(pixels)}" alt="p">'
        "<dl><div><dt>a<dd>b</div></dl><table><tr><th>a<tr><td>b</table>"
    )
    assert pdf.write(page) == pdf.write(page)


@pytest.mark.parametrize(
    "body",
    [
        '<img src="file:///etc/hostname" alt="x">',
        '<img src="http://127.0.0.1:9/x.png" alt="x">',
        "<style>@import 'file:///etc/hostname';</style>",
        "<style>@font-face { font-family: x; src: url(file:///etc/hostname) } p { font-family: x }</style><p>x",
        '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">',
        '<object data="file:///etc/hostname"></object>',
    ],
)
def test_a_page_that_asks_for_a_file_or_an_address_is_refused(body: str) -> None:
    with pytest.raises(InputError) as caught:
        pdf.write(html(body))
    assert_one_line(caught.value, "put it into the page")


@pytest.mark.parametrize(
    "body",
    [
        '<img src="hostname" alt="x">',
        '<svg xmlns="http://www.w3.org/2000/svg"><title>t</title><image href="file:///etc/hostname"/></svg>',
    ],
)
def test_what_weasyprint_would_leave_out_in_silence_is_refused(body: str, complaints: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        pdf.write(html(body))
    assert_one_line(caught.value, "data: URI")
    complaints.clear()

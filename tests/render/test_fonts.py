"""The fonts that a page carries: complete for its characters, no larger than need be, and the same every time."""

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from reportgen.render import fonts
from tests.helpers import browsing

pytestmark = pytest.mark.slow  # fonts are cut down

LATIN = ["sans-400.woff2", "sans-600.woff2", "mono-400.woff2"]
MORE = ["sans-more-400.woff2", "sans-more-600.woff2"]
JAPANESE = ["japanese-400.woff2", "japanese-600.woff2"]
SIGNS = "×−±≤≥≈·…–—“”‘’„‚‹›«»η²³µ°→←↑↓▲▼▶◀■□●○✓✗√∞≠∑†•€‰½\u00a0\u2009\u202f\u2011"
EVERYTHING = "aж犬"


def files(words: str) -> list[str]:
    return [face.file for face in fonts.faces(words)]


def opened(content: bytes) -> Any:
    return TTFont(io.BytesIO(content))


def points(content: bytes) -> set[int]:
    return set(opened(content).getBestCmap())


def test_a_latin_page_takes_the_files_as_they_are_in_the_package() -> None:
    faces = fonts.faces("Inside the layers")
    assert [face.file for face in faces] == LATIN
    for face in faces:
        assert face.woff2 == (fonts.FOLDER / face.file).read_bytes()


def test_the_signs_of_reports_and_latin_names_are_in_the_files_of_every_page() -> None:
    assert files(SIGNS + "Łódź Übergröße İstanbul αβγ") == LATIN
    assert fonts.uncovered(SIGNS) == set()


def test_other_scripts_bring_the_files_that_hold_them_in_the_same_order() -> None:
    assert files("Привет") == MORE
    assert files("Việt a") == files("a Việt") == [*LATIN[:2], *MORE, LATIN[2]]
    assert files("犬 a") == [*LATIN, *JAPANESE]
    assert files("") == []


def test_what_no_page_shows_brings_no_file() -> None:
    assert files("\n\u200d\ufe0f\U0001f600") == []


def test_japanese_files_hold_the_characters_of_the_page_alone() -> None:
    for face in fonts.faces("犬と猫の画像分類、ラーメン。× abc"):
        if face.family == fonts.JAPANESE:
            assert points(face.woff2) == set(map(ord, "犬と猫の画像分類、ラーメン。")) | fonts.SPACES
            assert len(face.woff2) < 6_000


def test_japanese_reaches_beyond_the_first_standard() -> None:
    assert fonts.uncovered("漢字かなカナ、。「」ー～①㈱髙﨑ｶﾅ塡剝頰𠮟𠮷￥") == set()


def test_the_same_characters_give_the_same_bytes() -> None:
    assert fonts.faces("犬と猫 abc") == fonts.faces("abc猫と犬 " * 3)


def test_no_two_faces_share_family_and_weight() -> None:
    """WeasyPrint takes two files of one family and weight for one font, and draws wrong glyphs."""
    faces = fonts.faces(EVERYTHING)
    assert len(faces) == 7 == len({(face.family, face.weight) for face in faces})
    assert {face.weight for face in faces} == {400, 600}


def test_the_stacks_name_every_family() -> None:
    for face in fonts.faces(EVERYTHING):
        assert f'"{face.family}"' in fonts.MONO_STACK
        assert f'"{face.family}"' in fonts.STACK or face.family == fonts.MONO


def test_the_coverage_written_down_is_that_of_the_files() -> None:
    every: set[int] = set()
    for file in fonts.FOLDER.glob("*.woff2"):
        every |= points(file.read_bytes())
    assert fonts.uncovered("".join(map(chr, every))) == set()
    reverse = {chr(code) for code in range(0x30000) if code not in every and not 0xD800 <= code < 0xE000}
    drawn = fonts.uncovered("".join(reverse))
    assert {"≒", "汉", "\ue000", "\U0001f600"} <= drawn <= reverse


def test_uncovered_names_what_would_be_missing_and_nothing_invisible() -> None:
    assert fonts.uncovered("a é 犬 \U0001f600\ufe0f \ue000\u200d\u00ad\t\n\x1b") == {"\U0001f600", "\ue000"}


@pytest.mark.parametrize("file", [*LATIN, *MORE, *JAPANESE])
def test_every_file_has_spaces_and_our_name(file: str) -> None:
    """Pango draws a space in the font of the letter before it; the licence keeps the name Source for the originals."""
    font = opened((fonts.FOLDER / file).read_bytes())
    assert set(font.getBestCmap()) >= fonts.SPACES
    for number in (1, 3, 4, 6, 16):
        assert "Reportgen" in font["name"].getDebugName(number) and "Source" not in font["name"].getDebugName(number)
    assert "Adobe" in font["name"].getDebugName(0)
    assert "Open Font License" in font["name"].getDebugName(13)
    assert f"-{font['OS/2'].usWeightClass}." in file


@pytest.mark.parametrize("file", LATIN)
def test_figures_are_of_one_width(file: str) -> None:
    font = opened((fonts.FOLDER / file).read_bytes())
    assert len({font["hmtx"][font.getBestCmap()[ord(figure)]][0] for figure in "0123456789"}) == 1


def test_kerning_is_kept() -> None:
    for file in LATIN[:2]:
        kept = opened((fonts.FOLDER / file).read_bytes())["GPOS"].table.FeatureList.FeatureRecord
        assert "kern" in {record.FeatureTag for record in kept}


def test_a_packed_font_comes_out_as_it_went_in() -> None:
    plain = io.BytesIO()
    font = opened((fonts.FOLDER / LATIN[0]).read_bytes())
    font.flavor = None
    font.save(plain)
    before, after = opened(plain.getvalue()), opened(fonts.pack(plain.getvalue()))
    assert "glyf" in before.reader.tables
    for tag in before.reader.tables:
        assert after.reader[tag] == before.reader[tag], tag


def test_a_packed_font_is_as_long_as_its_header_says() -> None:
    content = fonts.faces("犬")[0].woff2
    assert content[:4] == b"wOF2" and len(content) % 4 == 0
    assert int.from_bytes(content[8:12], "big") == len(content)


def test_rules_name_family_weight_and_address() -> None:
    face = fonts.Face("Reportgen Sans", 600, "sans-600.woff2", b"")
    assert fonts.rules([face], lambda face: f"fonts/{face.file}") == (
        '@font-face { font-family: "Reportgen Sans"; font-weight: 600; '
        'src: url("fonts/sans-600.woff2") format("woff2"); }'
    )


def test_a_latin_page_needs_no_fonttools() -> None:
    code = "import sys; from reportgen.render import fonts; fonts.faces('abc'); print('fontTools' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_font_file_is_told_of_and_licensed() -> None:
    told = (fonts.FOLDER / "README.md").read_text("utf-8")
    for file in fonts.FOLDER.iterdir():
        if file.suffix == ".woff2":
            assert f"`{file.name}`" in told and f"{file.stat().st_size:,}" in told, file.name
    for licence in ("source-sans", "source-code-pro", "noto-sans-jp"):
        assert "SIL OPEN FONT LICENSE" in (fonts.FOLDER / f"LICENSE-{licence}.txt").read_text("utf-8")


@pytest.mark.browser
def test_a_browser_takes_every_face(browser: Any, tmp_path: Path) -> None:
    """Browsers check fonts before they use them, and say nothing to the reader where they do not."""

    def address(face: fonts.Face) -> str:
        return f"data:font/woff2;base64,{base64.b64encode(face.woff2).decode('ascii')}"

    style = fonts.rules(fonts.faces(EVERYTHING), address)
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><style>{style}</style><p>{EVERYTHING}", "utf-8")
    with browsing.opened(browser, page.as_uri()) as (shown, heard):
        states = shown.evaluate(
            "async () => { await Promise.all([...document.fonts].map(face => face.load()));"
            " return [...document.fonts].map(face => face.family + face.weight + face.status); }"
        )
    assert len(states) == 7 and all(state.endswith("loaded") for state in states)
    assert heard == [page.as_uri()]

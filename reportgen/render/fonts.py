"""The fonts that a page carries: bundled, so that it looks the same everywhere and asks nobody for anything.

The families have private names, so that no font that a reader has installed is taken instead of ours. The files, their
origin and how they were made: reportgen/fonts/README.md.
"""

import io
import json
import re
import struct
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SANS, JAPANESE, MONO = "Reportgen Sans", "Reportgen Japanese", "Reportgen Mono"
MORE = "Reportgen Sans More"  # a family of its own: WeasyPrint mixes up two files of one family and weight
STACK = f'"{SANS}", "{MORE}", "{JAPANESE}", system-ui, sans-serif'
MONO_STACK = f'"{MONO}", "{SANS}", "{MORE}", "{JAPANESE}", ui-monospace, monospace'  # paths hold any character
SVG_STACK = f"{SANS},{MORE},{JAPANESE},sans-serif"  # for an attribute: WeasyPrint's SVG stumbles over quotes and spaces
SPACES = {0x20, 0xA0}  # in every file: Pango draws a space in the font of the letter before it
FOLDER = Path(__file__).resolve().parent.parent / "fonts"

_ASCII = re.compile("[ -~]+")
_WEIGHTS = {"sans": (400, 600), "sans-more": (400, 600), "mono": (400,), "japanese": (400, 600)}
_FAMILIES = {"sans": SANS, "sans-more": MORE, "mono": MONO, "japanese": JAPANESE}


@dataclass(frozen=True)
class Face:
    """One font file of a page; `file` is a name for it, such as "sans-400.woff2", not a path."""

    family: str
    weight: int
    file: str
    woff2: bytes


def faces(words: str) -> list[Face]:
    """Return the faces that the characters of `words` need, in an order that does not depend on the words.

    The same characters give the same bytes. Latin faces come as they are in the package; the Japanese ones hold the
    characters of `words` alone, because the whole set is more than 1 MB a weight.
    """
    letters, found = set(map(ord, _letters(words))), []
    for part, covered in _coverage().items():
        if not (used := letters & covered):
            continue
        for weight in _WEIGHTS[part]:
            content = (FOLDER / f"{part}-{weight}.woff2").read_bytes()
            if part == "japanese":
                content = _cut(content, used | SPACES)
            found.append(Face(_FAMILIES[part], weight, f"{part}-{weight}.woff2", content))
    return found


def rules(faces: Iterable[Face], address: Callable[[Face], str]) -> str:
    """Return the @font-face rules of the faces; `address` gives the URL of each, as a rule a data: URI."""
    return "\n".join(
        f'@font-face {{ font-family: "{face.family}"; font-weight: {face.weight}; '
        f'src: url("{address(face)}") format("woff2"); }}'
        for face in faces
    )


def uncovered(words: str) -> set[str]:
    """Return the characters of `words` that no bundled face has, but for white space and what is never drawn."""
    known: set[int] = set().union(*_coverage().values())
    return {letter for letter in _letters(words) if ord(letter) not in known and _is_drawn(letter)}


def pack(sfnt: bytes, quality: int = 9) -> bytes:
    """Return a TrueType font as WOFF2 without the transformation of its outlines; `quality` is Brotli's, up to 11.

    fontTools writes WOFF2 too, a fifth smaller, but turns every outline into Python objects, to write it and whenever
    WeasyPrint reads it: 0.6 s instead of 0.03 s for 500 Chinese characters, and seconds for the whole set.
    """
    import brotli

    count = struct.unpack_from(">H", sfnt, 4)[0]
    records = sorted(struct.unpack_from(">4sLLL", sfnt, 12 + 16 * n) for n in range(count))
    directory, content = b"", b""
    for tag, _, start, length in records:
        # index 63: the tag follows by name; 3 in the upper bits of these two tables: not transformed
        directory += bytes([63 | (3 << 6 if tag in {b"glyf", b"loca"} else 0)]) + tag + _base128(length)
        content += sfnt[start : start + length]
    packed: bytes = brotli.compress(content, mode=brotli.MODE_FONT, quality=quality)
    total = 48 + len(directory) + len(packed)
    unpacked = 12 + 16 * count + sum(-(-length // 4) * 4 for *_, length in records)
    padding = -total % 4
    header = struct.pack(
        ">4s4sLHHLLHHLLLLL",
        *(b"wOF2", sfnt[:4], total + padding, count, 0, unpacked, len(packed)),
        *(1, 0, 0, 0, 0, 0, 0),
    )
    return header + directory + packed + bytes(padding)


def _letters(words: str) -> set[str]:
    """Return the characters of `words`, with one letter for all of ASCII: a page is millions of characters long."""
    return set(_ASCII.sub("a", words))


def _base128(value: int) -> bytes:
    """Return a number as WOFF2 writes lengths: seven bits a byte, all but the last with the eighth bit set."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))


def _cut(font: bytes, codes: set[int]) -> bytes:
    """Return the font with the glyphs of these code points alone."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options(layout_features=[], notdef_outline=True, glyph_names=False, recalc_timestamp=False)
    opened = TTFont(io.BytesIO(font), lazy=True, recalcTimestamp=False, recalcBBoxes=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(opened)
    opened.flavor = None
    plain = io.BytesIO()
    opened.save(plain)
    return pack(plain.getvalue())


@cache
def _coverage() -> dict[str, frozenset[int]]:
    """Return the code points of each part, as tests/tools/rebuild_fonts.py wrote them: reading a font takes longer."""
    written: dict[str, str] = json.loads((FOLDER / "coverage.json").read_text("ascii"))
    return {part: frozenset(_codes(ranges)) for part, ranges in written.items()}


def _codes(ranges: str) -> Iterable[int]:
    """ "41-43 E9" -> 65, 66, 67, 233."""
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def _is_drawn(letter: str) -> bool:
    """Return whether a character needs a glyph: control, format and selecting characters and white space do not."""
    selects = 0xFE00 <= ord(letter) <= 0xFE0F or 0xE0100 <= ord(letter) <= 0xE01EF
    return not (selects or letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf", "Cs"})

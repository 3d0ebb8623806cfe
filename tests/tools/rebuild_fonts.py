"""Build the bundled font files again: python -m tests.tools.rebuild_fonts PACKAGES [TARGET].

Where PACKAGES come from stands in reportgen/fonts/README.md.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont

from reportgen.render import fonts

SOURCES = {
    "source-sans-3.52.0.tgz": {
        "TTF/SourceSans3-Regular.ttf": "4644c81b86ec9caaa76b634889968ed3c4f4f52f054855933acc7c2b21e53b0f",
        "TTF/SourceSans3-Semibold.ttf": "a3f4f8dcf343a8f24dc61951de93f3ba1558b15cd250ba24af8a40e957081b7d",
    },
    "source-code-pro-2.42.0.tgz": {
        "TTF/SourceCodePro-Regular.ttf": "74bd80d3e42a08517cd7e1108ba3d86f2da29ac0f3065be95e0357956ab9db37",
    },
    "expo-google-fonts-noto-sans-jp-0.4.3.tgz": {
        "400Regular/NotoSansJP_400Regular.ttf": "d930d5d52d15231c283089760f84584272ad5e37e14607ba0d19c798e7a9caec",
        "600SemiBold/NotoSansJP_600SemiBold.ttf": "c1d1baeebf7d702d84a02166d1449ac718c171a18d9fc89b21a7cd729eb454d3",
    },
}
STYLES = {400: "Regular", 600: "SemiBold"}
FEATURES = ["ccmp", "kern", "liga", "locl", "mark", "mkmk"]  # figures are tabular without a feature

ASCII = set(range(0x20, 0x7F))
# what English and Japanese reports hold, beside names of any origin: this much is in every page
CORE = ASCII | set(range(0xA0, 0x180)) | set(range(0x391, 0x3CA)) | set(range(0x2010, 0x2015))
CORE |= set(map(ord, "‘’‚“”„†•…‰′″‹›⁄⁰⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉€№™←↑→↓↔↕↖↗↘↙⇒⇔∂∆∏∑−∙√∞≈≠≤≥■□▪▲△▴▶▷▸▼▽▾◀◁◆◊○●✓✔✗⟨⟩"))
CORE |= {0x2002, 0x2003, 0x2007, 0x2009, 0x200A, 0x200B, 0x202F, 0x2060}  # spaces and what must not break
MONO = ASCII | set(map(ord, "\u00a0£§°±²³·»«µ×÷‘’“”–—…•←↑→↓−≈≠≤≥│└├─"))
# Windows-31J is what Japanese data sets are written in; its successors added these and no others of everyday use
NEWER_KANJI = "俱剝𠮟吞噓姸屛幷瘦繫塡頰𠮷"
SYMBOLS = [(0x2000, 0x2E00), (0x3000, 0x3100), (0x31F0, 0x3400), (0xFE30, 0xFE50), (0xFF00, 0xFFA0)]


def rebuild(packages: Path, target: Path) -> None:
    """Cut the fonts of the packages to the characters of reports, rename them, and write them with their coverage."""
    sources = {Path(name).stem: content for package in SOURCES for name, content in _members(packages / package)}
    beyond = {code for code in _cmap(sources["SourceSans3-Regular"]) if code < 0x10000} - CORE
    more = {code for code in beyond if not 0xE000 <= code < 0xF900}
    japanese = _windows_31j() | set(map(ord, NEWER_KANJI)).union(*(range(*pair) for pair in SYMBOLS))
    japanese -= _cmap(sources["SourceSans3-Regular"])
    made = {
        "sans-400.woff2": _made(sources["SourceSans3-Regular"], CORE, fonts.SANS, 400, FEATURES),
        "sans-600.woff2": _made(sources["SourceSans3-Semibold"], CORE, fonts.SANS, 600, FEATURES),
        "sans-more-400.woff2": _made(sources["SourceSans3-Regular"], more, fonts.MORE, 400, FEATURES),
        "sans-more-600.woff2": _made(sources["SourceSans3-Semibold"], more, fonts.MORE, 600, FEATURES),
        "mono-400.woff2": _made(sources["SourceCodePro-Regular"], MONO, fonts.MONO, 400, FEATURES),
        # no page needs any of their features
        "japanese-400.woff2": _made(sources["NotoSansJP_400Regular"], japanese, fonts.JAPANESE, 400, []),
        "japanese-600.woff2": _made(sources["NotoSansJP_600SemiBold"], japanese, fonts.JAPANESE, 600, []),
    }
    for name, content in made.items():
        (target / name).write_bytes(content)
        print(f"{len(content):9,} {name}")
    coverage: dict[str, str] = {}
    for name, content in made.items():
        written = _ranges(_cmap(content) - (set() if name.startswith(("sans-4", "sans-6", "mono")) else fonts.SPACES))
        assert coverage.setdefault(name.rpartition("-")[0], written) == written, "the weights hold the same characters"
    (target / "coverage.json").write_text(json.dumps(coverage, indent=1) + "\n", "ascii")


def _members(package: Path) -> list[tuple[str, bytes]]:
    found = []
    with tarfile.open(package) as archive:
        for name, digest in SOURCES[package.name].items():
            member = archive.extractfile(f"package/{name}")
            content = member.read() if member else b""
            if hashlib.sha256(content).hexdigest() != digest:
                sys.exit(f"{name} in {package} is not the file that the bundled fonts were made from")
            found.append((name, content))
    return found


def _windows_31j() -> set[int]:
    found = set()
    for code in range(0x80, 0x10000):
        try:
            chr(code).encode("cp932")
        except UnicodeEncodeError:
            continue
        found.add(code)
    return found


def _cmap(font: bytes) -> set[int]:
    return set(TTFont(io.BytesIO(font)).getBestCmap())


def _made(font: bytes, codes: set[int], family: str, weight: int, features: list[str]) -> bytes:
    """Return a font cut down to some characters, so that it can be cut again and read by WeasyPrint quickly."""
    target = io.BytesIO()
    _cut(font, codes, family, weight, features).save(target)
    return fonts.pack(target.getvalue(), quality=11)


def _cut(font: bytes, codes: set[int], family: str, weight: int, features: list[str]) -> Any:
    options = subset.Options(
        layout_features=features,
        hinting=False,
        notdef_outline=True,
        glyph_names=False,
        recalc_timestamp=False,
        name_IDs=["*"],
    )
    options.drop_tables += ["BASE", "STAT", "DSIG", "vhea", "vmtx"]
    opened = TTFont(io.BytesIO(font), recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes | fonts.SPACES)
    cutter.subset(opened)
    opened["head"].flags |= 1 << 11  # WOFF2 asks for it
    _rename(opened["name"], family, weight)
    return opened


def _rename(names: Any, family: str, weight: int) -> None:
    """Give the font our name, because the licence keeps the name Source for the unchanged fonts."""
    copyright, version, licence = (names.getDebugName(number) for number in (0, 5, 13))
    names.names = []
    for number, value in {
        0: copyright,
        1: family if weight == 400 else f"{family} {STYLES[weight]}",
        2: "Regular",
        3: f"{family} {weight}, from {version}",
        4: f"{family} {STYLES[weight]}",
        5: version,
        6: f"{family.replace(' ', '')}-{STYLES[weight]}",
        13: licence,
        14: "https://scripts.sil.org/OFL",
        16: family,
        17: STYLES[weight],
    }.items():
        names.setName(value, number, 3, 1, 0x409)


def _ranges(codes: set[int]) -> str:
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return " ".join(f"{first:X}" if first == last else f"{first:X}-{last:X}" for first, last in runs)


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else fonts.FOLDER)

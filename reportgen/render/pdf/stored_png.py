"""PNGs that a PDF holds as they are: both keep compressed rows with the same filters, and palettes.

WeasyPrint 70 would unpack each to three bytes a pixel and pack it twice over. It takes these from its cache of images
instead, and asks of them what it asks of its own.
"""

import base64
import binascii
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = "data:image/png;base64,"
_ADDRESS, _SHORT = re.compile(f'src="({_START}[^"]+)"'), "data:,picture-"
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_KINDS = {(_COLOUR, 8), *((kind, bits) for kind in (_GREY, _PALETTE) for bits in (1, 2, 4, 8))}
"""The kinds of pixels and bits of a channel that PNG and PDF have in common; 16 bits would be too fine."""
_OTHERWISE = {b"tRNS", b"eXIf"}  # transparency, and a camera's orientation


@dataclass(frozen=True)
class Png:
    """What a plain PNG holds. bits: of each channel of a pixel. palette: red, green and blue of each of its colours."""

    width: int
    height: int
    bits: int
    channels: int
    palette: bytes
    rows: bytes


class StoredPng:
    """A PNG in place of WeasyPrint's own image of it, with the same methods; its lengths are in CSS pixels."""

    def __init__(self, png: Png, address: str) -> None:
        self.png, self.id = png, hashlib.md5(address.encode("ascii"), usedforsecurity=False).hexdigest()

    def get_intrinsic_size(self, resolution: float, font_size: float) -> tuple[float, float, float]:
        """Return width, height and their ratio."""
        width, height = self.png.width, self.png.height
        return width / resolution, height / resolution, width / height

    def draw(self, stream: Any, width: float, height: float, style: Any) -> None:
        """Draw the picture into a rectangle whose upper left corner is where the stream is."""
        name = stream.add_image(self, style["image_rendering"] == "auto", 1)
        stream.transform(width, 0, 0, -height, 0, height)
        stream.draw_x_object(name)

    def get_x_object(self, interpolate: bool, ratio: float) -> Any:
        """Return the picture as a stream of pydyf's, which has its palette beside it: see `finish.palettes`."""
        from pydyf import Dictionary, Stream

        png = self.png
        how = {"Predictor": 15, "Columns": png.width, "Colors": png.channels, "BitsPerComponent": png.bits}
        extra = {
            "Type": "/XObject",
            "Subtype": "/Image",
            "Width": png.width,
            "Height": png.height,
            "ColorSpace": "/DeviceRGB" if png.channels == 3 else "/DeviceGray",
            "BitsPerComponent": png.bits,
            "Interpolate": "true" if interpolate else "false",
            "Filter": "/FlateDecode",
            "DecodeParms": Dictionary(how),
        }
        rows = Stream([png.rows], extra)
        rows.palette = png.palette
        return rows


def shortened(page: str) -> tuple[str, dict[str, str]]:
    """Return HTML with a short address in place of each picture's, and the long ones by these.

    The parser, which is written in Python, would look at every letter of them.
    """
    short: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return f'src="{short.setdefault(found[1], f"{_SHORT}{len(short)}")}"'

    brief = _ADDRESS.sub(named, page)
    return brief, {name: address for address, name in short.items()}


def pictures(page: Any, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return the pictures of a page by their addresses, as far as a PDF can hold them.

    page: its parsed HTML. addresses: the long ones of those that were `shortened`. All other pictures get theirs back:
    they are left to WeasyPrint, as is what is to be said about a damaged one.
    """
    found, seen = {}, dict[str, Any]()
    for element in page.iter():
        name = element.get("src", "")
        address = addresses.get(name, name)
        if element.tag != "img":  # whatever else a template of the user's draws it with
            if name in addresses:
                element.set("src", address)
            continue
        if name not in seen:
            png = read(address.removeprefix(_START)) if address.startswith(_START) else None
            seen[name] = None if png is None else StoredPng(png, address)
        if seen[name] is None:
            element.set("src", address)
        else:
            found[name] = seen[name]
    return found


def read(encoded: str) -> Png | None:
    """Return what a PNG in base64 holds; None where it is damaged, or has what the rows of a PDF's picture have not."""
    try:
        chunks = list(_chunks(base64.b64decode(encoded, validate=True)))
        width, height, bits, kind, *others = struct.unpack(">LLBBBBB", chunks[0][1])
        names = {name for name, _ in chunks}
        if any(others) or names & _OTHERWISE or (kind, bits) not in _KINDS or not width * height:
            return None
        palette, rows = (b"".join(data for name, data in chunks if name == wanted) for wanted in (b"PLTE", b"IDAT"))
        channels = 3 if kind == _COLOUR else 1
        size = height * (1 + -(-width * channels * bits // 8))
        unpacking = zlib.decompressobj()
        if len(unpacking.decompress(rows, size + 1)) != size or not unpacking.eof:
            return None
    except (binascii.Error, struct.error, zlib.error, IndexError):
        return None
    return Png(width, height, bits, channels, palette if kind == _PALETTE else b"", rows)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(_SIGNATURE):
        raise struct.error
    at = len(_SIGNATURE)
    while at < len(png):
        length, name = struct.unpack_from(">L4s", png, at)
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length

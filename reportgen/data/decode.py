"""One picture file as pixels: upright, without transparency, grey or red, green and blue; nothing in it is trusted."""

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL import WebPImagePlugin as WebPImagePlugin  # the one format of these that Pillow does not know at once

from reportgen.i18n import Text, text

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
MOST_PIXELS = 50_000_000
MOST_BYTES = 256 * 2**20
MOST_SCANS = 500
"""In how many passes a JPEG may be stored: some bytes more for each cost the decoder a walk through all its pixels."""

_LOCK = threading.Lock()
GREY_16 = "I;16"


class Stamp(NamedTuple):
    """What tells that a file is still the one that was seen: its size in bytes, when it was written last."""

    size: int
    written: int


class Picture(NamedTuple):
    """A decoded picture in one of the modes L, I;16 and RGB. resized, transparent: whether the file's own was so."""

    image: Image.Image
    resized: bool
    transparent: bool


class Unreadable(Exception):
    """A file holds no picture that can be read. reason: why, for the report."""

    def __init__(self, reason: Text) -> None:
        self.reason = reason
        super().__init__(reason)


def content(path: str) -> tuple[bytes, Stamp]:
    """Return what a regular file holds. Raises Unreadable, and never waits for a pipe or follows a last link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(_cannot_open(error)) from error
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable(text("it is no regular file"))
        if not about.st_size:
            raise Unreadable(text("it is empty"))
        try:
            held = stream.read(MOST_BYTES + 1)
        except OSError as error:
            raise Unreadable(_cannot_open(error)) from error
    if len(held) > MOST_BYTES:
        raise Unreadable(text("it is larger than {most} MB", most=f"{MOST_BYTES // 2**20}"))
    return held, Stamp(about.st_size, about.st_mtime_ns)


@contextmanager
def guarded() -> Iterator[None]:
    """Let `decode` refuse picture bombs and incomplete pictures by Pillow's own settings.

    These are the whole process's, as warnings are; WeasyPrint, for one, has incomplete pictures taken for whole.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata; what matters is an exception
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MOST_PIXELS, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def decode(held: bytes, size: tuple[int, int] | None) -> Picture:
    """Return the picture in a file's bytes, of an animation the first one. Raises Unreadable; call it `guarded`.

    It is turned upright as its EXIF data says. What is transparent lies on white. A palette of greys is grey.
    size: (height, width) to resize to, bilinear and antialiased, whatever the proportions.
    """
    if held.count(b"\xff\xda") > MOST_SCANS and held.startswith(b"\xff\xd8"):
        raise Unreadable(text("it is a JPEG of more than {most} passes", most=f"{MOST_SCANS:,}"))
    try:
        with Image.open(io.BytesIO(held), formats=FORMATS) as image:
            return _prepared(image, size)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(text("it has more than {most} pixels", most=f"{MOST_PIXELS:,}")) from error
    except UnidentifiedImageError as error:
        raise Unreadable(text("it is no PNG, JPEG, BMP, GIF or WebP picture, or its beginning is damaged")) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged file makes of its decoders
        raise Unreadable(text("its picture is damaged or incomplete")) from error


def pixels(image: Image.Image, *, colour: bool, wide: bool) -> NDArray[Any]:
    """Return a picture of `decode` as (H, W, C): three channels if `colour`, else one; uint16 if `wide`, else uint8.

    A picture of 16 bits keeps the upper eight of them where the others have no more.
    """
    if image.mode == GREY_16 and not wide:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    array = np.asarray(image.convert("RGB") if colour else image)
    return array if colour else array[..., np.newaxis]


def _prepared(image: Image.Image, size: tuple[int, int] | None) -> Picture:
    if size is not None:
        enough = 2 * max(size)
        image.draft(None, (enough, enough))  # a JPEG decodes at a half, a quarter, an eighth for less than the whole
    image.load()
    with suppress(Exception):  # EXIF data that cannot be read say nothing about where up is
        ImageOps.exif_transpose(image, in_place=True)
    transparent = image.mode != GREY_16 and image.has_transparency_data
    plain = _plain(image, transparent)
    resized = size is not None and (plain.height, plain.width) != size
    if resized:
        assert size is not None
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return Picture(plain, resized, transparent)


def _plain(image: Image.Image, transparent: bool) -> Image.Image:
    """Return an image in one of the modes L, I;16 and RGB."""
    if image.mode == GREY_16:
        return image
    grey = image.mode in ("1", "L", "LA") or (image.mode == "P" and _grey_palette(image))
    if transparent:
        over, image = image if image.mode == "RGBA" else image.convert("RGBA"), Image.new("RGB", image.size, "white")
        image.paste(over, mask=over)
    return image.convert("L" if grey else "RGB")


def _grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _cannot_open(error: OSError) -> Text:
    if isinstance(error, FileNotFoundError):
        return text("it is not there any more")
    return text("it cannot be opened ({why})", why=error.strerror or type(error).__name__)

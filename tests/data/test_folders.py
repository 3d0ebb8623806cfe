"""Folders of pictures: found, decoded and named as they should be, whatever lies in them."""

import dataclasses
import io
import os
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from reportgen import dataset
from reportgen.analysis.evaluation import data as data_facts
from reportgen.analysis.findings import data_findings
from reportgen.data import decode, folders, samples
from reportgen.dataset import Dataset, Part
from reportgen.errors import InputError
from reportgen.i18n import text
from reportgen.options import Options
from reportgen.pipeline import provenance
from reportgen.progress import Progress
from reportgen.record.data import SkippedFile, SkippedFiles
from reportgen.record.record_file import load, to_bytes
from reportgen.record.run import Look
from reportgen.render.page import page
from reportgen.thresholds import FindingThresholds
from tests.helpers.builders import assert_one_line, make_record

Pixels = NDArray[Any]
GENERATOR = np.random.default_rng(0)


def noise(height: int = 6, width: int = 5, channels: int = 3, dtype: Any = np.uint8) -> Pixels:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return GENERATOR.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def encoded(pixels: Pixels | Image.Image, form: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


def put(root: Path, *names: str, content: bytes | None = None) -> None:
    """Write files, each a picture of its own unless `content` says what they hold."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noise()) if content is None else content)


def one_part(root: Path, *contents: bytes) -> Path:
    """Return a data set whose test split has these files as pictures of one class."""
    for number, content in enumerate(contents):
        put(root, f"test/a/{number:02}", content=content)
    return root


def images(root: Path, size: tuple[int, int] | None = None) -> Pixels:
    return folders.read(root, size).images["test"][:]


def only(root: Path, content: bytes) -> Pixels:
    """Return what a data set of this one picture holds: (H, W, C)."""
    (image,) = images(one_part(root, content))
    return image


def refused(root: Path, size: tuple[int, int] | None = None) -> InputError:
    with pytest.raises(InputError) as raised:
        folders.read(root, size)
    return raised.value


def skipped(root: Path) -> dict[str, str]:
    return {name: str(reason) for one in folders.read(root, None).skipped for name, reason in one.files}


def names_of(root: Path, part: str = "test") -> list[str]:
    """Return the files of a part in the order of its images, found by their pixels."""
    by_pixels = {np.asarray(Image.open(path)).tobytes(): path for path in (root / part).rglob("*.png")}
    found = folders.read(root, None).images[part][:]
    return [by_pixels[image.tobytes()].relative_to(root / part).as_posix() for image in found]


# Where pictures lie


def test_classes_are_the_folders_of_both_parts_and_sorted(tmp_path: Path) -> None:
    put(tmp_path, "train/b/1.png", "train/10/1.png", "test/a/1.png", "test/2/1.png", "test/b/1.png")
    (tmp_path / "train" / "empty").mkdir()
    found = folders.read(tmp_path, None)
    assert found.class_names == ("10", "2", "a", "b", "empty")
    assert found.labels["train"].tolist() == [0, 3]
    assert found.labels["test"].tolist() == [1, 2, 3]
    assert (found.skipped, found.said) == ((), None)


def test_pictures_of_a_part_come_in_turn_by_class_and_then_by_name(tmp_path: Path) -> None:
    put(tmp_path, "test/b/2.png", "test/b/10.png", "test/a/z.png", "test/a/c/y.png", "test/a/é.png", "test/c/x.png")
    expected = ["a/c/y.png", "b/10.png", "c/x.png", "a/z.png", "b/2.png", "a/é.png"]
    assert names_of(tmp_path) == expected
    assert folders.read(tmp_path, None).labels["test"].tolist() == [0, 1, 2, 0, 1, 0]


def test_hidden_files_and_the_leavings_of_other_systems_are_ignored(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png")
    left = ["test/.DS_Store", "test/a/.DS_Store", "test/a/._1.png", "test/a/Thumbs.db", "test/a/desktop.ini"]
    put(tmp_path, *left, "test/__MACOSX/1.png", "test/a/__MACOSX/1.png", "test/.ipynb/1.png", content=b"left")
    found = folders.read(tmp_path, None)
    assert found.class_names == ("a",)
    assert len(found.images["test"]) == 1
    assert not found.skipped


@pytest.mark.parametrize("name", ["<b>&amp;<b>", "{{ 7 * 7 }}", "日本語", "a" * 255, "'; -- \u202e", "=1+1"])
def test_a_class_may_have_any_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"test/{name}/1.png")
    assert folders.read(tmp_path, None).class_names == (name,)


def test_names_that_are_not_utf_8_are_written_out(tmp_path: Path) -> None:
    folder = os.fsdecode(b"test/caf\xe9")
    put(tmp_path, f"{folder}/1.png")
    put(tmp_path, folder + os.fsdecode(b"/\xff.png"), content=b"no picture")
    found = folders.read(tmp_path, None)
    assert found.class_names == (r"caf\xe9",)
    assert [name for name, _ in found.skipped[0].files] == [r"test/caf\xe9/\xff.png"]


def test_a_name_composed_and_decomposed_is_one_class(tmp_path: Path) -> None:
    put(tmp_path, "train/\u304c/1.png", "test/\u304b\u3099/1.png")
    found = folders.read(tmp_path, None)
    assert found.class_names == ("\u304c",)
    assert [labels.tolist() for labels in found.labels.values()] == [[0], [0]]


@pytest.mark.parametrize(("made", "expected"), [("train/a", True), ("test/a", True), ("tests/a", False), ("a", False)])
def test_a_folder_of_pictures_is_told_by_its_parts(tmp_path: Path, made: str, expected: bool) -> None:
    (tmp_path / made).mkdir(parents=True)
    assert folders.looks_like(tmp_path) is expected
    assert folders.looks_like(tmp_path / "nowhere") is False


def test_a_file_beside_the_folders_of_classes_has_no_label(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png", "test/stray.png")
    assert skipped(tmp_path) == {"test/stray.png": "it lies in the folder of no class"}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (["test/1.png"], "the folder test holds no folders"),
        (["test/a/"], "the folder test holds no file"),
        (["test/a/1.png", "train/"], "the folder train holds no folders"),
        (["test/a/1.png", "train"], "train is no folder"),
    ],
)
def test_parts_without_pictures_are_refused(tmp_path: Path, made: Sequence[str], said: str) -> None:
    for name in made:
        put(tmp_path, name) if not name.endswith("/") else (tmp_path / name).mkdir(parents=True)
    assert_one_line(refused(tmp_path), said)


def test_more_classes_and_more_files_than_a_report_can_show_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"test/{name}/{n}.png" for name in "abc" for n in range(2)))
    monkeypatch.setattr(folders, "MOST_FILES", 5)
    assert_one_line(refused(tmp_path), "test", 5)
    monkeypatch.setattr(folders, "MOST_FILES", 6)
    assert len(folders.read(tmp_path, None).images["test"]) == 6
    monkeypatch.setattr(folders, "MOST_CLASSES", 2)
    assert_one_line(refused(tmp_path), "test", 2)


# What a picture becomes

RGB = noise()
GREY = noise(channels=1)
GREY_16 = noise(channels=1, dtype=np.uint16)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(RGB), RGB),
        (encoded(RGB, "BMP"), RGB),
        (encoded(RGB, "WEBP", lossless=True), RGB),
        (encoded(GREY), GREY),
        (encoded(GREY, "BMP"), GREY),
        (encoded(GREY, "GIF"), GREY),
        (encoded(GREY > 127), np.where(GREY > 127, 255, 0)),
        (encoded(GREY > 127, "BMP"), np.where(GREY > 127, 255, 0)),
        (encoded(GREY, mode="LA"), GREY),
        (encoded(RGB, mode="RGBA"), RGB),
        (encoded(GREY_16), GREY_16),
    ],
    ids=lambda value: value[:4].strip(b"\x89").decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_lossless_picture_keeps_every_pixel(tmp_path: Path, content: bytes, expected: Pixels) -> None:
    found = only(tmp_path, content)
    assert found.dtype == (np.uint16 if expected.dtype == np.uint16 else np.uint8)
    assert found.shape[2] == (expected.shape[2] if expected.ndim == 3 else 1)
    assert (found.squeeze() == expected).all()


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("WEBP", "RGB")])
def test_a_lossy_picture_keeps_its_colours(tmp_path: Path, form: str, mode: str) -> None:
    flat = Image.new("RGB", (16, 16), (200, 40, 90))
    found = only(tmp_path, encoded(flat, form, mode, quality=95))
    expected = [94] if mode == "L" else [200, 40, 90]  # 0.299 * 200 + 0.587 * 40 + 0.114 * 90
    assert found.shape == (16, 16, len(expected))
    assert np.abs(found.astype(int) - expected).max() <= 6


def test_sixteen_bits_of_colour_become_eight_without_a_loss_of_range(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", *row) for row in [[0, 257, 65535, 32768, 256, 1], [0] * 6])
    found = only(tmp_path, png(chunk(b"IDAT", zlib.compress(rows)), width=2, height=2, depth=16, colour=2))
    assert found.tolist() == [[[0, 1, 255], [128, 1, 0]], [[0, 0, 0]] * 2]


def test_pictures_of_sixteen_bits_are_cut_to_eight_where_others_have_no_more(tmp_path: Path) -> None:
    root = one_part(tmp_path, encoded(GREY_16), encoded(GREY))
    found = folders.read(root, None)
    assert found.images["test"].dtype == np.uint8
    assert (found.images["test"][:][..., 0] == [GREY_16 >> 8, GREY]).all()
    assert found.said == "Pictures of 16 bits a pixel were cut to their upper 8, since others have no more."


def test_one_picture_in_colour_makes_all_so(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", content=encoded(GREY))
    found = folders.read(one_part(tmp_path, encoded(RGB), encoded(GREY_16)), None)
    assert (found.images["train"][:] == GREY[..., None].repeat(3, axis=2)).all()
    assert (found.images["test"][:] == [RGB, (GREY_16 >> 8)[..., None].repeat(3, axis=2)]).all()
    assert found.said is not None
    assert "Grey pictures were taken for colour pictures" in found.said


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    image.putpalette([9, 9, 9, 200, 200, 200, 0, 0, 0])
    assert only(tmp_path, encoded(image)).tolist() == [[[9], [200], [0]]]
    image.putpalette([9, 9, 9, 200, 200, 0, 0, 0, 0])
    assert only(tmp_path, encoded(image)).tolist() == [[[9] * 3, [200, 200, 0], [0] * 3]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(np.array([[[9, 9, 9, 0], [100, 0, 50, 255], [0, 0, 0, 51]]], np.uint8)), [255, 100, 204]),
        (encoded(Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 51)])), [204]),
        (encoded(np.array([[7, 8]], np.uint8), transparency=7), [255, 8]),
        (encoded(np.array([[[7, 7, 7], [8, 0, 0]]], np.uint8), transparency=(7, 7, 7)), [255, 8]),
        (encoded(Image.fromarray(np.array([[7, 8]], np.uint8)).convert("P"), "GIF", transparency=7), [255, 8]),
    ],
    ids=["RGBA", "LA", "grey with a key", "RGB with a key", "GIF"],
)
def test_what_is_transparent_lies_on_white(tmp_path: Path, content: bytes, expected: list[int]) -> None:
    root = one_part(tmp_path, content)
    found = folders.read(root, None)
    assert found.images["test"][:][0, 0, :, 0].tolist() == expected
    assert found.said == "Transparent pictures were laid on white."


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright(tmp_path: Path, form: str) -> None:
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:, :16] = 255
    turned = Image.Exif()
    turned[0x0112] = 6  # the left edge is to be the top
    found = only(tmp_path, encoded(flat, form, exif=turned))
    assert found.shape == (32, 16, 3)
    assert found[:12].min() > 240
    assert found[20:].max() < 15


def test_exif_data_that_cannot_be_read_do_not_spoil_the_picture(tmp_path: Path) -> None:
    content = bytearray(encoded(RGB, "JPEG", exif=b"Exif\0\0II*\0" + b"\xff" * 40))
    assert only(tmp_path, bytes(content)).shape == RGB.shape


def test_of_an_animation_the_first_picture_counts(tmp_path: Path) -> None:
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    content = encoded(first, "GIF", save_all=True, append_images=[second])
    assert (only(tmp_path, content)[..., 0] == GREY).all()
    content = encoded(Image.fromarray(RGB), "WEBP", save_all=True, append_images=[second], lossless=True)
    assert (only(tmp_path, content) == RGB).all()


# Sizes


def test_pictures_of_several_sizes_are_refused_with_the_sizes_and_what_to_do(tmp_path: Path) -> None:
    root = one_part(tmp_path, *[encoded(noise(8, 9))] * 3, encoded(noise(9, 8)), encoded(noise(7, 7)))
    put(root, "train/a/1.png", content=encoded(noise(8, 9)))
    error = refused(root)
    assert_one_line(error, "3 sizes", "8x9 (4)", "9x8 (1)", "7x7 (1)", "--image-size 8x9")


def test_many_sizes_are_cut_to_ten(tmp_path: Path) -> None:
    error = refused(one_part(tmp_path, *[encoded(noise(n, 4)) for n in range(1, 31)]))
    assert_one_line(error, "30 sizes", "and 20 more")


def test_a_size_resizes_all_pictures_and_is_said(tmp_path: Path) -> None:
    half = np.zeros((20, 40), np.uint8)
    half[:, :20] = 200
    root = one_part(tmp_path, encoded(half), encoded(np.full((4, 8), 7, np.uint8)), encoded(half.T.copy()))
    found = folders.read(root, (4, 8))
    assert found.images["test"].shape == (3, 4, 8, 1)
    wide, same, tall = found.images["test"][:][..., 0]
    assert (wide[:, :3] == 200).all() and (wide[:, 5:] == 0).all()
    assert (same == 7).all()
    assert (tall[0] == 200).all() and (tall[3] == 0).all()  # its proportions are not kept
    assert found.said is not None
    assert found.said.startswith("Pictures of another size were resized to 4x8 pixels, height by width")
    assert folders.read(one_part(tmp_path / "same", encoded(half)), (20, 40)).said is None


def test_shrinking_takes_all_pixels_into_account(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = images(one_part(tmp_path, encoded(board)), (8, 8))
    assert np.abs(found.astype(int) - 127).max() <= 2


def test_sixteen_bits_are_kept_by_resizing(tmp_path: Path) -> None:
    found = images(one_part(tmp_path, encoded(np.full((8, 8), 40_000, np.uint16))), (3, 5))
    assert found.dtype == np.uint16
    assert (found == 40_000).all()


def test_a_large_jpeg_is_resized_as_from_all_its_pixels(tmp_path: Path) -> None:
    large = np.asarray(Image.fromarray(noise(9, 9)).resize((800, 600), Image.Resampling.BICUBIC))
    content = encoded(large, "JPEG", quality=95)
    (found,) = images(one_part(tmp_path, content), (24, 32))
    expected = np.asarray(Image.open(io.BytesIO(content)).resize((32, 24), Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - expected).max() <= 4


# Files that hold no picture


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, width: int = 2, height: int = 2, depth: int = 8, colour: int = 0) -> bytes:
    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def repeated_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last pass comes `count` times more."""
    whole = encoded(RGB, "JPEG", progressive=True)
    start = whole.rfind(b"\xff\xda")
    return whole[:start] + whole[start:-2] * (count + 1) + whole[-2:]


DATA = chunk(b"IDAT", zlib.compress(b"\0\1\2" * 2))
BOMB = zlib.compress(bytes(2**26))
NOT_ONE = "it is no PNG, JPEG, BMP, GIF or WebP picture, or its beginning is damaged"
DAMAGED = "its picture is damaged or incomplete"
BROKEN = {
    "empty": (b"", "it is empty"),
    "text": (b"not a picture", NOT_ONE),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NOT_ONE),
    "tiff": (encoded(RGB, "TIFF"), NOT_ONE),
    "eps": (encoded(RGB, "EPS"), NOT_ONE),
    "png cut": (encoded(RGB)[:-40], DAMAGED),
    "png flipped": (encoded(RGB)[:-24] + bytes([encoded(RGB)[-24] ^ 1]) + encoded(RGB)[-23:], DAMAGED),
    "jpeg cut": (encoded(noise(64, 64), "JPEG")[:-600], DAMAGED),
    "gif cut": (encoded(noise(64, 64), "GIF")[:-600], DAMAGED),
    "bmp cut": (encoded(RGB, "BMP")[:-3], DAMAGED),
    "webp cut": (encoded(noise(64, 64), "WEBP")[:-100], DAMAGED),
    "no pixels": (png(DATA, width=0, height=0), NOT_ONE),
    "many pixels": (png(DATA, width=7200, height=7200), "it has more than 50,000,000 pixels"),
    "very many pixels": (png(DATA, width=2**31 - 1, height=2**31 - 1), "it has more than 50,000,000 pixels"),
    "bomb in a text": (png(chunk(b"zTXt", b"a\0\0" + BOMB), DATA), DAMAGED),
    "bomb in a profile": (png(chunk(b"iCCP", b"a\0\0" + BOMB), DATA), DAMAGED),
    "many passes": (repeated_scans(600), "it is a JPEG of more than 500 passes"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_without_a_picture_is_skipped_counted_and_named(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    content, reason = BROKEN[kind]
    put(tmp_path, *(f"test/a/{n}.png" for n in range(4)), "train/a/1.png")
    put(tmp_path, "test/a/broken.png", content=content)
    found = folders.read(tmp_path, None)
    (one,) = found.skipped
    assert (one.part, one.count, one.files) == ("test", 1, (("test/a/broken.png", reason),))
    assert (len(found.images["test"]), len(found.labels["test"])) == (4, 4)


def test_some_more_passes_than_usual_are_none_too_many(tmp_path: Path) -> None:
    assert only(tmp_path, repeated_scans(50)).shape == RGB.shape


def test_a_file_of_very_many_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "test/a/1.png", "test/a/2.png")
    (tmp_path / "test/a/2.png").write_bytes(encoded(noise()) + bytes(2**20))
    monkeypatch.setattr(decode, "MOST_BYTES", 2**20)
    assert skipped(tmp_path) == {"test/a/2.png": "it is larger than 1 MB"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_skipped_and_a_folder_refused(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png", "test/a/2.png")
    (tmp_path / "test/a/2.png").chmod(0)
    assert skipped(tmp_path) == {"test/a/2.png": "it cannot be opened (Permission denied)"}
    (tmp_path / "test/a").chmod(0)
    try:
        assert_one_line(refused(tmp_path), "test/a cannot be listed", "Permission denied")
    finally:
        (tmp_path / "test/a").chmod(0o755)


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png")
    os.mkfifo(tmp_path / "test/a/pipe.png")
    (tmp_path / "test/a/zero.png").symlink_to("/dev/zero")
    os.mknod(tmp_path / "test/a/socket.png", stat.S_IFSOCK | 0o600)
    assert skipped(tmp_path) == {
        "test/a/pipe.png": "it is no regular file",
        "test/a/socket.png": "it is no regular file",
        "test/a/zero.png": "it is a symbolic link that leaves the data folder",
    }


def test_links_are_followed_to_files_of_the_data_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_FEW", 10)
    root = tmp_path / "data"
    put(root, "test/a/1.png", "pool/2.png", "test/a/sub/3.png")
    put(tmp_path, "outside.png", "data-beside/4.png")
    links = {
        "inside.png": "../../pool/2.png",
        "outside.png": "../../../outside.png",
        "absolute.png": "/etc/hostname",
        "beside.png": "../../../data-beside/4.png",
        "nowhere.png": "gone.png",
        "circle.png": "circle.png",
        "folder": "../../pool",
        "loop": "..",
    }
    for name, target in links.items():
        (root / "test/a" / name).symlink_to(target)
    (root / "test/a/two.png").symlink_to("outside.png")
    leaves = "it is a symbolic link that leaves the data folder"
    found = folders.read(root, None)
    assert dict(found.skipped[0].files) == {
        "test/a/outside.png": leaves,
        "test/a/absolute.png": leaves,
        "test/a/beside.png": leaves,
        "test/a/two.png": leaves,
        "test/a/nowhere.png": "it is a symbolic link that leads nowhere",
        "test/a/circle.png": "it is a symbolic link that leads nowhere",
        "test/a/folder": "it is a symbolic link to something other than a file",
        "test/a/loop": "it is a symbolic link to something other than a file",
    }
    assert len(found.images["test"]) == 3


@pytest.mark.parametrize("name", ["test", "test/a"])
def test_a_part_or_a_class_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, "pool/a/1.png")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / ("pool" if name == "test" else "pool/a"))
    assert_one_line(refused(tmp_path), f"{name} is a symbolic link")


def test_the_data_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "data/test/a/1.png")
    (tmp_path / "link").symlink_to("data")
    assert len(folders.read(tmp_path / "link", None).images["test"]) == 1


@pytest.mark.parametrize(("good", "bad", "passes"), [(3, 3, True), (3, 4, False), (36, 4, True), (35, 4, False)])
def test_more_than_a_tenth_and_more_than_three_are_too_many(tmp_path: Path, good: int, bad: int, passes: bool) -> None:
    put(tmp_path, *(f"test/a/{n}.png" for n in range(good)))
    put(tmp_path, *(f"test/a/bad{n}.png" for n in range(bad)), content=b"bad")
    if passes:
        assert folders.read(tmp_path, None).skipped[0].count == bad
    else:
        assert_one_line(refused(tmp_path), f"{bad} of {good + bad} files in test", "test/a/bad3.png", NOT_ONE)


def test_too_many_are_named_up_to_ten_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png")
    put(tmp_path, *(f"test/a/{n:02}-{'long' * 50}.png" for n in range(12)), content=b"bad")
    error = refused(tmp_path)
    assert_one_line(error, "12 of 13 files in test", "and 2 more", *(f"test/a/{n:02}-" for n in range(10)))


def test_a_class_that_loses_all_its_pictures_is_refused(tmp_path: Path) -> None:
    put(tmp_path, *(f"test/a/{n}.png" for n in range(30)))
    put(tmp_path, "test/lost/1.png", content=b"bad")
    assert_one_line(refused(tmp_path), "no file in test of the class 'lost'")


def test_the_report_names_the_first_twenty(tmp_path: Path) -> None:
    put(tmp_path, *(f"test/a/{n}.png" for n in range(230)))
    put(tmp_path, *(f"test/a/bad{n:02}.png" for n in range(25)), content=b"bad")
    (one,) = folders.read(tmp_path, None).skipped
    assert (one.count, len(one.files)) == (25, 20)
    assert [name for name, _ in one.files] == [f"test/a/bad{n:02}.png" for n in range(20)]


def test_pillows_own_settings_are_as_they_were(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png")
    before = Image.MAX_IMAGE_PIXELS
    folders.read(tmp_path, None).images["test"][:]
    assert before == Image.MAX_IMAGE_PIXELS


# Any bytes at all

SEEDS = {
    "png": encoded(RGB, pnginfo=PngImagePlugin.PngInfo()),
    "palette": encoded(RGB, mode="P", transparency=b"\0\x10"),
    "16 bits": encoded(GREY_16),
    "jpeg": encoded(RGB, "JPEG"),
    "progressive": encoded(RGB, "JPEG", progressive=True),
    "gif": encoded(RGB, "GIF", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
    "bmp": encoded(RGB, "BMP"),
    "webp": encoded(RGB, "WEBP"),
    "webp with alpha": encoded(RGB, "WEBP", "RGBA", lossless=True),
}
QUICKLY = hypothesis.settings(max_examples=60, deadline=None, database=None, derandomize=True)


def decoded(content: bytes) -> None:
    """Decode `content` as far as it goes. Anything but a picture or Unreadable fails the test."""
    with decode.guarded():
        try:
            image = decode.decode(content, None).image
        except decode.Unreadable:
            return
        assert decode.pixels(image, colour=True, wide=False).shape == (image.height, image.width, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEEDS)
@QUICKLY
@hypothesis.given(data=st.data())
def test_a_mutated_picture_is_decoded_or_skipped_and_nothing_else(kind: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[kind])
    places = st.integers(0, len(content) - 1)
    changes = data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8))
    for place, value in changes:
        content[place] = value
    cut, extra = data.draw(st.tuples(places, st.binary(max_size=8)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decode, "MOST_PIXELS", 100_000)
        decoded(bytes(content))
        decoded(bytes(content[:cut]) + extra + bytes(content[cut:]))
        decoded(bytes(content[:cut]))


KINDS = st.sampled_from([b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"acTL", b"fcTL", b"IDAT"])


@pytest.mark.slow
@QUICKLY
@hypothesis.given(
    parts=st.lists(st.tuples(KINDS, st.binary(max_size=40)), max_size=5),
    sides=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    depth=st.sampled_from([1, 2, 4, 8, 16]),
    colour=st.sampled_from([0, 2, 3, 4, 6]),
)
def test_png_files_of_any_chunks_are_decoded_or_skipped(
    parts: list[tuple[bytes, bytes]], sides: tuple[int, int], depth: int, colour: int
) -> None:
    chunks = [chunk(kind, zlib.compress(content) if kind == b"IDAT" else content) for kind, content in parts]
    decoded(png(*chunks, width=sides[0], height=sides[1], depth=depth, colour=colour))


# Images that are read when they are asked for


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    put(root, *(f"test/{name}/{n:02}.png" for name in "ab" for n in range(15)))
    return root


def test_images_answer_as_the_array_of_them_would(many: Path) -> None:
    read = folders.read(many, None).images["test"]
    whole = np.stack([np.asarray(Image.open(many / "test" / "ab"[n % 2] / f"{n // 2:02}.png")) for n in range(30)])
    assert (read.shape, read.dtype, len(read)) == (whole.shape, whole.dtype, len(whole))
    asked: list[Any] = [slice(None), slice(3, 20, 4), slice(-5, None), slice(9, 9), np.array([7, 7, -1, 0]), 5, [1, 2]]
    asked += [np.array([], np.int64), slice(None, None, -1), np.arange(30) % 3 == 0]
    for which in asked:
        assert (read[which].shape, read[which].dtype) == (whole[which].shape, whole.dtype)
        assert (read[which] == whole[which]).all()
    with pytest.raises(IndexError):
        read[np.array([30])]
    ours, theirs = dataset.survey(read), dataset.survey(whole)
    assert (ours.sha256, ours.digests.tolist()) == (theirs.sha256, theirs.digests.tolist())


@pytest.mark.parametrize("what", ["gone", "changed", "a link", "a pipe"])
def test_a_picture_that_changes_meanwhile_is_an_error_of_one_line(tmp_path: Path, what: str) -> None:
    put(tmp_path, "test/a/1.png", "test/a/2.png", "other.png")
    read = folders.read(tmp_path, None).images["test"]
    path = tmp_path / "test/a/2.png"
    path.unlink()
    if what == "changed":
        put(tmp_path, "test/a/2.png", content=encoded(noise(9, 9)))
    elif what == "a link":
        path.symlink_to(tmp_path / "other.png")
    elif what == "a pipe":
        os.mkfifo(path)
    assert len(read[:1]) == 1
    with pytest.raises(InputError) as raised:
        read[:]
    assert_one_line(raised.value, "2.png changed after it was first read")


PEAK = """
import resource, sys
from pathlib import Path
from reportgen import dataset
from reportgen.data import folders
dataset.BLOCK = 4_000_000
found = folders.read(Path(sys.argv[1]), None).images["test"]
assert len(dataset.survey(found).digests) == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_ten_times_as_many_pictures_take_no_more_memory(tmp_path: Path) -> None:
    content = encoded(Image.new("L", (200, 200), 7))  # 40 kB each, so that 1,000 are more than half the peak
    peaks = []
    for count in (100, 1000):
        root = tmp_path / str(count)
        put(root, "test/a/0000.png", content=content)
        for number in range(1, count):
            os.link(root / "test/a/0000.png", root / f"test/a/{number:04}.png")
        command = [sys.executable, "-c", PEAK, str(root), str(count)]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 1.15 * peaks[0]


# As a data set


def test_a_folder_of_pictures_is_a_data_set(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{name}/{n}.png" for part in ("train", "test") for name in "ab" for n in range(3)))
    put(tmp_path, "test/b/bad.png", content=b"bad")
    found = samples.load(str(tmp_path), test_only=False, size=(4, 4))
    assert found.name == tmp_path.name
    assert found.source == f"pictures in {tmp_path}"
    assert (found.image_shape, found.class_names) == ((4, 4, 3), ("a", "b"))
    assert [one.count for one in found.skipped] == [1]
    facts = data_facts.facts(found, looked_at=["test"])
    assert facts.pixels.startswith("Pictures of another size were resized to 4x4 pixels")
    assert facts.pixels.endswith("Pixel values reach the model as they are stored.")
    assert samples.load(tmp_path, test_only=False, size=(4, 4)).sha256 == found.sha256
    assert samples.load(tmp_path, test_only=False, size=(4, 5)).sha256 != found.sha256


def test_a_test_part_alone_is_enough_for_a_model(tmp_path: Path) -> None:
    put(tmp_path, "test/a/1.png", "test/b/1.png")
    found: Dataset = samples.load(tmp_path, test_only=True)
    assert found.train is None
    with pytest.raises(InputError) as raised:
        samples.load(tmp_path, test_only=False)
    assert_one_line(raised.value, "has no folder train", "--model")


def test_without_a_test_part_it_says_what_is_missing(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "dev/a/1.png")
    with pytest.raises(InputError) as raised:
        samples.load(tmp_path, test_only=True)
    assert_one_line(raised.value, "has no folder test", "test/<class>/<pictures>")


def test_a_size_for_anything_but_pictures_in_folders_is_refused() -> None:
    given: Any
    for given in ("sample", {"x_test": [], "y_test": []}):
        with pytest.raises(InputError) as raised:
            samples.load(given, test_only=True, size=(8, 8))
        assert_one_line(raised.value, "--image-size")


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), ("64", (64, 64)), (64, (64, 64)), ("64x48", (64, 48)), ("1x10000", (1, 10_000))],
)
def test_the_option_names_height_and_width(given: Any, expected: Any) -> None:
    options = Options(image_size=given)
    options.check()
    assert options.picture_size == expected


@pytest.mark.parametrize(
    "given", ["", "0", "64x", "x64", "64x0", "-1", "64x48x3", "6 4", "10001", "６４", 0, 6.4, True, (64, 48)]
)
def test_an_option_that_is_no_size_is_refused_with_what_was_given(given: Any) -> None:
    with pytest.raises(InputError) as raised:
        Options(image_size=given).check()
    assert_one_line(raised.value, f"--image-size is {given!r}", "HEIGHTxWIDTH")


def test_the_command_that_makes_the_report_again_has_the_size() -> None:
    assert provenance.command(None, "pictures", Options(image_size="64x48")).endswith("pictures --image-size 64x48")
    assert "image-size" not in provenance.command(None, "pictures", Options())


# In the report

NO_CHECKS = data_facts.DataChecks(0, 0, [], 0, [], {}, {}, {})
HOSTILE = "test/<script>alert(1)</script>{{ 7*7 }}\u202e.png"


def with_skipped(count: int) -> Any:
    record = make_record()
    files = [SkippedFile(HOSTILE, text("it is empty")), SkippedFile("test/b.png", text("it is no regular file"))]
    return make_record(data=dataclasses.replace(record.data, skipped=[SkippedFiles("test", count, files[:count])]))


def test_skipped_files_are_a_finding_with_their_names_and_reasons() -> None:
    for count, said in ((1, "1 file of 7 holds no picture"), (25, "25 files of 31 hold no picture")):
        record = with_skipped(count)
        (one,) = data_findings.find(record.data, NO_CHECKS, record.model, FindingThresholds())
        assert (one.code, one.severity) == ("skipped-files", "warning")
        assert said in one.message
        assert "(it is empty)" in one.message
    assert '"test/b.png" (it is no regular file) and 23 more' in one.message


def test_the_page_names_skipped_files_where_it_describes_the_data() -> None:
    record = with_skipped(25)
    shown = page.html(page.paint(record), Look()).html
    assert "25 files hold no picture that can be read:" in shown
    assert "test/&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in shown
    assert "and 23 more" in shown
    assert "Files left out" not in page.html(page.paint(make_record()), Look()).html


def test_skipped_files_outlive_the_disk_and_older_reports_have_none(tmp_path: Path) -> None:
    record = with_skipped(2)
    for name, content in to_bytes(record).items():
        (tmp_path / name).write_bytes(content)
    assert load(tmp_path).data.skipped == record.data.skipped
    older = (tmp_path / "report.json").read_text(encoding="utf-8").replace('"skipped"', '"else"')
    (tmp_path / "report.json").write_text(older, encoding="utf-8")
    assert load(tmp_path).data.skipped == []


# Training on them


class OnDisk:
    """Images that are no array, as those in files are, and remember which were asked for."""

    def __init__(self, images: Pixels) -> None:
        self._images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.asked: list[Any] = []

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, which: Any, /) -> Any:
        self.asked.append(which)
        return self._images[which]


def trained(train: Any, test: Any, count: Callable[[int], None] = lambda done: None) -> list[Pixels]:
    """Return the weights after two epochs on images of two classes, 16 at a time."""
    from reportgen import runtime
    from reportgen.model import fit, network

    runtime.make_deterministic(3)
    parts = [Part(images, np.arange(len(images)) % 2) for images in (train, test)]
    model = network.build(train.shape[1:], 2)
    scaled = dataset.Pixels(1 / 255, text("scaled"))
    whole = Dataset("tiny", text("made for a test"), parts[0], parts[1], ("a", "b"), "0" * 64, scaled)
    fit.fit(model, whole, epochs=2, batch_size=16, patience=9, count=count, progress=Progress())
    return [np.asarray(weights) for weights in model.get_weights()]


@pytest.mark.tensorflow
def test_images_on_disk_are_shuffled_anew_each_epoch_and_equal_seeds_train_alike() -> None:
    pixels = GENERATOR.integers(0, 256, (40, 12, 12, 1), dtype=np.uint8)
    disk = OnDisk(pixels)
    first = trained(disk, pixels)
    asked = [which.tolist() for which in disk.asked[2:]]  # Keras looks at two batches beforehand
    assert [len(which) for which in asked] == [16, 16, 8] * 2  # never all at once, and a short batch comes last
    one, two = list(chain(*asked[:3])), list(chain(*asked[3:]))
    assert sorted(one) == sorted(two) == list(range(40))
    assert one != two
    assert all((weights == again).all() for weights, again in zip(first, trained(OnDisk(pixels), pixels), strict=True))


@pytest.mark.tensorflow
def test_a_picture_that_vanishes_while_training_is_an_error_of_one_line(tmp_path: Path) -> None:
    for number in range(40):
        put(tmp_path, f"test/a/{number:02}.png", content=encoded(noise(12, 12, 1)))
    pictures = folders.read(tmp_path, None).images["test"]

    def count(done: int) -> None:
        if done == 1:
            (tmp_path / "test/a/17.png").unlink()

    with pytest.raises(InputError) as raised:
        trained(pictures, pictures, count)
    assert_one_line(raised.value, "17.png changed after it was first read: it is not there any more")

"""IDX files: what is read, and what is refused in one line."""

import gzip
import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.data import idx, stored
from reportgen.errors import InputError
from tests.helpers.builders import assert_one_line

IMAGES, LABELS = 0x803, 0x801
TRAIN_IMAGES = "train-images-idx3-ubyte"
USUAL = {
    "x_train": TRAIN_IMAGES,
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
STORED = {
    "x_train": np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3),
    "y_train": np.array([0, 1, 1, 9], np.uint8),
    "x_test": np.arange(100, 100 + 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3),
    "y_test": np.array([9, 0], np.uint8),
}


def encoded(array: NDArray[np.uint8]) -> bytes:
    """Return an array as the bytes of an IDX file."""
    return header(0x800 + array.ndim, *array.shape) + array.tobytes()


def header(magic: int, *sizes: int) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes)


def put(folder: Path, key: str, *, dotted: bool = False, zipped: bool = False) -> None:
    name = USUAL[key].replace("-idx", ".idx") if dotted else USUAL[key]
    content = encoded(STORED[key])
    (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)


def refused(path: Path, content: bytes, magic: int = IMAGES) -> InputError:
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        idx.read(path, magic)
    return raised.value


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("dotted", [False, True], ids=["hyphen", "dot"])
def test_all_four_files_are_found_by_their_usual_names(tmp_path: Path, dotted: bool, zipped: bool) -> None:
    for key in USUAL:
        put(tmp_path, key, dotted=dotted, zipped=zipped)
    found = idx.read_folder(tmp_path)
    assert found.keys() == STORED.keys()
    for key, array in found.items():
        assert array.dtype == np.uint8
        assert np.array_equal(array, STORED[key]), key


def test_plain_and_zipped_files_may_be_mixed(tmp_path: Path) -> None:
    put(tmp_path, "x_test", zipped=True)
    put(tmp_path, "y_test", dotted=True)
    assert idx.read_folder(tmp_path).keys() == {"x_test", "y_test"}


def test_other_files_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "x_test")
    (tmp_path / "readme.txt").write_text("digits", encoding="utf-8")
    (tmp_path / TRAIN_IMAGES).mkdir()
    assert idx.read_folder(tmp_path).keys() == {"x_test"}


def test_a_folder_without_any_idx_file_is_refused_with_the_names_it_could_have(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("digits", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        idx.read_folder(tmp_path)
    assert_one_line(raised.value, tmp_path, *USUAL.values(), ".gz")


def test_a_damaged_file_in_a_folder_is_named(tmp_path: Path) -> None:
    put(tmp_path, "y_test")
    (tmp_path / TRAIN_IMAGES).write_bytes(b"")
    with pytest.raises(InputError) as raised:
        idx.read_folder(tmp_path)
    assert_one_line(raised.value, tmp_path / TRAIN_IMAGES)


@pytest.mark.parametrize(
    ("magic", "content", "fault"),
    [
        pytest.param(IMAGES, header(LABELS, 2, 2, 2) + bytes(8), "0x00000801", id="labels for images"),
        pytest.param(LABELS, header(IMAGES, 2) + bytes(2), "0x00000803", id="images for labels"),
        pytest.param(IMAGES, header(0xD03, 2, 2, 2) + bytes(32), "0x00000d03", id="floats"),
        pytest.param(IMAGES, b"\x89PNG\r\n\x1a\n" + bytes(32), "0x89504e47", id="a picture"),
    ],
)
def test_another_magic_number_is_refused_with_what_was_found_and_expected(
    tmp_path: Path, magic: int, content: bytes, fault: str
) -> None:
    path = tmp_path / "file"
    assert_one_line(refused(path, content, magic), path, fault, f"{magic:#010x}")


@pytest.mark.parametrize("length", [0, 1, 4, 15])
def test_a_file_that_ends_within_its_header_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "file"
    assert_one_line(refused(path, header(IMAGES, 2, 2, 2)[:length]), path, "header")


@pytest.mark.parametrize(("length", "said"), [(0, "0"), (7, "7"), (9, "more"), (5000, "more")])
def test_too_little_and_too_much_data_are_refused(tmp_path: Path, length: int, said: str) -> None:
    path = tmp_path / "file"
    assert_one_line(refused(path, header(IMAGES, 2, 2, 2) + bytes(length)), path, said, "expected 8")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    "sizes",
    [(2**32 - 1, 2**32 - 1, 2**32 - 1), (100_000, 280, 280), (0, 2**32 - 1, 2**32 - 1)],
    ids=["beyond all memory", "7.8 GB", "no images of giant size"],
)
def test_a_giant_claim_is_refused_without_taking_the_memory(
    tmp_path: Path, sizes: tuple[int, int, int], suffix: str
) -> None:
    path = tmp_path / f"file{suffix}"
    content = header(IMAGES, *sizes) + (b"x" if math.prod(sizes) else b"")
    tracemalloc.start()
    try:
        error = refused(path, gzip.compress(content) if suffix else content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_one_line(error, path)
    assert peak < 50e6


def test_what_unpacks_to_far_more_than_images_do_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 2**20)
    monkeypatch.setattr(stored.Spool, "write", lambda *_: pytest.fail("it was unpacked"))
    bomb = gzip.compress(header(IMAGES, 4000, 28, 28) + bytes(4000 * 28 * 28))
    assert_one_line(refused(tmp_path / "file.gz", bomb), "file.gz", "3,136,000 bytes", "100 times")


def test_a_bomb_behind_a_small_header_is_left_as_soon_as_there_is_too_much(tmp_path: Path) -> None:
    bomb = gzip.compress(header(IMAGES, 2, 2, 2) + bytes(100_000_000), 1)
    tracemalloc.start()
    try:
        error = refused(tmp_path / "file.gz", bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_one_line(error, "more bytes", "expected 8")
    assert peak < 20e6


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    put(tmp_path, "x_test")
    (folder / USUAL["x_test"]).symlink_to(tmp_path / USUAL["x_test"])
    with pytest.raises(InputError) as raised:
        idx.read_folder(folder)
    assert_one_line(raised.value, USUAL["x_test"], "leads out of", folder)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"plain" + content, id="no gzip"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
        pytest.param(lambda content: content[:-8] + bytes(8), id="wrong checksum"),
        pytest.param(lambda content: content[:12] + b"\xff" * (len(content) - 12), id="overwritten"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: object) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    assert_one_line(refused(path, damage(gzip.compress(encoded(pixels)))), path)


def test_the_name_of_a_file_cannot_break_the_line(tmp_path: Path) -> None:
    error = refused(tmp_path / "a\nb", b"")
    assert_one_line(error, "a b")

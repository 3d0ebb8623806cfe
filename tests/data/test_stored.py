"""Images on disk: they answer as an array does, however they came there, and their number costs no memory."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.data import samples, stored
from reportgen.dataset import Dataset, blocks
from reportgen.errors import InputError, SurroundingsError
from tests.data.test_idx import encoded
from tests.helpers.builders import assert_one_line

Array = NDArray[Any]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (60, 4, 5), dtype=np.uint8)
LABELS = np.arange(60) % 3


def on_disk(tmp_path: Path, images: Array, *, offset: int = 7) -> stored.Stored:
    path = tmp_path / "images"
    path.write_bytes(bytes(offset) + images.tobytes())
    with path.open("rb") as file:
        return stored.Stored(stored.Handle(file.fileno()), offset, images.shape, images.dtype, str(path))


# What an array would answer


@pytest.mark.parametrize(
    "which",
    [
        *(slice(*ends) for ends in [(None,), (3, 9), (-5, None), (None, None, 7), (None, None, -1), (9, 3), (50, 100)]),
        *([], [3], [3, 4, 5], [5, 4, 3], [7, 7, 7], [-1, 0, -60, 59], [0, 2, 3, 4, 9, 8, 59]),
        *(np.array([1, 5], dtype) for dtype in (np.uint8, np.int64, np.uint64)),
        np.int64(4),
        -1,
    ],
    ids=str,
)
def test_it_answers_as_the_array_does(tmp_path: Path, which: Any) -> None:
    which = which if isinstance(which, slice | int | np.integer) else np.array(which, getattr(which, "dtype", int))
    found, expected = on_disk(tmp_path, IMAGES)[which], IMAGES[which]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("seed", range(5))
def test_images_in_any_order_are_those_that_were_asked_for(tmp_path: Path, seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(-60, 60, 200)
    assert np.array_equal(on_disk(tmp_path, IMAGES)[numbers], IMAGES[numbers])


def test_shape_dtype_and_length_are_the_array_s(tmp_path: Path) -> None:
    found = on_disk(tmp_path, IMAGES).reshape((60, 4, 5, 1))
    assert (found.shape, found.dtype, len(found), found.nbytes) == ((60, 4, 5, 1), np.uint8, 60, IMAGES.nbytes)
    assert np.array_equal(found[:], IMAGES[..., np.newaxis])


@pytest.mark.parametrize("dtype", ["<i2", ">i2", ">f4", "<f8", ">f8", "f2", "?", "g"])
def test_numbers_of_every_kind_come_in_this_machine_s_order(tmp_path: Path, dtype: str) -> None:
    images = GENERATOR.integers(-99, 99, (9, 2, 2, 1)).astype(dtype)
    kept = on_disk(tmp_path, images)
    assert kept.dtype == kept[:].dtype == kept[[2, 1]].dtype
    assert kept.dtype.isnative and kept.dtype.itemsize <= 8
    assert np.array_equal(kept[:], images)


@pytest.mark.parametrize("which", [[60], [-61], 60, np.array([0, 2**63], np.uint64)], ids=str)
def test_images_that_are_not_there_are_no_images(tmp_path: Path, which: Any) -> None:
    with pytest.raises(IndexError):
        on_disk(tmp_path, IMAGES)[which]


@pytest.mark.parametrize("which", [[0.5], np.zeros(60, bool), np.zeros((2, 2), int), "a", (0, 1, 2, 3, ...)], ids=str)
def test_what_names_no_images_is_an_error(tmp_path: Path, which: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        on_disk(tmp_path, IMAGES)[which]


def test_the_file_may_be_removed_meanwhile_but_not_shortened(tmp_path: Path) -> None:
    kept = on_disk(tmp_path, IMAGES)
    os.truncate(tmp_path / "images", 7 + 30 * 20)
    assert np.array_equal(kept[:30], IMAGES[:30])
    with pytest.raises(InputError) as raised:
        kept[29:31]
    assert_one_line(raised.value, tmp_path / "images", "shorter")
    (tmp_path / "images").unlink()
    assert np.array_equal(kept[:30], IMAGES[:30])


def test_files_are_closed_when_nobody_needs_their_images_any_more(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    kept = on_disk(tmp_path, IMAGES)
    other = kept.reshape((60, 20))
    del kept
    assert np.array_equal(other[:1], IMAGES[:1].reshape(1, 20))
    del other
    assert count() == before


# Bytes that come piece by piece


@pytest.mark.parametrize("most", [0, 19, 20, 599, 600, 1199, 1200, 5000])
def test_what_is_written_piece_by_piece_is_the_same_in_memory_and_on_disk(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", most)
    spool = stored.Spool("the images")
    for image in IMAGES:
        spool.write(image.tobytes())
    found = spool.images(IMAGES.shape, IMAGES.dtype)
    assert isinstance(found, np.ndarray) == (most >= 1200)
    assert spool.size == 1200
    assert np.array_equal(found[:], IMAGES)


def test_more_than_a_disk_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "ON_DISK", 100)
    spool = stored.Spool("the images")
    spool.write(bytes(100))
    with pytest.raises(InputError) as raised:
        spool.write(b"x")
    assert_one_line(raised.value, "the images", "101 bytes", "at most 100")


def test_without_room_for_a_temporary_file_the_variable_is_named_that_moves_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 2**20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    spool = stored.Spool("the images")
    with pytest.raises(SurroundingsError) as raised:
        spool.write(bytes(2**20 + 1))
    assert_one_line(raised.value, "the images", "1 MB", "No such file", "TMPDIR")


def test_a_full_disk_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(SurroundingsError) as raised:
        stored.Spool("the images").write(b"x")
    assert_one_line(raised.value, "No space left on device")


# The containers


def plain(folder: Path) -> Path:
    np.savez(folder / "a.npz", **arrays())
    return folder / "a.npz"


def packed(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", **arrays())
    return folder / "a.npz"


def npy(folder: Path) -> Path:
    for key, array in arrays().items():
        np.save(folder / f"{key}.npy", array)
    return folder


def idx(folder: Path) -> Path:
    for part, name in (("train", "train"), ("test", "t10k")):
        (folder / f"{name}-images-idx3-ubyte").write_bytes(encoded(arrays()[f"x_{part}"]))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(encoded(arrays()[f"y_{part}"]))
    return folder


def zipped_idx(folder: Path) -> Path:
    for path in list(idx(folder).iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return folder


def arrays() -> dict[str, Array]:
    return {
        "x_train": IMAGES,
        "y_train": LABELS.astype(np.uint8),
        "x_test": IMAGES[::-1].copy(),
        "y_test": LABELS.astype(np.uint8)[::-1].copy(),
    }


def content(dataset: Dataset) -> Any:
    return [(name, part.images[:].tolist(), part.labels.tolist()) for name, part in dataset.parts.items()]


@pytest.mark.parametrize("made", [plain, packed, npy, idx, zipped_idx])
def test_what_is_too_large_for_memory_is_the_same_data(
    tmp_path: Path, made: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path)
    expected = samples.load(path, test_only=False)
    assert isinstance(expected.test.images, np.ndarray)
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    found = samples.load(path, test_only=False)
    assert isinstance(found.test.images, stored.Stored)
    assert content(found) == content(expected) == content(samples.load(arrays(), test_only=False))
    assert found.sha256 == expected.sha256 == samples.load(arrays(), test_only=False).sha256


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_one_hot_rows_may_be_too_large_for_memory_too(
    tmp_path: Path, pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(tmp_path / "a.npz", x_test=IMAGES[:, :2], y_test=np.eye(300)[LABELS])
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    monkeypatch.setattr(stored, "UNPACKED", 10_000)
    assert samples.load(tmp_path / "a.npz", test_only=True).test.labels.tolist() == LABELS.tolist()


def test_other_labels_have_to_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", x_test=IMAGES, y_test=np.array([f"{label:099}" for label in LABELS]))
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    with pytest.raises(InputError) as raised:
        samples.load(tmp_path / "a.npz", test_only=True)
    assert_one_line(raised.value, "y_test", "too large", "one integer, text or one-hot row")


def test_big_endian_images_on_disk_are_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = GENERATOR.standard_normal((60, 4, 5))
    np.savez(tmp_path / "little.npz", x_test=images.astype("<f4"), y_test=LABELS)
    np.savez(tmp_path / "big.npz", x_test=images.astype(">f4"), y_test=LABELS)
    expected = samples.load(tmp_path / "little.npz", test_only=True)
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    found = samples.load(tmp_path / "big.npz", test_only=True)
    assert isinstance(found.test.images, stored.Stored)
    assert content(found) == content(expected)
    assert found.sha256 == expected.sha256


def test_fortran_order_is_turned_in_memory_and_refused_where_it_is_too_large_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", x_test=np.asfortranarray(IMAGES), y_test=LABELS)
    expected = samples.load({"x_test": IMAGES, "y_test": LABELS}, test_only=True)
    assert samples.load(tmp_path / "a.npz", test_only=True).sha256 == expected.sha256
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    with pytest.raises(InputError) as raised:
        samples.load(tmp_path / "a.npz", test_only=True)
    assert_one_line(raised.value, "x_test", "Fortran", "ascontiguousarray")


def test_damage_in_images_that_stay_on_disk_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, images = tmp_path / "a.npz", GENERATOR.integers(0, 256, (60, 20, 20), dtype=np.uint8)
    np.savez(path, x_test=images, y_test=LABELS)
    whole = bytearray(path.read_bytes())
    whole[whole.index(images.tobytes()) + 20_000] ^= 1
    path.write_bytes(whole)
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    with pytest.raises(InputError) as raised:
        samples.load(path, test_only=True)
    assert_one_line(raised.value, "x_test", "checksum")


def test_an_archive_behind_other_bytes_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path)
    expected = samples.load(path, test_only=False).sha256
    path.write_bytes(b"PK, not yet" + path.read_bytes())
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    assert samples.load(path, test_only=False).sha256 == expected


MEASURED = """
import json, resource, sys
import numpy as np
from reportgen import dataset
from reportgen.data import samples, stored

stored.IN_MEMORY = dataset.BLOCK = 2**20
found = []
for path in sys.argv[1:]:
    part = samples.load(path, test_only=True).test
    part.images[np.arange(0, len(part), max(len(part) // 64, 1))]
    found.append((type(part.images).__name__, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    def save(name: str, count: int, compression: int) -> None:
        images = np.resize(GENERATOR.integers(0, 256, 30_011, dtype=np.uint8) // 32, (count, 100, 100))
        with zipfile.ZipFile(tmp_path / name, "w", compression, compresslevel=1) as archive:
            for key, array in (("x_test", images), ("y_test", np.arange(count) % 2)):
                with archive.open(f"{key}.npy", "w") as member:
                    np.save(member, array)

    save("few.npz", 400, zipfile.ZIP_STORED)
    save("many.npz", 4_000, zipfile.ZIP_STORED)
    save("packed.npz", 4_000, zipfile.ZIP_DEFLATED)
    paths = [tmp_path / name for name in ("few.npz", "many.npz", "packed.npz")]
    done = subprocess.run([sys.executable, "-c", MEASURED, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (few, megabytes), (many, more), (packed, most) = json.loads(done.stdout)
    assert few == many == packed == "Stored"
    assert most >= more >= megabytes
    assert most - megabytes < 10, "40 MB of images must not be 40 MB of memory"


def test_blocks_of_images_on_disk_are_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.dataset.BLOCK", 7 * 20)
    found = list(blocks(on_disk(tmp_path, IMAGES)))
    assert [len(block) for block in found] == [7] * 8 + [4]
    assert np.array_equal(np.concatenate(found), IMAGES)

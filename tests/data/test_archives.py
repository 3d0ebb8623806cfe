"""Pictures in zip and tar files: read as the folders in them would be, and nothing hostile in one does anything."""

import csv
import gzip
import io
import pickle
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from reportgen.data import archives, folders, samples, stored
from reportgen.errors import InputError
from tests.data.test_layouts import load, picture, refused, sizes
from tests.helpers.builders import assert_one_line

Archive = Callable[[Path, Mapping[str, bytes]], Path]


def zipped(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


WAYS: dict[str, tuple[str, Archive]] = {
    "zip": ("photos.zip", zipped),
    "stored": ("photos.zip", lambda path, members: zipped(path, members, zipfile.ZIP_STORED)),
    "tar": ("photos.tar", tarred),
    "gzip": ("photos.tar.gz", lambda path, members: tarred(path, members, "w:gz")),
    "bzip2": ("photos.tar.bz2", lambda path, members: tarred(path, members, "w:bz2")),
    "xz": ("photos.tar.xz", lambda path, members: tarred(path, members, "w:xz")),
    "no ending": ("photos", lambda path, members: tarred(path, members, "w:gz")),
}
PHOTOS = {f"{name}/{number}.png": picture(number) for number in range(10) for name in ("dog", "cat")}


@pytest.fixture(params=WAYS)
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Mapping[str, bytes]], Path]:
    name, made = WAYS[request.param]
    return lambda members: made(tmp_path / name, members)


def unpacked(root: Path, members: Mapping[str, bytes]) -> Path:
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("around", ["", "photos/", "./", "a/b/"])
def test_an_archive_of_classes_is_read_as_its_folder_is(
    packed: Callable[[Mapping[str, bytes]], Path], around: str, tmp_path: Path
) -> None:
    path = packed({f"{around}{name}": content for name, content in PHOTOS.items()} | {"README.txt": b"Animals."})
    found, folder = load(path, test_only=True), load(unpacked(tmp_path / "folder", PHOTOS), test_only=True)
    assert (found.class_names, found.source) == (("cat", "dog"), f"pictures in {path}")
    assert found.sha256 == folder.sha256  # the same images and labels in the same order
    assert found.prepared == folder.prepared and found.skipped == ()
    assert sizes(load(path, validation_split=0.2)) == (16, 4)
    assert load(path, test_only=True, size=(4, 6)).image_shape == (4, 6, 1)


@pytest.mark.slow
@pytest.mark.parametrize("around", ["", "photos/"])
def test_an_archive_of_parts_is_read_as_its_folder_is(
    packed: Callable[[Mapping[str, bytes]], Path], around: str, tmp_path: Path
) -> None:
    parts = ("Training", "test", "val")
    members = {f"{part}/{name}": content for part in parts for name, content in PHOTOS.items()}
    found = load(packed({f"{around}{name}": content for name, content in members.items()}))
    folder = load(unpacked(tmp_path / "folder", members))
    assert (found.sha256, sizes(found)) == (folder.sha256, (20, 20))
    assert found.prepared == folder.prepared == "The validation split val was left out, as there is a test split."


def test_a_class_may_be_called_valid_in_an_archive_too(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"valid/1.png": picture(1), "invalid/1.png": picture(2)})
    assert load(path, test_only=True).class_names == ("invalid", "valid")


def test_what_lies_beside_pictures_is_left_out_and_named_and_rubbish_is_ignored(tmp_path: Path) -> None:
    more = {
        "cat/notes.txt": b"x",
        "cat/bad.png": b"bad",
        "cat/none.png": b"",
        "__MACOSX/cat/._1.png": b"x",
        "cat/.DS_Store": b"x",
        "dog\\10.png": picture(10),
    }
    found = load(zipped(tmp_path / "a.zip", PHOTOS | more), test_only=True)
    assert sizes(found) == (None, 21)
    assert [name for name, _ in found.skipped[0].files] == ["cat/bad.png", "cat/none.png", "cat/notes.txt"]
    with pytest.raises(InputError) as caught:
        load(zipped(tmp_path / "a.zip", PHOTOS | {f"cat/{n}.gif": b"bad" for n in range(9)}), test_only=True)
    assert_one_line(caught.value, "9 of 29 files", "hold no picture")


def test_pictures_of_an_archive_are_cut_and_sent_elsewhere(tmp_path: Path) -> None:
    images = load(tarred(tmp_path / "a.tar", PHOTOS), test_only=True).test.images
    assert np.array_equal(pickle.loads(pickle.dumps(images.cut(3, 6)))[:], images[3:6])  # type: ignore[attr-defined]


def test_a_large_archive_goes_through_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tarred(tmp_path / "a.tar", PHOTOS)
    small = load(path, test_only=True)
    monkeypatch.setattr(stored, "IN_MEMORY", 100)
    monkeypatch.setattr(stored, "UNPACKED", 10**9)
    before = set(tmp_path.iterdir())
    large = load(path, test_only=True)
    assert np.array_equal(large.test.images[:], small.test.images[:])
    assert np.array_equal(large.test.images[3:6], small.test.images[3:6])
    assert set(tmp_path.iterdir()) == before


# Archives that are none, or not of pictures in classes


@pytest.mark.parametrize("made", [zipped, tarred])
def test_pictures_without_classes_are_refused_and_the_ways_out_work(made: Archive, tmp_path: Path) -> None:
    flat = {f"{number:02}.png": picture(number) for number in range(20)}
    assert_one_line(refused(made(tmp_path / "a", flat)), "of which class", "a folder of its own")
    assert sizes(load(made(tmp_path / "a", PHOTOS), test_only=True)) == (None, 20)
    labels = "file,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(flat))
    path = made(tmp_path / "b", flat | {"labels.csv": labels.encode()})
    assert_one_line(refused(path), "unpack it", "--data the folder", "table of their labels")
    if made is zipped:
        zipfile.ZipFile(path).extractall(tmp_path / "folder")
    else:
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / "folder", filter="data")
    assert sizes(load(tmp_path / "folder", test_only=True)) == (None, 20)


def test_an_archive_of_something_else_says_what_it_holds_and_unpacked_it_is_read(tmp_path: Path) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([["label", *(f"p{n}" for n in range(64))], *([n % 2, *[n] * 64] for n in range(20))])
    path = zipped(tmp_path / "digits.zip", {"digits/digits.csv": rows.getvalue().encode()})
    assert_one_line(refused(path), "without pictures", "digits/digits.csv", "unpack it, and give --data the folder")
    zipfile.ZipFile(path).extractall(tmp_path / "out")
    assert sizes(load(tmp_path / "out" / "digits", test_only=True)) == (None, 20)
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(rows.getvalue().encode()))
    assert_one_line(refused(tmp_path / "digits.csv.gz"), "no tar file", "unpack it (gunzip)")
    (tmp_path / "digits.csv").write_bytes(gzip.decompress((tmp_path / "digits.csv.gz").read_bytes()))
    assert sizes(load(tmp_path / "digits.csv", test_only=True)) == (None, 20)


def test_an_archive_of_arrays_is_still_read_as_one_whatever_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 8, 8), np.uint8), y=[0, 1, 0, 1])
    (tmp_path / "data.npz").rename(tmp_path / "data.zip")
    assert sizes(load(tmp_path / "data.zip", test_only=True)) == (None, 4)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_archive_is_one_line(way: str, tmp_path: Path) -> None:
    name, made = WAYS[way]
    path = made(tmp_path / name, PHOTOS)
    whole = path.read_bytes()
    for share in (0.01, 0.3, 0.6):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert_one_line(refused(path, test_only=True), path)
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            samples.load(path, test_only=True)
        except InputError as error:
            assert_one_line(error)


def test_a_tar_file_that_is_damaged_in_the_middle_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", PHOTOS)
    held = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        held[archive.getmembers()[10].offset + 150] ^= 0xFF
    path.write_bytes(held)
    assert_one_line(refused(path, test_only=True), path, "damaged", "download it again")


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", PHOTOS)
    held = bytearray(path.read_bytes())
    at = held.find(b"PK\x01\x02")
    held[at + 8] |= 1
    path.write_bytes(held)
    assert_one_line(refused(path, test_only=True), "encrypted", "without a password")


# Hostile archives


@pytest.mark.parametrize("name", ["../cat/x.png", "cat/../../x.png", "/etc/x.png", "cat/..\\..\\x.png"])
@pytest.mark.parametrize("made", [zipped, tarred])
def test_a_name_that_leads_out_writes_nothing_and_is_left_out(
    made: Archive, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    path = made(inside / "a", PHOTOS | {name: picture(3)})
    before = sorted(tmp_path.rglob("*"))
    found = load(path, test_only=True)
    assert len(found.test) == 20
    assert [str(why) for _, why in found.skipped[0].files] == ["it lies outside of the data folder"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_a_device_in_a_tar_file_is_left_out(kind: bytes, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(5))
    path = tarred(tmp_path / "a.tar", PHOTOS)
    with tarfile.open(path, "a") as archive:
        about = tarfile.TarInfo("cat/link.png")
        about.type, about.linkname = kind, str(secret)
        archive.addfile(about)
    found = load(path, test_only=True)
    assert [(name, str(why)) for name, why in found.skipped[0].files] == [("cat/link.png", "it is no regular file")]


def test_a_link_in_a_zip_file_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", PHOTOS)
    with zipfile.ZipFile(path, "a") as archive:
        about = zipfile.ZipInfo("cat/link.png")
        about.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(about, "/etc/hostname")
    assert [name for name, _ in load(path, test_only=True).skipped[0].files] == ["cat/link.png"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["zip", "gzip", "bzip2", "xz"])
def test_a_bomb_is_refused_before_it_is_unpacked(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 2**20)
    name, made = WAYS[way]
    path = made(tmp_path / name, PHOTOS | {"cat/bomb.png": bytes(64 * 2**20)})
    monkeypatch.setattr(stored, "copied", None if way == "zip" else stored.copied)  # not one is unpacked
    assert_one_line(refused(path, test_only=True), path, "would unpack")


def test_a_tar_file_that_claims_more_than_it_holds_is_refused_at_once(tmp_path: Path) -> None:
    about = tarfile.TarInfo("cat/1.png")
    about.size = 2**36
    path = tmp_path / "a.tar"
    path.write_bytes(about.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    before = time.monotonic()
    assert_one_line(refused(path, test_only=True), "would unpack")
    assert time.monotonic() - before < 2


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_name_of_any_length_does_not_fill_the_memory(kind: bytes, tmp_path: Path) -> None:
    about = tarfile.TarInfo("x")
    about.type, about.size = kind, 2**33
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(about.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    assert_one_line(refused(path, test_only=True), "a name of 8,58")


def test_more_files_than_there_may_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 15)
    for made in (zipped, tarred):
        assert_one_line(refused(made(tmp_path / "a", PHOTOS), test_only=True), "more than 15 files")


def test_a_list_of_files_beyond_all_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", PHOTOS)
    monkeypatch.setattr(archives, "_MOST_LISTING", 100)
    assert_one_line(refused(path, test_only=True), "more than")
    held = path.read_bytes()
    at = held.rfind(b"PK\x05\x06")
    assert struct.unpack("<I", held[at + 12 : at + 16])[0] > 100

"""Archives and files of arrays that are damaged, lie, or wait for ever: one line each, no memory for a claim."""

import gzip
import io
import os
import socket
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reportgen.data import samples, stored
from reportgen.errors import InputError, ReportgenError
from tests.data.test_idx import encoded
from tests.helpers.builders import assert_one_line

Array = NDArray[Any]
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 1, 0, 2])


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as raised:
        samples.load(path, test_only=True)
    return raised.value


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def described(header: str, data: bytes = b"", *, version: int = 1) -> bytes:
    """Return an .npy file with this header, such as "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}"."""
    text = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def claim(shape: str, descr: str = "'|u1'", data: bytes = b"") -> bytes:
    return described(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", data)


def archive(path: Path, compression: int = zipfile.ZIP_STORED, **members: Any) -> Path:
    """Write a zip of .npy members; y_test fits IMAGES unless it is given."""
    with zipfile.ZipFile(path, "w", compression) as made:
        for key, content in ({"x_test": npy(IMAGES), "y_test": npy(LABELS)} | members).items():
            made.writestr(f"{key}.npy", content if isinstance(content, bytes) else npy(content))
    return path


@contextmanager
def little_memory(most: float = 20e6) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


# What an archive can lie about


@pytest.mark.slow
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("member", "said"),
    [
        pytest.param(claim("(6, 4, 5)", data=bytes(119)), "120 bytes", id="a byte less than it says"),
        pytest.param(claim("(6, 4, 5)", data=bytes(121)), "has 121", id="a byte more than it says"),
        pytest.param(claim(f"({10**13},)"), "10,000,000,000,000 bytes", id="10 TB"),
        pytest.param(claim(f"({10**30},)"), "impossible shape", id="beyond every address"),
        pytest.param(
            claim(f"({'9' * 4200}, {'9' * 4200})"), "impossible shape", id="numbers that Python will not write"
        ),
        pytest.param(claim(f"({2**40}, {2**40}, 0)"), "x_test", id="nothing, of impossible size"),
        pytest.param(claim("(-6, -20)", data=bytes(120)), "impossible shape", id="negative sizes"),
        pytest.param(claim(f"({'1, ' * 40})", data=bytes(1)), "40 axes", id="many axes"),
        pytest.param(claim("6", data=bytes(6)), "x_test", id="a shape that is no tuple"),
        pytest.param(claim("(6, 4, 5)", "'|O'", bytes(960)), "Python objects", id="objects"),
        pytest.param(claim("(6,)", "[('a', '|O')]", bytes(48)), "Python objects", id="objects in a structure"),
        pytest.param(claim("(6,)", "[('a', '<i4')]", bytes(24)), "('a', '<i4')", id="structured"),
        pytest.param(claim("(6,)", "('|u1', (4, 5))", bytes(120)), "(4, 5)", id="arrays for numbers"),
        pytest.param(claim("(6,)", "'<M8[s]'", bytes(48)), "datetime64", id="dates"),
        pytest.param(claim("(6, 4, 5)", "'<c8'", bytes(960)), "complex64", id="complex"),
        pytest.param(claim("(6,)", "'<U100000000'"), "2,400,000,000 bytes", id="giant texts"),
        pytest.param(claim("(6, 4, 5)", "'no such'", bytes(120)), "no array", id="no dtype"),
        pytest.param(claim("(6,)", "__import__('os')"), "no array", id="code for a dtype"),
        pytest.param(described("{" * 9000), "no array", id="deep nesting"),
        pytest.param(described("-" * 60_000 + "1"), "no array", id="a header beyond all headers"),
        pytest.param(described("\\u0000\\q" * 9), "no array", id="odd escapes"),
        pytest.param(described("[]" + " " * 9_999_999, version=2), "no array", id="a header of megabytes"),
        pytest.param(described("{}", version=3), "version (3, 0)", id="a later version"),
        pytest.param(b"Dear ...", "no array", id="text"),
        pytest.param(b"", "no array", id="nothing"),
    ],
)
def test_a_member_that_cannot_be_meant_is_refused(tmp_path: Path, compression: int, member: bytes, said: str) -> None:
    path = archive(tmp_path / "data.npz", compression, x_test=member)
    with little_memory():
        error = refused(path)
    assert_one_line(error, path, said)


def test_a_file_of_python_2_is_read_without_a_word(tmp_path: Path) -> None:
    old = claim("(6L, 4L, 5L)", data=IMAGES.tobytes())
    found = samples.load(archive(tmp_path / "data.npz", x_test=old), test_only=True)
    assert np.array_equal(found.test.images[..., 0], IMAGES)


def test_an_entry_that_claims_to_unpack_to_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz", zipfile.ZIP_DEFLATED, x_test=claim("(200, 1000, 1000)", data=bytes(10_000)))
    size = len(claim("(200, 1000, 1000)"))
    content = path.read_bytes()
    lied = content.replace(struct.pack("<I", size + 10_000), struct.pack("<I", size + 200_000_000))
    assert lied != content
    path.write_bytes(lied)
    with little_memory():
        error = refused(path)
    assert_one_line(error, path)


def test_what_would_unpack_to_far_more_than_images_do_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 2**20)
    monkeypatch.setattr(stored.Spool, "write", lambda *_: pytest.fail("it was unpacked"))
    path = archive(tmp_path / "data.npz", zipfile.ZIP_DEFLATED, x_test=np.zeros((6, 1000, 1000), np.uint8))
    assert_one_line(refused(path), path, "x_test", "6,000,128 bytes", "100 times", "without compression")


def test_what_would_not_fit_on_a_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "ON_DISK", 200)
    path = archive(tmp_path / "data.npz", zipfile.ZIP_DEFLATED)
    assert_one_line(refused(path), path, "x_test", "248 bytes", "at most 200")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(tmp_path: Path, method: int) -> None:
    path = archive(tmp_path / "data.npz", method)
    assert_one_line(refused(path), path, "x_test", f"method {method}", "savez")


def test_encrypted_arrays_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz")
    content = bytearray(path.read_bytes())
    for start, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(start) + at] |= 1
    path.write_bytes(content)
    assert_one_line(refused(path), path, "x_test", "encrypted")


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz")
    with zipfile.ZipFile(path, "a") as made, warnings.catch_warnings(action="ignore"):
        made.writestr("x_test.npy", npy(IMAGES[::-1]))
    assert_one_line(refused(path), path, "x_test", "more than once")


@pytest.mark.parametrize("content", [npy(IMAGES), b"\x80\x04K\x01.", b"x,y\n", b"\x89PNG\r\n", b"P", b""])
@pytest.mark.parametrize("name", ["data.npz", "data.npy", "data"])
def test_a_file_of_another_kind_is_refused_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert_one_line(refused(tmp_path / name), tmp_path / name, "numpy.savez")


def test_an_archive_is_known_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    assert len(samples.load(archive(tmp_path / "data.csv"), test_only=True).test) == 6


def test_members_without_an_ending_are_arrays_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as made:
        made.writestr("x_test", npy(IMAGES))
        made.writestr("y_test", npy(LABELS))
    assert len(samples.load(tmp_path / "data.npz", test_only=True).test) == 6


# Folders of .npy files


def folder_of(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for key, content in ({"x_test": IMAGES, "y_test": LABELS} | arrays).items():
        (folder / f"{key}.npy").write_bytes(content if isinstance(content, bytes) else npy(content))
    return folder


def test_a_folder_of_npy_files_is_the_same_data_as_an_archive(tmp_path: Path) -> None:
    names = np.array(["a", "b", "c"])
    folder = folder_of(tmp_path / "shapes", x_train=IMAGES, y_train=LABELS, class_names=names)
    found = samples.load(folder, test_only=False)
    path = archive(tmp_path / "data.npz", x_train=IMAGES, y_train=LABELS, class_names=names)
    expected = samples.load(path, test_only=False)
    assert (found.sha256, found.class_names) == (expected.sha256, ("a", "b", "c"))
    assert found.name == "shapes"
    assert str(folder) in found.source


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(claim("(6, 4, 5)", data=bytes(119)), "120 bytes", id="too short"),
        pytest.param(claim(f"({10**13},)"), "10,000,000,000,000 bytes", id="10 TB"),
        pytest.param(claim("(6, 4, 5)", "'|O'"), "Python objects", id="objects"),
        pytest.param(b"", "no array", id="empty"),
        pytest.param(b"PK\3\4", "no array", id="an archive"),
    ],
)
def test_a_damaged_file_in_a_folder_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    folder = folder_of(tmp_path / "shapes", x_test=content)
    assert_one_line(refused(folder), folder / "x_test.npy", said)


def test_labels_without_images_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shapes")
    (folder / "x_test.npy").unlink()
    assert_one_line(refused(folder), folder, "lacks x_test")


# What is no regular file


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def locked(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.mark.parametrize("made", [fifo, device, circle, dangling, locked])
@pytest.mark.parametrize("place", ["data.npz", "shapes/x_test.npy", "digits/t10k-images-idx3-ubyte.gz"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, made: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    folder_of(tmp_path / "shapes")
    (tmp_path / "digits").mkdir()
    path = tmp_path / place
    path.unlink(missing_ok=True)
    made(path)
    assert_one_line(refused(path if place == "data.npz" else path.parent), path)


def test_a_folder_for_a_file_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shapes")
    (folder / "x_test.npy").unlink()
    (folder / "x_test.npy").mkdir()
    assert_one_line(refused(folder), "x_test.npy is a folder", "regular file")


def test_a_link_may_lead_to_data_but_not_out_of_a_data_folder(tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz")
    (tmp_path / "link.npz").symlink_to(path)
    assert len(samples.load(tmp_path / "link.npz", test_only=True).test) == 6
    folder = folder_of(tmp_path / "shapes")
    (folder / "x_test.npy").rename(folder / "pixels")
    (folder / "x_test.npy").symlink_to("pixels")
    assert len(samples.load(folder, test_only=True).test) == 6
    (folder / "pixels").rename(tmp_path / "pixels")
    (folder / "x_test.npy").unlink()
    (folder / "x_test.npy").symlink_to("../pixels")
    assert_one_line(refused(folder), "x_test.npy is a link that leads out of", folder)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert_one_line(refused(path), path, "Permission denied")


# Any damage at all

EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "cut"]), st.floats(0, 1), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)
BOUNDED = settings(
    # more of them now and then: REPORTGEN_FUZZ=4000 pytest -k damage
    max_examples=int(os.environ.get("REPORTGEN_FUZZ", 50)),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def damaged(whole: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, new in edits:
        at = int(where * len(whole))
        kept = {"set": at + len(new), "insert": at, "delete": at + len(new), "cut": len(whole)}[kind]
        whole = whole[:at] + (new if kind in ("set", "insert") else b"") + whole[kept:]
    return whole


def survives(path: Path) -> None:
    """Check that loading gives a data set or one of reportgen's own errors."""
    try:
        samples.load(path, test_only=True)
    except ReportgenError as error:
        line = str(error).replace("\N{NO-BREAK SPACE}", " ")
        assert line.isprintable()
        assert "; " in line


TEXT = np.array(["cat", "ant", "bee", "bee", "cat", "ant"])
ARCHIVES = [
    (np.savez, {"x_test": IMAGES, "y_test": LABELS}),
    (np.savez_compressed, {"x_test": IMAGES / 255, "y_test": TEXT, "class_names": np.unique(TEXT)}),
    (np.savez, {"x_test": np.asfortranarray(IMAGES.astype(">f4")), "y_test": np.eye(3)[LABELS]}),
]


@pytest.mark.slow
@pytest.mark.parametrize("in_memory", [stored.IN_MEMORY, 100], ids=["in memory", "on disk"])
@pytest.mark.parametrize(("save", "arrays"), ARCHIVES, ids=["plain", "packed text", "floats and one-hot"])
def test_damage_to_an_archive_is_refused_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Any, arrays: dict[str, Array], in_memory: int
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", in_memory)
    path = tmp_path / "data.npz"
    save(path, **arrays)
    whole = path.read_bytes()

    @BOUNDED
    @given(EDITS)
    def check(edits: list[tuple[str, float, bytes]]) -> None:
        path.write_bytes(damaged(whole, edits))
        survives(path)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("in_memory", [stored.IN_MEMORY, 50], ids=["in memory", "on disk"])
@pytest.mark.parametrize(
    "arrays",
    [{"x_test": IMAGES, "y_test": LABELS}, {"x_test": IMAGES.astype("<f2"), "y_test": TEXT}],
    ids=["bytes", "floats"],
)
def test_damage_to_a_file_in_a_folder_is_refused_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, Array], in_memory: int
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", in_memory)
    folder = folder_of(tmp_path / "shapes", **arrays)
    whole = {key: npy(array) for key, array in arrays.items()}

    @BOUNDED
    @given(st.sampled_from(list(arrays)), EDITS)
    def check(key: str, edits: list[tuple[str, float, bytes]]) -> None:
        folder_of(folder, **whole | {key: damaged(whole[key], edits)})
        survives(folder)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("in_memory", [stored.IN_MEMORY, 50], ids=["in memory", "on disk"])
def test_damage_to_an_idx_file_is_refused_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool, in_memory: int
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", in_memory)
    end = ".gz" if zipped else ""
    whole = {"images-idx3": encoded(IMAGES), "labels-idx1": encoded(LABELS.astype(np.uint8))}
    whole = {key: gzip.compress(content, mtime=0) if zipped else content for key, content in whole.items()}

    @BOUNDED
    @given(st.sampled_from(list(whole)), EDITS)
    def check(key: str, edits: list[tuple[str, float, bytes]]) -> None:
        for name, content in (whole | {key: damaged(whole[key], edits)}).items():
            (tmp_path / f"t10k-{name}-ubyte{end}").write_bytes(content)
        survives(tmp_path)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("descr", ["'<f4'", "'<U3'", "[('a', '|S0')]"])
def test_any_header_is_refused_or_read(tmp_path: Path, descr: str) -> None:
    folder = folder_of(tmp_path / "shapes")

    @BOUNDED
    @given(
        st.sampled_from(["x_test", "y_test", "class_names"]),
        st.lists(st.integers(-2, 9) | st.integers(-(2**70), 2**70), max_size=9).map(tuple),
        st.text("{}()[],'\\-0x:L \n#\u00e9", max_size=60),
        st.booleans(),
    )
    def check(key: str, shape: tuple[int, ...], rest: str, inside: bool) -> None:
        whole = claim(str(shape), descr)
        folder_of(folder, **{key: whole.replace(b"}", rest.encode(), 1) if inside else whole + rest.encode()})
        survives(folder)

    check()

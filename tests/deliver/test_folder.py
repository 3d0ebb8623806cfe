"""The report's folder: replaced as a whole, or left as it was."""

import errno
import io
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from reportgen.deliver import folder
from reportgen.errors import InputError, ReportgenError, SurroundingsError
from tests.helpers.builders import assert_one_line

OLD = {"report.html": b"old page", "report.json": b"{}", "report.pdf": b"old paper"}
NEW = {"report.html": b"new page" * 1000, "report.json": b'{"new": true}', "record.npz": bytes(range(256))}
CALLS = [(os, "fsync"), (os, "rename"), (os, "mkdir"), (io, "open")]


@pytest.fixture(params=["in one step", "in two steps"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a report goes; folders are exchanged in one step, or in two as on systems without renameat2."""
    if request.param == "in two steps":
        monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    return tmp_path / "reports" / "digits"


@pytest.fixture
def earlier(target: Path) -> Path:
    """The same place with an earlier report in it."""
    target.mkdir(parents=True)
    for name, content in OLD.items():
        (target / name).write_bytes(content)
    return target


def held(place: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in place.iterdir()}


@contextmanager
def failing(module: Any, name: str, at: int, error: BaseException) -> Iterator[list[int]]:
    """Let call number `at` of a function fail; yield a list that has an item once it has."""
    real, calls, failed = getattr(module, name), [0], []

    def fake(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] - 1 == at:
            failed.append(at)
            raise error
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, fake)
        yield failed


# Writing


def test_a_first_report_is_exactly_the_files(target: Path) -> None:
    folder.write(target, NEW)
    assert held(target) == NEW
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]


def test_an_earlier_report_is_replaced_as_a_whole(earlier: Path) -> None:
    folder.write(earlier, NEW)
    assert held(earlier) == NEW
    assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]


def test_other_folders_beside_the_report_stay(earlier: Path) -> None:
    (earlier.parent / "letters").mkdir()
    (earlier.parent / "letters" / "report.html").write_bytes(b"letters")
    folder.write(earlier, NEW)
    assert held(earlier.parent / "letters") == {"report.html": b"letters"}


def test_a_link_to_a_folder_stays_a_link(earlier: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(earlier)
    folder.write(link, NEW)
    assert link.is_symlink()
    assert held(earlier) == NEW


def test_a_relative_path_is_meant_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder.write(Path("reports/digits"), NEW)
    assert held(tmp_path / "reports" / "digits") == NEW


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
def test_permissions_follow_the_umask(target: Path, umask: int, is_first: bool) -> None:
    before = os.umask(umask)
    try:
        if not is_first:
            folder.write(target, OLD)
            target.chmod(0o700)
        folder.write(target, NEW)
        assert os.umask(umask) == umask, "the umask itself must stay"
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask
    assert {entry.stat().st_mode & 0o777 for entry in target.iterdir()} == {0o666 & ~umask}


def test_every_file_is_on_the_disk_before_the_earlier_report_goes(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(os.fstat(handle).st_size if held(earlier) == OLD else None)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.write(earlier, NEW)
    assert {len(content) for content in NEW.values()} <= set(flushed)


def test_every_folder_is_on_the_disk_before_the_earlier_report_goes(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append((Path(f"/proc/self/fd/{handle}").resolve().name, (earlier / "report.pdf").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.write(earlier, {**NEW, "report_files/a.css": b""})
    (staged,) = {name for name, _ in flushed if name.startswith(".digits.reportgen-")}
    assert (staged, True) in flushed and (folder.FILES, True) in flushed
    assert flushed[-1] == ("reports", False), "nor is the new one known without its own folder"


def test_what_somebody_lays_into_the_folder_in_its_last_moment_is_kept(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = folder._swap

    def swap(staged: Path, aside: Path, target: Path) -> None:
        (target / "notes.txt").write_bytes(b"mine")
        real(staged, aside, target)

    monkeypatch.setattr(folder, "_swap", swap)
    folder.write(earlier, NEW)
    assert held(earlier) == {**NEW, "notes.txt": b"mine"}
    assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]


@pytest.mark.parametrize("name", ["x" * 255, "円" * 85, ".hidden", "a b\n{}*", "-rf"], ids=ascii)
def test_a_folder_can_have_any_name(tmp_path: Path, name: str) -> None:
    for report in (OLD, NEW):
        folder.check(tmp_path / name)
        folder.write(tmp_path / name, report)
        assert held(tmp_path / name) == report
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


# Failing


@pytest.mark.parametrize(("module", "name"), CALLS, ids=[name for _, name in CALLS])
def test_a_failure_anywhere_leaves_the_earlier_report_whole_and_nothing_else(
    earlier: Path, module: Any, name: str
) -> None:
    for n in range(30):
        error = None
        with failing(module, name, n, OSError(errno.EIO, "Input/output error")) as failed:
            try:
                folder.write(earlier, NEW)
            except SurroundingsError as raised:
                error = raised
        assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]
        assert held(earlier) == (NEW if error is None else OLD), f"call {n} of {name}"
        if error is not None:
            assert_one_line(error, earlier, "Input/output error")
        if not failed:
            return
        for path in earlier.iterdir():
            path.unlink()
        for file, content in OLD.items():
            (earlier / file).write_bytes(content)
    pytest.fail(f"{name} is called without end")


@pytest.mark.parametrize(("module", "name"), CALLS, ids=[name for _, name in CALLS])
def test_a_first_report_that_fails_leaves_nothing(target: Path, module: Any, name: str) -> None:
    for n in range(30):
        place = target.with_name(f"try{n}")
        error = None
        with failing(module, name, n, OSError(errno.ENOSPC, "No space left on device")) as failed:
            try:
                folder.write(place, NEW)
            except SurroundingsError as raised:
                error = raised
        found = {entry.name for entry in target.parent.iterdir()} if target.parent.exists() else set()
        assert found == ({place.name} if error is None else set()), f"call {n} of {name}"
        if not failed:
            return
        shutil.rmtree(target.parent, ignore_errors=True)
    pytest.fail(f"{name} is called without end")


@pytest.mark.parametrize(("module", "name"), CALLS, ids=[name for _, name in CALLS])
def test_an_interrupt_anywhere_leaves_one_report_whole_and_nothing_else(earlier: Path, module: Any, name: str) -> None:
    for n in range(30):
        with failing(module, name, n, KeyboardInterrupt()) as failed, suppress(KeyboardInterrupt):
            folder.write(earlier, NEW)
        assert held(earlier) in (OLD, NEW), f"call {n} of {name}"
        assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]
        if not failed:
            return
    pytest.fail(f"{name} is called without end")


def test_a_disk_that_is_full_leaves_the_earlier_report_whole(earlier: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(SurroundingsError) as raised:
            folder.write(earlier, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_one_line(raised.value, earlier)
    assert held(earlier) == OLD
    assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]


def test_an_exchange_that_fails_leaves_the_earlier_report_whole(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(one: Path, other: Path) -> bool:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(folder, "_exchange", fails)
    with pytest.raises(SurroundingsError, match="Operation not permitted"):
        folder.write(earlier, NEW)
    assert held(earlier) == OLD
    assert [entry.name for entry in earlier.parent.iterdir()] == [earlier.name]


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(SurroundingsError) as raised:
        folder.write(tmp_path / "file" / "digits", NEW)
    assert_one_line(raised.value, tmp_path / "file" / "digits")
    assert held(tmp_path) == {"file": b"mine"}


# Refusing before the long work


@pytest.mark.parametrize("present", [None, {}, OLD, {name: b"" for name in folder.NAMES}])
def test_a_free_place_or_an_earlier_report_is_accepted_and_left_alone(
    tmp_path: Path, present: dict[str, bytes] | None
) -> None:
    place = tmp_path / "digits"
    if present is not None:
        place.mkdir()
        for name, content in present.items():
            (place / name).write_bytes(content)
    folder.check(place)
    assert (held(place) if place.exists() else None) == present
    assert {entry.name for entry in tmp_path.iterdir()} <= {"digits"}


def test_a_model_alone_is_no_report(tmp_path: Path) -> None:
    """It may be the only copy, and a report about it would take its place."""
    (tmp_path / "model.keras").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"model\.keras"):
        folder.check(tmp_path)


def test_a_folder_by_the_name_of_a_file_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html"):
        folder.check(tmp_path)


@pytest.mark.parametrize("name", ["x" * 256, "a/" * 3000 + "b"], ids=["a long name", "a long path"])
def test_a_name_that_is_too_long_is_found_before_the_long_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(SurroundingsError) as raised:
        folder.check(tmp_path / name)
    assert_one_line(raised.value, "name too long", "--out")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ReportgenError) as raised:
        folder.check(tmp_path / "a")
    assert_one_line(raised.value, "a", "--out")


def test_a_mount_point_is_refused_with_a_folder_that_would_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    with pytest.raises(SurroundingsError) as raised:
        folder.check(tmp_path)
    assert_one_line(raised.value, "mount point", tmp_path / "report")
    folder.check(tmp_path / "report")


@pytest.mark.parametrize("name", ["thesis.tex", ".git", "report.html.bak", "Report.html", "model.h5"])
def test_a_folder_with_any_other_file_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    place = tmp_path / "digits"
    place.mkdir()
    for mine in ("report.html", name):
        (place / mine).write_bytes(b"mine")
    with pytest.raises(InputError) as raised:
        folder.check(place)
    assert_one_line(raised.value, place, name, "--out")
    assert held(place) == {"report.html": b"mine", name: b"mine"}


def test_of_many_other_files_three_are_named(tmp_path: Path) -> None:
    for name in "dabc":
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"\(a, b, c, \.\.\.\)"):
        folder.check(tmp_path)


def test_a_file_in_the_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "digits").write_bytes(b"mine")
    with pytest.raises(InputError) as raised:
        folder.check(tmp_path / "digits")
    assert_one_line(raised.value, tmp_path / "digits", "--out")
    assert held(tmp_path) == {"digits": b"mine"}


def test_a_place_that_cannot_be_written_is_found_before_the_long_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(ReportgenError) as raised:
        folder.check(tmp_path / "file" / "digits")
    assert_one_line(raised.value, tmp_path / "file" / "digits")


def test_a_file_laid_into_the_folder_during_the_long_work_is_not_deleted(earlier: Path) -> None:
    folder.check(earlier)
    (earlier / "notes.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        folder.write(earlier, NEW)
    assert held(earlier) == {**OLD, "notes.txt": b"mine"}


def test_a_file_that_took_the_place_during_the_long_work_is_not_deleted(target: Path) -> None:
    folder.check(target)
    target.write_bytes(b"mine")
    with pytest.raises(InputError):
        folder.write(target, NEW)
    assert held(target.parent) == {target.name: b"mine"}


# Reading back


def test_the_files_of_a_report_are_read_and_others_are_not(earlier: Path) -> None:
    (earlier / "notes.txt").write_bytes(b"mine")
    assert folder.read(earlier) == OLD


def test_a_report_that_cannot_be_read_is_refused_with_the_name_of_the_file(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open

    def fails(path: Any, *more: Any, **options: Any) -> int:
        if Path(path).name == "report.html":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *more, **options)

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(InputError) as raised:
        folder.read(earlier)
    assert_one_line(raised.value, earlier / "report.html", "Permission denied")

"""A disk that is full: the earlier report stays whole, one line says so, and nothing is left over."""

import errno
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reportgen.deliver import file, folder
from reportgen.errors import SurroundingsError
from reportgen.record import record_file
from tests import ROOT
from tests.conftest import clean_environment
from tests.helpers.builders import assert_one_line, make_record
from tests.helpers.killed import NEW, OLD, beside, held

NEED_ROOM = {"mkdir", "open", "write", "flush", "fsync", "rename", "replace", "chmod"}
"""The system calls that a full disk, or a file that may not grow, can refuse."""
FULL = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EFBIG, os.strerror(errno.EFBIG))]


@contextmanager
def failing_at(call: int, error: OSError) -> Iterator[list[str]]:
    """Let system call number `call` fail instead of being made; yield a list with its name once it has."""
    failed, seen = list[str](), 0

    def watch(frame: Any, event: str, called: Any) -> None:
        nonlocal seen
        if event != "c_call" or failed or called.__name__ not in NEED_ROOM:
            return
        if frame.f_globals["__name__"] == "shutil":  # deleting needs no room
            return
        if called.__module__ in ("posix", "_io", "io", "fcntl") or isinstance(called.__self__, io.IOBase):
            seen += 1
            if seen > call:
                failed.append(called.__name__)
                raise error

    sys.setprofile(watch)
    try:
        yield failed
    finally:
        sys.setprofile(None)


def at_every_call(error: OSError, work: Callable[[], None], check: Callable[[str, Exception | None], None]) -> set[str]:
    """Do `work` with each of its system calls failing in turn; return the names of those that failed."""
    names: set[str] = set()
    for call in range(200):
        raised = None
        with failing_at(call, error) as failed:
            try:
                work()
            except SurroundingsError as caught:
                raised = caught
        if not failed:
            return names
        names.add(failed[0])
        check(failed[0], raised)
    pytest.fail("it never ends")


@pytest.fixture(params=FULL, ids=["no space left", "file too large"])
def error(request: pytest.FixtureRequest) -> OSError:
    full: OSError = request.param
    return full


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Yield an empty folder, in memory where there is any such place, where flushing takes no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_report_stays_whole_whichever_call_fails(place: Path, error: OSError) -> None:
    target = place / "digits"
    folder.write(target, OLD)

    def check(name: str, raised: Exception | None) -> None:
        assert beside(target) == [target.name], name
        if raised is None:  # the new one was there already
            assert held(target) == NEW
            folder.write(target, OLD)
        else:
            assert held(target) == OLD, name
            assert isinstance(raised, SurroundingsError)
            assert_one_line(raised, target, error.strerror)

    names = at_every_call(error, lambda: folder.write(target, NEW), check)
    assert names >= {"mkdir", "open", "write", "flush", "fsync"}


def test_a_first_report_that_fails_leaves_nothing(place: Path, error: OSError) -> None:
    target = place / "digits"

    def check(name: str, raised: Exception | None) -> None:
        assert beside(target) == ([] if raised else [target.name]), name
        shutil.rmtree(target, ignore_errors=True)

    assert "rename" in at_every_call(error, lambda: folder.write(target, NEW), check)


def test_a_file_stays_whole_whichever_call_fails(place: Path, error: OSError) -> None:
    path = place / "check.xml"
    file.write(path, b"earlier")

    def check(name: str, raised: Exception | None) -> None:
        assert beside(path) == [path.name], name
        assert path.read_bytes() == (b"later" * 1000 if raised is None else b"earlier"), name
        file.write(path, b"earlier")

    assert "replace" in at_every_call(error, lambda: file.write(path, b"later" * 1000), check)


# Real ones


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small report as it was written, without a PDF that could be read."""
    place = tmp_path_factory.mktemp("full") / "digits"
    folder.write(place, record_file.to_bytes(make_record()) | {"report.html": b"earlier", "report.pdf": b"%PDF-1.7"})
    return place


def limited(blocks: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run reportgen where no file may be larger than so many kilobytes."""
    command = [sys.executable, "-m", "reportgen", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash", *command],
        cwd=cwd,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_failed(done: subprocess.CompletedProcess[str], *parts: object) -> None:
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("reportgen: error: ") and "; " in last, last
    for part in parts:
        assert str(part) in last, last


COMMANDS = {
    "index": ["index", "{reports}"],
    "compare": ["compare", "{report}", "{report}", "--out", "{reports}/changes.html"],
    "email": ["email", "{report}", "--to", "a@example.org", "--dry-run", "{reports}/mail.eml"],
    "junit": ["check", "{report}", "--min-accuracy", "0", "--junit", "{reports}/check.xml"],
    "summary": ["check", "{report}", "--min-accuracy", "0", "--summary", "{reports}/summary.md"],
    "render": ["render", "{report}", "--formats", "html"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_whose_file_may_not_grow_leaves_what_was_there(name: str, report: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    copy = Path(shutil.copytree(report, reports / "digits"))
    mine = reports / {"index": "index.html", "compare": "changes.html"}.get(name, "other")
    mine.write_bytes(b"<!-- reportgen: earlier -->")
    before = held(reports)
    arguments = [part.format(reports=reports, report=copy) for part in COMMANDS[name]]
    assert_failed(limited(0, *arguments, cwd=tmp_path), "cannot be written", "File too large")
    assert held(reports) == before
    assert beside(copy) == sorted(["digits", mine.name])


@pytest.mark.slow
def test_a_disk_without_room_for_a_second_report_keeps_the_first(report: Path, tmp_path: Path) -> None:
    """A real one, of 120 kB, in name spaces of its own, so that nothing of it stays."""
    script = """
    mount -t tmpfs -o size=120k none "$1" || exit 77
    cp -r "$2" "$1/digits"
    PYTHONPATH="$4" "$3" -m reportgen render "$1/digits" --formats html
    echo "exit $?"
    ls -A "$1"
    cmp "$1/digits/report.html" "$2/report.html" && cmp "$1/digits/record.npz" "$2/record.npz" && echo whole
    """
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), str(report), sys.executable, str(ROOT)]
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root can mount a file system")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    if done.returncode == 77 or "Operation not permitted" in done.stderr:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip()})")
    assert done.stdout.splitlines()[-3:] == ["exit 3", "digits", "whole"], done.stdout + done.stderr
    assert "No space left on device" in done.stderr.splitlines()[-1]

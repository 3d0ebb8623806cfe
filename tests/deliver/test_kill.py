"""Writers that are killed at each of their steps and at random moments: one whole report is there, always."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reportgen.deliver import claim, folder
from reportgen.errors import SurroundingsError
from tests import ROOT
from tests.helpers.builders import assert_one_line
from tests.helpers.killed import LAST, NEW, OLD, beside, held


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    ["a first report", "another report", "another report, in two steps", "a file", "a hundred times", "SIGTERM"],
)
def test_a_writer_that_is_killed_leaves_the_old_or_the_new_whole(scenario: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.killed", scenario, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


# Two runs into one folder

HOLDER = """
import sys, time
from pathlib import Path
from reportgen.deliver import folder
with folder.claim(Path(sys.argv[1])) as place:
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    place.write({"report.json": b"first"})
"""


def holder(target: Path, seconds: float) -> subprocess.Popen[str]:
    """Return another run, which has the folder for so long."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(target), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_run_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    target, said = tmp_path / "digits", list[str]()
    with holder(target, 0.3) as first:
        with folder.claim(target, said.append) as place:
            assert held(target) == {"report.json": b"first"}
            place.write(LAST)
        assert first.wait() == 0
    assert said == [f"Another run is writing {target}; waiting for it ..."]
    assert held(target) == LAST
    assert beside(target) == [target.name]


def test_a_run_that_does_not_end_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "digits"
    with holder(target, 60) as first:
        with pytest.raises(SurroundingsError) as caught, claim.claimed(target, longest=0.2):
            pytest.fail("two runs had it")
        assert_one_line(caught.value, target, "another run")
        first.kill()
    folder.write(target, LAST)
    assert beside(target) == [target.name]


def test_the_claim_of_a_run_ends_with_its_process(tmp_path: Path) -> None:
    target = tmp_path / "digits"
    with holder(target, 60) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        start = time.monotonic()
        folder.write(target, LAST)
    assert time.monotonic() - start < 5
    assert beside(target) == [target.name]


def test_what_a_living_run_has_put_beside_its_folder_stays(tmp_path: Path) -> None:
    """Of another folder, that is: nobody else gets as far with the same one."""
    theirs = tmp_path / ".letters.reportgen-0123abcd"
    theirs.mkdir()
    mine = tmp_path / ".digits.reportgen-notes"
    mine.write_bytes(b"mine")
    (tmp_path / ".digits.reportgen-0123abcd").mkdir()
    folder.write(tmp_path / "digits", LAST)
    assert beside(tmp_path / "digits") == [mine.name, theirs.name, "digits"]


def test_a_folder_that_was_replaced_while_it_was_read_is_told(tmp_path: Path) -> None:
    folder.write(tmp_path / "digits", OLD)
    with pytest.raises(SurroundingsError) as caught, folder.unchanged(tmp_path / "digits"):
        folder.write(tmp_path / "digits", NEW)
    assert_one_line(caught.value, tmp_path / "digits", "run again")


def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cleared away there: it might be of a run that is still alive."""

    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".digits.reportgen-0123abcd").mkdir()
    folder.write(tmp_path / "digits", NEW)
    assert held(tmp_path / "digits") == NEW
    assert beside(tmp_path / "digits") == [".digits.reportgen-0123abcd", "digits"]

"""The parent of a run: whatever happens to the run ends in one line, the right exit code, and no trace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import clean_environment

# a command whose report does what a test wants; it is started as the real one
COMMAND = """
import os, signal, sys, tempfile, time, types
import typer
from reportgen.cli import app, supervisor
from reportgen.errors import InputError

supervisor._GRACE = 0.5

def written(call):
    tempfile.mkdtemp()
    {before}
    with call.progress.stage({stage!r}, "Working ..."):
        {inside}
    raise typer.Exit(0)

sys.modules["reportgen.pipeline.flow"] = types.SimpleNamespace(written=written)
sys.argv = ["reportgen", "report", "--model", "model.keras", "--max-load-seconds", "0.5"]
app.main()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts the command; `inside` runs within `stage`, `before` in front of it."""
    begun = []

    def call(inside: str, *, stage: str = "load", before: str = "pass") -> "subprocess.Popen[str]":
        code = COMMAND.format(before=before, stage=stage, inside=inside)
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=clean_environment(TMPDIR=str(tmp_path)),
            )
        )  # fmt: skip
        return begun[-1]

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    """Return the exit code and what was said besides the progress."""
    _, said = process.communicate(timeout=20)
    return process.returncode, [line for line in said.splitlines() if not line.endswith(" ...")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inside", "stage", "code", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "load", 2, "model.keras cannot be loaded: Keras ended by signal 11"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "load", 2, "needs more memory"),
        ("os.abort()", "load", 2, "ended by signal 6"),
        ("time.sleep(60)", "load", 2, "still at it after 0.5 s"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "pass", 3, "the run ended by signal 11"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "pass", 3, "memory is used up"),
        ("raise InputError('this is wrong', 'mend it')", "load", 2, "this is wrong; mend it"),
        ("raise MemoryError", "pass", 3, "memory"),
        ("1 / 0", "pass", 70, "ZeroDivisionError"),
    ],
)
def test_however_a_run_ends_it_is_one_line(
    inside: str, stage: str, code: int, says: str, start: Start, tmp_path: Path
) -> None:
    found, lines = ended(start(inside, stage=stage))
    assert found == code
    assert [line.startswith("reportgen: error: ") and says in line and "; " in line for line in lines] == [True]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_goes_well_says_nothing_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    assert ended(start("print('found')")) == (0, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_without_stderr_says_nothing_elsewhere() -> None:
    command = [sys.executable, "-m", "reportgen", "report", "--data", "nothing"]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.slow
def test_a_long_stage_that_loads_nothing_has_all_the_time(start: Start) -> None:
    assert ended(start("time.sleep(1.5)", stage="train")) == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_run_once_and_ends_it(number: int, code: int, start: Start, tmp_path: Path) -> None:
    process = start("time.sleep(60)", stage="pass")
    assert process.stderr is not None
    assert process.stderr.readline() == "Working ...\n"
    process.send_signal(number)
    process.send_signal(number)  # a shell sends it to the whole group, so that it arrives twice
    found, lines = ended(process)
    assert found == code
    assert len(lines) == 1
    assert "the earlier report" in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_does_not_listen_is_killed_after_a_while(start: Start, tmp_path: Path) -> None:
    process = start("time.sleep(60)", stage="pass", before="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert process.stderr is not None
    assert process.stderr.readline() == "Working ...\n"
    process.terminate()
    code, lines = ended(process)
    assert code == 143
    assert len(lines) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_does_not_outlive_its_parent(start: Start) -> None:
    process = start("print(os.getpid(), flush=True); time.sleep(60)", stage="pass")
    assert process.stdout is not None
    run = int(process.stdout.readline())
    process.kill()
    process.wait()
    for _ in range(100):
        if not Path(f"/proc/{run}").exists():
            return
        time.sleep(0.05)
    os.kill(run, signal.SIGKILL)
    pytest.fail("the run went on")

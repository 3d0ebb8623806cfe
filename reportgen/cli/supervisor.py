"""A light parent for a run that reads what other people made: it outlives whatever a file does to the run.

The run goes on in a child process. The parent loads neither TensorFlow nor any file; it passes signals on, ends a run
that loads a model for too long, says in one line how a run died, and clears what it left behind.
"""

import os
import resource
import select
import signal
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer

from reportgen import scratch
from reportgen.cli.common import WHAT_IS_THERE, fail
from reportgen.process.children import end_with, ended
from reportgen.process.stages import Telling, Watched, was_killed
from reportgen.progress import Progress

_GRACE = 30.0
"""Seconds for a run to clean up after a signal."""

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def begin(model: Path | None, seconds: float) -> Progress:
    """Go on in a child process and return a Progress there; the parent leaves by typer.Exit with the child's exit code.

    model: the model file, if there is one. seconds: how long Keras may load it. Nothing may have started a thread yet.
    """
    folder = _temporary_folder()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child:
        os.close(writing)
        _Parent(child, reading, model, seconds, folder).watch()
    os.close(reading)
    _set_up_child(parent, folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    return Telling(partial(_tell, writing), sys.stderr)


def _tell(parent: int, stage: str) -> None:
    with suppress(BrokenPipeError):
        os.write(parent, f"+{stage}\n".encode())


class _Parent:
    """What the parent knows of its child."""

    def __init__(
        self, child: int, reading: int, model: Path | None, seconds: float, folder: scratch.Folder | None
    ) -> None:
        self.child, self.reading, self.model, self.folder = child, reading, model, folder
        self.work = Watched(seconds)
        self.signal = 0

    def watch(self) -> NoReturn:
        """Wait for the child, clear what it left, and leave with its exit code."""
        for number in _PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        while self._listen():
            if self.work.has_to_end():
                os.kill(self.child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        if self.folder:
            self.folder.cleanup()
        raise typer.Exit(code if code >= 0 else self._explain(code))

    def _listen(self) -> bool:
        """Hear for a second at most what the child tells; return whether it is still there."""
        if not select.select([self.reading], [], [], 1)[0]:
            return True
        told = os.read(self.reading, 4096).decode()
        for line in told.split():
            if not self.signal:
                self.work.enter(line[1:])
        return bool(told)

    def _pass_on(self, number: int, frame: Any) -> None:
        self.signal, self.work.until = number, time.monotonic() + _GRACE
        with suppress(ProcessLookupError):
            os.kill(self.child, number)

    def _explain(self, code: int) -> int:
        """Say in one line why a signal ended the child, and return the exit code for it. code: below 0."""
        if self.signal:
            fail(f"ended before it was done; {WHAT_IS_THERE}")
            return 128 + self.signal
        if fault := self.work.fault_of_model(code):
            fail(f"{self.model} {fault}")
            return 2
        if was_killed(code):
            fail("the run was killed, as systems do when the memory is used up; give less data or a smaller model")
        else:
            fail(
                f"the run ended {ended(code)}, as libraries do where the memory is used up; give less data, a smaller"
                " model or more memory, and report it if it ends so again"
            )
        return 3


def _temporary_folder() -> scratch.Folder | None:
    """Return a folder for whatever the run makes in passing, None where this system has no room for one."""
    with suppress(OSError):
        return scratch.Folder()
    return None


def _set_up_child(parent: int, folder: scratch.Folder | None) -> None:
    """Let the child end with its parent, leave nothing, and be interrupted once only."""
    if not end_with(parent):
        os._exit(128 + signal.SIGKILL)
    if folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder.name
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the clean-up that follows must not be cut short
    raise KeyboardInterrupt

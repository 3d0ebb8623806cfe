"""Calls of reportgen in processes that are forked from one which has loaded what they need.

Each is a process of its own as from a shell, with its own folder and environment, but its imports cost nothing.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests import ROOT

LOADED = (
    "cli.app",
    "pipeline.flow",
    "data.samples",
    "model.model_file",
    "record.record_file",
    "record.search",
    "compare.limits",
    "deliver.file",
    "deliver.folder",
    "deliver.message",
    "render.index.listing",
    "render.index.feed",
    "render.ci.junit",
    "render.ci.summary",
    "render.mail",
)
"""What the light commands need."""

WITH_TENSORFLOW = (*LOADED, "runtime", "analysis.collected", "selftest")
"""What the others need, too. TensorFlow is imported and no more, so that it has no threads that a fork would lack."""


TIMEOUT = 300
"""Seconds after which a process is killed, whatever it waits for: as long as `run` of tests/conftest.py waits."""


@dataclass
class Begun:
    """A process that was forked. returncode: how it ended, as of `subprocess`; -1 until then.

    end: what can be read once it has ended.
    """

    pid: int
    end: int
    returncode: int = -1

    def written(self, source: int) -> Iterator[bytes]:
        """Yield what the process writes to a pipe or terminal until its end.

        source: open for writing, too, so that it stays open whether the process opens it, closes it, or does neither.
        """
        while source in select.select([source, self.end], [], [])[0]:
            yield os.read(source, 65536)


class Server:
    """The process that forks. with_tensorflow: whether it has loaded that."""

    def __init__(self, *, with_tensorflow: bool = False) -> None:
        command = [sys.executable, "-c", f"from tests.helpers.forked import serve; serve({with_tensorflow})"]
        # unbuffered, so that what waits to be read is seen from without
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def call(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], code: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run reportgen with `arguments`, or what `code` says with them, and return what it said and how it ended."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = (Path(folder, name) for name in ("out", "err"))
            with self.begun(arguments, cwd, environment, code=code, out=out, err=err) as begun:
                pass
            said = [path.read_text(encoding="utf-8") for path in (out, err)]
        return subprocess.CompletedProcess(["reportgen", *arguments], begun.returncode, *said)

    @contextmanager
    def begun(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        code: str | None = None,
        out: Path | None = None,
        err: Path | None = None,
    ) -> "Iterator[Begun]":
        """Yield a process while it runs; the block waits for its end. out, err: where it writes, a pipe or terminal.

        It fails where the process had to be killed, see `TIMEOUT`.
        """
        assert self._process.stdin and self._process.stdout
        asked = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment), "code": code}
        asked |= {"out": str(out or os.devnull), "err": str(err or os.devnull)}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        begun = Begun(int(self._process.stdout.readline()), self._process.stdout.fileno())
        try:
            yield begun
        finally:
            begun.returncode = int(self._process.stdout.readline())
            too_much = f"{arguments} took more than {TIMEOUT} s, or more memory than there is"
            assert begun.returncode != -signal.SIGKILL, too_much

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(with_tensorflow: bool) -> None:
    """Fork for each line of JSON on stdin, and answer with the process's number and then its exit code."""
    import importlib

    needed = WITH_TENSORFLOW if with_tensorflow else LOADED
    for name in ("jinja2", "PIL.Image", *(f"reportgen.{name}" for name in needed)):
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked)
        print(child, flush=True)
        print(_ended(child), flush=True)


def _ended(child: int) -> int:
    """Return how a process ended. The clock is not its own, which reportgen sets for templates."""
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(TIMEOUT)
    status = os.waitpid(child, 0)[1]
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    return os.waitstatus_to_exitcode(status)


def _run(asked: dict[str, Any]) -> NoReturn:
    try:
        for number, name in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
            file = os.open(name, (os.O_WRONLY if number else os.O_RDONLY) | os.O_CREAT, 0o600)
            os.dup2(file, number)
            os.close(file)
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)  # whatever the files were before
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None  # it is asked for again
        sys.argv = ["reportgen", *asked["arguments"]]
        if asked["code"] is not None:
            exec(compile(asked["code"], "<forked>", "exec"), {"__name__": "__main__"})
            sys.stdout.flush()
            os._exit(0)
        from reportgen.cli.app import main

        main()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)

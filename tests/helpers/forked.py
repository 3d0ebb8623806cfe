"""Calls of reportgen in processes that are forked from one which has loaded what they need.

Each is a process of its own as from a shell, with its own folder and environment, but its imports cost nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
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


class Server:
    """The process that forks. with_tensorflow: whether it has loaded that."""

    def __init__(self, *, with_tensorflow: bool = False) -> None:
        command = [sys.executable, "-c", f"from tests.helpers.forked import serve; serve({with_tensorflow})"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, arguments: list[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run reportgen with `arguments` and return what it said and how it ended."""
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            asked = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment), "folder": folder}
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            out, err = (Path(folder, name).read_text(encoding="utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(["reportgen", *arguments], code, out, err)

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(with_tensorflow: bool) -> None:
    """Fork for each line of JSON on stdin, and answer with the exit code."""
    import importlib

    needed = WITH_TENSORFLOW if with_tensorflow else LOADED
    for name in ("jinja2", "PIL.Image", *(f"reportgen.{name}" for name in needed)):
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(asked: dict[str, Any]) -> NoReturn:
    try:
        for number, name in ((0, os.devnull), (1, "out"), (2, "err")):
            file = os.open(Path(asked["folder"], name), os.O_RDWR | os.O_CREAT)
            os.dup2(file, number)
            os.close(file)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None  # it is asked for again
        sys.argv = ["reportgen", *asked["arguments"]]
        from reportgen.cli.app import main

        main()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)

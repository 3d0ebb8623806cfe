"""What processes of reportgen's own have in common: how they start, end with their parent, and tell of errors."""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from reportgen import errors
from reportgen.errors import ReportgenError
from reportgen.format import short

_ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1  # of prctl(2)


def command(module: str) -> list[str]:
    """Return the command that runs `main` of a module of this package, to put arguments behind.

    Whatever lies in the current folder is not imported: -P, and the package's own place comes last.
    """
    begin = "from reportgen import alone; alone.begin()"
    code = f"import sys; sys.path.append({str(_ROOT)!r}); {begin}; from {module} import main; main()"
    return [sys.executable, "-P", "-c", code]


def end_with(parent: int) -> bool:
    """Have this process killed when its parent ends; return False where that has ended already.

    On systems other than Linux a process that is left alone ends when it is done.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def told(error: ReportgenError, trace: str = "") -> dict[str, str]:
    """Return an error as JSON can hold it; `heard` raises it again, in the process that reads it.

    trace: of what was raised in this process, for whoever debugs the other.
    """
    return {"error": type(error).__name__, "what": error.what, "do": error.do} | ({"trace": trace} if trace else {})


def say(stream: IO[bytes], found: Mapping[str, Any], more: bytes = b"") -> None:
    """Tell another process something: a line of JSON, and what bytes it says stand behind it."""
    stream.write(json.dumps(found).encode("ascii") + b"\n" + more)
    stream.flush()


def heard(line: bytes, about: str = "") -> dict[str, Any]:
    """Return what a line of another process says. Raises the error that it tells of, ValueError where it is none.

    about: what to put before the message of that error.
    """
    found: dict[str, Any] = json.loads(line)
    if "error" in found:
        kind: type[ReportgenError] = getattr(errors, found["error"])
        error = kind(f"{about}{found['what']}", found["do"])
        if "trace" in found:
            error.add_note(found["trace"])
        raise error
    return found


def ended(code: int, complaint: bytes = b"") -> str:
    """-9 -> "by signal 9"; 3, b"...\\nfull" -> "with exit code 3 (full)". complaint: what it wrote to stderr."""
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    last = short(complaint.decode("utf-8", "replace").strip().rpartition("\n")[2], 160)
    return f"{how} ({last})" if last else how

"""What processes of reportgen's own have in common: how they start, end with their parent, and tell of errors."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from reportgen import errors
from reportgen.errors import ReportgenError

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


def told(error: ReportgenError) -> dict[str, str]:
    """Return an error as JSON can hold it; `retold` makes it an error again, in the process that reads it."""
    return {"error": type(error).__name__, "what": error.what, "do": error.do}


def retold(found: dict[str, Any], about: str = "") -> ReportgenError:
    """Return the error that another process told of. about: what to put before its message."""
    kind: type[ReportgenError] = getattr(errors, found["error"])
    return kind(f"{about}{found['what']}", found["do"])


def ended(code: int) -> str:
    """-9 -> "by signal 9"; 3 -> "with exit code 3"."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def last_line(complaint: bytes) -> str:
    """Return the last line of what a process wrote to stderr."""
    return complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]

"""WeasyPrint in a process of its own, which loads it while there is other work.

What goes wrong in there, a system library that crashes included, stays in there, and so does the memory it takes.
"""

import gc
import json
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from reportgen import errors
from reportgen.errors import ReportgenError, SurroundingsError
from reportgen.render.pdf import Pdf

_READY = "ready"


class Printer:
    """Turns one page into a PDF: `send` it, do something else, and `receive`.

    To be used in a `with` block, which ends the process.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reportgen.render.printer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._is_ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def check(self) -> None:
        """Wait until WeasyPrint is loaded. Raises SurroundingsError where it cannot work on this machine."""
        if not self._is_ready:
            assert self._process.stdout is not None
            self._read(self._process.stdout.readline())
            self._is_ready = True

    def send(self, page: str) -> None:
        """Begin to make the PDF of a page for paper. Raises SurroundingsError as `check`."""
        self.check()
        stream, self._process.stdin = self._process.stdin, None  # what `communicate` would close again
        assert stream is not None
        with suppress(BrokenPipeError), stream:  # a process that has ended: `receive` says how
            stream.write(page.encode("utf-8"))

    def receive(self) -> Pdf:
        """Return the PDF of the page that was sent. Raises as `pdf.write`."""
        answer, complaint = self._process.communicate()
        head, _, content = answer.partition(b"\n")
        found = self._read(head, complaint)
        return Pdf(content, found["without_glyph"])

    def _read(self, line: bytes, complaint: bytes = b"") -> dict[str, Any]:
        """Return what one line of the process says. Raises the error that it tells of, or the one that it died of."""
        if not line.strip():
            code = self._process.wait()
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise SurroundingsError(
                f"the PDF cannot be made, because the process that makes it ended {how}{f' ({last})' if last else ''}",
                "see that Pango and some font are installed and that there is memory, or ask for --formats html",
            )
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            kind: type[ReportgenError] = getattr(errors, found["error"])
            raise kind(found["what"], found["do"])
        return found


def _main() -> None:
    """Say that WeasyPrint is there, read one page, and write its PDF behind a line of JSON."""
    # WeasyPrint makes millions of objects that live as long as this process: looking for garbage among them takes a
    # fifth of the time and finds next to none
    gc.disable()
    try:
        from reportgen.render import pdf

        pdf.check()
        _say({"state": _READY})
        made = pdf.write(sys.stdin.buffer.read().decode("utf-8"))
    except ReportgenError as error:
        _say({"error": type(error).__name__, "what": error.what, "do": error.do})
    else:
        _say({"without_glyph": made.without_glyph})
        sys.stdout.buffer.write(made.content)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()

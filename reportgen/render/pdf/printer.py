"""WeasyPrint in a process of its own, which loads it while there is other work.

What goes wrong in there, a system library that crashes included, stays in there, and so does the memory it takes, which
is limited, as is the time. It ends with the process that started it.
"""

import gc
import os
import resource
import subprocess
import sys
import threading
import traceback
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

from reportgen import scratch
from reportgen.errors import ReportgenError, SurroundingsError
from reportgen.format import as_given, number
from reportgen.process import children
from reportgen.render.pdf.pdf import Pdf

LONGEST = 900.0
"""Seconds that a PDF may take; one of 1,000 pages takes about a minute and a half."""
MOST_MEMORY = 4 * 2**30
"""Bytes of memory that the process may ask for; the same PDF needs less than half of it."""

_READY = "ready"


class Printer:
    """Turns one page into a PDF: `send` it, do something else, and `receive`.

    To be used in a `with` block, which ends the process. longest: seconds that it may take from `send` on.
    Raises SurroundingsError where no process can be started.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._is_ready = self._is_late = False
        self._timer: threading.Timer | None = None
        try:
            with ExitStack() as stack:
                # WeasyPrint puts fonts into temporary files; a process that crashes leaves them
                place = stack.enter_context(scratch.Folder())
                self._process = subprocess.Popen(
                    [*children.command("reportgen.render.pdf.printer"), str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, "TMPDIR": place},
                )
                self._scratch = stack.pop_all()
        except OSError as error:
            raise SurroundingsError(
                f"the PDF cannot be made, because no process can be started for it ({error.strerror or error})",
                "mend that or ask for --formats html",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_the_clock()
        self._process.kill()
        self._process.communicate()
        self._scratch.close()

    def check(self) -> None:
        """Wait until WeasyPrint is loaded. Raises SurroundingsError where it cannot work on this machine."""
        if not self._is_ready:
            assert self._process.stdout is not None
            self._start_the_clock()
            self._read(self._process.stdout.readline())
            self._stop_the_clock()
            self._is_ready = True

    def send(self, page: str) -> None:
        """Begin to make the PDF of a page for paper. Raises SurroundingsError as `check`."""
        self.check()
        self._start_the_clock()
        stream, self._process.stdin = self._process.stdin, None  # what `communicate` would close again
        assert stream is not None
        with suppress(BrokenPipeError), stream:  # a process that has ended: `receive` says how
            stream.write(page.encode("utf-8"))

    def receive(self) -> Pdf:
        """Return the PDF of the page that was sent. Raises as `pdf.write`."""
        answer, complaint = self._process.communicate()
        self._stop_the_clock()
        head, _, content = answer.partition(b"\n")
        found = self._read(head, complaint)
        return Pdf(content, found["without_glyph"], found["pages"])

    def _read(self, line: bytes, complaint: bytes = b"") -> dict[str, Any]:
        """Return what one line of the process says. Raises the error that it tells of, or the one that it died of."""
        if not line.strip():
            code = self._process.wait()
            if self._is_late:
                raise SurroundingsError(
                    f"the PDF cannot be made, because that takes more than {as_given(self._longest)} seconds",
                    "ask for --formats html, or give a machine with less to do",
                )
            raise SurroundingsError(
                f"the PDF cannot be made, because the process that makes it ended {children.ended(code, complaint)}",
                "see that Pango and some font are installed and that there is memory, or ask for --formats html",
            )
        return children.heard(line)

    def _start_the_clock(self) -> None:
        self._timer = threading.Timer(self._longest, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def _stop_the_clock(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _give_up(self) -> None:
        self._is_late = True
        self._process.kill()


def _confine(parent: int) -> None:
    """Limit this process's memory, have it end when its parent does, and go where there is nothing but its own."""
    allowed = resource.getrlimit(resource.RLIMIT_AS)
    most = min(limit for limit in (*allowed, MOST_MEMORY) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (most, allowed[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not children.end_with(parent):
        sys.exit()
    os.chdir(os.environ["TMPDIR"])  # the current folder may be gone, or be one that hides something


def main() -> None:
    """Say that WeasyPrint is there, read one page, and write its PDF behind a line of JSON: the process itself."""
    _confine(int(sys.argv[1]))
    answer = sys.stdout.buffer
    # WeasyPrint makes millions of objects that live as long as this process: looking for garbage among them takes a
    # fifth of the time and finds next to none
    gc.disable()
    try:
        from reportgen.render.pdf import pdf

        pdf.check()
        children.say(answer, {"state": _READY})
        made = pdf.write(sys.stdin.buffer.read().decode("utf-8"))
    except ReportgenError as error:
        children.say(answer, children.told(error))
    except MemoryError:
        _complain(f"it needs more than {number(resource.getrlimit(resource.RLIMIT_AS)[0] / 10**9)} GB of memory")
    except Exception as error:  # whatever WeasyPrint makes of a page: RecursionError, ZeroDivisionError ...
        _complain(f"WeasyPrint fails ({type(error).__name__}: {error})")
    else:
        children.say(answer, {"without_glyph": made.without_glyph, "pages": made.pages}, made.content)


def _complain(why: str) -> None:
    error = SurroundingsError(f"the PDF cannot be made, because {why}", "mend that or ask for --formats html")
    children.say(sys.stdout.buffer, children.told(error, traceback.format_exc()))

"""What every command shares: parsers of its options, and errors as one line with an exit code."""

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from reportgen.errors import ReportgenError, one_line

INTERNAL_FAULT = 70
"""Exit code of a fault in reportgen itself (EX_SOFTWARE in sysexits.h)."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def whole(given: str) -> int:
    """Return the number that `given` spells; typer's own message would not say what was given."""
    try:
        return int(given)
    except ValueError as error:
        raise typer.BadParameter(f"{given!r} is no whole number") from error


def number(given: str) -> float:
    """Return the number that `given` spells."""
    try:
        return float(given)
    except ValueError as error:
        raise typer.BadParameter(f"{given!r} is no number") from error


def listed(given: str) -> list[str]:
    """"html, pdf" -> ["html", "pdf"]."""
    return [part.strip() for part in given.split(",") if part.strip()]


@contextmanager
def errors_shown(debug: bool) -> Iterator[None]:
    """Turn any failure of the block into one line on stderr and an exit code; with `debug` a traceback before it."""
    try:
        yield
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        raise typer.Exit(_explain(error)) from error


def _explain(error: BaseException) -> int:
    """Print the one line about `error` and return its exit code."""
    if isinstance(error, KeyboardInterrupt):
        fail("interrupted; the earlier report, if there was one, is as it was")
        return 128 + signal.SIGINT
    if isinstance(error, ReportgenError):
        fail(str(error))
        return error.exit_code
    if isinstance(error, MemoryError):
        fail("the memory is used up; give less data or a smaller model, or a machine with more memory")
        return 3
    if isinstance(error, OSError):
        fail(f"{one_line(error)}; mend that and run again")
        return 3
    what = f"a fault in reportgen ({type(error).__name__}: {error})"
    fail(f"{one_line(what)}; run again with --debug and report what it shows")
    return INTERNAL_FAULT


def fail(line: str) -> None:
    """Print the one line of a failure."""
    print(f"reportgen: error: {one_line(line)}", file=sys.stderr)

"""What every command shares: parsers of its options, and errors as one line with an exit code."""

import codecs
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from reportgen.errors import explained, one_line

WHAT_IS_THERE = "the earlier report, if there was one, is as it was, unless the new one was finished by then"
"""What an end by a signal leaves: a report is swapped in whole, and something may follow that."""


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
    """ "html, pdf" -> ["html", "pdf"]."""
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
        fail(f"interrupted; {WHAT_IS_THERE}")
        return 128 + signal.SIGINT
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE  # whoever read what is printed has seen enough of it
    line, code = explained(error)
    fail(line)
    return code


def fail(line: str) -> None:
    """Print the one line of a failure, if there is anything to print it on."""
    said = f"reportgen: error: {one_line(line)}"
    with suppress(OSError):
        try:
            print(said, file=sys.stderr, flush=True)
        except RuntimeError:  # a signal came while something was printed: a stream is not entered twice
            os.write(sys.stderr.fileno(), f"{said}\n".encode(sys.stderr.encoding, "backslashreplace"))


def open_streams() -> None:
    """Open what the caller has closed of stdin, stdout and stderr, else the next files would take their places."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def print_any_name() -> None:
    """See to it that a name that the terminal cannot show is no error.

    On stdout the bytes of a file name stay as they are, whatever the locale: a script goes on with them.
    """
    codecs.register_error("reportgen.stdout", _as_it_is)
    codecs.register_error("reportgen.stderr", _plain_or_number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=f"reportgen.{name}")


_PLAIN = {"\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "x", "\N{EN DASH}": "-", "\N{NO-BREAK SPACE}": " "}
"""What is printed for signs of reportgen's own on a terminal whose encoding lacks them."""


def _as_it_is(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return the bytes that a character stands for in a file name, or else its number: a handler of `codecs`."""
    assert isinstance(error, UnicodeEncodeError)
    if error.object[error.start] not in _PLAIN:
        with suppress(UnicodeError):
            return os.fsencode(error.object[error.start]), error.start + 1
    return _plain_or_number(error)


def _plain_or_number(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what is printed for one of reportgen's own signs, for any other character its number."""
    assert isinstance(error, UnicodeEncodeError)
    if plain := _PLAIN.get(error.object[error.start]):
        return plain, error.start + 1
    one = UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    return codecs.backslashreplace_errors(one)


def end_of_output(code: int) -> int:
    """Flush what was printed, and return `code`, or 3 where that could not be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        _forget_stdout()
        fail(f"stdout cannot be written ({error.strerror}); mend that and run again")
        return code or 3
    return code


def _forget_stdout() -> None:
    """Have Python not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""Everything that can go wrong in a way a user can act on.

ReportgenError
├── InputError          2   the call or an input cannot be used
└── SurroundingsError   3   something around us failed: a system library, the network, the disk
    └── TryLaterError   75  the same call may work later: a mail server is busy (EX_TEMPFAIL in sysexits.h)
"""

import re
from collections.abc import Sequence

_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_LONGEST = 600
_SAID_OF_MEMORY = (
    "can't start new thread",
    "failed to map segment from shared object",  # the loader of libraries, where the address space is used up
    "cannot allocate memory",
    "failed to allocate memory",
    "std::bad_alloc",
    "oom when allocating",
    "received an exception:status: 1,",  # oneDNN's number for it
)
"""What errors say in small letters that are about memory but have no type of their own."""

_MOST_CAUSES = 20  # errors can come from each other in a circle

INTERNAL_FAULT = 70
"""Exit code of a fault in reportgen itself (EX_SOFTWARE in sysexits.h)."""


class ReportgenError(Exception):
    """A failure that is shown as one line: what is wrong, and what to do about it."""

    exit_code = 1

    def __init__(self, what: str, do: str) -> None:
        self.what, self.do = one_line(what), one_line(do)
        super().__init__(f"{self.what}; {self.do}")


class InputError(ReportgenError):
    """The call or an input cannot be used."""

    exit_code = 2


class SurroundingsError(ReportgenError):
    """The call is fine, but the surroundings failed."""

    exit_code = 3


class TryLaterError(SurroundingsError):
    """The surroundings failed, and the same call may work later."""

    exit_code = 75


def one_line(text: object) -> str:
    """Return `text` as one line without control or direction characters, cut visibly at 600 characters."""
    line = _UNSHOWABLE.sub(" ", str(text)).strip()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ... ({len(line):,} characters)"


def explained(error: BaseException) -> tuple[str, int]:
    """Return the one line about a failure, and its exit code."""
    if isinstance(error, ReportgenError):
        return str(error), error.exit_code
    if is_of_memory(error):
        return "the memory is used up; give less data or a smaller model, or a machine with more memory", 3
    if isinstance(error, OSError):
        return f"{one_line(error)}; mend that and run again", 3
    what = f"a fault in reportgen ({type(error).__name__}: {error})"
    return f"{one_line(what)}; run again with --debug and report what it shows", INTERNAL_FAULT


def is_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, is about memory; TensorFlow's is known by its name."""
    for _ in range(_MOST_CAUSES):
        if error is None:
            break
        kinds = {kind.__name__ for kind in type(error).__mro__}
        said = str(error).lower()
        if kinds & {"MemoryError", "ResourceExhaustedError"} or any(words in said for words in _SAID_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def together(problems: Sequence[SurroundingsError]) -> SurroundingsError:
    """Return one error for what is missing from a report that was written."""
    first, more = problems[0], len(problems) - 1
    if not more:
        return first
    found = SurroundingsError(f"{first.what} (and {more} more, see the findings)", first.do)
    found.__cause__ = ExceptionGroup("all that is missing", problems)
    return found

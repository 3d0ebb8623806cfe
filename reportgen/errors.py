"""Everything that can go wrong in a way a user can act on.

ReportgenError
├── InputError          2   the call or an input cannot be used
└── SurroundingsError   3   something around us failed: a system library, the network, the disk
    └── TryLaterError   75  the same call may work later: a mail server is busy (EX_TEMPFAIL in sysexits.h)
"""

import re

_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_LONGEST = 600


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

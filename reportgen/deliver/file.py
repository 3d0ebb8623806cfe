"""One file, whole or as it was before."""

import contextlib
import stat
from pathlib import Path

from reportgen.deliver import claim
from reportgen.errors import SurroundingsError

LONGEST_WAIT = 60.0
"""Seconds to wait for another process that writes the same file."""


def write(path: Path, content: bytes) -> None:
    """Make `content` what is in `path`; until that is done an earlier file stays as it was.

    A pipe, a terminal and what is under /dev are written to as they come. Raises SurroundingsError, also where another
    process does not end to write the same file.
    """
    try:
        if _is_stream(path):
            with path.open("ab") as stream:
                stream.write(content)
        else:
            _replace(path.resolve(), content)  # resolved: a link stays a link
    except OSError as error:
        raise SurroundingsError(
            f"{path} cannot be written ({error.strerror or error})", "mend that or give another path"
        ) from error


def _is_stream(path: Path) -> bool:
    parents = path.absolute().parents
    if Path("/dev") in parents and Path("/dev/shm") not in parents:
        return True  # /dev/stdout can lead to a file that somebody else still writes to
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with claim.claimed(path, longest=LONGEST_WAIT):
        staged = claim.beside(path)
        try:
            claim.write_through(staged, content)
            if path.exists():
                staged.chmod(stat.S_IMODE(path.stat().st_mode))
            staged.replace(path)
        finally:
            claim.remove(staged)
        with contextlib.suppress(OSError):  # the new file is there
            claim.flush(path.parent)

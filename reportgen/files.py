"""Open what a user names or what lies beside it, and nothing but regular files of a sane size.

A FIFO would be waited for for ever, a device never end, and a file of any size fill the memory.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from reportgen.errors import InputError

MOST_JSON = 256 * 2**20
"""So large a report.json, or a history, is none: that of a network with 100,000 units is smaller."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def opened(path: Path, *, within: Path | None = None) -> BinaryIO:
    """Return the regular file at `path`, open for reading.

    within: a folder that a link at `path` must not lead out of; a link that a user named may lead anywhere.
    Raises InputError for everything else; its cause is the OSError where nothing is there or may be read.
    """
    try:
        real = path.resolve(strict=True)
        if within is not None and not real.is_relative_to(within.resolve()):
            raise InputError(f"{path} is a link that leads out of {within}", "put the file itself there")
        _check_kind(path, real.lstat().st_mode)
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be opened ({why})", "expected a file that can be read") from error
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)  # it may have been exchanged meanwhile
    except InputError:
        os.close(descriptor)
        raise
    return open(real, "rb", opener=lambda path, flags: descriptor)  # so that its `name` is the path


def content(path: Path, most: int) -> bytes:
    """Return what the regular file at `path` holds, `most` bytes at most. Raises InputError for every other."""
    try:
        with opened(path) as stream:
            # what is too large is not read for that, and what grows meanwhile is not read to its end
            held = stream.read(most + 1) if os.fstat(stream.fileno()).st_size <= most else None
    except OSError as error:  # a disk that fails
        raise InputError(f"{path} cannot be read ({error.strerror})", "expected a file that can be read") from error
    if held is None or len(held) > most:
        raise InputError(f"{path} is larger than {most:,} bytes", "expected a smaller file")
    return held


def shown(name: str) -> str:
    """Return a file's name with each byte that is not UTF-8 written out, such as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise InputError(f"{path} is {kind}", "expected a regular file")

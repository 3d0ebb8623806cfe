"""Open what a user names, and nothing but regular files: a FIFO would wait for ever, a device never end."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from reportgen.errors import InputError

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
    Raises InputError for everything else.
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
    with opened(path) as stream:
        held = stream.read(most + 1)
    if len(held) > most:
        raise InputError(f"{path} is larger than {most:,} bytes", "expected a smaller file")
    return held


def shown(name: str) -> str:
    """Return a file's name with each byte that is not UTF-8 written out, such as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise InputError(f"{path} is {kind}", "expected a regular file")

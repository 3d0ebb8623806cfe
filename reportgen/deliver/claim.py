"""One writer at a time: a lock beside what is written; leftovers of killed writers are removed.

All that a writer puts beside its target has a name by the same pattern, hidden and with eight random characters at
its end. Who holds the lock is the only writer, so whatever else has such a name is of one that ended before its time.
The lock is the system's (flock): it ends with the process, however that ends.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec

from reportgen.errors import SurroundingsError
from reportgen.format import as_given

LONGEST_WAIT = 600.0
"""Seconds that a run waits for another one that writes to the same place."""

EARLIER = ".earlier"
"""How the name of a report ends that was moved aside on a system that cannot exchange folders in one step."""

_NOT_OFFERED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_P = ParamSpec("_P")
_LONGEST_NAME = 150  # bytes; a file system takes 255


@contextlib.contextmanager
def claimed(target: Path, say: Callable[[str], None] | None = None, longest: float = LONGEST_WAIT) -> Iterator[None]:
    """Be the only writer of `target`, a resolved path, while the block runs.

    Waits for another writer, and says so, for `longest` seconds. Its folder must be there. Raises SurroundingsError
    when the time is over, OSError where nothing can be written beside it. A file system without locks gives none.
    """
    path, handle = target.with_name(f"{_prefix(target)}lock"), None
    try:
        handle = _locked(path, target, say or (lambda line: None), longest)
        if handle is not None:
            _clear(target)
        yield
    finally:
        if handle is not None:
            _insist(_release, path, handle)


def beside(target: Path) -> Path:
    """Return a new path in the same folder as `target`, by the pattern of what is cleared away."""
    return target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}")


def write_through(path: Path, content: bytes) -> None:
    """Make a new file at `path`, and come back when the disk has it. Raises OSError."""
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def remove(path: Path) -> None:
    """Delete a file or folder as far as it can be, and not less for an interrupt meanwhile."""
    _insist(_remove, path)


def flush(folder: Path) -> None:
    """Have the disk keep what the folder's entries are. Raises OSError, but not where folders cannot be flushed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:  # some network file systems cannot
            raise
    finally:
        os.close(handle)


def _prefix(target: Path) -> str:
    name = target.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f".{name}.reportgen-"


def _locked(path: Path, target: Path, say: Callable[[str], None], longest: float) -> int | None:
    """Return the open and locked file at `path`, None where the file system has no locks."""
    end, has_said = time.monotonic() + longest, False
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, handle):
                return handle
        except BlockingIOError:
            if not has_said:
                say(f"Another run is writing {target}; waiting for it ...")
                has_said = True
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                os.close(handle)
                raise
            path.unlink(missing_ok=True)
            os.close(handle)
            return None
        except BaseException:  # Ctrl-C, SIGTERM
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _insist(_release, path, handle)
            raise
        os.close(handle)
        if time.monotonic() > end:
            raise SurroundingsError(
                f"{target} is being written by another run, even after {as_given(longest)} seconds",
                "wait for that run, or choose another place",
            )
        time.sleep(0.1 if has_said else 0)


def _release(path: Path, handle: int) -> None:
    """Delete the lock while it is held, so that who opened it meanwhile sees that it is gone, and let it go."""
    with contextlib.suppress(OSError):
        if _is_at(path, handle):
            path.unlink()
        os.close(handle)


def _insist(work: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Do the work, once more where an interrupt came between."""
    try:
        work(*args, **kwargs)
    except BaseException:  # Ctrl-C, SIGTERM
        work(*args, **kwargs)
        raise


def _is_at(path: Path, handle: int) -> bool:
    """Return whether the open file is still what the path leads to: who held the lock before has deleted it."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _clear(target: Path) -> None:
    """Delete what killed writers left beside `target`; a report that was moved aside goes back where it is missing."""
    pattern = re.compile(re.escape(_prefix(target)) + r"[a-z0-9_]{8}(\.earlier)?")
    with os.scandir(target.parent) as entries:
        left = sorted(entry.name for entry in entries if pattern.fullmatch(entry.name))
    for name in left:
        path = target.with_name(name)
        if name.endswith(EARLIER) and not os.path.lexists(target):
            path.rename(target)
        else:
            remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

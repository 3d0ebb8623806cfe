"""The report's folder: whole or not there, and never without the earlier one."""

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reportgen.deliver.file import umask
from reportgen.errors import InputError, SurroundingsError

NAMES = frozenset({"report.html", "report.pdf", "report.json", "record.npz", "model.keras"})
FILES = "report_files"
"""The folder of what a split page has beside it."""

_BESIDE = (".css", ".js", ".png", ".woff2")
_AT_FDCWD, _EXCHANGE = -100, 2


def check(target: Path) -> None:
    """Raise unless a report can be written to `target`; to be asked before the long work.

    A folder that holds anything else than a report is refused: writing replaces the folder.
    """
    target = target.resolve()
    _refuse_foreign(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_prefix(target), dir=target.parent):
            pass
    except OSError as error:
        raise _cannot_write(target, error) from error


def read(source: Path) -> dict[str, bytes]:
    """Return the files of the report in `source`, by name. Raises InputError where one cannot be read."""
    try:
        beside = sorted(f"{FILES}/{path.name}" for path in (source / FILES).glob("*") if path.suffix in _BESIDE)
        return {name: (source / name).read_bytes() for name in [*sorted(NAMES), *beside] if (source / name).is_file()}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})", "mend that") from error


def write(target: Path, files: Mapping[str, bytes]) -> None:
    """Make `target` a folder of exactly `files`. Until that is done the earlier folder stays as it was."""
    target = target.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        try:
            for name, content in files.items():
                (staged / name).parent.mkdir(exist_ok=True)
                _write_through(staged / name, content)
            staged.chmod(0o777 & ~umask())
            _refuse_foreign(target)  # again: a run can take hours
            _swap(staged, target)
            with contextlib.suppress(OSError):  # some network file systems cannot; the new report is there
                _flush_folder(target.parent)
        finally:
            shutil.rmtree(staged, ignore_errors=True)  # after the swap this is the earlier report
    except OSError as error:
        raise _cannot_write(target, error) from error


def _refuse_foreign(target: Path) -> None:
    """Raise InputError where `target` is no folder or holds anything that is not a report's."""
    if target.is_dir():
        if foreign := sorted(entry.name for entry in target.iterdir() if not _is_ours(entry)):
            found = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise InputError(f"{target} holds files that are no report ({found})", "choose another --out")
    elif target.exists():
        raise InputError(f"{target} is a file", "give --out a folder")


def _is_ours(entry: Path) -> bool:
    if entry.name == FILES and entry.is_dir() and not entry.is_symlink():
        return all(path.suffix in _BESIDE and path.is_file() for path in entry.iterdir())
    return entry.name in NAMES


def _prefix(target: Path) -> str:
    return f".{target.name}.reportgen-"


def _cannot_write(target: Path, error: OSError) -> SurroundingsError:
    return SurroundingsError(
        f"{target} cannot be written ({error.strerror or error})", "mend that or choose another --out"
    )


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(staged: Path, target: Path) -> None:
    """Put `staged` in the place of `target`, in one step where the system has one (Linux)."""
    if not target.exists():
        staged.rename(target)
    elif not _exchange(staged, target):
        earlier = staged.with_name(staged.name + ".earlier")
        target.rename(earlier)
        try:
            staged.rename(target)
        except BaseException:  # Ctrl-C too
            earlier.rename(target)
            raise
        shutil.rmtree(earlier, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically; return False where system or file system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    if (code := ctypes.get_errno()) in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code))

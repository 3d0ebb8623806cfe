"""The report's folder: whole or not there, and never without the earlier one.

A report is written into a hidden folder beside its own, flushed to the disk, and put in the place of the earlier one
in one step. Whenever the process or the machine ends, one whole report is there.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reportgen import files
from reportgen.deliver import claim as claims
from reportgen.errors import InputError, SurroundingsError
from reportgen.format import short

MODEL = "model.keras"
SMALLER, CERTIFICATE = "smaller.keras", "smaller.json"
"""What `reportgen prune` makes of the model, and the proof for it. A later report does not keep them."""

_MODELS = {MODEL, SMALLER}
NAMES = frozenset({"report.html", "report.pdf", "report.json", "record.npz", CERTIFICATE, *_MODELS})
FILES = "report_files"
"""The folder of what a split page has beside it."""

_LONGEST_SHOWN = 400
_LARGEST = 4 * 2**30  # bytes of a file in a report: a model can be large
_BESIDE = (".css", ".js", ".png", ".woff2", ".html")
_AT_FDCWD, _EXCHANGE = -100, 2


class Place:
    """A folder that nobody else writes to until the block of `claim` ends."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def write(self, files: Mapping[str, bytes]) -> None:
        """Make it a folder of exactly `files`. Until that is done the earlier folder stays as it was."""
        with _writing(self._target):
            _write(self._target, files)


def check(target: Path) -> None:
    """Raise unless a report can be written to `target`; to be asked before the long work.

    A folder that holds anything else than a report is refused: writing replaces the folder.
    """
    with _writing(target):
        probe = claims.beside(_ready(target))
        try:
            probe.mkdir()
        finally:
            claims.remove(probe)


@contextlib.contextmanager
def claim(target: Path, say: Callable[[str], None] | None = None) -> Iterator[Place]:
    """Yield `target` as a place that this run alone writes to. Waits for another run, and says so; raises as `check`.

    What killed runs left beside it is removed.
    """
    with contextlib.ExitStack() as stack:
        with _writing(target):
            target = _ready(target)
            stack.enter_context(claims.claimed(target, say))
        yield Place(target)


def write(target: Path, files: Mapping[str, bytes]) -> None:
    """Make `target` a folder of exactly `files`. Until that is done the earlier folder stays as it was."""
    with claim(target) as place:
        place.write(files)


def read(source: Path) -> dict[str, bytes]:
    """Return the files of the report in `source`, by name. Raises InputError where one cannot be read."""
    try:
        beside = sorted(f"{FILES}/{path.name}" for path in (source / FILES).glob("*") if path.suffix in _BESIDE)
        there = [name for name in [*sorted(NAMES), *beside] if (source / name).is_file()]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})", "mend that") from error
    return {name: files.content(source / name, _LARGEST) for name in there}


@contextlib.contextmanager
def unchanged(source: Path) -> Iterator[None]:
    """Raise SurroundingsError at the end of the block where another run replaced the folder while it was read."""
    before = _identity(source)
    yield
    if _identity(source) != before:
        raise SurroundingsError(f"{source} was replaced by another run while it was read", "run again")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    staged = claims.beside(target)
    aside = staged.with_name(staged.name + claims.EARLIER)
    try:
        staged.mkdir()
        for name, content in files.items():
            (staged / name).parent.mkdir(exist_ok=True)
            claims.write_through(staged / name, content)
        for folder in {(staged / name).parent for name in files} | {staged}:
            claims.flush(folder)
        _refuse(target)  # again: a run can take hours
        _swap(staged, aside, target)
        with contextlib.suppress(OSError):  # the new report is there
            claims.flush(target.parent)
            for earlier in (staged, aside):
                _keep_foreign(earlier, target)
    finally:
        claims.remove(staged)
        if os.path.lexists(target):
            claims.remove(aside)


def _ready(target: Path) -> Path:
    """Return where `target` leads, with the folder that it lies in made. Raises as `check`."""
    try:
        target = target.resolve()
    except (RuntimeError, ValueError) as error:  # links in a circle; a NUL
        raise InputError(f"--out {str(target)!r} leads nowhere ({error})", "give --out a folder") from error
    _refuse(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _refuse(target: Path) -> None:
    """Raise InputError where `target` is no folder or holds anything that is not a report's."""
    if target.is_dir():
        if foreign := _foreign(target):
            found = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise InputError(f"{target} holds files that are no report ({found})", "choose another --out")
        if target.is_mount():
            raise SurroundingsError(
                f"{target} is a mount point, which cannot be replaced as a whole", f"give --out {target / 'report'}"
            )
    elif os.path.lexists(target):
        raise InputError(f"{target} is a file", "give --out a folder")


def _foreign(folder: Path) -> list[str]:
    """Return what the folder holds beside a report. A model alone is no report: it may be its owner's only copy."""
    entries = sorted(folder.iterdir())
    is_report = any(entry.name in NAMES - _MODELS for entry in entries)
    found = []
    for entry in entries:
        if entry.name == FILES and entry.is_dir() and not entry.is_symlink():
            inner = sorted(entry.iterdir())
            found += [f"{FILES}/{path.name}" for path in inner if path.suffix not in _BESIDE or not path.is_file()]
        elif entry.name not in NAMES or (entry.name in _MODELS and not is_report) or _is_real_folder(entry):
            found.append(entry.name)
    return found


def _is_real_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _keep_foreign(earlier: Path, target: Path) -> None:
    """Move into the new report what somebody laid into the earlier one in its last moment."""
    for name in _foreign(earlier) if earlier.is_dir() else ():
        if not os.path.lexists(target / name):
            (target / name).parent.mkdir(exist_ok=True)
            (earlier / name).rename(target / name)


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SurroundingsError(
            f"{short(str(target), _LONGEST_SHOWN)} cannot be written ({error.strerror or error})",
            "mend that or choose another --out",
        ) from error


def _swap(staged: Path, aside: Path, target: Path) -> None:
    """Put `staged` in the place of `target`, in one step where the system has one (Linux).

    The earlier report is then in the place of `staged`, or on other systems in `aside`.
    """
    if not target.exists():
        staged.rename(target)
    elif not _exchange(staged, target):
        try:
            target.rename(aside)
            staged.rename(target)  # a process that is killed just before: the next run puts the earlier one back
        finally:
            if not os.path.lexists(target):
                aside.rename(target)


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

"""Temporary folders that a killed run leaves behind only until the next one.

Each is locked while its process lives, by the system (flock), so the lock ends with the process, however that ends.
Who makes one removes those that nobody holds any longer. Nothing of ours goes to the user's home: see
`no_matplotlib_home`.
"""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

PREFIX = "reportgen-run-"
_SECONDS = 60.0
"""A folder is not looked at before: its own process may be about to lock it."""


class Folder:
    """A temporary folder, removed by `cleanup` or at the end of a `with` block. name: its path.

    Raises OSError where there is no room for one.
    """

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.name = tempfile.mkdtemp(prefix=PREFIX)
        self._handle: int | None = None
        with suppress(OSError):  # a file system without locks: nobody else can take this one for left behind
            self._handle = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> str:
        return self.name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove the folder as far as it can be."""
        shutil.rmtree(self.name, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _sweep(place: Path) -> None:
    """Remove the folders in `place` whose processes have ended, as far as that is allowed."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_if_left(Path(entry.path))


def _remove_if_left(folder: Path) -> None:
    found = folder.lstat()
    if found.st_uid != os.geteuid() or time.time() - found.st_mtime < _SECONDS:
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process is alive
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


@contextmanager
def no_matplotlib_home() -> Iterator[None]:
    """Let matplotlib, where the block is the first to import it, write its folders and its cache nowhere in HOME.

    The user's own matplotlibrc is read all the same. Where MPLCONFIGDIR is set, that is the user's choice. Afterwards
    matplotlib asks again where its folders are: in a notebook the process is the user's.
    """
    try:
        empty = None if "matplotlib" in sys.modules or _is_chosen() else Folder()
    except OSError:  # no room for one
        empty = None
    if empty is None:
        yield
        return
    own = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "matplotlib" / "matplotlibrc"
    with empty as place:
        changed = {"MPLCONFIGDIR": place}
        if "MATPLOTLIBRC" not in os.environ and own.is_file():
            changed["MATPLOTLIBRC"] = str(own)
        earlier = {name: os.environ[name] for name in changed if name in os.environ}
        os.environ |= changed
        try:
            yield
        finally:
            for name in changed:
                os.environ.pop(name, None)
            os.environ |= earlier
            _forget_folders()


def _is_chosen() -> bool:
    """Return whether the user chose a folder that matplotlib can use; else it would leave one of its own behind."""
    if not (given := os.environ.get("MPLCONFIGDIR")):
        return False
    try:
        Path(given).mkdir(parents=True, exist_ok=True)  # as matplotlib does
    except OSError:
        return False
    return os.access(given, os.W_OK)


def _forget_folders() -> None:
    """Have matplotlib not remember the temporary folder, which is kept behind a decorator."""
    # it has no way to be asked again; where the decorator is made otherwise one day, nothing is changed
    matplotlib: Any = sys.modules.get("matplotlib")
    for asked in (getattr(matplotlib, name, None) for name in ("get_configdir", "get_cachedir")):
        names = getattr(getattr(asked, "__code__", None), "co_freevars", ())
        cells = dict(zip(names, getattr(asked, "__closure__", None) or (), strict=False))
        if "called" in cells:
            cells["called"].cell_contents = False

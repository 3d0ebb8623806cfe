"""One file, whole or as it was before."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from reportgen.errors import SurroundingsError


def write(path: Path, content: bytes) -> None:
    """Make `content` what is in `path`; until that is done an earlier file stays as it was.

    A pipe, a terminal and what is under /dev are written to as they come. Raises SurroundingsError.
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
    if Path("/dev") in path.absolute().parents:  # /dev/stdout can lead to a file that somebody else still writes to
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~umask()
    handle, staged = tempfile.mkstemp(prefix=f".{path.name[:100]}.reportgen-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(staged).chmod(mode)
        Path(staged).replace(path)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            Path(staged).unlink()
        raise


def umask() -> int:
    """Return the mask that new files and folders of this process get."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask

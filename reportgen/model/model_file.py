"""A model file as a private copy, looked into by a process of its own before Keras sees it."""

import hashlib
import os
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from reportgen import scratch
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Text, from_plain
from reportgen.model import foreign
from reportgen.model.inspection.child import TRANSLATED
from reportgen.options import Bounds
from reportgen.process import children

_MAGIC: dict[bytes, Literal[".keras", ".h5"]] = {b"PK\x03\x04": ".keras", b"\x89HDF\r\n\x1a\n": ".h5"}
_EXPECTED = "expected a .keras or .h5 file that Keras saved whole"
_BLOCK = 2**20
_SECONDS, _BYTES_PER_SECOND = 20, 25 * 10**6


@dataclass(frozen=True)
class ModelFile:
    """A model file that was read once. To be used in a `with` block, which removes the copy.

    path: where it lay. copy: the same bytes where nobody else can change them, its name ending as fits the content.
    sha256: of the bytes, in hexadecimal. bounds: what it may take.
    """

    path: Path
    copy: Path
    sha256: str
    bounds: Bounds
    _folder: scratch.Folder
    _looking: "subprocess.Popen[bytes]"
    _until: float

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.kill()
        self._looking.communicate()
        self._folder.cleanup()

    @property
    def for_keras(self) -> Path:
        """The file to give to Keras once it was checked: the copy, or, where Keras 2 wrote that, its translation."""
        other = self.copy.with_name(f"{TRANSLATED}{self.copy.suffix}")
        return other if other.exists() else self.copy

    @property
    def keras(self) -> str | None:
        """The version of Keras that wrote the file, where that was one before 3, else None. Raises as `check`."""
        written_by: str | None = self._found().get("keras")
        return written_by

    def check(self) -> Text | None:
        """Wait for what the look into the file has found. Raises InputError for a file that Keras should not be given.

        The look began when the file was read, so that there is little to wait for where something else was done since.
        Return what was changed of a file of Keras 2 for Keras 3 to read it, None where nothing was.
        """
        changes = self._found().get("changes")
        return from_plain(changes) if changes else None

    def _found(self) -> dict[str, Any]:
        try:
            left = max(self._until - time.monotonic(), 1)  # what ended long ago has still to be read
            answer, complaint = self._looking.communicate(timeout=left)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{self.path} is damaged: it keeps the HDF5 library busy for ever", _EXPECTED) from error
        if not answer:
            if (code := self._looking.returncode) < 0:
                raise InputError(
                    f"{self.path} is damaged: the HDF5 library ends {children.ended(code)} on it", _EXPECTED
                )
            raise SurroundingsError(
                f"{self.path} could not be looked into: the process for that ended {children.ended(code, complaint)}",
                "see that h5py is installed and whole",
            )
        return children.heard(answer, f"{self.path} ")


def read(path: Path, bounds: Bounds | None = None) -> ModelFile:
    """Read the file at `path` once, and begin to look into it.

    Raises InputError where it is no file that could be a model, SurroundingsError where there is no room for a copy.
    """
    bounds = (bounds or Bounds()).bounds
    largest = int(bounds.max_model_gb * 10**9)
    folder = scratch.Folder()
    try:
        with _opened(path) as stream:
            ending = _ending(path, stream)
            copy = Path(folder.name) / f"model{ending}"
            sha256, size = _copied(path, stream, copy, largest)
        seconds = _SECONDS + size // _BYTES_PER_SECOND
        looking = _look(copy, largest, bounds.max_layers, seconds)
    except BaseException:
        folder.cleanup()
        raise
    return ModelFile(path, copy, sha256, bounds, folder, looking, time.monotonic() + seconds)


def _opened(path: Path) -> BinaryIO:
    """Open a regular file. Raises InputError for all else; a pipe or a device could be read for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait for a writer
    except FileNotFoundError as error:
        what = "is a link to nothing" if path.is_symlink() else "does not exist"
        raise InputError(f"--model {path} {what}", _EXPECTED) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})", _EXPECTED) from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        what, do = foreign.folder(path)
        raise InputError(f"{path} is {what}", do)
    raise InputError(f"{path} is not a regular file", _EXPECTED)


def _ending(path: Path, stream: BinaryIO) -> str:
    """Return the ending that fits the content. Raises InputError where there is none, or where the name says another.

    Whoever named the file thought that it was the other, and so will Keras where it is loaded next.
    """
    head = stream.read(foreign.HEAD)
    stream.seek(0)
    if not head:
        raise InputError(f"{path} is empty", _EXPECTED)
    found = next((ending for magic, ending in _MAGIC.items() if head.startswith(magic)), None)
    if found is None and (other := foreign.named(head, path)):
        raise InputError(f"{path} is {other[0]}", other[1])
    if found is None:
        raise InputError(f"{path} is neither a .keras archive nor an HDF5 file", _EXPECTED)
    named = {".hdf5": ".h5", ".keras": ".keras", ".h5": ".h5"}.get(path.suffix.lower(), found)
    if named != found:
        what = {".h5": "is an HDF5 file", ".keras": "is a .keras archive"}[found]
        raise InputError(f"{path} {what}, whatever its name says", f"rename it to {path.stem}{found}")
    return found


def _copied(path: Path, stream: BinaryIO, copy: Path, largest: int) -> tuple[str, int]:
    """Copy the file, and return the SHA-256 of its bytes and how many they are."""
    digest, size = hashlib.sha256(), 0
    try:
        with copy.open("xb") as made:
            while block := stream.read(_BLOCK):
                size += len(block)
                if size > largest:
                    raise InputError(
                        f"{path} is larger than {largest:,} bytes", "raise --max-model-gb if it is to be trusted"
                    )
                digest.update(block)
                made.write(block)
    except OSError as error:
        raise SurroundingsError(
            f"{path} cannot be copied to {copy.parent} ({error.strerror})", "make room there, or set TMPDIR"
        ) from error
    return digest.hexdigest(), size


def _look(copy: Path, largest: int, layers: int, seconds: int) -> "subprocess.Popen[bytes]":
    child = children.command("reportgen.model.inspection.child")
    return subprocess.Popen(
        [*child, str(copy), str(largest), str(layers), str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1"},  # "::" loads no plug-ins
    )

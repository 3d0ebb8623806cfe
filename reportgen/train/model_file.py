"""A model file as bytes, checked as far as that is possible before Keras sees it."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reportgen.errors import InputError

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_EXPECTED = "expected a .keras or .h5 file that Keras saved whole"


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds. path: where it lay; ending: the one that fits the content."""

    path: Path
    content: bytes
    ending: Literal[".keras", ".h5"]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def read(path: Path) -> ModelFile:
    """Read the file at `path` once. Raises InputError where it is no whole .keras archive or HDF5 model."""
    content = _bytes(path)
    if content.startswith(_ZIP):
        _check_archive(path, content)
        return ModelFile(path, content, ".keras")
    if content.startswith(_HDF5):
        _check_hdf5(path, content)
        return ModelFile(path, content, ".h5")
    raise InputError(f"{path} is neither a .keras archive nor an HDF5 file", _EXPECTED)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder (a SavedModel?)", f"{_EXPECTED}; save it with model.save('x.keras')")
    if not path.exists():
        raise InputError(f"--model {path} does not exist", _EXPECTED)
    if not path.is_file():
        raise InputError(f"{path} is not a regular file", _EXPECTED)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", _EXPECTED) from error
    if not content:
        raise InputError(f"{path} is empty", _EXPECTED)
    return content


def _check_archive(path: Path, content: bytes) -> None:
    """Raise InputError where the archive is cut off, damaged, or no Keras model."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if damaged := archive.testzip():
                raise InputError(f"{path} is damaged (checksum of {damaged})", _EXPECTED)
            if missing := {"config.json", "model.weights.h5"} - set(archive.namelist()):
                raise InputError(f"{path} lacks {', '.join(sorted(missing))}", _EXPECTED)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path} is cut off or damaged ({error})", _EXPECTED) from error


def _check_hdf5(path: Path, content: bytes) -> None:
    """Raise InputError where the file is cut off or holds weights without the model they belong to."""
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as stored:
            is_model = "model_config" in stored.attrs
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path} is cut off or damaged ({error})", _EXPECTED) from error
    if not is_model:
        raise InputError(f"{path} holds weights but no model", "save the whole model with model.save('x.keras')")

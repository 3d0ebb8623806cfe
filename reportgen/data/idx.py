"""IDX files, the format in which MNIST and its relatives are published."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from reportgen import files
from reportgen.data import stored
from reportgen.dataset import Images
from reportgen.errors import InputError

_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_BYTE = np.dtype(np.uint8)
_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def looks_like(folder: Path) -> bool:
    """Return whether a folder holds one of the files."""
    return any(_found(folder, name) is not None for name in _NAMES.values())


def read_folder(folder: Path) -> dict[str, Images]:
    """Return x_train, y_train, x_test and y_test, as far as `folder` has them, from their usual file names.

    Each may be plain or .gz, and spelt with a dot ("train-images.idx3-ubyte"). Raises InputError.
    """
    arrays = {}
    for key, name in _NAMES.items():
        if path := _found(folder, name):
            arrays[key] = read(path, _IMAGES_MAGIC if key.startswith("x") else _LABELS_MAGIC, within=folder)
    if not arrays:
        raise InputError(
            f"the folder {folder} holds none of the IDX files",
            f"expected {', '.join(_NAMES.values())}, each plain or .gz",
        )
    return arrays


def _found(folder: Path, name: str) -> Path | None:
    """Return where a file lies under one of its spellings."""
    spellings = [name, name.replace("-idx", ".idx")]
    candidates = [folder / (spelling + end) for spelling in spellings for end in ("", ".gz")]
    return next((path for path in candidates if os.path.lexists(path) and not path.is_dir()), None)


def read(path: Path, magic: int, *, within: Path | None = None) -> Images:
    """Return the unsigned bytes in one IDX file; where there are many of them, they stay on disk.

    magic: what the first four bytes must say: unsigned bytes and the number of dimensions. within: a folder that a
    link must not lead out of.
    Raises InputError where magic number, sizes or the amount of data do not fit.
    """
    with files.opened(path, within=within) as file:
        try:
            if path.suffix != ".gz":
                return _values(file, file, path, magic)
            with gzip.GzipFile(fileobj=file) as stream:
                return _values(cast(BinaryIO, stream), file, path, magic)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} cannot be read ({error})", "download it again") from error


def _values(stream: BinaryIO, file: BinaryIO, path: Path, magic: int) -> Images:
    """Return what an IDX file holds. stream: its content, unpacked from `file` or `file` itself."""
    shape = _shape(stream, path, magic)
    wanted, there = math.prod(shape), os.fstat(file.fileno()).st_size
    if stream is file:
        begin = 4 + 4 * len(shape)
        _check_amount(path, there - begin, wanted)
        if wanted > stored.IN_MEMORY:
            return stored.Stored(stored.Handle(file.fileno(), Path(file.name)), begin, shape, _BYTE, str(path))
    stored.check_packing(str(path), packed=there, unpacked=wanted)
    spool = stored.Spool(str(path), wanted)
    stored.copied(stream, wanted + 1, spool)
    _check_amount(path, spool.size, wanted)
    return spool.images(shape, _BYTE)


def _shape(stream: BinaryIO, path: Path, magic: int) -> tuple[int, ...]:
    """Return the sizes in the header of an IDX file."""
    dimensions = magic & 0xFF
    header = stream.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions:
        raise InputError(f"{path} ends within its header", "download it again")
    found, *sizes = struct.unpack(f">{1 + dimensions}I", header)
    if found != magic:
        kind = "images" if magic == _IMAGES_MAGIC else "labels"
        raise InputError(f"{path} has the magic number {found:#010x}", f"expected {magic:#010x} (unsigned byte {kind})")
    if not 0 < math.prod(sizes) <= stored.ON_DISK:
        raise InputError(f"{path} says it holds {math.prod(sizes):,} bytes", f"expected 1 to {stored.ON_DISK:,}")
    return tuple(sizes)


def _check_amount(path: Path, there: int, wanted: int) -> None:
    if there != wanted:
        raise InputError(
            f"{path} holds {'more' if there > wanted else f'{there:,}'} bytes of data",
            f"expected {wanted:,}, as its header says; download it again",
        )

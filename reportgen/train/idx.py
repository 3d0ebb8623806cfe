"""IDX files, the format in which MNIST and its relatives are published."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from reportgen.errors import InputError

_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_MOST_BYTES = 8 * 2**30
_PIECE = 2**24
_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def read_folder(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Return x_train, y_train, x_test and y_test, as far as `folder` has them, from their usual file names.

    Each may be plain or .gz, and spelt with a dot ("train-images.idx3-ubyte"). Raises InputError.
    """
    arrays = {}
    for key, name in _NAMES.items():
        spellings = [name, name.replace("-idx", ".idx")]
        candidates = [folder / (spelling + end) for spelling in spellings for end in ("", ".gz")]
        if path := next((candidate for candidate in candidates if candidate.is_file()), None):
            arrays[key] = read(path, _IMAGES_MAGIC if key.startswith("x") else _LABELS_MAGIC)
    if not arrays:
        raise InputError(
            f"the folder {folder} holds none of the IDX files",
            f"expected {', '.join(_NAMES.values())}, each plain or .gz",
        )
    return arrays


def read(path: Path, magic: int) -> NDArray[np.uint8]:
    """Return the array in one IDX file of unsigned bytes.

    magic: what the first four bytes must say: unsigned bytes and the number of dimensions.
    Raises InputError where magic number, sizes or the amount of data do not fit.
    """
    dimensions = magic & 0xFF
    try:
        with _open(path) as stream:
            header = stream.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions:
                raise InputError(f"{path} ends within its header", "download it again")
            found, *sizes = struct.unpack(f">{1 + dimensions}I", header)
            if found != magic:
                kind = "images" if magic == _IMAGES_MAGIC else "labels"
                raise InputError(
                    f"{path} has the magic number {found:#010x}", f"expected {magic:#010x} (unsigned byte {kind})"
                )
            wanted = math.prod(sizes)
            if not 0 < wanted <= _MOST_BYTES:
                raise InputError(f"{path} says it holds {wanted:,} bytes", f"expected 1 to {_MOST_BYTES:,}")
            data = _read(stream, wanted + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error})", "download it again") from error
    if len(data) != wanted:
        more = "more" if len(data) > wanted else f"{len(data):,}"
        raise InputError(
            f"{path} holds {more} bytes of data", f"expected {wanted:,}, as its header says; download it again"
        )
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read(stream: BinaryIO, most: int) -> bytes:
    """Return up to `most` bytes, asking for memory only as they come: the header may claim what is not there."""
    pieces = []
    while most and (piece := stream.read(min(most, _PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)

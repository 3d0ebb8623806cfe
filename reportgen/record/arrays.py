"""The arrays of a report's record.npz; what the archive claims is compared with bounds before it is unpacked.

numpy allocates what the header of an array claims, and zipfile unpacks what the directory of an archive claims: 37 MB
can be 8 GB that way.
"""

import io
import math
import struct
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from reportgen import files
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.record.pictures import Array

MOST_BYTES = 2**30
"""So much is neither packed nor unpacked: the pictures of a report have budgets."""

_MOST_MEMBERS = 10_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADER = 2**14  # numpy itself takes no header beyond 10,000 characters
_PARSERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DIRECTORY, _DIRECTORY_ENDS, _ENTRY = b"PK\x05\x06", 22 + 2**16, 46
_DO = "make the report again, or give a folder that `reportgen report` wrote"


def read(path: Path, most: int = MOST_BYTES) -> dict[str, Array]:
    """Return the arrays of an .npz file by name. most: bytes that they may be together, packed and unpacked.

    Raises InputError where the file is none, holds Python objects, or claims to be more; whatever a damaged file makes
    of zipfile, zlib and numpy besides.
    """
    content = files.content(path, most)
    _check_directory(content, path)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len({info.filename for info in members}) != len(members):
            raise InputError(f"{path} has two arrays of one name", _DO)
        if (size := sum(info.file_size for info in members)) > most:
            raise InputError(f"{path} unpacks to {size:,} bytes, more than {most:,}", _DO)
        if odd := [info for info in members if info.flag_bits & 1 or info.compress_type not in _METHODS]:
            raise InputError(f"{path} has {short(odd[0].filename)} encrypted or packed in another way than numpy", _DO)
        found = {}
        for info in members:
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as member:
                found[name] = _array(member, info.file_size, f"{short(name)} in {path}")
        return found


def _check_directory(content: bytes, path: Path) -> None:
    """Raise InputError where the directory is too long to be a report's: zipfile makes an object of every entry."""
    at = content.rfind(_DIRECTORY, max(len(content) - _DIRECTORY_ENDS, 0))
    size = struct.unpack_from("<L", content, at + 12)[0] if 0 <= at <= len(content) - 16 else 0
    if size > _MOST_MEMBERS * (_ENTRY + 30):
        raise InputError(f"{path} lists more than {_MOST_MEMBERS:,} arrays", _DO)


def _array(stream: IO[bytes], size: int, what: str) -> Array:
    """Return the array of an .npy file of `size` bytes."""
    start = stream.read(min(_HEADER, size))
    head = io.BytesIO(start)
    with warnings.catch_warnings(action="ignore"):  # about files of Python 2, and odd escapes in a header
        version = np.lib.format.read_magic(head)
        if version not in _PARSERS:
            raise InputError(f"{what} has version {version} of the format, which numbers do not need", _DO)
        shape, fortran, dtype = _PARSERS[version](head)
    _check_claims(shape, dtype, size - head.tell(), what)
    held = start[head.tell() :] + stream.read()
    flat: Any = np.frombuffer(held, dtype, count=math.prod(shape))
    ordered = flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)
    found: Array = ordered.copy(order="F" if fortran else "C")  # one that may be written to, as numpy's own is
    return found


def _check_claims(shape: tuple[int, ...], dtype: np.dtype[Any], size: int, what: str) -> None:
    """Raise InputError unless an array of that shape and type has `size` bytes and no Python objects."""
    if dtype.hasobject:
        raise InputError(f"{what} holds Python objects, which are never unpickled", _DO)
    if dtype.kind == "V" or any(side < 0 for side in shape):
        raise InputError(f"{what} has dtype {short(str(dtype))} and shape {short(str(shape))}", _DO)
    if (claimed := math.prod(shape) * dtype.itemsize) != size:
        raise InputError(f"{what} says that it holds {claimed:,} bytes, but has {size:,}", _DO)

"""The arrays of an .npz file or of a folder of .npy files; nothing is believed before it was compared with the file."""

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, TypeVar, cast

import numpy as np

from reportgen import files
from reportgen.data import cifar, keys, stored
from reportgen.dataset import Images, blocks
from reportgen.errors import InputError, ReportgenError
from reportgen.format import first, short
from reportgen.i18n import Text

T = TypeVar("T")

SUFFIX = ".npz"

_MAGIC = b"\x93NUMPY"
_LISTED = 10
_HEADER = 2**14  # numpy itself takes no header beyond 10,000 characters
_MOST_AXES, _LONGEST_AXIS = 8, 2**48
_PARSERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DO = "save it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"


@dataclass(frozen=True)
class _Header:
    """What an .npy file says about itself.

    end: where the values begin, in bytes. fortran: whether the first axis runs fastest.
    """

    end: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class Found(NamedTuple):
    """Arrays by the names in keys.KEYS, or x and y of a single part. said: which were taken, in sentences."""

    arrays: dict[str, Images]
    said: tuple[Text, ...]


def read(path: Path) -> Found:
    """Return the arrays of an .npz file that keys.take takes; what is large stays on disk. Raises InputError."""
    with files.opened(path) as stream:
        start = stream.read(4)
        if not start.startswith(b"PK"):
            if start.startswith(b"\x80") and cifar.is_batch(path):
                raise InputError(f"{path} is one batch of CIFAR", f"give --data {path.parent}, the folder of all")
            kinds = "expected an .npz, .csv or .parquet file, or pictures in a folder, a zip or a tar.gz"
            raise InputError(f"{path} {_other_kind(start)}", f"{kinds}; an array: {_DO}")
        return _explained(lambda: _members(stream, path), path)


def looks_like(folder: Path) -> bool:
    """Return whether a folder holds x_test.npy or another of the arrays as a file."""
    return any(keys.role(name) for name in _stems(folder))


def read_folder(folder: Path) -> Found:
    """Return the arrays that lie in `folder` as x_test.npy, y_test.npy, ...; what is large stays there."""
    names, said = keys.take(_stems(folder), str(folder))
    return Found({key: _read_npy(folder / f"{name}.npy", folder) for key, name in names.items()}, said)


def _stems(folder: Path) -> list[str]:
    """Return the names of the .npy files in a folder, sorted."""
    try:
        return sorted(path.stem for path in folder.glob("*.npy"))
    except OSError:
        return []


def _read_npy(path: Path, folder: Path) -> Images:
    with files.opened(path, within=folder) as stream:
        size = os.fstat(stream.fileno()).st_size
        return _explained(lambda: _array(stream, size, str(path), plain=(stream, 0)), path)


def _other_kind(start: bytes) -> str:
    if not start:
        return "is empty"
    if start == _MAGIC[:4]:
        return "holds one bare array, not an .npz archive"
    if start.startswith(b"\x80"):
        return "seems to hold Python objects, which are never unpickled"
    return f"is no .npz archive (it begins with the bytes {start.hex(' ')})"


def _explained(made: Callable[[], T], path: Path) -> T:
    """Return what `made` returns. Raises InputError for whatever a damaged file makes numpy, zipfile and zlib raise."""
    try:
        return made()
    except (ReportgenError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be read ({str(error) or type(error).__name__})", _DO) from error


def _members(stream: BinaryIO, path: Path) -> Found:
    with zipfile.ZipFile(stream) as archive:
        named: dict[str, list[zipfile.ZipInfo]] = {}
        for info in archive.infolist():
            named.setdefault(info.filename.removesuffix(".npy"), []).append(info)
        taken, said = keys.take(named, str(path))
        if not taken.keys() - {"class_names"}:
            listed = first([short(name) for name in named], _LISTED) or "none"
            raise InputError(f"{path} has the keys {listed}, not x_test", keys.EXPECTED)
        if twice := [name for name in taken.values() if len(named[name]) > 1]:
            raise InputError(f"{path} has {twice[0]} more than once", _DO)
        found = {key: _member(archive, named[name][0], stream, f"{name} in {path}") for key, name in taken.items()}
        return Found(found, said)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stream: BinaryIO, what: str) -> Images:
    if info.flag_bits & 1:
        raise InputError(f"{what} is encrypted", "save it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{what} is packed by method {info.compress_type}", "expected numpy.savez or numpy.savez_compressed"
        )
    plain = info.compress_type == zipfile.ZIP_STORED
    with archive.open(info) as member:
        if not plain:
            stored.check_packing(what, packed=info.compress_size, unpacked=info.file_size)
        images = _array(member, info.file_size, what, plain=(stream, _begin(stream, info)) if plain else None)
    if plain and isinstance(images, stored.Stored):
        _check_sum(images, stream, info)
    return images


def _begin(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where in the archive the bytes of a member begin; zipfile has found its local header to be right."""
    stream.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", stream.read(4))
    return info.header_offset + 30 + int(name) + int(extra)


def _check_sum(images: stored.Stored, stream: BinaryIO, info: zipfile.ZipInfo) -> None:
    """Raise InputError unless what is read from the archive without zipfile has the checksum that it promises."""
    begin = _begin(stream, info)
    stream.seek(begin)
    found = zlib.crc32(stream.read(images.offset - begin))
    plain = replace(images, shape=(len(images), images.nbytes // len(images)), kept=np.dtype(np.uint8))
    for block in blocks(plain):
        found = zlib.crc32(block.data, found)
    if found != info.CRC:
        raise InputError(f"{images.what} is damaged (its checksum is wrong)", "copy or save the file again")


def _array(stream: IO[bytes], size: int, what: str, *, plain: tuple[BinaryIO, int] | None) -> Images:
    """Return the array of an .npy file, in memory where it is small.

    stream: at its beginning. size: how many bytes it should have. plain: where the same bytes lie unpacked, as the
    file and the place in it; None where they are packed, so that a large array has to go into a temporary file.
    """
    start = stream.read(_HEADER)
    header = _header(start, what)
    if header.end + header.nbytes != size:
        raise InputError(
            f"{what} says that it holds {header.nbytes:,} bytes of values, but has {size - header.end:,}", _DO
        )
    if header.nbytes > stored.IN_MEMORY:
        if header.fortran:
            raise InputError(
                f"{what} lies in Fortran order and is too large to be turned in memory",
                "save numpy.ascontiguousarray of it",
            )
        if plain is not None:
            file, place = plain
            if place + size > os.fstat(file.fileno()).st_size:
                raise InputError(f"{what} is cut off", "copy or save the file again")
            handle = stored.Handle(file.fileno(), Path(file.name))
            return stored.Stored(handle, place + header.end, header.shape, header.dtype, what)
    spool = stored.Spool(what, header.nbytes)
    spool.write(start[header.end :])
    stored.copied(cast(BinaryIO, stream), header.nbytes + 1 - spool.size, spool)
    if spool.size != header.nbytes:
        raise InputError(f"{what} has not the {header.nbytes:,} bytes of values that it says", _DO)
    if not header.fortran:
        return spool.images(header.shape, header.dtype)
    return cast(Images, np.transpose(cast(Any, spool.images(header.shape[::-1], header.dtype))))


def _header(start: bytes, what: str) -> _Header:
    """Return what the first bytes of an .npy file say. Raises InputError where they cannot be meant."""
    stream = io.BytesIO(start)
    try:
        with warnings.catch_warnings(action="ignore"):  # about files of Python 2, and odd escapes in a header
            version = np.lib.format.read_magic(stream)
            if version not in _PARSERS:
                raise ValueError(f"version {version} of the format, which only structured arrays need")
            shape, fortran, dtype = _PARSERS[version](stream)
    except Exception as error:  # whatever the parser of Python literals makes of it, up to a RecursionError
        raise InputError(f"{what} is no array ({str(error) or type(error).__name__})", _DO) from error
    if dtype.hasobject:
        raise InputError(f"{what} holds Python objects, which are never unpickled", "save plain number or text arrays")
    if dtype.kind == "V":
        raise InputError(f"{what} has dtype {dtype}", "save plain number or text arrays")
    if len(shape) > _MOST_AXES or not all(0 <= length <= _LONGEST_AXIS for length in shape):
        raise InputError(f"{what} has an impossible shape of {len(shape)} axes", "expected sizes that fit the file")
    return _Header(stream.tell(), shape, dtype, bool(fortran))

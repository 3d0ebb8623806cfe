"""Images that lie in a file and are read some at a time, so that memory does not grow with their number."""

import io
import math
import os
import tempfile
import weakref
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from reportgen import files
from reportgen.dataset import Images
from reportgen.errors import InputError, SurroundingsError

IN_MEMORY = 256 * 2**20
"""Bytes of an array up to which it is kept in memory as a whole."""

ON_DISK = 64 * 2**30
"""Bytes of an array that are written into a temporary file at most."""

UNPACKED = 100
"""How many times its packed size an array beyond IN_MEMORY may have: real images stay far below it."""

_PIECE = 2**20


class Handle:
    """A file descriptor of its own for a file that is open elsewhere; closed when nothing refers to it any more.

    path: where others find the file, None where they cannot. A pickled copy opens what is there when it is used.
    """

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self.path, self._stamp = path, _stamp(descriptor)
        self._keep(os.dup(descriptor))

    @property
    def descriptor(self) -> int:
        """To read from. Raises InputError where a copy finds no file at its path, or another one."""
        if self._descriptor is None:
            assert self.path is not None
            with files.opened(self.path) as file:
                if _stamp(file.fileno()) != self._stamp:
                    raise InputError(
                        f"{self.path} is another file here, by its size or the time of its last change",
                        "give every machine the same file; a copy has to keep its times (cp -p, rsync -t)",
                    )
                self._keep(os.dup(file.fileno()))
        assert self._descriptor is not None
        return self._descriptor

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_stamp": self._stamp, "_descriptor": None}

    def _keep(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True, eq=False)
class Stored:
    """Images that lie one after another in a file, as plain bytes; they are read with plain reads, not mapped.

    Mapped pages would count as memory of this process. offset: of the first image, in bytes. shape: (N, *space, C).
    kept: their dtype in the file. what: how an error names them.
    """

    handle: Handle
    offset: int
    shape: tuple[int, ...]
    kept: np.dtype[Any]
    what: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the arrays that indexing returns: `kept` as this machine and TensorFlow take it."""
        return native(self.kept)

    @property
    def nbytes(self) -> int:
        """The size of all images in the file, in bytes."""
        return math.prod(self.shape) * self.kept.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any, /) -> NDArray[Any]:
        """Return the images of a slice, those with the numbers in an array of integers, or one."""
        if isinstance(which, int | np.integer):
            return cast(NDArray[Any], self[np.array([which])][0])
        runs = self._runs(which)
        found = np.empty((sum(map(len, runs)), *self.shape[1:]), self.kept)
        at = 0
        for run in runs:
            self._read(found[at : at + len(run)], run.start)
            at += len(run)
        return found.astype(self.dtype, copy=False)

    @property
    def on_path(self) -> bool:
        """Whether a pickled copy can be read where the same paths are seen; not so in a temporary file."""
        return self.handle.path is not None

    def cut(self, start: int, stop: int, /) -> "Stored":
        """Return the images start ... stop - 1, without reading any."""
        each = self.nbytes // len(self)
        return replace(self, offset=self.offset + start * each, shape=(stop - start, *self.shape[1:]))

    def reshape(self, shape: tuple[int, ...]) -> "Stored":
        """Return the same bytes as images of another shape."""
        return replace(self, shape=shape)

    def _runs(self, which: Any) -> list[range]:
        """Return the numbers of images that are asked for, those together that lie behind each other in the file."""
        if isinstance(which, slice):
            asked = range(*which.indices(len(self)))
            if asked.step == 1:
                return [asked]
            which = np.array(asked, np.int64)
        numbers = self._numbers(which)
        starts = np.flatnonzero(np.diff(numbers, prepend=-2) != 1).tolist()
        begins = numbers[starts].tolist()
        ends = pairwise([*starts, len(numbers)])
        return [range(begin, begin + end - start) for begin, (start, end) in zip(begins, ends, strict=True)]

    def _numbers(self, which: Any) -> NDArray[np.int64]:
        numbers = np.asarray(which)
        if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
            raise TypeError(f"images are asked for by a slice or an array of integers, not by {which!r}")
        numbers = numbers.astype(np.int64)
        if len(numbers) and not -len(self) <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"an image number is out of range: there are {len(self)} images")
        return numbers % len(self)

    def _read(self, images: NDArray[Any], first: int) -> None:
        """Fill `images`, which lie behind each other in the file from number `first` on."""
        view = images.reshape(-1).view(np.uint8).data
        at = self.offset + first * (self.nbytes // len(self))
        while view:
            read = os.preadv(self.handle.descriptor, [view[: 2**30]], at)
            if not read:
                raise InputError(f"{self.what} became shorter meanwhile", "leave the file as it is, and run again")
            view, at = view[read:], at + read


class Spool:
    """Bytes that come piece by piece: in memory while they are few, then in a temporary file without a name.

    what: how an error names them. expected: how many there will be, as far as that is known. few: how many are kept
    in memory at most, by default IN_MEMORY. size: so far.
    """

    def __init__(self, what: str, expected: int = 0, *, few: int | None = None) -> None:
        self.what, self.expected, self.size = what, expected, 0
        self.few = IN_MEMORY if few is None else few
        self._memory = io.BytesIO()
        self._disk: Handle | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`. Raises InputError beyond ON_DISK, SurroundingsError where no temporary file can be written."""
        view = memoryview(data).cast("B")
        self.size += len(view)
        if self.size > ON_DISK:
            raise InputError(f"{self.what} goes on after {self.size:,} bytes", f"give at most {ON_DISK:,}")
        if self._disk is None and max(self.size, self.expected) <= self.few:
            self._memory.write(view)
            return
        try:
            if self._disk is None:
                with tempfile.TemporaryFile(prefix="reportgen-") as file:
                    self._disk = Handle(file.fileno())
                _write(self._disk, self._memory.getbuffer())
                self._memory = io.BytesIO()
            _write(self._disk, view)
        except OSError as error:
            raise SurroundingsError(
                f"{self.what} takes more than {self.few // 2**20} MB and cannot be kept in a temporary file "
                f"({error.strerror or error})",
                "set the environment variable TMPDIR to a folder with more room",
            ) from error

    def images(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Images:
        """Return what was written as images, an array in memory or what is read from the temporary file."""
        if self._disk is None:
            return np.ndarray(shape, dtype, self._memory.getbuffer())
        return Stored(self._disk, 0, shape, dtype, self.what)


def copied(stream: BinaryIO, most: int, spool: Spool) -> None:
    """Write up to `most` bytes of `stream` into `spool`, asking for memory only as they come."""
    while most and (piece := stream.read(min(most, _PIECE))):
        spool.write(piece)
        most -= len(piece)


def check_packing(what: str, *, packed: int, unpacked: int) -> None:
    """Raise InputError where `packed` bytes that would become `unpacked` ones are rather a trap than images."""
    if unpacked > ON_DISK:
        raise InputError(f"{what} would unpack to {unpacked:,} bytes", f"give at most {ON_DISK:,}")
    if unpacked > IN_MEMORY and unpacked > UNPACKED * packed:
        raise InputError(
            f"{what} would unpack from {packed:,} to {unpacked:,} bytes",
            f"expected at most {UNPACKED} times as much; if it is meant so, store it without compression",
        )


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that holds the same values in this machine's byte order and that TensorFlow has."""
    too_wide = dtype.kind == "f" and dtype.itemsize > 8
    return np.dtype(np.float64) if too_wide else dtype.newbyteorder("=")


def _stamp(descriptor: int) -> tuple[int, int]:
    """Return what tells one file from another: its size, and when it was written last."""
    about = os.fstat(descriptor)
    return about.st_size, about.st_mtime_ns


def _write(handle: Handle, view: memoryview) -> None:
    while view:
        view = view[os.write(handle.descriptor, view) :]

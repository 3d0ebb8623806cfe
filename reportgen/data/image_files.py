"""Pictures that are decoded when they are asked for, from files or from bytes in a table, and what they share."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from reportgen.data import decode
from reportgen.dataset import Images, cut
from reportgen.errors import InputError
from reportgen.files import shown
from reportgen.format import first
from reportgen.i18n import Text, joined, text

Size = tuple[int, int]
"""(height, width)."""

_NAMED_IN_ERROR = 10
_MOST_THREADS = 4
_AT_ONCE = 256
_T = TypeVar("_T")


class Traits(NamedTuple):
    """What a picture is like, once decoded. mode: L, I;16 or RGB."""

    height: int
    width: int
    mode: str
    resized: bool
    transparent: bool


class Common(NamedTuple):
    """What all pictures become.

    shape: (H, W, C). dtype: uint8, or uint16 where all have 16 bits. said: what is done to them, in sentences.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    said: Text | None


class _Decoded:
    """Pictures as dataset.Images; who inherits says where the pixels of one come from."""

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype[Any], size: Size | None) -> None:
        self._shape, self._dtype, self._size = shape, dtype, size

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self), *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        return self._dtype

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, which: Any, /) -> NDArray[Any]:
        numbers = np.arange(len(self))[which]  # so that numpy's rules are kept
        out = np.empty((*numbers.shape, *self._shape), self._dtype)
        flat = out.reshape(-1, *self._shape)

        def fill(place: int) -> None:
            flat[place] = self._pixels(int(numbers.flat[place]))

        in_threads(fill, range(len(flat)))
        return out

    def _pixels(self, number: int) -> NDArray[Any]:
        raise NotImplementedError

    def _decoded(self, held: bytes) -> NDArray[Any]:
        image = decode.decode(held, self._size).image
        return decode.pixels(image, colour=self._shape[2] == 3, wide=self._dtype == np.uint16)


class Pictures(_Decoded):
    """The pictures of a part as dataset.Images. Asked for one that has changed since, it raises InputError."""

    def __init__(
        self,
        paths: Sequence[str],
        stamps: Sequence[decode.Stamp] | NDArray[np.int64],
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        size: Size | None,
    ) -> None:
        super().__init__(shape, dtype, size)
        self._paths = paths
        self._stamps = np.array(stamps, np.int64).reshape(-1, 2)  # so they take less memory

    @property
    def on_path(self) -> bool:
        """A pickled copy can be read where the same paths are seen."""
        return True

    def __len__(self) -> int:
        return len(self._paths)

    def cut(self, start: int, stop: int, /) -> Self:
        """Return the pictures start ... stop - 1, without reading any."""
        paths, stamps = self._paths[start:stop], self._stamps[start:stop]
        return type(self)(paths, stamps, self._shape, self._dtype, self._size)

    def _pixels(self, number: int) -> NDArray[Any]:
        path = self._paths[number]
        try:
            held, stamp = decode.content(path)
            if stamp != tuple(self._stamps[number]):
                raise decode.Unreadable(text("it was written to"))
            return self._decoded(held)
        except decode.Unreadable as error:
            what = f"the picture {shown(path)} changed after it was first read: {error.reason}"
            raise InputError(what, "leave the data as it is while a report is made, and run again") from error


class Packed(_Decoded):
    """Pictures whose encoded bytes lie together, as dataset.Images.

    held: (B,) uint8, the bytes of all of them. spans: (N, 2) where each begins, and where it ends.
    """

    def __init__(
        self,
        held: Images,
        spans: NDArray[np.int64],
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        size: Size | None,
    ) -> None:
        super().__init__(shape, dtype, size)
        self._held, self._spans = held, spans

    @property
    def on_path(self) -> bool:
        """Whether a pickled copy can be read elsewhere; what lies in a temporary file cannot."""
        return isinstance(self._held, np.ndarray)

    def __len__(self) -> int:
        return len(self._spans)

    def cut(self, start: int, stop: int, /) -> Self:
        """Return the pictures start ... stop - 1, without reading any."""
        spans = self._spans[start:stop]
        begin, end = (int(spans.min()), int(spans.max())) if len(spans) else (0, 0)
        return type(self)(cut(self._held, begin, end), spans - begin, self._shape, self._dtype, self._size)

    def made(self, shape: tuple[int, int, int], dtype: np.dtype[Any], numbers: NDArray[np.int64]) -> Self:
        """Return those with these numbers, all brought to one shape and type."""
        return type(self)(self._held, self._spans[numbers], shape, dtype, self._size)

    def encoded(self, number: int) -> bytes:
        """Return the bytes of one picture as they are stored."""
        begin, end = self._spans[number].tolist()
        found: NDArray[Any] = self._held[begin:end]
        return found.tobytes()

    def looked_through(self, size: Size | None, known: Mapping[int, Text] | None = None) -> Iterator[Traits | Text]:
        """Decode all pictures and yield what each is like, or why there is none. known: by number, where it is so."""

        def look(number: int) -> Traits | Text:
            if known and number in known:
                return known[number]
            if not (held := self.encoded(number)):
                return text("it is empty")
            try:
                return traits(decode.decode(held, size))
            except decode.Unreadable as error:
                return error.reason

        for start in range(0, len(self), _AT_ONCE):
            yield from in_threads(look, range(start, min(start + _AT_ONCE, len(self))))

    def _pixels(self, number: int) -> NDArray[Any]:
        return self._decoded(self.encoded(number))  # it was decoded once before, and nobody else has these bytes


def traits(picture: decode.Picture) -> Traits:
    """Return what a decoded picture is like."""
    image, resized, transparent = picture
    return Traits(image.height, image.width, image.mode, resized, transparent)


def in_threads(work: Callable[[_T], Any], items: Sequence[_T]) -> list[Any]:
    """Return what `work` makes of each item, in their order; Pillow's decoders leave Python's lock to others."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    step = max(-(-len(items) // (4 * threads)), 1)  # pieces, since handing over each one alone takes its time
    pieces = [items[start : start + step] for start in range(0, len(items), step)]
    with decode.guarded(), ThreadPoolExecutor(threads) as pool:
        return [made for piece in pool.map(lambda piece: [work(item) for item in piece], pieces) for made in piece]


def common(found: Counter[Traits], what: str) -> Common:
    """Return what pictures like these become. what: how an error names where they lie.

    Raises InputError where they have several sizes.
    """
    _check_sizes(found, what)
    height, width = next((one.height, one.width) for one in found)
    colour = any(one.mode == "RGB" for one in found)
    wide = all(one.mode == decode.GREY_16 for one in found)
    dtype = np.dtype(np.uint16 if wide else np.uint8)
    return Common((height, width, 3 if colour else 1), dtype, _said(found, colour=colour, wide=wide))


def _check_sizes(found: Counter[Traits], what: str) -> None:
    sizes: Counter[Size] = Counter()
    for one, count in found.items():
        sizes[one.height, one.width] += count
    if len(sizes) < 2:
        return
    ordered = [(f"{height}x{width}", count) for (height, width), count in sizes.most_common()]
    listed = first([f"{size} ({count:,})" for size, count in ordered], _NAMED_IN_ERROR)
    raise InputError(
        f"the pictures in {what} have {len(sizes):,} sizes (height x width): {listed}",
        f"give --image-size HxW to resize all of them, such as --image-size {ordered[0][0]}",
    )


def _said(found: Counter[Traits], *, colour: bool, wide: bool) -> Text | None:
    one, modes, said = next(iter(found)), {one.mode for one in found}, []
    if any(one.resized for one in found):
        size = f"{one.height}x{one.width}"
        said.append(
            text(
                "Pictures of another size were resized to {size} pixels, height by width (bilinear, antialiased,"
                " whatever their proportions).",
                size=size,
            )
        )
    if any(one.transparent for one in found):
        said.append(text("Transparent pictures were laid on white."))
    if colour and len(modes) > 1:
        said.append(text("Grey pictures were taken for colour pictures, since others have colour."))
    if decode.GREY_16 in modes and not wide:
        said.append(text("Pictures of 16 bits a pixel were cut to their upper 8, since others have no more."))
    return joined(" ", said) if said else None

"""Pictures in folders, train/<class>/* and test/<class>/*, as images that are decoded when they are asked for."""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images, Skipped
from reportgen.errors import InputError
from reportgen.texts import Text, joined, text
from reportgen.train import decode
from reportgen.train.labels import MOST_CLASSES
from reportgen.wording import first, short

PARTS = ("train", "test")
MOST_FILES = 2_000_000
LISTED = 20
"""How many skipped files the report names."""

_IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX"}
_FEW, _SHARE = 3, 0.1
"""So many unreadable files of a part are never too many, and so large a share of them."""
_NAMED_IN_ERROR = 10
_AT_ONCE = 256
_MOST_THREADS = 4

_Size = tuple[int, int]
_T = TypeVar("_T")


class _File(NamedTuple):
    """A file of a class. name: below the data folder; path: of what is read; refused: why it is not to be opened."""

    label: str
    name: str
    path: str
    refused: Text | None


class _Traits(NamedTuple):
    """What a picture is like, once decoded. mode: L, I;16 or RGB."""

    height: int
    width: int
    mode: str
    resized: bool
    transparent: bool


@dataclass
class _Part:
    """What a part's folder holds. skipped: by the name of the file; good: those with a picture; stamps: of these."""

    name: str
    labels: set[str] = field(default_factory=set)
    files: list[_File] = field(default_factory=list)
    skipped: dict[str, Text] = field(default_factory=dict)
    good: list[_File] = field(default_factory=list)
    stamps: list[decode.Stamp] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What the folders of a data set hold, by part: "train" and "test", or one of them alone.

    images: (N, H, W, C) uint8 or uint16, decoded when they are asked for. labels: (N,) int64, indices into
    class_names. skipped: the files that hold no picture that can be read. said: what was done to the pictures, in
    sentences; None where nothing was.
    """

    images: dict[str, Images]
    labels: dict[str, NDArray[np.int64]]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    said: Text | None


class Pictures:
    """The pictures of a part as dataset.Images. Asked for one that has changed since, it raises InputError."""

    def __init__(
        self,
        paths: Sequence[str],
        stamps: Sequence[decode.Stamp] | NDArray[np.int64],
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        size: _Size | None,
    ) -> None:
        self._paths, self._shape, self._dtype, self._size = paths, shape, dtype, size
        self._stamps = np.array(stamps, np.int64).reshape(-1, 2)  # so they take less memory

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self._paths), *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        return self._dtype

    @property
    def on_path(self) -> bool:
        """A pickled copy can be read where the same paths are seen."""
        return True

    def __len__(self) -> int:
        return len(self._paths)

    def cut(self, start: int, stop: int, /) -> "Pictures":
        """Return the pictures start ... stop - 1, without reading any."""
        paths, stamps = self._paths[start:stop], self._stamps[start:stop]
        return Pictures(paths, stamps, self._shape, self._dtype, self._size)

    def __getitem__(self, which: Any, /) -> NDArray[Any]:
        numbers = np.arange(len(self))[which]  # so that numpy's rules are kept
        out = np.empty((*numbers.shape, *self._shape), self._dtype)
        flat = out.reshape(-1, *self._shape)

        def fill(place: int) -> None:
            flat[place] = self._pixels(int(numbers.flat[place]))

        _in_threads(fill, range(len(flat)))
        return out

    def _pixels(self, number: int) -> NDArray[Any]:
        path = self._paths[number]
        try:
            held, stamp = decode.content(path)
            if stamp != tuple(self._stamps[number]):
                raise decode.Unreadable(text("it was written to"))
            image = decode.decode(held, self._size).image
        except decode.Unreadable as error:
            what = f"the picture {_shown(path)} changed after it was first read: {error.reason}"
            raise InputError(what, "leave the data as it is while a report is made, and run again") from error
        return decode.pixels(image, colour=self._shape[2] == 3, wide=self._dtype == np.uint16)


def looks_like(path: Path) -> bool:
    """Return whether a folder has one named train or test, as data sets of pictures do."""
    return any((path / part).is_dir() for part in PARTS)


def read(path: Path, size: _Size | None) -> Found:
    """Go through all pictures below `path` once and return them.

    A class is a folder in train or in test; what lies in folders below it belongs to it too. Classes are sorted by
    name. So are the pictures of a class; those of a part come in turn, the first of each class, the second of each,
    and so on, so that the first few show many classes. Hidden files and what other systems leave behind are ignored.
    Links to files are followed inside `path`, links to folders never.

    size: (height, width) to resize to; without it all pictures must have one size.
    Raises InputError where there is no picture, where too many cannot be read, and where sizes differ.
    """
    root = Path(os.path.realpath(path))
    parts = [_listed(root, name) for name in PARTS if os.path.lexists(root / name)]
    traits: Counter[_Traits] = Counter()
    for part in parts:
        traits += _looked_through(part, size)
        _check_readable(part)
    _check_sizes(traits, path)
    height, width = next((one.height, one.width) for one in traits)
    colour = any(one.mode == "RGB" for one in traits)
    wide = all(one.mode == decode.GREY_16 for one in traits)
    shape, dtype = (height, width, 3 if colour else 1), np.dtype(np.uint16 if wide else np.uint8)
    names = sorted(set().union(*(part.labels for part in parts)))
    index = {name: number for number, name in enumerate(names)}
    return Found(
        images={p.name: Pictures([file.path for file in p.good], p.stamps, shape, dtype, size) for p in parts},
        labels={p.name: np.array([index[file.label] for file in p.good], np.int64) for p in parts},
        class_names=tuple(names),
        skipped=tuple(_skipped(part) for part in parts if part.skipped),
        said=_said(traits, colour=colour, wide=wide),
    )


def _listed(root: Path, name: str) -> _Part:
    """Return a part with the files of all its classes in their order."""
    part, files, count = _Part(name), dict[str, list[_File]](), 0
    for entry in _entries(_folder(root / name)):
        if entry.is_dir():
            label = unicodedata.normalize("NFC", _shown(entry.name))
            found = list(islice(_files(str(root), label, _folder(Path(entry.path))), MOST_FILES + 1 - count))
            files.setdefault(label, []).extend(found)
            count += len(found)
            if len(files) > MOST_CLASSES or count > MOST_FILES:
                what = f"{name} holds more than {MOST_CLASSES:,} folders or {MOST_FILES:,} files"
                raise InputError(what, "expected a folder for each class, and fewer files")
        else:
            part.skipped[f"{name}/{entry.name}"] = text("it lies in the folder of no class")
    if not files:
        what = f"the folder {name} holds no folders, so no classes"
        raise InputError(what, f"expected {name}/<name of the class>/<pictures>")
    part.labels = set(files)
    for label in sorted(files):
        files[label].sort(key=lambda file: file.name)
    turns = zip_longest(*(files[label] for label in sorted(files)))
    part.files = [file for file in chain.from_iterable(turns) if file is not None]
    return part


def _folder(path: Path) -> str:
    """Return the path of a folder. Raises InputError for a link and for a file."""
    if path.is_symlink():
        raise InputError(f"{_shown(str(path))} is a symbolic link", "put the folder itself in its place")
    if not path.is_dir():
        raise InputError(f"{_shown(str(path))} is no folder", "expected folders of pictures, one for each class")
    return str(path)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (one for one in entries if not one.name.startswith(".") and one.name not in _IGNORED)
    except OSError as error:
        raise InputError(f"{_shown(folder)} cannot be listed ({error.strerror})", "make it readable") from error


def _files(root: str, label: str, folder: str) -> Iterator[_File]:
    """Yield the files in a folder and in those below it, in no order. root: of the data set, without links in it."""
    folders = [folder]
    while folders:
        for entry in _entries(folders.pop()):
            path, refused = entry.path, None
            if entry.is_symlink():
                path, refused = _followed(root, entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
                continue
            elif not entry.is_file(follow_symlinks=False):
                refused = text("it is no regular file")
            yield _File(label, os.path.relpath(entry.path, root), path, refused)


def _followed(root: str, link: str) -> tuple[str, Text | None]:
    """Return where a link to a file leads, and if it must not be followed, why."""
    try:
        path = os.path.realpath(link, strict=True)
        mode = os.lstat(path).st_mode
    except OSError:
        return link, text("it is a symbolic link that leads nowhere")
    if os.path.commonpath([path, root]) != root:
        return link, text("it is a symbolic link that leaves the data folder")
    if not stat.S_ISREG(mode):
        return link, text("it is a symbolic link to something other than a file")
    return path, None


def _looked_through(part: _Part, size: _Size | None) -> Counter[_Traits]:
    """Decode all files of a part, sort out those that hold no picture, and return what the others are like."""
    traits: Counter[_Traits] = Counter()
    for start in range(0, len(part.files), _AT_ONCE):
        files = part.files[start : start + _AT_ONCE]
        for file, found in zip(files, _in_threads(lambda file: _looked_at(file, size), files), strict=True):
            if isinstance(found, Text):
                part.skipped[file.name] = found
                continue
            one, stamp = found
            traits[one] += 1
            part.good.append(file)
            part.stamps.append(stamp)
    return traits


def _looked_at(file: _File, size: _Size | None) -> tuple[_Traits, decode.Stamp] | Text:
    if file.refused is not None:
        return file.refused
    try:
        held, stamp = decode.content(file.path)
        image, resized, transparent = decode.decode(held, size)
    except decode.Unreadable as error:
        return error.reason
    return _Traits(image.height, image.width, image.mode, resized, transparent), stamp


def _in_threads(work: Callable[[_T], Any], items: Sequence[_T]) -> list[Any]:
    """Return what `work` makes of each item, in their order; Pillow's decoders leave Python's lock to others."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    step = max(-(-len(items) // (4 * threads)), 1)  # pieces, since handing over each one alone takes its time
    pieces = [items[start : start + step] for start in range(0, len(items), step)]
    with decode.guarded(), ThreadPoolExecutor(threads) as pool:
        return [made for piece in pool.map(lambda piece: [work(item) for item in piece], pieces) for made in piece]


def _check_readable(part: _Part) -> None:
    bad, total = len(part.skipped), len(part.skipped) + len(part.good)
    if not total:
        what = f"the folder {part.name} holds no file"
        raise InputError(what, f"expected {part.name}/<name of the class>/<pictures>")
    do = "mend or remove them; expected PNG, JPEG, BMP, GIF and WebP pictures"
    names = [short(_shown(name), 40) for name in sorted(part.skipped)]
    if not part.good or (bad > _FEW and bad > _SHARE * total):
        reasons = first([str(reason) for reason, _ in Counter(part.skipped.values()).most_common()], 2)
        what = f"{bad:,} of {total:,} files in {part.name} hold no picture that can be read"
        raise InputError(f"{what}: {first(names, _NAMED_IN_ERROR)} ({reasons})", do)
    lost = {file.label for file in part.files} - {file.label for file in part.good}
    if lost:
        labels = first([repr(short(label, 40)) for label in sorted(lost)], _NAMED_IN_ERROR)
        raise InputError(f"no file in {part.name} of the class {labels} holds a picture that can be read", do)


def _check_sizes(traits: Counter[_Traits], path: Path) -> None:
    sizes: Counter[_Size] = Counter()
    for one, count in traits.items():
        sizes[one.height, one.width] += count
    if len(sizes) < 2:
        return
    ordered = [(f"{height}x{width}", count) for (height, width), count in sizes.most_common()]
    listed = first([f"{size} ({count:,})" for size, count in ordered], _NAMED_IN_ERROR)
    raise InputError(
        f"the pictures in {_shown(str(path))} have {len(sizes):,} sizes (height x width): {listed}",
        f"give --image-size HxW to resize all of them, such as --image-size {ordered[0][0]}",
    )


def _skipped(part: _Part) -> Skipped:
    named = sorted(part.skipped.items())[:LISTED]
    return Skipped(part.name, len(part.skipped), tuple((_shown(name), reason) for name, reason in named))


def _said(traits: Counter[_Traits], *, colour: bool, wide: bool) -> Text | None:
    one, modes, said = next(iter(traits)), {one.mode for one in traits}, []
    if any(one.resized for one in traits):
        size = f"{one.height}x{one.width}"
        said.append(
            text(
                "Pictures of another size were resized to {size} pixels, height by width (bilinear, antialiased,"
                " whatever their proportions).",
                size=size,
            )
        )
    if any(one.transparent for one in traits):
        said.append(text("Transparent pictures were laid on white."))
    if colour and len(modes) > 1:
        said.append(text("Grey pictures were taken for colour pictures, since others have colour."))
    if decode.GREY_16 in modes and not wide:
        said.append(text("Pictures of 16 bits a pixel were cut to their upper 8, since others have no more."))
    return joined(" ", said) if said else None


def _shown(name: str) -> str:
    """Return a file's name with each byte that is not UTF-8 written out, such as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

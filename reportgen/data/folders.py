"""Pictures in folders of classes, or named by a table, as images that are decoded when they are asked for."""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen.data import decode, image_files, split_names
from reportgen.data.image_files import Pictures, Size, Traits
from reportgen.data.labels import MOST_CLASSES
from reportgen.dataset import Images, Skipped
from reportgen.errors import InputError
from reportgen.files import shown
from reportgen.format import first, short
from reportgen.i18n import Text, text

MOST_FILES = 2_000_000
LISTED = 20
"""How many skipped files the report names."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX"}
"""What other systems leave behind."""

_MEND = "mend or remove them; expected PNG, JPEG, BMP, GIF and WebP pictures"
_FEW, _SHARE = 3, 0.1
"""So many unreadable files of a part are never too many, and so large a share of them."""
_NAMED_IN_ERROR = 10
_AT_ONCE = 256
_LOOKED_AT = 1000
"""So many entries of a folder tell whether it is one of pictures."""


class _File(NamedTuple):
    """A file of a class. name: below the data folder; path: of what is read; refused: why it is not to be opened."""

    label: str
    name: str
    path: str
    refused: Text | None


@dataclass
class _Part:
    """What a part holds. folder: how an error names where. skipped: by the name of the file; good: those with a
    picture; stamps: of these."""

    name: str
    folder: str
    labels: set[str] = field(default_factory=set)
    files: list[_File] = field(default_factory=list)
    skipped: dict[str, Text] = field(default_factory=dict)
    good: list[_File] = field(default_factory=list)
    stamps: list[decode.Stamp] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What the folders of a data set hold, by part: "train" and "test", or one of them, or "" for a single one.

    images: (N, H, W, C) uint8 or uint16, decoded when they are asked for. labels: (N,) int64, indices into
    class_names. skipped: the files that hold no picture that can be read. said: what was done to the pictures, in
    sentences; None where nothing was.
    """

    images: dict[str, Images]
    labels: dict[str, NDArray[np.int64]]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    said: Text | None


class Row(NamedTuple):
    """A line of a table. label: of the class. path: of the picture, below the data folder."""

    label: str
    path: str


def part_folders(path: Path) -> list[str]:
    """Return the names of the folders in `path` that are parts of a data set, sorted.

    A class may be called "valid" as well, so that a folder is a part under another name than train and test where it
    holds folders itself.
    """
    named = [name for name in inner(path) if split_names.of_name(name)]
    return sorted(name for name in named if name.lower() in split_names.PLAIN or inner(path / name))


def looks_like(path: Path) -> bool:
    """Return whether a folder has one named train or test, or alike, as data sets of pictures do."""
    return bool(part_folders(path))


def class_folders(path: Path) -> list[str]:
    """Return the names of the folders in `path` that hold pictures themselves, sorted: each may be a class."""
    return [name for name in inner(path) if holds_pictures(path / name)]


def holds_pictures(path: Path) -> bool:
    """Return whether there is a picture, by its name, among the first files in a folder."""
    try:
        return any(Path(one.name).suffix.lower() in SUFFIXES for one in islice(_entries(str(path)), _LOOKED_AT))
    except InputError:
        return False


def read(path: Path, size: Size | None, of_parts: Mapping[str, str] | None = None) -> Found:
    """Go through all pictures below `path` once and return them.

    A class is a folder in the folder of a part; what lies in folders below it belongs to it too. Classes are sorted by
    name. So are the pictures of a class; those of a part come in turn, the first of each class, the second of each,
    and so on, so that the first few show many classes. Hidden files and what other systems leave behind are ignored.
    Links to files are followed inside `path`, links to folders never.

    size: (height, width) to resize to; without it all pictures must have one size. of_parts: the folder of each part,
    "" for `path` itself; by default those named train and test.
    Raises InputError where there is no picture, where too many cannot be read, and where sizes differ.
    """
    root = Path(os.path.realpath(path))
    if of_parts is None:
        of_parts = {name: name for name in split_names.PLAIN if os.path.lexists(root / name)}
    return _read([_listed(root, name, folder) for name, folder in of_parts.items()], path, size)


def read_named(path: Path, size: Size | None, rows: Mapping[str, Iterable[Row]]) -> Found:
    """Go through the pictures below `path` that a table names, by part, once and return them in the table's order.

    Raises as `read`.
    """
    root, made = Path(os.path.realpath(path)), []
    for name, listed in rows.items():
        part = _Part(name, shown(str(path)))
        part.files = [_named(str(root), row) for row in listed]
        part.labels = {file.label for file in part.files}
        made.append(part)
    return _read(made, path, size)


def _read(listed: Sequence[_Part], path: Path, size: Size | None) -> Found:
    traits: Counter[Traits] = Counter()
    for part in listed:
        traits += _looked_through(part, size)
        _check_readable(part)
    shape, dtype, said = image_files.common(traits, shown(str(path)))
    names = sorted(set().union(*(part.labels for part in listed)))
    index = {name: number for number, name in enumerate(names)}
    return Found(
        images={p.name: Pictures([file.path for file in p.good], p.stamps, shape, dtype, size) for p in listed},
        labels={p.name: np.array([index[file.label] for file in p.good], np.int64) for p in listed},
        class_names=tuple(names),
        skipped=tuple(_skipped(part) for part in listed if part.skipped),
        said=said,
    )


def _named(root: str, row: Row) -> _File:
    """Return the file that a line of a table names; one that leads out of the data folder is not to be opened."""
    path, refused = f"{root}/{row.path}", None
    try:
        path = os.path.realpath(path, strict=True)
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return _File(row.label, row.path, path, text("there is no such file"))
    if os.path.commonpath([path, root]) != root:
        refused = text("it lies outside of the data folder")
    elif not regular:
        refused = text("it is no regular file")
    return _File(row.label, row.path, path, refused)


def _listed(root: Path, name: str, folder: str) -> _Part:
    """Return a part with the files of all its classes in their order. folder: below `root`, "" for itself."""
    part, files, count = _Part(name, folder or shown(str(root))), dict[str, list[_File]](), 0
    for entry in _entries(_folder(root / folder)):
        if entry.is_dir():
            label = unicodedata.normalize("NFC", shown(entry.name))
            found = list(islice(_files(str(root), label, _folder(Path(entry.path))), MOST_FILES + 1 - count))
            files.setdefault(label, []).extend(found)
            count += len(found)
            if len(files) > MOST_CLASSES or count > MOST_FILES:
                what = f"{part.folder} holds more than {MOST_CLASSES:,} folders or {MOST_FILES:,} files"
                raise InputError(what, "expected a folder for each class, and fewer files")
        elif folder or Path(entry.name).suffix.lower() in SUFFIXES:  # a licence or a list may lie beside classes
            part.skipped[(f"{folder}/" if folder else "") + entry.name] = text("it lies in the folder of no class")
    if not files:
        what = f"the folder {part.folder} holds no folders, so no classes"
        raise InputError(what, f"expected {part.folder}/<name of the class>/<pictures>")
    part.labels = set(files)
    for label in sorted(files):
        files[label].sort(key=lambda file: file.name)
    turns = zip_longest(*(files[label] for label in sorted(files)))
    part.files = [file for file in chain.from_iterable(turns) if file is not None]
    return part


def inner(path: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; of one that cannot be listed none."""
    try:
        return sorted(entry.name for entry in _entries(str(path)) if _is_folder(entry))
    except InputError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _folder(path: Path) -> str:
    """Return the path of a folder. Raises InputError for a link and for a file."""
    if path.is_symlink():
        raise InputError(f"{shown(str(path))} is a symbolic link", "put the folder itself in its place")
    if not path.is_dir():
        raise InputError(f"{shown(str(path))} is no folder", "expected folders of pictures, one for each class")
    return str(path)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (one for one in entries if not one.name.startswith(".") and one.name not in IGNORED)
    except OSError as error:
        raise InputError(f"{shown(folder)} cannot be listed ({error.strerror})", "make it readable") from error


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


def _looked_through(part: _Part, size: Size | None) -> Counter[Traits]:
    """Decode all files of a part, sort out those that hold no picture, and return what the others are like."""
    traits: Counter[Traits] = Counter()
    for start in range(0, len(part.files), _AT_ONCE):
        files = part.files[start : start + _AT_ONCE]
        for file, found in zip(files, image_files.in_threads(lambda file: _looked_at(file, size), files), strict=True):
            if isinstance(found, Text):
                part.skipped[file.name] = found
                continue
            one, stamp = found
            traits[one] += 1
            part.good.append(file)
            part.stamps.append(stamp)
    return traits


def _looked_at(file: _File, size: Size | None) -> tuple[Traits, decode.Stamp] | Text:
    if file.refused is not None:
        return file.refused
    try:
        held, stamp = decode.content(file.path)
        found = image_files.traits(decode.decode(held, size))
    except decode.Unreadable as error:
        return error.reason
    return found, stamp


def check_few(skipped: Mapping[str, Text], total: int, folder: str) -> None:
    """Raise InputError where too many of the files of a part hold no picture. folder: how an error names where."""
    bad = len(skipped)
    if bad < total and (bad <= _FEW or bad <= _SHARE * total):
        return
    names = [short(shown(name), 40) for name in sorted(skipped)]
    reasons = first([str(reason) for reason, _ in Counter(skipped.values()).most_common()], 2)
    what = f"{bad:,} of {total:,} files in {folder} hold no picture that can be read"
    raise InputError(f"{what}: {first(names, _NAMED_IN_ERROR)} ({reasons})", _MEND)


def check_classes(labels: Iterable[str], good: Iterable[str], folder: str) -> None:
    """Raise InputError where no file of a class holds a picture. good: the classes of those that do."""
    if lost := set(labels) - set(good):
        named = first([repr(short(label, 40)) for label in sorted(lost)], _NAMED_IN_ERROR)
        raise InputError(f"no file in {folder} of the class {named} holds a picture that can be read", _MEND)


def _check_readable(part: _Part) -> None:
    total = len(part.skipped) + len(part.good)
    if not total:
        what = f"the folder {part.folder} holds no file"
        raise InputError(what, f"expected {part.folder}/<name of the class>/<pictures>")
    check_few(part.skipped, total, part.folder)
    check_classes({file.label for file in part.files}, {file.label for file in part.good}, part.folder)


def _skipped(part: _Part) -> Skipped:
    named = sorted(part.skipped.items())[:LISTED]
    return Skipped(part.name, len(part.skipped), tuple((shown(name), reason) for name, reason in named))

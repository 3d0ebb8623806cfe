"""Archives of pictures in folders of classes, zip and tar files; nothing in them becomes a file of its name.

Longer than most modules: zip and tar share every bound, and each bound is told in its own line.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, zip_longest
from itertools import count as count_from
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from reportgen import files
from reportgen.data import decode, folders, image_files, split_names, stored
from reportgen.data.image_files import Packed, Size, Traits
from reportgen.data.labels import MOST_CLASSES
from reportgen.data.source import Labels
from reportgen.dataset import Images, Skipped
from reportgen.errors import InputError, ReportgenError
from reportgen.format import first, short
from reportgen.i18n import Text, text

_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_TAR_MAGIC = 257, b"ustar"
_MOST_LISTING = 512 * 2**20
"""Bytes of the list of members at the end of a zip file: that of 2,000,000 pictures is smaller."""
_LONGEST_READ = 2**20
"""What tarfile asks for at once beyond that is a name of a member, which a header may claim to be of any length."""
_LONGEST_NAME = 4096
_LISTED = 10
_HOW = "expected <class>/<pictures>, or train/<class>/<pictures> and test/<class>/<pictures>, in it"
_UNPACK = "unpack it, and give --data the folder"


class Found(NamedTuple):
    """Pictures and labels by part, files without a picture, and what was done, in sentences."""

    images: dict[str, Images]
    labels: dict[str, Labels]
    skipped: tuple[Skipped, ...]
    said: tuple[Text, ...]


class _Member(NamedTuple):
    """A file in an archive. names: of its folders and itself. span: of its bytes; refused: why it has none."""

    names: tuple[str, ...]
    span: tuple[int, int]
    refused: Text | None

    @property
    def is_picture(self) -> bool:
        return self.refused is None and Path(self.names[-1]).suffix.lower() in folders.SUFFIXES


@dataclass
class _Part:
    """What a part holds. folder: how an error names where. stray: the files in no class, with the reason."""

    name: str
    folder: str
    classes: dict[str, list[_Member]] = field(default_factory=dict)
    stray: dict[str, Text] = field(default_factory=dict)

    def in_turn(self) -> list[tuple[str, _Member]]:
        """Return the files with their classes, the first of each class, the second of each, and so on."""
        ordered = {label: sorted(self.classes[label], key=lambda one: one.names) for label in sorted(self.classes)}
        listed = [[(label, one) for one in ordered[label]] for label in ordered]
        return [one for one in chain.from_iterable(zip_longest(*listed)) if one is not None]


def looks_like(path: Path) -> bool:
    """Return whether a file is a zip file without arrays, or a tar file, packed or not, by its content."""
    with files.opened(path) as stream:
        head = stream.read(512)
        if head.startswith(b"PK"):
            return not _has_arrays(stream)
    return head[_TAR_MAGIC[0] :].startswith(_TAR_MAGIC[1]) or head.startswith(tuple(_OPENERS))


def read(path: Path, size: Size | None) -> Found:
    """Return the pictures in an archive, which stay packed as they are: in memory, or in a file without a name.

    Folders have the meaning that they have on a disk, but for those around all pictures, which have none.
    size: (height, width) that pictures are brought to. Raises InputError.
    """
    spool = stored.Spool(f"the pictures in {path}")
    try:
        with files.opened(path) as stream:
            members = _kept(path, stream, spool)
    except (ReportgenError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of zipfile, tarfile, zlib, bz2 and lzma
        why = str(error).partition("\n")[0] or type(error).__name__
        do = "copy or download it again; expected a zip, tar or tar.gz file of pictures"
        raise InputError(f"{path} cannot be read ({short(why, 200)})", do) from error
    held = spool.images((spool.size,), np.dtype(np.uint8)) if spool.size else np.zeros(0, np.uint8)
    listed, said = _parted(members, path)
    return _found(listed, said, held, size, files.shown(str(path)))


def _has_arrays(stream: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(stream) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # damaged: who reads it says how
        return False


# ---- what the archive holds


def _kept(path: Path, stream: BinaryIO, spool: stored.Spool) -> list[_Member]:
    """Return the files in an archive with the bytes of pictures in `spool`; of two under one name the later."""
    packed = os.fstat(stream.fileno()).st_size
    members = _zipped if stream.read(2) == b"PK" else _tarred
    stream.seek(0)
    return list({member.names: member for member in members(path, stream, packed, spool)}.values())


def _zipped(path: Path, stream: BinaryIO, packed: int, spool: stored.Spool) -> Iterator[_Member]:
    """Yield the files in a zip file, once all that it claims to hold was compared with its size."""
    _check_listing(path, stream)
    with zipfile.ZipFile(stream) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _check_count(len(infos), path)
        stored.check_packing(str(path), packed=packed, unpacked=sum(info.file_size for info in infos))
        for info in infos:
            if info.flag_bits & 1:
                raise InputError(f"{path} is encrypted", "save it without a password, or unpack it")
            mode = info.external_attr >> 16
            regular = stat.S_ISREG(mode) or not stat.S_IFMT(mode)
            if names := _names(info.filename):
                yield _taken(names, regular, info.file_size, partial(archive.open, info), spool)


def _tarred(path: Path, stream: BinaryIO, packed: int, spool: stored.Spool) -> Iterator[_Member]:
    """Yield the files in a tar file; what each claims to hold is compared with the file's size before it is read."""
    unpacked = 0
    with _opened_tar(path, stream) as archive:
        for count in count_from(1):
            if (info := archive.next()) is None:
                return _check_end(archive)
            archive.members.clear()  # type: ignore[attr-defined]  # which would hold all of them
            _check_count(count, path)
            unpacked += info.size
            stored.check_packing(str(path), packed=packed, unpacked=max(unpacked, info.offset_data))
            if info.isdir() or not (names := _names(info.name)):
                continue
            regular = info.isreg() and not info.issparse()
            yield _taken(names, regular, info.size, partial(archive.extractfile, info), spool)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise EOFError where there are no zeros at the end of a tar file: it was cut off there, or a header is damaged.

    The module tarfile takes both for the end.
    """
    stream = cast(Any, archive.fileobj)
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError(f"it is damaged or cut off at byte {archive.offset:,}")


def _opened_tar(path: Path, stream: BinaryIO) -> tarfile.TarFile:
    start = stream.read(8)
    stream.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    try:
        return tarfile.open(fileobj=_Bounded(path, opener(stream) if opener else stream), mode="r:")
    except tarfile.ReadError as error:
        what = f"{path} holds no tar file of pictures in folders"
        raise InputError(what, "unpack it (gunzip), and give what is inside; IDX files may stay packed") from error


def _taken(
    names: tuple[str, ...], regular: bool, size: int, opened: Callable[[], IO[bytes] | None], spool: stored.Spool
) -> _Member:
    """Return a file; the bytes of a picture are put into `spool`."""
    refused = None
    if ".." in names:
        refused = text("it lies outside of the data folder")
    elif not regular:
        refused = text("it is no regular file")
    elif Path(names[-1]).suffix.lower() not in folders.SUFFIXES:
        refused = text("it is no PNG, JPEG, BMP, GIF or WebP picture, or its beginning is damaged")
    elif not size:
        refused = text("it is empty")
    elif size > decode.MOST_BYTES:
        refused = text("it is larger than {most} MB", most=f"{decode.MOST_BYTES // 2**20}")
    begin = spool.size
    if refused is None and (stream := opened()) is not None:
        with stream:
            stored.copied(cast(BinaryIO, stream), size, spool)
            stream.read(1)  # behind the end the checksum is looked at
    if refused is None and spool.size - begin != size:
        raise EOFError("it is cut off")
    return _Member(names, (begin, spool.size), refused)


def _names(name: str) -> tuple[str, ...]:
    """Return the names of a file's folders and itself; none for what other systems leave behind, and hidden files."""
    tidy = files.shown(name[:_LONGEST_NAME]).replace("\\", "/")
    names = tuple(unicodedata.normalize("NFC", one) for one in tidy.split("/") if one not in ("", "."))
    if tidy.startswith("/"):
        names = ("..", *names)  # as little inside as that
    hidden = any((one.startswith(".") and one != "..") or one in folders.IGNORED for one in names)
    return () if hidden else names


def _check_count(count: int, path: Path) -> None:
    if count > folders.MOST_FILES:
        raise InputError(f"{path} holds more than {folders.MOST_FILES:,} files", "give fewer")


def _check_listing(path: Path, stream: BinaryIO) -> None:
    """Raise InputError where the list of members, which zipfile reads as a whole, is too long for any pictures."""
    end = stream.seek(0, io.SEEK_END)
    stream.seek(max(end - 2**17, 0))
    tail = stream.read()
    sizes = [
        int.from_bytes(tail[at + begin : at + begin + count], "little")
        for magic, begin, count in ((b"PK\x05\x06", 12, 4), (b"PK\x06\x06", 40, 8))
        if (at := tail.rfind(magic)) >= 0
    ]
    stream.seek(0)
    if any(_MOST_LISTING < size != 2**32 - 1 for size in sizes):
        raise InputError(f"{path} lists more than {folders.MOST_FILES:,} files", "give fewer")


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a tar file; more of them at once than a name may have are refused."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream

    def readable(self) -> bool:
        """As io.RawIOBase, as are the others."""
        return True

    def seekable(self) -> bool:
        """It goes on to a place by reading up to there."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises InputError where they are more than a name has."""
        if not 0 <= size <= _LONGEST_READ:
            raise InputError(f"{self._path} has a name of {size:,} bytes in it", _UNPACK)
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Go to a place."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()


# ---- which part and class each is of


def _parted(members: Sequence[_Member], path: Path) -> tuple[list[_Part], tuple[Text, ...]]:
    """Return the parts. Raises InputError where no folder in the archive is a class."""
    named = [one.names for one in members if one.is_picture]
    around = named[0][: _around(named)] if named else ()
    cut = len(around)
    inside = [one._replace(names=one.names[cut:]) for one in members if one.names[:cut] == around]
    of_parts = sorted({one.names[0] for one in inside if one.is_picture and _in_part(one)})
    chosen = split_names.Chosen({"": ""}, ())
    if of_parts:
        chosen = split_names.choose([(split_names.of_name(name), name) for name in of_parts], files.shown(str(path)))
    made = [_part(name, folder, inside, path) for name, folder in chosen.names.items()]
    if any(not part.classes for part in made):
        raise _unknown(members, path)
    made[0].stray |= {"/".join(one.names): one.refused for one in members if ".." in one.names and one.refused}
    return made, chosen.said


def _in_part(member: _Member) -> bool:
    """Return whether a picture lies in the folder of a part; of other names than train and test it may be a class's."""
    name, deep = member.names[0], len(member.names) > 2
    is_split = split_names.of_name(name) is not None and (deep or name.lower() in split_names.PLAIN)
    return len(member.names) > 1 and is_split


def _around(names: Sequence[Sequence[str]]) -> int:
    """Return how many folders lie around all pictures: an archive of one folder has that folder's name in each."""
    count = 0
    while names and len({one[count] for one in names}) == 1 and min(map(len, names)) > count + 2:
        if split_names.of_name(names[0][count]) is not None:
            break
        count += 1
    return count


def _part(name: str, folder: str, members: Sequence[_Member], path: Path) -> _Part:
    """Return a part; a folder in its folder is a class where a picture lies in it."""
    part = _Part(name, f"{files.shown(str(path))}{'/' if folder else ''}{folder}")
    within = 1 if folder else 0
    own = [one for one in members if not folder or one.names[0] == folder]
    labels = {one.names[within] for one in own if one.is_picture and len(one.names) > within + 1}
    for one in own:
        if len(one.names) > within + 1 and one.names[within] in labels and ".." not in one.names:
            part.classes.setdefault(one.names[within], []).append(one)
        elif one.is_picture:
            part.stray["/".join(one.names)] = text("it lies in the folder of no class")
    if len(part.classes) > MOST_CLASSES:
        raise InputError(f"{part.folder} holds more than {MOST_CLASSES:,} folders", "expected one for each class")
    return part


def _unknown(members: Sequence[_Member], path: Path) -> InputError:
    """Return the error for an archive without classes, which says what it has in it."""
    if any(one.is_picture for one in members):
        do = "put those of each class into a folder of its own"
        if any(Path(one.names[-1]).suffix.lower() in (".csv", ".tsv") for one in members):
            do = f"{_UNPACK} with the pictures and the table of their labels"
        return InputError(f"{path} holds pictures, but no folder in it says of which class they are", do)
    listed = first([short("/".join(one.names)) for one in members], _LISTED) or "nothing"
    return InputError(f"{path} is an archive without pictures (it holds {listed})", f"{_UNPACK}; or {_HOW}")


# ---- what the pictures are


def _found(listed: list[_Part], said: tuple[Text, ...], held: Images, size: Size | None, where: str) -> Found:
    names = tuple(sorted(set().union(*(part.classes for part in listed))))
    traits: Counter[Traits] = Counter()
    packed: dict[str, Packed] = {}
    labels: dict[str, Labels] = {}
    skipped = []
    for part in listed:
        images, of_part, bad = _looked_through(part, held, size, traits)
        packed[part.name] = images
        labels[part.name] = Labels(np.array([names.index(label) for label in of_part], np.int64), names)
        if bad:
            skipped.append(Skipped(part.name, len(bad), tuple(sorted(bad.items()))[: folders.LISTED]))
    shape, dtype, done = image_files.common(traits, where)
    whole = {name: images.made(shape, dtype, np.arange(len(images))) for name, images in packed.items()}
    return Found(dict(whole), labels, tuple(skipped), (*said, *([done] if done else [])))


def _looked_through(
    part: _Part, held: Images, size: Size | None, traits: Counter[Traits]
) -> tuple[Packed, list[str], Mapping[str, Text]]:
    """Return the pictures of a part, the class of each, and by name why other files hold none; count in `traits`."""
    files = part.in_turn()
    spans = np.array([one.span for _, one in files], np.int64).reshape(-1, 2)
    plain = Packed(held, spans, (1, 1, 1), np.dtype(np.uint8), size)
    bad, good = dict(part.stray), list[int]()
    known = {number: one.refused for number, (_, one) in enumerate(files) if one.refused is not None}
    for number, one in enumerate(plain.looked_through(size, known)):
        if isinstance(one, Text):
            bad["/".join(files[number][1].names)] = one
        else:
            traits[one] += 1
            good.append(number)
    folders.check_few(bad, len(files) + len(part.stray), part.folder)
    folders.check_classes(part.classes, [files[number][0] for number in good], part.folder)
    return _together(held, spans[good], size), [files[number][0] for number in good], bad


def _together(held: Images, spans: NDArray[np.int64], size: Size | None) -> Packed:
    """Return pictures; of those in memory the bytes in their order, so that a few of them can be cut out."""
    if isinstance(held, np.ndarray):
        ends: NDArray[np.int64] = np.cumsum([0, *(spans[:, 1] - spans[:, 0])], dtype=np.int64)
        held = np.concatenate([held[begin:end] for begin, end in spans.tolist()] or [held[:0]])
        spans = np.stack([ends[:-1], ends[1:]], axis=1)
    return Packed(held, spans, (1, 1, 1), np.dtype(np.uint8), size)

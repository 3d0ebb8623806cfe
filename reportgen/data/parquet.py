"""Parquet files of encoded pictures and labels, as Hugging Face has data sets; read through pyarrow, an extra."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reportgen import files
from reportgen.data import folders, image_files, labels, split_names, stored
from reportgen.data.image_files import Packed, Size, Traits
from reportgen.data.source import Labels
from reportgen.dataset import Skipped
from reportgen.errors import InputError, ReportgenError, SurroundingsError
from reportgen.format import first, short
from reportgen.i18n import Text

SUFFIX = ".parquet"

_IMAGES = ("image", "images", "img", "picture", "photo", "pixel_values")
_LABELS = ("label", "labels", "fine_label", "class", "target", "class_label")
_MOST_FILES, _MOST_ROWS, _MOST_BYTES = 10_000, 2_000_000, 64 * 2**30
_ROWS_AT_ONCE = 64
_LONGEST_LABEL = 1000
_LISTED = 10
_HOW = "expected a column image of encoded pictures (a struct with bytes, or bytes) and a column label"


class Found(NamedTuple):
    """Pictures and labels by part, what was skipped, and what was done to the pictures, in sentences."""

    images: dict[str, Packed]
    labels: dict[str, Labels]
    skipped: tuple[Skipped, ...]
    said: tuple[Text, ...]


class _Columns(NamedTuple):
    """Columns by name. path: of the bytes in the schema, such as image.bytes. names: of the classes, if known."""

    image: str
    path: str
    label: str
    names: tuple[str, ...] | None


def listed(folder: Path) -> list[Path]:
    """Return the parquet files in a folder, or in the folder data in it, sorted."""
    for place in (folder, folder / "data"):
        if place.is_dir() and (found := sorted(place.glob(f"*{SUFFIX}"))):
            return found
    return []


def read(paths: list[Path], within: Path | None, size: Size | None, where: str) -> Found:
    """Return the pictures and labels in parquet files; in a folder "train-00000-of-00002.parquet" says the part.

    within: the folder that the files were found in, None where one was given by itself.
    size: (height, width) that pictures are brought to. where: how an error names the files.
    Raises InputError for what is no such file, SurroundingsError where pyarrow is missing.
    """
    if len(paths) > _MOST_FILES:
        raise InputError(f"{where} has more than {_MOST_FILES:,} parquet files", "give fewer")
    by_kind: dict[split_names.Kind | None, list[Path]] = {}
    for path in paths:
        # a file that is given by itself is what is asked about, whatever it is called
        named = split_names.of_stem(path.stem) if within is not None else None
        by_kind.setdefault(named, []).append(path)
    chosen = split_names.choose([(kind, kind or "") for kind in by_kind], where)
    packed: dict[str, _Part] = {}
    traits: Counter[Traits] = Counter()
    for part, kind in chosen.names.items():
        packed[part] = _Part(part, where)
        for path in by_kind[split_names.of_name(kind) if kind else None]:
            packed[part].take(path, within)
        traits += packed[part].looked_through(size)
    shape, dtype, said = image_files.common(traits, where)
    return Found(
        {name: part.images(shape, dtype) for name, part in packed.items()},
        {name: part.labels() for name, part in packed.items()},
        tuple(part.skipped for part in packed.values() if part.skipped is not None),
        (*chosen.said, *([said] if said else [])),
    )


class _Part:
    """The bytes and labels of a part as they come in. where: how an error names the files."""

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where
        self.skipped: Skipped | None = None
        self.names: tuple[str, ...] | None = None
        self._spool = stored.Spool(f"the pictures in {where}")
        self._sizes: list[int] = []
        self._packed_size = 0
        self._labels: list[Any] = []
        self._packed: Packed | None = None
        self._good = np.zeros(0, np.int64)

    def take(self, path: Path, within: Path | None) -> None:
        """Append all rows of a file."""
        with files.opened(path, within=within) as stream:
            self._packed_size += os.fstat(stream.fileno()).st_size
            if self._packed_size > _MOST_BYTES:
                raise InputError(f"{path} is larger than {_MOST_BYTES:,} bytes", "give smaller files")
            try:
                for image, label in _rows(stream, path, self):
                    if label is None:
                        raise InputError(f"{path} has rows without a label", "give every picture a label")
                    if isinstance(label, str) and len(label) > _LONGEST_LABEL:
                        raise InputError(f"{path} has a label of {len(label):,} characters", "give shorter ones")
                    self._spool.write(image or b"")
                    stored.check_packing(f"the pictures in {path}", packed=self._packed_size, unpacked=self._spool.size)
                    self._sizes.append(len(image or b""))
                    self._labels.append(label)
                    if len(self._sizes) > _MOST_ROWS:
                        raise InputError(f"{self.where} has more than {_MOST_ROWS:,} rows", "give fewer")
            except ReportgenError:
                raise
            except Exception as error:  # pyarrow raises whatever a damaged file makes of it
                why = str(error).partition("\n")[0] or type(error).__name__
                raise InputError(f"{path} cannot be read ({short(why, 200)})", "download it again") from error

    def looked_through(self, size: Size | None) -> Counter[Traits]:
        """Decode all pictures, and leave out rows without one. Raises InputError where these are too many."""
        if not self._sizes:
            raise InputError(f"{self.where} has no rows", _HOW)
        ends = np.cumsum([0, *self._sizes], dtype=np.int64)
        held = self._spool.images((int(ends[-1]),), np.dtype(np.uint8)) if ends[-1] else np.zeros(0, np.uint8)
        self._packed = Packed(held, np.stack([ends[:-1], ends[1:]], axis=1), (1, 1, 1), np.dtype(np.uint8), size)
        found, bad = Counter[Traits](), dict[int, Text]()
        for number, one in enumerate(self._packed.looked_through(size)):
            if isinstance(one, Text):
                bad[number] = one
            else:
                found[one] += 1
        named = {f"row {number}": reason for number, reason in bad.items()}
        folders.check_few(named, len(self._sizes), self.where)
        if bad:
            self.skipped = Skipped(self.name, len(bad), tuple(named.items())[: folders.LISTED])
        self._good = np.setdiff1d(np.arange(len(self._sizes)), list(bad))
        return found

    def images(self, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Packed:
        """Return the pictures as they all become."""
        assert self._packed is not None
        return self._packed.made(shape, dtype, self._good)

    def labels(self) -> Labels:
        """Return the labels, numbers of the names that the file has for its classes."""
        if -1 in self._labels:
            raise InputError(f"{self.where} has pictures with the label -1, so none", "give a part that is labelled")
        if len({type(label) for label in self._labels}) > 1:
            raise InputError(f"{self.where} has text labels in one file and numbers in another", "use one kind for all")
        return Labels(np.array(self._labels)[self._good], self.names)


def _rows(stream: Any, path: Path, part: _Part) -> Iterator[tuple[bytes | None, Any]]:
    """Yield the encoded picture and the label of each row."""
    parquet = _library()
    columns = _columns(parquet.ParquetFile(stream).schema_arrow, path)
    # one value that all rows share stays one in memory: as dictionaries, the rows of a batch are numbers of values
    file = parquet.ParquetFile(stream, read_dictionary=[columns.path])
    if part.names is None:
        part.names = columns.names
    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        for column in range(about.num_columns):
            one = about.column(column)
            stored.check_packing(str(path), packed=one.total_compressed_size, unpacked=one.total_uncompressed_size)
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[columns.path, columns.label]):
        found = batch.column(columns.image)
        if columns.path != columns.image:
            found = found.field("bytes")
        for image, label in zip(found, batch.column(columns.label), strict=True):
            yield image.as_py(), label.as_py()


def _columns(schema: Any, path: Path) -> _Columns:
    """Return which columns hold pictures and labels."""
    import pyarrow.types as types

    def is_bytes(kind: Any) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    found = {}
    for column in schema:
        if is_bytes(column.type):
            found[column.name] = column.name
        elif types.is_struct(column.type):
            inner = {each.name: each.type for each in column.type}
            if "bytes" in inner and is_bytes(inner["bytes"]):
                found[column.name] = f"{column.name}.bytes"
    image = _one([name for name in found if name.lower() in _IMAGES] or list(found), "pictures", schema, path)
    plain = [one.name for one in schema if types.is_integer(one.type) or _is_text(one.type)]
    label = _one([name for name in plain if name.lower() in _LABELS], "labels", schema, path)
    return _Columns(image, found[image], label, _class_names(schema, label, path))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _one(found: list[str], what: str, schema: Any, path: Path) -> str:
    if len(found) == 1:
        return found[0]
    both = first([repr(short(name, 40)) for name in found or schema.names], _LISTED)
    many = "more than one column" if found else "no column"
    raise InputError(f"{path} has {many} of {what} (columns: {both})", _HOW)


def _class_names(schema: Any, label: str, path: Path) -> tuple[str, ...] | None:
    """Return the names of the classes that Hugging Face's datasets writes beside the schema."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        found = about["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        return None
    return tuple(labels.class_names(np.array(found, np.str_), f"the class names in {path}"))


def _library() -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        what = "parquet files are read through pyarrow, which is not installed"
        raise SurroundingsError(what, "run: pip install 'reportgen[parquet]', or pip install pyarrow") from error
    return parquet

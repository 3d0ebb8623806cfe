"""Which of the layouts that people have their data in a path is, and what it holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen import files
from reportgen.data import archives, cifar, csv_tables, folders, idx, npz, parquet, pixel_csv, source, split_names
from reportgen.data.image_files import Size
from reportgen.data.source import Labels, Source
from reportgen.dataset import Images
from reportgen.errors import InputError, SurroundingsError
from reportgen.format import first, short
from reportgen.i18n import Text, text

OF_KERAS = ("mnist", "fashion-mnist", "cifar10", "cifar100")
KNOWN = (
    "expected a folder of pictures (<class>/*.jpg, train/<class>/*.jpg and test/<class>/*.jpg, or pictures and a .csv "
    "with file names and labels), a folder of .npy, .parquet, CIFAR or IDX files, an .npz, .csv or .parquet file, or a "
    "zip or tar.gz of folders of pictures"
)
_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_LISTED, _DEEPEST = 5, 3
_LINES_TRIED = 100


class _Tables(NamedTuple):
    """The tables in a folder that are taken, by part. left: those of a part that have no labels."""

    named: dict[str, csv_tables.Table]
    pixels: dict[str, pixel_csv.Table]
    said: tuple[Text, ...]


def read(path: Path, size: Size | None) -> Source:
    """Return what the file or the folder at `path` holds, which has to be there.

    size: (height, width) that pictures are brought to. Raises InputError for what is none of the layouts.
    """
    if not path.is_dir():
        return _of_file(path, size)
    shown, name = files.shown(str(path)), _name(path)
    if npz.looks_like(path):
        arrays, said = npz.read_folder(path)
        return source.of_arrays(arrays, name, text("NumPy files in {folder}", folder=shown), said)
    if cifar.looks_like(path):
        images, labels = cifar.read(path)
        return Source(name, text("the CIFAR batches in {folder}", folder=shown), images, labels)
    if folders.looks_like(path) and any(folders.inner(path / one) for one in folders.part_folders(path)):
        return _of_parts(path, size)
    if found := parquet.listed(path):
        return _of_parquet(path, found, name, size)
    if (in_tables := _tables(path)) is not None:
        return _of_tables(path, in_tables, size)
    if folders.looks_like(path):
        return _of_parts(path, size)
    if idx.looks_like(path):
        return source.of_arrays(idx.read_folder(path), name, text("IDX files in {folder}", folder=shown))
    if folders.class_folders(path):
        return _of_pictures(path, size, {"": ""}, ())
    raise _unknown(path)


def of_keras(name: str) -> Source:
    """Return one of OF_KERAS, from Keras's cache or downloaded. Raises SurroundingsError where that fails."""
    from reportgen.runtime import keras

    module = getattr(keras.datasets, name.replace("-", "_"))
    try:
        (x_train, y_train), (x_test, y_test) = module.load_data()
    except Exception as error:  # Keras raises whatever its download meets
        raise SurroundingsError(
            f"Keras could not download or read {name} ({error})",
            "without a network give --data the path of an .npz file or of a folder of IDX files or CIFAR batches",
        ) from error
    names = _FASHION if name == "fashion-mnist" else cifar.NAMES.get(name, tuple("0123456789"))
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    said = text("the data set {name} of keras.datasets", name=name)
    return source.of_arrays(arrays | {"class_names": np.array(names)}, name, said)


def _of_file(path: Path, size: Size | None) -> Source:
    shown, suffix = files.shown(str(path)), path.suffix.lower()
    name, said = files.shown(path.stem), text("the file {file}", file=shown)
    with files.opened(path) as stream:  # what it holds goes before what it is called
        start = stream.read(4)
    if start == b"PAR1" or suffix == parquet.SUFFIX:
        return _of_parquet(path, [path], name, size)
    if suffix != npz.SUFFIX and archives.looks_like(path):
        images, labels, skipped, taken = archives.read(path, size)
        origin = text("pictures in {folder}", folder=shown)
        return Source(name, origin, images, labels, said=taken, skipped=skipped, form="folders", pictures=True)
    if suffix not in csv_tables.SUFFIXES or start.startswith(b"PK"):
        arrays, taken = npz.read(path)
        return source.of_arrays(arrays, name, said, taken)
    if named := csv_tables.looked_at(path, None):
        return _of_tables(path.parent, _Tables({"": named}, {}, ()), size)
    if pixels := pixel_csv.looked_at(path, None):
        return _of_pixels(path, {"": pixels}, name, said, ())
    raise InputError(
        f"{shown} is no table of pictures or pixels",
        "expected lines of a picture's file name and a label, with the pictures beside the table, or a header with one "
        "column called label and all others of numbers, or one called pixels with blanks between its numbers",
    )


def _of_parts(path: Path, size: Size | None) -> Source:
    found = [(split_names.of_name(name), name) for name in folders.part_folders(path)]
    chosen = split_names.choose(found, f"the folder {files.shown(str(path))}")
    return _of_pictures(path, size, chosen.names, chosen.said)


def _of_pictures(path: Path, size: Size | None, names: Mapping[str, str], said: tuple[Text, ...]) -> Source:
    found = folders.read(path, size, names)
    labels = {part: Labels(numbers, found.class_names) for part, numbers in found.labels.items()}
    return _made(path, found, labels, text("pictures in {folder}", folder=files.shown(str(path))), said, "folders")


def _made(
    path: Path, found: folders.Found, labels: Mapping[str, Labels], origin: Text, said: tuple[Text, ...], form: str
) -> Source:
    return Source(
        name=_name(path),
        source=origin,
        images=found.images,
        labels=labels,
        said=(*said, *([found.said] if found.said else [])),
        skipped=found.skipped,
        form="folders" if form == "folders" else "files",
        pictures=True,
    )


def _of_parquet(path: Path, found: list[Path], name: str, size: Size | None) -> Source:
    shown, folder = files.shown(str(path)), path if path.is_dir() else None
    images, labels, skipped, said = parquet.read(found, folder, size, shown)
    origin = text("the parquet files in {folder}", folder=shown) if folder else text("the file {file}", file=shown)
    return Source(name, origin, images, labels, said=said, skipped=skipped, pictures=True)


def _of_tables(path: Path, found: _Tables, size: Size | None) -> Source:
    shown = files.shown(str(path))
    if not found.named:
        origin = text("tables of pixels in {folder}", folder=shown)
        return _of_pixels(path, found.pixels, _name(path), origin, found.said)
    rows = {part: csv_tables.rows(table, path) for part, table in found.named.items()}
    pictures = folders.read_named(path, size, rows)
    classes = {part: table.classes for part, table in found.named.items()}
    labels = {part: _labels(of_part, pictures, classes[part]) for part, of_part in pictures.labels.items()}
    names = first([files.shown(table.path.name) for table in found.named.values()], _LISTED)
    origin = text("pictures in {folder}, labelled by {files}", folder=shown, files=names)
    return _made(path, pictures, labels, origin, found.said, "files")


def _labels(of_part: NDArray[np.int64], found: folders.Found, classes: Mapping[int, str] | None) -> Labels:
    """Return labels as a table gives them: numbers, names, or a column for each class, in whose order classes are."""
    if classes is not None:
        own = tuple(files.shown(name) for name in classes.values())
        return Labels(np.array([own.index(found.class_names[number]) for number in of_part.tolist()], np.int64), own)
    numbers = csv_tables.numbers(found.class_names)
    return Labels(of_part, found.class_names) if numbers is None else Labels(np.array(numbers)[of_part])


def _of_pixels(
    path: Path, found: Mapping[str, pixel_csv.Table], name: str, origin: Text, said: tuple[Text, ...]
) -> Source:
    within = path if path.is_dir() else None
    images: dict[str, Images] = {}
    labels: dict[str, Labels] = {}
    for of_table, table in found.items():
        by_usage = pixel_csv.read(table, within)
        chosen = split_names.Chosen({of_table: ""}, ()) if "" in by_usage else _chosen_usages(by_usage, table.path)
        for part, usage in chosen.names.items():
            images[part], of_part, shaped = by_usage[usage]
            numbers = csv_tables.numbers(sorted(set(of_part.tolist())))
            labels[part] = Labels(of_part if numbers is None else of_part.astype(np.float64).astype(np.int64))
            if shaped is not None and shaped not in said:
                said = (*said, shaped)
        said = (*said, *chosen.said)
    return Source(name, origin, images, labels, said=said)


def _chosen_usages(names: Iterable[str], path: Path) -> split_names.Chosen:
    return split_names.choose([(pixel_csv.of_usage(name), name) for name in names], files.shown(str(path)))


def _tables(path: Path) -> _Tables | None:
    """Return the tables in a folder that are taken; those whose lines name pictures go before those of pixels."""
    listed = csv_tables.listed(path)
    found = {one: csv_tables.looked_at(one, path) for one in listed}
    named = {one: table for one, table in found.items() if table is not None}
    pixels = {} if named else {one: table for one in listed if (table := pixel_csv.looked_at(one, path))}
    taken: Mapping[Path, csv_tables.Table | pixel_csv.Table] = named or pixels
    if not taken:
        return None
    by_name = {one.name: table for one, table in taken.items()}
    chosen = split_names.choose([(t.part, name) for name, t in by_name.items()], f"the folder {files.shown(str(path))}")
    left = [files.shown(one.name) for one in listed if one not in taken and split_names.of_stem(one.stem) is not None]
    said = [text("The table {file} was left out, as it has no labels.", file=name) for name in left]
    return _Tables(
        {part: named[path / name] for part, name in chosen.names.items() if path / name in named},
        {part: pixels[path / name] for part, name in chosen.names.items() if path / name in pixels},
        (*chosen.said, *said),
    )


def _unknown(path: Path) -> InputError:
    """Return the error for a folder of no layout; where one of the folders in it is one, that is the advice."""
    shown, has_pictures = files.shown(str(path)), folders.holds_pictures(path)
    if has_pictures and (table := _labelling(path)) is not None:
        what = f"the folder {shown} holds pictures, and the table that labels them lies beside it"
        return InputError(what, f"give --data {files.shown(str(table))}")
    if (below := _below(path)) is not None:
        return InputError(f"the folder {shown} holds no data itself", f"give --data {files.shown(str(below))}")
    if has_pictures:
        return InputError(
            f"the folder {shown} holds pictures, but nothing says of which class they are",
            "put those of each class into a folder of its own, or add a labels.csv of file names and labels",
        )
    if archive := next((one for one in sorted(path.glob(f"*{npz.SUFFIX}")) if one.is_file()), None):
        return InputError(f"the folder {shown} holds no data itself", f"give --data {files.shown(str(archive))}")
    return InputError(f"the folder {short(shown)} holds no data of a layout that is known", KNOWN)


def _below(path: Path) -> Path | None:
    """Return the first folder of a known layout below a folder, as archives are unpacked; None where there is none."""
    level = [path]
    for _ in range(_DEEPEST):
        level = [one / name for one in level for name in folders.inner(one)[:_LISTED]]
        if (found := next(filter(_is_known, level), None)) is not None:
            return found
    return None


def _is_known(path: Path) -> bool:
    """Return whether a folder is in one of the layouts that `read` knows."""
    look = (
        npz.looks_like, cifar.looks_like, folders.looks_like, parquet.listed, idx.looks_like, folders.class_folders,
        _tables,
    )  # fmt: skip
    try:
        return any(one(path) for one in look)
    except InputError:  # what is wrong with it is said when it is given
        return True
    except OSError:  # it may not be looked into, or is gone
        return False


def _labelling(pictures: Path) -> Path | None:
    """Return the one table beside a folder whose first lines name pictures in it, None where there is none, or more."""
    pictures = pictures.resolve()
    try:
        found = [one for one in csv_tables.listed(pictures.parent) if _names_any(one, pictures)]
    except OSError:  # it may not be looked into
        return None
    return found[0] if len(found) == 1 else None


def _names_any(table: Path, pictures: Path) -> bool:
    """Return whether the first lines of a table beside a folder name a picture in it."""
    try:
        named = csv_tables.looked_at(table, table.parent)
        rows = csv_tables.rows(named, table.parent, _LINES_TRIED) if named is not None else []
    except InputError:
        return False
    return any(row.path.startswith(f"{pictures.name}/") for row in rows)


def _name(folder: Path) -> str:
    """Return what a data set in a folder is called; the root has no name of its own."""
    return files.shown(folder.resolve().name) or "data"

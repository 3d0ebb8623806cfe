"""Labelled images from every source - bundled, Keras's, files, folders, Python - checked and made a Dataset."""

import hashlib
import json
import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Data, Dataset, Images, Part
from reportgen.errors import InputError, SurroundingsError
from reportgen.options import ClassNames
from reportgen.texts import Text, text
from reportgen.train import batches, files, folders, idx, labels, names, npz, stored
from reportgen.wording import first, short

Array = NDArray[Any]

BUNDLED = Path(__file__).resolve().parent.parent / "digits" / "sample.npz"
_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_PARTS = ("train", "test")
_LISTED = 10
_LARGEST_PIXEL = 1e18  # its square still is a number in the 32 bits that models compute with
_PATHS = "expected sample, mnist, fashion-mnist, an .npz file, or a folder of pictures, .npy or IDX files"
_OBJECTS = (
    "expected a mapping with x_test, y_test, or with test (and train): a pair of arrays (x, y), a tf.data.Dataset or "
    "a keras.utils.PyDataset"
)


@dataclass(frozen=True)
class _Asked:
    """What a caller wants of the data. test_only: as `load` takes it. names: all classes in order, None for none."""

    test_only: bool
    names: tuple[str, ...] | None


class _Labels(NamedTuple):
    """The labels of a part as they came. own, width: as in labels.Found, where that is known already."""

    values: Images
    own: tuple[str, ...] | None = None
    width: int | None = None


def load(
    data: Data, *, test_only: bool, size: tuple[int, int] | None = None, class_names: ClassNames | None = None
) -> Dataset:
    """Return the data set that `data` names or is.

    data: "sample", "mnist", "fashion-mnist"; the path of an .npz file, of a folder with pictures in
        train/<class> and test/<class>, or of a folder of .npy or IDX files; a mapping with the arrays x_train, y_train,
        x_test, y_test, or with "train" and "test", each a pair of arrays, a tf.data.Dataset or a
        keras.utils.PyDataset, and optionally class_names; or what "test" would have, alone. Images are (N, F), (N, H,
        W), (N, H, W, C) or (N, D, H, W, C); labels are integers, text or one-hot rows.
    test_only: whether a test part alone will do (nothing is trained). size: (height, width) that pictures in folders
        are brought to.
    class_names: all classes in the model's order, as train.names.given takes them; they go before those in the data.
    Raises InputError for data that cannot be used, SurroundingsError where a download or a temporary file fails.
    """
    if size is not None and not (isinstance(data, str | Path) and folders.looks_like(Path(data))):
        raise InputError("--image-size is for pictures in folders alone", "leave it out, or resize the images yourself")
    asked = _Asked(test_only, names.given(class_names))
    if not isinstance(data, str | Path):
        return _from_python(data, asked)
    name = str(data)
    if name == "sample":
        source = text("5,000 of the MNIST handwritten digits, bundled with reportgen")
        return _of_arrays(npz.read(BUNDLED), "sample", source, asked)
    if name in ("mnist", "fashion-mnist"):
        source = text("the data set {name} of keras.datasets", name=name)
        return _of_arrays(_from_keras(name), name, source, asked)
    if not name or not os.path.lexists(data):
        raise InputError(f"--data {short(name)!r} does not exist", _PATHS)
    path, shown = Path(data), files.shown(name)
    if not path.is_dir():
        return _of_arrays(npz.read(path), files.shown(path.stem), text("the file {file}", file=shown), asked)
    if npz.looks_like(path):
        source = text("NumPy files in {folder}", folder=shown)
        return _of_arrays(npz.read_folder(path), _name(path), source, asked)
    if folders.looks_like(path):
        return _of_pictures(path, size, asked)
    source = text("IDX files in {folder}", folder=shown)
    return _of_arrays(idx.read_folder(path), _name(path), source, asked)


def fingerprint(parts: Mapping[str, Part], class_names: Sequence[str]) -> str:
    """Return the SHA-256 over images, labels and class names, in whatever container and order they came.

    Of each part, by its name: dtype, shape and pixels of the images, and the labels as numbers.
    """
    digest = hashlib.sha256(json.dumps(list(class_names)).encode())
    for name, part in sorted(parts.items()):
        shape = "x".join(map(str, part.images.shape))
        digest.update(f"\n{name} {part.images.dtype.str} {shape} {part.survey.sha256}\n".encode())
        digest.update(np.ascontiguousarray(part.labels, "<i8").data)
    return digest.hexdigest()


def _name(folder: Path) -> str:
    """Return what a data set in a folder is called; the root has no name of its own."""
    return files.shown(folder.resolve().name) or "data"


def _from_keras(name: str) -> dict[str, Array]:
    from reportgen.train.runtime import keras

    module = keras.datasets.mnist if name == "mnist" else keras.datasets.fashion_mnist
    try:
        (x_train, y_train), (x_test, y_test) = module.load_data()
    except Exception as error:  # Keras raises whatever its download meets
        raise SurroundingsError(
            f"Keras could not download {name} ({error})",
            "without a network give --data the path of an .npz file or of a folder of IDX files",
        ) from error
    of_classes = np.array(_FASHION if name == "fashion-mnist" else [str(digit) for digit in range(10)])
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "class_names": of_classes}


def _from_python(data: Any, asked: _Asked) -> Dataset:
    """Return the data set of arrays, pairs of them, and what yields batches, as somebody has them in Python."""
    kind = batches.kind(data)
    if kind or isinstance(data, tuple):
        data = {"test": data}
    if not isinstance(data, Mapping):
        raise InputError(f"the data is of the class {type(data).__name__}", _OBJECTS)
    kind = kind or next((found for part in _PARTS if (found := batches.kind(data.get(part)))), None)
    source = text("a {kind} handed over in Python", kind=kind) if kind else text("arrays handed over in Python")
    arrays: dict[str, Images] = {key: _array(data[key], f"{key} of {source}") for key in npz.KEYS if key in data}
    gone: dict[str, batches.Gone] = {}
    for part in _PARTS:
        if part not in data:
            continue
        if both := {f"x_{part}", f"y_{part}"} & arrays.keys():
            raise InputError(f"{source} have both {part!r} and {min(both)!r}", f"give one of them; {_OBJECTS}")
        gone[part] = _part(data[part], part, str(source))
        arrays |= {f"x_{part}": gone[part].images, f"y_{part}": gone[part].labels}
    return _of_arrays(arrays, "dataset" if kind else "arrays", source, asked, gone)


def _part(given: Any, part: str, source: str) -> batches.Gone:
    """Return images, labels and perhaps class names of what was given for a part."""
    if batches.kind(given):
        return batches.read(given, f"the {part} part, {source}")
    if not isinstance(given, tuple | list) or len(given) != 2:
        found = f"{type(given).__name__}{f' of {len(given)}' if isinstance(given, tuple | list) else ''}"
        raise InputError(f"the {part} part of {source} is a {found}", f"expected (x, y); {_OBJECTS}")
    if all(isinstance(each, tuple) for each in given):
        raise InputError(f"the {part} part of {source} is a pair of pairs", "give {'train': (x, y), 'test': (x, y)}")
    images, of_images = _array(given[0], f"x_{part} of {source}"), _array(given[1], f"y_{part} of {source}")
    return batches.Gone(images, of_images, None, None)


def _array(value: Any, what: str) -> Array:
    try:
        return np.asarray(value)
    except Exception as error:  # a library's own array type raises what it likes
        raise InputError(f"{what} is no array ({error})", "give rows of equal length") from error


def _of_arrays(
    arrays: Mapping[str, Images],
    name: str,
    source: Text,
    asked: _Asked,
    gone: Mapping[str, batches.Gone] = MappingProxyType({}),
) -> Dataset:
    """Return arrays named as in npz.KEYS as a Dataset. Raises InputError where one is missing.

    gone: by part, what else is known of those that were gone through.
    """
    needed = ["x_test", "y_test"] if asked.test_only else ["x_train", "y_train", "x_test", "y_test"]
    if missing := [key for key in needed if key not in arrays]:
        hint = "" if asked.test_only else ", or give --model to report on a trained one (then a test part is enough)"
        raise InputError(f"{source} lacks {', '.join(missing)}", f"expected {', '.join(needed)}{hint}")
    parts = [part for part in _PARTS if f"x_{part}" in arrays and f"y_{part}" in arrays]
    given: Sequence[str] | None = asked.names
    if given is None and "class_names" in arrays:
        given = labels.class_names(arrays["class_names"], f"class_names of {source}")
    images = {part: arrays[f"x_{part}"] for part in parts}
    of_images = {
        part: _Labels(arrays[f"y_{part}"], *((gone[part].names, gone[part].width) if part in gone else ()))
        for part in parts
    }
    return _made(images, of_images, given, name, source, asked)


def _of_pictures(path: Path, size: tuple[int, int] | None, asked: _Asked) -> Dataset:
    """Return the pictures in folders below `path`. Raises InputError where a part is missing."""
    needed = ["test"] if asked.test_only else ["train", "test"]
    if missing := [part for part in needed if not (path / part).is_dir()]:
        hint = "" if asked.test_only else ", or give --model to report on a trained one (then test is enough)"
        raise InputError(
            f"{path} has no folder {' and none '.join(missing)}",
            f"expected {' and '.join(f'{part}/<class>/<pictures>' for part in needed)}{hint}",
        )
    found = folders.read(path, size)
    source = text("pictures in {folder}", folder=files.shown(str(path)))
    of_images = {part: _Labels(numbers, found.class_names) for part, numbers in found.labels.items()}
    given = asked.names and tuple(unicodedata.normalize("NFC", name) for name in asked.names)  # as folders.read does
    made = _made(found.images, of_images, given, _name(path), source, asked)
    return replace(made, prepared=found.said, skipped=found.skipped)


@np.errstate(all="ignore")  # NaN is looked for, not warned of
def _made(
    images: Mapping[str, Images],
    of_images: Mapping[str, _Labels],
    class_names: Sequence[str] | None,
    name: str,
    source: Text,
    asked: _Asked,
) -> Dataset:
    """Return images and labels by part as a Dataset. Raises InputError that names the first thing that does not fit.

    What can be seen without the pixels is looked at first; then all images are gone through once.
    """
    images = {part: _images(found, f"x_{part} of {source}") for part, found in images.items()}
    for part, found in images.items():
        if (shape := of_images[part].values.shape) and shape[0] != len(found):
            raise InputError(
                f"x_{part} of {source} has {len(found)} images but y_{part} {shape[0]} labels",
                "give every image one label",
            )
    if "train" in images:
        _check_alike(images["train"], images["test"], source)
    known = {
        part: labels.found(one.values, f"y_{part} of {source}", own=one.own, width=one.width)
        for part, one in of_images.items()
    }
    numbers, named, labelled = labels.numbered(known, class_names, source, asked=asked.names is not None)
    if len(named) < 2 and not asked.test_only:
        raise InputError(f"all images of {source} have the label {named[0]!r}", "give images of two or more classes")
    parts = {part: Part(found, numbers[part]) for part, found in images.items()}
    for part, made in parts.items():
        _check_pixels(made, f"x_{part} of {source}")
    return Dataset(
        name=name,
        source=source,
        train=parts.get("train"),
        test=parts["test"],
        class_names=named,
        sha256=fingerprint(parts, named),
        labelled=labelled,
    )


def _images(images: Images, what: str) -> Images:
    """Return images as (N, *space, C), their values untouched, in a dtype that TensorFlow has."""
    shape, dtype = tuple(images.shape), images.dtype
    if dtype.kind not in "buif":
        raise InputError(f"{what} has dtype {dtype}", "expected integer, bool or float pixels")
    if not 2 <= len(shape) <= 5:
        axes = "expected (N, features), (N, height, width), (N, height, width, C) or (N, depth, height, width, C)"
        raise InputError(f"{what} has shape {shape}", axes)
    if 0 in shape:
        raise InputError(f"{what} has shape {shape}, so no images", "give at least one image")
    if (each := math.prod(shape[1:]) * dtype.itemsize) > stored.IN_MEMORY:
        raise InputError(f"{what} has images of {each:,} bytes each", f"expected at most {stored.IN_MEMORY:,}")
    if isinstance(images, np.ndarray):
        images = images.astype(stored.native(dtype), copy=False)
    return images if len(shape) > 3 else cast(Any, images).reshape((*shape, 1))


def _check_alike(train: Images, test: Images, source: str) -> None:
    """Raise InputError unless the images of both parts can go the same way into one model."""
    if train.shape[1:] != test.shape[1:]:
        shapes = f"{train.shape[1:]} in x_train but {test.shape[1:]} in x_test"
        raise InputError(f"{source} has images of shape {shapes}", "give both parts the same image shape")
    if train.dtype != test.dtype and not train.dtype.kind == test.dtype.kind == "f":
        found = f"{train.dtype} in x_train but {test.dtype} in x_test"
        raise InputError(f"{source} has pixels of {found}", "give both parts the same dtype and range")


def _check_pixels(part: Part, what: str) -> None:
    """Raise InputError where a pixel is no number, or none that a model can compute with."""
    survey = part.survey
    if len(bad := survey.unusable):
        listed = first([f"image {number}" for number in bad.tolist()], _LISTED)
        raise InputError(
            f"{what} holds NaN or infinite pixels in {len(bad)} of {len(part)} images: {listed}",
            "leave those images out",
        )
    low, high = survey.low.min(), survey.high.max()
    if max(-low, high) > _LARGEST_PIXEL:
        raise InputError(
            f"{what} holds pixels from {low:g} to {high:g}",
            f"expected at most {_LARGEST_PIXEL:g}, as models compute with 32 bits; scale them",
        )

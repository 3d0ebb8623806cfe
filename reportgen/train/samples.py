"""Labelled images from the bundled digits, Keras's data sets, .npz files and IDX folders, each one checked."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Dataset, Part
from reportgen.errors import InputError, SurroundingsError
from reportgen.texts import Text, text
from reportgen.train import idx

Array = NDArray[Any]

BUNDLED = Path(__file__).resolve().parent.parent / "digits" / "sample.npz"
_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_MOST_GAPS = 10
_KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")


def load(data: str | Path | Mapping[str, Any], *, test_only: bool) -> Dataset:
    """Return the data set that `data` names.

    data: "sample", "mnist", "fashion-mnist", the path of an .npz file or of a folder of IDX files, or a
        mapping with the arrays x_train, y_train, x_test, y_test and optionally class_names.
    test_only: whether a test part alone will do (nothing is trained).
    Raises InputError for data that cannot be used, SurroundingsError where a download fails.
    """
    if isinstance(data, Mapping):
        return _checked(dict(data), "arrays", text("arrays handed over in Python"), test_only)
    name = str(data)
    if name == "sample":
        source = text("5,000 of the MNIST handwritten digits, bundled with reportgen")
        return _checked(_read_npz(BUNDLED), "sample", source, test_only)
    if name in ("mnist", "fashion-mnist"):
        source = text("the data set {name} of keras.datasets", name=name)
        return _checked(_from_keras(name), name, source, test_only)
    path = Path(data)
    if path.is_dir():
        source = text("IDX files in {folder}", folder=name)
        return _checked(idx.read_folder(path), path.resolve().name, source, test_only)
    if path.is_file():
        return _checked(_read_npz(path), path.stem, text("the file {file}", file=name), test_only)
    what = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise InputError(
        f"--data {name!r} {what}",
        "expected sample, mnist, fashion-mnist, an .npz file or a folder of IDX files",
    )


def fingerprint(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 over names, types, shapes and values, whatever kind of file they came from."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.view(np.uint8).data if array.dtype.kind in "biuf" else array.tobytes())
    return digest.hexdigest()


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
    names = np.array(_FASHION if name == "fashion-mnist" else [str(digit) for digit in range(10)])
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "class_names": names}


def _read_npz(path: Path) -> dict[str, Array]:
    do = "save it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} holds one bare array, not an .npz archive", do)
            arrays = {key: archive[key] for key in _KEYS if key in archive.files}
            if "x_test" not in arrays:
                raise InputError(f"{path} has the keys {', '.join(archive.files) or 'none'}, not x_test", do)
            return arrays
    except InputError:
        raise
    except Exception as error:  # numpy, zipfile and zlib raise whatever a damaged file makes of them
        if "pickle" in str(error).lower():
            why = "it is no .npz archive, or it holds Python objects, which are never unpickled"
            raise InputError(f"{path} cannot be read: {why}", "save plain number or text arrays") from error
        raise InputError(f"{path} cannot be read ({str(error) or type(error).__name__})", do) from error


def _checked(arrays: dict[str, Array], name: str, source: Text, test_only: bool) -> Dataset:
    """Return the arrays as a Dataset. Raises InputError that names the first thing that does not fit."""
    arrays = {key: _array(arrays[key], f"{key} of {source}") for key in _KEYS if key in arrays}
    needed = ["x_test", "y_test"] if test_only else ["x_train", "y_train", "x_test", "y_test"]
    if missing := [key for key in needed if key not in arrays]:
        hint = "" if test_only else ", or give --model to report on a trained one (then a test part is enough)"
        raise InputError(f"{source} lacks {', '.join(missing)}", f"expected {', '.join(needed)}{hint}")
    parts = [part for part in ("train", "test") if f"x_{part}" in arrays and f"y_{part}" in arrays]
    images = {part: _images(arrays[f"x_{part}"], f"x_{part} of {source}") for part in parts}
    labels = {part: _labels(arrays[f"y_{part}"], f"y_{part} of {source}") for part in parts}
    for part in parts:
        if len(images[part]) != len(labels[part]):
            raise InputError(
                f"x_{part} of {source} has {len(images[part])} images but y_{part} {len(labels[part])} labels",
                "give every image one label",
            )
    if "train" in images and images["train"].shape[1:] != images["test"].shape[1:]:
        shapes = f"{images['train'].shape[1:]} in x_train but {images['test'].shape[1:]} in x_test"
        raise InputError(f"{source} has images of shape {shapes}", "give both parts the same image shape")
    dtypes = {part: images[part].dtype for part in parts}
    if len(set(dtypes.values())) > 1 and any(dtype.kind != "f" for dtype in dtypes.values()):
        found = f"{dtypes['train']} in x_train but {dtypes['test']} in x_test"
        raise InputError(f"{source} has pixels of {found}", "give both parts the same dtype and range")
    given = _class_names(arrays["class_names"], source) if "class_names" in arrays else None
    numbers, names = _numbered(labels, given, source)
    made = {part: Part(images[part], numbers[part]) for part in parts}
    return Dataset(name, source, made.get("train"), made["test"], names, fingerprint(arrays))


def _array(value: Any, what: str) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(f"{what} is no array ({error})", "give rows of equal length") from error


def _images(images: Array, what: str) -> Array:
    """Return images as (N, H, W, C), their values untouched, in a dtype that TensorFlow has."""
    if images.dtype.kind not in "buif":
        raise InputError(f"{what} has dtype {images.dtype}", "expected integer, bool or float pixels")
    if images.ndim not in (3, 4):
        raise InputError(f"{what} has shape {images.shape}", "expected (N, height, width) or (N, height, width, C)")
    if 0 in images.shape:
        raise InputError(f"{what} has shape {images.shape}, so no images", "give at least one image")
    if images.dtype.kind == "f" and not (finite := np.isfinite(images)).all():
        bad = np.flatnonzero(~finite.reshape(len(images), -1).all(axis=1))
        raise InputError(
            f"{what} holds NaN or infinite pixels in {len(bad)} of {len(images)} images, first in image {bad[0]}",
            "leave those images out",
        )
    dtype = np.dtype(np.float64) if images.dtype.kind == "f" and images.dtype.itemsize > 8 else images.dtype
    images = images.astype(dtype.newbyteorder("="), copy=False)
    return images[..., np.newaxis] if images.ndim == 3 else images


def _labels(labels: Array, what: str) -> Array:
    """Return labels as (N,) int64 or text; one-hot rows become numbers."""
    expected = "expected one integer, text or one-hot row per image"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "buif":
        if not ((labels == 0) | (labels == 1)).all() or not (labels.sum(axis=1) == 1).all():
            raise InputError(f"{what} has shape {labels.shape} but its rows are not one-hot", expected)
        return np.asarray(np.argmax(labels, axis=1), np.int64)
    if labels.ndim != 1:
        raise InputError(f"{what} has shape {labels.shape}", expected)
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "backslashreplace")
    if labels.dtype.kind not in "buif":
        raise InputError(f"{what} has dtype {labels.dtype}", expected)
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        raise InputError(f"{what} holds labels that are not whole numbers", expected)
    if len(labels) and (labels.min() < 0 or labels.max() > 2**31):
        worst = labels.min() if labels.min() < 0 else labels.max()
        raise InputError(f"{what} holds the label {worst}, which is out of range", "number the classes 0 to K-1")
    return labels.astype(np.int64)


def _class_names(names: Array, source: str) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "US" or not len(names):
        found = f"class_names of {source} has dtype {names.dtype} and shape {names.shape}"
        raise InputError(found, "expected one text per class")
    listed = [str(name) for name in _labels(names, f"class_names of {source}")]
    if len(set(listed)) < len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        raise InputError(f"class_names of {source} has {twice!r} more than once", "give every class its own name")
    return listed


def _numbered(
    labels: dict[str, Array], given: list[str] | None, source: str
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Return all labels as indices into class names, and those names."""
    if len({array.dtype.kind for array in labels.values()}) > 1:
        raise InputError(f"{source} has text labels in one part and numbers in the other", "use one kind for both")
    found = sorted({value for array in labels.values() for value in np.unique(array).tolist()})
    if any(array.dtype.kind == "U" for array in labels.values()):
        names = given or found
        if unknown := [label for label in found if label not in set(names)]:
            raise InputError(f"{source} has the label {unknown[0]!r}, which class_names lacks", "add it there")
        index = {name: number for number, name in enumerate(names)}
        return (
            {p: np.array([index[label] for label in array.tolist()], np.int64) for p, array in labels.items()},
            tuple(names),
        )
    top = int(found[-1])
    if given is not None:
        if top >= len(given):
            expected = f"expected 0 to {len(given) - 1}, one for each of the {len(given)} class names"
            raise InputError(f"{source} has the label {top}, which is out of range", expected)
    elif top + 1 > 2 * len(found) + _MOST_GAPS:
        what = f"{source} has the label {top} but only {len(found)} different labels"
        raise InputError(what, "number the classes 0 to K-1, or name them all in class_names")
    names = given or [str(number) for number in range(top + 1)]
    return {part: array.astype(np.int64) for part, array in labels.items()}, tuple(names)

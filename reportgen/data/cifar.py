"""The Python batches in which CIFAR-10 and CIFAR-100 are published, read and of pickles nothing but plain arrays."""

import io
import math
import os
import pickle
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen import files
from reportgen.data import labels
from reportgen.data.source import Labels
from reportgen.errors import InputError
from reportgen.format import short

Array = NDArray[Any]

NAMES: dict[str, tuple[str, ...]] = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
        "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
        "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
        "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
        "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
        "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
        "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
        "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
        "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
        "willow_tree", "wolf", "woman", "worm",
    ),
}  # fmt: skip
"""What Keras's data sets leave out: the names of the classes, in their order."""

_TEN = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
_HUNDRED = {"train": ("train",), "test": ("test",)}
_MOST_BYTES = 512 * 2**20
_SHAPE = (3, 32, 32)
_EXPECTED = "expected the Python version of CIFAR-10 or CIFAR-100 as it is published; download it again"
_MOST_STEPS, _MOST_NOTES = 2_000_000, 1_000_000
_NOTES = {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"}


def looks_like(folder: Path) -> bool:
    """Return whether a folder holds batches of CIFAR-10, or train and test of CIFAR-100 beside meta."""
    hundred = all((folder / name).is_file() for name in ("train", "test", "meta"))
    return hundred or any((folder / name).is_file() for name in (*_TEN["train"], *_TEN["test"]))


def is_batch(path: Path) -> bool:
    """Return whether a file is called as one of the batches of CIFAR in its folder is."""
    published = _HUNDRED if (path.parent / "meta").is_file() else _TEN
    return looks_like(path.parent) and any(path.name in batches for batches in published.values())


def read(folder: Path) -> tuple[dict[str, Array], dict[str, Labels]]:
    """Return images (N, 32, 32, 3) uint8 and labels with their names, by part, as far as they are there.

    The classes of CIFAR-100 are the hundred fine ones. Raises InputError for what is no batch.
    """
    hundred = (folder / "meta").is_file()
    names = _names(folder / ("meta" if hundred else "batches.meta"), folder, hundred)
    images: dict[str, Array] = {}
    of_images: dict[str, Labels] = {}
    for part, batches in (_HUNDRED if hundred else _TEN).items():
        paths = [folder / name for name in batches if os.path.lexists(folder / name)]
        if not paths:
            continue
        found = [_batch(path, folder) for path in paths]
        images[part] = np.concatenate([one for one, _ in found])
        of_images[part] = Labels(np.concatenate([one for _, one in found]), names)
    return images, of_images


def _batch(path: Path, folder: Path) -> tuple[Array, Array]:
    held = _unpickled(path, folder)
    data, given = held.get("data"), held.get("fine_labels", held.get("labels"))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072 or data.dtype != np.uint8:
        raise InputError(f"{path} has no array data of bytes with 3,072 columns", _EXPECTED)
    if not isinstance(given, list) or not all(isinstance(one, int) for one in given) or len(given) != len(data):
        raise InputError(f"{path} has not a whole number as the label of each of its {len(data):,} images", _EXPECTED)
    images = np.ascontiguousarray(data.reshape(-1, *_SHAPE).transpose(0, 2, 3, 1))
    return images, labels.checked(np.array(given), f"the labels in {path}")


def _names(path: Path, folder: Path, hundred: bool) -> tuple[str, ...]:
    if not os.path.lexists(path):
        return NAMES["cifar100" if hundred else "cifar10"]
    given = _unpickled(path, folder).get("fine_label_names" if hundred else "label_names")
    if not isinstance(given, list) or not given or not all(isinstance(one, str | bytes) for one in given):
        raise InputError(f"{path} has no list of the names of classes", _EXPECTED)
    found = np.array([one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else one for one in given])
    return tuple(labels.class_names(found, f"the names in {path}"))


def _unpickled(path: Path, folder: Path) -> Mapping[str, Any]:
    """Return the mapping in a batch. Raises InputError for every pickle of more than containers and plain arrays."""
    with files.opened(path, within=folder) as stream:
        held = stream.read(_MOST_BYTES + 1)
    if len(held) > _MOST_BYTES:
        raise InputError(f"{path} is larger than {_MOST_BYTES:,} bytes", _EXPECTED)
    try:
        _check_steps(held)
        found = _Plain(io.BytesIO(held), encoding="bytes").load()
        if not isinstance(found, dict):
            raise InputError(f"holds a {type(found).__name__}", _EXPECTED)
        named = {_word(key): value for key, value in found.items()}
        return {key: value.made() if isinstance(value, _Array) else value for key, value in named.items()}
    except InputError as error:
        raise InputError(f"{path} {error.what}", error.do) from error
    except Exception as error:  # the unpickler raises whatever a damaged file makes of it
        raise InputError(f"{path} is no batch of pictures ({str(error) or type(error).__name__})", _EXPECTED) from error


def _check_steps(held: bytes) -> None:
    """Raise InputError where a pickle takes more steps than a batch does, or a note that alone asks for all memory."""
    for number, (code, value, _) in enumerate(pickletools.genops(held)):
        if number >= _MOST_STEPS or (code.name in _NOTES and int(value or 0) > _MOST_NOTES):
            raise InputError("is no batch of pictures: it is a pickle of too many steps", _EXPECTED)


class _Plain(pickle.Unpickler):
    """Makes containers, texts, numbers and arrays of numbers; whatever else is named is refused by its name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands here for the parts of an array. Raises InputError for everything else."""
        if (made := _MAKERS.get((module, name))) is None:
            raise InputError(
                f"would run {short(f'{module}.{name}')}, which is never done",
                "give the data set as it is published, or save its arrays with numpy.savez",
            )
        return made

    def persistent_load(self, pid: Any) -> Any:
        """Refuse what lies outside of the file."""
        raise InputError("refers to something outside of it", _EXPECTED)


class _Dtype:
    """What a pickle says about the type of an array; numpy sees it when it has been checked."""

    def __init__(self, kind: Any = None, *_: Any) -> None:
        self.kind, self.order = kind, "="

    def __setstate__(self, state: Any) -> None:
        self.order = _word(state[1])

    def made(self) -> np.dtype[Any]:
        """Return the type. Raises InputError unless it is one of plain numbers."""
        word = _word(self.kind)
        if not re.fullmatch("[buif][1248]", word) or self.order not in tuple("<>|="):
            raise InputError(f"holds an array of {short(repr(word), 40)}, not of plain numbers", _EXPECTED)
        return np.dtype(f"{self.order}{word}")


class _Array:
    """What a pickle says about an array; numpy sees it when it has been checked."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def made(self) -> Array:
        """Return the array. Raises InputError where its bytes are not those of its shape and type."""
        _, shape, dtype, fortran, held = self.state
        kind = dtype.made() if isinstance(dtype, _Dtype) else np.dtype(object)
        if not isinstance(held, bytes | bytearray) or len(shape) > 4 or not all(isinstance(n, int) for n in shape):
            raise InputError("holds an array of something other than plain numbers", _EXPECTED)
        if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(held):
            raise InputError("holds an array whose bytes do not fit its shape", _EXPECTED)
        return np.frombuffer(held, kind).reshape(shape, order="F" if fortran else "C")


def _encoded(held: Any, how: Any = "latin1") -> bytes:
    """Return bytes that a pickle of an early protocol has as a text."""
    if _word(how) != "latin1" or not isinstance(held, str):
        raise InputError("encodes a text in another way than Python does", _EXPECTED)
    return held.encode("latin-1")


def _from_buffer(held: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """Return an array as protocol 5 has it."""
    made = _Array()
    made.state = (1, shape, dtype, _word(order) == "F", held)
    return made


def _word(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


_MAKERS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encoded,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}

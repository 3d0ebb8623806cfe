"""Labelled images from every source - bundled, Keras's, files, folders, Python - checked and made a Dataset."""

import hashlib
import json
import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reportgen.data import batches, keys, labels, layouts, names, npz, random_split, split_names, stored
from reportgen.data.source import Labels, Source, of_arrays
from reportgen.dataset import Data, Dataset, Images, Part, Split
from reportgen.errors import InputError
from reportgen.format import as_given, first, short
from reportgen.i18n import Text, joined, text
from reportgen.options import SAMPLE, Analysis, ClassNames

Array = NDArray[Any]

BUNDLED = Path(__file__).resolve().parent.parent / "digits" / "sample.npz"
_PARTS = ("train", "test")
_LISTED = 10
_LARGEST_PIXEL = 1e18  # its square still is a number in the 32 bits that models compute with
_PATHS = (
    "expected sample, mnist, fashion-mnist, cifar10, cifar100, an .npz, .csv or .parquet file, or a folder of "
    "pictures, .npy, .parquet, CIFAR or IDX files"
)
_OBJECTS = (
    "expected a mapping with x_test, y_test, or with test (and train): a pair of arrays (x, y), a tf.data.Dataset or "
    "a keras.utils.PyDataset"
)
_SPLIT_IT = "give --validation-split 0.2 to set 20 % aside at random for testing"


@dataclass(frozen=True)
class _Asked:
    """What a caller wants of the data. test_only: as `load` takes it. names: all classes in order, None for none.

    split: how data in one part is to be split, None where it is not.
    """

    test_only: bool
    names: tuple[str, ...] | None
    split: Split | None


def load(
    data: Data,
    *,
    test_only: bool,
    size: tuple[int, int] | None = None,
    class_names: ClassNames | None = None,
    validation_split: float | None = None,
    seed: int = Analysis.seed,
) -> Dataset:
    """Return the data set that `data` names or is.

    data: "sample" or one of layouts.OF_KERAS; the path of a file or folder in one of the layouts that data.layouts
        reads; a mapping with the arrays x_train, y_train, x_test, y_test or under names that data.keys knows, or with
        "train" and "test", each a pair of arrays, a tf.data.Dataset or a keras.utils.PyDataset, and optionally
        class_names; what "test" would have, alone; or a pair of pairs, as keras.datasets give it. Images are (N, F),
        (N, H, W), (N, H, W, C) or (N, D, H, W, C); labels are integers, text or one-hot rows.
    test_only: whether a test split alone will do (nothing is trained). size: (height, width) that pictures are brought
        to.
    class_names: all classes in the model's order, as data.names.given takes them; they go before those in the data.
    validation_split: the share, above 0 and below 1, of data in one part that is set aside at random for testing.
    seed: of that.
    Raises InputError for data that cannot be used, SurroundingsError where a download or a temporary file fails.
    """
    asked = _Asked(
        test_only, names.given(class_names), None if validation_split is None else Split(validation_split, seed)
    )
    found = _source(data, size)
    if size is not None and not found.pictures:
        raise InputError("--image-size is for pictures in folders alone", "leave it out, or resize the images yourself")
    return _of_source(_in_parts(found, asked), asked)


def _source(data: Data, size: tuple[int, int] | None) -> Source:
    """Return what `data` holds, as it was found."""
    if not isinstance(data, str | Path):
        return _from_python(data)
    name = str(data)
    if name == SAMPLE:
        arrays, _ = npz.read(BUNDLED)
        return of_arrays(arrays, name, text("5,000 of the MNIST handwritten digits, bundled with reportgen"))
    if name in layouts.OF_KERAS:
        return layouts.of_keras(name)
    if not name or not os.path.lexists(data):
        raise InputError(f"--data {short(name)!r} does not exist", _PATHS)
    return layouts.read(Path(data), size)


def fingerprint(of_parts: Mapping[str, Part], class_names: Sequence[str]) -> str:
    """Return the SHA-256 over images, labels and class names, in whatever container and order they came.

    Of each part, by its name: dtype, shape and pixels of the images, and the labels as numbers.
    """
    digest = hashlib.sha256(json.dumps(list(class_names)).encode())
    for name, part in sorted(of_parts.items()):
        shape = "x".join(map(str, part.images.shape))
        digest.update(f"\n{name} {part.images.dtype.str} {shape} {part.survey.sha256}\n".encode())
        digest.update(np.ascontiguousarray(part.labels, "<i8").data)
    return digest.hexdigest()


def _from_python(data: Any) -> Source:
    """Return what arrays hold, pairs of them, and what yields batches, as somebody has them in Python."""
    kind = batches.kind(data)
    if _are_pairs(data):
        data = dict(zip(_PARTS, data, strict=True))  # as keras.datasets give it
    elif kind or isinstance(data, tuple):
        data = {"test": data}
    if not isinstance(data, Mapping):
        raise InputError(f"the data is of the class {type(data).__name__}", _OBJECTS)
    of_parts = [(split_names.of_name(key), key) for key in data if isinstance(key, str) and split_names.of_name(key)]
    kind = kind or next((found for _, key in of_parts if (found := batches.kind(data[key]))), None)
    source = text("a {kind} handed over in Python", kind=kind) if kind else text("arrays handed over in Python")
    taken = keys.take([key for key in data if isinstance(key, str)], str(source))
    arrays: dict[str, Images] = {key: _array(data[name], f"{name} of {source}") for key, name in taken.names.items()}
    chosen, known = split_names.choose(of_parts, str(source)), {}
    for part, name in chosen.names.items():
        if both := {f"x_{part}", f"y_{part}"} & arrays.keys():
            raise InputError(f"{source} have both {name!r} and {min(both)!r}", f"give one of them; {_OBJECTS}")
        gone = _part(data[name], name, str(source))
        arrays |= {f"x_{part}": gone.images, f"y_{part}": gone.labels}
        known[part] = Labels(gone.labels, gone.names, gone.width)
    return of_arrays(arrays, "dataset" if kind else "arrays", source, (*taken.said, *chosen.said), known)


def _are_pairs(data: Any) -> bool:
    """Return whether training and test data were given together; a list of tuples is rather one of batches."""
    if not isinstance(data, tuple | list) or len(data) != 2 or not all(map(_is_pair, data)):
        return False
    return isinstance(data, tuple) or all(isinstance(one, list) for one in data)


def _is_pair(given: Any) -> bool:
    """Return whether images and labels were given together, and not a list of two images, or of their labels."""
    if isinstance(given, tuple):
        return len(given) == 2
    if not isinstance(given, list) or len(given) != 2:
        return False
    of_images, of_labels = (tuple(getattr(one, "shape", ())) for one in given)
    return len(of_images) >= 2 and of_images[:1] == of_labels[:1]


def _part(given: Any, part: str, source: str) -> batches.Gone:
    """Return images, labels and perhaps class names of what was given for a part."""
    if batches.kind(given):
        return batches.read(given, f"the {part} split, {source}")
    if not isinstance(given, tuple | list) or len(given) != 2:
        found = f"{type(given).__name__}{f' of {len(given)}' if isinstance(given, tuple | list) else ''}"
        raise InputError(f"the {part} split of {source} is a {found}", f"expected (x, y); {_OBJECTS}")
    if all(isinstance(each, tuple) for each in given):
        raise InputError(f"the {part} split of {source} is a pair of pairs", "give {'train': (x, y), 'test': (x, y)}")
    images, of_images = _array(given[0], f"x_{part} of {source}"), _array(given[1], f"y_{part} of {source}")
    return batches.Gone(images, of_images, None, None)


def _array(value: Any, what: str) -> Array:
    try:
        return np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:  # a library's own array type raises what it likes
        raise InputError(f"{what} is no array ({error})", "give rows of equal length") from error


def _in_parts(found: Source, asked: _Asked) -> Source:
    """Return the source with a test split, or with one single part that is to be split.

    Raises InputError where a part is missing, and where there are two of what is to be split.
    """
    there = [part for part in ("train", "test", "") if part in found.images and part in found.labels]
    if asked.split is not None:
        if len(there) == 1:
            return _called(found, there[0], "")
        if there:
            do = "leave it out, or give one part alone"
            raise InputError(f"--validation-split is for data in one part, but {found.source} has two", do)
    if there == [""]:
        if asked.test_only:
            return _called(found, "", "test")
        what = f"the data ({found.source}) is in one part, so nothing would be left to test on"
        raise InputError(what, f"{_SPLIT_IT}, or --model to report on a trained one")
    needed = ("test",) if asked.test_only else _PARTS
    if missing := [part for part in needed if part not in there]:
        raise _missing(found, missing, needed, asked, is_one_part=len(there) == 1)
    return found


def _called(found: Source, part: str, name: str) -> Source:
    """Return a source whose one part has another name."""
    skipped = [replace(one, part=name or "train") for one in found.skipped if one.part == part]
    return replace(found, images={name: found.images[part]}, labels={name: found.labels[part]}, skipped=skipped)


def _missing(
    found: Source, missing: Sequence[str], needed: Sequence[str], asked: _Asked, *, is_one_part: bool
) -> InputError:
    hint = f", or {_SPLIT_IT}" if is_one_part else ""
    enough = "test is enough" if found.form == "folders" else "a test split is enough"
    hint += "" if asked.test_only else f", or give --model to report on a trained one (then {enough})"
    if found.form == "arrays":
        keys_of = [f"{letter}_{part}" for part in needed for letter in "xy"]
        there = {f"x_{part}" for part in found.images} | {f"y_{part}" for part in found.labels}
        lacking = [key for key in keys_of if key not in there]
        return InputError(f"{found.source} lacks {', '.join(lacking)}", f"expected {', '.join(keys_of)}{hint}")
    if found.form == "folders":
        return InputError(
            f"{found.name} has no folder {' and none '.join(missing)}",
            f"expected {' and '.join(f'{part}/<class>/<pictures>' for part in needed)}{hint}",
        )
    what = f"{found.source} has no {' and no '.join(missing)} split"
    return InputError(what, f"expected a file with train and one with test in its name{hint}")


def _of_source(found: Source, asked: _Asked) -> Dataset:
    """Return what was found as a Dataset."""
    given: Sequence[str] | None = asked.names
    if given is None and found.class_names is not None:
        given = labels.class_names(found.class_names, f"class_names of {found.source}")
    if given is not None and found.form == "folders":
        given = tuple(unicodedata.normalize("NFC", name) for name in given)  # as folders.read does
    made = _made(found.images, found.labels, given, found.name, found.source, asked)
    said = [*found.said, *([random_split.said(asked.split.share, asked.split.seed)] if asked.split else [])]
    return replace(made, prepared=joined(" ", said) if said else None, skipped=tuple(found.skipped))


@np.errstate(all="ignore")  # NaN is looked for, not warned of
def _made(
    images: Mapping[str, Images],
    of_images: Mapping[str, Labels],
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
    if asked.split is not None:
        images, numbers = _split(images[""], numbers[""], asked.split)
    made = {part: Part(found, numbers[part]) for part, found in images.items()}
    for part, one in made.items():
        _check_pixels(one, f"x_{part} of {source}")
    return Dataset(
        name=name,
        source=source,
        train=made.get("train"),
        test=made["test"],
        class_names=named,
        sha256=fingerprint(made, named),
        labelled=labelled,
        split=asked.split,
    )


def _split(
    images: Images, numbers: NDArray[np.int64], asked: Split
) -> tuple[dict[str, Images], dict[str, NDArray[np.int64]]]:
    """Return images and labels of one part as those of two."""
    both = random_split.halves(numbers, asked.share, asked.seed)._asdict()
    return (
        {part: random_split.picked(images, chosen) for part, chosen in both.items()},
        {part: numbers[chosen] for part, chosen in both.items()},
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
            f"{what} holds pixels from {as_given(low)} to {as_given(high)}",
            f"expected at most {as_given(_LARGEST_PIXEL)}, as models compute with 32 bits; scale them",
        )

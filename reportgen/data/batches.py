"""A tf.data.Dataset or a keras.utils.PyDataset, gone through once, as images that can be asked for by number.

Neither library is imported here: whoever hands such an object over has done it already.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen.data import names
from reportgen.data.labels import checked, class_names
from reportgen.data.stored import Spool, native
from reportgen.dataset import Images
from reportgen.errors import InputError, ReportgenError

Array = NDArray[Any]

IN_MEMORY = 16 * 2**20
"""Bytes of images that are kept in memory at most. It is little, as memory must not grow with what is made as it goes:
reading them back from a temporary file, which the system keeps in memory while it can, takes no time to speak of."""

_TENSORFLOW, _KERAS = "tf.data.Dataset", "keras.utils.PyDataset"
_PAIRS = "expected batches of (images, labels), with or without weights"
_SINGLES = 128
_OWN_NAMES = re.compile(r"\{\{.*?\}\} ?| ?\[Op:.*")  # of the operations, in TensorFlow's errors


def kind(given: object) -> str | None:
    """Return "tf.data.Dataset" or "keras.utils.PyDataset" where `given` is one, else None."""
    for base in type(given).__mro__:
        if base.__name__ == "DatasetV2" and base.__module__.startswith("tensorflow."):
            return _TENSORFLOW
        if base.__name__ == "PyDataset" and base.__module__.startswith("keras."):
            return _KERAS
    return None


class Gone(NamedTuple):
    """What was gone through: images (N, ...), labels (N,) and how many columns they had, if they were one-hot rows.

    names: those that integer labels are numbers of, where the data set has them.
    """

    images: Images
    labels: Array
    names: tuple[str, ...] | None
    width: int | None


def read(dataset: Any, what: str) -> Gone:
    """Return images, labels and the class names, if it has any, of what `kind` knows.

    It yields batches, as `fit` takes them; a tf.data.Dataset whose labels are single numbers or texts yields single
    images. Images are kept in memory while they are few, then in a temporary file; one-hot rows become numbers. what:
    how an error names it. Raises InputError for a data set without end and for batches that do not fit each other.
    """
    spool = Spool(f"the images of {what}", few=IN_MEMORY)
    labels: list[Array] = []
    first: tuple[Array, Array] | None = None
    for number, batch in enumerate(_explained(_batches(dataset, what), what)):
        images, of_images = _pair(batch, f"batch {number} of {what}")
        if first is None:
            first = images[:0], of_images[:0]
        if images.dtype != first[0].dtype or images.shape[1:] != first[0].shape[1:]:
            raise InputError(
                f"batch {number} of {what} has {images.dtype} images of shape {images.shape[1:]}",
                f"expected {first[0].dtype} images of shape {first[0].shape[1:]}, as in batch 0",
            )
        if of_images.dtype.kind != first[1].dtype.kind or of_images.shape[1:] != first[1].shape[1:]:
            raise InputError(f"batch {number} of {what} has other labels than batch 0", "use one kind for all")
        spool.write(np.ascontiguousarray(images).reshape(-1).view(np.uint8).data)
        of_batch = f"the labels of batch {number} of {what}"
        labels.append(of_images if of_images.ndim == 1 else checked(of_images, of_batch))
    if first is None or not sum(map(len, labels)):
        raise InputError(f"{what} yields no images", _PAIRS)
    every, columns = np.concatenate(labels), first[1].shape[1:]
    spooled = spool.images((len(every), *first[0].shape[1:]), first[0].dtype)
    return Gone(spooled, every, _own_names(dataset, what), columns[0] if columns and columns[0] > 1 else None)


def _own_names(dataset: Any, what: str) -> tuple[str, ...] | None:
    """Return the names that Keras leaves at what it makes of a folder: class_names, or at an iterator class_indices."""
    if (found := getattr(dataset, "class_names", None)) is not None:
        return tuple(class_names(np.asarray(found), f"class_names of {what}"))
    if (numbers := getattr(dataset, "class_indices", None)) is not None:
        if not isinstance(numbers, Mapping):
            raise InputError(f"class_indices of {what} is no mapping", "expected a number for each name")
        return names.of_numbers(numbers, f"class_indices of {what}")
    return None


def _batches(dataset: Any, what: str) -> Iterator[Any]:
    if kind(dataset) == _KERAS:
        count = dataset.num_batches
        if count is None:
            raise InputError(f"{what} has no end (num_batches is None)", "hand over a finite data set")
        return (dataset[number] for number in range(count))
    if int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise InputError(f"{what} has no end", "hand over a finite one, without repeat() or with take(...)")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise InputError(f"{what} yields {_described(spec)}", _PAIRS)
    if odd := [each for each in spec[:2] if type(each).__name__ != "TensorSpec"]:
        raise InputError(f"{what} yields {_described(odd[0])} for images or labels", f"{_PAIRS}, both plain tensors")
    if spec[1].shape.rank == 0:
        dataset = dataset.batch(_SINGLES)
    return iter(dataset.as_numpy_iterator())


def _explained(batches: Iterator[Any], what: str) -> Iterator[Any]:
    """Yield the batches. Raises InputError for whatever the code that makes them raises."""
    try:
        yield from batches
    except (ReportgenError, MemoryError):
        raise
    except Exception as error:
        said = _OWN_NAMES.sub("", f"{type(error).__name__}: {error}".partition("\n")[0])
        raise InputError(f"{what} failed while it was gone through ({said})", "mend it and run again") from error


def _pair(batch: Any, what: str) -> tuple[Array, Array]:
    """Return the images and the labels of one batch."""
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise InputError(f"{what} is {_described(batch)}", _PAIRS)
    if odd := [each for each in batch[:2] if isinstance(each, tuple | list | dict)]:
        raise InputError(f"{what} has {_described(odd[0])} for images or labels", f"{_PAIRS}, both plain arrays")
    images, labels = np.asarray(batch[0]), np.asarray(batch[1])
    if images.dtype.kind not in "buif":
        raise InputError(f"{what} has images of dtype {images.dtype}", "expected integer, bool or float pixels")
    if images.ndim < 2 or not labels.ndim or len(images) != len(labels):
        raise InputError(
            f"{what} has images of shape {images.shape} and labels of shape {labels.shape}",
            "expected as many labels as images; is the data set batched?",
        )
    if labels.dtype.kind == "O":  # TensorFlow's texts are Python bytes
        flat = labels.reshape(-1).tolist()
        if not all(isinstance(label, bytes | str) for label in flat):
            raise InputError(f"{what} has labels that are Python objects", _PAIRS)
        flat = [label.decode("utf-8", "backslashreplace") if isinstance(label, bytes) else label for label in flat]
        labels = np.array(flat, np.str_).reshape(labels.shape)
    return images.astype(native(images.dtype), copy=False), labels


def _described(found: Any) -> str:
    """Return in a few words what there is instead of images and labels."""
    if isinstance(found, dict):
        return f"a dict with {', '.join(map(str, found)) or 'nothing'}"
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    return f"one {type(found).__name__}"

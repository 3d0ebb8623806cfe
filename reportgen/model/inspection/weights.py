"""The weights of a model in HDF5: inside the file, as large as they claim, and numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from reportgen.errors import InputError
from reportgen.format import short

CONFIG = "model_config"
_OPTIMIZERS = ("optimizer", "optimizer_weights")
_MOST_OBJECTS, _DEEPEST = 200_000, 100
_BLOCK = 2**24
_RATIO = 100
_UNSUSPICIOUS = 2**20
_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
_EXPECTED = "expected a file that Keras saved whole"
_TRUSTED = "raise --max-model-gb if the model is to be trusted"
_TRAINING = "look where its training diverged, and save it from before that"


@dataclass(frozen=True)
class Stored:
    """What the file stores. numbers: how many its weights are; config: the model's, None where it has none.

    keras: the version that wrote it, as it stands there, None where none does.
    """

    numbers: int
    config: bytes | None
    keras: str | bytes | None = None


def check(path: Path, *, largest: int) -> Stored:
    """Look at every object in the HDF5 file at `path` and read every number.

    largest: how many bytes all of it may be once it is unpacked. Raises InputError for a file that reaches outside
    itself, claims more than it stores, is damaged, or holds weights that are NaN or infinite.
    """
    try:
        with h5py.File(path, "r") as file:
            size, numbers = 0, 0
            for name, weight in _datasets(file):
                size += _claimed(name, weight)
                if size > largest:
                    raise InputError(f"holds weights of more than {largest:,} bytes", _TRUSTED)
                is_trained = name.split("/")[0] not in _OPTIMIZERS
                _read(name, weight, finite=is_trained)
                numbers += math.prod(weight.shape) if is_trained else 0
            config = file.attrs.get(CONFIG)
            keras = file.attrs.get("keras_version")
            return Stored(
                numbers,
                config.encode("utf-8", "surrogateescape") if isinstance(config, str) else config,
                keras if isinstance(keras, str | bytes) else None,
            )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError, ArithmeticError) as error:
        raise InputError(f"is cut off or damaged ({short(str(error), 120)})", _EXPECTED) from error


def write_config(path: Path, config: bytes) -> None:
    """Put another configuration into the HDF5 file at `path`."""
    with h5py.File(path, "r+") as file:
        file.attrs[CONFIG] = config


def from_cudnn(path: Path) -> None:
    """Lay the weights of CuDNN's recurrent layers in the HDF5 file at `path` out as those of the plain layers.

    The plain ones compute the same then. CuDNN is told by its biases: it has two for each gate and unit, one behind
    the other. Raises InputError where the weights beside them do not fit, and where the sum of two biases is infinite.
    """
    with h5py.File(path, "r+") as file:
        groups = [file]
        file.visititems(lambda name, found: groups.append(found) if isinstance(found, h5py.Group) else None)
        for group in groups:
            names = {name.partition(":")[0]: name for name in group if isinstance(group[name], h5py.Dataset)}
            if not {"kernel", "recurrent_kernel", "bias"} <= names.keys():
                continue
            kernel, recurrent, bias = (group[names[one]] for one in ("kernel", "recurrent_kernel", "bias"))
            if bias.ndim != 1 or recurrent.ndim != 2 or bias.shape[0] != 2 * recurrent.shape[1]:
                continue
            units, width = recurrent.shape
            if not units or width not in (3 * units, 4 * units) or kernel.ndim != 2 or kernel.shape[1] != width:
                raise InputError(f"has weights of CuDNN that do not fit each other ({short(group.name)})", _EXPECTED)
            made = _plain(np.asarray(kernel), np.asarray(recurrent), np.asarray(bias))
            if not np.isfinite(made[2]).all():
                layer = _layer(group.name.strip("/"), bias)
                raise InputError(f'has biases of CuDNN whose sum is infinite in the weights of "{layer}"', _TRAINING)
            for name, value in zip(("kernel", "recurrent_kernel", "bias"), made, strict=True):
                del group[names[name]]
                group.create_dataset(names[name], data=value)


def _plain(kernel: NDArray[Any], recurrent: NDArray[Any], bias: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return kernel, recurrent kernel and bias of a plain LSTM or GRU from those of CuDNN, gate by gate.

    For each gate CuDNN reads its matrices (units, inputs) from memory that Keras calls (inputs, units). An LSTM adds
    both biases; a GRU multiplies by what lies behind one of them, and keeps both.
    """
    units, width = recurrent.shape
    gates = width // units
    turned = [gate.reshape(units, len(kernel)).T for gate in np.hsplit(kernel, gates)]
    both = bias.reshape(2, width)
    with np.errstate(over="ignore"):  # what is infinite is looked for
        biases = both.sum(axis=0) if gates == 4 else both
    return (
        np.hstack(turned),
        np.hstack([gate.T for gate in np.hsplit(recurrent, gates)]),
        biases,
    )


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every dataset with its path. Raises InputError for links and for what is no group and no dataset."""
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        path, group = waiting.pop()
        _check_attributes(path, group)
        for name in group:
            inner = f"{path}/{name}" if path else name
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"stores its weights outside the file ({short(inner)} is a link)", _EXPECTED)
            found = group[name]
            where = h5py.h5o.get_info(found.id).addr
            if where in seen or len(seen) >= _MOST_OBJECTS or inner.count("/") > _DEEPEST:
                raise InputError(f"holds too many objects, or one of them twice ({short(inner)})", _EXPECTED)
            seen.add(where)
            if isinstance(found, h5py.Group):
                waiting.append((inner, found))
            elif isinstance(found, h5py.Dataset):
                _check_attributes(inner, found)
                yield inner, found
            else:
                raise InputError(f"holds something that is no weights ({short(inner)})", _EXPECTED)


def _check_attributes(path: str, found: h5py.HLObject) -> None:
    """Read every attribute, as Keras may, and raise InputError where one is neither text nor a number."""
    for name, value in found.attrs.items():
        values = np.asarray(value)
        if values.dtype.kind not in "SUbiuf" and not all(isinstance(one, str | bytes) for one in values.ravel()):
            raise InputError(f"has a strange attribute ({short(name)} of {short(path) or 'the file'})", _EXPECTED)


def _claimed(name: str, weight: h5py.Dataset) -> int:
    """Return the size of the weights in bytes. Raises InputError where they are not in the file as they should be."""
    if weight.is_virtual or weight.external:
        raise InputError(f"stores its weights outside the file ({short(name)})", _EXPECTED)
    settings = weight.id.get_create_plist()
    if any(settings.get_filter(n)[0] not in _FILTERS for n in range(settings.get_nfilters())):
        raise InputError(f"stores weights in an unusual compression ({short(name)})", _EXPECTED)
    if weight.shape is None or (weight.dtype.kind not in "fiub" and not _is_bfloat16(weight)):
        raise InputError(f"holds weights that are no numbers ({short(name)})", _EXPECTED)
    claimed: int = math.prod(weight.shape) * weight.dtype.itemsize
    stored = weight.id.get_storage_size()
    if (claimed and not stored) or (claimed > _UNSUSPICIOUS and claimed > _RATIO * stored):
        what = f"has weights declare {claimed:,} bytes, but it stores {stored:,} ({short(name)})"
        raise InputError(what, _EXPECTED)
    return claimed


def _is_bfloat16(weight: h5py.Dataset) -> bool:
    return bool(weight.dtype == np.dtype("V2") and weight.attrs.get("dtype") == "bfloat16")


def _read(name: str, weight: h5py.Dataset, *, finite: bool) -> None:
    """Read all numbers, some at a time. Raises InputError where one is NaN or infinite and `finite` is asked for."""
    for block in _blocks(weight):
        if weight.dtype.kind == "V":
            bad = bool(((block.view(np.uint16) & 0x7F80) == 0x7F80).any())  # all bits of the exponent are set
        else:
            bad = weight.dtype.kind == "f" and not np.isfinite(block).all()
        if bad and finite:
            raise InputError(f'has NaN or infinite numbers in the weights of "{_layer(name, weight)}"', _TRAINING)


def _blocks(weight: h5py.Dataset) -> Iterator[NDArray[Any]]:
    """Yield the numbers of a dataset in blocks of at most 16 MB, or of one row where a row is larger."""
    if not weight.shape or 0 in weight.shape:
        yield np.asarray(weight[()])
        return
    row = math.prod(weight.shape[1:]) * weight.dtype.itemsize
    step = max(_BLOCK // row, 1)
    for start in range(0, weight.shape[0], step):
        yield np.asarray(weight[start : start + step])


def _layer(name: str, weight: h5py.Dataset) -> str:
    """Return the name of the layer whose weights lie under `name`, as far as the file tells it."""
    given = weight.parent.attrs.get("name")
    if isinstance(given, str):
        return short(given, 40)
    parts = name.split("/")
    return short(parts[1] if parts[0] == "model_weights" and len(parts) > 1 else name, 40)

"""Load a model file without trusting it, and refuse what a report cannot be made of."""

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from reportgen.errors import InputError
from reportgen.record import History
from reportgen.train import history
from reportgen.train.runtime import keras

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_EXPECTED = "expected a .keras or .h5 file that Keras saved whole"


@dataclass(frozen=True)
class Loaded:
    """A model from a file, with the SHA-256 of that file and the history found beside it."""

    model: keras.Model
    sha256: str
    history: History | None


def load(path: Path) -> Loaded:
    """Load the model in `path`. Raises InputError where it cannot be used.

    Keras's safe mode stays on, the saved optimiser and loss are left alone (compile=False), and the bytes that
    are loaded are those that were hashed.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        private = Path(folder) / f"model{_kind(path, content)}"
        private.write_bytes(content)
        if private.suffix == ".keras":
            _check_archive(path, private)
        try:
            model = keras.models.load_model(private, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its parsers meet
            raise InputError(f"{path} cannot be loaded ({_short(error)})", _way_out(error)) from error
    return Loaded(model, sha256, history.beside(path, sha256))


def begins_with_rescaling(model: keras.Model) -> bool:
    """Tell whether pixels are rescaled inside the model, before any layer that learns or computes."""
    for layer in getattr(model, "layers", []):
        if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization):
            return True
        if isinstance(layer, keras.Sequential):
            return begins_with_rescaling(layer)
        if not (isinstance(layer, keras.layers.InputLayer) or _is_augmentation(layer)):
            return False
    return False


def check_fit(model: keras.Model, image_shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError unless `model` takes one image of `image_shape` and gives one score per class."""
    if not isinstance(model, keras.Model) or not model.built or not model.layers:
        raise InputError(f"{type(model).__name__} is not a built model with layers", "give a whole Keras model")
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"the model has {len(inputs)} known inputs and {len(outputs)} known outputs",
            "expected a Sequential or Functional model with one of each",
        )
    wants, gives = tuple(inputs[0].shape)[1:], tuple(outputs[0].shape)[1:]
    if len(wants) != len(image_shape) or any(w not in (None, s) for w, s in zip(wants, image_shape, strict=True)):
        shown = "x".join("any" if size is None else str(size) for size in wants)
        raise InputError(
            f"the data has images of {'x'.join(map(str, image_shape))}, but the model takes {shown}",
            "give data of that shape",
        )
    if len(gives) != 1:
        raise InputError(f"the model's output has the shape {gives} per image", "expected one score per class")
    scores = 2 if gives[0] == 1 else gives[0]  # one sigmoid unit tells two classes apart
    if scores < classes:
        raise InputError(
            f"the data has labels up to {classes - 1}, but the model tells only {scores} classes apart",
            "give data and a model with the same classes",
        )


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder (a SavedModel?)", f"{_EXPECTED}; save it with model.save('x.keras')")
    if not path.exists():
        raise InputError(f"--model {path} does not exist", _EXPECTED)
    if not path.is_file():
        raise InputError(f"{path} is not a regular file", _EXPECTED)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", _EXPECTED) from error
    if not content:
        raise InputError(f"{path} is empty", _EXPECTED)
    return content


def _kind(path: Path, content: bytes) -> str:
    """Return the ending that fits what the file really is."""
    if content.startswith(_HDF5):
        return ".h5"
    if content.startswith(_ZIP):
        return ".keras"
    raise InputError(f"{path} is neither a .keras archive nor an HDF5 file", _EXPECTED)


def _check_archive(path: Path, private: Path) -> None:
    """Raise InputError where the archive is cut off, damaged, or no Keras model."""
    try:
        with zipfile.ZipFile(private) as archive:
            if damaged := archive.testzip():
                raise InputError(f"{path} is damaged (checksum of {damaged})", _EXPECTED)
            if missing := {"config.json", "model.weights.h5"} - set(archive.namelist()):
                raise InputError(f"{path} lacks {', '.join(sorted(missing))}", _EXPECTED)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InputError(f"{path} is cut off or damaged ({error})", _EXPECTED) from error


def _is_augmentation(layer: keras.layers.Layer) -> bool:
    return type(layer).__name__.startswith("Random")


def _short(error: Exception) -> str:
    """Return the first sentence of what Keras said; the rest is the whole configuration of the model."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first if len(first) <= 160 else f"{first[:160]} ..."


def _way_out(error: Exception) -> str:
    said = str(error)
    if "Lambda" in said or "unsafe" in said:
        return "replace the layer that runs Python code by a built-in one; reportgen runs no code from files"
    if "custom" in said.lower() or "registered" in said:
        return "its classes are not Keras's own; hand the live model to reportgen.report() in Python instead"
    return _EXPECTED

"""Load a model file without trusting it, and refuse what a report cannot be made of."""

import tempfile
from pathlib import Path

from reportgen.errors import InputError
from reportgen.train.model_file import ModelFile
from reportgen.train.runtime import keras


def load(file: ModelFile) -> keras.Model:
    """Return the model in `file`. Raises InputError where Keras cannot build it.

    Keras's safe mode stays on, the saved optimiser and loss are left alone (compile=False), and Keras gets a
    private copy of the bytes that were checked and hashed.
    """
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        private = Path(folder) / f"model{file.ending}"
        private.write_bytes(file.content)
        try:
            model = keras.models.load_model(private, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its parsers meet
            raise InputError(f"{file.path} cannot be loaded ({_short(error)})", _way_out(error)) from error
    return model


def begins_with_rescaling(model: keras.Model) -> bool:
    """Tell whether pixels are rescaled inside the model, before any layer that learns or computes."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization):
            return True
        if isinstance(layer, keras.Sequential):
            return begins_with_rescaling(layer)
        if not (isinstance(layer, keras.layers.InputLayer) or type(layer).__name__.startswith("Random")):
            return False
    return False


def check_fit(model: object, image_shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError unless `model` takes one image of `image_shape` and gives one score per class."""
    if not isinstance(model, keras.Model) or not isinstance(model, keras.Sequential | keras.Function):
        kind = type(model).__name__
        raise InputError(f"the model is of the class {kind}", "expected a Sequential or Functional Keras model")
    if not model.built or not model.layers or not getattr(model, "inputs", None):
        raise InputError("the model was never built, so it has no weights", "train it, or give it an Input layer")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs", "expected one of each"
        )
    if (batch := model.inputs[0].shape[0]) is not None:
        raise InputError(
            f"the model takes exactly {batch} images at a time", "build it with a free batch size and save it again"
        )
    wants, gives = tuple(model.inputs[0].shape)[1:], tuple(model.outputs[0].shape)[1:]
    if len(wants) != len(image_shape) or any(w not in (None, s) for w, s in zip(wants, image_shape, strict=True)):
        raise InputError(
            f"the data has images of {_by(image_shape)}, but the model takes {_by(wants)}", "give data of that shape"
        )
    if len(gives) != 1 or gives[0] is None:
        raise InputError(f"the model's output has the shape {_by(gives)} per image", "expected one score per class")
    scores = 2 if gives[0] == 1 else gives[0]  # one sigmoid unit tells two classes apart
    if scores < classes:
        raise InputError(
            f"the data has labels up to {classes - 1}, but the model tells only {scores} classes apart",
            "give data and a model with the same classes",
        )


def _by(shape: tuple[int | None, ...]) -> str:
    return "x".join("any" if size is None else str(size) for size in shape) or "a single number"


def _short(error: Exception) -> str:
    """Return the first line of what Keras said; the rest is the whole configuration of the model."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return first if len(first) <= 160 else f"{first[:160]} ..."


def _way_out(error: Exception) -> str:
    said = str(error)
    if "Lambda" in said or "unsafe" in said:
        return "replace the layer that runs Python code by a built-in one; reportgen runs no code from files"
    if "custom" in said.lower() or "registered" in said:
        return "its classes are not Keras's own; hand the live model to reportgen.report() in Python instead"
    return "expected a model that this version of Keras can build; save it again with model.save('x.keras')"

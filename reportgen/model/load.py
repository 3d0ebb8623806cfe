"""Load a model file without trusting it."""

import importlib
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reportgen.errors import InputError
from reportgen.format import number, short
from reportgen.model import memory
from reportgen.model.inspection import allowed, keras_2
from reportgen.model.model_file import ModelFile
from reportgen.runtime import keras, quiet_stderr, tf

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MISFIT = re.compile(
    r"could not be loaded\. Example error message for object <\w+ name=([^,>]+)"  # of a .keras file
    r"|(?:Weight count|Shape) mismatch (?:in|for) layer #\d+ \(named ([^,)]+)"  # of an .h5 file
)
_MISCOUNT = "Layer count mismatch"
_CAUSE = re.compile(r"Exception encountered: (.+)")
_INITIALISED = "Skipping nested container"  # what Keras says where layers keep the random weights that they began with
_AGAIN = "expected a model that this version of Keras can build; save it again with model.save('x.keras')"
_MORE = "raise --max-memory-gb, or take a machine with more memory"


def load(file: ModelFile) -> keras.Model:
    """Return the model in `file`. Raises InputError where it is not to be trusted or Keras cannot build it.

    Keras gets the very bytes that were checked and hashed. Its safe mode stays on, and how the model, or one inside
    it, was to be trained is left alone.
    """
    file.check()
    gigabytes = memory.available(file.bounds.max_memory_gb)
    try:
        with memory.bounded(gigabytes), _never_compiled(), warnings.catch_warnings(), quiet_stderr(on_failure=False):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=_INITIALISED)
            named = _operations() if file.copy.suffix == ".h5" else None
            model = keras.models.load_model(file.for_keras, custom_objects=named, compile=False, safe_mode=True)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise InputError(f"{file.path} needs more memory than {number(gigabytes)} GB", _MORE) from error
    except RecursionError as error:
        raise InputError(f"{file.path} is nested too deep for Keras to load it", _AGAIN) from error
    except Exception as error:  # Keras raises whatever its parsers meet
        if file.keras is not None:
            what = f"{file.path} is a file of Keras {file.keras} that Keras 3 cannot load: {_said(error)}"
            raise InputError(what, keras_2.REBUILD) from error
        raise InputError(f"{file.path} cannot be loaded: {_said(error)}", _AGAIN) from error
    if not isinstance(model, keras.Model):
        raise InputError(f"{file.path} holds no model", _AGAIN)
    _check_outputs(model, file, gigabytes)
    return model


def _check_outputs(model: keras.Model, file: ModelFile, gigabytes: float) -> None:
    """Raise InputError where what a layer gives for a single image does not fit into the memory."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _check_outputs(layer, file, gigabytes)
        # `layer.output` is undefined for a layer with several calls; its nodes know the shape of each
        for node in getattr(layer, "_inbound_nodes", []):
            for tensor in node.output_tensors:
                values = math.prod(side for side in tensor.shape if side)
                if 4 * values > gigabytes * 10**9:
                    raise InputError(
                        f"{file.path} needs more memory than {number(gigabytes)} GB: its layer "
                        f'"{short(layer.name, 40)}" gives {values:,} numbers for each image',
                        _MORE,
                    )


@contextmanager
def _never_compiled() -> Iterator[None]:
    """Keep models inside the model from being compiled: compile=False is about the outermost alone."""
    earlier = keras.Model.compile_from_config
    keras.Model.compile_from_config = lambda self, config: None
    try:
        yield
    finally:
        keras.Model.compile_from_config = earlier


class _LayerOrOperation:
    """What a name in an HDF5 file stands for, where a layer and an operation share it: only layers can be trained."""

    def __init__(self, layer: Any, operation: Any) -> None:
        self.layer, self.operation = layer, operation

    def from_config(self, config: dict[str, Any]) -> Any:
        return (self.layer if "trainable" in config else self.operation).from_config(config)


def _operations() -> dict[str, Any]:
    """Return by name what an HDF5 file may name and Keras does not find there by itself.

    Such a file names no modules, and Keras looks for all names among its layers; so it finds no layer that only a
    network of keras.applications has, and takes the operation in `x + y` for the layer of that name.
    """
    found = {}
    for module, names in (allowed.OPERATIONS | allowed.PARTS_OF_APPLICATIONS).items():
        for name in names:
            own, layer = getattr(importlib.import_module(module), name), getattr(keras.layers, name, None)
            found[name] = own if layer is None else _LayerOrOperation(layer, own)
    return found


def _said(error: Exception) -> str:
    """Return in a few words what Keras said: behind that it quotes the whole configuration of the model."""
    said = _ESCAPES.sub("", str(error)).strip()
    if found := _MISFIT.search(said):
        return f'the weights in it do not fit the layer "{short(found[1] or found[2], 40)}"'
    if said.startswith((_MISCOUNT, _INITIALISED)):
        return f"the weights in it do not fit its layers ({short(said.splitlines()[0], 120)})"
    causes = _CAUSE.findall(said)
    first = causes[-1] if causes else next(iter(said.splitlines()), "")
    is_plain = isinstance(error, ValueError | TypeError) and first
    return short(first if is_plain else f"{type(error).__name__}: {first}", 160)

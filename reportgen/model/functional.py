"""Models as people write them, made into what has a graph and one output; the weights are shared."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from reportgen.errors import InputError
from reportgen.format import first, short
from reportgen.runtime import keras

_LISTED = 12
_TRIED = 4
"""Images that a model and its graph are asked about: they have to say the same."""

_CLOSE = 1e-3
_DO = "use keras.ops and layers alone in its call, or build it with keras.Model(inputs, outputs)"


@contextmanager
def of(model: Any, image_shape: tuple[int, ...], output: str | int | None = None) -> Iterator[Any]:
    """Yield a model with a graph and one output that is, or shares all weights with, `model`; for the block only.

    image_shape: of one image of the data, (*space, C). output: name or number, from 0, of one of several outputs.
    What is no Keras model, or was never built, is yielded as it is. A subclassed model is called on a symbolic input;
    `trainable_beside` and `frozen_beside` of its graph say how many of its parameters the graph does not have.
    Raises InputError where that fails, or where the output is not there or one has to be chosen.
    """
    if not isinstance(model, keras.Model):
        yield model
        return
    with _as_before(model):
        found = model
        if not isinstance(model, keras.Sequential | keras.Function) and model.built:
            found = _called(model, image_shape)
        beside = _beside(model, found)
        found = _with_one_output(found, output)
        if found is not model:
            found.trainable_beside, found.frozen_beside = beside
            if (names := getattr(model, "class_names", None)) is not None:
                found.class_names = names
        yield found


def built(model: Any, image_shape: tuple[int, ...]) -> None:
    """Build a subclassed model that nobody called yet on an image. Raises InputError where it takes none."""
    if isinstance(model, keras.Model) and not isinstance(model, keras.Sequential | keras.Function) and not model.built:
        try:
            model(np.zeros((1, *image_shape), np.float32), **_inference(model))
        except Exception as error:  # whatever its own code raises
            raise InputError(f"the model cannot be called on images of the data: {_said(error)}", _DO) from error


def _called(model: Any, image_shape: tuple[int, ...]) -> Any:
    """Return the graph of a subclassed model, from a call on a symbolic input of the data's or its own shape."""
    kind, failed = type(model).__name__, None
    for shape in dict.fromkeys([image_shape, *_own_shapes(model)]):
        try:
            given = keras.Input(shape, name="images")
            with keras.StatelessScope(), _no_losses():  # its own counters keep their values
                gives = model.call(given, **_inference(model))
            found = keras.Model(given, gives, name=model.name)
        except Exception as error:  # whatever its own code raises
            failed = failed or error
            continue
        _check_equal(model, found, shape)
        return found
    assert failed is not None
    raise InputError(f"the model is of the class {kind} and has no graph: {_said(failed)}", _DO) from failed


def _beside(model: Any, graph: Any) -> tuple[int, int]:
    """Return how many parameters, trainable and frozen ones, a model has that its graph does not have."""
    known = {id(weight) for weight in graph.weights}
    both = (model.trainable_weights, model.non_trainable_weights)
    trainable, frozen = (sum(math.prod(w.shape) for w in weights if id(w) not in known) for weights in both)
    return trainable, frozen


def _own_shapes(model: Any) -> list[tuple[int, ...]]:
    """Return the shape of the images that the model was built on, where Keras knows it."""
    known = (model.get_build_config() or {}).values()
    shapes = [shape[1:] for shape in known if isinstance(shape, tuple | list) and len(shape) > 1]
    return [tuple(shape) for shape in shapes if all(isinstance(side, int) for side in shape)]


def _inference(model: Any) -> dict[str, bool]:
    # a subclass need not take `training`, and passing it all the same would be an error
    return {"training": False} if getattr(model, "_call_has_training_arg", False) else {}


def _check_equal(model: Any, found: Any, shape: tuple[int, ...]) -> None:
    """Raise InputError where a model gives other values than its graph, as one does whose code looks at the values."""
    images = np.random.default_rng(0).random((_TRIED, *shape), np.float32)
    with keras.StatelessScope(), _no_losses():
        own, drawn = (keras.tree.flatten(one(images, training=False)) for one in (model, found))
    for one, other in zip(own, drawn, strict=True):
        if not np.allclose(np.asarray(one), np.asarray(other), rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
            kind = type(model).__name__
            raise InputError(f"the model is of the class {kind} and gives other values than its graph", _DO)


def _with_one_output(model: Any, output: str | int | None) -> Any:
    """Return a model with the output that was chosen; the model itself where it has one only, or is to be refused."""
    outputs = getattr(model, "outputs", None)
    if not outputs or (len(outputs) == 1 and output is None):
        return model
    names = _names(model)
    listed = first([f"{n} ({short(name, 40)})" for n, name in enumerate(names)], _LISTED)
    if output is None:
        if len(model.inputs) != 1:
            return model  # which is refused for that
        raise InputError(f"the model has {len(outputs)} outputs: {listed}", f"choose one, such as --output {names[0]}")
    place = names.index(str(output)) if names.count(str(output)) == 1 else _number(output)
    if not 0 <= place < len(outputs):
        as_read = ", in which _ stands where a file of Keras 2 has a slash" if "/" in str(output) else ""
        do = f"give one of these names or numbers{as_read}"
        raise InputError(f"--output is {output!r}, but the model has {listed}", do)
    if len(outputs) == 1:
        return model
    return keras.Model(model.inputs, outputs[place], name=model.name)


def _names(model: Any) -> list[str]:
    """Return what the outputs are called, in their order: by the keys of a dictionary, else by their layers."""
    # `outputs` is flat and `output_names` are of layers; the keys of a dictionary, which users know, stand here alone
    structure = getattr(model, "_outputs_struct", None)
    if isinstance(structure, dict):
        keys = {id(tensor): str(key) for key, tensor in structure.items()}
        if all(id(tensor) in keys for tensor in model.outputs):
            return [keys[id(tensor)] for tensor in model.outputs]
    return [str(name) for name in getattr(model, "output_names", range(len(model.outputs)))]


def _number(output: str | int) -> int:
    return int(output) if str(output).isdecimal() and len(str(output)) < _LISTED else -1


@contextmanager
def _no_losses() -> Iterator[None]:
    """Let a model's code add losses to symbolic values, which Keras refuses; a report has no use for them."""
    layer: Any = keras.layers.Layer
    earlier = layer.add_loss
    layer.add_loss = lambda self, loss: None
    try:
        yield
    finally:
        layer.add_loss = earlier


@contextmanager
def _as_before(model: Any) -> Iterator[None]:
    """Take away at the end what calls on symbolic values left on the layers: their `output` would no longer be one."""
    # Keras appends to these lists of a layer at every symbolic call, and takes nothing away
    lists: Sequence[list[Any]] = [
        nodes for layer in model._flatten_layers() for nodes in (layer._inbound_nodes, layer._outbound_nodes)
    ]
    lengths = [len(nodes) for nodes in lists]
    try:
        yield
    finally:
        for nodes, length in zip(lists, lengths, strict=True):
            del nodes[length:]


def _said(error: Exception) -> str:
    """Return in a few words what Keras or the model's own code said."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return short(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200)

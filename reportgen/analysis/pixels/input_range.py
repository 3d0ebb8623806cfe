"""Which range of pixels a model takes, read from what it computes before its first weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, Tensor, has_weights, kind, opens
from reportgen.analysis.activations.tally import Floats
from reportgen.dataset import Wants

if TYPE_CHECKING:
    import keras

_PROBES = (0.0, 1.0, 127.5, 255.0)
_ANY_SIDE = 32  # the size of an axis that a model leaves open
_MANY = 1_000_000  # values of an image from which on one at a time is computed with
_LOOKED_AT = 10_000
_CLOSE = 0.01  # how far values may be apart, as a share of their range, and be the same; there is float16
_SATURATING = 0.15  # of what pixels to 255 do, done by pixels to 1: clipped there, or a tanh; a logarithm does 0.13
_UNIT_LEAST = 0.06  # about 1 / sqrt(255): a smaller factor is meant for pixels to 255


@dataclass(frozen=True)
class Arithmetic:
    """What was computed of pixels of three channels: scale * pixel + offset. scale, offset: (3,). flip: blue first."""

    scale: Floats
    offset: Floats
    flip: bool


def wanted(model: "keras.Model", stored: np.dtype[Any]) -> Wants:
    """Return what a model's first computations tell about its pixels, see `dataset.Wants`. stored: their type.

    Images of one value each go through all that comes before the first layers with weights; Normalization and
    BatchNormalization count as computations, since what they subtract and divide by is what they were trained on.
    Whatever fails or does not come down to a factor and an offset is the model's own way with pixels as they are.
    """
    graph = Graph(model)
    if reads_tokens(graph):
        return "tokens"
    if not _is_float(model):
        return "as stored"
    try:
        found = [_reached(graph, _constant(graph, value))[1] for value in _PROBES]
        ends = [np.stack([_one(value) for value in values]) for values in zip(*found, strict=True)]
    except Exception:  # a layer raises whatever it likes, and Keras knows what to do with such a model, we do not
        return "as stored"
    return _together([_told(values, stored) for values in ends])


def at(graph: Graph, tensor: Tensor) -> Arithmetic | None:
    """Return how pixels of three channels became `tensor`; None where weights or more than a line had to do with it."""
    if tensor is graph.input:
        return Arithmetic(np.ones(3), np.zeros(3), False)
    axis = next((n for n in (-1, 1) if len(graph.input.shape) > 2 and graph.input.shape[n] == 3), None)
    if axis is None or len(tensor.shape) < 3 or tensor.shape[axis] != 3:
        return None
    ramp = np.array([0.0, 100.0, 200.0])
    try:
        dark, middle, bright = (_channels(graph, tensor, np.full(3, v), axis) for v in (0.0, 127.5, 255.0))
        sloped = _channels(graph, tensor, ramp, axis)
    except Exception:  # as above
        return None
    scale, near = (bright - dark) / 255, _CLOSE * np.abs(bright - dark)
    if not (np.abs(middle - (dark + bright) / 2) <= near).all():
        return None
    flips = (flip for flip in (False, True) if (np.abs(sloped - dark - scale * _turned(ramp, flip)) <= near).all())
    return next((Arithmetic(scale, dark, flip) for flip in flips), None)


def reads_tokens(graph: Graph) -> bool:
    """Return whether a model's input is numbers of tokens: what an embedding gets, nothing with weights before it."""

    def is_input(tensor: Tensor) -> bool:
        while (call := graph.producer(tensor)) is not None:
            if len(call.given) != 1 or has_weights(call.operation):
                return False
            tensor = call.given[0]
        return True

    embeddings = (call for call in graph.calls if kind(layer_kinds.inner(call.operation)) in layer_kinds.EMBEDDINGS)
    return any(is_input(call.given[0]) for call in embeddings)


def _reached(graph: Graph, images: Any) -> tuple[dict[Tensor, Any], list[Any]]:
    """Return all values that are computed of images before the first weights, and those that these weights get."""
    import keras

    values: dict[Tensor, Any] = {graph.input: keras.ops.cast(images, graph.model.inputs[0].dtype)}
    ends: list[Any] = []
    for call in graph.calls:
        given = [values[tensor] for tensor in call.given if tensor in values]
        if given and len(given) == len(call.given) and _passes(call.operation):
            values.update(zip(call.outputs, _on(call, values), strict=True))
        elif given and opens(call.operation):  # which casts what it gets, or adds an axis
            inside = Graph(call.operation)
            more = len(given[0].shape) - len(inside.input.shape)
            image = given[0][..., 0] if more > 0 else given[0][..., None] if more < 0 else given[0]
            ends += _reached(inside, image)[1]
        elif has_weights(call.operation):
            ends += given
    return values, ends


def _passes(operation: Any) -> bool:
    """Return whether what an operation computes belongs to the preparation of pixels."""
    if kind(operation) == "Pipeline":
        return all(map(_passes, operation.layers))
    return kind(operation) in ("Normalization", "BatchNormalization") or not has_weights(operation)


def _on(call: Call, values: dict[Tensor, Any]) -> Sequence[Any]:
    return (
        [_normalised(call.operation, values[call.given[0]])]
        if kind(call.operation) == "BatchNormalization"
        else call.on(values)
    )


def _normalised(layer: Any, values: Any) -> Any:
    """Return what a BatchNormalization gives before its own factor and offset, which may be anything.

    Its first statistics are of no images, so then it says nothing.
    """
    import keras

    mean, variance = (np.asarray(weight, np.float32) for weight in (layer.moving_mean, layer.moving_variance))
    if (mean == 0).all() and (variance == 1).all():
        return values
    shape = [1] * len(values.shape)
    shape[layer.axis] = -1
    deviation = np.sqrt(variance + layer.epsilon)
    return (keras.ops.cast(values, "float32") - mean.reshape(shape)) / deviation.reshape(shape)


def _told(found: Floats, stored: np.dtype[Any]) -> Wants:
    """Return what is told by the values that one layer with weights gets. found: (probes, values)."""
    zero, top = found[0], found[-1]
    answers = np.abs(top - zero) > 0  # not the zeros beside a picture
    if not (np.isfinite(found).all() and answers.any()):
        return "as stored"
    zero, one, middle, top = found[:, answers]
    near = np.abs(middle - (zero + top) / 2) <= _CLOSE * np.abs(top - zero)
    if np.mean(near) <= 0.5:  # no line for most values
        return 1 if np.median((one - zero) / (top - zero)) > _SATURATING else "as stored"
    scale = (top - zero) / 255
    factor, offset, root = abs(float(np.median(scale))), float(np.median(zero)), float(np.median(-zero / scale))
    if abs(float(np.median(scale)) - 1) <= _CLOSE and abs(offset) <= _CLOSE:
        return None
    is_wide = stored.kind == "u" and stored.itemsize == 2
    if 1.5 < root <= 255:
        return 255
    if is_wide and 255 < root <= 65535:
        return 65535
    if 0 < root <= 1 and factor > _UNIT_LEAST:
        return 1
    tops: list[Wants] = [1, 255, 65535] if is_wide else [1, 255]
    return min(tops, key=lambda top: abs(np.log(factor * float(top or 1))))


def _together(told: Sequence[Wants]) -> Wants:
    """Return what the first layers with weights tell together."""
    ranges = {one for one in told if one not in (None, "as stored")}
    if len(ranges) == 1:
        return ranges.pop()
    return None if not ranges and (None in told or not told) else "as stored"


def _constant(graph: Graph, value: float | Floats) -> NDArray[np.float32]:
    """Return a batch of images of one value, or of one colour, (C,) on the last axis."""
    sides = [side or _ANY_SIDE for side in graph.input.shape[1:]]
    batch = graph.input.shape[0] or (3 if np.prod(sides) < _MANY else 1)
    return np.broadcast_to(np.asarray(value, np.float32), (batch, *sides)).copy()


def _channels(graph: Graph, tensor: Tensor, colour: Floats, axis: int) -> Floats:
    """Return (3,) what becomes of a colour. Raises KeyError where weights come before `tensor`."""
    side = colour if axis == -1 else colour.reshape(3, *(1,) * (len(graph.input.shape) - 2))
    found = np.moveaxis(np.asarray(_reached(graph, _constant(graph, side))[0][tensor], np.float64)[0], axis or 0, -1)
    channels: Floats = np.median(found.reshape(-1, 3), axis=0)
    return channels


def _turned(colour: Floats, flip: bool) -> Floats:
    return colour[::-1] if flip else colour


def _one(value: Any) -> Floats:
    """Return what the first image of a batch became, (values,); the same ones each time, where there are many."""
    values: Floats = np.asarray(value)[0].astype(np.float64).reshape(-1)
    some = np.random.default_rng(0).integers(0, values.size, _LOOKED_AT) if values.size > _LOOKED_AT else slice(None)
    return values[some]


def _is_float(model: Any) -> bool:
    return "float" in str(model.inputs[0].dtype)

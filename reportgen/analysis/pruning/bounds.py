"""What no image can make a unit do: intervals through the layers, from the range of the pixels.

Interval arithmetic as in Moore (1966) and Gowal et al. (2018): a bound that holds for every image within the range, and
so is wider than what images do.
"""

from typing import Any

import numpy as np

from reportgen.analysis.activations import weights
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind
from reportgen.analysis.activations.nonlinearity import Affine, of_activation, of_call
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.pruning.ways import is_cut

Range = tuple[Floats, Floats]

_SAME = ("Dropout", "MaxPool", "AveragePool", "Cropping", "Identity", "GaussianNoise")
_RISING = ("relu", "relu6", "bounded")


def ranges(graph: Graph, image_range: Range) -> dict[Tensor, Range]:
    """Return the smallest and largest value that each channel, (C,), of a tensor can have; of those that are known.

    image_range: of each channel of the images as the model sees them, or (1,) of all. Channels come last.
    """
    known: dict[Tensor, Range] = {graph.input: image_range}
    for call in graph.calls:
        if len(call.given) == 1 and len(call.outputs) == 1 and call.given[0] in known:
            found = _of(call, *known[call.given[0]])
            if found is not None:
                known[call.outputs[0]] = found
    return known


def _of(call: Call, low: Floats, high: Floats) -> Range | None:
    layer, name = call.operation, kind(call.operation)
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if is_cut(layer):
        return _weighed(layer, low, high)
    if name == "BatchNormalization":
        return _normalised(call, low, high)
    if "ZeroPadding" in name:
        return np.minimum(low, 0), np.maximum(high, 0)
    if name == "Flatten":
        size = call.outputs[0].shape[-1]
        return None if size is None else (np.resize(low, size), np.resize(high, size))
    if any(part in name for part in _SAME):
        return low, high
    function = of_call(call)
    if isinstance(function, Affine):
        return _line(function, low, high)
    if function is None or function.family not in _RISING or function.turned:
        return None
    return _through(lambda values: call.on({call.given[0]: values})[0], len(call.given[0].shape), low, high)


def _weighed(layer: Any, low: Floats, high: Floats) -> Range | None:
    of_units = None if kind(layer).startswith("Separable") else weights.kernels(layer)
    if of_units is None:
        return None
    if kind(layer) != "Dense":  # padding brings zeros in, and a transposed convolution skips weights
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    spread = (..., *[np.newaxis] * (of_units.ndim - 2))
    low, high = (np.broadcast_to(edge, of_units.shape[1])[spread] for edge in (low, high))
    ends = of_units * low, of_units * high
    least, most = np.minimum(*ends), np.maximum(*ends)
    if kind(layer).endswith("Transpose"):
        least, most = np.minimum(least, 0), np.maximum(most, 0)
    others = tuple(range(1, of_units.ndim))
    bias = 0.0 if layer.bias is None else np.asarray(layer.bias, np.float64)
    low, high = least.sum(axis=others) + bias, most.sum(axis=others) + bias
    function = of_activation(layer.activation, (None, len(low)))
    if isinstance(function, Affine):
        return _line(function, low, high)
    if function.family not in _RISING:
        return None
    return _through(layer.activation, 2, low, high)


def _normalised(call: Call, low: Floats, high: Floats) -> Range | None:
    layer = call.operation
    if layer.axis % len(call.given[0].shape) != len(call.given[0].shape) - 1:
        return None
    mean, variance = (np.asarray(one, np.float64) for one in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    offset = (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - mean * scale
    ends = scale * low + offset, scale * high + offset
    return np.minimum(*ends), np.maximum(*ends)


def _line(function: Affine, low: Floats, high: Floats) -> Range | None:
    if function.scale is None or function.offset is None:
        return None
    ends = function.scale * low + function.offset, function.scale * high + function.offset
    return np.minimum(*ends), np.maximum(*ends)


def _through(function: Any, axes: int, low: Floats, high: Floats) -> Range:
    """Return the ends behind a function that never falls."""
    import tensorflow as tf

    shape = (1,) * (axes - 1) + (-1,)
    ends = (np.asarray(function(tf.constant(end.reshape(shape), tf.float32)), np.float64) for end in (low, high))
    least, most = (end.reshape(-1) for end in ends)
    return least, most

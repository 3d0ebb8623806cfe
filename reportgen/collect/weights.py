"""A layer's weights as facts about its units: kernels, biases, and how far a unit can be driven at most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reportgen.collect.facts import Weights
from reportgen.collect.graph import Call, Graph, Tensor, kind
from reportgen.collect.reading import Reading
from reportgen.tally import Counts, Floats, LayerTally

if TYPE_CHECKING:
    import keras

_KEEPS_RANGE = (
    "Dropout",
    "MaxPooling",
    "AveragePooling",
    "Flatten",
    "ZeroPadding",
    "Cropping",
    "SpatialDropout",
)
"""Layers whose every output lies, in inference, between 0 and the largest or smallest input of its channel."""


def kernels(layer: "keras.layers.Layer") -> Floats | None:
    """Return a layer's kernels as (U, C, *spatial), C the input channels that each unit weighs; None without any.

    A separable convolution's are those of its pointwise half, which mixes what its depthwise half gives.
    """
    name = kind(layer)
    stored = getattr(layer, "pointwise_kernel" if name.startswith("Separable") else "kernel", None)
    if stored is None:
        return None
    values = np.asarray(stored, np.float64)
    if name.startswith("Depthwise"):  # (*spatial, C, multiplier); unit c * multiplier + m sees channel c alone
        return np.moveaxis(values.reshape(*values.shape[:-2], -1), -1, 0)[:, np.newaxis]
    # Keras stores (*spatial, in, out), and (*spatial, out, in) for a transposed convolution
    out, into = (-2, -1) if name.endswith("Transpose") else (-1, -2)
    return np.moveaxis(values, (out, into), (0, 1))


def facts(reading: Reading, graph: Graph, ranges: dict[Tensor, tuple[Floats, Floats]]) -> Weights:
    """Return what the weights say about a layer's units.

    ranges: by tensor the smallest and largest value of each of its channels over the images, see `input_ranges`.
    """
    layer, of_units = reading.layer, kernels(reading.layer)
    flat = None if of_units is None else of_units.reshape(len(of_units), -1)
    bias = np.asarray(layer.bias, np.float64) if getattr(layer, "bias", None) is not None else None
    links = (call.operation for call in reading.chain)
    norm = next((link for link in links if kind(link) == "BatchNormalization"), None)
    gamma = None
    if norm is not None:  # without one of its own a unit is scaled by its moving variance alone
        gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones(reading.tensor.shape[norm.axis])
    known = _range_of(graph, reading.call.given[0], ranges)
    return Weights(
        kernel=flat,
        sees=None if flat is None or (of_group := _group_of(layer, len(flat)))[0] == 1 else of_group[1],
        bias=bias,
        gamma=gamma,
        params_per_unit=(0 if flat is None else flat.shape[1]) + (bias is not None),
        input_is_zero=known is not None and not known[0].any() and not known[1].any(),
        reach=None if norm is not None else _reach(layer, of_units, bias, known),
    )


def first_channels(layer: "keras.layers.Layer", units: int, inputs: int) -> Counts:
    """Return (U,) the first input channel that each unit weighs. inputs: how many channels it weighs."""
    return _group_of(layer, units)[1] * inputs


def _group_of(layer: "keras.layers.Layer", units: int) -> tuple[int, Counts]:
    """Return into how many groups a layer divides its input channels, and (U,) which of them each unit weighs."""
    groups = units // layer.depth_multiplier if kind(layer).startswith("Depthwise") else getattr(layer, "groups", 1)
    return groups, np.arange(units) * groups // units


def input_ranges(
    graph: Graph, readings: Sequence[Reading], tallies: Sequence[LayerTally], image_range: tuple[Floats, Floats]
) -> dict[Tensor, tuple[Floats, Floats]]:
    """Return the range of each channel of the tensors that are known from the pass.

    image_range: smallest and largest value of each channel of the images as the model sees them, or (1,) of all.
    """
    found = {graph.input: image_range}
    for reading, tally in zip(readings, tallies, strict=True):
        found[reading.tensor] = (tally.smallest, tally.largest)
    return found


def _range_of(
    graph: Graph, tensor: Tensor, ranges: dict[Tensor, tuple[Floats, Floats]]
) -> tuple[Floats, Floats] | None:
    """Return a bound on each channel of `tensor`, None where layers in between could give anything."""
    between: list[Call] = []
    while tensor not in ranges:
        call = graph.producer(tensor)
        if call is None or len(call.given) != 1 or not any(part in kind(call.operation) for part in _KEEPS_RANGE):
            return None
        between.append(call)
        tensor = call.given[0]
    low, high = ranges[tensor]
    if any("ZeroPadding" in kind(call.operation) for call in between):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    for call in reversed(between):
        if kind(call.operation) == "Flatten":  # channels last: the channel changes fastest
            repeats = call.outputs[0].shape[-1]
            if repeats is None or getattr(call.operation, "data_format", "") == "channels_first":
                return None
            low, high = np.resize(low, repeats), np.resize(high, repeats)
    return low, high


def _reach(
    layer: "keras.layers.Layer", of_units: Floats | None, bias: Floats | None, known: tuple[Floats, Floats] | None
) -> NDArray[np.float64] | None:
    """Return (U,) the bias plus the largest sum that inputs within the known range can give."""
    name = kind(layer)
    if of_units is None or known is None or name.startswith("Separable"):
        return None
    low, high = known
    if not name.startswith("Dense"):  # padding brings zeros in
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    # each group of units weighs its own group of channels, (U, C); of a depthwise convolution a group is one channel
    units, inputs = of_units.shape[:2]
    groups, own = _group_of(layer, units)
    low, high = (np.broadcast_to(edge, groups * inputs).reshape(groups, inputs)[own] for edge in (low, high))
    spread = (..., *[np.newaxis] * (of_units.ndim - 2))
    largest = np.maximum(of_units * low[spread], of_units * high[spread])
    reach: Floats = largest.sum(axis=tuple(range(1, of_units.ndim))) + (0 if bias is None else bias)
    return reach

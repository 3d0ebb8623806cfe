"""A layer's weights as facts about its units: kernels, biases, and how far a unit can be driven at most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds, recurrent
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind
from reportgen.analysis.activations.heads import Heads
from reportgen.analysis.activations.nonlinearity import Affine
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import Counts, Floats, LayerTally
from reportgen.analysis.units.facts import Weights

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

    A separable convolution's are those of its pointwise half, which mixes what its depthwise half gives. An
    embedding's are (U, V), a dimension's share in each of V tokens. Those of attention's heads are the ones that make
    what they take the mean of, and those of an EinsumDense (U, C) have beside them what biases it has that differ
    between positions.
    """
    layer = layer_kinds.inner(layer)
    name = kind(layer)
    if isinstance(layer, Heads):
        return _of_heads(layer)
    if name in layer_kinds.EMBEDDINGS:
        return np.asarray(layer.embeddings, np.float64).T
    if name == "EinsumDense":
        of_units, bias = _of_einsum(layer)
        return of_units if bias is None or bias.shape[1] == 1 else np.concatenate([of_units, bias], axis=1)
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
    layer = layer_kinds.inner(reading.layer)
    of_units, bias = (None, None) if _is_backwards(reading) else (kernels(layer), _bias(layer))
    flat = None if of_units is None else of_units.reshape(len(of_units), -1)
    gamma = None if reading.norm is None else _gamma(reading.norm[0].operation, reading.norm[1], reading.units)
    first, *others = reading.call.given
    known = None if isinstance(layer, Heads) and others[:1] != [first] else _range_of(graph, first, ranges)
    is_zero = known is not None and not known[0].any() and not known[1].any()
    return Weights(
        kernel=flat,
        sees=None if flat is None or (of_group := _group_of(layer, len(flat)))[0] == 1 else of_group[1],
        bias=bias,
        gamma=gamma,
        params_per_unit=_params_per_unit(reading, flat, bias),
        input_is_zero=is_zero and kind(layer) not in layer_kinds.EMBEDDINGS,  # to which 0 is a token
        reach=_reach(layer, of_units, bias, known) if gamma is None and _keeps_sign(reading.before) else None,
        slopes=_slopes(reading),
        copies=_copies(reading),
    )


def _is_backwards(reading: Reading) -> bool:
    """Return whether an embedding is called the other way round: from its dimensions to scores of tokens."""
    before, after = reading.call.given[0].shape, reading.shape
    return kind(layer_kinds.inner(reading.layer)) in layer_kinds.EMBEDDINGS and len(before) == len(after)


def _bias(layer: Any) -> Floats | None:
    """Return (U,) a layer's biases; None without any, or where they differ between a unit's positions."""
    if isinstance(layer, Heads):
        stored = layer.values.bias
        return None if stored is None else _for_each_head(layer, np.asarray(stored, np.float64)[np.newaxis])[:, 0]
    if kind(layer) == "EinsumDense":
        bias = _of_einsum(layer)[1]
        return None if bias is None or bias.shape[1] > 1 else bias[:, 0]
    return None if getattr(layer, "bias", None) is None else np.asarray(layer.bias, np.float64)


def _of_heads(heads: Heads) -> Floats:
    """Return (U, C) what makes of each position the values that each channel of each head takes the mean of."""
    return _for_each_head(heads, np.asarray(heads.values.kernel, np.float64))


def _for_each_head(heads: Heads, values: Floats) -> Floats:
    """Return (U, C) of (C, H, channels), where several heads may share what is stored for one."""
    repeated = np.repeat(values, heads.count // values.shape[1], axis=1)
    return repeated.reshape(len(values), -1).T


def _of_einsum(layer: "keras.layers.Layer") -> tuple[Floats, Floats | None]:
    """Return (U, C) the weights that lead to each place on the last axis, and (U, B) its biases."""
    _, letters, last = layer_kinds.einsum(layer)
    assert last is not None  # else it has no units
    of_units = np.moveaxis(np.asarray(layer.kernel, np.float64), letters.index(last), 0)
    flat = of_units.reshape(len(of_units), -1)
    if layer.bias is None:
        return flat, None
    bias = np.asarray(layer.bias, np.float64)
    return flat, np.broadcast_to(bias, (*bias.shape[:-1], len(flat))).reshape(-1, len(flat)).T


def _params_per_unit(reading: Reading, flat: Floats | None, bias: Floats | None) -> int:
    """Return how many parameters belong to each unit alone."""
    layer = layer_kinds.inner(reading.layer)
    if layer_kinds.is_recurrent(layer):
        return recurrent.params_per_unit(layer, reading.units)
    if isinstance(layer, Heads) and layer.shares_values:
        return 0
    return (0 if flat is None else flat.shape[1]) + (bias is not None)


def _gamma(norm: "keras.layers.Layer", start: int, units: int) -> Floats:
    """Return (U,) by what a batch normalisation scales each unit; without gammas by its moving variance alone."""
    norm = layer_kinds.inner(norm)
    return np.asarray(norm.gamma, np.float64)[start : start + units] if norm.scale else np.ones(units)


def _keeps_sign(before: Affine) -> bool:
    """Return whether a pre-activation that is nowhere above 0 stays so on its way into the nonlinearity."""
    return before.scale is not None and before.scale > 0 and before.offset == 0


def _copies(reading: Reading) -> Literal["scaled", "equal", "none"]:
    """Return what a unit with c times another's weights and bias, c > 0, is: c times the other, or only for c = 1.

    Neither where something between the layer and its nonlinearity treats each unit in its own way.
    """
    if reading.norm is not None or reading.before.scale is None or reading.before.offset is None:
        return "none"
    if isinstance(reading.layer, Heads) and reading.layer.gated:
        return "none"
    return "scaled" if reading.function.homogeneous and reading.before.offset == 0 else "equal"


def _slopes(reading: Reading) -> Floats | None:
    """Return (U, S) the slopes below 0 of each unit's PReLU, None where all units have the same."""
    core = layer_kinds.inner(reading.layer)
    layer: Any = reading.chain[-1].operation if reading.chain else getattr(core, "activation", None)
    if kind(layer) != "PReLU":
        return None
    own = reading.own(np.broadcast_to(np.asarray(layer.alpha), (1, *_known(reading.tensor.shape, layer.alpha))))
    slopes = np.moveaxis(np.asarray(own, np.float64), reading.axis, 0)
    return slopes.reshape(reading.units, -1)


def _known(shape: tuple[int | None, ...], other: Any) -> tuple[int, ...]:
    """Return a tensor's sizes without the batch; one that is left open is that of `other` along the same axis."""
    behind = tuple(size or len_ for size, len_ in zip(shape[-len(other.shape) :], other.shape, strict=True))
    return (1,) * (len(shape) - 1 - len(behind)) + behind  # one for all steps of what is applied to each


def first_channels(layer: "keras.layers.Layer", units: int, inputs: int) -> Counts:
    """Return (U,) the first input channel that each unit weighs. inputs: how many channels it weighs."""
    return _group_of(layer_kinds.inner(layer), units)[1] * inputs


def _group_of(layer: "keras.layers.Layer", units: int) -> tuple[int, Counts]:
    """Return into how many groups a layer divides its input channels, and (U,) which of them each unit weighs.

    What heads weigh are means of their own, and so are the places of an EinsumDense's input that it does not join.
    """
    if isinstance(layer, Heads):
        return layer.count, np.arange(units) // layer.channels
    if kind(layer) == "EinsumDense":
        into, _, last = layer_kinds.einsum(layer)
        apart = last is not None and last in into
        return (units, np.arange(units)) if apart else (1, np.zeros(units, np.int64))
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
        if not reading.moves:
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
    plain = name == "Dense" or name in layer_kinds.CONVOLUTIONS
    if of_units is None or known is None or not plain or name.startswith("Separable"):
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

"""From a layer's units to the layers that weigh them: what has to be cut with a unit, and why a layer is left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds, nonlinearity
from reportgen.analysis.activations.graph import Call, Graph, Tensor, has_weights, kind
from reportgen.analysis.activations.nonlinearity import SOFTMAX
from reportgen.analysis.activations.reading import Reading
from reportgen.i18n import Text, text

Ints = NDArray[np.int64]

WEIGHING = frozenset(
    ["Dense", *(f"Conv{n}D{end}" for n in (1, 2, 3) for end in ("", "Transpose")), "SeparableConv1D", "SeparableConv2D"]
)
"""The kinds of layers that are cut: each of their units weighs all input channels."""

_UNCHANGED = frozenset(
    ["ActivityRegularization", "GaussianNoise", "Identity", "Dropout", "AlphaDropout", "GaussianDropout"]
    + [f"SpatialDropout{n}D" for n in (1, 2, 3)]
)
_PLACES = ("Pooling", "ZeroPadding", "Cropping", "UpSampling")
"""What kinds of layers have in their names that treat each channel by itself, but places together."""

_PRECISE = ("float32", "float64")
_UNKNOWN_SIDE = 32
"""What stands for the side of a picture that the model leaves open."""


@dataclass(frozen=True)
class Along:
    """Where a layer's units lie in a tensor. axis: of the channels. owner: (size of it,) the unit of each of them."""

    axis: int
    owner: Ints


@dataclass(frozen=True)
class Passed:
    """A call between a layer and what weighs its units. along: of what it is given."""

    call: Call
    along: Along


@dataclass(frozen=True)
class Reader:
    """A call of a layer that weighs the units. along: of what it is given."""

    call: Call
    along: Along


@dataclass(frozen=True)
class Way:
    """From a layer to all that weigh its units. passed: what lies between, in the order of computation."""

    reading: Reading
    passed: tuple[Passed, ...]
    readers: tuple[Reader, ...]

    @property
    def layer(self) -> Any:
        """The Keras layer whose units these are."""
        return self.reading.layer

    def read(self, values: NDArray[Any]) -> list[NDArray[np.float64]]:
        """Return what each reader is given where the units, behind their nonlinearity, give `values`.

        values: shaped as the tensor that is read, for some images. The very layers compute it.
        """
        import tensorflow as tf

        known: dict[Tensor, Any] = {self.reading.tensor: tf.convert_to_tensor(values, self._dtype)}
        for one in self.passed:
            if one.call.given[0] in known:
                known[one.call.outputs[0]] = one.call.on({one.call.given[0]: known[one.call.given[0]]})[0]
        given = [known[reader.call.given[0]] for reader in self.readers]
        return [tf.cast(found, tf.float64).numpy() for found in given]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the tensor that is read, without the batch; what the model leaves open is chosen."""
        return tuple(size or _UNKNOWN_SIDE for size in self.reading.tensor.shape[1:])

    @property
    def axis(self) -> int:
        """The axis of the units in the tensor that is read, with the batch."""
        both: tuple[Passed | Reader, ...] = (*self.passed, *self.readers)
        behind = [one.along.axis for one in both if one.call.given[0] is self.reading.tensor]
        return behind[0] if behind else self.reading.axis

    @property
    def _dtype(self) -> str:
        return str(getattr(self.layer, "compute_dtype", "float32"))


def ways(graph: Graph, readings: Sequence[Reading]) -> list[Way | Text]:
    """Return for each reading its way, or why none of the layer's units can go."""
    times = Counter(id(call.operation) for call in graph.calls)
    return [_way(graph, reading, times) for reading in readings]


def _way(graph: Graph, reading: Reading, times: Mapping[int, int]) -> Way | Text:
    if reason := _why_not_cut(reading.call, times):
        return reason
    passed, readers = [], []
    todo = [(reading.call.outputs[0], Along(reading.axis, np.arange(reading.units)))]
    while todo:
        tensor, along = todo.pop(0)
        if tensor is graph.output:
            return text("its units are the model's scores")
        for call in graph.consumers(tensor):
            if times[id(call.operation)] > 1 and has_weights(call.operation):
                return text("{layer}, which reads them, is called more than once", layer=call.name)
            if _weighs(call, along.axis):
                readers.append(Reader(call, along))
                continue
            behind = _behind(call, along)
            if behind is None:
                return _why_tied(graph, call, tensor)
            passed.append(Passed(call, along))
            todo.append((call.outputs[0], behind))
    order = {id(call): place for place, call in enumerate(graph.calls)}
    return Way(reading, tuple(sorted(passed, key=lambda one: order[id(one.call)])), tuple(readers))


def is_cut(layer: Any) -> bool:
    """Return whether a layer is Keras's own of a kind that can be cut, on its inputs and its outputs."""
    return (
        kind(layer) in WEIGHING
        and type(layer).__module__.startswith("keras.")
        and getattr(layer, "groups", 1) == 1
        and not getattr(layer, "lora_enabled", False)
        and getattr(layer, "quantization_mode", None) is None
        and layer.compute_dtype in _PRECISE
    )


def _why_not_cut(call: Call, times: Mapping[int, int]) -> Text | None:
    layer = call.operation
    if times[id(layer)] > 1:
        return text("it is called more than once, with the same units each time")
    if kind(layer).startswith("Depthwise"):
        return text("each of its units filters one channel of the layer before it")
    if getattr(layer, "groups", 1) != 1:
        return text("its units weigh groups of channels apart")
    if kind(layer) in WEIGHING and layer.compute_dtype not in _PRECISE:
        return text("it computes with {kind}, which rounds too roughly for a proof", kind=layer.compute_dtype)
    if kind(layer) in WEIGHING and not is_cut(layer):
        return text("its weights are quantised, adapted, or of a class that is not Keras's own")
    if not is_cut(layer):
        return text("layers of the kind {kind} are not cut", kind=layer_kinds.named(layer))
    activation = getattr(layer, "activation", None)
    if activation is None:
        return None
    if has_weights(activation):
        return text("its activation has weights of its own")
    if not nonlinearity.is_by_itself(activation, call.outputs[0].shape):
        return text("its activation mixes its units")
    return None


def _weighs(call: Call, axis: int) -> bool:
    """Return whether a call weighs the channels along that axis of the one tensor that it is given."""
    layer, rank = call.operation, len(call.given[0].shape)
    if not is_cut(layer) or len(call.given) != 1:
        return False
    return axis == (1 if getattr(layer, "data_format", "") == "channels_first" and rank > 2 else rank - 1)


def _behind(call: Call, along: Along) -> Along | None:
    """Return where the units lie in what a call gives; None where it does more than pass each on by itself."""
    layer, name = call.operation, kind(call.operation)
    if len(call.given) != 1 or len(call.outputs) != 1:
        return None
    before, after = call.given[0].shape, call.outputs[0].shape
    if name == "BatchNormalization":
        return along if layer.axis % len(before) == along.axis else None
    if name in _UNCHANGED:
        return along
    if name == "Flatten":
        return _flattened(call, along)
    if any(part in name for part in _PLACES):
        channels = 1 if getattr(layer, "data_format", None) == "channels_first" else len(before) - 1
        if channels != along.axis:
            return None
        return Along(along.axis if len(after) == len(before) else 1, along.owner)
    if _has_arrays(call):  # of as many channels as there are now
        return None
    function = nonlinearity.of_call(call)
    return along if function is not None and function is not SOFTMAX else None


def _flattened(call: Call, along: Along) -> Along | None:
    """Return where units lie behind a Flatten, found by sending their numbers through it."""
    sizes = call.given[0].shape[1:]
    if None in sizes:
        return None
    shape = [1] * (len(sizes) + 1)
    shape[along.axis] = -1
    numbers = np.broadcast_to(along.owner.reshape(shape), (1, *[size or 0 for size in sizes]))
    # numbers up to 2^24 are exact in float32
    found = call.on({call.given[0]: numbers.astype(np.float32)})[0]
    return Along(1, np.asarray(found).reshape(-1).astype(np.int64))


def _has_arrays(call: Call) -> bool:
    import keras

    flat = keras.tree.flatten([call.arguments.args, call.arguments.kwargs])
    return any(getattr(one, "shape", ()) != () for one in flat if not isinstance(one, keras.KerasTensor))


def _why_tied(graph: Graph, call: Call, tensor: Tensor) -> Text:
    """Return why units stay that `call` reads from `tensor`."""
    layer, name = call.name, kind(call.operation)
    others = sorted({_source(graph, given) for given in call.given if given is not tensor})
    named = ", ".join(others)
    if others and name in ("Add", "Subtract", "Average"):
        return text("its channels are added to those of {layers}", layers=named)
    if others and name in ("Multiply", "Maximum", "Minimum", "Dot", "Divide"):
        return text("its channels are put together, one by one, with those of {layers}", layers=named)
    if others and name == "Concatenate":
        return text("its channels are joined with those of {layers}", layers=named)
    if name.startswith("Depthwise"):
        return text("the depthwise convolution {layer} filters each of its channels by itself", layer=layer)
    if name in ("Reshape", "Permute", "RepeatVector"):
        return text("{layer} gives its values another shape, which is fixed", layer=layer)
    if "Normalization" in name:
        return text("{layer} normalises its channels together", layer=layer)
    return text("{layer} ({kind}) reads its channels in a way that is not cut", layer=layer, kind=name)


def _source(graph: Graph, tensor: Tensor) -> str:
    """Return the name of the layer with weights that a tensor comes from, or else of the input."""
    while (call := graph.producer(tensor)) is not None:
        if layer_kinds.why_not(call.operation) is None or not call.given or len(call.given) > 1:
            return call.name
        tensor = call.given[0]
    return str(graph.model.inputs[0].name)

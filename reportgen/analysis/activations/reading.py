"""Where a layer's units are read: after the nonlinearity that belongs to them."""

from dataclasses import dataclass, replace
from typing import Any

from reportgen.analysis.activations import layer_kinds, recurrent
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind
from reportgen.analysis.activations.nonlinearity import (
    IDENTITY,
    LINEAR,
    SOFTMAX,
    UNKNOWN,
    Affine,
    Function,
    of_activation,
    of_call,
)
from reportgen.analysis.activations.tally import Family

_RESHAPES = ("Reshape", "Flatten", "ExpandDims", "Squeeze")


@dataclass(frozen=True)
class Reshaped:
    """The values with other axes. shape: (batch, ...) before."""

    shape: tuple[int | None, ...]

    def undone(self, values: Any) -> Any:
        """Return the values with the axes that they had."""
        import tensorflow as tf

        return tf.reshape(values, (-1, *self.shape[1:]))

    def done(self, values: Any, around: Any) -> Any:
        """Return the values with the axes of `around`."""
        import tensorflow as tf

        return tf.reshape(values, tf.shape(around))


@dataclass(frozen=True)
class Joined:
    """The values among others along an axis: from `start` on, `size` of them."""

    axis: int
    start: int
    size: int

    def undone(self, values: Any) -> Any:
        """Return the values without the others."""
        return self._cut(values)[1]

    def done(self, values: Any, around: Any) -> Any:
        """Return `around` with the values in their place."""
        import tensorflow as tf

        low, _, high = self._cut(around)
        return tf.concat([low, values, high], self.axis)

    def _cut(self, values: Any) -> list[Any]:
        import tensorflow as tf

        behind = values.shape[self.axis] - self.start - self.size
        found: list[Any] = tf.split(values, [self.start, self.size, behind], self.axis)
        return found


@dataclass(frozen=True)
class Reading:
    """A call of a layer whose units are judged, and the tensor that is read for them.

    chain: the calls between it and the tensor, the last of which is `read_after`. function: the nonlinearity in them
    or in the layer; of the model's output it is a softmax, however its scores are brought about. moves: what the
    chain did to the places of the values; `own` undoes it. before: what arithmetic does to the values on their way
    into the nonlinearity. norm: the first batch normalisation in the chain, and where the units begin among its
    channels. gate: what goes into the nonlinearity, where only that tells whether a unit fires, else None.
    """

    call: Call
    tensor: Tensor
    chain: tuple[Call, ...]
    function: Function
    moves: tuple[Reshaped | Joined, ...] = ()
    before: Affine = IDENTITY
    norm: tuple[Call, int] | None = None
    gate: Tensor | None = None

    @property
    def name(self) -> str:
        """What the report calls the layer, see `graph.Call`."""
        return self.call.name

    @property
    def layer(self) -> Any:
        """The Keras layer."""
        return self.call.operation

    @property
    def family(self) -> Family:
        """What the nonlinearity does to the values, see tally.Family."""
        return self.function.family

    @property
    def low(self) -> float | None:
        """Where the range of the values begins, if it is bounded."""
        return self.function.low

    @property
    def high(self) -> float | None:
        """Where the range of the values ends, if it is bounded or has a ceiling."""
        return self.function.high

    @property
    def read_after(self) -> str:
        """The name of the layer whose output is read."""
        return (self.chain[-1] if self.chain else self.call).name

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(batch, ...) of the values of the layer's units, as the layer itself gives them."""
        return self.call.outputs[0].shape

    @property
    def channels_first(self) -> bool:
        """Whether positions stand behind the axis of the units."""
        return self.axis < len(self.shape) - 1

    @property
    def axis(self) -> int:
        """On which axis of `shape` the units stand."""
        return layer_kinds.unit_axis(self.layer, len(self.shape))

    @property
    def units(self) -> int:
        """How many units the layer has."""
        units = self.shape[self.axis]
        assert units is not None  # a layer with units has a fixed number of them
        return units

    def own(self, values: Any) -> Any:
        """Return of values that are shaped as `tensor` is the layer's own, shaped as the layer gives them."""
        for move in reversed(self.moves):
            values = move.undone(values)
        return values

    def put(self, values: Any, whole: Any) -> Any:
        """Return `whole`, shaped as `tensor` is, with `values`, shaped as `own` returns them, in their place."""
        around = [whole]
        for move in reversed(self.moves):
            around.insert(0, move.undone(around[0]))
        for move, outer in zip(self.moves, around[1:], strict=True):
            values = move.done(values, outer)
        return values


def readings(graph: Graph) -> list[Reading]:
    """Return every layer that is looked into, in the order of the summary."""
    return [_reading(graph, call) for call in graph.layer_calls() if layer_kinds.why_not(call.operation) is None]


def _reading(graph: Graph, call: Call) -> Reading:
    own = call.outputs[0]
    function = _own_function(call)
    found = Reading(call, own, (), LINEAR if isinstance(function, Affine) else function)
    if isinstance(function, Affine):
        found = _followed(graph, replace(found, before=function))
    if found.tensor is graph.output:
        return replace(found, function=SOFTMAX)
    if found.family == "softmax":  # no output: its units name no classes, and small values are what it is for
        return replace(found, function=UNKNOWN)
    return found


def _own_function(call: Call) -> Function | Affine:
    """Return what a layer does to its units' values before it gives them out."""
    layer, shape = layer_kinds.inner(call.operation), call.outputs[0].shape
    if layer_kinds.is_recurrent(layer):
        return recurrent.function(layer, shape, begins_anywhere=has_state(call))
    return of_activation(getattr(layer, "activation", None), shape)


def has_state(call: Call) -> bool:
    """Return whether a recurrent layer is called with a state to begin with; masks are arguments, too."""
    given = call.arguments
    listed = given.args[1] if len(given.args) > 1 else given.kwargs.get("initial_state")
    return listed is not None or (len(given.args) > 0 and isinstance(given.args[0], list | tuple))


def _followed(graph: Graph, own: Reading) -> Reading:
    """Return the reading behind the nonlinearity that follows a layer and belongs to it alone.

    Without one it is that behind what the model gives out, if nothing but arithmetic lies between, else `own`.
    """
    found = own
    while (call := graph.only_consumer(found.tensor)) is not None and len(call.outputs) == 1:
        behind = replace(found, chain=(*found.chain, call), tensor=call.outputs[0])
        if kind(layer_kinds.inner(call.operation)) == "BatchNormalization":
            if any(isinstance(move, Reshaped) for move in found.moves):
                return own
            found = behind if found.norm else replace(behind, norm=(call, _first_channel(found.moves, call)))
        elif (move := _move(call, found.tensor)) is not None:
            found = replace(behind, moves=(*found.moves, move))
        elif (function := of_call(call)) is None:
            return own
        elif isinstance(function, Affine):
            found = replace(behind, before=found.before.then(function))
        else:
            return replace(behind, function=function, gate=found.tensor if function.turned else None)
    return found if found.tensor is graph.output else own


def _first_channel(moves: tuple[Reshaped | Joined, ...], norm: Call) -> int:
    axes, before = len(norm.given[0].shape), layer_kinds.steps(norm.operation)
    axis = layer_kinds.inner(norm.operation).axis % (axes - before) + before
    return sum(move.start for move in moves if isinstance(move, Joined) and move.axis == axis)


def _move(call: Call, tensor: Tensor) -> Reshaped | Joined | None:
    """Return how a call gives the values of `tensor` other places and nothing else; None where it does more."""
    after, name = call.outputs[0].shape, kind(call.operation)
    if name in _RESHAPES and len(call.given) == 1 and None not in tensor.shape[1:]:
        # channels first, Keras flattens as if they were last
        return None if getattr(call.operation, "data_format", "") == "channels_first" else Reshaped(tensor.shape)
    if name != "Concatenate":
        return None
    axis = call.operation.axis % len(after)
    sizes = [given.shape[axis] for given in call.given]
    if not axis or None in sizes:
        return None
    place = call.given.index(tensor)
    return Joined(axis, sum(size or 0 for size in sizes[:place]), sizes[place] or 0)

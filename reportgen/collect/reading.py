"""Where a layer's units are read: after the nonlinearity that belongs to them."""

from dataclasses import dataclass
from typing import Any

from reportgen.collect import layers
from reportgen.collect.graph import Call, Graph, Tensor, kind
from reportgen.tally import Family

_FAMILIES: dict[str, tuple[Family, float | None, float | None]] = {
    "linear": ("linear", None, None),
    "relu": ("relu", None, None),
    "relu6": ("relu6", None, None),
    "sigmoid": ("bounded", 0.0, 1.0),
    "hard_sigmoid": ("bounded", 0.0, 1.0),
    "tanh": ("bounded", -1.0, 1.0),
    "hard_tanh": ("bounded", -1.0, 1.0),
    "softsign": ("bounded", -1.0, 1.0),
    "softmax": ("softmax", 0.0, 1.0),
    **dict.fromkeys(("leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hard_silu"), ("leaky", None, None)),
}  # an activation that is not named here counts as linear: nothing is taken for granted about its values


@dataclass(frozen=True)
class Reading:
    """A call of a layer whose units are judged, and the tensor that is read for them.

    chain: the calls between it and the tensor, the last of which is `read_after`.
    """

    call: Call
    tensor: Tensor
    chain: tuple[Call, ...]
    family: Family
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        """What the report calls the layer, see `graph.Call`."""
        return self.call.name

    @property
    def layer(self) -> Any:
        """The Keras layer."""
        return self.call.operation

    @property
    def read_after(self) -> str:
        """The name of the layer whose output is read."""
        return (self.chain[-1] if self.chain else self.call).name

    @property
    def channels_first(self) -> bool:
        """Whether the units stand on axis 1 of the tensor."""
        first: bool = getattr(self.layer, "data_format", None) == "channels_first" and len(self.tensor.shape) > 2
        return first

    @property
    def axis(self) -> int:
        """On which axis of the tensor the units stand."""
        return 1 if self.channels_first else len(self.tensor.shape) - 1

    @property
    def units(self) -> int:
        """How many units the layer has."""
        units = self.tensor.shape[self.axis]
        assert units is not None  # a layer with units has a fixed number of them
        return units


def readings(graph: Graph) -> list[Reading]:
    """Return every layer that is looked into, in the order of the summary."""
    return [_reading(graph, call) for call in graph.layer_calls() if layers.why_not(call.operation) is None]


def _reading(graph: Graph, call: Call) -> Reading:
    own = call.outputs[0]
    chain: tuple[Call, ...] = ()
    tensor, family = own, _family(call.operation)
    if family[0] == "linear":
        chain, tensor, family = _follow(graph, own)
    if tensor is graph.output and tensor.shape[-1] != 1:
        family = ("softmax", *family[1:])  # one score a class, however it is brought about
    elif family[0] == "softmax":
        family = _FAMILIES["linear"]  # no output: its units name no classes, and small values are what it is for
    return Reading(call, tensor, chain, *family)


def _follow(graph: Graph, own: Tensor) -> tuple[tuple[Call, ...], Tensor, tuple[Family, float | None, float | None]]:
    """Return the chain from a layer's own output to its nonlinearity; an empty one where none belongs to it alone."""
    chain: list[Call] = []
    tensor = own
    while (call := graph.only_consumer(tensor)) is not None:
        chain.append(call)
        tensor = call.outputs[0]
        if kind(call.operation) == "BatchNormalization":
            continue
        family = _family(call.operation) if kind(call.operation) in _NONLINEARITIES else _FAMILIES["linear"]
        if family[0] == "linear":
            break
        return tuple(chain), tensor, family
    return (), own, _FAMILIES["linear"]


_NONLINEARITIES = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax")


def _family(layer: Any) -> tuple[Family, float | None, float | None]:
    """Return the family of a layer's own nonlinearity, with the ends of its range."""
    if kind(layer) == "ReLU":
        if layer.negative_slope:
            return _FAMILIES["leaky_relu"]
        return _FAMILIES["relu6"] if layer.max_value == 6 else _FAMILIES["relu"]
    own = {"LeakyReLU": "leaky_relu", "PReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}.get(kind(layer))
    name = str(own or getattr(getattr(layer, "activation", None), "__name__", "linear"))
    return _FAMILIES.get(name, _FAMILIES["linear"])

"""Where a layer's units are read: after the nonlinearity that belongs to them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.collect import layers
from reportgen.collect.graph import Graph, kind
from reportgen.tally import Family

if TYPE_CHECKING:
    import keras

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
    """A layer whose units are judged, and the symbolic tensor that is read for them.

    node: its one call. chain: the layers between it and the tensor, the last of which is `read_after`.
    """

    layer: "keras.layers.Layer"
    node: Any
    tensor: Any
    read_after: str
    chain: tuple["keras.layers.Layer", ...]
    family: Family
    low: float | None
    high: float | None

    @property
    def channels_first(self) -> bool:
        """Whether the units stand on axis 1 of the tensor."""
        first: bool = getattr(self.layer, "data_format", None) == "channels_first" and len(self.tensor.shape) > 2
        return first


def readings(graph: Graph) -> list[Reading]:
    """Return every layer that is looked into, in the order of the summary."""
    return [_reading(graph, layer, calls[0]) for layer, calls in layers.looked_into(graph)]


def _reading(graph: Graph, layer: "keras.layers.Layer", node: Any) -> Reading:
    own = node.outputs[0]
    chain: tuple[Any, ...] = ()
    tensor, family = own, _family(layer)
    if family[0] == "linear":
        chain, tensor, family = _follow(graph, own)
    if tensor is graph.output and tensor.shape[-1] != 1:
        family = ("softmax", *family[1:])  # one score a class, however it is brought about
    elif family[0] == "softmax":
        family = _FAMILIES["linear"]  # no output: its units name no classes, and small values are what it is for
    return Reading(layer, node, tensor, (chain[-1] if chain else layer).name, chain, *family)


def _follow(graph: Graph, own: Any) -> tuple[tuple[Any, ...], Any, tuple[Family, float | None, float | None]]:
    """Return the chain from a layer's own output to its nonlinearity; an empty one where none belongs to it alone."""
    chain: list[Any] = []
    tensor = own
    while (node := graph.only_consumer(tensor)) is not None:
        chain.append(node.operation)
        tensor = node.outputs[0]
        if kind(node.operation) == "BatchNormalization":
            continue
        family = _family(node.operation) if kind(node.operation) in _NONLINEARITIES else _FAMILIES["linear"]
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

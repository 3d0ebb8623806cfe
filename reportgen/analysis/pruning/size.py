"""How much a model computes: multiplications for one image."""

from math import prod

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, has_weights, kind
from reportgen.analysis.pruning.ways import WEIGHING


def multiplications(graph: Graph) -> tuple[int | None, list[str]]:
    """Return those of dense layers and convolutions, None where a size is open, and other layers with weights.

    Batch normalisations are none of these others: they can be put into the weights before or behind them.
    """
    total, others = 0, []
    for call in graph.calls:
        name = kind(call.operation)
        if name in WEIGHING or name in layer_kinds.CONVOLUTIONS:
            found = _of(call)
            if found is None:
                return None, []
            total += found
        elif has_weights(call.operation) and name not in ("BatchNormalization", "PReLU"):
            others.append(call.name)
    return total, others


def _of(call: Call) -> int | None:
    layer, name = call.operation, kind(call.operation)
    rank = len(call.outputs[0].shape)
    first = getattr(layer, "data_format", "") == "channels_first" and rank > 2
    channels = 1 if first else rank - 1
    places = [
        prod(size or 0 for axis, size in enumerate(shape[1:], 1) if axis != channels)
        for shape in (call.given[0].shape, call.outputs[0].shape)
    ]
    if None in (*call.given[0].shape[1:], *call.outputs[0].shape[1:]):
        return None
    if name.startswith("Separable"):
        return places[1] * (prod(map(int, layer.depthwise_kernel.shape)) + prod(map(int, layer.pointwise_kernel.shape)))
    each = places[0] if name.endswith("Transpose") else places[1]
    return each * prod(map(int, layer.kernel.shape))

"""What recurrent layers do to the values that they pass on, and how many weights lead into each of their units."""

from typing import Any

from reportgen.analysis.activations.graph import kind
from reportgen.analysis.activations.nonlinearity import UNKNOWN, Affine, Function, of_activation

_GATED = ("LSTMCell", "GRUCell", "ConvLSTMCell")
_CELLS = (*_GATED, "SimpleRNNCell")


def function(layer: Any, shape: tuple[int | None, ...], *, begins_anywhere: bool) -> Function | Affine:
    """Return what a recurrent layer does to each value that it passes on, as far as its activations tell.

    shape: of its output. begins_anywhere: whether it is given a state to begin with, in which a GRU may have any value.
    """
    if kind(layer) == "Bidirectional":
        one, other = (
            function(way, shape, begins_anywhere=begins_anywhere) for way in (layer.forward_layer, layer.backward_layer)
        )
        return _merged(one, other, layer.merge_mode)
    cell = _last_cell(layer)
    if kind(cell) == "SimpleRNNCell":
        found = of_activation(cell.activation, shape)
        unclear = isinstance(found, Function) and (found.turned or found.family == "softmax")
        return UNKNOWN if unclear else found
    if kind(cell) not in _GATED or (begins_anywhere and kind(cell) == "GRUCell"):
        return UNKNOWN
    bounded, gate = (of_activation(one, shape) for one in (cell.activation, cell.recurrent_activation))
    if not isinstance(bounded, Function) or not isinstance(gate, Function) or None in (gate.low, gate.high):
        return UNKNOWN
    if bounded.family != "bounded" or gate.family != "bounded":
        return UNKNOWN
    assert gate.low is not None and gate.high is not None and bounded.low is not None and bounded.high is not None
    # a gate weighs it against 0, or against what was passed on before, which was 0 at first
    between = gate.low >= 0 and gate.high <= 1
    return Function("bounded", min(bounded.low, 0.0), max(bounded.high, 0.0)) if between else UNKNOWN


def params_per_unit(layer: Any, units: int) -> int:
    """Return how many parameters lead into each unit of a layer that has so many; 0 where that is not known.

    The weights by which the other units listen to it are theirs.
    """
    ways = [layer.forward_layer, layer.backward_layer] if kind(layer) == "Bidirectional" else [layer]
    cells = [_last_cell(way) for way in ways]
    if any(kind(cell) not in _CELLS for cell in cells):
        return 0
    total = sum(int(cell.count_params()) for cell in cells)
    return 0 if total % units else total // units


def _last_cell(layer: Any) -> Any:
    """Return the cell whose state a layer passes on."""
    cell = getattr(layer, "cell", layer)
    return cell.cells[-1] if kind(cell) == "StackedRNNCells" else cell


def _merged(one: Function | Affine, other: Function | Affine, mode: str | None) -> Function | Affine:
    """Return what joins the values of two directions does to them."""
    if mode == "concat":
        return one if one == other else UNKNOWN
    if not isinstance(one, Function) or not isinstance(other, Function):
        return UNKNOWN
    if one.family != "bounded" or other.family != "bounded":
        return UNKNOWN
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    low, high = one.low + other.low, one.high + other.high
    if mode == "sum":
        return Function("bounded", low, high)
    if mode == "ave":
        return Function("bounded", low / 2, high / 2)
    corners = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    return Function("bounded", min(corners), max(corners)) if mode == "mul" else UNKNOWN

"""The model summary as rows, from the layers themselves."""

import math
import re
from collections.abc import Collection
from itertools import count
from typing import TYPE_CHECKING

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, kind
from reportgen.i18n import Text, joined, text
from reportgen.record.model import GraphNode, LayerRow, ModelFacts, ModelGraph

if TYPE_CHECKING:
    import keras


def facts(graph: Graph, *, origin: str, output: str) -> ModelFacts:
    """Return the rows of the summary and the three totals, one row for each call of a layer.

    The parameters of a layer that is called more than once stand in the row of its first call. An InputLayer is no
    row, as in Keras's summary, and nor is a model inside the model: its layers stand in its place.
    """
    counted: set[int] = set()
    rows = [_row(call, counted) for call in graph.layer_calls()]
    model = graph.model
    beside = getattr(model, "trainable_beside", 0), getattr(model, "frozen_beside", 0)
    trainable, frozen = _count(model.trainable_weights) + beside[0], _count(model.non_trainable_weights) + beside[1]
    listed = {id(weight) for call in graph.layer_calls() for weight in call.operation.weights}
    return ModelFacts(
        name=model.name,
        origin=origin,
        output=output,
        total_params=trainable + frozen,
        trainable_params=trainable,
        non_trainable_params=frozen,
        layers=rows,
        unlisted_params=sum(beside) + _count([weight for weight in model.weights if id(weight) not in listed]),
        graph=flow(graph),
    )


def flow(graph: Graph) -> ModelGraph:
    """Return which call of a model hands its output to which, the model's input before all of them."""
    names = _names(graph)
    nodes = [GraphNode(_input_name(graph, names), "InputLayer", list(graph.input.shape))]
    giver = {graph.input: 0}
    found: dict[tuple[int, int], None] = {}
    for number, (call, name) in enumerate(zip(graph.calls, names, strict=True), 1):
        nodes.append(GraphNode(name, layer_kinds.named(call.operation), list(call.outputs[0].shape)))
        found |= {(giver[tensor], number): None for tensor in call.given}
        giver |= dict.fromkeys(call.outputs, number)
    return ModelGraph(nodes, [list(edge) for edge in found], [0], [giver[graph.output]])


def _names(graph: Graph) -> list[str]:
    """Return the name of each call: of a layer's its own, of a bare operation's one that depends on the model alone.

    Keras numbers operations without a name through all models that the process ever built.
    """
    taken = {call.name for call in graph.layer_calls()}
    found = []
    for call in graph.calls:
        name = call.name
        if name not in taken and (automatic := re.fullmatch(r"(.*?)(_\d+)?(#\d+)?", name)):
            own = automatic[1].rpartition("/")[2]
            if own.replace("_", "") == kind(call.operation).lower():
                name = _free(automatic[1], taken)
            taken.add(name)
        found.append(name)
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """Return the name, with the first number behind it that makes it one that is not taken."""
    numbers = (f"{name}_{n}" for n in count(1))
    return name if name not in taken else next(one for one in numbers if one not in taken)


def _input_name(graph: Graph, names: Collection[str]) -> str:
    """Return the name of the input layer, of a Sequential, which does not list it, another that no call has."""
    name = next((layer.name for layer in graph.model.layers if kind(layer) == "InputLayer"), "input")
    while name in names:
        name += "_"
    return name


def _row(call: Call, counted: set[int]) -> LayerRow:
    """Return the row of a call. counted: as in `_params`."""
    layer, shape, reason = call.operation, call.outputs[0].shape, layer_kinds.why_not(call.operation)
    units = 0 if reason else shape[layer_kinds.unit_axis(layer, len(shape))] or 0
    return LayerRow(
        name=call.name,
        kind=layer_kinds.named(layer),
        output_shape=list(shape),
        params=_params(layer, counted),
        analysed=reason is None,
        reason=reason,
        note=None if reason else _note(call, units),
    )


def _note(call: Call, units: int) -> Text | None:
    """Return what the units of a call are, and what they see, where its kind alone does not tell."""
    note = layer_kinds.note(call.operation, units)
    if note is None or not layer_kinds.attends_to_all(call):
        return note
    return joined(" ", [note, text("Each position attends to all positions, so what it sees is the whole image.")])


def _params(layer: "keras.layers.Layer", counted: set[int]) -> int:
    """Return how many parameters a layer has, 0 where it was counted before; take it down as counted."""
    if not layer.built or id(layer) in counted:
        return 0
    counted.add(id(layer))
    return int(layer.count_params())


def _count(weights: list["keras.Variable"]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)

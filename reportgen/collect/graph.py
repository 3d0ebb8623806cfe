"""The graph of a model: which tensor each call gives, who consumes it, and the model run again with a change."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


class Graph:
    """The calls of a Sequential or Functional model, in the order in which they are computed.

    Keras gives a layer's own tensors (`layer.output`) only while no other model has called the layer. What belongs
    to this model stands in its nodes, which Keras keeps private.
    """

    def __init__(self, model: "keras.Model") -> None:
        self.model = model
        function = getattr(model, "_functional", None) or model  # a Sequential keeps its graph in there
        depths = function._nodes_by_depth
        self.nodes: list[Any] = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
        self.input: Any = model.inputs[0]
        self.output: Any = model.outputs[0]
        self._consumers: dict[int, list[Any]] = {}
        self._producers = {id(tensor): node for node in self.nodes for tensor in node.outputs}
        for node in self.nodes:
            for tensor in node.input_tensors:
                self._consumers.setdefault(id(tensor), []).append(node)

    def calls(self) -> dict["keras.layers.Layer", list[Any]]:
        """Return each layer's nodes, layers in the order of the summary; inputs and bare operations left out."""
        found: dict[Any, list[Any]] = {layer: [] for layer in self.model.layers if kind(layer) != "InputLayer"}
        for node in self.nodes:
            if node.operation in found:
                found[node.operation].append(node)
        return {layer: calls for layer, calls in found.items() if calls}

    def only_consumer(self, tensor: Any) -> Any | None:
        """Return the one node that consumes `tensor`, None where there are more or the model gives it out."""
        consumers = self._consumers.get(id(tensor), [])
        return consumers[0] if len(consumers) == 1 and tensor is not self.output else None

    def producer(self, tensor: Any) -> Any | None:
        """Return the node that gives `tensor`, None for the model's input."""
        node = self._producers.get(id(tensor))
        return None if node is None or node.is_input else node

    def run(self, images: Any, change: Callable[[Any, Any], Any]) -> Any:
        """Return the model's output for `images`, each computed value replaced by `change(symbolic, value)`."""
        values = {id(self.input): images}
        for node in self.nodes:
            if node.is_input:
                continue
            arguments, options = node.arguments.fill_in(values)
            if "training" in getattr(node.operation, "_call_context_args", ()):
                options = {**options, "training": False}  # over what the call was made with, as for a whole model
            results = _listed(node.operation(*arguments, **options))
            for symbolic, value in zip(node.outputs, results, strict=True):
                values[id(symbolic)] = change(symbolic, value)
        return values[id(self.output)]


def kind(operation: Any) -> str:
    """Return the name of a layer's or an operation's class."""
    return type(operation).__name__


def _listed(results: Any) -> list[Any]:
    import keras

    listed: list[Any] = keras.tree.flatten(results)
    return listed

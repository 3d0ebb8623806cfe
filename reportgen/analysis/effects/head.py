"""The scores before their softmax or sigmoid, and which layers they are linear in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind

_ENDS = ("softmax", "sigmoid")
_LAST = {"Softmax", "Sigmoid", "Activation"}
"""Layers and operations that may be nothing but the softmax or sigmoid behind the scores."""
_KEEPING = {"ActivityRegularization", "Dropout", "Flatten", "GaussianNoise", "Identity", "Reshape"}
"""What may stand behind the softmax and leaves the order of the scores as it is."""
_LINEAR = {
    "ActivityRegularization", "AlphaDropout", "Cropping1D", "Cropping2D", "Cropping3D", "Dropout", "ExpandDims",
    "Flatten", "GaussianDropout", "GaussianNoise", "Identity", "Permute", "Reshape", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "Squeeze", "Transpose", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
    "Add", "Average", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "BatchNormalization", "Concatenate",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "Mean", "RepeatVector", "Rescaling",
    "Subtract", "Sum", "UpSampling1D", "UpSampling2D", "UpSampling3D",
}  # fmt: skip
"""What in inference is linear, with an offset, in all that it is given together."""
_WEIGHING = layer_kinds.CONVOLUTIONS | {"Dense", "EinsumDense"}


@dataclass(frozen=True)
class Head:
    """Where the scores are. tensor: that has them; cut: the call whose activation is left out for it, else None."""

    graph: Graph
    tensor: Tensor
    cut: Call | None
    middle: float = 0.0

    @contextmanager
    def before_activation(self) -> Iterator[None]:
        """Leave out the activation behind the scores as long as this lasts."""
        if self.cut is None:
            yield
            return
        layer = layer_kinds.inner(self.cut.operation)
        kept = layer.activation
        try:
            layer.activation = None
            yield
        finally:
            layer.activation = kept

    def scores(self, value: Any) -> Any:
        """Return (B, K) float32 scores, two of a model with a single one. value: of `tensor`."""
        import tensorflow as tf

        found = tf.cast(value, tf.float32)
        found = tf.reshape(found, (-1, found.shape[-1]))
        if found.shape[-1] > 1:
            return found
        return tf.concat([tf.zeros_like(found), found - self.middle], axis=1)

    def is_linear(self, tensor: Tensor) -> bool:
        """Return whether the scores are linear, with an offset, in what a tensor has."""
        return all(self._is_linear(call) for call in self.graph.reached(tensor, until=self.tensor))

    def _is_linear(self, call: Call) -> bool:
        name, operation = kind(call.operation), call.operation
        if name == "GlobalAveragePooling1D" and self.graph.masks:
            return False  # over other steps for each image
        if name in _LINEAR:
            return name != "UpSampling2D" or operation.interpolation in ("nearest", "bilinear")
        if name not in _WEIGHING or getattr(operation, "quantization_mode", None):
            return False
        activation = getattr(operation, "activation", None)
        return call is self.cut or activation is None or _name(activation) == "linear"


def find(graph: Graph, output: str) -> Head:
    """Return where a model's scores are. output: "softmax", "sigmoid" or "logits", as its outputs are read."""
    tensor = graph.output
    while (call := graph.producer(tensor)) is not None and len(call.outputs) == 1:
        name, activation = kind(call.operation), getattr(call.operation, "activation", None)
        if name in _LAST and (name != "Activation" or _name(activation) in _ENDS):
            return Head(graph, call.given[0], None)
        if name in _WEIGHING and _name(activation) in _ENDS:
            shared = sum(one.operation is call.operation for one in graph.calls) > 1
            return as_they_are(graph, output) if shared else Head(graph, tensor, call)
        if name not in _KEEPING or len(call.given) != 1:
            break
        tensor = call.given[0]
    return as_they_are(graph, output)


def as_they_are(graph: Graph, output: str) -> Head:
    """Return the outputs themselves as scores: a single one of a sigmoid says yes above one half."""
    return Head(graph, graph.output, None, middle=0.5 if output == "sigmoid" else 0.0)


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", "")

"""The model summary as rows, from the layers themselves."""

import math
from typing import TYPE_CHECKING

from reportgen.collect.graph import Graph, kind, opens
from reportgen.record import LayerRow, ModelFacts
from reportgen.texts import Text, text

if TYPE_CHECKING:
    import keras

_CONVOLUTIONS = {
    f"{sort}Conv{n}D{end}" for sort in ("", "Depthwise", "Separable") for n in (1, 2, 3) for end in ("", "Transpose")
}
_WITHOUT_UNITS = {
    text("no units (pooling)"): ("Pooling",),
    text("no units (dropout)"): ("Dropout",),
    text("no units (normalisation)"): ("Normalization",),
    text("no units (reshaping)"): (
        "Flatten", "Reshape", "Permute", "RepeatVector", "Cropping", "ZeroPadding", "UpSampling",
    ),
    text("no units (merging)"): (
        "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot",
    ),
    text("no units (preprocessing)"): ("Rescaling", "Resizing", "Random", "CenterCrop", "AutoContrast"),
    text("no units (activation)"): ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
    text("no units (passes its input on)"): ("Identity", "ActivityRegularization", "Masking", "GaussianNoise"),
    text("recurrent: what a unit gives at a step depends on the steps before; not looked into"): (
        "LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM", "Bidirectional",
    ),
    text("attention: its values mix positions and have no kernels of their own; not looked into"): (
        "Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention",
    ),
}  # fmt: skip
"""Why layers have no units, with what the names of such layers' kinds begin with, or hold if in _ANYWHERE."""

_ANYWHERE = ("Pooling", "Normalization", "Dropout")


def facts(graph: Graph, *, origin: str, output: str) -> ModelFacts:
    """Return the rows of the summary and the three totals, one row for each call of a layer.

    The parameters of a layer that is called more than once stand in the row of its first call. An InputLayer is no
    row, as in Keras's summary, and nor is a model inside the model: its layers stand in its place.
    """
    counted: set[int] = set()
    rows = [
        LayerRow(
            name=call.name,
            kind=kind(call.operation),
            output_shape=list(call.outputs[0].shape),
            params=_params(call.operation, counted),
            analysed=(reason := why_not(call.operation)) is None,
            reason=reason,
        )
        for call in graph.layer_calls()
    ]
    model = graph.model
    trainable, frozen = _count(model.trainable_weights), _count(model.non_trainable_weights)
    return ModelFacts(
        name=model.name,
        origin=origin,
        output=output,
        total_params=trainable + frozen,
        trainable_params=trainable,
        non_trainable_params=frozen,
        layers=rows,
    )


def why_not(layer: "keras.layers.Layer") -> Text | None:
    """Return why a layer has no units to look at, None where it has."""
    name = kind(layer)
    if name == "Dense" or name in _CONVOLUTIONS:
        return None
    if opens(layer):
        return text("a model inside the model that changes the type or the axes of what it is given; it is not opened")
    if hasattr(layer, "layers"):
        return text("a model inside the model whose graph only Python knows; it is not opened")
    for reason, starts in _WITHOUT_UNITS.items():
        if any(start in name if start in _ANYWHERE else name.startswith(start) for start in starts):
            return reason
    return text("reportgen does not look into layers of the kind {kind}", kind=name)


def _params(layer: "keras.layers.Layer", counted: set[int]) -> int:
    """Return how many parameters a layer has, 0 where it was counted before; take it down as counted."""
    if not layer.built or id(layer) in counted:
        return 0
    counted.add(id(layer))
    return int(layer.count_params())


def _count(weights: list["keras.Variable"]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)

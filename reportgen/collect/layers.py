"""The model summary as rows, from the layers themselves."""

import math
from typing import TYPE_CHECKING, Any

from reportgen.collect.graph import Graph, kind
from reportgen.record import LayerRow, ModelFacts
from reportgen.texts import Text, ntext, text

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
}  # fmt: skip
"""Why layers have no units, with what the names of such layers' kinds begin with, or hold if in _ANYWHERE."""

_ANYWHERE = ("Pooling", "Normalization")


def facts(graph: Graph, *, origin: str, output: str) -> ModelFacts:
    """Return the rows of the summary and the three totals. An InputLayer is no row, as in Keras's summary."""
    rows = [
        LayerRow(
            name=layer.name,
            kind=kind(layer),
            output_shape=_shape(calls[0].outputs[0]),
            params=layer.count_params() if layer.built else 0,
            analysed=(reason := why_not(layer, calls)) is None,
            reason=reason,
        )
        for layer, calls in graph.calls().items()
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


def looked_into(graph: Graph) -> list[tuple["keras.layers.Layer", list[Any]]]:
    """Return the layers whose units are judged, each with its calls."""
    return [(layer, calls) for layer, calls in graph.calls().items() if why_not(layer, calls) is None]


def why_not(layer: "keras.layers.Layer", calls: list[Any]) -> Text | None:
    """Return why a layer has no units to look at, None where it has. calls: its nodes in the model."""
    name = kind(layer)
    if name == "Dense" or name in _CONVOLUTIONS:
        if len(calls) == 1:
            return None
        return ntext(
            len(calls),
            "the model calls it {n} time; only layers that are called once are looked into",
            "the model calls it {n} times; only layers that are called once are looked into",
        )
    if hasattr(layer, "layers"):
        return text("a model inside the model; its own layers are not opened")
    for reason, starts in _WITHOUT_UNITS.items():
        if any(start in name if start in _ANYWHERE else name.startswith(start) for start in starts):
            return reason
    return text("reportgen does not look into layers of the kind {kind}", kind=name)


def _shape(output: Any) -> list[int | None]:
    """Return the shape of a symbolic output; sizes that vary, such as the batch's, are None."""
    return [None if size is None else int(size) for size in output.shape]


def _count(weights: list["keras.Variable"]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)

"""The model summary as rows, from the layers themselves."""

import math
from typing import TYPE_CHECKING, Any

from reportgen.record import LayerRow, ModelFacts

if TYPE_CHECKING:
    import keras

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_WITHOUT_UNITS = {
    "pooling": ("Pooling",),
    "dropout": ("Dropout",),
    "normalisation": ("Normalization",),
    "reshaping": ("Flatten", "Reshape", "Permute", "RepeatVector", "Cropping", "ZeroPadding", "UpSampling"),
    "merging": ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
    "preprocessing": ("Rescaling", "Resizing", "Random", "CenterCrop", "AutoContrast"),
    "activation": ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
}


def facts(model: "keras.Model", *, origin: str, output: str) -> ModelFacts:
    """Return the rows of the summary and the three totals. An InputLayer is no row, as in Keras's summary."""
    calls = outputs(model)
    rows = [
        LayerRow(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=_shape(calls[layer][0]),
            params=layer.count_params() if layer.built else 0,
            analysed=(reason := why_not(layer, calls[layer])) is None,
            reason=reason,
        )
        for layer in calls
    ]
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


def outputs(model: "keras.Model") -> dict["keras.layers.Layer", list[Any]]:
    """Return each layer's symbolic outputs in this model, one per call, layers in the order of the summary.

    A layer of its own may also be called in other models; `layer.output` would fail for it. Input layers and
    bare operations (`a + b`) are left out.
    """
    graph = getattr(model, "_functional", None) or model  # a Sequential keeps its graph in there
    found: dict[Any, list[Any]] = {layer: [] for layer in model.layers if type(layer).__name__ != "InputLayer"}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.operation in found:
                found[node.operation].append(node.outputs[0])
    return {layer: calls for layer, calls in found.items() if calls}


def analysed(model: "keras.Model") -> list[tuple["keras.layers.Layer", Any]]:
    """Return the layers that are looked into, each with its symbolic output."""
    return [(layer, calls[0]) for layer, calls in outputs(model).items() if why_not(layer, calls) is None]


def why_not(layer: "keras.layers.Layer", calls: list[Any]) -> str | None:
    """Return why a layer has no units to look at, None where it has. calls: its symbolic outputs."""
    kind = type(layer).__name__
    has_units = kind in _CONVOLUTIONS or kind == "Dense"
    if has_units and len(calls) > 1:
        return f"the model calls it {len(calls)} times; only layers that are called once are looked into"
    if kind in ("Conv2D", "Conv2DTranspose") or (kind == "Dense" and len(calls[0].shape) == 2):
        return None
    if has_units:
        return f"the output of this {kind} is neither a picture nor a vector"
    if hasattr(layer, "layers"):
        return "a model inside the model; its own layers are not opened"
    for what, starts in _WITHOUT_UNITS.items():
        if any(start in kind if what == "pooling" else kind.startswith(start) for start in starts):
            return f"no units ({what})"
    if "Normalization" in kind:
        return "no units (normalisation)"
    return f"reportgen does not look into layers of the kind {kind}"


def _shape(output: Any) -> list[int | None]:
    """Return the shape of a symbolic output; sizes that vary, such as the batch's, are None."""
    return [None if size is None else int(size) for size in output.shape]


def _count(weights: list["keras.Variable"]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)

"""The model summary as rows, from the layers themselves."""

import math
from typing import TYPE_CHECKING

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
    rows = [
        LayerRow(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=_output_shape(layer),
            params=layer.count_params() if layer.built else 0,
            analysed=(reason := why_not(layer)) is None,
            reason=reason,
        )
        for layer in model.layers
        if type(layer).__name__ != "InputLayer"
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


def is_convolution(layer: "keras.layers.Layer") -> bool:
    """Tell whether the layer's units are channels of a plain or transposed convolution."""
    return type(layer).__name__ in _CONVOLUTIONS


def is_dense(layer: "keras.layers.Layer") -> bool:
    """Tell whether the layer's units are neurons that see one vector per image."""
    return type(layer).__name__ == "Dense" and len(layer.output.shape) == 2


def why_not(layer: "keras.layers.Layer") -> str | None:
    """Return why a layer has no units to look at, None where it has."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "Conv2DTranspose") or is_dense(layer):
        return None
    if is_convolution(layer):
        return f"{kind} gives no pictures of two dimensions"
    if hasattr(layer, "layers"):
        return "a model inside the model; its own layers are not opened"
    for what, starts in _WITHOUT_UNITS.items():
        if any(start in kind if what == "pooling" else kind.startswith(start) for start in starts):
            return f"no units of its own ({what})"
    if "Normalization" in kind:
        return "no units of its own (normalisation)"
    return f"reportgen does not look into layers of the kind {kind}"


def _output_shape(layer: "keras.layers.Layer") -> list[int | None]:
    """Return the shape of the layer's output; sizes that vary, such as the batch's, are None."""
    return [None if size is None else int(size) for size in layer.output.shape]


def _count(weights: list["keras.Variable"]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)

"""The kinds of Keras's layers: which have units, on which axis, what wrappers hold, and why all others have none."""

from typing import Any

from reportgen.analysis.activations.directions import Direction
from reportgen.analysis.activations.graph import Call, Graph, kind, opens
from reportgen.analysis.activations.heads import Heads, Projection
from reportgen.i18n import Text, text


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


WRAPPERS = _names("SpectralNormalization TimeDistributed")
"""What applies another layer: with the kernel that training left it in inference, or to each step by itself."""
CONVOLUTIONS = frozenset(
    f"{sort}Conv{n}D{end}" for sort in ("", "Depthwise", "Separable") for n in (1, 2, 3) for end in ("", "Transpose")
)
RECURRENT = _names("Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D GRU LSTM RNN SimpleRNN")
EMBEDDINGS = _names("Embedding ReversibleEmbedding")
ATTENTION = _names("GroupQueryAttention GroupedQueryAttention MultiHeadAttention")
"""Attention with heads. GroupQueryAttention is called GroupedQueryAttention inside of Keras."""
WITH_UNITS = WRAPPERS | CONVOLUTIONS | RECURRENT | EMBEDDINGS | ATTENTION | {"Dense", "EinsumDense"}

WITHOUT_UNITS = {
    text("no units (pooling)"): _names("""
        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
        AdaptiveMaxPooling2D AdaptiveMaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
        GlobalMaxPooling3D MaxPooling1D MaxPooling2D MaxPooling3D
        """),
    text("no units (dropout)"): _names("""
        AlphaDropout Dropout GaussianDropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
        """),
    text("no units (normalisation)"): _names("""
        BatchNormalization GroupNormalization LayerNormalization Normalization RMSNormalization UnitNormalization
        """),
    text("no units (reshaping)"): _names("""
        Cropping1D Cropping2D Cropping3D Flatten Permute RepeatVector Reshape UpSampling1D UpSampling2D UpSampling3D
        ZeroPadding1D ZeroPadding2D ZeroPadding3D
        """),
    text("no units (merging)"): _names("Add Average Concatenate Dot Maximum Minimum Multiply Subtract"),
    text("no units (preprocessing)"): _names("""
        AugMix AutoContrast CategoryEncoding CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix
        Discretization Equalization HashedCrossing Hashing MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline
        RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
        RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
        RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
        RandomTranslation RandomZoom Rescaling Resizing STFTSpectrogram Solarization
        """),
    text("no units (activation)"): _names("Activation ELU LeakyReLU PReLU ReLU Softmax"),
    text("no units (passes its input on)"): _names("""
        ActivityRegularization GaussianNoise Identity InputLayer Masking
        """),
    text("no units (attention without projections: it takes means of what it is given)"): _names("""
        AdditiveAttention Attention
        """),
    text("a cell that is called by itself, outside of a recurrent layer; it is not looked into"): _names("""
        GRUCell LSTMCell SimpleRNNCell StackedRNNCells
        """),
}
"""Why layers have no units, with the names of all kinds of Keras that it is true for."""


def inner(layer: Any) -> Any:
    """Return what computes a layer's units: of a wrapper the layer that it applies, else the layer itself."""
    if isinstance(layer, Projection):
        return layer.dense
    if isinstance(layer, Direction):
        return layer.way
    while kind(layer) in WRAPPERS and hasattr(layer, "layer"):
        layer = layer.layer
    return layer


def named(layer: Any) -> str:
    """Return a layer's kind with that of the layer in it: "TimeDistributed(Dense)"."""
    inside = layer.forward_layer if kind(layer) == "Bidirectional" else getattr(layer, "layer", None)
    has_one = inside is not None and kind(layer) in WRAPPERS | {"Bidirectional"}
    return f"{kind(layer)}({named(inside)})" if has_one else kind(layer)


def steps(layer: Any) -> int:
    """Return how many axes of a layer's output, before all others, are steps to which it is applied one by one."""
    found = 0
    while kind(layer) in WRAPPERS and hasattr(layer, "layer"):
        found += kind(layer) == "TimeDistributed"
        layer = layer.layer
    return found


def is_recurrent(layer: Any) -> bool:
    """Return whether a layer, or the one that it wraps, goes along its input step by step with a state."""
    return kind(inner(layer)) in RECURRENT


def gives_steps(layer: Any) -> bool:
    """Return whether a recurrent layer passes something on at each step, not after the last alone."""
    return bool(getattr(inner(layer), "return_sequences", False))


def unit_axis(layer: Any, axes: int) -> int:
    """Return on which axis of its output, which has so many with the batch, the units of a layer stand."""
    core = inner(layer)
    first = 1 + steps(layer) + (is_recurrent(core) and gives_steps(core))
    if kind(core) == "Bidirectional":
        core = core.forward_layer
    channels_first = getattr(core, "data_format", None) == "channels_first" and axes > first + 1
    return first if channels_first else axes - 1


def einsum(layer: Any) -> tuple[str, str, str | None]:
    """Return the letters of an EinsumDense's input and kernel, and of its output's last axis; None for "..." there."""
    given, _, made = layer.equation.replace(" ", "").partition("->")
    into, _, weights = given.partition(",")
    return into, weights, None if made.endswith("...") or not made else made[-1]


def einsum_keeps_places(layer: Any) -> bool:
    """Return whether each position of an EinsumDense's output is made from the same position of its input alone.

    So it is where both have the same letters, in the same order, but for the last axis: what is no letter of the
    output is summed over.
    """
    given, _, made = layer.equation.replace(" ", "").partition("->")
    into = given.partition(",")[0]
    return not into.endswith(".") and not made.endswith(".") and into[:-1] == made[:-1]


def attends_to_all(call: Call) -> bool:
    """Return whether each position of attention's heads is a mean over all positions of what they attend to."""
    heads = call.operation
    if not isinstance(heads, Heads) or call.arguments.kwargs.get("use_causal_mask"):
        return False
    axes = getattr(heads.layer, "attention_axes", None)  # GroupedQueryAttention has none: it runs over all
    return axes is None or len(axes) == len(call.outputs[0].shape) - 2


def why_not(layer: Any) -> Text | None:
    """Return why a layer has no units to look at, None where it has."""
    core = inner(layer)
    name = kind(core)
    if name == "EinsumDense":
        _, weights, last = einsum(core)
        if last is None or last not in weights:
            return text("its weights are the same all along the last axis of its output, so nothing there is a unit")
        return None
    if name == "Bidirectional" and core.merge_mode is None:
        return text("its two directions are passed on apart by a class that is not Keras's own")
    if name in WITH_UNITS - WRAPPERS:
        return None
    for reason, kinds in WITHOUT_UNITS.items():
        if name in kinds:
            return reason
    if core is not layer and (opens(core) or hasattr(core, "layers")):
        return text("a model that is applied to each step by itself; it is not opened")
    if opens(core):
        return text("a model inside the model that changes the type or the axes of what it is given; it is not opened")
    if hasattr(core, "layers"):
        return text("a model inside the model whose graph only Python knows; it is not opened")
    return text("reportgen does not look into layers of the kind {kind}", kind=name)


def not_a_picture(graph: Graph) -> Text | None:
    """Return why a model's input is no picture whatever its shape, None where nothing tells."""
    given = (call for call in graph.calls if graph.input in call.given)
    if any(kind(inner(call.operation)) in EMBEDDINGS for call in given):
        return text("the model's input is numbers of words, not a picture")
    return None


def is_known_without_units(layer: Any) -> bool:
    """Return whether a layer is of a kind that has no units, whatever weights it has."""
    name = kind(inner(layer))
    return any(name in kinds for kinds in WITHOUT_UNITS.values())


def note(layer: Any, units: int) -> Text | None:
    """Return what the units of a layer are, where its kind alone does not tell. units: how many it has."""
    core = inner(layer)
    if isinstance(core, Heads):
        figures = {"channels": f"{core.channels:,}", "heads": f"{core.count:,}"}
        return text(
            "Its units are the channels of its heads before they are projected: {channels} of each of {heads} heads,"
            " those of the first head first.",
            **figures,
        )
    name = kind(core)
    if name in ATTENTION:
        return text("Its units are the channels of its output, in which all heads have a share.")
    if name in EMBEDDINGS:
        return text("Its units are the dimensions of the embedding.")
    if name not in RECURRENT:
        return None
    if name == "Bidirectional" and core.merge_mode == "concat":
        half = units // 2
        return text(
            "Its units are what it passes on: up to unit {last} of the forward direction, from unit {first} on of"
            " the backward direction.",
            last=f"{half - 1:,}",
            first=f"{half:,}",
        )
    if gives_steps(core):
        return text("Its units are what it passes on, at each step.")
    return text("Its units are what it passes on after the last step.")

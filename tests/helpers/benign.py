"""Honest models of many kinds: every layer of Keras that a file may name, and networks as people build them."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reportgen.model.inspection import allowed
from reportgen.runtime import keras

L, ops = keras.layers, keras.ops
Model = Any

PICTURE, SERIES, VOLUME, TOKENS = (8, 8, 3), (8, 4), (6, 6, 6, 2), (5,)

# what a layer cannot be made without, or is made smaller by
SETTINGS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "gelu"},
    "AlphaDropout": {"rate": 0.1},
    "CategoryEncoding": {"num_tokens": 9},
    "CenterCrop": {"height": 4, "width": 4},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "Dot": {"axes": 1},
    "Dropout": {"rate": 0.1, "seed": 2**40},
    "EinsumDense": {"equation": "bhwc,cd->bhwd", "output_shape": (None, None, 5)},
    "Embedding": {"input_dim": 9, "output_dim": 3},
    "GaussianDropout": {"rate": 0.1},
    "GaussianNoise": {"stddev": 0.1},
    "GroupNormalization": {"groups": 3},
    "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
    "HashedCrossing": {"num_bins": 9},
    "Hashing": {"num_bins": 9, "salt": [2**40, 1]},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MelSpectrogram": {"fft_length": 8, "sequence_stride": 2, "sampling_rate": 100, "num_mel_bins": 4, "max_freq": 50},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "Normalization": {"mean": 0.5, "variance": 2.0},
    "Permute": {"dims": (2, 1, 3)},
    "RandomBrightness": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "RepeatVector": {"n": 2},
    "Rescaling": {"scale": 1 / 255},
    "Reshape": {"target_shape": (-1, 3)},
    "Resizing": {"height": 4, "width": 4},
    "ReversibleEmbedding": {"input_dim": 9, "output_dim": 3},
    "STFTSpectrogram": {"frame_length": 4, "frame_step": 2, "fft_length": 4},
}
BY_FACTOR = ("RandomColorDegeneration", "RandomContrast", "RandomHue", "RandomSaturation", "RandomSharpness")
CELLS = ("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells")
WRAPPERS = {
    "Bidirectional": (SERIES, lambda: L.Bidirectional(L.GRU(2))),
    "RNN": (SERIES, lambda: L.RNN([L.LSTMCell(2), L.GRUCell(3), L.SimpleRNNCell(2)])),  # in StackedRNNCells
    "TimeDistributed": (SERIES, lambda: L.TimeDistributed(L.Dense(2))),
    "SpectralNormalization": (PICTURE, lambda: L.SpectralNormalization(L.Conv2D(2, 3))),
    "Pipeline": (PICTURE, lambda: L.Pipeline([L.RandomFlip(), L.Rescaling(2.0)])),
}
MERGING = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract", "Dot", "HashedCrossing")
ATTENDING = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")
ON_TOKENS = ("Embedding", "ReversibleEmbedding", "Hashing", "HashedCrossing", "CategoryEncoding")
ON_SERIES = (
    "LSTM", "GRU", "SimpleRNN", "Masking", "RepeatVector", "Dot", "MelSpectrogram", "STFTSpectrogram", *ATTENDING,
)  # fmt: skip
ALONE = ("MaxNumBoundingBoxes", "CutMix", "MixUp", "Equalization")
"""Layers that no model can hold: the first change labels too, and the last makes a circle of its input."""

NOT_IN_HDF5 = (
    "Attention", "RandomBrightness", "RandomColorDegeneration", "RandomPosterization", "RandomSaturation",
    "RandomSharpness", "Solarization",
)  # fmt: skip
"""Layers that Keras cannot save to an HDF5 file, or load from it."""


def one_of_each(shape: tuple[int, ...], *, without: Sequence[str] = ()) -> Model:
    """Return a model with one branch for every layer that takes inputs of `shape`, but those named in `without`."""
    start = keras.Input(shape, dtype="int32" if shape == TOKENS else "float32")
    outputs = [start + 0]
    for name in sorted(allowed.LAYERS - {"InputLayer", *CELLS, *ALONE, *without}):
        if _taken_by(name) == shape:
            layer = WRAPPERS[name][1]() if name in WRAPPERS else getattr(L, name)(**_settings(name))
            outputs.append(_called(name, layer, start))
    return keras.Model(start, outputs, name="every_layer")


def _taken_by(name: str) -> tuple[int, ...]:
    """Return the shape of the inputs that a layer is called on: ConvLSTM layers take one axis more than they say."""
    if name in WRAPPERS:
        return WRAPPERS[name][0]
    if name in ON_TOKENS:
        return TOKENS
    if name in ("ConvLSTM1D", "ConvLSTM3D"):
        return PICTURE
    if name == "ConvLSTM2D" or "3D" in name:
        return VOLUME
    return SERIES if "1D" in name or name in ON_SERIES else PICTURE


def _settings(name: str) -> dict[str, Any]:
    found = dict(SETTINGS.get(name, {}))
    if name.startswith("Adaptive"):
        found["output_size"] = 2
    if name.startswith("AveragePooling"):
        found["pool_size"] = 2
    if "Conv" in name and "Depthwise" not in name:
        found["filters"] = 2
    if "Conv" in name:
        found["kernel_size"] = 2
    if name in ("Dense", "GRU", "LSTM", "SimpleRNN"):
        found["units"] = 2
    if "SpatialDropout" in name:
        found["rate"] = 0.1
    if name in BY_FACTOR:
        found["factor"] = 0.1
    return found


def _called(name: str, layer: Any, start: Any) -> Any:
    if name == "RepeatVector":
        return layer(start[:, 0])
    if name == "MelSpectrogram":
        return layer(start[:, :, 0])
    if name == "ConvLSTM3D":
        return layer(start[:, None, :, :, :, None])
    if name == "HashedCrossing":
        return layer((start[:, 0], start[:, 1]))
    if name in MERGING:
        return layer([start, start])
    if name in ATTENDING:
        return layer(start, start) if name in ("MultiHeadAttention", "GroupQueryAttention") else layer([start, start])
    return layer(start)


# ---- networks as people build them; all take pictures of 16x16x1 and tell three classes apart


def _scores(values: Any) -> Any:
    return L.Dense(3, activation="softmax", name="scores")(values)


def plain() -> Model:
    layers = [L.Input((16, 16, 1)), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()]
    return keras.Sequential([*layers, L.Dense(3, activation="softmax")], name="plain")


def trained() -> Model:
    """Return a network as after a training: the file holds an optimiser with its variables too."""
    model = plain()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def residual() -> Model:
    """Return a network with arithmetic between its layers, on tensors, numbers and arrays."""
    start = keras.Input((16, 16, 1))
    left, right = L.Conv2D(4, 3, padding="same")(start), L.Conv2D(4, 1)(start)
    joined = ops.relu(left + right) * 0.5 - ops.mean(right, axis=-1, keepdims=True)
    joined = keras.activations.silu(joined) + np.ones((1, 1, 1, 4), np.float32)
    return keras.Model(start, _scores(L.GlobalAveragePooling2D()(joined / ops.convert_to_tensor([2.0]))))


def cut() -> Model:
    start = keras.Input((16, 16, 1))
    return keras.Model(start, _scores(L.Flatten()(start[:, 2:-1:2, ..., 0])))


def of_several_axes() -> Model:
    start = keras.Input((16, 16, 1))
    scaled = start / ops.mean(start, axis=(1, 2), keepdims=True)
    return keras.Model(start, _scores(L.Flatten()(L.UnitNormalization(axis=[1, 2])(scaled))))


def shared() -> Model:
    start, twice = keras.Input((16, 16, 1)), L.Conv2D(1, 3, padding="same", kernel_regularizer="l2", activation="elu")
    return keras.Model(start, _scores(L.Flatten()(twice(twice(start)))))


def own_loss(truth: Any, given: Any) -> Any:
    return ops.mean(ops.square(truth - given))


def nested() -> Model:
    """Return a network with another inside that was compiled with a loss that no file holds, as it was itself."""
    inner = keras.Sequential([L.Input((16, 16, 1)), L.Conv2D(4, 3), L.Flatten(), L.Dense(5)], name="inner")
    inner.compile("sgd", own_loss)
    start = keras.Input((16, 16, 1))
    model = keras.Model(start, _scores(inner(start)))
    model.compile("sgd", own_loss)
    return model


def prepared() -> Model:
    """Return a network that prepares its pictures itself."""
    normalise = L.Normalization(axis=-1)
    normalise.adapt(np.random.default_rng(0).random((8, 16, 16, 1), np.float32))
    augment = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1)], name="augment")
    start = keras.Input((16, 16, 1))
    values = L.Flatten()(L.Resizing(8, 8)(augment(normalise(L.Rescaling(1 / 255)(start)))))
    return keras.Model(start, _scores(L.BatchNormalization()(L.Dropout(0.5)(values))))


def mixed() -> Model:
    layers = [L.Input((16, 16, 1)), L.Conv2D(4, 3, dtype="mixed_float16"), L.Flatten()]
    return keras.Sequential([*layers, L.Dense(3, activation="softmax", dtype="float32")])


def half() -> Model:
    return keras.Sequential([L.Input((16, 16, 1)), L.Flatten(), L.Dense(3, dtype="bfloat16")])


def quantised() -> Model:
    model = plain()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some layers stay as they are
        model.quantize("int8")
    return model


def functional_in_pieces() -> Model:
    """Return a network of which every part has a setting that is an object of its own."""
    start = keras.Input((16, 16, 1))
    values = L.Conv2D(
        4,
        3,
        kernel_initializer=keras.initializers.HeNormal(seed=2**50),
        kernel_constraint=keras.constraints.MaxNorm(2),
        bias_regularizer=keras.regularizers.L1L2(0.1, 0.1),
        activation=L.LeakyReLU(0.1),
        name="Faltung №1 {{ x }}",
    )(start)
    return keras.Model(start, _scores(L.Flatten()(values)), name="a model with a long name " * 20)


def mobile() -> Model:
    return keras.applications.MobileNetV3Small((32, 32, 1), alpha=0.35, minimalistic=True, weights=None, classes=3)


def dense_net() -> Model:
    from keras.src.applications.densenet import DenseNet

    return DenseNet([1, 1, 1, 1], weights=None, input_shape=(32, 32, 1), classes=3)


def conv_next() -> Model:
    from keras.src.applications.convnext import ConvNeXt

    return ConvNeXt(
        [1, 1, 1, 1], [4, 8, 8, 8], drop_path_rate=0.1, weights=None, input_shape=(32, 32, 1), classes=3, name="next"
    )


NETWORKS: tuple[Callable[[], Model], ...] = (
    plain, trained, residual, shared, nested, prepared, mixed, quantised, functional_in_pieces,
)  # fmt: skip
WITHOUT_HDF5: tuple[Callable[[], Model], ...] = (cut, of_several_axes, half)
"""Networks that Keras cannot load from the HDF5 file that it writes."""
LARGE: tuple[Callable[[], Model], ...] = (mobile, dense_net, conv_next)
"""Networks of many layers, each of a kind that others have in HDF5."""

"""The arrays that pictures are painted from: layers' outputs for a few examples, and kernels."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reportgen.collect import forward, layers, scores
from reportgen.dataset import Dataset
from reportgen.record import Examples, Kernels, Maps, Pictures, Strips

if TYPE_CHECKING:
    import keras

UNITS_SHOWN = 64
"""Most units of one layer that get a picture; the report says "64 of N"."""
CHANNELS_SHOWN = 8
"""Most input channels of one unit whose kernels get a picture, strongest first."""
SIDE_SHOWN = 64
"""Longest side of a map in values; of larger maps every n-th row and column is kept."""


def collect(model: "keras.Model", dataset: Dataset, probabilities: NDArray[np.float64], *, examples: int) -> Pictures:
    """Return all arrays for pictures. probabilities: (N, K) of the test part; examples: how many test images."""
    test, count = dataset.test, min(examples, len(dataset.test))
    looked_at = layers.analysed(model)
    values = forward.layer_outputs(model, [output for _, output in looked_at], test, dataset.pixels, count)
    maps: list[Maps] = []
    strips: list[Strips] = []
    kernels: list[Kernels] = []
    for (layer, symbolic), found in zip(looked_at, values, strict=True):
        if found.ndim == 2:
            strips.append(Strips(layer.name, found.shape[-1], symbolic is model.outputs[0], found[:, :UNITS_SHOWN]))
        else:
            maps.append(_maps(layer, found))
            kernels.append(_kernels(layer, dataset, is_first=not kernels))
    return Pictures(
        examples=Examples(test.images[:count], test.labels[:count], probabilities[:count].argmax(axis=1)),
        worst=test.images[scores.worst(probabilities, test.labels)],
        maps=maps,
        strips=strips,
        kernels=kernels,
    )


def _maps(layer: "keras.layers.Layer", values: NDArray[np.float32]) -> Maps:
    """Return a layer's outputs, (E, h, w, U) whatever its data_format, thinned to the sizes that are shown."""
    if layer.data_format == "channels_first":
        values = np.moveaxis(values, 1, -1)
    step = -(-max(values.shape[1:3]) // SIDE_SHOWN)
    return Maps(layer.name, values.shape[-1], step, values[:, ::step, ::step, :UNITS_SHOWN])


def _kernels(layer: "keras.layers.Layer", dataset: Dataset, *, is_first: bool) -> Kernels:
    """Return a layer's kernels, each unit's input channels by falling norm.

    Keras stores (kh, kw, in, out), and (kh, kw, out, in) for a transposed convolution.
    """
    stored = np.asarray(layer.kernel, np.float32)
    order = (2, 3, 0, 1) if "Transpose" in type(layer).__name__ else (3, 2, 0, 1)
    weights = stored.transpose(order)
    units, inputs = weights.shape[:2]
    shown = weights[:UNITS_SHOWN]
    on_colour = is_first and inputs == dataset.image_shape[-1] == 3
    norms = np.linalg.norm(shown.reshape(len(shown), inputs, -1), axis=2)
    strongest = np.argsort(-norms, axis=1, kind="stable")
    channels = np.tile(np.arange(inputs), (len(shown), 1)) if on_colour else strongest[:, :CHANNELS_SHOWN]
    return Kernels(
        layer=layer.name,
        units=units,
        inputs=inputs,
        largest=float(np.abs(weights).max()),
        on_colour=on_colour,
        weights=shown[np.arange(len(shown))[:, np.newaxis], channels],
        channels=channels,
    )

"""Images through the model, compiled once: predictions for all of them, every layer's output for a few."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Part, Pixels
from reportgen.progress import Progress

if TYPE_CHECKING:
    import keras

BATCH = 500


def predict(
    model: "keras.Model", part: Part, pixels: Pixels, label: str, progress: Progress
) -> NDArray[np.float32]:
    """Return the model's output for every image of `part`: (N, K) float32.

    Pixels are converted inside the graph, batch by batch, so the images stay in memory as they are stored.
    """
    import tensorflow as tf

    shape = (None, *part.images.shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, part.images.dtype)])  # type: ignore[untyped-decorator]
    def run(images: Any) -> Any:
        return tf.cast(model(tf.cast(images, tf.float32) * pixels.scale, training=False), tf.float32)

    outputs = []
    with progress.bar(label, total=len(part)) as tick:
        for start in range(0, len(part), BATCH):
            outputs.append(run(part.images[start : start + BATCH]).numpy())
            tick(min(start + BATCH, len(part)), "images")
    return np.concatenate(outputs)


def layer_outputs(
    model: "keras.Model", layers: list["keras.layers.Layer"], part: Part, pixels: Pixels, count: int
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return the model's output and that of each of `layers` for the first `count` images, in one pass."""
    import keras

    images = part.images[:count].astype(np.float32) * np.float32(pixels.scale)
    probe = keras.Model(model.inputs, [model.outputs[0], *(layer.output for layer in layers)])
    first, *rest = probe(images, training=False)
    return np.asarray(first, np.float32), [np.asarray(output, np.float32) for output in rest]


def probabilities(outputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], str]:
    """Return (N, K) class probabilities and what kind of output they came from.

    One column in [0, 1] is a sigmoid for the second of two classes. Rows in [0, 1] that sum to 1 are a
    softmax's. Other rows in [0, 1] are sigmoids, one a class, brought to sum 1. All else are logits.
    Outputs of 16-bit models sum to 1 within 1 %.
    """
    values = outputs.astype(np.float64)
    within = bool(((values >= 0) & (values <= 1)).all())
    if values.shape[1] == 1:
        if within:
            return np.hstack([1 - values, values]), "sigmoid"
        return _softmax(np.hstack([np.zeros_like(values), values])), "logits"
    sums = values.sum(axis=1, keepdims=True)
    if within and np.allclose(sums, 1, atol=1e-2):
        return values / sums, "softmax"
    if within and (sums > 0).all():
        return values / sums, "sigmoid"
    return _softmax(values), "logits"


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

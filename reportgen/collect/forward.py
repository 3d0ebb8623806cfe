"""Images through the model, compiled once: predictions for all of them, every layer's output for a few."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Part, Pixels
from reportgen.errors import InputError
from reportgen.progress import Progress

if TYPE_CHECKING:
    import keras


def predict(
    answer: Callable[[Any], Any], part: Part, pixels: Pixels, *, batch: int, label: str, progress: Progress
) -> NDArray[np.float32]:
    """Return what `answer` gives for every image of `part`: (N, K) float32.

    answer: from a batch of images as the model sees them to its output, see `whole`; it is compiled. Pixels are
    converted inside the graph, batch by batch, so the images stay in memory as they are stored.
    """
    import tensorflow as tf

    given = tf.TensorSpec((None, *part.images.shape[1:]), part.images.dtype)

    @tf.function(input_signature=[given], autograph=False)  # type: ignore[untyped-decorator]
    def run(images: Any) -> Any:
        return tf.cast(answer(tf.cast(images, tf.float32) * pixels.scale), tf.float32)

    outputs = []
    with progress.bar(label, total=len(part)) as tick:
        for start in range(0, len(part), batch):
            outputs.append(run(part.images[start : start + batch]).numpy())
            tick(min(start + batch, len(part)), "images")
    return np.concatenate(outputs)


def whole(model: "keras.Model") -> Callable[[Any], Any]:
    """Return the model as a function of one tensor, in inference mode, however it packs its input and output."""
    import keras

    flat = keras.Model(model.inputs[0], model.outputs[0])
    return lambda images: flat(images, training=False)


def check(outputs: NDArray[np.float32]) -> None:
    """Raise InputError where an output is not a finite number: every figure made from it would be wrong."""
    if bad := int((~np.isfinite(outputs).all(axis=1)).sum()):
        raise InputError(
            f"the model answers {bad:,} of {len(outputs):,} images with NaN or infinite scores",
            "look for NaN in its weights; did its training diverge?",
        )


def layer_outputs(
    model: "keras.Model", outputs: list[Any], part: Part, pixels: Pixels, count: int
) -> list[NDArray[np.float32]]:
    """Return the values of the symbolic `outputs` for the first `count` images, all from one pass."""
    import keras

    if not outputs:
        return []
    images = part.images[:count].astype(np.float32) * np.float32(pixels.scale)
    probe = keras.Model(model.inputs[0], outputs)
    found = probe(images, training=False)
    return [np.asarray(values, np.float32) for values in keras.tree.flatten(found)]  # Keras unpacks a list of one


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
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares

"""Activation patching: changed images through the model, some units giving what they give for the unchanged ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import units_last
from reportgen.analysis.activations.tally import Counts, Floats
from reportgen.dataset import Part, Pixels

Stored = NDArray[Any]
_TINY = 1e-30


class Patcher:
    """A model whose units can be given back what they answer to other images. Each is compiled once, when it is needed.

    output: "softmax", "sigmoid" or "logits", what its scores are. readings: the layers that can be patched.
    """

    def __init__(
        self, graph: Graph, readings: Sequence[Reading], part: Part, pixels: Pixels, output: str, batch: int
    ) -> None:
        self._graph, self._readings, self._pixels, self._output = graph, readings, pixels, output
        self._part, self._batch = part, batch
        self._run: Callable[..., Any] | None = None
        self._slopes: Callable[..., Any] | None = None

    def scores(self, shifted: Stored, clean: Stored, restored: Mapping[int, Sequence[int]]) -> NDArray[np.float32]:
        """Return (N, K) the model's output for changed images with units restored.

        shifted, clean: (N, H, W, C) as stored. restored: units by the place of their reading.
        """
        import tensorflow as tf

        if self._run is None:
            masks = [tf.TensorSpec((reading.units,), tf.float32) for reading in self._readings]
            self._run = forward.compiled(self._patched, self._part, self._pixels, [self._spec(), *masks])
        given = [np.zeros(reading.units, np.float32) for reading in self._readings]
        for place, units in restored.items():
            given[place][list(units)] = 1
        found = []
        for start in range(0, len(shifted), self._batch):
            some = slice(start, start + self._batch)
            with forward.faults_named(shifted[some]):
                found.append(self._run(shifted[some], clean[some], *given).numpy())
        return np.concatenate(found)

    def attributions(self, shifted: Stored, clean: Stored, labels: Counts, taken_for: Counts) -> list[Floats]:
        """Return (U,) of each reading how much each unit's own change costs, to first order, summed over images.

        It is the change of the unit times the slope, at the changed image, of how far the score of the label (N,) is
        above that of the class that the image is taken for (N,): attribution patching (Nanda 2023; Syed et al. 2023).
        Positive where giving back what the unit said of the unchanged image would help.
        Raises LookupError where an operation of the model has no slope.
        """
        import tensorflow as tf

        if self._slopes is None:
            classes = [tf.TensorSpec((None,), tf.int64)] * 2
            self._slopes = forward.compiled(self._attributed, self._part, self._pixels, [self._spec(), *classes])
        found = [np.zeros(reading.units) for reading in self._readings]
        for start in range(0, len(shifted), self._batch):
            some = slice(start, start + self._batch)
            with forward.faults_named(shifted[some]):
                each = self._slopes(shifted[some], clean[some], labels[some], taken_for[some])
            for into, one in zip(found, each, strict=True):
                into += one.numpy().astype(np.float64).sum(axis=0)
        return found

    def _spec(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec((None, *self._part.images.shape[1:]), self._part.images.dtype)

    def _clean(self, clean: Any) -> dict[Tensor, Any]:
        wanted = list(dict.fromkeys(reading.tensor for reading in self._readings))
        _, values = self._graph.values(forward.as_seen(clean, self._pixels), wanted)
        return dict(zip(wanted, values, strict=True))

    def _patched(self, images: Any, clean: Any, *masks: Any) -> Any:
        import tensorflow as tf

        known = self._clean(clean)

        def change(tensor: Tensor, value: Any) -> Any:
            for reading, mask in zip(self._readings, masks, strict=True):
                if reading.tensor is tensor:  # several layers may be read in one
                    own, before = reading.own(value), reading.own(known[tensor])
                    behind = [1] * (len(reading.shape) - 1 - reading.axis)
                    back = tf.reshape(mask, (-1, *behind)) > 0
                    value = reading.put(tf.where(back, before, own), value)
            return value

        return tf.cast(self._graph.run(images, change), tf.float32)

    def _attributed(self, images: Any, clean: Any, labels: Any, taken_for: Any) -> list[Any]:
        import tensorflow as tf

        known, found = self._clean(clean), {}
        with tf.GradientTape() as tape:

            def watch(tensor: Tensor, value: Any) -> Any:
                if tensor in known:
                    tape.watch(value)
                    found[tensor] = value
                return value

            scores = self._logs(tf.cast(self._graph.run(images, watch), tf.float32))
            above = tf.gather(scores, labels, batch_dims=1) - tf.gather(scores, taken_for, batch_dims=1)
        slopes = dict(
            zip(found, tape.gradient(above, list(found.values()), unconnected_gradients="zero"), strict=True)
        )
        each = []
        for reading in self._readings:
            value, before, slope = (
                units_last(one[reading.tensor], reading) for one in (found, known, slopes)
            )
            places = list(range(1, len(value.shape) - 1))
            each.append(tf.reduce_sum((before - value) * slope, places))
        return each

    def _logs(self, scores: Any) -> Any:
        """Return (B, K) scores of which differences are log odds, however the model gives them."""
        import tensorflow as tf

        if self._output == "logits":
            return tf.concat([tf.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores
        if scores.shape[1] == 1:
            scores = tf.concat([1 - scores, scores], 1)
        return tf.math.log(scores + _TINY)

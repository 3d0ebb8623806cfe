"""Integrated gradients of the margin between two scores, in the pixels as they are stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.effects.head import Head
from reportgen.dataset import Pixels

Floats = NDArray[np.float32]
Classes = NDArray[np.int32]


class Margins:
    """The score of one class less that of another, before softmax or sigmoid, for any pixels.

    shape: (H, W, C) of an image as it is stored. batch: how many images at once.
    """

    def __init__(self, graph: Graph, head: Head, pixels: Pixels, shape: tuple[int, ...], batch: int) -> None:
        import tensorflow as tf

        def margin(images: Any, toward: Any, away: Any) -> Any:
            _, (found,) = graph.values(forward.as_seen(images, pixels), [head.tensor])
            scores = head.scores(found)
            return tf.gather(scores, toward, batch_dims=1) - tf.gather(scores, away, batch_dims=1)

        def slope(images: Any, toward: Any, away: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                found = margin(images, toward, away)
            return tape.gradient(found, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        given = [tf.TensorSpec((None, *shape), tf.float32), *[tf.TensorSpec((None,), tf.int32)] * 2]
        self.batch, self._head = batch, head
        self._kernels = [weight for weight in graph.model.weights if len(weight.shape) > 1]
        self._margin, self._slope = (
            tf.function(one, input_signature=given, autograph=False) for one in (margin, slope)
        )

    def of(self, images: Floats, toward: Classes, away: Classes) -> Floats:
        """Return (N,) margins. images: (N, H, W, C) as stored, but floats. toward, away: (N,) classes."""
        return np.concatenate(list(self._each(self._margin, images, toward, away)))

    def attributions(self, images: Floats, baseline: Floats, toward: Classes, away: Classes, steps: int) -> Floats:
        """Return (N, H, W, C), how much each pixel adds to the margin on the way from the baseline to the image.

        baseline: (H, W, C). The mean slope at the middles of `steps` equal steps, times the way. Their sum over an
        image is the margin there less that at the baseline, up to an error that falls with the steps.
        Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, equation 3.
        """
        along = ((np.arange(steps, dtype=np.float32) + 0.5) / steps).reshape(-1, 1, 1, 1)
        found = []
        for image, one, other in zip(images, toward, away, strict=True):
            way, total = image - baseline, np.zeros(image.shape)
            for start in range(0, steps, self.batch):
                some = baseline + along[start : start + self.batch] * way
                classes = np.full(len(some), one), np.full(len(some), other)
                for slopes in self._each(self._slope, some, *classes):
                    total += slopes.sum(axis=0, dtype=np.float64)
            found.append(total / steps * way)
        return np.asarray(np.stack(found), np.float32)

    @contextmanager
    def shuffled(self, seed: int) -> Iterator[None]:
        """Have the values of each of the model's kernels in another order as long as this lasts.

        Their spread stays, and with it the size of what the layers give.
        Source: Adebayo et al. (2018), Sanity checks for saliency maps.
        """
        generator = np.random.default_rng(seed)
        kept = [kernel.numpy() for kernel in self._kernels]
        try:
            for kernel, values in zip(self._kernels, kept, strict=True):
                kernel.assign(generator.permutation(values.ravel()).reshape(values.shape))
            yield
        finally:
            for kernel, values in zip(self._kernels, kept, strict=True):
                kernel.assign(values)

    def _each(self, run: Any, images: Floats, toward: Classes, away: Classes) -> Iterator[Floats]:
        for start in range(0, len(images), self.batch):
            some = slice(start, start + self.batch)
            with forward.faults_named(images[some][:1]), self._head.before_activation():
                found = run(images[some], toward[some].astype(np.int32), away[some].astype(np.int32)).numpy()
            yield found

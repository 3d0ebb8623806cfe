"""The model run again with some units held at their mean: what its answers are without them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.collect.graph import Graph, Tensor
from reportgen.collect.reading import Reading
from reportgen.tally import Floats


def holding(graph: Graph, held: Sequence[tuple[Reading, Mapping[int, float]]]) -> Callable[[Any], Any]:
    """Return what gives the model's output, as float32, for images as it sees them, with units fixed at a value.

    held: for each layer the units and the values that they are held at, usually their means: zero would be outside
    of what the layers behind a BatchNormalization have ever seen. With nothing held it is the model as it is.
    """
    import tensorflow as tf

    masks = {reading.tensor: _mask(reading, values) for reading, values in held if values}

    def change(tensor: Tensor, value: Any) -> Any:
        if (mask := masks.get(tensor)) is None:
            return value
        free, fixed = (tf.cast(array, value.dtype) for array in mask)
        return value * free + fixed

    return lambda images: tf.cast(graph.run(images, change), tf.float32)


def _mask(reading: Reading, values: Mapping[int, float]) -> tuple[Floats, Floats]:
    """Return what to multiply a layer's output with and what to add, shaped to the axis of its units."""
    free, fixed = np.ones(reading.units), np.zeros(reading.units)
    chosen = list(values)
    free[chosen], fixed[chosen] = 0.0, list(values.values())
    if reading.channels_first:
        spread = (reading.units, *[1] * (len(reading.tensor.shape) - 2))
        free, fixed = free.reshape(spread), fixed.reshape(spread)
    return free, fixed

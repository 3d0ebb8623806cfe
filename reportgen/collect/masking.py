"""The model run again with some units held at their mean: what its answers are without them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.collect import forward
from reportgen.collect.graph import Graph
from reportgen.collect.reading import Reading
from reportgen.dataset import Part, Pixels
from reportgen.progress import Progress
from reportgen.tally import Floats


def outputs(
    graph: Graph,
    held: Sequence[tuple[Reading, Mapping[int, float]]],
    part: Part,
    pixels: Pixels,
    *,
    batch: int,
    label: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """Return the model's output for every image of `part`, (N, K), with the units of `held` fixed at a value.

    held: for each layer the units and the values that they are held at, usually their means: zero would be outside
    of what the layers behind a BatchNormalization have ever seen.
    """
    import tensorflow as tf

    masks = {id(reading.tensor): _mask(reading, values) for reading, values in held if values}

    def change(symbolic: Any, value: Any) -> Any:
        if (mask := masks.get(id(symbolic))) is None:
            return value
        free, fixed = (tf.cast(array, value.dtype) for array in mask)
        return value * free + fixed

    return forward.predict(
        lambda images: graph.run(images, change), part, pixels, batch=batch, label=label, progress=progress
    )


def _mask(reading: Reading, values: Mapping[int, float]) -> tuple[Floats, Floats]:
    """Return what to multiply a layer's output with and what to add, shaped to the axis of its units."""
    axis = 1 if reading.channels_first else -1
    units = reading.tensor.shape[axis]
    free, fixed = np.ones(units), np.zeros(units)
    chosen = list(values)
    free[chosen], fixed[chosen] = 0.0, list(values.values())
    if reading.channels_first:
        spread = (units, *[1] * (len(reading.tensor.shape) - 2))
        free, fixed = free.reshape(spread), fixed.reshape(spread)
    return free, fixed

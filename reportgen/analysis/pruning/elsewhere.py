"""The smallest and the largest value of units on images that no unit was judged on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.analysis.activations import forward
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import units_last
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.pruning.lossless import Elsewhere
from reportgen.dataset import Part, Pixels


def of(
    graph: Graph, readings: Sequence[Reading], parts: Mapping[str, Part], pixels: Pixels, batch: int
) -> Elsewhere | None:
    """Return what sends the images of these parts through the model when it is asked; None without any."""
    if not parts:
        return None

    def ranges(places: Sequence[int]) -> dict[int, tuple[Floats, Floats]]:
        return _ranges(graph, [readings[place] for place in places], places, parts, pixels, batch)

    return ranges


def _ranges(
    graph: Graph,
    readings: Sequence[Reading],
    places: Sequence[int],
    parts: Mapping[str, Part],
    pixels: Pixels,
    batch: int,
) -> dict[int, tuple[Floats, Floats]]:
    import tensorflow as tf

    def ends(images: Any) -> list[Any]:
        _, values = graph.values(images, [reading.tensor for reading in readings])
        found = []
        for reading, value in zip(readings, values, strict=True):
            own = units_last(value, reading)
            others = list(range(len(own.shape) - 1))
            found.append(tf.stack([tf.reduce_min(own, others), tf.reduce_max(own, others)]))
        return found

    low = {place: np.full(reading.units, np.inf) for place, reading in zip(places, readings, strict=True)}
    high = {place: -values for place, values in low.items()}
    for part in parts.values():
        runs = -(-len(part) // batch)
        run = forward.compiled_if_it_pays(ends, part, pixels, calls=len(graph.calls), runs=runs)
        for _, _, images in forward.read_ahead(part.images, batch):
            with forward.faults_named(images):
                found = run(images)
            for place, values in zip(places, found, strict=True):
                low[place] = np.minimum(low[place], values[0].numpy())
                high[place] = np.maximum(high[place], values[1].numpy())
    return {place: (low[place], high[place]) for place in places}

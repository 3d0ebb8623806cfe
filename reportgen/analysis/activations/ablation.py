"""The model run again without some units: what its answers are when these are held, or follow another unit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.reading import Reading


@dataclass(frozen=True)
class Line:
    """Gives `slope` times what another unit gives, plus `offset`."""

    unit: int
    slope: float
    offset: float


@dataclass(frozen=True)
class Ablation:
    """How a layer does without some of its units.

    held: by unit the value that it has everywhere, usually its mean: zero would be outside of what the layers behind
    a BatchNormalization have ever seen. lines: by unit the line that replaces it, through a unit that stays.
    """

    held: Mapping[int, float] = field(default_factory=dict)
    lines: Mapping[int, Line] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.held) + len(self.lines)


def without(graph: Graph, ablations: Sequence[Mapping[int, Ablation]], readings: Sequence[Reading]) -> Any:
    """Return what gives (B, A, K) the model's output, as float32, for (B, ...) images under each of A ablations.

    ablations: of each the layers that it is about, by the place of their reading. An empty one is the model as it is.
    What several have in common is computed once.
    """
    import tensorflow as tf

    changes = [_change([(readings[place], one) for place, one in layers.items()]) for layers in ablations]
    return lambda images: tf.cast(tf.stack(graph.runs(images, changes), axis=1), tf.float32)


def held(reading: Reading, ablation: Ablation, value: Any) -> Any:
    """Return the value of the tensor that is read, with the ablated units of the layer held or on their lines."""
    return masked_alike(value, reading.put(_ablated(reading, ablation, reading.own(value)), value))


def permuted(reading: Reading, units: Sequence[int], order: NDArray[np.int64], value: Any) -> Any:
    """Return the value of the tensor that is read, with some units' values being those for other images.

    order: (B,) for each image the one whose values it gets.
    """
    import tensorflow as tf

    return replaced(reading, units, tf.gather(reading.own(value), order, axis=0), value)


def replaced(reading: Reading, units: Sequence[int], others: Any, value: Any) -> Any:
    """Return the value of the tensor that is read, with some units' values those that `others` has for them.

    others: the layer's own values, as `reading.own` gives them.
    """
    import tensorflow as tf

    chosen = np.zeros(reading.units, np.bool_)
    chosen[list(units)] = True
    behind = [1] * (len(reading.shape) - 1 - reading.axis)
    mixed = tf.where(tf.constant(chosen.reshape(-1, *behind)), others, reading.own(value))
    return masked_alike(value, reading.put(mixed, value))


def masked_alike(value: Any, changed: Any) -> Any:
    """Return what was changed with the mask that Keras keeps beside a value, which says what is padding."""
    if (mask := getattr(value, "_keras_mask", None)) is not None:
        changed._keras_mask = mask
    return changed


def _change(ablated: Sequence[tuple[Reading, Ablation]]) -> Callable[[Tensor, Any], Any]:
    """Return what replaces each value of the graph; one without ablated units is returned as the same object."""

    def change(tensor: Tensor, value: Any) -> Any:
        for reading, ablation in ablated:  # several layers may be read in one tensor
            if reading.tensor is tensor and ablation:
                value = reading.put(_ablated(reading, ablation, reading.own(value)), value)
        return value

    return change


def _ablated(reading: Reading, ablation: Ablation, values: Any) -> Any:
    """Return a layer's own values without the ablated units."""
    import tensorflow as tf

    free, fixed, slopes = np.ones(reading.units), np.zeros(reading.units), np.zeros(reading.units)
    twins = np.arange(reading.units)
    for unit, value in ablation.held.items():
        free[unit], fixed[unit] = 0.0, value
    for unit, line in ablation.lines.items():
        free[unit], fixed[unit], slopes[unit], twins[unit] = 0.0, line.offset, line.slope, line.unit
    behind = [1] * (len(reading.shape) - 1 - reading.axis)
    free_, fixed_, slopes_ = (tf.cast(each.reshape(-1, *behind), values.dtype) for each in (free, fixed, slopes))
    kept = values * free_ + fixed_
    return kept + tf.gather(values, twins, axis=reading.axis) * slopes_ if ablation.lines else kept

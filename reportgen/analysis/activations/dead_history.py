"""Which units are dead after each epoch of a training, counted on the same images each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward, probe
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading, readings
from reportgen.analysis.units import states
from reportgen.dataset import Dataset, spread
from reportgen.record.training import Deaths, Died, LayerDeaths

if TYPE_CHECKING:
    import keras

WATCHED = 1000
"""How many images the units are watched on, at most."""

_SAME = 1e-5  # how far values may be apart, as a share of the largest, that the same weights give

Flags = NDArray[np.bool_]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Count:
    """What was counted after an epoch. peaks: of each layer (U,), its units' largest values; dead: (U,) of each."""

    epoch: int
    peaks: list[Values]
    dead: list[Flags]


class Watch:
    """Counts the dead units of a model whenever it is asked to, on the same images of a data set.

    The model is compiled once and only run, in inference mode: neither its weights nor any generator of random numbers
    changes. part: whose images; images: how many, spread evenly over the part, since a part may be sorted by class.
    memory: as in options.Options. Making one raises InputError where the model cannot be run on such images.
    """

    def __init__(
        self, model: "keras.Model", dataset: Dataset, part: str, *, images: int = WATCHED, memory: int
    ) -> None:
        self._part = part
        self._images = dataset.parts[part].images
        self._numbers = spread(len(self._images), images)
        self._graph = Graph(model)
        self._readings = [reading for reading in readings(self._graph) if reading.family != "softmax"]
        self._batch = probe.batch_size(self._readings, dataset.image_shape, memory)
        self._run = forward.compiled(self._extremes, dataset.parts[part], dataset.pixels)
        self._counts: list[Count] = []

    @property
    def has_counted(self) -> bool:
        """Whether anything was counted yet."""
        return bool(self._counts)

    def count(self, epoch: int) -> None:
        """Count the units that are dead now, after so many epochs. Raises InputError where the model cannot be run."""
        if self._readings:
            self._counts.append(self._counted(epoch))

    def found(self) -> Deaths | None:
        """Return the deaths so far of the units that are dead now; None where nothing was counted."""
        if not self._counts:
            return None
        layers = [(reading.name, reading.units) for reading in self._readings]
        return course(self._counts, self._counted(self._counts[-1].epoch), layers, len(self._numbers), self._part)

    def _extremes(self, images: Any) -> tuple[Any, Any]:
        """Return each unit's smallest and largest value, (sum of all U,) both. images: as the model sees them."""
        import tensorflow as tf

        _, found = self._graph.values(images, [reading.tensor for reading in self._readings])
        low, high = [], []
        for reading, whole in zip(self._readings, found, strict=True):
            values = reading.own(whole)
            axes = [axis for axis in range(len(values.shape)) if axis != reading.axis]
            high.append(tf.cast(tf.reduce_max(values, axes), tf.float32))
            # what is below zero does not matter behind a ReLU, and looking for it takes time
            least = tf.zeros_like(high[-1]) if states.rests_at_zero(reading) else tf.reduce_min(values, axes)
            low.append(tf.cast(least, tf.float32))
        return tf.concat(low, 0), tf.concat(high, 0)

    def _counted(self, epoch: int) -> Count:
        lows, highs = [], []
        for start in range(0, len(self._numbers), self._batch):
            images = self._images[self._numbers[start : start + self._batch]]
            with forward.faults_named(images):
                low, high = self._run(images)
            lows.append(low.numpy())
            highs.append(high.numpy())
        ends = np.cumsum([reading.units for reading in self._readings])[:-1]
        low, high = np.split(np.min(lows, axis=0), ends), np.split(np.max(highs, axis=0), ends)
        return Count(epoch, high, [_dead(*layer) for layer in zip(self._readings, low, high, strict=True)])


def course(counts: Sequence[Count], now: Count, layers: Sequence[tuple[str, int]], images: int, part: str) -> Deaths:
    """Return what the counts after all epochs, and one of the model as it is now, say together.

    layers: the name of each and its number of units. images, part: what was looked at.
    """
    last = _weights_of(counts, now)
    until = counts if last is None else counts[: last + 1]
    found = [
        LayerDeaths(
            layer=name,
            units=units,
            dead=[int(one.dead[n].sum()) for one in counts],
            since=_since(until, n, now.dead[n]),
        )
        for n, (name, units) in enumerate(layers)
    ]
    return Deaths(
        images=images,
        part=part,
        epochs=[one.epoch for one in counts],
        weights_of=None if last is None else counts[last].epoch,
        layers=found,
    )


def _since(counts: Sequence[Count], layer: int, now: Flags) -> list[Died]:
    """Return the units that are dead now, by the first epoch of the unbroken run of dead ones that the counts end in.

    A unit that is dead now and was not at the last count has no such epoch.
    """
    alive = ~np.array([one.dead[layer] for one in counts])  # (E, U)
    last_alive = np.where(alive.any(axis=0), len(alive) - 1 - alive[::-1].argmax(axis=0), -1)
    found = []
    for n, one in enumerate(counts):
        if len(units := np.flatnonzero(now & (last_alive == n - 1))):
            found.append(Died(one.epoch, units.tolist()))
    return found


def _weights_of(counts: Sequence[Count], now: Count) -> int | None:
    """Return the number of the last count with the same weights as now, known by what they give; None without one."""
    peaks = np.concatenate(now.peaks)
    apart = [float(np.abs(np.concatenate(one.peaks) - peaks).max()) for one in counts]
    nearest = len(apart) - 1 - int(np.argmin(apart[::-1]))
    return nearest if apart[nearest] <= _SAME * float(np.abs(peaks).max()) else None


def _dead(reading: Reading, low: Values, high: Values) -> Flags:
    """Return (U,) which units never left zero, as `states.is_dead` has it. low, high: (U,) over all images."""
    small = states.NOTHING * float(np.abs([low, high]).max())
    silent: Flags = high <= (0.0 if reading.family in states.RELU_FAMILY else small)
    return silent if states.rests_at_zero(reading) else silent & (low >= -small)

"""Effects of units the slow way: each is really masked, one by one, and the model predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import graph, reading
from reportgen.analysis.effects import layers
from reportgen.dataset import Part, Pixels
from reportgen.i18n import literal
from reportgen.runtime import keras
from tests.helpers.builders import make_unit, make_verdict
from tests.helpers.passes import answers

Array = NDArray[Any]
PLAIN = Pixels(1.0, literal("as they are"))


@dataclass
class Case:
    """A model on images, half of which choose. groups: of redundant units, by layer; flagged: units by layer."""

    model: Any
    part: Part
    choose: NDArray[np.bool_]
    groups: dict[str, list[list[int]]]
    output: str = "softmax"

    @property
    def classes(self) -> int:
        return max(int(self.model.output_shape[-1]), 2)

    def measured(self, batch: int = 64, seed: int = 0, twins: Sequence[int] = ()) -> dict[str, layers.Found]:
        """Return what is found of each layer. twins: units that another stands in for."""
        drawn = graph.Graph(self.model)
        read = reading.readings(drawn)
        verdicts = [make_verdict(one.name, one.units, groups=self.groups.get(one.name, [])) for one in read]
        units = [
            make_unit(layer=one.name, unit=n, group=None, removable=n in twins)
            for one in read
            for n in range(one.units)
        ]
        images = np.asarray(self.part.images, np.float32)
        predicted = predictions(answers(self.model, images))
        subject = layers.Subject(
            self.part, PLAIN, self.choose, [self._mean(drawn, one) for one in read],
            [str(k) for k in range(self.classes)], predicted, self.output,
        )  # fmt: skip
        found = layers.measure(drawn, read, subject, verdicts, units, batch=batch, seed=seed)
        return {one.name: of for one, of in zip(read, found, strict=True)}

    def _mean(self, drawn: graph.Graph, read: reading.Reading) -> Array:
        images = np.asarray(self.part.images, np.float32)[self.choose]
        values = np.asarray(read.own(drawn.values(images, [read.tensor])[1][0]))
        moved = np.moveaxis(values, read.axis, -1).reshape(-1, read.units)
        return np.asarray(moved.mean(axis=0, dtype=np.float64) if len(images) else np.zeros(read.units))

    @property
    def labels(self) -> Array:
        """The classes of the images that score."""
        return self.part.labels[~self.choose]

    def slowly(self, name: str, units: Sequence[int]) -> tuple[list[float], float]:
        """Return how recall of each class and accuracy change without some units of a layer."""
        before, after = self.right(name, units)
        change = after.astype(float) - before
        return [change[self.labels == k].mean() for k in range(self.classes)], change.mean()

    def right(self, name: str, units: Sequence[int]) -> tuple[Array, Array]:
        """Return whether a Sequential model is right about each image with and without some units of a layer."""
        values = np.asarray(self.part.images, np.float32)[~self.choose]
        place = [layer.name for layer in self.model.layers].index(name)
        for layer in self.model.layers[: place + 1]:
            values = np.asarray(layer(values, training=False))
        masked = values.copy()
        masked[..., list(units)] = means(self.model, name, np.asarray(self.part.images, np.float32)[self.choose])[
            list(units)
        ]
        right = []
        for one in (values, masked):
            for layer in self.model.layers[place + 1 :]:
                one = np.asarray(layer(one, training=False))
            right.append(predictions(one) == self.labels)
        return right[0], right[1]


def predictions(outputs: Array) -> Array:
    """Return the classes that outputs name; of a single one the second from one half on."""
    return (outputs[:, 0] > 0.5).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)


def means(model: Any, name: str, images: Array) -> Array:
    """Return the mean of each unit of a layer over images and positions."""
    values = np.asarray(keras.Model(model.inputs[0], model.get_layer(name).output)(images, training=False))
    return np.asarray(values.mean(axis=tuple(range(values.ndim - 1)), dtype=np.float64))

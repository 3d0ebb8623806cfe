"""One pass over a live model and what is concluded from it, in the shape that tests of both start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis import judging
from reportgen.analysis.activations import outputs, probe
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading, readings
from reportgen.analysis.activations.tally import LayerPlan, LayerTally
from reportgen.analysis.evaluation import scores
from reportgen.analysis.units.facts import DEFAULTS, Thresholds
from reportgen.data import samples
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.i18n import literal
from reportgen.progress import Progress
from reportgen.record.units import LayerVerdict, Unit
from reportgen.runtime import keras

Array = NDArray[Any]
QUIET = Progress()


def make_part(shape: Sequence[int], count: int = 40, classes: int = 3, seed: int = 0) -> Part:
    """Return images of 8 bits, noise of its own brightness for each image, with labels in turn."""
    generator = np.random.default_rng(seed)
    noise, brightness = generator.random((count, *shape)), generator.random((count, *[1] * len(shape)))
    return Part((256 * noise * brightness).astype(np.uint8), np.arange(count) % classes)


def make_dataset(test: Part, train: Part | None = None, *, scale: float = 1 / 255) -> Dataset:
    labels = np.concatenate([part.labels for part in (test, train) if part is not None])
    names = tuple(str(k) for k in range(labels.max() + 1))
    return Dataset("made", literal("arrays"), train, test, names, "", Pixels(scale, literal("")))


def black_and_white_digits(count: int) -> Dataset:
    """Return the first of the bundled test digits with pixels 0 and 1, which reach the model as they are.

    Sums of such pixels with weights that are small whole numbers are exact in float32, in whatever order they are
    added up. So every count and every maximum can be compared exactly, on every machine.
    """
    test = samples.load("sample", test_only=True).test
    part = Part((test.images[:count] > 127).astype(np.uint8), test.labels[:count])
    return make_dataset(part, scale=1.0)


def randomise(model: Any, seed: int = 0) -> Any:
    """Give every weight a random value, moving means and variances too, and return the model."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        values = generator.standard_normal(weight.shape)
        if weight.name == "moving_variance":
            values = 0.5 + values**2
        elif len(weight.shape) > 1:
            values *= np.sqrt(2 / np.prod(weight.shape[:-1]))
        else:
            values *= 0.3
        weight.assign(values)
    return model


@dataclass
class Looked:
    """A model that was looked at: its graph, the pass and the verdicts."""

    model: Any
    dataset: Dataset
    graph: Graph
    readings: list[Reading]
    outputs: dict[str, Outputs]
    looked: judging.Looked
    layers: list[LayerVerdict]
    units: list[Unit]

    @property
    def plans(self) -> Sequence[LayerPlan]:
        return self.looked.plans

    @property
    def tallies(self) -> Sequence[LayerTally]:
        return self.looked.tallies

    def units_of(self, layer: str) -> list[Unit]:
        return [unit for unit in self.units if unit.layer == layer]


def look(
    model: Any,
    dataset: Dataset,
    *,
    looked_at: Sequence[str] = ("test",),
    memory: int = 1000,
    thresholds: Thresholds = DEFAULTS,
) -> Looked:
    """Look at a model the way a report does."""
    graph = Graph(model)
    found = readings(graph)
    parts: Mapping[str, Part] = {"test": dataset.test} | ({"train": dataset.train} if dataset.train else {})
    passed = probe.all_parts(graph, found, parts, list(looked_at), dataset, memory=memory, progress=QUIET)
    answered = passed.answered
    predicted = {name: one.predicted for name, one in outputs.read(answered)[0].items() if name in looked_at}
    looked = judging.Looked(found, passed.plans, passed.tallies, {name: parts[name] for name in looked_at}, predicted)
    names = scores.class_labels(dataset.class_names, answered["test"].classes)
    layers, units = judging.judge(graph, looked, dataset, names, thresholds)
    return Looked(model, dataset, graph, found, answered, looked, layers, units)


def predicted(model: Any, images: Array, scale: float = 1 / 255, *, of: str | None = None) -> Array:
    """Return what Keras alone predicts, (N, ...) float32: of the model, or of a model cut off behind a layer."""
    cut = model if of is None else keras.Model(model.inputs[0], model.get_layer(of).output)
    return answers(cut, images.astype(np.float32) * np.float32(scale))


def answers(model: Any, images: Array) -> Array:
    """Return what a model says of images as it sees them. Calling it is what its `predict` does, after seconds of
    making a graph of it.
    """
    parts = (images[n : n + 256] for n in range(0, len(images), 256))
    return np.concatenate([np.asarray(model(part, training=False)) for part in parts])


def assert_alike(found: Outputs, expected: Outputs, rtol: float = 1e-5) -> None:
    """Compare what was kept of outputs for the same images."""
    (one, kind), (other, expected_kind) = (outputs.read({"": each}) for each in (found, expected))
    assert kind == expected_kind
    np.testing.assert_array_equal(one[""].predicted, other[""].predicted)
    np.testing.assert_allclose(one[""].loss, other[""].loss, rtol=rtol)
    np.testing.assert_allclose(one[""].binned, other[""].binned, rtol=rtol)
    np.testing.assert_allclose(one[""].confidence, other[""].confidence, rtol=rtol)


def flat(values: Array) -> Array:
    """(N, *positions, U) -> (N, P, U)."""
    return values.reshape(len(values), -1, values.shape[-1])

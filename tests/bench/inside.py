"""Pairs that are timed inside one process, imports and loading left out. A process of its own, since it has TensorFlow.

python -m tests.bench.inside pass|both|pictures|maps|smooth MODEL DATA PAIR.json
"""

import dataclasses
import importlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import matplotlib
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

from reportgen.analysis import pictures
from reportgen.analysis.activations import graph, probe, reading
from reportgen.analysis.activations.shards import Engine
from reportgen.analysis.attribution.explained import STEPS
from reportgen.analysis.attribution.gradients import Margins
from reportgen.analysis.effects import head
from reportgen.analysis.evaluation import predictions
from reportgen.data import pixels, samples
from reportgen.dataset import Dataset, Part
from reportgen.model import load, model_file
from reportgen.options import Options
from reportgen.progress import Progress
from reportgen.render.pictures import tiles
from tests import ROOT
from tests.bench.clock import Pair, in_turn

EXAMPLES = 5
MAPS = 50


def opened(model: str, data: str) -> tuple[graph.Graph, list[reading.Reading], Dataset]:
    """Return the graph of a saved model, its readings, and the data set as this model sees it."""
    with model_file.read(Path(model)) as file:
        drawn = graph.Graph(load.load(file))
    found = samples.load(data, test_only=True)
    return drawn, reading.readings(drawn), found.seen_as(pixels.choose(found, "auto", wants=None))


def send(
    drawn: graph.Graph,
    readings: list[reading.Reading],
    dataset: Dataset,
    parts: Mapping[str, Part],
    engine: Engine | None = None,
) -> None:
    """Send parts through a model, and tally the test split. engine: by default here."""
    memory, progress = Options().memory, Progress()
    probe.all_parts(drawn, readings, parts, ["test"], dataset, memory=memory, progress=progress, engine=engine)


def passes(drawn: graph.Graph, readings: list[reading.Reading], dataset: Dataset, *, train: bool) -> Pair:
    """Time the pass against model.predict on the same images and batches; both compile their graph anew in each run.

    train: send the training split through, too; it is answered, but not looked at, as the command does by default.
    """
    parts = {"test": dataset.test}
    if train and dataset.train is not None:
        parts["train"] = dataset.train
    size = probe.batch_size(readings, dataset.image_shape, Options().memory)
    scaled = [part.images[:].astype(np.float32) * np.float32(dataset.pixels.scale) for part in parts.values()]

    def predict() -> None:
        fresh = keras.Model(drawn.model.inputs, drawn.model.outputs)
        for images in scaled:
            fresh.predict(images, batch_size=size, verbose=0)

    return in_turn(lambda: send(drawn, readings, dataset, parts), predict)


def all_pictures(drawn: graph.Graph, readings: list[reading.Reading], dataset: Dataset) -> Pair:
    """Time the pictures of every convolution unit's output for some images against the article's way."""
    matplotlib.use("agg")
    nothing = predictions.of(np.full((len(dataset.test), 10), 0.1), dataset.test.labels)

    def ours() -> None:
        collected = pictures.collect(drawn, readings, dataset, nothing, examples=EXAMPLES)
        for maps in collected.maps:
            tiles.maps_grid(maps, collected.examples.images)

    images = dataset.test.images[:EXAMPLES].astype(np.float32) / 255
    return in_turn(ours, lambda: article(drawn.model, images))


def article(network: keras.Model, images: NDArray[np.float32]) -> None:
    """Do as the article does: a Sequential up to the layer, one prediction and one matplotlib axis for each tile."""
    for end, layer in enumerate(network.layers, 1):
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        upto = keras.Sequential([keras.Input(images.shape[1:]), *network.layers[:end]])
        figure, axes = pyplot.subplots(len(images), layer.filters + 1)
        for row, image in zip(axes, images, strict=True):
            row[0].imshow(image[..., 0], cmap="gray")
            for unit in range(layer.filters):
                row[unit + 1].imshow(upto.predict(image[np.newaxis], verbose=0)[0, :, :, unit])
        figure.savefig(io.BytesIO(), format="png")
        pyplot.close(figure)


def maps(drawn: graph.Graph, dataset: Dataset, rival: str) -> Pair:
    """Time gradient maps of images; each library builds what it needs anew in each run. rival: "maps" or "smooth"."""
    images = dataset.test.images[:MAPS]
    seen = images.astype(np.float32) * np.float32(dataset.pixels.scale)
    toward = dataset.test.labels[:MAPS].astype(np.int32)
    away = (toward + 1) % len(dataset.class_names)

    def ours() -> None:
        margins = Margins(drawn, head.find(drawn, "softmax"), dataset.pixels, dataset.image_shape, STEPS)
        stored = images.astype(np.float32)
        margins.attributions(stored, stored.mean(axis=0), toward, away, STEPS)

    sys.path.append(str(ROOT / ".venv-bench" / "beside"))
    return in_turn(ours, (_xplique if rival == "maps" else _tf_keras_vis)(drawn.model, seen, toward))


def _xplique(model: keras.Model, images: NDArray[np.float32], classes: NDArray[np.int32]) -> Callable[[], None]:
    attributions = importlib.import_module("xplique.attributions")
    wanted = keras.utils.to_categorical(classes, model.output_shape[-1])

    def explain() -> None:
        attributions.IntegratedGradients(model, steps=STEPS, batch_size=STEPS)(images, wanted)

    return explain


def _tf_keras_vis(model: keras.Model, images: NDArray[np.float32], classes: NDArray[np.int32]) -> Callable[[], None]:
    saliency, scores = (importlib.import_module(f"tf_keras_vis.{name}") for name in ("saliency", "utils.scores"))

    def explain() -> None:
        asked = scores.CategoricalScore(classes.tolist())
        saliency.Saliency(model, clone=True)(asked, images, smooth_samples=STEPS)

    return explain


def measured(what: str, model: str, data: str) -> Pair:
    """Return what a pair takes."""
    drawn, readings, dataset = opened(model, data)
    if what in ("maps", "smooth"):
        return maps(drawn, dataset, what)
    if what == "pictures":
        return all_pictures(drawn, readings, dataset)
    return passes(drawn, readings, dataset, train=what == "both")


if __name__ == "__main__":
    what, model, data, target = sys.argv[1:]
    pair = measured(what, model, data)
    Path(target).write_text(json.dumps(dataclasses.asdict(pair)), encoding="utf-8")

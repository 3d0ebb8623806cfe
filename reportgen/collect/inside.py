"""What one pass says about every unit: verdicts on layers and units, and the proof that they hold."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reportgen.collect import fields, moments, outputs, proof, states, units, weights
from reportgen.collect.facts import ImageFacts, Thresholds
from reportgen.collect.graph import Graph
from reportgen.collect.predictions import Classes
from reportgen.collect.reading import Reading
from reportgen.collect.shards import Engine, Shard, Work
from reportgen.dataset import Dataset, Part, numbered_through
from reportgen.progress import Progress
from reportgen.record import LayerVerdict, Proof, TopImage, Unit
from reportgen.tally import Floats, LayerPlan, LayerTally

_TOGETHER = min(4, os.cpu_count() or 1)  # layers judged at once, each of which needs arrays of its own


@dataclass(frozen=True)
class Looked:
    """What a pass was made of: one layer plan and one tally for each reading, and the parts whose images went in.

    predicted: by part, (N,) class indices. Images are numbered through the parts in their order.
    """

    readings: Sequence[Reading]
    plans: Sequence[LayerPlan]
    tallies: Sequence[LayerTally]
    parts: Mapping[str, Part]
    predicted: Mapping[str, Classes]


def judge(
    graph: Graph, looked: Looked, dataset: Dataset, names: Sequence[str], thresholds: Thresholds
) -> tuple[list[LayerVerdict], list[Unit]]:
    """Return the verdicts on all layers that were read and on all their units, in the order of the model.

    names: of the classes, as the scores have them.
    """
    images = ImageFacts(
        labels=numbered_through([part.labels for part in looked.parts.values()]),
        predicted=numbered_through([looked.predicted[name] for name in looked.parts]),
        names=names,
        digests=numbered_through([part.survey.digests for part in looked.parts.values()]),
    )
    apart = dataset.pixels.shape is None and not any(reading.channels_first for reading in looked.readings)
    image_range = _image_range(looked.parts, dataset, channels_apart=apart)
    ranges = weights.input_ranges(graph, looked.readings, looked.tallies, image_range)
    seen = fields.fields(graph)

    def judged(reading: Reading, plan: LayerPlan, tally: LayerTally) -> tuple[LayerVerdict, list[Unit]]:
        verdict, of_layer = units.judge(plan, tally, weights.facts(reading, graph, ranges), images, thresholds)
        field = None if reading.channels_first else seen[reading.tensor]
        return verdict, [_with_patches(unit, field, dataset.image_shape) for unit in of_layer]

    with ThreadPoolExecutor(_TOGETHER) as pool:
        found = list(pool.map(judged, looked.readings, looked.plans, looked.tallies))
    return [verdict for verdict, _ in found], [unit for _, of_layer in found for unit in of_layer]


def prove(
    engine: Engine, looked: Looked, judged: Sequence[Unit], dataset: Dataset, right: NDArray[np.bool_],
    *, batch: int, progress: Progress,
) -> Proof:  # fmt: skip
    """Return the accuracy on the test part with every dead and every removable unit held at its mean.

    right: (N,) whether the whole model classifies each test image correctly.
    """
    held: dict[int, dict[int, float]] = {}
    for place, (plan, tally) in enumerate(zip(looked.plans, looked.tallies, strict=True)):
        idle = [u.unit for u in judged if u.layer == plan.layer and (u.state == states.DEAD or u.removable)]
        if idle:
            mean = moments.mean(plan, tally)
            held[place] = {unit: float(mean[unit]) for unit in idle}
    masked = sum(map(len, held.values()))
    before = float(right.mean())
    if not masked:
        return Proof(0, before, before, [0.0, 0.0])
    whole = Shard("test", 0, len(dataset.test))
    answered = engine.send(Work(dataset.pixels, batch, held=held), {"test": dataset.test}, [whole], progress)
    found, _ = outputs.read({"test": answered.outputs_of("test")})
    after = found["test"].predicted == dataset.test.labels
    return Proof(masked, before, float(after.mean()), list(proof.interval(right, after)))


def _image_range(parts: Mapping[str, Part], dataset: Dataset, *, channels_apart: bool) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value as the model sees them: (C,) of each channel, else (1,) of all."""
    ends = np.stack(
        [
            np.min([part.survey.low for part in parts.values()], axis=0),
            np.max([part.survey.high for part in parts.values()], axis=0),
        ]
    )
    seen = dataset.pixels.of(ends)
    low, high = seen.min(axis=0), seen.max(axis=0)  # a negative scale turns them round
    return (low, high) if channels_apart else (low.min(keepdims=True), high.max(keepdims=True))


def _with_patches(unit: Unit, field: fields.Field | None, image_shape: Sequence[int]) -> Unit:
    def framed(top: TopImage) -> TopImage:
        position = [at for at in (top.plane, top.row, top.column) if at is not None]
        return replace(top, patch=fields.patch(field, position, image_shape[:-1]))

    other = None if unit.other_image is None else framed(unit.other_image)
    return replace(unit, top_images=[framed(top) for top in unit.top_images], other_image=other)

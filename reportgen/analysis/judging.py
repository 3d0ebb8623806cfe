"""What one pass says about every unit: verdicts on layers and units, and the proof that they hold."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations import outputs, receptive_fields, weights
from reportgen.analysis.activations.ablation import Ablation, Line
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.shards import Engine, Shard, Work, batches_of
from reportgen.analysis.activations.tally import Floats, LayerPlan, LayerTally
from reportgen.analysis.evaluation import proof
from reportgen.analysis.evaluation.predictions import Classes
from reportgen.analysis.units import layer_verdict, moments, states
from reportgen.analysis.units.facts import ImageFacts, Thresholds
from reportgen.dataset import Dataset, Part, numbered_through
from reportgen.progress import Progress
from reportgen.record.evaluation import Ablated, Proof
from reportgen.record.units import LayerVerdict, Unit

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
    )
    of_images = image_range(looked.readings, looked.parts, dataset)
    ranges = weights.input_ranges(graph, looked.readings, looked.tallies, of_images)
    seen = receptive_fields.fields(graph)

    def judged(reading: Reading, plan: LayerPlan, tally: LayerTally) -> tuple[LayerVerdict, list[Unit]]:
        field = None if reading.channels_first else seen[reading.call.outputs[0]]
        patch = _patches(field, dataset.image_shape[:-1])
        known = weights.facts(reading, graph, ranges)
        return layer_verdict.judge(plan, tally, known, images, thresholds, patch)

    # one thread for each product: how OpenBLAS divides one depends on which cores are free, and so does its rounding
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_TOGETHER) as pool:
        found = list(pool.map(judged, looked.readings, looked.plans, looked.tallies))
    return [verdict for verdict, _ in found], [unit for _, of_layer in found for unit in of_layer]


def ablations(looked: Looked, judged: Sequence[Unit]) -> dict[str, dict[int, Ablation]]:
    """Return what takes out the "dead" and the "redundant" units, and "both" where there are both; see `prove`.

    Of each the layers that it is about, by the place of their reading.
    """
    dead, removable = _without_dead(looked, judged), _without_removable(looked, judged)
    both = {
        place: Ablation(dead.get(place, Ablation()).held, removable.get(place, Ablation()).lines)
        for place in (dead | removable)
    }
    apart = {name: layers for name, layers in (("dead", dead), ("redundant", removable)) if layers}
    return apart | ({"both": both} if len(apart) > 1 else {})


def prove(
    engine: Engine, asked: Mapping[str, Mapping[int, Ablation]], dataset: Dataset, right: NDArray[np.bool_],
    *, batch: int, progress: Progress,
) -> Proof:  # fmt: skip
    """Return the accuracy on the test split without the dead units, without the removable ones, and without either.

    A dead unit is held at its mean. A removable one is replaced by the least-squares line through the unit of its
    group that stays: to hold it at its mean would take away what the others of its group say, too, where each has a
    share of it. asked: as of `ablations`. right: (N,) whether the whole model classifies each test image correctly.
    """
    before = float(right.mean())
    if not asked:
        return Proof(0, before, before, [0.0, 0.0])
    whole = Shard("test", 0, len(dataset.test))
    work = Work(dataset.pixels, batch, batches_of([whole], batch), ablations=list(asked.values()))
    answered = engine.send(work, {"test": dataset.test}, [whole], progress)
    found = []
    for number, layers in enumerate(asked.values()):
        predicted, _ = outputs.read({"test": answered.outputs_of("test", number)})
        after = predicted["test"].predicted == dataset.test.labels
        found.append(Ablated(sum(map(len, layers.values())), float(after.mean()), list(proof.interval(right, after))))
    return Proof(
        masked_units=found[-1].units,
        accuracy_before=before,
        accuracy_after=found[-1].accuracy_after,
        interval=found[-1].interval,
        **{name: one for name, one in zip(asked, found, strict=True) if name != "both"},
    )


def _without_dead(looked: Looked, judged: Sequence[Unit]) -> dict[int, Ablation]:
    """Return the ablation of all dead units, by the place of their layer."""
    found = {}
    for place, (plan, tally) in enumerate(zip(looked.plans, looked.tallies, strict=True)):
        if dead := [u.unit for u in judged if u.layer == plan.layer and u.state == states.DEAD]:
            mean = moments.mean(plan, tally)
            found[place] = Ablation(held={unit: float(mean[unit]) for unit in dead})
    return found


def _without_removable(looked: Looked, judged: Sequence[Unit]) -> dict[int, Ablation]:
    """Return the ablation of all removable units, by the place of their layer."""
    stays = {(unit.layer, unit.group): unit.unit for unit in judged if not unit.removable}
    found = {}
    for place, (plan, tally) in enumerate(zip(looked.plans, looked.tallies, strict=True)):
        if removable := [unit for unit in judged if unit.layer == plan.layer and unit.removable]:
            twins = {unit.unit: stays[unit.layer, unit.group] for unit in removable}
            lines = moments.lines(plan, tally, twins)
            found[place] = Ablation(lines={unit: Line(twins[unit], *line) for unit, line in lines.items()})
    return found


def image_range(readings: Sequence[Reading], parts: Mapping[str, Part], dataset: Dataset) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value as the model sees them: (C,) of each channel where they come last."""
    apart = dataset.pixels.shape is None and not any(reading.channels_first for reading in readings)
    return _image_range(parts, dataset, channels_apart=apart)


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


def _patches(field: receptive_fields.Field | None, image: Sequence[int]) -> layer_verdict.Patch:
    """Return what gives the patch that a position sees, (plane, row, column): many units are strongest at the same."""

    @cache
    def patch(position: tuple[int | None, ...]) -> list[int] | None:
        return receptive_fields.patch(field, [at for at in position if at is not None], image)

    return patch

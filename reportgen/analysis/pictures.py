"""The arrays that pictures are painted from: layers' outputs for a few examples, kernels, and what cards show."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds, weights
from reportgen.analysis.activations.graph import Graph, kind
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import LayerPlan, LayerTally
from reportgen.analysis.evaluation.predictions import Predictions
from reportgen.analysis.judging import Looked
from reportgen.analysis.units import moments, states
from reportgen.dataset import Dataset, Images, taken
from reportgen.record.pictures import Cards, ClassMap, Correlations, Examples, Kernels, Maps, Pictures, Strips
from reportgen.record.units import LayerVerdict, Unit

UNITS_SHOWN = 64
"""Most units of one layer that get a picture; the report says "64 of N"."""
CHANNELS_SHOWN = 8
"""Most input channels of one unit whose kernels get a picture, strongest first."""
SIDE_SHOWN = {1: 256, 2: 64, 3: 16}
"""Longest side of a map in values, by its number of axes; of larger maps every n-th position of an axis is kept."""
UNITS_COMPARED = 256
"""Most units in the picture of a layer's correlations and of its answers to each class."""
CLASSES_COMPARED = 50
CARDS = 160
"""Most units of the whole report that get a card; those with a problem come first."""


def collect(
    graph: Graph, readings: Sequence[Reading], dataset: Dataset, predictions: Predictions, *, examples: int,
    looking: Looking | None = None,
) -> Pictures:  # fmt: skip
    """Return the arrays that need the model. predictions: of the test split; examples: how many test images.

    looking: where the pass compiled the model. A layer whose outputs have more than three axes besides that of its
    units has none.
    """
    test, count = dataset.test, min(examples, len(dataset.test))
    wanted = [reading.tensor for reading in readings]
    read = (looking or Looking(graph)).floats(test.images[:count], dataset.pixels, wanted)
    values = [np.asarray(reading.own(found)) for reading, found in zip(readings, read, strict=True)]
    pictures = Pictures(
        examples=Examples(test.images[:count], test.labels[:count], predictions.predicted[:count].astype(np.int64)),
        worst=test.images[predictions.mistakes],
        cards=Cards(np.zeros(0, np.int64), test.images[:0], {}),
    )
    for reading, found in zip(readings, values, strict=True):
        if found.ndim == 2:
            of_output = reading.tensor is graph.output
            pictures.strips.append(Strips(reading.name, found.shape[-1], of_output, found[:, :UNITS_SHOWN]))
        elif found.ndim - 2 in SIDE_SHOWN:
            pictures.maps.append(_maps(reading, found))
            if (of_units := _kernels(reading, dataset, is_first=not pictures.kernels)) is not None:
                pictures.kernels.append(of_units)
    return pictures


def with_units(pictures: Pictures, looked: Looked, verdicts: Sequence[LayerVerdict], units: Sequence[Unit]) -> Pictures:
    """Add what the pass brought: correlations and class maps of every layer, and the images that cards show."""
    read = list(zip(looked.plans, looked.tallies, verdicts, strict=True))
    compared = [correlations(plan, tally, verdict) for plan, tally, verdict in read if plan.family != "softmax"]
    return dataclasses.replace(
        pictures,
        correlations=[found for found in compared if found is not None],
        class_maps=[class_map(plan, tally) for plan, tally, _ in read],
        cards=cards(units, {name: part.images for name, part in looked.parts.items()}),
    )


def correlations(plan: LayerPlan, tally: LayerTally, verdict: LayerVerdict) -> Correlations | None:
    """Return how alike a layer's units are; None where fewer than two can be compared."""
    left_out = {unit for units in verdict.left_out.values() for unit in units}
    compared = [unit for unit in range(plan.units) if unit not in left_out][:UNITS_COMPARED]
    if len(compared) < 2:
        return None
    r = moments.pooled_correlation(plan, tally, np.array(compared))
    order = _clustered(r)
    return Correlations(plan.layer, plan.units, np.array(compared)[order], r[np.ix_(order, order)].astype(np.float32))


def class_map(plan: LayerPlan, tally: LayerTally) -> ClassMap:
    """Return what a layer's first units answer to the first classes."""
    means = moments.class_means(plan, tally)[:CLASSES_COMPARED, :UNITS_COMPARED]
    return ClassMap(plan.layer, plan.units, means.astype(np.float32))


def cards(units: Sequence[Unit], images: Mapping[str, Images]) -> Cards:
    """Choose the units that get a card, those with a problem first, and gather the images that these show.

    images: the parts that were looked at, in the order in which their images are numbered.
    """
    by_need = sorted(range(len(units)), key=lambda n: (not _is_flagged(units[n]), n))[:CARDS]
    chosen: dict[str, list[int]] = {}
    for n in by_need:
        chosen.setdefault(units[n].layer, []).append(units[n].unit)
    listed = [top for n in by_need for top in (*units[n].top_images, units[n].other_image)]
    shown = {top.index for top in listed if top is not None}
    numbers = np.array(sorted(shown), np.int64)
    return Cards(numbers, taken(list(images.values()), numbers), chosen)


def _is_flagged(unit: Unit) -> bool:
    problem = unit.state not in (states.HEALTHY, states.OUTPUT)
    return problem or unit.group is not None or unit.duplicate_of is not None or unit.opposite is not None


def _clustered(r: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return an order of units in which those with a large r stand beside each other. r: (V, V)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.nan_to_num((r + r.T) / 2)
    np.fill_diagonal(distance, 0)
    order: NDArray[np.int64] = leaves_list(linkage(squareform(distance, checks=False), "average")).astype(np.int64)
    return order


def _maps(reading: Reading, values: NDArray[np.float32]) -> Maps:
    """Return a layer's outputs, (E, *space, U) whatever its data_format, thinned to the sizes that are shown."""
    if reading.channels_first:
        values = np.moveaxis(values, reading.axis, -1)
    *space, units = values.shape[1:]
    step = -(-max(space) // SIDE_SHOWN[len(space)])
    return Maps(reading.name, units, step, values[:, *[slice(None, None, step)] * len(space), :UNITS_SHOWN])


def _kernels(reading: Reading, dataset: Dataset, *, is_first: bool) -> Kernels | None:
    """Return a layer's kernels, each unit's input channels by falling norm; None without any that have a space."""
    found = weights.kernels(reading.layer)
    inner = layer_kinds.inner(reading.layer)
    if found is None or found.ndim - 2 not in SIDE_SHOWN or kind(inner).startswith("Separable"):
        return None
    of_units = found.astype(np.float32)
    units, inputs = of_units.shape[:2]
    shown = of_units[:UNITS_SHOWN]
    first = weights.first_channels(reading.layer, units, inputs)
    on_colour = is_first and found.ndim == 4 and inputs == dataset.image_shape[-1] == 3
    norms = np.linalg.norm(shown.reshape(len(shown), inputs, -1), axis=2)
    strongest = np.argsort(-norms, axis=1, kind="stable")
    channels = np.tile(np.arange(inputs), (len(shown), 1)) if on_colour else strongest[:, :CHANNELS_SHOWN]
    return Kernels(
        layer=reading.name,
        units=units,
        inputs=inputs,
        largest=float(np.abs(of_units).max()),
        on_colour=on_colour,
        weights=shown[np.arange(len(shown))[:, np.newaxis], channels],
        channels=channels + first[: len(shown), np.newaxis],
    )

"""Under which condition each unit fires: some images once more through the model, and every layer in words.

Longer than most modules: which words a layer can have depends on its kind and on what was kept of it together.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations import forward, layer_kinds, receptive_fields, weights
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.receptive_fields import Axis
from reportgen.analysis.activations.reductions import units_last
from reportgen.analysis.conditions import basis, classes, cuts, layer, nouns, nulls, patches, whole
from reportgen.analysis.conditions.basis import Look, Measured
from reportgen.analysis.conditions.below import Below
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.ink import ink
from reportgen.analysis.conditions.layer import Described, Sampled, Scored
from reportgen.analysis.conditions.result import Floats, Ints, LayerConditions
from reportgen.dataset import Dataset, Part, numbered_through, spread, taken
from reportgen.i18n import Text, text
from reportgen.record.pictures import Seen
from reportgen.record.units import LayerVerdict, Unit

MOST_IMAGES = 2000
"""Most images that are looked at for words."""

_FEWEST = 200  # of a large model, for whose images there is little memory and time
_MOST_VALUES = 4 * 10**8  # of all layers for all these images
_AT_ONCE = 40_000_000  # of them that are in memory at once
_POSITIONS = 8  # of a map, for each image
_MOST_BELOW = 50_000_000  # values of what all layers see of those below, kept for words about these
_CROPS = 12  # of the strongest and of the weakest places
_CROP_SIDE = 24  # pixels; larger fields are shown thinned
_MAP_SIDE = 64
_TOGETHER = min(2, os.cpu_count() or 1)  # layers whose figures are worked out at once, each with arrays of its own

_KEEPING_UNITS = {
    "Activation", "AveragePooling2D", "BatchNormalization", "Dropout", "ELU", "GaussianDropout", "GaussianNoise",
    "Identity", "LeakyReLU", "MaxPooling2D", "PReLU", "ReLU", "SpatialDropout2D", "ZeroPadding2D",
}  # fmt: skip
"""Layers behind which a channel still is the unit that it was."""


@dataclass(frozen=True)
class Words:
    """What was found out. layers: of each reading. seen: what cards show of layers of maps, by the layer's name.

    sample: the images, and what was measured on them besides, for whoever goes on with these.
    """

    layers: list[LayerConditions]
    seen: list[Seen]
    sample: "Sample"


@dataclass(frozen=True)
class Sample:
    """The images that were looked at, cut in those that choose and those that score.

    numbers: (N,) of the images among all. stored: these as they are stored, with their labels. choose: (N,) those that
    choose. means: of each reading (U,) means of the units over the images that choose and all positions, NaN where
    there are none.
    """

    numbers: NDArray[np.int64]
    stored: Part
    choose: NDArray[np.bool_]
    means: list[Floats]


def describe(
    graph: Graph,
    readings: Sequence[Reading],
    parts: Mapping[str, Part],
    dataset: Dataset,
    names: Sequence[str],
    cards: Mapping[str, Sequence[int]],
    *,
    batch: int,
    seed: int,
    looking: Looking | None = None,
) -> Words:
    """Return the conditions of all units, one LayerConditions a reading, and what cards show of them.

    parts: whose images are looked at, numbered through in this order. names: of the classes, as the scores have them.
    cards: the units with a card, by layer. batch: how many images at once. looking: where the pass compiled the model.
    """
    looking = looking or Looking(graph)
    chosen = _chosen(graph, readings, sum(map(len, parts.values())))
    stored = _stored(parts, chosen)
    images = dataset.pixels.of(stored.images[:].astype(np.float32))
    cut = cuts.cuts(images)
    looked = _Looked(graph, readings, stored, dataset, cut, seed, looking)
    looked.look(batch, images)
    labels = Labels(stored.labels, names)
    found: dict[Tensor, LayerConditions] = {}
    seen = []
    for place, described in enumerate(_in_turn(looked, images, labels, found)):
        reading = readings[place]
        if isinstance(described, Described):
            units = [unit for unit in cards.get(reading.name, ()) if unit < reading.units]
            if units and not cut.choose.all():  # the image of median fit is one of those that score
                seen.append(looked.seen(place, described, np.array(units), images, chosen))
            described = described.conditions
        looked.forget(place)
        found[reading.tensor] = described
    looked.fill(seen, chosen, batch)
    return Words(
        [found[reading.tensor] for reading in readings], seen, Sample(chosen, stored, cut.choose, looked.means())
    )


def with_conditions(
    layers: Sequence[LayerVerdict], units: Sequence[Unit], found: Words
) -> tuple[list[LayerVerdict], list[Unit]]:
    """Return verdicts with the conditions that were found. layers: one a reading; units: of these, in their order."""
    of_units = [nouns.of_unit(unit) for one in found.layers for unit in one.units]
    return (
        [replace(one, conditions=nouns.of_layer(of)) for one, of in zip(layers, found.layers, strict=True)],
        [replace(unit, condition=of) for unit, of in zip(units, of_units, strict=True)],
    )


def _in_turn(
    looked: "_Looked", images: Floats, labels: Labels, found: Mapping[Tensor, LayerConditions]
) -> Iterator[LayerConditions | Described]:
    """Yield each layer in words, in the order of the readings. found: of those before, which the caller fills in.

    Words about a layer need those about the layer below, its figures do not: those of the next layers are worked out
    by threads meanwhile.
    """
    # one thread for each product: how OpenBLAS divides one depends on which cores are free, and so does its rounding
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_TOGETHER) as pool:
        coming: deque[Future[LayerConditions | Scored]] = deque()
        for place in range(len(looked)):
            while place + len(coming) < len(looked) and len(coming) <= _TOGETHER:
                coming.append(pool.submit(looked.figured(place + len(coming), images, labels)))
            figures = coming.popleft().result()
            if isinstance(figures, Scored):
                yield figures.worded(looked.conditions_below(place, found), labels)
            else:
                yield figures


def _chosen(graph: Graph, readings: Sequence[Reading], images: int) -> NDArray[np.int64]:
    """Return the numbers of the images that are looked at, evenly spread: fewer for a model of very many values."""
    each = sum(int(np.prod([size or 1 for size in reading.shape[1:]])) for reading in readings)
    return spread(images, min(MOST_IMAGES, max(_MOST_VALUES // max(each, 1), _FEWEST)))


def _stored(parts: Mapping[str, Part], numbers: NDArray[np.int64]) -> Part:
    """Return images by their numbers, as they are stored, with their labels."""
    labels = numbered_through([part.labels for part in parts.values()])
    return Part(taken([part.images for part in parts.values()], numbers), labels[numbers])


class _Looked:
    """The values of all layers at some positions of their maps, for the images that are looked at.

    places: of each reading (N, S) rows and columns, or (N, S, axes) in series and volumes; none of a layer without
    positions. values: (N, S, U), or (N, U) of a layer without positions.
    """

    def __init__(
        self, graph: Graph, readings: Sequence[Reading], stored: Part, dataset: Dataset, cut: Cuts, seed: int,
        looking: Looking,
    ) -> None:  # fmt: skip
        self._graph, self._readings, self._stored, self._dataset = graph, readings, stored, dataset
        self._cut, self._seed, self._looking = cut, seed, looking
        self._fields = receptive_fields.fields(graph)
        self._values: list[list[Floats]] = [[] for _ in readings]
        self._places: list[tuple[Ints, ...]] = [()] * len(readings)
        self._shapes: list[tuple[int, ...]] = [()] * len(readings)
        self._patches: list[list[Floats]] = [[] for _ in readings]
        self._sums = [np.zeros(reading.units) for reading in readings]  # over images that choose, of means
        self._made_of = [self._unit_of(reading) for reading in readings]
        self._images_below = [self._known_below(place) for place in range(len(readings))]
        self._permutations = nulls.permutations(sum(reading.units for reading in readings))
        self._measured: tuple[Look, Measured] | None = None

    def __len__(self) -> int:
        """How many readings there are."""
        return len(self._readings)

    def look(self, batch: int, images: Floats) -> None:
        """Send the images through the model, and keep what is needed of each layer. images: as the model sees them."""
        self._ink = ink(images) if images.ndim == 4 else None
        self._pictures = patches.Pictures(images)
        self._span = float(np.ptp(images)) if images.size else 0.0
        wanted = [reading.tensor for reading in self._readings]
        deeper = [
            reading.call.given[0]
            for reading, unit in zip(self._readings, self._made_of, strict=True)
            if unit is not None
        ]
        deeper = list(dict.fromkeys(deeper))  # two layers may be given the same
        each = sum(int(np.prod([size or 1 for size in tensor.shape[1:]])) for tensor in (*wanted, *deeper))
        batch = min(batch, max(_AT_ONCE // max(each, 1), 1))
        for start, end, some in forward.read_ahead(self._stored.images, batch):
            found = self._looking.floats(some, self._dataset.pixels, [*wanted, *deeper])
            for place, reading in enumerate(self._readings):
                self._keep(place, np.asarray(units_last(found[place], reading)), start, end)
            below = dict(zip(deeper, found[len(wanted) :], strict=True))
            for place, unit in enumerate(self._made_of):
                if unit is not None:
                    self._keep_below(place, below[self._readings[place].call.given[0]], start, end)

    def means(self) -> list[Floats]:
        """Return (U,) means of each layer's units over the images that choose."""
        images = self._cut.choose.sum()
        return [sums / images if images else np.full_like(sums, np.nan) for sums in self._sums]

    def _keep(self, place: int, values: Floats, start: int, end: int) -> None:
        chosen = values[self._cut.choose[start:end]]
        self._sums[place] += chosen.mean(axis=tuple(range(1, chosen.ndim - 1)), dtype=np.float64).sum(axis=0)
        space = values.shape[1:-1]
        if not space or len(space) > 3:
            self._values[place].append(values.reshape(len(values), -1, values.shape[-1])[:, 0])
            return
        if not self._places[place]:
            self._shapes[place] = space
            shape = (space[0], int(np.prod(space[1:], dtype=np.int64)))
            rows, columns = cuts.positions(shape, self._cut.choose, _POSITIONS, self._seed)
            self._places[place] = (rows, *np.unravel_index(columns, space[1:])) if len(space) > 1 else (rows,)
        at = tuple(axis[start:end] for axis in self._places[place])
        self._values[place].append(values[np.arange(end - start)[:, np.newaxis], *at])

    def _known_below(self, place: int) -> Ints:
        """Return the images of which is kept what a layer sees of the one below: of all that score, if these fit."""
        scored = np.flatnonzero(~self._cut.choose)
        if self._made_of[place] is None:
            return scored
        each = _POSITIONS * int(np.prod(_kernel(self._readings[place].call).shape[1:]))
        layers = sum(unit is not None for unit in self._made_of)
        return scored[spread(len(scored), max(_MOST_BELOW // layers // each, 1))]

    def _keep_below(self, place: int, maps: Floats, start: int, end: int) -> None:
        """Keep what a layer's sampled positions see of the layer below, (n, S, h, w, I) of some images."""
        numbers = self._images_below[place]
        some = numbers[(numbers >= start) & (numbers < end)]
        if len(self._places[place]) == 2 and len(some):
            rows, columns = (axis[some] for axis in self._places[place])
            field = _windows(self._readings[place].call, maps.shape)
            self._patches[place].append(patches.gather(maps[some - start], rows, columns, field))

    def figured(self, place: int, images: Floats, labels: Labels) -> Callable[[], LayerConditions | Scored]:
        """Return what works out a layer's figures. images: (N, *space, C) as the model receives them."""
        reading = self._readings[place]
        values, places = np.concatenate(self._values[place]), self._places[place]
        self._values[place] = [values]  # the same once more would take as much memory again
        if self._cut.choose.all() or not self._cut.choose.any():
            reason = text("too few images to choose words on some and score on others")
            return partial(whole.unknown, values.shape[-1], reason)
        signed = reading.family not in ("relu", "relu6")
        about: Any = {
            "signed": signed, "labels": labels, "seed": self._seed, "permutations": self._permutations,
        }  # fmt: skip
        if reading.tensor is self._graph.output and values.ndim == 2 and values.shape[1] == len(labels.names):
            split = int(self._cut.choose.sum()), int((~self._cut.choose).sum())
            return partial(classes.output, labels.names, split)
        space = len(self._dataset.image_shape) - 1
        if (reason_ := layer_kinds.not_a_picture(self._graph)) is not None:
            return partial(whole.unknown, values.shape[-1], reason_)
        if space == 2 and not places:
            return partial(whole.of_pictures, images, values, self._cut, **about)
        if space == 0 and not places:
            return partial(whole.of_vectors, images, values, self._cut, **about)
        if len(places) != space or not places:
            return partial(whole.unknown, values.shape[-1], _without_place(space, len(places)))
        field, shape = self._field(place), self._shapes[place]
        if space != 2:
            at = np.stack(places, axis=-1)
            return partial(whole.of_places, images, at, values, field, shape, self._cut, **about)
        sampled = Sampled(
            images, places[0], places[1], values, (field[0], field[1]), (shape[0], shape[1]),
            signed=signed, colour=_is_colour(self._dataset), ink=self._ink, span=self._span,
            permutations=self._permutations,
        )  # fmt: skip
        return partial(
            layer.scored, sampled, self._cut, kernel=self._first_kernel(reading, field), below=self._below(place),
            measured=self._measured_of(sampled), seed=self._seed,
        )  # fmt: skip

    def _measured_of(self, sampled: Sampled) -> Measured:
        """Return the features at sampled positions: measured once for layers behind each other that look alike."""
        look = layer.look_of(sampled)
        if self._measured is None or self._measured[0] != look:
            self._measured = look, basis.measure(self._pictures, sampled.rows, sampled.columns, look)
        return self._measured[1]

    def forget(self, place: int) -> None:
        """Give back the memory that a layer's values take: nobody asks for them again."""
        self._values[place] = []

    def _field(self, place: int) -> tuple[Axis, ...]:
        """Return the field of a layer's positions along each axis; the whole image where it is not known."""
        reading = self._readings[place]
        known = None if reading.channels_first else self._fields[reading.call.outputs[0]]
        return known or tuple(Axis(size, 0, 0) for size in self._dataset.image_shape[:-1])

    def _first_kernel(self, reading: Reading, field: Sequence[Axis]) -> Floats | None:
        """Return the kernel (U, h, w, C) of a convolution that is given the images themselves, else None."""
        if reading.call.given[0] is not self._graph.input or not _is_plain(reading.call):
            return None
        found = _kernel(reading.call)
        sizes = tuple(axis.size for axis in field)
        return found if found.shape[1:] == (*sizes, self._dataset.image_shape[-1]) else None

    def _unit_of(self, reading: Reading) -> Tensor | None:
        """Return the tensor of an earlier reading whose units are the channels that a convolution is given."""
        if not _is_plain(reading.call):
            return None
        read = {one.tensor: one for one in self._readings}
        tensor: Tensor | None = reading.call.given[0]
        while tensor is not None and tensor not in read:
            call = self._graph.producer(tensor)
            keeps = call is not None and kind(call.operation) in _KEEPING_UNITS and len(call.given) == 1
            tensor = call.given[0] if call is not None and keeps else None
        return tensor if tensor in read and not read[tensor].channels_first and not read[tensor].moves else None

    def conditions_below(self, place: int, found: Mapping[Tensor, LayerConditions]) -> Sequence[Text | None]:
        """Return the words about the units that a layer is given. found: of the layers before it."""
        tensor = self._made_of[place]
        return [unit.condition for unit in found[tensor].units] if tensor is not None and tensor in found else []

    def _below(self, place: int) -> Below | None:
        """Return what a convolution is given by the units below; None where these are not known."""
        tensor = self._made_of[place]
        before = next((one for one in reversed(self._readings[:place]) if one.tensor is tensor), None)
        if before is None or not self._patches[place]:
            return None
        seen, kernel = np.concatenate(self._patches[place]), _kernel(self._readings[place].call)
        self._patches[place] = []  # nobody asks twice
        if kernel.shape[1:] != seen.shape[2:] or kernel.shape[3] != before.units:
            return None
        return Below(seen, self._images_below[place], kernel, [None] * before.units)

    def seen(self, place: int, described: Described, units: Ints, images: Floats, numbers: NDArray[np.int64]) -> Seen:
        """Return what cards of these units of a layer of maps show. numbers: of the images among all."""
        rows, columns = self._places[place]
        values = self._values[place][0][:, :, units]
        field = tuple(_bounded(axis, size) for axis, size in zip(self._field(place), images.shape[1:3], strict=True))
        at = described.work.measured.not_flat
        stored = np.asarray(self._stored.images)
        strongest = [_crops(stored, rows, columns, field, _picked(values[..., u], at, -1)) for u in range(len(units))]
        weakest = [_crops(stored, rows, columns, field, _picked(values[..., u], at, 1)) for u in range(len(units))]
        median = described.median_image(units)
        step = -(-max(described.look.map_shape) // _MAP_SIDE)
        told = described.told(images, units, median, step)
        worded = np.array([bool(described.conditions.units[unit].features) for unit in units])
        told = np.where(worded[:, np.newaxis, np.newaxis], told, np.float32(np.nan))
        real = np.empty(told.shape, np.float32)  # see `fill`
        return Seen(
            self._readings[place].name, units, np.stack(strongest), np.stack(weakest),
            np.stack([crops.mean(axis=0, dtype=np.float32) for crops in strongest]), numbers[median], stored[median],
            real, told,
        )  # fmt: skip

    def fill(self, seen: Sequence[Seen], numbers: NDArray[np.int64], batch: int) -> None:
        """Write the real maps of the units on cards, all from one pass. numbers: of the images among all.

        A pass for each layer would go through the whole model as often as it has layers.
        """
        by_name = {reading.name: reading for reading in self._readings}
        layers = [by_name[one.layer] for one in seen]
        which = np.unique(np.concatenate([one.image for one in seen])) if seen else np.empty(0, np.int64)
        stored = np.asarray(self._stored.images)
        for start in range(0, len(which), batch):
            some = which[start : start + batch]
            wanted = [reading.tensor for reading in layers]
            found = self._looking.floats(stored[np.searchsorted(numbers, some)], self._dataset.pixels, wanted)
            for one, maps, reading in zip(seen, found, layers, strict=True):
                those = np.flatnonzero(np.isin(one.image, some))
                at = np.searchsorted(some, one.image[those])
                real = np.asarray(units_last(maps, reading))[at, :, :, one.units[those]]
                step = -(-max(real.shape[1:]) // _MAP_SIDE)
                one.real[those] = real[:, ::step, ::step]


def _is_plain(call: Call) -> bool:
    """Return whether a call is of a convolution each of whose units weighs all that it is given, without gaps."""
    operation = call.operation
    return (
        kind(operation) == "Conv2D"
        and operation.groups == 1
        and tuple(operation.dilation_rate) == (1, 1)
        and operation.data_format == "channels_last"
        and operation.padding in ("same", "valid")
    )


def _windows(call: Call, shape: Sequence[int]) -> tuple[Axis, Axis]:
    """Return what a position of a plain convolution sees of what it is given. shape: (N, rows, columns, I) of that."""
    layer = call.operation
    along = zip(shape[1:3], layer.kernel_size, layer.strides, strict=True)
    rows, columns = (receptive_fields.windowed(Axis(1, 1, 0), n, w, s, 1, layer.padding) for n, w, s in along)
    assert rows is not None and columns is not None  # maps have sizes
    return rows, columns


def _kernel(call: Call) -> Floats:
    """Return the kernel of a plain convolution as (U, h, w, C)."""
    found = weights.kernels(call.operation)
    assert found is not None
    return np.moveaxis(found, 1, -1)


def _is_colour(dataset: Dataset) -> bool:
    """Return whether channels reach the model as red, green and blue, on one scale."""
    pixels = dataset.pixels
    same = len({float(value) for value in np.ravel(pixels.scale)}) == 1
    return dataset.image_shape[-1] == 3 and same and not pixels.flip


def _without_place(space: int, positions: int) -> Text:
    """Return why there are no words for a layer whose positions are not those of the images."""
    if positions:
        return text("its positions are not places of the image")
    if space == 1:
        return text("it has one value for a whole series")
    return text("it has one value for a whole volume")


def _bounded(axis: Axis, size: int) -> Axis:
    """Return a field that is no larger than the image."""
    return Axis(axis.size, axis.jump, axis.start) if axis.size < size else Axis(size, 0, 0)


def _picked(values: Floats, not_flat: Floats, sign: int) -> tuple[Ints, Ints]:
    """Return (images, places) where a unit fires most (sign -1) or least (1), each of another image.

    values, not_flat: (N, S). Flat patches are left out where there are others: on them there is nothing to see.
    """
    shown = np.where(not_flat, sign * values, np.inf)
    best = shown.argmin(axis=1)
    order = np.argsort(shown[np.arange(len(shown)), best], kind="stable")[:_CROPS]
    return order, best[order]


def _crops(
    stored: NDArray[np.generic], rows: Ints, columns: Ints, field: tuple[Axis, ...], picked: tuple[Ints, Ints]
) -> NDArray[np.generic]:
    """Return what positions see of images as they are stored, (T, h, w, C): thinned where that is large."""
    image, place = picked
    at = rows[image, place][:, np.newaxis], columns[image, place][:, np.newaxis]
    found = patches.gather(stored[image], *at, (field[0], field[1]))[:, 0]
    step = -(-max(found.shape[1:3]) // _CROP_SIDE)
    return np.asarray(found[:, ::step, ::step])

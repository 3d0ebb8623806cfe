"""The effects of all units: which layers are exact, what is masked within the bound of work, and what is left out.

Longer than most modules: all methods spend from one bound of work and fill one table, unit by unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.effects import audit, head, paired, work
from reportgen.analysis.effects.head import Head
from reportgen.analysis.effects.paired import Flags, Floats, Ints
from reportgen.analysis.effects.passes import Answers, Masking, Passes, Scores, Sweep
from reportgen.dataset import Part, Pixels, spread
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.effects import Audit, Effect, GroupEffect, LayerEffects
from reportgen.record.units import LayerVerdict, Unit

MOST_WORK = 4 * 10**10
"""Multiplications that masking may take in all: seconds on a few cores."""
_SWEEP = 3
"""How many times as many the run for gradients and products may take."""
_ROUNDING = 1e-3
"""A score that is as far behind as this share of the range of scores may be the largest one, rounded otherwise."""
_FEWEST = 8
"""Least images that first order is held against masking on, and that outputs are permuted over."""
_TRIED_ON = 8
"""Images of a large model on which it is found out whether gradients of all others are worth their time."""
_REST = 4
"""Masking units of a large model may take this part of the work, besides finding that out."""
_LEAST_IMAGES = 16
"""So many are looked at however large the model is."""
_MOST_CLASSES = 20
"""Most classes each of which gets a backward pass of its own."""
EXACT, MASKED, FIRST = "exact", "masked", "first order"
_NO_SLOPES = (InputError, SurroundingsError, LookupError)
"""What is raised where gradients cannot be taken: of an operation without one, or of too little memory."""
_TOO_LONG = text("masking units to hold it against would take longer than a report may")
"""Why first order is withheld where it cannot be held against masking."""


@dataclass(frozen=True)
class Subject:
    """What is measured on. stored: the images as they are stored, with their labels, and how the model sees them.

    choose: (N,) those that means are taken of; the others are measured on. means: of each reading (U,). names: of the
    classes, as the scores have them. predicted: (N,) classes. output: the kind of output, see `outputs.read`.
    """

    stored: Part
    pixels: Pixels
    choose: NDArray[np.bool_]
    means: Sequence[Floats]
    names: Sequence[str]
    predicted: Ints
    output: str


@dataclass(frozen=True)
class Found:
    """The effects of a layer, and of each of its units."""

    layer: LayerEffects
    units: list[Effect]


@dataclass(frozen=True)
class _About:
    """What is known of a layer. flagged: units that a finding can be about; groups: of redundant units."""

    units: int
    flagged: list[int]
    groups: list[list[int]]


@dataclass
class _Layer:
    """A layer while it is measured. right: (N, U) whether the model is right without each unit, by `methods` (U,).

    permuted: (N, U) likewise with the unit's output for another image, where `asked` (U,). groups: (N, G) without each
    group, or None.
    """

    right: Flags
    methods: NDArray[np.object_]
    permuted: Flags
    asked: Flags
    groups: Flags | None = None
    wanted: int = 0
    audit: Audit | None = None
    withheld: Text | None = None
    undone: list[Text] = field(default_factory=list)


def measure(
    graph: Graph, readings: Sequence[Reading], subject: Subject, layers: Sequence[LayerVerdict], units: Sequence[Unit],
    *, batch: int, seed: int, looking: Looking | None = None,
) -> list[Found]:  # fmt: skip
    """Return the effects of the units of each reading.

    layers, units: the verdicts, one layer a reading. batch: how many images at once. looking: where the pass compiled
    the model.
    """
    ends = np.cumsum([one.units for one in layers]).tolist()
    about = [_about(one, units[end - one.units : end]) for one, end in zip(layers, ends, strict=True)]
    # labels that are numbers may go beyond what the model has scores for
    scored = np.flatnonzero(~subject.choose & (subject.stored.labels < max(graph.output.shape[-1] or 0, 2)))
    chosen = int(subject.choose.sum())
    whole = sum(map(work.of, graph.calls))
    large = _is_large(graph, readings)
    most = max((1 if large else _SWEEP) * MOST_WORK // (3 * max(whole, 1)), _LEAST_IMAGES)
    # in no order: outputs are permuted within a batch, and some of the images come first, while data may be by class
    scored = np.random.default_rng(seed).permutation(scored[spread(len(scored), min(len(scored), most))])
    if not len(scored) or not chosen:
        why = text(
            "too few images: {chosen} to take means of, {scored} to measure on",
            chosen=f"{chosen:,}",
            scored=f"{len(scored):,}",
        )
        return [_unknown(one.units, why, chosen, len(scored)) for one in about]
    images = Part(np.asarray(subject.stored.images)[scored], subject.stored.labels[scored])

    def measured(found: Head) -> _Measured:
        passes = Passes(graph, readings, found, images, subject.pixels, subject.means, batch, looking or Looking(graph))
        return _Measured(graph, readings, found, passes, images, subject, about, chosen, seed, large=large)

    # one thread for each product: how OpenBLAS divides one depends on which cores are free, and so does its rounding
    with threadpool_limits(1, user_api="blas"):
        found = measured(head.find(graph, subject.output))
        if not found.has_scores(subject.predicted[scored]):
            found = measured(head.as_they_are(graph, subject.output))
        return found.all()


def with_effects(
    layers: Sequence[LayerVerdict], units: Sequence[Unit], found: Sequence[Found]
) -> tuple[list[LayerVerdict], list[Unit]]:
    """Return verdicts with the effects that were found. layers: one a reading; units: of these, in their order."""
    of_units = [effect for one in found for effect in one.units]
    return (
        [replace(one, effects=of.layer) for one, of in zip(layers, found, strict=True)],
        [replace(unit, effect=of) for unit, of in zip(units, of_units, strict=True)],
    )


def _is_large(graph: Graph, readings: Sequence[Reading]) -> bool:
    """Return whether to hold first order against masking in each layer by itself would take too much work."""
    each = sum(work.behind(graph, reading.tensor) for reading in readings if reading.tensor is not graph.output)
    return audit.AUDITED * _FEWEST * each > MOST_WORK


def _about(layer: LayerVerdict, units: Sequence[Unit]) -> _About:
    flagged = [
        unit.unit
        for unit in units
        if unit.state != "healthy" or unit.removable or unit.duplicate_of is not None or unit.opposite is not None
    ]
    return _About(layer.units, flagged, layer.groups)


def _unknown(units: int, reason: Text, chosen: int, scored: int) -> Found:
    layer = LayerEffects(chosen, scored, {}, 0, None, None, None, [], reason)
    return Found(layer, [Effect(None, [], None, None, reason)] * units)


class _Measured:
    """Measures layer by layer, and keeps count of the work that masking may still take."""

    def __init__(
        self, graph: Graph, readings: Sequence[Reading], found: Head, passes: Passes, images: Part, subject: Subject,
        about: Sequence[_About], chosen: int, seed: int, *, large: bool,
    ) -> None:  # fmt: skip
        self._graph, self._readings, self._head, self._passes, self._images = graph, readings, found, passes, images
        self._names, self._about, self._chosen, self._seed = subject.names, about, chosen, seed
        self._left = MOST_WORK // (_REST if large else 1)
        outputs = (graph.output, found.tensor)
        self._outputs = [place for place, reading in enumerate(readings) if reading.tensor in outputs]
        inside = [place for place in range(len(readings)) if place not in self._outputs]
        self._exact = [place for place in inside if self._is_exact(place)]
        self._others = [place for place in inside if place not in self._exact]
        self._is_large = large
        self._swept, self._has_slopes = self._sweep(() if large else self._others)
        self._before = self._swept.scores.argmax(axis=1) == images.labels

    def has_scores(self, predicted: Ints) -> bool:
        """Return whether the largest score is that of the class that the model names, up to rounding."""
        scores = self._swept.scores
        if len(scores) != len(predicted) or scores.shape[1] <= predicted.max():
            return False
        behind = scores.max(axis=1) - scores[np.arange(len(scores)), predicted]
        return bool((behind <= _ROUNDING * np.ptp(scores)).all())

    def all(self) -> list[Found]:
        """Return the effects of all layers. The last ones first: it takes least to run what is behind them."""
        why = text("its units are the scores themselves")
        found = {
            place: _unknown(self._about[place].units, why, self._chosen, len(self._images)) for place in self._outputs
        }
        found |= {place: self._of_linear(place) for place in self._exact}
        for place, layer in (self._of_large() if self._is_large else self._of_small()).items():
            if layer.withheld is not None:
                layer.methods[layer.methods == FIRST] = None
            self._leave_out(layer, self._about[place])
            found[place] = self._found(self._about[place], layer)
        return [found[place] for place in range(len(self._about))]

    def _is_exact(self, place: int) -> bool:
        reading = self._readings[place]
        values = int(np.prod([size or 1 for size in reading.shape[1:]]))
        products = len(self._images) * values * max(self._graph.output.shape[-1] or 0, 2)
        return products <= _SWEEP * MOST_WORK and self._head.is_linear(reading.tensor)

    def _sweep(self, others: Sequence[int]) -> tuple[Sweep, bool]:
        """Return what one run of the model tells, and whether gradients could be taken of the others."""
        classes, whole = max(self._graph.output.shape[-1] or 0, 2), sum(map(work.of, self._graph.calls))
        each = classes <= _MOST_CLASSES and len(self._images) * whole * (1 + 2 * classes) <= _SWEEP * MOST_WORK
        groups = {place: self._about[place].groups for place in self._exact}
        try:
            return self._passes.sweep(self._exact, groups, others, each=each), bool(others)
        except _NO_SLOPES:
            return self._passes.sweep(self._exact, groups, (), each=False), False

    def _of_small(self) -> dict[int, _Layer]:
        """Return the layers that are not exact, each held against masking by itself where work allows."""
        masked = {}
        for number, place in enumerate(reversed(self._others)):
            masked[place] = self._masked(place, self._left // (len(self._others) - number))
        self._audit_together({place: layer for place, layer in masked.items() if layer.audit is None})
        return masked

    def _of_large(self) -> dict[int, _Layer]:
        """Return the same of a large model: gradients of all images are taken only if those of a few agree."""
        if not self._others:
            return {}
        held, withheld = self._tried()
        first = self._gradients(None, 2) if withheld is None else {}
        if first is None:  # of a few images they could be
            first, withheld = {}, text("no gradients could be taken of this model")
        self._swept = replace(self._swept, first=first)
        found = {}
        for number, place in enumerate(reversed(self._others)):
            layer, sampled, wanted = self._begun(place)
            layer.audit, layer.withheld = held, withheld
            fair = self._left // (len(self._others) - number)
            if len(sampled) * len(self._images) * self._each(place) <= fair:
                self._mask(place, layer, wanted, fair)
            found[place] = layer
        return found

    def _tried(self) -> tuple[Audit | None, Text | None]:
        """Hold first order against masking on a few images, and on units of all layers; return why it is withheld."""
        units = [self._about[place].units for place in self._others]
        usual = sum(n * self._each(place) for n, place in zip(units, self._others, strict=True)) // max(sum(units), 1)
        if audit.AUDITED * _FEWEST * usual > MOST_WORK:
            return None, _TOO_LONG
        if (found := self._gradients(_TRIED_ON, 3)) is None:
            return None, text("no gradients could be taken of this model")
        self._swept = replace(self._swept, first=found)
        held, withheld, _ = self._held(self._others, MOST_WORK)
        return held, withheld

    def _gradients(self, images: int | None, part: int) -> dict[int, Answers] | None:
        """Return first order of all layers on the first `images`, by default all; None where it cannot be had.

        part: so many times fewer at once than else, as gradients keep all values of these.
        """
        try:
            return self._passes.in_batches_of(part).sweep((), {}, self._others, each=False, images=images).first
        except _NO_SLOPES:
            return None

    def _of_linear(self, place: int) -> Found:
        about, known = self._about[place], self._swept.linear[place]
        nobody = np.zeros(about.units, np.bool_)
        layer = _Layer(known.alone, np.full(about.units, EXACT, object), np.zeros_like(known.alone), nobody)
        layer.groups = known.groups if about.groups else None
        self._permute(place, layer, self._each(place), self._left // 2)
        return self._found(about, layer)

    def _begun(self, place: int) -> tuple[_Layer, Ints, list[int]]:
        """Return a layer by first order, the units on which that is held against masking, and all to be masked."""
        about, first = self._about[place], self._swept.first.get(place)
        nothing = np.zeros((len(self._images), about.units), np.bool_)
        layer = _Layer(
            nothing if first is None else first.right.copy(),
            np.full(about.units, None if first is None else FIRST, object),
            np.zeros_like(nothing),
            np.zeros(about.units, np.bool_),
        )
        size = self._size(place)
        sampled = audit.sample(size, self._seed)
        largest = np.argsort(-size, kind="stable")[: audit.LARGEST]
        wanted = list(dict.fromkeys([*sampled.tolist(), *about.flagged, *np.sort(largest).tolist()]))
        layer.wanted = len(wanted)
        return layer, sampled, wanted

    def _masked(self, place: int, fair: int) -> _Layer:
        """Return a layer by first order and masking, which may take as much work as is `fair`."""
        images, first = len(self._images), self._swept.first.get(place)
        layer, sampled, wanted = self._begun(place)
        each = self._each(place)
        if first is None:
            layer.withheld = text("no gradients could be taken of this model")
        enough = min(images, fair // (each * len(sampled)))
        if enough < min(_FEWEST, images):
            return layer
        known = self._without(place, [(int(unit),) for unit in sampled], enough)
        fair -= self._spend(len(sampled) * enough * each)
        if first is not None:
            layer.audit, layer.withheld = self._compared(first.moved[:enough, sampled], known.moved, 1)
        if enough == images:
            _put(layer, sampled, known)
            self._mask(place, layer, wanted[len(sampled) :], fair)
        return layer

    def _mask(self, place: int, layer: _Layer, wanted: Sequence[int], fair: int) -> None:
        """Mask units and groups, and permute the outputs of units, as far as work is `fair`."""
        about, images, each = self._about[place], len(self._images), self._each(place)
        if more := list(wanted[: max(fair // (each * images), 0)]):
            _put(layer, np.array(more), self._without(place, [(unit,) for unit in more], None))
            fair -= self._spend(len(more) * images * each)
        if about.groups and len(about.groups) * images * each <= fair:
            layer.groups = self._without(place, [tuple(group) for group in about.groups], None).right
            fair -= self._spend(len(about.groups) * images * each)
        self._permute(place, layer, each, fair)

    def _size(self, place: int) -> Floats:
        """Return (U,) how large the effect of each unit is by first order, 0 where that is not known."""
        first = self._swept.first.get(place)
        return np.zeros(self._about[place].units) if first is None else np.abs(first.moved).mean(axis=0)

    def _each(self, place: int) -> int:
        """Return the work of running what is behind a layer, for one image."""
        return work.behind(self._graph, self._readings[place].tensor) + 1

    def _without(self, place: int, units: Sequence[tuple[int, ...]], images: int | None) -> Answers:
        return self._passes.without([Masking(place, one) for one in units], images)

    def _spend(self, amount: int) -> int:
        self._left -= amount
        return amount

    def _compared(self, first: Scores, masked: Scores, layers: int) -> tuple[Audit, Text | None]:
        """Return how well first order agrees with masking, and why it is withheld, if it is.

        Both: (n, units) changes of the margins of the first n images. layers: how many the units are of.
        """
        labels = self._images.labels[: len(first)]
        one, other = audit.by_class(first, labels), audit.by_class(masked, labels)
        found = audit.compare(one, other, len(first), layers)
        return found, audit.withheld(found, one, other)

    def _held(self, places: Sequence[int], most: int) -> tuple[Audit | None, Text | None, int]:
        """Hold first order against masking on units of several layers, on as many images as `most` work allows.

        Return how well they agree, None where there are too few such images; why first order is withheld, if it is;
        and the work that was done.
        """
        units = [(place, unit) for place in places for unit in range(self._about[place].units)]
        sampled = [units[n] for n in audit.sample(np.concatenate([self._size(place) for place in places]), self._seed)]
        first = np.stack([self._swept.first[place].moved[:, unit] for place, unit in sampled], axis=1)
        each = sum(self._each(place) for place, _ in sampled)
        enough = min(len(first), most // each)
        if enough < min(_FEWEST, len(first)):
            return None, _TOO_LONG, 0
        known = self._passes.without([Masking(place, (unit,)) for place, unit in sampled], enough)
        return *self._compared(first[:enough], known.moved, len(places)), enough * each

    def _audit_together(self, layers: Mapping[int, _Layer]) -> None:
        """Hold first order against masking on units of all layers that could not be held by themselves."""
        if not layers or not self._has_slopes:
            return
        held, withheld, spent = self._held(list(layers), self._left)
        self._spend(spent)
        for layer in layers.values():
            layer.audit, layer.withheld = held, withheld

    def _permute(self, place: int, layer: _Layer, each: int, fair: int) -> None:
        """Permute the outputs of units without which something changes, estimates aside, as far as work is `fair`.

        each: the work for one image.
        """
        sure = np.flatnonzero((layer.methods == MASKED) | (layer.methods == EXACT))
        counts = paired.count(self._before, layer.right[:, sure], self._images.labels, len(self._names))
        moving = sure[paired.certain(counts).any(axis=1)][: max(fair // (each * len(self._images)), 0)]
        if len(moving) and self._passes.together >= _FEWEST:
            mixed = self._passes.permuted([Masking(place, (int(unit),)) for unit in moving], self._seed)
            layer.permuted[:, moving], layer.asked[moving] = mixed.right, True
            self._spend(len(moving) * len(self._images) * each)

    def _leave_out(self, layer: _Layer, about: _About) -> None:
        """Say what was wanted and not done."""
        masked = int((layer.methods == MASKED).sum())
        if masked < layer.wanted:
            layer.undone.append(
                text(
                    "{masked} of {wanted} units that were to be masked were, since all would take longer than a report"
                    " may",
                    masked=f"{masked:,}",
                    wanted=f"{layer.wanted:,}",
                )
            )
        if about.groups and layer.groups is None:
            layer.undone.append(
                ntext(
                    len(about.groups),
                    "{n} group of redundant units was not masked as a whole",
                    "{n} groups of redundant units were not masked as a whole",
                )
            )

    def _found(self, about: _About, layer: _Layer) -> Found:
        known = np.flatnonzero([method is not None for method in layer.methods])
        labels, classes = self._images.labels, len(self._names)
        counts = paired.count(self._before, layer.right[:, known], labels, classes)
        mixed = paired.count(self._before, layer.permuted[:, known], labels, classes)
        effects = paired.effects(counts, list(layer.methods[known]), self._names, mixed, layer.asked[known])
        why = text("it was not masked, and first order is withheld: {reason}", reason=layer.withheld or "")
        units = [Effect(None, [], None, None, why)] * about.units
        for unit, effect in zip(known, effects, strict=True):
            units[unit] = effect
        groups = []
        if layer.groups is not None:
            together = paired.count(self._before, layer.groups, labels, classes)
            method = EXACT if EXACT in layer.methods else MASKED
            none = np.zeros(len(about.groups), np.bool_)
            of_groups = paired.effects(together, [method] * len(about.groups), self._names, together, none)
            groups = [GroupEffect(list(group), effect) for group, effect in zip(about.groups, of_groups, strict=True)]
        methods = {name: int((layer.methods == name).sum()) for name in (EXACT, MASKED, FIRST)}
        return Found(
            LayerEffects(
                chosen_on=self._chosen,
                scored_on=len(self._images),
                methods={name: n for name, n in methods.items() if n},
                wanted=layer.wanted,
                audit=layer.audit,
                withheld=layer.withheld if None in layer.methods else None,
                undone=joined("; ", layer.undone) if layer.undone else None,
                groups=groups,
                reason=None,
            ),
            units,
        )


def _put(layer: _Layer, units: Ints, known: Answers) -> None:
    """Note what masking says of some units."""
    layer.right[:, units], layer.methods[units] = known.right, MASKED

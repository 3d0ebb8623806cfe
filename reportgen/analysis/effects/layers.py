"""The effects of all units: which layers are exact, what is masked within the bound of work, and what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.effects import audit, head, paired, work
from reportgen.analysis.effects.head import Head
from reportgen.analysis.effects.paired import Flags, Floats, Ints
from reportgen.analysis.effects.passes import Answers, Masking, Passes, Scores
from reportgen.dataset import Part, Pixels, spread
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.effects import Audit, Effect, GroupEffect, LayerEffects
from reportgen.record.units import LayerVerdict, Unit

MOST_WORK = 4 * 10**10
"""Multiplications that masking may take in all; gradients and products ten times as many. Seconds on a few cores."""
_FEWEST = 8
"""Least images that first order is held against masking on, and that outputs are permuted over."""
_LEAST_IMAGES = 16
"""So many are looked at however large the model is."""
_MOST_CLASSES = 20
"""Most classes each of which gets a backward pass of its own."""
EXACT, MASKED, FIRST = "exact", "masked", "first order"


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
    *, batch: int, seed: int,
) -> list[Found]:  # fmt: skip
    """Return the effects of the units of each reading.

    layers, units: the verdicts, one layer a reading. batch: how many images at once.
    """
    about = [_about(one, units) for one in layers]
    # labels that are numbers may go beyond what the model has scores for
    scored = np.flatnonzero(~subject.choose & (subject.stored.labels < max(graph.output.shape[-1] or 0, 2)))
    chosen = int(subject.choose.sum())
    whole = sum(map(work.of, graph.calls))
    most = max(10 * MOST_WORK // (3 * max(whole, 1)), _LEAST_IMAGES)
    scored = scored[spread(len(scored), min(len(scored), most))]
    if not len(scored) or not chosen:
        why = text(
            "too few images: {chosen} to take means of, {scored} to measure on",
            chosen=f"{chosen:,}",
            scored=f"{len(scored):,}",
        )
        return [_unknown(one.units, why, chosen, len(scored)) for one in about]
    images = Part(np.asarray(subject.stored.images)[scored], subject.stored.labels[scored])
    found = head.find(graph, subject.output)
    passes = Passes(graph, readings, found, images, subject.pixels, subject.means, batch)
    if not _are_scores(scores := passes.before(), subject.predicted[scored]):
        found = head.as_they_are(graph, subject.output)
        passes = Passes(graph, readings, found, images, subject.pixels, subject.means, batch)
        scores = passes.before()
    # one thread for each product: how OpenBLAS divides one depends on which cores are free, and so does its rounding
    with threadpool_limits(1, user_api="blas"):
        return _Measured(graph, readings, found, passes, scores, images, subject, chosen, seed).all(about)


def with_effects(
    layers: Sequence[LayerVerdict], units: Sequence[Unit], found: Sequence[Found]
) -> tuple[list[LayerVerdict], list[Unit]]:
    """Return verdicts with the effects that were found. layers: one a reading; units: of these, in their order."""
    of_units = [effect for one in found for effect in one.units]
    return (
        [replace(one, effects=of.layer) for one, of in zip(layers, found, strict=True)],
        [replace(unit, effect=of) for unit, of in zip(units, of_units, strict=True)],
    )


def _about(layer: LayerVerdict, units: Sequence[Unit]) -> _About:
    own = [unit for unit in units if unit.layer == layer.name]
    flagged = [
        unit.unit
        for unit in own
        if unit.state != "healthy" or unit.removable or unit.duplicate_of is not None or unit.opposite is not None
    ]
    return _About(layer.units, flagged, layer.groups)


def _are_scores(scores: Scores, predicted: Ints) -> bool:
    """Return whether the largest score is what the model says, of all but a tie or two."""
    return scores.shape[0] == len(predicted) and float((scores.argmax(axis=1) == predicted).mean()) > 0.99


def _unknown(units: int, reason: Text, chosen: int, scored: int) -> Found:
    layer = LayerEffects(chosen, scored, {}, 0, None, None, None, [], reason)
    return Found(layer, [Effect(None, [], None, None, reason)] * units)


class _Measured:
    """Measures layer by layer, and keeps count of the work that masking may still take."""

    def __init__(
        self, graph: Graph, readings: Sequence[Reading], found: Head, passes: Passes, scores: Scores, images: Part,
        subject: Subject, chosen: int, seed: int,
    ) -> None:  # fmt: skip
        self._graph, self._readings, self._head, self._passes, self._images = graph, readings, found, passes, images
        self._names, self._chosen, self._seed = subject.names, chosen, seed
        self._scores = scores
        self._before = self._scores.argmax(axis=1) == images.labels
        self._left = MOST_WORK

    def all(self, about: Sequence[_About]) -> list[Found]:
        """Return the effects of all layers. The last ones first: it takes least to run what is behind them."""
        found: dict[int, Found] = {}
        others = []
        for place, one in enumerate(about):
            tensor = self._readings[place].tensor
            if tensor in (self._graph.output, self._head.tensor):
                why = text("its units are the scores themselves")
                found[place] = _unknown(one.units, why, self._chosen, len(self._images))
            elif self._is_exact(place):
                found[place] = self._exact(place, one)
            else:
                others.append(place)
        first = self._first_order(others)
        for number, place in enumerate(reversed(others)):
            fair = self._left // (len(others) - number)
            found[place] = self._masked(place, about[place], None if first is None else first[place], fair)
        return [found[place] for place in range(len(about))]

    def _is_exact(self, place: int) -> bool:
        reading = self._readings[place]
        values = int(np.prod([size or 1 for size in reading.shape[1:]]))
        products = len(self._images) * values * self._scores.shape[1]
        return products <= 10 * MOST_WORK and self._head.is_linear(reading.tensor)

    def _first_order(self, places: Sequence[int]) -> dict[int, Answers] | None:
        """Return what first order says of layers, None where no gradients can be taken."""
        classes, whole = self._scores.shape[1], sum(map(work.of, self._graph.calls))
        each = classes <= _MOST_CLASSES and len(self._images) * whole * (1 + 2 * classes) <= 10 * MOST_WORK
        try:
            return dict(zip(places, self._passes.first_order(places, each=each), strict=True)) if places else {}
        except (InputError, SurroundingsError, LookupError):  # an operation without one, or too little memory
            return None

    def _exact(self, place: int, about: _About) -> Found:
        answers, mixed = self._passes.linear(place, self._seed)
        units = about.units
        layer = _Layer(answers.right, np.full(units, EXACT, object), mixed, np.ones(units, np.bool_))
        if about.groups:
            layer.groups = self._passes.sums(place, about.groups).right
        if self._passes.together < _FEWEST:
            layer.asked[:] = False
        return self._found(about, layer)

    def _masked(self, place: int, about: _About, first: Answers | None, fair: int) -> Found:
        """Return the effects of a layer by first order and masking, which may take as much work as is `fair`."""
        units, images = about.units, len(self._images)
        size = np.zeros(units) if first is None else np.abs(first.moved).mean(axis=0)
        layer = _Layer(
            np.zeros((images, units), np.bool_) if first is None else first.right.copy(),
            np.full(units, None if first is None else FIRST, object),
            np.zeros((images, units), np.bool_),
            np.zeros(units, np.bool_),
        )
        each = work.behind(self._graph, self._readings[place].tensor) + 1
        sampled = audit.sample(size, self._seed)
        largest = np.argsort(-size, kind="stable")[: audit.LARGEST]
        wanted = list(dict.fromkeys([*sampled.tolist(), *about.flagged, *np.sort(largest).tolist()]))
        layer.wanted = len(wanted)
        enough = min(images, fair // (each * len(sampled)))
        known = None
        if enough >= min(_FEWEST, images):
            known = self._without(place, [(int(unit),) for unit in sampled], enough)
            fair -= self._spend(len(sampled) * enough * each)
            self._audit(layer, first, known, sampled, enough)
        else:
            layer.withheld = text("masking units to hold it against would take longer than a report may")
        if known is not None and enough == images:
            _put(layer, sampled, known)
            more = wanted[len(sampled) : len(sampled) + max(fair // (each * images), 0)]
            if more:
                _put(layer, np.array(more), self._without(place, [(unit,) for unit in more], None))
                fair -= self._spend(len(more) * images * each)
            if about.groups and len(about.groups) * images * each <= fair:
                layer.groups = self._without(place, [tuple(group) for group in about.groups], None).right
                fair -= self._spend(len(about.groups) * images * each)
            self._permute(place, layer, each, fair)
        if layer.withheld is not None:
            layer.methods[layer.methods == FIRST] = None
        self._leave_out(layer, about)
        return self._found(about, layer)

    def _without(self, place: int, units: Sequence[tuple[int, ...]], images: int | None) -> Answers:
        return self._passes.without([Masking(place, one) for one in units], images)

    def _spend(self, amount: int) -> int:
        self._left -= amount
        return amount

    def _audit(self, layer: _Layer, first: Answers | None, known: Answers, sampled: Ints, images: int) -> None:
        """Hold first order against masking on the sampled units and the first images."""
        if first is None:
            layer.withheld = text("no gradients could be taken of this model")
            return
        labels = self._images.labels[:images]
        one, other = (audit.by_class(moved, labels) for moved in (first.moved[:images, sampled], known.moved))
        layer.audit = audit.compare(one, other, images)
        layer.withheld = audit.withheld(layer.audit, one, other)

    def _permute(self, place: int, layer: _Layer, each: int, fair: int) -> None:
        """Permute the outputs of masked units without which something changes, as far as work is `fair`.

        each: the work for one image.
        """
        masked = np.flatnonzero(layer.methods == MASKED)
        counts = paired.count(self._before, layer.right[:, masked], self._images.labels, len(self._names))
        moving = masked[paired.certain(counts).any(axis=1)][: max(fair // (each * len(self._images)), 0)]
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

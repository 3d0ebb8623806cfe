"""What can go without changing an answer: units that always give the same, and copies of others.

A report foresees it and `reportgen prune` does it with the same code, on the weights alone: the images went through
the model before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reportgen.analysis.activations import weights
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.judging import Looked
from reportgen.analysis.pruning.mixing import Mixing
from reportgen.analysis.pruning.ways import Reader, Way, ways
from reportgen.analysis.units import facts, moments, redundancy, states
from reportgen.i18n import Text, text
from reportgen.record.pruning import Copy, Held, Kept, LayerCut
from reportgen.record.units import Unit

STILL = 1e-5
"""What is so small a share of a layer's largest value is nothing: rounding alone makes some millionths of it."""

_TRIED = 8
_ALL = text("all units of the layer would go, and one has to stay")
_ELSEWHERE = text("on images of the other split it gives something else")

Elsewhere = Callable[[Sequence[int]], Mapping[int, Floats]]
"""Gives, for the places of some readings, (2, U) the smallest and largest value of each unit on all other images."""


@dataclass
class Cut:
    """What goes of a layer, and what stays though it says nothing. left: why nothing can go, where there is no way."""

    reading: Reading
    way: Way | None
    dead: list[int] = field(default_factory=list)
    constant: list[Held] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    kept: dict[Text, list[int]] = field(default_factory=dict)
    left: Text | None = None

    @property
    def gone(self) -> set[int]:
        """The units that go."""
        return {*self.dead, *(one.unit for one in self.constant), *(one.unit for one in self.copies)}

    @property
    def still_here(self) -> list[int]:
        """The units that always give the same on the images they were judged on, and not on those of another split."""
        return self.kept.get(_ELSEWHERE, [])

    def noun(self) -> LayerCut:
        """Return it as a report has it."""
        return LayerCut(
            dead=sorted(self.dead),
            constant=sorted(one.unit for one in self.constant),
            copies=sorted(one.unit for one in self.copies),
            kept=[Kept(sorted(units), reason) for reason, units in self.kept.items()],
            left=self.left,
            elsewhere=sorted(self.still_here),
        )


class Plan:
    """All that can go of a model. cuts: of each reading. rounds: of looking that found some."""

    def __init__(self, graph: Graph, looked: Looked, units: Sequence[Unit], elsewhere: Elsewhere | None) -> None:
        self._graph, self._looked = graph, looked
        self.mixings: dict[int, Mixing] = {}
        found = ways(graph, looked.readings)
        self.cuts = [
            Cut(reading, one) if isinstance(one, Way) else Cut(reading, None, left=one)
            for reading, one in zip(looked.readings, found, strict=True)
        ]
        self._units: list[list[Unit]] = [[] for _ in found]
        places = {plan.layer: place for place, plan in enumerate(looked.plans)}
        for unit in units:
            self._units[places[unit.layer]].append(unit)
        self._of_layer = {id(cut.way.layer): place for place, cut in enumerate(self.cuts) if cut.way is not None}
        self._changed: set[int] = set()
        self.rounds = 0
        self._let_still_go(elsewhere)
        copies = {
            place: {unit.unit: unit.duplicate_of for unit in self._units[place] if unit.duplicate_of is not None}
            for place in self._of_layer.values()
        }
        gone = 0
        while copies := copies | {place: self._copies(place) for place in self._changed}:
            # what was weighed apart and is weighed together now can make copies of the units that weigh it
            self._changed = set()
            for place, alike in sorted(copies.items()):
                for copied, of in alike.items():
                    self._let_copy_go(place, copied, of)
            self.rounds += self.gone > gone
            copies, gone = {}, self.gone

    @property
    def gone(self) -> int:
        """How many units go."""
        return sum(len(cut.gone) for cut in self.cuts)

    def mixing(self, layer: Any) -> Mixing:
        """Return the weights of a layer as they are changed."""
        if id(layer) not in self.mixings:
            self.mixings[id(layer)] = Mixing(layer)
        return self.mixings[id(layer)]

    def let_go(self, place: int, unit: int) -> None:
        """Take a unit's column away, after what it said was moved."""
        way = self.cuts[place].way
        assert way is not None
        self.mixing(way.layer).units[unit] = False

    def readers(self, place: int) -> list[tuple[Reader, Mixing]]:
        """Return what weighs the units of a layer, with its weights."""
        way = self.cuts[place].way
        assert way is not None
        return [(reader, self.mixing(reader.call.operation)) for reader in way.readers]

    def _let_still_go(self, elsewhere: Elsewhere | None) -> None:
        """Let the units go that always give the same."""
        still = {place: self._still(place) for place in self._of_layer.values()}
        asked = [place for place, values in still.items() if values]
        others = elsewhere(asked) if elsewhere is not None and asked else {}
        for place in asked:
            values, cut = still[place], self.cuts[place]
            if place in others:
                moved = self._moved(place, values, *others[place])
                self._keep(cut, _ELSEWHERE, moved)
                values = {unit: value for unit, value in values.items() if unit not in moved}
            for unit, value in self._foldable(place, values).items():
                if self._units[place][unit].state == states.DEAD:
                    cut.dead.append(unit)
                else:
                    cut.constant.append(Held(unit, value))
                self.let_go(place, unit)

    def _note(self, reader: Reader) -> None:
        """Take down that the weights of a reader are others now."""
        if (place := self._of_layer.get(id(reader.call.operation))) is not None:
            self._changed.add(place)

    def _still(self, place: int) -> dict[int, float]:
        """Return the value of each unit that always gives the same."""
        plan, tally = self._looked.plans[place], self._looked.tallies[place]
        mean = moments.mean(plan, tally)
        value = {states.DEAD: lambda unit: 0.0, states.CONSTANT: lambda unit: float(mean[unit])}
        return {unit.unit: value[unit.state](unit.unit) for unit in self._units[place] if unit.state in value}

    def _moved(self, place: int, values: Mapping[int, float], low: Floats, high: Floats) -> list[int]:
        tally = self._looked.tallies[place]
        nothing = STILL * float(max(np.abs(tally.smallest).max(), np.abs(tally.largest).max()))
        return [u for u, value in values.items() if max(abs(low[u] - value), abs(high[u] - value)) > nothing]

    def _foldable(self, place: int, values: dict[int, float]) -> dict[int, float]:
        """Let the readers' biases take over what the units always give; return those for which that can be done."""
        cut, tally = self.cuts[place], self._looked.tallies[place]
        way = cut.way
        assert way is not None
        if len(values) == len(self._units[place]):
            first = min(values)
            self._keep(cut, _ALL, [first])
            values = {unit: value for unit, value in values.items() if unit != first}
        shape = [1] * (len(way.sizes) + 1)
        shape[way.axis] = -1
        given = np.zeros(way.reading.units)
        given[list(values)] = list(values.values())
        seen = way.read(np.broadcast_to(given.reshape(shape), (1, *way.sizes)))
        scale = float(max(np.abs(tally.smallest).max(), np.abs(tally.largest).max()))
        for (reader, mixing), found in zip(self.readers(place), seen, strict=True):
            for reason, hold in _edges_and_places(reader, mixing, found, scale).items():
                bad = [unit for unit in values if unit in hold]
                self._keep(cut, reason, bad)
                values = {unit: value for unit, value in values.items() if unit not in bad}
        for (reader, mixing), found in zip(self.readers(place), seen, strict=True):
            of = np.flatnonzero(np.isin(reader.along.owner, list(values)))
            if len(of):
                mixing.fold(_at_one_place(reader, found), of)
                self._note(reader)
        return values

    def _copies(self, place: int) -> dict[int, int]:
        """Return by unit which it is a copy of, among those that are still there."""
        cut, plan = self.cuts[place], self._looked.plans[place]
        if cut.way is None:
            return {}
        mixing = self.mixing(cut.way.layer)
        there = np.flatnonzero(mixing.units)
        kernel, bias = mixing.weights()
        known = weights.facts(cut.way.reading, self._graph, {})
        slopes = None if known.slopes is None else known.slopes[there]
        now = facts.Weights(kernel=kernel, bias=bias, slopes=slopes, copies=known.copies)
        verdicts = [states.Verdict(unit.state, unit.evidence) for unit in self._units[place]]
        found = redundancy.duplicates(plan, now, [verdicts[unit] for unit in there], facts.DEFAULTS)
        return {int(there[unit]): int(there[of]) for unit, of in found.items()}

    def _let_copy_go(self, place: int, unit: int, of: int) -> None:
        cut = self.cuts[place]
        if cut.way is None or unit in cut.gone or of in cut.gone:
            return
        known = {other for units in cut.kept.values() for other in units}
        factor = self._factor(cut.way, unit, of)
        found = []
        for (reader, mixing), line in zip(self.readers(place), self._lines(place, unit, of, factor), strict=True):
            reason = None
            if mixing.filters_first:
                reason = text("{layer} filters each channel by itself before it weighs it", layer=reader.call.name)
            elif line is None:
                reason = text("what lies before {layer} treats the two in different ways", layer=reader.call.name)
            elif line[1] and mixing.sees_edges:
                reason = _edges(reader)
            if reason is not None:
                if unit not in known:
                    self._keep(cut, reason, [unit])
                return
            assert line is not None
            found.append((reader, mixing, line))
        for reader, mixing, line in found:
            owner = reader.along.owner
            mixing.move(np.flatnonzero(owner == unit), np.flatnonzero(owner == of), *line)
            self._note(reader)
        factor, offset = found[0][2] if found else (factor, 0.0)
        cut.copies.append(Copy(unit, of, factor, offset))
        self.let_go(place, unit)

    def _factor(self, way: Way, unit: int, of: int) -> float:
        """Return c where a unit's weights are c times another's."""
        mixing = self.mixing(way.layer)
        there = np.flatnonzero(mixing.units).tolist()
        kernel, _ = mixing.weights()
        one, other = kernel[there.index(unit)], kernel[there.index(of)]
        return float(one @ other / (other @ other))

    def _lines(self, place: int, unit: int, of: int, factor: float) -> list[tuple[float, float] | None]:
        """Return for each reader what a unit is of another, (factor, offset), None where it is no line.

        What lies between is tried on random values within the range of the other's.
        """
        cut, tally = self.cuts[place], self._looked.tallies[place]
        way = cut.way
        assert way is not None
        rng = np.random.default_rng(0)
        low, high = float(tally.smallest[of]), float(max(tally.largest[of], tally.smallest[of] + 1e-3))
        tried = rng.uniform(low, high, (_TRIED, *way.sizes))
        moved = np.moveaxis(tried, way.axis, 0)
        moved[unit] = factor * moved[of]
        found: list[tuple[float, float] | None] = []
        for reader, values in zip(way.readers, way.read(tried), strict=True):
            by_channel = np.moveaxis(values, reader.along.axis, 0)
            owner = reader.along.owner
            found.append(_line(by_channel[owner == of].reshape(-1), by_channel[owner == unit].reshape(-1)))
        return found

    @staticmethod
    def _keep(cut: Cut, reason: Text, units: Sequence[int]) -> None:
        if units:
            cut.kept.setdefault(reason, []).extend(units)


def _edges_and_places(reader: Reader, mixing: Mixing, found: Floats, scale: float) -> dict[Text, set[int]]:
    """Return the units that a reader's bias cannot stand for, by the reason. found: (1, ...) what it is given."""
    if mixing.is_on_vectors and found.ndim == 2:
        return {}
    flat = np.moveaxis(found, reader.along.axis, 0).reshape(len(reader.along.owner), -1)
    nothing = STILL * max(scale, float(np.abs(flat).max()))
    differs = np.ptp(flat, axis=1) > nothing
    reasons = {text("what {layer} is given of it differs between places", layer=reader.call.name): differs}
    if mixing.sees_edges:
        reasons[_edges(reader)] = ~differs & (np.abs(flat).max(axis=1) > nothing)
    return {reason: set(reader.along.owner[holds].tolist()) for reason, holds in reasons.items()}


def _at_one_place(reader: Reader, found: Floats) -> Floats:
    """Return (I,) the values of channels that are the same everywhere."""
    return np.moveaxis(found, reader.along.axis, 0).reshape(len(reader.along.owner), -1)[:, 0].copy()


def _line(given: Floats, found: Floats) -> tuple[float, float] | None:
    """Return (factor, offset) of the line that gives `found`, None where there is none but a rough one."""
    centred = given - given.mean()
    if not (spread := float(centred @ centred)):
        return None
    factor = float(centred @ (found - found.mean())) / spread
    offset = float(found.mean() - factor * given.mean())
    size = float(np.abs(found).max())
    if np.abs(factor * given + offset - found).max() > 1e-5 * size:
        return None
    return factor, 0.0 if abs(offset) <= 1e-5 * size else offset


def _edges(reader: Reader) -> Text:
    return text(
        "it is not zero, and {layer} pads its input with zeros, which are no part of it", layer=reader.call.name
    )

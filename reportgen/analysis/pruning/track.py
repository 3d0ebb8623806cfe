"""What became of every unit, by the number that it has in the report, through all rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.judging import Looked
from reportgen.analysis.pruning import bounds
from reportgen.analysis.pruning.lossless import STILL, Plan
from reportgen.record.pruning import Copy, Held, Kept, LayerSmaller


@dataclass
class _Layer:
    units: int
    there: list[int]
    cannot_fire: list[int] = field(default_factory=list)
    did_not_fire: list[int] = field(default_factory=list)
    constant: list[Held] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    merged: list[Copy] = field(default_factory=list)


class Track:
    """The layers of a model, while plans for it and for what is left of it are carried out."""

    def __init__(self, plan: Plan) -> None:
        self._layers = {
            cut.reading.name: _Layer(cut.reading.units, list(range(cut.reading.units))) for cut in plan.cuts
        }

    @property
    def gone(self) -> int:
        """How many units are gone."""
        return sum(layer.units - len(layer.there) for layer in self._layers.values())

    def take(self, plan: Plan, unreachable: Mapping[str, set[int]]) -> None:
        """Note what goes by a plan. unreachable: by layer the dead units that no image can reach."""
        for cut in plan.cuts:
            layer = self._layers[cut.reading.name]
            number = layer.there
            for unit in cut.dead:
                beyond = unit in unreachable.get(cut.reading.name, ())
                (layer.cannot_fire if beyond else layer.did_not_fire).append(number[unit])
            layer.constant += [Held(number[held.unit], held.value) for held in cut.constant]
            layer.copies += [_renumbered(copy, number) for copy in cut.copies]
            layer.there = [original for unit, original in enumerate(number) if unit not in cut.gone]

    def merge(self, plan: Plan, moved: Sequence[tuple[int, Copy]]) -> None:
        """Note what was merged, by the place of its layer."""
        for place, cut in enumerate(plan.cuts):
            layer = self._layers[cut.reading.name]
            of_layer = [copy for at, copy in moved if at == place]
            gone = {copy.unit for copy in of_layer}
            layer.merged += [_renumbered(copy, layer.there) for copy in of_layer]
            layer.there = [original for unit, original in enumerate(layer.there) if unit not in gone]

    def layers(self, last: Plan) -> list[LayerSmaller]:
        """Return what became of each layer. last: a plan for the smaller model, by which nothing goes."""
        found = []
        for cut in last.cuts:
            layer = self._layers[cut.reading.name]
            found.append(
                LayerSmaller(
                    name=cut.reading.name,
                    units_before=layer.units,
                    units_after=len(layer.there),
                    cannot_fire=sorted(layer.cannot_fire),
                    did_not_fire=sorted(layer.did_not_fire),
                    constant=sorted(layer.constant, key=lambda held: held.unit),
                    copies=sorted(layer.copies, key=lambda copy: copy.unit),
                    merged=sorted(layer.merged, key=lambda copy: copy.unit),
                    kept=[Kept([layer.there[unit] for unit in units], why) for why, units in cut.kept.items()],
                    left=cut.left,
                )
            )
        return found


def unreachable(graph: Graph, looked: Looked, plan: Plan, image_range: tuple[Floats, Floats]) -> dict[str, set[int]]:
    """Return by layer the dead units that no image whose pixels lie in this range can make fire.

    image_range: as in bounds.ranges.
    """
    known = bounds.ranges(graph, image_range)
    found = {}
    for cut, tally in zip(plan.cuts, looked.tallies, strict=True):
        if cut.dead and cut.reading.tensor in known:
            low, high = known[cut.reading.tensor]
            nothing = STILL * float(max(abs(tally.smallest).max(), abs(tally.largest).max()))
            found[cut.reading.name] = {u for u in cut.dead if max(abs(low[u]), abs(high[u])) <= nothing}
    return found


def _renumbered(copy: Copy, number: Sequence[int]) -> Copy:
    return Copy(number[copy.unit], number[copy.of], copy.factor, copy.offset)

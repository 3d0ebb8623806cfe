"""The layers side by side: a row a layer, with what its units come to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.format import first
from reportgen.i18n import Text, joined, literal, text
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict, Unit
from reportgen.render.page.effects import moves
from reportgen.render.words import counted_states, name

ROWS_ON_PAPER = 40
"""Most rows in the PDF, those with something to say first; the page has all."""
_OF_ITS_OWN = {"healthy", "dead", "output"}
"""States that have a column, or that nothing is to be said about."""
_KINDS = 3
_NAMED = 3


@dataclass(frozen=True)
class Row:
    """A layer. healthy, dead, redundant: how many of its units, None of classes, which are not judged so.

    others: units in other states, in words. distinct: independent directions, None where undefined. conditions: what
    its units look for, None where that is not known. moving, known: how many of the units that have an effect change
    something beyond chance. remarks: how many units there is something to say about.
    """

    anchor: str
    name: str
    units: int
    healthy: int | None
    dead: int | None
    redundant: int | None
    others: Text | None
    distinct: int | None
    conditions: Text | None
    moving: int
    known: int
    remarks: int


@dataclass(frozen=True)
class OverviewView:
    """The table of layers. reasons: why cells have no figure, each with the layers that it is so in."""

    rows: list[Row]
    reasons: list[Text]

    def shown(self, on_paper: bool) -> list[Row]:
        """Return the rows: all in the order of the model, on paper the most telling ones of many."""
        if not on_paper or len(self.rows) <= ROWS_ON_PAPER:
            return self.rows
        return sorted(self.rows, key=lambda row: -row.remarks)[:ROWS_ON_PAPER]


def build(record: Record) -> OverviewView | None:
    """Return the table of the layers that were looked into, None where there are none."""
    units: dict[str, list[Unit]] = {}
    for unit in record.units:
        units.setdefault(unit.layer, []).append(unit)
    rows = [_row(number, one, units.get(one.name, [])) for number, one in enumerate(record.layers, 1)]
    return OverviewView(rows, _reasons(record.layers, rows)) if rows else None


def _row(number: int, layer: LayerVerdict, units: Sequence[Unit]) -> Row:
    is_output = set(layer.states) <= OUTPUT_STATES
    removable = sum(unit.removable for unit in units)
    states = {state: n for state, n in layer.states.items() if n and state not in _OF_ITS_OWN}
    effects = [unit.effect for unit in units if unit.effect is not None and unit.effect.method is not None]
    others = counted_states(states)
    said = sum(n for state, n in layer.states.items() if state not in ("healthy", "output"))
    return Row(
        anchor=f"layer-{number}",
        name=layer.name,
        units=layer.units,
        healthy=None if is_output else layer.states.get("healthy", 0),
        dead=None if is_output else layer.states.get("dead", 0),
        redundant=None if is_output else removable,
        others=joined(", ", others) if others else None,
        distinct=None if layer.effective_rank is None else max(round(layer.effective_rank * layer.units), 1),
        conditions=_conditions(layer),
        moving=sum(map(moves, effects)),
        known=len(effects),
        remarks=said + removable,
    )


def _conditions(layer: LayerVerdict) -> Text | None:
    """Return what most units look for, None where no unit has a figure."""
    if layer.conditions is None:
        return None
    kinds = [
        one.text for one in sorted(layer.conditions.kinds, key=lambda one: one.kind == "none") if one.kind != "n/a"
    ]
    return joined(", ", kinds[:_KINDS] if len(kinds) <= _KINDS else [*kinds[:_KINDS], literal("…")]) if kinds else None


def _reasons(layers: Sequence[LayerVerdict], rows: Sequence[Row]) -> list[Text]:
    """Return why figures are missing, each reason once."""
    found: dict[tuple[str, str], tuple[Text, Text, list[str]]] = {}
    for layer, row in zip(layers, rows, strict=True):
        for column, reason in _missing(layer, row):
            found.setdefault((column, reason), (column, reason, []))[2].append(name(layer.name))
    return [
        text("{column} is n/a for {layers}: {reason}.", column=column, layers=first(names, _NAMED), reason=reason)
        for column, reason, names in found.values()
    ]


def _missing(layer: LayerVerdict, row: Row) -> Iterator[tuple[Text, Text]]:
    if row.healthy is None:
        yield text("A state"), text("its units are the scores themselves")
    if row.distinct is None:
        yield text("Distinct"), layer.reasons.get("effective_rank", text("it was not measured"))
    if row.conditions is None:
        asked = layer.conditions is not None
        yield text("What units look for"), text("no unit has a figure") if asked else text("it was not measured")
    if not row.known:
        effects = layer.effects
        why = (effects.reason or effects.withheld or effects.undone) if effects else None
        yield text("Effect"), why or text("it was not measured")

"""When units died: a chart for each layer that had dead ones, and since when each dead unit is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.format import count
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.run import Record
from reportgen.record.training import Deaths, LayerDeaths
from reportgen.record.units import Unit
from reportgen.render.charts import geometry

MOST_LAYERS = 6
"""How many layers have a chart; of more those in which the most units were dead at once."""

MOST_ROWS = 64
"""How many epochs the table lists; of more every n-th, the last, and those that the sentences beside it name."""

_MOST_EPOCHS_NAMED = 3


@dataclass(frozen=True)
class LayerChart:
    """A layer with its chart and what that shows, in a sentence."""

    layer: LayerDeaths
    chart: geometry.LineChart
    shows: Text


@dataclass(frozen=True)
class DeathsView:
    """Dead units in the course of the training. layers: that have a chart, in the order of the model.

    hit: in how many layers a unit was ever dead. totals: of all layers, at each epoch. rows: the places of the epochs
    that the table lists. shows: since when all that are
    dead now are; most: when the most were, a sentence each. came_back: the epoch whose weights the model has, where
    that is not the last.
    """

    deaths: Deaths
    layers: list[LayerChart]
    hit: int
    totals: list[int]
    rows: list[int]
    shows: Text
    most: Text
    came_back: int | None


def view(record: Record) -> DeathsView | None:
    """Return what there is to show; None where nothing was counted."""
    if (found := record.deaths) is None:
        return None
    came_back = found.weights_of if found.weights_of != found.epochs[-1] else None
    hit = [layer for layer in found.layers if any(layer.dead)]
    worst = {layer.layer for layer in sorted(hit, key=lambda layer: -max(layer.dead))[:MOST_LAYERS]}
    dead = [unit for unit in record.units if unit.state == "dead"]
    totals = [sum(layer.dead[n] for layer in found.layers) for n in range(len(found.epochs))]
    always = _always(dead, totals, found)
    return DeathsView(
        deaths=found,
        layers=[
            LayerChart(
                layer,
                geometry.counts(found.epochs, layer.dead, marked=came_back, always=always),
                _shows([unit for unit in dead if unit.layer == layer.layer], found),
            )
            for layer in hit
            if layer.layer in worst
        ],
        hit=len(hit),
        totals=totals,
        rows=geometry.places(len(found.epochs), MOST_ROWS, always),
        shows=_shows(dead, found),
        most=_most(totals, found),
        came_back=came_back,
    )


def since(found: Deaths | None) -> dict[tuple[str, int], Text]:
    """Return since when units are dead, "since epoch 3", by layer and number; of units that it is known of."""
    if found is None:
        return {}
    return {
        (layer.layer, unit): _moment(died.epoch, found)
        for layer in found.layers
        for died in layer.since
        for unit in died.units
    }


def _always(dead: Sequence[Unit], totals: Sequence[int], found: Deaths) -> set[int]:
    """Return the places of the epochs that sentences name: who reads one looks it up in the table."""
    named = {epoch for epoch, _ in _largest(_groups(dead, found))}
    named.add(found.epochs[totals.index(max(totals))])
    if found.weights_of is not None:
        named.add(found.weights_of)
    return {n for n, epoch in enumerate(found.epochs) if epoch in named}


def _groups(dead: Sequence[Unit], found: Deaths) -> Counter[int]:
    """Return how many of the dead units are so since each epoch, of those that it is known of."""
    known = {(layer.layer, unit): died.epoch for layer in found.layers for died in layer.since for unit in died.units}
    return Counter(known[key] for unit in dead if (key := (unit.layer, unit.unit)) in known)


def _largest(groups: Counter[int]) -> list[tuple[int, int]]:
    return sorted(groups.items(), key=lambda group: (-group[1], group[0]))[:_MOST_EPOCHS_NAMED]


def _moment(epoch: int, found: Deaths) -> Text:
    if epoch == found.epochs[0]:
        return text("since before the training")
    return text("since epoch {epoch}", epoch=count(epoch))


def _most(totals: Sequence[int], found: Deaths) -> Text:
    most = max(totals)
    epoch = found.epochs[totals.index(most)]
    units = ntext(most, "{n} unit", "{n} units")
    if epoch == found.epochs[0]:
        return text("The most were dead at once before the training: {units}.", units=units)
    return text("The most were dead at once after epoch {epoch}: {units}.", epoch=count(epoch), units=units)


def _shows(dead: Sequence[Unit], found: Deaths) -> Text:
    """Return how many units are dead and since when, as far as most are. dead: as the report judges them."""
    if not dead:
        return text("No unit is dead now.")
    groups = _groups(dead, found)
    named = _largest(groups)
    parts = [text("{n} {since}", n=count(n), since=_moment(epoch, found)) for epoch, n in sorted(named)]
    if rest := groups.total() - sum(n for _, n in named):
        parts.append(text("{n} since other epochs", n=count(rest)))
    if unknown := len(dead) - groups.total():
        parts.append(text("{n} since when is not known", n=count(unknown)))
    return ntext(
        len(dead), "{n} unit is dead now: {parts}.", "{n} units are dead now: {parts}.", parts=joined(", ", parts)
    )

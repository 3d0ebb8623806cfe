"""The answers of the first screen: does every unit fire, how many are distinct, and what do they look for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reportgen.format import as_given, count, percent
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record.changes import Count
from reportgen.record.key_figures import OUTPUT_STATES, described_units, judged_units
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict, Unit
from reportgen.render.words import alike_on_average, by_gravity, counted_states, inner_states

_LAYERS = 5
"""Most layers that the first screen tells apart."""
_KINDS = 6
_FEW = 3
_COLOURS = 4


@dataclass(frozen=True)
class Bar:
    """A bar of a small chart: its parts, each the share of the whole that it takes up and how it is coloured.

    label: what it is of; figure: in words.
    """

    label: Text
    figure: Text
    parts: list[tuple[float, str]]


@dataclass(frozen=True)
class Answer:
    """One question with its answer in a sentence, a small chart, and more words below it."""

    question: Text
    figure: Text
    bars: list[Bar]
    more: list[Text]


def answers(record: Record) -> list[Answer]:
    """Return the answers to the three questions, those that there are units for."""
    inner = [one for one in record.layers if not set(one.states) <= OUTPUT_STATES]
    if not inner:
        return []
    counts = record.baseline.counts if record.baseline else {}
    found = [_firing(inner, counts), _distinct(inner, record, counts)]
    described = [one for one in inner if one.conditions is not None]
    return [*found, _conditions(inner, described, record.units)] if described else found


def saving(record: Record) -> Text | None:
    """Return how many units can go without changing an answer, None where there are none or nobody looked."""
    inner = [one for one in record.layers if not set(one.states) <= OUTPUT_STATES]
    gone = sum(one.lossless.units for one in inner if one.lossless is not None)
    if not gone:
        return None
    units = _units(sum(judged_units(one.states) for one in inner))
    return text(
        "{some} of {units} can go without changing an answer; with this report's folder as DIR:",
        some=count(gone),
        units=units,
    )


def _firing(layers: Sequence[LayerVerdict], earlier: Mapping[str, Count]) -> Answer:
    states = inner_states(layers)
    whole, healthy = sum(states.values()), states["healthy"]
    others = counted_states({name: n for name, n in states.items() if name != "healthy"})
    bars = [
        Bar(
            _name(layer),
            text("{part} of {whole}", part=count(layer.states.get("healthy", 0)), whole=count(layer.units)),
            [
                (n / layer.units, name.replace(" ", "-"))
                for name, n in sorted(by_gravity(layer.states), key=lambda pair: pair[0] != "healthy")
            ],
        )
        for layer in _told(layers, lambda one: one.units - one.states.get("healthy", 0))
    ]
    said = text("{share} of {units} fire normally", share=percent(healthy / whole, 0), units=_units(whole))
    return Answer(
        text("Does every unit fire?"),
        said,
        bars,
        [*([joined(", ", others)] if others else []), *_left_out(bars, layers), *_before(earlier, "healthy", "units")],
    )


def _distinct(layers: Sequence[LayerVerdict], record: Record, earlier: Mapping[str, Count]) -> Answer:
    removable, on_average = sum(unit.removable for unit in record.units), alike_on_average(record.units)
    bars = []
    for layer in _told(layers, lambda one: sum(len(group) - 1 for group in one.groups)):
        if layer.effective_rank is None:
            continue
        directions = max(round(layer.effective_rank * layer.units), 1)
        bars.append(
            Bar(
                _name(layer),
                text("{units}, about {directions}", units=_units(layer.units), directions=_directions(directions)),
                [(directions / layer.units, "healthy"), (1 - directions / layer.units, "rest")],
            )
        )
    if not removable:
        figure = text("No unit says the same as another")
    elif record.proof and record.proof.redundant is not None and record.proof.redundant.is_worse:
        figure = ntext(
            removable,
            "{n} unit says the same as another, but the model does worse without it",
            "{n} units say the same as others, but the model does worse without them",
        )
    else:
        figure = ntext(removable, "{n} unit says the same as another", "{n} units say the same as others")
    more = [
        ntext(
            on_average,
            "{n} unit is alike on average with the unit most like it: their means agree, their maps less so (r over"
            " positions below {threshold}).",
            "{n} units are alike on average with the units most like them: their means agree, their maps less so (r"
            " over positions below {threshold}).",
            threshold=as_given(record.provenance.redundant),
        )
    ]
    return Answer(
        text("Do many say the same?"),
        figure,
        bars,
        [*(more if on_average else []), *_left_out(bars, layers), *_before(earlier, "redundant", "units")],
    )


def _left_out(bars: Sequence[Bar], layers: Sequence[LayerVerdict]) -> list[Text]:
    """Say how many layers have a bar, where not all do: there are too many, or a layer has no such figure."""
    if len(bars) == len(layers):
        return []
    return [text("{shown} of {all} layers shown.", shown=count(len(bars)), all=count(len(layers)))]


def _before(earlier: Mapping[str, Count], part: str, whole: str) -> list[Text]:
    """Return how many of how many units it were in the baseline; nothing without one, and where it is as it was."""
    some, every = earlier.get(part), earlier.get(whole)
    if some is None or every is None or (some.before, every.before) == (some.after, every.after):
        return []
    return [text("Before: {part} of {whole}.", part=count(some.before), whole=count(every.before))]


def _conditions(inner: Sequence[LayerVerdict], layers: Sequence[LayerVerdict], units: Sequence[Unit]) -> Answer:
    """Return what units look for. layers: those of the `inner` ones that words were looked for in."""
    described, looked = described_units(units)
    others = sum(judged_units(one.states) for one in inner) - looked
    bars: list[Bar] = []
    missing: list[Text] = []
    colours: dict[str, str] = {"none": "rest"}
    told = _told([one for one in layers if _counted(one)], lambda one: _counted(one) - _counted(one, "none"))
    for layer in layers:
        assert layer.conditions is not None
        kinds = [one for one in layer.conditions.kinds if one.kind != "n/a"]
        of_layer = _counted(layer)
        if layer.conditions.missing is not None and len(missing) < _FEW:
            missing.append(text("{layer}: {missing}", layer=_name(layer), missing=layer.conditions.missing))
        if layer in told:
            order = sorted(kinds, key=lambda one: one.kind == "none")[:_KINDS]
            for one in order:
                colours.setdefault(one.kind, f"kind-{(len(colours) - 1) % _COLOURS}")
            parts = [(one.count / of_layer, colours[one.kind]) for one in order]
            bars.append(Bar(_name(layer), joined(", ", [one.text for one in order]), parts))
    figure = text(
        "{share} of {units} respond to a condition that words can say", share=percent(described / max(looked, 1), 0),
        units=_units(looked),
    )  # fmt: skip
    without = ntext(
        others,
        "For {n} other unit there is no figure; why stands on its card.",
        "For {n} other units there is no figure; why stands on their cards.",
    )
    more = [*missing, *([without] if others > 0 else []), *_left_out(bars, layers)]
    return Answer(text("What do they look for?"), figure, bars, more)


def _counted(layer: LayerVerdict, kind: str | None = None) -> int:
    """Return how many units of a layer words were found or not found for; kind: those of this kind alone."""
    assert layer.conditions is not None
    return sum(one.count for one in layer.conditions.kinds if one.kind != "n/a" and kind in (None, one.kind))


def _told(layers: Sequence[LayerVerdict], weight: Callable[[LayerVerdict], int]) -> list[LayerVerdict]:
    """Return the layers that are told apart, in the order of the model: those with most to say where there are many."""
    chosen = sorted(layers, key=lambda one: -weight(one))[:_LAYERS]
    return [layer for layer in layers if layer in chosen]


def _name(layer: LayerVerdict) -> Text:
    return literal(layer.name)


def _units(n: int) -> Text:
    return ntext(n, "{n} unit", "{n} units")


def _directions(n: int) -> Text:
    return ntext(n, "{n} independent direction", "{n} independent directions")

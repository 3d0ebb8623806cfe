"""Rows and cells of the units of large models: for tens of thousands of them, a template takes minutes.

They leave out what HTML lets one leave out, which on such a page is megabytes.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

from reportgen import format
from reportgen.i18n import Catalogue, Text, joined, text
from reportgen.record.conditions import Condition
from reportgen.render import words
from reportgen.render.languages import said
from reportgen.render.page.layer_views import UnitView

_COUNTED = ("firing_rate", "zero_share")
_VALUES = ("mean", "max")


def rows(units: Sequence[UnitView], messages: Catalogue) -> Markup:
    """Return a row of the table of units for each: the cells of `units.html`, the same words in the same order."""
    return Markup("\n".join(_row(view, messages) for view in units))


def cells(units: Sequence[UnitView], messages: Catalogue) -> Markup:
    """Return a cell of the strip of states for each, which leads to its card or row."""
    return Markup("\n".join(_cell(view, messages) for view in units))


def _row(view: UnitView, messages: Catalogue) -> str:
    unit, near, best = view.unit, view.unit.nearest, view.unit.preferred_class
    anchor, none = escape(view.anchor), said(text("n/a"), messages)
    marked = "" if view.css == "healthy" else f' data-state="{escape(view.css)}"'
    if view.card:
        head = f'<tr{marked}><th><a href="#{anchor}">{unit.unit}</a>'
    else:
        head = f'<tr{marked} id="{anchor}"><th>{unit.unit}'
    found = [
        text("{state} {since}", state=_state(view), since=view.died) if view.died else _state(view),
        *(words.percent(getattr(unit, name)) for name in _COUNTED),
        *(format.number(getattr(unit, name)) for name in _VALUES),
        *((near.unit, format.correlation(near.r)) if near else (none, none)),
        *((words.name(best.label, 24, short=True), format.share(best.auroc, 2)) if best else (none, none)),
        _condition(unit.condition, messages),
        view.needed_briefly,
    ]
    return head + "".join(f"<td>{escape(said(each, messages))}" for each in found)


def _cell(view: UnitView, messages: Catalogue) -> str:
    anchor, number = escape(view.anchor), view.unit.unit
    if not view.letter:
        return f'<a class="cell" href="#{anchor}">{number}</a>'
    title = text("unit {unit}: {state}", unit=format.count(number), state=_state(view))
    shown = f'class="cell {escape(view.css)}" href="#{anchor}" title="{escape(said(title, messages))}"'
    return f"<a {shown}>{view.letter}</a>"


def _state(view: UnitView) -> Text:
    found = words.state(view.unit.state)
    return joined(", ", [found, words.state("redundant")]) if view.unit.removable else found


def _condition(found: Condition | None, messages: Catalogue) -> Text | str:
    """Return the words of a condition with the share that they explain."""
    if found is not None and found.text:
        told = said(words.name(said(found.text, messages), 600), messages)
        return told if found.r2 is None else f"{told} ({format.share(found.r2, 2)})"
    return text("no simple condition") if found is not None and found.found_in == "none" else text("n/a")

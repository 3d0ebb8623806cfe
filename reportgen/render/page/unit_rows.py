"""Rows and cells of the units of large models: for tens of thousands of them, a template takes minutes.

They leave out what HTML lets one leave out, which on such a page is megabytes.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

from markupsafe import Markup, escape

from reportgen import format
from reportgen.i18n import Catalogue, Text, joined, text
from reportgen.record.conditions import Condition
from reportgen.render import words
from reportgen.render.languages import said
from reportgen.render.page.layer_views import UnitView

_BETWEEN = "\0"  # what no cell can have: names are made visible
_NONE = text("n/a")
_percent = lru_cache(10_000)(words.percent)
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
    anchor, none = escape(view.anchor), said(_NONE, messages)
    marked = "" if view.css == "healthy" else f' data-state="{escape(view.css)}"'
    if view.card:
        head = f'<tr{marked}><th><a href="#{anchor}">{unit.unit}</a>'
    else:
        head = f'<tr{marked} id="{anchor}"><th>{unit.unit}'
    state = said(text("{state} {since}", state=_state(view), since=view.died) if view.died else _state(view), messages)
    found = [
        state,
        *(said(_percent(getattr(unit, name)), messages) for name in _COUNTED),
        *(said(format.number(getattr(unit, name)), messages) for name in _VALUES),
        *((f"{near.unit}", format.correlation(near.r)) if near else (none, none)),
        *((words.name(best.label, 24, short=True), format.share(best.auroc, 2)) if best else (none, none)),
        said(_condition(unit.condition, messages), messages),
        said(view.needed_briefly, messages),
    ]
    # escaped at once: one call a cell takes half of all the time
    return f"{head}<td>{str(escape(_BETWEEN.join(found))).replace(_BETWEEN, '<td>')}"


def _cell(view: UnitView, messages: Catalogue) -> str:
    anchor, number = escape(view.anchor), view.unit.unit
    if not view.letter:
        return f'<a class="cell" href="#{anchor}">{number}</a>'
    title = text("unit {unit}: {state}", unit=format.count(number), state=_state(view))
    shown = f'class="cell {escape(view.css)}" href="#{anchor}" title="{escape(said(title, messages))}"'
    return f"<a {shown}>{view.letter}</a>"


def _state(view: UnitView) -> Text:
    return _called(view.unit.state, view.unit.removable)


@cache
def _called(state: str, removable: bool) -> Text:
    found = words.state(state)
    return joined(", ", [found, words.state("redundant")]) if removable else found


def _condition(found: Condition | None, messages: Catalogue) -> Text | str:
    """Return the words of a condition with the share that they explain."""
    if found is not None and found.text:
        told = said(words.name(said(found.text, messages), 600), messages)
        return told if found.r2 is None else f"{told} ({format.share(found.r2, 2)})"
    return text("no simple condition") if found is not None and found.found_in == "none" else text("n/a")

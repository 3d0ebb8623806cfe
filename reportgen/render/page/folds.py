"""What stands in the folds of a large page: data in the page that its script builds them from, or a page of its own.

Templates put a fold into the page like everything else, so that what it says is counted, numbered and given fonts with
the rest; it is taken out of the finished page.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

_FOLD = re.compile(r"<!--fold (\d+)-->(.*?)<!--end of fold \1-->", re.DOTALL)
_ID = re.compile(r'\bid="([^"]*)"')
_LINK = re.compile(r'\bhref="#([^"]*)"')


@dataclass(frozen=True)
class Fold:
    """What stands in the fold of a layer, as HTML. number: of the layer, from 1."""

    number: int
    html: str


def marked(number: int, content: str) -> Markup:
    """Return the content of a fold as `taken_out` finds it. Names from outside are escaped, so none looks like it."""
    return Markup(f"<!--fold {int(number)}-->{content}<!--end of fold {int(number)}-->")


def taken_out(body: str, put: Callable[[Fold], str]) -> tuple[str, list[Fold]]:
    """Return a page's body with what `put` makes of each fold in its place, and the folds."""
    found: list[Fold] = []

    def replaced(match: re.Match[str]) -> str:
        found.append(Fold(int(match[1]), match[2].strip()))
        return put(found[-1])

    return _FOLD.sub(replaced, body), found


def as_data(fold: Fold) -> str:
    """Return a fold as a block of data: nothing in it is run, drawn or loaded until the page's script builds it."""
    # with no "<" in it, nothing in it can end the element
    content = json.dumps(fold.html, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json">{content}</script>'


def ids(body: str) -> set[str]:
    """Return the ids in a piece of HTML."""
    return set(_ID.findall(body))


def places(folds: list[Fold]) -> dict[str, int]:
    """Return in which fold each id stands."""
    return {anchor: fold.number for fold in folds for anchor in ids(fold.html)}


def linked(body: str, address: Callable[[str], str]) -> str:
    """Return HTML with the address that each link to an id leads to."""
    return _LINK.sub(lambda match: f'href="{address(match[1])}"', body)


def within(body: str, elsewhere: str) -> str:
    """Return a page's body whose links to what it does not show lead to `elsewhere`, an id."""
    there = ids(body)
    return linked(body, lambda anchor: f"#{anchor}" if anchor in there else f"#{elsewhere}")

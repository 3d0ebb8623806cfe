"""A Record as one HTML page, for the screen or for paper."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reportgen.i18n import Text
from reportgen.record import finding_groups
from reportgen.record.run import Look
from reportgen.render import fonts, languages, sheets, templating
from reportgen.render.page import (
    detail,
    folds,
    missing,
    unit_rows,
)
from reportgen.render.page.layer_views import LayerView
from reportgen.render.page.missing import ENDS_ALL, Missing, NotDrawn
from reportgen.render.page.view import View as View
from reportgen.render.page.view import paint as paint
from reportgen.render.page.view import told as told
from reportgen.render.pictures import tiles
from reportgen.render.pictures.mosaic import Picture, opaque

PAGE = "report.html"
_SHADES = 6
_CONTENT = "<!--content-->"
_PICTURE = re.compile('(=\\\\?"data:image/png;base64,)(\ufdd0\\d+\ufdd1)')
"""What stands for the content of a picture until the page is finished, in characters that Unicode keeps for such.

It counts in an attribute alone, in JSON too: what a name or a figure of the record holds has its quotes escaped.
"""


@dataclass(frozen=True)
class Page:
    """A page and, of a split one, the files beside it by name.

    uncovered: the characters that its fonts do not have, which are left to the fonts of its readers. missing: what
    could not be drawn.
    """

    html: str
    files: dict[str, bytes] = field(default_factory=dict)
    uncovered: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def prepare(lang: str) -> None:
    """Compile the templates, which takes longer than to fill them in; the next page in this language finds them so."""
    environment = templating.environment(lang)
    environment.filters |= {**_FILTERS, "address": str}
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def html(
    view: View,
    look: Look,
    *,
    on_paper: bool = False,
    split: str | None = None,
    templates: Path | None = None,
    listing: detail.Listing | None = None,
    left_out: Sequence[Text] = (),
) -> Page:
    """Return the whole page.

    look: its language, and the paper of a page for paper. on_paper: leave out what only a screen can show, add what
    only paper needs. split: the name of a folder beside the page into which style sheet, script, fonts and pictures
    go, for hosts that allow nothing inline, and of a large model a page of each layer; None keeps all in the page.
    templates: a folder whose files take the place of reportgen's own of the same name. listing: how units are listed,
    by default as on the first step of the ladder. left_out: what the page says that it leaves out.
    Raises InputError where a template of the user's is at fault.
    """
    environment = templating.environment(look.lang, templates)
    with templating.watched(templates):
        writer = _Writer(environment, view, look, on_paper=on_paper, split=split, templates=templates)
        return writer.page(listing or detail.usual(view.record, paper=on_paper), left_out)


class _Writer:
    """Puts one page together: its body, then the style sheet with the fonts that the body's characters need."""

    def __init__(
        self,
        environment: jinja2.Environment,
        view: View,
        look: Look,
        *,
        on_paper: bool,
        split: str | None,
        templates: Path | None,
    ) -> None:
        self._environment, self._view, self._look = environment, view, look
        self._on_paper, self._split, self._templates = on_paper, split, templates
        self._files: dict[str, bytes] = {}
        self._missing: dict[str, Missing] = {}
        self._pictures: dict[str, bytes] = {}
        environment.filters |= {**_FILTERS, "address": self._address}
        messages = languages.catalogue(look.lang)
        environment.globals |= {
            "drawn": self._drawn,
            "fold": folds.marked,
            "layer_page": self._layer_page,
            "brief_rows": lambda units: unit_rows.rows(units, messages),
            "brief_cells": lambda units: unit_rows.cells(units, messages),
        }

    def page(self, listing: detail.Listing, left_out: Sequence[Text]) -> Page:
        values = {
            "view": self._view,
            "r": self._view.record,
            "on_paper": self._on_paper,
            "split": self._split,
            "listing": listing,
            "left_out": left_out,
            "most_findings": finding_groups.MOST,
        }
        body = sheets.numbered(self._filled("body.html", values))
        shown = sheets.words(body)
        if self._on_paper:
            body = folds.within(body, "layers")
        body, folded = folds.taken_out(body, folds.as_data)
        layers = self._layers(folded, values) if self._split else {}
        style = self._style(shown + "".join(sheets.words(frame) for frame, _ in layers.values()))
        script = "" if self._on_paper else self._source("script.js")
        if self._split:
            self._files |= {"style.css": style.encode(), "script.js": script.encode()}
            places = folds.places(folded)
            body = folds.linked(body, lambda anchor: f"{self._layer_page(places.get(anchor))}#{anchor}")

        def whole(body: str, **more: Any) -> str:
            return self._environment.get_template("report.html").render(
                values,
                body=Markup(body),
                style=Markup(style),
                script=Markup(script),
                csp=self._policy(style, script),
                icon=tiles.icon(),
                **more,
            )

        made = self._with_pictures(whole(body))
        for fold in folded if self._split else ():
            frame, layer = layers[fold.number]
            page = whole(self._at_home(frame.replace(_CONTENT, fold.html), places), layer=layer)
            # these pages lie where the files beside the page do
            page = page.replace(f'="{self._split}/', '="./')
            self._files[self._layer_page(fold.number).rpartition("/")[2]] = page.encode("utf-8")
        files = {f"{self._split}/{name}": content for name, content in self._files.items()}
        return Page(made, files, sorted(fonts.uncovered(shown)), list(self._missing.values()))

    def _filled(self, name: str, values: Mapping[str, Any], **more: Any) -> str:
        return languages.tightened(self._environment.get_template(name).render(values, **more), self._look.lang)

    def _layers(self, folded: list[folds.Fold], values: Mapping[str, Any]) -> dict[int, tuple[str, LayerView]]:
        """Return what stands around each fold on a page of its own, and the layer, by its number."""
        found = {}
        for fold in folded:
            layer = self._view.layers[fold.number - 1]
            told = {"number": fold.number, "layer": layer, "content": Markup(_CONTENT), "report": f"../{PAGE}"}
            found[fold.number] = self._filled("layer.html", values, **told), layer
        return found

    def _layer_page(self, number: int | None) -> str:
        """Return where the page of a layer lies, "" where there is none."""
        return f"{self._split}/layer-{number}.html" if number else ""

    def _at_home(self, body: str, places: Mapping[str, int]) -> str:
        """Return the body of a layer's page with links to what stands on other pages."""
        own = folds.ids(body)

        def address(anchor: str) -> str:
            if anchor in own:
                return f"#{anchor}"
            page = self._layer_page(places[anchor]) if anchor in places else f"../{PAGE}"
            return f"{page}#{anchor}"

        return folds.linked(body, address)

    def _drawn(self, kind: str, of: object = "", anchor: str = "", *, caller: Callable[[], str]) -> str:
        """Return what the block of a template comes to or, where it fails, a notice with the anchor in its place.

        kind, of: what the block draws, as `missing.called` takes them.
        """
        try:
            return caller()
        except ENDS_ALL:
            raise
        except Exception as error:
            if templating.fault_of(error, self._templates):
                raise
            found = missing.noticed(error, kind, of)
            self._missing[found.what] = found
            section = missing.SECTIONS[str(of)] if kind == "section" else None
            notice = self._environment.get_template("missing.html")
            return Markup(notice.render(missing=found, section=section, anchor=anchor or of, r=self._view.record))

    def _style(self, shown: str) -> str:
        messages = languages.catalogue(self._look.lang)
        styles, own_words = [self._source("style.css")], sheets.caption_words(messages)
        if self._on_paper:
            styles += [f"@page {{ size: {self._look.paper}; }}", self._source("print.css")]
            own_words += sheets.paper_words(messages)
        return sheets.with_fonts(
            styles, own_words, shown, lambda face: self._resource(face.file, "font/woff2", face.woff2)
        )

    def _source(self, name: str) -> str:
        return templating.source(self._environment, name)

    def _policy(self, style: str, script: str) -> str:
        if self._split:
            return sheets.policy("'self'", "'self'", "'self'", "'self'")
        return sheets.policy("data:", "data:", sheets.digest(style), sheets.digest(script))

    def _address(self, picture: Picture) -> str:
        """Return where a page finds a picture: in itself, or in a file named after its content.

        What it has in itself is put in last: templates copy what they make many times over, and pictures are most of
        a large page.
        """
        png = opaque(picture.png) if self._on_paper else picture.png
        if self._split:
            return self._resource(f"{hashlib.sha256(png).hexdigest()[:16]}.png", "image/png", png)
        place = f"\ufdd0{len(self._pictures)}\ufdd1"
        self._pictures[place] = png
        return f"data:image/png;base64,{place}"

    def _with_pictures(self, page: str) -> str:
        """Return a page with its pictures in their places."""
        stored = {place: base64.b64encode(png).decode("ascii") for place, png in self._pictures.items()}
        return _PICTURE.sub(lambda found: found[1] + stored.get(found[2], found[2]), page)

    def _resource(self, name: str, kind: str, content: bytes) -> str:
        if not self._split:
            return sheets.data_uri(kind, content)
        self._files[name] = content
        # a style sheet's addresses are relative to itself
        return name if kind.startswith("font") else f"{self._split}/{name}"


def _shade(cell: int, row: Sequence[int]) -> int:
    """Return 0 (nothing) to 6 (all of the row), never 0 for what is there: how dark a matrix cell is."""
    return -(-_SHADES * cell // sum(row)) if cell else 0


def _layer_anchor(layer: str, view: View) -> str:
    """Return the anchor of a layer's section."""
    with suppress(NotDrawn):
        for number, one in enumerate(view.layers, 1):
            if one.verdict.name == layer:
                return f"layer-{number}"
    return "layers"


_FILTERS = {"shade": _shade, "layer_anchor": _layer_anchor}

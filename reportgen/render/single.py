"""A page of its own beside the report: one file with style sheet and fonts, and a policy that allows nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from reportgen.render import languages, sheets, templating
from reportgen.render.pictures import tiles
from reportgen.render.pictures.mosaic import Picture


def page(
    environment: jinja2.Environment,
    body: str,
    values: Mapping[str, Any],
    *,
    title: str,
    version: str,
    styles: Sequence[str] = ("style.css",),
    feed: str | None = None,
) -> str:
    """Return the whole page around the template `body`.

    version: of the reportgen that made it. styles: style sheets beside the templates. feed: the address of its Atom
    feed.
    """
    environment.filters["address"] = _picture
    lang = str(environment.globals["lang"])
    content = sheets.numbered(languages.tightened(environment.get_template(body).render(values), lang))
    style = sheets.with_fonts(
        [templating.source(environment, name) for name in styles],
        sheets.caption_words(languages.catalogue(lang)),
        sheets.words(content),
        lambda face: sheets.data_uri("font/woff2", face.woff2),
    )
    return environment.get_template("single.html").render(
        title=title,
        version=version,
        feed=feed,
        body=Markup(content),
        style=Markup(style),
        icon=tiles.icon(),
        csp=sheets.policy("data:", "data:", sheets.digest(style)),
    )


def _picture(picture: Picture) -> str:
    return sheets.data_uri("image/png", picture.png)

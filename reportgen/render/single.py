"""A page of its own beside the report: one file with style sheet and fonts, and a policy that allows nothing else."""

import base64
import hashlib
import html as markup
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from reportgen.render import fonts, templating, tiles


def page(environment: jinja2.Environment, body: str, values: Mapping[str, Any], *, title: str, version: str) -> str:
    """Return the whole page around the template `body`. version: of the reportgen that made it."""
    environment.globals["font_stack"] = fonts.STACK
    environment.filters["address"] = _picture
    content = environment.get_template(body).render(values)
    faces = fonts.rules(fonts.faces(markup.unescape(content)), lambda face: _uri("font/woff2", face.woff2))
    style = "\n".join([faces, templating.source(environment, "style.css")])
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    allowed = f"img-src data:; font-src data:; style-src 'sha256-{digest}'"
    return environment.get_template("single.html").render(
        title=title,
        version=version,
        body=Markup(content),
        style=Markup(style),
        csp=f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
    )


def _picture(picture: tiles.Picture) -> str:
    return _uri("image/png", picture.png)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

"""All reports below a folder as an Atom feed (RFC 4287): the newest ones, each under an identifier that stays."""

import uuid
from urllib.parse import urljoin

from reportgen.record.key_figures import Headline
from reportgen.render import templating
from reportgen.render.index.listing import View

MOST_ENTRIES = 50


def xml(view: View, *, lang: str, made_at: str, version: str, place: str, page: str, url: str | None) -> str:
    """Return the feed.

    made_at: when it was last updated if there is no report at all. place: what tells these reports from others where
    there is no `url`. page: the relative address of the HTML page. url: the absolute address of the folder that page
    and feed are published in; without it all links are relative.
    """
    entries = {_entry_id(row.headline): row for row in view.rows[:MOST_ENTRIES]}
    return (
        templating.environment(lang)
        .get_template("feed.xml")
        .render(
            view=view,
            entries=entries,
            id=_urn(url or place),
            updated=view.rows[0].headline.made_at if view.rows else made_at,
            version=version,
            page=page,
            own="feed.xml" if url else None,
            absolute=lambda href: urljoin(_folder(url), href) if url else href,
        )
    )


def _folder(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def _entry_id(headline: Headline) -> str:
    """Return an identifier made from what the report is about: it stays when the report is painted again or moved."""
    return _urn("\n".join(headline.run))


def _urn(content: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"reportgen:{content}".encode("utf-8", "replace").decode("utf-8")).urn

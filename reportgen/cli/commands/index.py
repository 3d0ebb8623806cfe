"""`reportgen index`: one page over all reports below a folder, and an Atom feed."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from reportgen import files
from reportgen.cli.common import errors_shown
from reportgen.cli.options import Debug, language
from reportgen.errors import InputError

FEED = "feed.xml"
_MARK, _BEGINNING = b"reportgen", 4000


def index(
    folder: Annotated[Path, typer.Argument(help="The folder that your reports lie in, at any depth.", metavar="DIR")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page to write.", show_default="DIR/index.html")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The page's title.", show_default="Model reports")] = None,
    lang: Annotated[str | None, language("The page's language", shown="the newest report's")] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the page's folder is published; makes the feed's links whole."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a page over all reports below a folder, newest first, and an Atom feed beside it."""
    with errors_shown(debug):
        for path in write(folder, out or folder / "index.html", title=title, lang=lang, url=url):
            print(path)


def write(
    folder: Path, target: Path, *, title: str | None = None, lang: str | None = None, url: str | None = None
) -> list[Path]:
    """Write the page at `target` over the reports below `folder`, and the feed beside it; return both paths."""
    from reportgen import __version__
    from reportgen.deliver import file
    from reportgen.options import LANGUAGES, check_lang
    from reportgen.pipeline.provenance import made_at
    from reportgen.record import search
    from reportgen.record.finding_kinds import KINDS
    from reportgen.record.run import Look
    from reportgen.render.index import feed
    from reportgen.render.index import listing as page

    _check_url(url)
    check_target(target)
    beside = target.with_name(FEED)
    found = search.find(folder)
    newest = found.reports[0].headline.lang if found.reports else ""
    spoken = lang or (newest if newest in LANGUAGES else Look().lang)
    check_lang(spoken)
    view = page.paint(
        found,
        target.resolve().parent,
        title=title,
        meanings={code: kind.meaning for code, kind in KINDS.items()},
    )
    now = made_at()
    html = page.html(view, lang=spoken, made_at=now, version=__version__, feed=FEED)
    atom = feed.xml(
        view,
        lang=spoken,
        made_at=now,
        version=__version__,
        place=f"{found.root.name}/{target.name}",
        page=quote(os.fsencode(target.name)),
        url=url,
    )
    for path, content in ((target, html), (beside, atom)):
        file.write(path, content.encode("utf-8"))
    return [target, beside]


def check_target(target: Path) -> None:
    """Raise InputError where a page at `target`, or the feed beside it, would take the place of something else."""
    if target.name == FEED:
        raise InputError(f"--out is {target}", f"give the page another name: {FEED} is the feed's")
    for path in (target, target.with_name(FEED)):
        _refuse_foreign(path)


def _check_url(url: str | None) -> None:
    if url is not None and not (url.startswith(("https://", "http://")) and url.isprintable() and " " not in url):
        raise InputError(f"--url is {url!r}", "expected an address that begins with https:// or http://")


def _refuse_foreign(path: Path) -> None:
    """Raise InputError where writing `path` would take the place of something that is not ours."""
    if path.parent.joinpath("report.json").exists():
        raise InputError(f"{path.parent} is itself a report", "give the folder above it, or another --out")
    if path.exists():
        with files.opened(path) as stream:  # a pipe would be waited for where it is written
            if _MARK not in stream.read(_BEGINNING):
                raise InputError(f"{path} is there and was not made by reportgen", "move it, or give another --out")

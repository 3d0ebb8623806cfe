"""A report as a notebook shows it: the whole page in a frame of its own, or in brief where that cannot be.

A notebook that is opened again shows what it holds, if it is trusted. JupyterLab takes the frame out of one that is
not, and so do previews such as GitHub's; Visual Studio Code then shows the one line of text that goes with the HTML.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reportgen import format
from reportgen.i18n import Text, text
from reportgen.record import finding_groups
from reportgen.record.run import Record
from reportgen.record.units import Finding
from reportgen.render import templating, words
from reportgen.render.findings import Entry, entries, further

LARGEST = 5_000_000
"""Bytes of the largest page that goes into a notebook: it is stored in there each time it is shown."""

MOST_FINDINGS = finding_groups.MOST

_OPENED = (".html", ".pdf", ".json")
"""How the names of files end that a notebook's server or editor can show; it fails on others."""

NO_PAGE = text("This report has no HTML page.")
SPLIT = text("The page needs the files beside it, so it can only be opened in its folder.")
GONE = text("The page is no longer where it was written.")


@dataclass(frozen=True)
class Brief:
    """A report in a few words. accuracy: of so many images; kinds: of finding, gravest first; lang: of its pages."""

    title: Text
    accuracy: float
    images: int
    verdict: Text
    findings: list[Finding]
    kinds: list[Entry]
    lang: str


def brief(record: Record) -> Brief:
    """Return what there is to say about a report where its page is not shown."""
    test = record.evaluation["test"]
    assert test is not None
    return Brief(
        title=record.title,
        accuracy=test.accuracy,
        images=record.data.test_size,
        verdict=words.verdict(record.layers, record.units),
        findings=record.findings,
        kinds=entries(record.findings, record.baseline),
        lang=record.look.lang,
    )


def too_large(size: int) -> Text:
    """Return why a page of so many bytes is not shown."""
    return text(
        "The page has {size}, and no more than {most} is put into a notebook.",
        size=format.size(size),
        most=format.size(LARGEST),
    )


def shown(
    found: Brief, folder: Path, files: Mapping[str, int], *, page: str | None = None, why: Text | None = None
) -> str:
    """Return HTML for the output of a cell.

    The frame has an origin of its own: what is in the page reaches neither the notebook nor its server.
    folder, files: where the report lies, and the sizes of its files by name. page: the whole page as it was written;
    why: the reason where it is not shown.
    """
    environment = templating.environment(found.lang)
    is_linked = not folder.is_absolute() and not _in_colab()
    return environment.get_template("notebook.html").render(
        found=found,
        most=MOST_FINDINGS,
        further=further(found.kinds[MOST_FINDINGS:]),
        folder=str(folder),
        # a notebook's server finds what lies below the notebook's own folder
        links={
            name: quote((folder / name).as_posix()) if is_linked and name.endswith(_OPENED) else None for name in files
        },
        page=None if page is None else _at_home(page),
        why=why,
    )


def _in_colab() -> bool:
    """Return whether this is Google Colab: its outputs stand on a host of their own, where no file of ours is."""
    return "google.colab" in sys.modules


def _at_home(page: str) -> str:
    """Return a page whose links to its own places stay in the frame; without a base they lead to the notebook's.

    It has to stand before the page's policy, which allows none.
    """
    return page.replace("<head>", '<head>\n<base href="about:srcdoc">', 1)

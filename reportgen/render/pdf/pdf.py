"""The printed report: HTML for paper to PDF, by WeasyPrint, reaching nothing but data: URIs."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reportgen.errors import InputError, SurroundingsError
from reportgen.render.pdf import finish

LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"

_NO_GLYPH = re.compile(r"\.notdef glyph .*\(U\+([0-9A-F]+)\)$", re.DOTALL)
_HOLES = ("Failed to ", "Relative URI ", "Malformed ")
"""How WeasyPrint's complaints begin about something that it leaves out."""
_INTO_THE_PAGE = "put it into the page as a data: URI"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pdf:
    """A PDF/UA-1 of so many pages, and the characters named in it by number ("U+1F600"): no font here has a glyph."""

    content: bytes
    without_glyph: list[str]
    pages: int = 0


def check() -> None:
    """Raise SurroundingsError where WeasyPrint cannot work on this machine."""
    _weasyprint()


def write(page: str) -> Pdf:
    """Return the PDF of a page made for paper; the same page gives the same bytes on machines with the same fonts.

    A character that neither the page's fonts nor those of this machine have would be an empty box: such a page is
    written again, which takes as long once more, with the number of the character in its place.
    Raises SurroundingsError where WeasyPrint cannot work, InputError where the page asks for a file or an address.
    """
    weasyprint = _weasyprint()
    from weasyprint.urls import FatalURLFetchingError

    from reportgen.render.pdf import stored_png

    refused: list[str] = []
    numbered: set[str] = set()
    pages = 0

    def finished(document: Any, file: Any) -> None:
        nonlocal pages
        pages = len(document.pages)
        finish.finish(document, file)

    try:
        brief, addresses = stored_png.shortened(page)
        parsed = weasyprint.HTML(string=brief, url_fetcher=_only_data(refused))
        pictures = stored_png.pictures(parsed.etree_element, addresses)
        while True:
            with _heard() as messages:
                made: bytes = parsed.write_pdf(pdf_variant="pdf/ua-1", finisher=finished, cache=dict(pictures))
            if refused:  # inside an SVG image, of which WeasyPrint then draws no more and goes on
                raise FatalURLFetchingError(refused[0])
            if holes := [message for message in messages if message.startswith(_HOLES)]:
                raise InputError(f"a template has something that cannot be drawn ({holes[0][:200]})", _INTO_THE_PAGE)
            missing = {chr(int(m[1], 16)) for m in map(_NO_GLYPH.match, messages) if m} - numbered
            missing = {letter for letter in missing if not letter.isspace()}  # a space looks right without a glyph
            if not missing:
                break
            _name_by_number(parsed.etree_element, missing)
            numbered |= missing
    except FatalURLFetchingError as error:  # a BaseException, so that WeasyPrint itself lets it through
        raise InputError(f"a template asks for something outside the page ({error})", _INTO_THE_PAGE) from error
    return Pdf(made, sorted(numbered), pages)


def _only_data(refused: list[str]) -> Any:
    """Return what fetches for WeasyPrint: data: URIs. Any other address goes to `refused` and ends the rendering."""
    from weasyprint.urls import URLFetcher

    class DataOnly(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.lower().startswith("data:"):
                refused.append(url)
            return super().fetch(url, headers)

    return DataOnly(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)


def _name_by_number(page: Any, letters: set[str]) -> None:
    """Write "U+1F600" for each of these characters wherever the page draws text.

    Titles and alternative texts keep them: they are not drawn, but read out.
    """
    numbers = str.maketrans({letter: f"U+{ord(letter):04X}" for letter in letters})
    for element in page.iter():
        if element.text and not str(element.tag).endswith("title"):
            element.text = element.text.translate(numbers)
        if element.tail:
            element.tail = element.tail.translate(numbers)
        for name, value in element.items():
            if name.startswith("data-"):  # the style sheet may draw it, by attr()
                element.set(name, value.translate(numbers))


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what WeasyPrint has to complain about, which then reaches no terminal; a log at level DEBUG keeps it."""
    logger, messages = logging.getLogger("weasyprint"), list[str]()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())
            _log.debug("WeasyPrint: %s", messages[-1])

    ear, before = Ear(logging.WARNING), (logger.propagate, logger.level)
    logger.addHandler(ear)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    try:
        yield messages
    finally:
        logger.removeHandler(ear)
        logger.propagate, level = before
        logger.setLevel(level)


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:  # Pango is a system library that pip cannot bring
        raise SurroundingsError(
            "the PDF cannot be made, because WeasyPrint does not find the system library Pango",
            f"install it (Debian: apt-get install {LIBRARIES}) or ask for --formats html",
        ) from error
    return weasyprint

"""The printed report: HTML for paper to PDF, by WeasyPrint, reaching nothing but data: URIs."""

from typing import Any

from reportgen.errors import InputError, SurroundingsError

LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


def check() -> None:
    """Raise SurroundingsError where WeasyPrint cannot work on this machine."""
    _weasyprint()


def write(page: str) -> bytes:
    """Return the PDF of a page made for paper.

    Raises SurroundingsError where WeasyPrint cannot work, InputError where the page asks for a file or an address.
    """
    weasyprint = _weasyprint()
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    fetcher = URLFetcher(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)
    try:
        # tags make headings, tables and figures known to screen readers
        made: bytes = weasyprint.HTML(string=page, url_fetcher=fetcher).write_pdf(pdf_tags=True)
    except FatalURLFetchingError as error:  # a BaseException, so that WeasyPrint itself lets it through
        raise InputError(
            f"a template asks for something outside the page ({error})", "put it into the page as a data: URI"
        ) from error
    return made


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:  # Pango is a system library that pip cannot bring
        raise SurroundingsError(
            "the PDF cannot be made, because WeasyPrint does not find the system library Pango",
            f"install it (Debian: apt-get install {LIBRARIES}) or ask for --formats html",
        ) from error
    return weasyprint

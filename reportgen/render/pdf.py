"""The printed report: HTML for paper to PDF, by WeasyPrint, reaching nothing but data: URIs."""

import logging
from typing import Any

from reportgen.errors import SurroundingsError

LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


def write(page: str) -> bytes:
    """Return the PDF of a page made for paper. Raises SurroundingsError where WeasyPrint cannot work."""
    weasyprint = _weasyprint()
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)
    document = weasyprint.HTML(string=page, url_fetcher=fetcher)
    # tags make headings, tables and figures known to screen readers
    made: bytes = document.write_pdf(pdf_tags=True)
    return made


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:  # Pango is a system library that pip cannot bring
        raise SurroundingsError(
            "the PDF cannot be made, because WeasyPrint does not find the system library Pango",
            f"install it (Debian: apt-get install {LIBRARIES}) or ask for --formats html",
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint

"""What every page is put together from: style sheets with words and fonts in them, data: URIs, and a policy."""

import base64
import hashlib
import html as markup
import json
import re
from collections.abc import Callable, Sequence

from reportgen.i18n import Catalogue
from reportgen.render import fonts

_FIGURE = re.compile(r"<figure(?P<classes>(?: [^>]*)?)>|<figcaption\b")


def with_fonts(sheets: Sequence[str], own_words: str, shown: str, address: Callable[[fonts.Face], str]) -> str:
    """Return one style sheet: the fonts that a page's words need, the sheets, and last the sheets' own words.

    shown: the page's `words`. own_words: a style sheet with words that are shown. address: where a page finds a font.
    """
    rules = fonts.rules(fonts.faces(shown + own_words), address)
    return "\n".join([rules, *sheets, own_words])


def caption_words(messages: Catalogue) -> str:
    """Return the style sheet with the words of captions and lists, which a plain style sheet could not translate."""
    figure = _content(messages.gettext("Figure {number}. "), {"number": "attr(data-number)"})
    table = _content(messages.gettext("Table {number}. "), {"number": "attr(data-number)"})
    colon = _content(messages.gettext(": "), {})
    return (
        f"figcaption::before {{ content: {figure}; }}\n.table figcaption::before {{ content: {table}; }}\n"
        f".line dt::after {{ content: {colon}; }}\n"
    )


def paper_words(messages: Catalogue) -> str:
    """Return the style sheet with the words of the page margins, and of links and lists on paper."""
    numbers = {"page": "counter(page)", "pages": "counter(pages)"}
    footer = _content(messages.gettext("page {page} of {pages}"), numbers)
    link = _content(messages.gettext(" (page {page})"), {"page": "target-counter(attr(href), page)"})
    between = _content(messages.gettext("; "), {})
    return (
        f"@page {{ @bottom-right {{ content: {footer}; }} }}\n.findings a::after {{ content: {link}; }}\n"
        f".line div:not(:last-child) dd::after {{ content: {between}; }}\n"
    )


def numbered(body: str) -> str:
    """Return a page's body with the numbers of its figures and tables, each counted from 1, in its captions.

    Counters of a style sheet pass over what is folded, so that opening a fold would change the numbers behind it.
    """
    counts, kind = {"figure": 0, "table": 0}, "figure"

    def tagged(found: re.Match[str]) -> str:
        nonlocal kind
        if found["classes"] is not None:
            kind = "table" if re.search(r'class="([^"]* )?table[ "]', found["classes"]) else "figure"
            return found[0]
        counts[kind] += 1
        return f'<figcaption data-number="{counts[kind]}"'

    return _FIGURE.sub(tagged, body)


def policy(img: str, font: str, style: str, script: str | None = None) -> str:
    """Return a Content-Security-Policy that allows these sources and nothing else, not even a request."""
    sources = {"img": img, "font": font, "style": style} | ({"script": script} if script else {})
    allowed = "; ".join(f"{kind}-src {source}" for kind, source in sources.items())
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def digest(text: str) -> str:
    """Return the source that allows exactly this text between the tags of a style or a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def data_uri(kind: str, content: bytes) -> str:
    """Return content as an address that holds it. kind: a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _content(message: str, counters: dict[str, str]) -> str:
    """Return a message as CSS content: "Figure {number}." -> '"Figure " counter(figure) "."'."""
    parts = enumerate(re.split(r"\{(\w+)\}", message))
    return " ".join(counters[part] if n % 2 else json.dumps(part, ensure_ascii=False) for n, part in parts if part)


def words(body: str) -> str:
    """Return the characters that a reader sees of a page's body, alternative texts and titles included."""
    return markup.unescape(re.sub(r"data:[^\"')]*", "", body))

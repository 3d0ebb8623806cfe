"""What mkdocs does to the pages besides rendering them, see mkdocs.yml.

The pages are read on the code host as well as on the site. There a link out of docs/ leads to a file of the
repository; on the site there is no such file, so the link becomes the file's name.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = "contributing.md"

_OUT = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)")
_INTO = re.compile(r"\]\(docs/")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Return a page's text for the site; the page on contributing is the file that stands at the root."""
    if page.file.src_uri == CONTRIBUTING:
        markdown = _INTO.sub("](", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
        return re.sub(r"\[([^\]]+)\]\((?!https?:|#|[\w-]+\.md)([^)]+)\)", _named, markdown)
    return _OUT.sub(lambda link: _named(link, link[2].removeprefix("../")), markdown)


def _named(link: re.Match[str], path: str | None = None) -> str:
    """Return the words of a link and the path of its file. Raises FileNotFoundError where there is none."""
    path = path or link[2]
    if not (ROOT / path).exists():
        raise FileNotFoundError(f"a page links to {path}, which does not exist")
    words = link[1]
    return words if words.strip("`") in (path, Path(path).name) else f"{words} (`{path}`)"

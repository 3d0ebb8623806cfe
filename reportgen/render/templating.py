"""Jinja as reportgen uses it: sandboxed, escaping, in one language, with the words' filters."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from reportgen.errors import InputError, SurroundingsError
from reportgen.render import fonts, words
from reportgen.render.languages import bound, catalogue, said
from reportgen.texts import Catalogue, Text, ntext, text


class _InMemory(jinja2.BytecodeCache):
    """Keeps compiled templates for the next page of the same run; compiling takes as long as filling in."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._kept.get((bucket.key, bucket.checksum)):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


# one for each language: what Jinja finds to be constant, such as a word through a filter, is said when it compiles
_COMPILED: defaultdict[str, _InMemory] = defaultdict(_InMemory)


def environment(lang: str, templates: Path | None = None) -> jinja2.Environment:
    """Return an environment whose templates speak `lang`.

    `text`, `ntext` and the tag `trans` translate; a Text is said in the language wherever it is put out.
    templates: a folder whose files take the place of reportgen's own of the same name.
    Raises InputError where `templates` is no folder.
    """
    if templates is not None and not templates.is_dir():
        raise InputError(f"--templates {templates} is not a folder", "give a folder of Jinja templates")
    folders = [*([templates] if templates else []), locate_templates()]
    messages = catalogue(lang)

    def finalize(value: Any) -> Any:
        return said(value, messages)

    made = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=jinja2.select_autoescape(["html", "xml"]),
        undefined=jinja2.StrictUndefined,
        lstrip_blocks=True,
        finalize=finalize,
        bytecode_cache=_COMPILED[lang],
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    # what the extension adds; mypy does not know it
    made.install_gettext_callables(messages.gettext, messages.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {name: bound(function, messages) for name, function in words.FILTERS.items()}
    made.filters["moment"] = lambda value: words.moment(value, messages, lang)
    made.globals |= {"text": _in_template(text, messages), "ntext": _in_template(ntext, messages), "lang": lang}
    made.globals["font_stack"] = fonts.SVG_STACK
    return made


def _in_template(function: Callable[..., Text], messages: Catalogue) -> Callable[..., str]:
    """Return `text` or `ntext` as templates call it; what a macro made is unescaped, since all is escaped later."""

    def said_at_once(*arguments: Any, **values: Any) -> str:
        words = {name: value.unescape() if isinstance(value, Markup) else value for name, value in values.items()}
        return function(*arguments, **{name: said(value, messages) for name, value in words.items()}).said(messages)

    return said_at_once


def source(env: jinja2.Environment, name: str) -> str:
    """Return a file beside the templates as it is, without Jinja: a style sheet or a script."""
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]


def locate_templates() -> Path:
    """Return the folder of reportgen's own templates: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "report.html").is_file():
            return folder
    raise SurroundingsError(f"the templates of reportgen are missing from {package}", "install reportgen again")

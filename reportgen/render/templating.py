"""Jinja as reportgen uses it: sandboxed, escaping, in one language, with the words' filters."""

import re
import resource
import signal
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Catalogue, Text, ntext, text
from reportgen.render import fonts, words
from reportgen.render.languages import bound, catalogue, said

_ACTING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LARGEST = 4 * 2**20
_LONGEST_PIECE = 10_000
LONGEST = 300
"""Seconds that a page with templates of the user's may take."""
MOST_MEMORY = 2 * 2**30
"""Bytes of memory that such a page may take on top."""

_MEND = "mend the template"
_OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*(?: full)?")


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
    loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(locate_templates())]
    if templates is not None:
        loaders.insert(0, _Users(templates))
    messages = catalogue(lang)

    def finalize(value: Any) -> Any:
        return _harmless(said(value, messages))

    made = ImmutableSandboxedEnvironment(
        loader=jinja2.ChoiceLoader(loaders),
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
    made.filters["with_code"] = lambda value: _with_code(said(value, messages))
    made.filters["moment"] = lambda value: words.moment(value, messages, lang)
    made.globals |= {"text": _in_template(text, messages), "ntext": _in_template(ntext, messages), "lang": lang}
    made.globals |= {"font_stack": fonts.SVG_STACK, "drawn": _drawn}
    return made


def _with_code(sentence: str) -> Markup:
    """Return a sentence with the options in it, such as --shifts full, set as code."""
    return Markup(_OPTION.sub(r"<code>\g<0></code>", str(escape(_harmless(sentence)))))


def _harmless(value: Any) -> Any:
    """Return words with a sign for each character that acts on a terminal, or turns the direction of what follows.

    Filters do the same where names are put out; this is for what was forgotten. Long markup is what macros made of
    pieces that came by here before: on a large page, looking at it again on every level takes seconds.
    """
    if not isinstance(value, str) or (isinstance(value, Markup) and len(value) > _LONGEST_PIECE):
        return value
    if not _ACTING.search(value):
        return value
    return type(value)(_ACTING.sub("\N{REPLACEMENT CHARACTER}", value))


class _Users(jinja2.FileSystemLoader):
    """Loads templates of the user's. What cannot be read is the user's to mend; a link may not lead elsewhere."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def get_source(self, environment: jinja2.Environment, template: str) -> Any:
        """Return what Jinja asks a loader for. Raises InputError for a file that cannot be used."""
        path = self._folder / template
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self._folder.resolve()):
                raise InputError(f"{path} is a link that leads out of the folder", "put the file itself there")
            if path.exists() and path.stat().st_size > _LARGEST:
                raise InputError(f"{path} is larger than {_LARGEST:,} bytes", "give a smaller template")
            return super().get_source(environment, template)
        except jinja2.TemplateNotFound:  # an OSError; reportgen's own is taken then
            raise
        except (OSError, UnicodeError, RuntimeError) as error:
            raise InputError(f"{path} cannot be read ({error})", f"{_MEND}; it has to be text in UTF-8") from error


@contextmanager
def watched(templates: Path | None) -> Iterator[None]:
    """Raise InputError for whatever goes wrong in a template of the user's, with its file and line.

    Such templates can do no more than fill in the page, but they can do that without end: time and memory are limited
    (the time in the main thread alone, which is the one that a signal reaches).
    """
    if templates is None:
        yield
        return
    try:
        with _limited(templates):
            yield
    except (InputError, SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        if place := fault_of(error, templates):
            raise InputError(f"{place} fails ({type(error).__name__}: {error})", _MEND) from error
        raise


def fault_of(error: BaseException, templates: Path | None) -> str | None:
    """Return file and line of the user's template that is at fault for `error`, None where none of theirs is."""
    if templates is None:
        return None
    steps = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, jinja2.TemplateSyntaxError) and error.filename:
        steps.append((error.filename, error.lineno))
    theirs = [f"{file}, line {line}," for file, line in steps if Path(file).is_relative_to(templates)]
    if not theirs and isinstance(error, jinja2.TemplateError):  # one of ours misses what theirs took the place of
        return f"a template that uses one in {templates}"
    return theirs[-1] if theirs else None


@contextmanager
def _limited(templates: Path) -> Iterator[None]:
    def give_up(*_: Any) -> NoReturn:
        raise InputError(f"the templates in {templates} run for more than {LONGEST} seconds", _MEND)

    has_clock = threading.current_thread() is threading.main_thread()
    memory = resource.getrlimit(resource.RLIMIT_AS)
    if has_clock:
        handler = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        if now := _memory_now():
            limits = (limit for limit in (*memory, now + MOST_MEMORY) if limit != resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_AS, (min(limits), memory[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        if has_clock:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)


def _memory_now() -> int | None:
    """Return the bytes of memory that this process has asked for, None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _drawn(kind: str, of: object = "", anchor: str = "", *, caller: Callable[[], str]) -> str:
    """Return what the block comes to: on pages that have no place for a notice, see `page`, what fails ends all."""
    return caller()


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

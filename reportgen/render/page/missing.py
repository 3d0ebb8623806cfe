"""What cannot be drawn is missing by itself: a notice takes its place, and the rest of the page is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, ParamSpec, TypeVar, cast

from reportgen.errors import ReportgenError, one_line
from reportgen.format import short
from reportgen.i18n import Text, text
from reportgen.render import words

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LONGEST_REASON = 200

ENDS_ALL = (ReportgenError, MemoryError)
"""What goes on to the caller: nothing that is wrong with one picture."""

SECTIONS = {
    "cover": text("Model report"),
    "contents": text("Contents"),
    "changes": text("What changed since the last report"),
    "model": text("The model"),
    "training": text("Training"),
    "shifts": text("When pictures change"),
    "trust": text("How far to trust these figures"),
    "evaluation": text("Evaluation"),
    "overview": text("Overview of the layers"),
    "layers": text("Inside the layers"),
    "findings": text("Findings"),
    "all-findings": text("All findings"),
    "glossary": text("Glossary"),
    "about": text("About this report"),
}
"""The sections of the page by their anchor."""


@dataclass(frozen=True)
class Missing:
    """Something that the page has a notice for. what: as a sentence calls it; error: why it could not be drawn."""

    what: Text
    error: Exception

    @property
    def why(self) -> str:
        """The error in one line: "ValueError: bad figure"."""
        said = f"{type(self.error).__name__}: {self.error}".removesuffix(": ")
        return short(one_line(said), _LONGEST_REASON)


class NotDrawn(Exception):
    """Raised by whatever is asked of something that could not be drawn. error: what was raised when it was tried."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def attempt(make: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what `make` returns. Where it fails, return what raises NotDrawn as soon as a page wants to show it."""
    try:
        return make(*args, **kwargs)
    except ENDS_ALL:
        raise
    except Exception as error:
        return cast(_T, _Hole(_reason(error)))


def noticed(error: Exception, kind: str, of: object) -> Missing:
    """Return what is missing. kind, of: as `called` takes them."""
    return Missing(called(kind, of), _reason(error))


def _reason(error: Exception) -> Exception:
    return error.error if isinstance(error, NotDrawn) else error


def called(kind: str, of: object) -> Text:
    """Return what a sentence calls a part of the page. of: the name of what it shows, a section's its anchor."""
    return _CALLED[kind](words.name(of))


_CALLED: dict[str, Callable[[str], Text]] = {
    "section": lambda anchor: text("the section “{title}”", title=SECTIONS[anchor]),
    "layer": lambda name: text("the layer {layer}", layer=name),
    "history": lambda name: text("the chart of {metric}", metric=name),
    "deaths": lambda name: text("the chart of the dead units of layer {layer}", layer=name),
    "mistakes": lambda _: text("the chart of mistakes by class"),
    "reliability": lambda _: text("the reliability diagram"),
    "image": lambda _: text("a test image"),
    "network": lambda _: text("the drawing of the network"),
    "overview": lambda _: text("the table of all layers with units"),
    "outputs": lambda name: text("the outputs of layer {layer}", layer=name),
    "kernels": lambda name: text("the kernels of layer {layer}", layer=name),
    "classes": lambda name: text("the responses of layer {layer} to each class", layer=name),
    "effects": lambda name: text("what the model does without units of layer {layer}", layer=name),
    "alike": lambda name: text("the correlations of layer {layer}", layer=name),
    "card": lambda name: text("a picture of unit {unit}", unit=name),
    "sentence": lambda name: text("the sentence under “{title}”", title=name),
}


class _Hole:
    """Takes the place of what could not be drawn."""

    def __init__(self, error: Exception) -> None:
        self.__dict__["_error"] = error

    def _fail(self, *_: Any) -> NoReturn:
        raise NotDrawn(self.__dict__["_error"]) from self.__dict__["_error"]

    __getattr__ = __getitem__ = __call__ = _fail
    __str__ = __iter__ = __len__ = __eq__ = _fail
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return True  # it is there, so a template goes on to show it

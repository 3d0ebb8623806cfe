"""reportgen: see what went on inside a Keras model, as one HTML page and one PDF."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "FindingThresholds",
    "InputError",
    "Report",
    "ReportCallback",
    "ReportgenError",
    "SurroundingsError",
    "load",
    "prune",
    "report",
    "rerender",
]

if TYPE_CHECKING:
    from reportgen.callback import ReportCallback
    from reportgen.errors import InputError, ReportgenError, SurroundingsError
    from reportgen.pipeline.flow import render as rerender
    from reportgen.pipeline.flow import report
    from reportgen.pipeline.smaller import prune
    from reportgen.result import Report, load
    from reportgen.thresholds import FindingThresholds

# `render` itself is the name of a package here, which would take the function's place once it is imported
_PLACES = {
    "FindingThresholds": ("thresholds", "FindingThresholds"),
    "InputError": ("errors", "InputError"),
    "Report": ("result", "Report"),
    "ReportCallback": ("callback", "ReportCallback"),
    "ReportgenError": ("errors", "ReportgenError"),
    "SurroundingsError": ("errors", "SurroundingsError"),
    "load": ("result", "load"),
    "prune": ("pipeline.smaller", "prune"),
    "report": ("pipeline.flow", "report"),
    "rerender": ("pipeline.flow", "render"),
}


if not TYPE_CHECKING:  # a type checker would take every name for one that there is

    def __getattr__(name: str) -> Any:
        """Import what stands in __all__ when it is first asked for, so that `import reportgen` costs nothing."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _PLACES[name]
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    """Name what there is to a notebook's completion, too."""
    return sorted([*globals(), *__all__])

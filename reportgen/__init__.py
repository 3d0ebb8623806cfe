"""reportgen: see what went on inside a Keras model, as one HTML page and one PDF."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["report"]

if TYPE_CHECKING:
    from reportgen.pipeline import report


def __getattr__(name: str) -> Any:
    """Import the pipeline when it is first asked for, so that `import reportgen` costs nothing."""
    if name == "report":
        from reportgen.pipeline import report

        return report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

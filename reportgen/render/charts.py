"""Line charts of the training, as SVG by matplotlib."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reportgen.record import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING, VALIDATION = "#1b5e9c", "#c1440e"
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",  # an SVG used as an image has no access to the page's fonts
    "svg.hashsalt": "reportgen",  # else identifiers, and with them the bytes, differ on every run
}


def metric(history: History, name: str) -> bytes:
    """Return the chart of one metric over the epochs, its validation counterpart beside it where there is one."""
    from matplotlib.ticker import MaxNLocator

    with _figure(width=4.4, height=2.6) as (axes, chart):
        _line(axes, history.epochs, history.metrics[name], TRAINING, "o", "training")
        if (values := history.metrics.get(f"val_{name}")) is not None:
            _line(axes, history.epochs, values, VALIDATION, "s", "validation")
        if history.best_epoch is not None:
            axes.axvline(history.best_epoch, color="#555555", linewidth=1, linestyle=(0, (4, 3)), label="best epoch")
        axes.set_xlabel("epoch")
        if name.isascii() and name.isprintable():  # else the font has no signs for it; the caption names it too
            axes.set_ylabel(name.replace("_", " "), parse_math=False)
        axes.set_xlim(history.epochs[0] - 0.5, history.epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(loc="best")
    return chart.getvalue()


def names(history: History) -> list[str]:
    """Return the metrics that have a chart: loss first, then accuracy, then the others; `val_` goes with its own."""
    own = [name for name in history.metrics if not name.startswith("val_")]
    return sorted(own, key=lambda name: ({"loss": 0, "accuracy": 1}.get(name, 2), name))


def _line(
    axes: "Axes", epochs: Sequence[int], values: Sequence[float | None], colour: str, marker: str, label: str
) -> None:
    points = [float("nan") if value is None else value for value in values]
    axes.plot(epochs, points, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=label)


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple["Axes", io.BytesIO]]:
    """Yield axes to draw on; the SVG is in the buffer when the block ends. Sizes are in inches.

    The user's own matplotlib settings are left out, so that a report looks the same everywhere.
    """
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots(), buffer
        figure.savefig(buffer, format="svg", metadata={"Date": None})

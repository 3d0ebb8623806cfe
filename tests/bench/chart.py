"""The chart of growth, as an SVG on a white card, which is legible on a light and on a dark page alike."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, NullLocator

from tests.bench.growth import Growth

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 11,
    "svg.fonttype": "none",  # text stays text, in the font of the reader's machine
    "svg.hashsalt": "growth",  # equal numbers give an equal file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.edgecolor": "#666666",
}
COLOUR, REFERENCE = "#0b62a4", "#8a8a8a"


def svg(growths: Sequence[Growth]) -> str:
    """Return the chart: a row for each growth, time beside peak memory, and in both a line of linear growth."""
    matplotlib.use("svg")
    target = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure, axes = pyplot.subplots(len(growths), 2, figsize=(9, 3.2 * len(growths)), squeeze=False)
        for growth, (left, right) in zip(growths, axes, strict=True):
            _panel(left, growth, "seconds", [usage.seconds for usage in growth.usages])
            _panel(right, growth, "peak memory in MB", [usage.peak / 1e6 for usage in growth.usages])
        figure.tight_layout()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())


def _panel(axis: Any, growth: Growth, what: str, values: Sequence[float]) -> None:
    linear = [values[0] * amount / growth.amounts[0] for amount in growth.amounts]
    axis.plot(growth.amounts, linear, color=REFERENCE, linestyle="--", linewidth=1, label="linear")
    axis.plot(growth.amounts, values, color=COLOUR, marker="o", label="measured")
    for amount, value in zip(growth.amounts, values, strict=True):
        text = f"{value:,.{1 if value < 10 else 0}f}"
        axis.annotate(text, (amount, value), (0, -16), textcoords="offset points", ha="center", color=COLOUR)
    axis.set(xscale="log", yscale="log", xlabel=growth.what, ylabel=what)
    axis.set_ylim(min(values) / 3, max(linear) * 1.5)
    axis.margins(x=0.1)
    axis.set_xticks(growth.amounts)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        side.set_minor_locator(NullLocator())
    axis.legend(frameon=False, loc="upper left")

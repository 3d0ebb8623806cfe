"""The geometry of the charts: where lines, bars and ticks lie; templates/charts.html draws them as SVG.

Positions are in the units of an SVG's viewBox, y downwards. SVG by hand rather than matplotlib's: its text is the
page's font in the page's language, its colours follow the page's scheme, and a chart is 3 kB in 0.02 s instead of
13 kB in 0.11 s.
"""

import math
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reportgen import format, scratch
from reportgen.record.evaluation import ClassScore, ReliabilityBin, Scores
from reportgen.record.training import History

MOST_CLASSES = 25
"""How many classes have bars; of more the ones with the lowest F1 are shown."""

MOST_POINTS = 1000
"""How many epochs a chart draws; of more every n-th, the best and the last."""

MOST_ROWS = 200
"""How many epochs a table lists, chosen likewise."""

_LINES = {"width": 360, "height": 230, "left": 52, "right": 350, "top": 12, "bottom": 192}
_SQUARE = {"width": 360, "height": 330, "left": 52, "right": 350, "top": 12, "bottom": 250}
_STRIP_TOP, _STRIP_BOTTOM = 258, 290
_BAR, _ROW, _BARS_RIGHT = 8, 24, 265
_LABEL_LETTERS = 15


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Frame:
    """The size of a chart, the rectangle that its axes enclose, and their ticks."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x: list[Tick]
    y: list[Tick]


@dataclass(frozen=True)
class Line:
    """A line over the epochs. path: of an SVG, broken where a value is missing. points: (x, y) of its markers."""

    path: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class LineChart:
    """One metric over the epochs. validation: None where there is none; best: x of the best epoch."""

    frame: Frame
    training: Line
    validation: Line | None
    best: float | None


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: a bar from x to x + width, and its share of the images below.

    interval: the ends of the accuracy's, the lower first; None where there is none.
    """

    x: float
    width: float
    accuracy_top: float
    point: tuple[float, float]
    share_top: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ReliabilityChart:
    """Accuracy over confidence, and under it how many images have which confidence."""

    frame: Frame
    strip_top: int
    strip_bottom: int
    bins: list[Bin]


@dataclass(frozen=True)
class ClassBars:
    """The two kinds of mistake of one class as bars. missed, false: 1 - recall, 1 - precision, None where undefined."""

    label: str
    number: int
    y: float
    missed: float | None
    false: float | None
    missed_width: float
    false_width: float


@dataclass(frozen=True)
class ClassChart:
    """The mistakes by class, a row a class. letters: as many as a label has room for. classes: how many there are."""

    frame: Frame
    rows: list[ClassBars]
    bar: int
    letters: int
    classes: int


@dataclass(frozen=True)
class Histogram:
    """A unit's values. bars: the path of an SVG, 120 wide and 40 high; zero: where zero lies, None at the lower end."""

    bars: str
    zero: float | None


def names(history: History) -> list[str]:
    """Return the metrics that have a chart: loss first, then accuracy, then the others; `val_` goes with its own."""
    own = [name for name in history.metrics if not name.startswith("val_")]
    return sorted(own, key=lambda name: ({"loss": 0, "accuracy": 1}.get(name, 2), name))


def spread(history: History, most: int) -> list[int]:
    """Return the places of at most `most` epochs: all, or every n-th, the best and the last."""
    best = [] if history.best_epoch is None else [history.epochs.index(history.best_epoch)]
    return places(len(history.epochs), most, best)


def places(epochs: int, most: int, always: Collection[int] = ()) -> list[int]:
    """Return at most `most` places of so many epochs: all, or every n-th, the last, and those in `always`, a few."""
    if epochs <= most:
        return list(range(epochs))
    step = -(-epochs // (most - 1 - len(always)))
    return sorted({*range(0, epochs, step), epochs - 1, *always})


def metric(history: History, name: str) -> LineChart:
    """Return the chart of one metric over the epochs, its validation counterpart beside it where there is one."""
    own, other = history.metrics[name], history.metrics.get(f"val_{name}")
    values = [value for value in [*own, *(other or [])] if value is not None and math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    y = _Scale(*_widened(low, high), _LINES["bottom"], _LINES["top"])
    x, epochs = _epochs(history.epochs)
    kept = spread(history, MOST_POINTS)
    drawn = [history.epochs[n] for n in kept]
    heights = [tick for tick in _ticks(y.low, y.high, 6) if y.low <= tick <= y.high]
    frame = Frame(
        **_LINES,
        x=epochs,
        y=[Tick(y.at(tick), label) for tick, label in zip(heights, format.ticks(heights), strict=True)],
    )
    return LineChart(
        frame,
        training=_line(drawn, [own[n] for n in kept], x, y),
        validation=None if other is None else _line(drawn, [other[n] for n in kept], x, y),
        best=None if history.best_epoch is None else x.at(history.best_epoch),
    )


def counts(
    epochs: Sequence[int], values: Sequence[int], *, marked: int | None, always: Collection[int] = ()
) -> LineChart:
    """Return the chart of whole numbers over the epochs, from zero up; one epoch can be marked as the best one is.

    always: the places of a few epochs that are drawn however many there are; so is that with the largest number.
    """
    kept = places(len(epochs), MOST_POINTS, {*always, values.index(max(values))})
    y = _Scale(*_widened(0, max(values)), _LINES["bottom"], _LINES["top"])
    x, epoch_ticks = _epochs(epochs)
    heights = [tick for tick in _ticks(0, max(values), 6, whole=True) if 0 <= tick <= y.high]
    frame = Frame(**_LINES, x=epoch_ticks, y=[Tick(y.at(tick), format.count(round(tick))) for tick in heights])
    drawn = _line([epochs[n] for n in kept], [values[n] for n in kept], x, y)
    return LineChart(frame, drawn, validation=None, best=None if marked is None else x.at(marked))


def reliability(bins: Sequence[ReliabilityBin]) -> ReliabilityChart:
    """Return the reliability diagram: for each range of confidence the share of right answers."""
    x = _Scale(0, 1, _SQUARE["left"], _SQUARE["right"])
    y = _Scale(0, 1, _SQUARE["bottom"], _SQUARE["top"])
    most = max((one.count for one in bins), default=0) or 1
    shown = [
        Bin(
            x=x.at(one.low) + 1,
            width=x.at(one.high) - x.at(one.low) - 2,
            accuracy_top=y.at(one.accuracy),
            point=(x.at(one.confidence), y.at(one.accuracy)),
            # a bin with a single image keeps a line that can be seen
            share_top=min(_STRIP_BOTTOM - (_STRIP_BOTTOM - _STRIP_TOP) * one.count / most, _STRIP_BOTTOM - 1),
            interval=(y.at(one.interval[0]), y.at(one.interval[1])) if one.interval else None,
        )
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]
    fifths = [n / 5 for n in range(6)]
    frame = Frame(
        **_SQUARE,
        x=[Tick(x.at(value), format.count(round(100 * value))) for value in fifths],
        y=[Tick(y.at(value), format.count(round(100 * value))) for value in fifths],
    )
    return ReliabilityChart(frame, _STRIP_TOP, _STRIP_BOTTOM, shown)


def classes(scores: Scores) -> ClassChart:
    """Return the mistakes by class as bars; of more than MOST_CLASSES the classes with the lowest F1, worst first."""
    numbered = list(enumerate(scores.classes))
    if len(numbered) > MOST_CLASSES:
        numbered = sorted(numbered, key=lambda one: _f1(one[1]))[:MOST_CLASSES]
    shares = [(_rest(one.recall), _rest(one.precision)) for _, one in numbered]
    most = max((share for pair in shares for share in pair if share is not None), default=0.0)
    ticks = _ticks(0, most or 1, 4)
    left = 18 + max((_width(one.label[:_LABEL_LETTERS]) for _, one in numbered), default=0)
    x = _Scale(0, max(ticks[-1], most) or 1, left, _BARS_RIGHT)
    rows = [
        ClassBars(
            label=one.label,
            number=number,
            y=_LINES["top"] + n * _ROW,
            missed=missed,
            false=false,
            missed_width=x.at(missed or 0) - left,
            false_width=x.at(false or 0) - left,
        )
        for n, ((number, one), (missed, false)) in enumerate(zip(numbered, shares, strict=True))
    ]
    bottom = _LINES["top"] + len(rows) * _ROW
    frame = Frame(
        width=360,
        height=bottom + 38,
        left=left,
        right=_BARS_RIGHT,
        top=_LINES["top"],
        bottom=bottom,
        x=[Tick(x.at(tick), label) for tick, label in zip(ticks, format.ticks([100 * t for t in ticks]), strict=True)],
        y=[],
    )
    return ClassChart(frame, rows, _BAR, _LABEL_LETTERS, len(scores.classes))


def histogram(counts: Sequence[int], edges: Sequence[float]) -> Histogram:
    """Return a unit's histogram as bars, 120 wide and 40 high.

    The height is the logarithm of the count, or the zeros of a ReLU would hide all the rest.
    """
    logs = [math.log1p(count) for count in counts]
    most, width = max(logs, default=0.0) or 1.0, 120 / len(counts)
    bars = "".join(
        f"M{n * width:.1f} 40v{-38 * height / most:.1f}h{width - 0.6:.1f}V40z"
        for n, height in enumerate(logs)
        if height
    )
    zero = round(-edges[0] / (edges[-1] - edges[0]) * 120, 1) if edges[0] < 0 < edges[-1] else None
    return Histogram(bars, zero)


@dataclass(frozen=True)
class _Scale:
    """Maps low..high to start..end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def _epochs(epochs: Sequence[int]) -> tuple[_Scale, list[Tick]]:
    """Return the axis of the epochs and its ticks."""
    first, last = epochs[0], epochs[-1]
    x = _Scale(first - 0.3, last + 0.3, _LINES["left"], _LINES["right"])
    shown = [tick for tick in _ticks(first, last, 7, whole=True) if first <= tick <= last]
    return x, [Tick(x.at(tick), format.count(round(tick))) for tick in shown]


def _line(epochs: Sequence[int], values: Sequence[float | None], x: _Scale, y: _Scale) -> Line:
    path, points, drawing = [], [], False
    for epoch, value in zip(epochs, values, strict=True):
        if value is None or not math.isfinite(value):
            drawing = False
            continue
        point = x.at(epoch), y.at(value)
        path.append(f"{'L' if drawing else 'M'}{point[0]:g} {point[1]:g}")
        points.append(point)
        drawing = True
    return Line("".join(path), points)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return ends a little beyond the values, so that no marker is cut; where all are equal, room around them."""
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """Return round numbers from low to high, about `most` of them."""
    with scratch.no_matplotlib_home():
        from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=1).tick_values(low, high)
    return [0.0 if abs(value) < 1e-12 * (high - low) else float(value) for value in found]


def _width(label: str) -> int:
    """Return about how wide a label is in the font of the charts; Japanese letters are square."""
    return sum(12 if unicodedata.east_asian_width(letter) in "WF" else 7 for letter in label)


def _rest(share: float | None) -> float | None:
    return None if share is None else 1 - share


def _f1(score: ClassScore) -> float:
    return -1.0 if score.f1 is None else score.f1

"""The figures of two reports side by side, as rows of a table."""

from collections.abc import Iterator
from dataclasses import dataclass

from reportgen import format
from reportgen.i18n import Text, literal, text
from reportgen.record.changes import Baseline, Count, Figure, ShiftChange
from reportgen.record.shifts import NAMES, SEVERITIES
from reportgen.render import words

_COUNTED = (
    (text("Parameters"), "total_params"),
    (text("Epochs"), "epochs"),
    (text("Units inside the model"), "units"),
    (text("Units that fire normally"), "healthy"),
    (text("Dead units"), "dead"),
    (text("Redundant units"), "redundant"),
    (text("Test images with a copy in the training split"), "leaked"),
    (text("Labels that look wrong"), "suspect_labels"),
)


@dataclass(frozen=True)
class Row:
    """A line of a table: what it is about, before and now, and the change, all as a reader sees them."""

    name: str
    before: str
    after: str
    change: str


def rows(found: Baseline) -> Iterator[Row]:
    """Yield the headline figures and the counts."""
    figures, counts = found.figures, found.counts
    yield _shares(text("Test accuracy"), figures["test_accuracy"])
    right, size = counts["test_correct"], counts["test_size"]
    more = _more(right) if size.before == size.after else format.NOT_AVAILABLE
    yield Row(text("Right predictions"), _of(right.before, size.before), _of(right.after, size.after), more)
    loss = figures["test_loss"]
    yield Row(text("Test loss"), format.number(loss.before), format.number(loss.after), _difference(loss))
    if figures["train_accuracy"] != Figure(None, None):
        yield _shares(text("Training accuracy"), figures["train_accuracy"])
    yield _shares(text("Calibration error"), figures["ece"])
    for name, key in _COUNTED:
        if key not in counts:  # of a baseline from before there was such a count
            continue
        yield Row(name, format.count(counts[key].before), format.count(counts[key].after), _more(counts[key]))
    if (proof := figures["proof"]) != Figure(None, None):
        before, after = _signed_points(proof.before), _signed_points(proof.after)
        yield Row(text("Accuracy without dead or redundant units"), before, after, _points(proof))


def _shares(name: Text, figure: Figure) -> Row:
    return Row(name, words.percent(figure.before, 2), words.percent(figure.after, 2), _points(figure))


def is_sure(change: ShiftChange) -> bool:
    """Return whether the accuracy is another beyond chance."""
    low, high = change.interval
    return low > 0 or high < 0


def shift(change: ShiftChange) -> Row:
    """Return the accuracy on pictures that were changed in one way."""
    called = text(
        "{corruption}, {severity}",
        corruption=NAMES.get(change.corruption, literal(words.name(change.corruption))),
        severity=SEVERITIES.get(change.severity, literal(str(change.severity))),
    )
    difference = text(
        "{change} ({low} to {high}) points",
        change=_signed(change.after - change.before),
        low=_signed(change.interval[0]),
        high=_signed(change.interval[1]),
    )
    return Row(called, words.percent(change.before), words.percent(change.after), difference)


def _of(part: int | None, whole: int | None) -> Text:
    return text("{part} of {whole}", part=format.count(part), whole=format.count(whole))


def _more(count: Count) -> str:
    if count.before is None or count.after is None:
        return format.NOT_AVAILABLE
    return _sign(count.after - count.before) + format.count(abs(count.after - count.before))


def _difference(figure: Figure) -> str:
    if figure.before is None or figure.after is None:
        return format.NOT_AVAILABLE
    change = figure.after - figure.before
    return _sign(change) + format.number(abs(change))


def _points(figure: Figure) -> str:
    """Return the difference of two shares in percentage points."""
    if figure.before is None or figure.after is None:
        return format.NOT_AVAILABLE
    return _signed_points(figure.after - figure.before)


def _signed_points(difference: float | None) -> str:
    if difference is None:
        return format.NOT_AVAILABLE
    return text("{change} points", change=_signed(difference))


def _signed(difference: float) -> str:
    """0.0213 -> "+2.13", of a hundred."""
    return format.signed_points(difference, 2)


def _sign(change: float) -> str:
    return "+" if change > 0 else format.MINUS if change < 0 else ""


def accuracy(found: Baseline) -> Text:
    """Return how sure the change of the test accuracy is."""
    low, high = map(_signed, found.accuracy.interval)
    if found.accuracy.paired:
        return text(
            "Of the same test images, {gained} are now right that were wrong, and {lost} are wrong that were right: the"
            " true change of the test accuracy lies between {low} and {high} points (95 % interval, paired).",
            gained=format.count(found.accuracy.gained),
            lost=format.count(found.accuracy.lost),
            low=low,
            high=high,
        )
    return text(
        "Taken as two independent samples, the true change of the test accuracy lies between {low} and {high} points"
        " (95 % interval).",
        low=low,
        high=high,
    )

"""What is worth a reader's attention about the course of the training."""

from collections.abc import Sequence

from reportgen.collect.finding_kinds import FindingThresholds, finding
from reportgen.collect.phrases import number
from reportgen.record import Finding, History

Values = Sequence[float | None]


def find(history: History | None, thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about the epochs; none where nobody knows them."""
    if history is None:
        return []
    loss, validation = _course(history, "loss"), _course(history, "val_loss")
    found = [
        _not_finite(history.epochs, loss),
        _still_improving(history, validation, thresholds),
        _overfitting(history, loss, validation, thresholds),
    ]
    return [one for one in found if one]


def _course(history: History, metric: str) -> Values:
    """Return a value for each epoch; none where there are fewer, as when only some epochs were validated."""
    values = history.metrics.get(metric, [])
    return values if len(values) == len(history.epochs) else []


def _not_finite(epochs: Sequence[int], loss: Values) -> Finding | None:
    """Judge the training loss only: a validation loss is also None where an epoch was not validated."""
    broken = [epoch for epoch, value in zip(epochs, loss, strict=False) if value is None]
    if not broken:
        return None
    message = (
        f"The training loss was infinite or not a number in {len(broken):,} of {len(epochs):,} epochs, first in epoch"
        f" {broken[0]:,}: the training diverged. Lower the learning rate, clip gradients, and look for NaN in the data."
    )
    return finding("loss-not-finite", message)


def _still_improving(history: History, validation: Values, thresholds: FindingThresholds) -> Finding | None:
    """Judge by the validation loss only: without one, the last epoch is nearly always the best."""
    earlier = [value for value in validation[:-1] if value is not None]
    if not earlier or history.best_epoch != history.epochs[-1] or (last := validation[-1]) is None:
        return None
    before = min(earlier)
    if before - last < thresholds.improvement * abs(before):
        return None
    message = (
        f"The last of {len(history.epochs):,} epochs was the best: validation loss still fell, from {number(before)}"
        f" to {number(last)}. Train for more epochs."
    )
    return finding("still-improving", message)


def _overfitting(history: History, loss: Values, validation: Values, thresholds: FindingThresholds) -> Finding | None:
    """Compare the best epoch with the last ones, all of which must be worse: one bad epoch is no trend."""
    if not loss or not validation or history.best_epoch is None:
        return None
    best = history.epochs.index(history.best_epoch)
    recent = [value for value in validation[best + 1 :][-thresholds.loss_rise_epochs :] if value is not None]
    lowest, fitted, end = validation[best], loss[best], loss[-1]
    if len(recent) < thresholds.loss_rise_epochs or lowest is None or fitted is None or end is None:
        return None
    rise = min(recent) - lowest
    if end >= fitted or rise <= 0 or rise < thresholds.loss_rise * abs(lowest):
        return None
    message = (
        f"Since epoch {history.best_epoch:,} validation loss rose from {number(lowest)} to {number(recent[-1])} while"
        f" training loss fell from {number(fitted)} to {number(end)}: the model learns its training images by heart."
        f" Stop at about epoch {history.best_epoch:,}, or add dropout, augmentation or more images."
    )
    return finding("overfitting", message)

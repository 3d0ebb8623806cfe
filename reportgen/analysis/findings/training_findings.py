"""What is worth a reader's attention about the course of the training."""

from collections.abc import Sequence

from reportgen.analysis.phrases import counted_images, counted_units, listed, name
from reportgen.format import number
from reportgen.i18n import text
from reportgen.record.finding_kinds import finding
from reportgen.record.training import Deaths, History, LayerDeaths
from reportgen.record.units import Finding
from reportgen.thresholds import FindingThresholds

Values = Sequence[float | None]


def find(history: History | None, deaths: Deaths | None, thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about the epochs; none where nobody knows them."""
    found: list[Finding | None] = []
    if history is not None:
        loss, validation = _course(history, "loss"), _course(history, "val_loss")
        found += [
            _not_finite(history.epochs, loss),
            _still_improving(history, validation, thresholds),
            _overfitting(history, loss, validation, thresholds),
        ]
    if deaths is not None:
        found.append(_died_at_once(deaths, thresholds))
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
    message = text(
        "The training loss was infinite or not a number in {broken} of {epochs} epochs, first in epoch {first}: the"
        " training diverged. Lower the learning rate, clip gradients, and look for NaN in the data.",
        broken=f"{len(broken):,}",
        epochs=f"{len(epochs):,}",
        first=f"{broken[0]:,}",
    )
    return finding("loss-not-finite", message, count=len(broken))


def _still_improving(history: History, validation: Values, thresholds: FindingThresholds) -> Finding | None:
    """Judge by the validation loss only: without one, the last epoch is nearly always the best."""
    earlier = [value for value in validation[:-1] if value is not None]
    if not earlier or history.best_epoch != history.epochs[-1] or (last := validation[-1]) is None:
        return None
    before = min(earlier)
    if before - last < thresholds.improvement * abs(before):
        return None
    message = text(
        "The last of {epochs} epochs was the best: validation loss still fell, from {before} to {last}. Train for more"
        " epochs.",
        epochs=f"{len(history.epochs):,}",
        before=number(before),
        last=number(last),
    )
    return finding("still-improving", message)


def _overfitting(history: History, loss: Values, validation: Values, thresholds: FindingThresholds) -> Finding | None:
    """Compare the best epoch with the last ones, all of which must be worse: one bad epoch is no trend."""
    if not loss or not validation or history.best_epoch is None:
        return None
    best = history.epochs.index(history.best_epoch)
    recent = [value for value in validation[best + 1 :][-thresholds.loss_rise_epochs :] if value is not None]
    lowest, fitted, end = validation[best], loss[best], loss[-1]
    if not recent or len(recent) < thresholds.loss_rise_epochs or lowest is None or fitted is None or end is None:
        return None
    rise = min(recent) - lowest
    if end >= fitted or rise <= 0 or rise < thresholds.loss_rise * abs(lowest):
        return None
    message = text(
        "Since epoch {epoch} validation loss rose from {lowest} to {risen} while training loss fell from {fitted} to"
        " {end}: the model learns its training images by heart. Stop at about epoch {epoch}, or add dropout,"
        " augmentation or more images.",
        epoch=f"{history.best_epoch:,}",
        lowest=number(lowest),
        risen=number(recent[-1]),
        fitted=number(fitted),
        end=number(end),
    )
    return finding("overfitting", message)


def _died_at_once(deaths: Deaths, thresholds: FindingThresholds) -> Finding | None:
    """Judge each epoch by the layers that lost many units for good in it, and name the worst one.

    What was dead before the training is the fault of the initial weights, not of a step.
    """
    lost: dict[int, list[tuple[int, LayerDeaths]]] = {}
    for layer in deaths.layers:
        for died in layer.since:
            many = max(thresholds.died_units, thresholds.died_share * layer.units)
            if died.epoch > deaths.epochs[0] and len(died.units) >= many:
                lost.setdefault(died.epoch, []).append((len(died.units), layer))
    if not lost:
        return None
    epoch, layers = max(lost.items(), key=lambda one: sum(units for units, _ in one[1]))
    where = [
        text("{some} of {units} in {layer}", some=f"{units:,}", units=f"{layer.units:,}", layer=name(layer.layer))
        for units, layer in layers
    ]
    message = text(
        "In epoch {epoch}, {units} died and never fired again ({where}; on {images} looked at after each epoch): steps"
        " of the training were too large. Try a tenth of the learning rate, raise it slowly over the first epochs, or"
        " clip the gradients; a leaky activation lets units recover.",
        epoch=f"{epoch:,}",
        units=counted_units(sum(units for units, _ in layers)),
        where=listed(where),
        images=counted_images(deaths.images),
    )
    one_layer = layers[0][1].layer if len(layers) == 1 else None
    return finding("died-at-once", message, one_layer, count=sum(units for units, _ in layers))

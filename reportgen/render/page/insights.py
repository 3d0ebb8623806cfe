"""What each chart and table shows here: one sentence, made from the same numbers, below how to read it."""

from collections.abc import Sequence

import numpy as np

from reportgen.format import correlation, count, number, seconds, share
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record.evaluation import ClassScore, Scores
from reportgen.record.model import ModelFacts
from reportgen.record.pictures import Array, ClassMap, Correlations, Kernels
from reportgen.record.run import Provenance
from reportgen.record.training import History
from reportgen.record.units import LayerVerdict, Unit
from reportgen.render.words import counted_states, name, percent, redundant


def summary(model: ModelFacts) -> Text:
    """Return which layer holds most parameters."""
    heaviest = max(model.layers, key=lambda row: row.params, default=None)
    if heaviest is None or not heaviest.params:
        return text("No layer of this model has parameters.")
    return text(
        "The layer with most of the {total} parameters is {layer}: {params}, or {share}.",
        total=count(model.total_params),
        layer=name(heaviest.name),
        params=count(heaviest.params),
        share=percent(heaviest.params / model.total_params),
    )


def course(history: History, metric: str) -> Text:
    """Return where a metric began and ended, on training and on validation images."""
    training, validation = (_ends(history.metrics.get(key)) for key in (metric, f"val_{metric}"))
    what = literal(name(metric.replace("_", " ")))
    if training and validation:
        return text(
            "On the training images {metric} went from {first} to {last}, on the validation images from {first_val} to"
            " {last_val}.",
            metric=what,
            first=training[0],
            last=training[1],
            first_val=validation[0],
            last_val=validation[1],
        )
    if training:
        return text("{metric} went from {first} to {last}.", metric=what, first=training[0], last=training[1])
    return text("No epoch has a value of {metric}.", metric=what)


def epochs(history: History) -> Text:
    """Return the best epoch and its loss."""
    loss = "val_loss" if "val_loss" in history.metrics else "loss"
    if history.best_epoch is None or loss not in history.metrics:
        return text("No epoch can be called the best: there is no loss to compare.")
    lowest = number(history.metrics[loss][history.epochs.index(history.best_epoch)])
    values = {"epoch": count(history.best_epoch), "loss": lowest}
    if loss == "val_loss":
        return text("Epoch {epoch} has the lowest validation loss, {loss}.", **values)
    return text("Epoch {epoch} has the lowest loss, {loss}.", **values)


def weakest(found: Scores) -> ClassScore | None:
    """Return the class with the lowest F1, None where no class has one."""
    return min((one for one in found.classes if one.f1 is not None), key=_f1, default=None)


def scores(found: Scores) -> Text:
    """Return the classes with the highest and the lowest F1."""
    worst = weakest(found)
    if worst is None:
        return text("No class has an F1.")
    best = max((one for one in found.classes if one.f1 is not None), key=_f1)
    if best.f1 == worst.f1:
        return text("Every class has the same F1, {f1}.", f1=share(best.f1))
    return text(
        "F1 is highest for {best} ({best_f1}) and lowest for {worst} ({worst_f1}).",
        best=name(best.label, 24),
        best_f1=share(best.f1),
        worst=name(worst.label, 24),
        worst_f1=share(worst.f1),
    )


def classes(found: Scores) -> Text:
    """Return the classes of which most is missed, and whose answers are most often wrong."""
    missed = min((one for one in found.classes if one.recall is not None), key=_recall, default=None)
    false = min((one for one in found.classes if one.precision is not None), key=_precision, default=None)
    if missed is None or false is None:
        return text("No class has both images and predictions.")
    if missed.recall == 1 and false.precision == 1:
        return text("No image of any class is missed.")
    return text(
        "Most is missed of {missed} ({missed_share} of its images); the prediction {false} is wrong most often"
        " ({false_share} of the time).",
        missed=name(missed.label, 24),
        missed_share=percent(1 - (missed.recall or 0)),
        false=name(false.label, 24),
        false_share=percent(1 - (false.precision or 0)),
    )


def matrix(found: Scores) -> Text:
    """Return how many images lie on the diagonal, and the largest entry beside it."""
    images = sum(map(sum, found.confusion))
    right = text(
        "{right} of {images} lie on the diagonal, where the prediction is right.",
        right=count(found.correct),
        images=ntext(images, "{n} image", "{n} images"),
    )
    if not found.most_confused:
        return right
    worst = found.most_confused[0]
    largest = text(
        "The largest entry beside it: {true} taken for {predicted}, {times}.",
        true=name(worst.true, 24),
        predicted=name(worst.predicted, 24),
        times=ntext(worst.count, "{n} image", "{n} images"),
    )
    return text("{right} {largest}", right=right, largest=largest)


def confused(found: Scores) -> Text:
    """Return the share of all mistakes that the pairs listed make up."""
    mistakes = sum(map(sum, found.confusion)) - found.correct
    listed = sum(pair.count for pair in found.most_confused)
    return ntext(
        mistakes,
        "Together they are {listed} of {n} mistake ({share}).",
        "Together they are {listed} of {n} mistakes ({share}).",
        listed=count(listed),
        share=percent(listed / mistakes),
    )


def reliability(found: Scores) -> Text:
    """Return whether the model is too sure of its answers or not sure enough, over all images."""
    images = sum(one.count for one in found.reliability)
    confidence = sum((one.confidence or 0) * one.count for one in found.reliability) / images
    values = {"confidence": percent(confidence), "accuracy": percent(found.accuracy), "ece": percent(found.ece)}
    if confidence - found.accuracy >= 0.005:
        return text(
            "The model is too sure of itself: its predictions claim {confidence} on average and {accuracy} are right;"
            " expected calibration error {ece}.",
            **values,
        )
    if found.accuracy - confidence >= 0.005:
        return text(
            "The model is more often right than it claims: its predictions claim {confidence} on average and {accuracy}"
            " are right; expected calibration error {ece}.",
            **values,
        )
    return text(
        "On average the claims hold: the predictions claim {confidence} and {accuracy} are right; expected calibration"
        " error {ece}.",
        **values,
    )


def provenance(found: Provenance) -> Text:
    """Return how long it all took."""
    known = [spent for spent in found.seconds.values() if spent is not None]
    if not known or len(known) < len(found.seconds):
        return text("The clock was fixed for this report, so no time was taken.")
    return text("Up to the painting of this report, it took {seconds}.", seconds=seconds(sum(known)))


def kernels(found: Kernels) -> Text:
    """Return the largest weight shown and whose it is."""
    unit = int(np.abs(found.weights).reshape(len(found.weights), -1).max(axis=1).argmax())
    return text(
        "The largest weight shown, {weight}, is unit {unit}'s.",
        weight=number(float(np.abs(found.weights[unit]).max())),
        unit=count(unit),
    )


def class_map(found: ClassMap, labels: Sequence[str]) -> Text:
    """Return the unit whose answers to the classes differ most, as a share of its largest."""
    largest, smallest = _extremes(found.values)
    if not largest.any():
        return text("No unit shown responds to any class.")
    spread = np.divide(largest - smallest, largest, out=np.zeros_like(largest), where=largest > 0)
    unit = int(spread.argmax())
    return text(
        "The most one-sided is unit {unit}: its mean response is {high} to {best} and {low} to {least}.",
        unit=count(unit),
        high=number(float(largest[unit])),
        low=number(float(smallest[unit])),
        best=name(labels[int(np.nanargmax(found.values[:, unit]))], 24),
        least=name(labels[int(np.nanargmin(found.values[:, unit]))], 24),
    )


def correlations(found: Correlations, units: Sequence[Unit] = ()) -> Text:
    """Return the two units that are most alike, in which sense they are, and the two that are most opposed.

    units: of the layer, in their order.
    """
    r = found.r.astype(np.float64)
    if len(r) < 2:
        return text("There is one unit only, so there is nothing to compare it with.")
    pairs = np.triu(np.ones_like(r, bool), 1)
    alike = np.unravel_index(np.where(pairs, r, -2).argmax(), r.shape)
    opposed = np.unravel_index(np.where(pairs, r, 2).argmin(), r.shape)
    said = text(
        "Most alike are units {alike} (r {high}), least alike units {opposed} (r {low}).",
        alike=_pair(found.order, alike),
        high=correlation(float(r[alike])),
        opposed=_pair(found.order, opposed),
        low=correlation(float(r[opposed])),
    )
    sense = _sense(units, *(int(found.order[int(n)]) for n in alike))
    return joined(" ", [said, sense]) if sense else said


def _sense(units: Sequence[Unit], one: int, other: int) -> Text | None:
    """Return whether two units are interchangeable, or alike on average only; None where they are neither."""
    of = {unit.unit: unit for unit in units if unit.unit in (one, other)}
    known = [of[a].nearest for a, b in ((one, other), (other, one)) if a in of and of[a].nearest is not None]
    near = next((near for near in known if near is not None and near.unit in (one, other)), None)
    if near is None or near.alike is None:
        return None
    if near.alike == "on average" and near.r_over_positions is not None:
        return text(
            "The first two are alike on average only: their means agree, their maps less so (r over positions"
            " {positions}).",
            positions=correlation(near.r_over_positions),
        )
    if of[one].group == of[other].group:
        return text("The first two are interchangeable.")
    return text("The first two are interchangeable, but not in one group, where every two units must be.")


def units(verdict: LayerVerdict, found: Sequence[Unit]) -> Text:
    """Return how many units are in which state, and how many could go."""
    said = text("Here: {states}.", states=joined(", ", counted_states(verdict.states)))
    removable = sum(unit.removable for unit in found)
    return joined(" ", [said, redundant(removable)]) if removable else said


def _ends(values: Sequence[float | None] | None) -> tuple[str, str] | None:
    known = [value for value in values or [] if value is not None]
    return (number(known[0]), number(known[-1])) if known else None


def _extremes(values: Array) -> tuple[Array, Array]:
    """Return each unit's largest and smallest mean answer (V,), of classes that have images. values: (K, V)."""
    there = values[~np.isnan(values).all(axis=1)]
    return np.nanmax(there, axis=0), np.nanmin(there, axis=0)


def _pair(order: Array, at: Sequence[np.integer]) -> Text:
    first, second = sorted(int(order[int(n)]) for n in at)
    return text("{first} and {second}", first=count(first), second=count(second))


def _f1(score: ClassScore) -> float:
    return score.f1 or 0.0


def _recall(score: ClassScore) -> float:
    return score.recall or 0.0


def _precision(score: ClassScore) -> float:
    return score.precision or 0.0

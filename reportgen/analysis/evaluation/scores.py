"""How well the model does on one part: the classification report, the confusions, the calibration."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.analysis.activations.tally import Counts, Floats
from reportgen.analysis.evaluation.predictions import EDGES, Classes, Predictions
from reportgen.intervals import quantile, wilson
from reportgen.record.evaluation import ClassScore, Confused, Mistake, ReliabilityBin, Scores

MOST_CONFUSED = 10

_DRAWS = 1000  # of chance: the interval moves by a few per cent of its width from seed to seed
_POSSIBLE = 121  # true errors that are tried
_TAILS = (0.01, 0.99)  # not 2.5 %: the gaps themselves are known by their sample alone


def score(predictions: Predictions, labels: Counts, names: Sequence[str]) -> Scores:
    """Judge predictions. labels: (N,) class indices. names: of all K classes, see `class_labels`."""
    predicted = predictions.predicted
    confusion = _confusion(labels, predicted, len(names))
    correct = int(confusion.trace())
    bins = reliability(predictions.binned)
    return Scores(
        accuracy=correct / len(labels),
        correct=correct,
        loss=predictions.loss / len(labels),
        **_classification(confusion, names),
        confusion=confusion.tolist(),
        ece=calibration_error(bins),
        reliability=bins,
        most_confused=_most_confused(confusion, names),
        worst=[
            Mistake(i, names[labels[i]], names[predicted[i]], confidence)
            for i, confidence in zip(predictions.mistakes.tolist(), predictions.confidence.tolist(), strict=True)
        ],
        accuracy_interval=list(wilson(correct, len(labels))),
        ece_interval=calibration_interval(bins),
        ece_by_chance=calibration_by_chance(bins),
    )


def class_labels(names: Sequence[str], scores: int) -> list[str]:
    """Return a name for each of the model's scores, no two equal; those that the data does not know are "class k"."""
    found, taken = list(names), set(names)
    for k in range(len(names), scores):
        name = f"class {k}" if f"class {k}" not in taken else f"class {k} (score {k})"
        while name in taken:
            name += "'"
        found.append(name)
        taken.add(name)
    return found


def reliability(binned: Floats) -> list[ReliabilityBin]:
    """Return 15 bins of equal width over the confidence in the predicted class. binned: see `predictions.binned`."""
    edges = EDGES.tolist()
    return [
        ReliabilityBin(
            low=low,
            high=high,
            count=int(count),
            confidence=confidence / count if count else None,
            accuracy=right / count if count else None,
            interval=list(wilson(int(right), int(count))) if count else None,
        )
        for low, high, (count, confidence, right) in zip(edges, edges[1:], binned.T.tolist(), strict=False)
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error (Guo et al. 2017): mean |accuracy - confidence|, by images."""
    total = sum(b.count for b in bins)
    gaps = (
        b.count * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None
    )
    return sum(gaps) / total


def calibration_interval(bins: Sequence[ReliabilityBin]) -> list[float]:
    """Return the interval of the expected calibration error, [low, high] in 0 ... 1.

    The error of a finite sample is larger than the true one, since chance opens gaps, too; so it is not the sample's
    spread that is asked for. All gaps are made larger or smaller by one factor, chance is added to them as it
    would be in as many images, and the interval holds the errors from which the one that was found is no surprise.
    It has at least nine tenths of the true errors of simulated models, and 95 % of most (see the tests).
    """
    filled = [(one.count, one.confidence, one.accuracy) for one in bins if one.count]
    images, sure, right = np.array(filled, np.float64).T
    share, gaps = images / images.sum(), np.abs(right - sure)
    guarded = (right * images + 1) / (images + 2)  # else a range in which all are right would know no chance
    noise = np.random.default_rng(0).standard_normal((_DRAWS, len(images)))
    noise *= np.sqrt(guarded * (1 - guarded) / images)
    error = float(share @ gaps)
    shape = gaps / error if error else np.ones_like(gaps)
    possible = np.linspace(0, error + 4 * float((np.abs(noise) @ share).mean()), _POSSIBLE)
    least, most = np.quantile([np.abs(true * shape + noise) @ share for true in possible], _TAILS, axis=1)
    low, high = possible[error <= most].min(), possible[least <= error].max(initial=0.0)
    # less error than chance alone makes: then there may be as much as chance makes
    return [min(float(low), error), min(max(float(high), error, float(most[0]) if error < least[0] else 0.0), 1.0)]


def calibration_by_chance(bins: Sequence[ReliabilityBin]) -> float:
    """Return the calibration error that chance alone exceeds in 2.5 % of cases, each bin's error a folded normal."""
    filled = [(one.count, one.confidence) for one in bins if one.confidence is not None]
    total = sum(images for images, _ in filled)
    variances = [images * sure * (1 - sure) for images, sure in filled]  # of the number of right answers in a bin
    mean = math.sqrt(2 / math.pi) * sum(math.sqrt(variance) for variance in variances)
    spread = math.sqrt((1 - 2 / math.pi) * sum(variances))
    return (mean + quantile(0.95) * spread) / total if total else 0.0


def _confusion(labels: Counts, predicted: Classes, classes: int) -> Counts:
    """Return (K, K) how many images of each class, by row, are taken for each."""
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (labels, predicted), 1)
    return found


def _classification(confusion: Counts, names: Sequence[str]) -> dict[str, Any]:
    """Return the rows of the classification report; an average leaves out what is undefined.

    As scikit-learn has it, which takes a second to load.
    """
    right, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):  # 0 of 0 is undefined
        figures = np.array([right / predicted, right / support, 2 * right / (support + predicted)])

    def row(label: str, figures: Floats, images: int) -> ClassScore:
        precision, recall, f1 = (None if np.isnan(value) else float(value) for value in figures)
        return ClassScore(label, precision, recall, f1, images)

    def of_class(place: int) -> ClassScore:
        hits, said, images = int(right[place]), int(predicted[place]), int(support[place])
        return replace(
            row(names[place], figures[:, place], images),
            precision_interval=list(wilson(hits, said)) if said else None,
            recall_interval=list(wilson(hits, images)) if images else None,
        )

    def average(weights: Counts) -> Floats:
        shares = np.where(np.isnan(figures), 0, weights)
        with np.errstate(invalid="ignore"):
            return np.asarray((np.nan_to_num(figures) * shares).sum(axis=1) / shares.sum(axis=1))

    images = int(confusion.sum())
    return {
        "classes": [of_class(place) for place in range(len(names))],
        "macro_avg": row("macro average", average(np.ones_like(support)), images),
        "weighted_avg": row("weighted average", average(support), images),
    }


def _most_confused(confusion: Counts, names: Sequence[str]) -> list[Confused]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = (divmod(int(flat), len(names)) for flat in order)
    return [Confused(names[t], names[p], int(wrong[t, p])) for t, p in pairs if wrong[t, p]]

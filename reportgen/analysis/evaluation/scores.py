"""How well the model does on one part: the classification report, the confusions, the calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.analysis.activations.tally import Counts, Floats
from reportgen.analysis.evaluation.predictions import EDGES, Classes, Predictions
from reportgen.record.evaluation import ClassScore, Confused, Mistake, ReliabilityBin, Scores

MOST_CONFUSED = 10


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


def _confusion(labels: Counts, predicted: Classes, classes: int) -> Counts:
    """Return (K, K) how many images of each class, by row, are taken for each."""
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (labels, predicted), 1)
    return found


def _classification(confusion: Counts, names: Sequence[str]) -> dict[str, Any]:
    """Return the rows of the classification report; an average leaves out what is undefined."""
    from sklearn.metrics import precision_recall_fscore_support

    labels, predicted = np.nonzero(confusion)
    images = confusion[labels, predicted]  # weights: scikit-learn would copy the labels of all images several times

    def row(label: str, figures: Sequence[float], support: int) -> ClassScore:
        precision, recall, f1 = (None if np.isnan(value) else float(value) for value in figures)
        return ClassScore(label, precision, recall, f1, int(support))

    def found(average: str | None) -> Any:
        return precision_recall_fscore_support(
            labels,
            predicted,
            labels=range(len(names)),
            average=average,
            sample_weight=images,
            zero_division=np.nan,
        )

    return {
        "classes": [row(name, figures, n) for name, *figures, n in zip(names, *found(None), strict=True)],
        "macro_avg": row("macro average", found("macro")[:3], images.sum()),
        "weighted_avg": row("weighted average", found("weighted")[:3], images.sum()),
    }


def _most_confused(confusion: Counts, names: Sequence[str]) -> list[Confused]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = (divmod(int(flat), len(names)) for flat in order)
    return [Confused(names[t], names[p], int(wrong[t, p])) for t, p in pairs if wrong[t, p]]

"""How well the model does on one part: the classification report, the confusions, the calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.record import ClassScore, Confused, Mistake, ReliabilityBin, Scores

BINS = 15
MOST_CONFUSED = 10
MISTAKES = 12
_EPSILON = 1e-7


def score(probabilities: NDArray[np.float64], labels: NDArray[np.int64], names: Sequence[str]) -> Scores:
    """Judge predictions. probabilities: (N, K) with K >= len(names); labels: (N,) class indices.

    The prediction is the class of the highest probability (the first of equals). The loss is Keras's
    categorical cross-entropy, probabilities clipped at 1e-7. Classes that the model knows and the data does not
    have are called "class k".
    """
    names = class_labels(names, probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(labels)), predicted]
    of_truth = probabilities[np.arange(len(labels)), labels]
    confusion = _confusion(labels, predicted, len(names))
    right = predicted == labels
    bins = reliability(confidence, right)
    return Scores(
        accuracy=float(right.mean()),
        correct=int(right.sum()),
        loss=float(-np.log(np.clip(of_truth, _EPSILON, 1 - _EPSILON)).mean()),
        **_classification(labels, predicted, names),
        confusion=confusion.tolist(),
        ece=calibration_error(bins),
        reliability=bins,
        most_confused=_most_confused(confusion, names),
        worst=[
            Mistake(int(i), names[labels[i]], names[predicted[i]], float(confidence[i]))
            for i in worst(probabilities, labels)
        ],
    )


def class_labels(names: Sequence[str], scores: int) -> list[str]:
    """Return a name for each of the model's scores; those that the data does not know are called "class k"."""
    return [*names, *(f"class {k}" for k in range(len(names), scores))]


def worst(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the most confident mistakes, the surest first, earlier images before later ones."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.lexsort((wrong, -probabilities[wrong, predicted[wrong]]))][:MISTAKES]


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[ReliabilityBin]:
    """Return 15 bins of equal width over the confidence of the chosen class."""
    edges = np.linspace(0, 1, BINS + 1)
    which = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    bins = []
    for b in range(BINS):
        inside = which == b
        count = int(inside.sum())
        bins.append(
            ReliabilityBin(
                low=float(edges[b]),
                high=float(edges[b + 1]),
                count=count,
                confidence=float(confidence[inside].mean()) if count else None,
                accuracy=float(right[inside].mean()) if count else None,
            )
        )
    return bins


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error (Guo et al. 2017): mean |accuracy - confidence|, by images."""
    total = sum(b.count for b in bins)
    gaps = (
        b.count * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None
    )
    return sum(gaps) / total


def _confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    from sklearn.metrics import confusion_matrix

    found: NDArray[np.int64] = confusion_matrix(labels, predicted, labels=range(classes))
    return found


def _classification(labels: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Return the rows of the classification report; an average leaves out what is undefined."""
    from sklearn.metrics import precision_recall_fscore_support

    def row(label: str, figures: Sequence[float], support: int) -> ClassScore:
        precision, recall, f1 = (None if np.isnan(value) else float(value) for value in figures)
        return ClassScore(label, precision, recall, f1, int(support))

    def found(average: str | None) -> Any:
        return precision_recall_fscore_support(
            labels, predicted, labels=range(len(names)), average=average, zero_division=np.nan
        )

    return {
        "classes": [row(name, figures, n) for name, *figures, n in zip(names, *found(None), strict=True)],
        "macro_avg": row("macro average", found("macro")[:3], len(labels)),
        "weighted_avg": row("weighted average", found("weighted")[:3], len(labels)),
    }


def _most_confused(confusion: NDArray[np.int64], names: Sequence[str]) -> list[Confused]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = (divmod(int(flat), len(names)) for flat in order)
    return [Confused(names[t], names[p], int(wrong[t, p])) for t, p in pairs if wrong[t, p]]

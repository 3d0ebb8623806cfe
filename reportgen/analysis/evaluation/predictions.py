"""What a model predicts: a class for each image, and of how sure it is only sums and the surest mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import Counts, Floats

Classes = NDArray[np.unsignedinteger[Any]]
"""Class indices in as few bytes as the number of classes needs: there is one for each image."""

BINS = 15
EDGES = np.linspace(0, 1, BINS + 1)
"""(16,) of the bins of the confidence, as wide as each other."""
MISTAKES = 12
_EPSILON = 1e-7


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was predicted for N images.

    predicted: (N,) the class of the highest probability, the first of equals. loss: the sum over images of Keras's
    categorical cross-entropy, probabilities clipped at 1e-7. binned: see `binned`. mistakes: (M,) the numbers of the
    surest wrong predictions, 12 at most, the surest first, of equals the lower number; confidence: (M,) in them.
    """

    predicted: Classes
    loss: float
    binned: Floats
    mistakes: Counts
    confidence: Floats


def of(probabilities: Floats, labels: Counts, first: int = 0) -> Predictions:
    """Return what is predicted. probabilities: (N, K). labels: (N,) below K. first: the number of the first image."""
    rows = np.arange(len(labels))
    predicted = probabilities.argmax(axis=1)
    confidence, of_label = probabilities[rows, predicted], probabilities[rows, labels]
    right = predicted == labels
    mistakes, sure = _surest(first + rows[~right], confidence[~right])
    return Predictions(
        predicted=predicted.astype(np.min_scalar_type(probabilities.shape[1] - 1)),
        loss=float(-np.log(np.clip(of_label, _EPSILON, 1 - _EPSILON)).sum()),
        binned=binned(confidence, right),
        mistakes=mistakes,
        confidence=sure,
    )


def joined(found: Sequence[Predictions]) -> Predictions:
    """Return the predictions for images that follow each other as one."""
    mistakes, confidence = _surest(
        np.concatenate([one.mistakes for one in found]), np.concatenate([one.confidence for one in found])
    )
    return Predictions(
        predicted=np.concatenate([one.predicted for one in found]),
        loss=sum(one.loss for one in found),
        binned=np.sum([one.binned for one in found], axis=0),
        mistakes=mistakes,
        confidence=confidence,
    )


def binned(confidence: Floats, right: NDArray[np.bool_]) -> Floats:
    """Return (3, 15): images, the sum of their confidences, and how many are right, by the confidence.

    confidence: (N,) in the predicted class; its bins have equal widths, and an edge belongs to the bin below.
    """
    which = np.clip(np.digitize(confidence, EDGES, right=True) - 1, 0, BINS - 1)
    return np.stack([np.bincount(which, weights, BINS) for weights in (None, confidence, right)]).astype(np.float64)


def _surest(numbers: Counts, confidence: Floats) -> tuple[Counts, Floats]:
    order = np.lexsort((numbers, -confidence))[:MISTAKES]
    return numbers[order], confidence[order]

"""What is kept of a model's outputs: what they predict, whichever kind of output they turn out to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import traces
from reportgen.analysis.activations.tally import Counts, Floats
from reportgen.analysis.activations.traces import Traces
from reportgen.analysis.evaluation import predictions
from reportgen.analysis.evaluation.predictions import Predictions
from reportgen.errors import InputError


@dataclass(frozen=True, eq=False)
class Outputs:
    """What is kept of the outputs for N images: for each of them the same, however many classes there are.

    The kind of output shows only when all of them are known, so two predictions are kept. classes: K, among how many
    is predicted. broken: how many images have a score that is NaN or infinite. sums_to_one: whether the scores of
    every image do, within 1 %. shares: where scores are shares of their sum; None where they cannot be, because one
    is outside [0, 1] or all of an image are 0. logits: where scores are logits. traces: of single images, None where
    they were not asked for.
    """

    classes: int
    broken: int
    sums_to_one: bool
    shares: Predictions | None
    logits: Predictions
    traces: Traces | None = None

    def __len__(self) -> int:
        return len(self.logits.predicted)


@np.errstate(invalid="ignore")  # what is not finite is counted, not warned of
def of(scores: NDArray[np.float32], labels: Counts, first: int = 0) -> Outputs:
    """Return what is kept of a model's outputs. scores: (N, K), or (N, 1) of a model that tells two classes apart.

    labels: (N,) class indices. first: the number of the first image.
    """
    values = scores.astype(np.float64)
    shares, logits = _shares(values), _softmax(values)
    return Outputs(
        classes=logits.shape[1],
        broken=int((~np.isfinite(values).all(axis=1)).sum()),
        sums_to_one=values.shape[1] > 1 and np.allclose(values.sum(axis=1), 1, atol=1e-2),
        shares=None if shares is None else predictions.of(shares, labels, first),
        logits=predictions.of(logits, labels, first),
    )


def joined(found: Sequence[Outputs]) -> Outputs:
    """Return what is kept of the outputs for images that follow each other as one."""
    shares = [one.shares for one in found if one.shares is not None]
    traced = [one.traces for one in found if one.traces is not None]
    return Outputs(
        classes=found[0].classes,
        broken=sum(one.broken for one in found),
        sums_to_one=all(one.sums_to_one for one in found),
        shares=predictions.joined(shares) if len(shares) == len(found) else None,
        logits=predictions.joined([one.logits for one in found]),
        traces=traces.joined(traced) if traced else None,
    )


def check(parts: Mapping[str, Outputs]) -> None:
    """Raise InputError where a score is not a finite number: every figure made from it would be wrong."""
    if bad := sum(part.broken for part in parts.values()):
        raise InputError(
            f"the model answers {bad:,} of {sum(map(len, parts.values())):,} images with NaN or infinite scores",
            "look for NaN in its weights; did its training diverge?",
        )


def read(parts: Mapping[str, Outputs]) -> tuple[dict[str, Predictions], str]:
    """Return what the outputs predict, by part, and what kind of output they are: all parts have it in common.

    One score in [0, 1] is a sigmoid for the second of two classes. Scores in [0, 1] that sum to 1 are a softmax's.
    Others in [0, 1] are sigmoids, one a class, brought to sum 1. All else are logits. Outputs of 16-bit models sum to
    1 within 1 %.
    """
    shares = {name: part.shares for name, part in parts.items() if part.shares is not None}
    if len(shares) < len(parts):
        return {name: part.logits for name, part in parts.items()}, "logits"
    return shares, "softmax" if all(part.sums_to_one for part in parts.values()) else "sigmoid"


def _shares(scores: Floats) -> Floats | None:
    if not ((scores >= 0) & (scores <= 1)).all():
        return None
    if scores.shape[1] == 1:
        return np.hstack([1 - scores, scores])
    sums = scores.sum(axis=1, keepdims=True)
    return scores / sums if (sums > 0).all() else None


def _softmax(scores: Floats) -> Floats:
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares

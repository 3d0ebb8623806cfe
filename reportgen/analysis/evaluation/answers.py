"""What a later run is compared with: which test images the model is right about, and what its units answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import Counts, LayerPlan, LayerTally, kept_of
from reportgen.analysis.evaluation.predictions import Classes
from reportgen.record.pictures import Answers, Responses

IMAGES = 256
"""Most images whose responses are kept. With so many, unrelated units of a large layer reach an r of about 0.3."""

LARGEST = 4_000_000
"""Most bytes of responses of a whole model; a larger model has them for fewer images."""

FEWEST = 32
"""With fewer images unrelated units reach an r of 0.8 and nothing could be matched, so none are kept."""


def collect(plans: Sequence[LayerPlan], tallies: Sequence[LayerTally], predicted: Classes, labels: Counts) -> Answers:
    """Return what is kept of a pass. predicted, labels: (N,) class indices of the test images.

    Of the images that the tallies kept the first by rank are taken: as good as random, and of two runs on the same
    data the same ones, even where one has room for fewer.
    """
    units = sum(plan.units for plan in plans)
    room = min(IMAGES, LARGEST // (2 * units)) if units else 0
    right, labels = predicted == labels, labels.astype(predicted.dtype)
    if not tallies or room < FEWEST:
        return Answers(right, np.zeros(0, np.int64), [], labels)
    chosen = kept_of(tallies[0].kept_images, room)
    found = [Responses(p.layer, standardised(t.kept[chosen])) for p, t in zip(plans, tallies, strict=True)]
    return Answers(right, tallies[0].kept_images[chosen], found, labels)


def standardised(responses: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return each unit's responses less their mean, over their deviation. responses: (M, U) s_mean.

    0 where a unit does not vary: correlations need no more, and any scale fits into 16 bits.
    """
    centred = responses.astype(np.float64) - responses.mean(axis=0, dtype=np.float64)
    centred[:, np.ptp(responses, axis=0) == 0] = 0  # of equal numbers a mean may differ by rounding
    deviation = centred.std(axis=0)
    scores = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
    return np.asarray(scores, np.float16)

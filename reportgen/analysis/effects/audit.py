"""First order held against masked: on which units, and whether they agree."""

import numpy as np

from reportgen.analysis.effects.paired import Floats, Ints
from reportgen.analysis.effects.passes import Scores
from reportgen.format import apart, as_given, fixed, signed
from reportgen.i18n import Text, text
from reportgen.record.effects import Audit

AUDITED = 20
"""Units of each layer on which first order is held against masked."""
LARGEST = 20
"""Units of each layer with the largest first-order effects that are masked, too."""
AGREES = 0.9
"""The least Spearman correlation at which first order is given."""
SLOPES = (0.5, 2.0)
"""How many times what masking gives first order may be: a rank does not tell that all of it is too small."""
_STRATA = 5


def sample(size: Floats, seed: int) -> Ints:
    """Return AUDITED units, ascending, as many from each fifth of the layer by the size (U,) of their effect."""
    units = len(size)
    if units <= AUDITED:
        return np.arange(units)
    rng = np.random.default_rng(seed)
    strata = np.array_split(np.argsort(size, kind="stable"), _STRATA)
    return np.sort(np.concatenate([rng.choice(one, AUDITED // _STRATA, replace=False) for one in strata]))


def by_class(moved: Scores, labels: Ints) -> Floats:
    """Return (U, classes with images) means over the images of a class. moved: (N, U); labels: (N,)."""
    classes, which = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(classes), moved.shape[1]))
    np.add.at(sums, which, moved)
    return np.asarray((sums / np.bincount(which)[:, np.newaxis]).T)


def compare(first: Floats, masked: Floats, images: int, layers: int = 1) -> Audit:
    """Return how well first order agrees with masked. Both: (units, classes) mean changes of the margin.

    images, layers: how many they are of.
    """
    one, other = first.ravel(), masked.ravel()
    found, slope = spearman(one, other), None
    if np.ptp(other) > 0:
        slope = round(float(np.cov(one, other, bias=True)[0, 1] / np.var(other)), 4)
    return Audit(len(first), images, None if found is None else round(found, 4), slope, layers)


def spearman(one: Floats, other: Floats) -> float | None:
    """Return Spearman's rank correlation of two arrays of one shape, None where one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    """Return (n,) ranks from 1, of equal values their mean: scipy.stats has the same, and takes a second to load.

    values: of any shape, n in all.
    """
    _, which, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    means: Floats = np.cumsum(counts) - (counts - 1) / 2
    return means[which]


def withheld(found: Audit, first: Floats, masked: Floats) -> Text | None:
    """Return why first order is not given, None where it is."""
    if not first.any() and not masked.any():
        return None  # both say that nothing changes
    if found.spearman is None:
        return text(
            "on the units that were masked, too, it cannot be compared with what masking gives: one of the two is the"
            " same throughout"
        )
    if found.spearman < AGREES:
        return text(
            "on the units that were masked, too, its Spearman correlation with what masking gives is {found}, below"
            " {least}",
            found=signed(apart(found.spearman, AGREES, 2)),
            least=as_given(AGREES),
        )
    if found.slope is None or not SLOPES[0] <= found.slope <= SLOPES[1]:
        return text(
            "on the units that were masked, too, it is {found} times what masking gives, which is not within {low} and"
            " {high}",
            found=fixed(found.slope, 2),
            low=as_given(SLOPES[0]),
            high=as_given(SLOPES[1]),
        )
    return None

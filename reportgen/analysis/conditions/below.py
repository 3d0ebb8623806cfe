"""A deeper unit in terms of the units below it: its pre-activation is exactly linear in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.analysis.conditions.result import Bools, Floats, Input, Ints
from reportgen.i18n import Text

NAMED = 3
"""How many units below are named at most."""

LEAST = 0.1
"""A unit below is named where it brings at least this share of the variance."""

_LOOKED_AT = 4000
_MOST_VALUES = 40_000_000  # of patches of the layer below that are in memory at once
_UNCLEAR = 0.001  # the share of positions where a threshold on z may err

Relation = Literal["or", "and", "with"]


@dataclass(frozen=True)
class Below:
    """What a convolution is given, and its kernel.

    patches: (n, S, kh, kw, I), what the positions (N, S) see of the layer below in the images `images`, (n,) ascending,
    channel i made by unit i: whole maps of all layers would not fit into memory. kernel: (U, kh, kw, I), zeros in the
    gaps of a dilated one and at channels of another group. conditions: of the units below in words, (I,).
    """

    patches: Floats
    images: Ints
    kernel: Floats
    conditions: Sequence[Text | None]

    def known(self, usable: Ints, each: int) -> Ints:
        """Return the positions whose patches are known. usable: numbered through (N, S). each: S."""
        found: Ints = usable[np.isin(usable // each, self.images)]
        return found

    def seen(self, which: Ints, each: int) -> Floats:
        """Return what positions see, (n, h * w * I) float32. which: (n,), numbered through (N, S). each: S."""
        image, place = np.divmod(which, each)
        found = self.patches[np.searchsorted(self.images, image), place]
        return found.reshape(len(which), -1).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Made:
    """Of what units are made. shares: (U, I), in sum 1 for each that varies. signs: (U, I), -1 where an input inhibits.

    seen: (n, kh*kw*I) what some positions see of the layer below; which: (n,) these positions among all, flattened.
    """

    shares: Floats
    signs: Ints
    seen: Floats
    which: Ints


def made_of(below: Below, each: int, usable: Ints) -> Made:
    """Return share_i = cov(w_i a_i, z) / var(z) of every unit and input. usable: positions of (N, S), flattened.

    each: S. z is the sum of w_i a_i, so the shares of a unit are 1 in sum. They come from the covariance of what is
    seen with z: the time is linear in the units.
    """
    _, height, width, inputs = below.kernel.shape
    most = max(min(_LOOKED_AT, _MOST_VALUES // (height * width * inputs)), 1)
    usable = below.known(usable, each)
    which = usable[:: max(-(-len(usable) // most), 1)]
    seen = below.seen(which, each)
    weights = below.kernel.reshape(len(below.kernel), -1).T.astype(np.float32)  # (P, U)
    z = seen @ weights
    z -= z.mean(axis=0)
    shared = (seen - seen.mean(axis=0)).T @ z / len(z)  # (P, U)
    variance = (z.astype(np.float64) ** 2).mean(axis=0)
    of_weights = (weights * shared).T.reshape(-1, height * width, inputs)
    shares = of_weights.sum(axis=1) / np.where(variance > 0, variance, np.inf)[:, np.newaxis]
    level = seen.reshape(len(seen), -1, inputs).mean(axis=0)
    driven = np.einsum("upi,pi->ui", below.kernel.reshape(len(below.kernel), -1, inputs), level, optimize=True)
    return Made(shares, np.where(driven < 0, -1, 1), seen, which)


def named(made: Made, below: Below, unit: int) -> tuple[Input, ...]:
    """Return the units below that bring most of a unit's variance, the largest share first."""
    order = np.argsort(-made.shares[unit], kind="stable")[:NAMED]
    return tuple(
        Input(int(i), float(made.shares[unit, i]), int(made.signs[unit, i]), below.conditions[i])
        for i in order
        if made.shares[unit, i] >= LEAST
    )


def explained(made: Made, below: Below, unit: int, inputs: Sequence[Input]) -> float:
    """Return the share of the variance of z that the sum of what these inputs bring explains, up to its scale.

    Shares can be above 1 in sum where the other inputs work against these; a squared correlation cannot.
    """
    weights = below.kernel[unit].reshape(-1, len(below.conditions))
    seen = made.seen.reshape(len(made.seen), *weights.shape)
    those = [one.unit for one in inputs]
    brought = np.einsum("npi,pi->n", seen[:, :, those], weights[:, those], optimize=True)
    z = made.seen @ weights.ravel()
    brought, z = brought - brought.mean(), z - z.mean()
    whole = float((brought**2).sum() * (z**2).sum())
    return float((brought * z).sum() ** 2 / whole) if whole > 0 else 0.0


def relation(made: Made, below: Below, unit: int, inputs: Sequence[Input], fires: Bools) -> Relation:
    """Return how two units below work together: "or" where each alone makes the unit fire, "and" where only both do.

    fires: (n,) whether the unit fires at the positions `made.which`: where its z is above a threshold, which is read
    off. Each input is driven to its 0.99 quantile with all else at its mean, then both are. Anything else is "with":
    other than two inputs that excite, and a unit whose firing is no threshold on z.
    """
    if len(inputs) != 2 or min(one.sign for one in inputs) < 0 or fires.all() or not fires.any():
        return "with"
    weights = below.kernel[unit].reshape(-1, len(below.conditions))
    seen = made.seen.reshape(len(made.seen), *weights.shape)
    z = made.seen @ weights.ravel()
    threshold = (z[~fires].max() + z[fires].min()) / 2
    if ((z > threshold) != fires).mean() > _UNCLEAR:
        return "with"
    brought = [seen[:, :, one.unit] @ weights[:, one.unit] for one in inputs]
    alone = [float(np.quantile(one, 0.99) - one.mean()) for one in brought]
    level = float(z.mean())
    if level + min(alone) > threshold:
        return "or"
    return "and" if level + max(alone) <= threshold < level + sum(alone) else "with"

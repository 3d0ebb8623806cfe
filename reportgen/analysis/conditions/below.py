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
    z: (n, U) the pre-activation there, less its mean (U,), which is `level`.
    """

    shares: Floats
    signs: Ints
    seen: Floats
    which: Ints
    z: Floats
    level: Floats


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
    middle = z.mean(axis=0)
    z -= middle
    shared = (seen - seen.mean(axis=0)).T @ z / len(z)  # (P, U)
    variance = (z.astype(np.float64) ** 2).mean(axis=0)
    of_weights = (weights * shared).T.reshape(-1, height * width, inputs)
    shares = of_weights.sum(axis=1) / np.where(variance > 0, variance, np.inf)[:, np.newaxis]
    level = seen.reshape(len(seen), -1, inputs).mean(axis=0)
    driven = np.einsum("upi,pi->ui", below.kernel.reshape(len(below.kernel), -1, inputs), level, optimize=True)
    return Made(shares, np.where(driven < 0, -1, 1), seen, which, z, middle)


def named(made: Made, conditions: Sequence[Text | None]) -> list[tuple[Input, ...]]:
    """Return of each unit the units below that bring most of its variance, the largest share first.

    conditions: of the units below in words, (I,).
    """
    order = np.argsort(-made.shares, axis=1, kind="stable")[:, :NAMED]
    shares, signs = (np.take_along_axis(of, order, axis=1).tolist() for of in (made.shares, made.signs))
    return [
        tuple(
            Input(i, share, sign, conditions[i]) for i, share, sign in zip(*of_unit, strict=True) if share >= LEAST
        )
        for of_unit in zip(order.tolist(), shares, signs, strict=True)
    ]  # fmt: skip


def explained(made: Made, below: Below, inputs: Sequence[Sequence[Input]]) -> Floats:
    """Return the share of the variance of each z that the sum of what its inputs bring explains, up to its scale, (U,).

    Shares can be above 1 in sum where the other inputs work against these; a squared correlation cannot.
    """
    units, height, width, channels = below.kernel.shape
    weights = np.zeros((units, height * width, channels), np.float32)
    kernel = below.kernel.reshape(weights.shape)
    for unit, of_unit in enumerate(inputs):
        those = [one.unit for one in of_unit]
        weights[unit][:, those] = kernel[unit][:, those]
    brought = made.seen @ weights.reshape(units, -1).T
    brought -= brought.mean(axis=0)
    spread, shared = (np.einsum("nu,nu->u", brought, of, dtype=np.float64) for of in (brought, made.z))
    whole = spread * np.einsum("nu,nu->u", made.z, made.z, dtype=np.float64)
    return np.asarray(np.where(whole > 0, shared**2 / np.where(whole > 0, whole, 1), 0))


def relation(made: Made, below: Below, unit: int, inputs: Sequence[Input], fires: Bools) -> Relation:
    """Return how two units below work together: "or" where each alone makes the unit fire, "and" where only both do.

    fires: (n,) whether the unit fires at the positions `made.which`: where its z is above a threshold, which is read
    off. Each input is driven to its 0.99 quantile with all else at its mean, then both are. Anything else is "with":
    other than two inputs that excite, and a unit whose firing is no threshold on z.
    """
    if len(inputs) != 2 or min(one.sign for one in inputs) < 0 or fires.all() or not fires.any():
        return "with"
    weights = below.kernel[unit].reshape(-1, below.kernel.shape[3])
    seen = made.seen.reshape(len(made.seen), *weights.shape)
    z = made.z[:, unit] + made.level[unit]
    threshold = (z[~fires].max() + z[fires].min()) / 2
    if ((z > threshold) != fires).mean() > _UNCLEAR:
        return "with"
    brought = [seen[:, :, one.unit] @ weights[:, one.unit] for one in inputs]
    alone = [float(np.quantile(one, 0.99) - one.mean()) for one in brought]
    level = float(made.level[unit])
    if level + min(alone) > threshold:
        return "or"
    return "and" if level + max(alone) <= threshold < level + sum(alone) else "with"

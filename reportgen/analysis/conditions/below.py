"""A deeper unit in terms of the units below it: its pre-activation is exactly linear in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.analysis.conditions import patches
from reportgen.analysis.conditions.patches import Axis
from reportgen.analysis.conditions.result import Floats, Input, Ints
from reportgen.texts import Text

NAMED = 3
"""How many units below are named at most."""

LEAST = 0.1
"""A unit below is named where it brings at least this share of the variance."""

_LOOKED_AT = 4000
_MOST_VALUES = 40_000_000  # of patches of the layer below that are in memory at once
_ALONE, _SELDOM = 0.5, 0.2

Relation = Literal["or", "and", "with"]


@dataclass(frozen=True)
class Below:
    """What a convolution is given, and its kernel.

    maps: (N, h, w, I) for the same images, channel i made by unit i of the layer below. kernel: (U, kh, kw, I), zeros in
    the gaps of a dilated one and at channels of another group. field: of a position along rows and columns, in positions
    of `maps`: size kh, jump the stride, start minus the padding. conditions: of the units below in words, (I,).
    """

    maps: Floats
    kernel: Floats
    field: tuple[Axis, Axis]
    conditions: Sequence[Text | None]


@dataclass(frozen=True)
class Made:
    """Of what units are made. shares: (U, I), in sum 1 for each that varies. signs: (U, I), -1 where an input inhibits.

    seen: (n, kh*kw*I) what some positions see of the layer below; which: (n,) these positions among all, flattened.
    """

    shares: Floats
    signs: Ints
    seen: Floats
    which: Ints


def made_of(below: Below, rows: Ints, columns: Ints, usable: Ints) -> Made:
    """Return share_i = cov(w_i a_i, z) / var(z) of every unit and input. usable: positions of (N, S), flattened.

    z is the sum of w_i a_i, so the shares of a unit are 1 in sum. They come from the covariance of what is seen with
    z: the time is linear in the units.
    """
    _, height, width, inputs = below.kernel.shape
    most = max(min(_LOOKED_AT, _MOST_VALUES // (height * width * inputs)), 1)
    which = usable[:: -(-len(usable) // most)]
    image, place = np.divmod(which, rows.shape[1])
    used = rows[image, place][:, np.newaxis], columns[image, place][:, np.newaxis]
    seen = patches.gather(below.maps[image], *used, below.field)[:, 0].reshape(len(which), -1).astype(np.float32)
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


def relation(made: Made, below: Below, unit: int, inputs: Sequence[Input], fires: Floats) -> Relation:
    """Return how two units below work together: "or" where each alone makes the unit fire, "and" where only both do.

    fires: (n,) whether the unit fires at the positions `made.which`. An input counts as there where it brings more than
    half of what it brings at most (its 0.995 quantile). Anything else, and other than two inputs that excite, is "with".
    """
    if len(inputs) != 2 or min(one.sign for one in inputs) < 0:
        return "with"
    there = []
    for one in inputs:
        seen = made.seen.reshape(len(made.seen), -1, len(below.conditions))[:, :, one.unit]
        brought = seen @ below.kernel[unit].reshape(-1, len(below.conditions))[:, one.unit]
        there.append(brought > 0.5 * np.quantile(brought, 0.995))
    first, second = there
    cases = [first & ~second, ~first & second, first & second]
    if any(case.sum() < 10 for case in cases):
        return "with"
    alone, other, both = (float(fires[case].mean()) for case in cases)
    if min(alone, other) >= _ALONE:
        return "or"
    return "and" if max(alone, other) <= _SELDOM and both >= _ALONE else "with"

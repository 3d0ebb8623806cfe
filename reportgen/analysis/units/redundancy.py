"""Does another unit already say the same: correlations, groups of which one is enough, copied weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import isnan

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally
from reportgen.analysis.phrases import counted_images
from reportgen.analysis.units import moments, states
from reportgen.analysis.units.facts import Thresholds, Weights
from reportgen.i18n import Text, text
from reportgen.record.units import Nearest, alike

Flags = NDArray[np.bool_]

SAME_DIRECTION = 1e-9
"""1 - cosine of kernels that are equal up to a factor: float32 rounding leaves about 1e-14."""

SAME_SIZE = 1e-5
"""How far norms and biases of such kernels may differ, relatively."""

CLOSE = 2e-4
"""How far projections of kernels of the same direction may lie apart: above 4 times sqrt(2 SAME_DIRECTION)."""


@dataclass(frozen=True)
class Redundancy:
    """What correlations and weights say about the units of a layer.

    nearest: by unit. kept: of a removable unit, the unit of its group that stays. groups: units of which one is
    enough, the one to stay first. opposite, duplicate_of: by unit, the mirror image and the unit with the same weights.
    left_out: units without correlations, by the reason. noise_floor: None where fewer than two units are compared.
    """

    nearest: dict[int, Nearest]
    kept: dict[int, Nearest]
    groups: list[list[int]]
    opposite: dict[int, int]
    duplicate_of: dict[int, int]
    left_out: dict[Text, list[int]]
    noise_floor: float | None


def find(
    plan: LayerPlan, tally: LayerTally, weights: Weights, verdicts: Sequence[states.Verdict], thresholds: Thresholds
) -> Redundancy:
    """Compare every two units of a layer that is not a softmax; its units are anti-correlated by construction.

    Two units are redundant where r reaches the threshold three times: of s_mean over images, of s_mean within the
    classes (two units for one class correlate through the label alone), and of a over positions (two units may fire
    in different places). Opposite units have an r as far below 0 three times.
    """
    left_out = _left_out(plan, tally, verdicts, thresholds)
    compared = np.ones(plan.units, np.bool_)
    compared[[unit for units in left_out.values() for unit in units]] = False
    r = [moments.pooled_correlation(plan, tally), moments.within_class_correlation(plan, tally)]
    if plan.positions > 1:
        r.append(moments.map_correlation(plan, tally))
    for one in r:
        one[~compared] = one[:, ~compared] = np.nan
        np.fill_diagonal(one, np.nan)
    lowest, highest = reduce(np.minimum, r), reduce(np.maximum, r)
    groups = _representative_first(complete_linkage(lowest >= thresholds.redundant, lowest), tally)
    size = np.abs(r[0])
    known = np.flatnonzero(np.isfinite(size).any(axis=1))
    nearest = np.nan_to_num(size, copy=False)[known].argmax(axis=1)
    compare = partial(_compared, r, threshold=thresholds.redundant)
    return Redundancy(
        nearest=compare(known, nearest),
        kept={u: one for group in groups for u, one in compare(group[1:], group[:1] * (len(group) - 1)).items()},
        groups=groups,
        opposite=_opposite(r[0], highest, thresholds),
        duplicate_of=duplicates(plan, weights, verdicts, thresholds),
        left_out=left_out,
        noise_floor=noise_floor(tally.kept[:, compared]),
    )


def not_for_softmax(plan: LayerPlan) -> Redundancy:
    """Return what stands for a softmax, which is not looked at."""
    reason = text("softmax outputs are anti-correlated by construction")
    left_out = {reason: list(range(plan.units))} if plan.units > 1 else {}
    return Redundancy({}, {}, [], {}, {}, left_out, None)


def complete_linkage(same: Flags, likeness: Floats) -> list[list[int]]:
    """Return groups, by their first unit, in which every two units are alike.

    same: (U, U) symmetric, which two are alike. likeness: (U, U) in [-1, 1] decides which units meet first. Single
    linkage would chain A~B~C together although A is not like C.
    """
    members = np.flatnonzero(same.any(axis=1))
    if not members.size:
        return []
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = 4.0  # further than 1 - likeness ever is, so no group that is cut below holds such a pair
    both = same & same.T
    distance = np.where(both, 1 - likeness, apart)[np.ix_(members, members)]
    np.fill_diagonal(distance, 0)
    numbers = fcluster(linkage(squareform(distance, checks=False), "complete"), apart / 2, "distance")
    groups = [members[numbers == number].tolist() for number in np.unique(numbers)]
    return sorted(group for group in groups if len(group) > 1)


def duplicates(
    plan: LayerPlan, weights: Weights, verdicts: Sequence[states.Verdict], thresholds: Thresholds
) -> dict[int, int]:
    """Return for each unit whose weights copy those of an earlier one the first of those.

    Behind what is positively homogeneous (nothing, ReLU, LeakyReLU, PReLU with the same slopes) kernel and bias may be
    a positive multiple: the output is then the same multiple. Not looked at: dead units, zero kernels, units behind
    what scales each in its own way, as a batch normalisation does.
    """
    if weights.kernel is None or weights.copies == "none":
        return {}
    norms = np.linalg.norm(weights.kernel, axis=1)
    alive = np.array([verdict.state != states.DEAD for verdict in verdicts])
    usable = np.flatnonzero(alive & (norms > thresholds.near_zero * norms.max()))
    norms, directions = norms[usable], weights.kernel[usable] / norms[usable, None]
    offsets = np.zeros(len(usable)) if weights.bias is None else weights.bias[usable] / norms
    found: dict[int, int] = {}
    for run in _neighbours(directions):
        same = 1 - directions[run] @ directions[run].T <= SAME_DIRECTION
        same &= np.abs(np.subtract.outer(offsets[run], offsets[run])) <= SAME_SIZE * (1 + np.abs(offsets[run]))
        if weights.sees is not None:  # equal weights over other channels are no copy
            same &= np.equal.outer(weights.sees[usable[run]], weights.sees[usable[run]])
        if weights.slopes is not None:
            _, slopes = np.unique(weights.slopes[usable[run]], axis=0, return_inverse=True)
            same &= np.equal.outer(slopes, slopes)
        if weights.copies == "equal":
            same &= np.abs(np.divide.outer(norms[run], norms[run]) - 1) <= SAME_SIZE
        found |= {int(usable[run[n]]): int(usable[run[f]]) for n, f in enumerate(same.argmax(axis=1)) if f < n}
    return found


def noise_floor(kept: NDArray[np.float32], seed: int = 0) -> float | None:
    """Return the largest |r| to expect among independent units: that of these units, each with its images shuffled.

    kept: (M, U) s_mean. Shuffling keeps how each unit's responses are distributed. That matters: with 1,000 images
    and 512 units the floor is 0.14 for normal responses but 0.2 for a ReLU that fires on one image in six. The maximum
    over few pairs is unsteady, so that of few units is the mean of several shuffles. None with fewer than two units
    or three images.
    """
    images, units = kept.shape
    if images < 3 or units < 2:
        return None
    generator = np.random.default_rng(seed)
    centred = kept - kept.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    scores = centred[:, lengths > 0] / lengths[lengths > 0]
    found = []
    for _ in range(1 + 200 // units):
        shuffled = generator.permuted(scores, axis=0)
        r = np.abs(shuffled.T @ shuffled)
        np.fill_diagonal(r, 0)
        found.append(float(r.max(initial=0)))
    return min(sum(found) / len(found), 1.0)


def _left_out(
    plan: LayerPlan, tally: LayerTally, verdicts: Sequence[states.Verdict], thresholds: Thresholds
) -> dict[Text, list[int]]:
    """Return the units that correlations leave out, by the reason; without any unit that a reason has already."""
    state = np.array([verdict.state for verdict in verdicts])
    least = thresholds.least_firing(tally.images)
    reasons = {
        text("dead"): state == states.DEAD,
        text("constant"): state == states.CONSTANT,
        text("fired on fewer than {images}", images=counted_images(least)): (
            (tally.fired < least)
            & (states.rests_at_zero(plan) | (plan.family == "leaky"))
            # what is always negative takes part by what it passes on from there
            & (state != states.ALWAYS_NEGATIVE)
        ),
        text("its mean response does not differ between images"): ~moments.varies(plan, tally),
    }
    taken = np.zeros(plan.units, np.bool_)
    found = {}
    for reason, applies in reasons.items():
        if (applies & ~taken).any():
            found[reason] = np.flatnonzero(applies & ~taken).tolist()
        taken |= applies
    return found


def _compared(
    r: Sequence[Floats], units: Sequence[int] | Counts, others: Sequence[int] | Counts, threshold: float
) -> dict[int, Nearest]:
    """Return by unit how alike it and another one are. r: two or three of (U, U), as the figures of a Nearest."""
    figures = [[None if isnan(value) else value for value in one[units, others].tolist()] for one in r]
    figures += [[None] * len(units)] * (3 - len(r))
    pairs = zip(np.asarray(units, np.int64).tolist(), np.asarray(others, np.int64).tolist(), *figures, strict=True)
    return {
        unit: Nearest(other, of[0], of[1], of[2], alike(of[: len(r)], threshold))
        for unit, other, *of in pairs
        if of[0] is not None
    }


def _opposite(over_images: Floats, highest: Floats, thresholds: Thresholds) -> dict[int, int]:
    """Return by unit its mirror image. highest: (U, U) the largest of all r of two units."""
    mirrored: Flags = highest <= -thresholds.redundant
    units = np.flatnonzero(mirrored.any(axis=1))
    depth = np.where(mirrored[units], over_images[units], 0)
    return dict(zip(units.tolist(), depth.argmin(axis=1).tolist(), strict=True))


def _representative_first(groups: list[list[int]], tally: LayerTally) -> list[list[int]]:
    """Order each group so that the unit that fires most comes first, of equals the lowest, and the rest ascend."""
    stays = [min(group, key=lambda unit: (-tally.fired[unit], unit)) for group in groups]
    return [[stay, *(unit for unit in group if unit != stay)] for stay, group in zip(stays, groups, strict=True)]


def _neighbours(directions: Floats) -> list[NDArray[np.int64]]:
    """Return runs, each ascending, of (U, D) unit vectors that may be equal, without comparing every two of them.

    Equal vectors have equal projections on any line; the members of a run have close ones on one random line.
    """
    projections = directions @ np.random.default_rng(0).standard_normal(directions.shape[1])
    order = np.argsort(projections, kind="stable")
    breaks = np.flatnonzero(np.diff(projections[order]) > CLOSE) + 1
    return [np.sort(run) for run in np.split(order, breaks) if len(run) > 1]

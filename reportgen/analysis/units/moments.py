"""Means, spreads and correlations worked out from the sums of a tally; undefined ones are NaN, never a warning."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import bins
from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally

Units = NDArray[np.integer] | slice
ALL = slice(None)

FLOAT_NOISE = 1e-12
"""A variance below this share of the squared values it comes from is rounding (float32 values: 6e-8, squared)."""


def values_per_unit(plan: LayerPlan, tally: LayerTally) -> int:
    """Return N P, how many values of each unit were looked at."""
    return tally.images * plan.positions


def firing_rate(tally: LayerTally) -> Floats:
    """Return (U,) the share of images on which each unit fires."""
    return tally.fired / tally.images


def zero_share(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) the share of values that are not above eps: APoZ (Hu et al. 2016)."""
    return tally.zeros / values_per_unit(plan, tally)


def mean(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) the mean over images and positions."""
    return plan.shift + tally.total / values_per_unit(plan, tally)


def std(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) the population standard deviation over images and positions."""
    count = values_per_unit(plan, tally)
    return np.sqrt(np.maximum(tally.squares / count - (tally.total / count) ** 2, 0))


def mean_absolute(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) the mean of |a| over images and positions."""
    return tally.absolute / values_per_unit(plan, tally)


def histogram(plan: LayerPlan, tally: LayerTally) -> tuple[Floats, Counts]:
    """Return edges, (S + 1,), and (U, S) counts of 11 to 20 bins over all values, or over a bounded family's range."""
    ends = None if plan.low is None or plan.high is None else (plan.low, plan.high)
    return bins.shown(tally.grid, tally.histogram, float(tally.smallest.min()), float(tally.largest.max()), ends)


def class_means(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (K, U) the mean of s_mean over the images of each class, NaN for a class without images."""
    images, nowhere = tally.class_images[:, None], np.full_like(tally.class_total, np.nan)
    return plan.shift + np.divide(tally.class_total, images, out=nowhere, where=images > 0)


def pooled_covariance(tally: LayerTally, units: Units = ALL) -> Floats:
    """Return (U, U) the population covariance of s_mean over images. units: of these alone."""
    centre = tally.pooled_total[units] / tally.images
    return _among(tally.pooled_products, units) / tally.images - np.outer(centre, centre)


def pooled_variance(tally: LayerTally) -> Floats:
    """Return (U,) the population variance of s_mean over images."""
    centre = tally.pooled_total / tally.images
    return tally.pooled_products.diagonal() / tally.images - centre**2


def within_class_covariance(tally: LayerTally) -> Floats:
    """Return (U, U) the population covariance of s_mean over images after each class's mean is taken off."""
    scaled = _scaled_class_totals(tally)
    return (tally.pooled_products - scaled.T @ scaled) / tally.images


def within_class_variance(tally: LayerTally) -> Floats:
    """Return (U,) the population variance of s_mean over images after each class's mean is taken off."""
    squares: Floats = (_scaled_class_totals(tally) ** 2).sum(axis=0)
    return (tally.pooled_products.diagonal() - squares) / tally.images


def map_covariance(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U, U) the population covariance of a over images and sampled positions."""
    count = tally.images * len(plan.sampled)
    centre = tally.map_total / count
    return tally.map_products / count - np.outer(centre, centre)


def correlation(covariance: Floats, magnitude: Floats) -> Floats:
    """Return (U, U) Pearson's r, NaN for units whose variance is rounding.

    magnitude: (U,) the mean square of the values that the covariance was worked out from.
    """
    variance = covariance.diagonal()
    varies = variance > FLOAT_NOISE * magnitude
    scale = np.full_like(variance, np.nan)
    scale[varies] = 1 / np.sqrt(variance[varies])
    r: Floats = covariance * scale
    r *= scale[:, None]
    return np.clip(r, -1, 1, out=r)


def pooled_correlation(plan: LayerPlan, tally: LayerTally, units: Units = ALL) -> Floats:
    """Return (U, U) r of s_mean over images. units: of these alone."""
    return correlation(pooled_covariance(tally, units), _pooled_magnitude(plan, tally)[units])


def within_class_correlation(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U, U) r of s_mean over images after each class's mean is taken off."""
    return correlation(within_class_covariance(tally), _pooled_magnitude(plan, tally))


def map_correlation(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U, U) r of a over images and sampled positions."""
    count = tally.images * len(plan.sampled)
    return correlation(map_covariance(plan, tally), _magnitude(plan, tally.map_products, tally.map_total, count))


def lines(plan: LayerPlan, tally: LayerTally, through: Mapping[int, int]) -> dict[int, tuple[float, float]]:
    """Return slope and offset of the least-squares line that gives each unit's values from those of another.

    through: by unit the other one, which must vary. Over all images and the sampled positions.
    """
    covariance = map_covariance(plan, tally)
    middle = plan.shift + tally.map_total / (tally.images * len(plan.sampled))
    slopes = {unit: float(covariance[unit, other] / covariance[other, other]) for unit, other in through.items()}
    return {unit: (slope, float(middle[unit] - slope * middle[through[unit]])) for unit, slope in slopes.items()}


def varies(plan: LayerPlan, tally: LayerTally) -> NDArray[np.bool_]:
    """Return (U,) whether s_mean differs between images by more than rounding."""
    return pooled_variance(tally) > FLOAT_NOISE * _pooled_magnitude(plan, tally)


def spectrum(tally: LayerTally, units: NDArray[np.bool_]) -> Floats:
    """Return the eigenvalues of the pooled covariance of the chosen units, ascending; rounding is cut to 0.

    Of fewer images than units, all of them kept, those of the images' products are the same but for zeros, and the
    work grows with the third power of the smaller number.
    """
    if tally.images == len(tally.kept) < np.count_nonzero(units):
        rows = tally.kept[:, units].astype(np.float64)
        rows -= rows.mean(axis=0)
        products = rows @ rows.T / tally.images
    else:
        products = pooled_covariance(tally)[np.ix_(units, units)]
    eigenvalues = np.linalg.eigvalsh(products)
    noise = np.finfo(np.float64).eps * len(products) * eigenvalues.max(initial=0)
    return np.where(eigenvalues > noise, eigenvalues, 0)


def effective_rank(eigenvalues: Floats) -> float:
    """Return exp(-sum p ln p), p = sigma / sum sigma (Roy & Vetterli 2007). The eigenvalues are sigma^2 / N."""
    sigma = np.sqrt(eigenvalues[eigenvalues > 0])
    shares = sigma / sigma.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(eigenvalues: Floats) -> float:
    """Return (sum lambda)^2 / sum lambda^2."""
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def _among(products: Floats, units: Units) -> Floats:
    return products if isinstance(units, slice) else products[np.ix_(units, units)]


def _scaled_class_totals(tally: LayerTally) -> Floats:
    """Return (K, U) sums of shifted s_mean over the images of each class, over the root of how many these are."""
    scaled: Floats = tally.class_total / np.sqrt(np.maximum(tally.class_images, 1))[:, None]
    return scaled


def _pooled_magnitude(plan: LayerPlan, tally: LayerTally) -> Floats:
    return _magnitude(plan, tally.pooled_products, tally.pooled_total, tally.images)


def _magnitude(plan: LayerPlan, products: Floats, total: Floats, count: int) -> Floats:
    """Return (U,) the mean square of the values as they were, or of the shifted ones where that is larger."""
    square = products.diagonal() / count
    return np.maximum(square, square + plan.shift * (2 * total / count + plan.shift))

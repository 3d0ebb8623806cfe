"""Intervals and chances of proportions, so that nobody blames a model for what is chance."""

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def quantile(level: float) -> float:
    """Return z such that a standard normal number lies within -z ... z with probability `level`."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of successes / trials, (0, 1) where there were no trials.

    Source: Wilson (1927); method 3 of Newcombe (1998), Statistics in Medicine 17, 857-872.
    """
    if trials == 0:
        return 0.0, 1.0
    z2, share = quantile(level) ** 2, successes / trials
    middle = share + z2 / (2 * trials)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials)
    whole = 1 + z2 / trials
    # at 0 and at all the ends are exact; the formula misses them by a rounding error
    low = (middle - half) / whole if successes else 0.0
    high = (middle + half) / whole if successes < trials else 1.0
    return low, high


def difference(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the difference first - second of two independent proportions.

    first, second: successes and trials. Source: method 10 (Wilson limits, squared and added) of Newcombe (1998),
    Statistics in Medicine 17, 873-890. Raises ZeroDivisionError where one has no trials.
    """
    (low1, high1), (low2, high2) = wilson(*first, level=level), wilson(*second, level=level)
    share1, share2 = first[0] / first[1], second[0] / second[1]
    between = share1 - share2
    return between - math.hypot(share1 - low1, high2 - share2), between + math.hypot(high1 - share1, share2 - low2)


def gained_and_lost(before: "NDArray[np.bool_]", after: "NDArray[np.bool_]") -> tuple[int, int]:
    """Return how many images are answered rightly only after, and only before.

    before, after: (N,) whether each is; the same images in the same order.
    """
    return int((~before & after).sum()), int((before & ~after).sum())


def paired_difference(gained: int, lost: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference in accuracy after - before on the same images, in -1 ... 1.

    gained, lost: of the `images`, those answered rightly only after and only before. The Wald interval after one image
    is added to either kind of change, which keeps its coverage where few images or none change; without any images it
    is (-1, 1).
    Source: Bonett and Price (2012), Journal of Educational and Behavioral Statistics 37, 479-488; recommended by
    Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33, 2850-2875.
    """
    trials = images + 2
    up, down = (gained + 1) / trials, (lost + 1) / trials
    change = up - down
    half = quantile(0.95) * math.sqrt((up + down - change**2) / trials)
    return max(change - half, -1.0), min(change + half, 1.0)


def chance_of_at_most(successes: int, trials: int, share: float) -> float:
    """Return how likely so few successes are where each trial succeeds with the probability `share`, in 0 ... 1.

    Exact (binomial), since Wilson's interval blames a class for its only image.
    """
    if share in (0, 1):
        return float(share == 0 or successes == trials)
    ways = (math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(successes + 1))
    odds = math.log(share) - math.log1p(-share)
    return math.fsum(math.exp(way + k * odds + trials * math.log1p(-share)) for k, way in enumerate(ways))

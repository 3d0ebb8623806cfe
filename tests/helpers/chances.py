"""Chances the slow way: McNemar's exact test and Holm's correction, by their definitions."""

from collections.abc import Sequence
from math import comb


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p of the exact test, term by term."""
    n, few = gained + lost, min(gained, lost)
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n)


def holm(p: Sequence[float]) -> list[float]:
    """Return corrected p-values by the definition: the largest of (m - i) p(i) over all that are no larger."""
    ranked = sorted(p)
    steps = {value: max((len(p) - i) * ranked[i] for i in range(len(p)) if ranked[i] <= value) for value in ranked}
    return [min(1.0, steps[value]) for value in p]

"""Does each unit fire properly: its state, the evidence for it in one sentence, and the cause of a dead one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.collect import moments
from reportgen.collect.facts import Thresholds, Weights
from reportgen.collect.phrases import number, percent
from reportgen.tally import Counts, Floats, LayerPlan, LayerTally
from reportgen.wording import plural

Flags = NDArray[np.bool_]

RELU_FAMILY = ("relu", "relu6", "leaky")
"""What is linear where it is on; a unit behind it takes part in what the layer says only where it fires."""

DEAD, CONSTANT, SATURATED, ALWAYS_ON, WEAK, HEALTHY = PRECEDENCE = (
    "dead",
    "constant",
    "saturated",
    "always-on",
    "weak",
    "healthy",
)
NEVER_PREDICTED, ALWAYS_PREDICTED, OUTPUT = "never predicted", "always predicted", "output"


@dataclass(frozen=True)
class Verdict:
    """The state of one unit, the sentence with its figures, and why it is dead."""

    state: str
    evidence: str
    cause: str | None = None


def judge(plan: LayerPlan, tally: LayerTally, weights: Weights, thresholds: Thresholds) -> list[Verdict]:
    """Return the verdict on each unit: of the states that apply the first in PRECEDENCE."""
    applies: dict[str, Flags] = {
        DEAD: is_dead(plan, tally),
        CONSTANT: is_constant(plan, tally, thresholds),
        SATURATED: _is_saturated(plan, tally, thresholds),
        ALWAYS_ON: _is_always_on(plan, tally, thresholds),
        WEAK: _of_layer(plan, tally) <= thresholds.weak,
        HEALTHY: np.ones(plan.units, np.bool_),
    }
    states = [next(state for state in PRECEDENCE if applies[state][u]) for u in range(plan.units)]
    causes = _causes(plan, weights, thresholds)
    evidence = _evidence(plan, tally)

    def cause(unit: int) -> str:
        return next(name for name, holds in causes if holds[unit])

    return [Verdict(state, evidence[state](u), cause(u) if state == DEAD else None) for u, state in enumerate(states)]


def judge_outputs(predicted: Counts, images: int) -> list[Verdict]:
    """Return the verdict on each unit of a softmax. predicted: (U,) how often each was the prediction."""
    states = {0: NEVER_PREDICTED, images: ALWAYS_PREDICTED}
    return [
        Verdict(states.get(int(n), OUTPUT), f"was the prediction for {n:,} of {plural(images, 'image')}")
        for n in predicted
    ]


def rests_at_zero(plan: LayerPlan) -> bool:
    """Return whether a value of this layer that is not above eps says nothing, so that firing means taking part.

    A linear unit or a tanh says as much below 0 as above it.
    """
    return plan.family in RELU_FAMILY or (plan.family == "bounded" and plan.low is not None and plan.low >= 0)


def is_dead(plan: LayerPlan, tally: LayerTally) -> Flags:
    """Return (U,) which units never fired; where values below 0 count too, which never left [-eps, eps]."""
    silent: Flags = tally.fired == 0
    return silent if rests_at_zero(plan) else silent & (tally.smallest >= -plan.eps)


def is_constant(plan: LayerPlan, tally: LayerTally, thresholds: Thresholds) -> Flags:
    """Return (U,) which units give one value, not 0, everywhere."""
    mean = np.abs(moments.mean(plan, tally))
    scale = np.maximum(mean, moments.mean_absolute(plan, tally).mean())
    still: Flags = moments.std(plan, tally) <= thresholds.constant * scale
    return still & (mean > 0)


def _is_saturated(plan: LayerPlan, tally: LayerTally, thresholds: Thresholds) -> Flags:
    one_side: Counts = np.maximum(tally.low_tail, tally.high_tail)
    return one_side > thresholds.saturated * moments.values_per_unit(plan, tally)


def _is_always_on(plan: LayerPlan, tally: LayerTally, thresholds: Thresholds) -> Flags:
    """Return (U,) which units are linear on this data: above their zero and, of ReLU6, below their ceiling."""
    values = moments.values_per_unit(plan, tally)
    linear: Flags = values - tally.zeros - tally.high_tail >= thresholds.always_on * values
    return linear & (plan.family in RELU_FAMILY)


def _of_layer(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) each unit's mean |a| as a share of the layer's: the dormancy score of Sokar et al. 2023."""
    sizes = moments.mean_absolute(plan, tally)
    return sizes / (sizes.mean() or 1)


def _causes(plan: LayerPlan, weights: Weights, thresholds: Thresholds) -> list[tuple[str, Flags]]:
    """Return what would explain a dead unit, the first to be named first, and the (U,) units that it holds for."""

    def vanishing(sizes: Floats) -> Flags:
        none: Flags = sizes <= thresholds.near_zero * sizes.max()
        return none

    everywhere = np.ones(plan.units, np.bool_)
    causes = [("the layer's input is all zero", everywhere & weights.input_is_zero)]
    if weights.kernel is not None:
        causes.append(("its kernel is zero", vanishing(np.linalg.norm(weights.kernel, axis=1))))
    if weights.gamma is not None:
        causes.append(("the gamma of its batch normalisation is zero", vanishing(np.abs(weights.gamma))))
    if weights.reach is not None and plan.family in RELU_FAMILY:
        cannot = "it cannot fire on this input range: its bias outweighs every sum that its weights can reach"
        causes.append((cannot, weights.reach <= 0))
    return [*causes, ("it did not fire on these images", everywhere)]


def _evidence(plan: LayerPlan, tally: LayerTally) -> dict[str, Callable[[int], str]]:
    """Return for each state what makes the sentence about a unit."""
    total = moments.values_per_unit(plan, tally)
    images, values = plural(tally.images, "image"), plural(total, "value")
    mean, std, of_layer = moments.mean(plan, tally), moments.std(plan, tally), _of_layer(plan, tally)
    above_zero, fired = 1 - moments.zero_share(plan, tally), tally.fired
    low, high = tally.low_tail / total, tally.high_tail / total
    fires = "its pre-activation was above 0" if plan.family == "leaky" else "fired"
    bound = percent(min(3 / tally.images, 1))

    def saturated(u: int) -> str:
        if plan.family == "relu6":
            return f"{percent(high[u])} of {values} are at the ceiling of 6"
        side, share, end = ("upper", high[u], plan.high) if high[u] >= low[u] else ("lower", low[u], plan.low)
        return f"{percent(share)} of {values} are stuck at the {side} end of its range, {number(end or 0)}"

    return {
        DEAD: lambda u: f"{fires} on 0 of {images}; the true rate is below {bound} with 95 % confidence",
        CONSTANT: lambda u: (
            f"gave {number(mean[u])} for every image: the standard deviation of {values} is {number(std[u])}"
        ),
        SATURATED: saturated,
        ALWAYS_ON: lambda u: f"{percent(above_zero[u])} of {values} are above 0, so it is linear on this data",
        WEAK: lambda u: f"{fires} on {fired[u]:,} of {images}, but its mean is {percent(of_layer[u])} of the layer's",
        HEALTHY: lambda u: f"{fires} on {fired[u]:,} of {images}; {percent(above_zero[u])} of {values} are above 0",
    }

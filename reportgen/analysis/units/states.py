"""Does each unit fire properly: its state, the evidence for it in one sentence, and the cause of a dead one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally
from reportgen.analysis.phrases import LEVEL, counted_images, counted_values, label, span
from reportgen.analysis.units import moments
from reportgen.analysis.units.facts import Thresholds, Weights
from reportgen.format import number, percent
from reportgen.i18n import Text, text
from reportgen.record.units import ONLY_SILENT

Flags = NDArray[np.bool_]

RELU_FAMILY = ("relu", "relu6", "leaky")
"""What is linear where it is on; a unit behind it takes part in what the layer says only where it fires."""

DEAD, CONSTANT, ALWAYS_NEGATIVE, SATURATED, ALWAYS_ON, WEAK, HEALTHY = PRECEDENCE = (
    "dead",
    "constant",
    "always-negative",
    "saturated",
    "always-on",
    "weak",
    "healthy",
)
NOTHING = 1e-6
"""So small a share of a layer's largest value passes nothing on."""

NEVER_PREDICTED, ALWAYS_PREDICTED, OUTPUT = "never predicted", "always predicted", "output"

_INPUT_IS_ZERO = text("the layer's input is all zero")
_KERNEL_IS_ZERO = text("its kernel is zero")
_GAMMA_IS_ZERO = text("the gamma of its batch normalisation is zero")
_OUT_OF_REACH = text("it cannot fire on this input range: its bias outweighs every sum that its weights can reach")


class Ends(Protocol):
    """What a tally says of the ends of what U units gave, see `LayerTally`."""

    @property
    def images(self) -> int:
        """N."""

    @property
    def fired(self) -> Counts:
        """(U,) images on which the unit fired."""

    @property
    def low_tail(self) -> Counts:
        """(U,) values at the lower end of the range."""

    @property
    def high_tail(self) -> Counts:
        """(U,) values at its upper end."""

    @property
    def smallest(self) -> Floats:
        """(U,) of the values and 0."""

    @property
    def largest(self) -> Floats:
        """(U,) of the values."""


@dataclass(frozen=True)
class Verdict:
    """The state of one unit, the sentence with its figures, and why it is dead."""

    state: str
    evidence: Text
    cause: Text | None = None


def judge(plan: LayerPlan, tally: LayerTally, weights: Weights, thresholds: Thresholds) -> list[Verdict]:
    """Return the verdict on each unit: of the states that apply the first in PRECEDENCE."""
    applies: dict[str, Flags] = {
        DEAD: is_dead(plan, tally),
        CONSTANT: is_constant(plan, tally, thresholds),
        ALWAYS_NEGATIVE: (tally.fired == 0) & (plan.family == "leaky"),
        SATURATED: is_saturated(plan, tally, thresholds),
        ALWAYS_ON: _is_always_on(plan, tally, thresholds),
        WEAK: _of_layer(plan, tally) <= thresholds.weak,
        HEALTHY: np.ones(plan.units, np.bool_),
    }
    states = [next(state for state in PRECEDENCE if applies[state][u]) for u in range(plan.units)]
    causes = _causes(plan, weights, thresholds)
    said = _Evidence(plan, tally)

    def cause(unit: int) -> Text:
        return next(name for name, holds in causes if holds[unit])

    return [Verdict(state, said.of(u, state), cause(u) if state == DEAD else None) for u, state in enumerate(states)]


def judge_outputs(predicted: Counts, images: int, single: str | None = None) -> list[Verdict]:
    """Return the verdict on each unit of a softmax. predicted: (U,) how often each was the prediction.

    single: the class that the only unit there is speaks for, where the model gives one score for two classes.
    """
    states, total = {0: NEVER_PREDICTED, images: ALWAYS_PREDICTED}, counted_images(images)

    def evidence(n: int) -> Text:
        figures = {"some": f"{n:,}", "images": total}
        if single is not None:
            return text("took {some} of {images} for {name}, the class it speaks for", name=label(single), **figures)
        return text("was the prediction for {some} of {images}", **figures)

    return [Verdict(states.get(n, OUTPUT), evidence(n)) for n in predicted.tolist()]


def rests_at_zero(plan: LayerPlan | Reading) -> bool:
    """Return whether a value of this layer that is not above eps says nothing, so that firing means taking part.

    A linear unit or a tanh says as much below 0 as above it, and a LeakyReLU or GELU says something.
    """
    return plan.family in ("relu", "relu6") or (plan.family == "bounded" and plan.low is not None and plan.low >= 0)


def is_dead(plan: LayerPlan, tally: Ends) -> Flags:
    """Return (U,) which units never fired and passed nothing on: where values below 0 count too, none that matters.

    That is none beyond eps, and behind a LeakyReLU, GELU and the like none beyond a millionth of the layer's largest.
    """
    silent: Flags = tally.fired == 0
    if rests_at_zero(plan):
        return silent
    size = np.maximum(-tally.smallest, np.abs(tally.largest))
    return silent & (size <= (NOTHING * size.max() if plan.family == "leaky" else plan.eps))


def is_constant(plan: LayerPlan, tally: LayerTally, thresholds: Thresholds) -> Flags:
    """Return (U,) which units give one value, not 0, everywhere."""
    mean = np.abs(moments.mean(plan, tally))
    scale = np.maximum(mean, moments.mean_absolute(plan, tally).mean())
    still: Flags = moments.std(plan, tally) <= thresholds.constant * scale
    return still & (mean > 0)


def is_saturated(plan: LayerPlan, tally: Ends, thresholds: Thresholds) -> Flags:
    """Return (U,) which units are nearly always at one end of their activation's range."""
    one_side: Counts = np.maximum(tally.low_tail, tally.high_tail)
    return one_side > thresholds.saturated * tally.images * plan.positions


def _is_always_on(plan: LayerPlan, tally: LayerTally, thresholds: Thresholds) -> Flags:
    """Return (U,) which units are linear on this data: above their zero and, of ReLU6, below their ceiling."""
    values = moments.values_per_unit(plan, tally)
    linear: Flags = values - tally.zeros - tally.high_tail >= thresholds.always_on * values
    return linear & (plan.family in RELU_FAMILY)


def _of_layer(plan: LayerPlan, tally: LayerTally) -> Floats:
    """Return (U,) each unit's mean |a| as a share of the layer's: the dormancy score of Sokar et al. 2023."""
    sizes = moments.mean_absolute(plan, tally)
    return sizes / (sizes.mean() or 1)


def _causes(plan: LayerPlan, weights: Weights, thresholds: Thresholds) -> list[tuple[Text, Flags]]:
    """Return what would explain a dead unit, the first to be named first, and the (U,) units that it holds for."""

    def vanishing(sizes: Floats) -> Flags:
        none: Flags = sizes <= thresholds.near_zero * sizes.max()
        return none

    everywhere = np.ones(plan.units, np.bool_)
    causes = [(_INPUT_IS_ZERO, everywhere & weights.input_is_zero)]
    if weights.kernel is not None:
        causes.append((_KERNEL_IS_ZERO, vanishing(np.linalg.norm(weights.kernel, axis=1))))
    if weights.gamma is not None:
        causes.append((_GAMMA_IS_ZERO, vanishing(np.abs(weights.gamma))))
    if weights.reach is not None and plan.family in RELU_FAMILY:
        causes.append((_OUT_OF_REACH, weights.reach <= 0))
    return [*causes, (ONLY_SILENT, everywhere)]


class _Evidence:
    """The sentences about a layer's units, each with its figures."""

    def __init__(self, plan: LayerPlan, tally: LayerTally) -> None:
        total = moments.values_per_unit(plan, tally)
        self.plan, self.fired = plan, tally.fired
        self.smallest, self.largest = tally.smallest, tally.largest
        self.images, self.values = counted_images(tally.images), counted_values(total)
        self.mean, self.std = moments.mean(plan, tally), moments.std(plan, tally)
        self.of_layer, self.above_zero = _of_layer(plan, tally), 1 - moments.zero_share(plan, tally)
        self.low, self.high = tally.low_tail / total, tally.high_tail / total
        self.bound = percent(min(3 / tally.images, 1))  # rule of three

    def of(self, unit: int, state: str) -> Text:
        """Return the sentence about a unit in that state."""
        by_state: dict[str, Callable[[int], Text]] = {
            DEAD: self._dead,
            CONSTANT: self._constant,
            ALWAYS_NEGATIVE: self._always_negative,
            SATURATED: self._saturated,
            ALWAYS_ON: self._always_on,
            WEAK: self._weak,
            HEALTHY: self._healthy,
        }
        return by_state[state](unit)

    def _fires(self, u: int) -> Text:
        some = f"{self.fired[u]:,}"
        if self.plan.family == "leaky":
            return text("its pre-activation was above 0 on {some} of {images}", some=some, images=self.images)
        return text("fired on {some} of {images}", some=some, images=self.images)

    def _dead(self, u: int) -> Text:
        return text(
            "{fires}; the true rate is below {bound} with {level} confidence",
            fires=self._fires(u),
            bound=self.bound,
            level=LEVEL,
        )

    def _constant(self, u: int) -> Text:
        return text(
            "gave {value} for every image: the standard deviation of {values} is {deviation}",
            value=number(self.mean[u]),
            values=self.values,
            deviation=number(self.std[u]),
        )

    def _always_negative(self, u: int) -> Text:
        return text(
            "its pre-activation was never above 0 for {values}, so it stayed on the negative side of its activation,"
            " and passes on {outputs} from there",
            values=self.values,
            outputs=span([self.smallest[u], self.largest[u]]),
        )

    def _saturated(self, u: int) -> Text:
        low, high = self.low[u], self.high[u]
        if self.plan.family == "relu6":
            return text(
                "{share} of {values} are at the ceiling of {top}",
                share=percent(high),
                values=self.values,
                top=number(self.plan.high or 0),
            )
        if high >= low:
            return text(
                "{share} of {values} are stuck at the upper end of its range, {end}",
                share=percent(high),
                values=self.values,
                end=number(self.plan.high or 0),
            )
        return text(
            "{share} of {values} are stuck at the lower end of its range, {end}",
            share=percent(low),
            values=self.values,
            end=number(self.plan.low or 0),
        )

    def _always_on(self, u: int) -> Text:
        share = percent(self.above_zero[u])
        return text("{share} of {values} are above 0, so it is linear on this data", share=share, values=self.values)

    def _weak(self, u: int) -> Text:
        share = percent(self.of_layer[u])
        return text("{fires}, but its mean is {share} of the layer's", fires=self._fires(u), share=share)

    def _healthy(self, u: int) -> Text:
        share = percent(self.above_zero[u])
        return text("{fires}; {share} of {values} are above 0", fires=self._fires(u), share=share, values=self.values)

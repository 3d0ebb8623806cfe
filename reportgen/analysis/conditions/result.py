"""What is found out about a layer's units: plain nouns. R2 is a share of variance, F1 and AUROC are shares too."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.i18n import Text

Floats = NDArray[Any]
Ints = NDArray[Any]
Bools = NDArray[np.bool_]
Ink = Literal["bright", "dark"]
"""Strokes on an even ground: "bright" ink on dark as MNIST has it, "dark" ink on bright as paper has it."""

Step = Literal["picture", "units below", "class", "none", "n/a"]
"""Where words were found: in the picture itself, in the units of the layer below, in the class; or not at all."""


@dataclass(frozen=True)
class Feature:
    """One thing that a person has a word for, and that can be measured at a place of a picture.

    kind: see `basis`. angle: in degrees, counter-clockwise from "to the right": of an edge and a corner the side that
    is brighter, of a bar its axis, of a stroke's end the way it points. scale: of its window, in pixels; None for what
    has none. polarity: 1 for bright on dark and for "much", -1 for the opposite. rectified: negative values count
    as 0. index: of an axis, a channel or an input, where the kind is about one.
    """

    kind: str
    angle: int | None = None
    scale: int | None = None
    polarity: int = 1
    rectified: bool = False
    index: int | None = None

    @property
    def said(self) -> tuple[str, int | None, int, int | None]:
        """What its words depend on: two features with the same are one condition."""
        return self.kind, self.angle, self.polarity, self.index


@dataclass(frozen=True)
class Weighted:
    """A feature of a fit. weight: standard deviations of the unit's values per standard deviation of the feature.

    text: its words.
    """

    feature: Feature
    weight: float
    text: Text


@dataclass(frozen=True)
class Input:
    """A unit of the layer below. share: cov(w_i a_i, z) / var(z). sign: -1 where it works against the unit.

    condition: its own words; None where it has none.
    """

    unit: int
    share: float
    sign: int
    condition: Text | None


@dataclass(frozen=True)
class KernelReading:
    """A kernel of the first convolution as its weights say it, exact for the pre-activation.

    feature, r2: the linear feature that explains most of the variance of the pre-activation, and how much.
    energy: shares of the kernel's squared norm in the spaces "edge", "line", "laplacian" and "mean" of Frei & Chen
    (1977), none negative. variance: shares of the pre-activation's variance that these parts of the kernel bring; one
    can be negative where parts work against each other. Both sum to 1; None of a kernel that is not 3x3.
    """

    feature: Feature
    r2: float
    energy: dict[str, float] | None
    variance: dict[str, float] | None


@dataclass(frozen=True)
class UnitCondition:
    """What one unit answers to.

    condition: in words, None where there is no simple one. sentence: with its figures. parts: what the sentence is made
    of, kinds with their parameters. features: of the fit, the first one first, also where they explain too little to
    be a condition. r2_held_out: on patches that are not flat, with all these features; r2_one, r2_three: with the
    first, and with up to three, whether or not the later ones pay. r2_everywhere: on all patches, flat ones too. f1:
    of {predicted > t} against {real > t} on all patches, t the unit's 0.995 quantile; f1_same_rate: with as many
    predicted as real; f1_constant: of the best guess that knows only how often. ceiling: R2 of a fit on all pixels.
    runner_up: another condition nearly as good. by_chance: the largest R2 of one feature, over features and units, in
    200 permutations of the images. random_percentile: the share of random kernels, in per cent, whose best feature
    explains less; None where nothing is known of what the layer is given. inputs: units below, also of a unit that the
    picture describes. images: how many were scored. reason: why there is no figure.
    """

    unit: int
    step: Step
    condition: Text | None
    sentence: Text
    parts: tuple[tuple[str, Any], ...] = ()
    features: tuple[Weighted, ...] = ()
    r2_held_out: float | None = None
    r2_one: float | None = None
    r2_three: float | None = None
    r2_everywhere: float | None = None
    f1: float | None = None
    f1_same_rate: float | None = None
    f1_constant: float | None = None
    ceiling: float | None = None
    runner_up: Feature | None = None
    runner_up_text: Text | None = None
    by_chance: float | None = None
    random_percentile: float | None = None
    kernel: KernelReading | None = None
    inputs: tuple[Input, ...] = ()
    label: str | None = None
    images: int = 0
    reason: Text | None = None


@dataclass(frozen=True)
class LayerConditions:
    """What a layer's units answer to.

    counts: units by the kind of their condition, "none" for those without a simple one, "n/a" for those without a
    figure. summary: the same in words. gaps: angles of edges that no unit answers to, where the layer has units for
    edges; said in `missing`. images: (choose, score), how many. patches, not_flat: how many patches were scored, and
    how many of them are not flat. notes: what holds for all units, in sentences.
    """

    units: tuple[UnitCondition, ...]
    counts: dict[str, int]
    summary: Text
    gaps: tuple[int, ...]
    missing: Text | None
    ink: Ink | None
    images: tuple[int, int]
    patches: int
    not_flat: int
    notes: tuple[Text, ...] = ()

"""What verdicts need besides a tally: facts about a layer's weights and about the images, and the thresholds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.analysis.activations.tally import Counts, Floats
from reportgen.analysis.evaluation.predictions import Classes
from reportgen.options import Analysis
from reportgen.thresholds import FindingThresholds


@dataclass(frozen=True)
class Weights:
    """What is known about the weights of a layer's U units; None where it has no such thing.

    kernel: (U, D) each unit's flattened kernel. bias: (U,). gamma: (U,) of a BatchNormalization between the layer
    and its nonlinearity. params_per_unit: what removing one unit saves. input_is_zero: the layer's input was zero
    for every image. reach: (U,) the largest pre-activation that the range of the layer's input allows: the bias
    plus the largest reachable positive sum. slopes: (U, S) below 0, of a PReLU whose units have their own. copies: what
    a unit is whose kernel and bias are c > 0 times another's: c times the other, a copy if c = 1, or none. sees: (U,)
    which group of input channels each unit weighs, None where all weigh all.
    """

    kernel: Floats | None = None
    bias: Floats | None = None
    gamma: Floats | None = None
    params_per_unit: int = 0
    input_is_zero: bool = False
    reach: Floats | None = None
    slopes: Floats | None = None
    copies: Literal["scaled", "equal", "none"] = "scaled"
    sees: Counts | None = None


@dataclass(frozen=True)
class ImageFacts:
    """What is known about the N images of the pass, all of it indexed by image number.

    labels, predicted: (N,) class indices. names: of the classes, at least as many as any index needs.
    """

    labels: Counts
    predicted: Counts | Classes
    names: Sequence[str]


@dataclass(frozen=True)
class Thresholds:
    """Where verdicts begin; the shares are of all (image, position) values of a unit unless said otherwise.

    redundant: r, pooled, within classes and over positions. always_on: share above eps. weak: mean |a| as a share of
    the layer's (Sokar et al. 2023). constant: std as a share of the mean or the layer's mean |a|. saturated: share
    on one side. near_zero: a norm as a share of the layer's largest. firing_images, firing_share: a unit takes part
    in correlations when it fires on that many images and that share of them. few_images: below it, |r| is said to
    be unsteady. class_images: of a class, and of all others, in each half of the kept images, for its AUROC.
    top_images: listed per unit.
    """

    redundant: float = Analysis.redundant
    always_on: float = Analysis.always_on
    weak: float = Analysis.weak
    constant: float = 1e-6
    saturated: float = Analysis.saturated
    near_zero: float = 1e-6
    firing_images: int = 20
    firing_share: float = 0.01
    few_images: int = FindingThresholds.few_images
    class_images: int = 5
    top_images: int = 5

    def least_firing(self, images: int) -> int:
        """Return on how many of `images` a unit must fire to take part in correlations."""
        return max(self.firing_images, math.ceil(self.firing_share * images))


DEFAULTS = Thresholds()

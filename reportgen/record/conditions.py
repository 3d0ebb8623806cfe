"""Under which condition units fire: in words, with the scores that say how far the words reach."""

from dataclasses import dataclass

from reportgen.i18n import Text


@dataclass(frozen=True)
class ConditionFeature:
    """A feature of a condition. text: its words. kind, angle, scale: of its template, None where it has none.

    weight: standard deviations of the unit's values per standard deviation of the feature. polarity: 1 for bright and
    for much, -1 for the opposite. index: of a channel or an input, where the kind is about one.
    """

    text: Text
    kind: str
    angle: int | None
    scale: int | None
    weight: float
    polarity: int = 1
    index: int | None = None


@dataclass(frozen=True)
class UnitBelow:
    """A unit of the layer below that another is made of. share: cov(w_i a_i, z) / var(z); text: its condition.

    sign: -1 where it works against the unit.
    """

    unit: int
    share: float
    sign: int
    text: Text | None


@dataclass(frozen=True)
class KernelShares:
    """A 3x3 kernel of the first convolution, read exactly: shares of the variance of its pre-activation, in sum 1.

    By the spaces of Frei & Chen (1977); one can be negative where parts of a kernel work against each other.
    r2: of the linear feature that explains most of that variance.
    """

    edge: float
    line: float
    laplacian: float
    mean: float
    r2: float


@dataclass(frozen=True)
class Condition:
    """Under which condition a unit fires, chosen on some images and scored on others.

    found_in: "picture" (features of what the unit sees), "units below", "class", "none" (no simple condition) or
    "n/a". text: the condition, None for the last two. sentence: with its figures. r2: the share of the
    variance that this condition explains, on images that it was not chosen on. features: of the fit, the first the
    most important, also where they explain too little. r2_held_out: on patches that are not flat, with all features;
    r2_one: with the first alone; r2_everywhere: on all patches. f1: of {predicted > t} against {real > t}, t the
    unit's 0.995 quantile; f1_same_rate: with as many predicted as real; f1_constant: of the best guess that knows only
    how often. ceiling: R2 of a fit on all pixels. runner_up: another condition within 0.03. by_chance: the largest R2
    over features and units in 200 permutations of the images. random_percentile: the share of 200 random kernels, in
    per cent, whose best feature explains less of them. kernel: of a first convolution. below: the units that it is
    made of. label: the class. reason: why there is no figure.
    """

    found_in: str
    text: Text | None
    sentence: Text
    r2: float | None
    features: list[ConditionFeature]
    r2_held_out: float | None
    r2_one: float | None
    r2_everywhere: float | None
    f1: float | None
    f1_same_rate: float | None
    f1_constant: float | None
    ceiling: float | None
    runner_up: Text | None
    by_chance: float | None
    random_percentile: float | None
    kernel: KernelShares | None
    below: list[UnitBelow]
    label: str | None
    reason: Text | None


IN_WORDS = frozenset({"picture", "units below", "class"})
"""Where a condition was found, of a unit that has one in words."""


@dataclass(frozen=True)
class ConditionKind:
    """How many units have a condition of one kind. text: "7 edges"."""

    kind: str
    count: int
    text: Text


@dataclass(frozen=True)
class LayerConditions:
    """The conditions of a layer's units. summary: counted by kind, in words. gaps: directions of edges without a unit.

    missing: the same in words. chosen_on, scored_on: images. patches, not_flat: scored. notes: what holds for all.
    """

    kinds: list[ConditionKind]
    summary: Text
    gaps: list[int]
    missing: Text | None
    chosen_on: int
    scored_on: int
    patches: int
    not_flat: int
    notes: list[Text]

"""What the model does without a unit: how much of each class it still recognises."""

from dataclasses import dataclass

from reportgen.i18n import Text

NOTHING = 0.01
"""A change of accuracy that stays within plus and minus this, with 95 % confidence, is as good as none."""


@dataclass(frozen=True)
class ClassEffect:
    """What becomes of a class. recall_change: without the unit less with it, below 0 where the class needs the unit.

    interval: its 95 % interval, paired over images. significant: whether chance is ruled out, at 5 % over all units and
    classes of the layer together (McNemar's exact test, Holm's correction).
    """

    label: str
    recall_change: float
    interval: list[float]
    significant: bool


@dataclass(frozen=True)
class Permuted:
    """The accuracy where a unit's output is that for another image. interval: of the change, 95 %, paired."""

    accuracy_change: float
    interval: list[float]


@dataclass(frozen=True)
class Effect:
    """What the model does where a unit is held at its mean.

    method: "exact" (the scores are linear in the unit), "masked" (run again without it), "first order" (estimated by
    gradients), or None where there is no figure, with the reason. classes: those that have images; of many classes
    those whose recall changes most. not_listed: how many others change. accuracy_change, interval: over all images.
    significant: of the accuracy, corrected over the units of the layer. permuted: beside it, for units without which
    something changes; None where it was not tried.
    """

    method: str | None
    classes: list[ClassEffect]
    accuracy_change: float | None
    interval: list[float] | None
    reason: Text | None
    significant: bool = False
    not_listed: int = 0
    permuted: Permuted | None = None


@dataclass(frozen=True)
class GroupEffect:
    """What the model does without a whole group of redundant units, each of which alone may change nothing."""

    units: list[int]
    effect: Effect


@dataclass(frozen=True)
class Audit:
    """First order held against masked, on a stratified random sample of the layer's units.

    n: how many units; images: on how many. spearman, slope: over units x classes, of the mean change of the margin by
    which the true class leads; the slope is that of first order on masked, 1 where both are equally large. None where
    undefined. layers: of how many layers the units are; of a large model those that could not be held by themselves are
    held together.
    """

    n: int
    images: int
    spearman: float | None
    slope: float | None
    layers: int = 1


@dataclass(frozen=True)
class LayerEffects:
    """The effects of a layer's units. chosen_on: images the means are of; scored_on: images the effects are of.

    methods: how many units have a figure by each method. wanted: how many units were to be masked. audit: None where
    the layer needs none. withheld: why first order is not given. undone: what was left out, and why. groups: of
    redundant units, each as a whole. reason: why no unit of the layer has an effect.
    """

    chosen_on: int
    scored_on: int
    methods: dict[str, int]
    wanted: int
    audit: Audit | None
    withheld: Text | None
    undone: Text | None
    groups: list[GroupEffect]
    reason: Text | None


def is_idle(effect: Effect | None) -> bool | None:
    """Return whether nothing changes without a unit; None where that is not known, or too few images tell.

    Nothing changes where no class and not the accuracy changes significantly, and the interval of the accuracy stays
    within NOTHING. Of an estimate that is not known: its interval is of the images alone, not of its own error.
    """
    if effect is None or effect.method not in ("exact", "masked") or effect.interval is None:
        return None
    if effect.significant or any(one.significant for one in effect.classes):
        return False
    low, high = effect.interval
    return True if low >= -NOTHING and high <= NOTHING else None

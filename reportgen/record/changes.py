"""What changed since an earlier report."""

from dataclasses import dataclass, field

from reportgen.i18n import Text
from reportgen.record.evaluation import ClassScore
from reportgen.record.model import LayerRow
from reportgen.record.training import History
from reportgen.record.units import Finding


@dataclass(frozen=True)
class Figure:
    """A figure before and after; None where it is undefined."""

    before: float | None
    after: float | None


@dataclass(frozen=True)
class Count:
    """A whole number before and after; None where it is undefined."""

    before: int | None
    after: int | None


@dataclass(frozen=True)
class AccuracyChange:
    """How sure the change of the test accuracy is.

    interval: of the difference after - before, 95 %. paired: both were tested on the same images one by one; if not,
    the interval is that of two independent samples. gained, lost: images that only the new or only the old model is
    right about, None where not paired.
    """

    interval: list[float]
    paired: bool
    gained: int | None
    lost: int | None


@dataclass(frozen=True)
class ClassChange:
    """A class in the test split before and after; None where there is no such class.

    recall_interval: of the difference of the recalls, 95 %, paired where AccuracyChange is; None where one recall is
    undefined.
    """

    label: str
    before: ClassScore | None
    after: ClassScore | None
    recall_interval: list[float] | None = None


@dataclass(frozen=True)
class ShiftChange:
    """The accuracy on pictures changed in one way, before and after.

    interval: of the difference, 95 % for all changes together (Bonferroni). It is that of two independent samples, also
    where both are of the same images, and then wider than it need be.
    """

    corruption: str
    severity: int
    before: float
    after: float
    interval: list[float]


@dataclass(frozen=True)
class LayerChange:
    """A layer that is not as it was. kind: "added", "gone", "resized" (shape or parameters) or "renamed"."""

    kind: str
    before: LayerRow | None
    after: LayerRow | None


@dataclass(frozen=True)
class LayerMatch:
    """How the units of a layer were matched with those of the baseline's layer.

    layer: its name now, before: in the baseline. by: "index", "correlation", "class", or None where they could not be
    matched; reason: why so, a sentence. images: how many both answered, 0 where responses played no part. threshold:
    the correlation that a pair must reach. median_r: of the pairs, None where not known. unmatched_before,
    unmatched_after: units without a counterpart. idle: the share of units without effect, of those whose effect is
    known; None where neither report knows.
    """

    layer: str
    before: str
    by: str | None
    reason: Text
    images: int
    threshold: float | None
    median_r: float | None
    pairs: int
    unmatched_before: list[int]
    unmatched_after: list[int]
    idle: Figure | None = None


@dataclass(frozen=True)
class UnitChange:
    """A unit that is not what its counterpart in the baseline was.

    kind: "dead" (it has become so), "recovered" (from being dead), "state" (any other change of state), "merged" (it
    says the same as another now), "parted" (it no longer does), "class" (it prefers another one), "condition" (it
    fires under another one), "effect" (it is needed for other classes). layer, unit: now; unit_before: in the
    baseline. before, after: the state, the label of the class, the condition in words, or the classes that need it. r:
    correlation with its counterpart over images, None where not known.
    """

    kind: str
    layer: str
    unit: int
    unit_before: int
    before: Text
    after: Text
    r: float | None


@dataclass(frozen=True)
class KindChange:
    """What became of the findings of one kind. kind: "new", "worse", "better", "still" or "gone".

    before, after: how many units, images or the like they are about in all layers and splits together, None where that
    is not counted or nobody knows.
    """

    code: str
    severity: str
    kind: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class FindingChanges:
    """The findings that are new, gone, or still there, by code and layer; the last as they read now."""

    new: list[Finding]
    gone: list[Finding]
    still: list[Finding]


@dataclass(frozen=True)
class Baseline:
    """What changed since an earlier report, the baseline.

    title, made_at, reportgen: of the baseline. caveats: what makes the two not comparable, a sentence each. summary:
    the change in one line, without a full stop. unchanged: nothing that is compared here changed, and all could be.
    figures: test_accuracy, test_loss, train_accuracy, ece, and proof (accuracy without the units
    called dead or redundant less that with).
    counts: test_correct, test_size, total_params, epochs, units (inside the model), dead, redundant, healthy; where
    both looked for them leaked (test images with a copy in the training split) and suspect_labels.
    history: the baseline's, its losses and accuracies only. layers: those that changed. matches: of each layer that
    both looked into. units: those that changed. kinds: of finding, gravest first, whatever became of them; same_data:
    both are about the same data. The last two are empty and None in a folder from before there were any.
    """

    title: Text
    made_at: str
    reportgen: str
    caveats: list[Text]
    summary: Text
    unchanged: bool
    figures: dict[str, Figure]
    counts: dict[str, Count]
    accuracy: AccuracyChange
    classes: list[ClassChange]
    history: History | None
    layers: list[LayerChange]
    matches: list[LayerMatch]
    units: list[UnitChange]
    findings: FindingChanges
    shifts: list[ShiftChange] = field(default_factory=list)
    kinds: list[KindChange] = field(default_factory=list)
    same_data: bool | None = None

"""The verdicts on units and layers, and what of them is worth a reader's attention."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reportgen.i18n import Text, text
from reportgen.record.conditions import Condition, LayerConditions
from reportgen.record.effects import Effect, LayerEffects
from reportgen.record.pruning import LayerCut

ONLY_SILENT = text("it did not fire on these images")
"""The cause of a dead unit of which no cause was found; beside "never fired" it says nothing."""


@dataclass(frozen=True)
class Nearest:
    """Another unit of the same layer, and how alike the two are.

    r: over images, of the mean responses. r_within_class: the same within the classes. r_over_positions: of the values
    at each position of each image; None where a layer has no positions. alike: as `alike` says; a folder from before
    it was told is given it when it is read.
    """

    unit: int
    r: float
    r_within_class: float | None
    r_over_positions: float | None = None
    alike: str | None = None


def alike(r: Sequence[float | None], threshold: float) -> str | None:
    """Return in which sense two units are alike.

    r: as the figures of a Nearest, only two where the layer has no positions; None where one is undefined. threshold:
    of redundancy. "interchangeable" where all of them reach it, "on average" where the first two do and the third is
    below; else None.
    """
    if not all(one is not None and one >= threshold for one in r[:2]):
        return None
    if len(r) == 2:
        return "interchangeable"
    if r[2] is None:
        return None
    return "interchangeable" if r[2] >= threshold else "on average"


@dataclass(frozen=True)
class Preferred:
    """The class that a unit tells apart best.

    auroc: of s_mean, class against the rest, the class chosen on one half of the kept images and scored on the
    other. hit_rate, false_alarm_rate: at the threshold with the largest difference. selectivity: class selectivity
    (Morcos et al. 2018), None where a response is negative; selectivity_null: its mean over shuffled labels.
    eta2: the share of the variance that lies between classes, less what chance gives. f1: at that threshold, where the
    class has its share of the images; f1_constant: of who takes every image for one of the class.
    """

    label: str
    auroc: float
    hit_rate: float
    false_alarm_rate: float
    selectivity: float | None
    selectivity_null: float | None
    eta2: float | None
    f1: float | None = None
    f1_constant: float | None = None


@dataclass(frozen=True)
class TopImage:
    """An image that makes a unit fire.

    index: its number among the images looked at, the test split's first. plane, row, column: of the maximum in the
    unit's output, None for a neuron; of a series there is a column alone, and only a volume has planes.
    patch: where the values lie that the maximum can see, clipped to the image: first all starts, then all ends
    (exclusive), [top, left, bottom, right] for a picture; None where that is the whole image.
    """

    index: int
    score: float
    true: str
    predicted: str
    row: int | None
    column: int | None
    patch: list[int] | None = None
    plane: int | None = None


@dataclass(frozen=True)
class Gate:
    """A gate of a unit: "input", "forget" and "output" of an LSTM, "update" and "reset" of a GRU.

    shut, open: the share of steps at which it is below 0.05, and above 0.95. steps: how many were looked at, of a few
    images, those of padding left out.
    """

    name: str
    shut: float
    open: float
    steps: int


@dataclass(frozen=True)
class Unit:
    """The verdict on one unit.

    state: "dead", "constant", "saturated", "always-on", "weak", "healthy", or of a softmax "never predicted",
    "always predicted", "output". evidence: one sentence with its figures. cause: of a dead unit. group: the number
    of its group of redundant units in the layer. opposite: the unit that is its mirror image. duplicate_of: a unit
    with the same weights up to a positive factor. histogram: counts in the bins of the layer.
    other_image: the strongest image that is not of the preferred class. reasons: why a figure is None, by its name.
    gates: of a unit of a recurrent layer that has any; none and a reason where they are not known. condition: under
    which it fires; None in a folder from before there were any. nearest: the unit with the largest |r| over images.
    kept: of a removable unit, the one of its group that stays. effect: what the model does without the unit; None in a
    folder from before there were any.
    """

    layer: str
    unit: int
    state: str
    evidence: Text
    cause: Text | None
    firing_rate: float
    zero_share: float
    mean: float
    std: float
    max: float
    histogram: list[int]
    nearest: Nearest | None
    group: int | None
    removable: bool
    opposite: int | None
    duplicate_of: int | None
    preferred_class: Preferred | None
    top_images: list[TopImage]
    other_image: TopImage | None
    reasons: dict[str, Text]
    gates: list[Gate] = field(default_factory=list)
    condition: Condition | None = None
    kept: Nearest | None = None
    effect: Effect | None = None


def with_alike(units: Sequence[Unit], threshold: float) -> list[Unit]:
    """Return units of a report that did not tell in which sense they are alike, with that told. threshold: its own."""
    placed = {u.layer for u in units if u.nearest is not None and u.nearest.r_over_positions is not None}

    def told(near: Nearest | None, layer: str) -> Nearest | None:
        if near is None:
            return None
        r = [near.r, near.r_within_class, *([near.r_over_positions] if layer in placed else [])]
        return replace(near, alike=alike(r, threshold))

    return [replace(u, nearest=told(u.nearest, u.layer), kept=told(u.kept, u.layer)) for u in units]


@dataclass(frozen=True)
class LayerVerdict:
    """The verdict on a layer as a whole. effective_rank, participation_ratio: as shares of the number of units.

    noise_floor: the largest |r| to expect between independent units by chance. edges: of the units' histograms, of
    which one is 0; a value on an edge is counted above it, on the last one below it.
    left_out: units that correlations leave out, with the reason. states: how many units are in each state.
    groups: units of each redundant group, its representative first. removable_params: what those held. conditions:
    of its units; effects: likewise; lossless: which units can go without changing an answer. These three are None in a
    folder from before there were any.
    """

    name: str
    units: int
    read_after: str
    n_images: int
    effective_rank: float | None
    participation_ratio: float | None
    noise_floor: float | None
    edges: list[float]
    states: dict[str, int]
    groups: list[list[int]]
    removable_params: int
    left_out: dict[Text, list[int]]
    reasons: dict[str, Text]
    conditions: LayerConditions | None = None
    effects: LayerEffects | None = None
    lossless: LayerCut | None = None


@dataclass(frozen=True)
class Finding:
    """Something worth a reader's attention. message: a sentence with its evidence and what to try.

    severity: "error", "warning" or "notice". layer, units: where, None and [] where it is not about units. count: how
    many units, images, labels or the like it is about, so that a later report can say whether they are more; None where
    it counts nothing, and in a folder from before there was one.
    """

    code: str
    severity: str
    message: Text
    layer: str | None
    units: list[int]
    count: int | None = None

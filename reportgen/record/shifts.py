"""How the model does on pictures that were changed: by how much accuracy falls, and which units have a part in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.format import percent
from reportgen.i18n import Text, literal, text


@dataclass(frozen=True)
class ShiftedClass:
    """The class of the lowest recall. interval: of the recall, 95 % for all classes at once (Bonferroni).

    recall_before: on the same images unchanged. images: of the class.
    """

    label: str
    recall: float
    interval: list[float]
    recall_before: float
    images: int


@dataclass(frozen=True)
class ShiftedLayer:
    """What a change does to the units of a layer, those of the output left out.

    dead, saturated: units that are so on the changed images and not on the same unchanged ones, by the definitions of
    the states. moved: the unit whose mean response moves most; by: by how many of its standard deviations over the
    unchanged images (of its layer's, where it does not vary), None and 0 where no unit varies.
    """

    layer: str
    dead: list[int]
    saturated: list[int]
    moved: int | None
    by: float


@dataclass(frozen=True)
class UnitToBlame:
    """The unit that, given what it answers to the unchanged image, gains most of the accuracy that was lost.

    regained: share of the lost accuracy; gain, interval: of the accuracy, paired, 95 %, on images other than those on
    which the unit was chosen; images: how many these are. tried, of: how many units were tried, the first by their
    first-order attribution, of how many.
    """

    layer: str
    unit: int
    regained: float
    gain: float
    interval: list[float]
    images: int
    tried: int
    of: int


@dataclass(frozen=True)
class Shift:
    """How the model does on test images that were changed in one way and severity.

    corruption: its name. severity: 1 to 3. amount: in words. accuracy, interval: on these images, Wilson, 95 %.
    change, change_interval: of the accuracy, less that on the same images unchanged, paired, 95 %. falls: whether it
    falls beyond chance, by McNemar's exact test, one-sided, 5 % for all changes together (Holm). units_dead,
    units_saturated: how many become so. layers: those in which units die, saturate or move, in the order of the model.
    reasons: why a figure is None, by its name.
    """

    corruption: str
    severity: int
    amount: Text
    accuracy: float
    interval: list[float]
    change: float
    change_interval: list[float]
    falls: bool
    weakest_class: ShiftedClass
    units_dead: int
    units_saturated: int
    layers: list[ShiftedLayer]
    unit_to_blame: UnitToBlame | None
    reasons: dict[str, Text]


@dataclass(frozen=True)
class ShiftsRun:
    """How pictures were changed. breadth: "none", "short" or "full".

    images, of: how many test images, of how many. accuracy, interval: on them unchanged. severities: those tried.
    blamed: for how many changes a unit was looked for. left_out: what was not done, in sentences. reason: why nothing
    was, else None.
    """

    breadth: str
    images: int
    of: int
    accuracy: float | None
    interval: list[float] | None
    severities: list[int]
    blamed: int
    left_out: list[Text]
    reason: Text | None


NAMES = {
    "noise": text("noise"),
    "blur": text("blur"),
    "contrast": text("low contrast"),
    "brightness": text("brightness"),
    "shift": text("shift"),
    "rotation": text("rotation"),
    "scale": text("smaller scale"),
    "occlusion": text("occlusion"),
    "inversion": text("inversion"),
    "stripes": text("stripes"),
    "pixelation": text("pixelation"),
    "jpeg": text("JPEG compression"),
}
"""What each corruption is called."""


def costliest_first(shifts: Sequence[Shift]) -> list[list[Shift]]:
    """Return the shifts of each corruption by severity, the corruption first that costs most accuracy at its worst."""
    by_name: dict[str, list[Shift]] = {}
    for shift in shifts:
        by_name.setdefault(shift.corruption, []).append(shift)
    rows = [sorted(row, key=lambda one: one.severity) for row in by_name.values()]
    return sorted(rows, key=lambda row: min(one.change for one in row))


SEVERITIES = {1: text("mild"), 2: text("medium"), 3: text("strong")}
"""What the severities are called."""


def costliest(row: Sequence[Shift]) -> Shift:
    """Return which of the severities of a corruption costs most accuracy, of equals the mildest."""
    return min(row, key=lambda one: one.change)


def summary(shifts: Sequence[Shift], run: ShiftsRun) -> Text:
    """Return in one clause, without a full stop, which change costs most accuracy, or why there is none.

    Of mild ones where any costs some, since strong ones cost every model much; an inversion is never mild.
    """
    if run.reason is not None:
        return text("changed pictures: n/a, because {reason}", reason=run.reason)
    fallen = [one for one in map(costliest, costliest_first(shifts)) if one.falls]
    if not fallen:
        return text("no change of the pictures costs accuracy beyond chance")
    mild = [one for one in shifts if one.falls and one.severity == 1 and one.corruption != "inversion"]
    worst = min(mild, key=lambda one: one.accuracy, default=fallen[0])
    figures = {
        "corruption": NAMES.get(worst.corruption, literal(worst.corruption)),
        "amount": worst.amount,
        "before": percent(run.accuracy),
        "after": percent(worst.accuracy),
    }
    if mild:
        return text(
            "of the mild changes, {corruption} ({amount}) costs most: accuracy falls from {before} to {after}",
            **figures,
        )
    if 1 not in run.severities:
        return text(
            "of the strong changes, which alone were tried, {corruption} ({amount}) costs most: accuracy falls from"
            " {before} to {after}",
            **figures,
        )
    return text(
        "no mild change costs accuracy beyond chance; of the strong ones, {corruption} ({amount}) costs most: accuracy"
        " falls from {before} to {after}",
        **figures,
    )

"""Changed pictures through the model: accuracy, the weakest class, units that die or move, and the unit to blame.

Longer than most modules: what changed pictures do is seen, compared and blamed while their values are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.analysis.activations.graph import Graph, kind
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.tally import Counts, LayerPlan
from reportgen.analysis.conditions import cuts
from reportgen.analysis.effects import work
from reportgen.analysis.phrases import counted_images
from reportgen.analysis.shifts import corruptions, facts
from reportgen.analysis.shifts.corruptions import CORRUPTIONS, Stored
from reportgen.analysis.shifts.facts import Right
from reportgen.analysis.shifts.passes import Passes, Responses
from reportgen.analysis.units.facts import Thresholds
from reportgen.dataset import Dataset, spread
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Text, literal, ntext, text
from reportgen.progress import Progress
from reportgen.record.pictures import ShiftedImages
from reportgen.record.shifts import NAMES, Shift, ShiftsRun, UnitToBlame, costliest, costliest_first

_FEWEST = 32  # of a large model
_FEW = 64  # where the work allows fewer images than this, they are changed at the strongest severity alone
_MOST_PIXELS = 5 * 10**7  # values of all changed images of one severity, which are in memory at once
_BLOCK = 4 * 10**6  # values that are changed at once
_ATTRIBUTED = 64  # images whose slopes are worked out
_CHOSEN_ON = 100  # images on which candidates are compared


@dataclass(frozen=True)
class Extent:
    """How much is tried. severities: of each corruption. blamed: of how many of the costliest a unit is looked for.

    tried: units for each. images: most that are changed. values, multiplications: most of all layers for all images
    together, which stand for the time.
    """

    severities: tuple[int, ...]
    blamed: int
    tried: int
    images: int
    values: float
    multiplications: float


FULL = Extent((1, 2, 3), 36, 12, 1000, 6e9, 1.2e12)
EXTENTS = {"short": Extent((1, 3), 3, 4, 500, 1.2e9, 2.4e11), "full": FULL}
"""By the option's value."""


@dataclass(frozen=True)
class Shifted:
    """What was found out, ready for the Record. shifts: None where pictures cannot be changed."""

    run: ShiftsRun
    shifts: list[Shift] | None = None
    images: ShiftedImages | None = None


@dataclass(frozen=True)
class _Answers:
    """What came of some images. right: (N,). predicted: (N,) classes. layers: of all readings but the output's."""

    right: Right
    predicted: Counts
    layers: Sequence[Responses]


def shifted(
    graph: Graph,
    readings: Sequence[Reading],
    plans: Sequence[LayerPlan],
    dataset: Dataset,
    names: Sequence[str],
    *,
    output: str,
    breadth: str,
    thresholds: Thresholds,
    batch: int,
    seed: int,
    progress: Progress,
    looking: Looking | None = None,
) -> Shifted:
    """Return how the model does on changed test images. names: of the classes, as the scores have them.

    plans: how the layers are read, one for each reading. output: "softmax", "sigmoid" or "logits". breadth: "none",
    "short" or "full". batch: how many images at once. looking: where the pass compiled the model.
    """
    if (reason := _why_not(graph, dataset, breadth)) is not None:
        return Shifted(ShiftsRun(breadth, 0, len(dataset.test), None, None, [], 0, [], reason))
    looked = _Looked(graph, readings, plans, dataset, output, EXTENTS[breadth], thresholds, batch, seed, looking)
    return looked.all(names, breadth, progress)


def _why_not(graph: Graph, dataset: Dataset, breadth: str) -> Text | None:
    """Return why no pictures are changed, None where they are."""
    if breadth == "none":
        return text("it was not asked for (--shifts none)")
    space = dataset.image_shape[:-1]
    if len(space) != 2:
        return text("the changes are defined for pictures only, and these inputs are vectors, series or volumes")
    if any(kind(call.operation) == "Embedding" for call in graph.calls):
        return text("the model takes its inputs for numbers of tokens, so that they are no pictures")
    if min(space) < corruptions.SMALLEST_SIDE:
        return text(
            "a picture needs at least {least} pixels on each side, and these have {height} × {width}",
            least=str(corruptions.SMALLEST_SIDE),
            height=f"{space[0]:,}",
            width=f"{space[1]:,}",
        )
    return None


class _Looked:
    """A model that changed images are sent through, and what it answers to them unchanged."""

    def __init__(
        self,
        graph: Graph,
        readings: Sequence[Reading],
        plans: Sequence[LayerPlan],
        dataset: Dataset,
        output: str,
        extent: Extent,
        thresholds: Thresholds,
        batch: int,
        seed: int,
        looking: Looking | None,
    ) -> None:
        self._asked = extent
        extent = self._extent = _bounded(graph, readings, dataset.image_shape, extent)
        self._output, self._thresholds, self._seed = output, thresholds, seed
        self._all = len(dataset.test)
        numbers = spread(len(dataset.test), extent.images)
        self._images: Stored = dataset.test.images[numbers]
        self._labels = dataset.test.labels[numbers]
        survey = dataset.test.survey
        self._low, self._high = survey.low, survey.high
        inner = [place for place, reading in enumerate(readings) if reading.tensor is not graph.output]
        self._passes = Passes(
            graph,
            [readings[place] for place in inner],
            [plans[place] for place in inner],
            dataset.pixels,
            output,
            batch,
            looks=1 + len(CORRUPTIONS) * len(extent.severities),
            looking=looking,
        )
        clean = self._answers(self._images)
        assert clean is not None  # scores of unchanged images that are no numbers were refused before
        self._clean = clean
        self._answered: dict[tuple[str, int], _Answers] = {}
        self._choose = cuts.cuts(self._images).choose

    def all(self, names: Sequence[str], breadth: str, progress: Progress) -> Shifted:
        """Return what all corruptions do. names: of the classes."""
        best = int(self._clean.right.argmax())  # the first image that the model is right about
        strongest = self._extent.severities[-1]
        found, broken, examples = [], [], []
        with progress.bar("changed pictures", total=len(CORRUPTIONS)) as tick:
            for done, name in enumerate(CORRUPTIONS, 1):
                for severity in self._extent.severities:
                    images = self._changed(name, severity)
                    if severity == strongest:
                        examples.append(images[best])
                    if (shift := self._shift(name, severity, images, names)) is not None:
                        found.append(shift)
                    else:
                        broken.append(_broken(name, severity))
                tick(done, "corruptions")
            shifts = self._with_blame(self._tested(found))
        accuracy, interval = facts.accuracy(self._clean.right)
        run = ShiftsRun(
            breadth=breadth,
            images=len(self._images),
            of=self._all,
            accuracy=accuracy,
            interval=interval,
            severities=list(self._extent.severities),
            blamed=min(self._extent.blamed, len(shifts)),
            left_out=[*self._left_out(len(shifts)), *broken],
            reason=None,
        )
        shown = ShiftedImages(self._images[best : best + 1], np.stack(examples), list(CORRUPTIONS))
        return Shifted(run, shifts, shown)

    def _changed(self, name: str, severity: int) -> Stored:
        """Return all images changed, worked out some at a time."""
        draws = corruptions.stream(self._seed, name)
        step = max(_BLOCK // int(np.prod(self._images.shape[1:])), 1)
        starts = range(0, len(self._images), step)
        blocks = (self._images[start : start + step] for start in starts)
        return np.concatenate(
            [corruptions.corrupted(block, name, severity, self._low, self._high, draws) for block in blocks]
        )

    def _answers(self, images: Stored) -> _Answers | None:
        """Return what the model answers, None where a score is not a finite number."""
        answered, layers = self._passes.look(images, self._labels)
        if answered.broken:
            return None
        predicted = self._predicted(answered)
        return _Answers(predicted == self._labels, predicted, layers)

    def _predicted(self, answered: Outputs) -> Counts:
        read = answered.logits if self._output == "logits" or answered.shares is None else answered.shares
        return read.predicted.astype(np.int64)

    def _shift(self, name: str, severity: int, images: Stored, names: Sequence[str]) -> Shift | None:
        """Return what a change does, no unit blamed yet; None where the model gives no numbers for such images."""
        now = self._answers(images)
        if now is None:
            return None
        self._answered[name, severity] = replace(now, layers=())  # which take memory, and are needed here alone
        accuracy, interval = facts.accuracy(now.right)
        change, change_interval = facts.change(self._clean.right, now.right)
        layers = [
            facts.layer(plan, clean, shifted, self._thresholds)
            for plan, clean, shifted in zip(self._passes.plans, self._clean.layers, now.layers, strict=True)
        ]
        return Shift(
            corruption=name,
            severity=severity,
            amount=corruptions.amount(name, severity, min(self._images.shape[1:3])),
            accuracy=accuracy,
            interval=interval,
            change=change,
            change_interval=change_interval,
            falls=False,  # not before all are known
            weakest_class=facts.weakest(self._labels, self._clean.right, now.right, names),
            units_dead=sum(len(one.dead) for one in layers),
            units_saturated=sum(len(one.saturated) for one in layers),
            layers=[one for one in layers if one.dead or one.saturated or one.moved is not None],
            unit_to_blame=None,
            reasons={},
        )

    def _tested(self, shifts: Sequence[Shift]) -> list[Shift]:
        """Return the shifts with whether accuracy falls beyond chance."""
        answers = [self._answered[one.corruption, one.severity] for one in shifts]
        falls = facts.holm([facts.chance_of_fall(self._clean.right, now.right) for now in answers])
        return [replace(one, falls=fallen) for one, fallen in zip(shifts, falls, strict=True)]

    def _with_blame(self, shifts: Sequence[Shift]) -> list[Shift]:
        """Return the shifts with the unit to blame for the costliest of them, the worst of each corruption first."""
        worst = [costliest(row) for row in costliest_first(shifts)]
        rest = sorted((one for one in shifts if one not in worst), key=lambda one: one.change)
        looked = [(one.corruption, one.severity) for one in [*worst, *rest][: self._extent.blamed]]
        found = []
        for one in shifts:
            unit: UnitToBlame | Text = text("it was not tried")
            if not one.falls:
                unit = text("accuracy does not fall beyond chance")
            elif (one.corruption, one.severity) in looked:
                unit = self._blamed(one)
            if isinstance(unit, Text):
                found.append(replace(one, reasons=one.reasons | {"unit_to_blame": unit}))
            else:
                found.append(replace(one, unit_to_blame=unit))
        return found

    def _blamed(self, shift: Shift) -> UnitToBlame | Text:
        """Return the unit to blame, or why there is none.

        Candidates are those of the largest attribution on some images; the one is chosen there, and what it regains is
        measured on all other images.
        """
        images = self._changed(shift.corruption, shift.severity)
        before, now = self._clean, self._answered[shift.corruption, shift.severity]
        chosen, scored = np.flatnonzero(self._choose), np.flatnonzero(~self._choose)
        lost = chosen[before.right[chosen] & ~now.right[chosen]][:_ATTRIBUTED]
        fallen = facts.change(before.right[scored], now.right[scored])[0] if len(scored) else 0.0
        if not len(lost) or fallen >= 0:
            return text("too few images lose their prediction")
        try:
            each = self._passes.attributions(images[lost], self._images[lost], self._labels[lost], now.predicted[lost])
        except LookupError:
            return text("the model has an operation without a gradient, so that no units can be chosen to be tried")
        except (InputError, SurroundingsError) as error:
            return literal(error.what)
        parts = np.concatenate([np.zeros(0), *each])
        order = np.argsort(-parts, kind="stable")[: self._extent.tried]
        units = [(place, unit) for place, one in enumerate(self._passes.readings) for unit in range(one.units)]
        tried = [units[n] for n in order if parts[n] > 0]
        if not tried:
            return text("no unit's change has a part in it, to first order")
        some = chosen[spread(len(chosen), _CHOSEN_ON)]
        rights = [int(right.sum()) for right in self._restored(images, some, tried)]
        place, unit = best = tried[int(np.argmax(rights))]
        (after,) = self._restored(images, scored, [best])
        gain, interval = facts.change(now.right[scored], after)
        if interval[0] <= 0:
            return ntext(
                len(tried),
                "{n} unit of {of} was tried, and it regains nothing beyond chance",
                "{n} units of {of} were tried, and none regains anything beyond chance",
                of=f"{len(parts):,}",
            )
        return UnitToBlame(
            layer=self._passes.readings[place].name,
            unit=unit,
            regained=gain / -fallen,
            gain=gain,
            interval=interval,
            images=len(scored),
            tried=len(tried),
            of=len(parts),
        )

    def _restored(self, images: Stored, which: Counts, tried: Sequence[tuple[int, int]]) -> list[Right]:
        """Return (n,) whether the model is right about some changed images when it is given a unit of the unchanged.

        tried: the units one after the other, each with the place of its reading before it.
        """
        units = [(place, [unit]) for place, unit in tried]
        answered = self._passes.restored(images[which], self._images[which], units, self._labels[which])
        return [self._predicted(one) == self._labels[which] for one in answered]

    def _left_out(self, shifts: int) -> list[Text]:
        """Say what was not done."""
        found = []
        if len(self._images) < min(self._asked.images, self._all):
            found.append(
                text(
                    "The model is large, so that only {some} of {all} were changed.",
                    some=f"{len(self._images):,}",
                    all=counted_images(self._all, "test"),
                )
            )
        elif len(self._images) < self._all:
            found.append(
                text(
                    "Of {all} {some} were changed, evenly spread; --shifts full changes up to {most}.",
                    some=f"{len(self._images):,}",
                    all=counted_images(self._all, "test"),
                    most=f"{FULL.images:,}",
                )
            )
        if self._extent.severities != self._asked.severities:
            found.append(
                text(
                    "The mild and the medium severity were left out, since the model is large; --shifts full has them."
                )
            )
        elif len(self._extent.severities) < len(FULL.severities):
            found.append(text("The medium severity was left out; --shifts full has it."))
        if self._extent.blamed < shifts:
            found.append(
                text(
                    "A unit to blame was looked for in {some} of {all} changes, those that cost most; --shifts full"
                    " looks in all.",
                    some=str(self._extent.blamed),
                    all=str(shifts),
                )
            )
        return found


def _broken(name: str, severity: int) -> Text:
    return text(
        "{corruption} at severity {severity} is n/a, because the model answers with scores that are no finite numbers.",
        corruption=NAMES[name],
        severity=str(severity),
    )


def _bounded(graph: Graph, readings: Sequence[Reading], image_shape: Sequence[int], extent: Extent) -> Extent:
    """Return how much of an extent is tried: of a large model fewer images; where its work leaves few, one severity.

    Not where all severities are asked for. Large pictures alone only make the images fewer: what they need is memory.
    """
    each = int(np.prod(image_shape))
    values = each + sum(int(np.prod([size or 1 for size in reading.shape[1:]])) for reading in readings)
    passes = len(CORRUPTIONS) * len(extent.severities)
    whole = sum(map(work.of, graph.calls))
    most = min(extent.values / passes / values, extent.multiplications / passes / max(whole, 1))
    images = max(min(int(min(most, _MOST_PIXELS / each)), extent.images), _FEWEST)
    if min(most, extent.images) >= _FEW or extent.severities == FULL.severities:
        return replace(extent, images=images)
    return replace(extent, images=images, severities=extent.severities[-1:])

"""The Record: everything one run found out, as numbers, names and sentences that any language can say.

Fields that appear in report.json are documented as promises in the README's table of keys. Counts are exact
integers; a figure that is undefined is None. Array shapes: E example images, U units, C channels, K classes.
"""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from reportgen.i18n import Text, text

SCHEMA = "reportgen/1"
"""The format of report.json; it changes when a key changes its meaning or goes away."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Provenance:
    """Where the figures come from. seconds: per stage, None where the clock was fixed by SOURCE_DATE_EPOCH."""

    versions: dict[str, str]
    platform: Text
    seed: int
    command: str
    git_commit: str | None
    seconds: dict[str, float | None]
    data_sha256: str
    model_sha256: str | None


@dataclass(frozen=True)
class SkippedFile:
    """A file that holds no picture that can be read. name: below the data folder; reason: a clause about it."""

    name: str
    reason: Text


@dataclass(frozen=True)
class SkippedFiles:
    """Files of a part that hold no picture that can be read. count: of all; files: the first of them."""

    part: str
    count: int
    files: list[SkippedFile]


@dataclass(frozen=True)
class SplitFacts:
    """How one part was split at random into training and test: the same data, share and seed give the same parts.

    share: of each class, for testing. seed: of the random numbers. test_count, of: how many images are for testing, of
    how many.
    """

    share: float
    seed: int
    test_count: int
    of: int


@dataclass(frozen=True)
class DataFacts:
    """The data set in figures.

    train_size: None where there is no training part. input_shape: of one image, (*space, C): (L, C) is a series,
    (H, W, C) a picture, (D, H, W, C) a volume. pixels: a sentence. looked_at: the parts whose images the units were
    judged on. skipped: files that could not be read, by part. split: None where the data has its parts itself.
    """

    name: str
    source: Text
    train_size: int | None
    test_size: int
    input_shape: list[int]
    class_names: list[str]
    class_counts: dict[str, list[int] | None]
    pixels: Text
    looked_at: list[str]
    skipped: list[SkippedFiles] = field(default_factory=list)
    split: SplitFacts | None = None


@dataclass(frozen=True)
class LayerRow:
    """One row of the model summary. output_shape: None stands for a size that is not fixed (the batch).

    note: what its units are, where its kind alone does not tell.
    """

    name: str
    kind: str
    output_shape: list[int | None]
    params: int
    analysed: bool
    reason: Text | None
    note: Text | None = None


@dataclass(frozen=True)
class ModelFacts:
    """The model in figures. origin: "trained" here or "loaded"; output: "softmax", "sigmoid" or "logits".

    changes: what was changed of a file of Keras 2 to read it, in a sentence; None where nothing was. unlisted_params:
    those that stand in no row, as they are the model's own or of layers that have no part in inference.
    """

    name: str
    origin: str
    output: str
    total_params: int
    trainable_params: int
    non_trainable_params: int
    layers: list[LayerRow]
    changes: Text | None = None
    unlisted_params: int = 0


@dataclass(frozen=True)
class History:
    """What Keras wrote down after each epoch, under Keras's own names.

    epochs: 1, 2, ..., or on from where an earlier fit ended; best_epoch: the one with the lowest validation loss
    (training loss without one).
    stopped_early: None where nobody knows (a history found beside a loaded model).
    """

    epochs: list[int]
    metrics: dict[str, list[float | None]]
    seconds: list[float | None]
    best_epoch: int | None
    stopped_early: bool | None
    source: Text


@dataclass(frozen=True)
class Died:
    """Units of a layer that have been dead without a break since the same epoch, one of Deaths.epochs."""

    epoch: int
    units: list[int]


@dataclass(frozen=True)
class LayerDeaths:
    """The dead units of a layer in the course of the training.

    dead: how many, at each of Deaths.epochs. since: those that are dead now, by the epoch since which they have been.
    """

    layer: str
    units: int
    dead: list[int]
    since: list[Died]


@dataclass(frozen=True)
class Deaths:
    """How many units were dead in the course of the training, counted on the same images each time.

    images: how many, of the part `part`. epochs: after which it was counted; the first is 0, before the training, or
    what an earlier fit ended with. weights_of: the epoch whose weights the model has now and `since` leads up to: not
    the last where a callback brought better ones back, None where they are of none (averaged, for one).
    layers: those with units, in the order of the model, a softmax left out.
    """

    images: int
    part: str
    epochs: list[int]
    weights_of: int | None
    layers: list[LayerDeaths]


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and f1 of one class (or an average), None where they divide by zero."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Confused:
    """How often one class was taken for another."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction. index: of the image in its part; probability: that the model gave its choice."""

    index: int
    true: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose confidence lies in (low, high]; confidence and accuracy are None in an empty bin."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Scores:
    """How well the model does on one part. confusion: rows are true classes.

    loss: mean cross-entropy in nats. ece: expected calibration error over `reliability`. correct: exact count.
    """

    accuracy: float
    correct: int
    loss: float
    classes: list[ClassScore]
    macro_avg: ClassScore
    weighted_avg: ClassScore
    confusion: list[list[int]]
    ece: float
    reliability: list[ReliabilityBin]
    most_confused: list[Confused]
    worst: list[Mistake]


@dataclass(frozen=True)
class Examples:
    """The first test images. images: (E, *space, C) as stored; true, predicted: (E,) class indices."""

    images: Array
    true: Array
    predicted: Array


@dataclass(frozen=True)
class Maps:
    """A convolution layer's outputs for the examples.

    values: (E, *space, U shown) float32, its space of one, two or three axes. step: every step-th position along each
    axis was kept. units: how many there are.
    """

    layer: str
    units: int
    step: int
    values: Array


@dataclass(frozen=True)
class Strips:
    """A dense layer's outputs for the examples. values: (E, U shown) float32."""

    layer: str
    units: int
    is_output: bool
    values: Array


@dataclass(frozen=True)
class Kernels:
    """A convolution layer's weights.

    weights: (U shown, C shown, *space) float32; channels: (U shown, C shown) the input channel of each, by
    falling norm. inputs, units: how many there are. on_colour: the input channels are red, green and blue.
    largest: largest |weight| of the whole layer, the end of its colour scale.
    """

    layer: str
    units: int
    inputs: int
    largest: float
    on_colour: bool
    weights: Array
    channels: Array


@dataclass(frozen=True)
class Correlations:
    """How alike the responses of a layer's units are.

    order: (V,) units, alike ones beside each other. r: (V, V) float32 of s_mean over images, in that order.
    units: how many there are.
    """

    layer: str
    units: int
    order: Array
    r: Array


@dataclass(frozen=True)
class ClassMap:
    """What a layer's units answer to each class. values: (K, V) float32 mean of s_mean; units: how many there are."""

    layer: str
    units: int
    values: Array


@dataclass(frozen=True)
class Cards:
    """What the cards of units show. numbers: (M,) image numbers, ascending; images: (M, *space, C) as stored.

    units: for each layer the units that have a card, problems first.
    """

    numbers: Array
    images: Array
    units: dict[str, list[int]]


@dataclass(frozen=True)
class Responses:
    """What a layer's units answer to the images of Answers. values: (M, U) float16.

    Each unit's s_mean is centred and divided by its deviation over these images; 0 of a unit that does not vary.
    """

    layer: str
    values: Array


@dataclass(frozen=True)
class Answers:
    """What a later run is compared with, image by image.

    right: (N,) bool, whether the model is right about each test image. images: (M,) numbers among the images looked
    at, ascending. responses: of every layer looked into, none where the model has too many units for it.
    """

    right: Array
    images: Array
    responses: list[Responses]


@dataclass(frozen=True)
class Pictures:
    """The arrays of a run: what pictures are painted from, and `answers`, what a later run is compared with.

    worst: (M, *space, C), images of the test part's mistakes. answers: None in a folder from before there were any.
    """

    examples: Examples
    worst: Array
    cards: Cards
    maps: list[Maps] = field(default_factory=list)
    strips: list[Strips] = field(default_factory=list)
    kernels: list[Kernels] = field(default_factory=list)
    correlations: list[Correlations] = field(default_factory=list)
    class_maps: list[ClassMap] = field(default_factory=list)
    answers: Answers | None = None


@dataclass(frozen=True)
class Nearest:
    """The unit of the same layer that says most nearly the same: the largest |r| of pooled responses over images."""

    unit: int
    r: float
    r_within_class: float | None


@dataclass(frozen=True)
class Preferred:
    """The class that a unit tells apart best.

    auroc: of s_mean, class against the rest, the class chosen on one half of the kept images and scored on the
    other. hit_rate, false_alarm_rate: at the threshold with the largest difference. selectivity: class selectivity
    (Morcos et al. 2018), None where a response is negative; selectivity_null: its mean over shuffled labels.
    eta2: the share of the variance that lies between classes, less what chance gives.
    """

    label: str
    auroc: float
    hit_rate: float
    false_alarm_rate: float
    selectivity: float | None
    selectivity_null: float | None
    eta2: float | None


@dataclass(frozen=True)
class TopImage:
    """An image that makes a unit fire.

    index: its number among the images looked at, the test part's first. plane, row, column: of the maximum in the
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
    gates: of a unit of a recurrent layer that has any; none and a reason where they are not known.
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


@dataclass(frozen=True)
class LayerVerdict:
    """The verdict on a layer as a whole. effective_rank, participation_ratio: as shares of the number of units.

    noise_floor: the largest |r| to expect between independent units by chance. edges: of the units' histograms, of
    which one is 0; a value on an edge is counted above it, on the last one below it.
    left_out: units that correlations leave out, with the reason. states: how many units are in each state.
    groups: units of each redundant group, its representative first. removable_params: what those held.
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


@dataclass(frozen=True)
class Finding:
    """Something worth a reader's attention. message: a sentence with its evidence and what to try.

    severity: "error", "warning" or "notice". layer, units: where, None and [] where it is not about units.
    """

    code: str
    severity: str
    message: Text
    layer: str | None
    units: list[int]


@dataclass(frozen=True)
class Ablated:
    """Accuracy on the test part without some units. interval: of the difference to that with them, paired, 95 %."""

    units: int
    accuracy_after: float
    interval: list[float]


@dataclass(frozen=True)
class Proof:
    """Accuracy on the test part, before and after all units called dead or removable were taken out of the model.

    A dead unit is held at its mean, a removable one replaced by the least-squares line through the unit of its group
    that stays. interval: of the difference after - before, paired, 95 %. dead, redundant: the same without the dead
    ones alone and without the removable ones alone, None where there are none.
    """

    masked_units: int
    accuracy_before: float
    accuracy_after: float
    interval: list[float]
    dead: Ablated | None = None
    redundant: Ablated | None = None

    @property
    def ablations(self) -> list[tuple[Ablated, Text]]:
        """Each kind of unit that was taken out, with what was done to it; both together where there are two kinds."""
        kinds = [
            (self.dead, text("called dead, each held at its mean")),
            (self.redundant, text("called redundant, each replaced by the unit that says the same")),
        ]
        apart = [(one, how) for one, how in kinds if one is not None]
        if len(apart) == 1:
            return apart
        together = Ablated(self.masked_units, self.accuracy_after, self.interval)
        return [*apart, (together, text("called dead or redundant taken out"))]


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
    """A class in the test part before and after; None where there is no such class."""

    label: str
    before: ClassScore | None
    after: ClassScore | None


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
    unmatched_after: units without a counterpart.
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


@dataclass(frozen=True)
class UnitChange:
    """A unit that is not what its counterpart in the baseline was.

    kind: "dead" (it has become so), "recovered" (from being dead), "state" (any other change of state), "merged" (it
    says the same as another now), "parted" (it no longer does), "class" (it prefers another one). layer, unit: now;
    unit_before: in the baseline. before, after: the state, or the label of the class. r: correlation with its
    counterpart over images, None where not known.
    """

    kind: str
    layer: str
    unit: int
    unit_before: int
    before: str
    after: str
    r: float | None


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
    figures: test_accuracy, test_loss, train_accuracy, ece, and proof (accuracy without idle units less that with).
    counts: test_correct, test_size, total_params, epochs, units (inside the model), dead, redundant, healthy.
    history: the baseline's, its losses and accuracies only. layers: those that changed. matches: of each layer that
    both looked into. units: those that changed.
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


@dataclass(frozen=True)
class Look:
    """How the pages are made. lang: "en" or "ja"; paper: of the PDF, "a4" or "letter"."""

    lang: str = "en"
    paper: str = "a4"


@dataclass(frozen=True)
class Record:
    """One run, whole. The keys of report.json are these fields, `pictures` excepted (record.npz)."""

    schema: str
    title: Text
    made_at: str
    reportgen: str
    provenance: Provenance
    data: DataFacts
    model: ModelFacts
    history: History | None
    evaluation: dict[str, Scores | None]
    layers: list[LayerVerdict]
    units: list[Unit]
    proof: Proof | None
    findings: list[Finding]
    baseline: Baseline | None
    look: Look
    pictures: Pictures
    deaths: Deaths | None = None

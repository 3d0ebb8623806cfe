"""The Record: everything one run found out, as numbers and names; no pictures, no sentences for people.

Fields that appear in report.json are documented as promises in the README's table of keys. Counts are exact
integers; a figure that is undefined is None. Array shapes: E example images, U units, C channels, K classes.
"""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

SCHEMA = "reportgen/1"
"""The format of report.json; it changes when a key changes its meaning or goes away."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Provenance:
    """Where the figures come from. seconds: per stage, None where the clock was fixed by SOURCE_DATE_EPOCH."""

    versions: dict[str, str]
    platform: str
    seed: int
    command: str
    git_commit: str | None
    seconds: dict[str, float | None]
    data_sha256: str
    model_sha256: str | None


@dataclass(frozen=True)
class DataFacts:
    """The data set in figures. train_size is None where there is no training part; pixels is a sentence."""

    name: str
    source: str
    train_size: int | None
    test_size: int
    input_shape: list[int]
    class_names: list[str]
    class_counts: dict[str, list[int] | None]
    pixels: str


@dataclass(frozen=True)
class LayerRow:
    """One row of the model summary. output_shape: None stands for a size that is not fixed (the batch)."""

    name: str
    kind: str
    output_shape: list[int | None]
    params: int
    analysed: bool
    reason: str | None


@dataclass(frozen=True)
class ModelFacts:
    """The model in figures. origin: "trained" here or "loaded"; output: "softmax", "sigmoid" or "logits"."""

    name: str
    origin: str
    output: str
    total_params: int
    trainable_params: int
    non_trainable_params: int
    layers: list[LayerRow]


@dataclass(frozen=True)
class History:
    """What Keras wrote down after each epoch, under Keras's own names.

    epochs: 1, 2, ...; best_epoch: the one with the lowest validation loss (training loss without one).
    stopped_early: None where nobody knows (a history found beside a loaded model).
    """

    epochs: list[int]
    metrics: dict[str, list[float | None]]
    seconds: list[float | None]
    best_epoch: int | None
    stopped_early: bool | None
    source: str


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
    """The first test images. images: (E, H, W, C) as stored; true, predicted: (E,) class indices."""

    images: Array
    true: Array
    predicted: Array


@dataclass(frozen=True)
class Maps:
    """A convolution layer's outputs for the examples.

    values: (E, h, w, U shown) float32. step: every step-th row and column was kept. units: how many there are.
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

    weights: (U shown, C shown, kh, kw) float32; channels: (U shown, C shown) the input channel of each, by
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
class Pictures:
    """The arrays that pictures are painted from. worst: (M, H, W, C), images of the test part's mistakes."""

    examples: Examples
    worst: Array
    maps: list[Maps] = field(default_factory=list)
    strips: list[Strips] = field(default_factory=list)
    kernels: list[Kernels] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """One run, whole. The keys of report.json are these fields, `pictures` excepted (record.npz)."""

    schema: str
    title: str
    made_at: str
    reportgen: str
    provenance: Provenance
    data: DataFacts
    model: ModelFacts
    history: History | None
    evaluation: dict[str, Scores | None]
    layers: list[dict[str, Any]]
    units: list[dict[str, Any]]
    proof: dict[str, Any] | None
    findings: list[dict[str, Any]]
    baseline: dict[str, Any] | None
    pictures: Pictures

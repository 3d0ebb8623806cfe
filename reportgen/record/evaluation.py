"""How well the model does, and how it does without the units called dead or removable."""

from dataclasses import dataclass

from reportgen.i18n import Text, text


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and f1 of one class (or an average), None where they divide by zero.

    precision_interval, recall_interval: Wilson's, 95 %, [low, high]; None of an average, where the figure is None, and
    in a folder from before there were any.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    precision_interval: list[float] | None = None
    recall_interval: list[float] | None = None


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
    """Predictions whose confidence lies in (low, high]; confidence and accuracy are None in an empty bin.

    interval: of the accuracy, Wilson's, 95 %; None in an empty bin and in a folder from before there were any.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None
    interval: list[float] | None = None


@dataclass(frozen=True)
class Scores:
    """How well the model does on one part. confusion: rows are true classes.

    loss: mean cross-entropy in nats. ece: expected calibration error over `reliability`. correct: exact count.
    accuracy_interval: Wilson's, 95 %. ece_interval: see `scores.calibration_interval`, 95 %. ece_by_chance: what a
    perfectly calibrated model of as many images, as sure as this one, exceeds in 2.5 % of cases. These three are None
    in a folder from before there were any.
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
    accuracy_interval: list[float] | None = None
    ece_interval: list[float] | None = None
    ece_by_chance: float | None = None


@dataclass(frozen=True)
class Ablated:
    """Accuracy on the test split without some units. interval: of the difference to that with them, paired, 95 %."""

    units: int
    accuracy_after: float
    interval: list[float]

    @property
    def is_worse(self) -> bool:
        """Whether the model does worse without them, by more than chance."""
        return self.interval[1] < 0


@dataclass(frozen=True)
class Proof:
    """Accuracy on the test split, before and after all units called dead or removable were taken out of the model.

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

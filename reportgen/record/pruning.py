"""What can be cut out of a model: what a report foresees, and the certificate of a smaller model."""

from dataclasses import dataclass, field

from reportgen.i18n import Text

SCHEMA = "reportgen-smaller/1"
"""The format of smaller.json; it changes when a key changes its meaning or goes away."""


@dataclass(frozen=True)
class Kept:
    """Units that change no answer and stay all the same. reason: why."""

    units: list[int]
    reason: Text


@dataclass(frozen=True)
class LayerCut:
    """Which units of a layer can go without changing an answer on any image of the data.

    dead, constant: those that always give the same. copies: those that give a multiple of another. kept: units of
    these kinds that stay; elsewhere: those among them that give something else on images of a split that units were not
    judged on. left: why no unit of the layer can go, None where some could.
    """

    dead: list[int] = field(default_factory=list)
    constant: list[int] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    left: Text | None = None
    elsewhere: list[int] = field(default_factory=list)

    @property
    def units(self) -> int:
        """How many can go."""
        return len(self.dead) + len(self.constant) + len(self.copies)


@dataclass(frozen=True)
class Copy:
    """A unit that gave `factor` times what unit `of` gives, plus `offset`; both as the next layer reads them."""

    unit: int
    of: int
    factor: float
    offset: float


@dataclass(frozen=True)
class Held:
    """A unit that always gave `value`."""

    unit: int
    value: float


@dataclass(frozen=True)
class LayerSmaller:
    """What became of a layer. All units have the numbers that they have in the report.

    cannot_fire: dead units whose weights let no image within the range of the data's pixels reach them;
    did_not_fire: the other dead ones. constant, copies: as in LayerCut. merged: what redundant units were put into.
    kept, left: as in LayerCut.
    """

    name: str
    units_before: int
    units_after: int
    cannot_fire: list[int]
    did_not_fire: list[int]
    constant: list[Held]
    copies: list[Copy]
    merged: list[Copy]
    kept: list[Kept]
    left: Text | None


@dataclass(frozen=True)
class Certificate:
    """That nothing was lost: scores of the model before and after, compared over all images of the data.

    The model without these units was saved and loaded again for it, in a process of its own. units: that went. rounds:
    of looking for more. largest_difference: between two scores. scale: the largest score in size. bound: the share of
    that which the difference may be. answers_changed: images that are given another class.
    """

    units: int
    rounds: int
    images: int
    largest_difference: float
    scale: float
    bound: float
    answers_changed: int


@dataclass(frozen=True)
class AtRandom:
    """The same with as many units of the same layers, chosen at random. accuracy: of each draw, ascending.

    as_good: how many draws reach the accuracy of what was merged.
    """

    accuracy: list[float]
    as_good: int


@dataclass(frozen=True)
class Merged:
    """Redundant units that were put into those which say the same.

    units, groups: how many. fitted_on, scored_on: images, of the test split. accuracy_before, accuracy_after: on those
    that score. interval: 95 %, of the difference. max_drop: how far it was allowed to fall. stopped: why not all
    groups were merged, None where they were. at_random: None where nothing was merged. said: what this shows. still:
    how many of the units are none of a group, but always give the same on the test images, though not on others.
    """

    units: int
    groups: int
    fitted_on: int
    scored_on: int
    accuracy_before: float
    accuracy_after: float
    interval: list[float]
    max_drop: float
    stopped: Text | None
    at_random: AtRandom | None
    said: Text
    still: int = 0


@dataclass(frozen=True)
class Change:
    """A figure of the model before and after; None where it is not known."""

    before: float | None
    after: float | None


@dataclass(frozen=True)
class Smaller:
    """A smaller model with its proof: what smaller.json holds.

    model_sha256, smaller_sha256, data_sha256: of the files and the data. images: of all parts of the data. units:
    inside the model, without those of its output. multiplications: for one image, of the dense layers and convolutions;
    uncounted: other layers with weights. test_accuracy: of the two files, on the whole test split. seconds: for 1,000
    images, None where the clock is fixed. merged: None where it was not asked for. left_dead, left_copies: units that a
    report on the smaller model still calls dead or constant, and copies of others.
    """

    schema: str
    made_at: str
    reportgen: str
    model_name: str
    model_sha256: str | None
    smaller_sha256: str
    data_name: str
    data_sha256: str
    images: int
    units: Change
    params: Change
    multiplications: Change
    uncounted: list[str]
    seconds: Change
    bytes: Change
    test_accuracy: Change
    lossless: Certificate
    merged: Merged | None
    left_dead: int
    left_copies: int
    layers: list[LayerSmaller]

"""Whether a report's figures can be believed: images that occur twice, and labels that look wrong."""

from dataclasses import dataclass, field
from typing import Any

from reportgen.i18n import Text


@dataclass(frozen=True)
class PairCounts:
    """How many pairs lie within the training split, within the test split, and across the two.

    None where there is no training split. Of several copies of one image each later one makes a pair with the first.
    """

    train: int | None
    test: int
    across: int | None


@dataclass(frozen=True)
class AccuracyWithout:
    """Test accuracy on the images without a copy in the training split. interval: Wilson's, 95 %.

    images: how many those are. change: of the accuracy, less that on all test images; change_interval: of it, 95 %:
    the difference between images with and without a copy (Newcombe's interval of independent samples), times the
    share of those with one.
    """

    value: float
    interval: list[float]
    images: int
    change: float
    change_interval: list[float]


@dataclass(frozen=True)
class Leaks:
    """Images that occur more than once.

    exact: pairs with the same pixels, [split, number, split, number], the first 1,000 of each count. near: pairs of
    different pixels, likewise: among the nearest in the penultimate activations, with a correlation of the pixels of
    at least 0.98 after the best shift of at most 1 pixel along each axis. near_counts: None where they were not looked
    for. test_images: with a copy, exact or near, in the training split; exact_test_images: with an exact one; None
    without a training split. compared, neighbours: of the pairs of neighbours so many were compared pixel by pixel.
    reasons: why something is undefined, by the name of the field. notes: what was left out.
    """

    exact: list[list[Any]]
    near: list[list[Any]]
    accuracy_without: AccuracyWithout | None
    exact_counts: PairCounts
    near_counts: PairCounts | None
    test_images: int | None
    exact_test_images: int | None
    compared: int
    neighbours: int
    reasons: dict[str, Text] = field(default_factory=dict)
    notes: list[Text] = field(default_factory=list)


@dataclass(frozen=True)
class SuspectLabel:
    """A label that looks wrong. part, index: of its image. score: probability of the suggested class less the given."""

    part: str
    index: int
    given: str
    suggested: str
    score: float


@dataclass(frozen=True)
class SuspectScore:
    """How well the search for wrong labels finds those that were planted among the test split's.

    average_precision: where so many labels, chosen at random, become another class at random; by_confusion: where
    they become a class in proportion to the probability that the model gives it on images of their class. Means over
    `draws`. flipped: labels in each draw; images: in the test split, of which that is 1 %.
    """

    average_precision: float
    by_confusion: float
    flipped: int
    images: int
    draws: int


@dataclass(frozen=True)
class SuspectSearch:
    """What the search for wrong labels covered, by part. candidates: found; searched: images looked through.

    reasons: why a part, or the score, has none; notes: how the figures are to be read.
    """

    candidates: dict[str, int] = field(default_factory=dict)
    searched: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, Text] = field(default_factory=dict)
    notes: list[Text] = field(default_factory=list)

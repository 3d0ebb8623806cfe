"""The data set in figures."""

from dataclasses import dataclass, field

from reportgen.i18n import Text
from reportgen.record.trust import Leaks, SuspectLabel, SuspectScore, SuspectSearch


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

    train_size: None where there is no training split. input_shape: of one image, (*space, C): (L, C) is a series,
    (H, W, C) a picture, (D, H, W, C) a volume. pixels: a sentence. looked_at: the parts whose images the units were
    judged on. skipped: files that could not be read, by part. split: None where the data has its parts itself.
    leaks, suspect_labels_search: None in a folder from before they were looked for. suspect_labels: labels that look
    wrong, of the test split first, the first 1,000 of each ranked; suspect_labels_score: None where it is undefined.
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
    leaks: Leaks | None = None
    suspect_labels: list[SuspectLabel] = field(default_factory=list)
    suspect_labels_score: SuspectScore | None = None
    suspect_labels_search: SuspectSearch | None = None

"""Why the model took images for one class rather than for another, as far as maps of their pixels can be trusted."""

from dataclasses import dataclass, field
from typing import Any

from reportgen.i18n import Text


@dataclass(frozen=True)
class Attribution:
    """The integrated gradients of one image: of the score of one class less that of another.

    part, index: of the image. toward, away: labels of the two classes: what it was taken for, or what its label should
    perhaps be, and its label. margin: the difference of the two scores, before softmax or sigmoid; of_mean_image: that
    of the baseline, the mean image. completeness_error: how far the map's sum misses what lies between these, as a
    share of it. margin_without, margin_by_chance: mean margin where the pixels that speak most for `toward` are
    replaced by the mean image's, and the least of 19 such means where as many random ones are. similarity: the largest
    rank correlation with the map of the model after its weights were shuffled. reason: why no map is shown, None where
    it is. map: its place among the maps, None without one.
    """

    part: str
    index: int
    toward: str
    away: str
    margin: float
    of_mean_image: float
    completeness_error: float | None
    margin_without: float
    margin_by_chance: float
    similarity: float
    reason: Text | None
    map: int | None


@dataclass(frozen=True)
class Attributions:
    """All images that were explained. asked: for how many a map was wanted; the rest was too much work.

    steps: from the mean image to an image. reason: why none was explained, None where some were.
    """

    images: list[Attribution] = field(default_factory=list)
    asked: int = 0
    steps: int = 0
    reason: Text | None = None

    def of(self, part: str, index: int, toward: str) -> Attribution | None:
        """Return that of an image, None where it was not explained."""
        wanted: Any = (part, index, toward)
        return next((one for one in self.images if (one.part, one.index, one.toward) == wanted), None)

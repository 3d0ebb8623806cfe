"""Maps for the surest mistakes and for labels that look wrong, each with the checks that it passed or did not."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.attribution import checks
from reportgen.analysis.attribution.gradients import Floats, Margins
from reportgen.analysis.effects import head
from reportgen.dataset import BLOCK, Dataset, Images, spread
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import Text, literal, text
from reportgen.intervals import wilson
from reportgen.record.attribution import Attribution, Attributions

STEPS = 64
"""From the mean image to an image."""
MOST_ALIKE = 0.5
"""The rank correlation with the map of a model with shuffled weights from which on a map tells of the image alone."""

SIDE = 96
"""Pixels of the longer side of a map that is shown; of larger ones every n-th, the mean of those around it."""

_SHUFFLED, _SHUFFLED_STEPS = 2, 16
_FEWEST_PIXELS = 64
_MEAN_OF = 2000  # images
_EACH = 3 * (STEPS + _SHUFFLED * _SHUFFLED_STEPS) + len(checks.DELETED) * (1 + checks.ORDERS)  # a gradient costs three
_MOST_VALUES = 1_500_000_000  # that all layers give for all passes; the article's network has 15,000 for an image
_FEWEST = 2


@dataclass(frozen=True)
class Target:
    """An image to explain. toward, away: the two classes, by their place among the scores."""

    part: str
    index: int
    toward: int
    away: int


def explain(
    graph: Graph,
    readings: Sequence[Reading],
    dataset: Dataset,
    targets: Sequence[Target],
    names: Sequence[str],
    *,
    output: str,
    right: int,
    batch: int,
    seed: int,
) -> tuple[Attributions, NDArray[np.float16]]:
    """Return why each target was taken for one class and not for the other, and the maps (M, H, W) of those shown.

    A map has what each pixel adds to the margin of `toward` over `away`, divided by the largest amount in it. names:
    of the classes. output: how the scores are read, "softmax", "sigmoid" or "logits". right: how many test images the
    model is right about. batch: how many images at once; gradients keep about four times as much of each.
    """
    nothing = np.zeros((0, 0, 0), np.float16)
    if reason := _why_not(graph, dataset, right):
        return Attributions([], len(targets), STEPS, reason), nothing
    each = sum(int(np.prod([size or 1 for size in reading.shape[1:]])) for reading in readings)
    chosen = targets[: max(_MOST_VALUES // max(each * _EACH, 1), _FEWEST)]
    if not chosen:
        return Attributions([], 0, STEPS), nothing
    margins = Margins(graph, head.find(graph, output), dataset.pixels, dataset.image_shape, max(batch // 4, 1))
    images = np.concatenate([dataset.parts[one.part].images[np.array([one.index])] for one in chosen])
    try:
        work = _Work(margins, images.astype(np.float32), _mean_image(dataset.test.images), chosen, seed)
    except LookupError:  # what TensorFlow raises of an operation without a gradient
        return Attributions([], len(targets), STEPS, text("the model has an operation without a gradient")), nothing
    except (InputError, SurroundingsError) as error:
        return Attributions([], len(targets), STEPS, literal(error.what)), nothing
    found: list[Attribution] = []
    maps: list[NDArray[np.float16]] = []
    for place, one in enumerate(chosen):
        made = work.attribution(place, one, names, len(maps))
        if made.map is not None:
            maps.append(work.map(place))
        found.append(made)
    return Attributions(found, len(targets), STEPS), np.stack(maps) if maps else nothing


def _mean_image(images: Images) -> Floats:
    """Return the mean (H, W, C) of some images, evenly spread, with only so many in memory at once."""
    numbers = spread(len(images), _MEAN_OF)
    each = max(BLOCK // max(4 * int(np.prod(images.shape[1:])), 1), 1)
    total = np.zeros(images.shape[1:])
    for start in range(0, len(numbers), each):
        total += images[numbers[start : start + each]].sum(axis=0, dtype=np.float64)
    return np.asarray(total / len(numbers), np.float32)


def _why_not(graph: Graph, dataset: Dataset, right: int) -> Text | None:
    if len(dataset.image_shape) != 3 or int(np.prod(dataset.image_shape[:2])) < _FEWEST_PIXELS:
        return text("the images are not pictures, or have fewer than {least} pixels", least=f"{_FEWEST_PIXELS}")
    if (reason := layer_kinds.not_a_picture(graph)) is not None:
        return reason
    images, largest = len(dataset.test), int(np.bincount(dataset.test.labels).max())
    if wilson(right, images)[0] > largest / images:
        return None
    return text(
        "the model is right about {right} of {images} test images, which is not clearly more than by always naming the"
        " largest class ({largest})",
        right=f"{right:,}",
        images=f"{images:,}",
        largest=f"{largest:,}",
    )


class _Work:
    """All that is computed for the chosen images at once. images: (M, H, W, C) as stored, but floats."""

    def __init__(
        self, margins: Margins, images: Floats, baseline: Floats, targets: Sequence[Target], seed: int
    ) -> None:
        toward, away = (np.array(each, np.int32) for each in zip(*((t.toward, t.away) for t in targets), strict=True))
        self.margins = margins.of(images, toward, away).astype(np.float64)
        self.of_mean = margins.of(np.repeat(baseline[np.newaxis], len(images), axis=0), toward, away)
        self._maps = margins.attributions(images, baseline, toward, away, STEPS).sum(axis=-1, dtype=np.float64)
        self._random = []
        for number in range(_SHUFFLED):
            with margins.shuffled(seed + number):
                made = margins.attributions(images, baseline, toward, away, _SHUFFLED_STEPS)
            self._random.append(made.sum(axis=-1, dtype=np.float64))
        self._without = []
        for image, amounts, one, other in zip(images, self._maps, toward, away, strict=True):
            left = []
            orders = checks.deletions(image, baseline, amounts, seed)
            while some := list(itertools.islice(orders, max(margins.batch // len(checks.DELETED), 1))):
                together = np.concatenate(some)
                classes = np.full(len(together), one), np.full(len(together), other)
                left.append(margins.of(together, *classes).reshape(len(some), -1).mean(axis=1))
            self._without.append(np.concatenate(left).astype(np.float64))

    def attribution(self, place: int, target: Target, names: Sequence[str], shown: int) -> Attribution:
        """Return what was found out about one image. shown: how many maps are shown before it."""
        way = float(self.margins[place] - self.of_mean[place])
        own, chance = float(self._without[place][0]), float(self._without[place][1:].min())
        made, reason = self._maps[place], None
        usable = bool(np.isfinite(made).all() and made.any())
        alike = max(checks.similarity(made, other[place]) for other in self._random) if usable else 0.0
        if not usable:
            reason = text("its gradients are zero or no numbers")
        elif own >= chance:
            reason = text("deleting the pixels that it marks does no more than deleting random ones")
        elif alike >= MOST_ALIKE:
            reason = text("a model with shuffled weights gives nearly the same map")
        return Attribution(
            part=target.part,
            index=target.index,
            toward=names[target.toward],
            away=names[target.away],
            margin=float(self.margins[place]),
            of_mean_image=float(self.of_mean[place]),
            completeness_error=abs(float(made.sum()) - way) / abs(way) if usable and way else None,
            margin_without=own,
            margin_by_chance=chance,
            similarity=alike,
            reason=reason,
            map=shown if reason is None else None,
        )

    def map(self, place: int) -> NDArray[np.float16]:
        """Return the map of an image, from -1 to 1."""
        from scipy.ndimage import uniform_filter

        made = self._maps[place]
        step = -(-max(made.shape) // SIDE)
        thinned = uniform_filter(made, step)[::step, ::step] if step > 1 else made
        return np.asarray(thinned / (np.abs(thinned).max() or 1.0), np.float16)

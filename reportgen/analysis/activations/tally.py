"""What one pass over images leaves behind about a layer: sums, counts and the strongest images, never raw outputs.

Shapes: N images, U units, K classes, P positions of a unit's output (1 for a neuron), B bins, T top images, M kept
images. a(x, p) is the value of a unit at position p of image x. s_max and s_mean are its maximum and mean over p.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import bins
from reportgen.analysis.activations.bins import Grid

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

KEPT = 10_000
"""M, how many images' pooled responses are kept at most."""

TAIL = 0.05
"""How near to an end of its range a bounded value counts as in the tail, as a share of the range."""

_BLOCK = 100_000  # image numbers that are ranked at once: memory for some megabytes, however many images there are

Family = Literal["relu", "relu6", "bounded", "leaky", "linear", "softmax"]
"""What the nonlinearity that a unit is read behind does to its values.

relu: exact zeros below. relu6: also cut at `high`, as 6. bounded: between `low` and `high` (sigmoid, tanh ...).
leaky: no true zero, so "fires" means a positive pre-activation (leaky ReLU, PReLU, ELU, GELU, SiLU ...).
linear: none of these. softmax: an output layer, judged as an output.
"""


@dataclass(frozen=True)
class LayerPlan:
    """How a layer is read, fixed before the pass so that what different machines counted can be joined.

    layer: its name. read_after: the name of the layer whose output is read. position_shape: () for neurons, else the
    spatial shape; P is its product. low, high: the range of a bounded nonlinearity; high alone: the ceiling of relu6;
    None elsewhere. eps: a value above it counts as firing. shift: (U,) taken off every value before it is squared,
    near the unit's mean. grid: of the histogram, where it begins; it becomes wider for values that it has no bin for.
    sampled: (S,) the flat positions that `histogram` and the map sums look at, ascending; all P where there are few.
    """

    layer: str
    read_after: str
    units: int
    position_shape: tuple[int, ...]
    family: Family
    low: float | None
    high: float | None
    eps: float
    shift: Floats
    grid: Grid
    sampled: NDArray[np.int64]

    @property
    def positions(self) -> int:
        """P, how many values a unit gives for one image."""
        return int(np.prod(self.position_shape, dtype=np.int64))


@dataclass(frozen=True)
class LayerTally:
    """What was counted about one layer. Arrays are (U,) where no shape is given; `shifted` means a - plan.shift.

    images: N. fired: images with s_max > eps. zeros: (x, p) with a <= eps (leaky: pre-activation <= 0).
    low_tail, high_tail: (x, p) with t < 0.05 and t > 0.95, t = (a - low) / (high - low), of a bounded family;
    of relu6 high_tail counts a >= high; else zero. total, squares: of shifted values over all (x, p). absolute: of |a|.
    smallest: of a and 0, so 0 behind a ReLU. largest: of a.
    histogram: (U, B) of a over the sampled positions, in the bins of `grid`: the plan's, or the next wider one that
    holds the values of all units, images and positions.
    map_total: of shifted a over the sampled positions; map_products: (U, U) its outer products.
    pooled_total: of shifted s_mean over images; pooled_products: (U, U) its outer products.
    class_images: (K,). class_total: (K, U) sums of shifted s_mean.
    class_best, class_best_image: (K, U) the largest s_max of each class and the image that gave it (-inf, -1 where
    the class has no image); of equals the lowest image number.
    top_score, top_image, top_position: (T, U) the largest s_max over images, by (-score, image), the images and the
    flat position of each maximum (the first of equals), of images that repeat no earlier one; -inf, -1 and -1 where
    there are fewer.
    kept_images: (M,) ascending image numbers; kept: (M, U) float32 s_mean of those images.
    """

    images: int
    fired: Counts
    zeros: Counts
    low_tail: Counts
    high_tail: Counts
    total: Floats
    squares: Floats
    absolute: Floats
    smallest: Floats
    largest: Floats
    grid: Grid
    histogram: Counts
    map_total: Floats
    map_products: Floats
    pooled_total: Floats
    pooled_products: Floats
    class_images: Counts
    class_total: Floats
    class_best: Floats
    class_best_image: Counts
    top_score: Floats
    top_image: Counts
    top_position: Counts
    kept_images: Counts
    kept: NDArray[np.float32]


_ADDED = (
    *("images", "fired", "zeros", "low_tail", "high_tail", "total", "squares", "absolute"),
    *("map_total", "map_products", "pooled_total", "pooled_products", "class_images", "class_total"),
)
"""The fields of a LayerTally that are sums, so that joining is adding."""


def kept_rank(numbers: Counts) -> NDArray[np.uint64]:
    """Return the rank of each image number, (N,) -> (N,): the images with the lowest ranks are kept.

    The rank is the number's splitmix64 hash (Steele et al. 2014), a bijection: the choice is as good as random, has
    no ties, and is the same however the images are divided between machines.
    """
    mixed = np.asarray(numbers).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def kept_of(numbers: Counts, keep: int = KEPT) -> NDArray[np.bool_]:
    """Return which of the (N,) image numbers are kept when these are all the images there are."""
    chosen = np.full(len(numbers), len(numbers) <= keep)
    if not chosen.all():
        chosen[np.argsort(kept_rank(numbers))[:keep]] = True
    return chosen


def kept_among(images: int) -> Counts:
    """Return which of the image numbers 0 ... images - 1 are kept, ascending, without ranking all of them at once."""
    kept = np.zeros(0, np.int64)
    for start in range(0, images, _BLOCK):
        numbers = np.concatenate([kept, np.arange(start, min(start + _BLOCK, images))])
        kept = numbers[kept_of(numbers)]
    return kept


def merge(one: LayerTally, other: LayerTally, keep: int = KEPT) -> LayerTally:
    """Join the tallies of two disjoint sets of images, both made with the same plan, classes and top.

    Commutative and associative: counts, strongest and kept images exactly, sums up to float64 rounding. Raises
    ValueError where an image was kept by both, because then it was counted twice.
    """
    # the lowest ranks of a union are among the lowest ranks of its parts, so nothing that is kept was dropped before
    kept_images = np.concatenate([one.kept_images, other.kept_images])
    order = np.argsort(kept_images, kind="stable")
    if not np.diff(kept_images[order]).all():
        raise ValueError("the tallies have images in common; each image may be counted once only")
    order = order[kept_of(kept_images[order], keep)]
    added = {name: getattr(one, name) + getattr(other, name) for name in _ADDED}
    grid, histogram = bins.joined(one.grid, other.grid, one.histogram, other.histogram)
    return LayerTally(
        **added,
        grid=grid,
        histogram=histogram,
        smallest=np.minimum(one.smallest, other.smallest),
        largest=np.maximum(one.largest, other.largest),
        **_better_of(one, other),
        **_strongest_of_both(one, other),
        kept_images=kept_images[order],
        kept=np.concatenate([one.kept, other.kept])[order],
    )


@dataclass(frozen=True)
class ByClass:
    """N images in the order of their classes, see `by_class`: sorted once for all layers.

    labels: (N,) of the images as they are. classes: K. order: (N,) of the images. there: the classes that have images,
    ascending, and starts: where in `order` each begins.
    """

    labels: Counts
    classes: int
    order: Counts
    there: Counts
    starts: Counts


def by_class(labels: Counts, classes: int) -> ByClass:
    """Put images in the order of their classes. labels: (N,)."""
    order = np.argsort(labels, kind="stable")
    there, starts = np.unique(labels[order], return_index=True)
    return ByClass(labels, classes, order, there, starts)


def over_images(plan: LayerPlan, pooled: Floats, images: ByClass) -> dict[str, Any]:
    """Sum over images and over the images of each class. pooled: (N, U) s_mean."""
    shifted, found = pooled - plan.shift, np.zeros((images.classes, plan.units))
    found[images.there] = np.add.reduceat(shifted[images.order], images.starts)
    return {
        "pooled_total": shifted.sum(axis=0),
        "pooled_products": shifted.T @ shifted,
        "class_images": np.bincount(images.labels, minlength=images.classes),
        "class_total": found,
    }


def class_bests(peaks: Floats, images: ByClass, numbers: Counts) -> dict[str, Any]:
    """Find the strongest image of each class. peaks: (N, U) s_max. numbers: (N,) of the images."""
    shape, order = (images.classes, peaks.shape[1]), images.order
    best, image = np.full(shape, -np.inf), np.full(shape, -1, np.int64)
    rows = peaks[order]
    best[images.there] = np.maximum.reduceat(rows, images.starts)
    those = np.where(rows == best[images.labels[order]], numbers[order, np.newaxis], np.iinfo(np.int64).max)
    image[images.there] = np.minimum.reduceat(those, images.starts)
    return {"class_best": best, "class_best_image": image}


def listed(scores: Floats, images: Counts, positions: Counts, top: int) -> dict[str, Any]:
    """Return the strongest images of each unit as a tally has them. scores, images, positions: (n, U), n <= T.

    A score of -inf stands for no image.
    """
    units, none = scores.shape[1], scores == -np.inf
    found = {
        "top_score": np.full((top, units), -np.inf),
        "top_image": np.full((top, units), -1, np.int64),
        "top_position": np.full((top, units), -1, np.int64),
    }
    for into, rows in zip(found.values(), (scores, images, positions), strict=True):
        np.copyto(into[: len(scores)], rows, where=~none)
    return found


def _better_of(one: LayerTally, other: LayerTally) -> dict[str, Any]:
    # ties go to the lower image number, not to the first tally: the order of merging must not show
    earlier = (one.class_best == other.class_best) & (one.class_best_image < other.class_best_image)
    first = (one.class_best > other.class_best) | earlier
    return {
        "class_best": np.where(first, one.class_best, other.class_best),
        "class_best_image": np.where(first, one.class_best_image, other.class_best_image),
    }


def _strongest_of_both(one: LayerTally, other: LayerTally) -> dict[str, Any]:
    names = ("top_score", "top_image", "top_position")
    score, image, position = (np.concatenate([getattr(one, name), getattr(other, name)]) for name in names)
    order = np.lexsort((image, -score), axis=0)[: len(one.top_score)]
    return {
        name: np.take_along_axis(both, order, axis=0)
        for name, both in zip(names, (score, image, position), strict=True)
    }

"""What the batches of a shard leave, counted together in float64."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import reductions
from reportgen.analysis.activations.reductions import TOP, Read
from reportgen.analysis.activations.shards import Shard, Work
from reportgen.analysis.activations.tally import (
    ByClass,
    Counts,
    LayerPlan,
    LayerTally,
    by_class,
    class_bests,
    listed,
    merge,
    over_images,
)


class Counted:
    """The tallies of the batches of a shard that were sent so far. labels: (N,) of its images."""

    def __init__(self, work: Work, shard: Shard, labels: Counts) -> None:
        self._plans, self._classes = work.plans, work.classes
        self._labels, self._first = labels, shard.number
        self._tallies: list[LayerTally | None] = [None] * len(work.plans)
        self._kept = _Kept(work.kept, shard)
        self._repeat = np.zeros(len(shard), np.bool_)
        self._repeat[shard.places(work.repeats)] = True

    def add(self, read: Sequence[Read], start: int, end: int) -> None:
        """Count the batch of the images from `start` to `end`. read: of each layer."""
        classes = by_class(self._labels[start:end], self._classes)
        batch = _Batch(self._first + np.arange(start, end), classes, self._repeat[start:end])
        pooled = []
        for place, (plan, one) in enumerate(zip(self._plans, read, strict=True)):
            # in the place of the one before: those of all layers twice would be the most memory of a large model
            self._tallies[place], of_images = _added(plan, one, batch, self._tallies[place])
            pooled.append(of_images)
        self._kept.add(start, pooled)

    def tallies(self) -> list[LayerTally]:
        """Return the tallies of all batches, with the images that are kept."""
        found = [tally for tally in self._tallies if tally is not None]
        assert len(found) == len(self._tallies), "a shard has images"
        return self._kept.put_into(found)


class _Kept:
    """Gathers the mean responses of the images that are kept. Merging them batch by batch would copy them each time."""

    def __init__(self, kept: Counts, shard: Shard) -> None:
        places = shard.places(kept)
        self._numbers = shard.number + places
        self._chosen = np.zeros(len(shard), np.bool_)
        self._chosen[places] = True
        self._rows: list[NDArray[np.float32]] | None = None
        self._filled = 0

    def add(self, start: int, pooled: list[NDArray[np.float32]]) -> None:
        """Take what is kept of a batch that begins at image `start`: (B, U) of each layer."""
        if self._rows is None:
            self._rows = [np.empty((len(self._numbers), rows.shape[1]), np.float32) for rows in pooled]
        for into, rows in zip(self._rows, pooled, strict=True):
            found = rows[self._chosen[start : start + len(rows)]]
            into[self._filled : self._filled + len(found)] = found
        self._filled += int(self._chosen[start : start + len(pooled[0])].sum()) if pooled else 0

    def put_into(self, tallies: list[LayerTally]) -> list[LayerTally]:
        """Return the tallies with the images that are kept."""
        rows = self._rows or []
        return [replace(t, kept_images=self._numbers, kept=k) for t, k in zip(tallies, rows, strict=True)]


@dataclass(frozen=True)
class _Batch:
    """numbers: (B,) of its images, ascending. classes: of these. repeat: (B,) which repeat an earlier one."""

    numbers: Counts
    classes: ByClass
    repeat: NDArray[np.bool_]


@np.errstate(over="ignore", invalid="ignore")  # scores that are not finite end the report, see `outputs.check`
def _added(
    plan: LayerPlan, read: Read, batch: _Batch, before: LayerTally | None
) -> tuple[LayerTally, NDArray[np.float32]]:
    """Return the tally of a layer with a batch more, without kept images, and (B, U) s_mean of the batch."""
    found = reductions.reduced(read, plan)
    peaks, pooled = found.peaks.astype(np.float64), found.pooled.astype(np.float64)
    grid = (plan.grid if before is None else before.grid).holding(float(found.smallest.min()), float(peaks.max()))
    sampled = reductions.at_sampled(read, plan, grid)
    tally = LayerTally(
        images=len(peaks),
        fired=found.fired,
        zeros=len(peaks) * plan.positions - found.above,
        low_tail=found.low_tail,
        high_tail=found.high_tail,
        total=plan.positions * (pooled - plan.shift).sum(axis=0),
        squares=found.squares,
        absolute=found.absolute,
        smallest=found.smallest,
        largest=peaks.max(axis=0),
        grid=grid,
        histogram=sampled.histogram,
        map_total=sampled.total,
        map_products=sampled.products,
        **over_images(plan, pooled, batch.classes),
        **class_bests(peaks, batch.classes, batch.numbers),
        **_strongest(plan, read, found.peaks, batch, before),
        kept_images=np.zeros(0, np.int64),
        kept=np.zeros((0, plan.units), np.float32),
    )
    return (tally if before is None else merge(before, tally)), found.pooled


def _strongest(
    plan: LayerPlan, read: Read, peaks: NDArray[np.float32], batch: _Batch, before: LayerTally | None
) -> dict[str, Any]:
    """Return the strongest images of a batch as a tally has them, without those that earlier ones are before."""
    counts = np.where(batch.repeat[:, np.newaxis], np.float32(-np.inf), peaks) if batch.repeat.any() else peaks
    least = np.full(plan.units, -np.inf) if before is None else before.top_score[-1]
    found = reductions.strongest(read, plan, counts, least)
    scores, (images, positions) = np.full((TOP, plan.units), -np.inf), np.zeros((2, TOP, plan.units), np.int64)
    at = found.rank, found.unit
    scores[at], images[at], positions[at] = found.score, batch.numbers[found.image], found.position
    return listed(scores, images, positions, TOP)

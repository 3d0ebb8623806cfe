"""What the batches of a shard left, counted together outside of the graph, in float64."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.reductions import TOP
from reportgen.analysis.activations.shards import Shard, Work
from reportgen.analysis.activations.tally import (
    Counts,
    Floats,
    LayerPlan,
    LayerTally,
    class_bests,
    listed,
    merge,
    over_images,
)


class Counted:
    """The tallies of the batches of a shard that were sent so far. labels: (N,) of its images.

    grids: of each layer the bins for the values that were seen so far.
    """

    def __init__(self, work: Work, shard: Shard, labels: Counts) -> None:
        self._plans, self._classes = work.plans, work.classes
        self._labels, self._first = labels, shard.number
        self._tallies: list[LayerTally] | None = None
        self._kept = _Kept(work.kept, shard)
        self._repeat: NDArray[np.bool_] | None = None
        if len(work.repeats):
            self._repeat = np.zeros(len(shard), np.bool_)
            self._repeat[shard.places(work.repeats)] = True
        self.grids = [plan.grid for plan in work.plans]

    def given(self, start: int, end: int) -> list[NDArray[Any]]:
        """Return what the graph needs besides the images from `start` to `end`, see `_specs`."""
        per_value = np.array([grid.per_value for grid in self.grids], np.float32)
        return [per_value] if self._repeat is None else [per_value, self._repeat[start:end]]

    def widened(self, reduced: Sequence[dict[str, Any]]) -> bool:
        """Widen the bins of layers that have none for a value of a batch; return whether there are any."""
        before, self.grids = self.grids, [_holding(*both) for both in zip(self.grids, reduced, strict=True)]
        return self.grids != before

    def add(self, reduced: Sequence[dict[str, Any]], grids: Sequence[Grid], start: int, end: int) -> None:
        """Count the batch of the images from `start` to `end`. reduced: of each layer, see `_reduce`, in its grid."""
        labels, numbers = self._labels[start:end], self._first + np.arange(start, end)
        layers = zip(self._plans, grids, reduced, strict=True)
        batch = [_tally(plan, grid, found, labels, numbers, self._classes) for plan, grid, found in layers]
        before = self._tallies
        self._tallies = batch if before is None else [merge(a, b) for a, b in zip(before, batch, strict=True)]
        self._kept.add(start, [r["pooled"].numpy() for r in reduced])

    def tallies(self) -> list[LayerTally]:
        """Return the tallies of all batches, with the images that are kept."""
        assert self._tallies is not None
        return self._kept.put_into(self._tallies)


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


def _holding(grid: Grid, found: dict[str, Any]) -> Grid:
    """Return a grid that has bins for all values of a batch, see `_reduce`."""
    smallest = float(found["smallest"].numpy().min()) if "smallest" in found else 0.0
    return grid.holding(smallest, float(found["peaks"].numpy().max()))


def _tally(
    plan: LayerPlan, grid: Grid, reduced: dict[str, Any], labels: Counts, numbers: Counts, classes: int
) -> LayerTally:
    """Return the tally of one batch, without kept images. labels, numbers: (B,), numbers ascending.

    grid: of the histogram in `reduced`.
    """
    found = {name: value.numpy() for name, value in reduced.items()}
    peaks, pooled = (found[name].astype(np.float64) for name in ("peaks", "pooled"))
    nothing = np.zeros(plan.units, np.int64)

    def added(name: str) -> Floats:
        return np.asarray(found[name].sum(axis=0, dtype=np.float64))

    def counted(name: str) -> Counts:
        return added(name).astype(np.int64) if name in found else nothing

    sampled, rest = len(numbers) * len(plan.sampled), added("map_total")
    off = found["map_middle"].astype(np.float64) - plan.shift
    crossed = np.outer(rest, off)
    return LayerTally(
        images=len(numbers),
        fired=counted("fired") if "fired" in found else (peaks > plan.eps).sum(axis=0),
        zeros=len(numbers) * plan.positions - counted("above"),
        low_tail=counted("low_tail"),
        high_tail=counted("high_tail"),
        total=plan.positions * (pooled - plan.shift).sum(axis=0),
        squares=np.square(found["norms"], dtype=np.float64).sum(axis=0),
        absolute=added("absolute") if "absolute" in found else plan.positions * pooled.sum(axis=0),
        smallest=np.asarray(found.get("smallest", nothing), np.float64),
        largest=peaks.max(axis=0),
        grid=grid,
        histogram=found["histogram"].reshape(plan.units, -1).astype(np.int64),
        map_total=rest + sampled * off,
        map_products=found["map_products"] + crossed + crossed.T + sampled * np.outer(off, off),
        **over_images(plan, pooled, labels, classes),
        **class_bests(peaks, labels, numbers, classes),
        **listed(found["top_score"].T, numbers[found["top_place"].T], found["top_position"].T, TOP),
        kept_images=np.zeros(0, np.int64),
        kept=np.zeros((0, plan.units), np.float32),
    )

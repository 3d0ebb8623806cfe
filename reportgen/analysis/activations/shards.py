"""Images that go through the model in shards, here or elsewhere: what is done with each, and how results are joined."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Protocol

import numpy as np

from reportgen.analysis.activations import outputs
from reportgen.analysis.activations.ablation import Ablation
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally, merge
from reportgen.analysis.activations.traces import Traced
from reportgen.dataset import Part, Pixels, cut
from reportgen.progress import Progress


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with images, the same for each shard.

    pixels: how they reach the model. batch: how many of them at once. batches: how many such there are in all, see
    `batches_of`; by it is decided what pays, so that no piece is computed in another way than the rest. plans: how the
    layers are read, one for each reading; without them only the model's answers are asked for. classes: K of the
    labels. kept: (M,) the numbers of the images whose mean responses are kept, ascending. repeats: those of the images
    that show the same as an earlier one, ascending; mostly there are none. ablations: without which units the model is
    to answer, once for each; by the place of the layer's reading; only where there are no plans. traced: which images
    are traced; none where units are taken out. ranged: the places of the readings whose units' smallest and largest
    values are asked for; only where nothing is taken out.
    """

    pixels: Pixels
    batch: int
    batches: int
    plans: Sequence[LayerPlan] = ()
    classes: int = 0
    kept: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    repeats: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    ablations: Sequence[Mapping[int, Ablation]] = ({},)
    traced: Traced = field(default_factory=Traced)
    ranged: Sequence[int] = ()


@dataclass(frozen=True)
class Shard:
    """The images start ... stop - 1 of a part. number: of the first of them among all images that are looked at."""

    part: str
    start: int
    stop: int
    number: int = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"images {self.start:,} to {self.stop - 1:,} of the {self.part} split"

    def places(self, numbers: Counts) -> Counts:
        """Return where in the shard the images are that are in it of those with the ascending numbers."""
        first, end = np.searchsorted(numbers, [self.number, self.number + len(self)])
        return numbers[first:end] - self.number

    def of(self, parts: Mapping[str, Part]) -> Part:
        """Return these images and their labels; none is read."""
        part = parts[self.part]
        return Part(cut(part.images, self.start, self.stop), part.labels[self.start : self.stop])

    def divided(self, images: int) -> "list[Shard]":
        """Return shards of so many images each, the last of what is left."""
        starts = [*range(self.start, self.stop, images), self.stop]
        return [Shard(self.part, a, b, self.number + a - self.start) for a, b in pairwise(starts)]


def batches_of(shards: Iterable[Shard], batch: int) -> int:
    """Return how many batches of so many images some shards come to, those included that are smaller."""
    return sum(-(-len(shard) // batch) for shard in shards)


@dataclass(frozen=True, eq=False)
class Found:
    """What came of some shards. outputs: of the model, by shard, one for each ablation. tallies: one for each plan.

    ranges: (2, U) the smallest and the largest value of each unit, of the readings that were asked for, by their place.
    """

    outputs: Mapping[Shard, tuple[Outputs, ...]]
    tallies: Sequence[LayerTally]
    ranges: Mapping[int, Floats] = field(default_factory=dict)

    def outputs_of(self, part: str, ablation: int = 0) -> Outputs:
        """Return what is kept of the model's outputs for the images of a part, in their order."""
        shards = sorted((shard for shard in self.outputs if shard.part == part), key=lambda shard: shard.start)
        return outputs.joined([self.outputs[shard][ablation] for shard in shards])


class Engine(Protocol):
    """Where images are sent through the model."""

    def send(self, work: Work, parts: Mapping[str, Part], shards: Sequence[Shard], progress: Progress) -> Found:
        """Return what comes of the shards, which may be divided further, at whole batches, in any way."""


def joined(found: Iterable[Found]) -> Found:
    """Return what came of disjoint sets of shards as one. Raises as `tally.merge`."""
    return reduce(_both, found)


def _both(one: Found, other: Found) -> Found:
    tallies = [merge(a, b) for a, b in zip(one.tallies, other.tallies, strict=True)]
    return Found({**one.outputs, **other.outputs}, tallies, ranges_of(one.ranges, other.ranges))


def ranges_of(one: Mapping[int, Floats], other: Mapping[int, Floats]) -> dict[int, Floats]:
    """Return the ranges over two disjoint sets of images, of which one may have none; see `Found`."""
    if not one:
        return dict(other)
    return {
        place: np.stack([np.minimum(low, other[place][0]), np.maximum(high, other[place][1])])
        for place, (low, high) in one.items()
    }

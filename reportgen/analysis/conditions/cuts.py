"""Which images choose and which score, and at which positions of a map a unit is looked at."""

import hashlib
from dataclasses import dataclass

import numpy as np

from reportgen.analysis.conditions.result import Bools, Floats, Ints

BLOCKS = 16
"""Into how many blocks the scoring images are cut for permutations, see `nulls.by_chance`."""


@dataclass(frozen=True)
class Cuts:
    """The images cut by their bytes, so that equal images fall on one side.

    choose: (N,) what is fitted on; the others score. second: (N,) the half of those that choose on which it is judged
    whether one more feature pays.
    """

    choose: Bools
    second: Bools


def cuts(images: Floats) -> Cuts:
    """Cut images (N, ...) in two by a hash of their bytes, and those that choose in two once more."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    digests = [hashlib.blake2b(image.tobytes(), digest_size=2, person=b"conditions").digest() for image in flat]
    first = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 2)
    choose = first[:, 0] % 2 == 0
    return Cuts(choose, choose & (first[:, 1] % 2 == 0))


def aligned(places: Ints, choose: Bools) -> bool:
    """Return whether scoring images can be permuted within a position, as `positions` has it. places: (N, S)."""
    scored = places[~choose]
    each = len(scored) // BLOCKS
    blocks = scored[: each * BLOCKS].reshape(BLOCKS, each, places.shape[1])
    return bool((blocks == blocks[:1]).all())


def positions(shape: tuple[int, int], choose: Bools, each: int, seed: int) -> tuple[Ints, Ints]:
    """Return the rows and columns, (N, S), at which the map of each image is looked at; S is `each` at most.

    shape: (rows, columns) of the map. Scoring images are counted off in blocks, and the k-th image of every block is
    looked at in the same places: so images can be permuted within a position, see `nulls.by_chance`.
    """
    rng = np.random.default_rng(seed)
    places = shape[0] * shape[1]
    each = min(each, places)
    slots = np.zeros(len(choose), np.int64)
    for side in (choose, ~choose):
        slots[side] = np.arange(side.sum()) % max(side.sum() // BLOCKS, 1)
    drawn = rng.random((slots.max(initial=0) + 1, places)).argpartition(each - 1, axis=1)[:, :each]
    drawn.sort(axis=1)
    chosen = drawn[slots]
    return chosen // shape[1], chosen % shape[1]

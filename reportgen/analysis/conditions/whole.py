"""Units that are no convolutions on pictures: brightness and position of what they see, or no words at all.

Dense units on pictures (and whatever has one value per picture), units on vectors, and those on series and volumes.
"""

from collections.abc import Sequence

import numpy as np

from reportgen.analysis.conditions import classes, nulls, patches, words
from reportgen.analysis.conditions.basis import Measured
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.ink import ink
from reportgen.analysis.conditions.patches import Along, Axis, Pictures
from reportgen.analysis.conditions.result import Feature, Floats, Ints, LayerConditions, UnitCondition
from reportgen.analysis.conditions.work import Target, Work
from reportgen.i18n import Text, text

MOST_INPUTS = 64
"""Vectors that are longer have no words: one of so many inputs is no condition that a person could check."""

_MOST_CHANNELS = 8
_GRID = 4  # a field of a series or a volume is seen as so many blocks along each axis


def of_pictures(
    images: Floats, values: Floats, cut: Cuts, *, signed: bool = False, labels: Labels | None = None, seed: int = 0,
    permutations: int = nulls.PERMUTATIONS,
) -> LayerConditions:  # fmt: skip
    """Describe units with one value per picture, such as those of a dense layer.

    By brightness, contrast and where in the picture the brightness lies; then by a class. images: (N, H, W, C), values:
    (N, U).
    """
    grey = images.mean(axis=-1, dtype=np.float32)
    level = grey.mean(axis=(1, 2))
    span = float(np.ptp(grey)) if grey.size else 0.0
    above = np.abs(grey - np.median(grey))  # the ground of a drawing has no weight
    weight = above.sum(axis=(1, 2)) + 1e-6 * max(span, 1e-12)
    y, x = (2 * np.arange(size) / max(size - 1, 1) - 1 for size in grey.shape[1:])
    row, column = above.sum(axis=2) @ y / weight, above.sum(axis=1) @ x / weight
    spread = (above * np.hypot(*np.meshgrid(y, x, indexing="ij"))).sum(axis=(1, 2)) / weight
    named = {
        "brightness": level, "variation": grey.std(axis=(1, 2)), "weight row": row, "weight column": column,
        "spread": spread,
    }  # fmt: skip
    zero = np.zeros((len(images), 1), np.int64)
    field = (Along(images.shape[1]), Along(images.shape[2]))
    blocks = [
        patches.shrunk(Pictures(images[some]), zero[some], zero[some], field) for some in patches.in_turn(images, 0)
    ]
    seen = np.concatenate(blocks).reshape(len(images), 1, -1)
    drawn = ink(images)
    target = Target(values[:, np.newaxis], signed, drawn, whole=True, permutations=permutations)
    return _described(target, cut, _both_signs(named, seen), labels, seed)


def of_vectors(
    inputs: Floats, values: Floats, cut: Cuts, *, signed: bool = False, labels: Labels | None = None, seed: int = 0,
    permutations: int = nulls.PERMUTATIONS,
) -> LayerConditions:  # fmt: skip
    """Describe units on vectors, (N, D), by the inputs that drive them up or down; n/a for long vectors.

    values: (N, U). Inputs are numbered from 0.
    """
    if inputs.shape[1] > MOST_INPUTS:
        return unknown(values.shape[1], text("the model takes vectors of {n} values", n=f"{inputs.shape[1]:,}"))
    features, columns = [], []
    for at, column in enumerate(inputs.T):
        for sign in (1, -1):
            features.append(Feature("input", polarity=sign, index=at))
            columns.append(sign * column)
    made = np.stack(columns, axis=-1).astype(np.float32)[:, np.newaxis]
    there = np.ones((len(inputs), 1), np.bool_)
    measured = Measured(tuple(features), made, there, inputs[:, np.newaxis].astype(np.float32))
    return _described(
        Target(values[:, np.newaxis], signed, whole=True, permutations=permutations), cut, measured, labels, seed
    )


def of_places(
    images: Floats,
    places: Ints,
    values: Floats,
    field: Sequence[Axis],
    map_shape: Sequence[int],
    cut: Cuts,
    *,
    signed: bool = False,
    labels: Labels | None = None,
    seed: int = 0,
    permutations: int = nulls.PERMUTATIONS,
) -> LayerConditions:
    """Describe units with positions in series, (N, L, C), or volumes, (N, D, H, W, C).

    By the level, its slope and how much it varies in the field of a position, channel by channel up to eight, and by
    where the position lies. places: (N, S, axes), the sampled positions. values: (N, S, U). field, map_shape: along
    each axis. Beyond the border there are zeros.
    """
    some = patches.in_turn(images, 0)
    seen = np.concatenate([_blocks(images[these], places[these], field) for these in some])
    channels = seen.shape[-1]
    axes = tuple(range(2, seen.ndim - 1))
    level, spread = seen.mean(axis=axes), seen.std(axis=axes)
    named: dict[tuple[str, int | None], Floats] = {}
    if len(field) == 1:
        for channel in range(min(channels, _MOST_CHANNELS)):
            along = seen[..., channel]
            slope = along @ (np.arange(along.shape[-1]) - (along.shape[-1] - 1) / 2)
            named |= {("value", channel): level[..., channel], ("slope", channel): slope}
            named |= {("change", channel): spread[..., channel]}
    else:
        named |= {("light", None): level.mean(axis=-1), ("contrast", None): spread.mean(axis=-1)}
    at = [2 * places[..., axis] / max(size - 1, 1) - 1 for axis, size in enumerate(map_shape)]
    names = ["time"] if len(field) == 1 else ["plane", "row", "column"]
    named |= {(name, None): place for name, place in zip(names, at, strict=True)}
    if len(field) > 1:
        named["centre", None] = 1 - np.sqrt(sum(place**2 for place in at))
    features, columns = [], []
    for (kind, index), column in named.items():
        for sign in (1, -1):
            features.append(Feature(kind, polarity=sign, index=index))
            columns.append(sign * column)
    flat = seen.reshape(*seen.shape[:2], -1)
    moves = patches.not_flat(flat.reshape(-1, flat.shape[2]), float(np.ptp(images)) if images.size else 0.0)
    values_of = np.stack(columns, axis=-1).astype(np.float32)
    measured = Measured(tuple(features), values_of, moves.reshape(flat.shape[:2]), flat)
    return _described(Target(values, signed, permutations=permutations), cut, measured, labels, seed)


def unknown(units: int, reason: Text) -> LayerConditions:
    """Return units that no basis is there for, each with the reason, a clause: "the layer's input is tokens"."""
    sentence = text("No figure, because {reason}.", reason=reason)
    found = tuple(
        UnitCondition(unit, "n/a", None, sentence, (("n/a", reason),), reason=reason) for unit in range(units)
    )
    counts = {"n/a": units}
    return LayerConditions(found, counts, words.summary(counts, None), (), None, None, (0, 0), 0, 0)


def _described(target: Target, cut: Cuts, measured: Measured, labels: Labels | None, seed: int) -> LayerConditions:
    work = Work(target, cut, measured)
    figures = work.figures(seed)
    units: Sequence[UnitCondition] = work.units(figures)
    if labels is not None:
        units = classes.by_class(units, target.values, cut, labels)
    return work.layer(units)


def _both_signs(named: dict[str, Floats], seen: Floats) -> Measured:
    """Return features of whole pictures, (N,) each, with both signs. seen: (N, 1, P)."""
    features = tuple(Feature(kind, polarity=sign) for kind in named for sign in (1, -1))
    columns = [sign * column for column in named.values() for sign in (1, -1)]
    there = np.ones((len(seen), 1), np.bool_)
    return Measured(features, np.stack(columns, axis=-1).astype(np.float32)[:, np.newaxis], there, seen)


def _blocks(images: Floats, places: Ints, field: Sequence[Axis]) -> Floats:
    """Return what positions see as means of blocks, (N, S, *blocks, C): at most _GRID along each axis.

    By summed-area tables: the time does not grow with the field. Zeros beyond the border.
    """
    table = images.astype(np.float64)
    for axis in range(1, images.ndim - 1):
        table = table.cumsum(axis)
    table = np.pad(table, [(0, 0), *[(1, 0)] * len(field), (0, 0)])
    corners, sizes = [], []
    for number, (seen, size) in enumerate(zip(field, images.shape[1:-1], strict=True)):
        edges = np.linspace(0, seen.size, min(seen.size, _GRID) + 1).round().astype(np.int64)
        at = np.clip(seen.start + seen.jump * places[..., number, np.newaxis] + edges, 0, size)
        shape = [*at.shape[:2], *(at.shape[2] if n == number else 1 for n in range(len(field)))]
        corners.append(at.reshape(shape))
        sizes.append(np.diff(edges))
    image = np.arange(len(images)).reshape(-1, *[1] * (1 + len(field)))
    found = table[(image, *corners)]
    for number, size in enumerate(sizes):
        found = np.diff(found, axis=2 + number)
        found /= size.reshape(-1, *[1] * (len(field) - number))
    return np.asarray(found, np.float32)

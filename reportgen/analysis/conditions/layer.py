"""What the units of a convolution on pictures answer to, in words with their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reportgen.analysis.conditions import basis, classes, cuts, kernels, nulls, patches, words
from reportgen.analysis.conditions import below as layer_below
from reportgen.analysis.conditions.basis import Look, Measured
from reportgen.analysis.conditions.below import Below, Made
from reportgen.analysis.conditions.classes import Labels
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.ink import ink
from reportgen.analysis.conditions.patches import Axis
from reportgen.analysis.conditions.result import (
    Bools,
    Floats,
    Ink,
    Input,
    Ints,
    KernelReading,
    LayerConditions,
    UnitCondition,
)
from reportgen.analysis.conditions.work import SIMPLE, Figures, Target, Work
from reportgen.i18n import Text, text

_MOST_VALUES = 20_000_000  # of patches whose covariance is taken


@dataclass(frozen=True)
class Sampled:
    """A convolution's maps at sampled positions, and the pictures that they are of.

    images: (N, H, W, C) as the model receives them. rows, columns: (N, S), see `cuts.positions`. values: (N, S, U)
    there. field: of a position, along rows and columns, in pixels. map_shape: (rows, columns). signed: whether values
    are read before the activation, or may be negative. colour: whether channels are red, green and blue, in this
    order and on one scale: else there are no words for colours. ink: as `ink.ink` finds it, where that was done before.
    span: of all pixels of the images, where it is known. permutations: see `Target`.
    """

    images: Floats
    rows: Ints
    columns: Ints
    values: Floats
    field: tuple[Axis, Axis]
    map_shape: tuple[int, int]
    signed: bool = False
    colour: bool = False
    ink: Ink | Literal["look"] | None = "look"
    span: float | None = None
    permutations: int = nulls.PERMUTATIONS


def described(
    sampled: Sampled,
    cut: Cuts,
    *,
    kernel: Floats | None = None,
    below: Below | None = None,
    labels: Labels | None = None,
    seed: int = 0,
) -> "Described":
    """Return what each unit of a convolution answers to, and what these words make of other positions.

    kernel: (U, h, w, C) of a first convolution, whose positions see just the field and nothing but the pixels. below:
    of a deeper one. Features are looked for in the picture first; a unit that they do not describe is described by
    the units below it, then by a class. Raises as `scored`.
    """
    from threadpoolctl import threadpool_limits

    # threads of OpenBLAS that wait for a busy core make small products slower by far
    with threadpool_limits(1, user_api="blas"):
        found = scored(sampled, cut, kernel=kernel, below=below, seed=seed)
    return found.worded([] if below is None else below.conditions, labels)


def scored(
    sampled: Sampled,
    cut: Cuts,
    *,
    kernel: Floats | None = None,
    below: Below | None = None,
    measured: Measured | None = None,
    seed: int = 0,
) -> "Scored":
    """Return the figures behind what `described` says, which do not depend on any words.

    Fast only within a limit of one thread for each product, which the caller sets once for all layers.
    measured: the features at the positions, where these were measured before, see `look_of`. Raises ValueError for
    positions that do not come from `cuts.positions`, and for a kernel that is not as large as the field.
    """
    if not (cuts.aligned(sampled.rows, cut.choose) and cuts.aligned(sampled.columns, cut.choose)):
        raise ValueError("the positions are not those of cuts.positions")
    if kernel is not None and kernel.shape[1:3] != tuple(axis.size for axis in sampled.field):
        raise ValueError("the kernel is not as large as the field")
    return _scored(sampled, cut, kernel, below, measured, seed)


def look_of(sampled: Sampled) -> Look:
    """Return where a layer's units look. What is measured there is the same for all layers of the same look."""
    span = sampled.span
    if span is None:
        span = float(np.ptp(sampled.images)) if sampled.images.size else 0.0
    return Look(sampled.field, sampled.map_shape, sampled.images.shape[1:3], span, sampled.colour)


@dataclass(frozen=True, eq=False)
class Scored:
    """The figures of a layer, and those of the units below it where these are known."""

    sampled: Sampled
    work: Work
    figures: Figures
    look: Look
    below: Below | None
    made: Made | None

    def worded(self, conditions: Sequence[Text | None], labels: Labels | None) -> "Described":
        """Return the layer in words. conditions: of the units below, where there are any."""
        units: Sequence[UnitCondition] = self.work.units(self.figures)
        if self.below is not None and self.made is not None:
            units = _by_units_below(units, self.sampled, self.below, self.made, conditions)
        if labels is not None:
            units = classes.by_class(units, self.sampled.values, self.work.cut, labels)
        return Described(self.work.layer(units, _notes(self.sampled)), self.work, self.figures, self.look)


@dataclass(frozen=True, eq=False)
class Described:
    """The conditions of a layer, and the fits behind them."""

    conditions: LayerConditions
    work: Work
    figures: Figures
    look: Look

    def median_image(self, units: Ints) -> Ints:
        """Return for each of some units, (V,), a scored image on which the words fit as well as on the median one.

        Among those on which the unit varies: on others there is nothing to fit.
        """
        return self.work.median_image(self.figures, units)

    def told(self, images: Floats, units: Ints, of: Ints, step: int) -> Floats:
        """Return what the words say units' maps are, (V, rows, columns) float32, at every step-th row and column.

        images: (N, H, W, C). units, of: (V,) whose map, and of which of the images.
        """
        shape = tuple(-(-size // step) for size in self.look.map_shape)
        rows, columns = (step * at.ravel()[np.newaxis] for at in np.indices(shape))
        made = np.empty((len(units), *shape), np.float32)
        for image in np.unique(of):
            those = of == image
            named = self.figures.chosen.chosen[units[those]]
            wanted = np.isin(np.arange(len(self.work.measured.features)), named)
            measured = basis.values(images[image : image + 1], rows, columns, self.look, wanted)
            made[those] = self.work.told(measured, self.figures, units[those])[0].T.reshape(-1, *shape)
        return made


def _scored(
    sampled: Sampled, cut: Cuts, kernel: Floats | None, below: Below | None, measured: Measured | None, seed: int
) -> Scored:
    look = look_of(sampled)
    measured = measured or basis.measure(patches.Pictures(sampled.images), sampled.rows, sampled.columns, look)
    drawn = ink(sampled.images) if sampled.ink == "look" else sampled.ink
    target = Target(sampled.values, sampled.signed, drawn, len(look.scales), permutations=sampled.permutations)
    work = Work(target, cut, measured)
    figures = work.figures(seed)
    scored = work.flattened(~cut.choose)
    made = None
    if len(scored) and below is not None:
        made = layer_below.made_of(below, sampled.rows.shape[1], scored)
        figures = replace(figures, random=work.random(made.which, made.seen, seed))
    elif len(scored) > 1 and kernel is not None:
        read = _read(kernel, sampled, scored)
        figures = replace(figures, random=work.random(scored, _seen(measured, scored), seed), kernels=read)
    return Scored(sampled, work, figures, look, below, made)


def _notes(sampled: Sampled) -> list[Text]:
    """Return what is said of all units: that fields reach beyond the border, where they do."""
    along = zip(sampled.field, sampled.map_shape, sampled.images.shape[1:3], strict=True)
    if any(axis.start < 0 or axis.start + axis.jump * (n - 1) + axis.size > size for axis, n, size in along):
        return [text("Beyond the border of the picture, features see zeros.")]
    return []


def _seen(measured: Measured, which: Ints) -> Floats:
    """Return what positions see, (n, P). which: (n,), numbered through (N, S)."""
    found: Floats = measured.seen.reshape(-1, measured.seen.shape[2])[which]
    return found


def _read(kernel: Floats, sampled: Sampled, scored: Ints) -> list[KernelReading | None]:
    """Return the exact reading of the kernels of a first convolution. scored: positions, numbered through (N, S)."""
    which = scored[:: -(-len(scored) * int(np.prod(kernel.shape[1:])) // _MOST_VALUES)]
    image, place = np.divmod(which, sampled.rows.shape[1])
    at = (sampled.rows[image, place][:, np.newaxis], sampled.columns[image, place][:, np.newaxis])
    seen = patches.gather(sampled.images[image], *at, sampled.field).reshape(len(which), -1)
    return kernels.read(kernel, kernels.covariance(seen), sampled.colour)


def _by_units_below(
    units: Sequence[UnitCondition], sampled: Sampled, below: Below, made: Made, conditions: Sequence[Text | None]
) -> list[UnitCondition]:
    """Return deeper units with the units that they are made of; described by them where the picture does not do it."""
    inputs = layer_below.named(made, conditions)
    explained = layer_below.explained(made, below, inputs).tolist()
    values = sampled.values.reshape(-1, sampled.values.shape[2])[made.which]
    return [
        unit if unit.step == "n/a" else _made_of(unit, of, share, below, made, values[:, unit.unit] > 0)
        for unit, of, share in zip(units, inputs, explained, strict=True)
    ]


def _made_of(
    unit: UnitCondition, inputs: tuple[Input, ...], explained: float, below: Below, made: Made, fires: Bools
) -> UnitCondition:
    """Return a unit with the units below that bring most of it. fires: at the positions `made.which`."""
    if unit.step != "none" or not inputs:
        return replace(unit, inputs=inputs)
    parts = (*unit.parts, ("explained below", explained))
    if explained < SIMPLE:
        sentence = words.not_below_either(unit.sentence, inputs, explained)
        return replace(unit, inputs=inputs, sentence=sentence, parts=parts)
    relation = layer_below.relation(made, below, unit.unit, inputs, fires)
    of = words.units_below(inputs, relation)
    sentence = words.made_of(of, explained, unit.r2_held_out)
    parts = (*parts, ("relation", relation))
    return replace(unit, inputs=inputs, step="units below", condition=of, sentence=sentence, parts=parts)

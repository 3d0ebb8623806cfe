"""What the units of a convolution on pictures answer to, in words with their scores."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.analysis.conditions import basis, fit, kernels, nulls, patches, score, words
from reportgen.analysis.conditions import below as layer_below
from reportgen.analysis.conditions.basis import Look, Measured
from reportgen.analysis.conditions.below import Below, Made
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.fit import Fit, Moments
from reportgen.analysis.conditions.ink import ink as ink_of
from reportgen.analysis.conditions.patches import Axis
from reportgen.analysis.conditions.result import (
    Bools,
    Feature,
    Floats,
    Ink,
    Ints,
    KernelReading,
    LayerConditions,
    UnitCondition,
    Weighted,
)
from reportgen.texts import Text, text

SIMPLE = 0.5
"""Words describe a unit where they explain at least this share of its variance, and more than chance."""

NEAR = 0.03
"""Another condition that explains less by no more than this is named as well."""

_LEAST_PATCHES = 100  # that are not flat, to choose on and to score on
_EDGES = 4  # so many units for edges make a layer in which a missing direction is worth saying


@dataclass(frozen=True)
class Sampled:
    """A convolution's maps at sampled positions, and the pictures that they are of.

    images: (N, H, W, C) as the model receives them. rows, columns: (N, S), see `cuts.positions`. values: (N, S, U) there.
    field: of a position, along rows and columns, in pixels. map_shape: (rows, columns). signed: whether values are
    read before the activation, or may be negative. colour: whether channels are red, green and blue, in this order.
    """

    images: Floats
    rows: Ints
    columns: Ints
    values: Floats
    field: tuple[Axis, Axis]
    map_shape: tuple[int, int]
    signed: bool = False
    colour: bool = False


@dataclass(frozen=True)
class Labels:
    """The classes of the images. numbers: (N,). names: (K,)."""

    numbers: Ints
    names: Sequence[str]


def conditions(
    sampled: Sampled,
    cut: Cuts,
    *,
    kernel: Floats | None = None,
    below: Below | None = None,
    labels: Labels | None = None,
    seed: int = 0,
) -> LayerConditions:
    """Return what each unit of a convolution answers to.

    kernel: (U, h, w, C) of a first convolution, whose positions see just the field and nothing but the pixels. below: of a
    deeper one. Features are looked for in the picture first; a unit that they do not describe is described by the units
    below it, then by a class.
    """
    from threadpoolctl import threadpool_limits

    # threads of OpenBLAS that wait for a busy core make small products slower by far
    with threadpool_limits(1, user_api="blas"):
        return _conditions(sampled, cut, kernel, below, labels, seed)


def _conditions(
    sampled: Sampled, cut: Cuts, kernel: Floats | None, below: Below | None, labels: Labels | None, seed: int
) -> LayerConditions:
    span = float(np.ptp(sampled.images)) if sampled.images.size else 0.0
    look = Look(sampled.field, sampled.map_shape, sampled.images.shape[1:3], span, sampled.colour)
    measured = basis.measure(sampled.images, sampled.rows, sampled.columns, look)
    work = _Work(sampled, cut, look, measured, ink_of(sampled.images))
    figures = work.figures(seed)
    made = None
    if below is not None and len(scored := work.flattened(~cut.choose)):
        made = layer_below.made_of(below, sampled.rows, sampled.columns, scored)
    figures = replace(figures, random=work.random(kernel, made, seed), kernels=work.kernels(kernel))
    units = [work.unit(unit, figures) for unit in range(sampled.values.shape[2])]
    if below is not None and made is not None:
        units = [_by_units_below(unit, sampled, below, made) for unit in units]
    if labels is not None:
        units = _by_class(units, sampled, cut, labels)
    return work.layer(units)


@dataclass(frozen=True)
class _Figures:
    """Of all units of a layer, each (U,) where nothing else is said; NaN where undefined.

    chosen: Fit on all that choose, with up to three features. count: how many of them are named. r2: (3, U) on patches that
    are not flat with one, two and three. everywhere: with the first alone, and with those named, (2, U).
    """

    chosen: Fit
    count: Ints
    r2: Floats
    everywhere: Floats
    runner_up: Ints
    f1: Floats
    f1_constant: Floats
    ceiling: Floats
    by_chance: float | None
    random: Floats | None = None
    kernels: list[KernelReading | None] | None = None


class _Work:
    """A layer with its features measured and its images cut."""

    def __init__(self, sampled: Sampled, cut: Cuts, look: Look, measured: Measured, ink: Ink | None) -> None:
        self.sampled, self.cut, self.look, self.measured, self.ink = sampled, cut, look, measured, ink
        features, units = measured.values.shape[2], sampled.values.shape[2]
        self.varies = np.ptp(sampled.values.reshape(-1, units), axis=0) > 0
        chosen = cut.choose if cut.choose.any() else np.ones(len(cut.choose), np.bool_)
        self.x = _scaled(measured.values, measured.values[chosen].reshape(-1, features))
        self.y = _scaled(sampled.values, sampled.values[chosen].reshape(-1, units))
        self.said = [feature.said for feature in measured.features]
        self.of = {
            "fit": cut.choose & ~cut.second, "judge": cut.second, "score": ~cut.choose,
        }  # fmt: skip

    def part(self, name: str, flat: bool = False) -> tuple[Floats, Floats]:
        """Return x (n, F) and y (n, U) of the patches of a cut that are not flat, or of those that are."""
        these = self.of[name][:, np.newaxis] & (self.measured.not_flat != flat)
        return self.x[these], self.y[these]

    def flattened(self, images: Bools) -> Ints:
        """Return the positions of these images whose patches are not flat, numbered through (N, S)."""
        return np.flatnonzero(images[:, np.newaxis] & self.measured.not_flat)

    def figures(self, seed: int) -> _Figures:
        parts = {name: self.part(name) for name in self.of}
        found = {name: fit.moments(*part) for name, part in parts.items()}
        chosen = fit.greedy(found["fit"], self.said)
        count = fit.count(found["judge"], found["fit"], chosen)
        both = found["fit"] + found["judge"]
        blank = Fit(chosen, np.zeros(chosen.shape), np.zeros(len(chosen)))
        fits = [fit.weigh(both, blank.first(k)) for k in range(1, fit.MOST + 1)]
        named = fit.weigh(both, blank.first(count))
        everywhere = found["score"] + fit.moments(*self.part("score", flat=True))
        scores = ~self.cut.choose
        real = self.y[scores].reshape(-1, self.y.shape[2])
        predicted = self.x[scores].reshape(-1, self.x.shape[2]) @ named.matrix(self.x.shape[2]).astype(np.float32)
        f1, constant = score.f1(real, predicted + named.intercept.astype(np.float32)) if len(real) else (_undefined(self), _undefined(self))
        return _Figures(
            chosen=named,
            count=count,
            r2=np.array([fit.r2(found["score"], one) for one in fits]),
            everywhere=np.array([fit.r2(everywhere, fits[0]), fit.r2(everywhere, named)]),
            runner_up=_runner_up(both, chosen[:, 0], self.said),
            f1=f1,
            f1_constant=constant,
            ceiling=self._ceiling(parts, seed),
            by_chance=nulls.by_chance(self.x[scores], self.y[scores], self.measured.not_flat[scores], seed),
        )

    def _ceiling(self, parts: dict[str, tuple[Floats, Floats]], seed: int) -> Floats:
        if any(len(x) < _LEAST_PATCHES // 2 for x, _ in parts.values()):
            return _undefined(self)
        masks = [self.of[name][:, np.newaxis] & self.measured.not_flat for name in parts]
        pairs = [(self.measured.seen[mask], y) for mask, (_, y) in zip(masks, parts.values(), strict=True)]
        return score.ceiling(pairs[0], pairs[1], pairs[2], seed)

    def random(self, kernel: Floats | None, made: Made | None, seed: int) -> Floats | None:
        """Return the percentile among random kernels on what the layer is given; None where that is not known."""
        scored = self.flattened(~self.cut.choose)
        if not len(scored) or (made is None and kernel is None):
            return None
        which, seen = (scored, None) if made is None else (made.which, made.seen)
        if seen is None:
            seen = self.measured.seen.reshape(-1, self.measured.seen.shape[2])[which]
        x, y = (all_of.reshape(-1, all_of.shape[2])[which] for all_of in (self.x, self.y))
        values = self.sampled.values.reshape(-1, self.sampled.values.shape[2])[which]
        return nulls.random_kernels(seen, x, y, None if self.sampled.signed else (values > 0).mean(axis=0), seed)

    def kernels(self, kernel: Floats | None) -> list[KernelReading | None] | None:
        if kernel is None:
            return None
        scored = self.flattened(~self.cut.choose)
        size = int(np.prod(kernel.shape[1:]))
        which = scored[:: max(-(-len(scored) * size // 20_000_000), 1)]
        if len(which) < 2:
            return None
        image, place = np.divmod(which, self.sampled.rows.shape[1])
        at = (self.sampled.rows[image, place][:, np.newaxis], self.sampled.columns[image, place][:, np.newaxis])
        seen = patches.gather(self.sampled.images[image], *at, self.sampled.field).reshape(len(which), -1)
        return kernels.read(kernel, kernels.covariance(seen), self.look.colour)

    def unit(self, unit: int, found: _Figures) -> UnitCondition:
        """Return what the picture says of a unit."""
        images = int((~self.cut.choose).sum())
        if (reason := self._reason(unit, found)) is not None:
            sentence = text("No figure, because {reason}.", reason=reason)
            return UnitCondition(unit, "n/a", None, sentence, (("n/a", reason),), images=images, reason=reason)
        chosen = found.chosen.chosen[unit]
        features = tuple(
            Weighted(self.measured.features[at], float(weight))
            for at, weight in zip(chosen, found.chosen.weights[unit], strict=True)
            if at >= 0
        )
        one, together = float(found.r2[0, unit]), float(found.r2[max(found.count[unit], 1) - 1, unit])
        single = one >= SIMPLE
        r2 = one if single else together
        runner_up = None if found.runner_up[unit] < 0 else self.measured.features[found.runner_up[unit]]
        ceiling = _number(found.ceiling[unit])
        known = {
            "r2_everywhere": _number(found.everywhere[0 if single else 1, unit]),
            "r2_all": together if len(features) > 1 and single else None,
            "ceiling": None if ceiling is None else max(ceiling, together),
            "by_chance": found.by_chance,
            "random_percentile": None if found.random is None else _number(found.random[unit]),
        }
        simple = bool(features) and r2 >= SIMPLE and r2 > (found.by_chance or 0.0)
        made = UnitCondition(
            unit, "picture" if simple else "none", None, text(""), (), features,
            r2_held_out=together if features else None,
            r2_one=one if features else None,
            r2_three=_number(found.r2[-1, unit]) if features else None,
            r2_everywhere=_number(found.everywhere[1, unit]),
            f1=_number(found.f1[unit]), f1_constant=_number(found.f1_constant[unit]),
            ceiling=known["ceiling"], runner_up=runner_up, by_chance=found.by_chance,
            random_percentile=known["random_percentile"],
            kernel=None if found.kernels is None else found.kernels[unit], images=images,
        )  # fmt: skip
        return self._worded(made, single, r2, known)

    def _worded(self, made: UnitCondition, single: bool, r2: float, known: dict[str, float | None]) -> UnitCondition:
        """Return a unit with its sentence. single: the first feature is enough. r2: of what is named."""
        names = [self._name(one.feature) for one in made.features]
        parts = (("features", tuple(one.feature for one in made.features)), ("single", single), ("r2", r2))
        if not names:
            return replace(made, sentence=words.no_simple(None, r2, []), parts=parts)
        if not single:
            of = words.listed(names)
            figures = words.figures(known, None)
        else:
            of = names[0] if made.runner_up is None else words.both(names[0], self._name(made.runner_up))
            figures = words.figures(known, words.listed(names[1:]) if len(names) > 1 else None)
        if made.step == "none":
            return replace(made, sentence=words.no_simple(of, r2, figures), parts=parts)
        return replace(made, condition=of, sentence=words.fires_on(of, r2, figures, self.sampled.signed), parts=parts)

    def _name(self, feature: Feature) -> Text:
        return words.condition(feature, self.ink, len(self.look.scales))

    def _reason(self, unit: int, found: _Figures) -> Text | None:
        """Return why there is no figure of a unit."""
        if not self.varies[unit]:
            return text("it has the same value everywhere")
        if min(len(self.flattened(self.cut.choose)), len(self.flattened(~self.cut.choose))) < _LEAST_PATCHES:
            return text("there are too few patches that are not flat")
        if np.isnan(found.r2[0, unit]):
            return text("it has the same value on all patches that are scored")
        return None

    def layer(self, units: Sequence[UnitCondition]) -> LayerConditions:
        counts = Counter(_group(unit) for unit in units)
        gaps = self._gaps(units) if counts["edge"] >= _EDGES else ()
        scores = ~self.cut.choose
        return LayerConditions(
            tuple(units),
            dict(sorted(counts.items(), key=lambda pair: (pair[0] in ("none", "n/a"), -pair[1]))),
            words.summary(dict(sorted(counts.items(), key=lambda p: (p[0] in ("none", "n/a"), -p[1]))), self.ink),
            gaps,
            words.missing(gaps, self.ink),
            self.ink,
            (int(self.cut.choose.sum()), int(scores.sum())),
            int(scores.sum()) * self.sampled.rows.shape[1],
            int(self.measured.not_flat[scores].sum()),
        )

    def _gaps(self, units: Sequence[UnitCondition]) -> tuple[int, ...]:
        """Return the directions of edges that no described unit has among its features."""
        there = {one.feature.angle for unit in units if unit.step == "picture" for one in unit.features if one.feature.kind == "edge"}
        known = {feature.angle for feature in self.measured.features if feature.kind == "edge"}
        return tuple(sorted(angle for angle in known - there if angle is not None))


def _by_units_below(unit: UnitCondition, sampled: Sampled, below: Below, made: Made) -> UnitCondition:
    """Return a deeper unit with the units it is made of; described by them where the picture does not do it."""
    if unit.step == "n/a":
        return unit
    inputs = layer_below.named(made, below, unit.unit)
    unit = replace(unit, inputs=inputs)
    brought = sum(one.share for one in inputs)
    if unit.step != "none" or brought < SIMPLE:
        return unit
    fires = sampled.values.reshape(-1, sampled.values.shape[2])[made.which, unit.unit] > 0
    relation = layer_below.relation(made, below, unit.unit, inputs, fires)
    of = words.units_below(inputs, relation)
    parts = (*unit.parts, ("relation", relation))
    return replace(unit, step="units below", condition=of, sentence=words.made_of(of, brought, unit.r2_held_out), parts=parts)


def _by_class(units: Sequence[UnitCondition], sampled: Sampled, cut: Cuts, labels: Labels) -> list[UnitCondition]:
    """Describe by a class what neither the picture nor the units below describe: R2 of being of that class or not."""
    means = sampled.values.mean(axis=1, dtype=np.float64)
    of_class = labels.numbers[:, np.newaxis] == np.arange(len(labels.names))
    chosen, scored = (_correlated(means[side], of_class[side]) for side in (cut.choose, ~cut.choose))
    found = []
    for unit in units:
        best = int(chosen[unit.unit].argmax())
        r2 = float(max(scored[unit.unit, best], 0) ** 2)
        if unit.step == "none" and r2 >= SIMPLE and chosen[unit.unit, best] > 0:
            label = labels.names[best]
            sentence = words.fires_on_class(label, r2)
            unit = replace(unit, step="class", condition=words.of_class(label), sentence=sentence, label=label)
        found.append(unit)
    return found


def _correlated(means: Floats, of_class: Bools) -> Floats:
    """Return the correlation of units (n, U) with being of a class (n, K), (U, K); 0 where undefined."""
    x, y = of_class - of_class.mean(axis=0), means - means.mean(axis=0)
    whole = np.sqrt(np.outer((y**2).sum(axis=0), (x**2).sum(axis=0)))
    return np.asarray(np.where(whole > 0, y.T @ x / np.where(whole > 0, whole, 1), 0))


def _runner_up(found: Moments, first: Ints, said: Sequence[object]) -> Ints:
    """Return the feature of other words that alone explains most after the first, if nearly as much; else -1, (U,)."""
    xx, xy, yy = found.centred()
    variance = np.diag(xx)
    whole = np.outer(yy, variance)
    known = (variance > 1e-6 * max(found.n, 1)) & (whole > 0)
    r2 = np.where(known, np.maximum(xy.T, 0) ** 2 / np.where(known, whole, 1), 0)
    numbers = {words: number for number, words in enumerate(dict.fromkeys(said))}
    names = np.array([numbers[one] for one in said])
    units = np.arange(len(first))
    best = r2[units, first]
    others = np.where(names == names[first][:, np.newaxis], -1, r2)
    second = others.argmax(axis=1)
    near = (first >= 0) & (others[units, second] >= np.maximum(best - NEAR, 1e-6))
    return np.where(near, second, -1)


def _group(unit: UnitCondition) -> str:
    if unit.step == "picture":
        return words.group(unit.features[0].feature)
    return {"units below": "below"}.get(unit.step, unit.step)


def _scaled(values: Floats, of: Floats) -> Floats:
    """Return values (N, S, F) as float32, less the mean of `of` (n, F) and over its deviation where there is one."""
    mean, deviation = of.mean(axis=0, dtype=np.float64), of.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 1e-12, deviation, 1)
    return np.asarray((values - mean.astype(np.float32)) / deviation.astype(np.float32), np.float32)


def _undefined(work: _Work) -> Floats:
    return np.full(work.sampled.values.shape[2], np.nan)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

"""How well a basis of features describes a layer's units: chosen on one half of the images, scored on the other.

Longer than most modules: choice, score and words of a unit share the halves of the images and their permutations.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reportgen.analysis.conditions import fit, nulls, score, words
from reportgen.analysis.conditions.basis import Measured
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.fit import Fit, Moments
from reportgen.analysis.conditions.result import (
    Bools,
    Floats,
    Ink,
    Ints,
    KernelReading,
    LayerConditions,
    UnitCondition,
    Weighted,
)
from reportgen.analysis.phrases import listed
from reportgen.i18n import Text, text

SIMPLE = 0.5
"""Words describe a unit where they explain at least this share of its variance, and more than chance."""

NEAR = 0.03
"""Another condition that explains less by no more than this is named as well."""

_LEAST = 100  # patches, or images, that are not flat: to choose on and to score on
_LEAST_FIRING = 20  # patches, or images, on each side: of fewer, a share of variance says nothing
_EDGES = 4  # so many units for edges make a layer in which a missing direction is worth saying


@dataclass(frozen=True)
class Target:
    """What is described: a layer's values, (N, S, U), at sampled positions of each image.

    signed: values are read before the activation, or may be negative. ink, scales: how features are called, see
    `words.condition`. whole: a value is of a whole image, not of a patch. permutations: how many of the images are
    tried for what chance reaches.
    """

    values: Floats
    signed: bool = False
    ink: Ink | None = None
    scales: int = 1
    whole: bool = False
    permutations: int = nulls.PERMUTATIONS


@dataclass(frozen=True)
class Figures:
    """Of all units of a layer, each (U,) where nothing else is said; NaN where undefined.

    chosen: Fit on all that choose, with up to three features. count: how many of them are named. r2: (3, U) on
    patches that are not flat with one, two and three. everywhere: with the first alone, and with those named, (2, U).
    strong: see `score.f1`.
    """

    chosen: Fit
    count: Ints
    r2: Floats
    everywhere: Floats
    runner_up: Ints
    strong: tuple[Floats, Floats, Floats]
    ceiling: Floats
    by_chance: float | None
    random: Floats | None = None
    kernels: list[KernelReading | None] | None = None


class Work:
    """A layer with its features measured and its images cut."""

    def __init__(self, target: Target, cut: Cuts, measured: Measured) -> None:
        self.target, self.cut, self.measured = target, cut, measured
        features, units = measured.values.shape[2], target.values.shape[2]
        values = target.values.reshape(-1, units)
        self.finite = np.asarray(np.isfinite(values).all(axis=0))
        if not self.finite.all():
            self.target = target = replace(target, values=np.where(self.finite, target.values, 0))
            values = target.values.reshape(-1, units)
        self.lowest = values.min(axis=0)
        self.varies = np.asarray(values.max(axis=0) > self.lowest)
        chosen = cut.choose if cut.choose.any() else np.ones(len(cut.choose), np.bool_)
        self._of_x = _scale(measured.values[chosen].reshape(-1, features))
        self._of_y = _scale(target.values[chosen].reshape(-1, units))
        self.x = _scaled(measured.values, self._of_x)
        self.y = _scaled(target.values, self._of_y)
        self.said = [feature.said for feature in measured.features]
        self._names = [words.condition(feature, target.ink, target.scales) for feature in measured.features]
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

    def figures(self, seed: int) -> Figures:
        """Choose and weigh the features of all units, and score them."""
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
        strong = (_undefined(self),) * 3
        if len(real):
            strong = score.f1(real, predicted + named.intercept.astype(np.float32))
        return Figures(
            chosen=named,
            count=count,
            r2=np.array([fit.r2(found["score"], one) for one in fits]),
            everywhere=np.array([fit.r2(everywhere, fits[0]), fit.r2(everywhere, named)]),
            runner_up=_runner_up(both, chosen[:, 0], self.said),
            strong=strong,
            ceiling=self._ceiling(parts, seed),
            by_chance=nulls.by_chance(
                self.x[scores], self.y[scores], self.measured.not_flat[scores], seed, self.target.permutations
            ),
        )

    def _ceiling(self, parts: dict[str, tuple[Floats, Floats]], seed: int) -> Floats:
        if any(len(x) < _LEAST // 2 for x, _ in parts.values()):
            return _undefined(self)
        masks = [self.of[name][:, np.newaxis] & self.measured.not_flat for name in parts]
        known: score.Ceiling | None = self.measured.prepared.get("ceiling")
        if known is None:
            fitted, judge, scored = (self.measured.seen[mask] for mask in masks)
            known = score.Ceiling(fitted, judge, scored, seed)
            self.measured.prepared["ceiling"] = known
        return known.r2(*(y for _, y in parts.values()))

    def random(self, which: Ints, seen: Floats, seed: int) -> Floats:
        """Return the percentile of each unit among random kernels, (U,).

        seen: (n, P) what the layer is given at the positions `which`, (n,), numbered through (N, S).
        """
        x, y, values = (one.reshape(-1, one.shape[2])[which] for one in (self.x, self.y, self.target.values))
        return nulls.random_kernels(seen, x, y, None if self.target.signed else (values > 0).mean(axis=0), seed)

    def told(self, values: Floats, found: Figures, units: Ints) -> Floats:
        """Return what the named features of units (V,) say of positions, (N, S, V). values: (N, S, F), theirs."""
        mean, deviation = (of[units] for of in self._of_y)
        x, fit = _scaled(values, self._of_x), found.chosen
        fit = Fit(fit.chosen[units], fit.weights[units], fit.intercept[units])
        said = x @ fit.matrix(x.shape[2]).astype(np.float32) + fit.intercept.astype(np.float32)
        return np.asarray(said * deviation + mean, np.float32)

    def median_image(self, found: Figures, units: Ints) -> Ints:
        """Return for each of some units, (V,), the scored image of median mean squared error, see `Described`."""
        scored = np.flatnonzero(~self.cut.choose)
        x, y = self.x[scored], self.y[scored][..., units]
        said = x @ found.chosen.matrix(x.shape[2])[:, units].astype(np.float32)
        said += found.chosen.intercept[units].astype(np.float32)
        error, spread = ((y - said) ** 2).mean(axis=1), y.std(axis=1)
        error = np.where(spread >= np.median(spread, axis=0), error, np.nan)  # (n, U)
        order = np.argsort(error, axis=0, kind="stable")  # what is not counted comes last
        middle = np.isfinite(error).sum(axis=0) // 2
        return np.asarray(scored[order[middle, np.arange(error.shape[1])]])

    def units(self, found: Figures) -> list[UnitCondition]:
        """Return what the picture says of each unit."""
        images, scored, reasons = int((~self.cut.choose).sum()), _Listed.of(found), self._reasons(found)
        return [
            self._unit(unit, scored, images) if reason is None else _without_figure(unit, reason, images)
            for unit, reason in enumerate(reasons)
        ]

    def _unit(self, unit: int, found: "_Listed", images: int) -> UnitCondition:
        """Return what the picture says of a unit that there are figures of. images: how many were scored."""
        features = tuple(
            Weighted(self.measured.features[at], weight, self._names[at])
            for at, weight in zip(found.chosen[unit], found.weights[unit], strict=True)
            if at >= 0
        )
        one, together = found.r2[0][unit], found.r2[max(found.count[unit], 1) - 1][unit]
        single = one >= SIMPLE
        r2 = one if single else together
        second = found.runner_up[unit]
        ceiling = found.ceiling[unit]
        known = {
            "r2_everywhere": None if self.target.whole else found.everywhere[0 if single else 1][unit],
            "r2_all": together if len(features) > 1 and single else None,
            "ceiling": None if ceiling is None else max(ceiling, together),
            "by_chance": found.by_chance if single or len(features) < 2 else None,
            "each_by_chance": None if single or len(features) < 2 else found.by_chance,
            "random_percentile": found.random[unit],
        }
        f1, same_rate, constant = (figure[unit] for figure in found.strong)
        chance = (found.by_chance or 0.0) * (1 if single else len(features))
        simple = bool(features) and r2 >= SIMPLE and r2 > chance
        name = None if second < 0 else self._names[second]
        either = None
        if second >= 0 and features:
            pair = features[0].feature, self.measured.features[second]
            either = words.either(*pair, self.target.ink, self.target.scales)
        condition, sentence = self._worded([one.text for one in features], simple, single, either, r2, known)
        parts = (("features", tuple(one.feature for one in features)), ("single", single), ("r2", r2))
        return UnitCondition(
            unit, "picture" if simple else "none", condition, sentence, parts, features,
            r2_held_out=together if features else None,
            r2_one=one if features else None,
            r2_three=found.r2_three[unit] if features else None,
            r2_everywhere=found.everywhere[1][unit],
            f1=f1, f1_same_rate=same_rate, f1_constant=constant,
            ceiling=known["ceiling"], runner_up=None if second < 0 else self.measured.features[second],
            by_chance=found.by_chance, random_percentile=known["random_percentile"],
            runner_up_text=name, kernel=found.kernels[unit], images=images,
        )  # fmt: skip

    def _worded(
        self, names: Sequence[Text], simple: bool, single: bool, either: Text | None, r2: float,
        known: dict[str, float | None],
    ) -> tuple[Text | None, Text]:  # fmt: skip
        """Return the condition of a unit, None where it has no simple one, and its sentence.

        names: of the features. single: the first one is enough. either: the first one or its runner-up, if there is
        one. r2: of what is named.
        """
        if not names:
            return None, words.no_simple(None, r2, [])
        if not single:
            of = names[0] if len(names) == 1 else words.mix(names)
            figures = words.figures(known, None)
        else:
            of = names[0] if either is None else either
            figures = words.figures(known, listed(names[1:]) if len(names) > 1 else None)
        if not simple:
            return None, words.no_simple(of, r2, figures)
        if self.target.whole:
            return of, words.on_images(of, r2, figures)
        return of, words.fires_on(of, r2, figures, self.target.signed)

    def _reasons(self, found: Figures) -> list[Text | None]:
        """Return of each unit why there is no figure, None where there is one."""
        usable = [side[:, np.newaxis] & self.measured.not_flat for side in (self.cut.choose, ~self.cut.choose)]
        few = min(int(mask.sum()) for mask in usable) < _LEAST
        firing = [np.count_nonzero(self.target.values[mask] > self.lowest, axis=0) for mask in usable]
        # in the order of what is said first
        why = [
            (~self.finite, text("it has values that are not finite")),
            (~self.varies, text("it has the same value everywhere")),
            (
                np.full(len(self.finite), few),
                text("there are too few images")
                if self.target.whole
                else text("there are too few patches that are not flat"),
            ),
            (
                np.minimum(*firing) < _LEAST_FIRING,
                text("it fires on too few images")
                if self.target.whole
                else text("it fires on too few patches that are not flat"),
            ),
            (
                np.isnan(found.r2[0]),
                text("it has the same value on all images that are scored")
                if self.target.whole
                else text("it has the same value on all patches that are not flat"),
            ),
        ]
        reasons: list[Text | None] = [None] * len(self.finite)
        for those, reason in reversed(why):
            for unit in np.flatnonzero(those):
                reasons[unit] = reason
        return reasons

    def layer(self, units: Sequence[UnitCondition], notes: Sequence[Text] = ()) -> LayerConditions:
        """Return what is found of all units, with the counts. notes: what holds for all of them."""
        counts = Counter(_group(unit) for unit in units)
        gaps = self._gaps(units) if counts["edge"] >= _EDGES else ()
        scores = ~self.cut.choose
        return LayerConditions(
            tuple(units),
            dict(sorted(counts.items(), key=lambda pair: (pair[0] in ("none", "n/a"), -pair[1]))),
            words.summary(
                dict(sorted(counts.items(), key=lambda p: (p[0] in ("none", "n/a"), -p[1]))), self.target.ink
            ),
            gaps,
            words.missing(gaps, self.target.ink),
            self.target.ink,
            (int(self.cut.choose.sum()), int(scores.sum())),
            int(scores.sum()) * self.target.values.shape[1],
            int(self.measured.not_flat[scores].sum()),
            (self._n(scores), *notes, *self._permutations()),
        )

    def _permutations(self) -> list[Text]:
        """Say where chance had fewer tries than usual."""
        if self.target.permutations == nulls.PERMUTATIONS:
            return []
        return [
            text(
                "The model is large, so that what is reached by chance is the largest of {some} permutations, not of"
                " {usual}.",
                some=str(self.target.permutations),
                usual=str(nulls.PERMUTATIONS),
            )
        ]

    def _n(self, scores: Bools) -> Text:
        """Return how many images, and patches of them, the figures are from."""
        chosen, scored = f"{int(self.cut.choose.sum()):,}", f"{int(scores.sum()):,}"
        if self.target.whole:
            return text("Chosen on {chosen} images, scored on {scored} others.", chosen=chosen, scored=scored)
        patches, not_flat = int(scores.sum()) * self.target.values.shape[1], int(self.measured.not_flat[scores].sum())
        return text(
            "Chosen on {chosen} images, scored on {scored} others: on {patches} patches, {not_flat} of them not flat.",
            chosen=chosen,
            scored=scored,
            patches=f"{patches:,}",
            not_flat=f"{not_flat:,}",
        )

    def _gaps(self, units: Sequence[UnitCondition]) -> tuple[int, ...]:
        """Return the directions of edges that no described unit has among its features."""
        there = {
            one.feature.angle
            for unit in units
            if unit.step == "picture"
            for one in unit.features
            if one.feature.kind == "edge"
        }
        known = {feature.angle for feature in self.measured.features if feature.kind == "edge"}
        return tuple(sorted(angle for angle in known - there if angle is not None))


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


def _scale(of: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of values (n, F), each (F,) float32; 1 for a deviation of nothing."""
    mean, deviation = of.mean(axis=0, dtype=np.float64), of.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-12, deviation, 1).astype(np.float32)


def _scaled(values: Floats, scale: tuple[Floats, Floats]) -> Floats:
    """Return values (N, S, F) as float32, less the mean and over the deviation of `_scale`."""
    mean, deviation = scale
    return np.asarray((values - mean) / deviation, np.float32)


def _undefined(work: Work) -> Floats:
    return np.full(work.target.values.shape[2], np.nan)


def _without_figure(unit: int, reason: Text, images: int) -> UnitCondition:
    sentence = text("No figure, because {reason}.", reason=reason)
    return UnitCondition(unit, "n/a", None, sentence, (("n/a", reason),), images=images, reason=reason)


@dataclass(frozen=True)
class _Listed:
    """Figures as lists of plain numbers, None where undefined: units are gone through one by one."""

    chosen: list[list[int]]
    weights: list[list[float]]
    count: list[int]
    r2: list[list[float]]
    r2_three: list[float | None]
    everywhere: list[list[float | None]]
    runner_up: list[int]
    strong: list[list[float | None]]
    ceiling: list[float | None]
    by_chance: float | None
    random: list[float | None]
    kernels: Sequence[KernelReading | None]

    @classmethod
    def of(cls, found: Figures) -> "_Listed":
        """Return the same figures."""
        nothing: list[Any] = [None] * len(found.count)
        return cls(
            found.chosen.chosen.tolist(), found.chosen.weights.tolist(), found.count.tolist(), found.r2.tolist(),
            _numbers(found.r2[-1]), [_numbers(one) for one in found.everywhere], found.runner_up.tolist(),
            [_numbers(one) for one in found.strong], _numbers(found.ceiling), found.by_chance,
            nothing if found.random is None else _numbers(found.random), found.kernels or nothing,
        )  # fmt: skip


def _numbers(values: Floats) -> list[float | None]:
    """Return (U,) values as plain numbers, None for NaN."""
    return [None if value != value else value for value in values.astype(np.float64).tolist()]

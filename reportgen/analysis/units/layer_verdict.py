"""The verdict on a layer and each of its units, from what one pass counted and what is known of weights and images."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from reportgen.analysis.activations.tally import Counts, Floats, LayerPlan, LayerTally
from reportgen.analysis.phrases import counted_images
from reportgen.analysis.units import moments, redundancy, selectivity, states
from reportgen.analysis.units.facts import DEFAULTS, ImageFacts, Thresholds, Weights
from reportgen.format import number
from reportgen.i18n import Text, text
from reportgen.record.units import LayerVerdict, Preferred, TopImage, Unit

Patch = Callable[[tuple[int | None, ...]], list[int] | None]
"""Gives what a position, (plane, row, column), sees of an image, see `TopImage`."""


def judge(
    plan: LayerPlan,
    tally: LayerTally,
    weights: Weights,
    images: ImageFacts,
    thresholds: Thresholds = DEFAULTS,
    patch: Patch = lambda position: None,
) -> tuple[LayerVerdict, list[Unit]]:
    """Return the verdict on a layer and on each of its units. Raises ValueError where the tally has no images."""
    if not tally.images:
        raise ValueError(f"there is nothing to judge layer {plan.layer} by: its tally has no images")
    if plan.family == "softmax":
        verdicts = _outputs(plan, tally, images)
        alike = redundancy.not_for_softmax(plan)
    else:
        verdicts = states.judge(plan, tally, weights, thresholds)
        alike = redundancy.find(plan, tally, weights, verdicts, thresholds)
    unresponsive = np.isin([verdict.state for verdict in verdicts], (states.DEAD, states.CONSTANT))
    responsive = moments.varies(plan, tally) & ~unresponsive
    chosen = selectivity.measure(plan, tally, images.labels, responsive, thresholds)
    edges, histogram = moments.histogram(plan, tally)
    return (
        _layer(plan, tally, weights, edges, verdicts, alike, thresholds),
        _units(plan, tally, images, histogram, verdicts, alike, chosen, thresholds, patch),
    )


def _outputs(plan: LayerPlan, tally: LayerTally, images: ImageFacts) -> list[states.Verdict]:
    """Return the verdicts on the units of an output; one unit alone speaks for the second of two classes."""
    predicted = np.bincount(images.predicted, minlength=max(plan.units, 2))
    if plan.units == 1:
        return states.judge_outputs(predicted[1:], tally.images, images.names[1])
    return states.judge_outputs(predicted, tally.images)


def _layer(
    plan: LayerPlan,
    tally: LayerTally,
    weights: Weights,
    edges: Floats,
    verdicts: list[states.Verdict],
    alike: redundancy.Redundancy,
    thresholds: Thresholds,
) -> LayerVerdict:
    eigenvalues = moments.spectrum(tally, moments.varies(plan, tally))
    alive = bool(eigenvalues.any())
    return LayerVerdict(
        name=plan.layer,
        units=plan.units,
        read_after=plan.read_after,
        n_images=tally.images,
        effective_rank=moments.effective_rank(eigenvalues) / plan.units if alive else None,
        participation_ratio=moments.participation_ratio(eigenvalues) / plan.units if alive else None,
        noise_floor=alike.noise_floor,
        edges=edges.tolist(),
        states=dict(Counter(verdict.state for verdict in verdicts)),
        groups=alike.groups,
        removable_params=weights.params_per_unit * sum(len(group) - 1 for group in alike.groups),
        left_out=alike.left_out,
        reasons=_layer_reasons(tally, alive, alike, thresholds),
    )


def _layer_reasons(
    tally: LayerTally, alive: bool, alike: redundancy.Redundancy, thresholds: Thresholds
) -> dict[str, Text]:
    """Return why figures of a layer are undefined, or not to be leaned on."""
    reasons = {}
    if not alive:
        same = text("no unit's mean response differs between images")
        reasons = {"effective_rank": same, "participation_ratio": same}
    if alike.noise_floor is None:
        reasons["noise_floor"] = text("fewer than two units are compared")
    elif tally.images < thresholds.few_images:
        reasons["noise_floor"] = text(
            "with only {images}, units that have nothing to do with each other reach |r| = {floor} by chance",
            images=counted_images(tally.images),
            floor=number(alike.noise_floor),
        )
    return reasons


def _units(
    plan: LayerPlan,
    tally: LayerTally,
    images: ImageFacts,
    histogram: Counts,
    verdicts: list[states.Verdict],
    alike: redundancy.Redundancy,
    chosen: selectivity.Selectivity,
    thresholds: Thresholds,
    patch: Patch,
) -> list[Unit]:
    group_of = {unit: number for number, group in enumerate(alike.groups) for unit in group}
    removable = {unit for group in alike.groups for unit in group[1:]}
    left_out = {unit: reason for reason, units in alike.left_out.items() for unit in units}
    firing_rate, zero_share = moments.firing_rate(tally), moments.zero_share(plan, tally)
    mean, std = moments.mean(plan, tally), moments.std(plan, tally)
    top = _top_images(plan, tally, images, thresholds.top_images, patch)
    others = _other_images(plan, tally, images, chosen.chosen, patch)
    alone = text("no other unit of the layer to compare with")
    found = []
    for u, verdict in enumerate(verdicts):
        preferred, reasons = _preferred(u, tally, images, chosen, verdict)
        if u not in alike.nearest:
            reasons["nearest"] = left_out.get(u, alone)
        found.append(
            Unit(
                layer=plan.layer,
                unit=u,
                state=verdict.state,
                evidence=verdict.evidence,
                cause=verdict.cause,
                firing_rate=float(firing_rate[u]),
                zero_share=float(zero_share[u]),
                mean=float(mean[u]),
                std=float(std[u]),
                max=float(tally.largest[u]),
                histogram=histogram[u].tolist(),
                nearest=alike.nearest.get(u),
                kept=alike.kept.get(u),
                group=group_of.get(u),
                removable=u in removable,
                opposite=alike.opposite.get(u),
                duplicate_of=alike.duplicate_of.get(u),
                preferred_class=preferred,
                top_images=top[u],
                other_image=others[u],
                reasons=reasons,
            )
        )
    return found


def _preferred(
    u: int, tally: LayerTally, images: ImageFacts, chosen: selectivity.Selectivity, verdict: states.Verdict
) -> tuple[Preferred | None, dict[str, Text]]:
    """Return what class a unit prefers, and why figures of it are undefined."""
    if chosen.chosen[u] < 0:
        return None, {"preferred_class": _why_none_preferred(tally, verdict, bool(chosen.responsive[u]))}
    figures = {"selectivity": chosen.index[u], "selectivity_null": chosen.index_null[u], "eta2": chosen.eta2[u]}
    known = {name: None if np.isnan(value) else float(value) for name, value in figures.items()}
    negative = text("some of its responses are negative")
    reasons = {name: negative for name, value in known.items() if value is None}
    return (
        Preferred(
            label=images.names[chosen.chosen[u]],
            auroc=float(chosen.auroc[u]),
            hit_rate=float(chosen.hit_rate[u]),
            false_alarm_rate=float(chosen.false_alarm_rate[u]),
            **known,
            **_f1(chosen.hit_rate[u], chosen.false_alarm_rate[u], tally.class_images[chosen.chosen[u]] / tally.images),
        ),
        reasons,
    )


def _f1(hits: float, alarms: float, share: float) -> dict[str, float]:
    """Return F1 at these rates where a class has this share of the images, and that of the best constant guess.

    Who knows the share alone does best by saying "yes" to every image: 2 p / (1 + p).
    """
    right, wrong = share * hits, (1 - share) * alarms
    return {"f1": float(2 * right / (right + wrong + share)), "f1_constant": float(2 * share / (1 + share))}


def _why_none_preferred(tally: LayerTally, verdict: states.Verdict, responsive: bool) -> Text:
    if verdict.state == states.DEAD:
        return text("it never fired")
    if not responsive:
        return text("its mean response does not differ between images")
    if np.count_nonzero(tally.class_images) < 2:
        return text("the images are of one class only")
    return text("no class has enough images in both halves")


def _top_images(
    plan: LayerPlan, tally: LayerTally, images: ImageFacts, most: int, patch: Patch
) -> list[list[TopImage]]:
    """Return of each unit the strongest images that fire it, strongest first; no two of them are equal."""
    numbers, scores, positions = tally.top_image[:most].T, tally.top_score[:most].T, tally.top_position[:most].T
    shown = iter(_shown(numbers, scores, positions, plan, images, patch))
    of_units = [[next(shown) for _ in row] for row in scores]
    fires = (scores > plan.eps).tolist()
    return [[one for one, does in zip(*both, strict=True) if does] for both in zip(of_units, fires, strict=True)]


def _other_images(
    plan: LayerPlan, tally: LayerTally, images: ImageFacts, preferred: Counts, patch: Patch
) -> list[TopImage | None]:
    """Return of each unit the strongest image that is not of the preferred class and fires it; None without any.

    Where its maximum lies is known only if it is one of the strongest of all classes too.
    """
    units = np.arange(plan.units)
    scores, numbers = tally.class_best.copy(), tally.class_best_image
    scores[preferred, units] = -np.inf  # of units without one this is the last class, and they are left out below
    highest = scores.max(axis=0)
    # of equals the first image
    number = np.where(scores == highest, numbers, np.iinfo(numbers.dtype).max).min(axis=0)
    among_top = tally.top_image == number
    position = np.where(among_top.any(axis=0), tally.top_position[among_top.argmax(axis=0), units], -1)
    there = np.flatnonzero((preferred >= 0) & (highest > plan.eps))
    found: list[TopImage | None] = [None] * plan.units
    shown = _shown(number[there], highest[there], position[there], plan, images, patch)
    for unit, one in zip(there.tolist(), shown, strict=True):
        found[unit] = one
    return found


def _shown(
    numbers: Counts, scores: Floats, positions: Counts, plan: LayerPlan, images: ImageFacts, patch: Patch
) -> list[TopImage]:
    """Name the images' classes and the places of the maxima, in one list: of one axis the column, of two the row, too.

    positions: -1 where that is not known.
    """
    at: list[list[int | None]] = [[None] * numbers.size for _ in range(3)]
    if 0 < len(plan.position_shape) <= len(at):
        is_known = (positions.ravel() >= 0).tolist()
        known = np.unravel_index(np.maximum(positions.ravel(), 0), plan.position_shape)
        for axis, of_axis in enumerate(known, len(at) - len(known)):
            at[axis] = [place if there else None for place, there in zip(of_axis.tolist(), is_known, strict=True)]
    which = numbers.ravel()
    true, predicted = (of[which].tolist() for of in (images.labels, images.predicted))
    figures = zip(which.tolist(), scores.ravel().tolist(), true, predicted, *at, strict=True)
    return [
        TopImage(
            index=image,
            score=score,
            true=images.names[label],
            predicted=images.names[taken_for],
            row=row,
            column=column,
            patch=patch((plane, row, column)),
            plane=plane,
        )
        for image, score, label, taken_for, plane, row, column in figures
    ]

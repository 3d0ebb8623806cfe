"""Redundant units put into those which say the same, and what that costs, beside as many units chosen at random."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward, outputs
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.conditions.cuts import cuts
from reportgen.analysis.evaluation import proof
from reportgen.analysis.pruning import rebuild
from reportgen.analysis.pruning.lossless import Plan
from reportgen.analysis.pruning.mixing import Mixing
from reportgen.analysis.units import states
from reportgen.dataset import Images, Part, Pixels, blocks
from reportgen.format import percent
from reportgen.i18n import Text, ntext, text
from reportgen.record.pruning import AtRandom, Copy, Merged
from reportgen.record.units import Unit

DRAWS = 20
STILL_STATES = (states.DEAD, states.CONSTANT)

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """Units of one layer of which one is enough. place: of the layer's reading. stays: it; goes: the others.

    likeness: the smallest r of those that go with the one that stays. still: the one that goes always gives the same
    on the test images, which is a line through any other.
    """

    place: int
    stays: int
    goes: tuple[int, ...]
    likeness: float
    still: bool = False


def chosen(images: Images) -> Bools:
    """Return (N,) which images lines are fitted on; the others score. Equal images are on one side."""
    return np.concatenate([cuts(block).choose for block in blocks(images)])


def groups(plan: Plan, units: Sequence[Unit], places: Mapping[str, int], *, on_test: bool) -> list[Group]:
    """Return the groups of redundant units, without those that are gone, the most alike first.

    on_test: units were judged on the test images; where not, none of them is known to be still on these.
    """
    members: dict[tuple[int, int], list[Unit]] = {}
    for unit in units:
        place = places[unit.layer]
        cut = plan.cuts[place]
        if unit.group is not None and cut.way is not None and unit.unit not in cut.gone:
            plan.mixing(cut.way.layer)  # so that all weights that may change are known from now on
            members.setdefault((place, unit.group), []).append(unit)
    found = []
    for (place, _), group in sorted(members.items()):
        stays = next((unit for unit in group if not unit.removable), group[0])
        goes = [unit for unit in group if unit is not stays]
        if goes and not any(mixing.filters_first for _, mixing in plan.readers(place)):
            r = min(unit.kept.r for unit in goes if unit.kept is not None) if any(unit.kept for unit in goes) else 0.0
            found.append(Group(place, stays.unit, tuple(unit.unit for unit in goes), r))
    if on_test:
        found += [group for place in range(len(plan.cuts)) for group in _still(plan, units, place)]
    return sorted(found, key=lambda one: (-one.likeness, one.place, one.stays, one.goes))


def _still(plan: Plan, units: Sequence[Unit], place: int) -> list[Group]:
    """Return the units of a layer that are dead or constant on the test images alone, each with one that stays."""
    cut = plan.cuts[place]
    own = [unit for unit in units if unit.layer == cut.reading.name]
    lively = [u.unit for u in own if u.state not in STILL_STATES and not u.removable and u.unit not in cut.gone]
    if cut.way is None or not lively or not cut.still_here:
        return []
    plan.mixing(cut.way.layer)
    mixings = [mixing for _, mixing in plan.readers(place)]
    padded = any(mixing.sees_edges for mixing in mixings)  # where only what is zero leaves nothing behind
    still = [unit for unit in cut.still_here if not padded or own[unit].state == states.DEAD]
    if any(mixing.filters_first for mixing in mixings):
        return []
    return [Group(place, lively[0], (unit,), 1.0, still=True) for unit in still]


def copied(mixings: Mapping[int, Mixing]) -> dict[int, Mixing]:
    """Return the weights of layers as they are now."""
    return {layer: mixing.copied() for layer, mixing in mixings.items()}


class Lines:
    """What each unit is of another, by least squares on what the next layers are given for some images."""

    def __init__(self, plan: Plan, graph: Graph, places: Iterable[int], part: Part, pixels: Pixels, batch: int) -> None:
        self._plan = plan
        wanted = [(place, number) for place in places for number in range(len(plan.readers(place)))]
        tensors = [plan.readers(place)[number][0].call.given[0] for place, number in wanted]
        self._sums = {one: _Sums(*self._shape(*one)) for one in wanted}
        run = forward.compiled(lambda images: graph.values(images, tensors)[1], part, pixels)
        for _, _, images in forward.read_ahead(part.images, batch):
            with forward.faults_named(images):
                found = run(images)
            for one, values in zip(wanted, found, strict=True):
                self._sums[one].add(values.numpy().astype(np.float64))

    def move(self, plan: Plan, place: int, unit: int, to: int) -> Copy:
        """Put a unit into another one, in a plan's weights; return the line for the first that reads it."""
        lines = []
        for number, (reader, mixing) in enumerate(plan.readers(place)):
            # where zeros are padded, an offset would be missing from them
            line = self._sums[place, number].line(unit, to, offset=not mixing.sees_edges)
            owner = reader.along.owner
            mixing.move(np.flatnonzero(owner == unit), np.flatnonzero(owner == to), *line)
            lines.append(line)
        plan.let_go(place, unit)
        return Copy(unit, to, *(lines[0] if lines else (0.0, 0.0)))

    def _shape(self, place: int, number: int) -> tuple[int, NDArray[np.int64]]:
        along = self._plan.readers(place)[number][0].along
        return along.axis, along.owner


class _Sums:
    """Sums over images and positions of the values of each unit and of the products of every two."""

    def __init__(self, axis: int, owner: NDArray[np.int64]) -> None:
        self._axis, self._units = axis, int(owner.max()) + 1
        # the channels of each unit in their order: so many positions of it
        self._order = np.argsort(owner, kind="stable")
        self._count = 0
        self._total = np.zeros(self._units)
        self._products = np.zeros((self._units, self._units))

    def add(self, values: Floats) -> None:
        by_channel = np.moveaxis(values, self._axis, 0)[self._order]
        flat = by_channel.reshape(self._units, -1)
        self._count += flat.shape[1]
        self._total += flat.sum(axis=1)
        self._products += flat @ flat.T

    def line(self, unit: int, of: int, *, offset: bool) -> tuple[float, float]:
        """Return (slope, offset) of the least-squares line of one unit through another."""
        product, square = self._products[unit, of], self._products[of, of]
        if not offset:
            return (float(product / square) if square else 0.0), 0.0
        means = self._total / self._count
        variance = square / self._count - means[of] ** 2
        slope = (product / self._count - means[unit] * means[of]) / variance if variance > 0 else 0.0
        return float(slope), float(means[unit] - slope * means[of])


class Scored:
    """How many of the scoring images a model answers rightly with weights that are tried."""

    def __init__(self, plan: Plan, model: Any, part: Part, pixels: Pixels, batch: int) -> None:
        self._part, self._batch = part, batch
        self._trial = rebuild.Trial(model, plan.mixings)
        trial = self._trial.model

        def answer(images: Any) -> Any:
            import tensorflow as tf

            return tf.cast(trial(tf.cast(images, trial.inputs[0].dtype), training=False), tf.float32)

        self._run = forward.compiled(answer, part, pixels)

    def right(self, plan: Plan) -> Bools:
        """Return (N,) whether each image is answered rightly."""
        self._trial.fill(plan.mixings)
        found = [
            outputs.of(scores, self._part.labels[start:end], start)
            for start, end, scores in forward.outputs(self._run, self._part.images, self._batch, lambda *_: None)
        ]
        predicted = outputs.read({"": outputs.joined(found)})[0][""].predicted
        right: Bools = predicted == self._part.labels
        return right


def merge(
    plan: Plan,
    found: Sequence[Group],
    lines: Lines,
    chooses: Scored,
    scored: Scored,
    *,
    fitted_on: int,
    max_drop: float,
    seed: int,
    say: Callable[[str], None],
) -> tuple[Merged, list[tuple[int, Copy]]]:
    """Merge groups, the most alike first, until the accuracy would fall further than it may.

    chooses: on the images that lines are fitted on, which decide that; scored: on others, which tell what it costs.
    Changes the plan's weights. Returns what came of it, and by the place of the layer what went where.
    """
    whole, before = chooses.right(plan).mean(), scored.right(plan)
    untouched = copied(plan.mixings)
    done, stopped = list[tuple[int, Copy]](), None
    merged = list[Group]()
    for group in found:
        earlier = copied(plan.mixings)
        moved = [(group.place, lines.move(plan, group.place, unit, group.stays)) for unit in group.goes]
        fall = float(whole - chooses.right(plan).mean())
        if fall > max_drop:
            plan.mixings = earlier
            stopped = _stopped(plan, group, fall, len(found) - len(merged))
            break
        done += moved
        merged.append(group)
    after = scored.right(plan)
    low, high = proof.interval(before, after)
    at_random = None
    if done:
        say(f"Removing {len(done)} units at random, {DRAWS} times ...")
        at_random = _at_random(plan, untouched, merged, lines, scored, float(after.mean()), seed)
    result = Merged(
        units=len(done),
        groups=sum(not group.still for group in merged),
        fitted_on=fitted_on,
        scored_on=len(before),
        accuracy_before=float(before.mean()),
        accuracy_after=float(after.mean()),
        interval=[low, high],
        max_drop=max_drop,
        stopped=stopped,
        at_random=at_random,
        said=_shown(at_random),
        still=sum(group.still for group in merged),
    )
    return result, done


def _at_random(
    plan: Plan,
    untouched: Mapping[int, Mixing],
    merged: Sequence[Group],
    lines: Lines,
    scored: Scored,
    accuracy: float,
    seed: int,
) -> AtRandom:
    """Return the accuracies with as many units of each layer, chosen at random, put into others by the same lines."""
    rng = np.random.default_rng(seed)
    counts: dict[int, int] = {}
    for group in merged:
        counts[group.place] = counts.get(group.place, 0) + len(group.goes)
    kept, found = plan.mixings, []
    for _ in range(DRAWS):
        plan.mixings = copied(untouched)
        for place, count in sorted(counts.items()):
            way = plan.cuts[place].way
            assert way is not None
            there = np.flatnonzero(plan.mixing(way.layer).units)
            drawn = rng.permutation(there)
            for unit, to in zip(drawn[:count], rng.choice(drawn[count:], count), strict=True):
                lines.move(plan, place, int(unit), int(to))
        found.append(float(scored.right(plan).mean()))
    plan.mixings = kept
    return AtRandom(sorted(found), sum(one >= accuracy for one in found))


def _stopped(plan: Plan, group: Group, fall: float, left: int) -> Text:
    way = plan.cuts[group.place].way
    assert way is not None
    return ntext(
        left,
        "{n} group was left as it is: the next, in {layer}, would have cost {fall}, more than --max-drop.",
        "{n} groups were left as they are: the next, in {layer}, would have cost {fall}, more than --max-drop.",
        layer=way.reading.name,
        fall=percent(fall),
    )


def _shown(at_random: AtRandom | None) -> Text:
    """Return what merging shows, as a sentence."""
    if at_random is None:
        return text("Nothing was merged, so nothing is shown by it.")
    draws, some = f"{len(at_random.accuracy)}", f"{at_random.as_good}"
    if at_random.as_good:
        return text(
            "Random units do as well in {some} of {draws} draws: this shows that the layers have units to spare, not"
            " that these were the ones.",
            some=some,
            draws=draws,
        )
    return text("No random choice of as many units does as well, in {draws} draws.", draws=draws)

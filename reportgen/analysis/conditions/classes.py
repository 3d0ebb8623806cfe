"""A unit that nothing else describes, as the class that it answers to; a unit of the output layer as its class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.analysis.conditions import words
from reportgen.analysis.conditions.cuts import Cuts
from reportgen.analysis.conditions.result import Bools, Floats, Ints, LayerConditions, UnitCondition
from reportgen.analysis.conditions.work import SIMPLE


@dataclass(frozen=True)
class Labels:
    """The classes of the images. numbers: (N,). names: (K,)."""

    numbers: Ints
    names: Sequence[str]


def by_class(units: Sequence[UnitCondition], values: Floats, cut: Cuts, labels: Labels) -> list[UnitCondition]:
    """Describe by a class what neither the picture nor the units below describe: R2 of being of that class or not.

    values: (N, S, U), of which the mean over positions is taken. The class is chosen on one half of the images.
    """
    means = values.mean(axis=1, dtype=np.float64)
    of_class = labels.numbers[:, np.newaxis] == np.arange(len(labels.names))
    chosen, scored = (_correlated(means[side], of_class[side]) for side in (cut.choose, ~cut.choose))
    best = chosen.argmax(axis=1)
    own = np.arange(len(best))
    shares = np.maximum(scored[own, best], 0) ** 2
    answers = (shares >= SIMPLE) & (chosen[own, best] > 0)
    found = []
    for unit in units:
        if unit.step == "none" and answers[unit.unit]:
            label, r2 = labels.names[best[unit.unit]], float(shares[unit.unit])
            sentence = words.fires_on_class(label, r2)
            unit = replace(
                unit, step="class", condition=words.of_class(label), sentence=sentence, label=label,
                parts=(("r2", r2),),
            )  # fmt: skip
        found.append(unit)
    return found


def _correlated(means: Floats, of_class: Bools) -> Floats:
    """Return the correlation of units (n, U) with being of a class (n, K), (U, K); 0 where undefined."""
    x, y = of_class - of_class.mean(axis=0), means - means.mean(axis=0)
    whole = np.sqrt(np.outer((y**2).sum(axis=0), (x**2).sum(axis=0)))
    return np.asarray(np.where(whole > 0, y.T @ x / np.where(whole > 0, whole, 1), 0))


def output(names: Sequence[str], images: tuple[int, int] = (0, 0)) -> LayerConditions:
    """Return the units of an output layer, each described as its class. images: (choose, score), how many."""
    units = tuple(
        UnitCondition(at, "class", words.of_class(name), words.is_score(name), (("score", name),), label=name)
        for at, name in enumerate(names)
    )
    counts = {"class": len(units)}
    return LayerConditions(units, counts, words.summary(counts, None), (), None, None, images, 0, 0)

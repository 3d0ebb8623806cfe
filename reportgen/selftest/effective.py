"""A model of units whose effects are known, and what must be found of them, along the path that a report takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.dataset import Dataset, Part, Pixels
from reportgen.i18n import literal
from reportgen.progress import Progress
from reportgen.record.effects import Effect, LayerEffects

if TYPE_CHECKING:
    import keras

FIRST, LAST = "planted_marks", "planted_sums"
_CLASSES, _IMAGES = 4, 1200


@dataclass(frozen=True)
class Effective:
    """What a unit must be found to do. what: the unit in words. needed: the class that it alone is needed for."""

    what: str
    layer: str
    unit: int
    needed: str | None = None


PLANTED = (
    *(Effective(f"a unit for class {k} alone", FIRST, k, str(k)) for k in range(2)),
    Effective("a unit for class 2 whose twin says the same", FIRST, 2),
    Effective("the twin", FIRST, 3),
    Effective("a unit that nothing listens to in the end", FIRST, 4),
    *(Effective(f"a sum for class {k}", LAST, k, str(k)) for k in range(3)),
    Effective("a unit that is wired to nothing", LAST, 3),
)
_TWINS, _OF_TWINS = [2, 3], "2"


def run(progress: Progress) -> list[str]:
    """Measure the planted units the way a report does, and return a line for each that is not what was planted."""
    from reportgen.analysis import described, judging
    from reportgen.analysis.activations import graph, outputs, probe, reading
    from reportgen.analysis.effects import layers
    from reportgen.analysis.units import facts

    with progress.stage("selftest", f"Measuring {len(PLANTED)} units with known effects ..."):
        found, drawn = dataset(), graph.Graph(model())
        read, parts = reading.readings(drawn), {"test": found.test}
        passed = probe.all_parts(drawn, read, parts, ["test"], found, memory=1000, progress=progress)
        predicted, output = outputs.read(passed.answered)
        looked = judging.Looked(read, passed.plans, passed.tallies, parts, {"test": predicted["test"].predicted})
        verdicts, units = judging.judge(drawn, looked, found, found.class_names, facts.DEFAULTS)
        batch = probe.batch_size(read, found.image_shape, 1000)
        sample = described.describe(drawn, read, parts, found, found.class_names, {}, batch=batch, seed=0).sample
        subject = layers.Subject(
            sample.stored, found.pixels, sample.choose, sample.means, found.class_names,
            predicted["test"].predicted[sample.numbers], output,
        )  # fmt: skip
        done = layers.measure(drawn, read, subject, verdicts, units, batch=batch, seed=0)
    by_layer = {one.name: of for one, of in zip(read, done, strict=True)}
    effects = {(name, unit): effect for name, of in by_layer.items() for unit, effect in enumerate(of.units)}
    return differences(effects, by_layer[FIRST].layer)


def differences(effects: Mapping[tuple[str, int], Effect], first: LayerEffects) -> list[str]:
    """Return a line for each unit whose effect is not what was planted. first: of the layer with the twins."""
    lines = [
        f"{planted.layer}, unit {planted.unit}, {planted.what}: {wrong}"
        for planted in PLANTED
        for wrong in _wrong(planted, effects[planted.layer, planted.unit])
    ]
    together = [one.effect for one in first.groups if one.units == _TWINS]
    if not together or _needed(together[0]) != [_OF_TWINS]:
        lines.append(f"{FIRST}, units {_TWINS} together: they are not needed for class {_OF_TWINS}, as was planted")
    return lines


def _wrong(planted: Effective, found: Effect) -> Iterator[str]:
    method = "exact" if planted.layer == LAST else "masked"
    if found.method != method:
        yield f"its effect is {found.method!r}, expected {method!r}"
        return
    expected = [] if planted.needed is None else [planted.needed]
    if _needed(found) != expected:
        yield f"it is needed for {_needed(found)}, expected {expected}"
    moved = [one.label for one in found.classes if one.recall_change]
    if moved != expected:
        yield f"without it the recall of {moved} changes, expected {expected}"


def _needed(found: Effect) -> list[str]:
    return [one.label for one in found.classes if one.significant and one.recall_change < 0]


def model() -> "keras.Model":
    """Return the model: units that pass on the mark of a class, sums of these, and scores linear in the sums."""
    from reportgen.runtime import keras

    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((_CLASSES + 1,)),
            layers.Dense(5, activation="relu", name=FIRST),
            layers.Dense(_CLASSES, activation="relu", name=LAST),
            layers.Dense(_CLASSES, activation="softmax", name="scores"),
        ],
        name="planted_effects",
    )
    into, out = np.zeros((_CLASSES + 1, 5), np.float32), np.zeros((5, 4), np.float32)
    into[[0, 1, 2, 2, _CLASSES], range(5)] = 1
    out[range(5), [0, 1, 2, 2, 3]] = 1
    below = np.array([-0.3, -0.3, -0.6, 0.0])  # more than the mean of one unit, and of both twins, so sums are 0 then
    # the last class is what is said where no sum is above 0.45, as is none at its mean
    made.set_weights([into, np.zeros(5), out, below, np.diag([1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, 0.45])])
    return made


def dataset() -> Dataset:
    """Return the images: vectors with the mark of their class, and noise behind it."""
    generator = np.random.default_rng(0)
    labels = np.arange(_IMAGES, dtype=np.int64) % _CLASSES
    images: np.ndarray[Any, Any] = np.zeros((_IMAGES, _CLASSES + 1), np.float32)
    images[np.arange(_IMAGES), labels] = generator.uniform(0.9, 1.1, _IMAGES)
    images[:, -1] = generator.random(_IMAGES)
    names = tuple(str(k) for k in range(_CLASSES))
    source, said = literal("images made for the self-test"), literal("as they are")  # which no page ever says
    return Dataset("planted", source, None, Part(images, labels), names, "", Pixels(1.0, said))

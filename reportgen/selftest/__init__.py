"""A model with planted faults and the verdicts that it must get: a check that a report can be believed.

The weights are set by hand and the images made for them, so that every verdict is known beforehand.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.dataset import Dataset, Part, Pixels
from reportgen.i18n import literal
from reportgen.progress import Progress
from reportgen.record.units import Unit
from reportgen.selftest import effective, named

if TYPE_CHECKING:
    import keras

LAYER = "planted"
_CLASSES, _SIDE, _PER_CLASS = 4, 8, 300
# the first two channels of an image are noise; each of the others marks the images of one class by a spot
_BRIGHTNESS, _NOISE, _MARKS = 0, 1, 2


@dataclass(frozen=True)
class Planted:
    """What a unit of the planted layer must be called.

    what: the unit in words. state and the beginning of cause: as a report has them. duplicate_of: the unit with the
    same weights. removable: whether another unit that stays says the same. prefers: the class that it alone
    tells apart. blind: it tells no class apart.
    """

    what: str
    state: str = "healthy"
    cause: str = ""
    duplicate_of: int | None = None
    grouped: bool = False
    removable: bool = False
    prefers: str | None = None
    blind: bool = False


FAULTS = (
    Planted("a plain unit", grouped=True),
    Planted("a unit whose bias is lower than anything it sees can lift", "dead", "it cannot fire on this input range"),
    Planted("a unit without weights and with a negative bias", "dead", "its kernel is zero"),
    Planted("a unit without weights and with a positive bias", "constant"),
    Planted("a unit far above the bend of its ReLU", "always-on"),
    Planted("a copy of unit 0", duplicate_of=0, grouped=True, removable=True),
    Planted("a copy of unit 0, three times as strong", duplicate_of=0, grouped=True, removable=True),
    Planted("a unit for class 1 alone", prefers="1"),
    Planted("a unit blind to classes", blind=True),
)


def run(progress: Progress) -> list[str]:
    """Judge the planted model the way a report does, and return a line for each verdict that is wrong."""
    with progress.stage("tensorflow", "Starting TensorFlow ..."):
        from reportgen.analysis import judging
        from reportgen.analysis.activations import graph, outputs, probe, reading
        from reportgen.analysis.units import facts
    with progress.stage("selftest", f"Judging {len(FAULTS)} units with known faults ..."):
        drawn, found = graph.Graph(model()), dataset()
        readings = reading.readings(drawn)
        passed = probe.all_parts(drawn, readings, {"test": found.test}, ["test"], found, memory=1000, progress=progress)
        predicted = outputs.read(passed.answered)[0]["test"].predicted
        looked = judging.Looked(readings, passed.plans, passed.tallies, {"test": found.test}, {"test": predicted})
        _, units = judging.judge(drawn, looked, found, found.class_names, facts.DEFAULTS)
    wrong = differences([unit for unit in units if unit.layer == LAYER])
    return [*wrong, *named.run(progress), *effective.run(progress)]


def differences(units: list[Unit]) -> list[str]:
    """Return a line for each verdict on the planted layer that is not what was planted."""
    if len(units) != len(FAULTS):
        return [f"{len(units)} units were judged, but {len(FAULTS)} were planted"]
    lines = []
    for unit, planted in zip(units, FAULTS, strict=True):
        for name, got, expected, right in _compared(unit, planted):
            if not right:
                lines.append(f"unit {unit.unit}, {planted.what}: {name} is {got!r}, expected {expected!r}")
    return lines


def _compared(unit: Unit, planted: Planted) -> list[tuple[str, Any, Any, bool]]:
    """Return name, value, expectation and whether they agree, for everything that was planted."""
    preferred = unit.preferred_class
    auroc = None if preferred is None else preferred.auroc
    compared: list[tuple[str, Any, Any, bool]] = [
        ("state", unit.state, planted.state, unit.state == planted.state),
        ("cause", unit.cause, planted.cause, (unit.cause or "").startswith(planted.cause)),
        ("duplicate_of", unit.duplicate_of, planted.duplicate_of, unit.duplicate_of == planted.duplicate_of),
        ("in a redundant group", unit.group is not None, planted.grouped, (unit.group is not None) == planted.grouped),
        ("removable", unit.removable, planted.removable, unit.removable == planted.removable),
        ("opposite", unit.opposite, None, unit.opposite is None),
    ]
    if not planted.cause:
        compared.append(("cause", unit.cause, None, unit.cause is None))
    if planted.prefers is not None:
        label = None if preferred is None else preferred.label
        compared.append(("preferred class", label, planted.prefers, label == planted.prefers))
        compared.append(("AUROC", auroc, 1.0, auroc is not None and auroc > 0.999))
    if planted.blind:
        compared.append(("AUROC", auroc, 0.5, auroc is not None and abs(auroc - 0.5) < 0.1))
    return compared


def model() -> "keras.Model":
    """Return the model: the planted layer, and beside it a head that reads the classes off the marks."""
    from reportgen.runtime import keras

    layers = keras.layers
    images = keras.Input((_SIDE, _SIDE, _MARKS + _CLASSES))
    planted = layers.Conv2D(len(FAULTS), 3, activation="relu", name=LAYER)
    joined = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(planted(images)), layers.GlobalMaxPooling2D()(images)]
    )
    scores = layers.Dense(_CLASSES, activation="softmax", name="scores")
    made = keras.Model(images, scores(joined), name="planted_faults")
    planted.set_weights(_planted_weights())
    head = np.zeros((len(FAULTS) + _MARKS + _CLASSES, _CLASSES), np.float32)
    head[-_CLASSES:] = 10 * np.eye(_CLASSES)
    scores.set_weights([head, np.zeros(_CLASSES, np.float32)])
    return made


def _planted_weights() -> list[np.ndarray[Any, Any]]:
    """Return kernel (3, 3, C, U) and bias (U,), unit by unit as FAULTS has them."""
    kernel = np.zeros((3, 3, _MARKS + _CLASSES, len(FAULTS)), np.float32)
    bias = np.zeros(len(FAULTS), np.float32)
    kernel[:, :, _BRIGHTNESS, 0], bias[0] = 1 / 9, -0.4
    kernel[:, :, _BRIGHTNESS, 1], bias[1] = 0.1, -50.0
    bias[2], bias[3] = -0.5, 0.7
    kernel[:, 0, _NOISE, 4], kernel[:, 2, _NOISE, 4], bias[4] = 0.1, -0.1, 3.0
    for copy, factor in ((5, 1.0), (6, 3.0)):
        kernel[..., copy], bias[copy] = factor * kernel[..., 0], factor * bias[0]
    kernel[1, 1, _MARKS + 1, 7], bias[7] = 30.0, -15.0
    kernel[0, :, _NOISE, 8], kernel[2, :, _NOISE, 8] = 0.3, -0.3
    return [kernel, bias]


def dataset() -> Dataset:
    """Return the images: noise of its own brightness for each image, and the mark of its class at a random place."""
    generator = np.random.default_rng(0)
    labels = np.arange(_CLASSES * _PER_CLASS) % _CLASSES
    images = np.zeros((len(labels), _SIDE, _SIDE, _MARKS + _CLASSES), np.float32)
    brightness = generator.random((len(labels), 1, 1))
    images[..., _BRIGHTNESS] = brightness * generator.random((len(labels), _SIDE, _SIDE))
    images[..., _NOISE] = generator.random((len(labels), _SIDE, _SIDE))
    rows, columns = generator.integers(1, _SIDE - 1, (2, len(labels)))  # where a 3x3 window can be centred
    images[np.arange(len(labels)), rows, columns, _MARKS + labels] = 1
    names = tuple(str(k) for k in range(_CLASSES))
    part = Part(images, labels.astype(np.int64))
    source, said = literal("images made for the self-test"), literal("as they are")  # which no page ever says
    return Dataset("planted", source, None, part, names, "", Pixels(1.0, said))

"""A model of units whose conditions are known, and the words that it must get, along the path that a report takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Dataset, Part, Pixels
from reportgen.i18n import literal
from reportgen.progress import Progress
from reportgen.record.conditions import Condition

if TYPE_CHECKING:
    import keras

FIRST, LARGER, SECOND, SCORES = "planted_words", "planted_gabor", "planted_relations", "scores"
_IMAGES, _SIDE = 400, 24
_COLOURS = ("red", "green", "blue")
_STEP = 45  # degrees between two directions that words tell apart
_RARE = 95  # the percentile from which on a kernel does better than luck
_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
_LINE = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]], np.float32)
_RISING = np.array([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]], np.float32)
_LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)

_EITHER, _BOTH = frozenset({15, 8}), frozenset({15, 16})
"""Units of the first layer: red less green and a horizontal bar; red less green and blue less yellow."""

Weights = NDArray[np.float32]
Kind = tuple[str, int | None, int]
"""Kind, angle and polarity of a feature."""


@dataclass(frozen=True)
class Named:
    """What a unit must be called. what: the unit in words. kinds: of its first features, with angle and polarity.

    found_in: where the words must come from. below: the units that it is made of, which may also describe it. at_once:
    it fires where these do together. luck: it has a name by luck at most, and that is said.
    """

    what: str
    layer: str
    unit: int
    kinds: tuple[Kind, ...] = ()
    found_in: str = "picture"
    below: frozenset[int] = frozenset()
    at_once: bool = False
    luck: bool = False


def _grey(kernel: Weights) -> Weights:
    return np.repeat(kernel[:, :, np.newaxis] / 3, 3, axis=2)


def _sobel(angle: int) -> Weights:
    turn = np.deg2rad(angle)
    return np.asarray(np.cos(turn) * _SOBEL + np.sin(turn) * _SOBEL.T[::-1], np.float32)


def _gabor() -> Weights:
    """Return a 7x7 kernel for bright lines that rise to the right."""
    y, x = np.mgrid[-3:4, -3:4]
    across = (x + y) * np.sqrt(0.5)  # rows count downwards
    found = np.exp(-(x**2 + y**2) / 8) * np.cos(2 * np.pi * across / 6)
    return np.asarray(found - found.mean(), np.float32)


def _first() -> list[tuple[str, Weights, Kind]]:
    """Return the units of the first layer: what each is, its kernel (3, 3, C), and its true kind."""
    flat = np.ones((3, 3, 1), np.float32)
    lines = {0: _LINE, 45: _RISING, 90: _LINE.T, 135: _RISING[:, ::-1]}
    return [
        *((f"Sobel's kernel at {at} degrees", _grey(_sobel(at)), ("edge", at, 1)) for at in range(0, 360, _STEP)),
        *((f"a bar at {angle} degrees", _grey(kernel), ("bar", angle, 1)) for angle, kernel in lines.items()),
        ("a bright dot", _grey(-_LAPLACIAN), ("dot", None, 1)),
        ("a dark dot", _grey(_LAPLACIAN), ("dot", None, -1)),
        ("the mean", _grey(flat[:, :, 0]), ("level", None, 1)),
        ("red less green", flat * np.array([1, -1, 0], np.float32), ("red-green", None, 1)),
        ("blue less yellow", flat * np.array([-0.5, -0.5, 1], np.float32), ("blue-yellow", None, 1)),
    ]  # fmt: skip


def names() -> list[Named]:
    """Return what every planted unit must be called."""
    made = _first()
    count = len(made)
    return [
        *(Named(what, FIRST, unit, (kind,)) for unit, (what, _, kind) in enumerate(made)),
        Named("a random kernel", FIRST, count, found_in="none", luck=True),
        Named("a kernel of zeros", FIRST, count + 1, found_in="n/a"),
        Named("a Gabor at 45 degrees", LARGER, 0, (("bar", 45, 1),)),
        Named("red less green or a horizontal bar", SECOND, 0, (("red-green", None, 1), ("bar", 0, 1)), below=_EITHER),
        Named("red less green and blue less yellow", SECOND, 1, found_in="units below", below=_BOTH, at_once=True),
        *(Named(f"the score of {name}", SCORES, unit, found_in="class") for unit, name in enumerate(_COLOURS)),
    ]


def run(progress: Progress) -> list[str]:
    """Describe the planted units the way a report does, and return a line for each that is not what was planted."""
    return differences(conditions(progress))


def conditions(progress: Progress) -> dict[tuple[str, int], Condition]:
    """Return the condition of each unit, by its layer and number."""
    from reportgen.analysis import described
    from reportgen.analysis.activations import graph, probe, reading
    from reportgen.analysis.conditions import nouns

    with progress.stage("selftest", f"Naming {len(names())} units with known conditions ..."):
        found, drawn = dataset(), graph.Graph(model())
        readings = reading.readings(drawn)
        batch = probe.batch_size(readings, found.image_shape, 1000)
        words = described.describe(
            drawn, readings, {"test": found.test}, found, found.class_names, {}, batch=batch, seed=0
        )
    return {
        (one.name, unit.unit): nouns.of_unit(unit)
        for one, layer in zip(readings, words.layers, strict=True)
        for unit in layer.units
    }


def differences(conditions: Mapping[tuple[str, int], Condition]) -> list[str]:
    """Return a line for each unit whose condition is not what was planted. conditions: by layer and number."""
    lines = []
    for planted in names():
        found = conditions.get((planted.layer, planted.unit))
        if found is None:
            lines.append(f"{planted.layer}, unit {planted.unit}, {planted.what}: it was not described")
            continue
        for wrong in _wrong(planted, found):
            lines.append(f"{planted.layer}, unit {planted.unit}, {planted.what}: {wrong}")
    return lines


def _wrong(planted: Named, found: Condition) -> Iterator[str]:
    if planted.luck:
        rare = found.random_percentile is not None and found.random_percentile >= _RARE
        if found.found_in != "none" and rare:
            yield f"it is called {str(found.text)!r}, expected no simple condition, or that its luck is said"
        return
    if found.found_in != planted.found_in and not (planted.below and found.found_in == "units below"):
        yield f"its condition is found in {found.found_in!r}, expected {planted.found_in!r}"
        return
    if found.found_in == "class":
        label = _COLOURS[planted.unit]
        if found.label != label:
            yield f"its class is {found.label!r}, expected {label!r}"
    elif found.found_in == "units below":
        below = {one.unit for one in found.below}
        if below != planted.below:
            yield f"it is made of units {sorted(below)}, expected {sorted(planted.below)}"
        if planted.at_once and " at once" not in str(found.text):
            yield f"it is called {str(found.text)!r}, expected both units at once"
    elif planted.kinds:
        yield from _misnamed(planted.kinds, found)


def _misnamed(kinds: Sequence[Kind], found: Condition) -> Iterator[str]:
    """Yield what is wrong with the features of a unit: the first of them must be these, in any order."""
    first = found.features[: len(kinds)]
    for kind, angle, polarity in kinds:
        alike = [one for one in first if (one.kind, one.polarity) == (kind, polarity)]
        if not alike:
            yield f"it is called {[(one.kind, one.polarity) for one in first]}, expected {(kind, polarity)}"
        elif angle is not None and not any(_near(one.angle, angle, kind) for one in alike):
            yield f"its direction is {alike[0].angle}, expected {angle}"


def _near(found: int | None, angle: int, kind: str) -> bool:
    """Return whether an angle is no more than one step off; those of bars are the same after half a turn."""
    if found is None:
        return False
    turn = 180 if kind == "bar" else 360
    off = abs(found - angle) % turn
    return min(off, turn - off) <= _STEP


def model() -> "keras.Model":
    """Return the model: the planted layers, and beside them a head that reads the brightest colour off the image."""
    from reportgen.runtime import keras

    layers = keras.layers
    images = keras.Input((_SIDE, _SIDE, 3))
    first = layers.Conv2D(len(_first()) + 2, 3, activation="relu", name=FIRST)
    larger = layers.Conv2D(1, 7, activation="relu", name=LARGER)
    second = layers.Conv2D(2, 1, activation="relu", name=SECOND)
    pooled = [layers.GlobalAveragePooling2D()(maps) for maps in (images, larger(images), second(first(images)))]
    scores = layers.Dense(len(_COLOURS), activation="softmax", name=SCORES)
    made = keras.Model(images, scores(layers.Concatenate()(pooled)), name="planted_words")
    first.set_weights(_first_weights())
    larger.set_weights([_grey(_gabor())[..., np.newaxis], np.zeros(1, np.float32)])
    second.set_weights(_second_weights())
    head = np.zeros((3 + 1 + 2, 3), np.float32)
    head[:3] = 30 * np.eye(3)
    scores.set_weights([head, np.zeros(3, np.float32)])
    return made


def _first_weights() -> list[NDArray[Any]]:
    """Return kernel (3, 3, C, U) and bias (U,): the planted ones, then a random one and one of zeros."""
    random = np.random.default_rng(5).standard_normal((3, 3, 3)).astype(np.float32)
    kernels = [*(kernel for _, kernel, _ in _first()), random, np.zeros_like(random)]
    return [np.stack(kernels, axis=-1), np.zeros(len(kernels), np.float32)]


def _second_weights() -> list[NDArray[Any]]:
    """Return kernel (1, 1, I, 2) and bias (2,): an input alone reaches 1: 0.3 asks for one, 1.25 for both."""
    kernel = np.zeros((1, 1, len(_first()) + 2, 2), np.float32)
    kernel[0, 0, 15, 0], kernel[0, 0, 8, 0] = 1 / 7.2, 1 / 0.93
    kernel[0, 0, 15, 1], kernel[0, 0, 16, 1] = 1 / 7.2, 1 / 6.4
    return [kernel, np.array([-0.3, -1.25], np.float32)]


def dataset() -> Dataset:
    """Return the images: discs, boxes and lines of any colour, a little noisy; the class is the brightest colour."""
    generator = np.random.default_rng(0)
    images = np.stack([_scene(generator) for _ in range(_IMAGES)])
    labels = images.mean(axis=(1, 2)).argmax(axis=1).astype(np.int64)
    source, said = literal("images made for the self-test"), literal("as they are")  # which no page ever says
    return Dataset("planted words", source, None, Part(images, labels), _COLOURS, "", Pixels(1.0, said))


def _scene(generator: np.random.Generator) -> Weights:
    """Return a picture (H, W, 3) with values from about 0 to 1."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    image = np.empty((_SIDE, _SIDE, 3))
    image[:] = generator.random(3)
    for _ in range(7):
        at, angle, reach = generator.random(2) * _SIDE, generator.random() * np.pi, generator.uniform(1, 6)
        u = (x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)
        v = (y - at[1]) * np.cos(angle) - (x - at[0]) * np.sin(angle)
        shapes = np.hypot(u, v) < reach, np.maximum(abs(u), abs(v)) < reach, (abs(v) < 0.8) & (abs(u) < 3 * reach)
        image[shapes[generator.integers(3)]] = generator.random(3)
    return (image + generator.normal(0, 0.01, image.shape)).astype(np.float32)

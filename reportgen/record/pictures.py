"""The arrays of a run, from which pictures are painted. Shapes: E example images, U units, C channels, K classes."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """The first test images. images: (E, *space, C) as stored; true, predicted: (E,) class indices."""

    images: Array
    true: Array
    predicted: Array


@dataclass(frozen=True)
class Maps:
    """A convolution layer's outputs for the examples.

    values: (E, *space, U shown) float32, its space of one, two or three axes. step: every step-th position along each
    axis was kept. units: how many there are.
    """

    layer: str
    units: int
    step: int
    values: Array


@dataclass(frozen=True)
class Strips:
    """A dense layer's outputs for the examples. values: (E, U shown) float32."""

    layer: str
    units: int
    is_output: bool
    values: Array


@dataclass(frozen=True)
class Kernels:
    """A convolution layer's weights.

    weights: (U shown, C shown, *space) float32; channels: (U shown, C shown) the input channel of each, by
    falling norm. inputs, units: how many there are. on_colour: the input channels are red, green and blue.
    largest: largest |weight| of the whole layer, the end of its colour scale.
    """

    layer: str
    units: int
    inputs: int
    largest: float
    on_colour: bool
    weights: Array
    channels: Array


@dataclass(frozen=True)
class Correlations:
    """How alike the responses of a layer's units are.

    order: (V,) units, alike ones beside each other. r: (V, V) float32 of s_mean over images, in that order.
    units: how many there are.
    """

    layer: str
    units: int
    order: Array
    r: Array


@dataclass(frozen=True)
class ClassMap:
    """What a layer's units answer to each class. values: (K, V) float32 mean of s_mean; units: how many there are."""

    layer: str
    units: int
    values: Array


@dataclass(frozen=True)
class Cards:
    """What the cards of units show. numbers: (M,) image numbers, ascending; images: (M, *space, C) as stored.

    units: for each layer the units that have a card, problems first.
    """

    numbers: Array
    images: Array
    units: dict[str, list[int]]


@dataclass(frozen=True)
class Responses:
    """What a layer's units answer to the images of Answers. values: (M, U) float16.

    Each unit's s_mean is centred and divided by its deviation over these images; 0 of a unit that does not vary.
    """

    layer: str
    values: Array


@dataclass(frozen=True)
class Answers:
    """What a later run is compared with, image by image.

    right: (N,) bool, whether the model is right about each test image. images: (M,) numbers among the images looked
    at, ascending. responses: of every layer looked into, none where the model has too many units for it. labels: (N,)
    the class of each test image, by its place among the classes of the scores; None in a folder from before it was
    kept.
    """

    right: Array
    images: Array
    responses: list[Responses]
    labels: Array | None = None


@dataclass(frozen=True)
class Seen:
    """What some units of a layer of maps saw, in pixels as they are stored.

    units: (V,) their numbers. strongest, weakest: (V, T, h, w, C) what the unit saw where it fires most and least, each
    of another image, the strongest first; zeros beyond the border. mean: (V, h, w, C) float32 of the strongest.
    image: (V,) number, among those looked at, of an image on which the words fit as well as on the median one.
    pictures: (V, H, W, C) these images. real, told: (V, rows, columns) float32, the unit's map of that image and what
    the words say it is; NaN where there are no words.
    """

    layer: str
    units: Array
    strongest: Array
    weakest: Array
    mean: Array
    image: Array
    pictures: Array
    real: Array
    told: Array


@dataclass(frozen=True)
class ShiftedImages:
    """A test image, and how each corruption changes it. original: (1, H, W, C) as stored; changed: (S, H, W, C).

    corruptions: what was done to each of the changed ones, at the strongest severity.
    """

    original: Array
    changed: Array
    corruptions: list[str]


@dataclass(frozen=True)
class TrustPictures:
    """The images behind the doubts about the figures, as stored or thinned.

    exact, near: (P, 2, *space, C) the images of the first pairs of `data.leaks`. suspects: (S,) places in
    `data.suspect_labels`; images: (S, *space, C) theirs.
    """

    exact: Array
    near: Array
    suspects: Array
    images: Array


@dataclass(frozen=True)
class Pictures:
    """The arrays of a run: what pictures are painted from, and `answers`, what a later run is compared with.

    worst: (M, *space, C), images of the test split's mistakes. answers: None in a folder from before there were any.
    seen: of layers of maps whose units were described in words. shifted: None where no pictures were changed.
    trust: None in a folder from before there was any.
    attributions: (M, h, w) float16 in -1 ... 1, the maps of `Record.attributions`, of large images every n-th pixel;
    None in a folder from before there were any.
    """

    examples: Examples
    worst: Array
    cards: Cards
    maps: list[Maps] = field(default_factory=list)
    strips: list[Strips] = field(default_factory=list)
    kernels: list[Kernels] = field(default_factory=list)
    correlations: list[Correlations] = field(default_factory=list)
    class_maps: list[ClassMap] = field(default_factory=list)
    answers: Answers | None = None
    seen: list[Seen] = field(default_factory=list)
    shifted: ShiftedImages | None = None
    trust: TrustPictures | None = None
    attributions: Array | None = None

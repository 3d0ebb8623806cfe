"""Receptive fields: a position sees no pixel outside its patch, and of a plain chain all at the patch's edge."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import receptive_fields
from reportgen.analysis.activations.graph import Graph
from reportgen.dataset import Part
from reportgen.runtime import keras
from tests.helpers.passes import Array, answers, look, make_dataset

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any
Layers = Callable[[], list[Any]]


def model_of(last: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Model:
    """Return a model whose output is `last` of its input, with weights that are small positive whole numbers.

    All sums are then exact: what differs by rounding alone would pass for what is seen.
    """
    start = keras.Input(shape)
    model = keras.Model(start, last(start))
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "moving_mean":
            continue
        weight.assign(generator.integers(1, 3, weight.shape) if len(weight.shape) > 1 else np.ones(weight.shape))
    return model


def in_turn(layers: Layers) -> Callable[[Any], Any]:
    def last(tensor: Any) -> Any:
        for layer in layers():
            tensor = layer(tensor)
        return tensor

    return last


def residual(start: Any) -> Any:
    stem = L.Conv2D(2, 3, padding="same", activation="relu")(start)
    body = L.Conv2D(2, 5, padding="same")(L.Conv2D(2, (3, 1), padding="same", activation="relu")(stem))
    return L.Conv2D(2, 2)(L.Add()([body, stem]))


def inception(start: Any) -> Any:
    branches = [
        L.Conv2D(1, 1)(start),
        L.Conv2D(1, 5, padding="same")(start),
        L.MaxPooling2D(3, strides=1, padding="same")(start),
    ]
    return L.Conv2D(2, 3)(L.Concatenate()(branches))


def summed(equation: str) -> Callable[[Any], Any]:
    """Return what gives two channels at as many positions as before."""
    return lambda given: L.EinsumDense(equation, (*given.shape[1:-1], 2))(given)


def cropped_sum(start: Any) -> Any:
    return L.Add()([L.Conv2D(2, 5)(start), L.Cropping2D(((3, 1), (0, 4)))(start)])


def strided_sum(start: Any) -> Any:
    body = L.Conv2D(2, 3, padding="same")(L.Conv2D(2, 3, strides=2, padding="same", activation="relu")(start))
    return L.Maximum()([body, L.Conv2D(2, 1, strides=2)(start)])


@dataclass(frozen=True)
class Net:
    """A network. tight: whether the pixels at the edge of every patch are seen, clipped or not."""

    last: Callable[[Any], Any]
    tight: bool = False


NETS = {
    "valid": Net(in_turn(lambda: [L.Conv2D(2, 3), L.Conv2D(2, (2, 5))]), tight=True),
    "same": Net(in_turn(lambda: [L.Conv2D(2, 3, padding="same"), L.Conv2D(2, (4, 5), padding="same")]), tight=True),
    "strides": Net(in_turn(lambda: [L.Conv2D(2, 5, strides=2), L.Conv2D(2, 3, strides=(1, 2))])),
    "same strides": Net(
        in_turn(lambda: [L.Conv2D(2, 3, strides=2, padding="same"), L.Conv2D(2, 4, strides=2, padding="same")])
    ),
    "gaps": Net(in_turn(lambda: [L.Conv2D(2, 2, strides=3), L.Conv2D(2, 2, padding="same")])),
    "dilation": Net(in_turn(lambda: [L.Conv2D(2, 3, dilation_rate=2), L.Conv2D(2, 2, dilation_rate=(1, 3))])),
    "same dilation": Net(in_turn(lambda: [L.Conv2D(2, 3, dilation_rate=(3, 2), padding="same"), L.Conv2D(2, 2)])),
    "pooling": Net(in_turn(lambda: [L.Conv2D(2, 3), L.MaxPooling2D(2), L.Conv2D(2, 2), L.AveragePooling2D((2, 1))])),
    "same pooling": Net(
        in_turn(lambda: [L.MaxPooling2D(3, strides=2, padding="same"), L.AveragePooling2D(2, padding="same")])
    ),
    "padding": Net(
        in_turn(lambda: [L.ZeroPadding2D(((2, 0), (1, 3))), L.Conv2D(2, 4), L.ZeroPadding2D(1), L.Conv2D(2, 2)])
    ),
    "cropping": Net(in_turn(lambda: [L.Conv2D(2, 3), L.Cropping2D(((1, 2), (3, 0))), L.Conv2D(2, 2)]), tight=True),
    "padding after strides": Net(
        in_turn(lambda: [L.Conv2D(2, 3, strides=2), L.ZeroPadding2D(((1, 2), (0, 1))), L.Conv2D(2, 2, strides=2)])
    ),
    "depthwise": Net(
        in_turn(lambda: [L.DepthwiseConv2D(3, depth_multiplier=2), L.SeparableConv2D(2, (2, 3), padding="same")]),
        tight=True,
    ),
    "pointwise": Net(
        in_turn(
            lambda: [L.Rescaling(2.0), L.Conv2D(2, 3), L.BatchNormalization(epsilon=0.0), L.Dropout(0.5), L.PReLU(),
                     L.LeakyReLU(), L.Activation("relu"), L.Dense(3)]
        ),
        tight=True,
    ),
    "einsum": Net(lambda start: summed("abcd,de->abce")(L.Conv2D(2, 3)(start)), tight=True),
    "einsum of each place": Net(lambda start: summed("abcd,bde->abce")(L.Conv2D(2, 3)(start)), tight=True),
    "residual": Net(residual, tight=True),
    "model inside": Net(
        in_turn(lambda: [L.Conv2D(2, 3), keras.Sequential([L.Conv2D(2, 2), keras.Sequential([L.Conv2D(2, (1, 3))])])]),
        tight=True,
    ),
    "inception": Net(inception, tight=True),
    "cropped sum": Net(cropped_sum, tight=True),
    "strided sum": Net(strided_sum),
}  # fmt: skip
SIZES = [(17, 14), (16, 19)]


def field_of(model: Model) -> receptive_fields.Field | None:
    graph = Graph(model)
    return receptive_fields.fields(graph)[graph.output]


def nine(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the corners, the middles of the edges and the middle of a map."""
    rows, columns = (sorted({0, size // 2, size - 1}) for size in shape)
    return list(product(rows, columns))


def outputs_of(model: Model, images: Array) -> Array:
    return answers(model, images.astype(np.float32))


def image_of(size: tuple[int, int]) -> Array:
    return np.random.default_rng(1).integers(0, 9, (*size, 1))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("net", NETS)
def test_pixels_outside_a_patch_change_nothing(net: str, size: tuple[int, int]) -> None:
    model, image = model_of(NETS[net].last, (*size, 1)), image_of(size)
    field, positions = field_of(model), nine(model.output_shape[1:3])
    changed = []
    for position in positions:
        patch = receptive_fields.patch(field, position, size)
        assert patch is not None
        top, left, bottom, right = patch
        other = image + 1000
        other[top:bottom, left:right] = image[top:bottom, left:right]
        changed.append(other)
    before, *after = outputs_of(model, np.stack([image, *changed]))
    for position, values in zip(positions, after, strict=True):
        np.testing.assert_array_equal(values[position], before[position])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("net", [name for name, net in NETS.items() if net.tight])
def test_every_edge_of_the_patch_of_a_plain_chain_is_seen(net: str, size: tuple[int, int]) -> None:
    """With positive weights a brighter row or column at the edge shows in what the position gives."""
    model, image = model_of(NETS[net].last, (*size, 1)), image_of(size)
    field, positions = field_of(model), nine(model.output_shape[1:3])
    changed, where = [], []
    for position in positions:
        top, left, bottom, right = receptive_fields.patch(field, position, size) or []
        for rows, columns in (
            (slice(top, top + 1), slice(left, right)),
            (slice(bottom - 1, bottom), slice(left, right)),
            (slice(top, bottom), slice(left, left + 1)),
            (slice(top, bottom), slice(right - 1, right)),
        ):
            other = image.copy()
            other[rows, columns] += 1000
            changed.append(other)
            where.append(position)
    before, *after = outputs_of(model, np.stack([image, *changed]))
    for position, values in zip(where, after, strict=True):
        assert (values[position] > before[position]).any()


@pytest.mark.parametrize("net", ["strides", "same strides", "pooling", "same pooling", "strided sum"])
def test_the_patch_inside_an_image_is_as_large_as_what_is_seen(net: str) -> None:
    """Where nothing is clipped a field is tight behind strides and pooling too."""
    size = (41, 44)
    model, image = model_of(NETS[net].last, (*size, 1)), image_of(size)
    height, width = model.output_shape[1:3]
    position = (height // 2, width // 2)
    seen = np.zeros(size, bool)
    changed = np.repeat(image[np.newaxis], size[0] * size[1], axis=0)
    changed.reshape(len(changed), -1)[np.arange(len(changed)), np.arange(len(changed))] += 1000
    before = outputs_of(model, image[np.newaxis])[0][position]
    seen.ravel()[(outputs_of(model, changed)[:, *position] != before).any(axis=1)] = True
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    found = receptive_fields.patch(field_of(model), position, size)
    assert found == [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


@pytest.mark.parametrize(
    "first",
    [
        in_turn(lambda: [L.RandomFlip(), L.RandomRotation(0.2), L.RandomZoom(0.1), L.RandomContrast(0.1)]),
        in_turn(lambda: [L.RandomBrightness(0.1), L.RandomTranslation(0.1, 0.1), L.GaussianNoise(0.1)]),
        in_turn(lambda: [keras.Sequential([L.RandomFlip(), L.Dropout(0.1)])]),
        lambda start: start / 127.5 - 1.0,
        lambda start: keras.ops.relu(start)[..., ::-1],
        lambda start: keras.ops.cast(start, "float16"),
        in_turn(lambda: [L.LayerNormalization(center=False, scale=False)]),
    ],
    ids=["turned in training", "noise", "a model of them", "arithmetic", "channels turned", "cast", "over channels"],
)
def test_what_leaves_places_as_they_are_does_not_change_the_field(first: Callable[[Any], Any]) -> None:
    conv = in_turn(lambda: [L.Conv2D(2, 3, strides=2, padding="same")])
    assert field_of(model_of(lambda start: conv(first(start)), (12, 9, 3))) == field_of(model_of(conv, (12, 9, 3)))


def test_an_einsum_of_any_axes_does_not_change_the_field() -> None:
    """Of one axis: of more Keras takes their sizes to be in reverse order."""
    conv = in_turn(lambda: [L.Conv1D(2, 3, strides=2)])
    behind = model_of(lambda start: L.EinsumDense("...c,cd->...d", 4)(conv(start)), (12, 3))
    assert field_of(behind) == field_of(model_of(conv, (12, 3))) == (receptive_fields.Axis(3, 2, 0),)


# The whole image


class ConvBlock(L.Layer):
    """A layer whose name alone reminds of a convolution."""

    def call(self, x: Any) -> Any:
        return keras.ops.flip(x, axis=1)


def stacked(start: Any) -> Any:
    return L.Concatenate(axis=1)([L.Conv2D(2, 3)(start), L.Conv2D(2, 3)(start)])


def gated(start: Any) -> Any:
    """Multiply a map by a single position that has seen everything."""
    return L.Multiply()([L.Conv2D(2, 3, padding="same")(start), L.Conv2D(2, (12, 9))(start)])


def attending(start: Any) -> Any:
    mapped = L.Conv2D(2, 3)(start)
    return L.Conv2D(2, 3)(L.Add()([mapped, L.MultiHeadAttention(1, 2)(mapped, mapped)]))


def steps_that_differ(start: Any) -> Any:
    upsampled = L.UpSampling2D(2)(L.MaxPooling2D(2)(L.Cropping2D(((0, 0), (0, 1)))(start)))
    return L.Concatenate()([L.Cropping2D(((0, 0), (0, 1)))(start), upsampled])


@pytest.mark.parametrize(
    "last",
    [
        in_turn(lambda: [L.Conv2D(2, 3), L.Flatten()]),
        in_turn(lambda: [L.Conv2D(2, 3), L.GlobalAveragePooling2D()]),
        in_turn(lambda: [L.Conv2D(2, 3), L.GlobalMaxPooling2D(keepdims=True), L.Conv2D(2, 1)]),
        in_turn(lambda: [L.Conv2D(2, 3), L.AdaptiveAveragePooling2D(4)]),
        in_turn(lambda: [L.Conv2DTranspose(2, 3, strides=2)]),
        in_turn(lambda: [L.Conv2D(2, 3), L.UpSampling2D(2), L.Conv2D(2, 3)]),
        in_turn(lambda: [L.Conv2D(2, 3), L.LayerNormalization(axis=(1, 2, 3))]),
        in_turn(lambda: [L.Permute((2, 1, 3)), L.Conv2D(2, 3)]),
        in_turn(lambda: [ConvBlock(), L.Conv2D(2, 3)]),
        in_turn(lambda: [L.RandomCrop(8, 8), L.Conv2D(2, 3)]),
        lambda start: L.Conv2D(2, 3)(keras.ops.flip(start, axis=2)),
        lambda start: L.Conv2D(2, 3)(start - keras.ops.mean(start, axis=(1, 2), keepdims=True)),
        in_turn(lambda: [L.Conv2D(2, 3, data_format="channels_first", padding="same")]),
        in_turn(lambda: [L.EinsumDense("abcd,be->aecd", (10, 9, 1)), L.Conv2D(2, 3)]),
        in_turn(lambda: [L.EinsumDense("abcd,bde->acbe", (9, 12, 2)), L.Conv2D(2, 3)]),
        attending,
        stacked,
        gated,
        steps_that_differ,
    ],
    ids=[
        "flatten", "global average", "global with its axes", "adaptive pooling", "transposed", "upsampling",
        "normalised over the map", "turned", "unknown layer",
        "cropped", "flipped", "less its mean", "channels first", "einsum over rows", "einsum that turns", "attention",
        "stacked", "gated",
        "steps that differ",
    ],
)  # fmt: skip
def test_what_may_see_everything_has_the_whole_image(last: Callable[[Any], Any]) -> None:
    assert field_of(model_of(last, (12, 9, 1))) is None


def test_the_patch_of_a_whole_image_is_none() -> None:
    assert receptive_fields.patch(None, (0, 0), (12, 9)) is None


@pytest.mark.parametrize("position", [(0, 4), (4, 0), (11, 4), (4, 13)])
def test_a_position_in_the_padding_has_no_patch(position: tuple[int, int]) -> None:
    field = field_of(model_of(in_turn(lambda: [L.ZeroPadding2D(2), L.Conv2D(2, 1)]), (8, 10, 1)))
    assert receptive_fields.patch(field, position, (8, 10)) is None


def test_same_padding_of_a_size_that_is_not_known_has_the_whole_image() -> None:
    """Where the odd pixel goes depends on the size."""
    assert field_of(model_of(in_turn(lambda: [L.Conv2D(2, 3, strides=2, padding="same")]), (None, None, 1))) is None


def test_a_size_that_is_not_known_does_not_matter_without_padding() -> None:
    any_size = model_of(in_turn(lambda: [L.Conv2D(2, 3, strides=2)]), (None, None, 1))
    assert field_of(any_size) == (receptive_fields.Axis(3, 2, 0),) * 2


# In a verdict


def test_a_top_image_is_framed_around_what_made_the_unit_fire() -> None:
    start = keras.Input((12, 9, 1))
    conv = L.Conv2D(1, 3, padding="same", activation="relu", name="conv")
    model = keras.Model(start, L.Dense(2)(L.Flatten()(conv(start))))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1
    conv.set_weights([kernel, np.zeros(1, np.float32)])
    images = np.zeros((20, 12, 9, 1), np.float32)
    images[4, 7, 5], images[9, 0, 8] = 3, 2
    [unit] = look(model, make_dataset(Part(images, np.arange(20) % 2), scale=1.0)).units_of("conv")
    shown = [(top.index, top.row, top.column, top.patch) for top in unit.top_images]
    assert shown == [(4, 7, 5, [6, 4, 9, 7]), (9, 0, 8, [0, 7, 2, 9])]


@pytest.mark.parametrize(
    ("conv", "at", "patch"),
    [
        (lambda: L.Conv1D(1, 3, padding="same", activation="relu", name="conv"), (7,), [6, 9]),
        (lambda: L.Conv3D(1, 3, padding="same", activation="relu", name="conv"), (2, 0, 5), [1, 0, 4, 4, 2, 7]),
    ],
    ids=["series", "volumes"],
)
def test_series_and_volumes_have_frames_too(conv: Callable[[], Any], at: tuple[int, ...], patch: list[int]) -> None:
    layer, shape = conv(), (12, 9, 7)[: len(at)]
    start = keras.Input((*shape, 1))
    model = keras.Model(start, L.Dense(2)(L.Flatten()(layer(start))))
    kernel = np.zeros(layer.kernel.shape, np.float32)
    kernel[(1,) * len(at)] = 1
    layer.set_weights([kernel, np.zeros(1, np.float32)])
    images = np.zeros((20, *shape, 1), np.float32)
    images[(4, *at)] = 3
    [unit] = look(model, make_dataset(Part(images, np.arange(20) % 2), scale=1.0)).units_of("conv")
    [top] = unit.top_images
    assert (top.index, top.patch) == (4, patch)
    assert (top.plane, top.row, top.column) == (*[None] * (3 - len(at)), *at)


def test_a_neuron_has_no_frame() -> None:
    start = keras.Input((4, 4, 1))
    model = keras.Model(start, L.Dense(2)(L.Dense(1, activation="relu", name="hidden")(L.Flatten()(start))))
    images = np.random.default_rng(0).random((20, 4, 4, 1), np.float32)
    model.get_layer("hidden").set_weights([np.ones((16, 1), np.float32), np.zeros(1, np.float32)])
    [unit] = look(model, make_dataset(Part(images, np.arange(20) % 2), scale=1.0)).units_of("hidden")
    assert {(top.row, top.column, top.patch) for top in unit.top_images} == {(None, None, None)}

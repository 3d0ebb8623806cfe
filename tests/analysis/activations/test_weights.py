"""Weights as facts about units: against impulses sent through the layers, and bounds that no input may exceed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import weights
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.units.facts import Weights
from reportgen.dataset import Dataset, Part
from reportgen.runtime import keras
from tests.helpers.passes import Array, flat, look, make_dataset, make_part, predicted, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any


def model_of(*layers: Any, shape: tuple[int, ...] = (9, 9, 1)) -> Model:
    """Return a model that ends in scores, with random weights."""
    end = [L.Flatten(name="flat"), L.Dense(3, activation="softmax", name="scores")]
    return randomise(keras.Sequential([L.Input(shape), *layers, *end]), 4)


def all_facts(model: Model, dataset: Dataset) -> dict[str, Weights]:
    """Return what a report is told about the weights of each layer."""
    told: dict[str, Weights] = {}

    def listening(reading: Reading, *arguments: Any) -> Weights:
        return told.setdefault(reading.name, made(reading, *arguments))

    made = weights.facts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "facts", listening)
        look(model, dataset)
    return told


def facts(model: Model, layer: str, dataset: Dataset | None = None) -> Weights:
    return all_facts(model, dataset or make_dataset(make_part(model.input_shape[1:])))[layer]


# Kernels


SIDE = 7


def by_impulses(layer: Any, channels: int, axes: int, *, transposed: bool = False) -> Array:
    """Return (U, C, *spatial): what each unit makes of each input channel, found by sending single ones through.

    A convolution puts kernel[d] where it sees the one at d, so d places before it; a transposed one d places behind.
    """
    start = keras.Input((*[SIDE] * axes, channels))
    model = randomise(keras.Model(start, layer(start)))
    if layer.bias is not None:
        layer.bias.assign(np.zeros(layer.bias.shape))
    images = np.zeros((channels, *[SIDE] * axes, channels), np.float32)
    middle = (SIDE // 2,) * axes
    for channel in range(channels):
        images[(channel, *middle, channel)] = 1
    answers = np.asarray(model(images))  # (C, *positions, U)
    size = getattr(layer, "kernel_size", ())
    found = np.zeros((answers.shape[-1], channels, *size))
    for offset in np.ndindex(*size):
        at = tuple(m + d if transposed else m - d for m, d in zip(middle, offset, strict=True))
        found[(slice(None), slice(None), *offset)] = answers[(slice(None), *at)].T
    return found


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (lambda: L.Dense(4), 0),
        (lambda: L.Conv1D(4, 3), 1),
        (lambda: L.Conv2D(4, (2, 3)), 2),
        (lambda: L.Conv2D(4, 3, use_bias=False), 2),
        (lambda: L.Conv3D(4, (1, 2, 3)), 3),
    ],
    ids=["dense", "1-D", "2-D", "without bias", "3-D"],
)
def test_kernels_are_what_a_unit_makes_of_an_impulse(layer: Callable[[], Any], axes: int) -> None:
    made = layer()
    expected = by_impulses(made, 3, axes)
    np.testing.assert_allclose(weights.kernels(made), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [(lambda: L.Conv1DTranspose(4, 3), 1), (lambda: L.Conv2DTranspose(4, (2, 3)), 2)],
    ids=["1-D", "2-D"],
)
def test_transposed_kernels_are_what_an_impulse_becomes(layer: Callable[[], Any], axes: int) -> None:
    made = layer()
    expected = by_impulses(made, 3, axes, transposed=True)
    np.testing.assert_allclose(weights.kernels(made), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "axes", "channels", "groups"),
    [
        (lambda: L.Conv2D(6, 3, groups=2), 2, 4, 2),
        (lambda: L.DepthwiseConv2D((2, 3), depth_multiplier=2), 2, 3, 3),
        (lambda: L.DepthwiseConv1D(3), 1, 3, 3),
    ],
    ids=["grouped", "depthwise", "depthwise 1-D"],
)
def test_a_unit_of_a_group_weighs_the_channels_of_its_group_alone(
    layer: Callable[[], Any], axes: int, channels: int, groups: int
) -> None:
    made = layer()
    measured = by_impulses(made, channels, axes)
    found = weights.kernels(made)
    assert found is not None
    per_group = channels // groups
    for unit in range(len(found)):
        group = unit * groups // len(found)
        own = np.arange(channels) // per_group == group
        np.testing.assert_allclose(found[unit], measured[unit, own], rtol=1e-5, atol=1e-6)
        assert not measured[unit, ~own].any()


def test_the_kernels_of_a_separable_convolution_are_those_that_mix_its_channels() -> None:
    made = L.SeparableConv2D(4, 3)
    start = keras.Input((SIDE, SIDE, 3))
    model = randomise(keras.Model(start, made(start)))
    untouched = np.zeros((3, 3, 3, 1), np.float32)
    untouched[1, 1] = 1  # the depthwise half hands its input on
    made.set_weights([untouched, made.get_weights()[1], np.zeros(4)])
    one_channel_each = np.tile(np.eye(3, dtype=np.float32)[:, None, None], (1, SIDE, SIDE, 1))
    answers = np.asarray(model(one_channel_each))[:, 0, 0]
    np.testing.assert_allclose(weights.kernels(made), answers.T[..., None, None], rtol=1e-5)


def test_a_layer_without_a_kernel_has_none() -> None:
    assert weights.kernels(L.ReLU()) is None


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: L.Conv2D(4, 3, name="body"), (9, 9, 2)),
        (lambda: L.Conv2D(4, 3, use_bias=False, name="body"), (9, 9, 2)),
        (lambda: L.Conv2D(4, 3, groups=2, name="body"), (9, 9, 2)),
        (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, name="body"), (9, 9, 2)),
        (lambda: L.Conv2DTranspose(4, 3, name="body"), (9, 9, 2)),
        (lambda: L.Dense(4, name="body"), (9, 9, 2)),
    ],
    ids=["2-D", "without bias", "grouped", "depthwise", "transposed", "dense"],
)
def test_the_parameters_of_all_units_are_those_of_the_layer(layer: Callable[[], Any], shape: tuple[int, ...]) -> None:
    model = model_of(layer(), shape=shape)
    body = model.get_layer("body")
    assert facts(model, "body").params_per_unit * body.output.shape[-1] == body.count_params()


# Batch normalisation


def test_gamma_is_that_of_the_batch_normalisation_on_the_way() -> None:
    model = model_of(L.Conv2D(4, 3, name="body"), L.BatchNormalization(name="bn"), L.ReLU())
    np.testing.assert_array_equal(facts(model, "body").gamma, np.asarray(model.get_layer("bn").gamma))


@pytest.mark.parametrize(
    "behind",
    [lambda: [L.ReLU()], lambda: [L.MaxPooling2D(2), L.BatchNormalization()], lambda: [L.BatchNormalization()]],
    ids=["none", "behind pooling", "without a nonlinearity"],
)
def test_a_batch_normalisation_that_is_not_read_through_has_no_part_in_a_unit(behind: Callable[[], list[Any]]) -> None:
    assert facts(model_of(L.Conv2D(4, 3, name="body"), *behind()), "body").gamma is None


@pytest.mark.parametrize(
    "layer", [lambda: L.DepthwiseConv2D(3, name="own"), lambda: L.Conv2D(2, 3, groups=2, name="own")]
)
def test_equal_kernels_over_other_channels_are_no_duplicates(layer: Callable[[], Any]) -> None:
    model = model_of(layer(), shape=(9, 9, 2))
    kernel, *rest = model.get_layer("own").get_weights()
    kernel[...] = kernel[..., :1, :1]
    model.get_layer("own").set_weights([kernel, *(np.zeros_like(bias) for bias in rest)])
    units = look(model, make_dataset(make_part((9, 9, 2)))).units_of("own")
    assert [unit.duplicate_of for unit in units] == [None, None]


def test_equal_kernels_that_are_normalised_differently_are_no_duplicates() -> None:
    """Without a gamma the moving mean and variance still set them apart."""
    model = model_of(L.Conv2D(2, 3, name="body"), L.BatchNormalization(scale=False), L.ReLU())
    kernel, bias = model.get_layer("body").get_weights()
    model.get_layer("body").set_weights([np.repeat(kernel[..., :1], 2, axis=-1), np.repeat(bias[:1], 2)])
    model.layers[1].set_weights([np.ones(2), np.array([0, 0.5]), np.array([1, 2])])  # beta, moving mean and variance
    units = look(model, make_dataset(make_part((9, 9, 1)))).units_of("body")
    assert "dead" not in [unit.state for unit in units]
    assert [unit.duplicate_of for unit in units] == [None, None]


# How far a unit can be driven


def body(kind: Any = L.Conv2D, *arguments: Any, **options: Any) -> Any:
    return kind(*(arguments or (4, 3)), name="body", **options)


REACHED = {
    "first": lambda: [body()],
    "same": lambda: [body(padding="same", strides=2)],
    "grouped": lambda: [L.Conv2D(4, 3, activation="tanh"), body(groups=2)],
    "depthwise": lambda: [L.Conv2D(3, 3, activation="tanh"), body(L.DepthwiseConv2D, 3, depth_multiplier=2)],
    "transposed": lambda: [L.Conv2D(3, 3, activation="tanh"), body(L.Conv2DTranspose, strides=2, padding="same")],
    "max pooling": lambda: [L.Conv2D(3, 3, activation="elu"), L.MaxPooling2D(2, padding="same"), body()],
    "average pooling": lambda: [L.Conv2D(3, 3, activation="elu"), L.AveragePooling2D(2, padding="same"), body()],
    "zero padding": lambda: [L.Conv2D(3, 3, activation="sigmoid"), L.ZeroPadding2D(2), body()],
    "zero padding and flatten": lambda: [
        L.Conv2D(3, 3, activation="sigmoid"), L.ZeroPadding2D(2), L.Flatten(), body(L.Dense, 4),
    ],
    "cropping": lambda: [L.Conv2D(3, 3, activation="tanh"), L.Cropping2D(1), L.Dropout(0.5), body()],
    "flatten": lambda: [L.Conv2D(3, 3, activation="tanh"), L.Flatten(), body(L.Dense, 4)],
    "global pooling": lambda: [L.Conv2D(3, 3, activation="tanh"), L.GlobalAveragePooling2D(), body(L.Dense, 4)],
    "behind a chain": lambda: [L.Conv2D(3, 3), L.BatchNormalization(), L.ReLU(), body()],
    "dense on maps": lambda: [L.Conv2D(3, 3, activation="tanh"), body(L.Dense, 4)],
    "neurons": lambda: [L.Flatten(), L.Dense(5, activation="tanh"), body(L.Dense, 4)],
    "one axis": lambda: [L.Reshape((9, 9)), L.Conv1D(3, 2, activation="tanh"), body(L.Conv1D, 4, 3, padding="causal")],
}  # fmt: skip


@pytest.mark.parametrize("layers", REACHED)
def test_no_input_drives_a_unit_beyond_its_reach(layers: str) -> None:
    model, dataset = model_of(*REACHED[layers](), L.ReLU()), make_dataset(make_part((9, 9, 1), 200))
    reach = facts(model, "body", dataset).reach
    assert reach is not None
    before = flat(predicted(model, dataset.test.images, of="body")).max(axis=(0, 1))
    assert (before <= reach + 1e-5 * np.abs(reach)).all()
    assert (reach < 30 * np.abs(before).max()).all()  # a bound so loose that it never explains anything is none


@pytest.mark.parametrize(
    "layer",
    [
        lambda: body(), lambda: body(groups=2), lambda: body(L.DepthwiseConv2D, 3, depth_multiplier=2),
        lambda: body(L.Dense, 4),
    ],
    ids=["plain", "grouped", "depthwise", "dense on maps"],
)  # fmt: skip
def test_each_channel_has_its_own_range(layer: Callable[[], Any]) -> None:
    """With positive weights the image that is brightest in every channel attains the reach of every unit."""
    model = model_of(layer(), L.ReLU(), shape=(3, 3, 4))
    model.get_layer("body").set_weights([np.abs(weight) for weight in model.get_layer("body").get_weights()])
    images = np.zeros((20, 3, 3, 4), np.float32)
    images[3] = [1, 2, 40, 80]
    before = flat(predicted(model, images, 1.0, of="body"))[3].max(axis=0)
    reach = facts(model, "body", make_dataset(Part(images, np.arange(20) % 2), scale=1.0)).reach
    assert reach == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [body(padding="same")], lambda: [L.ZeroPadding2D(), body()],
        lambda: [L.ZeroPadding2D(), L.Flatten(), body(L.Dense, 4)],
    ],
    ids=["same", "zero padding", "zero padding and flatten"],
)  # fmt: skip
def test_padding_that_hides_what_holds_a_unit_down_is_counted_in(layers: Callable[[], list[Any]]) -> None:
    """All weights are negative and no pixel is black: the less of the image is seen, the more a unit gives."""
    model = model_of(*layers(), L.ReLU())
    kernel, bias = model.get_layer("body").get_weights()
    model.get_layer("body").set_weights([-np.abs(kernel), bias])
    part = make_part((9, 9, 1))
    dataset = make_dataset(Part(100 + part.images // 2, part.labels))
    reach = facts(model, "body", dataset).reach
    before = flat(predicted(model, dataset.test.images, of="body")).max(axis=(0, 1))
    assert reach is not None and (before <= reach).all()
    assert reach == pytest.approx(bias, rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 9, 5), (3, 9, 5), (5, 9, 5)], ids=str)
def test_no_input_drives_a_unit_beyond_its_reach_with_channels_first(shape: tuple[int, ...]) -> None:
    """The last axis of such images is their width."""
    model = model_of(L.Conv2D(4, 3, name="body", data_format="channels_first"), L.ReLU(), shape=shape)
    part = make_part(shape, 100)
    images = part.images // np.arange(1, 6, dtype=np.uint8)  # each column has a range of its own
    dataset = make_dataset(Part(images, part.labels))
    reach = facts(model, "body", dataset).reach
    before = predicted(model, images, of="body").max(axis=(0, 2, 3))
    assert reach is not None and (before <= reach * (1 + 1e-5)).all()


def test_the_reach_of_a_first_layer_is_attained_by_the_image_that_suits_it() -> None:
    model = model_of(L.Conv2D(4, 3, name="body"), L.ReLU(), shape=(3, 3, 2))
    kernel, _ = model.get_layer("body").get_weights()
    images = np.concatenate([(kernel[..., unit] > 0)[np.newaxis] for unit in range(4)])
    dataset = make_dataset(Part(images.astype(np.uint8), np.arange(4) % 2), scale=1.0)
    before = predicted(model, images, 1.0, of="body")[:, 0, 0]
    assert facts(model, "body", dataset).reach == pytest.approx(before.diagonal(), rel=1e-5)


def test_the_reach_takes_each_input_to_the_end_of_its_range_that_suits_its_weight() -> None:
    """Inputs in [0.5, 1] and [-1, 2]: 1 + 2 * 1 - 3 * -1 = 6 and 0 - 0.5 + 4 * 2 = 7.5."""
    start = keras.Input((1, 1, 2))
    hidden = L.Dense(2, activation="relu", name="hidden")(L.Flatten()(start))
    model = keras.Model(start, L.Dense(3, name="scores")(hidden))
    model.get_layer("hidden").set_weights([np.array([[2, -1], [-3, 4]], np.float32), np.array([1, 0], np.float32)])
    images = np.array([[0.5, 2], [1, -1]], np.float32).reshape(2, 1, 1, 2)
    reach = facts(model, "hidden", make_dataset(Part(images, np.arange(2)), scale=1.0)).reach
    assert reach is not None and reach.tolist() == [6, 7.5]


def test_a_unit_that_its_input_cannot_lift_above_zero_is_dead_for_that_reason() -> None:
    """Ten pixels of at most 1 with weights of 0.1 do not outweigh a bias of -1.01; channels have their own ranges."""
    start = keras.Input((5, 2, 2))
    model = keras.Model(start, L.Dense(3)(L.Dense(2, activation="relu", name="hidden")(L.Flatten()(start))))
    kernel = np.zeros((20, 2), np.float32)
    kernel[::2] = 0.1  # of the first channel, which is never brighter than 1
    model.get_layer("hidden").set_weights([kernel, np.array([-1.01, -0.5], np.float32)])
    generator = np.random.default_rng(0)
    images = np.stack([generator.random((50, 5, 2)), 9 * generator.random((50, 5, 2))], axis=-1).astype(np.float32)
    images[0, ..., 0] = 1
    units = look(model, make_dataset(Part(images, np.arange(50) % 2), scale=1.0)).units_of("hidden")
    assert [unit.state == "dead" for unit in units] == [True, False]
    assert (units[0].cause or "").startswith("it cannot fire on this input range")


class GlobalContext(L.Layer):
    """A layer of which nothing is known."""

    def call(self, x: Any) -> Any:
        return 1000 * x


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [body(), L.BatchNormalization(), L.ReLU()],
        lambda: [body(L.SeparableConv2D), L.ReLU()],
        lambda: [L.Rescaling(9.0), body(), L.ReLU()],
        lambda: [L.Conv2D(3, 3, activation="relu"), L.BatchNormalization(), body(), L.ReLU()],
        lambda: [L.Conv2D(3, 3, activation="relu"), GlobalContext(), body(), L.ReLU()],
        lambda: [L.Conv2D(3, 3, activation="relu"), L.Reshape((7, 21)), body(L.Dense, 4), L.ReLU()],
    ],
    ids=["normalised itself", "separable", "rescaled", "normalised before", "unknown layer", "reshaped"],
)
def test_nothing_is_said_about_the_reach_where_it_is_not_known(layers: Callable[[], list[Any]]) -> None:
    assert facts(model_of(*layers()), "body").reach is None


def test_nothing_is_said_about_the_reach_behind_a_sum() -> None:
    start = keras.Input((9, 9, 1))
    summed = L.Add()([L.Conv2D(1, 3, padding="same", activation="relu")(start), start])
    model = keras.Model(start, L.Dense(3)(L.Flatten()(L.Conv2D(4, 3, activation="relu", name="body")(summed))))
    assert facts(model, "body").reach is None


# Inputs that are zero throughout


def silenced(*between: Any) -> Model:
    model = model_of(L.Conv2D(2, 3, activation="relu", name="dead"), *between, L.Dense(4, name="body"), L.ReLU())
    kernel, _ = model.get_layer("dead").get_weights()
    model.get_layer("dead").set_weights([kernel, np.full(2, -1e3)])
    return model


@pytest.mark.parametrize(
    "between",
    [
        lambda: [], lambda: [L.MaxPooling2D()], lambda: [L.Dropout(0.5), L.Flatten()],
        lambda: [L.GlobalAveragePooling2D()], lambda: [L.ZeroPadding2D()],
    ],
    ids=["nothing", "pooling", "flatten", "global pooling", "zero padding"],
)  # fmt: skip
def test_behind_a_dead_layer_the_input_is_zero(between: Callable[[], list[Any]]) -> None:
    told = all_facts(silenced(*between()), make_dataset(make_part((9, 9, 1))))
    assert told["body"].input_is_zero
    assert not told["dead"].input_is_zero


def test_behind_a_dead_layer_that_is_shifted_the_input_is_not_known_to_be_zero() -> None:
    assert not facts(silenced(L.BatchNormalization()), "body").input_is_zero


@pytest.mark.parametrize(("pixel", "expected"), [(0, True), (1, False)])
def test_the_input_of_the_first_layer_is_zero_where_all_images_are_black(pixel: int, expected: bool) -> None:
    images = np.zeros((20, 9, 9, 1), np.uint8)
    images[7, 3, 3] = pixel
    found = facts(model_of(body(), L.ReLU()), "body", make_dataset(Part(images, np.arange(20) % 2)))
    assert found.input_is_zero is expected

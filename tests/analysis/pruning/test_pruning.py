"""What can go of a model: cut models give the same scores, and what cannot be cut is left with a reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from reportgen.analysis import collected
from reportgen.analysis.activations import graph, probe, reading
from reportgen.analysis.judging import image_range
from reportgen.analysis.pruning import bounds, rebuild, size, track
from reportgen.analysis.pruning.lossless import Plan
from reportgen.dataset import Dataset
from reportgen.options import Options
from reportgen.progress import Progress
from reportgen.runtime import keras
from tests.helpers.passes import answers, make_dataset, make_part, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
SHAPE = (8, 8, 1)


def planned(model: Any, dataset: Dataset) -> tuple[collected.Judged, Plan]:
    drawn = graph.Graph(model)
    readings = reading.readings(drawn)
    here = probe.Here(drawn, readings)
    found = collected.judged(drawn, readings, dataset, Options(), Progress(), here)
    return found, collected.plan(found, dataset, here)


def seen(dataset: Dataset) -> Any:
    return dataset.test.images[:].astype(np.float32) / np.float32(255)


def made(shape: Sequence[int] = SHAPE, count: int = 40) -> Dataset:
    return make_dataset(make_part(shape, count), make_part(shape, count, seed=1))


def lively(model: Any) -> Any:
    """Give a model random weights by which no unit is dead or constant, and return it."""
    randomise(model)
    for layer in graph.Graph(model).layer_calls():
        found = layer.operation.get_weights()
        if layer.operation is not model.layers[-1] and not any(
            w.name == "moving_mean" for w in layer.operation.weights
        ):
            layer.operation.set_weights([np.abs(one) for one in found])
    return model


def kill(layer: Any, units: Sequence[int], bias: float = 0.0) -> None:
    """Let units always give `bias`."""
    *first, kernel, of_units = layer.get_weights()
    columns = kernel.swapaxes(-1, -2) if "Transpose" in type(layer).__name__ else kernel
    columns[..., list(units)], of_units[list(units)] = 0, bias
    layer.set_weights([*first, kernel, of_units])


def copy(layer: Any, unit: int, to: int, factor: float) -> None:
    """Make a unit `factor` times another one."""
    *first, kernel, bias = layer.get_weights()
    columns = kernel.swapaxes(-1, -2) if "Transpose" in type(layer).__name__ else kernel
    columns[..., to], bias[to] = factor * columns[..., unit], factor * bias[unit]
    layer.set_weights([*first, kernel, bias])


def cut(model: Any, dataset: Dataset) -> tuple[Any, Plan]:
    """Return a model without what can go, after a look that its scores are the same."""
    _, plan = planned(model, dataset)
    smaller = rebuild.rebuilt(model, plan)
    images = seen(dataset)
    expected = answers(model, images)
    np.testing.assert_allclose(answers(smaller, images), expected, atol=1e-5 * np.abs(expected).max())
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    _, again = planned(smaller, dataset)
    assert again.gone == 0
    return smaller, plan


def of(plan: Plan, name: str) -> Any:
    (found,) = (one.noun() for one in plan.cuts if one.reading.name == name)
    return found


def test_dead_units_constant_ones_and_copies_go_and_the_scores_stay() -> None:
    model = lively(
        keras.Sequential(
            [
                L.Input(SHAPE),
                L.Conv2D(6, 3, activation="relu", name="first"),
                L.MaxPooling2D(),
                L.Dropout(0.5),
                L.Conv2D(5, 2, name="second"),
                L.LeakyReLU(0.1),
                L.Flatten(),
                L.Dense(7, activation="tanh", name="third"),
                L.Dense(3, name="scores"),
            ]
        )
    )
    first, second, third = (model.get_layer(name) for name in ("first", "second", "third"))
    third.set_weights([one / 1000 for one in third.get_weights()])  # else its tanh is 1 throughout
    kill(first, [1], bias=-1.0)
    kill(first, [4], bias=0.7)
    copy(first, 0, 5, 2.5)
    copy(second, 1, 2, 0.5)
    kill(third, [3], bias=0.2)
    copy(third, 0, 6, 1.0)
    smaller, plan = cut(model, made())
    assert (of(plan, "first").dead, of(plan, "first").constant, of(plan, "first").copies) == ([1], [4], [5])
    assert of(plan, "second").copies == [2]
    assert (of(plan, "third").constant, of(plan, "third").copies) == ([3], [6])
    assert [smaller.get_layer(name).output.shape[-1] for name in ("first", "second", "third")] == [3, 4, 5]
    assert "scores" in of(plan, "scores").left


def test_what_goes_can_make_copies_of_the_units_behind_it() -> None:
    model = lively(
        keras.Sequential([L.Input(SHAPE), L.Flatten(), *(L.Dense(n, "relu", name=f"d{n}") for n in (4, 6)), L.Dense(3)])
    )
    copy(model.get_layer("d4"), 0, 1, 1.0)
    kernel, bias = model.get_layer("d6").get_weights()
    kernel[:, 0] = [0.5, 0.1, 0.3, 0.2]
    kernel[:, 3], bias[3] = kernel[[1, 0, 2, 3], 0], bias[0]  # the same of two inputs that are copies of each other
    model.get_layer("d6").set_weights([kernel, bias])
    found, plan = planned(model, made())
    assert [unit.duplicate_of for unit in found.units if unit.layer == "d6"] == [None] * 6
    assert of(plan, "d6").copies == [3]
    assert plan.rounds == 2
    cut(model, made())


def test_behind_same_padding_only_what_gives_zero_goes() -> None:
    model = lively(
        keras.Sequential(
            [
                L.Input(SHAPE),
                L.Conv2D(4, 3, activation="relu", padding="same", name="first"),
                L.Conv2D(3, 3, padding="same", activation="relu", name="second"),
                L.GlobalAveragePooling2D(),
                L.Dense(3),
            ]
        )
    )
    kill(model.get_layer("first"), [0], bias=0.5)
    kill(model.get_layer("first"), [2], bias=-0.5)
    _, plan = cut(model, made())
    found = of(plan, "first")
    assert (found.dead, found.constant) == ([2], [])
    ((units, reason),) = [(one.units, one.reason) for one in found.kept]
    assert units == [0] and "second pads its input with zeros" in reason


def test_behind_a_batch_normalisation_a_dead_unit_is_a_constant() -> None:
    def network(padding: str) -> Any:
        layers = [
            L.Conv2D(5, 3, use_bias=False, name="first"),
            L.BatchNormalization(),
            L.ReLU(),
            L.BatchNormalization(),
            L.PReLU(shared_axes=[1, 2]),
            L.Conv2D(4, 3, use_bias=False, padding=padding, name="second"),
            L.BatchNormalization(),
            L.Activation("relu"),
            L.Flatten(),
            L.BatchNormalization(),
            L.Dense(3),
        ]
        model = lively(keras.Sequential([L.Input(SHAPE), *layers]))
        gamma, beta, *rest = model.layers[1].get_weights()
        gamma[[1, 3]], beta[[1, 3]] = 0, -1
        model.layers[1].set_weights([gamma, beta, *rest])
        return model

    smaller, plan = cut(network("valid"), made())
    assert of(plan, "first").dead == [1, 3]
    assert smaller.get_layer("second").use_bias and not smaller.get_layer("first").use_bias
    assert [w.shape for w in smaller.layers[1].get_weights()] == [(3,)] * 4
    _, plan = cut(network("same"), made())
    assert of(plan, "first").dead == [] and sum(len(one.units) for one in of(plan, "first").kept) == 2


def test_copies_are_found_behind_what_comes_after_the_activation() -> None:
    model = lively(
        keras.Sequential(
            [
                L.Input(SHAPE),
                L.Conv2D(4, 3, activation="relu", name="first"),
                L.BatchNormalization(),
                L.AveragePooling2D(2),
                L.Flatten(),
                L.Dense(3),
            ]
        )
    )
    copy(model.get_layer("first"), 3, 1, 2.0)
    _, plan = cut(model, made())
    assert of(plan, "first").copies == [3]  # the later one of the two


def test_channels_that_are_added_are_left_and_all_else_is_cut() -> None:
    start = keras.Input(SHAPE)
    left = L.Conv2D(4, 3, padding="same", activation="relu", name="left")(start)
    right = L.Conv2D(4, 3, padding="same", activation="relu", name="right")(left)
    joined = L.Add(name="add")([left, right])
    narrow = L.Conv2D(5, 3, activation="relu", name="behind")(joined)
    deep = L.DepthwiseConv2D(3, name="deep")(narrow)
    last = L.Dense(4, activation="relu", name="last")(L.GlobalMaxPooling2D()(deep))
    model = lively(keras.Model(start, L.Dense(3)(last)))
    for name in ("left", "right", "behind", "last"):
        kill(model.get_layer(name), [1])
    smaller, plan = cut(model, made())
    assert of(plan, "left").left == "its channels are added to those of right"
    assert of(plan, "right").left == "its channels are added to those of left"
    assert "deep filters each of its channels" in of(plan, "behind").left
    assert "filters one channel" in of(plan, "deep").left
    assert of(plan, "last").dead == [1] and smaller.get_layer("last").units == 3


def test_a_shared_layer_and_what_it_reads_are_left() -> None:
    start, shared = keras.Input((6,)), L.Dense(6, activation="relu", name="shared")
    values = shared(shared(L.Dense(6, activation="relu", name="before")(start)))
    model = lively(keras.Model(start, L.Dense(3, name="scores")(values)))
    kill(shared, [0])
    dataset = make_dataset(make_part((6,)))
    _, plan = planned(model, dataset)
    assert "more than once" in of(plan, "before").left and "more than once" in of(plan, "shared#1").left
    assert plan.gone == 0


def test_a_separable_convolution_is_cut_on_both_sides() -> None:
    model = lively(
        keras.Sequential(
            [
                L.Input(SHAPE),
                L.Conv2D(4, 3, activation="relu", name="first"),
                L.SeparableConv2D(5, 2, depth_multiplier=2, activation="relu", name="second"),
                L.Flatten(),
                L.Dense(3),
            ]
        )
    )
    kill(model.get_layer("first"), [2], bias=0.4)
    copy(model.get_layer("first"), 0, 1, 2.0)
    kill(model.get_layer("second"), [0, 4], bias=-0.1)
    smaller, plan = cut(model, made())
    assert (of(plan, "first").constant, of(plan, "second").dead) == ([2], [0, 4])
    assert of(plan, "first").kept[0].units == [1]  # the copy: its channel is filtered by itself
    assert [w.shape for w in smaller.get_layer("second").get_weights()] == [(2, 2, 3, 2), (1, 1, 6, 3), (3,)]


def test_a_model_inside_the_model_is_cut_where_it_is() -> None:
    inner = keras.Sequential(
        [L.Input(SHAPE), L.Conv2D(4, 3, activation="relu", name="conv"), L.Flatten()], name="inner"
    )
    start = keras.Input(SHAPE)
    model = lively(keras.Model(start, L.Dense(3)(L.Dense(4, "relu", name="dense")(inner(start)))))
    kill(inner.get_layer("conv"), [0, 3])
    kill(model.get_layer("dense"), [1], bias=0.3)
    smaller, plan = cut(model, made())
    assert of(plan, "inner/conv").dead == [0, 3]
    assert smaller.get_layer("inner").get_layer("conv").filters == 2


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((12, 2), lambda: [L.Conv1D(4, 3, activation="relu", name="first"), L.Conv1D(3, 3, padding="causal")]),
        ((4, 4, 4, 1), lambda: [L.Conv3D(4, 2, activation="relu", name="first"), L.Conv3D(3, 2)]),
        ((6, 6, 1), lambda: [L.Conv2DTranspose(4, 3, activation="relu", name="first"), L.Conv2DTranspose(3, 2)]),
        ((6, 6, 1), lambda: [L.Dense(4, activation="relu", name="first"), L.Dense(3)]),
    ],
    ids=["1D", "3D", "transposed", "dense on pictures"],
)  # fmt: skip
def test_other_axes(shape: tuple[int, ...], layers: Any) -> None:
    model = lively(keras.Sequential([L.Input(shape), *layers(), L.Flatten(), L.Dense(3)]))
    kill(model.get_layer("first"), [2], bias=-0.5)
    copy(model.get_layer("first"), 0, 3, 1.5)
    _, plan = cut(model, made(shape))
    assert (of(plan, "first").dead, of(plan, "first").copies) == ([2], [3])


def test_a_layer_whose_units_would_all_go_keeps_one() -> None:
    model = lively(keras.Sequential([L.Input((5,)), L.Dense(4, "relu", name="first"), L.Dense(3)]))
    kill(model.get_layer("first"), range(4), bias=-0.5)
    _, plan = planned(model, make_dataset(make_part((5,))))
    assert of(plan, "first").dead == [1, 2, 3] and of(plan, "first").kept[0].units == [0]


def test_what_fires_for_images_that_no_unit_was_judged_on_stays() -> None:
    dark, bright = make_part((4,)), make_part((4,), seed=1)
    dataset = make_dataset(type(dark)(dark.images // 4, dark.labels), bright)
    model = lively(keras.Sequential([L.Input((4,)), L.Dense(3, "relu", name="first"), L.Dense(3)]))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[:, 0], bias[0] = [1, 0, 0, 0], -0.3  # above 0.3, which is in the training split alone
    model.get_layer("first").set_weights([kernel, bias])
    found, plan = planned(model, dataset)
    assert next(unit for unit in found.units if unit.layer == "first").state == "dead"
    assert of(plan, "first").dead == [] and of(plan, "first").kept[0].units == [0]


def test_what_no_image_can_reach_is_told_from_what_did_not_fire() -> None:
    model = lively(keras.Sequential([L.Input((4,)), *(L.Dense(3, "relu", name=n) for n in "ab"), L.Dense(3)]))
    model.get_layer("a").set_weights([np.ones((4, 3), np.float32), np.zeros(3, np.float32)])
    kernel, bias = model.get_layer("b").get_weights()
    kernel[:, 0], bias[0] = [-1.0, -1.0, -1.0], 0.0  # no sum of what a ReLU gives is above 0
    kernel[:, 1], bias[1] = [1.0, -1.0, 0.0], -0.1  # the two are the same, which an interval does not know
    model.get_layer("b").set_weights([kernel, bias])
    dataset = make_dataset(make_part((4,)))
    found, plan = planned(model, dataset)
    assert of(plan, "b").dead == [0, 1]
    ends = image_range(found.looked.readings, dataset.parts, dataset)
    assert track.unreachable(found.drawn, found.looked, plan, ends)["b"] == {0}


def test_a_bound_holds_for_every_image_within_the_range() -> None:
    model = lively(
        keras.Sequential(
            [
                L.Input(SHAPE),
                L.Conv2D(3, 3, padding="same", activation="relu", name="a"),
                L.BatchNormalization(),
                L.MaxPooling2D(),
                L.Conv2DTranspose(2, 3, strides=2, activation="sigmoid"),
                L.ZeroPadding2D(),
                L.Flatten(),
                L.Dense(3),
            ]
        )
    )
    drawn = graph.Graph(model)
    known = bounds.ranges(drawn, (np.array([-0.5]), np.array([1.0])))
    images = np.random.default_rng(0).uniform(-0.5, 1.0, (200, *SHAPE)).astype(np.float32)
    tensors = [call.outputs[0] for call in drawn.calls]
    assert set(tensors) <= set(known)
    for tensor, values in zip(tensors, drawn.values(images, tensors)[1], strict=True):
        low, high = known[tensor]
        assert (np.asarray(values) >= low - 1e-5).all() and (np.asarray(values) <= high + 1e-5).all()


def test_multiplications_are_those_of_the_formula() -> None:
    layers = [
        L.Conv2D(4, 3, name="a"),
        L.DepthwiseConv2D(2, padding="same"),
        L.SeparableConv2D(5, 2),
        L.Conv2DTranspose(2, 2, strides=2),
        L.Flatten(),
        L.Dense(3),
    ]
    model = keras.Sequential([L.Input(SHAPE), *layers])
    expected = 36 * 9 * 4 + 36 * 4 * 4 + 25 * (4 * 4 + 4 * 5) + 25 * 4 * 5 * 2 + 10 * 10 * 2 * 3
    assert size.multiplications(graph.Graph(model)) == (expected, [])

"""Units taken out of a model: as if their weights had been edited by hand, and what the proof makes of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from reportgen.analysis import judging
from reportgen.analysis.activations import ablation, forward, probe
from reportgen.analysis.activations.ablation import Ablation, Line
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import readings
from reportgen.analysis.activations.shards import Engine, Found, Shard, Work
from reportgen.dataset import Dataset, Part
from reportgen.progress import Progress
from reportgen.record.evaluation import Ablated, Proof
from reportgen.record.units import Unit
from reportgen.runtime import keras
from tests.helpers.passes import QUIET, Array, Looked, look, make_dataset, make_part, predicted, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
Model = Any
SHAPE = (8, 8, 2)
DATA = make_dataset(make_part(SHAPE, 50))


def held(model: Model, values: Mapping[str, Mapping[int, float]], dataset: Dataset = DATA, batch: int = 50) -> Array:
    """Return the model's outputs with units of some layers held at a value."""
    return ablated(model, [{name: Ablation(held=of_layer) for name, of_layer in values.items()}], dataset, batch)[:, 0]


def ablated(model: Model, asked: Sequence[Mapping[str, Ablation]], dataset: Dataset = DATA, batch: int = 50) -> Array:
    """Return (N, A, K) the model's outputs under each of the ablations, by the names of the layers."""
    graph = Graph(model)
    read = readings(graph)
    places = {reading.name: place for place, reading in enumerate(read)}
    by_place = [{places[name]: ablation for name, ablation in one.items()} for one in asked]
    return answers(ablation.without(graph, by_place, read), dataset, batch)


def answers(answer: Callable[[Any], Any], dataset: Dataset = DATA, batch: int = 20) -> Array:
    run = forward.compiled(answer, dataset.test, dataset.pixels)
    found = forward.outputs(run, dataset.test.images, batch, lambda done, note: None)
    return np.concatenate([scores for _, _, scores in found])


def chain(*layers: Any) -> Model:
    end = [L.Flatten(), L.Dense(3, activation="softmax", name="scores")]
    return randomise(keras.Sequential([L.Input(SHAPE), *layers, *end]), 5)


def plain() -> Model:
    return chain(
        L.Conv2D(4, 3, activation="relu", name="conv"), L.Flatten(), L.Dense(6, activation="relu", name="dense")
    )


def normalised() -> Model:
    return chain(L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU(), L.Dropout(0.5))


def residual() -> Model:
    start = keras.Input(SHAPE)
    body = L.Conv2D(2, 3, padding="same", name="conv")(start)
    end = L.Flatten()(L.ReLU()(L.Add()([body, start])))
    return randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(end)), 6)


def channels_first() -> Model:
    first = L.Conv2D(5, 3, padding="same", activation="relu", name="conv", data_format="channels_first")
    return chain(L.Permute((3, 1, 2)), first)


def dropping_out() -> Model:
    """Return a model that was made to drop units out whenever it is called."""
    start = keras.Input(SHAPE)
    end = L.Dropout(0.5)(L.Flatten()(L.Conv2D(4, 3, name="conv")(start)), training=True)
    return randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(end)), 7)


# Against models edited by hand


@pytest.mark.parametrize("build", [plain, normalised, residual, channels_first], ids=lambda build: build.__name__)
@pytest.mark.parametrize("batch", [50, 7])
def test_with_nothing_held_the_model_answers_as_ever(build: Callable[[], Model], batch: int) -> None:
    model = build()
    np.testing.assert_allclose(held(model, {}, batch=batch), predicted(model, DATA.test.images), rtol=1e-5, atol=1e-6)


def test_dropout_is_off_however_the_model_was_put_together() -> None:
    model = dropping_out()
    whole = lambda images: model(images, training=False)  # noqa: E731
    np.testing.assert_allclose(held(model, {}), answers(whole), rtol=1e-5, atol=1e-6)


def with_constant(model: Model, layer: str, values: Mapping[int, float]) -> None:
    """Edit a layer with kernel and bias so that some units give one value before its nonlinearity."""
    kernel, bias = model.get_layer(layer).get_weights()
    for unit, value in values.items():
        kernel[..., unit], bias[unit] = 0, value
    model.get_layer(layer).set_weights([kernel, bias])


@pytest.mark.parametrize(
    ("build", "values"),
    [
        (plain, {"conv": {2: 0.7}}),
        (plain, {"dense": {0: 0.0, 5: 1.5}}),
        (plain, {"conv": {0: 0.5, 3: 2.0}, "dense": {1: 0.25}}),
        (residual, {"conv": {1: -0.8}}),
        (channels_first, {"conv": {0: 0.5, 4: 3.0}}),
    ],
    ids=["convolution", "dense", "two layers", "own output before a sum", "channels first"],
)
def test_holding_units_is_editing_their_weights(
    build: Callable[[], Model], values: dict[str, dict[int, float]]
) -> None:
    found = held(build(), values)
    edited = build()
    unchanged = predicted(edited, DATA.test.images)
    for layer, constants in values.items():
        with_constant(edited, layer, constants)
    np.testing.assert_allclose(found, predicted(edited, DATA.test.images), rtol=1e-5, atol=1e-6)
    assert np.abs(found - unchanged).max() > 1e-3


def test_a_unit_behind_a_batch_normalisation_is_held_behind_it() -> None:
    found, edited = held(normalised(), {"conv": {1: 0.9}}), normalised()
    gamma, beta, *moving = edited.get_layer("bn").get_weights()
    gamma[1], beta[1] = 0, 0.9
    edited.get_layer("bn").set_weights([gamma, beta, *moving])
    np.testing.assert_allclose(found, predicted(edited, DATA.test.images), rtol=1e-5, atol=1e-6)


def test_the_model_itself_stays_as_it_was() -> None:
    model = plain()
    before = model.get_weights()
    held(model, {"conv": {0: 5.0}})
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


# The proof


def telling() -> tuple[Model, Dataset]:
    """Return a model that tells two classes apart by one of its four hidden units, and images of both.

    Unit 0 sees how bright an image is and decides; 1 cannot fire; 2 repeats 0 and 3 is plain, and nothing hangs on
    either of them.
    """
    start = keras.Input((2, 2, 1))
    hidden = L.Dense(4, activation="relu", name="hidden")
    model = keras.Model(start, L.Dense(2, activation="softmax", name="scores")(hidden(L.Flatten()(start))))
    kernel = np.zeros((4, 4), np.float32)
    kernel[:, 0], kernel[:, 1], kernel[:, 2], kernel[0, 3] = 1, -1, 1, 1
    hidden.set_weights([kernel, np.array([0, -1, 0, 0], np.float32)])
    head = np.array([[-1, 1], [5, 0], [0, 0], [0, 0]], np.float32)
    model.get_layer("scores").set_weights([head, np.array([2, -2], np.float32)])
    labels = np.arange(200) % 2
    images = np.random.default_rng(0).random((200, 2, 2, 1), np.float32) * 0.5 + 0.5 * labels[:, None, None, None]
    return model, make_dataset(Part(images, labels), scale=1.0)


def proof_of(found: Looked, units: list[Unit], engine: Engine | None = None) -> Proof:
    engine = engine or probe.Here(found.graph, found.readings)
    right = found.looked.predicted["test"] == found.dataset.test.labels
    asked = judging.ablations(found.looked, units)
    return judging.prove(engine, asked, found.dataset, right, batch=64, progress=QUIET)


@dataclass
class Listening:
    """An engine that keeps what it is asked for, and answers as the whole model did."""

    found: Looked
    asked: list[Work] = field(default_factory=list)

    def send(self, work: Work, parts: Mapping[str, Part], shards: Sequence[Shard], progress: Progress) -> Found:
        self.asked.append(work)
        return Found({shard: (self.found.outputs[shard.part],) * len(work.ablations) for shard in shards}, [])


@pytest.fixture(scope="module")
def told_apart() -> Looked:
    return look(*telling())


def test_the_planted_units_are_what_they_were_made_to_be(told_apart: Looked) -> None:
    hidden = told_apart.units_of("hidden")
    assert [unit.state == "dead" for unit in hidden] == [False, True, False, False]
    assert [unit.removable for unit in hidden] == [False, False, True, False]


def flagged(found: Looked, **changes: dict[str, Any]) -> list[Unit]:
    """Return the verdicts with no unit called idle but those of `changes`, named unit_0, unit_1 ..."""
    clean = [dataclasses.replace(unit, state="healthy", removable=False, group=None) for unit in found.units]
    return [
        dataclasses.replace(unit, **changes.get(f"unit_{unit.unit}", {})) if unit.layer == "hidden" else unit
        for unit in clean
    ]


def test_without_idle_units_nothing_is_run_again(told_apart: Looked) -> None:
    engine = Listening(told_apart)
    proof = proof_of(told_apart, flagged(told_apart), engine)
    assert proof.accuracy_before > 0.9
    assert proof == Proof(0, proof.accuracy_before, proof.accuracy_before, [0.0, 0.0])
    assert not engine.asked


def test_dead_and_removable_units_are_not_missed(told_apart: Looked) -> None:
    found = proof_of(told_apart, told_apart.units)
    assert found.masked_units == 2
    assert found.accuracy_after == found.accuracy_before
    low, high = found.interval
    assert low < 0 < high
    assert found.dead == found.redundant == Ablated(1, found.accuracy_after, found.interval)


def test_a_useful_unit_that_is_called_dead_shows_in_the_proof(told_apart: Looked) -> None:
    found = proof_of(told_apart, flagged(told_apart, unit_0={"state": "dead"}))
    assert found.masked_units == 1
    assert found.accuracy_after < found.accuracy_before - 0.3
    assert found.interval[1] < 0
    assert found.dead == Ablated(1, found.accuracy_after, found.interval) and found.redundant is None


def test_a_wrong_verdict_of_one_kind_leaves_the_other_kind_alone(told_apart: Looked) -> None:
    """Unit 0 is called dead, which is wrong; that 2 repeats 3 is wrong too, but nothing hangs on 2."""
    wrong = flagged(told_apart, unit_0={"state": "dead"}, unit_2={"removable": True, "group": 0}, unit_3={"group": 0})
    found = proof_of(told_apart, wrong)
    assert found.masked_units == 2
    assert found.dead is not None and found.dead.interval[1] < 0
    assert found.redundant is not None and found.redundant.accuracy_after == found.accuracy_before
    assert found.accuracy_after == found.dead.accuracy_after


def in_shares(copies: int, noise: float = 0.0) -> tuple[Model, Dataset]:
    """Return a model of four units, each as many times, with a share of its outgoing weights each; and its images.

    noise: of the copies' weights, as a share of their own; each has some of its own.
    """
    generator = np.random.default_rng(2)
    labels = np.arange(600) % 4
    images = generator.normal(0, 0.7, (600, 8)) + 2.0 * np.eye(4)[labels].repeat(2, 1)
    kernel = np.tile(np.eye(4).repeat(2, 0), (1, copies))
    kernel *= 1 + noise * generator.standard_normal(kernel.shape)
    model = keras.Sequential(
        [L.Input((8,)), L.Dense(4 * copies, activation="relu", name="hidden"), L.Dense(4, activation="softmax")]
    )
    head = np.tile(np.eye(4), (copies, 1)) / copies
    model.set_weights([kernel, np.zeros(4 * copies), head, np.zeros(4)])
    return model, make_dataset(Part(images.astype(np.float32), labels), scale=1.0)


@pytest.mark.parametrize("noise", [0.0, 0.1], ids=["exact", "near"])
def test_copies_that_share_the_work_can_go(noise: float) -> None:
    """Held at their means, they would take five sixths of the signal with them, and the bias would decide."""
    found = look(*in_shares(6, noise))
    proof = proof_of(found, found.units)
    assert sum(unit.removable for unit in found.units_of("hidden")) == proof.masked_units >= 15
    assert proof.redundant is not None and proof.dead is None
    assert abs(proof.accuracy_after - proof.accuracy_before) < 0.01
    assert noise or proof.accuracy_after == proof.accuracy_before


def test_two_units_that_are_not_alike_do_not_pass_for_each_other() -> None:
    found = look(*in_shares(1))
    proof = proof_of(found, flagged(found, unit_0={"group": 0}, unit_1={"removable": True, "group": 0}))
    assert proof.interval[1] < 0
    assert proof.redundant == Ablated(1, proof.accuracy_after, proof.interval) and proof.dead is None


def test_a_unit_is_held_at_its_mean_over_the_images_looked_at(told_apart: Looked) -> None:
    engine = Listening(told_apart)
    proof_of(told_apart, flagged(told_apart, unit_3={"state": "dead"}), engine)
    mean = told_apart.dataset.test.images[:, 0, 0, 0].mean()  # what the plain unit sees
    hidden = [reading.name for reading in told_apart.readings].index("hidden")
    (work,) = engine.asked
    assert work.ablations == [{hidden: Ablation(held={3: cast(float, pytest.approx(mean, rel=1e-5))})}]


def test_a_removable_unit_follows_the_line_through_the_one_that_stays(told_apart: Looked) -> None:
    """Unit 2 has the values of unit 0; how unit 3, one of the four pixels, goes with them is what numpy fits."""
    engine = Listening(told_apart)
    group = {"removable": True, "group": 0}
    proof_of(told_apart, flagged(told_apart, unit_0={"group": 0}, unit_2=group, unit_3=group), engine)
    hidden = [reading.name for reading in told_apart.readings].index("hidden")
    images = told_apart.dataset.test.images
    fit = np.polyfit(images[:].sum(axis=(1, 2, 3)), images[:, 0, 0, 0], 1)
    (work,) = engine.asked
    lines = work.ablations[0][hidden].lines
    assert lines[2] == Line(0, pytest.approx(1, rel=1e-5), pytest.approx(0, abs=1e-5))
    assert lines[3] == Line(0, pytest.approx(fit[0], rel=1e-4), pytest.approx(fit[1], rel=1e-3))


@pytest.mark.parametrize("build", [plain, channels_first], ids=lambda build: build.__name__)
def test_a_unit_on_a_line_is_a_unit_with_other_weights(build: Callable[[], Model]) -> None:
    """1.5 times unit 0 in place of unit 2: 1.5 times its kernel and bias, behind a ReLU."""
    found = ablated(build(), [{"conv": Ablation(lines={2: Line(0, 1.5, 0.0)})}])[:, 0]
    edited = build()
    kernel, bias = edited.get_layer("conv").get_weights()
    kernel[..., 2], bias[2] = 1.5 * kernel[..., 0], 1.5 * bias[0]
    edited.get_layer("conv").set_weights([kernel, bias])
    np.testing.assert_allclose(found, predicted(edited, DATA.test.images), rtol=1e-5, atol=1e-6)


def test_several_ablations_at_once_are_each_alone() -> None:
    asked = [
        {"dense": Ablation(held={1: 0.25})},
        {"conv": Ablation(held={0: 0.5})},
        {},
        {"conv": Ablation(lines={2: Line(0, 1.5, 0.1)}), "dense": Ablation(held={1: 0.25})},
    ]
    together = ablated(plain(), asked)
    for number, one in enumerate(asked):
        np.testing.assert_allclose(together[:, number], ablated(plain(), [one])[:, 0], rtol=1e-6, atol=1e-7)
    assert len({tuple(np.round(together[:, number].ravel(), 4)) for number in range(4)}) == 4


def joined_and_reshaped() -> Model:
    """Return a model with two layers whose values are put together, and turned into pictures, before their ReLU."""
    start = keras.Input(SHAPE)
    flat = L.Flatten()(start)
    both = keras.ops.concatenate([L.Dense(4, name="one")(flat), 2.0 * L.Dense(12, name="other")(flat)], axis=-1)
    end = L.Flatten()(L.ReLU()(L.Reshape((4, 4, 1))(both)))
    return randomise(keras.Model(start, L.Dense(3, activation="softmax", name="scores")(end)), 8)


@pytest.mark.parametrize(
    ("layer", "values", "scale"), [("one", {1: 0.4, 3: 2.0}, 1.0), ("other", {0: 0.6, 11: 1.2}, 2.0)]
)
def test_units_among_others_are_held_alone(layer: str, values: dict[int, float], scale: float) -> None:
    found, edited = held(joined_and_reshaped(), {layer: values}), joined_and_reshaped()
    unchanged = predicted(edited, DATA.test.images)
    with_constant(edited, layer, {unit: value / scale for unit, value in values.items()})
    np.testing.assert_allclose(found, predicted(edited, DATA.test.images), rtol=1e-5, atol=1e-6)
    assert np.abs(found - unchanged).max() > 1e-3

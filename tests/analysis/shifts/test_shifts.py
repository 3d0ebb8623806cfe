"""Changed pictures through real models: what breaks them is found, and what is planted is named."""

from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import forward, outputs, probe
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.reading import readings
from reportgen.analysis.activations.reductions import plan_of, units_last
from reportgen.analysis.shifts import corruptions, work
from reportgen.analysis.shifts import passes as sending
from reportgen.analysis.shifts.passes import Passes
from reportgen.analysis.shifts.work import Shifted
from reportgen.analysis.units import states
from reportgen.analysis.units.facts import DEFAULTS
from reportgen.dataset import Dataset, Part
from reportgen.runtime import keras
from tests.helpers.passes import QUIET, make_dataset, make_part, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
SIDE = 10


def halves(count: int = 160) -> Part:
    """Return pictures lit on the left (class 0) or on the right (class 1), all different."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 8, (count, SIDE, SIDE, 1))
    labels = np.arange(count) % 2
    images[labels == 0, :, : SIDE // 2] += 100
    images[labels == 1, :, SIDE // 2 :] += 100
    images[0, 0, 0] = 255  # the end of the range
    return Part(images.astype(np.uint8), labels)


def tuned_to_brightness(last: str = "softmax") -> Any:
    """Return a model that is right about halves, but for unit 2: it fires on bright pictures alone, and says 1 then."""
    model = keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), L.Flatten(), L.Dense(4, "relu", name="inner"), L.Dense(2, last, name="scores")]
    )
    kernel = np.zeros((SIDE, SIDE, 4), np.float32)
    kernel[:, : SIDE // 2, 0] = kernel[:, SIDE // 2 :, 1] = 2 / SIDE**2
    kernel[..., 2], kernel[0, 0, 3] = 1 / SIDE**2, 1
    model.get_layer("inner").set_weights([kernel.reshape(-1, 4), np.array([0, 0, -0.5, 0], np.float32)])
    model.get_layer("scores").set_weights(
        [np.array([[20, 0], [0, 20], [0, 400], [0, 0]], np.float32), np.zeros(2, np.float32)]
    )
    return model


def plans_of(graph: Graph, dataset: Dataset) -> Any:
    read = readings(graph)
    from reportgen.analysis.activations import forward

    values = forward.outputs_of(graph, [one.tensor for one in read], dataset.test, dataset.pixels, 32)
    return [plan_of(one, np.asarray(units_last(found, one))) for one, found in zip(read, values, strict=True)]


def looked(model: Any, dataset: Dataset, breadth: str = "full", batch: int = 64, output: str = "softmax") -> Shifted:
    graph = Graph(model)
    return work.shifted(
        graph, readings(graph), plans_of(graph, dataset), dataset, dataset.class_names, output=output,
        breadth=breadth, thresholds=DEFAULTS, batch=batch, seed=0, progress=QUIET,
    )  # fmt: skip


def passes(model: Any, dataset: Dataset) -> Passes:
    graph = Graph(model)
    read = readings(graph)[:-1]
    return Passes(graph, read, plans_of(graph, dataset)[:-1], dataset.pixels, "softmax", 50)


@pytest.fixture(scope="module")
def brightness() -> Shifted:
    return looked(tuned_to_brightness(), make_dataset(halves()))


def test_the_planted_unit_is_to_blame_where_brightness_breaks_the_model(brightness: Shifted) -> None:
    assert brightness.shifts is not None
    found = {(one.corruption, one.severity): one for one in brightness.shifts}
    assert len(found) == 36 and found["brightness", 1].accuracy == 1
    strong = found["brightness", 3]
    assert strong.accuracy == 0.5 and strong.falls
    assert (strong.weakest_class.label, strong.weakest_class.recall) == ("0", 0.0)
    blamed = strong.unit_to_blame
    assert blamed is not None and (blamed.layer, blamed.unit) == ("inner", 2)
    assert blamed.regained == pytest.approx(1) and blamed.interval[0] > 0
    assert 60 < blamed.images < 100 and 1 <= blamed.tried <= blamed.of == 4
    assert [one.layer for one in strong.layers] == ["inner"] and strong.layers[0].moved in (0, 1)


def test_where_accuracy_does_not_fall_nothing_is_to_blame(brightness: Shifted) -> None:
    assert brightness.shifts is not None
    for one in brightness.shifts:
        assert (one.unit_to_blame is None) == ("unit_to_blame" in one.reasons)
        if not one.falls:
            assert one.reasons["unit_to_blame"] == "accuracy does not fall beyond chance"


def test_logits_name_the_same_unit(brightness: Shifted) -> None:
    found = looked(tuned_to_brightness("linear"), make_dataset(halves()), output="logits")
    assert brightness.shifts is not None and found.shifts is not None
    assert [one.accuracy for one in found.shifts] == [one.accuracy for one in brightness.shifts]
    strong = next(one for one in found.shifts if (one.corruption, one.severity) == ("brightness", 3))
    assert strong.unit_to_blame is not None and strong.unit_to_blame.unit == 2


def test_short_has_all_changes_and_says_what_it_leaves_out() -> None:
    found = looked(tuned_to_brightness(), make_dataset(halves()), "short")
    assert found.shifts is not None
    assert {one.corruption for one in found.shifts} == set(corruptions.CORRUPTIONS)
    assert found.run.severities == [1, 3] and found.run.reason is None
    said = " ".join(found.run.left_out)
    assert "medium severity" in said and f"{found.run.blamed} of 24" in said
    assert sum(one.unit_to_blame is not None for one in found.shifts) <= found.run.blamed


def test_figures_do_not_depend_on_the_batch_and_come_again() -> None:
    model, dataset = tuned_to_brightness(), make_dataset(halves(60))
    one, other = looked(model, dataset, "short", 7), looked(model, dataset, "short", 64)
    assert one.shifts is not None and other.shifts is not None
    assert [(s.accuracy, s.units_dead) for s in one.shifts] == [(s.accuracy, s.units_dead) for s in other.shifts]
    again = looked(model, dataset, "short", 64)
    assert again.shifts == other.shifts and again.run == other.run
    assert again.images is not None and other.images is not None
    assert again.images.changed.tobytes() == other.images.changed.tobytes()


def conv(seed: int = 3) -> Any:
    return randomise(
        keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 1)), L.Conv2D(3, 3, name="conv"), L.BatchNormalization(), L.ReLU(),
                L.Conv2D(4, 3, activation="sigmoid", name="bounded"), L.Flatten(),
                L.Dense(5, "gelu", name="dense"), L.Dense(3, "softmax"),
            ]
        ),
        seed,
    )  # fmt: skip


def test_all_units_of_a_layer_given_back_bring_back_every_prediction() -> None:
    model, part = conv(), make_part((SIDE, SIDE, 1), 60)
    dataset = make_dataset(part)
    sent = passes(model, dataset)
    images = np.asarray(255 - np.asarray(part.images), np.uint8)
    clean = sent.look(part.images, part.labels)[0]
    broken = sent.look(images, part.labels)[0]
    assert broken.shares is not None and clean.shares is not None
    assert broken.shares.loss != pytest.approx(clean.shares.loss, rel=1e-2)
    for place, reading in enumerate(sent.readings):
        (found,) = sent.restored(images, part.images, [(place, range(reading.units))], part.labels)
        assert found.shares is not None
        assert found.shares.loss == pytest.approx(clean.shares.loss, rel=1e-5)
    (none,) = sent.restored(images, part.images, [(0, [])], part.labels)
    assert none.shares is not None and none.shares.loss == pytest.approx(broken.shares.loss, rel=1e-5)


def test_a_graph_that_does_not_pay_to_compile_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = conv(), make_part((SIDE, SIDE, 1), 30)
    compiled = passes(model, make_dataset(part)).look(part.images, part.labels)[1]
    monkeypatch.setattr(forward, "LARGE", 1)
    monkeypatch.setattr(forward, "compiled", None)
    plain = passes(model, make_dataset(part)).look(part.images, part.labels)[1]
    for one, other in zip(compiled, plain, strict=True):
        assert one.pooled == pytest.approx(other.pooled, abs=1e-5)
        assert one.fired.tolist() == other.fired.tolist()


def test_all_units_given_back_regain_all_of_the_lost_accuracy() -> None:
    part = halves(40)
    sent = passes(tuned_to_brightness(), make_dataset(part))
    images = np.clip(np.asarray(part.images).astype(int) + 128, 0, 255).astype(np.uint8)

    def right(found: outputs.Outputs) -> float:
        assert found.shares is not None
        return float((found.shares.predicted == part.labels).mean())

    assert right(sent.look(images, part.labels)[0]) == 0.5
    tried = [(0, range(4)), (0, [2]), (0, [0, 1, 3])]
    assert list(map(right, sent.restored(images, part.images, tried, part.labels))) == [1, 1, 0.5]


def test_attributions_are_what_small_changes_do() -> None:
    """To first order they are exact where the change is small: a hundredth of it is put into each unit by hand."""
    model, part = conv(), make_part((SIDE, SIDE, 1), 12)
    sent = passes(model, make_dataset(part))
    shifted = np.asarray(np.clip(np.asarray(part.images).astype(int) + 1, 0, 255), np.uint8)
    taken = (part.labels + 1) % 3
    found = sent.attributions(shifted, part.images, part.labels, taken)
    tail = keras.Model(model.layers[-2].output, model.layers[-1].output)
    head = keras.Model(model.inputs[0], model.layers[-2].output)
    now, before = (head(images[..., :] / 255.0).numpy() for images in (shifted, part.images))
    rows = np.arange(12)

    def above(values: Any) -> float:
        logs = np.log(tail(values).numpy().astype(np.float64))
        return float((logs[rows, part.labels] - logs[rows, taken]).sum())

    for unit in range(5):
        ahead, back = now.copy(), now.copy()
        step = 50 * (before[:, unit] - now[:, unit]) / 50
        ahead[:, unit] += step
        back[:, unit] -= step
        slow = (above(ahead) - above(back)) / 2
        assert found[2][unit] == pytest.approx(slow, rel=2e-2, abs=1e-3)


def test_units_die_and_saturate_by_the_definitions_of_the_states() -> None:
    model, part = conv(), make_part((SIDE, SIDE, 1), 50)
    dataset = make_dataset(part)
    graph = Graph(model)
    read = readings(graph)
    passed = probe.all_parts(graph, read, {"test": part}, ["test"], dataset, memory=100, progress=QUIET)
    plans, tallies = passed.plans, passed.tallies
    sent = Passes(graph, read[:-1], plans[:-1], dataset.pixels, "softmax", 16)
    answered, layers = sent.look(part.images, part.labels)
    for plan, tally, found in zip(plans, tallies, layers, strict=False):
        assert (found.fired == tally.fired).all() and found.images == tally.images
        assert (found.low_tail == tally.low_tail).all() and (found.high_tail == tally.high_tail).all()
        assert found.smallest == pytest.approx(tally.smallest) and found.largest == pytest.approx(tally.largest)
        assert (states.is_dead(plan, found) == states.is_dead(plan, tally)).all()
        assert (states.is_saturated(plan, found, DEFAULTS) == states.is_saturated(plan, tally, DEFAULTS)).all()
        assert found.pooled == pytest.approx(tally.kept, abs=1e-5)
    assert isinstance(answered, outputs.Outputs) and not answered.broken


@pytest.mark.parametrize(
    ("layers", "shape", "breadth", "reason"),
    [
        ([L.Dense(3)], (6,), "short", "vectors"),
        ([L.Flatten(), L.Dense(3)], (12, 2), "short", "series"),
        ([L.Flatten(), L.Dense(3)], (6, 6, 6, 1), "full", "volumes"),
        ([L.Flatten(), L.Dense(3)], (7, 9, 1), "short", "7 × 9"),
        ([L.Reshape((81,)), L.Embedding(256, 2), L.Flatten(), L.Dense(3)], (9, 9, 1), "short", "tokens"),
        ([L.Flatten(), L.Dense(3)], (9, 9, 1), "none", "--shifts none"),
    ],
    ids=["vectors", "series", "volumes", "small", "tokens", "not asked for"],
)
def test_what_cannot_be_changed_has_a_reason(
    layers: list[Any], shape: tuple[int, ...], breadth: str, reason: str
) -> None:
    model = keras.Sequential([keras.Input(shape), *layers])
    found = looked(model, make_dataset(make_part(shape, 30)), breadth, output="logits")
    assert found.shifts is None and found.images is None and reason in str(found.run.reason)


def test_a_large_model_gets_fewer_images_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(work.EXTENTS, "short", work.Extent((1, 3), 1, 1, 500, 24 * 40 * 106, 1e12))
    found = looked(tuned_to_brightness(), make_dataset(halves(90)), "short")
    assert found.run.images == 40
    assert "only 40 of 90 test images" in found.run.left_out[0]
    assert found.run.severities == [3] and "mild and the medium" in found.run.left_out[1]
    assert found.shifts is not None and len(found.shifts) == 12


def test_changes_whose_scores_are_no_numbers_are_left_out_and_said() -> None:
    model = tuned_to_brightness()
    kernel, bias = model.get_layer("inner").get_weights()
    kernel[:, 3], bias[3] = 1e37, -2.5e38  # infinite for bright pictures alone, and then 0 times it is NaN
    model.get_layer("inner").set_weights([kernel, bias])
    found = looked(model, make_dataset(halves(60)), "short")
    assert found.shifts is not None
    assert ("brightness", 3) not in {(one.corruption, one.severity) for one in found.shifts}
    assert any("brightness at severity 3 is n/a" in sentence for sentence in found.run.left_out)


@pytest.mark.parametrize("name", ["relu", "relu6", "sigmoid", "tanh", "linear"])
def test_numpy_reduces_values_as_the_graph_does(name: str) -> None:
    import tensorflow as tf

    inputs = keras.Input((4, 4, 1))
    graph = Graph(keras.Model(inputs, keras.layers.Conv2D(3, 2, activation=name)(inputs)))
    (read,) = readings(graph)
    values = np.random.default_rng(0).normal(0, 4, (7, 3, 3, 3)).astype(np.float32)
    values[0] = 0
    values = np.asarray(keras.activations.get(name)(values))
    plan = plan_of(read, values)
    expected = sending._responses(sending._reduced(tf.constant(values), None, plan), plan)
    found = sending._of_values(values.reshape(7, 9, 3), None, plan)
    for of, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, of), value, rtol=1e-6, atol=1e-6, err_msg=of)

"""What the model does without each unit: held against really masking it, and what is said where it cannot be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import forward, graph
from reportgen.analysis.effects import head, layers, passes
from reportgen.analysis.effects.passes import Passes
from reportgen.dataset import Part
from reportgen.record.effects import is_idle
from reportgen.runtime import keras
from tests.helpers.chances import holm, mcnemar
from tests.helpers.effects import Case, predictions
from tests.helpers.passes import answers, randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers


def make_case(*made: Any, shape: tuple[int, ...], classes: int = 4, images: int = 240, **more: Any) -> Case:
    """Return a random model on random images that it mostly classifies as their labels say."""
    model = randomise(keras.Sequential([keras.Input(shape), *made]))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(images, *shape)).astype(np.float32)
    labels = predictions(answers(model, x))
    wrong = rng.random(images) < 0.2
    labels[wrong] = rng.integers(0, classes, int(wrong.sum()))
    return Case(model, Part(x, labels), np.arange(images) % 2 == 0, {}, **more)


def assert_as_masked(case: Case, name: str, found: layers.Found, method: str) -> None:
    units = [n for n, effect in enumerate(found.units) if effect.method == method]
    assert units
    for unit in units:
        recalls, accuracy = case.slowly(name, [unit])
        effect = found.units[unit]
        assert effect.accuracy_change == pytest.approx(accuracy, abs=1e-5)
        assert {one.label: one.recall_change for one in effect.classes} == pytest.approx(
            {str(k): value for k, value in enumerate(recalls)}, abs=1e-5, nan_ok=True
        )


HEADS = {
    "dense": [L.Dense(6, activation="relu", name="a"), L.Dropout(0.5), L.Dense(4, activation="softmax", name="b")],
    "flattened maps": [L.Conv2D(5, 3, activation="relu", name="a"), L.Flatten(), L.Dense(4, activation="softmax")],
    "mean of maps": [L.Conv2D(6, 3, activation="tanh", name="a"), L.GlobalAveragePooling2D(), L.Dense(4), L.Softmax()],
    "average pooling": [L.Conv2D(5, 3, activation="relu", name="a"), L.AveragePooling2D(2), L.Flatten(), L.Dense(4)],
    "batch norm": [L.Conv2D(5, 3, activation="relu", name="a"), L.BatchNormalization(), L.Flatten(), L.Dense(4)],
    "series": [L.Conv1D(5, 3, activation="relu", name="a"), L.Flatten(), L.Dense(4, activation="softmax")],
    "steps": [L.GRU(5, return_sequences=True, name="a"), L.GlobalAveragePooling1D(), L.Dense(4, activation="softmax")],
    "sigmoids": [L.Dense(6, activation="relu", name="a"), L.Dense(4, activation="sigmoid")],
    "one score": [L.Dense(6, activation="relu", name="a"), L.Dense(1, activation="sigmoid")],
}  # fmt: skip
SHAPES = {"dense": (7,), "sigmoids": (7,), "one score": (7,), "series": (9, 2), "steps": (6, 3)}


@pytest.mark.parametrize("kind", HEADS)
def test_where_the_scores_are_linear_effects_are_exact(kind: str) -> None:
    output = "sigmoid" if kind in ("sigmoids", "one score") else "softmax"
    classes = 2 if kind == "one score" else 4
    case = make_case(*HEADS[kind], shape=SHAPES.get(kind, (7, 7, 2)), classes=classes, output=output)
    found = case.measured(batch=50)
    assert {effect.method for effect in found["a"].units} == {"exact"}
    assert_as_masked(case, "a", found["a"], "exact")


def deep() -> Case:
    return make_case(
        L.Conv2D(6, 3, activation="relu", name="a"), L.MaxPooling2D(2), L.Conv2D(8, 2, activation="relu", name="b"),
        L.Flatten(), L.Dense(9, activation="relu", name="c"), L.Dense(4, activation="softmax", name="d"),
        shape=(9, 9, 1),
    )  # fmt: skip


def test_elsewhere_units_are_masked() -> None:
    case = deep()
    found = case.measured(batch=50)
    assert [set(one.layer.methods) for one in found.values()] == [{"masked"}, {"masked"}, {"exact"}, set()]
    for name in "ab":
        assert_as_masked(case, name, found[name], "masked")
    audit = found["b"].layer.audit
    assert audit is not None and audit.n == 8 and audit.images == 120 and audit.spearman is not None
    assert {str(effect.reason) for effect in found["d"].units} == {"its units are the scores themselves"}


def test_significance_is_mcnemar_with_holm_over_units_and_classes() -> None:
    case = deep()
    found = case.measured()["c"].units
    p, said = [], []
    for unit, effect in enumerate(found):
        before, after = case.right("c", [unit])
        for one in effect.classes:
            own = case.labels == int(one.label)
            p.append(mcnemar(int((~before & after)[own].sum()), int((before & ~after)[own].sum())))
            said.append(one.significant)
    assert said == [value <= 0.05 for value in holm(p)]
    assert len(set(said)) == 2, "a case that shows both"


def planted(*, twins: bool) -> Case:
    """Return a model whose inputs are marks of 4 classes and noise, the weights set by hand.

    Units 0 to 3 of layer "a" pass on the mark of a class each, 4 is wired to class 3 alone, 5 to nothing. twins: unit 6
    passes on what 3 does, and one of the two is enough.
    """
    model = keras.Sequential(
        [
            keras.Input((5,)), L.Dense(7, activation="relu", name="a"), L.Dense(4, activation="relu", name="b"),
            L.Dense(4, activation="softmax", name="c"),
        ]
    )  # fmt: skip
    into, out = np.zeros((5, 7), np.float32), np.zeros((7, 4), np.float32)
    into[range(4), range(4)] = 1
    out[range(4), range(4)] = 1
    into[4, 4], out[4, 3] = 1, 0.8
    into[4, 5] = 1
    if twins:
        into[3, 6], out[6, 3] = 1, 1
    model.set_weights([into, np.zeros(7), out, np.full(4, -0.6 if twins else -0.3), np.eye(4), np.zeros(4)])
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    x = np.zeros((400, 5), np.float32)
    x[np.arange(400), labels] = 1
    x[:, 4] = rng.random(400) * 0.2
    return Case(model, Part(x, labels), np.arange(400) // 4 % 2 == 0, {"a": [[3, 6]]} if twins else {})


def test_a_unit_wired_to_nothing_changes_exactly_nothing_and_one_wired_to_a_class_that_class_alone() -> None:
    found = planted(twins=False).measured()
    idle, one = found["a"].units[5], found["a"].units[3]
    assert idle.accuracy_change == 0 and not any(each.recall_change for each in idle.classes)
    assert is_idle(found["a"].units[3]) is False
    assert [each.label for each in one.classes if each.recall_change] == ["3"]
    assert [each.significant for each in one.classes] == [False, False, False, True]
    assert one.significant and one.permuted is not None and one.permuted.interval[1] < 0


def test_twins_change_nothing_alone_and_much_together() -> None:
    case = planted(twins=True)
    found = case.measured(twins=[6])["a"]
    for unit in (3, 6):
        assert found.units[unit].accuracy_change == 0
    (group,) = found.layer.groups
    assert group.units == [3, 6] and group.effect.method == "masked"
    recalls, accuracy = case.slowly("a", [3, 6])
    assert group.effect.accuracy_change == pytest.approx(accuracy, abs=1e-5) and accuracy < -0.1
    assert [one.recall_change for one in group.effect.classes] == pytest.approx(recalls, abs=1e-5)


def test_groups_of_an_exact_layer_are_taken_away_together() -> None:
    case = make_case(L.Dense(6, activation="relu", name="a"), L.Dense(4, activation="softmax"), shape=(7,))
    case.groups = {"a": [[0, 2, 5]]}
    (group,) = case.measured(batch=50)["a"].layer.groups
    recalls, accuracy = case.slowly("a", [0, 2, 5])
    assert group.effect.method == "exact" and group.effect.accuracy_change == pytest.approx(accuracy, abs=1e-5)
    assert [one.recall_change for one in group.effect.classes] == pytest.approx(recalls, abs=1e-5)


def wide(activation: str, units: int = 60) -> Case:
    return make_case(
        L.Dense(units, activation="relu", name="a"), L.Dense(12, activation=activation, name="b"),
        L.Dense(4, activation="softmax"), shape=(9,), images=400,
    )  # fmt: skip


def test_first_order_stands_beside_masked_where_it_agrees() -> None:
    case = wide("softplus")
    found = case.measured()["a"]
    audit = found.layer.audit
    assert audit is not None and audit.n == 20 and audit.spearman is not None and audit.spearman > 0.9
    assert audit.slope == pytest.approx(1, abs=0.3) and found.layer.withheld is None
    assert found.layer.methods["masked"] + found.layer.methods["first order"] == 60
    assert found.layer.methods["masked"] == found.layer.wanted < 60
    assert_as_masked(case, "a", found, "masked")


def stepping() -> Case:
    return make_case(
        L.Dense(30, activation="softplus", name="a"), L.GRU(4), L.Dense(4, activation="softmax"), shape=(2, 5),
    )  # fmt: skip


def stopped() -> Case:
    """Return a model with a branch that gradients do not come through, so that scores do not depend on it for them."""
    given = keras.Input((9,))
    held = keras.ops.stop_gradient(L.Dense(3, activation="softplus", name="stopped")(given))
    joined = L.Concatenate()([L.Dense(30, activation="softplus", name="a")(given), held])
    last = L.Dense(4, activation="softmax")(L.Dense(6, activation="softplus")(joined))
    model = randomise(keras.Model(given, last))
    x = np.random.default_rng(1).normal(size=(240, 9)).astype(np.float32)
    return Case(model, Part(x, predictions(answers(model, x))), np.arange(240) % 2 == 0, {})


@pytest.mark.parametrize("make", [lambda: wide("softplus"), stepping, stopped], ids=["dense", "GRU", "stopped"])
def test_gradients_that_are_compiled_are_those_that_are_not(
    make: Callable[[], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make()
    found: dict[bool, dict[str, layers.Found]] = {}
    for compiled in (False, True):
        monkeypatch.setattr(passes, "_COMPILED", 0 if compiled else 10**12)
        found[compiled] = case.measured(batch=100)
    for name, plain in found[False].items():
        one = found[True][name]
        assert one.units == plain.units
        if plain.layer.audit is not None:
            assert one.layer.audit is not None
            assert one.layer.audit.slope == pytest.approx(plain.layer.audit.slope, rel=1e-5)
    assert any("first order" in plain.layer.methods for plain in found[False].values())


def test_first_order_is_withheld_where_it_does_not_agree() -> None:
    """A layer of steps has no slope anywhere, so that gradients say that nothing matters."""
    step = keras.ops.sign
    found = wide(step).measured()["a"]
    assert found.layer.withheld is not None and "first order" not in found.layer.methods
    unknown = [effect for effect in found.units if effect.method is None]
    assert unknown and all(effect.reason and "withheld" in effect.reason for effect in unknown)
    assert all(is_idle(effect) is None for effect in unknown)
    assert found.layer.methods["masked"] + len(unknown) == 60


def test_what_would_take_too_long_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    case = wide("softplus")
    monkeypatch.setattr(layers, "MOST_WORK", 20 * 100 * 1400)
    found = case.measured()["a"].layer
    assert found.undone is not None and f"of {found.wanted} units" in found.undone
    monkeypatch.setattr(layers, "MOST_WORK", 10**5)
    found = case.measured()["a"].layer
    assert found.withheld is not None and "longer" in found.withheld and not found.methods


def test_layers_that_cannot_be_audited_by_themselves_are_audited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(
        *(L.Dense(30, activation="softplus", name=name) for name in "abcd"), L.Dense(4, activation="softmax"),
        shape=(9,), images=300,
    )  # fmt: skip
    monkeypatch.setattr(layers, "MOST_WORK", 450_000)
    found = case.measured()
    audits = {name: found[name].layer.audit for name in "abc"}
    assert audits["a"] is not None and audits["a"] == audits["b"] == audits["c"]
    assert (audits["a"].n, audits["a"].layers) == (20, 3) and audits["a"].images >= 8
    assert all(set(found[name].layer.methods) <= {"first order"} for name in "abc")
    assert set(found["d"].layer.methods) == {"exact"}


def test_gradients_of_all_images_are_not_taken_where_those_of_a_few_do_not_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case(
        *(L.Dense(30, activation=keras.ops.sign, name=name) for name in "abcd"), L.Dense(4, activation="softmax"),
        shape=(9,), images=300,
    )  # fmt: skip
    asked, sweep = [], Passes.sweep

    def noted(self: Passes, exact: Any, groups: Any, others: Any, **how: Any) -> Any:
        asked.append(how.get("images") if others else 0)
        return sweep(self, exact, groups, others, **how)

    monkeypatch.setattr(Passes, "sweep", noted)
    monkeypatch.setattr(layers, "MOST_WORK", 450_000)
    found = case.measured()
    for name in "abc":
        audit = found[name].layer.audit
        assert audit is not None and (audit.n, audit.layers) == (20, 3) and 8 <= audit.images <= 16
        assert found[name].layer.withheld is not None and "first order" not in found[name].layer.methods
    assert sorted(set(asked)) == [0, 8]  # images that gradients were taken of


def test_without_images_on_both_sides_there_is_a_reason() -> None:
    case = planted(twins=False)
    case.choose = np.ones(400, np.bool_)
    found = case.measured()["a"]
    assert found.layer.reason == found.units[0].reason is not None and "too few images" in str(found.layer.reason)


def test_images_of_classes_that_the_model_has_no_score_for_are_left_out() -> None:
    case = planted(twins=False)
    case.part.labels[-6:] = 9  # of the second half, which scores
    found = case.measured()["a"]
    assert found.layer.scored_on == 200 - int((~case.choose[-6:]).sum())
    effect = found.units[3]
    assert [one.label for one in effect.classes] == ["0", "1", "2", "3"] and effect.classes[3].significant


def test_the_scores_are_those_before_the_softmax_and_the_model_is_left_as_it_was() -> None:
    case = deep()
    drawn = graph.Graph(case.model)
    last = case.model.layers[-1]
    found = head.find(drawn, "softmax")
    with found.before_activation():
        assert last.activation is None
        cut = np.asarray(last(np.ones((1, 9), np.float32)))
    assert last.activation is keras.activations.softmax
    assert cut == pytest.approx(np.asarray(np.ones((1, 9)) @ last.kernel + last.bias), abs=1e-5)


def test_each_call_of_a_shared_layer_has_effects_of_its_own() -> None:
    given = keras.Input((6,))
    shared, last = L.Dense(5, activation="relu", name="shared"), L.Dense(3, activation="softmax")
    first, second = shared(given), shared(L.Dense(6, name="before")(given))
    model = randomise(keras.Model(given, last(L.Concatenate()([first, second]))))
    x = np.random.default_rng(0).normal(size=(160, 6)).astype(np.float32)
    case = Case(model, Part(x, answers(model, x).argmax(axis=1)), np.arange(160) % 2 == 0, {})
    found = case.measured(batch=30)
    joined = np.asarray(keras.Model(given, [first, second])(x, training=False)).transpose(1, 0, 2).reshape(160, 10)
    for place, name in enumerate(("shared#1", "shared#2")):
        for unit in range(5):
            masked = joined.copy()
            masked[:, 5 * place + unit] = joined[case.choose, 5 * place + unit].mean()
            right = np.asarray(last(masked)).argmax(axis=1) == case.part.labels
            assert found[name].units[unit].accuracy_change == pytest.approx(right[~case.choose].mean() - 1, abs=1e-5)
            assert found[name].units[unit].method == "exact"


def test_a_mean_over_steps_that_are_no_padding_is_masked_and_not_taken_for_linear() -> None:
    model = randomise(
        keras.Sequential(
            [
                keras.Input((6,)), L.Embedding(9, 4, mask_zero=True, name="words"), L.GlobalAveragePooling1D(),
                L.Dense(3, activation="softmax"),
            ]
        )
    )  # fmt: skip
    x = np.random.default_rng(0).integers(1, 9, (120, 6)) * (np.arange(6) < np.arange(120)[:, np.newaxis] % 6 + 1)
    case = Case(model, Part(x, answers(model, x).argmax(axis=1)), np.arange(120) % 2 == 0, {})
    found = case.measured(batch=30)["words"]
    table = model.layers[0].embeddings.numpy()
    embedded, there = table[x], (x > 0)[..., np.newaxis]
    for unit in range(4):
        masked = embedded.copy()
        masked[..., unit] = embedded[case.choose][..., unit].mean()
        mean = (masked * there).sum(axis=1) / there.sum(axis=1)
        right = np.asarray(model.layers[-1](mean)).argmax(axis=1) == case.part.labels
        assert found.units[unit].method == "masked"
        assert found.units[unit].accuracy_change == pytest.approx(right[~case.choose].mean() - 1, abs=1e-5)


@pytest.mark.parametrize("large", [forward.LARGE, 1], ids=["of few calls", "of many calls"])
def test_padding_stays_padding_where_a_unit_is_masked(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "LARGE", large)
    model = randomise(
        keras.Sequential(
            [
                keras.Input((6,)), L.Embedding(9, 4, mask_zero=True, name="words"), L.LSTM(5, name="steps"),
                L.Dense(3, activation="softmax"),
            ]
        )
    )  # fmt: skip
    model.layers[0].embeddings.assign(np.where(np.arange(4) == 2, 0.5, model.layers[0].embeddings.numpy()))
    x = np.random.default_rng(0).integers(1, 9, (120, 6)) * (np.arange(6) < 3)
    case = Case(model, Part(x, answers(model, x).argmax(axis=1)), np.arange(120) % 2 == 0, {})
    found = case.measured(batch=30)
    constant = found["words"].units[2]
    assert constant.method == "masked" and constant.accuracy_change == 0
    assert found["words"].layer.audit is not None and {effect.method for effect in found["steps"].units} == {"exact"}


def test_images_in_the_order_of_their_classes_are_measured_as_in_any_other() -> None:
    made = planted(twins=False)
    order = np.argsort(made.part.labels, kind="stable")
    part = Part(np.asarray(made.part.images)[order], made.part.labels[order])
    mixed, in_order = (
        case.measured(batch=20)["a"].units[3].permuted for case in (made, Case(made.model, part, made.choose, {}))
    )
    assert mixed is not None and in_order is not None and in_order.interval[1] < 0
    assert in_order.accuracy_change < 0.5 * mixed.accuracy_change  # within one class nothing would change

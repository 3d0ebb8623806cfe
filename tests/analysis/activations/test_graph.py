"""A model run again with a change: only what lies behind it is computed, and only what lies beside it is kept."""

from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations.graph import Graph
from reportgen.runtime import keras
from tests.helpers.passes import randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers


def residual() -> Any:
    start = keras.Input((4,))
    first = L.Dense(5, name="first")(start)
    beside = L.Dense(5, name="beside")(start)
    inside = L.Dense(5, activation="tanh", name="inside")(first)
    total = L.Add(name="total")([first, inside, beside])
    return randomise(keras.Model(start, L.Dense(3, name="scores")(total)))


# what is given to a call on the way, but comes from none of them
@pytest.mark.parametrize(
    ("changed", "kept"),
    [("first", ["beside"]), ("inside", ["beside", "first"]), ("total", []), ("scores", [])],
)
def test_a_change_needs_only_what_lies_beside_its_way(changed: str, kept: list[str]) -> None:
    graph = Graph(residual())
    tensors = {call.name: call.outputs[0] for call in graph.calls}
    tensor = tensors[changed]
    needed = graph.given_to_change(tensor, graph.output)
    assert sorted(name for name, one in tensors.items() if one in needed) == kept
    images = np.random.default_rng(0).random((6, 4), np.float32)
    values = graph.all_values(images, only={*needed, tensor})
    again = graph.again(values, tensor, 2 * values[tensor], graph.output)
    expected = graph.run(images, lambda one, value: 2 * value if one is tensor else value)
    assert np.asarray(again) == pytest.approx(np.asarray(expected), rel=1e-6)


def test_what_does_not_depend_on_a_change_stays_as_it_was() -> None:
    graph = Graph(residual())
    tensors = {call.name: call.outputs[0] for call in graph.calls}
    assert graph.given_to_change(tensors["scores"], tensors["total"]) == {tensors["total"]}
    values = graph.all_values(np.ones((2, 4), np.float32))
    assert graph.again(values, tensors["scores"], None, tensors["total"]) is values[tensors["total"]]

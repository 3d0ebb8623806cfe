"""Values behind the pass: what the pass compiled gives the same as the model run call by call."""

import numpy as np
import pytest

from reportgen.analysis.activations import forward, probe, reading
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.shards import Shard, Work
from reportgen.dataset import Part, Pixels
from reportgen.i18n import text

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def branched() -> Graph:
    """Return a graph with a way around one of its convolutions."""
    import keras

    keras.utils.set_random_seed(0)
    given = keras.Input((6, 6, 1))
    first = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="a")(given)
    second = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="b")(first)
    added = keras.layers.MaxPooling2D()(keras.layers.Add()([first, second]))
    pooled = keras.layers.Flatten()(added)
    return Graph(keras.Model(given, keras.layers.Dense(4, activation="softmax", name="out")(pooled)))


def images(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).random((count, 6, 6, 1), np.float32)


def output_of(graph: Graph, name: str) -> Tensor:
    return next(call.outputs[0] for call in graph.calls if call.name == name)


def test_the_graph_of_the_pass_gives_what_the_calls_give(branched: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "LARGE", 1)
    here, pixels = probe.Here(branched, reading.readings(branched), goes_on=True), Pixels(1.0, text("as they are"))
    part = Part(images(5), np.zeros(5, np.int64))
    here.sender.begin(Work(pixels, 5, 1, classes=4), Shard("test", 0, 5), part)
    looking, pooled = Looking(branched, here.sender), next(c for c in branched.calls if "pooling" in c.name)
    wanted = [output_of(branched, "a"), output_of(branched, "b"), branched.output]
    assert looking.compiled(part.images, pixels) is not None
    for asked in (wanted, [pooled.given[0], pooled.outputs[0]]):  # an addition does not follow from one tensor
        found = looking.floats(part.images, pixels, asked)
        for one, other in zip(found, Looking(branched).floats(part.images, pixels, asked), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    layer = branched.calls[-1].operation
    monkeypatch.setattr(layer, "activation", None)
    (logits,) = looking.values(part.images, pixels, [branched.output], branched.calls[-1]).values()
    assert not np.allclose(np.asarray(logits).sum(axis=1), 1)


def test_changes_that_go_together_give_what_each_gives_alone(branched: Graph) -> None:
    import tensorflow as tf

    first, second = output_of(branched, "a"), output_of(branched, "b")
    assert branched.goes_together(first, branched.output)
    values = branched.all_values(tf.constant(images(3)))
    changes = [(first, values[first] * 2), (second, values[second] + 1), (first, values[first] - 1)]
    changes.append((branched.output, values[branched.output] * 0))
    together = branched.again_together(values, changes, branched.output)
    for (tensor, value), found in zip(changes, together, strict=True):
        np.testing.assert_allclose(found, branched.again(values, tensor, value, branched.output), atol=1e-6)

"""How values go through a model, as a record has it."""

from typing import Any

import pytest

from reportgen.record.model import ModelGraph

pytestmark = pytest.mark.tensorflow


def flow(model: Any) -> ModelGraph:
    from reportgen.analysis import summary
    from reportgen.analysis.activations.graph import Graph

    return summary.flow(Graph(model))


def named(graph: ModelGraph) -> list[tuple[str, str]]:
    return [(graph.nodes[start].name, graph.nodes[end].name) for start, end in graph.edges]


def test_branches_shared_layers_models_inside_and_operations_are_edges() -> None:
    import keras

    image = keras.Input((8, 8, 1), name="image")
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), keras.layers.Conv2D(4, 3, padding="same", name="conv")], name="inner"
    )
    stem = keras.layers.Conv2D(4, 3, padding="same", name="stem")(image)
    added = keras.layers.Add(name="add")([stem, inner(inner(stem))])
    flat = keras.layers.Flatten(name="flat")(keras.ops.relu(added))
    graph = flow(keras.Model(image, keras.layers.Dense(3, name="scores")(flat)))
    relu = graph.nodes[5].name
    assert named(graph) == [
        ("image", "stem"),
        ("stem", "inner/conv#1"),
        ("inner/conv#1", "inner/conv#2"),
        ("stem", "add"),
        ("inner/conv#2", "add"),
        ("add", relu),
        (relu, "flat"),
        ("flat", "scores"),
    ]
    assert (graph.inputs, graph.outputs) == ([0], [7])
    assert (graph.nodes[0].kind, graph.nodes[4].kind, graph.nodes[5].kind) == ("InputLayer", "Add", "Relu")
    assert graph.nodes[1].output_shape == [None, 8, 8, 4]


def test_a_sequential_has_an_input_whose_name_no_layer_has() -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, name="input"), keras.layers.Dense(2, name="out")]
    )
    assert named(flow(model)) == [("input_", "input"), ("input", "out")]


def test_a_value_that_is_taken_twice_is_one_edge() -> None:
    import keras

    image = keras.Input((4,), name="image")
    dense = keras.layers.Dense(2, name="dense")(image)
    graph = flow(keras.Model(image, keras.layers.Multiply(name="square")([dense, dense])))
    assert named(graph) == [("image", "dense"), ("dense", "square")]


def test_operations_without_a_name_are_numbered_within_the_model() -> None:
    """Keras numbers them through all models that the process ever built."""
    import keras

    def build() -> Any:
        image = keras.Input((4,), name="image")
        inner = keras.layers.Dense(4, name="inner")(keras.ops.relu(image))
        return keras.Model(image, keras.ops.relu(keras.ops.relu(inner) * 2))

    for _ in range(2):
        assert [node.name for node in flow(build()).nodes] == ["image", "relu", "inner", "relu_1", "multiply", "relu_2"]

"""The model in figures: its summary, row by row."""

from dataclasses import dataclass

from reportgen.i18n import Text


@dataclass(frozen=True)
class LayerRow:
    """One row of the model summary. output_shape: None stands for a size that is not fixed (the batch).

    note: what its units are, where its kind alone does not tell.
    """

    name: str
    kind: str
    output_shape: list[int | None]
    params: int
    analysed: bool
    reason: Text | None
    note: Text | None = None


@dataclass(frozen=True)
class GraphNode:
    """A call of a layer or of a bare operation, or an input of the model. output_shape: as in LayerRow.

    name: no two nodes have the same; that of a layer's call is the name of its row. A model inside the model is no
    node: its calls are, its name and a slash before theirs.
    """

    name: str
    kind: str
    output_shape: list[int | None]


@dataclass(frozen=True)
class ModelGraph:
    """How values go through the model, in the order of computation: no edge leads to an earlier node.

    edges: [from, to], numbers of nodes, each pair once. inputs, outputs: the nodes where values come in, and which
    give what the model gives.
    """

    nodes: list[GraphNode]
    edges: list[list[int]]
    inputs: list[int]
    outputs: list[int]


@dataclass(frozen=True)
class ModelFacts:
    """The model in figures. origin: "trained" here or "loaded"; output: "softmax", "sigmoid" or "logits".

    changes: what was changed of a file of Keras 2 to read it, in a sentence; None where nothing was. unlisted_params:
    those that stand in no row, as they are the model's own or of layers that have no part in inference. graph: None in
    a folder from before there was one.
    """

    name: str
    origin: str
    output: str
    total_params: int
    trainable_params: int
    non_trainable_params: int
    layers: list[LayerRow]
    changes: Text | None = None
    unlisted_params: int = 0
    graph: ModelGraph | None = None

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
class ModelFacts:
    """The model in figures. origin: "trained" here or "loaded"; output: "softmax", "sigmoid" or "logits".

    changes: what was changed of a file of Keras 2 to read it, in a sentence; None where nothing was. unlisted_params:
    those that stand in no row, as they are the model's own or of layers that have no part in inference.
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

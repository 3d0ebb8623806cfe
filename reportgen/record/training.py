"""The course of a training: what Keras wrote down after each epoch, and which units died when."""

from dataclasses import dataclass

from reportgen.i18n import Text


@dataclass(frozen=True)
class History:
    """What Keras wrote down after each epoch, under Keras's own names.

    epochs: 1, 2, ..., or on from where an earlier fit ended; best_epoch: the one with the lowest validation loss
    (training loss without one).
    stopped_early: None where nobody knows (a history found beside a loaded model).
    chosen_on_test: whether the test split's own figures decided at which epoch to stop or which weights to keep, so
    that the figures on it are somewhat too good; None where nobody knows.
    """

    epochs: list[int]
    metrics: dict[str, list[float | None]]
    seconds: list[float | None]
    best_epoch: int | None
    stopped_early: bool | None
    source: Text
    chosen_on_test: bool | None = None


@dataclass(frozen=True)
class Died:
    """Units of a layer that have been dead without a break since the same epoch, one of Deaths.epochs."""

    epoch: int
    units: list[int]


@dataclass(frozen=True)
class LayerDeaths:
    """The dead units of a layer in the course of the training.

    dead: how many, at each of Deaths.epochs. since: those that are dead now, by the epoch since which they have been.
    """

    layer: str
    units: int
    dead: list[int]
    since: list[Died]


@dataclass(frozen=True)
class Deaths:
    """How many units were dead in the course of the training, counted on the same images each time.

    images: how many, of the part `part`. epochs: after which it was counted; the first is 0, before the training, or
    what an earlier fit ended with. weights_of: the epoch whose weights the model has now and `since` leads up to: not
    the last where a callback brought better ones back, None where they are of none (averaged, for one).
    layers: those with units, in the order of the model, a softmax left out.
    """

    images: int
    part: str
    epochs: list[int]
    weights_of: int | None
    layers: list[LayerDeaths]

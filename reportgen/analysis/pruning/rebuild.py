"""The model again with other weights, or fewer of them: the same layers under the same names, nested as they were."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.analysis.activations.graph import kind
from reportgen.analysis.pruning.lossless import Plan
from reportgen.analysis.pruning.mixing import Mixing
from reportgen.analysis.pruning.ways import Ints, Way

if TYPE_CHECKING:
    import keras


def rebuilt(model: "keras.Model", plan: Plan) -> "keras.Model":
    """Return a new model of the units that are still there in a plan for this one."""
    made = _Cloned(model, plan.mixings)
    ways = [cut.way for cut in plan.cuts if cut.way is not None]
    stored = {id(mixing.layer): mixing.stored() for mixing in plan.mixings.values()}
    made.fill(stored | _between(ways, plan.mixings))
    return made.model


def with_room(model: "keras.Model", mixings: Mapping[int, Mixing]) -> "_Cloned":
    """Return a copy of the model, with its own weights, that can be filled with those of mixings, `stored(whole=True)`.

    Layers whose bias may come have one.
    """
    made = _Cloned(model, mixings, whole=True)
    made.fill({id(mixing.layer): _with_bias(mixing) for mixing in mixings.values()})
    return made


def fill_whole(made: "_Cloned", mixings: Mapping[int, Mixing]) -> None:
    """Give a model of `with_room` the weights of these mixings, those of what is gone as zero."""
    for mixing in mixings.values():
        made.of(mixing.layer).set_weights(_with_bias(mixing))


class _Cloned:
    """A model made of the layers of another; no weight is shared. model: it."""

    def __init__(self, model: "keras.Model", mixings: Mapping[int, Mixing], *, whole: bool = False) -> None:
        import keras

        self._pairs: dict[int, tuple[Any, Any]] = {}

        def again(operation: Any) -> Any:
            if not isinstance(operation, keras.layers.Layer):
                return operation  # it has no weights, and nothing of a size
            config = operation.get_config()
            if (mixing := mixings.get(id(operation))) is not None:
                units, has_bias = mixing.size()
                if not whole:
                    config["units" if "units" in config else "filters"] = units
                config["use_bias"] = has_bias or whole
            made = type(operation).from_config(config)
            self._pairs[id(operation)] = operation, made
            return made

        self.model = keras.models.clone_model(model, clone_function=again, recursive=True)

    def of(self, layer: Any) -> Any:
        """Return the layer that was made of one."""
        return self._pairs[id(layer)][1]

    def fill(self, others: Mapping[int, list[Any]]) -> None:
        """Give each layer the weights of the one that it was made of, or those in `others`, by that one's id."""
        for layer, made in self._pairs.values():
            made.set_weights(others[id(layer)] if id(layer) in others else layer.get_weights())


def _with_bias(mixing: Mixing) -> list[Any]:
    stored = mixing.stored(whole=True)
    return stored if mixing.size()[1] else [*stored, np.zeros(len(mixing.units), np.float32)]


def _between(ways: Sequence[Way], mixings: Mapping[int, Mixing]) -> dict[int, list[Any]]:
    """Return the weights, by the id of their layer, of what lies between layers and has some for each channel."""
    found = {}
    for way in ways:
        if (mixing := mixings.get(id(way.layer))) is None or mixing.units.all():
            continue
        for one in way.passed:
            layer = one.call.operation
            kept = np.flatnonzero(mixing.units[one.along.owner])
            if kind(layer) == "BatchNormalization":
                found[id(layer)] = [value[kept] for value in layer.get_weights()]
            elif kind(layer) == "PReLU":
                found[id(layer)] = [_of_channels(layer.get_weights()[0], one.along.axis - 1, kept)]
    return found


def _of_channels(slopes: Any, axis: int, kept: Ints) -> Any:
    return slopes if slopes.shape[axis] == 1 else np.take(slopes, kept, axis)

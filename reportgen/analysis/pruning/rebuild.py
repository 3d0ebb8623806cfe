"""The model again with other weights, or fewer of them: the same layers under the same names, nested as they were."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.analysis.activations.graph import kind, opens
from reportgen.analysis.pruning.lossless import Plan
from reportgen.analysis.pruning.mixing import Mixing
from reportgen.analysis.pruning.ways import Ints, Way

if TYPE_CHECKING:
    import keras


def rebuilt(model: "keras.Model", plan: Plan) -> "keras.Model":
    """Return a new model of the units that are still there in a plan for this one."""
    made = _again(model, {layer: mixing.size() for layer, mixing in plan.mixings.items()})
    ways = [cut.way for cut in plan.cuts if cut.way is not None]
    stored = {id(mixing.layer): mixing.stored() for mixing in plan.mixings.values()}
    stored |= _between(ways, plan.mixings)
    for layer, new in zip(_leaves(model), _leaves(made), strict=True):
        new.set_weights(stored[id(layer)] if id(layer) in stored else layer.get_weights())
    return made


class Trial:
    """A copy of a model, with its own weights, that is given those of mixings again and again.

    Units that are gone stay in it, but nothing weighs them. model: it.
    """

    def __init__(self, model: "keras.Model", mixings: Mapping[int, Mixing]) -> None:
        sizes = {layer: (len(mixing.units), True) for layer, mixing in mixings.items()}
        self.model = _again(model, sizes)
        self._made = {id(layer): new for layer, new in zip(_leaves(model), _leaves(self.model), strict=True)}
        for layer in _leaves(model):
            if id(layer) not in mixings:
                self._made[id(layer)].set_weights(layer.get_weights())

    def fill(self, mixings: Mapping[int, Mixing]) -> None:
        """Give it the weights of these mixings; where a layer has no bias, zeros."""
        for layer, mixing in mixings.items():
            stored = mixing.stored(whole=True)
            none = [] if mixing.size()[1] else [np.zeros(len(mixing.units), np.float32)]
            self._made[layer].set_weights([*stored, *none])


def _again(model: "keras.Model", sizes: Mapping[int, tuple[int, bool]]) -> "keras.Model":
    """Return a model of the same configuration, but for the units of some layers and whether they have a bias."""
    return type(model).from_config(_resized(model, model.get_config(), sizes))


def _resized(model: Any, config: dict[str, Any], sizes: Mapping[int, tuple[int, bool]]) -> dict[str, Any]:
    by_name = {layer.name: layer for layer in model.layers}
    for entry in config["layers"]:
        _forget_shapes(entry)
        if (layer := by_name.get(entry["config"].get("name"))) is None:
            continue  # an operation, which has nothing of a size
        if opens(layer):
            entry["config"] = _resized(layer, entry["config"], sizes)
        elif id(layer) in sizes:
            units, has_bias = sizes[id(layer)]
            entry["config"]["units" if "units" in entry["config"] else "filters"] = units
            entry["config"]["use_bias"] = has_bias
    return config


def _forget_shapes(value: Any) -> None:
    """Take out of a configuration for which inputs layers were built: they are called on others now."""
    if isinstance(value, dict):
        value.pop("build_config", None)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _forget_shapes(item)


def _leaves(model: Any) -> Iterator[Any]:
    """Yield all layers, those of a model inside the model in its place."""
    for layer in model.layers:
        if opens(layer):
            yield from _leaves(layer)
        else:
            yield layer


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

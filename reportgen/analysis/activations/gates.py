"""The gates of recurrent layers: at how many steps each of them is all but shut, or all but open.

What gates let through is no tensor of the graph, so a few images go through the cells of these layers step by step.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.analysis.activations import forward, layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, Tensor, kind
from reportgen.analysis.activations.nonlinearity import Function, of_activation
from reportgen.analysis.activations.reading import Reading, has_state
from reportgen.analysis.activations.tally import TAIL, Counts
from reportgen.dataset import Part, Pixels, spread
from reportgen.i18n import text
from reportgen.record.units import Gate, Unit

IMAGES = 64
"""On how many images the gates are looked at, spread over the part."""

STEPS = 1000
"""How many steps of each are gone through at most."""

_NAMES = {"LSTMCell": ("input", "forget", "output"), "GRUCell": ("update", "reset")}
"""The gates of a cell, in the order in which Keras computes them."""


def with_gates(
    graph: Graph, readings: Sequence[Reading], units: Sequence[Unit], part: Part, pixels: Pixels, batch: int
) -> list[Unit]:
    """Return the units with their gates, or the reason why those of a recurrent layer are not known.

    batch: how many images the memory holds.
    """
    gated = {reading.name: reading for reading in readings if _has_gates(reading)}
    if not gated:
        return list(units)
    told = {name: reading for name, reading in gated.items() if _cells(reading)}
    found = _shares(graph, told, part, pixels, batch) if told else {}
    why = text("gates are read of LSTM and GRU layers whose units go one way and begin each image without a state")

    def completed(unit: Unit) -> Unit:
        if gates := found.get(unit.layer):
            return replace(unit, gates=gates[unit.unit])
        return replace(unit, reasons={**unit.reasons, "gates": why}) if unit.layer in gated else unit

    return [completed(unit) for unit in units]


def _has_gates(reading: Reading) -> bool:
    """Return whether the units of a layer stand behind gates of their own."""
    core = layer_kinds.inner(reading.layer)
    cell = getattr(getattr(core, "forward_layer", core), "cell", None)
    return layer_kinds.is_recurrent(core) and kind(cell) in (*_NAMES, "ConvLSTMCell")


def _cells(reading: Reading) -> list[Any]:
    """Return the layers whose units are, one after the other, those of a layer; none where their gates are not told.

    Of directions that are added up each unit has two of each gate.
    """
    core = layer_kinds.inner(reading.layer)
    if layer_kinds.steps(reading.layer) or has_state(reading.call):
        return []
    joined = kind(core) == "Bidirectional" and core.merge_mode == "concat"
    ways = [core.forward_layer, core.backward_layer] if joined else [core]
    return ways if all(_is_told(way) for way in ways) else []


def _is_told(layer: Any) -> bool:
    cell: Any = getattr(layer, "cell", None)
    if kind(cell) not in _NAMES or getattr(layer, "stateful", False):
        return False
    gate = of_activation(cell.recurrent_activation, (None, cell.units))
    return isinstance(gate, Function) and (gate.family, gate.low, gate.high) == ("bounded", 0.0, 1.0)


def _shares(
    graph: Graph, told: dict[str, Reading], part: Part, pixels: Pixels, batch: int
) -> dict[str, list[list[Gate]]]:
    """Return by layer the gates of each of its units."""
    images = part.images[spread(len(part), min(IMAGES, batch))]
    calls = [reading.call for reading in told.values()]
    wanted = list(dict.fromkeys(tensor for call in calls for tensor in call.given))
    # compiled, as a recurrent layer in front of another would else take its steps one by one in Python
    run = forward.compiled(lambda seen: graph.values(seen, wanted)[1], part, pixels)
    with forward.faults_named(images):
        known = dict(zip(wanted, run(images), strict=True))
        return {name: _of_layer(_cells(reading), *_given(reading.call, known)) for name, reading in told.items()}


def _given(call: Call, known: dict[Tensor, Any]) -> tuple[Any, Any]:
    """Return what a recurrent layer is called with: (B, T, C) and the mask (B, T), None without one."""
    symbols = zip(call.arguments.keras_tensors, call.given, strict=True)
    listed, options = call.arguments.fill_in({id(symbol): known[tensor] for symbol, tensor in symbols})
    named = dict(zip(("sequences", "initial_state", "mask"), listed, strict=False)) | options
    return named["sequences"], named.get("mask")


def _of_layer(ways: Sequence[Any], given: Any, mask: Any) -> list[list[Gate]]:
    """Return the gates of each unit; those of one direction first."""
    found = []
    for way in ways:
        shut, open_, steps = _counted(way, given, mask)
        if not steps:
            return []
        of_gates = list(zip(_NAMES[kind(way.cell)], shut / steps, open_ / steps, strict=True))
        found += [
            [Gate(name, float(low[u]), float(high[u]), steps) for name, low, high in of_gates]
            for u in range(way.cell.units)
        ]
    return found


def _counted(layer: Any, given: Any, mask: Any) -> tuple[Counts, Counts, int]:
    """Return (G, U) at how many steps of all images each gate is all but shut, and open, and how many steps there are.

    given: (B, T, C). mask: (B, T) which steps are none of padding, at which the state stays as it is.
    """
    import tensorflow as tf

    cell, step = layer.cell, _stepping(layer.cell)
    counted = np.ones(given.shape[:2], np.bool_) if mask is None else np.asarray(mask, np.bool_)
    order = list(range(given.shape[1]))[:: -1 if layer.go_backwards else 1][:STEPS]
    values = tf.cast(given, tf.float32)
    states = [tf.zeros((len(values), cell.units))] * (2 if kind(cell) == "LSTMCell" else 1)
    shut = open_ = np.zeros((len(_NAMES[kind(cell)]), cell.units), np.int64)
    for at in order:
        here = counted[:, at, np.newaxis]
        opened, states = step(values[:, at], states, tf.constant(here))
        gates = opened.numpy()
        shut, open_ = shut + ((gates < TAIL) & here).sum(axis=1), open_ + ((gates > 1 - TAIL) & here).sum(axis=1)
    return shut, open_, int(counted[:, order].sum())


def _stepping(cell: Any) -> Any:
    """Return what gives (G, B, U) the gates of a cell in a step and the states behind it.

    It is given (B, C) the step's values, the states before it, and (B, 1) in which images it is none of padding. What
    is run is the cell's own code, on a copy that shares its weights and puts what its gates give into a list.
    """
    import tensorflow as tf

    gives: list[Any] = []

    def kept(values: Any) -> Any:
        gives.append(cell.recurrent_activation(values))
        return gives[-1]

    # Keras computes the gates inside `call` and keeps none; every gate goes through this attribute of the cell
    copy = object.__new__(type(cell))
    copy.__dict__.update(cell.__dict__, recurrent_activation=kept)

    def step(values: Any, states: list[Any], here: Any) -> tuple[Any, list[Any]]:
        gives.clear()
        _, after = copy.call(values, states, training=False)
        return tf.stack(gives), [tf.where(here, new, old) for new, old in zip(after, states, strict=True)]

    return tf.function(step, autograph=False)

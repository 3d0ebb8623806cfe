"""What a nonlinearity does to the values of a unit, found out by trying it, so that its spelling does not matter.

`Dense(activation="relu")`, a ReLU layer, `keras.ops.relu(x)`, `keras.ops.maximum(x, 0)` and a function of somebody's
own give the same numbers, and it is these that verdicts rest on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.graph import Call, has_weights, kind
from reportgen.analysis.activations.tally import Family, Floats

_PLAIN = {"ActivityRegularization", "Dropout", "ELU", "GaussianNoise", "Identity", "LeakyReLU", "ReLU"}
"""Layers that their configuration says all of."""
_MOST_FOUND = 4096

_LARGE = 1e30
_LARGE_16 = 3e4  # what 16-bit numbers hold
_MOST_SIDE = 3  # positions along an axis that are tried: enough to show whether a value depends on its neighbours
_USUAL = 2, 20  # sizes of values at which the two sides of a function are compared
_ENDS = 3  # decimals of the ends of a range: softsign comes no nearer to 1 than that in 16 bits


@dataclass(frozen=True)
class Function:
    """What a function does to each value by itself.

    family, low, high: as in tally.LayerPlan; high alone is the ceiling of "relu6". homogeneous: f(c z) = c f(z) for
    all c > 0, so that a unit with c times the weights is a copy. turned: negative values become positive ones, so
    that only what goes in tells whether a unit fires.
    """

    family: Family
    low: float | None = None
    high: float | None = None
    homogeneous: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Affine:
    """f(z) = scale z + offset. None: it differs from unit to unit."""

    scale: float | None = 1.0
    offset: float | None = 0.0

    def then(self, other: "Affine") -> "Affine":
        """Return this one followed by the other."""
        if self.scale is None or self.offset is None or other.scale is None or other.offset is None:
            return Affine(None, None)
        return Affine(self.scale * other.scale, self.offset * other.scale + other.offset)


LINEAR = Function("linear", homogeneous=True)
UNKNOWN = Function("linear")
"""Nothing is taken for granted about the values."""
SOFTMAX = Function("softmax", 0.0, 1.0)

IDENTITY = Affine()

_FOUND: dict[tuple[Any, ...], Function | Affine] = {}
"""What was found out before, by `_key` and shape."""


def of_activation(activation: Any, shape: tuple[int | None, ...]) -> Function | Affine:
    """Return what a layer's `activation` is: a function, or a layer object. shape: of the layer's output."""
    if activation is None:
        return IDENTITY
    if getattr(activation, "__name__", None) == "softmax" or kind(activation) == "Softmax":
        return SOFTMAX
    if kind(activation) == "PReLU":
        slopes = np.asarray(activation.alpha)
        return Function("leaky", homogeneous=True) if (slopes >= 0).all() and (slopes < 1).all() else UNKNOWN
    if has_weights(activation):
        return UNKNOWN
    return _tried(activation, shape, activation) or UNKNOWN


def is_by_itself(activation: Any, shape: tuple[int | None, ...]) -> bool:
    """Return whether an activation without weights treats each value by itself, as a softmax does not."""
    return _tried(activation, shape, activation) is not None


def of_call(call: Call) -> Function | Affine | None:
    """Return what a call does to each value by itself; None where it does not, or has weights."""
    operation = call.operation
    if len(call.given) != 1 or len(call.outputs) != 1:
        return None
    before, after = call.given[0].shape, call.outputs[0].shape
    if kind(operation) == "Softmax":
        return SOFTMAX
    if kind(operation) == "PReLU":
        slopes = np.asarray(operation.alpha)
        return Function("leaky", homogeneous=True, turned=bool((slopes < 0).any()))
    if kind(operation) == "Cast":
        return IDENTITY if "float" in str(operation.dtype) else None
    if before[1:] != after[1:] or has_weights(operation):
        return None
    if kind(operation) == "Activation":
        return of_activation(operation.activation, before)
    return _tried(lambda values: call.on({call.given[0]: values})[0], before, operation)


def recognised(given: Floats, found: Floats) -> Function | Affine:
    """Return what function gives `found`, (G,), for `given`, (G,), values ascending and symmetrical around 0.

    Both may be of less than double precision; what is compared is compared within a thousandth.
    """
    if not np.isfinite(found).all():
        return UNKNOWN
    if (line := _line(given, found)) is not None:
        return line
    positive, negative = given > 0, given < 0
    low, high = float(found.min()), float(found.max())
    is_limited = -low < _LARGE_16 / 10 and high < _LARGE_16 / 10
    rises = bool((np.diff(found) >= -1e-6 * max(1.0, abs(high))).all())
    rests, fires = bool((found[~positive] == 0).all()), found > 0
    if is_limited and rises:
        low, high = round(low, _ENDS), round(high, _ENDS)
        return Function("relu6", None, high) if rests and high > 0 else Function("bounded", low, high)
    scaled = [_is_multiple(given[side], found[side]) for side in (positive, negative)]
    if rests and low >= 0:
        return Function("relu", homogeneous=scaled[0])
    # damped below 0: a value there says less than one as far above 0
    usual = positive & (given >= _USUAL[0]) & (given <= _USUAL[1])
    damped = bool(fires[positive].all() and (np.abs(found[::-1][usual]) < 0.999 * found[usual]).all())
    if damped and not fires[negative].any():
        return Function("leaky", homogeneous=all(scaled))
    if damped and all(scaled):
        return Function("leaky", homogeneous=True, turned=True)
    return UNKNOWN


def _line(given: Floats, found: Floats) -> Affine | None:
    """Return the line through all points, None where there is none."""
    middle = np.abs(given) <= 10
    scale, offset = np.polyfit(given[middle], found[middle], 1)
    if abs(scale) < 1e-6:
        return None
    near = np.abs(found - (scale * given + offset)) <= 1e-3 * (np.abs(scale * given) + abs(offset)) + 1e-5 * abs(scale)
    return Affine(_plain(scale), _plain(offset)) if near.all() else None


def _plain(number: float) -> float:
    """Return a fitted number without the noise of the fit, which would make a 0 into something else."""
    return float(np.round(number, 6))


def _is_multiple(given: Floats, found: Floats) -> bool:
    ratios = found / given
    return bool(np.abs(ratios - np.median(ratios)).max() <= 1e-3 * max(np.abs(np.median(ratios)), 1e-6))


def _tried(function: Callable[[Any], Any], shape: tuple[int | None, ...], operation: Any) -> Function | Affine | None:
    """Return what `function` does to values of a tensor of this shape, see `_found_out`. operation: whose it is.

    A large model has the same one again and again.
    """
    key = _key(operation)
    if key is None:
        return _found_out(function, shape)
    asked = (*key, shape[1:])
    if (found := _FOUND.get(asked)) is None and (found := _found_out(function, shape)) is not None:
        if len(_FOUND) >= _MOST_FOUND:
            _FOUND.clear()
        _FOUND[asked] = found
    return found


def _key(operation: Any) -> tuple[str, str] | None:
    """Return what tells apart operations of Keras's own without weights; None of any other, which may be anything."""
    module = getattr(operation, "__module__", None) or ""
    if module.startswith("keras.src.activations") and hasattr(operation, "__qualname__"):
        return module, str(operation.__qualname__)
    if module.startswith("keras.src.layers") and kind(operation) in _PLAIN:
        config = {name: value for name, value in operation.get_config().items() if name != "name"}
        return kind(operation), repr(config)
    return None


def _found_out(function: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Function | Affine | None:
    """Return what `function` does to values of a tensor of this shape; None where one depends on its neighbours.

    Every channel and position goes through the same values along the batch, each in an order of its own, so that
    whatever mixes them gives itself away.
    """
    given = _values(_LARGE)
    found = _answers(function, shape, given)
    if found is not None and not np.isfinite(found).all():
        given = _values(_LARGE_16)  # it computes with 16 bits, perhaps
        found = _answers(function, shape, given)
    if found is None or not _same(found, axis=1):
        return None
    of_units = found[:, 0]  # (G, C)
    if _same(of_units, axis=1):
        return recognised(given, of_units[:, 0])
    lines = [recognised(given, one) for one in of_units.T]
    return Affine(None, None) if all(isinstance(line, Affine) for line in lines) else UNKNOWN


def _answers(function: Callable[[Any], Any], shape: tuple[int | None, ...], given: Floats) -> Floats | None:
    """Return (G, P, C) what `function` makes of each of the (G,) values, at each position and in each channel."""
    import tensorflow as tf

    inner = tuple(min(size or _MOST_SIDE, _MOST_SIDE) for size in shape[1:-1])
    places, channels = int(np.prod(inner, dtype=np.int64)), shape[-1] or 1
    begins = np.random.default_rng(0).integers(len(given), size=places * channels)
    order = (np.arange(len(given))[:, np.newaxis] + begins) % len(given)
    try:
        asked = tf.constant(given[order].reshape(len(given), *inner, channels), tf.float32)
        raw = tf.convert_to_tensor(function(asked))
        if raw.shape != asked.shape or not raw.dtype.is_floating:
            return None
    except Exception:  # whatever a layer says of what it was not made for
        return None
    found = np.empty(order.shape)
    np.put_along_axis(found, order, tf.cast(raw, tf.float64).numpy().reshape(order.shape), 0)
    return found.reshape(len(given), places, channels)


def _same(values: Floats, axis: int) -> bool:
    """Return whether the values are the same all along an axis, but for how a processor rounds at ends of blocks."""
    first = np.take(values, [0], axis)
    return np.allclose(values, first, rtol=1e-4, atol=1e-6, equal_nan=True)


def _values(large: float) -> NDArray[np.float64]:
    """Return values on both sides of 0, small, usual and large."""
    sizes = np.concatenate([np.geomspace(1e-3, 1e2, 25), [1e3, large]])
    return np.concatenate([-sizes[::-1], [0.0], sizes]).astype(np.float32).astype(np.float64)

"""Receptive fields: which pixels of an image a position of a unit's output can see (Araujo et al. 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reportgen.analysis.activations import layer_kinds
from reportgen.analysis.activations.graph import Call, Graph, Tensor, has_weights, kind


@dataclass(frozen=True)
class Axis:
    """The field along one axis: position p sees the pixels from start + p * jump on, `size` of them."""

    size: int
    jump: int
    start: int


Field = tuple[Axis, ...]

_TRIED = 5  # positions along an axis on which a layer that is not known is tried

_POINTWISE = {
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dropout", "ELU", "GaussianDropout",
    "GaussianNoise", "Identity", "LeakyReLU", "Normalization", "PReLU", "ReLU", "Rescaling", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D",
}  # fmt: skip
_MERGING = {"Add", "Average", "Concatenate", "Divide", "Maximum", "Minimum", "Multiply", "Subtract", "TrueDivide"}
_BORDERING = {f"{what}{n}D" for what in ("ZeroPadding", "Cropping") for n in (1, 2, 3)}
_CONVOLUTIONS = {f"{sort}Conv{n}D" for sort in ("", "Depthwise", "Separable") for n in (1, 2, 3)}
_POOLING = {f"{sort}Pooling{n}D" for sort in ("Max", "Average") for n in (1, 2, 3)}


def fields(graph: Graph) -> dict[Tensor, Field | None]:
    """Return the receptive field of every tensor of the graph; None where it is the whole image.

    A layer that is not known to look at a window only is taken to look at everything: too large a field shows too
    much of an image, too small a one would be wrong.
    """
    axes = len(graph.input.shape) - 2
    found: dict[Tensor, Field | None] = {graph.input: (Axis(1, 1, 0),) * axes}
    for call in graph.calls:
        before = [found[tensor] for tensor in call.given]
        known = [field for field in before if field is not None]
        after = _after(call, known) if known and len(known) == len(before) else None
        found.update(dict.fromkeys(call.outputs, after))
    return found


def patch(field: Field | None, position: Sequence[int], image: Sequence[int]) -> list[int] | None:
    """Return where what a position sees begins and ends, clipped to the image; None for the whole image.

    First all starts, then all ends, which are exclusive: [top, left, bottom, right] in a picture. None, too, for a
    position that sees padding alone, since there is nothing to frame.
    position: along each axis of the unit's output, (row, column) in a picture. image: the size along each axis.
    """
    if field is None or not len(field) == len(position) == len(image):
        return None
    firsts = [axis.start + p * axis.jump for axis, p in zip(field, position, strict=True)]
    ends = [min(first + axis.size, size) for first, axis, size in zip(firsts, field, image, strict=True)]
    starts = [max(first, 0) for first in firsts]
    return starts + ends if all(start < end for start, end in zip(starts, ends, strict=True)) else None


def _after(call: Call, before: list[Field]) -> Field | None:
    """Return the field behind a call from those of its inputs."""
    layer, steps = layer_kinds.inner(call.operation), layer_kinds.steps(call.operation)
    name = kind(layer)
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if name in _POINTWISE:
        return before[0]
    if name in _MERGING:
        return _union(before) if _keeps_places(call) else None
    if name == "Dense" and len(call.outputs[0].shape) > 2:
        return before[0]
    if name == "EinsumDense":
        return before[0] if layer_kinds.einsum_keeps_places(layer) else None
    if name == "Embedding":  # which adds an axis for its units
        return (Axis(1, 1, 0),) if not before[0] and len(call.given[0].shape) == 2 else None
    if name in _BORDERING or name in _CONVOLUTIONS or name in _POOLING:
        # what is applied to each step by itself sees of the axes before only the step
        moved = _moved(layer, before[0][steps:], [*call.given[0].shape[1 + steps : -1]])
        return None if moved is None else before[0][:steps] + moved
    return before[0] if len(before) == 1 and _stays_in_place(call) else None


def _moved(layer: Any, before: Field, sizes: list[int | None]) -> Field | None:
    """Return the field behind a layer that looks through a window, or adds to or takes from the borders.

    before: of its input, and sizes: how many positions that has along each axis.
    """
    name = kind(layer)
    if name in _BORDERING:
        sign = -1 if name.startswith("ZeroPadding") else 1
        edges = layer.padding if sign < 0 else layer.cropping
        first = [edge[0] if isinstance(edge, tuple | list) else edge for edge in _per_axis(edges, len(sizes))]
        return tuple(replace(a, start=a.start + sign * n * a.jump) for a, n in zip(before, first, strict=True))
    window, dilation = (layer.kernel_size, layer.dilation_rate) if name in _CONVOLUTIONS else (layer.pool_size, 1)
    along = zip(
        before, sizes, _per_axis(window, len(sizes)), _per_axis(layer.strides, len(sizes)),
        _per_axis(dilation, len(sizes)), strict=True,
    )  # fmt: skip
    moved = [windowed(axis, n, w, stride, d, layer.padding) for axis, n, w, stride, d in along]
    return None if None in moved else tuple(axis for axis in moved if axis is not None)


def _stays_in_place(call: Call) -> bool:
    """Return whether a call without weights makes each position from the same one alone, found out by trying it.

    So does an operation such as `x * 2` or `x[..., ::-1]`, and a layer that augments images, which it does in training
    only.
    """
    import tensorflow as tf

    before, after = call.given[0].shape, call.outputs[0].shape
    if has_weights(call.operation) or len(before) < 3 or before[1:-1] != after[1:-1]:
        return False
    sizes = [min(size or _TRIED, _TRIED) for size in before[1:-1]]
    generator = np.random.default_rng(0)
    places, channels = int(np.prod(sizes, dtype=np.int64)), before[-1] or 1
    image = generator.random((places, channels), np.float32)
    changed = np.tile(image, (places, 1, 1))  # each time at another position
    changed[np.arange(places), np.arange(places)] = generator.random((places, channels), np.float32)
    asked = np.concatenate([image[np.newaxis], changed]).reshape(-1, *sizes, channels)
    try:
        found = np.asarray(call.on({call.given[0]: tf.constant(asked)})[0])
    except Exception:  # whatever a layer says of what it was not made for
        return False
    if found.shape[:-1] != asked.shape[:-1]:
        return False
    flat = found.reshape(1 + places, places, -1)
    differs = ~np.isclose(flat[1:], flat[0], rtol=1e-4, atol=1e-6).all(axis=2)
    return not differs[~np.eye(places, dtype=np.bool_)].any()


def _keeps_places(call: Call) -> bool:
    """Return whether a position of a merging call's output is made from the same position of each of its inputs."""
    after = call.outputs[0]
    along = getattr(call.operation, "axis", None) if kind(call.operation) == "Concatenate" else -1
    return along in (-1, len(after.shape) - 1) and all(tensor.shape[1:-1] == after.shape[1:-1] for tensor in call.given)


def _per_axis(value: Any, axes: int) -> list[Any]:
    listed = [value] * axes if isinstance(value, int) else list(value)
    # one-dimensional cropping and padding are one pair
    return [tuple(listed)] if axes == 1 and len(listed) == 2 else listed


def windowed(axis: Axis, size: int | None, window: int, stride: int, dilation: int, padding: str) -> Axis | None:
    """Return the field behind a window that slides over `size` positions; None where its padding is not known."""
    reach = (window - 1) * dilation
    before = 0
    if padding == "causal":
        before = reach
    elif padding == "same":
        if size is None:
            return None
        # TensorFlow pads as little as it takes, and the odd pixel goes to the end
        before = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0) // 2
    return Axis(axis.size + reach * axis.jump, axis.jump * stride, axis.start - before * axis.jump)


def _union(fields: list[Field]) -> Field | None:
    """Return a field that covers all of `fields`; None where they move in different steps."""
    merged = []
    for axes in zip(*fields, strict=True):
        if len({axis.jump for axis in axes}) > 1:
            return None
        start = min(axis.start for axis in axes)
        merged.append(Axis(max(axis.start + axis.size for axis in axes) - start, axes[0].jump, start))
    return tuple(merged)

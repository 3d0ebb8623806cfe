"""Receptive fields: which pixels of an image a position of a unit's output can see (Araujo et al. 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reportgen.collect.graph import Graph, kind


@dataclass(frozen=True)
class Axis:
    """The field along one axis: position p sees the pixels from start + p * jump on, `size` of them."""

    size: int
    jump: int
    start: int


Field = tuple[Axis, ...]

_POINTWISE = {
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dropout", "ELU", "GaussianDropout",
    "GaussianNoise", "Identity", "LeakyReLU", "Normalization", "PReLU", "ReLU", "Rescaling", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D",
}  # fmt: skip
_MERGING = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"}


def fields(graph: Graph) -> dict[int, Field | None]:
    """Return the receptive field of every tensor of the graph, by its id; None where it is the whole image.

    A layer that is not known to look at a window only is taken to look at everything: too large a field shows too
    much of an image, too small a one would be wrong.
    """
    axes = len(graph.input.shape) - 2
    found: dict[int, Field | None] = {id(graph.input): (Axis(1, 1, 0),) * axes}
    for node in graph.nodes:
        if node.is_input:
            continue
        before = [found.get(id(tensor)) for tensor in node.input_tensors]
        known = [field for field in before if field is not None]
        after = _after(node, known) if known and len(known) == len(before) else None
        found.update({id(tensor): after for tensor in node.outputs})
    return found


def patch(field: Field | None, position: Sequence[int], image: Sequence[int]) -> list[int] | None:
    """Return [top, left, bottom, right] of what a position sees, clipped to the image; None for the whole image.

    position: (row, column) in the unit's output. image: (height, width). bottom and right are exclusive.
    """
    if field is None or len(field) != 2 or len(position) != 2:
        return None
    starts = [axis.start + p * axis.jump for axis, p in zip(field, position, strict=True)]
    ends = [start + axis.size for start, axis in zip(starts, field, strict=True)]
    return [max(start, 0) for start in starts] + [min(end, size) for end, size in zip(ends, image, strict=True)]


def _after(node: Any, before: list[Field]) -> Field | None:
    """Return the field behind a node from those of its inputs."""
    layer, name = node.operation, kind(node.operation)
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if name in _POINTWISE:
        return before[0]
    if name in _MERGING:
        return _union(before)
    if name == "Dense" and len(node.outputs[0].shape) > 2:
        return before[0]
    sizes = [*node.input_tensors[0].shape[1:-1]]
    if name.startswith("ZeroPadding") or name.startswith("Cropping"):
        sign = -1 if name.startswith("ZeroPadding") else 1
        edges = layer.padding if sign < 0 else layer.cropping
        first = [edge[0] if isinstance(edge, tuple | list) else edge for edge in _per_axis(edges, len(sizes))]
        return tuple(replace(a, start=a.start + sign * n * a.jump) for a, n in zip(before[0], first, strict=True))
    if "Transpose" in name:
        return None
    if "Conv" in name:
        window, dilation = layer.kernel_size, layer.dilation_rate
    elif "Pooling" in name and not name.startswith("Global"):
        window, dilation = layer.pool_size, 1
    else:
        return None
    steps = zip(
        before[0], sizes, _per_axis(window, len(sizes)), _per_axis(layer.strides, len(sizes)),
        _per_axis(dilation, len(sizes)), strict=True,
    )  # fmt: skip
    moved = [_windowed(axis, n, w, stride, d, layer.padding) for axis, n, w, stride, d in steps]
    return None if None in moved else tuple(axis for axis in moved if axis is not None)


def _per_axis(value: Any, axes: int) -> list[Any]:
    listed = [value] * axes if isinstance(value, int) else list(value)
    # one-dimensional cropping and padding are one pair
    return [tuple(listed)] if axes == 1 and len(listed) == 2 else listed


def _windowed(axis: Axis, size: int | None, window: int, stride: int, dilation: int, padding: str) -> Axis | None:
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

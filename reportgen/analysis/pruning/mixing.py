"""The weights of a layer while units are cut: rows and columns go, what they said is moved to those that stay."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.graph import kind
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.pruning.ways import Ints

Flags = NDArray[np.bool_]


class Mixing:
    """What a dense layer or a convolution makes of I inputs, in float64; every number is of the layer as it was.

    units, inputs: (U,) and (I,) which are still there.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._is_turned = kind(layer).endswith("Transpose")
        self._is_separable = kind(layer).startswith("Separable")
        stored = np.asarray(layer.pointwise_kernel if self._is_separable else layer.kernel, np.float64)
        if self._is_turned:  # (*spatial, out, in)
            stored = np.swapaxes(stored, -1, -2)
        self._spatial = stored.shape[:-2]
        self._kernel: Floats = stored.reshape(-1, *stored.shape[-2:])  # (P, I, U)
        self._bias: Floats | None = None if layer.bias is None else np.asarray(layer.bias, np.float64)
        self._depthwise: Floats | None = None
        if self._is_separable:
            self._depthwise = np.asarray(layer.depthwise_kernel, np.float64)  # (*spatial, I, multiplier)
        self.units: Flags = np.ones(self._kernel.shape[2], np.bool_)
        self.inputs: Flags = np.ones(self._inputs, np.bool_)

    def copied(self) -> "Mixing":
        """Return the weights as they are now; what is cut further is cut from one of the two."""
        made = copy.copy(self)
        made._kernel, made.units, made.inputs = self._kernel.copy(), self.units.copy(), self.inputs.copy()
        return made

    @property
    def _inputs(self) -> int:
        return int(self._kernel.shape[1] if self._depthwise is None else self._depthwise.shape[-2])

    @property
    def filters_first(self) -> bool:
        """Whether each input is filtered by itself before it is weighed, so that no two can be put together."""
        return self._is_separable

    @property
    def sees_edges(self) -> bool:
        """Whether what it makes of inputs that are the same everywhere differs near the edges of the picture."""
        sizes = self._spatial if self._depthwise is None else self._depthwise.shape[:-2]
        return self._is_turned or (getattr(self.layer, "padding", "valid") != "valid" and set(sizes) != {1})

    @property
    def is_on_vectors(self) -> bool:
        """Whether its inputs are not channels with positions, but numbers."""
        return not self._spatial and kind(self.layer) == "Dense"

    def fold(self, values: NDArray[np.float64], inputs: Ints) -> None:
        """Let inputs go that are always `values`, (I,): what they add up to goes into the bias."""
        added = self._seen(values)[inputs]
        if added.any():
            rows = self._rows(inputs)
            total = np.einsum("pnu,n->u", self._kernel[:, rows], added.reshape(-1))
            self._bias = total if self._bias is None else self._bias + total
        self.inputs[inputs] = False

    def move(self, inputs: Ints, to: Ints, factor: float, offset: float) -> None:
        """Let inputs go that are `factor` times those of `to`, plus `offset`. Not where it filters each first."""
        if offset:
            values = np.zeros(len(self.inputs))
            values[inputs] = offset
            self.fold(values, inputs)
        self._kernel[:, to] += factor * self._kernel[:, inputs]
        self.inputs[inputs] = False

    def weights(self) -> tuple[Floats, Floats | None]:
        """Return (U, D) the kernels of the units that are still there over such inputs, and (U,) their biases."""
        kept = self._kernel[:, self._rows(np.flatnonzero(self.inputs))][..., self.units]
        flat = np.moveaxis(kept, 2, 0).reshape(int(self.units.sum()), -1)
        return flat, None if self._bias is None else self._bias[self.units]

    def size(self) -> tuple[int, bool]:
        """Return how many units are still there, and whether they have a bias."""
        return int(self.units.sum()), self._bias is not None

    def stored(self, *, whole: bool = False) -> list[NDArray[np.float32]]:
        """Return the weights as Keras has them. whole: with those of what is gone, zero for inputs."""
        kernel, bias, depthwise = self._kernel, self._bias, self._depthwise
        rows = self._rows(np.flatnonzero(self.inputs))
        if whole:
            none = np.ones(kernel.shape[1], np.bool_)
            none[rows] = False
            kernel = np.where(none[:, np.newaxis], 0, kernel)
        else:
            kernel = kernel[:, rows][..., self.units]
            bias = None if bias is None else bias[self.units]
            depthwise = None if depthwise is None else depthwise[..., self.inputs, :]
        kernel = kernel.reshape(*self._spatial, *kernel.shape[1:])
        if self._is_turned:
            kernel = np.swapaxes(kernel, -1, -2)
        return [one.astype(np.float32) for one in (depthwise, kernel, bias) if one is not None]

    def _rows(self, inputs: Ints) -> Ints:
        """Return which rows of the kernel belong to inputs: each is filtered to several where it is filtered first."""
        if self._depthwise is None:
            return inputs
        each = self._depthwise.shape[-1]
        rows: Ints = (inputs[:, np.newaxis] * each + np.arange(each)).reshape(-1)
        return rows

    def _seen(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (I, ...) what the kernel is given for inputs that are the same everywhere."""
        if self._depthwise is None:
            return values
        filters = self._depthwise.reshape(-1, *self._depthwise.shape[-2:]).sum(axis=0)  # (I, multiplier)
        seen: NDArray[np.float64] = values[:, np.newaxis] * filters
        return seen

"""How a layer is read, made up: for what counts outputs without a model."""

import dataclasses
import math
from typing import Any

import numpy as np

from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.tally import LayerPlan


def make_plan(family: Any, units: int = 3, shape: tuple[int, ...] = (2, 3), **changes: Any) -> LayerPlan:
    """Return a plan for a layer of some units. shape: of its positions. changes: of other fields."""
    low, high = {"bounded": (-1.0, 1.0), "relu6": (None, 6.0)}.get(family, (None, None))
    positions = math.prod(shape)
    plan = LayerPlan(
        layer="conv",
        read_after="relu",
        units=units,
        position_shape=shape,
        family=family,
        low=low,
        high=high,
        eps=0.0 if family in ("relu", "relu6") else 1e-6,
        shift=np.linspace(0.1, 0.4, units),
        grid=Grid(signed=family not in ("relu", "relu6"), exponent=-6),  # up to 1: most images have values beyond it
        sampled=np.arange(0, positions, 2),
    )
    return dataclasses.replace(plan, **changes)

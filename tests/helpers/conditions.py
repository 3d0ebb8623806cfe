"""Conditions of layers that tests make up: whole maps are at hand there, and no model is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.analysis.conditions import layer, patches
from reportgen.analysis.conditions.below import Below
from reportgen.analysis.conditions.layer import Sampled
from reportgen.analysis.conditions.patches import Axis
from reportgen.analysis.conditions.result import LayerConditions
from reportgen.i18n import Text

Array = Any


def words_of(*given: Any, **named: Any) -> LayerConditions:
    """Return what is said of a layer, called as `layer.described` is."""
    return layer.described(*given, **named).conditions


def below_of(
    made: Sampled, maps: Array, kernel: Array, field: tuple[Axis, Axis], conditions: Sequence[Text | None]
) -> Below:
    """Return what a sampled layer is given: whole maps (N, h, w, I), seen through a field in positions of these."""
    seen = patches.gather(maps, made.rows, made.columns, field)
    return Below(seen, np.arange(len(maps)), kernel, conditions)

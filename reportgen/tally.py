"""What one pass over images leaves behind about a layer: sums, counts and the strongest images, never raw outputs.

Shapes: N images, U units, K classes, P positions of a unit's output (1 for a neuron), B bins, T top images, M kept
images. a(x, p) is the value of a unit at position p of image x. s_max and s_mean are its maximum and mean over p.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

Family = Literal["relu", "relu6", "bounded", "leaky", "linear", "softmax"]
"""What the nonlinearity that a unit is read behind does to its values.

relu: exact zeros below. relu6: also cut at 6. bounded: between `low` and `high` (sigmoid, tanh ...).
leaky: no true zero, so "fires" means a positive pre-activation (leaky ReLU, PReLU, ELU, GELU, SiLU ...).
linear: none of these. softmax: an output layer, judged as an output.
"""


@dataclass(frozen=True)
class LayerPlan:
    """How a layer is read, fixed before the pass so that what different machines counted can be joined.

    layer: its name. read_after: the name of the layer whose output is read. position_shape: () for neurons, else the
    spatial shape; P is its product. low, high: the range of a bounded nonlinearity, None elsewhere. eps: a value
    above it counts as firing. shift: (U,) taken off every value before it is squared, near the unit's mean.
    edges: (B + 1,) of the histogram; values outside are counted in its first and last bin. sampled: (S,) the flat
    positions that `histogram` and the map sums look at, ascending; all P where there are few.
    """

    layer: str
    read_after: str
    units: int
    position_shape: tuple[int, ...]
    family: Family
    low: float | None
    high: float | None
    eps: float
    shift: Floats
    edges: Floats
    sampled: NDArray[np.int64]

    @property
    def positions(self) -> int:
        """P, how many values a unit gives for one image."""
        return int(np.prod(self.position_shape, dtype=np.int64))


@dataclass(frozen=True)
class LayerTally:
    """What was counted about one layer. Arrays are (U,) where no shape is given; `shifted` means a - plan.shift.

    images: N. fired: images with s_max > eps. zeros: (x, p) with a <= eps (leaky: pre-activation <= 0).
    low_tail, high_tail: (x, p) with t < 0.05 and t > 0.95, t = (a - low) / (high - low), of a bounded family;
    of relu6 high_tail counts a >= 6; else zero. total, squares: of shifted values over all (x, p). absolute: of |a|.
    smallest, largest: of a. histogram: (U, B) of a over the sampled positions.
    map_total: of shifted a over the sampled positions; map_products: (U, U) its outer products.
    pooled_total: of shifted s_mean over images; pooled_products: (U, U) its outer products.
    class_images: (K,). class_total: (K, U) sums of shifted s_mean. class_peak: (K, U) sums of s_max.
    class_best, class_best_image: (K, U) the largest s_max of each class and the image that gave it (-inf, -1 where
    the class has no image); of equals the lowest image number.
    top_score, top_image, top_position: (T, U) the largest s_max over images, by (-score, image), the images and the
    flat position of each maximum (the first of equals); -inf, -1 and -1 where there are fewer images.
    kept_images: (M,) ascending image numbers; kept: (M, U) float32 s_mean of those images.
    """

    images: int
    fired: Counts
    zeros: Counts
    low_tail: Counts
    high_tail: Counts
    total: Floats
    squares: Floats
    absolute: Floats
    smallest: Floats
    largest: Floats
    histogram: Counts
    map_total: Floats
    map_products: Floats
    pooled_total: Floats
    pooled_products: Floats
    class_images: Counts
    class_total: Floats
    class_peak: Floats
    class_best: Floats
    class_best_image: Counts
    top_score: Floats
    top_image: Counts
    top_position: Counts
    kept_images: Counts
    kept: NDArray[np.float32]

"""A batch's outputs reduced by numpy in float32, against float64 throughout."""

import math

import numpy as np
import pytest

from reportgen.analysis.activations import reductions
from reportgen.analysis.activations.reductions import Read
from tests.helpers.plans import make_plan


# the last two are prime: no division into rows shortens the sum
@pytest.mark.parametrize(("positions", "units"), [(50_176, 4), (50_021, 4), (48_017, 8)])
def test_means_and_spreads_over_many_positions_are_those_of_float64(positions: int, units: int) -> None:
    values = np.random.default_rng(0).normal(0.1, 3e-5, (2, positions, units)).astype(np.float32)
    values[..., 0] = 0.1
    shift = values.mean(axis=(0, 1), dtype=np.float64).astype(np.float32).astype(np.float64)
    plan = make_plan("linear", units, (positions,), shift=shift, sampled=np.arange(16))
    found, exact = reductions.reduced(Read(values), plan), values.astype(np.float64)
    assert found.pooled.dtype == np.float32
    assert found.pooled == pytest.approx(exact.mean(axis=1), rel=5e-6)
    assert found.absolute == pytest.approx(np.abs(exact).sum(axis=(0, 1)), rel=5e-6)
    assert found.squares == pytest.approx(((exact - shift) ** 2).sum(axis=(0, 1)), rel=1e-4)
    off = (found.pooled.astype(np.float64) - shift).mean(axis=0)
    spread = np.sqrt(np.maximum(found.squares / (2 * positions) - off**2, 0))
    assert spread == pytest.approx(exact.std(axis=(0, 1)), rel=1e-3, abs=1e-8)


@pytest.mark.parametrize("positions", [1, 2, 7, 12, 13])
def test_every_number_of_positions_is_gone_through_as_a_whole(positions: int) -> None:
    values = np.random.default_rng(positions).normal(size=(3, positions, 2)).astype(np.float32)
    found = reductions.reduced(Read(values), make_plan("linear", 2, (positions,), shift=np.zeros(2)))
    assert (found.peaks == values.max(axis=1)).all()
    assert (found.smallest == np.minimum(values.min(axis=(0, 1)), 0)).all()
    assert (found.above == (values > np.float32(1e-6)).sum(axis=(0, 1))).all()
    assert math.isclose(found.squares.sum(), float((values.astype(np.float64) ** 2).sum()), rel_tol=1e-6)

"""Bins that become wider: against numpy's histogram, in whatever order and width the values were counted."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.analysis.activations import bins
from reportgen.analysis.activations.bins import Grid
from tests.helpers.builders import modules_after

Array = NDArray[Any]


def some_values(seed: int) -> tuple[Array, bool]:
    """Return (n, 2) values of float32 of any size, sometimes on a few round numbers, and whether any may be below 0."""
    generator = np.random.default_rng(seed)
    scale, off = 2.0 ** generator.integers(-60, 60, 2)
    values = generator.standard_normal((generator.integers(1, 300), 2)) * scale
    if seed % 3 == 0:
        values += generator.standard_normal() * off
    if seed % 4 == 0:
        values = np.round(4 * values / np.abs(values).max())
    return (values if seed % 5 < 3 else np.abs(values)).astype(np.float32), seed % 5 < 3


def ends(values: Array) -> tuple[float, float]:
    return float(min(values.min(), 0)), float(max(values.max(), 0))


def by_hand(grid: Grid, values: Array) -> list[list[int]]:
    """Return (U, B) counts, worked out value by value."""
    numbers = [[math.floor(float(v) / 2.0**grid.exponent) for v in column] for column in values.T]
    return [[column.count(j) for j in range(-64 if grid.signed else 0, 64)] for column in numbers]


@pytest.mark.parametrize("seed", range(60))
def test_values_are_counted_where_they_are(seed: int) -> None:
    values, signed = some_values(seed)
    grid = Grid(signed).holding(*ends(values))
    assert grid.count(values).tolist() == by_hand(grid, values)
    assert np.abs(values).max() >= 32 * 2.0**grid.exponent, "no wider than needed"


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("exponent", [-124, -30, -3, 0, 7, 100, 122])
def test_values_on_edges_and_next_to_them_and_of_any_size_are_counted_where_they_are(
    signed: bool, exponent: int
) -> None:
    grid, generator = Grid(signed, exponent), np.random.default_rng(0)
    on_edges = np.arange(grid.first, 64) * np.float64(grid.per_value) ** -1
    near = on_edges[np.abs(on_edges) < 2.0**128].astype(np.float32)
    sizes = np.float32(2.0) ** generator.integers(-120, min(exponent + 6, 127), 60)
    values = [near, np.nextafter(near, np.float32(3e38)), np.nextafter(near[1:], np.float32(-3e38)), sizes, -sizes]
    column = np.concatenate([*values, np.float32([3e38])])
    column = column if signed else column[column >= 0]
    counts = np.zeros(grid.bins, int).tolist()
    for value in column.tolist():
        counts[min(max(math.floor(Fraction(value) / Fraction(2) ** exponent), grid.first), 63) - grid.first] += 1
    assert grid.count(column[:, np.newaxis]).tolist() == [counts]


@pytest.mark.parametrize("seed", range(60))
def test_counts_in_narrow_bins_become_those_in_wide_ones(seed: int) -> None:
    values, signed = some_values(seed)
    narrow = Grid(signed).holding(*ends(values))
    for steps in (0, 1, 2, 5, 6, 7, 30, 100):
        wide = Grid(signed, narrow.exponent + steps)
        np.testing.assert_array_equal(narrow.coarsened(narrow.count(values), wide.exponent), wide.count(values))


@pytest.mark.parametrize("seed", range(200))
def test_what_is_shown_is_numpys_histogram_and_the_same_for_every_grid(seed: int) -> None:
    values, signed = some_values(seed)
    low, high = ends(values)
    needed = Grid(signed).holding(low, high).exponent
    edges, counts = bins.shown(Grid(signed, needed), Grid(signed, needed).count(values), low, high)
    assert edges[0] <= low and edges[-1] >= high and 0 in edges
    if low < high:
        assert 11 <= len(edges) - 1 <= bins.SHOWN
        width = edges[1] - edges[0]
        assert edges.tolist() == [n * width for n in range(round(edges[0] / width), round(edges[-1] / width) + 1)]
    assert counts.tolist() == [np.histogram(unit.astype(np.float64), edges)[0].tolist() for unit in values.T]
    wider = Grid(signed, needed + 1)
    again, same = bins.shown(wider, wider.count(values), low, high)
    assert (again.tolist(), same.tolist()) == (edges.tolist(), counts.tolist())


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_of_a_bounded_range_all_is_shown_whatever_the_values_are(low: float) -> None:
    values = np.array([[0.25, 0.3, 1.0, 1.0 + 2.0**-23]]).T  # float32's softmax may be a little above 1
    grid = Grid(signed=low < 0).holding(low, 1.0)
    assert grid.holding(low, 1.0 + 2.0**-23) == grid
    edges, counts = bins.shown(grid, grid.count(values), 0.0, 1.0, (low, 1.0))
    assert edges.tolist() == np.linspace(low, 1, 17).tolist()
    assert counts.tolist() == [np.histogram(np.minimum(values, 1), edges)[0].tolist()]


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 1e-40], [1e-37, 3e-38]])
def test_of_nothing_but_zeros_the_first_bin_up_to_1_is_shown(values: list[float]) -> None:
    column = np.array(values)[:, np.newaxis]
    grid = Grid(signed=False).holding(*ends(column))
    edges, counts = bins.shown(grid, grid.count(column), *ends(column))
    assert edges.tolist() == np.linspace(0, 1, 17).tolist()
    assert counts.tolist() == [[2] + 15 * [0]]


@pytest.mark.parametrize("signed", [False, True])
def test_what_is_no_finite_number_has_an_end_and_finite_edges(signed: bool) -> None:
    values = np.array([[np.inf, 1.0, np.nan, -np.inf if signed else 0.0]]).T
    grid = Grid(signed).holding(-np.inf if signed else 0.0, np.inf)
    assert grid.holding(-np.inf, np.inf) == grid == grid.holding(-3e38, 3e38) == grid.holding(np.nan, np.nan)
    counts = grid.count(values)
    assert counts.sum() == 4 and counts[0, -1] == 1
    edges, found = bins.shown(grid, counts, -np.inf if signed else 0.0, np.inf)
    assert np.isfinite(edges).all() and found.sum() == 4 and len(edges) - 1 <= bins.SHOWN
    assert Grid(signed, 3).holding(np.nan, np.nan) == Grid(signed, 3)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_joining_is_exact_in_any_order(order: tuple[int, ...]) -> None:
    parts = [some_values(seed)[0] for seed in (1, 6, 11)]
    grids = [Grid(signed=True).holding(*ends(values)) for values in parts]
    assert len(set(grids)) == 3
    whole = np.concatenate(parts)
    expected = Grid(signed=True).holding(*ends(whole))
    grid, counts = grids[order[0]], grids[order[0]].count(parts[order[0]])
    for n in order[1:]:
        grid, counts = bins.joined(grid, grids[n], counts, grids[n].count(parts[n]))
    assert grid == expected
    np.testing.assert_array_equal(counts, expected.count(whole))


def test_bins_need_numpy_alone() -> None:
    assert not {"tensorflow", "keras", "sklearn", "scipy"} & modules_after("import reportgen.analysis.activations.bins")

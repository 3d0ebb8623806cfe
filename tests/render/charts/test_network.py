"""Where the boxes and arrows of the drawing of the network lie."""

import itertools
import random
import re
import time

import pytest

from reportgen.render.charts import network
from reportgen.render.charts.network import Piece

Edges = list[tuple[int, int]]


def chain(boxes: int) -> Edges:
    return list(itertools.pairwise(range(boxes)))


def residual(blocks: int, inside: int) -> tuple[int, Edges]:
    """A network of blocks whose first box is added to their last, as ResNet50 has 16 of them."""
    edges: Edges = []
    last = 0
    for _ in range(blocks):
        end = last + inside
        edges += [*((n, n + 1) for n in range(last, end)), (last, end), (end, end + 1)]
        last = end + 1
    return last + 1, edges


def test_a_chain_is_cut_into_columns_of_about_the_same_height() -> None:
    assert [len(piece.boxes) for piece in network.pieces(10, chain(10))] == [5, 5]
    assert [len(piece.boxes) for piece in network.pieces(6, chain(6))] == [6]
    assert [len(piece.boxes) for piece in network.pieces(25, chain(25))] == [5, 5, 5, 5, 5]
    assert [len(piece.boxes) for piece in network.pieces(1, [])] == [1]


def test_a_piece_ends_where_the_next_begins() -> None:
    first, second, third = network.pieces(15, chain(15))
    assert (first.enters, first.leaves is not None) == (None, True)
    assert second.enters is not None and second.leaves is not None
    assert third.enters is not None and third.leaves is None


@pytest.mark.parametrize("seed", range(5))
def test_a_cut_is_where_one_edge_alone_passes(seed: int) -> None:
    chance = random.Random(seed)
    edges = sorted({*chain(30), *(tuple(sorted(chance.sample(range(30), 2))) for _ in range(3))})
    by_hand = [box for box in range(29) if [e for e in edges if e[0] <= box < e[1]] == [(box, box + 1)]]
    assert network.cuts(30, edges) == by_hand


def test_branches_stay_in_one_piece() -> None:
    pieces = network.pieces(*residual(4, 9))
    assert [len(piece.boxes) for piece in pieces] == [10, 10, 10, 11]
    assert sorted(box.box for piece in pieces for box in piece.boxes) == list(range(41))


@pytest.mark.parametrize(
    ("boxes", "edges"),
    [
        residual(2, 4),
        (7, [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 5), (3, 5), (4, 5), (5, 6)]),
        (6, [(0, 3), (1, 3), (2, 3), (3, 4), (3, 5)]),
        (8, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (1, 5), (4, 5), (5, 6), (2, 7), (6, 7)]),
    ],
    ids=["residual", "inception", "several-inputs-and-outputs", "crossing"],
)
def test_no_box_lies_on_another_and_every_arrow_leads_from_its_box_to_its_box(boxes: int, edges: Edges) -> None:
    for piece in network.pieces(boxes, edges):
        rectangles = {box.box: (box.x, box.y, box.x + network.BOX[0], box.y + network.BOX[1]) for box in piece.boxes}
        for one, other in itertools.combinations(rectangles.values(), 2):
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert all(
            x0 >= 0 and y0 >= 0 and x1 <= piece.width and y1 <= piece.height for x0, y0, x1, y1 in rectangles.values()
        )
        drawn = {(at(piece, rectangles, line[0]), at(piece, rectangles, line[-1])) for line in lines(piece)}
        assert drawn == {(a, b) for a, b in edges if a in rectangles and b in rectangles}
        for line in lines(piece):
            for (x0, y0), (x1, y1) in itertools.pairwise(line):
                assert x0 == x1 or y0 == y1, "arrows are straight"
                middle = (x0 + x1) / 2, (y0 + y1) / 2
                assert not any(a < middle[0] < c and b < middle[1] < d for a, b, c, d in rectangles.values())


def test_the_same_network_is_drawn_the_same() -> None:
    assert network.pieces(*residual(3, 5)) == network.pieces(*residual(3, 5))


def test_175_boxes_take_no_time() -> None:
    network.pieces(2, chain(2))  # what is imported is not counted
    began = time.process_time()
    network.pieces(*residual(16, 10))
    assert time.process_time() - began < 0.3


def lines(piece: Piece) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([-\d.]+) ([-\d.]+)", path)]
        for path in piece.arrows.split("M")[1:]
    ]


def at(piece: Piece, rectangles: dict[int, tuple[float, float, float, float]], point: tuple[float, float]) -> int:
    """Return the box on whose edge a point lies."""
    x, y = point
    (found,) = (n for n, (x0, y0, x1, y1) in rectangles.items() if x0 <= x <= x1 and y0 - 0.2 <= y <= y1 + 0.2)
    return found

"""The geometry of the drawing of a network: boxes from top to bottom, cut into pieces where one arrow alone passes.

Pieces stand in a row where there is room, and below one another on a telephone. Boxes and arrows are laid out by
graphlay; positions are in CSS pixels, y downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BOX = 156, 56
"""Width and height of a box: two of them stand side by side on a telephone of 360 pixels."""
RANKS = 6
"""How many boxes a piece is high, if it can be cut there."""
STUB = 16
"""How long the arrow is with which a piece begins or ends."""
_LAYOUT = {
    "direction": "topbottom",
    "spacing": {"layer_gap": 22.0, "node_gap": 14.0, "dummy_gap": 14.0, "port_gap": 12.0, "stub": 9.0},
}
_HEAD, _EDGE = 7, 1


@dataclass(frozen=True)
class Placed:
    """A box with its upper left corner."""

    box: int
    x: float
    y: float


@dataclass(frozen=True)
class Piece:
    """A part of the drawing. arrows, heads: paths of an SVG, drawn as lines and filled.

    enters, leaves: the paths of the arrows that join it to the pieces before and after, None where there is none.
    """

    width: float
    height: float
    boxes: list[Placed]
    arrows: str
    heads: str
    enters: str | None
    leaves: str | None


def pieces(boxes: int, edges: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return the drawing of boxes 0, 1, ... and of the edges between them, all of which lead to a higher number."""
    cut = set(cuts(boxes, edges))
    parts: list[list[int]] = [[]]
    for box in range(boxes):
        parts[-1].append(box)
        if box in cut:
            parts.append([])
    joined = _joined(parts, [_ranks(part, edges) for part in parts])
    return [_piece(part, edges, n > 0, n < len(joined) - 1) for n, part in enumerate(joined)]


def cuts(boxes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the boxes behind which the drawing can be cut: one edge alone passes, and it leads to the next box."""
    passing, found = 0, []
    starts, ends = [0] * boxes, [0] * boxes
    for start, end in edges:
        starts[start] += 1
        ends[end] += 1
    direct = set(edges)
    for box in range(boxes - 1):
        passing += starts[box] - ends[box]
        if passing == 1 and (box, box + 1) in direct:
            found.append(box)
    return found


def _joined(parts: Sequence[list[int]], ranks: Sequence[int]) -> list[list[int]]:
    """Return pieces of at most about RANKS ranks, all about equally high; a part is never divided."""
    high = sum(ranks) / -(-sum(ranks) // RANKS)
    found: list[list[int]] = []
    filled = high
    for part, own in zip(parts, ranks, strict=True):
        # half a rank of grace, or five and a half would become five and one
        if filled + own > high + 0.5:
            found.append([])
            filled = 0
        found[-1] += part
        filled += own
    if len(found) > 1 and len(found[-1]) == 1:  # a box by itself is no column
        found[-2:] = [found[-2] + found[-1]]
    return found


def _ranks(part: Sequence[int], edges: Sequence[tuple[int, int]]) -> int:
    """Return how many boxes stand below one another."""
    rank = dict.fromkeys(part, 1)
    for start, end in sorted(edges):
        if start in rank and end in rank:
            rank[end] = max(rank[end], rank[start] + 1)
    return max(rank.values())


def _piece(part: Sequence[int], edges: Sequence[tuple[int, int]], enters: bool, leaves: bool) -> Piece:
    import graphlay

    width, height = BOX
    graph = graphlay.Graph()
    place = {box: graph.node(box, width=width, height=height) for box in part}
    for start, end in edges:
        if start in place and end in place:
            graph.edge(start, end)
    found = graphlay.layout(graph, options=_LAYOUT)
    low, high = found.bounds["min"], found.bounds["max"]
    left, top = low["x"] - _EDGE, low["y"] - _EDGE - STUB * enters
    boxes = [
        Placed(box, _round(node["center"]["x"] - width / 2 - left), _round(node["center"]["y"] - height / 2 - top))
        for box, node in zip(part, found.nodes, strict=True)
    ]
    lines = [[(_round(p["x"] - left), _round(p["y"] - top)) for p in edge["points"]] for edge in found.edges]
    (first, last), whole = (boxes[0], boxes[-1]), _round(high["y"] - top + _EDGE + STUB * leaves)
    tips = [line[-1] for line in lines] + [(first.x + width / 2, first.y)] * enters
    return Piece(
        width=_round(high["x"] - left + _EDGE),
        height=whole,
        boxes=boxes,
        arrows="".join(map(_line, lines)),
        heads="".join(map(_head, tips)),
        enters=f"M{first.x + width / 2:g} 0V{first.y:g}" if enters else None,
        leaves=f"M{last.x + width / 2:g} {last.y + height:g}V{whole:g}" if leaves else None,
    )


def _line(points: Sequence[tuple[float, float]]) -> str:
    (x, y), *others = points
    return f"M{x:g} {y:g}" + "".join(f"L{x:g} {y:g}" for x, y in others)


def _head(tip: tuple[float, float]) -> str:
    """Return the head of an arrow; all come from above."""
    return f"M{tip[0]:g} {tip[1]:g}l{-_HEAD / 2:g} {-_HEAD}h{_HEAD}z"


def _round(value: float) -> float:
    return round(value, 1)

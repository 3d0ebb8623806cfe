"""The drawing of the network: what stands in its boxes, and blocks as one box where there are too many layers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reportgen.format import first, shape
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record.model import GraphNode, ModelGraph
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict
from reportgen.render.charts import network
from reportgen.render.page import blocks
from reportgen.render.page.layer_views import LETTERS
from reportgen.render.words import STATES, counted_states, name

MOST_BOXES = 30
"""Most boxes of a drawing, if blocks can be drawn as one."""
MOST_DRAWN = 400
"""Most boxes of a drawing that is drawn at all: of a network in which nothing can be drawn as one."""
ON_PAPER = 4
"""Most blocks that paper has a drawing of, each for all that are built like it."""
_LETTERS = 22
_LEAST = 3
"""Fewer boxes are not drawn as one."""
_NAMED = 20


@dataclass(frozen=True)
class Mark:
    """The gravest state among the units of a box, and how many units are in it. css: as in UnitView."""

    css: str
    letter: str
    units: int


@dataclass(frozen=True)
class Box:
    """A box of the drawing. kind: "layer", "operation", "input", "block" or "outside", which is drawn elsewhere.

    what: the layer's kind, or how many layers there are; size: the shape of its output; units: how many it has, 0 where
    none was looked into. states: in words, how many are in which. href: where a link leads, None where to nothing.
    """

    kind: str
    title: str
    what: Text
    size: str | None
    units: int
    mark: Mark | None
    states: Text | None
    href: str | None

    @property
    def label(self) -> str:
        """Its name, as much as there is room for: beginning and end, since names of neighbours begin alike."""
        whole = name(self.title if self.kind == "block" else blocks.label(self.title))
        if len(whole) <= _LETTERS:
            return whole
        return f"{whole[: _LETTERS // 2 - 1]}…{whole[-_LETTERS // 2 :]}"

    @property
    def words(self) -> Text:
        """All that the box says, for those who do not see it."""
        parts: list[Text | str] = [name(self.title), self.what]
        parts += [self.size] if self.size else []
        parts += [self.states] if self.states else []
        return joined(", ", parts)


@dataclass(frozen=True)
class Drawing:
    """Boxes, and the pieces that they stand in."""

    boxes: list[Box]
    pieces: list[network.Piece]

    def words(self, piece: network.Piece) -> Text:
        """Return what a piece shows, from top to bottom."""
        return joined("; ", [self.boxes[placed.box].words for placed in piece.boxes])


@dataclass(frozen=True)
class Block:
    """A block that is one box elsewhere, with its own drawing. like: the block before it that is built the same."""

    anchor: str
    title: str
    layers: int
    drawing: Drawing
    like: "Block | None"


@dataclass(frozen=True)
class NetworkView:
    """The drawing of the whole network, and of each of its blocks. drawn: None where there are too many boxes.

    nodes: how many layers and operations there are. marks: the states that boxes are marked
    with, gravest first.
    """

    drawn: Drawing | None
    blocks: list[Block]
    nodes: int
    marks: list[str]

    @property
    def on_paper(self) -> list[Block]:
        """The blocks that paper has a drawing of."""
        return [block for block in self.blocks if block.like is None][:ON_PAPER]

    def alike(self, block: Block) -> Text | None:
        """Return the names of the other blocks that are built like this one, None where there are none."""
        names = [name(other.title) for other in self.blocks if other.like is block]
        return first(names, _NAMED) if names else None

    @property
    def letters(self) -> list[tuple[str, str]]:
        """The letters of the marks, with the states that they stand for."""
        return [(LETTERS[css], css) for css in self.marks]


def build(record: Record) -> NetworkView | None:
    """Draw the network of a record; None where it holds none."""
    graph = record.model.graph
    if graph is None or not graph.nodes:
        return None
    return _Painter(record, graph).view()


@dataclass(frozen=True)
class _Item:
    """What becomes a box: nodes, in the order of computation. title: of a block, None where it has no name."""

    nodes: tuple[int, ...]
    title: str | None = None


class _Painter:
    """Draws the network, and one after the other the blocks that its drawing has as a box."""

    def __init__(self, record: Record, graph: ModelGraph) -> None:
        self._graph = graph
        self._edges = sorted((start, end) for start, end in graph.edges)
        self._paths = [blocks.path(node.name) for node in graph.nodes]
        self._rows = {row.name for row in record.model.layers}
        self._layers = {verdict.name: (n, verdict) for n, verdict in enumerate(record.layers, 1)}
        self._redundant = Counter(unit.layer for unit in record.units if unit.removable)
        self._anchors: dict[tuple[int, ...], str] = {}
        self._blocks: list[Block] = []
        self._waiting: list[_Item] = []
        self._parts: dict[tuple[int, ...], tuple[list[int], list[_Item]]] = {}
        self._known: dict[object, Block] = {}

    def view(self) -> NetworkView:
        whole = tuple(range(len(self._graph.nodes)))
        drawn, waiting = self._drawing(whole, 0), list(self._waiting)
        while waiting:
            item = waiting.pop(0)
            self._waiting = []
            self._add(item)
            waiting = self._waiting + waiting
        drawings = [drawn, *(block.drawing for block in self._blocks)]
        found = {box.mark.css for one in drawings if one for box in one.boxes if box.mark}
        marks = [css for css in STATES if css in found]
        return NetworkView(drawn, self._blocks if drawn else [], len(whole), marks)

    def _add(self, item: _Item) -> None:
        """Add the drawing of a block."""
        drawing = self._drawing(item.nodes, self._depth(item))
        assert drawing is not None, "a block that cannot be drawn is none"
        built = self._signature(item)
        own = sum(self._graph.nodes[n].name in self._rows for n in item.nodes)
        block = Block(self._anchors[item.nodes], self._title(item), own, drawing, self._known.get(built))
        self._known.setdefault(built, block)
        self._blocks.append(block)

    def _signature(self, item: _Item) -> object:
        """Return what is the same of blocks that are built the same: kinds and edges, whatever the sizes."""
        place = {node: n for n, node in enumerate(item.nodes)}
        inner = [(place.get(start, -1), place[end]) for start, end in self._edges if end in place]
        return tuple(self._graph.nodes[n].kind for n in item.nodes), tuple(inner)

    def _drawing(self, nodes: tuple[int, ...], depth: int) -> Drawing | None:
        """Draw some of the nodes, and what they are given by others. depth: how many blocks they all lie in."""
        outside, items = self._inside(nodes, depth)
        if len(items) + len(outside) > MOST_DRAWN:
            return None
        shown = [_Item((n,)) for n in outside] + items
        boxes = [self._outside(n) for n in outside] + [self._box(item) for item in items]
        edges = [edge for edge in _between(shown, self._edges) if edge[1] >= len(outside)]
        return Drawing(boxes, network.pieces(len(shown), edges))

    def _inside(self, nodes: tuple[int, ...], depth: int) -> tuple[list[int], list[_Item]]:
        """Return what some of the nodes are given by others, and what becomes a box. depth: as `_drawing` takes it."""
        if nodes not in self._parts:
            own = set(nodes)
            outside = sorted({start for start, end in self._edges if end in own and start not in own})
            self._parts[nodes] = outside, _fewer([_Item((n,)) for n in nodes], self._edges, self._paths, depth)
        return self._parts[nodes]

    def _depth(self, item: _Item) -> int:
        """Return how many blocks all of a block's nodes lie in, itself with them."""
        path = self._paths[item.nodes[0]]
        return path.index(item.title) + 1 if item.title in path else 0

    def _outside(self, number: int) -> Box:
        node = self._graph.nodes[number]
        return Box("outside", node.name, text("from outside"), _size(node), 0, None, None, self._place(node.name))

    def _box(self, item: _Item) -> Box:
        nodes = [self._graph.nodes[n] for n in item.nodes]
        judged = [self._layers[node.name][1] for node in nodes if node.name in self._layers]
        units = sum(verdict.units for verdict in judged)
        counted = self._counted(judged)
        mark = next((Mark(css, LETTERS[css], n) for css, n in counted.items() if n and css in LETTERS), None)
        states = _states(units, counted) if judged else None
        if len(nodes) == 1:
            (node,) = nodes
            return Box(self._kind(node), node.name, literal(name(node.kind)), _size(node), units, mark, states,
                       self._place(node.name))  # fmt: skip
        own = sum(node.name in self._rows for node in nodes)
        anchor = None
        outside, items = self._inside(item.nodes, self._depth(item))
        if len(outside) + len(items) <= MOST_DRAWN:
            anchor = self._anchors.setdefault(item.nodes, f"block-{len(self._anchors) + 1}")
            self._waiting.append(item)
        layers, size = ntext(own, "{n} layer", "{n} layers"), _size(nodes[-1])
        return Box("block", self._title(item), layers, size, units, mark, states, anchor)

    def _title(self, item: _Item) -> str:
        """Return the name of a block: where it has none, of its first and its last layer."""
        ends = (blocks.label(self._graph.nodes[item.nodes[n]].name) for n in (0, -1))
        return item.title or " … ".join(ends)

    def _counted(self, judged: Sequence[LayerVerdict]) -> dict[str, int]:
        """Return how many units are in each state, gravest first; redundant ones are healthy, too."""
        found: Counter[str] = Counter()
        for verdict in judged:
            found.update({state.replace(" ", "-"): n for state, n in verdict.states.items()})
            found["redundant"] += self._redundant[verdict.name]
        return {css: found[css] for css in STATES if found[css]}

    def _kind(self, node: GraphNode) -> str:
        if node.name in self._rows:
            return "layer"
        return "input" if node.kind == "InputLayer" else "operation"

    def _place(self, layer: str) -> str | None:
        return f"layer-{self._layers[layer][0]}" if layer in self._layers else None


def _fewer(
    items: list[_Item], edges: Sequence[tuple[int, int]], paths: Sequence[tuple[str, ...]], depth: int
) -> list[_Item]:
    """Return no more than MOST_BOXES items, if that can be: inner blocks as one, else outer ones, else what follows."""
    deepest = max((len(paths[item.nodes[0]]) for item in items), default=0)
    found = items
    for level in range(deepest, depth, -1):
        if len(found) <= MOST_BOXES:
            return found
        found = _in_blocks(items, edges, paths, level)
    return found if len(found) <= MOST_BOXES else _in_stretches(found, edges)


def _in_blocks(
    items: list[_Item], edges: Sequence[tuple[int, int]], paths: Sequence[tuple[str, ...]], level: int
) -> list[_Item]:
    """Return the items, those that lie in the same block of a level as one, and those of outer ones without inner."""
    own = [paths[item.nodes[0]] for item in items]
    divided = {block for path in own for block in path[:-1]}
    groups: dict[str, list[_Item]] = {}
    for item, path in zip(items, own, strict=True):
        if len(path) >= level or (path and path[-1] not in divided):
            groups.setdefault(path[:level][-1], []).append(item)
    large = {title: group for title, group in groups.items() if _LEAST <= len(group) < len(items)}
    for title, group in large.items():
        items = _contracted(items, group, title, edges)
    return items


def _contracted(items: list[_Item], group: list[_Item], title: str, edges: Sequence[tuple[int, int]]) -> list[_Item]:
    """Return the items with a group as one; as they are where a way leads out of it and in again."""
    between = _between(items, edges)
    inside = {n for n, item in enumerate(items) if item in group}
    behind: set[int] = set()
    for start, end in between:
        if (start in inside or start in behind) and end not in inside:
            behind.add(end)
    if any(start in behind and end in inside for start, end in between):
        return items
    one = _Item(tuple(sorted(node for item in group for node in item.nodes)), title)
    # what neither comes from the group nor leads to it may stand before it or behind it
    before = [item for n, item in enumerate(items) if n not in inside and n not in behind]
    return [*before, one, *(items[n] for n in sorted(behind))]


def _in_stretches(items: list[_Item], edges: Sequence[tuple[int, int]]) -> list[_Item]:
    """Return the items with as many that follow on one another as one as it takes; what has branches stays together.

    What would have more than half of them stays open: in its own drawing it would be one again.
    """
    cut = set(_narrow(_between(items, edges)))
    parts: list[list[_Item]] = [[]]
    for n, item in enumerate(items):
        parts[-1].append(item)
        if n in cut:
            parts.append([])
    most = len(items) // 2
    found = items
    for each in (1, max(-(-len(parts) // MOST_BOXES), _LEAST)):
        if len(found) > MOST_BOXES:
            found = [one for stretch in _stretches(parts, each, most) for one in _closed(stretch, most)]
    return found


def _stretches(parts: list[list[_Item]], each: int, most: int) -> list[list[_Item]]:
    """Return so many parts as one, as long as these have no more than `most` items; larger ones stay by themselves."""
    found: list[list[_Item]] = []
    together = each
    for part in parts:
        if together == each or len(part) > most or len(found[-1]) + len(part) > most:
            found.append([])
            together = 0
        found[-1] += part
        together += 1
    return found


def _closed(items: list[_Item], most: int) -> list[_Item]:
    """Return items that follow on one another as one, if they are neither too few for that nor more than `most`."""
    return [_together(items)] if _LEAST <= len(items) <= most else items


def _narrow(edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the items from which all comes that those behind them get from before. edges: ascending."""
    found, reach = [], 0
    for start, own in groupby(edges, key=lambda edge: edge[0]):
        if reach <= start:
            found.append(start)
        reach = max(reach, *(end for _, end in own))
    return found


def _together(items: Sequence[_Item]) -> _Item:
    """Return items that follow on one another as one."""
    return _Item(tuple(node for item in items for node in item.nodes))


def _between(items: Sequence[_Item], edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the edges between items, by their places, each once."""
    place = {node: n for n, item in enumerate(items) for node in item.nodes}
    found = {(place[start], place[end]) for start, end in edges if start in place and end in place}
    return sorted((start, end) for start, end in found if start != end)


def _size(node: GraphNode) -> str:
    return shape(node.output_shape)


def _states(units: int, counted: dict[str, int]) -> Text:
    """Return "16 units: 3 are dead, 13 fire normally"."""
    return joined(": ", [ntext(units, "{n} unit", "{n} units"), joined(", ", counted_states(counted.items()))])

"""The drawing of the network: what stands in its boxes, and blocks as one box where there are too many layers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.format import first, shape
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.record.model import GraphNode, ModelGraph
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict
from reportgen.render.charts import network
from reportgen.render.page import blocks, grouping
from reportgen.render.page.layer_views import LETTERS
from reportgen.render.words import STATES, counted_states, name

MOST_DRAWN = 400
"""Most boxes of a drawing that is drawn at all: of a network in which nothing can be drawn as one."""
ON_PAPER = 4
"""Most blocks that paper has a drawing of, each for all that are built like it."""
_LETTERS = 22
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
        self._waiting: list[grouping.Item] = []
        self._parts: dict[tuple[int, ...], tuple[list[int], list[grouping.Item]]] = {}
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

    def _add(self, item: grouping.Item) -> None:
        """Add the drawing of a block."""
        drawing = self._drawing(item.nodes, self._depth(item))
        assert drawing is not None, "a block that cannot be drawn is none"
        built = self._signature(item)
        own = sum(self._graph.nodes[n].name in self._rows for n in item.nodes)
        block = Block(self._anchors[item.nodes], self._title(item), own, drawing, self._known.get(built))
        self._known.setdefault(built, block)
        self._blocks.append(block)

    def _signature(self, item: grouping.Item) -> object:
        """Return what is the same of blocks that are built the same: kinds and edges, whatever the sizes."""
        place = {node: n for n, node in enumerate(item.nodes)}
        inner = [(place.get(start, -1), place[end]) for start, end in self._edges if end in place]
        return tuple(self._graph.nodes[n].kind for n in item.nodes), tuple(inner)

    def _drawing(self, nodes: tuple[int, ...], depth: int) -> Drawing | None:
        """Draw some of the nodes, and what they are given by others. depth: how many blocks they all lie in."""
        outside, items = self._inside(nodes, depth)
        if len(items) + len(outside) > MOST_DRAWN:
            return None
        shown = [grouping.Item((n,)) for n in outside] + items
        boxes = [self._outside(n) for n in outside] + [self._box(item) for item in items]
        edges = [edge for edge in grouping.between(shown, self._edges) if edge[1] >= len(outside)]
        return Drawing(boxes, network.pieces(len(shown), edges))

    def _inside(self, nodes: tuple[int, ...], depth: int) -> tuple[list[int], list[grouping.Item]]:
        """Return what some of the nodes are given by others, and what becomes a box. depth: as `_drawing` takes it."""
        if nodes not in self._parts:
            own = set(nodes)
            outside = sorted({start for start, end in self._edges if end in own and start not in own})
            self._parts[nodes] = (
                outside,
                grouping.fewer([grouping.Item((n,)) for n in nodes], self._edges, self._paths, depth),
            )
        return self._parts[nodes]

    def _depth(self, item: grouping.Item) -> int:
        """Return how many blocks all of a block's nodes lie in, itself with them."""
        path = self._paths[item.nodes[0]]
        return path.index(item.title) + 1 if item.title in path else 0

    def _outside(self, number: int) -> Box:
        node = self._graph.nodes[number]
        return Box("outside", node.name, text("from outside"), _size(node), 0, None, None, self._place(node.name))

    def _box(self, item: grouping.Item) -> Box:
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

    def _title(self, item: grouping.Item) -> str:
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


def _size(node: GraphNode) -> str:
    return shape(node.output_shape)


def _states(units: int, counted: dict[str, int]) -> Text:
    """Return "16 units: 3 are dead, 13 fire normally"."""
    return joined(": ", [ntext(units, "{n} unit", "{n} units"), joined(", ", counted_states(counted))])

"""What the drawing of the network has in its boxes, and what becomes one box."""

import dataclasses
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.i18n import literal
from reportgen.record.model import GraphNode, LayerRow, ModelFacts, ModelGraph
from reportgen.record.run import Record
from reportgen.render.page import grouping, network_view
from reportgen.render.page.network_view import Drawing, NetworkView
from tests.helpers.builders import make_record, make_verdict


def with_graph(
    names: list[str], edges: list[tuple[int, int]], judged: dict[str, dict[str, int]] | None = None
) -> Record:
    """Return a record of a model of these layers. judged: states of the units of layers that were looked into."""
    nodes = [GraphNode(name, "InputLayer" if name == "image" else "Conv2D", [None, 8, 8, 4]) for name in names]
    rows = [LayerRow(node.name, node.kind, node.output_shape, 0, False, None) for node in nodes[1:]]
    model = ModelFacts("m", "loaded", "softmax", 0, 0, 0, rows)
    model = dataclasses.replace(model, graph=ModelGraph(nodes, [list(edge) for edge in edges], [0], [len(nodes) - 1]))
    layers = [make_verdict(name, sum(states.values()), states=states) for name, states in (judged or {}).items()]
    return make_record(model=model, layers=layers, units=[])


def residual(blocks: int, inside: int = 9) -> tuple[list[str], list[tuple[int, int]]]:
    names, edges, last = ["image"], [], 0
    for block in range(1, blocks + 1):
        for part in range(inside):
            names.append(f"conv2_block{block}_{part}_conv")
            edges.append((len(names) - 2, len(names) - 1))
        names.append(f"conv2_block{block}_add")
        edges += [(len(names) - 2, len(names) - 1), (last, len(names) - 1)]
        last = len(names) - 1
    return [*names, "scores"], [*edges, (len(names) - 1, len(names))]


def drawn(record: Record) -> NetworkView:
    found = network_view.build(record)
    assert found is not None
    return found


def titles(drawing: Drawing | None) -> list[str]:
    assert drawing is not None
    return [box.title for box in drawing.boxes]


def test_a_record_from_before_there_was_a_graph_has_no_drawing() -> None:
    record = make_record()
    record = dataclasses.replace(record, model=dataclasses.replace(record.model, graph=None))
    assert network_view.build(record) is None


def test_a_small_network_is_drawn_whole() -> None:
    found = drawn(make_record())
    assert titles(found.drawn) == ["image", "conv", "flatten", "scores"]
    assert found.blocks == []
    image, conv, flatten, scores = found.drawn.boxes
    assert [box.href for box in (image, conv, flatten, scores)] == [None, "layer-1", None, "layer-2"]
    assert [box.kind for box in (image, conv, flatten)] == ["input", "layer", "layer"]
    assert (conv.what, conv.size, conv.units) == ("Conv2D", "2 × 2 × 2", 2)


def test_a_box_is_marked_with_the_gravest_state_of_its_units() -> None:
    names, edges = ["image", "a", "b", "c"], [(0, 1), (1, 2), (2, 3)]
    states = {"a": {"healthy": 5, "weak": 2, "dead": 1}, "b": {"healthy": 4}, "c": {"output": 2, "never predicted": 1}}
    found = drawn(with_graph(names, edges, states))
    marks = [box.mark and (box.mark.letter, box.mark.units) for box in found.drawn.boxes]
    assert marks == [None, ("D", 1), None, ("N", 1)]
    assert found.drawn.boxes[1].words == "a, Conv2D, 8 × 8 × 4, 8 units: 1 is dead, 2 are weak, 5 fire normally"
    assert found.letters == [("D", "dead"), ("N", "never-predicted")]


def test_redundant_units_are_marked_where_there_is_nothing_graver() -> None:
    found = drawn(make_record())
    mark = found.drawn.boxes[1].mark
    assert mark is not None and (mark.letter, mark.units) == ("R", 1)


def test_blocks_of_a_large_network_are_one_box_each_with_a_drawing_of_their_own() -> None:
    found = drawn(with_graph(*residual(5), {"conv2_block3_0_conv": {"dead": 2}, "scores": {"output": 3}}))
    assert titles(found.drawn) == ["image", *(f"conv2_block{n}" for n in range(1, 6)), "scores"]
    block = found.drawn.boxes[3]
    assert (block.kind, block.what, block.units, block.href) == ("block", "10 layers", 2, "block-3")
    assert [one.anchor for one in found.blocks] == [f"block-{n}" for n in range(1, 6)]
    third = found.blocks[2].drawing
    assert titles(third)[:2] == ["conv2_block2_add", "conv2_block3_0_conv"]
    assert [box.kind for box in third.boxes] == ["outside", *["layer"] * 10]
    assert len(third.pieces) == 1, "what is added to the last box goes past all others"


def test_paper_draws_once_what_is_built_alike() -> None:
    found = drawn(with_graph(*residual(5)))
    assert [block.title for block in found.on_paper] == ["conv2_block1"]
    assert found.alike(found.blocks[0]) == "conv2_block2, conv2_block3, conv2_block4, conv2_block5"
    assert [block.like and block.like.title for block in found.blocks] == [None, *["conv2_block1"] * 4]


def test_names_that_do_not_follow_on_one_another_are_no_block() -> None:
    names = ["image", *(f"block_{n % 2 + 1}_part_{n}" for n in range(40))]
    found = drawn(with_graph(names, [(n, n + 1) for n in range(40)]))
    assert all(box.title != "block_1" for box in found.drawn.boxes)
    assert len(found.drawn.boxes) <= grouping.MOST_BOXES


def test_a_long_network_without_names_of_blocks_is_drawn_in_stretches() -> None:
    names = ["image", *(f"conv2d_{n}" for n in range(1, 201))]
    found = drawn(with_graph(names, [(n, n + 1) for n in range(200)]))
    assert len(found.drawn.boxes) <= grouping.MOST_BOXES
    assert found.drawn.boxes[0].title == "image … conv2d_6"
    inside = [title for block in found.blocks for title in titles(block.drawing) if title != "image"]
    assert set(names[1:]) <= set(inside)


def test_a_model_inside_the_model_is_opened_as_far_as_there_is_room() -> None:
    names, edges = residual(5)
    nested = ["image", *(f"base/{name}" for name in names[1:-1]), "scores"]
    found = drawn(with_graph(nested, edges))
    assert titles(found.drawn) == ["image", *(f"base/conv2_block{n}" for n in range(1, 6)), "scores"]
    many = ["image", *(f"base/{name}" for name in residual(40)[0][1:-1]), "scores"]
    found = drawn(with_graph(many, residual(40)[1]))
    assert titles(found.drawn) == ["image", "base", "scores"]
    assert found.blocks[0].title == "base" and len(found.blocks[0].drawing.boxes) <= grouping.MOST_BOXES + 1
    assert len({block.anchor for block in found.blocks}) == len(found.blocks)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_each_layer_of_any_network_has_one_box(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 120), "layers")
    blocks = data.draw(st.integers(0, 6), "blocks")
    names = [f"block{n * blocks // size}/layer{n}" if blocks else f"layer{n}" for n in range(size)]
    chain = data.draw(st.lists(st.integers(1, 8), min_size=size - 1, max_size=size - 1), "ways back")
    edges = {(max(n - back, 0), n) for n, back in enumerate(chain, 1)}
    skips = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=20), "skips")
    edges |= {(min(skip), max(skip)) for skip in skips if skip[0] != skip[1]}
    found = drawn(with_graph(names, sorted(edges)))
    boxes = [box for drawing in (found.drawn, *(b.drawing for b in found.blocks)) for box in drawing.boxes]
    assert sorted(box.title for box in boxes if box.kind not in ("block", "outside")) == sorted(names)
    assert len(found.blocks) == sum(box.kind == "block" for box in boxes)


def test_two_long_branches_are_drawn_with_what_stands_around_them() -> None:
    names = ["image", "first", *(f"left{n}" for n in range(20)), *(f"right{n}" for n in range(20)), "add", "scores"]
    edges = [(0, 1), (1, 2), (1, 22), (21, 42), (41, 42), (42, 43)]
    edges += [(n, n + 1) for n in range(2, 41) if n != 21]
    found = drawn(with_graph(names, edges))
    assert len(found.drawn.boxes) == 44 and not found.blocks


def test_what_a_long_way_round_leaves_is_drawn_in_stretches() -> None:
    names = [f"layer{n}" for n in range(450)]
    edges = [*((n, n + 1) for n in range(449)), (90, 360)]
    found = drawn(with_graph(["image", *names], [(0, 1), *((a + 1, b + 1) for a, b in edges)]))
    assert found.drawn is not None
    assert sum(block.layers for block in found.blocks) >= 170
    assert len(found.drawn.boxes) <= 300


def test_what_branches_between_two_layers_is_one_stretch() -> None:
    names, edges, last = ["image"], [], 0
    for module in range(8):
        names += [f"m{module}_{branch}{n}" for branch in "abc" for n in range(4)] + [f"m{module}_join"]
        for branch in range(3):
            first = 1 + 13 * module + 4 * branch
            edges += [(last, first), *((n, n + 1) for n in range(first, first + 3)), (first + 3, 13 * module + 13)]
        last = 13 * module + 13
    found = drawn(with_graph([*names, "scores"], sorted([*edges, (last, last + 1)])))
    assert len(found.drawn.boxes) <= 10
    assert [len(block.drawing.boxes) for block in found.blocks if block.like is None] == [14]


def test_a_network_of_which_nothing_stands_for_itself_is_not_drawn_beyond_a_bound() -> None:
    most = network_view.MOST_DRAWN
    names = ["image", *(f"conv2d_{n}" for n in range(1, most + 1))]
    edges = [(n, n + 1) for n in range(most)] + [(n, n + 2) for n in range(most - 1)]
    found = drawn(with_graph(names, edges))
    assert (found.drawn, found.blocks, found.nodes) == (None, [], most + 1)


def test_a_block_that_cannot_be_drawn_leads_nowhere() -> None:
    most = network_view.MOST_DRAWN
    names = ["image", *(f"block_1_branch_{n}" for n in range(most)), "block_1_sum", "scores"]
    edges = [edge for n in range(1, most + 1) for edge in [(0, n), (n, most + 1)]] + [(most + 1, most + 2)]
    found = drawn(with_graph(names, edges))
    assert [(box.title, box.kind, box.href) for box in found.drawn.boxes] == [
        ("image", "input", None),
        ("block_1", "block", None),
        ("scores", "layer", None),
    ]
    assert found.blocks == []


def test_a_network_like_resnet50_takes_no_time() -> None:
    record = with_graph(*residual(16))
    drawn(record)
    began = time.process_time()
    drawn(record)
    assert time.process_time() - began < 0.3


def test_names_from_outside_are_shown_and_cut_in_the_middle() -> None:
    names = ["image", "a_very_long_name_of_a_layer_BN", "x\x1b[31m", literal("scores")]
    found = drawn(with_graph(names, [(0, 1), (1, 2), (2, 3)]))
    labels = [box.label for box in found.drawn.boxes]
    assert labels[1] == "a_very_lon…_a_layer_BN"
    assert "\x1b" not in labels[2]

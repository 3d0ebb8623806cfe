"""Which nodes of a network share a box of its drawing where there are too many: blocks, or what follows in a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MOST_BOXES = 30
"""Most boxes of a drawing, if blocks can be drawn as one."""
_LEAST = 3
"""Fewer boxes are not drawn as one."""


@dataclass(frozen=True)
class Item:
    """What becomes a box: nodes, in the order of computation. title: of a block, None where it has no name."""

    nodes: tuple[int, ...]
    title: str | None = None


def fewer(
    items: list[Item], edges: Sequence[tuple[int, int]], paths: Sequence[tuple[str, ...]], depth: int
) -> list[Item]:
    """Return no more than MOST_BOXES items, if that can be: inner blocks as one, else outer ones, else what follows."""
    deepest = max((len(paths[item.nodes[0]]) for item in items), default=0)
    found = items
    for level in range(deepest, depth, -1):
        if len(found) <= MOST_BOXES:
            return found
        found = _in_blocks(items, edges, paths, level)
    return found if len(found) <= MOST_BOXES else _in_stretches(found, edges)


def _in_blocks(
    items: list[Item], edges: Sequence[tuple[int, int]], paths: Sequence[tuple[str, ...]], level: int
) -> list[Item]:
    """Return the items, those that lie in the same block of a level as one, and those of outer ones without inner."""
    own = [paths[item.nodes[0]] for item in items]
    divided = {block for path in own for block in path[:-1]}
    groups: dict[str, list[Item]] = {}
    for item, path in zip(items, own, strict=True):
        if len(path) >= level or (path and path[-1] not in divided):
            groups.setdefault(path[:level][-1], []).append(item)
    large = {title: group for title, group in groups.items() if _LEAST <= len(group) < len(items)}
    for title, group in large.items():
        items = _contracted(items, group, title, edges)
    return items


def _contracted(items: list[Item], group: list[Item], title: str, edges: Sequence[tuple[int, int]]) -> list[Item]:
    """Return the items with a group as one; as they are where a way leads out of it and in again."""
    ways = between(items, edges)
    inside = {n for n, item in enumerate(items) if item in group}
    behind: set[int] = set()
    for start, end in ways:
        if (start in inside or start in behind) and end not in inside:
            behind.add(end)
    if any(start in behind and end in inside for start, end in ways):
        return items
    one = Item(tuple(sorted(node for item in group for node in item.nodes)), title)
    # what neither comes from the group nor leads to it may stand before it or behind it
    before = [item for n, item in enumerate(items) if n not in inside and n not in behind]
    return [*before, one, *(items[n] for n in sorted(behind))]


def _in_stretches(items: list[Item], edges: Sequence[tuple[int, int]]) -> list[Item]:
    """Return the items with as many that follow on one another as one as it takes; what has branches stays together.

    What would have more than half of them stays open: in its own drawing it would be one again.
    """
    cut = set(_narrow(between(items, edges)))
    parts: list[list[Item]] = [[]]
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


def _stretches(parts: list[list[Item]], each: int, most: int) -> list[list[Item]]:
    """Return so many parts as one, as long as these have no more than `most` items; larger ones stay by themselves."""
    found: list[list[Item]] = []
    together = each
    for part in parts:
        if together == each or len(part) > most or len(found[-1]) + len(part) > most:
            found.append([])
            together = 0
        found[-1] += part
        together += 1
    return found


def _closed(items: list[Item], most: int) -> list[Item]:
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


def _together(items: Sequence[Item]) -> Item:
    """Return items that follow on one another as one."""
    return Item(tuple(node for item in items for node in item.nodes))


def between(items: Sequence[Item], edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the edges between items, by their places, each once."""
    place = {node: n for n, item in enumerate(items) for node in item.nodes}
    found = {(place[start], place[end]) for start, end in edges if start in place and end in place}
    return sorted((start, end) for start, end in found if start != end)

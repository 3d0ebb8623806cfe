"""Which layer of one model is which of another."""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from reportgen.record.changes import LayerChange
from reportgen.record.model import LayerRow

LayerPair = tuple[LayerRow | None, LayerRow | None]


def pair(before: Sequence[LayerRow], after: Sequence[LayerRow]) -> list[LayerPair]:
    """Return the rows of two summaries side by side, in the order of `after`, then those that are gone.

    Layers of one kind and name are the same. Where the models have the same kinds in the same order but not the same
    names, places count instead: Keras numbers names through a whole Python process, so that a second model's first
    "conv2d_1" is no counterpart of the first model's second. What is left over is paired by kind, in order, between
    the same neighbours.
    """
    old, new = {row.name: row for row in before}, {row.name: row for row in after}
    if old.keys() != new.keys() and [row.kind for row in before] == [row.kind for row in after]:
        return list(zip(before, after, strict=True))
    found = {name: old[name] for name, row in new.items() if name in old and old[name].kind == row.kind}
    found |= _by_kind(before, after, list(found))
    known = {row.name for row in found.values()}
    pairs: list[LayerPair] = [(found.get(row.name), row) for row in after]
    return pairs + [(row, None) for row in before if row.name not in known]


def changes(pairs: Sequence[LayerPair]) -> list[LayerChange]:
    """Return the layers that were added, are gone, or changed in size. A new name alone is no change."""
    found = []
    for before, after in pairs:
        if before is None or after is None:
            found.append(LayerChange("added" if before is None else "gone", before, after))
        elif _size(before) != _size(after):
            found.append(LayerChange("resized", before, after))
    return found


def _by_kind(before: Sequence[LayerRow], after: Sequence[LayerRow], named: Collection[str]) -> dict[str, LayerRow]:
    """Return for names of `after` that no name paired the rows of `before` of the same kind and neighbourhood."""
    old, new = _unnamed(before, named), _unnamed(after, named)
    blocks = SequenceMatcher(None, [key for key, _ in old], [key for key, _ in new], autojunk=False)
    return {
        new[block.b + n][1].name: old[block.a + n][1]
        for block in blocks.get_matching_blocks()
        for n in range(block.size)
    }


def _unnamed(rows: Sequence[LayerRow], named: Collection[str]) -> list[tuple[tuple[str, str], LayerRow]]:
    """Return the rows whose names paired nothing, each with the last one before it that did, and its kind."""
    last, found = "", []
    for row in rows:
        if row.name in named:
            last = row.name
        else:
            found.append(((last, row.kind), row))
    return found


def _size(row: LayerRow) -> tuple[list[int | None], int]:
    return row.output_shape, row.params

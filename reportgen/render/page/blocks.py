"""Which layers of a model belong together: blocks by their names, and models inside the model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

_WORDS = re.compile(r"block|stage|cell|module|unit|layer|bottleneck|group", re.IGNORECASE)
"""What people call a part of a network that they number."""
_PARTS = {"stem", "head", "encoder", "decoder"}
"""What they call one that there is one of."""
_NUMBERED = re.compile(r"([^\W\d]*)(?![123]d$)\d+[a-z]?")
"""A number with or without its word; the end of Conv2D is none."""
_LONGEST = 200


@dataclass(frozen=True)
class Entry:
    """A layer, or a block with its entries. label: without the names of what it lies in.

    first, count: its layers are these in a row of all of them; entries: none of a layer.
    """

    label: str
    first: int
    count: int
    entries: list["Entry"]


def path(name: str) -> tuple[str, ...]:
    """Return the names of the blocks that a layer lies in, the outermost first; each begins with the one before.

    "base/block_3_expand" -> ("base", "base/block_3"): models inside the model, and what stands before a number that
    more follows on. Of several numbers that counts which numbers blocks ("conv5_block3_1_conv" -> "conv5_block3"), the
    last of those, else the first. A layer that is called more than once lies in as many blocks ("base#2").
    """
    whole, times, call = name.partition("#")
    *models, own = whole.split("/")
    found = ["/".join(models[: n + 1]) for n in range(len(models))]
    if block := _block(own[:_LONGEST]):
        found.append("/".join([*models, block]))
    return tuple(f"{one}{times}{call}" for one in found)


def nested(names: Sequence[str]) -> list[Entry]:
    """Return layers that follow on one another in their blocks; a block of one layer is that layer."""
    return _nested([(name, path(name)) for name in names], 0, 0)


def label(block: str) -> str:
    """Return the name of a block, or of a layer, without the names of the models that it lies in."""
    return block.rpartition("/")[2]


def _nested(layers: Sequence[tuple[str, tuple[str, ...]]], first: int, depth: int) -> list[Entry]:
    found = []
    for block, run in groupby(layers, key=lambda layer: layer[1][depth] if len(layer[1]) > depth else None):
        own = list(run)
        if block is None or len(own) == 1:
            found += [Entry(name if depth == 0 else label(name), first + n, 1, []) for n, (name, _) in enumerate(own)]
        else:
            found.append(Entry(label(block), first, len(own), _nested(own, first, depth + 1)))
        first += len(own)
    return found


def _block(name: str) -> str | None:
    """Return the part of a name that is a block's, None where there is none."""
    parts = re.split(r"([_.\-]+)", name)  # words and what stands between them, in turn
    ends = [n for n in range(0, len(parts) - 2, 2) if _numbers(parts, n) and any(map(_has_letter, parts[n + 2 :]))]
    named = [n for n in ends if _WORDS.search(parts[n] if _has_letter(parts[n]) else parts[n - 2])]
    if not ends:
        return parts[0] if len(parts) > 2 and parts[0].lower() in _PARTS else None
    return "".join(parts[: (named[-1] if named else ends[0]) + 1])


def _numbers(parts: Sequence[str], n: int) -> bool:
    """Return whether the n-th of the parts is a word's number, in one with it ("block3") or behind it ("block_3")."""
    found = _NUMBERED.fullmatch(parts[n])
    return found is not None and bool(found[1] or (n and parts[n - 2].isalpha()))


def _has_letter(part: str) -> bool:
    return any(letter.isalpha() for letter in part)

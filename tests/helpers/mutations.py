"""Good model files with random damage: of their bytes, or of their configuration behind good checksums."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.helpers import hostile

Random = np.random.Generator
_VALUES: list[Any] = [
    None, True, -1, 0, 1, 7, 2**31, 2**63, -(2**70), 1e300, -0.5, "", "x", "Dense", "../x", "\0", "é", "\ud800",
    [], [[]], {}, {"class_name": "Dense"}, {"class_name": None}, {"class_name": "Dense", "config": None}, [None] * 50,
]  # fmt: skip


def mutated(seed: int) -> tuple[str, bytes]:
    """Return the name of a model file and its content, damaged in a way that `seed` chooses."""
    random = np.random.default_rng(seed)
    kinds: list[Callable[[Random], tuple[str, bytes]]] = [
        lambda random: ("model.keras", _bytes(hostile.archive(), random)),
        lambda random: ("model.h5", _bytes(hostile.hdf5(hostile.fill_old), random)),
        lambda random: ("model.keras", hostile.archive(None, _bytes(hostile.good_weights(), random))),
        lambda random: ("model.keras", hostile.archive(_config(hostile.sequential(), random))),
        lambda random: ("model.h5", hostile.hdf5(lambda f: hostile.fill_old(f, config=_old_config(random)))),
    ]
    return kinds[seed % len(kinds)](random)


def _bytes(content: bytes, random: Random) -> bytes:
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(len(content)))
        until = min(at + int(random.integers(1, 64)), len(content))
        noise = random.bytes(until - at)
        content = [
            content[:at] + bytes([content[at] ^ (1 << int(random.integers(8)))]) + content[at + 1 :],
            content[:at] + noise + content[until:],
            content[:at] + noise[:1] + content[at:],
            content[:at] + content[at + 1 :],
            content[:at] + bytes(until - at) + content[until:],
            content[:at] + b"\xff" * (until - at) + content[until:],
            content[:until] + content[at:until] + content[until:],
            content[: max(at, 20)],
        ][int(random.integers(8))]
    return content


def _config(config: Any, random: Random) -> bytes:
    for _ in range(random.integers(1, 4)):
        holders = [value for value in _all(config) if isinstance(value, dict | list) and value]
        holder = holders[int(random.integers(len(holders)))]
        at = int(random.integers(len(holder)))
        key: Any = list(holder)[at] if isinstance(holder, dict) else at
        chosen = int(random.integers(len(_VALUES) + 3))
        if chosen < len(_VALUES):
            holder[key] = copy.deepcopy(_VALUES[chosen])
        elif chosen == len(_VALUES):
            del holder[key]
        else:
            others = list(_all(config))
            holder[key] = copy.deepcopy(others[int(random.integers(len(others)))])
    return json.dumps(config).encode()


def _old_config(random: Random) -> str:
    return _config(hostile.old(hostile.sequential()), random).decode()


def _all(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(one for each in inner for one in _all(each))]

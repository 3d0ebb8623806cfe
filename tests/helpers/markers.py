"""The guard that keeps fast tests fast: what a marker stands for is out of reach of all tests that lack it."""

import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

NEEDS = {"tensorflow": ("tensorflow",), "browser": ("playwright",), "slow": ()}
STAND_INS = Path(__file__).parent / "without"


class Guard:
    """Fails a test, or the collection of a file, where it imports what its marker should have told.

    It is in force while the tests with a marker are deselected.
    """

    def __init__(self, markers: Sequence[str]) -> None:
        self._markers = {module: marker for marker in markers for module in NEEDS[marker]}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing; importlib asks the next one."""
        if marker := self._markers.get(name):
            pytest.fail(f"{name} is imported without the marker {marker}", pytrace=False)
        return None


def deselected(expression: str) -> list[str]:
    """Return the markers of which the option -m wants no test."""
    return [marker for marker in NEEDS if re.search(rf"\bnot {marker}\b", expression)]


def keep_out(markers: Sequence[str]) -> None:
    """Put the guard in force, in this process and for TensorFlow in those that it starts."""
    if not markers:
        return
    sys.meta_path.insert(0, Guard(markers))
    if "tensorflow" in markers:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(STAND_INS), os.environ.get("PYTHONPATH")]))


def is_whole_file(path: Path, markers: Sequence[str]) -> bool:
    """Return whether all tests of a file have one of `markers`, so that it need not be imported."""
    marked = "|".join(markers)
    return bool(markers) and bool(re.search(rf"(?m)^pytestmark = pytest\.mark\.({marked})\b", path.read_text("utf-8")))

"""How the sources are built: what can be read at one go, and one place where numbers are written."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "reportgen"
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60
REASON = "Longer than most modules: "
LONGEST_WITH_REASON = 480

OF_PEOPLE = PACKAGE / "format.py"
OF_PATHS = {PACKAGE / "render" / "charts" / name for name in ("geometry.py", "network.py")}
"""What writes coordinates into paths of SVG."""


def test_a_long_module_says_why() -> None:
    long = [path for path, source in sources().items() if source.count("\n") > LONGEST_MODULE]
    assert [str(path) for path in long if REASON not in (ast.get_docstring(tree(path)) or "")] == []


def test_no_reason_is_good_enough_for_any_length() -> None:
    lengths = {str(path): source.count("\n") for path, source in sources().items()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_WITH_REASON} == {}


def test_no_module_gives_a_reason_that_it_does_not_need() -> None:
    short = [path for path, source in sources().items() if source.count("\n") <= LONGEST_MODULE and REASON in source]
    assert short == []


@pytest.mark.slow
def test_no_function_is_longer_than_a_screen() -> None:
    functions = (
        (path.name, node.name, (node.end_lineno or 0) - node.lineno + 1)
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [found for found in functions if found[2] > LONGEST_FUNCTION] == []


def test_only_one_module_says_how_many_digits_a_number_has() -> None:
    """Whole numbers with thousands marked, `:,`, look the same wherever they are written."""
    digits = re.compile(r"[{\w)\]\s]:[^{}\"\'\s]*[efgEFG%]}")
    candidates = [path for path, source in sources().items() if digits.search(source)]
    found = [
        (path.name, node.lineno)
        for path in candidates
        if path != OF_PEOPLE and path not in OF_PATHS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FormattedValue)
        and node.format_spec
        and re.search(r"[efgEFG%]'$", ast.unparse(node.format_spec))
    ]
    assert found == []


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(sources()[path])

"""The documentation: generated parts are those of the code, links lead somewhere, lists are complete."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from reportgen.record.finding_kinds import KINDS
from tests import ROOT

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
SOURCES = sorted((ROOT / "reportgen").rglob("*.py"))
PRIVATE = (ROOT / "docs" / "private-names.md").read_text(encoding="utf-8")


def test_the_generated_parts_are_up_to_date() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_finding_is_on_its_page() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert [code for code in KINDS if f"| `{code}` | {KINDS[code].severity} |" not in page] == []


def test_every_template_of_a_report_is_on_their_page() -> None:
    """What the code of the page asks for by name, and whatever those include or import."""
    listed = set(re.findall(r"`(\w+\.(?:html|css|js))`", (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")))
    page = (ROOT / "reportgen" / "render" / "page" / "page.py").read_text(encoding="utf-8")
    asked = set(re.findall(r"\(\"(\w+\.(?:html|css|js))\"", page))
    for name in listed:
        content = (ROOT / "templates" / name).read_text(encoding="utf-8")
        asked |= set(re.findall(r"{% (?:include|from|import|extends) \"([\w.]+)\"", content))
    assert listed == asked


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.encode()) < 10_000
    assert "make report " in readme and "make test " in readme


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings_that_there_are(path: Path) -> None:
    for address in links(path):
        if address.startswith(("https://", "http://")):
            continue
        name, _, anchor = address.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists() and target.is_relative_to(ROOT), f"{path.name} links to {address}"
        if anchor:
            assert anchor in headings(target), f"{path.name} links to {address}"


def test_every_page_is_reached_from_the_contents_and_in_the_navigation() -> None:
    names = {path.name for path in DOCS}
    assert {address.partition("#")[0] for address in links(ROOT / "docs" / "index.md")} - {"../README.md"} == (
        names - {"index.md"}
    )
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert sorted(re.findall(r"- ([\w-]+\.md)$", navigation, re.MULTILINE)) == sorted(names)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed; make docs installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in DOCS} <= {path.stem for path in tmp_path.glob("*.html")}


def test_every_layer_of_the_architecture_is_described() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert [re.findall(r"\w+", row) for row in described] == [
        re.findall(r"\w+", layer) for layer in next(one["layers"] for one in contracts if one["type"] == "layers")
    ]


@pytest.mark.slow
def test_every_private_name_of_a_dependency_is_on_its_page() -> None:
    used = {name: path for path in SOURCES for name in private_names(path)}
    assert "_nodes_by_depth" in used and "keras.src.backend" in used and "weasyprint.urls" in used
    missing = {
        name: path.name for name, path in used.items() if f"`{name}" not in PRIVATE and f".{name}`" not in PRIVATE
    }
    assert missing == {}


@pytest.mark.slow
def test_the_page_of_private_names_lists_none_that_is_gone() -> None:
    used = {name for path in SOURCES for name in private_names(path)}
    listed = set(re.findall(r"[`.](_[a-z]\w*|_[A-Z]{2}\w*)`", PRIVATE))
    assert listed - used == set()


def test_private_names_were_seen_in_the_pinned_versions() -> None:
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    said = re.findall(r"(\w+) (\d+(?:\.\d+)+)", "\n".join(re.findall(r"^## .*", PRIVATE, re.MULTILINE)))
    assert len(said) >= 5
    assert [f"{name} {version}" for name, version in said if f"\n{name.lower()}=={version} " not in f"\n{pinned}"] == []


def links(path: Path) -> list[str]:
    """Return where the links and pictures of a page lead."""
    found = []
    for block in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        for token in block.children or []:
            found += [str(value) for name, value in token.attrs.items() if name in ("href", "src")]
    return found


def headings(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as the code host and mkdocs make them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


OF_PYTHON = {"_exit", "_replace", "_asdict"}
"""Names with an underscore that Python itself documents."""


def private_names(path: Path) -> Iterator[str]:
    """Yield what a module uses of others that is not offered: attributes with an underscore, and inner modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if _is_private(name):
                if name not in OF_PYTHON | _own_names():
                    yield name
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                if _is_private(name):
                    yield name
            case ast.ImportFrom(module=str(name)) | ast.alias(name=name) if _is_inner(name):
                yield name
            case ast.Constant(value=str(name)) if re.fullmatch(r"keras\.src(\.\w+)+", name):
                yield name


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_inner(module: str) -> bool:
    inner = ("keras.src", "tensorflow.python", "weasyprint.", "pydyf", "typer.", "dask.", "numpy._")
    return module.startswith(inner) or any(_is_private(part) for part in module.split("."))


_OWN: set[str] = set()


def _own_names() -> set[str]:
    """Return the names with an underscore that reportgen defines itself."""
    if not _OWN:
        for path in SOURCES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                        _OWN.add(name)
                    case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                        _OWN.add(name)
                    case ast.AnnAssign(target=ast.Name(id=name)):
                        _OWN.add(name)
    return _OWN

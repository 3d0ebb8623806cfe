"""Write the parts of docs/options.md and docs/findings.md that come from the code: python docs/generate.py [--check].

Each part stands between two comments, and the words around it are written by hand. `make docs` runs this first, and a
test runs it with --check, which writes nothing and fails where a page is out of date.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from reportgen.cli import app
from reportgen.cli.commands.batch import batch
from reportgen.options import Analysis, Bounds, Budget, CallbackCall, Pages, Place, Training
from reportgen.record.finding_kinds import KINDS
from reportgen.thresholds import FindingThresholds

HERE = Path(__file__).resolve().parent
BEGIN, END = (
    "<!-- generated: begin. `make docs` writes what follows; do not edit it by hand. -->",
    "<!-- generated: end -->",
)
GROUPS = {
    Pages: "What is written",
    Training: "Training the built-in network",
    Analysis: "Figures and pictures",
    Budget: "Size of the files",
    Bounds: "What a model file may take",
    Place: "Where the work is done",
}
TAKERS: dict[str, Iterable[str]] = {
    "`batch`": inspect.signature(batch).parameters,
    "`render`": inspect.signature(app.render).parameters,
    "callback": [one.name for one in fields(CallbackCall)],
}


def options() -> str:
    """Return a table for each group of options, in the order of the help."""
    parts = []
    for kind, heading in GROUPS.items():
        rows = [_row(one) for one in fields(kind) if one.metadata]
        parts.append(f"## {heading}\n\n{_table(['option', 'default', 'meaning', 'allowed', 'also taken by'], rows)}")
    return "\n\n".join(parts)


def _row(one: "Field[Any]") -> list[str]:
    about = one.metadata
    value = "" if isinstance(one.default, bool) else f" {about['metavar'] or one.name.upper()}"
    takers = [who for who, names in TAKERS.items() if one.name in names]
    return [f"`--{one.name.replace('_', '-')}{value}`", _default(one), about["says"], _allowed(one), ", ".join(takers)]


def _default(one: "Field[Any]") -> str:
    if shown := one.metadata["shown"]:
        return f"`{shown}`" if "<" in shown else str(shown)
    if one.default is None or one.default is MISSING:
        return "none"
    if isinstance(one.default, bool):
        return "off"
    return f"`{','.join(one.default) if isinstance(one.default, tuple) else one.default}`"


def _allowed(one: "Field[Any]") -> str:
    if choices := one.metadata["choices"]:
        return ", ".join(f"`{choice}`" for choice in choices)
    limits = one.metadata["limits"]
    if limits == (0, 1):
        return "above 0, at most 1"
    return f"{limits[0]:,} to {limits[1]:,}" if limits else ""


def findings() -> str:
    """Return the table of findings, gravest first, and that of the thresholds."""
    kinds = [[f"`{code}`", kind.severity, str(kind.meaning)] for code, kind in KINDS.items()]
    by_name = {one.name: one for one in fields(FindingThresholds)}
    thresholds = [
        [", ".join(f"`{name}`" for name in names), ", ".join(f"`{by_name[name].default}`" for name in names), meaning]
        for names, meaning in _described(FindingThresholds, list(by_name))
    ]
    return (
        f"{_table(['code', 'severity', 'meaning'], kinds)}\n\n## Thresholds\n\n"
        f"{_table(['threshold', 'default', 'meaning'], thresholds)}"
    )


def _described(kind: type, names: list[str]) -> list[tuple[list[str], str]]:
    """Return what a docstring says about fields: "a: this. b, c: that." -> [(["a"], "this"), (["b", "c"], "that")].

    Raises ValueError where it leaves out a field.
    """
    text = " ".join((inspect.getdoc(kind) or "").split())
    one = f"(?:{'|'.join(names)})"
    pieces = re.split(rf"(?:^|(?<=\. ))({one}(?:, {one})*): ", text)[1:]
    found = [
        (names_.split(", "), said.strip().rstrip(".")) for names_, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    if missing := set(names) - {name for listed, _ in found for name in listed}:
        raise ValueError(f"the docstring of {kind.__name__} does not describe {', '.join(sorted(missing))}")
    return found


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PAGES: dict[str, Callable[[], str]] = {"options.md": options, "findings.md": findings}


def outdated(*, write: bool) -> list[str]:
    """Return the pages whose generated part is not what the code says; with `write` they are brought up to date."""
    found = []
    for name, made in PAGES.items():
        path = HERE / name
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not end:
            raise ValueError(f"docs/{name} needs the lines {BEGIN} and {END}")
        page = f"{before}{BEGIN}\n\n{made()}\n\n{END}{after}"
        if page != path.read_text(encoding="utf-8"):
            found.append(name)
            if write:
                path.write_text(page, encoding="utf-8")
    return found


if __name__ == "__main__":
    checks = "--check" in sys.argv
    stale = outdated(write=not checks)
    print("\n".join(f"docs/{name} {'is out of date; run make docs' if checks else 'is written'}" for name in stale))
    sys.exit(bool(checks and stale))

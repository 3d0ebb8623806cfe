"""The one table of options: whoever takes an option takes its default, and its help stands nowhere again."""

import inspect
from collections.abc import Callable
from dataclasses import fields

import pytest

from reportgen.analysis.units.facts import Thresholds
from reportgen.cli import app
from reportgen.cli.commands.batch import batch
from reportgen.cli.commands.prune import prune
from reportgen.options import Analysis, Bounds, Budget, CallbackCall, Options, Pages, Place, Pruning, Training
from reportgen.pipeline import flow
from reportgen.record.checks import Limits
from reportgen.record.run import Look
from reportgen.thresholds import FindingThresholds
from tests import ROOT

TABLE = {one.name: one for kind in (Training, Analysis, Pages, Budget, Bounds, Place) for one in fields(kind)}
TABLES = [ROOT / "reportgen" / "options.py", ROOT / "reportgen" / "record" / "checks.py"]


def test_no_help_of_an_option_is_typed_again() -> None:
    helps = {one.metadata["says"] for kind in (Options, Place, Pruning, Limits) for one in fields(kind) if one.metadata}
    sources = [path for path in sorted((ROOT / "reportgen").rglob("*.py")) if path not in TABLES]
    content = {path.name: path.read_text(encoding="utf-8") for path in sources}
    assert [(name, said) for name, source in content.items() for said in helps if f'"{said}"' in source] == []


@pytest.mark.parametrize("taker", [app.report, app.render, batch, prune, flow.render], ids=lambda one: one.__qualname__)
def test_who_takes_an_option_has_its_default_or_none(taker: Callable[..., object]) -> None:
    """None stands for what an earlier report has; the `out` of a batch is a folder of reports."""
    for name, parameter in inspect.signature(taker).parameters.items():
        if name in TABLE and (taker, name) != (batch, "out"):
            default = TABLE[name].default
            assert parameter.default in (default, None, ",".join(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("kind", [CallbackCall, Thresholds, Look], ids=lambda kind: kind.__name__)
def test_a_noun_with_the_name_of_an_option_has_its_default(kind: type) -> None:
    own = {one.name: one.default for one in fields(kind) if one.name in TABLE}
    assert own and own == {name: TABLE[name].default for name in own}


def test_images_are_few_for_verdicts_and_findings_alike() -> None:
    assert Thresholds().few_images == FindingThresholds().few_images

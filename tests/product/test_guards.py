"""The architecture stays as it is drawn: who may import what, and what a light command loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.helpers.builders import modules_after

HEAVY = {"tensorflow", "keras", "sklearn", "matplotlib", "weasyprint", "h5py", "numpy", "jinja2", "PIL", "rich"}


@pytest.mark.slow
@pytest.mark.parametrize("command", [["lint-imports"], ["ruff", "check"]], ids=lambda command: command[0])
def test_the_project_passes_its_own_checks(command: list[str]) -> None:
    beside_python = Path(sys.executable).parent / command[0]
    done = subprocess.run([beside_python, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_bans_heavy_imports_outside_train(tmp_path: Path) -> None:
    """The check above means something: it finds a forbidden import where one is put."""
    ruff = Path(sys.executable).parent / "ruff"
    command = [ruff, "check", "--select", "TID253", "--stdin-filename", "reportgen/render/page/page.py", "-"]
    done = subprocess.run(command, cwd=ROOT, input="import tensorflow\n", capture_output=True, text=True)
    assert done.returncode == 1
    assert "TID253" in done.stdout or "banned-module-level-imports" in done.stdout


@pytest.mark.slow
def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert not {name.split(".")[0] for name in modules_after("import reportgen.cli.app")} & HEAVY


def test_importing_the_pipeline_loads_no_model_library() -> None:
    found = {name.split(".")[0] for name in modules_after("import reportgen.pipeline")}
    assert not found & {"tensorflow", "keras", "sklearn", "matplotlib", "weasyprint", "h5py"}


@pytest.mark.slow
def test_reading_data_and_checking_files_does_not_start_tensorflow() -> None:
    modules = ("data.samples", "model.model_file", "analysis.activations.forward")
    assert "tensorflow" not in modules_after("\n".join(f"import reportgen.{module}" for module in modules))


@pytest.mark.slow
def test_a_process_of_reportgens_own_starts_without_what_no_report_uses() -> None:
    own = "from reportgen import alone; alone.begin(); import reportgen.runtime; keras = reportgen.runtime.keras"
    found = modules_after(f"{own}; keras.layers.Dense(2); import gc; assert gc.isenabled() and gc.get_freeze_count()")
    assert "keras" in found and not {"sklearn", "matplotlib", "scipy.stats"} & found


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "reportgen", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded, "the imports were not listed"
    assert not loaded & {"tensorflow", "keras", "sklearn", "matplotlib", "weasyprint"}

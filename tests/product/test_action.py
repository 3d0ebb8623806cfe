"""The action for workflows of others and the recipe for a container: sound by their linters, and run as plain shell.

Neither GitHub's machines nor a container can be had in a test. Each shell step runs with stand-ins for what it calls:
`reportgen report` copies a finished report, and `reportgen check` is the real one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reportgen.record import record_file
from tests import ROOT
from tests.conftest import clean_environment
from tests.helpers.builders import make_finding, make_record

ACTION = ROOT / "action.yml"
CONTAINER = ROOT / ".github" / "container"
RECIPE = CONTAINER / "Containerfile"
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def tool(name: str) -> str:
    found = Path(sys.executable).with_name(name)
    if not found.is_file():
        pytest.skip(f"{name} is not installed; make test installs it")
    return str(found)


def steps() -> dict[str, dict[str, Any]]:
    found = YAML(typ="safe").load(ACTION)
    return {step["name"]: step for step in found["runs"]["steps"]}


# -- what linters and readers look at ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("zizmor", ["--offline", "--no-progress", "--persona", "regular", ACTION]),
        ("check-jsonschema", ["--builtin-schema", "vendor.github-actions", ACTION]),
        ("hadolint", [RECIPE]),
    ],
    ids=["zizmor", "schema", "hadolint"],
)
def test_linters_find_nothing(name: str, arguments: list[Any]) -> None:
    done = subprocess.run([tool(name), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_step_is_pinned_and_takes_inputs_by_the_environment_alone() -> None:
    for name, step in steps().items():
        assert "${{" not in step.get("run", ""), name
        assert ("uses" in step) != (step.get("shell") == "bash"), name
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]
    workflow = (ROOT / ".github" / "workflows" / "report.yml").read_text(encoding="utf-8")
    for line in ACTION.read_text(encoding="utf-8").splitlines():
        if "uses: actions/" in line:
            assert line.strip().removeprefix("- ") in workflow, f"{line} is another version than the workflows'"


def test_the_workflow_in_the_docs_calls_the_action_as_it_is(tmp_path: Path) -> None:
    """The linter knows the inputs and outputs of an action that lies in the same repository."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (block,) = (
        found for found in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "uses: OWNER/reportgen@" in found
    )
    (tmp_path / ".git").mkdir()
    shutil.copy(ACTION, tmp_path)
    workflow = tmp_path / ".github" / "workflows" / "net.yml"
    workflow.parent.mkdir(parents=True)
    local = re.sub(r"OWNER/reportgen@\S+", "./", block)
    for change, fine in (("", True), ("baseline:", False)):
        workflow.write_text(local.replace(change, f"un{change}") if change else local, encoding="utf-8")
        done = subprocess.run([tool("actionlint"), str(workflow)], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode == 0) is fine, done.stdout


def test_the_recipe_has_what_is_needed_and_no_rights() -> None:
    recipe, ignored = RECIPE.read_text(encoding="utf-8"), RECIPE.with_name("Containerfile.dockerignore")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (libraries,) = re.findall(r"^LIBRARIES := (.+)$", makefile, re.MULTILINE)
    assert f"--no-install-recommends {libraries} " in recipe
    assert re.findall(r"^USER (.+)$", recipe, re.MULTILINE)[-1] == "10001:10001"
    allowed = {line[1:] for line in ignored.read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", recipe, re.MULTILINE) for name in line.split()
    } - {"--chmod=755"}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert os.access(CONTAINER / "nightly", os.X_OK)


@pytest.mark.slow
def test_what_the_recipe_copies_is_enough_to_build_the_package(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("reportgen", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- the steps as plain shell -----------------------------------------------------------------------------------------


@dataclass
class Machine:
    """A runner's folders, with stand-ins on its PATH that write down how they were called."""

    top: Path

    @property
    def calls(self) -> list[list[str]]:
        """What was called since the last look, without the folders above."""
        log = self.top / "calls"
        found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return [[part.replace(str(self.top), "TOP") for part in call] for call in found]

    def run(self, script: str | Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash's as GitHub does."""
        if isinstance(script, str):
            (self.top / "script.sh").write_text(script, encoding="utf-8")
            script = self.top / "script.sh"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script), *arguments],
            cwd=self.top / "work",
            env=clean_environment(
                PATH=f"{self.top / 'tools'}:{os.environ['PATH']}",
                PYTHONPATH=str(ROOT),
                RUNNER_TEMP=str(self.top / "temp"),
                GITHUB_ACTION_PATH=str(self.top / "action"),
                GITHUB_OUTPUT=str(self.top / "output"),
                GITHUB_STEP_SUMMARY=str(self.top / "summary"),
                **environment,
            ),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def step(self, name: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run a step of the action. given: the values of its environment, by their names there."""
        step = steps()[name]
        assert set(given) == set(step["env"])
        return self.run(step["run"], **given)

    @property
    def outputs(self) -> Mapping[str, str]:
        """What the steps have put out."""
        lines = (self.top / "output").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("tools", "work", "temp", "action", "made"):
        (tmp_path / name).mkdir()
    for name, content in record_file.to_bytes(make_record(findings=[make_finding(severity="warning")])).items():
        (tmp_path / "made" / name).write_bytes(content)
    stand_in = f"""#!{sys.executable}
import json, os, shutil, sys
from pathlib import Path
top, name, arguments = Path({str(tmp_path)!r}), Path(sys.argv[0]).name, sys.argv[1:]
with (top / "calls").open("a", encoding="utf-8") as log:
    log.write(json.dumps([name, *arguments]) + "\\n")
if name == "sudo":
    os.execvp(arguments[0], arguments)
if name == "python" and arguments[:2] == ["-m", "venv"]:
    (Path(arguments[2]) / "bin").mkdir(parents=True)
    shutil.copy(sys.argv[0], Path(arguments[2]) / "bin" / "python")
if name == "reportgen" and arguments[0] == "report":
    shutil.copytree(top / "made", arguments[arguments.index("--out") + 1])
elif name == "reportgen" and arguments[0] == "check":
    os.execv(sys.executable, [sys.executable, "-m", "reportgen", *arguments])
"""
    (tmp_path / "temp" / "reportgen" / "bin").mkdir(parents=True)
    for path in (tmp_path / "tools" / name for name in ("python", "make", "sudo", "reportgen")):
        path.write_text(stand_in, encoding="utf-8")
        path.chmod(0o755)
    shutil.copy(tmp_path / "tools" / "reportgen", tmp_path / "temp" / "reportgen" / "bin" / "reportgen")
    return Machine(tmp_path)


@pytest.mark.slow
def test_the_action_installs_into_an_environment_of_its_own(machine: Machine) -> None:
    shutil.rmtree(machine.top / "temp" / "reportgen")
    done = machine.step("Install", PYTHON=str(machine.top / "tools" / "python"))
    assert done.returncode == 0, done.stderr
    make = ["make", "--directory", "TOP/action", "system", "PYTHON=TOP/tools/python"]
    calls = machine.calls
    if os.geteuid() != 0:
        assert calls.pop(0) == ["sudo", *make]
    assert calls == [
        make,
        ["python", "-m", "venv", "TOP/temp/reportgen"],
        [
            "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--requirement",
            "TOP/action/requirements.txt",
        ],
        ["python", "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "TOP/action"],
    ]


@pytest.mark.slow
def test_the_action_reports_and_checks(machine: Machine) -> None:
    given = {"MODEL": "a net.keras", "DATA": "sample", "BASELINE": "", "OUT": "my report", "MORE": ""}
    more = ["--epochs=30", "--title=A net; $(id)"]
    done = machine.step("Report", **given | {"MORE": "  {}\n\n{}\n".format(*more)})
    assert done.returncode == 0, done.stderr
    assert machine.calls == [
        ["reportgen", "report", "--data", "sample", "--out", "my report", "--model", "a net.keras", *more]
    ]
    assert machine.outputs == {"report": "my report"}

    check = {"BASELINE": "", "OUT": "my report", "FAIL": "true", "LIMITS": "--fail-on=error"}
    done = machine.step("Check", **check)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.outputs["verdict"] == "met"
    assert "<testsuites" in Path(machine.outputs["junit"]).read_text(encoding="utf-8")
    assert "fail-on" in (machine.top / "summary").read_text(encoding="utf-8")

    done = machine.step("Check", **check | {"LIMITS": "--fail-on=warning\n--min-accuracy=0.5\n"})
    assert (done.returncode, machine.outputs["verdict"]) == (1, "not met")
    assert "::error::" in done.stdout
    done = machine.step("Check", **check | {"LIMITS": "--min-accuracy=1", "FAIL": "false", "BASELINE": "my report"})
    assert (done.returncode, machine.outputs["verdict"]) == (0, "not met")
    (machine.top / "output").unlink()
    done = machine.step("Check", **check | {"LIMITS": "--min-accuracy=2"})
    assert done.returncode == 2 and not (machine.top / "output").exists(), "a call that is wrong is no verdict"


@pytest.mark.slow
def test_two_nights_in_the_container(machine: Machine) -> None:
    site = machine.top / "work" / "site"
    settings = {"OUT": str(site), "DATA": "/in/small.images.npz", "MODEL": "/in/net.keras", "KEEP": "1"}
    done = machine.run(CONTAINER / "nightly", "--lang", "ja", **settings)
    assert done.returncode == 0, done.stderr
    (first,) = (site / "small").iterdir()
    made = f"TOP/work/site/small/{first.name}"
    assert [" ".join(call) for call in machine.calls] == [
        f"reportgen report --data /in/small.images.npz --out {made} --model /in/net.keras --lang ja",
        f"reportgen check {made} --fail-on error",
        "reportgen index TOP/work/site",
    ]

    first = first.rename(first.with_name("2026-01-01T030000"))
    (site / "small" / "mine").mkdir()
    done = machine.run(CONTAINER / "nightly", **settings | {"LIMITS": "--max-drop 0.1 --fail-on warning"})
    assert done.returncode == 1, done.stderr
    report, check, index = machine.calls
    assert index[1] == "index"
    assert report[-2:] == ["--baseline", f"TOP/work/site/small/{first.name}"]
    assert check[3:] == ["--baseline", f"TOP/work/site/small/{first.name}", "--max-drop", "0.1", "--fail-on", "warning"]
    assert not first.exists() and (site / "small" / "mine").is_dir()
    assert len(list((site / "small").iterdir())) == 2

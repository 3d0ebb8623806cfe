"""The workflows: sound by three linters, and report.yml's steps run one after another as plain shell.

Nothing here can run GitHub's actions, so each is replaced by what it does to files: an upload is a copy to a shelf, a
download a copy from it. Everything else, `run:` steps, conditions, outputs and expressions, is taken from the file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests import ROOT
from tests.conftest import clean_environment

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
REPORT = ROOT / ".github" / "workflows" / "report.yml"
DEPENDABOT = ROOT / ".github" / "dependabot.yml"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


# What linters and readers look at.


def tool(name: str) -> str:
    found = Path(sys.executable).with_name(name)
    if not found.is_file():
        pytest.skip(f"{name} is not installed; make test installs it")
    return str(found)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("zizmor", ["--offline", "--no-progress", "--persona", "regular", *WORKFLOWS, DEPENDABOT]),
        ("check-jsonschema", ["--builtin-schema", "vendor.github-workflows", *WORKFLOWS]),
        ("check-jsonschema", ["--builtin-schema", "vendor.dependabot", DEPENDABOT]),
        ("actionlint", WORKFLOWS),
    ],
    ids=["zizmor", "schema", "schema of dependabot", "actionlint"],
)
def test_linters_find_nothing(name: str, arguments: list[Any]) -> None:
    done = subprocess.run([tool(name), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_are_awake(tmp_path: Path) -> None:
    """Each finds something in a workflow that is wrong in its own field."""
    bad = tmp_path / "bad.yml"
    bad.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - uses: actions/checkout@v4\n      - run: echo ${{ github.event.pull_request.title }} ${{ oops }}\n"
        "    timeout: 3\n"
    )
    for name, arguments in (
        ("zizmor", ["--offline", "--no-progress"]),
        ("check-jsonschema", ["--builtin-schema", "vendor.github-workflows"]),
        ("actionlint", []),
    ):
        assert subprocess.run([tool(name), *arguments, str(bad)], cwd=tmp_path, capture_output=True).returncode != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_is_bounded_and_has_the_least_rights(path: Path) -> None:
    found = read(path)
    assert found["permissions"] == {}
    assert found["concurrency"]["group"]
    for name, job in found["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert "permissions" in job, name
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), name
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r"# v\d+\.\d+\.\d+$", line), line


def test_only_the_mail_job_sees_secrets_and_only_publishing_may_deploy() -> None:
    jobs = read(REPORT)["jobs"]
    assert [name for name, job in jobs.items() if "secrets." in json.dumps(job)] == ["mail"]
    assert [name for name, job in jobs.items() if "pages" in job["permissions"]] == ["publish"]
    assert [step.get("run") for step in jobs["publish"]["steps"]] == [None]  # it runs nothing of this repository
    assert all(access == "read" for access in jobs["build"]["permissions"].values())
    assert jobs["mail"]["permissions"] == {"contents": "read"}
    with_password = [step for step in jobs["mail"]["steps"] if "PASSWORD" in json.dumps(step)]
    assert [step["name"] for step in with_password] == ["Send"]


def test_a_release_is_checked_before_the_one_job_that_may_publish_it() -> None:
    found = read(REPORT.with_name("release.yml"))
    jobs = found["jobs"]
    assert found["on"] == {"push": {"tags": ["v*"]}}
    assert (jobs["check"]["needs"], jobs["publish"]["needs"]) == ("build", "check")
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert [step.get("run") for step in jobs["publish"]["steps"]] == [None, None]  # nothing of this repository
    assert "secrets." not in json.dumps(jobs)
    assert all("cache" not in step.get("with", {}) for job in jobs.values() for step in job["steps"])


def test_the_schedule_stands_in_a_file_of_its_own() -> None:
    assert [path.name for path in WORKFLOWS if "schedule" in read(path)["on"]] == ["report.yml"]
    assert set(read(REPORT)["on"]) == {"schedule", "push", "workflow_dispatch"}
    assert set(read(REPORT.with_name("test.yml"))["on"]) == {"push", "pull_request"}


def test_the_tests_run_on_every_python_that_is_supported() -> None:
    matrix = read(REPORT.with_name("test.yml"))["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11,<3.14"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_job_for_gitlab_in_the_docs_is_sound(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "script:" in block]
    assert blocks
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yml").write_text(block, encoding="utf-8")
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# The steps of report.yml as plain shell.


@dataclass
class Night:
    """One run of the workflow.

    jobs: "success", "failure" or "skipped" of each job. outcomes: of each step that has an id, by "job.id".
    outputs: of each job. said: what all steps wrote. summary: what they wrote into the job summary. artifacts: by name.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    said: str = ""
    summary: str = ""
    artifacts: dict[str, Path] = field(default_factory=dict)


class Runner:
    """Runs report.yml in folders below `top`, as GitHub would. published: what the Pages site holds."""

    def __init__(self, top: Path, source: Path, data: Path) -> None:
        self.top, self.source, self.data = top, source, data
        self.published = top / "pages"
        self.nights = 0
        self.epochs = 1
        self.secrets: dict[str, str] = {}
        self.earlier: dict[str, Path] = {}
        self._tools = _stand_ins(top / "tools")

    def run(self) -> Night:
        """Run all jobs in their order, and keep the artifacts for the next night."""
        self.nights += 1
        night, workflow = Night(), read(REPORT)
        for name, job in workflow["jobs"].items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            assert set(needs) <= set(night.jobs), "jobs stand in the order of their needs"
            context: dict[str, Any] = {
                "needs": {need: {"result": night.jobs[need], "outputs": night.outputs.get(need, {})} for need in needs},
                "inputs": {"data": str(self.data), "epochs": self.epochs},
                "secrets": self.secrets,
                "github": {"token": "a-token"},
                "steps": {},
            }
            fine = all(night.jobs[need] == "success" for need in needs)
            if not _value(job.get("if", "success()"), context, fine):
                night.jobs[name] = "skipped"
                continue
            night.jobs[name] = self._job(name, job, context, night)
            night.outputs[name] = {key: _filled(value, context) for key, value in job.get("outputs", {}).items()}
        self.earlier = night.artifacts
        return night

    def _job(self, name: str, job: dict[str, Any], context: dict[str, Any], night: Night) -> str:
        folder = self.top / f"night{self.nights}" / name
        folder.mkdir(parents=True)
        context["env"] = {key: _filled(value, context) for key, value in job.get("env", {}).items()}
        fine = True
        for number, step in enumerate(job["steps"]):
            if not _value(step.get("if", "success()"), context, fine):
                continue
            given = {key: _filled(value, context) for key, value in step.get("with", {}).items()}
            if "uses" in step:
                outputs, done = self._action(step["uses"].partition("@")[0], given, folder, night), True
            else:
                outputs, done = self._shell(step, context, folder, f"{name}{number}", night)
            if "id" in step:
                night.outcomes[f"{name}.{step['id']}"] = outcome = "success" if done else "failure"
                context["steps"][step["id"]] = {"outputs": outputs, "outcome": outcome}
            fine = fine and (done or bool(step.get("continue-on-error")))
        return "success" if fine else "failure"

    def _shell(
        self, step: dict[str, Any], context: dict[str, Any], folder: Path, name: str, night: Night
    ) -> tuple[dict[str, str], bool]:
        temporary = self.top / f"night{self.nights}" / "temporary" / name
        temporary.mkdir(parents=True)
        output, summary = temporary / "output", temporary / "summary"
        for path in (output, summary):
            path.touch()
        own = {key: _filled(value, context) for key, value in step.get("env", {}).items()}
        environment = clean_environment(
            PATH=f"{self._tools}:{os.environ['PATH']}",
            PYTHONPATH=str(folder),
            HOME=str(self.top / "home"),
            GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(summary),
            GITHUB_REPOSITORY="Owner/net",
            GITHUB_REPOSITORY_OWNER="Owner",
            GITHUB_RUN_NUMBER=str(8 + self.nights),  # 9, then 10: not the order of the alphabet
            GITHUB_RUN_ATTEMPT="1",
            PUBLISHED_BEFORE=str(self.earlier.get("github-pages", "")),
            **context["env"],
            **own,
        )
        script = temporary / "script.sh"
        script.write_text(step["run"])
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        night.said += f"\n$ {step.get('name')} ({done.returncode})\n{done.stdout}"
        night.summary += summary.read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in output.read_text().splitlines()), done.returncode == 0

    def _action(self, name: str, given: dict[str, str], folder: Path, night: Night) -> dict[str, str]:
        """Do to files what an action does to them, and return its outputs."""
        match name:
            case "actions/checkout":
                shutil.copytree(self.source, folder, dirs_exist_ok=True, symlinks=True)
            case "actions/setup-python" | "actions/cache":
                pass
            case "actions/upload-artifact":
                night.artifacts[given["name"]] = kept = self.top / f"night{self.nights}" / "artifacts" / given["name"]
                shutil.copytree(folder / given["path"], kept)
            case "actions/download-artifact":
                shutil.copytree(night.artifacts[given["name"]], folder / given["path"])
            case "actions/upload-pages-artifact":
                night.artifacts["github-pages"] = kept = self.top / f"night{self.nights}" / "artifacts" / "github-pages"
                kept.mkdir(parents=True)
                with tarfile.open(kept / "artifact.tar", "w") as archive:
                    archive.add(folder / given["path"], ".")
            case "actions/deploy-pages":
                shutil.rmtree(self.published, ignore_errors=True)
                with tarfile.open(night.artifacts["github-pages"] / "artifact.tar") as archive:
                    archive.extractall(self.published, filter="data")
                return {"page_url": "https://owner.github.io/net/"}
            case _:
                raise AssertionError(f"{name} is new here: say what it does to files")
        return {}


def _filled(value: Any, context: dict[str, Any]) -> str:
    """Return a value of the workflow with its expressions filled in, as the text that GitHub makes of it."""
    found = re.sub(r"\$\{\{(.*?)\}\}", lambda part: str(_value(part[1], context, True) or ""), str(value))
    return found


def _value(expression: str, context: dict[str, Any], fine: bool) -> Any:
    """Return what an expression of the small part of GitHub's language that is used here says."""

    def python(part: re.Match[str]) -> str:
        if part["text"]:
            return part["text"]
        if part["sign"]:
            return {"&&": " and ", "||": " or ", "!": " not ", "!=": "!="}[part["sign"]]
        if part["call"]:
            return str({"success()": fine, "cancelled()": False}[part["call"]])
        return f"look({part['path']!r})"

    def look(path: str) -> Any:
        found: Any = context
        for key in path.split("."):
            found = found.get(key, "") if isinstance(found, dict) else ""
        return found

    inside = re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", expression)
    grammar = r"(?P<text>'[^']*')|(?P<sign>&&|\|\||!=|!)|(?P<call>\w+\(\))|(?P<path>[A-Za-z_][\w.-]*)"
    return eval(re.sub(grammar, python, inside).strip(), {"__builtins__": {}}, {"look": look})


def _stand_ins(folder: Path) -> Path:
    """Write what GitHub's machines have and others lack: sudo, and gh for the two calls that are made of it."""
    folder.mkdir()
    (folder / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (folder / "gh").write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/gh.py "$@"\n')
    (folder / "gh.py").write_text(
        """
import json, os, shutil, subprocess, sys
earlier, arguments = os.environ["PUBLISHED_BEFORE"], sys.argv[1:]
assert os.environ["GH_TOKEN"] == "a-token"
if arguments[0] == "api":
    assert arguments[1] == "repos/Owner/net/actions/artifacts?name=github-pages"
    assert arguments[2] == "--jq"
    def artifact(run, branch="main", head=1, expired=False):
        return {"expired": expired,
                "workflow_run": {"id": run, "head_branch": branch, "repository_id": 1, "head_repository_id": head}}
    # newest first: of somebody's fork, of another branch, expired, ours, an older one of ours
    others = [artifact(5, head=2), artifact(4, branch="try"), artifact(3, expired=True)]
    listed = {"artifacts": others + ([artifact(42), artifact(1)] if earlier else [])}
    if shutil.which("jq"):
        command = ["jq", "--raw-output", arguments[3]]
        sys.exit(subprocess.run(command, input=json.dumps(listed), text=True).returncode)
    print(42 if earlier else "")
else:
    assert arguments[:3] == ["run", "download", "42"], arguments
    assert arguments[3:7] == ["--repo", "Owner/net", "--name", "github-pages"], arguments
    assert arguments[7] == "--dir"
    shutil.copytree(earlier, arguments[8])
"""
    )
    for name in ("sudo", "gh"):
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the files of this checkout, with this Python in the place of its environment.

    Nothing is installed: `make` finds .venv/ready newer than what it depends on. The network that it trains is a small
    one: a report on few units is printed in a fraction of the time.
    """
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a Git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    copy = tmp_path_factory.mktemp("workflow") / "checkout"
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    for compiled in (ROOT / "reportgen").rglob("__pycache__"):  # else each job of each night compiles it all again
        # others compile meanwhile, into files that are renamed
        shutil.copytree(compiled, copy / compiled.relative_to(ROOT), ignore=shutil.ignore_patterns("*.pyc.*"))
    network = copy / "reportgen" / "model" / "network.py"
    sources = network.read_text(encoding="utf-8")
    for large, small in (("Conv2D(16,", "Conv2D(2,"), ("Conv2D(32,", "Conv2D(2,"), ("Dense(64,", "Dense(4,")):
        assert sources.count(large) == 1
        sources = sources.replace(large, small)
    network.write_text(sources, encoding="utf-8")
    tools = copy / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").symlink_to(sys.executable)
    less = '[ "$1" != report ] || set -- "$@" --shifts none --examples 1'
    (tools / "reportgen").write_text(f'#!/bin/sh\n{less}\nexec {sys.executable} -m reportgen "$@"\n')
    (tools / "reportgen").chmod(0o755)
    (copy / ".venv" / "ready").touch()
    return copy


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an .npz of 300 of the bundled digits: 200 to train on, 100 to test."""
    with np.load(ROOT / "reportgen" / "digits" / "sample.npz") as digits:
        parts = {name: digits[name] for name in digits.files}
    path = tmp_path_factory.mktemp("data") / "small.npz"
    sizes = {"x_train": 200, "y_train": 200, "x_test": 100, "y_test": 100}
    np.savez(path, **{name: parts[name][:size] for name, size in sizes.items()})
    return path


@pytest.fixture
def posted() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """A mail server on loopback: the secrets that lead to it, and what it was sent."""
    from aiosmtpd.controller import Controller

    class Inbox:
        def __init__(self) -> None:
            self.mails: list[bytes] = []

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.mails.append(envelope.content)
            return "250 OK"

    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    yield (
        {
            "REPORTGEN_SMTP_HOST": "127.0.0.1",
            "REPORTGEN_SMTP_PORT": str(controller.port),
            "REPORTGEN_SMTP_SECURITY": "none",
            "REPORTGEN_SMTP_FROM": "nightly@example.org",
            "REPORTGEN_MAIL_TO": "a@example.org,b@example.org",
        },
        inbox.mails,
    )
    controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.slow
def test_two_nights_from_checkout_to_published_index(
    tmp_path: Path, checkout: Path, small: Path, posted: tuple[dict[str, str], list[bytes]]
) -> None:
    runner = Runner(tmp_path, checkout, small)
    (tmp_path / "home").mkdir()

    # The first night there is nothing to compare with, no mail server is known, and a network that saw 200 digits once
    # misses the limits of full MNIST: it is published all the same, and then the run fails.
    first = runner.run()
    assert first.jobs == {"build": "success", "publish": "success", "mail": "success", "verdict": "failure"}, first.said
    assert first.outcomes["build.check"] == "failure"
    assert "Nothing was published before." in first.said
    assert "nothing is sent" in first.said
    assert "min-accuracy" in first.summary
    assert "not met" in first.summary
    (report,) = (runner.published / "small").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-9-1", report.name)
    assert {"report.html", "report.pdf", "report.json", "record.npz"} <= {path.name for path in report.iterdir()}
    assert json.loads((report / "report.json").read_text(encoding="utf-8"))["baseline"] is None
    kept = first.artifacts["report"]
    assert (kept / "report" / "report.pdf").read_bytes() == (report / "report.pdf").read_bytes()
    assert "<testsuites" in (kept / "check" / "check.xml").read_text(encoding="utf-8")

    # The second night has limits that it meets, a report to compare with, which is another, and a mail server.
    pyproject = checkout / "pyproject.toml"
    head, table, _ = pyproject.read_text(encoding="utf-8").partition("[tool.reportgen.check]\n")
    assert table, "the limits of the nightly job stand in pyproject.toml"
    pyproject.write_text(f"{head}{table}min-accuracy = 0.01\n", encoding="utf-8")
    (checkout / ".venv" / "ready").touch()
    runner.epochs = 2
    runner.secrets, mails = posted
    second = runner.run()
    assert set(second.jobs.values()) == {"success"}, second.said
    assert "max-drop" in second.summary
    reports = sorted((runner.published / "small").iterdir(), key=lambda path: len(path.name))
    assert [path.name[11:] for path in reports] == ["9-1", "10-1"]
    assert json.loads((reports[1] / "report.json").read_text(encoding="utf-8"))["baseline"] is not None
    index = (runner.published / "index.html").read_text(encoding="utf-8")
    for path in reports:
        assert f'href="small/{path.name}/report.html"' in index
    feed = (runner.published / "feed.xml").read_text(encoding="utf-8")
    assert f"https://Owner.github.io/net/small/{reports[1].name}/report.html" in feed
    (mail,) = mails
    assert b"application/pdf" in mail
    assert b"a@example.org" in mail

"""Fixtures that several test files share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without what would change a report, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    return kept | extra


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that runs reportgen as a user does, in a fresh process and an empty folder."""

    def call(*arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reportgen", *map(str, arguments)],
            cwd=cwd or tmp_path_factory.mktemp("cwd"),
            env=clean_environment(**extra),
            capture_output=True,
            text=True,
            timeout=300,
        )

    return call


@pytest.fixture(scope="session")
def made_report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one real report: the built-in network, two epochs on the bundled digits."""
    folder = tmp_path_factory.mktemp("made") / "digits"
    done = run("report", "--epochs", 2, "--out", folder, SOURCE_DATE_EPOCH="1764000000")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def report_copy(made_report: Path, tmp_path: Path) -> Path:
    """Return a copy of the real report that a test may change."""
    return Path(shutil.copytree(made_report, tmp_path / "digits"))

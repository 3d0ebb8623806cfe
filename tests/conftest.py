"""Fixtures that several test files share."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers import markers
from tests.helpers.forked import Server

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    markers.keep_out(markers.deselected(config.option.markexpr))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    of_interest = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    if of_interest and markers.is_whole_file(collection_path, markers.deselected(config.option.markexpr)):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"made_report", "report_copy"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


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
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a function as `run`, for calls that start no TensorFlow: 0.1 s each instead of one second."""
    server = Server()

    def call(*arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        assert not any(name.startswith(("PYTHON", "LC_")) for name in extra), "Python reads these when it starts"
        return server.call(
            [str(each) for each in arguments], cwd or tmp_path_factory.mktemp("cwd"), clean_environment(**extra)
        )

    yield call
    server.end()


@pytest.fixture(scope="session")
def made_report(run: Run, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the folder of one real report: the built-in network, two epochs on the bundled digits.

    It is made once, by whichever worker comes first.
    """
    top = tmp_path_factory.getbasetemp()
    folder = (top if worker_id == "master" else top.parent) / "made" / "digits"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent.parent / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            done = run("report", "--epochs", 2, "--out", folder, SOURCE_DATE_EPOCH="1764000000")
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def report_copy(made_report: Path, tmp_path: Path) -> Path:
    """Return a copy of the real report that a test may change."""
    return Path(shutil.copytree(made_report, tmp_path / "digits"))

"""Fixtures that several test files share."""

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers import markers
from tests.helpers.browsing import CHROMIUM
from tests.helpers.forked import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from reportgen.record.run import Record

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so starts a shell what runs in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    markers.keep_out(markers.deselected(config.option.markexpr))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    of_interest = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    if of_interest and markers.is_whole_file(collection_path, markers.deselected(config.option.markexpr)):
        return True
    return None


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported by now, TensorFlow above all, is not looked through again and again
    gc.set_threshold(100_000, 20, 50)  # as in reportgen's own processes: hardly anything of a page is garbage


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
    yield calling(server, tmp_path_factory, ("PYTHON", "LC_"))
    server.end()


@pytest.fixture(scope="session")
def forks() -> Iterator[Server]:
    """Return what forks processes that find TensorFlow imported, which takes seconds else: for what `warm` lacks."""
    server = Server(with_tensorflow=True)
    yield server
    server.end()


@pytest.fixture(scope="session")
def warm(forks: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function as `run`, for calls that need TensorFlow: they are forked, see `forks`."""
    return calling(forks, tmp_path_factory, ("PYTHON", "LC_", "TF_", "KERAS_"))


def calling(server: Server, folders: pytest.TempPathFactory, too_late: tuple[str, ...]) -> Run:
    """Return what calls reportgen through `server`. too_late: how variables begin that are read before it forks."""

    def call(*arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        assert not any(name.startswith(too_late) for name in extra), f"{too_late} are read when a process starts"
        return server.call([str(each) for each in arguments], cwd or folders.mktemp("cwd"), clean_environment(**extra))

    return call


@pytest.fixture(scope="session")
def made_report(warm: Run, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the folder of one real report: the built-in network, two epochs on the bundled digits.

    It is made once, by whichever worker comes first.
    """
    top = tmp_path_factory.getbasetemp()
    folder = (top if worker_id == "master" else top.parent) / "made" / "digits"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent.parent / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            done = warm("report", "--epochs", 2, "--out", folder, SOURCE_DATE_EPOCH="1764000000")
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pages blank where a test looks at figures: of a tiny model, painting takes half of a report's time."""
    leave_blank(monkeypatch)


def leave_blank(patch: pytest.MonkeyPatch) -> None:
    """Do what `unpainted` does as long as `patch` lasts: for fixtures that last longer than a test."""
    from reportgen.pipeline.painting import Painted, Painter

    def paint(painter: Painter, record: "Record", **_: object) -> Painted:
        files = {"report.html": b"<p>left blank by a test"} if "html" in painter._formats else {}
        return Painted(painter._told(record), files, painter._problems())

    patch.setattr(Painter, "paint", paint)


@pytest.fixture
def unmeasured(unpainted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what `unpainted` does, and what `leave_out` does: for tests that look at scores and verdicts."""
    leave_out(monkeypatch)


def leave_out(patch: pytest.MonkeyPatch) -> None:
    """Leave out the effects of units and what explains single images, as of a model for which they would take hours."""
    from reportgen.analysis import collected
    from reportgen.analysis.effects import layers as effects

    patch.setattr(effects, "MOST_WORK", 1)
    patch.setattr(collected, "_targets", lambda *_: [])


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run models as they are, which no user does: for tests that do not look at what comes out of a model.

    A model is traced longer than it runs on a few images.
    """
    from reportgen.analysis.activations import forward

    monkeypatch.setattr(forward, "compiled", forward.as_it_is)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Return a Chromium; tests.helpers.browsing.opened opens a page in it.

    Playwright's event loop stays with the thread while it is there, and would stand in the way of others' asyncio.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; make test installs one where it can")
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield started
        started.close()


@pytest.fixture
def report_copy(made_report: Path, tmp_path: Path) -> Path:
    """Return a copy of the real report that a test may change."""
    return Path(shutil.copytree(made_report, tmp_path / "digits"))

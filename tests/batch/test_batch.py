"""`reportgen batch`: many models, some of them broken, in processes that may be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.batch import finished, items
from reportgen.batch.items import Item
from reportgen.errors import InputError
from reportgen.options import Options
from tests import ROOT
from tests.conftest import Run, clean_environment
from tests.helpers.builders import assert_one_line

GOOD, BROKEN = 3, 2
FILES = ["record.npz", "report.html", "report.json"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the models net00 ... net04, of which the last two are broken, and data for them."""
    from reportgen.runtime import keras
    from tests.helpers.passes import randomise

    folder = tmp_path_factory.mktemp("batch")
    (folder / "models").mkdir()
    layers = keras.layers
    net = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    for n in range(GOOD):
        if n < 2:
            randomise(net, n).save(folder / "models" / f"net{n:02}.keras")
        else:
            shutil.copy(folder / "models" / f"net{n % 2:02}.keras", folder / "models" / f"net{n:02}.keras")
    whole = (folder / "models" / "net00.keras").read_bytes()
    (folder / "models" / "net03.keras").write_bytes(whole[: len(whole) // 2])
    (folder / "models" / "net04.keras").write_bytes(b"no model")
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1)).astype(np.uint8)
    np.savez(folder / "data.npz", x_test=images, y_test=np.arange(60) % 3)
    return folder


ARGUMENTS = ("--data", "data.npz", "--formats", "html", "--shifts", "none")
TWO = ("--jobs", "2")


@dataclass
class Made:
    """A batch that was made. out: its folder."""

    out: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def made(home: Path, run: Run) -> Made:
    done = run("batch", "models/*.keras", *ARGUMENTS, *TWO, "--out", "site", cwd=home)
    return Made(home / "site", done)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what tells whether the files of a folder were written to."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@pytest.mark.tensorflow
def test_each_good_model_has_its_report_and_the_broken_ones_are_named(made: Made) -> None:
    assert made.done.returncode == 1, made.done.stderr
    names = [f"net{n:02}" for n in range(GOOD)]
    assert sorted(path.name for path in made.out.iterdir()) == ["feed.xml", "index.html", *names]
    assert all(sorted(path.name for path in (made.out / name).iterdir()) == FILES for name in names)
    printed = made.done.stdout.splitlines()
    assert sorted(printed) == sorted(
        [*(f"site/{name}/{file}" for name in names for file in FILES), "site/index.html", "site/feed.xml"]
    )
    *named, last = [line for line in made.done.stderr.splitlines() if line.startswith("reportgen: error: ")]
    assert len(named) == BROKEN
    assert "models/net03.keras is cut off or damaged" in "".join(named)
    assert "models/net04.keras is neither" in "".join(named)
    assert "2 of 5 models failed" in last


@pytest.mark.tensorflow
def test_each_report_is_about_its_own_model(made: Made, home: Path) -> None:
    hashes = [json.loads((made.out / f"net{n:02}" / "report.json").read_text())["provenance"] for n in range(GOOD)]
    assert hashes[0]["model_sha256"] == hashes[2]["model_sha256"] != hashes[1]["model_sha256"]
    assert hashes[2]["command"] == "reportgen report --data data.npz --model models/net02.keras --shifts none"
    index = (made.out / "index.html").read_text()
    assert all(f"net{n:02}/report.html" in index for n in range(GOOD))


@pytest.fixture
def without_tensorflow(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which importing TensorFlow or Keras ends the process."""
    for name in ("tensorflow", "keras"):
        (tmp_path / "blocked" / name).mkdir(parents=True)
        (tmp_path / "blocked" / name / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "blocked"), str(ROOT)])}


@pytest.mark.tensorflow
def test_a_second_run_does_nothing(made: Made, home: Path, run: Run, without_tensorflow: dict[str, str]) -> None:
    before = files(made.out)
    done = run("batch", "models/net0[0-2].keras", *ARGUMENTS, *TWO, "--out", "site", cwd=home, **without_tensorflow)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Nothing is to be done" in done.stderr
    again = run("batch", "models/*.keras", *ARGUMENTS, *TWO, "--out", "site", cwd=home, **without_tensorflow)
    assert (again.returncode, again.stdout) == (1, ""), again.stderr
    assert "net03.keras" in again.stderr and "net04.keras" in again.stderr
    assert files(made.out) == before


def wanted(out: Path, **changes: Any) -> Options:
    return replace(Options(out=out, formats=["html"], shifts="none"), **changes)


@pytest.mark.tensorflow
def test_a_report_is_made_again_where_anything_that_it_names_has_changed(
    made: Made, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(home)
    item, out = Item("models/net02.keras", "data.npz", None, "net02"), made.out / "net02"
    data_sha256 = json.loads((out / "report.json").read_text())["provenance"]["data_sha256"]

    def there(item: Item = item, out: Path = out, data: str = data_sha256, **changes: Any) -> bool:
        return finished.is_there(item, wanted(out, **changes), lambda name, choose: data)

    assert there()
    assert finished.is_there(item, wanted(out), finished.fingerprint_of(wanted(out)))
    assert not there(data="other")
    assert not there(examples=3)
    assert not there(lang="ja")
    assert not there(formats=["html", "pdf"])
    assert not there(replace(item, title="Another"))
    assert not there(replace(item, model="models/net01.keras"))
    assert not there(out=made.out / "nowhere")
    monkeypatch.setattr(finished, "__version__", "9.9.9")
    assert not there()
    monkeypatch.undo()
    monkeypatch.chdir(home)
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    assert there(out=copy)
    (copy / "report.json").write_bytes(b'{"schema": []}')
    assert not there(out=copy)


@pytest.mark.tensorflow
def test_another_model_under_the_same_name_is_seen(made: Made, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    path = home / "models" / "net02.keras"
    kept = path.read_bytes()
    item, found = Item("models/net02.keras", "data.npz", None, "net02"), wanted(made.out / "net02")
    fingerprint = finished.fingerprint_of(found)
    assert finished.is_there(item, found, fingerprint)
    try:
        path.write_bytes((home / "models" / "net01.keras").read_bytes())
        assert not finished.is_there(item, found, fingerprint)
    finally:
        path.write_bytes(kept)


# Killed


def started(home: Path, out: str, *models: str, jobs: int = 2) -> subprocess.Popen[str]:
    """Start a batch in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "reportgen", "batch", *models, *ARGUMENTS, "--jobs", str(jobs), "--out", out],
        cwd=home,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def group(leader: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(its) == leader and state != "Z":
                found.append(int(folder.name))
    return found


def until(what: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
    return found


def reports(out: Path) -> list[str]:
    """Name the finished ones; one that is being written lies in a hidden folder."""
    return sorted(name for path in out.glob("*/report.json") if not (name := path.parent.name).startswith("."))


def workers(leader: int) -> list[int]:
    """Return the processes that make reports, not the one that Python keeps account of its resources with."""
    return [
        pid
        for pid in group(leader)
        if pid != leader and b"spawn_main" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    ]


@pytest.fixture
def begun() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        for pid in group(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.tensorflow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the process list of Linux")
def test_a_batch_that_was_killed_goes_on_where_it_was(home: Path, begun: list[subprocess.Popen[str]]) -> None:
    models, out = [f"models/net{n:02}.keras" for n in range(GOOD)], home / "killed"
    first = started(home, "killed", *models, jobs=1)
    begun.append(first)
    until(lambda: len(reports(out)) >= 1)
    first.kill()
    first.communicate()
    until(lambda: not group(first.pid), seconds=20)
    there = reports(out)
    assert 1 <= len(there) < GOOD
    assert all(sorted(path.name for path in (out / name).iterdir()) == FILES for name in there)

    before = files(out)
    second = started(home, "killed", *models)
    begun.append(second)
    jobs = min(2, GOOD - len(there))
    os.kill(until(lambda: len(found := workers(second.pid)) == jobs and found)[0], signal.SIGSEGV)
    said = second.communicate(timeout=120)[1]
    assert second.returncode == 1, said
    assert f"{len(there)} of 3 reports are there" in said
    assert "ended by signal 11 over models/net" in said
    assert "1 of 3 models failed" in said
    assert len(reports(out)) == GOOD - 1
    assert {name: stamp for name, stamp in files(out).items() if name in before} == before
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the process list of Linux")
@pytest.mark.tensorflow
def test_a_signal_ends_all_processes(
    home: Path, begun: list[subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    process = started(home, f"stopped{code}", "models/net00.keras", "models/net01.keras")
    begun.append(process)
    until(lambda: len(workers(process.pid)) == 2)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == code, said
    assert len([line for line in said.splitlines() if line.startswith("reportgen: error: ")]) == 1, said
    assert "Traceback" not in said
    until(lambda: not group(process.pid), seconds=20)


@pytest.mark.tensorflow
def test_a_model_that_takes_too_long_to_load_is_given_up(home: Path, run: Run) -> None:
    done = run(
        "batch", "models/net00.keras", *ARGUMENTS, *TWO, "--out", "late", "--max-load-seconds", "0.001", cwd=home
    )
    assert done.returncode == 1
    assert "Keras was still at it after 0.001 s" in done.stderr
    assert reports(home / "late") == []


# Which models


def named(*given: str, data: str = "sample") -> dict[str, str]:
    return {item.name: item.model for item in items.listed(given, data)}


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["a/one.keras", "b/two.h5"], ["one", "two"]),
        (["a/best.keras", "b/best.keras", "b/last.keras"], ["a-best", "b-best", "last"]),
        (["x/a/best.keras", "y/a/best.keras"], ["x-a-best", "y-a-best"]),
        (["a/Best.keras", "b/best.keras"], ["a-Best", "b-best"]),
        (["a/net.keras", "a/net.h5"], ["net.keras", "net.h5"]),
        (["a/net.keras", "a/net.keras"], ["net"]),
        (["-rf.keras", ".hidden.keras", "a b;c.keras"], ["rf", "hidden", "a_b_c"]),
        (["数字.keras"], ["数字"]),
        ([f"{'x' * 300}.keras"], ["x" * 100]),
    ],
)
def test_folders_are_called_after_the_files(models: list[str], names: list[str]) -> None:
    assert list(named(*models)) == names


def test_names_that_are_made_safe_do_not_collide() -> None:
    assert len(named("/a b.keras", "/a_b.keras", "/a;b.keras")) == 3


def test_patterns_and_tables_name_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("m/b.keras", "m/a.keras", "m/deep/c.h5", "own.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert named("m/*.keras", "m/**/*.h5") == {"a": "m/a.keras", "b": "m/b.keras", "c": "m/deep/c.h5"}
    (tmp_path / "all.csv").write_text("model,data,title\nm/a.keras,own.npz,The first\nm/b.keras,,\n")
    assert items.listed(["all.csv", "m/deep/c.h5"], "mnist") == [
        Item("m/a.keras", "own.npz", "The first", "a"),
        Item("m/b.keras", "mnist", None, "b"),
        Item("m/deep/c.h5", "mnist", None, "c"),
    ]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "none"),
        ("path\na.keras\n", "'path'"),
        ("model,colour\na.keras,red\n", "'colour'"),
        ("model\na.keras,b.npz\n", "line 2"),
        ("data,model\nsample,\n", "line 2"),
        ("model\n", "no model is named"),
        ('model\n"a.keras\n', "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "models.csv").write_text(table)
    with pytest.raises(InputError) as caught:
        items.listed([str(tmp_path / "models.csv")], "sample")
    assert_one_line(caught.value, says)


@pytest.mark.parametrize(("given", "says"), [("no*.keras", "no file fits 'no*.keras'"), (".", "is a folder")])
def test_what_names_no_file_is_refused(given: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        items.listed([given], "sample")
    assert_one_line(caught.value, says)


@pytest.mark.slow
def test_what_is_wrong_with_every_report_is_said_once(light: Run) -> None:
    done = light("batch", "a.keras", "b.keras", "--pixels", "0-7")
    assert done.returncode == 2
    assert done.stderr.count("reportgen: error:") == 1 and "--pixels" in done.stderr

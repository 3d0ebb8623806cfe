"""What nobody named but lies there: pipes, bombs and odd values are one line, and nothing is waited for or unpacked."""

import dataclasses
import email
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from reportgen import files, scratch
from reportgen.cli.app import app
from reportgen.errors import InputError, explained
from reportgen.i18n import Text, literal
from reportgen.model import history
from reportgen.record import arrays, record_file
from reportgen.record.run import Record
from reportgen.render.charts import geometry
from tests.helpers import hostile
from tests.helpers.builders import assert_one_line, changed_from, make_finding, make_history, make_record

SHA = "a" * 64
PDF = b"%PDF-1.7\n"
Run = Callable[..., Any]


def put(folder: Path, record: Record | None = None) -> Path:
    folder.mkdir(parents=True)
    for name, content in record_file.to_bytes(record or make_record()).items():
        (folder / name).write_bytes(content)
    (folder / "report.pdf").write_bytes(PDF)
    return folder


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command in this process. Who waits for a pipe is ended by the test's alarm."""
    monkeypatch.setenv("REPORTGEN_SMTP_FROM", "a@example.org")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def commands(folder: Path, other: Path, out: Path) -> dict[str, list[object]]:
    """Return every command that reads the report in `folder`. other: one that is whole."""
    return {
        "render": ["render", folder, "--out", out, "--formats", "html"],
        "check": ["check", folder, "--min-accuracy", "0.1"],
        "junit": ["check", folder, "--min-accuracy", "0.1", "--junit", out],
        "baseline": ["check", other, "--max-drop", "0.1", "--baseline", folder],
        "compare": ["compare", other, folder],
        "compared": ["compare", folder, other],
        "email": ["email", folder, "--to", "b@example.org", "--dry-run", out],
        "log": ["log", folder, "--to", f"tensorboard:{out}"],
    }


NAMES = list(commands(Path(), Path(), Path()))


# Files that are none


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["report.json", "record.npz"])
def test_a_pipe_is_not_waited_for(run: Run, tmp_path: Path, name: str, file: str) -> None:
    folder, other = put(tmp_path / "a"), put(tmp_path / "b")
    (folder / file).unlink()
    os.mkfifo(folder / file)
    done = run(*commands(folder, other, tmp_path / "out")[name])
    if name == "baseline" and file == "record.npz":  # which needs the headline alone
        assert done.exit_code == 0
        return
    assert done.exit_code == 2, done.output
    assert re.fullmatch(r"(Reading .+\n)?reportgen: error: .+ (is a FIFO|is no file); .+\n", done.stderr)


@pytest.mark.parametrize("name", ["report.json", "history.json", "history.csv", "net.csv", "training.log"])
def test_a_pipe_beside_a_model_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    left_out: list[Text] = []
    assert history.beside(tmp_path / "net.keras", SHA, left_out) is None
    assert [name in sentence and "FIFO" in sentence for sentence in left_out] == [True] * (name != "report.json")


def test_a_pipe_as_configuration_or_list_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    folder = put(tmp_path / "a")
    os.mkfifo(tmp_path / "limits.toml")
    os.mkfifo(tmp_path / "models.csv")
    for call in (["check", folder, "--config", "limits.toml"], ["batch", "models.csv", "--out", "x"]):
        done = run(*call)
        assert (done.exit_code, "is a FIFO" in done.stderr) == (2, True), done.output


@pytest.mark.parametrize("name", ["index.html", "feed.xml"])
def test_a_pipe_where_the_index_would_lie_is_not_waited_for(run: Run, tmp_path: Path, name: str) -> None:
    put(tmp_path / "site" / "a")
    os.mkfifo(tmp_path / "site" / name)
    done = run("index", tmp_path / "site")
    assert (done.exit_code, f"{name} is a FIFO" in done.stderr) == (2, True), done.output


def test_a_report_json_of_any_size_is_not_read(run: Run, tmp_path: Path) -> None:
    folder = put(tmp_path / "a")
    with (folder / "report.json").open("ab") as stream:
        stream.truncate(files.MOST_JSON + 1)  # a hole, which takes no room
    before = time.monotonic()
    done = run("check", folder, "--min-accuracy", "0.1")
    assert (done.exit_code, "larger than" in done.stderr) == (2, True)
    assert time.monotonic() - before < 2


# Archives that claim more than they hold


def bomb(path: Path, shape: tuple[int, ...], size: int) -> None:
    """Write an archive with an array of that shape that unpacks to `size` zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("outline.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(size // 2**20):
            member.write(bytes(2**20))


@pytest.mark.parametrize(
    ("shape", "size", "said"),
    [
        pytest.param((2**18, 8), 16 * 2**20, "unpacks to", id="a true claim"),
        pytest.param((2**40,), 2**20, "says that it holds", id="a header that lies"),
        pytest.param((2**62, 2**62), 2**20, "says that it holds", id="beyond all numbers"),
    ],
)
def test_an_archive_is_not_unpacked_beyond_its_bounds(
    tmp_path: Path, shape: tuple[int, ...], size: int, said: str
) -> None:
    bomb(tmp_path / "record.npz", shape, size)
    with pytest.raises(InputError) as caught:
        arrays.read(tmp_path / "record.npz", most=8 * 2**20)
    assert_one_line(caught.value, said)


def test_arrays_are_as_numpy_reads_them(tmp_path: Path) -> None:
    given = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "words": np.array(["a", "bcd"]),
        "none": np.zeros((0, 4), np.uint8),
        "one": np.array(7, np.int64),
    }
    np.savez_compressed(tmp_path / "some.npz", **given)
    found = arrays.read(tmp_path / "some.npz")
    assert list(found) == list(given)
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].flags.f_contiguous) == (array.dtype, array.flags.f_contiguous)


def test_nobody_is_told_to_allow_pickles(run: Run, tmp_path: Path) -> None:
    folder = put(tmp_path / "a")
    np.savez(folder / "record.npz", outline=np.array([{}], object))
    done = run("render", folder)
    assert done.exit_code == 2
    assert "allow_pickle" not in done.stderr and "never unpickled" in done.stderr


# Values that are none

ODD: dict[str, dict[str, Any]] = {
    "word": {"made_at": "yesterday"},
    "escape": {"made_at": "2026-11-24\x1b16:00:00Z"},
    "beyond": {"made_at": "0001-01-01T00:00:00+14:00"},
    "nothing": {"made_at": ""},
    "infinite": {"evaluation": {"test": {"accuracy": float("inf")}}},
    "no test": {"evaluation": {"test": None}},
    "short": {"history": dataclasses.asdict(make_history()) | {"epochs": [1]}},
    "elsewhere": {"history": dataclasses.asdict(make_history()) | {"best_epoch": 99}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("odd", "name"),
    [(odd, name) for odd in ODD for name in NAMES if odd == "infinite" or name in ("render", "baseline")],
)
def test_a_report_with_odd_values_is_one_line(run: Run, tmp_path: Path, odd: str, name: str) -> None:
    folder, other = edited(put(tmp_path / "a"), **ODD[odd]), put(tmp_path / "b")
    done = run(*commands(folder, other, tmp_path / "out")[name])
    if name == "baseline" and odd in ("short", "elsewhere"):  # no part of the headline
        return
    assert done.exit_code == 2, done.output
    assert re.fullmatch(r"(Reading .+\n)?reportgen: error: .+; .+\n", done.stderr) and "\x1b" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_index_names_what_is_none(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "site" / "good")
    edited(put(tmp_path / "site" / "bad"), made_at="yesterday")
    os.mkfifo(edited(tmp_path / "site" / "good").parent / "report.json")
    (tmp_path / "site" / "report.json").unlink()
    assert run("index", tmp_path / "site").exit_code == 0
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "yesterday" in page


# Histories


def left_out(folder: Path, name: str, content: str | bytes) -> list[Text]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found: list[Text] = []
    assert history.beside(folder / "net.keras", SHA, found) is None
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.csv", "epoch;loss\n0;0,5\n1;0,25\n"),
        ("history.csv", "epoch;loss\n0;0.5\n1;0.25\n"),
        ("history.csv", "epoch\tloss\n0\t0.5\n1\t0.25\n"),
        ("history.csv", "\ufeffepoch;loss\r\n0;0,5\r\n1;0,25\r\n"),
        ("history.csv", "epoch\tloss\n0\t0,5\n1\t0,25\n".encode("utf-16")),
        ("history.csv", "loss\n0.5\n0.25\n"),
        ("history.json", '{"loss": [0.5, 0.25]}'),
        ("history.json", '\ufeff{"history": {"loss": [0.5, 0.25]}, "epoch": [0, 1], "params": {}}'),
        ("history.json", '[{"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.25}]'),
        ("history.json", '{"epoch": [0, 1], "loss": [0.5, 0.25]}'),
    ],
)
def test_a_history_is_read_however_it_was_written(tmp_path: Path, name: str, content: str | bytes) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = history.beside(tmp_path / "net.keras", SHA)
    assert found is not None and found.metrics == {"loss": [0.5, 0.25]}


@pytest.mark.slow
def test_a_history_that_is_too_long_is_left_out_at_once(tmp_path: Path) -> None:
    before = time.monotonic()
    (sentence,) = left_out(tmp_path, "history.csv", "epoch,loss\n" + "0,0.5\n" * (history.MOST_EPOCHS + 1))
    assert "200,001 epochs, more than 200,000" in sentence
    (tmp_path / "history.csv").unlink()
    with (tmp_path / "history.csv").open("wb") as stream:
        stream.truncate(2**40)
    assert history.beside(tmp_path / "net.keras", SHA) is None
    assert time.monotonic() - before < 20


def test_a_file_that_is_no_history_gives_way_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("when,loss\ntoday,0.5\n")
    (tmp_path / "training.log").write_text("epoch,loss\n0,0.5\n")
    found: list[Text] = []
    read = history.beside(tmp_path / "net.keras", SHA, found)
    assert read is not None and read.source == "training.log"
    (sentence,) = found
    assert "history.csv" in sentence and "'today'" in sentence and "keras.callbacks.CSVLogger" in sentence


@pytest.mark.slow
def test_a_long_history_is_thinned_and_that_is_said(run: Run, tmp_path: Path) -> None:
    epochs = 100_000
    losses = [1.0 + abs(n - 77_777) / epochs for n in range(epochs)]
    long = history.from_metrics({"loss": losses}, source=literal("history.csv"))
    assert len(geometry.spread(long, 1000)) <= 1000 and long.best_epoch == 77_778
    folder = put(tmp_path / "a", make_record(history=long))
    assert run("render", folder, "--formats", "html").exit_code == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    assert "Of 100,000 epochs the table shows" in page and "77,778 (best)" in page
    drawn = re.search(r'class="first line"[^>]* d="([^"]+)"', page)
    assert drawn is not None and drawn[1].count("L") <= 1000


# Memory, temporary folders, HOME


class ResourceExhaustedError(Exception):
    """Called as TensorFlow's is."""


def test_memory_that_is_used_up_is_no_fault_of_ours() -> None:
    wrapped = RuntimeError("in a layer")
    wrapped.__cause__ = ResourceExhaustedError("OOM when allocating tensor")
    for error in (MemoryError(), ResourceExhaustedError("OOM"), wrapped):
        line, code = explained(error)
        assert ("memory" in line, code) == (True, 3)
    assert explained(RuntimeError("x"))[1] == 70


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}; from reportgen import scratch; import os, signal;"
    code += "folder = scratch.Folder(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    with scratch.Folder() as alive:
        for path in (left, Path(alive)):
            os.utime(path, (0, 0))
        with scratch.Folder():
            assert not left.exists() and Path(alive).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_nothing_is_written_to_home(tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(hostile.archive())  # the good one that those are made from
    np.savez(tmp_path / "some.npz", x_test=np.zeros((20, 4, 4), np.uint8), y_test=np.arange(20) % 3)
    given = ["--model", tmp_path / "net.keras", "--data", tmp_path / "some.npz", "--out", tmp_path / "new"]
    folder, home = put(tmp_path / "site" / "a"), tmp_path / "home"
    home.mkdir()
    surroundings = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR" and "XDG" not in name}
    surroundings |= {"HOME": str(home), "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    calls = (
        ["render", folder],
        ["index", tmp_path / "site"],
        ["report", *given, "--formats", "html", "--shifts", "none", "--examples", "1"],
    )
    for call in calls:
        done = subprocess.run(
            [sys.executable, "-m", "reportgen", *map(str, call)], env=surroundings, capture_output=True, check=False
        )
        assert done.returncode in (0, 3), done.stderr
        assert list(home.iterdir()) == [] and list((tmp_path / "scratch").iterdir()) == []


# Control sequences

EVIL = "\x1b[31mevil\x07\x9b1m\u202eliv\u2066e\x7f"
_ACTING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def evil(value: Any) -> Any:
    """Return a noun with all names of classes and layers, and all words about them, in EVIL."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: evil(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if isinstance(value, dict):
        return {evil(key) if key in ("conv", "circle") else key: evil(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(evil, value))
    if isinstance(value, Text):
        return literal(f"{value} {EVIL}")
    return f"{EVIL} {value}" if isinstance(value, str) and value in ("conv", "circle", "Conv2D") else value


def evil_record() -> Record:
    record = make_record(history=make_history(), findings=[make_finding(layer="conv")])
    found: Record = evil(dataclasses.replace(record, baseline=changed_from(record)))
    about = dataclasses.replace(found.provenance, command=EVIL, platform=literal(EVIL))
    return dataclasses.replace(
        found,
        data=dataclasses.replace(found.data, name=EVIL, source=literal(EVIL)),
        model=dataclasses.replace(found.model, name=EVIL),
        provenance=about,
    )


@pytest.mark.slow
def test_control_sequences_reach_no_file(run: Run, tmp_path: Path) -> None:
    folder = put(tmp_path / "site" / "a", evil_record())
    plain = put(tmp_path / "plain")
    made = tmp_path / "made"
    made.mkdir()
    for call in (
        ["render", folder, "--formats", "html"],
        ["render", folder, "--formats", "html", "--split", "--out", made / "split"],
        ["check", folder, "--min-accuracy", "0.1", "--junit", made / "j.xml", "--summary", made / "s.md"],
        ["compare", plain, folder, "--out", made / "changes.html"],
        ["email", folder, "--to", "b@example.org", "--dry-run", made / "mail.eml"],
        ["index", tmp_path / "site", "--out", made / "index.html"],
    ):
        (folder / "report.pdf").write_bytes(PDF)
        done = run(*call)
        assert done.exit_code in (0, 1), done.output
        assert not _ACTING.search(done.output), call
    looked = [folder / "report.html", folder / "report.json", *(path for path in made.rglob("*") if path.is_file())]
    for path in looked:
        if path.suffix not in (".npz", ".png", ".woff2", ".pdf"):
            found = _ACTING.search(path.read_text(encoding="utf-8"))
            assert not found, (path, found)
    for path in (made / "j.xml", made / "feed.xml"):
        ElementTree.fromstring(path.read_bytes())
    mail = email.message_from_bytes((made / "mail.eml").read_bytes(), policy=policy.default)
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            assert not _ACTING.search(part.get_content()), part.get_content_type()
    assert not _ACTING.search(mail["Subject"])
    assert json.loads((folder / "report.json").read_bytes())["title"].endswith(EVIL)

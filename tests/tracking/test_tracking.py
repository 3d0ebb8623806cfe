"""Reports handed over to real trackers that keep them in local files, and read back with the trackers' own readers."""

import io
import json
import math
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import reportgen
from reportgen import scratch, tracking
from reportgen.deliver import folder
from reportgen.errors import InputError, ReportgenError, SurroundingsError
from reportgen.i18n import literal
from reportgen.options import Options
from reportgen.pipeline import flow
from reportgen.progress import Progress
from reportgen.record import record_file
from reportgen.record.run import Record
from reportgen.result import Report, Written
from reportgen.tracking import figures, to_mlflow
from tests import ROOT
from tests.conftest import Run
from tests.helpers.builders import (
    assert_one_line,
    make_finding,
    make_history,
    make_record,
    make_scores,
    make_unit,
    modules_after,
)

PAGE = b"<!DOCTYPE html><title>a page</title>"
HANDED = {"record.npz", "report.html", "report.json", "report.pdf"}
Made = Callable[..., Report]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return what writes a finished report, with a model beside it, below the folder that the test then stands in."""
    monkeypatch.chdir(tmp_path)

    def make(record: Record | None = None, out: str = "reports/shapes") -> Report:
        record = record or make_record()
        painted = {"report.html": PAGE, "report.pdf": b"%PDF-1.7 made up", "model.keras": b"a model"}
        files = record_file.to_bytes(record) | painted
        folder.write(Path(out), files)
        return Report(record, Path(out), files)

    return make


def as_written(report: Report) -> Written:
    """Return a report as `flow.make` has it."""
    return Written(record_file.load(report.folder), report.folder, folder.read(report.folder), [])


# -- the figures ------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_report_json(made: Made) -> None:
    report = made(make_record(findings=[make_finding(severity="warning"), make_finding(severity="notice")]))
    test, units = report["evaluation"]["test"], report["units"]
    inside = [unit for unit in units if unit["state"] not in ("output", "never predicted", "always predicted")]
    found = figures.of(record_file.load(report.folder))
    assert found["reportgen/accuracy"] == test["accuracy"]
    assert found["reportgen/loss"] == test["loss"]
    assert found["reportgen/ece"] == test["ece"]
    assert found["reportgen/min_recall"] == min(row["recall"] for row in test["classes"] if row["recall"] is not None)
    assert found["reportgen/units"] == len(inside)
    assert found["reportgen/dead_units"] == sum(unit["state"] == "dead" for unit in units)
    assert found["reportgen/redundant_units"] == sum(unit["removable"] for unit in units)
    assert found["reportgen/params"] == report["model"]["total_params"]
    assert [found[f"reportgen/{name}"] for name in ("errors", "warnings", "notices")] == [0, 1, 1]


def test_what_is_not_known_or_not_finite_is_no_figure() -> None:
    scores = make_scores(loss=math.inf, ece=math.nan)
    found = figures.of(make_record(evaluation={"train": None, "test": scores}, units=[make_unit()]))
    unknown = {"loss", "ece", "accuracy_train", "loss_train", "described_share", "idle_share", "suspect_labels"}
    assert not {f"reportgen/{name}" for name in unknown} & set(found)
    assert all(math.isfinite(value) for value in found.values())
    assert "reportgen/accuracy" in found


def test_every_figure_is_on_the_page(made: Made) -> None:
    """The names are promises, so none is made that the page does not list, and none is listed that is never made."""
    page = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8").partition("## The figures")[2]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"\w+", row)}
    documented = re.sub(r"\s+", " ", figures.of.__doc__ or "")
    assert {name.removeprefix("reportgen/") for name in figures.of(make_record())} <= listed
    assert [name for name in listed if not re.search(rf"\b{name}\b", documented)] == []


# -- TensorBoard ------------------------------------------------------------------------------------------------------


@pytest.fixture
def read_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Return TensorBoard's own reader, kept from importing TensorFlow by its own switch."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed; make test installs it")
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(run: Path) -> Any:
        return EventAccumulator(str(run)).Reload()

    return read


def test_tensorboard_reads_the_figures_and_where_the_page_is(made: Made, read_run: Callable[[Path], Any]) -> None:
    record = make_record(history=make_history())
    assert record.history is not None
    report = made(record)
    assert report.log_to("tensorboard", url="https://example.org/net/report.html") == ["logs/shapes"]
    found = read_run(Path("logs/shapes"))
    expected = figures.of(record)
    assert set(found.Tags()["scalars"]) == set(expected)
    for name, value in expected.items():
        (event,) = found.Scalars(name)
        assert event.value == pytest.approx(value, rel=1e-6)  # TensorBoard keeps 32 bits
        assert event.step == record.history.epochs[-1]
    (text,) = (found.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in found.Tags()["tensors"])
    assert str(report.folder.absolute() / "report.html") in text
    assert "[https://example.org/net/report.html](https://example.org/net/report.html)" in text


def test_a_later_report_takes_the_place_of_the_run_and_other_runs_stay(made: Made) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed; make test installs it")
    Path("mine/shapes").mkdir(parents=True)
    Path("mine/shapes/events.out.tfevents.1.host").write_bytes(b"of a training")
    made().log_to("tensorboard:mine")
    first = {path: path.read_bytes() for path in Path("mine/shapes").iterdir()}
    made().log_to("tensorboard:mine")
    assert {path: path.read_bytes() for path in Path("mine/shapes").iterdir()} == first, "the same report, the same run"
    made(make_record(made_at="2026-11-25T16:00:00Z")).log_to("tensorboard:mine")
    assert sorted(path.name for path in Path("mine/shapes").iterdir()) == [
        "events.out.tfevents.1.host",
        "events.out.tfevents.1795622400.reportgen",
    ]


# -- MLflow -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MLflow with a store of files below the test's folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no database
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    found = pytest.importorskip("mlflow", reason="mlflow is not installed; make test installs mlflow-skinny")
    yield found
    while found.active_run():
        found.end_run()


def artifacts(client: Any, run: str) -> set[str]:
    return {one.path.removeprefix("reportgen/") for one in client.list_artifacts(run, "reportgen")}


@pytest.mark.slow
def test_mlflow_has_a_new_run_with_figures_tags_and_files_and_no_model(made: Made, mlflow: Any) -> None:
    record = make_record()
    (where,) = made(record).log_to("mlflow")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"])
    assert where.endswith(run.info.run_id)
    assert run.info.run_name == "Shapes"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == figures.of(record)
    assert {name: run.data.tags[name] for name in run.data.tags if name.startswith("reportgen.")} == {
        "reportgen.version": "0.1.0",
        "reportgen.data_sha256": "d" * 64,
        "reportgen.model_sha256": "e" * 64,
    }
    assert artifacts(client, run.info.run_id) == HANDED
    page = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="reportgen/report.html")
    assert Path(page).read_bytes() == PAGE


@pytest.mark.slow
def test_mlflow_s_active_run_is_used_and_stays_active(made: Made, mlflow: Any) -> None:
    with mlflow.start_run() as active:
        mlflow.log_metric("accuracy", 0.25)
        made().log_to("mlflow", url="https://example.org/")
        assert mlflow.active_run().info.run_id == active.info.run_id
    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"])
    assert run.data.metrics["accuracy"] == 0.25
    assert run.data.metrics["reportgen/accuracy"] == pytest.approx(5 / 6)
    assert run.data.tags["reportgen.url"] == "https://example.org/"

    ended = active.info.run_id
    with mlflow.start_run() as other:
        made(make_record(title="Later")).log_to([f"mlflow:{ended}"])
        assert artifacts(client, other.info.run_id) == set()
    assert client.get_run(ended).info.status == "FINISHED"


@pytest.mark.slow
def test_a_server_that_does_not_answer_costs_no_report(
    made: Made, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    report = as_written(made())
    before = folder.read(report.folder)
    flow._log(report, ["mlflow"], Progress())
    (problem,) = report.problems
    assert isinstance(problem, SurroundingsError)
    assert_one_line(problem, "MLflow", "reportgen log reports/shapes --to mlflow")
    assert folder.read(report.folder) == before


def test_mlflow_tells_nobody_that_reportgen_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "MLFLOW_DISABLE_TELEMETRY"
    monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    with to_mlflow._no_telemetry():
        assert os.environ[name] == "true"
    assert name not in os.environ
    monkeypatch.setenv(name, "false")
    with to_mlflow._no_telemetry():
        assert os.environ[name] == "false", "the user's own decision"
    monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    with to_mlflow._no_telemetry():
        assert name not in os.environ, "the user imported it"


@pytest.mark.tensorflow
def test_a_callback_warns_where_the_report_did_not_arrive(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: ModuleSpec(name, None, origin="there"))
    written = as_written(made())
    written.problems.append(SurroundingsError("the report was not handed over to MLflow", "mend that"))
    monkeypatch.setattr(flow, "make", lambda *given, **more: written)
    callback = reportgen.ReportCallback({"x_test": [[0.0]], "y_test": [0]}, log_to="mlflow")
    monkeypatch.setattr(callback, "_dataset", object())
    callback.set_model(object())
    with pytest.warns(UserWarning, match="the report is written, but .* not handed over to MLflow"):
        callback.on_train_end()
    assert callback.report is not None and callback.report.folder == written.folder
    assert callback.error is written.problems[0]


# -- Weights & Biases -------------------------------------------------------------------------------------------------


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that keeps its runs below the test's folder."""
    if find_spec("wandb") is None:
        pytest.skip("wandb is not installed: pip install 'reportgen[wandb]'")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    own = {
        "WANDB_MODE": "offline",
        "WANDB_DATA_DIR": str(tmp_path / "data"),
        "WANDB_CACHE_DIR": str(tmp_path / "cache"),
    }
    return kept | own | {"WANDB_CONFIG_DIR": str(tmp_path / "config"), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


def records(run: Path) -> list[Any]:
    """Return what an offline run holds: a log as LevelDB writes it, in blocks of 32 KiB behind a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record as Kept

    content, found, part, at = run.read_bytes(), list[Any](), b"", 7
    while at + 7 <= len(content):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        part += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            found.append(Kept.FromString(part))
            part = b""
    return found


@pytest.mark.slow
def test_weights_and_biases_has_summary_page_and_artifact_and_nothing_of_the_machine(
    made: Made, offline: dict[str, str], tmp_path: Path
) -> None:
    report = made()
    command = [sys.executable, "-m", "reportgen", "log", str(report.folder), "--to", "wandb"]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    run = Path(done.stdout.strip())
    assert run.is_relative_to(tmp_path / "wandb")
    kept = records(next(run.glob("run-*.wandb")))
    summary = {
        "/".join(one.nested_key) or one.key: json.loads(one.value_json)
        for record in kept
        for one in record.summary.update
    }
    for name, value in figures.of(make_record()).items():
        assert summary[name] == pytest.approx(value)
    (page,) = (run / "files" / "media" / "html" / "reportgen").iterdir()
    assert page.read_bytes() == PAGE, "as it is: nothing is injected"
    (artifact,) = (record.artifact for record in kept if record.HasField("artifact"))
    assert {one.path for one in artifact.manifest.contents} == HANDED
    assert artifact.type == "report"
    kinds = {record.WhichOneof("record_type") for record in kept}
    assert not kinds & {"stats", "environment", "output", "output_raw"}
    assert [one.display_name for one in (record.run for record in kept) if one.display_name] == ["Shapes"]


@pytest.mark.slow
def test_without_a_key_weights_and_biases_is_refused_before_the_work(made: Made, offline: dict[str, str]) -> None:
    report = made()
    del offline["WANDB_MODE"]
    command = [sys.executable, "-m", "reportgen", "log", str(report.folder), "--to", "wandb"]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no key to log in with; run `wandb login`, or set WANDB_MODE=offline" in done.stderr


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [None, ModuleSpec("mlflow", None, origin=None)], ids=["absent", "a folder of runs"])
def test_a_tracker_that_is_not_installed_is_said_with_its_extra(
    made: Made, monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: spec)
    for call in (lambda: made().log_to("mlflow"), lambda: flow.check(Options(log_to=["mlflow"]))):
        with pytest.raises(InputError) as caught:
            call()
        assert_one_line(caught.value, "MLflow is not installed", "pip install 'reportgen[mlflow]'")


def test_what_is_no_tracker_is_refused_before_the_work(made: Made) -> None:
    for given in ("comet", ["mlflow", "comet:x"]):
        with pytest.raises(InputError) as caught:
            flow.check(Options(log_to=given))
        assert_one_line(caught.value, "'comet'", "mlflow, tensorboard, wandb")


def test_a_report_that_was_replaced_is_not_logged_as_the_old_one(made: Made) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed; make test installs it")
    report = made()
    made(make_record(title="Later"))
    with pytest.raises(InputError) as caught:
        report.log_to("tensorboard")
    assert_one_line(caught.value, report.folder)
    assert not Path("logs").exists()


def test_one_tracker_that_fails_does_not_keep_the_report_from_the_others(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fine(Stand):
        def log(self, handed: tracking.Handed, where: str | None) -> str:
            got.append({path.name for path in handed.files.iterdir()})
            return "https://me:secret@host/run"

    full = Stand(fails=OSError("No space left\non device https://me:secret@host/x"))
    got: list[set[str]] = []
    monkeypatch.setattr(tracking, "_tracker", {"mlflow": full, "wandb": Fine()}.__getitem__)
    with pytest.raises(SurroundingsError) as caught:
        made().log_to(["mlflow:1", "wandb"])
    assert_one_line(caught.value, "MLflow (OSError: No space left", "https://host/x)", "--to mlflow:1`")
    assert got == [HANDED]
    assert made().log_to("wandb") == ["https://host/run"], "a password is shown to nobody"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://me:secret@host/x run 1", "https://host/x run 1"),
        ("mysql://me:s@cret@host/runs", "mysql://host/runs"),
        ("postgresql+psycopg2://me:se/cret@host/runs", "postgresql+psycopg2://host/runs"),
        ("postgresql://me:s?cr#t@host/runs and 2 more", "postgresql://host/runs and 2 more"),
        ("postgresql://host/runs?user=me&password=secret run 1", "postgresql://host/runs run 1"),
        ("postgresql:///runs?password=s@cret", "postgresql:///runs"),
        ("https://host/x#secret\nhttp://me:secret@other/", "https://host/x\nhttp://other/"),
        ("file:///home/me@work/mlruns run 1", "file:///home/me@work/mlruns run 1"),
        ("sqlite:///mlflow.db run 1", "sqlite:///mlflow.db run 1"),
    ],
)
def test_no_secret_of_an_address_is_shown(said: str, shown: str) -> None:
    assert tracking._public(said) == shown


# -- what goes wrong after the work -----------------------------------------------------------------------------------


class Stand:
    """Stands in for a tracker; `refuses` and `fails` are raised by `check` and `log`."""

    def __init__(self, *, refuses: BaseException | None = None, fails: BaseException | None = None) -> None:
        self.refuses, self.fails = refuses, fails

    def check(self, where: str | None) -> None:
        if self.refuses is not None:
            raise self.refuses

    def log(self, handed: tracking.Handed, where: str | None) -> str:
        if self.fails is not None:
            raise self.fails
        return "https://host/run"


@pytest.mark.parametrize(
    ("stand", "said"),
    [
        (Stand(refuses=ImportError("cannot import protobuf")), "ImportError: cannot import protobuf"),
        (Stand(refuses=InputError("it has no key", "log in")), "it has no key"),
        (Stand(fails=TimeoutError("no answer")), "TimeoutError: no answer"),
        (Stand(fails=KeyboardInterrupt()), "(interrupted); it lies in reports/shapes; run `reportgen log"),
    ],
)
def test_what_goes_wrong_with_a_tracker_costs_no_report(
    made: Made, monkeypatch: pytest.MonkeyPatch, stand: Stand, said: str
) -> None:
    monkeypatch.setattr(tracking, "_tracker", {"tensorboard": Stand(), "mlflow": stand, "wandb": Stand()}.__getitem__)
    report, told = as_written(made()), io.StringIO()
    before = folder.read(report.folder)
    flow._log(report, ["tensorboard", "mlflow", "wandb"], Progress(told))
    (problem,) = report.problems
    assert_one_line(problem, said)
    assert folder.read(report.folder) == before
    interrupted = isinstance(stand.fails, KeyboardInterrupt)
    assert told.getvalue().count("It is in https://host/run.") == (1 if interrupted else 2), "the others have it"
    assert ("--to mlflow,wandb`" in str(problem)) is interrupted


@pytest.mark.parametrize("where", ["Folder", "write_bytes"])
def test_a_full_disk_at_logging_costs_no_report(made: Made, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    report = made()
    monkeypatch.setattr(tracking, "_tracker", {"mlflow": Stand(), "wandb": Stand()}.__getitem__)
    monkeypatch.setattr(*{"Folder": (scratch, "Folder"), "write_bytes": (Path, "write_bytes")}[where], full)
    with pytest.raises(SurroundingsError) as caught:
        report.log_to(["mlflow:1", "wandb"])
    assert_one_line(caught.value, "MLflow and Weights & Biases", "No space left", "--to mlflow:1,wandb`")
    written = as_written(report)
    flow._log(written, "wandb", Progress())
    assert [type(problem) for problem in written.problems] == [SurroundingsError]


def test_whatever_keeps_weights_and_biases_from_logging_in_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Error(Exception):
        pass

    class UsageError(Error):
        pass

    wandb: Any = ModuleType("wandb")
    wandb.run, wandb.Error, wandb.UsageError = None, Error, UsageError
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setattr(tracking, "find_spec", lambda name: ModuleSpec(name, None, origin="there"))

    def refused(at: str, error: Exception) -> ReportgenError:
        def raising() -> None:
            raise error

        wandb.setup = lambda: SimpleNamespace(settings=SimpleNamespace(mode="online"))
        wandb.login = lambda: None
        flow.check(Options(log_to=["wandb"]))
        setattr(wandb, at, raising)
        with pytest.raises(ReportgenError) as caught:
            flow.check(Options(log_to=["wandb"]))
        return caught.value

    assert_one_line(refused("login", UsageError("api_key not configured")), "has no key to log in with")
    for error in (Error("the key secret is wrong"), ValueError("input_value='secret'"), TimeoutError("secret")):
        for at in ("setup", "login"):
            found = refused(at, error)
            assert isinstance(found, InputError) and "secret" not in str(found)
            assert_one_line(found, f"({type(error).__name__})", "`wandb login --verify`")
    assert_one_line(refused("login", ConnectionError("refused")), "cannot be used (ConnectionError: refused)")


# -- from the shell, and a report that was made before ----------------------------------------------------------------


def test_a_finished_report_is_loaded_as_it_was_made(made: Made) -> None:
    report = made()
    (report.folder / "smaller.keras").write_bytes(b"what prune made of it later")
    loaded = reportgen.load(report.folder)
    assert loaded == report and loaded.files == report.files
    assert repr(loaded) == repr(report)
    with pytest.raises(InputError):
        reportgen.load("reports")


@pytest.mark.slow
def test_the_command_prints_where_it_is(made: Made, light: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed; make test installs it")
    report = made()
    done = light("log", report.folder, "--to", "tensorboard:a, tensorboard:b", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "a/shapes\nb/shapes\n"), done.stderr
    for wrong, said in (
        ([], "there is no --to"),
        (["--to", "comet"], "'comet'"),
        (["--to", "tensorboard", "--url", "javascript:1"], "javascript:1"),
    ):
        done = light("log", report.folder, *wrong, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr and done.stdout == ""


@pytest.mark.slow
def test_logging_to_tensorboard_needs_no_tensorflow(made: Made) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed; make test installs it")
    place, logs = made().folder.absolute(), Path.cwd() / "logs"
    loaded = modules_after(f"import reportgen; reportgen.load({str(place)!r}).log_to({f'tensorboard:{logs}'!r})")
    assert "tensorboard" in loaded
    assert not {"tensorflow", "keras", "sklearn"} & loaded


def test_the_title_of_a_stranger_s_report_is_a_line() -> None:
    about = figures.about(make_record(title=literal("<b>\x1b[31m" + "x" * 500)))
    assert about.title.isprintable() and len(about.title) < 200

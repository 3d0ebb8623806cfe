"""What a caller can rely on at the command line, as far as no model is needed."""

from pathlib import Path

import pytest

import reportgen
from tests.conftest import Run

pytestmark = pytest.mark.slow  # each starts a process


def failed(run: Run, *arguments: object, code: int = 2, **extra: str) -> str:
    """Return the one line with which a call fails, after checking that it is one line and nothing more."""
    done = run(*arguments, **extra)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("reportgen: error: ")
    assert "; " in last, f"says not what to do: {last}"
    assert "Traceback" not in done.stderr
    return last


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"reportgen {reportgen.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["nothing", "--help"])
def test_help_names_every_command(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert {"report", "render"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["report", "--frobnicate"], "--frobnicate"),
        (["report", "--epochs", "many"], "many"),
        (["render"], "DIR"),
        (["report", "--epochs", "0"], "--epochs is 0"),
        (["report", "--batch-size", "-1"], "--batch-size is -1"),
        (["report", "--patience", "-1"], "--patience is -1"),
        (["report", "--seed", "-1"], "--seed is -1"),
        (["report", "--examples", "0"], "--examples is 0"),
        (["report", "--examples", "101"], "--examples is 101"),
        (["report", "--pixels", "0-7"], "0-7"),
        (["report", "--analyse", "all"], "--analyse is 'all'"),
        (["report", "--memory", "0"], "--memory is 0"),
        (["report", "--redundant", "1.5"], "--redundant is 1.5"),
        (["report", "--always-on", "0"], "--always-on is 0.0"),
        (["report", "--weak", "little"], "little"),
        (["report", "--formats", "docx"], "docx"),
        (["report", "--formats", ","], "nothing"),
        (["report", "--data", "nowhere.npz"], "nowhere.npz"),
        (["report", "--model", "nowhere.keras"], "nowhere.keras"),
        (["render", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unusable_call_ends_with_2_and_one_line_that_names_it(light: Run, arguments: list[str], named: str) -> None:
    assert named in failed(light, *arguments)


def test_a_call_fails_before_tensorflow_is_started(light: Run) -> None:
    done = light("report", "--model", "nowhere.keras")
    assert "TensorFlow" not in done.stderr


def test_debug_adds_the_traceback(light: Run) -> None:
    done = light("report", "--data", "nowhere.npz", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("reportgen: error: ")


@pytest.mark.parametrize("epoch", ["yesterday", "-1e9", "99999999999999999"])
def test_a_senseless_source_date_epoch_is_refused(light: Run, epoch: str) -> None:
    assert "SOURCE_DATE_EPOCH" in failed(light, "report", SOURCE_DATE_EPOCH=epoch)


def test_an_out_folder_with_other_files_is_refused_and_left_alone(light: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    assert "thesis.docx" in failed(light, "report", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_an_out_folder_that_cannot_be_made_is_a_failure_of_the_surroundings(light: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in failed(light, "report", "--out", tmp_path / "file" / "report", code=3)


def test_a_name_that_the_terminal_cannot_show_is_no_error(run: Run) -> None:
    line = failed(run, "report", "--data", "数字.npz", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert "does not exist" in line

"""`reportgen report` and `reportgen render` from the shell, with the real network on the bundled digits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import reportgen
from tests.conftest import Run, clean_environment

pytestmark = pytest.mark.tensorflow
Done = subprocess.CompletedProcess[str]
FILES = ["model.keras", "record.npz", "report.html", "report.json", "report.pdf"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_folder_holds_the_five_files_and_nothing_else(made_report: Path) -> None:
    assert sorted(content(made_report)) == FILES
    assert all(content(made_report).values())


def test_nothing_is_left_beside_the_folder(made_report: Path) -> None:
    assert [path.name for path in made_report.parent.iterdir()] == ["digits"]


def test_the_article_network_is_summed_up_in_ten_rows(made_report: Path) -> None:
    model = json.loads((made_report / "report.json").read_text())["model"]
    assert [(row["kind"], row["output_shape"][1:], row["params"]) for row in model["layers"]] == [
        ("Conv2D", [26, 26, 16], 160),
        ("MaxPooling2D", [13, 13, 16], 0),
        ("Dropout", [13, 13, 16], 0),
        ("Conv2D", [11, 11, 32], 4640),
        ("MaxPooling2D", [5, 5, 32], 0),
        ("Dropout", [5, 5, 32], 0),
        ("Flatten", [800], 0),
        ("Dense", [64], 51264),
        ("Dropout", [64], 0),
        ("Dense", [10], 650),
    ]
    totals = [model[f"{kind}_params"] for kind in ("total", "trainable", "non_trainable")]
    assert totals == [56714, 56714, 0]


def test_both_parts_are_judged_and_every_class_has_its_images(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())
    assert (found["data"]["train_size"], found["data"]["test_size"]) == (4000, 1000)
    for part, each in (("train", 400), ("test", 100)):
        scores = found["evaluation"][part]
        assert [c["support"] for c in scores["classes"]] == [each] * 10
        assert sum(map(sum, scores["confusion"])) == 10 * each
        assert scores["accuracy"] > 0.6  # two epochs are enough to be far from guessing


def test_the_search_for_wrong_labels_is_scored_on_the_bundled_digits(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())["data"]
    score = found["suspect_labels_score"]
    assert (score["flipped"], score["images"], score["draws"]) == (10, 1000, 20)
    # after two epochs, with 84 % of the answers right; chance is 0.01, and after a whole training both are near 0.8
    assert 0.3 < score["by_confusion"] <= score["average_precision"] + 0.1
    assert 0.3 < score["average_precision"] < 0.9
    assert found["leaks"]["exact_counts"] == {"train": 0, "test": 0, "across": 0}


def test_the_history_ends_where_the_model_is(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())
    history, test = found["history"], found["evaluation"]["test"]
    assert history["epochs"] == [1, 2]
    assert set(history["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history["metrics"]["val_accuracy"][-1] == pytest.approx(test["accuracy"], abs=1e-6)
    assert history["metrics"]["val_loss"][-1] == pytest.approx(test["loss"], rel=1e-4)
    assert history["stopped_early"] is False


@pytest.fixture(scope="module")
def again(warm: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Return the working folder and the talk of a second run like that of `made_report`, without --out."""
    cwd = tmp_path_factory.mktemp("again")
    done = warm("report", "--epochs", 2, cwd=cwd, SOURCE_DATE_EPOCH="1764000000")
    assert done.returncode == 0, done.stderr
    return cwd, done


def test_the_same_seed_and_clock_give_the_same_bytes(made_report: Path, again: tuple[Path, Done]) -> None:
    second, first = content(again[0] / "reports" / "sample"), content(made_report)
    assert [name for name in first if first[name] != second.get(name)] == []


def test_the_clock_is_fixed_and_measured_seconds_are_left_out(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())
    assert found["made_at"] == "2025-11-24T16:00:00Z"
    assert set(found["provenance"]["seconds"].values()) == {None}
    assert found["history"]["seconds"] == [None, None]


def test_paths_go_to_stdout_and_all_talk_to_stderr(again: tuple[Path, Done]) -> None:
    cwd, done = again
    assert done.stdout.splitlines() == [f"reports/sample/{name}" for name in FILES]
    assert all((cwd / line).is_file() for line in done.stdout.splitlines())
    assert "epoch  1: " in done.stderr
    assert "report.pdf" in done.stderr and "Seconds: " in done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr, "a progress bar in what is no terminal"
    assert "WARNING" not in done.stderr and "tensorflow/" not in done.stderr, "TensorFlow's own talk"


BLOCK = """
import sys
for name in ("tensorflow", "keras", "sklearn"):
    sys.modules[name] = None  # importing it now raises ModuleNotFoundError
from reportgen.cli.app import main
sys.argv[0] = "reportgen"
main()
"""


def test_render_needs_no_tensorflow_and_gives_the_same_page_and_pdf(report_copy: Path) -> None:
    before = content(report_copy)
    for name in ("report.html", "report.pdf"):
        (report_copy / name).unlink()
    command = [sys.executable, "-c", BLOCK, "render", str(report_copy)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert content(report_copy) == before


def test_render_writes_a_whole_report_elsewhere_and_leaves_the_source(
    report_copy: Path, light: Run, tmp_path: Path
) -> None:
    before = content(report_copy)
    done = light("render", report_copy, "--out", tmp_path / "elsewhere", "--formats", "html")
    assert done.returncode == 0, done.stderr
    assert content(report_copy) == before
    assert content(tmp_path / "elsewhere") == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_signal_during_training_leaves_the_earlier_report(report_copy: Path, number: int, code: int) -> None:
    before = content(report_copy)
    command = [sys.executable, "-m", "reportgen", "report", "--out", str(report_copy)]
    with subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch  1" in line:
                os.kill(process.pid, number)
                break
        rest = process.stderr.read()
    assert process.returncode == code
    assert rest.splitlines()[-1].startswith("reportgen: error: ")
    assert "Traceback" not in rest
    assert content(report_copy) == before
    assert [path.name for path in report_copy.parent.iterdir()] == ["digits"]


def test_a_failing_run_leaves_the_earlier_report(report_copy: Path, light: Run) -> None:
    before = content(report_copy)
    np.savez(report_copy.parent / "bad.npz", x_test=np.zeros((3, 28, 28)), y_test=np.array([0, 1, -1]))
    done = light("report", "--data", report_copy.parent / "bad.npz", "--out", report_copy)
    assert done.returncode == 2
    assert content(report_copy) == before


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a report with another seed, and what a real pseudo-terminal got while it was made."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    main, child = pty.openpty()
    folder = tmp_path_factory.mktemp("other") / "report"
    call = ["report", "--epochs", "1", "--seed", "7", "--formats", "html", "--shifts", "none", "--out", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "reportgen", *call],
        env=clean_environment(TERM="xterm"),
        stdout=subprocess.DEVNULL,
        stderr=child,
    )
    os.close(child)
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            piece = os.read(main, 65536)
        except OSError:  # how Linux reports that the other end was closed
            break
        if not piece:
            break
        seen += piece
    assert process.wait(timeout=60) == 0
    os.close(main)
    return folder, seen


def test_a_terminal_gets_a_progress_bar(other: tuple[Path, bytes]) -> None:
    """A bar must move there and nowhere else."""
    assert b"training" in other[1] and b"32/32" in other[1]


def test_another_seed_gives_other_weights(made_report: Path, other: tuple[Path, bytes]) -> None:
    first, second = (np.load(folder / "record.npz") for folder in (made_report, other[0]))
    kernels = [array for array in first.files if first[array].shape == (16, 1, 3, 3)]
    assert kernels
    assert all(not np.array_equal(first[name], second[name]) for name in kernels)
    assert sorted(content(other[0])) == [name for name in FILES if name != "report.pdf"]
    assert "--seed 7" in json.loads((other[0] / "report.json").read_text())["provenance"]["command"]


def test_characters_that_no_font_has_are_named_on_the_terminal(warm: Run, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    labels = np.arange(40) % 2
    parts = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "signs.npz", **parts, class_names=np.array(["plain", "\U00012f90\u72ac"]))
    done = warm("report", "--data", tmp_path / "signs.npz", "--epochs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "The page's fonts lack U+12F90; there its readers' own fonts are used." in done.stderr
    assert "No font here has U+12F90; the PDF shows the numbers instead." in done.stderr


@pytest.mark.tensorflow
@pytest.mark.parametrize(("few", "told"), [(50, False), (1000, True)])
def test_a_threshold_from_python_reaches_the_verdicts_and_the_findings(few: int, told: bool, tmp_path: Path) -> None:
    """`few_images` decides about a finding, and about what stands beside the noise floor of a layer."""
    from reportgen.runtime import keras

    layers = keras.layers
    net = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    images = np.random.default_rng(0).random((100, 8, 8, 1), np.float32)
    found = reportgen.report(
        net,
        {"x_test": images, "y_test": np.arange(100) % 2},
        out=tmp_path / "out",
        formats=["html"],
        finding_thresholds=reportgen.FindingThresholds(few_images=few),
    )
    assert any(one["code"] == "few-images" for one in found["findings"]) is told
    assert ("noise_floor" in found["layers"][0]["reasons"]) is told

"""`reportgen report` and `reportgen render` from the shell, with the real network on bundled digits, all or few."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reportgen
from tests import ROOT
from tests.conftest import Run, clean_environment
from tests.helpers.forked import Server

pytestmark = pytest.mark.tensorflow
Done = subprocess.CompletedProcess[str]
FILES = ["model.keras", "record.npz", "report.html", "report.json", "report.pdf"]
UNPRINTED = FILES[:-1]


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
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an .npz of some of the bundled digits: 400 to train on, 100 to test."""
    path = tmp_path_factory.mktemp("few") / "few.npz"
    with np.load(ROOT / "reportgen" / "digits" / "sample.npz") as digits:
        np.savez(path, **{name: digits[name][: 400 if "train" in name else 100] for name in digits.files})
    return path


@pytest.fixture(scope="module")
def twice(few: Path, warm: Run, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Done]]:
    """Return the working folder and the talk of each of two runs that are alike, without --out."""
    made = []
    for name in ("once", "again"):
        cwd = tmp_path_factory.mktemp(name)
        done = warm(
            "report", "--data", few, "--epochs", 2, "--formats", "html", cwd=cwd, SOURCE_DATE_EPOCH="1764000000"
        )
        assert done.returncode == 0, done.stderr
        made.append((cwd, done))
    return made


def test_the_same_seed_and_clock_give_the_same_bytes(twice: list[tuple[Path, Done]]) -> None:
    """That the same Record gives the same PDF, too, is seen where it is rendered again."""
    first, second = (content(cwd / "reports" / "few") for cwd, _ in twice)
    assert list(first) == UNPRINTED
    assert [name for name in first if first[name] != second.get(name)] == []


def test_the_clock_is_fixed_and_measured_seconds_are_left_out(made_report: Path) -> None:
    found = json.loads((made_report / "report.json").read_text())
    assert found["made_at"] == "2025-11-24T16:00:00Z"
    assert set(found["provenance"]["seconds"].values()) == {None}
    assert found["history"]["seconds"] == [None, None]


def test_paths_go_to_stdout_and_all_talk_to_stderr(twice: list[tuple[Path, Done]]) -> None:
    cwd, done = twice[0]
    assert done.stdout.splitlines() == [f"reports/few/{name}" for name in UNPRINTED]
    assert all((cwd / line).is_file() for line in done.stdout.splitlines())
    assert "epoch  1: " in done.stderr
    assert "report.html" in done.stderr and "Seconds: " in done.stderr
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


@pytest.fixture(scope="module")
def printed(warm: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Return the report of a small network, with its PDF and a class that no font has a sign of, and its talk."""
    from reportgen.runtime import keras

    home = tmp_path_factory.mktemp("printed")
    layers = keras.layers
    net = [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2, activation="softmax")]
    keras.Sequential(net).save(home / "net.keras")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    names = np.array(["plain", "\U00012f90\u72ac"])
    np.savez(home / "signs.npz", x_test=images, y_test=np.arange(40) % 2, class_names=names)
    done = warm("report", "--model", home / "net.keras", "--data", home / "signs.npz", "--out", home / "out")
    assert done.returncode == 0, done.stderr
    return home / "out", done


def test_render_needs_no_tensorflow_and_gives_the_same_page_and_pdf(printed: tuple[Path, Done], tmp_path: Path) -> None:
    before = content(printed[0])
    copy = Path(shutil.copytree(printed[0], tmp_path / "out"))
    for name in ("report.html", "report.pdf"):
        (copy / name).unlink()
    command = [sys.executable, "-c", BLOCK, "render", str(copy)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(before) == FILES[1:]
    assert content(copy) == before


def test_characters_that_no_font_has_are_named_on_the_terminal(printed: tuple[Path, Done]) -> None:
    made, done = printed
    assert done.stdout.splitlines() == [str(made / name) for name in FILES[1:]]
    assert "The page's fonts lack U+12F90; there its readers' own fonts are used." in done.stderr
    assert "No font here has U+12F90; the PDF shows the numbers instead." in done.stderr


def test_render_writes_a_whole_report_elsewhere_and_leaves_the_source(
    report_copy: Path, light: Run, tmp_path: Path
) -> None:
    before = content(report_copy)
    done = light("render", report_copy, "--out", tmp_path / "elsewhere", "--formats", "html")
    assert done.returncode == 0, done.stderr
    assert content(report_copy) == before
    assert content(tmp_path / "elsewhere") == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_signal_during_training_leaves_the_earlier_report(
    few: Path, report_copy: Path, forks: Server, number: int, code: int, tmp_path: Path
) -> None:
    before = content(report_copy)
    call = ["report", "--data", str(few), "--epochs", "1000", "--patience", "1000", "--out", str(report_copy)]
    os.mkfifo(tmp_path / "said")
    said, heard, trains = os.open(tmp_path / "said", os.O_RDWR), b"", False
    with forks.begun(call, tmp_path, clean_environment(), err=tmp_path / "said") as process:
        for piece in process.written(said):
            heard += piece
            if not trains and (trains := b"epoch  1" in heard):
                os.kill(process.pid, number)
    os.close(said)
    assert trains, heard
    assert process.returncode == code
    assert heard.decode().splitlines()[-1].startswith("reportgen: error: ")
    assert b"Traceback" not in heard
    assert content(report_copy) == before
    assert sorted(path.name for path in report_copy.parent.iterdir()) == ["digits", "said"]


def test_a_failing_run_leaves_the_earlier_report(report_copy: Path, light: Run) -> None:
    before = content(report_copy)
    np.savez(report_copy.parent / "bad.npz", x_test=np.zeros((3, 28, 28)), y_test=np.array([0, 1, -1]))
    done = light("report", "--data", report_copy.parent / "bad.npz", "--out", report_copy)
    assert done.returncode == 2
    assert content(report_copy) == before


@pytest.fixture(scope="module")
def other(few: Path, forks: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a report like those of `twice` with another seed, and what a real pseudo-terminal got meanwhile."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    main, child = pty.openpty()
    cwd = tmp_path_factory.mktemp("other")
    call = ["report", "--data", str(few), "--epochs", "2", "--seed", "7", "--formats", "html", "--shifts", "none"]
    call += ["--out", str(cwd / "report")]
    with forks.begun(call, cwd, clean_environment(TERM="xterm"), err=Path(os.ttyname(child))) as process:
        seen = b"".join(process.written(main))
    os.close(child)
    os.close(main)
    assert process.returncode == 0, seen
    return cwd / "report", seen


def test_a_terminal_gets_a_progress_bar(other: tuple[Path, bytes]) -> None:
    """A bar must move there and nowhere else."""
    assert b"training" in other[1] and b"4/4" in other[1]


def test_another_seed_gives_other_weights(twice: list[tuple[Path, Done]], other: tuple[Path, bytes]) -> None:
    folders = (twice[0][0] / "reports" / "few", other[0])
    first, second = (np.load(folder / "record.npz") for folder in folders)
    kernels = [array for array in first.files if first[array].shape == (16, 1, 3, 3)]
    assert kernels
    assert all(not np.array_equal(first[name], second[name]) for name in kernels)
    assert sorted(content(other[0])) == UNPRINTED
    assert "--seed 7" in json.loads((other[0] / "report.json").read_text())["provenance"]["command"]


@pytest.mark.parametrize(("few_images", "told"), [(50, False), (1000, True)])
def test_a_threshold_from_python_reaches_the_verdicts_and_the_findings(
    few_images: int, told: bool, tmp_path: Path, unpainted: None
) -> None:
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
        shifts="none",
        finding_thresholds=reportgen.FindingThresholds(few_images=few_images),
    )
    assert any(one["code"] == "few-images" for one in found["findings"]) is told
    assert ("noise_floor" in found["layers"][0]["reasons"]) is told

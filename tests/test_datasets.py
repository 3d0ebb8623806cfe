"""Whole data sets: the article's MNIST and Fashion-MNIST where they are at hand, and Keras's download where not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run

pytestmark = pytest.mark.tensorflow


def test_a_download_that_fails_names_the_ways_without_a_network(run: Run, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = run("report", "--data", "mnist", KERAS_HOME=str(tmp_path), https_proxy=nowhere, HTTPS_PROXY=nowhere)
    assert done.returncode == 3
    line = done.stderr.splitlines()[-1]
    assert line.startswith("reportgen: error: Keras could not download mnist")
    assert ".npz" in line and "IDX" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_what_keras_has_in_its_cache_needs_no_network(run: Run, tmp_path: Path, name: str) -> None:
    """The cache holds 60 images here, so the test needs no data set."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (60, 28, 28), dtype=np.uint8), (np.arange(60) % 10).astype(np.uint8)
    if name == "mnist":
        (tmp_path / "datasets").mkdir()
        np.savez(tmp_path / "datasets" / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    else:
        pytest.skip("Keras checks the hashes of Fashion-MNIST's files")
    options = ["--epochs", 1, "--formats", "html", "--out", tmp_path / "out"]
    done = run("report", "--data", name, *options, KERAS_HOME=str(tmp_path), https_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (found["data"]["train_size"], found["data"]["class_names"]) == (60, [str(n) for n in range(10)])


def test_the_figures_of_the_article_on_the_whole_of_mnist(run: Run, tmp_path: Path) -> None:
    data = os.environ.get("REPORTGEN_MNIST", "")
    if not Path(data).is_file():
        pytest.skip("set REPORTGEN_MNIST to a full mnist.npz; the training takes minutes")
    done = run("report", "--data", Path(data).resolve(), "--out", tmp_path / "mnist")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "mnist" / "report.json").read_text())
    assert found["evaluation"]["test"]["accuracy"] >= 0.985
    train = found["evaluation"]["train"]["classes"]
    assert [c["support"] for c in train] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert min(min(c["precision"], c["recall"]) for c in train) >= 0.97


def test_fashion_mnist_from_idx_files(run: Run, tmp_path: Path) -> None:
    folder = Path("/usr/share/dataset-fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    done = run("report", "--data", folder, "--epochs", 1, "--formats", "html", "--out", tmp_path / "fashion")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "fashion" / "report.json").read_text())
    assert (found["data"]["train_size"], found["data"]["test_size"]) == (60_000, 10_000)
    assert found["evaluation"]["test"]["accuracy"] > 0.7

"""Whole data sets: the article's MNIST and Fashion-MNIST where they are at hand, and Keras's download where not."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.data import samples
from reportgen.errors import SurroundingsError
from tests.conftest import Run
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow


def test_a_download_that_fails_names_the_ways_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.backend import config

    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))  # nothing was downloaded to there before
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(SurroundingsError) as caught:
        samples.load("mnist", test_only=False)
    assert_one_line(caught.value, "Keras could not download or read mnist", ".npz", "IDX")


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [("mnist", "0", 10), ("fashion-mnist", "T-shirt/top", 10), ("cifar10", "airplane", 10), ("cifar100", "apple", 100)],
)
def test_the_data_sets_of_keras_come_with_their_class_names(
    name: str, first: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras's own loader, which checks what it downloads, is replaced by one that hands over 60 images."""
    from reportgen.runtime import keras

    part = np.zeros((60, 28, 28), np.uint8), (np.arange(60) % 10).astype(np.uint8)
    monkeypatch.setattr(getattr(keras.datasets, name.replace("-", "_")), "load_data", lambda: (part, part))
    found = samples.load(name, test_only=False)
    assert (found.name, len(found.class_names), found.class_names[0]) == (name, count, first)
    assert found.train is not None and len(found.train) == 60


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_batches_in_the_cache_of_keras_are_read_and_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras's own loader reads them; only its look into the cache, which knows the published bytes, is replaced."""
    from keras.src.datasets import cifar100

    monkeypatch.setattr(cifar100, "get_file", lambda **asked: str(tmp_path))
    held = np.random.default_rng(0).integers(0, 256, (100, 3072), np.uint8)
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for part in ("train", "test"):
        batch = {b"data": held, b"fine_labels": list(range(100)), b"coarse_labels": [0] * 100}
        (folder / part).write_bytes(pickle.dumps(batch, 4))
    found = samples.load("cifar100", test_only=False)
    assert np.array_equal(found.test.images[:], held.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    assert found.test.labels.tolist() == list(range(100)) and found.class_names[99] == "worm"

    (folder / "train").write_bytes(pickle.dumps({b"data": Hostile(tmp_path / "done"), b"fine_labels": [0]}, 4))
    with pytest.raises(SurroundingsError) as caught:
        samples.load("cifar100", test_only=False)
    assert_one_line(caught.value, "Refusing to deserialize", "mkdir")
    assert not (tmp_path / "done").exists()


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


def test_fashion_mnist_from_idx_files(warm: Run, tmp_path: Path) -> None:
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    done = warm("report", "--data", folder, "--epochs", 1, "--formats", "html", "--out", tmp_path / "fashion")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "fashion" / "report.json").read_text())
    assert (found["data"]["train_size"], found["data"]["test_size"]) == (60_000, 10_000)
    assert found["evaluation"]["test"]["accuracy"] > 0.7

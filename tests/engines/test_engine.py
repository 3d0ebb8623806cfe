"""Images sent through the model by the workers of a Dask cluster: the figures are those of one process."""

import json
import os
import pickle
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import reportgen
from reportgen import engines
from reportgen.analysis.activations.shards import Shard
from reportgen.analysis.effects import layers as effects
from reportgen.data import npz, stored
from reportgen.engines import arrivals, choice
from reportgen.errors import InputError, SurroundingsError
from reportgen.progress import Progress, Tick
from reportgen.runtime import keras
from tests.conftest import Run
from tests.helpers.builders import assert_one_line
from tests.helpers.passes import make_part, randomise

dask = pytest.importorskip("dask", reason="Dask is not installed (pip install 'reportgen[dask]')")
distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install 'reportgen[dask]')")
pytestmark = pytest.mark.tensorflow
L = keras.layers
IMAGES, SHAPE, CLASSES = 600, (12, 12, 1), 3
LITTLE = 1  # megabytes for the outputs of all layers: batches are small, so that there are many shards
FIXED = "1764000000"
OF_IMAGES = ["state", "firing_rate", "mean", "max", "histogram", "top_images"]
"""The figures of a unit that do not hang on how many images go through the model at once."""


@pytest.fixture(scope="module", autouse=True)
def _fixed_clock() -> Iterator[None]:
    """Fix the clock, and keep short what is measured in this process, come what may: the effects of the units."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", FIXED)
        patch.setattr(effects, "MOST_WORK", 1)
        yield


@pytest.fixture(autouse=True)
def _unpainted(unpainted: None) -> None:
    """Look at figures alone."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model and data."""
    home = tmp_path_factory.mktemp("engine")
    net = keras.Sequential(
        [
            L.Input(SHAPE),
            L.Conv2D(8, 3, activation="relu"),
            L.BatchNormalization(),
            L.Conv2D(12, 3, activation="tanh"),
            L.Flatten(),
            L.Dense(16, activation="relu"),
            L.Dense(CLASSES, activation="softmax"),
        ]
    )
    randomise(net).save(home / "net.keras")
    test, train = make_part(SHAPE, IMAGES), make_part(SHAPE, 200, seed=1)
    np.savez(home / "data.npz", x_test=test.images, y_test=test.labels, x_train=train.images, y_train=train.labels)
    return home


@dataclass
class Two:
    """A cluster of two workers on loopback, as one that somebody else has started."""

    address: str
    client: Any

    def pids(self) -> list[int]:
        return sorted(self.client.run(os.getpid).values())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with ExitStack() as held:
        held.enter_context(dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}))
        # so that workers find TensorFlow imported, which takes seconds for each else
        loaded = ["distributed", "reportgen.runtime", "reportgen.analysis.collected"]
        distributed.utils.get_mp_context().set_forkserver_preload(loaded)
        cluster = held.enter_context(
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # another worker of pytest may have one, too
                memory_limit=None,
                local_directory=str(tmp_path_factory.mktemp("dask")),
                silence_logs="CRITICAL",
            )
        )
        client = held.enter_context(distributed.Client(cluster, set_as_default=False))
        yield Two(cluster.scheduler_address, client)


def made(
    folder: Path, engine: str, out: Path, *, data: Any = None, analyse: Any = "both", progress: Progress | None = None
) -> dict[str, Any]:
    """Return report.json of the model, without changed pictures: those are looked at in this process, come what may."""
    return reportgen.report(
        folder / "net.keras", data or folder / "data.npz", out=out, engine=engine, analyse=analyse, memory=LITTLE,
        formats=["html"], progress=progress, shifts="none",
    )  # fmt: skip


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(folder, "local", tmp_path_factory.mktemp("local") / "report")


def assert_same(found: Any, expected: Any, path: str = "") -> None:
    """Compare two report.json: floats up to one in a million, all else exactly; the seconds have their own stages."""
    if path == ".provenance.seconds":
        return
    if isinstance(expected, dict):
        assert list(found) == list(expected), path
        for key in expected:
            assert_same(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for n, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{path}[{n}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12), path
    else:
        assert found == expected, path


class Watching(Progress):
    """A Progress that does something once when the first images are done, and keeps how many were done each time."""

    def __init__(self, first: Callable[[], None]) -> None:
        super().__init__()
        self._first = first
        self.done: list[int] = []

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Tick]:
        def tick(done: int, note: str) -> None:
            self.done.append(done)
            if len(self.done) == 1:
                self._first()

        yield tick


# The same figures


def test_two_workers_make_the_report_of_one_process(
    folder: Path, two: Two, local: dict[str, Any], tmp_path: Path
) -> None:
    watching = Watching(lambda: None)
    found = made(folder, f"dask:{two.address}", tmp_path / "report", progress=watching)
    assert_same(found, local)
    steps = [later - earlier for earlier, later in zip([0, *watching.done], watching.done, strict=False)]
    assert max(watching.done) > IMAGES and len(watching.done) > 8, "images are counted, shard by shard"
    assert min(steps[:8]) > 0


def test_repeats_and_images_far_brighter_than_others_are_counted_alike(folder: Path, two: Two, tmp_path: Path) -> None:
    """So that workers know of images that repeat some of another worker, and widen bins on their own."""
    test, train = make_part(SHAPE, IMAGES), make_part(SHAPE, 200, seed=1)
    images = test.images[:].astype(np.float32) / 2000
    images[100:300] = np.concatenate([images[:100], images[:100]])
    train_images = images[400:].copy()
    images[330] *= 30
    images[590] *= 900  # so that the last of the training images repeats no other
    data = {"x_test": images, "y_test": test.labels, "x_train": train_images, "y_train": train.labels}
    np.savez(tmp_path / "data.npz", **data)
    found, expected = (
        made(folder, engine, tmp_path / engine[:4], data=tmp_path / "data.npz")
        for engine in (f"dask:{two.address}", "local")
    )
    for key in ("layers", "units"):
        assert_same(found[key], expected[key])
    first = {*range(100), *range(300, IMAGES), IMAGES + 190}
    for unit in found["units"]:
        assert {top["index"] for top in unit["top_images"]} <= first
    assert len({top["index"] for unit in found["units"] for top in unit["top_images"]}) > 5


def test_workers_find_the_unit_that_is_dead_on_one_split_alone(two: Two, tmp_path: Path) -> None:
    net = keras.Sequential([L.Input(SHAPE), L.Flatten(), L.Dense(6, activation="relu"), L.Dense(CLASSES)])
    weights = [np.array(values) for values in randomise(net).get_weights()]
    weights[0][:, :2], weights[1][:2] = 1 / 144, (-0.6, -1.1)  # unit 0 fires on bright images alone, unit 1 on none
    net.set_weights(weights)
    net.save(tmp_path / "net.keras")
    part = make_part(SHAPE, 200)
    bright = np.full((200, *SHAPE), 255, np.uint8)
    labels = {"y_test": part.labels, "y_train": part.labels}
    np.savez(tmp_path / "data.npz", x_test=part.images[:] // 2, x_train=bright, **labels)
    found = made(tmp_path, f"dask:{two.address}", tmp_path / "report", analyse="test")["layers"][0]["lossless"]
    assert 1 in found["dead"] and found["elsewhere"] == [0]


def test_images_on_disk_are_looked_at_by_the_workers(
    folder: Path, two: Two, local: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 10_000)
    assert_same(made(folder, f"dask:{two.address}", tmp_path / "report"), local)


def test_the_command_starts_workers_of_its_own_and_ends_them(
    folder: Path, local: dict[str, Any], warm: Run, tmp_path: Path
) -> None:
    done = warm(
        "report", "--model", folder / "net.keras", "--data", folder / "data.npz", "--out", tmp_path / "report",
        "--formats", "html", "--analyse", "both", "--engine", "dask", "--workers", 1, "--shifts", "none",
        TMPDIR=str(tmp_path), SOURCE_DATE_EPOCH=FIXED,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Starting 1 worker ..." in done.stderr and "distributed" not in done.stderr
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    for key in ("evaluation", "proof"):
        assert_same(found[key], local[key])
    for unit, expected in zip(found["units"], local["units"], strict=True):
        assert_same({key: unit[key] for key in OF_IMAGES}, {key: expected[key] for key in OF_IMAGES})
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_batch_on_the_workers_names_the_broken_model(folder: Path, two: Two, tmp_path: Path, warm: Run) -> None:
    (tmp_path / "broken.keras").write_bytes(b"no model")
    done = warm(
        "batch", folder / "net.keras", tmp_path / "broken.keras", "--data", folder / "data.npz",
        "--out", tmp_path / "site", "--formats", "html", "--shifts", "none", "--engine", f"dask:{two.address}",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "broken.keras is neither" in done.stderr and "1 of 2 models failed" in done.stderr
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["feed.xml", "index.html", "net"]
    assert sorted(path.name for path in (tmp_path / "site" / "net").iterdir()) == [
        "record.npz", "report.html", "report.json",
    ]  # fmt: skip


# What cannot be done


def test_a_shard_that_always_fails_is_named_with_the_reason(folder: Path, two: Two, tmp_path: Path) -> None:
    test = make_part(SHAPE, 300)
    for n, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        place = tmp_path / "pictures" / "test" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{n:03}.png")
    last = tmp_path / "pictures" / "test" / str(test.labels[-1]) / "299.png"

    def written_to() -> None:
        last.write_bytes(last.read_bytes() + b" ")

    with pytest.raises(SurroundingsError) as caught:
        made(
            folder, f"dask:{two.address}", tmp_path / "report", data=tmp_path / "pictures", analyse="test",
            progress=Staged("pass", written_to),
        )  # fmt: skip
    assert_one_line(caught.value, "of the test split failed 3 times", "299.png", "it was written to")
    named = re.search(r"images (\d+) to (\d+) of", str(caught.value))
    assert named and int(named[1]) <= 299 <= int(named[2]) and int(named[1]) > 150
    assert not (tmp_path / "report").exists()


class Staged(Progress):
    """A Progress that does something when a stage begins."""

    def __init__(self, name: str, does: Callable[[], None]) -> None:
        super().__init__()
        self._name, self._does = name, does

    @contextmanager
    def stage(self, name: str, line: str) -> Iterator[None]:
        with super().stage(name, line):
            if name == self._name:
                self._does()
            yield


class Own(L.Layer):
    """A layer that no worker knows."""

    def call(self, images: Any) -> Any:
        return images


def test_a_live_model_is_sent_as_its_file(folder: Path, two: Two, local: dict[str, Any], tmp_path: Path) -> None:
    model = keras.models.load_model(folder / "net.keras")
    found = reportgen.report(
        model, folder / "data.npz", out=tmp_path / "report", engine=f"dask:{two.address}", analyse="both",
        memory=LITTLE, formats=["html"], shifts="none",
    )  # fmt: skip
    assert_same(found["units"], local["units"])


def test_a_live_model_with_layers_of_its_own_stays_here(two: Two, tmp_path: Path) -> None:
    model = keras.Sequential([L.Input(SHAPE), Own(), L.Flatten(), L.Dense(3, activation="softmax")])
    part = make_part(SHAPE, 30)
    with pytest.raises(InputError) as caught:
        reportgen.report(
            model, {"x_test": part.images, "y_test": part.labels}, out=tmp_path / "report",
            engine=f"dask:{two.address}",
        )  # fmt: skip
    assert_one_line(caught.value, "Own", "--engine at local")


class Sub(keras.Model):
    """A subclassed model, whose class no worker knows, with a weight of its own."""

    def __init__(self, body: Any = None) -> None:
        super().__init__(name="mine")
        self.conv, self.flat = L.Conv2D(4, 3, activation="relu", name="conv"), L.Flatten()
        self.body, self.scores = body, L.Dense(CLASSES, name="scores")
        self.scale = self.add_weight(shape=(CLASSES,), name="scale")

    def call(self, images: Any, training: bool = False) -> Any:
        found = self.conv(images if self.body is None else self.body(images))
        return keras.ops.softmax(keras.ops.multiply(self.scores(self.flat(found)), self.scale))


class Brighter(keras.Model):
    """A model that is a part of another."""

    def call(self, images: Any) -> Any:
        return 2 * images


def of_live(model: Any, out: Path, engine: str) -> dict[str, Any]:
    part = make_part(SHAPE, 200)
    data = {"x_test": part.images, "y_test": part.labels}
    return reportgen.report(
        model, data, out=out, engine=engine, memory=LITTLE, formats=["html"], examples=2, shifts="none"
    )


def called(model: Any) -> Any:
    model(np.zeros((1, *SHAPE), np.float32))
    return randomise(model)


def test_a_live_subclassed_model_is_sent_as_its_graph(two: Two, tmp_path: Path) -> None:
    model = called(Sub())
    engines_ = {"local": "local", "sent": f"dask:{two.address}"}
    here, there = (of_live(model, tmp_path / name, engine) for name, engine in engines_.items())
    for key in ("model", "evaluation", "units"):
        assert_same(there[key], here[key], key)
    assert there["model"]["unlisted_params"] == CLASSES


def test_a_live_model_with_a_part_of_its_own_class_stays_here_and_the_advice_works(two: Two, tmp_path: Path) -> None:
    model = called(Sub(Brighter()))
    with pytest.raises(InputError) as caught:
        of_live(model, tmp_path / "report", f"dask:{two.address}")
    assert_one_line(caught.value, "not Keras's own (Brighter)", "--engine at local")
    assert of_live(model, tmp_path / "report", "local")["units"]


# Last of those with workers: the one that is started anew would have a model to load, too


def test_a_worker_that_is_killed_halfway_changes_nothing(
    folder: Path, two: Two, local: dict[str, Any], tmp_path: Path
) -> None:
    pids = two.pids()
    kill = Watching(lambda: os.kill(pids[0], signal.SIGKILL))
    assert_same(made(folder, f"dask:{two.address}", tmp_path / "report", progress=kill), local)
    assert kill.done, "nobody was killed"
    two.client.wait_for_workers(2, timeout=60)
    assert pids[0] not in two.pids()


@pytest.mark.parametrize(
    ("engine", "workers", "says"),
    [
        ("spark", None, "spark"),
        ("dask:", None, "dask:"),
        ("dask:somewhere", None, "dask:ADDRESS"),
        ("local", 2, "--workers is 2"),
        ("dask:tcp://10.0.0.1:8786", 2, "--workers is 2"),
        ("dask", 0, "--workers is 0"),
    ],
)
def test_an_engine_that_makes_no_sense_is_refused(engine: str, workers: int | None, says: str) -> None:
    with pytest.raises(InputError) as caught:
        choice.of(engine, workers)
    assert_one_line(caught.value, says)


def test_without_a_scheduler_the_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "FIRST", 0.5)
    with (
        pytest.raises(SurroundingsError) as caught,
        engines.opened(choice.of("dask:tcp://127.0.0.1:9", None), Progress()),
    ):
        pass
    assert_one_line(caught.value, "tcp://127.0.0.1:9", "dask scheduler")


def test_without_dask_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SurroundingsError) as caught, engines.opened(choice.of("dask", None), Progress()):
        pass
    assert_one_line(caught.value, "pip install 'reportgen[dask]'")


# Images on their way


def test_a_shard_is_divided_at_whole_batches_and_keeps_its_numbers() -> None:
    first, rest = Shard("test", 0, 100, 500).divided(64)
    assert (first, rest) == (Shard("test", 0, 64, 500), Shard("test", 64, 100, 564))
    assert rest.divided(20) == [Shard("test", 64, 84, 564), Shard("test", 84, 100, 584)]
    assert Shard("test", 0, 10).divided(64) == [Shard("test", 0, 10)]


def test_a_shard_knows_where_images_are_in_it() -> None:
    numbers = np.array([3, 500, 520, 599, 600])
    assert Shard("test", 20, 120, 500).places(numbers).tolist() == [0, 20, 99]
    assert Shard("test", 0, 3).places(numbers).tolist() == []


def test_images_on_disk_travel_by_their_path_and_are_missed_where_they_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 10_000)
    path = tmp_path / "copy.npz"
    path.write_bytes((folder / "data.npz").read_bytes())
    images = npz.read(path)[0]["x_test"]
    assert isinstance(images, stored.Stored)
    sent = pickle.dumps(images.cut(100, 150))
    assert len(sent) < 1000
    there = pickle.loads(sent)
    assert there.shape == (50, *SHAPE)
    np.testing.assert_array_equal(there[10:20], images[110:120])
    os.utime(path, ns=(0, 0))
    with pytest.raises(InputError) as caught:
        pickle.loads(sent)[:1]
    assert_one_line(caught.value, "copy.npz", "another file here")
    path.unlink()
    with pytest.raises(InputError) as caught:
        pickle.loads(sent)[:1]
    assert_one_line(caught.value, "copy.npz", "No such file")

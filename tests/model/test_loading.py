"""From a file that was looked into to a model: what Keras makes of it, and what the surroundings cannot change."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.data import samples
from reportgen.errors import InputError
from reportgen.model import load, memory, model_file
from reportgen.options import Bounds
from reportgen.runtime import keras
from tests.conftest import Run
from tests.helpers import hostile
from tests.helpers.builders import assert_one_line

pytestmark = pytest.mark.tensorflow

# lies in a folder that Python looks into when it starts; it writes down who calls out or writes elsewhere
GUARD = """
import os, sys

ALLOWED = os.environ["GUARD_ALLOWED"]

def guard(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    outside = writes and isinstance(arguments[0], str) and not arguments[0].startswith((ALLOWED, "/dev/null"))
    calls = event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")
    if outside or calls:
        with open(ALLOWED + "/did", "a") as told:
            told.write(f"{event} {arguments}\\n"[:300])

sys.addaudithook(guard)
"""


def loaded(content: bytes, path: Path, bounds: Bounds | None = None) -> Any:
    path.write_bytes(content)
    with model_file.read(path, bounds) as file:
        return load.load(file)


def named(content: bytes) -> str:
    return "model.keras" if content.startswith(b"PK") else "model.h5"


def picture_model(*layers: hostile.Config, kernel: Any) -> bytes:
    """Return a .keras file: Input(4, 4, 1), `layers`, Dense(3)."""
    config = hostile.sequential(*layers)
    del config["config"]["layers"][1]  # the Flatten
    del config["config"]["layers"][-1]["build_config"]
    return hostile.archive(config, hostile.hdf5(lambda file: hostile.fill_weights(file, kernel=kernel)))


def loop() -> bytes:
    def layer(kind: str, name: str, reads: str) -> hostile.Config:
        tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 16], "dtype": "float32"}}
        tensor["config"]["keras_history"] = [reads, 0, 0]
        found = hostile.dense(name=name) if kind == "Dense" else hostile.keras_object(kind, name=name)
        return found | {"name": name, "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}

    start = hostile.sequential()["config"]["layers"][0] | {"name": "input_layer", "inbound_nodes": []}
    layers = [start, layer("ReLU", "one", "two"), layer("ReLU", "two", "one"), layer("Dense", "dense", "two")]
    ends = {"input_layers": [["input_layer", 0, 0]], "output_layers": [["dense", 0, 0]]}
    return hostile.archive(
        hostile.keras_object("Functional", "keras.src.models.functional", name="loop", layers=layers, **ends)
    )


UP, POOL = hostile.keras_object("UpSampling2D", name="up", size=[20000, 20000]), "GlobalAveragePooling2D"
LATE: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "weights of another shape": (
        lambda: hostile.archive(None, hostile.hdf5(lambda f: hostile.fill_weights(f, kernel=np.zeros((5, 3), "f4")))),
        ['do not fit the layer "dense"'],
    ),
    "weights of another shape in h5": (
        lambda: hostile.hdf5(lambda f: hostile.fill_old(f, kernel=np.zeros((5, 3), "f4"))),
        ["do not fit", '"dense"'],
    ),
    "weights of another layer": (
        lambda: hostile.archive(hostile.sequential(hostile.dense(units=16, name="hidden"))),
        ["do not fit the layer"],
    ),
    "fewer weights than layers": (
        lambda: hostile.hdf5(
            lambda f: hostile.fill_old(f, config=hostile.old(hostile.sequential(hostile.dense(units=16, name="more"))))
        ),
        ["do not fit", "2 layers"],
    ),
    "giant output": (
        lambda: picture_model(UP, hostile.keras_object(POOL, name="pool"), kernel=np.zeros((1, 3), "f4")),
        ["more memory than 1 GB", '"up"', "6,400,000,000 numbers", "--max-memory-gb"],
    ),
    "unknown setting": (lambda: hostile.archive(hostile.sequential(last=hostile.dense(frobnicate=1))), ["frobnicate"]),
    "loop": (loop, ["loops"]),
    "layers that do not fit": (
        lambda: hostile.archive(hostile.sequential(hostile.keras_object("Conv2D", name="c", filters=1, kernel_size=2))),
        ["expected min_ndim=4"],
    ),
    "setting of another kind": (
        lambda: hostile.archive(hostile.sequential(last=hostile.dense(units="many"))), ["units", "many"],
    ),
    "escapes in a setting": (
        lambda: hostile.archive(hostile.sequential(last=hostile.dense(kernel_initializer="\x1b[31m\n\u202eevil"))),
        ["initializer"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LATE)
def test_what_keras_cannot_load_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, says = LATE[name]
    path = tmp_path / named(make())
    with pytest.raises(InputError) as caught:
        loaded(make(), path, Bounds(max_memory_gb=1))
    assert_one_line(caught.value, path, *says)
    assert len(str(caught.value).replace(str(path), "")) < 400


@pytest.mark.parametrize("content", [hostile.archive, lambda: hostile.hdf5(hostile.fill_old)], ids=["keras", "h5"])
def test_the_models_that_the_hostile_ones_are_made_from_load(content: Callable[[], bytes], tmp_path: Path) -> None:
    made = content()
    model = loaded(made, tmp_path / named(made))
    np.testing.assert_array_equal(model.get_weights()[0], hostile.KERNEL)


def test_a_file_that_keras_2_wrote_loads(tmp_path: Path) -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4, 4, 1], "name": "input"}},
        {"class_name": "Flatten", "config": {"name": "flatten", "dtype": "float32"}},
        {"class_name": "Dense", "config": {"name": "dense", "units": 3, "activation": "softmax"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    model = loaded(hostile.hdf5(lambda file: hostile.fill_old(file, config=config)), tmp_path / "model.h5")
    np.testing.assert_array_equal(model.get_weights()[0], hostile.KERNEL)


def test_keras_is_given_the_bytes_that_were_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(hostile.archive())
    with model_file.read(path) as file:
        path.write_bytes(b"something else by now")
        assert load.load(file).count_params() == 51


def test_the_bound_on_memory_is_gone_after_the_block() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.bounded(1):
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] != before[0]
        with pytest.raises(MemoryError):
            np.ones(2 * 10**8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def guarded(folder: Path) -> dict[str, str]:
    """Return an environment in which a process that calls out or writes elsewhere stands in the file `did` after."""
    for name in ("guard", "temporary"):
        (folder / name).mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    temporary = str(folder / "temporary")
    return {"PYTHONPATH": str(folder / "guard"), "GUARD_ALLOWED": str(folder), "TMPDIR": temporary}


def test_a_hostile_file_does_nothing_even_where_keras_reads_it(run: Run, tmp_path: Path) -> None:
    """And a home that does not exist makes no noise."""
    path = tmp_path / "model.keras"
    path.write_bytes(LATE["weights of another shape"][0]())
    environment = guarded(tmp_path) | {"HOME": "/dev/null/nobody"}
    call = ["report", "--model", path, "--formats", "html", "--out", tmp_path / "report"]
    done = run(*call, cwd=tmp_path, **environment)
    assert done.returncode == 2, done.stderr
    progress, line = done.stderr.splitlines()[:-1], done.stderr.splitlines()[-1]
    assert all(said.endswith(" ...") for said in progress), progress
    assert 'do not fit the layer "dense"' in line
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "did").exists(), (tmp_path / "did").read_text()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_settings_of_keras_change_nothing(run: Run, tmp_path: Path, unpainted: None) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((28, 28, 1)), layers.Conv2D(2, 5, strides=4), layers.Flatten(), layers.Dense(10)], name="net"
    )
    model.save(tmp_path / "net.keras")
    home = tmp_path / "home"
    (home / ".keras").mkdir(parents=True)
    settings = {"floatx": "float16", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}
    (home / ".keras" / "keras.json").write_text(json.dumps(settings))
    test = samples.load("sample", test_only=True).test
    np.savez(tmp_path / "few.npz", x_test=test.images[:60], y_test=test.labels[:60])
    options = {"data": tmp_path / "few.npz", "formats": "html", "shifts": "none"}
    call = ["report", "--model", tmp_path / "net.keras", "--out", tmp_path / "report"]
    call += [part for name, value in options.items() for part in (f"--{name}", value)]
    done = run(*call, cwd=tmp_path, HOME=str(home), **guarded(tmp_path))
    assert done.returncode == 0, done.stderr
    from reportgen import report

    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert found["evaluation"] == report(model, **options | {"formats": ["html"]}, out=tmp_path / "other")["evaluation"]
    assert [path.name for path in (home / ".keras").iterdir()] == ["keras.json"]
    assert not (tmp_path / "did").exists(), (tmp_path / "did").read_text()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_data_sets_of_keras_stay_where_they_are() -> None:
    from keras.src.backend import config

    assert config.keras_home() == str(Path("~/.keras").expanduser())

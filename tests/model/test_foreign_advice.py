"""What a refusal of a file that is no Keras model advises, followed to its end: a model that computes alike."""

import bz2
import gzip
import http.server
import io
import json
import lzma
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
import types
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.runtime import keras
from tests.conftest import clean_environment
from tests.helpers import hostile
from tests.helpers.builders import assert_one_line
from tests.helpers.forked import Server
from tests.helpers.passes import answers
from tests.model.test_old_files import IMAGES, frozen, loaded, onnx, refusal

pytestmark = pytest.mark.tensorflow

Array = NDArray[Any]
layers = keras.layers
GENERATOR = np.random.default_rng(0)


def small() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([layers.Input((4, 4, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])


def assert_alike(path: Path, model: Any) -> None:
    found, _ = loaded(path)
    np.testing.assert_allclose(answers(found, IMAGES), answers(model, IMAGES), rtol=1e-5)


def run(command: str, folder: Path) -> None:
    subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, timeout=120)


# Weights of PyTorch, set by hand

WEIGHTS = {
    "conv.weight": GENERATOR.normal(size=(5, 3, 3, 3)).astype(np.float32),
    "conv.bias": GENERATOR.normal(size=5).astype(np.float32),
    "fc.weight": GENERATOR.normal(size=(4, 5 * 6 * 6)).astype(np.float32),
    "fc.bias": GENERATOR.normal(size=4).astype(np.float32),
}


def forward(images: Array) -> Array:
    """Compute what PyTorch does with WEIGHTS: Conv2d(3, 5, 3), ReLU, Flatten, Linear(180, 4). images: (N, 3, 8, 8)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
    found = np.einsum("nchwij,ocij->nohw", windows, WEIGHTS["conv.weight"]) + WEIGHTS["conv.bias"][:, None, None]
    flat = np.maximum(found, 0).reshape(len(images), -1)
    return np.asarray(flat @ WEIGHTS["fc.weight"].T + WEIGHTS["fc.bias"])


class FloatStorage:
    """What torch.load finds the numbers of a tensor by."""


def _rebuild_tensor_v2(storage: Array, offset: int, size: Any, stride: Any, *more: Any) -> Array:
    return storage[offset : offset + int(np.prod(size))].reshape(size)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the names in a file of PyTorch stand for something."""
    for name in ("torch", "torch._utils"):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        for one in (FloatStorage, _rebuild_tensor_v2):
            monkeypatch.setattr(one, "__module__", name)
            setattr(module, one.__name__, one)


class _Tensor:
    def __init__(self, key: str, values: Array) -> None:
        self.key, self.values = key, values

    def __reduce__(self) -> Any:
        strides = tuple(stride // 4 for stride in self.values.strides)
        return _rebuild_tensor_v2, (_Storage(self.key, self.values.size), 0, self.values.shape, strides, False, {})


class _Storage:
    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return ("storage", FloatStorage, value.key, "cpu", value.count) if isinstance(value, _Storage) else None


def save_torch(path: Path) -> None:
    """Write WEIGHTS as torch.save(model.state_dict()) does since PyTorch 1.6."""
    held = io.BytesIO()
    _Pickler(held, 2).dump({name: _Tensor(str(n), values) for n, (name, values) in enumerate(WEIGHTS.items())})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("net/data.pkl", held.getvalue())
        archive.writestr("net/version", "3\n")
        for number, values in enumerate(WEIGHTS.values()):
            archive.writestr(f"net/data/{number}", values.tobytes())


def load_torch(path: Path) -> dict[str, Array]:
    """Read tensors as torch.load(path) does, and .numpy() of each."""
    with zipfile.ZipFile(path) as archive:

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, given: Any) -> Array:
                return np.frombuffer(archive.read(f"net/data/{given[2]}"), np.float32)

        found: dict[str, Array] = Unpickler(io.BytesIO(archive.read("net/data.pkl"))).load()
        return found


def save_safetensors(path: Path) -> None:
    head, at = {}, 0
    for name, values in WEIGHTS.items():
        head[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    held = json.dumps(head).encode()
    path.write_bytes(len(held).to_bytes(8, "little") + held + b"".join(v.tobytes() for v in WEIGHTS.values()))


def load_safetensors(path: Path) -> dict[str, Array]:
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return {
        name: np.frombuffer(content[end:][slice(*one["data_offsets"])], np.float32).reshape(one["shape"])
        for name, one in json.loads(content[8:end]).items()
    }


@pytest.mark.parametrize(("save", "load"), [(save_torch, load_torch), (save_safetensors, load_safetensors)])
def test_weights_of_pytorch_are_set_as_the_advice_says(torch: None, tmp_path: Path, save: Any, load: Any) -> None:
    path = tmp_path / "net"
    save(path)
    assert_one_line(refusal(path), "layer.set_weights", "w.transpose(2, 3, 1, 0)", "w.T", "Permute((3, 1, 2))")
    w = load(path)
    model = keras.Sequential(
        [layers.Input((8, 8, 3)), layers.Conv2D(5, 3, activation="relu"), layers.Permute((3, 1, 2)), layers.Flatten(),
         layers.Dense(4)]
    )  # fmt: skip
    model.layers[0].set_weights([w["conv.weight"].transpose(2, 3, 1, 0), w["conv.bias"]])
    model.layers[-1].set_weights([w["fc.weight"].T, w["fc.bias"]])
    model.save(tmp_path / "x.keras")
    images = GENERATOR.random((6, 3, 8, 8), np.float32)
    found = answers(loaded(tmp_path / "x.keras")[0], images.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found, forward(images), rtol=1e-3, atol=1e-4)


# The Keras model that a file was made from


def tflite(model: Any) -> bytes:
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("m.tflite", lambda model: tflite(model), id="TensorFlow Lite"),
        pytest.param("m.onnx", lambda model: onnx(b"tf2onnx"), id="ONNX"),
        pytest.param("m.pb", lambda model: frozen(), id="frozen graph"),
        pytest.param("model.json", lambda model: b'{"modelTopology": {}, "weightsManifest": []}', id="TensorFlow.js"),
    ],
)
def test_the_model_that_a_file_was_made_from_is_read(tmp_path: Path, name: str, content: Any) -> None:
    model = small()
    (tmp_path / name).write_bytes(content(model))
    assert_one_line(refusal(tmp_path / name), "the Keras model that it was made from", "model.save('x.keras')")
    model.save(tmp_path / "x.keras")
    assert_alike(tmp_path / "x.keras", model)


def test_what_keras_3_exported_is_not_sent_to_keras_2(tmp_path: Path) -> None:
    """tf_keras loads it as an object without layers, which cannot be saved."""
    model = small()
    model.export(tmp_path / "exported", verbose=False)
    for path in (tmp_path / "exported", tmp_path / "exported" / "saved_model.pb"):
        error = refusal(path)
        assert_one_line(error, "a SavedModel", "without layers", "the Keras model that it was made from")
        assert "tf_keras" not in str(error)


def test_a_folder_of_keras_2_becomes_a_file_as_the_advice_says(forks: Server, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--retries", "0", "--timeout", "8"]
    try:
        done = subprocess.run(
            [*command, "--target", str(packages), "tf-keras"], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package registry did not answer within 60 s")
    if done.returncode:
        pytest.skip(f"tf-keras could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    model = small()
    np.savez(tmp_path / "w.npz", *model.get_weights())
    script = f"import sys; sys.path.append({str(packages)!r}); import tf_keras, numpy; "
    made = (
        "k = tf_keras.layers; m = tf_keras.Sequential([k.Input((4, 4, 1)), k.Conv2D(2, 3), k.Flatten(), k.Dense(3)]); "
        "w = numpy.load('w.npz'); m.set_weights([w[n] for n in w.files]); m.save('it\\'s saved')"
    )
    done = forks.call([], tmp_path, clean_environment(), f"{script}{made}")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "it's saved", tmp_path / "it's saved" / "saved_model.pb"):
        error = refusal(path)
        assert_one_line(error, "a SavedModel", "pip install tf-keras")
    done = forks.call([], tmp_path, clean_environment(), f"{script}{error.do.partition('in Python: ')[2]}")
    assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "x.h5", model)


def test_a_pickled_model_becomes_a_file_as_the_advice_says(tmp_path: Path) -> None:
    model = small()
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    assert_one_line(refusal(tmp_path / "m.pkl"), "never opens", "if you trust it", "model.save('x.keras')")
    pickle.loads((tmp_path / "m.pkl").read_bytes()).save(tmp_path / "x.keras")
    assert_alike(tmp_path / "x.keras", model)


# Packed files


def tarred(mode: str) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:
        about = tarfile.TarInfo("x.keras")
        about.size = len(hostile.archive())
        archive.addfile(about, io.BytesIO(hostile.archive()))
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "way", "name"),
    [
        (lambda: gzip.compress(hostile.archive()), "gunzip < FILE > x", "packed"),
        (lambda: bz2.compress(hostile.archive()), "bunzip2 < FILE > x", "model.keras"),
        (lambda: lzma.compress(hostile.archive()), "unxz < FILE > x", "packed"),
        (lambda: tarred("w"), "tar -xf FILE", "model.keras"),
        (lambda: tarred("w:gz"), "tar -xzf FILE", "packed"),
        (lambda: tarred("w:bz2"), "tar -xjf FILE", "model.keras"),
        (lambda: tarred("w:xz"), "tar -xJf FILE", "packed"),
    ],
)
def test_packed_files_are_unpacked_as_the_advice_says(tmp_path: Path, content: Any, way: str, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / name).write_bytes(content())
    assert_one_line(refusal(tmp_path / "in" / name), way, "give the .keras or .h5 file inside")
    if not shutil.which(way.split()[0]):
        pytest.skip(f"{way.split()[0]} is not installed")
    run(way.replace("FILE", str(tmp_path / "in" / name)), tmp_path / "out")
    (inside,) = (tmp_path / "out").iterdir()
    assert loaded(inside)[0].count_params() == 51


def test_what_python_unpacks_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "m.xz").write_bytes(lzma.compress(hostile.archive()))
    assert_one_line(refusal(tmp_path / "m.xz"), "an xz archive")
    (tmp_path / "x").write_bytes(lzma.decompress((tmp_path / "m.xz").read_bytes()))
    assert loaded(tmp_path / "x")[0].count_params() == 51


def test_a_7_zip_archive_is_unpacked_as_the_advice_says(tmp_path: Path) -> None:
    path = tmp_path / "m.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(26))
    assert_one_line(refusal(path), "a 7-Zip archive", "pip install py7zr; python -m py7zr x FILE")
    py7zr = pytest.importorskip("py7zr", reason="py7zr is not installed")
    (tmp_path / "x.keras").write_bytes(hostile.archive())
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.write(tmp_path / "x.keras", "x.keras")
    assert_one_line(refusal(path), "a 7-Zip archive")
    (tmp_path / "out").mkdir()
    run(f"{sys.executable} -m py7zr x {path}", tmp_path / "out")
    assert loaded(tmp_path / "out" / "x.keras")[0].count_params() == 51


def test_a_zip_archive_is_unpacked_as_the_advice_says(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(hostile.zipped(("converted/x.keras", hostile.archive()), ("labels.txt", b"0")))
    assert_one_line(refusal(path), "a zip archive", "unpack it (unzip)")
    zipfile.ZipFile(path).extractall(tmp_path / "out")
    assert loaded(tmp_path / "out" / "converted" / "x.keras")[0].count_params() == 51


def test_a_zip_of_a_saved_model_leads_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(hostile.zipped(("m/saved_model.pb", b"\x08\x01\x12"), ("m/keras_metadata.pb", b"")))
    assert_one_line(refusal(path), "a SavedModel in a zip", "unpack it (unzip) and give its folder")
    zipfile.ZipFile(path).extractall(tmp_path)
    assert_one_line(refusal(tmp_path / "m"), "a SavedModel", "pip install tf-keras", f"load_model('{tmp_path / 'm'}'")


def test_a_numpy_archive_is_given_as_data_as_the_advice_says(tmp_path: Path) -> None:
    from reportgen.data import samples

    np.savez(tmp_path / "data.npz", x_test=IMAGES, y_test=[0, 1, 0])
    assert_one_line(refusal(tmp_path / "data.npz"), "a numpy archive", "--data")
    assert len(samples.load(tmp_path / "data.npz", test_only=True).test) == 3


# What a download saved

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"


def test_a_pointer_of_lfs_is_told_with_what_it_stands_for(tmp_path: Path) -> None:
    import hashlib

    oid = hashlib.sha256(hostile.archive()).hexdigest()
    (tmp_path / "m.keras").write_bytes(POINTER % (oid.encode(), 1_234_567))
    assert_one_line(refusal(tmp_path / "m.keras"), "Git LFS", "of 1,234,567 bytes", f"sha256 {oid}", "git lfs pull")
    for odd in (b"", b"\noid sha256:xyz\nsize -1\n", b"\nsize " + b"9" * 5000, b"\xff" * 90):
        (tmp_path / "m.keras").write_bytes(b"version https://git-lfs" + odd)
        assert_one_line(refusal(tmp_path / "m.keras"), "Git LFS", "git lfs pull")


def test_a_pointer_of_lfs_becomes_the_file_as_the_advice_says(tmp_path: Path) -> None:
    if subprocess.run(["git", "lfs", "version"], capture_output=True).returncode:
        pytest.skip("git-lfs is not installed")
    own = "git -c user.name=a -c user.email=a@example.org -c protocol.file.allow=always"
    (tmp_path / "home").mkdir()
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "m.keras").write_bytes(hostile.archive())
    run("git init -q --bare store.git", tmp_path)
    run(
        f"export HOME={tmp_path}/home; {own} init -q -b main && git lfs install --local && git lfs track '*.keras' && "
        f"{own} add . && {own} commit -qm model && {own} push -q file://{tmp_path}/store.git main",
        tmp_path / "made",
    )
    run(f"export HOME={tmp_path}/home; {own} clone -q -b main file://{tmp_path}/store.git clone", tmp_path)
    error = refusal(tmp_path / "clone" / "m.keras")
    assert_one_line(error, "Git LFS", f"{len(hostile.archive()):,} bytes")
    commands = error.do.removeprefix("run ").partition(" in ")[0].replace(", and then ", " && ")
    run(f"export HOME={tmp_path}/home; {commands}", tmp_path / "clone")
    assert loaded(tmp_path / "clone" / "m.keras")[0].count_params() == 51


class _Site(http.server.BaseHTTPRequestHandler):
    """A site that shows a page about a file at /blob/, and gives the file at /raw/ and /resolve/."""

    def do_GET(self) -> None:
        is_page = "/blob/" in self.path
        content = b"<!DOCTYPE html>\n<html><title>m.keras</title></html>" if is_page else hostile.archive()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("instead", ["/raw/", "/resolve/"])
def test_a_saved_page_becomes_the_file_as_the_advice_says(site: str, tmp_path: Path, instead: str) -> None:
    address, opener = f"{site}/a/b/blob/main/m.keras", urllib.request.build_opener(urllib.request.ProxyHandler({}))
    path = tmp_path / "m.keras"
    path.write_bytes(opener.open(address).read())
    assert_one_line(refusal(path), "an HTML page", f"{instead} instead of /blob/")
    path.write_bytes(opener.open(address.replace("/blob/", instead)).read())
    assert loaded(path)[0].count_params() == 51

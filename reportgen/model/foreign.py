"""What a file is that is no Keras model, as its first bytes tell, and how to come to one."""

import re
from collections.abc import Callable, Collection
from pathlib import Path

HEAD = 4096
"""How many of the first bytes are looked at."""

_GRAPH = "saved_model.pb"
_SAVED, _POINTER = b"\x08\x01\x12", b"version https://git-lfs"

_SAVE = "save it with model.save('x.keras')"
_SOURCE = f"take the Keras model that it was made from and {_SAVE}"
_REBUILT = (
    f"build the same layers in Keras, set their weights with layer.set_weights, and {_SAVE}; weights of PyTorch are "
    "turned before, w.transpose(2, 3, 1, 0) of a Conv2d, w.T of a Linear, and Permute((3, 1, 2)) goes before a Flatten"
)
_SOURCE_OR_REBUILT = f"{_SOURCE}; if it was made from none, {_REBUILT}"
_INSIDE = "and give the .keras or .h5 file inside"
_OLD_SAVED = "pip install tf-keras, and in Python: tf_keras.models.load_model({!r}, compile=False).save('x.h5')"
_ZIPPED = "in it run: python -m zipfile -c x.keras config.json metadata.json model.weights.h5"
_RAW = (
    "download the file itself: in its address, write /raw/ instead of /blob/ on GitHub, and /resolve/ instead of "
    "/blob/ on Hugging Face"
)
_PULL = "run git lfs install, and then git lfs pull in its repository"  # without the first it checks nothing out
_FROM_JSON = (
    "give the whole model; or build it with keras.models.model_from_json, fill it with model.load_weights, and " + _SAVE
)
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a number, which the files of PyTorch before 1.6 begin with

_BY_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"TFL3", "a TensorFlow Lite model", _SOURCE),
    (0, _OLD_TORCH, "a PyTorch model", _REBUILT),
    (0, b"\x1f\x8b", "a gzip archive", f"unpack it (gunzip < FILE > x, or tar -xzf FILE) {_INSIDE}"),
    (0, b"BZh", "a bzip2 archive", f"unpack it (bunzip2 < FILE > x, or tar -xjf FILE) {_INSIDE}"),
    (0, b"\xfd7zXZ\x00", "an xz archive", f"unpack it (unxz < FILE > x, or tar -xJf FILE) {_INSIDE}"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", f"unpack it (pip install py7zr; python -m py7zr x FILE) {_INSIDE}"),
    (257, b"ustar", "a tar archive", f"unpack it (tar -xf FILE) {_INSIDE}"),
)


def named(head: bytes, path: Path) -> tuple[str, str] | None:
    """Return what a file is, behind "is ", and the way out; None where its first bytes do not tell. path: of the file.

    It is called something only where bytes say so that another file hardly begins with.
    """
    if head.startswith(_POINTER):
        return _pointer(head)
    if head.startswith(_SAVED):
        return "the graph of a SavedModel", _of_saved(path.parent)
    for start, magic, what, do in _BY_MAGIC:
        if head[start:].startswith(magic):
            return what, do
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, as a download saves it where it is not given the file", _RAW
    if text.startswith(b"{"):
        return _json(text)
    for fits, what, do in _BY_STRUCTURE:
        if fits(head, path.name):
            return what, do
    return None


def in_archive(names: Collection[str]) -> tuple[str, str] | None:
    """Return what a zip archive is that holds members of these names, as `named` does."""
    lasts = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in lasts:
        return "a PyTorch model", _REBUILT
    if _GRAPH in lasts:
        return "a SavedModel in a zip archive", "unpack it (unzip) and give its folder, which tells more"
    if any(name.endswith(".npy") for name in lasts):
        return "a numpy archive", "give it as --data if it holds images, and as --model a .keras or .h5 file"
    if any(name.lower().endswith((".keras", ".h5", ".hdf5")) and name != "model.weights.h5" for name in lasts):
        return "a zip archive", f"unpack it (unzip) {_INSIDE}"
    return None


def folder(path: Path) -> tuple[str, str]:
    """Return what a folder is that was given for a model, as `named` does."""
    if (path / _GRAPH).is_file():
        return "a SavedModel, a folder that Keras 2 and TensorFlow write", _of_saved(path)
    if (path / "config.json").is_file() and (path / "model.weights.h5").is_file():
        return "the folder of an unpacked .keras file", _ZIPPED
    return "a folder", f"expected a .keras or .h5 file that Keras saved whole; {_SAVE}"


def _of_saved(path: Path) -> str:
    """Return the way out of a SavedModel: layers are in one of Keras 2 alone, which says so in a file of its own.

    TensorFlow before 2.5 had no such file, and the fingerprint came with 2.12.
    """
    if (path / "fingerprint.pb").is_file() and not (path / "keras_metadata.pb").is_file():
        return f"it holds operations without layers; {_SOURCE}"
    return _OLD_SAVED.format(str(path))


def _pointer(head: bytes) -> tuple[str, str]:
    """Return what a pointer of Git LFS is: it names the file that is missing by its size and its SHA-256."""
    found = dict(re.findall(r"^(oid sha256|size)[: ]([0-9a-f]{1,64})$", head.decode("ascii", "replace"), re.MULTILINE))
    whole = f" of {int(found['size']):,} bytes" if found.get("size", "").isdecimal() else ""
    oid = f" (sha256 {found['oid sha256']})" if "oid sha256" in found else ""
    return f"a pointer of Git LFS instead of the file itself{whole}{oid}", _PULL


def _json(text: bytes) -> tuple[str, str] | None:
    if b'"modeltopology"' in text:
        return "the graph of a TensorFlow.js model, without weights", _SOURCE
    if b'"class_name"' in text:
        return "the configuration of a model alone, without weights", _FROM_JSON
    return None


def _is_safetensors(head: bytes, name: str) -> bool:
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 10**8


def _is_pickle(head: bytes, name: str) -> bool:
    return head[:1] == b"\x80" and 2 <= head[1] <= 5 if len(head) > 2 else False


def _is_onnx(head: bytes, name: str) -> bool:
    """A number for the version, then the name of the program that wrote it, or the file says so by its ending."""
    if len(head) < 4 or head[0] != 0x08 or not 1 < head[1] <= 20:
        return False
    producer = head[4 : 4 + head[3]]
    is_named = head[2] == 0x12 and 0 < len(producer) == head[3] < 60 and producer.isascii()
    return name.lower().endswith(".onnx") or (is_named and producer.decode("ascii").isprintable())


def _is_graph(head: bytes, name: str) -> bool:
    """A node first, with its name and its operation, as protocol buffers write them."""
    rest = head[1:].lstrip(bytes(range(128, 256)))[1:]  # behind the length of the node
    if head[:1] != b"\n" or len(rest) < 4 or rest[0] != 0x0A:
        return False
    node, after = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    operation = after[2 : 2 + after[1]] if len(after) > 2 and after[0] == 0x12 else b""
    return bool(node) and node.isascii() and operation.isalnum()


_BY_STRUCTURE: tuple[tuple[Callable[[bytes, str], bool], str, str], ...] = (
    (_is_safetensors, "a file of weights alone (safetensors)", _REBUILT),
    (_is_pickle, "a Python pickle, which reportgen never opens", f"if you trust it, open it in Python and {_SAVE}"),
    (_is_onnx, "an ONNX model", _SOURCE_OR_REBUILT),
    (_is_graph, "a frozen TensorFlow graph", _SOURCE),
)

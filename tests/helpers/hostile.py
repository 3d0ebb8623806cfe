"""Model files that nobody should load, written byte by byte, each with what its refusal says."""

import copy
import functools
import io
import json
import os
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Config = dict[str, Any]
CASES: "list[Case]" = []


@dataclass(frozen=True)
class Case:
    """A hostile file. write: makes it in a folder and returns its path. says: stands in the line that refuses it.

    early: it is refused by its first bytes or for what kind of file it is, without a look into it.
    """

    name: str
    says: str
    write: Callable[[Path], Path]
    early: bool


# ---- a good model, as Keras 3.15 writes it


def keras_object(kind: str, module: str = "keras.layers", **config: Any) -> Config:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def dense(**config: Any) -> Config:
    glorot, zeros = (keras_object(kind, "keras.initializers") for kind in ("GlorotUniform", "Zeros"))
    glorot["config"] = {"seed": None}
    settings = {"units": 3, "activation": "softmax", "use_bias": True, "kernel_initializer": glorot}
    settings |= {"name": "dense", "trainable": True, "bias_initializer": zeros, "dtype": policy()}
    return keras_object("Dense", **settings | config) | {"build_config": {"input_shape": [None, 16]}}


def policy() -> Config:
    return keras_object("DTypePolicy", "keras", name="float32") | {"shared_object_id": 139845876388816}


def sequential(*between: Config, last: Config | None = None, name: str = "net") -> Config:
    """Return the configuration of Input(4, 4, 1), Flatten, `between`, Dense(3)."""
    start = keras_object(
        "InputLayer", batch_shape=[None, 4, 4, 1], dtype="float32", sparse=False, ragged=False, name="input_layer"
    )
    flatten = keras_object("Flatten", name="flatten", trainable=True, dtype=policy(), data_format="channels_last")
    layers = [start, flatten, *between, last or dense()]
    config = keras_object("Sequential", "keras", name=name, trainable=True, dtype=policy(), layers=layers)
    return config | {"build_config": {"input_shape": [None, 4, 4, 1]}}


def old(config: Config) -> Config:
    """Return a configuration as an HDF5 file has it: layers without modules."""
    config = copy.deepcopy(config)
    for layer in (config, *config["config"]["layers"]):
        if layer.get("module") in ("keras", "keras.layers"):
            del layer["module"]
            if layer.get("registered_name") is None:
                layer.pop("registered_name", None)
    return {"class_name": config["class_name"], "config": config["config"]}


KERNEL = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
BIAS = np.zeros(3, np.float32)


def hdf5(fill: Callable[[h5py.File], None]) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        fill(file)
    return held.getvalue()


def fill_weights(file: h5py.File, *, kernel: Any = KERNEL, bias: Any = BIAS) -> None:
    """Write weights as a .keras file has them."""
    file.create_group("layers/flatten/vars").attrs["name"] = "flatten"
    group = file.create_group("layers/dense/vars")
    group.attrs["name"] = "dense"
    group["0"], group["1"] = kernel, bias


def fill_old(file: h5py.File, *, config: Any = None, kernel: Any = KERNEL) -> None:
    """Write a whole model as an .h5 file has it."""
    file.attrs["keras_version"], file.attrs["backend"] = "3.15.1", "tensorflow"
    given = old(sequential()) if config is None else config
    file.attrs["model_config"] = json.dumps(given) if isinstance(given, dict) else given
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = [b"flatten", b"dense"]
    group.create_group("flatten").attrs["weight_names"] = np.array([], "S1")
    layer = group.create_group("dense")
    layer.attrs["weight_names"] = [b"net/dense/kernel", b"net/dense/bias"]
    layer["net/dense/kernel"], layer["net/dense/bias"] = kernel, BIAS
    group.create_group("top_level_model_weights").attrs["weight_names"] = np.array([], "S1")


@functools.cache
def good_weights() -> bytes:
    return hdf5(fill_weights)


def archive(config: Config | bytes | None = None, weights: bytes | None = None, *more: tuple[Any, bytes]) -> bytes:
    """Return a .keras file. config, weights: by default good ones. more: further members, name and content."""
    given = sequential() if config is None else config
    members: list[tuple[Any, bytes]] = [
        ("metadata.json", b'{"keras_version": "3.15.1", "date_saved": "2026-11-24@12:00:00"}'),
        ("config.json", given if isinstance(given, bytes) else json.dumps(given).encode()),
        ("model.weights.h5", good_weights() if weights is None else weights),
    ]
    return zipped(*members, *more)


def zipped(*members: tuple[Any, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as made:
        for name, content in members:
            # of a fixed date, so that the same members are the same bytes
            member = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            made.writestr(member, content, compression)
    return held.getvalue()


# ---- the cases


def case(
    says: str, file: str = "model.keras", *, name: str = "", early: bool = False
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Declare the function below to return the bytes of a hostile file."""

    def declare(make: Callable[[], Any]) -> Callable[[], Any]:
        def write(folder: Path) -> Path:
            (folder / file).write_bytes(make())
            return folder / file

        CASES.append(Case(name or make.__name__.replace("_", " "), says, write, early))
        return make

    return declare


def config_case(name: str, says: str, *between: Config, last: Config | None = None) -> None:
    """Declare a .keras file with hostile layers, and the .h5 file with the same."""
    config = sequential(*between, last=last)
    case(says, name=name)(lambda: archive(config))
    case(says, "model.h5", name=f"{name} in h5")(lambda: hdf5(lambda f: fill_old(f, config=old(config))))


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
LAMBDA = keras_object("Lambda", name="trap", function=CODE, arguments={})


def function(module: str, name: str) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


config_case("lambda", 'layer "trap" runs Python code (Lambda)', LAMBDA)
config_case("lambda in a model", 'layer "trap" runs Python code', sequential(LAMBDA, name="inner"))
config_case(
    "lambda in a wrapper", 'layer "trap" runs Python code', keras_object("TimeDistributed", name="each", layer=LAMBDA)
)
config_case("lambda as activation", 'layer "dense" runs Python code', last=dense(activation=CODE))
GALLERY = function("keras.visualization", "plot_image_gallery")
config_case(
    "public function in a lambda", "runs Python code",
    keras_object("Lambda", name="trap", function=GALLERY, arguments={"path": "/tmp/written-by-a-model.png"}),
)  # fmt: skip
for module, named in (
    ("keras.visualization", "plot_image_gallery"),
    ("keras.utils", "get_file"),
    ("keras.config", "enable_unsafe_deserialization"),
    ("keras.models", "load_model"),
    ("builtins", "eval"),
    ("os", "system"),
):
    config_case(f"function {module}.{named}", f"{module}.{named}", last=dense(activation=function(module, named)))
config_case("class of another module", "os.system", keras_object("system", "os", command="true"))
config_case("process", "subprocess.Popen", keras_object("Popen", "subprocess", args=["true"]))
config_case(
    "internal class", "keras.src.saving.saving_lib.H5IOStore",
    keras_object("H5IOStore", "keras.src.saving.saving_lib", path_or_io="/etc/passwd", mode="w"),
)  # fmt: skip
config_case("layer by its inner module", "core.dense.Dense", keras_object("Dense", "keras.src.layers.core.dense"))
config_case("module to import", "keras_hub.models.X", keras_object("X", "keras_hub.models"))
config_case("registered name", "evil>Dense, which is not Keras's own", dense() | {"registered_name": "evil>Dense"})
config_case("module that is no text", "Dense, which is not Keras's own", dense() | {"module": ["keras.layers"]})
config_case("class name that is no text", "a list as a class_name", {"class_name": ["Dense"], "config": {}})
config_case("custom layer", "Mine, which is not Keras's own", keras_object("Mine", "mine", name="own"))
config_case("custom activation", "my_activation", last=dense(activation="my_activation"))
config_case("custom initializer", "mine.Init", last=dense(kernel_initializer=keras_object("Init", "mine")))
config_case("optimizer as a layer", "keras.optimizers.Adam", keras_object("Adam", "keras.optimizers"))
config_case("vocabulary from a file", "vocabulary", keras_object("StringLookup", vocabulary="/etc/passwd"))
config_case("vocabulary from a server", "vocabulary", keras_object("IntegerLookup", vocabulary="http://127.0.0.1:9/v"))
config_case("words", "vocabulary", keras_object("TextVectorization", vocabulary="/etc/passwd"))
config_case("saved model", "loads another model", keras_object("TFSMLayer", filepath="/tmp/model"))
config_case("torch module", "Python objects", keras_object("TorchModuleWrapper", name="torch"))
config_case("jax", "function of its own", keras_object("JaxLayer", call_fn=CODE))
config_case("flax", "function of its own", keras_object("FlaxLayer", name="flax"))
config_case("abstract layer", "is refused", keras_object("Layer", name="nothing"))
config_case("features", "FeatureSpace", keras_object("FeatureSpace", "keras.utils"))
config_case("operation with a function", "keras.src.ops.core.Map", keras_object("Map", "keras.src.ops.core"))
config_case("function as a class", "keras.src.ops.numpy.add", keras_object("add", "keras.src.ops.numpy"))
config_case(
    "array of text", "__numpy__", {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "<U1000000000"}}
)
config_case("array of objects", "__tensor__", {"class_name": "__tensor__", "config": {"value": [1], "dtype": "object"}})
config_case("type of TensorFlow", "__typespec__", {"class_name": "__typespec__", "config": [], "module": "os"})
config_case("bytes", "__bytes__", {"class_name": "__bytes__", "config": {"value": "x"}})
config_case("tensor of TensorFlow", "CompositeTensor", {"class_name": "CompositeTensor", "spec": {}, "tensors": []})
config_case("layer named as a path", "rename it", last=dense(name="../../etc/cron.d/x"))
config_case("layer named as a drive", "rename it", last=dense(name="C:\\x"))
config_case("layer named as a folder", "rename it", last=dense(name=".."))
config_case("layer with a NUL in its name", "rename it", last=dense(name="a\0b"))
config_case("layer named by a number", "a number as the name", last=dense(name=7))
config_case("giant layer", "60,000,000", last=dense(units=60_000_000))
config_case("overflow", "9,223,372,036,854,775,808", last=dense(units=2**63))
config_case("overflow far", "a number of 4001 digits", last=dense(units=10**4000))
config_case("negative layer", "-3 as the units", last=dense(units=-3))
config_case("giant kernel", "kernel_size", keras_object("Conv2D", name="conv", filters=1, kernel_size=[30000, 30000]))
config_case("giant embedding", "input_dim", keras_object("Embedding", name="words", input_dim=2**31 - 1, output_dim=8))
config_case(
    "too many layers", "too many layers (703",
    *(keras_object("Activation", name=f"a{n}", activation="relu") for n in range(701)),
)  # fmt: skip


def nest(depth: int) -> Config:
    config = sequential()
    for n in range(depth):
        config = sequential(config, name=f"outer{n}")
    return config


case("nested too deep", name="models in models")(lambda: archive(nest(30)))
case("without layers", name="no layers")(lambda: archive(keras_object("Sequential", "keras", name="net", layers=[])))
case("without layers", name="only an input")(
    lambda: archive(keras_object("Sequential", "keras", name="net", layers=[sequential()["config"]["layers"][0]]))
)
case("no list of layers", name="layers that are no list")(
    lambda: archive(keras_object("Sequential", "keras", name="net", layers="Dense"))
)
case("no model but an object of the class Adam", name="optimizer")(
    lambda: archive(keras_object("Adam", "keras.optimizers", learning_rate=0.1))
)
case("class MyNet", name="class of a model")(
    lambda: archive(keras_object("MyNet", "mine") | {"registered_name": "mine>MyNet"})
)
case("never built", name="unbuilt")(lambda: archive(None, hdf5(lambda file: None)))
case("no readable JSON", name="no JSON")(lambda: archive(b"{"))
case("no readable JSON", name="YAML")(lambda: archive(b"!!python/object/apply:os.system ['true']"))
case("no readable JSON", name="pickle")(lambda: archive(b"\x80\x04cos\nsystem\n(S'true'\ntR."))
case("no readable JSON", name="NaN in JSON")(lambda: archive(json.dumps(sequential(last=dense(x=np.nan))).encode()))
case("too large", name="1e999 in JSON")(lambda: archive(json.dumps(sequential()).replace("16", "1e999").encode()))
case("twice", name="key twice")(lambda: archive(b'{"class_name": "Sequential", "class_name": "Lambda", "config": {}}'))
case("no readable JSON", name="UTF-16")(lambda: archive(json.dumps(sequential()).encode("utf-16")))
case("no readable JSON", name="Latin-1")(
    lambda: archive(json.dumps(sequential(name="\xe9"), ensure_ascii=False).encode("latin-1"))
)
case("a list, no object", name="JSON list")(lambda: archive(b"[1, 2]"))
case("describes no model", name="JSON object")(lambda: archive(b"{}"))
case("nested too deep", name="deep JSON")(lambda: archive(b'{"a":' * 100_000 + b"1" + b"}" * 100_000))


def nested(inner: Any, _: int) -> Any:
    return [inner]


case("nested too deep", name="nested JSON")(
    lambda: archive(sequential(last=dense(x=functools.reduce(nested, range(300), 1))))
)
case("500,000 values", name="wide JSON")(lambda: archive(sequential(last=dense(x=[0] * 500_001))))
case("no readable JSON", name="endless number")(lambda: archive(b'{"class_name": ' + b"9" * 100_000 + b"}"))

# ---- the archive

case("lacks config.json", name="no config")(lambda: zipped(("model.weights.h5", good_weights())))
case("lacks model.weights.h5", name="no weights")(lambda: zipped(("config.json", json.dumps(sequential()).encode())))
for inside in ("../evil.py", "/etc/cron.d/evil", "a/../../evil", "model.pkl", "assets/vocabulary.txt", "CONFIG.JSON"):
    case("does not belong", name=f"member {inside}")(functools.partial(archive, None, None, (inside, b"x")))
case("does not belong", name="member with escapes")(lambda: archive(None, None, ("\x1b[2Jevil\n", b"x")))
case("neither", name="empty archive", early=True)(lambda: zipped())
case("neither", name="archive behind a program", early=True)(lambda: b"MZ" + b"\0" * 100 + archive())


@case("config.json twice")
def member_twice() -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return archive(None, None, ("config.json", json.dumps(sequential(LAMBDA)).encode()))


@case("as a link")
def member_that_is_a_link() -> bytes:
    link = zipfile.ZipInfo("config.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped((link, b"/etc/passwd"), ("model.weights.h5", good_weights()))


@case("is encrypted")
def encrypted() -> bytes:
    content = bytearray(archive())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    return bytes(content)


@case("unusual compression")
def lzma() -> bytes:
    return zipped(
        ("config.json", json.dumps(sequential()).encode()), ("model.weights.h5", good_weights()),
        compression=zipfile.ZIP_LZMA,
    )  # fmt: skip


@case("but it stores")
def bomb_in_the_config() -> bytes:
    return zipped(
        ("config.json", b" " * 60_000_000), ("model.weights.h5", good_weights()), compression=zipfile.ZIP_DEFLATED
    )


@case("declare")
def bomb_in_the_weights() -> bytes:
    return zipped(
        ("config.json", json.dumps(sequential()).encode()), ("model.weights.h5", bytes(100_000_000)),
        compression=zipfile.ZIP_DEFLATED,
    )  # fmt: skip


@case("declare")
def size_that_is_a_lie() -> bytes:
    content = bytearray(archive())
    at = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, 0xFFFFFFF0)  # the uncompressed size in the directory
    return bytes(content)


@case("damaged")
def flipped_bit_in_the_weights() -> bytes:
    content = bytearray(archive())
    content[content.rfind(KERNEL.tobytes()) + 5] ^= 1
    return bytes(content)


for kept in (10, 200, 3000, 6000, 12000):
    case("damaged", name=f"cut off behind {kept} bytes")(lambda kept=kept: archive()[:kept])

# ---- HDF5, inside an archive and as a whole file


def weights_case(name: str, says: str, fill: Callable[[h5py.File], None]) -> None:
    case(says, name=name)(lambda: archive(None, hdf5(fill)))

    def both(file: h5py.File) -> None:
        fill_old(file)
        fill(file.require_group("model_weights/extra"))

    case(says, "model.h5", name=f"{name} in h5")(lambda: hdf5(both))


def external(file: Any) -> None:
    fill_weights(file)
    file["out"] = h5py.ExternalLink("/etc/other.h5", "/x")


def soft(file: Any) -> None:
    fill_weights(file)
    file["out"] = h5py.SoftLink("/layers")


def stored_elsewhere(file: Any) -> None:
    fill_weights(file)
    file.create_dataset("out", (16, 3), "f4", external=[("/etc/passwd", 0, 192)])


def virtual(file: Any) -> None:
    fill_weights(file)
    layout = h5py.VirtualLayout((16, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (16, 3))
    file.create_virtual_dataset("out", layout)


def shape_bomb(size: int) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        fill_weights(file)
        made = file.create_dataset("out", (size,), "f4", chunks=(2**16,), compression="gzip", fillvalue=0)
        made[:10] = 1

    return fill


def twice(file: Any) -> None:
    fill_weights(file)
    file["again"] = file["layers/dense/vars/0"]


def cycle(file: Any) -> None:
    fill_weights(file)
    file["layers/dense/again"] = file["layers"]


def deep(file: Any) -> None:
    fill_weights(file)
    file.create_group("/".join("g" * 150))


def of_kind(**settings: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        fill_weights(file)
        file.create_dataset("out", **settings)

    return fill


def named_type(file: Any) -> None:
    fill_weights(file)
    file["out"] = np.dtype("f8")


def strange_attribute(file: Any) -> None:
    fill_weights(file)
    file["layers"].attrs["out"] = np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")])


def spoiled(value: float) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        kernel = KERNEL.copy()
        kernel[7, 1] = value
        fill_weights(file, kernel=kernel)

    return fill


weights_case("external link", "outside the file", external)
weights_case("soft link", "outside the file", soft)
weights_case("external storage", "outside the file", stored_elsewhere)
weights_case("virtual weights", "outside the file", virtual)
weights_case("giant weights", "but it stores", shape_bomb(10**12))
weights_case("large weights", "but it stores", shape_bomb(10**6))
weights_case("weights that were never written", "but it stores 0", of_kind(shape=(5,), dtype="f4"))
weights_case("weights twice", "one of them twice", twice)
weights_case("weights in a circle", "one of them twice", cycle)
weights_case("weights in deep groups", "too many objects", deep)
weights_case("unusual filter", "unusual compression", of_kind(data=np.arange(100.0), chunks=(10,), compression="lzf"))
weights_case("text for weights", "no numbers", of_kind(data=["a", "b"], dtype=h5py.string_dtype()))
weights_case("records for weights", "no numbers", of_kind(data=np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")])))
weights_case("complex weights", "no numbers", of_kind(data=np.array([1j])))
weights_case("weights of unknown type", "no numbers", of_kind(data=np.zeros(4, "V2")))
weights_case("type for weights", "no weights", named_type)
weights_case("strange attribute", "strange attribute", strange_attribute)
weights_case("NaN", "NaN or infinite", spoiled(np.nan))
weights_case("infinity", "NaN or infinite", spoiled(-np.inf))
case('weights of "dense"', name="NaN names the layer")(lambda: archive(None, hdf5(spoiled(np.nan))))
case('weights of "dense"', "model.h5", name="NaN names the layer in h5")(
    lambda: hdf5(lambda file: fill_old(file, kernel=np.full((16, 3), np.inf, np.float32)))
)


@case("NaN or infinite")
def nan_in_bfloat16() -> bytes:
    def fill(file: h5py.File) -> None:
        fill_weights(file)
        made = file.create_dataset("out", data=np.array([0x3F80, 0x7FC0], np.uint16).view("V2"))
        made.attrs["dtype"] = "bfloat16"

    return archive(None, hdf5(fill))


case("damaged", name="no HDF5 inside")(lambda: archive(None, b"not HDF5 at all"))
case("damaged", name="HDF5 cut off inside")(lambda: archive(None, good_weights()[:1500]))
case("damaged", "model.h5", name="HDF5 cut off")(lambda: hdf5(fill_old)[:3000])
case("damaged", "model.h5", name="HDF5 signature")(lambda: b"\x89HDF\r\n\x1a\n")
case("damaged", "model.h5", name="noise behind the signature")(
    lambda: b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(5000)
)
case("weights but no model", "model.weights.h5", name="weights alone")(good_weights)
case("no readable JSON", "model.h5", name="configuration that is no text")(
    lambda: hdf5(lambda file: fill_old(file, config=b"\xff\xfe"))
)
case("damaged", "model.h5", name="configuration that is a number")(lambda: hdf5(lambda file: fill_old(file, config=7)))
case("runs Python code", "model.h5", name="lambda as Keras 2 wrote it")(
    lambda: hdf5(
        lambda file: fill_old(
            file,
            config={
                "class_name": "Sequential",
                "config": [
                    {"class_name": "Lambda", "config": {"name": "trap", "function": ["4wEAAAA=", None, None],
                     "function_type": "lambda", "module": "__main__", "batch_input_shape": [None, 4, 4, 1]}},
                ],
            },
        )
    )
)  # fmt: skip
case("0 axes", "model.h5", name="axes that Keras forgets")(
    lambda: hdf5(
        lambda file: fill_old(file, config=old(sequential(keras_object("UnitNormalization", name="unit", axis=[]))))
    )
)
case("TypeSpec", "model.h5", name="type in h5")(
    lambda: hdf5(
        lambda file: fill_old(
            file,
            config=old(sequential(last=dense(x={"class_name": "TypeSpec", "type_spec": "tf.X", "serialized": []}))),
        )
    )
)

# ---- what is no model file

case("is empty", name="empty", early=True)(bytes)
case("neither", name="text", early=True)(lambda: b"This is not a model.\n")
case("neither", name="picture", early=True)(lambda: b"\x89PNG\r\n\x1a\n" + bytes(100))
case("neither", "model.h5", name="HDF5 behind a block of the user's", early=True)(lambda: bytes(512) + hdf5(fill_old))
case("rename it to model.h5", name="HDF5 as .keras", early=True)(lambda: hdf5(fill_old))
case("rename it to model.keras", "model.h5", name="archive as .h5", early=True)(archive)


def special(says: str, name: str) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Declare the function below to make something that is no file."""

    def declare(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
        CASES.append(Case(name, says, write, early=True))
        return write

    return declare


@special("is a folder", "folder")
def _folder(folder: Path) -> Path:
    (folder / "model.keras").mkdir()
    (folder / "model.keras" / "config.json").write_text("{}")
    return folder / "model.keras"


@special("link to nothing", "link to nothing")
def _dangling(folder: Path) -> Path:
    (folder / "model.keras").symlink_to("nowhere.keras")
    return folder / "model.keras"


@special("cannot be read", "link to itself")
def _loop(folder: Path) -> Path:
    (folder / "model.keras").symlink_to("model.keras")
    return folder / "model.keras"


@special("not a regular file", "pipe")
def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "model.keras")
    return folder / "model.keras"


@special("cannot be read", "socket")
def _socket(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("model.keras")
    finally:
        os.chdir(here)
    return folder / "model.keras"


@special("not a regular file", "device")
def _device(folder: Path) -> Path:
    (folder / "model.keras").symlink_to("/dev/zero")
    return folder / "model.keras"


@special("does not exist", "address")
def _address(folder: Path) -> Path:
    return Path("hf://someone/model.keras")

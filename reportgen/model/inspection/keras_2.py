"""The configuration of a model that Keras 2 wrote, as Keras 3 writes it: what was dropped, renamed, and spelt else.

What comes out is checked like every configuration, so nothing that is done here lets a file name more than others.

Longer than most modules: it is one walk through a configuration, and what was spelt else stands beside who spells it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reportgen.errors import InputError
from reportgen.format import first, short
from reportgen.i18n import Text, joined, ntext, text
from reportgen.model.inspection import allowed, keras_2_nodes, keras_2_operations
from reportgen.model.inspection.keras_2_operations import is_tensor, is_whole, tensor

_VERSION = re.compile(r"\d{1,3}(\.\d{1,4}){1,3}")
REBUILD = "build the same layers in Keras 3, fill them with model.load_weights of this file, and give that model"
"""What to do with a file that is not read: its weights can be, and live models may be of anything."""

_LISTED, _LONGEST_AXIS = 10, 2**31
_WITH_SLASHES = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+", re.ASCII)
_ENGINE = re.compile(r"(tf_)?keras\.(src\.)?engine\.functional")
_EXPERIMENTAL = "keras.layers.experimental"
"""Where a SyncBatchNormalization was in Keras 2."""
_CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",  # which differs in training alone
    **_CUDNN,
}
_CALCULATED_ELSE = {"hard_sigmoid": "lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)"}  # x / 6 + 0.5 now


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def _is(*values: object) -> Callable[[object], bool]:
    return lambda value: any(value == one and type(value) is type(one) for one in values)


def _any(value: object) -> bool:
    return True


def _is_shape(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(size is None or is_whole(size) for size in value))


_HOLDING = ("layer", "backward_layer", "cell", "cells")
_MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"} | dict.fromkeys(
    allowed.LAYERS, "keras.layers"
)
_SEPARABLE = _names("SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D")
_GROUPLESS = _SEPARABLE | _names("Conv1DTranspose Conv2DTranspose Conv3DTranspose")
_STEPPING = _names("RNN LSTM GRU SimpleRNN ConvLSTM1D ConvLSTM2D ConvLSTM3D")
_BATCH = frozenset({"BatchNormalization"})
_SPATIAL = _names("SpatialDropout1D SpatialDropout2D SpatialDropout3D")
_RANDOM = frozenset(name for name in allowed.LAYERS if name.startswith("Random"))
_ATTENTION = frozenset({"MultiHeadAttention"})
_INITIAL = allowed.INITIALIZERS - allowed.LAYERS  # Identity is a layer too
_DROPPED: tuple[tuple[str, frozenset[str], Callable[[object], bool]], ...] = (
    ("groups", _GROUPLESS, _is(1)),
    ("time_major", _STEPPING, _is(False)),
    ("implementation", _STEPPING | _names("SimpleRNNCell LSTMCell GRUCell"), _is(0, 1, 2)),
    ("input_spec", _STEPPING, _is(None)),
    ("virtual_batch_size", _BATCH, _is(None)),
    ("adjustment", _BATCH, _is(None)),
    ("fused", _BATCH, _is(None, False, True)),
    ("noise_shape", _SPATIAL, _is(None)),
    ("trainable", _SPATIAL | {"Discretization"}, _is(False, True)),  # without weights
    ("rng_type", _RANDOM, _is("stateful", "legacy_stateful")),
    ("force_generator", _RANDOM, _is(False, True)),
    ("kernel_initializer", _SEPARABLE, _any),  # theirs are depthwise_initializer and pointwise_initializer
    ("kernel_regularizer", _SEPARABLE, _is(None)),
    ("kernel_constraint", _SEPARABLE, _is(None)),
    ("input_length", frozenset({"Embedding"}), _any),  # the graph says it
    ("softmax_robust_masking", _ATTENTION, _is(False)),
    *((name, _ATTENTION, _is_shape) for name in ("query_shape", "key_shape", "value_shape")),  # the graph says them
    ("dtype", _INITIAL, lambda value: isinstance(value, str)),
    ("partition_info", _INITIAL, _is(None)),
    ("dynamic", allowed.LAYERS, _is(False)),
)
"""What Keras 3 does not know: the argument, whose it was, and with which values it changes nothing."""


@dataclass
class Changes:
    """What was changed, as it is told. dropped: settings with the classes that had them.

    renamed: classes, renamed_layers: names of layers, each the old one and the new one. cudnn: whether weights are laid
    out as CuDNN has them, see `weights.from_cudnn`.
    """

    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    renamed: set[tuple[str, str]] = field(default_factory=set)
    renamed_layers: set[tuple[str, str]] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    respelt: bool = False
    cudnn: bool = False

    def said(self, version: str | None) -> Text | None:
        """Return all in a sentence, None where nothing was changed. version: of Keras, None where it is not known."""
        parts = []
        if self.dropped:
            settings = [f"{what} ({_counted(kinds)})" for what, kinds in self.dropped.items()]
            parts.append(text("left out, as it changes nothing: {settings}", settings=", ".join(settings)))
        if self.renamed:
            renamed = [text("{old} taken for {new}", old=old, new=new) for old, new in sorted(self.renamed)]
            parts.append(joined(", ", renamed))
        if self.renamed_layers:
            shown = [f"{short(old, 40)} → {short(new, 40)}" for old, new in sorted(self.renamed_layers)]
            parts.append(
                ntext(
                    len(shown),
                    "{n} layer renamed, as Keras 3 takes a name with slashes for a path: {names}",
                    "{n} layers renamed, as Keras 3 takes names with slashes for paths: {names}",
                    names=first(shown, _LISTED),
                )
            )
        if self.functions:
            calls = ntext(
                len(self.functions),
                "{n} call of TensorFlow taken for the operation of Keras that does the same: {functions}",
                "{n} calls of TensorFlow taken for the operations of Keras that do the same: {functions}",
                functions=", ".join(sorted(set(self.functions))),
            )
            parts.append(calls)
        if self.cudnn:
            parts.append(text("weights that lie as CuDNN has them turned to how the plain layers have them"))
        if self.respelt:
            parts.append(text("its shapes and calls written as Keras 3 writes them"))
        if not parts:
            return None
        if is_old(version):
            said = text("Keras {version} wrote the file, which was read with these changes: {changes}.",
                        version=str(version), changes=joined("; ", parts))  # fmt: skip
        else:
            said = text("The file holds what Keras 2 writes, which was read with these changes: {changes}.",
                        changes=joined("; ", parts))  # fmt: skip
        return said


def version(given: object) -> str | None:
    """Return the version of Keras that a file names, None where it names none."""
    found = given.decode("ascii", "replace") if isinstance(given, bytes) else given
    match = _VERSION.match(found) if isinstance(found, str) else None
    return match[0] if match else None


def version_in(about: bytes) -> str | None:
    """Return the version of Keras that the metadata.json of a .keras file names, None where it names none."""
    found = re.search(rb'"keras_version": *"([0-9.]{3,20})"', about[:10_000])
    return version(found[1]) if found else None


def is_old(written_by: str | None) -> bool:
    """Return whether a version of Keras is one before 3."""
    return written_by is not None and int(written_by.split(".")[0]) < 3


def called(written_by: str | None) -> str:
    """Return what a message calls a file, behind "is "."""
    return f"a file of Keras {written_by}" if is_old(written_by) else "written as Keras 2 writes files"


def translate(config: dict[str, Any], written_by: str | None, *, by_order: bool) -> Changes:
    """Change a configuration, in place, to what Keras 3 reads as the same model, and return what was changed.

    written_by: the version of Keras. What Keras 2 cannot have written stays as it is. by_order: whether the weights
    are found by the order of the layers, as in an .h5 file, and not by their names.
    Raises InputError, its message beginning behind the file's name, for what would not be the same in Keras 3.
    """
    changes = Changes()
    for value, owner, beside in _objects(config):
        if value["class_name"] in allowed.MODELS and by_order and is_old(written_by):
            _name_without_slashes(value.get("config"), changes)
        _model(value, changes, written_by)
        inner = value.get("config")
        if isinstance(inner, dict):
            kind = _kind(value, changes)
            _layer(kind, inner, owner, changes, written_by)
            if kind in _ATTENTION and is_old(written_by):
                value.pop("build_config", None)  # of one shape where Keras 3 needs two; the graph says both
        _calls(value, owner, beside, changes, written_by)
    if written_by is None or is_old(written_by):
        _name_modules(config, changes)
    return changes


def _objects(config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, list[Any]]]:
    """Yield all that has a class, outermost first; what is yielded may be changed.

    With it come what a message calls it, and the list in which it stands, such as the layers of a model.
    """
    waiting: list[tuple[Any, str, list[Any]]] = [(config, "model", [])]
    while waiting:
        value, owner, beside = waiting.pop()
        if isinstance(value, dict):
            kind, inner = value.get("class_name"), value.get("config")
            if isinstance(kind, str):
                name = inner.get("name") if isinstance(inner, dict) else None
                owner = f'layer "{short(name, 40)}" ({short(kind, 40)})' if isinstance(name, str) else owner
                yield value, owner, beside
            waiting += [(inner, owner, []) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, owner, value) for inner in value]


def _name_modules(config: dict[str, Any], changes: Changes) -> None:
    """Name the module of layers that Keras 3 does not find without, or reads otherwise.

    It finds none in a wrapper, forgets axes, and takes the name of a way to compare for a function of that name.
    What has a registered name is a class of somebody's own, and stays one.
    """
    for value, _, _ in _objects(config):
        inner = value.get("config")
        if value["class_name"] not in allowed.LAYERS or not isinstance(inner, dict):
            continue
        axis = inner.get("axis")
        is_misread = "score_mode" in inner or (isinstance(axis, list) and len(axis) > 1)
        without_module: list[Any] = [value] if is_misread else []
        for inner_layers in (inner.get(key) for key in _HOLDING):
            without_module += inner_layers if isinstance(inner_layers, list) else [inner_layers]
        for layer in without_module:
            if not _is_object(layer) or "module" in layer or layer.get("registered_name") is not None:
                continue
            if (module := _MODULES.get(layer["class_name"])) is not None:
                layer |= {"module": module, "registered_name": None}
                changes.respelt = True


def _kind(value: dict[str, Any], changes: Changes) -> str:
    """Return the class of an object, under the name that it has in Keras 3."""
    kind: str = value["class_name"]
    is_own = value.get("registered_name") is not None
    if kind in _RENAMED and value.get("module", _EXPERIMENTAL) == _EXPERIMENTAL and not is_own:
        if "module" in value:
            value["module"] = "keras.layers"
        changes.renamed.add((kind, _RENAMED[kind]))
        value["class_name"] = _RENAMED[kind]
        if kind in _CUDNN:
            changes.cudnn = True
            # what CuDNN computes, and nothing else
            value["config"] |= {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
            value["config"] |= {"reset_after": True} if kind == "CuDNNGRU" else {}
    if kind == "Functional" and _ENGINE.fullmatch(str(value.get("module"))):
        value["module"], changes.respelt = "keras.src.models.functional", True
    return value["class_name"]  # type: ignore[no-any-return]


def _layer(kind: str, inner: dict[str, Any], owner: str, changes: Changes, written_by: str | None) -> None:
    """Take out of the settings of an object what Keras 3 does not know, and put the rest as it has it."""
    for name, kinds, fits in _DROPPED:
        if name in inner and kind in kinds:
            if not fits(inner[name]):
                what = f"{name}={short(repr(inner[name]), 40)}, which Keras 3 does not know"
                raise InputError(f"is {called(written_by)}, whose {owner} has {what}", REBUILD)
            value = inner.pop(name)
            shown = name if isinstance(value, dict) else f"{name}={short(repr(value), 20)}"
            changes.dropped.setdefault(shown, Counter())[kind] += 1
    _respell(kind, inner, changes)
    if not is_old(written_by):
        return
    for name, value in inner.items():
        if name.endswith("activation") and isinstance(value, str) and value in _CALCULATED_ELSE:
            what = f"the {name} {value}, which Keras 3 computes in another way"
            do = REBUILD.replace("Keras 3,", f"Keras 3, with {name}={_CALCULATED_ELSE[value]},", 1)
            raise InputError(f"is {called(written_by)}, whose {owner} has {what}", do)
    if kind in ("GRU", "GRUCell") and "reset_after" not in inner:
        inner["reset_after"], changes.respelt = False, True  # as it was before there was a choice


def _respell(kind: str, inner: dict[str, Any], changes: Changes) -> None:
    """Write settings that mean the same as Keras 3 writes them."""
    if kind == "VarianceScaling" and inner.get("distribution") == "normal":
        inner["distribution"], changes.respelt = "truncated_normal", True
    policy = inner.get("dtype")
    if isinstance(policy, dict) and policy.get("class_name") == "Policy" and isinstance(policy.get("config"), dict):
        inner["dtype"], changes.respelt = policy["config"].get("name"), True
    for name, value in inner.items():
        if name.endswith("activation") and value == "softmax_v2":
            inner[name], changes.respelt = "softmax", True
    if kind == "BatchNormalization" and isinstance(axis := inner.get("axis"), list) and len(axis) == 1:
        inner["axis"] = axis[0]


def _model(value: dict[str, Any], changes: Changes, written_by: str | None) -> None:
    """Have a model say what goes into it where Keras 3 looks for that: in layers of its own."""
    if value["class_name"] not in allowed.MODELS:
        return
    inner = value.get("config")
    if value["class_name"] == "Sequential" and isinstance(inner, list):
        inner = value["config"] = {"name": "sequential", "layers": inner}
        changes.respelt = True
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(layers, list) or not layers or not all(map(_is_object, layers)):
        return
    first = layers[0]
    shape, kind = _input_shape(first, 0), first["config"].get("dtype") if isinstance(first["config"], dict) else None
    is_older = is_old(written_by) or "batch_input_shape" in first["config"]
    if value["class_name"] == "Sequential" and first["class_name"] != "InputLayer" and shape is not None and is_older:
        start = {"batch_shape": shape, "name": f"{inner.get('name', 'sequential')}_input"}
        start |= {"dtype": kind} if isinstance(kind, str) and kind in allowed.DTYPES else {}
        layers.insert(0, {"class_name": "InputLayer", "config": start})
        changes.respelt = True
    _count_calls_from_zero(layers, inner, changes, written_by)
    for layer in layers:
        settings = layer["config"]
        if isinstance(settings, dict) and "batch_input_shape" in settings:
            taken, changes.respelt = settings.pop("batch_input_shape"), True
            if layer["class_name"] == "InputLayer":
                settings["batch_shape"] = taken


def _name_without_slashes(inner: object, changes: Changes) -> None:
    """Give layers that Keras 2 called "conv/relu" names that are no paths, since Keras 3 takes them for such."""
    listed = inner.get("layers") if isinstance(inner, dict) else inner
    layers = [layer for layer in listed if _is_object(layer)] if isinstance(listed, list) else []
    owners = [one for layer in layers for one in (layer, layer["config"]) if isinstance(one, dict)]
    names = {owner["name"] for owner in owners if isinstance(owner.get("name"), str)}
    renamed: dict[str, str] = {}
    for name in sorted(names):
        if _WITH_SLASHES.fullmatch(name):
            renamed[name] = name.replace("/", "_")
            while renamed[name] in names:
                renamed[name] += "_"
            names.add(renamed[name])
    changes.renamed_layers |= set(renamed.items())
    for owner in owners:
        if isinstance(owner.get("name"), str):
            owner["name"] = renamed.get(owner["name"], owner["name"])
    ends = [inner.get("input_layers"), inner.get("output_layers")] if isinstance(inner, dict) else []
    for tensor_ in _tensors([[layer.get("inbound_nodes") for layer in layers], *ends]):
        tensor_[0] = renamed.get(tensor_[0], tensor_[0])


def _count_calls_from_zero(layers: list[Any], inner: dict[str, Any], changes: Changes, written_by: str | None) -> None:
    """Number the calls of models inside the model as Keras 3 does; for Keras 2 the first was the model's own graph."""
    kinds = {layer.get("name"): layer["class_name"] for layer in layers if isinstance(layer.get("name"), str)}
    models = {name for name, kind in kinds.items() if kind in allowed.MODELS}
    calls = [layer["inbound_nodes"] for layer in layers if isinstance(layer.get("inbound_nodes"), list)]
    for tensor_ in _tensors(calls):
        if tensor_[0] in models and tensor_[1] > 0:
            tensor_[1] -= 1
            changes.respelt = True
    if is_old(written_by):  # Keras 3 does so itself for the outputs of models that are no Sequential
        for tensor_ in _tensors([inner.get("output_layers")]):
            if kinds.get(tensor_[0]) == "Sequential" and tensor_[1] > 0:
                tensor_[1] -= 1
        for end in ("input_layers", "output_layers"):
            if isinstance(listed := inner.get(end), list) and len(listed) == 1 and is_tensor(listed[0]):
                inner[end] = listed[0]  # else Keras 3 wants a list of one, and gives one


def _tensors(waiting: list[Any]) -> Iterator[list[Any]]:
    """Yield what names a tensor in calls as Keras 2 writes them, which are lists."""
    while waiting:
        value = waiting.pop()
        if isinstance(value, list) and len(value) in (3, 4) and is_tensor(value[:3]):
            yield value
            waiting += [value[3]] if len(value) == 4 else []
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict) and not {"args", "kwargs"} & set(value):  # Keras 3 writes those
            waiting += value.values()


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and "config" in value


def _input_shape(layer: object, depth: int) -> list[Any] | None:
    """Return the shape of what goes into a layer, or into the first layer of a model, where that says it."""
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict | list) or depth > 20:
        return None
    inner = layer["config"]
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    if layer.get("class_name") in allowed.MODELS:
        return _input_shape(layers[0], depth + 1) if isinstance(layers, list) and layers else None
    shape = inner.get("batch_input_shape", inner.get("batch_shape")) if isinstance(inner, dict) else None
    return shape if isinstance(shape, list) and _is_shape(shape) else None


def _last_size(layers: list[Any], name: str) -> int | None:
    """Return the size of the last axis of what a layer gives, where its own settings say it, else None."""
    layer: dict[str, Any] = next((one for one in layers if _is_object(one) and one.get("name") == name), {})
    settings = layer.get("config")
    if not isinstance(settings, dict):
        return None
    size = settings.get("units") if layer["class_name"] == "Dense" else None
    if layer["class_name"] == "InputLayer" and (shape := _input_shape(layer, 0)):
        size = shape[-1]
    return size if is_whole(size) and 0 < size < _LONGEST_AXIS else None


def _calls(value: dict[str, Any], owner: str, beside: list[Any], changes: Changes, written_by: str | None) -> None:
    """Put the calls of a layer as Keras 3 has them, where they are functions of TensorFlow or of several tensors.

    beside: the layers of the same model.
    """
    kinds = keras_2_operations.KINDS | {keras_2_nodes.KIND}
    if value["class_name"] in kinds and "inbound_nodes" in value:
        try:
            if value["class_name"] == keras_2_nodes.KIND:
                keras_2_nodes.as_function(value, owner, REBUILD)
            changes.functions.append(keras_2_operations.translated(value, owner, REBUILD, partial(_last_size, beside)))
        except InputError as error:
            raise InputError(f"is {called(written_by)}, {error.what}", error.do) from error
        return
    calls = value.get("inbound_nodes")
    if not isinstance(calls, list):
        return
    for number, call in enumerate(calls):
        others = _others(call)
        if any(is_tensor(other) for other in others.values()):
            others = {name: tensor(other) if is_tensor(other) else other for name, other in others.items()}
            firsts = [tensor(one) for one in call]
            calls[number] = {"args": firsts if len(firsts) == 1 else [firsts], "kwargs": others}
            changes.respelt = True


def _others(call: object) -> dict[str, Any]:
    """Return what a call hands on beside its tensors, none where it is not as Keras 2 writes calls."""
    if not isinstance(call, list) or not call:
        return {}
    if not all(isinstance(one, list) and len(one) in (3, 4) and is_tensor(one[:3]) for one in call):
        return {}
    others = call[0][3] if len(call[0]) == 4 else {}
    return others if isinstance(others, dict) else {}


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))

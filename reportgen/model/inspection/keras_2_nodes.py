"""Nodes of TensorFlow's graphs in a model of Keras 2, as the functions that later versions wrote in their place.

With TensorFlow 2.0 to 2.3, Keras wrote `x * 0.5` as a layer TensorFlowOpLayer that holds the node itself. What becomes
of it here is checked in keras_2_operations, like every other function; only nodes that are listed become one.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reportgen.errors import InputError
from reportgen.format import short
from reportgen.model.inspection.keras_2_operations import CONSTANT, SLICE, is_tensor, is_whole

KIND = "TensorFlowOpLayer"

_TYPES = {
    "DT_BOOL": "bool", "DT_BFLOAT16": "bfloat16", "DT_HALF": "float16", "DT_FLOAT": "float32", "DT_DOUBLE": "float64",
    "DT_INT8": "int8", "DT_INT16": "int16", "DT_INT32": "int32", "DT_INT64": "int64", "DT_UINT8": "uint8",
}  # fmt: skip
_CHANNELS_LAST = base64.b64encode(b"NHWC").decode()
_LONGEST_PLACE = 4
_WITHOUT_MEANING = frozenset({"T", "Tdim", "Tidx", "Tpaddings", "Tperm", "Tshape", "Index", "SrcT", "N"}) | frozenset(
    {"grad_a", "grad_b", "grad_x", "grad_y"}
)
"""Attributes that say of which types the inputs are, which these say themselves, or what is for training alone."""

_Reader = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class _Node:
    """What stands for an operation. function: as TFOpLambda names it.

    inputs: what that calls the inputs behind the first. settings: by the name of an attribute the argument that it is,
    None where it may only have the value that changes nothing, and what reads it; that gives NotImplemented otherwise.
    """

    function: str
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str | None, _Reader]] = field(default_factory=dict)


def _flag(value: Mapping[str, Any]) -> Any:
    return value.get("b", NotImplemented)


def _off(value: Mapping[str, Any]) -> Any:
    return None if value.get("b") is False else NotImplemented


def _number(value: Mapping[str, Any]) -> Any:
    return value.get("f", NotImplemented)


def _whole(value: Mapping[str, Any]) -> Any:
    """Return an integer, which JSON has as a text where it has 64 bits."""
    given = value.get("i")
    try:
        return int(given) if isinstance(given, str | int) else NotImplemented
    except ValueError:
        return NotImplemented


def _axes(value: Mapping[str, Any]) -> Any:
    listed = value.get("list")
    given = listed.get("i", []) if isinstance(listed, dict) else [NotImplemented]
    found = [_whole({"i": one}) for one in given] if isinstance(given, list) else [NotImplemented]
    return NotImplemented if NotImplemented in found else found or None


def _kind(value: Mapping[str, Any]) -> Any:
    return _TYPES.get(str(value.get("type")), NotImplemented)


def _channels_last(value: Mapping[str, Any]) -> Any:
    return None if value.get("s") == _CHANNELS_LAST else NotImplemented


def _matmul(*attributes: str) -> _Node:
    return _Node("linalg.matmul", ("b",), {name: (None, _off) for name in attributes})


_REDUCED = {"keep_dims": ("keepdims", _flag)}
_NODES: dict[str, _Node] = {
    **{
        operation: _Node(function, ("y",))
        for operation, function in {
            "Add": "math.add", "AddV2": "math.add", "Sub": "math.subtract", "Mul": "math.multiply",
            "RealDiv": "math.truediv", "Maximum": "math.maximum", "Minimum": "math.minimum", "Pow": "math.pow",
        }.items()
    },
    **{
        operation: _Node(function)
        for operation, function in {
            "Abs": "math.abs", "Neg": "math.negative", "Sqrt": "math.sqrt", "Square": "math.square", "Exp": "math.exp",
            "Log": "math.log", "Rsqrt": "math.rsqrt", "Tanh": "math.tanh", "Sigmoid": "math.sigmoid",
            "Relu": "nn.relu", "Relu6": "nn.relu6", "Elu": "nn.elu", "Selu": "nn.selu", "Softplus": "nn.softplus",
            "Softmax": "nn.softmax", "Identity": "identity",
        }.items()
    },
    **{name: _Node(f"math.reduce_{name.lower()}", ("axis",), _REDUCED) for name in ("Mean", "Sum", "Max", "Min")},
    "LeakyRelu": _Node("nn.leaky_relu", settings={"alpha": ("alpha", _number)}),
    "BiasAdd": _Node("nn.bias_add", ("bias",), {"data_format": (None, _channels_last)}),
    "Cast": _Node("cast", settings={"DstT": ("dtype", _kind), "Truncate": (None, _off)}),
    "Reshape": _Node("reshape", ("shape",)),
    "Transpose": _Node("transpose", ("perm",)),
    "ExpandDims": _Node("expand_dims", ("axis",)),
    "Squeeze": _Node("squeeze", settings={"squeeze_dims": ("axis", _axes)}),
    "Pad": _Node("pad", ("paddings",)),
    "MatMul": _matmul("transpose_a", "transpose_b"),
    "BatchMatMul": _matmul("adj_x", "adj_y"),
    "BatchMatMulV2": _matmul("adj_x", "adj_y"),
    "Pack": _Node("stack", settings={"axis": ("axis", _whole)}),
    "ConcatV2": _Node("concat", ("axis",)),
    "StridedSlice": _Node(
        SLICE,
        ("begin", "end", "strides"),
        {f"{name}_mask": (f"{name}_mask", _whole) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")},
    ),
}  # fmt: skip


def as_function(layer: dict[str, Any], owner: str, do: str) -> None:
    """Make a layer TensorFlowOpLayer the layer TFOpLambda or SlicingOpLambda that computes the same.

    layer: with its calls, as a Functional model holds it. owner: what a message calls it. do: the way out.
    Raises InputError, which says what the file is to begin with, for a node that is not listed, or an attribute.
    """
    config = layer.get("config")
    node = config.get("node_def") if isinstance(config, dict) else None
    constants = config.get("constants", {}) if isinstance(config, dict) else None
    calls = layer.get("inbound_nodes")
    if not isinstance(node, dict) or not isinstance(constants, dict) or not isinstance(calls, list):
        raise InputError(f"whose {owner} holds no readable node", do)
    operation = node.get("op")
    listed = _NODES.get(operation) if isinstance(operation, str) else None
    if listed is None:
        raise InputError(
            f"whose {owner} is the operation {short(str(operation), 40)}, which reportgen does not know", do
        )
    settings = _settings(node.get("attr", {}), listed, owner, do)
    layer["inbound_nodes"] = [_call(call, constants, listed, dict(settings), owner, do) for call in calls]
    layer["class_name"] = "SlicingOpLambda" if listed.function == SLICE else "TFOpLambda"
    layer["config"] = {"name": layer.get("name"), "function": listed.function}


def _settings(attributes: object, listed: _Node, owner: str, do: str) -> dict[str, Any]:
    if not isinstance(attributes, dict):
        raise InputError(f"whose {owner} holds no readable node", do)
    found = {}
    for name, value in attributes.items():
        if name not in listed.settings and (name in _WITHOUT_MEANING or name.startswith("_")):
            continue
        named, reads = listed.settings.get(name, (None, lambda value: NotImplemented))
        read = reads(value) if isinstance(value, dict) else NotImplemented
        if read is NotImplemented:
            raise InputError(f"whose {owner} has {short(name, 30)}={short(repr(value), 40)}", do)
        if named is not None:
            found[named] = read
    return found


def _call(
    call: object, constants: Mapping[str, Any], listed: _Node, settings: dict[str, Any], owner: str, do: str
) -> list[Any]:
    """Return a call of the function that stands for a node. constants: inputs that are none of the call's tensors."""
    unknown = InputError(f"whose {owner} is called in a way that is unknown", do)
    if not isinstance(call, list) or not all(isinstance(one, list) and is_tensor(one[:3]) for one in call):
        raise unknown
    inputs: list[Any] = [one[:3] for one in call]
    for place, value in sorted(constants.items(), key=lambda one: (len(one[0]), one[0])):  # as numbers, which they are
        if not place.isdecimal() or len(place) > _LONGEST_PLACE or int(place) > len(inputs):
            raise unknown
        inputs.insert(int(place), value)
    firsts, rest = (inputs[: len(inputs) - len(listed.inputs)], inputs[len(inputs) - len(listed.inputs) :])
    several = listed.function in ("concat", "stack")
    if len(inputs) <= len(listed.inputs) or (len(firsts) > 1 and not several):
        raise unknown
    given = dict(zip(listed.inputs, rest, strict=True)) | settings
    if listed.function == SLICE:
        given = {"slice_spec": _slices(given, owner, do)}
    made = [[*one, given] if is_tensor(one) else [CONSTANT, -1, one, given] for one in firsts]
    return made if several else made[0]


def _slices(given: Mapping[str, Any], owner: str, do: str) -> list[Any]:
    """Return what stands between the brackets of `x[...]` from the three lists of a node and its masks, bit by bit."""
    begins, ends, strides = (given[name] for name in ("begin", "end", "strides"))
    lists = (begins, ends, strides)
    if not all(isinstance(one, list) and len(one) == len(begins) and all(map(is_whole, one)) for one in lists):
        raise InputError(f"whose {owner} takes an unknown part of a tensor", do)

    def masked(name: str, place: int) -> bool:
        return bool(given.get(f"{name}_mask", 0) >> place & 1)

    found: list[Any] = []
    for place, (begin, end, stride) in enumerate(zip(*lists, strict=True)):
        if masked("ellipsis", place):
            found.append({"class_name": "__ellipsis__"})
        elif masked("new_axis", place):
            found.append(None)
        elif masked("shrink_axis", place):
            found.append(begin)
        else:
            start, stop = (None if masked(name, place) else value for name, value in (("begin", begin), ("end", end)))
            found.append({"start": start, "stop": stop, "step": stride})
    return found

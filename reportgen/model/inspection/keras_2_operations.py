"""Functions of TensorFlow in a model of Keras 2, read as the operations of Keras 3 that compute the same.

Keras 2 writes `x * 0.5` as a layer TFOpLambda that names a function and hands its arguments on. Only functions that
are listed here are read, and of their arguments only those that stand with them, each of a kind that is checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from reportgen.errors import InputError
from reportgen.format import short
from reportgen.model.inspection import allowed

Length = Callable[[str], int | None]
"""Says of the layer of a name how long the last axis of what it gives is, None where that is not known."""

KINDS = frozenset({"TFOpLambda", "SlicingOpLambda"})
CONSTANT = "_CONSTANT_VALUE"
"""What Keras 2 writes for the name of a tensor that is none but a number."""

_NUMPY, _NN, _MATH, _CORE = (f"keras.src.ops.{name}" for name in ("numpy", "nn", "math", "core"))


def is_tensor(value: object) -> bool:
    """Return whether `value` is how Keras 2 names a tensor: its layer, the number of the call, that of the output."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and all(map(is_whole, value[1:]))


def tensor(value: list[Any]) -> dict[str, Any]:
    """Return how Keras 3 names the same tensor; shape and type are those of the layer, whatever stands here."""
    config = {"shape": [None], "dtype": "float32", "keras_history": value[:3]}
    return {"class_name": "__keras_tensor__", "config": config}


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether `value` is an integer, which true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return is_whole(value) or isinstance(value, float)


def _is_numbers(value: object) -> bool:
    return _is_number(value) or (isinstance(value, list) and bool(value) and all(map(_is_numbers, value)))


def _is_axes(value: object) -> bool:
    return value is None or is_whole(value) or (isinstance(value, list) and all(map(is_whole, value)))


def _is_pads(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, list) and len(one) == 2 and _is_axes(one) for one in value)


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(map(is_whole, value))


def _is_type(value: object) -> bool:
    return isinstance(value, str) and value in allowed.DTYPES


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _only(*values: object) -> Callable[[object], bool]:
    return lambda value: any(value == one and type(value) is type(one) for one in values)


_Settings = Mapping[str, tuple[str | None, Callable[[object], bool]]]


@dataclass(frozen=True)
class _Operation:
    """What stands for a function. module, kind: its class.

    operands: the names of its further tensors or constants, in the order in which the class takes them. settings: by
    the name that TensorFlow gives an argument, what the class calls it, None where it may only be what changes
    nothing, and what it may be. fixed: settings that the class has to have. of_list: its first argument is a list.
    """

    module: str
    kind: str
    operands: tuple[str, ...] = ()
    settings: _Settings = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    of_list: bool = False


def _reduction(kind: str) -> _Operation:
    return _Operation(
        _NUMPY, kind, settings={"axis": ("axis", _is_axes), "keepdims": ("keepdims", _is_flag)}
    )  # fmt: skip


def _of_two(kind: str) -> _Operation:
    return _Operation(_NUMPY, kind, ("y",))


SLICE = "__operators__.getitem"
_ELLIPSIS = {"class_name": "__ellipsis__"}
_REVERSED = {"start": None, "stop": None, "step": -1}
_OF_LAST = {kind: _Operation(_NUMPY, kind, fixed={"axis": -1}) for kind in ("Flip", "ExpandDims", "Take")}
"""What stands for `x[..., one]`: Keras reads no "..." out of an HDF5 file, so none is written."""

_MOST_TAKEN = 10_000
_AXIS = ("axis", is_whole)
_OPERATIONS: dict[str, _Operation] = {
    SLICE: _Operation(_NUMPY, "GetItem"),
    **{
        name: _of_two(kind)
        for kind, names in {
            "Add": "math.add __operators__.add",
            "Subtract": "math.subtract __operators__.sub",
            "Multiply": "math.multiply __operators__.mul",
            "TrueDivide": "math.truediv math.divide __operators__.truediv",
            "Maximum": "math.maximum",
            "Minimum": "math.minimum",
            "Power": "math.pow",
        }.items()
        for name in names.split()
    },
    **{
        name: _Operation(module, kind)
        for module, kind, names in (
            (_NUMPY, "Absolute", "math.abs abs"),
            (_NUMPY, "Negative", "math.negative"),
            (_NUMPY, "Sqrt", "math.sqrt sqrt"),
            (_NUMPY, "Square", "math.square square"),
            (_NUMPY, "Exp", "math.exp exp"),
            (_NUMPY, "Log", "math.log"),
            (_NUMPY, "Tanh", "math.tanh nn.tanh tanh"),
            (_NUMPY, "Copy", "identity"),
            (_MATH, "Rsqrt", "math.rsqrt"),
            (_NN, "Relu", "nn.relu"),
            (_NN, "Relu6", "nn.relu6"),
            (_NN, "Sigmoid", "math.sigmoid nn.sigmoid sigmoid"),
            (_NN, "Softplus", "math.softplus nn.softplus"),
            (_NN, "Selu", "nn.selu"),
            (_NN, "Elu", "nn.elu"),
        )
        for name in names.split()
    },
    **{
        name: _reduction(kind)
        for name, kind in {
            "math.reduce_mean": "Mean",
            "math.reduce_sum": "Sum",
            "math.reduce_max": "Max",
            "math.reduce_min": "Min",
        }.items()
    },
    "nn.bias_add": _Operation(
        _NUMPY, "Add", ("bias",), {"data_format": (None, _only(None, "NHWC", "N...C", "channels_last"))}
    ),
    "nn.silu": _Operation(_NN, "Silu", settings={"beta": (None, _only(1, 1.0))}),
    "nn.swish": _Operation(_NN, "Silu", settings={"beta": (None, _only(1, 1.0))}),
    "nn.gelu": _Operation(
        _NN, "Gelu", settings={"approximate": ("approximate", _is_flag)}, fixed={"approximate": False}
    ),
    "nn.leaky_relu": _Operation(_NN, "LeakyRelu", settings={"alpha": ("negative_slope", _is_number)}),
    "nn.softmax": _Operation(
        _NN, "Softmax", settings={"axis": ("axis", lambda value: value is None or is_whole(value))}
    ),
    "cast": _Operation(_CORE, "Cast", settings={"dtype": ("dtype", _is_type)}),
    "reshape": _Operation(_NUMPY, "Reshape", settings={"shape": ("newshape", _is_sizes)}),
    "expand_dims": _Operation(_NUMPY, "ExpandDims", settings={"axis": _AXIS}),
    "squeeze": _Operation(_NUMPY, "Squeeze", settings={"axis": ("axis", _is_axes)}),
    **{
        name: _Operation(_NUMPY, "Transpose", settings={"perm": ("axes", _is_sizes), "conjugate": (None, _only(False))})
        for name in ("transpose", "compat.v1.transpose")
    },
    "clip_by_value": _Operation(
        _NUMPY, "Clip", settings={"clip_value_min": ("x_min", _is_number), "clip_value_max": ("x_max", _is_number)}
    ),
    "concat": _Operation(_NUMPY, "Concatenate", settings={"axis": _AXIS}, of_list=True),
    "stack": _Operation(_NUMPY, "Stack", settings={"axis": _AXIS}, of_list=True),
    "pad": _Operation(
        _NUMPY,
        "Pad",
        settings={
            "paddings": ("pad_width", _is_pads),
            "mode": (None, _only("CONSTANT", "constant")),
            "constant_values": (None, _only(0, 0.0)),
        },
    ),
    "linalg.matmul": _Operation(
        _NUMPY,
        "Matmul",
        ("b",),
        {name: (None, _only(False)) for name in ("transpose_a", "transpose_b", "adjoint_a", "adjoint_b")}
        | {name: (None, _only(False)) for name in ("a_is_sparse", "b_is_sparse")}
        | {"output_type": (None, _only(None))},
    ),
}


def translated(layer: dict[str, Any], owner: str, do: str, length: Length) -> str:
    """Make a layer TFOpLambda or SlicingOpLambda the operation of Keras 3, and return what it computes, in a word.

    layer: with its calls, as a Functional model holds it. owner: what a message calls it. do: the way out. length: of
    the layers in the same model. Raises InputError, which says what the file is to begin with, for a function that is
    not listed, or an argument.
    """
    config = layer.get("config")
    named = config.get("function") if isinstance(config, dict) else None
    name = layer.get("name")
    if not isinstance(named, str) or not isinstance(name, str):
        raise InputError(f"whose {owner} names no function", do)
    operation = _OPERATIONS.get(named)
    if operation is None:
        raise InputError(f"whose {owner} calls tf.{short(named, 40)}, which reportgen has no reading for", do)
    calls = layer.get("inbound_nodes")
    if not isinstance(calls, list) or not calls:
        raise InputError(f"whose {owner} is never called", do)
    if named == SLICE and (kind := _kind_of_last(calls)) is not None:
        operation = _OF_LAST[kind]
    made = [_call(call, operation, owner, do, length) for call in calls]
    settings = [given for _, given in made]
    if any(given != settings[0] for given in settings):
        raise InputError(f"whose {owner} is called with several settings", do)
    layer.clear()
    layer |= {"module": operation.module, "class_name": operation.kind, "registered_name": operation.kind}
    layer |= {"name": name, "config": {"name": name, **operation.fixed, **settings[0]}}
    layer["inbound_nodes"] = [{"args": arguments, "kwargs": {}} for arguments, _ in made]
    return f"tf.{named}"


def _kind_of_last(calls: list[Any]) -> str | None:
    """Return what does the same as all calls, each `x[..., one]`: nothing but the last axis is touched; else None."""
    kinds = set()
    for call in calls:
        entry = _entry(call)
        spec = entry[1].get("slice_spec") if entry is not None else None
        if not isinstance(spec, list) or len(spec) != 2 or spec[0] != _ELLIPSIS:
            return None
        kinds.add("ExpandDims" if spec[1] is None else "Flip" if spec[1] == _REVERSED else "Take")
    return kinds.pop() if len(kinds) == 1 else None


def _taken(part: object, length: int | None) -> Any:
    """Return the numbers that `part` stands for in `x[..., part]`; NotImplemented where the length has to tell them.

    TensorFlow takes no more than there is. length: of the last axis, None where it is not known; it is 1 at least.
    """
    if is_whole(part):
        return part
    ends = [part.get(name) for name in ("start", "stop", "step")] if isinstance(part, dict) else [NotImplemented]
    if not all(end is None or is_whole(end) for end in ends) or ends[-1] == 0:
        return NotImplemented
    if length is None and ends not in ([None, 1, None], [0, 1, None], [None, 1, 1], [0, 1, 1]):
        return NotImplemented
    found = range(*slice(*ends).indices(length or 1))
    if not 0 < len(found) <= _MOST_TAKEN:
        return NotImplemented
    return {"class_name": "__numpy__", "config": {"value": list(found), "dtype": "int32"}}


def _call(call: object, operation: _Operation, owner: str, do: str, length: Length) -> tuple[list[Any], dict[str, Any]]:
    """Return the tensors and constants of a call, as Keras 3 writes them, and its settings as that names them."""
    firsts = call if operation.of_list and isinstance(call, list) else [call]
    entries = [_entry(one) for one in firsts]
    if None in entries or not entries:
        raise InputError(f"whose {owner} is called in a way that is unknown", do)
    found = [entry for entry in entries if entry is not None]
    first = [value for value, _ in found] if operation.of_list else found[0][0]
    given = dict(found[0][1])
    given.pop("name", None)
    if operation in _OF_LAST.values():
        spec = given.pop("slice_spec")
        if operation.kind != "Take":
            return [first], _settings(given, operation, owner, do)
        known = length(call[0]) if isinstance(call, list) and is_tensor(call[:3]) else None
        if (taken := _taken(spec[1], known)) is NotImplemented:
            raise InputError(f"whose {owner} takes {short(repr(spec), 60)} of a tensor", do)
        return [first, taken], _settings(given, operation, owner, do)
    if operation.kind == "GetItem":
        key = _key(given.pop("slice_spec", None), owner, do)
        return [first, key], _settings(given, operation, owner, do)
    rest = []
    for operand in operation.operands:
        value = given.pop(operand, None)
        if not (is_tensor(value) or _is_numbers(value)):
            raise InputError(f"whose {owner} computes with {operand}={short(repr(value), 40)}", do)
        rest.append(tensor(value) if is_tensor(value) else _constant(value))
    return [first, *rest], _settings(given, operation, owner, do)


def _entry(value: object) -> tuple[Any, dict[str, Any]] | None:
    """Return a call's first argument and its others by name; None for what Keras 2 does not write."""
    if not isinstance(value, list) or len(value) not in (3, 4):
        return None
    others = value[3] if len(value) == 4 else {}
    if not isinstance(others, dict):
        return None
    if value[0] == CONSTANT and value[1] == -1 and _is_numbers(value[2]):
        return _constant(value[2]), others
    return (tensor(value), others) if is_tensor(value[:3]) else None


def _constant(value: Any) -> Any:
    """Return a number as it is, and lists of numbers as an array: Keras takes lists for lists of tensors."""
    if not isinstance(value, list):
        return value
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}


def _settings(given: dict[str, Any], operation: _Operation, owner: str, do: str) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        named, fits = operation.settings.get(name, (None, _only(None)))
        if not fits(value):
            raise InputError(f"whose {owner} is called with {short(name, 30)}={short(repr(value), 40)}", do)
        if named is not None:
            found[named] = value
    return found


def _key(value: object, owner: str, do: str) -> Any:
    """Return what stands between the brackets of `x[...]`, as Keras 3 writes it."""
    parts = value if isinstance(value, list) else [value]
    if parts and parts[-1] == _ELLIPSIS:
        parts = parts[:-1]  # all further axes are meant without it, too
    found = [_part(part) for part in parts]
    if any(part is NotImplemented for part in found):
        raise InputError(f"whose {owner} takes {short(repr(value), 60)} of a tensor", do)
    return found if isinstance(value, list) or not found else found[0]


def _part(value: object) -> Any:
    if is_whole(value) or value is None:
        return value
    ends = ("start", "stop", "step")
    if isinstance(value, dict) and set(value) == set(ends) and all(v is None or is_whole(v) for v in value.values()):
        return {"class_name": "__slice__", "config": {name: value[name] for name in ends}}
    return NotImplemented

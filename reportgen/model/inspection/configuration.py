"""The configuration of a model, as JSON: only Keras's own classes, and nothing beyond measure."""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from reportgen.errors import InputError
from reportgen.format import short
from reportgen.model.inspection import allowed

_LONGEST = 64 * 2**20
_MOST_NODES, _DEEPEST = 500_000, 200
_NESTED = 20
_LARGEST = 2**31 - 1
_ANY_SIZE = frozenset({"seed", "shared_object_id", "salt"})
"""Integers of any size stand under these: seeds, and the addresses by which Keras numbers shared objects."""

# sizes that are paid for with weights, of which each layer has at least as many
_PAID = frozenset(
    {"units", "filters", "kernel_size", "depth_multiplier", "input_dim", "output_dim"}
    | {"key_dim", "value_dim", "head_dim", "num_heads", "num_query_heads", "num_key_value_heads"}
)
_CODE = "replace that layer by a built-in one; reportgen runs no code from files"
OWN = "hand the live model to reportgen.report() in Python instead; a file cannot bring the code of its classes"
_AGAIN = "expected a file that Keras saved; save it again with model.save('x.keras')"
_LIMIT = "raise --max-layers if the model is to be trusted"


class _Node(NamedTuple):
    """A value of the configuration. owner: the name of the innermost layer or model around it."""

    value: Any
    key: str
    owner: str
    depth: int
    models: int


def parsed(content: bytes) -> dict[str, Any]:
    """Return the object that `content` is as JSON. Raises InputError for what Keras could read in another way."""
    if len(content) > _LONGEST:
        raise InputError(f"has a configuration of {len(content):,} bytes", f"expected at most {_LONGEST:,}")
    try:
        found = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
        )
    except RecursionError as error:
        raise InputError("has a configuration that is nested too deep", _AGAIN) from error
    except ValueError as error:
        raise InputError(f"has a configuration that is no readable JSON ({short(str(error), 120)})", _AGAIN) from error
    if not isinstance(found, dict):
        raise InputError(f"has a configuration that is {_kind(found)}, no object", _AGAIN)
    return found


def check(config: dict[str, Any], *, layers: int) -> None:
    """Raise InputError unless `config` describes a model of Keras's own classes with at most `layers` layers."""
    _check_root(config)
    total = 0
    for count, node in enumerate(_walk(config)):
        if node.depth > _DEEPEST or node.models > _NESTED:
            raise InputError("has a configuration that is nested too deep", _AGAIN)
        if count >= _MOST_NODES:
            raise InputError(f"has a configuration of more than {_MOST_NODES:,} values", _AGAIN)
        _check_number(node)
        if isinstance(node.value, dict) and "class_name" in node.value:
            _check_object(node.value, node.owner)
            total += _count_layers(node.value, node.owner, layers)
        elif node.key.endswith("activation") and isinstance(node.value, str):
            _check_activation(node.value, node.owner)
    if not total:
        raise InputError("holds a model without layers", "expected a model that takes images")
    if total > layers:
        raise InputError(f"holds a model with too many layers ({total:,}, more than {layers:,})", _LIMIT)


def check_sizes(config: dict[str, Any], stored: int) -> None:
    """Raise InputError where a layer claims to be larger than all weights in the file together.

    stored: how many numbers the weights are. Keras would make room for the layer before it looks at them.
    """
    for node in _walk(config):
        if node.key in _PAID:
            for size in node.value if isinstance(node.value, list) else [node.value]:
                if isinstance(size, int) and not isinstance(size, bool) and size > 2 * stored:  # int4 packs two in one
                    raise InputError(
                        f"claims that {node.owner} has the {node.key} {size:,}, but all its weights are {stored:,} "
                        "numbers",
                        _AGAIN,
                    )


def _walk(config: dict[str, Any]) -> Iterator[_Node]:
    """Yield every value, outermost first, but what Keras never looks at."""
    waiting = [_Node(config, "", "the model", 0, 0)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node.value, dict):
            value, owner, models = node.value, node.owner, node.models
            if "class_name" in value:
                owner = _named(value, owner)
                models += value["class_name"] in allowed.MODELS
            # load() leaves alone how a model was to be trained
            untouched = "compile_config" if "class_name" in value and value["class_name"] in allowed.MODELS else None
            waiting += [_Node(v, k, owner, node.depth + 1, models) for k, v in value.items() if k != untouched]
        elif isinstance(node.value, list):
            waiting += [_Node(item, node.key, node.owner, node.depth + 1, node.models) for item in node.value]


def _named(value: dict[str, Any], owner: str) -> str:
    """Return what a message calls the object `value`: layers and models have names, what is part of them has not."""
    inner = value.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(name, str) or value["class_name"] in allowed.POLICIES:  # the name of a policy is its type
        return owner
    return f'the {"model" if value["class_name"] in allowed.MODELS else "layer"} "{short(name, 40)}"'


def _check_root(config: dict[str, Any]) -> None:
    kind, module = config.get("class_name"), config.get("module")
    if not isinstance(kind, str) or not isinstance(config.get("config"), dict | list):
        raise InputError("has a configuration that describes no model", _AGAIN)
    if kind in allowed.MODELS and ("module" not in config or kind in allowed.CLASSES.get(str(module), ())):
        return
    if str(module).split(".")[0] == "keras" and not config.get("registered_name"):
        raise InputError(f"holds no model but an object of the class {short(kind)}", _AGAIN)
    raise InputError(f"holds a model of the class {short(kind)}, which is not Keras's own", OWN)


def _check_object(value: dict[str, Any], owner: str) -> None:
    """Raise InputError unless `value` names a class or function that a file may name."""
    kind = value["class_name"]
    owner = _named(value, owner) if isinstance(kind, str) else owner
    if not isinstance(kind, str):
        raise InputError(f"has {_kind(kind)} as a class_name in {owner}", _AGAIN)
    _check_names(value)
    _check_axes(value, owner)
    if kind.startswith("__") or kind == "TensorShape":
        return _check_special(kind, value, owner)
    module = value.get("module")
    where = module if isinstance(module, str) else ""
    if kind in allowed.REFUSED and where in ("", "keras.layers"):
        raise InputError(f"is refused: {owner} {allowed.REFUSED[kind]} ({kind})", _CODE)
    named, wanted = (value.get("config"), where or "builtins") if kind == "function" else (kind, where)
    if not isinstance(named, str):
        raise InputError(f"names {_kind(named)} as a function in {owner}", _AGAIN)
    if kind == "function":
        fine = named in allowed.ACTIVATIONS and wanted in ("builtins", "keras.activations")
    elif "module" in value:
        fine = named in allowed.CLASSES.get(where, ())
    else:
        fine = named in allowed.BARE
    registered = value.get("registered_name")
    if fine and registered in (None, "", kind, named):
        return None
    full = f"{where}.{named}" if where else named
    if not fine and where.split(".")[0] == "keras":
        raise InputError(f"is refused: {owner} names {short(full)}, which is no layer of a network", _CODE)
    full = registered if fine and isinstance(registered, str) else full
    raise InputError(f"is refused: {owner} names {short(full)}, which is not Keras's own", OWN)


def _check_special(kind: str, value: dict[str, Any], owner: str) -> None:
    """Raise InputError unless `value` is one of the few things besides objects that a configuration can hold."""
    if kind == "__lambda__":
        raise InputError(f"is refused: {owner} runs Python code (a lambda)", _CODE)
    if kind in ("__keras_tensor__", "__slice__", "__ellipsis__", "__tuple__", "TensorShape"):
        return
    inner = value.get("config")
    if kind in ("__numpy__", "__tensor__") and isinstance(inner, dict) and inner.get("dtype") in allowed.DTYPES:
        return
    raise InputError(f"is refused: {owner} holds {short(kind)}, which no network needs", _CODE)


def _check_names(value: dict[str, Any]) -> None:
    """Raise InputError where a name could be taken for a path: Keras stores weights under it."""
    inner = value.get("config")
    for name in (value.get("name"), inner.get("name") if isinstance(inner, dict) else None):
        if name is None:
            continue
        if not isinstance(name, str):
            raise InputError(f"has {_kind(name)} as the name of a layer", _AGAIN)
        if "/" in name or "\\" in name or "\0" in name or name.strip(". ") == "":
            raise InputError(
                f'has a layer named "{short(name, 40)}"', "rename it: a name is no path, so it has no / and no \\"
            )


def _check_axes(value: dict[str, Any], owner: str) -> None:
    """Raise InputError where Keras would forget the axes of a layer, as it does where no module is named."""
    inner = value.get("config")
    axis = inner.get("axis") if isinstance(inner, dict) else None
    if "module" not in value and isinstance(axis, list) and len(axis) != 1:
        raise InputError(
            f"has {len(axis)} axes for {owner}, which Keras forgets when it loads such a file",
            "save the model again with model.save('x.keras')",
        )


def _check_activation(name: str, owner: str) -> None:
    if name not in allowed.ACTIVATIONS:
        raise InputError(f"is refused: {owner} has the activation {short(name, 40)}, which is not Keras's own", OWN)


def _check_number(node: _Node) -> None:
    value = node.value
    if isinstance(value, int) and abs(value) > _LARGEST and node.key not in _ANY_SIZE:
        shown = f"{value:,}" if abs(value) < 10**30 else f"a number of {len(str(abs(value)))} digits"
        raise InputError(f"has {shown} as the {short(node.key, 40)} of {node.owner}", _AGAIN)
    if node.key in _PAID:
        for size in value if isinstance(value, list) else [value]:
            if isinstance(size, int) and not isinstance(size, bool) and size < 0:
                raise InputError(f"has {size:,} as the {node.key} of {node.owner}", _AGAIN)


def _count_layers(value: dict[str, Any], owner: str, most: int) -> int:
    """Return how many layers a model has itself, 0 for what is no model. Raises InputError for a chain too long."""
    if value["class_name"] not in allowed.MODELS:
        return 0
    inner = value.get("config")
    listed = inner.get("layers") if isinstance(inner, dict) else inner
    if not isinstance(listed, list):
        raise InputError(f"has no list of layers in {_named(value, owner)}", _AGAIN)
    count: int = sum(not isinstance(one, dict) or one.get("class_name") != "InputLayer" for one in listed)
    # Keras builds a Sequential anew for each of its layers: 800 take two minutes
    if value["class_name"] == "Sequential" and count > (chain := max(most * 3 // 10, 1)):
        raise InputError(f"holds a Sequential model with too many layers ({count:,}, more than {chain:,})", _LIMIT)
    return count


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(given: str) -> NoReturn:
    raise ValueError(f"{given} is no number")


def _finite(given: str) -> float:
    number = float(given)
    if not math.isfinite(number):
        raise ValueError(f"{given[:40]} is too large for a number")
    return number


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")

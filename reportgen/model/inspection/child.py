"""The process that looks into a model file, so that a file can do no harm but to it."""

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import InputError, ReportgenError
from reportgen.process.children import say, told

if TYPE_CHECKING:
    from reportgen.model.inspection.keras_2 import Changes

TRANSLATED = "translated"
"""How the file is called that Keras is to be given instead, without its ending."""

_WEIGHTS = "build its layers in Keras, fill them with model.load_weights of this file, and model.save('x.keras')"
_AS_H5 = "save it again with model.save('x.h5'), in the Python where it was made"
_MEMORY = 3 * 2**30
_BLOCK = 2**20
_DAMAGED = "expected a file that Keras saved whole; save it again with model.save('x.keras')"


def main() -> None:
    """Look into the file that the arguments name, and say as a line of JSON what is wrong with it, if anything.

    Arguments: the file, how many bytes it may be once unpacked, how many layers it may have, how many seconds of
    work it may cost. An .h5 file is looked at as it is; of a .keras file the weights are unpacked beside it. Where
    Keras has to be given another file, that lies beside it too, and the line says what was changed, as a Text.
    """
    path, largest, layers, seconds = Path(sys.argv[1]), *map(int, sys.argv[2:])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, seconds)  # ends it even where nobody is left to do that
    try:
        import h5py  # noqa: F401  # before there is a limit on memory, which is meant for the file
    except ImportError as error:
        sys.exit(str(error))
    _limit(resource.RLIMIT_AS, _MEMORY)
    try:
        found: dict[str, Any] = check(path, largest=largest, layers=layers)
    except ReportgenError as error:
        found = told(error)
    except MemoryError:
        found = told(InputError(f"needs more than {_MEMORY:,} bytes of memory to look into", _DAMAGED))
    except Exception as error:  # whatever a damaged file makes of the parsers
        found = told(InputError(f"is cut off or damaged ({type(error).__name__})", _DAMAGED))
    say(sys.stdout.buffer, found)


def check(path: Path, *, largest: int, layers: int) -> dict[str, Any]:
    """Raise InputError for a model file that Keras should not be given; its message begins behind the file's name.

    largest: how many bytes it may be once unpacked. layers: how many layers it may have.
    Return of a file that Keras 2 wrote the version, "keras", and what was changed for Keras 3, "changes", a Text as it
    is made again: the changed file then lies beside it.
    """
    from reportgen.model.inspection import configuration, container, keras_2, weights

    if path.suffix == ".keras":
        stored = path.with_name("weights.h5")
        content = container.unpacked(path, stored, largest=largest)
        written_by = keras_2.version_in(container.about(path))
        config, changes = _checked(content, written_by, layers, by_order=False)
        if changes.cudnn:
            raise InputError("has layers of CuDNN, whose weights are read of an .h5 file alone", _AS_H5)
        numbers = weights.check(stored, largest=largest).numbers
    else:
        stored = path
        found = weights.check(path, largest=largest)
        if found.config is None:
            raise InputError("holds weights but no model", _WEIGHTS)
        written_by = keras_2.version(found.keras)
        config, changes = _checked(found.config, written_by, layers, by_order=True)
        numbers = found.numbers
    if not numbers:
        raise InputError("holds no weights: the model was never built, or never saved", "train it, then save it")
    configuration.check_sizes(config, numbers)
    if (told_of := changes.said(written_by)) is not None:
        made = path.with_name(f"{TRANSLATED}{path.suffix}")
        if path.suffix == ".keras":
            container.write(made, json.dumps(config).encode(), stored)
        else:
            _write(path, made, json.dumps(config).encode())
            if changes.cudnn:
                weights.from_cudnn(made)
    old = {"keras": written_by} if keras_2.is_old(written_by) else {}
    return old if told_of is None else old | {"changes": told_of.plain()}


def _checked(
    content: bytes, written_by: str | None, layers: int, *, by_order: bool
) -> "tuple[dict[str, Any], Changes]":
    """Return the configuration that Keras is given, and what was changed in it. Raises as `check`."""
    from reportgen.model.inspection import configuration, keras_2

    config = configuration.parsed(content)
    changes = keras_2.translate(config, written_by, by_order=by_order)
    try:
        configuration.check(config, layers=layers)  # as it was changed
    except InputError as error:
        if not keras_2.is_old(written_by):
            raise
        do = keras_2.REBUILD if error.do == configuration.OWN else error.do
        raise InputError(f"is {keras_2.called(written_by)} and {error.what}", do) from error
    return config, changes


def _write(path: Path, made: Path, config: bytes) -> None:
    """Write the .h5 file at `path` to `made` with another configuration."""
    from reportgen.model.inspection import weights

    with path.open("rb") as source, made.open("xb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
    weights.write_config(made, config)


def _limit(what: int, most: int) -> None:
    """Lower a limit on this process; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))

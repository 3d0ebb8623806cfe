"""The process that looks into a model file, so that a file can do no harm but to it."""

import json
import resource
import sys
from pathlib import Path

from reportgen.errors import InputError, ReportgenError
from reportgen.processes import told

_MEMORY = 3 * 2**30
_DAMAGED = "expected a file that Keras saved whole; save it again with model.save('x.keras')"


def main() -> None:
    """Look into the file that the arguments name, and say as a line of JSON what is wrong with it, if anything.

    Arguments: the file, how many bytes it may be once unpacked, how many layers it may have, how many seconds of
    work it may cost. An .h5 file is looked at as it is; of a .keras file the weights are unpacked beside it.
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
        check(path, largest=largest, layers=layers)
        found = {}
    except ReportgenError as error:
        found = told(error)
    except MemoryError:
        found = told(InputError(f"needs more than {_MEMORY:,} bytes of memory to look into", _DAMAGED))
    except Exception as error:  # whatever a damaged file makes of the parsers
        found = told(InputError(f"is cut off or damaged ({type(error).__name__})", _DAMAGED))
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()


def check(path: Path, *, largest: int, layers: int) -> None:
    """Raise InputError for a model file that Keras should not be given; its message begins behind the file's name.

    largest: how many bytes it may be once unpacked. layers: how many layers it may have.
    """
    from reportgen.train.inspection import configuration, container, weights

    if path.suffix == ".keras":
        stored = path.with_name("weights.h5")
        config = configuration.parsed(container.unpacked(path, stored, largest=largest))
        configuration.check(config, layers=layers)
        numbers = weights.check(stored, largest=largest).numbers
    else:
        found = weights.check(path, largest=largest)
        if found.config is None:
            raise InputError("holds weights but no model", "save the whole model with model.save('x.keras')")
        config = configuration.parsed(found.config)
        configuration.check(config, layers=layers)
        numbers = found.numbers
    if not numbers:
        raise InputError("holds no weights: the model was never built, or never saved", "train it, then save it")
    configuration.check_sizes(config, numbers)


def _limit(what: int, most: int) -> None:
    """Lower a limit on this process; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))

"""What a user says about where the work is done: `--engine` and `--workers`."""

import os
from dataclasses import dataclass

from reportgen.errors import InputError

THREADS = "TF_NUM_INTRAOP_THREADS"
"""The environment variable from which TensorFlow takes how many cores it may use for an operation."""

_EXPECTED = "expected local, dask, or dask:ADDRESS with a scheduler's address, such as dask:tcp://10.0.0.1:8786"
_MOST_WORKERS = 1024


@dataclass(frozen=True)
class Choice:
    """Where the work is done. dask: on workers. address: of their scheduler, None to start `workers` of them here."""

    dask: bool = False
    address: str | None = None
    workers: int = 0


LOCAL = Choice()


def of(engine: str, workers: int | None, *, flag: str = "--workers") -> Choice:
    """Return what `--engine` and `--workers` ask for. Raises InputError where they make no sense.

    flag: what the number of workers is called.
    """
    name, _, address = engine.partition(":")
    if engine not in ("local", "dask") and not (name == "dask" and "://" in address and address.isprintable()):
        raise InputError(f"--engine is {engine!r}", _EXPECTED)
    if workers is not None:
        if engine != "dask":
            raise InputError(
                f"{flag} is {workers}, but --engine is {engine}",
                f"give {flag} only where they are to be started on this machine, by --engine dask",
            )
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= _MOST_WORKERS:
            raise InputError(f"{flag} is {workers!r}", f"expected a whole number from 1 to {_MOST_WORKERS:,}")
    if name == "local":
        return LOCAL
    return Choice(dask=True, address=address or None, workers=0 if address else workers or usual_workers())


def usual_workers() -> int:
    """Return how many processes share this machine well: TensorFlow uses several cores in each."""
    return max(2, (os.cpu_count() or 1) // 2)


def threads_each(processes: int) -> int:
    """Return how many cores TensorFlow should use in each of so many processes on this machine."""
    return max((os.cpu_count() or 1) // processes, 1)

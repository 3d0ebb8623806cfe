"""A bound on the memory of this process, so that a model that wants too much fails alone."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SHARE = 3 / 4
_BOUND = resource.RLIMIT_DATA  # address space counts what TensorFlow's threads reserve and never use


@contextmanager
def bounded(gigabytes: float | None) -> Iterator[None]:
    """Let the block take so many gigabytes more than this process has already; TensorFlow then says that it lacks them.

    gigabytes: 10^9 bytes each; None for three quarters of what the machine has. Where the system has no such bound
    the block runs without.
    """
    earlier, hard = resource.getrlimit(_BOUND)
    wanted = _used() + int(available(gigabytes) * 10**9)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if earlier == resource.RLIM_INFINITY or wanted < earlier:
        resource.setrlimit(_BOUND, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(_BOUND, (earlier, hard))


def available(gigabytes: float | None) -> float:
    """Return how many gigabytes a model may take: as given, or three quarters of what this machine or container has."""
    if gigabytes is not None:
        return gigabytes
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no cgroups here, or "max"
        machine = min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return _SHARE * machine / 10**9


def _used() -> int:
    """Return how many bytes of data this process has, 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

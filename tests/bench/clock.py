"""Seconds and memory of what is measured."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

RUNS = 3
LONG = 60
"""Seconds from which on one run has to do."""


class Unavailable(Exception):
    """Something that is compared with is not on this machine. Its text says what, and why."""


@dataclass(frozen=True)
class Pair:
    """Seconds of reportgen and of its rival: the medians of `runs` runs in turn.

    our_peak, their_peak: bytes, where both are whole processes.
    """

    ours: float
    theirs: float
    runs: int
    our_peak: int | None = None
    their_peak: int | None = None


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds by the clock, and bytes at its peak, or that of the largest process it started."""

    seconds: float
    peak: int


def in_turn(ours: Callable[[], Usage | None], theirs: Callable[[], Usage | None], *, once: bool = False) -> Pair:
    """Time both in turn, so that a machine that slows down slows both; one run of each first does not count.

    ours, theirs: where they return what they took, their peaks are kept, too. once: one run of each is all there is.
    """
    runs = 1
    if not once:
        warm_up = max(seconds(ours), seconds(theirs))
        runs = RUNS if warm_up < LONG else 1
    found = [(_taken(ours), _taken(theirs)) for _ in range(runs)]
    mine, other = zip(*found, strict=True)
    return Pair(
        statistics.median(usage.seconds for usage in mine),
        statistics.median(usage.seconds for usage in other),
        runs,
        _peak(mine),
        _peak(other),
    )


def _taken(call: Callable[[], Usage | None]) -> Usage:
    """Return what a call took; its peak is 0 where it does not know it."""
    start = time.perf_counter()
    usage = call()
    return usage or Usage(time.perf_counter() - start, 0)


def _peak(usages: Sequence[Usage]) -> int | None:
    return round(statistics.median(usage.peak for usage in usages)) or None


def run_all(commands: Sequence[Sequence[str | Path]]) -> Usage:
    """Run commands one after the other; see run."""
    usages = [run(command) for command in commands]
    return Usage(sum(usage.seconds for usage in usages), max(usage.peak for usage in usages))


def run(command: Sequence[str | Path]) -> Usage:
    """Run a command from the root of the checkout. What it prints is shown if it fails, and the benchmark ends.

    Its modules are compiled the first time only, as those of an installed package are.
    """
    keep = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=keep, stdout=said, stderr=subprocess.STDOUT)
        # a child's peak begins with its parent's: Linux takes it over when the child replaces its memory
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{said.read()}\n{' '.join(map(str, command[:4]))} ... failed with {process.returncode}")
    return Usage(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start

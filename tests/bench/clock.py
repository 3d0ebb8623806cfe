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
    """Seconds of reportgen and of its rival: the medians of `runs` runs in turn."""

    ours: float
    theirs: float
    runs: int


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds by the clock, and bytes at its peak, or that of the largest process it started."""

    seconds: float
    peak: int


def in_turn(ours: Callable[[], object], theirs: Callable[[], object]) -> Pair:
    """Time both in turn, so that a machine that slows down slows both; one run of each first does not count."""
    warm_up = max(_seconds(ours), _seconds(theirs))
    runs = RUNS if warm_up < LONG else 1
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(runs)]
    mine, other = (statistics.median(each) for each in zip(*times, strict=True))
    return Pair(mine, other, runs)


def run(command: Sequence[str | Path]) -> Usage:
    """Run a command from the root of the checkout. What it prints is shown if it fails, and the benchmark ends."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        # a child's peak begins with its parent's: Linux takes it over when the child replaces its memory
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{said.read()}\n{' '.join(map(str, command[:4]))} ... failed with {process.returncode}")
    return Usage(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start

"""Processes on this machine that make reports, each one after another. One that dies costs the model it was at."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from reportgen.batch.items import Item
from reportgen.batch.maker import Maker, Outcome
from reportgen.engines.choice import THREADS, threads_each
from reportgen.options import Options
from reportgen.process.children import ended
from reportgen.process.signals import signals_held
from reportgen.process.stages import Telling, Watched, was_killed

_GRACE = 10.0
"""Seconds for a process to clean up after a signal."""

_LOOK = 1.0
_HELD = (signal.SIGINT, signal.SIGTERM)


def made(tasks: Sequence[tuple[Item, Options]], jobs: int) -> Generator[tuple[Item, Outcome], None, None]:
    """Make a report for each task in so many processes, and yield what came of each as it is done.

    The processes are fresh ones, never forks of this one. They end with the block that asks, and with this process.
    """
    waiting = deque(tasks)
    threads = threads_each(jobs)
    running: list[_Job] = []
    try:
        while waiting and len(running) < jobs:
            running.append(_Job(threads))
            running[-1].give(waiting)
        while busy := [job for job in running if job.task is not None]:
            wait([handle for job in busy for handle in job.handles], timeout=min(job.patience for job in busy))
            for job in busy:
                if (outcome := job.look()) is not None:
                    assert job.task is not None
                    yield job.task[0], outcome
                    job.give(waiting)
    finally:
        for job in running:
            job.ask_to_end()
        for job in running:
            job.end()


class _Job:
    """A process and the task that it is at, in which stage, and until when it has to be over with it."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.task: tuple[Item, Options] | None = None
        self._start()

    @property
    def handles(self) -> list[Any]:
        """What becomes ready when there is something to look at."""
        return [self._pipe, self._process.sentinel]

    @property
    def patience(self) -> float:
        """How many seconds it may be left alone."""
        return min(max(self._work.until - time.monotonic(), 0), _LOOK)

    def give(self, waiting: "deque[tuple[Item, Options]]") -> None:
        """Take the next task, if there is one."""
        self.task = waiting.popleft() if waiting else None
        if self.task is None:
            return
        self._work = Watched(self.task[1].max_load_seconds)
        if not self._process.is_alive():
            self._pipe.close()
            self._start()
        with suppress(OSError):  # it has just died, which `look` will find
            self._pipe.send(self.task)

    def look(self) -> Outcome | None:
        """Return what came of the task, None while it is not done."""
        try:
            while self._pipe.poll():
                if isinstance(found := self._pipe.recv(), Outcome):
                    return found
                self._work.enter(found)
        except (EOFError, OSError):
            self._process.join(_GRACE)
        if not self._process.is_alive():
            return Outcome(failed=self._how_it_died())
        if self._work.has_to_end():
            self._process.kill()
        return None

    def ask_to_end(self) -> None:
        """Have the process clean up and go."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for the process to be gone, not for ever."""
        self._process.join(_GRACE)
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        fresh = multiprocessing.get_context("spawn")
        with signals_held(*_HELD):  # else it might be told nothing of what it is for
            self._pipe, its = fresh.Pipe()
            self._process = fresh.Process(target=_work, args=(its, self._threads))
            self._process.start()
            its.close()

    def _how_it_died(self) -> str:
        assert self.task is not None
        model, code = self.task[0].model, self._process.exitcode or 0
        if fault := self._work.fault_of_model(code):
            return f"{model} {fault}"
        if was_killed(code):
            return f"the process was killed over {model}, as systems do when the memory is used up; give fewer --jobs"
        return f"the process ended {ended(code)} over {model}; run it alone with reportgen report"


def _work(pipe: Connection, threads: int) -> None:
    """Make the reports that are asked for, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    signal.signal(signal.SIGTERM, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.environ.setdefault(THREADS, str(threads))
    maker = Maker()
    with suppress(EOFError):
        while True:
            item, options = pipe.recv()
            pipe.send(maker.make(options, item.model, item.data, Telling(pipe.send)))


def _leave(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up that follows must not be cut short
    raise SystemExit(128 + number)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(128 + signal.SIGTERM)

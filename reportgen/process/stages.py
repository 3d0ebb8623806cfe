"""A process that makes a report: it tells its parent which stage it is in, and the parent says of what it died."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from reportgen.format import as_given
from reportgen.process.children import ended
from reportgen.progress import Progress

_LOADING = "load"


class Telling(Progress):
    """A Progress that tells another process which stage begins, and "" where it ends. stream: as of Progress."""

    def __init__(self, tell: Callable[[str], object], stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._tell = tell

    @contextmanager
    def stage(self, name: str, line: str) -> Iterator[None]:
        """As Progress.stage."""
        with super().stage(name, line):
            self._tell(name)
            try:
                yield
            finally:
                self._tell("")


class Watched:
    """A process at work, as its parent sees it. seconds: how long Keras may load a model in it.

    stage: what it is at. until: when it has to be over with that, as time.monotonic has it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stage, self.until, self._is_late = "", float("inf"), False

    def enter(self, stage: str) -> None:
        """Note which stage it is in, "" for none."""
        self.stage = stage
        self.until = time.monotonic() + self.seconds if stage == _LOADING else float("inf")

    def has_to_end(self) -> bool:
        """Return, once, whether it has been loading a model for too long."""
        if time.monotonic() <= self.until:
            return False
        self._is_late, self.until = True, float("inf")
        return True

    def fault_of_model(self, code: int) -> str | None:
        """Return what the model file did to it, behind the file's name, None where it was not at the file.

        code: its exit code, or less than 0 the signal that ended it.
        """
        if self._is_late:
            return (
                f"cannot be loaded: Keras was still at it after {as_given(self.seconds)} s; raise --max-load-seconds if"
                " it is to be trusted"
            )
        if self.stage == _LOADING:
            return (
                f"cannot be loaded: Keras ended {ended(code)} over it; it is damaged, hostile, or needs more memory"
                " than this machine has"
            )
        return None


def was_killed(code: int) -> bool:
    """Return whether something from outside ended it, as systems do when the memory is used up."""
    return code == -signal.SIGKILL

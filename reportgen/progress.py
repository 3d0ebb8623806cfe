"""What is said on stderr while work goes on, and how long each stage took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Tick = Callable[[int, str], None]
"""Called as `tick(done, note)`: how many units of work are done so far, and a few words about them."""


class Progress:
    """Lines on a stream, bars if the stream is a terminal, and seconds per stage.

    stream: where to write; None says nothing, for callers that only want the seconds.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.seconds: dict[str, float] = {}
        self._console: Console | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether a person is watching, so that a bar makes sense."""
        return self.stream is not None and self.stream.isatty()

    def say(self, line: str) -> None:
        """Write one line, above the bar if there is one. Where nobody reads any longer, say nothing from then on."""
        try:
            if self._console is not None:
                self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
            elif self.stream is not None:
                print(line, file=self.stream, flush=True)
        except OSError:
            self.stream = None

    @contextmanager
    def stage(self, name: str, line: str) -> Iterator[None]:
        """Say `line`, then add the time that the block takes to the seconds of `name`."""
        self.say(line)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Tick]:
        """Yield a `tick` that moves a bar on a terminal and does nothing elsewhere."""
        if not self.on_terminal:
            yield lambda done, note: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[note]}", markup=False),
            TimeRemainingColumn(),
        )
        self._console = Console(file=self.stream)
        try:
            with RichProgress(*columns, console=self._console, transient=True) as rich:
                task = rich.add_task(label, total=total, note="")
                yield lambda done, note: rich.update(task, completed=done, note=note)
        finally:
            self._console = None


def to_stderr() -> Progress:
    """Return a Progress that speaks on stderr."""
    return Progress(sys.stderr)

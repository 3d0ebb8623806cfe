"""Writers in forked children that are killed: at each of their steps, or at a random moment.

Run by test_kill.py in a process of its own, `python -m tests.helpers.killed SCENARIO FOLDER`, because a fork of a
process as large as pytest's takes its time. It ends with a failed assertion where a promise is broken.
"""

import io
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from reportgen.deliver import file, folder

Report = dict[str, bytes]

OLD = {"report.html": b"old page" * 500, "report.json": b"{}", "report.pdf": b"old paper"}
NEW = {"report.html": b"new page" * 9000, "report.json": b"{}\n", "report_files/a.css": b"p {}", "record.npz": b"#"}
LAST = {"report.json": b"last"}


def held(place: Path) -> Report:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def beside(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def forked(work: Callable[[], object]) -> int:
    """Return the process that does the work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except SystemExit as error:
            code = int(str(error.code or 0))
        finally:
            os._exit(code)
    return child


def end(child: int) -> int:
    """Return the signal that the process died of, 0 if it ended by itself."""
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 143), f"exit code {os.WEXITSTATUS(status)}"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killed_before(step: int, work: Callable[[], object]) -> Callable[[], object]:
    """Return `work` with an end right before its system call number `step`."""

    def doomed() -> None:
        left = step

        def watch(frame: Any, event: str, called: Any) -> None:
            nonlocal left
            if event != "c_call":
                return
            on_disk = called.__module__ in ("posix", "_io", "io", "fcntl") or isinstance(called.__self__, io.IOBase)
            if on_disk:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(watch)
        work()
        sys.setprofile(None)

    return doomed


def at_each_step(first: Callable[[], object], work: Callable[[], object], check: Callable[[], None]) -> None:
    """Kill `work` before each of its system calls; `first` makes what is there before, `check` looks after it."""
    for step in range(1000):
        first()
        died = end(forked(killed_before(step, work)))
        check()
        if not died:
            assert step > 20, f"only {step} steps were seen"
            print(f"{step} steps")
            return
    raise AssertionError("it never ends")


def folder_at_each_step(target: Path, earlier: Report | None, *, in_two_steps: bool = False) -> None:
    if in_two_steps:
        folder._exchange = lambda one, other: False

    def first() -> None:
        folder.write(target, LAST)
        for name in held(target):
            (target / name).unlink()
        if earlier is None:
            target.rmdir()
        else:
            folder.write(target, earlier)

    def check() -> None:
        if in_two_steps and not target.exists():  # only there is an instant without any
            with folder.claim(target):
                assert held(target) == earlier
        found = held(target) if target.exists() else None
        assert found in (earlier, NEW), found and sorted(found)
        folder.write(target, LAST)
        assert held(target) == LAST
        assert beside(target) == [target.name], "the next run has not cleared up"

    at_each_step(first, lambda: folder.write(target, NEW), check)


def file_at_each_step(target: Path) -> None:
    path = target / "check.xml"

    def check() -> None:
        assert path.read_bytes() in (b"earlier", b"later" * 1000)
        file.write(path, b"last")
        assert path.read_bytes() == b"last"
        assert beside(path) == [path.name], "the next run has not cleared up"

    at_each_step(lambda: file.write(path, b"earlier"), lambda: file.write(path, b"later" * 1000), check)


def at_random(target: Path, times: int, number: signal.Signals) -> None:
    """End a writer at random moments; by a signal that it can hear, it leaves nothing."""
    moments = random.Random(7)
    folder.write(target, OLD)
    heard: list[Any] = []

    def work() -> None:
        if number != signal.SIGKILL:
            signal.signal(number, leave)
        while not heard:  # Python loses an exception that a signal raises while it deletes an object
            folder.write(target, NEW)
            folder.write(target, OLD)

    def leave(*_: Any) -> NoReturn:
        heard.append(number)
        raise SystemExit(143)

    seen, untidy = [], 0
    for _ in range(times):
        child = forked(work)
        time.sleep(moments.uniform(0.001, 0.03))
        os.kill(child, number)
        end(child)
        seen.append(held(target))
        assert seen[-1] in (OLD, NEW), sorted(seen[-1])
        untidy += len(beside(target)) > 1
    if number != signal.SIGKILL:  # that nothing stays has an exception: the instant before the clean-up begins
        assert untidy <= times / 10, f"{untidy} of {times} have left something"
    folder.write(target, LAST)
    assert beside(target) == [target.name]
    assert OLD in seen and NEW in seen, "every writer was at the same place"


def main() -> None:
    scenario, place = sys.argv[1], Path(sys.argv[2])
    target = place / "digits"
    os.fsync = os.fstat  # type: ignore[assignment]  # a killed process loses nothing that it wrote, and this is quick
    match scenario:
        case "a first report":
            folder_at_each_step(target, None)
        case "another report":
            folder_at_each_step(target, OLD)
        case "another report, in two steps":
            folder_at_each_step(target, OLD, in_two_steps=True)
        case "a file":
            file_at_each_step(target)
        case "a hundred times":
            at_random(target, 100, signal.SIGKILL)
        case "SIGTERM":
            at_random(target, 50, signal.SIGTERM)


if __name__ == "__main__":
    main()

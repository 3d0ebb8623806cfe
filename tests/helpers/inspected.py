"""Many model files looked into as reportgen does it, each in a process of its own that is watched.

The processes are forked from one that has loaded what they need, so that hundreds take seconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests import ROOT

LARGEST, LAYERS, SECONDS = 4 * 10**9, 2000, 10


@dataclass(frozen=True)
class Inspected:
    """What became of a look into a file. said: the refusal, "" where there was none; code: of the process, or minus
    the signal that ended it; seconds: it took; megabytes: its peak memory; did: what it must not do, if it did.
    """

    said: str
    code: int
    seconds: float
    megabytes: float
    did: str


def inspected(files: Sequence[Path]) -> list[Inspected]:
    """Look into each of `files`, which lies in a folder of its own with the ending that fits its content."""
    command = [sys.executable, "-c", "from tests.helpers.inspected import main; main()"]
    done = subprocess.run(
        command, input=json.dumps([str(file) for file in files]), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [Inspected(**one) for one in json.loads(done.stdout)]


def main() -> None:
    """Look into the files that a JSON list on stdin names, and print what became of each."""
    from reportgen.model.inspection import configuration, container, weights  # noqa: F401  # loaded once, for all

    print(json.dumps([_in_a_process(Path(name)) for name in json.load(sys.stdin)]))


def _in_a_process(file: Path) -> dict[str, Any]:
    start = time.monotonic()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _look(file)
    _, status, used = os.wait4(child, 0)
    answer, did = file.with_name("answer"), file.with_name("did")
    found = json.loads(answer.read_text() or "{}")
    return {
        "said": f"{found['what']}; {found['do']}" if found else "",
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - start,
        "megabytes": used.ru_maxrss / 1000,
        "did": did.read_text() if did.exists() else "",
    }


def _look(file: Path) -> NoReturn:
    """Do what reportgen's own process does, its output in a file, and end at once where it does what it must not."""
    from reportgen.model.inspection import child

    with file.with_name("answer").open("w") as answer:
        os.dup2(answer.fileno(), 1)
    sys.argv = ["inspection", str(file), str(LARGEST), str(LAYERS), str(SECONDS)]
    signal.alarm(SECONDS)  # a process that waits costs no processor time
    sys.addaudithook(_guard(file))
    child.main()
    os._exit(0)


def _guard(file: Path) -> Any:
    """Return a hook that ends the process where it writes elsewhere than beside `file`, or calls out, or starts one."""
    beside = str(file.parent)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        changes = event.startswith(("os.", "shutil.")) and event not in ("os.listdir", "os.scandir")
        calls = event.split(".")[0] in ("socket", "subprocess", "urllib", "ctypes", "webbrowser")
        if changes or calls or (writes and not str(arguments[0]).startswith(beside)):
            with (file.with_name("did")).open("w") as told:
                told.write(f"{event} {arguments}"[:500])
            os._exit(99)

    return hook

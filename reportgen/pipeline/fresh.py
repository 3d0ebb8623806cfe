"""Model files in a process of their own, which knows nothing but the files: what their models say of images, how fast.

The process loads the files through the same checks as any other. It is sent batches of images, and answers each with
the scores of every model. An array is sent as a line of JSON with its shape and its bytes behind it.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from reportgen.errors import ReportgenError, SurroundingsError
from reportgen.options import Bounds
from reportgen.process import children

_DO = "run again; if it ends so again, report it"


class Fresh:
    """The models of some files, in a process that ends with the `with` block. Raises what loading them raises."""

    def __init__(self, files: Sequence[Path], bounds: Bounds) -> None:
        self._count = len(files)
        arguments = [str(os.getpid()), json.dumps(asdict(bounds)), *map(str, files)]
        command = [*children.command("reportgen.pipeline.fresh"), *arguments]
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaint)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._of = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        try:
            self._line()
        except ReportgenError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._to, self._of, self._complaint):
            with suppress(OSError):  # what could not be sent any more
                stream.close()

    def scores(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return (B, K) what each model says of images as a model sees them."""
        try:
            _send(self._to, images)
            return [_sent(self._of, self._of.readline()) for _ in range(self._count)]
        except (OSError, ValueError) as error:
            raise self._gone() from error

    def seconds(self) -> list[float]:
        """Return how many seconds each model took for an image, the median over the batches. No scores after that."""
        self._to.close()
        found: list[float] = self._line()["seconds"]
        return found

    def _line(self) -> dict[str, Any]:
        try:
            return children.heard(self._of.readline())
        except ValueError as error:
            raise self._gone() from error

    def _gone(self) -> SurroundingsError:
        self._process.kill()
        code = self._process.wait()
        self._complaint.seek(0)
        how = children.ended(code, self._complaint.read())
        return SurroundingsError(f"the process that tries the smaller model ended {how}", _DO)


def main() -> None:
    """Load the files that the arguments name, behind parent and bounds, and answer batches until there are no more."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print is no answer
    if not children.end_with(int(sys.argv[1])):
        return
    bounds, paths = Bounds(**json.loads(sys.argv[2])), [Path(path) for path in sys.argv[3:]]
    try:
        runs = [_loaded(path, bounds) for path in paths]
    except ReportgenError as error:
        children.say(answer, children.told(error))
        return
    children.say(answer, {})
    seconds = _answer(runs, sys.stdin.buffer, answer)
    children.say(answer, {"seconds": seconds})
    answer.close()
    os._exit(0)  # taking TensorFlow down would take a second


def _loaded(path: Path, bounds: Bounds) -> Any:
    from reportgen.model import load, model_file, suitable
    from reportgen.runtime import tf

    with model_file.read(path, bounds) as file:
        model = load.load(file)
    suitable.check_model(model)
    kind = model.inputs[0].dtype
    return tf.function(
        lambda images: tf.cast(model(tf.cast(images, kind), training=False), tf.float32),
        input_signature=[tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)],
        autograph=False,
    )


def _answer(runs: Sequence[Any], given: IO[bytes], answer: IO[bytes]) -> list[float]:
    """Answer every batch, and return the seconds that each model takes for an image."""
    taken: list[list[float]] = [[] for _ in runs]
    is_first = True
    while line := given.readline():
        images = _sent(given, line)
        for run, spent in zip(runs, taken, strict=True):
            if is_first:
                run(images)  # compiles it
            start = time.perf_counter()
            scores = run(images).numpy()
            spent.append((time.perf_counter() - start) / len(images))
            _send(answer, scores)
        is_first = False
    return [float(np.median(spent)) for spent in taken]


def _send(stream: IO[bytes], values: NDArray[np.float32]) -> None:
    values = np.ascontiguousarray(values, "<f4")
    children.say(stream, {"shape": values.shape}, values.tobytes())


def _sent(stream: IO[bytes], line: bytes) -> NDArray[np.float32]:
    shape = json.loads(line)["shape"]
    values = stream.read(4 * math.prod(shape))
    return np.frombuffer(values, "<f4").reshape(shape)

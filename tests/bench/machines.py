"""From when on more machines pay: the pass on workers that wait for each image as if the model were larger.

A process of its own for each number of workers, since it has TensorFlow and starts Dask.

python -m tests.bench.machines WORKERS MODEL DATA SECONDS.json
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reportgen import engines
from reportgen.engines.choice import THREADS, Choice
from reportgen.progress import Progress
from tests.bench.clock import run, seconds
from tests.bench.delayed import SECONDS
from tests.bench.inputs import PYTHON, Inputs

WORKERS = (1, 2, 4, 8)
EACH = 0.002
"""Seconds that a worker waits for an image."""


@dataclass(frozen=True)
class Machines:
    """Seconds of the pass over `images`: here without waiting, and on each of WORKERS, which wait `each` an image.

    ready: seconds until so many fresh workers have TensorFlow and the model.
    """

    images: int
    each: float
    here: float
    there: tuple[float, ...]
    ready: tuple[float, ...]

    @property
    def one_machine(self) -> float:
        """Seconds that the pass would take here if this machine had to wait as well."""
        return self.here + self.images * self.each


def measure(inputs: Inputs, say: Callable[[str], None]) -> Machines:
    """Measure the pass over the images of the test split with each number of workers."""
    _, images = inputs.counts
    found = []
    for workers in (0, *WORKERS):
        target = inputs.home / "machines.json"
        run([PYTHON, "-m", "tests.bench.machines", str(workers), inputs.model, inputs.data, target])
        found.append(json.loads(target.read_text(encoding="utf-8")))
        say(f"machines: {workers} workers, {images:,} images of {EACH * 1000:g} ms: {found[-1][1]:.1f} s")
    ready, there = zip(*found[1:], strict=True)
    return Machines(images, EACH, found[0][1], there, ready)


def _passes(workers: int, model: str, data: str) -> tuple[float, float]:
    """Return the seconds of the first pass and of the second, for which all is ready; without workers it runs here."""
    from tests.bench import inside

    drawn, readings, dataset = inside.opened(model, data)
    parts = {"test": dataset.test}
    if not workers:
        first, second = (seconds(lambda: inside.send(drawn, readings, dataset, parts)) for _ in range(2))
        return first - second, second
    from distributed import LocalCluster

    from reportgen.engines import job
    from reportgen.model import model_file

    os.environ |= {SECONDS: str(EACH), THREADS: "1"}
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
            memory_limit=None, silence_logs="CRITICAL", preload=["tests.bench.delayed"],
        ) as cluster,
        engines.opened(Choice(dask=True, address=cluster.scheduler_address), Progress()) as opened,
        model_file.read(Path(model)) as file,
    ):  # fmt: skip
        assert opened is not None
        engine = opened.of(job.of(drawn.model, file, None, ""))
        first, second = (seconds(lambda: inside.send(drawn, readings, dataset, parts, engine)) for _ in range(2))
    return first - second, second


if __name__ == "__main__":
    count, model, data, target = sys.argv[1:]
    Path(target).write_text(json.dumps(_passes(int(count), model, data)), encoding="utf-8")

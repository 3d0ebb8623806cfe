"""What runs on a worker: the model is loaded once in each process, then shard after shard is sent through it."""

import importlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reportgen import __version__, scratch
from reportgen.analysis.activations.shards import Found, Shard, Work, joined
from reportgen.analysis.activations.tally import Counts
from reportgen.dataset import Images, Part
from reportgen.engines import job as jobs
from reportgen.errors import one_line

if TYPE_CHECKING:
    from reportgen.analysis.activations.probe import Sender

T = TypeVar("T")

_ONE_AT_A_TIME = threading.Lock()  # TensorFlow itself uses several cores, and memory is for one shard
_opened: "tuple[jobs.Job, Sender] | None" = None


class ShardError(Exception):
    """A shard that could not be done, and why, in words: whatever was raised may not exist where this is read."""

    def __init__(self, shard: str, reason: str) -> None:
        super().__init__(shard, reason)
        self.shard, self.reason = shard, reason


def ready() -> None:
    """Import TensorFlow."""
    importlib.import_module("reportgen.runtime")


def given(one: T) -> T:
    """Return what was sent; as the result of a task it is made again wherever it was lost."""
    return one


def send(job: jobs.Job, work: Work, shard: Shard, images: Images, labels: Counts) -> Found:
    """Return what comes of a shard. images, labels: of these alone. Raises ShardError."""
    try:
        from reportgen.model import memory

        with _ONE_AT_A_TIME, memory.bounded(job.bounds.max_memory_gb):
            return _sender(job).send(work, shard, Part(images, labels), lambda done, note: None)
    except Exception as error:
        said = str(error) if type(error).__module__.startswith("reportgen.") else f"{type(error).__name__}: {error}"
        raise ShardError(str(shard), one_line(said)) from error


def joined_of(found: Sequence[Found]) -> Found:
    """Return what came of some shards as one."""
    return joined(found)


def _sender(job: jobs.Job) -> "Sender":
    global _opened
    if job.version != __version__:
        raise ShardError("", f"the worker has reportgen {__version__}, not {job.version}")
    if _opened is None or _opened[0] != job:
        _opened = None  # the model before need not be kept until the next is there
        _opened = job, _loaded(job)
    return _opened[1]


def _loaded(job: jobs.Job) -> "Sender":
    from reportgen.analysis.activations.graph import Graph
    from reportgen.analysis.activations.probe import Sender
    from reportgen.analysis.activations.reading import readings
    from reportgen.model import load, model_file

    with scratch.Folder() as folder:
        path = jobs.written(job, Path(folder))
        with model_file.read(path, job.bounds) as file:
            graph = Graph(load.load(file))
    return Sender(graph, readings(graph))

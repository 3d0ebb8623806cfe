"""A Dask cluster: one that is there, or one of fresh processes on this machine.

Whoever can reach a scheduler or a worker can run code in it, as Dask is made for that. So the processes here take
connections from this machine alone, and with a certificate that lives as long as they do; a cluster that is there has
to be protected by its owner.
"""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from reportgen import scratch
from reportgen.engines import arrivals, worker
from reportgen.engines.arrivals import TRIES, Arrivals
from reportgen.engines.choice import THREADS, Choice, threads_each
from reportgen.engines.job import Job
from reportgen.engines.sending import Workers
from reportgen.errors import SurroundingsError
from reportgen.process.signals import signals_held

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
U = TypeVar("U")

_INSTALL = "install it with pip install 'reportgen[dask]'"


@contextmanager
def opened(choice: Choice) -> Iterator["Cluster"]:
    """Yield the cluster that was chosen; its own processes end with the block. Raises SurroundingsError."""
    try:
        import distributed
    except ImportError as error:
        raise SurroundingsError("--engine dask needs Dask, which is not installed", _INSTALL) from error
    with ExitStack() as held:
        held.enter_context(_quiet())
        address = choice.address or held.enter_context(_processes(choice.workers))
        try:
            client = distributed.Client(address, timeout=arrivals.FIRST, set_as_default=False)
        except Exception as error:  # each transport raises its own
            raise SurroundingsError(
                f"no Dask scheduler answers at {choice.address} ({arrivals.said(error)})",
                "start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error
        yield Cluster(held.enter_context(client), choice)


class Cluster:
    """Workers that wait for something to do."""

    def __init__(self, client: "Client", choice: Choice) -> None:
        self._client, self._choice = client, choice
        self._warming: list[Future] = []  # Dask forgets what nobody waits for

    def warm(self) -> None:
        """Have the workers on this machine start TensorFlow, and do not wait for it."""
        if self._choice.address is None:
            addresses = arrivals.workers(self._client)
            self._warming = [self._client.submit(worker.ready, workers=[one], pure=False) for one in addresses]

    def of(self, job: Job) -> Workers:
        """Return the engine that sends images through the job's model."""
        return Workers(self._client, job)

    def each(self, work: Callable[[T], U], given: Sequence[T]) -> Iterator[tuple[T, U | str]]:
        """Do some work with each of what is given, and yield the results as they come, or a line for one that failed.

        Raises SurroundingsError where the workers are gone.
        """
        arrivals.wait_for_workers(self._client)
        arriving = Arrivals(self._client)
        under_way = {self._client.submit(work, one, retries=TRIES - 1, pure=False): one for one in given}
        for future, one in under_way.items():
            arriving.expect(future, one)
        while under_way:
            one, future = arriving.next()
            del under_way[future]
            yield one, future.result() if future.status == "finished" else _why(future)


def _why(future: "Future") -> str:
    if future.status != "error":
        return "it was cancelled on the cluster; run again"
    error = future.exception()
    if times := arrivals.was_killed(error):
        return f"{times} workers were ended over it, one after the other; see what ended them; is it want of memory?"
    return f"it failed on the workers ({arrivals.said(error)}); see that they have this version of reportgen"


@contextmanager
def _processes(workers: int) -> Iterator[Any]:
    """Yield a cluster of fresh processes on this machine, never forks of this one. Raises SurroundingsError."""
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    settings = {
        "distributed.scheduler.allowed-failures": TRIES - 1,
        "distributed.nanny.environ": {THREADS: os.environ.get(THREADS) or str(threads_each(workers))},
    }
    with ExitStack() as held:
        folder = held.enter_context(scratch.Folder())
        held.enter_context(dask.config.set(settings))
        try:
            with signals_held(signal.SIGINT):  # Ctrl-C is for this process, which ends the others
                cluster = held.enter_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        processes=True,
                        protocol="tls://",
                        host="127.0.0.1",
                        security=Security.temporary(),
                        dashboard_address=None,
                        memory_limit=None,  # Dask would count TensorFlow's own memory, and stop a worker for it
                        local_directory=folder,
                        silence_logs=logging.CRITICAL,
                    )
                )
        except ImportError as error:
            raise SurroundingsError("--engine dask needs the package cryptography", _INSTALL) from error
        except Exception as error:  # processes that do not start end in errors of several kinds
            raise SurroundingsError(
                f"{workers} workers cannot be started here ({arrivals.said(error)})",
                "in a script of yours, call reportgen below `if __name__ == '__main__':`; else give fewer --workers",
            ) from error
        yield cluster


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing to stderr what is said here in one line, or is no concern of the reader's."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            yield
    finally:
        log.setLevel(before)

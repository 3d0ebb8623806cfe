"""Work that workers are at, as it is done; and who is left to do it."""

import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from reportgen.errors import SurroundingsError, one_line

if TYPE_CHECKING:
    from distributed import Client, Future

TRIES = 3
"""How often work is tried that fails, or that ends its worker."""

FIRST = 30.0
"""Seconds to reach a scheduler, and to wait for its first worker."""

_ANOTHER = 60.0  # seconds to wait for another worker where all are gone
_LOOK = 2.0
_FRESH = 5.0  # seconds that a count of the workers is good for: asking makes the scheduler list all of them


class Arrivals:
    """Futures as they are done, each with what it is about."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._done: SimpleQueue[tuple[Any, Future]] = SimpleQueue()
        self._workers, self._counted = 0, float("-inf")

    def expect(self, future: "Future", about: Any) -> None:
        """Have `next` return this future when it is done."""
        future.add_done_callback(lambda done: self._done.put((about, done)))

    def next(self) -> tuple[Any, "Future"]:
        """Wait for the next future. Raises SurroundingsError where there is nobody left to do anything."""
        alone_since = time.monotonic()
        while True:
            try:
                return self._done.get(timeout=_LOOK)
            except Empty:
                if self.workers():
                    alone_since = time.monotonic()
                if is_gone(self._client) or time.monotonic() > alone_since + _ANOTHER:
                    raise gone(self._client) from None

    def workers(self) -> int:
        """Return how many workers there are, or were some seconds ago."""
        if time.monotonic() > self._counted + _FRESH:
            self._workers, self._counted = len(workers(self._client)), time.monotonic()
        return self._workers


def is_gone(client: "Client") -> bool:
    """Return whether the scheduler cannot be reached any more."""
    return client.status not in ("running", "connecting")


def gone(client: "Client") -> SurroundingsError:
    """Return what to raise where nobody is left to do anything."""
    return SurroundingsError(
        f"the Dask cluster of {address(client)} is gone, or all its workers are", "see why they ended, and run again"
    )


def wait_for_workers(client: "Client") -> None:
    """Wait for the first worker. Raises SurroundingsError where none comes."""
    try:
        client.wait_for_workers(1, timeout=FIRST)
    except TimeoutError as error:
        raise SurroundingsError(
            f"the Dask scheduler at {address(client)} has no workers", "start some with `dask worker ADDRESS`"
        ) from error


def workers(client: "Client") -> Mapping[str, Any]:
    """Return what the scheduler says about each worker, by its address; nothing where it is gone."""
    found: Mapping[str, Any] = client.scheduler_info(n_workers=-1).get("workers", {})
    return found


def address(client: "Client") -> str:
    """Return where the scheduler is."""
    return str(client.scheduler.address) if client.scheduler else "an address that is lost"


def was_killed(error: BaseException) -> int:
    """Return how many workers died over what failed with `error`, 0 where it failed otherwise."""
    from distributed import KilledWorker

    return int(error.allowed_failures) + 1 if isinstance(error, KilledWorker) else 0


def said(error: BaseException) -> str:
    """Return in a few words what an error says."""
    return one_line(str(error) or type(error).__name__)[:200]

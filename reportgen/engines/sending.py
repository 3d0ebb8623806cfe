"""Shards on their way to the workers of a cluster and back, a few at a time, whatever happens to the workers."""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.analysis.activations.shards import Found, Shard, Work, batches_of, joined
from reportgen.dataset import Images, Part, Unread
from reportgen.engines import arrivals, worker
from reportgen.engines.arrivals import TRIES, Arrivals
from reportgen.engines.job import Job
from reportgen.errors import SurroundingsError
from reportgen.progress import Progress, Tick

if TYPE_CHECKING:
    from distributed import Client, Future

_MOST_BATCHES = 20  # of a shard, so that little is lost with a worker
_SHARDS_EACH = 4  # at least so many for each worker, so that they end at about the same time
_GROUP, _ARITY = 16, 4  # shards whose tallies are joined on the workers, and so many at a time
_AHEAD = 3  # shards on the way for each worker: one at work, the others waiting


class Workers:
    """Sends images through one model on the workers of a cluster; an `analysis.activations.shards.Engine`."""

    def __init__(self, client: "Client", job: Job) -> None:
        self._client, self._job = client, job

    def send(self, work: Work, parts: Mapping[str, Part], shards: Sequence[Shard], progress: Progress) -> Found:
        """Return what comes of the shards. Raises SurroundingsError that names one that cannot be done."""
        arrivals.wait_for_workers(self._client)
        each = _images_each(shards, work.batch, len(arrivals.workers(self._client)))
        pieces = [piece for shard in shards for piece in shard.divided(each)]
        with progress.bar("images", total=sum(map(len, pieces))) as tick:
            return _Sending(self._client, self._job, work, parts, tick).found(pieces)


def _images_each(shards: Sequence[Shard], batch: int, workers: int) -> int:
    """Return how many images a piece of a shard has: whole batches, so that each is as it would be elsewhere."""
    return batch * min(max(batches_of(shards, batch) // (_SHARDS_EACH * workers), 1), _MOST_BATCHES)


@dataclass(eq=False)
class _Group:
    """Shards whose results are joined on the workers. futures: of those that are not done; joined: of all together."""

    shards: Sequence[Shard]
    tries: int = 0
    futures: dict["Future", Shard] = field(default_factory=dict)
    joined: "Future | None" = None


class _Sending:
    """Shards on their way to the workers and back, a few at a time.

    A worker that is lost takes with it what it had. Dask brings all of it back but images that lay in the memory of
    this process: what depends on them comes back cancelled, and its group is sent anew.
    """

    def __init__(self, client: "Client", job: Job, work: Work, parts: Mapping[str, Part], tick: Tick) -> None:
        self._client, self._parts, self._tick = client, parts, tick
        # the scheduler keeps these, so that they are there for any worker at any time
        self._job, self._work = (client.submit(worker.given, one, pure=False) for one in (job, work))
        self._arriving = Arrivals(client)
        self._counted: set[Shard] = set()
        self._under_way: list[_Group] = []

    def found(self, shards: Sequence[Shard]) -> Found:
        """Return what comes of all shards."""
        waiting = deque(_Group(shards[at : at + _GROUP]) for at in range(0, len(shards), _GROUP))
        found: list[Found] = []
        try:
            while waiting or self._under_way:
                while waiting and self._has_room():
                    self._start(waiting.popleft())
                group, future = self._arriving.next()
                if future in group.futures:
                    self._count(group, future)
                elif future is group.joined:
                    if (one := self._received(group, future)) is None:
                        waiting.appendleft(group)
                    else:
                        found = [joined([*found, one])]
        finally:
            self._call_off()
        return found[0]

    def _has_room(self) -> bool:
        on_the_way = sum(len(group.futures) for group in self._under_way)
        return on_the_way < _AHEAD * max(self._arriving.workers(), 1)

    def _start(self, group: _Group) -> None:
        group.tries += 1
        if group.tries > TRIES:
            raise SurroundingsError(
                f"{group.shards[0]}, or others sent with them, were lost with the workers that had them, {TRIES} times",
                "look at what ended these workers; is it want of memory?",
            )
        group.futures = {self._sent(shard): shard for shard in group.shards}
        level = list(group.futures)
        while len(level) > 1 or group.joined is None:
            level = [self._merged(level[at : at + _ARITY]) for at in range(0, len(level), _ARITY)]
            group.joined = level[0] if len(level) == 1 else None
        self._under_way.append(group)
        for future in (*group.futures, group.joined):
            self._arriving.expect(future, group)

    def _sent(self, shard: Shard) -> "Future":
        part = shard.of(self._parts)
        given = (self._job, self._work, shard, self._reachable(part.images), part.labels)
        return self._client.submit(worker.send, *given, key=f"{shard}-{_token()}", retries=TRIES - 1, pure=False)

    def _merged(self, found: "Sequence[Future]") -> "Future":
        return self._client.submit(worker.joined_of, list(found), key=f"joined-{_token()}", priority=1, pure=False)

    def _reachable(self, images: Images) -> Any:
        """Return images as a worker can get at them: by their path, or as what was sent to one of the workers.

        They go straight to a worker: the scheduler would have to hold all of them.
        """
        if isinstance(images, Unread) and images.on_path:
            return images
        try:
            return self._client.scatter(np.ascontiguousarray(images[:]), hash=False, direct=True)
        except (OSError, TimeoutError) as error:
            if arrivals.is_gone(self._client):
                raise arrivals.gone(self._client) from error
            raise SurroundingsError(
                f"no image can be sent to the workers of {arrivals.address(self._client)} ({arrivals.said(error)})",
                "see that they can be reached from here, or give the images under a path that they see",
            ) from error

    def _count(self, group: _Group, future: "Future") -> None:
        if future.status == "finished":
            self._counted.add(group.futures.pop(future))
            self._tick(sum(map(len, self._counted)), "images")

    def _received(self, group: _Group, future: "Future") -> Found | None:
        """Return what came of a group, None where it was lost on the way. Raises SurroundingsError where it failed."""
        self._under_way.remove(group)
        group.joined = None
        if future.status == "error":
            raise _failure(future.exception(), group, arrivals.address(self._client))
        if future.status != "finished":
            return None
        with suppress(CancelledError):  # lost in this very moment
            found: Found = future.result()
            return found
        return None

    def _call_off(self) -> None:
        for group in self._under_way:
            with suppress(Exception):  # what matters is why nobody waits for it any more
                self._client.cancel([future for future in (group.joined, *group.futures) if future is not None])


def _failure(error: BaseException, group: _Group, address: str) -> SurroundingsError:
    """Return what to raise where a group failed, with the shard that did as far as it is known."""
    shard, times, reason = str(group.shards[0]), TRIES, arrivals.said(error)
    do = "see that the workers have this version of reportgen and see the data under the same path"
    if isinstance(error, worker.ShardError):
        shard, reason = error.shard or shard, error.reason
    elif killed := arrivals.was_killed(error):
        shard, times = str(getattr(error, "task", "")).rpartition("-")[0], killed
        reason = "each time the worker that had them was ended, over these or over others"
        do = "see what ended it; is it want of memory?"
    return SurroundingsError(f"{shard} failed {times} times on the workers of {address} ({reason})", do)


def _token() -> str:
    return os.urandom(8).hex()

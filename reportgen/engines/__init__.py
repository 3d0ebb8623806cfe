"""Where the work of a report is done: in this process, or on the workers of a Dask cluster."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from reportgen.engines.choice import Choice
from reportgen.progress import Progress

if TYPE_CHECKING:
    from reportgen.engines.cluster import Cluster


@contextmanager
def opened(choice: Choice, progress: Progress) -> "Iterator[Cluster | None]":
    """Yield the cluster that was chosen, its workers about to start TensorFlow; None for this process."""
    if not choice.dask:
        yield None
        return
    from reportgen.engines import cluster

    count = f"{choice.workers} {'worker' if choice.workers == 1 else 'workers'}"
    says = f"Joining the cluster of {choice.address} ..." if choice.address else f"Starting {count} ..."
    with ExitStack() as held:
        with progress.stage("cluster", says):
            found = held.enter_context(cluster.opened(choice))
        found.warm()
        yield found

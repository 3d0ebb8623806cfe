"""Fresh processes that no signal reaches before they can take it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def signals_held(*numbers: signal.Signals) -> Iterator[None]:
    """Have signals wait for the end of the block, and longer in a process that is started in it.

    There they wait until it says otherwise: a signal sooner would end it with a traceback of Python's own start.
    """
    resource_tracker.ensure_running()  # which else would let them through when the first process is started
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

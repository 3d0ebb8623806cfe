"""Fresh processes that no signal reaches before they can take it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def signals_held(*numbers: signal.Signals) -> Iterator[None]:
    """Have signals wait for the end of the block, and longer in a process that is started in it.

    There they wait until it says otherwise: a signal sooner would end it with a traceback of Python's own start.
    """
    resource_tracker.ensure_running()  # which else would let them through when the first process is started
    came: list[int] = []
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    if threading.current_thread() is not threading.main_thread():  # where Python calls no handler
        handlers = {}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in handlers:  # a thread of numpy's holds none of them; Python would interrupt this one all the same
        signal.signal(number, lambda late, frame: came.append(late))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        for late in came:
            signal.raise_signal(late)

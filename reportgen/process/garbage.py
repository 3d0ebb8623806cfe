"""Work among millions of objects that stay, in which Python would look for garbage again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_alone() -> Iterator[None]:
    """Look for no garbage in the block: it finds next to none there and takes up to half of the time.

    What nothing refers to goes all the same; only what refers to itself in a circle waits for the end of the block.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

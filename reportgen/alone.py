"""Whether this process is reportgen's own: then nobody misses what is not loaded into it."""

import gc

_is_own = False


def begin() -> None:
    """Say that nothing but reportgen runs in this process, and will."""
    global _is_own
    _is_own = True
    # a record of a large model is millions of objects, none of them garbage while the process lives: to look for some
    # after every 700 new ones takes as long as to make them
    gc.set_threshold(100_000, 20, 50)


def is_own() -> bool:
    """Return whether that was said. Where not, the process is a user's, who may go on with it to anything."""
    return _is_own

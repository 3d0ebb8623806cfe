"""Whether this process is reportgen's own: then nobody misses what is not loaded into it."""

_is_own = False


def begin() -> None:
    """Say that nothing but reportgen runs in this process, and will."""
    global _is_own
    _is_own = True


def is_own() -> bool:
    """Return whether that was said. Where not, the process is a user's, who may go on with it to anything."""
    return _is_own

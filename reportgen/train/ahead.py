"""TensorFlow, imported while other work goes on."""

import threading
from contextlib import suppress
from importlib import import_module


def begin() -> None:
    """Begin to import TensorFlow in another thread. Whoever needs it imports it too, and waits there for the rest.

    Only for a process that is reportgen's own and leaves by `os._exit`: nothing can stop the import.
    """
    threading.Thread(target=_import, daemon=True).start()


def _import() -> None:
    with suppress(Exception):  # whoever needs it tries again and has the error
        import_module("reportgen.train.runtime")

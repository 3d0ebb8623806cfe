"""Modules that take long to import, imported while other work goes on."""

import threading
from contextlib import suppress
from importlib import import_module


def begin(*modules: str) -> None:
    """Begin to import modules in another thread. Whoever needs one imports it too, and waits there for the rest.

    Only for a process that is reportgen's own and leaves by `os._exit`: nothing can stop an import.
    """
    threading.Thread(target=_import, args=modules, daemon=True).start()


def _import(*modules: str) -> None:
    with suppress(Exception):  # whoever needs it tries again and has the error
        for module in modules:
            import_module(module)

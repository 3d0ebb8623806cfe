"""TensorFlow and Keras, imported quietly and set so that a user's own configuration cannot change a result.

Where Keras is there already, as in a notebook, the process is the user's, and so is its configuration.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from reportgen import alone, scratch


@contextmanager
def quiet_stderr(*, on_failure: bool) -> Iterator[None]:
    """Hold back what native code writes to stderr, and let it out only if the block fails and `on_failure` is set.

    TensorFlow logs about missing GPUs before any of its own switches are read.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            if on_failure:
                held.seek(0)
                os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _no_settings() -> Iterator[None]:
    """Let Keras find no keras.json while it is imported, and write none; its data sets stay where they are."""
    earlier = os.environ.get("KERAS_HOME")
    with scratch.Folder() as empty:
        os.environ["KERAS_HOME"] = empty
        try:
            yield
        finally:
            os.environ.pop("KERAS_HOME")
            if earlier is not None:
                os.environ["KERAS_HOME"] = earlier
    # Keras asks the environment once, while it is imported, and offers no way to change its folder afterwards
    from keras.src.backend import config

    home = Path("~").expanduser()
    config._KERAS_DIR = earlier or str((home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras")


@contextmanager
def _lean() -> Iterator[None]:
    """Have less to do in the block than the usual start takes, by a third. Only for a process of reportgen's own.

    Keras finds no library that it imports for functions which no report calls: scikit-learn, with scipy.stats, for its
    wrappers, matplotlib for its galleries. And no garbage is looked for, then or later, among half a million objects
    that live as long as the process.
    """
    hidden = [name for name in ("matplotlib", "sklearn") if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)  # type: ignore[arg-type]  # None is how Python is told that there is none
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]


_IS_OURS = "keras" not in sys.modules

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow turns oneDNN on by itself on some processors only, and without it no channels-first convolution runs
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if _IS_OURS:
    os.environ["KERAS_BACKEND"] = "tensorflow"

with (
    quiet_stderr(on_failure=True),
    _no_settings() if _IS_OURS else nullcontext(),
    _lean() if alone.is_own() else scratch.no_matplotlib_home(),
):
    import keras  # which imports matplotlib where it is there
    import tensorflow as tf

__all__ = ["keras", "make_deterministic", "quiet_stderr", "tf"]


def make_deterministic(seed: int) -> None:
    """Seed every generator and choose reproducible operations, so that equal seeds give equal weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    keras.backend.clear_session()  # else the names of layers count on from earlier models

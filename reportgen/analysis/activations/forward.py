"""Images through the model, compiled once: predictions for all of them, every layer's output for a few."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.dataset import Images, Part, Pixels
from reportgen.errors import InputError, SurroundingsError, is_of_memory
from reportgen.format import short
from reportgen.progress import Tick

Values = NDArray[np.float32]

LARGE = 60
"""Calls of a graph from which on it is traced more slowly than it runs a few times."""
_FEW_RUNS = 8
"""Each run is faster compiled, so that not many make up for the time of compiling."""
_SCOPE = re.compile(r"'(.*)' is not a valid (?:root )?scope name", re.DOTALL)
"""What TensorFlow says of a layer's name that it cannot put in front of the names of operations."""


def compiled(answer: Callable[..., Any], part: Part, pixels: Pixels) -> Callable[..., Any]:
    """Return what gives the answer to a batch of such images as `part` has, as they are stored.

    answer: from images as the model sees them to tensors. Pixels are converted inside the graph, batch by batch, so
    the images stay where and as they are stored.
    """
    import tensorflow as tf

    given = tf.TensorSpec((None, *part.images.shape[1:]), part.images.dtype)
    made: Callable[..., Any] = tf.function(
        lambda images: answer(as_seen(images, pixels)), input_signature=[given], autograph=False
    )
    return made


def compiled_if_it_pays(
    answer: Callable[..., Any], part: Part, pixels: Pixels, *, calls: int, runs: int
) -> Callable[..., Any]:
    """Return what `compiled` does, uncompiled where the graph has so many calls that few runs are faster."""
    return (compiled if compiling_pays(calls, runs) else as_it_is)(answer, part, pixels)


def as_it_is(answer: Callable[..., Any], part: Part, pixels: Pixels) -> Callable[..., Any]:
    """Return what `compiled` does, uncompiled."""
    import tensorflow as tf

    return lambda images: answer(as_seen(tf.convert_to_tensor(images), pixels))


def compiling_pays(calls: int, runs: int) -> bool:
    """Return whether a graph of so many calls that runs so often takes less time compiled, that of compiling added."""
    return calls < LARGE or runs >= _FEW_RUNS


def outputs(run: Callable[..., Any], images: Images, batch: int, tick: Tick) -> Iterator[tuple[int, int, Any]]:
    """Yield (start, end, what `run` gives) of each batch: (B, ...) float32, or several of these. Raises InputError."""
    for start, end, some in read_ahead(images, batch):
        with faults_named(some):
            given = run(some)
            found = tuple(one.numpy() for one in given) if isinstance(given, tuple) else given.numpy()
        yield start, end, found
        tick(end, "images")


def read_ahead(images: Images, batch: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield (start, end, images) of each batch; the next one is read from the disk while this one is worked on."""
    starts = range(0, len(images), batch)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(images.__getitem__, slice(0, batch))
        for start in starts:
            found, following = coming.result(), start + batch
            if following < len(images):
                coming = reader.submit(images.__getitem__, slice(following, following + batch))
            yield start, start + len(found), found


def as_seen(images: Any, pixels: Pixels) -> Any:
    """Return stored images, (B, *space, C), as the model sees them: a float32 tensor."""
    import tensorflow as tf

    seen = tf.cast(images, tf.float32)
    if pixels.flip:
        seen = tf.reverse(seen, [-1])
    seen = seen * pixels.scale
    if pixels.offset != 0.0:
        seen = seen + pixels.offset
    if pixels.channels_first:
        rank = len(seen.shape)
        seen = tf.transpose(seen, (0, rank - 1, *range(1, rank - 1)))
    return seen if pixels.shape is None else tf.reshape(seen, (-1, *pixels.shape))


@contextmanager
def faults_named(images: NDArray[Any]) -> Iterator[None]:
    """Turn what TensorFlow and Keras raise while `images` go through a model into an error of one line.

    That is an InputError, but a SurroundingsError where the memory is too small: the same call works elsewhere.
    """
    import tensorflow as tf

    shape, scopes = "x".join(map(str, images.shape[1:])), len(_name_scopes())
    try:
        yield
    except (tf.errors.OpError, MemoryError, ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        # Keras leaves a name that TensorFlow refused in front of the names of all that is made later
        del _name_scopes()[scopes:]
        if is_of_memory(error):
            raise _too_small(images) from error
        if found := _SCOPE.search(str(error)):
            raise InputError(
                f"TensorFlow runs no layer of the name {short(found[1], 40)!r}",
                "give it a name of letters, digits, and _ . - within (layer.name = 'conv_1'), and save the model again",
            ) from error
        said = short(str(error).strip().partition("\n")[0], 160) or type(error).__name__
        raise InputError(
            f"the model cannot be run on images of {shape} ({said})",
            "expected a model that this version of Keras runs on them; try model.predict, it says more",
        ) from error


@contextmanager
def memory_named(images: NDArray[Any]) -> Iterator[None]:
    """Turn a want of memory into the SurroundingsError of `faults_named`, where numpy works on what a model gave.

    Any other error stays what it is: it is not the model's.
    """
    try:
        yield
    except MemoryError as error:
        raise _too_small(images) from error


def _too_small(images: NDArray[Any]) -> SurroundingsError:
    """Return what to raise where the memory does not hold what becomes of a batch of images."""
    shape = "x".join(map(str, images.shape[1:]))
    return SurroundingsError(
        f"the memory does not hold what the model computes for {len(images)} images of {shape} at once",
        "give --memory a smaller number, smaller images, or a machine with more memory",
    )


def _name_scopes() -> list[Any]:
    """Return the scopes of names that Keras is in, its own list of them."""
    from keras.src.backend.common import global_state

    found: list[Any] = global_state.get_global_attribute("name_scope_stack", default=[], set_to_default=True)
    return found


def outputs_of(graph: Graph, tensors: Sequence[Tensor], part: Part, pixels: Pixels, count: int) -> list[Values]:
    """Return the values of some tensors for the first `count` images of `part`, all from one pass, as float32."""
    import tensorflow as tf

    images = part.images[:count]
    with faults_named(images):
        _, found = graph.values(as_seen(tf.convert_to_tensor(images), pixels), tensors)
        return [tf.cast(values, tf.float32).numpy() for values in found]

"""Train the built-in network, watched epoch by epoch."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen import scratch
from reportgen.dataset import Dataset, Part, Pixels
from reportgen.format import fixed, seconds
from reportgen.i18n import text
from reportgen.model.history import from_metrics
from reportgen.progress import Progress, Tick
from reportgen.record.training import History
from reportgen.runtime import keras, tf


def fit(
    model: keras.Model,
    dataset: Dataset,
    *,
    epochs: int,
    batch_size: int,
    patience: int,
    count: Callable[[int], None],
    progress: Progress,
) -> History:
    """Train `model` in place until the validation loss stops falling, and return what happened.

    The test split is the validation split, as in the article. patience: epochs without a lower validation loss
    that are forgiven. count: called with the number of epochs that are done, 0 before the first; its time is not the
    epoch's. The weights are those of the last epoch.
    """
    assert dataset.train is not None
    classes = len(dataset.class_names)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience)
    train = _given(dataset.train, dataset.pixels, classes, batch_size, shuffled=True)
    test = _given(dataset.test, dataset.pixels, classes, batch_size, shuffled=False)
    _build(model, classes)
    with progress.bar("training", total=-(-len(dataset.train) // batch_size)) as tick, _faults_of(train[0], test[0]):
        watch = _Watch(progress, tick, epochs, count)
        found = model.fit(
            *train,
            batch_size=batch_size,
            shuffle=train[1] is not None,  # else it is shuffled already
            epochs=epochs,
            validation_data=test,
            callbacks=[stopping, watch],
            verbose=0,
        )
    stopped_early = len(watch.seconds) < epochs
    history = from_metrics(found.history, source=text("this run"), seconds=watch.seconds, stopped_early=stopped_early)
    return replace(history, chosen_on_test=stopped_early)


def archive(model: keras.Model, made_at: str) -> bytes:
    """Return `model` as the bytes of a .keras file that depend on the weights and `made_at` alone."""
    with scratch.Folder() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path) as saved:
            members = {name: saved.read(name) for name in sorted(saved.namelist())}
    about = json.loads(members["metadata.json"]) | {"date_saved": made_at}
    members["metadata.json"] = json.dumps(about).encode()
    members["config.json"] = json.dumps(_renumbered(json.loads(members["config.json"]), {})).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content)  # ZipInfo dates the member 1980-01-01
    return buffer.getvalue()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """Return a configuration whose shared objects are numbered in order; Keras uses their address in memory."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers) + 1) if key == "shared_object_id" else _renumbered(item, numbers)
        for key, item in value.items()
    }


def _build(model: keras.Model, classes: int) -> None:
    """Make the variables of optimizer and metrics now: where a training step makes them, TensorFlow traces it twice."""
    one = np.zeros((1, *model.input_shape[1:]), np.float32), np.zeros((1, classes), np.float32)
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=one)


def _given(part: Part, pixels: Pixels, classes: int, batch_size: int, *, shuffled: bool) -> tuple[Any, Any]:
    """Return a part as Keras takes it: images and labels, or what reads them batch by batch where they lie on disk."""
    if isinstance(part.images, np.ndarray):
        return _seen(part.images, pixels), _one_hot(part.labels, classes)
    return _Batches(part, pixels, classes, batch_size, shuffled=shuffled), None


def _seen(images: NDArray[Any], pixels: Pixels) -> NDArray[np.float32]:
    """Return images as the model sees them."""
    return pixels.of(images.astype(np.float32))


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[labels]


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Images on disk, a batch at a time; shuffled, in another order each epoch, by numpy's generator.

    fault: what reading them raised last. TensorFlow, which asks for the batches, would hide it.
    """

    def __init__(self, part: Part, pixels: Pixels, classes: int, batch_size: int, *, shuffled: bool) -> None:
        super().__init__()
        self._part, self._pixels, self._classes, self._size = part, pixels, classes, batch_size
        self._shuffled = shuffled
        self._order = np.arange(len(part))
        self.fault: Exception | None = None
        self.on_epoch_end()

    @property
    def num_batches(self) -> int:
        return -(-len(self._part) // self._size)

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        which = self._order[number * self._size : (number + 1) * self._size]
        try:
            images = self._part.images[which]
        except Exception as error:
            self.fault = error
            raise
        return _seen(images, self._pixels), _one_hot(self._part.labels[which], self._classes)

    def on_epoch_end(self) -> None:
        if self._shuffled:
            self._order = np.random.permutation(len(self._part))


@contextmanager
def _faults_of(*given: Any) -> Iterator[None]:
    """Raise what reading a batch raised as it is, not as TensorFlow retells it."""
    try:
        yield
    except tf.errors.OpError as error:
        for batches in given:
            if isinstance(batches, _Batches) and batches.fault is not None:
                raise batches.fault from error
        raise


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Times the epochs; moves the bar on a terminal, writes a line per epoch everywhere."""

    def __init__(self, progress: Progress, tick: Tick, epochs: int, count: Callable[[int], None]) -> None:
        super().__init__()
        self.progress, self.tick, self.epochs, self.count = progress, tick, epochs, count
        self.seconds: list[float] = []
        self._start = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        self.count(0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.tick(batch + 1, f"epoch {len(self.seconds) + 1} of at most {self.epochs}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        figures = ", ".join(f"{name} {fixed(value, 4)}" for name, value in (logs or {}).items())
        self.progress.say(f"  epoch {epoch + 1:2d}: {figures} ({seconds(self.seconds[-1])})")
        self.count(epoch + 1)

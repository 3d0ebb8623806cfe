"""Train the built-in network, watched epoch by epoch."""

import io
import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Dataset, Part
from reportgen.progress import Progress, Tick
from reportgen.record import History
from reportgen.texts import text
from reportgen.train.history import from_metrics
from reportgen.train.runtime import keras


def fit(
    model: keras.Model, dataset: Dataset, *, epochs: int, batch_size: int, patience: int, progress: Progress
) -> History:
    """Train `model` in place until the validation loss stops falling, and return what happened.

    The test part is the validation part, as in the article. patience: epochs without a lower validation loss
    that are forgiven. The weights are those of the last epoch.
    """
    assert dataset.train is not None
    classes = len(dataset.class_names)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience)
    with progress.bar("training", total=-(-len(dataset.train) // batch_size)) as tick:
        watch = _Watch(progress, tick, epochs)
        found = model.fit(
            *_arrays(dataset.train, dataset.pixels.scale, classes),
            batch_size=batch_size,
            epochs=epochs,
            validation_data=_arrays(dataset.test, dataset.pixels.scale, classes),
            callbacks=[stopping, watch],
            verbose=0,
        )
    return from_metrics(
        found.history, source=text("this run"), seconds=watch.seconds, stopped_early=len(watch.seconds) < epochs
    )


def archive(model: keras.Model, made_at: str) -> bytes:
    """Return `model` as the bytes of a .keras file that depend on the weights and `made_at` alone."""
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
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


def _arrays(part: Part, scale: float, classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images as the model sees them and labels as one-hot rows, both float32."""
    images = part.images.astype(np.float32)
    images *= np.float32(scale)
    return images, np.eye(classes, dtype=np.float32)[part.labels]


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Times the epochs; moves the bar on a terminal, writes a line per epoch everywhere."""

    def __init__(self, progress: Progress, tick: Tick, epochs: int) -> None:
        super().__init__()
        self.progress, self.tick, self.epochs = progress, tick, epochs
        self.seconds: list[float] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.tick(batch + 1, f"epoch {len(self.seconds) + 1} of at most {self.epochs}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        figures = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        self.progress.say(f"  epoch {epoch + 1:2d}: {figures} ({self.seconds[-1]:.1f} s)")

"""The flow, on one screen: data -> model -> Record -> bytes -> folder."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reportgen import __version__, record_file
from reportgen.deliver import folder
from reportgen.errors import InputError
from reportgen.progress import Progress
from reportgen.record import SCHEMA, DataFacts, History, Pictures, Provenance, Record, Scores
from reportgen.render import words

if TYPE_CHECKING:
    import keras

    from reportgen.dataset import Dataset

MODEL_NAME = "model.keras"
FORMATS = ("html", "pdf")
_FILES = {"html": "report.html", "pdf": "report.pdf"}


@dataclass(frozen=True)
class Subject:
    """The model that a report is about. archive: its .keras bytes if it was trained here."""

    model: "keras.Model"
    origin: Literal["trained", "loaded", "live"]
    history: History | None
    sha256: str | None
    archive: bytes | None


def report(
    model: "str | Path | keras.Model | None" = None,
    data: str | Path | Mapping[str, Any] = "sample",
    *,
    out: str | Path | None = None,
    title: str | None = None,
    epochs: int = 30,
    batch_size: int = 128,
    patience: int = 0,
    seed: int = 0,
    examples: int = 5,
    pixels: Literal["auto", "0-1", "0-255"] = "auto",
    formats: Sequence[str] = FORMATS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train or load a model, look into it, write the report, and return what report.json holds.

    model: a .keras or .h5 file, a live Keras model, or None to train the built-in network on the data.
    data: "sample", "mnist", "fashion-mnist", a path, or a mapping with x_train, y_train, x_test, y_test; images
        are (N, H, W) or (N, H, W, C), labels (N,) integers or text or (N, K) one-hot.
    out: the folder to write, by default reports/<data name>. epochs, batch_size, patience: of the training.
    examples: how many test images are shown beside the layers' outputs. pixels: see README.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier report then stays as it was.
    """
    from reportgen.collect import provenance
    from reportgen.train import load, pixels as pixel_ranges, samples

    progress = progress or Progress()
    _check_call(epochs=epochs, batch_size=batch_size, patience=patience, seed=seed, examples=examples)
    _check_formats(formats)
    made_at = provenance.made_at()
    if out is not None:
        folder.check(Path(out))
    if isinstance(model, str | Path) and not Path(model).is_file():
        load.read(Path(model))  # fail before the data is read and TensorFlow imported
    with progress.stage("data", f"Reading {data if isinstance(data, str | Path) else 'the data'} ..."):
        dataset = samples.load(data, test_only=model is not None)
    target = Path(out) if out is not None else Path("reports") / dataset.name
    folder.check(target)
    subject, dataset = _subject(model, dataset, pixels, progress, made_at, epochs, batch_size, patience, seed)
    facts, scores, pictures = _collect(subject, dataset, examples, progress)
    return {}

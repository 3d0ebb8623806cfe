"""The model that is sent to workers, as the bytes of its file: what arrives there is checked like any other file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen import __version__
from reportgen.errors import InputError
from reportgen.options import Bounds

if TYPE_CHECKING:
    import keras

    from reportgen.model.model_file import ModelFile


@dataclass(frozen=True)
class Job:
    """A model to send images through. name: of its file; content: the file's bytes; bounds: what it may take.

    version: of reportgen, which has to be the same on the workers.
    """

    name: str
    content: bytes
    bounds: Bounds
    version: str = __version__


def of(model: "keras.Model", file: "ModelFile | None", archive: bytes | None, made_at: str) -> Job:
    """Return the job for a model. file: that it was loaded from; archive: its .keras file, where it was trained here.

    Raises InputError where it was handed over in Python and workers could not build it.
    """
    if file is not None:
        return Job(f"{file.path.stem}{file.copy.suffix}", file.copy.read_bytes(), file.bounds)
    return Job("model.keras", archive or _archived(model, made_at), Bounds())


def _archived(model: "keras.Model", made_at: str) -> bytes:
    from reportgen.model import fit

    # `layers` would leave out those inside layers, which a worker has to build as well
    if foreign := sorted({type(layer).__name__ for layer in model._flatten_layers() if not _is_kerass(layer)}):
        raise InputError(
            f"the model has layers that are not Keras's own ({', '.join(foreign)}), which no worker could build",
            "leave --engine at local",
        )
    try:
        return fit.archive(model, made_at)
    except Exception as error:  # Keras raises whatever its layers do
        raise InputError(f"the model cannot be saved for the workers ({error})", "leave --engine at local") from error


def _is_kerass(layer: object) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def written(job: Job, folder: Path) -> Path:
    """Write the job's model file into `folder` and return its path."""
    path = folder / job.name
    path.write_bytes(job.content)
    return path

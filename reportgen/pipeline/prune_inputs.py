"""What a prune starts from, the model and the data of the report, and where the smaller model may be written."""

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import files, scratch
from reportgen.deliver import folder
from reportgen.errors import InputError
from reportgen.format import short
from reportgen.options import CLASS_NAMES, Bounds, Options, PruneCall
from reportgen.pipeline import provenance, subject
from reportgen.record.pruning import SCHEMA
from reportgen.record.run import Record

if TYPE_CHECKING:
    from reportgen.dataset import Dataset
    from reportgen.model.model_file import ModelFile


@dataclass(frozen=True)
class MadeOf:
    """What a report says it was made of. model, data: as the call named them, None where they came from Python."""

    model: str | None
    data: str | None
    options: Options


def made_of(record: Record, call: PruneCall) -> MadeOf:
    """Return what a report was made of, with the bounds of this call."""
    model, data, options = provenance.called(record.provenance.command)
    if options.output is not None:
        what = f"the report is about the output {options.output!r} of several"
        raise InputError(what, "give a report on a model with one output")
    names = record.data.class_names if options.class_names == CLASS_NAMES else options.class_names
    return MadeOf(model, data, replace(options, class_names=names, **asdict(call.bounds)))


def read_model(call: PruneCall, source: Path, named: str | None, record: Record, held: ExitStack) -> "ModelFile":
    """Return the model that the report is about. Raises InputError where there is none, or another."""
    from reportgen.model import model_file

    own = source / folder.MODEL
    if call.model is not None and not isinstance(call.model, str | Path):
        return _saved(call.model, call.bounds, held)
    given = call.model or (own if own.exists() else named)
    if given is None:
        raise InputError(f"{source} holds no model: it was handed over in Python", "give --model, a saved copy of it")
    file = model_file.read(Path(given), call.bounds)
    wanted = record.provenance.model_sha256
    if wanted is not None and file.sha256 != wanted:
        held.callback(file.__exit__, None, None, None)
        raise InputError(
            f"{file.path} is not the model of {source}: its sha256 is {file.sha256[:12]}..., the report's"
            f" {wanted[:12]}...",
            "give the file that the report was made of",
        )
    return file


def _saved(model: Any, bounds: Bounds, held: ExitStack) -> "ModelFile":
    """Return a live model as a file, which everything that follows starts from."""
    from reportgen.model import model_file, suitable

    suitable.check_model(model)
    place = Path(held.enter_context(scratch.Folder()))
    path = place / "live.keras"
    try:
        model.save(path)
    except Exception as error:  # Keras raises what its layers raise
        what = f"the model cannot be saved ({short(str(error), 160)})"
        raise InputError(what, "build it of Keras's own layers") from error
    return model_file.read(path, bounds)


def read_data(named: Any, options: Options, record: Record) -> "Dataset":
    """Return the data that the report was made with. Raises InputError where nobody says which."""
    if named is None:
        raise InputError("the report's data was handed over in Python", "give --data, the same as a file or folder")
    return subject.read(named, options, test_only=record.model.origin != "trained")


def as_reported(dataset: "Dataset", record: Record) -> "Dataset":
    """Return the data. Raises InputError where it is another than the report's."""
    wanted = record.provenance.data_sha256
    if dataset.sha256 != wanted:
        raise InputError(
            f"{dataset.source} is not the data of the report: its sha256 is {dataset.sha256[:12]}..., the report's"
            f" {wanted[:12]}...",
            "give --data what the report was made with",
        )
    return dataset


def target(call: PruneCall, source: Path, file: "ModelFile") -> Path:
    """Return the file to write. Raises InputError where something else would be lost by that."""
    target = Path(call.out) if call.out is not None else source / folder.SMALLER
    if target.suffix != ".keras":
        raise InputError(f"--out is {str(target)!r}", "give a file whose name ends in .keras")
    if target.is_dir():
        raise InputError(f"--out {target} is a folder", f"give the file in it, {target / folder.SMALLER}")
    if target.exists() and any(path.exists() and target.samefile(path) for path in (file.path, source / folder.MODEL)):
        raise InputError(f"--out {target} is the model itself", "give another file; it is never written over")
    if is_own(target, source):
        return target
    if target.resolve().parent == source.resolve():
        what = f"--out {target} would make the report's folder hold a file that is none of a report"
        raise InputError(what, f"leave --out out, for {source / folder.SMALLER}, or give another folder")
    beside = target.with_suffix(".json")
    if target.exists() and not _certifies(beside, target):
        raise InputError(f"--out {target} holds another model, with no proof of reportgen's beside it", "give another")
    if not target.exists() and beside.exists():
        raise InputError(f"{beside}, where the proof would go, is another file", "give another --out")
    return target


def is_own(target: Path, source: Path) -> bool:
    """Return whether `target` is the file in the report's folder that is for a smaller model."""
    return target.resolve() == (source / folder.SMALLER).resolve()


def _certifies(proof: Path, model: Path) -> bool:
    """Return whether a file is the certificate of a smaller model."""
    try:
        found = json.loads(files.content(proof, files.MOST_JSON))
        with files.opened(model) as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
    except (InputError, ValueError):
        return False
    return isinstance(found, dict) and found.get("schema") == SCHEMA and found.get("smaller_sha256") == digest

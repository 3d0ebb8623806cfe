"""What a run gives back in Python: the content of report.json, where the report lies, and how it shows itself."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen import tracking
from reportgen.deliver import file
from reportgen.deliver import folder as folders
from reportgen.errors import InputError, ReportgenError, SurroundingsError
from reportgen.format import share
from reportgen.record import record_file
from reportgen.record.run import Record
from reportgen.render import notebook, words
from reportgen.tracking import figures

_PAGE = "report.html"
_SINGLE = {".html": _PAGE, ".pdf": "report.pdf", ".json": record_file.JSON_NAME}


@dataclass(frozen=True)
class Written:
    """A report as it was written. contents: of each file of its folder, by name; problems: see `Report`."""

    record: Record
    folder: Path
    contents: Mapping[str, bytes]
    problems: list[SurroundingsError]

    @property
    def files(self) -> dict[str, int]:
        """The size of each file in bytes, by its name."""
        return _sizes(self.contents)

    def read(self) -> "Report":
        """Return it with what its report.json holds, which of a large model takes a second and much memory."""
        return Report(self.record, self.folder, self.contents, self.problems)


class Report(dict[str, Any]):
    """What report.json holds; in a notebook it shows the page itself.

    folder: where the report lies; files: the size of each file there, in bytes, by its name; problems: why something is
    missing from it, such as the PDF where the system library Pango is missing, none in general.
    """

    folder: Path
    files: dict[str, int]
    problems: list[SurroundingsError]

    def __init__(
        self,
        record: Record,
        folder: Path,
        files: Mapping[str, bytes],
        problems: Sequence[SurroundingsError] = (),
    ) -> None:
        super().__init__(json.loads(files[record_file.JSON_NAME]))
        self.folder = folder
        self.files = _sizes(files)
        self.problems = list(problems)
        self._place = folder.absolute()  # the caller may go elsewhere
        self._digests = {name: _digest(content) for name, content in files.items()}
        self._brief = notebook.brief(record)
        self._about = figures.about(record)

    def __repr__(self) -> str:
        """Return one line; `print(dict(report))` prints all of it."""
        brief = self._brief
        found = "1 finding" if len(brief.findings) == 1 else f"{len(brief.findings)} findings"
        return (
            f"<Report {words.name(brief.title)!r}: test accuracy {share(brief.accuracy, 4)}, {found}, in {self.folder}>"
        )

    def save(self, path: str | Path) -> Path:
        """Copy the report as it was made, and return where it is then.

        path: a file whose name ends in .html, .pdf or .json, or else a folder for all files. It is written whole or
        not at all; a folder that holds anything else than a report is refused.
        Raises reportgen.InputError where the report has no such file, or no longer lies in its folder, and
        SurroundingsError where the path cannot be written.
        """
        path = Path(path)
        name = _SINGLE.get(path.suffix.lower())
        if name is None:
            folders.write(path, self._read())
        elif name not in self.files:
            kind = path.suffix.lower().lstrip(".")
            raise InputError(f"the report has no {name}", f"make one with formats=[{kind!r}], or save another format")
        elif name == _PAGE and self._is_split:
            raise InputError("the page needs the files beside it", "save it to a folder, or make it with split=False")
        else:
            file.write(path, self._read()[name])
        return path

    def log_to(self, trackers: str | Sequence[str], *, url: str | None = None) -> list[str]:
        """Hand the report over to MLflow, TensorBoard or Weights & Biases, and return where each has it.

        trackers: one or more of "mlflow", "tensorboard" and "wandb". "mlflow:RUN_ID" and "wandb:RUN_ID" name a run;
        without it, it is the run that is active, else a new one of the library's own settings. "tensorboard:LOGDIR"
        names the log directory, in which the report becomes a run; without it, "logs". url: where the page is
        published.
        The figures, the version, the hashes of data and model, and the files are handed over, the model is not.
        Raises reportgen.InputError where a tracker is not installed or lacks a setting, or the report no longer lies in
        its folder, and SurroundingsError where it did not arrive; the report stays as it is.
        """
        tracking.check(trackers)
        return tracking.log(self._about, self.folder, self._read(), trackers, url=url)

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own for a notebook, or what the report says in brief and why."""
        if _PAGE not in self.files:
            return notebook.shown(self._brief, self.folder, self.files, why=notebook.NO_PAGE)
        if self._is_split:
            return notebook.shown(self._brief, self.folder, self.files, why=notebook.SPLIT)
        if self.files[_PAGE] > notebook.LARGEST:
            return notebook.shown(self._brief, self.folder, self.files, why=notebook.too_large(self.files[_PAGE]))
        try:
            page = self._read()[_PAGE].decode("utf-8")
        except ReportgenError:
            return notebook.shown(self._brief, self.folder, self.files, why=notebook.GONE)
        return notebook.shown(self._brief, self.folder, self.files, page=page)

    @property
    def _is_split(self) -> bool:
        return any(name.startswith(f"{folders.FILES}/") for name in self.files)

    def _read(self) -> dict[str, bytes]:
        """Return all files of the report. Raises InputError where another report lies there by now, or none."""
        there = folders.read(self._place)
        # what was laid beside them since, a smaller model, is none of the report's
        found = {name: there[name] for name in self._digests if name in there}
        if {name: _digest(content) for name, content in found.items()} != self._digests:
            raise InputError(f"the report is no longer in {self.folder}", "make it again, and save it elsewhere then")
        return found


def load(folder: str | Path) -> Report:
    """Return the finished report in a folder as `reportgen.report` did, to show, save or log it; without TensorFlow.

    Raises reportgen.InputError where the folder holds no readable report.
    """
    folder = Path(folder)
    with folders.unchanged(folder):
        record, files = record_file.load(folder), folders.read(folder)
    beside = (folders.SMALLER, folders.CERTIFICATE)  # what `reportgen prune` made of it later
    return Report(record, folder, {name: content for name, content in files.items() if name not in beside})


def _sizes(files: Mapping[str, bytes]) -> dict[str, int]:
    return {name: len(files[name]) for name in sorted(files)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

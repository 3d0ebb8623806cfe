"""Report after report in one process: TensorFlow is imported once, and data is kept for the next model."""

import gc
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.errors import explained, together
from reportgen.options import Options
from reportgen.pipeline import flow, subject
from reportgen.progress import Progress

if TYPE_CHECKING:
    from reportgen.dataset import Dataset


@dataclass(frozen=True)
class Outcome:
    """What came of one report. written: the files of the folder; failed: the line that says why there is none."""

    written: tuple[str, ...] = ()
    failed: str | None = None


@dataclass
class Maker:
    """Makes one report after another."""

    _data: tuple[object, "Dataset"] | None = field(default=None)

    def make(self, options: Options, model: str, data: str, progress: Progress) -> Outcome:
        """Make a report. Whatever goes wrong with it is in the outcome, so that the next can be made."""
        try:
            made = flow.make(options, Path(model), data, dataset=self._dataset(options, data), progress=progress)
            missing = explained(together(made.problems))[0] if made.problems else None
            return Outcome(tuple(made.files), missing)
        except Exception as error:
            return Outcome(failed=explained(error)[0])
        finally:
            if keras := sys.modules.get("keras"):  # a model that was refused came to nothing before that
                keras.backend.clear_session()
            gc.collect()

    def _dataset(self, options: Options, data: str) -> "Dataset":
        key = data, options.picture_size, str(options.class_names)
        if self._data is None or self._data[0] != key:
            self._data = None  # what was kept before need not stay until the next is there
            self._data = key, subject.read(data, options, test_only=True)
        return self._data[1]

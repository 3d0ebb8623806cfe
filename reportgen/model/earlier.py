"""What an earlier report on a model left beside its file."""

import json
from pathlib import Path
from typing import Any

from reportgen import files


def report_on(model: Path, sha256: str) -> dict[str, Any] | None:
    """Return the report.json beside a model file if it is about that very model, None where there is no such report.

    sha256: of the model's bytes. Some other tool's report.json, a pipe or a damaged one is no promise that was broken.
    """
    try:
        found = json.loads(files.content(model.with_name("report.json"), files.MOST_JSON))
        return found if found["provenance"]["model_sha256"] == sha256 else None
    except Exception:  # what opening, json and the look-ups raise, down to RecursionError
        return None

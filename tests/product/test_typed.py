"""What Python code sees of reportgen: the names that there are, imported when they are asked for, and their types."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import reportgen
from tests.helpers.builders import modules_after

USES = """
from pathlib import Path
from typing import Any

import reportgen


def make(model: Any, images: Any, labels: Any) -> float:
    data = {"x_test": images, "y_test": labels}
    try:
        found: reportgen.Report = reportgen.report(model, data, out=Path("reports/mine"), lang="ja")
    except (reportgen.InputError, reportgen.SurroundingsError) as error:
        raise SystemExit(error.exit_code) from error
    saved: Path = found.save("mine.html")
    sizes: dict[str, int] = found.files
    again: reportgen.Report = reportgen.rerender(found.folder, lang="en")
    print(saved, sizes, again)
    accuracy: float = found["evaluation"]["test"]["accuracy"]
    return accuracy


def train(model: Any, images: Any, labels: Any) -> reportgen.Report | None:
    limits = reportgen.FindingThresholds(few_images=100)
    callback = reportgen.ReportCallback("digits.npz", watch=500, pixels="0-1", finding_thresholds=limits)
    model.fit(images, labels, callbacks=[callback])
    error: Exception | None = callback.error
    if isinstance(error, reportgen.ReportgenError):
        print(error.what, error.do)
    return callback.report
"""

MISTAKES = {
    "reportgen.report(pixels=255)": "arg-type",
    'reportgen.ReportCallback("sample", wach=5)': "call-arg",
    "reportgen.report().folder.nothing": "attr-defined",
    "reportgen.nothing": "attr-defined",
}


UNREAD = """
[mypy]
[mypy-numpy.*,PIL.*,rich.*,distributed.*,dask.*,jinja2.*,markupsafe.*]
follow_imports = skip
follow_imports_for_stubs = true
"""
"""What other packages have to say of their own types takes ten seconds to read, and nothing here names any."""


@pytest.mark.slow
def test_a_user_s_code_is_checked_strictly(tmp_path: Path) -> None:
    """Code as a user writes it passes, and each mistake is found: the types are there, and none is Any."""
    (tmp_path / "uses.py").write_text(USES, encoding="utf-8")
    (tmp_path / "mistakes.py").write_text("\n".join(["import reportgen", *MISTAKES]), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(UNREAD, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, "uses.py", "mistakes.py"], cwd=tmp_path, capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line for line in errors if line.startswith("uses.py")] == []
    assert [(line.split(":")[1], line.rpartition("[")[2].rstrip("]")) for line in errors] == [
        (str(number), code) for number, code in enumerate(MISTAKES.values(), 2)
    ], done.stdout + done.stderr


@pytest.mark.tensorflow
def test_all_names_are_there_with_a_word_about_each() -> None:
    assert set(reportgen.__all__) <= set(dir(reportgen))
    for name in reportgen.__all__:
        assert (getattr(reportgen, name).__doc__ or "").strip(), name


@pytest.mark.tensorflow
def test_none_is_lost_when_a_package_of_the_same_name_is_imported() -> None:
    importlib.import_module("reportgen.render.page.page")

    assert all(callable(getattr(reportgen, name)) for name in reportgen.__all__)


def test_a_name_that_there_is_not_is_said() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        reportgen.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.slow
def test_names_are_imported_without_keras() -> None:
    names = ("InputError", "FindingThresholds", "report", "rerender", "Report")
    code = "\n".join(["import reportgen", *(f"reportgen.{name}" for name in names)])
    loaded = {module.split(".")[0] for module in modules_after(code)}
    assert not loaded & {"keras", "tensorflow", "sklearn", "matplotlib", "weasyprint", "h5py"}

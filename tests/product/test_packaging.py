"""What is installed is what was written: templates, digits and the typing marker are in the wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reportgen.record import record_file
from reportgen.render.page import page
from tests import ROOT
from tests.helpers.builders import make_record


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


def tracked(folder: str) -> set[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a Git checkout")
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_every_template_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("reportgen/templates/")}
    assert packed == {f"reportgen/{name}" for name in tracked("templates")}


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert tracked("reportgen") - packed == set()


@pytest.mark.slow
def test_an_installed_wheel_finds_its_templates_and_renders(wheel: Path, tmp_path: Path) -> None:
    """From a folder that is no checkout, so that nothing is found beside the package by chance."""
    record = make_record()
    (tmp_path / "made").mkdir()
    for name, content in record_file.to_bytes(record).items():
        (tmp_path / "made" / name).write_bytes(content)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from reportgen.cli.app import main; main()"
    command = [sys.executable, "-c", code, str(tmp_path / "site"), "render", str(tmp_path / "made"), "--out"]
    done = subprocess.run([*command, str(tmp_path / "out"), "--formats", "html"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    drawn = page.html(page.paint(record), record.look).html
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == drawn
    shutil.rmtree(tmp_path / "site" / "reportgen" / "templates")
    done = subprocess.run([*command, str(tmp_path / "out")], cwd=tmp_path, capture_output=True)
    assert done.returncode == 3, done.stderr
    assert b"templates of reportgen are missing" in done.stderr

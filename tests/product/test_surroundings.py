"""Odd surroundings: one line, or no difference."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest

from reportgen.errors import SurroundingsError
from reportgen.record import record_file
from reportgen.render.pdf import pdf
from tests import ROOT
from tests.conftest import clean_environment
from tests.helpers.builders import make_record
from tests.helpers.killed import beside, held

pytestmark = pytest.mark.slow  # each starts a process

PLAIN = {"PYTHONUNBUFFERED": "", "PYTHONPATH": str(ROOT)}
ODD = PLAIN | {
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "TZ": "Not/AZone",
    "LC_ALL": "C",
    "LANG": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONHASHSEED": "1",
    "MPLCONFIGDIR": "/nonexistent",
    "XDG_CACHE_HOME": "/nonexistent",
    "https_proxy": "http://127.0.0.1:9",
}
"""Everything at once that can be odd about an environment."""
NO_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""In front of a command: root may write where nobody may."""

Done = subprocess.CompletedProcess[str]
Shell = Callable[..., Done]


def can_print() -> bool:
    try:
        pdf.check()
    except SurroundingsError:
        return False
    return True


needs_pango = pytest.mark.skipif(not can_print(), reason="WeasyPrint does not work on this machine")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made") / "shapes"
    place.mkdir()
    for name, content in record_file.to_bytes(make_record()).items():
        (place / name).write_bytes(content)
    return place


@pytest.fixture(scope="module")
def plain(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a report that was made in the best of surroundings."""
    place = tmp_path_factory.mktemp("plain")
    done = shell('exec "$@"', "render", report, "--out", place / "out", cwd=place)
    assert done.returncode == (0 if can_print() else 3), done.stderr
    return held(place / "out")


def shell(script: str, *arguments: object, cwd: Path, **environment: str) -> Done:
    """Run a script of bash whose arguments are a call of reportgen."""
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "reportgen", *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in (clean_environment() | PLAIN | environment).items() if value},
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_one_line(done: Done, code: int, *parts: str) -> None:
    """Check that the call has failed with one line of error at the end, and nothing but progress before it."""
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("reportgen: error: ")]
    assert done.stderr.splitlines()[-1:] == errors and "; " in errors[0], done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in errors[0], errors[0]


# No difference

SCRIPTS = {
    "stdout closed": 'exec "$@" >&-',
    "all closed": 'exec "$@" <&- >&- 2>&-',
    "nobody reads stdout": 'set -o pipefail; "$@" | head -0',
    "nobody reads, and nothing is held back": 'set -o pipefail; export PYTHONUNBUFFERED=1; "$@" 2>&1 | head -0',
    "little of everything": """
        unset HOME; umask 077; ulimit -n 24 -c 0 -s 1024; mkdir gone; cd gone; rmdir ../gone; exec "$@"
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_is_the_same(name: str, report: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    done = shell(SCRIPTS[name], "render", report, "--out", tmp_path / "out", "--formats", "html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert held(tmp_path / "out") == {file: content for file, content in plain.items() if file != "report.pdf"}
    assert beside(tmp_path / "out") == ["out"]


@pytest.mark.slow
@needs_pango
def test_a_pdf_is_the_same_with_little_of_everything(report: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    script = SCRIPTS["little of everything"].replace('"$@"', '"$@" <&- >&- 2>&-')
    done = shell(script, "render", report, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0
    assert held(tmp_path / "out") == plain


@pytest.mark.slow
@needs_pango
def test_neither_an_odd_environment_nor_missing_fonts_and_network_make_a_difference(
    report: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    """The report brings its own fonts."""
    (tmp_path / "fonts.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    can_unshare = subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
    done = shell(
        f'exec {"unshare --net" if can_unshare else ""} "$@"',
        *("render", report, "--out", tmp_path / "out"),
        cwd=tmp_path,
        **ODD,
        FONTCONFIG_FILE=str(tmp_path / "fonts.conf"),
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.endswith(".")] == []
    made = held(tmp_path / "out")
    printed = [pypdf.PdfReader(io.BytesIO(files.pop("report.pdf"))) for files in (made, dict(plain))]
    assert made == {name: content for name, content in plain.items() if name != "report.pdf"}
    read, expected = ([sheet.extract_text() for sheet in document.pages] for document in printed)
    assert read == expected


@pytest.mark.slow
def test_a_home_that_cannot_be_written_makes_no_difference(
    report: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    done = shell(
        " ".join(["exec", *NO_RIGHTS, '"$@"']),
        *("render", report, "--out", tmp_path / "out", "--formats", "html"),
        cwd=tmp_path,
        HOME=str(home),
    )
    assert done.returncode == 0, done.stderr
    assert "atplotlib" not in done.stderr
    assert held(tmp_path / "out")["report.html"] == plain["report.html"]
    assert list(home.iterdir()) == []


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
@pytest.mark.parametrize("locale", [C_LOCALE, {"PYTHONIOENCODING": "ascii"}], ids=["C", "ascii"])
def test_a_script_gets_every_path_as_it_is(locale: dict[str, str], report: Path, tmp_path: Path) -> None:
    script = '"$@" | while read -r path; do test -f "$path" && echo there; done'
    call = ["render", report, "--formats", "html", "--out", tmp_path / "結果"]
    made = shell(script, *call, cwd=tmp_path, **locale)
    assert made.stdout.split() == ["there"] * 3, made.stderr


# One line


def test_a_full_stdout_is_told(report: Path, tmp_path: Path) -> None:
    """The paths are what a script goes on with."""
    call = ["render", report, "--out", tmp_path / "out", "--formats", "html"]
    assert_one_line(shell('exec "$@" > /dev/full', *call, cwd=tmp_path), 3, "stdout", "No space left on device")
    assert (tmp_path / "out" / "report.html").exists()


def test_a_place_that_may_not_be_written_is_told(report: Path, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir(mode=0o555)
    script = " ".join(["exec", *NO_RIGHTS, '"$@"'])
    done = shell(script, "render", report, "--out", place / "out", "--formats", "html", cwd=tmp_path)
    assert_one_line(done, 3, str(place / "out"), "Permission denied", "--out")
    assert list(place.iterdir()) == []


def test_a_default_folder_below_one_that_is_gone_is_told(tmp_path: Path) -> None:
    done = shell('mkdir gone; cd gone; rmdir ../gone; exec "$@"', "render", ".", cwd=tmp_path)
    assert_one_line(done, 2, "report.json")


NO_PDF = {
    "Pango missing": ("raise OSError(\"cannot load library 'libpango-1.0-0'\")", ["Pango", "apt-get install libpango"]),
    "too little memory": ("raise MemoryError", ["GB of memory", "--formats html"]),
    "crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ["signal 11", "some font"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NO_PDF)
def test_without_a_pdf_the_page_is_written(name: str, report: Path, tmp_path: Path) -> None:
    code, parts = NO_PDF[name]
    (tmp_path / "weasyprint.py").write_text(f"{code}\n")
    copy = Path(shutil.copytree(report, tmp_path / "shapes"))
    (copy / "report.pdf").write_bytes(b"an earlier one")
    done = shell('exec "$@"', "render", copy, cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert_one_line(done, 3, *parts, "--formats html")
    assert sorted(path.name for path in copy.iterdir()) == ["record.npz", "report.html", "report.json"]
    assert done.stdout.splitlines() == [str(copy / file) for file in ("record.npz", "report.html", "report.json")]
    codes = [one["code"] for one in json.loads((copy / "report.json").read_text(encoding="utf-8"))["findings"]]
    assert "no-pdf" in codes


# With TensorFlow


def test_a_whole_run_in_odd_surroundings(report_copy: Path, tmp_path: Path) -> None:
    """It reports on the model that lies in the folder of the report, where it stays."""
    before = held(report_copy)
    done = shell(
        'ulimit -n 256; exec "$@" < /dev/null',
        *("report", "--model", report_copy / "model.keras", "--out", report_copy),
        *("--formats", "html", "--shifts", "none"),
        cwd=tmp_path,
        **ODD,
    )
    assert done.returncode == 0, done.stderr
    after = held(report_copy)
    assert after["model.keras"] == before["model.keras"]
    assert after.keys() == before.keys() - {"report.pdf"}
    old, new = (json.loads(files["report.json"]) for files in (before, after))
    assert new["evaluation"]["test"] == old["evaluation"]["test"]
    assert beside(report_copy) == ["digits"]

"""The process that makes the PDF: what it gives, and what its end looks like to the one who waits for it."""

import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import pytest

from reportgen.errors import InputError, SurroundingsError
from reportgen.record.run import Look
from reportgen.render.page import page
from reportgen.render.pdf import pdf
from reportgen.render.pdf.printer import Printer
from tests.helpers.builders import assert_one_line, make_record

pytestmark = pytest.mark.slow  # WeasyPrint takes seconds to load, and one to set a page


@pytest.fixture(scope="module", autouse=True)
def _pango() -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def paper() -> str:
    return page.html(page.paint(make_record()), Look(), on_paper=True).html


def printed(printer: Printer, paper: str) -> pdf.Pdf:
    printer.send(paper)
    return printer.receive()


def stand_in(folder: Path, script: str) -> str:
    """Write an executable that takes the place of Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
def test_the_process_gives_the_same_bytes_as_a_call(paper: str) -> None:
    with Printer() as printer:
        printer.check()
        assert printed(printer, paper).content == pdf.write(paper).content


@pytest.mark.slow
def test_characters_without_a_glyph_are_told(paper: str) -> None:
    with Printer() as printer:
        made = printed(printer, paper.replace("Findings</h2>", "Findings \uf8d0</h2>"))
    assert made.without_glyph == ["\uf8d0"]
    assert made.content.startswith(b"%PDF")


@pytest.mark.slow
def test_what_the_page_may_not_ask_for_is_told_as_in_a_call(paper: str) -> None:
    with Printer() as printer, pytest.raises(InputError) as caught:
        printed(printer, paper.replace("<main>", '<main><img src="file:///etc/hostname" alt="x">'))
    assert_one_line(caught.value, "file:///etc/hostname")


@pytest.mark.parametrize(
    ("script", "how"),
    [("kill -SEGV $$", "by signal 11"), ("echo 'no fonts' >&2; exit 7", "with exit code 7")],
    ids=["crash", "end"],
)
def test_a_process_that_ends_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, how: str
) -> None:
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, script))
    with Printer() as printer, pytest.raises(SurroundingsError) as caught:
        printer.check()
    assert_one_line(caught.value, how, "--formats html")


def test_a_process_that_ends_while_it_writes_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paper: str
) -> None:
    script = """echo '{"state": "ready"}'; cat > /dev/null; echo 'out of memory' >&2; kill -KILL $$"""
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, script))
    with Printer() as printer, pytest.raises(SurroundingsError) as caught:
        printed(printer, paper)
    assert_one_line(caught.value, "by signal 9", "(out of memory)")


def test_the_process_does_not_outlive_its_block() -> None:
    with Printer() as printer:
        process = printer._process
        assert process.poll() is None
    assert process.poll() is not None


def test_a_process_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paper: str) -> None:
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, """echo '{"state": "ready"}'; exec sleep 100"""))
    start = time.monotonic()
    with Printer(longest=0.3) as printer, pytest.raises(SurroundingsError) as caught:
        printed(printer, paper)
    assert_one_line(caught.value, "more than 0.3 seconds", "--formats html")
    assert time.monotonic() - start < 10


def test_a_process_that_is_never_ready_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, "exec sleep 100"))
    with Printer(longest=0.3) as printer, pytest.raises(SurroundingsError, match=r"more than 0\.3 seconds"):
        printer.check()


def test_no_process_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(SurroundingsError) as caught:
        Printer()
    assert_one_line(caught.value, "no process", "--formats html")


def weasyprint_of(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have the process find a WeasyPrint that runs `code` when it is asked for a PDF."""
    (folder / "weasyprint").mkdir()
    urls = "class URLFetcher:\n    def __init__(self, **_): pass\nclass FatalURLFetchingError(Exception): pass\n"
    (folder / "weasyprint" / "urls.py").write_text(urls)
    (folder / "weasyprint" / "__init__.py").write_text(f"def HTML(**_):\n    {code}\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("bytearray(5 * 2**30)", ["more than 4.29 GB of memory"]),
        ("raise RecursionError('too deep')", ["RecursionError: too deep"]),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ["by signal 11", "some font"]),
        ("import tempfile; tempfile.mkdtemp(); import os; os.abort()", ["by signal 6"]),
    ],
    ids=["memory", "exception", "crash", "crash with a temporary folder"],
)
def test_what_goes_wrong_in_the_process_stays_in_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, parts: list[str]
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    weasyprint_of(tmp_path, monkeypatch, code)
    with Printer() as printer, pytest.raises(SurroundingsError) as caught:
        printed(printer, "<p>")
    assert_one_line(caught.value, *parts, "--formats html")
    if code.startswith("raise"):
        assert f"in HTML\n    {code}" in "".join(traceback.format_exception(caught.value)), "what --debug shows"
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_what_lies_in_the_current_folder_is_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paper: str
) -> None:
    for name in ("weasyprint", "json", "reportgen"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(tmp_path)
    with Printer() as printer:
        printer.check()


ORPHAN = """
import sys, time
from reportgen.render.pdf.printer import Printer
with Printer() as printer:
    printer.check()
    print(printer._process.pid, flush=True)
    time.sleep(100)
"""


def test_the_process_ends_with_the_one_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.exists()
        parent.kill()
        parent.wait()
        for _ in range(100):
            if not child.exists() or "State:\tZ" in (child / "status").read_text():
                return
            time.sleep(0.05)
    pytest.fail("it is still there")

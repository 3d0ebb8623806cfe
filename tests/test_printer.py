"""The process that makes the PDF: what it gives, and what its end looks like to the one who waits for it."""

import shutil
import sys
from pathlib import Path

import pytest

from reportgen.errors import InputError, SurroundingsError
from reportgen.record import Look
from reportgen.render import page, pdf
from reportgen.render.printer import Printer
from tests.builders import assert_one_line, make_record
from tests.conftest import Run


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


def test_the_process_gives_the_same_bytes_as_a_call(paper: str) -> None:
    with Printer() as printer:
        printer.check()
        assert printed(printer, paper).content == pdf.write(paper).content


def test_characters_without_a_glyph_are_told(paper: str) -> None:
    with Printer() as printer:
        made = printed(printer, paper.replace("Findings</h2>", "Findings \uf8d0</h2>"))
    assert made.without_glyph == ["\uf8d0"]
    assert made.content.startswith(b"%PDF")


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


def test_without_pango_the_command_says_what_to_install_and_writes_nothing(
    run: Run, made_report: Path, tmp_path: Path
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise OSError(\"cannot load library 'libpango-1.0-0'\")\n")
    done = run("render", made_report, "--out", tmp_path / "out", PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("reportgen: error: the PDF cannot be made, because WeasyPrint")
    assert "apt-get install" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_html_is_written_where_pango_is_missing(run: Run, made_report: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made_report, tmp_path / "copy"))
    (tmp_path / "weasyprint.py").write_text("raise OSError('no pango')\n")
    done = run("render", copy, "--formats", "html", PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert done.returncode == 0, done.stderr

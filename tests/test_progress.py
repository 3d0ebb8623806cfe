"""What is said while work goes on, and the seconds that are kept."""

import io
import time

import pytest

from reportgen.progress import Progress, to_stderr


class Terminal(io.StringIO):
    """A stream with a person behind it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; a test moves it by setting its one element."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_a_stage_says_its_line_before_the_work_begins() -> None:
    stream = io.StringIO()
    with Progress(stream).stage("data", "Reading ..."):
        assert stream.getvalue() == "Reading ...\n"


def test_a_stage_keeps_its_seconds(clock: list[float]) -> None:
    progress = Progress()
    with progress.stage("data", "Reading ..."):
        clock[0] += 2.5
    assert progress.seconds == {"data": 2.5}


def test_a_stage_entered_twice_adds_up(clock: list[float]) -> None:
    progress = Progress()
    for took in (2.0, 3.0):
        with progress.stage("data", "Reading ..."):
            clock[0] += took
    assert progress.seconds == {"data": 5.0}


def test_a_stage_that_fails_still_counts_and_the_failure_goes_on(clock: list[float]) -> None:
    progress = Progress()
    with pytest.raises(KeyError), progress.stage("data", "Reading ..."):
        clock[0] += 1.0
        raise KeyError("x")
    assert progress.seconds == {"data": 1.0}


def test_without_a_stream_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.say("hello")
    with progress.stage("data", "Reading ..."), progress.bar("work", 1) as tick:
        tick(1, "images")
    assert capfd.readouterr() == ("", "")


def test_by_default_everything_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    to_stderr().say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_a_file_or_a_pipe_gets_no_bar() -> None:
    stream = io.StringIO()
    with Progress(stream).bar("work", 10) as tick:
        tick(5, "images")
    assert stream.getvalue() == ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that is wide enough and can move its cursor."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def test_a_terminal_gets_a_bar_with_label_count_and_note(terminal: Terminal) -> None:
    with Progress(terminal).bar("measuring", 10) as tick:
        tick(10, "images [of 10]")
    shown = terminal.getvalue()
    for part in ("measuring", "10/10", "images [of 10]"):
        assert part in shown


def test_a_line_said_while_a_bar_is_shown_is_whole(terminal: Terminal) -> None:
    progress = Progress(terminal)
    line = "epoch 1: loss [0.5] :smile: " + "x" * 200
    with progress.bar("training", 10):
        progress.say(line)
    assert line in terminal.getvalue()


def test_after_a_bar_lines_are_plain_again(terminal: Terminal) -> None:
    progress = Progress(terminal)
    with pytest.raises(KeyError), progress.bar("training", 10):
        raise KeyError("x")
    before = terminal.getvalue()
    progress.say("done")
    assert terminal.getvalue() == f"{before}done\n"

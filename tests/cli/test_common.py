"""What every command prints, where a terminal cannot show it."""

import io
import sys
from pathlib import Path

import pytest

from reportgen import format
from reportgen.cli import common


def test_a_failure_is_told_even_where_a_signal_came_while_something_was_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Busy(io.TextIOWrapper):
        def write(self, text: str) -> int:
            raise RuntimeError("reentrant call")

    with (tmp_path / "said").open("wb") as file:
        stream = Busy(file, encoding="ascii")
        monkeypatch.setattr(sys, "stderr", stream)
        common.fail("terminated \u5b57")
        monkeypatch.undo()
        stream.detach()
    assert (tmp_path / "said").read_bytes() == b"reportgen: error: terminated \\u5b57\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_signs_of_numbers_are_plain_where_the_terminal_has_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for each in ("stdout", "stderr"):
        monkeypatch.setattr(sys, each, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    common.print_any_name()
    stream = getattr(sys, name)
    stream.write(f"{format.number(-1.5)} in {format.seconds(0.4)}, \u5b57")
    stream.flush()
    written = stream.buffer.getvalue()
    assert written.startswith(b"-1.5 in 0.4 s, ")
    assert written.endswith(b"\\u5b57" if name == "stderr" else "\u5b57".encode())

"""What every command prints, where a terminal cannot show it."""

import io
import sys

import pytest

from reportgen import format
from reportgen.cli import common


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

"""What processes of reportgen's own tell each other, and how they say that one of them ended."""

import io

import pytest

from reportgen.errors import InputError, SurroundingsError
from reportgen.process import children


def test_what_is_said_is_heard_with_the_bytes_behind_it() -> None:
    stream = io.BytesIO()
    children.say(stream, {"name": "ü"}, b"\n1234")
    children.say(stream, {})
    stream.seek(0)
    assert children.heard(stream.readline()) == {"name": "ü"}
    assert stream.read(5) == b"\n1234"
    assert children.heard(stream.readline()) == {}


@pytest.mark.parametrize("kind", [InputError, SurroundingsError])
def test_an_error_is_raised_again_where_it_is_heard(kind: type[InputError | SurroundingsError]) -> None:
    stream = io.BytesIO()
    children.say(stream, children.told(kind("is empty", "give another"), trace="Traceback ..."))
    with pytest.raises(kind) as raised:
        children.heard(stream.getvalue(), "a.keras ")
    assert (raised.value.what, raised.value.do) == ("a.keras is empty", "give another")
    assert raised.value.__notes__ == ["Traceback ..."]


@pytest.mark.parametrize("line", [b"", b"\n", b"no JSON\n", b"\xff\n"])
def test_what_nobody_said_is_no_answer(line: bytes) -> None:
    with pytest.raises(ValueError):
        children.heard(line)


@pytest.mark.parametrize(
    ("code", "complaint", "said"),
    [
        (-9, b"", "by signal 9"),
        (3, b"", "with exit code 3"),
        (1, b"Traceback ...\nMemoryError: full\n", "with exit code 1 (MemoryError: full)"),
        (-11, b"\x1b[31m\xff", "by signal 11 (\ufffd[31m\ufffd)"),
    ],
)
def test_how_a_process_ended_is_said_with_its_last_words(code: int, complaint: bytes, said: str) -> None:
    assert children.ended(code, complaint) == said

"""Errors as one line that a user can act on, each with its exit code."""

import pytest

from reportgen.errors import InputError, ReportgenError, SurroundingsError, one_line


def test_a_message_says_what_is_wrong_and_then_what_to_do() -> None:
    assert str(InputError("the file is empty", "give another")) == "the file is empty; give another"


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (SurroundingsError, 3)])
def test_every_kind_of_error_has_the_exit_code_that_scripts_rely_on(kind: type[ReportgenError], code: int) -> None:
    assert kind("a", "b").exit_code == code


@pytest.mark.parametrize(
    "unshowable",
    [
        *("\n", "\r\n", "\t", "\x00", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ud800", "\udcff"),
        *("\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"),
    ],
    ids=ascii,
)
def test_what_would_break_or_turn_the_line_becomes_a_space(unshowable: str) -> None:
    assert str(InputError(f"no file a{unshowable}b", "look")) == "no file a b; look"


def test_a_message_can_be_written_in_utf_8_whatever_the_name_of_a_file() -> None:
    assert str(InputError("caf\udce9.npz is missing", "look")).encode() == b"caf .npz is missing; look"


def test_letters_and_signs_of_any_script_stay() -> None:
    assert one_line("Größe 3×4, 損失 → 0,5 €") == "Größe 3×4, 損失 → 0,5 €"


def test_a_very_long_text_is_cut_and_says_how_long_it_was() -> None:
    said = one_line("x" * 12_345)
    assert said.startswith("x" * 600 + " ...")
    assert said.endswith("(12,345 characters)")


def test_a_long_text_that_still_fits_is_whole() -> None:
    assert one_line("x" * 600) == "x" * 600


def test_a_cut_reason_leaves_what_to_do_readable() -> None:
    assert str(InputError("x" * 10_000, "give another")).endswith("; give another")


def test_anything_can_be_shown_not_only_text() -> None:
    assert one_line(ValueError("two\nlines")) == "two lines"

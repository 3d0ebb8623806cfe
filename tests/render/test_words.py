"""Numbers, dates and names as people read them."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from reportgen import format
from reportgen.render import languages, words
from reportgen.render.page import insights
from tests.helpers.builders import make_history

SPACE = "\u00a0"
TOTALS = [1, 2, 3, 7, 16, 99, 100, 199, 201, 999, 1000, 1001, 10_000]
NEARLY = [1e-4, 1e-5, 1e-7, 1e-12, 1e-300, 1 - 1e-4, 1 - 1e-5, 1 - 1e-7, 1 - 1e-12, math.nextafter(1, 0)]


def shown_number(text: str) -> float:
    """Return the number in a text such as "<0.0001 %"."""
    return float(re.fullmatch(r"[<>]?(\d+(?:\.\d+)?)(?:\u00a0%)?", text)[1])


@pytest.mark.parametrize("decimals", [0, 1, 3])
@pytest.mark.parametrize("total", TOTALS)
def test_a_percentage_is_0_or_100_only_for_none_or_all(total: int, decimals: int) -> None:
    for k in range(total + 1):
        text = words.percent(k / total, decimals)
        bounded = text[0] in "<>"  # "<0.0001 %" says itself that it is not zero
        assert bounded or (shown_number(text) == 0) == (k == 0), (k, text)
        assert bounded or (shown_number(text) == 100) == (k == total), (k, text)


@pytest.mark.parametrize("decimals", [0, 1, 3])
@pytest.mark.parametrize("total", TOTALS)
def test_a_share_is_0_or_1_only_for_none_or_all(total: int, decimals: int) -> None:
    for k in range(total + 1):
        text = format.share(k / total, decimals)
        bounded = text[0] in "<>"
        assert bounded or (shown_number(text) == 0) == (k == 0), (k, text)
        assert bounded or (shown_number(text) == 1) == (k == total), (k, text)


@pytest.mark.parametrize("total", TOTALS)
def test_a_rounded_percentage_is_off_by_no_more_than_half_its_last_digit(total: int) -> None:
    for k in range(total + 1):
        assert shown_number(words.percent(k / total)) == pytest.approx(100 * k / total, abs=0.0501), k


@pytest.mark.parametrize("value", NEARLY)
@pytest.mark.parametrize(("shown", "whole"), [(format.share, 1), (words.percent, 100)])
def test_what_no_digits_can_show_is_bounded_truthfully(value: float, shown: Callable[[float], str], whole: int) -> None:
    text = shown(value)
    if text[0] == "<":
        assert 0 < value * whole < shown_number(text) < whole / 1000
    elif text[0] == ">":
        assert whole - whole / 1000 < shown_number(text) < value * whole
    else:
        assert shown_number(text) not in (0, whole)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (1, "1.000"),
        (0.98914, "0.989"),
        (0.9996, "0.9996"),
        (0.99996, "0.99996"),
        (0.0004, "0.0004"),
        (1e-9, "<0.000001"),
        (1 - 1e-9, ">0.999999"),
        (0.5, "0.500"),
    ],
)
def test_a_share_has_three_decimals_and_more_only_near_its_ends(value: float, text: str) -> None:
    assert format.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (1, "100.0"),
        (0.98914, "98.9"),
        (0.9999, "99.99"),
        (0.99996, "99.996"),
        (0.0004, "0.04"),
        (1e-9, "<0.0001"),
        (1 - 1e-9, ">99.9999"),
    ],
)
def test_a_percentage_has_one_decimal_and_more_only_near_its_ends(value: float, text: str) -> None:
    assert words.percent(value) == f"{text}{SPACE}%"


@pytest.mark.parametrize(
    "shown", [format.count, format.share, words.percent, format.number, format.seconds], ids=lambda f: f.__name__
)
def test_what_is_not_known_is_n_a(shown: Callable[[Any], str]) -> None:
    assert shown(None) == "n/a"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_n_a(value: float) -> None:
    assert format.number(value) == "n/a"


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (12345, "12,345"), (1_234_567, "1,234,567")])
def test_a_count_has_its_thousands_marked(value: int, text: str) -> None:
    assert format.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.012345, "0.0123"),
        (4.567, "4.57"),
        (-4.567, "−4.57"),
        (10, "10"),
        (123.4, "123"),
        (1234.5, "1,230"),
        (98765, "98,800"),
        (0.9999, "1"),
        (9.999, "10"),
        (99.96, "100"),
        (999.9, "1,000"),
        (1.5e-9, "1.5e−09"),
        (2.346e12, "2.35e+12"),
    ],
)
def test_a_number_has_three_significant_digits(value: float, text: str) -> None:
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.12346, 4, "0.1235"), (2.0, 4, "2.0000"), (1234.5, 1, "1234.5"), (None, 4, "n/a")],
)
def test_a_figure_in_a_column_has_the_decimals_of_its_column(value: float | None, decimals: int, text: str) -> None:
    assert format.fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (20.0, "20"), (7 * 0.01 * 100, "7"), (65535, "65,535"), (1e38, "1e+38"), (None, "n/a")],
)
def test_a_number_that_was_given_has_the_digits_that_it_has(value: float | None, text: str) -> None:
    assert format.as_given(value) == text
    if value is not None:
        assert format.as_typed(value) == text.replace(",", "")


@pytest.mark.parametrize(("share", "text"), [(0.05, "5"), (0.07, "7"), (0.125, "12.5"), (1, "100")])
def test_a_share_that_was_given_becomes_a_percentage(share: float, text: str) -> None:
    assert format.percent_as_given(share) == f"{text} %"


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [(0.98, 0.9, "0.9800"), (0.97999, 0.98, "0.97999"), (0.98, 0.98, "0.9800"), (1 / 3, 0.3333, "0.33333")],
)
def test_a_value_never_looks_like_the_one_beside_it_that_it_is_not(value: float, beside: float, text: str) -> None:
    assert format.apart(value, beside) == text


@pytest.mark.parametrize(
    ("before", "after", "text"), [(200, 150, "−25.0"), (200, 203, "+1.5"), (5, 5, "+0.0"), (4, 0, "−100.0")]
)
def test_a_change_is_a_share_of_what_it_was(before: float, after: float, text: str) -> None:
    assert format.relative(before, after) == f"{text} %"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([], []),
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([-2, 0, 1000], ["−2", "0", "1,000"]),
        ([0, 2e6], ["0", "2,000,000"]),
        ([0, 2e-5], ["0", "0.00002"]),
        ([0, 2e-7], ["0", "2e−07"]),
    ],
)
def test_the_numbers_of_an_axis_have_the_same_decimals(values: list[float], texts: list[str]) -> None:
    assert format.ticks(values) == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "60 min 00 s"),
    ],
)
def test_seconds_become_minutes_when_there_are_sixty(value: float, text: str) -> None:
    assert format.seconds(value).replace(SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (45_400, "45 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (999_949_999, "999.9 MB"),
        (999_950_000, "1.0 GB"),
        (1_234_500_000_000, "1,234.5 GB"),
    ],
)
def test_a_size_never_shows_a_thousand_of_the_smaller_unit(value: int, text: str) -> None:
    assert format.size(value).replace(SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([None, 26, 26, 16], "26 × 26 × 16"),
        ([26, 26, 16], "26 × 26 × 16"),
        ([None, None, None, 3], "any × any × 3"),
        ([None, 10], "10"),
        ([None, 12544], "12,544"),
    ],
)
def test_a_shape_leaves_out_the_batch_and_calls_an_open_size_any(value: list[int | None], text: str) -> None:
    assert format.shape(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-24T16:00:00Z", "24 November 2026, 16:00 UTC"),
        ("2027-03-01T07:05:59Z", "1 March 2027, 07:05 UTC"),
    ],
)
def test_a_moment_is_a_date_and_a_time_in_utc(value: str, text: str) -> None:
    assert words.moment(value, languages.catalogue("en"), "en") == text


@pytest.mark.parametrize("hidden", ["\n", "\x00", "\x1b", "\u202e", "\u200f", "\u2066", "\udcff"], ids=ascii)
def test_a_name_shows_the_characters_that_would_hide_or_turn_it(hidden: str) -> None:
    assert words.name(f"a{hidden}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_name_keeps_letters_spaces_and_signs() -> None:
    assert words.name("T-shirt/top, Größe <3> 損失") == "T-shirt/top, Größe <3> 損失"


def test_a_name_that_just_fits_is_whole() -> None:
    assert words.name("x" * 80) == "x" * 80


def test_a_long_name_is_cut_and_says_so() -> None:
    assert words.name("x" * 1234) == "x" * 80 + "… (1,234 characters)"


def test_a_name_may_be_a_number() -> None:
    assert words.name(7) == "7"


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            "loss",
            "On the training images loss went from 1.1 to 0.5, on the validation images from 1 to 0.75.",
        ),
        ("top_5", "top 5 went from 0.1 to 0.2."),
        ("nothing", "No epoch has a value of nothing."),
    ],
)
def test_the_course_of_a_metric_is_one_sentence(metric: str, said: str) -> None:
    history = make_history()
    history.metrics["top_5"] = [0.1, 0.2, None]
    history.metrics["nothing"] = [None, None, None]
    assert insights.course(history, metric) == said

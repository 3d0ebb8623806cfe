"""What `make bench` writes into README.md; measuring itself is no test."""

import pytest

from tests import ROOT
from tests.bench import readme
from tests.bench.clock import Pair, Usage
from tests.bench.growth import Growth

README = (ROOT / "README.md").read_text(encoding="utf-8")
GROWTH = Growth("images", (10_000, 100_000), (Usage(8.0, 900_000_000), Usage(20.0, 990_000_000)))


def row(ours: float, theirs: float, runs: int = 3, limit: float | None = None) -> readme.Result:
    return readme.Result("a report", "by hand", Pair(ours, theirs, runs), limit)


def test_a_row_says_what_both_take_and_how_they_compare() -> None:
    found = readme.table([row(12.34, 8.0, limit=1.6), row(0.02, 16.0), row(70, 71, runs=1)]).splitlines()[2:]
    assert found == [
        "| a report | 12 s | by hand | 8.0 s | 1.54 times as long (limit 1.6) |",
        "| a report | 0.02 s | by hand | 16 s | 800 times as fast |",
        "| a report | 70 s | by hand | 71 s, once | as long |",
    ]
    assert [row(ours, 1, limit=1.6).exceeds for ours in (1.6, 1.7)] == [False, True]


def test_a_row_without_its_rival_says_why() -> None:
    found = readme.table([readme.Result("a report", "by hand", "no hand on this machine")])
    assert found.endswith("| a report | n/a | by hand | n/a | n/a: no hand on this machine |")


def test_growth_is_told_as_factors() -> None:
    line = "| images x10: from 10,000 to 100,000 | 8.0 s to 20 s: x2.5 | 900 MB to 990 MB: x1.10 |"
    assert readme.growth_table([GROWTH]).endswith(line)


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    once = readme.replaced(README, readme.generated([row(3, 2)], [GROWTH], "A machine."))
    before, after = README.split(readme.BEGIN)[0], README.split(readme.END)[1]
    assert once.startswith(before) and once.endswith(after)
    assert "A machine.\n\n| what |" in once and f"]({readme.CHART})\n\n{readme.END}" in once
    assert readme.replaced(once, "less") == f"{before}{readme.BEGIN}\n\nless\n\n{readme.END}{after}"
    with pytest.raises(ValueError, match="needs the lines"):
        readme.replaced("no markers", "anything")


def test_the_readme_shows_a_chart_that_there_is() -> None:
    assert f"]({readme.CHART})" in README
    assert (ROOT / readme.CHART).read_text(encoding="utf-8").rstrip().endswith("</svg>")

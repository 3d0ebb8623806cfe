"""What `make bench` writes into docs/speed.md; measuring itself is no test."""

import pytest

from tests import ROOT
from tests.bench import speed_page, trend
from tests.bench.clock import Pair, Usage
from tests.bench.growth import Growth
from tests.bench.machines import Machines

PAGE = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
GROWTH = Growth("images", (10_000, 100_000), (Usage(8.0, 900_000_000), Usage(20.0, 990_000_000)))

MACHINES = Machines(10_000, 0.002, 2.0, (24.0, 12.0, 6.0, 4.0), (1.0, 2.0, 2.0, 3.0))


def row(ours: float, theirs: float, runs: int = 3, limit: float | None = None) -> speed_page.Result:
    return speed_page.Result("a report", "by hand", Pair(ours, theirs, runs), limit)


def test_a_row_says_what_both_take_and_how_they_compare() -> None:
    found = speed_page.table([row(12.34, 8.0, limit=1.6), row(0.02, 16.0), row(70, 71, runs=1)]).splitlines()[2:]
    assert found == [
        "| a report | 12 s | by hand | 8.0 s | 1.54 times as long (limit 1.6) |  |",
        "| a report | 0.02 s | by hand | 16 s | 800 times as fast |  |",
        "| a report | 70 s | by hand | 71 s, once | as long |  |",
    ]
    assert [row(ours, 1, limit=1.6).exceeds for ours in (1.6, 1.7)] == [False, True]


def test_a_row_without_its_rival_says_why() -> None:
    found = speed_page.table([speed_page.Result("a report", "by hand", "no hand on this machine")])
    assert found.endswith("| a report | n/a | by hand | n/a | n/a: no hand on this machine |  |")


def test_growth_is_told_as_factors() -> None:
    line = "| images x10: from 10,000 to 100,000 | 8.0 s to 20 s: x2.5 | 900 MB to 990 MB: x1.10 |"
    assert speed_page.growth_table([GROWTH]).endswith(line)


def test_workers_are_compared_with_one_process_and_with_an_even_share() -> None:
    lines = speed_page.machines_table(MACHINES).splitlines()
    assert "2 ms for each of 10,000 images" in lines[0] and "against 22 s" in lines[0]
    assert lines[2] == "| 1 | 24 s | 1.09 times as long | 22 s | 1.0 s |"
    assert lines[5] == "| 8 | 4.0 s | 5.5 times as fast | 2.8 s | 3.0 s |"


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    once = speed_page.replaced(PAGE, speed_page.generated([row(3, 2)], [GROWTH], MACHINES, "A machine."))
    before, after = PAGE.split(speed_page.BEGIN)[0], PAGE.split(speed_page.END)[1]
    assert once.startswith(before) and once.endswith(after)
    assert "A machine.\n\n| what |" in once and f"| 3.0 s |\n\n{speed_page.END}" in once
    assert speed_page.replaced(once, "less") == f"{before}{speed_page.BEGIN}\n\nless\n\n{speed_page.END}{after}"
    with pytest.raises(ValueError, match="needs the lines"):
        speed_page.replaced("no markers", "anything")


def test_the_page_shows_a_chart_that_there_is() -> None:
    assert f"]({speed_page.CHART})" in PAGE
    assert (ROOT / "docs" / speed_page.CHART).read_text(encoding="utf-8").rstrip().endswith("</svg>")


def test_peaks_of_whole_processes_have_a_limit_of_their_own() -> None:
    found = speed_page.Result("a report", "by hand", Pair(3, 3, 3, 1_300_000_000, 1_000_000_000), 1.25, 1.2)
    assert found.memory == "1,300 MB to 1,000 MB: x1.30 (limit 1.2)" and found.exceeds
    assert speed_page.table([found]).endswith("| as long (limit 1.25) | 1,300 MB to 1,000 MB: x1.30 (limit 1.2) |")


def test_a_row_that_grew_slower_than_the_last_benchmark_is_pointed_out() -> None:
    kept = trend.appended("", {"report": Pair(5, 4, 3), "pass": Pair(1, 1, 3)}, "2026-01-02", "1.0")
    kept = trend.appended(kept, {"report": Pair(6, 4, 3, 24, 20)}, "2026-02-03", "1.1")
    assert kept.splitlines()[0] == ",".join(trend.HEAD)
    assert kept.splitlines()[-1] == "2026-02-03,1.1,report,6.00,4.00,1.500,1.20"
    last = trend.last(kept)
    assert last["report"] == trend.Kept("2026-02-03", "1.1", 1.5) and last["pass"].ratio == 1
    assert trend.compared("report", Pair(3.1, 2, 1), last) == "1.55 x, 1.50 x on 2026-02-03 with 1.1"
    assert trend.compared("report", Pair(3.6, 2, 1), last).endswith(": SLOWER")
    assert trend.compared("render", Pair(1, 1, 1), last) == "not measured before"

"""When units died: what counts after each epoch say together, and what the report makes of it. No TensorFlow."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import html5lib
import numpy as np
import pytest

from reportgen.analysis.activations.dead_history import Count, course
from reportgen.analysis.findings import ranked
from reportgen.record import record_file
from reportgen.record.run import Look, Record
from reportgen.record.training import Deaths, Died, LayerDeaths
from reportgen.record.units import Finding
from reportgen.render.charts import dead_history
from reportgen.render.page import page
from tests.analysis.findings.test_findings import found as found_with
from tests.helpers.builders import make_finding, make_record, make_unit, make_verdict

UNITS = 6


def counts(*peaks: Sequence[float], first: int = 0) -> list[Count]:
    """Return what was counted of one ReLU layer. peaks: after each epoch the largest value of each unit."""
    values = [np.array(one, np.float32) for one in peaks]
    return [Count(first + n, [one], [one <= 0]) for n, one in enumerate(values)]


def since(found: list[Count], now: Count | None = None) -> dict[int, list[int]]:
    """Return units by the epoch since which they have been dead."""
    layer = course(found, now or found[-1], [("conv", len(found[0].peaks[0]))], 100, "test").layers[0]
    return {died.epoch: died.units for died in layer.since}


def make_deaths(**changes: Any) -> Deaths:
    """Return the deaths of the planted layer conv: one unit dead from the start, three since epoch 2, of six."""
    plain = Deaths(
        images=6,
        part="test",
        epochs=[0, 1, 2, 3],
        weights_of=3,
        layers=[
            LayerDeaths("conv", UNITS, [1, 2, 5, 4], [Died(0, [5]), Died(2, [0, 2, 3])]),
            LayerDeaths("dense", 8, [0, 0, 0, 0], []),
        ],
    )
    return dataclasses.replace(plain, **changes)


def dead_record(deaths: Deaths | None = None, **changes: Any) -> Record:
    """Return a record whose layer conv has six units; those that `make_deaths` calls dead are."""
    units = [make_unit(unit=n, **(dying() if n in (0, 2, 3, 5) else {})) for n in range(UNITS)]
    scores = [unit for unit in make_record().units if unit.layer == "scores"]
    plain = {
        "layers": [make_verdict("conv", UNITS), make_verdict("scores", 3, states={"output": 3})],
        "units": [*units, *scores],
        "deaths": make_deaths() if deaths is None else deaths,
    }
    return make_record(**plain | changes)


def dying() -> dict[str, Any]:
    return {"state": "dead", "cause": "it did not fire on these images", "top_images": [], "nearest": None}


def html(record: Record, on_paper: bool = False, lang: str = "en") -> str:
    return page.html(page.paint(record), Look(lang), on_paper=on_paper).html


def read(made: str) -> str:
    """Return the words of a page, white space brought together."""
    return " ".join(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", made, flags=re.DOTALL).split())


# -- counts, together -------------------------------------------------------------------------------------------------


def test_each_unit_is_dead_since_the_first_epoch_of_the_last_unbroken_run() -> None:
    found = counts([1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1])
    assert since(found) == {0: [3], 1: [1], 2: [0], 3: [2]}


def test_what_came_back_to_life_is_counted_and_not_dead() -> None:
    found = counts([1, 1], [0, 0], [2, 0])
    deaths = course(found, found[-1], [("conv", 2)], 100, "test")
    assert deaths.layers[0].dead == [0, 2, 1]
    assert since(found) == {1: [1]}


def test_epochs_go_on_from_where_an_earlier_fit_ended() -> None:
    assert since(counts([1, 1], [0, 1], [0, 0], first=5)) == {6: [0], 7: [1]}


def test_with_the_weights_of_an_earlier_epoch_the_run_leads_up_to_there() -> None:
    """Unit 0 died in epoch 1 and came back in epoch 3, whose weights the model no longer has; unit 2 died then."""
    found = counts([3, 4, 5], [0, 2, 6], [0, 3, 7], [9, 4, 0])
    now = found[2]
    deaths = course(found, now, [("conv", 3)], 100, "test")
    assert deaths.weights_of == 2
    assert since(found, now) == {1: [0]}


def test_of_weights_of_no_epoch_only_what_was_dead_to_the_last_is_known() -> None:
    found = counts([3, 4, 5], [0, 2, 0], [0, 3, 7])
    (now,) = counts([0, 2.5, 0])
    assert course(found, now, [("conv", 3)], 100, "test").weights_of is None
    assert since(found, now) == {1: [0]}


def test_of_epochs_with_equal_weights_the_last_counts() -> None:
    found = counts([1, 2], [0, 2], [0, 2], [0, 2])
    assert course(found, found[1], [("conv", 2)], 100, "test").weights_of == 3


def test_rounding_does_not_make_other_weights() -> None:
    found = counts([3, 400], [1, 500])
    (now,) = counts([1 + 1e-6, 500.001])
    assert course(found, now, [("conv", 2)], 100, "test").weights_of == 1


def test_layers_are_kept_apart() -> None:
    one, two = np.array([1, 0], np.float32), np.array([0, 1, 0], np.float32)
    found = [Count(n, [one, two], [one <= 0, two <= 0]) for n in range(2)]
    deaths = course(found, found[-1], [("a", 2), ("b", 3)], 100, "test")
    assert [(layer.layer, layer.units, layer.dead, layer.since) for layer in deaths.layers] == [
        ("a", 2, [1, 1], [Died(0, [1])]),
        ("b", 3, [2, 2], [Died(0, [0, 2])]),
    ]


# -- a finding --------------------------------------------------------------------------------------------------------


def died_at_once(*layers: tuple[str, int, dict[int, int]], **changes: Any) -> list[Finding]:
    """Return the findings about layers of so many units, of which so many have been dead since those epochs."""
    made = [
        LayerDeaths(name, units, [0, 0, 0], [Died(epoch, list(range(n))) for epoch, n in died.items()])
        for name, units, died in layers
    ]
    given = make_deaths(epochs=[0, 1, 2], layers=made, images=1234)
    return [one for one in found_with(deaths=given, **changes) if one.code == "died-at-once"]


def test_many_units_that_die_in_one_epoch_are_a_finding() -> None:
    (one,) = died_at_once(("conv", 16, {2: 4}), ("dense", 64, {1: 2, 2: 6}))
    assert (one.severity, one.layer) == ("warning", "conv")
    assert "In epoch 2, 4 units died and never fired again (4 of 16 in conv; on 1,234 images" in one.message
    assert "learning rate" in one.message


def test_layers_that_lose_units_in_the_same_epoch_are_one_finding() -> None:
    (one,) = died_at_once(("conv", 16, {1: 5, 2: 4}), ("dense", 64, {2: 60}))
    assert one.layer is None
    assert "In epoch 2, 64 units died" in one.message
    assert "(4 of 16 in conv and 60 of 64 in dense;" in one.message


@pytest.mark.parametrize(("units", "died"), [(16, {2: 3}), (64, {2: 6}), (64, {0: 60}), (64, {1: 6, 2: 6}), (64, {})])
def test_few_units_or_ones_that_were_never_alive_are_none(units: int, died: dict[int, int]) -> None:
    assert died_at_once(("dense", units, died)) == []


def test_the_limits_can_be_set() -> None:
    strict = dataclasses.replace(ranked.DEFAULTS, died_share=0.01, died_units=1)
    assert died_at_once(("dense", 64, {2: 1}), thresholds=strict)


def test_without_counts_there_is_no_finding() -> None:
    assert found_with(deaths=None) == []


# -- on disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deaths", [None, make_deaths(), make_deaths(weights_of=None)])
def test_a_record_keeps_its_deaths(deaths: Deaths | None, tmp_path: Any) -> None:
    record = make_record(deaths=deaths)
    for name, content in record_file.to_bytes(record).items():
        (tmp_path / name).write_bytes(content)
    assert record_file.load(tmp_path).deaths == deaths


def test_a_folder_from_before_deaths_were_counted_is_read(tmp_path: Any) -> None:
    for name, content in record_file.to_bytes(make_record(deaths=None)).items():
        (tmp_path / name).write_bytes(re.sub(rb',\n "deaths": null', b"", content))
    assert b"deaths" not in (tmp_path / "report.json").read_bytes()
    assert record_file.load(tmp_path).deaths is None


# -- on the page ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_layer_with_deaths_has_a_chart_of_them_and_one_without_has_none() -> None:
    (svg,) = re.findall(r'<figure id="deaths-.*?(<svg.*?</svg>)', html(dead_record()), re.DOTALL)
    drawn = ET.fromstring(svg)
    title, *_ = drawn
    assert title.text is not None and title.text.startswith("Chart of the dead units of layer conv. 4 units are dead")
    marks = [mark for mark in drawn.iter() if mark.tag.endswith("circle")]
    assert len(marks) == 4
    heights = [float(mark.attrib["cy"]) for mark in marks]
    assert np.argsort(heights).tolist() == [2, 3, 1, 0]  # y points down: 5, 4, 2 and 1 units


def test_the_counts_can_be_read_off_the_axis() -> None:
    found = dead_history.view(dead_record())
    assert found is not None
    frame, points = found.layers[0].chart.frame, found.layers[0].chart.training.points
    ticks = {float(tick.label): tick.at for tick in frame.y}
    assert min(ticks) == 0
    low, high = min(ticks), max(ticks)
    values = [low + (y - ticks[low]) / (ticks[high] - ticks[low]) * (high - low) for _, y in points]
    assert values == pytest.approx([1, 2, 5, 4], abs=0.05)
    assert {tick.label for tick in frame.x} <= {"0", "1", "2", "3"}


@pytest.mark.parametrize("most", [1, 2, 3, 7, 512, 30_000])
def test_axes_of_counts_have_whole_numbers(most: int) -> None:
    layer = LayerDeaths("conv", UNITS, [0, most, most, 0], [])
    found = dead_history.view(dead_record(make_deaths(layers=[layer])))
    assert found is not None
    labels = [tick.label.replace(",", "") for tick in found.layers[0].chart.frame.y]
    assert len(labels) > 1 and all(label.isdigit() for label in labels), labels


@pytest.mark.slow
@pytest.mark.parametrize("on_paper", [False, True], ids=["page", "paper"])
def test_page_and_paper_say_since_when_units_are_dead(on_paper: bool) -> None:
    words = read(html(dead_record(), on_paper))
    assert "4 units are dead now: 1 since before the training, 3 since epoch 2." in words
    assert "The most were dead at once after epoch 2: 5 units." in words
    assert "Dead since epoch 2." in words  # on a card
    assert "dead since epoch 2" in words  # in the table
    assert "dead since before the training" in words


def test_every_epoch_is_a_row_of_the_table() -> None:
    (table,) = re.findall(r'id="deaths-table".*?<tbody>(.*?)</tbody>', html(dead_record()), re.DOTALL)
    rows = [re.findall(r">([\d,]+)</t[hd]>", row) for row in table.split("</tr>")[:-1]]
    assert rows == [["0", "1", "1"], ["1", "2", "2"], ["2", "5", "5"], ["3", "4", "4"]]


@pytest.mark.parametrize("on_paper", [False, True], ids=["page", "paper"])
def test_of_very_many_epochs_some_are_rows_and_how_many_is_said(on_paper: bool) -> None:
    dead = [4] * 3000
    dead[1776] = 6
    layer = LayerDeaths("conv", UNITS, dead, [Died(1, [5]), Died(1501, [0, 2, 3])])
    made = html(dead_record(make_deaths(epochs=list(range(3000)), weights_of=2778, layers=[layer])), on_paper)
    (table,) = re.findall(r'id="deaths-table".*?<tbody>(.*?)</tbody>', made, re.DOTALL)
    rows = re.findall(r'<th scope="row" class="n">([\d,]+)</th>', table)
    assert len(rows) <= dead_history.MOST_ROWS
    assert {"0", "1", "1,501", "1,776", "2,778", "2,999"} <= set(rows)  # the ends, and what the sentences name
    assert f"{len(rows)} of 3,000 epochs are shown in the table" in read(made)
    assert "The dead units of some epochs" in read(made) and "The dead units of every epoch" not in read(made)
    (drawn,) = re.findall(r'<figure id="deaths-1".*?class="first line"[^>]* d="([^"]+)"', made, re.DOTALL)
    assert drawn.count("L") < 1000


def test_of_as_many_epochs_as_the_table_has_rows_all_are_shown() -> None:
    many = dead_history.MOST_ROWS
    layer = LayerDeaths("conv", UNITS, [1] * many, [])
    made = html(dead_record(make_deaths(epochs=list(range(many)), weights_of=None, layers=[layer])))
    assert "epochs are shown in the table" not in read(made) and "The dead units of every epoch" in read(made)


def test_a_unit_that_fires_on_other_images_is_not_called_dead() -> None:
    """Counted on a few images it was dead; judged on all it is not."""
    units = [*dead_record().units]
    units[2] = make_unit(unit=2)
    words = read(html(dead_record(units=units)))
    assert "3 units are dead now: 1 since before the training, 2 since epoch 2." in words


def test_of_many_epochs_the_largest_groups_are_named() -> None:
    since = [Died(epoch, [unit]) for epoch, unit in ((1, 0), (2, 2), (3, 3))]
    layer = LayerDeaths("conv", UNITS, [0, 1, 2, 3, 5], [*since, Died(4, [5, 1])])
    given = make_deaths(epochs=[0, 1, 2, 3, 4], weights_of=4, layers=[layer])
    units = [make_unit(unit=n, **dying()) for n in range(UNITS)]
    found = dead_history.view(dead_record(given, units=units))
    assert found is not None
    assert found.shows == (
        "6 units are dead now: 1 since epoch 1, 1 since epoch 2, 2 since epoch 4, 1 since other epochs,"
        " 1 since when is not known."
    )


def test_layers_beyond_the_most_have_no_chart_and_it_is_said() -> None:
    layers = [LayerDeaths(f"layer_{n}", 10, [0, n % 7 + 1, 0, 0], []) for n in range(20)]
    record = dead_record(make_deaths(layers=layers))
    found = dead_history.view(record)
    assert found is not None
    assert (len(found.layers), found.hit) == (dead_history.MOST_LAYERS, 20)
    assert [one.layer.layer for one in found.layers] == [f"layer_{n}" for n in (4, 5, 6, 12, 13, 19)]
    assert "6 of the 20 layers that ever had a dead unit are shown" in read(html(record))
    assert found.totals == [0, sum(n % 7 + 1 for n in range(20)), 0, 0]


def test_without_any_death_there_is_a_sentence_and_no_chart() -> None:
    layer = LayerDeaths("conv", UNITS, [0, 0, 0, 0], [])
    made = html(make_record(deaths=make_deaths(layers=[layer])))
    assert "Not one unit was dead at any of these times." in read(made)
    assert 'id="deaths-1"' not in made and 'id="deaths-table"' not in made


def test_without_counts_nothing_is_said() -> None:
    made = html(make_record(deaths=None))
    assert 'id="deaths"' not in made
    assert "Dead units after each epoch" not in read(made)


@pytest.mark.parametrize("history", [True, False])
def test_weights_that_came_back_are_said_and_marked(history: bool) -> None:
    given = dead_record(make_deaths(weights_of=2), **({} if history else {"history": None}))
    words = read(html(given))
    assert "The model has the weights of epoch 2 again" in words
    assert "The dashed line marks the epoch whose weights the model has." in words
    found = dead_history.view(given)
    assert found is not None
    chart = found.layers[0].chart
    assert chart.best == chart.training.points[2][0]


def test_weights_of_no_epoch_are_said() -> None:
    assert "are of none of these epochs" in read(html(dead_record(make_deaths(weights_of=None))))


def test_the_finding_leads_to_the_chart() -> None:
    finding = make_finding(code="died-at-once", severity="warning", message="Units died.")
    made = html(dead_record(findings=[finding]))
    assert 'href="#deaths"' in made and 'id="deaths"' in made


def test_the_names_of_layers_are_text() -> None:
    name = "<b>&\x1b[31m"
    layer = LayerDeaths(name, UNITS, [0, 1, 1, 1], [Died(1, [0])])
    made = html(make_record(deaths=make_deaths(layers=[layer])))
    assert "<b>&" not in made
    assert "&lt;b&gt;&amp;\N{REPLACEMENT CHARACTER}[31m" in made


@pytest.mark.slow
@pytest.mark.parametrize("on_paper", [False, True], ids=["page", "paper"])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_what_is_shown_is_well_formed(on_paper: bool, lang: str) -> None:
    html5lib.HTMLParser(strict=True).parse(html(dead_record(make_deaths(weights_of=2)), on_paper, lang))

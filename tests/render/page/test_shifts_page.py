"""The section on changed pictures, painted from a Record without a model."""

import dataclasses
import re
from typing import Any

import html5lib
import pytest

from reportgen.i18n import literal
from reportgen.record.run import Look, Record
from reportgen.record.shifts import ShiftedLayer, summary
from reportgen.render.page import detail, page
from tests.helpers.builders import make_pictures, make_record, make_shift, make_shifted_images, make_shifts_run


def record(**changes: Any) -> Record:
    shifts = [
        make_shift("noise", 1, 0.89, falls=False, unit_to_blame=None, reasons={"unit_to_blame": "it does not fall"}),
        make_shift("noise", 3, 0.85, falls=False, unit_to_blame=None, reasons={"unit_to_blame": "it does not fall"}),
        make_shift("inversion", 1, 0.6),
        make_shift("inversion", 3, 0.1),
    ]
    known = {
        "shifts": shifts,
        "shifts_run": make_shifts_run(),
        "pictures": make_pictures(shifted=make_shifted_images()),
    }
    return make_record(**known | changes)


def section(given: Record, **options: Any) -> str:
    whole = page.html(page.paint(given, options.pop("space", detail.ALL)), given.look, **options).html
    html5lib.HTMLParser(strict=True).parse(whole)
    trust = re.search(r'<section id="trust">(.*?)</section>', whole, re.DOTALL)
    doubts = re.search(r'<ul class="doubts">.*?</ul>', trust[1], re.DOTALL) if trust else None
    found = re.search(r'<h3 id="shifts">.*', trust[1], re.DOTALL) if trust else None
    return doubts[0] + found[0] if doubts and found else ""


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\N{NO-BREAK SPACE}", " ")


def test_the_first_line_names_the_change_that_costs_most() -> None:
    said = words(section(record()))
    assert "of the strong ones, inversion (strength 3) costs most: accuracy falls from 90.0 % to 10.0 %." in said
    assert "No mild change costs accuracy beyond chance" in said
    assert said.index("inversion ") < said.index("noise ")
    assert "Half of the images were left out." in said


def test_each_change_has_its_accuracies_its_picture_its_class_and_the_unit_to_blame() -> None:
    html = section(record())
    said = words(html)
    assert html.count("<img") == 3 and html.count("strength 3") == 3
    assert "class star: recall 25.0 % (10 % to 50 %), before 100.0 %" in said
    assert re.search(r'<a href="#[^"]+">unit 1 of conv</a>', html)
    assert "regains 20.0 points (10.0 to 30.0), 50 % of the loss; 2 of 2 units tried" in said
    assert "n/a: it does not fall" in said
    assert html.count("miss0") == 2 and "miss6" in html


def test_of_many_layers_those_with_most_units_are_named() -> None:
    layers = [ShiftedLayer(f"conv{n}", [*range(n)], [], None, 0) for n in range(10)]
    said = words(section(record(shifts=[make_shift("noise", 3, 0.1, units_dead=45, layers=layers)])))
    named = ", ".join(f"{n} units of conv{n}" for n in range(9, 3, -1))
    assert f"dead: {named} and 3 more" in said
    few = words(section(record(shifts=[make_shift("noise", 3, 0.1, units_dead=3, layers=layers[:3])])))
    assert "dead: 1 unit of conv1, 2 units of conv2" in few


def test_a_link_to_a_unit_leads_somewhere_on_screen_and_paper() -> None:
    for on_paper in (False, True):
        given = record()
        whole = page.html(page.paint(given), given.look, on_paper=on_paper).html
        for anchor in re.findall(r'href="#([^"]+)">unit 1 of', whole):
            assert f'id="{anchor}"' in whole


def test_why_pictures_were_not_changed_is_said() -> None:
    given = record(shifts=None, shifts_run=make_shifts_run(reason="these are series"), pictures=make_pictures())
    said = words(section(given))
    assert "Changed pictures: n/a, because these are series." in said and "<table" not in section(given)


def test_an_older_report_has_no_such_section() -> None:
    given = make_record()
    whole = page.html(page.paint(given), given.look).html
    assert "When pictures change" not in whole


def test_a_hostile_name_stays_text() -> None:
    shift = make_shift("<script>", amount="<b>{{ 7 * 7 }}</b>")
    html = section(record(shifts=[shift]))
    assert "<b>" not in html and "<script>" not in html and "49" not in html


def test_examples_shrink_with_the_level_of_detail() -> None:
    assert 'width="56"' in section(record(), space=detail.Detail(image_side=4))


def test_no_fall_beyond_chance_is_the_first_line_too() -> None:
    run = make_shifts_run()
    assert summary([make_shift(falls=False)], run) == "no change of the pictures costs accuracy beyond chance"


def test_where_strong_changes_alone_were_tried_nothing_is_said_of_mild_ones() -> None:
    run = dataclasses.replace(make_shifts_run(), severities=[3])
    said = summary([make_shift(falls=True, severity=3)], run)
    assert said.startswith("of the strong changes, which alone were tried, ") and "mild" not in said


@pytest.mark.parametrize("lang", ["en", pytest.param("ja", marks=pytest.mark.slow)])  # Japanese brings its font
def test_every_language_draws_the_section(lang: str) -> None:
    assert section(record(look=Look(lang, "a4"), title=literal("x")))

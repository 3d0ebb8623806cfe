"""What the page says and shows of what the model does without each unit."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reportgen.i18n import literal
from reportgen.record import record_file
from reportgen.record.effects import Audit, Effect, GroupEffect, is_idle
from reportgen.render.page import effects, page
from reportgen.render.pictures import tiles
from reportgen.render.pictures.mosaic import opaque
from tests.helpers.builders import NAMES, make_effect, make_layer_effects, make_record, make_unit, with_effects


def plain(said: str) -> str:
    return said.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("effect", "sentence", "words"),
    [
        (make_effect({"star": 0.041}), "star (recall falls by 4.1 points [2.1, 6.1])", "star (-4.1)"),
        (
            make_effect({"star": 0.041, "circle": 0.2}),
            "circle (recall falls by 20.0 points [18.0, 22.0]), star (recall falls by 4.1 points [2.1, 6.1])",
            "circle (-20.0), star (-4.1)",
        ),
        (
            make_effect({"star": -0.05}),
            "nothing; in the way of star (recall rises by 5.0 points [3.0, 7.0])",
            "star (5.0)",
        ),
        (
            make_effect({"star": -0.05, "circle": 0.05}),
            "circle (recall falls by 5.0 points [3.0, 7.0]); in the way of star (recall rises by 5.0 points [3.0,"
            " 7.0])",
            "circle (-5.0), star (5.0)",
        ),
        (make_effect(), "no class (accuracy changes by 0.0 points [-0.5, 0.5])", "none"),
        (
            make_effect(interval=[-0.03, 0.01]),
            "none that is certain (accuracy changes by 0.0 points [-3.0, 1.0])",
            "not certain",
        ),
        (
            make_effect(significant=True, accuracy_change=-0.02, interval=[-0.03, -0.01]),
            "no class that is certain, yet accuracy changes by -2.0 points [-3.0, -1.0]",
            "not certain",
        ),
        (Effect(None, [], None, None, literal("it is the output")), "n/a: it is the output", "n/a"),
    ],
)  # fmt: skip
def test_what_a_unit_is_needed_for_is_said_with_its_figures(effect: Effect, sentence: str, words: str) -> None:
    assert plain(effects.needed(effect)) == sentence
    assert plain(effects.briefly(effect)) == words


def test_nothing_changes_only_where_the_interval_says_so() -> None:
    assert is_idle(make_effect()) is True and is_idle(make_effect({"star": 0.1})) is False
    assert is_idle(make_effect(interval=[-0.02, 0.02])) is None and is_idle(None) is None
    assert is_idle(make_effect(significant=True)) is False


def painted(found: list[Effect | None], most: int | None = None, **changes: Any) -> effects.EffectsView:
    units = [make_unit(unit=n, effect=effect) for n, effect in enumerate(found)]
    return effects.paint(make_layer_effects(**changes), units, NAMES, most)


def test_a_layer_says_what_it_shows_and_how_it_was_found() -> None:
    group = GroupEffect([0, 1], make_effect({"star": 0.5}))
    shown = painted(
        [make_effect({"star": 0.3}), make_effect(), make_effect(interval=[-0.1, 0.1])], groups=[group],
        methods={"masked": 2, "first order": 1}, undone="half of it",
    )  # fmt: skip
    assert shown.counted == (
        "Without one unit at a time: 1 of 3 units changes something beyond chance, 1 make no difference (accuracy stays"
        " within 1.0 points, no class changes), and for 1 the images are too few to tell."
    )
    assert shown.shows is not None
    assert plain(shown.shows) == "Most is lost without unit 0: class star (recall falls by 30.0 points [28.0, 32.0])."
    assert [plain(sentence) for sentence in shown.how] == [
        "Masked in the model: 2 units; estimated by first order: 1 unit. Means of 500 other images, measured on 400"
        " images.",
        "First order against masking on 2 units: Spearman 0.97, slope 1.10.",
        "Left out: half of it.",
    ]
    assert plain(shown.groups[0]) == (
        "Without units 0, 1 together, needed for: star (recall falls by 50.0 points [48.0, 52.0])."
    )
    exact = painted([make_effect()], methods={"exact": 1}, audit=None, withheld=None)
    assert [plain(one) for one in exact.how] == [
        "Exact: the scores are linear in these units. Means of 500 other images, measured on 400 images."
    ]
    assert exact.shows == "No class certainly loses recall without any single unit."
    assert "1 make no difference" in exact.counted
    withheld = painted([make_effect()], audit=Audit(20, 8, -0.5, None), withheld="it does not agree")
    assert "Spearman -0.50, slope n/a" in plain(withheld.how[1]) and "withheld: it does not agree" in withheld.how[2]


def test_of_many_units_those_with_the_largest_effects_are_in_the_picture() -> None:
    found = [make_effect({"star": 0.001 + n / 1000}) for n in range(100)]
    shown = painted([*found, None, Effect(None, [], None, None, literal("n/a"))])
    assert (shown.shown, shown.known, shown.units, shown.shown_classes) == (64, 100, 102, 3)
    assert shown.grid is not None and shown.grid.high == pytest.approx(0.1)
    assert painted(list(found), most=8).shown == 8
    none = painted([None])
    assert none.grid is None and none.counted == "No unit has a figure."


def test_the_picture_is_white_at_zero_and_hatched_where_chance_explains() -> None:
    changes = np.array([[0, -0.5, 0.5], [-0.5, 0.5, 0]], np.float32)
    certain = np.array([[False, True, True], [False, True, False]])
    (picture,) = tiles.effects(changes, certain, [3, 9], [0, 1, 2]).pictures
    pixels = np.asarray(Image.open(io.BytesIO(opaque(picture.png))).convert("RGB")).astype(int)
    cells = pixels[-28:, -66:].reshape(2, 14, 3, 22, 3).swapaxes(1, 2)

    def colours(row: int, column: int) -> int:
        return len(np.unique(cells[row, column].reshape(-1, 3), axis=0))

    assert colours(0, 0) == colours(1, 2) == 1 and cells[0, 0].min() > 240
    assert colours(0, 1) == colours(0, 2) == colours(1, 1) == 1 and colours(1, 0) == 2
    assert cells[0, 1, ..., 2].mean() > cells[0, 1, ..., 0].mean(), "a fall is blue"
    assert cells[0, 2, ..., 0].mean() > cells[0, 2, ..., 2].mean(), "a rise is red"


def test_the_page_shows_effects_and_an_older_folder_goes_without(tmp_path: Path) -> None:
    record = with_effects(make_record(), make_effect({"star": 0.3}), make_effect())
    made = page.html(page.paint(record), record.look).html
    assert 'id="effects-1"' in made and "recall falls by 30.0 points" in made
    old = make_record()
    assert 'id="effects-1"' not in page.html(page.paint(old), old.look).html
    folder = tmp_path / "report"
    folder.mkdir()
    for name, content in record_file.to_bytes(record).items():
        (folder / name).write_bytes(content)
    again = record_file.load(folder)
    assert again.units[0].effect == record.units[0].effect and again.layers[0].effects == record.layers[0].effects
    found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for one in [*found["units"], *found["layers"]]:
        for key in ("effect", "effects"):
            one.pop(key, None)
    (folder / "report.json").write_text(json.dumps(found), encoding="utf-8")
    before = record_file.load(folder)
    assert before.units[0].effect is None and before.layers[0].effects is None
    assert dataclasses.replace(before.units[0], effect=record.units[0].effect) == record.units[0]

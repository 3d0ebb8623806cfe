"""The HTML page, made from a Record without a model: complete, self-contained, and safe with hostile text."""

import base64
import dataclasses
import hashlib
import io
import itertools
import re
from pathlib import Path
from typing import Any

import html5lib
import matplotlib
import numpy as np
import pytest
from PIL import Image

from reportgen.compare.changes import compare
from reportgen.errors import InputError
from reportgen.i18n import literal
from reportgen.record.data import DataFacts
from reportgen.record.evaluation import Proof
from reportgen.record.finding_kinds import KINDS
from reportgen.record.model import LayerRow, ModelFacts
from reportgen.record.pictures import Cards, Kernels, Maps, Pictures
from reportgen.record.run import Look, Record
from reportgen.record.units import Finding, Nearest, Preferred, TopImage
from reportgen.render import templating
from reportgen.render.page import layer_views, page
from reportgen.render.pictures import mosaic
from tests.helpers.builders import (
    assert_one_line,
    make_finding,
    make_history,
    make_kernels,
    make_pictures,
    make_record,
    make_scores,
    make_unit,
    make_verdict,
    modules_after,
)

STATES = (
    "dead", "constant", "saturated", "always-on", "weak", "healthy", "never predicted", "always predicted", "output"
)  # fmt: skip
NO_CARDS = Cards(np.zeros(0, np.int64), np.zeros((0, 4, 4, 1), np.uint8), {})
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}{% raw %}\"'&\x1b[31m\u202e"


def html(record: Record, look: Look | None = None, **options: Any) -> str:
    return page.html(page.paint(record), look or record.look, **options).html


def tree(text: str) -> Any:
    """Return the parsed page; the strict parser raises on what is not well nested."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def text_of(text: str) -> str:
    """Return what a reader reads, every run of white space as one blank."""
    body = tree(text).find("body")
    for parent in list(body.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return " ".join("".join(body.itertext()).split())


def table_rows(record: Record, name: str) -> list[list[str]]:
    table = next(e for e in tree(html(record)).iter("figure") if e.get("id") == name)
    return [["".join(cell.itertext()).strip() for cell in row] for row in table.iter("tr")]


def rows_of(text: str) -> list[int]:
    """Return the numbers of the units that the first table of units lists."""
    table = next(e for e in tree(text).iter("table") if "units" in (e.get("class") or "").split())
    return [int("".join(row.find("th").itertext())) for row in table.find("tbody").iter("tr")]


@pytest.mark.slow
@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_the_page_is_well_formed(on_paper: bool) -> None:
    tree(html(make_record(), on_paper=on_paper))


@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_the_page_asks_for_nothing_from_anywhere(on_paper: bool) -> None:
    found = tree(html(make_record(), on_paper=on_paper))
    for element in found.iter():
        for name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
            value = element.get(name, "#")
            assert value.startswith(("#", "data:")), f"{element.tag} {name}={value[:60]}"
    style = "".join(found.find("head/style").itertext())
    assert "@import" not in style
    assert all(address.startswith("data:font/woff2;") for address in re.findall(r'url\("?([^")]*)', style))


def policy_of(found: Any) -> str:
    metas = [m for m in found.iter("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert len(metas) == 1
    return str(metas[0].get("content"))


def sha256(element: Any) -> str:
    content = "".join(element.itertext()).encode()
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_the_policy_allows_the_page_its_own_style_and_script_and_nothing_else() -> None:
    found = tree(html(make_record()))
    (style,), (script,) = list(found.iter("style")), list(found.iter("script"))
    assert policy_of(found) == (
        f"default-src 'none'; img-src data:; font-src data:; style-src '{sha256(style)}'; "
        f"script-src '{sha256(script)}'; base-uri 'none'; form-action 'none'"
    )
    assert not [e.tag for e in found.iter() if e.get("style")], "a style attribute would be blocked by the policy"


@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_every_link_has_its_target_and_every_id_is_there_once(on_paper: bool) -> None:
    found = tree(html(make_record(), on_paper=on_paper))
    ids = [e.get("id") for e in found.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = {e.get("href")[1:] for e in found.iter("a")}
    assert links <= set(ids)
    named = {i for e in found.iter() for i in (e.get("aria-labelledby") or "").split()}
    assert named <= set(ids)


def test_paper_needs_no_script_and_shows_nothing_that_only_a_screen_can() -> None:
    found = tree(html(make_record(), on_paper=True))
    tags = {e.tag for e in found.iter() if isinstance(e.tag, str)}
    assert not tags & {"script", "dialog", "form", "button", "select"}


def test_nothing_in_a_record_can_be_taken_for_the_place_of_a_picture() -> None:
    record = make_record()
    data = dataclasses.replace(record.data, pixels=literal("\ufdd00\ufdd1"))
    made = html(dataclasses.replace(record, data=data))
    assert "\ufdd00\ufdd1" in made
    assert not re.search(r"(?<!base64,)iVBOR|base64,\ufdd0", made)


def test_templates_that_were_prepared_are_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    page.prepare("en")
    monkeypatch.setattr(templating._InMemory, "dump_bytecode", lambda self, bucket: pytest.fail(bucket.key))
    html(make_record())
    html(make_record(), on_paper=True)


def test_a_split_page_holds_neither_style_nor_script_nor_picture_itself() -> None:
    made = page.html(page.paint(make_record()), Look(), split="beside")
    found = tree(made.html)
    assert "data:" not in made.html
    assert not list(found.iter("style"))
    assert all(not "".join(script.itertext()).strip() for script in found.iter("script"))
    assert policy_of(found) == (
        "default-src 'none'; img-src 'self'; font-src 'self'; style-src 'self'; script-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    named = {e.get(name) for e in found.iter() for name in ("src", "href") if e.get(name, "#")[0] != "#"}
    style = made.files["beside/style.css"].decode()
    fonts = {f"beside/{name}" for name in re.findall(r'url\("?([^")]*)', style)}
    assert fonts
    assert named | fonts == set(made.files), "a file is missing or too many"


def test_a_split_page_shows_the_same_as_a_whole_one() -> None:
    view = page.paint(make_record())
    assert text_of(page.html(view, Look(), split="beside").html) == text_of(page.html(view, Look()).html)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_paper_has_the_size_that_was_asked_for(paper: str) -> None:
    assert f"size: {paper};" in html(make_record(), Look(paper=paper), on_paper=True)


def test_headings_step_down_one_level_at_a_time() -> None:
    levels = [int(e.tag[1]) for e in tree(html(make_record())).iter() if re.fullmatch("h[1-6]", str(e.tag))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.slow
def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    pictures = list(tree(html(make_record())).iter("img"))
    assert pictures
    assert all((picture.get("alt") or "").strip() for picture in pictures)


def test_every_picture_says_its_real_size() -> None:
    for picture in tree(html(make_record())).iter("img"):
        if "pixels" not in (picture.get("class") or "") or picture.get("width") == "84":
            continue  # charts, colour scales and thumbnails are sized by the style
        decoded = Image.open(io.BytesIO(base64.b64decode(picture.get("src").split(",")[1])))
        assert (int(picture.get("width")), int(picture.get("height"))) == decoded.size


def test_the_first_words_say_what_was_found() -> None:
    read = text_of(html(make_record()))
    assert "classifies 83.3 % of 6 test images correctly" in read.replace("\u00a0", " ")
    assert "It was trained here on 12 images of 3 classes." in read
    assert "24 November 2026, 16:00 UTC" in read


def test_the_summary_has_a_row_a_layer_and_the_three_totals() -> None:
    rows = table_rows(make_record(), "summary")
    assert rows[1] == ["conv", "Conv2D", "2 × 2 × 2", "20", "yes"]
    assert rows[2] == ["flatten", "Flatten", "8", "0", "no units (reshaping)"]
    assert [row[:2] for row in rows[4:]] == [
        ["Total parameters", "47"],
        ["Trainable parameters", "47"],
        ["Non-trainable parameters", "0"],
    ]


@pytest.mark.parametrize("part", ["test", "train"])
def test_the_classification_report_has_every_class_and_average(part: str) -> None:
    assert table_rows(make_record(), f"scores-{part}")[1:] == [
        ["circle", "1.000", "0.500", "0.667", "2"],
        ["square", "0.667", "1.000", "0.800", "2"],
        ["star", "1.000", "1.000", "1.000", "2"],
        ["Accuracy", "", "", "0.833", "6"],
        ["Macro average", "0.889", "0.833", "0.822", "6"],
        ["Weighted average", "0.889", "0.833", "0.822", "6"],
    ]


def test_an_undefined_figure_is_not_available_rather_than_zero() -> None:
    never = dataclasses.replace(make_scores().classes[0], precision=None, f1=None)
    scores = make_scores(classes=[never, *make_scores().classes[1:]])
    assert table_rows(make_record(evaluation={"train": None, "test": scores}), "scores-test")[1] == [
        "circle", "n/a", "0.500", "n/a", "2"
    ]  # fmt: skip


def test_the_confusion_matrix_shows_counts_and_shares_of_the_true_class() -> None:
    assert table_rows(make_record(), "matrix")[1:] == [
        ["circle", "1 50.0\u00a0%", "1 50.0\u00a0%", "·"],
        ["square", "·", "2 100.0\u00a0%", "·"],
        ["star", "·", "·", "2 100.0\u00a0%"],
    ]


def test_a_matrix_too_wide_for_the_page_says_where_it_is() -> None:
    names = [f"class {n}" for n in range(21)]
    classes = [dataclasses.replace(make_scores().classes[0], label=name) for name in names]
    confusion = np.zeros((21, 21), int).tolist()
    scores = make_scores(classes=classes, confusion=confusion, most_confused=[], worst=[])
    record = make_record(evaluation={"train": None, "test": scores})
    read = text_of(html(dataclasses.replace(record, data=with_data(record, class_names=names))))
    assert "confusion matrix of 21 classes is too wide for a page and stands in report.json" in read


def test_without_a_history_the_section_says_so() -> None:
    assert "no history was found beside it" in text_of(html(make_record(history=None)))


@pytest.mark.parametrize(
    ("stopped", "best", "said"),
    [
        (True, 2, "Training stopped early"),
        (False, 3, "the loss was still falling: more epochs may help"),
        (False, 2, "Training took all the epochs that were asked for."),
    ],
)
def test_how_the_training_ended_is_said(stopped: bool, best: int, said: str) -> None:
    history = make_history(stopped_early=stopped, best_epoch=best)
    assert said in text_of(html(make_record(history=history)))


def test_nothing_is_said_about_an_end_that_nobody_saw() -> None:
    read = text_of(html(make_record(history=make_history(stopped_early=None, seconds=[None] * 3))))
    assert "stopped early" not in read and "all the epochs" not in read
    assert "The model was trained for 3 epochs, as told by this run." in read


def test_without_a_training_part_the_page_says_so() -> None:
    record = make_record(evaluation={"train": None, "test": make_scores()})
    model = dataclasses.replace(record.model, origin="loaded")
    read = text_of(html(dataclasses.replace(record, model=model, data=with_data(record, train_size=None))))
    assert "The data has no training split" in read
    assert "no training split, 6 to test" in read


def test_a_model_without_mistakes_has_none_shown() -> None:
    perfect = make_scores(correct=6, accuracy=1.0, worst=[], most_confused=[])
    pictures = make_pictures(worst=np.zeros((0, 4, 4, 1), np.uint8))
    read = text_of(html(make_record(evaluation={"train": None, "test": perfect}, pictures=pictures)))
    assert "The model made no mistake on the test split." in read


def test_units_beyond_the_budget_are_counted() -> None:
    values = np.random.default_rng(0).random((2, 4, 4, 64), dtype=np.float32)
    kernels = Kernels("conv", 96, 1, 1.0, False, np.ones((64, 1, 3, 3), np.float32), np.zeros((64, 1), int))
    pictures = make_pictures(maps=[Maps("conv", 96, 1, values)], kernels=[kernels])
    read = text_of(html(make_record(pictures=pictures, layers=[make_verdict("conv", 96)])))
    assert "one picture a unit, numbered from 0 (64 of 96 shown)" in read
    assert "learned (64 of 96 units shown)" in read


def test_input_channels_beyond_the_budget_are_counted() -> None:
    weights = np.random.default_rng(0).standard_normal((2, 8, 3, 3))
    kernels = dataclasses.replace(make_kernels(weights), inputs=32)
    read = text_of(html(make_record(pictures=make_pictures(kernels=[kernels]))))
    assert "strongest first (8 of 32 shown)" in read


def test_thinned_maps_say_so() -> None:
    maps = dataclasses.replace(make_pictures().maps[0], step=4)
    read = text_of(html(make_record(pictures=make_pictures(maps=[maps]))))
    assert "one row and column in 4 is shown" in read


def test_units_that_are_silent_on_every_example_are_named() -> None:
    values = np.ones((2, 2, 2, 3), np.float32)
    values[:, :, :, 1] = 0
    values[0, :, :, 2] = 0
    read = text_of(html(make_record(pictures=make_pictures(maps=[Maps("conv", 3, 1, values)]))))
    assert "Here that are 3 of 6 tiles." in read
    assert "Hatched for every image shown: 1." in read


def test_kernels_of_a_colour_layer_are_also_shown_in_colour() -> None:
    kernels = make_kernels(np.random.default_rng(0).standard_normal((2, 3, 3, 3)), on_colour=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    examples = dataclasses.replace(make_pictures().examples, images=images)
    pictures = make_pictures(kernels=[kernels], examples=examples, worst=images[1:])
    found = tree(html(make_record(pictures=pictures)))
    assert [e.get("id") for e in found.iter("figure") if (e.get("id") or "").startswith("colours")] == ["colours-1"]


def test_a_model_without_units_gives_a_page_all_the_same() -> None:
    row = LayerRow("f", "Flatten", [None, 8], 0, False, literal("no"))
    model = ModelFacts("flat", "loaded", "softmax", 0, 0, 0, [row])
    pictures = Pictures(make_pictures().examples, make_pictures().worst, make_pictures().cards)
    record = make_record(model=model, pictures=pictures, layers=[], units=[], proof=Proof(0, 0.5, 0.5, [0.0, 0.0]))
    read = text_of(html(record))
    assert "No layer of this model has units" in read
    assert "The model has no inner units that can be judged." in read


def test_the_findings_come_first_with_their_weight_and_a_link_to_the_evidence() -> None:
    found = tree(html(make_record()))
    items = [
        (e.get("id"), e.get("class"), e.find("a").get("href"), "".join(e.itertext()))
        for e in found.iter("li")
        if e.get("class")
    ]
    assert [item[:3] for item in items] == [
        ("finding-1", "warning", "#layer-1"),
        ("finding-2", "notice", "#training"),
    ]
    assert "Warning. In layer conv, 1 unit says the same as the other." in " ".join(items[0][3].split())
    read = text_of(html(make_record()))
    assert read.index("Findings") < read.index("The layers of sequential")


def many(layers: int, code: str = "dead-units") -> list[Finding]:
    """Return a finding of one kind for each of so many layers; the second is about most units."""
    return [
        make_finding(code=code, severity="warning", message=f"Sentence {n}.", layer=f"l{n}", units=[0] * (1 + (n == 1)))
        for n in range(layers)
    ]


def test_findings_of_one_kind_are_one_with_the_others_in_a_fold() -> None:
    (entry,) = [e for e in tree(html(make_record(findings=many(105)))).iter("li") if e.get("id") == "finding-1"]
    (fold,) = entry.iter("details")
    said = " ".join("".join(entry.itertext()).split())
    assert said.startswith("Warning. 106 units never fired in 105 layers. Sentence 1.")
    assert "".join(fold.find("summary").itertext()) == "In 104 more layers: l0, l2, l3, l4, l5 and 99 more"
    assert sorted(e.text for e in fold.iter("li")) == sorted(f"Sentence {n}. " for n in range(105) if n != 1)
    links = ["".join(a.itertext()) for a in entry.iter("a")]
    assert links[0] == "Evidence: dead units in l1"
    assert len(set(links)) == 105, "each says where it leads"


def test_the_first_screen_has_seven_kinds_and_the_rest_is_counted_and_in_a_fold() -> None:
    codes = list(KINDS)[:9]
    found = tree(html(make_record(findings=[make_finding(code=code) for code in codes])))
    ids = [e.get("id") for e in found.iter("li") if (e.get("id") or "").startswith("finding-")]
    assert ids == [f"finding-{n}" for n in range(1, 10)]
    (fold,) = [e for e in found.iter("details") if e.get("class") == "more-findings"]
    assert [e.get("id") for e in fold.iter("li")] == ["finding-8", "finding-9"]
    names = f"{KINDS[codes[7]].name}, {KINDS[codes[8]].name}"
    assert "".join(fold.find("summary").itertext()) == f"2 more kinds of finding: {names}"


def test_paper_has_no_folds_and_a_section_for_what_the_first_page_has_no_room_for() -> None:
    made = html(make_record(findings=many(20)), on_paper=True)
    (section,) = [e for e in tree(made).iter("section") if e.get("id") == "all-findings"]
    said = " ".join("".join(section.itertext()).split())
    assert "Sentence 0." in said and "Sentence 1." not in said, "that one stands on the first page"
    assert "12 of 20 shown; the HTML page and report.json have all of them. The others are in l12, l13," in said
    assert 'id="all-findings"' not in html(make_record(), on_paper=True)


def test_the_first_screen_says_what_changed_and_what_to_do() -> None:
    record = make_record()
    read = text_of(html(dataclasses.replace(record, baseline=compare(record, record))))
    assert "Nothing new to do: nothing changed since the last report." in read
    worse = make_record(findings=[*record.findings, *many(2)])
    read = text_of(html(dataclasses.replace(worse, baseline=compare(record, worse)))).replace("\u00a0", " ")
    assert "Look at: dead units (new)." in read
    assert "Warning. New. 3 units never fired in 2 layers." in read
    assert "Still there." in read


def test_a_report_without_findings_says_so() -> None:
    assert "Nothing in this report asks for attention." in text_of(html(make_record(findings=[])))


def test_every_unit_has_an_anchor_of_its_own() -> None:
    ids = [e.get("id") for e in tree(html(make_record())).iter() if "/u" in (e.get("id") or "")]
    assert sorted(ids) == ["conv/u0", "conv/u1", "scores/u0", "scores/u1", "scores/u2"]


def test_the_strip_has_a_cell_a_unit_lettered_by_its_state() -> None:
    units = [make_unit(unit=n, state=state, group=None) for n, state in enumerate(STATES)]
    layers = [make_verdict("conv", len(STATES))]
    found = tree(html(make_record(units=units, layers=layers, pictures=make_pictures(cards=NO_CARDS))))
    cells = [(e.get("class"), "".join(e.itertext())) for e in found.iter("a") if "cell" in (e.get("class") or "")]
    letters = ["D", "C", "S", "A", "W", "5", "N", "P", "8"]
    assert cells == [(f"cell {state.replace(' ', '-')}", letter) for state, letter in zip(STATES, letters, strict=True)]


def cards(found: Any) -> dict[str, Any]:
    """Return the cards by their anchor, which lies inside of them so that a link to it opens them."""
    made = [e for e in found.iter("details") if "card" in (e.get("class") or "").split()]
    return {e.find("div").get("id"): e for e in made}


def test_a_flagged_unit_has_its_card_opened_and_a_healthy_one_folded() -> None:
    found = cards(tree(html(make_record())))
    assert {anchor: card.get("open") is not None for anchor, card in found.items()} == {
        "conv/u1": True,
        "conv/u0": False,
    }


def test_a_folded_card_still_shows_its_unit_and_strongest_images() -> None:
    summary = cards(tree(html(make_record())))["conv/u0"].find("summary")
    assert " ".join("".join(summary.itertext()).split()) == "Unit 0 circle, star (predicted circle)"
    assert next(summary.iter("img")).get("alt") == "Maximally activating images: circle, star (predicted circle)"


def test_paper_has_no_card_of_a_healthy_unit_but_its_row() -> None:
    found = tree(html(make_record(), on_paper=True))
    assert list(cards(found)) == ["conv/u1"]
    assert [e.tag for e in found.iter() if e.get("id") == "conv/u0"] == ["tr"]


def test_a_card_has_the_evidence_the_figures_and_the_labels_of_its_images() -> None:
    unit = make_unit(unit=1, state="dead", evidence="fired on 0 of 6 images", cause="its kernel is zero", nearest=None)
    unit = dataclasses.replace(unit, reasons=unit.reasons | {"nearest": "dead"})
    found = tree(html(make_record(units=[make_unit(), unit])))
    card = cards(found)["conv/u1"]
    read = " ".join("".join(card.itertext()).split()).replace("\u00a0", " ")
    for part in (
        "Fired on 0 of 6 images. Why: its kernel is zero.",
        "circle, star (predicted circle)",
        "Most like n/a: dead",
        "Prefers circle, 80 % hits at 10 % false alarms",
        "AUROC 0.90",
        "Selectivity n/a: some responses are negative",
    ):
        assert part in read


def read_of(card: Any) -> tuple[str, str]:
    """Return what a card says, and what of it stands in its details."""
    [more] = [e for e in card.iter("details") if e.get("class") == "more"]
    whole, folded = (" ".join("".join(e.itertext()).split()).replace("\u00a0", " ") for e in (card, more))
    return whole, folded


def test_a_card_names_the_unit_that_makes_it_removable_and_no_section_contradicts_another() -> None:
    kept, average = Nearest(0, 0.99, 0.98, 0.97, "interchangeable"), Nearest(0, 0.99, 0.98, 0.1, "on average")
    other = Nearest(3, 0.999, 0.99, 0.96, "interchangeable")
    units = [
        make_unit(unit=0, nearest=other),
        make_unit(unit=1, nearest=other, kept=kept, removable=True),
        make_unit(unit=2, group=None, nearest=average),
        make_unit(unit=3, group=None, nearest=dataclasses.replace(other, unit=0)),
        make_unit(unit=4, group=None),
    ]
    layers = [make_verdict("conv", 5, groups=[[0, 1]])]
    chosen = dataclasses.replace(make_pictures().cards, units={"conv": [0, 1, 2, 3, 4]})
    page = html(make_record(units=units, layers=layers, pictures=make_pictures(cards=chosen)))
    said = {anchor: read_of(card) for anchor, card in cards(tree(page)).items()}
    whole = [said[f"conv/u{unit}"][0] for unit in range(5)]
    # the one of its group, though unit 3 is more like it
    assert "Interchangeable with unit 1: r 0.99 over images, 0.98 within classes, 0.97 over positions" in whole[0]
    assert "Interchangeable with unit 0: r 0.99 over images" in whole[1]
    assert "Alike on average unit 0: r 0.99 over images, 0.98 within classes, 0.10 over positions" in whole[2]
    assert "(interchangeable, but not with every unit of its group)" in said["conv/u0"][1]
    assert (
        "Interchangeable with unit 0: r 0.999 over images, 0.99 within classes, 0.96 over positions"
        " (but not with every unit of that one's group)" in whole[3]
    )
    shown = int(make_pictures().maps[0].values[..., 1].max(axis=(1, 2)).argmax())
    assert f"Its map of image {shown} The map of unit 0, which stays" in whole[1]
    terms = {"".join(link.itertext()): link.get("href") for link in tree(page).iter("a")}
    assert terms["Interchangeable with"] == terms["Alike on average"] == "#g-interchangeable"
    assert "Interchangeable" not in whole[4] and "Alike" not in whole[4]


def test_what_every_channel_does_is_told_in_the_details_only() -> None:
    every = {"firing_rate": 1.0, "evidence": "fired on 6 of 6 images"}
    units = [make_unit(unit=0, **every), make_unit(unit=1, state="always-on", **every)]
    found = cards(tree(html(make_record(units=units))))
    (ordinary, folded), (flagged, _) = read_of(found["conv/u0"]), read_of(found["conv/u1"])
    assert ordinary.count("Fired on 6 of 6 images.") == folded.count("Fired on 6 of 6 images.") == 1
    assert ordinary.count("100.0 % of the images") == folded.count("100.0 % of the images") == 1
    assert "Fired on 6 of 6 images." in flagged.split("Details")[0]


def test_a_class_is_told_only_where_the_unit_tells_it_apart() -> None:
    prefers = Preferred("circle", 0.9, 0.8, 0.1, None, None, 0.5, 0.7, 0.6)
    poor = dataclasses.replace(prefers, f1=0.5)
    units = [make_unit(preferred_class=prefers), make_unit(unit=1, preferred_class=poor)]
    found = cards(tree(html(make_record(units=units))))
    (tells, _), (does_not, folded) = read_of(found["conv/u0"]), read_of(found["conv/u1"])
    assert "Prefers circle, 80 % hits at 10 % false alarms AUROC 0.90 F1 0.70 (a constant guess: 0.60)" in tells
    assert "AUROC" not in does_not and "no class enough to tell it apart: best circle, F1 0.50" in folded


def test_a_unit_that_no_image_fires_says_so_in_the_place_of_pictures() -> None:
    unit = make_unit(unit=1, state="dead", top_images=[], preferred_class=None)
    assert "No image makes it fire." in text_of(html(make_record(units=[make_unit(), unit])))


def test_the_proof_is_told_with_its_interval() -> None:
    read = text_of(html(make_record())).replace("\u00a0", " ")
    assert "With 1 unit called dead or redundant taken out" in read
    assert "goes from 83.33 % to 66.67 %; the true difference lies between \u221250.00 and +10.00 points" in read


def test_paper_lists_the_most_telling_of_the_units_without_a_card_and_says_so() -> None:
    units = [make_unit(unit=n, preferred_class=Preferred("star", 0.5 + n / 200, 1, 0, 1, 0, 1)) for n in range(60)]
    units[3] = dataclasses.replace(units[3], state="dead", preferred_class=None)
    record = make_record(units=units, layers=[make_verdict("conv", 60)], pictures=make_pictures(cards=NO_CARDS))
    paper, page = html(record, on_paper=True), html(record)
    assert "10 of 60 shown" in text_of(paper)
    assert rows_of(paper) == [3, *range(59, 50, -1)]
    assert "60 of 60 shown" in text_of(page)
    assert rows_of(page) == list(range(60))


def test_a_unit_with_a_card_on_paper_is_no_row_of_its_table() -> None:
    units = [make_unit(), make_unit(unit=1, removable=True)]
    paper = html(make_record(units=units), on_paper=True)
    assert "that have no card here: 1 of 1 shown" in text_of(paper)
    assert rows_of(paper) == [0]


def test_classes_with_names_are_told_beside_pictures_that_number_them() -> None:
    assert "The classes are 0 circle, 1 square, 2 star." in text_of(html(make_record()))


def with_data(record: Record, **changes: Any) -> DataFacts:
    return dataclasses.replace(record.data, **changes)


@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_text_from_outside_stays_text(on_paper: bool) -> None:
    """Names from data and model reach every place of the page where a name is shown."""
    classes = [dataclasses.replace(c, label=HOSTILE + str(n)) for n, c in enumerate(make_scores().classes)]
    worst = [dataclasses.replace(m, true=HOSTILE, predicted=HOSTILE) for m in make_scores().worst]
    confused = [dataclasses.replace(c, true=HOSTILE, predicted=HOSTILE) for c in make_scores().most_confused]
    scores = make_scores(classes=classes, worst=worst, most_confused=confused)
    record = make_record(
        title=literal(HOSTILE),
        evaluation={"train": scores, "test": scores},
        history=make_history(metrics={HOSTILE: [1.0, 2.0, 3.0]}, source=literal(HOSTILE)),
        pictures=make_pictures(maps=[dataclasses.replace(make_pictures().maps[0], layer=HOSTILE)], kernels=[]),
    )
    layers = [dataclasses.replace(row, name=HOSTILE, kind=HOSTILE) for row in record.model.layers[:1]]
    top = dataclasses.replace(make_unit().top_images[0], true=HOSTILE, predicted=HOSTILE)
    preferred = dataclasses.replace(make_unit().preferred_class, label=HOSTILE)
    unit = make_unit(layer=HOSTILE, evidence=HOSTILE, cause=HOSTILE, top_images=[top], preferred_class=preferred)
    cards = dataclasses.replace(make_pictures().cards, units={HOSTILE: [0]})
    record = dataclasses.replace(
        record,
        layers=[make_verdict(HOSTILE, 1, read_after=HOSTILE + "x", left_out={literal(HOSTILE): [0]})],
        units=[dataclasses.replace(unit, removable=True)],
        findings=[Finding("dead-units", "warning", literal(HOSTILE), HOSTILE, [0])],
        pictures=dataclasses.replace(record.pictures, cards=cards),
        model=dataclasses.replace(record.model, name=HOSTILE, layers=layers),
        data=with_data(record, source=literal(HOSTILE), name=HOSTILE, class_names=[HOSTILE] * 3),
        provenance=dataclasses.replace(record.provenance, command=HOSTILE, platform=literal(HOSTILE)),
    )
    made = html(record, on_paper=on_paper)
    plain = html(make_record(), on_paper=on_paper)
    tags = {e.tag for e in tree(made).iter() if isinstance(e.tag, str)}
    assert tags <= {e.tag for e in tree(plain).iter() if isinstance(e.tag, str)}, "a name became an element"
    assert "\x1b" not in made and "\u202e" not in made
    assert "<script>alert(1)</script>{{ 7*7 }}" in text_of(made)


def test_a_name_of_ten_thousand_characters_is_cut_visibly() -> None:
    assert "(10,000 characters)" in text_of(html(make_record(title=literal("x" * 10_000))))


def test_the_same_record_gives_the_same_page() -> None:
    assert html(make_record()) == html(make_record())


def test_a_template_of_the_readers_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "cover.html").write_text("<h1>House style: {{ r.title }}</h1>")
    read = text_of(html(make_record(), templates=tmp_path))
    assert "House style: Shapes" in read
    assert "The layers of sequential" in read, "the other templates are still ours"


@pytest.mark.parametrize(
    "template",
    ["{{ r.no_such_thing }}", "{% if %}", "{{ r.__class__.__mro__[1].__subclasses__() }}", "{% include 'gone.html' %}"],
    ids=["undefined", "syntax", "escape from the sandbox", "missing"],
)
def test_a_template_that_fails_is_an_input_error(tmp_path: Path, template: str) -> None:
    (tmp_path / "cover.html").write_text(template)
    with pytest.raises(InputError) as caught:
        html(make_record(), templates=tmp_path)
    assert_one_line(caught.value, tmp_path)


def test_templates_that_are_no_folder_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        html(make_record(), templates=tmp_path / "nowhere")
    assert_one_line(caught.value, "nowhere")


@pytest.mark.slow
def test_painting_needs_neither_tensorflow_nor_scikit_learn() -> None:
    loaded = modules_after("from reportgen.render.page import page\nfrom tests.helpers.builders import make_record\n"
                           "page.html(page.paint(make_record()), make_record().look)")  # fmt: skip
    assert not {name.split(".")[0] for name in loaded} & {"tensorflow", "keras", "sklearn"}


def test_the_colour_ramps_are_those_of_the_pictures() -> None:
    style = (templating.locate_templates() / "style.css").read_text()
    stops = {
        kind: re.search(rf"\.{kind} \{{ background: linear-gradient\(to right, (.*)\); \}}", style)[1].split(", ")
        for kind in ("sequential", "diverging")
    }
    expected = matplotlib.colormaps["viridis"](np.linspace(0, 1, len(stops["sequential"])))[:, :3]
    assert list(map(matplotlib.colors.to_rgb, stops["sequential"])) == pytest.approx(expected, abs=1 / 255)
    negative, zero, positive = stops["diverging"]
    ends = [matplotlib.colors.to_rgb(end) for end in (negative, positive)]
    assert ends == [pytest.approx(np.array(end) / 255) for end in (mosaic.NEGATIVE, mosaic.POSITIVE)]
    assert zero == "var(--ground)", "the ground of pictures: they are transparent there"


def test_an_image_that_a_card_shows_already_is_not_shown_again_as_that_of_another_class() -> None:
    tops = make_unit().top_images
    for other, shows in ((tops[1], False), (TopImage(7, 0.5, "star", "star", 0, 0), True)):
        card = layer_views.CardView(
            make_unit(other_image=other),
            make_verdict("conv", 2),
            None,
            dict.fromkeys(range(9), np.ones((4, 4, 1))),
            None,
        )
        assert (card.other is not None, card.other_place) == (shows, None if shows else 2)
    units = [make_unit(other_image=tops[1]), *make_record().units[1:]]
    assert "Strongest of another class: star, number 2 of its maximally activating" in text_of(
        html(make_record(units=units))
    )


@pytest.mark.slow
def test_characters_that_its_fonts_lack_are_told() -> None:
    names = ["circle", "\N{CAT FACE}", "四角"]
    classes = [dataclasses.replace(c, label=name) for c, name in zip(make_scores().classes, names, strict=True)]
    scores = make_scores(classes=classes)
    made = page.html(page.paint(make_record(evaluation={"train": None, "test": scores})), Look())
    assert made.uncovered == ["\N{CAT FACE}"]
    assert page.html(page.paint(make_record()), Look("ja")).uncovered == []

"""The size budget: pages and PDFs that fit, what they leave out and say so, and what they never leave out."""

import dataclasses
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import html5lib
import numpy as np
import pytest

from reportgen.errors import InputError, SurroundingsError
from reportgen.options import Budget
from reportgen.pipeline import flow, painting
from reportgen.progress import Progress
from reportgen.record import record_file
from reportgen.record.pictures import Cards, ClassMap, Correlations, Examples, Maps
from reportgen.record.run import Record
from reportgen.render.page import budget, cost, detail, page
from reportgen.render.page.budget import Fitted, Fitting
from reportgen.render.page.cost import Cost
from reportgen.render.page.layer_views import CELLS_ON_PAPER, ROWS_ON_PAPER
from reportgen.render.pdf import pdf
from reportgen.render.pdf.printer import Printer
from tests.conftest import Run
from tests.helpers.builders import assert_one_line, make_kernels, make_pictures, make_record, make_unit, make_verdict

pytestmark = pytest.mark.slow

LAYERS, UNITS, EXAMPLES, SIDE, IMAGE, CARDS = ("first", "second"), 70, 4, 36, 260, 50
SCREEN = range(len(detail.on_screen()))
PAPER = range(len(detail.on_paper(make_record())))


def large() -> Record:
    """Return a record that has more of everything than the first step with less has room for."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (EXAMPLES, IMAGE, IMAGE, 1), np.uint8)
    units = [
        make_unit(layer=layer, unit=u, group=None, **({"state": "dead", "cause": "zero kernel"} if u % 10 == 7 else {}))
        for layer in LAYERS
        for u in range(UNITS)
    ]
    by_need = sorted(units, key=lambda unit: unit.state == "healthy")[:CARDS]
    kernels = make_kernels(generator.standard_normal((64, 4, 3, 3)))
    pictures = make_pictures(
        examples=Examples(images, np.zeros(EXAMPLES, int), np.ones(EXAMPLES, int)),
        worst=images[1:],
        cards=Cards(
            np.array([0, 1]), images[:2], {name: [u.unit for u in by_need if u.layer == name] for name in LAYERS}
        ),
        maps=[Maps(name, UNITS, 1, generator.random((EXAMPLES, SIDE, SIDE, 64), np.float32)) for name in LAYERS],
        strips=[],
        kernels=[dataclasses.replace(kernels, layer=name, units=UNITS, inputs=9) for name in LAYERS],
        correlations=[
            Correlations(name, UNITS, generator.permutation(UNITS), generator.uniform(-1, 1, (UNITS, UNITS)))
            for name in LAYERS
        ],
        class_maps=[ClassMap(name, UNITS, generator.random((3, UNITS), np.float32)) for name in LAYERS],
    )
    small = make_record()
    rows = [dataclasses.replace(small.model.layers[0], name=name) for name in LAYERS]
    states = {"healthy": 63, "dead": 7}
    return make_record(
        model=dataclasses.replace(small.model, layers=rows),
        layers=[make_verdict(name, UNITS, states=states) for name in LAYERS],
        units=units,
        findings=[],
        pictures=pictures,
    )


@pytest.fixture(scope="module")
def record() -> Record:
    return large()


@pytest.fixture(scope="module")
def steps(record: Record) -> dict[tuple[bool, int], page.Page]:
    """Return the record's page on every step of both ladders, by whether it is for paper."""
    fitting, ladders = plain(record), {False: detail.on_screen(), True: detail.on_paper(record)}
    return {
        (paper, n): fitting._made(ladder, n, 0.5, **({"on_paper": True} if paper else {}))
        for paper, ladder in ladders.items()
        for n in range(len(ladder))
    }


@pytest.fixture(scope="module")
def trees(steps: dict[tuple[bool, int], page.Page]) -> dict[tuple[bool, int], Any]:
    """Return the parsed pages of all steps; the strict parser raises on what is not well nested."""
    return {which: tree(made) for which, made in steps.items()}


EACH = pytest.mark.parametrize(
    ("paper", "step"),
    [*itertools.product([False], SCREEN), *itertools.product([True], PAPER)],
    ids=lambda value: {True: "paper", False: "screen"}.get(value, value) if isinstance(value, bool) else f"step{value}",
)


def plain(record: Record) -> Fitting:
    return Fitting(record, lambda view, **how: page.html(view, record.look, **how))


def tree(made: page.Page) -> Any:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made.html)


def words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def note(found: Any) -> str:
    """Return what a parsed page says that it leaves out."""
    return next((words(e) for e in found.iter("p") if e.get("id") == "left-out"), "")


def rows(found: Any) -> Counter[str]:
    """Return how many rows each table of units has."""
    tables = [e for e in found.iter("figure") if (e.get("id") or "").startswith("units-")]
    return Counter({table.get("id"): len(list(table.find(".//tbody").iter("tr"))) for table in tables})


@EACH
def test_every_step_is_a_sound_page(trees: dict[tuple[bool, int], Any], paper: bool, step: int) -> None:
    found = trees[paper, step]
    ids = [e.get("id") for e in found.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {e.get("href")[1:] for e in found.iter("a")} <= set(ids), "a link leads nowhere"
    assert all((picture.get("alt") or "").strip() for picture in found.iter("img"))


@pytest.mark.parametrize("step", SCREEN)
def test_every_unit_stays_in_the_tables_of_the_page(trees: dict[tuple[bool, int], Any], step: int) -> None:
    found = trees[False, step]
    assert rows(found) == {"units-1": UNITS, "units-2": UNITS}
    ids = {e.get("id") for e in found.iter()}
    assert {f"{layer}/u{u}" for layer in LAYERS for u in range(UNITS)} <= ids, "a unit has no anchor"


def test_a_brief_row_says_what_a_row_says(
    steps: dict[tuple[bool, int], page.Page], trees: dict[tuple[bool, int], Any]
) -> None:
    whole, brief = ([[words(cell) for cell in row] for row in trees[False, n].iter("tr")] for n in (0, 1))
    assert brief == whole
    assert len(steps[False, 1].html) < len(steps[False, 0].html) - 150 * 2 * UNITS


@pytest.mark.parametrize("paper", [False, True], ids=["screen", "paper"])
def test_no_step_is_larger_than_the_one_before(steps: dict[tuple[bool, int], page.Page], paper: bool) -> None:
    sizes = [(cost.of_paper if paper else cost.of_page)(steps[paper, n]).total for n in (PAPER if paper else SCREEN)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 5


@pytest.mark.parametrize("paper", [False, True], ids=["screen", "paper"])
def test_what_fits_is_what_it_was_without_a_budget(record: Record, paper: bool) -> None:
    how = {"on_paper": True} if paper else {}
    fitting = plain(record)
    found = fitting.paper(1000) if paper else fitting.page(1000)
    assert (found.step, found.fits) == (0, True)
    assert found.made.html == page.html(page.paint(record), record.look, **how).html
    assert note(tree(found.made)) == ""


@EACH
def test_what_is_said_to_be_left_out_is_what_is_not_there(
    trees: dict[tuple[bool, int], Any], paper: bool, step: int
) -> None:
    found = trees[paper, step]
    said = note(found).replace("\N{NO-BREAK SPACE}", " ")
    pictures = [e for e in found.iter("ol") if (e.get("class") or "") == "pictures"]
    examples = len(list(pictures[-1].iter("li")))
    assert (f"Outputs are shown for {examples} of {EXAMPLES} test images." in said) == (examples < EXAMPLES)
    cards = sum("card" in (e.get("class") or "").split() for e in found.iter("details"))
    all_cards = 14 if paper else CARDS
    assert (f"Of {all_cards} cards of units {cards} are shown," in said) == (0 < cards < all_cards)
    assert ("No cards of units are shown." in said) == (not cards)
    captions = " ".join(words(e) for e in found.iter("figcaption"))
    units = [int(shown) for shown in re.findall(r"numbered from 0 \((\d+) of 70 shown\)", captions)]
    assert (f"At most {min(units, default=0)} units of a layer have a picture" in said) == (0 < sum(units) < 128)
    assert ("No outputs and kernels are shown." in said) == (not units)
    assert ("only some of these are shown" in said) == ("one row and column in" in captions and bool(units))
    listed = max(rows(found).values(), default=0)
    if paper:
        assert (f"have at most {listed} unit" in said) == (0 < listed < ROWS_ON_PAPER)
        assert ("The tables of units are left out." in said) == (not listed)
    if said:
        assert said.startswith(f"To keep this {'PDF' if paper else 'page'} under 0.5 MB, ")
        assert "Every unit is in " in said and "report.json" in said
    is_last = step == (PAPER if paper else SCREEN)[-1]
    assert ("so the file can be larger all the same." in said) == is_last


@pytest.mark.parametrize(("limit", "split"), [(2.5, None), (1.5, None), (0.7, None), (1.1, "beside")])
def test_the_page_is_the_first_step_that_fits(record: Record, limit: float, split: str | None) -> None:
    fitting, ladder = plain(record), detail.on_screen()
    found = fitting.page(limit, split=split)
    assert found.fits
    assert len(found.made.html.encode()) + sum(map(len, found.made.files.values())) <= limit * 1e6
    before = cost.of_page(fitting._made(ladder, found.step - 1, limit, split=split))
    assert found.step > 0 and before.total > limit * 1e6, "more would have fitted"


def test_where_nothing_fits_the_least_is_made(record: Record) -> None:
    found = plain(record).page(0.001)
    assert (found.step, found.fits) == (SCREEN[-1], False)
    assert rows(tree(found.made)) == {"units-1": UNITS, "units-2": UNITS}


def test_what_is_foreseen_is_about_right(record: Record, steps: dict[tuple[bool, int], page.Page]) -> None:
    for paper, ladder in ((False, detail.on_screen()), (True, detail.on_paper(record))):
        measure = cost.of_paper if paper else cost.of_page
        for n in range(len(ladder) - 1):
            foreseen, real = cost.foreseen(record, ladder[n], paper=paper).cost(), measure(steps[paper, n])
            assert 0.2 < real.total / foreseen.total < 3, (paper, n)


class Made:
    """Stands for pages whose sizes are known, and counts which were made."""

    def __init__(self, sizes: list[float], foreseen: list[float]) -> None:
        self.sizes, self.foreseen, self.tried = sizes, [Cost(size, 1) for size in foreseen], list[int]()

    def fit(self, most: float) -> Fitted[int]:
        return budget.first_that_fits(
            make=lambda step: (self.tried.append(step), step)[1],
            measured=lambda step: Cost(self.sizes[step], 1),
            foreseen=self.foreseen,
            most=most + 1,
        )


SIZES = [900.0, 700.0, 500.0, 400.0, 300.0, 200.0, 150.0, 100.0, 50.0, 10.0]


@pytest.mark.parametrize("factor", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("most", [1000, 900, 899, 450, 100, 10])
def test_the_first_step_that_fits_is_found_at_once_if_sizes_are_foreseen(most: float, factor: float) -> None:
    made = Made(SIZES, [factor * size for size in SIZES])
    found = made.fit(most)
    assert found == Fitted(next(n for n, size in enumerate(SIZES) if size <= most), found.step, True)
    assert len(made.tried) <= 2


def test_a_huge_page_is_not_made_only_to_be_found_too_large() -> None:
    sizes = [46e6, 42e6, 36e6, 27e6, 21e6, 19e6, 12e6]
    made = Made(sizes, [1.01 * size for size in sizes])
    assert made.fit(20e6).step == 5 and 0 not in made.tried and len(made.tried) <= 2


@pytest.mark.parametrize("limit", [2.0, 1.2])
def test_a_huge_page_is_made_once_by_what_a_sample_of_it_takes(
    record: Record, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(budget, "_HUGE", 1)
    made: list[page.Page] = []

    def page_of(view: page.View, **how: Any) -> page.Page:
        made.append(page.html(view, record.look, **how))
        return made[-1]

    found = Fitting(record, page_of).page(limit)
    assert found.fits and len(made) <= 2
    assert cost.of_page(found.made).total > 0.4 * limit * 1e6, "much more would have fitted"


def test_a_page_is_the_same_whatever_was_looked_at_before(record: Record) -> None:
    fitting, step = plain(record), detail.on_screen()[4]
    cost.sampled(fitting.view(step.room), step.listing)
    again = page.html(page.paint(record, step.room), record.look, listing=step.listing)
    assert page.html(fitting.view(step.room), record.look, listing=step.listing) == again


@pytest.mark.parametrize("power", [0.5, 1.5, 2.0])
@pytest.mark.parametrize("most", [899, 450, 160, 60])
def test_a_step_that_fits_is_found_though_sizes_are_foreseen_badly(most: float, power: float) -> None:
    made = Made(SIZES, [size**power for size in SIZES])
    found = made.fit(most)
    assert found.fits and SIZES[found.step] <= most
    assert len(made.tried) == len(set(made.tried)) <= 5
    assert SIZES[found.step - 1] > most, "more would have fitted"


def test_where_no_step_fits_the_last_one_is_made() -> None:
    made = Made(SIZES, SIZES)
    assert made.fit(5) == Fitted(9, 9, False)
    assert made.tried == [0, 9]


def test_with_room_for_everything_nothing_is_touched(record: Record) -> None:
    assert detail.thinned(record, detail.ALL) is record


def test_thinning_touches_pictures_alone(record: Record) -> None:
    least = detail.thinned(record, detail.on_screen()[-1].room)
    assert dataclasses.replace(least, pictures=record.pictures) == record
    assert not least.pictures.maps and not least.pictures.kernels and not least.pictures.class_maps


@pytest.mark.parametrize("step", range(2, 12))
def test_thinned_outputs_are_values_of_the_whole_ones(record: Record, step: int) -> None:
    space = detail.on_screen()[step].room
    for before, after in zip(record.pictures.maps, detail.thinned(record, space).pictures.maps, strict=False):
        examples, height, width, units = after.values.shape
        assert after.units == before.units
        assert max(height, width) <= (space.map_side or SIDE)
        whole = before.values[:examples, :: after.step, :: after.step, :units]
        np.testing.assert_array_equal(after.values, whole)


def test_a_unit_that_fired_is_not_thinned_to_one_that_did_not() -> None:
    values = np.zeros((1, 40, 40, 3), np.float32)
    values[0, 33, 7, 0] = 2.0  # in no row that is kept
    values[0, 0, 0, 1] = 1.0
    record = make_record(pictures=make_pictures(maps=[Maps("conv", 3, 1, values)]))
    after = detail.thinned(record, detail.Detail(map_side=8)).pictures.maps[0]
    assert after.values.shape == (1, 8, 8, 3) and after.step == 5
    assert after.values.any(axis=(0, 1, 2)).tolist() == [True, True, False]
    assert after.values[0, 6, 1, 0] == 2.0


def test_of_cards_those_of_healthy_units_go_first(record: Record) -> None:
    kept = detail.thinned(record, detail.Detail(cards=20)).pictures.cards.units
    states = {(unit.layer, unit.unit): unit.state for unit in record.units}
    shown = [states[layer, unit] for layer, units in kept.items() for unit in units]
    assert Counter(shown) == {"dead": 14, "healthy": 6}


def test_correlations_keep_their_units_and_order(record: Record) -> None:
    before = record.pictures.correlations[0]
    after = detail.thinned(record, detail.Detail(compared=32)).pictures.correlations[0]
    assert after.order.tolist() == [unit for unit in before.order if unit < 32]
    row, column = before.order.tolist().index(3), before.order.tolist().index(30)
    place = after.order.tolist()
    assert after.r[place.index(3), place.index(30)] == before.r[row, column]


@pytest.mark.parametrize("shape", [(50, 1), (9, 20, 20, 1)], ids=["series", "volumes"])
def test_series_and_volumes_are_shown_whole(shape: tuple[int, ...]) -> None:
    images, values = np.ones((2, *shape), np.float32), np.ones((2, *shape[:-1], 2), np.float32)
    pictures = make_pictures(
        examples=Examples(images, np.array([0, 0]), np.array([0, 1])), worst=images, maps=[Maps("conv", 2, 1, values)]
    )
    less = detail.thinned(make_record(pictures=pictures), detail.Detail(map_side=8, image_side=48)).pictures
    assert less.examples.images.shape == images.shape and less.maps[0].values.shape == values.shape


@pytest.mark.parametrize(("layers", "units"), [(1, 4000), (53, 500), (400, 30), (1600, 8)])
def test_the_pdf_of_many_layers_lists_fewer_units_of_each(layers: int, units: int) -> None:
    many = make_record(layers=[make_verdict(f"layer{n}", units) for n in range(layers)])
    listing = detail.on_paper(many)[0].listing
    assert listing.rows is not None and listing.cells is not None
    assert listing.rows <= ROWS_ON_PAPER and listing.cells <= CELLS_ON_PAPER
    for most, of_all, each in ((ROWS_ON_PAPER, 1500, listing.rows), (CELLS_ON_PAPER, 5000, listing.cells)):
        assert layers * min(each, units) <= of_all
        assert each == most or layers * min(each + 1, units) > of_all, "there was room for more"


def test_a_pdf_that_lists_fewer_units_says_so_though_its_pictures_fit() -> None:
    many = make_record(layers=[make_verdict(f"layer{n}", 60) for n in range(300)])
    said = " ".join(detail.left_out(many, detail.on_paper(many)[0], 10, paper=True, is_last=False))
    assert said.startswith("This model has more layers and units than there is room for in a PDF.")
    assert "The tables of units have at most 5 units of each layer." in said
    assert "--max-pdf-mb" not in said


class StandIn:
    """A printer whose PDFs are `times` as large as they were foreseen."""

    sent: list[str]

    def __init__(self, times: float) -> None:
        self.times, self.sent = times, []

    def __call__(self) -> "StandIn":
        return self

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def send(self, paper: str) -> None:
        self.sent.append(paper)

    def receive(self) -> pdf.Pdf:
        return pdf.Pdf(bytes(int(self.times * cost.of_paper(page.Page(self.sent[-1])).total)), [])


@pytest.mark.parametrize(("times", "prints"), [(0.9, 1), (1.5, 2), (3.0, 2)])
def test_a_pdf_larger_than_foreseen_is_made_again_with_less(
    record: Record, monkeypatch: pytest.MonkeyPatch, times: float, prints: int
) -> None:
    printer, fitting = StandIn(times), plain(record)
    monkeypatch.setattr(budget, "Printer", printer)
    paper = fitting.paper(1.0)
    printer.send(paper.made.html)
    made = fitting.printed(paper, printer, 1.0)
    assert made.fits and len(made.made.content) <= 1e6
    assert len(printer.sent) == prints


def test_a_pdf_that_cannot_be_small_enough_is_made_all_the_same(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer, fitting = StandIn(1000), plain(record)
    monkeypatch.setattr(budget, "Printer", printer)
    paper = fitting.paper(1.0)
    printer.send(paper.made.html)
    made = fitting.printed(paper, printer, 1.0)
    assert not made.fits and made.step == PAPER[-1]
    assert "can be larger all the same" in printer.sent[-1]
    assert len(printer.sent) <= 3


def test_a_real_pdf_is_as_small_as_foreseen(record: Record) -> None:
    try:
        pdf.check()
    except SurroundingsError as error:
        pytest.skip(str(error))
    fitting = plain(record)
    paper = fitting.paper(0.5)
    with Printer() as printer:
        printer.send(paper.made.html)
        made = fitting.printed(paper, printer, 0.5)
    assert made.fits and made.step == paper.step > 0, "it was foreseen wrongly"
    assert 0.7 < len(made.made.content) / cost.of_paper(paper.made).total <= 1


@pytest.fixture
def folder(record: Record, tmp_path: Path) -> Path:
    made = tmp_path / "report"
    made.mkdir()
    for name, content in record_file.to_bytes(record).items():
        (made / name).write_bytes(content)
    return made


def test_render_keeps_to_the_budget_and_loses_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with (folder.parent / "said").open("w") as stream:
        made = flow.render(folder, formats=["html"], max_html_mb=1.5, progress=Progress(stream))
    assert made.files["report.html"] <= 1_500_000
    assert (
        "report.html says what it leaves out to stay under --max-html-mb 1.5." in (folder.parent / "said").read_text()
    )
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".html"}
    again = flow.render(folder, formats=["html"])
    assert again.files["report.html"] > 1_500_000, "the pictures are not there any more"


def test_a_page_that_cannot_be_small_enough_is_written_and_that_is_said(folder: Path) -> None:
    with (folder.parent / "said").open("w") as stream:
        made = flow.render(folder, formats=["html"], max_html_mb=0.001, progress=Progress(stream))
    assert made.files["report.html"] > 1000
    assert "report.html is larger than --max-html-mb 0.001" in (folder.parent / "said").read_text()


@pytest.mark.parametrize("name", ["max_html_mb", "max_pdf_mb"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "20"])
def test_a_budget_is_a_number_above_0(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Budget(**{name: value}).check()
    assert_one_line(caught.value, f"--{name.replace('_', '-')} is {value!r}")


@pytest.mark.parametrize("arguments", [["report", "--max-html-mb", "0"], ["render", ".", "--max-pdf-mb", "-2"]])
def test_a_senseless_budget_is_refused_before_any_work(light: Run, arguments: list[str]) -> None:
    done = light(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"reportgen: error: {arguments[-2]} is ")


def test_the_painter_has_the_usual_budget_unless_told(record: Record) -> None:
    with painting.Painter(["html"], Progress()) as painter:
        made = painter.paint(record)
    assert b'id="left-out"' not in made.files["report.html"]

"""What changed between two reports: on real trainings, and on records made for each case."""

import dataclasses
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import html5lib
import numpy as np
import pytest
import typer

from reportgen import intervals
from reportgen.analysis.activations.bins import Grid
from reportgen.analysis.activations.tally import KEPT, LayerPlan, LayerTally, kept_of
from reportgen.analysis.evaluation import answers
from reportgen.cli.commands.compare import compare as command
from reportgen.compare.changes import compare
from reportgen.data import samples
from reportgen.i18n import literal, text
from reportgen.record import record_file
from reportgen.record.changes import Baseline, Figure, LayerMatch, UnitChange
from reportgen.record.conditions import Condition
from reportgen.record.effects import Effect
from reportgen.record.evaluation import ClassScore
from reportgen.record.model import LayerRow
from reportgen.record.pictures import Answers, Responses
from reportgen.record.run import Look, Record
from reportgen.record.units import Preferred
from reportgen.render.comparison import view as painted
from reportgen.render.comparison.terminal import plain
from reportgen.render.page import page
from tests.conftest import leave_blank, leave_out
from tests.helpers.builders import (
    changed_from,
    make_condition,
    make_effect,
    make_finding,
    make_history,
    make_pictures,
    make_record,
    make_scores,
    make_unit,
    make_verdict,
    with_effects,
)

IMAGES = 250
UNITS = {"conv2d": 16, "conv2d_1": 32, "dense": 64}


# Real trainings


@dataclasses.dataclass(frozen=True)
class Runs:
    """Report folders: a training, one from another seed, and the first with a unit killed."""

    first: Path
    other: Path
    maimed: Path
    killed: int


LAYER = "conv2d_1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    import keras

    from reportgen import report

    data = samples.load("sample", test_only=False)
    assert data.train is not None
    # every fourth image has every class and makes a test split of IMAGES
    arrays = {
        **{"x_train": data.train.images[::4], "y_train": data.train.labels[::4]},
        **{"x_test": data.test.images[::4], "y_test": data.test.labels[::4]},
    }
    top = tmp_path_factory.mktemp("runs")

    def made(name: str, model: Any, seed: int = 0) -> Path:
        report(model, arrays, out=top / name, seed=seed, epochs=1, formats=["html"], shifts="none")
        return top / name

    with pytest.MonkeyPatch.context() as patch:
        leave_blank(patch)
        leave_out(patch)
        first = made("first", None)
        healthy = [u.unit for u in record_file.load(first).units if u.layer == LAYER and u.state == "healthy"]
        model = keras.models.load_model(first / "model.keras")
        kernel, bias = model.get_layer(LAYER).get_weights()
        kernel[..., healthy[1]], bias[healthy[1]] = 0, -1
        model.get_layer(LAYER).set_weights([kernel, bias])
        return Runs(first, made("other", None, seed=1), made("maimed", model), healthy[1])


def changes(old: Path, new: Path) -> Baseline:
    return compare(record_file.load(old), record_file.load(new))


@pytest.mark.tensorflow
def test_a_unit_that_was_killed_is_named_as_newly_dead(runs: Runs) -> None:
    found = changes(runs.first, runs.maimed)
    died = [(change.layer, change.unit, change.unit_before) for change in found.units if change.kind == "dead"]
    assert died == [(LAYER, runs.killed, runs.killed)]
    assert found.counts["dead"].after == (found.counts["dead"].before or 0) + 1
    assert "1 unit more is dead" in found.summary
    assert not found.unchanged
    assert {match.by for match in found.matches} == {"index", "class"}, "weights of one start are matched by number"


@pytest.mark.tensorflow
def test_a_unit_that_came_back_to_life_is_named_too(runs: Runs) -> None:
    found = changes(runs.maimed, runs.first)
    back = [(change.layer, change.unit) for change in found.units if change.kind == "recovered"]
    assert back == [(LAYER, runs.killed)]


@pytest.mark.tensorflow
def test_trainings_from_other_seeds_are_matched_by_what_units_answer(runs: Runs) -> None:
    found = changes(runs.first, runs.other)
    inner, output = found.matches[:-1], found.matches[-1]
    assert {match.by for match in inner} == {"correlation"}
    assert output.by == "class"
    for match in inner:
        assert match.images == IMAGES
        for unmatched in (match.unmatched_before, match.unmatched_after):
            assert match.pairs + len(unmatched) == UNITS[match.layer]
        assert match.threshold is not None and match.median_r is not None
        assert match.median_r >= match.threshold >= 0.5
    assert any(change.unit != change.unit_before for change in found.units)
    assert "The seeds differ, 0 before and 1 now" in found.caveats[0]


@pytest.mark.tensorflow
def test_of_two_identical_runs_nothing_changed(runs: Runs, tmp_path: Path) -> None:
    """When, where, from which file and how fast each was made is no change.

    That the same seed trains the same network is seen where a report is made twice.
    """
    first = record_file.load(runs.first)
    assert first.provenance.command == "reportgen report --data '<arrays>' --epochs 1 --shifts none"
    assert first.history is not None and None not in [*first.history.seconds, *first.provenance.seconds.values()]
    slower = [2 * (seconds or 0) for seconds in first.history.seconds]
    again = of_run(
        dataclasses.replace(
            first, made_at="2031-02-03T04:05:06Z", history=dataclasses.replace(first.history, seconds=slower)
        ),
        command="reportgen report --data elsewhere/digits.npz --shifts none --epochs 1",
        seconds={step: 2 * (seconds or 0) + 1 for step, seconds in first.provenance.seconds.items()},
    )
    found = changes(runs.first, put(tmp_path / "second", again))
    assert found.unchanged
    assert found.summary.startswith("nothing changed")
    assert not (found.caveats or found.units or found.layers or found.findings.new or found.findings.gone)
    assert (found.accuracy.gained, found.accuracy.lost) == (0, 0)


@pytest.mark.tensorflow
def test_a_real_comparison_survives_the_disk_and_shows_on_the_page(runs: Runs, tmp_path: Path) -> None:
    new = record_file.load(runs.maimed)
    record = dataclasses.replace(new, baseline=changes(runs.first, runs.maimed))
    for name, content in record_file.to_bytes(record).items():
        (tmp_path / name).write_bytes(content)
    assert record_file.load(tmp_path).baseline == record.baseline
    rows = table_rows(page.html(page.paint(record), Look()).html, "changes-units")
    assert rows[1] == [LAYER, str(runs.killed), str(runs.killed), "died", "fires normally", "dead", "n/a"]


# The command


@pytest.mark.tensorflow
def test_the_command_says_what_changed_and_writes_a_page(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(runs.first, runs.maimed, out=tmp_path / "changes.html", lang=None)
    said = capsys.readouterr().out
    assert re.search(rf"^  {LAYER} +{runs.killed} +{runs.killed} +died +fires normally +dead +n/a$", said, re.MULTILINE)
    assert said.splitlines()[-1] == str(tmp_path / "changes.html")
    made = (tmp_path / "changes.html").read_text(encoding="utf-8")
    assert "died" in text_of(made)


@pytest.mark.parametrize("which", [0, 1], ids=["old", "new"])
@pytest.mark.parametrize("fault", ["missing", "broken", "another schema"])
def test_a_folder_that_holds_no_report_is_one_line(
    which: int, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        put(folder, make_record())
    wrong = folders[which] / "report.json"
    if fault == "missing":
        wrong.unlink()
    else:
        wrong.write_text('{"schema": "other/9"}' if fault == "another schema" else "{", encoding="utf-8")
    with pytest.raises(typer.Exit) as left:
        command(folders[0], folders[1], out=tmp_path / "page.html", lang=None)
    heard = capsys.readouterr()
    assert left.value.exit_code == 2
    assert heard.out == ""
    assert re.fullmatch(r"reportgen: error: .+; .+\n", heard.err)
    assert str(folders[which]) in heard.err
    assert not (tmp_path / "page.html").exists()


def test_a_folder_as_out_and_an_unknown_language_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "a", make_record())
    for options in ({"out": tmp_path, "lang": None}, {"out": None, "lang": "tlh"}):
        with pytest.raises(typer.Exit) as left:
            command(folder, folder, **options)
        assert left.value.exit_code == 2


# Records made for a case


def put(folder: Path, record: Record) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in record_file.to_bytes(record).items():
        (folder / name).write_bytes(content)
    return folder


def text_of(made: str) -> str:
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made)
    return " ".join("".join(parsed.find("body").itertext()).replace("\u00a0", " ").split())


def table_rows(made: str, name: str) -> list[list[str]]:
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made)
    table = next(e for e in parsed.iter("figure") if e.get("id") == name)
    return [["".join(cell.itertext()).strip() for cell in row] for row in table.iter("tr")]


def responding(values: Any, *, right: Any = None, images: Any = None, **changes: Any) -> Record:
    """Return a record of one layer called conv whose units answer `values`, (M, U), to its images."""
    values = np.asarray(values, np.float32)
    units = values.shape[1]
    answered = Answers(
        right=np.ones(6, np.bool_) if right is None else np.asarray(right, np.bool_),
        images=np.arange(len(values)) if images is None else np.asarray(images),
        responses=[Responses("conv", answers.standardised(values))],
    )
    changes = {
        "layers": [make_verdict("conv", units)],
        "units": [make_unit(unit=u, group=None) for u in range(units)],
        "pictures": make_pictures(answers=answered),
    } | changes
    return foreign(make_record(**changes), "one")


def foreign(record: Record, model: str, **changes: Any) -> Record:
    """Return the record as of a model file of its own, whose origin says nothing about its start."""
    provenance = dataclasses.replace(record.provenance, model_sha256=model, **changes)
    return dataclasses.replace(record, provenance=provenance, model=dataclasses.replace(record.model, origin="loaded"))


def noise(images: int = 100, units: int = 8, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((images, units))


def of_model(record: Record, **changes: Any) -> Record:
    return dataclasses.replace(record, model=dataclasses.replace(record.model, **changes))


def of_run(record: Record, **changes: Any) -> Record:
    return dataclasses.replace(record, provenance=dataclasses.replace(record.provenance, **changes))


def with_unit(record: Record, number: int, **changes: Any) -> Record:
    units = [dataclasses.replace(u, **changes) if n == number else u for n, u in enumerate(record.units)]
    return dataclasses.replace(record, units=units)


def kinds(found: Baseline) -> list[tuple[str, int, str, str]]:
    return [(change.kind, change.unit, change.before, change.after) for change in found.units]


def test_a_record_has_not_changed_since_itself() -> None:
    found = compare(make_record(), make_record())
    assert found.unchanged
    assert found.summary == "nothing changed: accuracy 83.3 %"


OTHERS: dict[str, tuple[Callable[[Record], Record], str]] = {
    "data": (lambda r: of_run(r, data_sha256="f" * 64), "The data differ: shapes (SHA-256 dddddddddddd) before"),
    "test split": (
        lambda r: dataclasses.replace(r, data=dataclasses.replace(r.data, test_size=7)),
        "had 6 images and has 7 now",
    ),
    "parts": (
        lambda r: dataclasses.replace(r, data=dataclasses.replace(r.data, looked_at=["train"])),
        "other splits of the data",
    ),
    "seed": (lambda r: of_run(r, seed=7), "The seeds differ, 0 before and 7 now"),
    "layers": (lambda r: of_model(r, layers=r.model.layers[:-1]), "not built alike"),
    "keras": (
        lambda r: of_run(r, versions=r.provenance.versions | {"keras": "3.16"}),
        "Keras was version 3.15.1 and is 3.16 now",
    ),
    "tensorflow": (
        lambda r: of_run(r, versions=r.provenance.versions | {"tensorflow": "2.22"}),
        "TensorFlow was version 2.21.0 and is 2.22 now",
    ),
    "reportgen": (lambda r: dataclasses.replace(r, reportgen="0.2.0"), "reportgen was version 0.1.0 and is 0.2.0"),
    "options": (
        lambda r: of_run(r, command="reportgen report --data x.npz --redundant 0.9"),
        "the defaults before, --redundant 0.9 now",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_makes_two_reports_not_comparable_is_said_and_said_first(what: str) -> None:
    change, expected = OTHERS[what]
    found = compare(make_record(), change(make_record()))
    assert any(expected in caveat for caveat in found.caveats), found.caveats
    assert not found.unchanged
    said = shown(make_record(), change(make_record()))
    assert said.index("Careful") < said.index("Test accuracy")


def shown(old: Record, new: Record, lang: str = "en") -> str:
    found = painted.paint(dataclasses.replace(new, baseline=compare(old, new)), has_cards=False)
    assert found is not None
    return plain(found, lang)


def test_another_seed_says_nothing_about_models_that_were_loaded() -> None:
    old = foreign(make_record(), "m")
    assert compare(old, of_run(old, seed=9)).caveats == []


def test_a_command_that_no_shell_could_read_is_compared_all_the_same() -> None:
    found = compare(make_record(), of_run(make_record(), command='reportgen report "unclosed'))
    assert not any("options" in caveat for caveat in found.caveats)


# Figures


def test_figures_stand_side_by_side_with_exact_counts() -> None:
    worse = make_scores(accuracy=4 / 6, correct=4, loss=0.75, ece=0.25)
    shorter = make_history(epochs=[1, 2], metrics={"val_loss": [1.0, 0.7]}, seconds=[4.5, 4.0])
    new = make_record(evaluation={"train": None, "test": worse}, history=shorter, proof=None)
    found = compare(make_record(), new)
    assert (found.counts["test_correct"].before, found.counts["test_correct"].after) == (5, 4)
    assert (found.counts["epochs"].before, found.counts["epochs"].after) == (3, 2)
    assert (found.figures["test_loss"].before, found.figures["test_loss"].after) == (0.5, 0.75)
    assert found.figures["train_accuracy"].after is None
    assert found.figures["proof"].before == pytest.approx(-1 / 6)
    assert found.figures["proof"].after is None
    assert found.summary == "accuracy 66.7 % (−16.7 points)"
    said = shown(make_record(), new)
    assert re.search(r"Test accuracy +83.33 % +66.67 % +−16.67 points", said)
    assert re.search(r"Accuracy without dead or redundant units +−16.67 points +n/a +n/a", said)


def test_numbers_of_right_answers_of_different_test_parts_have_no_difference() -> None:
    larger = dataclasses.replace(make_record(), data=dataclasses.replace(make_record().data, test_size=60))
    assert re.search(r"Right predictions +5 of 6 +5 of 60 +n/a", shown(make_record(), larger))


def test_units_in_all_count_those_inside_the_model_only() -> None:
    assert compare(make_record(), make_record()).counts["units"].before == 2


def test_the_accuracies_of_the_same_images_are_compared_image_by_image() -> None:
    old = responding(noise(), right=[1, 1, 1, 1, 0, 0])
    new = responding(noise(), right=[0, 1, 1, 1, 1, 1])
    found = compare(old, new).accuracy
    assert (found.paired, found.gained, found.lost) == (True, 2, 1)
    low, high = found.interval
    assert -1 <= low < 1 / 6 < high <= 1


def test_images_that_changed_sides_are_a_change_though_the_accuracy_is_the_same() -> None:
    found = compare(responding(noise(), right=[1, 1, 1, 1, 1, 0]), responding(noise(), right=[0, 1, 1, 1, 1, 1]))
    assert not found.unchanged


@pytest.mark.parametrize("case", ["other data", "no answers kept"])
def test_without_the_same_images_accuracies_are_independent_samples(case: str) -> None:
    old = responding(noise())
    new = of_run(old, data_sha256="f" * 64) if case == "other data" else make_record()
    found = compare(old, new).accuracy
    assert (found.paired, found.gained, found.lost) == (False, None, None)
    assert found.interval[0] < 0 < found.interval[1]


def test_of_other_data_no_difference_of_accuracies_is_told_in_the_summary() -> None:
    found = compare(make_record(), of_run(make_record(), data_sha256="f" * 64))
    assert found.summary == "accuracy 83.3 % on other data than before"


# Classes


@pytest.mark.parametrize(
    ("sha", "said"), [("0", ", 1 finding is worse"), ("1", "")], ids=["the same data", "other data"]
)
def test_a_finding_is_called_worse_in_the_summary_on_the_same_data_alone(sha: str, said: str) -> None:
    old, new = (
        of_run(make_record(findings=[make_finding(code="suspect-labels", count=count)]), data_sha256=data)
        for count, data in ((3, "0" * 64), (9, sha * 64))
    )
    found = compare(old, new)
    assert [(one.before, one.after) for one in found.kinds] == [(3, 9)]
    assert found.summary.endswith(said or "on other data than before")


def test_classes_are_matched_by_label_and_come_and_go() -> None:
    circle, square, _ = make_scores().classes
    classes = [ClassScore("ring", 1.0, 1.0, 1.0, 2), square, dataclasses.replace(circle, recall=0.25)]
    found = compare(make_record(), make_record(evaluation={"train": None, "test": make_scores(classes=classes)}))
    by_label = {change.label: change for change in found.classes}
    assert list(by_label) == ["ring", "square", "circle", "star"]
    assert by_label["ring"].before is None and by_label["star"].after is None
    assert by_label["circle"].before == circle
    assert "1 class is gone: star." in found.caveats
    assert "1 class is new: ring." in found.caveats


def test_only_classes_that_changed_noticeably_are_listed_and_counted() -> None:
    circle, *others = make_scores().classes
    new = make_record(
        evaluation={"train": None, "test": make_scores(classes=[dataclasses.replace(circle, recall=0.25), *others])}
    )
    said = shown(make_record(), new)
    assert "Classes that changed by 0.01 or more: 1 of 3 shown" in said
    assert re.search(r"circle +1.000 +1.000 +0.500 +0.250", said)
    assert "square" not in said


def test_a_change_of_recall_has_an_interval_by_the_images_that_changed() -> None:
    labels = np.repeat([0, 1, 2], [400, 400, 200])
    right = [np.ones(1000, np.bool_), np.ones(1000, np.bool_)]
    right[0][:40], right[1][20:30] = False, False  # of circles: 30 won, none lost but those wrong both times
    old, new = (
        make_record(
            evaluation={"train": None, "test": with_recall(is_right, labels)},
            pictures=make_pictures(answers=Answers(is_right, np.zeros(0, np.int64), [], labels.astype(np.uint8))),
        )
        for is_right in right
    )
    circle, square, _ = compare(old, new).classes
    assert circle.recall_interval == pytest.approx(intervals.paired_difference(30, 0, 400))
    assert square.recall_interval == pytest.approx(intervals.paired_difference(0, 0, 400))
    apart = compare(of_run(old, data_sha256="f" * 64), new).classes[0]
    assert apart.recall_interval == pytest.approx(intervals.difference((390, 400), (360, 400)))


def with_recall(right: Any, labels: Any) -> Any:
    """Return scores whose recalls are those of these answers."""
    found = [right[labels == k] for k in range(3)]
    rows = zip(make_scores().classes, found, strict=True)
    classes = [dataclasses.replace(row, recall=float(of.mean()), support=len(of)) for row, of in rows]
    return make_scores(classes=classes)


def test_a_split_that_chose_the_epoch_of_one_alone_is_a_caveat() -> None:
    chosen, not_known = (make_record(history=make_history(chosen_on_test=known)) for known in (True, None))
    assert any("chose the epoch now and did not before" in caveat for caveat in compare(not_known, chosen).caveats)
    assert any("chose the epoch before and did not now" in caveat for caveat in compare(chosen, not_known).caveats)
    assert not any("chose" in caveat for caveat in compare(chosen, chosen).caveats)


def test_units_of_the_output_are_matched_by_their_class() -> None:
    new_order = [*make_scores().classes[1:], make_scores().classes[0]]
    found = compare(make_record(), make_record(evaluation={"train": None, "test": make_scores(classes=new_order)}))
    assert found.matches[-1].by == "class"
    assert found.matches[-1].pairs == 3


# History


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_history_that_is_not_there_has_no_chart(which: str) -> None:
    records = [make_record(history=None if which == name else make_history()) for name in ("old", "new")]
    found = compare(*records)
    changes = painted.paint(dataclasses.replace(records[1], baseline=found), has_cards=False)
    assert changes is not None
    assert (found.history is None) == (which == "old")
    assert changes.charts == {}
    assert ("The baseline has no history" in text_of(painted.html(records[1], changes, "en"))) == (which == "old")


def test_old_and_new_course_are_laid_over_each_other() -> None:
    longer = make_history(
        epochs=[1, 2, 3, 4],
        metrics={"loss": [1.0] * 4, "val_loss": [1.0, 0.9, 0.8, 0.7], "learning_rate": [0.1] * 4},
        seconds=[1.0] * 4,
    )
    new = make_record()
    found = compare(make_record(history=longer), new)
    assert found.history is not None
    assert list(found.history.metrics) == ["loss", "val_loss"]
    changes = painted.paint(dataclasses.replace(new, baseline=found), has_cards=False)
    assert changes is not None
    chart = changes.charts["val_loss"]
    assert list(changes.charts) == ["val_loss"]
    assert chart.validation is not None
    assert (len(chart.training.points), len(chart.validation.points)) == (3, 4)


# Layers


def row(name: str, kind: str = "Dense", units: int = 4, params: int = 20) -> LayerRow:
    return LayerRow(name, kind, [None, units], params, True, None)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([row("a"), row("b")], [row("a"), row("b")], []),
        ([row("a"), row("b")], [row("a")], [("gone", "b", None)]),
        ([row("a")], [row("a"), row("b")], [("added", None, "b")]),
        ([row("a")], [row("a", units=8)], [("resized", "a", "a")]),
        ([row("a")], [row("a", params=21)], [("resized", "a", "a")]),
        ([row("a")], [row("a", kind="Conv2D")], [("added", None, "a"), ("gone", "a", None)]),
        # a second model in one Python process: its names are numbered on
        ([row("dense"), row("dense_1", units=8)], [row("dense_1"), row("dense_2", units=8)], []),
        # between neighbours of the same name, kind decides
        (
            [row("a"), row("x", "Conv2D"), row("b"), row("c")],
            [row("a"), row("y", "Conv2D", units=9), row("b")],
            [("resized", "x", "y"), ("gone", "c", None)],
        ),
    ],
)
def test_layers_are_paired_by_name_else_by_place_and_kind(
    before: list[LayerRow], after: list[LayerRow], expected: list[tuple[str, str | None, str | None]]
) -> None:
    records = [of_model(make_record(layers=[], units=[]), layers=rows) for rows in (before, after)]
    found = [
        (one.kind, one.before.name if one.before else None, one.after.name if one.after else None)
        for one in compare(*records).layers
    ]
    assert found == expected


def test_units_and_findings_of_a_renamed_layer_are_those_of_the_layer() -> None:
    old = make_record(findings=[make_finding(code="dead-units", layer="conv")])
    rows = [dataclasses.replace(row, name=row.name + "_1") for row in old.model.layers]
    new = dataclasses.replace(
        of_model(old, layers=rows),
        layers=[dataclasses.replace(v, name=v.name + "_1") for v in old.layers],
        units=[dataclasses.replace(u, layer=u.layer + "_1") for u in old.units],
        findings=[make_finding(code="dead-units", layer="conv_1")],
    )
    found = compare(old, new)
    assert [(m.before, m.layer) for m in found.matches] == [("conv", "conv_1"), ("scores", "scores_1")]
    assert found.findings.new == found.findings.gone == []
    assert found.layers == []


def test_a_layer_that_is_gone_is_listed_and_its_units_are_not() -> None:
    old = make_record()
    new = dataclasses.replace(of_model(old, layers=old.model.layers[1:]), layers=old.layers[1:], units=old.units[2:])
    found = compare(foreign(old, "a"), foreign(new, "b"))
    assert [one.kind for one in found.layers] == ["gone"]
    assert [match.layer for match in found.matches] == ["scores"]
    assert "conv (Conv2D)" in shown(foreign(old, "a"), foreign(new, "b"))


# Units: which is which


def test_shuffled_units_are_found_again_by_what_they_answer() -> None:
    values, order = noise(), np.random.default_rng(1).permutation(8)
    old, new = responding(values), foreign(responding(values[:, order] * 3 + 7), "two")
    (found,) = compare(with_unit(old, int(order[5]), state="weak"), new).matches
    assert (found.by, found.pairs, found.unmatched_before, found.unmatched_after) == ("correlation", 8, [], [])
    assert found.median_r == 1.0
    changed = compare(with_unit(old, int(order[5]), state="weak"), new).units
    assert changed == [UnitChange("state", "conv", 5, int(order[5]), "weak", "healthy", 1.0)]


def test_units_in_their_places_are_matched_by_number_and_the_one_that_is_not_too() -> None:
    values = noise()
    changed = values + 0.2 * noise(seed=1)
    changed[:, 3] = noise(seed=2)[:, 3]
    (found,) = compare(responding(values), foreign(responding(changed), "two")).matches
    assert (found.by, found.pairs, found.images) == ("index", 8, 100)
    assert "respond most like the one of the same number" in found.reason


def test_copies_of_a_unit_do_not_hide_that_units_are_in_their_places() -> None:
    values = noise()
    values[:, 1] = values[:, 2] = values[:, 3] = values[:, 0]
    (found,) = compare(responding(values), foreign(responding(values), "two")).matches
    assert found.by == "index"


def test_a_mirror_image_is_no_counterpart() -> None:
    values, order = noise(units=4), [1, 2, 3, 0]
    mirrored = values[:, order].copy()
    mirrored[:, 0] *= -1
    (found,) = compare(responding(values), foreign(responding(mirrored), "two")).matches
    assert (found.unmatched_before, found.unmatched_after) == ([1], [0])


def test_units_that_have_nothing_in_common_stay_unmatched_and_are_listed() -> None:
    old, new = responding(noise()), foreign(responding(noise(seed=1)), "two")
    found = compare(old, new)
    assert found.matches[0].pairs == 0
    assert found.matches[0].unmatched_after == list(range(8))
    assert not found.unchanged
    assert re.search(r"conv +responses +0 +n/a +0, 1, 2, 3, 4, 5, 6, 7 +0, 1", shown(old, new))


def test_with_few_images_a_match_must_be_better_than_chance() -> None:
    (found,) = compare(responding(noise(8)), foreign(responding(noise(8, seed=1)), "two")).matches
    assert found.threshold is not None and found.threshold > 0.7
    assert found.pairs <= 2


def test_units_that_never_vary_are_matched_by_number_but_not_by_correlation() -> None:
    values, order = noise(), np.random.default_rng(1).permutation(8)
    silent = values.copy()
    silent[:, 2] = 0.3
    (by_number,) = compare(responding(values), foreign(responding(silent), "two")).matches
    assert (by_number.by, by_number.pairs) == ("index", 8)
    (by_answers,) = compare(responding(silent), foreign(responding(values[:, order]), "two")).matches
    assert (by_answers.by, by_answers.unmatched_before) == ("correlation", [2])


def test_a_layer_in_which_nothing_varies_is_not_matched_and_says_why() -> None:
    old, new = responding(noise()), foreign(responding(np.zeros((100, 8))), "two")
    (found,) = compare(old, new).matches
    assert found.by is None
    assert "no unit of the layer responds differently" in found.reason
    assert re.search(r"conv +not matched +0 +n/a +all +all", shown(old, new))


def test_a_layer_that_was_made_narrower_is_matched_by_correlation() -> None:
    values = noise()
    (found,) = compare(responding(values), foreign(responding(values[:, [0, 2, 5]]), "two")).matches
    assert (found.by, found.pairs, found.unmatched_before) == ("correlation", 3, [1, 3, 4, 6, 7])


def test_only_images_that_both_answered_are_compared() -> None:
    values = noise(150)
    old = responding(values[:100], images=np.arange(100))
    new = foreign(responding(values[50:], images=np.arange(50, 150)), "two")
    (found,) = compare(old, new).matches
    assert (found.by, found.images, found.median_r) == ("index", 50, 1.0)


APART: dict[str, tuple[Callable[[Record], Record], str]] = {
    "other data": (lambda r: of_run(r, data_sha256="f" * 64), "The data differ"),
    "other parts": (
        lambda r: dataclasses.replace(r, data=dataclasses.replace(r.data, looked_at=["train"])),
        "different splits of the data",
    ),
    "an earlier version": (lambda r: dataclasses.replace(r, pictures=make_pictures()), "earlier version"),
    "too many units": (
        lambda r: dataclasses.replace(
            r, pictures=make_pictures(answers=Answers(np.ones(6, np.bool_), np.zeros(0, np.int64), []))
        ),
        "so many units",
    ),
    "other images": (lambda r: foreign(responding(noise(2), images=[500, 501]), "two"), "too few images"),
}


@pytest.mark.parametrize("case", APART)
def test_where_units_cannot_be_matched_the_reason_is_said(case: str) -> None:
    change, reason = APART[case]
    old, new = responding(noise()), change(foreign(responding(noise()), "two"))
    found = compare(old, new)
    assert found.matches[0].by is None
    assert reason in found.matches[0].reason
    assert found.matches[0].unmatched_before == list(range(8))
    assert not found.unchanged
    assert reason in shown(old, new)


@pytest.mark.parametrize("kin", ["the same file", "the same seed"])
def test_weights_of_one_start_are_matched_by_number_without_any_answers(kin: str) -> None:
    old = make_record()
    new = old if kin == "the same file" else of_run(old, model_sha256="f" * 64)
    assert compare(old, new).matches[0].by == "index"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: of_run(r, seed=1), id="seed"),
        pytest.param(lambda r: of_run(r, versions={"keras": "4", "tensorflow": "2.21.0"}), id="version"),
        pytest.param(lambda r: of_model(r, origin="loaded"), id="origin"),
        pytest.param(
            lambda r: of_model(r, layers=[dataclasses.replace(r.model.layers[0], params=21), *r.model.layers[1:]]),
            id="layers",
        ),
    ],
)
def test_weights_of_another_start_are_not_matched_by_number(change: Callable[[Record], Record]) -> None:
    new = change(of_run(make_record(), model_sha256="f" * 64))
    assert compare(make_record(), new).matches[0].by is None


# Units: what happened


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"state": "healthy"}, {"state": "dead"}, [("dead", 0, "healthy", "dead")]),
        ({"state": "dead"}, {"state": "weak"}, [("recovered", 0, "dead", "weak")]),
        ({"state": "weak"}, {"state": "healthy"}, [("state", 0, "weak", "healthy")]),
        ({"group": None}, {"group": 3}, [("merged", 0, "healthy", "redundant")]),
        ({"group": 3}, {"group": None}, [("parted", 0, "redundant", "healthy")]),
        ({"group": 3}, {"group": 1, "removable": True}, []),
        ({}, {"preferred_class": Preferred("star", 0.9, 0.8, 0.1, None, None, 0.5)}, [("class", 0, "circle", "star")]),
        ({}, {"preferred_class": None}, []),
        # what follows from a death is not told again
        ({"group": 1}, {"state": "dead", "group": None}, [("dead", 0, "healthy", "dead")]),
    ],
)
def test_what_became_of_a_unit(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, int, str, str]]
) -> None:
    old, new = (with_unit(make_record(), 0, **{"group": None} | changes) for changes in (before, after))
    assert kinds(compare(old, new)) == expected


INK = {"kind": "level", "angle": None}


def edge(said: str = "lower edge", **changes: Any) -> Condition:
    found = make_condition("picture", said)
    return dataclasses.replace(found, features=[dataclasses.replace(found.features[0], **changes)])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (edge(), edge("ink", **INK), ("lower edge", "ink")),
        (edge(), edge("right edge", angle=0), ("lower edge", "right edge")),
        (edge(), edge("dark", polarity=-1), ("lower edge", "dark")),
        (edge(), make_condition("none"), ("lower edge", "no simple condition")),
        (make_condition("none"), edge(), ("no simple condition", "lower edge")),
        (edge(), make_condition("units below", "unit 3 below"), ("lower edge", "unit 3 below")),
        (make_condition("class", "a", label="a"), make_condition("class", "b", label="b"), ("a", "b")),
        # the same condition, measured again
        (edge(), edge("lower edge (scale 2 px)", scale=2, weight=0.5), None),
        (make_condition("none"), make_condition("none"), None),
        (edge(), make_condition("n/a"), None),
        (edge(), None, None),
        (None, edge(), None),
    ],
)
def test_a_unit_that_fires_under_another_condition_is_named(
    before: Condition | None, after: Condition | None, expected: tuple[str, str] | None
) -> None:
    old, new = (with_unit(make_record(), 0, condition=one) for one in (before, after))
    assert kinds(compare(old, new)) == ([("condition", 0, *expected)] if expected else [])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (make_effect({"star": 0.2}), make_effect(), ("star", "nothing")),
        (make_effect(), make_effect({"star": 0.2, "circle": 0.3}), ("nothing", "circle, star")),
        (make_effect({"star": 0.2}), make_effect({"circle": 0.2}), ("star", "circle")),
        # measured again, not certain, or not known
        (make_effect({"star": 0.2}), make_effect({"star": 0.4}), None),
        (make_effect({"star": 0.2}), make_effect(interval=[-0.05, 0.05]), None),
        (make_effect(), make_effect(interval=[-0.05, 0.05]), None),
        (make_effect({"star": 0.2}), make_effect(method="first order"), None),
        (make_effect(), None, None),
        (None, make_effect(), None),
    ],
)
def test_a_unit_that_is_needed_for_other_classes_is_named(
    before: Effect | None, after: Effect | None, expected: tuple[str, str] | None
) -> None:
    old, new = (with_unit(make_record(), 0, effect=one) for one in (before, after))
    assert kinds(compare(old, new)) == ([("effect", 0, *expected)] if expected else [])


def test_the_share_of_units_without_effect_stands_beside_each_layer() -> None:
    old, new = with_effects(make_record(), make_effect(), make_effect({"star": 0.2})), with_unit(make_record(), 0)
    found = compare(old, with_effects(new, make_effect(), make_effect()))
    assert [one.idle for one in found.matches] == [Figure(0.5, 1.0), None]
    shown = painted.paint(dataclasses.replace(new, baseline=found), has_cards=False)
    assert shown is not None and [plain_words(row.idle) for row in shown.matches] == ["50 % before, 100 % now", "n/a"]
    assert "50 % before, 100 % now" in plain_words(text_of(painted.html(new, shown, "en")))
    assert compare(make_record(), make_record()).matches[0].idle is None


def plain_words(said: str) -> str:
    return said.replace("\N{NO-BREAK SPACE}", " ")


def many_conditions(by: str) -> Record:
    """Return a record of a layer whose 12 units all fire under another condition than those that they were matched."""
    unit = UnitChange("condition", "conv", 0, 0, text("ink"), text("no simple condition"), 0.9)
    match = LayerMatch("conv", "conv", by, literal("So."), 100, 0.5, 0.9, 16, [], [])
    changed = [dataclasses.replace(unit, unit=u) for u in range(12)]
    record = make_record()
    return dataclasses.replace(record, baseline=changed_from(record, matches=[match], units=changed))


def test_conditions_of_units_that_kept_their_numbers_are_listed_one_by_one() -> None:
    found = painted.paint(many_conditions("index"), has_cards=False)
    assert found is not None
    assert len(found.units) == 12
    assert plain(found, "en").count("fires under another condition") == 12


def test_what_differs_between_many_units_matched_by_responses_is_counted_and_folded_away() -> None:
    record = many_conditions("correlation")
    assert record.baseline is not None
    died = UnitChange("dead", "conv", 12, 12, literal("healthy"), literal("dead"), None)
    record = dataclasses.replace(
        record, baseline=dataclasses.replace(record.baseline, units=[died, *record.baseline.units])
    )
    found = painted.paint(record, has_cards=False)
    assert found is not None
    assert [one.what for one in found.units] == ["died"], "that a unit died is no matter of chance"
    assert "fires under another condition: 12 of 16 in conv" in plain(found, "en")
    page_of = html5lib.parse(painted.html(record, found, "en"), namespaceHTMLElements=False)
    (fold,) = [one for one in page_of.iter("details") if "Which units these are: 12 of 12" in "".join(one.itertext())]
    assert len([row for row in fold.iter("tr") if row.find("td") is not None]) == 12


def test_other_conditions_survive_the_disk_in_every_language(tmp_path: Path) -> None:
    record = record_file.load(put(tmp_path / "report", many_conditions("index")))
    assert record.baseline is not None
    assert record.baseline.units[0].after.plain() == text("no simple condition").plain()


def test_the_gravest_changes_come_first_and_among_new_classes_the_surest() -> None:
    def prefers(label: str, auroc: float) -> dict[str, Any]:
        return {"preferred_class": Preferred(label, auroc, 0.8, 0.1, None, None, 0.5)}

    old = make_record(layers=[make_verdict("conv", 4)], units=[make_unit(unit=u, group=None) for u in range(4)])
    new = with_unit(with_unit(old, 0, **prefers("star", 0.6)), 1, **prefers("star", 0.9))
    new = with_unit(with_unit(new, 2, state="weak"), 3, state="dead")
    assert [change.unit for change in compare(old, new).units] == [3, 2, 1, 0]


def test_more_units_than_fit_are_counted() -> None:
    old = make_record(layers=[make_verdict("conv", 300)], units=[make_unit(unit=u, group=None) for u in range(300)])
    new = dataclasses.replace(old, units=[dataclasses.replace(u, state="weak") for u in old.units])
    found = painted.paint(dataclasses.replace(new, baseline=compare(old, new)), has_cards=False)
    assert found is not None
    assert "200 of 300 shown" in text_of(painted.html(new, found, "en"))
    assert "Units that changed: 20 of 300 shown" in plain(found, "en")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([{"healthy": 2}, {"healthy": 1, "dead": 1}], "1 unit more is dead"),
        ([{"healthy": 2}, {"dead": 2}], "2 units more are dead"),
        ([{"dead": 2}, {"healthy": 2}], "2 units fewer are dead"),
    ],
)
def test_the_summary_counts_dead_units(states: list[dict[str, int]], expected: str) -> None:
    old, new = (make_record(layers=[make_verdict("conv", 2, states=each)]) for each in states)
    assert compare(old, new).summary == f"accuracy 83.3 % as before, {expected}"


def test_a_death_that_the_count_does_not_show_is_in_the_summary_all_the_same() -> None:
    old, new = (with_unit(make_record(), number, state="dead") for number in (0, 1))
    assert compare(old, new).summary == "accuracy 83.3 % as before, 1 unit died"


# Findings


def test_findings_are_new_gone_or_still_there_by_code_and_layer() -> None:
    def finding(code: str, layer: str | None, message: str) -> Any:
        return make_finding(code=code, layer=layer, message=message)

    old = [
        finding("dead-units", "conv", "1 of 2"),
        finding("dead-units", "scores", "1 of 3"),
        finding("class-without-images", None, "star"),
        finding("few-images", None, "few"),
    ]
    new = [
        finding("dead-units", "conv", "2 of 2"),
        finding("class-without-images", None, "circle"),
        finding("class-without-images", None, "star"),
        finding("weak-units", "conv", "weak"),
    ]
    found = compare(make_record(findings=old), make_record(findings=new))
    assert [one.message for one in found.findings.new] == ["circle", "weak"]
    assert [one.message for one in found.findings.gone] == ["1 of 3", "few"]
    assert [one.message for one in found.findings.still] == ["2 of 2", "star"]
    assert found.summary == "accuracy 83.3 % as before, 1 new finding"
    assert [(one.code, one.kind) for one in found.kinds] == [
        ("class-without-images", "still"),
        ("dead-units", "still"),
        ("few-images", "gone"),
        ("weak-units", "new"),
    ], "how many units each is about, these findings do not say"


def test_a_finding_that_is_new_in_a_layer_does_not_pass_for_a_better_one() -> None:
    old = [make_finding(), make_finding(code="dead-units", layer="conv", units=[0, 1, 2, 3])]
    new = [make_finding(), make_finding(code="dead-units", layer="scores", units=[0])]
    record = make_record(findings=new)
    record = dataclasses.replace(record, baseline=compare(make_record(findings=old), record))
    found = painted.paint(record, has_cards=True, place=lambda finding: finding.layer)
    assert found is not None
    assert [(title, [(one.badge, one.first.place) for one in entries]) for title, entries in found.findings] == [
        ("New, or new in a layer", [(None, "scores")]),
        ("Gone, or gone from a layer", [(None, None)]),
    ]
    assert found.still == "unfinished training"
    assert "Still there: unfinished training." in painted.html(record, found, "en")


# On disk and on pages


def test_a_baseline_survives_the_disk_with_the_texts_that_it_was_made_from(tmp_path: Path) -> None:
    old = of_run(make_record(title=text("{model} on {data}", model="m", data="d")), seed=3, data_sha256="f" * 64)
    record = make_record(baseline=compare(old, make_record()))
    back = record_file.load(put(tmp_path, record)).baseline
    assert back == record.baseline
    assert back is not None and record.baseline is not None
    assert [one.plain() for one in back.caveats] == [one.plain() for one in record.baseline.caveats]
    assert back.summary.plain() == record.baseline.summary.plain()
    assert back.title.plain() == old.title.plain()


def test_a_folder_without_answers_is_read_and_compared(tmp_path: Path) -> None:
    """As one from before there were any: the outline of its arrays lacks them."""
    put(tmp_path, make_record())
    with np.load(tmp_path / "record.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    outline = arrays["outline"].tobytes().replace(b', "answers": null', b"")
    assert b"answers" not in outline
    np.savez(tmp_path / "record.npz", **arrays | {"outline": np.frombuffer(outline, np.uint8)})
    assert record_file.load(tmp_path).pictures.answers is None


def test_the_page_alone_links_to_nothing_that_is_not_there_and_asks_for_nothing() -> None:
    old = of_run(with_unit(make_record(), 0, state="dead"), seed=3)
    new = make_record()
    found = painted.paint(dataclasses.replace(new, baseline=compare(old, new)), has_cards=False)
    assert found is not None
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(painted.html(new, found, "en"))
    ids = [e.get("id") for e in parsed.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {e.get("href")[1:] for e in parsed.iter("a")} <= set(ids)
    assert not [e for e in parsed.iter() if e.get("style")]
    levels = [int(str(e.tag)[1]) for e in parsed.iter() if re.fullmatch("h[1-6]", str(e.tag))]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.slow
@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
def test_on_a_report_units_lead_to_their_cards_where_those_are(on_paper: bool) -> None:
    old = with_unit(make_record(), 0, state="dead")
    record = make_record(baseline=compare(old, make_record()))
    made = page.html(page.paint(record), Look(), on_paper=on_paper).html
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(made)
    table = next(e for e in parsed.iter("figure") if e.get("id") == "changes-units")
    links = [e.get("href") for e in table.iter("a")]
    assert links == ([] if on_paper else ["#conv/u0"])
    ids = {e.get("id") for e in parsed.iter()}
    assert {e.get("href")[1:] for e in parsed.iter("a")} <= ids


@pytest.mark.slow
def test_a_report_without_baseline_has_no_such_section() -> None:
    assert "What changed" not in page.html(page.paint(make_record()), Look()).html


HOSTILE = "<script>alert(1)</script>{{ 7*7 }}\x1b[31m\u202e\n"


def test_names_from_outside_stay_names() -> None:
    circle, *others = make_scores().classes
    scores = make_scores(classes=[dataclasses.replace(circle, label=HOSTILE), *others])
    old = of_model(make_record(title=literal(HOSTILE), reportgen=HOSTILE), layers=[row(HOSTILE, kind=HOSTILE)])
    old = dataclasses.replace(
        old,
        evaluation={"train": None, "test": scores},
        data=dataclasses.replace(old.data, name=HOSTILE),
        findings=[make_finding(message=HOSTILE, layer=HOSTILE)],
        provenance=dataclasses.replace(
            old.provenance, versions={"keras": HOSTILE}, data_sha256=HOSTILE, command=f"x --a '{HOSTILE}'"
        ),
    )
    for before, after in ((old, make_record()), (make_record(), old)):
        found = painted.paint(dataclasses.replace(after, baseline=compare(before, after)), has_cards=False)
        assert found is not None
        made, said = painted.html(after, found, "en"), plain(found, "en")
        assert "<script" not in made
        for words in (made, said):
            assert "\x1b" not in words and "\u202e" not in words
        assert "{{ 7*7 }}" in said


def test_columns_are_aligned_also_where_letters_are_two_columns_wide() -> None:
    wide, *others = make_scores().classes
    scores = [
        make_scores(classes=[dataclasses.replace(one, label="円形"), *others])
        for one in (wide, dataclasses.replace(wide, recall=0.25))
    ]
    old, new = (make_record(evaluation={"train": None, "test": each}) for each in scores)
    lines = shown(old, new).splitlines()
    heading = next(line for line in lines if "Precision" in line and "Recall" in line)
    below = next(line for line in lines if "円形" in line)
    assert len(below) + 2 == len(heading)  # two letters that take four columns


# What is kept for a later comparison


def plan(units: int, name: str = "a") -> LayerPlan:
    nothing = np.zeros(units)
    return LayerPlan(name, name, units, (), "relu", None, None, 0.0, nothing, Grid(signed=False), np.zeros(1, np.int64))


def tally(kept: Any, images: Any) -> LayerTally:
    blank = {field.name: None for field in dataclasses.fields(LayerTally)}
    return LayerTally(**blank | {"kept": np.asarray(kept, np.float32), "kept_images": np.asarray(images)})


def right_of(images: int) -> tuple[Any, Any]:
    """Return predictions and labels that agree."""
    return np.zeros(images, np.uint8), np.zeros(images, np.int64)


def test_responses_are_kept_for_256_images_chosen_as_if_at_random() -> None:
    values = noise(1000, 4)
    found = answers.collect([plan(4)], [tally(values, np.arange(1000))], *right_of(1000))
    assert np.array_equal(found.images, np.flatnonzero(kept_of(np.arange(1000), 256)))
    assert found.responses[0].values.dtype == np.float16
    assert found.responses[0].values.shape == (256, 4)


def test_a_large_model_keeps_fewer_images_and_all_of_them_are_those_of_a_small_one() -> None:
    images = np.arange(1000)
    few, many = (
        answers.collect([plan(units)], [tally(np.zeros((1000, units)), images)], *right_of(1000))
        for units in (4, 25_000)
    )
    assert len(many.images) == 80
    assert set(many.images) < set(few.images)
    assert many.responses[0].values.nbytes <= 4_000_000


def test_a_huge_model_keeps_no_responses_but_which_images_are_right() -> None:
    found = answers.collect([plan(100_000)], [tally(np.zeros((2, 100_000)), [0, 1])], *right_of(2))
    assert found.responses == [] and found.right.all()


def test_a_model_without_units_keeps_none() -> None:
    assert answers.collect([], [], *right_of(2)).responses == []


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_any_scale_fits_into_sixteen_bits(scale: float) -> None:
    values = noise(100, 3) * scale + 5 * scale
    kept = answers.standardised(values.astype(np.float32)).astype(np.float64)
    assert np.isfinite(kept).all()
    assert np.corrcoef(values.T, kept.T)[:3, 3:].diagonal() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_unit_that_does_not_vary_is_kept_as_zeros() -> None:
    values = np.full((7, 1), 0.1, np.float32)
    assert not answers.standardised(values).any()


def test_the_images_kept_are_among_those_that_the_pass_kept() -> None:
    assert answers.IMAGES <= KEPT

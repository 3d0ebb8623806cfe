"""`reportgen check`: which limits are met, how that is said, and the files that CI systems show."""

import dataclasses
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from reportgen.compare.limits import check
from reportgen.deliver import file
from reportgen.errors import InputError, SurroundingsError
from reportgen.i18n import literal
from reportgen.record import record_file, search
from reportgen.record.checks import Checked, Limits, limits
from reportgen.record.evaluation import ClassScore
from reportgen.record.key_figures import Headline
from reportgen.record.run import Record
from reportgen.record.units import Finding
from reportgen.render.ci.junit import xml
from reportgen.render.ci.summary import markdown
from tests.conftest import Run
from tests.helpers.builders import (
    assert_one_line,
    changed_from,
    make_condition,
    make_effect,
    make_record,
    make_scores,
    make_unit,
    make_verdict,
    modules_after,
)

HOSTILE = "<b>*x*</b>|`y`\n# @me #1 [a](https://evil.example) $x$ \x00\x1b[31m\u202e&lt;"


def saved(folder: Path, **changes: Any) -> Path:
    """Write a small record into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in record_file.to_bytes(make_record(**changes)).items():
        (folder / name).write_bytes(content)
    return folder


def scored(**changes: Any) -> Record:
    """Return a record whose scores on the test split have `changes`."""
    return make_record(evaluation={"train": None, "test": make_scores(**changes)})


def with_units(*states: str, removable: int = 0) -> Record:
    """Return a record of one layer with units in these states, the last `removable` ones redundant."""
    first = len(states) - removable
    units = [make_unit(unit=u, state=state, removable=u >= first) for u, state in enumerate(states)]
    counts = {state: states.count(state) for state in states}
    return make_record(units=units, layers=[make_verdict("conv", len(states), states=counts)])


def headline(folder: Path, **changes: Any) -> Headline:
    return dataclasses.replace(search.headline_of(saved(folder)), **changes)


def only(record: Record, baseline: Headline | None = None, **limit: Any) -> Checked:
    (found,) = check(record, Limits(**limit), baseline)
    return found


def test_every_limit_that_is_set_is_judged_and_no_other() -> None:
    every = Limits(0.5, 0.5, 1, 0.5, 5, 5, 0.1, "error", 0.5, 5, 5, 0.5)
    names = (
        "min-accuracy min-recall max-loss max-ece max-dead max-redundant max-drop fail-on min-described max-leaked"
        " max-suspect-labels max-idle"
    )
    assert [found.name for found in check(make_record(), every)] == names.split()
    assert check(make_record(), Limits()) == []


@pytest.mark.parametrize(
    ("limit", "met", "parts"),
    [
        ({"min_accuracy": 0.8}, True, ["0.8333", "5 of 6", "0.8 "]),
        ({"min_accuracy": 0.9}, False, ["0.8333", "5 of 6", "0.9 "]),
        ({"min_recall": 0.5}, True, ["0.5000", '"circle"', "0.5 "]),
        ({"min_recall": 0.6}, False, ["0.5000", '"circle"', "1 class ", "0.6 "]),
        ({"max_loss": 0.5}, True, ["0.5000", "0.5 "]),
        ({"max_loss": 0.4}, False, ["0.5000", "0.4 "]),
        ({"max_ece": 0.1}, True, ["0.0833", "0.1 "]),
        ({"max_ece": 0.05}, False, ["0.0833", "0.05 "]),
        ({"max_redundant": 1}, True, ["1 of 2 units", "at most 1 "]),
        ({"max_redundant": 0}, False, ["1 of 2 units", "at most 0 "]),
        ({"max_redundant": 0.5}, True, ["50.0 %", "at most 50 % "]),
        ({"max_redundant": 0.25}, False, ["50.0 %", "at most 25 % "]),
        ({"fail_on": "error"}, True, ["No finding is an error"]),
        ({"fail_on": "warning"}, False, ["1 finding", "redundant-units"]),
    ],
    ids=str,
)
def test_a_verdict_names_value_and_limit(limit: dict[str, Any], met: bool, parts: list[str]) -> None:
    found = only(make_record(), **limit)
    assert found.met is met
    for part in parts:
        assert part in found.says


def test_dead_units_are_counted_among_those_inside_the_model() -> None:
    record = with_units("dead", "healthy", "weak", "dead", "output", "never predicted")
    assert "2 of 4 units" in only(record, max_dead=1).says
    assert not only(record, max_dead=1).met
    assert only(record, max_dead=2).met
    assert only(record, max_dead=0.5).met
    assert not only(record, max_dead=0.49).met


def test_a_model_without_units_to_judge_is_not_called_free_of_dead_ones() -> None:
    record = with_units("output", "output")
    for limit in ({"max_dead": 5}, {"max_redundant": 1.0}):
        found = only(record, **limit)
        assert not found.met
        assert "nobody knows" in found.says


def described(*found: str | None) -> Record:
    """Return a record of units with conditions that were found there; None for a unit without any."""
    units = [
        make_unit(unit=u, condition=None if where is None else make_condition(where)) for u, where in enumerate(found)
    ]
    return make_record(units=units, layers=[make_verdict("conv", len(found))])


@pytest.mark.parametrize(
    ("least", "met", "parts"),
    [
        (0.75, True, ["3 of 4 units", "75.0 %", "at least 75 % "]),
        (0.76, False, ["3 of 4 units", "at least 76 % "]),
    ],
)
def test_units_are_described_where_they_have_words_and_could_have_them(
    least: float, met: bool, parts: list[str]
) -> None:
    found = only(described("picture", "units below", "class", "none", "n/a"), min_described=least)
    assert found.met is met
    for part in parts:
        assert part in found.says


def test_units_of_the_output_are_classes_by_their_place_and_count_for_nothing() -> None:
    record = described("picture", "none")
    scores = [make_unit(unit=u, layer="scores", state="output", condition=make_condition("class")) for u in range(8)]
    record = dataclasses.replace(record, units=[*record.units, *scores])
    assert "1 of 2 units has" in only(record, min_described=0.5).says


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (described("n/a", "n/a"), "For no unit inside the model could a condition be looked for"),
        (described(None, None), "This report holds no conditions in words"),
        (with_units("output"), "This report holds no conditions in words"),
    ],
    ids=["none could have words", "an old folder", "the output alone"],
)
def test_where_no_unit_could_have_words_the_limit_is_not_met(record: Record, said: str) -> None:
    found = only(record, min_described=0.0)
    assert not found.met
    assert found.says.startswith(said) and "at least 0 % is wanted" in found.says


def idle(*found: bool | None) -> Record:
    """Return a record of units without which nothing changes, of which something does, or of which nobody knows."""
    effects = {True: make_effect(), False: make_effect({"star": 0.2}), None: None}
    units = [make_unit(unit=u, effect=effects[one]) for u, one in enumerate(found)]
    return make_record(units=units, layers=[make_verdict("conv", len(found))])


@pytest.mark.parametrize(
    ("record", "most", "met", "parts"),
    [
        (idle(True, False, False, True, None), 0.5, True, ["2 of 4 units are", "50.0 %", "1 more", "at most 50 % "]),
        (idle(True, False, False, True, None), 0.49, False, ["2 of 4 units are"]),
        (idle(True, False), 0.5, True, ["1 of 2 units is", "0 more"]),
        (idle(None, None), 1.0, False, ["does not say what the 2 units inside the model do"]),
        (with_units("output"), 1.0, False, ["does not say"]),
    ],
    ids=["at the limit", "above it", "one", "an old folder", "the output alone"],
)
def test_units_without_effect_are_a_share_of_those_whose_effect_is_known(
    record: Record, most: float, met: bool, parts: list[str]
) -> None:
    found = only(record, max_idle=most)
    assert found.met is met
    for part in parts:
        assert part in found.says


def test_a_class_without_test_images_meets_no_recall() -> None:
    classes = [ClassScore("a", 1.0, 1.0, 1.0, 6), ClassScore("b\n", None, None, None, 0)]
    found = only(scored(classes=classes), min_recall=0.0)
    assert not found.met
    assert 'Class "b\N{REPLACEMENT CHARACTER}" has no test image' in found.says
    assert "0 is wanted" in found.says


def test_a_figure_that_misses_its_limit_by_little_does_not_look_like_it() -> None:
    found = only(scored(accuracy=0.979999), min_accuracy=0.98)
    assert not found.met
    assert "0.979999 " in found.says


def test_a_drop_is_compared_as_people_write_it(tmp_path: Path) -> None:
    before = headline(tmp_path, accuracy=0.98)
    assert 0.98 - 0.97 > 0.01  # on a computer
    assert only(scored(accuracy=0.97), before, max_drop=0.01).met
    found = only(scored(accuracy=0.9699), before, max_drop=0.01)
    assert not found.met
    assert "from 0.9800 to 0.9699" in found.says
    assert "(\N{MINUS SIGN}1.01 points" in found.says and "a drop of at most 1 point is" in found.says
    assert only(scored(accuracy=0.99), before, max_drop=0).met


def test_a_drop_on_other_data_is_undefined_and_so_not_met(tmp_path: Path) -> None:
    found = only(make_record(), headline(tmp_path, data_sha256="f" * 64), max_drop=1)
    assert not found.met
    assert f"{'f' * 12}, not {'d' * 12}" in found.says


def test_fail_on_warning_minds_errors_too() -> None:
    record = make_record(findings=[Finding("dead-layer", "error", literal("m"), "conv", [])] * 2)
    assert "1 finding is an error (dead-layer)" in only(record, fail_on="error").says
    assert not only(record, fail_on="warning").met
    notice = [Finding("few-images", "notice", literal("m"), None, [])]
    assert only(make_record(findings=notice), fail_on="warning").met


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ({"min-acuracy": 0.9}, ["min-acuracy", "0.9", "min-accuracy, min-recall"]),
        ({"min_accuracy": 0.9}, ["min_accuracy", "min-accuracy"]),
        ({"min-accuracy": 98}, ["min-accuracy", "98", "from 0 to 1"]),
        ({"min-accuracy": "0.9"}, ["min-accuracy", "'0.9'", "from 0 to 1"]),
        ({"min-accuracy": True}, ["min-accuracy", "True"]),
        ({"min-recall": float("nan")}, ["min-recall", "nan"]),
        ({"max-loss": -1}, ["max-loss", "-1", "from 0"]),
        ({"max-loss": [1]}, ["max-loss", "[1]"]),
        ({"max-dead": 1.5}, ["max-dead", "1.5", "whole number", "share"]),
        ({"max-dead": -1}, ["max-dead", "-1"]),
        ({"max-drop": 2}, ["max-drop", "2"]),
        ({"fail-on": "notice"}, ["fail-on", "'notice'", "error or warning"]),
        ({"fail-on": ["error"]}, ["fail-on", "error or warning"]),
    ],
    ids=str,
)
def test_a_limit_that_makes_no_sense_is_named(table: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        limits(table, "limits.toml: ")
    assert_one_line(caught.value, "limits.toml: ", *parts)


# What a user sees in the shell.


def test_met_limits_are_listed_and_end_with_0(light: Run, tmp_path: Path) -> None:
    done = light("check", saved(tmp_path / "r"), "--min-accuracy", 0.8, "--max-dead", 0, "--fail-on", "error")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["met      " + n for n in ("min-accuracy", "max-dead", "fail-on")]


def test_what_is_not_met_is_named_with_value_and_limit_and_ends_with_1(light: Run, tmp_path: Path) -> None:
    done = light("check", saved(tmp_path / "r"), "--min-accuracy", 0.9, "--max-dead", 0, "--max-redundant", 0.1)
    assert done.returncode == 1
    unmet = [line for line in done.stdout.splitlines() if line.startswith("NOT MET")]
    assert len(unmet) == 2
    assert "min-accuracy: Test accuracy is 0.8333 (5 of 6, 95 % CI 0.4365–0.9699); at least 0.9" in unmet[0]
    (line,) = done.stderr.splitlines()
    assert line.startswith("reportgen: error: 2 of 3 checks are not met (min-accuracy, max-redundant); ")


def test_limits_come_from_pyproject_and_flags_win(light: Run, tmp_path: Path) -> None:
    saved(tmp_path / "r")
    text = "[tool.other]\nx = 1\n[tool.reportgen.check]\nmin-accuracy = 0.99\nmax-dead = 0\nmax-redundant = 0.5\n"
    (tmp_path / "pyproject.toml").write_text(text)
    done = light("check", "r", cwd=tmp_path)
    assert done.returncode == 1
    assert "(min-accuracy)" in done.stderr
    done = light("check", "r", "--min-accuracy", 0.5, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("met") == 3


@pytest.mark.parametrize("head", ["", "[tool.reportgen.check]\n"], ids=["top", "table"])
def test_limits_come_from_a_file_of_their_own_instead(light: Run, tmp_path: Path, head: str) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.reportgen.check]\nmin-accuracy = 0.99\n")
    (tmp_path / "nightly.toml").write_text(f'{head}min-accuracy = 0.8\nfail-on = "error"\n')
    done = light("check", saved(tmp_path / "r"), "--config", "nightly.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fail-on" in done.stdout


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("min-accuracy = ", ["own.toml", "TOML"]),
        ("[tool.reportgen]\n", ["own.toml", "[tool.reportgen.check]"]),
        ("[tool]\nreportgen = 3\n", ["own.toml", "[tool.reportgen.check]"]),
        ("[tool.reportgen]\ncheck = 3\n", ["own.toml", "3"]),
        ("min-acuracy = 0.9\n", ["own.toml", "min-acuracy", "0.9"]),
        ("[tool.reportgen.check]\nmax-dead = 'few'\n", ["own.toml", "max-dead", "'few'"]),
        (None, ["own.toml", "No such file"]),
    ],
    ids=str,
)
def test_a_config_file_that_cannot_be_used_is_named(
    light: Run, tmp_path: Path, content: str | None, parts: list[str]
) -> None:
    if content is not None:
        (tmp_path / "own.toml").write_text(content)
    refused(light, tmp_path, "--config", "own.toml", parts=parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["no limit", "--min-accuracy", "[tool.reportgen.check]"]),
        (["--min-accuracy", "98"], ["--min-accuracy is 98", "from 0 to 1"]),
        (["--min-accuracy", "high"], ["high"]),
        (["--max-dead", "few"], ["few"]),
        (["--max-dead", "1.5"], ["--max-dead is 1.5"]),
        (["--max-drop", "0.1"], ["max-drop is 0.1", "--baseline"]),
        (["--max-drop", "0.1", "--baseline", "nowhere"], ["nowhere"]),
        (["--fail-on", "notice"], ["--fail-on is 'notice'"]),
        (["--min-accuracy", "0.5", "--lang", "tlh"], ["--lang is 'tlh'"]),
    ],
    ids=str,
)
def test_a_call_that_cannot_be_used_ends_with_2(
    light: Run, tmp_path: Path, arguments: list[str], parts: list[str]
) -> None:
    refused(light, tmp_path, *arguments, parts=parts)


def refused(run: Run, cwd: Path, *arguments: str, parts: list[str]) -> None:
    done = run("check", saved(cwd / "r"), *arguments, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("reportgen: error: ")
    assert "; " in line
    for part in parts:
        assert part in line


def test_a_folder_without_a_report_ends_with_2(light: Run, tmp_path: Path) -> None:
    done = light("check", tmp_path, "--min-accuracy", 0.5)
    assert done.returncode == 2
    assert "report.json is missing" in done.stderr


def test_files_are_written_also_when_a_check_is_not_met(light: Run, tmp_path: Path) -> None:
    options = ["--min-accuracy", 0.9, "--junit", "ci/check.xml", "--summary", "ci/summary.md", "--lang", "ja"]
    done = light("check", saved(tmp_path / "r"), *options, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["ci/check.xml", "ci/summary.md"]
    assert ElementTree.parse(tmp_path / "ci" / "check.xml").getroot().get("failures") == "1"
    assert (tmp_path / "ci" / "summary.md").read_text(encoding="utf-8").startswith("## Shapes\n")


def test_a_file_that_cannot_be_written_is_a_failure_of_the_surroundings(light: Run, tmp_path: Path) -> None:
    done = light("check", saved(tmp_path / "r"), "--min-accuracy", 0.5, "--junit", tmp_path / "r", cwd=tmp_path)
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_starts_without_anything_heavy() -> None:
    assert not {"numpy", "jinja2", "tensorflow", "babel"} & modules_after("import reportgen.cli.commands.check")
    used = "from reportgen import compare, deliver; import reportgen.compare.limits, reportgen.deliver.file"
    used += ", reportgen.render.ci.junit, reportgen.render.ci.summary"
    assert not {"tensorflow", "keras", "sklearn", "matplotlib", "weasyprint"} & modules_after(used)


# The files.


def test_junit_is_what_ci_systems_read() -> None:
    record = make_record()
    found = check(record, Limits(min_accuracy=0.9, max_loss=1, fail_on="error"))
    content = xml(record, found)
    assert content.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n")
    root = ElementTree.fromstring(content)
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for element in (root, suite):
        counts = {name: element.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
        assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "0", "time": "0"}
    assert suite.get("timestamp") == "2026-11-24T16:00:00"
    assert [case.get("name") for case in suite] == ["min-accuracy", "max-loss", "fail-on"]
    assert all(case.tag == "testcase" and case.get("classname") and case.get("time") for case in suite)
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.get("message") == failure.text == found[0].says
    assert failure.get("type")
    assert suite[1].find("failure") is None


def test_junit_survives_text_from_outside() -> None:
    record = scored(classes=[ClassScore(HOSTILE + "\ufffe\ud800", 0.1, 0.1, 0.1, 6)])
    record = dataclasses.replace(record, title=literal(HOSTILE))
    (suite,) = ElementTree.fromstring(xml(record, check(record, Limits(min_recall=0.5))))
    assert suite.get("name", "").startswith("<b>*x*</b>|`y`\N{REPLACEMENT CHARACTER}#")
    assert "<b>*x*</b>" in (suite[0][0].text or "")


def test_the_summary_tells_figures_checks_and_findings() -> None:
    record = make_record()
    found = check(record, Limits(min_accuracy=0.9, max_loss=1))
    shown = text_of(markdown(record, found, "en"))
    for part in ("1 check is not met.", "83.33", "not met", *(str(f.message) for f in record.findings)):
        assert part in shown
    assert all(str(one.says) in shown for one in found)
    assert "What changed" not in shown
    assert "All checks are met." in text_of(markdown(record, check(record, Limits(max_loss=1)), "en"))
    nothing = dataclasses.replace(record, findings=[])
    assert "Nothing in this report asks for attention." in text_of(markdown(nothing, [], "en"))


def test_the_summary_tells_what_changed() -> None:
    record = make_record()
    record = dataclasses.replace(record, baseline=changed_from(record))
    shown = text_of(markdown(record, [], "en"))
    assert "Since Before of 23 November 2026, 16:00 UTC: accuracy rose, one unit died." in shown
    assert "The seed is another." in shown
    assert f"Warning. New. {record.findings[0].message}" in shown
    assert "Gone: unfinished training" in shown
    assert "Look at: redundant units (new)." in shown
    assert "50.00" in shown


def test_the_summary_survives_text_from_outside() -> None:
    hostile = literal(HOSTILE)
    record = make_record(
        title=hostile,
        findings=[Finding("weakest-class", "warning", hostile, None, [])],
        data=dataclasses.replace(make_record().data, source=hostile),
    )
    record = dataclasses.replace(record, baseline=dataclasses.replace(changed_from(record), title=hostile))
    content = markdown(record, [Checked("min-recall", False, hostile)], "en")
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(content)
    for made in ("<b>", "<em>", "<code>", "<a ", "<h1>"):
        assert made not in html, made
    rows = [row for row in html.split("<tr>") if "min-recall" in row]
    assert [row.count("<td>") for row in rows] == [3]
    assert html.count("&lt;b&gt;*x*&lt;/b&gt;|`y`\N{REPLACEMENT CHARACTER}# @me #1 [a](https://evil.example) $x$") == 5
    assert "\x1b" not in html


def text_of(content: str) -> str:
    """Return what a reader of the rendered Markdown reads."""
    html = MarkdownIt("commonmark").enable("table").render(content)
    return " ".join("".join(ElementTree.fromstring(f"<x>{html}</x>").itertext()).split())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, link = tmp_path / "check.xml", tmp_path / "link.xml"
    file.write(target, b"earlier")
    target.chmod(0o640)
    link.symlink_to(target)
    file.write(link, b"later")
    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"later", 0o640)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SurroundingsError) as caught:
        file.write(target, b"never")
    assert_one_line(caught.value, target, "No space left")
    assert sorted(tmp_path.iterdir()) == [target, link]
    assert target.read_bytes() == b"later"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        file.write(pipe, b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert pipe.is_fifo()

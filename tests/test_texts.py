"""Texts: English to whoever reads them as a str, any language to a page, on disk and back."""

import ast
import copy
import dataclasses
import io
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.errors import InputError
from reportgen.i18n import Text, from_plain, joined, literal, ntext, text
from reportgen.record import record_file
from reportgen.record.run import Look, Record
from tests import ROOT
from tests.helpers.builders import make_finding, make_record, make_unit, make_verdict

TURNED = {
    "{some} of {images} in {layer}": "{layer}: {images}/{some}",
    "{n} images": "{n}mai",
    "{n} images of {part}": "{part} {n}mai",
    "the test split": "tesuto",
    ", ": "/",
}


class Turned:
    """A language that says things in another order, has one form for every number, and its own separators."""

    def __init__(self, messages: Mapping[str, str] = TURNED) -> None:
        self.messages = messages

    def gettext(self, message: str) -> str:
        return self.messages.get(message, message)

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.gettext(many)


def make_nested() -> Text:
    return text(
        "{some} of {images} in {layer}",
        some="12",
        images=ntext(1, "{n} image", "{n} images"),
        layer=joined(", ", [literal("conv"), "dense"]),
    )


EVERY_KIND = [
    pytest.param(text("it never fired"), id="text"),
    pytest.param(ntext(12345, "{n} image", "{n} images"), id="ntext"),
    pytest.param(joined(", ", ["a", text("it never fired")]), id="joined"),
    pytest.param(literal("Größe <3> & 損失 {n} \udce9"), id="literal"),
    pytest.param(make_nested(), id="nested"),
    pytest.param(literal(""), id="empty"),
]


# In English


def test_a_text_is_its_english() -> None:
    made = text("{cause} in {layer}", cause="dead", layer="conv")
    assert made == "dead in conv"
    assert isinstance(made, str)
    assert {made: 1}["dead in conv"] == 1
    assert json.dumps([made]) == '["dead in conv"]'


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 images"), (1, "1 image"), (2, "2 images"), (12345, "12,345 images"), (np.int64(1), "1 image")],
)
def test_a_number_chooses_its_form(n: int, said: str) -> None:
    assert ntext(n, "{n} image", "{n} images") == said


def test_a_form_may_do_without_the_number_and_have_other_places() -> None:
    assert ntext(1, "unit {numbers}", "units {numbers}", numbers="3") == "unit 3"
    assert ntext(2, "unit {numbers}", "units {numbers}", numbers="3 and 4") == "units 3 and 4"


def test_texts_stand_in_texts() -> None:
    assert make_nested() == "12 of 1 image in conv, dense"


def test_a_place_may_come_twice_and_a_value_be_left_over() -> None:
    assert text("{a} {b} {a}", a="1", b="2", c="3") == "1 2 1"


@pytest.mark.parametrize("items", [[], ["a"], ["a", "b", "c"]])
def test_items_are_joined(items: list[str]) -> None:
    assert joined(", ", items) == ", ".join(items)


def test_a_place_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError, match="layer"):
        text("in {layer}", where="conv")
    with pytest.raises(KeyError, match="layer"):
        ntext(2, "{n} in {layer}", "{n} in {layer}")


# In another language


def test_another_language_has_its_own_order_forms_and_separators() -> None:
    assert make_nested().said(Turned()) == "conv/dense: 1mai/12"
    counted = ntext(12345, "{n} image of {part}", "{n} images of {part}", part=text("the test split"))
    assert counted.said(Turned()) == "tesuto 12,345mai"


def test_a_message_without_a_translation_stays_english() -> None:
    assert text("it never fired").said(Turned()) == "it never fired"


def test_a_literal_is_never_translated() -> None:
    assert literal("the test split").said(Turned()) == "the test split"
    assert text("{a}", a="the test split").said(Turned()) == "the test split"


def test_a_translation_with_a_place_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError, match="leyer"):
        text("in {layer}", layer="conv").said(Turned({"in {layer}": "in {leyer}"}))


# Kept


@pytest.mark.parametrize("made", EVERY_KIND)
def test_a_text_survives_json(made: Text) -> None:
    found = from_plain(json.loads(json.dumps(made.plain())))
    assert (found, found.plain(), type(found)) == (made, made.plain(), Text)
    assert found.said(Turned()) == made.said(Turned())


@pytest.mark.parametrize("made", EVERY_KIND)
def test_a_copy_keeps_what_it_was_made_from(made: Text) -> None:
    pickled = [pickle.loads(pickle.dumps(made, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for found in (copy.copy(made), copy.deepcopy(made), *pickled):
        assert (found, found.plain(), type(found)) == (made, made.plain(), Text)


def test_what_a_dataclass_does_with_its_fields_keeps_texts_whole() -> None:
    unit = make_unit(evidence=make_nested())
    for found in (dataclasses.replace(unit, unit=3).evidence, dataclasses.asdict(unit)["evidence"]):
        assert found.plain() == make_nested().plain()


# From somebody else's file


@pytest.mark.parametrize("message", ["{0.__class__}", "{x.__class__}", "{x[0]}", "{x!r}", "{x:>99}", "{}", "%(x)s"])
def test_only_names_are_places(message: str) -> None:
    assert from_plain(["text", message, {"x": ["literal", "value"]}]) == message
    assert from_plain(["ntext", message, message, 2, {"x": ["literal", "value"]}]) == message


def test_what_fills_a_place_has_no_places() -> None:
    assert text("{a} {b}", a="{b}", b="{a} {0.__class__}") == "{b} {a} {0.__class__}"


@pytest.mark.parametrize(
    "made_from",
    [
        None,
        "words",
        7,
        [],
        {},
        ["literal"],
        ["literal", 7],
        ["literal", "a", "b"],
        ["text", "a"],
        ["text", ["a"], {}],
        ["text", "{a}", {"a": "words"}],
        ["text", "a", [["a", "b"]]],
        ["text", "{a}", {"a": None}],
        ["ntext", "a", "b", {}],
        ["ntext", "a", "b", "2", {}],
        ["ntext", "a", "b", 2.5, {}],
        ["joined", ", ", "words"],
        ["joined", 7, []],
        ["format", "{0.__class__}", {}],
    ],
)
def test_anything_else_is_refused(made_from: Any) -> None:
    with pytest.raises(ValueError, match="text"):
        from_plain(made_from)


# In a Record


def texts_of(value: Any, path: str = "") -> Iterator[tuple[str, Text]]:
    """Yield every text in a record with its place."""
    if isinstance(value, Text):
        yield path, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts_of(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_of(key, f"{path}[key]")
            yield from texts_of(item, f"{path}[{key}]")
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from texts_of(item, f"{path}[{n}]")


def plains_of(record: Record) -> list[tuple[str, Any]]:
    return [(path, made.plain()) for path, made in texts_of(record)]


def make_worded_record() -> Record:
    left_out, reasons = {text("it never fired"): [1]}, {"noise_floor": make_nested()}
    return make_record(
        findings=[make_finding(message=make_nested())],
        layers=[make_verdict("conv", 2, left_out=left_out, reasons=reasons)],
        units=[make_unit(cause=text("it never fired"), reasons={"nearest": ntext(2, "{n} image", "{n} images")})],
    )


def save(folder: Path, record: Record) -> Path:
    for name, content in record_file.to_bytes(record).items():
        (folder / name).write_bytes(content)
    return folder


def change_arrays(folder: Path, texts: Any = None) -> None:
    """Write record.npz anew with these texts, bytes or what becomes JSON, or without any."""
    path = folder / record_file.ARRAYS_NAME
    with np.load(path) as archive:
        members = {name: archive[name] for name in archive.files if name != "texts"}
    if texts is not None:
        content = texts if isinstance(texts, bytes) else json.dumps(texts).encode()
        members["texts"] = np.frombuffer(content, np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)
    path.write_bytes(buffer.getvalue())


def test_what_texts_are_made_from_survives_writing_and_reading(tmp_path: Path) -> None:
    record = make_worded_record()
    found = record_file.load(save(tmp_path, record))
    assert plains_of(found) == plains_of(record)
    (reason,) = found.layers[0].left_out
    assert reason.plain() == ["text", "it never fired", {}]
    assert found.findings[0].message.said(Turned()) == "conv/dense: 1mai/12"


def test_report_json_has_english_alone(tmp_path: Path) -> None:
    found = json.loads((save(tmp_path, make_worded_record()) / record_file.JSON_NAME).read_text(encoding="utf-8"))
    assert found["findings"][0]["message"] == "12 of 1 image in conv, dense"
    assert found["layers"][0]["left_out"] == {"it never fired": [1]}


def test_a_folder_from_before_there_were_languages_is_read_in_english(tmp_path: Path) -> None:
    record = make_worded_record()
    change_arrays(save(tmp_path, record))
    path = tmp_path / record_file.JSON_NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["look"]
    path.write_text(json.dumps(content), encoding="utf-8")
    found = record_file.load(tmp_path)
    assert plains_of(found) == [(place, ["literal", str(made)]) for place, made in texts_of(record)]
    assert found.look == Look()


def test_a_sentence_that_was_changed_in_report_json_is_taken_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path, make_worded_record()) / record_file.JSON_NAME
    path.write_text(path.read_text(encoding="utf-8").replace("12 of 1 image", "13 of 1 image"), encoding="utf-8")
    found = record_file.load(tmp_path).findings[0].message
    assert found.plain() == ["literal", "13 of 1 image in conv, dense"]


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param({}, id="empty mapping"),
        pytest.param(7, id="a number"),
        pytest.param([["text", "{a}", {}]], id="a place that nothing fills"),
        pytest.param([["format", "{0.__class__}", {}]], id="of another kind"),
    ],
)
def test_texts_of_another_kind_are_refused_or_change_nothing(tmp_path: Path, texts: Any) -> None:
    record = make_record()
    change_arrays(save(tmp_path, record), texts)
    try:
        assert [made for _, made in texts_of(record_file.load(tmp_path))] == [made for _, made in texts_of(record)]
    except InputError as error:
        assert "holds no readable record" in str(error)


def test_every_sentence_of_a_real_report_can_be_said_in_another_language(made_report: Path) -> None:
    found = dict(texts_of(record_file.load(made_report)))
    for place in (".data.source", ".data.pixels", ".history.source", ".findings[0].message", ".units[0].evidence"):
        assert place in found
    literals = [place for place, made in found.items() if made.plain()[0] == "literal" and place != ".title"]
    assert literals == []


# The messages

MESSAGES = {"text": slice(0, 1), "ntext": slice(1, 3), "joined": slice(0, 1)}
"""Which arguments of a function are messages."""


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Return each call of such a function in the package: where, the function and the call."""
    found = []
    for path in sorted((ROOT / "reportgen").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "reportgen.i18n"]
        names = {alias.name for node in imports for alias in node.names} & set(MESSAGES)
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node.func.id, node))
    return found


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _literals(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.slow
def test_every_message_is_a_literal_where_it_is_used() -> None:
    assert len(calls()) > 90
    for where, function, call in calls():
        messages = call.args[MESSAGES[function]]
        assert messages, where
        for message in messages:
            assert _is_literal(message), where


@pytest.mark.slow
def test_every_message_has_the_places_that_are_filled() -> None:
    for where, function, call in calls():
        given = {keyword.arg for keyword in call.keywords}
        if None in given or function == "joined":  # some are given as **values
            continue
        for message in _literals(call.args[MESSAGES[function]]):
            places = set(re.findall(r"\{(\w+)\}", message))
            assert places - given <= ({"n"} if function == "ntext" else set()), where
            assert given <= places, where
            assert not re.search(r"[{}]", re.sub(r"\{\w+\}", "", message)), where

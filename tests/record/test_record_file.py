"""A Record on disk and back."""

import dataclasses
import io
import json
import math
import pickle
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.errors import InputError
from reportgen.i18n import Text, from_plain
from reportgen.record import record_file
from reportgen.record.evaluation import Proof
from reportgen.record.run import Record
from reportgen.record.units import Nearest
from tests.helpers.builders import (
    assert_one_line,
    make_history,
    make_pictures,
    make_record,
    make_scores,
    make_shift,
    make_shifted_images,
    make_shifts_run,
    make_unit,
)

JSON, ARRAYS = "report.json", "record.npz"

# The keys that are promised; "[]" stands for the items of a list.
PROMISED = {
    "": "schema title made_at reportgen provenance data model history evaluation layers units proof findings baseline",
    "provenance": "versions platform seed command git_commit seconds data_sha256 model_sha256",
    "provenance.versions": "python tensorflow keras numpy",
    "data": "name source train_size test_size input_shape class_names class_counts",
    "data.class_counts": "train test",
    "model": "name total_params trainable_params non_trainable_params layers",
    "model.layers[]": "name kind output_shape params analysed reason",
    "history": "epochs metrics seconds best_epoch stopped_early",
    "history.metrics": "loss val_loss accuracy val_accuracy",
    "evaluation": "train test",
    "evaluation.test": "accuracy loss classes macro_avg weighted_avg confusion ece most_confused worst",
    "evaluation.test.classes[]": "label precision recall f1 support",
    "evaluation.test.macro_avg": "precision recall f1 support",
    "evaluation.test.weighted_avg": "precision recall f1 support",
    "evaluation.test.most_confused[]": "true predicted count",
    "evaluation.test.worst[]": "index true predicted probability",
}


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def put(folder: Path, record: Record) -> Path:
    for name, content in record_file.to_bytes(record).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds a record."""
    return put(tmp_path, make_record())


def leaves(value: Any, path: str = "") -> Iterator[tuple[Any, ...]]:
    """Yield everything that a record is made of, with its place and its type."""
    if dataclasses.is_dataclass(value):
        yield path, type(value).__name__
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        yield path, "list", len(value)
        for n, item in enumerate(value):
            yield from leaves(item, f"{path}[{n}]")
    elif isinstance(value, np.ndarray):
        yield path, value.dtype.str, value.shape, value.tobytes()
    else:
        yield path, type(value).__name__, value


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as raised:
        record_file.load(folder)
    return raised.value


# There and back


def test_a_record_survives_writing_and_reading_unchanged(folder: Path) -> None:
    assert list(leaves(record_file.load(folder))) == list(leaves(make_record()))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"history": None}, id="no history"),
        pytest.param({"evaluation": {"train": None, "test": make_scores()}}, id="no training split"),
        pytest.param({"pictures": make_pictures(maps=[], strips=[], kernels=[])}, id="no pictures of layers"),
        pytest.param({"pictures": make_pictures(worst=np.zeros((0, 4, 4, 1), np.uint8))}, id="no mistakes"),
        pytest.param({"title": 'Größe <3> & "損失"\n\u202e'}, id="any letters"),
        pytest.param(
            {
                "shifts": [make_shift(), make_shift(severity=3, unit_to_blame=None, reasons={"unit_to_blame": "why"})],
                "shifts_run": make_shifts_run(),
                "pictures": make_pictures(shifted=make_shifted_images()),
            },
            id="changed pictures",
        ),
        pytest.param({"shifts_run": make_shifts_run(breadth="none", reason="it was not asked for")}, id="unchanged"),
        pytest.param({"proof": Proof(3, 0.75, 0.5, [-0.5, 0.0])}, id="a proof"),
        pytest.param({"units": [make_unit(), make_unit(nearest=None, group=None, preferred_class=None)]}, id="units"),
    ],
)
def test_records_of_other_kinds_survive_too(tmp_path: Path, changes: dict[str, Any]) -> None:
    record = make_record(**changes)
    assert list(leaves(record_file.load(put(tmp_path, record)))) == list(leaves(record))


def made_before_alike(folder: Path, command: str) -> Record:
    """Return what is read of a folder whose units have the figures of how alike they are, but not the word for it."""
    here, there = Nearest(1, 0.99, 0.98, 0.97), Nearest(0, 0.99, 0.98, 0.93)
    units = [
        make_unit(unit=0, nearest=here),
        make_unit(unit=1, nearest=there, kept=here),
        make_unit(unit=2, nearest=Nearest(0, 0.99, 0.98)),
        make_unit(unit=3, nearest=Nearest(0, 0.94, 0.98, 0.97)),
        make_unit(unit=4, nearest=None),
        make_unit(layer="dense", nearest=Nearest(1, 0.96, 0.97)),
    ]
    put(folder, make_record(units=units, provenance=dataclasses.replace(make_record().provenance, command=command)))
    found = json.loads((folder / JSON).read_bytes())
    for unit in found["units"]:
        for near in (unit["nearest"], unit["kept"]):
            if near is not None:
                del near["alike"]
    (folder / JSON).write_text(json.dumps(found), encoding="utf-8")
    return record_file.load(folder)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ["interchangeable", "on average", None, None, None, "interchangeable"]),
        (" --redundant 0.9", ["interchangeable", "interchangeable", None, "interchangeable", None, "interchangeable"]),
        (" --redundant 0.98 --seed 3", ["on average", "on average", None, None, None, None]),
        (" --title 'as --redundant 0.9 '", ["interchangeable", "on average", None, None, None, "interchangeable"]),
    ],
)
def test_a_folder_from_before_units_were_called_alike_is_told_by_its_own_threshold(
    tmp_path: Path, given: str, expected: list[str | None]
) -> None:
    units = made_before_alike(tmp_path, f"reportgen report --data sample{given}").units
    assert [unit.nearest and unit.nearest.alike for unit in units] == expected
    assert units[1].kept is not None and units[1].kept.alike == expected[0]


def test_a_folder_from_before_pictures_were_changed_loads(folder: Path) -> None:
    found = json.loads((folder / JSON).read_bytes())
    del found["shifts"], found["shifts_run"]
    (folder / JSON).write_text(json.dumps(found), encoding="utf-8")
    loaded = record_file.load(folder)
    assert loaded.shifts is loaded.shifts_run is loaded.pictures.shifted is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "bool", "float16", "float32", "float64"])
def test_images_keep_their_type(tmp_path: Path, dtype: str) -> None:
    images = np.arange(12).reshape(1, 2, 2, 3).astype(dtype)
    found = record_file.load(put(tmp_path, make_record(pictures=make_pictures(worst=images))))
    assert found.pictures.worst.dtype == dtype
    assert np.array_equal(found.pictures.worst, images)


def test_an_array_keeps_values_that_are_no_numbers(tmp_path: Path) -> None:
    odd = np.array([[[[np.nan], [np.inf]], [[-np.inf], [-0.0]]]], np.float32)
    found = record_file.load(put(tmp_path, make_record(pictures=make_pictures(worst=odd))))
    assert found.pictures.worst.tobytes() == odd.tobytes()


def test_the_same_record_gives_the_same_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = record_file.to_bytes(make_record())
    later = time.localtime(time.time() + 1e6)
    monkeypatch.setattr(time, "localtime", lambda *_: later)
    monkeypatch.setattr(time, "time", lambda: time.mktime(later))
    assert record_file.to_bytes(make_record()) == first


def test_what_was_read_gives_the_bytes_that_it_was_read_from(folder: Path) -> None:
    for name, content in record_file.to_bytes(record_file.load(folder)).items():
        assert content == (folder / name).read_bytes(), name


# report.json


@pytest.mark.parametrize("place", PROMISED)
def test_every_promised_key_is_there(place: str) -> None:
    found: Any = json.loads(record_file.to_bytes(make_record())[JSON])
    for step in place.split(".") if place else []:
        found = found[step.removesuffix("[]")]
        found = found[0] if step.endswith("[]") else found
    assert set(PROMISED[place].split()) <= found.keys()


def test_a_promised_key_is_there_even_when_nothing_is_known() -> None:
    record = make_record(
        history=None,
        evaluation={"train": None, "test": make_scores()},
        layers=[],
        units=[],
        findings=[],
        proof=None,
    )
    found = json.loads(record_file.to_bytes(record)[JSON])
    assert found["history"] is found["evaluation"]["train"] is found["proof"] is found["baseline"] is None
    assert found["layers"] == found["units"] == found["findings"] == []


def test_the_schema_is_the_first_thing_in_the_file() -> None:
    assert record_file.to_bytes(make_record())[JSON].startswith(b'{\n "schema": "reportgen/1"')


def test_each_unit_layer_and_finding_has_a_line_of_its_own() -> None:
    written = record_file.to_bytes(make_record(units=[make_unit(unit=n) for n in range(5)]))[JSON]
    found, lines = json.loads(written), written.decode().splitlines()
    for key in ("units", "layers", "findings"):
        start = lines.index(f' "{key}": [') + 1
        told = [json.loads(line.rstrip(",")) for line in lines[start : start + len(found[key])]]
        assert told == found[key]
        assert lines[start + len(told)].rstrip(",") == " ]"


def test_lines_say_what_one_piece_of_json_says() -> None:
    noun = {"none": None, "empty": [], "nothing": {}, "rows": [[1, 2.5], []], "deep": {"a": [{"b": {"c": "x\n"}}]}}
    written = record_file.as_json(noun)
    assert json.loads(written) == noun
    assert written.decode().count("\n") == 14, "a line for each key and each row"


def test_every_text_that_is_read_back_as_one_is_stored() -> None:
    record = make_record(shifts=[make_shift()], shifts_run=make_shifts_run())
    stored = np.load(io.BytesIO(record_file.to_bytes(record)[ARRAYS]))["texts"]
    kept = {str(from_plain(one)) for one in json.loads(stored.tobytes())}
    there = {str(one) for one in texts_in(record) if one.plain()[0] != "literal"}
    assert kept == there and len(there) > 5


def texts_in(value: Any) -> Iterator[Text]:
    """Yield the texts of a noun, whatever its annotations say."""
    if isinstance(value, Text):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from texts_in(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(key)
            yield from texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_in(item)


def test_pictures_are_no_part_of_report_json() -> None:
    assert "pictures" not in json.loads(record_file.to_bytes(make_record())[JSON])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32(np.nan)])
def test_what_is_no_finite_number_becomes_null(value: float) -> None:
    history = make_history()
    history.metrics["loss"][0] = value
    content = record_file.to_bytes(make_record(history=history))[JSON]
    assert json.loads(content, parse_constant=pytest.fail)["history"]["metrics"]["loss"] == [None, 0.8, 0.5]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.int64(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), ((1, 2), [1, 2])],
)
def test_numpy_numbers_and_tuples_become_plain_json(value: Any, expected: Any) -> None:
    found = json.loads(record_file.to_bytes(make_record(proof={"value": value}))[JSON])["proof"]["value"]
    assert (type(found), found) == (type(expected), expected)


def test_an_array_where_a_number_belongs_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="array"):
        record_file.to_bytes(make_record(proof={"value": np.zeros(3)}))


def test_a_name_that_is_no_valid_unicode_does_not_stop_the_report() -> None:
    # such a name comes from a file whose name is in another encoding
    record = make_record(title="caf\udce9")
    assert json.loads(record_file.to_bytes(record)[JSON])["title"].startswith("caf")


# Folders that hold no record


@pytest.mark.parametrize("name", [JSON, ARRAYS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert_one_line(refused(folder), folder / name, "missing")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert_one_line(refused(tmp_path / "nowhere"), tmp_path / "nowhere", "missing")


def test_a_file_instead_of_a_folder_is_refused(folder: Path) -> None:
    assert_one_line(refused(folder / JSON), folder / JSON)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema": "reportgen/2"}', "reportgen/2"),
        ('{"schema": 1}', "1"),
        ('{"some": "other tool"}', "None"),
        ("[]", "None"),
        ("null", "None"),
    ],
)
def test_another_schema_is_refused_with_the_one_expected(folder: Path, content: str, said: str) -> None:
    (folder / JSON).write_text(content, encoding="utf-8")
    assert_one_line(refused(folder), folder / JSON, said, "'reportgen/1'")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no json", id="no json"),
        pytest.param(b'{"schema": "reportgen/1"}', id="only a schema"),
        pytest.param(b'{"schema": "reportgen/1", "title": "\xff"}', id="no text"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_damaged_report_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / JSON).write_bytes(content)
    assert_one_line(refused(folder), folder)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("title", 7),
        ("provenance", None),
        ("provenance", []),
        ("history", {"epochs": "1, 2"}),
        ("evaluation", []),
        ("units", {}),
        ("units", None),
    ],
)
def test_a_value_of_another_kind_is_refused(folder: Path, place: str, value: Any) -> None:
    found = json.loads((folder / JSON).read_text(encoding="utf-8"))
    found[place] = value
    (folder / JSON).write_text(json.dumps(found), encoding="utf-8")
    assert_one_line(refused(folder), folder)


KEYS = json.loads(record_file.to_bytes(make_record())[JSON]).keys()


@pytest.mark.parametrize("key", sorted(KEYS - {"look", "deaths", "shifts", "shifts_run", "attributions"}))
def test_a_missing_key_is_refused(folder: Path, key: str) -> None:
    found = json.loads((folder / JSON).read_text(encoding="utf-8"))
    del found[key]
    (folder / JSON).write_text(json.dumps(found), encoding="utf-8")
    assert_one_line(refused(folder), folder)


@pytest.mark.parametrize("name", [JSON, ARRAYS])
def test_a_file_cut_off_anywhere_is_refused(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for length in range(0, len(whole) - 1, len(whole) // 50):
        (folder / name).write_bytes(whole[:length])
        assert_one_line(refused(folder), folder)


@pytest.mark.slow
def test_a_changed_byte_in_the_arrays_is_refused_or_changes_nothing(folder: Path) -> None:
    whole, expected = (folder / ARRAYS).read_bytes(), list(leaves(make_record()))
    for place in range(0, len(whole), 4):
        damaged = bytearray(whole)
        damaged[place] ^= 1 + place % 255
        (folder / ARRAYS).write_bytes(damaged)
        try:
            found = record_file.load(folder)
        except InputError as error:
            assert_one_line(error, folder)
        else:
            assert list(leaves(found)) == expected, place


def foreign_arrays(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def bare_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def zip_of_text() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("outline", "{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(foreign_arrays(x_test=np.zeros(3)), id="a data set"),
        pytest.param(foreign_arrays(outline=np.frombuffer(b"{}", np.uint8)), id="an empty outline"),
        pytest.param(foreign_arrays(outline=np.zeros(3)), id="an outline of numbers"),
        pytest.param(bare_array(), id="a bare array"),
        pytest.param(zip_of_text(), id="a zip of text"),
        pytest.param(b"PK\x05\x06" + bytes(18), id="an empty zip"),
    ],
)
def test_arrays_of_another_kind_are_refused(folder: Path, content: bytes) -> None:
    (folder / ARRAYS).write_bytes(content)
    assert_one_line(refused(folder), folder)


def test_an_archive_that_lacks_an_array_is_refused(folder: Path) -> None:
    with np.load(folder / ARRAYS) as archive:
        kept = {name: archive[name] for name in archive.files if name != "array0"}
    (folder / ARRAYS).write_bytes(foreign_arrays(**kept))
    assert_one_line(refused(folder), folder)


@pytest.mark.parametrize("kind", ["pickle", "object array"])
def test_python_objects_are_refused_and_never_unpickled(folder: Path, tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "mark"
    objects = np.array([Trap(mark)], dtype=object)
    content = pickle.dumps(Trap(mark)) if kind == "pickle" else foreign_arrays(outline=objects)
    (folder / ARRAYS).write_bytes(content)
    assert_one_line(refused(folder), folder)
    assert not mark.exists()

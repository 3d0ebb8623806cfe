"""`reportgen.prune`: from a report's folder to a smaller model that says the same, and what it refuses."""

import html
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reportgen
from reportgen.analysis.conditions.cuts import cuts
from reportgen.errors import InputError
from reportgen.options import Options
from reportgen.pipeline import provenance
from reportgen.record import record_file
from reportgen.render.page import answers
from reportgen.render.smaller import plain
from reportgen.runtime import keras
from tests.conftest import Run
from tests.helpers.builders import assert_one_line
from tests.helpers.passes import answers as said_by
from tests.helpers.passes import randomise

pytestmark = pytest.mark.tensorflow
L = keras.layers
CLOCK = "1700000000"
KILLED = {"first": [1, 4], "second": [0, 2, 5], "third": [3]}


def data(seed: int = 0) -> dict[str, Any]:
    """Return bright images of noise with a brighter quarter, which is the class."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for part, count in (("train", 60), ("test", 160)):
        labels = np.arange(count) % 4
        images = rng.integers(0, 120, (count, 8, 8, 1))
        for image, label in zip(images, labels, strict=True):
            image[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 100
        found |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
    return found


def network() -> Any:
    """Return a network of 20 inner units of which 30 % were killed on purpose, and the others are alive."""
    layers = [
        L.Conv2D(6, 3, activation="relu", name="first"),
        L.MaxPooling2D(),
        L.Conv2D(8, 2, activation="relu", name="second"),
        L.Flatten(),
        L.Dense(6, activation="relu", name="third"),
        L.Dense(4, activation="softmax", name="scores"),
    ]
    model = randomise(keras.Sequential([L.Input((8, 8, 1)), *layers], name="tiny"))
    for name, units in KILLED.items():
        kernel, bias = (np.abs(one) for one in model.get_layer(name).get_weights())
        kernel[..., units], bias[units] = 0, 0
        model.get_layer(name).set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its data and a report on it."""
    made = tmp_path_factory.mktemp("pruned")
    network().save(made / "net.keras")
    np.savez(made / "data.npz", **data())
    out = made / "report"
    reportgen.report(made / "net.keras", made / "data.npz", out=out, formats=["html"], examples=1, shifts="none")
    return made


@pytest.fixture(scope="module")
def pruned(place: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", CLOCK)
        return reportgen.prune(place / "report", lossless=True)


@pytest.fixture
def report(place: Path, tmp_path: Path) -> Path:
    """A copy of the report's folder, as `reportgen report` wrote it."""
    copied = shutil.copytree(place / "report", tmp_path / "report")
    for name in ("smaller.keras", "smaller.json"):
        (copied / name).unlink(missing_ok=True)
    return copied


def images() -> Any:
    found = data()
    return np.concatenate([found["x_train"], found["x_test"]]).astype(np.float32) / np.float32(255)


def test_units_that_were_killed_go_and_no_other(pruned: Any) -> None:
    gone = {layer["name"]: sorted(layer["cannot_fire"] + layer["did_not_fire"]) for layer in pruned["layers"]}
    assert gone == KILLED | {"scores": []}
    assert pruned["units"] == {"before": 20, "after": 14}
    sizes = [keras.models.load_model(pruned.model).get_layer(name).get_weights()[1].size for name in KILLED]
    assert sizes == [4, 5, 5]


def test_the_file_says_the_same_of_every_image(pruned: Any, place: Path) -> None:
    before, after = (said_by(keras.models.load_model(path), images()) for path in (place / "net.keras", pruned.model))
    certificate = pruned["lossless"]
    assert np.abs(after - before).max() == pytest.approx(certificate["largest_difference"], abs=1e-6)
    assert certificate["largest_difference"] <= 1e-4 * certificate["scale"]
    assert certificate["scale"] == pytest.approx(np.abs(before).max())
    assert (certificate["images"], certificate["answers_changed"], certificate["units"]) == (220, 0, 6)


def test_the_report_foresees_what_goes(pruned: Any, place: Path) -> None:
    record = record_file.load(place / "report")
    said = "6 of 20 units can go without changing an answer; with this report's folder as DIR:"
    assert answers.saving(record) == said
    page = (place / "report" / "report.html").read_text(encoding="utf-8")
    assert f"{said} <code>reportgen prune DIR</code>" in html.unescape(page)


def test_a_report_on_the_smaller_model_has_nothing_dead_and_no_copy(
    pruned: Any, place: Path, tmp_path: Path, unpainted: None
) -> None:
    found = reportgen.report(
        pruned.model, place / "data.npz", out=tmp_path / "again", formats=["html"], examples=1, shifts="none"
    )
    assert {unit["state"] for unit in found["units"]} & {"dead", "constant"} == set()
    assert [unit for unit in found["units"] if unit["duplicate_of"] is not None] == []
    assert answers.saving(record_file.load(tmp_path / "again")) is None
    assert found["model"]["total_params"] == pruned["params"]["after"]


def test_a_report_is_painted_again_with_its_smaller_model_and_a_new_one_has_none(pruned: Any, place: Path) -> None:
    folder = place / "report"
    before = (folder / "smaller.keras").read_bytes()
    reportgen.rerender(folder, formats=["html"])
    assert (folder / "smaller.keras").read_bytes() == before
    assert json.loads((folder / "smaller.json").read_bytes()) == pruned


def test_redundant_units_are_merged_as_far_as_the_accuracy_allows(tmp_path: Path, unpainted: None) -> None:
    model, noise = network(), np.random.default_rng(1)
    kernel, bias = model.get_layer("third").get_weights()
    kernel[:, 4], bias[4] = kernel[:, 1] * noise.uniform(0.99, 1.01, len(kernel)), bias[1]  # nearly the same
    model.get_layer("third").set_weights([kernel, bias])
    made = reportgen.report(
        model, data(), out=tmp_path / "report", formats=["html"], examples=1, shifts="none", redundant=0.999
    )
    groups = {tuple(group) for layer in made["layers"] for group in layer["groups"] if layer["name"] == "third"}
    assert any({1, 4} <= set(group) for group in groups)
    found = reportgen.prune(tmp_path / "report", model, data(), max_drop=0.5)
    merged, layers = found["merged"], {layer["name"]: layer for layer in found["layers"]}
    assert merged["units"] == sum(len(layer["merged"]) for layer in layers.values()) > 0
    pair = next(one for one in layers["third"]["merged"] if {one["unit"], one["of"]} <= {1, 4})
    assert pair["factor"] == pytest.approx(1, abs=0.05)
    assert len(merged["at_random"]["accuracy"]) == 20
    # the figures on the images that score are those of the file
    given = data()
    scored = ~cuts(given["x_test"]).choose
    right = said_by(keras.models.load_model(found.model), given["x_test"].astype(np.float32) / 255).argmax(axis=1)
    assert merged["scored_on"] == scored.sum() and merged["fitted_on"] == (~scored).sum()
    assert merged["accuracy_after"] == pytest.approx((right == given["y_test"])[scored].mean())
    none = reportgen.prune(tmp_path / "report", model, data(), max_drop=0.0, out=tmp_path / "none.keras")
    assert none["merged"]["accuracy_after"] >= none["merged"]["accuracy_before"]


def test_a_unit_that_is_dead_on_the_test_images_alone_stays_without_loss_and_goes_with_the_redundant_ones(
    tmp_path: Path, unpainted: None
) -> None:
    model, given = network(), data()
    kernel, bias = model.get_layer("third").get_weights()
    kernel[:, 4], bias[4] = 0, 0
    kernel[:2, 4] = 1  # of units that see no brightness that the test images have
    model.get_layer("third").set_weights([kernel, bias])
    given["x_train"][:3] = 255
    seen = keras.Model(model.inputs[0], model.get_layer("third").input)
    bias[4] = -1.01 * np.asarray(seen(given["x_test"] / np.float32(255)))[:, :2].sum(axis=1).max()
    model.get_layer("third").set_weights([kernel, bias])
    made = reportgen.report(model, given, out=tmp_path / "report", formats=["html"], examples=1, shifts="none")
    assert next(u for u in made["units"] if (u["layer"], u["unit"]) == ("third", 4))["state"] == "dead"
    cut = next(layer for layer in made["layers"] if layer["name"] == "third")["lossless"]
    assert cut["kept"] == [{"units": [4], "reason": "on images of the other split it gives something else"}]
    found = reportgen.prune(tmp_path / "report", model, given, max_drop=0.5)
    third = next(layer for layer in found["layers"] if layer["name"] == "third")
    assert found["merged"]["still"] == 1 and 4 in [one["unit"] for one in third["merged"]]
    line = next(one for one in third["merged"] if one["unit"] == 4)
    assert (line["factor"], line["offset"]) == pytest.approx((0, 0), abs=1e-12)
    assert found["left_dead"] == 0
    assert "though not on all others, was let go" in plain(found.smaller, "en")


def test_with_a_fixed_clock_the_same_call_gives_the_same_bytes(
    pruned: Any, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", CLOCK)
    again = reportgen.prune(report, out=tmp_path / "again.keras", lossless=True)
    assert again == pruned
    assert again["seconds"] == {"before": None, "after": None}
    assert (tmp_path / "again.keras").read_bytes() == pruned.model.read_bytes()


def refused(report: Path, *words: str, **how: Any) -> None:
    before = {path.name: path.read_bytes() for path in report.iterdir()}
    with pytest.raises(InputError) as raised:
        reportgen.prune(report, **how)
    assert_one_line(raised.value, *words)
    assert {path.name: path.read_bytes() for path in report.iterdir()} == before


def test_another_model_is_refused(report: Path, tmp_path: Path) -> None:
    other = randomise(network(), seed=3)
    other.save(tmp_path / "other.keras")
    refused(report, "other.keras is not the model of", "sha256", model=tmp_path / "other.keras")


def test_a_live_model_that_does_other_than_the_report_says_is_refused(tmp_path: Path, unpainted: None) -> None:
    reportgen.report(network(), data(), out=tmp_path / "live", formats=["html"], examples=1, shifts="none")
    refused(tmp_path / "live", "it was handed over in Python", "--model")
    refused(tmp_path / "live", "data was handed over in Python", "--data", model=network())
    other = randomise(network(), seed=5)
    refused(tmp_path / "live", "test images correctly, but the report says", model=other, data=data())


def test_other_data_is_refused(report: Path) -> None:
    refused(report, "is not the data of the report", "--data", data=data(seed=2))


def test_the_model_is_never_written_over(report: Path, place: Path, tmp_path: Path) -> None:
    before = (place / "net.keras").read_bytes()
    refused(report, "net.keras is the model itself", out=place / "net.keras")
    assert (place / "net.keras").read_bytes() == before
    (tmp_path / "mine.keras").write_bytes(b"only copy")
    refused(report, "holds another model", out=tmp_path / "mine.keras")
    refused(report, "ends in .keras", out=tmp_path / "folder")
    refused(report, "none of a report", out=report / "other.keras")


@pytest.mark.parametrize("drop", [-0.1, 1.5, "much"])
def test_a_drop_that_is_no_share_is_refused(report: Path, drop: Any) -> None:
    refused(report, f"--max-drop is {drop!r}", max_drop=drop)


def test_the_command_prints_the_paths_and_says_what_went(warm: Run, report: Path) -> None:
    done = warm("prune", report, "--lossless")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{report}/smaller.keras", f"{report}/smaller.json"]
    assert "6 units went without changing an answer, in 1 round" in done.stderr
    assert warm("prune", report, "--max-drop", "x").returncode == 2


def test_the_words_of_the_terminal_are_those_of_the_certificate(pruned: Any) -> None:
    said = plain(pruned.smaller, "en")
    assert "over all 220 images" in said
    assert "first" in said and "scores: its units are the model's scores" in said


def test_a_command_gives_the_options_that_it_was_made_of() -> None:
    options = Options(seed=3, image_size="8x9", redundant=0.9, validation_split=0.25, class_names=["a", "b"])
    command = provenance.command("a model.keras", "some data", options)
    assert provenance.called(command) == (
        "a model.keras",
        "some data",
        Options(seed=3, image_size="8x9", redundant=0.9, validation_split=0.25, class_names="a,b"),
    )
    assert provenance.called(provenance.command(object(), {}, Options())) == (None, None, Options())
    with pytest.raises(InputError):
        provenance.called("rm -rf x")

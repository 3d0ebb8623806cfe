"""A class keeps the model's number, whatever a part lacks: Keras's own accuracy, or an error whose advice works."""

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reportgen.analysis.evaluation import scores
from reportgen.analysis.findings import order_findings
from reportgen.data import names, samples
from reportgen.dataset import Dataset, Labelled
from reportgen.errors import InputError
from reportgen.options import Options
from reportgen.pipeline import class_order, flow, provenance
from reportgen.thresholds import FindingThresholds
from tests.conftest import Run
from tests.helpers.builders import assert_one_line, make_scores

Array = NDArray[Any]
ORDER = ("ant", "bee", "cat", "dog")
OTHER = ("dog", "ant", "cat", "bee")
WAY_OUT = "name all of them in the model's order with --class-names FILE or a,b,c, or give integer labels"


def drawn(numbers: Array) -> Array:
    """Return (N, 8, 8, 1) pictures, each with its own noise, in which the quadrant of the class's number is bright."""
    noise = np.random.default_rng(0).integers(0, 40, (len(numbers), 8, 8, 1), dtype=np.uint8)
    for image, number in zip(noise, numbers, strict=True):
        row, column = divmod(int(number), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 200
    return noise


def part(*present: int, count: int = 60) -> tuple[Array, Array]:
    """Return pictures of the classes with these numbers, and the numbers."""
    numbers = np.array(present)[np.arange(count) % len(present)]
    return drawn(numbers), numbers


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a model that tells the quadrants apart without a mistake."""
    from reportgen.runtime import keras

    layers = [keras.layers.AveragePooling2D(4), keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    made = keras.Sequential([keras.Input((8, 8, 1)), *layers], name="quadrants")
    made.layers[-1].set_weights([8 * np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
    return made


def as_taken(data: Any, model: Any, file: Any = None, **options: Any) -> Dataset:
    loaded = samples.load(data, test_only=True, **options)
    return class_order.resolved(loaded, model, file)


def accuracy(dataset: Dataset, model: Any) -> float:
    """Return what Keras itself predicts rightly of the test split, pixels divided to 0-1."""
    predicted = model.predict(dataset.test.images[:] / 255.0, verbose=0).argmax(axis=1)
    return float((predicted == dataset.test.labels).mean())


def assert_right(dataset: Dataset, model: Any, order: tuple[str, ...] = ORDER) -> None:
    assert dataset.class_names == order
    assert accuracy(dataset, model) == 1.0
    assert dataset.sha256 == samples.fingerprint(dataset.parts, dataset.class_names)


def refused(data: Any, model: Any, *parts: object, **options: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        as_taken(data, model, **options)
    assert_one_line(raised.value, *parts)
    return raised.value


def folder(root: Path, **parts: tuple[Array, Array]) -> Path:
    """Write the pictures of each part into the folders of their classes, which are called as in ORDER."""
    for name, (images, numbers) in parts.items():
        for place, (image, number) in enumerate(zip(images, numbers, strict=True)):
            target = root / name / ORDER[number] / f"{place}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(target)
    return root


class Kept(SimpleNamespace):
    """A model's file, as far as what lies beside it is asked for."""


@pytest.fixture
def file(tmp_path: Path) -> Kept:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "net.keras"
    path.write_bytes(b"a model")
    return Kept(path=path, sha256=hashlib.sha256(b"a model").hexdigest())


def earlier_report(file: Kept, order: Any, sha256: str | None = None) -> None:
    held = {"provenance": {"model_sha256": sha256 or file.sha256}, "data": {"class_names": order}}
    (file.path.parent / "report.json").write_text(json.dumps(held))


# What a part may lack

pytestmark = pytest.mark.tensorflow
LACKING = [(1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2), (3,), (1, 2)]


def in_words(numbers: Array) -> Array:
    return np.array(ORDER)[numbers]


@pytest.mark.parametrize("present", LACKING, ids=str)
def test_text_labels_that_lack_a_class_are_refused_and_each_advice_works(
    model: Any, present: tuple[int, ...], tmp_path: Path
) -> None:
    images, numbers = part(*present)
    listed = ", ".join(ORDER[number] for number in present)
    count = "1 class" if len(present) == 1 else f"{len(present)} classes"
    given = {"x_test": images, "y_test": in_words(numbers)}
    refused(given, model, f"the data names {count} ({listed}), but the model gives 4 scores", WAY_OUT)
    assert_right(as_taken(given, model, class_names=",".join(ORDER)), model)
    (tmp_path / "names.txt").write_text("\n".join(ORDER))
    assert_right(as_taken(given, model, class_names=str(tmp_path / "names.txt")), model)
    assert accuracy(as_taken({"x_test": images, "y_test": numbers}, model), model) == 1.0


@pytest.mark.parametrize("present", LACKING, ids=str)
def test_folders_that_lack_a_class_are_refused_and_the_advice_works(
    model: Any, present: tuple[int, ...], tmp_path: Path
) -> None:
    root = folder(tmp_path, test=part(*present, count=12))
    refused(str(root), model, "but the model gives 4 scores", WAY_OUT)
    assert_right(as_taken(str(root), model, class_names=",".join(ORDER)), model)


@pytest.mark.parametrize("lacks", ["train", "test", "both"])
@pytest.mark.parametrize("kind", ["text", "folders"])
def test_both_parts_together_name_the_classes(model: Any, lacks: str, kind: str, tmp_path: Path) -> None:
    train = part(*(range(4) if lacks == "test" else (0, 2, 3)))
    test = part(*(range(4) if lacks == "train" else (1, 2, 3)))
    if kind == "folders":
        data: Any = str(folder(tmp_path, train=train, test=test))
    else:
        data = {"train": (train[0], in_words(train[1])), "test": (test[0], in_words(test[1]))}
    assert_right(as_taken(data, model), model)


def test_integers_are_the_models_numbers(model: Any) -> None:
    for present in LACKING:
        images, numbers = part(*present)
        assert accuracy(as_taken((images, numbers), model), model) == 1.0
        found = as_taken({"test": (images, numbers), "class_names": list(ORDER)}, model)
        assert_right(found, model)


def test_one_hot_rows_keep_their_width(model: Any) -> None:
    for present in LACKING:
        images, numbers = part(*present)
        found = as_taken((images, np.eye(4)[numbers]), model)
        assert (found.class_names, accuracy(found, model)) == (tuple("0123"), 1.0)
    assert_right(as_taken((images, np.eye(4)[numbers]), model, class_names=ORDER), model)


def test_one_hot_rows_without_a_column_are_refused_and_each_advice_works(model: Any) -> None:
    images, numbers = part(0, 2, 3)
    narrow = np.eye(3)[np.array([0, -1, 1, 2])[numbers]]
    refused((images, narrow), model, "rows of 3 columns", "4 scores", "rows as wide as the scores", "integer labels")
    with pytest.raises(InputError) as raised:
        as_taken({"train": (images, np.eye(4)[numbers]), "test": (images, narrow)}, model)
    assert_one_line(raised.value, "4 columns in y_train but 3 columns in y_test", "integer labels")
    refused((images, narrow), model, "rows of 3 columns", "4 class names", class_names=ORDER)
    refused({"test": (images, narrow), "class_names": list(ORDER)}, model, "rows of 3 columns", "4 class names")
    assert accuracy(as_taken((images, np.eye(4)[numbers]), model), model) == 1.0
    assert accuracy(as_taken((images, numbers), model), model) == 1.0


def test_one_hot_rows_and_integers_may_stand_beside_each_other(model: Any) -> None:
    images, numbers = part(0, 2)
    found = as_taken({"train": (images, np.eye(4)[numbers]), "test": (images, numbers)}, model)
    assert (len(found.class_names), accuracy(found, model)) == (4, 1.0)
    with pytest.raises(InputError) as raised:
        as_taken({"train": (images, np.eye(2)[numbers // 2]), "test": (images, numbers)}, model)
    assert_one_line(raised.value, "label 2", "expected 0 to 1")


def test_one_sigmoid_score_tells_two_classes_apart() -> None:
    model = SimpleNamespace(outputs=[SimpleNamespace(shape=(None, 1))])
    images, numbers = part(0, 1)
    assert as_taken((images, in_words(numbers)), model).class_names == ("ant", "bee")
    refused((images[1::2], in_words(numbers[1::2])), model, "names 1 class (bee)", "2 scores")
    found = as_taken((images[1::2], in_words(numbers[1::2])), model, class_names="ant,bee")
    assert found.test.labels.tolist() == [1] * 30


# Data sets of TensorFlow and Keras


def of_folder(root: Path, part: str, reader: str, mode: str) -> Any:
    from reportgen.runtime import keras

    if reader == "dataset":
        return keras.utils.image_dataset_from_directory(
            root / part, image_size=(8, 8), color_mode="grayscale", label_mode=mode, batch_size=7, verbose=False
        )
    made = keras.src.legacy.preprocessing.image.ImageDataGenerator()
    mode = {"int": "sparse"}.get(mode, mode)
    return made.flow_from_directory(
        str(root / part), target_size=(8, 8), color_mode="grayscale", class_mode=mode, batch_size=7
    )


@pytest.mark.parametrize("mode", ["int", "categorical"])
@pytest.mark.parametrize("reader", ["dataset", "iterator"])
def test_numbers_are_those_of_the_data_sets_own_names(model: Any, reader: str, mode: str, tmp_path: Path) -> None:
    root = folder(tmp_path, train=part(0, 1, 3, count=12), test=part(1, 2, 3, count=12))
    test = of_folder(root, "test", reader, mode)
    refused(test, model, "names 3 classes (bee, cat, dog)", WAY_OUT)
    assert_right(as_taken(test, model, class_names=ORDER), model)
    both = {"train": of_folder(root, "train", reader, mode), "test": test}
    assert_right(as_taken(both, model), model)
    (root / "test" / "ant").mkdir()
    assert_right(as_taken(of_folder(root, "test", reader, mode), model), model)


class Pairs:
    """Batches with names of their own, in the clothes of a keras.utils.PyDataset."""

    def __new__(cls, images: Array, labels: Array, **own: Any) -> Any:
        from reportgen.runtime import keras

        class Made(keras.utils.PyDataset):
            def __len__(self) -> int:
                return 1

            def __getitem__(self, number: int) -> Any:
                return images, labels

        made: Any = Made()
        vars(made).update(own)
        return made


def test_the_order_of_the_part_that_has_all_names_is_kept() -> None:
    images, _ = part(0, 1, count=6)
    labels = np.array([0, 1, 0, 1, 0, 1])
    train = Pairs(images, np.array([0, 1, 2, 0, 1, 2]), class_indices={"dog": 1, "cat": 0, "ant": 2})
    test = Pairs(images, labels, class_names=["ant", "cat"])
    for given in (test, (images, np.array(["ant", "cat"] * 3))):
        found = samples.load({"train": train, "test": given}, test_only=False)
        assert (found.class_names, found.test.labels.tolist()) == (("cat", "dog", "ant"), [2, 0] * 3)
        assert found.labelled == Labelled("text", "labels")
    found = samples.load({"train": train, "test": Pairs(images, labels, class_names=["bee", "ant"])}, test_only=False)
    assert (found.class_names, found.test.labels.tolist()) == (("ant", "bee", "cat", "dog"), [1, 0] * 3)


def test_plain_numbers_beside_a_data_set_with_names_are_numbers_of_these() -> None:
    images, numbers = part(0, 1, count=6)
    named = Pairs(images, numbers, class_names=["cat", "ant"])
    found = samples.load({"train": named, "test": (images, numbers)}, test_only=False)
    assert (found.class_names, found.test.labels.tolist()) == (("cat", "ant"), numbers.tolist())
    with pytest.raises(InputError) as raised:
        samples.load({"train": named, "test": (images, numbers + 1)}, test_only=False)
    assert_one_line(raised.value, "label 2", "expected 0 to 1")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"class_indices": {"a": 0, "b": 2}}, "not from 0 to 1"),
        ({"class_indices": {"a": 0, "b": True}}, "True for 'b'"),
        ({"class_indices": [1, 2]}, "no mapping"),
        ({"class_names": ["a"]}, "label 1"),
        ({"class_names": ["a", "a"]}, "'a' more than once"),
    ],
)
def test_own_names_that_do_not_fit_the_labels_are_refused(own: dict[str, Any], said: str) -> None:
    images, numbers = part(0, 1, count=6)
    with pytest.raises(InputError) as raised:
        samples.load(Pairs(images, numbers, **own), test_only=True)
    assert_one_line(raised.value, said)


# Names that the caller gives


@pytest.mark.parametrize("kind", ["sequence", "array", "mapping", "path", "text of a path", "list", "JSON", "object"])
def test_names_may_be_given_in_many_ways(kind: str, tmp_path: Path) -> None:
    lines, listed, numbered = tmp_path / "names", tmp_path / "list.json", tmp_path / "class_indices.json"
    lines.write_bytes("\ufeffdog\r\nant \r\ncat\r\nbee\r\n\r\n \n".encode())
    listed.write_text(json.dumps(OTHER))
    numbers = dict(zip(sorted(OTHER), [1, 3, 2, 0], strict=True))
    numbered.write_text(json.dumps(numbers))
    given: dict[str, Any] = {
        "sequence": list(OTHER),
        "array": np.array(OTHER),
        "mapping": numbers,
        "path": lines,
        "text of a path": str(lines),
        "list": "dog, ant,cat,bee",
        "JSON": str(listed),
        "object": numbered,
    }
    assert names.given(given[kind]) == OTHER


def test_a_file_may_be_called_like_a_list_and_a_class_like_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a,b").write_text("[none]\nany", encoding="utf-8")
    assert names.given("a,b") == ("[none]", "any")
    assert names.given("a,c") == ("a", "c")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.txt", "neither a file nor a list"),
        ("", "neither a file nor a list"),
        ("a" * 5000, "neither a file nor a list"),
        ("a\0b", "neither a file nor a list"),
        ("a,,b", "an empty name"),
        ("a,b,a", "'a' more than once"),
        (".", "is a folder"),
        (Path("nowhere.txt"), "cannot be opened"),
        ([], "names no class"),
        (["a", 1], "1 for the name"),
        ({"a": 1, "b": 2}, "not from 0 to 1"),
        ({"a": 0, "b": 0}, "not from 0 to 1"),
        ({"a": 0, "b": 1.0}, "1.0 for 'b'"),
        ({"a", "b"}, "of the class set"),
        (3, "of the class int"),
        ([str(n) for n in range(5001)], "5,001 classes"),
    ],
)
def test_what_names_no_classes_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        names.given(given)
    assert_one_line(raised.value, said)
    with pytest.raises(InputError):
        flow.check(Options(class_names=given))


@pytest.mark.parametrize(
    ("held", "name", "said"),
    [
        (b"ant\n\nbee\n", "names.txt", "line 2 of"),
        (b"", "names.txt", "line 1 of"),
        (b"ant\nbee\nant", "names.txt", "'ant' more than once"),
        (b"\xff\xfe", "names.txt", "no text in UTF-8"),
        (b"ant\nbee", "names.json", "no readable JSON"),
        (b"[" * 100_000, "names.json", "no readable JSON"),
        (b'{"ant": 0, "bee": 0}', "names.json", "not from 0 to 1"),
        (b'["ant", 2]', "names.json", "2 for the name"),
        (b"3", "names.json", "neither a list nor an object"),
        (b"a" * (5 * 2**20), "names.txt", "larger than"),
    ],
)
def test_a_file_that_names_no_classes_is_refused(held: bytes, name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(held)
    with pytest.raises(InputError) as raised:
        names.given(str(tmp_path / name))
    assert_one_line(raised.value, name, said)


def test_a_pipe_for_names_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "names.txt")
    with pytest.raises(InputError) as raised:
        names.given(str(tmp_path / "names.txt"))
    assert_one_line(raised.value, "is a FIFO")


def test_given_names_go_before_those_in_the_data(model: Any, tmp_path: Path) -> None:
    images, numbers = part(0, 1, 3)
    given = {"test": (images, in_words(numbers)), "class_names": list(OTHER)}
    assert_right(as_taken(given, model, class_names=ORDER), model)
    found = as_taken(
        folder(tmp_path, test=(images, numbers)), model, class_names=dict(zip(OTHER, range(4), strict=True))
    )
    assert [found.class_names[number] for number in sorted(set(found.test.labels))] == ["dog", "ant", "bee"]
    refused(given, model, "'dog'", "--class-names lacks", class_names="ant,bee,cat,eel")
    refused(given, model, "names 3 classes", WAY_OUT, class_names="ant,bee,dog")
    refused((images, numbers), model, "label 3", class_names="ant,bee,cat")
    assert as_taken((images, numbers), model, class_names=OTHER).class_names == OTHER


def test_names_composed_and_decomposed_are_one_class(tmp_path: Path) -> None:
    (tmp_path / "test" / "\u304c").mkdir(parents=True)
    Image.fromarray(drawn(np.array([0]))[0, ..., 0]).save(tmp_path / "test" / "\u304c" / "1.png")
    found = samples.load(tmp_path, test_only=True, class_names="a,\u304b\u3099")
    assert (found.class_names, found.test.labels.tolist()) == (("a", "\u304c"), [1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("labels.txt", "labels.txt"),
        (Path("labels.txt"), "labels.txt"),
        (["ant", "bee"], "ant,bee"),
        (np.array(["ant", "bee"]), "ant,bee"),
        ({"bee": 1, "ant": 0}, "ant,bee"),
        (["ant, red", "bee"], "<class names>"),
        (None, None),
    ],
)
def test_the_command_that_makes_the_report_again_has_the_names(given: Any, said: str | None) -> None:
    words = shlex.split(provenance.command(None, "data", Options(class_names=given)))
    assert words[4:] == ([] if said is None else ["--class-names", said])


# Names that were kept with the model


@pytest.mark.parametrize("kept", ["class_names.txt", "report.json", "attribute"])
def test_kept_names_tell_the_order_and_the_report_says_so(model: Any, file: Kept, kept: str) -> None:
    images, numbers = part(0, 3)
    given = (images, in_words(numbers))
    if kept == "attribute":
        live = SimpleNamespace(outputs=model.outputs, class_names=list(ORDER))
        found = as_taken(given, live)
        assert found.prepared == "The classes and their order are those of the model's attribute class_names."
    else:
        if kept == "class_names.txt":
            (file.path.parent / kept).write_text("\n".join(ORDER))
            earlier_report(file, list(OTHER))  # the file was written by somebody for this
        else:
            earlier_report(file, list(ORDER))
        found = as_taken(given, model, file)
        assert found.prepared == f"The classes and their order are those of {kept} beside the model."
    assert_right(found, model)


def test_kept_names_are_said_after_what_was_done_to_pictures(model: Any, file: Kept, tmp_path: Path) -> None:
    earlier_report(file, list(ORDER))
    root = folder(tmp_path, test=part(0, 3, count=6))
    found = as_taken(str(root), model, file, size=(8, 8))
    assert_right(found, model)
    assert str(found.prepared).endswith("beside the model.")


def test_kept_names_mend_the_order_of_the_alphabet_but_not_one_that_was_given(file: Kept) -> None:
    model = SimpleNamespace(outputs=[SimpleNamespace(shape=(None, 4))])
    earlier_report(file, list(OTHER))
    images, numbers = part(0, 1, 2, 3)
    found = as_taken((images, in_words(numbers)), model, file)
    assert (found.class_names, [found.class_names[n] for n in found.test.labels[:4]]) == (OTHER, list(ORDER))
    given = {"test": (images, in_words(numbers)), "class_names": list(ORDER)}
    assert as_taken(given, model, file).class_names == ORDER
    assert as_taken((images, in_words(numbers)), model, file, class_names=ORDER).class_names == ORDER
    assert as_taken((images, numbers), model, file).class_names == tuple("0123")
    earlier_report(file, list(ORDER))
    assert as_taken((images, in_words(numbers)), model, file).prepared is None  # nothing had to be done


@pytest.mark.parametrize(
    "order",
    [["ant", "bee", "cat"], ["ant", "bee", "cat", "eel"], ["ant", "bee", "cat", "dog", "eel"], ["ant"] * 4, 3, [1] * 4],
    ids=str,
)
def test_kept_names_that_do_not_fit_are_not_used(model: Any, file: Kept, order: Any) -> None:
    earlier_report(file, order)
    images, numbers = part(0, 3)
    refused((images, in_words(numbers)), model, WAY_OUT, file=file)


def test_the_report_on_another_model_is_not_used(model: Any, file: Kept) -> None:
    earlier_report(file, list(ORDER), sha256="0" * 64)
    images, numbers = part(0, 3)
    refused((images, in_words(numbers)), model, WAY_OUT, file=file)


@pytest.mark.parametrize("name", ["class_names.txt", "report.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "device"])
def test_what_is_no_file_beside_the_model_is_left_alone(model: Any, file: Kept, name: str, kind: str) -> None:
    from reportgen.model import history

    path = file.path.parent / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    images, numbers = part(0, 3)
    refused((images, in_words(numbers)), model, WAY_OUT, file=file)
    assert history.beside(file.path, file.sha256) is None


def test_a_class_names_file_that_cannot_be_used_is_named(model: Any, file: Kept) -> None:
    (file.path.parent / "class_names.txt").write_text("ant\n\nbee")
    images, numbers = part(0, 3)
    refused((images, in_words(numbers)), model, "class_names.txt", "blank", file=file)
    assert accuracy(as_taken((images, numbers), model, file), model) == 1.0  # nobody asks for it


def test_renumbered_images_are_not_gone_through_again(model: Any, file: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier_report(file, list(ORDER))
    images, numbers = part(0, 3)
    loaded = samples.load((images, in_words(numbers)), test_only=True)
    monkeypatch.setattr("reportgen.dataset.survey", lambda images: pytest.fail("gone through again"))
    assert_right(class_order.resolved(loaded, model, file), model)


# Folders


@pytest.mark.parametrize("place", ["test", "train"])
def test_a_folder_without_any_file_is_a_class_without_images(model: Any, tmp_path: Path, place: str) -> None:
    root = folder(tmp_path, test=part(0, 2, 3, count=12), train=part(0, 2, count=12))
    (root / place / "bee").mkdir()
    (root / place / "bee" / "nothing either").mkdir()
    assert_right(as_taken(str(root), model), model)


def test_a_folder_too_many_is_named_and_given_names_leave_it_out(model: Any, tmp_path: Path) -> None:
    root = folder(tmp_path, test=part(0, 1, 2, 3, count=12))
    (root / "test" / "old").mkdir()
    refused(str(root), model, "names 5 classes (ant, bee, cat, dog, old)", "4 scores", "--class-names")
    assert_right(as_taken(str(root), model, class_names=ORDER), model)


# The whole way


@pytest.fixture
def report(tmp_path: Path, unpainted: None) -> Callable[..., Any]:
    from reportgen import report

    def call(model: Any, data: Any, **options: Any) -> Any:
        usual = {"out": tmp_path / "report", "formats": ["html"], "examples": 1, "shifts": "none"}
        return report(model, data, **usual | options)

    return call


def test_a_report_names_all_classes_of_the_model(model: Any, report: Callable[..., Any], tmp_path: Path) -> None:
    images, numbers = part(0, 2, 3)
    given = {"x_test": images, "y_test": in_words(numbers)}
    with pytest.raises(InputError) as raised:
        report(model, given)
    assert_one_line(raised.value, WAY_OUT)
    found = report(model, given, class_names=ORDER)
    assert found["evaluation"]["test"]["accuracy"] == 1.0
    assert [row["label"] for row in found["evaluation"]["test"]["classes"]] == list(ORDER)
    assert found["data"]["class_names"] == list(ORDER)
    model.save(tmp_path / "net.keras")
    found = report(tmp_path / "net.keras", given, class_names=ORDER, out=tmp_path / "net")
    shutil.copy(tmp_path / "net.keras", tmp_path / "net" / "model.keras")  # where a model that was trained here lies
    again = report(tmp_path / "net" / "model.keras", given, out=tmp_path / "again")
    assert "those of report.json beside the model" in again["data"]["pixels"]
    assert again["evaluation"]["test"] == found["evaluation"]["test"]
    assert again["provenance"]["data_sha256"] == found["provenance"]["data_sha256"]


def test_on_the_command_line(model: Any, warm: Run, tmp_path: Path) -> None:
    images, numbers = part(0, 2, 3)
    np.savez(tmp_path / "data.npz", x_test=images, y_test=in_words(numbers))
    model.save(tmp_path / "net.keras")
    base = ["--data", str(tmp_path / "data.npz"), "--examples", "1", "--formats", "html", "--shifts", "none"]

    def run(*words: str) -> tuple[int, str]:
        done = warm(*words, *base)
        return done.returncode, done.stderr

    one = ["--model", str(tmp_path / "net.keras"), "--out", str(tmp_path / "out")]
    code, said = run("report", *one)
    assert (code, WAY_OUT in said) == (2, True)
    code, said = run("report", *one, "--class-names", "none.txt")
    assert (code, "--class-names 'none.txt' is neither" in said) == (2, True)
    assert run("report", *one, "--class-names", ",".join(ORDER))[0] == 0
    held = json.loads((tmp_path / "out" / "report.json").read_text())
    assert held["evaluation"]["test"]["accuracy"] == 1.0
    assert held["provenance"]["command"].endswith("--class-names ant,bee,cat,dog")


def test_a_batch_keeps_a_report_while_the_kept_order_is_the_same(model: Any, tmp_path: Path, unpainted: None) -> None:
    from reportgen.batch import finished
    from reportgen.batch.items import Item
    from reportgen.batch.maker import Maker
    from reportgen.progress import Progress

    images, numbers = part(0, 2, 3)
    np.savez(tmp_path / "data.npz", x_test=images, y_test=in_words(numbers))
    model.save(tmp_path / "net.keras")
    item = Item(str(tmp_path / "net.keras"), str(tmp_path / "data.npz"), None, "net")
    order = Options(examples=1, out=tmp_path / "out", formats=["html"], shifts="none")
    assert WAY_OUT in str(Maker().make(order, item.model, item.data, Progress()).failed)
    (tmp_path / "class_names.txt").write_text("\n".join(ORDER))
    assert Maker().make(order, item.model, item.data, Progress()).failed is None
    assert finished.is_there(item, order, finished.fingerprint_of(order))
    (tmp_path / "class_names.txt").write_text("\n".join(OTHER))
    assert not finished.is_there(item, order, finished.fingerprint_of(order))
    (tmp_path / "class_names.txt").unlink()
    assert not finished.is_there(item, order, finished.fingerprint_of(order))


def test_a_callback_takes_names_and_reads_them_from_the_model(model: Any, tmp_path: Path, unpainted: None) -> None:
    import reportgen
    from reportgen.runtime import keras

    images, numbers = part(0, 2, 3)
    given = (images, in_words(numbers))
    options: dict[str, Any] = {"out": tmp_path / "out", "formats": ["html"], "shifts": "none", "watch": 0}
    live = keras.models.clone_model(model)
    live.set_weights(model.get_weights())
    live.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    with pytest.raises(InputError) as raised:
        live.fit(images / 255, numbers, verbose=0, callbacks=[reportgen.ReportCallback(given, **options)])
    assert_one_line(raised.value, WAY_OUT)
    for named in (True, False):
        callback = reportgen.ReportCallback(given, class_names=ORDER if named else None, **options)
        live.fit(images / 255, numbers, verbose=0, callbacks=[callback])
        assert callback.report["evaluation"]["test"]["accuracy"] == 1.0
        live.class_names = list(ORDER)


# The finding


def judged(table: Any, **thresholds: Any) -> Any:
    table = np.array(table)
    right = int(table.trace())
    rows = [make_scores().classes[0].__class__(f"c{n}", None, None, None, 0) for n in range(len(table))]
    given = make_scores(
        accuracy=right / table.sum(), correct=right, confusion=table.tolist(), classes=rows, most_confused=[], worst=[]
    )
    return order_findings.find(given, FindingThresholds(**thresholds))


def answers(accuracy: float, classes: int, images: int, order: Any = None) -> Array:
    """Return the confusion matrix of a model that is right so often, its classes in another order."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, classes, images)
    wrong = generator.integers(0, classes, images)
    taken = np.where(generator.random(images) < accuracy, labels, wrong)
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, taken if order is None else np.array(order)[taken]), 1)
    return table


@pytest.mark.parametrize("accuracy", [1.0, 0.9, 0.6])
@pytest.mark.parametrize("order", [[1, 2, 3, 4, 5, 6, 7, 8, 9, 0], [0, 1, 2, 3, 4, 5, 6, 8, 9, 7]])
def test_a_permuted_model_is_found(accuracy: float, order: list[int]) -> None:
    one = judged(answers(accuracy, 10, 2000, order))
    assert (one.code, one.severity) == ("class-order", "error")
    assert (
        "--class-names" in one.message
        and '"c7" for "c8"' in judged(answers(1.0, 10, 2000, [0, 1, 2, 3, 4, 5, 6, 8, 9, 7])).message
    )
    assert judged(answers(accuracy, 10, 2000, order), order_gain=0.9999) is None


def test_the_message_says_which_class_is_taken_for_which() -> None:
    one = judged([[0, 90, 10], [95, 5, 0], [2, 0, 98]])
    assert 'images labelled "c0" for "c1" and "c1" for "c0"' in one.message
    assert "Test accuracy is 34.3 %" in one.message


def test_a_part_that_lacks_a_class_is_found() -> None:
    assert judged([[100, 0, 0, 0], [0, 0, 100, 0], [0, 0, 0, 100], [0, 0, 0, 0]]).code == "class-order"


@pytest.mark.parametrize(
    "table",
    [
        answers(0.9, 10, 2000),
        answers(0.3, 10, 2000),
        answers(0.0, 10, 2000),
        answers(0.0, 2, 60),
        answers(0.0, 10, 30),
        answers(1.0, 3, 6, [1, 2, 0]),
        [[0, 100, 0], [0, 100, 0], [0, 100, 0]],
        [[0, 500, 0], [0, 100, 0], [0, 100, 0]],
        [[0, 500], [0, 0]],
        [[0, 300, 0], [0, 100, 0], [0, 0, 600]],
        [[0, 300, 0, 0], [0, 0, 200, 0], [0, 0, 200, 0], [0, 0, 0, 300]],
    ],
    ids=["good", "poor", "random", "few", "fewer", "six", "one", "largest", "single", "two for one", "chain"],
)
def test_a_model_that_is_honest_random_or_collapsed_is_not_blamed(table: Any) -> None:
    assert judged(table) is None


def test_padding_never_makes_two_equal_names() -> None:
    given = ["class 3", "class 1", "class 4 (score 4)"]
    found = scores.class_labels(given, 6)
    assert len(set(found)) == 6 and found[:3] == given
    assert scores.class_labels(["ant", "bee"], 4) == ["ant", "bee", "class 2", "class 3"]

"""Data in the layouts that people have: each read from real files, and each refusal's advice followed."""

import csv
import io
import json
import os
import pickle
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reportgen.analysis.evaluation import data as data_facts
from reportgen.data import cifar, keys, pixel_csv, random_split, samples, split_names, stored
from reportgen.dataset import Dataset, Unread
from reportgen.errors import InputError, SurroundingsError
from reportgen.options import Options
from reportgen.pipeline import provenance
from tests.helpers.builders import assert_one_line

Array = NDArray[Any]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.repeat([0, 1], 10)


def picture(number: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[number % len(IMAGES)]).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(number))
    return root


def photos(root: Path, many: int = 10) -> Path:
    return put(root, *(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(many)))


def table(path: Path, rows: Iterable[Iterable[Any]], separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    return path


def load(data: Any, *, test_only: bool = False, **asked: Any) -> Dataset:
    return samples.load(data, test_only=test_only, **asked)


def refused(data: Any, *, test_only: bool = False, **asked: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        load(data, test_only=test_only, **asked)
    return raised.value


def sizes(found: Dataset) -> tuple[int | None, int]:
    return (None if found.train is None else len(found.train)), len(found.test)


# One folder of classes


def test_a_folder_of_classes_is_the_test_part_of_a_model(tmp_path: Path) -> None:
    (photos(tmp_path) / "README.txt").write_text("Two animals.")
    found = load(tmp_path, test_only=True)
    assert (found.class_names, sizes(found), found.image_shape) == (("cat", "dog"), (None, 20), (8, 8, 1))
    assert (found.prepared, found.split) == (None, None)


def test_a_folder_of_classes_is_split_for_training_as_the_error_says(tmp_path: Path) -> None:
    photos(tmp_path)
    assert_one_line(refused(tmp_path), "nothing would be left to test on", "--validation-split 0.2", "--model")
    found = load(tmp_path, validation_split=0.2)
    assert sizes(found) == (16, 4)
    assert found.train is not None and isinstance(found.train.images, Unread)
    assert [np.bincount(part.labels).tolist() for part in (found.train, found.test)] == [[8, 8], [2, 2]]
    both = np.concatenate([found.train.images[:], found.test.images[:]])
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in IMAGES)
    assert found.prepared == (
        "The images were split at random into 80 % for training and 20 % for testing, class by class, with the seed 0;"
        " the same call splits them in the same way."
    )


def test_the_same_seed_gives_the_same_split_and_another_one_another(tmp_path: Path) -> None:
    photos(tmp_path)
    first, again, other = (load(tmp_path, validation_split=0.3, seed=seed) for seed in (0, 0, 1))
    assert first.sha256 == again.sha256 != other.sha256
    with_model = load(tmp_path, validation_split=0.3, test_only=True)
    assert with_model.sha256 == first.sha256  # the model that was trained is tested on the same images


def test_the_split_is_in_the_facts_and_in_the_command(tmp_path: Path) -> None:
    facts = data_facts.facts(load(photos(tmp_path), validation_split=0.25, seed=7), looked_at=["test"])
    assert facts.split is not None
    assert (facts.split.share, facts.split.seed, facts.split.test_count, facts.split.of) == (0.25, 7, 6, 20)
    command = provenance.command(None, tmp_path, Options(validation_split=0.25, seed=7))
    assert "--validation-split 0.25" in command and "--seed 7" in command


def test_a_split_is_frozen_for_good() -> None:
    found = random_split.halves(np.repeat([0, 1, 2], 10), 0.2, 0)
    assert found.test.tolist() == [2, 8, 13, 15, 22, 23]
    assert np.array_equal(np.union1d(found.train, found.test), np.arange(30))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_every_class_of_two_images_is_in_both_parts(share: float) -> None:
    labels = np.array([0, 0, 1, 1, 1, 2])
    train, test = random_split.halves(labels, share, 0)
    assert {0, 1} <= set(labels[train]) and set(labels[test]) == {0, 1}


def test_one_image_of_each_class_cannot_be_split() -> None:
    assert_one_line(refused((IMAGES[:2], [0, 1]), validation_split=0.2), "cannot be split", "two or more images")
    assert sizes(load((IMAGES[:4], [0, 1, 0, 1]), validation_split=0.2)) == (2, 2)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.2", True])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(InputError) as raised:
        Options(validation_split=share).check()
    assert_one_line(raised.value, "--validation-split", "0.2")
    Options(validation_split=0.2).check()


def test_what_has_two_parts_is_not_split(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{name}/1.png" for part in ("train", "test") for name in "ab"))
    assert_one_line(refused(tmp_path, validation_split=0.2), "--validation-split", "leave it out")
    assert sizes(load(tmp_path)) == (2, 2)


def test_unreadable_files_of_a_split_folder_are_named(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "cat" / "bad.png").write_bytes(b"bad")
    found = load(tmp_path, validation_split=0.2)
    assert [(one.count, one.files[0][0]) for one in found.skipped] == [(1, "cat/bad.png")]


@pytest.mark.parametrize("names", [("x_train", "y_train"), ("x_test", "y_test"), ("images", "labels")])
def test_arrays_in_one_part_are_split(names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, **dict(zip(names, (IMAGES, LABELS), strict=True)))
    assert_one_line(refused(path), "--validation-split 0.2")
    for data in (path, dict(zip(names, (IMAGES, LABELS), strict=True))):
        found = load(data, validation_split=0.2)
        assert (sizes(found), found.image_shape) == ((16, 4), (8, 8, 1))


def test_idx_files_in_one_part_are_split(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        bytes.fromhex("00000803000000140000000800000008") + IMAGES.tobytes()
    )
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        bytes.fromhex("0000080100000014") + LABELS.astype(np.uint8).tobytes()
    )
    assert_one_line(refused(tmp_path), "lacks x_test, y_test", "--validation-split 0.2")
    assert sizes(load(tmp_path, validation_split=0.2)) == (16, 4)


def test_split_pictures_are_asked_for_by_number(tmp_path: Path) -> None:
    found = load(photos(tmp_path), validation_split=0.2)
    assert found.train is not None
    images = found.train.images
    assert isinstance(images, Unread) and images.on_path
    assert np.array_equal(images.cut(3, 6)[:], images[3:6])
    assert np.array_equal(pickle.loads(pickle.dumps(images))[np.array([5, 1])], images[np.array([5, 1])])


# Names of parts


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "train") for name in ("train", "Training", "TRAIN_SET", "training-set", "Training Set")),
        *((name, "test") for name in ("test", "Testing", "test_set", "testing_set")),
        *((name, "val") for name in ("val", "Valid", "validation", "val_set", "valid_set", "Validation_Set")),
        *((name, None) for name in ("tests", "trainer", "invalid", "", "cat")),
    ],
)
def test_the_usual_names_of_parts(name: str, kind: str | None, tmp_path: Path) -> None:
    assert split_names.of_name(name) == kind
    if kind:
        other = "test" if kind == "train" else "train"
        put(tmp_path, *(f"{part}/{label}/1.png" for part in (name, other) for label in "ab"))
        assert sizes(load(tmp_path)) == (2, 2)


def test_a_validation_part_is_the_test_part_where_there_is_none(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "Val/a/1.png")
    found = load(tmp_path)
    assert sizes(found) == (2, 1)
    assert found.prepared == "The validation split Val was taken for the test split, as there is none."
    put(tmp_path, "testing/a/1.png", "testing/a/2.png", "testing/b/1.png")
    found = load(tmp_path)
    assert sizes(found) == (2, 3)
    assert found.prepared == "The validation split Val was left out, as there is a test split."


def test_a_validation_part_alone_is_the_test_part(tmp_path: Path) -> None:
    assert sizes(load(put(tmp_path, "valid/a/1.png", "valid/b/1.png"), test_only=True)) == (None, 2)


def test_two_names_for_one_part_are_refused_and_one_is_not(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{label}/1.png" for part in ("train", "Training", "test") for label in "ab"))
    assert_one_line(refused(tmp_path), "'Training'", "'train'", "leave one of them out")
    (tmp_path / "Training").rename(tmp_path / "more")
    assert sizes(load(tmp_path)) == (2, 2)


def test_a_class_may_be_called_valid(tmp_path: Path) -> None:
    found = load(put(tmp_path, "valid/1.png", "invalid/1.png"), test_only=True)
    assert found.class_names == ("invalid", "valid")


def test_parts_of_numpy_files_have_their_usual_names_too(tmp_path: Path) -> None:
    for name, array in (("X_train", IMAGES), ("Y_train", LABELS), ("X_val", IMAGES[:6]), ("Y_val", LABELS[:6])):
        np.save(tmp_path / f"{name}.npy", array)
    found = load(tmp_path)
    assert sizes(found) == (20, 6)
    assert found.prepared == (
        "The arrays X_train, Y_train, X_val, Y_val were taken."
        " The validation split val was taken for the test split, as there is none."
    )


# Tables of labels


def labelled(root: Path, folder: str, names: Iterable[str]) -> Path:
    return put(root, *(f"{folder}/{name}" if folder else name for name in names))


NAMES = [f"{number:02}.png" for number in range(20)]
WORDS = ["cat" if label else "dog" for label in LABELS]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["", "images"])
@pytest.mark.parametrize("header", [["file", "label"], ["image_id", "breed"], ["what", "is it"], None])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_beside_pictures_labels_them(
    tmp_path: Path, folder: str, header: list[str] | None, separator: str
) -> None:
    labelled(tmp_path, folder, NAMES)
    rows = zip(NAMES, WORDS, strict=True)
    path = table(tmp_path / "labels.csv", [header, *rows] if header else rows, separator)
    for data in (tmp_path, path):
        found = load(data, test_only=True)
        assert found.class_names == ("cat", "dog")
        assert np.array_equal(found.test.images[:][..., 0], IMAGES)
        assert [found.class_names[number] for number in found.test.labels] == WORDS
        assert found.source == f"pictures in {tmp_path}, labelled by labels.csv"
    assert sizes(load(tmp_path, validation_split=0.2)) == (16, 4)


def test_names_in_a_table_may_lack_their_ending_and_have_folders(tmp_path: Path) -> None:
    labelled(tmp_path, "images/a", NAMES)
    table(tmp_path / "annotations.csv", [("id", "label"), *((f"a\\{name[:2]}", 3) for name in NAMES)])
    found = load(tmp_path, test_only=True)
    assert (sizes(found), set(found.test.labels.tolist())) == ((None, 20), {3})
    assert found.labelled.kind == "numbers"


def test_tables_and_folders_of_parts_go_together(tmp_path: Path) -> None:
    for part, names in (("train", NAMES[:12]), ("test", NAMES[12:])):
        labelled(tmp_path, part, [f"{number}.png" for number in range(len(names))])
        rows = [(f"{number}.png", number % 2) for number in range(len(names))]
        table(tmp_path / f"{part}.csv", [("filename", "class"), *rows])
    assert sizes(load(tmp_path)) == (12, 8)


def test_a_table_of_a_part_without_labels_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    labelled(tmp_path, "train", NAMES)
    table(tmp_path / "train.csv", [("file", "label"), *zip(NAMES, WORDS, strict=True)])
    table(tmp_path / "test.csv", [("file",), ("x.png",)])
    table(tmp_path / "sample_submission.csv", [("id", "label"), ("1", "cat")])
    assert_one_line(refused(tmp_path), "has no test split", "--validation-split 0.2")
    found = load(tmp_path, validation_split=0.2)
    assert sizes(found) == (16, 4)
    assert found.prepared is not None
    assert found.prepared.startswith("The table test.csv was left out, as it has no labels.")


def test_several_columns_need_one_called_label(tmp_path: Path) -> None:
    labelled(tmp_path, "", NAMES)
    rows = [(name, word, 1) for name, word in zip(NAMES, WORDS, strict=True)]
    table(tmp_path / "labels.csv", [("file", "what", "weight"), *rows])
    assert_one_line(refused(tmp_path, test_only=True), "'what', 'weight'", "called label")
    table(tmp_path / "labels.csv", [("file", "label", "weight"), *rows])
    assert load(tmp_path, test_only=True).class_names == ("cat", "dog")
    table(tmp_path / "labels.csv", [("file", "label", "class"), *rows])
    assert_one_line(refused(tmp_path, test_only=True), "more than one", "'label', 'class'")


def hot(path: Path, names: Iterable[str], header: tuple[str, ...], extra: Iterable[Iterable[Any]] = ()) -> Path:
    """Write a table with a column of 0 and 1 for each class; the pictures are of the first two in turn."""
    rows = [[name, *("1.0" if n == number % 2 else "0.0" for n in range(len(header) - 1))] for number, name in
            enumerate(names)]  # fmt: skip
    return table(path, [header, *rows, *extra])


@pytest.mark.parametrize("bare", [False, True])
def test_a_column_of_0_and_1_for_each_class_labels_pictures(tmp_path: Path, bare: bool) -> None:
    labelled(tmp_path, "images", NAMES)
    names = [name.removesuffix(".png") for name in NAMES] if bare else NAMES
    path = hot(tmp_path / "GroundTruth.csv", names, ("image", "NV", "MEL", "BCC"))
    for data in (tmp_path, path):
        found = load(data, test_only=True)
        assert found.class_names == ("NV", "MEL", "BCC")  # in the order of the columns, as a model was trained on them
        assert found.test.labels.tolist() == [0, 1] * 10
        assert np.array_equal(found.test.images[:][..., 0], IMAGES)
    assert sizes(load(tmp_path, validation_split=0.2)) == (16, 4)


def test_a_column_called_label_goes_before_columns_of_0_and_1(tmp_path: Path) -> None:
    labelled(tmp_path, "", NAMES)
    rows = [(name, n % 2, 1 - n % 2) for n, name in enumerate(NAMES)]
    table(tmp_path / "labels.csv", [("file", "label", "easy"), *rows])
    assert load(tmp_path, test_only=True).class_names == ("0", "1")


def test_as_many_classes_as_there_are_may_have_a_column(tmp_path: Path) -> None:
    labelled(tmp_path, "", NAMES)
    header = ("id", *(f"breed {number}" for number in range(120)))
    found = load(hot(tmp_path / "labels.csv", NAMES, header), test_only=True)
    assert (len(found.class_names), found.class_names[10]) == (120, "breed 10")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((NAMES[0], 1, 1), "line 22 .* 2 classes"),
        ((NAMES[0], 0, 0), "line 22 .* 0 classes"),
        ((NAMES[0], 1, "x"), "line 22 .* 'x' for the class 'dog'"),
        ((NAMES[0], 1, 0.3), "'0.3'"),
        ((NAMES[0], 1), "line 22 .* '' for"),
        ((NAMES[0], 0, 1), "labels 'cat' and 'dog'"),
    ],
)
def test_a_picture_of_no_one_class_is_refused_and_without_it_all_are_read(
    tmp_path: Path, line: tuple[Any, ...], said: str
) -> None:
    labelled(tmp_path, "", NAMES)
    path = hot(tmp_path / "labels.csv", NAMES, ("file", "cat", "dog"), [line])
    error = refused(path, test_only=True)
    assert_one_line(error, path)
    assert re.search(said, str(error)), error
    assert sizes(load(hot(path, NAMES, ("file", "cat", "dog")), test_only=True)) == (None, 20)


def test_a_picture_with_two_labels_is_refused_and_one_named_twice_alike_is_not(tmp_path: Path) -> None:
    labelled(tmp_path, "", NAMES)
    rows = list(zip(NAMES, WORDS, strict=True))
    table(tmp_path / "labels.csv", [("file", "label"), *rows, rows[0]])
    assert sizes(load(tmp_path, test_only=True)) == (None, 20)
    table(tmp_path / "labels.csv", [("file", "label"), *rows, (NAMES[0], "cow")])
    assert_one_line(refused(tmp_path, test_only=True), "'00.png'", "'dog'", "'cow'", "one label")
    table(tmp_path / "labels.csv", [("file", "label"), *rows, (NAMES[0], "")])
    assert_one_line(refused(tmp_path, test_only=True), "line 22", "lacks")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "gone.png", "link.png", "pipe.png", "a\0b.png"])
def test_a_table_leads_to_regular_files_in_the_folder_alone(tmp_path: Path, name: str) -> None:
    data = labelled(tmp_path / "data", "", NAMES)
    put(tmp_path, "secret.png")
    (data / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(data / "pipe.png")
    table(data / "labels.csv", [("file", "label"), *zip(NAMES, WORDS, strict=True), (name, "cat")])
    found = load(data, test_only=True)
    assert sizes(found) == (None, 20)
    assert [one.count for one in found.skipped] == [1]


# Tables of pixels


def digits(path: Path, images: Array, labels: Any, *, header: bool = True, last: bool = False) -> Path:
    flat = images.reshape(len(images), -1)
    names = ["label", *(f"pixel{number}" for number in range(flat.shape[1]))]
    rows = [[label, *row] for label, row in zip(labels, flat.tolist(), strict=True)]
    listed = [names, *rows] if header else rows
    return table(path, [[*row[1:], row[0]] if last else row for row in listed])


@pytest.mark.parametrize(("header", "last"), [(True, False), (True, True), (False, False)])
def test_a_table_of_pixels_is_read_as_kaggle_has_the_digits(tmp_path: Path, header: bool, last: bool) -> None:
    path = digits(tmp_path / "digits.csv", IMAGES, LABELS, header=header, last=last)
    found = load(path, test_only=True)
    assert found.test.images.dtype == np.uint8
    assert np.array_equal(found.test.images[:][..., 0], IMAGES)
    assert found.test.labels.tolist() == LABELS.tolist()
    assert found.prepared == "The 64 values in each line of the table were taken for a picture of 8x8 pixels."
    assert sizes(load(path, validation_split=0.2)) == (16, 4)


def test_tables_of_pixels_have_parts(tmp_path: Path) -> None:
    digits(tmp_path / "mnist_train.csv", IMAGES, LABELS)
    digits(tmp_path / "mnist_test.csv", IMAGES[:5], LABELS[:5])
    assert sizes(load(tmp_path)) == (20, 5)


def test_floats_and_counts_that_are_no_square_stay_as_they_are(tmp_path: Path) -> None:
    values = GENERATOR.random((6, 4))
    path = digits(tmp_path / "flowers.csv", values, ["setosa", "virginica"] * 3)
    found = load(path, test_only=True)
    assert (found.class_names, found.image_shape, found.prepared) == (("setosa", "virginica"), (4, 1), None)
    assert np.array_equal(found.test.images[:][..., 0], values.astype(np.float32))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1," + ",".join(["0"] * 63), "64 values"),
        ("1," + ",".join(["0"] * 63 + ["x"]), "'x'"),
        ("," + ",".join(["0"] * 64), "no label"),
        ("1," + ",".join(["0"] * 63 + [""]), "''"),
    ],
)
def test_a_damaged_line_of_pixels_is_named_and_without_it_all_is_read(tmp_path: Path, line: str, said: str) -> None:
    path = digits(tmp_path / "digits.csv", IMAGES, LABELS)
    good = path.read_text()
    path.write_text(good + line + "\n")
    assert_one_line(refused(path, test_only=True), path, said)
    path.write_text(good)
    assert sizes(load(path, test_only=True)) == (None, 20)


@pytest.mark.parametrize("late", ["0.5", "256", "-1"])
def test_one_pixel_that_is_no_byte_makes_all_of_them_floats(
    tmp_path: Path, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_csv, "_PIECE", 100)  # so that it comes in a later piece
    path = digits(tmp_path / "digits.csv", IMAGES, LABELS)
    path.write_text(path.read_text() + "1," + ",".join(["0"] * 63 + [late]) + "\n")
    images = load(path, test_only=True).test.images
    assert (images.dtype, images[20][7, 7, 0]) == (np.float32, float(late))
    assert np.array_equal(images[:20][..., 0], IMAGES)


def faces(
    path: Path,
    usages: Iterable[str] | None,
    header: Iterable[str] = ("emotion", "pixels", "Usage"),
    quoted: bool = False,
) -> Path:
    """Write a table as FER2013 is one, of IMAGES and LABELS."""
    flat = [" ".join(map(str, image.reshape(-1).tolist())) for image in IMAGES]
    rows = [list(row) for row in zip(LABELS.tolist(), flat, strict=True)]
    if usages is not None:
        rows = [[*row, usage] for row, usage in zip(rows, usages, strict=True)]
    lines = [list(header)[: len(rows[0])], *rows]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(lines)
    return path


FER = ["Training"] * 6 + ["PublicTest"] * 2 + ["PrivateTest"] * 2


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("header", [("emotion", "pixels", "Usage"), ("emotion", " pixels", " Usage")])
def test_fer2013_is_read_with_its_parts(tmp_path: Path, quoted: bool, header: tuple[str, ...]) -> None:
    path = faces(tmp_path / "fer2013.csv", FER * 2, header, quoted)
    train, test = (np.array(FER * 2) == name for name in ("Training", "PrivateTest"))
    for data in (path, tmp_path):
        found = load(data)
        assert found.train is not None and found.test.images.dtype == np.uint8
        assert np.array_equal(found.train.images[:][..., 0], IMAGES[train])
        assert np.array_equal(found.test.images[:][..., 0], IMAGES[test])
        assert found.train.labels.tolist() == LABELS[train].tolist()
        assert found.test.labels.tolist() == LABELS[test].tolist()
        assert found.prepared == (
            "The 64 values in each line of the table were taken for a picture of 8x8 pixels."
            " The validation split PublicTest was left out, as there is a test split."
        )


def test_faces_without_a_usage_or_with_train_and_test_alone_are_read(tmp_path: Path) -> None:
    path = faces(tmp_path / "faces.csv", None)
    assert_one_line(refused(path), "--validation-split 0.2")
    assert sizes(load(path, validation_split=0.2)) == (16, 4)
    assert sizes(load(faces(tmp_path / "faces.csv", ["train", "test"] * 10))) == (10, 10)
    assert sizes(load(faces(tmp_path / "faces.csv", ["Training", "PublicTest"] * 10))) == (10, 10)


def test_a_part_that_is_none_is_refused_and_as_the_advice_says_it_is_read(tmp_path: Path) -> None:
    path = faces(tmp_path / "faces.csv", ["train", "holdout"] * 10)
    assert_one_line(refused(path), "line 3", "'holdout'", "expected Training, PublicTest and PrivateTest, or train")
    path.write_text(path.read_text().replace("holdout", "test"))
    assert sizes(load(path)) == (10, 10)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" ", "", "63 pixels"),
        (" ", " 0 ", "65 pixels"),
        (" ", ",", "4 values"),
        (" ", "x 1", "x'"),
        ("1,", ",", "label"),
    ],
)
def test_a_damaged_line_of_faces_is_named_and_without_it_all_is_read(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = faces(tmp_path / "faces.csv", FER * 2)
    lines = path.read_text().splitlines()
    bad = f"1,{' '.join(['10'] * 64)},Training".replace(old, new, 1)
    path.write_text("\n".join([*lines, bad]))
    assert_one_line(refused(path), "line 22", said)
    path.write_text("\n".join(lines))
    assert sizes(load(path)) == (12, 4)


def test_one_face_that_is_no_bytes_makes_all_of_them_floats(tmp_path: Path) -> None:
    path = faces(tmp_path / "faces.csv", FER * 2)
    path.write_text(f"{path.read_text()}1,{' '.join(['0.5'] * 64)},PrivateTest\n")
    images = load(path).test.images
    assert (images.dtype, images[4][0, 0, 0]) == (np.float32, 0.5)


def test_a_label_as_long_as_a_bomb_is_refused(tmp_path: Path) -> None:
    path = digits(tmp_path / "digits.csv", IMAGES, ["x" * 2000, *LABELS[1:]])
    assert_one_line(refused(path, test_only=True), "line 2", "2,000 bytes")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 99,
        b"\xff\xfea\0,\0b\0",
        b'"' + b"x" * 200_000,
        b"a\rb,c\r\n",
        b"," * 10**6,
        b"\n" * 9,
        b"\x89PNG\r\n",
    ],
)
def test_any_file_called_csv_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    labelled(tmp_path, "", NAMES)
    (tmp_path / "labels.csv").write_bytes(content)
    assert_one_line(refused(tmp_path / "labels.csv", test_only=True), "labels.csv", "no table")
    assert_one_line(refused(tmp_path, test_only=True), "of which class")


def test_labels_that_are_not_utf_8_are_written_out(tmp_path: Path) -> None:
    labelled(tmp_path, "", NAMES[:2])
    (tmp_path / "labels.csv").write_bytes(b"file,label\n00.png,caf\xe9\n01.png,tea\n")
    assert load(tmp_path, test_only=True).class_names == (r"caf\xe9", "tea")


def test_a_table_of_neither_is_refused_with_what_it_could_be(tmp_path: Path) -> None:
    path = table(tmp_path / "notes.csv", [("a", "b"), ("1", "2")])
    assert_one_line(refused(path), "no table of pictures or pixels", "called label")


# Parquet


def parquet_file(
    path: Path, *, struct: bool = True, names: bool = True, images: Any = None, labels: Any = None
) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow, the extra parquet, is not installed")
    import pyarrow.parquet as parquet

    held = [picture(number) for number in range(20)] if images is None else images
    column = [{"bytes": one, "path": f"{number}.png"} for number, one in enumerate(held)] if struct else held
    made = pyarrow.table({"image": column, "label": LABELS.tolist() if labels is None else labels})
    if names:
        about = {"info": {"features": {"label": {"names": ["cat", "dog", "cow"], "_type": "ClassLabel"}}}}
        made = made.replace_schema_metadata({"huggingface": json.dumps(about)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(made, path)
    return path


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("folder", ["", "data/"])
def test_parquet_files_are_read_as_hugging_face_writes_them(tmp_path: Path, struct: bool, folder: str) -> None:
    for number in range(2):
        parquet_file(tmp_path / f"{folder}train-0000{number}-of-00002.parquet", struct=struct)
    parquet_file(tmp_path / f"{folder}test-00000-of-00001.parquet", struct=struct)
    found = load(tmp_path)
    assert (sizes(found), found.class_names) == ((40, 20), ("cat", "dog", "cow"))
    assert np.array_equal(found.test.images[:][..., 0], IMAGES)
    assert isinstance(found.test.images, Unread)
    assert np.array_equal(found.test.images.cut(5, 9)[:], found.test.images[5:9])
    assert load(tmp_path, size=(4, 4)).image_shape == (4, 4, 1)


@pytest.mark.parametrize("name", ["animals", "train-00000-of-00001"])
def test_one_parquet_file_is_one_part(tmp_path: Path, name: str) -> None:
    path = parquet_file(tmp_path / f"{name}.parquet", names=False, labels=WORDS)
    assert load(path, test_only=True).class_names == ("cat", "dog")
    assert_one_line(refused(path), "--validation-split 0.2")
    assert sizes(load(path, validation_split=0.2)) == (16, 4)


def test_a_row_without_a_picture_is_left_out_and_named(tmp_path: Path) -> None:
    held = [picture(number) for number in range(20)]
    held[3], held[7] = b"bad", b""
    path = parquet_file(tmp_path / "test.parquet", images=held)
    found = load(path, test_only=True)
    assert [name for name, _ in found.skipped[0].files] == ["row 3", "row 7"]
    assert np.array_equal(found.test.images[:][..., 0], np.delete(IMAGES, [3, 7], axis=0))
    assert found.test.labels.tolist() == np.delete(LABELS, [3, 7]).tolist()


def test_a_part_without_labels_is_refused(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "test.parquet", labels=[-1] * 20)
    assert_one_line(refused(path, test_only=True), "-1", "labelled")
    path = parquet_file(tmp_path / "test.parquet", labels=[None, *LABELS[1:].tolist()])
    assert_one_line(refused(path, test_only=True), "without a label")


@pytest.mark.slow
@pytest.mark.parametrize("struct", [True, False])
def test_one_picture_that_many_rows_share_does_not_fill_the_disk(
    tmp_path: Path, struct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 2**20)
    path = parquet_file(tmp_path / "test.parquet", struct=struct, images=[bytes(10**5)] * 2000, labels=[0, 1] * 1000)
    assert path.stat().st_size < 10**6
    assert_one_line(refused(path, test_only=True), path, "would unpack")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"\x89PNG"])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow, the extra parquet, is not installed")
    (tmp_path / "test.parquet").write_bytes(content)
    assert_one_line(refused(tmp_path / "test.parquet", test_only=True), "test.parquet", "cannot be read")


def test_without_pyarrow_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SurroundingsError) as raised:
        load(tmp_path, test_only=True)
    assert_one_line(raised.value, "pyarrow", "pip install")


# CIFAR's Python batches


def batch(path: Path, held: Any, protocol: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(held, protocol))
    return path


def pixels(many: int) -> Array:
    return GENERATOR.integers(0, 256, (many, 3072), dtype=np.uint8)


SMALL_BATCH = {b"data": pixels(2), b"labels": [0, 1]}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("keyed", [str.encode, str])
def test_the_batches_of_cifar_10_are_read(tmp_path: Path, protocol: int, keyed: Any) -> None:
    held = pixels(6)
    for number in range(1, 6):
        batch(tmp_path / f"data_batch_{number}", {keyed("data"): held, keyed("labels"): [0, 1, 2, 3, 4, 9]}, protocol)
    batch(tmp_path / "test_batch", {keyed("data"): held, keyed("labels"): [0, 1, 2, 3, 4, 9]}, protocol)
    batch(tmp_path / "batches.meta", {keyed("label_names"): [f"c{n}" for n in range(10)]}, protocol)
    found = load(tmp_path)
    assert (sizes(found), found.image_shape) == ((30, 6), (32, 32, 3))
    assert found.class_names == tuple(f"c{number}" for number in range(10))
    assert np.array_equal(found.test.images[:], held.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    assert found.test.labels.tolist() == [0, 1, 2, 3, 4, 9]


def test_the_batches_of_cifar_100_have_the_fine_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        batch(tmp_path / part, {b"data": pixels(3), b"fine_labels": [0, 5, 99], b"coarse_labels": [0, 1, 2]})
    names = [name.encode() for name in cifar.NAMES["cifar100"]]
    batch(tmp_path / "meta", {b"fine_label_names": names, b"coarse_label_names": [b"x"]})
    found = load(tmp_path)
    assert (sizes(found), len(found.class_names), found.class_names[99]) == ((3, 3), 100, "worm")


class Hostile:
    def __init__(self, target: Any, *given: Any) -> None:
        self.reduced = target, given

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("target", [os.system, eval, np.load, getattr])
def test_a_pickle_that_would_run_something_is_refused_by_its_name_and_not_run(
    tmp_path: Path, protocol: int, target: Any
) -> None:
    done = tmp_path / "done"
    given = {os.system: f"touch {done}", eval: f"open({str(done)!r}, 'w')"}.get(target, "x")
    batch(tmp_path / "test_batch", {b"data": Hostile(target, given), b"labels": [0]}, protocol)
    error = refused(tmp_path, test_only=True)
    assert_one_line(error, "test_batch", "would run", target.__name__, "never")
    assert not done.exists()


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({b"data": np.zeros((2, 3072), object), b"labels": [0, 1]}, id="objects"),
        pytest.param({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, id="floats"),
        pytest.param({b"data": np.zeros((2, 30), np.uint8), b"labels": [0, 1]}, id="too few"),
        pytest.param({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, id="a label missing"),
        pytest.param({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, "x"]}, id="a text"),
        pytest.param([1, 2], id="a list"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_batch_of_something_else_is_refused(tmp_path: Path, held: Any) -> None:
    batch(tmp_path / "test_batch", held)
    assert_one_line(refused(tmp_path, test_only=True), "test_batch", "download it again")
    batch(tmp_path / "test_batch", {b"data": pixels(2), b"labels": [0, 1]})
    assert sizes(load(tmp_path, test_only=True)) == (None, 2)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"r\xff\xff\xff\x7f.", b"\x80\x02]r\xff\xff\xff\x7f.", b"(" * 99]
)
def test_a_damaged_batch_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    assert_one_line(refused(tmp_path, test_only=True), "test_batch", "download it again")


# Arrays under other names


@pytest.mark.parametrize(
    "names",
    [
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("images_train", "labels_train", "images_val", "labels_val"),
        ("Xtrain", "ytrain", "Xtest", "ytest"),
        ("train_set_x", "train_set_y", "test_set_x", "test_set_y"),
        ("train_x", "train_y", "valid_x", "valid_y"),
        ("train_data", "train_targets", "test_data", "test_targets"),
    ],
)
def test_arrays_are_known_under_their_usual_names_and_that_is_said(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = dict(zip(names, (IMAGES, LABELS, IMAGES[:4], LABELS[:4]), strict=True))
    np.savez(tmp_path / "data.npz", **arrays)
    for data in (tmp_path / "data.npz", arrays):
        found = load(data)
        assert sizes(found) == (20, 4)
        assert found.prepared is not None
        assert found.prepared.startswith(f"The arrays {', '.join(names)} were taken.")


@pytest.mark.parametrize(
    "names", [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "labels"), ("features", "targets")]
)
def test_one_part_of_arrays_is_the_test_part(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "data.npz", **dict(zip(names, (IMAGES, LABELS), strict=True)))
    assert sizes(load(tmp_path / "data.npz", test_only=True)) == (None, 20)


def test_medmnist_has_a_validation_part_that_is_left_out(tmp_path: Path) -> None:
    column = LABELS[:, None]
    made = {
        f"{part}_{what}": IMAGES if what == "images" else column
        for part in ("train", "val", "test")
        for what in ("images", "labels")
    }
    np.savez(tmp_path / "pneumoniamnist.npz", **made)
    found = load(tmp_path / "pneumoniamnist.npz")
    assert sizes(found) == (20, 20)
    assert found.prepared is not None and "The validation split val was left out" in found.prepared


def test_two_arrays_that_may_be_meant_are_both_named(tmp_path: Path) -> None:
    arrays = {"images": IMAGES, "data": IMAGES, "labels": LABELS}
    np.savez(tmp_path / "data.npz", **arrays)
    for data in (tmp_path / "data.npz", arrays):
        assert_one_line(refused(data, test_only=True), "'images' and 'data'", "call the one that is meant x")
    assert sizes(load({"x": IMAGES, "data": IMAGES, "labels": LABELS}, test_only=True)) == (None, 20)


def test_numbered_arrays_are_not_guessed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", IMAGES, LABELS)
    assert_one_line(refused(tmp_path / "data.npz"), "arr_0, arr_1", "x_train=...")
    assert keys.role("arr_0") is None


def test_what_is_called_as_ever_goes_before_other_names() -> None:
    found = load({"x_test": IMAGES, "y_test": LABELS, "X_test": IMAGES[:2], "images": IMAGES[:3]}, test_only=True)
    assert (sizes(found), found.prepared) == ((None, 20), None)


@pytest.mark.parametrize(("outer", "inner"), [(tuple, tuple), (tuple, list), (list, list)])
def test_what_keras_datasets_give_is_taken_as_it_is(outer: type, inner: type) -> None:
    found = load(outer([inner([IMAGES, LABELS[:, None]]), inner([IMAGES[:4], LABELS[:4, None]])]))
    assert sizes(found) == (20, 4)
    assert found.sha256 == load({"train": (IMAGES, LABELS), "test": (IMAGES[:4], LABELS[:4])}).sha256


def test_pairs_have_the_usual_names_of_parts() -> None:
    found = load({"training": (IMAGES, LABELS), "validation": (IMAGES[:4], LABELS[:4])})
    assert sizes(found) == (20, 4)
    assert found.prepared == "The validation split validation was taken for the test split, as there is none."


# What is none of these


def test_a_folder_of_no_layout_names_the_layouts(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Nothing here.")
    error = refused(tmp_path)
    assert_one_line(error, "layout", "<class>/*.jpg", "train/<class>/*.jpg", ".csv", ".npz", ".parquet", "CIFAR", "IDX")


def test_pictures_without_classes_are_refused_and_both_ways_out_work(tmp_path: Path) -> None:
    put(tmp_path / "flat", *NAMES)
    assert_one_line(refused(tmp_path / "flat"), "of which class", "a folder of its own", "labels.csv")
    table(tmp_path / "flat" / "labels.csv", [("file", "label"), *zip(NAMES, WORDS, strict=True)])
    assert sizes(load(tmp_path / "flat", test_only=True)) == (None, 20)
    assert sizes(load(photos(tmp_path / "folders"), test_only=True)) == (None, 20)


def test_a_folder_around_the_data_is_refused_with_the_folder_to_give(tmp_path: Path) -> None:
    photos(tmp_path / "archive" / "photos")
    error = refused(tmp_path / "archive", test_only=True)
    assert_one_line(error, "holds no data itself", f"--data {tmp_path / 'archive' / 'photos'}")
    assert sizes(load(tmp_path / "archive" / "photos", test_only=True)) == (None, 20)


def test_the_folder_of_an_unpacked_archive_is_found_however_deep_it_lies(tmp_path: Path) -> None:
    made = {
        "a": photos(tmp_path / "a" / "b" / "photos"),
        "c": batch(tmp_path / "c" / "cifar-10-batches-py" / "test_batch", SMALL_BATCH).parent,
        "d": parquet_file(tmp_path / "d" / "plain_text" / "test-00000-of-00001.parquet").parent,
        "e": digits(tmp_path / "e" / "kaggle" / "digits.csv", IMAGES, LABELS).parent,
        "f": tmp_path / "f" / "arrays.npz",
    }
    made["f"].parent.mkdir()
    np.savez(made["f"], x=IMAGES, y=LABELS)
    for top, data in made.items():
        error = refused(tmp_path / top, test_only=True)
        assert_one_line(error, "holds no data itself", f"give --data {data}")
        assert sizes(load(data, test_only=True)) == (None, 2 if top == "c" else 20)


def test_a_table_beside_the_folder_that_was_given_is_the_advice(tmp_path: Path) -> None:
    for name, written in (("flat", NAMES), ("below", [f"below/{name}" for name in NAMES])):
        folder = tmp_path / name
        put(folder / name, *NAMES)
        assert_one_line(refused(folder / name), "of which class")
        path = table(folder / f"{name}.csv", [("file", "label"), *zip(written, WORDS, strict=True)])
        assert_one_line(refused(folder / name), "lies beside it", f"give --data {path}")
        assert sizes(load(path, test_only=True)) == (None, 20)


def test_that_table_goes_before_smaller_copies_in_a_folder_below(tmp_path: Path) -> None:
    put(tmp_path / "images", *NAMES)
    for name in "xy":
        put(tmp_path / "images" / "thumbs" / name, *NAMES)
    path = table(tmp_path / "labels.csv", [("file", "label"), *zip(NAMES, WORDS, strict=True)])
    assert_one_line(refused(tmp_path / "images"), "lies beside it", f"give --data {path}")


def test_the_first_lines_of_a_table_alone_are_read_for_advice(tmp_path: Path) -> None:
    """What lies behind them would be refused, as nothing says of which class the last picture is."""
    put(tmp_path / "images", *NAMES)
    lines = [("file", "label"), *zip(NAMES, WORDS, strict=True), *[(NAMES[0], WORDS[0])] * 100, (NAMES[0], "")]
    path = table(tmp_path / "labels.csv", lines)
    assert_one_line(refused(tmp_path / "images"), "lies beside it", f"give --data {path}")
    assert_one_line(refused(path, test_only=True), "lacks a file name or a label")


def test_another_pickle_beside_batches_of_cifar_is_not_called_one(tmp_path: Path) -> None:
    batch(tmp_path / "test_batch", SMALL_BATCH)
    path = batch(tmp_path / "model.pkl", SMALL_BATCH)
    assert_one_line(refused(path), "never unpickled")


def test_one_batch_of_cifar_leads_to_the_folder_of_all(tmp_path: Path) -> None:
    path = batch(tmp_path / "test_batch", SMALL_BATCH)
    assert_one_line(refused(path), "one batch of CIFAR", f"give --data {tmp_path}, the folder of all")
    assert sizes(load(tmp_path, test_only=True)) == (None, 2)


def test_a_size_is_for_pictures_in_every_layout(tmp_path: Path) -> None:
    assert load(photos(tmp_path / "one"), test_only=True, size=(4, 6)).image_shape == (4, 6, 1)
    path = digits(tmp_path / "digits.csv", IMAGES, LABELS)
    assert_one_line(refused(path, test_only=True, size=(4, 4)), "--image-size", "leave it out")

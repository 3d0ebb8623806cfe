"""Labelled images from every kind of source, each one checked, and how their pixels reach a model."""

import dataclasses
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.data import pixels, samples, stored
from reportgen.dataset import Dataset, Part, Wants
from reportgen.errors import InputError
from tests.helpers.builders import assert_one_line

Array = NDArray[Any]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 1, 0, 2])


def small(**changes: Any) -> dict[str, Any]:
    """Return six images in three classes, the same for training and test; None takes a key away."""
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS} | changes
    return {key: value for key, value in arrays.items() if value is not None}


def load(data: Any, *, test_only: bool = False) -> Dataset:
    return samples.load(data, test_only=test_only)


def refused(data: Any, *, test_only: bool = False) -> InputError:
    with pytest.raises(InputError) as raised:
        load(data, test_only=test_only)
    return raised.value


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def content(dataset: Dataset) -> tuple[Any, ...]:
    """Return what a data set says apart from where it came from."""
    parts = [part for part in (dataset.train, dataset.test) if part is not None]
    return (
        dataset.class_names,
        [(part.images[:].tolist(), part.labels[:].tolist(), part.labels.dtype.name) for part in parts],
    )


# The bundled digits


@pytest.fixture(scope="module")
def bundled() -> Dataset:
    return load("sample")


def test_the_sample_has_4000_digits_to_train_on_and_1000_to_test(bundled: Dataset) -> None:
    assert (len(bundled.train), len(bundled.test)) == (4000, 1000)
    assert bundled.image_shape == (28, 28, 1)
    assert bundled.train.images.dtype == bundled.test.images.dtype == np.uint8


def test_every_digit_is_equally_often_in_both_parts_of_the_sample(bundled: Dataset) -> None:
    assert bundled.class_names == tuple("0123456789")
    assert np.bincount(bundled.train.labels).tolist() == [400] * 10
    assert np.bincount(bundled.test.labels).tolist() == [100] * 10


@pytest.mark.slow
def test_no_image_of_the_sample_is_in_it_twice(bundled: Dataset) -> None:
    everything = np.concatenate([bundled.train.images, bundled.test.images])
    assert len(np.unique(everything.reshape(5000, -1), axis=0)) == 5000


def test_the_sample_is_shuffled(bundled: Dataset) -> None:
    assert set(bundled.test.labels[:60].tolist()) == set(range(10))


def test_the_sample_holds_strokes_on_an_empty_ground(bundled: Dataset) -> None:
    images = bundled.test.images
    assert images[:].max() == 255
    assert (images[:, :2] == 0).mean() > 0.99
    assert (images[:].reshape(1000, -1) > 128).any(axis=1).all()


def test_the_sample_says_what_it_is(bundled: Dataset) -> None:
    assert bundled.name == "sample"
    assert "5,000" in bundled.source and "MNIST" in bundled.source


# Where data may come from


def test_a_file_and_a_mapping_with_the_same_arrays_are_the_same_data(tmp_path: Path) -> None:
    path = saved(tmp_path / "shapes.npz", **small())
    assert content(load(path)) == content(load(small()))


def test_a_compressed_file_is_the_same_data(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "shapes.npz", **small())
    assert content(load(tmp_path / "shapes.npz")) == content(load(small()))


def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = saved(tmp_path / "shapes.npz", **small())
    assert content(load(str(path))) == content(load(path))


def test_a_file_gives_the_data_its_name(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path / "shapes.v2.npz", **small()))
    assert dataset.name == "shapes.v2"
    assert str(tmp_path / "shapes.v2.npz") in dataset.source


def test_the_name_of_a_file_need_not_be_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.npz")
    dataset = load(saved(path, **small()))
    assert dataset.name == "caf\\xe9"
    assert "caf\\xe9.npz" in dataset.source


def test_a_folder_gives_the_data_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    image, label = b"\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\2\x07\x09", b"\0\0\x08\x01\0\0\0\1\0"
    (folder / "t10k-images-idx3-ubyte").write_bytes(image)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(label)
    dataset = load(folder, test_only=True)
    assert dataset.name == "digits"
    assert dataset.test.images[:].tolist() == [[[[7], [9]]]]


def test_plain_lists_will_do() -> None:
    assert content(load({key: value.tolist() for key, value in small().items()})) == content(load(small()))


def test_other_keys_are_left_alone(tmp_path: Path) -> None:
    extra = small(weights=np.ones(3))
    assert content(load(saved(tmp_path / "a.npz", **extra))) == content(load(extra)) == content(load(small()))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)}, id="pairs"),
        pytest.param({"train": [IMAGES, LABELS.tolist()], "test": [IMAGES, LABELS]}, id="lists"),
        pytest.param({"train": (IMAGES, LABELS), "x_test": IMAGES, "y_test": LABELS}, id="a pair and arrays"),
    ],
)
def test_pairs_of_images_and_labels_are_the_same_data(given: Any) -> None:
    assert content(load(given)) == content(load(small()))
    assert load(given).sha256 == load(small()).sha256


def test_a_pair_alone_is_the_test_part() -> None:
    expected = load({"x_test": IMAGES, "y_test": LABELS}, test_only=True)
    assert content(load((IMAGES, LABELS), test_only=True)) == content(expected)
    assert_one_line(refused((IMAGES, LABELS)), "lacks x_train, y_train", "--model")


@pytest.mark.parametrize("one_hot", [False, True])
def test_two_images_and_their_labels_in_lists_are_one_part(one_hot: bool) -> None:
    of_images = list(np.eye(2, dtype=int) if one_hot else np.array([0, 1]))
    found = load(([IMAGES[0], IMAGES[1]], of_images), test_only=True)
    assert content(found) == content(load({"x_test": IMAGES[:2], "y_test": [0, 1]}, test_only=True))


def test_pairs_may_come_with_class_names() -> None:
    assert load({"test": (IMAGES, LABELS), "class_names": ["a", "b", "c"]}, test_only=True).class_names == (
        "a",
        "b",
        "c",
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(None, "NoneType", id="nothing"),
        pytest.param(7, "int", id="a number"),
        pytest.param(IMAGES, "ndarray", id="images alone"),
        pytest.param([IMAGES, LABELS], "list", id="a list"),
        pytest.param([(IMAGES, LABELS), (IMAGES, LABELS)], "list", id="a list of batches"),
        pytest.param((IMAGES,), "tuple of 1", id="a pair of one"),
        pytest.param({"test": IMAGES}, "ndarray", id="images for a pair"),
        pytest.param({"test": {"x": IMAGES, "y": LABELS}}, "dict", id="a mapping for a pair"),
        pytest.param({"test": ((IMAGES, LABELS), (IMAGES, LABELS))}, "pair of pairs", id="two parts for one"),
        pytest.param({"test": (IMAGES, LABELS), "y_test": LABELS}, "'y_test'", id="a part twice"),
        pytest.param({"x_test": iter([]), "y_test": LABELS}, "object", id="an iterator"),
    ],
)
def test_other_objects_are_refused_with_what_could_be_given(given: Any, fault: str) -> None:
    assert_one_line(
        refused(given, test_only=True), fault, "expected" if fault != "pair of pairs" else "'train': (x, y)"
    )


def test_an_array_that_cannot_be_made_one_is_refused() -> None:
    class Elsewhere:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("it is on another device")

    assert_one_line(refused({"x_test": Elsewhere(), "y_test": LABELS}, test_only=True), "x_test", "another device")


@pytest.mark.parametrize("data", ["", "a\0b", "x" * 5000])
def test_what_can_be_no_path_is_refused(data: str) -> None:
    assert_one_line(refused(data), "does not exist")


@pytest.mark.parametrize("data", ["nowhere.npz", "mnst", "samples"])
def test_what_does_not_exist_is_refused_with_what_could_be_given(data: str) -> None:
    assert_one_line(refused(data), repr(data), "does not exist", "sample", "mnist", "fashion-mnist", ".npz")


# What images and labels may look like


def test_grey_images_get_a_channel() -> None:
    dataset = load(small())
    assert dataset.train.images.shape == dataset.test.images.shape == (6, 4, 5, 1)
    assert dataset.image_shape == (4, 5, 1)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param((6, 20), (6, 20, 1), id="vectors"),
        pytest.param((6, 1), (6, 1, 1), id="one number each"),
        pytest.param((6, 4, 5), (6, 4, 5, 1), id="grey pictures or series"),
        pytest.param((6, 4, 5, 3), (6, 4, 5, 3), id="colour pictures"),
        pytest.param((6, 2, 4, 5, 2), (6, 2, 4, 5, 2), id="volumes"),
    ],
)
def test_images_have_one_to_three_axes_of_space_and_one_of_channels(
    given: tuple[int, ...], stored: tuple[int, ...]
) -> None:
    images = GENERATOR.integers(0, 256, given)
    found = load(small(x_train=images, x_test=images)).test.images
    assert found.shape == stored
    assert np.array_equal(found[:].reshape(given), images)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_with_channels_stay_as_they_are(channels: int) -> None:
    images = GENERATOR.integers(0, 256, (6, 4, 5, channels))
    assert np.array_equal(load(small(x_train=images, x_test=images)).test.images, images)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float16", "float32", "float64", "bool"])
def test_pixels_keep_type_and_values(dtype: str) -> None:
    images = (IMAGES > 100).astype(dtype)
    found = load(small(x_train=images, x_test=images)).test.images
    assert found.dtype == dtype
    assert np.array_equal(found[..., 0], images)


@pytest.mark.parametrize(
    "given",
    [
        *(pytest.param(LABELS.astype(dtype), id=dtype) for dtype in ("uint8", "int32", "uint64", "float32")),
        pytest.param(LABELS[:, np.newaxis], id="column"),
        pytest.param(np.eye(3)[LABELS], id="one-hot floats"),
        pytest.param(np.eye(3, dtype=np.uint8)[LABELS], id="one-hot integers"),
        pytest.param(np.eye(3, dtype=bool)[LABELS], id="one-hot bools"),
        pytest.param(np.array(["0", "1", "2"])[LABELS], id="text"),
        pytest.param(np.array([b"0", b"1", b"2"])[LABELS], id="bytes"),
        pytest.param(np.array(["0", "1", "2"])[LABELS][:, np.newaxis], id="column of text"),
        pytest.param(np.array([b"0", b"1", b"2"])[LABELS][:, np.newaxis], id="column of bytes"),
        pytest.param(np.array(["0", "1", "2"], object)[LABELS], id="a table's column of text"),
    ],
)
def test_labels_of_every_kind_give_the_same_data(given: Array) -> None:
    found, expected = load(small(y_train=given, y_test=given)), load(small())
    assert content(found) == content(expected)
    assert found.sha256 == expected.sha256


def test_the_two_parts_may_have_labels_of_different_numeric_kinds() -> None:
    mixed = small(y_train=np.eye(3)[LABELS], y_test=LABELS.astype(np.uint8))
    assert content(load(mixed)) == content(load(small()))


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
@pytest.mark.parametrize("dtype", ["u2", "i4", "f2", "f4", "f8"])
def test_byte_order_and_memory_order_make_no_difference(key: str, dtype: str) -> None:
    whole = small(x_train=IMAGES.astype(dtype), x_test=IMAGES.astype(dtype))
    for other in (whole[key].astype(f">{dtype}"), np.asfortranarray(whole[key]), whole[key][::-1][::-1]):
        found, expected = (
            load(whole | {key: other}),
            load(whole | {key: whole[key].astype(other.dtype.newbyteorder("="))}),
        )
        assert content(found) == content(expected)
        assert found.sha256 == expected.sha256
        assert found.test.images.dtype.isnative


def test_floats_wider_than_tensorflow_has_become_its_widest() -> None:
    wide = IMAGES.astype(np.longdouble)
    found = load(small(x_train=wide, x_test=wide)).test.images
    assert found.dtype == np.float64
    assert np.array_equal(found[..., 0], IMAGES)


@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_text_labels_are_numbered_in_the_order_of_the_alphabet(kind: str) -> None:
    given = np.array(["cat", "ant", "bee", "bee", "cat", "ant"])
    dataset = load(small(y_train=given.astype("S" if kind == "bytes" else "U"), y_test=given))
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.train.labels.tolist() == [2, 0, 1, 1, 2, 0]


def test_class_names_decide_the_order_of_text_labels() -> None:
    given = np.array(["cat", "ant", "bee", "bee", "cat", "ant"])
    dataset = load(small(y_train=given, y_test=given, class_names=["cat", "bee", "dog", "ant"]))
    assert dataset.class_names == ("cat", "bee", "dog", "ant")
    assert dataset.train.labels.tolist() == [0, 3, 1, 1, 0, 3]


@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_class_names_name_numbered_classes(kind: str) -> None:
    names = np.array(["Größe", "bee", "cat", "dog"])
    given = np.char.encode(names, "utf-8") if kind == "bytes" else names
    assert load(small(class_names=given)).class_names == ("Größe", "bee", "cat", "dog")


def test_a_class_that_only_one_part_has_is_a_class() -> None:
    assert load(small(y_train=LABELS + 1)).class_names == ("0", "1", "2", "3")
    text = small(y_train=np.array(list("aabbcc")), y_test=np.array(list("abcdab")))
    assert load(text).class_names == ("a", "b", "c", "d")


def test_numbers_that_no_image_has_are_classes_too() -> None:
    assert load(small(y_train=LABELS * 2, y_test=LABELS)).class_names == ("0", "1", "2", "3", "4")


def test_a_test_part_is_enough_where_nothing_is_trained() -> None:
    dataset = load(small(x_train=None, y_train=None), test_only=True)
    assert dataset.train is None
    assert len(dataset.test) == 6


def test_a_training_part_is_kept_where_nothing_is_trained() -> None:
    assert content(load(small(), test_only=True)) == content(load(small()))


# What is refused


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_array_is_named(tmp_path: Path, key: str) -> None:
    assert_one_line(refused(small(**{key: None})), key)
    path = saved(tmp_path / "shapes.npz", **small(**{key: None}))
    assert_one_line(refused(path), path, key)


def test_a_missing_training_part_is_refused_with_the_hint_that_a_model_would_do() -> None:
    assert_one_line(refused(small(x_train=None, y_train=None)), "x_train, y_train", "--model")


def test_a_file_with_other_keys_is_refused_with_the_keys_it_has(tmp_path: Path) -> None:
    path = saved(tmp_path / "other.npz", arr_0=IMAGES, arr_1=LABELS)
    assert_one_line(refused(path), path, "arr_0, arr_1", "x_test", "images and labels")


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("images", "fault"),
    [
        pytest.param(IMAGES[:, 0, 0], "(6,)", id="one axis"),
        pytest.param(IMAGES.reshape(6, 2, 2, 5, 1, 1), "(6, 2, 2, 5, 1, 1)", id="six axes"),
        pytest.param(np.uint8(3), "()", id="one number"),
        pytest.param(np.zeros((0, 4, 5), np.uint8), "(0, 4, 5)", id="no image"),
        pytest.param(np.zeros((6, 0, 5), np.uint8), "(6, 0, 5)", id="no height"),
        pytest.param(np.zeros((6, 4, 5, 0), np.uint8), "(6, 4, 5, 0)", id="no channel"),
        pytest.param(IMAGES.astype(complex), "complex128", id="complex"),
        pytest.param(IMAGES.astype(str), "<U", id="text"),
        pytest.param(IMAGES.astype(object), "object", id="objects"),
        pytest.param(IMAGES.astype("datetime64[s]"), "datetime64", id="dates"),
    ],
)
def test_what_is_no_image_is_refused(part: str, images: Array, fault: str) -> None:
    assert_one_line(refused(small(**{f"x_{part}": images})), f"x_{part}", fault)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused_with_the_images_that_have_them(part: str, value: float) -> None:
    whole, broken = IMAGES.astype(np.float32), IMAGES.astype(np.float32)
    broken[2, 1, 1] = broken[2, 1, 2] = broken[4, 0, 0] = value
    given = small(x_train=whole, x_test=whole) | {f"x_{part}": broken}
    assert_one_line(refused(given), f"x_{part}", "2 of 6 images", "image 2, image 4")


def test_of_many_broken_images_ten_are_named_and_the_others_counted() -> None:
    many = {"x_test": np.full((300, 2, 2), np.nan), "y_test": np.arange(300) % 3}
    assert_one_line(refused(many, test_only=True), "300 of 300 images", "image 9 and 290 more")


@pytest.mark.parametrize("value", [1e300, -1e300, 3.5e38, 1e19])
def test_pixels_that_a_model_cannot_compute_with_are_refused(value: float) -> None:
    images = IMAGES.astype(np.float64)
    images[2, 1, 1] = value
    assert_one_line(refused({"x_test": images, "y_test": LABELS}, test_only=True), "x_test", f"{value:g}", "1e+18")


def test_one_image_that_is_larger_than_all_that_memory_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", 19)  # an image has 20 bytes
    assert_one_line(refused(small()), "20 bytes", "19")


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("count", [0, 5, 7])
def test_another_number_of_labels_than_images_is_refused(part: str, count: int) -> None:
    labels = np.zeros(count, int)
    error = refused(small(**{f"y_{part}": labels}))
    assert_one_line(error, f"x_{part}", "6 images", f"y_{part}", f"{count} labels")


def test_parts_with_images_of_different_shapes_are_refused() -> None:
    assert_one_line(refused(small(x_test=IMAGES[:, :3])), "(4, 5, 1)", "(3, 5, 1)")


def test_parts_with_pixels_on_different_scales_are_refused() -> None:
    # one and the same scale is used for both, so one part would reach the model as something else
    assert_one_line(refused(small(x_test=IMAGES / 255)), "uint8", "float64")


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        pytest.param(LABELS - 1, "-1", id="negative"),
        pytest.param(LABELS.astype(np.float32) - 1, "-1", id="negative float"),
        pytest.param(LABELS + 0.5, "whole numbers", id="fractional"),
        pytest.param(np.array([0, 1, 2, 0, 1, np.nan]), "whole numbers", id="not a number"),
        pytest.param(np.array([0, 1, 2, 0, 1, np.inf]), "whole numbers", id="infinite"),
        pytest.param(np.array([0, 1, 2, 0, 1, 2**40]), str(2**40), id="giant"),
        pytest.param(np.array([0, 1, 2, 0, 1, 2**63], np.uint64), str(2**63), id="giant unsigned"),
        pytest.param(np.array([0, 1, 2, 0, 1, 500]), "500", id="a few classes but a large number"),
        pytest.param(np.ones((6, 3)), "one-hot", id="all hot"),
        pytest.param(np.zeros((6, 3)), "one-hot", id="none hot"),
        pytest.param(np.full((6, 3), 1 / 3), "one-hot", id="soft"),
        pytest.param(np.eye(3)[LABELS] * 2, "one-hot", id="twos"),
        pytest.param(np.eye(3)[LABELS].astype(str), "(6, 3)", id="one-hot text"),
        pytest.param(np.zeros((6, 3, 3), int), "(6, 3, 3)", id="three axes"),
        pytest.param(np.int64(1), "()", id="one number"),
        pytest.param(LABELS.astype(complex), "complex128", id="complex"),
        pytest.param(LABELS.astype(object), "object", id="objects"),
        pytest.param(LABELS.astype("datetime64[D]"), "datetime64", id="dates"),
        pytest.param(LABELS.astype([("a", "i8"), ("b", "i8")]), "('a', '<i8')", id="structured"),
        pytest.param(np.array([0, 1, 2, 0, 1, 1e300]), "1e+300", id="giant float"),
        pytest.param(np.frombuffer(b"\x01\0\xa0\x7f" * 6, "<f4"), "whole numbers", id="signalling NaN"),
        pytest.param(np.zeros((6, 0)), "(6, 0)", id="no columns"),
    ],
)
def test_what_is_no_label_is_refused(part: str, labels: Array, fault: str) -> None:
    error = refused(small(**{f"y_{part}": labels}))
    assert_one_line(error, fault)


def test_text_in_one_part_and_numbers_in_the_other_are_refused() -> None:
    assert_one_line(refused(small(y_test=LABELS.astype(str))), "text", "numbers")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        pytest.param(["a", "b", "a"], "'a'", id="twice"),
        pytest.param([b"a", b"b", b"a"], "'a'", id="bytes twice"),
        pytest.param([1, 2, 3], "int64", id="numbers"),
        pytest.param([], "(0,)", id="none"),
        pytest.param([["a", "b", "c"]], "(1, 3)", id="two axes"),
        pytest.param("abc", "()", id="one text"),
        pytest.param(["a", "b"], "label 2", id="too few"),
    ],
)
def test_class_names_that_name_no_classes_are_refused(names: Any, fault: str) -> None:
    assert_one_line(refused(small(class_names=np.array(names))), fault)


def test_a_text_label_without_a_class_name_is_refused() -> None:
    given = np.array(["cat", "ant", "bee", "bee", "cat", "ant"])
    assert_one_line(refused(small(y_train=given, y_test=given, class_names=["cat", "bee"])), "'ant'")


def test_many_classes_may_be_sparse_when_they_are_named() -> None:
    labels = np.array([0, 1, 2, 0, 1, 499])
    names = [f"class {n}" for n in range(500)]
    assert load(small(y_train=labels, y_test=labels, class_names=names)).class_names == tuple(names)


@pytest.mark.parametrize("kind", ["numbers", "text", "one-hot", "class names"])
def test_more_classes_than_a_report_can_show_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.data.labels.MOST_CLASSES", 4)
    images, numbers = np.zeros((6, 2, 2), np.uint8), np.array([0, 1, 2, 3, 4, 4])
    given = {"numbers": numbers, "text": numbers.astype(str), "one-hot": np.eye(5)[numbers], "class names": LABELS}
    names = {"class_names": np.array(list("abcde"))} if kind == "class names" else {}
    error = refused({"x_test": images, "y_test": given[kind]} | names, test_only=True)
    assert_one_line(error, "5 classes", "at most 4")


@pytest.mark.slow
def test_200_000_classes_are_refused_at_once() -> None:
    numbers = np.arange(200_000)
    for given in (numbers, numbers.astype(str)):
        error = refused({"x_test": np.zeros((len(given), 1), np.uint8), "y_test": given}, test_only=True)
        assert_one_line(error, "200,000 classes", "at most 5,000")


def test_one_class_is_too_few_to_train_on_but_enough_to_test_with() -> None:
    zeros = np.zeros(6, int)
    assert_one_line(refused(small(y_train=zeros, y_test=zeros)), "'0'", "two or more classes")
    assert load({"x_test": IMAGES, "y_test": zeros}, test_only=True).class_names == ("0",)


def test_one_image_of_each_of_two_classes_will_do() -> None:
    two = small(x_train=IMAGES[:2], y_train=LABELS[:2], x_test=IMAGES[:2], y_test=LABELS[:2])
    assert len(load(two).test) == 2


ALIKE = ["caf\u00e9", "cafe\u0301", "cat", "cat ", " cat", "Cat"]


@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_class_names_that_only_look_alike_are_different_classes(kind: str) -> None:
    given = np.array(ALIKE) if kind == "str" else np.array([name.encode() for name in ALIKE])
    assert load(small(y_train=given, y_test=given)).class_names == tuple(sorted(ALIKE))
    assert load(small(class_names=given)).class_names == tuple(ALIKE)


@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_text_that_cannot_be_written_down_is_shown_by_its_numbers(kind: str) -> None:
    odd = np.array(["\udcff", "b", "c"]) if kind == "str" else np.array([b"\xff", b"b", b"c"])
    dataset = load(small(class_names=odd))
    assert dataset.class_names == ("\\udcff" if kind == "str" else "\\xff", "b", "c")


def test_labels_that_would_read_the_same_are_refused_not_merged() -> None:
    given = np.array([b"\xff", b"\\xff", b"b", b"b", b"b", b"b"])
    assert_one_line(refused(small(y_train=given, y_test=given)), "read the same")


def test_characters_that_unicode_does_not_have_are_refused(tmp_path: Path) -> None:
    beyond = np.full(6, 0x110000, np.uint32).view("U1")
    for key in ("y_test", "class_names"):
        path = saved(tmp_path / f"{key}.npz", **small(**{key: beyond}))
        assert_one_line(refused(path), key, "Unicode")


def test_lists_of_unequal_lengths_are_refused() -> None:
    assert_one_line(refused(small(x_test=[[[1, 2], [3]]], y_test=[0])), "x_test")


# Files that are no data


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("key", ["x_test", "y_train", "class_names", "everything"])
def test_python_objects_are_refused_and_never_unpickled(tmp_path: Path, key: str) -> None:
    path, mark = tmp_path / "trap.npz", tmp_path / "mark"
    if key == "everything":
        path.write_bytes(pickle.dumps(Trap(mark)))
    else:
        saved(path, **small(**{key: np.array([Trap(mark)] * 6, dtype=object)}))
    assert_one_line(refused(path), path)
    assert not mark.exists()


def bare_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, IMAGES)
    return buffer.getvalue()


def zip_of(name: str, stored: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, stored)
    return buffer.getvalue()


def giant_claim() -> bytes:
    buffer = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(buffer, described)
    return zip_of("x_test.npy", buffer.getvalue())


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x,y\n1,2\n", id="text"),
        pytest.param(bare_array(), id="bare array"),
        pytest.param(zip_of("letter.txt", b"Dear ..."), id="zip of text"),
        pytest.param(zip_of("x_test", b"Dear ..."), id="text for an array"),
        pytest.param(zip_of("x_test.npy", b"Dear ..."), id="text in an array's name"),
        pytest.param(zip_of("x_test.npy", b"\x93NUMPY\x01\x00v\x00{" + 117 * b" "), id="header damaged"),
        pytest.param(giant_claim(), id="giant claim"),
        pytest.param(b"PK\x05\x06" + bytes(18), id="empty zip"),
    ],
)
def test_a_file_that_is_no_archive_of_arrays_is_refused(tmp_path: Path, stored: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(stored)
    assert_one_line(refused(path), path)


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "data.npz", **small())
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:length])
        assert_one_line(refused(path), path)


@pytest.mark.slow
def test_a_changed_byte_in_an_archive_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **small())
    whole, expected = path.read_bytes(), content(load(path))
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 + place % 255
        path.write_bytes(damaged)
        try:
            found = load(path)
        except InputError as error:
            assert_one_line(error, path)
        else:
            assert content(found) == expected, place


# The fingerprint


def test_the_fingerprint_does_not_depend_on_the_container(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    plain = saved(tmp_path / "plain.npz", **small(class_names=names))
    np.savez_compressed(tmp_path / "packed.npz", **small(class_names=names))
    found = {load(data).sha256 for data in (plain, tmp_path / "packed.npz", small(class_names=names))}
    assert len(found) == 1
    assert len(found.pop()) == 64


def test_the_fingerprint_does_not_depend_on_other_keys(tmp_path: Path) -> None:
    extra = small(weights=np.ones(3))
    assert load(saved(tmp_path / "a.npz", **extra)).sha256 == load(small()).sha256
    assert load(extra).sha256 == load(small()).sha256


def test_the_fingerprint_does_not_depend_on_the_order_of_keys_or_memory() -> None:
    turned = {key: np.asfortranarray(value) for key, value in reversed(small().items())}
    assert load(turned).sha256 == load(small()).sha256


def other_value() -> Array:
    images = IMAGES.copy()
    images[-1, -1, -1] ^= 1
    return images


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"x_test": other_value()}, id="one pixel"),
        pytest.param({"x_train": other_value()}, id="one pixel to train on"),
        pytest.param({"y_test": LABELS[::-1]}, id="labels"),
        pytest.param({"x_train": IMAGES.astype(np.int16), "x_test": IMAGES.astype(np.int16)}, id="type"),
        pytest.param({"x_train": IMAGES.reshape(6, 5, 4), "x_test": IMAGES.reshape(6, 5, 4)}, id="shape"),
        pytest.param({"class_names": np.array(["a", "b", "c"])}, id="names"),
        pytest.param({"x_train": None, "y_train": None}, id="a part less"),
        pytest.param({"x_test": IMAGES[:5], "y_test": LABELS[:5]}, id="an image less"),
    ],
)
def test_the_fingerprint_changes_with_the_data(changes: dict[str, Any]) -> None:
    assert load(small(**changes), test_only=True).sha256 != load(small(), test_only=True).sha256


def test_the_fingerprint_changes_with_names_types_and_shapes_of_the_same_bytes() -> None:
    kinds = [IMAGES, IMAGES.view(np.int8), IMAGES.reshape(6, 5, 4), IMAGES.reshape(6, 20)]
    found = [samples.fingerprint({"test": Part(images, LABELS)}, ["a", "b", "c"]) for images in kinds]
    found.append(samples.fingerprint({"train": Part(IMAGES, LABELS)}, ["a", "b", "c"]))
    found += [samples.fingerprint({"test": Part(IMAGES, LABELS)}, names) for names in (["a", "b, c"], ["a, b", "c"])]
    assert len(set(found)) == len(found) == 7


def test_training_and_test_part_exchanged_is_another_fingerprint() -> None:
    one, other = IMAGES, other_value()
    assert load(small(x_train=one, x_test=other)).sha256 != load(small(x_train=other, x_test=one)).sha256


# Pixels


def with_pixels(images: Array, *, train: Array | None = None) -> Dataset:
    """Return a data set with these images (H, W), and perhaps others to train on."""
    test, first = (
        Part(part[np.newaxis, ..., np.newaxis], np.array([0])) if part is not None else None for part in (images, train)
    )
    return Dataset("x", "x", first, test, ("a",), "0" * 64)


def scale(images: Any, choice: Any, *, wants: Wants = None, train: Array | None = None) -> Any:
    return pixels.choose(with_pixels(images, train=train), choice, wants=wants).scale


BYTES = np.array([[0, 200]], np.uint8)
WORDS = np.array([[0, 4000]], np.uint16)
WIDE = np.array([[0, 200]], np.int64)
BITS = np.array([[False, True]])
UNIT = np.array([[0.0, 0.5]], np.float32)
FLOATS = np.array([[0.0, 200.0]], np.float32)
SIGNED = np.array([[-1.0, 1.0]], np.float32)


@pytest.mark.parametrize(
    ("images", "choice", "wants", "expected"),
    [
        pytest.param(BYTES, "auto", None, 1 / 255, id="bytes"),
        pytest.param(BYTES, "auto", 255, 1, id="bytes, rescaling model"),
        pytest.param(BYTES, "0-1", 255, 1 / 255, id="bytes to 0-1 although the model rescales"),
        pytest.param(BYTES, "auto", 1, 1 / 255, id="bytes, model of 0-1"),
        pytest.param(BYTES // 200, "auto", 1, 1, id="bytes that are 0 and 1, model of 0-1"),
        pytest.param(BYTES, "auto", "as stored", 1, id="bytes, model that does it all"),
        pytest.param(BYTES, "0-255", None, 1, id="bytes to 0-255"),
        pytest.param(WORDS, "auto", None, 1 / 65535, id="16 bits"),
        pytest.param(WORDS, "auto", 65535, 1, id="16 bits, rescaling model"),
        pytest.param(WORDS, "auto", 255, 255 / 65535, id="16 bits, model of 0-255"),
        pytest.param(WORDS, "0-255", None, 255 / 65535, id="16 bits to 0-255"),
        pytest.param(WORDS.astype(">u2"), "auto", None, 1 / 65535, id="16 bits, high byte first"),
        pytest.param(WIDE, "auto", None, 1 / 255, id="wide integers"),
        pytest.param(WIDE, "0-255", None, 1, id="wide integers to 0-255"),
        pytest.param(WIDE - 1000, "auto", 255, 1, id="integers beyond pixels, rescaling model"),
        pytest.param(BITS, "auto", None, 1, id="bits"),
        pytest.param(BITS, "auto", 255, 255, id="bits, model of 0-255"),
        pytest.param(BITS, "0-1", None, 1, id="bits to 0-1"),
        pytest.param(BITS, "0-255", None, 255, id="bits to 0-255"),
        pytest.param(UNIT, "auto", None, 1, id="floats to 1"),
        pytest.param(UNIT, "0-1", None, 1, id="floats to 1 to 0-1"),
        pytest.param(UNIT, "0-255", None, 255, id="floats to 1 to 0-255"),
        pytest.param(FLOATS, "auto", None, 1, id="floats to 255"),
        pytest.param(FLOATS, "auto", 255, 1, id="floats to 255, rescaling model"),
        pytest.param(FLOATS, "0-1", None, 1 / 255, id="floats to 255 to 0-1"),
        pytest.param(FLOATS, "0-255", None, 1, id="floats to 255 to 0-255"),
        pytest.param(SIGNED, "auto", None, 1, id="standardised floats"),
    ],
)
def test_stored_pixels_reach_the_range_that_the_model_expects(
    images: Array, choice: str, wants: Wants, expected: float
) -> None:
    assert scale(images, choice, wants=wants) == pytest.approx(expected)


def test_the_range_is_that_of_both_parts() -> None:
    assert scale(UNIT, "0-1", train=FLOATS) == pytest.approx(1 / 255)


@pytest.mark.parametrize("choice", ["0-1", "0-255"])
@pytest.mark.parametrize(
    ("images", "low", "high"),
    [(SIGNED, "-1", "1"), (np.array([[0.0, 300.0]]), "0", "300"), (np.array([[-5, 100]]), "-5", "100")],
)
def test_pixels_outside_0_to_255_have_no_range_to_choose(images: Array, low: str, high: str, choice: str) -> None:
    with pytest.raises(InputError) as raised:
        scale(images, choice)
    assert_one_line(raised.value, f"from {low} to {high}", "--pixels auto", images.dtype)


@pytest.mark.parametrize(
    ("images", "choice", "wants", "part"),
    [
        (BYTES, "auto", None, "divided by 255"),
        (BYTES, "auto", 255, "own rescaling, so integer pixels reach it unchanged"),
        (BYTES, "auto", 1, "of pixels from 0 to 1, so the stored ones, from 0 to 255,"),
        (UNIT, "auto", None, "as they are"),
        (WORDS, "0-1", None, "65,535"),
        (BITS, "0-255", None, "0 to 255"),
    ],
)
def test_what_was_done_to_the_pixels_is_said_in_words(images: Array, choice: Any, wants: Wants, part: str) -> None:
    said = pixels.choose(with_pixels(images), choice, wants=wants).said
    assert part in said
    assert said.endswith(".")


def test_choosing_a_range_leaves_images_and_fingerprint_as_they_are() -> None:
    dataset = load(small())
    seen = dataset.seen_as(pixels.choose(dataset, "0-1", wants=None))
    assert seen.pixels.scale == pytest.approx(1 / 255)
    assert dataclasses.replace(seen, pixels=dataset.pixels) == dataset

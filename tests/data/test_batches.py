"""Data sets that yield batches: gone through once, the same data as arrays, refused where they do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reportgen.data import samples, stored
from reportgen.dataset import Dataset
from reportgen.errors import InputError
from tests.conftest import clean_environment
from tests.helpers.builders import assert_one_line, modules_after
from tests.helpers.forked import Server

Array = NDArray[Any]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(50) % 3
FIRST = (IMAGES[:8], LABELS[:8])
FIRST_ONE_HOT = (IMAGES[:8], np.eye(3)[LABELS[:8]])


class PyDataset:
    """As Keras's class of that name, as far as anything is asked of it."""

    __module__ = "keras.made.for.this.test"

    def __init__(self, *batches: Any) -> None:
        self.batches = batches
        self.asked: list[Any] = []

    @property
    def num_batches(self) -> int | None:
        return len(self.batches)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        if isinstance(self.batches[number], Exception):
            raise self.batches[number]
        return self.batches[number]


class Endless(PyDataset):
    num_batches = None


def batches(images: Array = IMAGES, labels: Array = LABELS, size: int = 8) -> PyDataset:
    return PyDataset(*((images[at : at + size], labels[at : at + size]) for at in range(0, len(images), size)))


def load(data: Any, *, test_only: bool = True) -> Dataset:
    return samples.load(data, test_only=test_only)


def refused(data: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        load(data)
    return raised.value


def content(dataset: Dataset) -> Any:
    return [
        (name, part.images[:].dtype, part.images[:].tolist(), part.labels.tolist())
        for name, part in dataset.parts.items()
    ]


ARRAYS = load({"x_test": IMAGES, "y_test": LABELS})


@pytest.mark.parametrize("in_memory", [10_000, 1000], ids=["in memory", "on disk"])
def test_batches_are_the_same_data_as_arrays(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr("reportgen.data.batches.IN_MEMORY", in_memory)
    found = load(batches())
    assert isinstance(found.test.images, np.ndarray) == (in_memory > 1000)
    assert content(found) == content(ARRAYS)
    assert found.sha256 == ARRAYS.sha256
    assert (found.name, "keras.utils.PyDataset" in found.source) == ("dataset", True)


def test_every_batch_is_asked_for_once() -> None:
    given = batches()
    load(given)
    assert given.asked == list(range(7))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(LABELS[:, np.newaxis], id="column"),
        pytest.param(np.eye(3, dtype=np.float32)[LABELS], id="one-hot"),
        pytest.param(LABELS.astype(str), id="text"),
        pytest.param(LABELS.astype(bytes).astype(object), id="TensorFlow's text"),
    ],
)
def test_labels_of_every_kind_are_the_same_data(labels: Array) -> None:
    assert load(batches(labels=labels)).sha256 == ARRAYS.sha256


def test_rows_that_are_not_one_hot_are_named_with_their_batch() -> None:
    assert_one_line(refused(PyDataset(FIRST_ONE_HOT, (IMAGES[:8], np.full((8, 3), 0.5)))), "batch 1", "one-hot")


def test_weights_are_left_alone() -> None:
    weighted = PyDataset((IMAGES, LABELS, np.ones(50)))
    assert load(weighted).sha256 == ARRAYS.sha256


def test_both_parts_and_class_names_may_be_given() -> None:
    found = load({"train": batches(), "test": (IMAGES, LABELS), "class_names": ["a", "b", "c"]}, test_only=False)
    assert content(found) == content(load({"train": (IMAGES, LABELS), "test": batches()}, test_only=False))
    assert found.class_names == ("a", "b", "c")


def test_class_names_that_the_data_set_knows_are_used() -> None:
    given: Any = batches()
    given.class_names = ["ant", "bee", "cat"]
    assert load(given).class_names == ("ant", "bee", "cat")
    assert load({"test": given, "class_names": ["a", "b", "c"]}).class_names == ("a", "b", "c")


def test_big_endian_batches_are_the_same_data() -> None:
    floats = IMAGES.astype("<f4")
    assert load(batches(floats.astype(">f4"))).sha256 == load((floats, LABELS)).sha256


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(PyDataset(), "yields no images", id="nothing"),
        pytest.param(PyDataset((IMAGES[:0], LABELS[:0])), "yields no images", id="an empty batch"),
        pytest.param(Endless(), "no end", id="endless"),
        pytest.param(PyDataset(IMAGES), "one ndarray", id="images without labels"),
        pytest.param(PyDataset((IMAGES,)), "tuple of 1", id="a tuple of images"),
        pytest.param(PyDataset({"image": IMAGES, "label": LABELS}), "a dict with image, label", id="a dict"),
        pytest.param(PyDataset(({"a": IMAGES}, LABELS)), "a dict with a", id="a dict of images"),
        pytest.param(PyDataset(((IMAGES, IMAGES), LABELS)), "a tuple of 2", id="two inputs"),
        pytest.param(PyDataset((IMAGES, [LABELS, LABELS])), "a list of 2", id="two outputs"),
        pytest.param(PyDataset((IMAGES, None)), "labels of shape ()", id="no labels"),
        pytest.param(PyDataset((IMAGES[0], LABELS[0])), "batched", id="single images"),
        pytest.param(PyDataset((IMAGES[:8], LABELS[:7])), "batched", id="a label too few"),
        pytest.param(PyDataset((IMAGES.astype(str), LABELS)), "<U3", id="text for pixels"),
        pytest.param(PyDataset((IMAGES, LABELS.astype(object))), "Python objects", id="objects"),
        pytest.param(PyDataset(FIRST, (IMAGES[:8, :3], LABELS[:8])), "(3, 5, 3)", id="another shape"),
        pytest.param(PyDataset(FIRST, (IMAGES[:8] / 255, LABELS[:8])), "float64", id="another dtype"),
        pytest.param(PyDataset(FIRST, (IMAGES[:8], LABELS[:8].astype(str))), "batch 1", id="other labels"),
        pytest.param(PyDataset(FIRST, FIRST_ONE_HOT), "batch 1", id="one-hot and numbers"),
        pytest.param(PyDataset(FIRST, KeyError("a\nb")), "KeyError", id="a fault in its code"),
        pytest.param(batches(IMAGES[:, 0, 0, 0]), "batched", id="single numbers"),
    ],
)
def test_what_yields_no_batches_of_images_and_labels_is_refused(given: Any, said: str) -> None:
    assert_one_line(refused(given), "test split", said)


def test_images_in_batches_are_checked_as_others_are() -> None:
    assert_one_line(refused(batches(np.full((50, 4), np.nan))), "x_test", "NaN", "50 of 50")
    assert_one_line(refused(batches(labels=LABELS - 1)), "y_test", "-1")


def test_a_data_set_without_end_that_hides_it_is_left_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sly(PyDataset):
        num_batches = 10**12

        def __getitem__(self, number: int) -> Any:
            return FIRST

    monkeypatch.setattr(stored, "ON_DISK", 100_000)
    assert_one_line(refused(Sly()), "goes on", "100,000")


@pytest.mark.slow
def test_arrays_bring_no_tensorflow_along() -> None:
    code = "from reportgen.data import samples; samples.load(([[0], [1]], [0, 1]), test_only=True)"
    assert not {"tensorflow", "keras"} & modules_after(code)


# The real ones

Make = Callable[[Any, Any], Any]


def of_slices(images: Any, labels: Any) -> Any:
    from reportgen.runtime import tf

    return tf.data.Dataset.from_tensor_slices((images, labels))


def real_py_dataset(images: Any, labels: Any) -> Any:
    from reportgen.runtime import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 7

        def __getitem__(self, number: int) -> Any:
            return images[8 * number : 8 * number + 8], labels[8 * number : 8 * number + 8]

    return Batches()


MAKES: dict[str, Make] = {
    "batches": lambda images, labels: of_slices(images, labels).batch(8),
    "even batches": lambda images, labels: of_slices(images, labels).batch(10, drop_remainder=True),
    "single images": of_slices,
    "prefetched": lambda images, labels: of_slices(images, labels).batch(50).prefetch(1),
    "from a generator": lambda images, labels: of_slices(images, labels).batch(8).filter(lambda *_: True),
    "PyDataset": real_py_dataset,
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("made", MAKES.values(), ids=MAKES)
def test_the_data_sets_of_tensorflow_and_keras_are_the_same_data_as_arrays(made: Make, kind: Any) -> None:
    expected = load((IMAGES.astype(kind), LABELS))
    for labels in (LABELS, LABELS.astype(str)):
        found = load(made(IMAGES.astype(kind), labels))
        assert content(found) == content(expected)
        assert found.sha256 == expected.sha256


@pytest.mark.tensorflow
def test_a_shuffled_data_set_keeps_images_and_labels_together() -> None:
    numbers = np.arange(50)
    given = of_slices(numbers[:, np.newaxis] * np.ones((1, 4)), numbers % 5).shuffle(50).batch(7)
    found = load(given).test
    assert (found.images[:, 0, 0] % 5 == found.labels).all()
    assert sorted(found.images[:, 0, 0]) == list(range(50))


@pytest.mark.tensorflow
def test_pictures_as_keras_reads_folders_of_them(tmp_path: Path) -> None:
    from PIL import Image

    from reportgen.runtime import keras

    for label, name in enumerate(["ant", "bee"]):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(np.full((6, 8, 3), 100 * label + number, np.uint8)).save(tmp_path / name / f"{number}.png")
    for mode in ("int", "binary", "categorical"):
        given = keras.utils.image_dataset_from_directory(
            tmp_path, image_size=(6, 8), batch_size=4, shuffle=False, label_mode=mode, verbose=False
        )
        found = load(given)
        assert found.class_names == ("ant", "bee")
        assert found.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert found.test.images[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]
        assert found.test.images.dtype == np.float32


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param(lambda made: made.repeat(), "no end", id="endless"),
        pytest.param(lambda made: made.map(lambda x, y: x), "one TensorSpec", id="images alone"),
        pytest.param(lambda made: made.map(lambda x, y: {"image": x, "label": y}), "a dict with image", id="a dict"),
        pytest.param(lambda made: made.map(lambda x, y: ({"a": x}, y)), "a dict with a", id="a dict of images"),
        pytest.param(lambda made: made.map(lambda x, y: ((x, x), y)), "a tuple of 2", id="two inputs"),
        pytest.param(lambda made: made.take(0), "no images", id="nothing"),
        pytest.param(lambda made: made.map(lambda x, y: (x[:y], y)).ragged_batch(2), "RaggedTensorSpec", id="ragged"),
    ],
)
def test_what_tensorflow_says_about_a_data_set_is_enough_to_refuse_it(changed: Callable[[Any], Any], said: str) -> None:
    assert_one_line(refused(changed(of_slices(IMAGES, LABELS))), said, "expected" if said != "no end" else "take")


@pytest.mark.tensorflow
def test_images_of_different_sizes_are_refused_without_tensorflow_s_own_names_for_things() -> None:
    error = refused(of_slices(IMAGES, LABELS).map(lambda x, y: (x[: y + 1], y)))
    assert_one_line(error, "InvalidArgumentError: Cannot add tensor to the batch", "[2,5,3]", "mend it")
    assert "{" not in str(error)


@pytest.mark.tensorflow
def test_a_live_model_on_arrays_and_on_data_sets_gives_the_same_report(tmp_path: Path) -> None:
    import reportgen
    from reportgen.runtime import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4, 5, 3)), *layers])
    images = (IMAGES / 255).astype(np.float32)
    made = [(images, LABELS), MAKES["batches"](images, LABELS), MAKES["PyDataset"](images, LABELS)]
    found = [reportgen.report(model, given, out=tmp_path / "report", formats=["html"]) for given in made]
    figures = [[each[key] for key in ("evaluation", "layers", "units", "proof")] for each in found]
    assert figures[0] == figures[1] == figures[2]
    assert len({each["provenance"]["data_sha256"] for each in found}) == 1
    assert "floats" in found[1]["data"]["pixels"]


PEAK = """
import resource, sys
import numpy as np
import reportgen
from reportgen.runtime import keras

CLASSES, SIZE = 600, 500


class Made(keras.utils.PyDataset):
    def __len__(self):
        return int(sys.argv[1]) // SIZE

    def __getitem__(self, number):
        images = np.zeros((SIZE, 8, 8, 1), np.uint8)
        numbers = number * SIZE + np.arange(SIZE, dtype=np.uint32)
        images[:, :4, 0, 0] = numbers.view(np.uint8).reshape(SIZE, 4)
        return images, np.eye(CLASSES, dtype=np.float32)[numbers % CLASSES]


model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)])
found = reportgen.report(model, Made(), out=sys.argv[2], formats=["html"], shifts="none")
assert found["data"]["test_size"] == int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.tensorflow
def test_a_report_on_more_images_of_many_classes_takes_no_more_memory(forks: Server, tmp_path: Path) -> None:
    runs = [
        forks.call([str(count), str(tmp_path / str(count))], tmp_path, clean_environment(), PEAK)
        for count in (10_000, 35_000)  # of so many, mean responses are kept for as many as ever are
    ]
    assert [run.returncode for run in runs] == [0, 0], runs
    few, many = (int(run.stdout) / 1000 for run in runs)
    assert many - few < 50, "the scores of 25,000 images alone, at 32 bits, have 60 MB"

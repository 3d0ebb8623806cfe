"""Copies and doubted labels of real models: what the pass keeps of images, and what is n/a with which reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from reportgen.analysis.activations import outputs, probe, reading, traces
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.traces import Penultimate, Traces
from reportgen.analysis.evaluation import data
from reportgen.analysis.trust import trust
from reportgen.analysis.trust.trust import Answers, Trust
from reportgen.dataset import Dataset, Part
from reportgen.record.trust import PairCounts
from reportgen.runtime import keras
from tests.helpers.passes import QUIET, make_dataset, predicted, randomise

pytestmark = pytest.mark.tensorflow
Array = Any
L = keras.layers
SHAPE = (8, 8, 1)


def model_of(*layers: Any, shape: Sequence[int] = SHAPE) -> Any:
    return randomise(keras.Sequential([keras.Input(shape), *layers]))


def small(classes: int = 3, activation: str | None = "softmax") -> Any:
    scores = L.Dense(classes, activation=activation)
    return model_of(L.Flatten(), L.Dense(6, activation="relu", name="before"), L.Dropout(0.5), scores)


def part_of(count: int, seed: int, shape: Sequence[int] = SHAPE, classes: int = 3) -> Part:
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)
    return Part(images, np.arange(count) % classes)


def passed(model: Any, dataset: Dataset, memory: int = 1000) -> tuple[Graph, dict[str, Any]]:
    graph = Graph(model)
    found = probe.all_parts(
        graph, reading.readings(graph), dataset.parts, ["test"], dataset, memory=memory, progress=QUIET
    )
    return graph, found.answered


def found(model: Any, dataset: Dataset, *, learnt: bool = True) -> Trust:
    """Return what is found out. learnt: each label becomes what the model says, so that it seems to have learnt."""
    graph, answered = passed(model, dataset)
    read, output = outputs.read(answered)
    if learnt:
        train = dataset.train
        dataset = make_dataset(
            dataset.test.relabelled(read["test"].predicted.astype(np.int64)),
            None if train is None else train.relabelled(read["train"].predicted.astype(np.int64)),
        )
    given = Answers(
        {name: one.traces for name, one in answered.items()},
        {name: one.predicted for name, one in read.items()},
        output,
        [str(k) for k in range(answered["test"].classes)],
    )
    return trust.collect(graph, dataset, given, seed=0)


# What the pass keeps


@pytest.mark.parametrize("count", [40, 300], ids=["all at once", "in batches"])
def test_of_each_image_the_values_before_the_scores_and_the_scores_are_kept(count: int) -> None:
    model, dataset = small(), make_dataset(part_of(count, 0), part_of(70, 1))
    _, answered = passed(model, dataset)
    for name, part in dataset.parts.items():
        kept: Traces = answered[name].traces
        np.testing.assert_array_equal(kept.numbers, np.arange(len(part)))
        np.testing.assert_allclose(kept.features, predicted(model, part.images, of="before"), rtol=1e-4, atol=1e-4)
        scores = predicted(model, part.images)
        np.testing.assert_allclose(kept.scores, -np.sort(-scores, axis=1), rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(kept.classes[:, 0], scores.argmax(axis=1))
        np.testing.assert_allclose(kept.sums, 1, rtol=1e-5)
        np.testing.assert_allclose(kept.powers, np.log(np.exp(scores).sum(axis=1)), rtol=1e-4)


def test_of_more_images_than_there_is_room_for_every_nth_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = small(), make_dataset(part_of(100, 0), part_of(71, 1))
    monkeypatch.setattr(traces, "_MOST_VALUES", 16 * 171 // 2 - 1)  # 6 features, 3 scores and classes, 4 more
    _, answered = passed(model, dataset)
    np.testing.assert_array_equal(answered["test"].traces.numbers, np.arange(0, 100, 3))
    np.testing.assert_array_equal(answered["train"].traces.numbers, np.arange(0, 71, 3))
    said = [str(note) for note in found(model, dataset).leaks.notes]
    assert said == ["Near copies were looked for among 58 of 171 images, evenly spread."]


def test_many_values_are_projected_and_distances_stay() -> None:
    model = model_of(L.Flatten(), L.Dense(400, activation="relu", name="before"), L.Dense(3, activation="softmax"))
    dataset = make_dataset(part_of(60, 0))
    kept = passed(model, dataset)[1]["test"].traces.features
    assert kept.shape == (60, traces.WIDEST)
    whole = predicted(model, dataset.test.images, of="before")

    def apart(points: Array) -> Array:
        return np.linalg.norm(points[:30] - points[30:], axis=1)

    np.testing.assert_allclose(apart(kept), apart(whole), rtol=0.35)


@pytest.mark.parametrize(
    ("layers", "values"),
    [
        ([L.Flatten(), L.Dense(7), L.ReLU(), L.Dense(3), L.Softmax()], 7),
        ([L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.BatchNormalization(), L.Dense(3)], 4),
        ([L.Conv2D(5, 3), L.Conv2D(3, 1), L.GlobalAveragePooling2D(), L.Activation("softmax")], 5),
        ([L.Flatten(), L.Dense(6), L.Dense(3), L.BatchNormalization()], 6),
        ([L.Flatten(), L.Dense(3, activation="softmax")], None),
        ([L.Rescaling(2.0), L.BatchNormalization(), L.Flatten(), L.Dense(3)], None),
    ],
    ids=["dense", "pooled", "fully convolutional", "normalised scores", "one layer", "one layer behind a norm"],
)
def test_the_penultimate_values_are_what_feeds_the_layer_of_the_scores(layers: list[Any], values: int | None) -> None:
    one = traces.of_model(Graph(model_of(*layers)))
    if values is None:
        assert one == "no layer with units comes before the one that gives its scores"
    else:
        assert isinstance(one, Penultimate) and one.values == values


def test_scores_that_several_layers_have_a_part_in_have_no_penultimate_values() -> None:
    given = keras.Input((6,))
    both = L.Add()([L.Dense(3)(given), L.Dense(3)(given)])
    assert traces.of_model(Graph(keras.Model(given, both))) == "its scores are not those of one layer"


# What is found


def test_planted_leaks_and_wrong_labels_are_found() -> None:
    test, train = part_of(150, 0), part_of(400, 1)
    train.images[5], test.images[9] = test.images[3], np.minimum(train.images[8], 250)
    model, dataset = small(), make_dataset(test, train)
    whole = found(model, dataset)
    assert whole.leaks.exact == [["test", 3, "train", 5]]
    assert ["test", 9, "train", 8] in whole.leaks.near
    assert whole.leaks.exact_counts == PairCounts(0, 0, 1) and whole.leaks.test_images == 2
    assert whole.score is not None and whole.score.flipped == 2 and whole.score.average_precision > 0.5
    assert whole.pictures.exact.shape == (1, 2, *SHAPE)
    np.testing.assert_array_equal(whole.pictures.exact[0, 0], test.images[3])
    assert len(whole.pictures.images) == len(whole.pictures.suspects)
    for place, image in zip(whole.pictures.suspects, whole.pictures.images, strict=True):
        one = whole.labels[place]
        np.testing.assert_array_equal(image, dataset.parts[one.part].images[one.index])
    again = found(model, dataset)
    assert (again.leaks, again.labels, again.score) == (whole.leaks, whole.labels, whole.score)


def test_who_chose_the_epoch_is_said() -> None:
    dataset = make_dataset(part_of(150, 0))
    one, facts = found(small(), dataset), data.facts(dataset, looked_at=["test"])
    for chose, said in ((True, "they decided when the training stopped"), (False, "As far as this report can tell")):
        search = one.added_to(facts, chose_epoch=chose).suspect_labels_search
        assert search is not None and said in search.notes[0]


def reasons_of(model: Any, dataset: Dataset, **how: Any) -> dict[str, str]:
    one = found(model, dataset, **how)
    assert "test" not in one.search.candidates or one.score is not None
    return {key: str(value) for key, value in (one.leaks.reasons | one.search.reasons).items()}


def test_what_makes_no_sense_has_a_reason() -> None:
    many = part_of(150, 0)
    alone = reasons_of(small(), make_dataset(many))
    assert alone["train"] == alone["test_images"] == "the data has no training split" and "test" not in alone
    assert reasons_of(small(), make_dataset(part_of(40, 0)))["test"].startswith("40 images are too few")
    no_layer = model_of(L.Flatten(), L.Dense(3, activation="softmax"))
    shallow = reasons_of(no_layer, make_dataset(many, part_of(200, 1)))
    assert "comes before" in shallow["near"] and shallow["train"].startswith("no neighbours can vote")
    sigmoids = reasons_of(small(activation="sigmoid"), make_dataset(many))
    assert (
        sigmoids["test"]
        == sigmoids["score"]
        == ("the scores are one sigmoid for each class, so they are not shares of one whole")
    )
    assert "test" not in reasons_of(small(1, "sigmoid"), make_dataset(part_of(150, 0, classes=2)))
    luck = reasons_of(
        small(), make_dataset(Part(many.images, np.zeros(150, np.int64) + (np.arange(150) > 120))), learnt=False
    )
    assert luck["test"] == "the model is right no more often than one who always names the largest class"
    constant = reasons_of(small(), make_dataset(Part(many.images, np.zeros(150, np.int64))), learnt=False)
    assert constant["test"] == "all its images have one label"


def test_vectors_and_words_have_no_near_copies_but_exact_ones() -> None:
    vectors = part_of(150, 0, (6, 1))
    vectors.images[7] = vectors.images[2]
    dense = model_of(L.Dense(5, activation="relu"), L.Dense(3, activation="softmax"), shape=(6,))
    pixels = make_dataset(vectors).pixels
    whole = found(dense, make_dataset(vectors).seen_as(type(pixels)(pixels.scale, pixels.said, shape=(6,))))
    assert whole.leaks.reasons["near"] == "vectors have no pixels that could be shifted"
    assert whole.leaks.exact == [["test", 2, "test", 7]] and whole.leaks.near_counts is None

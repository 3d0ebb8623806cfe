"""How far the figures can be trusted, as the page shows it: a line for each doubt, then the pictures behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.format import count, share, signed_points
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.pictures import Array
from reportgen.record.run import Record
from reportgen.record.trust import Leaks, PairCounts, SuspectLabel
from reportgen.render.page.missing import attempt
from reportgen.render.pictures import input_images
from reportgen.render.pictures.input_images import Extent
from reportgen.render.pictures.mosaic import Picture
from reportgen.render.words import percent

_NOT_MEASURED = text("it was not measured")
_WORKS = 0.5
"""The average precision below which most of a list would be wrong."""


@dataclass(frozen=True)
class Pair:
    """Two images that are copies. places: "test image 12" and "training image 345"."""

    pictures: list[Picture]
    places: list[Text]


@dataclass(frozen=True)
class Sheet:
    """Pairs that are shown, and how many there are by where they lie, in words."""

    pairs: list[Pair]
    all: int
    counts: Text


@dataclass(frozen=True)
class Candidate:
    """A label that looks wrong, with its image."""

    picture: Picture
    place: Text
    label: SuspectLabel


@dataclass(frozen=True)
class Candidates:
    """Those of one split that are shown. all: how many there are; searched: images looked through."""

    part: str
    shown: list[Candidate]
    all: int
    searched: int


@dataclass(frozen=True)
class TrustView:
    """What the section shows. lines: of the summary, one for copies and one for labels.

    accuracy: with and without the copies, a sentence. exact, near: None where there are none to show. notes: what is
    undefined, each with its reason, and what was left out. score: of the search for wrong labels, sentences.
    """

    lines: list[Text]
    accuracy: Text
    exact: Sheet | None
    near: Sheet | None
    copies_notes: list[Text]
    labels: list[Candidates]
    score: list[Text]
    labels_notes: list[Text]

    @property
    def has_candidates(self) -> bool:
        """Whether any label that looks wrong is shown."""
        return any(one.shown for one in self.labels)


def view(record: Record, scale: Extent | None) -> TrustView | None:
    """Return what the section shows, None of a record from before this was asked. scale: of images that are series."""
    leaks, search, pictures = record.data.leaks, record.data.suspect_labels_search, record.pictures.trust
    if leaks is None or search is None or pictures is None:
        return None
    near_counts = leaks.near_counts
    return TrustView(
        lines=[_copies_line(leaks), _labels_line(record)],
        accuracy=_accuracy(record, leaks),
        exact=_sheet(pictures.exact, leaks.exact, leaks.exact_counts, scale),
        near=None if near_counts is None else _sheet(pictures.near, leaks.near, near_counts, scale),
        copies_notes=[*_copies_reasons(leaks), *leaks.notes],
        labels=_candidates(record, pictures.suspects.tolist(), pictures.images, scale),
        score=_score(record),
        labels_notes=[*_labels_reasons(record), *search.notes],
    )


# In brief


def _copies_line(leaks: Leaks) -> Text:
    if leaks.test_images is None:
        copies = leaks.exact_counts.test
        inside = ntext(copies, "{n} test image repeats another.", "{n} test images repeat another.")
        return text(
            "Nobody knows whether test images were trained on: the data has no training split; {inside}", inside=inside
        )
    if not leaks.test_images:
        return (
            text("No test image is also in the training split, and none nearly so.")
            if leaks.near_counts is not None
            else text("No test image is also in the training split, pixel for pixel.")
        )
    near = leaks.test_images - (leaks.exact_test_images or 0)
    if not near:
        return ntext(
            leaks.test_images,
            "{n} test image is also in the training split.",
            "{n} test images are also in the training split.",
        )
    if not leaks.exact_test_images:
        return ntext(
            near,
            "{n} test image has a near copy in the training split.",
            "{n} test images have a near copy in the training split.",
        )
    return ntext(
        leaks.test_images,
        "{n} test image has a copy in the training split, {exact} exact and {near} near.",
        "{n} test images have a copy in the training split, {exact} exact and {near} near.",
        exact=count(leaks.exact_test_images),
        near=count(near),
    )


def _labels_line(record: Record) -> Text:
    search = record.data.suspect_labels_search
    assert search is not None
    if not search.candidates:
        return text("No label was doubted: {reason}.", reason=search.reasons.get("test", _NOT_MEASURED))
    found = sum(search.candidates.values())
    if not found:
        return text("No label looks wrong.")
    by_part = [
        ntext(n, "{n} in the test split", "{n} in the test split")
        if part == "test"
        else ntext(n, "{n} in the training split", "{n} in the training split")
        for part, n in search.candidates.items()
    ]
    return ntext(
        found, "{n} label looks wrong: {parts}.", "{n} labels look wrong: {parts}.", parts=joined(", ", by_part)
    )


# Copies


def _accuracy(record: Record, leaks: Leaks) -> Text:
    test = record.evaluation["test"]
    assert test is not None
    without = leaks.accuracy_without
    if without is None:
        return text(
            "Accuracy without copies: n/a, because {reason}.",
            reason=leaks.reasons.get("accuracy_without", _NOT_MEASURED),
        )
    low, high = without.interval
    return text(
        "Accuracy is {all} on all {images} test images and {value} on the {rest} without a copy in the training split,"
        " with {level} confidence between {low} and {high}. The difference is {change} points, with {level} confidence"
        " between {least} and {most} points.",
        level="95\N{NO-BREAK SPACE}%",
        all=percent(test.accuracy, 2),
        images=count(record.data.test_size),
        value=percent(without.value, 2),
        rest=count(without.images),
        low=percent(low, 2),
        high=percent(high, 2),
        change=_points(without.change),
        least=_points(without.change_interval[0]),
        most=_points(without.change_interval[1]),
    )


def _points(difference: float) -> str:
    return signed_points(difference, 2)


def _copies_reasons(leaks: Leaks) -> list[Text]:
    if "near" not in leaks.reasons:
        return []
    return [text("Near copies: n/a, because {reason}.", reason=leaks.reasons["near"])]


def _sheet(images: Array, pairs: Sequence[Sequence[Any]], counts: PairCounts, scale: Extent | None) -> Sheet | None:
    everywhere = (counts.across or 0) + counts.test + (counts.train or 0)
    if not everywhere:
        return None
    shown = [
        Pair(
            [attempt(_one, image, scale) for image in two],
            [_place(str(pair[0]), int(pair[1])), _place(str(pair[2]), int(pair[3]))],
        )
        for two, pair in zip(images, pairs, strict=False)
    ]
    within = [text("{n} within the test split", n=count(counts.test))]
    if counts.across is not None:
        within = [
            text("{n} across the splits", n=count(counts.across)),
            *within,
            text("{n} within the training split", n=count(counts.train)),
        ]
    return Sheet(shown, everywhere, joined(", ", within))


def _one(image: Array, scale: Extent | None) -> Picture:
    return input_images.images(image[None], scale)[0]


def _place(part: str, number: int) -> Text:
    if part == "train":
        return text("training image {number}", number=count(number))
    return text("test image {number}", number=count(number))


# Labels


def _candidates(record: Record, places: Sequence[int], images: Array, scale: Extent | None) -> list[Candidates]:
    search = record.data.suspect_labels_search
    assert search is not None
    shown = [(record.data.suspect_labels[place], image) for place, image in zip(places, images, strict=True)]
    return [
        Candidates(
            part,
            [
                Candidate(attempt(_one, image, scale), _place(one.part, one.index), one)
                for one, image in shown
                if one.part == part
            ],
            found,
            search.searched[part],
        )
        for part, found in search.candidates.items()
    ]


def _score(record: Record) -> list[Text]:
    score, search = record.data.suspect_labels_score, record.data.suspect_labels_search
    assert search is not None
    if score is None:
        why = search.reasons.get("score", _NOT_MEASURED)
        return [text("How well the search finds wrong labels: n/a, because {reason}.", reason=why)]
    measured = text(
        "How well this search finds wrong labels, measured on these test images and this model: where {flipped} of"
        " {images} labels were flipped at random, its average precision is {precision}; flipped into the classes that"
        " the model confuses, {confused} (means over {draws} draws; 1 is perfect, {constant} is chance). Labels that"
        " looked wrong before count as its mistakes.",
        flipped=count(score.flipped),
        images=count(score.images),
        precision=share(score.average_precision, 2),
        confused=share(score.by_confusion, 2),
        draws=count(score.draws),
        constant=share(score.flipped / score.images, 2),
    )
    if score.average_precision >= _WORKS:
        return [measured]
    return [measured, text("That is little: most of what it lists will be mistakes of the model, not wrong labels.")]


def _labels_reasons(record: Record) -> list[Text]:
    search = record.data.suspect_labels_search
    assert search is not None
    said = []
    if "test" in search.reasons:
        said.append(text("Labels of the test split: n/a, because {reason}.", reason=search.reasons["test"]))
    if "train" in search.reasons:
        said.append(text("Labels of the training split: n/a, because {reason}.", reason=search.reasons["train"]))
    return said

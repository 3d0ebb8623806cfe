"""How far the figures of a report can be trusted: copies of images, and labels that look wrong, for the Record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import layer_kinds, traces
from reportgen.analysis.activations.graph import Graph
from reportgen.analysis.activations.traces import Traces
from reportgen.analysis.evaluation.predictions import Classes
from reportgen.analysis.trust import copies, labels
from reportgen.dataset import Dataset, Images
from reportgen.i18n import Text, text
from reportgen.record.data import DataFacts
from reportgen.record.pictures import TrustPictures
from reportgen.record.trust import Leaks, SuspectLabel, SuspectScore, SuspectSearch

FEWEST = 100
"""With fewer images of a split nothing is said about its labels."""
LISTED = 1000
"""How many labels of a split that look wrong a report lists."""
SHOWN = 12
"""How many pairs of copies, and labels of each split that look wrong, have pictures."""

_SIDE = 96  # pixels of the longest side of these pictures; larger images are thinned


@dataclass(frozen=True)
class Trust:
    """What was found out. labels: those that look wrong, of the test split first, each split's ranked."""

    leaks: Leaks
    labels: list[SuspectLabel]
    score: SuspectScore | None
    search: SuspectSearch
    pictures: TrustPictures

    def added_to(self, facts: DataFacts, *, chose_epoch: bool) -> DataFacts:
        """Return the data set in figures with these. chose_epoch: the test split decided when the training stopped."""
        search = self.search
        if "test" in search.candidates:
            search = replace(search, notes=[_out_of_sample(chose_epoch), *search.notes])
        return replace(
            facts,
            leaks=self.leaks,
            suspect_labels=self.labels,
            suspect_labels_score=self.score,
            suspect_labels_search=search,
        )


@dataclass(frozen=True)
class Answers:
    """What the pass brought. traces: by part; predicted: the class of each image; output: as `outputs.read` has it.

    names: of all K classes, as the scores have them.
    """

    traces: Mapping[str, Traces]
    predicted: Mapping[str, Classes]
    output: str
    names: Sequence[str]


def collect(graph: Graph, dataset: Dataset, given: Answers, *, seed: int) -> Trust:
    """Return what is found out."""
    parts = dataset.parts
    right = given.predicted["test"] == dataset.test.labels
    leaks = copies.leaks(parts, given.traces, right, why_not=_why_not_near(graph, dataset))
    found, search, score = _labels(graph, dataset, given, seed)
    return Trust(leaks, found, score, search, _pictures(dataset, leaks, found))


def _why_not_near(graph: Graph, dataset: Dataset) -> Text | None:
    """Return why near copies cannot be looked for, None where they can."""
    if len(dataset.image_shape) == 2 and len(graph.input.shape) == 2:
        return text("vectors have no pixels that could be shifted")
    if (reason := layer_kinds.not_a_picture(graph)) is not None:
        return reason
    found = traces.of_model(graph)
    return found if isinstance(found, Text) else None


def _labels(
    graph: Graph, dataset: Dataset, given: Answers, seed: int
) -> tuple[list[SuspectLabel], SuspectSearch, SuspectScore | None]:
    """Return the labels that look wrong, what the search covered, and how well it finds wrong ones."""
    listed: list[SuspectLabel] = []
    candidates: dict[str, int] = {}
    searched: dict[str, int] = {}
    reasons: dict[str, Text] = {}
    notes: list[Text] = []
    score = None
    for name, part in dataset.parts.items():
        traced = given.traces[name]
        own = part.labels[traced.numbers]
        if (why := _why_not_labels(graph, dataset, given, name, own)) is not None:
            reasons[name] = why
            continue
        shares = labels.probabilities(traced, given.output, len(given.names))
        found = labels.candidates(shares, own)
        if name == "train":
            found, notes_of = _agreed(found, traced, own)
            notes += notes_of
        else:
            score = _score(shares, own, seed)
        if len(traced) < len(part):
            notes.append(_thinned(name, len(traced), len(part)))
        candidates[name], searched[name] = len(found.ranked), len(traced)
        listed += [
            SuspectLabel(
                name,
                int(traced.numbers[n]),
                given.names[own[n]],
                given.names[found.suggested[n]],
                float(found.scores[n]),
            )
            for n in found.ranked[:LISTED].tolist()
        ]
    if dataset.train is None:
        reasons["train"] = text("the data has no training split")
    if score is None:
        reasons["score"] = reasons["test"]
    return listed, SuspectSearch(candidates, searched, reasons, notes), score


def _why_not_labels(graph: Graph, dataset: Dataset, given: Answers, part: str, own: NDArray[np.int64]) -> Text | None:
    """Return why no label of a part can be doubted, None where they can."""
    if len(own) < FEWEST:
        return text(
            "{n} images are too few to judge labels by; at least {least} are needed",
            n=f"{len(own):,}",
            least=f"{FEWEST}",
        )
    largest = int(np.bincount(own).max())
    if largest == len(own):
        return text("all its images have one label")
    if given.output == "sigmoid" and graph.output.shape[-1] != 1:
        return text("the scores are one sigmoid for each class, so they are not shares of one whole")
    right = int((given.predicted[part] == dataset.parts[part].labels).sum())
    if right <= np.bincount(dataset.parts[part].labels).max():
        return text("the model is right no more often than one who always names the largest class")
    if part == "train" and isinstance(why := traces.of_model(graph), Text):
        return text("no neighbours can vote: {reason}", reason=why)
    return None


def _agreed(found: labels.Found, traced: Traces, own: NDArray[np.int64]) -> tuple[labels.Found, list[Text]]:
    before = len(found.ranked)
    agreed, voted = labels.agreed(found, traced.features, own)
    note = text(
        "In the training split the search raised {before} candidates. Only those are listed on which the {voters}"
        " nearest other images agree with the model ({after}).",
        before=f"{before:,}",
        voters=f"{labels.VOTERS}",
        after=f"{len(agreed.ranked):,}",
    )
    if voted == before:
        return agreed, [note]
    return agreed, [note, text("Neighbours voted on the {voted} of the highest scores alone.", voted=f"{voted:,}")]


def _score(shares: labels.Probabilities, own: NDArray[np.int64], seed: int) -> SuspectScore:
    evenly = np.ones((shares.number, shares.number))
    return SuspectScore(
        average_precision=labels.planted(shares, own, evenly, seed=seed),
        by_confusion=labels.planted(shares, own, labels.confusions(shares, own), seed=seed),
        flipped=labels.count(own),
        images=len(own),
        draws=labels.draws(own),
    )


def _thinned(part: str, searched: int, images: int) -> Text:
    values = {"searched": f"{searched:,}", "images": f"{images:,}"}
    if part == "train":
        return text("{searched} of {images} training images were looked through, evenly spread.", **values)
    return text("{searched} of {images} test images were looked through, evenly spread.", **values)


def _out_of_sample(chose_epoch: bool) -> Text:
    if chose_epoch:
        return text(
            "The test images were not trained on, but they decided when the training stopped or which weights were"
            " kept, so the model knows their labels a little."
        )
    return text("As far as this report can tell, the model was not trained on the test images.")


def _pictures(dataset: Dataset, leaks: Leaks, found: Sequence[SuspectLabel]) -> TrustPictures:
    """Return the images of the first pairs, exact and near, and of the first labels of each split that look wrong."""
    parts = {name: part.images for name, part in dataset.parts.items()}
    wanted = [n for n, one in enumerate(found) if n < SHOWN or one.part != found[n - SHOWN].part]
    return TrustPictures(
        exact=_paired(parts, leaks.exact[:SHOWN]),
        near=_paired(parts, leaks.near[:SHOWN]),
        suspects=np.array(wanted, np.int64),
        images=_gathered(parts, [(found[n].part, found[n].index) for n in wanted]),
    )


def _paired(parts: Mapping[str, Images], pairs: Sequence[Sequence[Any]]) -> NDArray[Any]:
    """Return the two images of each pair, (P, 2, *space, C)."""
    images = _gathered(parts, [place for pair in pairs for place in (tuple(pair[:2]), tuple(pair[2:]))])
    return images.reshape(-1, 2, *images.shape[1:])


def _gathered(parts: Mapping[str, Images], places: Sequence[tuple[str, int]]) -> NDArray[Any]:
    """Return images by part and number, (N, *space, C), of large ones every n-th pixel along each axis of space."""
    some = parts["test"]
    step = -(-max(some.shape[1:-1], default=1) // _SIDE)
    cut = (slice(None, None, step),) * (len(some.shape) - 2)
    shown = [parts[part][np.array([number])][:, *cut] for part, number in places]
    return np.concatenate([some[:0][:, *cut], *shown])

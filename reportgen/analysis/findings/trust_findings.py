"""What is worth a reader's attention about copies of images across splits, and about labels that look wrong."""

from reportgen.analysis.phrases import LEVEL, PARTS, counted_images, image_of, label, listed
from reportgen.format import percent, share, signed_points
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.data import DataFacts
from reportgen.record.finding_kinds import finding
from reportgen.record.trust import AccuracyWithout, Leaks, SuspectLabel
from reportgen.record.units import Finding
from reportgen.thresholds import FindingThresholds

_NAMED = 3
_SAME = 5e-4  # of an accuracy that is shown with one decimal of a per cent


def find(data: DataFacts, thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about copies of test images in the training split, and about labels."""
    found = [] if data.leaks is None else [_leaked(data, data.leaks, thresholds)]
    found += [_suspect_labels(data, part, thresholds) for part in PARTS]
    return [one for one in found if one]


def _leaked(data: DataFacts, leaks: Leaks, thresholds: FindingThresholds) -> Finding | None:
    """Return that many test images have a copy, or that some have a near one: exact ones alone are told elsewhere."""
    leaked, exact = leaks.test_images or 0, leaks.exact_test_images or 0
    figures = {
        "images": counted_images(data.test_size, "test"),
        "leaked": f"{leaked:,}",
        "share": percent(leaked / data.test_size),
        "accuracy": _accuracy(leaks.accuracy_without, leaked),
    }
    if leaked and leaked >= thresholds.leaked * data.test_size:
        message = text(
            "{leaked} of {images} ({share}) have a copy in the training split, {exact} of them pixel for pixel."
            " {accuracy} Remove the copies from one split before the accuracy is believed.",
            exact=f"{exact:,}",
            **figures,
        )
        return finding("test-split-leaked", message, count=leaked)
    if leaked == exact:
        return None
    near = leaked - exact
    message = ntext(
        near,
        "{n} test image is nearly the same as a training image (a correlation of the pixels of at least 0.98)."
        " {accuracy} Look at the pair, and remove one of the two if it shows the same thing.",
        "{n} test images are nearly the same as training images (a correlation of the pixels of at least 0.98)."
        " {accuracy} Look at the pairs, and remove one of the two where they show the same thing.",
        accuracy=figures["accuracy"],
    )
    return finding("nearly-in-train", message, count=near)


def _accuracy(without: AccuracyWithout | None, leaked: int) -> Text:
    """Return how accurate the model is without so many images."""
    if without is None:
        return text("How accurate the model is without them is undefined.")
    if abs(without.change) < _SAME:
        return ntext(
            leaked,
            "Without it the accuracy is the same, {value}.",
            "Without these {n} images the accuracy is the same, {value}.",
            value=percent(without.value),
        )
    return ntext(
        leaked,
        "Without it the accuracy is {value} ({level} interval {low} to {high}), a change of {change} points.",
        "Without these {n} images the accuracy is {value} ({level} interval {low} to {high}), a change of {change}"
        " points.",
        value=percent(without.value, 2),
        level=LEVEL,
        low=percent(without.interval[0], 2),
        high=percent(without.interval[1], 2),
        change=signed_points(without.change, 2),
    )


def _suspect_labels(data: DataFacts, part: str, thresholds: FindingThresholds) -> Finding | None:
    search = data.suspect_labels_search
    count = search.candidates.get(part, 0) if search else 0
    if search is None or not count:
        return None
    of_all = count / search.searched[part]
    figures = {
        "part": PARTS[part],
        "share": percent(of_all),
        "images": counted_images(search.searched[part]),
        "first": listed([_candidate(one) for one in data.suspect_labels if one.part == part][:_NAMED], count),
    }
    message = ntext(
        count,
        "In the {part} {n} label of {images} ({share}) looks wrong: {first}. It is a candidate, no verdict: look at"
        " it.",
        "In the {part} {n} labels of {images} ({share}) look wrong: {first}. They are candidates, no verdicts: look"
        " at them.",
        **figures,
    )
    score = data.suspect_labels_score
    works = score is None or score.average_precision >= thresholds.suspect_precision
    many = works and of_all >= thresholds.suspect_labels
    code = "many-suspect-labels" if many else "suspect-labels"
    return finding(code, joined(" ", [message, *_score(data)]), count=count)


def _candidate(one: SuspectLabel) -> Text:
    return text(
        "{image} is {given} and looks like {suggested}",
        image=image_of(one.part, one.index),
        given=label(one.given),
        suggested=label(one.suggested),
    )


def _score(data: DataFacts) -> list[Text]:
    if (score := data.suspect_labels_score) is None:
        return []
    said = text(
        "Of test labels that were flipped on purpose this search finds the wrong ones with an average precision of"
        " {precision}.",
        precision=share(score.average_precision, 2),
    )
    return [said]

"""What is worth a reader's attention about the model's answers, and about the proof."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.evaluation.predictions import MISTAKES
from reportgen.analysis.evaluation.scores import calibration_by_chance
from reportgen.analysis.findings import order_findings
from reportgen.analysis.phrases import LEVEL, PARTS, counted_images, counted_units, label, listed, numbered_images
from reportgen.format import percent, points
from reportgen.i18n import Text, ntext, text
from reportgen.intervals import chance_of_at_most, difference, wilson
from reportgen.record.evaluation import Ablated, Proof, Scores
from reportgen.record.finding_kinds import finding
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.trust import SuspectLabel
from reportgen.record.units import Finding, Unit
from reportgen.thresholds import FindingThresholds


class _Answers:
    """The confusion matrix of K classes with its sums. hits, images, named: (K,) right answers, images, answers."""

    def __init__(self, scores: Scores) -> None:
        self.table: NDArray[np.int64] = np.array(scores.confusion)
        self.names = [label(row.label) for row in scores.classes]
        self.hits: list[int] = self.table.diagonal().tolist()
        self.images: list[int] = self.table.sum(axis=1).tolist()
        self.named: list[int] = self.table.sum(axis=0).tolist()
        self.total = sum(self.images)


def find(
    evaluation: Mapping[str, Scores | None],
    units: Sequence[Unit],
    proof: Proof | None,
    suspects: Sequence[SuspectLabel],
    thresholds: FindingThresholds,
) -> list[Finding]:
    """Return the findings about the answers on both parts and about the proof.

    suspects: labels that look wrong, which have a finding of their own.
    """
    train, test = evaluation.get("train"), evaluation.get("test")
    found: list[Finding | None] = [*_proof_failed(proof)]
    if test:
        answers = _Answers(test)
        found += [
            order_findings.find(test, thresholds),
            _no_better_than_majority(answers),
            _always_predicted(answers, units),
            _never_predicted(answers, units),
            _weakest_class(answers, thresholds),
            _most_confused_pair(answers, thresholds),
            _poor_calibration(test, thresholds),
        ]
    if train and test:
        found.append(_gap(train, test, thresholds))
    doubted = {(one.part, one.index) for one in suspects}
    found += [
        _confident_mistakes(part, scores, doubted, thresholds) for part in PARTS if (scores := evaluation.get(part))
    ]
    return [one for one in found if one]


def _proof_failed(proof: Proof | None) -> list[Finding]:
    """Return a finding for each kind of verdict that is in doubt, or one for both together where neither alone is."""
    if proof is None or not proof.masked_units:
        return []
    *apart, last = [_fallen(proof, one, how) if one.is_worse else None for one, how in proof.ablations]
    return [one for one in apart if one] or ([last] if last else [])


def _fallen(proof: Proof, without: Ablated, how: Text) -> Finding:
    low, high = without.interval
    message = text(
        "With {units} {how}, test accuracy falls from {before} to {after} ({level} interval of the fall: {least} to"
        " {most} points). Distrust these verdicts: remove units one layer at a time and measure each time.",
        units=counted_units(without.units),
        how=how,
        before=percent(proof.accuracy_before),
        after=percent(without.accuracy_after),
        level=LEVEL,
        least=points(high),
        most=points(low),
    )
    return finding("proof-failed", message)


def _no_better_than_majority(test: _Answers) -> Finding | None:
    right, largest = sum(test.hits), max(test.images)
    if right > largest or largest == test.total:  # with one class there is nothing to tell apart
        return None
    message = text(
        "The model classifies {right} of {images} correctly ({accuracy}), no more than by always naming the largest"
        " class {name} ({share}). Check the range of the pixels, the order of the classes and the training.",
        right=f"{right:,}",
        images=counted_images(test.total, "test"),
        accuracy=percent(right / test.total),
        name=test.names[test.images.index(largest)],
        share=percent(largest / test.total),
    )
    return finding("worse-than-majority", message)


def _always_predicted(test: _Answers, units: Sequence[Unit]) -> Finding | None:
    always = test.named.index(max(test.named))
    if test.named[always] < test.total or test.images[always] == test.total:  # or there is no other class to name
        return None
    message = text(
        "The model takes each of {images} for class {name}, whatever it shows. Check the range of the pixels and the"
        " learning rate, and look for dead layers.",
        images=counted_images(test.total, "test"),
        name=test.names[always],
    )
    return finding("class-always-predicted", message, *_output_units(units, [always]))


def _never_predicted(test: _Answers, units: Sequence[Unit]) -> Finding | None:
    """Leave out classes without test images, and the case of one answer for everything, which is said already."""
    classes = enumerate(zip(test.images, test.named, strict=True))
    never = [k for k, (images, named) in classes if images and not named]
    if not never or max(test.named) == test.total:
        return None
    said = [text("{name} ({images})", name=test.names[k], images=counted_images(test.images[k])) for k in never]
    message = ntext(
        len(never),
        "No test image is ever taken for class {classes}. Give the model more training images of what it never names,"
        " or weight such classes higher.",
        "No test image is ever taken for the classes {classes}. Give the model more training images of what it never"
        " names, or weight such classes higher.",
        classes=listed(said),
    )
    return finding("class-never-predicted", message, *_output_units(units, never), count=len(never))


def _weakest_class(test: _Answers, thresholds: FindingThresholds) -> Finding | None:
    """Return the class of the lowest recall among those that lie clearly below all other classes together.

    Clearly: by the threshold, and so far that a class at the lower end of what the others' recall may be would
    hardly do so badly. Both ends of that comparison are 95 % for all K classes at once (Bonferroni: 5 % / K each),
    since the lowest of many is low by chance already. Classes that are never predicted are a finding of their own.
    """
    error = 0.05 / max(sum(images > 0 for images in test.images), 1)
    clear = []
    for k, (hits, images) in enumerate(zip(test.hits, test.images, strict=True)):
        other_hits, others = sum(test.hits) - hits, test.total - images
        if not (images and others and test.named[k]) or other_hits / others - hits / images < thresholds.class_gap:
            continue
        if chance_of_at_most(hits, images, wilson(other_hits, others, level=1 - error)[0]) < error / 2:
            clear.append((hits / images, k, other_hits / others))
    if not clear:
        return None
    recall, k, rest = min(clear)
    low, high = wilson(test.hits[k], test.images[k])
    message = text(
        "Class {name} is recognised in {hits} of {images} ({recall}; {level} interval {low} to {high}), the other"
        " classes together in {others}. Look at its mistakes, and give it more or cleaner training images.",
        name=test.names[k],
        hits=f"{test.hits[k]:,}",
        images=counted_images(test.images[k], "test"),
        recall=percent(recall),
        level=LEVEL,
        low=percent(low),
        high=percent(high),
        others=percent(rest),
    )
    return finding("weakest-class", message)


def _most_confused_pair(test: _Answers, thresholds: FindingThresholds) -> Finding | None:
    """Return the pair with the largest share of its true class, of those with enough images to count."""
    wrong = test.table.copy()
    np.fill_diagonal(wrong, 0)
    share = wrong / np.maximum(test.images, 1)[:, None]
    share[(wrong < thresholds.pair_count) | (share < thresholds.pair_share)] = 0
    true, taken = divmod(int(share.argmax()), len(test.names))
    if not share[true, taken]:
        return None
    message = text(
        "The model takes {wrong} of {images} of class {true} for class {taken} ({share} of the class). Look at them"
        " side by side: more training images of both, or larger ones, may tell them apart.",
        wrong=f"{wrong[true, taken]:,}",
        images=counted_images(test.images[true], "test"),
        true=test.names[true],
        taken=test.names[taken],
        share=percent(share[true, taken]),
    )
    return finding("most-confused-pair", message)


def _poor_calibration(test: Scores, thresholds: FindingThresholds) -> Finding | None:
    """Compare the calibration error with the threshold and with what a perfectly calibrated model gets by chance."""
    if test.ece < thresholds.calibration or test.ece <= calibration_by_chance(test.reliability):
        return None
    total = sum(b.count for b in test.reliability)
    sure = sum(b.count * b.confidence for b in test.reliability if b.confidence is not None) / total
    message = text(
        "{verdict}: on the test split its mean probability is {confidence}, but {accuracy} of its predictions are right"
        " (expected calibration error {error}). Before you use its probabilities, scale its logits with a temperature"
        " fitted on images kept apart.",
        verdict=_calibration_verdict(sure - test.accuracy, test.ece),
        confidence=percent(sure),
        accuracy=percent(test.accuracy),
        error=percent(test.ece),
    )
    return finding("poor-calibration", message)


def _calibration_verdict(gap: float, error: float) -> Text:
    """Say in which direction the model errs. gap: mean probability less accuracy."""
    if abs(gap) < error / 2:  # most of the error cancels out between bins
        return text("The model is over-confident for some predictions and under-confident for others")
    return text("The model is over-confident") if gap > 0 else text("The model is under-confident")


def _gap(train: Scores, test: Scores, thresholds: FindingThresholds) -> Finding | None:
    sizes = [int(np.sum(part.confusion)) for part in (train, test)]
    low, high = difference((train.correct, sizes[0]), (test.correct, sizes[1]))
    if train.accuracy - test.accuracy < thresholds.accuracy_gap or low <= 0:
        return None
    message = text(
        "Accuracy is {train} on the training split but {test} on the test split, {gap} points less ({level} interval"
        " {low} to {high}): the model has learnt training images by heart, or the splits differ. Use more images,"
        " augmentation or dropout.",
        train=percent(train.accuracy),
        test=percent(test.accuracy),
        gap=points(train.accuracy - test.accuracy),
        level=LEVEL,
        low=points(low),
        high=points(high),
    )
    return finding("train-test-gap", message)


def _confident_mistakes(
    part: str, scores: Scores, doubted: Set[tuple[str, int]], thresholds: FindingThresholds
) -> Finding | None:
    """Return that the model is sure of wrong answers whose labels are not doubted already."""
    listed_ones = [mistake for mistake in scores.worst if mistake.probability >= thresholds.confidence]
    sure = [mistake for mistake in listed_ones if (part, mistake.index) not in doubted]
    if not sure:
        return None
    first, count = sure[0], counted_images(len(sure), part)
    if len(listed_ones) == MISTAKES:  # the record lists no more
        count = text("At least {images}", images=count)
    message = text(
        "{images} got a wrong prediction with a probability of {confidence} or more ({numbers}; the surest, labelled"
        " {true}, is taken for {predicted} with {probability}). Look at them: the labels may be wrong.",
        images=count,
        confidence=percent(thresholds.confidence),
        numbers=numbered_images([mistake.index for mistake in sure]),
        true=label(first.true),
        predicted=label(first.predicted),
        probability=percent(first.probability),
    )
    return finding("confident-mistakes", message, count=len(sure))


def _output_units(units: Sequence[Unit], classes: Sequence[int]) -> tuple[str | None, Sequence[int]]:
    """Return the softmax layer and the units that stand for classes, (None, []) for another kind of output."""
    outputs = [unit for unit in units if unit.state in OUTPUT_STATES]
    if not outputs:
        return None, []
    return outputs[0].layer, [0] if len(outputs) == 1 else classes  # a single score speaks for both classes

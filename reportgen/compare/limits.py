"""Holds a Record against limits: a sentence with value and limit for each, and whether it is met."""

from collections.abc import Callable
from typing import Any

from reportgen.format import apart, as_given, percent_as_given, share_range, short, signed_points, visible
from reportgen.i18n import Text, joined, literal, ntext, text
from reportgen.intervals import difference, wilson
from reportgen.record.checks import SEVERITIES, Checked, Limits
from reportgen.record.evaluation import Scores
from reportgen.record.key_figures import OUTPUT_STATES, Headline, described_units, idle_units, judged_units
from reportgen.record.run import Record

Verdict = tuple[bool, Text]

_ROUNDING = 1e-9
"""A difference of two shares can be off by so much: 0.98 - 0.97 is 0.010000000000000009 on a computer."""


def check(record: Record, limits: Limits, baseline: Headline | None = None) -> list[Checked]:
    """Return a verdict for each limit that is set, in the order of Limits. A figure that is undefined meets none.

    baseline: the report that `max_drop` compares with.
    """
    test = record.evaluation["test"]
    assert test is not None
    found: dict[str, Callable[[Any], Verdict]] = {
        "min-accuracy": lambda least: _accuracy(test, record.data.test_size, least),
        "min-recall": lambda least: _recall(test, least),
        "max-loss": lambda most: _at_most(test.loss, most, _loss),
        "max-ece": lambda most: _at_most(test.ece, most, _ece),
        "max-dead": lambda most: _dead(record, most),
        "max-redundant": lambda most: _redundant(record, most),
        "max-drop": lambda most: _drop(record, test, most, baseline),
        "fail-on": lambda mildest: _findings(record, mildest),
        "min-described": lambda least: _described(record, least),
        "max-leaked": lambda most: _leaked(record, most),
        "max-suspect-labels": lambda most: _suspect_labels(record, most),
        "max-idle": lambda most: _idle(record, most),
    }
    return [Checked(name, *found[name](limit)) for name, limit in limits.named().items()]


def _accuracy(test: Scores, images: int, least: float) -> Verdict:
    says = text(
        "Test accuracy is {value} ({correct} of {images}, 95 % CI {range}); at least {limit} is wanted.",
        value=apart(test.accuracy, least),
        correct=f"{test.correct:,}",
        images=f"{images:,}",
        range=share_range(*wilson(test.correct, images), decimals=4),
        limit=as_given(least),
    )
    return test.accuracy >= least - _ROUNDING, says


def _recall(test: Scores, least: float) -> Verdict:
    for row in test.classes:
        if row.recall is None:
            return False, text(
                'Class "{label}" has no test image, so its recall is undefined; at least {limit} is wanted.',
                label=short(row.label),
                limit=as_given(least),
            )
    recall, label = min((row.recall, row.label) for row in test.classes if row.recall is not None)
    below = sum(row.recall is not None and row.recall < least - _ROUNDING for row in test.classes)
    named = {"value": apart(recall, least), "label": short(label), "limit": as_given(least)}
    if not below:
        return True, text('The lowest recall of a class is {value}, of "{label}"; at least {limit} is wanted.', **named)
    return False, ntext(
        below,
        'The recall of {n} class is too low, {value} for "{label}"; at least {limit} is wanted.',
        'The recall of {n} classes is too low, lowest {value} for "{label}"; at least {limit} is wanted.',
        **named,
    )


def _at_most(value: float, most: float, says: Callable[[str, str], Text]) -> Verdict:
    return value <= most + _ROUNDING, says(apart(value, most), as_given(most))


def _loss(value: str, limit: str) -> Text:
    return text("Test loss is {value}; at most {limit} is allowed.", value=value, limit=limit)


def _ece(value: str, limit: str) -> Text:
    return text("The expected calibration error is {value}; at most {limit} is allowed.", value=value, limit=limit)


def _dead(record: Record, most: int | float) -> Verdict:
    judged, dead = _judged(record), sum(unit.state == "dead" for unit in record.units)
    if not judged:
        return False, text("No unit inside the model could be judged, so nobody knows how many are dead.")
    says = ntext(
        dead,
        "{n} of {judged} units inside the model is dead ({share} %); at most {limit} may be.",
        "{n} of {judged} units inside the model are dead ({share} %); at most {limit} may be.",
        **_shares(dead, judged, most),
    )
    return _few(dead, judged, most), says


def _redundant(record: Record, most: int | float) -> Verdict:
    judged, redundant = _judged(record), sum(unit.removable for unit in record.units)
    if not judged:
        return False, text("No unit inside the model could be judged, so nobody knows how many are redundant.")
    says = ntext(
        redundant,
        "{n} of {judged} units inside the model says the same as another ({share} %); at most {limit} may.",
        "{n} of {judged} units inside the model say the same as another ({share} %); at most {limit} may.",
        **_shares(redundant, judged, most),
    )
    return _few(redundant, judged, most), says


def _described(record: Record, least: float) -> Verdict:
    described, looked = described_units(record.units)
    if not any(unit.condition and unit.state not in OUTPUT_STATES for unit in record.units):
        return False, text(
            "This report holds no conditions in words, so nobody knows how many units have one; at least {limit} is"
            " wanted.",
            limit=percent_as_given(least),
        )
    if not looked:
        return False, text(
            "For no unit inside the model could a condition be looked for; at least {limit} is wanted.",
            limit=percent_as_given(least),
        )
    says = ntext(
        described,
        "{n} of {known} units has a condition in words ({share} %); at least {limit} is wanted.",
        "{n} of {known} units have a condition in words ({share} %); at least {limit} is wanted.",
        known=f"{looked:,}",
        share=apart(100 * described / looked, 100 * least, decimals=1),
        limit=percent_as_given(least),
    )
    return described / looked >= least - _ROUNDING, says


def _leaked(record: Record, most: int | float) -> Verdict:
    leaks = record.data.leaks
    if leaks is None:
        return False, text(
            "This report did not look for copies of images, so nobody knows how many test images leaked."
        )
    if leaks.test_images is None:
        return False, text("The data has no training split, so nobody knows how many test images leaked.")
    figures = _shares(leaks.test_images, record.data.test_size, most)
    if leaks.near_counts is None:
        says = ntext(
            leaks.test_images,
            "{n} of {judged} test images is in the training split, too ({share} %); at most {limit} may be. Near"
            " copies were not looked for.",
            "{n} of {judged} test images are in the training split, too ({share} %); at most {limit} may be. Near"
            " copies were not looked for.",
            **figures,
        )
    else:
        says = ntext(
            leaks.test_images,
            "{n} of {judged} test images has a copy, exact or near, in the training split ({share} %); at most {limit}"
            " may.",
            "{n} of {judged} test images have a copy, exact or near, in the training split ({share} %); at most {limit}"
            " may.",
            **figures,
        )
    return _few(leaks.test_images, record.data.test_size, most), says


def _suspect_labels(record: Record, most: int | float) -> Verdict:
    search = record.data.suspect_labels_search
    searched = sum(search.searched.values()) if search else 0
    if search is None or not searched:
        return False, text("No labels were looked through, so nobody knows how many look wrong.")
    found = sum(search.candidates.values())
    says = ntext(
        found,
        "{n} of {judged} labels looks wrong ({share} %); at most {limit} may.",
        "{n} of {judged} labels look wrong ({share} %); at most {limit} may.",
        **_shares(found, searched, most),
    )
    return _few(found, searched, most), says


def _idle(record: Record, most: float) -> Verdict:
    idle, known, unknown = idle_units(record.units)
    limit = percent_as_given(most)
    if not known:
        return False, ntext(
            unknown,
            "This report does not say what the {n} unit inside the model does; at most {limit} may be without effect.",
            "This report does not say what the {n} units inside the model do; at most {limit} may be without effect.",
            limit=limit,
        )
    says = ntext(
        idle,
        "{n} of {known} units is without effect ({share} %; {unknown} more are not known); at most {limit} may be.",
        "{n} of {known} units are without effect ({share} %; {unknown} more are not known); at most {limit} may be.",
        known=f"{known:,}",
        share=apart(100 * idle / known, 100 * most, decimals=1),
        unknown=f"{unknown:,}",
        limit=limit,
    )
    return idle / known <= most + _ROUNDING, says


def _judged(record: Record) -> int:
    return sum(judged_units(layer.states) for layer in record.layers)


def _few(units: int, judged: int, most: int | float) -> bool:
    return units <= most if isinstance(most, int) else units / judged <= most + _ROUNDING


def _shares(units: int, judged: int, most: int | float) -> dict[str, str]:
    return {
        "judged": f"{judged:,}",
        "share": apart(100 * units / judged, 100 * most, decimals=1),
        "limit": f"{most:,}" if isinstance(most, int) else percent_as_given(most),
    }


def _drop(record: Record, test: Scores, most: float, baseline: Headline | None) -> Verdict:
    if baseline is None:
        return False, text("There is no baseline; a drop of at most {limit} is allowed.", limit=_points(most))
    if baseline.data_sha256 != record.provenance.data_sha256:
        return False, text(
            "The baseline was made with other data (SHA-256 {theirs}, not {ours}), so the accuracies cannot be"
            " compared; a drop of at most {limit} is allowed.",
            theirs=visible(baseline.data_sha256)[:12],
            ours=visible(record.provenance.data_sha256)[:12],
            limit=_points(most),
        )
    drop = baseline.accuracy - test.accuracy
    before = round(baseline.accuracy * baseline.images), baseline.images
    low, high = difference((test.correct, record.data.test_size), before)
    says = text(
        "Test accuracy went from {before} to {after} ({change} points, 95 % CI as of two samples {low} to {high}); a"
        " drop of at most {limit} is allowed.",
        before=apart(baseline.accuracy, test.accuracy),
        after=apart(test.accuracy, baseline.accuracy),
        change=signed_points(-drop, 2),
        low=signed_points(low, 2),
        high=signed_points(high, 2),
        limit=_points(most),
    )
    return drop <= most + _ROUNDING, says


def _points(share: float) -> Text:
    """0.01 -> "1 point": a limit of a difference of two shares."""
    points = round(100 * share, 10)
    return text("1 point") if points == 1 else text("{n} points", n=as_given(points))


def _findings(record: Record, mildest: str) -> Verdict:
    severities = SEVERITIES[: SEVERITIES.index(mildest) + 1]
    grave = dict.fromkeys(finding.code for finding in record.findings if finding.severity in severities)
    codes = joined(", ", [literal(visible(code)) for code in grave])
    if mildest == "error":
        if not grave:
            return True, text("No finding is an error.")
        return False, ntext(
            len(grave),
            "{n} finding is an error ({codes}); none is allowed.",
            "{n} findings are errors ({codes}); none is allowed.",
            codes=codes,
        )
    if not grave:
        return True, text("No finding is an error or a warning.")
    return False, ntext(
        len(grave),
        "{n} finding is an error or a warning ({codes}); none is allowed.",
        "{n} findings are errors or warnings ({codes}); none is allowed.",
        codes=codes,
    )

"""A report in brief as a mail: a subject with the verdict, and the same in plain text and in HTML."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from reportgen import format
from reportgen.errors import InputError
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record import finding_groups
from reportgen.record.changes import Baseline
from reportgen.record.evaluation import Scores
from reportgen.record.run import Record
from reportgen.render import findings, since, templating, words
from reportgen.render.languages import catalogue
from reportgen.render.page import insights

TAG = "[reportgen]"
"""What every subject begins with, so that a mail program can sort by it."""

LONGEST_SUBJECT = 77
MOST_FINDINGS = finding_groups.MOST

_SHORTEST_TITLE = 12


@dataclass(frozen=True)
class Mail:
    """What a mail says. text and html say the same."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Attached:
    """What a mail says of the PDF. size: in bytes. left_out: the mail server has no room for it."""

    name: str
    size: int
    left_out: bool


@dataclass(frozen=True)
class Row:
    """One headline figure. of: what it is a part of, or its unit. before, change: what it was in the baseline, and how
    far it is from that."""

    label: Text
    value: str
    of: str
    before: str
    change: str


def write(record: Record, lang: str, *, url: str | None, pdf: Attached) -> Mail:
    """Return the mail about a report in the language `lang`. url: of the published page."""
    environment = _environment(lang)
    test, baseline = _test(record), record.baseline
    entries, gone = findings.entries(record.findings, baseline), findings.gone(baseline)
    values = {
        "r": record,
        "headline": _headline(record, test),
        "verdict": words.verdict(record.layers, record.units),
        "rows": _rows(record, test),
        "flattered": words.flattered(record.history),
        "advice": since.advice(since.of_baseline(baseline)) if baseline else None,
        "gone": findings.names(gone, len(gone)) if gone else None,
        "findings": entries[:MOST_FINDINGS],
        "further": findings.further(entries[MOST_FINDINGS:]),
        "gravest": record.findings[0].severity if record.findings else "none",
        "url": url,
        "pdf": pdf,
    }
    return Mail(
        subject=subject(record, lang),
        text=environment.get_template("mail.txt").render(values).strip() + "\n",
        html=environment.get_template("mail.html").render(values),
    )


def subject(record: Record, lang: str) -> str:
    """Return "[reportgen] NAME: accuracy 97.1 % (−0.4) – 2 warnings", the name cut so that it fits into a line."""
    messages = catalogue(lang)
    title = record.title.said(messages)

    def around(name: str) -> str:
        said = _subject(record, name).said(messages)
        return " ".join(f"{TAG} {said}".split())  # no-break spaces become plain ones

    room = max(LONGEST_SUBJECT - len(around("")), _SHORTEST_TITLE)
    return around(words.name(title, room, short=True))


@cache
def _environment(lang: str) -> jinja2.Environment:
    return templating.environment(lang).overlay(trim_blocks=True)  # plain text shows every line break


def _test(record: Record) -> Scores:
    found = record.evaluation.get("test")
    if found is None:
        raise InputError("the report has no figures of a test split", "give a folder that `reportgen report` wrote")
    return found


def _subject(record: Record, title: str) -> Text:
    accuracy, findings = words.percent(_test(record).accuracy), _counted(record)
    if change := _change(record.baseline):
        return text(
            "{title}: accuracy {accuracy} ({change}) – {findings}",
            title=title,
            accuracy=accuracy,
            change=change,
            findings=findings,
        )
    return text("{title}: accuracy {accuracy} – {findings}", title=title, accuracy=accuracy, findings=findings)


def _headline(record: Record, test: Scores) -> Text:
    """Return the verdict in one sentence: the first line that is read."""
    accuracy, findings = words.percent(test.accuracy), _counted(record)
    if change := _change(record.baseline):
        return ntext(
            record.data.test_size,
            "{accuracy} of {n} test image is classified correctly ({change} points); {findings}.",
            "{accuracy} of {n} test images are classified correctly ({change} points); {findings}.",
            accuracy=accuracy,
            change=change,
            findings=findings,
        )
    return ntext(
        record.data.test_size,
        "{accuracy} of {n} test image is classified correctly; {findings}.",
        "{accuracy} of {n} test images are classified correctly; {findings}.",
        accuracy=accuracy,
        findings=findings,
    )


def _change(baseline: Baseline | None) -> str | None:
    """Return the change of the test accuracy in points: "−0.4"; None unless both were tested on the same images."""
    if baseline is None or not baseline.accuracy.paired:
        return None
    accuracy = baseline.figures["test_accuracy"]
    if accuracy.before is None or accuracy.after is None:
        return None
    change = accuracy.after - accuracy.before
    return format.signed_points(change, 1) if change else "±0"


def _counted(record: Record) -> Text:
    """Return how many kinds of error and warning were found; notices only where there is nothing graver."""
    found = Counter(group.severity for group in finding_groups.grouped(record.findings))
    grave = [
        *([ntext(found["error"], "{n} error", "{n} errors")] if found["error"] else []),
        *([ntext(found["warning"], "{n} warning", "{n} warnings")] if found["warning"] else []),
    ]
    if grave:
        return joined(", ", grave)
    return ntext(found["notice"], "{n} notice", "{n} notices") if found["notice"] else text("no findings")


def _rows(record: Record, test: Scores) -> list[Row]:
    data, train = record.data, record.evaluation.get("train")
    rows = [
        _row(record, "test_accuracy", text("Test accuracy"), test.accuracy, words.percent, _of(test, data.test_size)),
        _row(record, "test_loss", text("Test loss"), test.loss, format.number, text("nats per image")),
    ]
    if train and data.train_size is not None:
        right = _of(train, data.train_size)
        rows.append(_row(record, "train_accuracy", text("Training accuracy"), train.accuracy, words.percent, right))
    rows += _weakest(record, test)
    dead = sum(layer.states.get("dead", 0) for layer in record.layers)
    redundant = sum(unit.removable for unit in record.units)
    params = record.model.total_params
    trainable = text("{n} trainable", n=format.count(record.model.trainable_params))
    return [
        *rows,
        _row(record, "ece", text("Calibration error"), test.ece, words.percent),
        _row(record, "dead", text("Dead units"), dead, format.count),
        _row(record, "redundant", text("Redundant units"), redundant, format.count),
        _row(record, "total_params", text("Parameters"), params, format.count, trainable),
    ]


def _row(record: Record, key: str, label: Text, value: Any, shown: Callable[[Any], str], of: str = "") -> Row:
    """Return a figure and what it was. key: its name in the baseline; shown: writes it out."""
    baseline = record.baseline
    earlier = (baseline.figures.get(key) or baseline.counts.get(key)) if baseline else None
    change = since.differences(record).get(key, since.AS_BEFORE)
    before = shown(earlier.before) if earlier else ""
    return Row(label, shown(value), of, before, "" if change == since.AS_BEFORE else change)


def _weakest(record: Record, test: Scores) -> list[Row]:
    """Return the class with the lowest F1, if any has one."""
    found = insights.weakest(test)
    if found is None:
        return []
    name, f1 = words.name(found.label, 24, short=True), text("F1 {f1}", f1=format.share(found.f1))
    was = since.weakest_before(record.baseline) if record.baseline else None
    if was is None:
        return [Row(text("Weakest class"), name, f1, "", "")]
    before = text("{label}, F1 {f1}", label=words.name(was.label, 24, short=True), f1=format.share(was.f1))
    return [Row(text("Weakest class"), name, f1, before, "")]


def _of(scores: Scores, images: int) -> Text:
    right = text("{part} of {whole}", part=format.count(scores.correct), whole=format.count(images))
    if scores.accuracy_interval is None:
        return right
    return text("{right}; 95 % CI: {range}", right=right, range=words.percent_range(scores.accuracy_interval))

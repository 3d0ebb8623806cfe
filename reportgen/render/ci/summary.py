"""A report in brief as Markdown, for the page that a CI system shows about a job."""

import re
from collections.abc import Sequence

from reportgen.record import finding_groups
from reportgen.record.checks import Checked
from reportgen.record.run import Record
from reportgen.render import findings, since, templating, words

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&!#@$]|:(?=/)|(?<=www)\.)", re.IGNORECASE)
"""What means something within a line, on GitHub and GitLab too: @ and # link to people and issues, $ begins a formula,
and an address becomes a link of itself."""


def markdown(record: Record, checks: Sequence[Checked], lang: str) -> str:
    """Return headline figures, checks, what changed since the baseline, and findings, in the language `lang`."""
    environment = templating.environment(lang)
    environment.filters["md"] = _escaped
    baseline, found = record.baseline, findings.entries(record.findings, record.baseline)
    gone = findings.gone(baseline)
    text = environment.get_template("summary.md").render(
        r=record,
        test=record.evaluation["test"],
        checks=checks,
        unmet=[check for check in checks if not check.met],
        verdict=words.verdict(record.layers, record.units),
        flattered=words.flattered(record.history),
        advice=since.advice(since.of_baseline(baseline)) if baseline else None,
        differences=since.differences(record),
        gone=findings.names(gone, len(gone)) if gone else None,
        findings=found[: finding_groups.MOST],
        further=findings.further(found[finding_groups.MOST :]),
    )
    return text.rstrip() + "\n"


def _escaped(words: str) -> str:
    """Return words without line breaks so that Markdown shows them as they are."""
    return _SPECIAL.sub(r"\\\1", words)

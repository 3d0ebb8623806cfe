"""The few figures of a report that stand for it in a list of reports, and that a later one is compared with."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reportgen.format import short
from reportgen.i18n import Text, literal, text
from reportgen.record import finding_groups
from reportgen.record.conditions import IN_WORDS
from reportgen.record.effects import is_idle
from reportgen.record.finding_groups import Sizes
from reportgen.record.run import SCHEMA
from reportgen.record.units import Finding, Unit

OUTPUT_STATES = frozenset({"output", "never predicted", "always predicted"})
"""The states of the units of a softmax: those are the classes, not units inside the model."""

# report.json has its keys on lines of their own, indented by one blank a level, and no line break stands inside a
# string of JSON: these are where the list of all units begins and ends. It is nearly all of the file, and nothing here
# needs it.
_UNITS, _END = b'\n "units": [\n', b"\n ]"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d([.]\d+)?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_MOST = 2**63


class Unreadable(Exception):
    """A report.json that is none; `reason` says why, in a sentence without a full stop."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Headline:
    """What one report.json says, in brief.

    made_at: ISO 8601 in UTC, to the second, so that later is greater. accuracy: of the test split, of `images` test
    images. units: inside the model, as far as they were judged; dead and redundant are some of them. worst: code and
    severity of the gravest finding with its sentence in English. lang: of the report's pages. chosen_on_test: the test
    split is known to have chosen the epoch of the weights. kinds: of finding, see `finding_groups.Sizes`.
    """

    title: str
    made_at: str
    lang: str
    command: str
    data_name: str
    data_sha256: str
    model_name: str
    model_sha256: str | None
    accuracy: float
    images: int
    units: int
    dead: int
    redundant: int
    worst: tuple[str, str, str] | None
    chosen_on_test: bool = False
    kinds: Sizes = field(default_factory=dict)

    @property
    def run(self) -> tuple[str, ...]:
        """What tells a run from others: it stays when the report is rendered again, moved or copied."""
        return self.made_at, self.data_sha256, self.model_sha256 or "", self.command


@dataclass(frozen=True)
class Listed:
    """A report that lies in `folder`. files: what a reader can open there, the best first."""

    headline: Headline
    folder: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """A folder that looks like a report's and is none that can be read, with the reason."""

    folder: Path
    reason: Text


@dataclass(frozen=True)
class Reports:
    """All reports below the folder `root`, newest first, and what could not be read there."""

    root: Path
    reports: list[Listed]
    broken: list[Broken]


def judged_units(states: Mapping[str, int]) -> int:
    """Return how many units inside the model a layer has that were judged. states: how many units are in each."""
    return sum(count for state, count in states.items() if state not in OUTPUT_STATES)


def described_units(units: Iterable[Unit]) -> tuple[int, int]:
    """Return how many units inside the model have a condition in words, and for how many one could be looked for.

    Those of the output are left out: they are classes by their place, so their words say nothing about the model.
    """
    inside = [unit.condition for unit in units if unit.state not in OUTPUT_STATES]
    looked = [one.found_in for one in inside if one is not None and one.found_in != "n/a"]
    return sum(one in IN_WORDS for one in looked), len(looked)


def idle_units(units: Iterable[Unit]) -> tuple[int, int, int]:
    """Return how many units inside the model have no effect, of how many that is known, and of how many it is not."""
    idle = [is_idle(unit.effect) for unit in units if unit.state not in OUTPUT_STATES]
    known = sum(one is not None for one in idle)
    return sum(one is True for one in idle), known, len(idle) - known


def read(report_json: bytes) -> Headline:
    """Return the headline of a report.json. Raises Unreadable where it is none."""
    return of(parsed(_without_units(report_json)))


def parsed(report_json: bytes) -> dict[str, Any]:
    """Return what a report.json holds, as JSON knows it. Raises Unreadable for another schema, or no JSON."""
    try:
        found = json.loads(report_json, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(text("report.json is no JSON ({error})", error=type(error).__name__)) from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        given = short(repr(schema))
        raise Unreadable(text("report.json has the schema {found}, not {wanted}", found=given, wanted=repr(SCHEMA)))
    assert isinstance(found, dict)
    return found


def of(found: Mapping[str, Any]) -> Headline:
    """Return the headline of what `parsed` gave. Raises Unreadable where it is none: every command asks this first."""
    layers = _get(found, list, "layers")
    states = [{state: _get(layer, int, "states", state) for state in _get(layer, dict, "states")} for layer in layers]
    groups = [group for layer in layers for group in _get(layer, list, "groups")]
    if not all(isinstance(group, list) for group in groups):
        raise _wrong(groups, "groups")
    look, history = found.get("look"), found.get("history")
    return Headline(
        title=_get(found, str, "title"),
        made_at=moment(found, "made_at"),
        lang=str(look.get("lang")) if isinstance(look, dict) else "",
        command=_get(found, str, "provenance", "command"),
        data_name=_get(found, str, "data", "name"),
        data_sha256=_get(found, str, "provenance", "data_sha256"),
        model_name=_get(found, str, "model", "name"),
        model_sha256=_get(found, str | None, "provenance", "model_sha256"),
        accuracy=_share(_get(found, float | int, "evaluation", "test", "accuracy")),
        images=_get(found, int, "data", "test_size"),
        units=sum(map(judged_units, states)),
        dead=sum(counts.get("dead", 0) for counts in states),
        redundant=sum(len(group) - 1 for group in groups),
        worst=_worst(_get(found, list, "findings")),
        chosen_on_test=isinstance(history, dict) and history.get("chosen_on_test") is True,
        kinds=finding_groups.sizes([_finding(one) for one in _get(found, list, "findings")]),
    )


def _without_units(report_json: bytes) -> bytes:
    begin = report_json.find(_UNITS)
    end = report_json.find(_END, begin)
    if begin < 0 or end < 0:
        return report_json
    return report_json[: begin + len(_UNITS)] + report_json[end:]


def _get(found: Any, kind: Any, *keys: str) -> Any:
    """Return what stands under the keys, one inside the other."""
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise Unreadable(text("report.json lacks {key}", key=".".join(keys)))
        found = found[key]
    if not isinstance(found, kind) or isinstance(found, bool) or (isinstance(found, int) and abs(found) >= _MOST):
        raise _wrong(found, *keys)
    return found


def _worst(findings: list[Any]) -> tuple[str, str, str] | None:
    if not findings:
        return None
    code, severity, message = (_get(findings[0], str, key) for key in ("code", "severity", "message"))
    return code, severity, message


def _finding(found: Any) -> Finding:
    """Return what counts of a finding: what it is about is said elsewhere."""
    code, severity = (_get(found, str, key) for key in ("code", "severity"))
    units = _get(found, list, "units")
    count = _get(found, int | None, "count") if "count" in found else None
    return Finding(code, severity, literal(""), None, units, count)


def moment(found: Any, *keys: str) -> str:
    """Return the date under the keys in ISO 8601, UTC, to the second. Raises Unreadable where none is there."""
    given = _get(found, str, *keys)
    try:
        if not _MOMENT.fullmatch(given):  # fromisoformat takes any character for the T
            raise ValueError(given)
        when = datetime.fromisoformat(given)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the latter at both ends of the calendar
        raise _wrong(given, *keys) from error
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which JSON does not know


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise _wrong(value, "evaluation", "test", "accuracy")
    return float(value)


def _wrong(value: Any, *keys: str) -> Unreadable:
    return Unreadable(text("report.json has {value} as {key}", value=short(repr(value)), key=".".join(keys)))

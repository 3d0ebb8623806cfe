"""What a report is held against, and how it did: limits that a user sets, and one verdict for each."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reportgen.errors import InputError
from reportgen.i18n import Text
from reportgen.keywords import option

TABLE = "tool.reportgen.check"
"""Where the limits stand in a pyproject.toml."""

SEVERITIES = ("error", "warning")
_SHARE = "a number from 0 to 1"
_AMOUNT = "a whole number of units, or with a decimal point a share of them from 0.0 to 1.0"
_IMAGES = "a whole number of images, or with a decimal point a share of them from 0.0 to 1.0"
_EXPECTED = {
    "min-accuracy": _SHARE,
    "min-recall": _SHARE,
    "max-loss": "a number from 0",
    "max-ece": _SHARE,
    "max-dead": _AMOUNT,
    "max-redundant": _AMOUNT,
    "min-described": _SHARE,
    "max-idle": _SHARE,
    "max-drop": _SHARE,
    "fail-on": " or ".join(SEVERITIES),
    "max-leaked": _IMAGES,
    "max-suspect-labels": _IMAGES,
}


@dataclass(frozen=True)
class Limits:
    """The least and the most that is allowed, all about the test split; None is not checked.

    min_recall: of every class. max_loss: in nats. max_dead, max_redundant: an int counts units, a float is a share of
    the units inside the model. min_described: the share of units with a condition in words among those that can have
    one. max_idle: the share of units without which nothing changes, among those whose effect is known. max_drop: of
    the accuracy against a baseline, as a difference of shares. fail_on: the mildest severity of a finding that is not
    allowed, one of SEVERITIES. max_leaked: test images with a copy, exact or near, in the training split: an int counts
    them, a float is a share of the test images. max_suspect_labels: labels of either split that look wrong, likewise,
    of the images that were looked through.
    """

    min_accuracy: float | None = option(None, "The test accuracy to reach.", metavar="S")
    min_recall: float | None = option(None, "The recall that every class has to reach.", metavar="S")
    max_loss: float | None = option(None, "The highest test loss allowed, in nats.", metavar="X")
    max_ece: float | None = option(None, "The highest calibration error allowed.", metavar="S")
    max_dead: int | float | None = option(None, "Dead units allowed: a number, or a share as 0.05.", metavar="N|S")
    max_redundant: int | float | None = option(None, "Redundant units allowed, likewise.", metavar="N|S")
    max_drop: float | None = option(
        None, "How far test accuracy may be below --baseline: 0.01 is a point.", metavar="S"
    )
    fail_on: str | None = option(None, "Allow no finding of this severity: error or warning.", metavar="SEVERITY")
    min_described: float | None = option(
        None, "The share of units that must have a condition in words, of those that can.", metavar="S"
    )
    max_leaked: int | float | None = option(
        None, "Test images allowed that have a copy in the training split: a number, or a share.", metavar="N|S"
    )
    max_suspect_labels: int | float | None = option(
        None, "Labels allowed that look wrong: a number, or a share.", metavar="N|S"
    )
    max_idle: float | None = option(
        None, "The share of units that may be without effect, of those whose effect is known.", metavar="S"
    )

    def named(self) -> dict[str, Any]:
        """Return the limits that are set, under the names of their flags: "min-accuracy"."""
        fields = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name.replace("_", "-"): value for name, value in fields if value is not None}


@dataclass(frozen=True)
class Checked:
    """One check. name: of its flag, without the dashes before it. says: a sentence with the value and the limit."""

    name: str
    met: bool
    says: Text


def limits(given: Mapping[str, Any], where: str, prefix: str = "") -> Limits:
    """Return the limits of a table whose keys are the names of the flags.

    where, prefix: what an error says before a key, such as the name of a file.
    Raises InputError for an unknown key and for a value that makes no sense.
    """
    for key, value in given.items():
        if key not in _EXPECTED:
            raise InputError(f"{where}{prefix}{key} = {value!r} is unknown", f"expected one of {', '.join(_EXPECTED)}")
        if not _makes_sense(key, value):
            raise InputError(f"{where}{prefix}{key} is {value!r}", f"expected {_EXPECTED[key]}")
    return Limits(**{key.replace("-", "_"): value for key, value in given.items()})


def _makes_sense(key: str, value: Any) -> bool:
    if key == "fail-on":
        return value in SEVERITIES
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    counts = isinstance(value, int) and _EXPECTED[key] in (_AMOUNT, _IMAGES)
    highest = float("inf") if counts or key == "max-loss" else 1
    return bool(0 <= value <= highest)

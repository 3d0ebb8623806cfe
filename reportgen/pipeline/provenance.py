"""Where the figures come from: versions, platform, commit and the clock."""

import os
import platform
import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

from reportgen.errors import InputError
from reportgen.format import short
from reportgen.i18n import Text, ntext
from reportgen.options import Options
from reportgen.record.run import flags
from reportgen.record.training import History


def fixed_clock() -> datetime | None:
    """Return the time that SOURCE_DATE_EPOCH fixes, None where it is not set. Raises InputError for nonsense.

    With it set a run promises the same bytes for the same input, so measured seconds are left out too.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return None
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            f"SOURCE_DATE_EPOCH is {given!r}", "expected whole seconds since 1970-01-01, or unset it"
        ) from error


def made_at() -> str:
    """Return the time of this run, ISO 8601 in UTC to the second."""
    now = fixed_clock() or datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(measured: dict[str, float]) -> dict[str, float | None]:
    """Return measured seconds to the millisecond, each None where the clock is fixed."""
    return {stage: None if fixed_clock() else round(value, 3) for stage, value in measured.items()}


def unclocked(history: History) -> History:
    """Return a history without its measured seconds where the clock is fixed."""
    return replace(history, seconds=[None] * len(history.seconds)) if fixed_clock() else history


def versions() -> dict[str, str]:
    """Return the versions that a figure can depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("tensorflow", "keras", "numpy")}


def machine() -> Text:
    """Return operating system and processor in words, without the machine's name."""
    cores = os.cpu_count() or 1
    named = {"system": platform.system(), "machine": platform.machine()}
    return ntext(cores, "{system} {machine}, {n} core", "{system} {machine}, {n} cores", **named)


def command(model: object, data: object, options: Options) -> str:
    """Return the command that gives the same figures, whether it was given in the shell or in Python.

    What only moves or trims the output (--out, --title, --formats) is left out.
    """
    words = ["reportgen", "report", "--data", str(data) if isinstance(data, str | Path) else "<arrays>"]
    if model is not None:
        words += ["--model", str(model) if isinstance(model, str | Path) else "<live model>"]
    for flag, value in options.changed().items():
        words += [f"--{flag}", value]
    return shlex.join(words)


def called(command: str) -> tuple[str | None, str | None, Options]:
    """Return model and data that a command of `command` names, None for those handed over in Python, and its options.

    Raises InputError where it is none.
    """
    try:
        pairs = flags(command)
        model, data = pairs.pop("--model", None), pairs.pop("--data")
        hints = get_type_hints(Options)
        given = {flag[2:].replace("-", "_"): value for flag, value in pairs.items()}
        options = Options(**{name: _value(hints[name], value) for name, value in given.items()})
        options.check()
    except (ValueError, KeyError, TypeError) as error:
        what = f"the report's command {short(command)!r} is none that reportgen writes"
        raise InputError(what, "make the report again") from error
    in_python = ("<live model>", "<arrays>")
    return (None if model in in_python else model), (None if data in in_python else data), options


def _value(hint: Any, word: str) -> Any:
    """Return what a flag's value is as an option of that type."""
    kinds = set(get_args(hint) or [hint])
    return next((kind(word) for kind in (int, float) if kind in kinds and str not in kinds), word)


def git_commit() -> str | None:
    """Return the commit of the current folder's checkout, None outside one."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None

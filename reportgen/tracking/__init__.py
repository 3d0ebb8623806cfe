"""Hands a finished report over to where experiments are tracked: MLflow, TensorBoard or Weights & Biases.

Each tracker is an extra that is imported when it is asked for. It goes where its own settings lead, as everywhere else
in the user's work: reportgen adds no address and no key. What is handed over is the figures of `figures.of`, three
tags, and the report's files without the model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from reportgen import scratch
from reportgen.errors import InputError, ReportgenError, SurroundingsError
from reportgen.format import short
from reportgen.options import trackers

_CALLED = {"mlflow": "MLflow", "tensorboard": "TensorBoard", "wandb": "Weights & Biases"}

MODELS = (".keras", ".h5")
"""How the names of files end that are not handed over: trackers have ways of their own to keep a model."""


@dataclass(frozen=True)
class About:
    """What a report is in a tracker.

    figures: by the names of `figures.of`. tags: where they come from. step: the last epoch of the training, 0 where
    that is not known. made_at: seconds since 1970.
    """

    title: str
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    step: int
    made_at: float


@dataclass(frozen=True)
class Handed:
    """What a tracker gets.

    name: of the report's folder. files: a folder of what is handed over. place: where the user has the report. url:
    where its page is published, None where that is not known.
    """

    about: About
    name: str
    files: Path
    place: Path
    url: str | None


class _Tracker(Protocol):
    def check(self, where: str | None) -> None:
        """Raise InputError where the tracker would refuse whatever it is given."""

    def log(self, handed: Handed, where: str | None) -> str:
        """Hand it over, and return where it is now. Any exception means that it did not arrive whole."""


def check(given: str | Sequence[str]) -> None:
    """Raise InputError where a tracker is unknown, is not installed, or lacks a setting; nothing is sent.

    Raises SurroundingsError where one cannot even be asked.
    """
    for name, where in trackers(given):
        try:
            _tracker(name).check(where)
        except ReportgenError:
            raise
        except Exception as error:  # whatever is wrong with how it is installed, or with its own server
            raise SurroundingsError(f"{_CALLED[name]} cannot be used ({_why(error)})", "mend that") from error


def log(
    about: About, place: Path, files: Mapping[str, bytes], given: str | Sequence[str], *, url: str | None = None
) -> list[str]:
    """Hand a report over to each tracker, and return where each has it.

    files: of the report, by name, which lie in `place`. given: as `options.trackers` takes it. url: where the report's
    page is published. All trackers are tried before SurroundingsError is raised for the first that failed, or
    InputError for the first that cannot be used.
    """
    arrived, failed = list[str](), list[ReportgenError]()
    try:
        with scratch.Folder() as folder:
            _copy(files, Path(folder))
            handed = Handed(about, place.absolute().name or "report", Path(folder), place, url)
            for name, where in trackers(given):
                try:
                    arrived.append(_logged(name, where, handed))
                except ReportgenError as error:
                    failed.append(error)
    except OSError as error:  # no room for a copy
        raise not_handed_over(given, place, error) from error
    if failed:
        raise failed[0]
    return arrived


def not_handed_over(given: str | Sequence[str], place: Path, error: BaseException) -> SurroundingsError:
    """Return what to say of a report that lies in `place`, and did not arrive at the trackers `given`."""
    listed = trackers(given)
    called = " and ".join(_CALLED[name] for name, _ in listed)
    to = ",".join(name if where is None else f"{name}:{where}" for name, where in listed)
    what = f"the report was not handed over to {called} ({_why(error)})"
    first = "" if isinstance(error, KeyboardInterrupt) else "mend that and "
    return SurroundingsError(what, f"it lies in {place}; {first}run `reportgen log {place} --to {to}`")


def _copy(files: Mapping[str, bytes], folder: Path) -> None:
    """Lay what is handed over into `folder`. Raises OSError."""
    for name, content in files.items():
        if not name.endswith(MODELS):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)


def _logged(name: str, where: str | None, handed: Handed) -> str:
    try:
        tracker = _tracker(name)
        tracker.check(where)
        return _public(tracker.log(handed, where))
    except ReportgenError:
        raise
    except Exception as error:  # each tracker raises its own kinds, and those of what it sends with
        given = name if where is None else f"{name}:{where}"
        raise not_handed_over(given, handed.place, error) from error


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return short(_public(f"{type(error).__name__}: {error}"), 300)


def _public(said: str) -> str:
    """Return a line with the addresses in it cut to what is no secret: without a name, a password and a query.

    A password can hold an @, a slash or a question mark, as in "mysql://me:p/@?@host/runs", so what is before the last
    @ goes. An address without a host, such as "file:///home/me@work", has no name and no password.
    """
    return re.sub(r"(://[^\s?#]*)[?#]\S*", r"\1", re.sub(r"(?<=://)(?!/)\S*@", "", said))


def _tracker(name: str) -> _Tracker:
    """Return the module that talks to a tracker. Raises InputError where the tracker is not installed."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:  # a folder that the tracker left here is no package
        raise InputError(f"{_CALLED[name]} is not installed", f"install it with pip install 'reportgen[{name}]'")
    return cast(_Tracker, import_module(f"{__name__}.to_{name}"))

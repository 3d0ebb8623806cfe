"""Finds the reports below a folder; of each only its report.json is read."""

import os
from collections.abc import Iterator
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError
from reportgen.i18n import text
from reportgen.record import key_figures
from reportgen.record.key_figures import Broken, Headline, Listed, Reports, Unreadable
from reportgen.record.record_file import JSON_NAME

PAGES = ("report.html", "report.pdf", JSON_NAME)
"""What a reader can open, the best first."""

_TRACES = frozenset({"report.html", "report.pdf", "record.npz"})


def find(top: Path) -> Reports:
    """Return the reports below `top` at any depth, newest first, and the folders that look like one and are none.

    Hidden folders, among them those in which a report is being written, are passed over. Links to folders are not
    followed: what they lead to inside `top` is found anyway. Raises InputError where `top` cannot be listed.
    """
    if not top.is_dir():
        raise InputError(f"{top} is no folder", "give the folder that your reports lie in")
    root = top.resolve()
    reports: list[Listed] = []
    broken: list[Broken] = []
    for folder, names in _folders(root, broken):
        if JSON_NAME in names:
            try:
                reports.append(Listed(_read(folder, root), folder, tuple(name for name in PAGES if name in names)))
            except Unreadable as error:
                broken.append(Broken(folder, error.reason))
        elif traces := sorted(_TRACES & names):
            broken.append(Broken(folder, text("{file} is there, but no report.json", file=traces[0])))
    reports.sort(key=lambda one: (one.headline.made_at, os.fsencode(one.folder)), reverse=True)
    broken.sort(key=lambda one: os.fsencode(one.folder))
    return Reports(root, reports, broken)


def headline_of(folder: Path) -> Headline:
    """Return the headline of the report in `folder`. Raises InputError where there is none."""
    try:
        return _read(folder.resolve(), folder.resolve())
    except Unreadable as error:
        raise InputError(f"{folder}: {error}", "give a folder that `reportgen report` wrote") from error


def _folders(top: Path, broken: list[Broken]) -> Iterator[tuple[Path, set[str]]]:
    """Yield every folder with the names of its files. One that cannot be listed goes to `broken`."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            broken.append(Broken(folder, text("the folder cannot be read ({error})", error=str(error.strerror))))
            continue
        names = {entry.name for entry in found if not entry.is_dir(follow_symlinks=False)}
        yield folder, names
        if JSON_NAME not in names:  # inside a report there is no other one
            inner = (entry for entry in found if entry.is_dir(follow_symlinks=False))
            waiting += [folder / entry.name for entry in inner if not entry.name.startswith(".")]


def _read(folder: Path, root: Path) -> Headline:
    """Return the headline of a folder's report.json. Raises Unreadable where it is none."""
    path = folder / JSON_NAME
    try:
        if not path.resolve().is_relative_to(root):
            raise Unreadable(text("report.json is a link that leads out of the folder"))
        if path.exists() and not path.is_file():
            raise Unreadable(text("report.json is no file"))
        return key_figures.read(files.content(path, files.MOST_JSON))
    except InputError as error:
        cause = error.__cause__
        why = cause.strerror if isinstance(cause, OSError) else error.what.removeprefix(str(path)).strip()
        raise Unreadable(text("report.json cannot be read ({error})", error=f"{why}")) from error
    except (OSError, RuntimeError) as error:  # the latter for links in a circle
        why = getattr(error, "strerror", None) or str(error)
        raise Unreadable(text("report.json cannot be read ({error})", error=why)) from error

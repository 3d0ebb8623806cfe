"""All reports below a folder as one HTML page, with the trend of each series."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reportgen import intervals
from reportgen.i18n import Text, literal, text
from reportgen.record import finding_groups
from reportgen.record.changes import KindChange
from reportgen.record.key_figures import Headline, Listed, Reports
from reportgen.render import since, single, templating, words

TREND_WIDTH, TREND_HEIGHT = 240, 56
_MARGIN = 6
_LEAST_SPAN = 0.01
"""The difference of accuracies that fills a trend's height where there is no larger one: noise must not look grave."""


@dataclass(frozen=True)
class Row:
    """One report of a list. hrefs: relative addresses by file name, the best first. number: in its series, from 1.

    change: of the accuracy since the report before it in the series, None where that has other data or is not there;
    change_interval: of it, 95 %, the two taken as independent samples, which is wider than image by image.
    worst: what its gravest finding is about; badge: what became of that since the report before; more: how many further
    kinds of finding there are. advice: what to do about what changed since then, None where there is no report before.
    copies: the other folders that the same run lies in.
    """

    headline: Headline
    title: Text
    place: str
    hrefs: dict[str, str]
    number: int
    of: int
    change: float | None
    change_interval: tuple[float, float] | None
    worst: Text | None
    badge: Text | None
    more: int
    advice: Text | None
    copies: list[str]

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy, Wilson's, 95 %."""
        return intervals.wilson(*_right(self.headline))

    @property
    def href(self) -> str:
        """Where a reader gets by the title: the page, else the PDF, else the JSON."""
        return next(iter(self.hrefs.values()))

    @property
    def others(self) -> dict[str, str]:
        """The other files that a reader can open, with their addresses."""
        return dict(list(self.hrefs.items())[1:])


@dataclass(frozen=True)
class Trend:
    """The test accuracies of a series as a line. points: of an SVG polyline, oldest first. says: the same in words."""

    points: list[tuple[float, float]]
    says: Text


@dataclass(frozen=True)
class Series:
    """The reports whose data and model have the same names, newest first."""

    name: Text
    rows: list[Row]
    lowest: float
    highest: float
    trend: Trend | None


@dataclass(frozen=True)
class View:
    """All that the page and the feed show. rows: newest first. broken: (folder below the root, reason)."""

    title: Text
    rows: list[Row]
    series: list[Series]
    broken: list[tuple[str, Text]]


def paint(found: Reports, base: Path, *, title: str | None, meanings: Mapping[str, str]) -> View:
    """Return what page and feed show.

    base: the folder that the page will lie in; all links are relative to it. meanings: of finding
    codes, in a few words.
    """
    rows = _rows(found, base, meanings)
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault(_series_of(row.headline), []).append(row)
    return View(
        title=literal(title) if title else text("Model reports"),
        rows=rows,
        series=[_series(list(members)) for members in grouped.values()],
        broken=[(_place(one.folder, found.root), one.reason) for one in found.broken],
    )


def html(view: View, *, lang: str, made_at: str, version: str, feed: str) -> str:
    """Return the whole page. made_at, version: of this page and of reportgen. feed: the address of the Atom feed."""
    environment = templating.environment(lang)
    values = {"view": view, "made_at": made_at, "version": version, "feed": feed}
    values |= {"trend_width": TREND_WIDTH, "trend_height": TREND_HEIGHT}
    styles = ("style.css", "index.css")
    return single.page(environment, "listing.html", values, title=view.title, version=version, styles=styles, feed=feed)


def _rows(found: Reports, base: Path, meanings: Mapping[str, str]) -> list[Row]:
    """Return a row for each report, newest first."""
    earlier: dict[tuple[str, str], list[Listed]] = {}
    rows = []
    runs: dict[tuple[str, ...], list[Listed]] = {}
    for one in found.reports:
        runs.setdefault(one.headline.run, []).append(one)
    for copies in reversed(runs.values()):  # rendered again or copied, a run is one report
        copies.sort(key=lambda copy: (-len(copy.files), os.fsencode(copy.folder)))
        one = copies[0]
        before = earlier.setdefault(_series_of(one.headline), [])
        rows.append((one, len(before) + 1, before[-1].headline if before else None))
        before.append(one)
    return [
        Row(
            headline=one.headline,
            title=_title(one.headline),
            place=_place(one.folder, found.root),
            hrefs={name: _href(one.folder / name, base) for name in one.files},
            number=number,
            of=len(earlier[_series_of(one.headline)]),
            change=_change(one.headline, last),
            change_interval=_change_interval(one.headline, last),
            worst=_worst(one.headline, meanings),
            badge=_badge(one.headline, last),
            more=max(len(one.headline.kinds) - 1, 0),
            advice=_advice(one.headline, last),
            copies=[_place(copy.folder, found.root) for copy in runs[one.headline.run][1:]],
        )
        for one, number, last in reversed(rows)
    ]


def _title(headline: Headline) -> Text:
    """Return a report's title; the one that it has by itself can be said in every language."""
    own = text("{model} on {data}", model=headline.model_name, data=headline.data_name)
    return own if own == headline.title else literal(headline.title)


def _series_of(headline: Headline) -> tuple[str, str]:
    return headline.model_name, headline.data_name


def _change(now: Headline, before: Headline | None) -> float | None:
    return now.accuracy - before.accuracy if before and before.data_sha256 == now.data_sha256 else None


def _change_interval(now: Headline, before: Headline | None) -> tuple[float, float] | None:
    if before is None or _change(now, before) is None or not (now.images and before.images):
        return None
    return intervals.difference(_right(now), _right(before))


def _right(headline: Headline) -> tuple[int, int]:
    """Return how many test images the model is right about, and how many there are."""
    return round(headline.accuracy * headline.images), headline.images


def _worst(headline: Headline, meanings: Mapping[str, str]) -> Text | None:
    if headline.worst is None:
        return None
    code, _, message = headline.worst
    meaning = meanings.get(code, message)
    return meaning if isinstance(meaning, Text) else literal(meaning)


def _kinds(now: Headline, before: Headline | None) -> dict[str, KindChange]:
    """Return what became of each kind of finding since the report before, by its code."""
    return {} if before is None else {one.code: one for one in finding_groups.changes(before.kinds, now.kinds)}


def _badge(now: Headline, before: Headline | None) -> Text | None:
    return since.badge(_kinds(now, before).get(now.worst[0])) if now.worst else None


def _advice(now: Headline, before: Headline | None) -> Text | None:
    if before is None:
        return None
    change, interval = _change(now, before), _change_interval(now, before)
    return since.advice(since.News(False, change, interval, list(_kinds(now, before).values())))


def _series(rows: list[Row]) -> Series:
    newest = rows[0].headline
    accuracies = [row.headline.accuracy for row in rows]
    return Series(
        name=text("{model} on {data}", model=words.name(newest.model_name, 40), data=words.name(newest.data_name, 40)),
        rows=rows,
        lowest=min(accuracies),
        highest=max(accuracies),
        trend=_trend(accuracies[::-1]) if len(rows) > 1 else None,
    )


def _trend(accuracies: list[float]) -> Trend:
    """Return the line of two accuracies or more, oldest first."""
    low, high = min(accuracies), max(accuracies)
    span = max(high - low, _LEAST_SPAN)
    middle = (low + high) / 2
    across = (TREND_WIDTH - 2 * _MARGIN) / (len(accuracies) - 1)
    points = [
        (
            round(_MARGIN + across * number, 1),
            round(TREND_HEIGHT / 2 - (value - middle) / span * (TREND_HEIGHT - 2 * _MARGIN), 1),
        )
        for number, value in enumerate(accuracies)
    ]
    says = text(
        "Test accuracy of {n} reports, oldest to newest: from {first} to {last}, lowest {low}, highest {high}",
        n=f"{len(accuracies):,}",
        first=words.percent(accuracies[0]),
        last=words.percent(accuracies[-1]),
        low=words.percent(low),
        high=words.percent(high),
    )
    return Trend(points, says)


def _place(folder: Path, root: Path) -> str:
    """Return where a folder lies below the root, "." for the root itself."""
    return folder.relative_to(root).as_posix()


def _href(file: Path, base: Path) -> str:
    """Return the address of a file for a page in the folder `base`, wherever both are published."""
    return quote(os.fsencode(os.path.relpath(file, base)))

"""A page and a PDF of the size that was asked for: as much as fits, step by step of a ladder."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from reportgen.record.run import Record
from reportgen.render.page import cost, detail, page
from reportgen.render.page.cost import Cost
from reportgen.render.page.page import Page, View
from reportgen.render.pdf.pdf import Pdf
from reportgen.render.pdf.printer import Printer

_T = TypeVar("_T")
_MEGABYTE = 1_000_000
_NEARLY = 1.1
"""How much too large a step may be expected to be that is tried before one that is known to fit."""
_HUGE = 10 * _MEGABYTE
"""Bytes from which on a page takes so long to make that it is not made only to be found too large."""
_SURELY = 0.95
"""How much of the room a huge page may be foreseen to fill: what is foreseen is some hundredths wrong."""
_ENOUGH = 0.8
"""How much of the room a huge page has to fill: it is not made again for the little that it could have more."""
_TRIES = 3
"""How often a PDF is written at most: one takes up to a minute, and its size is mostly foreseen well."""


@dataclass(frozen=True)
class Fitted(Generic[_T]):
    """What was made, on which step of its ladder, and whether it is as small as it was to be.

    less: it shows less than there is, to be so small.
    """

    made: _T
    step: int
    fits: bool
    less: bool = False


class Fitting:
    """Makes the pages of one record with as much as fits; what several of them show is painted once.

    page_of: makes a page of a view, and takes what page.html does.
    """

    def __init__(self, record: Record, page_of: Callable[..., Page]) -> None:
        self._record, self._page_of = record, page_of
        self._views: dict[detail.Detail, View] = {}

    def view(self, space: detail.Detail = detail.ALL) -> View:
        """Return the record with everything painted that there is room for."""
        if space not in self._views:
            self._views[space] = page.paint(self._record, space)
        return self._views[space]

    def page(self, limit: float, *, split: str | None = None) -> Fitted[Page]:
        """Return the page with as much as fits into `limit` megabytes, those of the files beside it included.

        split: see page.html.
        """
        ladder, most = detail.on_screen(large=detail.is_large(self._record)), limit * _MEGABYTE
        steps = [cost.foreseen(self._record, step, paper=False) for step in ladder]
        foreseen = [each.cost() for each in steps]
        if detail.is_large(self._record) or foreseen[0].total > max(_HUGE, most):
            step = ladder[_first(foreseen, _SURELY * most)]
            sample = cost.sampled(self.view(step.room), step.listing)
            foreseen = [each.cost(sample) for each in steps]
        found = first_that_fits(
            make=lambda step: self._made(ladder, step, limit, split=split),
            measured=cost.of_page,
            foreseen=foreseen,
            most=most,
        )
        return replace(found, less=ladder[found.step].room != ladder[0].room)

    def paper(self, limit: float, *, first: int = 0, larger: float = 1.0) -> Fitted[Page]:
        """Return the page for paper with as much as will fit into a PDF of `limit` megabytes.

        first: the step to begin with. larger: how much larger PDFs of this record are than `cost.of_paper` says.
        """
        ladder = detail.on_paper(self._record)
        found = first_that_fits(
            make=lambda step: self._made(ladder, step, limit, on_paper=True),
            measured=cost.of_paper,
            foreseen=[cost.foreseen(self._record, step, paper=True).cost() for step in ladder],
            most=limit * _MEGABYTE / larger,
            first=first,
        )
        return replace(found, less=ladder[found.step].room != ladder[0].room)

    def printed(self, paper: Fitted[Page], printer: Printer, limit: float) -> Fitted[Pdf]:
        """Return the PDF of a page that `printer` was sent; where it is larger or longer than foreseen, one with less.

        Raises as `Printer.receive`.
        """
        made, last = printer.receive(), len(detail.on_paper(self._record)) - 1
        longest = detail.PAGES_OF_LARGE if detail.is_large(self._record) else math.inf
        for _ in range(_TRIES - 1):
            if (len(made.content) <= limit * _MEGABYTE and made.pages <= longest) or paper.step == last:
                break
            larger = len(made.content) / cost.of_paper(paper.made).total
            paper = self.paper(limit, first=paper.step + 1, larger=larger)
            with Printer() as again:
                again.send(paper.made.html)
                made = again.receive()
        return Fitted(made, paper.step, len(made.content) <= limit * _MEGABYTE, paper.less)

    def _made(self, ladder: list[detail.Step], number: int, limit: float, **how: Any) -> Page:
        step, is_last = ladder[number], number == len(ladder) - 1
        paper = how.get("on_paper", False)
        says = detail.left_out(self._record, step, limit, paper=paper, is_last=is_last)
        return self._page_of(self.view(step.room), listing=step.listing, left_out=says, **how)


def first_that_fits(
    *,
    make: Callable[[int], _T],
    measured: Callable[[_T], Cost],
    foreseen: list[Cost],
    most: float,
    first: int = 0,
) -> Fitted[_T]:
    """Return what the first step makes that takes at most `most` bytes; if there is none, what the last one makes.

    foreseen: what each step will take, which may be wrong by a factor: after each trial the others are scaled by it,
    so that few steps are tried. Where it is wrong by more, now and then an earlier step would have been enough.
    What is foreseen to be huge is not made to be measured: the first trial then is the first step foreseen to fit, and
    the last one where it fits and is nearly as large as it may be.
    """
    sizes: dict[int, Cost] = {}
    last = len(foreseen) - 1
    is_huge = foreseen[first].total > max(_HUGE, most)
    step = _first(foreseen, _SURELY * most, first) if is_huge else first
    found: Fitted[_T] | None = None
    while True:
        made = make(step)
        sizes[step] = measured(made)
        if sizes[step].total <= most:
            found = Fitted(made, step, True)
            if is_huge and sizes[step].total > _ENOUGH * most:
                return found
        elif step == last:
            return Fitted(made, step, False)
        too_large = [n for n in sizes if found is None or n < found.step]
        untried = range(max(too_large, default=first - 1) + 1, found.step if found else len(foreseen))
        expected = {n: _expected(n, foreseen, sizes) for n in untried}
        hopeful = [n for n in untried if expected[n] <= most]
        if found and not hopeful:
            hopeful = [n for n in untried[-1:] if expected[n] <= _NEARLY * most]
            if not hopeful:
                return found
        step = hopeful[0] if hopeful else last


def _first(foreseen: list[Cost], most: float, first: int = 0) -> int:
    """Return the first step that is foreseen to fit, the last one where there is none."""
    last = len(foreseen) - 1
    return next((n for n in range(first, last) if foreseen[n].total <= most), last)


def _expected(step: int, foreseen: list[Cost], sizes: dict[int, Cost]) -> float:
    """Return what a step will take, going by those before and after it whose sizes are known."""
    before, after = max((n for n in sizes if n < step), default=None), min((n for n in sizes if n > step), default=None)
    if before is None or after is None:
        known = next(n for n in (before, after) if n is not None)
        return sizes[known].scaled(foreseen[known], foreseen[step]).total
    start, here, end = (math.log(foreseen[n].total) for n in (before, step, after))
    way = (start - here) / (start - end) if start > end else 0.5
    return math.exp((1 - way) * math.log(sizes[before].total) + way * math.log(sizes[after].total))

"""A Record's page and PDF. What fails by itself is missing by itself: the report says so, and the rest is written."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reportgen.deliver import folder
from reportgen.errors import SurroundingsError
from reportgen.format import as_typed, first
from reportgen.i18n import Text, literal, ntext, text
from reportgen.options import Budget
from reportgen.process import garbage
from reportgen.progress import Progress
from reportgen.record.run import Record
from reportgen.record.units import Finding

if TYPE_CHECKING:
    from reportgen.render.page.budget import Fitted
    from reportgen.render.page.missing import Missing
    from reportgen.render.page.page import Page, View

NO_PDF, NOT_DRAWN = "no-pdf", "not-drawn"
_MOST_NAMED = 5


@dataclass(frozen=True)
class Painted:
    """record: with findings about what is missing. files: page and PDF by name. problems: why, for the caller."""

    record: Record
    files: dict[str, bytes]
    problems: list[SurroundingsError]


class Painter:
    """Paints one report. In a `with` block, which ends the process that loads WeasyPrint meanwhile."""

    def __init__(self, formats: Sequence[str], progress: Progress) -> None:
        from reportgen.render.pdf.printer import Printer

        self._formats, self._progress = formats, progress
        self._printer: Printer | None = None
        self._aside = ThreadPoolExecutor(1)
        self._no_pdf: SurroundingsError | None = None
        self._missing: dict[Text, Missing] = {}
        if "pdf" in formats:
            with self._pdf_may_fail():
                self._printer = Printer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.shutdown(wait=False)
        if self._printer:
            self._printer.__exit__(kind, error, trace)

    def check(self) -> None:
        """Find out whether there can be a PDF, before the long work. Raises where nothing else was asked for."""
        if self._printer:
            with self._pdf_may_fail():
                self._printer.check()
        if self._no_pdf:
            if set(self._formats) == {"pdf"}:
                raise self._no_pdf
            self._progress.say("There will be no PDF; going on without it ...")

    def prepare(self, lang: str) -> None:
        """Begin with what does not depend on the record, beside other work. lang: of the page."""
        if self._formats:
            self._aside.submit(_prepare, lang)

    @garbage.left_alone()
    def paint(
        self, record: Record, *, templates: Path | None = None, split: bool = False, budget: Budget | None = None
    ) -> Painted:
        """Return the record with its page and PDF, as far as they are asked for and can be made.

        templates, split: as `render.page.page.html` takes them, split being whether. budget: how large they may be.
        Raises InputError where a template of the user's is at fault.
        """
        from reportgen.render.page.budget import Fitting

        progress, files, budget = self._progress, dict[str, bytes](), budget or Budget()
        record, beside = without_own_findings(record), folder.FILES if split else None
        fitting = Fitting(record, partial(self._page, templates=templates))
        with progress.stage("paint", "Painting pictures and charts ..."):
            fitting.view()
        if self._printer:
            with progress.stage("paper", "Setting the pages of the PDF ..."):
                paper = fitting.paper(budget.max_pdf_mb)
                with self._pdf_may_fail():
                    self._printer.send(paper.made.html)
        if "html" in self._formats:
            with progress.stage("html", "Writing the HTML page ..."):
                page = fitting.page(budget.max_html_mb, split=beside)
            if page.made.uncovered:
                lacking = _named(page.made.uncovered)
                progress.say(f"The page's fonts lack {lacking}; there its readers' own fonts are used.")
        if self._printer:
            with progress.stage("pdf", "Writing the PDF ..."), self._pdf_may_fail():
                printed = fitting.printed(paper, self._printer, budget.max_pdf_mb)
                files["report.pdf"] = printed.made.content
                self._say_size("report.pdf", printed, "--max-pdf-mb", budget.max_pdf_mb)
                if printed.made.without_glyph:
                    lacking = _named(printed.made.without_glyph)
                    progress.say(f"No font here has {lacking}; the PDF shows the numbers instead.")
        if "html" in self._formats:
            if self._no_pdf:  # the page was written before that was known
                page = fitting.page(budget.max_html_mb, split=beside)
            files |= {"report.html": page.made.html.encode("utf-8")} | page.made.files
            self._say_size("report.html", page, "--max-html-mb", budget.max_html_mb)
        return Painted(self._told(record), files, self._problems())

    def _say_size(self, name: str, made: "Fitted[Any]", flag: str, limit: float) -> None:
        """Say where a file shows less than there is, or is larger than it was to be."""
        if not made.fits:
            self._progress.say(f"{name} is larger than {flag} {as_typed(limit)}, though it shows as little as it can.")
        elif made.less:
            self._progress.say(f"{name} says what it leaves out to stay under {flag} {as_typed(limit)}.")

    def _page(self, view: "View", **how: Any) -> "Page":
        """Return a page that has findings about all that is known to be missing, what is missing on it included."""
        from reportgen.render.page import page

        while True:
            told = self._told(view.record)
            made = page.html(page.told(view, told), told.look, **how)
            if not (new := {one.what: one for one in made.missing if one.what not in self._missing}):
                return made
            self._missing |= new

    def _told(self, record: Record) -> Record:
        """Return the record with the findings about what is missing."""
        own = []
        if self._no_pdf:
            own.append((NO_PDF, text("There is no PDF: {reason}.", reason=literal(str(self._no_pdf)))))
        if self._missing:
            own.append((NOT_DRAWN, _not_drawn(list(self._missing.values()))))
        return _with_findings(record, own) if own else record

    def _problems(self) -> list[SurroundingsError]:
        problems = [self._no_pdf] if self._no_pdf else []
        for one in self._missing.values():
            problem = SurroundingsError(
                f"{one.what} could not be drawn ({one.why})",
                "the rest is written; run again with --debug and report what it shows",
            )
            problem.__cause__ = one.error
            problems.append(problem)
        return problems

    @contextmanager
    def _pdf_may_fail(self) -> Iterator[None]:
        try:
            yield
        except SurroundingsError as error:
            self._no_pdf = error
            if self._printer:
                self._printer.__exit__(None, None, None)
                self._printer = None


def _prepare(lang: str) -> None:
    """Import what a page needs and compile its templates. What is wrong with them is said where a page is made."""
    from reportgen.render.page import page

    page.prepare(lang)


def without_own_findings(record: Record) -> Record:
    """Return the record as if nothing had been missing when it was painted last."""
    kept = [one for one in record.findings if one.code not in (NO_PDF, NOT_DRAWN)]
    return record if len(kept) == len(record.findings) else replace(record, findings=kept)


def _with_findings(record: Record, own: Sequence[tuple[str, Text]]) -> Record:
    from reportgen.record.finding_kinds import KINDS

    rank = {code: place for place, code in enumerate(KINDS)}
    found = [*record.findings, *(Finding(code, KINDS[code].severity, says, None, []) for code, says in own)]
    return replace(record, findings=sorted(found, key=lambda one: rank.get(one.code, len(rank))))


def _not_drawn(missing: Sequence["Missing"]) -> Text:
    return ntext(
        len(missing),
        "{n} part of this report could not be drawn: {parts} ({why}).",
        "{n} parts of this report could not be drawn: {parts} ({why}).",
        parts=first([one.what for one in missing], _MOST_NAMED),
        why=literal(missing[0].why),
    )


def _named(letters: Sequence[str]) -> str:
    """Return characters by their numbers: a terminal may not show them either."""
    shown = [f"U+{ord(letter):04X}" for letter in letters[:10]]
    return ", ".join([*shown, f"{len(letters) - 10:,} more"] if len(letters) > 10 else shown)

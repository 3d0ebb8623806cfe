"""Every word of pages, mails and comparisons goes through the catalogue, and the catalogue has it in Japanese."""

import base64
import dataclasses
import io
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po
from babel.util import pathmatch
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from reportgen.compare.changes import compare as compared
from reportgen.compare.limits import check
from reportgen.errors import InputError
from reportgen.i18n import Text
from reportgen.options import LANGUAGES, check_look
from reportgen.record import record_file, search
from reportgen.record.checks import Limits
from reportgen.record.evaluation import Proof
from reportgen.record.finding_kinds import KINDS
from reportgen.record.run import Look, Record
from reportgen.render import languages, mail, templating, words
from reportgen.render.ci import summary
from reportgen.render.comparison import terminal, view
from reportgen.render.index import feed, listing
from reportgen.render.page import detail, page
from tests import ROOT
from tests.conftest import Run
from tests.helpers.builders import (
    make_finding,
    make_history,
    make_record,
    make_scores,
    make_unit,
    make_verdict,
    modules_after,
)

TRANSLATED = [lang for lang in LANGUAGES if lang != languages.SOURCE]

# What `make messages` tells pybabel: the argument that is a message, or those that are a message and its plural.
KEYWORDS = DEFAULT_KEYWORDS | {"text": None, "ntext": (2, 3), "joined": None}

Key = str | tuple[str, ...]
"""What Babel knows a message by: itself, or itself and its plural."""


# The catalogue and the sources


@cache
def mappings() -> list[dict[str, str]]:
    """Return which files have messages, and how Babel reads them."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, str]] = configured["tool"]["babel"]["mappings"]
    return found


@cache
def extracted() -> dict[Key, str]:
    """Return every message of the sources with a file that has it, as `make messages` finds them."""
    patterns = [mapping["pattern"] for mapping in mappings()]
    folders = {pattern.partition("/")[0] for pattern in patterns}
    found = extract_from_dir(
        ROOT,
        [(mapping["pattern"], mapping["method"]) for mapping in mappings()],
        {mapping["pattern"]: mapping for mapping in mappings()},
        KEYWORDS,
        directory_filter=lambda path: Path(path).relative_to(ROOT).parts[0] in folders,
    )
    return {message: file for file, _, message, _, _ in found}


@cache
def translations(lang: str) -> Catalog:
    with (languages.LOCALE / lang / "LC_MESSAGES" / "reportgen.po").open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


def messages_of(catalog: Catalog) -> Iterator[Message]:
    """Yield all messages but the header."""
    return (message for message in catalog if message.id)


def forms(value: Any) -> list[str]:
    """Return the forms of a message or a translation: one, or one for each number that the language tells apart."""
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.slow
@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_catalogue_has_the_messages_of_the_sources_and_no_others(lang: str) -> None:
    known = {message.id for message in messages_of(translations(lang))}
    missing = {key: file for key, file in extracted().items() if key not in known}
    assert not missing, "run make messages, then translate"
    assert not known - set(extracted()), "run make messages: the sources have these no more"
    assert not translations(lang).obsolete, "run make messages"


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_message_is_translated_and_none_is_in_doubt(lang: str) -> None:
    for message in messages_of(translations(lang)):
        assert all(forms(message.string)), f"not translated: {message.id}"
        assert not message.fuzzy, f"marked as fuzzy: {message.id}"


@pytest.mark.parametrize("pattern", ["reportgen/**/*.py", "templates/*"])
def test_every_file_that_says_something_is_read_for_messages(pattern: str) -> None:
    for path in ROOT.glob(pattern):
        name = path.relative_to(ROOT).as_posix()
        if re.search(r"\b(n?text|joined)\(|\{%-? *trans\b", path.read_text(encoding="utf-8")):
            read = any(pathmatch(mapping["pattern"], name) for mapping in mappings())
            assert read, f"{name} has messages, but no pattern of [tool.babel] fits it"


def test_every_message_of_a_template_is_a_literal_where_it_is_used() -> None:
    environment = templating.environment(languages.SOURCE)
    wanted = {"text": slice(0, 1), "ntext": slice(1, 3)}
    for name in environment.list_templates(extensions=["html", "txt", "md", "xml"]):
        tree = environment.parse(templating.source(environment, name))
        for call in tree.find_all(jinja2.nodes.Call):
            if isinstance(call.node, jinja2.nodes.Name) and call.node.name in wanted:
                for message in call.args[wanted[call.node.name]]:
                    assert isinstance(message, jinja2.nodes.Const), f"{name}:{call.lineno}"


# Each translation beside its message


def places(message: str) -> set[str]:
    """Return what is filled in: {name}, %(name)s."""
    return set(re.findall(r"\{\w+\}|%\(\w+\)s", message))


def tags(message: str) -> Counter[str]:
    return Counter(re.findall(r"</?\w[^>]*>", message))


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_translation_has_the_places_and_the_tags_of_its_message(lang: str) -> None:
    for message in messages_of(translations(lang)):
        wanted = forms(message.id)[-1]  # a singular may leave out the number
        for said in forms(message.string):
            assert places(said) == places(wanted), f"{wanted!r} is translated as {said!r}"
            assert tags(said) == tags(wanted), f"{wanted!r} is translated as {said!r}"


THE_SAME_IN_JAPANESE = {
    "r": "Pearson's letter",
    "AUROC": "the figure's usual name",
    "eta²": "the figure's usual name",
    "F1 {f1}": "the figure's usual name",
    " × ": "a sign",
}


def test_a_japanese_translation_is_not_the_english() -> None:
    for message in messages_of(translations("ja")):
        for one, said in zip(forms(message.id), forms(message.string), strict=False):
            if re.search(r"[a-z]", re.sub(r"\{\w+\}", "", one)) or one in THE_SAME_IN_JAPANESE:
                assert (one == said) == (one in THE_SAME_IN_JAPANESE), one


JAPANESE = r"[\u3041-\u30ff\u4e00-\u9fff]"


def test_japanese_has_the_punctuation_of_japanese() -> None:
    for message in messages_of(translations("ja")):
        for said in forms(message.string):
            prose = re.sub(r"<code>.*?</code>|</?\w[^>]*>|%\(\w+\)s", "", said)
            assert not re.search(rf"{JAPANESE}[,.;:!?()]|[,;:!?(]{JAPANESE}", prose), f"half-width: {said}"
            assert not re.search(r"[、。，．][、。，．]|[，．；！？]", prose), f"not the usual sign: {said}"


# What a reader sees

Piece = tuple[str, str]
"""Where on a page, and the words there."""

SHOWN = {"alt", "title", "aria-label", "aria-description", "placeholder", "label", "data-count", "data-enlarge"}
"""The attributes that a reader sees, hears, or gets from the script."""


class _Pieces(HTMLParser):
    """Collects the pieces of text of a page; what is marked as English is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Piece] = []
        self.styles: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [(f"{tag} {name}", value) for name, value in attributes if name in SHOWN and value]
        if tag not in {"meta", "link", "img", "input", "br", "col", "hr"}:
            self._open.append((tag, tag != "html" and dict(attributes).get("lang") == "en"))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [(f"{tag} {name}", value) for name, value in attributes if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        tag = self._open[-1][0] if self._open else ""
        if tag == "style":
            self.styles.append(data)
        elif tag not in {"script", "id", "updated"} and not any(english for _, english in self._open):
            self.found.append((tag, data))


def pieces(content: str) -> list[Piece]:
    """Return every piece of text of a page, of its attributes, and of the words in its style sheet."""
    if not content.startswith("<"):
        return [("text", re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", line)) for line in content.splitlines()]
    parser = _Pieces()
    parser.feed(re.sub("</?code>", "", content))  # inside of sentences
    parser.close()
    for style in parser.styles:
        for value in re.findall(r"content:([^;}]*)", re.sub(r'url\("[^"]*"\)', "", style)):
            parser.found += [("style", json.loads(string)) for string in re.findall(r'"[^"\\]*"', value)]
    return [(where, " ".join(piece.split())) for where, piece in parser.found if piece.strip()]


def made_listing(record: Record, folder: Path) -> listing.View:
    """Return the list of two reports and of a folder that cannot be read, all with names without letters."""
    for name, made_at in (("1", "2026-11-23T00:00:00Z"), ("2", "2026-11-24T00:00:00Z")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        files = record_file.to_bytes(dataclasses.replace(record, made_at=made_at))
        (folder / name / "report.json").write_bytes(files["report.json"])
    (folder / "3").mkdir(exist_ok=True)
    (folder / "3" / "report.json").write_text("{", encoding="utf-8")
    return listing.paint(search.find(folder), folder, title=None, meanings=MEANINGS)


def with_baseline(record: Record) -> Record:
    """Return the record with what changed since one of another seed, version, data, and with other findings."""
    units = [dataclasses.replace(unit, state="dead") if unit.unit == 1 else unit for unit in record.units]
    older = dataclasses.replace(record, reportgen="0.0.1", units=units, findings=[make_finding(code="heavy-layer")])
    other = dataclasses.replace(record.provenance, seed=1, data_sha256="f" * 64, command="reportgen report --epochs 7")
    return dataclasses.replace(record, baseline=compared(dataclasses.replace(older, provenance=other), record))


def changes_of(record: Record) -> view.Changes:
    changes = view.paint(record, has_cards=False)
    assert changes is not None
    return changes


def mailed(record: Record, lang: str) -> mail.Mail:
    pdf = mail.Attached("a.pdf", 120_000, left_out=False)
    return mail.write(record, lang, url=URL, pdf=pdf)


URL = "https://example.org/"
LIMITS = Limits(min_accuracy=0.99, max_dead=0, max_redundant=0, max_loss=2.0, fail_on="warning")
MEANINGS = {code: kind.meaning for code, kind in KINDS.items()}

PAGES: dict[str, Callable[[Record, str, Path], str]] = {
    "page": lambda record, lang, _: page.html(page.paint(record), Look(lang)).html,
    "paper": lambda record, lang, _: page.html(page.paint(record), Look(lang), on_paper=True).html,
    "subject of the mail": lambda record, lang, _: mail.subject(record, lang),
    "mail in HTML": lambda record, lang, _: mailed(record, lang).html,
    "mail as text": lambda record, lang, _: mailed(record, lang).text,
    "summary": lambda record, lang, _: summary.markdown(record, check(record, LIMITS), lang),
    "list": lambda record, lang, folder: listing.html(
        made_listing(record, folder), lang=lang, made_at=record.made_at, version="0.1.0", feed="feed.xml"
    ),
    "feed": lambda record, lang, folder: feed.xml(
        made_listing(record, folder), lang=lang, made_at=record.made_at, version="0.1.0", place="a", page="b", url=None
    ),
    "comparison": lambda record, lang, _: view.html(record, changes_of(record), lang),
    "comparison as text": lambda record, lang, _: terminal.plain(changes_of(record), lang),
}
"""Everything that can be in another language, each from a record with a baseline."""


# A language in which every message stands in brackets, so that words without them came another way


PSEUDO = "de"
"""Whose name the language in brackets goes by: one that Babel has dates for and reportgen no catalogue."""

_PLACES_AND_TAGS = re.compile(r"(\{\w+\}|%\(\w+\)s|<[^>]+>)")


def bracketed(message: str) -> str:
    """Return "⟦In layer ⟧{layer}" for "In layer {layer}": what is filled in must bring its own brackets."""
    parts = enumerate(_PLACES_AND_TAGS.split(message))
    return "".join(part if n % 2 or not re.search(r"\w", part) else f"⟦{part}⟧" for n, part in parts)


@pytest.fixture(scope="module")
def locale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the catalogue of that language."""
    catalog = Catalog(locale=PSEUDO)
    for key in extracted():
        catalog.add(key, tuple(map(bracketed, key)) if isinstance(key, tuple) else bracketed(key))
    folder = tmp_path_factory.mktemp("locale")
    target = folder / PSEUDO / "LC_MESSAGES" / "reportgen.po"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_po(file, catalog)
    return folder


@pytest.fixture
def pseudo(locale: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put that language among the others and return the name that it goes by."""
    monkeypatch.setattr(languages, "LOCALE", locale)
    return PSEUDO


ANY_LANGUAGE = {
    "F1": "a score, the same everywhere",
    "AUROC": "a figure",
    "eta²": "a figure",
    "PDF": "a format",
    "JSON": "a format",
    "kB": "a unit",
    URL: "an address that a user gives",
    "a.pdf": "the name of a file",
    "JSONDecodeError": "an error as Python calls it",
    "%s": "a place that the script fills",
    "%t": "a place that the script fills",
    "reportgen": "this program, and what subjects begin with",
    "prune DIR": "what a reader types behind it",
    "--shifts full": "what a reader types",
    "r": "Pearson's letter, at the head of a column",
    **dict.fromkeys("DCSAWRNP", "a letter for the state of a unit, explained below the cells"),
    **{name: "a flag of reportgen check" for name in LIMITS.named()},
}
"""Words outside of any message, and why."""


def literals(made_from: Any) -> Iterator[str]:
    """Yield the words in a text that are the same in every language."""
    match made_from:
        case ["literal", str(name)]:
            yield name
        case [_, *parts]:
            for part in parts:
                yield from literals(part)
        case dict(values):
            for value in values.values():
                yield from literals(value)


def outside(record: Record) -> set[str]:
    """Return what a page shows of a record that is no message: names, and words that are in no language of ours."""
    found = {
        str(record.title) if record.title.plain()[0] == "literal" else "",
        record.data.name,
        record.model.name,
        record.provenance.command,
        record.provenance.data_sha256,
        record.provenance.model_sha256 or "",
        record.provenance.git_commit or "",
        *record.data.class_names,
        *record.provenance.versions,
        *record.provenance.versions.values(),
        *(finding.code for finding in record.findings),
        *(stage for stage in record.provenance.seconds if stage not in words.STAGES),
    }
    for row in (*record.model.layers, *(record.model.graph.nodes if record.model.graph else ())):
        found |= {row.name, row.kind}
    for metric in record.history.metrics if record.history else ():
        called = metric.replace("_", " ")
        found |= {metric, called, called[:1].upper() + called[1:]}
    for made in texts_of(record):
        found |= set(literals(made.plain()))
    return {name for name in found if re.search(r"[^\W\d_]", name)}


def texts_of(value: Any) -> Iterator[Text]:
    """Yield every text in a record."""
    if isinstance(value, Text):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts_of(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from texts_of([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)


def pattern_of(known: Iterable[str]) -> re.Pattern[str]:
    """Return what finds the words that are known, the longest first."""
    words = "|".join(re.escape(" ".join(one.split())) for one in sorted(known, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z\d_])(?:{words})(?![A-Za-z\d_])")


def untranslated(content: str, record: Record) -> list[Piece]:
    """Return the pieces with letters outside of brackets that neither the record brings nor every language has."""
    known = pattern_of(outside(record) | set(ANY_LANGUAGE))
    found = [(where, known.sub(" ", re.sub("⟦[^⟦⟧]*⟧", " ", piece))) for where, piece in pieces(content)]
    return [(where, " ".join(left.split())) for where, left in found if re.search(r"[^\W\d_]", left)]


def make_varied() -> dict[str, Record]:
    """Return records that between them show nearly all that a page can say."""
    record = make_record()
    units = [
        make_unit(unit=0, state="dead", cause="its kernel", preferred_class=None, top_images=[], nearest=None),
        make_unit(unit=1, duplicate_of=0, opposite=0, removable=True),
        *(make_unit(layer="scores", unit=u, state="always predicted", nearest=None) for u in range(3)),
    ]
    layers = [
        make_verdict("conv", 2, states={"dead": 1, "healthy": 1}, groups=[[0, 1]], removable_params=3),
        make_verdict("scores", 3, states={"always predicted": 3}, noise_floor=None, left_out={"n/a": [0, 1, 2]}),
    ]
    empty = dataclasses.replace(record.pictures, maps=[], strips=[], kernels=[], correlations=[], class_maps=[])
    bare = make_record(
        data=dataclasses.replace(record.data, train_size=None, class_counts={"train": None, "test": [2, 2, 2]}),
        model=dataclasses.replace(record.model, origin="loaded", output="logits"),
        history=None,
        evaluation={"train": None, "test": make_scores(most_confused=[], worst=[])},
        proof=Proof(0, 5 / 6, 5 / 6, [0.0, 0.0]),
        findings=[],
    )
    history = make_history(best_epoch=3, stopped_early=False, seconds=[None, None, None])
    blank = dataclasses.replace(record.provenance, model_sha256=None, git_commit="c" * 40, seconds={"data": None})
    return {
        "whole": record,
        "with unusual units": make_record(units=units, layers=layers, provenance=blank, history=history),
        "without most": bare,
        "without layers": dataclasses.replace(bare, layers=[], units=[], pictures=empty),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("name", make_varied())
def test_every_word_goes_through_the_catalogue(pseudo: str, tmp_path: Path, kind: str, name: str) -> None:
    record = with_baseline(make_varied()[name])
    assert untranslated(PAGES[kind](record, pseudo, tmp_path), record) == []


@pytest.fixture(scope="module")
def real(made_report: Path) -> Record:
    """The real report with some of its cards: the others say the same of other units."""
    return with_baseline(detail.thinned(record_file.load(made_report), detail.Detail(cards=30)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_every_word_about_a_real_model_goes_through_the_catalogue(
    real: Record, pseudo: str, tmp_path: Path, kind: str
) -> None:
    assert untranslated(PAGES[kind](real, pseudo, tmp_path), real) == []


# Japanese


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_no_english_is_left_in_japanese(real: Record, tmp_path: Path, kind: str) -> None:
    found = pieces(PAGES[kind](real, "ja", tmp_path))
    assert any(re.search(JAPANESE, piece) for _, piece in found)
    quoted = {"Sokar et al.", "Hu et al.", "Morcos et al.", "Guo et al.", "Roy and Vetterli"}
    glossed = {"always on", "always negative", "never predicted", "always predicted"}
    glossed |= {"effective rank", "participation ratio"}
    known = pattern_of(outside(real) | set(ANY_LANGUAGE) | quoted | glossed)
    for where, piece in found:
        assert not re.search(r"[A-Za-z]+['’]?[a-z]* +[a-z]+", known.sub(" ", piece)), f"{where}: {piece}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["page", "paper", "list", "comparison"])
def test_the_fonts_of_a_japanese_page_have_all_its_signs(tmp_path: Path, kind: str) -> None:
    content = PAGES[kind](with_baseline(make_record()), "ja", tmp_path)
    fonts = re.findall(r"data:font/woff2;base64,([\w+/=]+)", content)
    drawn = {code for font in fonts for code in TTFont(io.BytesIO(base64.b64decode(font))).getBestCmap()}
    signs = {sign for where, piece in pieces(content) for sign in piece if " " not in where and sign.isprintable()}
    assert {sign for sign in signs - {" ", "\u3000"} if ord(sign) not in drawn} == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["page", "paper", "mail in HTML", "list", "comparison"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_says_which_language_it_is_in(tmp_path: Path, kind: str, lang: str) -> None:
    assert f'<html lang="{lang}">' in PAGES[kind](with_baseline(make_record()), lang, tmp_path)


def test_a_language_that_nobody_translated_is_refused(light: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--lang is 'fr'; expected one of en, ja"):
        check_look("fr", "a4")
    for name, content in record_file.to_bytes(make_record()).items():
        (tmp_path / name).write_bytes(content)
    done = light("render", tmp_path, "--lang", "fr")
    assert done.returncode == 2
    assert "--lang is 'fr'" in done.stderr


@pytest.mark.slow
def test_a_report_is_rendered_again_in_japanese_with_the_same_figures(light: Run, tmp_path: Path) -> None:
    before = record_file.to_bytes(make_record(history=make_history(), findings=[make_finding()]))
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    done = light("render", tmp_path, "--lang", "ja", SOURCE_DATE_EPOCH="1764000000")
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert '<html lang="ja">' in after["report.html"].decode()
    assert PdfReader(io.BytesIO(after["report.pdf"])).root_object["/Lang"] == "ja"
    old, new = json.loads(before["report.json"]), json.loads(after["report.json"])
    assert new["look"].pop("lang") == "ja" and old["look"].pop("lang") == "en"
    assert new == old, "report.json is in English, whatever the pages are in"


def test_english_needs_no_catalogue() -> None:
    code = "from reportgen.render import languages\nassert languages.catalogue('en').gettext('Data') == 'Data'"
    assert not {name for name in modules_after(code) if name.startswith("babel")}


@pytest.mark.slow
def test_a_page_does_not_depend_on_the_language_of_the_one_before() -> None:
    view = page.paint(make_record())
    alone = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    page.html(view, Look("en"))
    assert page.html(view, Look("ja")).html == alone
    assert page.html(view, Look("en")).html != alone


ALONE = """
import sys
from reportgen.record.run import Look
from reportgen.render.page import page
from tests.helpers.builders import make_record
sys.stdout.write(page.html(page.paint(make_record()), Look("ja")).html)
"""

"""What a mail says, and that nothing from outside can add to it."""

import dataclasses
import email
import email.policy
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any, cast

import html5lib
import pytest

from reportgen.deliver import message
from reportgen.errors import InputError
from reportgen.i18n import literal
from reportgen.record.run import Record
from reportgen.record.units import Finding
from reportgen.render import mail
from tests.helpers.builders import assert_one_line, changed_from, make_finding, make_record, make_scores

ENCODED = "=?utf-8?q?R=0D=0ABcc:_x@example.org?="
HOSTILE = {
    "line break": "Shapes\r\nBcc: x@example.org",
    "bare line feed": "Shapes\nBcc: x@example.org\n\nbody",
    "encoded line break": ENCODED,
    "encoded in base64": "=?utf-8?b?UlxyXG5CY2M6IHg=?= =?utf-8?b?DQpCY2M6IHg=?=",
    "encoded in parts": f"={ENCODED[1:]} = ?utf-8?q?=0D=0ABcc:_x?= =\u200b?utf-8?q?=0ABcc:_x?=",
    "other line ends": "a\x0bBcc: x\x0cBcc: x\x1cBcc: x\x85Bcc: x\u2028Bcc: x\u2029Bcc: x",
    "controls": "\x00\x1b[31mred\x07\x7f",
    "direction": "\u202e\u2066gnirts\u2069\u200f",
    "half a pair": "\ud800\udc80",
    "long": "very long " * 1000,
    "without a blank": "x" * 10_000,
    "emoji": "\N{GRINNING FACE}\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}" * 30,
    "japanese": "手書き数字の分類モデル" * 20,
    "markup": "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;",
    "template": "{{ 7 * 7 }} {% for x in y %} {title} %s",
    "empty": "",
}
HEADERS = ["From", "To", "Cc", "Reply-To", "Subject", "MIME-Version", "Content-Type", "Date", "Message-ID"]
HEADERS += ["References", "Auto-Submitted"]
NOW = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
TO = message.addresses(
    "ci@example.org", ["a@example.org"], cc=["c@example.org"], bcc=["b@example.org"], reply_to=["r@example.org"]
)
ATTACHED = mail.Attached("shapes_2026-11-24.pdf", 1_234_567, left_out=False)
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20


def write(record: Record, lang: str = "en", url: str | None = None) -> mail.Mail:
    return mail.write(record, lang, url=url, pdf=ATTACHED)


def sent(record: Record, to: message.Addresses = TO) -> bytes:
    made = write(record)
    name = message.attachment_name(record.title, NOW)
    letter = message.Letter(made.subject, made.text, made.html, (name, PDF))
    return message.to_bytes(letter, to, date=NOW, identity="<1@example.org>", thread="<0@example.org>")


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def hostile_record(words: str) -> Record:
    """Return a record that says `words` wherever a name from outside can stand."""
    base, scores = make_record(), make_scores()
    worst = dataclasses.replace(scores.classes[0], label=words)
    return dataclasses.replace(
        base,
        title=literal(words),
        findings=[
            make_finding(message=words, severity="warning"),
            Finding(words, "warning", literal(words), words, []),
        ],
        evaluation={"train": None, "test": dataclasses.replace(scores, classes=[worst, *scores.classes[1:]])},
        provenance=dataclasses.replace(base.provenance, command=words, versions={words: words}, model_sha256=words),
        reportgen=words,
        baseline=dataclasses.replace(changed_from(base), title=literal(words), summary=literal(words)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_no_word_from_outside_adds_a_header(words: str) -> None:
    content = sent(hostile_record(words))
    mail_read = parsed(content)
    assert mail_read.keys() == HEADERS
    head = content.partition(b"\r\n\r\n")[0]
    assert b"\nbcc" not in head.lower()
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    subject = mail_read["Subject"]
    assert subject.isprintable() or "\u200d" in subject
    assert len(subject) < 78
    assert subject.startswith("[reportgen] ")
    assert "accuracy 83.3 %" in subject
    assert subject.endswith("2 warnings")
    (pdf,) = mail_read.iter_attachments()
    assert re.fullmatch(r"[a-z0-9-]{1,60}_2026-11-24\.pdf", pdf.get_filename() or "")
    assert pdf.get_content() == PDF


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, words in HOSTILE.items() if words])
def test_no_word_from_outside_becomes_markup(name: str) -> None:
    words = HOSTILE[name]
    made = write(hostile_record(words))
    harmless = write(hostile_record("harmless"))
    assert tags(made.html) == tags(harmless.html)
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(made.html)
    assert len(made.html.encode("utf-8", "replace")) < 100_000
    text = (
        cast(EmailMessage, parsed(sent(hostile_record(words))).get_body(("plain",))).get_content().replace("\r\n", "\n")
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert name != "template" or "{{ 7 * 7 }}" in text


def tags(html: str) -> list[tuple[str, list[str]]]:
    """Return every tag with the names of its attributes."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append((tag, [name for name, _ in attrs]))

    Reader().feed(html)
    return found


def test_the_guard_itself_would_see_an_injected_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Pythons decode the word and break the line; then a plain subject takes its place, or no mail is made."""
    monkeypatch.setattr(message, "_header", lambda words: f"Shapes {ENCODED}")
    read = parsed(sent(make_record()))
    assert read.keys() == HEADERS
    assert "\n" not in read["Subject"]
    monkeypatch.setattr(message, "_as_meant", lambda *given: False)
    with pytest.raises(InputError) as caught:
        sent(make_record())
    assert_one_line(caught.value, "title", "--title")


def test_a_mail_has_its_parts_in_order() -> None:
    read = parsed(sent(make_record()))
    kinds = [part.get_content_type() for part in read.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"]
    pdf = next(iter(read.iter_attachments()))
    assert pdf.get_content_disposition() == "attachment"
    assert pdf.get_filename() == "shapes_2026-11-24.pdf"
    assert {part["Content-Transfer-Encoding"] for part in read.walk()} <= {None, "7bit", "quoted-printable", "base64"}
    assert read["Date"].datetime == NOW
    assert (read["Message-ID"], read["References"]) == ("<1@example.org>", "<0@example.org>")


def test_who_gets_a_hidden_copy_is_in_no_header() -> None:
    assert TO.recipients == ["a@example.org", "c@example.org", "b@example.org"]
    assert b"b@example.org" not in sent(make_record())
    hidden = message.addresses("ci@example.org", [], bcc=["b@example.org"])
    assert parsed(sent(make_record(), hidden))["To"] == "undisclosed-recipients:;"


def test_nobody_gets_it_twice() -> None:
    to = message.addresses("ci@example.org", ["a@example.org", "A@Example.org"], cc=["a@example.org", "b@example.org"])
    assert to.recipients == ["a@example.org", "b@example.org"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        "a@example.org",
        "first.last+tag@sub.example.org",
        "o'neill@example.org",
        "root@localhost",
        "a@xn--exmple-cua.org",
        "x" * 64 + "@example.org",
        "a@" + ".".join(["b" * 60] * 4),
    ],
)
def test_addresses_that_are_some(given: str) -> None:
    assert message.address(given, "--to") == given
    assert parsed(sent(make_record(), message.addresses(given, [given])))["To"].addresses[0].addr_spec == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a@@example.org",
        "a@b@example.org",
        "a b@example.org",
        "a@example.org ",
        "a@example.org\n",
        "a@example.org\r\nBcc: v@example.org",
        "a@example.org>\r\nRCPT TO:<v@example.org",
        "a@example.org\x00",
        "a@example.org,v@example.org",
        "a@example.org;v@example.org",
        "Ann <a@example.org>",
        "<a@example.org>",
        '"a b"@example.org',
        "a@[127.0.0.1]",
        ".a@example.org",
        "a..b@example.org",
        "a@-example.org",
        "a@example..org",
        "ä@example.org",
        "a@exämple.org",
        "a@example.org\u202e",
        "=?utf-8?q?a=0D=0A?=@example.org",
        "x" * 65 + "@example.org",
        "a@" + ".".join(["b" * 60] * 4) + ".example.org",
        "a@" + "b" * 64 + ".org",
    ],
)
def test_addresses_that_are_none(given: str) -> None:
    with pytest.raises(InputError) as caught:
        message.address(given, "--to")
    assert_one_line(caught.value, "--to has", "name@example.org")


@pytest.mark.parametrize(
    "given", ["https://example.org/a/b.html?c=d&e=%20#f", "http://localhost:8000/", "https://[::1]/"]
)
def test_links_that_can_stand_in_a_mail(given: str) -> None:
    message.check_link(given)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "javascript:alert(1)",
        "https:///report.html",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https://example.org/a b",
        "https://example.org/\r\nBcc: x",
        'https://example.org/"onclick="alert(1)',
        "https://example.org/<b>",
        "https://exämple.org/",
        "https://[::1/",
        "https://example.org/" + "x" * 2000,
    ],
)
def test_links_that_cannot(given: str) -> None:
    with pytest.raises(InputError) as caught:
        message.check_link(given)
    assert_one_line(caught.value, "--url is")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Digits: CNN on MNIST", "digits-cnn-on-mnist_2026-11-24.pdf"),
        ("Modèle à Zürich", "modele-a-zurich_2026-11-24.pdf"),
        ("手書き数字", "report_2026-11-24.pdf"),
        ("../../etc/passwd\x00", "etc-passwd_2026-11-24.pdf"),
        ("x" * 59 + "-" + "y" * 9, "x" * 59 + "_2026-11-24.pdf"),
    ],
)
def test_the_pdf_has_a_telling_name(title: str, name: str) -> None:
    assert message.attachment_name(title, NOW) == name


def test_the_message_id_is_that_of_the_content() -> None:
    made = message.message_id("example.org", "subject", b"pdf")
    assert re.fullmatch(r"<[0-9a-f]{40}\.reportgen@example\.org>", made)
    assert made == message.message_id("example.org", "subject", b"pdf")
    assert made != message.message_id("example.org", "subjec", b"tpdf")
    assert made != message.message_id("example.net", "subject", b"pdf")


@pytest.mark.slow
def test_the_verdict_stands_first_and_nothing_is_left_out() -> None:
    record = make_record()
    made = write(record, url="https://example.org/report.html")
    verdict = "83.3\u00a0% of 6 test images are classified correctly; 1 warning."
    assert made.subject == "[reportgen] Shapes: accuracy 83.3 % – 1 warning"
    assert made.text.startswith(f"{verdict}\n")
    said = " ".join("".join(html5lib.parse(made.html, namespaceHTMLElements=False).itertext()).split("\n"))
    assert said.split("Shapes", 2)[1].strip() == verdict
    for words in (made.text, said):
        for finding in record.findings:
            assert finding.message in words
        for part in (
            "All 2 units inside the model fire normally.",
            "circle",
            "0.667",
            "https://example.org/report.html",
        ):
            assert part in words
        for part in (
            record.provenance.command,
            "d" * 64,
            "e" * 64,
            "tensorflow 2.21.0",
            "shapes_2026-11-24.pdf",
            "1.2\u00a0MB",
        ):
            assert part in words
        assert "before:" not in words and "What changed" not in words


def test_the_mail_says_what_changed() -> None:
    record = make_record()
    record = dataclasses.replace(record, baseline=changed_from(record))
    made = write(record)
    assert made.subject == "[reportgen] Shapes: accuracy 83.3 % (+10.0) – 1 warning"
    assert made.text.startswith("83.3\u00a0% of 6 test images are classified correctly (+10.0 points); 1 warning.\n")
    for words in (made.text, made.html):
        assert "Since Before of 23 November 2026, 16:00 UTC: accuracy rose, one unit died." in words
        assert "The seed is another." in words
        assert "Gone:" in words
    change = "change: +10.0 points (95 % CI: 0.0 to +100.0)"
    assert f"Test accuracy: 83.3\u00a0% (5 of 6); before: 50.0\u00a0%; {change}\n" in made.text
    assert f"New. {record.findings[0].message}" in made.text
    assert f"New. {record.findings[1].message}" not in made.text


@pytest.mark.parametrize(
    ("before", "after", "paired", "shown"),
    [
        (0.975, 0.971, True, " (−0.4)"),
        (0.971, 0.971, True, " (±0)"),
        (0.97, 0.97001, True, " (+0.001)"),
        (0.975, 0.971, False, ""),
        (None, 0.971, True, ""),
    ],
)
def test_a_change_is_told_where_the_images_are_the_same(
    before: float | None, after: float, paired: bool, shown: str
) -> None:
    changed = changed_from(make_record())
    figure = dataclasses.replace(changed.figures["test_accuracy"], before=before, after=after)
    baseline = dataclasses.replace(
        changed,
        figures=changed.figures | {"test_accuracy": figure},
        accuracy=dataclasses.replace(changed.accuracy, paired=paired),
    )
    assert (
        mail.subject(make_record(baseline=baseline), "en") == f"[reportgen] Shapes: accuracy 83.3 %{shown} – 1 warning"
    )


@pytest.mark.parametrize(
    ("severities", "counted"),
    [
        (["error", "error", "warning", "notice"], "2 errors, 1 warning"),
        (["warning", "warning"], "2 warnings"),
        (["notice"], "1 notice"),
        ([], "no findings"),
    ],
)
def test_the_gravest_findings_are_counted(severities: list[str], counted: str) -> None:
    record = make_record(findings=[make_finding(code=f"kind-{n}", severity=one) for n, one in enumerate(severities)])
    made = write(record)
    assert made.subject.endswith(f" – {counted}")
    assert counted in made.text.splitlines()[0]
    assert ("Nothing in this report asks for attention." in made.text) == (not severities)


def test_a_long_title_leaves_room_for_the_verdict() -> None:
    made = write(make_record(title=literal("A model with a long name " * 5)))
    assert made.subject.endswith("…: accuracy 83.3 % – 1 warning")
    assert len(made.subject) == mail.LONGEST_SUBJECT


def test_hundreds_of_findings_are_cut_and_counted() -> None:
    made = write(make_record(findings=[make_finding(code=f"kind-{n}", message="word " * 1000) for n in range(300)]))
    assert len(made.html.encode()) < 100_000
    for words in (made.text, made.html):
        assert "293 more kinds of finding: kind-7, kind-8," in words


def test_hundreds_of_findings_of_one_kind_are_one() -> None:
    layers = [make_finding(code="dead-units", severity="warning", layer=f"conv{n}", units=[1, 2]) for n in range(105)]
    made = write(make_record(findings=layers))
    assert made.subject.endswith("– 1 warning")
    for words in (made.text, made.html):
        assert "210 units never fired in 105 layers." in words
        assert "In 104 more layers: conv1, conv2, conv3, conv4, conv5 and 99 more." in words


def test_the_mail_asks_for_nothing_from_anywhere() -> None:
    html = write(make_record(), url="https://example.org/report.html").html
    assert not re.search(r"<(?:img|link|script|iframe|object|form|style)\b|src=|url\(|@import", html)
    assert re.findall(r'href="([^"]*)"', html) == ["https://example.org/report.html"]


def test_the_mail_is_in_the_language_that_is_wanted() -> None:
    made = write(make_record(), "ja")
    assert '<html lang="ja">' in made.html
    for words in (made.subject, made.text, made.html):
        assert "警告" in words
    assert "2026年11月24日" in made.text

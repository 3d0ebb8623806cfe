"""A mail as bytes: headers that no word from outside can add to, seven-bit bodies, and the PDF attached."""

import email
import email.policy
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, Group
from email.message import EmailMessage
from urllib.parse import urlsplit

from reportgen.errors import InputError, one_line

LONGEST_HEADER = 200
_SENDER_NAME = "reportgen"

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*", re.DOTALL)
_LINK = re.compile(r"[!#-;=?-\[\]_a-z~%]{1,2000}")
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_FANCY = re.compile(r"[^A-Za-z0-9 .,:%()\[\]-]+")

# 7bit: whatever server the mail passes through, no byte of it needs to be converted, and no signature breaks
_POLICY = email.policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True)
class Addresses:
    """Whom a mail is from and for, as `addresses` checked them."""

    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()

    @property
    def recipients(self) -> list[str]:
        """Everybody who gets the mail, each one once."""
        found: dict[str, str] = {}
        for one in self.to + self.cc + self.bcc:
            found.setdefault(one.lower(), one)
        return list(found.values())

    @property
    def domain(self) -> str:
        """The domain of the sender."""
        return self.sender.partition("@")[2].lower()


@dataclass(frozen=True)
class Letter:
    """What a mail says. pdf: the name and the content of what is attached."""

    subject: str
    text: str
    html: str
    pdf: tuple[str, bytes] | None


def addresses(
    sender: str,
    to: Sequence[str],
    *,
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    reply_to: Sequence[str] = (),
) -> Addresses:
    """Return the addresses, each one checked. Raises InputError, also where there is no recipient."""
    if not (to or cc or bcc):
        raise InputError("there is no recipient", "give at least one: --to name@example.org")
    return Addresses(
        sender=sender,
        to=tuple(address(one, "--to") for one in to),
        cc=tuple(address(one, "--cc") for one in cc),
        bcc=tuple(address(one, "--bcc") for one in bcc),
        reply_to=tuple(address(one, "--reply-to") for one in reply_to),
    )


def address(given: str, where: str) -> str:
    """Return an address that is safe in a header and in a command to a server.

    ASCII alone: SMTPUTF8 is not offered everywhere, and what a domain of other letters becomes depends on who
    translates it. Raises InputError, which says that it came from `where`.
    """
    if not _ADDRESS.fullmatch(given) or "=?" in given:  # "=?" would begin an encoded word
        raise InputError(
            f"{where} has {given[:100]!r}",
            "expected one bare address in ASCII, name@example.org (other letters in a domain as xn--...)",
        )
    return given


def check_link(given: str) -> None:
    """Raise InputError unless `given` is the address of a page that can stand in a mail."""
    try:
        parts = urlsplit(given)
        good = parts.scheme in ("http", "https") and parts.hostname and not (parts.username or parts.password)
    except ValueError:
        good = False
    if not good or not _LINK.fullmatch(given):
        raise InputError(
            f"--url is {given[:200]!r}", "expected https://... in ASCII, without blanks and without a password"
        )


def attachment_name(title: str, made_at: datetime) -> str:
    """Return what the PDF is called: "Ziffern: CNN" of 24 November 2026 -> "ziffern-cnn_2026-11-24.pdf"."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower())[:60].strip("-")
    return f"{slug or 'report'}_{made_at:%Y-%m-%d}.pdf"


def message_id(domain: str, *parts: str | bytes) -> str:
    """Return an id that is the same for the same parts: a mail that is sent again is known to be the same."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
        digest.update(hashlib.sha256(content).digest())
    return f"<{digest.hexdigest()[:40]}.reportgen@{domain}>"


def to_bytes(letter: Letter, to: Addresses, *, date: datetime, identity: str, thread: str) -> bytes:
    """Return the mail as it goes over the wire but for the doubled dots; Bcc is not in it.

    identity, thread: the Message-ID, and the one of the thread's root. Raises InputError where a reader would not find
    exactly the headers that went in.
    """
    subject = _header(letter.subject)
    # the email package folds some subjects of many scripts and signs wrongly; those lose what is not plain
    for words in (subject, _FANCY.sub("_", subject)):
        message = _message(letter, to, words)
        message["Date"] = date
        message["Message-ID"] = identity
        message["References"] = thread
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices in reply
        made = message.as_bytes()
        if _as_meant(made, message, words, to):
            return made
    raise InputError("the report's title cannot be put into a mail safely", "make the report with another --title")


def _message(letter: Letter, to: Addresses, subject: str) -> EmailMessage:
    message = EmailMessage(_POLICY)
    message["From"] = Address(_SENDER_NAME, addr_spec=to.sender)
    message["To"] = _list(to.to) if to.to else Group("undisclosed-recipients", ())
    if to.cc:
        message["Cc"] = _list(to.cc)
    if to.reply_to:
        message["Reply-To"] = _list(to.reply_to)
    message["Subject"] = subject
    message.set_content(_shown(letter.text))
    message.add_alternative(_shown(letter.html), subtype="html")
    if letter.pdf:
        name, content = letter.pdf
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message


def _list(given: Sequence[str]) -> list[Address]:
    return [Address(addr_spec=one) for one in given]


def _header(words: str) -> str:
    """Return words on one line, without what would begin an encoded word: such a one can hold a line break."""
    return " ".join(one_line(words).split()).replace("=?", "-?")[:LONGEST_HEADER]


def _shown(words: str) -> str:
    """Return the words of a body with a sign for each control and direction character but line break and tab."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", words)


def _as_meant(made: bytes, message: EmailMessage, subject: str, to: Addresses) -> bool:
    """Return whether a reader of the mail finds the headers, people and parts that were put in, and no others."""
    parsed = email.message_from_bytes(made, policy=email.policy.default)
    return (
        parsed.keys() == message.keys()
        and _letters(parsed["Subject"]) == _letters(subject)
        and tuple(one.addr_spec for one in parsed["To"].addresses) == to.to
        and [part.get_content_type() for part in parsed.walk()] == [part.get_content_type() for part in message.walk()]
    )


def _letters(words: str) -> str:
    return "".join(words.split())  # where a long header is folded, blanks may change

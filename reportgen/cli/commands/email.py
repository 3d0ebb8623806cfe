"""`reportgen email`: send a report's PDF, with the report in brief around it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reportgen import files
from reportgen.cli.common import errors_shown, listed, number
from reportgen.cli.options import Debug, Finished, Published, language
from reportgen.errors import InputError
from reportgen.format import as_typed

if TYPE_CHECKING:
    from reportgen.deliver.mail_server import MailServer
    from reportgen.deliver.message import Addresses
    from reportgen.record.run import Record

PDF_NAME = "report.pdf"
DEADLINE = 600.0
NOBODY = "reportgen@localhost"
"""The sender of a mail that is not sent, where no other is known."""

_LONGEST_DEADLINE = 86_400
_LARGEST_PDF = 2**30


def email(
    folder: Finished,
    to: Annotated[
        list[str] | None, typer.Option(metavar="ADDR", help="Whom to send it to; may be given again, or with commas.")
    ] = None,
    cc: Annotated[list[str] | None, typer.Option(metavar="ADDR", help="Who gets a copy.")] = None,
    bcc: Annotated[
        list[str] | None, typer.Option(metavar="ADDR", help="Who gets a copy that the others do not see.")
    ] = None,
    reply_to: Annotated[list[str] | None, typer.Option(metavar="ADDR", help="Who gets the replies.")] = None,
    url: Published = None,
    lang: Annotated[str | None, language("The mail's language", shown="the report's")] = None,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Send nothing where nothing changed since the report's baseline.")
    ] = False,
    dry_run: Annotated[
        Path | None, typer.Option(metavar="FILE.eml", help="Write the mail into a file and send nothing.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trust the certificates in this PEM file, not the system's.")
    ] = None,
    deadline: Annotated[
        float, typer.Option(parser=number, metavar="SECONDS", help="Try so long at most while the server is busy.")
    ] = DEADLINE,
    debug: Debug = False,
) -> None:
    """Send the PDF of a report by e-mail; the environment variables REPORTGEN_SMTP_* say how.

    REPORTGEN_SMTP_HOST, _PORT, _USER, _PASSWORD, _FROM, and _SECURITY: starttls (the default), tls, or none for a
    server on this machine. A dry run needs none of them. Exit 3: somebody was refused, or the server cannot be used;
    75: it was busy, try again later.
    """
    with errors_shown(debug):
        from reportgen.deliver import mail_server, message
        from reportgen.record import record_file

        sender = mail_server.sender(os.environ) or (NOBODY if dry_run else None)
        if sender is None:
            raise InputError("REPORTGEN_SMTP_FROM is not set", "set it to the address that the mail comes from")
        addresses = message.addresses(sender, _each(to), cc=_each(cc), bcc=_each(bcc), reply_to=_each(reply_to))
        if url is not None:
            message.check_link(url)
        if not 0 < deadline <= _LONGEST_DEADLINE:
            raise InputError(f"--deadline is {as_typed(deadline)}", f"expected seconds, at most {_LONGEST_DEADLINE:,}")
        server = None if dry_run else mail_server.from_environment(os.environ, ca_file)

        _send(record_file.load(folder), folder, addresses, server, dry_run, url, lang, if_changed, deadline)


def _send(
    record: "Record",
    folder: Path,
    addresses: "Addresses",
    server: "MailServer | None",
    dry_run: Path | None,
    url: str | None,
    lang: str | None,
    if_changed: bool,
    deadline: float,
) -> None:
    """Send the mail by `server`, or write it to `dry_run` where there is none."""
    from reportgen.deliver import file, smtp
    from reportgen.options import check_lang
    from reportgen.progress import to_stderr

    progress = to_stderr()
    lang = lang or record.look.lang
    check_lang(lang)
    pdf = _pdf(folder)
    if if_changed and record.baseline is not None and record.baseline.unchanged:
        progress.say(f"Nothing changed since the report of {record.baseline.made_at}, so nothing is sent.")
        return
    identity, mails = _mails(record, pdf, lang, url, addresses)
    if server is None:
        assert dry_run is not None
        file.write(dry_run, mails[0])
        if addresses.sender == NOBODY:
            progress.say(f"REPORTGEN_SMTP_FROM is not set: the mail is from {NOBODY}.")
        print(dry_run)
        return
    people = len(addresses.recipients)
    progress.say(f"Sending to {people} recipient{'s' if people > 1 else ''} by {server} ...")
    whole = smtp.send(server, addresses.sender, addresses.recipients, mails, seconds=deadline, say=progress.say)
    if not whole:
        progress.say("The PDF was left out: with it the mail is larger than the server takes.")
    print(identity)


def _each(given: Sequence[str] | None) -> list[str]:
    """["a@e.org, b@e.org", "c@e.org"] -> three addresses."""
    return [one for some in given or () for one in listed(some)]


def _pdf(folder: Path) -> bytes:
    """Return the report's PDF. Raises InputError."""
    path = folder / PDF_NAME
    make = f"make it with `reportgen render {folder}`"
    if not path.is_file():
        raise InputError(f"{path} is missing", make)
    content = files.content(path, _LARGEST_PDF)
    if not content.startswith(b"%PDF-"):
        raise InputError(f"{path} is no PDF", make)
    return content


def _mails(record: "Record", pdf: bytes, lang: str, url: str | None, addresses: "Addresses") -> tuple[str, list[bytes]]:
    """Return the Message-ID, and the mail with the PDF and without it.

    The same report to anybody has the same Message-ID, so that a mail program shows a mail once that came twice.
    """
    from reportgen.deliver import message
    from reportgen.render import mail

    made_at, now = datetime.fromisoformat(record.made_at), datetime.now(UTC)
    name = message.attachment_name(record.title, made_at)
    written = [
        mail.write(record, lang, url=url, pdf=mail.Attached(name, len(pdf), left_out)) for left_out in (False, True)
    ]
    whole = written[0]
    identity = message.message_id(addresses.domain, addresses.sender, whole.subject, whole.text, whole.html, pdf)
    thread = message.message_id(addresses.domain, "thread", record.title)
    letters = [
        message.Letter(one.subject, one.text, one.html, attached)
        for one, attached in zip(written, ((name, pdf), None), strict=True)
    ]
    return identity, [
        message.to_bytes(letter, addresses, date=now, identity=identity, thread=thread) for letter in letters
    ]

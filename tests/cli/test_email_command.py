"""`reportgen email` as a user runs it, with mail servers that others wrote."""

import dataclasses
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from typer.testing import CliRunner, Result

from reportgen.cli.commands.email import email
from reportgen.record import record_file
from reportgen.record.run import Record
from tests import ROOT
from tests.conftest import Run
from tests.helpers import postfix
from tests.helpers.builders import changed_from, make_record
from tests.helpers.smtp_server import make_certificate, tls_context

if shutil.which("openssl") is None:
    pytest.skip("no openssl on this machine to make a certificate with", allow_module_level=True)

Call = Callable[..., Result]
app = typer.Typer()
app.command()(email)

USER, PASSWORD = "ci@example.org", "tr0ub4dor&3"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 200
PAGE = "https://example.org/reports/shapes/report.html?a=1&b=2"


def write_report(folder: Path, record: Record, pdf: bytes | None = PDF) -> Path:
    folder.mkdir()
    for name, content in record_file.to_bytes(record).items():
        (folder / name).write_bytes(content)
    if pdf is not None:
        (folder / "report.pdf").write_bytes(pdf)
    return folder


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("reports") / "shapes", make_record())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that runs the command in this process, which is faster."""
    for name in [name for name in os.environ if name.startswith("REPORTGEN_SMTP_")]:
        monkeypatch.delenv(name)
    return lambda *arguments, **environment: CliRunner().invoke(app, [*map(str, arguments)], env=environment)


@dataclasses.dataclass
class Mailbox:
    """An aiosmtpd server that wants STARTTLS and a login, and what it took."""

    port: int
    envelopes: list[Envelope] = dataclasses.field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        assert session.ssl and session.authenticated
        self.envelopes.append(envelope)
        return "250 taken"


def login(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = given == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)  # handled: aiosmtpd itself says 535 where it is not


@pytest.fixture(params=[33_554_432, 30_000], ids=["room for the PDF", "no room for the PDF"])
def mailbox(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Mailbox]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found = Mailbox(free.getsockname()[1])
    controller = Controller(
        found,
        hostname="127.0.0.1",
        port=found.port,  # 0 does not work
        tls_context=tls_context(certificate),
        require_starttls=True,
        authenticator=login,
        auth_required=True,
        data_size_limit=request.param,
    )
    controller.start()
    yield found
    controller.stop()


def settings(port: int, **more: str) -> dict[str, str]:
    given = {"HOST": "127.0.0.1", "PORT": str(port), "FROM": USER, "SECURITY": "starttls"} | more
    return {f"REPORTGEN_SMTP_{name}": value for name, value in given.items()}


def parsed(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


@pytest.mark.slow
def test_a_mail_arrives_as_it_was_meant(light: Run, folder: Path, certificate: Path, mailbox: Mailbox) -> None:
    people = ["--to", "a@example.org,b@example.org", "--cc", "c@example.org", "--bcc", "d@example.org"]
    more = ["--reply-to", "me@example.org", "--url", PAGE, "--ca-file", certificate]
    environment = settings(mailbox.port, USER=USER, PASSWORD=PASSWORD)
    done = light("email", folder, *people, *more, **environment)
    assert done.returncode == 0, done.stderr
    (envelope,) = mailbox.envelopes
    assert envelope.mail_from == USER
    assert envelope.rcpt_tos == [f"{name}@example.org" for name in "abcd"]
    content = envelope.content
    assert isinstance(content, bytes)
    assert content.isascii()
    mail = parsed(content)
    assert mail["From"] == f"reportgen <{USER}>"
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Cc"] == "c@example.org"
    assert mail["Reply-To"] == "me@example.org"
    assert mail["Subject"] == "[reportgen] Shapes: accuracy 83.3 % – 1 warning"
    assert mail["Message-ID"] == done.stdout.strip()
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert b"d@example.org" not in content
    left_out = "The PDF was left out" in done.stderr
    assert left_out == (len(content) < 30_000)
    if left_out:
        assert mail.get_content_type() == "multipart/alternative"
    else:
        assert mail.get_content_type() == "multipart/mixed"
        assert [part.get_content_type() for part in mail.iter_parts()] == ["multipart/alternative", "application/pdf"]
        (pdf,) = mail.iter_attachments()
        assert pdf.get_filename() == "shapes_2026-11-24.pdf"
        assert pdf.get_content() == PDF
    text, html = (cast(EmailMessage, mail.get_body((kind,))).get_content() for kind in ("plain", "html"))
    assert text.splitlines()[0] == "83.3\u00a0% of 6 test images are classified correctly; 1 warning."
    for part in (text, html):
        for finding in make_record().findings:
            assert finding.message in part
        assert ("not attached" in part) == left_out
    assert PAGE in text
    assert PAGE.replace("&", "&amp;") in html


@pytest.mark.slow
def test_a_wrong_password_is_refused_and_not_shown(
    light: Run, folder: Path, certificate: Path, mailbox: Mailbox
) -> None:
    environment = settings(mailbox.port, USER=USER, PASSWORD="not-the-passw0rd")
    done = light("email", folder, "--to", "a@example.org", "--ca-file", certificate, "--debug", **environment)
    assert done.returncode == 3
    assert "refuses the login" in done.stderr.splitlines()[-1]
    assert "not-the-passw0rd" not in done.stdout + done.stderr
    assert not mailbox.envelopes


@pytest.fixture(scope="module")
def debians() -> Iterator[postfix.Postfix]:
    if reason := postfix.missing():
        pytest.skip(reason)
    with postfix.running() as server:
        yield server


def test_postfix_delivers_it_into_the_mailboxes(light: Run, folder: Path, debians: postfix.Postfix) -> None:
    call = ["email", folder, "--to", "a@example.org", "--bcc", "b@example.org", "--ca-file", debians.certificate]
    done = light(*call, **settings(debians.port))
    assert done.returncode == 0, done.stderr
    for name in "ab":
        mail = parsed(debians.delivered(name))
        assert mail["Message-ID"] == done.stdout.strip()
        assert mail["To"] == "a@example.org"
        assert "Bcc" not in mail
        (pdf,) = mail.iter_attachments()
        assert pdf.get_content() == PDF


def test_postfix_refuses_one_recipient_and_delivers_to_the_other(
    light: Run, folder: Path, debians: postfix.Postfix
) -> None:
    call = ["email", folder, "--to", "nobody@example.org,a@example.org", "--ca-file", debians.certificate]
    done = light(*call, **settings(debians.port))
    assert done.returncode == 3
    assert "refused nobody@example.org (550 5.1.1" in done.stderr.splitlines()[-1]
    assert "took it for 1 of 2" in done.stderr
    assert parsed(debians.delivered("a"))["To"] == "nobody@example.org, a@example.org"


def test_postfix_gets_no_more_than_it_takes(light: Run, tmp_path: Path, debians: postfix.Postfix) -> None:
    large = write_report(tmp_path / "large", make_record(), PDF + bytes(postfix.SIZE_LIMIT))
    call = ["email", large, "--to", "a@example.org", "--ca-file", debians.certificate]
    done = light(*call, **settings(debians.port))
    assert done.returncode == 0, done.stderr
    assert not list(parsed(debians.delivered("a")).iter_attachments())


def test_postfix_takes_nothing_in_the_clear(light: Run, folder: Path, debians: postfix.Postfix) -> None:
    done = light("email", folder, "--to", "a@example.org", **settings(debians.port, SECURITY="none"))
    assert done.returncode == 3
    assert "530 5.7.0" in done.stderr
    assert "REPORTGEN_SMTP_SECURITY" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_dry_run_needs_neither_server_nor_tensorflow(run: Run, folder: Path, tmp_path: Path) -> None:
    """It is what a machine that only sends mail needs, too."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, sys\n"
        "for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'h5py', 'matplotlib', 'weasyprint'):\n"
        "    sys.modules[name] = None\n"  # importing it now raises ModuleNotFoundError
        "def refuse(*given, **named): raise AssertionError('the network was used')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n",
        encoding="utf-8",
    )
    path = f"{tmp_path}:{ROOT}"
    target = tmp_path / "mail.eml"
    call = ["email", folder, "--to", "a@example.org", "--dry-run", target, "--lang", "en"]
    done = run(*call, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{target}\n"
    assert "REPORTGEN_SMTP_FROM is not set" in done.stderr
    mail = parsed(target.read_bytes())
    assert mail["From"] == "reportgen <reportgen@localhost>"
    (pdf,) = mail.iter_attachments()
    assert pdf.get_content() == PDF
    again = run(*call, PYTHONPATH=path, REPORTGEN_SMTP_FROM=USER)
    assert "not set" not in again.stderr
    assert parsed(target.read_bytes())["From"] == f"reportgen <{USER}>"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ([], ["no recipient", "--to name@example.org"]),
        (["--to", "a@example.org\r\nBcc: v@example.org"], ["--to has 'a@example.org\\r\\nBcc: v@example.org'"]),
        (["--to", "a@exämple.org"], ["--to has", "xn--"]),
        (["--cc", "nobody"], ["--cc has 'nobody'"]),
        (["--to", "a@example.org", "--reply-to", "x@@example.org"], ["--reply-to has 'x@@example.org'"]),
        (["--to", "a@example.org", "--url", "javascript:alert(1)"], ["--url is 'javascript:alert(1)'", "https://"]),
        (["--to", "a@example.org", "--lang", "xx"], ["--lang is 'xx'", "en, ja"]),
        (["--to", "a@example.org", "--deadline", "0"], ["--deadline is 0"]),
        (["--to", "a@example.org", "--deadline", "nan"], ["--deadline is nan"]),
    ],
    ids=str,
)
def test_a_call_that_cannot_be_used(call: Call, folder: Path, options: list[str], parts: list[str]) -> None:
    done = call(folder, *options, "--dry-run", "mail.eml")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("reportgen: error: ")
    for part in parts:
        assert part in line


def test_settings_are_asked_for_before_anything_else(call: Call, tmp_path: Path) -> None:
    done = call(tmp_path / "nowhere", "--to", "a@example.org", REPORTGEN_SMTP_FROM="", REPORTGEN_SMTP_HOST="")
    assert done.exit_code == 2
    assert "REPORTGEN_SMTP_FROM is not set" in done.stderr
    done = call(tmp_path, "--to", "a@example.org", REPORTGEN_SMTP_FROM=USER, REPORTGEN_SMTP_HOST="")
    assert done.exit_code == 2
    assert "REPORTGEN_SMTP_HOST is not set" in done.stderr


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        ("nothing", ["report.json is missing"]),
        ("no pdf", ["report.pdf is missing", "`reportgen render"]),
        ("empty pdf", ["report.pdf is no PDF", "`reportgen render"]),
        ("torn json", ["report.json is no JSON"]),
        ("strange date", ["'yesterday' as made_at"]),
        ("no test split", ["report.json lacks evaluation.test"]),
    ],
)
def test_a_folder_that_cannot_be_sent(call: Call, tmp_path: Path, broken: str, parts: list[str]) -> None:
    record = make_record(
        **{"strange date": {"made_at": "yesterday"}, "no test split": {"evaluation": {}}}.get(broken, {})
    )
    pdf = {"no pdf": None, "empty pdf": b""}.get(broken, PDF)
    folder = write_report(tmp_path / "shapes", record, pdf)
    if broken == "nothing":
        shutil.rmtree(folder)
    if broken == "torn json":
        (folder / "report.json").write_bytes((folder / "report.json").read_bytes()[:500])
    done = call(folder, "--to", "a@example.org", "--dry-run", tmp_path / "mail.eml")
    assert done.exit_code == 2, done.stderr
    for part in parts:
        assert part in done.stderr.splitlines()[-1]
    assert not (tmp_path / "mail.eml").exists()


def test_a_file_that_cannot_be_written(call: Call, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = call(folder, "--to", "a@example.org", "--dry-run", tmp_path / "file" / "mail.eml")
    assert done.exit_code == 3
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(("unchanged", "is_sent"), [(True, False), (False, True), (None, True)])
def test_silence_means_that_nothing_changed(call: Call, tmp_path: Path, unchanged: bool | None, is_sent: bool) -> None:
    record = make_record()
    if unchanged is not None:
        record = dataclasses.replace(record, baseline=changed_from(record, unchanged=unchanged))
    folder = write_report(tmp_path / "shapes", record)
    done = call(folder, "--to", "a@example.org", "--dry-run", tmp_path / "mail.eml", "--if-changed")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "mail.eml").exists() == is_sent
    assert ("Nothing changed since the report of 2026-11-23T16:00:00Z" in done.stderr) == (not is_sent)

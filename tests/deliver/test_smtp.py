"""Sending against a server that misbehaves: what the user is told, how often it was sent, and what stays secret."""

import base64
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from reportgen.cli.commands.email import email
from reportgen.deliver import smtp
from reportgen.deliver.mail_server import MailServer, from_environment
from reportgen.errors import InputError, TryLaterError
from reportgen.record import record_file
from tests.helpers.builders import assert_one_line, make_record
from tests.helpers.smtp_server import (
    FEATURES,
    Accepted,
    Server,
    Step,
    drip,
    hang,
    hang_up,
    make_certificate,
    tls_context,
)

if shutil.which("openssl") is None:
    pytest.skip("no openssl on this machine to make a certificate with", allow_module_level=True)

USER, PASSWORD = "ci@example.org", "tr0ub4dor&3"
SECRETS = [PASSWORD, *(base64.b64encode(s.encode()).decode() for s in (PASSWORD, f"\0{USER}\0{PASSWORD}"))]
A, B, C = "a@example.org", "b@example.org", "c@example.org"
OTHER_TLS = {"wrong host": ("DNS:other.example.org",), "expired": ("IP:127.0.0.1",)}

app = typer.Typer()
app.command()(email)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good certificate for loopback, one for another name, and one that has expired."""
    made = {"good": make_certificate(tmp_path_factory.mktemp("good"), "DNS:localhost", "IP:127.0.0.1")}
    for name, names in OTHER_TLS.items():
        made[name] = make_certificate(tmp_path_factory.mktemp("other"), *names, expired=name == "expired")
    return made


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small report whose PDF is 50 kB of noise."""
    made = tmp_path_factory.mktemp("reports") / "shapes"
    made.mkdir()
    for name, content in record_file.to_bytes(make_record()).items():
        (made / name).write_bytes(content)
    (made / "report.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 200)
    return made


@dataclass(frozen=True)
class Case:
    """A scenario. code, says: of the command; mails: recipients of each mail that the server took.

    tries: how often it was connected to at least. security, user, ca: of the client; certificate: of the server, None
    without TLS.
    """

    code: int
    says: Sequence[str] = ()
    mails: Sequence[Sequence[str]] = ()
    script: dict[str, Sequence[Step]] = field(default_factory=dict)
    features: Sequence[str] = FEATURES
    to: Sequence[str] = (A, B)
    tries: int = 1
    deadline: float = 60
    security: str = "starttls"
    login: bool = True
    ca: str | None = "good"
    certificate: str | None = "good"
    at_once: bool = False
    handed_in: int | None = None


GREY = "451 4.7.1 Greylisted, please come back"
NO_USER = "550 5.1.1 No such user"
NO_ROOM = "452 4.2.2 Mailbox full"
IN_CLEAR: dict[str, Any] = {"security": "none", "certificate": None, "ca": None, "login": False}

SENT = {
    "all is well": Case(0, mails=[[A, B]]),
    "TLS from the start": Case(0, mails=[[A, B]], security="tls", at_once=True),
    "no TLS on this machine": Case(0, mails=[[A, B]], **IN_CLEAR),
    "no login": Case(0, mails=[[A, B]], login=False),
    "seven bits only": Case(
        0,
        mails=[[A, B]],
        features=["SIZE 50000000", "AUTH LOGIN"],
        script={"AUTH": ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"]},
    ),
    "no size told": Case(0, mails=[[A, B]], features=["AUTH PLAIN", "SIZE"]),
    "hangs after QUIT": Case(0, mails=[[A, B]], script={"QUIT": [hang]}),
    "hangs up at QUIT": Case(0, mails=[[A, B]], script={"QUIT": [hang_up]}),
    "replies put into the TLS handshake": Case(
        0, mails=[[A, B]], script={"STARTTLS": ["220 go\r\n250-x\r\n250 SIZE 5"]}
    ),
    "busy at first": Case(0, mails=[[A, B]], script={"banner": ["421 too many connections", "220 ready"]}, tries=2),
    "hangs up at first": Case(
        0, mails=[[A, B]], script={"EHLO": [hang_up, "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN"]}, tries=2
    ),
    "greylists": Case(0, mails=[[A, B]], script={"RCPT": [GREY, GREY, "250 ok"]}, tries=2),
    "greylists one": Case(0, mails=[[A], [B]], script={f"RCPT {B}": [GREY, "250 ok"]}, tries=2),
    "greylists the mail": Case(0, mails=[[A, B]], script={"end": [GREY, "250 ok"]}, tries=2, handed_in=2),
    "login does not work at first": Case(
        0, mails=[[A, B]], features=["AUTH PLAIN"], script={"AUTH": ["454 later", "235 ok"]}, tries=2
    ),
    "silent at first": Case(0, mails=[[A, B]], script={"MAIL": [hang, "250 ok"]}, tries=2, deadline=4),
}

REFUSED = {
    "554 instead of a greeting": Case(3, ["refuses", "554 no", "_HOST"], script={"banner": ["554 no"]}),
    "no SMTP": Case(3, ["no SMTP", "_PORT"], script={"banner": ["SSH-2.0-OpenSSH_9"]}),
    "an endless line": Case(3, ["Line too long"], script={"banner": ["220 " + "x" * 20_000]}),
    "no STARTTLS": Case(3, ["offers no STARTTLS", "_SECURITY=tls"], certificate=None),
    "STARTTLS refused": Case(3, ["501 not now"], script={"STARTTLS": ["501 not now"]}),
    "TLS where there is none": Case(3, ["does not speak TLS", "_SECURITY"], certificate=None, security="tls"),
    "signed by itself": Case(3, ["no valid certificate", "--ca-file"], ca=None),
    "signed by itself, TLS from the start": Case(3, ["no valid certificate"], ca=None, security="tls", at_once=True),
    "certificate of another": Case(3, ["no valid certificate"], certificate="wrong host", ca="wrong host"),
    "certificate expired": Case(3, ["no valid certificate", "expired"], certificate="expired", ca="expired"),
    "TLS demanded": Case(
        3, ["530 5.7.0 STARTTLS first", "_SECURITY"], script={"MAIL": ["530 5.7.0 STARTTLS first"]}, **IN_CLEAR
    ),
    "login refused": Case(
        3, ["refuses the login", "535 5.7.8", "_PASSWORD"], script={"AUTH": [f"535 5.7.8 {PASSWORD} is wrong"]}
    ),
    "login refused, echoed encoded": Case(3, ["refuses the login"], script={"AUTH": ["535 " + " ".join(SECRETS)]}),
    "no login offered": Case(3, ["offers no login", "_USER"], features=["SIZE 50000000"]),
    "a login that nobody knows": Case(3, ["cannot be talked to"], features=["AUTH GSSAPI"]),
    "a challenge that is none": Case(3, ["speaks no SMTP"], features=["AUTH CRAM-MD5"], script={"AUTH": ["334 a"]}),
    "challenges without end": Case(3, ["cannot be talked to"], script={"AUTH": ["334 VXNlcm5hbWU6"]}),
    "sender refused": Case(
        3, ["refuses the sender", USER, "553 5.7.1", "_FROM"], script={"MAIL": ["553 5.7.1 not you"]}
    ),
    "everybody refused": Case(3, ["refused", A, B, NO_USER], script={"RCPT": [NO_USER]}),
    "one refused": Case(3, [f"refused {B} ({NO_USER})", "took it for 1 of 2"], [[A]], script={f"RCPT {B}": [NO_USER]}),
    "one refused, one put off": Case(
        3,
        [f"refused {B} ({NO_USER})", f"did not take the mail for {C} ({NO_ROOM})", "took it for 1 of 3"],
        [[A]],
        script={f"RCPT {B}": [NO_USER], f"RCPT {C}": [NO_ROOM]},
        to=(A, B, C),
        tries=2,
    ),
    "login refused when one still waits": Case(
        3,
        [f"refused {B}", "refuses the login", "took it for 1 of 2"],
        [[A]],
        script={f"RCPT {B}": [NO_ROOM], "AUTH": ["235 ok", "535 no"]},
        tries=2,
    ),
    "mail refused": Case(3, ["554 5.7.1 Spam"], script={"end": ["554 5.7.1 Spam"]}, handed_in=1),
    "mail too large": Case(3, ["552 5.3.4 Too big"], script={"end": ["552 5.3.4 Too big"]}, handed_in=1),
    "DATA refused": Case(3, ["503 no"], script={"DATA": ["503 no"]}),
    "DATA answered wrongly": Case(3, ["250 what"], script={"DATA": ["250 what"]}),
    "no room at all": Case(3, ["takes at most 2,000 bytes"], features=["SIZE 2000", "AUTH PLAIN"]),
    "a reply that dresses up": Case(3, ["550 [31mred"], script={"RCPT": ["550 \x1b[31mred\u202e\x07 " + "x" * 500]}),
}

PUT_OFF = {
    "hangs up": Case(75, ["the connection broke"], script={"banner": [hang_up]}, tries=5),
    "421 instead of a greeting": Case(75, ["421 too busy", "later"], script={"banner": ["421 too busy"]}, tries=5),
    "STARTTLS put off": Case(75, ["454 later"], script={"STARTTLS": ["454 later"]}, tries=5),
    "hangs up in the handshake": Case(75, ["connection"], script={"STARTTLS": [hang_up]}, tries=5),
    "login put off": Case(75, ["454 4.7.0 later"], script={"AUTH": ["454 4.7.0 later"]}, tries=5),
    "sender put off": Case(75, ["451 later"], script={"MAIL": ["451 later"]}, tries=5),
    "greylists for ever": Case(75, [GREY, A, B], script={"RCPT": [GREY]}, tries=5),
    "closes in between": Case(75, ["421 closing"], script={f"RCPT {B}": ["421 closing"]}, tries=5),
    "one put off": Case(
        75,
        [f"did not take the mail for {B} ({NO_ROOM})", "took it for 1 of 2", "to those who did not get it"],
        [[A]],
        script={f"RCPT {B}": [NO_ROOM]},
        tries=5,
    ),
    "the mail put off": Case(75, [GREY], script={"end": [GREY]}, tries=5, handed_in=5),
    "silent": Case(75, ["no answer in time"], script={"banner": [hang]}, deadline=0.6),
    "drips": Case(75, ["no answer in time"], script={"banner": [drip]}, deadline=0.6),
    "drips under TLS": Case(75, ["no answer in time"], script={"RCPT": [drip]}, deadline=0.6),
}

UNKNOWN = {
    "hangs up after the mail": Case(
        75, ["did not say whether", A, B, "see whether it arrived"], script={"end": [hang_up]}, handed_in=1
    ),
    "silent after the mail": Case(
        75, ["did not say whether", "no answer in time"], script={"end": [hang]}, deadline=1.5, handed_in=1
    ),
    "drips after the mail": Case(
        75, ["did not say whether", "no answer in time"], script={"end": [drip]}, deadline=1.5, handed_in=1
    ),
    "nonsense after the mail": Case(75, ["did not say whether", "no SMTP"], script={"end": ["hello"]}, handed_in=1),
    "hangs up after the mail, one refused": Case(
        3,
        [f"refused {B}", f"did not say whether it took the mail for {A}"],
        script={"end": [hang_up], f"RCPT {B}": [NO_USER]},
        handed_in=1,
    ),
    "hangs up after the mail, one put off": Case(
        75,
        [f"did not say whether it took the mail for {A}", "took it for 1 of 2"],
        [[B]],
        script={"end": [hang_up, "250 ok"], f"RCPT {B}": [NO_ROOM, "250 ok"]},
        handed_in=2,
    ),
}

CASES = SENT | REFUSED | PUT_OFF | UNKNOWN
Send = Callable[..., Result]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "FROM", "SECURITY"):
        monkeypatch.delenv(f"REPORTGEN_SMTP_{name}", raising=False)
    yield monkeypatch


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses between tries so short that only what waits for an answer takes time."""
    monkeypatch.setattr(smtp, "PAUSES", (0.0, 0.0001, 0.0002, 0.0003, 0.0004))


@pytest.fixture
def send(impatient: None, environment: pytest.MonkeyPatch, folder: Path, certificates: dict[str, Path]) -> Send:
    """Return a function that sends the report to a server as a case wants it."""

    def call(case: Case, port: int) -> Result:
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "FROM": USER, "SECURITY": case.security}
        if case.login:
            settings |= {"USER": USER, "PASSWORD": PASSWORD}
        for name, value in settings.items():
            environment.setenv(f"REPORTGEN_SMTP_{name}", value)
        options = ["--debug", "--deadline", str(case.deadline), *(f"--to={one}" for one in case.to)]
        if case.ca:
            options += ["--ca-file", str(certificates[case.ca])]
        return CliRunner().invoke(app, [str(folder), *options])

    return call


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_what_a_server_can_do(name: str, send: Send, certificates: dict[str, Path]) -> None:
    case = CASES[name]
    tls = tls_context(certificates[case.certificate]) if case.certificate else None
    started = time.monotonic()
    with Server(case.script, features=case.features, tls=tls, at_once=case.at_once) as server:
        done = send(case, server.port)
    took = time.monotonic() - started
    assert done.exit_code == case.code, done.output
    assert [mail.recipients for mail in server.mails] == [list(mail) for mail in case.mails]
    assert case.handed_in is None or server.handed_in == case.handed_in
    assert case.tries <= server.connections <= len(smtp.PAUSES)
    assert took < case.deadline + 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("reportgen: error: ") == (case.code != 0)
    assert last.isprintable()
    for part in case.says:
        assert part in last
    for secret in SECRETS:
        assert secret not in done.output
    assert (len(done.stdout.split()) == 1) == (case.code == 0), "the Message-ID of what was sent, and nothing else"
    assert case.security == "none" or not {"AUTH", "MAIL", "RCPT", "DATA"} & set(server.in_clear)


def ids(mails: Sequence[Accepted]) -> set[str]:
    return {message_from_bytes(mail.content, policy=policy.default)["Message-ID"] for mail in mails}


def test_a_mail_that_is_sent_in_two_parts_or_again_is_the_same_mail(send: Send, certificates: dict[str, Path]) -> None:
    case = SENT["greylists one"]
    with Server(case.script, tls=tls_context(certificates["good"])) as server:
        done = [send(case, server.port) for _ in range(2)]
    assert [one.exit_code for one in done] == [0, 0]
    assert len(server.mails) == 3
    assert ids(server.mails) == {done[0].stdout.strip()} == {done[1].stdout.strip()}


def test_no_password_is_asked_for_before_tls(send: Send) -> None:
    with Server() as server:
        assert send(REFUSED["no STARTTLS"], server.port).exit_code == 3
    assert server.in_clear == ["EHLO", "QUIT"]


def test_where_there_is_no_room_for_the_pdf_the_mail_says_so(
    environment: pytest.MonkeyPatch, folder: Path, certificates: dict[str, Path]
) -> None:
    with Server(features=["SIZE 30000"], tls=tls_context(certificates["good"])) as server:
        for name, value in {"HOST": "localhost", "PORT": str(server.port), "FROM": USER}.items():
            environment.setenv(f"REPORTGEN_SMTP_{name}", value)
        page = "https://example.org/r/report.html"
        call = [str(folder), "--to", A, "--url", page, "--ca-file", str(certificates["good"])]
        done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert "The PDF was left out" in done.stderr
    (mail,) = server.mails
    assert f"SIZE={len(mail.content)}" in " ".join(server.commands)
    found = message_from_bytes(mail.content, policy=policy.default)
    assert [part.get_content_type() for part in found.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    for kind in ("plain", "html"):
        said = found.get_body((kind,)).get_content()
        assert "not attached" in said
        assert page in said


@pytest.mark.parametrize(
    "failure", [ConnectionRefusedError(111, "Connection refused"), socket.gaierror(-2, "Name or service not known")]
)
def test_a_server_that_cannot_be_reached_is_tried_again(
    failure: OSError, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(*given: object, **named: object) -> None:
        tried.append(given)
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    done = send(Case(75), 25)
    assert done.exit_code == 75
    assert str(failure.strerror) in done.stderr.splitlines()[-1]
    assert len(tried) == len(smtp.PAUSES)


def test_a_closed_port(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = send(Case(75), port)
    assert done.exit_code == 75
    assert "Connection refused" in done.stderr.splitlines()[-1]
    assert done.stderr.count("trying again") == len(smtp.PAUSES) - 1


def test_the_pauses_fit_into_the_time_that_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = MailServer("127.0.0.1", taken.getsockname()[1], "none", None, None, None)
    heard: list[str] = []
    started = time.monotonic()
    with pytest.raises(TryLaterError) as caught:
        smtp.send(settings, A, [B], [b""], seconds=1, say=heard.append)
    assert time.monotonic() - started < 1
    assert 1 <= len(heard) <= len(smtp.PAUSES) - 1
    assert "Connection refused; trying again in 0.02 s (2 of 5)" in heard[0]
    assert_one_line(caught.value, "Connection refused", B)


@pytest.mark.slow
def test_a_connection_that_breaks_while_the_mail_is_on_its_way_is_no_doubt(
    impatient: None, certificates: dict[str, Path]
) -> None:
    """The mail is larger than what waits in the system's buffers, so its last line cannot have left."""
    mail = b"Subject: large\r\n\r\n" + (b"y" * 900 + b"\r\n") * 20_000
    context = ssl.create_default_context(cafile=str(certificates["good"]))

    def drop(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"354 go ahead\r\n")
        hang_up(server, connection)

    with Server({"DATA": [drop, "354 go ahead"]}, tls=tls_context(certificates["good"])) as server:
        settings = MailServer("127.0.0.1", server.port, "starttls", None, None, context)
        assert smtp.send(settings, A, [B], [mail], seconds=60, say=lambda line: None)
    assert server.connections == 2
    assert [found.content for found in server.mails] == [mail]


def test_dots_at_the_beginning_of_lines_arrive(certificates: dict[str, Path]) -> None:
    mail = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nx.\r\n"
    with Server() as server:
        settings = MailServer("127.0.0.1", server.port, "none", None, None, None)
        smtp.send(settings, A, [B], [mail], seconds=5, say=lambda line: None)
    assert server.mails[0].content == mail


GOOD = {"REPORTGEN_SMTP_HOST": "mail.example.org", "REPORTGEN_SMTP_USER": USER, "REPORTGEN_SMTP_PASSWORD": PASSWORD}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"HOST": ""}, ["HOST is not set", "--dry-run"]),
        ({"HOST": "mail.example.org:25"}, ["'mail.example.org:25'", "_PORT"]),
        ({"HOST": "mail example"}, ["'mail example'"]),
        ({"PORT": "smtp"}, ["PORT is 'smtp'", "65535"]),
        ({"PORT": "0"}, ["PORT is '0'"]),
        ({"PORT": "65536"}, ["PORT is '65536'"]),
        ({"SECURITY": "ssl"}, ["SECURITY is 'ssl'", "starttls, tls, none"]),
        ({"SECURITY": "none"}, ["mail.example.org is another machine", "tls"]),
        ({"SECURITY": "none", "HOST": "192.168.1.1"}, ["192.168.1.1 is another machine"]),
        ({"SECURITY": "none", "HOST": "localhost.example.org"}, ["another machine"]),
        ({"PASSWORD": ""}, ["_USER is set", "_PASSWORD is not"]),
        ({"USER": ""}, ["_PASSWORD is set", "_USER is not"]),
        ({"PASSWORD": "s3crét"}, ["_PASSWORD", "not ASCII"]),
        ({"PASSWORD": "s3cret\r\nQUIT"}, ["_PASSWORD", "line break"]),
        ({"USER": "ci\nQUIT"}, ["_USER", "line break"]),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(changes: dict[str, str], parts: list[str]) -> None:
    settings = GOOD | {f"REPORTGEN_SMTP_{name}": value for name, value in changes.items()}
    with pytest.raises(InputError) as caught:
        from_environment(settings)
    assert_one_line(caught.value, *parts)
    assert "s3cr" not in str(caught.value)


def test_what_is_not_set_has_a_default() -> None:
    server = from_environment({"REPORTGEN_SMTP_HOST": " mail.example.org\n", "REPORTGEN_SMTP_USER": ""})
    assert (str(server), server.security, server.user) == ("mail.example.org:587", "starttls", None)
    assert server.context
    assert server.context.check_hostname
    assert server.context.verify_mode is ssl.CERT_REQUIRED
    assert from_environment(GOOD | {"REPORTGEN_SMTP_SECURITY": "tls"}).port == 465
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
        assert from_environment({"REPORTGEN_SMTP_HOST": host, "REPORTGEN_SMTP_SECURITY": "none"}).port == 25


def test_the_settings_do_not_show_the_password() -> None:
    server = from_environment(GOOD)
    assert server.password == PASSWORD
    assert PASSWORD not in f"{server!r} {server}"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_is_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(InputError) as caught:
        from_environment(GOOD, tmp_path / "ca.pem")
    assert_one_line(caught.value, "ca.pem")

"""A mail server on loopback that does what a test wants, and writes down what it was told.

`script` maps a step to what happens there, one entry a time, the last one again and again: a reply as text, or one of
`hang`, `hang_up`, `drip`. The steps: "banner", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT" or "RCPT <address>", "DATA",
"end" (the answer to the mail itself), "QUIT". What is not in the script is answered as a willing server would.
"""

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

FEATURES = ("8BITMIME", "SIZE 50000000", "AUTH PLAIN LOGIN")

Step = str | Callable[["Server", socket.socket], None]


class HangUp(Exception):
    """The conversation is over, from the server's side."""


def hang_up(server: "Server", connection: socket.socket) -> None:
    """Close the connection without a word."""
    raise HangUp


def hang(server: "Server", connection: socket.socket) -> None:
    """Say nothing until the test is over."""
    server.stopped.wait(60)
    raise HangUp


def drip(server: "Server", connection: socket.socket) -> None:
    """Begin a reply, and never come to its end."""
    connection.sendall(b"250-")
    while not server.stopped.wait(0.02):
        connection.sendall(b"x")
    raise HangUp


@dataclass
class Accepted:
    """A mail that the server took."""

    recipients: list[str]
    content: bytes


@dataclass
class Server:
    """See the module. tls: offers STARTTLS; at_once: begins with TLS. in_clear: the
    commands that came without TLS. handed_in: mails that came in whole."""

    script: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    features: Sequence[str] = FEATURES
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    in_clear: list[str] = field(default_factory=list)
    handed_in: int = 0
    mails: list[Accepted] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.stopped = threading.Event()
        self._script = {step: list(what) for step, what in self.script.items()}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._start(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while not self.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                connection = self._listener.accept()[0]
                connection.settimeout(60)
                self.connections += 1
                self._start(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, HangUp), _Conversation(self, connection) as conversation:
            conversation.run()

    def step(self, *names: str) -> Step | None:
        """Return what the script has for the first of the steps that it knows."""
        for name in names:
            if planned := self._script.get(name):
                return planned.pop(0) if len(planned) > 1 else planned[0]
        return None


class _Conversation:
    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.secured = False
        self.recipients: list[str] = []

    def __enter__(self) -> Self:
        if self.server.at_once:
            self._secure()
        self.file = self.connection.makefile("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.connection.close()

    def run(self) -> None:
        self.answer("220 test.example.org ready", "banner")
        while line := self.file.readline():
            command = line.decode("latin-1").strip()
            verb = command.split(" ")[0].upper()
            self.server.commands.append(command)
            if not self.secured:
                self.server.in_clear.append(verb)
            getattr(self, f"on_{verb.lower()}", self.on_unknown)(command)

    def answer(self, reply: str, *names: str) -> str:
        """Do what the script says, or else send `reply`; return what was sent."""
        planned = self.server.step(*names)
        if callable(planned):
            planned(self.server, self.connection)
        said = planned if isinstance(planned, str) else reply
        self.connection.sendall(f"{said}\r\n".encode())
        return said

    def on_unknown(self, command: str) -> None:
        self.answer("500 unknown", "unknown")

    def on_ehlo(self, command: str) -> None:
        offers = [*self.server.features, *(["STARTTLS"] if self.server.tls and not self.secured else [])]
        lines = ["test.example.org", *offers]
        self.answer(
            "\r\n".join(f"250{'-' if n < len(lines) else ' '}{line}" for n, line in enumerate(lines, 1)), "EHLO"
        )

    def on_helo(self, command: str) -> None:
        self.answer("250 test.example.org", "HELO")

    def on_starttls(self, command: str) -> None:
        if self.answer("220 go ahead", "STARTTLS").startswith("220"):
            self.file.close()
            self._secure()
            self.file = self.connection.makefile("rb")

    def on_auth(self, command: str) -> None:
        reply = self.answer("235 welcome", "AUTH")
        while reply.startswith("334"):
            self.server.commands.append(self.file.readline().decode("latin-1").strip())
            reply = self.answer("535 no", "AUTH")

    def on_mail(self, command: str) -> None:
        self.recipients = []
        self.answer("250 ok", "MAIL")

    def on_rcpt(self, command: str) -> None:
        address = re.findall("<(.*)>", command)[0]
        if self.answer("250 ok", f"RCPT {address}", "RCPT").startswith("250"):
            self.recipients.append(address)

    def on_data(self, command: str) -> None:
        if not self.answer("354 go ahead", "DATA").startswith("354"):
            return
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise HangUp
            lines.append(line.removeprefix(b"."))
        self.server.handed_in += 1
        if self.answer("250 taken", "end").startswith("250"):
            self.server.mails.append(Accepted(self.recipients, b"".join(lines)))

    def on_quit(self, command: str) -> None:
        self.answer("221 bye", "QUIT")
        raise HangUp

    def _secure(self) -> None:
        assert self.server.tls
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.secured = True


def make_certificate(folder: Path, *names: str, expired: bool = False) -> Path:
    """Return a file with a key and a certificate, signed by itself, for names such as "DNS:localhost"."""
    settings, key, certificate, made = (folder / name for name in ("settings", "key", "certificate", "server.pem"))
    settings.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=test\n[more]\n"
        f"subjectAltName={','.join(names)}\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid:always\nkeyUsage=critical,digitalSignature,keyCertSign\n",
        encoding="utf-8",
    )
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(*new, "-config", settings, "-keyout", key, "-out", certificate)
    if expired:
        _openssl("x509", "-in", certificate, "-signkey", key, "-days", "-1", "-out", certificate)
    made.write_bytes(key.read_bytes() + certificate.read_bytes())
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def tls_context(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs to show the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context

"""Which mail server to use: settings from the environment, checked before anything else is done."""

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reportgen.deliver.message import address
from reportgen.errors import InputError

PREFIX = "REPORTGEN_SMTP_"
PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""The ways a connection can be secured, with the port that each one has by default."""

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in.

    security: a key of PORTS. user, password: None where nobody logs in. context: of TLS, None for "none".
    """

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)
    context: ssl.SSLContext | None = field(repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def from_environment(environment: Mapping[str, str], ca_file: Path | None = None) -> MailServer:
    """Return the server that the variables REPORTGEN_SMTP_* name.

    ca_file: certificates to trust instead of the system's. Raises InputError.
    """
    host = _setting(environment, "HOST")
    if host is None:
        raise InputError("REPORTGEN_SMTP_HOST is not set", "name the mail server, or look at the mail with --dry-run")
    if not _HOST.fullmatch(host) or host.count(":") == 1:
        raise InputError(
            f"REPORTGEN_SMTP_HOST is {host!r}", "expected a name or an address; the port goes into REPORTGEN_SMTP_PORT"
        )
    security = _setting(environment, "SECURITY") or "starttls"
    if security not in PORTS:
        raise InputError(f"REPORTGEN_SMTP_SECURITY is {security!r}", f"expected one of {', '.join(PORTS)}")
    if security == "none" and not _is_loopback(host):
        raise InputError(
            f"REPORTGEN_SMTP_SECURITY is 'none', but {host} is another machine",
            "use starttls or tls: without them everybody on the way can read the mail",
        )
    user, password = _login(environment)
    return MailServer(
        host=host,
        port=_port(environment, security),
        security=security,
        user=user,
        password=password,
        context=None if security == "none" else _context(ca_file),
    )


def sender(environment: Mapping[str, str]) -> str | None:
    """Return the address in REPORTGEN_SMTP_FROM, None where it is not set. Raises InputError."""
    given = _setting(environment, "FROM")
    return None if given is None else address(given, "REPORTGEN_SMTP_FROM")


def _setting(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable without blanks around it; an empty one is none, as a CI job gives where a secret lacks."""
    return environment.get(PREFIX + name, "").strip() or None


def _port(environment: Mapping[str, str], security: str) -> int:
    given = _setting(environment, "PORT") or str(PORTS[security])
    if not re.fullmatch(r"[0-9]{1,5}", given) or not 0 < int(given) < 65536:
        raise InputError(f"REPORTGEN_SMTP_PORT is {given!r}", "expected a number from 1 to 65535")
    return int(given)


def _login(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    user = _setting(environment, "USER")
    password = environment.get(f"{PREFIX}PASSWORD") or None
    if (user is None) != (password is None):
        given, lacking = ("PASSWORD", "USER") if user is None else ("USER", "PASSWORD")
        raise InputError(f"{PREFIX}{given} is set, but {PREFIX}{lacking} is not", "set both, or neither for no login")
    for name, value in (("USER", user), ("PASSWORD", password)):
        if value is not None and not re.fullmatch(r"[\x20-\x7e]+", value):  # the value itself is not shown
            raise InputError(f"{PREFIX}{name} has a line break or a character that is not ASCII", "set it without")
    return user, password


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that checks certificate and host name."""
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise InputError(f"--ca-file {ca_file} holds no certificate", "give a file of certificates in PEM") from error
    except OSError as error:
        raise InputError(f"--ca-file {ca_file} cannot be read ({error.strerror})", "give a file that can") from error

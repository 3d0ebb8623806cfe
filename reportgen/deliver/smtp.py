"""A mail to the world: handed to one server over TLS, tried again for a bounded time, and to nobody twice.

Longer than most modules: one conversation with a server, whose states would be torn apart elsewhere.
"""

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from reportgen import format
from reportgen.deliver.mail_server import MailServer
from reportgen.errors import SurroundingsError, TryLaterError, one_line

PAUSES = (0.0, 0.02, 0.08, 0.2, 0.35)
"""How long to wait before each try, as shares of the whole time."""

_SILENCE = 0.2
"""How long a server may say nothing before a try is given up, as a share of the whole time."""

_GOODBYE = 2.0
"""Seconds that a server has to answer QUIT; what it says to that does not matter."""

_LOCAL_NAME = "[127.0.0.1]"
"""What the server is told for a name: to find out the real one costs time, and it is nobody's business."""

_LISTED = 5


@dataclass(frozen=True)
class _Reply:
    """What a server answered. code: -1 where it was no SMTP, 0 where there was no answer."""

    code: int
    words: str

    def __str__(self) -> str:
        if self.code < 0:
            return "its answer is no SMTP"
        return f"{self.code} {self.words}".strip() if self.code else self.words

    @property
    def good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500


@dataclass(frozen=True)
class _Clock:
    """end: when everything must be over (time.monotonic). silence: seconds to wait for one answer."""

    end: float
    silence: float

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    @property
    def left(self) -> float:
        return max(self.end - time.monotonic(), 0.001)  # 0 would mean not to wait at all, which is another thing

    @property
    def step(self) -> float:
        return min(self.silence, self.left)


class _PutOff(Exception):
    """Nobody has got the mail in this try, and another one may do better."""


@dataclass
class _Recipients:
    """Who has got the mail, and who has not, with the reason.

    waiting: has not got it yet. refused: will not get it. unknown: it was sent, and no answer came.
    """

    waiting: dict[str, str]
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)

    def settle(self, address: str, reply: _Reply) -> None:
        """Note down the last word about a recipient."""
        if reply.temporary:
            self.waiting[address] = str(reply)
            return
        del self.waiting[address]
        there = self.accepted if reply.good else self.unknown if reply.code < 1 else self.refused
        there[address] = str(reply)


def send(
    server: MailServer,
    sender: str,
    recipients: Sequence[str],
    messages: Sequence[bytes],
    *,
    seconds: float,
    say: Callable[[str], None],
) -> bool:
    """Hand a mail to a server for every recipient, and return whether they all got the first of the messages.

    messages: the mail and what can go in its place, each smaller than the one before; the first one that the server
    has room for is sent. seconds: for everything, tries and pauses; only the look-up of the server's name can take
    longer. say: is told in a line what is waited for.
    Raises SurroundingsError where somebody is refused for good or the server cannot be used, TryLaterError where it
    was busy for all that time, and where nobody knows whether it took the mail: that is not sent again.
    """
    clock = _Clock(time.monotonic() + seconds, _SILENCE * seconds)
    found = _Recipients(waiting=dict.fromkeys(recipients, ""))
    whole = True
    for number, share in enumerate(PAUSES, 1):
        pause = share * seconds
        if pause + clock.silence > clock.left:  # a try that is cut off can leave nothing but doubt
            break
        if pause:
            reason = next(iter(found.waiting.values()))
            say(f"{server}: {reason}; trying again in {format.number(pause)} s ({number} of {len(PAUSES)}).")
            time.sleep(pause)
        try:
            whole = _hand_over(server, sender, found, messages, clock) and whole
        except _PutOff as why:
            cut_off = clock.over  # then what the server said before tells more
            found.waiting = {who: said if cut_off and said else str(why) for who, said in found.waiting.items()}
        except SurroundingsError as error:
            if not (found.accepted or found.unknown):
                raise
            found.refused |= dict.fromkeys(found.waiting, str(error))
            found.waiting = {}
        if not found.waiting:
            break
    _conclude(server, found)
    return whole


def _conclude(server: MailServer, found: _Recipients) -> None:
    """Raise unless everybody got the mail, and say what became of each."""
    says = [
        f"{what} {_listed(addresses)}"
        for what, addresses in (
            ("refused", found.refused),
            ("did not say whether it took the mail for", found.unknown),
            ("did not take the mail for", found.waiting),
        )
        if addresses
    ]
    if not says:
        return
    if found.accepted:
        says.append(f"took it for {len(found.accepted)} of {sum(map(len, vars(found).values()))}")
    what = f"{server} {', '.join(says)}"
    if found.refused:
        raise SurroundingsError(what, "correct that, and send only to those who did not get it")
    if found.unknown:
        raise TryLaterError(what, "see whether it arrived before sending it again")
    alone = " to those who did not get it" if found.accepted else ""
    raise TryLaterError(what, f"send it again later{alone}")


def _listed(addresses: Mapping[str, str]) -> str:
    """Return the first addresses with the reason of the first: "a@e.org, b@e.org (550 no such user)"."""
    shown = ", ".join(list(addresses)[:_LISTED])
    more = f" and {len(addresses) - _LISTED} more" if len(addresses) > _LISTED else ""
    return f"{shown}{more} ({next(iter(addresses.values()))})"


def _hand_over(server: MailServer, sender: str, found: _Recipients, messages: Sequence[bytes], clock: _Clock) -> bool:
    """Try once, note down what became of each waiting recipient, and return whether the first message was sent."""
    with _conversation(server, clock) as smtp:
        message = _fitting(server, smtp, messages)
        options = [f"SIZE={len(message)}"] if smtp.has_extn("size") else []
        _accepted(server, smtp.mail(sender, options), f"the sender {sender}", "check REPORTGEN_SMTP_FROM")
        taken = [address for address in list(found.waiting) if _named(server, smtp, address, found)]
        if taken:
            reply = _data(server, smtp, message, clock)
            for address in taken:
                found.settle(address, reply)
    return message is messages[0]


def _named(server: MailServer, smtp: smtplib.SMTP, address: str, found: _Recipients) -> bool:
    """Return whether the server will take the mail for `address`; note down where it will not."""
    reply = _reply(server, smtp.rcpt(address))
    if reply.code == 421:  # it closes the connection
        raise _PutOff(str(reply))
    if reply.code < 0:
        raise smtplib.SMTPResponseException(reply.code, reply.words)
    if not reply.good:
        found.settle(address, reply)
    return reply.good


def _data(server: MailServer, smtp: smtplib.SMTP, message: bytes, clock: _Clock) -> _Reply:
    """Send the message and return the answer to its end; code 0 where none came and nobody knows what became of it."""
    ready = _reply(server, smtp.docmd("DATA"))
    if ready.good or ready.code < 0:
        raise smtplib.SMTPResponseException(ready.code, ready.words)
    if ready.code != 354:
        return ready
    assert smtp.sock is not None
    smtp.sock.settimeout(clock.left)  # all there is: what comes now must not be given up lightly
    # where this fails, the line with the single dot has not been sent, so that the server cannot have taken the mail
    smtp.send(re.sub(rb"^\.", b"..", message, flags=re.MULTILINE) + b".\r\n")
    try:
        reply = _reply(server, smtp.getreply())
    except OSError as error:  # smtplib's own errors are of that kind
        return _Reply(0, f"after it was sent: {_reason(error, clock)}")
    return reply if reply.good or reply.code >= 400 else _Reply(0, f"after it was sent: {reply}")


def _fitting(server: MailServer, smtp: smtplib.SMTP, messages: Sequence[bytes]) -> bytes:
    """Return the first message that is not larger than the server takes."""
    limit = smtp.esmtp_features.get("size", "")
    most = int(limit) if limit.isascii() and limit.isdigit() else 0  # 0 and nothing: no limit
    for message in messages:
        if not most or len(message) <= most:
            return message
    raise SurroundingsError(
        f"{server} takes at most {most:,} bytes, and the mail has {len(messages[-1]):,} even so",
        "ask for a higher limit, or use another server",
    )


@contextlib.contextmanager
def _conversation(server: MailServer, clock: _Clock) -> Iterator[smtplib.SMTP]:
    """Yield a conversation that is secured and logged in, and end it.

    Raises _PutOff and SurroundingsError for whatever goes wrong in it.
    """
    with _understood(server, clock), _connected(server, clock) as sock:
        if server.security == "tls" and server.context:
            sock = server.context.wrap_socket(sock, server_hostname=server.host)
        smtp = _Conversation(server, sock)
        try:
            smtp.ehlo_or_helo_if_needed()
            _secure(server, smtp)
            _log_in(server, smtp)
            yield smtp
        finally:
            _say_goodbye(smtp, clock)


class _Conversation(smtplib.SMTP):
    """SMTP over a connection that is already there."""

    def __init__(self, server: MailServer, sock: socket.socket) -> None:
        self._given = sock
        super().__init__(server.host, server.port, local_hostname=_LOCAL_NAME)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._given


@contextlib.contextmanager
def _connected(server: MailServer, clock: _Clock) -> Iterator[socket.socket]:
    """Yield a connection that breaks when the time is over, whatever is being read or written.

    A time-out alone does not do that: it begins anew with each byte.
    """
    with _connect(server, clock) as sock, sock.dup() as wire:  # the same connection still when TLS has taken over
        timer = threading.Timer(clock.left, _break, [wire])
        timer.daemon = True
        timer.start()
        try:
            yield sock
        finally:
            timer.cancel()
            timer.join()


def _break(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end was faster
        wire.shutdown(socket.SHUT_RDWR)


def _connect(server: MailServer, clock: _Clock) -> socket.socket:
    """Return a connection to the first address of the server that can be reached."""
    failure = OSError(f"{server.host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(clock.step)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _secure(server: MailServer, smtp: smtplib.SMTP) -> None:
    """Begin TLS where it did not begin with the connection. Never goes on without."""
    if server.security != "starttls":
        return
    if not smtp.has_extn("starttls"):
        raise SurroundingsError(
            f"{server} offers no STARTTLS, so everybody on the way could read the mail",
            "set REPORTGEN_SMTP_SECURITY=tls and the port if it begins with TLS, else ask who runs it",
        )
    smtp.starttls(context=server.context)
    smtp.ehlo_or_helo_if_needed()


def _log_in(server: MailServer, smtp: smtplib.SMTP) -> None:
    if server.user is None or server.password is None:
        return
    try:
        smtp.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError as error:
        reply = _reply(server, (error.smtp_code, error.smtp_error))
        _refused(server, reply, "the login", "check REPORTGEN_SMTP_USER and REPORTGEN_SMTP_PASSWORD")
    except smtplib.SMTPNotSupportedError:
        raise SurroundingsError(
            f"{server} offers no login", "unset REPORTGEN_SMTP_USER and _PASSWORD, or check the port"
        ) from None


def _say_goodbye(smtp: smtplib.SMTP, clock: _Clock) -> None:
    with contextlib.suppress(OSError):
        if smtp.sock:
            smtp.sock.settimeout(min(_GOODBYE, clock.step))
            smtp.quit()
    smtp.close()


@contextlib.contextmanager
def _understood(server: MailServer, clock: _Clock) -> Iterator[None]:
    """Turn what smtplib, ssl and socket raise into _PutOff, or into SurroundingsError where no other try can help.

    `from None`: a server can answer with what it was sent, and a traceback must not show a password either.
    """
    speaks_no_smtp = "check REPORTGEN_SMTP_HOST, _PORT and _SECURITY"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise SurroundingsError(
            f"{server} has no valid certificate ({error.verify_message})",
            "check REPORTGEN_SMTP_HOST, or name who signed it with --ca-file",
        ) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise _PutOff(_reason(error, clock)) from None
    except ssl.SSLError as error:
        raise SurroundingsError(f"{server} does not speak TLS ({_reason(error, clock)})", speaks_no_smtp) from None
    except smtplib.SMTPServerDisconnected as error:
        raise _PutOff(_reason(error, clock)) from None
    except smtplib.SMTPResponseException as error:
        reply = _reply(server, (error.smtp_code, error.smtp_error))
        _refused(server, reply, "the conversation", speaks_no_smtp)
    except smtplib.SMTPException as error:
        said = _clean(str(error), server)
        raise SurroundingsError(f"{server} cannot be talked to ({said})", speaks_no_smtp) from None
    except OSError as error:
        raise _PutOff(_reason(error, clock)) from None
    except ValueError as error:  # a login's challenge that is no base64
        raise SurroundingsError(f"{server} speaks no SMTP ({_clean(str(error), server)})", speaks_no_smtp) from None


def _accepted(server: MailServer, reply: tuple[int, bytes | str], what: str, do: str) -> None:
    """Raise unless the server's reply to `what` is good."""
    found = _reply(server, reply)
    if not found.good:
        _refused(server, found, what, do)


def _refused(server: MailServer, reply: _Reply, what: str, do: str) -> NoReturn:
    """Raise _PutOff where the server may take `what` another time, else SurroundingsError."""
    if reply.temporary:
        raise _PutOff(str(reply)) from None
    if reply.code == 530:  # it wants TLS or a login first
        do = "check REPORTGEN_SMTP_SECURITY, _USER and _PASSWORD"
    raise SurroundingsError(f"{server} refuses {what} ({reply})", do) from None


def _reply(server: MailServer, reply: tuple[int, bytes | str]) -> _Reply:
    code, words = reply
    return _Reply(code, _clean(words if isinstance(words, str) else words.decode("utf-8", "replace"), server))


def _clean(words: str, server: MailServer) -> str:
    """Return what a server said on one line, and without the password that it may have repeated."""
    if server.password:
        plain = f"\0{server.user}\0{server.password}"
        for secret in (server.password, *(base64.b64encode(s.encode()).decode() for s in (server.password, plain))):
            words = words.replace(secret, "***")
    words = " ".join(one_line(words).split())
    return words if len(words) <= 200 else f"{words[:200]}..."


def _reason(error: OSError, clock: _Clock) -> str:
    """Return in a few words why a connection failed."""
    if clock.over or isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection broke"
    return one_line(getattr(error, "reason", None) or error.strerror or error)

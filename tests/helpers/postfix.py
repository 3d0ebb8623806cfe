"""Debian's mail server, run from a private folder on a loopback port: nobody here wrote it."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.smtp_server import make_certificate

SIZE_LIMIT = 200_000
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
_SETTINGS = """\
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
meta_directory = /etc/postfix
maillog_file = /dev/stdout
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {top}/mail
virtual_mailbox_maps = inline:{{ {{a@example.org=a/}} {{b@example.org=b/}} }}
virtual_uid_maps = static:{nobody.pw_uid}
virtual_gid_maps = static:{nobody.pw_gid}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_chain_files = {certificate}
smtpd_tls_security_level = encrypt
message_size_limit = {size}
"""


def missing() -> str | None:
    """Return why it cannot run here."""
    if shutil.which("postfix") is None:
        return "postfix is not installed (apt-get install --no-install-recommends postfix)"
    return None if os.geteuid() == 0 else "postfix runs as root only"


@dataclass(frozen=True)
class Postfix:
    """It delivers mail for a@example.org and b@example.org, and asks for TLS."""

    port: int
    certificate: Path
    mailboxes: Path

    def delivered(self, name: str, seconds: float = 10) -> bytes:
        """Wait for one new mail for `name`, and take it out of the mailbox."""
        end = time.monotonic() + seconds
        while not (found := list((self.mailboxes / name / "new").glob("*"))):
            assert time.monotonic() < end, f"nothing arrived for {name}"
            time.sleep(0.02)
        (mail,) = found
        content = mail.read_bytes()
        mail.unlink()
        return content


@contextlib.contextmanager
def running() -> Iterator[Postfix]:
    """Yield a running server, and remove everything of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="reportgen-postfix-") as folder:
        top = Path(folder)
        top.chmod(0o755)  # its parts run as other users
        for name, owner in {
            "config": "root",
            "queue": "root",
            "data": "postfix",
            "mail": "nobody",
            "tls": "root",
        }.items():
            (top / name).mkdir()
            shutil.chown(top / name, owner)
        certificate = make_certificate(top / "tls", "IP:127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        values = {"top": top, "nobody": pwd.getpwnam("nobody"), "certificate": certificate, "size": SIZE_LIMIT}
        (top / "config" / "main.cf").write_text(_SETTINGS.format_map(values), encoding="utf-8")
        (top / "config" / "master.cf").write_text(_SERVICES.format(port=port), encoding="utf-8")
        with (top / "log").open("wb") as log, _started(top / "config", log.fileno()) as process:
            _wait_for(port, process, top / "log")
            yield Postfix(port, certificate, top / "mail")


@contextlib.contextmanager
def _started(config: Path, log: int) -> Iterator[subprocess.Popen[bytes]]:
    postfix = ["postfix", "-c", str(config)]
    process = subprocess.Popen([*postfix, "start-fg"], stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        subprocess.run([*postfix, "stop"], stdout=log, stderr=log)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)

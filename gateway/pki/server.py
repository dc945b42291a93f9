"""The server of an authority: enrolments and renewals over HTTPS, with a certificate of the authority itself."""

from __future__ import annotations

import fcntl
import socket
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509

from gateway.adapters.http_server import HttpServer, tls_context
from gateway.pki.certificates import Authority, CertificateError, locked
from gateway.pki.enrolment import Registrar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

NAME = "authority"
PORT_FILE = "serving"  # locked by the process that serves
DAYS_LEFT = 30
ANY_HOST = "0.0.0.0"  # noqa: S104 - devices of the network enrol


def server_hosts(folder: Path) -> list[str]:
    """The names by which devices reach the broker and the authority, from their certificates; without any this machine's name.

    Raises CertificateError.
    """
    return _hosts_of(folder / "broker.crt") or _hosts_of(folder / f"{NAME}.crt") or [socket.gethostname()]


class Serving(NamedTuple):
    """The port of the authority's server, and whether this process serves, not another one that was found."""

    port: int
    is_own: bool


@contextmanager
def registrar_server(folder: Path, hosts: Sequence[str], port: int, now: Callable[[], datetime]) -> Iterator[Serving]:
    """The running server of the authority in `folder`: that of another process, or a new one; port 0 takes a free one.

    Raises CertificateError.
    """
    registrar = Registrar(folder, now)
    ensure_certificate(folder, hosts, now())
    with (folder / PORT_FILE).open("a+", encoding="ascii") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            yield Serving(int(held.read()), is_own=False)
            return
        try:
            server = HttpServer(ANY_HOST, port, registrar.handle, tls_context(folder / f"{NAME}.crt", folder / f"{NAME}.key"))
        except OSError as error:
            way = "end the program that holds it, or name another --port"
            raise CertificateError(f"port {port} cannot be used ({error.strerror}): {way}") from None
        held.truncate(0)
        held.write(str(server.port))
        held.flush()
        server.start()
        try:
            yield Serving(server.port, is_own=True)
        finally:
            server.stop()


def ensure_certificate(folder: Path, hosts: Sequence[str], now: datetime) -> None:
    """Issue the server's own certificate if there is none for these hosts that holds for a while. Raises CertificateError."""
    with locked(folder):
        authority = Authority(folder)
        ends = max((one.ends for one in authority.issued if one.name == NAME), default="")
        if _hosts_of(folder / f"{NAME}.crt") != list(hosts) or ends < (now + timedelta(days=DAYS_LEFT)).isoformat():
            authority.issue(NAME, now, hosts)


def _hosts_of(path: Path) -> list[str]:
    """The names in a server's certificate; empty without the file. Raises CertificateError for a file that is no certificate."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except FileNotFoundError:
        return []
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise CertificateError(f"{path} is no certificate of a server ({error}): issue it with `wayside pki issue`") from None
    return [str(one.value) for one in names]

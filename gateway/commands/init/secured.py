"""A broker on this machine with TLS 1.3, one certificate a device, and an access list: authority, certificates, Mosquitto's files."""

from __future__ import annotations

import os
import pwd
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.commands.acl import access_list_of
from gateway.commands.demo.worlds import FOLDER
from gateway.core.refusal import Refusal
from gateway.pki.certificates import CertificateError, create, write_file
from gateway.pki.device import enrol_here, pair_file
from gateway.pki.enrolment import PORT
from gateway.pki.server import ensure_certificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LOOPBACK = ("localhost", "127.0.0.1")
BROKER, USER = "broker", "mosquitto"
CONF = "mosquitto.conf"
INSTALLED_AT = "/etc/mosquitto/wayside"  # of the broker's files, as the shipped configuration names them
SHIPPED = (FOLDER.parent / "broker" / CONF, Path(sys.prefix) / "share" / "wayside" / CONF)


class Secured(NamedTuple):
    """Folders of the authority, of Mosquitto's configuration, and of the gateway's certificate; names by which devices reach the broker."""

    authority: Path
    mosquitto: Path
    tls: Path
    hosts: Sequence[str]

    @property
    def broker_files(self) -> Path:
        """The folder of the broker's certificate and access list."""
        return self.mosquitto / "wayside"


def default_hosts() -> list[str]:
    """The names of this machine on its network: for multicast DNS, and plain."""
    name = socket.gethostname()
    return list(dict.fromkeys([f"{name.partition('.')[0]}.local", name]))


def make_certificates(to: Secured, site: str, gateway: str, now: datetime) -> tuple[Path, Path]:
    """Authority, broker's and gateway's certificate; existing ones are kept. Returns the gateway's authority file and its pair.

    Raises Refusal if Mosquitto is not installed, and CertificateError.
    """
    if not (to.mosquitto / "conf.d").is_dir():
        raise Refusal(f"{to.mosquitto / 'conf.d'} does not exist", "install the broker first: apt install mosquitto", place="--secure")
    if not (to.authority / "ca.key").exists():
        create(to.authority, site, now)
    ensure_certificate(to.authority, to.hosts, now)  # so that links to enrol have the same name
    hosts = list(dict.fromkeys([*to.hosts, *LOOPBACK]))
    address = f"https://{hosts[0]}:{PORT}"
    to.tls.parent.mkdir(parents=True, exist_ok=True)
    of_gateway = to.tls.parent.stat()
    _make_folder(to.tls, (of_gateway.st_uid, of_gateway.st_gid))
    _make_folder(to.broker_files, _broker_owner())
    for name, folder, names in ((BROKER, to.broker_files, hosts), (gateway, to.tls, ())):
        if not pair_file(folder, name).exists():
            enrol_here(to.authority, folder, name, address, now, names)
    return to.tls / "ca.crt", pair_file(to.tls, gateway)


def write_broker(to: Secured, config: Path) -> None:
    """The broker's list of revocations, its access list for this config, and its configuration. Raises Refusal, CertificateError."""
    shipped = next((one for one in SHIPPED if one.is_file()), None)
    if shipped is None:
        raise Refusal(f"the shipped {CONF} is not installed ({SHIPPED[-1]})", "use the package, or a clone of the project")
    text = shipped.read_text(encoding="utf-8").replace(INSTALLED_AT, str(to.broker_files))
    revocations = (to.authority / "crl.pem").read_bytes()
    try:
        write_file(to.broker_files / "crl.pem", revocations, 0o644)
        write_file(to.broker_files / "access.acl", access_list_of([config]).encode(), 0o640)
        write_file(to.mosquitto / "conf.d" / "wayside.conf", text.encode(), 0o644)
    except OSError as error:
        raise CertificateError(f"{error.filename} cannot be written ({error.strerror})", "run the command with sudo") from None


def _make_folder(folder: Path, owner: tuple[int, int]) -> None:
    """A folder that only this user and group enters. Raises CertificateError."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, *owner)
    except OSError as error:
        raise CertificateError(f"{folder} cannot be made ({error.strerror})", "run the command with sudo") from None


def _broker_owner() -> tuple[int, int]:
    """User and group of Mosquitto; this process's own if there is no such user."""
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        return os.geteuid(), os.getegid()
    return found.pw_uid, found.pw_gid

"""A device's own certificate: enrolled with a one-time link, and renewed with the key in use.

A folder holds `ca.crt`, `NAME.pem` (key and certificate in one file, so that no power cut leaves one without the other), and
`authority.url` with the address of the authority's server. The private key never leaves it. The next key is stored before the authority is
asked, so an interrupted command is repeated.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.adapters.http_client import ClientError, HttpTarget
from gateway.core import limits
from gateway.pki.certificates import Authority, CertificateError, checked_name, locked, named, pem_key, write_file
from gateway.pki.enrolment import AUTHORITY, ENROL, RENEW, EnrolBody, RenewBody, fingerprint, parse_link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

URL_FILE = "authority.url"


class Held(NamedTuple):
    """A certificate in use: name, file with its key, and the moment at which it ends."""

    name: str
    path: Path
    ends: datetime


def enrol(link: str, folder: Path, now: datetime) -> Held:
    """The new certificate of the link's name, stored in `folder` with its key. Raises CertificateError; a repetition goes on."""
    found = parse_link(link)
    name = checked_name(found.name)
    _check_clock(now)
    _made(folder)
    authority = _authority(found.address, found.authority)
    write_file(folder / "ca.crt", authority.public_bytes(Encoding.PEM), 0o644)
    write_file(folder / URL_FILE, f"{found.address}\n".encode(), 0o644)
    key = _next_key(folder, name)
    return _take(folder, name, _asked(found.address + ENROL, folder, EnrolBody(found.token, _request(name, key))))


def enrol_here(authority: Path, folder: Path, name: str, address: str, now: datetime, hosts: Sequence[str] = ()) -> Held:
    """As `enrol`, for a device on the authority's own machine; with `hosts` for a server. Raises CertificateError."""
    _made(folder)
    with locked(authority):
        maker = Authority(authority)
        write_file(folder / "ca.crt", maker.certificate.public_bytes(Encoding.PEM), 0o644)
        write_file(folder / URL_FILE, f"{address}\n".encode(), 0o644)
        return _take(folder, name, maker.sign(name, _next_key(folder, name).public_key(), now, hosts))


def renew(folder: Path, name: str, now: datetime, days_left: int) -> Held | None:
    """The renewed certificate; None if the one in use holds for more than `days_left` days. Raises CertificateError."""
    _check_clock(now)
    former, former_key = _in_use(folder, name)
    if (former.not_valid_after_utc - now).days > days_left:
        return None
    try:
        address = (folder / URL_FILE).read_text("ascii").strip()
    except (OSError, ValueError):
        raise CertificateError(f"{folder / URL_FILE} cannot be read: enrol again with `wayside devices add`") from None
    request = _request(name, _next_key(folder, name))
    signature = former_key.sign(request.encode(), ec.ECDSA(hashes.SHA256())).hex()
    body = RenewBody(former.public_bytes(Encoding.PEM).decode(), request, signature)
    return _take(folder, name, _asked(address + RENEW, folder, body))


def enrolled(folder: Path) -> list[str]:
    """The names with a certificate in `folder`."""
    return sorted(path.stem for path in folder.glob("*.pem"))


def pair_file(folder: Path, name: str) -> Path:
    """The file of a name's key and certificate."""
    return folder / f"{name}.pem"


def _check_clock(now: datetime) -> None:
    """A certificate holds between two moments, so a clock that is not set refuses each one. Raises CertificateError."""
    if now.timestamp() * 1000 < limits.CLOCK_FLOOR_MS:
        raise CertificateError(f"this machine's clock is not set, it shows {now:%Y-%m-%d}: set it (timedatectl), and repeat the command")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CertificateError(f"{folder} cannot be made ({error.strerror})") from None


def _authority(address: str, expected: str) -> x509.Certificate:
    """The authority's certificate with this fingerprint: until it is known, the connection proves nothing. Raises CertificateError."""
    unproven = ssl.create_default_context()
    unproven.check_hostname, unproven.verify_mode = False, ssl.CERT_NONE
    found = _exchanged(HttpTarget(address + AUTHORITY, tls=unproven), "GET", b"")
    try:
        certificate = x509.load_pem_x509_certificate(found)
    except ValueError:
        raise CertificateError(f"{address} is no authority: check the address in the link") from None
    if fingerprint(certificate) != expected:
        raise CertificateError(f"{address} is another authority than that of the link: check the network, and make another link")
    return certificate


def _next_key(folder: Path, name: str) -> ec.EllipticCurvePrivateKey:
    """The key of the next certificate: that of an interrupted attempt, or a new one, stored. Raises CertificateError."""
    path = folder / f"{name}.key.next"
    try:
        if not path.exists():
            write_file(path, pem_key(ec.generate_private_key(ec.SECP256R1())), 0o600)
        return _key(path)
    except OSError as error:
        raise CertificateError(f"{path} cannot be stored ({error.strerror})") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a file. Raises CertificateError, OSError."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{path} is damaged: delete it, and repeat the command")
    return key


def _request(name: str, key: ec.EllipticCurvePrivateKey) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(named(name)).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def _asked(url: str, folder: Path, body: msgspec.Struct) -> x509.Certificate:
    """The certificate that the authority answers with, over a connection that its own certificate proves. Raises CertificateError."""
    found = _exchanged(HttpTarget(url, ca_file=folder / "ca.crt"), "POST", msgspec.json.encode(body))
    try:
        return x509.load_pem_x509_certificate(found)
    except ValueError:
        raise CertificateError(f"{url} answered no certificate") from None


def _exchanged(target: HttpTarget, method: str, body: bytes) -> bytes:
    try:
        answer = target.exchange(method, {"Content-Type": "application/json"} if body else {}, body)
    except ClientError as error:
        raise CertificateError(f"{error}: check the address, and that `wayside pki serve` or `wayside devices add` runs there") from None
    if answer.status == 200:
        return answer.body
    try:
        detail = str(msgspec.json.decode(answer.body, type=dict[str, object])["detail"])
    except (msgspec.DecodeError, KeyError):
        detail = f"status {answer.status}"
    raise CertificateError(detail)


def _take(folder: Path, name: str, certificate: x509.Certificate) -> Held:
    """Put the next key and its certificate into use at once. Raises CertificateError."""
    key = folder / f"{name}.key.next"
    try:
        write_file(pair_file(folder, name), key.read_bytes() + certificate.public_bytes(Encoding.PEM), 0o600)
        key.unlink()
    except OSError as error:
        raise CertificateError(f"{folder} cannot be written ({error.strerror})") from None
    return Held(name, pair_file(folder, name), certificate.not_valid_after_utc)


def _in_use(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and key in use. Raises CertificateError."""
    path = pair_file(folder, name)
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()), _key(path)
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path} cannot be read ({error}): enrol again with `wayside devices add`") from None

"""The site's own certificate authority (X.509, RFC 5280), by the `cryptography` library: a folder of PEM files.

`ca.crt` and `ca.key` are the authority's, `issued.json` lists all certificates, `crl.pem` the revoked ones, and each `<name>.crt` with its
`<name>.key` is one device's. A device's name is the common name of its certificate, which the broker takes as the user name.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

AUTHORITY_DAYS = 3_650
DEVICE_DAYS = 397
REVOCATIONS_DAYS = 3_650  # the list is renewed with each revocation; a broker refuses everybody once it has expired
BACKDATED = timedelta(days=1)  # a device's clock may be behind
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")  # X.520: 64 characters; no wildcard and no level of a topic


class CertificateError(Refusal):
    """The authority refuses."""


class Issued(msgspec.Struct, frozen=True):
    """A certificate: device, serial number (hex), first moment after it (ISO 8601, UTC), and when it was revoked, if it was."""

    name: str
    serial: str
    ends: str
    revoked: str | None = None


class Authority:
    """The authority in a folder. Raises CertificateError if the folder holds none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
            key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
            self.issued = msgspec.json.decode((folder / "issued.json").read_bytes(), type=list[Issued])
        except OSError as error:
            raise CertificateError(
                f"{error.filename} cannot be read ({error.strerror}): make an authority with `wayside pki init`"
            ) from None
        except (ValueError, msgspec.DecodeError) as error:
            raise CertificateError(f"{folder} holds a damaged authority ({error}): restore it from its backup") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateError(f"{folder / 'ca.key'} is no key of an elliptic curve: restore it from its backup")
        self._key = key

    def issue(self, name: str, now: datetime, hosts: Sequence[str] = (), days: int = DEVICE_DAYS) -> Issued:
        """Write `<name>.crt` and `<name>.key`; a former certificate of the name stays valid until it is revoked or ends.

        With `hosts` (DNS names, addresses) it is a server's, such as the broker's; without, a client's. Raises CertificateError for a name
        that no topic can hold, and for a host that is neither.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.sign(name, key.public_key(), now, hosts, days)
        write_file(self._folder / f"{name}.key", pem_key(key), 0o600)
        write_file(self._folder / f"{name}.crt", certificate.public_bytes(Encoding.PEM), 0o644)
        return self.issued[-1]

    def sign(
        self, name: str, key: ec.EllipticCurvePublicKey, now: datetime, hosts: Sequence[str] = (), days: int = DEVICE_DAYS
    ) -> x509.Certificate:
        """A certificate for a key that stays where it was made, as `issue`; it is listed. Raises CertificateError."""
        name = checked_name(name)
        ends = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _unsigned(named(name), self.certificate.subject, key, now, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_issuer_key(self._key), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        self._keep([*self.issued, Issued(name, f"{certificate.serial_number:x}", ends.isoformat(timespec="seconds"))])
        return certificate

    def revoke(self, name: str, now: datetime) -> list[Issued]:
        """Revoke all certificates of a device, and write the list anew; the broker reads it at SIGHUP or restart.

        Returns those that are revoked now. Raises CertificateError if the device has none left.
        """
        taken = [one for one in self.issued if one.name == name and one.revoked is None]
        if not taken:
            known = sorted({one.name for one in self.issued if one.revoked is None})
            raise CertificateError(f"{name!r} has no certificate to revoke; valid ones: {', '.join(known) or 'none'}")
        at = now.isoformat(timespec="seconds")
        revoked = [msgspec.structs.replace(one, revoked=at) for one in taken]
        others = [one for one in self.issued if one not in taken]
        self._keep([*others, *revoked])
        write_file(self._folder / "crl.pem", self._revocations(now), 0o644)
        return revoked

    def _revocations(self, now: datetime) -> bytes:
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, now - BACKDATED, now + timedelta(days=REVOCATIONS_DAYS))
        builder = builder.add_extension(x509.CRLNumber(int(now.timestamp())), critical=False).add_extension(
            _issuer_key(self._key), critical=False
        )
        for one in self.issued:
            if one.revoked is not None:
                entry = x509.RevokedCertificateBuilder(int(one.serial, 16), datetime.fromisoformat(one.revoked)).build()
                builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _keep(self, issued: list[Issued]) -> None:
        write_file(self._folder / "issued.json", msgspec.json.format(msgspec.json.encode(issued), indent=1), 0o600)
        self.issued = issued


def create(folder: Path, site: str, now: datetime) -> Authority:
    """Make an authority in a new or empty folder. Raises CertificateError if it holds one already, or cannot be written."""
    if (folder / "ca.key").exists():
        raise CertificateError(f"{folder} holds an authority already: its devices would no longer be accepted with another")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named(f"Wayside {site}")
    certificate = (
        _unsigned(subject, subject, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(folder / "issued.json", b"[]", 0o600)
        write_file(folder / "ca.crt", certificate.public_bytes(Encoding.PEM), 0o644)
        write_file(folder / "ca.key", pem_key(key), 0o600)  # last: a folder with it is complete but for the list
        made = Authority(folder)
        write_file(folder / "crl.pem", made._revocations(now), 0o644)  # noqa: SLF001 - the same file's
    except OSError as error:
        raise CertificateError(f"{error.filename or folder} cannot be written ({error.strerror})") from None
    return made


_CA_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issuer_key(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """Required in all but the root by RFC 5280, section 4.2.1.1, and refused without by Python 3.13."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def checked_name(name: str) -> str:
    """The name. Raises CertificateError for one that no topic can hold."""
    if not _NAME.fullmatch(name):
        raise CertificateError(f"{name!r} cannot be a device's name: up to 64 letters, digits and . _ : -, a letter or digit first")
    return name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time changes the authority's lists. Raises CertificateError if its folder cannot be written."""
    try:
        file = (folder / "lock").open("w")
    except OSError as error:
        raise CertificateError(f"{folder} cannot be written ({error.strerror}): run this command as the owner of the authority") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def named(name: str) -> x509.Name:
    """The subject with this common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        pass
    try:
        return x509.DNSName(text)
    except ValueError:
        raise CertificateError(f"{text!r} is neither a DNS name nor an address") from None


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM, without a passphrase: a service cannot enter one."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Write the whole file or none, readable as `mode` says from the first byte on; a file of root belongs to the owner of its folder."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(part, owner.st_uid, owner.st_gid)
    part.replace(path)

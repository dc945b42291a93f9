"""The site's own certificate authority (X.509, RFC 5280), by the `cryptography` library: a folder of PEM files.

`ca.crt` and `ca.key` are the authority's, `issued.json` lists all certificates, `crl.pem` the revoked ones, and each `<name>.crt` with its
`<name>.key` is one device's. A device's name is the common name of its certificate, which the broker takes as the user name.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AUTHORITY_DAYS = 3_650
DEVICE_DAYS = 397
REVOCATIONS_DAYS = 3_650  # the list is renewed with each revocation; a broker refuses everybody once it has expired
BACKDATED = timedelta(days=1)  # a device's clock may be behind
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")  # X.520: 64 characters; no wildcard and no level of a topic


class CertificateError(ValueError):
    """The authority refuses; the text names the file or device, and the way out."""


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
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
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
        if not _NAME.fullmatch(name):
            raise CertificateError(f"{name!r} cannot be a device's name: up to 64 letters, digits and . _ : -, a letter or digit first")
        key = ec.generate_private_key(ec.SECP256R1())
        ends = min(now + timedelta(days=days), self._certificate.not_valid_after_utc)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _unsigned(_named(name), self._certificate.subject, key.public_key(), now, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_issuer_key(self._key), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(self._folder / f"{name}.key", _pem(key), 0o600)
        _write(self._folder / f"{name}.crt", certificate.public_bytes(Encoding.PEM), 0o644)
        found = Issued(name, f"{certificate.serial_number:x}", ends.isoformat(timespec="seconds"))
        self._keep([*self.issued, found])
        return found

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
        _write(self._folder / "crl.pem", self._revocations(now), 0o644)
        return revoked

    def _revocations(self, now: datetime) -> bytes:
        builder = x509.CertificateRevocationListBuilder(self._certificate.subject, now - BACKDATED, now + timedelta(days=REVOCATIONS_DAYS))
        builder = builder.add_extension(x509.CRLNumber(int(now.timestamp())), critical=False).add_extension(
            _issuer_key(self._key), critical=False
        )
        for one in self.issued:
            if one.revoked is not None:
                entry = x509.RevokedCertificateBuilder(int(one.serial, 16), datetime.fromisoformat(one.revoked)).build()
                builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _keep(self, issued: list[Issued]) -> None:
        _write(self._folder / "issued.json", msgspec.json.format(msgspec.json.encode(issued), indent=1), 0o600)
        self.issued = issued


def create(folder: Path, site: str, now: datetime) -> Authority:
    """Make an authority in a new or empty folder. Raises CertificateError if it holds one already, or cannot be written."""
    if (folder / "ca.key").exists():
        raise CertificateError(f"{folder} holds an authority already: its devices would no longer be accepted with another")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(f"Wayside {site}")
    certificate = (
        _unsigned(subject, subject, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "issued.json", b"[]", 0o600)
        _write(folder / "ca.crt", certificate.public_bytes(Encoding.PEM), 0o644)
        _write(folder / "ca.key", _pem(key), 0o600)  # last: a folder with it is complete but for the list
        made = Authority(folder)
        _write(folder / "crl.pem", made._revocations(now), 0o644)  # noqa: SLF001 - the same file's
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


def _named(name: str) -> x509.Name:
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


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write the whole file or none, readable as `mode` says from the first byte on."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

"""The site's own authority: what it issues holds for OpenSSL, and what it cannot do is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from gateway.pki.certificates import DEVICE_DAYS, Authority, CertificateError, create

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_a_device_is_known_by_its_common_name(tmp_path: Path) -> None:
    issued = create(tmp_path, "mall", NOW).issue("till-1", NOW)
    certificate = _certificate(tmp_path, "till-1")
    certificate.verify_directly_issued_by(_certificate(tmp_path, "ca"))
    assert certificate.subject.rfc4514_string() == "CN=till-1"
    assert certificate.not_valid_after_utc == NOW + timedelta(days=DEVICE_DAYS) == datetime.fromisoformat(issued.ends)
    key = load_pem_private_key((tmp_path / "till-1.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()


def test_a_server_holds_for_its_hosts_only(tmp_path: Path) -> None:
    create(tmp_path, "mall", NOW).issue("broker", NOW, ["broker.local", "192.0.2.7"])
    trusting = PolicyBuilder().store(Store([_certificate(tmp_path, "ca")])).time(NOW)
    for known in (x509.DNSName("broker.local"), x509.IPAddress(ip_address("192.0.2.7"))):
        trusting.build_server_verifier(known).verify(_certificate(tmp_path, "broker"), [])
    with pytest.raises(VerificationError):
        trusting.build_server_verifier(x509.DNSName("other.local")).verify(_certificate(tmp_path, "broker"), [])


def test_private_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    create(tmp_path, "mall", NOW).issue("till-1", NOW)
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077} == {"ca.crt", "crl.pem", "till-1.crt"}


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    authority = create(tmp_path, "mall", NOW)
    late = NOW + timedelta(days=3_500)
    assert datetime.fromisoformat(authority.issue("till-1", late).ends) == NOW + timedelta(days=3_650)


def test_revoking_takes_all_certificates_of_a_device(tmp_path: Path) -> None:
    authority = create(tmp_path, "mall", NOW)
    serials = {int(authority.issue("till-1", NOW).serial, 16) for _ in range(2)}
    authority.issue("till-2", NOW)
    assert {int(one.serial, 16) for one in authority.revoke("till-1", NOW)} == serials
    revocations = x509.load_pem_x509_crl((tmp_path / "crl.pem").read_bytes())
    assert {one.serial_number for one in revocations} == serials
    assert revocations.is_signature_valid(_certificate(tmp_path, "ca").public_key())  # type: ignore[arg-type]
    assert [one.name for one in Authority(tmp_path).issued if one.revoked is None] == ["till-2"]


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "-x", "x" * 65, "a b", "ü"])
def test_a_name_that_no_topic_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CertificateError, match="cannot be a device's name"):
        create(tmp_path, "mall", NOW).issue(name, NOW)
    assert not list(tmp_path.glob("*.part"))


def test_a_second_authority_in_the_folder_is_refused(tmp_path: Path) -> None:
    create(tmp_path, "mall", NOW)
    before = (tmp_path / "ca.key").read_bytes()
    with pytest.raises(CertificateError, match="holds an authority already"):
        create(tmp_path, "mall", NOW)
    assert (tmp_path / "ca.key").read_bytes() == before


def test_an_interrupted_beginning_is_begun_again(tmp_path: Path) -> None:
    create(tmp_path, "mall", NOW)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CertificateError, match=r"ca\.key cannot be read .*wayside pki init"):
        Authority(tmp_path)
    create(tmp_path, "mall", NOW).issue("till-1", NOW)


@pytest.mark.parametrize("file", ["ca.crt", "ca.key", "issued.json"])
def test_a_damaged_authority_is_named(tmp_path: Path, file: str) -> None:
    create(tmp_path, "mall", NOW)
    (tmp_path / file).write_bytes(b"{")
    with pytest.raises(CertificateError, match="damaged authority"):
        Authority(tmp_path)


def test_an_unknown_device_is_not_revoked(tmp_path: Path) -> None:
    authority = create(tmp_path, "mall", NOW)
    authority.issue("till-1", NOW)
    with pytest.raises(CertificateError, match="'till-2' has no certificate to revoke; valid ones: till-1"):
        authority.revoke("till-2", NOW)


def test_a_host_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="neither a DNS name nor an address"):
        create(tmp_path, "mall", NOW).issue("broker", NOW, ["brökér"])

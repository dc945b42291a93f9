"""One-time tokens of the authority: a device's key stays on it, and no token and no certificate is of use to another device."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.core.http import Request
from gateway.pki.certificates import Authority, CertificateError, create, named
from gateway.pki.device import enrol, enrolled, renew
from gateway.pki.enrolment import ENROL, RENEW, Link, Registrar, fingerprint, open_token, parse_link
from gateway.pki.server import registrar_server

NOW = datetime.now(UTC).replace(microsecond=0)
HOST = "127.0.0.1"


class Clock:
    """The authority's time."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    create(tmp_path / "pki", "mall", NOW)
    return tmp_path / "pki"


@pytest.fixture
def port(pki: Path, clock: Clock) -> Iterator[int]:
    with registrar_server(pki, [HOST], 0, clock) as server:
        yield server.port


def _link(pki: Path, port: int, name: str = "phone-1", minutes: int = 10) -> str:
    token, authority = open_token(pki, name, NOW, minutes)
    return str(Link(f"https://{HOST}:{port}", name, token, authority))


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(named("any")).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def _post(pki: Path, clock: Clock, path: str, **body: str) -> tuple[int, str]:
    answer = asyncio.run(Registrar(pki, clock).handle(Request("POST", path, {}, msgspec.json.encode(body))))
    return answer.status, answer.body.decode()


def _revoke(pki: Path, name: str) -> None:
    Authority(pki).revoke(name, NOW)


def test_a_device_enrols_and_its_key_stays(pki: Path, port: int, tmp_path: Path) -> None:
    held = enrol(_link(pki, port), tmp_path / "tls", NOW)
    content = held.path.read_bytes()
    certificate, key = x509.load_pem_x509_certificate(content), load_pem_private_key(content, None)
    certificate.verify_directly_issued_by(Authority(pki).certificate)
    assert certificate.subject.rfc4514_string() == "CN=phone-1"
    assert key.public_key() == certificate.public_key()
    assert held.path.stat().st_mode & 0o777 == 0o600
    assert not [path for path in pki.iterdir() if path.name.startswith("phone-1")]
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["authority.url", "ca.crt", "phone-1.pem"]
    assert enrolled(tmp_path / "tls") == ["phone-1"]


def test_a_token_is_used_once_and_repeated_by_its_own_key_only(pki: Path, clock: Clock) -> None:
    token, _ = open_token(pki, "phone-1", NOW, 10)
    first, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    assert [_post(pki, clock, ENROL, token=token, request=_request(key))[0] for key in (first, first, other)] == [200, 200, 403]
    assert "was used by another device" in _post(pki, clock, ENROL, token=token, request=_request(other))[1]


@pytest.mark.parametrize("broken", ["other", "late", "replaced"])
def test_no_token_no_certificate(pki: Path, clock: Clock, broken: str) -> None:
    token, _ = open_token(pki, "phone-1", NOW, 10)
    if broken == "replaced":
        open_token(pki, "phone-1", NOW, 10)
    clock.now = NOW + timedelta(minutes=10 if broken == "late" else 9)
    key = ec.generate_private_key(ec.SECP256R1())
    status, text = _post(pki, clock, ENROL, token="x" * 22 if broken == "other" else token, request=_request(key))
    assert (status, "unknown or has ended: make another one" in text) == (403, True)
    assert Authority(pki).issued == []


@pytest.mark.parametrize("request_pem", ["", "no request", "curve", "signature"])
def test_a_request_that_cannot_be_signed(pki: Path, clock: Clock, request_pem: str) -> None:
    token, _ = open_token(pki, "phone-1", NOW, 10)
    made = {
        "curve": lambda: _request(ec.generate_private_key(ec.SECP384R1())),
        "signature": lambda: _request(ec.generate_private_key(ec.SECP256R1()))[:-60] + "A" * 6 + "\n-----END CERTIFICATE REQUEST-----\n",
    }
    status, text = _post(pki, clock, ENROL, token=token, request=made.get(request_pem, lambda: request_pem)())
    assert (status, "`request`" in text) == (403, True)
    assert _post(pki, clock, ENROL, token=token)[0] == 400


def test_another_authority_gets_neither_token_nor_key(pki: Path, port: int, tmp_path: Path) -> None:
    link = parse_link(_link(pki, port))
    create(tmp_path / "other", "mall", NOW)
    wrong = str(link._replace(authority=fingerprint(Authority(tmp_path / "other").certificate)))
    with pytest.raises(CertificateError, match="is another authority than that of the link"):
        enrol(wrong, tmp_path / "tls", NOW)
    assert list((tmp_path / "tls").iterdir()) == []


@pytest.mark.parametrize("text", ["", "phone-1", "http://a:1#name=x&token=y&ca=z", "https://a:1#name=x&token=y"])
def test_a_link_that_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="is no link of `wayside devices add`: copy all of it"):
        enrol(text, tmp_path, NOW)


def test_a_clock_that_is_not_set(pki: Path, port: int, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"clock is not set, it shows 1970-01-01: set it"):
        enrol(_link(pki, port), tmp_path / "tls", datetime(1970, 1, 1, tzinfo=UTC))


def test_an_enrolment_that_was_cut_off_goes_on(pki: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, folder = _link(pki, port), tmp_path / "tls"
    with monkeypatch.context() as patch:
        patch.setattr("gateway.pki.device._take", _cut_off)
        with pytest.raises(KeyboardInterrupt):  # the answer is lost after the authority has used the token
            enrol(link, folder, NOW)
    assert enrol(link, folder, NOW).name == "phone-1"


def _cut_off(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_renewal_has_a_new_key_and_only_near_the_end(pki: Path, port: int, tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "tls"
    first = enrol(_link(pki, port), folder, NOW)
    before = first.path.read_bytes()
    assert renew(folder, "phone-1", NOW, 30) is None
    clock.now = first.ends - timedelta(days=30)
    renewed = renew(folder, "phone-1", clock.now, 30)
    assert renewed is not None
    assert renewed.ends > first.ends
    assert not set(before.split(b"-----")).intersection(renewed.path.read_bytes().split(b"-----")) - set(_marks(before))


def _marks(content: bytes) -> list[bytes]:
    return [part for part in content.split(b"-----") if len(part) < 40]


def test_a_server_keeps_its_hosts(pki: Path, clock: Clock) -> None:
    Authority(pki).issue("broker", NOW, ["broker.local", "192.0.2.7"])
    key, former = ec.generate_private_key(ec.SECP256R1()), load_pem_private_key((pki / "broker.key").read_bytes(), None)
    assert isinstance(former, ec.EllipticCurvePrivateKey)
    request = _request(key)
    signature = former.sign(request.encode(), ec.ECDSA(hashes.SHA256())).hex()
    status, text = _post(pki, clock, RENEW, certificate=(pki / "broker.crt").read_text(), request=request, signature=signature)
    assert status == 200, text
    names = x509.load_pem_x509_certificate(text.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["broker.local", "192.0.2.7"]


@pytest.mark.parametrize("broken", ["signature", "revoked", "ended", "other authority"])
def test_no_renewal(pki: Path, clock: Clock, tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "other" if broken == "other authority" else pki
    (create(folder, "mall", NOW) if folder != pki else Authority(pki)).issue("till-1", NOW)
    former = load_pem_private_key((folder / "till-1.key").read_bytes(), None)
    assert isinstance(former, ec.EllipticCurvePrivateKey)
    request = _request(ec.generate_private_key(ec.SECP256R1()))
    signer = ec.generate_private_key(ec.SECP256R1()) if broken == "signature" else former
    if broken == "revoked":
        _revoke(pki, "till-1")
    if broken == "ended":
        clock.now = NOW + timedelta(days=400)
    signature = signer.sign(request.encode(), ec.ECDSA(hashes.SHA256())).hex()
    status, text = _post(pki, clock, RENEW, certificate=(folder / "till-1.crt").read_text(), request=request, signature=signature)
    assert (status, "enrol" in text) == (403, True)
    assert len(Authority(pki).issued) == (0 if broken == "other authority" else 1)


def test_a_second_server_is_not_started(pki: Path, port: int, clock: Clock) -> None:
    with registrar_server(pki, [HOST], 0, clock) as found:
        assert (found.port, found.is_own) == (port, False)

"""Certificates by one-time token: a device makes its key itself, and sends the authority a request (PKCS #10, RFC 2986) with a token.

The authority's folder lists the open tokens in `tokens.json`, by hash. A token has one name, ends after minutes, and belongs to the first
key that is sent with it: that key may repeat the request after a lost answer, another is refused. A renewal needs no token: the key in use
signs the request for the next certificate.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core.http import Response, problem
from gateway.pki.certificates import Authority, CertificateError, checked_name, locked, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gateway.core.http import Request

AUTHORITY, ENROL, RENEW = "/v1/authority", "/v1/enrol", "/v1/renew"
PORT = 8443
TOKEN_BYTES = 16
TOKENS_FILE = "tokens.json"
PEM = "application/x-pem-file"

Pem = Annotated[str, msgspec.Meta(max_length=8_192)]


class Token(msgspec.Struct, frozen=True):
    """An open token: hash, device, moment at which it ends (ISO 8601, UTC), and the hash of the key that was sent with it."""

    hash: str
    name: str
    ends: str
    key: str = ""


class EnrolBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token and a certificate request in PEM, of which the key is taken."""

    token: Annotated[str, msgspec.Meta(max_length=64)]
    request: Pem


class RenewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate in use, a request for the next one (both PEM), and the signature of the request by the key in use (ECDSA, hex)."""

    certificate: Pem
    request: Pem
    signature: Annotated[str, msgspec.Meta(max_length=256)]


class Link(NamedTuple):
    """Address of the authority's server, name, token, and SHA-256 of the authority's certificate (hex)."""

    address: str
    name: str
    token: str
    authority: str

    def __str__(self) -> str:
        """As one address; browsers do not send the part after #."""
        return f"{self.address}#{urlencode({'name': self.name, 'token': self.token, 'ca': self.authority})}"


def parse_link(text: str) -> Link:
    """The parts of a link. Raises CertificateError for another text."""
    parts = urlsplit(text.strip())
    fields = {name: values[0] for name, values in parse_qs(parts.fragment).items()}
    if parts.scheme != "https" or not parts.hostname or set(fields) != {"name", "token", "ca"}:
        raise CertificateError(f"{text!r} is no link of `wayside devices add`: copy all of it, in quotes")
    return Link(f"https://{parts.netloc}", fields["name"], fields["token"], fields["ca"])


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def open_token(folder: Path, name: str, now: datetime, minutes: int) -> tuple[str, str]:
    """A new token for a device, and the fingerprint of the authority; former tokens of the name end.

    Raises CertificateError without an authority, and for a name that no topic can hold.
    """
    authority, name = Authority(folder), checked_name(name)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with locked(folder):
        others = [one for one in read_tokens(folder, now) if one.name != name]
        made = Token(_hashed(token.encode()), name, (now + timedelta(minutes=minutes)).isoformat(timespec="seconds"))
        _keep(folder, [*others, made])
    return token, fingerprint(authority.certificate)


def read_tokens(folder: Path, now: datetime) -> list[Token]:
    """The tokens that hold at `now`. Raises CertificateError for a damaged file."""
    path = folder / TOKENS_FILE
    try:
        tokens = msgspec.json.decode(path.read_bytes(), type=list[Token]) if path.exists() else []
    except msgspec.DecodeError as error:
        raise CertificateError(f"{path} is damaged ({error}): delete it, and make the tokens again") from None
    return [one for one in tokens if datetime.fromisoformat(one.ends) > now]


class Registrar:
    """Answers the requests of devices, for `gateway.adapters.http_server`; the authority's folder is read anew for each."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        """Raises CertificateError without an authority."""
        self._folder, self._now = folder, now
        Authority(folder)
        self._answers: Mapping[tuple[str, str], Callable[[bytes], bytes]] = {
            ("GET", AUTHORITY): lambda _: (folder / "ca.crt").read_bytes(),
            ("POST", ENROL): lambda body: self._enrol(msgspec.json.decode(body, type=EnrolBody)),
            ("POST", RENEW): lambda body: self._renew(msgspec.json.decode(body, type=RenewBody)),
        }

    async def handle(self, request: Request) -> Response:
        """The response to a request; it never raises."""
        answer = self._answers.get((request.method, request.path))
        if answer is None:
            return problem(404, "no_resource", f"GET {AUTHORITY}, POST {ENROL} and POST {RENEW} are the only resources")
        try:
            return Response(200, answer(request.body), PEM)
        except msgspec.DecodeError as error:
            return problem(400, "malformed", f"the body is not as described: {error}")
        except CertificateError as error:
            return problem(403, "refused", str(error))
        except OSError as error:
            return problem(503, "storage", f"the authority cannot store: {error.strerror}")

    def _enrol(self, body: EnrolBody) -> bytes:
        key, now, hashed = _requested(body.request), self._now(), _hashed(body.token.encode())
        with locked(self._folder):
            tokens = read_tokens(self._folder, now)
            token = next((one for one in tokens if secrets.compare_digest(one.hash, hashed)), None)
            if token is None:
                raise CertificateError("the token is unknown or has ended: make another one with `wayside devices add`")
            taken = _hashed(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
            if token.key not in ("", taken):
                raise CertificateError(
                    f"the token was used by another device: make another one, and revoke {token.name!r} if it is not yours"
                )
            certificate = Authority(self._folder).sign(token.name, key, now)
            _keep(self._folder, [msgspec.structs.replace(one, key=taken) if one is token else one for one in tokens])
        return certificate.public_bytes(Encoding.PEM)

    def _renew(self, body: RenewBody) -> bytes:
        key, now = _requested(body.request), self._now()
        with locked(self._folder):
            authority = Authority(self._folder)
            former = _in_use(authority, body, now)
            hosts = former.extensions.get_extension_for_class(x509.SubjectAlternativeName).value if _is_server(former) else ()
            name = str(former.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
            certificate = authority.sign(name, key, now, [str(one.value) for one in hosts])
        return certificate.public_bytes(Encoding.PEM)


def _in_use(authority: Authority, body: RenewBody, now: datetime) -> x509.Certificate:
    """The certificate of a renewal, if its key has signed the request and it holds. Raises CertificateError."""
    try:
        found = x509.load_pem_x509_certificate(body.certificate.encode())
        found.verify_directly_issued_by(authority.certificate)
        key = found.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # the authority signs no others
        key.verify(bytes.fromhex(body.signature), body.request.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError("the request is not signed by a certificate of this authority: enrol with `wayside devices add`") from None
    if found.not_valid_after_utc <= now:
        raise CertificateError(f"the certificate ended on {found.not_valid_after_utc:%Y-%m-%d}: enrol again with `wayside devices add`")
    listed = next((one for one in authority.issued if one.serial == f"{found.serial_number:x}"), None)
    if listed is None or listed.revoked is not None:
        raise CertificateError("the certificate was revoked: enrol again with `wayside devices add`")
    return found


def _is_server(certificate: x509.Certificate) -> bool:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _requested(text: str) -> ec.EllipticCurvePublicKey:
    """The key of a certificate request, whose owner holds its private part. Raises CertificateError."""
    try:
        request = x509.load_pem_x509_csr(text.encode())
    except ValueError:
        raise CertificateError("`request` is no certificate request in PEM (PKCS #10)") from None
    key = request.public_key()
    if not request.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError("`request` is not signed by its own key, or its key is not of the curve P-256")
    return key


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _keep(folder: Path, tokens: list[Token]) -> None:
    write_file(folder / TOKENS_FILE, msgspec.json.format(msgspec.json.encode(tokens), indent=1), 0o600)

"""An OpenID Connect provider: its settings in a TOML file, its addresses, and the verification of the id tokens that it signs.

The authorization code flow with PKCE. Addresses are https, or those of a provider on this machine.
"""

from __future__ import annotations

import base64
import json
import re
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from dashboard import limits
from dashboard.people.roles import ROLES, Role

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")  # never one with a shared secret
ADDRESS = re.compile(r"https://\S+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/\S*)?")
Fetch = Callable[[str, bytes | None, Mapping[str, str]], bytes]
"""GET, or POST of a body, with headers; the body of the answer. Raises OSError."""


class ProviderError(ValueError):
    """The provider or its file cannot be used; the text names the place and a remedy."""


class OidcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of `--oidc`. `roles` maps a value of the claim `role_claim` to a role; a person without one may not enter."""

    issuer: str
    client_id: Annotated[str, Meta(min_length=1)]
    roles: dict[str, str]
    client_secret_file: str = ""
    label: str = "your organisation"
    name_claim: str = "preferred_username"
    role_claim: str = "roles"


class Person(NamedTuple):
    """The owner of a verified id token: `subject` is unique and lasting, `role` None if no value of the claim has one."""

    subject: str
    name: str
    role: Role | None


def load_provider(file: Path, now_ms: Callable[[], int]) -> Provider:
    """The provider of a settings file. Raises ProviderError."""
    if find_spec("joserfc") is None:
        raise ProviderError("--oidc needs one more package: pip install 'wayside-dashboard[oidc]'")
    try:
        settings = msgspec.convert(tomllib.loads(file.read_text("utf-8")), OidcSettings)
        secret = (file.parent / settings.client_secret_file).read_text("utf-8").strip() if settings.client_secret_file else ""
    except OSError as fault:
        raise ProviderError(f"--oidc {fault.filename}: {fault.strerror}") from fault
    except (ValueError, msgspec.ValidationError) as fault:
        raise ProviderError(f"--oidc {file}: {fault}") from fault
    if not ADDRESS.fullmatch(settings.issuer):
        raise ProviderError(f"--oidc {file}: issuer: write an https:// address")
    for value, role in settings.roles.items():
        if role not in ROLES:
            raise ProviderError(f"--oidc {file}: roles: {value!r} is mapped to {role!r}; choose {', '.join(ROLES)}")
    return Provider(settings, secret, now_ms)


class Provider:
    """Asks the provider; its document and keys are kept for OIDC_KEYS_S."""

    def __init__(self, settings: OidcSettings, secret: str, now_ms: Callable[[], int], fetch: Fetch | None = None) -> None:
        self.settings, self._secret, self._now_ms = settings, secret, now_ms
        self._fetch = fetch or fetch_bytes
        self._kept: dict[str, tuple[float, Any]] = {}

    def address(self, redirect: str, state: str, nonce: str, challenge: str) -> str:
        """The address at which a browser logs in. Raises OSError or ProviderError."""
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urllib.parse.urlencode(query)}"

    def person(self, code: str, redirect: str, verifier: str, nonce: str) -> Person:
        """The person of a code. Raises OSError if the provider is not reached, and ProviderError if it or its token is refused."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._secret:
            pair = f"{urllib.parse.quote(self.settings.client_id)}:{urllib.parse.quote(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.settings.client_id
        answer = _object(self._fetch(self._endpoint("token_endpoint"), urllib.parse.urlencode(form).encode(), headers))
        return self._person(self._claims(str(answer.get("id_token", "")), nonce))

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        from joserfc import jwt  # noqa: PLC0415  an optional package
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwk import KeySet  # noqa: PLC0415

        try:
            found: Any = self._get(self._endpoint("jwks_uri"))
            claims: Mapping[str, Any] = jwt.decode(token, KeySet.import_key_set(found), algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError) as fault:
            raise ProviderError("the signature of the id token is not that of the provider") from fault
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now_s = self._now_ms() / 1000
        ends_s, made_s = claims.get("exp"), claims.get("iat", 0)
        is_of_us = self.settings.client_id in audiences and claims.get("azp", self.settings.client_id) == self.settings.client_id
        if claims.get("iss") != self.settings.issuer or not is_of_us or claims.get("nonce") != nonce:
            raise ProviderError("the id token is for another desk, or of another login")
        if not isinstance(ends_s, int | float) or not isinstance(made_s, int | float):
            raise ProviderError("the id token states no times")
        if not made_s - limits.OIDC_CLOCK_S <= now_s <= ends_s + limits.OIDC_CLOCK_S:
            raise ProviderError("the id token has ended, or the clocks of desk and provider differ")
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject, name = claims.get("sub"), claims.get(self.settings.name_claim)
        if not isinstance(subject, str) or not subject or not isinstance(name, str):
            raise ProviderError(f"the id token has no sub, or no {self.settings.name_claim}")
        stated = claims.get(self.settings.role_claim, [])
        values = stated if isinstance(stated, list) else [stated]
        found = [self.settings.roles[value] for value in values if isinstance(value, str) and value in self.settings.roles]
        # Of several roles the last one in ROLES, which has the most rights.
        role = next((one for one in reversed(ROLES) if one in found), None)
        return Person(f"{self.settings.issuer} {subject}", name, role)

    def _endpoint(self, name: str) -> str:
        found = self._get(self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
        address = found.get(name)
        if found.get("issuer") != self.settings.issuer or not isinstance(address, str) or not ADDRESS.fullmatch(address):
            raise ProviderError(f"the provider's document is of another issuer, or has no {name}")
        return address

    def _get(self, address: str) -> dict[str, Any]:
        until_s, held = self._kept.get(address, (0.0, None))
        if held is None or time.monotonic() > until_s:
            held = _object(self._fetch(address, None, {"Accept": "application/json"}))
            self._kept[address] = time.monotonic() + limits.OIDC_KEYS_S, held
        return dict(held)


def fetch_bytes(address: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    """GET, or POST of `body`; the answer, at most OIDC_BYTES_MAX. Raises OSError."""
    request = urllib.request.Request(address, body, dict(headers))  # noqa: S310  ADDRESS allows http(s) only
    with urllib.request.urlopen(request, timeout=limits.HOOK_S_MAX) as answer:  # noqa: S310
        found: bytes = answer.read(limits.OIDC_BYTES_MAX)
        return found


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as fault:
        raise ProviderError("the provider's answer is no JSON") from fault
    if not isinstance(found, dict):
        raise ProviderError("the provider's answer is no object")
    return found

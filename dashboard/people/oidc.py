"""Login by an OpenID Connect provider, beside passwords.

State, nonce and verifier of a login are in a cookie of that browser, signed by the desk, so that any of several desks can end it.
An account is bound to the provider's subject: neither a local account nor one of another subject is entered by its name.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboard import limits
from dashboard.people.access import Access
from dashboard.people.accounts import AccountError, Accounts
from dashboard.people.login import own_path
from dashboard.people.provider import Provider, ProviderError
from dashboard.refusals import Refused
from dashboard.settings import Settings

log = logging.getLogger("wayside.dashboard")


class Begun(msgspec.Struct, frozen=True):
    """A login that has begun; `target` is the page after it."""

    state: str
    nonce: str
    verifier: str
    target: str
    ends_ms: int


class OidcPages:
    """Handlers of the two addresses; without a provider both are 404."""

    def __init__(self, settings: Settings, accounts: Accounts, access: Access, provider: Provider | None) -> None:
        self._settings, self._accounts, self._access, self._provider = settings, accounts, access, provider
        self._key = hmac.digest(settings.audit_key or secrets.token_bytes(32), b"login by a provider", "sha256")
        self._cookie = "__Host-wayside-login" if settings.is_secure else "wayside-login"

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/oidc/login", self.begin)
        router.add_api_route("/oidc/callback", self.end)
        return router

    def begin(self, request: Request, next: str = "/") -> Response:  # noqa: A002  the name in the address
        """Lead the browser to the provider. Raises Refused: 404 without one, 503 if it is not reached."""
        provider = self._known()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = Begun(state, nonce, verifier, own_path(next), self._settings.now_ms() + limits.OIDC_LOGIN_MS)
        challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        try:
            address = provider.address(self._redirect(request), begun.state, begun.nonce, challenge)
        except (OSError, ProviderError) as fault:
            raise self._away(fault) from fault
        response = RedirectResponse(address, 303)
        response.set_cookie(
            self._cookie,
            self._signed(begun),
            max_age=limits.OIDC_LOGIN_MS // 1000,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._settings.is_secure,
        )
        return response

    def end(self, request: Request, code: str = "", state: str = "") -> Response:
        """Log in. Raises Refused: 401 for a login that this browser has not begun, 403 without a role here, 503 without the provider."""
        provider, begun = self._known(), self._read(request.cookies.get(self._cookie, ""))
        if begun is None or not code or not hmac.compare_digest(begun.state.encode(), state.encode()):
            raise Refused(401, "This login was not begun in this browser, or took too long. Log in again.")
        try:
            person = provider.person(code, self._redirect(request), begun.verifier, begun.nonce)
        except ProviderError as fault:
            log.warning("login by the provider: %s", fault)
            raise Refused(401, "The provider's answer was refused. Log in again; the desk's log has the reason.") from fault
        except OSError as fault:
            raise self._away(fault) from fault
        if person.role is None:
            raise Refused(403, "Your account has no role at this desk. Its administrator gives roles by --oidc.")
        try:
            session = self._accounts.enter_by_provider(person.subject, person.name, person.role)
        except AccountError as fault:
            raise Refused(403, f"{str(fault).capitalize()}.") from fault
        response = self._access.sign_in(RedirectResponse(begun.target, 303), session)
        response.delete_cookie(self._cookie, path="/", httponly=True, samesite="lax", secure=self._settings.is_secure)
        return response

    def _known(self) -> Provider:
        if self._provider is None:
            raise Refused(404, "There is no page at this address.")
        return self._provider

    def _away(self, fault: Exception) -> Refused:
        log.warning("login by the provider: %s", fault)
        return Refused(503, "The login of your organisation cannot be reached. Try again later, or log in with a password.")

    def _redirect(self, request: Request) -> str:
        return (self._settings.public_url or str(request.base_url)).rstrip("/") + "/oidc/callback"

    def _signed(self, begun: Begun) -> str:
        content = urlsafe_b64encode(msgspec.json.encode(begun))
        return f"{content.decode()}.{hmac.new(self._key, content, 'sha256').hexdigest()}"

    def _read(self, text: str) -> Begun | None:
        """The login of a cookie, None if it is not ours or has ended."""
        content, _, signature = text.partition(".")
        if not hmac.compare_digest(hmac.new(self._key, content.encode(), "sha256").hexdigest().encode(), signature.encode()):
            return None
        begun = msgspec.json.decode(urlsafe_b64decode(content), type=Begun)
        return begun if begun.ends_ms >= self._settings.now_ms() else None

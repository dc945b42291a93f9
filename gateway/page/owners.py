"""The owner of a page: a cookie with a random text, of which the gateway keeps nothing.

The device id of a page is a keyed hash of the cookie's text. It is stored only while the person's consent stands, and the cookie
cannot be made from it. A link never holds the text, so the link of another person opens no page.
"""

from __future__ import annotations

import hashlib
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gateway.core.channels import PAGE_PREFIX

if TYPE_CHECKING:
    from gateway.core.http import Request

COOKIE_DAYS = 400  # the longest that browsers keep one
WAIT_S = 600  # to link an app
TOKEN_CHARS = 43  # 256 bits in base64


class Owners:
    """Cookies and device ids of pages."""

    def __init__(self, secret: bytes, *, is_secure: bool) -> None:
        """`secret` keys the device ids; with TLS cookies are `is_secure`."""
        self._secret = secret
        self.is_secure = is_secure
        self._cookie = "__Host-wayside" if is_secure else "wayside"
        self._attributes = "; HttpOnly; SameSite=Lax; Path=/" + ("; Secure" if is_secure else "")

    def token(self, request: Request) -> str | None:
        """The text of the request's cookie, or None without a usable one."""
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return None
        return found.value if found is not None and len(found.value) == TOKEN_CHARS and found.value.isascii() else None

    def device(self, token: str) -> str:
        """The device id of the page with this cookie."""
        return PAGE_PREFIX + hashlib.blake2b(token.encode("ascii"), key=self._secret, digest_size=16, person=b"wayside-page").hexdigest()

    def set_cookie(self, token: str, *, is_linked: bool = True) -> tuple[str, str]:
        """The header that keeps a cookie; without a person on its page for WAIT_S only."""
        return "Set-Cookie", f"{self._cookie}={token}{self._attributes}; Max-Age={COOKIE_DAYS * 86_400 if is_linked else WAIT_S}"

    def drop_cookie(self) -> tuple[str, str]:
        """The header that deletes it."""
        return "Set-Cookie", f"{self._cookie}={self._attributes}; Max-Age=0"


class Draws(NamedTuple):
    """Random texts: of a cookie, and the boot of an envelope."""

    token: str
    boot: str


def draw() -> Draws:
    """Fresh random texts."""
    return Draws(secrets.token_urlsafe(32), secrets.token_hex(8))


def is_own(request: Request) -> bool:
    """Whether a form was sent from this page and not by another website (CSRF), by the origin that the browser states.

    A browser that states nothing sends the cookie only with requests of the page itself (SameSite).
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")

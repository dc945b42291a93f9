"""The door of the desk: hosts, callers and the rights of a role.

Every route passes `Access.guard`, which looks it up in the table of roles. A request that changes something must carry the token of its
session in the form, so that another site cannot make a browser send it. A form of an ended session is answered with the login, which keeps
all its fields.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard import limits
from dashboard.people.accounts import Accounts, Caller
from dashboard.people.roles import PAGES
from dashboard.refusals import Refused
from dashboard.tables import FORMATS

CSRF = "csrf"
FILES = tuple(f".{suffix}" for suffix in FORMATS)


class NeedsLogin(Exception):  # noqa: N818  an expected response, not an error of the program
    """There is no session; `kept` are the fields of the form that was sent."""

    def __init__(self, kept: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__("log in first")
        self.kept = kept


class HostList:
    """ASGI middleware that answers only requests for a known host: a foreign name that resolves to this machine gets nothing."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse an unknown host with 421, or call the application."""
        if scope["type"] == "http" and host_name(Headers(scope=scope).get("host", "")) not in self._hosts:
            line = "This desk does not answer under this host name; start it with --public-url to add one.\n"
            await PlainTextResponse(line, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_name(authority: str) -> str:
    """The host of `host:port` in lower case, IPv6 in brackets."""
    host, _, port = authority.lower().rpartition(":")
    return host if host and port.isdigit() else authority.lower()


class Access:
    """Identifies callers; cookies are `Secure` if the desk is reached over https."""

    def __init__(self, accounts: Accounts, *, is_secure: bool) -> None:
        self._accounts = accounts
        self._is_secure = is_secure
        self._cookie = "__Host-wayside" if is_secure else "wayside"

    async def guard(self, request: Request) -> None:
        """Set `request.state.caller` and `request.state.form`. Raises NeedsLogin, and Refused if the role may not use the route."""
        key = f"{request.method} {request.scope['route'].path}"
        access = PAGES.get(key)
        if access == "gateway":
            return
        caller = request.state.caller = await run_in_threadpool(self._caller, request)
        form = request.state.form = await read_form(request) if request.method == "POST" else FormData()
        if access == "public":
            if request.method == "POST" and not is_same_origin(request):
                raise Refused(403, "This form was sent from another site.")
            return
        if caller is None:
            raise NeedsLogin([(name, value) for name, value in form.multi_items() if isinstance(value, str) and name != CSRF])
        if access is None or caller.role not in access:
            raise Refused(403, f"An account with the role {caller.role} may not do this. An admin can change the role.")
        if request.method != "GET" and not is_own_form(request, caller, form):
            raise Refused(403, "This form was not made by this session. Go back, reload the page and send it again.")

    def sign_in(self, response: Response, token: str) -> Response:
        """Set the cookie of a session."""
        response.set_cookie(
            self._cookie, token, max_age=limits.SESSION_MS_MAX // 1000, path="/", httponly=True, samesite="lax", secure=self._is_secure
        )
        return response

    def sign_out(self, response: Response) -> Response:
        """Delete the cookie."""
        response.delete_cookie(self._cookie, path="/", httponly=True, samesite="lax", secure=self._is_secure)
        return response

    def _caller(self, request: Request) -> Caller | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and request.method == "GET" and is_of_program(request):
            return self._accounts.caller(token.strip(), "program")
        cookie = request.cookies.get(self._cookie)
        return self._accounts.caller(cookie, "browser") if cookie else None


def is_of_program(request: Request) -> bool:
    """Whether a program asks, not a browser: under `/v1/`, or for a table as a file with a token."""
    path = request.url.path
    return path.startswith("/v1/") or (path.endswith(FILES) and "authorization" in request.headers)


def is_own_form(request: Request, caller: Caller, form: FormData) -> bool:
    """Whether the form was rendered for this session and sent by a page of this desk."""
    stated = form.get(CSRF)
    return caller.kind == "browser" and isinstance(stated, str) and hmac.compare_digest(stated, caller.csrf) and is_same_origin(request)


def is_same_origin(request: Request) -> bool:
    """Whether the browser states no other site as the sender; programs state none."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


async def read_form(request: Request) -> FormData:
    """The form in the body; texts of uploaded files are under the names of the fields.

    Raises Refused: 411 or 413 for its length, 408 if it is slow, 400 if it cannot be read.
    """
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        raise Refused(411, "A form needs a stated length.")
    if int(declared[:20]) > limits.FORM_BYTES_MAX:
        raise Refused(413, f"This form is larger than {limits.FORM_BYTES_MAX} bytes.")
    try:
        async with asyncio.timeout(limits.FORM_S_MAX):
            await request.body()
            form = await request.form(max_files=2, max_fields=limits.FORM_FIELDS_MAX)
            pairs: list[tuple[str, str | UploadFile]] = [(name, await _text(value)) for name, value in form.multi_items()]
    except TimeoutError as fault:
        raise Refused(408, f"The form did not arrive within {limits.FORM_S_MAX:.0f} s.") from fault
    except (ClientDisconnect, UnicodeDecodeError, HTTPException) as fault:
        raise Refused(400, "The form cannot be read; a file must be UTF-8 text.") from fault
    return FormData(pairs)


async def _text(value: str | UploadFile) -> str:
    return value if isinstance(value, str) else (await value.read()).decode("utf-8-sig")

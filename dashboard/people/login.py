"""Login, logout and one-time links."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.people.access import Access
from dashboard.people.accounts import AccountError, Accounts
from dashboard.people.throttle import Throttle
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings

KEPT = "kept."
"""Prefix of the fields of a form that was sent without a session, in the login form."""


class LoginPages:
    """Handlers of the public pages."""

    def __init__(self, settings: Settings, accounts: Accounts, access: Access, rendering: Rendering) -> None:
        self._settings, self._accounts, self._access, self._rendering = settings, accounts, access, rendering
        self._by_address = Throttle(limits.LOGINS_BY_ADDRESS_MAX, limits.LOGIN_S, settings.now_ms)
        self._by_account = Throttle(limits.LOGINS_BY_ACCOUNT_MAX, limits.LOGIN_S, settings.now_ms)

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/login", self.login_page)
        router.add_api_route("/login", self.login, methods=["POST"])
        router.add_api_route("/logout", self.logout, methods=["POST"])
        router.add_api_route("/welcome/{token}", self.welcome_page)
        router.add_api_route("/welcome/{token}", self.welcome, methods=["POST"])
        router.add_api_route("/enter/{token}", self.enter)
        return router

    def login_page(self, request: Request, next: str = "/") -> Response:  # noqa: A002  the name in the address
        """The login form."""
        return login_form(self._rendering, request, next)

    async def login(self, request: Request) -> Response:
        """Log in, and go on to the page or form that needed it."""
        name, password, target = fields(request, "name", "password", "next")
        kept = [(field.removeprefix(KEPT), value) for field, value in request.state.form.multi_items() if field.startswith(KEPT)]
        address = request.client.host if request.client else ""
        wait_s = max(self._by_address.wait_s(address), self._by_account.wait_s(name))
        if wait_s:
            line = f"Too many wrong passwords. Try again in {-(-wait_s // 60)} minutes."
            return login_form(self._rendering, request, target, kept, name, line, 429)
        token = await run_in_threadpool(self._accounts.login, name, password)
        if token is None:
            self._by_address.failed(address)
            self._by_account.failed(name)
            return login_form(self._rendering, request, target, kept, name, "The name or the password is wrong.", 401)
        self._by_account.forget(name)
        if not kept:
            return self._access.sign_in(RedirectResponse(own_path(target), 303), token)
        request.state.caller = await run_in_threadpool(self._accounts.caller, token, "browser")
        page = self._rendering.page(request, "resend.html", target=own_path(target), kept=kept)
        return self._access.sign_in(HTMLResponse(page), token)

    def logout(self, request: Request) -> Response:
        """End the session."""
        self._accounts.logout(request.state.caller)
        return self._access.sign_out(RedirectResponse("/login", 303))

    def welcome_page(self, request: Request, token: str) -> Response:
        """The form of a one-time link. Raises Refused (404) for a link that is not open."""
        return self._welcome(request, token, "", "")

    def welcome(self, request: Request, token: str) -> Response:
        """Set the password, and log in. Raises Refused (404) for a link that is not open."""
        name, password, again = fields(request, "name", "password", "again")
        if password != again:
            return self._welcome(request, token, name, "The two passwords differ.")
        try:
            session = self._accounts.welcome(token, name, password)
        except AccountError as fault:
            return self._welcome(request, token, name, str(fault))
        return self._access.sign_in(RedirectResponse("/", 303), session)

    def _welcome(self, request: Request, token: str, name: str, fault: str) -> Response:
        link = self._accounts.link(token)
        if link is None:
            raise Refused(404, "This link was used already, or is older than a day. Ask for a new one.")
        return HTMLResponse(self._rendering.page(request, "welcome.html", link=link, name=name, fault=fault), 422 if fault else 200)

    def enter(self, token: str) -> Response:
        """Log in by the link of a demonstration. Raises Refused (404)."""
        name = self._settings.demonstration_links.get(token)
        if name is None:
            raise Refused(404, "There is no page at this address.")
        return self._access.sign_in(RedirectResponse("/", 303), self._accounts.enter(name))


def login_form(
    rendering: Rendering,
    request: Request,
    target: str,
    kept: Sequence[tuple[str, str]] = (),
    name: str = "",
    fault: str = "",
    status: int = 200,
) -> Response:
    """The login; `kept` are fields of a form that is sent again after it."""
    inputs = [(KEPT + field, value) for field, value in kept]
    return HTMLResponse(rendering.page(request, "login.html", target=own_path(target), kept=inputs, name=name, fault=fault), status)


def own_path(target: str) -> str:
    """`target` if it is a path of this desk, else the front page: a login must not lead to another site."""
    is_own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_own else "/"

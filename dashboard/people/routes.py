"""Pages for accounts: the own account, the list of people, and the audit log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboard.people import audit as log
from dashboard.people.access import Access
from dashboard.people.accounts import AccountError, Accounts
from dashboard.people.roles import ROLES, Role
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings
from dashboard.store import Store

AUDIT_ROWS = 500


class AccountPages:
    """Handlers of the pages of accounts."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, access: Access, rendering: Rendering) -> None:
        self._settings, self._store, self._accounts, self._access, self._rendering = settings, store, accounts, access, rendering

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/account", self.account)
        router.add_api_route("/account/password", self.change_password, methods=["POST"])
        router.add_api_route("/account/token", self.program_token, methods=["POST"])
        router.add_api_route("/people", self.people)
        router.add_api_route("/people/invite", self.invite, methods=["POST"])
        router.add_api_route("/people/change", self.change, methods=["POST"])
        router.add_api_route("/audit", self.audit)
        return router

    def account(self, request: Request) -> Response:
        """The own account."""
        return self._account(request)

    def change_password(self, request: Request) -> Response:
        """Set a new password; a new session begins."""
        old, new, again = fields(request, "old", "password", "again")
        try:
            if new != again:
                return self._account(request, fault="The two new passwords differ.")
            token = self._accounts.change_password(request.state.caller.account, old, new)
        except AccountError as fault:
            return self._account(request, fault=str(fault))
        return self._access.sign_in(RedirectResponse("/account", 303), token)

    def program_token(self, request: Request) -> Response:
        """Make a token for programs and show it once."""
        return self._account(request, token=self._accounts.program_token(request.state.caller.account))

    def _account(self, request: Request, *, fault: str = "", token: str = "") -> Response:
        return HTMLResponse(self._rendering.page(request, "account.html", fault=fault, token=token), 422 if fault else 200)

    def people(self, request: Request) -> Response:
        """The list of accounts."""
        return self._people(request)

    def invite(self, request: Request) -> Response:
        """Make a one-time link and show it once."""
        name, role = fields(request, "name", "role")
        try:
            if not name:
                return self._people(request, fault="Enter a name for the new account.", role=role)
            token = self._accounts.invite(name, _role(role), request.state.caller.account)
        except AccountError as fault:
            return self._people(request, fault=str(fault), name=name, role=role)
        address = (self._settings.public_url or str(request.base_url)).rstrip("/")
        return self._people(request, link=f"{address}/welcome/{token}", invited=name)

    def change(self, request: Request) -> Response:
        """Change the role of an account, or close it."""
        name, role, disabled = fields(request, "name", "role", "disabled")
        try:
            self._accounts.change(name, _role(role), disabled=bool(disabled), by=request.state.caller.account)
        except AccountError as fault:
            return self._people(request, fault=str(fault))
        return RedirectResponse("/people", 303)

    def _people(
        self, request: Request, *, fault: str = "", name: str = "", role: str = "viewer", link: str = "", invited: str = ""
    ) -> Response:
        context = {"accounts": self._accounts.all(), "roles": ROLES, "name": name, "role": role, "link": link, "invited": invited}
        return HTMLResponse(self._rendering.page(request, "people.html", fault=fault, **context), 422 if fault else 200)

    def audit(self, request: Request) -> Response:
        """The audit log, verified."""
        verdict = self._accounts.verify_log()
        with self._store.reading() as connection:
            newest = list(log.entries(connection, AUDIT_ROWS))
        return HTMLResponse(self._rendering.page(request, "audit.html", entries=newest, verdict=verdict))


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise AccountError("choose one of the roles")

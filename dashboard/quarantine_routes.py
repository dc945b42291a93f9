"""The page of the quarantine, and an operator's decisions on it."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboard import quarantine
from dashboard.database import DESK, RECORDS
from dashboard.gateways import known_gateways
from dashboard.live import Notifier
from dashboard.people.accounts import Accounts
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings
from dashboard.store import Store


class QuarantinePages:
    """Handlers of the page of the quarantine. Changes run on the event loop, so that streams can be woken."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering, notifier: Notifier) -> None:
        self._settings, self._store, self._accounts, self._rendering, self._notifier = settings, store, accounts, rendering, notifier

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/quarantine", self.page)
        router.add_api_route("/quarantine/accept", self.accept, methods=["POST"])
        router.add_api_route("/quarantine/discard", self.discard, methods=["POST"])
        router.add_api_route("/quarantine/retract", self.retract, methods=["POST"])
        return router

    def page(self, request: Request, gateway: str = "") -> Response:
        """The quarantined records."""
        return self._page(request, gateway)

    def _page(self, request: Request, gateway: str = "", begin: str = "", end: str = "", fault: str = "") -> Response:
        with self._store.reading() as connection:
            context = {
                "held": quarantine.held(connection),
                "total": quarantine.count(connection),
                "gateways": known_gateways(connection),
            }
        text = self._rendering.page(request, "quarantine.html", gateway=gateway, begin=begin, end=end, fault=fault, **context)
        return HTMLResponse(text, 422 if fault else 200)

    async def accept(self, request: Request) -> Response:
        """Count a record from now on."""
        return self._decide(request, "accepted")

    async def discard(self, request: Request) -> Response:
        """Delete a record."""
        return self._decide(request, "deleted")

    def _decide(self, request: Request, decision: str) -> Response:
        gateway, key = fields(request, "gateway", "id")
        decide = quarantine.accept if decision == "accepted" else quarantine.discard
        with self._store.writing(RECORDS, DESK) as connection:
            done = decide(connection, gateway, [key])
            if done:
                self._accounts.note(connection, request.state.caller.account, f"record {decision}", f"{gateway} {key}")
        if not done:
            fault = "Nothing was changed: another record counts this window now, or the record is not here any more."
            return self._page(request, fault=fault)
        self._notifier.notify()
        return RedirectResponse("/quarantine", 303)

    async def retract(self, request: Request) -> Response:
        """Take the counts of a gateway out of all figures."""
        gateway, begin, end = fields(request, "gateway", "from", "until")
        try:
            from_ms, until_ms = self._instant_ms(begin), self._instant_ms(end)
        except (ValueError, OverflowError):
            return self._page(request, gateway, begin, end, "Enter both times as a date and a time of day.")
        with self._store.writing(RECORDS, DESK) as connection:
            done = quarantine.retract(connection, gateway, from_ms, until_ms, self._settings.now_ms())
            if done:
                detail = f"{gateway}: {done} records of {begin} to {end}"
                self._accounts.note(connection, request.state.caller.account, "counts retracted", detail)
        if not done:
            return self._page(request, gateway, begin, end, "No counts of this gateway begin between these two times.")
        self._notifier.notify()
        return RedirectResponse("/quarantine", 303)

    def _instant_ms(self, text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=self._settings.time_zone).timestamp() * 1000)

"""The fleet page, its table as files, and the acknowledgement of alarms."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboard import limits
from dashboard.fleet.alarms import acknowledge, open_alarms
from dashboard.fleet.rows import FleetRow, fleet_rows
from dashboard.gateways import STATES, State, count_states, find_gateways
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.tables import FORMATS, answer, table_of

SEARCH_CHARS_MAX = 64
PAGES_MAX = 10_000


class FleetPages:
    """Handlers of the pages."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/fleet", self.page)
        router.add_api_route("/fleet/acknowledge", self.acknowledge, methods=["POST"])
        for suffix in FORMATS:
            router.add_api_route(f"/fleet.{suffix}", partial(self.file, suffix))
        return router

    def page(self, request: Request, q: str = "", state: str = "", page: str = "1") -> Response:
        """Alarms, and one page of the gateways that match."""
        return self._page(request, q, state, page)

    def _page(self, request: Request, q: str = "", state: str = "", page: str = "1", fault: str = "") -> Response:
        now_ms, number, search = self._settings.now_ms(), _number(page), q.strip()[:SEARCH_CHARS_MAX]
        chosen = known_state(state)
        skip = (number - 1) * limits.FLEET_ROWS_MAX
        with self._store.reading() as connection:
            found, total = find_gateways(connection, now_ms, search=search, state=chosen, most=limits.FLEET_ROWS_MAX, skip=skip)
            alarms, alarms_total = open_alarms(connection)
            context: dict[str, Any] = {
                "rows": fleet_rows(connection, found),
                "counts": count_states(connection, now_ms),
                "alarms": alarms,
                "alarms_total": alarms_total,
            }
        context |= {"total": total, "q": search, "state": state, "page": number, "first": skip + 1, "now_ms": now_ms}
        context |= {"pages": max(1, -(-total // limits.FLEET_ROWS_MAX)), "fault": fault}
        return HTMLResponse(self._rendering.page(request, "fleet.html", **context), 409 if fault else 200)

    def file(self, suffix: str, q: str = "", state: str = "") -> Response:
        """All gateways that match, as a file."""
        with self._store.reading() as connection:
            found, _ = find_gateways(connection, self._settings.now_ms(), search=q.strip()[:SEARCH_CHARS_MAX], state=known_state(state))
            rows = fleet_rows(connection, found)
        return answer(table_of(FleetRow, rows), "fleet", suffix)

    async def acknowledge(self, request: Request) -> Response:
        """Note that the account has seen an alarm; it stays until its cause is gone."""
        gateway, kind = fields(request, "gateway", "kind")
        account = request.state.caller.account
        with self._store.writing() as connection:
            done = acknowledge(connection, gateway, kind, account, self._settings.now_ms())
            if done:
                self._accounts.note(connection, account, "alarm acknowledged", f"{gateway}: {kind}")
        if not done:
            return self._page(request, fault="This alarm has ended, or another account has acknowledged it meanwhile.")
        return RedirectResponse("/fleet", 303)


def known_state(text: str) -> State | None:
    """A state, None for an empty text. Raises Refused (422) for another."""
    if not text:
        return None
    for state in STATES:
        if text == state:
            return state
    raise Refused(422, f"unknown state; choose {', '.join(STATES)}")


def _number(text: str) -> int:
    """The number of a page. Raises Refused (422)."""
    if text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= PAGES_MAX:
        return int(text)
    raise Refused(422, "there is no such page")

"""The fleet page, its table as files, and the acknowledgement of alarms."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dashboard import limits
from dashboard.fleet.alarms import acknowledge, open_alarms
from dashboard.fleet.rows import FleetRow, fleet_rows
from dashboard.gateways import STATES, State, all_groups, assign_group, count_states, find_gateways
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.tables import FORMATS, answer, table_of

SEARCH_CHARS_MAX = 64
GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PAGES_MAX = 10_000


class Filter(NamedTuple):
    """The part of the address that chooses gateways: a part of the id, a state and a group, each empty for all."""

    q: str = ""
    state: str = ""
    group: str = ""

    def known(self) -> dict[str, Any]:
        """Arguments of `find_gateways`. Raises Refused (422) for an unknown state."""
        return {"search": self.q.strip()[:SEARCH_CHARS_MAX], "state": known_state(self.state), "group": self.group[:SEARCH_CHARS_MAX]}


NO_FILTER = Filter()


class FleetPages:
    """Handlers of the pages."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/fleet", self.page)
        router.add_api_route("/fleet/acknowledge", self.acknowledge, methods=["POST"])
        router.add_api_route("/fleet/group", self.assign, methods=["POST"])
        for suffix in FORMATS:
            router.add_api_route(f"/fleet.{suffix}", partial(self.file, suffix))
        return router

    def page(self, request: Request, q: str = "", state: str = "", group: str = "", page: str = "1") -> Response:
        """Alarms, and one page of the gateways that match."""
        return self._page(request, Filter(q, state, group), page)

    def _page(self, request: Request, chosen: Filter = NO_FILTER, page: str = "1", fault: str = "", to: str = "") -> Response:
        now_ms, number = self._settings.now_ms(), _number(page)
        skip = (number - 1) * limits.FLEET_ROWS_MAX
        with self._store.reading() as connection:
            found, total = find_gateways(connection, now_ms, most=limits.FLEET_ROWS_MAX, skip=skip, **chosen.known())
            alarms, alarms_total = open_alarms(connection)
            context: dict[str, Any] = {
                "rows": fleet_rows(connection, found),
                "counts": count_states(connection, now_ms),
                "groups": all_groups(connection),
                "alarms": alarms,
                "alarms_total": alarms_total,
            }
        context |= {"total": total, **chosen._asdict(), "page": number, "first": skip + 1, "now_ms": now_ms, "to": to}
        context |= {"pages": max(1, -(-total // limits.FLEET_ROWS_MAX)), "fault": fault}
        return HTMLResponse(self._rendering.page(request, "fleet.html", **context), 409 if fault else 200)

    def file(self, suffix: str, q: str = "", state: str = "", group: str = "") -> Response:
        """All gateways that match, as a file."""
        with self._store.reading() as connection:
            found, _ = find_gateways(connection, self._settings.now_ms(), **Filter(q, state, group).known())
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

    async def assign(self, request: Request) -> Response:
        """Put all gateways that match into a group."""
        q, state, group, to = fields(request, "q", "state", "group", "to")
        chosen = Filter(q, state, group)
        if to and not GROUP.fullmatch(to):
            return self._page(request, chosen, fault="A group has lower-case letters, digits, - and _, at most 64 of them.", to=to)
        with self._store.writing() as connection:
            done = assign_group(connection, to, self._settings.now_ms(), **chosen.known())
            self._accounts.note(connection, request.state.caller.account, "group assigned", f"{done} gateways: {to or 'no group'}")
        return RedirectResponse(f"/fleet?{urlencode({'group': to})}" if to else "/fleet", 303)


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

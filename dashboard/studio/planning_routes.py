"""The pages for planning: the calendar of the campaign, and the programme with its budget."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from dashboard.figures import known_offers
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.results.campaign import known
from dashboard.results.rows import results
from dashboard.settings import Settings
from dashboard.sources import View
from dashboard.store import Store
from dashboard.studio import programme as programmes
from dashboard.studio import versions
from dashboard.studio.calendar import calendar, parsed_month
from dashboard.studio.check import Checked, check
from dashboard.studio.programme import Programme
from dashboard.studio.publisher import Publisher, required, stopped_offers
from dashboard.studio.words import money


class PlanningPages:
    """Handlers of the pages."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering, publisher: Publisher | None) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering
        self._publisher = publisher

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/campaign/calendar", self.calendar)
        router.add_api_route("/programme", self.programme)
        router.add_api_route("/programme", self.save, methods=["POST"])
        return router

    def calendar(self, request: Request, month: str = "") -> Response:
        """Six months of the newest version, from this month on."""
        now_ms = self._settings.now_ms()
        with self._store.reading() as connection:
            newest, checked = self._newest(connection)
            begin = parsed_month(month, now_ms, checked.time_zone)
            stopped = stopped_offers(connection)
        shown = calendar(checked.campaign, stopped, begin, now_ms, checked.time_zone) if checked.campaign else None
        context = {"shown": shown, "newest": newest, "zone": checked.time_zone, "faults": checked.faults}
        return HTMLResponse(self._rendering.page(request, "calendar.html", **context))

    def programme(self, request: Request) -> Response:
        """The programme."""
        return self._programme(request)

    async def save(self, request: Request) -> Response:
        """Save the programme; a fault is shown above the form, with all that was typed."""
        typed = dict(zip(("note", "budget", "from", "until"), fields(request, "note", "budget", "from", "until"), strict=True))
        account, now_ms = request.state.caller.account, self._settings.now_ms()
        try:
            made = programmes.parsed(typed["note"], typed["budget"], typed["from"], typed["until"], self._settings.time_zone)
        except Refused as fault:
            return self._programme(request, fault.line, typed)
        with self._store.writing() as connection:
            programmes.keep(connection, Programme(now_ms, account, *made))
            self._accounts.note(connection, account, "programme saved", "")
        return RedirectResponse("/programme", 303)

    def _programme(self, request: Request, fault: str = "", typed: dict[str, str] | None = None) -> Response:
        now_ms, zone = self._settings.now_ms(), self._settings.time_zone
        currency = required(self._publisher).base.schema.currency
        with self._store.reading() as connection:
            of = programmes.newest(connection)
            terms = known(connection, self._publisher, known_offers(connection), now_ms)
            found = results(connection, View(span="all"), "offer", terms.terms, zone)
        spent = found.all.spend if found.all else None
        context: dict[str, Any] = {
            "of": of,
            "typed": typed or _typed(of, now_ms, zone),
            "rows": found.rows,
            "all": found.all,
            "pace": programmes.pace(of, spent, now_ms) if of and spent else None,
            "money": lambda minor: money(minor, currency),
            "currency": currency,
            "fault": fault,
        }
        return HTMLResponse(self._rendering.page(request, "programme.html", **context), 422 if fault else 200)

    def _newest(self, connection: Connection) -> tuple[versions.Version | None, Checked]:
        newest = versions.newest(connection)
        text = newest.text if newest else ""
        return newest, check(text, required(self._publisher).base.schema, None, self._settings.now_ms())


def _typed(of: Programme | None, now_ms: int, zone: tzinfo) -> dict[str, str]:
    """The values of the form for a saved programme; without one the present year."""
    year = datetime.fromtimestamp(now_ms / 1000, zone).year
    if of is None:
        return {"note": "", "budget": "", "from": f"{year}-01-01", "until": f"{year}-12-31"}
    days = [datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat() for at_ms in (of.from_ms, of.until_ms - 1)]
    budget = "" if of.budget_minor is None else f"{of.budget_minor / 100:.2f}"
    return {"note": of.note, "budget": budget, "from": days[0], "until": days[1]}

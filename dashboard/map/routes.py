"""The page of the map, and its live stream."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.gateways import known_gateways
from dashboard.live import Notifier, open_stream
from dashboard.map.drawing import drawing
from dashboard.map.flows import WINDOWS, Flow, Length, flows, timeline
from dashboard.map.plans import Plan
from dashboard.refusals import Refused
from dashboard.rendering import Rendering
from dashboard.settings import Settings
from dashboard.store import Store

LENGTHS: dict[Length, str] = {"day": "24 hours", "week": "7 days"}
LEVELS = 4  # of the colour of a zone


class MapPages:
    """Handlers of the page."""

    def __init__(self, settings: Settings, store: Store, rendering: Rendering, notifier: Notifier) -> None:
        self._settings, self._store, self._rendering, self._notifier = settings, store, rendering, notifier
        self._drawings = {plan.site: drawing(plan) for plan in settings.plans}

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/map", self.page, response_class=HTMLResponse)
        router.add_api_route("/map/live", self.live)
        return router

    def page(self, request: Request, site: str = "", span: str = "day", at: str = "") -> Response:
        """The map of a site, by default the first. Raises Refused (404) for an unknown site."""
        plan = self._plan(site)
        if plan is None:
            return HTMLResponse(self._rendering.page(request, "no-map.html"))
        length = _length(span)
        context = self._context(plan, length, _time(at))
        live = self._rendering.part("map-live.html", **context)
        sites = [one.site for one in self._settings.plans]
        return HTMLResponse(self._rendering.page(request, "map.html", live=live, sites=sites, lengths=LENGTHS, **context))

    async def live(self, request: Request, site: str = "", span: str = "day", at: str = "") -> Response:
        """The changing part of the page, again after each batch. Raises Refused: 404 for an unknown site, 503 for too many streams."""
        plan, length, at_ms = self._plan(site), _length(span), _time(at)
        if plan is None:
            raise Refused(404, "This desk has no map.")
        await run_in_threadpool(self._context, plan, length, at_ms)
        account, settings = request.state.caller.account, self._settings
        render = partial(self._part, plan, length, at_ms)
        stream = open_stream(self._notifier, render, settings.refresh_s, settings.gap_s, account)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def _part(self, plan: Plan, length: Length, at_ms: int | None) -> str:
        return self._rendering.part("map-live.html", **self._context(plan, length, at_ms))

    def _context(self, plan: Plan, length: Length, at_ms: int | None) -> dict[str, Any]:
        with self._store.reading() as connection:
            gateways = plan.gateways or tuple(known_gateways(connection))
            of = timeline(connection, gateways, length)
            step = of.step_at(at_ms)
            found = flows(connection, gateways, of, step)
        largest = max((flow.sent.value for flow in found.values() if flow.sent), default=0.0)
        rows = [(zone, found.get(zone.id, Flow(None, None))) for zone in plan.zones]
        return {
            "site": plan.site,
            "span": length,
            "drawing": self._drawings[plan.site],
            "timeline": of,
            "at": step,
            "rows": sorted(rows, key=lambda row: -(row[1].sent.value if row[1].sent else 0)),
            "flows": found,
            "level": lambda flow: level(flow, largest),
        }

    def _plan(self, site: str) -> Plan | None:
        """The plan of a site, the first without a name; None without any. Raises Refused (404)."""
        plans = self._settings.plans
        found = next((plan for plan in plans if plan.site == site or not site), None)
        if found is None and plans:
            raise Refused(404, "There is no map of this site.")
        return found


def level(flow: Flow | None, largest: float) -> int:
    """The colour of a zone, 0 (no clear count) to LEVELS (the most of all)."""
    if flow is None or flow.sent is None or not flow.sent.is_clear or largest <= 0:
        return 0
    return max(1, min(LEVELS, round(LEVELS * flow.sent.value / largest)))


def _length(text: str) -> Length:
    """The period. Raises Refused (422) for an unknown one."""
    for known in WINDOWS:
        if text == known:
            return known
    raise Refused(422, "unknown period; choose day or week")


def _time(text: str) -> int | None:
    """A time in milliseconds; None for no such number."""
    is_time = text.isascii() and text.isdecimal() and len(text) <= len(str(limits.WINDOW_START_MS_MAX))
    return int(text) if is_time else None

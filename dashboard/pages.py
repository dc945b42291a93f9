"""HTML pages: an overview, a page for each gateway and one for each offer.

All three show the same figures with another filter. The server renders tables and bars that need no
script. The part that changes is a template of its own: part of the page at load, then sent again by
the stream.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.collector import known_span
from dashboard.control import perceived_control
from dashboard.figures import figures, known_offers
from dashboard.gateways import Gateway, count_states, find_gateways
from dashboard.health import health_of
from dashboard.live import Notifier, open_stream
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, caller_of
from dashboard.settings import Settings
from dashboard.sources import View
from dashboard.store import Store
from dashboard.visitors import visitors_by_zone


class Pages:
    """Renders pages from the store; without state of its own."""

    def __init__(self, settings: Settings, store: Store, rendering: Rendering) -> None:
        self._settings = settings
        self._store = store
        self._rendering = rendering

    def page(self, request: Request, view: View) -> str:
        """HTML of a whole page. Raises Refused (404) if the gateway or offer of the view is unknown."""
        return self._rendering.page(request, "page.html", view=view, live=self.live(view))

    def check(self, view: View) -> None:
        """Raises Refused (404) if the gateway or offer of the view is unknown; a stream that has started cannot change its status."""
        with self._store.reading() as connection:
            _shown_gateways(connection, view, self._settings.now_ms())

    def live(self, view: View) -> str:
        """HTML of the part that changes. Raises Refused (404) as `page` does."""
        now_ms = self._settings.now_ms()
        with self._store.reading() as connection:
            shown = _shown_gateways(connection, view, now_ms)
            found = figures(connection, view, self._settings.time_zone)
            context = {
                "found": found,
                "control": None if view.offer else perceived_control(connection, view.gateway),
                "heard": {} if view.offer else visitors_by_zone(connection, view),
                "healths": health_of(connection, view.gateway) if view.gateway else [],
                "counts": count_states(connection, now_ms),
                "is_demonstration": any(one.health is not None and one.health.demonstration for one in shown),
            }
        return self._rendering.part("live.html", view=view, gateways=shown, now_ms=now_ms, **context)

    def error(self, request: Request, status: int, line: str) -> str:
        """HTML of an error page: status, explanation, and for an account links to known gateways and offers."""
        known: list[Gateway] = []
        offers: list[str] = []
        if caller_of(request) is not None:
            with self._store.reading() as connection:
                known, _ = find_gateways(connection, self._settings.now_ms(), most=limits.ROWS_MAX)
                offers = known_offers(connection)[: limits.ROWS_MAX]
        return self._rendering.page(request, "error.html", status=status, line=line, gateways=known, offers=offers)


def page_routes(settings: Settings, pages: Pages, notifier: Notifier) -> APIRouter:
    """Routes of the pages and of their live stream."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def street(request: Request, span: str = "day") -> Response:
        return HTMLResponse(pages.page(request, View(span=known_span(span))))

    @router.get("/gateways/{gateway}")
    def gateway_page(request: Request, gateway: str, span: str = "day") -> Response:
        return HTMLResponse(pages.page(request, View(span=known_span(span), gateway=gateway)))

    @router.get("/offers/{offer}")
    def offer_page(request: Request, offer: str, span: str = "day") -> Response:
        return HTMLResponse(pages.page(request, View(span=known_span(span), offer=offer)))

    @router.get("/live")
    async def live(request: Request, span: str = "day", gateway: str | None = None, offer: str | None = None) -> Response:
        view = View(span=known_span(span), gateway=gateway, offer=offer)
        await run_in_threadpool(pages.check, view)
        account = request.state.caller.account
        stream = open_stream(notifier, partial(pages.live, view), settings.refresh_s, settings.gap_s, account)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return router


def _shown_gateways(connection: Connection, view: View, now_ms: int) -> list[Gateway]:
    """The gateway of the view, or the first of the fleet, which need attention most."""
    if view.gateway is not None:
        shown, _ = find_gateways(connection, now_ms, names=[view.gateway])
        if not shown:
            raise Refused(404, "This gateway is unknown. Choose one below, or add it to the token file.")
        return shown
    if view.offer is not None:
        if view.offer not in known_offers(connection):
            raise Refused(404, "There are no records of this offer. Choose one below.")
        return []
    return find_gateways(connection, now_ms, most=limits.OVERVIEW_ROWS_MAX)[0]

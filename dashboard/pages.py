"""What people see: one page for the street, one for a gateway, one for an offer.

All three are the same view of the same figures with another filter, rendered on the server into
tables and bars that need no script. The live part is a template of its own: at a load it stands in
the page, later the stream sends it again.
"""

from __future__ import annotations

from datetime import tzinfo
from functools import partial

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from dashboard import limits, words
from dashboard.collector import known_span
from dashboard.figures import FUNNEL, SPANS, View, figures, health_of, known_offers
from dashboard.gateways import Gateway, known_gateways
from dashboard.live import Pulse, open_stream
from dashboard.refusals import Refused
from dashboard.settings import Settings
from dashboard.store import Store

SPAN_WORDS = {"day": "24 hours", "week": "7 days", "all": "Everything"}
FUNNEL_WORDS = {"trigger": "Triggers", "shown": "Shown", "opened": "Opened", "accepted": "Accepted", "redeemed": "Redeemed"}


class Pages:
    """Renders; holds no state of its own."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._templates = _environment(settings.time_zone)

    def page(self, view: View) -> str:
        """A whole page; Refused 404 when the view's gateway or offer is unknown."""
        return self._templates.get_template("page.html").render(view=view, live=self.live(view))

    def check(self, view: View) -> None:
        """Refused 404 when the view's gateway or offer is unknown: a stream that has begun can no longer say so."""
        with self._store.reading() as connection:
            _shown_gateways(connection, view, known_gateways(connection, self._settings.tokens, self._settings.now_ms()))

    def live(self, view: View) -> str:
        """The part of the page that changes."""
        now_ms = self._settings.now_ms()
        with self._store.reading() as connection:
            known = known_gateways(connection, self._settings.tokens, now_ms)
            shown = _shown_gateways(connection, view, known)
            context = {
                "found": figures(connection, view, self._settings.time_zone),
                "healths": health_of(connection, view.gateway) if view.gateway else [],
            }
        return self._templates.get_template("live.html").render(view=view, gateways=shown, now_ms=now_ms, **context)

    def error(self, status: int, line: str) -> str:
        """A page that says what is wrong and where to go on."""
        with self._store.reading() as connection:
            known = known_gateways(connection, self._settings.tokens, self._settings.now_ms())
            offers = known_offers(connection)[: limits.ROWS_MAX]
        return self._templates.get_template("error.html").render(status=status, line=line, gateways=known, offers=offers)


def page_routes(settings: Settings, pages: Pages, pulse: Pulse) -> APIRouter:
    """The pages and the stream that keeps them fresh."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def street(span: str = "day") -> Response:
        return HTMLResponse(pages.page(View(span=known_span(span))))

    @router.get("/gateways/{gateway}")
    def gateway_page(gateway: str, span: str = "day") -> Response:
        return HTMLResponse(pages.page(View(span=known_span(span), gateway=gateway)))

    @router.get("/offers/{offer}")
    def offer_page(offer: str, span: str = "day") -> Response:
        return HTMLResponse(pages.page(View(span=known_span(span), offer=offer)))

    @router.get("/live")
    async def live(span: str = "day", gateway: str | None = None, offer: str | None = None) -> Response:
        view = View(span=known_span(span), gateway=gateway, offer=offer)
        await run_in_threadpool(pages.check, view)
        stream = open_stream(pulse, partial(pages.live, view), settings.refresh_s, settings.gap_s)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return router


def _shown_gateways(connection: Connection, view: View, known: list[Gateway]) -> list[Gateway]:
    if view.gateway is not None:
        shown = [gateway for gateway in known if gateway.gateway == view.gateway]
        if not shown:
            raise Refused(404, "There is no such gateway here. Choose one of those below, or add its line to the token file.")
        return shown
    if view.offer is not None:
        if view.offer not in known_offers(connection):
            raise Refused(404, "No record speaks of such an offer. Choose one of those below.")
        return []
    return known


def _environment(time_zone: tzinfo) -> Environment:
    templates = Environment(
        loader=PackageLoader("dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(
        number=words.number,
        age=words.age,
        duration=words.duration,
        moment=partial(words.moment, time_zone=time_zone),
        date_and_time=partial(words.date_and_time, time_zone=time_zone),
        machine_time=partial(words.machine_time, time_zone=time_zone),
    )
    templates.globals.update(
        share=words.share,
        width=words.width,
        spans=[(span, SPAN_WORDS[span]) for span in SPANS],
        funnel=[(kind, FUNNEL_WORDS[kind]) for kind in FUNNEL],
        rows_max=limits.ROWS_MAX,
        late_windows=limits.LATE_WINDOWS,
        silent_windows=limits.SILENT_WINDOWS,
        time_zone=time_zone,
    )
    return templates

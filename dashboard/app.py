"""The dashboard as one ASGI application: routes, security headers, and answers to refused requests.

Pages have no inline script or style and load nothing from another server; the content security policy
below makes browsers enforce it. Database errors are answered with 503, so that a gateway keeps its
records and sends the batch again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.announcer import Announcer
from dashboard.collector import GatewayTokens, collector_routes
from dashboard.fleet.alarms import AlarmWatch
from dashboard.fleet.routes import FleetPages
from dashboard.fleet.settings_routes import SettingsPages
from dashboard.gateways import register
from dashboard.live import Notifier
from dashboard.map.routes import MapPages
from dashboard.openapi import document
from dashboard.pages import Pages, page_routes
from dashboard.people.access import Access, HostList, NeedsLogin, is_of_program, read_form
from dashboard.people.accounts import Accounts
from dashboard.people.login import LoginPages, login_form
from dashboard.people.oidc import OidcPages
from dashboard.people.provider import Provider
from dashboard.people.routes import AccountPages
from dashboard.privacy.routes import PrivacyPages
from dashboard.quarantine_routes import QuarantinePages
from dashboard.refusals import Refused
from dashboard.rendering import Rendering
from dashboard.results.routes import ResultPages
from dashboard.retention import Retention
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio.api import DesiredApi
from dashboard.studio.dry_runs import DryRuns
from dashboard.studio.editor import EditorPages
from dashboard.studio.planning_routes import PlanningPages
from dashboard.studio.publisher import Publisher
from dashboard.studio.routes import CampaignPages
from dashboard.studio.try_routes import TryPages

log = logging.getLogger("wayside.dashboard")

STREAMS = ("/live", "/map/live")
SECRET_FIELDS = ("password", "old", "again")  # of forms; not shown again
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class SecurityHeaders:
    """ASGI middleware that adds `HEADERS` to every response, error responses included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application; the headers are added to the first message of its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app(settings: Settings, publisher: Publisher | None = None, provider: Provider | None = None) -> FastAPI:
    """The application for `settings`, with campaigns if there is a publisher, and a login by a provider if there is one.

    `app.state.notifier.close()` ends its open streams, `app.state.orders.close()` the held requests of gateways. Raises StoreError.
    """
    store = Store(settings.database_url, settings.people_max)
    with store.writing() as connection:
        register(connection, settings.tokens)
    notifier, orders = Notifier(), Notifier()
    identify = GatewayTokens(settings)
    rendering = Rendering(settings.time_zone, "" if provider is None else provider.settings.label)
    pages = Pages(settings, store, rendering)
    accounts = Accounts(store, settings.audit_key or secrets.token_bytes(32), settings.now_ms)
    access = Access(accounts, is_secure=settings.is_secure)

    watch, retention = AlarmWatch(settings, store), Retention(settings, store, accounts)
    dry_runs = DryRuns(settings, store)

    announcer = Announcer(store, {"records": notifier, "orders": orders}) if store.is_shared else None
    runs = [watch.run, retention.run, *([] if announcer is None else [announcer.run])]
    app = FastAPI(
        title="Wayside dashboard",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _app: _running(runs, dry_runs, notifier, orders, store),
        dependencies=[Depends(access.guard)],
    )
    app.state.notifier, app.state.accounts, app.state.orders, app.state.watch = notifier, accounts, orders, watch
    app.include_router(collector_routes(settings, store, notifier, identify))
    if publisher is not None:
        with store.writing() as connection:
            publisher.begin(connection, settings.campaign, "the campaign of the base bundle", settings.now_ms())
        app.include_router(DesiredApi(settings, store, publisher, orders, identify).routes())
    app.include_router(ResultPages(settings, store, rendering, publisher).routes())
    app.include_router(CampaignPages(settings, store, accounts, rendering, publisher, orders).routes())
    app.include_router(EditorPages(settings, store, accounts, rendering, publisher, dry_runs).routes())
    app.include_router(PlanningPages(settings, store, accounts, rendering, publisher).routes())
    app.include_router(TryPages(settings, store, rendering, publisher, dry_runs).routes())
    app.include_router(MapPages(settings, store, rendering, notifier).routes())
    app.include_router(PrivacyPages(settings, store, accounts, rendering).routes())
    app.include_router(FleetPages(settings, store, accounts, rendering).routes())
    app.include_router(SettingsPages(settings, store, accounts, rendering, publisher, orders).routes())
    app.include_router(page_routes(settings, pages, notifier))
    app.include_router(LoginPages(settings, accounts, access, rendering).routes())
    app.include_router(OidcPages(settings, accounts, access, provider).routes())
    app.include_router(AccountPages(settings, store, accounts, access, rendering).routes())
    app.include_router(QuarantinePages(settings, store, accounts, rendering, notifier).routes())
    app.add_api_route("/v1/openapi.json", lambda: JSONResponse(document(has_campaigns=publisher is not None)), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_middleware(HostList, hosts=settings.all_hosts)
    app.add_middleware(SecurityHeaders)
    _answer_refusals(app, pages, rendering)
    _answer_absence(app, rendering)
    return app


@asynccontextmanager
async def _running(
    runs: Sequence[Callable[[], Coroutine[Any, Any, None]]], dry_runs: DryRuns, notifier: Notifier, orders: Notifier, store: Store
) -> AsyncIterator[None]:
    """Run `runs` beside the server, and close the others at its end."""
    tasks = [asyncio.create_task(run()) for run in runs]
    yield
    for task in tasks:
        task.cancel()
    await dry_runs.close()
    notifier.close()
    orders.close()
    store.close()


def _answer_refusals(app: FastAPI, pages: Pages, rendering: Rendering) -> None:
    def answer(request: Request, status: int, line: str) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "5"} if status in (429, 503) else {}
        if is_of_program(request):
            return JSONResponse({"error": line}, status, headers)
        return HTMLResponse(pages.error(request, status, line), status, headers)

    @app.exception_handler(NeedsLogin)
    def on_needs_login(request: Request, fault: NeedsLogin) -> Response:
        if is_of_program(request) or request.url.path in STREAMS:
            return answer(request, 401, "log in, or send the bearer token of an account (page /account)")
        if request.method == "GET":
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?{urlencode({'next': target})}", 303)
        return login_form(rendering, request, request.url.path, fault.kept, status=401)

    @app.exception_handler(Refused)
    def on_refused(request: Request, refused: Refused) -> Response:
        return answer(request, refused.status, refused.line)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, fault: HTTPException) -> Response:
        line = "There is no page at this address." if fault.status_code == 404 else str(fault.detail)
        return answer(request, fault.status_code, line)


def _answer_absence(app: FastAPI, rendering: Rendering) -> None:
    """Answer requests that the database could not take; a form is shown again with its fields."""

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    async def on_away(request: Request, fault: DBAPIError) -> Response:
        return await kept(request, fault, 503, "The database cannot be reached", "the database is not available; try again later")

    @app.exception_handler(IntegrityError)
    async def on_clash(request: Request, fault: DBAPIError) -> Response:
        return await kept(request, fault, 409, "Another change came first", "another change came first; nothing was stored")

    async def kept(request: Request, fault: DBAPIError, status: int, title: str, line: str) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, str(fault.orig).strip().split("\n", 1)[0])
        headers = {"Retry-After": "5"}
        if is_of_program(request) or request.url.path in STREAMS:
            return JSONResponse({"error": line}, status, headers)
        try:
            form = await read_form(request) if request.method == "POST" else FormData()
        except Refused as refused:
            return HTMLResponse(rendering.page(request, "away.html", title=title, kept=[], target="", fault=refused.line), refused.status)
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in SECRET_FIELDS]
        page = rendering.page(request, "away.html", title=title, kept=fields, target=request.url.path, fault="")
        return HTMLResponse(page, status, headers)

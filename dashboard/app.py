"""The dashboard as one ASGI application: routes, security headers, and answers to refused requests.

Pages have no inline script or style and load nothing from another server; the content security policy
below makes browsers enforce it. Database errors are answered with 503, so that a gateway keeps its
records and sends the batch again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.collector import collector_routes
from dashboard.live import Notifier
from dashboard.pages import Pages, page_routes
from dashboard.refusals import Refused
from dashboard.settings import Settings
from dashboard.store import Store

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
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


def create_app(settings: Settings) -> FastAPI:
    """The application for `settings`. `app.state.notifier.close()` ends its open streams. Raises StoreError from the store."""
    store = Store(settings.database_url)
    notifier = Notifier()
    pages = Pages(settings, store)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        notifier.close()
        store.close()

    app = FastAPI(title="Wayside dashboard", openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.notifier = notifier
    app.include_router(collector_routes(settings, store, notifier))
    app.include_router(page_routes(settings, pages, notifier))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_middleware(SecurityHeaders)
    _answer_refusals(app, pages)
    return app


def _answer_refusals(app: FastAPI, pages: Pages) -> None:
    def answer(request: Request, status: int, line: str) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "5"} if status == 503 else {}
        if request.url.path.startswith("/v1/"):
            return JSONResponse({"error": line}, status, headers)
        return HTMLResponse(pages.error(status, line), status, headers)

    @app.exception_handler(Refused)
    def on_refused(request: Request, refused: Refused) -> Response:
        return answer(request, refused.status, refused.line)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, fault: HTTPException) -> Response:
        line = "There is no page at this address." if fault.status_code == 404 else str(fault.detail)
        return answer(request, fault.status_code, line)

    @app.exception_handler(OperationalError)
    def on_store(_request: Request, _fault: OperationalError) -> Response:
        # JSON on every path: rendering the error page would read the database that has just failed.
        return JSONResponse({"error": "the database is not available; try again later"}, 503, {"Retry-After": "5"})

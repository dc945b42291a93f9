"""Puts the dashboard together, and sees to it that every answer is guarded and every "no" is one line.

Pages carry no inline script or style and load nothing from elsewhere; the policy below makes the
browser hold us to it. Faults of the database are answered 503, so that a gateway keeps its records
and comes again.
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
from dashboard.live import Pulse
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


class Guarded:
    """Adds `HEADERS` to every answer, also to those that a handler did not make."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add the headers where the answer begins."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)


def create_app(settings: Settings) -> FastAPI:
    """The dashboard over the database of `settings`; `app.state.pulse.close()` ends its streams."""
    store = Store(settings.database_url)
    pulse = Pulse()
    pages = Pages(settings, store)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        pulse.close()
        store.close()

    app = FastAPI(title="Wayside dashboard", openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.pulse = pulse
    app.include_router(collector_routes(settings, store, pulse))
    app.include_router(page_routes(settings, pages, pulse))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_middleware(Guarded)
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
        line = "There is nothing at this address." if fault.status_code == 404 else str(fault.detail)
        return answer(request, fault.status_code, line)

    @app.exception_handler(OperationalError)
    def on_store(_request: Request, _fault: OperationalError) -> Response:
        # No page here: a page needs the very database that just failed.
        return JSONResponse({"error": "the store cannot be used right now: try again later"}, 503, {"Retry-After": "5"})

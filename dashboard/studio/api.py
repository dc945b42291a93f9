"""The desired state, for gateways: one request reports, and is held until there is a newer order."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from dashboard import limits
from dashboard.collector import GatewayTokens
from dashboard.live import Notifier
from dashboard.refusals import Refused
from dashboard.schema import bundles
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio.publisher import Publisher
from gateway.core.desired import Reported, SignedDesired


class DesiredApi:
    """Handlers of the interface; `orders` wakes the requests that are held."""

    def __init__(self, settings: Settings, store: Store, publisher: Publisher, orders: Notifier, identify: GatewayTokens) -> None:
        self._settings, self._store, self._publisher, self._orders, self._identify = settings, store, publisher, orders, identify
        self._held = 0

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(prefix="/v1")
        router.add_api_route("/desired", self.desired, methods=["POST"], response_class=Response)
        router.add_api_route("/bundles/{sha256}", self.bundle, response_class=Response)
        return router

    async def desired(self, request: Request) -> Response:
        """Store a report (`gateway.core.desired.Reported`); the newer SignedDesired, or 204 after half a minute without one.

        Raises Refused: 403 for another gateway, 503 if too many wait.
        """
        gateway = self._identify(request)
        report = await _read(request)
        if report.gateway != gateway:
            raise Refused(403, "the report is of another gateway than the token")
        if await run_in_threadpool(self._take, report):
            self._orders.notify()
        if self._orders.closed or self._held >= limits.HELD_MAX:
            raise Refused(503, "too many gateways wait; try again later")
        self._held += 1
        try:
            signed = await self._newer(gateway, report.serial)
        finally:
            self._held -= 1
        return Response(status_code=204) if signed is None else Response(msgspec.json.encode(signed), media_type="application/json")

    async def _newer(self, gateway: str, after: int) -> SignedDesired | None:
        """The order after a serial, within HELD_S."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + limits.HELD_S
        while True:
            seen = self._orders.count
            signed = await run_in_threadpool(self._order, gateway, after)
            left_s = ends_s - loop.time()
            if signed is not None or left_s <= 0 or self._orders.closed:
                return signed
            await self._orders.wait(seen, left_s)

    def _take(self, report: Reported) -> bool:
        with self._store.writing() as connection:
            return self._publisher.take(connection, report, self._settings.now_ms())

    def _order(self, gateway: str, after: int) -> SignedDesired | None:
        with self._store.reading() as connection:
            return self._publisher.order(connection, gateway, after)

    def bundle(self, request: Request, sha256: str) -> Response:
        """The bytes of a signed bundle. Raises Refused (404)."""
        self._identify(request)
        with self._store.reading() as connection:
            content = connection.execute(select(bundles.c.content).where(bundles.c.sha256 == sha256)).scalar_one_or_none()
        if content is None:
            raise Refused(404, "there is no bundle with this hash")
        return Response(bytes(content), media_type="application/octet-stream")


async def _read(request: Request) -> Reported:
    """The report in the body. Raises Refused: 411, 413 or 422 for its content, 408 if it is slow, 400 if it is cut off."""
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        raise Refused(411, "a report needs a stated length")
    if int(declared[:20]) > limits.REPORT_BYTES_MAX:
        raise Refused(413, f"the report is larger than {limits.REPORT_BYTES_MAX} bytes")
    try:
        async with asyncio.timeout(limits.BODY_S_MAX):
            body = await request.body()
    except TimeoutError as fault:
        raise Refused(408, "the report did not arrive in time") from fault
    except ClientDisconnect as fault:
        raise Refused(400, "the connection was closed before the end of the report") from fault
    try:
        return msgspec.json.decode(body, type=Reported)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Refused(422, "the report has a wrong shape") from fault

"""What machines ask of the dashboard: take a batch, say what is held, say that it lives.

The order of the checks is the order of their cost and of trust: who speaks, before a byte of the body
is read; how large, while it is read; what shape; for whom; and only then the database.
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboard.figures import SPANS, Span, View, cells_by_kind, figures
from dashboard.gateways import known_gateways
from dashboard.intake import decode, read_text
from dashboard.live import Pulse
from dashboard.refusals import Refused
from dashboard.settings import Settings, digest
from dashboard.store import Store
from gateway.core.records import Receipt


def collector_routes(settings: Settings, store: Store, pulse: Pulse) -> APIRouter:
    """`/v1/batches`, `/v1/summary` and `/v1/health`."""
    router = APIRouter(prefix="/v1")
    gateway_by_digest = settings.gateway_by_digest()

    @router.post("/batches")
    async def take(request: Request) -> Response:
        """Hold a batch of records (gzip JSON, `gateway.core.records.Batch`); answers a Receipt."""
        gateway = _speaker(request, gateway_by_digest)
        text = await read_text(request)
        receipt = await run_in_threadpool(_take, text, gateway)
        pulse.beat()
        return _json(receipt)

    def _take(text: bytes, gateway: str) -> Receipt:
        return store.take(decode(text, gateway), settings.now_ms())

    @router.get("/summary")
    def summary(span: str = "all") -> Response:
        """The numbers of the front page for machines; `span` is day, week or all."""
        return _json(_summary(settings, store, known_span(span)))

    @router.get("/health")
    def health() -> Response:
        """Answers as long as the server runs and its database can be read."""
        with store.reading():
            return _json({"ok": True, "now_ms": settings.now_ms()})

    return router


def known_span(span: str) -> Span:
    """`span` when it is one; Refused 422 otherwise."""
    for known in SPANS:
        if span == known:
            return known
    raise Refused(422, f"there is no such period: choose {', '.join(SPANS[:-1])} or {SPANS[-1]}")


def _speaker(request: Request, gateway_by_digest: dict[bytes, str]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    gateway = gateway_by_digest.get(digest(token.strip())) if scheme.lower() == "bearer" else None
    if gateway is None:
        raise Refused(401, "unknown or missing bearer token: is this gateway's line in the token file?")
    return gateway


def _summary(settings: Settings, store: Store, span: Span) -> dict[str, object]:
    now_ms = settings.now_ms()
    with store.reading() as connection:
        found = figures(connection, View(span=span), settings.time_zone)
        gateways = known_gateways(connection, settings.tokens, now_ms)
        kinds = cells_by_kind(connection)
    return {
        "now_ms": now_ms,
        "records": found.records,
        "cells_by_kind": kinds,
        "span": span,
        "from_ms": found.from_ms,
        "until_ms": found.until_ms,
        "triggers": found.totals["trigger"],
        "counts_by_kind": found.totals,
        "triggers_by_zone": {row.name: row.counts["trigger"] for row in found.zones},
        "triggers_by_offer": {row.name: row.counts["trigger"] for row in found.offers},
        "step_ms": found.step_ms,
        "triggers_by_step": found.columns,
        "gateways": gateways,
    }


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")

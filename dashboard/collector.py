"""HTTP interface for machines: batches from gateways, a summary of the figures, a health check.

Checks of a batch run in order of cost: the token before any byte of the body, the size while the body
is read, then the shape and the gateway id, and the database last.
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboard import limits, quarantine
from dashboard.control import perceived_control
from dashboard.estimates import Share
from dashboard.figures import figures
from dashboard.gateways import find_gateways
from dashboard.intake import decode, read_text
from dashboard.live import Notifier
from dashboard.metrics import CONTENT_TYPE, metrics
from dashboard.people.throttle import Throttle
from dashboard.privacy.noises import Noises
from dashboard.refusals import Refused
from dashboard.rollups import stored
from dashboard.settings import Settings, digest
from dashboard.sources import SPANS, Span, View
from dashboard.store import Store
from dashboard.visitors import visitors_by_zone
from gateway.core.records import Receipt


def collector_routes(settings: Settings, store: Store, notifier: Notifier, identify: GatewayTokens) -> APIRouter:
    """`/v1/batches`, `/v1/summary` and `/v1/health`."""
    router = APIRouter(prefix="/v1")
    noises = Noises(store)

    @router.post("/batches")
    async def take(request: Request) -> Response:
        """Store a batch of records (gzip JSON, `gateway.core.records.Batch`); the response is a Receipt."""
        gateway = identify(request)
        text = await read_text(request)
        receipt = await run_in_threadpool(_take, text, gateway)
        notifier.notify()
        return _json(receipt)

    def _take(text: bytes, gateway: str) -> Receipt:
        batch, now_ms = decode(text, gateway), settings.now_ms()
        receipt = store.take(batch, now_ms)
        noises.note(batch, now_ms)
        return receipt

    @router.get("/summary")
    def summary(span: str = "all") -> Response:
        """The figures of the overview page as JSON; `span` is day, week or all."""
        return _json(_summary(settings, store, known_span(span)))

    @router.get("/metrics")
    def prometheus() -> Response:
        """Figures of the desk itself, in the text format of Prometheus."""
        return Response(metrics(settings, store, notifier), media_type=CONTENT_TYPE)

    @router.get("/health")
    def health() -> Response:
        """200 while the database can be read."""
        with store.reading():
            return _json({"ok": True, "now_ms": settings.now_ms()})

    return router


def known_span(span: str) -> Span:
    """`span` with its type. Raises Refused (422) if it is not a known period."""
    for known in SPANS:
        if span == known:
            return known
    raise Refused(422, f"unknown period; choose {', '.join(SPANS[:-1])} or {SPANS[-1]}")


class GatewayTokens:
    """The bearer tokens of the gateways."""

    def __init__(self, settings: Settings) -> None:
        self._gateway_by_digest = settings.gateway_by_digest()
        self._wrong = Throttle(limits.TOKENS_BY_ADDRESS_MAX, limits.TOKEN_S, settings.now_ms)

    def __call__(self, request: Request) -> str:
        """The gateway of a request. Raises Refused: 401 for a wrong token, 429 after many from one address.

        A right token is always good, so a wrong one behind the same address keeps no gateway away.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        gateway = self._gateway_by_digest.get(digest(token.strip())) if scheme.lower() == "bearer" else None
        if gateway is not None:
            return gateway
        address = request.client.host if request.client else ""
        if self._wrong.wait_s(address):
            raise Refused(429, "too many wrong bearer tokens from this address; check this gateway's line in the token file")
        self._wrong.failed(address)
        raise Refused(401, "unknown or missing bearer token; check this gateway's line in the token file")


def _summary(settings: Settings, store: Store, span: Span) -> dict[str, object]:
    now_ms = settings.now_ms()
    with store.reading() as connection:
        found = figures(connection, View(span=span), settings.time_zone)
        gateways, _ = find_gateways(connection, now_ms)
        quarantined = quarantine.count(connection)
        control = perceived_control(connection)
        heard = visitors_by_zone(connection, View(span=span))
        records = stored(connection)["records"]
    answers = found.answers
    return {
        "now_ms": now_ms,
        "records": records,
        "quarantined": quarantined,
        "span": span,
        "from_ms": found.from_ms,
        "until_ms": found.until_ms,
        "sent": found.sent.figures(),
        "sent_by_zone": {row.name: row.sent.figures() for row in found.zones},
        "sent_by_offer": {row.name: row.sent.figures() for row in found.offers},
        "step_ms": found.step_ms,
        "sent_by_step": [{"start_ms": column.start_ms, **column.sent.figures()} for column in found.columns],
        "days": answers.days,
        "held_out": answers.held_out.figures(),
        "outcomes": {name: one.figures() for name, one in answers.outcomes.items()},
        "shares": {name: _share(one) for name, one in answers.shares.items()},
        "lift": _share(answers.lift),
        "perceived_control": _share(control),
        "visitors_by_zone": {zone: one.figures() for zone, one in heard.items()},
        "gateways": sorted(gateways, key=lambda one: one.gateway),
    }


def _share(found: Share | None) -> dict[str, float] | None:
    return None if found is None else {"value": round(found.value, 4), "plus_minus": round(found.margin, 4)}


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")

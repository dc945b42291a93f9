"""The HTTP interface of the gateway: decisions on request, answers and events, for devices that do not speak MQTT.

A client is an installed device with a token, and its requests are the observations that the same device would send by MQTT, so gates,
caps and the decision log are the same. The writer thread commits before the response; the HTTP thread waits for it with a
deadline. A repeated `Idempotency-Key` is the envelope of the same fact, so it has the same answer, also after a restart.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypeVar

import msgspec

from gateway.core import limits
from gateway.core.discards import Discard
from gateway.core.http import JSON, Request, Response, problem
from gateway.core.ports import StoreError
from gateway.core.types import Answer, AnswerKind, Envelope, Message, Observation, OfferRequest
from gateway.decoders.contract import DecodeError, parse_json, text
from gateway.decoders.formats.cloudevents import DECODER as CLOUD
from gateway.decoders.values.radio_ids import canonical_id
from gateway.runtime.cloud_bodies import BATCH, STRUCTURED, envelopes, media_type
from gateway.runtime.openapi import document
from gateway.runtime.sources import INSTALLED_KINDS, DeviceKind, kind_of, named

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.decoders.contract import Kind
    from gateway.runtime.app import Asked
    from gateway.runtime.status import GatewayStatus

T = TypeVar("T", bound=msgspec.Struct)

ANSWER_S_MAX = 5.0  # wait for the writer thread
LOAD_STEP_MS = 1_000  # of the round trip that is shown without a token
KEY_CHARS_MAX = 128
KEYS_KEPT_MAX = 10_000  # bodies that a repeated key is compared with
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DecideBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for an offer: `person` is a device or tag of the person, `zone` the place for clients of the whole site.

    With `most` above 1 the answer is a slate of up to so many offers.
    """

    person: Text
    zone: Text | None = None
    most: Annotated[int, msgspec.Meta(ge=1, le=limits.SLATE_ITEMS_MAX)] = 1


class AnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reaction of a person to an offer that this client asked for."""

    decision: Text
    answer: AnswerKind


_NO_ENVELOPE = Envelope("", "", 0)  # of a request that states no fact, or facts that have envelopes of their own


class Tokens(Protocol):
    """See `gateway.adapters.http_tokens.Tokens`."""

    def name(self, token: str) -> str | None:
        """The client of a token, or None; takes the same time for each token."""


class Gateway(Protocol):
    """The part of the running gateway that the interface uses."""

    @property
    def latest(self) -> GatewayStatus:
        """The latest status."""

    def ask(self, observations: Sequence[Observation], device: str) -> Future[Asked]:
        """Fold observations on the writer thread; the result has the reply to `device`, committed."""


class Call(NamedTuple):
    """An authorized request: the client and the envelope of the fact that it states."""

    device: str
    envelope: Envelope
    request: Request


class Route(NamedTuple):
    """One resource. Without `kinds` no token is needed; else the client must be allowed to make one of these observations.

    A request that `is_keyed` needs an Idempotency-Key; `media` are the media types of its body.
    """

    method: str
    path: str
    kinds: frozenset[Kind]
    answer: Callable[[Api, Call], Awaitable[Response]]
    body: type[msgspec.Struct] | None = None
    statuses: tuple[int, ...] = (200,)
    is_keyed: bool = False
    media: tuple[str, ...] = ()


def may_call(kind: DeviceKind) -> bool:
    """Whether devices of a kind may use the interface."""
    return any(not route.kinds.isdisjoint(INSTALLED_KINDS[kind]) for route in ROUTES)


_REFUSALS: Mapping[str, Response] = {
    Discard.NOT_CONSENTED: problem(404, "not_consented", "no person with this id consents to offers here; ask the person for the app's id"),
    Discard.UNMAPPED_DEVICE: problem(422, "unknown_zone", "state a zone of this gateway; a client of the whole site needs one"),
    Discard.UNKNOWN_DECISION: problem(404, "unknown_decision", "no decision with this id is stored, or its person has withdrawn"),
    Discard.OTHER_GATEWAY: problem(404, "other_gateway", "the decision is another gateway's; send the answer there"),
    Discard.NOT_THEIRS: problem(403, "not_theirs", "the offer was not made in the zone of this client"),
    Discard.TILL_ONLY: problem(409, "till_only", "the offer has a coupon, which only a till can redeem"),
}
"""Discards of the engine that a client can cause, as errors."""


class Api:
    """Answers requests; `handle` never raises. Used by the HTTP thread."""

    def __init__(
        self, gateway: Gateway, tokens: Tokens, kinds: Mapping[str, DeviceKind], now_ms: Callable[[], int], wait_s: float = ANSWER_S_MAX
    ) -> None:
        """`kinds` are those of the installed devices."""
        self._now_ms = now_ms
        self._gateway, self._tokens, self._kinds, self._wait_s = gateway, tokens, kinds, wait_s
        self._bodies: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def handle(self, request: Request) -> Response:
        """The response to a request."""
        routes = [route for route in ROUTES if route.path == request.path]
        route = next((route for route in routes if route.method == request.method), None)
        if not routes:
            return problem(404, "no_resource", "there is no such resource; GET /v1/openapi.json lists all")
        if route is None:
            allowed = ", ".join(route.method for route in routes)
            return problem(405, "wrong_method", f"the resource takes {allowed}", ("Allow", allowed))
        if not route.kinds:
            return await route.answer(self, Call("", _NO_ENVELOPE, request))
        call = self._authorized(request, route)
        return call if isinstance(call, Response) else await route.answer(self, call)

    def _authorized(self, request: Request, route: Route) -> Call | Response:
        """The call of a request, or the refusal of its token, its kind or its key."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        device = self._tokens.name(token.strip()) if scheme.lower() == "bearer" else None
        if device is None:
            challenge = ("WWW-Authenticate", 'Bearer realm="wayside"')
            return problem(401, "no_token", "send the header `Authorization: Bearer TOKEN` with a token of http.tokens_file", challenge)
        if route.kinds.isdisjoint(INSTALLED_KINDS[self._kinds[device]]):
            return problem(
                403, "not_its_kind", f"a client of the kind {self._kinds[device]} may not send this; see `devices` of the config"
            )
        if not route.is_keyed:
            return Call(device, _NO_ENVELOPE, request)
        key = request.headers.get("idempotency-key", "")
        if not key or len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
            return problem(400, "no_key", f"send the header Idempotency-Key: 1 to {KEY_CHARS_MAX} characters, a new one for each request")
        digest = hashlib.sha256(f"{request.path}\0{key}".encode()).hexdigest()[:48]
        return self._keyed(device, digest, request)

    def _keyed(self, device: str, key: str, request: Request) -> Call | Response:
        """The call with the envelope of its key and body; another body with a known key is refused."""
        hashed = hashlib.sha256(request.body).digest()
        if self._bodies.setdefault((device, key), hashed) != hashed:
            return problem(422, "key_used", "this Idempotency-Key was sent with another body; use a new key for each request")
        if len(self._bodies) > KEYS_KEPT_MAX:
            self._bodies.popitem(last=False)
        # After a restart a key alone must not find the answer to another body: the body is part of the envelope.
        return Call(device, Envelope(device, f"http.{key}", int.from_bytes(hashed[:6], "big")), request)

    async def health(self, _: Call) -> Response:
        """State of the gateway, for monitoring; no person and no client is named, and the load, which shows traffic, is rounded up."""
        latest = self._gateway.latest
        round_trip_ms = latest.round_trip_ms
        body = {
            "state": latest.state,
            "gateway": latest.gateway,
            "at_ms": latest.at_ms,
            "broker": bool(latest.protocol),
            "round_trip_ms": None if round_trip_ms is None else -(-round_trip_ms // LOAD_STEP_MS) * LOAD_STEP_MS,
        }
        return Response(200, msgspec.json.encode(body))

    async def openapi(self, _: Call) -> Response:
        """The OpenAPI document."""
        return Response(200, msgspec.json.encode(document(ROUTES)))

    async def decide(self, call: Call) -> Response:
        """Decide on an offer for a person."""
        body = _body(call, DecideBody)
        if isinstance(body, Response):
            return body
        try:
            person = canonical_id(body.person)
        except DecodeError as error:
            return problem(422, "wrong_body", f"person: {error.detail}")
        asked = await self._asked([OfferRequest(call.envelope, person, body.zone, None, body.most)], call.device)
        if isinstance(asked, Response):
            return asked
        if not asked.reply:
            return _UNANSWERED
        reply = {name: value for name, value in asked.reply.items() if name not in ("boot", "seq")}
        if reply.get("outcome") == "refused":
            return _REFUSALS.get(str(reply["reason"]), _UNANSWERED)
        return Response(200, msgspec.json.encode(reply))

    async def answer(self, call: Call) -> Response:
        """Take the reaction of a person."""
        body = _body(call, AnswerBody)
        if isinstance(body, Response):
            return body
        asked = await self._asked([Answer(call.envelope, body.decision, body.answer)], call.device)
        if isinstance(asked, Response):
            return asked
        for reason in asked.discarded:
            if reason != Discard.REPEATED:
                return _REFUSALS.get(reason, _UNANSWERED)
        return Response(200, msgspec.json.encode({"outcome": "kept"}))

    async def take(self, call: Call) -> Response:
        """Take CloudEvents: readings, counts and events of the client itself."""
        try:
            payload = envelopes(call.request)
            found = [] if payload is None else CLOUD.decode(Message("", payload, self._now_ms()))
        except DecodeError as error:
            return _wrong_body(error)
        if payload is None:
            return problem(415, "no_cloud_event", f"send {STRUCTURED}, {BATCH}, or the attributes as headers ce-...")
        allowed = INSTALLED_KINDS[self._kinds[call.device]]
        for one in found:
            name = named(one)
            if name != call.device and not name.startswith(f"{call.device}/"):
                return problem(403, "other_speaker", f"a client speaks for itself: the attribute source must be {call.device}")
            if kind_of(one) not in allowed:
                return problem(403, "not_its_kind", f"a client of the kind {self._kinds[call.device]} may not send a {kind_of(one)}")
        asked = await self._asked(found, call.device) if found else None
        if isinstance(asked, Response):
            return asked
        discarded = dict(asked.discarded) if asked else {}
        return Response(200, msgspec.json.encode({"kept": len(found) - sum(discarded.values()), "discarded": discarded}))

    async def _asked(self, observations: Sequence[Observation], device: str) -> Asked | Response:
        """The committed result of observations, or the refusal of a busy gateway; a request that has not begun is then dropped."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._gateway.ask(observations, device)), self._wait_s)
        except (TimeoutError, StoreError):
            return _BUSY
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the server stops
            return _BUSY  # the writer has stopped


_BUSY = problem(
    503, "busy", "the gateway is busy or its disk is full; repeat the request with the same Idempotency-Key", ("Retry-After", "2")
)
_UNANSWERED = problem(422, "refused", "the gateway cannot use this request")


def _body(call: Call, kind: type[T]) -> T | Response:
    """The body as `kind`, or the refusal of its media type, or with the field and the rule."""
    if media_type(call.request) != JSON:
        return problem(415, "no_json", "send the body as application/json")
    try:
        found: T = parse_json(call.request.body, _DECODERS[kind])
        for name in found.__struct_fields__:
            value = getattr(found, name)
            if isinstance(value, str):
                text(value, name)
    except DecodeError as error:
        return _wrong_body(error)
    return found


def _wrong_body(error: DecodeError) -> Response:
    return problem(400 if error.reason in ("not_json", "not_text") else 422, "wrong_body", error.detail)


_DECODERS: Mapping[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (DecideBody, AnswerBody)
}

_OPEN: frozenset[Kind] = frozenset()
_POSTED = (200, 400, 401, 403, 413, 415, 422, 503)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/health", _OPEN, Api.health),
    Route("GET", "/v1/openapi.json", _OPEN, Api.openapi),
    Route("POST", "/v1/decide", frozenset({"request"}), Api.decide, DecideBody, (*_POSTED, 404), is_keyed=True, media=(JSON,)),
    Route("POST", "/v1/answers", frozenset({"answer"}), Api.answer, AnswerBody, (*_POSTED, 404, 409), is_keyed=True, media=(JSON,)),
    Route("POST", "/v1/events", CLOUD.kinds, Api.take, None, _POSTED, media=(STRUCTURED, BATCH, JSON)),
)
"""All resources."""

assert KEY_CHARS_MAX < limits.TEXT_CHARS_MAX

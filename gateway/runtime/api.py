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
from gateway.core.types import Answer, AnswerKind, Envelope, Observation, OfferRequest
from gateway.decoders.contract import DecodeError, parse_json, text
from gateway.decoders.values.radio_ids import canonical_id
from gateway.runtime.openapi import document
from gateway.runtime.sources import INSTALLED_KINDS, DeviceKind

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.decoders.contract import Kind
    from gateway.runtime.app import Asked
    from gateway.runtime.status import GatewayStatus

T = TypeVar("T", bound=msgspec.Struct)

ANSWER_S_MAX = 5.0  # wait for the writer thread
KEY_CHARS_MAX = 128
KEYS_KEPT_MAX = 10_000  # bodies that a repeated key is compared with
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DecideBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for an offer: `person` is a device or tag of the person, `zone` the place for clients of the whole site."""

    person: Text
    zone: Text | None = None


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
    """One resource: method, path, and the kind of observation that the client must be allowed to make (None: no token is needed)."""

    method: str
    path: str
    kind: Kind | None
    answer: Callable[[Api, Call], Awaitable[Response]]
    body: type[msgspec.Struct] | None = None
    statuses: tuple[int, ...] = (200,)


def may_call(kind: DeviceKind) -> bool:
    """Whether devices of a kind may use the interface."""
    return not INSTALLED_KINDS[kind].isdisjoint(route.kind for route in ROUTES if route.kind is not None)


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

    def __init__(self, gateway: Gateway, tokens: Tokens, kinds: Mapping[str, DeviceKind], wait_s: float = ANSWER_S_MAX) -> None:
        """`kinds` are those of the installed devices."""
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
        if route.kind is None:
            return await route.answer(self, Call("", _NO_ENVELOPE, request))
        call = self._authorized(request, route.kind)
        return call if isinstance(call, Response) else await route.answer(self, call)

    def _authorized(self, request: Request, kind: Kind) -> Call | Response:
        """The call of a request, or the refusal of its token, its kind or its key."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        device = self._tokens.name(token.strip()) if scheme.lower() == "bearer" else None
        if device is None:
            challenge = ("WWW-Authenticate", 'Bearer realm="wayside"')
            return problem(401, "no_token", "send the header `Authorization: Bearer TOKEN` with a token of http.tokens_file", challenge)
        if kind not in INSTALLED_KINDS[self._kinds[device]]:
            return problem(
                403, "not_its_kind", f"a client of the kind {self._kinds[device]} may not send this; see `devices` of the config"
            )
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
        """State of the gateway, for monitoring; no person and no client is named."""
        latest = self._gateway.latest
        body = {"state": latest.state, "gateway": latest.gateway, "at_ms": latest.at_ms, "broker": bool(latest.protocol)}
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
        asked = await self._asked([OfferRequest(call.envelope, person, body.zone, None)], call.device)
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


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _body(call: Call, kind: type[T]) -> T | Response:
    """The body as `kind`, or the refusal of its media type, or with the field and the rule."""
    if _media_type(call.request) != JSON:
        return problem(415, "no_json", "send the body as application/json")
    try:
        found: T = parse_json(call.request.body, _DECODERS[kind])
        for name in found.__struct_fields__:
            value = getattr(found, name)
            if isinstance(value, str):
                text(value, name)
    except DecodeError as error:
        return problem(400 if error.reason in ("not_json", "not_text") else 422, "wrong_body", error.detail)
    return found


_DECODERS: Mapping[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (DecideBody, AnswerBody)
}

_POSTED = (200, 400, 401, 403, 413, 415, 422, 503)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/health", None, Api.health),
    Route("GET", "/v1/openapi.json", None, Api.openapi),
    Route("POST", "/v1/decide", "request", Api.decide, DecideBody, (*_POSTED, 404)),
    Route("POST", "/v1/answers", "answer", Api.answer, AnswerBody, (*_POSTED, 404, 409)),
)
"""All resources."""

assert KEY_CHARS_MAX < limits.TEXT_CHARS_MAX

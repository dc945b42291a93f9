"""Consents and withdrawals of the operator's desk, taken over a Unix socket and folded like those of a phone or page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.core.http import Request, Response, problem
from gateway.core.ports import StoreError
from gateway.core.types import Consent, ConsentSource, Envelope, Observation, Purpose

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.runtime.app import Asked

WAIT_S = 10.0
DAY_MS = 86_400_000


class ConsentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A consent of the person of `device`; without `purposes` a withdrawal. `tags` are all that stay linked, `codes` their codes."""

    device: str
    boot: str
    purposes: tuple[Purpose, ...]
    version: int
    wording: str
    days: int
    change: int
    tags: tuple[str, ...] = ()
    codes: dict[str, str] = {}
    irks: tuple[str, ...] = ()
    eid_keys: tuple[str, ...] = ()


class Gateway(Protocol):
    """The part of the running gateway that the desk uses."""

    def ask(self, observations: Sequence[Observation], device: str, *, publishes: bool = False) -> Future[Asked]:
        """Fold observations on the writer thread; the result is committed, and the reply published as well if it `publishes`."""


class Desk:
    """Answers requests; `handle` never raises."""

    def __init__(self, gateway: Gateway, now_ms: Callable[[], int]) -> None:
        """The permissions of the socket decide on access."""
        self._gateway, self._now_ms = gateway, now_ms

    async def handle(self, request: Request) -> Response:
        """Take a consent; the response is its receipt."""
        if (request.method, request.path) != ("POST", "/v1/consent"):
            return problem(404, "no_resource", "POST /v1/consent is the only resource")
        try:
            body = msgspec.json.decode(request.body, type=ConsentBody)
        except msgspec.DecodeError as error:
            return problem(422, "wrong_body", str(error))
        source: ConsentSource = "desk"
        now_ms = self._now_ms()
        stated = Consent(
            Envelope(body.device, body.boot, 1),
            body.purposes,
            body.version,
            now_ms,
            now_ms + body.days * DAY_MS if body.purposes else None,
            body.tags,
            irks=body.irks,
            codes=body.codes,
            eid_keys=body.eid_keys,
            change=body.change,
            wording=body.wording,
            source=source,
        )
        try:
            asked = await asyncio.wait_for(asyncio.wrap_future(self._gateway.ask([stated], body.device, publishes=True)), WAIT_S)
        except (TimeoutError, StoreError):
            return problem(503, "busy", "the gateway is busy or its disk is full, and nothing was changed: repeat the command")
        return Response(200, msgspec.json.encode(asked.reply))
